package nut

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers"
)

const (
	// listWait is how long a driver's list of commands may stay empty.
	listWait = 2 * time.Second
	// outcomeWait is the longest wait for what became of an order: a driver
	// looks at its orders between two polls of the device.
	outcomeWait = 10 * time.Second
	// settingWait is how long a variable that was set may read as before.
	settingWait = 5 * time.Second
	// timerWait is how long a timer may read as before: usbhid-ups reads
	// CyberPower's with every poll, each 2 s (HU_FLAG_QUICK_POLL).
	timerWait = 8 * time.Second
	// timerSlack is how old a timer's value may be, and how rough its steps.
	timerSlack = 5 * time.Second
)

// The variables that a cut is made of (docs/nut-names.txt).
const (
	delayShutdown = "ups.delay.shutdown"
	delayStart    = "ups.delay.start"
	timerShutdown = "ups.timer.shutdown"
	timerStart    = "ups.timer.start"
)

// obey carries an order out and answers it. Its own error is that the server or
// its data is lost.
func (s *session) obey(ctx context.Context, o drivers.Order) error {
	both, cancel := context.WithCancel(o.Ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	delay, err := s.do(both, o.Command)
	if err != nil {
		err = fmt.Errorf("order %q to %s: %w", o.Name, s.device(), err)
	}
	o.Reply(drivers.Answer{Delay: delay}, err)
	return s.look()
}

func (s *session) do(ctx context.Context, c drivers.Command) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.Name.Delays() && c.Delay <= 0 {
		return 0, fmt.Errorf("delay: want a time above 0s (got %v)", c.Delay)
	}
	known, err := s.commands()
	if err == nil && len(known) == 0 {
		// The list may still be on its way from the driver: see errUntold.
		known, err = s.later(ctx)
	}
	if err != nil {
		return 0, err
	}
	if !slices.Contains(known, c.Name) {
		return 0, fmt.Errorf("%w: NUT's driver %s offers %q", drivers.ErrUnsupported, s.values["driver.name"], known)
	}
	if s.config.User == "" {
		return 0, fmt.Errorf("%w: a command needs user and password_file, of a user whom the server's upsd.users gives \"instcmds = ALL\"", drivers.ErrPermission)
	}
	if err := s.track(); err != nil {
		return 0, err
	}
	switch c.Name {
	case drivers.ShutdownReturn, drivers.ShutdownStayoff:
		return s.cut(ctx, c, known)
	case drivers.LoadOffDelay:
		return s.count(ctx, c, timerShutdown, known)
	case drivers.LoadOnDelay:
		return s.count(ctx, c, timerStart, known)
	case drivers.ShutdownStop:
		return 0, s.stop(ctx)
	}
	_, err = s.instruct(ctx, c.Name)
	return 0, err
}

// commands are those of the UPS that drivers share.
func (s *session) commands() ([]drivers.CommandName, error) {
	rows, err := s.list("CMD", s.name)
	if err != nil {
		return nil, fmt.Errorf("list the commands: %w", err)
	}
	var known []drivers.CommandName
	for _, name := range drivers.CommandNames() {
		if slices.ContainsFunc(rows, func(r row) bool { return len(r.words) > 0 && strings.EqualFold(r.words[0], string(name)) }) {
			known = append(known, name)
		}
	}
	return known, nil
}

// later asks for the commands until there are some, for a short time.
func (s *session) later(ctx context.Context) (known []drivers.CommandName, failed error) {
	_, err := s.until(ctx, listWait, func() bool {
		known, failed = s.commands()
		return failed != nil || len(known) > 0
	})
	return known, errors.Join(err, failed)
}

// track asks the server, once, to tell what becomes of orders; NUT does since 2.8.
func (s *session) track() error {
	if s.tracked != nil {
		return nil
	}
	_, err := s.order("SET", "TRACKING", "ON")
	if err != nil && !isRefusal(err) {
		return fmt.Errorf("turn tracking on: %w", err)
	}
	s.tracked = new(err == nil)
	return nil
}

// instruct gives an instant command. proven is whether NUT's driver said that it
// did it; otherwise it is only known that the server passed it on.
func (s *session) instruct(ctx context.Context, name drivers.CommandName, parameter ...string) (proven bool, err error) {
	rest, err := s.order(append([]string{"INSTCMD", s.name, string(name)}, parameter...)...)
	if err != nil {
		return false, err
	}
	return s.outcome(ctx, rest)
}

// outcome waits for what became of an order that was answered with this.
func (s *session) outcome(ctx context.Context, rest string) (proven bool, err error) {
	id, ok := strings.CutPrefix(rest, "TRACKING ")
	if !ok {
		return false, nil
	}
	said, refusal := "", error(nil)
	done, err := s.until(ctx, outcomeWait, func() bool {
		said, refusal = s.ask("GET", "TRACKING", id)
		return refusal != nil || said != "PENDING"
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("wait for what became of it: %w", err)
	case isRefusal(refusal):
		return false, fmt.Errorf("NUT's driver did not do it: it says %q", clip(said))
	case refusal != nil:
		return false, refusal
	case !done:
		return false, fmt.Errorf("NUT's driver has not answered in %v: it may still be carried out", outcomeWait)
	case said != "SUCCESS":
		return false, fmt.Errorf("%w: %q to GET TRACKING", errLine, clip(said))
	}
	return true, nil
}

// cut switches the outlets off after a delay, which NUT keeps in a variable.
func (s *session) cut(ctx context.Context, c drivers.Command, known []drivers.CommandName) (time.Duration, error) {
	if c.Name == drivers.ShutdownReturn && s.cyberPower() {
		s.withMains(ctx)
	}
	delay, err := s.delay(ctx, s.steps(c.Delay))
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err // before anything counts
	}
	asked := time.Now()
	proven, err := s.instruct(ctx, c.Name)
	if err != nil {
		return 0, err
	}
	return s.counts(ctx, counting{timerShutdown, delay, asked, proven, known})
}

// count starts a countdown whose delay goes with the command. Drivers are free to
// ignore it, so it is only done where a timer can be read back.
func (s *session) count(ctx context.Context, c drivers.Command, timer string, known []drivers.CommandName) (time.Duration, error) {
	if _, ok := number(s.values[timer]); !ok {
		return 0, fmt.Errorf("%w with a delay that can be read back: there is no %s", drivers.ErrUnsupported, timer)
	}
	delay, asked := s.steps(c.Delay), time.Now()
	proven, err := s.instruct(ctx, c.Name, whole(delay))
	if err != nil {
		return 0, err
	}
	return s.counts(ctx, counting{timer, delay, asked, proven, known})
}

// steps rounds a delay up to what the device can count: CyberPower's are known to
// drop what is not a whole minute (NUT's man page of usbhid-ups, offdelay).
func (s *session) steps(delay time.Duration) time.Duration {
	step := time.Second
	if s.cyberPower() {
		step = time.Minute
	}
	return (delay + step - 1) / step * step
}

func (s *session) cyberPower() bool {
	return s.values["ups.vendorid"] == "0764" || strings.HasPrefix(s.values["driver.version.data"], "CyberPower")
}

// withMains makes a CyberPower's outlets come on with mains: with a start delay
// above 0 many of them come on without it, too (NUT issues 578 and 625), and NUT
// sets 120 s by itself since 2.8.3. Where it cannot be set the cut is still better
// than none.
func (s *session) withMains(ctx context.Context) {
	if v, ok := number(s.values[delayStart]); !ok || v == 0 {
		return
	}
	if err := s.set(ctx, delayStart, "0"); err != nil {
		s.log.Warn("the outlets may come on again without mains: set ondelay = 0 for this UPS in the server's ups.conf", "device", s.device(), "err", err)
	}
}

func whole(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// delay makes the server's delay of a shutdown at least want, and returns it as it
// then reads.
func (s *session) delay(ctx context.Context, want time.Duration) (time.Duration, error) {
	v, there := number(s.values[delayShutdown])
	if there && (v < 0 || v > longest.Seconds()) {
		return 0, fmt.Errorf("%s is %v s, which cannot be", delayShutdown, v)
	}
	have := time.Duration(math.Floor(v)) * time.Second
	if there && have == want {
		return have, nil
	}
	value := whole(want)
	err := s.set(ctx, delayShutdown, value)
	if isRefusal(err, badValue) {
		if other, ok := s.allowed(delayShutdown, want); ok {
			value = other
			err = s.set(ctx, delayShutdown, value)
		}
	}
	switch {
	case err == nil:
	case !there:
		return 0, fmt.Errorf("the server has no %s that could be set, so its delay is not known: %w", delayShutdown, err)
	case have >= want && s.broken == nil && ctx.Err() == nil:
		return have, nil
	default:
		return 0, fmt.Errorf("the server's delay is %v, %v is needed, and it cannot be set: set offdelay = %s for this UPS in the server's ups.conf: %w",
			have, want, whole(want), err)
	}
	// What was there before may stand for a moment more.
	_, err = s.until(ctx, settingWait, func() bool {
		is, ok := number(s.values[delayShutdown])
		set, _ := number(value)
		return ok && is == set
	})
	if err != nil {
		return 0, err
	}
	v, ok := number(s.values[delayShutdown])
	if !ok || v < want.Seconds() || v > longest.Seconds() {
		return 0, fmt.Errorf("%s was set to %s s, and reads %q", delayShutdown, value, clip(s.values[delayShutdown]))
	}
	return time.Duration(math.Floor(v)) * time.Second, nil
}

// set sets a variable, and waits for what NUT's driver says to it if it can tell.
func (s *session) set(ctx context.Context, name, value string) error {
	rest, err := s.order("SET", "VAR", s.name, name, value)
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	if _, err := s.outcome(ctx, rest); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// allowed is the least value of a variable that is not below want.
func (s *session) allowed(name string, want time.Duration) (string, bool) {
	best, text := math.Inf(1), ""
	rows, err := s.list("ENUM", s.name, name)
	for _, r := range rows {
		if len(r.words) != 1 {
			continue
		}
		if v, ok := number(r.words[0]); ok && v >= want.Seconds() && v < best {
			best, text = v, r.words[0]
		}
	}
	if err != nil && !isRefusal(err) {
		return "", false
	}
	rows, _ = s.list("RANGE", s.name, name)
	for _, r := range rows {
		if len(r.words) != 2 {
			continue
		}
		least, ok1 := number(r.words[0])
		most, ok2 := number(r.words[1])
		if v := max(least, want.Seconds()); ok1 && ok2 && v <= most && v < best {
			best, text = v, strconv.Itoa(int(math.Ceil(v)))
		}
	}
	return text, text != ""
}

// A counting is a countdown that was ordered.
type counting struct {
	timer  string // the variable that counts
	delay  time.Duration
	asked  time.Time
	proven bool
	known  []drivers.CommandName
}

// counts reads a countdown back, and returns the delay that it had at its start.
// One that is shorter than asked for is stopped again.
func (s *session) counts(ctx context.Context, c counting) (time.Duration, error) {
	if _, ok := number(s.values[c.timer]); !ok {
		if !c.proven {
			s.log.Warn("NUT's server took the order; nothing tells whether the UPS did", "device", s.device(), "delay", c.delay)
		}
		return c.delay, nil
	}
	left := 0.0
	whole := func() time.Duration {
		return time.Duration(left)*time.Second + time.Since(c.asked).Truncate(time.Second)
	}
	ok, err := s.until(ctx, timerWait, func() bool {
		left, _ = number(s.values[c.timer])
		return left > 0 && left < longest.Seconds() && whole()+timerSlack >= c.delay
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("read %s back: %w", c.timer, err)
	case ok:
		return max(c.delay, whole()-timerSlack), nil
	case left <= 0 && c.proven:
		s.log.Warn("NUT's driver did the order, and its timer does not count", "device", s.device(), "timer", c.timer, "delay", c.delay)
		return c.delay, nil
	}
	err = fmt.Errorf("a delay of %v was ordered, and %s reads %q", c.delay, c.timer, clip(s.values[c.timer]))
	if c.timer != timerShutdown || !slices.Contains(c.known, drivers.ShutdownStop) {
		return 0, fmt.Errorf("%w; it cannot be stopped, so it may still come", err)
	}
	if _, stop := s.instruct(ctx, drivers.ShutdownStop); stop != nil {
		return 0, errors.Join(err, fmt.Errorf("and it may still come: stop it: %w", stop))
	}
	return 0, fmt.Errorf("%w; it was stopped", err)
}

// stop forgets a shutdown, and reads that back.
func (s *session) stop(ctx context.Context) error {
	if _, err := s.instruct(ctx, drivers.ShutdownStop); err != nil {
		return err
	}
	if _, ok := number(s.values[timerShutdown]); !ok {
		return nil
	}
	ok, err := s.until(ctx, timerWait, func() bool {
		v, ok := number(s.values[timerShutdown])
		return !ok || v <= 0
	})
	if err == nil && !ok {
		err = fmt.Errorf("%s still counts: it reads %s s", timerShutdown, clip(s.values[timerShutdown]))
	}
	return err
}

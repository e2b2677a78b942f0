package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/drivers/board"
	"lastwatt/drivers/board/mailbox"
)

// ErrAbsent is that the rig has nothing for a step to be confirmed on.
var ErrAbsent = errors.New("not in this rig: nothing was confirmed")

// A Machine is the node that the steps run on.
type Machine struct {
	Root    string
	Mailbox mailbox.Asker
	Drives  board.Drives // nil: the machine's own
	// Alarm is the clock that starts it.
	Alarm func() (Alarm, error)
	// Doctor is what "lastwatt doctor --json" prints.
	Doctor func(ctx context.Context) ([]byte, error)
}

// Alarm is a clock that can start the machine, such as [board.RTC].
type Alarm interface {
	SetAlarm(after time.Duration) error
	ClearAlarm() error
	Alarm() (after time.Duration, armed bool, err error)
}

// A Reading is what the board's driver reported in half a minute.
type Reading struct {
	Node  drivers.Node
	Rails map[string]drivers.Rail
	Fans  map[string]drivers.Fan
}

// A Step confirms one thing.
type Step struct {
	Name string // its heading in README.md
	// Run is nil where hands do the step, and the rig says what was seen.
	Run func(ctx context.Context, m Machine, g Rig, r Reading) error
}

// Steps are all of them, in README.md's order.
func Steps() []Step {
	return []Step{
		{"model", model}, {"flags", flags}, {"temperature", temperature}, {"input", input}, {"draw", draw}, {"start", start},
		{"reset", reset}, {"fan", fan}, {"drive", drive}, {"clock", alarm}, {"rails", rails}, {"doctor", doctor},
		{"under-voltage", nil}, {"power-cut", nil}, {"halted-draw", nil}, {"wake-clock", nil}, {"wake-pin", nil}, {"chassis-fan", nil},
	}
}

func find(name string) (Step, bool) {
	steps := Steps()
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return steps[i], true
}

// Do does a step, or says what the rig says was seen.
func (s Step) Do(ctx context.Context, m Machine, g Rig, r Reading) (seen string, err error) {
	if s.Run != nil {
		return "", s.Run(ctx, m, g, r)
	}
	if seen := g.Seen[s.Name]; seen != "" {
		return seen, nil
	}
	return "", fmt.Errorf("%w; it is done by hand, and what was seen is written into the rig's file under seen", ErrAbsent)
}

// Read runs the board's driver for so long and returns what it reported last.
func (m Machine) Read(ctx context.Context, c board.Config, clk clock.Clock, long time.Duration) (Reading, error) {
	r := Reading{Rails: map[string]drivers.Rail{}, Fans: map[string]drivers.Fan{}}
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	err := board.New(board.Options{Config: c, Root: m.Root, Clock: clk, Mailbox: m.Mailbox, Drives: m.Drives}).Run(ctx, func(got drivers.Reading) {
		switch f := got.Fact.(type) {
		case drivers.Node:
			r.Node = f
		case drivers.Rail:
			r.Rails[f.Name] = f
		case drivers.Fan:
			r.Fans[f.Name] = f
		}
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		return r, fmt.Errorf("the board's driver ended: %w", err)
	}
	return r, nil
}

func model(_ context.Context, _ Machine, g Rig, r Reading) error {
	if !strings.HasPrefix(r.Node.Model, g.Model) {
		return fmt.Errorf("the device tree says %q, and the rig %q", r.Node.Model, g.Model)
	}
	return nil
}

func flags(_ context.Context, m Machine, g Rig, r Reading) error {
	if !g.Firmware {
		return ErrAbsent
	}
	answer, err := m.Mailbox.Ask("get_throttled")
	if err != nil {
		return err
	}
	if _, err := mailbox.ParseThrottled(answer); err != nil {
		return err
	}
	if r.Node.Throttled == nil || r.Node.UnderVoltage == nil {
		return errors.New("the firmware answers, and the driver tells no flags")
	}
	return nil
}

func temperature(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Celsius == nil {
		return ErrAbsent
	}
	if r.Node.Temperature == nil {
		return errors.New("no temperature")
	}
	return g.Celsius.check("°C", float64(*r.Node.Temperature))
}

func input(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.InputVolts == nil {
		return ErrAbsent
	}
	rail := r.Rails["EXT5V"]
	if rail.Volts == nil {
		return errors.New("no rail EXT5V: has this board a Pi 5's power chip, and may we ask it?")
	}
	return g.InputVolts.check("EXT5V in V", float64(*rail.Volts))
}

func draw(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Watts == nil {
		return ErrAbsent
	}
	if r.Node.Draw == nil {
		return errors.New("no draw")
	}
	if r.Node.Method != g.Method {
		return fmt.Errorf("the draw is by %q, and the rig wants %q", r.Node.Method, g.Method)
	}
	return g.Watts.check("W by "+r.Node.Method, float64(*r.Node.Draw))
}

func start(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Start == nil {
		return ErrAbsent
	}
	if r.Node.Start == nil {
		return errors.New("no EEPROM settings")
	}
	got := r.Node.Start
	var errs []error
	for _, s := range []struct {
		name      string
		got, want *bool
	}{
		{"POWER_OFF_ON_HALT", got.PowerOffOnHalt, g.Start.PowerOffOnHalt},
		{"WAKE_ON_GPIO", got.WakeOnGPIO, g.Start.WakeOnGPIO},
		{"WAIT_FOR_POWER_BUTTON", got.WaitForPowerButton, g.Start.WaitForPowerButton},
	} {
		if text(s.got) != text(s.want) {
			errs = append(errs, fmt.Errorf("%s: we read %s, and the rig says %s", s.name, text(s.got), text(s.want)))
		}
	}
	return errors.Join(errs...)
}

func text(b *bool) string {
	if b == nil {
		return "nothing"
	}
	return fmt.Sprint(*b)
}

func reset(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Reset == "" {
		return ErrAbsent
	}
	if !strings.Contains(r.Node.Reset, g.Reset) {
		return fmt.Errorf("we read %q, and the rig says %q", r.Node.Reset, g.Reset)
	}
	return nil
}

func fan(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Fan == nil {
		return ErrAbsent
	}
	f, ok := r.Fans[g.Fan.Name]
	if !ok {
		return fmt.Errorf("no fan %q among %v", g.Fan.Name, r.Fans)
	}
	if turns := f.RPM != nil && *f.RPM > 0; turns != g.Fan.Turns {
		return fmt.Errorf("it turns: we read %t (%s), and the rig says %t", turns, f.State, g.Fan.Turns)
	}
	return nil
}

func drive(_ context.Context, _ Machine, g Rig, r Reading) error {
	if g.Drive == nil {
		return ErrAbsent
	}
	i := slices.IndexFunc(r.Node.Drives, func(d drivers.Drive) bool { return d.Name == g.Drive.Name })
	if i < 0 {
		return fmt.Errorf("no drive %q", g.Drive.Name)
	}
	d := r.Node.Drives[i]
	if d.Temperature == nil || d.Wear == nil {
		return fmt.Errorf("drive %q tells no temperature or no wear: does this run as root?", d.Name)
	}
	return errors.Join(g.Drive.Celsius.check("°C of the drive", float64(*d.Temperature)), Figure{Is: g.Drive.Used}.check("percentage used", float64(*d.Wear)))
}

// alarm arms the clock, reads it back by its own file, and puts back what was set.
func alarm(_ context.Context, m Machine, g Rig, _ Reading) error {
	if g.Clock == "" {
		return ErrAbsent
	}
	a, err := m.Alarm()
	if err != nil {
		return err
	}
	before, armed, err := a.Alarm()
	if err != nil {
		return err
	}
	const long = 3 * time.Hour
	if err := a.SetAlarm(long); err != nil {
		return err
	}
	after, set, err := a.Alarm()
	if err == nil && (!set || after < long-3*time.Second || after > long+3*time.Second) {
		err = fmt.Errorf("an alarm in %s was set, and %s (armed: %t) is read back", long, after, set)
	}
	if armed {
		return errors.Join(err, a.SetAlarm(before))
	}
	return errors.Join(err, a.ClearAlarm())
}

func rails(_ context.Context, _ Machine, g Rig, r Reading) error {
	if len(g.Rails) == 0 {
		return ErrAbsent
	}
	var errs []error
	for name, figure := range g.Rails {
		rail, ok := r.Rails[name]
		if !ok || rail.Volts == nil {
			errs = append(errs, fmt.Errorf("no rail %q: is it under board: in the rig's file?", name))
			continue
		}
		errs = append(errs, figure.check("V of "+name, float64(*rail.Volts)))
	}
	return errors.Join(errs...)
}

func doctor(ctx context.Context, m Machine, g Rig, _ Reading) error {
	if g.Doctor == nil {
		return ErrAbsent
	}
	out, err := m.Doctor(ctx)
	if err != nil {
		return err
	}
	var report struct{ Problems []struct{ Code, Text string } }
	if err := json.Unmarshal(out, &report); err != nil {
		return fmt.Errorf("lastwatt doctor --json: %w", err)
	}
	var errs []error
	left := slices.Clone(*g.Doctor)
	for _, p := range report.Problems {
		if !slices.Contains(*g.Doctor, p.Code) {
			errs = append(errs, fmt.Errorf("doctor finds %s, which the rig does not know of: %s", p.Code, p.Text))
		}
		left = slices.DeleteFunc(left, func(code string) bool { return code == p.Code })
	}
	for _, code := range left {
		errs = append(errs, fmt.Errorf("the rig knows of %s, which doctor does not find", code))
	}
	return errors.Join(errs...)
}

package usbhid

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid/hid"
)

// settle is what devices need between two writes: NUT's figure, without which
// CyberPower's take only the second.
const settle = 125 * time.Millisecond

// obey carries an order out and answers it. Its own error is that the device
// must be closed.
func (s *session) obey(o drivers.Order) error {
	delay, err := s.do(o.Ctx, o.Command)
	if err != nil {
		err = fmt.Errorf("order %q to %v: %w", o.Name, s.info, err)
	}
	o.Reply(drivers.Answer{Delay: delay}, err)
	return s.look()
}

func (s *session) do(ctx context.Context, c drivers.Command) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.Name.Delays() && c.Delay <= 0 {
		return 0, fmt.Errorf("delay: want a time above 0s, since the device takes 0 for now (got %v)", c.Delay)
	}
	switch c.Name {
	case drivers.BeeperDisable:
		return 0, s.set(beeper, 1)
	case drivers.BeeperEnable:
		return 0, s.set(beeper, 2)
	case drivers.BeeperMute:
		return 0, s.set(beeper, 3)
	case drivers.TestQuick:
		return 0, s.write(test, 1)
	case drivers.TestDeep:
		return 0, s.write(test, 2)
	case drivers.TestStop:
		return 0, s.write(test, 3)
	}
	return s.outlets(ctx, c)
}

// outlets does the commands that switch the outlets.
func (s *session) outlets(ctx context.Context, c drivers.Command) (time.Duration, error) {
	shutdown, startup, err := s.delays()
	if err != nil {
		return 0, err
	}
	switch c.Name {
	case drivers.LoadOff:
		return 0, s.now(delayShutdown)
	case drivers.LoadOn:
		return 0, s.now(delayStartup)
	case drivers.LoadOffDelay:
		return s.count(shutdown, delayShutdown, c.Delay)
	case drivers.LoadOnDelay:
		return s.count(startup, delayStartup, c.Delay)
	case drivers.ShutdownReturn:
		return s.cut(ctx, c.Delay, s.profile.startCount())
	case drivers.ShutdownStayoff:
		return s.cut(ctx, c.Delay, -1)
	case drivers.ShutdownStop:
		return 0, s.set(delayShutdown, -1)
	}
	return 0, drivers.ErrUnsupported
}

// now writes a count of 0. What can be read back is 0 or, once it is done, -1.
func (s *session) now(q quantity) error {
	if err := s.write(q, 0); err != nil {
		return err
	}
	got, err := s.current(q)
	if err == nil && got > 0 {
		return mismatch(s.model.feature[q], 0, got)
	}
	return err
}

// count starts a countdown of at least delay.
func (s *session) count(f *hid.Field, q quantity, delay time.Duration) (time.Duration, error) {
	n, err := s.steps(f, delay)
	if err != nil {
		return 0, err
	}
	return seconds(f.Physical(n)), s.set(q, n)
}

// steps is a delay in the device's own count. A count of 0 means "now": a delay
// is rounded up to the device's step and is never less than one.
func (s *session) steps(f *hid.Field, delay time.Duration) (int64, error) {
	if step := s.profile.DelayStep; step > 0 {
		delay = (delay + step - 1) / step * step
	}
	n := max(1, int64(math.Ceil(f.Logical(delay.Seconds())-1e-9)))
	if f.Limited() && n > f.LogicalMax {
		return 0, fmt.Errorf("delay %v is too long: at most %v", delay, seconds(f.Physical(f.LogicalMax)))
	}
	return n, nil
}

// delays returns the two fields of a cut. Only CyberPower's, below UPS.Output,
// are known to do what this driver promises.
func (s *session) delays() (shutdown, startup *hid.Field, err error) {
	shutdown, startup = s.model.feature[delayShutdown], s.model.feature[delayStartup]
	for _, f := range []*hid.Field{shutdown, startup} {
		if f == nil || !strings.HasPrefix(f.Name(), "UPS.Output.") || !f.Signed() {
			return nil, nil, drivers.ErrUnsupported
		}
	}
	return shutdown, startup, nil
}

// cut arms the countdown that switches the outlets off. start is what the
// device is to do when mains is back: 0 is on again with mains, -1 stays off
// (above 0, outlets of many come on with or without mains).
func (s *session) cut(ctx context.Context, delay time.Duration, start int64) (time.Duration, error) {
	f, startup, err := s.delays()
	if err != nil {
		return 0, err
	}
	if _, err := s.steps(f, delay); err != nil {
		return 0, err // before anything is written
	}
	if err := s.set(delayStartup, start); err != nil {
		return 0, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	took, err := s.count(f, delayShutdown, delay)
	if err != nil {
		return 0, err
	}
	// The start delay once more: some devices change it with the other.
	if got, err := s.current(delayStartup); err != nil {
		return 0, err
	} else if got != start {
		return 0, mismatch(startup, start, got)
	}
	return took, nil
}

// set writes a field and reads it back.
func (s *session) set(q quantity, raw int64) error {
	if err := s.write(q, raw); err != nil {
		return err
	}
	got, err := s.current(q)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if got != raw {
		return mismatch(s.model.feature[q], raw, got)
	}
	return nil
}

func mismatch(f *hid.Field, want, got int64) error {
	return fmt.Errorf("%s: wrote %d (%v), and the device holds %d (%v)",
		f.Name(), want, f.Physical(want), got, f.Physical(got))
}

// write changes one field of a report and leaves its neighbours as the device
// has them now.
func (s *session) write(q quantity, raw int64) error {
	f := s.model.feature[q]
	if f == nil {
		return drivers.ErrUnsupported
	}
	r := s.model.descriptor.Report(f.Report)
	wire, err := s.get(r)
	if err != nil {
		return fmt.Errorf("read %v: %w", f.Report, err)
	}
	payload, err := s.model.descriptor.Payload(f.Report, wire)
	if err != nil {
		return err
	}
	if len(payload) < r.Bytes() {
		return fmt.Errorf("%v has %d of %d bytes: not written, or the rest would be lost", f.Report, len(payload), r.Bytes())
	}
	if err := f.Insert(payload, raw); err != nil {
		return err
	}
	if _, err := s.ask(func() (int, error) { return 0, s.device.SetFeature(f.Report.ID, wire) }); err != nil {
		return fmt.Errorf("write %v: %w", f.Report, err)
	}
	return nil
}

// current reads a field from the device.
func (s *session) current(q quantity) (int64, error) {
	f := s.model.feature[q]
	if err := s.read(s.model.descriptor.Report(f.Report)); err != nil {
		return 0, err
	}
	if !s.snapshot.samples[q].ok {
		return 0, fmt.Errorf("%v is too short for %s", f.Report, f.Name())
	}
	return s.snapshot.samples[q].raw.Raw, nil
}

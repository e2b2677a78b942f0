package modbus

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/maps"
	"lastwatt/drivers/modbus/wire"
)

// releaseTime is how long the end of a pulse, or of a driver, may take to set an
// output.
const releaseTime = 5 * time.Second

// A relayDriver implements [drivers.Switcher].
type relayDriver struct{ *device }

// Switch implements [drivers.Switcher].
func (d *relayDriver) Switch(ctx context.Context, output string, on bool) error {
	o, ok := d.outputs[output]
	if !ok {
		return fmt.Errorf("%s: output %q: %w; have %q", d.options.Name, output, drivers.ErrNoOutput, sortedKeys(d.outputs))
	}
	err := d.order(ctx, func(ctx context.Context, s *session) error { return s.switchTo(ctx, output, o, on) })
	if err != nil {
		return fmt.Errorf("%s: switch output %q %s: %w", d.options.Name, output, word(on), err)
	}
	return nil
}

// Safe is what each output is while nobody switches it: on, off, or keep.
func (d *relayDriver) Safe() map[string]string {
	safe := map[string]string{}
	for name, o := range d.outputs {
		safe[name] = cmp.Or(o.Safe, "off")
	}
	return safe
}

// Pulse implements [drivers.Switcher]. A board keeps its relays as they are when
// nobody talks to it: where this process dies meanwhile, the driver's next start
// ends the pulse, unless the output's safe state is keep.
func (d *relayDriver) Pulse(ctx context.Context, output string, on time.Duration) error {
	err := d.Switch(ctx, output, true)
	if err == nil {
		timer := time.NewTimer(on)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	// Off in any case: a switch that failed may have switched.
	release, stop := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer stop()
	if off := d.Switch(release, output, false); off != nil && err == nil {
		err = off
	}
	return err
}

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// switchTo writes one relay and reads it back.
func (s *session) switchTo(ctx context.Context, name string, o Output, on bool) error {
	address, value := s.m.Outputs.Address+uint16(o.Relay-1), uint16(0)
	if o.coil(on) {
		value = 1
	}
	s.ordered[name] = on
	if _, err := s.ask(ctx, wire.WriteCoil, address, 1, value, s.generation); err != nil {
		return err
	}
	coils, err := s.coils(ctx)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if coils[o.Relay-1] != o.coil(on) {
		return fmt.Errorf("relay %d was switched %s, and reads %s", o.Relay, word(o.coil(on)), word(!o.coil(on)))
	}
	return nil
}

// coils reads all relays of a board.
func (s *session) coils(ctx context.Context) ([]bool, error) {
	n := s.m.Outputs.Count
	a, err := s.ask(ctx, wire.ReadCoils, s.m.Outputs.Address, uint16(n), 0, s.generation)
	if err != nil {
		return nil, err
	}
	coils := make([]bool, n)
	for i := range coils {
		coils[i] = a.Data[i/8]>>(i%8)&1 != 0
	}
	return coils, nil
}

// leave makes the outputs safe at the end, also where ctx is done.
func (s *session) leave(ctx context.Context) {
	release, stop := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer stop()
	if err := s.makeSafe(release); err != nil && s.options.Log != nil {
		s.options.Log.Error("outputs not made safe", "device", s.options.Name, "err", err)
	}
}

// makeSafe brings the outputs to their safe state. It is done at the start too:
// the last run may have ended in the middle of a pulse.
func (s *session) makeSafe(ctx context.Context) error {
	for _, name := range sortedKeys(s.outputs) {
		o := s.outputs[name]
		if o.Safe == "keep" {
			continue
		}
		if err := s.try(ctx, func() error { return s.switchTo(ctx, name, o, o.Safe == "on") }); err != nil {
			return fmt.Errorf("output %q: %w", name, err)
		}
	}
	return nil
}

// facts makes the facts of a poll.
func (s *session) facts(r readout) []drivers.Fact {
	var facts []drivers.Fact
	if s.m.Device != maps.Relay {
		return append(facts, s.m.Fact(s.options.Name, r.values, r.warnings(), s.limits))
	}
	for _, name := range sortedKeys(s.outputs) {
		o := s.outputs[name]
		on := o.coil(r.coils[o.Relay-1])
		f := drivers.Output{Name: name, On: &on}
		if was, ordered := s.ordered[name]; ordered && was != on {
			f.Fault = fmt.Sprintf("relay %d was switched %s, and reads %s", o.Relay, word(o.coil(was)), word(o.coil(on)))
		}
		facts = append(facts, f)
	}
	return facts
}

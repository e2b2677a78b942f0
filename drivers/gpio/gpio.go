// Package gpio is the driver of what hangs on GPIO lines: tachometers of fans,
// power-good signals, a second witness of mains, relays.
package gpio

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"lastwatt/drivers"
)

// Kind describes the driver.
func Kind() drivers.Kind {
	return drivers.Kind{Name: "gpio", Sensor: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		var c config
		if err := decode(&c); err != nil {
			return nil, err
		}
		if err := c.complete(); err != nil {
			return nil, err
		}
		return newDriver(newKernel(o.Root), c, o), nil
	}}
}

// driver implements [drivers.Switcher].
type driver struct {
	kernel  kernel
	config  config
	options drivers.Options
	// turns let one order at a time at each output; they hold a token while
	// nobody has the turn.
	turns []chan struct{}

	mu      sync.Mutex
	session *session // nil while no chip is open
}

func newDriver(k kernel, c config, o drivers.Options) *driver {
	d := &driver{kernel: k, config: c, options: o}
	for range c.Outputs {
		turn := make(chan struct{}, 1)
		turn <- struct{}{}
		d.turns = append(d.turns, turn)
	}
	return d
}

// Run implements [drivers.Driver]. Outputs are at their safe values from its
// beginning, and again when it returns. A chip that vanishes is noticed within a
// poll.
func (d *driver) Run(ctx context.Context, report func(drivers.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := newSession(d.kernel, d.config, d.options)
	if err != nil {
		return err
	}
	s.report = report
	d.set(s)
	defer d.set(nil)
	return s.run(ctx)
}

func (d *driver) set(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = s
}

// Safe is what each output is while nobody switches it: on or off.
func (d *driver) Safe() map[string]string {
	safe := map[string]string{}
	for _, o := range d.config.Outputs {
		safe[o.Name] = o.Safe
	}
	return safe
}

// Switch implements [drivers.Switcher]. It waits until a pulse of the same
// output is over.
func (d *driver) Switch(ctx context.Context, output string, on bool) error {
	i, err := d.turn(ctx, output)
	if err != nil {
		return err
	}
	defer func() { d.turns[i] <- struct{}{} }()
	return d.order(ctx, i, on)
}

// Pulse implements [drivers.Switcher], for pulses of a minute at most.
func (d *driver) Pulse(ctx context.Context, output string, on time.Duration) error {
	if on <= 0 || on > maxPulse {
		return fmt.Errorf("pulse %q: want more than 0 and at most %v (got %v)", output, maxPulse, on)
	}
	i, err := d.turn(ctx, output)
	if err != nil {
		return err
	}
	defer func() { d.turns[i] <- struct{}{} }()
	if err := d.order(ctx, i, true); err != nil {
		// It may be on all the same.
		_ = d.order(context.WithoutCancel(ctx), i, false)
		return err
	}
	end := time.NewTimer(on)
	defer end.Stop()
	var early error
	select {
	case <-end.C:
	case <-ctx.Done():
		early = fmt.Errorf("pulse %q: ended early: %w", output, ctx.Err())
	}
	if err := d.order(context.WithoutCancel(ctx), i, false); err != nil {
		return err
	}
	return early
}

// turn waits for one's turn at an output, and returns its place in the
// configuration.
func (d *driver) turn(ctx context.Context, output string) (int, error) {
	i := slices.IndexFunc(d.config.Outputs, func(o outputConfig) bool { return o.Name == output })
	if i < 0 {
		var have []string
		for _, o := range d.config.Outputs {
			have = append(have, o.Name)
		}
		return 0, fmt.Errorf("switch %q: %w: have %q", output, drivers.ErrNoOutput, have)
	}
	select {
	case <-d.turns[i]:
		return i, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("switch %q: another order for it is not done: %w", output, ctx.Err())
	}
}

// order has the session switch an output.
func (d *driver) order(ctx context.Context, output int, on bool) error {
	name := d.config.Outputs[output].Name
	d.mu.Lock()
	s := d.session
	d.mu.Unlock()
	if s == nil {
		return fmt.Errorf("switch %q: %w", name, drivers.ErrNotRunning)
	}
	o := order{output: output, on: on, done: make(chan error, 1)}
	select {
	case s.orders <- o:
	case <-s.ended:
		return fmt.Errorf("switch %q: %w", name, drivers.ErrNotRunning)
	case <-ctx.Done():
		return fmt.Errorf("switch %q: %w", name, ctx.Err())
	}
	// The session is at it, and answers.
	if err := <-o.done; err != nil {
		return fmt.Errorf("switch %q: %w", name, err)
	}
	return nil
}

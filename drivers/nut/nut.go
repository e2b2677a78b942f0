// Package nut is the driver of UPSes that an existing NUT server reads: a client
// of upsd, over NUT's network protocol (RFC 9271; NUT's docs/net-protocol.txt).
package nut

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"lastwatt/drivers"
)

// Kind describes the driver.
func Kind() drivers.Kind {
	return drivers.Kind{Name: "nut", UPS: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		c := config{TLS: tlsOff, Poll: defaultPoll}
		if err := decode(&c); err != nil {
			return nil, err
		}
		if err := c.complete(); err != nil {
			return nil, err
		}
		return newDriver(&net.Dialer{}, c, o), nil
	}}
}

// driver implements [drivers.Commander].
type driver struct {
	dialer dialer
	config config
	log    *slog.Logger

	mu      sync.Mutex
	session *session // nil while no UPS answers
}

func newDriver(d dialer, c config, o drivers.Options) *driver {
	return &driver{dialer: d, config: c, log: o.Log}
}

// ReadOnce reads a UPS of the server at address, for someone at a terminal. An
// empty name is the only UPS that the server has.
func ReadOnce(ctx context.Context, address, ups string) (drivers.UPS, error) {
	c := config{Address: address, UPS: ups, TLS: tlsOff, Poll: defaultPoll}
	if err := c.complete(); err != nil {
		return drivers.UPS{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var read *drivers.UPS
	err := newDriver(&net.Dialer{}, c, drivers.Options{Log: slog.New(slog.DiscardHandler)}).Run(ctx, func(r drivers.Reading) {
		if u, ok := r.Fact.(drivers.UPS); ok && read == nil {
			read = &u
		}
		stop()
	})
	if read == nil {
		return drivers.UPS{}, err
	}
	return *read, nil
}

// Run implements [drivers.Driver]. A server whose data is stale is a UPS that is
// lost: nothing old is reported. It returns at once when ctx is done.
func (d *driver) Run(ctx context.Context, report func(drivers.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := d.run(ctx, report)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (d *driver) run(ctx context.Context, report func(drivers.Reading)) error {
	c, err := connect(ctx, d.dialer, d.config)
	if err != nil {
		return fmt.Errorf("NUT server %s: %w", d.config.Address, err)
	}
	defer c.close()
	s := &session{connection: c, config: d.config, name: d.config.UPS, log: d.log, report: report,
		orders: make(chan order), ended: make(chan struct{})}
	if err := s.open(); err != nil {
		return err
	}
	d.set(s)
	defer d.set(nil)
	defer close(s.ended)
	return s.run(ctx)
}

func (d *driver) set(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = s
}

// Do implements [drivers.Commander].
func (d *driver) Do(ctx context.Context, c drivers.Command) (drivers.Answer, error) {
	d.mu.Lock()
	s := d.session
	d.mu.Unlock()
	if !slices.Contains(drivers.CommandNames(), c.Name) {
		return drivers.Answer{}, fmt.Errorf("order %q: %w; want one of %s", c.Name, drivers.ErrUnsupported, drivers.CommandNames())
	}
	if s == nil {
		return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, drivers.ErrNotRunning)
	}
	o := order{ctx: ctx, command: c, answer: make(chan answer, 1)}
	select {
	case s.orders <- o:
	case <-s.ended:
		return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, drivers.ErrNotRunning)
	case <-ctx.Done():
		return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, ctx.Err())
	}
	select {
	case a := <-o.answer:
		return a.Answer, a.err
	case <-s.ended:
		select {
		case a := <-o.answer: // both at once
			return a.Answer, a.err
		default:
		}
		return drivers.Answer{}, fmt.Errorf("order %q: the server was lost before it answered: %w", c.Name, drivers.ErrNotRunning)
	case <-ctx.Done():
		return drivers.Answer{}, fmt.Errorf("order %q: no answer yet, it may still be carried out: %w", c.Name, ctx.Err())
	}
}

type order struct {
	ctx     context.Context
	command drivers.Command
	answer  chan answer // of capacity 1
}

type answer struct {
	drivers.Answer
	err error
}

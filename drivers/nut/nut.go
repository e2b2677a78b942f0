// Package nut is the driver of UPSes that an existing NUT server reads: a client
// of upsd, over NUT's network protocol (RFC 9271; NUT's docs/net-protocol.txt).
package nut

import (
	"context"
	"fmt"
	"log/slog"
	"net"

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
	orders drivers.Orders
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
	s := &session{connection: c, config: d.config, name: d.config.UPS, log: d.log, report: report}
	if err := s.open(); err != nil {
		return err
	}
	orders, shut := d.orders.Open()
	defer shut()
	return s.run(ctx, orders)
}

// Do implements [drivers.Commander].
func (d *driver) Do(ctx context.Context, c drivers.Command) (drivers.Answer, error) {
	return d.orders.Do(ctx, c)
}

package usbhid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"lastwatt/drivers"
)

// A finder opens the device that is meant, again and again if it is lost.
type finder struct {
	bus    bus
	match  Match
	scales map[string]float64
	log    *slog.Logger
	// known is the device that was open before: it is looked for by its
	// serial number, or by its place on the bus where it has none.
	known *Info
	reset bool // the device was reset since its descriptor was sound last
}

// A reviver is a bus that can make a device begin anew, as if it were plugged in
// again.
type reviver interface{ Revive(i Info) error }

// errUnbound is that the kernel's driver did not take a device that nobody
// else has: its report descriptor came damaged.
var errUnbound = errors.New("it has no hidraw file")

// open finds the device, opens it and reads its descriptor. The caller closes
// the session's device, or calls run, which does.
func (f *finder) open(ctx context.Context) (*session, error) {
	i, err := f.find()
	if err != nil {
		return nil, errors.Join(err, f.revive(i, err))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := f.bus.Open(i)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", i, err)
	}
	s, err := newSession(held{d}, i, f.scales)
	if err != nil {
		return nil, errors.Join(err, f.revive(i, err), d.Close())
	}
	f.known, f.reset = &i, false
	s.device = d
	return s, nil
}

// revive resets a device whose descriptor came damaged, once until it is sound
// again: the second time, a person has to look.
func (f *finder) revive(i Info, why error) error {
	r, can := f.bus.(reviver)
	if !can || f.reset || !errors.Is(why, ErrDescriptor) && !errors.Is(why, errUnbound) {
		return nil
	}
	f.reset = true
	f.log.Warn("UPS is reset, because its report descriptor came damaged", "device", i.String(), "err", why)
	return r.Revive(i)
}

// held is a device that somebody else closes.
type held struct{ device }

// Close implements device.
func (held) Close() error { return nil }

// find prefers the device that was there before to others that fit.
func (f *finder) find() (Info, error) {
	if f.known == nil {
		return choose(f.bus, f.match)
	}
	same := Match{Vendor: f.known.Vendor, Product: f.known.Product, Serial: f.known.Serial}
	if same.Serial == "" {
		same.Path = f.known.Path
	}
	i, err := choose(f.bus, same)
	if !errors.Is(err, drivers.ErrNoDevice) {
		return i, err
	}
	// It may have been plugged in elsewhere, if that is not a stranger.
	other, otherErr := choose(f.bus, f.match)
	if otherErr == nil && other.Vendor == f.known.Vendor && other.Product == f.known.Product && other.Serial == f.known.Serial && other.Model == f.known.Model {
		return other, nil
	}
	return Info{}, err
}

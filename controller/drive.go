package controller

import (
	"context"
	"fmt"
	"time"

	"lastwatt/drivers"
)

// A device may leave just when mains goes: it is looked for in short steps first,
// and then with growing pauses.
const (
	driveStep  = 100 * time.Millisecond
	driveSteps = 100 // some 10 s
	driveMost  = 5 * time.Second
)

// driveUPS keeps the driver of a UPS running.
func (c *Controller) driveUPS(ctx context.Context, u UPS) {
	c.drive(ctx, "ups", u.Name, u.Driver, func(r drivers.Reading) { c.send(ctx, reading{u.Name, r}) },
		func(err error) { c.send(ctx, contact{u.Name, err}) })
}

// driveSensor keeps the driver of a sensor running.
func (c *Controller) driveSensor(ctx context.Context, s Sensor) {
	c.drive(ctx, "sensor", s.Name, s.Driver, func(r drivers.Reading) { c.send(ctx, sensed{s.Name, r}) },
		func(err error) { c.send(ctx, senseless{s.Name, err}) })
}

// drive keeps one driver running until ctx ends. lost is called once for each
// reason why it does not answer.
func (c *Controller) drive(ctx context.Context, what, name string, d drivers.Driver, report func(drivers.Reading), lost func(error)) {
	pause, tries, said := driveStep, 0, ""
	for ctx.Err() == nil {
		got := false
		err := d.Run(ctx, func(r drivers.Reading) {
			if !got {
				c.c.Log.Info(what+" answers", "device", name)
			}
			got = true
			r.Source = name
			report(r)
		})
		if ctx.Err() != nil {
			return
		}
		if got {
			pause, tries, said = driveStep, 0, ""
		}
		if text := fmt.Sprint(err); text != said {
			c.c.Log.Warn(what+" lost", "device", name, "err", err)
			said = text
			lost(err)
		}
		select {
		case <-ctx.Done():
		case <-c.c.Clock.After(pause):
		}
		if tries++; tries > driveSteps {
			pause = min(2*pause, driveMost)
		}
	}
}

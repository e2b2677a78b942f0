package agent

import (
	"context"
	"fmt"
	"time"

	"lastwatt/drivers"
)

// A Sensor is a driver, by its configured name.
type Sensor struct {
	Name   string
	Driver drivers.Driver
}

// sense keeps one sensor running. That it does not answer is told again and again:
// the controller may not have been connected.
func (a *Agent) sense(ctx context.Context, s Sensor, report func(drivers.Reading)) {
	why := ""
	tell := func() { report(drivers.Reading{At: a.c.Clock.Now(), Fact: drivers.Silent{Name: s.Name, Why: why}}) }
	for ctx.Err() == nil {
		err := s.Driver.Run(ctx, func(r drivers.Reading) {
			if why != "" {
				why = ""
				a.c.Log.Info("sensor answers again", "device", s.Name)
				tell()
			}
			report(r)
		})
		if ctx.Err() != nil {
			return
		}
		if text := fmt.Sprint(err); text != why {
			a.c.Log.Warn("sensor lost", "device", s.Name, "err", err)
			why = text
		}
		tell()
		select {
		case <-ctx.Done():
		case <-a.c.Clock.After(5 * time.Second):
		}
	}
}

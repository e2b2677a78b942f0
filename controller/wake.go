package controller

import (
	"context"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/rack"
)

// How long the pin of a board that is off is pulled, and how long a relay takes
// its power away. The firmware of a Raspberry Pi looks at GPIO3 continuously; a
// supply's capacitors need some seconds to run empty.
const (
	wakePulse = 500 * time.Millisecond
	wakeOff   = 5 * time.Second
)

// wake starts a node that is off, by its relay or its pin.
func (c *Controller) wake(ctx context.Context, e policy.Effect, left time.Duration) error {
	w, ok := c.c.Wakers[e.Node]
	if !ok {
		return fmt.Errorf("waking %s: nothing is configured that could", e.Node)
	}
	verb, long := link.PulseOutput, wakePulse
	if c.nodes[e.Node].Wake == "relay" {
		verb, long = link.CycleOutput, wakeOff
	}
	if w.Node != "" {
		_, err := c.order(ctx, w.Node, verb, link.OutputArgs{Sensor: w.Sensor, Output: w.Output, ForMS: long.Milliseconds()}, e, left)
		return err
	}
	for _, s := range c.c.Sensors {
		out, ok := s.Driver.(drivers.Switcher)
		if s.Name != w.Sensor || !ok {
			continue
		}
		err := error(nil)
		if verb == link.CycleOutput {
			err = drivers.Cycle(ctx, out, w.Output, long, c.c.Clock.After)
		} else {
			err = out.Pulse(ctx, w.Output, long)
		}
		if err != nil {
			return fmt.Errorf("waking %s by %s of sensor %s: %w", e.Node, w.Output, w.Sensor, err)
		}
		return nil
	}
	return fmt.Errorf("waking %s: sensor %q has no outputs", e.Node, w.Sensor)
}

// clock takes what a node's agent says of its clock: a node whose clock cannot
// start it is not switched off for that.
func (c *Controller) clock(n *rack.Node, has bool) {
	if n.Wake != "rtc" {
		return
	}
	wake, key := "ups", "clock-"+n.Name
	if has {
		wake = "rtc"
		delete(c.problems, key)
	} else {
		c.problems[key] = rack.Problem{Code: "wake", Severity: "warning", Text: n.Name + " has no clock that could start it: it is left idle where it would be switched off",
			Remedy: "on " + n.Name + ": lastwatt doctor says what is missing; or write wake: ups"}
	}
	for i, r := range c.c.Rules.Nodes {
		if r.Name == n.Name {
			c.c.Rules.Nodes[i].Wake = wake
		}
	}
}

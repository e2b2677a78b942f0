package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// carryOut starts an effect. Its result comes back to the loop, whatever
// happens, no later than its deadline.
func (c *Controller) carryOut(ctx context.Context, e policy.Effect) {
	switch e.Kind {
	case policy.Tell:
		c.tell(rack.Event{Kind: e.Story, At: c.c.Wall(), Outage: e.Outage, Node: e.Node, Severity: e.Severity, Text: e.Reason})
		return
	case policy.Cancel:
		if cancel := c.cancels[e.Node]; cancel != nil {
			cancel()
			delete(c.cancels, e.Node)
		}
		return
	}
	c.c.Log.Info("effect", "effect", e.ID, "kind", e.Kind, "node", e.Node, "reason", e.Reason)
	ctx, cancel := context.WithCancel(ctx)
	c.cancels[e.ID] = cancel
	left := max(e.Deadline-c.now(), time.Second)
	managers := c.managers()
	c.work.Go(func() {
		defer cancel()
		bounded, stop := c.within(ctx, left)
		defer stop()
		r := c.result(ctx, e, c.do(bounded, e, left, managers))
		if r.Outcome != policy.Done {
			c.c.Log.Warn("effect not done", "effect", e.ID, "kind", e.Kind, "node", e.Node, "outcome", r.Outcome, "err", r.Text)
		}
		c.send(context.WithoutCancel(ctx), resultIn{r})
	})
}

// within bounds ctx by d on the controller's clock.
func (c *Controller) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	c.work.Go(func() {
		select {
		case <-c.c.Clock.After(d):
			cancel(fmt.Errorf("not done within %s: %w", policy.Short(d), context.DeadlineExceeded))
		case <-done:
		}
	})
	return ctx, func() { close(done); cancel(nil) }
}

// A cutDone carries what the UPS read back through an error's place.
type cutDone struct{ delay time.Duration }

func (cutDone) Error() string { return "done" }

func (c *Controller) result(ctx context.Context, e policy.Effect, err error) policy.Result {
	r := policy.Result{ID: e.ID, Outcome: policy.Done}
	var cut cutDone
	switch {
	case err == nil:
	case errors.As(err, &cut):
		r.Delay = cut.delay
	case ctx.Err() != nil:
		r.Outcome = policy.Cancelled
	case errors.Is(err, link.ErrLost):
		r.Outcome, r.Text = policy.Lost, err.Error()
	default:
		r.Outcome, r.Text = policy.Failed, err.Error()
	}
	return r
}

// do does one effect and waits for it.
func (c *Controller) do(ctx context.Context, e policy.Effect, left time.Duration, managers []string) error {
	order := func(node string, verb link.Verb, args any) error {
		_, err := c.order(ctx, node, verb, args, e, left)
		return err
	}
	switch e.Kind {
	case policy.DoSnapshot:
		s, err := c.see(ctx, managers)
		if err == nil {
			c.send(ctx, swarmIn{s: s})
		}
		return err
	case policy.DoChange:
		var changes []swarm.Change
		for _, ch := range e.Changes {
			changes = append(changes, swarm.Change{NodeID: ch.ID, Availability: ch.Availability, Outage: ch.Outage})
		}
		return c.anyManager(managers, func(node string) error { return order(node, link.SwarmChange, changes) })
	case policy.DoAwait:
		return c.anyManager(managers, func(node string) error { return order(node, link.SwarmDrained, e.Nodes) })
	case policy.DoVerify:
		return c.verify(ctx, managers)
	case policy.DoClear:
		return order(e.Node, link.StopContainers, nil)
	case policy.DoHalt:
		return order(e.Node, link.HaltNode, link.HaltArgs{WakeAfterMS: e.Delay.Milliseconds()})
	case policy.DoWake:
		return c.wake(ctx, e, left)
	case policy.DoPark:
		return order(e.Node, link.ParkNode, link.ParkArgs{LongestMS: e.Delay.Milliseconds()})
	case policy.DoReboot:
		return order(e.Node, link.RebootNode, nil)
	case policy.DoCut:
		return c.cut(ctx, e)
	}
	return fmt.Errorf("unknown effect %q", e.Kind)
}

func (c *Controller) order(ctx context.Context, node string, verb link.Verb, args any, e policy.Effect, left time.Duration) (link.Result, error) {
	data, err := json.Marshal(args)
	if err != nil {
		return link.Result{}, err
	}
	r, err := c.c.Agents.Order(ctx, node, link.Order{ID: e.Outage + "-" + e.ID, Outage: e.Outage, Verb: verb, Args: data, Lifetime: left, Reason: e.Reason})
	if err != nil {
		return r, fmt.Errorf("%s on %s: %w", verb, node, err)
	}
	if r.Err != "" {
		return r, fmt.Errorf("%s on %s: %s", verb, node, r.Err)
	}
	return r, nil
}

// anyManager tries the managers in turn until one did it.
func (c *Controller) anyManager(managers []string, do func(node string) error) error {
	var errs []error
	for _, m := range managers {
		err := do(m)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errNoManager
	}
	return errors.Join(errs...)
}

// cut arms the cut of the UPS that feeds the nodes.
func (c *Controller) cut(ctx context.Context, e policy.Effect) error {
	for _, u := range c.c.UPS {
		if u.Name != c.c.Rules.UPS.Name {
			continue
		}
		d, ok := u.Driver.(drivers.Commander)
		if !ok {
			return fmt.Errorf("the driver %q of UPS %q takes no orders", u.Kind, u.Name)
		}
		a, err := d.Do(ctx, drivers.Command{Name: drivers.ShutdownReturn, Delay: e.Delay})
		if err != nil {
			return fmt.Errorf("cut by UPS %q: %w", u.Name, err)
		}
		return cutDone{a.Delay}
	}
	return fmt.Errorf("no UPS %q", c.c.Rules.UPS.Name)
}

// verify waits until every service runs as many tasks as it wants.
func (c *Controller) verify(ctx context.Context, managers []string) error {
	why := error(nil)
	for {
		s, err := c.see(ctx, managers)
		if err == nil {
			c.send(ctx, swarmIn{s: s})
			if why = short(s); why == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if why == nil {
				why = err
			}
			return why
		case <-c.c.Clock.After(time.Second):
		}
	}
}

// short names the services that lack tasks, or is nil.
func short(s swarm.Snapshot) error {
	var lacking []string
	for _, v := range s.Services {
		if strings.HasSuffix(v.Mode, "job") {
			continue
		}
		if v.Running < v.Desired || v.Desired == 0 && v.Mode == "global" {
			lacking = append(lacking, fmt.Sprintf("%s runs %d of %d", v.Name, v.Running, v.Desired))
		}
	}
	if !s.Quorum && s.Role != "none" {
		return errors.New("the Swarm has no leader")
	}
	if len(lacking) > 0 {
		return errors.New(strings.Join(lacking, ", "))
	}
	return nil
}

// tell adds a line to the story: to the journal, the log, and whoever listens.
func (c *Controller) tell(e rack.Event) {
	level := c.c.Log.Info
	if e.Severity != "info" {
		level = c.c.Log.Warn
	}
	level(e.Text, "event", e.Kind, "outage", e.Outage)
	if err := c.c.Journal.Append(e); err != nil && !c.unsaved {
		c.c.Log.Error("the story cannot be written", "err", err)
	}
	c.mu.Lock()
	c.events = append(c.events, e)
	c.eventN++
	if len(c.events) > 200 {
		c.events = append([]rack.Event(nil), c.events[len(c.events)-100:]...)
	}
	c.mu.Unlock()
	if c.c.Tell != nil {
		c.c.Tell(e)
	}
	c.publishNow()
}

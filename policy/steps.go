package policy

import (
	"fmt"
	"slices"
	"time"
)

// Settle is how long a node that was told to halt must be gone before it counts
// as off: the connection ends while the last file systems are still synced.
const Settle = 5 * time.Second

// enter begins a step: its deadline and its effects.
func (c *core) enter(step StepName) {
	o := c.s.Outage
	o.Step, o.StepBegan, o.OK, o.RetryAt, o.Why = step, c.s.Now, false, 0, ""
	o.Deadline = c.s.Now + c.budget(step)
	switch {
	case step == StepDrain || step == StepAwait:
		o.Deadline = max(c.s.Now+RetryAfter, o.DoingBegan+c.r.Budgets.Drain)
	case step == StepSnapshot && !c.s.Seen.Swarm.Known: // the others can do nothing without it
		o.Deadline = max(o.Deadline, o.DoingBegan+c.r.Budgets.Drain)
	}
	c.ask()
}

// budget is the time of a step. The drain's time is shared by its four steps:
// the last two have what the others left.
func (c *core) budget(step StepName) time.Duration {
	b := c.r.Budgets
	switch step {
	case StepSnapshot:
		return b.Drain / 2
	case StepPause:
		return b.Drain / 4
	case StepIdle:
		return max(b.Drain, b.Halt)
	case StepNodes:
		return c.patience()
	case StepCut:
		return b.Swarm
	case StepHost:
		return b.Park
	case StepReturn:
		return 2 * b.Boot
	case StepVerify:
		return b.Boot
	}
	return b.Swarm
}

// progress goes on with the step that runs.
func (c *core) progress() bool {
	o := c.s.Outage
	c.settle()
	switch {
	case o.Step == "":
		return false
	case c.complete():
		c.next()
		return true
	case c.s.Now >= o.Deadline:
		c.overdue()
		c.next()
		return true
	case o.RetryAt > 0 && c.s.Now >= o.RetryAt:
		o.RetryAt = 0
		c.ask()
		return true
	}
	return false
}

// complete is whether nothing of the step is left to do.
func (c *core) complete() bool {
	o := c.s.Outage
	switch o.Step {
	case StepIdle:
		return !slices.ContainsFunc(o.Shed, func(n string) bool {
			s := o.Runs[n].State
			return s == Up || s == Halting
		})
	case StepNodes:
		return !slices.ContainsFunc(c.r.Nodes, func(n NodeRules) bool {
			run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
			again := run.State == Halted && seen.Connected && seen.BootID != run.BootID
			return !n.UPSHost && !c.away(n.Name) && (!down(run.State) || again)
		})
	case StepHost:
		h, ok := c.host()
		return !ok || down(o.Runs[h.Name].State)
	}
	return o.OK
}

// fed is whether the outlets feed anything, as far as is known. Where no node was
// there that could be stopped they may be off since an earlier cut, and another one
// would only take nodes that mains has just started.
func (c *core) fed() bool {
	_, host := c.host()
	return host || slices.ContainsFunc(c.r.Nodes, func(n NodeRules) bool { return c.s.Outage.Runs[n.Name].State != Missed && !c.away(n.Name) })
}

func down(s RunState) bool { return s == Halted || s == Parked || s == Missed }

// overdue gives up on what the step still lacks, and says so.
func (c *core) overdue() {
	o := c.s.Outage
	c.cancelPending()
	missed := func(name string) {
		told, run := time.Duration(0), o.Runs[name] // to halt, which it may still do
		if run.leaving() {
			told = run.At
		}
		if run.State == Halting {
			c.measure(name, DoHalt, c.s.Now-told) // that long at least
		}
		o.Runs[name] = Run{State: Missed, BootID: c.s.Seen.Nodes[name].BootID, At: told}
		o.Unclean = append(o.Unclean, name)
		c.tell("step_failed", "critical", name, name+" did not stop in its time"+because(o.Why)+"; going on without it.")
	}
	switch o.Step {
	case StepNodes, StepHost, StepIdle:
		for _, n := range c.r.Nodes {
			mine := o.Step == StepHost && n.UPSHost || o.Step == StepNodes && !n.UPSHost ||
				o.Step == StepIdle && slices.Contains(o.Shed, n.Name)
			s := o.Runs[n.Name].State
			if mine && !down(s) && s != Idle && !c.away(n.Name) {
				missed(n.Name)
			}
		}
	case StepCut:
		c.tell("step_failed", "critical", "", "The UPS did not take the order to switch its outlets off"+because(o.Why)+".")
	default:
		c.tell("step_failed", "warning", "", fmt.Sprintf("The step %q took longer than its time%s; going on.", o.Step, because(o.Why)))
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// settle takes a node that was told to halt and is gone for long enough as off.
func (c *core) settle() {
	o := c.s.Outage
	for _, n := range c.r.Nodes {
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		if run.leaving() && !seen.Connected && c.s.Now-seen.Since >= Settle {
			if run.State == Halting {
				c.measure(n.Name, DoHalt, c.s.Now-run.At)
			}
			run.State = Halted
			o.Runs[n.Name] = run
			c.stoppedAfterAll(n.Name)
			if o.Step == StepReturn { // only now it can be woken
				o.Deadline = max(o.Deadline, c.s.Now+2*c.r.Budgets.Boot)
			}
			c.tell("node_stopped", "info", n.Name, n.Name+" is off.")
		}
	}
}

// stoppedAfterAll takes a node that was given up and has stopped since from those that
// did not.
func (c *core) stoppedAfterAll(name string) {
	o := c.s.Outage
	o.Unclean = slices.DeleteFunc(o.Unclean, func(n string) bool { return n == name })
}

// next goes to the step after the one that ended.
func (c *core) next() {
	o := c.s.Outage
	switch o.Step {
	case StepSnapshot:
		if o.Doing == Shed {
			c.enter(StepDrain)
		} else {
			c.enter(StepPause)
		}
	case StepPause:
		c.enter(StepDrain)
	case StepDrain:
		c.enter(StepAwait)
	case StepAwait:
		if o.Doing == Shed {
			c.enter(StepIdle)
			return
		}
		if len(o.Before) > 0 { // without a Swarm to tell, nothing was drained
			c.measure(Rack, DoAwait, c.s.Now-o.DoingBegan)
		}
		c.commit()
	case StepIdle:
		o.Doing, o.Step = Nothing, ""
		c.loadChanged()
	case StepNodes:
		if c.cuts() && c.fed() {
			c.enter(StepCut)
			return
		}
		c.goDark()
	case StepCut:
		if c.s.Phase == Dark {
			o.Step = ""
			return
		}
		c.goDark()
	case StepHost:
		o.Step = ""
	default:
		c.nextRestoring()
	}
}

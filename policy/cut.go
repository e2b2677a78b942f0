package policy

import (
	"slices"
	"time"
)

// park orders a park whose longest time outlasts whatever is still coming.
func (c *core) park(n NodeRules, why string) {
	c.emit(Effect{Kind: DoPark, Node: n.Name, Delay: c.parkLongest(n), Reason: why})
}

func (c *core) parkLongest(n NodeRules) time.Duration {
	o, b := c.s.Outage, c.r.Budgets
	longest := c.r.ParkLongest
	switch {
	case o.CutAt > c.s.Now:
		longest = o.CutAt - c.s.Now + AfterCut
	case c.cutComes():
		longest = min(longest, c.nodesBudget()+b.Swarm+c.cutDelay()+b.Park+AfterCut)
	case o.Early || down(o.Runs[n.Name].State):
		// It started in vain already: mains is as likely as not to stay away as long again.
		longest = max(longest, c.s.OnBatteryFor())
	}
	return longest
}

// parksAgain is when a parked node is told to park again, so that its timer does not start
// it on what is left of the battery: the timer is for a controller that is gone, and for a
// cut that does not come. Zero is never.
func (c *core) parksAgain(n NodeRules) time.Duration {
	run, seen := c.s.Outage.Runs[n.Name], c.s.Seen.Nodes[n.Name]
	if run.State != Parked || run.Alarm == 0 || !seen.Connected || seen.BootID != run.BootID ||
		c.s.Outage.CutAt > 0 || c.s.Seen.UPS.Power != OnBattery || c.s.Seen.UPS.Missed {
		return 0
	}
	return max(run.Again, run.Alarm-min(2*c.r.Budgets.Park, c.parkLongest(n)/2))
}

// cutComes is whether a cut may be armed yet: before the dark, and in it as long as
// halted nodes wait for one; and not while the UPS does not answer.
func (c *core) cutComes() bool {
	o := c.s.Outage
	return c.cuts() && o.CutAt == 0 && (c.s.Phase != Dark || o.Halts) && !c.s.Seen.UPS.Missed
}

// AfterCut is how long after the outlets should have gone off a node with power
// takes it that they will not (invariant 6).
const AfterCut = 120 * time.Second

// shortDelay is the least delay of a cut that leaves the UPS host its time to park.
func (c *core) shortDelay() time.Duration {
	d := 15 * time.Second
	if h, ok := c.host(); ok && c.s.Outage.Runs[h.Name].State != Parked {
		d += c.r.Budgets.Park
	}
	return c.steps(d)
}

// steps rounds a delay up to the device's step.
func (c *core) steps(d time.Duration) time.Duration {
	if step := c.r.UPS.DelayStep; step > 0 {
		d = (d + step - 1) / step * step
	}
	return d
}

// cutDelay is the delay of a cut that is armed now.
func (c *core) cutDelay() time.Duration {
	d := c.shortDelay()
	if c.starting() {
		d = max(d, c.bootTime()+c.r.Budgets.Park)
	}
	later := c.learning()
	for _, n := range c.r.Nodes {
		if before, _, ok := c.startsIn(n.Name); ok && before > 0 {
			later = min(later, before-c.r.UPS.DelayStep) // rounded up, it is still before
		}
	}
	d = c.steps(max(d, later))
	for range c.r.Nodes { // each node may push it into another's start
		for _, n := range c.r.Nodes {
			if before, after, ok := c.startsIn(n.Name); ok && !n.UPSHost && d > before {
				d = max(d, c.steps(after))
			}
		}
	}
	return d
}

// hostStarts is whether the timer of the UPS host's park starts it too soon for a cut:
// the controller goes with it, and knows nothing of that cut afterwards.
func (c *core) hostStarts() bool {
	h, ok := c.host()
	before, _, starts := c.startsIn(h.Name)
	return ok && starts && c.shortDelay() > before
}

// startsIn is in what time at the latest and at the soonest a cut has to come, so that
// it does not take a node while its own clock, or the timer of its park, starts it:
// before that (the device counts in steps, too), or after it is up and parked again. The
// order may have been begun as late as a park's time allows, and the node starts as late.
func (c *core) startsIn(name string) (before, after time.Duration, starts bool) {
	run, seen, boot := c.s.Outage.Runs[name], c.s.Seen.Nodes[name], c.bootTime()
	in, late := run.Alarm-c.s.Now, c.r.Budgets.Park
	there := seen.Connected && seen.BootID != run.BootID
	starts = (run.State == Halted || run.State == Parked) && run.Alarm > 0 && in+late+boot > 0 && !there
	return in - c.r.UPS.DelayStep - Settle, in + late + boot + c.r.Budgets.Park, starts
}

// starting is whether nodes may be starting, since nothing is heard of them and
// the outlets went off before; on battery a node that was seen to go off is not.
func (c *core) starting() bool {
	o, u := c.s.Outage, c.s.Seen.UPS
	return o.Cut && slices.ContainsFunc(c.r.Nodes, func(n NodeRules) bool {
		return !c.s.Seen.Nodes[n.Name].Connected && !c.away(n.Name) && (u.Power == OnMains || o.Runs[n.Name].State != Halted)
	})
}

func (c *core) cutReason() string {
	if c.s.Seen.UPS.Power == OnMains && c.s.Outage.Halts {
		return "mains is back, but halted nodes start only by a power cycle"
	}
	if c.s.Seen.UPS.Power == OnMains {
		return "mains is back: what was armed for later comes now"
	}
	if c.s.Phase == Dark && c.s.Outage.CutAt > c.s.Now {
		return "it has shown how far this battery goes"
	}
	if c.learning() > 0 {
		return "late, to see with all nodes down how far this battery goes; sooner if mains is back"
	}
	return "so that every node starts again when mains is back"
}

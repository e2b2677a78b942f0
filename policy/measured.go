package policy

import (
	"slices"
	"time"
)

// Times are how long steps truly took, the newest last.
type Times struct {
	Drain []time.Duration `json:"drain,omitempty"` // of the whole rack: see [Rack]
	Halt  []time.Duration `json:"halt,omitempty"`  // from the order until it was off
	Park  []time.Duration `json:"park,omitempty"`  // from the order until it was parked
	Cut   []time.Duration `json:"cut,omitempty"`   // of the whole rack, until the UPS counted down
	Boot  []time.Duration `json:"boot,omitempty"`  // from the order to start until its agent was there
}

// Rack is the key in [State.Measured] of what no one node has.
const Rack = ""

// keepTimes is how many times of a kind are kept, fewTimes below how many they
// are taken to be longer by half: a few good days say little.
const (
	keepTimes = 20
	fewTimes  = 5
)

// measure keeps a time that a step took.
func (c *core) measure(node string, kind EffectKind, took time.Duration) {
	t := c.s.Measured[node]
	list := map[EffectKind]*[]time.Duration{DoAwait: &t.Drain, DoHalt: &t.Halt, DoPark: &t.Park, DoCut: &t.Cut, DoReboot: &t.Boot}[kind]
	if list == nil || took <= 0 {
		return
	}
	all := append(slices.Clone(*list), took)
	*list = all[max(0, len(all)-keepTimes):]
	c.s.Measured = cloneMap(c.s.Measured)
	c.s.Measured[node] = t
}

// careful is the 95th percentile of the times, and the budget before the first.
// It is never more than the budget: that is when the step is given up.
func careful(times []time.Duration, budget time.Duration) time.Duration {
	n := len(times)
	if n == 0 {
		return budget
	}
	most, next := time.Duration(0), time.Duration(0)
	for _, t := range times {
		most, next = max(most, t), max(next, min(most, t))
	}
	d := most
	if n >= keepTimes { // one in twenty may take longer
		d = next
	}
	if n < fewTimes {
		d += d / 2
	}
	return min(d, budget)
}

func (c *core) drainTime() time.Duration {
	return careful(c.s.Measured[Rack].Drain, c.r.Budgets.Drain)
}

// stopTime is what it takes to bring a node down as it would be now.
func (c *core) stopTime(n NodeRules) time.Duration {
	if c.mode(n) == Halted {
		return careful(c.s.Measured[n.Name].Halt, c.r.Budgets.Halt)
	}
	return c.parkTime(n.Name)
}

// nodesTime is what it takes to bring all nodes but the UPS's host down, at once.
func (c *core) nodesTime() time.Duration {
	d := time.Duration(0)
	for _, n := range c.r.Nodes {
		if !n.UPSHost && !c.isOff(n.Name) {
			d = max(d, c.stopTime(n))
		}
	}
	return d
}

// isOff is whether the node was shed for good or long gone, so that the stop has
// nothing to do.
func (c *core) isOff(name string) bool {
	if c.s.Outage == nil {
		return false
	}
	if c.away(name) {
		return true
	}
	run, seen := c.s.Outage.Runs[name], c.s.Seen.Nodes[name]
	return run.State == Halted && !(seen.Connected && seen.BootID != run.BootID)
}

// bootTime is what the slowest node takes to start.
func (c *core) bootTime() time.Duration {
	d := time.Duration(0)
	for _, n := range c.r.Nodes {
		d = max(d, careful(c.s.Measured[n.Name].Boot, c.r.Budgets.Boot))
	}
	return d
}

// parkTime is what parking the node takes. The host of the UPS cannot write down how
// long its own park took, since its file systems are read-only then: a node whose
// park was never measured is taken to need half as much again as the slowest halt
// or park of the others, which do no less.
func (c *core) parkTime(name string) time.Duration {
	if own := c.s.Measured[name].Park; len(own) > 0 {
		return careful(own, c.r.Budgets.Park)
	}
	slowest := time.Duration(0)
	for _, n := range c.r.Nodes {
		t := c.s.Measured[n.Name]
		for _, d := range t.Halt {
			slowest = max(slowest, d)
		}
		for _, d := range t.Park {
			slowest = max(slowest, d)
		}
	}
	if slowest == 0 {
		return c.r.Budgets.Park
	}
	return min(slowest*3/2, c.r.Budgets.Park)
}

// lastTime is what it takes after the nodes are down: the cut, and the host.
func (c *core) lastTime() time.Duration {
	d := time.Duration(0)
	if c.cuts() {
		d += careful(c.s.Measured[Rack].Cut, c.r.Budgets.Swarm)
	}
	if h, ok := c.host(); ok {
		d += c.parkTime(h.Name)
	}
	return d
}

// patience is how long the nodes may take at this moment: their budget, but on
// battery no longer than leaves the time for what comes after them, unless they
// can be expected to need it. A node that hangs must not cost the host its own
// clean end.
func (c *core) patience() time.Duration {
	budget, boot := c.nodesBudget(), time.Duration(0)
	for _, run := range c.s.Outage.Runs {
		if run.State == Booting { // it has to be up before it can be stopped
			boot = c.bootTime()
		}
	}
	budget += boot
	if c.s.Seen.UPS.Power != OnBattery {
		return budget
	}
	left := TimeToEmpty(c.r, c.s).Left - c.lastTime()
	return min(budget, max(left, boot+c.nodesTime()+Settle))
}

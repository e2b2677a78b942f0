package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// spare lists what can be shed so that what the services need stays, the lowest
// tier first, in it what is hot, then the workers, and of them the greatest draw. It leaves the UPS's host, and never
// takes the Swarm's quorum.
func (c *core) spare() []NodeRules {
	var can []NodeRules
	stay := 0
	for _, n := range c.r.Nodes {
		if c.s.Outage.Runs[n.Name].State != Up || !c.serves(n.Name) || c.away(n.Name) {
			continue
		}
		stay++
		if !n.UPSHost {
			can = append(can, n)
		}
	}
	slices.SortStableFunc(can, func(a, b NodeRules) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(c.cool(a.Name), c.cool(b.Name)), cmp.Compare(c.votes(a.Name), c.votes(b.Name)), cmp.Compare(nodeWatts(b, c.s), nodeWatts(a, c.s)))
	})
	most := max(0, stay-max(1, c.r.SwarmNeed))
	return can[:min(most, len(can))]
}

// cool is 0 for a node that is hot while its fan stands still, else 1.
func (c *core) cool(name string) int {
	if c.s.Seen.Nodes[name].Hot {
		return 0
	}
	return 1
}

// votes is 1 for a manager of the Swarm, else 0.
func (c *core) votes(name string) int {
	if slices.ContainsFunc(c.s.Seen.Swarm.Nodes, func(n SwarmNode) bool { return n.Manager && n.Name == name }) {
		return 1
	}
	return 0
}

// serves is whether the node runs services, as far as is known.
func (c *core) serves(name string) bool {
	w := c.s.Seen.Swarm
	if !w.Known || w.Absent || !w.Quorum {
		return true
	}
	i := slices.IndexFunc(w.Nodes, func(n SwarmNode) bool { return n.Name == name })
	return i < 0 || w.Nodes[i].Availability == "active" && w.Nodes[i].Ready
}

// shedState is how far the node is brought down where its stage sheds it: off
// where it stays off or can be woken without a power cycle, else idle. A manager
// whose vote the quorum needs is never halted.
func (c *core) shedState(n NodeRules) RunState {
	by, stay := "", false
	if i := c.s.Outage.Stage; c.s.Outage.Doing == Shed && i >= 0 {
		by, stay = c.r.Stages[i].By, c.r.Stages[i].StayOff
	}
	switch {
	case by == "idle", c.voteNeeded(n.Name):
		return Idle
	case by == "halt" && stay, canWake(n):
		return Halted
	}
	return Idle
}

// canWake is whether the node starts again without a power cycle.
func canWake(n NodeRules) bool { return slices.Contains([]string{"rtc", "gpio", "relay"}, n.Wake) }

// voteNeeded is whether the Swarm's quorum would go with this node, and those
// of the others that are off.
func (c *core) voteNeeded(name string) bool {
	if w := c.s.Seen.Swarm; !w.Absent && (!w.Known || !w.Quorum) {
		return true // nobody knows who votes
	}
	managers, others, mine := 0, 0, false
	for _, n := range c.s.Seen.Swarm.Nodes {
		if !n.Manager {
			continue
		}
		managers++
		state := c.s.Outage.Runs[n.Name].State
		off := down(state) || state == Halting || c.halting(n.Name)
		if n.Name == name {
			mine = true
		} else if n.Ready && !off {
			others++
		}
	}
	return mine && others <= managers/2
}

// halting is whether an order to halt the node is on its way.
func (c *core) halting(name string) bool {
	return slices.ContainsFunc(c.s.Outage.Pending, func(p Pending) bool { return p.Kind == DoHalt && p.Node == name })
}

// beginShed starts a stage that sheds nodes.
func (c *core) beginShed(stage int, name string, nodes []string, why string) bool {
	o := c.s.Outage
	what := fmt.Sprintf("stage %q sheds %s: ", name, list(nodes))
	if stage == ownStage {
		what = fmt.Sprintf("shedding %s ", list(nodes))
	}
	what += why + "."
	if !c.s.Armed {
		o.Stages[stage] = observed
		c.tell("stage", "warning", "", "On observe, so nothing is done. Armed, "+what)
		return true
	}
	o.Stages[stage], o.Stage, o.DoingBegan = begun, stage, c.s.Now
	o.Doing, c.s.Phase = Shed, Shedding
	for _, n := range nodes {
		if !slices.Contains(o.Shed, n) {
			o.Shed = append(o.Shed, n)
		}
	}
	c.tell("stage", "warning", "", strings.ToUpper(what[:1])+what[1:])
	c.enter(StepSnapshot)
	return true
}

// idle makes the nodes that are shed draw less.
func (c *core) idle() {
	o := c.s.Outage
	for _, name := range o.Shed {
		if o.Runs[name].State != Up || c.pending(name) {
			continue
		}
		n := c.nodeRules(name)
		watts := fmt.Sprintf("; it draws %.0f W", nodeWatts(n, c.s))
		switch {
		case c.shedState(n) == Idle:
			c.emit(Effect{Kind: DoClear, Node: name, Reason: "shed: left idle, with nothing running" + watts})
		case canWake(n):
			c.emit(Effect{Kind: DoHalt, Node: name, Delay: c.alarm(n), Reason: "shed: off until its " + n.Wake + " wakes it" + watts})
		default:
			c.emit(Effect{Kind: DoHalt, Node: name, Reason: fmt.Sprintf("stage %q sheds it for good", c.r.Stages[o.Stage].Name) + watts})
		}
	}
}

func (c *core) nodeRules(name string) NodeRules {
	for _, n := range c.r.Nodes {
		if n.Name == name {
			return n
		}
	}
	return NodeRules{Name: name}
}

// leastAlarm is the least time after which a node's own clock starts it again.
const leastAlarm = 10 * time.Minute

// alarm is after what time a node whose own clock wakes it starts again to see
// whether mains is back: as long as the outage has lasted, since it is as likely
// as not to last that long again. Others are woken when it is.
func (c *core) alarm(n NodeRules) time.Duration {
	if n.Wake != "rtc" {
		return 0
	}
	d := max(leastAlarm, c.s.spell())
	if d > TimeToEmpty(c.r, c.s).Left-c.need()-c.r.Reserve {
		return max(d, c.r.ParkLongest) // it would start when all else is being stopped
	}
	return d
}

// early halts a node again that was shed and that its clock started while mains
// is still away.
func (c *core) early() {
	o := c.s.Outage
	if c.s.Seen.UPS.Power != OnBattery || !c.s.Armed || o.Aborted {
		return
	}
	for _, name := range o.Shed {
		n, run, seen := c.nodeRules(name), o.Runs[name], c.s.Seen.Nodes[name]
		if run.State != Halted && run.State != Halting || !canWake(n) || !seen.Connected || seen.BootID == run.BootID || c.pending(name) || c.s.Now < o.RetryAt {
			continue
		}
		o.Deadline = max(o.Deadline, c.s.Now+c.r.Budgets.Halt)
		c.emit(Effect{Kind: DoHalt, Node: name, Delay: c.alarm(n), Reason: "it started by its clock, and mains is still away"})
	}
}

// loadChanged begins to measure the slope anew. A lighter load keeps the slope of
// the heavier one until it has one of its own; for a heavier one it is reckoned.
func (c *core) loadChanged() {
	o := c.s.Outage
	was := o.Watts
	c.keepDischarge()
	if now := Load(c.r, c.s).Watts; was > 0 && now > was {
		o.PerPercent = time.Duration(float64(o.PerPercent) * was / now)
	}
}

// stays is whether a stage halted the node for good and no power cycle came.
func (c *core) staysOff(name string) bool {
	o := c.s.Outage
	if o.Cut || canWake(c.nodeRules(name)) {
		return false
	}
	for i, st := range c.r.Stages {
		if st.StayOff && o.Stages[i] == begun && slices.Contains(st.Shed, name) {
			return true
		}
	}
	return false
}

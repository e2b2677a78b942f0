package policy

import (
	"fmt"
	"slices"
	"time"
)

// RetryAfter is the pause before an effect that failed is asked for again.
const RetryAfter = 2 * time.Second

// ask emits the effects that the step still lacks. What another step asked for may
// still run beside it, such as the park of a node that started again.
func (c *core) ask() {
	o := c.s.Outage
	switch o.Step {
	case StepSnapshot:
		if !c.running(DoSnapshot) {
			c.emit(Effect{Kind: DoSnapshot, Reason: "to know the Swarm as it is before anything is changed"})
		}
	case StepPause:
		c.change(c.inStage("active"), "pause", "so that nothing moves to a node that stops too")
	case StepDrain:
		c.change(c.inStage("active", "pause"), "drain", "to stop its services with their own grace periods")
	case StepAwait:
		c.await()
	case StepIdle:
		c.idle()
	case StepNodes:
		c.stopNodes()
	case StepCut:
		if !o.OK && !c.running(DoCut) {
			c.emit(Effect{Kind: DoCut, Delay: c.cutDelay(), Reason: c.cutReason()})
		}
	case StepHost:
		if h, ok := c.host(); ok && o.Runs[h.Name].State != Parked && !c.pending(h.Name) {
			c.park(h, "it holds the UPS's cable, so it goes last")
		}
	default:
		c.askRestoring()
	}
}

// running is whether an effect of the kind was asked for and has not ended.
func (c *core) running(kind EffectKind) bool {
	return slices.ContainsFunc(c.s.Outage.Pending, func(p Pending) bool { return p.Kind == kind })
}

// inStage lists the Swarm's nodes that the stage is about and that have one of
// the availabilities.
func (c *core) inStage(availabilities ...string) []SwarmNode {
	o := c.s.Outage
	var nodes []SwarmNode
	for _, n := range c.s.Seen.Swarm.Nodes {
		if o.Doing == Shed && !slices.Contains(o.Shed, n.Name) {
			continue
		}
		if slices.Contains(availabilities, n.Availability) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// change notes how the nodes were, then changes them.
func (c *core) change(nodes []SwarmNode, to, why string) {
	o := c.s.Outage
	if c.running(DoChange) {
		return
	}
	if len(nodes) == 0 || !c.s.Seen.Swarm.Quorum {
		o.OK = true // nothing to tell, or nobody who could be told
		return
	}
	var changes []Change
	for _, n := range nodes {
		if !slices.ContainsFunc(o.Before, func(b Before) bool { return b.ID == n.ID }) {
			o.Before = append(o.Before, Before{ID: n.ID, Name: n.Name, Availability: n.Availability, Down: !n.Ready})
		}
		changes = append(changes, Change{ID: n.ID, Name: n.Name, Availability: to, Outage: o.ID})
	}
	c.emit(Effect{Kind: DoChange, Changes: changes, Reason: why})
}

// changed takes what was done into the picture of the Swarm, until the next
// snapshot shows it.
func (c *core) changed() {
	to := map[StepName]string{StepPause: "pause", StepDrain: "drain"}[c.s.Outage.Step]
	if to == "" {
		return
	}
	nodes := c.inStage("active", "pause")
	c.s.Seen.Swarm.Nodes = slices.Clone(c.s.Seen.Swarm.Nodes)
	for i, n := range c.s.Seen.Swarm.Nodes {
		if slices.Contains(nodes, n) {
			c.s.Seen.Swarm.Nodes[i].Availability = to
		}
	}
}

func (c *core) await() {
	o := c.s.Outage
	var ids []string
	for _, b := range o.Before {
		if o.Doing == Stop || slices.Contains(o.Shed, b.Name) {
			ids = append(ids, b.ID)
		}
	}
	if len(ids) == 0 {
		o.OK = true
		return
	}
	if c.running(DoAwait) {
		return
	}
	c.emit(Effect{Kind: DoAwait, Nodes: ids, Reason: "a node is stopped only after its services"})
}

func (c *core) stopNodes() {
	o := c.s.Outage
	for _, n := range c.r.Nodes {
		if n.UPSHost || c.pending(n.Name) || c.away(n.Name) {
			continue
		}
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		again := seen.Connected && seen.BootID != run.BootID // it started since
		if s := run.State; s != Up && s != Idle && s != Asked && s != Booting && !(again && (s == Halting || s == Halted)) {
			continue
		}
		if run.State == Booting && !seen.Connected {
			o.RetryAt = c.s.Now + RetryAfter // nobody is there yet who could be told
			continue
		}
		if c.mode(n) == Halted {
			o.Halts = true
			c.emit(Effect{Kind: DoHalt, Node: n.Name, Reason: "everything stops; the UPS's power cycle wakes it"})
		} else {
			c.park(n, "everything stops; parked it can still start again by itself")
		}
	}
}

// halts is the run of a node that was told to halt.
func (c *core) halts(p Pending) Run {
	run := Run{State: Halting, BootID: c.s.Seen.Nodes[p.Node].BootID, At: p.At}
	if p.Delay > 0 && p.Kind == DoHalt {
		run.Alarm = p.At + p.Delay
	}
	return run
}

func (c *core) pending(node string) bool {
	return slices.ContainsFunc(c.s.Outage.Pending, func(p Pending) bool { return p.Node == node })
}

func (c *core) result(w Result) {
	o := c.s.Outage
	if o == nil {
		return
	}
	i := slices.IndexFunc(o.Pending, func(p Pending) bool { return p.ID == w.ID })
	if i < 0 {
		return // of an effect that nobody waits for any more
	}
	p := o.Pending[i]
	o.Pending = slices.Delete(o.Pending, i, i+1)
	seen := c.s.Seen.Nodes[p.Node]
	if w.Outcome != Done {
		if p.Kind == DoHalt && w.Outcome == Lost && !seen.Connected {
			o.Runs[p.Node] = c.halts(p)
			return
		}
		if c.refusedAgain(p) {
			return
		}
		o.Why = w.Text
		o.RetryAt = c.s.Now + RetryAfter
		o.NoLearning = o.NoLearning || p.Kind == DoCut // it may be the delay that it does not take
		return
	}
	switch p.Kind {
	case DoHalt:
		o.Runs[p.Node] = c.halts(p)
	case DoPark:
		if !p.Parked {
			c.measure(p.Node, DoPark, c.s.Now-p.At)
		}
		was := o.Runs[p.Node]
		o.Runs[p.Node] = Run{State: Parked, BootID: seen.BootID, Alarm: p.At + p.Delay}
		if was.State == Parked && was.BootID == seen.BootID {
			return // its timer was armed anew
		}
		c.stoppedAfterAll(p.Node)
		c.tell("node_stopped", "info", p.Node, p.Node+" is parked: as safe as off, and able to start again.")
	case DoReboot:
		o.Runs[p.Node] = Run{State: Booting, BootID: seen.BootID, At: c.s.Now}
	case DoWake:
		o.Runs[p.Node] = Run{State: Booting, BootID: o.Runs[p.Node].BootID, At: c.s.Now}
	case DoClear:
		o.Runs[p.Node] = Run{State: Idle, BootID: seen.BootID}
	case DoChange:
		o.OK = true
		c.changed()
	case DoCut:
		c.measure(Rack, DoCut, c.s.Now-p.At)
		o.OK, o.Cut, o.CutAt, o.Halts = true, true, c.s.Now+w.Delay, false
		c.tell("cut_armed", "critical", "", fmt.Sprintf("The UPS switches its outlets off in %s, and on again with mains.", Short(w.Delay)))
	default:
		o.OK = true
	}
}

// refusedAgain notes when a node that was stopped or given up, and did not park when it
// was told to again, is told once more; and whether nothing else waits for it.
func (c *core) refusedAgain(p Pending) bool {
	run := c.s.Outage.Runs[p.Node]
	if p.Kind != DoPark || !down(run.State) {
		return false
	}
	run.Again = c.s.Now + RetryAfter
	if run.State == Missed { // there is no hurry
		run.Again = c.s.Now + cutRetry
	}
	c.s.Outage.Runs[p.Node] = run
	return run.State == Missed
}

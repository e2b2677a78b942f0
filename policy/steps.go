package policy

import (
	"fmt"
	"slices"
	"time"
)

// Settle is how long a node that was told to halt must be gone before it counts
// as off: the connection ends while the last file systems are still synced.
const Settle = 5 * time.Second

// RetryAfter is the pause before an effect that failed is asked for again.
const RetryAfter = 2 * time.Second

// enter begins a step: its deadline and its effects.
func (c *core) enter(step StepName) {
	o := c.s.Outage
	o.Step, o.StepBegan, o.OK, o.RetryAt, o.Why = step, c.s.Now, false, 0, ""
	o.Deadline = c.s.Now + c.budget(step)
	if step == StepDrain || step == StepAwait {
		o.Deadline = max(c.s.Now+RetryAfter, o.DoingBegan+c.r.Budgets.Drain)
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
			c.emit(Effect{Kind: DoHalt, Node: n.Name, Reason: "the battery is at its end; the UPS's power cycle wakes it"})
		} else {
			c.park(n, "the battery is at its end; parked it can still start again by itself")
		}
	}
}

// park orders a park whose longest time outlasts whatever is still coming.
func (c *core) park(n NodeRules, why string) {
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
	c.emit(Effect{Kind: DoPark, Node: n.Name, Delay: longest, Reason: why})
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
			if o.Step == StepReturn { // only now it can be woken
				o.Deadline = max(o.Deadline, c.s.Now+2*c.r.Budgets.Boot)
			}
			c.tell("node_stopped", "info", n.Name, n.Name+" is off.")
		}
	}
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
		o.Why = w.Text
		o.RetryAt = c.s.Now + RetryAfter
		o.NoLearning = o.NoLearning || p.Kind == DoCut // it may be the delay that it does not take
		return
	}
	switch p.Kind {
	case DoHalt:
		o.Runs[p.Node] = c.halts(p)
	case DoPark:
		c.measure(p.Node, DoPark, c.s.Now-p.At)
		o.Runs[p.Node] = Run{State: Parked, BootID: seen.BootID, Alarm: p.At + p.Delay}
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

package simulate

import (
	"slices"
	"time"

	"lastwatt/drivers"
	"lastwatt/policy"
)

// check holds an effect to what must always hold, by the truth.
func (l *lastwatt) check(e policy.Effect) {
	stops := e.Kind == policy.DoHalt || e.Kind == policy.DoPark || e.Kind == policy.DoCut || e.Kind == policy.DoClear
	drains := e.Kind == policy.DoChange && slices.ContainsFunc(e.Changes, func(c policy.Change) bool { return c.Availability == "drain" })
	l.story(e)
	if e.Reason == "" {
		l.w.breaks("%s %s has no reason", e.Kind, e.Node)
	}
	if e.Kind != policy.Tell && e.Kind != policy.Cancel && e.Deadline <= l.w.now {
		l.w.breaks("invariant 8: %s %s has no time", e.Kind, e.Node)
	}
	if e.Kind == policy.DoChange && !drains && l.state.Phase == policy.Recovering {
		l.energy()
	}
	if !stops && !drains {
		return
	}
	if o := l.state.Outage; l.w.mains && (o == nil || !o.Committed && l.state.Seen.UPS.Power == policy.OnMains) {
		l.w.falsely++
		l.w.breaks("invariant 1: %s %s on mains before a commit", e.Kind, e.Node)
	}
	if l.state.Seen.UPS.Power == policy.Unknown {
		l.w.breaks("invariant 2: %s %s with mains unknown", e.Kind, e.Node)
	}
	if e.Kind == policy.DoHalt || e.Kind == policy.DoPark {
		l.moved(e)
	}
}

// moved is invariant 4: a node is stopped only after its services, or after the
// time for that. Where the Swarm has no quorum nobody can be told to move them, and
// the node's own agent stops them first.
func (l *lastwatt) moved(e policy.Effect) {
	o := l.state.Outage
	for _, n := range l.w.nodes {
		told := slices.ContainsFunc(o.Before, func(b policy.Before) bool { return b.Name == n.name }) || len(o.Before) > 0 && l.w.quorum()
		told = told && n.state == up && n.linked && !n.hangsDrain
		if n.name == e.Node && told && !n.drained() && l.w.now < o.DoingBegan+l.rules.Budgets.Drain {
			l.w.breaks("invariant 4: %s %s before its services had moved", e.Kind, e.Node)
		}
	}
}

// vote is invariant 5: what was shed leaves the Swarm its quorum, as long as there
// is something to tell it. Nodes that were halted for good by an earlier stop of the
// same outage are not shed.
func (l *lastwatt) vote() {
	if o := l.state.Outage; l.state.Phase != policy.Shedding && l.state.Phase != policy.Stopping || o.Cut || o.Halts {
		return
	}
	managers, off := 0, 0
	for _, n := range l.w.nodes {
		if n.truth.Manager {
			managers++
			if n.state == halting || n.state == halted {
				off++
			}
		}
	}
	if managers > 0 && managers-off <= managers/2 {
		l.w.breaks("invariant 5: %d of %d managers were halted with the Swarm still to be told", off, managers)
	}
}

// energy is invariant 9: what was stopped for good is put back only where the
// battery would carry one more clean stop.
func (l *lastwatt) energy() {
	o := l.state.Outage
	if o == nil || !o.Cut || o.Aborted || !l.w.mains {
		return
	}
	load, took := drivers.Watt(l.w.truth.BaseW), time.Duration(0)
	for _, n := range l.w.nodes {
		load += drivers.Watt(n.truth.BusyW)
		took = max(took, time.Duration(n.truth.Drain+n.truth.Halt))
	}
	if left := l.w.battery.Lasts(load); left < took {
		l.w.breaks("invariant 9: restoring with %s of battery, and a clean stop takes %s", left, took)
	}
}

// story is invariant 11: an outage is told once for each time that mains went, at
// most.
func (l *lastwatt) story(e policy.Effect) {
	if e.Kind != policy.Tell || e.Story != "on_battery" {
		return
	}
	if l.told++; l.told > len(l.w.spells) {
		l.w.breaks("invariant 11: %d times on battery are told, and mains went %d times", l.told, len(l.w.spells))
	}
}

package policy

import "slices"

// check holds the effects against DESIGN's invariants.
func (w *world) check(e Effect) {
	// Where nobody could be told, the agents stop the containers themselves.
	told := w.state.Outage != nil && len(w.state.Outage.Before) > 0 && w.quorum()
	cuts := e.Kind == DoHalt || e.Kind == DoPark || e.Kind == DoCut || e.Kind == DoClear
	if cuts && w.state.Outage == nil {
		w.fault("invariant 1: %s without an outage", e.Kind)
	}
	if cuts && w.mains && w.contact && !w.state.Outage.Committed && w.state.Seen.UPS.Power == OnMains {
		w.fault("invariant 1: %s %s on mains before the commit", e.Kind, e.Node)
	}
	if cuts && w.state.Seen.UPS.Power == Unknown {
		w.fault("invariant 2: %s %s with mains unknown", e.Kind, e.Node)
	}
	if (e.Kind == DoHalt || e.Kind == DoPark) && told && !w.isDrained(e.Node) && w.now < w.state.Outage.DoingBegan+w.rules.Budgets.Drain {
		w.fault("invariant 4: %s %s before its services were moved", e.Kind, e.Node)
	}
	// What is put back is asked for until there is a quorum again. One that went since
	// the last snapshot was told to nobody.
	if e.Kind == DoChange && !w.quorum() && !w.state.Seen.Swarm.Quorum && w.state.Phase != Recovering {
		w.fault("invariant 5: the Swarm is to be changed without a quorum")
	}
	if e.Kind != Tell && e.Kind != Cancel && e.Deadline <= w.now {
		w.fault("invariant 8: %s %s has no time", e.Kind, e.Node)
	}
	if e.Reason == "" {
		w.fault("%s %s has no reason", e.Kind, e.Node)
	}
}

// quorumKept checks, when a machine goes off, that a Swarm that still runs services
// keeps its quorum.
func (w *world) quorumKept(had bool) {
	if p := w.state.Phase; had && !w.quorum() && (p == Riding || p == Shedding || p == Stopping) {
		w.fault("invariant 5: the quorum went in phase %s", p)
	}
}

func (w *world) allDrained(ids []string) bool {
	for _, n := range w.swarm {
		if slices.Contains(ids, n.ID) && !w.isDrained(n.Name) {
			return false
		}
	}
	return true
}

func (w *world) isDrained(node string) bool {
	at, ok := w.drained[node]
	return ok && at <= w.now
}

// settled checks what must hold once mains was back for long enough.
func (w *world) settled() {
	if w.state.Phase != Mains {
		w.fault("the phase is still %s", w.state.Phase)
	}
	for name, m := range w.nodes {
		if (!m.on || m.parked) && !m.dead {
			w.fault("invariant 6: %s is dark (on %v, parked %v)", name, m.on, m.parked)
		}
	}
	for i, n := range w.swarm {
		if n.Availability != w.before[i].Availability {
			w.fault("invariant 7: %s is %s, was %s", n.Name, n.Availability, w.before[i].Availability)
		}
	}
}

package policy

import "time"

// Wake is when Step wants a [Tick] if nothing else happens before, and false if
// no tick would change anything. It is always after s.Now.
func Wake(r Rules, s State) (time.Duration, bool) {
	c := core{r: r, s: s} // which is only read
	w := waker{now: s.Now}
	if u := s.Seen.UPS; u.silent() {
		w.offer(u.Gone + contactGrace)
	}
	switch s.Phase {
	case Riding, Shedding, Stopping:
		c.wakeAbortable(&w)
	case Committed, Dark:
		c.wakeCommitted(&w)
	case Recovering:
		c.wakeRecovering(&w)
	}
	return w.at, w.set
}

// A waker keeps the earliest of the times it is offered that lie ahead.
type waker struct {
	now, at time.Duration
	set     bool
}

func (w *waker) offer(at time.Duration) {
	if at <= w.now {
		return
	}
	if w.set {
		at = min(at, w.at)
	}
	w.at, w.set = at, true
}

func (c *core) wakeAbortable(w *waker) {
	o, u := c.s.Outage, c.s.Seen.UPS
	if u.Power == OnMains {
		w.offer(u.Since + c.r.StableFor)
		return
	}
	ride := c.rideOver()
	w.offer(ride)
	if u.Low {
		w.offer(max(ride, u.LowSince+lowGrace))
	}
	left := TimeToEmpty(c.r, c.s).Left
	for i, st := range c.r.Stages {
		last := i == len(c.r.Stages)-1
		if o.Stages[i] != "" || (!last && o.Doing != Nothing) {
			continue
		}
		w.offer(max(ride, c.s.Now+st.OnBattery-c.s.spell()))
		if st.Runtime > 0 {
			w.offer(max(ride, c.s.Now+left-st.Runtime))
		}
		if last {
			w.offer(max(ride, c.lastMoment(left)))
		}
	}
	c.wakeStretch(w)
	c.wakeStep(w)
}

// rideOver is when the ride-through of this spell on battery ends, or did.
func (c *core) rideOver() time.Duration { return c.s.Now + c.r.RideThrough - c.s.spell() }

// lastMoment is when the stop has to begin, with so long until the battery is empty.
func (c *core) lastMoment(left time.Duration) time.Duration {
	return c.s.Now + left - c.need() - c.r.Reserve
}

// wakeStep offers the times of the step that runs.
func (c *core) wakeStep(w *waker) {
	o := c.s.Outage
	if o.Step != "" {
		w.offer(o.Deadline)
	}
	w.offer(o.RetryAt)
	for _, n := range c.r.Nodes {
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		if run.leaving() && !seen.Connected {
			w.offer(seen.Since + Settle)
		} else if run.State == Asked {
			w.offer(run.At + c.r.Budgets.Halt)
		}
	}
}

func (c *core) wakeCommitted(w *waker) {
	o, u := c.s.Outage, c.s.Seen.UPS
	c.wakeStep(w)
	for _, run := range o.Runs {
		w.offer(run.Again)
	}
	for _, n := range c.r.Nodes {
		w.offer(c.parksAgain(n))
	}
	if c.s.Phase == Dark && o.Halts && o.CutAt == 0 { // the cut is asked for again
		at := max(o.RetryAt, o.StepBegan+cutRetry)
		if h, ok := c.host(); ok && c.hostStarts() { // not while its host starts
			at = max(at, o.Runs[h.Name].Alarm+c.r.Budgets.Park+c.bootTime())
		}
		w.offer(at)
	}
	if u.Power == OnMains {
		w.offer(u.Since + c.r.StableFor)
		if o.CutAt > 0 {
			w.offer(o.CutAt)
			w.offer(o.CutAt + AfterCut)
		}
	}
}

func (c *core) wakeRecovering(w *waker) {
	o, u := c.s.Outage, c.s.Seen.UPS
	if u.Power == OnBattery && o.Aborted { // the last moment begins a stop all the same
		w.offer(max(c.rideOver(), c.lastMoment(TimeToEmpty(c.r, c.s).Left)))
	}
	if o.Step != StepWait {
		c.wakeStep(w)
		for _, run := range o.Runs {
			if o.Step == StepReturn && run.State == Booting {
				w.offer(run.At + rebootAgain)
			}
		}
		return
	}
	if u.Power == OnMains {
		w.offer(u.Since + c.r.StableFor)
		w.offer(max(u.Since, u.Still) + stillFull)
		if u.Charge == nil {
			w.offer(u.Since + c.r.UnknownChargeWait)
		}
	}
}

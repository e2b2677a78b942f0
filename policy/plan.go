package policy

import (
	"fmt"
	"strings"
	"time"
)

// A Timeline is what will happen if mains stays away from now on, or goes now,
// and everything takes its budgeted time.
type Timeline struct {
	Items []Item
	// Load is what the outlets feed now, and how that is known.
	Load Figure
	// Empty is when the battery is taken to be empty, by Left.
	Empty time.Duration
	Left  Estimate
	// End is when the last item is over; Margin is what the battery then has
	// left at the load that remains.
	End    time.Duration
	Margin time.Duration
}

// An Item is one thing that will happen at At on the controller's line.
type Item struct {
	At     time.Duration
	What   string
	Node   string
	Watts  float64 // the load from then on
	Reason string
}

// Plan folds Step over Predict and Wake, and so restates no rule. It plans as
// if armed: on observe it is what arming would mean.
func Plan(r Rules, s State) Timeline {
	s = s.Clone()
	s.Armed = true
	t := Timeline{Load: Load(r, s)}
	began := s.Now
	if s.Seen.UPS.Power != OnBattery {
		u := s.Seen.UPS
		var effects []Effect
		s, effects = Step(r, s, Event{At: s.Now, What: Reading{Power: OnBattery, Charge: u.Charge, Runtime: u.Runtime, Load: u.Load}})
		t.add(began, Load(r, s).Watts, effects)
	}
	t.Left = TimeToEmpty(r, s)
	t.Empty = s.Now + t.Left.Left
	for range 300 {
		e, ok := Predict(r, s)
		if at, wake := Wake(r, s); wake && (!ok || at < e.At) {
			e, ok = Event{At: at, What: Tick{}}, true
		}
		if !ok {
			break
		}
		var effects []Effect
		s, effects = Step(r, s, e)
		t.add(e.At, Load(r, s).Watts, effects)
		t.End = s.Now
		if s.Phase == Dark && s.Outage.Step == "" {
			break
		}
	}
	t.Margin = TimeToEmpty(r, s).Left
	return t
}

func (t *Timeline) add(at time.Duration, watts float64, effects []Effect) {
	for _, e := range effects {
		i := Item{At: at, Node: e.Node, Watts: watts, Reason: e.Reason}
		switch e.Kind {
		case Tell:
			switch e.Story {
			case "stage", "stopping", "health", "committed", "dark":
				i.What = e.Story
			}
		case DoSnapshot, DoAwait, Cancel:
		case DoChange:
			var names []string
			for _, c := range e.Changes {
				names = append(names, c.Name)
			}
			i.What = e.Changes[0].Availability
			i.Node = strings.Join(names, ", ")
		case DoCut:
			i.What = fmt.Sprintf("cut in %s", Short(e.Delay))
		default:
			i.What = string(e.Kind)
		}
		if i.What != "" {
			t.Items = append(t.Items, i)
		}
	}
}

// Predict is the event that the world delivers next if mains stays away and
// everything takes its budgeted time; false if nothing is expected.
func Predict(r Rules, s State) (Event, bool) {
	c := core{r: r, s: s} // which is only read
	o := c.s.Outage
	if o == nil {
		return Event{}, false
	}
	best, ok := Event{}, false
	offer := func(at time.Duration, w What) {
		if at = max(at, s.Now); !ok || at < best.At {
			best, ok = Event{at, w}, true
		}
	}
	for _, p := range o.Pending {
		result := Result{ID: p.ID, Outcome: Done}
		at := o.Deadline
		switch p.Kind {
		case DoHalt:
			at = s.Now // taken at once; the node is gone at the end of its time
		case DoPark:
			at = min(at, p.At+c.parkTime(p.Node))
		case DoAwait:
			at = min(at, o.DoingBegan+c.drainTime())
		case DoCut:
			result.Delay = c.cutDelay()
		}
		offer(at, result)
	}
	for _, n := range r.Nodes {
		if o.Runs[n.Name].State == Halting && s.Seen.Nodes[n.Name].Connected {
			gone := o.Runs[n.Name].At + careful(s.Measured[n.Name].Halt, r.Budgets.Halt)
			offer(min(gone, o.Deadline)-Settle, NodeSeen{Node: n.Name})
		}
	}
	if at, w, falls := c.nextCharge(); falls {
		offer(at, w)
	}
	return best, ok
}

// nextCharge is the reading at which the charge reaches the next stage's, if
// it falls evenly until empty.
func (c *core) nextCharge() (time.Duration, Reading, bool) {
	u, left := c.s.Seen.UPS, TimeToEmpty(c.r, c.s)
	if u.Power != OnBattery || u.Charge == nil {
		return 0, Reading{}, false
	}
	// The charge now, since the last reading may be old.
	now := *u.Charge
	next := 0.0
	for i, st := range c.r.Stages {
		if c.s.Outage.Stages[i] == "" && st.Charge < now {
			next = max(next, st.Charge)
		}
	}
	if next == 0 {
		return 0, Reading{}, false
	}
	in := time.Duration(float64(left.Left) * (now - next) / max(1, now-emptyAt(c.r, c.s)))
	w := Reading{Power: OnBattery, Charge: &next, Load: u.Load}
	if u.Runtime != nil {
		w.Runtime = new(max(0, *u.Runtime-(c.s.Now+in-u.At)))
	}
	return c.s.Now + in, w, true
}

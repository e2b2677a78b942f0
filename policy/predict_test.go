package policy

import (
	"fmt"
	"testing"
	"time"
)

func TestTheWorldIsPredicted(t *testing.T) {
	deadline := func(in time.Duration) func(*core) {
		return outage(func(o *Outage) { o.Deadline = time.Hour + in })
	}
	quiet := func(c *core) { c.r.Stages = []Stage{{Name: "all"}} } // no charge is waited for
	stages := func(charges ...float64) func(*core) {
		return func(c *core) {
			c.r.Stages = nil
			for _, charge := range charges {
				c.r.Stages = append(c.r.Stages, Stage{Charge: charge})
			}
		}
	}
	told := func(c *core) { // not credible, since at no load
		c.s.Seen.UPS.At, c.s.Seen.UPS.Runtime = c.s.Now-time.Minute, new(30*time.Minute)
	}
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"nothing without an outage", handmade(func(c *core) { c.s.Outage = nil }), ""},
		{"nothing of which nothing is asked", handmade(quiet), ""},
		{"a halt is taken at once", handmade(quiet, waiting(DoHalt, "node02"), deadline(time.Minute)), "0s p1 done"},
		{"a park takes its time", handmade(quiet, waiting(DoPark, "node02"), deadline(time.Minute)), "30s p1 done"},
		{"but no longer than the step", handmade(quiet, waiting(DoPark, "node02"), deadline(20*time.Second)), "20s p1 done"},
		{"so does a drain", handmade(quiet, waiting(DoAwait, ""), deadline(time.Minute), outage(func(o *Outage) { o.DoingBegan = time.Hour - 20*time.Second })), "40s p1 done"},
		{"a cut counts down", handmade(quiet, waiting(DoCut, ""), deadline(time.Minute)), "1m0s p1 done 2m0s"},
		{"all else takes what the step has", handmade(quiet, waiting(DoSnapshot, ""), deadline(time.Minute)), "1m0s p1 done"},
		{"never before now", handmade(quiet, waiting(DoSnapshot, ""), deadline(-time.Minute)), "0s p1 done"},
		{"of two at once the first", handmade(quiet, waiting(DoHalt, "node02"), waiting(DoHalt, "node03")), "0s p1 done"},
		{"of two the earlier", handmade(quiet, waiting(DoSnapshot, ""), waiting(DoPark, "node03"), deadline(time.Minute)), "30s p2 done"},
		{"a node that halts goes before its time ends", handmade(quiet, runs("node02", Halting), deadline(5*time.Minute)), "55s node02 gone"},
		{"or before the step's", handmade(quiet, runs("node02", Halting), deadline(50*time.Second)), "45s node02 gone"},
		{"one that is gone is gone", handmade(quiet, runs("node02", Halting), gone("node02", 0), deadline(time.Minute)), ""},
		{"one that does not halt stays", handmade(quiet, runs("node02", Parked), deadline(time.Minute)), ""},
		{"the charge reaches a stage's", handmade(), "10m0s battery 50%"},
		{"evenly, to where it is empty", handmade(func(c *core) { c.r.AssumedEmpty = 20 }), "10m0s battery 50%"},
		{"and what the UPS tells goes by the clock", handmade(told), "9m50s battery 50% 19m10s"},
		{"not below nothing", handmade(told, func(c *core) { c.s.Seen.UPS.Runtime = new(time.Minute) }), "9m50s battery 50% 0s"},
		{"the next of two", handmade(stages(20, 50)), "10m0s battery 50%"},
		{"whatever their order", handmade(stages(50, 20)), "10m0s battery 50%"},
		{"not of a stage that was begun", handmade(stages(20, 50), outage(func(o *Outage) { o.Stages[1] = begun })), "40m0s battery 20%"},
		{"nor of one that it has reached", handmade(stages(20, 60)), "40m0s battery 20%"},
		{"nor without one", handmade(stages(0, 0)), ""},
		{"nor with mains", handmade(onMains(0)), ""},
		{"nor where it is unknown", handmade(func(c *core) { c.s.Seen.UPS.Charge = nil }), ""},
		{"nor where nothing is left", handmade(func(c *core) { c.s.Seen.UPS.Charge = new(0.0) }), ""},
	} {
		got := ""
		if e, ok := Predict(row.core.r, row.core.s); ok {
			got = (e.At - row.core.s.Now).String() + " " + said(e.What)
		}
		if got != row.want {
			t.Errorf("%s: %q comes, want %q", row.name, got, row.want)
		}
	}
}

// said is an event in words.
func said(w What) string {
	switch w := w.(type) {
	case Result:
		if w.Delay > 0 {
			return fmt.Sprintf("%s %s %s", w.ID, w.Outcome, w.Delay)
		}
		return fmt.Sprintf("%s %s", w.ID, w.Outcome)
	case NodeSeen:
		if !w.Connected {
			return w.Node + " gone"
		}
	case Reading:
		if w.Runtime != nil {
			return fmt.Sprintf("%s %g%% %s", w.Power, *w.Charge, *w.Runtime)
		}
		return fmt.Sprintf("%s %g%%", w.Power, *w.Charge)
	}
	return fmt.Sprintf("%+v", w)
}

// TestAPlanEndsWhenAllThatIsLeftIsToLosePower holds that it says when that is,
// and when the battery is empty.
func TestAPlanEndsWhenAllThatIsLeftIsToLosePower(t *testing.T) {
	for _, on := range []bool{false, true} {
		c := handmade(func(c *core) { c.r.Stages[0].Charge = 1 }) // which is never reached
		if on {
			onMains(time.Hour)(c)
			c.s.Outage, c.s.Phase = nil, Mains
			c.s.Battery.Discharges = []Discharge{{Watts: 34, PerPercent: time.Minute, Points: 1e12, At: time.Hour}}
		}
		plan := Plan(c.r, c.s)
		if plan.Empty-2*time.Hour > time.Millisecond || 2*time.Hour-plan.Empty > time.Millisecond {
			t.Errorf("on mains %v: the battery is empty at %s, want 2h0m0s", on, plan.Empty)
		}
		last := plan.Items[len(plan.Items)-1]
		if last.What != "park" || last.Node != "node01" || plan.End != last.At+c.r.Budgets.Park {
			t.Errorf("on mains %v: it ends at %s with %+v, want a minute after the host's order to park", on, plan.End, last)
		}
	}
}

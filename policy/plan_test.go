package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAWorldThatObeysThePredictionYieldsThePlan steps the world by hand along
// Predict and Wake and compares what was done, and when, with the plan.
func TestAWorldThatObeysThePredictionYieldsThePlan(t *testing.T) {
	w := newWorld(t, rackRules())
	w.run(2 * time.Minute)
	w.setMains(false)
	plan := Plan(w.rules, w.state)
	s, done := w.state, Timeline{}
	for range 300 {
		e, ok := Predict(w.rules, s)
		if at, wake := Wake(w.rules, s); wake && (!ok || at < e.At) {
			e, ok = Event{At: at, What: Tick{}}, true
		}
		if !ok || s.Phase == Dark && s.Outage.Step == "" {
			break
		}
		var effects []Effect
		s, effects = Step(w.rules, s, e)
		done.add(e.At, Load(w.rules, s).Watts, effects)
	}
	if d := cmp.Diff(plan.Items, done.Items); d != "" {
		t.Errorf("plan and execution differ (-plan +done):\n%s", d)
	}
	if s.Phase != Dark {
		t.Errorf("the plan ends in %s, want %s", s.Phase, Dark)
	}
}

// TestNothingComesLaterThanPlanned plays a world that is faster than its
// budgets.
func TestNothingComesLaterThanPlanned(t *testing.T) {
	w := newWorld(t, rackRules())
	w.flat = true
	w.run(2 * time.Minute)
	w.setMains(false)
	plan := Plan(w.rules, w.state)
	if plan.Margin < 0 {
		t.Errorf("the plan ends %s after the battery", -plan.Margin)
	}
	last := plan.Items[len(plan.Items)-1]
	for w.state.Outage.Runs["node01"].State != Parked {
		if w.run(w.now + time.Second); w.now > 3*time.Hour {
			t.Fatalf("node01 was not parked: %+v", w.state.Outage.Runs)
		}
	}
	if w.now > last.At+w.rules.Budgets.Park {
		t.Errorf("the world ended at %s, the plan's last step was at %s", w.now, last.At)
	}
	for name, m := range w.nodes {
		if m.dirty > 0 {
			t.Errorf("%s was stopped dirty", name)
		}
	}
}

// TestThePlanOnMainsIsWhatWouldHappenNow holds that a plan does not need an
// outage, and that observe does not hide what arming would mean.
func TestThePlanOnMainsIsWhatWouldHappenNow(t *testing.T) {
	w := newWorld(t, rackRules())
	w.state.Armed = false
	w.run(2 * time.Minute)
	plan := Plan(w.rules, w.state)
	var whats []string
	for _, i := range plan.Items {
		whats = append(whats, i.What+" "+i.Node)
	}
	want := []string{"stage ", "drain node04", "clear node04", "stopping ", "pause node01, node02, node03", "drain node01, node02, node03",
		"committed ", "halt node02", "halt node03", "halt node04", "cut in 2 min ", "dark ", "park node01"}
	if d := cmp.Diff(want, whats); d != "" {
		t.Errorf("the plan differs (-want +got):\n%s", d)
	}
	if plan.Left.Method != "the UPS's figure" || plan.Margin <= 0 {
		t.Errorf("left %+v, margin %s", plan.Left, plan.Margin)
	}
}

package policy

import (
	"strings"
	"testing"
	"time"
)

// TestANodeThatRefusesToParkHoldsNothingElseUp has a UPS that refuses the cut, while a
// node that was given up, or one that started again, refuses to park each time it is told
// to: the UPS's host parks before power ends all the same, and nobody is asked without end.
func TestANodeThatRefusesToParkHoldsNothingElseUp(t *testing.T) {
	for _, row := range []struct {
		name  string
		rules func(*world)
	}{
		{"given up", func(w *world) { w.fail["park node02"], w.rules.UPS.CutsOnMains = 1000, false }},
		{"started again", func(w *world) {
			w.fail["park node02"], w.nodes["node02"].boots = 1000, 10*time.Second
			w.after(6*time.Minute+26*time.Second, func() { w.start("node02") })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, rackRules())
			w.rules.Stages = []Stage{{Name: "all", OnBattery: 5 * time.Minute}}
			w.fail["cut"], w.lasts = 1000, 3*time.Hour
			row.rules(w)
			w.run(time.Minute)
			w.setMains(false)
			w.run(25 * time.Minute)
			if asked, cuts := strings.Count(w.log.String(), "  park node02"), strings.Count(w.log.String(), "  cut "); !w.nodes["node01"].parked || asked < 30 || asked > 400 || cuts < 10 {
				t.Errorf("the UPS's host parked: %v; node02 was told to %d times, and the cut was asked for %d times\n%s", w.nodes["node01"].parked, asked, cuts, w.log.String())
			}
		})
	}
}

// TestANodeThatIsThereThoughItWasTakenForOffParks has the order to halt lost with the
// link: the node counts as off, and runs.
func TestANodeThatIsThereThoughItWasTakenForOffParks(t *testing.T) {
	w := newWorld(t, rackRules())
	w.rules.Stages = []Stage{{Name: "all", OnBattery: 5 * time.Minute}}
	w.slow["halt node02"] = 24 * time.Hour
	link := func(cut bool) {
		w.nodes["node02"].cutOff = cut
		w.seen("node02")
	}
	w.run(time.Minute)
	w.setMains(false)
	w.run(6*time.Minute + 10*time.Second)
	id := w.state.Outage.Pending[0].ID
	link(true)
	w.send(Result{ID: id, Outcome: Lost})
	w.run(6*time.Minute + 25*time.Second)
	if got := w.state.Outage.Runs["node02"].State; got != Halted {
		t.Errorf("node02 is %s", got)
	}
	link(false)
	w.run(20 * time.Minute)
	if w.outlets || w.nodes["node02"].dirty > 0 {
		t.Errorf("power is there: %v; node02 lost it while it ran %d times\n%s", w.outlets, w.nodes["node02"].dirty, w.log.String())
	}
}

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
			if asked, cuts := strings.Count(w.log.String(), "  park node02"), strings.Count(w.log.String(), "  cut "); !w.nodes["node01"].parked || asked < 30 || asked > 360 || cuts < 10 {
				t.Errorf("the UPS's host parked: %v; node02 was told to %d times, and the cut was asked for %d times\n%s", w.nodes["node01"].parked, asked, cuts, w.log.String())
			}
		})
	}
}

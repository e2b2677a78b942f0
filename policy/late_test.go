package policy

import (
	"strings"
	"testing"
	"time"
)

// TestACutKeepsAwayFromANodeThatStartsLate has a UPS that refuses the cut and takes it
// at last, at any second while the timer of a parked node starts it again and again. That
// timer runs as much later than the order as the park took, and the boots are known to be
// shorter than the parks.
func TestACutKeepsAwayFromANodeThatStartsLate(t *testing.T) {
	for at := 17 * time.Minute; at < 20*time.Minute; at += time.Second {
		w := newWorld(t, rackRules())
		w.rules.Stages = []Stage{{Name: "all", OnBattery: 5 * time.Minute}}
		w.rules.UPS.DelayStep, w.rules.Nodes[0].UPSHost, w.rules.Nodes[3].Wake = 0, false, "manual"
		w.rules.Budgets.Boot, w.lasts = 40*time.Second, 3*time.Hour
		w.slow["park node04"], w.fail["cut"] = 20*time.Second, 1000
		w.after(at, func() { w.fail["cut"] = 0 })
		w.run(time.Minute)
		w.setMains(false)
		w.run(25 * time.Minute)
		if w.outlets || w.nodes["node04"].dirty > 0 {
			t.Fatalf("where the cut is taken from %s on, power is there: %v, and node04 lost it while it ran: %d times\n%s", at, w.outlets, w.nodes["node04"].dirty, w.log.String())
		}
	}
}

// TestParkedNodesSleepThroughALongOutage has no cut, and an outage twenty times as long as
// the longest time of a park: nothing starts on what is left of the battery.
func TestParkedNodesSleepThroughALongOutage(t *testing.T) {
	w := newWorld(t, rackRules())
	w.rules.Stages = []Stage{{Name: "all", OnBattery: 5 * time.Minute}}
	w.rules.UPS.Cut, w.rules.ParkLongest, w.lasts = false, 30*time.Minute, 20*time.Hour
	w.run(time.Minute)
	w.setMains(false)
	w.run(10 * time.Hour)
	for name, m := range w.nodes {
		if !m.parked || m.boot != 1 || m.dirty > 0 {
			t.Errorf("%s: parked %v, started %d times\n%s", name, m.parked, m.boot-1, w.log.String())
		}
	}
	if n := strings.Count(w.log.String(), "tell node_stopped"); n != len(w.nodes) {
		t.Errorf("that a node is parked is told %d times, want once each\n%s", n, w.log.String())
	}
	w.setMains(true)
	w.run(11 * time.Hour)
	if w.state.Outage != nil {
		t.Errorf("an hour after mains came back the phase is %s\n%s", w.state.Phase, w.log.String())
	}
}

package policy

import (
	"testing"
	"time"
)

// TestAnythingMayHappenAtAnyMomentOfTheStop lets mains come back, the controller
// crash, its machine or a node start again, or the UPS leave the bus, at many
// moments of a full stop: no node is left dark or changed (invariants 6, 7 and 8 of
// the design).
func TestAnythingMayHappenAtAnyMomentOfTheStop(t *testing.T) {
	units := []struct {
		name string
		is   func(*world)
	}{
		{"that cuts whatever mains does", func(*world) {}},
		{"that does not cut on mains", func(w *world) { w.rules.UPS.CutsOnMains, w.noCut = false, true }},
		{"that may not cut", func(w *world) { w.rules.UPS.Cut = false }},
	}
	events := []struct {
		name string
		do   func(*world)
	}{
		{"mains is back", func(w *world) { w.setMains(true) }},
		{"mains is back for 20 s", func(w *world) {
			w.setMains(true)
			w.after(20*time.Second, func() { w.setMains(false) })
		}},
		{"the controller crashes", func(w *world) {
			if w.up {
				w.restart(false)
			}
		}},
		{"the controller's machine starts again", func(w *world) { w.reboot("node01") }},
		{"a node starts again", func(w *world) { w.reboot("node02") }},
		{"the UPS is gone for a minute", func(w *world) {
			w.setContact(false)
			w.after(time.Minute, func() { w.setContact(true) })
		}},
	}
	for _, unit := range units {
		for _, event := range events {
			t.Run(event.name+", with a unit "+unit.name, func(t *testing.T) {
				for _, at := range moments() {
					w := newWorld(t, rackRules())
					w.rules.Stages = []Stage{{Name: "all", OnBattery: 5 * time.Minute}}
					unit.is(w)
					w.run(time.Minute)
					w.setMains(false)
					w.run(at)
					w.logf("NOW %s", event.name)
					event.do(w)
					w.run(time.Hour)
					w.setMains(true)
					w.run(12 * time.Hour)
					w.settled()
					for _, b := range w.broken {
						t.Errorf("where it happens at %s: %s", at, b)
					}
					if t.Failed() {
						t.Fatal(w.log.String())
					}
				}
			})
		}
	}
}

// moments are those of a full stop that begins at 6 minutes: the seconds in which
// one step follows another, and some between. The outlets go off within 3 minutes.
func moments() []time.Duration {
	var all []time.Duration
	for s := range 180 {
		if s < 7 || s >= 24 && s < 30 || s%9 == 0 {
			all = append(all, 6*time.Minute+time.Duration(s)*time.Second)
		}
	}
	return all
}

package policy

import (
	"testing"
	"time"
)

func TestALeaseReleasesAParkedNodeOnlyWhenItMayStart(t *testing.T) {
	step := func(p Power, s StepName) *core {
		return handmade(doing(Recovering, Restoring, s), func(c *core) { c.s.Seen.UPS.Power = p })
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"when it is to return", step(OnMains, StepReturn), true},
		{"not while mains is not yet stable", step(OnMains, StepWait), false},
		{"not on battery", step(OnBattery, StepReturn), false},
		{"not while it waits on battery", step(OnBattery, StepWait), false},
		{"not in the dark", handmade(doing(Dark, Stop, ""), onMains(time.Hour)), false},
	} {
		if l := LeaseFor(row.core.r, row.core.s); l.Release != row.want || l.Outage != "o1" || l.ParkLongest != 4*time.Hour {
			t.Errorf("%s: the lease is %+v", row.name, l)
		}
	}
}

// A controller that dies once it has ordered the cut leaves the UPS's host no other
// word.
func TestALeaseParksSoonOnceTheOutletsAreToGoOff(t *testing.T) {
	for phase, want := range map[Phase]time.Duration{Stopping: 57 * time.Minute, Committed: 30 * time.Second, Dark: 30 * time.Second} {
		for power, want := range map[Power]time.Duration{OnBattery: want, OnMains: 0} {
			c := handmade(doing(phase, Stop, StepCut), func(c *core) { c.s.Seen.UPS.Power = power })
			if got := LeaseFor(c.r, c.s).ParkAfter; got != want {
				t.Errorf("%s, on %s: a node parks after %s, want %s", phase, power, got, want)
			}
		}
	}
}

// An agent that parked by itself keeps its timer: a cut that then waits for the battery
// must not meet it while that starts it.
func TestALeaseOutlastsTheCutThatMayBeComing(t *testing.T) {
	for _, row := range []struct {
		phase Phase
		cut   bool
		want  time.Duration
	}{{Stopping, true, 4 * time.Hour}, {Committed, true, 8 * time.Hour}, {Dark, true, 8 * time.Hour}, {Committed, false, 4 * time.Hour}} {
		c := handmade(doing(row.phase, Stop, StepCut), func(c *core) { c.r.UPS.Cut = row.cut })
		if got := LeaseFor(c.r, c.s).ParkLongest; got != row.want {
			t.Errorf("%s, with a cut %v: a node parks for %s, want %s", row.phase, row.cut, got, row.want)
		}
	}
}

func TestALeaseParksBeforeTheBatteryIsEmpty(t *testing.T) {
	for minutes, want := range map[float64]time.Duration{60: 57 * time.Minute, 3: 30 * time.Second} {
		c := handmade(func(c *core) { c.s.Seen.UPS.Charge = &minutes })
		if got := LeaseFor(c.r, c.s).ParkAfter; got != want {
			t.Errorf("with %g minutes left a node parks after %s, want %s", minutes, got, want)
		}
	}
}

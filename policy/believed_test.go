package policy

import (
	"testing"
	"time"
)

func TestTimeToEmptyAtItsBounds(t *testing.T) {
	told := func(runtime time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Runtime, c.s.Seen.UPS.Load = &runtime, new(4.0) }
	}
	old := func(c *core) { c.s.Seen.UPS.At = c.s.Now - time.Minute }
	emptyAt := func(percent float64) func(*core) { return func(c *core) { c.r.AssumedEmpty = percent } }
	unmeasured := outage(func(o *Outage) { o.PerPercent = 0 })
	holds := func(c *core) { c.r.UPS.BatteryWh = 105 } // 63 Wh are left, and 34 W take 52.5 W of them
	before := func(points float64) func(*core) {
		return func(c *core) {
			c.s.Battery.Discharges = []Discharge{{Watts: 34, PerPercent: 30 * time.Second, Points: points, At: c.s.Now}}
		}
	}
	for _, row := range []struct {
		name     string
		core     *core
		want     time.Duration
		method   string
		credible bool
	}{
		{"the slope", handmade(), time.Hour, "the slope of the charge", true},
		{"less the age of the reading", handmade(old), 59 * time.Minute, "the slope of the charge", true},
		{"on mains none has passed", handmade(old, onMains(time.Minute)), time.Hour, "the slope of the charge", true},
		{"above where it is empty", handmade(emptyAt(50)), 10 * time.Minute, "the slope of the charge", true},
		{"never less than nothing", handmade(emptyAt(70)), 0, "the slope of the charge", true},
		{"the UPS's figure, above where it is empty", handmade(unmeasured, emptyAt(15), told(40*time.Minute)), 30 * time.Minute, "the UPS's figure", true},
		{"the shorter of two", handmade(told(40 * time.Minute)), 40 * time.Minute, "the UPS's figure", true},
		{"the first of two that say the same", handmade(told(time.Hour)), time.Hour, "the UPS's figure", true},
		{"a figure that has run out, whatever others say", handmade(old, told(30*time.Second)), 0, "the UPS's figure", true},
		{"known discharges", handmade(unmeasured, before(1e9)), 30 * time.Minute, "known discharges", true},
		{"the shorter of slope and discharges", handmade(before(1e9)), 30 * time.Minute, "known discharges", true},
		{"not those over too few points", handmade(unmeasured, before(1)), 12 * time.Minute, "assumed", false},
		{"the configured battery", handmade(unmeasured, holds), 72 * time.Minute, "the configured battery", true},
		{"less the age of the reading, too", handmade(unmeasured, holds, old), 71 * time.Minute, "the configured battery", true},
		{"not where nothing is known of the load", handmade(unmeasured, holds, func(c *core) { c.r.Nodes, c.r.BaseWatts = nil, 0 }), 12 * time.Minute, "assumed", false},
		{"an assumed one by its charge", handmade(unmeasured, emptyAt(20)), 10 * time.Minute, "assumed", false},
		{"and its age", handmade(unmeasured, emptyAt(20), old), 9 * time.Minute, "assumed", false},
		{"without a charge, by the time on battery", handmade(unmeasured, func(c *core) { c.s.Seen.UPS.Charge = nil }), 10 * time.Minute, "assumed", false},
	} {
		got := TimeToEmpty(row.core.r, row.core.s)
		if max(got.Left-row.want, row.want-got.Left) > time.Millisecond || got.Method != row.method || got.Credible != row.credible {
			t.Errorf("%s: %+v, want %s by %s", row.name, got, row.want, row.method)
		}
	}
}

func TestTheUPSsTimeToEmptyIsBelieved(t *testing.T) {
	ups := func(f func(*UPS)) func(*core) {
		return func(c *core) {
			c.s.Seen.UPS.Runtime, c.s.Seen.UPS.Load = new(40*time.Minute), new(4.0)
			f(&c.s.Seen.UPS)
		}
	}
	told := ups(func(*UPS) {})
	first := func(ago time.Duration) func(*core) {
		return outage(func(o *Outage) { o.First = &Anchor{At: time.Hour - ago, Charge: 60, Runtime: new(40 * time.Minute)} })
	}
	stuck := func(at time.Duration) func(*core) { return func(c *core) { c.s.Battery.Stuck = at } }
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"it is", handmade(told), true},
		{"none is told", handmade(), false},
		{"0 is told", handmade(ups(func(u *UPS) { u.Runtime = new(time.Duration(0)) })), false},
		{"at no load", handmade(ups(func(u *UPS) { u.Load = nil })), false},
		{"at a load of 0", handmade(ups(func(u *UPS) { u.Load = new(0.0) })), false},
		{"it was stuck there before", handmade(told, stuck(40*time.Minute)), false},
		{"it was stuck beyond", handmade(told, stuck(41*time.Minute)), true},
		{"it is stuck", handmade(told, first(3*time.Minute+1)), false},
		{"not yet", handmade(told, first(3*time.Minute)), true},
		{"it moved", handmade(ups(func(u *UPS) { u.Runtime = new(39 * time.Minute) }), first(time.Hour)), true},
		{"on mains it need not move", handmade(told, first(time.Hour), onMains(time.Minute)), true},
		{"the first reading told none", handmade(told, outage(func(o *Outage) { o.First = &Anchor{} })), true},
		{"there is no outage", handmade(told, func(c *core) { c.s.Outage = nil }), true},
	} {
		if got := credible(row.core.s); got != row.want {
			t.Errorf("%s: it is believed: %v", row.name, got)
		}
	}
}

func TestTheSlopeIsMeasuredWhereTheChargeFalls(t *testing.T) {
	first := outage(func(o *Outage) { o.First, o.Grain = &Anchor{At: 50 * time.Minute, Charge: 90}, 1 })
	anchor := func(charge, recent float64) func(*core) {
		return outage(func(o *Outage) {
			o.Anchor, o.Recent, o.PerPercent, o.Grain = &Anchor{At: 54 * time.Minute, Charge: charge}, &Anchor{At: 58 * time.Minute, Charge: recent}, 0, 1
		})
	}
	grain := func(percent float64) func(*core) { return outage(func(o *Outage) { o.Grain = percent }) }
	cut := func(in time.Duration) func(*core) { return outage(func(o *Outage) { o.CutAt = time.Hour + in }) }
	hold(t, func(c *core) { c.slope(new(61.0)) }, []rule{
		{"the first reading is kept", handmade(anchor(61, 61)), "outage.first.at=1h0m0s; outage.first.charge=60"},
		{"the first fall is where it is measured from", handmade(first), "outage.anchor.at=1h0m0s; outage.anchor.charge=60; outage.recent.at=1h0m0s; outage.recent.charge=60; outage.watts=34"},
		{"over three points at least", handmade(first, anchor(62.9, 62.9)), ""},
		{"three are enough, from where it fell faster", handmade(first, anchor(63, 63)), "outage.per_percent=40s"},
		{"a few points lately say nothing", handmade(first, anchor(66, 62.9)), "outage.per_percent=1m0s"},
		{"a slower fall lately does not make it longer", handmade(first, anchor(70, 63)), "outage.per_percent=36s"},
		{"each five points are written down", handmade(first, anchor(65, 65)), "outage.per_percent=24s; outage.recent.at=1h0m0s; outage.recent.charge=60"},
		{"the gauge's step is kept in mind", handmade(first, anchor(61, 61), grain(0)), "outage.grain=1"},
		{"the least of them", handmade(first, anchor(61, 61), grain(1.1)), "outage.grain=1"},
		{"not a greater one", handmade(first, anchor(61, 61), grain(0.9)), ""},
		{"not when the outlets are off", handmade(anchor(63, 63), grain(0), cut(0)), ""},
		{"but until then", handmade(first, anchor(63, 63), cut(1)), "outage.per_percent=40s"},
		{"not on mains", handmade(first, onMains(0)), ""},
		{"not without a charge", handmade(first, func(c *core) { c.s.Seen.UPS.Charge = nil }), ""},
		{"not without an outage", handmade(func(c *core) { c.s.Outage = nil }), ""},
		{"a time to empty that does not move is kept in mind", handmade(outage(func(o *Outage) { o.First = &Anchor{At: 50 * time.Minute, Charge: 60, Runtime: new(2 * time.Hour)} }), anchor(61, 61),
			func(c *core) { c.s.Seen.UPS.Runtime = new(2 * time.Hour) }), "battery.stuck=2h0m0s"},
	})
	hold(t, func(c *core) { c.slope(new(60.0)) }, []rule{{"a charge that stands still is no fall", handmade(first), ""}})
	hold(t, func(c *core) { c.slope(nil) }, []rule{{"nor is the first there is", handmade(first), ""}})
}

func TestAFigureThatJumpsCountsWhenItIsToldTwice(t *testing.T) {
	// The last reading is half a minute old: the charge may have fallen by 16, and
	// the time to empty is due at ten minutes.
	at := func(c *core) {
		c.s.Seen.UPS.At, c.s.Seen.UPS.Runtime = c.s.Now-30*time.Second, new(10*time.Minute+30*time.Second)
	}
	doubt := func(charge float64, runtime time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.DoubtCharge, c.s.Seen.UPS.DoubtRuntime = &charge, &runtime }
	}
	const m, s = time.Minute, time.Second
	for _, row := range []struct {
		name          string
		core          *core
		power         Power
		charge        float64
		runtime       time.Duration
		takes         float64
		takesRuntime  time.Duration
		doubts, other bool
	}{
		{"as they are due", handmade(at), OnBattery, 59, 10 * m, 59, 10 * m, false, false},
		{"as far as a charge may fall", handmade(at), OnBattery, 44, 10 * m, 44, 10 * m, false, false},
		{"farther", handmade(at), OnBattery, 43.9, 10 * m, 60, 10 * m, true, false},
		{"farther, with power unknown", handmade(at), Unknown, 43.9, 10 * m, 60, 10 * m, true, false},
		{"upwards", handmade(at), OnBattery, 76.1, 10 * m, 60, 10 * m, true, false},
		{"twice", handmade(at, doubt(43, 0)), OnBattery, 43.9, 10 * m, 43.9, 10 * m, false, false},
		{"twice, but not the same", handmade(at, doubt(90, 0)), OnBattery, 43.9, 10 * m, 60, 10 * m, true, false},
		{"a time not quite halved", handmade(at), OnBattery, 60, 4 * m, 60, 4 * m, false, false},
		{"a time that is", handmade(at), OnBattery, 60, 4*m - 1, 60, 10 * m, false, true},
		{"a time not quite doubled", handmade(at), OnBattery, 60, 22 * m, 60, 22 * m, false, false},
		{"a time that is", handmade(at), OnBattery, 60, 22*m + 1, 60, 10 * m, false, true},
		{"a time told twice, by the clock", handmade(at, doubt(0, 150*s)), OnBattery, 60, 2 * m, 60, 2 * m, false, false},
		{"a time told twice, but not the same", handmade(at, doubt(0, 62*m+32*s)), OnBattery, 60, 2 * m, 60, 10 * m, false, true},
		{"and exactly so", handmade(at, doubt(0, 49*m+30*s)), OnBattery, 60, 23*m + 30*s, 60, 23*m + 30*s, false, false},
		{"but not a second less", handmade(at, doubt(0, 49*m+34*s)), OnBattery, 60, 23*m + 30*s, 60, 10 * m, false, true},
		{"with mains back anything goes", handmade(at), OnMains, 10, time.Hour, 10, time.Hour, false, false},
		{"or with mains there before", handmade(at, onMains(m)), OnBattery, 10, time.Hour, 10, time.Hour, false, false},
		{"or without an outage", handmade(at, func(c *core) { c.s.Outage = nil }), OnBattery, 10, time.Hour, 10, time.Hour, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := row.core.believed(Reading{Power: row.power, Charge: &row.charge, Runtime: &row.runtime})
			if *got.Charge != row.takes || *got.Runtime != row.takesRuntime {
				t.Errorf("it takes %g %% and %s, want %g %% and %s", *got.Charge, *got.Runtime, row.takes, row.takesRuntime)
			}
			if u := row.core.s.Seen.UPS; (u.DoubtCharge != nil) != row.doubts || (u.DoubtRuntime != nil) != row.other {
				t.Errorf("it doubts %v and %v", u.DoubtCharge, u.DoubtRuntime)
			}
		})
	}
	c := handmade(at)
	if got := c.believed(Reading{Power: OnBattery}); got.Charge != nil || got.Runtime != nil {
		t.Errorf("what is not told becomes %v and %v", got.Charge, got.Runtime)
	}
	none := handmade(at, func(c *core) { c.s.Seen.UPS.Charge, c.s.Seen.UPS.Runtime = nil, nil })
	if got := none.believed(Reading{Power: OnBattery, Charge: new(5.0), Runtime: new(m)}); *got.Charge != 5 || *got.Runtime != m {
		t.Errorf("a first figure of 5 %% and 1 min becomes %g %% and %s", *got.Charge, *got.Runtime)
	}
}

package policy

import (
	"math"
	"testing"
	"time"
)

func TestABatteryIsTakenToBeEmptyWhereItWasSeenToBe(t *testing.T) {
	told := func(c *core) { c.s.Seen.UPS.Runtime, c.s.Seen.UPS.Load = new(40*time.Minute), new(4.0) }
	assumed := func(percent float64) func(*core) { return func(c *core) { c.r.AssumedEmpty = percent } }
	lowest := func(percent float64, ago time.Duration, ended bool) func(*core) {
		return func(c *core) { c.s.Battery = Battery{Lowest: &percent, LowestAt: c.s.Now - ago, Ended: ended} }
	}
	for _, row := range []struct {
		name string
		core *core
		want float64
	}{
		{"not known", handmade(assumed(50)), 50},
		{"by a credible time to empty", handmade(assumed(50), told), 20},
		{"or what was configured", handmade(assumed(10), told), 10},
		{"proven to go further, with a point to spare", handmade(assumed(50), lowest(30, 0, false)), 31},
		{"and five for a year", handmade(assumed(50), lowest(30, year, false)), 36},
		{"proven no further than assumed", handmade(assumed(50), lowest(60, 0, false)), 50},
		{"seen to end", handmade(assumed(50), lowest(60, 0, true)), 61},
		{"at the most when it is full", handmade(assumed(50), lowest(100, 0, true)), 100},
	} {
		if got := emptyAt(row.core.r, row.core.s); math.Abs(got-row.want) > 1e-9 {
			t.Errorf("%s: empty at %g %%, want %g %%", row.name, got, row.want)
		}
	}
}

func TestACutTellsWhatTheChargeIsToBe(t *testing.T) {
	dark := func(c *core) { doing(Dark, Stop, "")(c) }
	cut := func(in time.Duration) func(*core) { return outage(func(o *Outage) { o.CutAt = time.Hour + in }) }
	// Idle the four nodes draw 10.8 W: a percent lasts 44/30.8 as long as at work.
	seen := func(c *core) {
		c.s.Battery.Discharges = []Discharge{{Watts: 20.8, PerPercent: time.Minute, Points: 1e12, At: time.Hour}}
	}
	learns := func(c *core) {
		c.r.LearnEmpty, c.r.Budgets = true, Budgets{Drain: time.Second, Halt: time.Second, Park: time.Second, Boot: time.Second, Swarm: time.Second}
	}
	hold(t, func(c *core) { c.goesDark() }, []rule{
		{"by what was seen", handmade(dark, seen, cut(10*time.Minute)), "outage.end.dark=60; outage.end.expect=50; outage.end.for=10m0s"},
		{"as it is, where no cut is coming", handmade(dark, seen), "outage.end.dark=60; outage.end.expect=60"},
		{"or it is due", handmade(dark, seen, cut(0)), "outage.end.dark=60; outage.end.expect=60"},
		{"or nothing is known", handmade(dark, cut(10*time.Minute), outage(func(o *Outage) { o.PerPercent = 0 })), "outage.end.dark=60; outage.end.expect=60"},
		{"but not below what is to be learned", handmade(dark, seen, cut(2*time.Hour), learns, func(c *core) { c.s.Seen.UPS.Charge = new(20.0) }), "outage.end.dark=20; outage.end.expect=3; outage.end.for=2h0m0s"},
		{"never less than nothing", handmade(dark, seen, cut(2*time.Hour)), "outage.end.dark=60; outage.end.expect=0; outage.end.for=2h0m0s"},
		{"not on mains", handmade(dark, onMains(0), seen, cut(10*time.Minute)), ""},
		{"nor without a charge", handmade(dark, seen, cut(10*time.Minute), func(c *core) { c.s.Seen.UPS.Charge = nil }), ""},
	})
}

func TestTheFirstChargeAfterwardsTeaches(t *testing.T) {
	end := func(dark, expect float64, lasted time.Duration) func(*core) {
		return outage(func(o *Outage) { o.End = &End{Dark: dark, Expect: expect, For: lasted} })
	}
	short := func(lowest float64) func(*core) {
		return func(c *core) { c.s.Battery.Lowest, c.s.Battery.LowestAt, c.s.Battery.Short = &lowest, c.s.Now, true }
	}
	const gone = "; outage.end.dark gone; outage.end.expect gone"
	const all = gone + "; outage.end.for gone"
	up := func(charge float64) func(*core) { return func(c *core) { c.cameUp(charge) } }
	hold(t, up(12), []rule{
		{"it fell as expected", handmade(end(40, 10, 28*time.Minute)), "battery.lowest=12; battery.lowest_at=1h0m0s" + all},
		{"it fell by half of that", handmade(end(40, -16, 28*time.Minute)), "battery.lowest=12; battery.lowest_at=1h0m0s" + all},
		{"it fell by less: the battery may have ended, or mains came back", handmade(end(40, -17, 28*time.Minute)), "battery.lowest=12; battery.lowest_at=1h0m0s; battery.short=true" + all},
		{"as it did before, there: it has ended", handmade(end(40, -17, 28*time.Minute), short(13)), "battery.ended=true; battery.lowest=12" + all + "; tell warning health"},
		{"as it did before, elsewhere", handmade(end(40, -17, 28*time.Minute), short(14.1)), "battery.lowest=12" + all},
		{"a fall that was expected to be small says nothing of its end", handmade(end(14, 11.1, 10*time.Minute), short(30)), "battery.lowest=12" + all},
		{"nor of its not having ended", handmade(end(14, 11, 10*time.Minute), short(30)), "battery.lowest=12; battery.short gone" + all},
		{"nor does one without a cut", handmade(end(40, 40, 0)), "battery.lowest=12; battery.lowest_at=1h0m0s" + gone},
	})
	hold(t, up(1), []rule{
		{"nearly nothing without a cut is proven to where it went dark", handmade(end(40, 40, 0)), "battery.lowest=40; battery.lowest_at=1h0m0s" + gone},
		{"nearly nothing that was not expected is the battery's end", handmade(end(40, 10, 28*time.Minute)), "battery.ended=true; battery.lowest=40; battery.lowest_at=1h0m0s" + all + "; tell warning health"},
		{"where it was, it was proven", handmade(end(40, 2, 39*time.Minute)), "battery.lowest=1; battery.lowest_at=1h0m0s" + all},
	})
	hold(t, up(2), []rule{
		{"two percent are not nothing", handmade(end(40, 10, 38*time.Minute)), "battery.lowest=2; battery.lowest_at=1h0m0s" + all},
	})
	hold(t, up(50), []rule{
		{"a battery that charged is proven to where it went dark", handmade(end(40, 40, 0)), "battery.lowest=40; battery.lowest_at=1h0m0s" + gone},
	})
}

func TestAnEndIsToldOnceForEachPlace(t *testing.T) {
	ended := func(at float64, so bool) func(*core) {
		return func(c *core) { c.s.Battery = Battery{Lowest: &at, LowestAt: c.s.Now, Ended: so} }
	}
	hold(t, func(c *core) { c.proven(40, true) }, []rule{
		{"the first", handmade(), "battery.ended=true; battery.lowest=40; battery.lowest_at=1h0m0s; tell warning health"},
		{"the same place again", handmade(ended(41, true)), "battery.lowest=40"},
		{"another place", handmade(ended(41.1, true)), "battery.lowest=40; tell warning health"},
		{"where it was only seen to go on", handmade(ended(40, false)), "battery.ended=true; tell warning health"},
	})
	hold(t, func(c *core) { c.proven(40, false) }, []rule{
		{"lower than it was proven", handmade(ended(40.1, true)), "battery.ended gone; battery.lowest=40"},
		{"not lower", handmade(ended(40, true)), ""},
	})
}

func TestAPercentLastsByWhatWasSeenCarriedOverToTheLoad(t *testing.T) {
	// At 34 W a percent lasted a minute in this outage.
	c := handmade(outage(func(o *Outage) { o.PerPercent, o.Watts = time.Minute, 34 }))
	for watts, want := range map[float64]float64{34: 60, 12: 120, 78: 30} { // as (34+10)/(watts+10)
		if got := c.percentAt(watts).Seconds(); math.Abs(got-want) > 1e-6 {
			t.Errorf("at %g W a percent lasts %g s, want %g s", watts, got, want)
		}
	}
	for name, spoil := range map[string]func(o *Outage){"no slope": func(o *Outage) { o.PerPercent = 0 }, "an unknown load": func(o *Outage) { o.Watts = 0 }} {
		c := handmade(outage(func(o *Outage) { o.PerPercent, o.Watts = time.Minute, 34 }), outage(spoil), func(c *core) {
			c.s.Battery.Discharges = []Discharge{{Watts: 20, PerPercent: 90 * time.Second, Points: 1e12, At: c.s.Now}}
		})
		if got := c.percentAt(20).Round(time.Millisecond); got != 90*time.Second {
			t.Errorf("%s: at 20 W a percent lasts %s, want what earlier discharges say", name, got)
		}
	}
}

func TestTheCutWaitsToProveTheBattery(t *testing.T) {
	charge := func(percent float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &percent } }
	lowest := func(percent float64, ago time.Duration, ended bool) func(*core) {
		return func(c *core) {
			c.s.Battery.Lowest, c.s.Battery.LowestAt, c.s.Battery.Ended = &percent, c.s.Now-ago, ended
		}
	}
	learns := func(c *core) { // and starts and stops take next to nothing
		c.r.LearnEmpty, c.r.Budgets = true, Budgets{Drain: time.Second, Halt: time.Second, Park: time.Second, Boot: time.Second, Swarm: time.Second}
		c.s.Battery.Discharges = []Discharge{{Watts: 20.8, PerPercent: time.Minute, Points: 1e12, At: time.Hour}}
	}
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"down to three percent, for half as long again as the tables say", handmade(learns, charge(20)), 17 * time.Minute * 3 / 2},
		{"not where there is more left than at a last moment", handmade(learns, charge(20.1)), 0},
		{"not where nothing is left", handmade(learns, charge(3)), 0},
		{"not where it was not asked for", handmade(learns, charge(20), func(c *core) { c.r.LearnEmpty = false }), 0},
		{"not where the UPS did not take it", handmade(learns, charge(20), outage(func(o *Outage) { o.NoLearning = true })), 0},
		{"not with mains back", handmade(learns, charge(20), onMains(0)), 0},
		{"not without a charge", handmade(learns, func(c *core) { c.s.Seen.UPS.Charge = nil }), 0},
		{"not where it was proven already", handmade(learns, charge(20), lowest(3.9, 0, false)), 0},
		{"but where that was not as far", handmade(learns, charge(20), lowest(4.1, 0, false)), 17 * time.Minute * 3 / 2},
		{"not where its end is known", handmade(learns, charge(50), lowest(40, 0, true)), 0},
		{"nor a little later", handmade(learns, charge(20), lowest(1, year/5-time.Hour, false)), 0},
		{"but when that is long ago", handmade(learns, charge(20), lowest(1, year/5, false)), 17 * time.Minute * 3 / 2},
		{"and not longer than a node parks", handmade(learns, charge(20), func(c *core) { c.r.ParkLongest = time.Minute }), time.Minute},
	} {
		if got := row.core.learning(); max(got-row.want, row.want-got) > time.Millisecond {
			t.Errorf("%s: it waits %s, want %s", row.name, got, row.want)
		}
	}
	c := handmade(runs("node02", Halted), runs("node03", Parked))
	if got := c.darkWatts(); math.Abs(got-18.1) > 1e-9 {
		t.Errorf("in the dark %g W are fed, want 18.1 W", got)
	}
}

func TestADischargeIsKeptWhereItIsLongEnough(t *testing.T) {
	from := func(charge float64) func(*core) {
		return outage(func(o *Outage) {
			o.Anchor, o.Recent, o.Watts = &Anchor{At: 50 * time.Minute, Charge: charge}, &Anchor{At: 55 * time.Minute, Charge: charge}, 34
		})
	}
	const anew = "outage.anchor.at gone; outage.anchor.charge gone; outage.recent.at gone; outage.recent.charge gone"
	hold(t, func(c *core) { c.keepDischarge() }, []rule{
		{"over ten points", handmade(from(70)), "battery.discharges.0.at=1h0m0s; battery.discharges.0.per_percent=1m0s; battery.discharges.0.points=10; battery.discharges.0.watts=34; " + anew},
		{"not over fewer", handmade(from(69.9)), anew},
		{"not on mains", handmade(from(70), onMains(0)), anew},
		{"not without a charge", handmade(from(70), func(c *core) { c.s.Seen.UPS.Charge = nil }), anew},
		{"not where nothing was measured", handmade(), ""},
	})
}

func TestManyDischargesAtOneLoadMakeRoomForEachOther(t *testing.T) {
	c := handmade()
	c.keep(Discharge{Watts: 12, Points: 1})
	for i := range keepDischarges + 2 {
		c.keep(Discharge{Watts: 34, Points: float64(10 + i)})
	}
	d := c.s.Battery.Discharges
	if len(d) != keepDischarges || d[0].Watts != 12 || d[1].Points != 13 || d[len(d)-1].Points != keepDischarges+11 {
		t.Errorf("kept: %+v, want the one at 12 W, and the newest of the others", d)
	}
	for _, row := range []struct {
		a, b float64
		want bool
	}{{10, 10, true}, {10, 12.9, true}, {12.9, 10, true}, {10, 13, false}, {13, 10, false}} {
		if got := near(row.a, row.b); got != row.want {
			t.Errorf("%g and %g W are near: %t", row.a, row.b, got)
		}
	}
}

func TestTheBatteryIsProvenDownToWhatIsStillWorthHaving(t *testing.T) {
	// By the last minute a percent lasts a minute at any load: Watts is not known,
	// and the discharges say so.
	minute := func(c *core) {
		c.s.Battery.Discharges = []Discharge{{Watts: 34, PerPercent: time.Minute, Points: 1e12, At: c.s.Now}, {Watts: 20.8, PerPercent: time.Minute, Points: 1e12, At: c.s.Now}}
	}
	quick := func(c *core) {
		c.r.Budgets = Budgets{Drain: time.Second, Halt: time.Second, Park: time.Second, Boot: time.Second, Swarm: time.Second}
	}
	for _, row := range []struct {
		name string
		core *core
		want float64
	}{
		{"three percent", handmade(minute, quick), 3},
		{"the gauge's last step", handmade(minute, quick, outage(func(o *Outage) { o.Grain = 5 })), 5},
		{"what a slow cut still takes, above nothing", handmade(minute, quick, func(c *core) { c.r.UPS.DelayStep = 4 * time.Minute }), 6},
		{"what one more start and stop take", handmade(minute, func(c *core) {
			c.r.Budgets = Budgets{Drain: 60 * time.Second, Halt: 60 * time.Second, Park: 60 * time.Second, Boot: 120 * time.Second, Swarm: 60 * time.Second}
		}), 6},
		{"three percent where nothing is known", handmade(outage(func(o *Outage) { o.PerPercent = 0 })), 3},
	} {
		if got := row.core.learnTo(); math.Abs(got-row.want) > 0.02 {
			t.Errorf("%s: down to %g %%, want %g %%", row.name, got, row.want)
		}
	}
}

func TestAPercentLastsAsItDidAtSuchALoad(t *testing.T) {
	at := func(watts float64, per time.Duration) Discharge {
		return Discharge{Watts: watts, PerPercent: per, Points: 1e12, At: time.Hour}
	}
	const m = time.Minute
	for _, row := range []struct {
		name  string
		all   []Discharge
		watts float64
		want  time.Duration
	}{
		{"nothing is known", nil, 34, 0},
		{"the same load", []Discharge{at(34, m)}, 34, m},
		{"a heavier one is shorter by Peukert", []Discharge{at(34, m)}, 69, time.Duration(math.Pow(0.5, 1.2) * float64(m))},
		{"a lighter one is longer by less", []Discharge{at(40, m)}, 10, 2 * m},
		{"the most careful of three that are near", []Discharge{at(34, m), at(34, 50*time.Second), at(34, 70*time.Second)}, 34, 50 * time.Second},
		{"of more, the newer ones", []Discharge{at(34, 50*time.Second), at(34, m), at(34, 70*time.Second), at(34, 80*time.Second)}, 34, m},
		{"one that is far does not count beside one that is near", []Discharge{at(34, m), at(100, 10*time.Second)}, 34, m},
		{"up to a sixth more it is near", []Discharge{at(34, m), at(39.2, 10*time.Second)}, 34, 10963 * time.Millisecond},
		{"not beyond", []Discharge{at(34, m), at(39.3, 10*time.Second)}, 34, m},
		{"up to a sixth less, too", []Discharge{at(34, m), at(29.5, 10*time.Second)}, 34, time.Duration(math.Pow(30.5/35, 1.2) * 10 * float64(time.Second))},
		{"nor beyond that", []Discharge{at(34, m), at(29.4, 10*time.Second)}, 34, m},
		{"whatever their order", []Discharge{at(100, 10*time.Second), at(34, m)}, 34, m},
		{"few points are worth less", []Discharge{{Watts: 34, PerPercent: m, Points: 15}}, 34, 54 * time.Second},
		{"as are old ones", []Discharge{{Watts: 34, PerPercent: m, Points: 1e12, At: -3*year + time.Hour}}, 34, 42 * time.Second},
		{"half at the least", []Discharge{{Watts: 34, PerPercent: m, Points: 1e12, At: -9 * year}}, 34, 30 * time.Second},
	} {
		if got := learned(Battery{Discharges: row.all}, row.watts, time.Hour); max(got-row.want, row.want-got) > time.Millisecond {
			t.Errorf("%s: a percent lasts %s, want %s", row.name, got, row.want)
		}
	}
}

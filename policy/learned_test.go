package policy

import (
	"fmt"
	"math"
	"strings"
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
	hold(t, func(c *core) { c.goesDark() }, []rule{
		{"by what was seen", handmade(dark, seen, cut(10*time.Minute)), "outage.end.dark=60; outage.end.expect=50; outage.end.for=10m0s"},
		{"by what fell in this outage", handmade(dark, seen, cut(10*time.Minute), outage(func(o *Outage) { o.Watts = 34 })), "outage.end.dark=60; outage.end.expect=53; outage.end.for=10m0s"},
		{"as it is, where no cut is coming", handmade(dark, seen), "outage.end.dark=60; outage.end.expect=60"},
		{"or it is due", handmade(dark, seen, cut(0)), "outage.end.dark=60; outage.end.expect=60"},
		{"or nothing is known", handmade(dark, cut(10*time.Minute), outage(func(o *Outage) { o.PerPercent = 0 })), "outage.end.dark=60; outage.end.expect=60"},
		{"never less than nothing", handmade(dark, seen, cut(2*time.Hour)), "outage.end.dark=60; outage.end.expect=0; outage.end.for=2h0m0s"},
		{"not below where a cut that waits for the battery is brought forward", handmade(dark, learns, cut(24*time.Minute)), "outage.end.dark=20; outage.end.expect=4; outage.end.for=24m0s"},
		{"which says nothing of one that comes before", handmade(dark, learns, cut(10*time.Minute)), "outage.end.dark=20; outage.end.expect=10; outage.end.for=10m0s"},
		{"nor of one that waits for nothing", handmade(dark, learns, cut(24*time.Minute), func(c *core) { c.r.LearnEmpty = false }), "outage.end.dark=20; outage.end.expect=0; outage.end.for=24m0s"},
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
		{"a little above, too", handmade(end(40, -17, 28*time.Minute), short(11)), "battery.ended=true; battery.lowest=12" + all + "; tell warning health"},
		{"but not far above: there it went on", handmade(end(40, -17, 28*time.Minute), short(10.9)), strings.TrimPrefix(all, "; ")},
		{"three points are enough to be missed", handmade(end(13, 10, 10*time.Minute)), "battery.lowest=12; battery.lowest_at=1h0m0s; battery.short=true" + all},
		{"fewer are not", handmade(end(13, 10.1, 10*time.Minute)), "battery.lowest=12; battery.lowest_at=1h0m0s" + all},
		{"a fall that was expected to be small says nothing of its end", handmade(end(14, 11.1, 10*time.Minute), short(30)), "battery.lowest=12" + all},
		{"nor of its not having ended", handmade(end(14, 11, 10*time.Minute), short(30)), "battery.lowest=12; battery.short gone" + all},
		{"what went dark without a cut is proven to where it is", handmade(end(40, 40, 0)), "battery.lowest=12; battery.lowest_at=1h0m0s" + gone},
	})
	hold(t, up(1), []rule{
		{"nearly nothing without a cut is proven to where it went dark", handmade(end(40, 40, 0)), "battery.lowest=40; battery.lowest_at=1h0m0s" + gone + ""},
		{"nearly nothing that was not expected is the battery's end", handmade(end(40, 10, 28*time.Minute)), "battery.ended=true; battery.lowest=40; battery.lowest_at=1h0m0s" + all + "; tell warning health"},
		{"a little more than two percent are not nothing, where they are expected", handmade(end(40, 2.1, 39*time.Minute)), "battery.ended=true; battery.lowest=40; battery.lowest_at=1h0m0s" + all + "; tell warning health"},
		{"where it was, it was proven", handmade(end(40, 2, 39*time.Minute)), "battery.lowest=1; battery.lowest_at=1h0m0s" + all},
	})
	hold(t, up(2), []rule{
		{"two percent are not nothing", handmade(end(40, 10, 38*time.Minute)), "battery.lowest=2; battery.lowest_at=1h0m0s" + all},
	})
	hold(t, up(50), []rule{
		{"a battery that charged fell by less than nothing", handmade(end(40, 10, 28*time.Minute)), "battery.lowest=40; battery.lowest_at=1h0m0s; battery.short=true" + all},
		{"a battery that charged is proven to where it went dark", handmade(end(40, 40, 0)), "battery.lowest=40; battery.lowest_at=1h0m0s" + gone + ""},
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

func TestAPercentIsKnownAtAnyLoad(t *testing.T) {
	slope := outage(func(o *Outage) { o.Watts = 34 })
	seen := func(c *core) {
		c.s.Battery.Discharges = []Discharge{{Watts: 34, PerPercent: 30 * time.Second, Points: 1e12, At: time.Hour}}
	}
	for _, row := range []struct {
		name  string
		core  *core
		watts float64
		want  time.Duration
	}{
		{"as it fell in this outage", handmade(slope, seen), 34, time.Minute},
		{"longer at a lighter load, by the loads with the inverter", handmade(slope, seen), 12, 2 * time.Minute},
		{"and shorter at a heavier one", handmade(slope, seen), 78, 30 * time.Second},
		{"as it did before, where this outage has measured nothing", handmade(slope, seen, outage(func(o *Outage) { o.PerPercent = 0 })), 34, 30 * time.Second},
		{"or nobody knows at which load", handmade(seen), 34, 30 * time.Second},
		{"by no more than that it is not known", handmade(), 34, 0},
	} {
		if got := row.core.percentAt(row.watts); max(got-row.want, row.want-got) > time.Millisecond {
			t.Errorf("%s: a percent lasts %s, want %s", row.name, got, row.want)
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
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"for half as long again as it should take", handmade(learns), 24 * time.Minute},
		{"not where nobody knows how long that is", handmade(learns, func(c *core) { c.s.Battery.Discharges = nil }), 0},
		{"not where there is more left than at a last moment", handmade(learns, charge(20.1)), 0},
		{"not where it is there", handmade(learns, charge(4)), 0},
		{"but just before", handmade(learns, charge(4.1)), 9 * time.Second},
		{"not where it was not asked for", handmade(learns, func(c *core) { c.r.LearnEmpty = false }), 0},
		{"not where the UPS did not take it", handmade(learns, outage(func(o *Outage) { o.NoLearning = true })), 0},
		{"not with mains back", handmade(learns, onMains(0)), 0},
		{"not without a charge", handmade(learns, func(c *core) { c.s.Seen.UPS.Charge = nil }), 0},
		{"not where it was proven already", handmade(learns, lowest(4.99, 0, false)), 0},
		{"but where that was not as far", handmade(learns, lowest(5.01, 0, false)), 24 * time.Minute},
		{"not where its end is known", handmade(learns, charge(50), lowest(40, 0, true)), 0},
		{"but where that is long ago", handmade(learns, charge(50), lowest(40, year/5, true)), 69 * time.Minute},
		{"not where it is a point older", handmade(learns, lowest(1, year/5-time.Hour, false)), 0},
		{"but then", handmade(learns, lowest(1, year/5, false)), 24 * time.Minute},
		{"and not longer than a node parks", handmade(learns, func(c *core) { c.r.ParkLongest = time.Minute }), time.Minute},
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

// lasted is how long a percent lasted before, at 34 W with all nodes at work and at
// 20.8 W with all of them idle.
func lasted(busy, idle time.Duration) func(*core) {
	return func(c *core) {
		c.s.Battery.Discharges = []Discharge{
			{Watts: 34, PerPercent: busy, Points: 1e12, At: c.s.Now}, {Watts: 20.8, PerPercent: idle, Points: 1e12, At: c.s.Now}}
	}
}

// learns is a battery at 20 % that is to be proven down to 4 %: of them the least
// delay of a cut, 2 min, takes 2, and nothing less than 2 says anything.
func learns(c *core) {
	c.r.LearnEmpty, c.s.Seen.UPS.Charge = true, new(20.0)
	lasted(400*time.Second, time.Minute)(c)
}

func TestTheBatteryIsProvenDownToWhereItStillSaysSomething(t *testing.T) {
	// One boot and one stop of all nodes are 2 min and 4 min 40 s.
	off := func(c *core) {
		for _, n := range []string{"node02", "node03", "node04"} {
			runs(n, Halted)(c)
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want float64
	}{
		{"three percent", handmade(lasted(400*time.Second, time.Hour)), 3},
		{"also where nothing is known", handmade(), 3},
		{"what one more start and stop take", handmade(lasted(100*time.Second, time.Hour)), 4},
		{"of all nodes, whichever are off now", handmade(lasted(100*time.Second, time.Hour), off), 4},
		{"as fast as it fell in this outage", handmade(outage(func(o *Outage) { o.Watts = 34 })), 20. / 3},
		{"the gauge's step", handmade(lasted(100*time.Second, time.Hour), outage(func(o *Outage) { o.Grain = 5 })), 5},
		{"where that is greater", handmade(lasted(100*time.Second, time.Hour), outage(func(o *Outage) { o.Grain = 3 })), 4},
		{"what a cut takes that is armed there, above nothing", handmade(lasted(400*time.Second, time.Minute)), 4},
		{"which is less with the host parked", handmade(lasted(400*time.Second, 30*time.Second), runs("node01", Parked)), 4},
	} {
		if got := row.core.learnTo(); math.Abs(got-row.want) > 1e-6 {
			t.Errorf("%s: it is proven down to %g %%, want %g %%", row.name, got, row.want)
		}
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
		{"not when the outlets are off", handmade(from(70), outage(func(o *Outage) { o.CutAt = time.Hour })), anew},
		{"but just before", handmade(from(70), outage(func(o *Outage) { o.CutAt = time.Hour + 1 })), "battery.discharges.0.at=1h0m0s; battery.discharges.0.per_percent=1m0s; battery.discharges.0.points=10; battery.discharges.0.watts=34; " + anew},
	})
}

func TestOfManyDischargesThoseAtASeldomLoadAreKept(t *testing.T) {
	kept := func(watts ...float64) string {
		c := handmade()
		for i, w := range watts {
			c.keep(Discharge{Watts: w, At: time.Duration(i)})
		}
		var all []string
		for _, d := range c.s.Battery.Discharges {
			all = append(all, fmt.Sprintf("%d:%g", d.At, d.Watts))
		}
		return strings.Join(all, " ")
	}
	for _, row := range []struct {
		name  string
		watts []float64
		want  string
	}{
		{"as many as there is room for", []float64{10, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34}, "0:10 1:34 2:34 3:34 4:34 5:34 6:34 7:34 8:34 9:34 10:34 11:34"},
		{"then the oldest at the load that is the most often goes", []float64{10, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34}, "0:10 2:34 3:34 4:34 5:34 6:34 7:34 8:34 9:34 10:34 11:34 12:34"},
		{"whichever load is new", []float64{34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 10}, "1:34 2:34 3:34 4:34 5:34 6:34 7:34 8:34 9:34 10:34 11:34 12:10"},
		{"and the oldest of all where each is as seldom", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}, "1:2 2:4 3:8 4:16 5:32 6:64 7:128 8:256 9:512 10:1024 11:2048 12:4096"},
		{"by one more", []float64{10, 10, 10, 10, 10, 10, 34, 34, 34, 34, 34, 34, 34}, "0:10 1:10 2:10 3:10 4:10 5:10 7:34 8:34 9:34 10:34 11:34 12:34"},
	} {
		if got := kept(row.watts...); got != row.want {
			t.Errorf("%s: %s are kept, want %s", row.name, got, row.want)
		}
	}
	for _, row := range []struct {
		a, b float64
		want bool
	}{{10, 10, true}, {12.9, 10, true}, {13, 10, false}, {10, 12.9, true}, {10, 13, false}} {
		if got := near(row.a, row.b); got != row.want {
			t.Errorf("%g W and %g W are alike: %v", row.a, row.b, got)
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

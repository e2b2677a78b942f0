package policy

import (
	"math"
	"testing"
	"time"
)

func TestHowLongOutagesLast(t *testing.T) {
	two := 2 * time.Hour
	for _, row := range []struct {
		name   string
		own    []time.Duration
		median time.Duration
	}{
		{"half an hour, before any history", nil, 30 * time.Minute},
		{"the geometric mean of that, five times, and of this site's own", []time.Duration{two, two, two, two, two}, time.Hour},
		{"no outage is shorter than a second", []time.Duration{0, 0, 0, 0, 0}, time.Duration(math.Sqrt(1800) * float64(time.Second))},
	} {
		scale := outages(row.own)
		if got := lasts(scale, 0, row.median); math.Abs(got-0.5) > 1e-6 {
			t.Errorf("%s: %.3f of the outages last for more than %s, want half of them", row.name, got, row.median)
		}
	}
	for _, row := range []struct {
		sofar, more time.Duration
		want        float64
	}{{0, 0, 1}, {0, time.Hour, math.Pow(0.5, 1.5)}, {time.Hour, 2 * time.Hour, math.Pow(0.5, 1.5)}, {time.Hour, time.Hour, math.Pow(2./3, 1.5)}} {
		if got := lasts(time.Hour, row.sofar, row.more); math.Abs(got-row.want) > 1e-9 {
			t.Errorf("after %s it lasts %s more by a chance of %g, want %g", row.sofar, row.more, got, row.want)
		}
	}
}

// TestServiceIsTheChanceOfEachMomentAddedUp compares the formula with the sum.
func TestServiceIsTheChanceOfEachMomentAddedUp(t *testing.T) {
	for _, row := range []struct{ scale, sofar, left, longer time.Duration }{
		{time.Hour, 0, 0, time.Hour}, {time.Hour, 20 * time.Minute, 10 * time.Minute, time.Hour}, {10 * time.Minute, time.Hour, 30 * time.Minute, 40 * time.Minute}} {
		sum := 0.0
		for at := row.left; at < row.longer; at += time.Second {
			sum += lasts(row.scale, row.sofar, at+time.Second/2)
		}
		if got := service(row.scale, row.sofar, row.left, row.longer).Seconds(); math.Abs(got-sum) > 0.01 {
			t.Errorf("%+v: %g s of service, summed up %g s", row, got, sum)
		}
	}
}

func TestWhatSheddingWouldBring(t *testing.T) {
	off := func(c *core) { c.r.Nodes[3].Wake = "gpio" }
	st := handmade(off, func(c *core) { c.r.Disturbance = time.Minute }).stretch()
	// node04 goes off and saves 6 W, node02 is left idle and saves 3.3 W of 34 W.
	left := time.Hour - 280*time.Second - 2*time.Minute
	longer := time.Duration(float64(left) * 44 / (44 - 9.3))
	if len(st.nodes) != 2 || math.Abs(st.saved-9.3) > 1e-9 || st.left != left || math.Abs((st.longer-longer).Seconds()) > 1e-3 || st.cost != 2*time.Minute {
		t.Errorf("it is %+v, want %s that become %s", st, left, longer)
	}
	if want := service(outages(nil), 10*time.Minute, st.left, st.longer); st.gain != want {
		t.Errorf("it gains %s, want %s", st.gain, want)
	}
	for name, c := range map[string]*core{
		"nothing to shed": handmade(func(c *core) { c.r.SwarmNeed = 4 }),
		"nothing left":    handmade(func(c *core) { c.s.Seen.UPS.Charge = new(6.0) }),
		"nothing saved": handmade(func(c *core) {
			for _, n := range c.r.Nodes {
				c.s.Seen.Nodes[n.Name] = Node{Connected: true, Drawn: &Drawn{Watts: 1, At: c.s.Now}}
			}
		}),
	} {
		if st := c.stretch(); st.left != 0 || st.longer != 0 || st.gain != 0 {
			t.Errorf("with %s it is %+v", name, st)
		}
	}
}

func TestSheddingIsDueWhenItIsWorthItsDisturbance(t *testing.T) {
	one := []NodeRules{{Name: "node04"}}
	const scale, sofar, in = time.Hour, 10 * time.Minute, 5 * time.Minute
	st := func(nodes []NodeRules, left, longer, cost time.Duration) stretch {
		return stretch{nodes: nodes, left: left, longer: longer, cost: cost}
	}
	// What it costs at most: what it gains, and what the waiting that it ends would
	// save. Of 65 minutes that would be 97.5, 60 are then left and would be 90.
	most := func(left, longer time.Duration) (gains, waits time.Duration) {
		ratio := float64(longer) / float64(left)
		return service(scale, sofar+in, left, longer), time.Duration((ratio - 1) * lasts(scale, sofar+in, longer) * float64(scale+sofar+in) / 1.5)
	}
	gains, waits := most(time.Hour, 90*time.Minute)
	if waits >= gains-2*time.Second {
		t.Fatalf("with an hour left waiting pays less long than it gains: %s, %s", waits, gains)
	}
	few, fewWait := most(10*time.Minute, time.Hour)
	if few >= fewWait-2*time.Second {
		t.Fatalf("with ten minutes left it gains less than waiting pays: %s, %s", few, fewWait)
	}
	for _, row := range []struct {
		name string
		st   stretch
		want bool
	}{
		{"waiting no longer pays", st(one, 65*time.Minute, 97*time.Minute+30*time.Second, waits-time.Second), true},
		{"waiting still pays, although it gains", st(one, 65*time.Minute, 97*time.Minute+30*time.Second, waits+time.Second), false},
		{"it gains enough", st(one, 15*time.Minute, 90*time.Minute, few-time.Second), true},
		{"it does not, although waiting does not pay", st(one, 15*time.Minute, 90*time.Minute, few+time.Second), false},
		{"there is nothing to shed", st(nil, time.Hour, time.Hour, 0), false},
		{"nothing is left by then", st(one, in, time.Hour, 0), false},
		{"what costs nothing is always worth it", st(one, time.Hour, time.Hour, 0), true},
		{"what brings nothing is not", st(one, time.Hour, time.Hour, 1), false},
	} {
		if got := row.st.due(scale, sofar, in); got != row.want {
			t.Errorf("%s: due is %v", row.name, got)
		}
	}
}

func TestTheStrategyShedsByItself(t *testing.T) {
	on := func(c *core) { c.r.Stretch, c.r.Disturbance = true, 0 }
	short := func(d time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-d, c.s.Now-d }
	}
	const shed = "outage.deadline=1h0m30s; outage.doing=shed; outage.doing_began=1h0m0s; outage.shed.0=node04; outage.shed.1=node02; outage.stage=-1; outage.stages.-1=begun; outage.step=snapshot; outage.step_began=1h0m0s; phase=shedding; tell warning stage; snapshot"
	hold(t, func(c *core) { c.stretches() }, []rule{
		{"when it is due", handmade(on), shed},
		{"not before", handmade(on, func(c *core) { c.r.Disturbance = time.Hour }), ""},
		{"not where it was not asked to", handmade(on, func(c *core) { c.r.Stretch = false }), ""},
		{"not after an abort", handmade(on, outage(func(o *Outage) { o.Aborted = true })), ""},
		{"not within the ride", handmade(on, short(30*time.Second-1)), ""},
		{"but after it", handmade(on, short(30*time.Second)), shed},
		{"once", handmade(on, outage(func(o *Outage) { o.Stages[ownStage] = begun })), ""},
	})
}

func TestTheStrategyWakesWhenItWillBeDue(t *testing.T) {
	// The stop is told already, so that it asks for nothing.
	on := func(c *core) {
		c.r.Stretch, c.r.Disturbance, c.s.Outage.Stages[1] = true, 90*time.Second, observed
		c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-time.Minute, c.s.Now-time.Minute
	}
	c := handmade(on)
	at, ok := Wake(c.r, c.s)
	in := at - c.s.Now
	if !ok || in <= 0 || in%stretchOften != 0 {
		t.Fatalf("it wakes in %s (%v)", in, ok)
	}
	st, scale := c.stretch(), outages(nil)
	if !st.due(scale, time.Minute, in) || st.due(scale, time.Minute, in-stretchOften) {
		t.Errorf("in %s it is not due, or it was before", in)
	}
	if early, _ := Step(c.r, c.s, Event{At: at - stretchOften, What: Tick{}}); early.Outage.Doing != Nothing {
		t.Errorf("it sheds before %s", in)
	}
	if s, _ := Step(c.r, c.s, Event{At: at, What: Tick{}}); s.Outage.Doing != Shed {
		t.Errorf("in %s it does not shed", in)
	}
	later := func(more time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-more, c.s.Now-more }
	}
	free := func(c *core) { c.r.Disturbance = 0 }
	for _, row := range []struct {
		name string
		core *core
		want time.Duration // 0 is never
	}{
		{"at the end of the ride", handmade(on, free, later(10*time.Second)), 20 * time.Second},
		{"what is due now needs no waking", handmade(on, free), 0},
		{"not where it never will be", handmade(on, func(c *core) { c.r.Disturbance = time.Hour }), 0},
		{"not where it was not asked to", handmade(on, func(c *core) { c.r.Stretch = false }), 0},
		{"not after an abort", handmade(on, outage(func(o *Outage) { o.Aborted = true })), 0},
		{"not while a stage sheds", handmade(on, outage(func(o *Outage) { o.Doing = Shed })), 0},
		{"not a second time", handmade(on, outage(func(o *Outage) { o.Stages[ownStage] = begun })), 0},
		{"not where nothing is left", handmade(on, func(c *core) { c.s.Seen.UPS.Charge = new(6.0) }), 0},
	} {
		at, ok := Wake(row.core.r, row.core.s)
		if ok != (row.want > 0) || ok && at-row.core.s.Now != row.want {
			t.Errorf("%s: it wakes in %s (%v), want %s", row.name, at-row.core.s.Now, ok, row.want)
		}
	}
}

func TestTheLengthOfAnOutageIsKept(t *testing.T) {
	spent := func(d time.Duration) func(*core) {
		return func(c *core) { onMains(time.Hour)(c); c.s.Outage.Battery = d }
	}
	hold(t, func(c *core) { c.lasted(c.s.Outage) }, []rule{
		{"as it was", handmade(spent(10 * time.Minute)), "lengths.0=10m0s"},
		{"one that ended in the dark was longer", handmade(spent(10*time.Minute), outage(func(o *Outage) { o.Cut = true })), "lengths.0=16m0s"},
		{"one that did not outlast the ride is none", handmade(spent(30*time.Second - 1)), ""},
		{"one that did is", handmade(spent(30 * time.Second)), "lengths.0=30s"},
	})
	c := handmade(spent(time.Hour))
	for range 60 {
		c.lasted(c.s.Outage)
	}
	if len(c.s.Lengths) != keepLengths {
		t.Errorf("%d lengths are kept", len(c.s.Lengths))
	}
}

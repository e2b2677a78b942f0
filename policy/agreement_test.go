package policy

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWakeAndStepAgree holds, in random outages with random faults, that no tick
// before Wake's time does anything, and that ticks at Wake's times soon do.
func TestWakeAndStepAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := randomRules(rt)
		r.Stretch = rapid.IntRange(0, 3).Draw(rt, "stretch") == 0
		w := newWorld(rt, r)
		w.lasts = seconds(rt, "battery lasts", 600, 7200)
		w.charge = float64(rapid.IntRange(40, 100).Draw(rt, "charge"))
		for _, kind := range []string{"await", "halt", "park", "cut", "snapshot", "change"} {
			if rapid.IntRange(0, 3).Draw(rt, kind+" is slow") == 0 {
				w.slow[kind] = seconds(rt, kind+" takes", 1, 100)
			}
			if rapid.IntRange(0, 4).Draw(rt, kind+" fails") == 0 {
				w.fail[kind] = rapid.IntRange(1, 30).Draw(rt, kind+" fails so often")
			}
		}
		at := time.Duration(0)
		for range rapid.IntRange(1, 4).Draw(rt, "turns") {
			for range 6 {
				at += seconds(rt, "then", 1, 600)
				w.run(at)
				agree(rt, w.rules, w.state)
			}
			w.turn(rt)
			agree(rt, w.rules, w.state)
		}
	})
}

// agree holds the two to each other from one state on, with nothing but ticks.
func agree(rt *rapid.T, r Rules, s State) {
	nothing := 0
	for range 20 {
		until, wakes := Wake(r, s)
		if !wakes {
			until = s.Now + 24*time.Hour
		}
		if until <= s.Now {
			rt.Fatalf("in %s at %s it wakes at %s", s.Phase, s.Now, until)
		}
		// A battery ages by milliseconds meanwhile; the strategy looks so often.
		margin := time.Second
		if r.Stretch {
			margin += stretchOften
		}
		for _, at := range []time.Duration{s.Now, s.Now + (until-s.Now)/2, until - margin} {
			if at < s.Now || until-at < margin {
				continue
			}
			if idle(r, s, at) {
				continue
			}
			tick, effects := Step(r, s, Event{At: at, What: Tick{}})
			rt.Fatalf("in %s at %s it wakes at %s (%v), but a tick at %s does %q:\n%s", s.Phase, s.Now, until, wakes, at, did(effects), cmp.Diff(s.Durable(), tick.Durable()))
		}
		if !wakes {
			return
		}
		// Some times are one of several things that are waited for.
		if nothing++; !idle(r, s, until) {
			nothing = 0
		}
		if nothing > 5 {
			rt.Fatalf("in %s at %s it wakes for nothing, again and again", s.Phase, s.Now)
		}
		s, _ = Step(r, s, Event{At: until, What: Tick{}})
	}
}

// idle is whether a tick changes nothing durable and wants nothing.
func idle(r Rules, s State, at time.Duration) bool {
	tick, effects := Step(r, s, Event{At: at, What: Tick{}})
	return len(effects) == 0 && reflect.DeepEqual(s.Durable(), tick.Durable())
}

// TestPlanAndExecutionAgree steps random racks along the prediction and compares
// what is done, and when, with the plan; then plays the same rack in a world that
// is faster, where no step comes later.
func TestPlanAndExecutionAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := randomRules(rt)
		r.Stretch = rapid.IntRange(0, 3).Draw(rt, "stretch") == 0
		w := newWorld(rt, r)
		w.flat = true
		w.lasts = seconds(rt, "battery lasts", 1800, 7200)
		w.charge = float64(rapid.IntRange(60, 100).Draw(rt, "charge"))
		w.run(2 * time.Minute)
		w.setMains(false)
		plan := Plan(r, w.state)
		obey(rt, r, w.state, plan)
		planned := map[string]time.Duration{}
		for _, i := range plan.Items {
			if _, ok := planned[i.What+" "+i.Node]; !ok {
				planned[i.What+" "+i.Node] = i.At
			}
		}
		for w.state.Phase != Dark && w.now < plan.Empty {
			w.run(w.now + time.Second)
		}
		// The world tells its charge each ten seconds.
		if dark, ok := planned["dark "]; !ok || w.now > dark+10*time.Second {
			rt.Fatalf("it is dark at %s (%s), by the plan at %s (%v)\n%s", w.now, w.state.Phase, dark, ok, w.log.String())
		}
		for name, m := range w.nodes {
			if m.dirty > 0 {
				rt.Errorf("%s was stopped dirty", name)
			}
		}
	})
}

// obey does what is predicted, and nothing else.
func obey(rt *rapid.T, r Rules, s State, plan Timeline) {
	done := Timeline{}
	for range 300 {
		if s.Phase == Dark && s.Outage.Step == "" {
			break
		}
		e, ok := Predict(r, s)
		if at, wake := Wake(r, s); wake && (!ok || at < e.At) {
			e, ok = Event{At: at, What: Tick{}}, true
		}
		if !ok {
			break
		}
		var effects []Effect
		s, effects = Step(r, s, e)
		done.add(e.At, Load(r, s).Watts, effects)
	}
	if d := cmp.Diff(plan.Items, done.Items); d != "" || s.Phase != Dark {
		rt.Fatalf("the execution ends in %s, and differs from the plan (-plan +done):\n%s", s.Phase, d)
	}
}

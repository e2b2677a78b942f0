package simulate

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lastwatt/config"
	"lastwatt/drivers/all"
	"lastwatt/sim"
	"lastwatt/simulate/yardstick"
)

func load(t testing.TB, path string) config.Scenario {
	t.Helper()
	s, err := config.LoadScenario(path, all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// with is the reference scenario with some text of it replaced, in pairs.
func with(t testing.TB, replace ...string) config.Scenario {
	t.Helper()
	data, err := os.ReadFile("../configs/scenarios/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("the reference has no %q", replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

// sound checks what must hold of every result.
func sound(t *testing.T, r Result) {
	t.Helper()
	if len(r.InvariantsBroken) > 0 || r.FalseActions > 0 || r.DirtyAvoidable > 0 {
		t.Errorf("broken: %v; %d false actions, %d stops that were dirty and need not have been", r.InvariantsBroken, r.FalseActions, r.DirtyAvoidable)
	}
	for _, o := range r.Outages {
		if o.Service > o.Duration+0.001 {
			t.Errorf("%s: %g s of service in %g s", o.ID, o.Service, o.Duration)
		}
	}
}

func TestALongOutageEndsCleanAndEverythingComesBack(t *testing.T) {
	r := Run(with(t), 1)
	sound(t, r)
	o := r.Outages[0]
	if len(r.Outages) != 1 || !o.Committed || !o.Cut || o.Margin == nil || o.Restored < 0 || o.Restored > 3600 {
		t.Fatalf("the outage went so: %+v", o)
	}
	for name, n := range o.Nodes {
		if n.CleanStops != 1 || n.DirtyStops != 0 || n.Off < 4500 || n.Off > 10800 {
			t.Errorf("%s: %+v, want one clean stop and off from the end of the battery, or its own halt, until mains was back", name, n)
		}
	}
}

func TestABlipTouchesNothing(t *testing.T) {
	r := Run(with(t, "off_for: 4h", "off_for: 20s"), 1)
	sound(t, r)
	if o := r.Outages[0]; o.Committed || o.Service != 20 || o.Possible != 20 || o.Nodes["node03"].CleanStops != 0 {
		t.Errorf("a blip went so: %+v", o)
	}
}

func TestWhatGoesWrongBreaksNothing(t *testing.T) {
	for _, fault := range []string{
		"{at: 20m, what: controller killed}", "{at: 20m, what: controller killed, for: 3h}", "{at: 1h, what: link cut, node: node03, for: 6h}",
		"{at: 5m, what: ups unplugged, for: 10h}", "{at: 30m, what: ups unplugged, for: 10m}", "{at: 1m, what: hangs in drain, node: node02, for: 9h}",
		"{at: 1m, what: hangs in halt, node: node04, for: 3h}", "{at: 1m, what: manager lost, node: node02, for: 3h}", "{at: 1m, what: false low battery, for: 5h}",
		"{at: 20m, what: agent killed, node: node03}", "{at: 20m, what: ups unplugged}", "{at: 73m, what: ups unplugged}",
		"{at: 4906s, what: link cut, node: node03, for: 3m}",
	} {
		t.Run(fault, func(t *testing.T) {
			r := Run(with(t, "config:", "faults:\n  - "+fault+"\nconfig:"), 1)
			switch {
			case strings.Contains(fault, "hangs in halt") && r.DirtyStops == 1:
				r.DirtyAvoidable = 0 // it never stops: whatever is done, it goes dirty
			case strings.Contains(fault, "at: 5m, what: ups unplugged") && r.DirtyStops == 4:
				r.DirtyAvoidable = 0 // nothing says that mains is away: nothing may be stopped for that
			}
			sound(t, r)
		})
	}
}

// The first outage is measured, so that the second stop begins with less time in
// hand; then something hangs.
func TestWhatHangsAfterTheFirstOutageCostsNobodyElse(t *testing.T) {
	for _, node := range []string{"node02", "node04"} {
		for _, what := range []string{"hangs in drain", "hangs in halt"} {
			s := with(t, "  - {at: 10m, off_for: 4h}", "  - {at: 10m, off_for: 4h}\n  - {at: 20h, off_for: 4h}",
				"config:", "faults:\n  - {at: 19h, what: "+what+", node: "+node+", for: 8h}\nconfig:")
			r := Run(s, 1)
			for name, n := range r.Outages[1].Nodes {
				if name != node && n.DirtyStops > 0 {
					t.Errorf("%s %s: %s went dirty", node, what, name)
				}
			}
			if first, second := r.Outages[0].Service, r.Outages[1].Service; second < first {
				t.Errorf("%s %s: %g s of service in the first outage, %g s in the second", node, what, first, second)
			}
			if len(r.InvariantsBroken) > 0 {
				t.Errorf("%v", r.InvariantsBroken)
			}
		}
	}
}

func TestMainsThatComesBackAtAnyMomentLeavesNoNodeDark(t *testing.T) {
	for minute := 1; minute < 130; minute += 3 {
		off := (time.Duration(minute)*time.Minute + 17*time.Second).String()
		sound(t, Run(with(t, "off_for: 4h", "off_for: "+off), 1))
	}
}

// The outlets cycle with mains, which then goes again: a rack that starts on a battery
// that is all but empty, every 6 minutes, is taken by its end.
func TestNodesThatStartInVainDoNotStartOnWhatIsLeft(t *testing.T) {
	for _, off := range []string{"1h17m7s}\n  - {at: 89m17s", "1h17m17s}\n  - {at: 89m27s"} {
		sound(t, Run(with(t, "off_for: 4h}", "off_for: "+off+", off_for: 3h}", "  nodes:\n    node01: {model", "  policy: {park_longest: 6m}\n  nodes:\n    node01: {model"), 1))
	}
}

func TestLiesOfTheUPSCostTimeAndNoNode(t *testing.T) {
	for _, c := range [][]string{
		{"load: percent of 720 W", "load: zero"}, {"runtime: exact", "runtime: stuck"}, {"runtime: exact", "runtime: at most 20m"},
		{"charge: steps of 1", "charge: steps of 5"}, {"cuts_on_mains: true", "cuts_on_mains: false"},
	} {
		t.Run(c[1], func(t *testing.T) { sound(t, Run(with(t, c...), 1)) })
	}
}

func TestAGaugeThatBelievesTheBatteryNewHasMuchLeftAtTheEnd(t *testing.T) {
	w := newWorld(with(t, "health: 1", "health: 0.6", "charge: steps of 1", "charge: as new"))
	w.battery.Wh = 0
	if charge, _, _ := w.says(); charge != 40 {
		t.Errorf("an empty battery of 60 %% health is told as %g %%, want 40", charge)
	}
}

func TestTheSameSeedGivesTheSameYears(t *testing.T) {
	s := load(t, "../configs/scenarios/years.yaml")
	a, b := Run(s, 3), Run(s, 3)
	if !reflect.DeepEqual(a, b) {
		t.Error("two runs of one seed differ")
	}
	if c := Run(s, 4); reflect.DeepEqual(a.Outages, c.Outages) || len(a.Outages) < 40 {
		t.Errorf("%d outages, the same as with another seed: %t", len(a.Outages), reflect.DeepEqual(a.Outages, c.Outages))
	}
	sound(t, a)
}

func TestTheWaysOfTodayStopWhenTheySay(t *testing.T) {
	want := map[string]struct{ least, most float64 }{
		"nut": {5000, 7000}, "nut-timer": {299, 321}, "apcupsd": {5500, 7500}, "powerpanel": {59, 81},
	}
	for _, r := range Compare(with(t), 1)[1:] {
		w := want[r.Policy]
		if r.Service < w.least || r.Service > w.most || r.DirtyStops != 0 || r.Outages[0].Nodes["node02"].CleanStops != 1 || r.Outages[0].Restored < 0 {
			t.Errorf("%s: %g s of service, want %g to %g; %d dirty stops, restored %g s", r.Policy, r.Service, w.least, w.most, r.DirtyStops, r.Outages[0].Restored)
		}
	}
}

func TestTheYardstickKnowsTheBest(t *testing.T) {
	b := sim.ReferenceBattery()
	r := yardstick.Rack{Battery: b, Base: 8, Need: 2}
	for range 4 {
		r.Nodes = append(r.Nodes, yardstick.Node{Busy: 10, Drain: 10 * time.Second, Halt: 20 * time.Second})
	}
	if got := yardstick.Possible(r, time.Hour); got != time.Hour {
		t.Errorf("an hour that the battery lasts: %s possible", got)
	}
	if got, want := yardstick.Possible(r, 24*time.Hour), b.Lasts(28)-30*time.Second; got != want {
		t.Errorf("a day: %s possible, want %s, by two nodes and a clean stop", got, want)
	}
	if lasts := b.Lasts(48); !yardstick.Stoppable(r, lasts-31*time.Second) || yardstick.Stoppable(r, lasts-30*time.Second) {
		t.Errorf("a stop of 30 s is to be had up to so long before the end of %s", lasts)
	}
	r.Battery.Wh = 0.1
	if yardstick.Stoppable(r, 0) || yardstick.Possible(r, time.Hour) != 0 {
		t.Errorf("0.1 Wh: stoppable %t, %s possible", yardstick.Stoppable(r, 0), yardstick.Possible(r, time.Hour))
	}
}

func TestAScenarioThatIsWrongSaysWhere(t *testing.T) {
	data, _ := os.ReadFile("../configs/scenarios/reference.yaml")
	for _, c := range []struct{ from, to, want string }{
		{"health: 1", "health: 2", ":3: rack.battery.health: want the share that is left, above 0 and to 1 (got 2)"},
		{"need: 2", "need: 9", ":5: rack.need: want 0 to 4, the number of nodes (got 9)"},
		{"halt: 14s", "halt: 14", `want a time such as 90s, 5m, 3d or 3y, to 100y (got "14")`},
		{"load: percent of 720 W", "load: some", `load: want exact, zero or "percent of 720 W" (got "some")`},
		{"config:", "faults: [{at: 1m, what: fire}]\nconfig:", `faults[0].what: want one of controller killed,`},
		{"off_for: 4h", "off_for: 4h}\n  - {at: 1h, off_for: 1h", "mains[1].at: it begins before the one before has ended"},
		{"wake: ups, ups_host", "wak: ups, ups_host", `:19: config.nodes.node01.wak: unknown key "wak" (did you mean "wake"?)`},
		{"site: rack", "site: my rack", `:15: config.site: want a short name`},
		{"base_w", "bases_w", `rack.bases_w: unknown key "bases_w"`},
	} {
		path := filepath.Join(t.TempDir(), "s.yaml")
		os.WriteFile(path, []byte(strings.Replace(string(data), c.from, c.to, 1)), 0o644)
		if _, err := config.LoadScenario(path, all.Kinds()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.to, err, c.want)
		}
	}
}

func BenchmarkThreeYears(b *testing.B) {
	s := load(b, "../configs/scenarios/years.yaml")
	for b.Loop() {
		Run(s, 1)
	}
}

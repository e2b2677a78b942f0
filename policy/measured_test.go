package policy

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestTimesAreTakenCarefully(t *testing.T) {
	s := func(n ...int) (d []time.Duration) {
		for _, n := range n {
			d = append(d, time.Duration(n)*time.Second)
		}
		return d
	}
	for _, c := range []struct {
		name  string
		times []time.Duration
		want  int
	}{
		{"nothing measured: the budget", nil, 120},
		{"one time, and half as much again", s(10), 15},
		{"four times: the longest, and half", s(10, 12, 20, 11), 30},
		{"five times: the longest", s(10, 12, 20, 11, 10), 20},
		{"twenty times: all but the longest", s(50, 10, 11, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10), 11},
		{"never above the budget", s(100, 110), 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := careful(c.times, 2*time.Minute); got != time.Duration(c.want)*time.Second {
				t.Errorf("careful = %s, want %d s", got, c.want)
			}
		})
	}
}

// outage lets mains go for four hours and come back, on the world's rack.
func (w *world) outage() (stopping time.Duration) {
	began := w.now
	w.setMains(false)
	for w.state.Phase != Stopping && w.state.Phase != Committed && w.state.Phase != Dark && w.now < began+4*time.Hour {
		w.run(w.now + 10*time.Second)
	}
	stopping = w.now - began
	w.run(began + 4*time.Hour)
	w.setMains(true)
	w.run(w.now + 10*time.Hour)
	return stopping
}

func TestTheSecondStopBeginsLaterBecauseTheFirstWasMeasured(t *testing.T) {
	r := rackRules()
	r.Stages = []Stage{{Name: "all"}}
	w := newWorld(t, r)
	first := w.outage()
	w.settled()
	for _, n := range []string{Rack, "node01", "node02", "node04"} {
		if reflect.DeepEqual(w.state.Measured[n], Times{}) {
			t.Errorf("nothing was measured of %q", n)
		}
	}
	second := w.outage()
	w.settled()
	if second < first+time.Minute {
		t.Errorf("the first stop began after %s, the second after %s: want it later", first, second)
	}
	if len(w.broken) > 0 {
		t.Errorf("%v", w.broken)
	}
	for name, m := range w.nodes {
		if m.dirty > 0 {
			t.Errorf("%s lost power while it ran", name)
		}
	}
}

func TestMeasuredTimesOutliveTheController(t *testing.T) {
	w := newWorld(t, rackRules())
	w.outage()
	data, err := json.Marshal(w.state.Durable())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Measured) == 0 || !reflect.DeepEqual(s.Measured, w.state.Measured) {
		t.Errorf("after the journal: %v, want %v", s.Measured, w.state.Measured)
	}
}

func TestATimeThatAStepTookIsKept(t *testing.T) {
	measure := func(kind EffectKind, took time.Duration) func(*core) {
		return func(c *core) { c.measure("node02", kind, took) }
	}
	hold(t, measure(DoHalt, time.Second), []rule{{"a halt", handmade(), "measured.node02.halt.0=1s"}})
	hold(t, measure(DoHalt, 0), []rule{{"not one that took no time", handmade(), ""}})
	hold(t, measure(DoClear, time.Second), []rule{{"not of what is never waited for", handmade(), ""}})
	c := handmade()
	for i := range 25 {
		c.measure("node02", DoPark, time.Duration(i+1)*time.Second)
	}
	if kept := c.s.Measured["node02"].Park; len(kept) != 20 || kept[0] != 6*time.Second || kept[19] != 25*time.Second {
		t.Errorf("of 25 times these are kept: %v, want the last 20", kept)
	}
}

func TestTheStopTakesAsLongAsItsSlowestNode(t *testing.T) {
	slowHost := func(c *core) { c.r.Budgets.Park = 5 * time.Minute }
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"by the budget", handmade(), 2 * time.Minute},
		{"as it was measured", handmade(func(c *core) {
			c.s.Measured = map[string]Times{"node02": {Halt: []time.Duration{20 * time.Second}}, "node03": {Halt: []time.Duration{40 * time.Second}}, "node04": {Halt: []time.Duration{2 * time.Second}}}
		}), time.Minute},
		{"not its host, which is last", handmade(slowHost), 2 * time.Minute},
		{"nor those that are off", handmade(runs("node02", Halted), runs("node03", Halted), runs("node04", Halted)), 0},
		{"but one that started again", handmade(runs("node02", Halted), back("node02"), runs("node03", Halted), runs("node04", Halted)), 2 * time.Minute},
		{"and one that is gone with another boot id than it had is off", handmade(runs("node02", Halted), func(c *core) { c.s.Seen.Nodes["node02"] = Node{BootID: "2"} }, runs("node03", Halted), runs("node04", Halted)), 0},
		{"those that park take their time to park", handmade(slowHost, func(c *core) { c.r.UPS.CutsOnMains = false }), 5 * time.Minute},
		{"without an outage none is off", handmade(func(c *core) { c.s.Outage = nil }), 2 * time.Minute},
	} {
		if got := row.core.nodesTime(); got != row.want {
			t.Errorf("%s: the nodes take %s, want %s", row.name, got, row.want)
		}
	}
}

func TestTheNodesHaveWhatTheBatteryLeavesThem(t *testing.T) {
	quick := func(c *core) {
		all := make([]time.Duration, 5)
		for i := range all {
			all[i] = 20 * time.Second
		}
		c.s.Measured = map[string]Times{}
		for _, n := range c.r.Nodes[1:] {
			c.s.Measured[n.Name] = Times{Halt: all, Park: all}
		}
	}
	left := func(minutes float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &minutes } }
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"at most their budget", handmade(quick), 2 * time.Minute},
		{"less the time for the cut and the host, which was never measured", handmade(quick, left(3)), 110 * time.Second},
		{"but never less than they need", handmade(quick, left(1)), 25 * time.Second},
		{"one that starts has to be up first", handmade(quick, runs("node02", Booting)), 4 * time.Minute},
		{"whatever is left", handmade(quick, left(1), runs("node02", Booting)), 145 * time.Second},
		{"one that is idle need not", handmade(quick, runs("node02", Idle)), 2 * time.Minute},
		{"with mains, the budget to park", handmade(quick, left(1), onMains(0)), time.Minute},
	} {
		if got := row.core.patience(); got != row.want {
			t.Errorf("%s: the nodes have %s, want %s", row.name, got, row.want)
		}
	}
}

func TestAParkThatWasNeverMeasuredTakesHalfAsLongAgainAsTheSlowestOther(t *testing.T) {
	took := func(node string, halt, park int) func(*core) {
		return func(c *core) {
			t := Times{}
			if halt > 0 {
				t.Halt = []time.Duration{time.Duration(halt) * time.Second}
			}
			if park > 0 {
				t.Park = []time.Duration{time.Duration(park) * time.Second}
			}
			c.s.Measured = cloneMap(c.s.Measured)
			c.s.Measured[node] = t
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"its budget, where nothing was", handmade(), time.Minute},
		{"the slowest halt", handmade(took("node02", 20, 10), took("node03", 10, 0)), 30 * time.Second},
		{"or the slowest park", handmade(took("node02", 10, 20), took("node03", 0, 10)), 30 * time.Second},
		{"also the last one's", handmade(took("node02", 10, 0), took("node04", 20, 0)), 30 * time.Second},
		{"its own, where there is one", handmade(took("node01", 0, 8), took("node02", 30, 30)), 12 * time.Second},
		{"never more than its budget", handmade(took("node02", 41, 0)), time.Minute},
		{"and up to that", handmade(took("node02", 38, 0)), 57 * time.Second},
	} {
		if got := row.core.parkTime("node01"); got != row.want {
			t.Errorf("%s: it takes %s, want %s", row.name, got, row.want)
		}
	}
}

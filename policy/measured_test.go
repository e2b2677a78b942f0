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

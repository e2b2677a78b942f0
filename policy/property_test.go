package policy

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEveryOutageEndsWithEveryNodeUp plays random outages with random faults and
// holds the invariants 1, 2, 4, 6, 7 and 8 of the design at each step.
func TestEveryOutageEndsWithEveryNodeUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := randomRules(rt)
		w := newWorld(rt, r)
		w.noCut = !r.UPS.CutsOnMains && rapid.Bool().Draw(rt, "the unit does not cut on mains")
		w.blind = rapid.IntRange(0, 5).Draw(rt, "blind") == 0
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
		for range rapid.IntRange(1, 5).Draw(rt, "turns") {
			at += seconds(rt, "then", 1, 3600)
			w.run(at)
			w.turn(rt)
		}
		w.run(at + time.Minute)
		w.fail = map[string]int{}
		w.slow = map[string]time.Duration{}
		w.contact = true
		w.send(Contact{})
		w.setMains(true)
		if !w.up && w.outlets {
			w.restart(false)
		}
		w.run(at + 14*time.Hour)
		w.settled()
		for _, b := range w.broken {
			rt.Errorf("%s", b)
		}
		if rt.Failed() {
			rt.Log(w.log.String())
		}
	})
}

// turn is something that happens to the rack.
func (w *world) turn(rt *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(rt, "what") {
	case 0, 1, 2:
		w.setMains(!w.mains)
	case 3:
		if w.up {
			w.logf("CRASH")
			w.restart(false)
		}
	case 4:
		w.contact = !w.contact
		w.logf("CONTACT %v", w.contact)
		w.send(Contact{Lost: !w.contact})
	case 5:
		if w.up {
			w.send(Operator{Order: "abort", By: "alice"})
		}
	case 6:
		if w.up && w.contact && w.mains {
			w.send(Reading{Power: Unknown, Low: true})
		}
	}
}

func randomRules(rt *rapid.T) Rules {
	r := rackRules()
	r.UPS.Cut = rapid.IntRange(0, 3).Draw(rt, "cut") > 0
	r.UPS.CutsOnMains = rapid.Bool().Draw(rt, "cuts on mains")
	r.Stages[0].Charge = float64(rapid.IntRange(0, 90).Draw(rt, "early charge"))
	r.SwarmNeed = rapid.IntRange(0, 4).Draw(rt, "need")
	if rapid.Bool().Draw(rt, "timed") {
		r.Stages[1].OnBattery = seconds(rt, "stop after", 10, 1800)
	}
	if rapid.Bool().Draw(rt, "short budgets") {
		r.Budgets.Halt, r.Budgets.Drain = 40*time.Second, 20*time.Second
	}
	if rapid.IntRange(0, 3).Draw(rt, "no host") == 0 {
		r.Nodes[0].UPSHost = false
	}
	return r
}

func seconds(rt *rapid.T, label string, least, most int) time.Duration {
	return time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * time.Second
}

// reread makes the state what the journal gives back.
func (w *world) reread() {
	data, err := json.Marshal(w.state)
	if err == nil {
		var back State
		if err = json.Unmarshal(data, &back); err == nil {
			w.state = back
		}
	}
	if err != nil {
		w.t.Fatalf("the state's JSON: %v", err)
	}
}

// TestStateSurvivesItsJSON holds that what is saved is what is resumed.
func TestStateSurvivesItsJSON(t *testing.T) {
	w := newWorld(t, rackRules())
	w.rules.Stages[1].OnBattery = 5 * time.Minute
	w.run(time.Minute)
	w.setMains(false)
	for range 200 {
		w.run(w.now + 5*time.Second)
		data, err := json.Marshal(w.state)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(back); string(again) != string(data) {
			t.Fatalf("resumed state differs:\n%s\n%s", data, again)
		}
	}
}

// TestStepNeverWritesThroughItsArgument steps the same state twice with each of
// many events and compares it with a copy.
func TestStepNeverWritesThroughItsArgument(t *testing.T) {
	w := newWorld(t, rackRules())
	w.rules.Stages[1].OnBattery = 2 * time.Minute
	w.run(time.Minute)
	w.setMains(false)
	for range 60 {
		w.run(w.now + 5*time.Second)
		s := w.state
		copied := s.Clone()
		for _, what := range []What{Tick{}, Reading{Power: OnMains}, Reading{Power: OnBattery, Charge: new(5.0)}, Contact{Lost: true},
			NodeSeen{Node: "node02"}, Started{BootID: "other"}, Operator{Order: "abort"}, Result{ID: "e7", Outcome: Done}} {
			s1, e1 := Step(w.rules, s, Event{At: w.now + time.Hour, What: what})
			s2, e2 := Step(w.rules, s, Event{At: w.now + time.Hour, What: what})
			if !reflect.DeepEqual(s, copied) {
				t.Fatalf("%T wrote through the state", what)
			}
			if !reflect.DeepEqual(s1, s2) || !reflect.DeepEqual(e1, e2) {
				t.Fatalf("%T gives two results", what)
			}
		}
	}
}

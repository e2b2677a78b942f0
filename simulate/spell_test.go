package simulate

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lastwatt/config"
	"lastwatt/drivers/all"
)

func TestTheResultHasTheKeysThatAreDocumented(t *testing.T) {
	keys := func(r Result) (whole, outage, node []string) {
		data, err := json.Marshal(r)
		var got struct {
			Outages []map[string]json.RawMessage
		}
		var all map[string]json.RawMessage
		var nodes map[string]map[string]json.RawMessage
		for _, into := range []any{&got, &all} {
			if err == nil {
				err = json.Unmarshal(data, into)
			}
		}
		if err == nil {
			err = json.Unmarshal(got.Outages[0]["nodes"], &nodes)
		}
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(got.Outages[0])), slices.Sorted(maps.Keys(nodes["node02"]))
	}
	for _, off := range []string{"off_for: 4h", "off_for: 20s"} { // with a cut and without
		whole, outage, node := keys(Run(with(t, "off_for: 4h", off), 1))
		for _, c := range []struct {
			got  []string
			want string
		}{
			{whole, "dirty_avoidable dirty_stops false_actions invariants_broken outages policy scenario seed service_possible_s service_s"},
			{outage, "at committed cut duration_s id margin_s nodes restored_s service_possible_s service_s"},
			{node, "clean_stops dirty_stops off_s"},
		} {
			if got := strings.Join(c.got, " "); got != c.want {
				t.Errorf("%s has the keys\n%s, want\n%s", off, got, c.want)
			}
		}
	}
}

func TestANodeIsOffInOneOutageAtATime(t *testing.T) {
	r := Run(with(t, "off_for: 4h}", "off_for: 4h}\n  - {at: 4h10m30s, off_for: 2h}"), 1)
	sound(t, r)
	first, second := r.Outages[0].Nodes["node02"], r.Outages[1].Nodes["node02"]
	if first.Off < 6000 || first.Off > 4*3600+30 || second.Off < 6000 || second.Off > 4*3600 {
		t.Errorf("off for %g s in an outage of 4 h and 30 s after it, and %g s in the next, want what each of them had of it", first.Off, second.Off)
	}
}

func TestAMachineThatLosesPowerWhileItStartsWentCleanBeforeAndDirtyThen(t *testing.T) {
	w := newWorld(with(t))
	nut := others()[0]
	nut.w, w.player = w, &nut
	w.setMains(false)
	n := w.nodes[1]
	n.halt()
	w.run(time.Minute)
	n.wake()
	w.lose("")
	if f := w.spell().nodes[n.name]; f.clean != 1 || f.dirty != 1 {
		t.Errorf("%d clean stops and %d dirty ones, want one of each", f.clean, f.dirty)
	}
}

func TestAFaultThatIsOverStartsNoHaltedMachine(t *testing.T) {
	r := Run(with(t, "config:", "faults:\n  - {at: 9638s, what: manager lost, node: node03, for: 20s}\nconfig:"), 1)
	sound(t, r)
	if f := r.Outages[0].Nodes["node03"]; f.CleanStops != 1 {
		t.Errorf("a fault of a machine that was off: %+v", f)
	}
}

func TestABatteryThatEndsBeforeAnythingStoppedLeavesNoMargin(t *testing.T) {
	r := Run(with(t, "config:", "faults: [{at: 1m, what: ups unplugged, for: 9h}]\nconfig:"), 1)
	if o := r.Outages[0]; o.Committed || o.Margin == nil || *o.Margin != 0 {
		t.Errorf("an outage that nobody noticed: %+v", o)
	}
}

func TestWhatAFaultHoldsBackIsNobodysDoing(t *testing.T) {
	for _, fault := range []string{
		"{at: 4h20m, what: manager lost, node: node02}", "{at: 4h20m, what: manager lost, node: node04}", "{at: 20m, what: manager lost, node: node03}",
		"{at: 1h, what: link cut, node: node03}", "{at: 4h11m, what: ups unplugged}", "{at: 74m, what: hangs in drain, node: node03}",
	} {
		r := Run(with(t, "config:", "faults:\n  - "+fault+"\nconfig:"), 1)
		if len(r.InvariantsBroken) > 0 {
			t.Errorf("%s: %v", fault, r.InvariantsBroken)
		}
	}
}

// An agent keeps no lease across a start: a node that is out of reach parks once, and
// then stays up.
func TestANodeThatNobodyReachesParksOnce(t *testing.T) {
	s := with(t, "config:", "faults: [{at: 12m, what: link cut, node: node03}]\nconfig:", "  nodes:\n    node01: {model",
		"  policy: {park_longest: 10m}\n  nodes:\n    node01: {model",
		"runtime: exact", "runtime: times 0.3", "cut: true", "cut: false")
	w := newWorld(s)
	w.player = newLastwatt(w, s.Config.Rules())
	w.player.begin()
	w.after(10*time.Minute, func() { w.setMains(false) })
	w.run(75 * time.Minute)
	if n := w.nodes[2]; n.boot != 2 || n.state != up {
		t.Errorf("%s has started %d times, and is %s, want it to be up since its second start", n.name, n.boot, n.state)
	}
}

func TestAConfigurationIsNamedByAnyPath(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("../configs/scenarios/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rack, conf, _ := strings.Cut(string(data), "config:\n")
	conf = strings.ReplaceAll(strings.TrimPrefix(conf, "  "), "\n  ", "\n")
	name := filepath.Join(dir, "lastwatt.yaml")
	for file, text := range map[string]string{name: conf, filepath.Join(dir, "whole.yaml"): rack + "config: " + name + "\n", filepath.Join(dir, "beside.yaml"): rack + "config: lastwatt.yaml\n"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"whole.yaml", "beside.yaml"} {
		if s, err := config.LoadScenario(filepath.Join(dir, file), all.Kinds()); err != nil || len(s.Config.Nodes) != 4 {
			t.Errorf("%s: %d nodes, error %v", file, len(s.Config.Nodes), err)
		}
	}
}

// An agent that parked by itself, since the controller was silent, answers an order to
// park at once: nobody waits for it until its time is over.
func TestANodeThatParkedByItselfIsNotGivenUp(t *testing.T) {
	s := with(t, "cuts_on_mains: true}", "cuts_on_mains: false}", "cut: true, cuts_on_mains: true", "cut: true", "config:", "faults: [{at: 5035200ms, what: controller killed, for: 40s}]\nconfig:")
	sound(t, Run(s, 1))
	if story := strings.Join(Story(s, 1), "\n"); strings.Contains(story, "did not stop in its time") {
		t.Errorf("%s", story)
	}
}

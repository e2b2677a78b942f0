package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite what the scenarios expect")

// TestScenarios plays each file of testdata: what happens to the rack above the
// line, what the core then did below it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, _ := strings.Cut(string(data), "---\n")
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, []byte(script+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("what the core did differs (-want +got); -update rewrites:\n%s", d)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	w := newWorld(t, rackRules())
	w.log.Reset()
	for _, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if strings.HasPrefix(f[0], "+") {
			d, err := time.ParseDuration(f[0][1:])
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			w.run(d)
			if f = f[1:]; len(f) == 0 {
				continue
			}
		}
		w.command(line, f)
	}
	for _, b := range w.broken {
		t.Error(b)
	}
	return w.log.String()
}

func (w *world) command(line string, f []string) {
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	dur := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		return d
	}
	switch arg(0) {
	case "mains":
		w.setMains(arg(1) == "on")
	case "contact":
		w.contact = arg(1) == "back"
		w.send(Contact{Lost: !w.contact})
	case "false-low":
		w.send(Reading{Power: OnMains, Charge: new(100.0), Low: true})
	case "order":
		w.send(Operator{Order: arg(1), By: "alice"})
	case "observe":
		w.state.Armed = false
	case "battery":
		w.lasts = dur(arg(1))
	case "charge":
		w.charge, _ = strconv.ParseFloat(arg(1), 64)
	case "blind":
		w.blind = true
	case "no-cut-unit":
		w.rules.UPS.CutsOnMains, w.noCut = false, true
	case "no-cut":
		w.rules.UPS.Cut = false
	case "slow":
		w.slow[strings.Join(f[1:len(f)-1], " ")] = dur(f[len(f)-1])
	case "fail":
		n, _ := strconv.Atoi(f[len(f)-1])
		w.fail[strings.Join(f[1:len(f)-1], " ")] = n
	case "stage-time":
		w.rules.Stages[len(w.rules.Stages)-1].OnBattery = dur(arg(1))
	case "stay-off":
		w.rules.Stages[0].By, w.rules.Stages[0].StayOff = "halt", true
	case "need":
		w.rules.SwarmNeed, _ = strconv.Atoi(arg(1))
	case "drained":
		for i := range w.swarm {
			if w.swarm[i].Name == arg(1) {
				w.swarm[i].Availability, w.before[i].Availability = "drain", "drain"
				w.drained[arg(1)] = 0
			}
		}
		w.sendSwarm()
	case "stretch":
		w.rules.Stretch, w.rules.Disturbance = true, dur(arg(1))
		w.rules.Stages = []Stage{{Name: "all"}}
	case "wake":
		for i := range w.rules.Nodes {
			if w.rules.Nodes[i].Name == arg(1) {
				w.rules.Nodes[i].Wake = arg(2)
			}
		}
	case "damaged": // a reading that is not true
		w.send(Reading{Power: OnBattery, Charge: new(1.0), Runtime: new(20 * time.Second), Load: new(4.0)})
	case "as-new": // the gauge believes that the battery holds more than it does
		w.asNew = dur(arg(1))
	case "power-gone": // the battery ends while everything runs
		w.cutPower("the battery is empty")
	case "crash":
		w.up = false
		w.restart(false)
	case "kill":
		w.up = false
	case "restart":
		w.restart(false)
	case "settled":
		w.settled()
	default:
		w.t.Fatalf("unknown command %q", line)
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastwatt/rack"
)

// rackWith is the reference configuration with some text of it replaced.
func rackWith(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile("../../configs/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rack.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPlanIsToldFromAConfigurationAlone(t *testing.T) {
	path := rackWith(t, "battery_wh: 0", "battery_wh: 100")
	plans := map[string]rack.Plan{}
	for _, args := range []string{"", "--charge 80", "--load 31", "--load 31 --health 60", "--load 31 --health 100"} {
		status, out, errs := run1(t, append(strings.Fields("plan --json --config "+path), strings.Fields(args)...)...)
		var p rack.Plan
		if err := json.Unmarshal([]byte(out), &p); err != nil || status != exitOK {
			t.Fatalf("plan %s: status %d, %v, %s", args, status, err, errs)
		}
		last := p.Steps[len(p.Steps)-1]
		if last.What != "park" || last.Node != "node01" || p.Steps[0].Watts <= 0 || *p.Margin <= 0 {
			t.Errorf("plan %s: ends with %s of %s, %.0f W at first, %s left", args, last.What, last.Node, p.Steps[0].Watts, p.Margin)
		}
		if strings.Contains(args, "--load") != (p.Load == 31) || p.LoadMethod == "" {
			t.Errorf("plan %s: for a load of %s by %q", args, p.Load, p.LoadMethod)
		}
		plans[args] = p
	}
	for _, c := range []struct{ less, more string }{{"--charge 80", ""}, {"", "--load 31"}, {"--load 31 --health 60", "--load 31 --health 100"}} {
		if a, b := *plans[c.less].TimeToEmpty, *plans[c.more].TimeToEmpty; a >= b {
			t.Errorf("%q lasts %s, and %q %s", c.less, a, c.more, b)
		}
	}
	status, out, _ := run1(t, "plan", "--config", path)
	if status != exitOK || !strings.Contains(out, "(the configured battery) at 50 W (table of models)") || !strings.Contains(out, " 50 W  ") {
		t.Errorf("for people, status %d:\n%s", status, out)
	}
}

func TestAPlanThatCannotBeMadeSaysWhy(t *testing.T) {
	good := rackWith(t, "battery_wh: 0", "battery_wh: 0")
	for _, c := range []struct {
		args string
		want int
		text string
	}{
		{"plan --charge 50", exitUsage, "--charge asks what if: it needs --config FILE"},
		{"plan --config " + good + " --charge 101", exitUsage, "--charge: want percent, 0 to 100 (got 101)"},
		{"plan --config " + good + " --charge NaN", exitUsage, "--charge: want percent, 0 to 100 (got NaN)"},
		{"plan --config " + good + " --load 0", exitUsage, "--load: want watts above 0 (got 0)"},
		{"plan --config " + good + " --health 120", exitUsage, "--health: want percent above 0, to 100 (got 120)"},
		{"plan --config " + good + " --health 60", exitConfig, "set battery_wh of the UPS in"},
		{"plan --config " + good + " now", exitUsage, `what is "now"?`},
		{"plan --config nothing.yaml", exitConfig, "read the configuration: open nothing.yaml"},
		{"plan --config " + rackWith(t, "need: 2", "need: 9"), exitConfig, "swarm.need: want 0 to 4"},
	} {
		if status, _, errs := run1(t, strings.Fields(c.args)...); status != c.want || !strings.Contains(errs, c.text) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.args, status, errs, c.want, c.text)
		}
	}
}

//go:build guest

package guest

import (
	"encoding/json"
	"math"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"lastwatt/hwtest/vups"
)

// A variable is one of "lastwatt ups read --json".
type variable struct {
	Value any    `json:"value"`
	Unit  string `json:"unit"`
	AgeMS *int64 `json:"age_ms"`
}

// same compares to the tenth that NUT prints.
func same(got any, want string) bool {
	n, err := strconv.ParseFloat(want, 64)
	if g, ok := got.(float64); ok && err == nil {
		return math.Abs(g-n) <= 0.051
	}
	return got == want || got == nil && want == ""
}

// readJSON runs the program, again until the device is there.
func readJSON(t *testing.T, transport string) map[string]variable {
	t.Helper()
	var out []byte
	var err error
	for range 30 {
		if out, err = exec.Command("./lastwatt", "ups", "read", "--json", "--transport", transport).Output(); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("lastwatt ups read: %v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var all map[string]variable
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("lastwatt ups read printed %s: %v", out, err)
	}
	return all
}

// TestCaptures plugs in each captured device, and compares what the program
// prints of it with what NUT read.
func TestCaptures(t *testing.T) {
	for _, transport := range []string{"hidraw", "gousb"} {
		t.Run(transport, func(t *testing.T) {
			equal, differ := 0, 0
			for _, name := range vups.Captures() {
				t.Run(name, func(t *testing.T) {
					d, err := vups.Still(name)
					if err != nil {
						t.Fatal(err)
					}
					unplug, err := vups.Plug(t.Context(), d, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer func() { unplug(); time.Sleep(time.Second) }()
					ours := readJSON(t, transport)
					for key, want := range vups.NUT(name) {
						got := ours[key]
						why := vups.Differs(name, key)
						switch {
						case same(got.Value, want):
							equal++
						case why != "":
							differ++
							t.Logf("%s = %v, NUT says %s: %s", key, got.Value, want, why)
						default:
							t.Errorf("%s = %v, NUT says %q", key, got.Value, want)
						}
						if got.Value != nil && got.AgeMS == nil {
							t.Errorf("%s has no age", key)
						}
					}
				})
			}
			t.Logf("%d variables are as NUT's, %d differ for a reason", equal, differ)
		})
	}
}

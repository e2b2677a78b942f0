package config

import (
	"testing"
	"time"
)

// sound is the configuration that the rows of testdata/lastwatt.txt spoil.
func sound(t testing.TB) string { return rowsOf(t, "testdata/lastwatt.txt").sound }

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	c, err := Parse("c.yaml", []byte(sound(t)), kinds())
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy.RideThrough != 30*time.Second || c.Policy.StableFor != 90*time.Second || c.Policy.Reserve != 2*time.Minute || c.Controller.Listen != ":7480" {
		t.Errorf("ride_through %s, stable_for %s, reserve %s, listen %q", c.Policy.RideThrough, c.Policy.StableFor, c.Policy.Reserve, c.Controller.Listen)
	}
	r := c.Rules()
	if len(r.Nodes) != 3 || r.Nodes[0].Name != "node01" || !r.Nodes[0].UPSHost || !r.UPS.Cut || r.UPS.CutsOnMains || len(r.Stages) != 2 {
		t.Errorf("rules = %+v", r)
	}
}

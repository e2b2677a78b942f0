package policy

import (
	"math"
	"testing"
	"time"
)

func TestTheLoadIsThatOfTheBestSource(t *testing.T) {
	meter := func(age time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.Meter = &Drawn{Watts: 40, Method: "meter", At: c.s.Now - age} }
	}
	own := func(age time.Duration, nodes ...string) func(*core) {
		return func(c *core) {
			for _, name := range nodes {
				n := c.s.Seen.Nodes[name]
				n.Drawn = &Drawn{Watts: 5, At: c.s.Now - age}
				c.s.Seen.Nodes[name] = n
			}
		}
	}
	all := []string{"node01", "node02", "node03", "node04"}
	told := func(load float64) func(*core) {
		return func(c *core) { c.r.UPS.Watts, c.s.Seen.UPS.Load = 720, &load }
	}
	for _, row := range []struct {
		name   string
		core   *core
		watts  float64
		method string
	}{
		{"a meter", handmade(meter(time.Minute), own(0, all...), told(5)), 40, "meter"},
		{"not an old one", handmade(meter(time.Minute+1), own(0, all...), told(5)), 30, "the nodes' own figures"},
		{"the nodes' own figures", handmade(own(time.Minute, all...), told(5)), 30, "the nodes' own figures"},
		{"not old ones", handmade(own(time.Minute+1, all...), told(5)), 36, "the UPS's load"},
		{"only where there are all", handmade(own(0, all[1:]...), told(5)), 36, "the UPS's load"},
		{"the table, with the figures of those that have them", handmade(own(0, all[1:]...)), 31, "table of models"},
		{"not a load of 0", handmade(told(0)), 34, "table of models"},
		{"nor one of a UPS of unknown size", handmade(told(5), func(c *core) { c.r.UPS.Watts = 0 }), 34, "table of models"},
		{"nor none", handmade(func(c *core) { c.r.UPS.Watts = 720 }), 34, "table of models"},
		{"no nodes have no figures", handmade(func(c *core) { c.r.Nodes = nil }), 10, "table of models"},
		{"a node that is off draws nothing", handmade(own(0, "node02"), runs("node02", Halted)), 28, "table of models"},
		{"one that is idle draws less", handmade(runs("node02", Idle)), 30.7, "table of models"},
		{"as does one that is parked", handmade(runs("node02", Parked)), 30.7, "table of models"},
		{"its own figure says more", handmade(own(0, "node02"), runs("node02", Idle)), 33, "table of models"},
		{"a model's own draw", handmade(func(c *core) { c.r.Nodes[1].Draw = 12 }), 40, "table of models"},
		{"and of it the share of an idle one", handmade(func(c *core) { c.r.Nodes[1].Draw = 12 }, runs("node02", Idle)), 33.4, "table of models"},
		{"on mains too", handmade(func(c *core) { c.s.Outage = nil }), 34, "table of models"},
	} {
		if got := Load(row.core.r, row.core.s); math.Abs(got.Watts-row.watts) > 1e-9 || got.Method != row.method {
			t.Errorf("%s: %g W by %s, want %g W by %s", row.name, got.Watts, got.Method, row.watts, row.method)
		}
	}
}

//go:build twin

package twin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lastwatt/sim"
)

// The controller runs on node01, which leads the Swarm and hosts the UPS: its
// end is the end of the controller too.
func TestOutagesWithTheControllerOnANode(t *testing.T) {
	p := sim.UPSParams{Battery: sim.ReferenceBattery(), CutsOnMains: true}
	p.Battery.CapacityWh, p.Battery.Wh = 30, 30
	g := NewGround(t, p)
	g.Start(More{})
	before := g.Swarm()
	t.Logf("the Swarm before:\n%s", before)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Ground)
	}{
		{"a blip of 8 s does nothing but tell", blip},
		{"a controller that is killed goes on where it was", killed},
		{"mains back before the commit undoes everything", beforeCommit},
		{"mains back after the commit ends with every node up", afterCommit},
		{"a whole outage, from mains lost to the Swarm as before", whole},
	} {
		began := time.Now()
		if !t.Run(c.name, func(t *testing.T) { g.t = t; c.run(t, g) }) {
			break
		}
		g.t = t
		g.until(150*time.Second, "Swarm as before", func() bool { return g.whole() && g.Swarm() == before })
		t.Logf("%s: %s", c.name, time.Since(began).Round(100*time.Millisecond))
	}
	if after := g.Swarm(); after != before {
		t.Errorf("the Swarm after:\n%s", after)
	}
}

// saw waits for an event after the nth.
func (g *Ground) saw(n int, kind string, limit time.Duration) {
	g.t.Helper()
	g.until(limit, kind, func() bool { return slices.Contains(g.Events(n), kind) })
}

// order checks that the events contain these, in this order.
func order(t *testing.T, events []string, want ...string) {
	t.Helper()
	t.Logf("a subscriber saw %s", strings.Join(events, ", "))
	rest := events
	for _, kind := range want {
		i := slices.Index(rest, kind)
		if i < 0 {
			t.Errorf("a subscriber did not see %s at its place in %s", kind, strings.Join(want, ", "))
			return
		}
		rest = rest[i+1:]
	}
}

// stops are how the nodes ended since marks was made.
func (g *Ground) stops(marks []int) []string {
	var all []string
	for i, n := range g.machines() {
		name := "node00"
		if i < len(g.Nodes) {
			name = g.Nodes[i].Name
		}
		for _, how := range n.Stops()[marks[i]:] {
			all = append(all, fmt.Sprintf("%s %s", name, how))
		}
	}
	return all
}

func (g *Ground) marks() []int {
	var marks []int
	for _, n := range g.machines() {
		marks = append(marks, len(n.Stops()))
	}
	return marks
}

func blip(t *testing.T, g *Ground) {
	n, marks, before := len(g.Events(0)), g.marks(), g.Swarm()
	over := time.After(8 * time.Second) // of the 12 s that nothing is done
	g.UPS.SetMains(false)
	g.saw(n, "on_battery", 20*time.Second)
	<-over
	g.UPS.SetMains(true)
	g.until(30*time.Second, "the end of the blip", g.whole)
	if after := g.Swarm(); after != before || len(g.stops(marks)) > 0 {
		t.Errorf("the blip changed something: %v\n%s", g.stops(marks), after)
	}
	for _, kind := range g.Events(n) {
		if kind == "stopping" || kind == "committed" {
			t.Errorf("a blip of 8 s led to %q", kind)
		}
	}
	t.Logf("a subscriber saw %s", strings.Join(g.Events(n), ", "))
}

func killed(t *testing.T, g *Ground) {
	host := g.Nodes[0]
	g.UPS.SetMains(false)
	defer g.UPS.SetMains(true)
	n := len(g.Events(0))
	g.saw(n, "on_battery", 20*time.Second)
	s, _ := g.Status()
	ctx, cancel := context.WithTimeout(g.ctx, 20*time.Second)
	defer cancel()
	if _, err := host.Run(ctx, "sh", "-c", "kill -KILL $(cat controller.pid)"); err != nil {
		t.Fatal(err)
	}
	g.until(30*time.Second, "controller after its kill", func() bool {
		after, ok := g.Status()
		return ok && after.Outage != nil && s.Outage != nil && after.Outage.ID == s.Outage.ID && after.Mode == "armed"
	})
}

func beforeCommit(t *testing.T, g *Ground) {
	n, marks := len(g.Events(0)), g.marks()
	g.UPS.SetMains(false)
	g.saw(n, "stopping", 60*time.Second)
	time.Sleep(3 * time.Second)
	g.UPS.SetMains(true)
	g.saw(n, "restored", 90*time.Second)
	order(t, g.Events(n), "on_battery", "stopping", "restored")
	if slices.Contains(g.Events(n), "committed") {
		t.Error("it was committed before mains came back: the test came too late")
	}
	if s := g.stops(marks); len(s) > 0 {
		t.Errorf("nodes ended: %v", s)
	}
}

func afterCommit(t *testing.T, g *Ground) {
	n, marks := len(g.Events(0)), g.marks()
	g.UPS.SetMains(false)
	g.saw(n, "committed", 120*time.Second)
	g.UPS.SetMains(true)
	g.saw(n, "restored", 300*time.Second)
	order(t, g.Events(n), "on_battery", "stopping", "committed", "restored")
	clean(t, g.stops(marks))
}

func whole(t *testing.T, g *Ground) {
	n, marks := len(g.Events(0)), g.marks()
	began := time.Now()
	at := func() time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
	g.UPS.SetMains(false)
	g.saw(n, "committed", 120*time.Second)
	t.Logf("committed after %s", at())
	g.until(180*time.Second, "dark outlets", func() bool { return !g.UPS.Outlets() })
	t.Logf("dark after %s", at())
	time.Sleep(3 * time.Second)
	if s := g.stops(marks); len(s) != 4 {
		t.Errorf("before the outlets went off, these nodes ended: %v; want all four", s)
	}
	g.UPS.SetMains(true)
	g.saw(n, "restored", 300*time.Second)
	t.Logf("restored after %s", at())
	order(t, g.Events(n), "on_battery", "stopping", "committed", "cut_armed", "dark", "restored")
	clean(t, g.stops(marks))
}

// clean checks that no node lost power while it ran.
func clean(t *testing.T, stops []string) {
	t.Helper()
	t.Logf("nodes ended so: %s", strings.Join(stops, ", "))
	for _, s := range stops {
		if strings.HasSuffix(s, "dirty") {
			t.Errorf("%s: power went while it ran", s)
		}
	}
	if len(stops) < 4 {
		t.Errorf("only these nodes ended: %v", stops)
	}
}

package simulate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lastwatt/config"
	"lastwatt/drivers"
	"lastwatt/sim"
)

// TestPropertiesOfRandomRacks brings random racks with random batteries, lies and
// faults through random outages, under random configurations, and holds every
// invariant at each step. Where nothing was faulty, no stop is dirty that need not
// have been, but for what only a stop within the ride through avoids. With
// -rapid.checks=20000 it is what CI runs; a million takes some minutes.
func TestPropertiesOfRandomRacks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := randomScenario(rt)
		r := Run(s, 1)
		for _, b := range r.InvariantsBroken {
			rt.Errorf("%s", b)
		}
		if r.FalseActions > 0 {
			rt.Errorf("%d false actions", r.FalseActions)
		}
		if len(s.Faults) == 0 && r.DirtyAvoidable > r.ridden {
			rt.Errorf("%d dirty stops that were avoidable, %d of them only within the ride through", r.DirtyAvoidable, r.ridden)
		}
		for _, o := range r.Outages {
			if o.Service > o.Duration+0.001 {
				rt.Errorf("%s: %g s of service in %g s", o.ID, o.Service, o.Duration)
			}
		}
		if rt.Failed() {
			rt.Logf("%+v\n%+v\n%+v\n%s", s.Rack, s.Mains, s.Faults, strings.Join(Story(s, 1), "\n"))
		}
	})
}

func randomScenario(rt *rapid.T) config.Scenario {
	s := config.Scenario{Path: "random", Rack: config.Truth{Nodes: map[string]config.TrueNode{}}}
	c := &s.Config
	*c = config.Config{Site: "rack", UPS: []config.UPS{{Name: "main", Feeds: []string{"all"}, Cut: rapid.IntRange(0, 5).Draw(rt, "cut") > 0}}}
	randomNodes(rt, &s)
	s.Rack.BaseW = float64(rapid.IntRange(0, 20).Draw(rt, "base"))
	s.Rack.Need = rapid.IntRange(0, len(c.Nodes)).Draw(rt, "need")
	c.SwarmNeed = s.Rack.Need
	randomBattery(rt, &s)
	randomLies(rt, &s)
	randomPolicy(rt, &s)
	at := time.Duration(0)
	for range rapid.IntRange(1, 4).Draw(rt, "outages") {
		at += span(rt, "pause", time.Second, 12*time.Hour)
		off := span(rt, "off for", time.Second, 6*time.Hour)
		s.Mains.Off = append(s.Mains.Off, config.Away{At: config.Span(at), OffFor: config.Span(off)})
		at += off
	}
	for range max(0, rapid.IntRange(-3, 2).Draw(rt, "faults")) {
		f := config.Fault{At: config.Span(span(rt, "fault at", 0, at)), For: config.Span(span(rt, "fault for", 0, 3*time.Hour)),
			What: rapid.SampledFrom(config.FaultKinds()).Draw(rt, "fault"), Node: rapid.SampledFrom(c.Nodes).Draw(rt, "faulty node").Name}
		if f.For == 0 {
			f.For = config.Span(time.Minute) // whatever is broken is mended in the end
		}
		if f.What == "hangs in halt" {
			f.For = min(f.For, config.Span(3*time.Minute)) // for longer it is named to people, and given up
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}

// span is a time whose order of size is drawn first: seconds are as likely as hours.
func span(rt *rapid.T, label string, least, most time.Duration) time.Duration {
	top := rapid.SampledFrom([]time.Duration{10 * time.Second, 2 * time.Minute, 20 * time.Minute, time.Hour, most}).Draw(rt, label+": to")
	return time.Duration(rapid.Int64Range(int64(least), int64(max(least, min(top, most)))).Draw(rt, label))
}

func randomNodes(rt *rapid.T, s *config.Scenario) {
	n := rapid.IntRange(1, 7).Draw(rt, "nodes")
	managers := rapid.SampledFrom([]int{0, 1, 3, 4, 5, 7}).Draw(rt, "managers")
	host := rapid.IntRange(-1, n-1).Draw(rt, "UPS host")
	for i := range n {
		name := fmt.Sprintf("node%02d", i+1)
		wake := rapid.SampledFrom([]string{"ups", "ups", "gpio", "rtc", "relay"}).Draw(rt, "wake")
		idle := float64(rapid.IntRange(1, 5).Draw(rt, "idle watts"))
		s.Rack.Nodes[name] = config.TrueNode{IdleW: idle, BusyW: idle + float64(rapid.IntRange(0, 8).Draw(rt, "work watts")), Wake: wake, UPSHost: i == host, Manager: i < managers,
			Drain: seconds(rt, "drain", 1, 40), Halt: seconds(rt, "halt", 2, 60), Boot: seconds(rt, "boot", 20, 90)}
		s.Config.Nodes = append(s.Config.Nodes, config.Node{Name: name, Model: rapid.SampledFrom([]string{"pi4", "pi5", "other"}).Draw(rt, "model"), Wake: wake, UPSHost: i == host, Tier: rapid.IntRange(0, 2).Draw(rt, "tier")})
	}
}

func seconds(rt *rapid.T, label string, least, most int) config.Span {
	return config.Span(time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * time.Second)
}

// randomBattery is one that carries the whole rack for half an hour at least: what
// ends sooner than any stop is nobody's to save.
func randomBattery(rt *rapid.T, s *config.Scenario) {
	b := config.TrueBattery{Health: float64(rapid.IntRange(55, 100).Draw(rt, "health")) / 100, Peukert: 1.15, OverheadW: float64(rapid.IntRange(2, 15).Draw(rt, "overhead")),
		Efficiency: 0.85, Charge: 100, ChargerW: float64(rapid.IntRange(10, 100).Draw(rt, "charger"))}
	load := drivers.Watt(s.Rack.BaseW)
	for _, n := range s.Rack.Nodes {
		load += drivers.Watt(n.BusyW)
	}
	lasts := span(rt, "battery lasts", 30*time.Minute, 5*time.Hour)
	b.CapacityWh = 20
	for range 60 {
		try := sim.Battery{CapacityWh: b.CapacityWh, Health: b.Health, Peukert: b.Peukert, OverheadW: b.OverheadW, Efficiency: b.Efficiency, Wh: b.CapacityWh * b.Health}
		if try.Lasts(load) >= max(lasts, 30*time.Minute) {
			break
		}
		b.CapacityWh *= 1.1
	}
	s.Rack.Battery = b
}

// randomLies are those of a UPS, but for one: a gauge that believes an old battery
// new and, with a load that it does see, gives a time to empty that says the same.
// Nobody can tell that one from a sound one before its battery has once ended.
func randomLies(rt *rapid.T, s *config.Scenario) {
	of := func(label string, all ...string) string { return rapid.SampledFrom(all).Draw(rt, label) }
	t := config.Tells{Load: of("load", "exact", "zero", "percent of 720 W"), Runtime: of("runtime", "exact", "stuck", "at most 20m", "at most 2h", "times 0.5", "times 1.7"),
		Charge: of("charge", "exact", "as new", "steps of 1", "steps of 5"), DelayStep: seconds(rt, "delay step", 1, 60), CutsOnMains: rapid.Bool().Draw(rt, "cuts on mains")}
	if t.Charge == "as new" && t.Runtime == "times 1.7" {
		t.Load = "zero"
	}
	s.Rack.Tells = t
	s.Config.UPS[0].CutsOnMains = t.CutsOnMains && rapid.Bool().Draw(rt, "known to")
}

func randomPolicy(rt *rapid.T, s *config.Scenario) {
	b := config.Budgets{Drain: time.Minute, Halt: 2 * time.Minute, Park: time.Minute, Boot: 2 * time.Minute, Swarm: 40 * time.Second}
	p := config.Policy{RideThrough: time.Duration(seconds(rt, "ride", 0, 60)), StableFor: time.Duration(seconds(rt, "stable", 5, 120)), Reserve: time.Duration(seconds(rt, "reserve", 60, 180)),
		AssumedRuntime: 20 * time.Minute, AssumedEmpty: 50, LearnEmpty: rapid.IntRange(0, 4).Draw(rt, "learn") > 0, Disturbance: time.Duration(seconds(rt, "disturbance", 0, 300)),
		BaseWatts: 10, ParkLongest: 4 * time.Hour, Budgets: b, Strategy: rapid.SampledFrom([]string{"stages", "stretch"}).Draw(rt, "strategy")}
	var names []string
	for _, n := range s.Config.Nodes {
		if !n.UPSHost {
			names = append(names, n.Name)
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(rt, "stages") {
		if len(names) == 0 {
			break
		}
		st := config.Stage{Name: fmt.Sprintf("early %d", i), Shed: slices.Clone(names[:rapid.IntRange(1, len(names)).Draw(rt, "shed")]), Charge: float64(rapid.IntRange(0, 99).Draw(rt, "at charge")),
			OnBattery: time.Duration(seconds(rt, "after", 0, 3600)), By: rapid.SampledFrom([]string{"", "idle"}).Draw(rt, "by")}
		p.Stages = append(p.Stages, st)
	}
	p.Stages = append(p.Stages, config.Stage{Name: "all", OnBattery: time.Duration(rapid.SampledFrom([]int{0, 0, 300, 1800}).Draw(rt, "stop after")) * time.Second})
	s.Config.Policy = p
}

package config

import (
	"slices"
	"time"
)

func (c *checker) policy(cfg *Config) {
	p := &cfg.Policy
	for key, d := range map[string]time.Duration{"ride_through": p.RideThrough, "reserve": p.Reserve} {
		if d < 0 {
			c.wrong(path("policy", key), "want a time of 0s or more (got %s)", d)
		}
	}
	for key, d := range map[string]time.Duration{"stable_for": p.StableFor, "assumed_runtime": p.AssumedRuntime, "park_longest": p.ParkLongest} {
		if d <= 0 {
			c.wrong(path("policy", key), "want a time above 0s (got %s)", d)
		}
	}
	b := p.Budgets
	for key, d := range map[string]time.Duration{"drain": b.Drain, "halt": b.Halt, "park": b.Park, "boot": b.Boot, "swarm": b.Swarm} {
		if d <= 0 {
			c.wrong(path("policy", "budgets", key), "want a time above 0s (got %s)", d)
		}
	}
	c.between(path("policy", "assumed_empty"), p.AssumedEmpty, 90, "percent")
	if p.Strategy != "stages" && p.Strategy != "stretch" {
		c.wrong(path("policy", "strategy"), "want stages, or stretch to shed what the services do not need by itself (got %q)", p.Strategy)
	}
	if p.Strategy == "stretch" && cfg.SwarmNeed == 0 {
		c.wrong(path("policy", "strategy"), "stretch has to know how many nodes the services need: set swarm: {need: 2}, or so")
	}
	if p.Disturbance < 0 {
		c.wrong(path("policy", "disturbance"), "want a time of 0s or more (got %s)", p.Disturbance)
	}
	c.between(path("policy", "base_watts"), p.BaseWatts, mostWatts, "watts")
	c.between(path("policy", "restore_charge"), p.RestoreCharge, 100, "percent")
	if len(p.Stages) == 0 {
		p.Stages = []Stage{{Name: "all"}}
	}
	for i := range p.Stages {
		c.stage(cfg, i)
	}
}

func (c *checker) stage(cfg *Config, i int) {
	s, last := &cfg.Policy.Stages[i], i == len(cfg.Policy.Stages)-1
	if s.Name == "" {
		c.wrong(path("policy", "stages", i), "no name: give it one, such as name: early")
	}
	for k := range i {
		if cfg.Policy.Stages[k].Name == s.Name {
			c.wrong(path("policy", "stages", i, "name"), "there are two stages called %q: give each a name of its own", s.Name)
		}
	}
	c.between(path("policy", "stages", i, "charge"), s.Charge, 100, "percent")
	for key, d := range map[string]time.Duration{"on_battery": s.OnBattery, "runtime": s.Runtime} {
		if d < 0 {
			c.wrong(path("policy", "stages", i, key), "want a time of 0s or more (got %s)", d)
		}
	}
	if last {
		if len(s.Shed) > 0 {
			c.wrong(path("policy", "stages", i, "shed"), "the last stage stops every node: remove shed, or add a stage {name: all} after it")
		}
		return
	}
	if len(s.Shed) == 0 {
		c.wrong(path("policy", "stages", i), "no shed: name the nodes that it sheds; only the last stage stops all")
	}
	if s.Charge == 0 && s.OnBattery == 0 && s.Runtime == 0 {
		c.wrong(path("policy", "stages", i), "no trigger: give it charge (percent), on_battery or runtime (times)")
	}
	if s.By != "" && s.By != "idle" && s.By != "halt" {
		c.wrong(path("policy", "stages", i, "by"), "want idle or halt, or leave it out: halt where the node's wake is rtc, gpio or relay, else idle (got %q)", s.By)
	}
	for k, name := range s.Shed {
		n := slices.IndexFunc(cfg.Nodes, func(n Node) bool { return n.Name == name })
		switch {
		case n < 0:
			c.wrong(path("policy", "stages", i, "shed", k), "%q is no node of nodes: want %s", name, names(cfg.Nodes))
		case cfg.Nodes[n].UPSHost:
			c.wrong(path("policy", "stages", i, "shed", k), "%q has the UPS's cable and goes last: remove it here", name)
		case s.By == "halt" && !s.StayOff && !slices.Contains([]string{"rtc", "gpio", "relay"}, cfg.Nodes[n].Wake):
			c.wrong(path("policy", "stages", i, "by"), "nothing would wake %q before a power cycle: write by: idle, or stay_off: true if it may stay off", name)
		}
	}
}

package policy

import (
	"slices"
	"time"
)

// A Supposed is what to suppose of a rack that is not there; nil is not said.
type Supposed struct {
	Charge float64  // percent
	Load   *float64 // watts; the table of models says else
	// Health is what is left of a new battery's energy, in percent. With it
	// the battery is one that is known down to its end; without, one that no
	// outage has proven yet.
	Health *float64
}

// Suppose is an armed rack on mains with every node up and active and, as far as
// there are as many, three managers; and the rules with the draws that make the
// load that was asked for.
func Suppose(r Rules, what Supposed) (Rules, State) {
	s := Initial()
	s.Armed = true
	s.Seen.UPS = UPS{Power: OnMains, Contact: true, Charge: &what.Charge}
	s.Seen.Swarm = Swarm{Known: true, Quorum: true}
	for i, n := range r.Nodes {
		s.Seen.Nodes[n.Name] = Node{Connected: true, BootID: "1"}
		s.Seen.Swarm.Nodes = append(s.Seen.Swarm.Nodes, SwarmNode{ID: n.Name, Name: n.Name, Manager: i < 3, Leader: i == 0, Availability: "active", Ready: true})
	}
	if what.Load != nil {
		r = loaded(r, *what.Load)
	}
	watts := Load(r, s).Watts
	if what.Health == nil || r.UPS.BatteryWh == 0 || watts == 0 {
		return r, s
	}
	s.Battery.Lowest = new(0.0)
	wh := r.UPS.BatteryWh * *what.Health / 100
	percent := time.Duration(wh / 100 / (watts/inverterEfficiency + inverterWatts) * float64(time.Hour))
	s.Battery.Discharges = []Discharge{{Watts: watts, PerPercent: percent, Points: 100}}
	return r, s
}

// loaded is r with another load: the nodes draw what their models do and the rest
// is fed beside them, or they draw less, all by the same share.
func loaded(r Rules, watts float64) Rules {
	nodes := 0.0
	for _, n := range r.Nodes {
		nodes += busyWatts(n)
	}
	r.Nodes = slices.Clone(r.Nodes)
	for i, n := range r.Nodes {
		r.Nodes[i].Draw = busyWatts(n) * min(1, watts/max(nodes, 1))
	}
	r.BaseWatts = max(0, watts-nodes)
	return r
}

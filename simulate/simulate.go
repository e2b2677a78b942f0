package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"lastwatt/config"
	"lastwatt/policy"
	"lastwatt/simulate/yardstick"
)

// A Result is how a scenario went.
type Result struct {
	Scenario string `json:"scenario"`
	Policy   string `json:"policy"`
	Seed     uint64 `json:"seed"`
	// Outages are all of them, in their order.
	Outages []Outage `json:"outages"`
	// Service is the time on battery with the services up, ServicePossible
	// the most that anybody could have had; see package yardstick.
	Service         float64 `json:"service_s"`
	ServicePossible float64 `json:"service_possible_s"`
	// DirtyStops are machines that lost power before they had halted or
	// parked; DirtyAvoidable those of them whose outage left the time.
	DirtyStops     int `json:"dirty_stops"`
	DirtyAvoidable int `json:"dirty_avoidable"`
	// ridden are those of DirtyAvoidable that only a stop within the ride
	// through avoids, in which the owner lets nothing be touched.
	ridden int
	// FalseActions were begun on mains, without a commit.
	FalseActions     int      `json:"false_actions"`
	InvariantsBroken []string `json:"invariants_broken"`
}

// An Outage is one time without mains.
type Outage struct {
	ID        string          `json:"id"`
	At        float64         `json:"at"` // seconds
	Duration  float64         `json:"duration_s"`
	Committed bool            `json:"committed"`
	Cut       bool            `json:"cut"`
	Nodes     map[string]Fate `json:"nodes"`
	// Margin is what the battery would still have lasted when the outlets
	// went off; nil if they did not.
	Margin *float64 `json:"margin_s"`
	// Restored is the time from mains back until everything was as before;
	// below 0 is not before the next outage, or the end.
	Restored float64 `json:"restored_s"`
	// Service and Possible are this outage's share.
	Service  float64 `json:"service_s"`
	Possible float64 `json:"service_possible_s"`
}

// A Fate is what an outage did to one node.
type Fate struct {
	CleanStops int     `json:"clean_stops"`
	DirtyStops int     `json:"dirty_stops"`
	Off        float64 `json:"off_s"`
}

// afterwards is how long the rack is watched after the last return of mains.
const afterwards = 24 * time.Hour

// Run brings the scenario's rack through its outages, under the scenario's
// configuration. The same scenario and seed give the same result.
func Run(s config.Scenario, seed uint64) Result {
	return run(s, seed, "lastwatt", func(w *world) player {
		rules := s.Config.Rules()
		rules.UPS.DelayStep = max(rules.UPS.DelayStep, time.Duration(s.Rack.Tells.DelayStep))
		return newLastwatt(w, rules)
	})
}

// Story is what Run's policy did and said, a line each: for people.
func Story(s config.Scenario, seed uint64) []string {
	var lines []string
	run(s, seed, "lastwatt", func(w *world) player {
		rules := s.Config.Rules()
		rules.UPS.DelayStep = max(rules.UPS.DelayStep, time.Duration(s.Rack.Tells.DelayStep))
		l := newLastwatt(w, rules)
		l.tells = func(e policy.Effect) {
			if e.Kind != policy.Cancel {
				lines = append(lines, fmt.Sprintf("%12s  %3.0f %%  %s", w.now.Truncate(time.Second), w.battery.Percent(), said(e)))
			}
		}
		return l
	})
	return lines
}

func said(e policy.Effect) string {
	if e.Kind == policy.Tell {
		return e.Reason
	}
	text := "  " + string(e.Kind)
	if e.Node != "" {
		text += " " + e.Node
	}
	for _, c := range e.Changes {
		text += " " + c.Name + "=" + c.Availability
	}
	if e.Delay > 0 {
		text += " " + policy.Short(e.Delay)
	}
	return text + ": " + e.Reason
}

// Compare is Run, and the same outages under the ways people do it today.
func Compare(s config.Scenario, seed uint64) []Result {
	all := []Result{Run(s, seed)}
	for _, o := range others() {
		all = append(all, run(s, seed, o.name, func(w *world) player { o.w = w; return &o }))
	}
	return all
}

func run(s config.Scenario, seed uint64, name string, play func(*world) player) Result {
	w := newWorld(s)
	w.player = play(w)
	end := time.Duration(0)
	for _, a := range away(s.Mains, seed) {
		w.after(time.Duration(a.At), func() { w.setMains(false) })
		end = time.Duration(a.At + a.OffFor)
		w.after(end, func() { w.setMains(true) })
	}
	w.player.begin()
	w.poll()
	w.run(end + afterwards)
	w.end()
	return w.result(s, name, seed)
}

// away is when mains is away.
func away(m config.Mains, seed uint64) []config.Away {
	if m.Random == nil {
		return m.Off
	}
	r := rand.New(rand.NewPCG(seed, 0x1a57))
	var all []config.Away
	perYear := float64(365 * 24 * time.Hour)
	scale := float64(m.Random.Duration.Median) / (math.Pow(2, 1/m.Random.Duration.Alpha) - 1)
	for at := time.Duration(0); ; {
		at += time.Duration(r.ExpFloat64() / m.Random.RatePerYear * perYear)
		if at > time.Duration(m.Random.For) {
			return all
		}
		off := time.Duration(scale * (math.Pow(1-r.Float64(), -1/m.Random.Duration.Alpha) - 1))
		off = min(max(off, time.Second), 30*24*time.Hour)
		all = append(all, config.Away{At: config.Span(at), OffFor: config.Span(off)})
		at += off + time.Second
	}
}

// end holds the rack to what must be once mains has long been back. What a fault that
// lasts still holds back is nobody's doing.
func (w *world) end() {
	w.settled()
	for _, n := range w.nodes {
		if n.state != up && n.truth.Wake != "manual" && !n.faulty() {
			w.breaks("invariant 6: %s is %s a day after mains came back", n.name, n.state)
		}
		if n.availability != "active" && !w.deaf && w.quorum() {
			w.breaks("invariant 7: %s is %s, and was active", n.name, n.availability)
		}
	}
}

func (w *world) result(s config.Scenario, name string, seed uint64) Result {
	r := Result{Scenario: s.Path, Policy: name, Seed: seed, Outages: []Outage{}, FalseActions: w.falsely, InvariantsBroken: slices.Clone(w.broken)}
	if r.InvariantsBroken == nil {
		r.InvariantsBroken = []string{}
	}
	for i, spell := range w.spells {
		o := spell.outage(fmt.Sprintf("o%d", i+1), w.now)
		r.Service += o.Service
		r.ServicePossible += o.Possible
		for _, f := range o.Nodes {
			r.DirtyStops += f.DirtyStops
			if yardstick.Stoppable(spell.rack, 0) {
				r.DirtyAvoidable += f.DirtyStops
				if !yardstick.Stoppable(spell.rack, s.Config.Policy.RideThrough) {
					r.ridden += f.DirtyStops
				}
			}
		}
		r.Outages = append(r.Outages, o)
	}
	return r
}

package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// words are what follows a command in its line.
type words struct {
	t    fataler
	line string
	f    []string
}

// at is the word at i, and nothing where there are fewer.
func (a words) at(i int) string {
	if i < len(a.f) {
		return a.f[i]
	}
	return ""
}

// but is all but the last word.
func (a words) but() string { return strings.Join(a.f[:max(0, len(a.f)-1)], " ") }

func (a words) last() string { return a.at(len(a.f) - 1) }

func (a words) time(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		a.t.Fatalf("%q: %v", a.line, err)
	}
	return d
}

func (a words) number(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		a.t.Fatalf("%q: %v", a.line, err)
	}
	return n
}

// commands are the words of the scenarios' language: the rules, the rack, what
// happens to it, and what must be so. The rack is four nodes, of which node01
// holds the UPS's cable and the first three are managers; its full battery
// lasts 40 minutes. See rackRules.
func commands() map[string]func(*world, words) {
	all := map[string]func(*world, words){}
	for _, part := range []map[string]func(*world, words){ruleWords(), rackWords(), unitWords(), eventWords(), claimWords()} {
		for name, do := range part {
			all[name] = do
		}
	}
	return all
}

// ruleWords change what is configured.
func ruleWords() map[string]func(*world, words) {
	return map[string]func(*world, words){
		"observe": func(w *world, _ words) { w.state.Armed = false },
		"no-cut":  func(w *world, _ words) { w.rules.UPS.Cut = false },
		"stage-time": func(w *world, a words) {
			w.rules.Stages[len(w.rules.Stages)-1].OnBattery = a.time(a.at(0))
		},
		"stages": func(w *world, a words) { w.rules.Stages = stages(a) },
		"stay-off": func(w *world, _ words) {
			w.rules.Stages[0].By, w.rules.Stages[0].StayOff = "halt", true
		},
		"need": func(w *world, a words) { w.rules.SwarmNeed = int(a.number(a.at(0))) },
		"stretch": func(w *world, a words) {
			w.rules.Stretch, w.rules.Disturbance = true, a.time(a.at(0))
			w.rules.Stages = []Stage{{Name: "all"}}
		},
		"wake": func(w *world, a words) {
			for i := range w.rules.Nodes {
				if w.rules.Nodes[i].Name == a.at(0) {
					w.rules.Nodes[i].Wake = a.at(1)
				}
			}
		},
		"hot": func(w *world, a words) { // a fan stands still, and the node heats up
			w.send(Heat{Node: a.at(0), Hot: true})
		},
		"delay-step": func(w *world, a words) { w.rules.UPS.DelayStep = a.time(a.at(0)) },
		"budget": func(w *world, a words) {
			b := &w.rules.Budgets
			*map[string]*time.Duration{"drain": &b.Drain, "halt": &b.Halt, "park": &b.Park, "boot": &b.Boot}[a.at(0)] = a.time(a.at(1))
		},
	}
}

// stages reads "early charge=50 shed=node04,node03 by=idle / all on_battery=5m".
func stages(a words) []Stage {
	var all []Stage
	for _, text := range strings.Split(strings.Join(a.f, " "), "/") {
		f := strings.Fields(text)
		st := Stage{Name: f[0]}
		for _, word := range f[1:] {
			switch key, v, _ := strings.Cut(word, "="); key {
			case "charge":
				st.Charge = a.number(v)
			case "on_battery":
				st.OnBattery = a.time(v)
			case "runtime":
				st.Runtime = a.time(v)
			case "shed":
				st.Shed = strings.Split(v, ",")
			case "by":
				st.By = v
			default:
				a.t.Fatalf("%q: unknown key %q of a stage", a.line, key)
			}
		}
		all = append(all, st)
	}
	return all
}

// rackWords change what the rack is like, and how long things take.
func rackWords() map[string]func(*world, words) {
	return map[string]func(*world, words){
		"battery": func(w *world, a words) { w.lasts = a.time(a.at(0)) },
		"charge":  func(w *world, a words) { w.charge = a.number(a.at(0)) },
		"slow":    func(w *world, a words) { w.slow[a.but()] = a.time(a.last()) },
		"fail":    func(w *world, a words) { w.fail[a.but()] = int(a.number(a.last())) },
		"off-takes": func(w *world, a words) {
			w.nodes[a.at(0)].off = a.time(a.at(1))
		},
		"closes-early": func(w *world, a words) { w.nodes[a.at(0)].closes = a.time(a.at(1)) },
		"boot-takes":   func(w *world, a words) { w.nodes[a.at(0)].boots = a.time(a.at(1)) },
		"stutters":     func(w *world, _ words) { w.stutters = true },
		"drained": func(w *world, a words) {
			for i := range w.swarm {
				if w.swarm[i].Name == a.at(0) {
					w.swarm[i].Availability, w.before[i].Availability = "drain", "drain"
					w.drained[a.at(0)] = 0
				}
			}
			w.sendSwarm()
		},
		"managers": func(w *world, a words) {
			for i := range w.swarm {
				n := &w.swarm[i]
				n.Manager, n.Leader = slices.Contains(a.f, n.Name), n.Name == a.at(0)
			}
			w.sendSwarm()
		},
	}
}

// unitWords change how the UPS behaves and what it tells.
func unitWords() map[string]func(*world, words) {
	return map[string]func(*world, words){
		"blind": func(w *world, _ words) { w.blind = true },
		"as-new": func(w *world, a words) { // the gauge believes that the battery holds more than it does
			w.asNew = a.time(a.at(0))
		},
		"no-cut-unit": func(w *world, _ words) { // it does not cut while mains is there, and that is known
			w.rules.UPS.CutsOnMains, w.noCut = false, true
		},
		"reenumerates":     func(w *world, a words) { w.unit.reenumerates = a.time(a.at(0)) },
		"counts-minutes":   func(w *world, _ words) { w.unit.minutes = true },
		"on-without-mains": func(w *world, a words) { w.unit.onAnyway = a.time(a.at(0)) },
		"low-flag":         func(w *world, a words) { w.lies.low = a.at(0) == "on" },
		"testing":          func(w *world, a words) { w.lies.unknown = a.at(0) == "on" },
		"tells-runtime": func(w *world, a words) {
			if w.lies.runtime = nil; a.at(0) != "truth" {
				w.lies.runtime = new(a.time(a.at(0)))
			}
		},
		"tells-load": func(w *world, a words) { w.lies.load = new(a.number(a.at(0))) },
	}
}

// eventWords are what happens to the rack.
func eventWords() map[string]func(*world, words) {
	return map[string]func(*world, words){
		"mains": func(w *world, a words) { w.setMains(a.at(0) == "on") },
		"contact": func(w *world, a words) {
			w.setContact(a.at(0) == "back")
		},
		"link": func(w *world, a words) {
			w.nodes[a.at(0)].cutOff = a.at(1) == "lost"
			w.seen(a.at(0))
		},
		"false-low": func(w *world, _ words) { w.send(Reading{Power: OnMains, Charge: new(100.0), Low: true}) },
		"damaged": func(w *world, _ words) { // a reading that is not true
			w.send(Reading{Power: OnBattery, Charge: new(1.0), Runtime: new(20 * time.Second), Load: new(4.0)})
		},
		"order":      func(w *world, a words) { w.send(Operator{Order: a.at(0), By: "alice"}) },
		"power-gone": func(w *world, _ words) { w.cutPower("the battery is empty") }, // while everything runs
		"crash": func(w *world, _ words) {
			w.up = false
			w.restart(false)
		},
		"kill":    func(w *world, _ words) { w.up = false },
		"restart": func(w *world, _ words) { w.restart(false) },
		"reboots": func(w *world, a words) { w.reboot(a.at(0)) },
		"dies": func(w *world, a words) { // for good
			m := w.nodes[a.at(0)]
			m.on, m.dead = false, true
			w.seen(a.at(0))
		},
	}
}

// claimWords say what must be so at that moment.
func claimWords() map[string]func(*world, words) {
	return map[string]func(*world, words){
		"settled": func(w *world, _ words) { w.settled() },
		"clean": func(w *world, _ words) { // no node lost power while it ran
			for _, n := range w.rules.Nodes {
				if w.nodes[n.Name].dirty > 0 {
					w.fault("%s lost power while it ran", n.Name)
				}
			}
		},
		"all-up": func(w *world, _ words) {
			for _, n := range w.rules.Nodes {
				if m := w.nodes[n.Name]; !m.on || m.parked || m.idle {
					w.fault("%s is not up with its services", n.Name)
				}
			}
		},
	}
}

package policy

import (
	"fmt"
	"time"
)

func (w *world) do(e Effect) {
	switch e.Kind {
	case Tell:
		w.logf("tell %s: %s", e.Story, e.Reason)
		return
	case Cancel:
		return
	}
	w.logf("%s%s%s", e.Kind, detail(e), map[bool]string{true: " (" + e.Reason + ")"}[e.Reason != ""])
	boot := w.boot
	key := string(e.Kind)
	if w.fail[key+" "+e.Node] > 0 || w.fail[key] > 0 {
		w.fail[key]--
		w.fail[key+" "+e.Node]--
		w.after(time.Second, func() { w.answer(boot, Result{ID: e.ID, Outcome: Failed, Text: "the test says no"}) })
		return
	}
	took := time.Second
	if d, ok := w.slow[key]; ok {
		took = d
	}
	if d, ok := w.slow[key+" "+e.Node]; ok {
		took = d
	}
	w.after(took, func() {
		if !w.up || boot != w.boot {
			return
		}
		if e.Kind == DoAwait && !w.allDrained(e.Nodes) {
			w.answer(boot, Result{ID: e.ID, Outcome: Failed, Text: "tasks still run"})
			return
		}
		if m := w.nodes[e.Node]; m != nil && (!m.on && e.Kind != DoWake || m.cutOff) {
			w.answer(boot, Result{ID: e.ID, Outcome: Failed, Text: e.Node + " is not connected"})
			return
		}
		if (e.Kind == DoChange || e.Kind == DoSnapshot || e.Kind == DoAwait) && !w.quorum() {
			w.answer(boot, Result{ID: e.ID, Outcome: Failed, Text: "the Swarm has no leader"})
			return
		}
		if w.unit.minutes && e.Kind == DoCut {
			e.Delay = e.Delay.Truncate(time.Minute)
		}
		w.carryOut(e)
		w.answer(boot, Result{ID: e.ID, Outcome: Done, Delay: e.Delay})
	})
}

// answer gives the result of an effect, twice where the link stutters.
func (w *world) answer(boot int, r Result) {
	if w.up && boot == w.boot {
		w.send(r)
	}
	if w.stutters && w.up && boot == w.boot {
		w.send(r)
	}
}

func detail(e Effect) string {
	s := ""
	if e.Node != "" {
		s += " " + e.Node
	}
	for _, c := range e.Changes {
		s += fmt.Sprintf(" %s=%s", c.Name, c.Availability)
	}
	if e.Delay > 0 {
		s += " " + Short(e.Delay)
	}
	return s
}

func (w *world) carryOut(e Effect) {
	switch e.Kind {
	case DoSnapshot:
		w.sendSwarm()
	case DoChange:
		for _, c := range e.Changes {
			for i := range w.swarm {
				if w.swarm[i].ID == c.ID {
					w.swarm[i].Availability = c.Availability
					switch _, drained := w.drained[c.Name]; {
					case c.Availability == "active":
						delete(w.drained, c.Name)
						w.nodes[c.Name].idle = false
					case c.Availability == "drain" && !drained: // paused after it, nothing comes back
						w.drained[c.Name] = w.now + w.slow["await"]
					}
				}
			}
		}
	case DoClear:
		w.nodes[e.Node].idle = true
	case DoWake:
		w.start(e.Node)
	case DoHalt:
		w.halt(e)
	case DoPark:
		m := w.nodes[e.Node]
		m.parked = true
		m.timer++
		boot, timer := m.boot, m.timer
		w.after(e.Delay, func() {
			if m.on && m.parked && m.boot == boot && m.timer == timer {
				w.reboot(e.Node)
			}
		})
		w.send(NodeSeen{Node: e.Node, Connected: true, BootID: w.bootID(e.Node), Parked: true})
	case DoReboot:
		w.reboot(e.Node)
	case DoCut:
		w.armCut(e.Delay)
	}
}

// halt takes the order at once; the machine is off later.
func (w *world) halt(e Effect) {
	m := w.nodes[e.Node]
	boot := m.boot
	if m.closes > 0 {
		w.after(m.off-m.closes, func() { w.send(NodeSeen{Node: e.Node}) })
	}
	w.after(m.off, func() {
		if !m.on || m.boot != boot {
			return
		}
		had := w.quorum()
		m.on = false
		w.quorumKept(had)
		w.send(NodeSeen{Node: e.Node})
		if e.Delay == 0 {
			return
		}
		w.after(e.Delay, func() {
			if !m.on && m.boot == boot && w.outlets {
				w.start(e.Node)
			}
		})
	})
}

func (w *world) armCut(delay time.Duration) {
	w.cutAt = w.now + delay
	at := w.cutAt
	w.after(delay, func() {
		if w.cutAt == at && !(w.mains && w.noCut) {
			w.cutPower("the cut")
		}
	})
}

func (w *world) reboot(name string) {
	m := w.nodes[name]
	m.on, m.parked = false, false
	host, _ := (&core{r: w.rules}).host()
	w.send(NodeSeen{Node: name})
	if name == host.Name {
		w.up = false
	}
	w.start(name)
}

package policy

import (
	"fmt"
	"testing"
	"time"
)

// A quorumRow is a rack whose Swarm has so many managers, of which so many died
// before the outage; the leader is the one at its place.
type quorumRow struct {
	managers, lost, leader int
	// hostWorks puts the UPS's cable on the first node that is no manager.
	hostWorks bool
	// pulses lets a pulse wake every node, so that the early stage halts what
	// it may.
	pulses bool
}

func (r quorumRow) name() string {
	return fmt.Sprintf("%d managers, %d lost, leader node%02d, host works %v, pulses %v", r.managers, r.lost, r.leader+1, r.hostWorks, r.pulses)
}

// quorumRows are racks of 1, 3, 4, 5 and 7 managers, with every number of them
// lost before and the leader on any that is left. The last ones are lost.
func quorumRows() []quorumRow {
	var all []quorumRow
	for _, managers := range []int{1, 3, 4, 5, 7} {
		for lost := range managers {
			for leader := range managers - lost {
				for i := range 4 {
					all = append(all, quorumRow{managers, lost, leader, i&1 == 1, i&2 == 2})
				}
			}
		}
	}
	return all
}

// world is the row's rack: the managers and at least one node more, four at least.
func (r quorumRow) world(t *testing.T) *world {
	rules := rackRules()
	rules.Nodes, rules.SwarmNeed = nil, 1
	host := 0
	if r.hostWorks {
		host = r.managers
	}
	var shed []string
	for i := range max(4, r.managers+1) {
		n := NodeRules{Name: fmt.Sprintf("node%02d", i+1), Wake: "ups", UPSHost: i == host}
		if r.pulses {
			n.Wake = "gpio"
		}
		if i != host && i != 1 { // one stays for the services
			shed = append(shed, n.Name)
		}
		rules.Nodes = append(rules.Nodes, n)
	}
	rules.Stages = []Stage{{Name: "early", OnBattery: time.Minute, Shed: shed}, {Name: "all", OnBattery: 6 * time.Minute}}
	w := newWorld(t, rules)
	for i := range w.swarm {
		w.swarm[i].Manager, w.swarm[i].Leader = i < r.managers, i == r.leader
		if i < r.managers && i >= r.managers-r.lost {
			w.nodes[w.swarm[i].Name].on, w.nodes[w.swarm[i].Name].dead = false, true
			w.seen(w.swarm[i].Name)
		}
	}
	w.sendSwarm()
	return w
}

// TestEveryNumberOfManagersIsBroughtThroughAnOutage brings such racks through a
// shed, a full stop and the return of mains, with invariants 4, 5, 6 and 7 of the
// design held at each step.
func TestEveryNumberOfManagersIsBroughtThroughAnOutage(t *testing.T) {
	for _, r := range quorumRows() {
		t.Run(r.name(), func(t *testing.T) {
			w := r.world(t)
			w.run(10 * time.Minute)
			quorum := w.quorum()
			w.setMains(false)
			w.run(15 * time.Minute)
			shed := w.state.Phase
			w.run(time.Hour)
			off := !w.outlets
			w.setMains(true)
			w.run(12 * time.Hour)
			w.settled()
			want := map[bool]Phase{true: Shedding, false: Riding}[quorum] // without one nothing could move
			if shed != want || !off {
				t.Errorf("after 5 minutes on battery it was %s, and the outlets went off: %v", shed, off)
			}
			if last := w.state.Last; last == nil || !last.Committed || len(last.Unclean) > 0 || len(last.Short) > 0 {
				t.Errorf("the outage ended as %+v", last)
			}
			for name, m := range w.nodes {
				if m.dirty > 0 {
					t.Errorf("%s lost power while it ran", name)
				}
			}
			if quorum != (r.lost <= (r.managers-1)/2) {
				t.Errorf("quorum before the outage: %v", quorum)
			}
			for _, b := range w.broken {
				t.Error(b)
			}
			if t.Failed() {
				t.Log(w.log.String())
			}
		})
	}
}

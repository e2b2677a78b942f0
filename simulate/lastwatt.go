package simulate

import (
	"fmt"
	"slices"
	"time"

	"lastwatt/policy"
)

// latency is what an order takes to its node and to be begun.
const latency = time.Second

// lastwatt is the real core of the policy as a player.
type lastwatt struct {
	w      *world
	rules  policy.Rules
	state  policy.State
	up     bool // its process
	boots  int
	told   int                   // times on battery
	tells  func(e policy.Effect) // where somebody wants the story
	leases map[string]lease      // the last that each node got
	looked time.Duration         // at the Swarm
	// written is the state as it was when the controller's machine parked:
	// nothing can be written down after that.
	written *policy.State
}

// A lease is what a node's agent was told last, and when.
type lease struct {
	policy.Lease
	at time.Duration
}

// swarmEvery is how often the Swarm is looked at.
const swarmEvery = time.Minute

func newLastwatt(w *world, r policy.Rules) *lastwatt {
	l := &lastwatt{w: w, rules: r, state: policy.Initial(), up: true, boots: 1, leases: map[string]lease{}}
	l.state.Armed = true
	return l
}

func (l *lastwatt) begin() {
	l.send(policy.Started{BootID: fmt.Sprintf("controller-%d", l.boots)})
	for _, n := range l.w.nodes {
		l.seen(n)
	}
	l.swarm()
	if !l.w.deaf {
		l.reading()
	}
}

func (l *lastwatt) busy() bool {
	return l.state.Outage != nil || slices.ContainsFunc(l.w.nodes, func(n *node) bool { return n.state != up })
}

func (l *lastwatt) wake() (time.Duration, bool) {
	if !l.up {
		return 0, false
	}
	return policy.Wake(l.rules, l.state)
}

func (l *lastwatt) tick() { l.send(policy.Tick{}) }

func (l *lastwatt) reading() {
	charge, load, runtime := l.w.says()
	r := policy.Reading{Power: policy.OnMains, Charge: &charge, Load: &load, Runtime: &runtime, Low: l.w.low || charge <= 10}
	if !l.w.mains {
		r.Power = policy.OnBattery
	}
	if l.w.now >= l.looked+swarmEvery {
		l.looked = l.w.now
		l.swarm()
	}
	l.send(r)
}

func (l *lastwatt) contact(lost bool) { l.send(policy.Contact{Lost: lost}) }

// swarm sends the Swarm as a manager that can be reached sees it.
func (l *lastwatt) swarm() {
	s := policy.Swarm{Known: true, Quorum: l.w.quorum()}
	s.Absent = !slices.ContainsFunc(l.w.nodes, func(n *node) bool { return n.truth.Manager })
	leader := false
	for _, n := range l.w.nodes {
		m := policy.SwarmNode{ID: "id-" + n.name, Name: n.name, Manager: n.truth.Manager, Availability: n.availability, Ready: n.state == up}
		m.Leader = m.Manager && m.Ready && !leader
		leader = leader || m.Leader
		s.Nodes = append(s.Nodes, m)
	}
	if !s.Quorum {
		s.Nodes = nil
	}
	l.send(policy.SwarmSeen{Swarm: s})
}

func (l *lastwatt) seen(n *node) {
	if n.truth.UPSHost && !n.on() {
		l.up = false // the controller goes with its machine
		l.orphans()
	}
	if n.truth.UPSHost && n.state == parked {
		l.written = new(l.state.Clone())
	}
	if !n.on() {
		delete(l.leases, n.name) // an agent that starts knows of none
	}
	connected := n.linked && (n.state == up || n.state == halting || n.state == parking || n.state == parked)
	if !connected {
		l.orphan(n)
	}
	l.send(policy.NodeSeen{Node: n.name, Connected: connected, BootID: fmt.Sprintf("%s-%d", n.name, n.boot), Parked: n.state == parked})
}

func (l *lastwatt) killed(on bool) {
	if on {
		l.up = false
		l.orphans()
		return
	}
	if slices.ContainsFunc(l.w.nodes, func(n *node) bool { return n.truth.UPSHost && !n.on() }) {
		return
	}
	l.again()
}

func (l *lastwatt) powered() {
	l.boots++
	if l.written != nil {
		l.state, l.written = *l.written, nil
	}
	l.again()
}

func (l *lastwatt) again() {
	l.up = true
	l.begin()
}

func (l *lastwatt) orphans() {
	for _, n := range l.w.nodes {
		l.orphan(n)
	}
}

// orphan lets a node do what its last lease says, if it hears nothing more.
func (l *lastwatt) orphan(n *node) {
	held := l.leases[n.name]
	if held.ParkAfter <= 0 || n.state != up {
		return
	}
	l.w.after(held.ParkAfter, func() {
		if l.leases[n.name] == held && !(l.up && n.linked) && !n.dead {
			n.park(held.ParkLongest, func() {})
		}
	})
}

func (l *lastwatt) send(what policy.What) {
	if !l.up {
		return
	}
	var effects []policy.Effect
	l.state, effects = policy.Step(l.rules, l.state, policy.Event{At: l.w.now, What: what})
	l.vote()
	for _, e := range effects {
		l.check(e)
		if l.tells != nil {
			l.tells(e)
		}
		l.do(e)
	}
	told := lease{policy.LeaseFor(l.rules, l.state), l.w.now}
	for _, n := range l.w.nodes {
		if !n.linked || !n.on() || n.state == booting {
			continue
		}
		l.leases[n.name] = told
		if told.Release && n.state == parked {
			boot := n.boot
			l.w.after(2*time.Second, func() {
				if n.state == parked && n.boot == boot {
					n.reboot()
				}
			})
		}
	}
	if s := l.w.spell(); s != nil && l.state.Outage != nil {
		s.committed = s.committed || l.state.Outage.Committed
		s.cut = s.cut || l.state.Outage.Cut
	}
}

// do carries an effect out, a moment later, as the agents would.
func (l *lastwatt) do(e policy.Effect) {
	boots := l.boots
	answer := func(o policy.Outcome, text string, delay time.Duration) {
		if l.boots == boots {
			l.send(policy.Result{ID: e.ID, Outcome: o, Text: text, Delay: delay})
		}
	}
	done := func() { answer(policy.Done, "", 0) }
	var n *node
	if i := slices.IndexFunc(l.w.nodes, func(n *node) bool { return n.name == e.Node }); i >= 0 {
		n = l.w.nodes[i]
	}
	l.w.after(latency, func() {
		switch e.Kind {
		case policy.Tell, policy.Cancel:
		case policy.DoSnapshot:
			l.swarm()
			done()
		case policy.DoChange:
			if !l.w.quorum() {
				answer(policy.Failed, "the Swarm has no quorum", 0)
				return
			}
			l.change(e.Changes)
			done()
		case policy.DoAwait:
			l.await(e, done)
		case policy.DoCut:
			if l.w.deaf {
				answer(policy.Failed, "the UPS does not answer", 0)
				return
			}
			answer(policy.Done, "", l.w.arm(e.Delay))
		case policy.DoVerify:
			l.w.after(5*time.Second, done)
		case policy.DoWake:
			if n.truth.Wake != "gpio" && n.truth.Wake != "relay" {
				answer(policy.Failed, "nothing wakes it", 0)
				return
			}
			n.wake()
			done()
		default:
			if n == nil || !n.linked || !n.on() || n.state == booting {
				answer(policy.Failed, "no agent", 0)
				return
			}
			l.order(e, n, done)
		}
	})
}

func (l *lastwatt) order(e policy.Effect, n *node, done func()) {
	switch e.Kind {
	case policy.DoHalt:
		n.halt()
		n.alarm(e.Delay)
		done()
	case policy.DoPark:
		n.park(e.Delay, done)
	case policy.DoReboot:
		n.reboot()
		done()
	case policy.DoClear:
		boot := n.boot
		l.w.after(time.Duration(n.truth.Drain), func() {
			if n.boot == boot && !n.hangsDrain {
				n.idle = true
				done()
			}
		})
	}
}

func (l *lastwatt) change(changes []policy.Change) {
	for _, c := range changes {
		for _, n := range l.w.nodes {
			if n.name == c.Name {
				n.set(c.Availability)
			}
		}
	}
}

// await answers once nothing runs on the nodes, or never.
func (l *lastwatt) await(e policy.Effect, done func()) {
	for _, n := range l.w.nodes {
		if slices.Contains(e.Nodes, "id-"+n.name) && n.state == up && !n.drained() {
			if l.w.now < e.Deadline {
				l.w.after(latency, func() { l.await(e, done) })
			}
			return
		}
	}
	done()
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A world is a rack that obeys: a battery, four nodes and a Swarm, on a clock
// of its own. It carries out effects, feeds events, and checks the invariants
// at every step.
type world struct {
	t     fataler
	rules Rules
	state State
	now   time.Duration
	last  time.Duration // when the battery was last reckoned
	log   strings.Builder
	queue []queued
	seq   int

	mains    bool
	contact  bool
	blind    bool          // the UPS gives no figures
	flat     bool          // the battery falls as fast at any load
	asNew    time.Duration // what the gauge believes a full battery to last; 0 is the truth
	charge   float64
	lasts    time.Duration // a full battery
	recharge time.Duration
	outlets  bool
	cutAt    time.Duration
	noCut    bool // the unit does not cut while mains is on
	up       bool // the controller
	boot     int
	nodes    map[string]*machine
	swarm    []SwarmNode
	drained  map[string]time.Duration // since when nothing runs there
	before   []SwarmNode
	slow     map[string]time.Duration // an effect's own time, by kind or "kind node"
	fail     map[string]int           // effects that fail, so many times
	outages  int
	broken   []string
}

// A fataler is a test that can end.
type fataler interface{ Fatalf(string, ...any) }

type machine struct {
	on, parked bool
	idle       bool // nothing runs on it
	boot       int
	dirty      int
}

type queued struct {
	at  time.Duration
	seq int
	run func()
}

func newWorld(t fataler, r Rules) *world {
	w := &world{t: t, rules: r, state: Initial(), mains: true, contact: true, charge: 100, lasts: 40 * time.Minute,
		recharge: 4 * time.Hour, outlets: true, up: true, boot: 1, nodes: map[string]*machine{},
		drained: map[string]time.Duration{}, slow: map[string]time.Duration{}, fail: map[string]int{}}
	w.state.Armed = true
	for i, n := range r.Nodes {
		w.nodes[n.Name] = &machine{on: true, boot: 1}
		w.swarm = append(w.swarm, SwarmNode{ID: "id" + n.Name[4:], Name: n.Name, Manager: i < 3, Leader: i == 0, Availability: "active", Ready: true})
	}
	w.before = slices.Clone(w.swarm)
	w.send(Started{BootID: "boot1"})
	w.sendNodes()
	w.sendSwarm()
	w.every()
	return w
}

func rackRules() Rules {
	r := Rules{
		UPS:         UPSRules{Name: "main", Cut: true, CutsOnMains: true, DelayStep: time.Minute},
		RideThrough: 30 * time.Second, StableFor: 90 * time.Second, Reserve: 2 * time.Minute,
		Budgets: DefaultBudgets(), UnknownChargeWait: 10 * time.Minute, AssumedRuntime: 20 * time.Minute, LearnEmpty: true, AssumedEmpty: 50, BaseWatts: 10, ParkLongest: 4 * time.Hour,
		Stages: []Stage{{Name: "early", Charge: 50, Shed: []string{"node04"}, By: "idle"}, {Name: "all"}}, SwarmNeed: 2,
	}
	for i := range 4 {
		r.Nodes = append(r.Nodes, NodeRules{Name: fmt.Sprintf("node%02d", i+1), Wake: "ups", UPSHost: i == 0, Tier: 1})
	}
	return r
}

func (w *world) after(d time.Duration, run func()) {
	w.seq++
	w.queue = append(w.queue, queued{w.now + d, w.seq, run})
}

// every is what goes on by itself: a reading each ten seconds, each minute on
// mains.
func (w *world) every() {
	w.advance(w.now - w.last)
	w.last = w.now
	if w.up && w.contact {
		w.read()
	}
	if w.up {
		w.sendSwarm()
	}
	again := 10 * time.Second
	if w.mains && w.state.Phase != Recovering {
		again = time.Minute
	}
	w.after(again, w.every)
}

func (w *world) advance(d time.Duration) {
	if w.mains {
		w.charge = min(100, w.charge+100*float64(d)/float64(w.recharge))
	} else if w.outlets {
		if w.charge = w.charge - 100*w.heavy()*float64(d)/float64(w.lasts); w.charge <= 0 {
			w.charge = 0
			w.cutPower("the battery is empty")
		}
	}
}

// heavy is the load as a share of the full one.
func (w *world) heavy() float64 {
	if w.flat {
		return 1
	}
	full, now := w.rules.BaseWatts+inverterWatts, w.rules.BaseWatts+inverterWatts
	for _, n := range w.rules.Nodes {
		m := w.nodes[n.Name]
		full += busyWatts(n)
		switch {
		case !m.on:
		case m.parked || m.idle:
			now += idleWatts(n)
		default:
			now += busyWatts(n)
		}
	}
	return now / full
}

func (w *world) read() {
	r := Reading{Power: OnMains}
	if !w.mains {
		r.Power = OnBattery
	}
	if !w.blind {
		whole := float64(int(w.charge))
		if w.asNew > 0 {
			whole = float64(int(100 - (100-w.charge)*float64(w.lasts)/float64(w.asNew)))
		}
		r.Charge, r.Load = &whole, new(4.0)
		r.Runtime = new(time.Duration(w.charge / 100 * float64(w.lasts)).Truncate(time.Second))
	}
	w.send(r)
}

func (w *world) setMains(on bool) {
	if w.mains == on {
		return
	}
	w.advance(w.now - w.last)
	w.last, w.mains = w.now, on
	w.logf("%s", map[bool]string{true: "MAINS BACK", false: "MAINS LOST"}[on])
	if !on && w.state.Outage == nil {
		w.outages++
	}
	if on && !w.outlets {
		w.after(10*time.Second, w.powerUp)
	}
	if w.up && w.contact {
		w.read()
	}
}

func (w *world) cutPower(why string) {
	if !w.outlets {
		return
	}
	w.logf("OUTLETS OFF: %s", why)
	w.outlets, w.cutAt = false, 0
	for _, n := range w.rules.Nodes {
		m := w.nodes[n.Name]
		if m.on && !m.parked {
			m.dirty++
			w.logf("%s lost power while it ran", n.Name)
		}
		m.on, m.parked = false, false
	}
	if _, fed := (&core{r: w.rules}).host(); fed {
		w.up = false
	}
	if w.mains {
		w.after(10*time.Second, w.powerUp)
	}
}

func (w *world) powerUp() {
	if w.outlets || !w.mains {
		return
	}
	w.outlets = true
	w.logf("OUTLETS ON")
	for _, n := range w.rules.Nodes {
		w.start(n.Name, 40*time.Second)
	}
}

// start boots a machine; the controller's host brings the controller.
func (w *world) start(name string, took time.Duration) {
	m := w.nodes[name]
	m.boot++
	boot := m.boot
	w.after(took, func() {
		if !w.outlets || m.boot != boot {
			return
		}
		m.on, m.parked, m.idle = true, false, false
		host, _ := (&core{r: w.rules}).host()
		if name == host.Name && !w.up {
			w.restart(true)
		}
		if w.up {
			w.send(NodeSeen{Node: name, Connected: true, BootID: w.bootID(name)})
		}
	})
}

func (w *world) bootID(name string) string { return fmt.Sprintf("%s-%d", name, w.nodes[name].boot) }

// restart brings the controller back, from its durable state.
func (w *world) restart(reboot bool) {
	w.reread()
	if reboot {
		w.boot++
	}
	w.up = true
	w.send(Started{BootID: fmt.Sprintf("boot%d", w.boot)})
	w.sendNodes()
	if w.contact {
		w.read()
	}
}

func (w *world) sendNodes() {
	for _, n := range w.rules.Nodes {
		m := w.nodes[n.Name]
		if m.on {
			w.send(NodeSeen{Node: n.Name, Connected: true, BootID: w.bootID(n.Name), Parked: m.parked})
		}
	}
}

func (w *world) sendSwarm() {
	s := Swarm{Known: true}
	managers := 0
	for i := range w.swarm {
		m := w.nodes[w.swarm[i].Name]
		w.swarm[i].Ready = m.on && !m.parked
		if w.swarm[i].Manager && w.swarm[i].Ready {
			managers++
		}
	}
	if s.Quorum = managers >= 2; s.Quorum {
		s.Nodes = slices.Clone(w.swarm)
	}
	w.send(SwarmSeen{s})
}

func (w *world) send(what What) {
	if !w.up {
		return
	}
	before := w.state
	var effects []Effect
	w.state, effects = Step(w.rules, before, Event{At: w.now, What: what})
	if before.Phase != w.state.Phase {
		w.logf("phase %s", w.state.Phase)
	}
	for _, e := range effects {
		w.check(e)
		w.do(e)
	}
}

func (w *world) do(e Effect) {
	switch e.Kind {
	case Tell:
		w.logf("tell %s: %s", e.Story, e.Reason)
		return
	case Cancel:
		return
	}
	w.logf("%s%s%s", e.Kind, detail(e), map[bool]string{true: " (" + e.Reason + ")"}[e.Reason != ""])
	outage, boot := e.Outage, w.boot
	key := string(e.Kind)
	if w.fail[key+" "+e.Node] > 0 || w.fail[key] > 0 {
		w.fail[key]--
		w.fail[key+" "+e.Node]--
		w.after(time.Second, func() { w.answer(boot, outage, Result{ID: e.ID, Outcome: Failed, Text: "the test says no"}) })
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
			w.answer(boot, outage, Result{ID: e.ID, Outcome: Failed, Text: "tasks still run"})
			return
		}
		w.carryOut(e)
		w.answer(boot, outage, Result{ID: e.ID, Outcome: Done, Delay: e.Delay})
	})
}

func (w *world) answer(boot int, _ string, r Result) {
	if w.up && boot == w.boot {
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
					delete(w.drained, c.Name)
					w.nodes[c.Name].idle = false
					if c.Availability == "drain" {
						w.drained[c.Name] = w.now + w.slow["await"]
					}
				}
			}
		}
	case DoClear:
		w.nodes[e.Node].idle = true
	case DoWake:
		w.start(e.Node, 40*time.Second)
	case DoHalt:
		m := w.nodes[e.Node]
		w.after(15*time.Second, func() {
			if !m.on {
				return
			}
			m.on = false
			w.send(NodeSeen{Node: e.Node})
			if boot := m.boot; e.Delay > 0 {
				w.after(e.Delay, func() {
					if !m.on && m.boot == boot && w.outlets {
						w.start(e.Node, 40*time.Second)
					}
				})
			}
		})
	case DoPark:
		m := w.nodes[e.Node]
		m.parked = true
		boot := m.boot
		w.after(e.Delay, func() {
			if m.on && m.parked && m.boot == boot {
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
	w.start(name, 40*time.Second)
}

// run goes on until at, by the queue and by Wake.
func (w *world) run(until time.Duration) {
	for rounds := 0; ; rounds++ {
		if rounds > 20000 || w.log.Len() > 1<<20 {
			log := w.log.String()
			w.t.Fatalf("the world does not come to rest; its last lines:\n%s", log[max(0, len(log)-4000):])
		}
		next := until
		var i = -1
		for k, q := range w.queue {
			if q.at < next || (q.at == next && (i < 0 || q.seq < w.queue[i].seq)) {
				next, i = q.at, k
			}
		}
		if at, ok := Wake(w.rules, w.state); ok && w.up && at < next {
			w.now = at
			w.send(Tick{})
			continue
		}
		if i < 0 {
			break
		}
		q := w.queue[i]
		w.queue = slices.Delete(w.queue, i, i+1)
		w.now = q.at
		q.run()
	}
	w.now = until
}

func (w *world) logf(format string, args ...any) {
	fmt.Fprintf(&w.log, "%8s  %s\n", w.now.Truncate(time.Second), fmt.Sprintf(format, args...))
}

func (w *world) fault(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf("at %s: ", w.now)+fmt.Sprintf(format, args...))
}

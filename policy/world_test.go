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
	lies     lies
	unit     unit
	stutters bool // each result comes twice
}

// lies are what the UPS tells that is not so; nil is the truth.
type lies struct {
	runtime *time.Duration
	load    *float64
	low     bool // the low-battery flag, all the time
	unknown bool // it cannot tell whether mains is there: a test runs
}

// A unit is how a UPS behaves. The zero value does all as it should.
type unit struct {
	reenumerates time.Duration // off the bus for so long whenever mains comes or goes
	minutes      bool          // its countdown knows whole minutes only, and rounds down
	onAnyway     time.Duration // outlets on so long after a cut, though mains is away; 0 is not at all
}

// A fataler is a test that can end.
type fataler interface{ Fatalf(string, ...any) }

type machine struct {
	on, parked bool
	idle       bool // nothing runs on it
	dead       bool // it never starts again
	cutOff     bool // its link is down
	boot       int
	timer      int // how often that of a park was armed
	dirty      int
	off        time.Duration // from the order to halt until it is off
	closes     time.Duration // so long before that its connection ends
	boots      time.Duration
}

func newMachine() *machine {
	return &machine{on: true, boot: 1, off: 15 * time.Second, boots: 40 * time.Second}
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
		w.nodes[n.Name] = newMachine()
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
		if w.lies.runtime != nil {
			r.Runtime = w.lies.runtime
		}
		if w.lies.load != nil {
			r.Load = w.lies.load
		}
	}
	r.Low = w.lies.low
	if w.lies.unknown {
		r.Power = Unknown
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
	if d := w.unit.reenumerates; d > 0 && w.contact {
		w.setContact(false)
		w.after(d, func() { w.setContact(true) })
	}
	if w.up && w.contact {
		w.read()
	}
}

func (w *world) setContact(on bool) {
	if w.contact = on; !on {
		w.send(Contact{Lost: true})
	} else if w.up {
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
	switch {
	case w.mains:
		w.after(10*time.Second, w.powerUp)
	case w.unit.onAnyway > 0 && w.charge > 0:
		w.after(w.unit.onAnyway, w.powerUp)
	}
}

func (w *world) powerUp() {
	if w.outlets || !w.mains && (w.unit.onAnyway == 0 || w.charge <= 0) {
		return
	}
	w.outlets = true
	w.logf("OUTLETS ON")
	for _, n := range w.rules.Nodes {
		w.start(n.Name)
	}
}

// start boots a machine; the controller's host brings the controller.
func (w *world) start(name string) {
	m := w.nodes[name]
	m.boot++
	boot := m.boot
	w.after(m.boots, func() {
		if !w.outlets || m.boot != boot || m.dead {
			return
		}
		m.on, m.parked, m.idle = true, false, false
		host, _ := (&core{r: w.rules}).host()
		if name == host.Name && !w.up {
			w.restart(true)
		}
		w.seen(name)
	})
}

// seen tells of a node as it is, if anybody can be told.
func (w *world) seen(name string) {
	if m := w.nodes[name]; m.on && !m.cutOff {
		w.send(NodeSeen{Node: name, Connected: true, BootID: w.bootID(name), Parked: m.parked})
	} else {
		w.send(NodeSeen{Node: name})
	}
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
		if m := w.nodes[n.Name]; m.on && !m.cutOff {
			w.seen(n.Name)
		}
	}
}

func (w *world) sendSwarm() {
	s := Swarm{Known: true, Quorum: w.quorum()}
	if s.Quorum {
		s.Nodes = slices.Clone(w.swarm)
	}
	w.send(SwarmSeen{s})
}

// quorum is whether most of the managers are there; it sees which nodes are.
func (w *world) quorum() bool {
	managers, ready := 0, 0
	for i := range w.swarm {
		m := w.nodes[w.swarm[i].Name]
		w.swarm[i].Ready = m.on && !m.parked
		if w.swarm[i].Manager {
			managers++
			if w.swarm[i].Ready {
				ready++
			}
		}
	}
	return ready > managers/2
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

// Package simulate brings a simulated rack through simulated outages, in no time:
// the real core of the policy, on a clock that jumps from event to event.
package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lastwatt/config"
	"lastwatt/drivers"
	"lastwatt/sim"
	"lastwatt/simulate/yardstick"
)

// A world is the truth: a battery, machines, mains and what goes wrong.
type world struct {
	truth   config.Truth
	now     time.Duration
	reached time.Duration // until when the battery was reckoned
	battery sim.Battery
	mains   bool
	outlets bool
	cut     int // the cuts that were armed; the newest counts
	nodes   []*node
	events  []event
	player  player
	spells  []*spell // of the outages so far, the newest last
	stuck   time.Duration
	deaf    bool // the UPS does not answer
	low     bool // it says so falsely
	polling bool

	// What the UPS tells, as config.Tells has it.
	loadOf, factor, chargeStep float64
	runtimeCap                 time.Duration
	broken                     []string
	falsely                    int
}

// A player is a way to bring a rack through an outage.
type player interface {
	begin()
	reading() // the UPS has something to say
	contact(lost bool)
	seen(n *node)   // a machine came, went, or parked
	killed(on bool) // the player's own process ended, or starts again
	powered()       // its machine has started after it lost power
	wake() (time.Duration, bool)
	tick()
	busy() bool // an outage is not over for it
}

func newWorld(s config.Scenario) *world {
	b := s.Rack.Battery
	w := &world{truth: s.Rack, mains: true, outlets: true, battery: sim.Battery{CapacityWh: b.CapacityWh, Health: b.Health,
		Peukert: b.Peukert, OverheadW: b.OverheadW, Efficiency: b.Efficiency, ChargerW: b.ChargerW}}
	w.battery.Wh = w.battery.Full() * b.Charge / 100
	tells := s.Rack.Tells // its errors are those of reading the scenario
	w.loadOf, _ = tells.LoadOf()
	w.factor, _ = tells.RuntimeOf()
	w.chargeStep, _ = tells.ChargeOf()
	w.runtimeCap = tells.RuntimeCap()
	for _, n := range s.Config.Nodes {
		if t, ok := s.Rack.Nodes[n.Name]; ok {
			w.nodes = append(w.nodes, &node{w: w, name: n.Name, truth: t, state: up, availability: "active", boot: 1, linked: true})
		}
	}
	for _, f := range s.Faults {
		w.after(time.Duration(f.At), func() { w.fault(f) })
	}
	return w
}

// An event is something that will happen.
type event struct {
	at  time.Duration
	run func()
}

// after lets something happen in so long. There are few events at a time: they stand
// in the order in which they come, the next one last, of those at one moment the
// newest first.
func (w *world) after(d time.Duration, run func()) {
	at := w.now + d
	i := len(w.events)
	for i > 0 && w.events[i-1].at <= at {
		i--
	}
	w.events = slices.Insert(w.events, i, event{at, run})
}

// run goes from event to event until nothing is left to happen.
func (w *world) run(until time.Duration) {
	for {
		at, what := until, func() {}
		next := false
		last := len(w.events) - 1
		if last >= 0 && w.events[last].at <= at {
			at, next = w.events[last].at, true
		}
		if t, ok := w.player.wake(); ok && t < at {
			at, what, next = max(t, w.now), w.player.tick, false
		}
		if t, ok := w.empty(); ok && t < at {
			at, what, next = t, func() { w.battery.Wh = 0; w.lose("the battery is empty") }, false
		}
		w.reckon(at)
		w.now = at
		switch {
		case next:
			run := w.events[last].run
			w.events = w.events[:last]
			run()
		case at >= until:
			return
		default:
			what()
		}
	}
}

// load is what the outlets feed.
func (w *world) load() drivers.Watt {
	if !w.outlets {
		return 0
	}
	load := drivers.Watt(w.truth.BaseW)
	for _, n := range w.nodes {
		load += n.draw()
	}
	return load
}

// empty is when the battery will be, if nothing else happens before.
func (w *world) empty() (time.Duration, bool) {
	if w.mains || !w.outlets {
		return 0, false
	}
	return w.reached + w.battery.Lasts(w.load()) + 1, true
}

// reckon moves the battery and the tally on.
func (w *world) reckon(to time.Duration) {
	d := to - w.reached
	w.reached = to
	switch {
	case d <= 0:
	case w.mains:
		w.battery.Charge(d)
	case w.outlets:
		w.battery.Discharge(w.load(), d)
		if s := w.spell(); s != nil && w.serving() {
			s.service += d
		}
	}
}

// serving is whether the services are up.
func (w *world) serving() bool {
	n := 0
	for _, m := range w.nodes {
		if m.serves() {
			n++
		}
	}
	return n >= max(1, w.truth.Need)
}

func (w *world) setMains(on bool) {
	if w.mains == on {
		return
	}
	w.mains = on
	if !on {
		w.close()
		s := &spell{at: w.now, rack: w.rack(), nodes: map[string]*fate{}}
		for _, n := range w.nodes {
			s.nodes[n.name] = &fate{offSince: -1}
			if !n.on() {
				s.nodes[n.name].offSince = w.now
			}
		}
		w.spells = append(w.spells, s)
		w.stuck = w.battery.Lasts(w.load())
	} else {
		w.spell().ended = w.now
		if !w.outlets {
			w.after(10*time.Second, w.gain)
		}
	}
	w.tell()
	if !w.polling {
		w.polling = true
		w.after(10*time.Second, w.poll)
	}
}

func (w *world) rack() yardstick.Rack {
	r := yardstick.Rack{Battery: w.battery, Base: drivers.Watt(w.truth.BaseW), Need: w.truth.Need}
	for _, n := range w.nodes {
		y := yardstick.Node{Busy: drivers.Watt(n.truth.BusyW), Drain: time.Duration(n.truth.Drain), Halt: time.Duration(n.truth.Halt)}
		if n.state != up && n.state != parked && n.state != halted {
			y.Halt += time.Duration(n.truth.Boot) // nobody stops a machine that is only starting
		}
		r.Nodes = append(r.Nodes, y)
	}
	return r
}

// tell lets the UPS say something, unless its cable is out.
func (w *world) tell() {
	if !w.deaf {
		w.player.reading()
	}
}

// poll goes on as long as somebody needs to know; an edge of mains begins it
// again.
func (w *world) poll() {
	w.settled()
	w.polling = !w.mains || w.player.busy()
	if w.polling {
		w.tell()
		w.after(10*time.Second, w.poll)
	}
}

// quorum is whether the Swarm has one, and a manager that can be reached.
func (w *world) quorum() bool {
	managers, ready, reached := 0, 0, false
	for _, n := range w.nodes {
		if n.truth.Manager {
			managers++
			if n.state == up {
				ready++
				reached = reached || n.linked
			}
		}
	}
	return reached && ready > managers/2
}

// lose takes the power of the outlets away.
func (w *world) lose(string) {
	if !w.outlets {
		return
	}
	s := w.spell()
	if s != nil && s.margin == nil {
		left := time.Duration(0)
		if w.battery.Wh > 0 {
			left = w.battery.Lasts(w.load())
		}
		s.margin = &left
	}
	w.outlets = false
	w.cut++
	for _, n := range w.nodes {
		n.lose()
	}
	if w.mains {
		w.after(10*time.Second, w.gain)
	}
}

// gain is the outlets coming on.
func (w *world) gain() {
	if w.outlets || !w.mains {
		return
	}
	w.outlets = true
	for _, n := range w.nodes {
		if n.truth.Wake != "manual" || n.state != halted {
			n.start()
		}
	}
}

// arm begins the countdown to a cut, in whole steps.
func (w *world) arm(delay time.Duration) time.Duration {
	step := max(time.Duration(w.truth.Tells.DelayStep), time.Second)
	delay = max(step, (delay+step-1)/step*step)
	w.cut++
	mine := w.cut
	w.after(delay, func() {
		if w.cut == mine && (!w.mains || w.truth.Tells.CutsOnMains) {
			w.lose("the cut")
		}
	})
	return delay
}

// says is what the UPS tells of itself.
func (w *world) says() (charge, load float64, runtime time.Duration) {
	charge = w.battery.Percent()
	switch {
	case w.chargeStep < 0:
		used := w.battery.Full() - w.battery.Wh
		charge = max(0, math.Floor(100-100*used/w.battery.CapacityWh))
	case w.chargeStep > 0:
		charge = math.Floor(charge/w.chargeStep) * w.chargeStep
	}
	watts := w.load()
	switch {
	case w.loadOf > 0:
		load = math.Round(100 * float64(watts) / w.loadOf)
		watts = drivers.Watt(load / 100 * w.loadOf)
	case w.loadOf == 0:
		load = float64(watts) / 10 // percent of 1000 W
	default:
		watts = 0
	}
	runtime = w.stuck
	if w.factor > 0 {
		runtime = time.Duration(float64(w.battery.Lasts(watts)) * w.factor)
	}
	if w.runtimeCap > 0 {
		runtime = min(runtime, w.runtimeCap)
	}
	return charge, load, runtime.Truncate(time.Second)
}

func (w *world) breaks(format string, args ...any) {
	if len(w.broken) < 100 {
		w.broken = append(w.broken, fmt.Sprintf("at %s: ", w.now.Truncate(time.Second))+fmt.Sprintf(format, args...))
	}
}

// fault makes something go wrong, for its time.
func (w *world) fault(f config.Fault) {
	lasts := time.Duration(f.For)
	var n *node
	if i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.name == f.Node }); i >= 0 {
		n = w.nodes[i]
	}
	set := func(on bool) {
		switch {
		case f.What == "controller killed":
			w.player.killed(on)
		case f.What == "ups unplugged":
			w.deaf = on
			w.player.contact(on)
		case f.What == "false low battery":
			w.low = on
		case n == nil:
		case f.What == "hangs in drain":
			n.hangsDrain = on
		case f.What == "hangs in halt":
			n.hangsHalt = on
			if !on && n.resume != nil {
				n.resume()
			}
		case f.What == "manager lost":
			n.crash(on)
		case f.What == "link cut" && n.truth.UPSHost:
			// The controller runs on the same machine.
		default: // agent killed, link cut
			n.dead = on && f.What == "agent killed"
			n.link(!on)
		}
	}
	set(true)
	if lasts == 0 && (f.What == "controller killed" || f.What == "agent killed") {
		lasts = 5 * time.Second // until systemd starts it again
	}
	if lasts > 0 {
		w.after(lasts, func() { set(false) })
	}
}

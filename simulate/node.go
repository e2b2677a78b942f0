package simulate

import (
	"time"

	"lastwatt/config"
	"lastwatt/drivers"
)

// A state is what a machine is at.
type state string

const (
	up      state = "up"
	halting state = "halting"
	halted  state = "halted"
	parking state = "parking"
	parked  state = "parked"
	booting state = "booting"
	dead    state = "dead" // without power
)

// A node is one machine.
type node struct {
	w            *world
	name         string
	state        state
	truth        config.TrueNode
	availability string
	boot         int  // how often it has started
	linked       bool // its agent can be reached
	dead         bool // it has none: nobody keeps its lease
	drainedAt    time.Duration
	idle         bool // its containers were stopped
	hangsDrain   bool
	hangsHalt    bool
	resume       func() // ends a halt or park that hung
	crashed      bool   // by a fault of its own, which lasts
	timer        int    // how often the timer that starts it again was armed
}

// faulty is whether a fault of its own keeps it from being as before.
func (n *node) faulty() bool { return n.crashed || n.hangsHalt || !n.linked }

func (n *node) on() bool { return n.state != halted && n.state != dead }

// drained is whether nothing runs on it any more.
func (n *node) drained() bool {
	return n.idle || n.availability == "drain" && !n.hangsDrain && n.w.now >= n.drainedAt
}

func (n *node) serves() bool {
	return n.state == up && n.availability != "drain" && !n.idle
}

func (n *node) draw() drivers.Watt {
	switch n.state {
	case halted, dead:
		return 0
	case parked:
		return drivers.Watt(n.truth.IdleW)
	}
	if n.drained() {
		return drivers.Watt(n.truth.IdleW)
	}
	return drivers.Watt(n.truth.BusyW)
}

// set changes its availability in the Swarm.
func (n *node) set(availability string) {
	if availability == "drain" && n.availability != "drain" {
		n.drainedAt = n.w.now + time.Duration(n.truth.Drain)
	}
	n.availability = availability
	if availability == "active" {
		n.idle = false
	}
}

// halt powers it off by its own system.
func (n *node) halt() { n.haltAfter(0) }

// alarm starts it again after d by its own clock; 0 is never.
func (n *node) alarm(d time.Duration) {
	if d > 0 && n.truth.Wake == "rtc" {
		boot := n.boot
		n.w.after(d, func() {
			if n.boot == boot {
				n.wake()
			}
		})
	}
}

// wake starts it if it is off and has power.
func (n *node) wake() {
	if n.state == halted && n.w.outlets {
		n.start()
	}
}

// haltAfter does it with containers that have to be stopped first.
func (n *node) haltAfter(containers time.Duration) {
	if n.state != up {
		return
	}
	n.state = halting
	boot := n.boot
	n.w.after(containers+time.Duration(n.truth.Halt), func() {
		n.unlessItHangs(halting, boot, func() {
			n.state = halted
			n.stopped(true)
			n.w.player.seen(n)
		})
	})
}

// park makes it safe to lose power, and calls done then; after longest it starts
// again by itself.
func (n *node) park(longest time.Duration, done func()) {
	if n.state == parked {
		n.startsAfter(longest)
		done()
	}
	if n.state != up {
		return
	}
	n.state = parking
	boot, took := n.boot, 5*time.Second
	if !n.drained() {
		took += time.Duration(n.truth.Drain)
	}
	n.w.after(took, func() {
		n.unlessItHangs(parking, boot, func() {
			n.state = parked
			n.w.player.seen(n)
			done()
			n.startsAfter(longest)
		})
	})
}

// startsAfter has the timer of a parked node start it after longest, and not when
// it was to before; 0 leaves it as it is.
func (n *node) startsAfter(longest time.Duration) {
	if longest <= 0 {
		return
	}
	n.timer++
	timer, boot := n.timer, n.boot
	n.w.after(longest, func() {
		if n.state == parked && n.boot == boot && n.timer == timer {
			n.reboot()
		}
	})
}

// unlessItHangs ends what it is at; where it hangs, once that is over.
func (n *node) unlessItHangs(at state, boot int, end func()) {
	ends := func() {
		if n.state == at && n.boot == boot {
			end()
		}
	}
	if n.hangsHalt {
		n.resume = ends
		return
	}
	ends()
}

func (n *node) reboot() {
	if !n.on() || n.state == booting {
		return
	}
	n.state = dead
	n.w.player.seen(n)
	n.start()
}

// start boots it, if it has power, is off and has no fault of its own.
func (n *node) start() {
	if n.on() || n.crashed {
		return
	}
	n.state = booting
	n.boot++
	boot := n.boot
	n.w.after(time.Duration(n.truth.Boot), func() {
		if n.state != booting || n.boot != boot || !n.w.outlets {
			return
		}
		n.state, n.idle, n.drainedAt = up, false, n.w.now // nothing runs on it yet
		n.started()
		if n.truth.UPSHost {
			n.w.player.powered()
		}
		n.w.player.seen(n)
	})
}

// lose is its power going.
func (n *node) lose() {
	if !n.on() {
		return
	}
	n.stopped(n.state == parked)
	n.state = dead
	n.w.player.seen(n)
}

// crash takes it out of service by a fault of its own, or starts it again.
func (n *node) crash(on bool) {
	n.crashed = on
	if !on {
		if n.w.outlets && n.state == dead { // what was halted stays so
			n.start()
		}
		return
	}
	if !n.on() {
		return
	}
	n.state = dead
	if f := n.books(); f != nil && f.offSince < 0 {
		f.offSince = n.w.now // no stop of anybody's doing
	}
	n.w.player.seen(n)
}

// link cuts or mends the connection of its agent.
func (n *node) link(on bool) {
	n.linked = on
	n.w.player.seen(n)
}

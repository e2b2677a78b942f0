package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lastwatt/drivers"
)

// NodeParams are what a machine is and how it misbehaves.
type NodeParams struct {
	Name    string
	Manager bool
	// Idle, Busy and Off are its draw: with nothing running, with services,
	// and halted.
	Idle, Busy, Off drivers.Watt
	Boot, Halt      time.Duration
	// Hangs is a fault: it takes the order to halt and never goes off.
	Hangs bool
}

// A Node is a machine. It is the agent's Machine; its rack moves its time.
type Node struct {
	p  NodeParams
	mu sync.Mutex

	power  bool
	phase  phase
	left   time.Duration // until the phase ends
	after  time.Duration // the rest of a park, until it starts again by itself
	boots  int
	clean  int
	dirty  int
	offFor time.Duration
}

type phase string

const (
	off     phase = "off" // no power, or halted
	booting phase = "booting"
	up      phase = "up"
	halting phase = "halting"
	parked  phase = "parked"
)

func newNode(p NodeParams) *Node {
	return &Node{p: p, power: true, phase: up, boots: 1}
}

// Name is the node's name.
func (n *Node) Name() string { return n.p.Name }

// BootID names the boot that runs.
func (n *Node) BootID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprintf("%s-boot-%d", n.p.Name, n.boots)
}

// Up is whether its system runs, parked or not.
func (n *Node) Up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == up || n.phase == halting || n.phase == parked
}

// Serves is whether its engine runs.
func (n *Node) Serves() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == up
}

// State is its phase in a word.
func (n *Node) State() string { n.mu.Lock(); defer n.mu.Unlock(); return string(n.phase) }

var errDown = errors.New("the machine is not up")

// Halt begins to power it off.
func (n *Node) Halt(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != up {
		return errDown
	}
	n.phase, n.left = halting, n.p.Halt
	return nil
}

// Park brings it to where power may go at any moment.
func (n *Node) Park(_ context.Context, longest time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != up && n.phase != parked {
		return errDown
	}
	if n.phase == up {
		n.clean++
	}
	n.phase, n.after = parked, longest
	return nil
}

// Reboot starts it again.
func (n *Node) Reboot(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase == up {
		n.clean++
	}
	n.boot()
	return nil
}

func (n *Node) boot() { n.phase, n.left = booting, n.p.Boot }

// setPower gives it power, or takes it away.
func (n *Node) setPower(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.power == on {
		return
	}
	n.power = on
	if on {
		n.boot()
		return
	}
	if n.phase == up || n.phase == halting {
		n.dirty++
	}
	n.phase = off
}

// advance moves its time on and says what it draws.
func (n *Node) advance(d time.Duration, busy bool) drivers.Watt {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left -= d
	switch n.phase {
	case off:
		n.offFor += d
	case booting:
		if n.left <= 0 {
			n.phase, n.boots = up, n.boots+1
		}
	case halting:
		if n.left <= 0 && !n.p.Hangs {
			n.phase = off
			n.clean++
		}
	case parked:
		if n.after -= d; n.after <= 0 {
			n.boot()
		}
	}
	switch {
	case !n.power:
		return 0
	case n.phase == off:
		return n.p.Off
	case n.phase == up && busy:
		return n.p.Busy
	}
	return n.p.Idle
}

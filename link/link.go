// Package link is the connection between controller and agent: its
// certificates, its tokens, its frames.
package link

import (
	"encoding/json"
	"errors"
	"time"
)

// Protocol is the version that both sides say in their greeting. One of
// difference works; more is a health problem, and leases go on all the same.
const Protocol = 1

// Beat is how often an agent hears its lease.
const Beat = 2 * time.Second

// A Verb is what an order asks of an agent.
type Verb string

// The verbs. An agent does nothing else.
const (
	HaltNode       Verb = "node.halt"
	ParkNode       Verb = "node.park"
	RebootNode     Verb = "node.reboot"
	StopContainers Verb = "engine.stop"
	SwarmSnapshot  Verb = "swarm.snapshot" // the result's Data is a swarm.Snapshot
	SwarmChange    Verb = "swarm.change"   // Args are a []swarm.Change
	SwarmDrained   Verb = "swarm.drained"  // Args are the ids of nodes; it waits
	PulseOutput    Verb = "output.pulse"   // Args are an OutputArgs: on, and off again
	CycleOutput    Verb = "output.cycle"   // the same: off, and on again
)

// HaltArgs are the arguments of [HaltNode]; without them no alarm is set.
type HaltArgs struct {
	// WakeAfterMS is after how many milliseconds the node's own clock starts
	// it again. A node that cannot set its alarm does not halt.
	WakeAfterMS int64 `json:"wake_after_ms,omitempty"`
}

// OutputArgs are the arguments of [PulseOutput] and [CycleOutput].
type OutputArgs struct {
	Sensor string `json:"sensor"` // the configured driver that has the output
	Output string `json:"output"`
	ForMS  int64  `json:"for_ms"`
}

// ParkArgs are the arguments of [ParkNode].
type ParkArgs struct {
	// LongestMS is after how many milliseconds the node starts again by
	// itself.
	LongestMS int64 `json:"longest_ms"`
}

// An Order is what the controller tells one agent to do now.
type Order struct {
	// ID names it: an order with the same ID is the same order, said again.
	ID     string          `json:"id"`
	Outage string          `json:"outage,omitempty"`
	Verb   Verb            `json:"verb"`
	Args   json.RawMessage `json:"args,omitempty"`
	// Lifetime counts from receipt; after it the order is not begun, and
	// what runs is given up.
	Lifetime time.Duration `json:"lifetime_ns"`
	Reason   string        `json:"reason"`
}

// A Result is what became of an order. An empty Err is success.
type Result struct {
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data,omitempty"`
	Err  string          `json:"error,omitempty"`
	// Refused: the agent did nothing, because the order was old, replayed,
	// or not for it.
	Refused bool `json:"refused,omitempty"`
}

// A Lease is what a node does by itself if it hears no more.
type Lease struct {
	Outage string `json:"outage,omitempty"`
	Power  string `json:"power"` // mains, battery, unknown
	Phase  string `json:"phase"`
	// ParkAfter is the silence, counted from receipt, after which the node
	// parks; 0 is never, and on mains it is always 0.
	ParkAfter time.Duration `json:"park_after_ns,omitempty"`
	// ParkLongest is how long the node then stays parked.
	ParkLongest time.Duration `json:"park_longest_ns,omitempty"`
	// Release lets a parked node start again.
	Release bool `json:"release,omitempty"`
}

// A Peer is an agent that greeted the controller.
type Peer struct {
	Node     string `json:"node"`
	BootID   string `json:"boot_id"`
	Protocol int    `json:"protocol"`
	Parked   bool   `json:"parked,omitempty"`
	Model    string `json:"model,omitempty"`
	Engine   bool   `json:"engine,omitempty"` // it has a container engine
	Clock    bool   `json:"clock,omitempty"`  // it has a clock that can start it
	Addr     string `json:"-"`
}

// Errors of [Server.Order].
var (
	// ErrNotConnected: the order was not sent.
	ErrNotConnected = errors.New("no agent is connected")
	// ErrLost: the connection ended before the result came; the order may
	// have been carried out.
	ErrLost = errors.New("the connection ended before the result came")
)

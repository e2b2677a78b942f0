// Package swarm sees and changes a Docker Swarm through the local engine of one
// of its nodes.
package swarm

import "context"

// A Snapshot is the Swarm as one manager told it.
type Snapshot struct {
	// Role of the node that took it: manager, worker, or none (no Swarm).
	Role string `json:"role"`
	// Self is the Swarm's id of the node that took it.
	Self string `json:"self,omitempty"`
	// Quorum is false where the managers have no leader: Nodes and Services
	// are then empty, and so they are on a worker.
	Quorum   bool      `json:"quorum"`
	Locked   bool      `json:"locked,omitempty"`
	Nodes    []Node    `json:"nodes,omitempty"`
	Services []Service `json:"services,omitempty"`
}

// A Node is one node of the Swarm.
type Node struct {
	ID           string `json:"id"`
	Hostname     string `json:"hostname"`
	Manager      bool   `json:"manager"`
	Leader       bool   `json:"leader"`
	Availability string `json:"availability"` // active, pause, drain
	State        string `json:"state"`        // ready, down, unknown, disconnected
	// Outage is our own label on the node: the outage that changed it, or
	// empty.
	Outage string `json:"outage,omitempty"`
}

// A Service is one service of the Swarm.
type Service struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Mode    string `json:"mode"` // replicated, global, replicated-job, global-job
	Running int    `json:"running"`
	Desired int    `json:"desired"`
}

// A Change is what to make of one node of the Swarm.
type Change struct {
	NodeID       string `json:"node_id"`
	Availability string `json:"availability"`
	// Outage is our own label, set in the same update; empty takes it off.
	Outage string `json:"outage,omitempty"`
}

// OutageLabel is the label that marks a node that Lastwatt changed.
const OutageLabel = "lastwatt.outage"

// A Task is one that still runs.
type Task struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	NodeID  string `json:"node_id"`
	State   string `json:"state"`
}

// An Engine is the local engine of one node. Its methods may be called from any
// goroutine; every call is bounded by its context, and may be repeated: what is
// already so is left alone.
type Engine interface {
	// Snapshot never fails for want of a quorum or on a worker: it says so
	// in what it returns.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Change makes all changes in parallel and returns the joined errors. A
	// node that is already as wanted is not written.
	Change(ctx context.Context, changes []Change) error
	// AwaitDrained waits until nothing but jobs runs on the nodes; a node
	// that is down ends the wait for it. When ctx ends it returns what still
	// runs and ctx's error.
	AwaitDrained(ctx context.Context, nodeIDs []string) ([]Task, error)
	// StopContainers stops what still runs on this node's own engine, each
	// container with its own stop time, and says how many it stopped.
	StopContainers(ctx context.Context) (int, error)
}

package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/rack"
)

// Connected, Lost and Report are [link.Handler]; they are called from the
// link's goroutines.
func (c *Controller) Connected(p link.Peer) { c.send(context.Background(), peerIn{peer: p}) }

// Lost says that a node's connection ended.
func (c *Controller) Lost(node string, err error) {
	c.send(context.Background(), peerIn{peer: link.Peer{Node: node}, lost: true, err: err})
}

// Report is what a node's sensors say.
func (c *Controller) Report(node string, r drivers.Reading) {
	c.send(context.Background(), reportIn{node, r})
}

// take handles one thing that reached the loop.
func (c *Controller) take(ctx context.Context, in any) {
	switch in := in.(type) {
	case reading:
		c.takeReading(ctx, in)
	case contact:
		c.takeContact(ctx, in)
	case peerIn:
		c.takePeer(ctx, in)
	case reportIn:
		c.takeReport(ctx, in)
	case sensed:
		delete(c.problems, "sensor-"+in.sensor)
		c.takePart(ctx, "", in.sensor, in.r.Fact)
	case senseless:
		c.problems["sensor-"+in.sensor] = rack.Problem{Code: "sensor", Severity: "warning", Text: fmt.Sprintf("sensor %s does not answer: %v", in.sensor, in.err),
			Remedy: "check its wiring and its entry in the configuration"}
	case swarmIn:
		c.takeSwarm(ctx, in)
	case resultIn:
		if cancel := c.cancels[in.r.ID]; cancel != nil {
			cancel()
			delete(c.cancels, in.r.ID)
		}
		c.step(ctx, in.r)
	case operate:
		in.answer <- c.operate(ctx, in)
	}
}

func (c *Controller) operate(ctx context.Context, in operate) error {
	switch in.order {
	case "arm", "observe":
		if c.state.Armed == (in.order == "arm") {
			return fmt.Errorf("already so: the mode is %s", c.mode())
		}
	case "abort":
		if err := policy.CanAbort(c.state); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown order %q: have arm, observe, abort", in.order)
	}
	c.step(ctx, policy.Operator{Order: in.order, By: in.by})
	return nil
}

func (c *Controller) mode() string {
	if c.state.Armed {
		return "armed"
	}
	return "observe"
}

func (c *Controller) takeReading(ctx context.Context, in reading) {
	switch f := in.r.Fact.(type) {
	case drivers.UPS:
		u := c.ups[in.ups]
		u.Fact, u.Known, u.Contact = f, true, true
		c.upsAt[in.ups] = in.r.At
		if in.ups == c.c.Rules.UPS.Name {
			c.step(ctx, toPolicy(f))
			for _, w := range c.aged("").witnesses {
				c.witness(w)
			}
		}
	default:
		c.takePart(ctx, "", in.ups, in.r.Fact)
	}
}

// toPolicy is the only place where a fact becomes an event of the policy.
func toPolicy(f drivers.UPS) policy.Reading {
	r := policy.Reading{Runtime: f.Runtime, Low: f.LowBattery != nil && *f.LowBattery}
	if f.OnBattery != nil {
		r.Power = policy.OnMains
		if *f.OnBattery {
			r.Power = policy.OnBattery
		}
	}
	if f.Charge != nil {
		r.Charge = new(float64(*f.Charge))
	}
	if f.Load != nil {
		r.Load = new(float64(*f.Load))
	}
	return r
}

func (c *Controller) takeContact(ctx context.Context, in contact) {
	c.ups[in.ups].Contact, c.ups[in.ups].Lost = false, fmt.Sprint(in.err)
	if in.ups == c.c.Rules.UPS.Name {
		c.step(ctx, policy.Contact{Lost: true})
	}
}

func (c *Controller) takePeer(ctx context.Context, in peerIn) {
	n := c.nodes[in.peer.Node]
	if n == nil {
		c.problems["unknown-"+in.peer.Node] = rack.Problem{Code: "unknown-node", Severity: "warning",
			Text: fmt.Sprintf("an agent calls itself %q, which is no node of the configuration", in.peer.Node), Remedy: "add the node to the configuration, or revoke it"}
		return
	}
	n.Connected = !in.lost
	if in.lost {
		c.c.Log.Info("agent lost", "node", n.Name, "err", in.err)
		c.step(ctx, policy.NodeSeen{Node: n.Name})
		return
	}
	n.BootID = in.peer.BootID
	// It tells of those that do not answer, and may have told that one does
	// while nobody heard it.
	maps.DeleteFunc(c.problems, func(key string, _ rack.Problem) bool { return strings.HasPrefix(key, "sensor-"+n.Name+"/") })
	c.clock(n, in.peer.Clock)
	c.c.Log.Info("agent connected", "node", n.Name, "boot_id", n.BootID, "engine", in.peer.Engine, "parked", in.peer.Parked)
	c.step(ctx, policy.NodeSeen{Node: n.Name, Connected: true, BootID: in.peer.BootID, Parked: in.peer.Parked})
}

func (c *Controller) takeReport(ctx context.Context, in reportIn) {
	if c.nodes[in.node] != nil {
		c.takePart(ctx, in.node, in.r.Source, in.r.Fact)
	}
}

// replace puts v in the place of what has its name, on a copy.
func replace[T any](list []T, v T, name func(T) string) []T {
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(o T) bool { return name(o) == name(v) })
	if i < 0 {
		return append(list, v)
	}
	list[i] = v
	return list
}

func (c *Controller) takeSwarm(ctx context.Context, in swarmIn) {
	if in.err != nil {
		if !errors.Is(in.err, errNoManager) {
			c.c.Log.Debug("swarm not seen", "err", in.err)
		}
		if c.state.Seen.Swarm.Known && c.swarm.Quorum {
			c.swarm.Quorum = false
			c.step(ctx, policy.SwarmSeen{Swarm: policy.Swarm{Known: true}})
		}
		return
	}
	c.swarm, c.swarmAt = in.s, c.now()
	s := policy.Swarm{Known: true, Absent: in.s.Role == "none", Quorum: in.s.Quorum}
	for _, n := range in.s.Nodes {
		s.Nodes = append(s.Nodes, policy.SwarmNode{ID: n.ID, Name: n.Hostname, Manager: n.Manager, Leader: n.Leader,
			Availability: n.Availability, Ready: n.State == "ready"})
	}
	c.step(ctx, policy.SwarmSeen{Swarm: s})
}

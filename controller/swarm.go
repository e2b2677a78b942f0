package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/swarm"
)

// managers lists the connected nodes that may know the Swarm: the leader first,
// then the managers, then those of which nothing is known yet.
func (c *Controller) managers() []string {
	rank := func(name string) int {
		for _, n := range c.swarm.Nodes {
			switch {
			case n.Hostname != name:
			case n.Leader:
				return 0
			case n.Manager:
				return 1
			default:
				return 3
			}
		}
		return 2
	}
	var names []string
	for _, n := range c.c.Rules.Nodes {
		if c.nodes[n.Name].Connected {
			names = append(names, n.Name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

// see asks the nodes in turn for the Swarm, until one knows it. Where every node
// says that it is in none, that is an answer too.
func (c *Controller) see(ctx context.Context, nodes []string) (swarm.Snapshot, error) {
	var errs []error
	absent, worse := 0, swarm.Snapshot{}
	for _, node := range nodes {
		r, err := c.order(ctx, node, link.SwarmSnapshot, nil, policy.Effect{ID: fmt.Sprintf("see-%d", c.c.Clock.Now().UnixNano())}, 30*time.Second)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var s swarm.Snapshot
		if err := json.Unmarshal(r.Data, &s); err != nil {
			errs = append(errs, fmt.Errorf("the Swarm as %s tells it: %w", node, err))
			continue
		}
		switch {
		case s.Role == "none":
			absent++
			worse = s
		case s.Quorum:
			return s, nil
		default:
			errs = append(errs, fmt.Errorf("%s (%s) sees no leader of the Swarm", node, s.Role))
		}
	}
	if absent > 0 && absent == len(nodes) {
		return worse, nil
	}
	if len(errs) == 0 {
		return swarm.Snapshot{}, errNoManager
	}
	return swarm.Snapshot{}, errors.Join(errs...)
}

// watchSwarm looks at the Swarm every so often. Polling is the truth: a Swarm
// tells no events about tasks.
func (c *Controller) watchSwarm(ctx context.Context) {
	for {
		pause := c.c.Poll
		c.mu.Lock()
		nodes, outage := c.reachable(), c.snapshot.Outage != nil
		c.mu.Unlock()
		if outage {
			pause /= 3
		}
		if len(nodes) > 0 {
			bounded, stop := c.within(ctx, 40*time.Second)
			s, err := c.see(bounded, nodes)
			stop()
			c.send(ctx, swarmIn{s, err})
		} else {
			pause = min(pause, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.c.Clock.After(pause):
		}
	}
}

// reachable lists the connected nodes of the newest snapshot, leader first.
func (c *Controller) reachable() []string {
	var leader, managers, others []string
	for _, n := range c.snapshot.Nodes {
		switch {
		case !n.Connected || n.State == "parked":
		case n.Leader:
			leader = append(leader, n.Name)
		case n.Role == "manager":
			managers = append(managers, n.Name)
		default:
			others = append(others, n.Name)
		}
	}
	return slices.Concat(leader, managers, others)
}

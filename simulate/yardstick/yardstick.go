// Package yardstick measures how well an outage was spent, from the truth alone:
// it knows no policy.
package yardstick

import (
	"cmp"
	"slices"
	"time"

	"lastwatt/drivers"
	"lastwatt/sim"
)

// A Rack is what an outage has to spend and to feed.
type Rack struct {
	Battery sim.Battery // as it truly is when mains goes
	Base    drivers.Watt
	Nodes   []Node
	Need    int // nodes that must be up for the services to be up
}

// A Node is one machine.
type Node struct {
	Busy        drivers.Watt
	Drain, Halt time.Duration
}

// Possible is the longest time on battery with the services up that anybody
// could have had in an outage of this length, knowing the length beforehand: the
// best over every fixed number of nodes, Need or more, that are kept up. Where
// the energy does not last, what a clean stop of those nodes takes is spared.
func Possible(r Rack, outage time.Duration) time.Duration {
	nodes := slices.Clone(r.Nodes)
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.Busy, b.Busy) })
	best := time.Duration(0)
	for n := max(r.Need, 1); n <= len(nodes); n++ {
		lasts := r.Battery.Lasts(r.load(nodes[:n]))
		if lasts < outage {
			lasts = max(0, lasts-stop(nodes[:n]))
		}
		best = max(best, min(lasts, outage))
	}
	return best
}

// Stoppable is whether a full stop that began so long after mains went would have
// ended before the battery did: what was then stopped dirty was avoidable, with late
// 0, or so with a policy that may touch nothing for that time.
func Stoppable(r Rack, late time.Duration) bool {
	return r.Battery.Lasts(r.load(r.Nodes)) > late+stop(r.Nodes)
}

func (r Rack) load(nodes []Node) drivers.Watt {
	load := r.Base
	for _, n := range nodes {
		load += n.Busy
	}
	return load
}

// stop is what a clean stop of all the nodes at once takes.
func stop(nodes []Node) time.Duration {
	var drain, halt time.Duration
	for _, n := range nodes {
		drain, halt = max(drain, n.Drain), max(halt, n.Halt)
	}
	return drain + halt
}

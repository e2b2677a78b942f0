package policy

import "time"

// A Figure of a load says how it was come by.
type Figure struct {
	Watts  float64
	Method string
}

// fresh is how old a measured draw may be.
const fresh = time.Minute

// unknownDraw stands for a node whose model is in no table, in watts.
const unknownDraw = 6.0

// idleShare is what a node draws with nothing to do, of its draw at work, where
// it was not measured: a Pi 4 and a Pi 5 with an NVMe base take 40 to 45 %.
const idleShare = 0.45

// Load is what the outlets feed now, by the best source there is: a meter, the
// nodes' own figures, the UPS, or the table of models.
func Load(r Rules, s State) Figure {
	if m := s.Seen.Meter; m != nil && s.Now-m.At <= fresh {
		return Figure{m.Watts, m.Method}
	}
	table, measured := r.BaseWatts, 0
	for _, n := range r.Nodes {
		own := ownDraw(n, s)
		table += watts(n, s, own)
		if own != nil {
			measured++
		}
	}
	if measured > 0 && measured == len(r.Nodes) {
		return Figure{table, "the nodes' own figures"}
	}
	if u := s.Seen.UPS; r.UPS.Watts > 0 && u.Load != nil && *u.Load > 0 {
		return Figure{*u.Load / 100 * r.UPS.Watts, "the UPS's load"}
	}
	return Figure{table, "table of models"}
}

// nodeWatts is what a node draws now: by its own figure, or as its model does in
// its state.
func nodeWatts(n NodeRules, s State) float64 { return watts(n, s, ownDraw(n, s)) }

func watts(n NodeRules, s State, own *Drawn) float64 {
	state := Up
	if s.Outage != nil {
		state = s.Outage.Runs[n.Name].State
	}
	switch {
	case state == Halted:
		return 0
	case own != nil:
		return own.Watts
	case state == Idle || state == Parked:
		return idleWatts(n)
	}
	return busyWatts(n)
}

func ownDraw(n NodeRules, s State) *Drawn {
	if d := s.Seen.Nodes[n.Name].Drawn; d != nil && s.Now-d.At <= fresh {
		return d
	}
	return nil
}

func busyWatts(n NodeRules) float64 {
	if n.Draw > 0 {
		return n.Draw
	}
	return unknownDraw
}

func idleWatts(n NodeRules) float64 { return idleShare * busyWatts(n) }

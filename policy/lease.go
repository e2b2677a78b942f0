package policy

import "time"

// A Lease is what a node is to know of the power at every beat, and after which
// silence it parks by itself.
type Lease struct {
	Power Power
	Phase Phase
	// Outage it belongs to; empty on mains.
	Outage string
	// ParkAfter is the silence after which the node parks; 0 is never. On
	// mains it is always 0: a dead controller stops no node.
	ParkAfter time.Duration
	// ParkLongest is how long the node then stays parked.
	ParkLongest time.Duration
	// Release lets a parked node start again: mains is here and no cut is
	// coming.
	Release bool
}

// leastSilence is the least silence that parks a node: shorter ones are those
// of a controller that is being restarted.
const leastSilence = 30 * time.Second

// LeaseFor is the lease of every node in the state.
func LeaseFor(r Rules, s State) Lease {
	l := Lease{Power: s.Seen.UPS.Power, Phase: s.Phase, ParkLongest: r.ParkLongest}
	if s.Outage == nil {
		l.Release = s.Seen.UPS.Power == OnMains
		return l
	}
	l.Outage = s.Outage.ID
	if s.Phase == Recovering {
		l.Release = s.Seen.UPS.Power == OnMains && s.Outage.Step != StepWait
	}
	if s.Seen.UPS.Power == OnBattery && s.Armed {
		l.ParkAfter = leastSilence // once committed, the outlets are about to go off
		if s.Phase != Committed && s.Phase != Dark {
			l.ParkAfter = max(leastSilence, TimeToEmpty(r, s).Left-r.Reserve-r.Budgets.Park)
		} else if r.UPS.Cut {
			l.ParkLongest *= 2 // a cut that waits for the battery, for as long at most, comes first
		}
	}
	return l
}

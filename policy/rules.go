package policy

import "time"

// Rules say what to do about an outage. They come from the configuration and do
// not change while a Step runs; the zero value acts on nothing.
type Rules struct {
	UPS   UPSRules
	Nodes []NodeRules // in the order of the configuration

	// RideThrough is how long mains may be away before anything is touched.
	RideThrough time.Duration
	// StableFor is how long mains must be back before it counts as back.
	StableFor time.Duration
	// Reserve is kept between the end of the last step and an empty battery.
	Reserve time.Duration
	// Stages in order; the last one takes all nodes.
	Stages []Stage
	// SwarmNeed is the number of nodes that must stay for the services to
	// run; an early stage that would leave fewer is passed over.
	SwarmNeed int

	// The budgets of a step until it was measured; see [DefaultBudgets].
	Budgets Budgets
	// RestoreCharge is the least charge in percent before nodes are
	// restored; 0 leaves it to the estimate of energy.
	RestoreCharge float64
	// UnknownChargeWait is how long to wait before restoring where the
	// charge is unknown (DESIGN invariant 9: 10 minutes).
	UnknownChargeWait time.Duration
	// AssumedRuntime is what a full battery is taken to last where nothing
	// credible is known: unknown is never long.
	AssumedRuntime time.Duration
	// AssumedEmpty is the charge in percent at which a battery is taken to be
	// empty until an outage has shown that it lasts longer: a gauge that
	// believes an old battery new has much left when it ends.
	AssumedEmpty float64
	// LearnEmpty lets the cut of a full stop wait, with all nodes down, until
	// most of what the gauge tells is used, to see that the battery has it.
	LearnEmpty bool
	// Stretch sheds by itself what the services do not need, once that is
	// worth Disturbance of service for each node.
	Stretch     bool
	Disturbance time.Duration
	// BaseWatts is what the outlets feed beside the nodes.
	BaseWatts float64
	// ParkLongest is how long a node stays parked where no cut is coming.
	ParkLongest time.Duration
}

// UPSRules say what the UPS that feeds the nodes may be asked to do.
type UPSRules struct {
	Name string
	// Cut is whether the outlets may be switched off at the end.
	Cut bool
	// CutsOnMains is whether this UPS is known to cut even when mains came
	// back meanwhile. Where it is not, nodes park instead of halting.
	CutsOnMains bool
	// DelayStep is the step of the shutdown delay; delays are rounded up.
	DelayStep time.Duration
	// Watts is the load at which it tells 100 %, and BatteryWh what its
	// battery gives when new; 0 is not known.
	Watts, BatteryWh float64
}

// NodeRules are the configured facts of one node.
type NodeRules struct {
	Name    string
	Wake    string // ups, rtc, gpio, relay, manual
	UPSHost bool
	// Tier: higher tiers are shed last within a stage's choice.
	Tier int
	// Draw is the table's figure for the node's model at work, in watts; 0
	// is not known.
	Draw float64
}

// A Stage is a step of load shedding with its own triggers. The first trigger
// to fire begins it; the last stage also begins at the computed last moment.
type Stage struct {
	Name string
	// Charge in percent: at or below it the stage begins. 0 is no trigger.
	Charge float64
	// OnBattery: after this time on battery. 0 is no trigger.
	OnBattery time.Duration
	// Runtime: when the time to empty is at or below it. 0 is no trigger.
	Runtime time.Duration
	// Shed names the nodes; empty in the last stage, which takes all.
	Shed []string
	// By is idle, halt, or empty: halted where the node can be woken without
	// a power cycle, else idle.
	By string
	// StayOff: shed nodes stay off when mains is back before the commit.
	StayOff bool
}

// Budgets are the times that steps may take.
type Budgets struct {
	Drain time.Duration // pause and drain all, verified
	Halt  time.Duration // one node, from the order to off
	Park  time.Duration
	Boot  time.Duration // from power to ready in the Swarm
	Swarm time.Duration // one change of the Swarm
}

// DefaultBudgets are careful figures for the time before the first measurement.
func DefaultBudgets() Budgets {
	return Budgets{Drain: 60 * time.Second, Halt: 120 * time.Second, Park: 60 * time.Second, Boot: 120 * time.Second, Swarm: 40 * time.Second}
}

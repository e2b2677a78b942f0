package policy

import (
	"maps"
	"slices"
	"time"
)

// Version is the version of [State]'s JSON form.
const Version = 1

// State is all that the core remembers. It is a plain value: it can be copied
// with [State.Clone], compared, printed as JSON, saved and resumed. All times
// are on the controller's own line, which goes on across restarts.
type State struct {
	Version int `json:"version"`
	// Now is the time of the last event.
	Now    time.Duration `json:"now"`
	BootID string        `json:"boot_id"`
	// Armed is false in observe, which a new installation starts in: then
	// all is computed and told but nothing is drained, halted or cut.
	Armed bool  `json:"armed"`
	Phase Phase `json:"phase"`
	// Outages counts them; it makes their ids.
	Outages int `json:"outages"`
	// Effects counts them; it makes their ids.
	Effects int     `json:"effects"`
	Outage  *Outage `json:"outage,omitempty"`
	Last    *Past   `json:"last,omitempty"`
	Seen    Seen    `json:"seen"`
	// Measured is how long steps took so far, by node, and of the whole by
	// [Rack].
	Measured map[string]Times `json:"measured,omitempty"`
	// Battery is what outages have taught of the UPS's battery.
	Battery Battery `json:"battery"`
	// Lengths are how long mains was away in the last outages that outlasted
	// the ride-through, the newest last.
	Lengths []time.Duration `json:"lengths,omitempty"`
}

// A Phase is where in an outage the rack is.
type Phase string

// The phases of an outage, in order.
const (
	Mains      Phase = "mains"
	Riding     Phase = "riding"     // on battery, nothing done yet
	Shedding   Phase = "shedding"   // an early stage was begun
	Stopping   Phase = "stopping"   // everything is being drained; abortable
	Committed  Phase = "committed"  // nodes are being halted or parked
	Dark       Phase = "dark"       // all that is left is to lose power
	Recovering Phase = "recovering" // mains is back and things are put back
)

// Seen is what the world was last seen to be. It changes with every reading and
// is not worth a write of its own.
type Seen struct {
	UPS   UPS             `json:"ups"`
	Meter *Drawn          `json:"meter,omitempty"` // of all that the outlets feed
	Nodes map[string]Node `json:"nodes"`
	Swarm Swarm           `json:"swarm"`
}

// UPS is the newest reading of the UPS that feeds the nodes.
type UPS struct {
	// Power is the last thing known of mains; Unknown before the first
	// reading.
	Power Power         `json:"power"`
	Since time.Duration `json:"since"` // when Power became so
	At    time.Duration `json:"at"`    // of the newest reading
	// Contact is whether the UPS answers, Gone since when it does not, and
	// Missed whether that was told.
	Contact bool           `json:"contact"`
	Gone    time.Duration  `json:"gone,omitempty"`
	Missed  bool           `json:"missed,omitempty"`
	Charge  *float64       `json:"charge,omitempty"` // percent
	Runtime *time.Duration `json:"runtime,omitempty"`
	Load    *float64       `json:"load,omitempty"` // percent
	// Low is the UPS's low-battery flag, and LowSince since when it is set.
	Low      bool          `json:"low,omitempty"`
	LowSince time.Duration `json:"low_since,omitempty"`
	// Still is since when the charge has been what it is.
	Still time.Duration `json:"still,omitempty"`
	// DoubtCharge and DoubtRuntime are figures that jumped: they count once
	// the next reading agrees.
	DoubtCharge  *float64       `json:"doubt_charge,omitempty"`
	DoubtRuntime *time.Duration `json:"doubt_runtime,omitempty"`
}

// Power is what is known of mains. Unknown is neither of the other two.
type Power string

// What can be known of mains.
const (
	Unknown   Power = ""
	OnMains   Power = "mains"
	OnBattery Power = "battery"
)

// A Node is what is known of one machine.
type Node struct {
	Connected bool          `json:"connected"`
	Since     time.Duration `json:"since"` // when Connected became so
	BootID    string        `json:"boot_id,omitempty"`
	Parked    bool          `json:"parked,omitempty"`
	// Drawn is the node's own measured draw in watts; nil is not known.
	Drawn *Drawn `json:"drawn,omitempty"`
	// Hot: a fan that should cool it stands still, and it is hot.
	Hot bool `json:"hot,omitempty"`
}

// A Swarm is the newest snapshot of the Swarm.
type Swarm struct {
	// Known is false until a manager answered. Absent is true where no node
	// has an engine in a Swarm.
	Known  bool          `json:"known"`
	Absent bool          `json:"absent,omitempty"`
	At     time.Duration `json:"at"`
	Quorum bool          `json:"quorum"`
	Nodes  []SwarmNode   `json:"nodes,omitempty"`
}

// A SwarmNode is one node of the Swarm.
type SwarmNode struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Manager      bool   `json:"manager,omitempty"`
	Leader       bool   `json:"leader,omitempty"`
	Availability string `json:"availability"`
	Ready        bool   `json:"ready"`
}

// An Outage is one episode, from mains lost until everything is restored.
type Outage struct {
	ID    string        `json:"id"`
	Began time.Duration `json:"began"`
	// Battery is the time on battery of the spells that are over.
	Battery time.Duration `json:"battery"`
	// First is what the UPS told when this spell on battery began.
	First *Anchor `json:"first,omitempty"`
	// Anchor is where the slope of the charge is measured from: the first
	// fall that was told at this load. Recent is the same, 5 points ago at
	// most: it is written down, so that a battery that ends is known.
	Anchor *Anchor `json:"anchor,omitempty"`
	Recent *Anchor `json:"recent,omitempty"`
	// Base is what of Battery was over when mains went away again during
	// the restore: the triggers count from there.
	Base time.Duration `json:"base,omitempty"`
	// Stages that were begun, done or passed over, by index.
	Stages map[int]string `json:"stages,omitempty"`
	// Doing is what is going on: nothing, a stage, the stop, the restore.
	Doing Doing `json:"doing"`
	Stage int   `json:"stage"` // the one that Doing is about; below 0 is the strategy's own
	// Shed names the nodes that are being shed, or were.
	Shed []string `json:"shed,omitempty"`
	// DoingBegan is when Doing began.
	DoingBegan time.Duration `json:"doing_began"`
	Step       StepName      `json:"step"`
	// StepBegan and Deadline bound the step; RetryAt is when what failed is
	// asked for again; 0 is never.
	StepBegan time.Duration `json:"step_began"`
	Deadline  time.Duration `json:"deadline"`
	RetryAt   time.Duration `json:"retry_at,omitempty"`
	// OK is whether the one effect of this step was done.
	OK bool `json:"ok,omitempty"`
	// Why is what the last effect that failed said.
	Why string `json:"why,omitempty"`
	// Pending are the effects that run.
	Pending []Pending `json:"pending,omitempty"`
	// Before is how each node of the Swarm was before it was changed.
	Before []Before `json:"before,omitempty"`
	// Runs is what was done to each node.
	Runs map[string]Run `json:"runs,omitempty"`
	// Away names the nodes that were long gone when the outage began, and
	// have not been seen since: nobody waits for them.
	Away []string `json:"away,omitempty"`
	// KeepsOn: the outlets came on again while mains is away, so that cutting
	// them is of no use.
	KeepsOn bool `json:"keeps_on,omitempty"`
	// Committed: a node was ordered to halt or park for good.
	Committed bool `json:"committed,omitempty"`
	// Halts: a node was ordered to halt that only a power cycle wakes, and
	// no cut was armed since: the outlets have to cycle even when mains is back.
	Halts bool `json:"halts,omitempty"`
	// PerPercent is how long one percent of charge lasted, on battery in
	// this outage; 0 is not measured yet.
	PerPercent time.Duration `json:"per_percent,omitempty"`
	// Grain is the least fall of the charge that was told, in percent: the
	// gauge's step, where it has one; 0 is not known.
	Grain float64 `json:"grain,omitempty"`
	// Watts is the load at which Anchor was taken.
	Watts float64 `json:"watts,omitempty"`
	// End is what the charge was to be when the outlets went off.
	End *End `json:"end,omitempty"`
	// Rebooted is whether the controller's machine started again in it.
	Rebooted bool `json:"rebooted,omitempty"`
	// Early is set from a start of the machine until mains is seen: it may
	// have started while mains is still away.
	Early bool `json:"early,omitempty"`
	// Suspect is the charge last written down before the machine started
	// again: the battery may have ended there.
	Suspect *float64 `json:"suspect,omitempty"`
	// NoLearning is set where the UPS refused a long delay.
	NoLearning bool `json:"no_learning,omitempty"`
	// CutAt is when the outlets go off; 0 while no cut is armed.
	CutAt time.Duration `json:"cut_at,omitempty"`
	// Cut is whether a cut was armed in this outage.
	Cut bool `json:"cut,omitempty"`
	// Aborted by an operator: only the last moment begins a stop again.
	Aborted bool `json:"aborted,omitempty"`
	// Unclean names the nodes that were not stopped in time; Short what
	// could not be put back.
	Unclean []string `json:"unclean,omitempty"`
	Short   []string `json:"short,omitempty"`
}

// An Anchor is the charge at a moment.
type Anchor struct {
	At      time.Duration  `json:"at"`
	Charge  float64        `json:"charge"`
	Runtime *time.Duration `json:"runtime,omitempty"`
}

// Doing is what is going on in an outage.
type Doing string

// What can be going on.
const (
	Nothing   Doing = ""
	Shed      Doing = "shed"
	Stop      Doing = "stop"
	Restoring Doing = "restore"
)

// A StepName names one step of what is going on.
type StepName string

// The steps, of a stage or the stop, then of restoring.
const (
	StepSnapshot StepName = "snapshot"
	StepPause    StepName = "pause"
	StepDrain    StepName = "drain"
	StepAwait    StepName = "await"
	StepIdle     StepName = "idle"
	StepNodes    StepName = "nodes"
	StepCut      StepName = "cut"
	StepHost     StepName = "host"

	StepWait    StepName = "wait"
	StepReturn  StepName = "return"
	StepRestore StepName = "put back"
	StepVerify  StepName = "verify"
	StepSleep   StepName = "sleepers" // nodes that their own clock wakes later
)

// A Pending effect runs; its result has not come.
type Pending struct {
	ID   string     `json:"id"`
	Kind EffectKind `json:"kind"`
	Node string     `json:"node,omitempty"`
	// At is when it was asked for; Delay is the effect's.
	At    time.Duration `json:"at,omitempty"`
	Delay time.Duration `json:"delay,omitempty"`
	// Parked is whether the node was parked then already: what it takes is no
	// measure of a park.
	Parked bool `json:"parked,omitempty"`
}

// Before is how a node of the Swarm was before Lastwatt changed it.
type Before struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Availability string `json:"availability"`
	// Down is whether it was not ready then.
	Down bool `json:"down,omitempty"`
}

// A Run is what an outage did to one node.
type Run struct {
	State RunState `json:"state"`
	// BootID of the node when it was stopped; another one is a node that
	// came back.
	BootID string `json:"boot_id,omitempty"`
	// At is when a node that halts was told to, and Alarm when its own clock,
	// or the timer of its park, starts it again; 0 is never.
	At    time.Duration `json:"at,omitempty"`
	Alarm time.Duration `json:"alarm,omitempty"`
	// Again is when a node that is there, though it was stopped or given up, and
	// that did not park is told to again; 0 is at once.
	Again time.Duration `json:"again,omitempty"`
}

// leaving is whether the node was told to halt and is not known to be off: it may
// still do so after its time, or after the order was taken back.
func (r Run) leaving() bool {
	return r.State == Halting || r.State == Asked || r.State == Missed && r.At > 0
}

// A RunState is how far a node was brought down.
type RunState string

// How far a node can be brought down.
const (
	Up      RunState = ""
	Idle    RunState = "idle"
	Asked   RunState = "asked" // to halt or park, and that was taken back: it may do so all the same
	Halting RunState = "halting"
	Halted  RunState = "halted"
	Parking RunState = "parking"
	Parked  RunState = "parked"
	Missed  RunState = "missed" // its time ran out
	Booting RunState = "booting"
)

// Past is what remains of an outage that is over.
type Past struct {
	ID        string        `json:"id"`
	Began     time.Duration `json:"began"`
	Ended     time.Duration `json:"ended"`
	Battery   time.Duration `json:"battery"`
	Committed bool          `json:"committed"`
	Cut       bool          `json:"cut"`
	Unclean   []string      `json:"unclean,omitempty"`
	Short     []string      `json:"short,omitempty"`
}

// Initial is the state of a new installation: on observe, nothing known.
func Initial() State {
	return State{Version: Version, Phase: Mains, Seen: Seen{Nodes: map[string]Node{}}}
}

// Clone returns a copy that shares nothing with s that a Step writes to.
func (s State) Clone() State {
	s.Seen.Nodes = cloneMap(s.Seen.Nodes)
	s.Seen.Swarm.Nodes = slices.Clone(s.Seen.Swarm.Nodes)
	return s.own()
}

// own is s with an outage of its own. The nodes and the Swarm that were seen, which
// few events change, are still shared: who writes to them copies them first.
func (s State) own() State {
	if s.Outage != nil {
		o := *s.Outage
		o.Shed = slices.Clone(o.Shed) // what its pointers point to is never written to
		o.Stages = cloneMap(o.Stages)
		o.Runs = cloneMap(o.Runs)
		o.Pending = slices.Clone(o.Pending)
		o.Before = slices.Clone(o.Before)
		o.Unclean = slices.Clone(o.Unclean)
		o.Away = slices.Clone(o.Away)
		o.Short = slices.Clone(o.Short)
		s.Outage = &o
	}
	if s.Last != nil {
		l := *s.Last
		l.Unclean = slices.Clone(l.Unclean)
		l.Short = slices.Clone(l.Short)
		s.Last = &l
	}
	return s
}

// cloneMap is a copy of m that can be written to, also where m is nil: a state
// that was read from the journal has nil for what was empty.
func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// Durable is s without what every reading changes: two states with equal
// Durable parts need no write between them.
func (s State) Durable() State {
	s = s.Clone()
	s.Now = 0
	s.Seen = Seen{}
	if s.Outage != nil {
		s.Outage.PerPercent, s.Outage.Grain = 0, 0
	}
	return s
}

// spell is the time on battery that the triggers count.
func (s State) spell() time.Duration {
	if s.Outage == nil {
		return 0
	}
	return s.OnBatteryFor() - s.Outage.Base
}

// OnBatteryFor is the time on battery in this outage; 0 without one.
func (s State) OnBatteryFor() time.Duration {
	if s.Outage == nil {
		return 0
	}
	d := s.Outage.Battery
	if s.Seen.UPS.Power == OnBattery {
		d += s.Now - max(s.Seen.UPS.Since, s.Outage.Began)
	}
	return d
}

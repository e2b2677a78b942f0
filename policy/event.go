package policy

import "time"

// An Event is something that happened at At on the controller's line. Times of
// consecutive events never fall.
type Event struct {
	At   time.Duration
	What What
}

// What happened: one of [Started], [Reading], [Contact], [NodeSeen],
// [SwarmSeen], [Result], [Operator], [Drawn],
// [Heat], [Tick].
type What interface{ what() }

// Started is the first event after every start of the controller. A BootID
// other than the state's tells a reboot from a crash.
type Started struct{ BootID string }

// A Reading is what the UPS said. A Power of Unknown changes nothing that is
// known.
type Reading struct {
	Power   Power
	Charge  *float64 // percent
	Runtime *time.Duration
	Load    *float64 // percent
	Low     bool
}

// Contact is lost or regained with the UPS.
type Contact struct{ Lost bool }

// NodeSeen is an agent that connected or went away.
type NodeSeen struct {
	Node      string
	Connected bool
	BootID    string // of a connected node
	Parked    bool
}

// SwarmSeen is a snapshot of the Swarm; its At is ignored.
type SwarmSeen struct{ Swarm Swarm }

// A Result is what became of an effect.
type Result struct {
	ID      string
	Outcome Outcome
	// Text says why, where it was not done.
	Text string
	// Delay is what a UPS that was told to cut counts down.
	Delay time.Duration
}

// An Outcome is how an effect ended.
type Outcome string

// How an effect can end. Lost is what a restart, or a connection that broke,
// makes of an effect that was running: it may or may not have been done.
const (
	Done      Outcome = "done"
	Failed    Outcome = "failed"
	Cancelled Outcome = "cancelled"
	Lost      Outcome = "unknown"
)

// An Operator ordered something.
type Operator struct {
	Order string // arm, observe, abort
	By    string
}

// Drawn is what was measured of a node's draw, or, with Node empty, of all that
// the outlets feed.
type Drawn struct {
	Node   string        `json:"node,omitempty"`
	Watts  float64       `json:"watts"`
	Method string        `json:"method"` // how it was measured, for people
	At     time.Duration `json:"at"`     // ignored in an event
}

// Heat is whether a node is hot while a fan that should cool it stands still.
type Heat struct {
	Node string
	Hot  bool
}

// Tick is time passing.
type Tick struct{}

func (Started) what()   {}
func (Reading) what()   {}
func (Contact) what()   {}
func (NodeSeen) what()  {}
func (SwarmSeen) what() {}
func (Result) what()    {}
func (Operator) what()  {}
func (Drawn) what()     {}
func (Heat) what()      {}
func (Tick) what()      {}

// An Effect is something to be done to the outside world. The effects of one
// Step may run in parallel. Each may be repeated: what is so already is left.
type Effect struct {
	ID   string
	Kind EffectKind
	// Node is whom it concerns; Nodes are ids of the Swarm's nodes.
	Node    string
	Nodes   []string
	Changes []Change
	// Delay of a cut; the longest time of a park; of a halt, see DoHalt.
	Delay time.Duration
	// Deadline on the controller's line; what is not done by then is not
	// worth doing any more.
	Deadline time.Duration
	// Outage it belongs to; empty for what belongs to none.
	Outage string
	// Reason is a sentence for people, with the numbers that decided.
	Reason string
	// Story and Severity are what a Tell is about: a kind of package rack's.
	Story    string
	Severity string
}

// A Change is what to make of one node of the Swarm. Outage is our own label.
type Change struct {
	ID, Name, Availability, Outage string
}

// An EffectKind says what to do.
type EffectKind string

// The kinds of effect. All but Tell and Cancel have a [Result].
const (
	DoSnapshot EffectKind = "snapshot" // of the Swarm; SwarmSeen comes before its Result
	DoChange   EffectKind = "change"   // Changes to the Swarm
	DoAwait    EffectKind = "await"    // until nothing runs on Nodes
	DoClear    EffectKind = "clear"    // stop the containers that Node still runs
	DoHalt     EffectKind = "halt"     // with Delay above 0 its clock starts it again after that
	DoWake     EffectKind = "wake"     // start a halted node, by its wake method
	DoPark     EffectKind = "park"
	DoReboot   EffectKind = "reboot"
	DoCut      EffectKind = "cut"    // outlets off after Delay, on again with mains
	DoVerify   EffectKind = "verify" // services run as before
	Tell       EffectKind = "tell"
	Cancel     EffectKind = "cancel" // the effect whose id is Node
)

// Package rack is what is known of the rack at one moment: the snapshot that
// every output shows, and the events that make up the story of an outage.
package rack

import (
	"time"

	"lastwatt/drivers"
)

// A Snapshot is one coherent view of the rack. It is a value: nothing in it
// changes after it was handed out, and receivers must not change it.
type Snapshot struct {
	Site string `json:"site"`
	// At is the wall clock, for people; zero where the clock is not set.
	At time.Time `json:"at"`
	// Mode is observe or armed.
	Mode string `json:"mode"`
	// Phase is one of the phases of an outage: mains, riding, shedding,
	// stopping, committed, dark, recovering.
	Phase string `json:"phase"`
	// Summary is one line for people: what is happening and what comes next.
	Summary string `json:"summary"`

	Outage *Outage `json:"outage,omitempty"` // the one that is running; nil on mains
	Last   *Outage `json:"last_outage,omitempty"`

	UPS    []UPS           `json:"ups"`
	Nodes  []Node          `json:"nodes"`
	Fans   []drivers.Fan   `json:"fans,omitempty"`  // of the rack
	Rails  []drivers.Rail  `json:"rails,omitempty"` // of the rack
	Meters []drivers.Meter `json:"meters,omitempty"`
	// Witnesses look at mains beside the UPS.
	Witnesses []drivers.Witness `json:"witnesses,omitempty"`
	// Outputs are relays and pins that the controller's machine drives.
	Outputs []drivers.Output `json:"outputs,omitempty"`
	Swarm   Swarm            `json:"swarm"`

	Plan   Plan      `json:"plan"`
	Health []Problem `json:"health"`
}

// An Outage is one episode from mains lost until everything is restored.
type Outage struct {
	ID    string    `json:"id"`
	Began time.Time `json:"began"` // wall clock; zero where unknown
	// Elapsed is measured on the controller's own line of time.
	Elapsed time.Duration `json:"elapsed_ns"`
	// OnBattery is the time on battery so far; after the end, in all.
	OnBattery time.Duration `json:"on_battery_ns"`
	Stage     string        `json:"stage,omitempty"`
	Committed bool          `json:"committed"`
	Cut       bool          `json:"cut"`
	Ended     bool          `json:"ended"`
}

// A UPS is the newest reading of one UPS.
type UPS struct {
	Name   string      `json:"name"`
	Driver string      `json:"driver"`
	Feeds  []string    `json:"feeds,omitempty"`
	Fact   drivers.UPS `json:"fact"`
	// Contact is false while the device does not answer; Fact is then the
	// last one, Age old. Known is false before the first reading.
	Contact bool          `json:"contact"`
	Lost    string        `json:"lost,omitempty"` // why there is no contact
	Known   bool          `json:"known"`
	Age     time.Duration `json:"age_ns"`
}

// A Node is one machine of the cluster.
type Node struct {
	Name      string `json:"name"`
	Model     string `json:"model,omitempty"`
	Tier      int    `json:"tier"`
	Wake      string `json:"wake"`
	UPSHost   bool   `json:"ups_host"`
	Connected bool   `json:"connected"`
	// State is up, drained, idle, halting, halted, parked or unknown.
	State  string `json:"state"`
	BootID string `json:"boot_id,omitempty"`
	// Role, Leader, Availability and SwarmState are the Swarm's; Role is
	// empty for a node that is in no Swarm.
	Role         string `json:"role,omitempty"`
	Leader       bool   `json:"leader,omitempty"`
	Availability string `json:"availability,omitempty"`
	SwarmState   string `json:"swarm_state,omitempty"`

	Fact  drivers.Node   `json:"fact"`
	Fans  []drivers.Fan  `json:"fans,omitempty"`
	Rails []drivers.Rail `json:"rails,omitempty"`
	// Meters that hang on this node's buses.
	Meters  []drivers.Meter  `json:"meters,omitempty"`
	Outputs []drivers.Output `json:"outputs,omitempty"`
}

// A Swarm is the cluster's state as a manager told it last.
type Swarm struct {
	Known    bool          `json:"known"`
	Age      time.Duration `json:"age_ns"`
	Managers int           `json:"managers"`
	Quorum   bool          `json:"quorum"`
	Leader   string        `json:"leader,omitempty"`
	Services []Service     `json:"services,omitempty"`
}

// A Service is one service of the Swarm.
type Service struct {
	Name    string `json:"name"`
	Running int    `json:"running"`
	Desired int    `json:"desired"`
}

// A Plan is what will happen if mains stays away, or goes now.
type Plan struct {
	// TimeToEmpty is the most careful estimate; nil is unknown. Method says
	// where it comes from.
	TimeToEmpty *time.Duration `json:"time_to_empty_ns,omitempty"`
	Method      string         `json:"method,omitempty"`
	// Load is what the outlets feed now; 0 is no plan. LoadMethod says how that
	// is known: by a meter, the nodes' own figures, the UPS or the table.
	Load       drivers.Watt `json:"load_watts,omitempty"`
	LoadMethod string       `json:"load_method,omitempty"`
	// Margin is what is left of the battery's time after the last step.
	Margin *time.Duration `json:"margin_ns,omitempty"`
	Steps  []Step         `json:"steps"`
}

// A Step is one thing that will happen, In from now.
type Step struct {
	In   time.Duration `json:"in_ns"`
	What string        `json:"what"`
	Node string        `json:"node,omitempty"`
	// Watts is the load from then on, as far as the plan knows it.
	Watts  float64 `json:"watts"`
	Reason string  `json:"reason"`
}

// A Problem is something that would make an outage go wrong, in words for
// people: what is wrong, and what to do.
type Problem struct {
	Code     string `json:"code"`
	Severity string `json:"severity"` // warning or critical
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// An Event is one line of an outage's story.
type Event struct {
	// Kind is one of the kinds that [Kinds] lists.
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"` // wall clock; zero where the clock is not set
	Outage string    `json:"outage,omitempty"`
	Node   string    `json:"node,omitempty"`
	// Severity is info, warning or critical.
	Severity string `json:"severity"`
	// Text is a sentence for people, with the numbers that decided.
	Text string `json:"text"`
}

// The kinds of events.
const (
	OnBattery    = "on_battery"
	OnMains      = "mains_back"
	Stage        = "stage"
	Stopping     = "stopping"
	Committed    = "committed"
	CutArmed     = "cut_armed"
	Dark         = "dark"
	Recovering   = "recovering"
	Restored     = "restored"
	Incomplete   = "restore_incomplete"
	Undone       = "undone"
	ContactLost  = "contact_lost"
	ContactBack  = "contact_back"
	NodeStopped  = "node_stopped"
	NodeBack     = "node_back"
	StepFailed   = "step_failed"
	ModeChanged  = "mode_changed"
	Health       = "health"
	FanStalled   = "fan_stalled"
	RailLow      = "rail_low"
	UnderVoltage = "under_voltage" // of a node, by its firmware
	NodeHot      = "node_hot"
	OutputWrong  = "output_wrong"   // a relay or pin is not as it was set
	Disputed     = "mains_disputed" // a witness and the UPS disagree
	PartBack     = "part_back"      // one of the last six is over
)

// Kinds lists the kinds of events.
func Kinds() []string {
	return []string{OnBattery, OnMains, Stage, Stopping, Committed, CutArmed, Dark, Recovering, Restored,
		Incomplete, Undone, ContactLost, ContactBack, NodeStopped, NodeBack, StepFailed, ModeChanged, Health, FanStalled, RailLow, UnderVoltage, NodeHot, OutputWrong, Disputed, PartBack}
}

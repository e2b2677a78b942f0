// Package doctor finds what would make an outage go wrong on this machine, before
// one does.
package doctor

import (
	"cmp"
	"slices"
	"time"

	"lastwatt/drivers"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// Facts are what was found out about the machine. A nil field was not found out;
// Unchecked says why.
type Facts struct {
	// Board is what its own sensors say; nil where it has none.
	Board *drivers.Node
	// Pi is whether the board is a Raspberry Pi.
	Pi bool
	// Rails are what its power chip measures; nil where it has none.
	Rails []drivers.Rail
	// Bootloader is when its EEPROM's program was made; the zero time is not
	// known.
	Bootloader time.Time
	// KeepsTime is whether it has a clock that goes on without power; nil is
	// not known. Alarm is whether a clock can start it.
	KeepsTime *bool
	Alarm     bool
	// Journal is whether the system's journal outlives the power; nil is not
	// known.
	Journal *bool
	// Synced is whether its time is kept by the network.
	Synced *bool
	// Devices are the files of devices that there are and that a driver here may
	// need.
	Devices []Device
	// State is where the agent and the controller that are configured here keep
	// their state.
	State []Directory
	// Agent is this node's agent; nil where none is configured.
	Agent *Agent
	// Controller is the controller that runs here; nil where none does.
	Controller *Controller
	// Engine is the container engine; nil where none answers.
	Engine *Engine

	Unchecked []Unchecked
}

// A Device is a file that something here has to open.
type Device struct {
	Path, For string
	Err       error // why it cannot be opened; nil where it can
}

// A Directory is one that has to survive a power cut.
type Directory struct {
	Path string
	// Memory is whether it is in memory, and so is gone with the power.
	Memory bool
	Err    error // why it cannot be written to; nil where it can
}

// Agent is what is known of this node's agent.
type Agent struct {
	Node string
	// Err is what is wrong with its configuration; Joined whether its
	// certificates are there.
	Err    error
	Joined bool
	// Running is whether its service is; nil is not known.
	Running *bool
}

// Controller is what is known of the controller that runs here.
type Controller struct {
	Err error // what is wrong with its configuration
	// Feeds is all that its UPSes feed; Cut whether outlets are cut; Remote whether
	// one that feeds something is read over the network.
	Feeds       []string
	Cut, Remote bool
	// Broker is the MQTT broker's host and Port its port; empty is none.
	Broker string
	Port   uint32
	// Nodes are the names of the rack's nodes, UPSHost the one that stops last,
	// and Wake how each is woken.
	Nodes   []string
	UPSHost string
	Wake    map[string]string
	// Drain is the longest that draining may take.
	Drain time.Duration
	// Health is what the running controller complains of; Running is false
	// where none answers.
	Running bool
	Health  []rack.Problem
}

// Engine is what is known of the container engine here.
type Engine struct {
	swarm.Habits
	// Shutdown is what dockerd gives containers when it is stopped; Unit what
	// systemd gives dockerd. 0 is not known.
	Shutdown, Unit time.Duration
}

// Unchecked is something that was not found out, and why.
type Unchecked struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// A Report is what the doctor says, the worst first.
type Report struct {
	Problems  []rack.Problem `json:"problems"`
	Unchecked []Unchecked    `json:"unchecked"`
	// Checks is how many questions were asked.
	Checks int `json:"checks"`
}

// Worst is critical, warning, or ok.
func (r Report) Worst() drivers.Level {
	switch {
	case slices.ContainsFunc(r.Problems, func(p rack.Problem) bool { return p.Severity == "critical" }):
		return drivers.Critical
	case len(r.Problems) > 0:
		return drivers.Warning
	}
	return drivers.OK
}

// Examine asks every question of the facts. It is a pure function.
func Examine(f Facts) Report {
	r := Report{Problems: []rack.Problem{}, Unchecked: f.Unchecked}
	if r.Unchecked == nil {
		r.Unchecked = []Unchecked{}
	}
	for _, check := range checks() {
		r.Checks++
		r.Problems = append(r.Problems, check(f)...)
	}
	if f.Controller != nil {
		r.Problems = append(r.Problems, f.Controller.Health...)
	}
	worst := func(p rack.Problem) int {
		if p.Severity == "critical" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(r.Problems, func(a, b rack.Problem) int { return cmp.Compare(worst(a), worst(b)) })
	return r
}

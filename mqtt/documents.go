package mqtt

import (
	"math"
	"slices"
	"strings"
	"time"

	"lastwatt/rack"
)

// Messages is the state of the rack as retained documents: cluster, plan,
// ups/<name>, node/<name>. It is a pure function; every key is always there,
// null where it is not known. Durations are in seconds, rounded so that a
// document changes when the rack does and not because a clock ticked.
func Messages(s rack.Snapshot, o Options) []Message {
	ms := []Message{
		document(o.topic("cluster"), newClusterDoc(s)),
		document(o.topic("plan"), newPlanDoc(s)),
	}
	for _, u := range s.UPS {
		ms = append(ms, document(o.topic("ups", u.Name), newUPSDoc(u)))
	}
	for _, n := range s.Nodes {
		ms = append(ms, document(o.topic("node", n.Name), newNodeDoc(n)))
	}
	return ms
}

type clusterDoc struct {
	Site      string  `json:"site"`
	Mode      *string `json:"mode"`
	Phase     *string `json:"phase"`
	Summary   string  `json:"summary"`
	OnBattery *bool   `json:"on_battery"`

	Outage        bool       `json:"outage"`
	OutageID      *string    `json:"outage_id"`
	OutageBegan   *time.Time `json:"outage_began"`
	Stage         *string    `json:"stage"`
	TimeOnBattery *float64   `json:"time_on_battery"`
	Committed     *bool      `json:"committed"`
	CutArmed      *bool      `json:"cut_armed"`

	LastOutageID       *string    `json:"last_outage_id"`
	LastOutageBegan    *time.Time `json:"last_outage_began"`
	LastOutageDuration *float64   `json:"last_outage_duration"`

	Problem  bool           `json:"problem"`
	Problems int            `json:"problems"`
	Health   []rack.Problem `json:"health"`

	SwarmKnown    bool           `json:"swarm_known"`
	SwarmQuorum   *bool          `json:"swarm_quorum"`
	SwarmManagers *int           `json:"swarm_managers"`
	SwarmLeader   *string        `json:"swarm_leader"`
	Services      []rack.Service `json:"services"`

	partsDoc
	// Witnesses say whether mains is there, by the slug of their name.
	Witnesses map[string]*bool `json:"witnesses"`
}

func newClusterDoc(s rack.Snapshot) clusterDoc {
	d := clusterDoc{
		Site: s.Site, Mode: oneOf(s.Mode, modes()), Phase: oneOf(s.Phase, phases()), Summary: shorten(s.Summary), OnBattery: onBattery(s.UPS),
		Problem: len(s.Health) > 0, Problems: len(s.Health), Health: list(s.Health),
		SwarmKnown: s.Swarm.Known, Services: list(s.Swarm.Services),
		partsDoc: newPartsDoc(s.Fans, s.Rails, s.Meters, s.Outputs), Witnesses: map[string]*bool{},
	}
	for _, w := range s.Witnesses {
		d.Witnesses[slug(w.Name)] = w.Mains
	}
	if s.Swarm.Known {
		d.SwarmQuorum, d.SwarmManagers, d.SwarmLeader = &s.Swarm.Quorum, &s.Swarm.Managers, text(s.Swarm.Leader)
	}
	if out := s.Outage; out != nil {
		d.Outage, d.OutageID, d.OutageBegan, d.Stage = true, text(out.ID), instant(out.Began), text(out.Stage)
		d.TimeOnBattery, d.Committed, d.CutArmed = coarse(&out.OnBattery), &out.Committed, &out.Cut
	}
	if last := s.Last; last != nil {
		d.LastOutageID, d.LastOutageBegan, d.LastOutageDuration = text(last.ID), instant(last.Began), coarse(&last.OnBattery)
	}
	return d
}

// onBattery is what the UPSes that feed the nodes say: true if one is on
// battery, false if none is, nil if that is not known of all of them. Where the
// configuration names no feeds all of them count.
func onBattery(all []rack.UPS) *bool {
	feeding := slices.DeleteFunc(slices.Clone(all), func(u rack.UPS) bool { return len(u.Feeds) == 0 })
	if len(feeding) == 0 {
		feeding = all
	}
	known := len(feeding) > 0
	for _, u := range feeding {
		switch {
		case !u.Contact || u.Fact.OnBattery == nil:
			known = false
		case *u.Fact.OnBattery:
			return u.Fact.OnBattery
		}
	}
	if !known {
		return nil
	}
	return new(bool)
}

type planDoc struct {
	TimeToEmpty *float64 `json:"time_to_empty"`
	Method      *string  `json:"method"`
	Margin      *float64 `json:"margin"`
	// NextStep is what comes next in the outage that is running, "none"
	// without one; Steps are then what would happen if mains went now.
	NextStep       string     `json:"next_step"`
	NextStepAt     *time.Time `json:"next_step_at"`
	NextStepReason *string    `json:"next_step_reason"`
	Steps          []stepDoc  `json:"steps"`
}

type stepDoc struct {
	In     *float64 `json:"in"`
	What   string   `json:"what"`
	Node   *string  `json:"node"`
	Reason string   `json:"reason"`
}

func newPlanDoc(s rack.Snapshot) planDoc {
	p := s.Plan
	d := planDoc{
		TimeToEmpty: coarse(p.TimeToEmpty), Method: text(p.Method), Margin: coarse(p.Margin),
		NextStep: "none", Steps: []stepDoc{},
	}
	for _, step := range p.Steps {
		d.Steps = append(d.Steps, stepDoc{coarse(&step.In), step.What, text(step.Node), step.Reason})
	}
	if s.Outage == nil || len(p.Steps) == 0 {
		return d
	}
	next := p.Steps[0]
	d.NextStep, d.NextStepReason = shorten(strings.TrimSpace(next.What+" "+next.Node)), text(next.Reason)
	if !s.At.IsZero() {
		d.NextStepAt = instant(s.At.Add(next.In))
	}
	return d
}

type nodeDoc struct {
	Name         string  `json:"name"`
	Model        *string `json:"model"`
	Tier         int     `json:"tier"`
	Wake         *string `json:"wake"`
	UPSHost      bool    `json:"ups_host"`
	Connected    bool    `json:"connected"`
	State        string  `json:"state"`
	Role         *string `json:"role"`
	Leader       bool    `json:"leader"`
	Availability *string `json:"availability"`
	SwarmState   *string `json:"swarm_state"`

	Temperature  *float64 `json:"temperature"`
	Draw         *float64 `json:"draw"`
	DrawMethod   *string  `json:"draw_method"`
	UnderVoltage *bool    `json:"under_voltage"`
	Throttled    *string  `json:"throttled"` // "none", or what is set, with commas
	Reset        *string  `json:"reset"`
	Drives       []drive  `json:"drives"`
	partsDoc
}

func newNodeDoc(n rack.Node) nodeDoc {
	state := "unknown"
	if slices.Contains(nodeStates(), n.State) {
		state = n.State
	}
	return nodeDoc{
		Name: n.Name, Model: text(n.Model), Tier: n.Tier, Wake: text(n.Wake), UPSHost: n.UPSHost,
		Connected: n.Connected, State: state, Role: text(n.Role), Leader: n.Leader,
		Availability: text(n.Availability), SwarmState: text(n.SwarmState),
		Temperature: number(n.Fact.Temperature, 1), Draw: number(n.Fact.Draw, 0.1), DrawMethod: text(n.Fact.Method),
		UnderVoltage: n.Fact.UnderVoltage, Throttled: throttled(n.Fact.Throttled), Reset: text(n.Fact.Reset), Drives: newDrives(n.Fact.Drives),
		partsDoc: newPartsDoc(n.Fans, n.Rails, n.Meters, n.Outputs),
	}
}

// Home Assistant refuses a value of an enum that its discovery did not list, so
// documents hold only these.

func modes() []string { return []string{"observe", "armed"} }

func phases() []string {
	return []string{"mains", "riding", "shedding", "stopping", "committed", "dark", "recovering"}
}

func nodeStates() []string {
	return []string{"up", "drained", "idle", "halting", "halted", "parked", "unknown"}
}

func oneOf(s string, allowed []string) *string {
	if !slices.Contains(allowed, s) {
		return nil
	}
	return &s
}

// text is s, or null for an empty one.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// shorten cuts s to the 255 characters that a state of Home Assistant holds.
func shorten(s string) string {
	if r := []rune(s); len(r) > 255 {
		return string(r[:254]) + "…"
	}
	return s
}

// number is v rounded to a multiple of step, or null.
func number[F ~float64](v *F, step float64) *float64 {
	if v == nil || math.IsNaN(float64(*v)) || math.IsInf(float64(*v), 0) {
		return nil
	}
	// Dividing by the inverse of a decimal step gives the shortest decimal.
	r := math.Round(float64(*v)/step) * step
	if step < 1 {
		inverse := math.Round(1 / step)
		r = math.Round(float64(*v)*inverse) / inverse
	}
	return &r
}

// seconds is d in whole seconds, or null.
func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := math.Trunc(d.Seconds())
	return &s
}

// coarse is d in seconds, from a minute on in steps of 10 s: estimates and
// elapsed times are not better than that, and each change is a message.
func coarse(d *time.Duration) *float64 {
	s := seconds(d)
	if s != nil && math.Abs(*s) >= 60 {
		*s = math.Trunc(*s/10) * 10
	}
	return s
}

// instant is t in whole seconds, or null where the clock was not set.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.Round(time.Second)
	return &t
}

// list is never null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

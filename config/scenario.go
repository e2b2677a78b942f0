package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// A Scenario is a rack as it truly is, what happens to it, and the configuration
// that is to bring it through.
type Scenario struct {
	Path   string `yaml:"-"`
	Rack   Truth  `yaml:"rack"`
	Mains  Mains  `yaml:"-"`
	Faults []Fault
	Config Config `yaml:"-"`
}

// Truth is the rack, unknown to the policy.
type Truth struct {
	Battery TrueBattery         `yaml:"battery"`
	BaseW   float64             `yaml:"base_w"` // switch, fans: all the time
	Nodes   map[string]TrueNode `yaml:"nodes"`
	// Need is how many nodes must be up for the services to be up.
	Need  int   `yaml:"need"`
	Tells Tells `yaml:"ups"`
}

// TrueBattery is the battery and its inverter.
type TrueBattery struct {
	CapacityWh float64 `yaml:"capacity_wh"` // when new, at a discharge over an hour
	Health     float64 `yaml:"health"`      // 0 to 1
	Peukert    float64 `yaml:"peukert"`
	OverheadW  float64 `yaml:"overhead_w"`
	Efficiency float64 `yaml:"efficiency"`
	Charge     float64 `yaml:"charge"` // percent, at the start
	ChargerW   float64 `yaml:"charger_w"`
}

// TrueNode is one machine.
type TrueNode struct {
	IdleW   float64 `yaml:"idle_w"`
	BusyW   float64 `yaml:"busy_w"`
	Drain   Span    `yaml:"drain"`
	Halt    Span    `yaml:"halt"`
	Boot    Span    `yaml:"boot"`
	Manager bool    `yaml:"manager"`
	Wake    string  `yaml:"wake"`
	UPSHost bool    `yaml:"ups_host"`
}

// Tells is what the UPS tells of itself, and how it cuts.
type Tells struct {
	Load        string `yaml:"load"`    // exact, zero, or "percent of 720 W"
	Runtime     string `yaml:"runtime"` // exact, stuck, "at most 2h", or "times 1.7"
	Charge      string `yaml:"charge"`  // exact, as new, or "steps of 5"
	DelayStep   Span   `yaml:"delay_step"`
	CutsOnMains bool   `yaml:"cuts_on_mains"`
}

// Mains is when mains is away: a list, or at random.
type Mains struct {
	Off    []Away
	Random *RandomMains
}

// Away is one time without mains.
type Away struct {
	At     Span `yaml:"at"`
	OffFor Span `yaml:"off_for"`
}

// RandomMains is a Poisson process of outages whose lengths have a heavy tail
// (Lomax): of the given median, the heavier the smaller alpha is.
type RandomMains struct {
	RatePerYear float64 `yaml:"rate_per_year"`
	Duration    struct {
		Median Span    `yaml:"median"`
		Alpha  float64 `yaml:"alpha"`
	} `yaml:"duration"`
	For Span `yaml:"for"`
}

// Fault is something that goes wrong.
type Fault struct {
	At   Span   `yaml:"at"`
	What string `yaml:"what"`
	Node string `yaml:"node"`
	For  Span   `yaml:"for"`
}

// FaultKinds are the words for what can go wrong.
func FaultKinds() []string {
	return []string{"controller killed", "agent killed", "link cut", "ups unplugged", "hangs in drain", "hangs in halt", "manager lost", "false low battery"}
}

// rackFaults are those that happen to no node.
func rackFaults() []string {
	return []string{"controller killed", "ups unplugged", "false low battery"}
}

// A Span is a duration that may be of days and years: 90s, 3d, 3y.
type Span time.Duration

// UnmarshalYAML reads a span.
func (s *Span) UnmarshalYAML(n *yaml.Node) error {
	d, err := parseSpan(n.Value)
	if err != nil {
		return &yaml.LoadError{Message: err.Error(), Mark: yaml.Mark{Line: n.Line, Column: n.Column}}
	}
	*s = Span(d)
	return nil
}

// mostSpan is the longest span that is taken.
const mostSpan = 100 * 365 * 24 * time.Hour

func parseSpan(text string) (time.Duration, error) {
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "y": 365 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseFloat(number, 64); err == nil && n >= 0 && n*float64(d) <= float64(mostSpan) {
				return time.Duration(n * float64(d)), nil
			}
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > mostSpan {
		return 0, fmt.Errorf("want a time such as 90s, 5m, 3d or 3y, to 100y (got %q)", text)
	}
	return d, nil
}

type scenarioFile struct {
	Rack   Truth     `yaml:"rack"`
	Mains  yaml.Node `yaml:"mains"`
	Faults []Fault   `yaml:"faults"`
	Config yaml.Node `yaml:"config"`
}

// LoadScenario reads a scenario. The error is a [Problems] where the file could
// be read.
func LoadScenario(path string, kinds []drivers.Kind) (Scenario, error) {
	data, err := readFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("read the scenario: %w (docs/simulate.md says how to write one)", err)
	}
	return ParseScenario(path, data, kinds)
}

// ParseScenario is LoadScenario of data, which errors call path.
func ParseScenario(path string, data []byte, kinds []drivers.Kind) (Scenario, error) {
	c := newChecker(path, "docs/simulate.md", data, kinds)
	if len(c.problems) > 0 {
		return Scenario{}, c.sorted()
	}
	var err error
	f := scenarioFile{Rack: Truth{
		Battery: TrueBattery{Health: 1, Peukert: 1.15, OverheadW: 8, Efficiency: 0.85, Charge: 100, ChargerW: 30},
		Tells:   Tells{Load: "exact", Runtime: "exact", Charge: "exact", DelayStep: Span(time.Minute)},
	}}
	c.take(yaml.Load(data, &f, yaml.WithKnownFields()), &f)
	s := Scenario{Path: path, Rack: f.Rack, Faults: f.Faults}
	if len(c.problems) == 0 {
		c.truth(s)
		s.Mains = c.mains(&f.Mains)
		s.Config, err = c.inner(&f.Config)
	}
	if len(c.problems) == 0 && err == nil {
		c.known(s)
	}
	if len(c.problems) > 0 {
		return Scenario{}, c.sorted()
	}
	return s, err
}

// inner is the configuration, by its path or inline.
func (c *checker) inner(n *yaml.Node) (Config, error) {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		name := n.Value
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(c.path), name)
		}
		data, err := readFile(name)
		if err != nil {
			c.wrong(path("config"), "%v: want the path of a lastwatt.yaml, from this file's folder", err)
			return Config{}, nil
		}
		return Parse(name, data, c.kinds)
	}
	if n.Kind != yaml.MappingNode {
		c.wrong(path("config"), "no configuration: name its file, such as config: ../lastwatt.yaml, or write its keys here")
		return Config{}, nil
	}
	in := checker{path: c.path, page: referencePage, kinds: c.kinds, root: n, within: "config."}
	return in.config(func(into any) error { return n.Load(into, yaml.WithKnownFields()) })
}

// known holds the rack's nodes to those of the configuration: what it does not name
// nobody would stop. One that is only named there is a machine that is not there.
func (c *checker) known(s Scenario) {
	for name := range s.Rack.Nodes {
		if !slices.ContainsFunc(s.Config.Nodes, func(n Node) bool { return n.Name == name }) {
			c.wrong(path("rack", "nodes", name), "the configuration has no node %q: name it there, or remove it here", name)
		}
	}
}

func (c *checker) truth(s Scenario) {
	c.battery(s.Rack.Battery)
	hosts := 0
	for name, n := range s.Rack.Nodes {
		at := path("rack", "nodes", name)
		if !(n.IdleW >= 0 && n.IdleW <= n.BusyW && n.BusyW <= mostWatts) {
			c.wrong(append(at, "busy_w"), "want watts, not less than idle_w, and that 0 or more (got %g, and idle_w %g)", n.BusyW, n.IdleW)
		}
		if n.Wake != "" && !slices.Contains(wakes(), n.Wake) {
			c.wrong(append(at, "wake"), "want one of %s, or leave it out (got %q)", strings.Join(wakes(), ", "), n.Wake)
		}
		if n.UPSHost {
			hosts++
		}
	}
	if hosts > 1 {
		c.wrong(path("rack", "nodes"), "only one node can have the UPS's cable: remove ups_host from the others")
	}
	if len(s.Rack.Nodes) == 0 {
		c.wrong(path("rack", "nodes"), "no nodes: write them here, such as {node01: {idle_w: 3, busy_w: 8, ups_host: true}}")
		return
	}
	c.between(path("rack", "base_w"), s.Rack.BaseW, mostWatts, "watts")
	if s.Rack.Need < 0 || s.Rack.Need > len(s.Rack.Nodes) {
		c.wrong(path("rack", "need"), "want 0 to %d, the number of nodes (got %d)", len(s.Rack.Nodes), s.Rack.Need)
	}
	for key, err := range map[string]error{"load": second(s.Rack.Tells.LoadOf()), "runtime": second(s.Rack.Tells.RuntimeOf()), "charge": second(s.Rack.Tells.ChargeOf())} {
		if err != nil {
			c.wrong(path("rack", "ups", key), "%v", err)
		}
	}
	for i, f := range s.Faults {
		if !slices.Contains(FaultKinds(), f.What) {
			c.wrong(path("faults", i, "what"), "want one of %s (got %q)", strings.Join(FaultKinds(), ", "), f.What)
		}
		_, ok := s.Rack.Nodes[f.Node]
		names := strings.Join(slices.Sorted(maps.Keys(s.Rack.Nodes)), ", ")
		switch {
		case f.Node == "" && slices.Contains(FaultKinds(), f.What) && !slices.Contains(rackFaults(), f.What):
			c.wrong(path("faults", i, "node"), "which node? %q happens to one: want %s", f.What, names)
		case f.Node != "" && !ok:
			c.wrong(path("faults", i, "node"), "%q is no node of rack.nodes: want %s", f.Node, names)
		}
	}
}

// battery holds the battery to what batteries are like.
func (c *checker) battery(b TrueBattery) {
	wrong := func(key string, ok bool, want string, got float64) {
		if !ok {
			c.wrong(path("rack", "battery", key), "want %s (got %g)", want, got)
		}
	}
	wrong("capacity_wh", b.CapacityWh > 0 && b.CapacityWh <= mostWatts, "watt-hours above 0", b.CapacityWh)
	wrong("health", b.Health > 0 && b.Health <= 1, "the share that is left, above 0 and to 1", b.Health)
	wrong("peukert", b.Peukert >= 1 && b.Peukert < 2, "an exponent from 1 to below 2", b.Peukert)
	wrong("overhead_w", b.OverheadW >= 0 && b.OverheadW <= mostWatts, "watts, 0 or more", b.OverheadW)
	wrong("efficiency", b.Efficiency > 0 && b.Efficiency <= 1, "a share above 0 and to 1", b.Efficiency)
	wrong("charge", b.Charge > 0 && b.Charge <= 100, "percent above 0 and to 100", b.Charge)
	wrong("charger_w", b.ChargerW > 0 && b.ChargerW <= mostWatts, "watts above 0", b.ChargerW)
}

func second(_ float64, err error) error { return err }

// after reads the number in "words 5".
func after(text, words string) (float64, bool) {
	rest, ok := strings.CutPrefix(text, words)
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "W")), 64)
	return n, ok && err == nil && n > 0 && n <= mostWatts
}

// LoadOf is how the load is told: 0 is exact, below 0 is always zero, above 0 is
// whole percents of so many watts.
func (t Tells) LoadOf() (float64, error) {
	switch n, ok := after(t.Load, "percent of "); {
	case t.Load == "exact":
		return 0, nil
	case t.Load == "zero":
		return -1, nil
	case ok:
		return n, nil
	}
	return 0, fmt.Errorf("want exact, zero or \"percent of 720 W\" (got %q)", t.Load)
}

// RuntimeOf is how the time to empty is told: by a factor, with a greatest value
// in RuntimeCap; 0 is stuck.
func (t Tells) RuntimeOf() (factor float64, err error) {
	n, ok := after(t.Runtime, "times ")
	switch {
	case t.Runtime == "exact" || t.RuntimeCap() > 0:
		return 1, nil
	case t.Runtime == "stuck":
		return 0, nil
	case ok:
		return n, nil
	}
	return 0, fmt.Errorf("want exact, stuck, \"at most 2h\" or \"times 1.7\" (got %q)", t.Runtime)
}

// RuntimeCap is the greatest time to empty that is told; 0 is none.
func (t Tells) RuntimeCap() time.Duration {
	rest, ok := strings.CutPrefix(t.Runtime, "at most ")
	if d, err := parseSpan(rest); ok && err == nil {
		return d
	}
	return 0
}

// ChargeOf is the step in percent in which the charge is told; 0 is exact, below
// 0 is that of a gauge that believes the battery to be new.
func (t Tells) ChargeOf() (float64, error) {
	n, ok := after(t.Charge, "steps of ")
	switch {
	case t.Charge == "exact":
		return 0, nil
	case t.Charge == "as new":
		return -1, nil
	case ok && n <= 50:
		return n, nil
	}
	return 0, fmt.Errorf("want exact, as new or \"steps of 5\" (got %q)", t.Charge)
}

func (c *checker) mains(n *yaml.Node) Mains {
	var m Mains
	before := len(c.problems)
	switch n.Kind {
	case yaml.SequenceNode:
		c.take(n.Load(&m.Off, yaml.WithKnownFields()), &m.Off)
	case yaml.MappingNode:
		var f struct {
			Random *RandomMains `yaml:"random"`
		}
		c.take(n.Load(&f, yaml.WithKnownFields()), &f)
		m.Random = f.Random
	}
	r := m.Random
	switch {
	case r == nil && len(m.Off) == 0 && len(c.problems) == 0:
		c.wrong(path("mains"), "want a list such as [{at: 1m, off_for: 20m}], or {random: {rate_per_year: 30, duration: {median: 30m, alpha: 1.5}, for: 3y}}")
	case r != nil && !(r.RatePerYear > 0 && r.RatePerYear <= 5000 && r.Duration.Median > 0 && r.Duration.Alpha > 0 && r.Duration.Alpha <= 100 && r.For > 0):
		c.wrong(path("mains", "random"), "want rate_per_year (to 5000), duration: {median, alpha (to 100)} and for, all above 0")
	}
	read := len(c.problems) == before
	for i := range m.Off {
		if read && m.Off[i].OffFor == 0 {
			c.wrong(path("mains", i, "off_for"), "want how long mains is away, such as 20m")
		}
		if i > 0 && m.Off[i].At < m.Off[i-1].At+m.Off[i-1].OffFor {
			c.wrong(path("mains", i, "at"), "it begins before the one before has ended: want %s or later", time.Duration(m.Off[i-1].At+m.Off[i-1].OffFor))
		}
	}
	return m
}

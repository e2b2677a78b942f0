// Package config is the one place that knows YAML: it reads the files, says what
// is wrong in them and where, and hands out plain values.
package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
	"lastwatt/drivers/board"
	"lastwatt/policy"
)

// referencePage names every key of the controller's configuration.
const referencePage = "configs/reference.yaml"

// DefaultPath is where the controller's configuration is.
const DefaultPath = "/etc/lastwatt/lastwatt.yaml"

// Config is a controller's configuration, checked, with its defaults filled in.
type Config struct {
	Path       string
	Site       string
	UPS        []UPS
	Sensors    []Sensor // of the rack: what the controller's own machine reads
	Nodes      []Node
	Policy     Policy
	SwarmNeed  int
	MQTT       *MQTT // nil: none
	Alerts     []Alert
	Controller Controller
}

// A UPS is one entry of ups.
type UPS struct {
	Name, Driver string
	Feeds        []string
	Cut          bool
	CutsOnMains  bool
	CutOthers    bool
	OtherLoads   []string
	Watts        float64 // at 100 % load; 0 is not known
	BatteryWh    float64 // what its battery gives when new; 0 is not known
	Meter        string  // that measures all that its outlets feed; empty: none
	// Decode fills a driver's own struct from the rest of the entry and
	// refuses keys that the struct lacks.
	Decode func(into any) error
}

// A Node is one entry of nodes, in the order of the file.
type Node struct {
	Name, Model, Wake string
	UPSHost           bool
	Tier              int
	DrawWatts         float64 // 0: the table's figure for the model
	Waker             *Waker  // nil: none
	Meter             string  // that measures its draw; empty: none
}

// Waker is nodes.NAME.waker: the relay or pin that starts the node.
type Waker struct {
	// Node has the output; empty is the controller's own machine.
	Node   string `yaml:"node"`
	Sensor string `yaml:"sensor"`
	Output string `yaml:"output"`
}

// Policy is the section policy.
type Policy struct {
	RideThrough    time.Duration `yaml:"ride_through"`
	StableFor      time.Duration `yaml:"stable_for"`
	Reserve        time.Duration `yaml:"reserve"`
	RestoreCharge  float64       `yaml:"restore_charge"`
	AssumedRuntime time.Duration `yaml:"assumed_runtime"`
	AssumedEmpty   float64       `yaml:"assumed_empty"`
	LearnEmpty     bool          `yaml:"learn_empty"`
	Strategy       string        `yaml:"strategy"`
	Disturbance    time.Duration `yaml:"disturbance"`
	BaseWatts      float64       `yaml:"base_watts"`
	ParkLongest    time.Duration `yaml:"park_longest"`
	Budgets        Budgets       `yaml:"budgets"`
	Stages         []Stage       `yaml:"stages"`
}

// Budgets is the section policy.budgets.
type Budgets struct {
	Drain time.Duration `yaml:"drain"`
	Halt  time.Duration `yaml:"halt"`
	Park  time.Duration `yaml:"park"`
	Boot  time.Duration `yaml:"boot"`
	Swarm time.Duration `yaml:"swarm"`
}

// Stage is one entry of policy.stages.
type Stage struct {
	Name      string        `yaml:"name"`
	Charge    float64       `yaml:"charge"`
	OnBattery time.Duration `yaml:"on_battery"`
	Runtime   time.Duration `yaml:"runtime"`
	Shed      []string      `yaml:"shed"`
	By        string        `yaml:"by"`
	StayOff   bool          `yaml:"stay_off"`
}

// MQTT is the section mqtt.
type MQTT struct {
	Broker          string `yaml:"broker"`
	User            string `yaml:"user"`
	PasswordFile    string `yaml:"password_file"`
	CAFile          string `yaml:"ca_file"`
	CertFile        string `yaml:"cert_file"`
	KeyFile         string `yaml:"key_file"`
	Prefix          string `yaml:"prefix"`
	DiscoveryPrefix string `yaml:"discovery_prefix"`
	Listen          string `yaml:"listen"`
}

// Alert is one entry of alerts.
type Alert struct {
	Name    string `yaml:"name"`
	URLFile string `yaml:"url_file"`
	From    string `yaml:"from"`
}

// Controller is the section controller.
type Controller struct {
	Listen        string `yaml:"listen"`
	Advertise     string `yaml:"advertise"`
	StateDir      string `yaml:"state_dir"`
	ControlSocket string `yaml:"control_socket"`
}

// file is the shape of the file.
type file struct {
	Site       string      `yaml:"site"`
	UPS        []yaml.Node `yaml:"ups"`
	Sensors    []yaml.Node `yaml:"sensors"`
	Nodes      yaml.Node   `yaml:"nodes"`
	Policy     Policy      `yaml:"policy"`
	Swarm      swarmPart   `yaml:"swarm"`
	MQTT       *MQTT       `yaml:"mqtt"`
	Alerts     []Alert     `yaml:"alerts"`
	Controller Controller  `yaml:"controller"`
}

type swarmPart struct {
	Need int `yaml:"need"`
}

// upsPart are the keys of a ups entry that every driver has.
type upsPart struct {
	Name        string   `yaml:"name"`
	Driver      string   `yaml:"driver"`
	Feeds       []string `yaml:"feeds"`
	Cut         bool     `yaml:"cut"`
	CutsOnMains bool     `yaml:"cuts_on_mains"`
	CutOthers   bool     `yaml:"cut_others"`
	OtherLoads  []string `yaml:"other_loads"`
	Watts       float64  `yaml:"watts"`
	BatteryWh   float64  `yaml:"battery_wh"`
	Meter       string   `yaml:"meter"`
}

type nodePart struct {
	Model     string  `yaml:"model"`
	Wake      string  `yaml:"wake"`
	UPSHost   bool    `yaml:"ups_host"`
	Tier      int     `yaml:"tier"`
	DrawWatts float64 `yaml:"draw_watts"`
	Waker     *Waker  `yaml:"waker"`
	Meter     string  `yaml:"meter"`
}

// defaults is what a file that says nothing means.
func defaults() file {
	b := policy.DefaultBudgets()
	return file{
		Site: "rack",
		Policy: Policy{
			RideThrough: 30 * time.Second, StableFor: 90 * time.Second, Reserve: 2 * time.Minute,
			AssumedRuntime: 20 * time.Minute, AssumedEmpty: 50, LearnEmpty: true, Strategy: "stages", Disturbance: time.Minute, BaseWatts: 10, ParkLongest: 4 * time.Hour,
			Budgets: Budgets{Drain: b.Drain, Halt: b.Halt, Park: b.Park, Boot: b.Boot, Swarm: b.Swarm},
		},
		Controller: Controller{Listen: ":7480", StateDir: "/var/lib/lastwatt", ControlSocket: "/run/lastwatt/control.sock"},
	}
}

// Load reads the controller's configuration. kinds are the drivers there are.
// The error is a [Problems] where the file could be read.
func Load(path string, kinds []drivers.Kind) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w (configs/reference.yaml shows what it may hold)", err)
	}
	return Parse(path, data, kinds)
}

// Parse is Load of data, which errors call path.
func Parse(path string, data []byte, kinds []drivers.Kind) (Config, error) {
	c := newChecker(path, referencePage, data, kinds)
	if len(c.problems) > 0 {
		return Config{}, c.sorted()
	}
	return c.config(func(into any) error { return yaml.Load(data, into, yaml.WithKnownFields()) })
}

// config reads a configuration from what load fills.
func (c *checker) config(load func(into any) error) (Config, error) {
	f := defaults()
	c.take(load(&f), &f)
	if len(c.problems) > 0 {
		return Config{}, c.sorted()
	}
	cfg := c.build(f)
	if len(c.problems) > 0 {
		return Config{}, c.sorted()
	}
	return cfg, nil
}

// Rules is what the policy is to know of the configuration.
func (c Config) Rules() policy.Rules {
	p := c.Policy
	r := policy.Rules{
		RideThrough: p.RideThrough, StableFor: p.StableFor, Reserve: p.Reserve, SwarmNeed: c.SwarmNeed,
		RestoreCharge: p.RestoreCharge, AssumedRuntime: p.AssumedRuntime, ParkLongest: p.ParkLongest, UnknownChargeWait: 10 * time.Minute,
		AssumedEmpty: p.AssumedEmpty, LearnEmpty: p.LearnEmpty, Stretch: p.Strategy == "stretch", Disturbance: p.Disturbance, BaseWatts: p.BaseWatts,
		Budgets: policy.Budgets{Drain: p.Budgets.Drain, Halt: p.Budgets.Halt, Park: p.Budgets.Park, Boot: p.Budgets.Boot, Swarm: p.Budgets.Swarm},
	}
	for _, u := range c.UPS {
		if len(u.Feeds) > 0 {
			// CyberPower's shutdown delay counts in whole minutes; see quirk
			// tables of the usbhid driver. Others round up by themselves.
			r.UPS = policy.UPSRules{Name: u.Name, Cut: u.Cut, CutsOnMains: u.CutsOnMains, DelayStep: time.Minute, Watts: u.Watts, BatteryWh: u.BatteryWh}
		}
	}
	for _, s := range p.Stages {
		r.Stages = append(r.Stages, policy.Stage{Name: s.Name, Charge: s.Charge, OnBattery: s.OnBattery, Runtime: s.Runtime, Shed: s.Shed, By: s.By, StayOff: s.StayOff})
	}
	for _, n := range c.Nodes {
		draw := n.DrawWatts
		if draw == 0 {
			draw = float64(board.TableDraw(n.Model))
		}
		r.Nodes = append(r.Nodes, policy.NodeRules{Name: n.Name, Wake: n.Wake, UPSHost: n.UPSHost, Tier: n.Tier, Draw: draw})
	}
	return r
}

package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// A checker reads one file and collects what is wrong in it.
type checker struct {
	path     string
	kinds    []drivers.Kind
	root     *yaml.Node
	within   string // the key, with a dot, that root is the value of; empty for a file
	problems Problems
}

// wakes are the ways a halted node can start again.
func wakes() []string { return []string{"ups", "rtc", "gpio", "relay", "manual"} }

func parseTree(data []byte) *yaml.Node {
	var n yaml.Node
	if yaml.Load(data, &n) != nil || len(n.Content) == 0 {
		return &n
	}
	return n.Content[0]
}

// at is the node at a path of keys (texts) and places in lists (numbers), or
// the nearest one above it.
func (c *checker) at(path ...any) *yaml.Node {
	n := c.root
	for _, p := range path {
		next := (*yaml.Node)(nil)
		switch p := p.(type) {
		case string:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Kind == yaml.MappingNode && n.Content[i].Value == p {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && p < len(n.Content) {
				next = n.Content[p]
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// wrong notes a problem with what stands at path.
func (c *checker) wrong(path []any, format string, args ...any) {
	key := ""
	for _, p := range path {
		if i, ok := p.(int); ok {
			key += fmt.Sprintf("[%d]", i)
		} else {
			key += "." + p.(string)
		}
	}
	c.problems = append(c.problems, Problem{Path: c.path, Line: c.at(path...).Line, Key: strings.Trim(c.within+strings.TrimPrefix(key, "."), "."), Text: fmt.Sprintf(format, args...)})
}

func path(p ...any) []any { return p }

func (c *checker) build(f file) Config {
	cfg := Config{Path: c.path, Site: f.Site, Policy: f.Policy, SwarmNeed: f.Swarm.Need, MQTT: f.MQTT, Alerts: f.Alerts, Controller: f.Controller}
	if strings.ContainsAny(f.Site, "/+# ") || f.Site == "" {
		c.wrong(path("site"), "want a short name without spaces, /, + and #, since it is part of MQTT topics (got %q)", f.Site)
	}
	cfg.Nodes = c.nodes(f.Nodes)
	cfg.UPS = c.upses(f.UPS, cfg.Nodes)
	cfg.Sensors = c.sensors(f.Sensors)
	c.wakers(cfg)
	if len(c.problems) > 0 {
		return cfg
	}
	c.policy(&cfg)
	c.mqtt(cfg.MQTT)
	for i, a := range cfg.Alerts {
		if a.URLFile == "" {
			c.wrong(path("alerts", i), "no url_file: name a file that holds the target's URL, such as ntfy://ntfy.sh/my-topic")
		}
		if a.From == "" {
			cfg.Alerts[i].From = "warning"
		} else if !slices.Contains([]string{"info", "warning", "critical"}, a.From) {
			c.wrong(path("alerts", i, "from"), "want info, warning or critical (got %q)", a.From)
		}
	}
	if cfg.SwarmNeed < 0 || cfg.SwarmNeed > len(cfg.Nodes) {
		c.wrong(path("swarm", "need"), "want 0 to %d, the number of nodes (got %d)", len(cfg.Nodes), cfg.SwarmNeed)
	}
	return cfg
}

// nodes reads the mapping in the order of the file.
func (c *checker) nodes(n yaml.Node) []Node {
	if n.Kind == 0 {
		c.wrong(nil, "no nodes: list them under nodes:, for example  nodes: {node01: {model: pi5, wake: ups, ups_host: true}}")
		return nil
	}
	if n.Kind != yaml.MappingNode {
		c.wrong(path("nodes"), "want a section with a key for each node")
		return nil
	}
	var nodes []Node
	hosts := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, part := n.Content[i].Value, nodePart{Wake: "ups", Tier: 1}
		if v := n.Content[i+1]; v.Kind == yaml.MappingNode {
			c.take(v.Load(&part, yaml.WithKnownFields()), &part)
		} else if v.Tag != "!!null" {
			c.wrong(path("nodes", name), "want a section such as {model: pi5, wake: ups}")
			continue
		}
		if !slices.Contains(wakes(), part.Wake) {
			c.wrong(path("nodes", name, "wake"), "want one of %s (got %q)", strings.Join(wakes(), ", "), part.Wake)
		}
		if part.DrawWatts < 0 {
			c.wrong(path("nodes", name, "draw_watts"), "want watts, 0 or more (got %g)", part.DrawWatts)
		}
		if part.UPSHost {
			if hosts++; hosts > 1 {
				c.wrong(path("nodes", name, "ups_host"), "only one node can have the UPS's cable: remove ups_host from the others")
			}
		}
		nodes = append(nodes, Node{Name: name, Model: part.Model, Wake: part.Wake, UPSHost: part.UPSHost, Tier: part.Tier, DrawWatts: part.DrawWatts, Waker: part.Waker, Meter: part.Meter})
	}
	return nodes
}

func (c *checker) upses(list []yaml.Node, nodes []Node) []UPS {
	if len(list) == 0 {
		c.wrong(nil, "no UPS: list it under ups:, for example  ups: [{name: main, driver: usbhid, feeds: [node01]}]")
	}
	var all []UPS
	feeding := ""
	for i := range list {
		u, ok := c.oneUPS(i, &list[i])
		if !ok {
			continue
		}
		if slices.ContainsFunc(all, func(o UPS) bool { return o.Name == u.Name }) {
			c.wrong(path("ups", i, "name"), "there are two UPSes called %q", u.Name)
		}
		feeds := 0
		for k, name := range u.Feeds {
			if slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name }) {
				feeds++
			} else if name != "switch" {
				c.wrong(path("ups", i, "feeds", k), "%q is no node of nodes: (a switch is called \"switch\")", name)
			}
		}
		if feeds > 0 && feeding != "" {
			c.wrong(path("ups", i, "feeds"), "UPS %q feeds nodes already: one UPS may feed nodes, further ones are only monitored", feeding)
		} else if feeds > 0 {
			feeding = u.Name
		}
		if u.Cut && len(u.OtherLoads) > 0 && !u.CutOthers {
			c.wrong(path("ups", i, "cut"), "cutting switches off %s too: set cut_others: true if that is meant, or cut: false", strings.Join(u.OtherLoads, ", "))
		}
		all = append(all, u)
	}
	return all
}

func (c *checker) oneUPS(i int, n *yaml.Node) (UPS, bool) {
	var part upsPart
	decode, ok := c.entry(path("ups", i), n, &part, "want a section such as {name: main, driver: usbhid}")
	if !ok {
		return UPS{}, false
	}
	if part.Name == "" {
		c.wrong(path("ups", i), "no name: give it one, such as name: main")
	}
	c.driver(path("ups", i), part.Name, part.Driver, decode, func(k drivers.Kind) string {
		if !k.UPS {
			return fmt.Sprintf("the driver %s reads no UPS: list it under sensors:", k.Name)
		}
		return ""
	})
	return UPS{Name: part.Name, Driver: part.Driver, Feeds: part.Feeds, Cut: part.Cut, CutsOnMains: part.CutsOnMains, CutOthers: part.CutOthers,
		OtherLoads: part.OtherLoads, Watts: part.Watts, BatteryWh: part.BatteryWh, Meter: part.Meter, Decode: decode}, true
}

func (c *checker) policy(cfg *Config) {
	p := &cfg.Policy
	for key, d := range map[string]time.Duration{"ride_through": p.RideThrough, "reserve": p.Reserve} {
		if d < 0 {
			c.wrong(path("policy", key), "want a time of 0s or more (got %s)", d)
		}
	}
	for key, d := range map[string]time.Duration{"stable_for": p.StableFor, "assumed_runtime": p.AssumedRuntime, "park_longest": p.ParkLongest} {
		if d <= 0 {
			c.wrong(path("policy", key), "want a time above 0s (got %s)", d)
		}
	}
	b := p.Budgets
	for key, d := range map[string]time.Duration{"drain": b.Drain, "halt": b.Halt, "park": b.Park, "boot": b.Boot, "swarm": b.Swarm} {
		if d <= 0 {
			c.wrong(path("policy", "budgets", key), "want a time above 0s (got %s)", d)
		}
	}
	if p.AssumedEmpty < 0 || p.AssumedEmpty > 90 {
		c.wrong(path("policy", "assumed_empty"), "want percent, 0 to 90 (got %g)", p.AssumedEmpty)
	}
	if p.Strategy != "stages" && p.Strategy != "stretch" {
		c.wrong(path("policy", "strategy"), "want stages, or stretch to shed what the services do not need by itself (got %q)", p.Strategy)
	}
	if p.Strategy == "stretch" && cfg.SwarmNeed == 0 {
		c.wrong(path("policy", "strategy"), "stretch has to know how many nodes the services need: set swarm: {need: 2}, or so")
	}
	if p.Disturbance < 0 {
		c.wrong(path("policy", "disturbance"), "want a time of 0s or more (got %s)", p.Disturbance)
	}
	if p.BaseWatts < 0 {
		c.wrong(path("policy", "base_watts"), "want watts, 0 or more (got %g)", p.BaseWatts)
	}
	if p.RestoreCharge < 0 || p.RestoreCharge > 100 {
		c.wrong(path("policy", "restore_charge"), "want percent, 0 to 100 (got %g)", p.RestoreCharge)
	}
	if len(p.Stages) == 0 {
		p.Stages = []Stage{{Name: "all"}}
	}
	for i := range p.Stages {
		c.stage(cfg, i)
	}
}

func (c *checker) stage(cfg *Config, i int) {
	s, last := &cfg.Policy.Stages[i], i == len(cfg.Policy.Stages)-1
	if s.Name == "" {
		c.wrong(path("policy", "stages", i), "no name: give it one, such as name: early")
	}
	for k := range i {
		if cfg.Policy.Stages[k].Name == s.Name {
			c.wrong(path("policy", "stages", i, "name"), "there are two stages called %q", s.Name)
		}
	}
	if s.Charge < 0 || s.Charge > 100 {
		c.wrong(path("policy", "stages", i, "charge"), "want percent, 0 to 100 (got %g)", s.Charge)
	}
	if s.OnBattery < 0 || s.Runtime < 0 {
		c.wrong(path("policy", "stages", i), "want times of 0s or more")
	}
	if last {
		if len(s.Shed) > 0 {
			c.wrong(path("policy", "stages", i, "shed"), "the last stage stops every node: remove shed, or add a stage {name: all} after it")
		}
		return
	}
	if len(s.Shed) == 0 {
		c.wrong(path("policy", "stages", i), "no shed: name the nodes that it sheds; only the last stage stops all")
	}
	if s.Charge == 0 && s.OnBattery == 0 && s.Runtime == 0 {
		c.wrong(path("policy", "stages", i), "no trigger: give it charge (percent), on_battery or runtime (times)")
	}
	if s.By != "" && s.By != "idle" && s.By != "halt" {
		c.wrong(path("policy", "stages", i, "by"), "want idle or halt, or leave it out: halt where the node's wake is rtc, gpio or relay, else idle (got %q)", s.By)
	}
	for k, name := range s.Shed {
		n := slices.IndexFunc(cfg.Nodes, func(n Node) bool { return n.Name == name })
		switch {
		case n < 0:
			c.wrong(path("policy", "stages", i, "shed", k), "%q is no node of nodes:", name)
		case cfg.Nodes[n].UPSHost:
			c.wrong(path("policy", "stages", i, "shed", k), "%q has the UPS's cable and goes last", name)
		case s.By == "halt" && !s.StayOff && !slices.Contains([]string{"rtc", "gpio", "relay"}, cfg.Nodes[n].Wake):
			c.wrong(path("policy", "stages", i, "by"), "nothing would wake %q before a power cycle: write by: idle, or stay_off: true if it may stay off", name)
		}
	}
}

func (c *checker) mqtt(m *MQTT) {
	if m == nil {
		return
	}
	if m.Prefix == "" {
		m.Prefix = "lastwatt"
	}
	if m.DiscoveryPrefix == "" {
		m.DiscoveryPrefix = "homeassistant"
	}
	if m.Broker == "embedded" {
		if m.Listen == "" {
			m.Listen = "127.0.0.1:1883"
		}
		return
	}
	u, err := url.Parse(m.Broker)
	if err != nil || u.Host == "" || !slices.Contains([]string{"tcp", "mqtt", "tls", "ssl", "mqtts"}, u.Scheme) {
		c.wrong(path("mqtt", "broker"), "want embedded, or a URL such as tcp://broker:1883 or tls://broker:8883 (got %q)", m.Broker)
	}
	if m.Listen != "" {
		c.wrong(path("mqtt", "listen"), "only broker: embedded listens")
	}
	if (m.CertFile == "") != (m.KeyFile == "") {
		c.wrong(path("mqtt"), "cert_file and key_file go together")
	}
}

// keysOf lists the keys of a struct that the library fills, and of those in it.
func keysOf(v any) []string {
	var keys []string
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[yaml.Node]() {
			return
		}
		for f := range t.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
				keys = append(keys, name)
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeOf(v))
	return keys
}

package config

import (
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// A checker reads one file and collects what is wrong in it.
type checker struct {
	path     string
	page     string // where every key is, for people
	kinds    []drivers.Kind
	root     *yaml.Node
	within   string               // the key, with a dot, that root is the value of; empty for a file
	lines    map[string][2]string // that drivers share: the first one's section, and how it opens it
	problems Problems
}

// wakes are the ways a halted node can start again.
func wakes() []string { return []string{"ups", "rtc", "gpio", "relay", "manual"} }

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
	if a := cfg.Controller.Listen; !isAddress(a, false) {
		c.wrong(path("controller", "listen"), "want a port with an address or none before it, such as \":7480\" (got %q)", a)
	}
	if a := cfg.Controller.Advertise; a != "" && !isAddress(a, true) {
		c.wrong(path("controller", "advertise"), "want the address and port that agents find this machine at, such as 192.168.1.11:7480 (got %q)", a)
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
		c.wrong(path("nodes"), "want a section with a key for each node, such as {node01: {model: pi5}}")
		return nil
	}
	var nodes []Node
	hosts := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, part := n.Content[i].Value, nodePart{Wake: "ups", Tier: 1}
		if !isName(name) {
			c.wrong(path("nodes", name), "want the node's name: letters, digits, - and _ (got %q)", name)
			continue
		}
		if v := n.Content[i+1]; v.Kind == yaml.MappingNode {
			c.take(v.Load(&part, yaml.WithKnownFields()), &part)
		} else if v.Tag != "!!null" {
			c.wrong(path("nodes", name), "want a section such as {model: pi5, wake: ups}")
			continue
		}
		if !slices.Contains(wakes(), part.Wake) {
			c.wrong(path("nodes", name, "wake"), "want one of %s (got %q)", strings.Join(wakes(), ", "), part.Wake)
		}
		c.between(path("nodes", name, "draw_watts"), part.DrawWatts, mostWatts, "watts")
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
			c.wrong(path("ups", i, "name"), "there are two UPSes called %q: give each a name of its own", u.Name)
		}
		feeds := 0
		for k, name := range u.Feeds {
			if slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == name }) {
				feeds++
			} else if name != "switch" {
				c.wrong(path("ups", i, "feeds", k), "%q is no node of nodes: want %s, or switch", name, names(nodes))
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
	c.between(path("ups", i, "watts"), part.Watts, mostWatts, "watts")
	c.between(path("ups", i, "battery_wh"), part.BatteryWh, mostWatts, "watt-hours")
	d := c.driver(path("ups", i), part.Name, part.Driver, decode, func(k drivers.Kind) string {
		if !k.UPS {
			return fmt.Sprintf("the driver %s reads no UPS: list it under sensors:", k.Name)
		}
		return ""
	})
	if _, ups := d.(drivers.Commander); d != nil && !ups {
		c.wrong(path("ups", i), "it reads no UPS: list it under sensors:")
	}
	return UPS{Name: part.Name, Driver: part.Driver, Feeds: part.Feeds, Cut: part.Cut, CutsOnMains: part.CutsOnMains, CutOthers: part.CutOthers,
		OtherLoads: part.OtherLoads, Watts: part.Watts, BatteryWh: part.BatteryWh, Meter: part.Meter, Decode: decode}, true
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
		if !isAddress(m.Listen, false) {
			c.wrong(path("mqtt", "listen"), "want an address and a port, such as \"127.0.0.1:1883\" (got %q)", m.Listen)
		}
		return
	}
	u, err := url.Parse(m.Broker)
	if err != nil || u.Host == "" || !slices.Contains([]string{"tcp", "mqtt", "tls", "ssl", "mqtts"}, u.Scheme) {
		c.wrong(path("mqtt", "broker"), "want embedded, or a URL such as tcp://broker:1883 or tls://broker:8883 (got %q)", m.Broker)
	}
	if m.Listen != "" {
		c.wrong(path("mqtt", "listen"), "only an embedded broker listens: remove listen, or write broker: embedded")
	}
	if (m.CertFile == "") != (m.KeyFile == "") {
		c.wrong(path("mqtt"), "cert_file and key_file go together: name both, or none")
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

// mostWatts is far above what any UPS of such a rack feeds or holds.
const mostWatts = 1e6

// between holds a figure to 0 and most; one that is no number is in between
// nothing.
func (c *checker) between(at []any, v, most float64, unit string) {
	if !(v >= 0 && v <= most) {
		c.wrong(at, "want %s, 0 to %.0f (got %g)", unit, most, v)
	}
}

// isName is whether s can be the name of a machine.
func isName(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`).MatchString(s)
}

// isAddress is whether s is an address and a port, or a port alone where host is
// false.
func isAddress(s string, host bool) bool {
	h, p, err := net.SplitHostPort(s)
	if err != nil || host && h == "" {
		return false
	}
	_, err = strconv.ParseUint(p, 10, 16)
	return err == nil
}

// names lists the nodes, for people.
func names(nodes []Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, ", ")
}

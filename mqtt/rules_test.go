package mqtt

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type object = map[string]any

// rules are facts of Home Assistant that make it drop an entity, a device, or
// warn in its log.
type rules struct {
	TopicRegex        string                 `json:"topic_regex"`
	RootKeys          []string               `json:"device_root_keys"`
	RootRequired      []string               `json:"device_root_required"`
	ShortRoot         map[string]string      `json:"abbreviations_root"`
	ShortComponent    map[string]string      `json:"abbreviations_component"`
	ShortDevice       map[string]string      `json:"abbreviations_device"`
	ShortOrigin       map[string]string      `json:"abbreviations_origin"`
	DeviceKeys        []string               `json:"device_keys"`
	OriginKeys        []string               `json:"origin_keys"`
	EntityPlatforms   []string               `json:"entity_platforms"`
	ComponentRequired map[string][]string    `json:"component_required"`
	SensorClasses     map[string]sensorClass `json:"sensor_device_class_units"`
	BinaryClasses     []string               `json:"binary_sensor_device_class"`
}

type sensorClass struct {
	Old        []*string `json:"old"` // null: no unit
	New        []*string `json:"new"`
	StateClass []string  `json:"state_class"`
}

func readRules(t *testing.T) rules {
	t.Helper()
	b, err := os.ReadFile("testdata/home-assistant-rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var r rules
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A checker collects the faults of discovery documents.
type checker struct {
	rules
	faults []string
	unique map[string]bool // platform and unique_id of all documents
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func expand(o object, abbreviations map[string]string) object {
	long := object{}
	for k, v := range o {
		if full, ok := abbreviations[k]; ok {
			k = full
		}
		long[k] = v
	}
	return long
}

func (c *checker) onlyKeys(what string, o object, allowed ...string) {
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(allowed, k) {
			c.fault("%s: key %q is not allowed", what, k)
		}
	}
}

func str(o object, key string) string { s, _ := o[key].(string); return s }

func sub(o object, key string) object { m, _ := o[key].(object); return m }

// document checks one message that Home Assistant would take for discovery.
func (c *checker) document(prefix string, m Message) {
	name, ok := strings.CutPrefix(m.Topic, prefix+"/")
	if !ok || !regexp.MustCompile(c.TopicRegex).MatchString(name) {
		c.fault("topic %q is no discovery topic", m.Topic)
	}
	var root object
	if err := json.Unmarshal(m.Payload, &root); err != nil {
		c.fault("payload is no JSON object")
		return
	}
	root = expand(root, c.ShortRoot)
	c.onlyKeys("root", root, c.RootKeys...)
	for _, k := range c.RootRequired {
		if root[k] == nil {
			c.fault("root: %q is missing", k)
		}
	}
	c.availability("root", root)
	dev := expand(sub(root, "device"), c.ShortDevice)
	c.device(dev)
	org := expand(sub(root, "origin"), c.ShortOrigin)
	c.onlyKeys("origin", org, c.OriginKeys...)
	if str(org, "name") == "" {
		c.fault("origin: no name")
	}
	triggers := map[string]bool{}
	for id, v := range sub(root, "components") {
		o, _ := v.(object)
		c.component(id, expand(o, c.ShortComponent), root, str(dev, "name"), triggers)
	}
}

func (c *checker) availability(what string, o object) {
	if o["availability"] != nil && o["availability_topic"] != nil {
		c.fault("%s: availability and availability_topic", what)
	}
	if m := str(o, "availability_mode"); o["availability_mode"] != nil && !slices.Contains([]string{"all", "any", "latest"}, m) {
		c.fault("%s: availability_mode %q", what, m)
	}
	entries, _ := o["availability"].([]any)
	for _, e := range entries {
		entry := expand(e.(object), map[string]string{"t": "topic", "val_tpl": "value_template", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available"})
		if str(entry, "topic") == "" {
			c.fault("%s: availability without topic", what)
		}
		c.onlyKeys(what+": availability", entry, "topic", "value_template", "payload_available", "payload_not_available")
	}
}

func (c *checker) device(dev object) {
	c.onlyKeys("device", dev, c.DeviceKeys...)
	if dev["identifiers"] == nil && dev["connections"] == nil {
		c.fault("device: neither identifiers nor connections")
	}
	if str(dev, "name") == "" {
		c.fault("device: no name")
	}
	if raw := str(dev, "configuration_url"); dev["configuration_url"] != nil {
		if u, err := url.Parse(raw); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
			c.fault("device: configuration_url %q", raw)
		}
	}
}

func (c *checker) component(id string, o, root object, deviceName string, triggers map[string]bool) {
	platform := str(o, "platform")
	if platform == "" {
		c.fault("%s: no platform", id)
		return
	}
	if len(o) == 1 {
		return // the mark of a component that was removed
	}
	for _, k := range c.ComponentRequired[platform] {
		shared := k == "state_topic" || k == "command_topic"
		if o[k] == nil && (!shared || root[k] == nil) {
			c.fault("%s: %q is missing", id, k)
		}
	}
	c.availability(id, o)
	if slices.Contains(c.EntityPlatforms, platform) {
		c.entity(id, o, deviceName)
	}
	switch platform {
	case "sensor":
		c.sensor(id, o)
	case "binary_sensor":
		if class := str(o, "device_class"); class != "" && !slices.Contains(c.BinaryClasses, class) {
			c.fault("%s: device_class %q of a binary_sensor", id, class)
		}
	case "number":
		c.number(id, o)
	case "device_automation":
		pair := str(o, "type") + "/" + str(o, "subtype")
		if str(o, "automation_type") != "trigger" {
			c.fault("%s: automation_type %q", id, str(o, "automation_type"))
		}
		if triggers[pair] {
			c.fault("%s: trigger %s twice", id, pair)
		}
		triggers[pair] = true
	}
}

func (c *checker) entity(id string, o object, deviceName string) {
	platform, unique := str(o, "platform"), str(o, "unique_id")
	if unique == "" {
		c.fault("%s: no unique_id", id)
	}
	if c.unique[platform+"/"+unique] {
		c.fault("%s: unique_id %q twice", id, unique)
	}
	c.unique[platform+"/"+unique] = true
	if o["object_id"] != nil {
		c.fault("%s: object_id", id)
	}
	if e := str(o, "default_entity_id"); e != "" && !strings.HasPrefix(e, platform+".") {
		c.fault("%s: default_entity_id %q", id, e)
	}
	if icon := str(o, "icon"); o["icon"] != nil && !regexp.MustCompile(`^[a-z0-9]+:[a-z0-9-]+$`).MatchString(icon) {
		c.fault("%s: icon %q", id, icon)
	}
	category := str(o, "entity_category")
	if o["entity_category"] != nil && category != "config" && category != "diagnostic" {
		c.fault("%s: entity_category %q", id, category)
	}
	if category == "config" && (platform == "sensor" || platform == "binary_sensor") {
		c.fault("%s: entity_category config of a %s", id, platform)
	}
	if name := str(o, "name"); deviceName != "" && strings.HasPrefix(strings.ToLower(name), strings.ToLower(deviceName)) {
		c.fault("%s: name %q repeats the device", id, name)
	}
}

func (c *checker) sensor(id string, o object) {
	class, state := str(o, "device_class"), str(o, "state_class")
	options, hasOptions := o["options"].([]any)
	if hasOptions {
		if len(options) == 0 || class != "enum" || state != "" || o["unit_of_measurement"] != nil {
			c.fault("%s: options %v with device_class %q, state_class %q, unit %v", id, options, class, state, o["unit_of_measurement"])
		}
	} else if class == "enum" {
		c.fault("%s: enum without options", id)
	}
	if p, set := o["suggested_display_precision"]; set {
		if f, ok := p.(float64); !ok || f < 0 || f != float64(int(f)) {
			c.fault("%s: precision %v", id, p)
		}
	}
	if class == "" {
		return
	}
	rule, known := c.SensorClasses[class]
	if !known {
		c.fault("%s: device_class %q is unknown", id, class)
		return
	}
	if state != "" && !slices.Contains(rule.StateClass, state) {
		c.fault("%s: state_class %q of %s", id, state, class)
	}
	unit, has := o["unit_of_measurement"].(string)
	among := func(units []*string) bool {
		return slices.ContainsFunc(units, func(u *string) bool { return u == nil && !has || u != nil && has && *u == unit })
	}
	switch {
	case among(rule.Old):
	case among(rule.New):
		c.fault("%s: unit %q is known only to newer versions", id, unit)
	default:
		c.fault("%s: unit %q of %s", id, unit, class)
	}
}

func (c *checker) number(id string, o object) {
	value := func(key string, otherwise float64) float64 {
		if f, ok := o[key].(float64); ok {
			return f
		}
		return otherwise
	}
	if value("max", 100) < value("min", 1) || value("step", 1) < 0.001 {
		c.fault("%s: min, max, step %v %v %v", id, o["min"], o["max"], o["step"])
	}
}

func TestHomeAssistantTakesEveryDiscoveryDocument(t *testing.T) {
	c := &checker{rules: readRules(t), unique: map[string]bool{}}
	full, other := testOptions(), testOptions()
	other.Site = "attic"
	ms := append(Discovery(onBatterySnapshot(), full), Discovery(emptySnapshot(), other)...)
	for _, m := range ms {
		c.document("homeassistant", m)
	}
	if len(ms) != 7 || len(c.unique) < 100 {
		t.Errorf("only %d documents with %d entities", len(ms), len(c.unique))
	}
	for _, f := range c.faults {
		t.Error(f)
	}
}

func TestParentsComeBeforeTheirChildren(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Discovery(onBatterySnapshot(), testOptions()) {
		var d deviceDoc
		if err := json.Unmarshal(m.Payload, &d); err != nil {
			t.Fatal(err)
		}
		if via := d.Device.Via; via != "" && !seen[via] {
			t.Errorf("%s goes through %q, which is not there yet", d.Device.Name, via)
		}
		seen[d.Device.Identifiers[0]] = true
	}
}

// TestTheRulesFindEveryFault breaks a good document in one way after the other.
func TestTheRulesFindEveryFault(t *testing.T) {
	sensor := func(o object) object { return o["components"].(object)["s"].(object) }
	add := func(component object) func(object) {
		return func(o object) { o["components"].(object)["x"] = component }
	}
	set := func(key string, v any) func(object) { return func(o object) { o[key] = v } }
	setSensor := func(key string, v any) func(object) { return func(o object) { sensor(o)[key] = v } }
	for _, c := range []struct {
		name   string
		change func(object)
		want   string
	}{
		{"nothing", func(object) {}, ""},
		{"a removed component", add(object{"p": "sensor"}), ""},
		{"key at the root", set("~", "x"), `root: key "~" is not allowed`},
		{"no origin", func(o object) { delete(o, "o") }, `root: "origin" is missing; origin: no name`},
		{"two kinds of availability", set("availability_topic", "x"), "root: availability and availability_topic"},
		{"availability without topic", set("avty", []any{object{}}), "root: availability without topic"},
		{"availability with a strange key", set("avty", []any{object{"t": "x", "qos": 1}}), `root: availability: key "qos" is not allowed`},
		{"availability mode", set("avty_mode", "some"), `root: availability_mode "some"`},
		{"device key", func(o object) { o["dev"].(object)["support_url"] = "x" }, `device: key "support_url" is not allowed`},
		{"device without identifiers", func(o object) { delete(o["dev"].(object), "ids") }, "device: neither identifiers nor connections"},
		{"device without name", func(o object) { delete(o["dev"].(object), "name") }, "device: no name"},
		{"configuration_url", func(o object) { o["dev"].(object)["cu"] = "rack.lan" }, `device: configuration_url "rack.lan"`},
		{"origin key", func(o object) { o["o"].(object)["maker"] = "x" }, `origin: key "maker" is not allowed`},
		{"no platform", add(object{"name": "X"}), "x: no platform"},
		{"no unique_id", add(object{"p": "sensor", "name": "X"}), "x: no unique_id"},
		{"unique_id twice", add(object{"p": "sensor", "uniq_id": "s1"}), `unique_id "s1" twice`},
		{"button without topic", add(object{"p": "button", "uniq_id": "x"}), `x: "command_topic" is missing`},
		{"object_id", setSensor("obj_id", "x"), "s: object_id"},
		{"default_entity_id of another platform", setSensor("default_entity_id", "switch.x"), `s: default_entity_id "switch.x"`},
		{"icon", setSensor("ic", "battery"), `s: icon "battery"`},
		{"category", setSensor("ent_cat", "system"), `s: entity_category "system"`},
		{"config category of a sensor", setSensor("ent_cat", "config"), "s: entity_category config of a sensor"},
		{"name of the device", setSensor("name", "rack load"), `s: name "rack load" repeats the device`},
		{"unknown class", setSensor("dev_cla", "uptime"), `s: device_class "uptime" is unknown`},
		{"unit of another class", setSensor("unit_of_meas", "A"), `s: unit "A" of voltage`},
		{"no unit", func(o object) { delete(sensor(o), "unit_of_meas") }, `s: unit "" of voltage`},
		{"new unit", add(object{"p": "sensor", "uniq_id": "x", "dev_cla": "frequency", "unit_of_meas": "mHz"}), `x: unit "mHz" is known only to newer versions`},
		{"state class", setSensor("stat_cla", "total"), `s: state_class "total" of voltage`},
		{"timestamp with unit", add(object{"p": "sensor", "uniq_id": "x", "dev_cla": "timestamp", "unit_of_meas": "s"}), `x: unit "s" of timestamp`},
		{"empty options", add(object{"p": "sensor", "uniq_id": "x", "dev_cla": "enum", "ops": []any{}}), `x: options [] with device_class "enum", state_class "", unit <nil>`},
		{"options without enum", add(object{"p": "sensor", "uniq_id": "x", "ops": []any{"a"}}), `x: options [a] with device_class "", state_class "", unit <nil>`},
		{"enum without options", add(object{"p": "sensor", "uniq_id": "x", "dev_cla": "enum"}), "x: enum without options"},
		{"precision", setSensor("sug_dsp_prc", 0.5), "s: precision 0.5"},
		{"binary class", add(object{"p": "binary_sensor", "uniq_id": "x", "dev_cla": "mains"}), `x: device_class "mains" of a binary_sensor`},
		{"number", add(object{"p": "number", "uniq_id": "x", "cmd_t": "x", "max": 0.0}), "x: min, max, step <nil> 0 <nil>"},
		{"automation type", add(object{"p": "device_automation", "atype": "action", "t": "x", "type": "a", "stype": "b"}), `x: automation_type "action"`},
		{"trigger twice", add(object{"p": "device_automation", "atype": "trigger", "t": "x", "type": "power", "stype": "on"}), "trigger power/on twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := object{
				"dev": object{"ids": []any{"r"}, "name": "Rack"}, "o": object{"name": "lastwatt"}, "stat_t": "x",
				"avty": []any{object{"t": "status"}},
			}
			o["components"] = object{
				"s": object{"p": "sensor", "uniq_id": "s1", "name": "V", "dev_cla": "voltage", "unit_of_meas": "V", "stat_cla": "measurement"},
				"t": object{"p": "device_automation", "atype": "trigger", "t": "x", "type": "power", "stype": "on"},
			}
			c.change(o)
			check := &checker{rules: readRules(t), unique: map[string]bool{}}
			check.document("homeassistant", Message{Topic: "homeassistant/device/r/config", Payload: marshal(o)})
			// Of two that clash, either may be the one that is named.
			if got := strings.Join(check.faults, "; "); got != c.want && (c.want == "" || !strings.HasSuffix(got, c.want)) {
				t.Errorf("faults %q, want %q", got, c.want)
			}
		})
	}
	check := &checker{rules: readRules(t), unique: map[string]bool{}}
	check.document("homeassistant", Message{Topic: "homeassistant/device/a b/config", Payload: []byte("[]")})
	if got, want := strings.Join(check.faults, "; "), `topic "homeassistant/device/a b/config" is no discovery topic; payload is no JSON object`; got != want {
		t.Errorf("faults %q, want %q", got, want)
	}
}

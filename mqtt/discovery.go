package mqtt

import (
	"fmt"
	"slices"
	"strings"

	"lastwatt/rack"
)

// Discovery describes the rack to Home Assistant: one retained document per
// device, the cluster first, because the others name it in via_device and Home
// Assistant makes a nameless device of a parent that it does not know.
func Discovery(s rack.Snapshot, o Options) []Message {
	o = o.withDefaults()
	ms := []Message{clusterDevice(s, o).message(o)}
	for _, u := range s.UPS {
		ms = append(ms, upsDevice(u, o).message(o))
	}
	for _, n := range s.Nodes {
		ms = append(ms, nodeDevice(n, o).message(o))
	}
	return ms
}

// A deviceDoc is a discovery document of Home Assistant's MQTT integration. Its
// root takes no other keys than these and a few that we do not need.
type deviceDoc struct {
	Device     device               `json:"device"`
	Origin     origin               `json:"origin"`
	Components map[string]component `json:"components"`
	StateTopic string               `json:"state_topic"`
	// Availability holds for all components that have none of their own.
	// Without the mode "all" the entry that spoke last would win.
	Availability     []availability `json:"availability"`
	AvailabilityMode string         `json:"availability_mode"`
	QoS              int            `json:"qos"`

	id string
}

type device struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	Model        string   `json:"model,omitempty"`
	Serial       string   `json:"serial_number,omitempty"`
	Firmware     string   `json:"sw_version,omitempty"`
	Via          string   `json:"via_device,omitempty"`
}

type origin struct {
	Name    string `json:"name"`
	Version string `json:"sw_version,omitempty"`
}

type availability struct {
	Topic    string `json:"topic"`
	Template string `json:"value_template,omitempty"`
}

// A component is an entity or a device trigger.
type component struct {
	Platform        string         `json:"platform"`
	UniqueID        string         `json:"unique_id,omitempty"`
	DefaultEntityID string         `json:"default_entity_id,omitempty"`
	Name            string         `json:"name,omitempty"`
	StateTopic      string         `json:"state_topic,omitempty"`
	ValueTemplate   string         `json:"value_template,omitempty"`
	DeviceClass     string         `json:"device_class,omitempty"`
	StateClass      string         `json:"state_class,omitempty"`
	Unit            string         `json:"unit_of_measurement,omitempty"`
	Precision       *int           `json:"suggested_display_precision,omitempty"`
	Options         []string       `json:"options,omitempty"`
	PayloadOn       string         `json:"payload_on,omitempty"`
	PayloadOff      string         `json:"payload_off,omitempty"`
	Category        string         `json:"entity_category,omitempty"`
	Enabled         *bool          `json:"enabled_by_default,omitempty"`
	Availability    []availability `json:"availability,omitempty"`

	EventTypes     []string `json:"event_types,omitempty"`
	AutomationType string   `json:"automation_type,omitempty"`
	Type           string   `json:"type,omitempty"`
	Subtype        string   `json:"subtype,omitempty"`
	Topic          string   `json:"topic,omitempty"`
	Payload        string   `json:"payload,omitempty"`
}

// newDevice begins the document of the device that parts name; stateTopic holds
// its state.
func newDevice(d device, stateTopic string, o Options, parts ...string) deviceDoc {
	id := o.id(parts...)
	d.Identifiers = []string{id}
	if len(parts) > 0 {
		d.Via = o.id()
	}
	return deviceDoc{
		Device: d, Origin: origin{"lastwatt", o.Version}, Components: map[string]component{},
		StateTopic: stateTopic, Availability: []availability{{Topic: o.topic("status")}}, AvailabilityMode: "all", QoS: 1,
		id: id,
	}
}

func (d deviceDoc) message(o Options) Message {
	return document(o.DiscoveryPrefix+"/device/"+d.id+"/config", d)
}

// add adds an entity whose state is the value of key in the state document.
func (d deviceDoc) add(key string, c component) {
	c.UniqueID = d.id + "_" + key
	c.DefaultEntityID = c.Platform + "." + c.UniqueID
	if c.ValueTemplate == "" && c.Platform != "event" {
		c.ValueTemplate = "{{ value_json." + key + " }}"
	}
	d.Components[key] = c
}

// onlyWhile says that a component is unavailable while key of the state document
// is false. It replaces the device's own list, so it repeats the status topic.
func (d deviceDoc) onlyWhile(key string) []availability {
	return append(slices.Clone(d.Availability), availability{d.StateTopic, "{{ 'online' if value_json." + key + " else 'offline' }}"})
}

func clusterDevice(s rack.Snapshot, o Options) deviceDoc {
	d := newDevice(device{Name: "Lastwatt " + o.Site, Manufacturer: "Lastwatt", Firmware: o.Version}, o.topic("cluster"), o)
	d.add("summary", sensor("Summary"))
	d.add("phase", enum("Phase", phases()))
	d.add("mode", enum("Mode", modes()))
	d.add("on_battery", binary("On battery", ""))
	d.add("outage", binary("Outage", ""))
	d.add("outage_began", timestamp("Outage began"))
	d.add("stage", sensor("Stage"))
	d.add("time_on_battery", duration("Time on battery"))
	d.add("last_outage_began", timestamp("Last outage began").diagnostic())
	d.add("last_outage_duration", duration("Last outage duration").diagnostic())
	d.add("problem", binary("Problem", "problem"))
	d.add("problems", sensor("Health problems").diagnostic())
	d.add("swarm_quorum", binary("Swarm quorum", "").diagnostic())
	d.add("swarm_leader", sensor("Swarm leader").diagnostic())
	for key, c := range map[string]component{
		"time_to_empty": duration("Time to empty"),
		"margin":        duration("Margin"),
		"next_step":     sensor("Next step"),
		"next_step_at":  timestamp("Next step at"),
	} {
		c.StateTopic = o.topic("plan")
		d.add(key, c)
	}
	for _, w := range s.Witnesses {
		c := binary("Mains by "+w.Name, "power").diagnostic()
		c.ValueTemplate = fmt.Sprintf("{{ value_json.witnesses.get('%s') }}", slug(w.Name))
		d.add("witness_"+slug(w.Name), c)
	}
	d.addParts(s.Fans, s.Rails, s.Meters, s.Outputs)
	d.addEvents(o)
	return d
}

// addEvents adds an event entity and a device trigger for every kind of event;
// all of them read the one event topic.
func (d deviceDoc) addEvents(o Options) {
	topic := o.topic("event")
	d.add("event", component{Platform: "event", Name: "Power event", StateTopic: topic, EventTypes: rack.Kinds()})
	for _, kind := range rack.Kinds() {
		d.Components["trigger_"+kind] = component{
			Platform: "device_automation", AutomationType: "trigger", Type: "power", Subtype: kind,
			Topic: topic, Payload: kind, ValueTemplate: "{{ value_json.event_type }}",
		}
	}
}

func nodeDevice(n rack.Node, o Options) deviceDoc {
	d := newDevice(device{Name: n.Name, Model: n.Fact.Model}, o.topic("node", n.Name), o, "node", n.Name)
	if d.Device.Model == "" {
		d.Device.Model = n.Model
	}
	d.add("state", enum("State", nodeStates()))
	d.add("connected", binary("Connected", "connectivity").diagnostic())
	d.add("availability", sensor("Swarm availability").diagnostic())

	while := d.onlyWhile("connected")
	add := func(key string, c component) {
		c.Availability = while
		d.add(key, c)
	}
	add("temperature", measured("Temperature", "temperature", "°C", 0))
	add("draw", measured("Draw", "power", "W", 1))
	add("under_voltage", binary("Under-voltage", "problem").diagnostic())
	add("throttled", sensor("Throttled").diagnostic())
	d.addParts(n.Fans, n.Rails, n.Meters, n.Outputs)
	return d
}

func upsDevice(u rack.UPS, o Options) deviceDoc {
	f := u.Fact
	d := newDevice(device{
		Name: "UPS " + strings.TrimPrefix(u.Name, "UPS "), Manufacturer: f.Maker, Model: f.Model, Serial: f.Serial, Firmware: f.Firmware,
	}, o.topic("ups", u.Name), o, "ups", u.Name)
	while := d.onlyWhile("contact")
	for key, c := range upsEntities() {
		c.Availability = while
		d.add(key, c)
	}
	d.add("contact", binary("Contact", "connectivity").diagnostic())
	return d
}

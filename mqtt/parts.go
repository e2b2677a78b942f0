package mqtt

import (
	"fmt"
	"strings"

	"lastwatt/drivers"
)

// A partsDoc holds the fans, rails and meters of a node or of the rack, by the slug
// of their name.
type partsDoc struct {
	Fans   map[string]fanDoc   `json:"fans"`
	Rails  map[string]railDoc  `json:"rails"`
	Meters map[string]meterDoc `json:"meters"`
	// Outputs say whether a relay or pin is on.
	Outputs map[string]*bool `json:"outputs"`
}

type fanDoc struct {
	RPM     *float64 `json:"rpm"`
	State   *string  `json:"state"`
	Stalled *bool    `json:"stalled"`
	Duty    *float64 `json:"duty"`
}

type railDoc struct {
	Volts *float64 `json:"volts"`
	Amps  *float64 `json:"amps"`
	Watts *float64 `json:"watts"`
	Good  *bool    `json:"good"`
	Bad   *bool    `json:"bad"` // by its signal, or by its limits
}

type meterDoc struct {
	Watts       *float64 `json:"watts"`
	Volts       *float64 `json:"volts"`
	Amps        *float64 `json:"amps"`
	Frequency   *float64 `json:"frequency"`
	PowerFactor *float64 `json:"power_factor"`
	Energy      *float64 `json:"energy_wh"`
	Method      *string  `json:"method"`
}

type drive struct {
	Name        string   `json:"name"`
	Temperature *float64 `json:"temperature"`
	Wear        *float64 `json:"wear"`
}

func newPartsDoc(fans []drivers.Fan, rails []drivers.Rail, meters []drivers.Meter, outputs []drivers.Output) partsDoc {
	d := partsDoc{map[string]fanDoc{}, map[string]railDoc{}, map[string]meterDoc{}, map[string]*bool{}}
	for _, o := range outputs {
		d.Outputs[slug(o.Name)] = o.On
	}
	for _, f := range fans {
		doc := fanDoc{RPM: number(f.RPM, 10), State: text(string(f.State)), Duty: number(f.Duty, 1)}
		if f.State != "" && f.State != drivers.FanUnknown {
			doc.Stalled = new(f.State == drivers.FanStalled)
		}
		d.Fans[slug(f.Name)] = doc
	}
	for _, r := range rails {
		doc := railDoc{Volts: number(r.Volts, 0.01), Amps: number(r.Amps, 0.01), Watts: number(r.Watts, 0.1), Good: r.Good}
		if r.Good != nil || r.Level != "" {
			doc.Bad = new(r.Good != nil && !*r.Good || r.Level == drivers.Warning || r.Level == drivers.Critical)
		}
		d.Rails[slug(r.Name)] = doc
	}
	for _, m := range meters {
		d.Meters[slug(m.Name)] = meterDoc{number(m.Watts, 0.1), number(m.Volts, 0.1), number(m.Amps, 0.01), number(m.Frequency, 0.1),
			number(m.PowerFactor, 0.01), number(m.Energy, 1), text(m.Method)}
	}
	return d
}

func newDrives(all []drivers.Drive) []drive {
	list := []drive{}
	for _, d := range all {
		list = append(list, drive{d.Name, number(d.Temperature, 1), number(d.Wear, 1)})
	}
	return list
}

// throttled is what the firmware holds back, "none", or null where it does not say.
func throttled(flags []string) *string {
	switch {
	case flags == nil:
		return nil
	case len(flags) == 0:
		return new("none")
	}
	return new(strings.Join(flags, ", "))
}

// addParts adds fans, rails, meters and outputs. A part that goes missing from the document
// reads as unknown; a plain path would be a warning of the template with every
// message.
func (d deviceDoc) addParts(fans []drivers.Fan, rails []drivers.Rail, meters []drivers.Meter, outputs []drivers.Output) {
	add := func(c component, list, name, key, entity string) {
		c.ValueTemplate = fmt.Sprintf("{{ (value_json.%s.get('%s') or {}).get('%s') }}", list, slug(name), key)
		d.add(entity, c)
	}
	for _, f := range fans {
		add(measured("Fan "+f.Name, "", "rpm", 0), "fans", f.Name, "rpm", "fan_"+slug(f.Name))
		add(binary("Fan "+f.Name+" stalled", "problem").diagnostic(), "fans", f.Name, "stalled", "fan_"+slug(f.Name)+"_stalled")
	}
	for _, r := range rails {
		add(measured("Rail "+r.Name, "voltage", "V", 2), "rails", r.Name, "volts", "rail_"+slug(r.Name))
		add(measured("Rail "+r.Name+" current", "current", "A", 2).rare(), "rails", r.Name, "amps", "rail_"+slug(r.Name)+"_current")
		add(binary("Rail "+r.Name+" bad", "problem").diagnostic(), "rails", r.Name, "bad", "rail_"+slug(r.Name)+"_bad")
	}
	for _, m := range meters {
		energy := measured("Energy "+m.Name, "energy", "Wh", 0)
		energy.StateClass = "total_increasing"
		add(measured("Draw "+m.Name, "power", "W", 1), "meters", m.Name, "watts", "meter_"+slug(m.Name))
		add(measured("Voltage "+m.Name, "voltage", "V", 1).rare(), "meters", m.Name, "volts", "meter_"+slug(m.Name)+"_voltage")
		add(measured("Current "+m.Name, "current", "A", 2).rare(), "meters", m.Name, "amps", "meter_"+slug(m.Name)+"_current")
		add(energy.rare(), "meters", m.Name, "energy_wh", "meter_"+slug(m.Name)+"_energy")
	}
	for _, o := range outputs {
		c := binary("Output "+o.Name, "").diagnostic()
		c.ValueTemplate = fmt.Sprintf("{{ value_json.outputs.get('%s') }}", slug(o.Name))
		d.add("output_"+slug(o.Name), c)
	}
}

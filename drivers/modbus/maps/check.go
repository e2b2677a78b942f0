package maps

import (
	"fmt"
	"slices"
	"strings"
)

// whole checks what concerns more than one field.
func (p *parser) whole(m *Map, part filePart) {
	line := func(i int) int { return part.Fields.Content[2*i].Line }
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{m.Device == Meter && m.Method == "", "method: say how it measures, such as method: measured AC"},
		{part.Unit < 0 || part.Unit > 255, fmt.Sprintf("unit: want 1 to 247 (got %d)", part.Unit)},
		{m.Pause < 0 || m.Pause.Seconds() > 5, fmt.Sprintf("pause: want 0s to 5s (got %v)", m.Pause)},
		{m.Gap < 0 || m.Gap > 100, fmt.Sprintf("gap: want 0 to 100 registers (got %d)", m.Gap)},
		{m.Most < 1 || m.Most > 125, fmt.Sprintf("most: want 1 to 125 registers (got %d)", m.Most)},
		{m.Device != Relay && len(m.Fields) == 0, "fields: there are none: say what the device keeps where"},
		{m.Device == Relay && (m.Outputs == nil || m.Outputs.Count < 1 || m.Outputs.Count > 64 || int(m.Outputs.Address)+m.Outputs.Count > 1<<16), "outputs: a relay board needs them, such as outputs: {address: 0, count: 8}"},
		{m.Device != Relay && m.Outputs != nil, "outputs: they are for device: relay: remove them"},
		{m.Device == UPS && len(m.Identity) == 0, "identity: a UPS needs a check: without one, any device could say that mains is gone"},
	} {
		if rule.broken {
			p.wrong(0, "%s", rule.text)
		}
	}
	for i, f := range m.Fields {
		if f.Registers > m.Most {
			p.wrong(line(i), "fields.%s: it takes more registers than one request may read: raise most:, now %d", f.Name, m.Most)
		}
		if f.PercentOf != "" && !slices.ContainsFunc(m.Fields, func(o Field) bool { return o.Name == f.PercentOf && o.PercentOf == "" }) {
			p.wrong(line(i), "fields.%s: percent_of: there is no field %q", f.Name, f.PercentOf)
		}
	}
	p.evidence(m)
	p.guard(m)
}

// evidence checks that the map of a UPS can tell whether it is on battery.
func (p *parser) evidence(m *Map) {
	has := func(name string) bool {
		return slices.ContainsFunc(m.Fields, func(f Field) bool { return f.Name == name && !f.Once && !f.Optional })
	}
	if m.Device == UPS && !has("on_battery") && (!has("discharging") || !has("input.voltage") && !has("input_bad")) {
		p.wrong(0, "fields: nothing says that the UPS is on battery: want on_battery, or discharging with input.voltage or input_bad, read in each poll")
	}
}

func (p *parser) guard(m *Map) {
	if len(p.problems) > 0 {
		return
	}
	if m.Guard == nil {
		m.Guard = m.guard()
	}
	const example = "guard: [{function: holding, address: 0, count: 1}, {function: holding, address: 0, count: 2}]"
	if len(m.Guard) < 2 {
		p.wrong(0, "guard: want two reads whose answers differ in length, to prove that question and answer match: %s", example)
		return
	}
	var lengths []string
	for i, r := range m.Guard {
		if !slices.Contains([]Function{Coil, Discrete, Holding, Input}, r.Function) {
			p.wrong(0, "guard[%d]: function: want coil, discrete, holding or input (got %q)", i, r.Function)
		}
		if r.Count < 1 || r.bytes() > 250 || int(r.Address)+int(r.Count) > 1<<16 {
			p.wrong(0, "guard[%d]: count: want 1 to 125 registers (got %d)", i, r.Count)
		}
		lengths = append(lengths, fmt.Sprint(r.bytes()))
	}
	if m.Guard[0].bytes() == m.Guard[1].bytes() {
		p.wrong(0, "guard: the answers to the two reads have the same length (%s bytes): %s", strings.Join(lengths, ", "), example)
	}
}

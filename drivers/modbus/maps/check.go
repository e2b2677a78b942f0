package maps

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// whole checks what concerns more than one field.
func (p *parser) whole(m *Map, part filePart) {
	line := func(i int) int { return part.Fields.Content[2*i].Line }
	s := m.Serial
	for _, one := range []struct {
		key string
		rule
	}{
		{"device", rule{m.Device == Meter && m.Method == "", "method: say how it measures, such as method: measured AC"}},
		{"unit", rule{part.Unit < 0 || part.Unit > 255, fmt.Sprintf("unit: want 1 to 247 (got %d)", part.Unit)}},
		{"pause", rule{m.Pause < 0 || m.Pause.Seconds() > 5, fmt.Sprintf("pause: want 0s to 5s (got %v)", m.Pause)}},
		{"gap", rule{m.Gap < 0 || m.Gap > 100, fmt.Sprintf("gap: want 0 to 100 registers (got %d)", m.Gap)}},
		{"most", rule{m.Most < 1 || m.Most > 125, fmt.Sprintf("most: want 1 to 125 registers (got %d)", m.Most)}},
		{"serial", rule{s.Baud < 300 || s.Baud > 4_000_000, fmt.Sprintf("serial: baud: want 300 to 4000000, such as 9600 (got %d)", s.Baud)}},
		{"serial", rule{!slices.Contains([]string{"none", "even", "odd"}, s.Parity), fmt.Sprintf("serial: parity: want none, even or odd (got %q)", s.Parity)}},
		{"serial", rule{s.DataBits != 7 && s.DataBits != 8 || s.StopBits != 1 && s.StopBits != 2,
			fmt.Sprintf("serial: want data_bits 8, or 7, and stop_bits 1 or 2 (got %d and %d)", s.DataBits, s.StopBits)}},
		{"fields", rule{m.Device != Relay && !slices.ContainsFunc(m.Fields, func(f Field) bool { return !f.Once && !f.Optional }),
			"fields: want one that is read in each poll and may not be refused: nothing else tells that the device is still there"}},
		{"outputs", rule{m.Device == Relay && (m.Outputs == nil || m.Outputs.Count < 1 || m.Outputs.Count > 64 || int(m.Outputs.Address)+m.Outputs.Count > 1<<16), "outputs: a relay board needs them, such as outputs: {address: 0, count: 8}"}},
		{"outputs", rule{m.Device != Relay && m.Outputs != nil, "outputs: they are for device: relay: remove them"}},
		{"device", rule{m.Device == UPS && len(m.Identity) == 0, "identity: a UPS needs a check: without one, any device could say that mains is gone"}},
	} {
		if one.broken {
			p.wrong(p.lines[one.key], "%s", one.text)
		}
	}
	for i, f := range m.Fields {
		if why := m.suits(f); why != "" {
			p.wrong(line(i), "fields.%s: %s", f.Name, why)
		}
	}
	p.evidence(m)
	p.guard(m)
}

// suits says what is wrong with a field beside the others, or nothing.
func (m *Map) suits(f Field) string {
	switch i := slices.IndexFunc(m.Fields, func(o Field) bool { return o.Name == f.PercentOf && o.PercentOf == "" }); {
	case f.Registers > m.Most:
		return fmt.Sprintf("it takes more registers than one request may read: raise most:, now %d", m.Most)
	case f.Once && !m.Device.lasting(f.Name):
		return "once: it changes, and would be told as it was: remove once:"
	case f.PercentOf == "":
		return ""
	case i < 0:
		return fmt.Sprintf("percent_of: there is no field %q", f.PercentOf)
	case m.Device.kindOf(f.Name) != number || m.Device.kindOf(f.PercentOf) != number:
		return "percent_of: want a number that is a percentage of another, as ups.realpower of ups.realpower.nominal"
	}
	return ""
}

// evidence checks that the map of a UPS can tell whether it is on battery.
func (p *parser) evidence(m *Map) {
	has := func(name string) bool {
		return slices.ContainsFunc(m.Fields, func(f Field) bool { return f.Name == name && !f.Once && !f.Optional })
	}
	if m.Device == UPS && !has("on_battery") && (!has("discharging") || !has("input.voltage") && !has("input_bad") && !has("on_mains")) {
		p.wrong(p.lines["fields"], "fields: nothing says that the UPS is on battery: want on_battery, or discharging with input.voltage, input_bad or on_mains, read in each poll")
	}
}

func (p *parser) guard(m *Map) {
	if len(p.problems) > 0 {
		return
	}
	if m.Guard == nil {
		m.Guard = m.guard()
	}
	at := cmp.Or(p.lines["guard"], p.lines["fields"], p.lines["device"])
	const example = "guard: [{function: holding, address: 0, count: 1}, {function: holding, address: 0, count: 2}]"
	if len(m.Guard) < 2 {
		p.wrong(at, "guard: want two reads whose answers differ in length, to prove that question and answer match: %s", example)
		return
	}
	var lengths []string
	for i, r := range m.Guard {
		if !slices.Contains([]Function{Coil, Discrete, Holding, Input}, r.Function) {
			p.wrong(at, "guard[%d]: function: want coil, discrete, holding or input (got %q)", i, r.Function)
		}
		if r.Count < 1 || r.bytes() > 250 || int(r.Address)+int(r.Count) > 1<<16 {
			p.wrong(at, "guard[%d]: count: want 1 to 125 registers (got %d)", i, r.Count)
		}
		lengths = append(lengths, fmt.Sprint(r.bytes()))
	}
	if m.Guard[0].bytes() == m.Guard[1].bytes() {
		p.wrong(at, "guard: the answers to the two reads have the same length (%s bytes): %s", strings.Join(lengths, ", "), example)
	}
}

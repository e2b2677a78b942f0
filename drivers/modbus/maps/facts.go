package maps

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lastwatt/drivers"
)

// A kind is what sort of value a fact takes.
type kind int

const (
	number kind = iota
	flag
	text
)

// A target is a place in a fact, by NUT's name for it or by ours.
type target struct {
	name string
	kind kind
	unit string
	set  func(Value)
}

// longest is the longest time that is believed: registers that say "I do not know"
// say more.
const longest = 30 * 24 * time.Hour

// bound gives a field that the map does not bound the bounds of what can be true.
func (d Device) bound(f *Field) {
	least, greatest := 0.0, 100.0
	switch i := d.target(f.Name); {
	case i.unit == "s":
		least, greatest = -time.Hour.Seconds(), longest.Seconds() // a timer that does not count may be -1
	case !strings.HasPrefix(i.name, "battery.charge"):
		return
	}
	if f.Least == nil {
		f.Least = &least
	}
	if f.Greatest == nil {
		f.Greatest = &greatest
	}
}

// target is the place that a field names; the zero value is none.
func (d Device) target(name string) target {
	all := d.targets()
	if i := slices.IndexFunc(all, func(t target) bool { return t.name == name }); i >= 0 {
		return all[i]
	}
	return target{}
}

func (d Device) kindOf(name string) kind { return d.target(name).kind }

// lasting is whether what a field says stays as it is while the device runs: a
// name, a rating, a setting.
func (d Device) lasting(name string) bool {
	return d.kindOf(name) == text || strings.HasSuffix(name, ".nominal") || strings.HasPrefix(name, "input.transfer.") ||
		slices.Contains([]string{"battery.charge.low", "battery.charge.warning", "battery.runtime.low"}, name)
}

func set[T ~float64](name, unit string, to **T) target {
	return target{name, number, unit, func(v Value) { *to = new(T(v.Number)) }}
}

func setTime(name string, to **time.Duration) target {
	return target{name, number, "s", func(v Value) { *to = new(time.Duration(v.Number * float64(time.Second))) }}
}

func setFlag(name string, to **bool) target {
	return target{name, flag, "", func(v Value) { *to = new(v.Number != 0) }}
}

func setText(name string, to *string) target {
	return target{name, text, "", func(v Value) { *to = v.Text }}
}

// evidence is what a UPS says of mains, before it is judged.
type evidence struct {
	onBattery, onMains *bool
	// inputBad is that the UPS finds its input not acceptable.
	inputBad *bool
	// calibrating is that the battery is discharged to measure it.
	calibrating *bool
}

func upsTargets(u *drivers.UPS, e *evidence) []target {
	return []target{
		setFlag("on_battery", &e.onBattery), setFlag("on_mains", &e.onMains), setFlag("input_bad", &e.inputBad), setFlag("calibrating", &e.calibrating),
		setFlag("charging", &u.Charging), setFlag("discharging", &u.Discharging), setFlag("fully_charged", &u.FullyCharged),
		setFlag("low_battery", &u.LowBattery), setFlag("replace_battery", &u.ReplaceBattery), setFlag("overload", &u.Overload),
		setFlag("boost", &u.Boost), setFlag("trim", &u.Trim), setFlag("test_in_progress", &u.TestInProgress),
		setFlag("shutdown_pending", &u.ShutdownPending),
		set("battery.charge", "%", &u.Charge), set("battery.charge.low", "%", &u.ChargeLow), set("battery.charge.warning", "%", &u.ChargeWarning),
		setTime("battery.runtime", &u.Runtime), setTime("battery.runtime.low", &u.RuntimeLow),
		set("battery.voltage", "V", &u.BatteryVoltage), set("battery.voltage.nominal", "V", &u.BatteryNominal),
		set("battery.current", "A", &u.BatteryCurrent), set("battery.temperature", "°C", &u.BatteryTemperature),
		setText("battery.type", &u.BatteryType), setText("battery.mfr.date", &u.BatteryDate),
		set("input.voltage", "V", &u.InputVoltage), set("input.voltage.nominal", "V", &u.InputNominal),
		set("input.frequency", "Hz", &u.InputFrequency), set("input.current", "A", &u.InputCurrent), setText("input.sensitivity", &u.Sensitivity),
		set("input.transfer.low", "V", &u.TransferLow), set("input.transfer.high", "V", &u.TransferHigh),
		set("output.voltage", "V", &u.OutputVoltage), set("output.voltage.nominal", "V", &u.OutputNominal),
		set("output.frequency", "Hz", &u.OutputFrequency), set("output.frequency.nominal", "Hz", &u.OutputFrequencyNominal),
		set("output.current", "A", &u.OutputCurrent),
		set("ups.load", "%", &u.Load), set("ups.realpower", "W", &u.Power), set("ups.realpower.nominal", "W", &u.PowerNominal),
		set("ups.power", "VA", &u.Apparent), set("ups.power.nominal", "VA", &u.ApparentNominal),
		setTime("ups.timer.shutdown", &u.TimerShutdown), setTime("ups.timer.start", &u.TimerStart), setTime("ups.timer.reboot", &u.TimerReboot),
		setText("ups.beeper.status", &u.Beeper), setText("ups.test.result", &u.TestResult), set("ups.temperature", "°C", &u.Temperature),
		setText("device.mfr", &u.Maker), setText("device.model", &u.Model), setText("device.serial", &u.Serial),
		setText("ups.firmware", &u.Firmware), setText("ups.mfr.date", &u.Made),
	}
}

func meterTargets(m *drivers.Meter) []target {
	return []target{
		set("watts", "W", &m.Watts), set("volts", "V", &m.Volts), set("amps", "A", &m.Amps), set("apparent", "VA", &m.Apparent),
		set("power_factor", "", &m.PowerFactor), set("frequency", "Hz", &m.Frequency), set("energy_wh", "Wh", &m.Energy),
	}
}

func railTargets(r *drivers.Rail) []target {
	return []target{set("volts", "V", &r.Volts), set("amps", "A", &r.Amps), set("watts", "W", &r.Watts), setFlag("good", &r.Good)}
}

// targets are the places of a device's fact that fields may name.
func (d Device) targets() []target {
	switch d {
	case UPS:
		return upsTargets(&drivers.UPS{}, &evidence{})
	case Meter:
		return meterTargets(&drivers.Meter{})
	case Rail:
		return railTargets(&drivers.Rail{})
	}
	return nil
}

// UnitOf is the unit of a field; empty is none.
func (m Map) UnitOf(field string) string { return m.Device.target(field).unit }

// Values are what the fields of a map say, by their names.
type Values map[string]Value

// Percentages turns the fields that are a percentage of another into its unit.
// One whose other field is absent is absent.
func (m Map) Percentages(vs Values) {
	for _, f := range m.Fields {
		v, ok := vs[f.Name]
		if f.PercentOf == "" || !ok {
			continue
		}
		if of, there := vs[f.PercentOf]; !there {
			delete(vs, f.Name)
		} else {
			vs[f.Name] = Value{Number: v.Number / 100 * of.Number}
		}
	}
}

// Limits judge a rail; 0 is no limit.
type Limits struct {
	WarningBelow  float64 `yaml:"warning_below"`
	CriticalBelow float64 `yaml:"critical_below"`
	WarningAbove  float64 `yaml:"warning_above"`
	CriticalAbove float64 `yaml:"critical_above"`
}

// Sound is whether the limits lie in their order, those that are 0 left out.
func (l Limits) Sound() bool {
	set := slices.DeleteFunc([]float64{l.CriticalBelow, l.WarningBelow, l.WarningAbove, l.CriticalAbove}, func(v float64) bool { return v == 0 })
	return slices.IsSorted(set) && !slices.ContainsFunc(set, func(v float64) bool { return !(v > 0) })
}

// Fact makes the device's fact of what its fields say. name is the configured
// name of the device, warnings are for people. A relay board has none.
func (m Map) Fact(name string, vs Values, warnings []string, limits Limits) drivers.Fact {
	fill := func(targets []target) {
		for _, t := range targets {
			if v, ok := vs[t.name]; ok {
				t.set(v)
			}
		}
	}
	switch m.Device {
	case UPS:
		u, e := drivers.UPS{Warnings: slices.Clone(warnings)}, evidence{}
		fill(upsTargets(&u, &e))
		if e.calibrating != nil && *e.calibrating {
			u.TestInProgress = new(true)
		}
		onBattery, doubt := e.judge(u)
		u.OnBattery = onBattery
		if doubt != "" {
			u.Warnings = append(u.Warnings, doubt)
		}
		return u
	case Meter:
		f := drivers.Meter{Name: name}
		fill(meterTargets(&f))
		if f.Watts != nil {
			f.Method = m.Method
		}
		return f
	case Rail:
		f := drivers.Rail{Name: name}
		fill(railTargets(&f))
		f.Level = limits.level(f.Volts)
		return f
	}
	return nil
}

func (l Limits) level(v *drivers.Volt) drivers.Level {
	if v == nil || l == (Limits{}) {
		return ""
	}
	beyond := func(below, above float64) bool {
		return below != 0 && float64(*v) < below || above != 0 && float64(*v) > above
	}
	switch {
	case beyond(l.CriticalBelow, l.CriticalAbove):
		return drivers.Critical
	case beyond(l.WarningBelow, l.WarningAbove):
		return drivers.Warning
	}
	return drivers.OK
}

// judge says whether the UPS is on battery; nil is that it cannot be told. Only
// what passed the identity check comes here.
//
//   - A UPS that says that it is on battery and on mains at once says neither.
//   - A self-test or a calibration runs on battery too: then the input decides.
//   - A UPS that has no flag for it is on battery while it discharges with its
//     input voltage gone, or while it says that it is not on mains.
func (e evidence) judge(u drivers.UPS) (onBattery *bool, doubt string) {
	is := func(b *bool) bool { return b != nil && *b }
	gone := e.inputGone(u)
	switch {
	case is(e.onBattery) && is(e.onMains):
		return nil, "it says that it is on battery and on mains"
	case is(e.onBattery) && is(u.TestInProgress):
		return gone, ""
	case is(e.onBattery):
		return new(true), ""
	case is(e.onMains):
		return new(false), ""
	case e.onBattery != nil && e.onMains == nil:
		return new(false), ""
	case e.onBattery == nil:
		return e.discharges(u, gone)
	}
	return nil, "it says neither that it is on battery nor that it is on mains"
}

// discharges judges a UPS that has no flag for being on battery, and does not say that
// it is on mains.
func (e evidence) discharges(u drivers.UPS, gone *bool) (onBattery *bool, doubt string) {
	switch denies := e.onMains != nil; {
	case u.Discharging == nil && denies, u.Discharging != nil && !*u.Discharging && denies:
		return nil, "it says that it is not on mains, and not that it discharges"
	case u.Discharging == nil:
		return nil, ""
	case !*u.Discharging:
		return new(false), ""
	case denies && (u.TestInProgress == nil || !*u.TestInProgress):
		return new(true), ""
	case gone == nil:
		return nil, "it discharges and does not say whether there is mains"
	}
	return gone, ""
}

// inputGone is whether mains is missing at the input, by what else is said of it.
func (e evidence) inputGone(u drivers.UPS) *bool {
	if e.inputBad != nil {
		return e.inputBad
	}
	if u.InputVoltage == nil {
		return nil
	}
	half := drivers.Volt(50) // of the lowest mains there is
	if u.InputNominal != nil {
		half = max(half, *u.InputNominal/2)
	}
	return new(*u.InputVoltage < half)
}

// names lists what fields of the device may be called.
func (d Device) names() []string {
	var names []string
	for _, t := range d.targets() {
		names = append(names, t.name)
	}
	return names
}

// fits says what is wrong with a field of this name, or nothing.
func (d Device) fits(f Field) string {
	t, isText := d.target(f.Name), f.Type == "text" || f.Texts != nil
	switch {
	case d == Relay:
		return "a relay board has none: remove fields:"
	case t.name == "":
		return fmt.Sprintf("no field of this name: want one of %q", d.names())
	case t.kind == text && !isText:
		return "it is a text: want type text, or texts: for the numbers"
	case t.kind != text && isText:
		return "it is no text: want a type of numbers"
	case t.kind == flag && f.Type != "bool":
		return "it is true or false: want type bool, with bit: for one bit of a register"
	case t.kind == number && f.Type == "bool":
		return "it is a number: want a type of numbers"
	}
	return ""
}

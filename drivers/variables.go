package drivers

import (
	"slices"
	"time"
)

// A Variable is one value of a UPS under NUT's name for it.
type Variable struct {
	Name string
	// Value is a float64 or a string; never nil.
	Value any
	Unit  string // "V", "A", "%", "s", "W", "VA", "Hz", "°C", or empty
	// Age is how much older than its reading the value is.
	Age time.Duration
	// OutOfRange says that the value is beyond the device's own limits.
	OutOfRange bool
}

// Variables lists what the UPS says, under NUT's names, sorted by name.
func (u UPS) Variables() []Variable {
	vs := slices.Concat(u.quantities(), u.durations(), u.words())
	for i, v := range vs {
		vs[i].Age, vs[i].OutOfRange = u.Ages[v.Name], slices.Contains(u.OutOfRange, v.Name)
	}
	slices.SortFunc(vs, func(a, b Variable) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return vs
}

// add appends a quantity, unless it is absent.
func add[T ~float64](vs []Variable, name string, v *T, unit string) []Variable {
	if v == nil {
		return vs
	}
	return append(vs, Variable{Name: name, Value: float64(*v), Unit: unit})
}

func (u UPS) quantities() []Variable {
	var vs []Variable
	vs = add(vs, "battery.charge", u.Charge, "%")
	vs = add(vs, "battery.charge.low", u.ChargeLow, "%")
	vs = add(vs, "battery.charge.warning", u.ChargeWarning, "%")
	vs = add(vs, "battery.current", u.BatteryCurrent, "A")
	vs = add(vs, "battery.temperature", u.BatteryTemperature, "°C")
	vs = add(vs, "battery.voltage", u.BatteryVoltage, "V")
	vs = add(vs, "battery.voltage.nominal", u.BatteryNominal, "V")
	vs = add(vs, "input.current", u.InputCurrent, "A")
	vs = add(vs, "input.frequency", u.InputFrequency, "Hz")
	vs = add(vs, "input.transfer.high", u.TransferHigh, "V")
	vs = add(vs, "input.transfer.low", u.TransferLow, "V")
	vs = add(vs, "input.voltage", u.InputVoltage, "V")
	vs = add(vs, "input.voltage.nominal", u.InputNominal, "V")
	vs = add(vs, "output.current", u.OutputCurrent, "A")
	vs = add(vs, "output.frequency", u.OutputFrequency, "Hz")
	vs = add(vs, "output.frequency.nominal", u.OutputFrequencyNominal, "Hz")
	vs = add(vs, "output.voltage", u.OutputVoltage, "V")
	vs = add(vs, "output.voltage.nominal", u.OutputNominal, "V")
	vs = add(vs, "ups.load", u.Load, "%")
	vs = add(vs, "ups.power", u.Apparent, "VA")
	vs = add(vs, "ups.power.nominal", u.ApparentNominal, "VA")
	vs = add(vs, "ups.realpower", u.Power, "W")
	vs = add(vs, "ups.realpower.nominal", u.PowerNominal, "W")
	return add(vs, "ups.temperature", u.Temperature, "°C")
}

func (u UPS) durations() []Variable {
	var vs []Variable
	for _, d := range []struct {
		name  string
		value *time.Duration
	}{
		{"battery.runtime", u.Runtime}, {"battery.runtime.low", u.RuntimeLow},
		{"ups.timer.reboot", u.TimerReboot}, {"ups.timer.shutdown", u.TimerShutdown}, {"ups.timer.start", u.TimerStart},
	} {
		if d.value != nil {
			vs = append(vs, Variable{Name: d.name, Value: d.value.Seconds(), Unit: "s"})
		}
	}
	return vs
}

func (u UPS) words() []Variable {
	health := ""
	if u.BatteryHealth != nil {
		health = u.BatteryHealth.String()
	}
	var vs []Variable
	for _, w := range []struct{ name, value string }{
		{"battery.mfr.date", u.BatteryDate}, {"battery.status", health}, {"battery.type", u.BatteryType},
		{"device.mfr", u.Maker}, {"device.model", u.Model}, {"device.serial", u.Serial}, {"device.type", "ups"},
		{"input.sensitivity", u.Sensitivity},
		{"ups.beeper.status", u.Beeper}, {"ups.firmware", u.Firmware}, {"ups.mfr", u.Maker}, {"ups.mfr.date", u.Made},
		{"ups.model", u.Model}, {"ups.productid", u.ProductID}, {"ups.serial", u.Serial}, {"ups.status", u.Status()},
		{"ups.test.result", u.TestResult}, {"ups.vendorid", u.VendorID},
	} {
		if w.value != "" {
			vs = append(vs, Variable{Name: w.name, Value: w.value})
		}
	}
	return vs
}

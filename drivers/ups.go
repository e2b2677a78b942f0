package drivers

import "time"

// A UPS is one coherent reading of an uninterruptible power supply.
type UPS struct {
	// OnBattery is the driver's judgement after its checks: true only with
	// evidence from a source that passed them (a valid ACPresent = 0, or
	// Discharging with the input voltage gone), nil if it cannot tell. A
	// running self-test or a lone low-battery flag is not on battery.
	OnBattery *bool `json:"on_battery,omitempty"`

	Charging        *bool `json:"charging,omitempty"`
	Discharging     *bool `json:"discharging,omitempty"`
	FullyCharged    *bool `json:"fully_charged,omitempty"`
	LowBattery      *bool `json:"low_battery,omitempty"`
	ReplaceBattery  *bool `json:"replace_battery,omitempty"`
	Overload        *bool `json:"overload,omitempty"`
	Boost           *bool `json:"boost,omitempty"`
	Trim            *bool `json:"trim,omitempty"`
	TestInProgress  *bool `json:"test_in_progress,omitempty"`
	ShutdownPending *bool `json:"shutdown_pending,omitempty"` // its outlets' countdown runs

	Charge         *Percent       `json:"charge,omitempty"`
	ChargeLow      *Percent       `json:"charge_low,omitempty"`
	ChargeWarning  *Percent       `json:"charge_warning,omitempty"`
	Runtime        *time.Duration `json:"runtime_ns,omitempty"` // until empty, at the present load, as the device says
	RuntimeLow     *time.Duration `json:"runtime_low_ns,omitempty"`
	BatteryVoltage *Volt          `json:"battery_voltage,omitempty"`
	BatteryNominal *Volt          `json:"battery_nominal,omitempty"`
	BatteryType    string         `json:"battery_type,omitempty"`

	InputVoltage   *Volt  `json:"input_voltage,omitempty"`
	InputNominal   *Volt  `json:"input_nominal,omitempty"`
	InputFrequency *Hertz `json:"input_frequency,omitempty"`
	TransferLow    *Volt  `json:"transfer_low,omitempty"`
	TransferHigh   *Volt  `json:"transfer_high,omitempty"`
	OutputVoltage  *Volt  `json:"output_voltage,omitempty"`

	Load            *Percent    `json:"load,omitempty"`
	Power           *Watt       `json:"power,omitempty"`
	PowerNominal    *Watt       `json:"power_nominal,omitempty"`
	Apparent        *VoltAmpere `json:"apparent,omitempty"`
	ApparentNominal *VoltAmpere `json:"apparent_nominal,omitempty"`

	// The delays that the device holds: below 0 means that none is counting.
	TimerShutdown *time.Duration `json:"timer_shutdown_ns,omitempty"`
	TimerStart    *time.Duration `json:"timer_start_ns,omitempty"`

	Beeper     string `json:"beeper,omitempty"`      // enabled, disabled, muted
	TestResult string `json:"test_result,omitempty"` // NUT's words

	Maker    string `json:"maker,omitempty"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Firmware string `json:"firmware,omitempty"`
}

// A Variable is one value of a UPS under NUT's name for it.
type Variable struct {
	Name string
	// Value is a number, a string; never nil.
	Value any
	Unit  string // "V", "%", "s", "W", "VA", "Hz", or empty
}

// Status is NUT's ups.status: its tokens, separated by spaces. It is empty if
// the device says nothing of mains.
func (u UPS) Status() string {
	s := ""
	add := func(token string) {
		if s != "" {
			s += " "
		}
		s += token
	}
	on := func(b *bool) bool { return b != nil && *b }
	switch {
	case u.OnBattery == nil:
	case *u.OnBattery:
		add("OB")
	default:
		add("OL")
	}
	for _, f := range []struct {
		set   *bool
		token string
	}{
		{u.Charging, "CHRG"}, {u.Discharging, "DISCHRG"}, {u.LowBattery, "LB"}, {u.ReplaceBattery, "RB"},
		{u.Overload, "OVER"}, {u.Trim, "TRIM"}, {u.Boost, "BOOST"}, {u.TestInProgress, "TEST"},
	} {
		if on(f.set) {
			add(f.token)
		}
	}
	return s
}

// Variables lists what the UPS says, under NUT's names, sorted by name.
func (u UPS) Variables() []Variable {
	var vs []Variable
	str := func(name, v string) {
		if v != "" {
			vs = append(vs, Variable{name, v, ""})
		}
	}
	volt := func(name string, v *Volt) {
		if v != nil {
			vs = append(vs, Variable{name, float64(*v), "V"})
		}
	}
	percent := func(name string, v *Percent) {
		if v != nil {
			vs = append(vs, Variable{name, float64(*v), "%"})
		}
	}
	seconds := func(name string, v *time.Duration) {
		if v != nil {
			vs = append(vs, Variable{name, v.Seconds(), "s"})
		}
	}
	percent("battery.charge", u.Charge)
	percent("battery.charge.low", u.ChargeLow)
	percent("battery.charge.warning", u.ChargeWarning)
	seconds("battery.runtime", u.Runtime)
	seconds("battery.runtime.low", u.RuntimeLow)
	str("battery.type", u.BatteryType)
	volt("battery.voltage", u.BatteryVoltage)
	volt("battery.voltage.nominal", u.BatteryNominal)
	str("device.mfr", u.Maker)
	str("device.model", u.Model)
	str("device.serial", u.Serial)
	if u.InputFrequency != nil {
		vs = append(vs, Variable{"input.frequency", float64(*u.InputFrequency), "Hz"})
	}
	volt("input.transfer.high", u.TransferHigh)
	volt("input.transfer.low", u.TransferLow)
	volt("input.voltage", u.InputVoltage)
	volt("input.voltage.nominal", u.InputNominal)
	volt("output.voltage", u.OutputVoltage)
	str("ups.beeper.status", u.Beeper)
	str("ups.firmware", u.Firmware)
	percent("ups.load", u.Load)
	if u.Apparent != nil {
		vs = append(vs, Variable{"ups.power", float64(*u.Apparent), "VA"})
	}
	if u.ApparentNominal != nil {
		vs = append(vs, Variable{"ups.power.nominal", float64(*u.ApparentNominal), "VA"})
	}
	if u.Power != nil {
		vs = append(vs, Variable{"ups.realpower", float64(*u.Power), "W"})
	}
	if u.PowerNominal != nil {
		vs = append(vs, Variable{"ups.realpower.nominal", float64(*u.PowerNominal), "W"})
	}
	str("ups.status", u.Status())
	str("ups.test.result", u.TestResult)
	seconds("ups.timer.shutdown", u.TimerShutdown)
	seconds("ups.timer.start", u.TimerStart)
	return vs
}

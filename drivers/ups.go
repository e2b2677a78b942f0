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
	BatteryDate    string         `json:"battery_date,omitempty"` // when it was made, as 2024/05/31
	// BatteryHealth is what is left of the capacity of a new battery, as
	// the device says; many say 100 for ever.
	BatteryHealth      *Percent `json:"battery_health,omitempty"`
	BatteryCurrent     *Ampere  `json:"battery_current,omitempty"`
	BatteryTemperature *Celsius `json:"battery_temperature,omitempty"`

	InputVoltage   *Volt   `json:"input_voltage,omitempty"`
	InputNominal   *Volt   `json:"input_nominal,omitempty"`
	InputFrequency *Hertz  `json:"input_frequency,omitempty"`
	InputCurrent   *Ampere `json:"input_current,omitempty"`
	Sensitivity    string  `json:"sensitivity,omitempty"` // low, normal (or medium), high
	TransferLow    *Volt   `json:"transfer_low,omitempty"`
	TransferHigh   *Volt   `json:"transfer_high,omitempty"`

	OutputVoltage          *Volt   `json:"output_voltage,omitempty"`
	OutputNominal          *Volt   `json:"output_nominal,omitempty"`
	OutputFrequency        *Hertz  `json:"output_frequency,omitempty"`
	OutputFrequencyNominal *Hertz  `json:"output_frequency_nominal,omitempty"`
	OutputCurrent          *Ampere `json:"output_current,omitempty"`

	Load            *Percent    `json:"load,omitempty"`
	Power           *Watt       `json:"power,omitempty"`
	PowerNominal    *Watt       `json:"power_nominal,omitempty"`
	Apparent        *VoltAmpere `json:"apparent,omitempty"`
	ApparentNominal *VoltAmpere `json:"apparent_nominal,omitempty"`

	// The delays that the device holds: below 0 means that none is counting.
	TimerShutdown *time.Duration `json:"timer_shutdown_ns,omitempty"`
	TimerStart    *time.Duration `json:"timer_start_ns,omitempty"`
	TimerReboot   *time.Duration `json:"timer_reboot_ns,omitempty"`

	Beeper     string `json:"beeper,omitempty"`      // enabled, disabled, muted
	TestResult string `json:"test_result,omitempty"` // NUT's words

	Temperature *Celsius `json:"temperature,omitempty"`

	Maker    string `json:"maker,omitempty"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	Made     string `json:"made,omitempty"` // when the UPS was made, as 2024/05/31
	// VendorID and ProductID are those of USB, four hexadecimal digits.
	VendorID  string `json:"vendor_id,omitempty"`
	ProductID string `json:"product_id,omitempty"`

	// Warnings say what the device claims and cannot be true, in words for
	// people. Its field is absent then.
	Warnings []string `json:"warnings,omitempty"`
	// OutOfRange names the variables, in NUT's words, whose values are
	// beyond the limits that the device itself declares. They are given as
	// the device says them.
	OutOfRange []string `json:"out_of_range,omitempty"`
	// Ages are the ages of the variables that are older than the reading,
	// because a device's lesser reports are read less often. Nobody changes
	// the map after the reading was handed out.
	Ages map[string]time.Duration `json:"ages_ns,omitempty"`
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

package mqtt

// upsEntities are the entities of a UPS by their key in its document. Those of
// Home Assistant's NUT integration have its names, units, classes and its choice
// of what is enabled (homeassistant/components/nut/{sensor.py,strings.json}), so
// that its users find what they know.
func upsEntities() map[string]component {
	return map[string]component{
		"status":                 sensor("Status"),
		"status_data":            sensor("Status data"),
		"alarms":                 sensor("Alarms"),
		"ups_load":               measured("Load", "", "%", 0),
		"battery_charge":         measured("Battery charge", "battery", "%", 0),
		"battery_charger_status": enum("Charging status", chargerStates()),
		"input_voltage":          measured("Input voltage", "voltage", "V", 1),
		"output_voltage":         measured("Output voltage", "voltage", "V", 1),

		"battery_runtime":         duration("Battery runtime").rare(),
		"battery_runtime_low":     duration("Low battery runtime").rare(),
		"battery_charge_low":      setpoint("Low battery setpoint", "", "%").rare(),
		"battery_charge_warning":  setpoint("Warning battery setpoint", "", "%").rare(),
		"battery_voltage":         measured("Battery voltage", "voltage", "V", 1).rare(),
		"battery_voltage_nominal": setpoint("Nominal battery voltage", "voltage", "V").rare(),
		"battery_type":            sensor("Battery chemistry").rare(),
		"input_voltage_nominal":   setpoint("Nominal input voltage", "voltage", "V").rare(),
		"input_frequency":         measured("Input frequency", "frequency", "Hz", 1).rare(),
		"input_transfer_low":      setpoint("Low voltage transfer", "voltage", "V").rare(),
		"input_transfer_high":     setpoint("High voltage transfer", "voltage", "V").rare(),
		"ups_power":               measured("Apparent power", "apparent_power", "VA", 0).rare(),
		"ups_power_nominal":       setpoint("Nominal power", "apparent_power", "VA").rare(),
		"ups_realpower":           measured("Real power", "power", "W", 0).rare(),
		"ups_realpower_nominal":   setpoint("Nominal real power", "power", "W").rare(),
		"ups_beeper_status":       sensor("Beeper status").rare(),
		"ups_test_result":         sensor("Self-test result").rare(),
		"ups_timer_shutdown":      duration("Load shutdown timer").rare(),
		"ups_timer_start":         duration("Load start timer").rare(),

		"on_battery":       binary("On battery", ""),
		"low_battery":      binary("Low battery", "battery"),
		"replace_battery":  binary("Replace battery", "problem").diagnostic(),
		"overload":         binary("Overload", "problem").diagnostic(),
		"shutdown_pending": binary("Shutdown pending", "").diagnostic(),
		"test_in_progress": binary("Self-test", "running").diagnostic(),
	}
}

// sensor is a text, or a number without a unit.
func sensor(name string) component { return component{Platform: "sensor", Name: name} }

// setpoint is a number that does not vary, so that it has no statistics.
func setpoint(name, class, unit string) component {
	c := sensor(name)
	c.DeviceClass, c.Unit = class, unit
	return c
}

func measured(name, class, unit string, precision int) component {
	c := setpoint(name, class, unit)
	c.StateClass, c.Precision = "measurement", &precision
	return c
}

// duration has no state class: Home Assistant's NUT integration has none, and
// statistics of a time that runs down say nothing.
func duration(name string) component {
	c := setpoint(name, "duration", "s")
	c.Precision = new(int)
	return c
}

func enum(name string, options []string) component {
	c := setpoint(name, "enum", "")
	c.Options = options
	return c
}

func timestamp(name string) component { return setpoint(name, "timestamp", "") }

// binary reads a JSON boolean, which a template of Home Assistant prints as
// Python does; null is printed as None and read as unknown.
func binary(name, class string) component {
	return component{Platform: "binary_sensor", Name: name, DeviceClass: class, PayloadOn: "True", PayloadOff: "False"}
}

// diagnostic puts c among the device's diagnostics.
func (c component) diagnostic() component {
	c.Category = "diagnostic"
	return c
}

// rare is a diagnostic that is off until somebody wants it.
func (c component) rare() component {
	c.Enabled = new(bool)
	return c.diagnostic()
}

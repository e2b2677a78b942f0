package usbhid

// A quantity is one thing that a UPS may say.
type quantity int

const (
	acPresent quantity = iota
	charging
	discharging
	fullyCharged
	belowLimit
	timeExpired
	shutdownImminent
	needReplacement
	overload
	boost
	buck
	charge
	chargeLow
	chargeWarning
	runtime
	runtimeLow
	batteryVoltage
	batteryNominal
	batteryCurrent
	batteryTemperature
	batteryHealth
	batteryDate
	batteryType
	oemInformation
	inputVoltage
	inputNominal
	inputFrequency
	inputCurrent
	sensitivity
	transferLow
	transferHigh
	outputVoltage
	outputNominal
	outputFrequency
	outputFrequencyNominal
	outputCurrent
	load
	power
	powerNominal
	apparent
	apparentNominal
	delayShutdown
	delayStartup
	delayReboot
	beeper
	test
	temperature
	made
	maker
	product
	serial
	firmware
	quantities // their number
)

// names are NUT's names of the quantities that have one of their own. The bits
// of the status are in ups.status.
func names() [quantities]string {
	return [quantities]string{
		charge: "battery.charge", chargeLow: "battery.charge.low", chargeWarning: "battery.charge.warning",
		runtime: "battery.runtime", runtimeLow: "battery.runtime.low",
		batteryVoltage: "battery.voltage", batteryNominal: "battery.voltage.nominal", batteryCurrent: "battery.current",
		batteryTemperature: "battery.temperature", batteryHealth: "battery.status", batteryDate: "battery.mfr.date",
		batteryType:  "battery.type",
		inputVoltage: "input.voltage", inputNominal: "input.voltage.nominal", inputFrequency: "input.frequency",
		inputCurrent: "input.current", sensitivity: "input.sensitivity", transferLow: "input.transfer.low", transferHigh: "input.transfer.high",
		outputVoltage: "output.voltage", outputNominal: "output.voltage.nominal", outputFrequency: "output.frequency",
		outputFrequencyNominal: "output.frequency.nominal", outputCurrent: "output.current",
		load: "ups.load", power: "ups.realpower", powerNominal: "ups.realpower.nominal", apparent: "ups.power", apparentNominal: "ups.power.nominal",
		delayShutdown: "ups.timer.shutdown", delayStartup: "ups.timer.start", delayReboot: "ups.timer.reboot",
		beeper: "ups.beeper.status", test: "ups.test.result", temperature: "ups.temperature", made: "ups.mfr.date", firmware: "ups.firmware",
	}
}

// paths returns where devices keep each quantity: the first path that a device
// declares counts. Report ids are no guide: CyberPower alone has two families
// that give one id different meanings. The paths are those of the captured
// devices and of NUT's tables for the class.
func paths() [quantities][]string {
	status := func(name string) []string {
		return []string{
			"UPS.PowerSummary.PresentStatus." + name, "UPS.PowerSummary." + name,
			"UPS.BatterySystem.Battery.PresentStatus." + name, "UPS.PresentStatus." + name,
		}
	}
	input := func(name string) []string {
		return []string{"UPS.Input." + name, "UPS.PowerSummary.Input." + name, "UPS.PowerConverter.Input." + name, "UPS.PowerConverter.Input.[1]." + name}
	}
	output := func(name string) []string {
		return []string{"UPS.Output." + name, "UPS.PowerConverter.Output." + name, "UPS.PowerConverter." + name, "UPS.PowerSummary." + name}
	}
	battery := func(name string) []string {
		return []string{"UPS.PowerSummary." + name, "UPS.Battery." + name, "UPS.BatterySystem.Battery." + name}
	}
	rated := func(name string) []string { return append(output(name), "UPS.Flow.[4]."+name, "UPS.Flow."+name) }
	p := [quantities][]string{
		acPresent: status("ACPresent"), charging: status("Charging"), discharging: status("Discharging"),
		fullyCharged: status("FullyCharged"), belowLimit: status("BelowRemainingCapacityLimit"),
		timeExpired: status("RemainingTimeLimitExpired"), shutdownImminent: status("ShutdownImminent"),
		needReplacement: status("NeedReplacement"),
		overload: {"UPS.Output.Overload", "UPS.PowerSummary.PresentStatus.Overload",
			"UPS.PowerConverter.PresentStatus.Overload", "UPS.PresentStatus.Overload"},
		boost: {"UPS.Output.Boost", "UPS.PowerConverter.PresentStatus.Boost", "UPS.PowerSummary.PresentStatus.Boost", "UPS.PowerConverter.Input.[1].PresentStatus.Boost"},
		buck:  {"UPS.Output.Buck", "UPS.PowerConverter.PresentStatus.Buck", "UPS.PowerSummary.PresentStatus.Buck", "UPS.PowerConverter.Input.[1].PresentStatus.Buck"},

		charge: battery("RemainingCapacity"), chargeLow: battery("RemainingCapacityLimit"), chargeWarning: battery("WarningCapacityLimit"),
		runtime: battery("RunTimeToEmpty"), runtimeLow: battery("RemainingTimeLimit"),
		batteryVoltage: battery("Voltage"), batteryNominal: battery("ConfigVoltage"), batteryCurrent: {"UPS.Battery.Current", "UPS.BatterySystem.Battery.Current", "UPS.PowerSummary.Current"},
		batteryTemperature: {"UPS.Battery.Temperature", "UPS.BatterySystem.Battery.Temperature"},
		batteryHealth:      {"UPS.PowerSummary.FullChargeCapacity"},
		batteryDate:        {"UPS.Battery.ManufacturerDate", "UPS.PowerSummary.ManufacturerDate", "UPS.BatterySystem.Battery.ManufacturerDate"},
		batteryType:        battery("iDeviceChemistry"), oemInformation: {"UPS.PowerSummary.iOEMInformation"},

		inputVoltage: input("Voltage"), inputFrequency: input("Frequency"), inputCurrent: input("Current"),
		inputNominal: {"UPS.Input.ConfigVoltage", "UPS.PowerSummary.Input.ConfigVoltage", "UPS.Flow.[1].ConfigVoltage", "UPS.Flow.ConfigVoltage"},
		sensitivity:  {"UPS.Output.ff01:0043", "UPS.Input.ff86:0061"}, // CyberPower's and APC's own
		transferLow:  append(input("LowVoltageTransfer"), output("LowVoltageTransfer")...),
		transferHigh: append(input("HighVoltageTransfer"), output("HighVoltageTransfer")...),

		outputVoltage: {"UPS.Output.Voltage", "UPS.PowerConverter.Output.Voltage"},
		outputNominal: {"UPS.Output.ConfigVoltage", "UPS.PowerConverter.Output.ConfigVoltage", "UPS.Flow.[4].ConfigVoltage"},
		// Not of UPS.PowerSummary, whose voltage is the battery's.
		outputFrequency:        {"UPS.Output.Frequency", "UPS.PowerConverter.Output.Frequency"},
		outputFrequencyNominal: {"UPS.Output.ConfigFrequency", "UPS.PowerConverter.Output.ConfigFrequency", "UPS.Flow.[4].ConfigFrequency"},
		outputCurrent:          {"UPS.Output.Current", "UPS.PowerConverter.Output.Current"},

		load:  append(output("PercentLoad"), "UPS.OutletSystem.Outlet.PercentLoad"),
		power: output("ActivePower"), powerNominal: rated("ConfigActivePower"),
		apparent: output("ApparentPower"), apparentNominal: rated("ConfigApparentPower"),
		beeper:      {"UPS.PowerSummary.AudibleAlarmControl", "UPS.BatterySystem.Battery.AudibleAlarmControl", "UPS.AudibleAlarmControl"},
		test:        {"UPS.Output.Test", "UPS.BatterySystem.Battery.Test", "UPS.Battery.Test"},
		temperature: {"UPS.PowerSummary.Temperature"},
		made:        {"UPS.ManufacturerDate"},
		maker:       {"UPS.PowerSummary.iManufacturer", "UPS.iManufacturer"},
		product:     {"UPS.PowerSummary.iProduct", "UPS.iProduct"},
		serial:      {"UPS.PowerSummary.iSerialNumber", "UPS.iSerialNumber"},
		firmware:    {"UPS.PowerSummary.ff01:00d0"},
	}
	p[delayShutdown] = []string{"UPS.Output.DelayBeforeShutdown", "UPS.PowerSummary.DelayBeforeShutdown"}
	p[delayStartup] = []string{"UPS.Output.DelayBeforeStartup", "UPS.PowerSummary.DelayBeforeStartup"}
	p[delayReboot] = []string{"UPS.Output.DelayBeforeReboot", "UPS.PowerSummary.DelayBeforeReboot", "UPS.ff86:0005.ff86:007c"}
	return p
}

// texts are the quantities that are the index of a USB string.
func texts() []quantity {
	return []quantity{batteryType, oemInformation, firmware, maker, product, serial}
}

package mqtt

import (
	"strings"

	"lastwatt/drivers"
	"lastwatt/rack"
)

// A upsDoc is the newest reading of a UPS; while Contact is false it is the last
// one before contact was lost. Its keys are NUT's names with "_" for ".".
type upsDoc struct {
	Name    string   `json:"name"`
	Driver  string   `json:"driver"`
	Feeds   []string `json:"feeds"`
	Contact bool     `json:"contact"`

	Status          *string `json:"status"`      // in words, as Home Assistant's own NUT integration shows it
	StatusData      *string `json:"status_data"` // NUT's tokens
	Alarms          *string `json:"alarms"`
	OnBattery       *bool   `json:"on_battery"`
	LowBattery      *bool   `json:"low_battery"`
	ReplaceBattery  *bool   `json:"replace_battery"`
	Overload        *bool   `json:"overload"`
	ShutdownPending *bool   `json:"shutdown_pending"`
	TestInProgress  *bool   `json:"test_in_progress"`

	BatteryCharge         *float64 `json:"battery_charge"`
	BatteryChargeLow      *float64 `json:"battery_charge_low"`
	BatteryChargeWarning  *float64 `json:"battery_charge_warning"`
	BatteryChargerStatus  *string  `json:"battery_charger_status"`
	BatteryRuntime        *float64 `json:"battery_runtime"`
	BatteryRuntimeLow     *float64 `json:"battery_runtime_low"`
	BatteryVoltage        *float64 `json:"battery_voltage"`
	BatteryVoltageNominal *float64 `json:"battery_voltage_nominal"`
	BatteryType           *string  `json:"battery_type"`

	InputVoltage        *float64 `json:"input_voltage"`
	InputVoltageNominal *float64 `json:"input_voltage_nominal"`
	InputFrequency      *float64 `json:"input_frequency"`
	InputTransferLow    *float64 `json:"input_transfer_low"`
	InputTransferHigh   *float64 `json:"input_transfer_high"`
	OutputVoltage       *float64 `json:"output_voltage"`

	Load             *float64 `json:"ups_load"`
	RealPower        *float64 `json:"ups_realpower"`
	RealPowerNominal *float64 `json:"ups_realpower_nominal"`
	Power            *float64 `json:"ups_power"`
	PowerNominal     *float64 `json:"ups_power_nominal"`
	TimerShutdown    *float64 `json:"ups_timer_shutdown"`
	TimerStart       *float64 `json:"ups_timer_start"`
	Beeper           *string  `json:"ups_beeper_status"`
	TestResult       *string  `json:"ups_test_result"`

	Maker    *string `json:"device_mfr"`
	Model    *string `json:"device_model"`
	Serial   *string `json:"device_serial"`
	Firmware *string `json:"ups_firmware"`
}

func newUPSDoc(u rack.UPS) upsDoc {
	f := u.Fact
	return upsDoc{
		Name: u.Name, Driver: u.Driver, Feeds: list(u.Feeds), Contact: u.Contact,
		Status: statusWords(f.Status()), StatusData: text(f.Status()), Alarms: alarms(u),
		OnBattery: f.OnBattery, LowBattery: f.LowBattery, ReplaceBattery: f.ReplaceBattery, Overload: f.Overload,
		ShutdownPending: f.ShutdownPending, TestInProgress: f.TestInProgress,
		BatteryCharge: number(f.Charge, 1), BatteryChargeLow: number(f.ChargeLow, 1), BatteryChargeWarning: number(f.ChargeWarning, 1),
		BatteryChargerStatus: chargerStatus(f), BatteryRuntime: seconds(f.Runtime), BatteryRuntimeLow: seconds(f.RuntimeLow),
		BatteryVoltage: number(f.BatteryVoltage, 0.1), BatteryVoltageNominal: number(f.BatteryNominal, 0.1), BatteryType: text(f.BatteryType),
		InputVoltage: number(f.InputVoltage, 0.1), InputVoltageNominal: number(f.InputNominal, 0.1), InputFrequency: number(f.InputFrequency, 0.1),
		InputTransferLow: number(f.TransferLow, 0.1), InputTransferHigh: number(f.TransferHigh, 0.1), OutputVoltage: number(f.OutputVoltage, 0.1),
		Load: number(f.Load, 1), RealPower: number(f.Power, 1), RealPowerNominal: number(f.PowerNominal, 1),
		Power: number(f.Apparent, 1), PowerNominal: number(f.ApparentNominal, 1),
		TimerShutdown: seconds(f.TimerShutdown), TimerStart: seconds(f.TimerStart),
		Beeper: text(f.Beeper), TestResult: text(f.TestResult),
		Maker: text(f.Maker), Model: text(f.Model), Serial: text(f.Serial), Firmware: text(f.Firmware),
	}
}

// statusWords is NUT's status in the words of Home Assistant's NUT integration
// (homeassistant/components/nut/const.py, STATE_TYPES), whose users expect them;
// TEST is ours.
func statusWords(status string) *string {
	words := map[string]string{
		"OL": "Online", "OB": "On Battery", "LB": "Low Battery", "RB": "Battery Needs Replaced",
		"CHRG": "Battery Charging", "DISCHRG": "Battery Discharging", "OVER": "Overloaded",
		"TRIM": "Trimming Voltage", "BOOST": "Boosting Voltage", "TEST": "Self-test",
	}
	var said []string
	for _, token := range strings.Fields(status) {
		w, known := words[token]
		if !known {
			return nil
		}
		said = append(said, w)
	}
	return text(strings.Join(said, " "))
}

func chargerStates() []string { return []string{"charging", "discharging", "floating", "resting"} }

// chargerStatus is NUT's battery.charger.status, from the flags.
func chargerStatus(f drivers.UPS) *string {
	on := func(b *bool) bool { return b != nil && *b }
	switch {
	case on(f.Discharging):
		return text("discharging")
	case on(f.Charging):
		return text("charging")
	case on(f.FullyCharged):
		return text("floating")
	case f.Charging != nil && f.Discharging != nil:
		return text("resting")
	}
	return nil
}

// alarms is what the UPS complains of, in words; null before its first reading.
func alarms(u rack.UPS) *string {
	if !u.Known {
		return nil
	}
	f := u.Fact
	var said []string
	for _, a := range []struct {
		set  *bool
		text string
	}{{f.LowBattery, "low battery"}, {f.ReplaceBattery, "replace battery"}, {f.Overload, "overload"}, {f.ShutdownPending, "outlets go off"}} {
		if a.set != nil && *a.set {
			said = append(said, a.text)
		}
	}
	if len(said) == 0 {
		return text("none")
	}
	return text(strings.Join(said, ", "))
}

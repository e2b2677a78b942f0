package nut

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/hwtest/vups"
)

func TestMainsIsJudgedByTheStatus(t *testing.T) {
	for _, tt := range []struct {
		status, volts, test, want string
	}{
		{"OL", "230", "", "mains"},
		{"OL CHRG", "", "", "mains"},
		{"OB", "0", "", "battery"},
		{"OB DISCHRG", "", "", "battery"},
		{"OB LB", "", "", "battery"},
		{"FSD OB LB", "", "", "battery"},
		{"ALARM OB RB", "", "", "battery"},
		{"ob lb", "", "", "battery"},
		{"OB DISCHRG", "230", "", "battery"}, // no test runs: the status is what counts
		{"FSD OL", "", "", "mains"},
		{"OL LB", "", "", "mains"},
		{"LB", "", "", "unknown"},
		{"LB RB", "0", "", "unknown"},
		{"OL CAL DISCHRG", "", "", "mains"},
		{"OB CAL", "230", "", "mains"},
		{"OB CAL", "0", "", "battery"},
		{"OB CAL", "", "", "unknown"},
		{"OB TEST", "229", "", "mains"},
		{"OB TEST", "", "", "unknown"},
		{"OB DISCHRG", "230", "In progress", "mains"},
		{"OB DISCHRG", "3", "In progress", "battery"},
		{"OB DISCHRG", "", "In progress", "battery"}, // some never take it back
		{"OL OB", "", "", "unknown"},
		{"OFF", "", "", "unknown"},
		{"OL OFF", "", "", "mains"},
		{"BYPASS", "", "", "unknown"},
		{"OL BYPASS", "", "", "mains"},
		{"WAIT", "", "", "unknown"},
		{"WAIT OB", "", "", "unknown"},
		{"", "", "", "unknown"},
		{"OBSERVING", "", "", "unknown"},
		{"HB OL", "", "", "mains"},
	} {
		v := values{"ups.status": tt.status, "input.voltage.nominal": "230"}
		if tt.volts != "" {
			v["input.voltage"] = tt.volts
		}
		if tt.test != "" {
			v["ups.test.result"] = tt.test
		}
		if got := says(v.ups()); got != tt.want {
			t.Errorf("status %q, input %q V, test %q: on %s, want %s", tt.status, tt.volts, tt.test, got, tt.want)
		}
	}
}

func TestTokensBecomeFlags(t *testing.T) {
	all := func(u drivers.UPS) string {
		var set []string
		for _, f := range []struct {
			name string
			flag *bool
		}{
			{"charging", u.Charging}, {"discharging", u.Discharging}, {"low", u.LowBattery}, {"replace", u.ReplaceBattery},
			{"overload", u.Overload}, {"boost", u.Boost}, {"trim", u.Trim}, {"test", u.TestInProgress}, {"pending", u.ShutdownPending},
		} {
			if f.flag != nil && *f.flag {
				set = append(set, f.name)
			}
		}
		return strings.Join(set, " ")
	}
	for _, tt := range []struct{ status, want, warning string }{
		{"OL", "", ""},
		{"OL CHRG", "charging", ""},
		{"OB DISCHRG LB", "discharging low", ""},
		{"FSD OB", "low", "NUT is shutting its machines down (FSD): its primary may switch this UPS off when they are down"},
		{"OL RB OVER", "replace overload", ""},
		{"OL BOOST", "boost", ""},
		{"OL TRIM", "trim", ""},
		{"OL CAL", "test", ""},
		{"OL OFF", "", "its outlets are off (OFF)"},
		{"OL BYPASS", "", "on bypass: what it feeds is not protected (BYPASS)"},
		{"ALARM OL", "", "alarm: Fan failure!"},
		{"OL OB", "", "ups.status says both that mains is there and that it is not (OL OB)"},
		{"OL XLBX", "", ""},
	} {
		u := values{"ups.status": tt.status, "ups.alarm": "Fan failure!"}.ups()
		if got := all(u); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.status, got, tt.want)
		}
		if got := strings.Join(u.Warnings, "; "); got != tt.warning {
			t.Errorf("%q: warnings %q, want %q", tt.status, got, tt.warning)
		}
	}
	if u := (values{"battery.charge": "50"}).ups(); u.LowBattery != nil || u.Charging != nil || u.OnBattery != nil {
		t.Errorf("without a status the flags are %v %v %v, want none", u.LowBattery, u.Charging, u.OnBattery)
	}
}

func TestWhatCannotBeTrueIsAbsentWithAWarning(t *testing.T) {
	for _, tt := range []struct{ name, value, warning string }{
		{"battery.runtime", "-1", "battery.runtime cannot be -1 s"},
		{"battery.runtime", "3932100", "battery.runtime cannot be 3932100 s"},
		{"battery.runtime", "a while", `battery.runtime is no number ("a while")`},
		{"battery.charge", "255", "battery.charge cannot be 255"},
		{"battery.charge", "-5", "battery.charge cannot be -5"},
		{"battery.charge", "NaN", `battery.charge is no number ("NaN")`},
		{"battery.charge", "Inf", `battery.charge is no number ("Inf")`},
		{"battery.charge", "0x10", `battery.charge is no number ("0x10")`},
		{"battery.charge", "1e9", `battery.charge is no number ("1e9")`},
		{"input.voltage", "65535", "input.voltage cannot be 65535"},
		{"input.frequency", "500", "input.frequency cannot be 500 Hz"},
		{"ups.load", "-1", "ups.load cannot be -1"},
		{"ups.temperature", "298.1", "ups.temperature cannot be 298.1"},
		{"ups.realpower", "-20", "ups.realpower cannot be -20"},
		{"battery.runtime", strings.Repeat("9", 400), "battery.runtime cannot be " + strings.Repeat("9", 80) + "... s"},
		{"input.voltage.nominal", "0", ""},
		{"ups.realpower.nominal", "0", ""},
		{"battery.charge", "", ""},
		{"ups.beeper.status", "screaming", ""},
		{"battery.status", "worn", ""},
	} {
		u := values{tt.name: tt.value, "ups.status": "OL"}.ups()
		if slices.ContainsFunc(u.Variables(), func(v drivers.Variable) bool { return v.Name == tt.name }) {
			t.Errorf("%s = %q is given, want it absent", tt.name, tt.value)
		}
		if got := strings.Join(u.Warnings, "; "); got != tt.warning {
			t.Errorf("%s = %q: warnings %q, want %q", tt.name, tt.value, got, tt.warning)
		}
	}
}

func TestBoundariesOfWhatIsTrue(t *testing.T) {
	u := values{"battery.charge": "104", "battery.runtime": "0", "input.voltage": "000.0", "input.frequency": "0", "ups.load": "130", "ups.timer.shutdown": "-60",
		"ups.temperature": "-5", "battery.current": "-3.5", "battery.status": "97%"}.ups()
	if u.Charge == nil || *u.Charge != 100 || u.Runtime == nil || *u.Runtime != 0 || u.InputVoltage == nil || *u.InputVoltage != 0 || u.InputFrequency == nil ||
		u.Load == nil || *u.Load != 130 || u.TimerShutdown == nil || *u.TimerShutdown != -time.Minute || u.ShutdownPending == nil || *u.ShutdownPending ||
		u.Temperature == nil || u.BatteryCurrent == nil || *u.BatteryCurrent != -3.5 || u.BatteryHealth == nil || *u.BatteryHealth != 97 || len(u.Warnings) > 0 {
		t.Errorf("got %+v", u)
	}
}

// TestVariablesReadAsTheyAreWritten holds the reading to drivers.UPS.Variables, its
// inverse: each variable that a UPS can have comes back.
func TestVariablesReadAsTheyAreWritten(t *testing.T) {
	full := drivers.UPS{
		OnBattery: new(true), Charging: new(false), Discharging: new(true), LowBattery: new(true), ReplaceBattery: new(true), Overload: new(true),
		Boost: new(true), Trim: new(true), TestInProgress: new(false), ShutdownPending: new(true),
		Charge: new(drivers.Percent(41)), ChargeLow: new(drivers.Percent(10)), ChargeWarning: new(drivers.Percent(20)),
		Runtime: new(7 * time.Minute), RuntimeLow: new(2 * time.Minute), BatteryVoltage: new(drivers.Volt(23.4)), BatteryNominal: new(drivers.Volt(24)),
		BatteryType: "PbAc", BatteryDate: "2024/05/31", BatteryHealth: new(drivers.Percent(90)), BatteryCurrent: new(drivers.Ampere(-2.5)),
		BatteryTemperature: new(drivers.Celsius(31)), InputVoltage: new(drivers.Volt(1.5)), InputNominal: new(drivers.Volt(230)),
		InputFrequency: new(drivers.Hertz(49.9)), InputCurrent: new(drivers.Ampere(0.2)), Sensitivity: "medium", TransferLow: new(drivers.Volt(170)),
		TransferHigh: new(drivers.Volt(265)), OutputVoltage: new(drivers.Volt(229)), OutputNominal: new(drivers.Volt(230)), OutputFrequency: new(drivers.Hertz(50)),
		OutputFrequencyNominal: new(drivers.Hertz(50)), OutputCurrent: new(drivers.Ampere(0.3)), Load: new(drivers.Percent(8)), Power: new(drivers.Watt(60)),
		PowerNominal: new(drivers.Watt(720)), Apparent: new(drivers.VoltAmpere(70)), ApparentNominal: new(drivers.VoltAmpere(1200)),
		TimerShutdown: new(50 * time.Second), TimerStart: new(-time.Second), TimerReboot: new(-time.Second), Beeper: "muted", TestResult: "Done and passed",
		Temperature: new(drivers.Celsius(28)), Maker: "CPS", Model: `BR "1200"`, Serial: "X1", Firmware: "7.0", Made: "2024/01/02", VendorID: "0764", ProductID: "0501",
	}
	written := values{}
	for _, v := range full.Variables() {
		written[v.Name] = fmt.Sprint(v.Value)
	}
	if got := written.ups(); fmt.Sprint(got.Variables()) != fmt.Sprint(full.Variables()) || len(got.Warnings) > 0 {
		t.Errorf("read\n%v, want\n%v; warnings %q", got.Variables(), full.Variables(), got.Warnings)
	}
}

// TestWhatNUTReadOfCapturedDevices takes what NUT's own driver made of the captured
// devices: each of its variables that drivers.UPS has comes through unchanged.
func TestWhatNUTReadOfCapturedDevices(t *testing.T) {
	captures := vups.Captures()
	if len(captures) < 5 {
		t.Fatalf("only %d captures", len(captures))
	}
	for _, name := range captures {
		said := values(vups.NUT(name))
		got := map[string]string{}
		u := said.ups()
		for _, v := range u.Variables() {
			got[v.Name] = fmt.Sprint(v.Value)
		}
		for variable, want := range said {
			have, ok := got[variable]
			switch f, isNumber := number(want); {
			case variable == "ups.status", strings.HasPrefix(variable, "ups.delay."), strings.HasPrefix(variable, "outlet."), variable == "ups.type", variable == "battery.status":
			case !ok && f == 0:
			case !ok:
				t.Errorf("%s: %s = %q is absent; warnings %q", name, variable, want, u.Warnings)
			case have != want && (!isNumber || have != fmt.Sprint(f)):
				t.Errorf("%s: %s = %q, want %q", name, variable, have, want)
			}
		}
		if ob := slices.Contains(strings.Fields(said["ups.status"]), "OB"); says(u) == "battery" != ob {
			t.Errorf("%s: on %s with status %q", name, says(u), said["ups.status"])
		}
	}
}

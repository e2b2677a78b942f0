package nut

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers"
)

// A values is what a server says of a UPS, by NUT's names.
type values map[string]string

// told is whether there is data at all. A status is the one thing that every driver
// of NUT has to give; it is empty, or WAIT, before the first data, and of a driver
// that has given up.
func (v values) told() bool {
	tokens := strings.Fields(strings.ToUpper(v["ups.status"]))
	return len(tokens) > 0 && !slices.Contains(tokens, "WAIT")
}

// ups turns what a server says into a reading. Whether it is fresh is the server's
// to say; it does not answer at all if it is not.
func (v values) ups() drivers.UPS {
	r := reader{values: v}
	u := drivers.UPS{
		BatteryType: r.text("battery.type"), BatteryDate: r.text("battery.mfr.date"),
		Sensitivity: r.text("input.sensitivity"),
		Beeper:      r.word("ups.beeper.status", "enabled", "disabled", "muted"),
		TestResult:  r.text("ups.test.result"),
		Maker:       r.text("ups.mfr", "device.mfr"), Model: r.text("ups.model", "device.model"),
		Serial: r.text("ups.serial", "device.serial"), Firmware: r.text("ups.firmware"), Made: r.text("ups.mfr.date"),
		VendorID: r.text("ups.vendorid"), ProductID: r.text("ups.productid"),
	}
	r.battery(&u)
	r.mains(&u)
	r.load(&u)
	r.timers(&u)
	r.status(&u)
	u.Warnings = r.warnings
	return u
}

// A reader takes values, and notes what cannot be true.
type reader struct {
	values
	warnings []string
}

func (r *reader) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// The limits of what can be true. A figure beyond them is a fault of the device, of
// NUT's driver or of their scale.
type limits struct{ least, most float64 }

func percents() limits     { return limits{0, 100} }
func volts() limits        { return limits{0, 1000} }
func amperes() limits      { return limits{0, 10_000} }
func watts() limits        { return limits{0, 1e6} }
func temperatures() limits { return limits{-40, 120} }

// longest is the longest time that is believed. The 65535 minutes of devices that
// mean "I do not know" are longer.
const longest = 30 * 24 * time.Hour

func (r *reader) battery(u *drivers.UPS) {
	if u.Charge = quantity[drivers.Percent](r, "battery.charge", limits{0, 110}); u.Charge != nil {
		u.Charge = new(min(*u.Charge, 100)) // full beyond its own gauge
	}
	u.ChargeLow = quantity[drivers.Percent](r, "battery.charge.low", percents())
	u.ChargeWarning = quantity[drivers.Percent](r, "battery.charge.warning", percents())
	u.Runtime = r.duration("battery.runtime", 0)
	u.RuntimeLow = r.duration("battery.runtime.low", 0)
	u.BatteryVoltage = quantity[drivers.Volt](r, "battery.voltage", volts())
	u.BatteryNominal = rating[drivers.Volt](r, "battery.voltage.nominal", volts())
	u.BatteryCurrent = quantity[drivers.Ampere](r, "battery.current", limits{-10_000, 10_000})
	u.BatteryTemperature = quantity[drivers.Celsius](r, "battery.temperature", temperatures())
	// NUT's drivers for USB give the capacity that is left as battery.status.
	if s, ok := strings.CutSuffix(r.values["battery.status"], "%"); ok {
		if v, ok := number(strings.TrimSpace(s)); ok && v >= 0 && v <= 100 {
			u.BatteryHealth = new(drivers.Percent(v))
		}
	}
}

func (r *reader) mains(u *drivers.UPS) {
	u.InputVoltage = quantity[drivers.Volt](r, "input.voltage", volts())
	u.InputNominal = rating[drivers.Volt](r, "input.voltage.nominal", volts())
	u.InputFrequency = r.frequency("input.frequency")
	u.InputCurrent = quantity[drivers.Ampere](r, "input.current", amperes())
	u.TransferLow = rating[drivers.Volt](r, "input.transfer.low", volts())
	u.TransferHigh = rating[drivers.Volt](r, "input.transfer.high", volts())
}

func (r *reader) load(u *drivers.UPS) {
	u.OutputVoltage = quantity[drivers.Volt](r, "output.voltage", volts())
	u.OutputNominal = rating[drivers.Volt](r, "output.voltage.nominal", volts())
	u.OutputFrequency = r.frequency("output.frequency")
	u.OutputFrequencyNominal = r.frequency("output.frequency.nominal")
	u.OutputCurrent = quantity[drivers.Ampere](r, "output.current", amperes())
	u.Load = quantity[drivers.Percent](r, "ups.load", limits{0, 1000})
	u.Power = quantity[drivers.Watt](r, "ups.realpower", watts())
	u.PowerNominal = rating[drivers.Watt](r, "ups.realpower.nominal", watts())
	u.Apparent = quantity[drivers.VoltAmpere](r, "ups.power", watts())
	u.ApparentNominal = rating[drivers.VoltAmpere](r, "ups.power.nominal", watts())
	u.Temperature = quantity[drivers.Celsius](r, "ups.temperature", temperatures())
}

func (r *reader) timers(u *drivers.UPS) {
	u.TimerShutdown = r.duration("ups.timer.shutdown", -time.Hour)
	u.TimerStart = r.duration("ups.timer.start", -time.Hour)
	u.TimerReboot = r.duration("ups.timer.reboot", -time.Hour)
	if u.TimerShutdown != nil {
		u.ShutdownPending = new(*u.TimerShutdown > 0)
	}
}

// status reads ups.status (NUT's docs/new-drivers.txt, "Status data"). A token that
// is not there is a no: NUT has no way to say that a driver does not know it.
func (r *reader) status(u *drivers.UPS) {
	tokens := strings.Fields(strings.ToUpper(r.values["ups.status"]))
	has := func(any ...string) *bool {
		return new(slices.ContainsFunc(tokens, func(t string) bool { return slices.Contains(any, t) }))
	}
	if !r.told() {
		return
	}
	u.Charging, u.Discharging = has("CHRG"), has("DISCHRG")
	// FSD: NUT is shutting its machines down, which it does of a low battery,
	// or of an administrator's order.
	u.LowBattery = has("LB", "FSD")
	u.ReplaceBattery, u.Overload = has("RB"), has("OVER")
	u.Boost, u.Trim = has("BOOST"), has("TRIM")
	u.TestInProgress = new(*has("CAL", "TEST") || strings.EqualFold(r.values["ups.test.result"], "In progress"))
	u.OnBattery = r.onBattery(u, *has("OL"), *has("OB"), *has("CAL", "TEST"))
	if *has("FSD") {
		r.warn("NUT is shutting its machines down (FSD): its primary may switch this UPS off when they are down")
	}
	if *has("OFF") {
		r.warn("its outlets are off (OFF)")
	}
	if *has("BYPASS") {
		r.warn("on bypass: what it feeds is not protected (BYPASS)")
	}
	if alarm := r.text("ups.alarm"); *has("ALARM") && alarm != "" {
		r.warn("alarm: %s", alarm)
	}
}

// onBattery judges mains by the tokens, and is nil if they are no evidence either
// way. In a test or calibration a UPS runs on its battery with mains there: the
// input voltage has to tell, if there is one.
func (r *reader) onBattery(u *drivers.UPS, ol, ob, testing bool) *bool {
	switch {
	case ol && ob:
		r.warn("ups.status says both that mains is there and that it is not (%s)", r.text("ups.status"))
		return nil
	case ol:
		return new(false)
	case !ob:
		return nil
	case !*u.TestInProgress:
		return new(true)
	case u.InputVoltage != nil:
		nominal := 100.0
		if u.InputNominal != nil {
			nominal = max(nominal, float64(*u.InputNominal))
		}
		return new(float64(*u.InputVoltage) < nominal/2)
	case testing:
		return nil
	}
	// Only ups.test.result tells of a test, which some never take back.
	return new(true)
}

// text is the first of these that says something.
func (r *reader) text(names ...string) string {
	for _, name := range names {
		if s := clean(r.values[name]); s != "" {
			return s
		}
	}
	return ""
}

// word is a value, if it is one of these.
func (r *reader) word(name string, known ...string) string {
	if s := strings.ToLower(r.text(name)); slices.Contains(known, s) {
		return s
	}
	return ""
}

// number reads a decimal number, as NUT writes it.
func number(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// number warns of a value that is none.
func (r *reader) number(name string) (float64, bool) {
	s, there := r.values[name]
	if s = clean(s); !there || s == "" {
		return 0, false
	}
	v, ok := number(s)
	if !ok {
		r.warn("%s is no number (%q)", name, clip(s))
	}
	return v, ok
}

// quantity is a value within limits, or absent.
func quantity[T ~float64](r *reader, name string, l limits) *T {
	v, ok := r.number(name)
	if !ok {
		return nil
	}
	if v < l.least || v > l.most {
		r.warn("%s cannot be %s", name, clip(r.values[name]))
		return nil
	}
	return new(T(v))
}

// rating is a quantity of which 0 means that the device does not know it.
func rating[T ~float64](r *reader, name string, l limits) *T {
	v := quantity[T](r, name, l)
	if v != nil && *v == 0 {
		return nil
	}
	return v
}

// frequency is 0 where there is none, or about that of some country's mains.
func (r *reader) frequency(name string) *drivers.Hertz {
	v, ok := r.number(name)
	switch {
	case !ok:
		return nil
	case v != 0 && (v < 40 || v > 70):
		r.warn("%s cannot be %s Hz", name, clip(r.values[name]))
		return nil
	}
	return new(drivers.Hertz(v))
}

// duration is a time in seconds, not below least.
func (r *reader) duration(name string, least time.Duration) *time.Duration {
	v, ok := r.number(name)
	if !ok {
		return nil
	}
	if v < least.Seconds() || v > longest.Seconds() {
		r.warn("%s cannot be %s s", name, clip(r.values[name]))
		return nil
	}
	return new(time.Duration(math.Round(v)) * time.Second)
}

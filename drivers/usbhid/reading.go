package usbhid

import (
	"fmt"
	"math"
	"strings"
	"time"

	"lastwatt/drivers"
)

// onBattery judges what the device says of mains, and is nil if that is no
// evidence either way.
//
//   - Bits that are all 0 are what an EC850LCD says for two minutes after a test
//     and a USB reset; a UPS on battery says at least that it discharges.
//   - UT models keep ACPresent at 1 on battery: discharging with the input
//     voltage gone is on battery all the same.
//   - A self-test discharges too, with mains present; a device that then says
//     that mains is gone is not believed while its input voltage is there.
func (s *snapshot) onBattery() *bool {
	ac := s.samples[acPresent]
	switch {
	case !ac.ok:
		return nil
	case ac.raw.Raw == 0 && s.silent && s.samples[discharging].ok:
		return nil
	case ac.raw.Raw == 0:
		return new(!(s.testing() && s.mainsSeen()))
	case s.is(discharging) && s.inputGone() && !s.testing():
		return new(true)
	}
	return new(false)
}

func (s *snapshot) is(q quantity) bool { return s.samples[q].ok && s.samples[q].raw.Raw != 0 }

// half is half of what the input voltage should be; where the device names no
// nominal voltage, of the lowest there is.
func (s *snapshot) half() float64 { return max(100, s.nominal(inputVoltage)) / 2 }

// mainsSeen says that the input voltage was read and is that of mains.
func (s *snapshot) mainsSeen() bool {
	v, ok, _ := s.value(inputVoltage)
	return ok && v >= s.half()
}

// inputGone says that the input voltage was read and is below half of what it
// should be. A voltage above 0 counts only if mains was seen before: it could be
// a scale that is wrong.
func (s *snapshot) inputGone() bool {
	v, ok, _ := s.value(inputVoltage)
	return ok && v < s.half() && (v == 0 || s.supplied)
}

// testInProgress is the value of the usage Test while a test runs.
const testInProgress = 5

func (s *snapshot) testing() bool {
	return s.samples[test].ok && s.samples[test].raw.Raw == testInProgress
}

// ups turns the snapshot into the fact that the driver reports at a moment.
func (s *snapshot) ups(now time.Time) drivers.UPS {
	u := drivers.UPS{
		OnBattery: s.onBattery(),
		Charging:  s.flag(charging), Discharging: s.flag(discharging), FullyCharged: s.flag(fullyCharged),
		LowBattery:     s.flag(belowLimit, timeExpired, shutdownImminent),
		ReplaceBattery: s.flag(needReplacement), Overload: s.flag(overload), Boost: s.flag(boost), Trim: s.flag(buck),
		Charge: number[drivers.Percent](s, charge), ChargeLow: number[drivers.Percent](s, chargeLow), ChargeWarning: number[drivers.Percent](s, chargeWarning),
		Runtime: s.duration(runtime), RuntimeLow: s.duration(runtimeLow),
		BatteryVoltage: number[drivers.Volt](s, batteryVoltage), BatteryNominal: number[drivers.Volt](s, batteryNominal),
		BatteryCurrent: number[drivers.Ampere](s, batteryCurrent), BatteryTemperature: number[drivers.Celsius](s, batteryTemperature),
		BatteryHealth: number[drivers.Percent](s, batteryHealth), BatteryType: s.text(batteryType), BatteryDate: s.batteryDate(),
		InputVoltage: number[drivers.Volt](s, inputVoltage), InputNominal: number[drivers.Volt](s, inputNominal),
		InputFrequency: number[drivers.Hertz](s, inputFrequency), InputCurrent: number[drivers.Ampere](s, inputCurrent),
		Sensitivity: s.sensitivity(), TransferLow: number[drivers.Volt](s, transferLow), TransferHigh: number[drivers.Volt](s, transferHigh),
		OutputVoltage: number[drivers.Volt](s, outputVoltage), OutputNominal: number[drivers.Volt](s, outputNominal),
		OutputFrequency: number[drivers.Hertz](s, outputFrequency), OutputFrequencyNominal: number[drivers.Hertz](s, outputFrequencyNominal),
		OutputCurrent: number[drivers.Ampere](s, outputCurrent),
		Load:          number[drivers.Percent](s, load), Power: number[drivers.Watt](s, power), PowerNominal: number[drivers.Watt](s, powerNominal),
		Apparent: number[drivers.VoltAmpere](s, apparent), ApparentNominal: number[drivers.VoltAmpere](s, apparentNominal),
		TimerShutdown: s.duration(delayShutdown), TimerStart: s.duration(delayStartup), TimerReboot: s.duration(delayReboot),
		Beeper: s.word(beeper, "", "disabled", "enabled", "muted"), TestResult: s.word(test, testResults()...),
		Temperature: number[drivers.Celsius](s, temperature),
		Made:        s.date(made), Firmware: s.text(firmware),
		Maker: s.either(s.info.Maker, maker), Model: s.either(s.info.Model, product), Serial: s.either(s.info.Serial, serial),
		VendorID: fmt.Sprintf("%04x", s.info.Vendor), ProductID: fmt.Sprintf("%04x", s.info.Product),
	}
	if s.samples[test].ok {
		u.TestInProgress = new(s.testing())
	}
	if u.TimerShutdown != nil {
		u.ShutdownPending = new(*u.TimerShutdown > 0)
	}
	s.remarks(&u, now)
	return u
}

// stale is the age from which a value is said to be older than its reading: a
// walk over all reports takes a second on a slow device.
const stale = 3 * time.Second

// remarks adds what is to be said of single values.
func (s *snapshot) remarks(u *drivers.UPS, now time.Time) {
	for q, name := range names() {
		r := s.samples[q]
		if !r.ok {
			continue
		}
		_, _, warning := s.value(quantity(q))
		if warning != "" {
			u.Warnings = append(u.Warnings, warning)
		}
		if name == "" {
			continue
		}
		if r.raw.OutOfRange {
			u.OutOfRange = append(u.OutOfRange, name)
		}
		if age := now.Sub(r.at); age > stale {
			if u.Ages == nil {
				u.Ages = map[string]time.Duration{}
			}
			u.Ages[name] = age
		}
	}
}

// testResults are NUT's words for the values of the usage Test.
func testResults() []string {
	return []string{"", "Done and passed", "Done and warning", "Done and error", "Aborted", "In progress", "No test initiated", "Test scheduled"}
}

// flag is true if any of the bits is set, and nil if the device has none.
func (s *snapshot) flag(qs ...quantity) *bool {
	var any *bool
	for _, q := range qs {
		if s.samples[q].ok {
			any = new(any != nil && *any || s.is(q))
		}
	}
	return any
}

func number[T ~float64](s *snapshot, q quantity) *T {
	v, ok, _ := s.value(q)
	if !ok {
		return nil
	}
	return new(T(v))
}

func (s *snapshot) duration(q quantity) *time.Duration {
	v, ok, _ := s.value(q)
	if !ok {
		return nil
	}
	return new(seconds(v))
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s)) * time.Second }

func (s *snapshot) word(q quantity, words ...string) string {
	if r := s.samples[q]; r.ok && r.raw.Raw >= 0 && r.raw.Raw < int64(len(words)) {
		return words[r.raw.Raw]
	}
	return ""
}

// sensitivity is in CyberPower's words, or in APC's.
func (s *snapshot) sensitivity() string {
	if s.info.Vendor == 0x051d {
		return s.word(sensitivity, "low", "medium", "high")
	}
	return s.word(sensitivity, "low", "normal", "high")
}

// date is a packed date (Smart Battery Data 1.1, section 5.1.26), empty where it
// is not set.
func (s *snapshot) date(q quantity) string {
	r := s.samples[q]
	if v := r.raw.Raw; r.ok && v > 0 && v < 1<<16 {
		year, month, day := 1980+v>>9, v>>5&15, v&31
		if month >= 1 && month <= 12 && day >= 1 {
			return fmt.Sprintf("%d/%02d/%02d", year, month, day)
		}
	}
	return ""
}

func (s *snapshot) batteryDate() string {
	if d := s.date(batteryDate); d != "" {
		return d
	}
	return s.text(oemInformation)
}

// text returns the USB string that a quantity is the index of.
func (s *snapshot) text(q quantity) string {
	i, ok := s.index(q)
	if !ok {
		return ""
	}
	return s.said(q, s.texts[i])
}

// index is the index of a USB string.
func (s *snapshot) index(q quantity) (uint8, bool) {
	v, ok, _ := s.value(q)
	return uint8(v), ok && v >= 1 && v <= 255
}

// said drops padding, and what devices without a text say instead.
func (s *snapshot) said(q quantity, text string) string {
	if text = clean(text); s.saysNothing(q, text) {
		return ""
	}
	return text
}

// either is what USB says, or, if that is nothing, what the device's reports do.
func (s *snapshot) either(usb string, q quantity) string {
	if usb = s.said(q, usb); usb != "" {
		return usb
	}
	return s.text(q)
}

func clean(s string) string { return strings.TrimSpace(strings.Trim(s, "\x00")) }

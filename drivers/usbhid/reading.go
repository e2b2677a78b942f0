package usbhid

import (
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
//   - A self-test discharges too, with mains present.
func (s *snapshot) onBattery() *bool {
	ac := s.samples[acPresent]
	switch {
	case !ac.ok:
		return nil
	case ac.raw == 0 && s.silent && s.samples[discharging].ok:
		return nil
	case ac.raw == 0:
		return new(true)
	case s.is(discharging) && s.inputGone() && !s.testing():
		return new(true)
	}
	return new(false)
}

func (s *snapshot) is(q quantity) bool { return s.samples[q].ok && s.samples[q].raw != 0 }

// inputGone says that the input voltage was read and is below half of what it
// should be; where the device names no nominal voltage, of the lowest there is.
func (s *snapshot) inputGone() bool {
	nominal := 100.0
	if n := s.samples[inputNominal]; n.ok && n.value > nominal {
		nominal = n.value
	}
	in := s.samples[inputVoltage]
	return in.ok && in.value < nominal/2
}

// testInProgress is the value of the usage Test while a test runs.
const testInProgress = 5

func (s *snapshot) testing() bool { return s.samples[test].ok && s.samples[test].raw == testInProgress }

// ups turns the snapshot into the fact that the driver reports.
func (s *snapshot) ups(i Info) drivers.UPS {
	u := drivers.UPS{
		OnBattery: s.onBattery(),
		Charging:  s.flag(charging), Discharging: s.flag(discharging), FullyCharged: s.flag(fullyCharged),
		LowBattery:     s.flag(belowLimit, timeExpired, shutdownImminent),
		ReplaceBattery: s.flag(needReplacement), Overload: s.flag(overload), Boost: s.flag(boost), Trim: s.flag(buck),
		Charge: s.percent(charge), ChargeLow: s.percent(chargeLow), ChargeWarning: s.percent(chargeWarning),
		Runtime: s.duration(runtime), RuntimeLow: s.duration(runtimeLow),
		BatteryVoltage: s.batteryVoltage(), BatteryNominal: nonzero(number[drivers.Volt](s, batteryNominal)),
		InputVoltage: number[drivers.Volt](s, inputVoltage), InputNominal: nonzero(number[drivers.Volt](s, inputNominal)),
		InputFrequency: number[drivers.Hertz](s, inputFrequency),
		TransferLow:    nonzero(number[drivers.Volt](s, transferLow)), TransferHigh: nonzero(number[drivers.Volt](s, transferHigh)),
		OutputVoltage: number[drivers.Volt](s, outputVoltage),
		Load:          number[drivers.Percent](s, load),
		Power:         number[drivers.Watt](s, power), PowerNominal: nonzero(number[drivers.Watt](s, powerNominal)),
		Apparent: number[drivers.VoltAmpere](s, apparent), ApparentNominal: nonzero(number[drivers.VoltAmpere](s, apparentNominal)),
		TimerShutdown: s.duration(delayShutdown), TimerStart: s.duration(delayStartup),
		Beeper:      s.word(beeper, "", "disabled", "enabled", "muted"),
		TestResult:  s.word(test, testResults()...),
		BatteryType: s.text(batteryType), Firmware: s.text(firmware),
		Maker: clean(i.Maker), Model: clean(i.Model), Serial: clean(i.Serial),
	}
	if t := s.samples[test]; t.ok {
		u.TestInProgress = new(s.testing())
	}
	if d := s.samples[delayShutdown]; d.ok {
		u.ShutdownPending = new(d.value > 0)
	}
	if u.Maker == "" {
		u.Maker = s.text(maker)
	}
	if u.Model == "" {
		u.Model = s.text(product)
	}
	return u
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
			any = new(any != nil && *any || s.samples[q].raw != 0)
		}
	}
	return any
}

func number[T ~float64](s *snapshot, q quantity) *T {
	if !s.samples[q].ok {
		return nil
	}
	return new(T(s.samples[q].value))
}

// nonzero drops a rating of 0: the device does not know it.
func nonzero[T ~float64](v *T) *T {
	if v != nil && *v == 0 {
		return nil
	}
	return v
}

// percent is at most 100: some devices report a fresh battery as 101 or more.
func (s *snapshot) percent(q quantity) *drivers.Percent {
	p := number[drivers.Percent](s, q)
	if p != nil {
		*p = min(*p, 100)
	}
	return p
}

func (s *snapshot) duration(q quantity) *time.Duration {
	if !s.samples[q].ok {
		return nil
	}
	return new(time.Duration(math.Round(s.samples[q].value)) * time.Second)
}

// batteryVoltage is absent where it cannot be true: beyond 1.4 times nominal is
// a wrong scale, of which several are known, and below half is one too.
func (s *snapshot) batteryVoltage() *drivers.Volt {
	v, nominal := s.samples[batteryVoltage], s.samples[batteryNominal]
	if nominal.ok && nominal.value > 0 && (v.value > 1.4*nominal.value || v.value < nominal.value/2) {
		return nil
	}
	return number[drivers.Volt](s, batteryVoltage)
}

func (s *snapshot) word(q quantity, words ...string) string {
	if r := s.samples[q]; r.ok && r.raw >= 0 && r.raw < int64(len(words)) {
		return words[r.raw]
	}
	return ""
}

// text returns the USB string that a quantity is the index of.
func (s *snapshot) text(q quantity) string {
	if r := s.samples[q]; r.ok && r.raw > 0 && r.raw < 256 {
		return clean(s.texts[uint8(r.raw)])
	}
	return ""
}

// clean drops padding, and what devices without a string say instead.
func clean(s string) string {
	s = strings.TrimSpace(strings.Trim(s, "\x00"))
	if strings.EqualFold(s, "none") || strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}

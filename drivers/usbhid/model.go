package usbhid

import (
	"bytes"
	"errors"
	"fmt"

	"lastwatt/drivers/usbhid/hid"
)

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
	batteryType
	inputVoltage
	inputNominal
	inputFrequency
	transferLow
	transferHigh
	outputVoltage
	load
	power
	powerNominal
	apparent
	apparentNominal
	delayShutdown
	delayStartup
	beeper
	test
	maker
	product
	firmware
	quantities // their number
)

// paths returns where devices keep each quantity: the first path that a device
// declares counts. Report ids are no guide: CyberPower alone has two families
// that give one id different meanings.
func paths() [quantities][]string {
	status := func(name string) []string {
		return []string{
			"UPS.PowerSummary.PresentStatus." + name, "UPS.PowerSummary." + name,
			"UPS.BatterySystem.Battery.PresentStatus." + name, "UPS.PresentStatus." + name,
		}
	}
	output := func(name string) []string {
		return []string{
			"UPS.Output." + name, "UPS.PowerConverter.Output." + name,
			"UPS.PowerConverter." + name, "UPS.PowerSummary." + name,
		}
	}
	battery := func(name string) []string {
		return []string{"UPS.PowerSummary." + name, "UPS.Battery." + name, "UPS.BatterySystem.Battery." + name}
	}
	rated := func(name string) []string {
		return append(output(name), "UPS.Flow.[4]."+name, "UPS.Flow."+name)
	}
	return [quantities][]string{
		acPresent: status("ACPresent"), charging: status("Charging"), discharging: status("Discharging"),
		fullyCharged: status("FullyCharged"), belowLimit: status("BelowRemainingCapacityLimit"),
		timeExpired: status("RemainingTimeLimitExpired"), shutdownImminent: status("ShutdownImminent"),
		needReplacement: status("NeedReplacement"),
		overload: {"UPS.Output.Overload", "UPS.PowerSummary.PresentStatus.Overload",
			"UPS.PowerConverter.PresentStatus.Overload", "UPS.PresentStatus.Overload"},
		boost:  {"UPS.Output.Boost", "UPS.PowerConverter.PresentStatus.Boost", "UPS.PowerSummary.PresentStatus.Boost"},
		buck:   {"UPS.Output.Buck", "UPS.PowerConverter.PresentStatus.Buck", "UPS.PowerSummary.PresentStatus.Buck"},
		charge: battery("RemainingCapacity"), chargeLow: battery("RemainingCapacityLimit"),
		chargeWarning: battery("WarningCapacityLimit"), runtime: battery("RunTimeToEmpty"),
		runtimeLow: battery("RemainingTimeLimit"), batteryVoltage: battery("Voltage"),
		batteryNominal: battery("ConfigVoltage"), batteryType: battery("iDeviceChemistry"),
		inputVoltage:   {"UPS.Input.Voltage", "UPS.PowerConverter.Input.Voltage", "UPS.PowerSummary.Input.Voltage", "UPS.PowerConverter.Input.[1].Voltage"},
		inputNominal:   {"UPS.Input.ConfigVoltage", "UPS.PowerSummary.Input.ConfigVoltage", "UPS.Flow.[1].ConfigVoltage", "UPS.Flow.ConfigVoltage"},
		inputFrequency: {"UPS.Input.Frequency", "UPS.PowerConverter.Input.Frequency", "UPS.PowerConverter.Input.[1].Frequency"},
		transferLow:    {"UPS.Input.LowVoltageTransfer", "UPS.Output.LowVoltageTransfer", "UPS.PowerConverter.Output.LowVoltageTransfer"},
		transferHigh:   {"UPS.Input.HighVoltageTransfer", "UPS.Output.HighVoltageTransfer", "UPS.PowerConverter.Output.HighVoltageTransfer"},
		outputVoltage:  {"UPS.Output.Voltage", "UPS.PowerConverter.Output.Voltage"},
		load:           append(output("PercentLoad"), "UPS.OutletSystem.Outlet.PercentLoad"),
		power:          output("ActivePower"), powerNominal: rated("ConfigActivePower"),
		apparent: output("ApparentPower"), apparentNominal: rated("ConfigApparentPower"),
		delayShutdown: {"UPS.Output.DelayBeforeShutdown", "UPS.PowerSummary.DelayBeforeShutdown"},
		delayStartup:  {"UPS.Output.DelayBeforeStartup", "UPS.PowerSummary.DelayBeforeStartup"},
		beeper:        {"UPS.PowerSummary.AudibleAlarmControl", "UPS.BatterySystem.Battery.AudibleAlarmControl", "UPS.AudibleAlarmControl"},
		test:          {"UPS.Output.Test", "UPS.BatterySystem.Battery.Test", "UPS.Battery.Test"},
		maker:         {"UPS.PowerSummary.iManufacturer", "UPS.iManufacturer"},
		product:       {"UPS.PowerSummary.iProduct", "UPS.iProduct"},
		firmware:      {"UPS.PowerSummary.ff01:00d0"},
	}
}

// A model is a device's report descriptor with the quantities found in it.
type model struct {
	descriptor *hid.Descriptor
	feature    [quantities]*hid.Field // nil where the device lacks it
	input      [quantities]*hid.Field
}

// newModel reads a report descriptor and refuses one that is not sound. A
// damaged read may keep its length, its balance and most of its fields: seen on
// a VP1600ELCD, which then seemed to run on battery. So the first bytes (page
// Power Device, usage UPS, application collection), the absence of reserved
// items and the presence of ACPresent are asked for.
func newModel(data []byte) (*model, error) {
	d, err := hid.Parse(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDescriptor, err)
	case !bytes.HasPrefix(data, []byte{0x05, 0x84, 0x09, 0x04, 0xa1, 0x01}):
		return nil, fmt.Errorf("%w: it begins with % x and not as a UPS's", ErrDescriptor, data[:min(6, len(data))])
	case len(d.Reserved) > 0:
		return nil, fmt.Errorf("%w: reserved item at byte %d", ErrDescriptor, d.Reserved[0])
	}
	m := &model{descriptor: d}
	for q, names := range paths() {
		m.feature[q], m.input[q] = first(d, hid.Feature, names), first(d, hid.Input, names)
	}
	if m.feature[acPresent] == nil && m.input[acPresent] == nil {
		return nil, fmt.Errorf("%w: it has no ACPresent", ErrDescriptor)
	}
	return m, nil
}

func first(d *hid.Descriptor, t hid.ReportType, names []string) *hid.Field {
	for _, n := range names {
		if fields := d.Find(t, n); len(fields) > 0 {
			return fields[0]
		}
	}
	return nil
}

// features lists the feature reports that hold any of the quantities, in the
// order of the quantities; all of them if none is named.
func (m *model) features(qs ...quantity) []*hid.Report {
	if qs == nil {
		for q := range quantities {
			qs = append(qs, q)
		}
	}
	var rs []*hid.Report
	seen := map[hid.Key]bool{}
	for _, q := range qs {
		if f := m.feature[q]; f != nil && !seen[f.Report] {
			seen[f.Report] = true
			rs = append(rs, m.descriptor.Report(f.Report))
		}
	}
	return rs
}

// inputBytes is the length of the longest input report with its id.
func (m *model) inputBytes() int {
	n := 1
	for _, r := range m.descriptor.Reports {
		if r.Type == hid.Input {
			n = max(n, r.Bytes()+1)
		}
	}
	return n
}

// A sample is one quantity as it was last read.
type sample struct {
	value float64 // in the unit of the field
	raw   int64
	ok    bool
}

// A snapshot is what is known of a device.
type snapshot struct {
	samples [quantities]sample
	// silent says that every bit beside ACPresent in its report is 0.
	silent bool
	texts  map[uint8]string // USB strings by index; the caller fills it
}

// take puts a report into the snapshot. wire is nil if it could not be read:
// then what it holds is absent from now on.
func (m *model) take(s *snapshot, k hid.Key, wire []byte) error {
	fields := &m.feature
	if k.Type == hid.Input {
		fields = &m.input
	}
	payload, err := m.descriptor.Payload(k, wire)
	if wire == nil {
		err = nil
	}
	for q, f := range fields {
		if f == nil || f.Report != k {
			continue
		}
		v, ok := f.Extract(payload)
		ok = ok && err == nil && wire != nil
		s.samples[q] = sample{raw: v.Raw, value: f.Physical(v.Raw), ok: ok && credible(quantity(q), f, v)}
		if quantity(q) == acPresent {
			s.silent = silent(m.descriptor.Report(k), payload)
		}
	}
	return err
}

func silent(r *hid.Report, payload []byte) bool {
	for _, f := range r.Fields {
		if v, ok := f.Extract(payload); !ok || v.Raw != 0 {
			return false
		}
	}
	return true
}

// credible says whether a value can be what it claims to be.
func credible(q quantity, f *hid.Field, v hid.Value) bool {
	most := f.Physical(1<<min(f.Size, 62) - 1)
	switch q {
	case acPresent, charging, discharging:
		return v.Raw == 0 || v.Raw == 1
	case inputVoltage, inputNominal, outputVoltage, transferLow, transferHigh:
		// Tripp Lite's exponent makes 0.001214 V of 121.4 V: a field that
		// cannot hold any country's mains does not measure it.
		return most >= 100
	case batteryVoltage, batteryNominal:
		return most >= 6 && f.Physical(v.Raw) <= 300
	case inputFrequency:
		hz := f.Physical(v.Raw)
		return hz >= 40 && hz <= 70
	}
	return true
}

// errNoReport is for a device that answers to nothing at all.
var errNoReport = errors.New("the device answered to none of its reports")

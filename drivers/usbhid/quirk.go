package usbhid

import (
	"fmt"
	"slices"
	"strings"

	"lastwatt/drivers/usbhid/hid"
)

// A quirk is one way in which devices say what is not so, and what is made of
// it. Every value passes through the rows of its quantity, in their order.
type quirk struct {
	on      []quantity
	vendors []uint16 // nil is any
	// fits is whether v can be true; nil is always. saysNothing is the same
	// of a text.
	fits        func(c claim, v float64) bool
	saysNothing func(text string) bool
	// The remedy for what does not fit: the first of the scales that makes
	// it fit, which then holds for as long as the device is open (if none
	// does, the rows below judge); or the value of instead; or else it is
	// absent.
	scales  []float64
	instead func(c claim, v float64) float64
	// quiet is for what many devices do and nobody need know.
	quiet bool

	// For people: what the device does, on which one it was seen, and who
	// says so.
	what, seen, source string
}

// A claim is what else is known when a value is judged.
type claim struct {
	raw hid.Value
	// nominal is the rated voltage that belongs to the quantity; 0 is
	// unknown.
	nominal float64
	onMains bool // ACPresent, and not discharging
}

// lead is the range of a lead battery's voltage, charging or spent, as a part
// of its nominal voltage: 1.6 to 2.5 V a cell of 2 V.
func lead(c claim, v float64) bool {
	return c.nominal == 0 || v >= 0.8*c.nominal && v <= 1.27*c.nominal
}

// quirks is the table. The numbers in source are issues of the project
// networkupstools/nut.
func quirks() []quirk {
	const cyberPower, trippLite = 0x0764, 0x09ae
	mains := func(_ claim, v float64) bool { return v >= 40 && v <= 500 }
	return []quirk{
		{on: []quantity{inputVoltage, outputVoltage, batteryVoltage}, vendors: []uint16{trippLite}, fits: func(_ claim, v float64) bool { return v >= 1 }, scales: []float64{1e5},
			what: "voltages have an exponent that makes 0.001214 V of 121.4 V", seen: "Tripp Lite 09ae:3016", source: "#414"},
		{on: []quantity{batteryVoltage}, vendors: []uint16{cyberPower}, fits: lead, scales: []float64{2.0 / 3, 0.1},
			what: "the battery's voltage is 1.5 or 10 times too high", seen: "many of 0764:0501; UT850EG-FR", source: "#142, #459, #2983"},
		{on: []quantity{batteryVoltage}, fits: func(c claim, v float64) bool {
			return v > 0 && v <= 300 && (c.nominal == 0 || v >= c.nominal/2 && v <= 1.4*c.nominal)
		}, what: "the battery's voltage cannot be true: no battery of this nominal voltage has it", seen: "OL1000EXL (402 V), PR1500RT2U (2.3 V)", source: "#982, #1191"},
		{on: []quantity{batteryNominal}, fits: func(_ claim, v float64) bool { return v == 0 || v >= 6 && v <= 300 },
			what: "the battery's nominal voltage cannot be true", seen: "OL1000EXL", source: "#982"},
		{on: []quantity{batteryNominal, inputNominal, outputNominal, transferLow, transferHigh, powerNominal, apparentNominal}, fits: func(_ claim, v float64) bool { return v != 0 }, quiet: true,
			what: "a rating of 0, often with limits of 0 to 0, means that the device does not know it", seen: "ST Series, BR1000ELCD", source: "#1746, #2784, #552"},
		{on: []quantity{inputFrequency, outputFrequency, outputFrequencyNominal}, fits: func(_ claim, v float64) bool { return v >= 40 && v <= 70 }, scales: []float64{0.1, 0.01},
			what: "a frequency is 10 or 100 times too high", seen: "0764:0501, Tripp Lite 09ae:3016", source: "#2717"},
		{on: []quantity{inputFrequency, outputFrequency, outputFrequencyNominal}, fits: func(_ claim, v float64) bool { return v == 0 || v >= 40 && v <= 70 },
			what: "a frequency is that of no country's mains", seen: "none yet: guards against a scale that is not known"},
		{on: []quantity{inputVoltage}, fits: func(c claim, v float64) bool { return !c.onMains || v >= max(50, c.nominal/2) },
			what: "the input voltage cannot be true while there is mains", seen: "none yet: guards against a scale that is not known"},
		{on: []quantity{outputVoltage}, fits: func(c claim, v float64) bool { return v == 0 || mains(c, v) },
			what: "the output voltage is that of no country's mains", seen: "none yet: guards against a scale that is not known"},
		{on: []quantity{inputNominal, outputNominal, transferLow, transferHigh}, fits: mains,
			what: "a voltage of mains is that of no country", seen: "none yet: guards against a scale that is not known"},
		{on: []quantity{charge, batteryHealth}, fits: func(_ claim, v float64) bool { return v <= 100 }, instead: func(claim, float64) float64 { return 100 }, quiet: true,
			what: "a charge above 100 % is 100 %", seen: "many", source: "NUT's cps-hid.c"},
		{on: []quantity{temperature, batteryTemperature}, fits: func(_ claim, v float64) bool { return v < 273 }, instead: func(_ claim, v float64) float64 { return v - 273.15 }, quiet: true,
			what: "temperatures come in kelvin or in degrees Celsius", seen: "many", source: "NUT's cps-hid.c"},
		{on: []quantity{temperature, batteryTemperature}, fits: func(_ claim, v float64) bool { return v >= -20 && v <= 120 },
			what: "a temperature cannot be true", seen: "none yet: guards against a scale that is not known"},
		{on: texts(), fits: func(c claim, v float64) bool { return v == float64(c.raw.Raw) }, instead: func(c claim, _ float64) float64 { return float64(c.raw.Raw) }, quiet: true,
			what: "the index of a string has an exponent and a unit, left over from the item before", seen: "VI500R1U, OL1000EXL", source: "their descriptors"},
		{on: []quantity{oemInformation}, saysNothing: func(s string) bool { return !strings.ContainsAny(s, "0123456789") }, quiet: true,
			what: "the battery's date is the maker's name", seen: "all CyberPower", source: "#437"},
		{on: []quantity{serial}, saysNothing: func(s string) bool { return realSerial(s) == "" }, quiet: true,
			what: "the serial number is empty, zeros or \"none\": the device is known by its place on the bus", seen: "BR, UT and others of CyberPower", source: "#2997"},
	}
}

// realSerial is a serial number, or nothing if it tells no unit from another.
func realSerial(s string) string {
	s = clean(s)
	if strings.EqualFold(s, "none") || strings.Trim(s, "0 -") == "" {
		return ""
	}
	return s
}

// byQuantity is the table by quantity, so that a poll need not search it.
func byQuantity() (rows [quantities][]quirk) {
	for _, k := range quirks() {
		for _, q := range k.on {
			rows[q] = append(rows[q], k)
		}
	}
	return rows
}

func (k quirk) applies(i Info) bool { return k.vendors == nil || slices.Contains(k.vendors, i.Vendor) }

// value is what a quantity is taken to be, after its quirks; false if it is
// absent, with a warning if the device did claim something.
func (s *snapshot) value(q quantity) (v float64, ok bool, warning string) {
	r := s.samples[q]
	if !r.ok {
		return 0, false, ""
	}
	claimed := r.field.Physical(r.raw.Raw)
	name := names()[q]
	v = claimed
	if scale := s.scales[name]; scale != 0 {
		v *= scale
	} else if s.decided[q] != 0 {
		v *= s.decided[q]
	}
	c := claim{raw: r.raw, nominal: s.nominal(q), onMains: s.is(acPresent) && !s.is(discharging)}
	for _, k := range s.quirks[q] {
		if k.fits == nil || !k.applies(s.info) || k.fits(c, v) || v == 0 && k.scales != nil {
			continue
		}
		if k.scales != nil {
			v = s.scale(q, k, c, v)
			continue
		}
		if k.instead != nil {
			v = k.instead(c, v)
			continue
		}
		if k.quiet {
			return 0, false, ""
		}
		return 0, false, fmt.Sprintf("%s: %s (it says %g)", name, k.what, claimed)
	}
	return v, true, ""
}

// scale looks for the scale that makes v fit. The first that does is kept, so
// that a value near a limit does not jump.
func (s *snapshot) scale(q quantity, k quirk, c claim, v float64) float64 {
	if s.decided[q] != 0 || s.scales[names()[q]] != 0 {
		return v
	}
	for _, scale := range k.scales {
		if k.fits(c, v*scale) {
			s.decided[q] = scale
			return v * scale
		}
	}
	return v
}

// nominal is the rated voltage that q is to be compared with.
func (s *snapshot) nominal(q quantity) float64 {
	of := quantities
	switch q {
	case batteryVoltage:
		of = batteryNominal
	case inputVoltage:
		of = inputNominal
	default:
		return 0
	}
	v, _, _ := s.value(of)
	return v
}

// saysNothing is whether a text is one of those that mean that there is none.
func (s *snapshot) saysNothing(q quantity, text string) bool {
	return slices.ContainsFunc(s.quirks[q], func(k quirk) bool { return k.saysNothing != nil && k.applies(s.info) && k.saysNothing(text) })
}

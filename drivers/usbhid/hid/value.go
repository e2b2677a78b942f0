package hid

import (
	"fmt"
	"math"
)

// A Value is what one field of one report holds.
type Value struct {
	// Raw is the logical value as the device sent it. An unsigned field of
	// 64 bits with its top bit set comes out negative.
	Raw int64
	// OutOfRange says that Raw is beyond the declared limits: "no value"
	// where the field has [NullState], a careless descriptor elsewhere.
	OutOfRange bool
}

// Extract reads the field from a report's payload, the bytes behind the id. It
// is false if the report is too short to hold the field. It does not allocate.
func (f *Field) Extract(payload []byte) (Value, bool) {
	if uint64(f.Offset)+uint64(f.Size) > uint64(len(payload))*8 {
		return Value{}, false
	}
	var bits uint64
	for done := uint32(0); done < f.Size; {
		at := f.Offset + done
		bits |= uint64(payload[at/8]>>(at%8)) << done
		done += 8 - at%8
	}
	shift := 64 - f.Size
	raw := int64(bits << shift >> shift)
	if f.Signed() {
		raw = int64(bits<<shift) >> shift
	}
	return Value{Raw: raw, OutOfRange: f.Limited() && (raw < f.LogicalMin || raw > f.LogicalMax)}, true
}

// Insert writes raw into a report's payload and leaves every other bit as it
// is. It refuses what the field cannot hold, and a payload that is too short.
func (f *Field) Insert(payload []byte, raw int64) error {
	if uint64(f.Offset)+uint64(f.Size) > uint64(len(payload))*8 {
		return fmt.Errorf("%v of %d bytes ends before %s", f.Report, len(payload), f.Name())
	}
	if !f.holds(raw) {
		return fmt.Errorf("%s has %d bits: too few for %d", f.Name(), f.Size, raw)
	}
	for i := range f.Size {
		at := f.Offset + i
		bit := byte(1) << (at % 8)
		payload[at/8] &^= bit
		if raw>>i&1 != 0 {
			payload[at/8] |= bit
		}
	}
	return nil
}

func (f *Field) holds(raw int64) bool {
	if f.Size == 64 {
		return true
	}
	if f.Signed() {
		return raw >= -1<<(f.Size-1) && raw < 1<<(f.Size-1)
	}
	return raw >= 0 && (f.Size == 63 || raw < 1<<f.Size)
}

// Limited says whether the declared logical limits mean anything. Devices set
// both to 0, or both to the one value they expect, where they have no limits.
func (f *Field) Limited() bool { return f.LogicalMin < f.LogicalMax }

// Physical turns a logical value into the field's unit: volts, watts, seconds,
// kelvin for the SI units, and the unit itself for all others.
func (f *Field) Physical(raw int64) float64 {
	v := float64(raw)
	if f.scaled() {
		v = (v-float64(f.LogicalMin))*f.slope() + float64(f.PhysicalMin)
	}
	return scale10(v, f.decimals())
}

// Logical is the inverse of [Field.Physical], not rounded: which way to round
// is for the caller to say, who knows what the value does.
func (f *Field) Logical(physical float64) float64 {
	v := scale10(physical, -f.decimals())
	if f.scaled() {
		v = (v-float64(f.PhysicalMin))/f.slope() + float64(f.LogicalMin)
	}
	return v
}

// scaled says whether a physical range is declared; a range that is empty or
// upside down counts as none (HID 1.11, section 6.2.2.7).
func (f *Field) scaled() bool { return f.Limited() && f.PhysicalMin < f.PhysicalMax }

func (f *Field) slope() float64 {
	return float64(f.PhysicalMax-f.PhysicalMin) / float64(f.LogicalMax-f.LogicalMin)
}

func (f *Field) decimals() int { return f.Exponent - f.Unit.base() }

// scale10 divides by a power of ten instead of multiplying by its inverse, so
// that 266 tenths are 26.6 to the last bit.
func scale10(v float64, exponent int) float64 {
	if exponent < 0 {
		return v / math.Pow10(-exponent)
	}
	return v * math.Pow10(exponent)
}

// A Unit is the data of a Unit item: a system and the power of each base unit
// in nibbles (HID 1.11, section 6.2.2.7). Zero is no unit.
type Unit uint32

// The units of power devices.
const (
	Second Unit = 0x00001001
	Kelvin Unit = 0x00010001
	Ampere Unit = 0x00100001
	Hertz  Unit = 0x0000f001
	Volt   Unit = 0x00f0d121
	Watt   Unit = 0x0000d121 // volt-amperes, too
)

// siLinear is the system of centimetre, gram, second, kelvin, ampere, candela.
const siLinear = 1

// power returns the exponent in one nibble, -8 to 7.
func (u Unit) power(nibble int) int {
	p := int(u>>(4*nibble)) & 0xf
	if p > 7 {
		p -= 16
	}
	return p
}

// base is the power of ten between the SI unit and HID's, which counts in
// centimetres and grams: 1 V is 10^7 g cm^2 / (s^3 A).
func (u Unit) base() int {
	if u&0xf != siLinear {
		return 0
	}
	return 2*u.power(1) + 3*u.power(2)
}

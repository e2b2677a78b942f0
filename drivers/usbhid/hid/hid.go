// Package hid reads USB HID report descriptors (HID 1.11, section 6.2.2) and
// the reports that they describe.
//
// It knows no device: what a usage means to whom is the caller's matter. Values
// are never clamped to the declared limits, because devices declare limits that
// they do not keep; see [Value].
package hid

import (
	"fmt"
	"strings"
)

// A Usage is a usage page (high 16 bits) and a usage of that page. Zero is no
// usage.
type Usage uint32

// Page returns the usage page.
func (u Usage) Page() uint16 { return uint16(u >> 16) }

// ID returns the usage within its page.
func (u Usage) ID() uint16 { return uint16(u) }

// instances is a reserved page that stands in a [Field.Path] for the number of
// a collection.
const instances = 0x00ff

// Instance returns the path element of a collection that is numbered n, 0 to
// 127, as the outlets of a UPS are. It is written [n].
func Instance(n int) Usage { return instances<<16 | Usage(n&0x7f) }

// String returns the name of a Power Device or Battery System usage, and
// page:id in hexadecimal of any other.
func (u Usage) String() string {
	name := ""
	switch {
	case u.Page() == instances:
		return fmt.Sprintf("[%d]", u.ID())
	case u.ID() > 0xff:
	case u.Page() == 0x84:
		name = powerDeviceNames()[u.ID()]
	case u.Page() == 0x85:
		name = batterySystemNames()[u.ID()]
	}
	if name == "" {
		return fmt.Sprintf("%04x:%04x", u.Page(), u.ID())
	}
	return name
}

// A ReportType is the direction of a report. The values are those of the high
// byte of wValue in GET_REPORT (HID 1.11, section 7.2.1).
type ReportType uint8

// The types of report.
const (
	Input   ReportType = 1
	Output  ReportType = 2
	Feature ReportType = 3
)

func (t ReportType) String() string {
	switch t {
	case Input:
		return "Input"
	case Output:
		return "Output"
	case Feature:
		return "Feature"
	}
	return fmt.Sprintf("ReportType(%d)", uint8(t))
}

// A Key names one report of a device. ID is 0 if the device numbers none.
type Key struct {
	Type ReportType
	ID   uint8
}

func (k Key) String() string { return fmt.Sprintf("%v report 0x%02x", k.Type, k.ID) }

// The bits of [Field.Flags] (HID 1.11, section 6.2.2.5).
const (
	Constant  = 1 << 0 // the host should not change it; many UPSes set it on live data
	Variable  = 1 << 1 // clear: an array, see [Field.Selectors]
	Relative  = 1 << 2
	Wrap      = 1 << 3
	NonLinear = 1 << 4
	NoPrefer  = 1 << 5
	NullState = 1 << 6 // a value out of the limits means "none"
	Volatile  = 1 << 7
	Buffered  = 1 << 8
)

// A Field is one value within a report.
type Field struct {
	Report Key
	// Offset is the field's first bit, counted from the first bit after the
	// report's id byte; Size is 1 to 64 bits.
	Offset, Size uint32
	// Path is the usages of the collections around the field, the outermost
	// first, each followed by its [Instance] if it is numbered, and then the
	// field's own (absent in an array).
	Path []Usage
	// Index counts the fields of one report type that have the same Path.
	Index int
	// Aliases are the further usages of a delimited set, whose preferred
	// one is in Path.
	Aliases []Usage
	// Selectors are, for an array, the usages that its values select.
	Selectors Ranges
	// The limits as declared. They say nothing where Min >= Max.
	LogicalMin, LogicalMax   int64
	PhysicalMin, PhysicalMax int64
	Unit                     Unit
	// Exponent is the power of ten of Unit, -128 to 127.
	Exponent int
	// Flags is the data of the main item: [Constant], [Variable], ...
	Flags uint16
}

// Name returns the path with dots: UPS.PowerSummary.RemainingCapacity.
func (f *Field) Name() string {
	names := make([]string, len(f.Path))
	for i, u := range f.Path {
		names[i] = u.String()
	}
	return strings.Join(names, ".")
}

// Signed says whether the field holds negative values.
func (f *Field) Signed() bool { return f.LogicalMin < 0 }

// A Report is one report of a device.
type Report struct {
	Key
	// Bits is its length without the id byte, padding included.
	Bits   uint32
	Fields []*Field
}

// Bytes is the report's length on the wire without the id byte.
func (r *Report) Bytes() int { return int(r.Bits+7) / 8 }

// A Descriptor is what a report descriptor declares. It is not changed after
// [Parse], so that any number of goroutines may use it.
type Descriptor struct {
	// Applications are the usages of the outermost collections, in order.
	Applications []Usage
	// Reports are in the order in which the descriptor first names them.
	Reports []*Report
	// IDs says whether each report on the wire begins with its id.
	IDs bool
	// Reserved are the offsets of items that the specification reserves:
	// harmless in theory, and in practice the mark of a damaged read.
	Reserved []int
}

// Report returns the report of a key, and nil if there is none.
func (d *Descriptor) Report(k Key) *Report {
	for _, r := range d.Reports {
		if r.Key == k {
			return r
		}
	}
	return nil
}

// Find returns the fields of a type whose path has this name, in the order of
// their Index.
func (d *Descriptor) Find(t ReportType, name string) []*Field {
	var found []*Field
	for _, r := range d.Reports {
		if r.Type != t {
			continue
		}
		for _, f := range r.Fields {
			if f.Name() == name {
				found = append(found, f)
			}
		}
	}
	return found
}

// Payload returns the part of a report behind its id byte. wire is what the
// device sent. A report that answers to another id is an error; a short one is
// not: its last fields are missing, as [Field.Extract] then says.
func (d *Descriptor) Payload(k Key, wire []byte) ([]byte, error) {
	if !d.IDs {
		return wire, nil
	}
	if len(wire) == 0 {
		return nil, fmt.Errorf("%v: the answer is empty", k)
	}
	if wire[0] != k.ID {
		return nil, fmt.Errorf("%v: the answer is report 0x%02x", k, wire[0])
	}
	return wire[1:], nil
}

// Ranges is a list of usages, kept as runs.
type Ranges []Range

// A Range is the usages Min to Max of one page.
type Range struct{ Min, Max Usage }

// Len counts the usages.
func (rs Ranges) Len() int {
	n := 0
	for _, r := range rs {
		n += int(r.Max-r.Min) + 1
	}
	return n
}

// At returns the usage at index i, and 0 beyond the end.
func (rs Ranges) At(i int) Usage {
	for _, r := range rs {
		n := int(r.Max-r.Min) + 1
		if i < n {
			return r.Min + Usage(i)
		}
		i -= n
	}
	return 0
}

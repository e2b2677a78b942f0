package hid_test

import (
	"testing"

	"lastwatt/drivers/usbhid/hid"
)

func TestLimitsAreReadAsTheyWereMeant(t *testing.T) {
	for _, tt := range []struct {
		name, items string
		min, max    int64
	}{
		{"signed", "15 81 25 7f", -127, 127},
		{"maximum in too few bytes", "15 00 25 ff", 0, 255},
		{"maximum in too few bytes, given first", "25 ff 15 00", 0, 255},
		{"two bytes", "15 00 26 ff ff", 0, 65535},
		{"four bytes", "15 00 27 ff ff ff ff", 0, 4294967295},
		{"minus one and a maximum", "15 ff 26 ff 7f", -1, 32767},
		{"both the same", "16 be 00 26 be 00", 190, 190},
		{"no data is zero", "14 24", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, hexBytes(t, in(tt.items+" 75 10 95 01 09 30 81 02"))).Reports[0].Fields[0]
			if f.LogicalMin != tt.min || f.LogicalMax != tt.max {
				t.Errorf("limits = %d..%d, want %d..%d", f.LogicalMin, f.LogicalMax, tt.min, tt.max)
			}
		})
	}
}

func TestPhysicalValuesAreInSIUnits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		field hid.Field
		raw   int64
		want  float64
	}{
		{"volts", hid.Field{Unit: hid.Volt, Exponent: 7}, 234, 234},
		{"tenths of a volt", hid.Field{Unit: hid.Volt, Exponent: 6}, 266, 26.6},
		{"watts", hid.Field{Unit: hid.Watt, Exponent: 7}, 960, 960},
		{"seconds", hid.Field{Unit: hid.Second}, 28110, 28110},
		{"hertz", hid.Field{Unit: hid.Hertz, Exponent: -1}, 499, 49.9},
		{"metres from centimetres", hid.Field{Unit: 0x11, Exponent: 2}, 3, 3},
		{"inches stay inches", hid.Field{Unit: 0x13, Exponent: 0}, 3, 3},
		{"no unit", hid.Field{}, 42, 42},
		{"minutes as seconds", hid.Field{Unit: hid.Second, LogicalMin: -1, LogicalMax: 32767, PhysicalMin: -60, PhysicalMax: 1966020}, 2, 120},
		{"and minus one", hid.Field{Unit: hid.Second, LogicalMin: -1, LogicalMax: 32767, PhysicalMin: -60, PhysicalMax: 1966020}, -1, -60},
		{"empty physical range is none", hid.Field{LogicalMax: 100, PhysicalMin: 5, PhysicalMax: 5}, 7, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.field.Physical(tt.raw); got != tt.want {
				t.Errorf("Physical(%d) = %v, want %v", tt.raw, got, tt.want)
			}
			if got := tt.field.Logical(tt.want); got < float64(tt.raw)-1e-9 || got > float64(tt.raw)+1e-9 {
				t.Errorf("Logical(%v) = %v, want %d", tt.want, got, tt.raw)
			}
		})
	}
}

func TestExponentMayBeANibbleOrAByte(t *testing.T) {
	for data, want := range map[string]int{"55 0f": -1, "55 ff": -1, "55 06": 6, "55 0e": -2, "55 f8": -8, "54": 0} {
		f := parse(t, hexBytes(t, in(data+" 75 08 95 01 09 30 81 02"))).Reports[0].Fields[0]
		if f.Exponent != want {
			t.Errorf("% s: exponent %d, want %d", data, f.Exponent, want)
		}
	}
}

func TestValueOutOfLimitsIsKeptAndSaid(t *testing.T) {
	f := hid.Field{Size: 8, LogicalMin: 136, LogicalMax: 142}
	if v, ok := f.Extract([]byte{121}); !ok || v.Raw != 121 || !v.OutOfRange {
		t.Errorf("Extract = %+v, %v, want 121, out of range", v, ok)
	}
	same := hid.Field{Size: 8, LogicalMin: 190, LogicalMax: 190}
	if v, _ := same.Extract([]byte{121}); v.OutOfRange {
		t.Error("limits that are both the same are none, yet the value is called out of range")
	}
}

func TestShortReportLacksItsLastFields(t *testing.T) {
	a, b := hid.Field{Size: 8}, hid.Field{Offset: 8, Size: 16}
	if _, ok := a.Extract([]byte{1, 2}); !ok {
		t.Error("the first field is there, yet missing")
	}
	if v, ok := b.Extract([]byte{1, 2}); ok {
		t.Errorf("a field beyond the end of the report = %+v", v)
	}
}

func TestInsertChangesOnlyItsOwnBits(t *testing.T) {
	data := []byte{0xff, 0x00, 0xff}
	f := hid.Field{Offset: 6, Size: 12, LogicalMin: -2048, LogicalMax: 2047}
	if err := f.Insert(data, -1000); err != nil {
		t.Fatal(err)
	}
	if v, _ := f.Extract(data); v.Raw != -1000 {
		t.Errorf("read back %d, want -1000", v.Raw)
	}
	if data[0]&0x3f != 0x3f || data[2]&0xfc != 0xfc {
		t.Errorf("other bits changed: % x", data)
	}
	for name, c := range map[string]struct {
		field hid.Field
		raw   int64
		want  string
	}{
		"too large":      {hid.Field{Size: 8}, 256, " has 8 bits: too few for 256"},
		"negative":       {hid.Field{Size: 8}, -1, " has 8 bits: too few for -1"},
		"too negative":   {hid.Field{Size: 8, LogicalMin: -1}, -129, " has 8 bits: too few for -129"},
		"beyond the end": {hid.Field{Report: hid.Key{Type: hid.Feature, ID: 7}, Offset: 20, Size: 8}, 1, "Feature report 0x07 of 3 bytes ends before "},
	} {
		if err := c.field.Insert(data, c.raw); err == nil || err.Error() != c.want {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
	}
}

func TestExtractDoesNotAllocate(t *testing.T) {
	f, data := hid.Field{Offset: 3, Size: 13, LogicalMax: 8191}, []byte{1, 2, 3}
	if n := testing.AllocsPerRun(100, func() { f.Extract(data) }); n != 0 {
		t.Errorf("%v allocations for a field, want none", n)
	}
}

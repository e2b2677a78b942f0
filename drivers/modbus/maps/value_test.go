package maps

import (
	"fmt"
	"strings"
	"testing"
)

func TestValuesAreWhatTheirRegistersSay(t *testing.T) {
	for _, c := range []struct{ field, hex, want string }{
		{"type: u16", "08fd", "2301"},
		{"type: u16, scale: 0.1", "08fc", "230"},
		{"type: u16, scale: 0.1, offset: -40", "08fd", "190.1"},
		{"type: i16", "ffff", "-1"},
		{"type: i16, scale: 0.0078125", "0f77", "30.9296875"},
		{"type: u32", "0000150f", "5391"},
		{"type: u32, words: little", "150f0000", "5391"},
		{"type: u32, bytes: little", "00000f15", "5391"},
		{"type: u32, words: little, bytes: little", "0f150000", "5391"},
		{"type: i32", "fffffffe", "-2"},
		{"type: u64", "ffffffffffffffff", "18446744073709600000"},
		{"type: i64", "ffffffffffffffff", "-1"},
		{"type: u64, words: little", "0001000000000000", "1"},
		{"type: f32", "43660000", "230"},
		{"type: f32, words: little", "00004366", "230"},
		{"type: f64", "406cc00000000000", "230"},
		{"type: u16, mask: 0x0FF0", "1230", "35"},
		{"type: bool, bit: 2", "0004", "1"},
		{"type: bool, bit: 2", "fffb", "0"},
		{"type: bool, bit: 15", "8000", "1"},
		{"type: bool", "0001", "1"},
		{"type: text, count: 4", "4150432000002020", "APC"},
		{"type: u16, texts: {0: off, 1: on}", "0001", "on"},
		{"type: i16, texts: {-1: none}", "ffff", "none"},
		{"type: u16, mask: 0x3F, texts: {4: passed}", "0144", "passed"},

		{"type: bool", "0002", "absent: 2 is neither 0 nor 1"},
		{"type: u16, invalid: [0xFFFF]", "ffff", "absent: 0xFFFF says that there is none"},
		{"type: i16, invalid: [0xFFFF]", "ffff", "absent: 0xFFFF says that there is none"},
		{"type: i16, invalid: [-1]", "ffff", "absent: 0xFFFF says that there is none"},
		{"type: i16, invalid: [0x8000]", "8000", "absent: 0x8000 says that there is none"},
		{"type: u16, invalid: [0]", "0000", "absent: 0x0000 says that there is none"},
		{"type: u32, invalid: [0xFFFFFFFF]", "ffffffff", "absent: 0xFFFFFFFF says that there is none"},
		{"type: bool, bit: 5, invalid: [0xFFFF]", "ffff", "absent: 0xFFFF says that there is none"},
		{"type: f32", "7fc00000", "absent: no number"},
		{"type: f32", "7f800000", "absent: no number"},
		{"type: f64", "fff0000000000000", "absent: no number"},
		{"type: f32, invalid: [-1]", "bf800000", "absent: -1 says that there is none"},
		{"type: u16, scale: 0.1, greatest: 300", "2710", "absent: 1000 cannot be true: it is above 300"},
		{"type: i16, least: 0", "ffff", "absent: -1 cannot be true: it is below 0"},
		{"type: text, count: 2", "00002020", "absent: empty"},
		{"type: u16, texts: {0: off}", "0007", "absent: 7 has no meaning in the map"},
	} {
		t.Run(c.field+" of "+c.hex, func(t *testing.T) {
			f := parsedField(t, c.field)
			var data []byte
			if _, err := fmt.Sscanf(c.hex, "%x", &data); err != nil {
				t.Fatal(err)
			}
			v, absent := f.Decode(data, 0)
			got := v.String()
			if absent != "" {
				got = "absent: " + absent
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// parsedField is a field as the file of a map has it.
func parsedField(t *testing.T, keys string) Field {
	t.Helper()
	m, err := Parse("m.yaml", []byte("device: ups\nguard: [{function: holding, address: 0, count: 1}, {function: holding, address: 0, count: 2}]\n"+
		"identity: [{function: holding, address: 0, "+keys+", equals: x}]\nfields: {on_battery: {function: coil, address: 0}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m.Identity[0]
}

func TestACoilIsOneBit(t *testing.T) {
	f := Field{Function: Coil, Address: 13, Type: "bool", Registers: 1, Scale: 1}
	b := Block{Read: Read{Coil, 3, 16}}
	part, bit, ok := b.Part(f, []byte{0, 0b100})
	if v, _ := f.Decode(part, bit); !ok || v.Number != 1 {
		t.Errorf("%v, %v", v, ok)
	}
	if _, _, ok := b.Part(f, []byte{0}); ok {
		t.Error("it was found in an answer that is too short")
	}
}

func TestACheckOfACoilHoldsItAgainstItsBounds(t *testing.T) {
	m, err := Parse("m.yaml", []byte("device: rail\nguard: [{function: holding, address: 0, count: 1}, {function: holding, address: 0, count: 2}]\n"+
		"identity: [{function: coil, address: 0, least: 1}]\nfields: {good: {function: coil, address: 1, scale: -1, offset: 1}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Identity[0].Check([]byte{1}, 0); err != nil {
		t.Errorf("a coil that is on: %v", err)
	}
	if err := m.Identity[0].Check([]byte{0}, 0); err == nil {
		t.Error("a coil that is off passed the check that wants it on")
	}
	if v, _ := m.Fields[0].Decode([]byte{2}, 1); v.Number != 0 {
		t.Errorf("a coil that is turned round says %v where it is on", v)
	}
}

func TestWhatNoMapBoundsIsBoundedByWhatCanBeTrue(t *testing.T) {
	m, err := Parse("m.yaml", []byte("device: ups\nidentity: [{function: holding, address: 0, type: u16, equals: \"1\"}]\nfields:\n  on_battery: {function: coil, address: 0}\n"+
		"  battery.charge: {function: holding, address: 1, type: u16}\n  battery.runtime: {function: holding, address: 2, type: f32}\n  ups.timer.shutdown: {function: holding, address: 4, type: i16}\n"+
		"  ups.load: {function: holding, address: 5, type: u16}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field int
		data  []byte
		want  string // why there is none; empty is a value
	}{
		{1, []byte{0, 100}, ""}, {1, []byte{0xff, 0xff}, "65535 cannot be true: it is above 100"},
		{2, []byte{0x44, 0x96, 0, 0}, ""}, {2, []byte{0x7f, 0x7f, 0xff, 0xff}, "cannot be true: it is above 2592000"}, {2, []byte{0xff, 0x7f, 0xff, 0xff}, "cannot be true: it is below -3600"},
		{3, []byte{0xff, 0xff}, ""}, {4, []byte{0xff, 0xff}, ""},
	} {
		if _, absent := m.Fields[c.field].Decode(c.data, 0); !strings.HasSuffix(absent, c.want) || (absent == "") != (c.want == "") {
			t.Errorf("%s of %x: %q, want %q", m.Fields[c.field].Name, c.data, absent, c.want)
		}
	}
}

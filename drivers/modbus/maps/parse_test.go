package maps

import (
	"slices"
	"strings"
	"testing"
)

// sound is a map without a fault; tests break it.
const sound = `about: a meter
device: meter
method: measured AC
identity:
  - {function: input, address: 0, type: u16, least: 1, greatest: 400}
fields:
  volts: {function: input, address: 0, type: u16}
  watts: {function: input, address: 1, type: u32, words: little, scale: 0.1}
`

func TestWhatIsWrongInAMapIsSaidWithItsLine(t *testing.T) {
	for _, c := range []struct{ name, old, now, want string }{
		{"nothing", "", "", ""},
		{"empty", sound, "", "mine.yaml: the file is empty: lastwatt modbus maps --out DIR writes examples"},
		{"an unknown key", "about:", "abuot:", `mine.yaml:1: unknown key "abuot": want one of about, source, device, method, `},
		{"a device", "meter\nmethod", "toaster\nmethod", `mine.yaml:2: device: want ups, meter, rail or relay (got "toaster")`},
		{"no device", "device: meter\n", "", `mine.yaml: device: want ups, meter, rail or relay (got "")`},
		{"no method", "method: measured AC\n", "", "mine.yaml:2: method: say how it measures, such as method: measured AC"},
		{"an unknown key of a field", "type: u16}", "type: u16, adress: 3}", `mine.yaml:7: fields.volts: unknown key "adress": want one of function, address, type, `},
		{"a function", "input, address: 1", "analog, address: 1", `mine.yaml:8: fields.watts: function: want coil, discrete, holding or input (got "analog")`},
		{"a type", "type: u32", "type: u33", `mine.yaml:8: fields.watts: type: want one of bool, u16, i16, u32, i32, u64, i64, f32, f64 or text (got "u33")`},
		{"an address", "address: 1,", "address: 65535,", "mine.yaml:8: fields.watts: address: want 0 to 65535, as on the wire: one less than 1, 30001 or 40001 of many manuals (got 65535)"},
		{"an address that is a word", "address: 1,", "address: first,", `mine.yaml:8: fields.watts: want a whole number in range, such as 16 or 0x10 (got "first")`},
		{"words", "words: little", "words: middle", `mine.yaml:8: fields.watts: words: want big (the higher word first) or little (got "middle")`},
		{"a scale", "scale: 0.1", "scale: 0", "mine.yaml:8: fields.watts: scale, offset: want numbers, and no scale of 0"},
		{"a scale that is a word", "scale: 0.1", "scale: tenth", `mine.yaml:8: fields.watts: want a number (got "tenth")`},
		{"a bit of a number", "scale: 0.1", "bit: 3", "mine.yaml:8: fields.watts: bit: want 0 to 15, of a register, with type: bool"},
		{"a field that is none", "watts:", "wats:", `mine.yaml:8: fields.wats: no field of this name: want one of ["watts" "volts" "amps" "apparent" "power_factor" "frequency" "energy_wh"]`},
		{"a text for a number", "type: u32, words: little, scale: 0.1", "type: text, count: 4", "mine.yaml:8: fields.watts: it is no text: want a type of numbers"},
		{"a text without a count", "type: u32, words: little, scale: 0.1", "type: text", "mine.yaml:8: fields.watts: count: a text needs its number of registers, 1 to 60 (got 0)"},
		{"a check that checks nothing", ", least: 1, greatest: 400", "", "mine.yaml:5: identity[0]: it accepts every value: give it equals:, least: or greatest:"},
		{"bounds", "scale: 0.1", "least: 3, greatest: 2", "mine.yaml:8: fields.watts: least: it is above greatest"},
		{"a UPS without a check", sound, "device: ups\nfields:\n  on_battery: {function: coil, address: 0}\n  battery.charge: {function: input, address: 0, type: u16}\n", "mine.yaml:1: identity: a UPS needs a check: without one, any device could say that mains is gone"},
		{"a UPS without evidence", sound, "device: ups\nidentity: [{function: input, address: 9, type: u16, equals: \"7\"}]\nfields:\n  battery.charge: {function: input, address: 0, type: u16}\n  discharging: {function: coil, address: 0}\n", "mine.yaml:3: fields: nothing says that the UPS is on battery: want on_battery, or discharging with input.voltage, input_bad or on_mains, read in each poll"},
		{"a number for a flag", sound, "device: ups\nfields:\n  on_battery: {function: input, address: 0, type: u16}\n", "mine.yaml:3: fields.on_battery: it is true or false: want type bool, with bit: for one bit of a register"},
		{"a percentage of nothing", "scale: 0.1", "percent_of: amps", `mine.yaml:8: fields.watts: percent_of: there is no field "amps"`},
		{"no guard to be had", "  watts: {function: input, address: 1, type: u32, words: little, scale: 0.1}\n", "", "mine.yaml:6: guard: want two reads whose answers differ in length, to prove that question and answer match: guard: [{function: holding, address: 0, count: 1}"},
		{"a guard of one length", "fields:", "guard: [{function: coil, address: 0, count: 1}, {function: coil, address: 0, count: 8}]\nfields:", "mine.yaml:6: guard: the answers to the two reads have the same length (1, 1 bytes)"},
		{"a guard of nothing", "fields:", "guard: [{function: input, address: 0, count: 0}, {function: input, address: 0, count: 8}]\nfields:", "mine.yaml:6: guard[0]: count: want 1 to 125 registers (got 0)"},
		{"an unknown key of a guard", "fields:", "guard: [{func: coil}]\nfields:", `mine.yaml:6: unknown key "func": want one of function, address, count`},
		{"a unit", "device: meter", "device: meter\nunit: 400", "mine.yaml:3: unit: want 1 to 247 (got 400)"},
		{"a pause", "device: meter", "device: meter\npause: 50", `mine.yaml:3: want a time such as 50ms (got "50")`},
		{"a board without outputs", sound, "device: relay\n", "mine.yaml: outputs: a relay board needs them, such as outputs: {address: 0, count: 8}"},
		{"fields of a board", sound, "device: relay\noutputs: {address: 0, count: 8}\nfields: {volts: {function: input, address: 0, type: u16}}\n", "mine.yaml:3: fields.volts: a relay board has none: remove fields:"},
		{"outputs of a meter", "device: meter", "device: meter\noutputs: {address: 0, count: 8}", "mine.yaml:3: outputs: they are for device: relay: remove them"},
		{"a field twice", "  watts:", "  volts: {function: input, address: 9, type: u16}\n  watts:", "mine.yaml:8: fields.volts: there are two of this name: remove one"},
		{"a mask beyond the register", "type: u16}", "type: u16, mask: 0xFF0000}", "mine.yaml:7: fields.volts: mask: a u16 has 16 bits: want 1 to 0xffff (got 0xff0000)"},
		{"a bit and a mask", sound, "device: rail\nfields:\n  good: {function: input, address: 0, type: bool, bit: 3, mask: 1}\n", "mine.yaml:3: fields.good: bit, mask: bit: alone says which one counts: remove mask:"},
		{"an invalid value that no register has", "type: u16}", "type: u16, invalid: [-1]}", "mine.yaml:7: fields.volts: invalid: want raw values that a u16 can have, such as [0xffff] (got [-1])"},
		{"another", "type: u16}", "type: i16, invalid: [0xFFFF, 0x10000]}", "mine.yaml:7: fields.volts: invalid: want raw values that a i16 can have, such as [0xffff] (got [65535 65536])"},
		{"an invalid coil", sound, "device: rail\nfields:\n  good: {function: coil, address: 0, invalid: [1]}\n", "mine.yaml:3: fields.good: invalid: it is for numbers in registers: remove it"},
		{"bounds that are none", "scale: 0.1", "least: .nan", "mine.yaml:8: fields.watts: least, greatest: want numbers"},
		{"a coil for a number", "{function: input, address: 0, type: u16}", "{function: coil, address: 0}", "mine.yaml:7: fields.volts: it is a number: want a type of numbers"},
		{"a figure that is read once", "scale: 0.1", "once: true", "mine.yaml:8: fields.watts: once: it changes, and would be told as it was: remove once:"},
		{"nothing that is read in each poll", sound, "device: meter\nmethod: x\nfields:\n  volts: {function: input, address: 0, type: u16, optional: true}\n  watts: {function: input, address: 1, type: u32, optional: true}\n", "mine.yaml:3: fields: want one that is read in each poll and may not be refused"},
		{"no fields", "fields:\n  volts: {function: input, address: 0, type: u16}\n  watts: {function: input, address: 1, type: u32, words: little, scale: 0.1}\n", "", "mine.yaml: fields: want one that is read in each poll"},
		{"a percentage of a text", sound, "device: ups\nidentity: [{function: input, address: 9, type: u16, equals: \"7\"}]\nfields:\n  on_battery: {function: coil, address: 0}\n" +
			"  device.model: {function: input, address: 10, type: text, count: 4}\n  ups.realpower: {function: input, address: 0, type: u16, percent_of: device.model}\n",
			"mine.yaml:6: fields.ups.realpower: percent_of: want a number that is a percentage of another, as ups.realpower of ups.realpower.nominal"},
		{"evidence that is read once", sound, "device: ups\nidentity: [{function: input, address: 9, type: u16, equals: \"7\"}]\nfields:\n  on_battery: {function: coil, address: 0}\n  on_mains: {function: coil, address: 1, once: true}\n",
			"mine.yaml:5: fields.on_mains: once: it changes, and would be told as it was: remove once:"},
		{"a parity", "device: meter", "device: meter\nserial: {parity: N}", `mine.yaml:3: serial: parity: want none, even or odd (got "N")`},
		{"a speed", "device: meter", "device: meter\nserial: {baud: 0}", "mine.yaml:3: serial: baud: want 300 to 4000000, such as 9600 (got 0)"},
		{"stop bits", "device: meter", "device: meter\nserial: {stop_bits: 3}", "mine.yaml:3: serial: want data_bits 8, or 7, and stop_bits 1 or 2 (got 8 and 3)"},
		{"no YAML", sound, "about: [", "mine.yaml:2: did not find expected node content"},
		{"a list for fields", sound, "device: meter\nmethod: x\nfields: [1]\n", "mine.yaml:3: fields: want a section with a key for each field"},
		{"a word for a field", "{function: input, address: 0, type: u16}", "first", "mine.yaml:7: fields.volts: want a section such as {function: input, address: 0, type: u16}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := sound
			if c.old != "" {
				text = strings.Replace(sound, c.old, c.now, 1)
			}
			if c.old != "" && text == sound {
				t.Fatal("nothing was changed")
			}
			_, err := Parse("dir/mine.yaml", []byte(text))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), strings.Replace(c.want, "mine.yaml", "dir/mine.yaml", 1)) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAllFaultsOfAMapAreToldAtOnce(t *testing.T) {
	text := strings.NewReplacer("type: u16}", "type: u17}", "type: u32", "type: u33").Replace(sound)
	_, err := Parse("mine.yaml", []byte(text))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v: want two lines", err)
	}
}

func TestFieldsThatLieTogetherAreReadTogether(t *testing.T) {
	field := func(f Function, address, registers int, optional bool) Field {
		return Field{Function: f, Address: uint16(address), Registers: registers, Optional: optional}
	}
	m := Map{Most: 20, Gap: 2, Fields: []Field{
		field(Input, 10, 2, false), field(Input, 0, 1, false), field(Input, 3, 2, false), // a gap of 2 is read along, one of 5 is not
		field(Input, 11, 1, false),  // within another
		field(Input, 25, 10, false), // a gap of 13
		field(Input, 35, 15, false), // would be more than 20
		field(Holding, 0, 1, false), // another table
		field(Input, 5, 1, true),    // may be refused
		field(Coil, 0, 1, false), field(Coil, 2, 1, false),
	}}
	want := []Read{{Coil, 0, 3}, {Holding, 0, 1}, {Input, 0, 5}, {Input, 10, 2}, {Input, 25, 10}, {Input, 35, 15}, {Input, 5, 1}}
	var got []Read
	fields := 0
	for _, b := range m.Blocks() {
		got = append(got, b.Read)
		fields += len(b.Fields)
	}
	if !slices.Equal(got, want) || fields != len(m.Fields) {
		t.Errorf("got %v with %d fields, want %v", got, fields, want)
	}
}

package hid_test

import (
	"fmt"
	"strings"
	"testing"

	"lastwatt/drivers/usbhid/hid"
)

// in puts items into one application collection (Generic Desktop, Pointer).
func in(items string) string { return "05 01 09 01 a1 01 " + items + " c0" }

func TestParseReadsEveryKindOfItem(t *testing.T) {
	for _, tt := range []struct {
		name, items string
		want        []string // name, offset, size of each field
	}{
		{"one byte", "75 08 95 01 09 30 81 02", []string{"0001:0030 0 8"}},
		{"usage range over three fields", "75 04 95 03 19 30 29 32 81 02",
			[]string{"0001:0030 0 4", "0001:0031 4 4", "0001:0032 8 4"}},
		{"range beside single usages", "75 01 95 04 09 38 19 30 29 31 09 39 81 02",
			[]string{"0001:0038 0 1", "0001:0030 1 1", "0001:0031 2 1", "0001:0039 3 1"}},
		{"fewer usages than fields: the last goes on", "75 08 95 03 09 30 09 31 81 02",
			[]string{"0001:0030 0 8", "0001:0031 8 8", "0001:0031 16 8"}},
		{"more usages than fields: the rest is dropped", "75 08 95 01 09 30 09 31 81 02 09 32 81 02",
			[]string{"0001:0030 0 8", "0001:0032 8 8"}},
		{"padding counts bits and makes no field", "75 05 95 01 81 03 75 03 09 30 81 02",
			[]string{"0001:0030 5 3"}},
		{"push keeps size and count", "75 08 95 01 a4 75 10 95 02 b4 09 30 81 02", []string{"0001:0030 0 8"}},
		{"push keeps the page", "75 08 95 01 a4 05 84 b4 09 30 81 02", []string{"0001:0030 0 8"}},
		{"extended usage has its own page", "75 08 95 01 0b 30 00 84 00 81 02", []string{"Voltage 0 8"}},
		{"page after the usage binds at the main item", "75 08 95 01 09 30 05 84 81 02", []string{"Voltage 0 8"}},
		{"pages between usages stay with their usages", "75 08 95 02 09 30 05 84 09 30 81 02",
			[]string{"0001:0030 0 8", "Voltage 8 8"}},
		{"delimited set: the first is preferred", "75 08 95 02 a9 01 09 30 09 31 a9 00 09 32 81 02",
			[]string{"0001:0030|0001:0031 0 8", "0001:0032 8 8"}},
		{"long item is passed over", "75 08 95 01 fe 03 f0 01 02 03 09 30 81 02", []string{"0001:0030 0 8"}},
		{"fields of 64 bits", "75 40 95 01 09 30 81 02", []string{"0001:0030 0 64"}},
		{"strings and designators change nothing", "75 08 95 01 09 30 79 04 89 01 99 02 39 01 81 02",
			[]string{"0001:0030 0 8"}},
		{"no size, no field", "95 05 09 30 81 02", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range parse(t, hexBytes(t, in(tt.items))).Reports {
				for _, f := range r.Fields {
					name := f.Path[len(f.Path)-1].String()
					for _, a := range f.Aliases {
						name += "|" + a.String()
					}
					got = append(got, fmt.Sprint(name, " ", f.Offset, " ", f.Size))
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("fields = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseRefusesWhatHasNoOneMeaning(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"empty", "", "report descriptor is empty"},
		{"item cut short", "05 01 26 ff", "byte 2: item 0x26 is cut short: has 1 of 2 bytes"},
		{"long item cut short", "fe 09 f0 01", "byte 0: long item is cut short"},
		{"collection left open", "a1 01", "report descriptor ends within 1 collections"},
		{"collection closed twice", "a1 01 c0 c0", "byte 3: end of a collection that was not begun"},
		{"push left open", "a4", "report descriptor ends with 1 pushes not popped"},
		{"pop without push", "b4", "byte 0: pop without a push"},
		{"report id 0", "85 00", "byte 0: report id 0: want 1 to 255"},
		{"report id 256", "86 00 01", "byte 0: report id 256: want 1 to 255"},
		{"minimum alone", in("75 01 95 01 19 01 81 02"), "byte 12: usage minimum without a maximum"},
		{"maximum alone", in("29 01"), "byte 6: usage maximum without a minimum"},
		{"range upside down", in("19 05 29 01"), "byte 8: usages from 0001:0005 to 0001:0001 are no range"},
		{"range over two pages", in("1b 01 00 84 00 2b 02 00 85 00"), "usages from 0084:0001 to 0085:0002 are no range"},
		{"delimiter within delimiter", in("a9 01 a9 01"), "byte 8: delimited set within another"},
		{"delimiter closed first", in("a9 00"), "byte 6: end of a delimited set that was not begun"},
		{"delimiter of neither kind", in("a9 02"), "byte 6: delimiter 2: want 1 (open) or 0 (close)"},
		{"delimiter open at the main item", in("a9 01 09 30 81 02"), "byte 10: main item within a delimited set"},
		{"too deep", strings.Repeat("a1 00 ", 33), "byte 64: collections are nested deeper than 32"},
		{"too many pushes", strings.Repeat("a4 ", 33), "byte 32: more than 32 pushes"},
		{"too many usages", strings.Repeat("09 01 ", 1025), "byte 2048: more than 1024 usages for one item"},
		{"too many bits", in("75 ff 97 ff ff ff ff 09 30 81 02"), "Input report 0x00 is longer than 524280 bits"},
		{"too many fields", in("75 01 96 01 40 09 30 81 02"), "more than 16384 fields"},
		{"field too long", in("75 41 95 01 09 30 81 02"), "field of 65 bits: at most 64"},
		{"numbered and not", in("75 08 95 01 09 30 81 02 85 01 81 02"), "numbers some reports and not others"},
		{"longer than a transfer", strings.Repeat("00 ", 1<<16), "report descriptor has 65536 bytes: at most 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := hid.Parse(hexBytes(t, tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, %v, want an error with %q", d, err, tt.want)
			}
		})
	}
}

func TestInputAndFeatureOfOneIDHaveTheirOwnLengths(t *testing.T) {
	d := parse(t, hexBytes(t, in("85 07 75 08 95 01 09 30 81 02 95 03 09 31 b1 02")))
	for k, want := range map[hid.Key]int{{Type: hid.Input, ID: 7}: 1, {Type: hid.Feature, ID: 7}: 3} {
		r := d.Report(k)
		if r == nil || r.Bytes() != want {
			t.Errorf("%v = %+v, want %d bytes", k, r, want)
		}
	}
	if r := d.Report(hid.Key{Type: hid.Output, ID: 7}); r != nil {
		t.Errorf("an Output report that was not declared: %+v", r)
	}
}

func TestNumberedCollectionsAreToldApart(t *testing.T) {
	d := parse(t, hexBytes(t, "05 84 09 04 a1 01 75 08 95 01 09 20 a1 81 09 6d b1 02 c0 09 20 a1 82 09 6d b1 02 c0 09 6d b1 02 c0"))
	for _, name := range []string{"UPS.Outlet.[1].Used", "UPS.Outlet.[2].Used", "UPS.Used"} {
		if got := d.Find(hid.Feature, name); len(got) != 1 {
			t.Errorf("Find(%s) = %d fields, want 1", name, len(got))
		}
	}
}

func TestFieldsOfOnePathAreCounted(t *testing.T) {
	d := parse(t, hexBytes(t, in("75 08 95 01 09 30 81 02 09 30 81 02 09 30 b1 02")))
	name := d.Reports[0].Fields[0].Name()
	if got := d.Find(hid.Input, name); len(got) != 2 || got[0].Index != 0 || got[1].Index != 1 {
		t.Errorf("Find(Input) = %+v, want index 0 and 1", got)
	}
	if got := d.Find(hid.Feature, name); len(got) != 1 || got[0].Index != 0 {
		t.Errorf("Find(Feature) = %+v, want one of index 0", got)
	}
}

func TestArraySelectsUsages(t *testing.T) {
	f := parse(t, hexBytes(t, in("15 01 25 03 75 08 95 02 19 30 29 32 81 00"))).Reports[0].Fields[1]
	for raw, want := range map[byte]string{1: "0001:0030", 3: "0001:0032", 0: "", 4: ""} {
		v, ok := f.Extract([]byte{0, raw})
		if !ok {
			t.Fatal("field missing")
		}
		if u, ok := f.Select(v); ok != (want != "") || ok && u.String() != want {
			t.Errorf("Select(%d) = %v, %v, want %q", raw, u, ok, want)
		}
	}
}

func TestPayloadBelongsToTheReportThatWasAsked(t *testing.T) {
	numbered := parse(t, hexBytes(t, in("85 07 75 08 95 01 09 30 b1 02")))
	k := hid.Key{Type: hid.Feature, ID: 7}
	if p, err := numbered.Payload(k, []byte{7, 42}); err != nil || len(p) != 1 || p[0] != 42 {
		t.Errorf("Payload = %v, %v, want [42]", p, err)
	}
	for name, c := range map[string]struct {
		wire []byte
		want string
	}{
		"another report": {[]byte{8, 42}, "Feature report 0x07: the answer is report 0x08"},
		"nothing":        {nil, "Feature report 0x07: the answer is empty"},
	} {
		if _, err := numbered.Payload(k, c.wire); err == nil || err.Error() != c.want {
			t.Errorf("%s: error = %v, want %q", name, err, c.want)
		}
	}
	plain := parse(t, hexBytes(t, in("75 08 95 01 09 30 b1 02")))
	if p, err := plain.Payload(hid.Key{Type: hid.Feature}, []byte{42}); err != nil || p[0] != 42 {
		t.Errorf("without ids, Payload = %v, %v, want [42]", p, err)
	}
}

package hid_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lastwatt/drivers/usbhid/hid"
)

// lines returns the lines of a captured file without its notes.
func lines(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if l := strings.TrimSpace(s.Text()); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// devices returns the captured report descriptors by their file's name.
func devices(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../../hwtest/vups/testdata/*.hex")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captured devices: %v", err)
	}
	out := map[string][]byte{}
	for _, p := range paths {
		out[strings.TrimSuffix(filepath.Base(p), ".hex")] = hexBytes(t, strings.Join(lines(t, p), ""))
	}
	return out
}

func parse(t testing.TB, data []byte) *hid.Descriptor {
	t.Helper()
	d, err := hid.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// line writes a field as the .fields.txt files have it, from another decoder.
func line(f *hid.Field) string {
	phys := "-"
	if f.PhysicalMin < f.PhysicalMax {
		phys = fmt.Sprintf("%d..%d", f.PhysicalMin, f.PhysicalMax)
	}
	exponent := f.Exponent
	if f.Unit == hid.Volt || f.Unit == hid.Watt {
		exponent -= 7 // that decoder shows the exponent of the SI unit
	}
	return fmt.Sprintf("0x%02x %s off=%d size=%d log=%d..%d phys=%s unit=0x%x exp=%d flags=0x%03x %s",
		f.Report.ID, f.Report.Type, f.Offset, f.Size, f.LogicalMin, f.LogicalMax, phys,
		uint32(f.Unit), exponent, f.Flags, strings.ReplaceAll(f.Name(), ":", ""))
}

func TestCapturedDevicesReadAsAnotherDecoderReadsThem(t *testing.T) {
	// It marks an empty physical range and a corrected maximum.
	other := strings.NewReplacer("phys=0..0", "phys=-", "(assumed)", "")
	for name, data := range devices(t) {
		t.Run(name, func(t *testing.T) {
			want := map[string]int{}
			for _, l := range lines(t, "../../../hwtest/vups/testdata/"+name+".fields.txt") {
				want[other.Replace(strings.Join(strings.Fields(l), " "))]++
			}
			for _, r := range parse(t, data).Reports {
				for _, f := range r.Fields {
					l := line(f)
					if want[l] == 0 {
						t.Errorf("not read by the other decoder: %s", l)
					}
					want[l]--
				}
			}
			for l, n := range want {
				if n > 0 && !strings.Contains(l, "(pad)") {
					t.Errorf("read by the other decoder only: %s", l)
				}
			}
		})
	}
}

func TestDamagedReadShowsReservedItemsAndAnotherRoot(t *testing.T) {
	d := parse(t, devices(t)["0764-0501-VP1600ELCD-CORRUPTED"])
	if len(d.Reserved) == 0 {
		t.Error("no reserved item seen in the damaged descriptor")
	}
	if got := d.Applications[0].String(); got == "UPS" {
		t.Errorf("root = %s, want another usage", got)
	}
	for name, data := range devices(t) {
		if d := parse(t, data); !strings.HasSuffix(name, "CORRUPTED") && len(d.Reserved) > 0 {
			t.Errorf("%s: reserved items at %v, want none", name, d.Reserved)
		}
	}
}

// The vectors with a mask and a clamp are another program's choice; this
// package keeps what the device said and calls it out of range.
func TestExtractAgreesWithKnownVectors(t *testing.T) {
	for _, l := range lines(t, "../../../hwtest/vups/testdata/nut-getvaluetest.txt") {
		c := strings.Split(l, ";")
		num := func(i int) int64 {
			n, err := strconv.ParseInt(strings.TrimSpace(c[i]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		from, to, isRange := strings.Cut(strings.TrimSpace(c[1]), "..")
		first, _ := strconv.Atoi(from)
		last := first
		if isRange {
			last, _ = strconv.Atoi(to)
		}
		for at := first; at <= last; at++ {
			f := hid.Field{Offset: uint32(at), Size: uint32(num(2)), LogicalMin: num(3), LogicalMax: num(4)}
			v, ok := f.Extract(hexBytes(t, c[0])[1:])
			if !ok {
				t.Fatalf("%s: field missing", l)
			}
			if v.Raw != num(5) && !v.OutOfRange {
				t.Errorf("%s: bit %d = %d", l, at, v.Raw)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, data := range devices(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := hid.Parse(data)
		if err != nil {
			return
		}
		for _, r := range d.Reports {
			payload := make([]byte, r.Bytes())
			for i := range payload {
				payload[i] = byte(i*37 + len(data))
			}
			for _, fd := range r.Fields {
				v, ok := fd.Extract(payload)
				if !ok {
					t.Fatalf("%s at %d+%d is beyond its report of %d bits", fd.Name(), fd.Offset, fd.Size, r.Bits)
				}
				before := string(payload)
				if err := fd.Insert(payload, v.Raw); err != nil && fd.Size < 64 {
					t.Fatalf("insert what was extracted: %v", err)
				}
				if string(payload) != before {
					t.Fatalf("%s: inserting its own value changed the report", fd.Name())
				}
				fd.Logical(fd.Physical(v.Raw))
				fd.Select(v)
			}
		}
	})
}

// long is a descriptor of 2149 bytes, the length of the longest known: the
// captured Eaton's, with its battery collections said again.
func long(b *testing.B) []byte {
	data := devices(b)["0463-ffff-Eaton-3S700"]
	out := append([]byte{}, data...)
	for len(out) < 2149-len(data) {
		out = append(out, data...)
	}
	for len(out) < 2149 {
		out = append(out, 0x14) // a logical minimum of 0: an item like another
	}
	return out[:2149]
}

func BenchmarkParse560(b *testing.B)  { benchmarkParse(b, devices(b)["0764-0501-VP1600ELCD"]) }
func BenchmarkParse2149(b *testing.B) { benchmarkParse(b, long(b)) }

func benchmarkParse(b *testing.B, data []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := hid.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeReport decodes the status report of a VP1600ELCD: six fields of
// one bit, to their physical values.
func BenchmarkDecodeReport(b *testing.B) {
	d := parse(b, devices(b)["0764-0501-VP1600ELCD"])
	k := hid.Key{Type: hid.Feature, ID: 0x22}
	r := d.Report(k)
	wire := []byte{0x22, 0x09}
	b.ReportAllocs()
	for b.Loop() {
		payload, err := d.Payload(k, wire)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range r.Fields {
			v, ok := f.Extract(payload)
			if !ok {
				b.Fatal("a field is missing")
			}
			f.Physical(v.Raw)
		}
	}
}

// FuzzReport decodes any bytes as any report of the captured devices.
func FuzzReport(f *testing.F) {
	var all []*hid.Descriptor
	captured := devices(f)
	for _, name := range slices.Sorted(maps.Keys(captured)) {
		d := parse(f, captured[name])
		all = append(all, d)
		if strings.HasSuffix(name, "CORRUPTED") {
			continue
		}
		for _, l := range lines(f, "../../../hwtest/vups/testdata/"+name+".reports") {
			f.Add(uint8(len(all)-1), uint8(hid.Feature), hexBytes(f, l))
		}
	}
	f.Fuzz(func(t *testing.T, which, kind uint8, wire []byte) {
		d := all[int(which)%len(all)]
		k := hid.Key{Type: hid.ReportType(kind)}
		if len(wire) > 0 {
			k.ID = wire[0]
		}
		r := d.Report(k)
		payload, err := d.Payload(k, wire)
		if r == nil || err != nil {
			return
		}
		for _, fd := range r.Fields {
			v, ok := fd.Extract(payload)
			if ok != (int(fd.Offset+fd.Size) <= 8*len(payload)) {
				t.Fatalf("%s of %d bytes: found %t", fd.Name(), len(payload), ok)
			}
			if !ok {
				continue
			}
			if p := fd.Physical(v.Raw); p != p {
				t.Fatalf("%s: %d is not a number", fd.Name(), v.Raw)
			}
		}
	})
}

package maps

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, name := range BuiltIn() {
		text, err := Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), []byte("\x00\x01\xff\xff"))
	}
	f.Add(sound, []byte("12345678"))
	f.Add("fields: {volts: {function: input, type: bool, mask: 3, bit: 16}}", []byte{})
	f.Add("a: &a [*a]", []byte{})
	f.Add("device: ups\nfields: {volts: {invalid: [0]}}", []byte{})
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		m, err := Parse("fuzz.yaml", []byte(text))
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if strings.HasPrefix(line, "fuzz.yaml") {
					return
				}
			}
			t.Fatalf("an error that does not name the file: %v", err)
		}
		if m.Guard[0].bytes() == m.Guard[1].bytes() {
			t.Errorf("a guard whose answers have the same length: %v", m.Guard)
		}
		read, values := map[int]bool{}, Values{}
		for _, b := range m.Blocks() {
			if b.Count == 0 || b.bytes() > 250 || int(b.Address)+int(b.Count) > 1<<16 {
				t.Errorf("a request that cannot be sent: %+v", b.Read)
			}
			answer := make([]byte, b.bytes())
			copy(answer, data)
			for _, i := range b.Fields {
				read[i] = true
				f := m.Fields[i]
				part, bit, ok := b.Part(f, answer)
				if !ok {
					t.Fatalf("%+v is not in %+v", f, b)
				}
				v, absent := f.Decode(part, bit)
				if absent != "" {
					continue
				}
				if f.Least != nil && !v.IsText && v.Number < *f.Least || f.Greatest != nil && !v.IsText && v.Number > *f.Greatest {
					t.Errorf("%s is %v: beyond its bounds", f.Name, v)
				}
				values[f.Name] = v
			}
		}
		if len(read) != len(m.Fields) {
			t.Errorf("%d of %d fields are read", len(read), len(m.Fields))
		}
		m.Percentages(values)
		m.Fact("it", values, nil, Limits{})
	})
}

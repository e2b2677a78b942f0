package maps

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Type is how a value is written in registers.
type Type string

// types are the types, with the registers that they take; 0 is a text, as long as
// its count says.
func types() map[Type]int {
	return map[Type]int{"bool": 1, "u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4, "text": 0}
}

// A Value is what a field says: a number, or a text.
type Value struct {
	Number float64 // 1 is true and 0 false
	Text   string
	// IsText is whether it is a text.
	IsText bool
}

func (v Value) String() string {
	if v.IsText {
		return v.Text
	}
	return plain(v.Number)
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// Decode makes a value of the bytes that came. Where there is none, absent says
// why: a value that cannot be true is never 0.
func (f Field) Decode(part []byte, bit int) (v Value, absent string) {
	if f.Function.bits() {
		on := part[0] >> bit & 1
		return f.bounded(float64(on), uint64(on))
	}
	words := f.ordered(part)
	if f.Type == "text" {
		return f.text(words)
	}
	var raw uint64
	for _, b := range words {
		raw = raw<<8 | uint64(b)
	}
	width := 8 * len(words)
	whole := signed(raw, width)
	if f.Type[0] == 'u' || f.Type == "bool" {
		whole = int64(raw)
	}
	if f.Type[0] != 'f' && (slices.Contains(f.Invalid, whole) || slices.Contains(f.Invalid, int64(raw))) {
		return Value{}, fmt.Sprintf("0x%0*X says that there is none", width/4, raw)
	}
	if f.Mask != 0 {
		whole = int64(raw & f.Mask >> shift(f.Mask))
	}
	if f.Texts != nil {
		text, ok := f.Texts[whole]
		if !ok {
			return Value{}, fmt.Sprintf("%d has no meaning in the map", whole)
		}
		return Value{Text: text, IsText: true}, ""
	}
	n := float64(whole)
	switch {
	case f.Type == "f32":
		n = float64(math.Float32frombits(uint32(raw)))
	case f.Type == "f64":
		n = math.Float64frombits(raw)
	case f.Type[0] == 'u' && f.Mask == 0:
		n = float64(raw)
	}
	return f.bounded(n, raw)
}

func (f Field) bounded(n float64, raw uint64) (Value, string) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return Value{}, "no number"
	}
	if f.Type[0] == 'f' && slices.ContainsFunc(f.Invalid, func(i int64) bool { return float64(i) == n || uint64(i) == raw }) {
		return Value{}, fmt.Sprintf("%v says that there is none", n)
	}
	// Rounded to 15 digits: 2300 * 0.1 is 230, and not 230.00000000000003.
	n, _ = strconv.ParseFloat(strconv.FormatFloat(n*f.Scale+f.Offset, 'g', 15, 64), 64)
	switch {
	case f.Least != nil && n < *f.Least:
		return Value{}, fmt.Sprintf("%s cannot be true: it is below %s", plain(n), plain(*f.Least))
	case f.Greatest != nil && n > *f.Greatest:
		return Value{}, fmt.Sprintf("%s cannot be true: it is above %s", plain(n), plain(*f.Greatest))
	case f.Type == "bool" && n != 0 && n != 1:
		return Value{}, fmt.Sprintf("%v is neither 0 nor 1", n)
	}
	return Value{Number: n}, ""
}

// ordered puts the highest byte first.
func (f Field) ordered(part []byte) []byte {
	b := slices.Clone(part)
	if f.LittleBytes {
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	}
	if f.LittleWords {
		for i, j := 0, len(b)-2; i < j; i, j = i+2, j-2 {
			w, x := binary.BigEndian.Uint16(b[i:]), binary.BigEndian.Uint16(b[j:])
			binary.BigEndian.PutUint16(b[i:], x)
			binary.BigEndian.PutUint16(b[j:], w)
		}
	}
	return b
}

// text is what can be printed, without what fills it up.
func (f Field) text(b []byte) (Value, string) {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(latin(b)))
	s = strings.TrimSpace(s)
	if s == "" {
		return Value{}, "empty"
	}
	return Value{Text: s, IsText: true}, ""
}

// latin makes a rune of each byte.
func latin(b []byte) []rune {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return runes
}

// Check holds what came for a check of the identity against it.
func (f Field) Check(part []byte, bit int) error {
	v, absent := f.Decode(part, bit)
	where := fmt.Sprintf("%s %d", f.Function, f.Address)
	switch {
	case absent != "":
		return fmt.Errorf("%s: %s", where, absent)
	case f.Equals != "" && v.String() != f.Equals:
		return fmt.Errorf("%s: want %q (got %q)", where, f.Equals, v)
	}
	return nil
}

func signed(raw uint64, width int) int64 {
	return int64(raw<<(64-width)) >> (64 - width)
}

// shift is how many zeros a mask ends with.
func shift(mask uint64) int {
	n := 0
	for mask&1 == 0 {
		mask, n = mask>>1, n+1
	}
	return n
}

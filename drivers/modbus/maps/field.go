package maps

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// field reads one field, or one check of the identity.
func (p *parser) field(at string, n *yaml.Node) Field {
	part := fieldPart{Scale: 1}
	if n.Kind != yaml.MappingNode {
		p.wrong(n.Line, "%s: want a section such as {function: input, address: 0, type: u16}", at)
		return Field{}
	}
	before := len(p.problems)
	p.take(at, n.Load(&part, yaml.WithKnownFields()), &part)
	if len(p.problems) > before {
		return Field{}
	}
	f := Field{
		Function: part.Function, Address: uint16(part.Address), Type: part.Type, LittleWords: part.Words == "little", LittleBytes: part.Bytes == "little",
		Scale: part.Scale, Offset: part.Offset, Mask: part.Mask, Texts: part.Texts, Invalid: part.Invalid, Least: part.Least, Greatest: part.Greatest,
		PercentOf: part.PercentOf, Once: part.Once, Optional: part.Optional, Equals: part.Equals,
	}
	if f.Function.bits() && f.Type == "" {
		f.Type = "bool"
	}
	f.Registers = types()[f.Type]
	if f.Type == "text" {
		f.Registers = part.Count
	}
	if part.Bit != nil && *part.Bit >= 0 && *part.Bit < 16 {
		f.Mask = 1 << *part.Bit
	}
	for _, check := range []func(Field) string{part.place, part.order, part.bits, part.values} {
		if wrong := check(f); wrong != "" {
			p.wrong(n.Line, "%s: %s", at, wrong)
			break
		}
	}
	return f
}

// A rule is something that may be wrong, and what to say then.
type rule struct {
	broken bool
	text   string
}

// first is what is wrong by the first rule that is broken, or nothing.
func first(rules ...rule) string {
	if i := slices.IndexFunc(rules, func(r rule) bool { return r.broken }); i >= 0 {
		return rules[i].text
	}
	return ""
}

// place says what is wrong about where a field is, and how long.
func (part fieldPart) place(f Field) string {
	_, known := types()[f.Type]
	return first(
		rule{!slices.Contains([]Function{Coil, Discrete, Holding, Input}, f.Function), fmt.Sprintf("function: want coil, discrete, holding or input (got %q)", f.Function)},
		rule{part.Address < 0 || part.Address+max(1, f.Registers) > 1<<16, fmt.Sprintf("address: want 0 to 65535, as on the wire: one less than 1, 30001 or 40001 of many manuals (got %d)", part.Address)},
		rule{!known, fmt.Sprintf("type: want one of bool, u16, i16, u32, i32, u64, i64, f32, f64 or text (got %q)", f.Type)},
		rule{f.Function.bits() && f.Type != "bool", fmt.Sprintf("type: a %s is a bool (got %q)", f.Function, f.Type)},
		rule{f.Type == "text" && (part.Count < 1 || part.Count > 60), fmt.Sprintf("count: a text needs its number of registers, 1 to 60 (got %d)", part.Count)},
		rule{f.Type != "text" && part.Count != 0, fmt.Sprintf("count: it is for texts; the type %s has its own: remove it", f.Type)},
	)
}

// order says what is wrong about the order of words and bytes.
func (part fieldPart) order(Field) string {
	return first(
		rule{part.Words != "" && part.Words != "big" && part.Words != "little", fmt.Sprintf("words: want big (the higher word first) or little (got %q)", part.Words)},
		rule{part.Bytes != "" && part.Bytes != "big" && part.Bytes != "little", fmt.Sprintf("bytes: want big (the higher byte first) or little (got %q)", part.Bytes)},
	)
}

// bits says what is wrong about the bits that count.
func (part fieldPart) bits(f Field) string {
	return first(
		rule{part.Bit != nil && (f.Type != "bool" || f.Function.bits() || *part.Bit < 0 || *part.Bit > 15), "bit: want 0 to 15, of a register, with type: bool"},
		rule{part.Bit != nil && part.Mask != 0, "bit, mask: bit: alone says which one counts: remove mask:"},
		rule{part.Bit == nil && f.Type == "bool" && f.Mask != 0, "mask: name the bit instead, such as bit: 3"},
		rule{f.Mask != 0 && (f.Type == "text" || f.float()), "mask: it is for whole numbers: remove it"},
		rule{f.Registers < 4 && f.Mask>>(16*f.Registers) != 0, fmt.Sprintf("mask: a %s has %d bits: want 1 to %#x (got %#x)", f.Type, 16*f.Registers, uint64(1)<<(16*f.Registers)-1, f.Mask)},
	)
}

// values says what is wrong about what becomes of the bits.
func (part fieldPart) values(f Field) string {
	nan := func(v *float64) bool { return v != nil && math.IsNaN(*v) }
	return first(
		rule{f.Scale == 0 || math.IsNaN(f.Scale) || math.IsInf(f.Scale, 0) || math.IsNaN(f.Offset) || math.IsInf(f.Offset, 0), "scale, offset: want numbers, and no scale of 0"},
		rule{f.Texts != nil && (f.Type == "text" || f.Type == "bool" || f.float()), "texts: it is for whole numbers: remove it"},
		rule{f.Invalid != nil && (f.Type == "text" || f.Function.bits()), "invalid: it is for numbers in registers: remove it"},
		rule{slices.ContainsFunc(f.Invalid, f.beyond), fmt.Sprintf("invalid: want raw values that a %s can have, such as [%#x] (got %v)", f.Type, uint64(1)<<(min(63, 16*f.Registers))-1, f.Invalid)},
		rule{nan(f.Least) || nan(f.Greatest), "least, greatest: want numbers"},
		rule{f.Least != nil && f.Greatest != nil && *f.Least > *f.Greatest, "least: it is above greatest"},
	)
}

func (f Field) float() bool { return strings.HasPrefix(string(f.Type), "f") }

// beyond is whether no register of the field's type can have a raw value.
func (f Field) beyond(raw int64) bool {
	width := 16 * f.Registers
	if f.float() || width >= 64 {
		return false
	}
	least := int64(0)
	if f.Type[0] == 'i' {
		least = -1 << (width - 1)
	}
	return raw < least || raw >= 1<<width
}

package maps

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// filePart are the keys of a map.
type filePart struct {
	About    string        `yaml:"about"`
	Source   string        `yaml:"source"`
	Device   Device        `yaml:"device"`
	Method   string        `yaml:"method"`
	Serial   Serial        `yaml:"serial"`
	Unit     int           `yaml:"unit"`
	Pause    time.Duration `yaml:"pause"`
	Gap      int           `yaml:"gap"`
	Most     int           `yaml:"most"`
	Hangup   bool          `yaml:"hangup"`
	Guard    []Read        `yaml:"guard"`
	Identity []yaml.Node   `yaml:"identity"`
	Fields   yaml.Node     `yaml:"fields"`
	Outputs  *Outputs      `yaml:"outputs"`
}

// fieldPart are the keys of a field.
type fieldPart struct {
	Function  Function         `yaml:"function"`
	Address   int              `yaml:"address"`
	Type      Type             `yaml:"type"`
	Count     int              `yaml:"count"`
	Words     string           `yaml:"words"`
	Bytes     string           `yaml:"bytes"`
	Scale     float64          `yaml:"scale"`
	Offset    float64          `yaml:"offset"`
	Mask      uint64           `yaml:"mask"`
	Bit       *int             `yaml:"bit"`
	Texts     map[int64]string `yaml:"texts"`
	Invalid   []int64          `yaml:"invalid"`
	Least     *float64         `yaml:"least"`
	Greatest  *float64         `yaml:"greatest"`
	PercentOf string           `yaml:"percent_of"`
	Once      bool             `yaml:"once"`
	Optional  bool             `yaml:"optional"`
	Equals    string           `yaml:"equals"`
}

// A parser collects what is wrong in a file.
type parser struct {
	path     string
	problems []problem
}

type problem struct {
	line int
	text string
}

func (p *parser) wrong(line int, format string, args ...any) {
	p.problems = append(p.problems, problem{line, fmt.Sprintf(format, args...)})
}

// err is all that is wrong, a line each: file, line, what, and what to write
// instead.
func (p *parser) err() error {
	slices.SortStableFunc(p.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []error
	for _, one := range p.problems {
		where := p.path
		if one.line > 0 {
			where = fmt.Sprintf("%s:%d", p.path, one.line)
		}
		lines = append(lines, fmt.Errorf("%s: %s", where, one.text))
	}
	return errors.Join(lines...)
}

// Parse reads the text of a map. path is for its errors and its name.
func Parse(path string, text []byte) (Map, error) {
	p := &parser{path: path}
	part := filePart{Unit: 1, Most: 60, Serial: Serial{Baud: 9600, Parity: "none", DataBits: 8, StopBits: 1}}
	p.take("", yaml.Load(text, &part, yaml.WithKnownFields()), &part)
	if len(p.problems) > 0 {
		return Map{}, p.err()
	}
	m := Map{
		Name: nameOf(path), About: part.About, Source: part.Source, Device: part.Device, Method: part.Method, Serial: part.Serial,
		Unit: byte(part.Unit), Pause: part.Pause, Gap: part.Gap, Most: part.Most, Hangup: part.Hangup, Guard: part.Guard, Outputs: part.Outputs,
	}
	if !slices.Contains([]Device{UPS, Meter, Rail, Relay}, m.Device) {
		p.wrong(0, "device: want ups, meter, rail or relay (got %q)", m.Device)
		return m, p.err()
	}
	p.fields(&m, part)
	if len(p.problems) == 0 {
		p.whole(&m, part)
	}
	return m, p.err()
}

func (p *parser) fields(m *Map, part filePart) {
	for i := range part.Identity {
		n := &part.Identity[i]
		at := fmt.Sprintf("identity[%d]", i)
		f := p.field(at, n)
		if f.Equals == "" && f.Least == nil && f.Greatest == nil {
			p.wrong(n.Line, "%s: it accepts every value: give it equals:, least: or greatest:", at)
		}
		m.Identity = append(m.Identity, f)
	}
	n := part.Fields
	if n.Kind != 0 && n.Kind != yaml.MappingNode {
		p.wrong(n.Line, "fields: want a section with a key for each field")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, at := n.Content[i].Value, "fields."+n.Content[i].Value
		f := p.field(at, n.Content[i+1])
		f.Name = name
		if why := m.Device.fits(f); why != "" && f.Type != "" {
			p.wrong(n.Content[i].Line, "%s: %s", at, why)
		}
		if f.Equals != "" {
			p.wrong(n.Content[i+1].Line, "%s: equals: is for checks of the identity: remove it", at)
		}
		m.Fields = append(m.Fields, f)
	}
}

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
	registers, known := types()[f.Type]
	f.Registers = registers
	if f.Type == "text" {
		f.Registers = part.Count
	}
	if part.Bit != nil && *part.Bit >= 0 && *part.Bit < 16 {
		f.Mask = 1 << *part.Bit
	}
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{!slices.Contains([]Function{Coil, Discrete, Holding, Input}, f.Function), fmt.Sprintf("function: want coil, discrete, holding or input (got %q)", f.Function)},
		{part.Address < 0 || part.Address+max(1, f.Registers) > 1<<16, fmt.Sprintf("address: want 0 to 65535, as on the wire: one less than 1, 30001 or 40001 of many manuals (got %d)", part.Address)},
		{!known, fmt.Sprintf("type: want one of bool, u16, i16, u32, i32, u64, i64, f32, f64 or text (got %q)", f.Type)},
		{f.Function.bits() && f.Type != "bool", fmt.Sprintf("type: a %s is a bool (got %q)", f.Function, f.Type)},
		{f.Type == "text" && (part.Count < 1 || part.Count > 60), fmt.Sprintf("count: a text needs its number of registers, 1 to 60 (got %d)", part.Count)},
		{f.Type != "text" && part.Count != 0, fmt.Sprintf("count: it is for texts; the type %s has its own: remove it", f.Type)},
		{part.Words != "" && part.Words != "big" && part.Words != "little", fmt.Sprintf("words: want big (the higher word first) or little (got %q)", part.Words)},
		{part.Bytes != "" && part.Bytes != "big" && part.Bytes != "little", fmt.Sprintf("bytes: want big (the higher byte first) or little (got %q)", part.Bytes)},
		{f.Scale == 0 || math.IsNaN(f.Scale) || math.IsInf(f.Scale, 0) || math.IsNaN(f.Offset) || math.IsInf(f.Offset, 0), "scale, offset: want numbers, and no scale of 0"},
		{part.Bit != nil && (f.Type != "bool" || f.Function.bits() || *part.Bit < 0 || *part.Bit > 15), "bit: want 0 to 15, of a register, with type: bool"},
		{part.Bit == nil && f.Type == "bool" && f.Mask != 0, "mask: name the bit instead, such as bit: 3"},
		{f.Mask != 0 && (f.Type == "text" || strings.HasPrefix(string(f.Type), "f")), "mask: it is for whole numbers: remove it"},
		{f.Texts != nil && (f.Type == "text" || f.Type == "bool" || strings.HasPrefix(string(f.Type), "f")), "texts: it is for whole numbers: remove it"},
		{f.Least != nil && f.Greatest != nil && *f.Least > *f.Greatest, "least: it is above greatest"},
	} {
		if rule.broken {
			p.wrong(n.Line, "%s: %s", at, rule.text)
			break
		}
	}
	return f
}

// take turns the library's messages into ours.
func (p *parser) take(at string, err error, into any) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "no documents"):
		p.wrong(0, "the file is empty: lastwatt modbus maps --out DIR writes examples")
	case errors.As(err, &all):
		for _, e := range all.Errors {
			p.wrong(e.Mark.Line, "%s", reword(at, e.Message, into))
		}
	case errors.As(err, &one):
		p.wrong(one.Mark.Line, "%s", reword(at, one.Message, into))
	default:
		p.wrong(0, "%s", reword(at, err.Error(), into))
	}
}

func reword(at, text string, into any) string {
	if at != "" {
		at += ": "
	}
	if m := regexp.MustCompile(`field (\S+) not found in type (\S+)`).FindStringSubmatch(text); m != nil {
		keys := keysOf(reflect.TypeOf(into).Elem())
		switch m[2] {
		case "maps.Serial":
			keys = keysOf(reflect.TypeFor[Serial]())
		case "maps.Read":
			keys = keysOf(reflect.TypeFor[Read]())
		case "maps.Outputs":
			keys = keysOf(reflect.TypeFor[Outputs]())
		}
		return fmt.Sprintf("%sunknown key %q: want one of %s", at, m[1], strings.Join(keys, ", "))
	}
	if m := regexp.MustCompile("(?s)cannot (?:construct|unmarshal) !!(\\w+)(?: `(.*?)`)? into (\\S+)").FindStringSubmatch(text); m != nil {
		want := "a section of keys"
		switch t := m[3]; {
		case t == "time.Duration":
			want = "a time such as 50ms"
		case t == "bool":
			want = "true or false"
		case strings.HasPrefix(t, "float"):
			want = "a number"
		case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
			want = "a whole number in range, such as 16 or 0x10"
		case t == "string", t == "maps.Function", t == "maps.Type", t == "maps.Device":
			want = "a word"
		case strings.HasPrefix(t, "[]"):
			want = "a list"
		}
		return fmt.Sprintf("%swant %s (got %q)", at, want, m[2])
	}
	return at + strings.TrimPrefix(text, "yaml: ")
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

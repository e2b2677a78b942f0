package maps

import (
	"cmp"
	"errors"
	"fmt"
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
	lines    map[string]int // of the keys of the file
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
	p := &parser{path: path, lines: linesOf(text)}
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
		p.wrong(p.lines["device"], "device: want ups, meter, rail or relay (got %q)", m.Device)
		return m, p.err()
	}
	p.fields(&m, part)
	if len(p.problems) == 0 {
		p.whole(&m, part)
	}
	return m, p.err()
}

// linesOf are the lines of the keys of a file; none where it is not YAML.
func linesOf(text []byte) map[string]int {
	var doc yaml.Node
	lines := map[string]int{}
	if yaml.Load(text, &doc) != nil || len(doc.Content) == 0 {
		return lines
	}
	keys := doc.Content[0].Content
	for i := 0; i+1 < len(keys); i += 2 {
		lines[keys[i].Value] = keys[i].Line
	}
	return lines
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
		if slices.ContainsFunc(m.Fields, func(o Field) bool { return o.Name == name }) {
			p.wrong(n.Content[i].Line, "%s: there are two of this name: remove one", at)
		}
		f := p.field(at, n.Content[i+1])
		f.Name = name
		if why := m.Device.fits(f); why != "" && f.Type != "" {
			p.wrong(n.Content[i].Line, "%s: %s", at, why)
		}
		m.Device.bound(&f)
		if f.Equals != "" {
			p.wrong(n.Content[i+1].Line, "%s: equals: is for checks of the identity: remove it", at)
		}
		m.Fields = append(m.Fields, f)
	}
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

package gpio

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	for _, tt := range []struct{ name, section, want string }{
		{"nothing", `{}`, `nothing to do: list fans, rails, outputs, or mains`},
		{"poll", `{poll: 1m, mains: {line: GPIO1}}`, `poll: want 100ms to 10s (got 1m0s)`},
		{"no name", `fans: [{line: GPIO1}]`, `fans[0]: no name: give it one`},
		{"no line", `rails: [{name: 5v}]`, `rails[0] "5v": no line: write its name, such as GPIO17, or LABEL:OFFSET`},
		{"two of a name", `fans: [{name: a, line: GPIO1}, {name: a, line: GPIO2}]`, `fans[1] "a": there are two of this name`},
		{"two of a line", `{fans: [{name: a, line: GPIO1}], rails: [{name: b, line: GPIO1}]}`, `rails[0] "b": line GPIO1 is used twice`},
		{"mains on a used line", `{fans: [{name: a, line: GPIO1}], mains: {line: GPIO1}}`, `mains: line GPIO1 is used twice`},
		{"pulses", `fans: [{name: a, line: GPIO1, pulses: 20}]`, `fans[0] "a": pulses: want 1 to 8 in a revolution, mostly 2 (got 20)`},
		{"speeds", `fans: [{name: a, line: GPIO1, min_rpm: 3000, max_rpm: 300}]`, `fans[0] "a": want min_rpm below max_rpm, both 1 to 40000 (got 3000 and 300)`},
		{"no number", `fans: [{name: a, line: GPIO1, max_rpm: .nan}]`, `fans[0] "a": want min_rpm below max_rpm, both 1 to 40000 (got 300 and NaN)`},
		{"spin_up", `fans: [{name: a, line: GPIO1, spin_up: 1h}]`, `fans[0] "a": spin_up: want 1ms to 5m0s (got 1h0m0s)`},
		{"power", `fans: [{name: a, line: GPIO1, power: relay}]`, `fans[0] "a": power: no output is called "relay"`},
		{"bias", `rails: [{name: a, line: GPIO1, bias: up}]`, `rails[0] "a": bias: want one of ["pull-up" "pull-down" "none"], or leave it out (got "up")`},
		{"debounce", `mains: {line: GPIO1, debounce: 1m}`, `mains: debounce: want 1ms to 10s (got 1m0s)`},
		{"safe", `outputs: [{name: a, line: GPIO1}]`, `outputs[0] "a": safe: want on or off, what it is when nothing drives it (got "")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Kind().New(func(into any) error { return yaml.Load([]byte(tt.section), into, yaml.WithKnownFields()) }, testOptions())
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestWhatIsLeftOutHasADefault(t *testing.T) {
	c := configured(t, `{fans: [{name: a, line: GPIO1}], mains: {line: GPIO2}}`)
	f, m := c.Fans[0], c.Mains
	if f.Pulses != 2 || f.MinRPM != 300 || f.MaxRPM != 3000 || f.SpinUp != defaultSpinUp || f.Bias != "pull-up" || m.Name != "mains" || m.Debounce != defaultDebounce || c.Poll != defaultPoll {
		t.Errorf("got %+v, mains %+v", c, m)
	}
}

func TestTheDriverSwitches(t *testing.T) {
	d, err := Kind().New(func(into any) error { return yaml.Load([]byte(rackSection), into, yaml.WithKnownFields()) }, testOptions())
	if _, ok := d.(drivers.Switcher); !ok || err != nil {
		t.Errorf("%T is no drivers.Switcher (%v)", d, err)
	}
	if k := Kind(); !k.Sensor || k.UPS || !strings.EqualFold(k.Name, "gpio") {
		t.Errorf("kind: %+v", k)
	}
}

// keys are the yaml keys of a struct, and of those within it as a.b.
func keys(of reflect.Type, within string) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	var found []string
	for f := range of.Fields() {
		name := within + strings.Split(f.Tag.Get("yaml"), ",")[0]
		found = append(found, name)
		if k := f.Type.Kind(); k == reflect.Slice || k == reflect.Pointer {
			found = append(found, keys(f.Type, name+".")...)
		}
	}
	return found
}

// written are the keys that stand in a tree.
func written(tree any, within string, into map[string]bool) {
	switch tree := tree.(type) {
	case []any:
		for _, t := range tree {
			written(t, within, into)
		}
	case map[string]any:
		for k, t := range tree {
			into[within+k] = true
			written(t, within+k+".", into)
		}
	}
}

func TestTheReferenceHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../configs/reference-agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sensors []map[string]any `yaml:"sensors"`
	}
	if err := yaml.Load(data, &file); err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, s := range file.Sensors {
		if s["driver"] == "gpio" {
			written(s, "", has)
		}
	}
	for _, k := range keys(reflect.TypeFor[config](), "") {
		if !has[k] {
			t.Errorf("configs/reference-agent.yaml: the entry of the driver gpio lacks %s", k)
		}
	}
}

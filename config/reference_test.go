package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers/all"
)

// keys are the yaml keys of a struct.
func keys(v any) []string {
	var all []string
	for t, i := reflect.TypeOf(v), 0; i < t.NumField(); i++ {
		all = append(all, strings.Split(t.Field(i).Tag.Get("yaml"), ",")[0])
	}
	return all
}

func mapping(t *testing.T, v any) map[string]any {
	t.Helper()
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("want a section, got %T", v)
	}
	return m
}

func TestTheReferenceHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("../configs/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.Replace(string(data), "  # listen:", "  listen:", 1))   // it does not go with a broker elsewhere
	data = []byte(strings.Replace(string(data), "    # waker:", "    waker:", 1)) // nor this with wake: ups
	var tree map[string]any
	if err := yaml.Load(data, &tree); err != nil {
		t.Fatal(err)
	}
	policy := mapping(t, tree["policy"])
	first := func(v any) any { return v.([]any)[0] }
	for _, c := range []struct {
		section string
		in      any
		of      any
		more    []string // keys of the driver
	}{
		{"the file", tree, file{}, nil},
		{"ups[0]", first(tree["ups"]), upsPart{}, []string{"transport", "vendor", "product", "serial", "path", "poll", "scale", "profile"}},
		{"nodes.node01", mapping(t, tree["nodes"])["node01"], nodePart{}, nil},
		{"nodes.node01.waker", mapping(t, mapping(t, tree["nodes"])["node01"])["waker"], Waker{}, nil},
		{"policy", policy, Policy{}, nil},
		{"policy.budgets", policy["budgets"], Budgets{}, nil},
		{"policy.stages[0]", first(policy["stages"]), Stage{}, nil},
		{"swarm", tree["swarm"], swarmPart{}, nil},
		{"mqtt", tree["mqtt"], MQTT{}, nil},
		{"alerts[0]", first(tree["alerts"]), Alert{}, nil},
		{"controller", tree["controller"], Controller{}, nil},
	} {
		in, want := mapping(t, c.in), append(keys(c.of), c.more...)
		for _, k := range want {
			if _, ok := in[k]; !ok {
				t.Errorf("%s lacks %q", c.section, k)
			}
		}
		for k := range in {
			if !slices.Contains(want, k) {
				t.Errorf("%s has %q, which no struct has", c.section, k)
			}
		}
	}
}

func TestTheReferencesAndExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("../configs/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, f := range append(files, "../configs/reference.yaml") {
		if _, err := Load(f, all.Kinds()); err != nil {
			t.Error(err)
		}
	}
	a, err := LoadAgent("../configs/reference-agent.yaml", all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := 0, reflect.ValueOf(a); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Docker" {
			t.Errorf("the agent's reference leaves out %s", name)
		}
	}
}

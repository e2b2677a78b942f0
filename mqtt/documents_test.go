package mqtt

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/drivers"
	"lastwatt/rack"
)

// golden compares messages with a file below testdata, one topic a paragraph.
func golden(t *testing.T, name string, ms []Message) {
	t.Helper()
	var got bytes.Buffer
	for _, m := range ms {
		fmt.Fprintf(&got, "%s retain=%v qos=%d\n", m.Topic, m.Retain, m.QoS)
		if err := json.Indent(&got, m.Payload, "", "  "); err != nil {
			t.Errorf("%s is no JSON: %v", m.Topic, err)
		}
		got.WriteString("\n\n")
	}
	file := filepath.Join("testdata", name)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got); if that is right, run the test with -update:\n%s", file, diff)
	}
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files")
	os.Exit(m.Run())
}

func TestDocumentsAreAsInTheGoldenFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		s    rack.Snapshot
	}{
		{"on_battery", onBatterySnapshot()},
		{"nothing_known", emptySnapshot()},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, c.name+".messages.txt", Messages(c.s, testOptions()))
			golden(t, c.name+".discovery.txt", Discovery(c.s, testOptions()))
		})
	}
}

// keys lists the paths of all keys of a JSON document but those of its maps of
// parts, which depend on what there is.
func keys(t *testing.T, payload []byte) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(m))
}

func TestEveryKeyIsThereWhateverIsKnown(t *testing.T) {
	full, bare := Messages(onBatterySnapshot(), testOptions()), Messages(emptySnapshot(), testOptions())
	for i, m := range bare[:4] {
		if m.Topic != full[i].Topic {
			t.Fatalf("topic %d: %s and %s", i, m.Topic, full[i].Topic)
		}
		if diff := cmp.Diff(keys(t, full[i].Payload), keys(t, m.Payload)); diff != "" {
			t.Errorf("%s: keys differ between a rack that is known and one that is not:\n%s", m.Topic, diff)
		}
	}
}

func TestEveryAdvertisedKeyIsInItsDocument(t *testing.T) {
	s := onBatterySnapshot()
	documents := map[string][]string{}
	for _, m := range Messages(s, testOptions()) {
		documents[m.Topic] = keys(t, m.Payload)
	}
	for _, m := range Discovery(s, testOptions()) {
		var d deviceDoc
		if err := json.Unmarshal(m.Payload, &d); err != nil {
			t.Fatal(err)
		}
		for name, c := range d.Components {
			topic := c.StateTopic
			if topic == "" {
				topic = d.StateTopic
			}
			key := strings.TrimSuffix(strings.TrimPrefix(c.ValueTemplate, "{{ value_json."), " }}")
			if c.Platform == "event" || c.Platform == "device_automation" || strings.Contains(key, ".get(") {
				continue
			}
			if !slices.Contains(documents[topic], key) {
				t.Errorf("%s: %s reads %q of %s, which has no such key", m.Topic, name, key, topic)
			}
		}
	}
}

func TestADocumentStaysTheSameWhileOnlyTimePasses(t *testing.T) {
	before := emptySnapshot()
	before.At = time.Date(2026, 9, 5, 14, 0, 0, 0, time.UTC)
	before.Plan = rack.Plan{TimeToEmpty: ptr(3001 * time.Second), Steps: []rack.Step{{In: 30 * time.Second, What: "drain"}}}
	after := before
	after.At = before.At.Add(2 * time.Second)
	after.UPS = []rack.UPS{before.UPS[0]}
	after.UPS[0].Age += 2 * time.Second
	after.Plan.TimeToEmpty = ptr(3002 * time.Second)
	if diff := cmp.Diff(Messages(before, testOptions()), Messages(after, testOptions())); diff != "" {
		t.Error(diff)
	}
}

func TestOnBatteryIsSaidOnlyOfWhatIsKnown(t *testing.T) {
	ups := func(contact bool, on *bool, feeds ...string) rack.UPS {
		return rack.UPS{Contact: contact, Feeds: feeds, Fact: drivers.UPS{OnBattery: on}}
	}
	for _, c := range []struct {
		name string
		ups  []rack.UPS
		want *bool
	}{
		{"no UPS", nil, nil},
		{"one on mains", []rack.UPS{ups(true, ptr(false))}, ptr(false)},
		{"one on battery", []rack.UPS{ups(true, ptr(true))}, ptr(true)},
		{"one that cannot tell", []rack.UPS{ups(true, nil)}, nil},
		{"one that does not answer", []rack.UPS{ups(false, ptr(true))}, nil},
		{"the other feeds nothing", []rack.UPS{ups(true, ptr(false), "node01"), ups(true, ptr(true))}, ptr(false)},
		{"one of two does not answer", []rack.UPS{ups(true, ptr(false), "a"), ups(false, nil, "b")}, nil},
		{"one of two is on battery", []rack.UPS{ups(false, nil, "a"), ups(true, ptr(true), "b")}, ptr(true)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, onBattery(c.ups)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusIsInTheWordsOfHomeAssistantsOwnIntegration(t *testing.T) {
	for _, c := range []struct {
		name, status string
		want         *string
	}{
		{"nothing said", "", nil},
		{"on mains", "OL CHRG", ptr("Online Battery Charging")},
		{"on battery", "OB DISCHRG LB", ptr("On Battery Battery Discharging Low Battery")},
		{"a token that nobody knows", "OL XYZ", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, statusWords(c.status)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNumbersThatJSONCannotSayAreNull(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		if got := number(&v, 1); got != nil {
			t.Errorf("number(%v) = %v, want null", v, *got)
		}
	}
}

func TestALongSummaryFitsAState(t *testing.T) {
	if got := []rune(shorten(strings.Repeat("ü", 300))); len(got) != 255 || got[254] != '…' {
		t.Errorf("%d characters, the last is %q", len(got), got[len(got)-1])
	}
}

func TestANameWithWildcardsIsOneLevelOfATopic(t *testing.T) {
	if got, want := (Options{Site: "a/b"}).topic("ups", "x+#/$"), "lastwatt/a_b/ups/x____"; got != want {
		t.Errorf("topic %q, want %q", got, want)
	}
}

func TestAnEventIsNotRetained(t *testing.T) {
	e := rack.Event{Kind: rack.OnBattery, At: time.Date(2026, 9, 5, 14, 0, 0, 0, time.UTC), Outage: "o7", Severity: "warning", Text: "On battery. 64 % charge."}
	want := []Message{{Topic: "lastwatt/Rack_1/event", QoS: 1, Payload: []byte(
		`{"event_type":"on_battery","at":"2026-09-05T14:00:00Z","outage":"o7","node":null,"severity":"warning","text":"On battery. 64 % charge."}`)}}
	if diff := cmp.Diff(want, EventMessages(e, testOptions())); diff != "" {
		t.Error(diff)
	}
}

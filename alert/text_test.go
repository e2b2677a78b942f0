package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/rack"
)

func TestEveryKindOfEventHasItsWords(t *testing.T) {
	seen := map[string]string{}
	for _, kind := range rack.Kinds() {
		title, meaning := words(kind)
		if title == kind || meaning == "" {
			t.Errorf("%s: title %q, meaning %q", kind, title, meaning)
		}
		if other, ok := seen[title]; ok {
			t.Errorf("%s and %s have the same title", kind, other)
		}
		seen[title] = kind
	}
}

func TestAMessageSaysWhatHappenedWhenAndWhatIsNext(t *testing.T) {
	at := time.Date(2026, 9, 5, 14, 2, 5, 0, time.UTC)
	meaning := "It comes back with the rack."
	for _, c := range []struct {
		name        string
		e           rack.Event
		age         time.Duration
		title, body string
	}{
		{"in time", rack.Event{Kind: rack.NodeStopped, Node: "node04", At: at, Text: "node04 halted in 12 s."}, 2 * time.Second,
			"Node stopped: node04", "node04 halted in 12 s.\n" + meaning + "\nAt 14:02:05."},
		{"late", rack.Event{Kind: rack.NodeStopped, At: at, Text: "node04 halted."}, 75 * time.Minute,
			"Node stopped", "node04 halted.\n" + meaning + "\nSent late: this was 1 h 15 min ago, at 14:02:05 on 5 September."},
		{"late, without a clock", rack.Event{Kind: rack.NodeStopped, Text: "node04 halted."}, 7 * time.Minute,
			"Node stopped", "node04 halted.\n" + meaning + "\nSent late: this was 7 min ago."},
		{"a kind of later versions", rack.Event{Kind: "door_open", Text: "The door is open."}, 0,
			"door_open", "The door is open."},
	} {
		t.Run(c.name, func(t *testing.T) {
			title, body := compose(c.e, c.age)
			if diff := cmp.Diff([]string{c.title, c.body}, []string{title, body}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

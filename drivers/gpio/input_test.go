package gpio

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// says is what an input has settled on: up, down or nothing.
func says(i *input) string {
	switch {
	case i.settled == nil:
		return "nothing"
	case *i.settled:
		return "up"
	}
	return "down"
}

func TestAnInputIsWhatItStaysAt(t *testing.T) {
	type look struct {
		ms     int // since the start
		active bool
		edges  bool
		want   string
	}
	for _, tt := range []struct {
		name  string
		looks []look
	}{
		{"says nothing before it was still", []look{{0, true, false, "nothing"}, {19, true, false, "nothing"}, {20, true, false, "up"}}},
		{"bounces and settles", []look{
			{0, true, false, "nothing"}, {20, true, false, "up"}, {100, false, true, "up"}, {105, true, true, "up"},
			{110, false, true, "up"}, {129, false, false, "up"}, {130, false, false, "down"},
		}},
		{"dips for less than the hold", []look{{0, true, false, "nothing"}, {20, true, false, "up"}, {100, false, true, "up"}, {110, true, true, "up"}, {130, true, false, "up"}}},
		{"dipped between two looks", []look{{0, true, false, "nothing"}, {20, true, false, "up"}, {100, true, true, "up"}, {120, true, false, "up"}}},
		{"changed without an edge", []look{{0, true, false, "nothing"}, {20, true, false, "up"}, {1000, false, false, "up"}, {1020, false, false, "down"}}},
		{"never rests", []look{
			{0, true, false, "nothing"}, {20, true, false, "up"}, {100, false, true, "up"}, {400, true, true, "up"}, {700, false, true, "up"},
			{1099, true, true, "up"}, {1110, false, true, "nothing"}, {1130, false, false, "down"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, start := &input{hold: 20 * time.Millisecond}, time.Now()
			for _, l := range tt.looks {
				before := says(i)
				changed := i.look(start.Add(time.Duration(l.ms)*time.Millisecond), l.active, l.edges)
				if got := says(i); got != l.want || changed != (got != before) {
					t.Errorf("at %d ms it is %s (changed: %v), want %s", l.ms, got, changed, l.want)
				}
			}
		})
	}
}

// Whatever a line does, a level is told only after it stayed for the hold, and a
// line that is still is told within the hold and the time of one look.
func TestAnInputNeverTellsWhatDidNotStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hold := time.Duration(rapid.IntRange(1, 50).Draw(t, "hold")) * time.Millisecond
		i := &input{hold: hold}
		start := time.Now()
		now, level, still := start, false, start
		check := func(edges bool) {
			changed := i.look(now, level, edges)
			if now.Sub(still) < hold && changed && i.settled != nil {
				t.Fatalf("told %v after %v, before %v had passed", *i.settled, now.Sub(still), hold)
			}
			if due := i.due(); now.Sub(still) >= hold && (i.settled == nil || *i.settled != level || !due.IsZero()) {
				t.Fatalf("%s after %v at %v, due %v", says(i), now.Sub(still), level, due)
			}
		}
		check(false)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "wait")) * time.Millisecond)
			if due := i.due(); !due.IsZero() && due.Before(now) && rapid.Bool().Draw(t, "on time") {
				late := now
				now = due
				check(false)
				now = late
			}
			edges := rapid.Bool().Draw(t, "edges")
			if edges {
				level, still = rapid.Bool().Draw(t, "level"), now
			}
			check(edges)
		}
	})
}

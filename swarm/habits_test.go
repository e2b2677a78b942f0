package swarm

import (
	"slices"
	"testing"
	"time"
)

func TestHabitsAreKnownOfAManager(t *testing.T) {
	_, d := newEngine(t)
	h, err := d.Habits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Role != "manager" || !h.Autolock || len(h.Habits) != 2 {
		t.Fatalf("habits = %+v", h)
	}
	if web := h.Habits[0]; web.Name != "web" || web.Image != "nginx" || web.Grace != 30*time.Second || !slices.Equal(web.Ports, []uint32{80}) {
		t.Errorf("web: %+v", web)
	}
}

func TestHabitsAreNotKnownElsewhere(t *testing.T) {
	for _, c := range []struct {
		name, info, role string
		locked           bool
	}{
		{"a worker", `{"NodeID":"n1","LocalNodeState":"active"}`, "worker", false},
		{"no Swarm", `{"LocalNodeState":"inactive"}`, "none", false},
		{"a locked manager", `{"LocalNodeState":"locked"}`, "manager", true},
	} {
		e, d := newEngine(t)
		e.info = c.info
		if h, err := d.Habits(t.Context()); err != nil || h.Role != c.role || h.Autolock != c.locked || len(h.Habits) > 0 {
			t.Errorf("%s: %+v, %v", c.name, h, err)
		}
	}
}

package policy

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStep is a reading on battery, the most frequent event there is, in a
// rack of so many nodes.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{4, 100, 1000} {
		b.Run(fmt.Sprintf("%d-nodes", n), func(b *testing.B) {
			r, s := Suppose(rackOf(n), Supposed{Charge: 90})
			s, _ = Step(r, s, Event{At: time.Minute, What: Reading{Power: OnBattery, Charge: new(90.0)}})
			e := Event{At: 2 * time.Minute, What: Reading{Power: OnBattery, Charge: new(89.0)}}
			for b.Loop() {
				Step(r, s, e)
			}
		})
	}
}

// rackOf is the reference rack with more nodes.
func rackOf(n int) Rules {
	r := rackRules()
	for i := len(r.Nodes); i < n; i++ {
		r.Nodes = append(r.Nodes, NodeRules{Name: fmt.Sprintf("node%04d", i+1), Wake: "ups", Tier: 1})
	}
	return r
}

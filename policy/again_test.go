package policy

import (
	"testing"
	"time"
)

func TestMainsLostAgainLeavesOfEachNodeWhatIsSoStill(t *testing.T) {
	seen := func(connected, parked bool, boot string) Node {
		return Node{Connected: connected, Parked: parked, BootID: boot}
	}
	for _, row := range []struct {
		name string
		run  RunState
		seen Node
		cut  bool
		want RunState
	}{
		{"one that started again is up", Parked, seen(true, false, "2"), false, Up},
		{"even parked: another order did that", Parked, seen(true, true, "2"), false, Up},
		{"one that is parked is so still", Parked, seen(true, true, "1"), false, Parked},
		{"also before a cut", Parked, seen(true, true, "1"), true, Parked},
		{"one that was parked and is there is up", Parked, seen(true, false, "1"), false, Up},
		{"one that halts halts", Halting, seen(true, false, "1"), false, Halting},
		{"one whose order was taken back may halt", Asked, seen(true, false, "1"), false, Asked},
		{"also before a cut", Asked, seen(true, false, "1"), true, Asked},
		{"one that starts starts", Booting, seen(true, false, "1"), false, Booting},
		{"one that is off is off", Halted, seen(false, false, "1"), false, Halted},
		{"but starts where the outlets were off", Halted, seen(false, false, "1"), true, Booting},
		{"one that was off and is seen is up", Halted, seen(true, false, "1"), false, Up},
		{"one that is idle is up", Idle, seen(true, false, "1"), false, Up},
		{"as is one of which nothing is heard", Idle, seen(false, false, "1"), false, Up},
		{"one whose time ran out is off, or hangs", Missed, seen(false, false, "1"), false, Missed},
		{"and starts where the outlets were off", Missed, seen(false, false, "1"), true, Booting},
		{"one with another boot id that is gone again is off", Halted, seen(false, false, "2"), false, Halted},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := handmade(restoring(StepReturn), runs("node02", row.run), func(c *core) { c.s.Seen.Nodes["node02"] = row.seen })
			if row.cut {
				c.s.Outage.CutAt = 30 * time.Minute
			}
			c.again()
			run, ok := c.s.Outage.Runs["node02"]
			if run.State != row.want || ok != (row.want != Up) || run.State == Booting && row.cut && (run.At != time.Hour || run.BootID != "1") {
				t.Errorf("it is %+v, want %q", run, row.want)
			}
		})
	}
	all := outage(func(o *Outage) {
		o.Stages, o.Committed, o.Halts, o.CutAt, o.End = map[int]string{0: begun, 1: begun}, true, true, time.Minute, &End{Dark: 1}
	})
	const again = "outage.base=10m0s; outage.committed gone; outage.cut_at gone; outage.doing=; outage.end.dark gone; outage.end.expect gone; outage.halts gone; outage.stages.0 gone; outage.stages.1 gone; outage.step=; phase=riding; "
	hold(t, func(c *core) { c.again() }, []rule{
		{"it begins anew", handmade(doing(Recovering, Restoring, StepReturn), all), again + "tell warning on_battery"},
		{"what runs is cancelled", handmade(doing(Recovering, Restoring, StepReturn), all, waiting(DoVerify, "")), again + "cancel p1; tell warning on_battery"},
		{"and told otherwise where mains was never seen", handmade(doing(Recovering, Restoring, StepReturn), all, outage(func(o *Outage) { o.Early = true })), again + "tell warning recovering"},
	})
}

// TestMainsLostAgainForgetsNoNodeThatWaitsForAPowerCycle holds of each node whether the
// outlets still have to cycle for it.
func TestMainsLostAgainForgetsNoNodeThatWaitsForAPowerCycle(t *testing.T) {
	halts := outage(func(o *Outage) { o.Halts = true })
	off := func(s RunState) func(*core) {
		return func(c *core) { runs("node02", s)(c); gone("node02", time.Minute)(c) }
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"one that is off", handmade(halts, off(Halted)), true},
		{"one that halts", handmade(halts, runs("node02", Halting)), true},
		{"one whose order was taken back", handmade(halts, runs("node02", Asked)), true},
		{"one whose time ran out, and that may halt yet", handmade(halts, off(Missed)), true},
		{"or whose order nobody answered", handmade(halts, doing(Committed, Stop, StepNodes), waiting(DoHalt, "node02"), func(c *core) { c.overdue() }, gone("node02", time.Second)), true},
		{"not one that was never told to", handmade(halts, off(Missed), outage(func(o *Outage) { o.Runs["node02"] = Run{State: Missed, BootID: "1"} })), false},
		{"nor one that is parked", handmade(halts, parkedNode("node02")), false},
		{"nor one that is back", handmade(halts, runs("node02", Halted), back("node02")), false},
		{"nor one that starts since the outlets were off", handmade(halts, off(Halted), outage(func(o *Outage) { o.CutAt = 30 * time.Minute })), false},
		{"none where they cycled since", handmade(off(Halted)), false},
	} {
		row.core.again()
		if got := row.core.s.Outage.Halts; got != row.want {
			t.Errorf("%s: the outlets have to cycle: %v", row.name, got)
		}
	}
}

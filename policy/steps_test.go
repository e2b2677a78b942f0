package policy

import (
	"strings"
	"testing"
	"time"
)

func TestAStepGoesOn(t *testing.T) {
	snapshot := doing(Stopping, Stop, StepSnapshot)
	const paused = "outage.before.0.availability=active; outage.before.0.id=id01; outage.before.0.name=node01; outage.before.1.availability=active; outage.before.1.id=id02; outage.before.1.name=node02; " +
		"outage.before.2.availability=active; outage.before.2.id=id03; outage.before.2.name=node03; outage.before.3.availability=active; outage.before.3.id=id04; outage.before.3.name=node04; " +
		"outage.deadline=1h0m15s; "
	const pause = "change node01=pause node02=pause node03=pause node04=pause"
	hold(t, func(c *core) { c.progress() }, []rule{
		{"not without one", handmade(outage(func(o *Outage) { o.OK = true })), ""},
		{"not before its time", handmade(snapshot), ""},
		{"when it is complete", handmade(snapshot, outage(func(o *Outage) { o.OK = true })), paused + "outage.ok gone; outage.step=pause; outage.step_began=1h0m0s; " + pause},
		{"when its time is over", handmade(snapshot, outage(func(o *Outage) { o.Deadline = time.Hour })), paused + "outage.step=pause; outage.step_began=1h0m0s; tell warning step_failed; " + pause},
		{"when it is to be asked for again", handmade(snapshot, outage(func(o *Outage) { o.RetryAt = time.Hour })), "outage.retry_at gone; snapshot"},
		{"not sooner", handmade(snapshot, outage(func(o *Outage) { o.RetryAt = time.Hour + 1 })), ""},
	})
	hold(t, func(c *core) { c.ask() }, []rule{
		{"one effect at a time", handmade(snapshot, waiting(DoSnapshot, "")), ""},
		{"but each node by itself", handmade(doing(Committed, Stop, StepNodes), waiting(DoHalt, "node02")), "outage.halts=true; halt node03; halt node04"},
		{"a cut that is armed is not asked for", handmade(doing(Committed, Stop, StepCut), outage(func(o *Outage) { o.OK = true })), ""},
		{"a cut that is not, is", handmade(doing(Committed, Stop, StepCut)), "cut 2 min"},
		{"the host parks, for long where no cut comes", handmade(doing(Dark, Stop, StepHost)), "park node01 4.0 h"},
		{"where it is asked for again, for as long as that takes", handmade(doing(Dark, Stop, StepHost), outage(func(o *Outage) { o.Halts = true })), "park node01 8 min"},
		{"once", handmade(doing(Dark, Stop, StepHost), runs("node01", Parked)), ""},
		{"where there is one", handmade(doing(Dark, Stop, StepHost), func(c *core) { c.r.Nodes[0].UPSHost = false }), ""},
		{"nobody waits for services that were not moved", handmade(doing(Stopping, Stop, StepAwait)), "outage.ok=true"},
		{"nor for those of other nodes", handmade(doing(Shedding, Shed, StepAwait), outage(func(o *Outage) { o.Before, o.Shed = []Before{{ID: "id02", Name: "node02"}}, []string{"node04"} })), "outage.ok=true"},
		{"but for those of a node that is shed", handmade(doing(Shedding, Shed, StepAwait), outage(func(o *Outage) { o.Before, o.Shed = []Before{{ID: "id04", Name: "node04"}}, []string{"node04"} })), "await id04"},
	})
}

func TestEachStepHasItsTime(t *testing.T) {
	c := handmade()
	for step, want := range map[StepName]time.Duration{StepSnapshot: 30 * time.Second, StepPause: 15 * time.Second, StepIdle: 2 * time.Minute, StepNodes: 2 * time.Minute, StepCut: 40 * time.Second,
		StepHost: time.Minute, StepReturn: 4 * time.Minute, StepVerify: 2 * time.Minute, StepRestore: 40 * time.Second} {
		if got := c.budget(step); got != want {
			t.Errorf("%s has %s, want %s", step, got, want)
		}
	}
	for began, want := range map[time.Duration]time.Duration{0: time.Minute, 30 * time.Second: 30 * time.Second, 59 * time.Second: RetryAfter} {
		c := handmade(doing(Stopping, Stop, StepPause), outage(func(o *Outage) { o.DoingBegan = time.Hour - began }))
		if c.enter(StepDrain); c.s.Outage.Deadline != time.Hour+want {
			t.Errorf("%s after the stop began, the drain has %s, want %s", began, c.s.Outage.Deadline-time.Hour, want)
		}
	}
}

func TestASwarmThatNobodyKnowsIsAskedForAsLongAsTheDrainMayTake(t *testing.T) {
	for _, row := range []struct {
		known bool
		ago   time.Duration // the stop began
		want  time.Duration
	}{
		{true, 0, 30 * time.Second}, {false, 0, time.Minute}, {false, 20 * time.Second, 40 * time.Second}, {false, time.Minute, 30 * time.Second},
	} {
		c := handmade(doing(Stopping, Stop, ""), outage(func(o *Outage) { o.DoingBegan = time.Hour - row.ago }))
		c.s.Seen.Swarm.Known = row.known
		if c.enter(StepSnapshot); c.s.Outage.Deadline != time.Hour+row.want {
			t.Errorf("known %v, %s after the stop began: it has %s, want %s", row.known, row.ago, c.s.Outage.Deadline-time.Hour, row.want)
		}
	}
}

func TestWhatWasDoneIsInThePictureOfTheSwarm(t *testing.T) {
	hold(t, func(c *core) { c.changed() }, []rule{
		{"paused", handmade(doing(Stopping, Stop, StepPause)), "seen.swarm.nodes.0.availability=pause; seen.swarm.nodes.1.availability=pause; seen.swarm.nodes.2.availability=pause; seen.swarm.nodes.3.availability=pause"},
		{"drained, of a stage", handmade(doing(Shedding, Shed, StepDrain), outage(func(o *Outage) { o.Shed = []string{"node04"} })), "seen.swarm.nodes.3.availability=drain"},
		{"not what is put back: the next snapshot shows it", handmade(doing(Recovering, Restoring, StepRestore)), ""},
	})
}

func TestTheNodesAreStopped(t *testing.T) {
	nodes, others := doing(Committed, Stop, StepNodes), func(c *core) {
		waiting(DoHalt, "node03")(c)
		waiting(DoHalt, "node04")(c)
	}
	parks := func(c *core) { c.r.UPS.CutsOnMains = false }
	hold(t, func(c *core) { c.stopNodes() }, []rule{
		{"all at once, but for the host", handmade(nodes), "outage.halts=true; halt node02; halt node03; halt node04"},
		{"parked where the cut is not known to come", handmade(nodes, others, parks), "park node02 7 min"},
		{"one that is idle", handmade(nodes, others, runs("node02", Idle)), "outage.halts=true; halt node02"},
		{"one whose order was taken back", handmade(nodes, others, runs("node02", Asked)), "outage.halts=true; halt node02"},
		{"not one that halts", handmade(nodes, others, runs("node02", Halting)), ""},
		{"not one that is off", handmade(nodes, others, runs("node02", Halted), gone("node02", time.Minute)), ""},
		{"not one that is parked", handmade(nodes, others, runs("node02", Parked)), ""},
		{"not one that was given up", handmade(nodes, others, runs("node02", Missed)), ""},
		{"one that halted and started again", handmade(nodes, others, runs("node02", Halting), back("node02")), "outage.halts=true; halt node02"},
		{"one that was off and started again", handmade(nodes, others, runs("node02", Halted), back("node02")), "outage.halts=true; halt node02"},
		{"one that was parked and started again is not told so", handmade(nodes, others, runs("node02", Parked), back("node02")), ""},
		{"one that starts, when it can be told", handmade(nodes, others, runs("node02", Booting), gone("node02", 0)), "outage.retry_at=1h0m2s"},
		{"one that was to start, and is there", handmade(nodes, others, runs("node02", Booting)), "outage.halts=true; halt node02"},
		{"one that was not told to start, and is gone, too", handmade(nodes, others, gone("node02", time.Minute)), "outage.halts=true; halt node02"},
	})
}

func TestAParkOutlastsWhatIsStillComing(t *testing.T) {
	nothing := func(c *core) { c.r.UPS.Cut, c.r.ParkLongest = false, time.Minute } // no cut comes
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"the cut, and the time after it", handmade(outage(func(o *Outage) { o.CutAt = time.Hour + 3*time.Minute })), 5 * time.Minute},
		{"a cut that is due is not coming", handmade(outage(func(o *Outage) { o.CutAt = time.Hour })), 4 * time.Hour},
		// The nodes' 2 min, the order's 40 s, the cut's 2 min, the host's 1 min, and 2 min after it.
		{"all that comes before a cut that is not armed yet", handmade(), 7*time.Minute + 40*time.Second},
		{"but no longer than the longest", handmade(func(c *core) { c.r.ParkLongest = 5 * time.Minute }), 5 * time.Minute},
		{"where no cut comes, the longest", handmade(func(c *core) { c.r.UPS.Cut = false }), 4 * time.Hour},
		{"however long the outage has lasted", handmade(nothing), time.Minute},
		{"as long as it has, if it started in vain", handmade(nothing, runs("node01", Parked)), 10 * time.Minute},
		{"or the whole rack did", handmade(nothing, outage(func(o *Outage) { o.Early = true })), 10 * time.Minute},
		{"or the longest, if that is longer", handmade(nothing, runs("node01", Parked), func(c *core) { c.r.ParkLongest = 11 * time.Minute }), 11 * time.Minute},
	} {
		if row.core.park(row.core.r.Nodes[0], "because"); row.core.out[0].Delay != row.want {
			t.Errorf("%s: it parks for %s, want %s", row.name, row.core.out[0].Delay, row.want)
		}
	}
}

func TestTheCutLeavesTime(t *testing.T) {
	alarm := func(in time.Duration) func(*core) {
		return func(c *core) {
			c.s.Outage.Runs["node02"] = Run{State: Halted, BootID: "1", Alarm: c.s.Now + in}
			c.s.Seen.Nodes["node02"] = Node{BootID: "1"}
		}
	}
	step := func(d time.Duration) func(*core) { return func(c *core) { c.r.UPS.DelayStep = d } }
	wasCut := outage(func(o *Outage) { o.Cut = true })
	learns := func(c *core) { // down to 3 %: starts and stops take next to nothing
		c.r.LearnEmpty, c.s.Battery = true, Battery{Discharges: []Discharge{{Watts: 12.7, PerPercent: time.Minute, Points: 1e9}}}
		c.r.Budgets = Budgets{Drain: time.Second, Halt: time.Second, Park: time.Second, Boot: time.Second, Swarm: time.Second}
	}
	alone := func(c *core) {
		for _, n := range []string{"node02", "node03", "node04"} {
			runs(n, Halted)(c)
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"for the host to park", handmade(step(0)), 75 * time.Second},
		{"in whole steps of the device", handmade(), 2 * time.Minute},
		{"and no step more than needed", handmade(step(15 * time.Second)), 75 * time.Second},
		{"without a host, little", handmade(step(0), func(c *core) { c.r.Nodes[0].UPSHost = false }), 15 * time.Second},
		{"for nodes that may be starting since the outlets went off", handmade(step(0), onMains(0), wasCut, gone("node02", 0)), 3 * time.Minute},
		{"not where all are there", handmade(step(0), onMains(0), wasCut), 75 * time.Second},
		{"nor where the outlets were never off", handmade(step(0), onMains(0), gone("node02", 0)), 75 * time.Second},
		{"on battery too", handmade(step(0), wasCut, gone("node02", 0)), 3 * time.Minute},
		{"unless it is known to be off", handmade(step(0), wasCut, gone("node02", 0), runs("node02", Halted)), 75 * time.Second},
		{"which with mains is not enough", handmade(step(0), wasCut, onMains(0), gone("node02", 0), runs("node02", Halted)), 3 * time.Minute},
		{"or gone since before the outage", handmade(step(0), wasCut, gone("node02", 0), outage(func(o *Outage) { o.Away = []string{"node02"} })), 75 * time.Second},
		{"a host that is parked needs no time", handmade(step(0), runs("node01", Parked)), 15 * time.Second},
		{"for the battery to be proven", handmade(learns, alone, func(c *core) { c.s.Seen.UPS.Charge = new(20.0) }), 26 * time.Minute},
		{"but not for a node whose clock starts it before", handmade(learns, alone, alarm(10*time.Minute), func(c *core) { c.s.Seen.UPS.Charge = new(20.0) }), 8 * time.Minute},
		{"a clock that has rung is no reason", handmade(learns, alone, alarm(0), func(c *core) { c.s.Seen.UPS.Charge = new(20.0) }), 26 * time.Minute},
		{"the timer of a node that is parked is one too", handmade(learns, alone, alarm(10*time.Minute), outage(func(o *Outage) {
			o.Runs["node02"] = Run{State: Parked, Alarm: o.Runs["node02"].Alarm}
			o.Runs["node03"] = Run{State: Halted}
		}), func(c *core) {
			c.s.Seen.UPS.Charge = new(20.0)
			c.r.Nodes[1].Draw = 0.001
		}), 8 * time.Minute},
		{"for a node whose clock starts it before, to start and park", handmade(alarm(90 * time.Second)), 6 * time.Minute},
		{"and at the same time", handmade(alarm(2 * time.Minute)), 6 * time.Minute},
		{"and within the device's steps", handmade(alarm(3*time.Minute + 5*time.Second - 1)), 8 * time.Minute},
		{"not for one that starts after", handmade(alarm(3*time.Minute + 5*time.Second)), 2 * time.Minute},
		{"nor long after", handmade(alarm(time.Hour)), 2 * time.Minute},
		{"for one that starts now", handmade(alarm(0)), 4 * time.Minute},
		{"not where it has started already", handmade(alarm(0), back("node02")), 2 * time.Minute},
		{"for one that its order may have made late", handmade(step(0), runs("node01", Parked), alarm(-3*time.Minute+1)), time.Minute + 1},
		{"not where it must long have started", handmade(step(0), runs("node01", Parked), alarm(-3*time.Minute)), 15 * time.Second},
		{"nor where it was not halted", handmade(alarm(90*time.Second), outage(func(o *Outage) { o.Runs["node02"] = Run{State: Booting, Alarm: o.Runs["node02"].Alarm} })), 2 * time.Minute},
	} {
		if got := row.core.cutDelay(); got != row.want {
			t.Errorf("%s: the cut comes after %s, want %s", row.name, got, row.want)
		}
	}
}

func TestAStepIsCompleteWhenNothingOfItIsLeft(t *testing.T) {
	shed := func(s RunState) *core {
		return handmade(doing(Shedding, Shed, StepIdle), outage(func(o *Outage) { o.Shed = []string{"node04"} }), runs("node04", s))
	}
	nodes := func(s RunState, more ...func(*core)) *core {
		c := handmade(doing(Committed, Stop, StepNodes), runs("node02", s), runs("node03", Halted), runs("node04", Parked), gone("node03", time.Minute))
		for _, f := range more {
			f(c)
		}
		return c
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"what is shed is up", shed(Up), false},
		{"what is shed halts", shed(Halting), false},
		{"what is shed is idle", shed(Idle), true},
		{"what is shed is off", shed(Halted), true},
		{"a node is up", nodes(Up), false},
		{"a node halts", nodes(Halting), false},
		{"all are down, but for the host", nodes(Missed), true},
		{"one that is off is still seen", nodes(Halted), true},
		{"one that is off is gone", nodes(Halted, gone("node02", time.Minute)), true},
		{"one that was off started again", nodes(Halted, back("node02")), false},
		{"one that was parked started again", nodes(Parked, back("node02")), true},
		{"the host is up", handmade(doing(Dark, Stop, StepHost)), false},
		{"the host is parked", handmade(doing(Dark, Stop, StepHost), runs("node01", Parked)), true},
		{"there is no host", handmade(doing(Dark, Stop, StepHost), func(c *core) { c.r.Nodes[0].UPSHost = false }), true},
		{"the one effect was done", handmade(doing(Committed, Stop, StepCut), outage(func(o *Outage) { o.OK = true })), true},
		{"the one effect was not done", handmade(doing(Committed, Stop, StepCut)), false},
	} {
		if got := row.core.complete(); got != row.want {
			t.Errorf("%s: complete is %v", row.name, got)
		}
	}
}

func TestWhatIsNotDoneInItsTimeIsGivenUp(t *testing.T) {
	down := func(c *core) {
		runs("node03", Halted)(c)
		runs("node04", Parked)(c)
	}
	hold(t, func(c *core) { c.overdue() }, []rule{
		{"a node that hangs, and how long it took at least", handmade(doing(Committed, Stop, StepNodes), down, runs("node02", Halting)), "measured.node02.halt.0=1m0s; outage.runs.node02.state=missed; outage.unclean.0=node02; tell critical step_failed node02"},
		{"a node whose order was taken back may still follow it", handmade(doing(Committed, Stop, StepNodes), down, runs("node02", Asked)), "outage.runs.node02.state=missed; outage.unclean.0=node02; tell critical step_failed node02"},
		{"all that is left of an order is cancelled", handmade(doing(Committed, Stop, StepNodes), down, waiting(DoHalt, "node02")),
			"outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=missed; outage.unclean.0=node02; cancel p1; tell critical step_failed node02"},
		{"the host alone", handmade(doing(Dark, Stop, StepHost), down), "outage.runs.node01.boot_id=1; outage.runs.node01.state=missed; outage.unclean.0=node01; tell critical step_failed node01"},
		{"what was to be shed, alone", handmade(doing(Shedding, Shed, StepIdle), outage(func(o *Outage) { o.Shed = []string{"node02", "node03", "node04"} }), runs("node03", Idle), runs("node04", Halted)),
			"outage.runs.node02.boot_id=1; outage.runs.node02.state=missed; outage.unclean.0=node02; tell critical step_failed node02"},
		{"the cut", handmade(doing(Committed, Stop, StepCut)), "tell critical step_failed"},
		{"another step", handmade(doing(Stopping, Stop, StepAwait)), "tell warning step_failed"},
	})
}

func TestANodeThatHaltsIsOffOnceItIsGoneForLongEnough(t *testing.T) {
	const off = "outage.runs.node02.state=halted; tell info node_stopped node02"
	hold(t, func(c *core) { c.settle() }, []rule{
		{"and how long that took is known", handmade(runs("node02", Halting), gone("node02", Settle)), "measured.node02.halt.0=1m0s; " + off},
		{"not sooner", handmade(runs("node02", Halting), gone("node02", Settle-1)), ""},
		{"not while it is there", handmade(runs("node02", Halting)), ""},
		{"so is one whose order was taken back, which measures nothing", handmade(runs("node02", Asked), gone("node02", Settle)), off},
		{"one that was given up has stopped after all", handmade(runs("node02", Missed), gone("node02", Settle), outage(func(o *Outage) { o.Unclean = []string{"node02"} })), strings.Replace(off, "; ", "; outage.unclean.0 gone; ", 1)},
		{"not one that was not told", handmade(gone("node02", Settle)), ""},
		{"what returns then has its time from there", handmade(doing(Recovering, Restoring, StepReturn), runs("node02", Asked), gone("node02", Settle), outage(func(o *Outage) { o.Deadline = time.Hour + time.Minute })),
			"outage.deadline=1h4m0s; " + off},
		{"and not less than it had", handmade(doing(Recovering, Restoring, StepReturn), runs("node02", Asked), gone("node02", Settle)), off},
	})
}

func TestTheStepsFollowEachOther(t *testing.T) {
	told := outage(func(o *Outage) { o.Before = []Before{{ID: "id04", Name: "node04", Availability: "active"}} })
	shed := outage(func(o *Outage) { o.Shed = []string{"node04"} })
	blind := func(c *core) { c.s.Seen.Swarm = Swarm{} } // nothing to tell
	hold(t, func(c *core) { c.next() }, []rule{
		{"a stage drains", handmade(blind, shed, doing(Shedding, Shed, StepSnapshot)), "outage.deadline=1h0m2s; outage.ok=true; outage.step=drain; outage.step_began=1h0m0s"},
		{"a stop pauses first", handmade(blind, doing(Stopping, Stop, StepSnapshot)), "outage.deadline=1h0m15s; outage.ok=true; outage.step=pause; outage.step_began=1h0m0s"},
		{"then drains", handmade(blind, doing(Stopping, Stop, StepPause)), "outage.deadline=1h0m2s; outage.ok=true; outage.step=drain; outage.step_began=1h0m0s"},
		{"then waits", handmade(told, doing(Stopping, Stop, StepDrain)), "outage.deadline=1h0m2s; outage.step=await; outage.step_began=1h0m0s; await id04"},
		{"a stage's nodes are then idled", handmade(told, shed, doing(Shedding, Shed, StepAwait)), "outage.deadline=1h2m0s; outage.step=idle; outage.step_began=1h0m0s; clear node04"},
		{"after which nothing goes on", handmade(shed, doing(Shedding, Shed, StepIdle)), "outage.doing=; outage.step="},
		{"a stop commits, and knows how long the drain took", handmade(told, doing(Stopping, Stop, StepAwait)),
			"measured..drain.0=2m0s; outage.committed=true; outage.deadline=1h2m0s; outage.halts=true; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; tell critical committed; halt node02; halt node03; halt node04"},
		{"unless nothing was drained", handmade(doing(Stopping, Stop, StepAwait)),
			"outage.committed=true; outage.deadline=1h2m0s; outage.halts=true; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; tell critical committed; halt node02; halt node03; halt node04"},
		{"then it cuts", handmade(doing(Committed, Stop, StepNodes)), "outage.deadline=1h0m40s; outage.step=cut; outage.step_began=1h0m0s; cut 2 min"},
		{"or goes dark without", handmade(doing(Committed, Stop, StepNodes), func(c *core) { c.r.UPS.Cut = false }),
			"outage.deadline=1h1m0s; outage.end.dark=60; outage.end.expect=60; outage.step=host; outage.step_began=1h0m0s; phase=dark; tell critical dark; park node01 4.0 h"},
		{"after the cut it goes dark", handmade(doing(Committed, Stop, StepCut), func(c *core) { c.r.Nodes[0].UPSHost = false }),
			"outage.end.dark=60; outage.end.expect=60; outage.step=; phase=dark; tell critical dark"},
		{"a cut that was brought forward leaves it so", handmade(doing(Dark, Stop, StepCut)), "outage.step="},
		{"the host is the last", handmade(doing(Dark, Stop, StepHost)), "outage.step="},
		{"to return is to restore", handmade(doing(Recovering, Restoring, StepReturn)), "outage.deadline=1h0m40s; outage.ok=true; outage.step=put back; outage.step_began=1h0m0s"},
	})
}

func TestAResult(t *testing.T) {
	play := func(outcome Outcome) func(*core) {
		return func(c *core) { c.result(Result{ID: "p1", Outcome: outcome, Text: "no", Delay: 3 * time.Minute}) }
	}
	const again = "outage.retry_at=1h0m2s; outage.why=no"
	hold(t, play(Failed), []rule{
		{"that failed is asked for again", handmade(waiting(DoHalt, "node02")), again},
		{"so is one of a node that is gone", handmade(waiting(DoHalt, "node02"), gone("node02", 0)), again},
		{"one that was given up is tried again with less hurry", handmade(waiting(DoPark, "node02"), runs("node02", Missed)), "outage.runs.node02.again=1h0m30s"},
		{"one that started again, sooner", handmade(waiting(DoPark, "node02"), runs("node02", Halted)), strings.Replace(again, "outage.retry_at=1h0m2s; ", "outage.retry_at=1h0m2s; outage.runs.node02.again=1h0m2s; ", 1)},
		{"a cut that failed may have been too late for the device", handmade(waiting(DoCut, "")), "outage.no_learning=true; " + again},
		{"which is kept in mind", handmade(waiting(DoHalt, "node02"), outage(func(o *Outage) { o.NoLearning = true })), again},
		{"of an effect that nobody waits for", handmade(), ""},
		{"without an outage", handmade(func(c *core) { c.s.Outage = nil }), ""},
	})
	hold(t, play(Lost), []rule{
		{"a halt of a node that is gone since was taken", handmade(waiting(DoHalt, "node02"), gone("node02", 0)), "outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=halting"},
		{"a halt of a node that is there was not", handmade(waiting(DoHalt, "node02")), again},
		{"nothing is known of a park", handmade(waiting(DoPark, "node02"), gone("node02", 0)), again},
	})
	hold(t, play(Done), []rule{
		{"a halt", handmade(waiting(DoHalt, "node02")), "outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=halting"},
		{"a park", handmade(waiting(DoPark, "node02")), "measured.node02.park.0=30s; outage.runs.node02.alarm=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=parked; tell info node_stopped node02"},
		{"a park of what was parked already is no measure", handmade(waiting(DoPark, "node02"), outage(func(o *Outage) { o.Pending[0].Parked = true })),
			"outage.runs.node02.alarm=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=parked; tell info node_stopped node02"},
		{"a park of what was given up", handmade(waiting(DoPark, "node02"), runs("node02", Missed), outage(func(o *Outage) { o.Unclean = []string{"node02", "node03"} })),
			"measured.node02.park.0=30s; outage.runs.node02.alarm=59m30s; outage.runs.node02.at gone; outage.runs.node02.state=parked; outage.unclean.0=node03; outage.unclean.1 gone; tell info node_stopped node02"},
		{"a reboot", handmade(waiting(DoReboot, "node02")), "outage.runs.node02.at=1h0m0s; outage.runs.node02.boot_id=1; outage.runs.node02.state=booting"},
		{"a wake", handmade(waiting(DoWake, "node02"), runs("node02", Halted)), "outage.runs.node02.at=1h0m0s; outage.runs.node02.state=booting"},
		{"a clear", handmade(waiting(DoClear, "node02")), "outage.runs.node02.boot_id=1; outage.runs.node02.state=idle"},
		{"a change", handmade(waiting(DoChange, ""), doing(Stopping, Stop, StepRestore)), "outage.ok=true"},
		{"a cut", handmade(waiting(DoCut, "")), "measured..cut.0=30s; outage.cut=true; outage.cut_at=1h3m0s; outage.ok=true; tell critical cut_armed"},
		{"another", handmade(waiting(DoVerify, "")), "outage.ok=true"},
	})
}

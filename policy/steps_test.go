package policy

import (
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
		{"what another step asked for runs beside it", handmade(snapshot, waiting(DoPark, "node02")), "snapshot"},
		{"a change of the Swarm at a time", handmade(doing(Stopping, Stop, StepPause), waiting(DoChange, "")), ""},
		{"also while it is put back", handmade(doing(Recovering, Restoring, StepRestore), before("node04"), waiting(DoChange, "")), ""},
		{"whatever else runs", handmade(doing(Recovering, Restoring, StepRestore), before("node04"), waiting(DoReboot, "node02")), "change node04=active"},
		{"one wait", handmade(doing(Stopping, Stop, StepAwait), before("node04"), waiting(DoAwait, "")), ""},
		{"beside a park", handmade(doing(Stopping, Stop, StepAwait), before("node04"), waiting(DoPark, "node02")), "await id04"},
		{"one look at the services", handmade(doing(Recovering, Restoring, StepVerify), before("node04"), waiting(DoVerify, "")), ""},
		{"beside a reboot", handmade(doing(Recovering, Restoring, StepVerify), before("node04"), waiting(DoReboot, "node02")), "verify"},
		{"one cut", handmade(doing(Committed, Stop, StepCut), waiting(DoCut, "")), ""},
		{"beside a park, too", handmade(doing(Committed, Stop, StepCut), waiting(DoPark, "node02")), "cut 2 min"},
		{"and the host parks once", handmade(doing(Dark, Stop, StepHost), waiting(DoPark, "node01")), ""},
		{"beside another", handmade(doing(Dark, Stop, StepHost), waiting(DoPark, "node02")), "park node01 8 min"},
		{"but each node by itself", handmade(doing(Committed, Stop, StepNodes), waiting(DoHalt, "node02")), "outage.halts=true; halt node03; halt node04"},
		{"a cut that is armed is not asked for", handmade(doing(Committed, Stop, StepCut), outage(func(o *Outage) { o.OK = true })), ""},
		{"a cut that is not, is", handmade(doing(Committed, Stop, StepCut)), "cut 2 min"},
		{"the host parks", handmade(doing(Dark, Stop, StepHost)), "park node01 8 min"},
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
	} {
		if row.core.park(row.core.r.Nodes[0], "because"); row.core.out[0].Delay != row.want {
			t.Errorf("%s: it parks for %s, want %s", row.name, row.core.out[0].Delay, row.want)
		}
	}
}

// starts is a node that is off or parked, and that its clock, or the timer of its
// park, starts again in so long.
func starts(name string, state RunState, in time.Duration) func(*core) {
	return func(c *core) {
		c.s.Outage.Runs[name] = Run{State: state, BootID: "1", Alarm: c.s.Now + in}
		c.s.Seen.Nodes[name] = Node{Connected: state == Parked, Parked: state == Parked, BootID: "1"}
	}
}

func TestTheCutLeavesTime(t *testing.T) {
	step := func(d time.Duration) func(*core) { return func(c *core) { c.r.UPS.DelayStep = d } }
	wasCut := outage(func(o *Outage) { o.Cut = true })
	hostless := func(c *core) { c.r.Nodes[0].UPSHost = false }
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"for the host to park", handmade(step(0)), 75 * time.Second},
		{"in whole steps of the device", handmade(), 2 * time.Minute},
		{"and no step more than needed", handmade(step(15 * time.Second)), 75 * time.Second},
		{"without a host, little", handmade(step(0), hostless), 15 * time.Second},
		{"as where it is parked", handmade(step(0), runs("node01", Parked)), 15 * time.Second},
		{"for nodes that may be starting since the outlets went off", handmade(step(0), onMains(0), wasCut, gone("node02", 0)), 3 * time.Minute},
		{"not where all are there", handmade(step(0), onMains(0), wasCut), 75 * time.Second},
		{"nor where the outlets were never off", handmade(step(0), onMains(0), gone("node02", 0)), 75 * time.Second},
		{"nor for one that was gone before the outage", handmade(step(0), onMains(0), wasCut, gone("node02", 0), outage(func(o *Outage) { o.Away = []string{"node02"} })), 75 * time.Second},
		{"with mains also for one that was seen to go off", handmade(step(0), onMains(0), wasCut, runs("node02", Halted), gone("node02", 0)), 3 * time.Minute},
		{"on battery not for that", handmade(step(0), wasCut, runs("node02", Halted), gone("node02", 0)), 75 * time.Second},
		{"but for another", handmade(step(0), wasCut, gone("node02", 0)), 3 * time.Minute},
	} {
		if got := row.core.cutDelay(); got != row.want {
			t.Errorf("%s: the cut comes after %s, want %s", row.name, got, row.want)
		}
	}
}

func TestTheCutTakesNoNodeThatIsStarting(t *testing.T) {
	none := func(c *core) { c.r.UPS.DelayStep = 0 }
	// The cut comes after 2 min, or 15 s with no steps and the host parked. A start
	// and a park take 3 min.
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"it comes after one that starts before", handmade(starts("node02", Halted, 90*time.Second)), 5 * time.Minute},
		{"or at the same time", handmade(starts("node02", Halted, 2*time.Minute)), 5 * time.Minute},
		{"or less than a step of the device and the last syncs after", handmade(starts("node02", Halted, 3*time.Minute+Settle-1)), 7 * time.Minute},
		{"before one that starts later", handmade(starts("node02", Halted, 3*time.Minute+Settle)), 2 * time.Minute},
		{"long after one that does so much later", handmade(starts("node02", Halted, time.Hour)), 2 * time.Minute},
		{"one that is starting now has its time", handmade(starts("node02", Halted, 0)), 3 * time.Minute},
		{"to the last moment", handmade(none, runs("node01", Parked), starts("node02", Halted, -2*time.Minute+time.Second)), 61 * time.Second},
		{"not one that should be there by now", handmade(none, runs("node01", Parked), starts("node02", Halted, -2*time.Minute)), 15 * time.Second},
		{"nor one that is", handmade(starts("node02", Halted, 0), back("node02")), 2 * time.Minute},
		{"nor one that starts by nothing", handmade(runs("node02", Halted), gone("node02", 0), func(c *core) { c.s.Now = time.Second }), 2 * time.Minute},
		{"one that is parked starts by its timer, which began in the minute of its park", handmade(starts("node02", Parked, 90*time.Second)), 6 * time.Minute},
		{"it may start in that minute after", handmade(starts("node02", Parked, -time.Minute+1)), 4 * time.Minute},
		{"not where it then stays parked", handmade(starts("node02", Parked, -time.Minute)), 2 * time.Minute},
		{"but where it is gone", handmade(starts("node02", Parked, -time.Minute), gone("node02", 0)), 3 * time.Minute},
		{"until it should be there", handmade(none, runs("node01", Parked), starts("node02", Parked, -3*time.Minute+time.Second), gone("node02", 0)), 61 * time.Second},
		{"not after", handmade(none, runs("node01", Parked), starts("node02", Parked, -3*time.Minute), gone("node02", 0)), 15 * time.Second},
		{"nor one that started and is parked again", handmade(starts("node02", Parked, 90*time.Second), func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, Parked: true, BootID: "2"} }), 2 * time.Minute},
		{"nor one that was not stopped", handmade(starts("node02", Booting, 90*time.Second)), 2 * time.Minute},
		{"the host's own start is no reason to wait", handmade(starts("node01", Parked, 90*time.Second)), time.Minute},
		{"after one it may come at another's start, and waits for that", handmade(starts("node02", Halted, 5*time.Minute), starts("node03", Halted, 90*time.Second)), 8 * time.Minute},
	} {
		if got := row.core.cutDelay(); got != row.want {
			t.Errorf("%s: the cut comes after %s, want %s", row.name, got, row.want)
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"in less than a cut takes, with a step and the last syncs", handmade(starts("node01", Parked, 2*time.Minute+Settle-1)), true},
		{"at any moment: its time to start may be a little later", handmade(starts("node01", Parked, -time.Minute+1)), true},
		{"never: it stays parked", handmade(starts("node01", Parked, -time.Minute)), false},
		{"in more", handmade(starts("node01", Parked, 2*time.Minute+Settle)), false},
		{"never: it is not parked", handmade(), false},
		{"never: there is none", handmade(starts("node01", Parked, time.Minute), func(c *core) { c.r.Nodes[0].UPSHost = false }), false},
		{"never: another does", handmade(starts("node02", Parked, time.Minute)), false},
	} {
		if got := row.core.hostStarts(); got != row.want {
			t.Errorf("the host starts %s: too soon for a cut is %v", row.name, got)
		}
	}
}

func TestTheCutWaitsForTheBatteryUntilANodeStarts(t *testing.T) {
	// With the three nodes off and the host idle 12.7 W are fed.
	alone := func(c *core) {
		learns(c)
		c.s.Battery.Discharges[1].Watts = 12.7
		for _, n := range []string{"node02", "node03", "node04"} {
			runs(n, Halted)(c)
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"as long as it takes to prove it", handmade(alone), 24 * time.Minute},
		{"or until the last step before a node's clock starts it", handmade(alone, starts("node02", Halted, 10*time.Minute)), 8 * time.Minute},
		{"which is no reason not to wait at all", handmade(alone, starts("node02", Halted, 65*time.Second+time.Second)), 5 * time.Minute},
		{"a clock that has rung is no reason", handmade(alone, starts("node02", Halted, 0)), 24 * time.Minute},
		{"nor that of a node that was not stopped", handmade(alone, starts("node02", Missed, 10*time.Minute), func(c *core) { c.r.Nodes[1].Draw = 0.001 }), 24 * time.Minute},
		{"the timer of the host's park is one", handmade(alone, starts("node01", Parked, 10*time.Minute)), 8 * time.Minute},
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
	const missed = "outage.runs.node02.state=missed; outage.unclean.0=node02"
	hold(t, func(c *core) { c.overdue() }, []rule{
		{"a node that hangs, and how long it took at least", handmade(doing(Committed, Stop, StepNodes), down, runs("node02", Halting)), "measured.node02.halt.0=1m0s; " + missed + "; tell critical step_failed node02"},
		{"a node that was never told", handmade(doing(Committed, Stop, StepNodes), down), "outage.runs.node02.boot_id=1; " + missed + "; tell critical step_failed node02"},
		{"a node that may have taken an order", handmade(doing(Committed, Stop, StepNodes), down, runs("node02", Asked)), missed + "; tell critical step_failed node02"},
		{"all that is left of an order is cancelled, which it may have taken", handmade(doing(Committed, Stop, StepNodes), down, waiting(DoHalt, "node02")),
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
		{"one whose time ran out, after that", handmade(runs("node02", Missed), gone("node02", Settle)), off},
		{"not one that was not told", handmade(gone("node02", Settle)), ""},
		{"nor one that was given up for another reason", handmade(gone("node02", Settle), outage(func(o *Outage) { o.Runs["node02"] = Run{State: Missed, BootID: "1"} })), ""},
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
		{"a park, with its timer", handmade(waiting(DoPark, "node02"), outage(func(o *Outage) { o.Pending[0].Delay = time.Hour })), "measured.node02.park.0=30s; outage.runs.node02.alarm=1h59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=parked; tell info node_stopped node02"},
		{"a halt, with its clock", handmade(waiting(DoHalt, "node02"), outage(func(o *Outage) { o.Pending[0].Delay = time.Hour })), "outage.runs.node02.alarm=1h59m30s; outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=halting"},
		{"a reboot", handmade(waiting(DoReboot, "node02")), "outage.runs.node02.at=1h0m0s; outage.runs.node02.boot_id=1; outage.runs.node02.state=booting"},
		{"a wake", handmade(waiting(DoWake, "node02"), runs("node02", Halted)), "outage.runs.node02.at=1h0m0s; outage.runs.node02.state=booting"},
		{"a clear", handmade(waiting(DoClear, "node02")), "outage.runs.node02.boot_id=1; outage.runs.node02.state=idle"},
		{"a change", handmade(waiting(DoChange, ""), doing(Stopping, Stop, StepRestore)), "outage.ok=true"},
		{"a cut", handmade(waiting(DoCut, "")), "measured..cut.0=30s; outage.cut=true; outage.cut_at=1h3m0s; outage.ok=true; tell critical cut_armed"},
		{"after which nobody waits for one", handmade(waiting(DoCut, ""), outage(func(o *Outage) { o.Halts = true })), "measured..cut.0=30s; outage.cut=true; outage.cut_at=1h3m0s; outage.halts gone; outage.ok=true; tell critical cut_armed"},
		{"another", handmade(waiting(DoVerify, "")), "outage.ok=true"},
	})
}

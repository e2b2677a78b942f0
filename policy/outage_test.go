package policy

import (
	"testing"
	"time"
)

func TestAnOutageBeginsWhenMainsGoes(t *testing.T) {
	before := func(c *core) { c.s.Outage, c.s.Phase = nil, Mains }
	const began = "outage.battery=0; outage.began=50m0s; outage.deadline=0; outage.doing_began=0; "
	const none = "outage.id=o2; outage.stage=0; outage.step_began=0; outages=2; phase=riding; tell warning on_battery"
	hold(t, func(c *core) { c.onMains() }, []rule{
		{"from then on", handmade(before), began + "outage.first.at=1h0m0s; outage.first.charge=60; " + none},
		{"with an unknown charge", handmade(before, func(c *core) { c.s.Seen.UPS.Charge = nil }), began + none},
		{"not while it is there", handmade(before, onMains(0)), ""},
		{"nor where nothing is known of it", handmade(before, func(c *core) { c.s.Seen.UPS.Power = Unknown }), ""},
	})
}

func TestMainsThatIsBackInTimeUndoes(t *testing.T) {
	spent := outage(func(o *Outage) { o.Battery = 10 * time.Minute })
	const over = "outage.battery gone; outage.began gone; outage.deadline gone; outage.doing gone; outage.doing_began gone; outage.id gone; outage.per_percent gone; outage.stage gone; outage.step gone; outage.step_began gone; phase=mains; "
	const last = "last.battery=10m0s; last.began=50m0s; last.committed=false; last.cut=false; last.ended=1h0m0s; last.id=o1; lengths.0=10m0s; "
	hold(t, func(c *core) { c.abortable() }, []rule{
		{"nothing, where nothing was touched", handmade(onMains(90*time.Second), spent), last + over + "tell info mains_back"},
		{"what was only asked", handmade(onMains(90*time.Second), spent, doing(Riding, Shed, StepSnapshot), waiting(DoSnapshot, "")), last + over + "cancel p1; tell info mains_back"},
		{"what was touched", handmade(onMains(90*time.Second), spent, runs("node04", Idle)), "outage.doing=restore; outage.doing_began=1h0m0s; outage.step=wait; outage.step_began=1h0m0s; phase=recovering; tell info recovering"},
		{"not before it is stable", handmade(onMains(90*time.Second-1), spent, runs("node04", Idle), func(c *core) { c.s.Seen.UPS.Charge = new(1.0) }), ""},
	})
}

func TestTheFirstTriggerBeginsAStage(t *testing.T) {
	early := func(f func(*Stage)) func(*core) { return func(c *core) { f(&c.r.Stages[0]) } }
	charge := func(percent float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &percent } }
	lasted := func(d time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-d, c.s.Now-d }
	}
	low := func(c *core) { c.s.Seen.UPS.Low = true }
	blind := func(c *core) { c.s.Seen.UPS.Charge = nil } // 10 of 20 min are left
	aborted := outage(func(o *Outage) { o.Aborted = true })
	timed := func(c *core) { c.r.Stages[1].OnBattery = 10 * time.Minute }
	// With this reserve the stop needs 7 min.
	reserve := func(more time.Duration) func(*core) {
		return func(c *core) { c.r.Reserve = 140*time.Second + more }
	}
	for _, row := range []struct {
		name  string
		stage int
		core  *core
		want  bool
	}{
		{"a charge", 0, handmade(charge(50)), true},
		{"not a greater one", 0, handmade(charge(50.1)), false},
		{"no charge is no trigger", 0, handmade(charge(0), early(func(s *Stage) { s.Charge = 0 })), false},
		{"an unknown charge is none", 0, handmade(blind), false},
		{"a time", 0, handmade(early(func(s *Stage) { s.OnBattery = 10 * time.Minute })), true},
		{"not sooner", 0, handmade(early(func(s *Stage) { s.OnBattery = 10*time.Minute + 1 })), false},
		{"what is left", 0, handmade(early(func(s *Stage) { s.Runtime = time.Hour })), true},
		{"not while more is", 0, handmade(early(func(s *Stage) { s.Runtime = time.Hour - 1 })), false},
		{"the ride comes first", 0, handmade(charge(50), lasted(30*time.Second-1)), false},
		{"and is then over", 0, handmade(charge(50), lasted(30*time.Second)), true},
		{"the last moment is not for a stage", 0, handmade(charge(7), reserve(0), early(func(s *Stage) { s.Charge = 0 })), false},
		{"nor is the UPS's word", 0, handmade(low, blind), false},
		{"nothing of a stop", 1, handmade(), false},
		{"the last moment", 1, handmade(charge(7), reserve(0)), true},
		{"not before it", 1, handmade(charge(7), reserve(-1)), false},
		{"the last moment, after an abort", 1, handmade(charge(7), reserve(0), aborted), true},
		{"a time", 1, handmade(timed), true},
		{"not after an abort", 1, handmade(timed, aborted), false},
		{"the UPS's word, where nothing better is known", 1, handmade(low, blind), true},
		{"once it has stayed for its time", 1, handmade(low, blind, func(c *core) { c.s.Seen.UPS.LowSince = c.s.Now - lowGrace }), true},
		{"not sooner", 1, handmade(low, blind, func(c *core) { c.s.Seen.UPS.LowSince = c.s.Now - lowGrace + 1 }), false},
		{"even after an abort", 1, handmade(low, blind, aborted), true},
		{"not where it is", 1, handmade(low), false},
		{"without its word nothing", 1, handmade(blind), false},
	} {
		if got := row.core.fires(row.stage); (got != "") != row.want {
			t.Errorf("stage %d, %s: it begins because %q", row.stage, row.name, got)
		}
	}
}

func TestAStageBeginsOrSaysWhyNot(t *testing.T) {
	need := func(n int) func(*core) { return func(c *core) { c.r.SwarmNeed = n } }
	hold(t, func(c *core) { c.begin(0, "why") }, []rule{
		{"one that sheds", handmade(), "outage.deadline=1h0m30s; outage.doing=shed; outage.doing_began=1h0m0s; outage.shed.0=node04; outage.stages.0=begun; outage.step=snapshot; outage.step_began=1h0m0s; phase=shedding; tell warning stage; snapshot"},
		{"one that is not safe is passed over", handmade(need(4)), "outage.stages.0=passed over; tell warning health"},
		{"one whose nodes were shed before has nothing to do", handmade(runs("node04", Idle)), "outage.stages.0=begun"},
	})
	const stop = "outage.deadline=1h0m30s; outage.doing=stop; outage.doing_began=1h0m0s; outage.stage=1; outage.stages.1=begun; outage.step=snapshot; outage.step_began=1h0m0s; phase=stopping; "
	hold(t, func(c *core) { c.begin(1, "why") }, []rule{
		{"the stop", handmade(), stop + "tell critical stopping; snapshot"},
		{"whatever is still running for a stage", handmade(waiting(DoClear, "node04")), stop + "cancel p1; tell critical stopping; snapshot"},
		{"it is never passed over", handmade(need(4)), stop + "tell critical stopping; snapshot"},
		{"on observe it is only told", handmade(func(c *core) { c.s.Armed = false }), "outage.stages.1=observed; tell warning stage"},
	})
}

func TestAStageIsUnsafeWhereTooFewStay(t *testing.T) {
	swarm := func(f func(*Swarm)) func(*core) { return func(c *core) { f(&c.s.Seen.Swarm) } }
	stage := func(by string, stay bool, shed ...string) func(*core) {
		return func(c *core) { c.r.Stages[0].By, c.r.Stages[0].StayOff, c.r.Stages[0].Shed = by, stay, shed }
	}
	need := func(n int) func(*core) { return func(c *core) { c.r.SwarmNeed = n } }
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"enough", handmade(need(3)), ""},
		{"too few for the services", handmade(need(4)), "it would leave 3 nodes for the services, which need 4"},
		{"one that is not ready does not stay", handmade(need(3), swarm(func(s *Swarm) { s.Nodes[1].Ready = false })), "it would leave 2 nodes for the services, which need 3"},
		{"nor one that was drained", handmade(need(3), swarm(func(s *Swarm) { s.Nodes[1].Availability = "drain" })), "it would leave 2 nodes for the services, which need 3"},
		{"two of three managers are a quorum", handmade(stage("halt", true, "node03")), ""},
		{"one is none", handmade(stage("halt", true, "node02", "node03")), "it would leave 1 of 3 managers, which is no quorum"},
		{"managers that are idle vote on", handmade(stage("idle", true, "node02", "node03")), ""},
		{"as do those that do not stay off", handmade(stage("halt", false, "node02", "node03")), ""},
		{"one that is not ready does not", handmade(stage("halt", true, "node03"), need(1), swarm(func(s *Swarm) { s.Nodes[1].Ready = false })), "it would leave 1 of 3 managers, which is no quorum"},
		{"and there was no quorum before", handmade(stage("idle", false, "node04"), need(1), swarm(func(s *Swarm) { s.Nodes[1].Ready, s.Nodes[2].Ready = false, false })), "it would leave 1 of 3 managers, which is no quorum"},
		{"two of four are none", handmade(stage("halt", true, "node02", "node03"), swarm(func(s *Swarm) { s.Nodes[3].Manager = true })), "it would leave 2 of 4 managers, which is no quorum"},
		{"where no manager is known, none is missed", handmade(swarm(func(s *Swarm) {
			for i := range s.Nodes {
				s.Nodes[i].Manager = false
			}
		})), ""},
		{"an unknown Swarm", handmade(need(4), swarm(func(s *Swarm) { s.Known = false })), ""},
		{"no Swarm", handmade(need(4), swarm(func(s *Swarm) { s.Absent = true })), ""},
	} {
		if got := row.core.unsafe(0); got != row.want {
			t.Errorf("%s: it is unsafe because %q, want %q", row.name, got, row.want)
		}
	}
	if bad := handmade(need(9), stage("halt", true, "node02", "node03")).unsafe(1); bad != "" {
		t.Errorf("the stop is unsafe because %q", bad)
	}
}

func TestANodeIsHaltedOnlyWhereTheCutBringsItBack(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		node int
		want RunState
	}{
		{"it does", handmade(), 1, Halted},
		{"not the host", handmade(), 0, Parked},
		{"not with mains back", handmade(onMains(0)), 1, Parked},
		{"not one that only a hand wakes", handmade(func(c *core) { c.r.Nodes[1].Wake = "manual" }), 1, Parked},
		{"not without a cut", handmade(func(c *core) { c.r.UPS.Cut = false }), 1, Parked},
		{"not where it is not known to cut on mains", handmade(func(c *core) { c.r.UPS.CutsOnMains = false }), 1, Parked},
	} {
		if got := row.core.mode(row.core.r.Nodes[row.node]); got != row.want {
			t.Errorf("%s: it is %s, want %s", row.name, got, row.want)
		}
	}
}

func TestTheLongestTimeOfTheNodesIsThatOfThoseThatStop(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"halting", handmade(), 2 * time.Minute},
		{"parking", handmade(func(c *core) { c.r.UPS.Cut = false }), time.Minute},
		{"none", handmade(runs("node02", Halted), runs("node03", Halted), runs("node04", Halted)), 0},
	} {
		if got := row.core.nodesBudget(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

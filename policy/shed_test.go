package policy

import (
	"strings"
	"testing"
	"time"
)

func TestSpareIsWhatTheServicesDoNotNeed(t *testing.T) {
	node := func(i int, f func(*NodeRules)) func(*core) { return func(c *core) { f(&c.r.Nodes[i]) } }
	member := func(i int, f func(*SwarmNode)) func(*core) { return func(c *core) { f(&c.s.Seen.Swarm.Nodes[i]) } }
	hot := func(name string) func(*core) { return func(c *core) { c.apply(Heat{Node: name, Hot: true}) } }
	drained := func(i int) func(*core) { return member(i, func(n *SwarmNode) { n.Availability = "drain" }) }
	for _, row := range []struct {
		name, want string
		core       *core
	}{
		{"workers first", "node04 node02", handmade()},
		{"before them what is hot while its fan stands still", "node03 node04", handmade(hot("node03"))},
		{"not before a lower tier", "node02 node04", handmade(hot("node04"), node(1, func(n *NodeRules) { n.Tier = 0 }))},
		{"before them the lowest tier", "node03 node04", handmade(node(2, func(n *NodeRules) { n.Tier = 0 }))},
		{"of them the greatest draw", "node04 node03", handmade(node(2, func(n *NodeRules) { n.Draw = 12 }))},
		{"never the host of the UPS", "node04 node02 node03", handmade(func(c *core) { c.r.SwarmNeed = 1 })},
		{"never all", "node04 node01 node02", handmade(node(0, func(n *NodeRules) { n.UPSHost = false }), func(c *core) { c.r.SwarmNeed = 0 })},
		{"nothing where all are needed", "", handmade(func(c *core) { c.r.SwarmNeed = 4 })},
		{"nor where more are", "", handmade(func(c *core) { c.r.SwarmNeed = 9 })},
		{"one that is drained serves nothing", "node02", handmade(drained(3))},
		{"nor does the first of them", "node04", handmade(drained(0))},
		{"nor one that is not ready", "node02", handmade(member(3, func(n *SwarmNode) { n.Ready = false }))},
		{"nor one that was shed", "node02", handmade(runs("node04", Idle))},
		{"one that is not in the Swarm may", "node04 node02", handmade(func(c *core) { c.s.Seen.Swarm.Nodes = c.s.Seen.Swarm.Nodes[:3] })},
		{"as may all while the Swarm is not known", "node04 node02", handmade(drained(3), func(c *core) { c.s.Seen.Swarm.Known = false })},
		{"or has no quorum", "node04 node02", handmade(drained(3), func(c *core) { c.s.Seen.Swarm.Quorum = false })},
		{"or is none", "node04 node02", handmade(drained(3), func(c *core) { c.s.Seen.Swarm.Absent = true })},
	} {
		if got := strings.Join(names(row.core.spare()), " "); got != row.want {
			t.Errorf("%s: %q can be shed, want %q", row.name, got, row.want)
		}
	}
}

// shedding is a stage that sheds node04, which wakes so, by such means.
func shedding(wake, by string, stay bool) func(*core) {
	return func(c *core) {
		doing(Shedding, Shed, StepIdle)(c)
		c.r.Nodes[3].Wake, c.r.Stages[0].By, c.r.Stages[0].StayOff = wake, by, stay
		c.s.Outage.Stages[0], c.s.Outage.Shed = begun, []string{"node04"}
	}
}

func TestWhatIsShedIsOffOnlyWhereItCanComeBackOrShallNot(t *testing.T) {
	own := outage(func(o *Outage) { o.Stage = ownStage })
	for _, row := range []struct {
		name string
		core *core
		want RunState
	}{
		{"idle as the stage says", handmade(shedding("gpio", "idle", false)), Idle},
		{"off where a pulse wakes it", handmade(shedding("gpio", "", false)), Halted},
		{"or a relay", handmade(shedding("relay", "", false)), Halted},
		{"or its clock", handmade(shedding("rtc", "", false)), Halted},
		{"idle where only power does", handmade(shedding("ups", "", false)), Idle},
		{"or a hand", handmade(shedding("manual", "", false)), Idle},
		{"off where it shall stay so", handmade(shedding("ups", "halt", true)), Halted},
		{"not where it may not", handmade(shedding("ups", "halt", false)), Idle},
		{"nor where that was not asked for", handmade(shedding("ups", "", true)), Idle},
		{"the strategy goes by what wakes it", handmade(shedding("gpio", "idle", false), own), Halted},
		{"and leaves the rest idle", handmade(shedding("ups", "halt", true), own), Idle},
		{"what a stage says counts while it sheds", handmade(shedding("gpio", "idle", false), outage(func(o *Outage) { o.Doing = Nothing })), Halted},
	} {
		if got := row.core.shedState(row.core.r.Nodes[3]); got != row.want {
			t.Errorf("%s: it is %q, want %q", row.name, got, row.want)
		}
	}
	c := handmade(shedding("gpio", "", false), runs("node02", Halted))
	c.r.Nodes[2].Wake = "gpio"
	if got := c.shedState(c.r.Nodes[2]); got != Idle {
		t.Errorf("a manager whose vote is needed is %q", got)
	}
}

func TestAVoteIsNeededWhereTheOthersAreNoQuorum(t *testing.T) {
	swarm := func(f func(*Swarm)) func(*core) { return func(c *core) { f(&c.s.Seen.Swarm) } }
	for _, row := range []struct {
		name, node string
		core       *core
		want       bool
	}{
		{"two others of three are", "node02", handmade(), false},
		{"one is not: the other is off", "node02", handmade(runs("node03", Halted)), true},
		{"or parked", "node02", handmade(runs("node03", Parked)), true},
		{"or on its way", "node02", handmade(runs("node03", Halting)), true},
		{"or was just told to", "node02", handmade(waiting(DoHalt, "node03")), true},
		{"an idle one still votes", "node02", handmade(runs("node03", Idle), waiting(DoClear, "node03")), false},
		{"or does not answer", "node02", handmade(swarm(func(s *Swarm) { s.Nodes[2].Ready = false })), true},
		{"a worker's never is", "node04", handmade(runs("node03", Halted)), false},
		{"one that is off itself", "node02", handmade(runs("node02", Halted)), false},
		{"an unknown Swarm may need any", "node04", handmade(swarm(func(s *Swarm) { s.Known = false })), true},
		{"as may one without a quorum", "node04", handmade(swarm(func(s *Swarm) { s.Quorum = false })), true},
		{"no Swarm needs none", "node04", handmade(swarm(func(s *Swarm) { *s = Swarm{Absent: true} })), false},
		{"even if it was known", "node04", handmade(swarm(func(s *Swarm) { *s = Swarm{Absent: true, Known: true} })), false},
	} {
		if got := row.core.voteNeeded(row.node); got != row.want {
			t.Errorf("%s: the vote of %s is needed: %v", row.name, row.node, got)
		}
	}
}

func TestAStageSheds(t *testing.T) {
	again := outage(func(o *Outage) { o.Shed = []string{"node04"} })
	hold(t, func(c *core) { c.beginShed(0, "early", []string{"node04", "node03"}, "why") }, []rule{
		{"first it looks at the Swarm", handmade(), "outage.deadline=1h0m30s; outage.doing=shed; outage.doing_began=1h0m0s; outage.shed.0=node04; outage.shed.1=node03; outage.stages.0=begun; " +
			"outage.step=snapshot; outage.step_began=1h0m0s; phase=shedding; tell warning stage; snapshot"},
		{"a node is shed once", handmade(again), "outage.deadline=1h0m30s; outage.doing=shed; outage.doing_began=1h0m0s; outage.shed.1=node03; outage.stages.0=begun; " +
			"outage.step=snapshot; outage.step_began=1h0m0s; phase=shedding; tell warning stage; snapshot"},
		{"on observe it only says so", handmade(func(c *core) { c.s.Armed = false }), "outage.stages.0=observed; tell warning stage"},
	})
}

func TestTheNodesOfAStageAreIdled(t *testing.T) {
	hold(t, func(c *core) { c.idle() }, []rule{
		{"left with nothing", handmade(shedding("ups", "", false)), "clear node04"},
		{"off until they are woken", handmade(shedding("gpio", "", false)), "halt node04"},
		{"or their clock wakes them", handmade(shedding("rtc", "", false)), "halt node04 10 min"},
		{"or for good", handmade(shedding("ups", "halt", true)), "halt node04"},
		{"once", handmade(shedding("ups", "", false), runs("node04", Idle)), ""},
		{"not while that is on its way", handmade(shedding("ups", "", false), waiting(DoClear, "node04")), ""},
	})
}

func TestAClockWakesAfterAsLongAsTheOutageLasted(t *testing.T) {
	lasted := func(d time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-d, c.s.Now-d }
	}
	// What is left is 17 min, and the stop needs 4 min 40 s: with this reserve 10 min.
	reserve := func(d time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Charge, c.r.Reserve = new(17.0), 140*time.Second+d }
	}
	for _, row := range []struct {
		name string
		core *core
		want time.Duration
	}{
		{"at least ten minutes", handmade(shedding("rtc", "", false), lasted(time.Minute)), 10 * time.Minute},
		{"as long again", handmade(shedding("rtc", "", false), lasted(25*time.Minute)), 25 * time.Minute},
		{"just before everything stops", handmade(shedding("rtc", "", false), reserve(0)), 10 * time.Minute},
		{"not after", handmade(shedding("rtc", "", false), reserve(time.Second)), 4 * time.Hour},
		{"others have no clock", handmade(shedding("gpio", "", false)), 0},
	} {
		if got := row.core.alarm(row.core.r.Nodes[3]); got != row.want {
			t.Errorf("%s: it wakes after %s, want %s", row.name, got, row.want)
		}
	}
}

func TestANodeThatItsClockStartedIsHaltedAgain(t *testing.T) {
	rung := func(more ...func(*core)) *core {
		return handmade(append([]func(*core){shedding("rtc", "", false), doing(Riding, Nothing, ""), runs("node04", Halted), back("node04")}, more...)...)
	}
	now := outage(func(o *Outage) { o.Deadline = time.Hour })
	hold(t, func(c *core) { c.early() }, []rule{
		{"while mains is away", rung(), "halt node04 10 min"},
		{"in a time of its own", rung(now), "outage.deadline=1h2m0s; halt node04 10 min"},
		{"one that was not yet known to be off, too", rung(runs("node04", Halting)), "halt node04 10 min"},
		{"not with mains back", rung(onMains(0)), ""},
		{"not on observe", rung(func(c *core) { c.s.Armed = false }), ""},
		{"not after an abort", rung(outage(func(o *Outage) { o.Aborted = true })), ""},
		{"not one that is idle", rung(runs("node04", Idle)), ""},
		{"not one that power alone wakes", rung(func(c *core) { c.r.Nodes[3].Wake = "ups" }), ""},
		{"not one that is off", rung(gone("node04", time.Minute)), ""},
		{"not one that is gone again", rung(func(c *core) { c.s.Seen.Nodes["node04"] = Node{BootID: "2"} }), ""},
		{"not one that has not gone off yet", rung(func(c *core) { c.s.Seen.Nodes["node04"] = Node{Connected: true, BootID: "1"} }), ""},
		{"not twice at once", rung(waiting(DoHalt, "node04")), ""},
		{"not before it is to be tried again", rung(outage(func(o *Outage) { o.RetryAt = time.Hour + 1 })), ""},
		{"but then", rung(outage(func(o *Outage) { o.RetryAt = time.Hour })), "halt node04 10 min"},
	})
}

func TestAHeavierLoadMakesAPercentShorter(t *testing.T) {
	was := func(watts float64) func(*core) { return outage(func(o *Outage) { o.Watts = watts }) }
	hold(t, func(c *core) { c.loadChanged() }, []rule{
		{"by as much", handmade(was(17)), "outage.per_percent=30s"},
		{"a lighter one does not make it longer", handmade(was(68)), ""},
		{"nor does one that is as it was", handmade(was(34)), ""},
		{"one that was not known changes nothing", handmade(was(0)), ""},
		{"what was not measured stays so", handmade(was(17), outage(func(o *Outage) { o.PerPercent = 0 })), ""},
	})
}

func TestANodeStaysOffWhereItsStageSaysSo(t *testing.T) {
	for _, row := range []struct {
		name, node string
		core       *core
		want       bool
	}{
		{"it does", "node04", handmade(shedding("ups", "halt", true)), true},
		{"not after a cut", "node04", handmade(shedding("ups", "halt", true), outage(func(o *Outage) { o.Cut = true })), false},
		{"not where it can be woken", "node04", handmade(shedding("gpio", "halt", true)), false},
		{"not another", "node03", handmade(shedding("ups", "halt", true)), false},
		{"not where the stage was only observed", "node04", handmade(shedding("ups", "halt", true), outage(func(o *Outage) { o.Stages[0] = observed })), false},
		{"not where it may return", "node04", handmade(shedding("ups", "halt", false)), false},
	} {
		if got := row.core.staysOff(row.node); got != row.want {
			t.Errorf("%s: %s stays off: %v", row.name, row.node, got)
		}
	}
}

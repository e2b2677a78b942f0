package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTimeNeverGoesBack(t *testing.T) {
	s := handmade().s
	if later, _ := Step(rackRules(), s, Event{At: s.Now - time.Minute, What: Tick{}}); later.Now != s.Now {
		t.Errorf("an event of a minute ago sets the time to %s, it was %s", later.Now, s.Now)
	}
}

func TestAStartForgetsWhatWasOnlySeen(t *testing.T) {
	const nodes = "seen.nodes.node01.connected=false; seen.nodes.node01.since=1h0m0s; seen.nodes.node02.connected=false; seen.nodes.node02.since=1h0m0s; " +
		"seen.nodes.node03.connected=false; seen.nodes.node03.since=1h0m0s; seen.nodes.node04.connected=false; seen.nodes.node04.since=1h0m0s"
	quiet := func(c *core) { c.s.Seen.Swarm = Swarm{} }
	resume := func(c *core) { // the journal's time is older than the last reading's
		c.before = c.s.Now - 2*time.Minute
	}
	hold(t, func(c *core) { c.started(Started{BootID: "boot1"}) }, []rule{
		{"on mains, all that the UPS said", handmade(quiet, func(c *core) { c.s.Outage, c.s.Phase = nil, Mains }),
			nodes + "; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.power=; seen.ups.since=0; seen.ups.still gone"},
		{"in an outage, only the contact", handmade(quiet, outage(func(o *Outage) { o.RetryAt = time.Minute })), "outage.retry_at=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s"},
		{"a step that needs to know the Swarm begins with it again", handmade(quiet, doing(Stopping, Stop, StepPause)),
			"outage.deadline=1h0m30s; outage.step=snapshot; outage.step_began=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s; snapshot"},
		{"so does the one that asks, whose time may be over", handmade(quiet, doing(Stopping, Stop, StepSnapshot), outage(func(o *Outage) { o.Deadline = 59 * time.Minute })),
			"outage.deadline=1h0m30s; outage.step_began=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s; snapshot"},
		{"so does one that drains", handmade(quiet, doing(Stopping, Stop, StepDrain)),
			"outage.deadline=1h0m30s; outage.step=snapshot; outage.step_began=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s; snapshot"},
		{"and one that waits for the services", handmade(quiet, doing(Stopping, Stop, StepAwait)),
			"outage.deadline=1h0m30s; outage.step=snapshot; outage.step_began=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s; snapshot"},
		{"others go on", handmade(quiet, doing(Committed, Stop, StepNodes)), "outage.retry_at=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s"},
		{"an order that was running may have been taken", handmade(quiet, doing(Committed, Stop, StepNodes), waiting(DoHalt, "node02")),
			"outage.retry_at=1h0m0s; outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=asked; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s"},
	})
	hold(t, func(c *core) { c.started(Started{BootID: "boot2"}) }, []rule{
		{"another boot id after none is no reboot", handmade(quiet, func(c *core) { c.s.BootID = "" }), "boot_id=boot2; outage.retry_at=1h0m0s; " + nodes + "; seen.ups.contact=false; seen.ups.gone=1h0m0s"},
		{"a reboot on battery counts what was on battery until the journal's time", handmade(quiet, resume),
			"boot_id=boot2; outage.battery=8m0s; outage.early=true; outage.rebooted=true; outage.retry_at=1h0m0s; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.since=1h0m0s; seen.ups.still gone"},
		{"and never less than nothing", handmade(quiet, func(c *core) { c.before = 40 * time.Minute }),
			"boot_id=boot2; outage.early=true; outage.rebooted=true; outage.retry_at=1h0m0s; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.since=1h0m0s; seen.ups.still gone"},
		{"nor from before the outage", handmade(quiet, outage(func(o *Outage) { o.Began = 55 * time.Minute })),
			"boot_id=boot2; outage.battery=5m0s; outage.early=true; outage.rebooted=true; outage.retry_at=1h0m0s; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.since=1h0m0s; seen.ups.still gone"},
		{"with mains back, none", handmade(quiet, onMains(time.Minute)),
			"boot_id=boot2; outage.early=true; outage.rebooted=true; outage.retry_at=1h0m0s; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.power=battery; seen.ups.since=1h0m0s; seen.ups.still gone"},
		{"a reboot after the commit restores, and forgets the cut", handmade(quiet, onMains(time.Minute), doing(Committed, Stop, StepNodes), outage(func(o *Outage) { o.CutAt = 2 * time.Hour })),
			"boot_id=boot2; outage.cut_at gone; outage.deadline=0; outage.doing=restore; outage.doing_began=1h0m0s; outage.early=true; outage.rebooted=true; outage.step=wait; outage.step_began=1h0m0s; phase=recovering; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.power=; seen.ups.since=1h0m0s; seen.ups.still gone; tell info recovering"},
		{"so does one in the dark", handmade(quiet, onMains(time.Minute), doing(Dark, Stop, "")),
			"boot_id=boot2; outage.deadline=0; outage.doing=restore; outage.doing_began=1h0m0s; outage.early=true; outage.rebooted=true; outage.step=wait; outage.step_began=1h0m0s; phase=recovering; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.power=; seen.ups.since=1h0m0s; seen.ups.still gone; tell info recovering"},
		{"one while restoring goes on, with mains unknown", handmade(quiet, onMains(time.Minute), doing(Recovering, Restoring, StepReturn)),
			"boot_id=boot2; outage.early=true; outage.rebooted=true; outage.retry_at=1h0m0s; " + nodes +
				"; seen.ups.at=0; seen.ups.charge gone; seen.ups.contact=false; seen.ups.gone=1h0m0s; seen.ups.power=; seen.ups.since=1h0m0s; seen.ups.still gone"},
	})
	c := handmade(outage(func(o *Outage) { o.First, o.Anchor, o.Recent = &Anchor{}, &Anchor{}, &Anchor{} }))
	if c.started(Started{BootID: "boot1"}); c.s.Outage.First != nil || c.s.Outage.Anchor != nil || c.s.Outage.Recent != nil || c.s.Seen.Swarm.Known {
		t.Errorf("after a start the slope goes on over the gap, or the Swarm's old picture: %+v, %+v", c.s.Outage, c.s.Seen.Swarm)
	}
}

func TestARestartInAnOutageOnBatteryIsSuspected(t *testing.T) {
	for _, row := range []struct {
		name     string
		rebooted bool
		core     *core
		want     float64 // 0 is not suspected
	}{
		{"by the newest charge", true, handmade(outage(func(o *Outage) { o.First, o.Recent = &Anchor{Charge: 90}, &Anchor{Charge: 70} })), 70},
		{"or the first", true, handmade(outage(func(o *Outage) { o.First = &Anchor{Charge: 90} })), 90},
		{"not where none is known", true, handmade(), 0},
		{"not a crash", false, handmade(outage(func(o *Outage) { o.First = &Anchor{Charge: 90} })), 0},
		{"not with mains back", true, handmade(onMains(0), outage(func(o *Outage) { o.First = &Anchor{Charge: 90} })), 0},
		{"not after the commit", true, handmade(outage(func(o *Outage) { o.First, o.Committed = &Anchor{Charge: 90}, true })), 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.core.suspect(row.rebooted)
			got := row.core.s.Outage.Suspect
			if (got == nil) != (row.want == 0) || got != nil && *got != row.want {
				t.Errorf("suspected is %v, want %v", got, row.want)
			}
		})
	}
}

func TestABatteryIsTakenToHaveEndedWhereAnotherNodeStartedAgainToo(t *testing.T) {
	suspect := outage(func(o *Outage) { o.Suspect = new(40.0) })
	for _, row := range []struct {
		name  string
		core  *core
		seen  NodeSeen
		ended bool
	}{
		{"a node with another boot id", handmade(suspect), NodeSeen{Node: "node02", Connected: true, BootID: "2"}, true},
		{"not one that went away", handmade(suspect), NodeSeen{Node: "node02", BootID: "2"}, false},
		{"not one with its old boot id", handmade(suspect), NodeSeen{Node: "node02", Connected: true, BootID: "1"}, false},
		{"not one that was never seen", handmade(suspect), NodeSeen{Node: "node09", Connected: true, BootID: "1"}, false},
		{"not one that was stopped", handmade(suspect, runs("node02", Halted)), NodeSeen{Node: "node02", Connected: true, BootID: "2"}, false},
		{"not the host itself", handmade(suspect), NodeSeen{Node: "node01", Connected: true, BootID: "2"}, false},
		{"not without a suspicion", handmade(), NodeSeen{Node: "node02", Connected: true, BootID: "2"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.core.node(row.seen)
			b := row.core.s.Battery
			if b.Ended != row.ended || row.ended && (*b.Lowest != 40 || row.core.s.Outage.Suspect != nil) {
				t.Errorf("the battery is %+v, want that it ended: %v", b, row.ended)
			}
		})
	}
}

func TestANodeThatIsSeen(t *testing.T) {
	parked := func(c *core) {
		c.s.Seen.Nodes["node02"] = Node{Connected: true, BootID: "1", Since: time.Minute, Parked: true, Drawn: &Drawn{Watts: 5}}
	}
	see := func(n NodeSeen) func(*core) { return func(c *core) { c.node(n) } }
	for _, row := range []struct {
		rule
		seen NodeSeen
	}{
		{rule{"as before changes nothing", handmade(parked), ""}, NodeSeen{Node: "node02", Connected: true, BootID: "1", Parked: true}},
		{rule{"no longer parked", handmade(parked), "seen.nodes.node02.parked gone"}, NodeSeen{Node: "node02", Connected: true, BootID: "1"}},
		{rule{"gone, keeps its boot id, and is parked no longer", handmade(parked), "seen.nodes.node02.connected=false; seen.nodes.node02.parked gone; seen.nodes.node02.since=1h0m0s"},
			NodeSeen{Node: "node02"}},
		{rule{"started again", handmade(parked), "seen.nodes.node02.boot_id=2; seen.nodes.node02.parked gone; seen.nodes.node02.since=1h0m0s"}, NodeSeen{Node: "node02", Connected: true, BootID: "2"}},
		{rule{"parked", handmade(), "seen.nodes.node02.parked=true"}, NodeSeen{Node: "node02", Connected: true, BootID: "1", Parked: true}},
		{rule{"for the first time", handmade(), "seen.nodes.node09.connected=false; seen.nodes.node09.since=1h0m0s"}, NodeSeen{Node: "node09"}},
	} {
		hold(t, see(row.seen), []rule{row.rule})
	}
}

func TestAReadingThatIsTaken(t *testing.T) {
	deaf := func(c *core) { c.s.Seen.UPS.Contact, c.s.Seen.UPS.Missed = false, true }
	none := func(c *core) { c.s.Outage, c.s.Phase = nil, Mains; onMains(time.Hour)(c) }
	at := func(c *core) { c.s.Seen.UPS.At = c.s.Now - 10*time.Second }
	hold(t, func(c *core) { c.reading(Reading{Power: OnBattery, Charge: new(60.0)}) }, []rule{
		{"the same charge stands still", handmade(at), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s"},
		{"a first charge does not", handmade(at, func(c *core) { c.s.Seen.UPS.Charge = nil }), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s; seen.ups.charge=60; seen.ups.still=1h0m0s"},
		{"nor another", handmade(at, func(c *core) { c.s.Seen.UPS.Charge = new(59.0) }), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s; seen.ups.charge=60; seen.ups.still=1h0m0s"},
		{"contact that is back is told where its loss was", handmade(at, deaf), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s; seen.ups.contact=true; seen.ups.missed gone; tell info contact_back"},
		{"and not where it was not", handmade(at, func(c *core) { c.s.Seen.UPS.Contact, c.s.Seen.UPS.Gone = false, c.s.Now-time.Second }), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s; seen.ups.contact=true; seen.ups.gone gone"},
		{"also without an outage", handmade(at, deaf, none), "seen.ups.at=1h0m0s; seen.ups.contact=true; seen.ups.missed gone; seen.ups.power=battery; seen.ups.since=1h0m0s; tell info contact_back"},
		{"a flag that stays is as old as it was", handmade(at, func(c *core) { c.s.Seen.UPS.Low, c.s.Seen.UPS.LowSince = true, 59*time.Minute }), "outage.first.at=1h0m0s; outage.first.charge=60; seen.ups.at=1h0m0s; seen.ups.low gone"},
	})
	hold(t, func(c *core) { c.reading(Reading{Power: Unknown, Low: true}) }, []rule{
		{"an unknown power changes none", handmade(), "seen.ups.charge gone; seen.ups.low=true; seen.ups.low_since=1h0m0s; seen.ups.still=1h0m0s"},
	})
	end := outage(func(o *Outage) {
		o.End, o.Rebooted = &End{Dark: 30, Expect: 10, For: 10 * time.Minute}, true
	})
	hold(t, func(c *core) { c.reading(Reading{Power: OnMains, Charge: new(60.0)}) }, []rule{
		{"the first one after the power was off teaches of the battery", handmade(onMains(time.Minute), end),
			"battery.lowest=30; battery.lowest_at=1h0m0s; battery.short=true; outage.end.dark gone; outage.end.expect gone; outage.end.for gone"},
		{"not where the machine never stopped", handmade(onMains(time.Minute), end, outage(func(o *Outage) { o.Rebooted = false })), ""},
	})
	hold(t, func(c *core) { c.reading(Reading{Power: OnMains}) }, []rule{
		{"nor one without a charge", handmade(onMains(time.Minute), end), "seen.ups.charge gone; seen.ups.still=1h0m0s"},
	})
	hold(t, func(c *core) { c.reading(Reading{Power: OnMains}) }, []rule{
		{"nor is anything learned without an outage", handmade(none), "seen.ups.charge gone; seen.ups.still=1h0m0s"},
	})
}

func TestMainsThatTurns(t *testing.T) {
	anchors := outage(func(o *Outage) {
		o.First, o.Anchor, o.Recent, o.Early = &Anchor{At: 50 * time.Minute, Charge: 100}, &Anchor{At: 50 * time.Minute, Charge: 80}, &Anchor{At: 50 * time.Minute, Charge: 80}, true
		o.Watts = 34
	})
	const kept = "battery.discharges.0.at=1h0m0s; battery.discharges.0.per_percent=30s; battery.discharges.0.points=20; battery.discharges.0.watts=34; "
	const fresh = "outage.anchor.at gone; outage.anchor.charge gone; outage.battery=10m0s; outage.early gone; outage.first.at gone; outage.first.charge gone; outage.recent.at gone; outage.recent.charge gone; "
	hold(t, func(c *core) { c.turned(OnMains, c.s.Seen.UPS.Charge) }, []rule{
		{"back: what the battery did is kept", handmade(anchors), kept + "battery.lowest=60; battery.lowest_at=1h0m0s; " + fresh + "seen.ups.power=mains; seen.ups.since=1h0m0s"},
		{"an unknown charge proves nothing", handmade(func(c *core) { c.s.Seen.UPS.Charge = nil }), "outage.battery=10m0s; seen.ups.power=mains; seen.ups.since=1h0m0s"},
		{"an outage that began later counts from there", handmade(outage(func(o *Outage) { o.Began = 56 * time.Minute })),
			"battery.lowest=60; battery.lowest_at=1h0m0s; outage.battery=4m0s; seen.ups.power=mains; seen.ups.since=1h0m0s"},
		{"no outage", handmade(func(c *core) { c.s.Outage = nil }), "seen.ups.power=mains; seen.ups.since=1h0m0s"},
		{"what was unknown was not on battery", handmade(func(c *core) { c.s.Seen.UPS.Power = Unknown }, outage(func(o *Outage) { o.Early = true })),
			"outage.early gone; seen.ups.power=mains; seen.ups.since=1h0m0s"},
	})
	hold(t, func(c *core) { c.turned(OnBattery, c.s.Seen.UPS.Charge) }, []rule{
		{"gone again: the slope is measured anew, and nothing counted", handmade(onMains(time.Minute), outage(func(o *Outage) { o.Early = true })), "seen.ups.power=battery; seen.ups.since=1h0m0s"},
		{"gone without an outage", handmade(onMains(time.Minute), func(c *core) { c.s.Outage = nil }), "seen.ups.power=battery; seen.ups.since=1h0m0s"},
	})
}

func TestContactWithTheUPS(t *testing.T) {
	lost := func(ago time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.UPS.Contact, c.s.Seen.UPS.Gone = false, c.s.Now-ago }
	}
	told := func(c *core) { c.s.Seen.UPS.Missed = true }
	hold(t, func(c *core) { c.contact(Contact{Lost: true}) }, []rule{
		{"lost is noted, and not told at once", handmade(), "seen.ups.contact=false; seen.ups.gone=1h0m0s"},
		{"lost counts from when it was", handmade(lost(time.Second)), ""},
	})
	hold(t, func(c *core) { c.missed() }, []rule{
		{"a UPS that answers is not missed", handmade(), ""},
		{"nor one that left for a moment", handmade(lost(contactGrace - 1)), ""},
		{"lost on battery", handmade(lost(contactGrace)), "seen.ups.missed=true; tell critical contact_lost"},
		{"lost on mains", handmade(onMains(0), lost(contactGrace)), "seen.ups.missed=true; tell warning contact_lost"},
		{"lost is told once", handmade(lost(time.Minute), told), ""},
		{"one that never answered is none that is lost", handmade(func(c *core) { c.s.Seen.UPS.Contact = false }), ""},
	})
	hold(t, func(c *core) { c.contact(Contact{}) }, []rule{
		{"back", handmade(lost(time.Minute), told), "seen.ups.contact=true; seen.ups.gone gone; seen.ups.missed gone; tell info contact_back"},
		{"back before it was missed", handmade(lost(time.Second)), "seen.ups.contact=true; seen.ups.gone gone"},
		{"back is told once", handmade(), ""},
	})
}

func TestADrawIsKeptWithItsTime(t *testing.T) {
	hold(t, func(c *core) { c.drawn(Drawn{Node: "node02", Watts: 5, Method: "shunt"}) }, []rule{
		{"of a node", handmade(), "seen.nodes.node02.drawn.at=1h0m0s; seen.nodes.node02.drawn.method=shunt; seen.nodes.node02.drawn.node=node02; seen.nodes.node02.drawn.watts=5"},
	})
	hold(t, func(c *core) { c.apply(Drawn{Watts: 40, Method: "meter"}) }, []rule{
		{"of all", handmade(), "seen.meter.at=1h0m0s; seen.meter.method=meter; seen.meter.watts=40"},
	})
}

func TestAnOperatorOrders(t *testing.T) {
	watched := outage(func(o *Outage) { o.Stages = map[int]string{0: begun, 1: observed} })
	observes := func(c *core) { c.s.Armed = false }
	aborted := "outage.aborted=true; "
	undoing := aborted + "outage.deadline=0; outage.doing=restore; outage.doing_began=1h0m0s; outage.step=wait; outage.step_began=1h0m0s; phase=recovering"
	for _, row := range []struct {
		order string
		rule
	}{
		{"arm", rule{"arming looks again at what was only observed", handmade(watched, observes), "armed=true; outage.stages.1 gone; tell info mode_changed"}},
		{"arm", rule{"arming what is armed", handmade(watched), ""}},
		{"observe", rule{"observing what is on observe", handmade(watched, observes), ""}},
		{"observe", rule{"observing in an outage that touched nothing", handmade(), "armed=false; outage.aborted=true; tell info mode_changed; tell warning undone"}},
		{"observe", rule{"observing undoes a stage", handmade(doing(Shedding, Shed, StepIdle), runs("node04", Idle)), "armed=false; " + undoing + "; tell info mode_changed; tell info recovering"}},
		{"observe", rule{"observing after the commit leaves what was begun", handmade(doing(Committed, Stop, StepNodes)), "armed=false; tell info mode_changed"}},
		{"observe", rule{"observing on mains", handmade(func(c *core) { c.s.Outage = nil }), "armed=false; tell info mode_changed"}},
		{"arm", rule{"arming on mains", handmade(observes, func(c *core) { c.s.Outage = nil }), "armed=true; tell info mode_changed"}},
		{"abort", rule{"aborting what touched nothing", handmade(), "outage.aborted=true; tell warning undone"}},
		{"abort", rule{"aborting a stop", handmade(doing(Stopping, Stop, StepDrain), outage(func(o *Outage) { o.Before = []Before{{ID: "id01"}} })), undoing + "; tell info recovering"}},
		{"abort", rule{"aborting without an outage", handmade(func(c *core) { c.s.Outage = nil }), ""}},
		{"abort", rule{"aborting in the dark", handmade(doing(Dark, Stop, "")), ""}},
		{"abort", rule{"an operator need not wait for what is to be put back", handmade(restoring(StepWait)), aborted + "outage.deadline=0; outage.doing_began=1h0m0s; outage.step_began=1h0m0s; tell info recovering"}},
		{"abort", rule{"that is put back already", handmade(restoring(StepReturn)), ""}},
		{"abort", rule{"nor twice", handmade(restoring(StepWait), outage(func(o *Outage) { o.Aborted = true })), ""}},
		{"observe", rule{"observing lets what is to be put back wait", handmade(restoring(StepWait)), "armed=false; tell info mode_changed"}},
		{"dance", rule{"what is no order", handmade(), ""}},
	} {
		hold(t, func(c *core) { c.operator(Operator{Order: row.order, By: "alice"}) }, []rule{row.rule})
	}
	for _, order := range []string{"arm", "observe"} {
		c := handmade(func(c *core) { c.s.Armed = order == "observe" })
		c.operator(Operator{Order: order, By: "alice"})
		if want := map[string]string{"arm": "Armed by alice", "observe": "On observe by alice"}[order]; !strings.HasPrefix(c.out[0].Reason, want) {
			t.Errorf("%s is told as %q, want %q", order, c.out[0].Reason, want)
		}
	}
}

func TestAnAbortThatWouldDoNothingSaysWhy(t *testing.T) {
	for _, row := range []struct {
		phase Phase
		want  string
	}{
		{Mains, "there is no outage to abort"},
		{Riding, ""},
		{Shedding, ""},
		{Stopping, ""},
		{Committed, "outage o1 is committed: nodes are being stopped and the outlets will cycle"},
		{Dark, "outage o1 is committed: nodes are being stopped and the outlets will cycle"},
		{Recovering, "outage o1 is already being undone"},
	} {
		c := handmade(func(c *core) { c.s.Phase = row.phase }, outage(func(o *Outage) { o.Step = StepReturn }))
		if row.phase == Mains {
			c.s.Outage = nil
		}
		got := ""
		if err := CanAbort(c.s); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("in %s an abort says %q, want %q", row.phase, got, row.want)
		}
	}
}

func TestAnEffectIsWaitedForUnlessItIsAWordOrACancel(t *testing.T) {
	c := handmade(outage(func(o *Outage) { o.Deadline = 2 * time.Hour }), func(c *core) { c.s.Seen.Nodes["node03"] = Node{Connected: true, Parked: true} })
	c.emit(Effect{Kind: DoHalt, Node: "node02", Delay: time.Minute})
	c.emit(Effect{Kind: Tell})
	c.emit(Effect{Kind: Cancel, Node: "e101"})
	for i, want := range []Effect{{ID: "e101", Outage: "o1", Deadline: 2 * time.Hour}, {ID: "e102", Outage: "o1"}, {ID: "e103", Outage: "o1"}} {
		if e := c.out[i]; e.ID != want.ID || e.Outage != want.Outage || e.Deadline != want.Deadline {
			t.Errorf("the effect is %+v, want %+v", e, want)
		}
	}
	if want := []Pending{{ID: "e101", Kind: DoHalt, Node: "node02", At: time.Hour, Delay: time.Minute}}; !slices.Equal(c.s.Outage.Pending, want) {
		t.Errorf("%+v is waited for, want %+v", c.s.Outage.Pending, want)
	}
	if c.emit(Effect{Kind: DoPark, Node: "node03"}); !c.s.Outage.Pending[1].Parked {
		t.Errorf("%+v is waited for, want it known that the node was parked then", c.s.Outage.Pending[1])
	}
	c.s.Outage = nil
	if c.tell("mode_changed", "info", "", "Armed."); c.out[4].Outage != "" {
		t.Errorf("without an outage a word belongs to %q", c.out[4].Outage)
	}
}

func TestAnOrderThatIsTakenBackMayHaveBeenTaken(t *testing.T) {
	took := func(kind EffectKind) func(*core) {
		return func(c *core) {
			c.tookBack(Pending{Kind: kind, Node: "node02", At: 58 * time.Minute, Delay: 10 * time.Minute})
		}
	}
	const asked = "outage.runs.node02.at=58m0s; outage.runs.node02.boot_id=1; "
	hold(t, took(DoHalt), []rule{
		{"a halt, with the clock that it set", handmade(), "outage.runs.node02.alarm=1h8m0s; " + asked + "outage.runs.node02.state=asked"},
		{"a halt of an idle node", handmade(outage(func(o *Outage) { o.Runs["node02"] = Run{State: Idle, BootID: "1"} })), "outage.runs.node02.alarm=1h8m0s; outage.runs.node02.at=58m0s; outage.runs.node02.state=asked"},
		{"a halt of a node that is off", handmade(runs("node02", Halted)), ""},
	})
	hold(t, took(DoPark), []rule{{"a park, which sets no clock", handmade(), asked + "outage.runs.node02.state=asked"}, {"a park of a node that is off", handmade(runs("node02", Halted)), ""}})
	hold(t, took(DoReboot), []rule{{"a reboot", handmade(runs("node02", Parked)), "outage.runs.node02.at=58m0s; outage.runs.node02.state=booting"}})
	hold(t, took(DoAwait), []rule{{"what changes no node", handmade(), ""}})
}

func TestWhatRunsIsCancelledByItsID(t *testing.T) {
	hold(t, func(c *core) { c.cancelPending() }, []rule{
		{"each, and kept in mind", handmade(waiting(DoHalt, "node02"), waiting(DoAwait, "")),
			"outage.runs.node02.at=59m30s; outage.runs.node02.boot_id=1; outage.runs.node02.state=asked; cancel p1; cancel p2"},
	})
	c := handmade(waiting(DoAwait, ""))
	if c.cancelPending(); len(c.s.Outage.Pending) != 0 {
		t.Errorf("%v is still waited for", c.s.Outage.Pending)
	}
}

func TestAnOutageTouchesWhatItChanged(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"nothing", handmade(), false},
		{"the Swarm", handmade(outage(func(o *Outage) { o.Before = []Before{{}} })), true},
		{"the commit", handmade(outage(func(o *Outage) { o.Committed = true })), true},
		{"a node", handmade(runs("node02", Idle)), true},
		{"a node that is up", handmade(runs("node02", Up)), false},
	} {
		if got := row.core.touched(); got != row.want {
			t.Errorf("%s: touched is %v", row.name, got)
		}
	}
}

func TestMainsIsStableOnlyWhileItIsThere(t *testing.T) {
	if got := handmade(onMains(7 * time.Second)).stable(); got != 7*time.Second {
		t.Errorf("mains that is back for 7 s is stable for %s", got)
	}
	for _, p := range []Power{OnBattery, Unknown} {
		if got := handmade(func(c *core) { c.s.Seen.UPS.Power = p }).stable(); got >= 0 {
			t.Errorf("with power %q mains is stable for %s", p, got)
		}
	}
}

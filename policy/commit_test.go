package policy

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsCommittedIsUndoneOnlyWhileNothingNeedsAPowerCycle(t *testing.T) {
	at := outage(func(o *Outage) { o.RetryAt = time.Hour }) // what is left is asked for, if it goes on
	park := func(c *core) { c.r.UPS.CutsOnMains = false }
	all := func(c *core) {
		for _, n := range c.r.Nodes[1:] {
			waiting(DoPark, n.Name)(c)
		}
	}
	goesOn := "outage.retry_at gone"
	restored := "outage.deadline=0; outage.doing=restore; outage.doing_began=1h0m0s; outage.retry_at gone; outage.step=wait; outage.step_began=1h0m0s; phase=recovering; "
	nodes := doing(Committed, Stop, StepNodes)
	hold(t, func(c *core) { c.committed() }, []rule{
		{"mains that is just back holds it", handmade(nodes, park, all, at, onMains(0)), ""},
		{"until it is stable", handmade(nodes, park, all, at, onMains(90*time.Second-1)), ""},
		{"then all is put back", handmade(nodes, park, runs("node02", Parked), at, onMains(90*time.Second)), restored + "tell info recovering"},
		{"not where a node was halted", handmade(nodes, all, at, onMains(90*time.Second), outage(func(o *Outage) { o.Halts = true })), goesOn},
		{"nor where the cut is armed", handmade(nodes, all, at, onMains(90*time.Second), outage(func(o *Outage) { o.CutAt = 2 * time.Hour })), goesOn},
		{"nor where it was asked for", handmade(doing(Committed, Stop, StepCut), at, onMains(90*time.Second), waiting(DoCut, "")), goesOn},
		{"on battery it goes on", handmade(nodes, all, at), goesOn},
		{"and what started again parks", handmade(nodes, runs("node02", Parked), back("node02"), runs("node03", Parked), runs("node04", Halting)), "park node02 8 min"},
	})
}

func TestTheDarkIsTold(t *testing.T) {
	measured := outage(func(o *Outage) {
		o.Anchor, o.Recent, o.Watts = &Anchor{At: 50 * time.Minute, Charge: 80}, &Anchor{At: 50 * time.Minute, Charge: 80}, 34
	})
	hold(t, func(c *core) { c.goDark() }, []rule{
		{"and what the battery did until then is kept", handmade(doing(Committed, Stop, StepCut), measured), "battery.discharges.0.at=1h0m0s; battery.discharges.0.per_percent=30s; battery.discharges.0.points=20; battery.discharges.0.watts=34; " +
			"outage.anchor.at gone; outage.anchor.charge gone; outage.deadline=1h1m0s; outage.end.dark=60; outage.end.expect=60; outage.recent.at gone; outage.recent.charge gone; outage.step=host; outage.step_began=1h0m0s; phase=dark; " +
			"tell critical dark; park node01 4.0 h"},
	})
}

func TestInTheDark(t *testing.T) {
	halted := outage(func(o *Outage) { o.Halts = true })
	began := func(ago time.Duration) func(*core) { return outage(func(o *Outage) { o.StepBegan = time.Hour - ago }) }
	retry := func(in time.Duration) func(*core) { return outage(func(o *Outage) { o.RetryAt = time.Hour + in }) }
	cut := func(in time.Duration) func(*core) { return outage(func(o *Outage) { o.CutAt = time.Hour + in }) }
	charge := func(percent float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &percent } }
	dark := doing(Dark, Stop, "")
	const asked = "outage.deadline=1h0m40s; outage.retry_at=1h0m30s; outage.step=cut; outage.step_began=1h0m0s; cut 2 min"
	const restored = "outage.deadline=0; outage.doing=restore; outage.doing_began=1h0m0s; outage.step=wait; outage.step_began=1h0m0s; phase=recovering; tell info recovering"
	parkedAgain := func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, BootID: "2", Parked: true} }
	hold(t, func(c *core) { c.dark() }, []rule{
		{"nothing is left to do", handmade(dark), ""},
		{"but for the host to park", handmade(doing(Dark, Stop, StepHost), retry(0)), "outage.retry_at gone; park node01 4.0 h"},
		{"and what started again", handmade(dark, runs("node02", Halted), back("node02")), "park node02 4.0 h"},
		{"a cut that halted nodes wait for is asked for", handmade(dark, halted, began(cutRetry)), asked},
		{"also while it was", handmade(doing(Dark, Stop, StepCut), halted, began(cutRetry)), strings.Replace(asked, "outage.step=cut; ", "", 1)},
		{"each half minute", handmade(dark, halted, began(cutRetry-1)), ""},
		{"not before it is to be tried again", handmade(dark, halted, retry(1)), ""},
		{"but then", handmade(dark, halted, retry(0)), "outage.deadline=1h0m40s; outage.retry_at=1h0m30s; outage.step=cut; outage.step_began=1h0m0s; cut 2 min"},
		{"not while it runs", handmade(dark, halted, waiting(DoCut, "")), ""},
		{"nor while the host parks", handmade(doing(Dark, Stop, StepHost), halted), ""},
		{"nor where it is armed", handmade(dark, halted, cut(time.Minute)), ""},
		{"nor where its host starts before it", handmade(dark, halted, began(cutRetry), starts("node01", Parked, 2*time.Minute+Settle-1)), ""},
		{"but where it starts after", handmade(dark, halted, began(cutRetry), starts("node01", Parked, 2*time.Minute+Settle)), strings.Replace(asked, "cut 2 min", "cut 60 s", 1)},
		{"on battery power just goes, however late", handmade(dark, cut(-AfterCut)), ""},
		{"with mains a cut that waited for the battery comes now", handmade(dark, onMains(90*time.Second), cut(3*time.Minute+1)), asked},
		{"so it does on battery when the charge is where it was to be", handmade(dark, learns, charge(4), cut(3*time.Minute+1)), asked},
		{"not before", handmade(dark, learns, charge(4.1), cut(time.Hour)), ""},
		{"nor where it is near by itself", handmade(dark, learns, charge(4), cut(3*time.Minute)), ""},
		{"one that is near need not", handmade(dark, onMains(90*time.Second), cut(3*time.Minute)), ""},
		{"not before mains is stable", handmade(dark, onMains(90*time.Second-1), cut(time.Hour)), ""},
		{"nor while an order runs", handmade(dark, onMains(90*time.Second), cut(time.Hour), waiting(DoPark, "node02")), ""},
		{"nor before it is to be tried again", handmade(dark, onMains(90*time.Second), cut(time.Hour), retry(1)), ""},
		{"but then", handmade(dark, onMains(90*time.Second), cut(time.Hour), retry(0)), asked},
		{"without a cut, all is put back when mains is stable", handmade(dark, onMains(90*time.Second)), restored},
		{"not sooner", handmade(dark, onMains(90*time.Second-1)), ""},
		{"nor with halted nodes", handmade(dark, halted, onMains(90*time.Second), waiting(DoCut, "")), ""},
		{"power that should be gone for long enough stays", handmade(dark, onMains(90*time.Second), cut(-AfterCut)), restored},
		{"the outlets may still go off", handmade(dark, onMains(90*time.Second), cut(-AfterCut+1)), ""},
		{"the outlets came back", handmade(dark, onMains(0), cut(0), runs("node02", Parked), parkedAgain), restored},
		{"not while they are to go off", handmade(dark, onMains(0), cut(1), runs("node02", Parked), parkedAgain), ""},
		{"nor where no node started", handmade(dark, onMains(0), cut(0), runs("node02", Parked)), ""},
	})
}

func TestTheOutletsCameBackWhereANodeThatWasDownStarted(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"it did", handmade(runs("node02", Parked), back("node02")), true},
		{"it is there as it was", handmade(runs("node02", Parked)), false},
		{"it is gone", handmade(runs("node02", Parked), func(c *core) { c.s.Seen.Nodes["node02"] = Node{BootID: "2"} }), false},
		{"it was idle", handmade(runs("node02", Idle), back("node02")), false},
	} {
		if got := row.core.cameBack(); got != row.want {
			t.Errorf("%s: the outlets came back is %v", row.name, got)
		}
	}
}

func TestANodeThatStartsTooEarlyParks(t *testing.T) {
	started := func(more ...func(*core)) *core {
		return handmade(append([]func(*core){doing(Dark, Stop, ""), runs("node02", Halted), back("node02")}, more...)...)
	}
	cut := func(in time.Duration) func(*core) { return outage(func(o *Outage) { o.CutAt = time.Hour + in }) }
	given := func(told time.Duration) func(*core) {
		return outage(func(o *Outage) { o.Runs["node02"] = Run{State: Missed, BootID: "1", At: told} })
	}
	taken := func(told time.Duration) func(*core) {
		return outage(func(o *Outage) { o.Runs["node02"] = Run{State: Halted, BootID: "1", At: told} })
	}
	is := func(name string, since time.Duration) func(*core) {
		return func(c *core) { c.s.Seen.Nodes[name] = Node{Connected: true, BootID: "1", Since: since} }
	}
	again := func(name string, at time.Duration) func(*core) {
		return outage(func(o *Outage) {
			run := o.Runs[name]
			run.Again = at
			o.Runs[name] = run
		})
	}
	hold(t, func(c *core) { c.returned() }, []rule{
		{"while mains is away", started(), "park node02 4.0 h"},
		{"in a time of its own", started(outage(func(o *Outage) { o.Deadline = time.Hour })), "outage.deadline=1h1m0s; park node02 4.0 h"},
		{"for less where a cut may still come", started(outage(func(o *Outage) { o.Halts = true })), "park node02 8 min"},
		{"not where the UPS is gone", started(outage(func(o *Outage) { o.Halts = true }), func(c *core) { c.s.Seen.UPS.Missed = true }), "park node02 4.0 h"},
		{"before a cut that comes whatever mains does", started(onMains(0), cut(3*time.Minute)), "park node02 5 min"},
		{"not with mains back", started(onMains(0)), ""},
		{"nor when the cut was", started(onMains(0), cut(0)), ""},
		{"one that was given up and is there", handmade(doing(Dark, Stop, ""), given(0)), "park node02 4.0 h"},
		{"not while it may halt yet", handmade(doing(Dark, Stop, ""), given(50*time.Minute), is("node02", 49*time.Minute)), ""},
		{"unless it came since it was told to", handmade(doing(Dark, Stop, ""), given(50*time.Minute), is("node02", 50*time.Minute)), "park node02 4.0 h"},
		{"nor before it is to be tried again", handmade(doing(Dark, Stop, ""), given(0), again("node02", time.Hour+1)), ""},
		{"be it that it started again", started(again("node02", time.Hour+1)), ""},
		{"one that did not park before does so in the time that the step has", started(doing(Committed, Stop, StepCut), again("node02", time.Hour)), "park node02 8 min"},
		{"nor where it is gone", handmade(doing(Dark, Stop, ""), given(0), gone("node02", 0)), ""},
		{"one that was taken for off and is there", handmade(doing(Dark, Stop, ""), taken(50*time.Minute), is("node02", 51*time.Minute)), "park node02 4.0 h"},
		{"not where nothing was heard of it since", handmade(doing(Dark, Stop, ""), taken(50*time.Minute), is("node02", 50*time.Minute)), ""},
		{"nor where it parked by itself", handmade(doing(Dark, Stop, ""), parkedNode("node02"), given(0)), ""},
		{"not on observe", started(func(c *core) { c.s.Armed = false }), ""},
		{"not the host: it brings the controller", started(func(c *core) { c.r.Nodes[0].UPSHost, c.r.Nodes[1].UPSHost = false, true }), ""},
		{"not twice at once", started(waiting(DoPark, "node02")), ""},
		{"not one that parked by itself", started(func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, BootID: "2", Parked: true} }), ""},
		{"not one that is only seen still", started(func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, BootID: "1"} }), ""},
		{"not one that is gone", started(func(c *core) { c.s.Seen.Nodes["node02"] = Node{BootID: "2"} }), ""},
		{"not one that was not down", started(runs("node02", Idle)), ""},
	})
}

func TestAParkedNodeIsToldToParkAgainBeforeItsTimerStartsIt(t *testing.T) {
	parked := func(alarm time.Duration, change ...func(*core)) *core {
		c := handmade(append([]func(*core){doing(Dark, Stop, ""), parkedNode("node02")}, change...)...)
		run := Run{State: Parked, BootID: "1", Alarm: time.Hour + alarm, Again: c.s.Outage.Runs["node02"].Again}
		c.s.Outage.Runs["node02"] = run
		return c
	}
	park := 2 * DefaultBudgets().Park
	const again = "park node02 4.0 h"
	hold(t, func(c *core) { c.stayParked() }, []rule{
		{"while there is time to", parked(park), again},
		{"not yet", parked(park + 1), ""},
		{"in a time of its own", parked(0, outage(func(o *Outage) { o.Deadline = time.Hour })), again},
		{"the UPS's host too", parked(0, func(c *core) { c.r.Nodes[0].UPSHost, c.r.Nodes[1].UPSHost = false, true }), again},
		{"in the second half of a longest time that is short", parked(4*time.Minute, func(c *core) {
			c.r.Budgets.Park, c.r.ParkLongest, c.s.Seen.UPS.Since = 10*time.Minute, 6*time.Minute, time.Hour
		}), ""},
		{"not with mains back: it is to start", parked(0, onMains(0)), ""},
		{"not behind a cut that may not have come", parked(0, outage(func(o *Outage) { o.CutAt = time.Hour - time.Minute })), ""},
		{"not where the UPS is gone, and nobody knows of mains", parked(0, func(c *core) { c.s.Seen.UPS.Missed = true }), ""},
		{"not one that started again", parked(0, back("node02")), ""},
		{"not one that is gone", parked(0, gone("node02", 0)), ""},
		{"not one that has no timer", parked(-time.Hour), ""},
		{"not on observe", parked(0, func(c *core) { c.s.Armed = false }), ""},
		{"not twice at once", parked(0, waiting(DoPark, "node02")), ""},
		{"not at once where it refused", parked(0, func(c *core) { c.s.Outage.Runs["node02"] = Run{Again: time.Hour + 1} }), ""},
	})
	for i := range 3 { // at once, again and again, would be a flood
		c := parked(0)
		c.r.Budgets.Park = time.Duration(i) * 10 * time.Hour
		n := c.nodeRules("node02")
		if at, longest := c.parksAgain(n), c.parkLongest(n); at > time.Hour || longest <= 0 || time.Hour+longest-min(2*c.r.Budgets.Park, longest/2) <= time.Hour {
			t.Errorf("with a budget of %s it parks again at %s for %s", c.r.Budgets.Park, at, longest)
		}
	}
}

func TestACutThatWaitedForTheBatteryHasWaitedLongEnough(t *testing.T) {
	charge := func(percent float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &percent } }
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"the charge is where it was to be", handmade(learns, charge(4)), true},
		{"it is not yet", handmade(learns, charge(4.01)), false},
		{"it is not known", handmade(learns, func(c *core) { c.s.Seen.UPS.Charge = nil }), false},
		{"mains is stable", handmade(learns, onMains(90*time.Second)), true},
		{"mains is not yet", handmade(learns, charge(1), onMains(90*time.Second-1)), false},
		{"nobody knows of mains", handmade(learns, charge(1), func(c *core) { c.s.Seen.UPS.Power = Unknown }), false},
	} {
		if got := row.core.waited(); got != row.want {
			t.Errorf("%s: it has waited long enough: %v", row.name, got)
		}
	}
}

func TestACutSaysWhy(t *testing.T) {
	dark := doing(Dark, Stop, "")
	armed := outage(func(o *Outage) { o.CutAt = 2 * time.Hour })
	halted := outage(func(o *Outage) { o.Halts = true })
	for _, row := range []struct {
		core *core
		want string
	}{
		{handmade(), "so that every node starts again when mains is back"},
		{handmade(halted), "so that every node starts again when mains is back"},
		{handmade(learns), "late, to see with all nodes down how far this battery goes; sooner if mains is back"},
		{handmade(learns, dark), "late, to see with all nodes down how far this battery goes; sooner if mains is back"},
		{handmade(learns, dark, armed), "it has shown how far this battery goes"},
		{handmade(learns, dark, armed, onMains(0)), "mains is back: what was armed for later comes now"},
		{handmade(dark, halted, onMains(0)), "mains is back, but halted nodes start only by a power cycle"},
	} {
		if got := row.core.cutReason(); got != row.want {
			t.Errorf("it is cut because %q, want %q", got, row.want)
		}
	}
}

func TestOutletsThatCameOnWithoutMainsAreNotCutAgain(t *testing.T) {
	came := outage(func(o *Outage) { o.Early, o.Cut = true, true })
	off := func(c *core) { runs("node02", Halted)(c); gone("node02", time.Minute)(c) }
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"they did", handmade(came), true},
		{"mains was seen since", handmade(came, outage(func(o *Outage) { o.Early = false })), false},
		{"they were never off", handmade(came, outage(func(o *Outage) { o.Cut = false })), false},
		{"a node is off that only another cycle wakes", handmade(came, off), false},
		{"or goes off", handmade(came, runs("node02", Halting)), false},
		{"all that was off is back", handmade(came, runs("node02", Halted), back("node02")), true},
		{"or gone again", handmade(came, runs("node02", Halted), func(c *core) { c.s.Seen.Nodes["node02"] = Node{BootID: "2"} }), false},
		{"what is parked needs none", handmade(came, runs("node02", Parked)), true},
	} {
		if got := row.core.keepsOn(); got != row.want {
			t.Errorf("%s: they are kept on: %v", row.name, got)
		}
	}
	hold(t, func(c *core) { c.commit() }, []rule{
		{"the nodes park, and that is told", handmade(doing(Stopping, Stop, StepAwait), came), "outage.committed=true; outage.deadline=1h1m0s; outage.keeps_on=true; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; " +
			"tell warning health; tell critical committed; park node02 4.0 h; park node03 4.0 h; park node04 4.0 h"},
		{"those that a stage gave up are asked again where they are there", handmade(doing(Stopping, Stop, StepAwait), runs("node02", Missed), outage(func(o *Outage) { o.Runs["node03"] = Run{State: Missed, BootID: "1"} }), runs("node04", Missed), gone("node04", time.Minute)),
			"outage.committed=true; outage.deadline=1h2m0s; outage.halts=true; outage.runs.node02.state=asked; outage.runs.node03.state=; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; tell critical committed; halt node02; halt node03"},
		{"the next time they are cut again", handmade(doing(Stopping, Stop, StepAwait), outage(func(o *Outage) { o.KeepsOn = true })), "outage.committed=true; outage.deadline=1h2m0s; outage.halts=true; outage.keeps_on gone; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; " +
			"tell critical committed; halt node02; halt node03; halt node04"},
	})
}

// starts is a node that its clock or its timer starts then.
func starts(name string, state RunState, in time.Duration) func(*core) {
	return func(c *core) {
		c.s.Outage.Runs[name] = Run{State: state, BootID: "1", Alarm: c.s.Now + in}
		c.s.Seen.Nodes[name] = Node{Connected: state == Parked, Parked: state == Parked, BootID: "1"}
	}
}

// learns is a battery at 20 % that is to be proven down to 4 %: of them the least
// delay of a cut, 2 min, takes 2, and nothing less than 2 says anything.
func learns(c *core) {
	c.r.LearnEmpty, c.s.Seen.UPS.Charge = true, new(20.0)
	c.s.Battery.Discharges = []Discharge{
		{Watts: 34, PerPercent: 400 * time.Second, Points: 1e12, At: c.s.Now}, {Watts: 20.8, PerPercent: time.Minute, Points: 1e12, At: c.s.Now}}
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// restoring is a step of restoring, with mains back for long.
func restoring(step StepName) func(*core) {
	return func(c *core) {
		doing(Recovering, Restoring, step)(c)
		onMains(3 * time.Hour)(c)
	}
}

// before is a node of the Swarm that was changed.
func before(names ...string) func(*core) {
	return func(c *core) {
		for _, n := range names {
			c.s.Outage.Before = append(c.s.Outage.Before, Before{ID: "id" + n[4:], Name: n, Availability: "active"})
		}
	}
}

// shown is a snapshot of the Swarm of just now.
func shown(c *core) { c.s.Seen.Swarm.At = c.s.Now }

func TestRestoringGoesOn(t *testing.T) {
	battery := func(c *core) { c.s.Seen.UPS.Power = OnBattery }
	aborted := outage(func(o *Outage) { o.Aborted = true })
	now := outage(func(o *Outage) { o.Deadline = time.Hour })
	hold(t, func(c *core) { c.recovering() }, []rule{
		{"with mains away again it is the same outage", handmade(restoring(StepVerify), battery, before("node04")), "outage.base=10m0s; outage.doing=; outage.step=; phase=riding; tell warning on_battery"},
		{"what an operator aborted goes on on battery", handmade(restoring(StepVerify), battery, before("node04"), aborted), ""},
		{"until the last moment", handmade(restoring(StepVerify), battery, before("node04"), aborted, func(c *core) { c.s.Seen.UPS.Charge = new(1.0) }), "outage.doing=; outage.step=; phase=riding"},
		{"it waits for mains and energy", handmade(restoring(StepWait), onMains(0)), ""},
		{"then nodes return", handmade(restoring(StepWait)), "outage.deadline=1h4m0s; outage.step=return; outage.step_began=1h0m0s"},
		{"an operator need not wait", handmade(restoring(StepWait), onMains(0), aborted), "outage.deadline=1h4m0s; outage.step=return; outage.step_began=1h0m0s"},
		{"nothing happens before its time", handmade(restoring(StepVerify), before("node04")), ""},
		{"what is complete is followed by the next", handmade(restoring(StepReturn)), "outage.deadline=1h0m40s; outage.ok=true; outage.step=put back; outage.step_began=1h0m0s"},
		{"what takes too long is given up", handmade(restoring(StepVerify), now, before("node04")),
			"last.battery=0; last.began=50m0s; last.committed=false; last.cut=false; last.ended=1h0m0s; last.id=o1; last.short.0=services are not all running; " +
				"outage.battery gone; outage.before.0.availability gone; outage.before.0.id gone; outage.before.0.name gone; outage.began gone; outage.deadline gone; outage.doing gone; outage.doing_began gone; outage.id gone; outage.per_percent gone; outage.stage gone; outage.step gone; outage.step_began gone; phase=mains; tell critical restore_incomplete"},
		{"what failed is asked for again", handmade(restoring(StepVerify), before("node04"), outage(func(o *Outage) { o.RetryAt = time.Hour })), "outage.retry_at gone; verify"},
		{"in its time", handmade(restoring(StepVerify), before("node04"), outage(func(o *Outage) { o.RetryAt = time.Hour + 1 })), ""},
	})
}

func TestRestoringWaitsForMainsAndForEnergy(t *testing.T) {
	charge := func(percent float64) func(*core) { return func(c *core) { c.s.Seen.UPS.Charge = &percent } }
	still := func(d time.Duration) func(*core) { return func(c *core) { c.s.Seen.UPS.Still = c.s.Now - d } }
	unknown := func(c *core) { c.s.Seen.UPS.Charge = nil }
	wanted := func(percent float64) func(*core) { return func(c *core) { c.r.RestoreCharge = percent } }
	// With mains nodes park: one boot, one stop and the reserve are 2 min, 3 min 40 s and 2 min 20 s.
	energy := func(more time.Duration) func(*core) { return func(c *core) { c.r.Reserve = 140*time.Second + more } }
	atWork := outage(func(o *Outage) { o.Watts = 34 }) // where the slope was measured
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"both are there", handmade(onMains(90 * time.Second)), true},
		{"mains is not stable", handmade(onMains(90*time.Second - 1)), false},
		{"the UPS does not answer", handmade(onMains(time.Hour), func(c *core) { c.s.Seen.UPS.Contact = false }), false},
		{"just enough energy", handmade(atWork, onMains(time.Hour), still(0), charge(8), energy(0)), true},
		{"not quite", handmade(atWork, onMains(time.Hour), still(0), charge(8), energy(1)), false},
		{"a slope at a lighter load says nothing", handmade(onMains(time.Hour), still(0), charge(8), energy(0), outage(func(o *Outage) { o.Watts = 33.9 })), false},
		{"nor does what is off now, of what will be on", handmade(atWork, runs("node02", Halted), runs("node03", Halted), outage(func(o *Outage) { o.PerPercent = 0 }), onMains(time.Hour), still(0), charge(8), energy(0),
			func(c *core) {
				c.s.Battery.Discharges = []Discharge{{Watts: 22, PerPercent: time.Minute, Points: 1e12, At: c.s.Now}}
			}), false},
		{"nor a UPS whose figure once stood still", handmade(onMains(time.Hour), still(0), charge(8), energy(0), outage(func(o *Outage) { o.PerPercent = 0 }), func(c *core) {
			c.s.Seen.UPS.Runtime, c.s.Seen.UPS.Load, c.s.Battery.Stuck = new(time.Hour), new(4.0), 2*time.Hour
		}), false},
		{"a full battery is enough, whatever it lasts", handmade(atWork, onMains(time.Hour), still(0), charge(99), outage(func(o *Outage) { o.PerPercent = 1 })), true},
		{"one that is not is not", handmade(atWork, onMains(time.Hour), still(0), charge(98.9), outage(func(o *Outage) { o.PerPercent = 1 })), false},
		{"a charge that stands still for two hours is a full one", handmade(onMains(3*time.Hour), still(2*time.Hour), charge(1)), true},
		{"not for less", handmade(onMains(3*time.Hour), still(2*time.Hour-1), charge(1)), false},
		{"nor where mains was away meanwhile", handmade(onMains(time.Hour), still(3*time.Hour), charge(1)), false},
		{"an unknown charge takes its time", handmade(onMains(10*time.Minute), unknown), true},
		{"not less", handmade(onMains(10*time.Minute-1), unknown), false},
		{"a charge that was configured", handmade(onMains(time.Hour), charge(30), wanted(30)), true},
		{"and is not there", handmade(onMains(time.Hour), charge(30), wanted(31)), false},
		{"it is enough by itself", handmade(onMains(time.Hour), still(0), charge(2), wanted(2)), true},
	} {
		if got := row.core.ready(); got != row.want {
			t.Errorf("%s: ready is %v", row.name, got)
		}
	}
}

func TestAStepOfRestoringAsks(t *testing.T) {
	shed := outage(func(o *Outage) { o.Shed = []string{"node04"} })
	gpio := func(c *core) { c.r.Nodes[3].Wake = "gpio" }
	hold(t, func(c *core) { c.askRestoring() }, []rule{
		{"those that sleep are woken", handmade(restoring(StepReturn), shed, gpio, runs("node04", Halted), gone("node04", time.Minute)), "wake node04"},
		{"those that are parked start", handmade(restoring(StepReturn), parkedNode("node02")), "reboot node02"},
		{"the Swarm is put back", handmade(restoring(StepRestore), before("node04")), "change node04=active"},
		{"where it was changed", handmade(restoring(StepRestore)), "outage.ok=true"},
		{"the services are looked at", handmade(restoring(StepVerify), before("node04")), "verify"},
		{"where they were moved", handmade(restoring(StepVerify)), "outage.ok=true"},
		{"and where there is a Swarm", handmade(restoring(StepVerify), before("node04"), func(c *core) { c.s.Seen.Swarm.Absent = true }), "outage.ok=true"},
	})
}

// parkedNode is a node that is parked and says so.
func parkedNode(name string) func(*core) {
	return func(c *core) {
		runs(name, Parked)(c)
		c.s.Seen.Nodes[name] = Node{Connected: true, Parked: true, BootID: "1"}
	}
}

func TestParkedNodesStartTheHostLast(t *testing.T) {
	hold(t, func(c *core) { c.reboot() }, []rule{
		{"the others first", handmade(parkedNode("node01"), parkedNode("node02"), parkedNode("node03")), "reboot node02; reboot node03"},
		{"not twice at once", handmade(parkedNode("node01"), parkedNode("node02"), waiting(DoReboot, "node02")), ""},
		{"then the host", handmade(parkedNode("node01")), "reboot node01"},
		{"nor that twice", handmade(parkedNode("node01"), waiting(DoReboot, "node01")), ""},
		{"a host that runs is left", handmade(), ""},
		{"without a host all at once", handmade(parkedNode("node01"), func(c *core) { c.r.Nodes[0].UPSHost = false }), "reboot node01"},
	})
	for _, row := range []struct {
		name string
		run  Run
		seen Node
		want bool
	}{
		{"parked", Run{State: Parked, BootID: "1"}, Node{Connected: true, Parked: true, BootID: "1"}, true},
		{"gone", Run{State: Parked, BootID: "1"}, Node{Parked: true, BootID: "1"}, false},
		{"up", Run{State: Parked, BootID: "1"}, Node{Connected: true, BootID: "2"}, false},
		{"idle", Run{State: Idle, BootID: "1"}, Node{Connected: true, BootID: "1"}, false},
		{"parked, and has an agent that was started again", Run{State: Parked, BootID: "1"}, Node{Connected: true, BootID: "1"}, true},
		{"just told to start", Run{State: Booting, BootID: "1", At: time.Hour - rebootAgain + 1}, Node{Connected: true, Parked: true, BootID: "1"}, false},
		{"told long ago", Run{State: Booting, BootID: "1", At: time.Hour - rebootAgain}, Node{Connected: true, Parked: true, BootID: "1"}, true},
		{"started, and parked again", Run{State: Booting, BootID: "1", At: time.Hour - 1}, Node{Connected: true, Parked: true, BootID: "2"}, true},
		{"parked a moment ago", Run{State: Parked, BootID: "1", At: time.Hour - 1}, Node{Connected: true, Parked: true, BootID: "1"}, true},
	} {
		c := handmade(func(c *core) { c.s.Outage.Runs["node02"], c.s.Seen.Nodes["node02"] = row.run, row.seen })
		if got := c.isParked("node02"); got != row.want {
			t.Errorf("a node that is %s is parked: %v", row.name, got)
		}
	}
}

func TestWhatWasShedIsWoken(t *testing.T) {
	off := func(wake string) func(*core) {
		return func(c *core) {
			restoring(StepReturn)(c)
			c.r.Nodes[3].Wake, c.s.Outage.Shed = wake, []string{"node04"}
			runs("node04", Halted)(c)
			gone("node04", time.Minute)(c)
		}
	}
	hold(t, func(c *core) { c.wakeUp() }, []rule{
		{"by its pulse", handmade(off("gpio")), "wake node04"},
		{"by its relay", handmade(off("relay")), "wake node04"},
		{"not where only power does", handmade(off("ups")), ""},
		{"nor where its clock will", handmade(off("rtc")), ""},
		{"not one that is idle", handmade(off("gpio"), runs("node04", Idle)), ""},
		{"not one that is there", handmade(off("gpio"), func(c *core) { c.s.Seen.Nodes["node04"] = Node{Connected: true, BootID: "2"} }), ""},
		{"not twice at once", handmade(off("gpio"), waiting(DoWake, "node04")), ""},
		{"not one that was not shed", handmade(off("gpio"), outage(func(o *Outage) { o.Shed = nil })), ""},
		{"not when the time for it is over", handmade(off("gpio"), outage(func(o *Outage) { o.Deadline = time.Hour })), ""},
	})
}

// asleep is a node that its own clock wakes in so long.
func asleep(in time.Duration) func(*core) {
	return func(c *core) {
		c.r.Nodes[3].Wake = "rtc"
		c.s.Outage.Runs["node04"] = Run{State: Halted, BootID: "1", Alarm: c.s.Now + in}
		gone("node04", time.Minute)(c)
	}
}

func TestANodeSleepsUntilItsClockShouldHaveStartedIt(t *testing.T) {
	state := func(s RunState) func(*core) {
		return outage(func(o *Outage) { o.Runs["node04"] = Run{State: s, BootID: "1", Alarm: o.Runs["node04"].Alarm} })
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"before", handmade(asleep(time.Minute)), true},
		{"while it starts", handmade(asleep(-4*time.Minute + 1)), true},
		{"not after", handmade(asleep(-4 * time.Minute)), false},
		{"one whose order was taken back, too", handmade(asleep(time.Minute), state(Asked)), true},
		{"not one that is parked", handmade(asleep(time.Minute), state(Parked)), false},
		{"not one that is there", handmade(asleep(time.Minute), back("node04")), false},
		{"not one without a clock", handmade(runs("node04", Halted), gone("node04", time.Minute)), false},
		{"not even in the first minutes", handmade(func(c *core) { c.s.Now = time.Minute }, runs("node04", Halted), gone("node04", time.Minute)), false},
	} {
		if got := row.core.sleeps("node04"); got != row.want {
			t.Errorf("%s: it sleeps: %v", row.name, got)
		}
	}
	names, until := handmade(asleep(time.Minute)).sleepers()
	if !slices.Equal(names, []string{"node04"}) || until != time.Hour+5*time.Minute {
		t.Errorf("%v sleep until %s, want node04 until 1h5m0s", names, until)
	}
}

func TestABootIsMeasuredOnce(t *testing.T) {
	hold(t, func(c *core) { c.booted() }, []rule{
		{"from the order until its agent is there", handmade(runs("node02", Booting), back("node02")), "measured.node02.boot.0=1m0s; outage.runs.node02.at gone"},
		{"not before", handmade(runs("node02", Booting), gone("node02", time.Minute)), ""},
		{"nor while it is there as it was", handmade(runs("node02", Booting)), ""},
		{"nor of one that is gone again", handmade(runs("node02", Booting), func(c *core) { c.s.Seen.Nodes["node02"] = Node{BootID: "2"} }), ""},
		{"nor of one that was not told", handmade(runs("node02", Parked), back("node02")), ""},
		{"nor where it is not known when it was", handmade(func(c *core) { c.s.Outage.Runs["node02"] = Run{State: Booting, BootID: "1"} }, back("node02")), ""},
	})
}

func TestAStepOfRestoringIsComplete(t *testing.T) {
	retry := outage(func(o *Outage) { o.RetryAt = time.Hour + time.Minute })
	shed := outage(func(o *Outage) { o.Shed = []string{"node04"} })
	woken := func(c *core) { c.r.Nodes[3].Wake = "gpio" }
	says := func(c *core) {
		if c.completeRestoring() {
			c.tell("complete", "info", "", "")
		}
	}
	hold(t, says, []rule{
		{"nodes are back", handmade(restoring(StepReturn)), "tell info complete"},
		{"how long they took is measured", handmade(restoring(StepReturn), runs("node02", Booting), back("node02")), "measured.node02.boot.0=1m0s; outage.runs.node02.at gone; tell info complete"},
		{"one is not", handmade(restoring(StepReturn), outage(func(o *Outage) { o.Runs["node02"] = Run{State: Missed, BootID: "1"} }), gone("node02", time.Minute)), ""},
		{"one that was told to halt, and did so after its time", handmade(restoring(StepReturn), runs("node02", Missed), gone("node02", time.Minute)), "outage.runs.node02.state=halted; tell info node_stopped node02"},
		{"one that went off only now is woken", handmade(restoring(StepReturn), shed, woken, runs("node04", Halting), gone("node04", time.Minute)),
			"measured.node04.halt.0=1m0s; outage.runs.node04.state=halted; tell info node_stopped node04; wake node04"},
		{"one that parked only now starts", handmade(restoring(StepReturn), parkedNode("node02")), "reboot node02"},
		{"not before it is to be tried again", handmade(restoring(StepReturn), retry, parkedNode("node02")), ""},
		{"the Swarm is not ready", handmade(restoring(StepReturn), before("node04")), ""},
		{"nobody sleeps", handmade(restoring(StepSleep)), "tell info complete"},
		{"somebody does", handmade(restoring(StepSleep), asleep(time.Minute)), ""},
		{"the effect was done", handmade(restoring(StepVerify), outage(func(o *Outage) { o.OK = true })), "tell info complete"},
		{"it was not", handmade(restoring(StepVerify)), ""},
	})
}

func TestANodeIsMissingUntilItIsBack(t *testing.T) {
	run := func(s RunState, at time.Duration) func(*core) {
		return func(c *core) { c.s.Outage.Runs["node04"] = Run{State: s, BootID: "1", At: at} }
	}
	parked := func(c *core) { c.s.Seen.Nodes["node04"] = Node{Connected: true, Parked: true, BootID: "2"} }
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"it was never touched", handmade(gone("node04", time.Hour)), ""},
		{"it was idle", handmade(runs("node04", Idle), gone("node04", time.Hour)), ""},
		{"it is off", handmade(runs("node04", Halted), gone("node04", time.Hour)), "node04"},
		{"it is there as it was", handmade(runs("node04", Halted)), "node04"},
		{"it is back", handmade(runs("node04", Halted), back("node04")), ""},
		{"it is back and parked", handmade(runs("node04", Halted), parked), "node04"},
		{"it is gone again", handmade(runs("node04", Halted), func(c *core) { c.s.Seen.Nodes["node04"] = Node{BootID: "2"} }), "node04"},
		{"it stays off", handmade(shedding("ups", "halt", true), runs("node04", Halted), gone("node04", time.Hour)), ""},
		{"it sleeps", handmade(asleep(time.Minute)), ""},
		{"it may still do what was taken back", handmade(run(Asked, 58*time.Minute+1)), "node04"},
		{"it did not", handmade(run(Asked, 58*time.Minute)), ""},
		{"it started since", handmade(run(Asked, time.Hour-1), back("node04")), ""},
		{"it parked since", handmade(run(Asked, 0), parked), "node04"},
		{"it is gone since", handmade(run(Asked, 0), gone("node04", time.Hour)), "node04"},
		{"it was told and is there", handmade(run(Halting, 0)), "node04"},
	} {
		if got := strings.Join(row.core.missing(), " "); got != row.want {
			t.Errorf("%s: missing is %q, want %q", row.name, got, row.want)
		}
	}
}

func TestTheSwarmIsReadyWhenItShowsAllThatWasChanged(t *testing.T) {
	swarm := func(f func(*Swarm)) func(*core) { return func(c *core) { f(&c.s.Seen.Swarm) } }
	lacks := swarm(func(s *Swarm) { s.Nodes[3].Ready = false })
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"it does", handmade(restoring(StepReturn), before("node04", "node03"), shown), true},
		{"nothing was changed", handmade(restoring(StepReturn), swarm(func(s *Swarm) { *s = Swarm{} })), true},
		{"it is not known", handmade(restoring(StepReturn), before("node04"), shown, swarm(func(s *Swarm) { s.Known = false })), false},
		{"it has no quorum", handmade(restoring(StepReturn), before("node04"), shown, swarm(func(s *Swarm) { s.Quorum = false })), false},
		{"that was before", handmade(restoring(StepReturn), before("node04")), false},
		{"a node is not ready", handmade(restoring(StepReturn), before("node03", "node04"), shown, lacks), false},
		{"a node is not there", handmade(restoring(StepReturn), before("node03", "node04"), shown, swarm(func(s *Swarm) { s.Nodes = s.Nodes[:3] })), false},
		{"it sleeps", handmade(restoring(StepReturn), before("node04"), shown, lacks, asleep(time.Minute)), true},
		{"it stays off", handmade(shedding("ups", "halt", true), restoring(StepReturn), before("node04"), shown, lacks), true},
	} {
		if got := row.core.swarmReady(); got != row.want {
			t.Errorf("%s: ready is %v", row.name, got)
		}
	}
}

func TestAStepOfRestoringThatTakesTooLong(t *testing.T) {
	off := func(c *core) { runs("node02", Halted)(c); gone("node02", time.Minute)(c) }
	halts := outage(func(o *Outage) { o.Halts = true })
	wasCut := outage(func(o *Outage) { o.Cut = true })
	const next = "outage.deadline=1h0m40s; outage.ok=true; "
	const putBack = "outage.step=put back; outage.step_began=1h0m0s"
	const cycled = "outage.committed=true; outage.deadline=1h1m0s; outage.doing=stop; outage.doing_began=1h0m0s; outage.runs.node03.at gone; outage.runs.node03.boot_id gone; outage.runs.node03.state gone; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; "
	hold(t, func(c *core) { c.late() }, []rule{
		{"the Swarm is tried on, and told", handmade(restoring(StepRestore), before("node04"), waiting(DoChange, "")), "outage.deadline=1h20m0s; outage.retry_at=1h0m0s; cancel p1; tell critical restore_incomplete"},
		{"a node that is missing is named", handmade(restoring(StepReturn), off), next + "outage.short.0=node02 did not come back; " + putBack},
		{"or the Swarm is", handmade(restoring(StepReturn), before("node04")), "outage.deadline=1h0m40s; outage.short.0=the Swarm did not become ready in time; " + putBack + "; change node04=active"},
		{"what runs is cancelled", handmade(restoring(StepReturn), off, waiting(DoReboot, "node03")), next + "outage.runs.node03.at=59m30s; outage.runs.node03.state=booting; outage.short.0=node02 did not come back; " + putBack + "; cancel p1"},
		{"where only a power cycle helps, it comes", handmade(restoring(StepReturn), off, halts, runs("node03", Parked), back("node03")), cycled + "tell critical committed; park node03 7 min; park node04 7 min"},
		{"whatever runs", handmade(restoring(StepReturn), off, halts, runs("node03", Parked), back("node03"), waiting(DoVerify, "")), cycled + "cancel p1; tell critical committed; park node03 7 min; park node04 7 min"},
		{"also where the outlets were off before: it was halted since", handmade(restoring(StepReturn), off, halts, wasCut),
			"outage.committed=true; outage.deadline=1h1m0s; outage.doing=stop; outage.doing_began=1h0m0s; outage.step=nodes; outage.step_began=1h0m0s; phase=committed; tell critical committed; park node03 8 min; park node04 8 min"},
		{"nor without a UPS that cuts", handmade(restoring(StepReturn), off, halts, func(c *core) { c.r.UPS.Cut = false }), next + "outage.short.0=node02 did not come back; " + putBack},
		{"nor where nobody was halted", handmade(restoring(StepReturn), off), next + "outage.short.0=node02 did not come back; " + putBack},
		{"nor where nobody is missing", handmade(restoring(StepReturn), halts), next + "outage.short.0=the Swarm did not become ready in time; " + putBack},
	})
}

func TestTheStepsOfRestoringFollowEachOther(t *testing.T) {
	hold(t, func(c *core) { c.nextRestoring() }, []rule{
		{"who is back is put back", handmade(restoring(StepReturn), before("node04")), "outage.deadline=1h0m40s; outage.step=put back; outage.step_began=1h0m0s; change node04=active"},
		{"then looked at", handmade(restoring(StepRestore), before("node04")), "outage.deadline=1h2m0s; outage.step=verify; outage.step_began=1h0m0s; verify"},
		{"then those that sleep are waited for", handmade(restoring(StepVerify), asleep(time.Minute)), "outage.deadline=1h5m0s; outage.step=sleepers; outage.step_began=1h0m0s; tell info recovering"},
	})
	over := func(c *core) string {
		c.nextRestoring()
		return fmt.Sprintf("%s %v %v", c.s.Phase, c.s.Last, did(c.out))
	}
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"and it is over", handmade(restoring(StepVerify)), "mains &{o1 50m0s 1h0m0s 0s false false [] []} [tell info restored]"},
		{"or not all is as it was", handmade(restoring(StepSleep), runs("node02", Halted), gone("node02", time.Minute)),
			"mains &{o1 50m0s 1h0m0s 0s false false [] [node02 did not come back]} [tell critical restore_incomplete]"},
		{"those that slept are there", handmade(restoring(StepSleep)), "mains &{o1 50m0s 1h0m0s 0s false false [] []} [tell info restored]"},
	} {
		if got := over(row.core); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestAnAbortedOutageGoesOnWhileMainsIsAway(t *testing.T) {
	aborted := func(c *core) {
		doing(Recovering, Restoring, StepVerify)(c)
		before("node04")(c)
		runs("node04", Idle)(c)
		o := c.s.Outage
		o.Aborted, o.Shed, o.Stages = true, []string{"node04"}, map[int]string{0: begun, 1: begun}
	}
	const riding = "outage.before.0.availability gone; outage.before.0.id gone; outage.before.0.name gone; outage.doing=; outage.runs.node04.at gone; outage.runs.node04.boot_id gone; outage.runs.node04.state gone; outage.shed.0 gone; "
	hold(t, func(c *core) { c.nextRestoring() }, []rule{
		{"and only the last moment stops it", handmade(aborted), riding + "outage.stages.1 gone; outage.step=; phase=riding; tell info undone"},
		{"with those that sleep left to their clocks", handmade(aborted, asleep(time.Minute)), strings.ReplaceAll(riding, "outage.runs.node04.at gone", "outage.runs.node04.alarm gone") + "outage.stages.1 gone; outage.step=; phase=riding; tell info undone"},
	})
}

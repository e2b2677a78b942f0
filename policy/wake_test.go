package policy

import (
	"strings"
	"testing"
	"time"
)

func TestWakeIsTheNextTimeThatAnythingDependsOn(t *testing.T) {
	stage := func(i int, f func(*Stage)) func(*core) { return func(c *core) { f(&c.r.Stages[i]) } }
	done := func(i int) func(*core) { return func(c *core) { c.s.Outage.Stages[i] = begun } }
	short := func(c *core) { // mains went ten seconds ago
		c.s.Seen.UPS.Since, c.s.Outage.Began = c.s.Now-10*time.Second, c.s.Now-10*time.Second
	}
	deadline := func(in time.Duration) func(*core) {
		return outage(func(o *Outage) { o.Deadline = time.Hour + in })
	}
	halted, aborted := outage(func(o *Outage) { o.Halts = true }), outage(func(o *Outage) { o.Aborted = true })
	tried := func(ago time.Duration) func(*core) { return outage(func(o *Outage) { o.StepBegan = time.Hour - ago }) }
	told := func(s RunState) func(*core) { // ten seconds ago
		return func(c *core) {
			parkedNode("node02")(c)
			c.s.Outage.Runs["node02"] = Run{State: s, BootID: "1", At: c.s.Now - 10*time.Second}
		}
	}
	const never = -1
	// The last moment is at 60 min - 4 min 40 s - 2 min.
	const last = 53*time.Minute + 20*time.Second
	for _, row := range []struct {
		name string
		core *core
		want time.Duration // from now
	}{
		{"on mains nothing", handmade(func(c *core) { c.s.Outage, c.s.Phase = nil, Mains }), never},
		{"the last moment", handmade(), last},
		{"not one that was told on observe", handmade(done(1)), never},
		{"the end of the ride", handmade(short), 20 * time.Second},
		{"a stage's time", handmade(stage(0, func(s *Stage) { s.OnBattery = 15 * time.Minute })), 5 * time.Minute},
		{"not before the ride is over", handmade(short, stage(0, func(s *Stage) { s.OnBattery = 15 * time.Second })), 20 * time.Second},
		{"the stop's time", handmade(stage(1, func(s *Stage) { s.OnBattery = 15 * time.Minute })), 5 * time.Minute},
		{"a stage's runtime", handmade(stage(0, func(s *Stage) { s.Runtime = 50 * time.Minute })), 10 * time.Minute},
		{"not of a stage that was begun", handmade(done(0), stage(0, func(s *Stage) { s.OnBattery, s.Runtime = 15*time.Minute, 50*time.Minute })), last},
		{"nor of one while another is", handmade(doing(Shedding, Shed, StepIdle), stage(0, func(s *Stage) { s.OnBattery, s.Runtime = 15*time.Minute, 50*time.Minute })), 10 * time.Minute},
		{"but of the stop", handmade(doing(Shedding, Shed, StepIdle), stage(1, func(s *Stage) { s.OnBattery = 15 * time.Minute })), 5 * time.Minute},
		{"mains that becomes stable", handmade(onMains(time.Minute)), 30 * time.Second},
		{"and only that", handmade(onMains(2 * time.Minute)), never},
		{"shedding that will be due", handmade(func(c *core) { c.r.Stretch, c.r.Disturbance = true, 0 }, short), 20 * time.Second},
		{"what is asked for again", handmade(outage(func(o *Outage) { o.RetryAt = time.Hour + time.Second })), time.Second},
		{"not what was", handmade(outage(func(o *Outage) { o.RetryAt = time.Hour })), last},
		{"a step's end", handmade(doing(Stopping, Stop, StepDrain), deadline(time.Minute)), time.Minute},
		{"not that of none", handmade(deadline(time.Minute)), last},
		{"a node that is off", handmade(done(1), runs("node02", Halting), gone("node02", time.Second)), 4 * time.Second},
		{"one whose order was taken back, too", handmade(done(1), runs("node02", Asked), gone("node02", time.Second)), 4 * time.Second},
		{"not one that is off already", handmade(done(1), runs("node02", Halted), gone("node02", time.Second)), never},
		{"nor one that still halts", handmade(done(1), runs("node02", Halting), func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, Since: c.s.Now} }), never},
		{"one that did not do what was taken back", handmade(done(1), runs("node02", Asked), func(c *core) { c.s.Seen.Nodes["node02"] = Node{Connected: true, Since: c.s.Now} }), time.Minute},
		{"committed on battery, the step's end", handmade(doing(Committed, Stop, StepNodes)), 10 * time.Minute},
		{"committed on mains, when that is stable", handmade(doing(Committed, Stop, StepNodes), onMains(time.Minute)), 30 * time.Second},
		{"the cut, with mains", handmade(doing(Dark, Stop, ""), onMains(time.Hour), outage(func(o *Outage) { o.CutAt = time.Hour + time.Minute })), time.Minute},
		{"the end of the wait for it", handmade(doing(Dark, Stop, ""), onMains(time.Hour), outage(func(o *Outage) { o.CutAt = time.Hour })), 2 * time.Minute},
		{"on battery, power just goes", handmade(doing(Dark, Stop, ""), outage(func(o *Outage) { o.CutAt = time.Hour + time.Minute })), never},
		{"where there is no cut, none", handmade(doing(Dark, Stop, ""), func(c *core) {
			c.s.Now = time.Minute
			onMains(10 * time.Second)(c)
		}), 80 * time.Second},
		{"a cut that halted nodes wait for, when it is asked for again", handmade(doing(Dark, Stop, StepCut), halted, tried(10*time.Second)), 20 * time.Second},
		{"which may be later", handmade(doing(Dark, Stop, ""), halted, tried(10*time.Second), outage(func(o *Outage) { o.RetryAt = time.Hour + 25*time.Second })), 25 * time.Second},
		{"when the host that its timer starts is there", handmade(doing(Dark, Stop, ""), halted, starts("node01", Parked, 0)), 3 * time.Minute},
		{"a node that did not park, when it is told to again", handmade(doing(Dark, Stop, ""), outage(func(o *Outage) { o.Runs["node02"] = Run{State: Missed, Again: time.Hour + 20*time.Second} })), 20 * time.Second},
		{"not where it is armed", handmade(doing(Dark, Stop, ""), halted, tried(10*time.Second), outage(func(o *Outage) { o.CutAt = time.Hour + time.Second })), never},
		{"nor where nobody waits for it", handmade(doing(Dark, Stop, ""), tried(10*time.Second)), never},
		{"nor before the dark", handmade(doing(Committed, Stop, StepCut), halted, tried(10*time.Second)), 10 * time.Minute},
		{"the last moment of what was aborted", handmade(doing(Recovering, Restoring, StepReturn), aborted, deadline(2*time.Hour)), last},
		{"not before the ride is over", handmade(short, doing(Recovering, Restoring, StepReturn), aborted, deadline(2*time.Hour), func(c *core) { c.s.Seen.UPS.Charge = new(1.0) }), 20 * time.Second},
		{"not with mains", handmade(doing(Recovering, Restoring, StepReturn), onMains(time.Hour), aborted, deadline(2*time.Hour)), 2 * time.Hour},
		{"nor of what was not", handmade(doing(Recovering, Restoring, StepReturn), deadline(2*time.Hour)), 2 * time.Hour},
		{"a parked node that did not start as it was told", handmade(restoring(StepReturn), told(Booting)), 5 * time.Second},
		{"only where it is to return", handmade(restoring(StepVerify), told(Booting)), 10 * time.Minute},
		{"and was told", handmade(restoring(StepReturn), told(Parked)), 10 * time.Minute},
		{"restoring, mains that becomes stable", handmade(doing(Recovering, Restoring, StepWait), onMains(time.Minute)), 30 * time.Second},
		{"then a charge that stands still", handmade(doing(Recovering, Restoring, StepWait), onMains(time.Hour), func(c *core) { c.s.Seen.UPS.Still = c.s.Now - 30*time.Minute }), 90 * time.Minute},
		{"since mains is back", handmade(doing(Recovering, Restoring, StepWait), onMains(10*time.Minute), func(c *core) { c.s.Seen.UPS.Still = c.s.Now - 30*time.Minute }), 110 * time.Minute},
		{"or for long enough where it is unknown", handmade(doing(Recovering, Restoring, StepWait), onMains(2*time.Minute), func(c *core) { c.s.Seen.UPS.Charge = nil }), 8 * time.Minute},
		{"nothing while mains is away", handmade(doing(Recovering, Restoring, StepWait)), never},
		{"a step of restoring", handmade(doing(Recovering, Restoring, StepReturn), onMains(time.Hour)), 10 * time.Minute},
	} {
		at, ok := Wake(row.core.r, row.core.s)
		if ok != (row.want != never) || ok && at-row.core.s.Now != row.want {
			t.Errorf("%s: it wakes in %s (%v), want %s", row.name, at-row.core.s.Now, ok, row.want)
		}
	}
}

func TestNoOutageIsNoTimeOnBattery(t *testing.T) {
	s := handmade(func(c *core) { c.s.Outage = nil }).s
	if s.spell() != 0 || s.OnBatteryFor() != 0 {
		t.Errorf("without an outage it is %s on battery, of which %s count", s.OnBatteryFor(), s.spell())
	}
	s = handmade(outage(func(o *Outage) { o.Battery, o.Base = 5*time.Minute, 3*time.Minute })).s
	if s.OnBatteryFor() != 15*time.Minute || s.spell() != 12*time.Minute {
		t.Errorf("it is %s on battery, of which %s count; want 15 and 12 min", s.OnBatteryFor(), s.spell())
	}
}

// TestEachOfTheseTimesIsWaitedFor holds those that nothing else would bring: a UPS
// that does not answer gives no readings meanwhile.
func TestEachOfTheseTimesIsWaitedFor(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"a parked node is told again to start", handmade(restoring(StepReturn), parkedNode("node02"), outage(func(o *Outage) {
			o.Runs["node02"] = Run{State: Booting, BootID: "1", At: time.Hour - 10*time.Second}
		})), "reboot node02"},
		{"the cut is asked for again", handmade(doing(Dark, Stop, ""), outage(func(o *Outage) { o.Halts, o.StepBegan = true, time.Hour-10*time.Second })), "cut 2 min"},
		{"the last moment comes after an abort too", handmade(doing(Recovering, Restoring, StepReturn), outage(func(o *Outage) { o.Aborted, o.Deadline = true, 3*time.Hour }), before("node04")), "tell critical stopping; snapshot"},
	} {
		at, ok := Wake(row.core.r, row.core.s)
		if _, effects := Step(row.core.r, row.core.s, Event{At: at, What: Tick{}}); !ok || strings.Join(did(effects), "; ") != row.want {
			t.Errorf("%s: at %s (%v) a tick does %q, want %q", row.name, at, ok, did(effects), row.want)
		}
	}
}

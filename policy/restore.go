package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// restore begins to put everything back as it was.
func (c *core) restore(why string) {
	o := c.s.Outage
	c.cancelPending()
	c.s.Phase, o.Doing, o.DoingBegan = Recovering, Restoring, c.s.Now
	o.Step, o.StepBegan, o.OK, o.RetryAt, o.Deadline, o.Why = StepWait, c.s.Now, false, 0, 0, ""
	c.tell("recovering", "info", "", strings.ToUpper(why[:1])+why[1:]+": what was stopped is put back"+c.waits()+".")
}

// waits says what restoring waits for, for people.
func (c *core) waits() string {
	switch {
	case c.s.Outage.Aborted:
		return " now"
	case c.s.Seen.UPS.Missed:
		return fmt.Sprintf(" when the UPS answers again, mains was stable for %s and the battery has the energy for one more stop", Short(c.r.StableFor))
	case c.s.Seen.UPS.Contact && c.s.Seen.UPS.Charge == nil:
		return fmt.Sprintf(" when mains was stable for %s; the charge is unknown", Short(max(c.r.StableFor, c.r.UnknownChargeWait)))
	}
	return fmt.Sprintf(" when mains was stable for %s and the battery has the energy for one more stop", Short(c.r.StableFor))
}

func (c *core) recovering() bool {
	o := c.s.Outage
	if c.s.Seen.UPS.Power == OnBattery && (!o.Aborted || c.fires(len(c.r.Stages)-1) != "") {
		c.again()
		return true
	}
	switch {
	case o.Step == StepWait:
		if !o.Aborted && !c.ready() {
			return false
		}
		c.enter(StepReturn)
		return true
	case c.completeRestoring():
		c.nextRestoring()
		return true
	case c.s.Now >= o.Deadline:
		c.late()
		return true
	case o.RetryAt > 0 && c.s.Now >= o.RetryAt:
		o.RetryAt = 0
		c.ask()
		return true
	}
	return false
}

// again is mains lost while things are put back: the same outage goes on, and
// still knows how everything was before.
func (c *core) again() {
	o := c.s.Outage
	c.cancelPending()
	for name, run := range o.Runs {
		seen := c.s.Seen.Nodes[name]
		came := seen.Connected && seen.BootID != run.BootID
		under := run.State == Halting || run.State == Asked || run.State == Booting // way
		if came || !seen.Parked && !under && (seen.Connected || !down(run.State)) {
			delete(o.Runs, name)
		} else if o.CutAt > 0 && !seen.Connected {
			// The outlets went off and on again, or are about to: it starts.
			o.Runs[name] = Run{State: Booting, BootID: run.BootID, At: c.s.Now}
		}
	}
	if o.Halts { // what is off still waits for a power cycle
		o.Halts = slices.ContainsFunc(c.r.Nodes, func(n NodeRules) bool {
			run := o.Runs[n.Name]
			return run.State == Halted || run.leaving()
		})
	}
	o.Stages, o.Doing, o.Step, o.Committed, o.CutAt, o.End = map[int]string{}, Nothing, "", false, 0, nil
	c.s.Phase = Riding
	if o.Aborted {
		return // the last moment has come: no ride comes before it, and the stop tells of it
	}
	o.Base = c.s.OnBatteryFor()
	if o.Early {
		c.tell("recovering", "warning", "", "It started while mains is still away. "+c.outlook())
		return
	}
	c.tell("on_battery", "warning", "", "Mains went away again before everything was put back. "+c.outlook())
}

// ready is whether mains was stable and the battery would carry one more boot
// and clean stop, by the careful estimate (invariant 9).
func (c *core) ready() bool {
	u, since := c.s.Seen.UPS, c.stable()
	if since < c.r.StableFor || !u.Contact {
		return false
	}
	if u.Charge == nil {
		return since >= c.r.UnknownChargeWait
	}
	if c.r.RestoreCharge > 0 {
		return *u.Charge >= c.r.RestoreCharge
	}
	full := *u.Charge >= 99 || min(since, c.s.Now-u.Still) >= stillFull
	return full || TimeToEmpty(c.r, c.allUp()).Left >= c.bootTime()+c.need()+c.r.Reserve
}

// allUp is the state with every node at work: what the battery is to carry once
// they are back. A slope that was measured at a lighter load says nothing of that, nor
// does a UPS whose time to empty once stood still.
func (c *core) allUp() State {
	s, o := c.s, *c.s.Outage
	o.Runs = nil
	s.Outage = &o
	if s.Battery.Stuck > 0 {
		s.Seen.UPS.Runtime = nil
	}
	if o.Watts < Load(c.r, s).Watts {
		o.PerPercent = 0
	}
	return s
}

// stillFull is after what time on mains a charge that does not rise is that of a
// battery that is as full as it gets: some gauges never tell 99 %.
const stillFull = 2 * time.Hour

// askRestoring emits the effects that a step of restoring still lacks.
func (c *core) askRestoring() {
	o := c.s.Outage
	switch o.Step {
	case StepReturn:
		c.wakeUp()
		c.reboot()
	case StepRestore:
		if len(o.Before) == 0 {
			o.OK = true
			return
		}
		if c.running(DoChange) {
			return
		}
		var changes []Change
		for _, b := range o.Before {
			changes = append(changes, Change{ID: b.ID, Name: b.Name, Availability: b.Availability})
		}
		c.emit(Effect{Kind: DoChange, Changes: changes, Reason: "as it was before the outage"})
	case StepVerify:
		if c.s.Seen.Swarm.Absent || len(o.Before) == 0 {
			o.OK = true
			return
		}
		if c.running(DoVerify) {
			return
		}
		c.emit(Effect{Kind: DoVerify, Reason: "the services are to run as before"})
	}
}

// completeRestoring is whether nothing of a step of restoring is left to do.
func (c *core) completeRestoring() bool {
	o := c.s.Outage
	switch o.Step {
	case StepReturn:
		c.settle()
		c.booted()
		if o.RetryAt == 0 {
			c.wakeUp()
			c.reboot()
		}
		return len(c.missing()) == 0 && c.swarmReady()
	case StepSleep:
		names, _ := c.sleepers()
		return len(names) == 0
	}
	return o.OK
}

// swarmReady is whether a snapshot of this step shows a quorum and every node
// that was changed. What it said before the step proves nothing.
func (c *core) swarmReady() bool {
	o, w := c.s.Outage, c.s.Seen.Swarm
	if len(o.Before) == 0 {
		return true
	}
	if !w.Known || !w.Quorum || w.At <= o.StepBegan {
		return false
	}
	for _, b := range o.Before {
		if c.staysOff(b.Name) || c.sleeps(b.Name) || b.Down {
			continue
		}
		if !slices.ContainsFunc(w.Nodes, func(n SwarmNode) bool { return n.ID == b.ID && n.Ready }) {
			return false
		}
	}
	return true
}

// late is a step of restoring whose time is over. The availability of the nodes
// is never given up on; the rest is named and left to people.
func (c *core) late() {
	o := c.s.Outage
	switch o.Step {
	case StepRestore:
		o.Deadline = c.s.Now + 10*c.r.Budgets.Boot
		c.cancelPending()
		o.RetryAt = c.s.Now
		c.tell("restore_incomplete", "critical", "", "The Swarm's nodes cannot be set back yet"+because(o.Why)+"; trying on.")
		return
	case StepReturn:
		if missing := c.missing(); o.Halts && c.cuts() && len(missing) > 0 {
			if c.s.Seen.UPS.Power == Unknown { // not a reason to switch anything off
				o.Deadline = c.s.Now + c.r.Budgets.Boot
				return
			}
			c.cycle(missing)
			return
		}
		for _, name := range c.missing() {
			o.Short = append(o.Short, name+" did not come back")
		}
		if len(c.missing()) == 0 {
			o.Short = append(o.Short, "the Swarm did not become ready in time")
		}
	case StepVerify:
		o.Short = append(o.Short, strings.TrimSpace("services are not all running "+because(o.Why)))
	}
	c.cancelPending()
	c.nextRestoring()
}

// cycle brings halted nodes back whose cut was never armed, because the host of
// the UPS started again before: all that runs parks, and the outlets cycle.
func (c *core) cycle(missing []string) {
	o := c.s.Outage
	c.cancelPending()
	for _, n := range c.r.Nodes {
		if !slices.Contains(missing, n.Name) {
			delete(o.Runs, n.Name)
		}
	}
	c.tell("committed", "critical", "", strings.Join(missing, ", ")+" did not start again and the outlets were never off: everything parks for a power cycle.")
	c.s.Phase, o.Committed, o.Doing, o.DoingBegan = Committed, true, Stop, c.s.Now
	c.enter(StepNodes)
}

func (c *core) nextRestoring() {
	o := c.s.Outage
	switch o.Step {
	case StepReturn:
		c.enter(StepRestore)
	case StepRestore:
		c.enter(StepVerify)
	case StepVerify:
		if names, until := c.sleepers(); len(names) > 0 && c.s.Seen.UPS.Power != OnBattery {
			c.tell("recovering", "info", "", "All else runs as before; "+list(names)+" sleeps until its clock wakes it, in "+Short(until-2*c.r.Budgets.Boot-c.s.Now)+" at most.")
			c.enter(StepSleep)
			o.Deadline = until
			return
		}
		c.restored()
	case StepSleep:
		for _, name := range c.missing() {
			o.Short = append(o.Short, name+" did not come back")
		}
		c.restored()
	}
}

// allBut is everything but what was shed for good.
func (c *core) allBut() string {
	var off []string
	for _, n := range c.r.Nodes {
		if c.staysOff(n.Name) && !c.s.Seen.Nodes[n.Name].Connected {
			off = append(off, n.Name)
		}
	}
	if len(off) == 0 {
		return "everything"
	}
	return "everything but " + list(off) + ", which its stage keeps off,"
}

// restored ends the outage; an aborted one whose mains is still away goes on.
func (c *core) restored() {
	o := c.s.Outage
	took := fmt.Sprintf("%s on battery, %s in all", Short(c.s.OnBatteryFor()), Short(c.s.Now-o.Began))
	if len(o.Short) > 0 {
		c.tell("restore_incomplete", "critical", "", "Mains is back, but not all is as before: "+strings.Join(o.Short, "; ")+". "+took+".")
	} else if c.s.Seen.UPS.Power == OnBattery {
		c.tell("undone", "info", "", "Everything runs as before the abort; still on battery.")
	} else {
		c.tell("restored", "info", "", "Mains is back and "+c.allBut()+" runs as before: "+took+".")
	}
	if c.s.Seen.UPS.Power == OnBattery {
		o.Before, o.Runs, o.Short, o.Shed = nil, map[string]Run{}, nil, nil
		o.Doing, o.Step, c.s.Phase = Nothing, "", Riding
		delete(o.Stages, len(c.r.Stages)-1)
		return
	}
	c.finish()
}

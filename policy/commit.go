package policy

import (
	"fmt"
	"slices"
	"time"
)

// commit begins what only a reboot or a power cycle undoes.
func (c *core) commit() {
	o := c.s.Outage
	o.Committed, c.s.Phase = true, Committed
	if o.KeepsOn = c.keepsOn(); o.KeepsOn {
		c.tell("health", "warning", "", "The outlets came on again while mains is away: they are not switched off any more, and the nodes park until mains is back or the battery is empty.")
	}
	c.askMissed()
	left := TimeToEmpty(c.r, c.s)
	c.tell("committed", "critical", "", fmt.Sprintf("Committed: the nodes are being stopped now, with %s of battery left (%s).", Short(left.Left), left.Method))
	c.enter(StepNodes)
}

// askMissed lets the stop ask those again that a stage did not bring down in time, and
// that are there.
func (c *core) askMissed() {
	for name, run := range c.s.Outage.Runs {
		if run.State != Missed || !c.s.Seen.Nodes[name].Connected {
			continue
		}
		if run.State = Up; run.At > 0 { // it may halt yet
			run.State = Asked
		}
		c.s.Outage.Runs[name] = run
	}
}

// keepsOn is whether the outlets came on after a cut while mains is away, and no
// node is off that only another power cycle would wake.
func (c *core) keepsOn() bool {
	o := c.s.Outage
	return o.Early && o.Cut && !slices.ContainsFunc(c.r.Nodes, func(n NodeRules) bool {
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		return (run.State == Halted || run.State == Halting) && (!seen.Connected || seen.BootID == run.BootID)
	})
}

// committed goes on with what was begun. Mains undoes it only while no node was
// halted and no cut is armed: parked nodes start again by themselves.
func (c *core) committed() bool {
	o := c.s.Outage
	c.returned()
	c.stayParked()
	if c.stable() >= 0 && !o.Halts && o.CutAt == 0 && !c.running(DoCut) {
		if c.stable() < c.r.StableFor {
			return false
		}
		c.restore("mains is back, and no node was halted")
		return true
	}
	return c.progress()
}

// goDark begins the last thing: the UPS host parks. It is durable before the
// order goes out, since that host may take the controller with it.
func (c *core) goDark() {
	o := c.s.Outage
	c.s.Phase = Dark
	c.goesDark()
	c.keepDischarge()
	text := "All that is left is to lose power."
	if o.CutAt > 0 {
		text = fmt.Sprintf("All that is left is to lose power, in %s.", Short(o.CutAt-c.s.Now))
	}
	c.tell("dark", "critical", "", text)
	if _, ok := c.host(); ok {
		c.enter(StepHost)
	} else {
		o.Step = ""
	}
}

// dark waits for the end, or for mains to begin again.
func (c *core) dark() bool {
	o := c.s.Outage
	c.returned()
	c.stayParked()
	if o.Step != StepCut && c.progress() {
		return true
	}
	if o.Halts && o.CutAt == 0 && !c.hostStarts() && (o.Step == "" || o.Step == StepCut) && len(o.Pending) == 0 && c.s.Now >= max(o.RetryAt, o.StepBegan+cutRetry) {
		// Halted nodes start only by a power cycle: the cut is asked for
		// until it is armed, whatever mains does.
		c.enter(StepCut)
		o.RetryAt = c.s.Now + cutRetry
		return true
	}
	if c.waited() && o.CutAt-c.s.Now > c.cutDelay()+time.Minute && len(o.Pending) == 0 && c.s.Now >= o.RetryAt {
		c.enter(StepCut)
		o.RetryAt = c.s.Now + cutRetry
		return true
	}
	if c.s.Seen.UPS.Power != OnMains {
		return false
	}
	switch {
	case o.CutAt == 0:
		if o.Halts || c.stable() < c.r.StableFor {
			return false
		}
		c.restore("mains is back, and no node was halted")
	case c.s.Now >= o.CutAt+AfterCut:
		c.restore(fmt.Sprintf("mains is here %s after the outlets were to go off", Short(c.s.Now-o.CutAt)))
	case c.s.Now >= o.CutAt && c.cameBack():
		c.restore("the outlets came back")
	default:
		return false
	}
	return true
}

// waited is whether a cut that waits for the battery has waited long enough: the
// charge is where it was to be, or mains is back and nothing is learned any more.
func (c *core) waited() bool {
	if u := c.s.Seen.UPS; u.Power == OnBattery {
		return u.Charge != nil && *u.Charge <= c.learnTo()
	}
	return c.stable() >= c.r.StableFor
}

// cutRetry is the pause between attempts to arm a cut that halted nodes wait for.
const cutRetry = 30 * time.Second

// cameBack is whether a node that was stopped started again.
func (c *core) cameBack() bool {
	for name, run := range c.s.Outage.Runs {
		seen := c.s.Seen.Nodes[name]
		if down(run.State) && seen.Connected && seen.BootID != run.BootID {
			return true
		}
	}
	return false
}

// stayParked has the timers of parked nodes armed anew before they start them.
func (c *core) stayParked() {
	o := c.s.Outage
	for _, n := range c.r.Nodes {
		if at := c.parksAgain(n); at == 0 || c.s.Now < at || c.pending(n.Name) || !c.s.Armed {
			continue
		}
		step := o.Deadline // which this does not make longer
		o.Deadline = c.s.Now + c.r.Budgets.Park
		c.park(n, "mains is still away: it is not to start on what is left of the battery")
		o.Deadline = step
	}
}

// returned parks a node that started again while the battery is still all there is, or
// before a cut that comes whatever mains does; and one that was given up, or taken for off,
// and is there.
func (c *core) returned() {
	o := c.s.Outage
	coming := o.CutAt > c.s.Now
	if c.s.Seen.UPS.Power != OnBattery && !coming || !c.s.Armed {
		return
	}
	why := "it started again, but mains is still away"
	if coming {
		why = "it started again, but the outlets are about to go off"
	}
	for _, n := range c.r.Nodes {
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		if n.UPSHost || !down(run.State) || c.pending(n.Name) || !seen.Connected || seen.Parked || c.s.Now < run.Again {
			continue
		}
		why := why
		switch {
		case seen.BootID != run.BootID:
		case run.State == Missed && seen.Since >= run.At: // it does not halt
			why = "it was given up, but it is there"
		case run.State == Halted && seen.Since > run.At: // the order may have been lost with the link
			why = "it was taken for off, but it is there"
		default:
			continue
		}
		deadline := o.Deadline
		o.Deadline = max(deadline, c.s.Now+c.r.Budgets.Park)
		c.park(n, why)
		if run.Again > 0 { // the step is not to last as long as the node refuses
			o.Deadline = deadline
		}
	}
}

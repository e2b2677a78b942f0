package policy

import (
	"fmt"
	"slices"
	"time"
)

// How a stage ended, in [Outage.Stages].
const (
	begun      = "begun"
	observed   = "observed"
	passedOver = "passed over"
)

func (c *core) onMains() bool {
	if c.s.Seen.UPS.Power != OnBattery {
		return false
	}
	c.s.Outages++
	u := c.s.Seen.UPS
	o := &Outage{ID: fmt.Sprintf("o%d", c.s.Outages), Began: u.Since, Stages: map[int]string{}, Runs: map[string]Run{}}
	if u.Charge != nil {
		o.First = &Anchor{At: c.s.Now, Charge: *u.Charge, Runtime: u.Runtime}
	}
	for _, n := range c.r.Nodes {
		if seen := c.s.Seen.Nodes[n.Name]; !seen.Connected && c.s.Now-seen.Since >= longGone && !n.UPSHost {
			o.Away = append(o.Away, n.Name)
		}
	}
	c.s.Outage = o
	c.s.Phase = Riding
	c.tell("on_battery", "warning", "", "On battery. "+c.outlook())
	return true
}

// longGone is how long a node has to be gone when an outage begins to be one that
// nobody waits for: one that starts is there by then.
const longGone = 5 * time.Minute

// away is whether the node was long gone when the outage began, and still is.
func (c *core) away(name string) bool {
	return c.s.Outage != nil && slices.Contains(c.s.Outage.Away, name)
}

// cuts is whether the outlets are to be switched off at the end.
func (c *core) cuts() bool {
	return c.r.UPS.Cut && (c.s.Outage == nil || !c.s.Outage.KeepsOn)
}

// outlook is what people want to know at the beginning of an outage.
func (c *core) outlook() string {
	left := TimeToEmpty(c.r, c.s)
	text := fmt.Sprintf("About %s left (%s). ", Short(left.Left), left.Method)
	if u := c.s.Seen.UPS; u.Charge != nil {
		text = fmt.Sprintf("%.0f %% charge, about %s left (%s). ", *u.Charge, Short(left.Left), left.Method)
	}
	if !c.s.Armed {
		return text + "On observe: nothing will be stopped."
	}
	return text + fmt.Sprintf("If mains stays away, everything begins to stop in %s at the latest.",
		Short(max(0, left.Left-c.need()-c.r.Reserve)))
}

// abortable are the phases that the return of mains undoes.
func (c *core) abortable() bool {
	o := c.s.Outage
	if c.s.Seen.UPS.Power == OnMains {
		if c.stable() < c.r.StableFor {
			return false // held: neither on nor back
		}
		if c.touched() {
			c.restore("mains is back")
			return true
		}
		c.cancelPending()
		c.tell("mains_back", "info", "", fmt.Sprintf("Mains is back after %s on battery. Nothing was stopped.", Short(o.Battery)))
		c.finish()
		return true
	}
	last := len(c.r.Stages) - 1
	if o.Doing != Stop && last >= 0 && o.Stages[last] == "" {
		if why := c.fires(last); why != "" {
			return c.begin(last, why)
		}
	}
	if o.Doing == Nothing {
		for i := range max(last, 0) {
			if o.Stages[i] != "" || o.Aborted {
				continue
			}
			if why := c.fires(i); why != "" {
				return c.begin(i, why)
			}
		}
		c.settle()
		c.early()
		return c.stretches()
	}
	return c.progress()
}

// lowGrace is how long the low-battery flag has to stay: some set it for one
// reading when mains goes.
const lowGrace = 10 * time.Second

// fires says why stage i begins now, or nothing.
func (c *core) fires(i int) string {
	st, u := c.r.Stages[i], c.s.Seen.UPS
	if c.s.spell() < c.r.RideThrough {
		return ""
	}
	left := TimeToEmpty(c.r, c.s)
	if i == len(c.r.Stages)-1 {
		need := c.need() + c.r.Reserve
		if left.Left <= need {
			return fmt.Sprintf("the last moment: %s left (%s), %s needed with the reserve", Short(left.Left), left.Method, Short(need))
		}
		if u.Low && c.s.Now >= u.LowSince+lowGrace && !left.Credible {
			return "the UPS says that its battery is low, and nothing better is known"
		}
		if c.s.Outage.Aborted {
			return ""
		}
	}
	switch {
	case st.Charge > 0 && u.Charge != nil && *u.Charge <= st.Charge:
		return fmt.Sprintf("%.0f %% charge is at or below the stage's %.0f %%; about %s left", *u.Charge, st.Charge, Short(left.Left))
	case st.OnBattery > 0 && c.s.spell() >= st.OnBattery:
		return fmt.Sprintf("%s on battery, the stage's time is %s", Short(c.s.spell()), Short(st.OnBattery))
	case st.Runtime > 0 && left.Left <= st.Runtime:
		return fmt.Sprintf("%s left (%s) is at or below the stage's %s", Short(left.Left), left.Method, Short(st.Runtime))
	}
	return ""
}

// begin starts stage i, or tells why it does not.
func (c *core) begin(i int, why string) bool {
	o, st := c.s.Outage, c.r.Stages[i]
	if i < len(c.r.Stages)-1 {
		if bad := c.unsafe(i); bad != "" {
			o.Stages[i] = passedOver
			c.tell("health", "warning", "", fmt.Sprintf("Stage %q is passed over: %s.", st.Name, bad))
			return true
		}
		left := slices.DeleteFunc(slices.Clone(st.Shed), func(n string) bool { return o.Runs[n].State != Up || c.away(n) })
		if len(left) == 0 {
			o.Stages[i] = begun // there is nothing left to do for it
			return true
		}
		return c.beginShed(i, st.Name, left, why)
	}
	if !c.s.Armed {
		o.Stages[i] = observed
		c.tell("stage", "warning", "", "On observe, so nothing is done. Armed, everything stops: "+why+".")
		return true
	}
	c.cancelPending()
	o.Stages[i], o.Stage, o.DoingBegan = begun, i, c.s.Now
	o.Doing, c.s.Phase = Stop, Stopping
	c.tell("stopping", "critical", "", "Everything stops: "+why+"."+c.without())
	c.enter(StepSnapshot)
	return true
}

// without names the nodes that nothing is asked of.
func (c *core) without() string {
	if away := c.s.Outage.Away; len(away) > 0 {
		return " Without " + list(away) + ", gone since before the outage."
	}
	return ""
}

// unsafe says why early stage i must not be done, or nothing. The full stop
// never is.
func (c *core) unsafe(i int) string {
	if i == len(c.r.Stages)-1 || c.s.Seen.Swarm.Absent || !c.s.Seen.Swarm.Known {
		return ""
	}
	if !c.s.Seen.Swarm.Quorum {
		return "the Swarm has no quorum, so what runs there could not move"
	}
	st := c.r.Stages[i]
	stay, managers, reachable := 0, 0, 0
	off := st.By == "halt" && st.StayOff // others that the quorum needs are left idle
	for _, n := range c.s.Seen.Swarm.Nodes {
		shed := slices.Contains(st.Shed, n.Name)
		if n.Availability == "active" && n.Ready && !shed {
			stay++
		}
		if n.Manager {
			managers++
			if n.Ready && !(shed && off) {
				reachable++
			}
		}
	}
	if stay < c.r.SwarmNeed {
		return fmt.Sprintf("it would leave %d nodes for the services, which need %d", stay, c.r.SwarmNeed)
	}
	if managers > 0 && reachable <= managers/2 {
		return fmt.Sprintf("it would leave %d of %d managers, which is no quorum", reachable, managers)
	}
	return ""
}

// mode is how the node is brought down at the end: halted only where the cut is
// known to bring it back whatever mains does meanwhile, and only while mains is
// away.
func (c *core) mode(n NodeRules) RunState {
	if c.s.Seen.UPS.Power == OnMains || n.UPSHost || n.Wake == "manual" || !c.cuts() || !c.r.UPS.CutsOnMains {
		return Parked
	}
	return Halted
}

// need is what the steps that remain are expected to take: as they were measured,
// and their budgets before that.
func (c *core) need() time.Duration { return c.drainTime() + c.nodesTime() + c.lastTime() }

// nodesBudget is the longest time that the nodes are given.
func (c *core) nodesBudget() time.Duration {
	d := time.Duration(0)
	for _, n := range c.r.Nodes {
		if n.UPSHost || c.isOff(n.Name) {
			continue
		}
		if c.mode(n) == Halted {
			d = max(d, c.r.Budgets.Halt)
		} else {
			d = max(d, c.r.Budgets.Park)
		}
	}
	return d
}

func (c *core) finish() {
	o := c.s.Outage
	c.lasted(o)
	c.s.Last = &Past{ID: o.ID, Began: o.Began, Ended: c.s.Now, Battery: c.s.OnBatteryFor(),
		Committed: o.Committed, Cut: o.Cut, Unclean: o.Unclean, Short: o.Short}
	c.s.Outage = nil
	c.s.Phase = Mains
}

// Short prints a duration for people: whole seconds, no trailing zeros.
func Short(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

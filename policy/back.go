package policy

import "time"

// reboot starts the parked nodes again: the UPS host after all the others,
// since the controller may go with it.
func (c *core) reboot() {
	host, _ := c.host()
	others := false
	for _, n := range c.r.Nodes {
		if n.Name == host.Name || !c.isParked(n.Name) {
			continue
		}
		others = true
		if !c.pending(n.Name) {
			c.emit(Effect{Kind: DoReboot, Node: n.Name, Reason: "parked, and mains is back"})
		}
	}
	if host.Name != "" && !others && c.isParked(host.Name) && !c.pending(host.Name) {
		c.emit(Effect{Kind: DoReboot, Node: host.Name, Reason: "parked, and mains is back"})
	}
}

// wakeUp starts the nodes that were shed and that a pulse or a relay wakes; those
// that their own clock wakes are waited for.
func (c *core) wakeUp() {
	o := c.s.Outage
	if c.s.Now >= o.Deadline {
		return
	}
	for _, name := range o.Shed {
		n, run := c.nodeRules(name), c.s.Outage.Runs[name]
		late := run.State == Booting && c.s.Now >= run.At+c.r.Budgets.Boot // the outlets may never have been off
		if n.Wake != "gpio" && n.Wake != "relay" || !down(run.State) && !late || c.s.Seen.Nodes[name].Connected || c.pending(name) {
			continue
		}
		c.emit(Effect{Kind: DoWake, Node: name, Reason: "it was shed, and is needed again"})
	}
}

// sleeps is whether the node is off until its own clock wakes it. Nothing else
// waits for it.
func (c *core) sleeps(name string) bool {
	run, seen := c.s.Outage.Runs[name], c.s.Seen.Nodes[name]
	return (run.State == Halted || run.State == Asked) && !seen.Connected && run.Alarm > 0 && c.s.Now < run.Alarm+2*c.r.Budgets.Boot
}

// sleepers names the nodes that their own clock wakes, and until when they are
// waited for.
func (c *core) sleepers() (names []string, until time.Duration) {
	for _, n := range c.r.Nodes {
		if c.sleeps(n.Name) {
			names = append(names, n.Name)
			until = max(until, c.s.Outage.Runs[n.Name].Alarm+2*c.r.Budgets.Boot)
		}
	}
	return names, until
}

// booted measures how long the nodes that were told to start took.
func (c *core) booted() {
	for name, run := range c.s.Outage.Runs {
		seen := c.s.Seen.Nodes[name]
		if run.State == Booting && run.At > 0 && seen.Connected && seen.BootID != run.BootID {
			c.measure(name, DoReboot, c.s.Now-run.At)
			run.At = 0
			c.s.Outage.Runs[name] = run
		}
	}
}

// isParked is whether the node is there, parked, and was not just told to start. An
// agent that started again since knows nothing of the park.
func (c *core) isParked(name string) bool {
	seen, run := c.s.Seen.Nodes[name], c.s.Outage.Runs[name]
	told := run.State == Booting && run.BootID == seen.BootID && c.s.Now < run.At+rebootAgain
	parked := seen.Parked || run.State == Parked && seen.BootID == run.BootID
	return seen.Connected && parked && !told
}

// rebootAgain is after what time a node that was told to start, and is still
// there as it was, is told again.
const rebootAgain = 15 * time.Second

// missing names the nodes that have not come back as they should.
func (c *core) missing() []string {
	o := c.s.Outage
	var names []string
	for _, n := range c.r.Nodes {
		run, seen := o.Runs[n.Name], c.s.Seen.Nodes[n.Name]
		if run.State == Up || run.State == Idle || c.staysOff(n.Name) || c.stayed(n.Name) || c.sleeps(n.Name) || c.away(n.Name) {
			continue
		}
		if !seen.Connected || seen.Parked || seen.BootID == run.BootID {
			names = append(names, n.Name)
		}
	}
	return names
}

// stayed is whether a node did not do what was taken back: it is still there, and
// the time for it is over.
func (c *core) stayed(name string) bool {
	run, seen := c.s.Outage.Runs[name], c.s.Seen.Nodes[name]
	return run.State == Asked && seen.Connected && !seen.Parked && (seen.BootID != run.BootID || c.s.Now >= run.At+c.r.Budgets.Halt)
}

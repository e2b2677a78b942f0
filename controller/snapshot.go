package controller

import (
	"maps"
	"slices"
	"time"

	"lastwatt/drivers"
	"lastwatt/policy"
	"lastwatt/rack"
)

// publish hands out a new snapshot, at most once a second unless the phase
// changed.
func (c *Controller) publish() {
	c.mu.Lock()
	old := c.snapshot
	c.mu.Unlock()
	if old.Site != "" && old.Phase == string(c.state.Phase) && old.Mode == c.mode() && c.c.Clock.Now().Sub(c.made) < time.Second {
		c.stale = true
		return
	}
	c.publishNow()
}

func (c *Controller) publishNow() {
	s := c.view()
	c.made, c.stale = c.c.Clock.Now(), false
	c.mu.Lock()
	changed := c.snapshot.Summary != s.Summary
	c.snapshot = s
	for sub := range c.subs {
		select {
		case sub <- struct{}{}:
		default: // it has not taken the last one: it will find this one
		}
	}
	c.mu.Unlock()
	if changed {
		c.notify("STATUS=" + s.Summary)
	}
}

// Snapshot is the newest view of the rack. It may be called from any goroutine.
func (c *Controller) Snapshot() rack.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// Subscribe returns the newest snapshot and a channel that has a value whenever
// [Controller.Snapshot] has a newer one. cancel ends it.
func (c *Controller) Subscribe() (s rack.Snapshot, changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs[ch] = true
	return c.snapshot, ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subs, ch)
	}
}

// eventsSince returns the story's lines after the n-th, and how many there were.
func (c *Controller) eventsSince(n int) ([]rack.Event, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := min(c.eventN-n, len(c.events))
	if have <= 0 {
		return nil, c.eventN
	}
	return append([]rack.Event(nil), c.events[len(c.events)-have:]...), c.eventN
}

func (c *Controller) view() rack.Snapshot {
	s := rack.Snapshot{
		Site: c.c.Site, At: c.c.Wall(), Mode: c.mode(), Phase: string(c.state.Phase),
		Last: c.last, UPS: []rack.UPS{}, Nodes: []rack.Node{}, Health: []rack.Problem{},
	}
	p := c.aged("")
	s.Fans, s.Rails, s.Meters, s.Witnesses, s.Outputs = p.fans, p.rails, p.meters, p.witnesses, p.outputs
	for _, u := range c.c.UPS {
		v := *c.ups[u.Name]
		if v.Known {
			v.Age = max(0, c.c.Clock.Now().Sub(c.upsAt[u.Name]))
		}
		s.UPS = append(s.UPS, v)
	}
	for _, n := range c.c.Rules.Nodes {
		s.Nodes = append(s.Nodes, c.node(n))
	}
	s.Swarm = c.swarmView()
	s.Outage = c.outage()
	s.Plan = c.plan()
	s.Summary = c.summary(s)
	s.Health = c.health()
	return s
}

func (c *Controller) node(r policy.NodeRules) rack.Node {
	n := *c.nodes[r.Name]
	p := c.aged(r.Name)
	n.Fans, n.Rails, n.Meters, n.Outputs = p.fans, p.rails, p.meters, p.outputs
	n.State = "unknown"
	if n.Connected {
		n.State = "up"
	}
	for _, w := range c.swarm.Nodes {
		if w.Hostname == n.Name {
			n.Role, n.Leader, n.Availability, n.SwarmState = "worker", w.Leader, w.Availability, w.State
			if w.Manager {
				n.Role = "manager"
			}
			if n.Connected && w.Availability == "drain" {
				n.State = "drained"
			}
		}
	}
	if o := c.state.Outage; o != nil {
		switch run := o.Runs[n.Name]; run.State {
		case policy.Idle, policy.Halting, policy.Halted, policy.Parked:
			if run.BootID == n.BootID || !n.Connected {
				n.State = string(run.State)
			}
		}
	}
	if c.state.Seen.Nodes[r.Name].Parked {
		n.State = "parked"
	}
	if (n.Fact.Draw == nil || n.Fact.Method == drivers.ByTable) && r.Draw > 0 {
		n.Fact.Draw, n.Fact.Method = new(drivers.Watt(r.Draw)), "table"
	}
	return n
}

func (c *Controller) swarmView() rack.Swarm {
	v := rack.Swarm{Known: c.swarmAt > 0, Quorum: c.swarm.Quorum}
	if v.Known {
		v.Age = c.now() - c.swarmAt
	}
	for _, n := range c.swarm.Nodes {
		if n.Manager {
			v.Managers++
		}
		if n.Leader {
			v.Leader = n.Hostname
		}
	}
	for _, w := range c.swarm.Services {
		v.Services = append(v.Services, rack.Service{Name: w.Name, Running: w.Running, Desired: w.Desired})
	}
	return v
}

func (c *Controller) outage() *rack.Outage {
	o := c.state.Outage
	if o == nil {
		return nil
	}
	v := &rack.Outage{ID: o.ID, Began: c.began, Elapsed: c.now() - o.Began, OnBattery: c.state.OnBatteryFor(), Committed: o.Committed, Cut: o.Cut}
	if o.Doing == policy.Shed || o.Doing == policy.Stop {
		v.Stage = c.c.Rules.Stages[o.Stage].Name
	}
	return v
}

// closed keeps what the outage that just ended was.
func (c *Controller) closed() {
	p := c.state.Last
	c.last = &rack.Outage{ID: p.ID, Began: c.began, Elapsed: p.Ended - p.Began, OnBattery: p.Battery, Committed: p.Committed, Cut: p.Cut, Ended: true}
}

func (c *Controller) plan() rack.Plan {
	p := rack.Plan{Steps: []rack.Step{}}
	if c.state.Phase != policy.Mains && c.state.Phase != policy.Riding && c.state.Phase != policy.Shedding && c.state.Phase != policy.Stopping && c.state.Phase != policy.Committed {
		return p
	}
	s := c.state.Clone()
	s.Now = max(s.Now, c.now())
	return rack.PlanOf(policy.Plan(c.c.Rules, s), s.Now)
}

// summary is one line for people.
func (c *Controller) summary(s rack.Snapshot) string {
	text := map[policy.Phase]string{
		policy.Mains: "on mains", policy.Riding: "on battery", policy.Shedding: "on battery, shedding load", policy.Stopping: "on battery, stopping everything",
		policy.Committed: "stopping the nodes", policy.Dark: "waiting to lose power", policy.Recovering: "putting everything back",
	}[c.state.Phase]
	if u := c.state.Seen.UPS; c.state.Phase == policy.Mains && u.Power == policy.Unknown {
		text = "mains unknown"
	} else if u.Charge != nil {
		text += ", " + drivers.Percent(*u.Charge).String()
	}
	if c.state.Outage != nil && s.Plan.TimeToEmpty != nil && c.state.Seen.UPS.Power == policy.OnBattery {
		text += ", about " + policy.Short(*s.Plan.TimeToEmpty) + " left"
	}
	return text + " (" + c.mode() + ")"
}

// lostRemedy is what to do about a UPS that a driver cannot reach.
func lostRemedy(driver string) string {
	switch driver {
	case "usbhid":
		return "check its USB cable; \"lastwatt ups list\" shows what is on the bus"
	case "nut":
		return "on the NUT server: systemctl status nut-server nut-driver; \"lastwatt ups read --nut HOST\" shows what it says"
	case "modbus":
		return "check its line and address; \"lastwatt modbus read\" shows what it says"
	}
	return "check its connection and its entry in the configuration"
}

// readingRemedy is what to do about something that a UPS says.
func readingRemedy(driver string) string {
	if driver == "usbhid" {
		return "if it is a matter of scale, correct it with scale: in the configuration; and send the output of \"lastwatt ups dump\" with a bug report"
	}
	return "look at the UPS, and at what its server or its map says of it"
}

func (c *Controller) health() []rack.Problem {
	list := []rack.Problem{}
	add := func(code, severity, text, remedy string) {
		list = append(list, rack.Problem{Code: code, Severity: severity, Text: text, Remedy: remedy})
	}
	for _, u := range c.c.UPS {
		v := c.ups[u.Name]
		if !v.Contact {
			add("ups-contact", "critical", "UPS "+u.Name+" does not answer: "+v.Lost, lostRemedy(u.Kind))
			continue
		}
		if v.Fact.ReplaceBattery != nil && *v.Fact.ReplaceBattery {
			add("replace-battery", "warning", "UPS "+u.Name+" asks for a new battery", "replace it")
		}
		for _, w := range v.Fact.Warnings {
			add("ups-reading", "warning", "UPS "+u.Name+": "+w, readingRemedy(u.Kind))
		}
	}
	for _, n := range c.c.Rules.Nodes {
		if !c.nodes[n.Name].Connected && c.state.Phase == policy.Mains {
			add("agent", "warning", "no agent of "+n.Name+" is connected", "on "+n.Name+": systemctl status lastwatt-agent")
		}
	}
	for _, name := range c.unwoken {
		add("wake", "warning", "nothing is configured that wakes "+name+": it is left idle where it would be switched off", "name its relay or pin under nodes."+name+".waker, or write wake: ups")
	}
	for _, name := range slices.Sorted(maps.Keys(c.measured)) {
		if c.now()-c.measured[name] >= oldFrom {
			add("meter", "warning", "meter "+name+", by which a load is measured, tells nothing: the load is reckoned without it", "see that a sensor of this name is configured, here or on a node, that it is a meter, and that it answers")
		}
	}
	if !c.state.Armed {
		add("observe", "warning", "on observe: an outage would stop nothing", "when the plan looks right: lastwatt arm")
	}
	// In an order that stays: another order would be another message each time.
	for _, key := range slices.Sorted(maps.Keys(c.troubles)) {
		t := c.troubles[key]
		add(t.kind, t.severity, t.text, t.remedy)
	}
	for _, key := range slices.Sorted(maps.Keys(c.problems)) {
		list = append(list, c.problems[key])
	}
	return list
}

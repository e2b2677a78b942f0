// Package policy decides what to do about an outage. It holds no clock, starts
// no goroutine and touches no file: all it knows comes in as an [Event], and
// all it wants comes out as an [Effect] that says why.
package policy

import (
	"fmt"
	"slices"
	"time"
)

// Step returns the state after e and the effects it calls for. It is a pure
// function that never writes through its arguments: the same arguments give the
// same results. The new state is to be durable before any of the effects begins
// (see [State.Durable]).
func Step(r Rules, s State, e Event) (State, []Effect) {
	c := core{r: r, s: s.own(), before: s.Now}
	c.s.Now = max(c.s.Now, e.At)
	c.apply(e.What)
	c.missed()
	// Each round is one change of phase or step; there are fewer of them in
	// an outage than this.
	for range 100 {
		if !c.decide() {
			break
		}
	}
	return c.s, c.out
}

// A core is one Step at work, on a copy of the state.
type core struct {
	r      Rules
	s      State
	before time.Duration // the time of the event before
	out    []Effect
}

func (c *core) apply(w What) {
	switch w := w.(type) {
	case Started:
		c.started(w)
	case Reading:
		c.reading(w)
	case Contact:
		c.contact(w)
	case NodeSeen:
		c.node(w)
	case SwarmSeen:
		w.Swarm.At = c.s.Now
		w.Swarm.Nodes = slices.Clone(w.Swarm.Nodes)
		c.s.Seen.Swarm = w.Swarm
	case Result:
		c.result(w)
	case Operator:
		c.operator(w)
	case Drawn:
		c.drawn(w)
	case Heat:
		n := c.s.Seen.Nodes[w.Node]
		n.Hot = w.Hot
		c.see(w.Node, n)
	}
}

// decide makes at most one change of phase or step and says whether it did.
func (c *core) decide() bool {
	switch c.s.Phase {
	case Mains:
		return c.onMains()
	case Riding, Shedding, Stopping:
		return c.abortable()
	case Committed:
		return c.committed()
	case Dark:
		return c.dark()
	case Recovering:
		return c.recovering()
	}
	return false
}

func (c *core) started(w Started) {
	rebooted := c.s.BootID != "" && w.BootID != c.s.BootID
	c.s.BootID = w.BootID
	c.s.Seen.Nodes = cloneMap(c.s.Seen.Nodes)
	for _, n := range c.r.Nodes {
		c.s.Seen.Nodes[n.Name] = Node{BootID: c.s.Seen.Nodes[n.Name].BootID}
	}
	for name := range c.s.Seen.Nodes {
		c.s.Seen.Nodes[name] = Node{Since: c.s.Now, BootID: c.s.Seen.Nodes[name].BootID}
	}
	c.s.Seen.Swarm = Swarm{}
	o := c.s.Outage
	if o == nil {
		u := UPS{Missed: c.s.Seen.UPS.Missed}
		if c.s.Seen.UPS.At > 0 || c.s.Seen.UPS.Gone > 0 {
			u.Gone = c.s.Now
		}
		c.s.Seen.UPS = u
		return
	}
	// What the UPS said before is as old as the gap, which after a reboot
	// nobody measured.
	c.suspect(rebooted)
	o.First, o.Anchor, o.Recent = nil, nil, nil
	c.s.Seen.UPS.Contact, c.s.Seen.UPS.Gone = false, c.s.Now
	for _, p := range o.Pending {
		c.tookBack(p)
	}
	o.Pending, o.RetryAt = nil, c.s.Now
	if slices.Contains([]StepName{StepSnapshot, StepPause, StepDrain, StepAwait}, o.Step) {
		c.enter(StepSnapshot) // what the Swarm is like has to be asked anew
	}
	if !rebooted {
		return
	}
	if u := c.s.Seen.UPS; u.Power == OnBattery {
		o.Battery += max(0, c.before-max(u.Since, o.Began))
	}
	c.s.Seen.UPS = UPS{Since: c.s.Now, Gone: c.s.Now, Missed: c.s.Seen.UPS.Missed}
	o.Rebooted, o.Early = true, true
	if c.s.Phase == Committed || c.s.Phase == Dark {
		o.CutAt = 0
		c.restore("the machine started again")
	} else if c.s.Phase != Recovering {
		c.s.Seen.UPS.Power = OnBattery
	}
}

func (c *core) reading(w Reading) {
	u := &c.s.Seen.UPS
	c.answers()
	w = c.believed(w)
	before := u.Charge
	u.At = c.s.Now
	if w.Low && !u.Low {
		u.LowSince = c.s.Now
	}
	if before == nil || w.Charge == nil || *before != *w.Charge {
		u.Still = c.s.Now
	}
	u.Charge, u.Runtime, u.Load, u.Low = w.Charge, w.Runtime, w.Load, w.Low
	if w.Power != Unknown && w.Power != u.Power {
		c.turned(w.Power, before)
	}
	if o := c.s.Outage; o != nil && o.End != nil && o.Rebooted && u.Charge != nil {
		c.cameUp(*u.Charge)
	}
	c.slope(before)
}

// turned is mains that went or came back.
func (c *core) turned(to Power, charge *float64) {
	u, o := &c.s.Seen.UPS, c.s.Outage
	if o != nil && u.Power == OnBattery {
		o.Battery += c.s.Now - max(u.Since, o.Began)
		c.keepDischarge()
		switch {
		case charge == nil || to != OnMains:
		case c.outletsOff() && o.End != nil:
			c.cameUp(*charge)
		default:
			c.proven(*charge, false)
		}
		o.First, o.Anchor, o.Recent = nil, nil, nil
	}
	if o != nil && to == OnMains {
		o.Early = false
	}
	u.Power, u.Since = to, c.s.Now
}

func (c *core) contact(w Contact) {
	u := &c.s.Seen.UPS
	if w.Lost == !u.Contact {
		return
	}
	if !w.Lost {
		c.answers()
		return
	}
	u.Contact, u.Gone = false, c.s.Now
}

// contactGrace is how long the UPS may be gone before that is told: CyberPower's
// leave the USB bus for seconds whenever mains comes or goes.
const contactGrace = 15 * time.Second

// answers is the UPS that answers.
func (c *core) answers() {
	u := &c.s.Seen.UPS
	if u.Missed {
		c.tell("contact_back", "info", "", "The UPS answers again.")
	}
	u.Contact, u.Missed, u.Gone = true, false, 0
}

// missed tells of a UPS that is gone for longer than its grace.
func (c *core) missed() {
	u := &c.s.Seen.UPS
	if !u.silent() || c.s.Now < u.Gone+contactGrace {
		return
	}
	u.Missed = true
	if u.Power == OnBattery {
		c.tell("contact_lost", "critical", "", "The UPS no longer answers, on battery: going on with what it said last.")
		return
	}
	if c.s.Phase == Recovering && c.s.Outage.Step == StepWait {
		c.tell("contact_lost", "warning", "", "The UPS no longer answers: what was stopped is put back when it does.")
		return
	}
	c.tell("contact_lost", "warning", "", "The UPS no longer answers. Nothing is stopped for that; a loss of mains would not be noticed.")
}

// silent is whether a UPS that once answered is gone and that is still to be told.
func (u UPS) silent() bool { return !u.Contact && !u.Missed && u.Gone > 0 }

func (c *core) node(w NodeSeen) {
	was := c.s.Seen.Nodes[w.Node]
	now := Node{Connected: w.Connected, Since: was.Since, BootID: was.BootID, Parked: was.Parked && w.Connected, Drawn: was.Drawn, Hot: was.Hot && w.Connected}
	if w.Connected {
		now.BootID, now.Parked = w.BootID, w.Parked
	}
	if was.Connected != w.Connected || was.BootID != now.BootID || was.Since == 0 {
		now.Since = c.s.Now
	}
	c.see(w.Node, now)
	if o := c.s.Outage; o != nil && w.Connected {
		o.Away = slices.DeleteFunc(o.Away, func(n string) bool { return n == w.Node })
	}
	if o := c.s.Outage; o != nil && o.Suspect != nil && w.Connected && was.BootID != "" && was.BootID != w.BootID && o.Runs[w.Node].State == Up && !c.nodeRules(w.Node).UPSHost {
		c.proven(*o.Suspect, true)
		o.Suspect = nil
	}
}

// drawn keeps a measured draw.
func (c *core) drawn(w Drawn) {
	w.At = c.s.Now
	if w.Node == "" {
		c.s.Seen.Meter = &w
		return
	}
	n := c.s.Seen.Nodes[w.Node]
	n.Drawn = &w
	c.see(w.Node, n)
}

// see notes what is seen of a node.
func (c *core) see(name string, n Node) {
	c.s.Seen.Nodes = cloneMap(c.s.Seen.Nodes)
	c.s.Seen.Nodes[name] = n
}

func (c *core) operator(w Operator) {
	switch w.Order {
	case "arm", "observe":
		armed := w.Order == "arm"
		if c.s.Armed == armed {
			return
		}
		c.s.Armed = armed
		text := "Armed by " + w.By + ": nodes will be stopped when the battery runs out."
		if !armed {
			text = "On observe by " + w.By + ": nothing will be stopped."
		}
		c.tell("mode_changed", "info", "", text)
		if o := c.s.Outage; o != nil {
			for i, how := range o.Stages {
				if how == observed {
					delete(o.Stages, i)
				}
			}
			if !armed && c.s.Phase != Recovering && CanAbort(c.s) == nil {
				c.abort(w.By)
			}
		}
	case "abort":
		if CanAbort(c.s) == nil {
			c.abort(w.By)
		}
	}
}

// CanAbort says why an abort would do nothing, or nil.
func CanAbort(s State) error {
	switch {
	case s.Outage == nil:
		return fmt.Errorf("there is no outage to abort")
	case s.Phase == Committed || s.Phase == Dark:
		return fmt.Errorf("outage %s is committed: nodes are being stopped and the outlets will cycle", s.Outage.ID)
	case s.Phase == Recovering && (s.Outage.Aborted || s.Outage.Step != StepWait):
		return fmt.Errorf("outage %s is already being undone", s.Outage.ID)
	}
	return nil
}

func (c *core) abort(by string) {
	c.s.Outage.Aborted = true
	if c.s.Phase == Recovering {
		c.restore("by order of " + by)
		return
	}
	if c.touched() {
		c.restore("aborted by " + by)
		return
	}
	c.tell("undone", "warning", "", "Aborted by "+by+": nothing is stopped before the last moment.")
}

// tell adds a line to the story.
func (c *core) tell(story, severity, node, text string) {
	c.emit(Effect{Kind: Tell, Story: story, Severity: severity, Node: node, Reason: text})
}

// emit adds an effect, with an id of its own. All but Tell and Cancel become
// pending.
func (c *core) emit(e Effect) {
	c.s.Effects++
	e.ID = fmt.Sprintf("e%d", c.s.Effects)
	o := c.s.Outage
	if o != nil {
		e.Outage = o.ID
	}
	if e.Kind != Tell && e.Kind != Cancel {
		e.Deadline = o.Deadline
		o.Pending = append(o.Pending, Pending{ID: e.ID, Kind: e.Kind, Node: e.Node, At: c.s.Now, Delay: e.Delay, Parked: c.s.Seen.Nodes[e.Node].Parked})
	}
	c.out = append(c.out, e)
}

// tookBack keeps in mind what an order may have done that nobody waits for any
// more: it may have been taken before it was cancelled.
func (c *core) tookBack(p Pending) {
	runs := c.s.Outage.Runs
	run := runs[p.Node]
	switch {
	case (p.Kind == DoHalt || p.Kind == DoPark) && (run.State == Up || run.State == Idle):
		run = c.halts(p)
		run.State = Asked
		runs[p.Node] = run
	case p.Kind == DoReboot:
		runs[p.Node] = Run{State: Booting, BootID: run.BootID, At: p.At}
	}
}

func (c *core) cancelPending() {
	for _, p := range c.s.Outage.Pending {
		c.emit(Effect{Kind: Cancel, Node: p.ID, Reason: "no longer needed"})
		c.tookBack(p)
	}
	c.s.Outage.Pending = nil
}

// touched is whether this outage changed anything.
func (c *core) touched() bool {
	o := c.s.Outage
	if len(o.Before) > 0 || o.Committed {
		return true
	}
	for _, run := range o.Runs {
		if run.State != Up {
			return true
		}
	}
	return false
}

// stable is how long mains has been there; below 0 it is not.
func (c *core) stable() time.Duration {
	if c.s.Seen.UPS.Power != OnMains {
		return -1
	}
	return c.s.Now - c.s.Seen.UPS.Since
}

func (c *core) host() (NodeRules, bool) {
	i := slices.IndexFunc(c.r.Nodes, func(n NodeRules) bool { return n.UPSHost })
	if i < 0 {
		return NodeRules{}, false
	}
	return c.r.Nodes[i], true
}

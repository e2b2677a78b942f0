package controller

import (
	"context"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/policy"
	"lastwatt/rack"
)

// parts are those of a node, or of the rack, as they were last told.
type parts struct {
	fans      []drivers.Fan
	rails     []drivers.Rail
	meters    []drivers.Meter
	witnesses []drivers.Witness
	outputs   []drivers.Output
	at        map[string]time.Duration // when, by kind and name
}

// oldFrom is from what age on a part that is not told of any more is not known.
const oldFrom = 2 * time.Minute

// aged is the parts of a node as they are shown: of what was not told for long only
// the name is known.
func (c *Controller) aged(node string) parts {
	p := c.parts[node]
	old := func(kind, name string) bool { return c.now()-p.at[kind+name] >= oldFrom }
	var s parts
	for _, f := range p.fans {
		if old("fan", f.Name) {
			f = drivers.Fan{Name: f.Name, State: drivers.FanUnknown}
		}
		s.fans = append(s.fans, f)
	}
	for _, r := range p.rails {
		if old("rail", r.Name) {
			r = drivers.Rail{Name: r.Name}
		}
		s.rails = append(s.rails, r)
	}
	for _, m := range p.meters {
		if old("meter", m.Name) {
			m = drivers.Meter{Name: m.Name}
		}
		s.meters = append(s.meters, m)
	}
	for _, w := range p.witnesses {
		if old("witness", w.Name) {
			w.Mains = nil
		}
		s.witnesses = append(s.witnesses, w)
	}
	for _, o := range p.outputs {
		if old("output", o.Name) {
			o.On, o.Fault = nil, ""
		}
		s.outputs = append(s.outputs, o)
	}
	return s
}

// take puts v in the place of what has its name, and notes when.
func take[T any](p *parts, list *[]T, kind string, v T, name func(T) string, now time.Duration) {
	if p.at == nil {
		p.at = map[string]time.Duration{}
	}
	p.at[kind+name(v)] = now
	*list = replace(*list, v, name)
}

// A trouble is something wrong with a part. It is told when it begins, is a health
// problem while it lasts, and is told to be over when it has long been well.
type trouble struct {
	kind, severity, node, text, remedy string
	// good is since when all has been well; below 0 it is not.
	good time.Duration
}

// goodFor is how long a part must be well before its trouble is over: one that
// comes and goes is one trouble.
const goodFor = 30 * time.Second

// hotFrom is the temperature of a board from which it slows down, by the Raspberry
// Pi documentation on thermal limits.
const hotFrom = drivers.Celsius(80)

// takePart takes what a sensor says of a part of a node or, with node empty, of the
// rack.
func (c *Controller) takePart(ctx context.Context, node, source string, fact drivers.Fact) {
	n, p, now := c.nodes[node], c.parts[node], c.now()
	switch f := fact.(type) {
	case drivers.Node:
		if n == nil {
			return
		}
		n.Fact = f
		if f.Draw != nil && f.Method != drivers.ByTable { // the owner's own figure is better
			c.step(ctx, policy.Drawn{Node: node, Watts: float64(*f.Draw), Method: f.Method})
		}
		c.judgeNode(ctx, n)
	case drivers.Fan:
		take(p, &p.fans, "fan", f, func(o drivers.Fan) string { return o.Name }, now)
		if f.State != drivers.FanUnknown { // which is no word that it turns again
			c.judge(fanTrouble(node, f))
		}
	case drivers.Rail:
		take(p, &p.rails, "rail", f, func(o drivers.Rail) string { return o.Name }, now)
		if f.Level != "" || f.Good != nil { // a signal that does not rest is not well again
			c.judge(railTrouble(node, f))
		}
	case drivers.Meter:
		take(p, &p.meters, "meter", f, func(o drivers.Meter) string { return o.Name }, now)
		c.drawn(ctx, source, f)
	case drivers.Witness:
		take(p, &p.witnesses, "witness", f, func(o drivers.Witness) string { return o.Name }, now)
		c.witness(f)
	case drivers.Silent:
		c.silent(node, f.Name, f.Why)
	case drivers.Output:
		take(p, &p.outputs, "output", f, func(o drivers.Output) string { return o.Name }, now)
		if f.On != nil || f.Fault != "" {
			c.judge(outputTrouble(node, f))
		}
	}
}

// silent notes that a sensor of a node does not answer, or, where why is empty, that
// it does.
func (c *Controller) silent(node, sensor, why string) {
	key := "sensor-" + node + "/" + sensor
	if why == "" {
		delete(c.problems, key)
		return
	}
	c.problems[key] = rack.Problem{Code: "sensor", Severity: "warning", Text: fmt.Sprintf("sensor %s of %s does not answer: %s", sensor, node, why),
		Remedy: "check its wiring and its entry in that node's configuration"}
}

// drawn gives the policy what a meter says of the load, or of a node's.
func (c *Controller) drawn(ctx context.Context, source string, m drivers.Meter) {
	if m.Watts == nil {
		return
	}
	for _, name := range []string{m.Name, source} {
		if _, counts := c.measured[name]; counts {
			c.measured[name] = c.now()
		}
		switch node, measures := c.c.NodeMeters[name]; {
		case name == "":
		case name == c.c.Meter:
			c.step(ctx, policy.Drawn{Watts: float64(*m.Watts), Method: "meter " + name + ", " + m.Method})
			return
		case measures:
			c.step(ctx, policy.Drawn{Node: node, Watts: float64(*m.Watts), Method: "meter " + name + ", " + m.Method})
			return
		}
	}
}

// meters begins to watch the meters that loads are measured by.
func (c *Controller) meters() {
	c.measured = map[string]time.Duration{}
	if c.c.Meter != "" {
		c.measured[c.c.Meter] = c.now()
	}
	for name := range c.c.NodeMeters {
		c.measured[name] = c.now()
	}
}

// whose names a part for people.
func whose(node, part string) string {
	if node == "" {
		return part + " of the rack"
	}
	return part + " of " + node
}

func fanTrouble(node string, f drivers.Fan) (key string, t trouble, bad bool) {
	who := whose(node, "fan "+f.Name)
	t = trouble{kind: rack.FanStalled, severity: "critical", node: node, text: who + " stands still", remedy: "look for what blocks it, and at its plug; until it turns, watch the temperatures"}
	return "fan " + node + " " + f.Name, t, f.State == drivers.FanStalled
}

func railTrouble(node string, f drivers.Rail) (key string, t trouble, bad bool) {
	t = trouble{kind: rack.RailLow, severity: "critical", node: node, text: whose(node, "rail "+f.Name) + " is bad", remedy: "check the supply, its load and its cable"}
	if f.Volts != nil {
		t.text = fmt.Sprintf("%s is at %.2f V", whose(node, "rail "+f.Name), float64(*f.Volts))
	}
	if f.Level == drivers.Warning {
		t.severity = "warning"
	}
	return "rail " + node + " " + f.Name, t, f.Level == drivers.Warning || f.Level == drivers.Critical || f.Good != nil && !*f.Good
}

func outputTrouble(node string, o drivers.Output) (key string, t trouble, bad bool) {
	t = trouble{kind: rack.OutputWrong, severity: "warning", node: node, text: whose(node, "output "+o.Name) + " is wrong: " + o.Fault,
		remedy: "look for a short, a welded contact, or something else that drives it"}
	return "output " + node + " " + o.Name, t, o.Fault != ""
}

// judgeNode looks at a node as a whole: at its supply, and whether it is hot while
// a fan stands still.
func (c *Controller) judgeNode(ctx context.Context, n *rack.Node) {
	f := n.Fact
	if f.UnderVoltage != nil {
		c.judge("under-voltage "+n.Name, trouble{kind: rack.UnderVoltage, severity: "warning", node: n.Name, text: n.Name + " is short of voltage, by its firmware",
			remedy: "use a supply and a cable that hold 5 V under load"}, *f.UnderVoltage)
	}
	if f.Temperature == nil {
		return // which is no word that it has cooled
	}
	stalled := ""
	for _, whose := range []string{"", n.Name} {
		for _, fan := range c.parts[whose].fans {
			if fan.State == drivers.FanStalled {
				stalled = fan.Name
			}
		}
	}
	hot := *f.Temperature >= hotFrom && stalled != ""
	text := ""
	if hot {
		text = fmt.Sprintf("%s is at %s, and fan %s stands still", n.Name, *f.Temperature, stalled)
	}
	c.judge("hot "+n.Name, trouble{kind: rack.NodeHot, severity: "critical", node: n.Name, text: text, remedy: "cool it, or take load off it, before it slows down or stops"}, hot)
	if hot != c.state.Seen.Nodes[n.Name].Hot {
		c.step(ctx, policy.Heat{Node: n.Name, Hot: hot})
	}
}

// judge notes whether a part is bad now, and tells what begins and ends.
func (c *Controller) judge(key string, t trouble, bad bool) {
	had, was := c.troubles[key]
	event := rack.Event{At: c.c.Wall(), Node: t.node, Severity: t.severity, Kind: t.kind}
	switch {
	case bad && (!was || worse(t.severity, had.severity)):
		event.Text = upper(t.text) + "."
		c.tell(event)
		fallthrough
	case bad:
		t.good = -1
		c.troubles[key] = t
	case was && had.good < 0:
		had.good = c.now()
		c.troubles[key] = had
	case was && c.now()-had.good >= goodFor:
		delete(c.troubles, key)
		event.Kind, event.Severity, event.Text = rack.PartBack, "info", "Well again: it was told that "+had.text+"."
		c.tell(event)
	}
}

// worse is whether severity a is told beside a trouble of severity b.
func worse(a, b string) bool { return a == "critical" && b == "warning" }

func upper(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// disputedFor is how long a witness and the UPS may disagree: they do not see an
// edge of mains at the same moment.
const disputedFor = 15 * time.Second

// witness holds a witness of mains against the UPS. Alone it is no evidence of an
// outage (invariant 3): it raises an alarm.
func (c *Controller) witness(w drivers.Witness) {
	u := c.state.Seen.UPS
	t := trouble{kind: rack.Disputed, severity: "warning", remedy: "check the witness's wiring, and that the UPS is the one that feeds the nodes"}
	differ := false
	switch {
	case w.Mains == nil:
		return // that says neither that it agrees nor that it does not
	case !u.Contact || u.Power == policy.Unknown:
		differ = !*w.Mains
		t.severity, t.text = "critical", "witness "+w.Name+" says that mains is away, and the UPS does not answer: that alone stops nothing"
	case *w.Mains && u.Power == policy.OnBattery:
		differ = true
		t.text = "the UPS is on battery, and witness " + w.Name + " says that mains is there"
	case !*w.Mains && u.Power == policy.OnMains:
		differ = true
		t.text = "witness " + w.Name + " says that mains is away, and the UPS is on mains"
	}
	since, was := c.disputed[w.Name]
	switch {
	case !differ:
		delete(c.disputed, w.Name)
	case !was:
		since = c.now()
		c.disputed[w.Name] = since
	}
	c.judge("witness "+w.Name, t, differ && c.now()-since >= disputedFor)
}

package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// handmade is a core in the middle of an outage of the reference rack, for tests
// of single rules. It is one hour, mains went ten minutes ago, nothing was done
// yet. The battery tells 60 %, is empty at 0, and a percent lasts a minute: what
// is left is the charge in minutes. Three of the four nodes are managers; node01
// holds the UPS's cable.
func handmade(change ...func(*core)) *core {
	r, s := rackRules(), Initial()
	r.AssumedEmpty, r.LearnEmpty = 0, false
	s.Armed, s.Now, s.BootID, s.Phase, s.Outages, s.Effects = true, time.Hour, "boot1", Riding, 1, 100
	s.Seen.UPS = UPS{Power: OnBattery, Since: 50 * time.Minute, At: s.Now, Contact: true, Charge: new(60.0), Still: 59 * time.Minute}
	s.Seen.Swarm = Swarm{Known: true, Quorum: true, At: 59 * time.Minute}
	for i, n := range r.Nodes {
		s.Seen.Nodes[n.Name] = Node{Connected: true, BootID: "1", Since: time.Minute}
		s.Seen.Swarm.Nodes = append(s.Seen.Swarm.Nodes, SwarmNode{ID: "id" + n.Name[4:], Name: n.Name, Manager: i < 3, Leader: i == 0, Availability: "active", Ready: true})
	}
	s.Outage = &Outage{ID: "o1", Began: 50 * time.Minute, Stages: map[int]string{}, Runs: map[string]Run{}, PerPercent: time.Minute}
	c := &core{r: r, s: s, before: s.Now}
	for _, f := range change {
		f(c)
	}
	return c
}

// doing is a change of a handmade core: what goes on, in which phase and step. The
// step began a minute ago and has ten minutes to go.
func doing(p Phase, d Doing, step StepName) func(*core) {
	return func(c *core) {
		o := c.s.Outage
		c.s.Phase, o.Doing, o.Step = p, d, step
		o.DoingBegan, o.StepBegan, o.Deadline = c.s.Now-2*time.Minute, c.s.Now-time.Minute, c.s.Now+10*time.Minute
		if d == Stop {
			o.Stages[1], o.Stage = begun, 1
		}
		if p == Committed || p == Dark {
			o.Committed = true
		}
	}
}

// onMains is mains that has been back for so long.
func onMains(since time.Duration) func(*core) {
	return func(c *core) {
		c.s.Seen.UPS.Power, c.s.Seen.UPS.Since = OnMains, c.s.Now-since
	}
}

// runs is what was done to a node, a minute ago.
func runs(node string, state RunState) func(*core) {
	return func(c *core) {
		c.s.Outage.Runs[node] = Run{State: state, BootID: "1", At: c.s.Now - time.Minute}
	}
}

// gone is a node of which nothing was heard for so long.
func gone(node string, since time.Duration) func(*core) {
	return func(c *core) { c.s.Seen.Nodes[node] = Node{BootID: "1", Since: c.s.Now - since} }
}

// back is a node that started again.
func back(node string) func(*core) {
	return func(c *core) { c.s.Seen.Nodes[node] = Node{Connected: true, BootID: "2", Since: c.s.Now} }
}

// waiting is an effect that runs, asked for half a minute ago.
func waiting(kind EffectKind, node string) func(*core) {
	return func(c *core) {
		o := c.s.Outage
		o.Pending = append(o.Pending, Pending{ID: fmt.Sprintf("p%d", len(o.Pending)+1), Kind: kind, Node: node, At: c.s.Now - 30*time.Second})
	}
}

// outage is a change of its outage.
func outage(f func(*Outage)) func(*core) { return func(c *core) { f(c.s.Outage) } }

// changed is what f made of a core, in one line: what of its state is other than
// it was, and the effects that it calls for.
func changed(t *testing.T, c *core, f func(*core)) string {
	t.Helper()
	before := flat(t, c.s)
	c.out = nil
	f(c)
	after := flat(t, c.s)
	var all []string
	for path := range before {
		if _, ok := after[path]; !ok {
			all = append(all, path+" gone")
		}
	}
	for path, v := range after {
		if before[path] != v {
			all = append(all, path+"="+v)
		}
	}
	slices.Sort(all)
	return strings.Join(append(all, did(c.out)...), "; ")
}

// did names effects, and of a Tell its story.
func did(effects []Effect) []string {
	var all []string
	for _, e := range effects {
		s := string(e.Kind) + detail(e)
		if e.Kind == Tell {
			s = strings.TrimSpace("tell " + e.Severity + " " + e.Story + " " + e.Node)
		}
		if len(e.Nodes) > 0 {
			s += " " + strings.Join(e.Nodes, " ")
		}
		all = append(all, s)
	}
	return all
}

// flat is the state's JSON as paths and values. The counter of effects, and those
// that run, are left out: [did] names them.
func flat(t *testing.T, s State) map[string]string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
		case []any:
			for i, v := range v {
				walk(fmt.Sprintf("%s.%d", path, i), v)
			}
		case json.Number:
			all[path] = v.String()
			if n, err := v.Int64(); err == nil && n >= int64(time.Millisecond) {
				all[path] = time.Duration(n).String()
			} else if f, err := v.Float64(); err == nil {
				all[path] = fmt.Sprintf("%.6g", f)
			}
		default:
			all[path] = fmt.Sprint(v)
		}
	}
	walk("", v)
	delete(all, "effects")
	for path := range all {
		if strings.HasPrefix(path, "outage.pending.") {
			delete(all, path)
		}
	}
	return all
}

// A rule is a row of a table: what it is about, the core it finds, and what it
// makes of it.
type rule struct {
	name string
	core *core
	want string
}

// hold plays f on the core of each row.
func hold(t *testing.T, f func(*core), rows []rule) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Helper()
			if got := changed(t, row.core, f); got != row.want {
				t.Errorf("it gives\n%s\nwant\n%s", strings.ReplaceAll(got, "; ", "\n"), strings.ReplaceAll(row.want, "; ", "\n"))
			}
		})
	}
}

package policy

import (
	"strings"
	"testing"
	"time"
)

// away is a node that was gone long before the outage began, and has not come back.
func away(name string) func(*core) {
	return func(c *core) {
		gone(name, 50*time.Minute)(c)
		c.s.Outage.Away = append(c.s.Outage.Away, name)
	}
}

func TestANodeThatIsLongGoneWhenMainsGoesIsAway(t *testing.T) {
	for _, row := range []struct {
		name string
		core *core
		want string
	}{
		{"for five minutes", handmade(gone("node02", longGone), gone("node04", time.Hour)), "node02 node04"},
		{"not for less: it may be starting", handmade(gone("node02", longGone-1)), ""},
		{"not one that is there", handmade(), ""},
		{"nor the host of the UPS, which brings its figures", handmade(gone("node01", time.Hour)), ""},
	} {
		row.core.s.Outage, row.core.s.Phase = nil, Mains
		if row.core.onMains(); strings.Join(row.core.s.Outage.Away, " ") != row.want {
			t.Errorf("%s: away are %v, want %q", row.name, row.core.s.Outage.Away, row.want)
		}
	}
	hold(t, func(c *core) { c.node(NodeSeen{Node: "node02", Connected: true, BootID: "2"}) }, []rule{
		{"until it is seen", handmade(away("node02"), away("node03")), "outage.away.0=node03; outage.away.1 gone; seen.nodes.node02.boot_id=2; seen.nodes.node02.connected=true; seen.nodes.node02.since=1h0m0s"},
	})
	hold(t, func(c *core) { c.node(NodeSeen{Node: "node02"}) }, []rule{{"not where it is still gone", handmade(away("node02")), ""}})
}

func TestNothingIsAskedOfANodeThatIsAway(t *testing.T) {
	nodes := doing(Committed, Stop, StepNodes)
	down := func(c *core) { runs("node03", Halted)(c); runs("node04", Parked)(c) }
	hold(t, func(c *core) { c.stopNodes() }, []rule{{"not to stop", handmade(nodes, away("node02")), "outage.halts=true; halt node03; halt node04"}})
	hold(t, func(c *core) { c.overdue() }, []rule{{"nor is it given up", handmade(nodes, away("node02"), down), ""}})
	hold(t, func(c *core) { c.begin(0, "why") }, []rule{{"nor shed", handmade(away("node04")), "outage.stages.0=begun"}})
	if !handmade(nodes, away("node02"), down).complete() {
		t.Error("a stop waits for a node that is away")
	}
	if got := handmade(away("node02"), runs("node02", Halted)).missing(); len(got) > 0 {
		t.Errorf("%v is missed afterwards", got)
	}
	if got := strings.Join(names(handmade(away("node04")).spare()), " "); got != "node02" {
		t.Errorf("%s can be shed, want node02", got)
	}
	if got := handmade(away("node02"), away("node03"), away("node04")).nodesTime(); got != 0 {
		t.Errorf("with all nodes away the stop gives them %s", got)
	}
	c := handmade(away("node02"), away("node04"))
	if c.begin(1, "why"); !strings.HasSuffix(c.out[0].Reason, " Without node02, node04, gone since before the outage.") {
		t.Errorf("the stop is told as %q", c.out[0].Reason)
	}
}

func TestWhatTheOutletsFeed(t *testing.T) {
	hostless := func(c *core) { c.r.Nodes[0].UPSHost = false }
	missed := func(names ...string) func(*core) {
		return func(c *core) {
			for _, n := range names {
				runs(n, Missed)(c)
			}
		}
	}
	for _, row := range []struct {
		name string
		core *core
		want bool
	}{
		{"the host, which is there", handmade(missed("node02", "node03", "node04")), true},
		{"nodes that were stopped", handmade(hostless, missed("node01", "node02", "node03"), runs("node04", Halted)), true},
		{"nothing, as far as is known, where none was", handmade(hostless, missed("node01", "node02", "node03", "node04")), false},
		{"nor do they feed one that is away", handmade(hostless, missed("node01", "node02", "node03"), away("node04")), false},
	} {
		if got := row.core.fed(); got != row.want {
			t.Errorf("%s: fed is %v", row.name, got)
		}
	}
	hold(t, func(c *core) { c.next() }, []rule{
		{"where they feed nothing, they are not cut", handmade(hostless, doing(Committed, Stop, StepNodes), missed("node01", "node02", "node03", "node04")),
			"outage.end.dark=60; outage.end.expect=60; outage.step=; phase=dark; tell critical dark"},
	})
}

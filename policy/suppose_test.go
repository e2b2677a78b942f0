package policy

import (
	"math"
	"testing"
	"time"
)

func TestASupposedRackIsOneOnMainsWithThreeManagers(t *testing.T) {
	_, s := Suppose(rackOf(5), Supposed{Charge: 70})
	if !s.Armed || s.Phase != Mains || s.Seen.UPS.Power != OnMains || !s.Seen.UPS.Contact || *s.Seen.UPS.Charge != 70 || s.Battery.Lowest != nil {
		t.Errorf("it is %+v", s)
	}
	if !s.Seen.Swarm.Known || !s.Seen.Swarm.Quorum || len(s.Seen.Swarm.Nodes) != 5 {
		t.Fatalf("its Swarm is %+v", s.Seen.Swarm)
	}
	for i, n := range s.Seen.Swarm.Nodes {
		if n.Manager != (i < 3) || n.Leader != (i == 0) || n.Availability != "active" || !n.Ready || !s.Seen.Nodes[n.Name].Connected {
			t.Errorf("its node %d is %+v", i, n)
		}
	}
}

func TestASupposedLoadIsWhatTheNodesDrawAndTheRestBeside(t *testing.T) {
	for _, row := range []struct{ load, draw, base float64 }{{100, 6, 76}, {24, 6, 0}, {12, 3, 0}} {
		r, s := Suppose(rackRules(), Supposed{Charge: 100, Load: &row.load})
		if r.Nodes[0].Draw != row.draw || r.BaseWatts != row.base || math.Abs(Load(r, s).Watts-row.load) > 1e-9 {
			t.Errorf("for %g W a node draws %g W and %g W are beside: %g W", row.load, r.Nodes[0].Draw, r.BaseWatts, Load(r, s).Watts)
		}
	}
	r, _ := Suppose(rackRules(), Supposed{Charge: 100})
	if r.BaseWatts != 10 || r.Nodes[0].Draw != 0 {
		t.Errorf("without a load the rules are changed: %+v", r)
	}
	one := Rules{BaseWatts: 5}
	if r, _ := Suppose(one, Supposed{Load: new(0.5)}); r.BaseWatts != 0.5 {
		t.Errorf("a rack without nodes has its load of 0.5 W as %g W", r.BaseWatts)
	}
}

func TestASupposedHealthIsABatteryThatIsKnown(t *testing.T) {
	r := rackRules()
	r.UPS.BatteryWh = 100
	_, s := Suppose(r, Supposed{Charge: 100, Health: new(50.0)})
	if len(s.Battery.Discharges) != 1 || s.Battery.Lowest == nil || *s.Battery.Lowest != 0 {
		t.Fatalf("the battery is %+v", s.Battery)
	}
	d := s.Battery.Discharges[0]
	hours := 50.0 / (34/0.8 + 10) / 100 // a percent of 50 Wh, by what the inverter takes
	if want := time.Duration(hours * float64(time.Hour)); d.Watts != 34 || max(d.PerPercent-want, want-d.PerPercent) > time.Millisecond {
		t.Errorf("a percent lasts %s at %g W, want %s at 34 W", d.PerPercent, d.Watts, want)
	}
	for name, row := range map[string]struct {
		r Rules
		s Supposed
	}{
		"an unknown health":     {r, Supposed{Charge: 100}},
		"an unknown size":       {rackRules(), Supposed{Charge: 100, Health: new(50.0)}},
		"nothing that it feeds": {Rules{UPS: UPSRules{BatteryWh: 100}}, Supposed{Charge: 100, Health: new(50.0)}},
	} {
		if _, s := Suppose(row.r, row.s); s.Battery.Discharges != nil || s.Battery.Lowest != nil {
			t.Errorf("with %s the battery is taken to be known: %+v", name, s.Battery)
		}
	}
}

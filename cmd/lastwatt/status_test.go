package main

import (
	"strings"
	"testing"

	"lastwatt/drivers"
	"lastwatt/rack"
)

func TestStatusShowsPartsWithWhatIsWrongInCapitals(t *testing.T) {
	s := rack.Snapshot{Site: "rack", Summary: "on mains", Mode: "observe",
		Nodes: []rack.Node{{Name: "node01", State: "up", Wake: "ups", Fact: drivers.Node{Draw: new(drivers.Watt(6.4)), Method: "PMIC estimate"},
			Rails: []drivers.Rail{{Name: "EXT5V", Volts: new(drivers.Volt(4.66)), Level: drivers.Critical}}}, {Name: "node02", State: "up", Wake: "ups"}},
		Fans:      []drivers.Fan{{Name: "top", RPM: new(0.0), State: drivers.FanStalled}, {Name: "bottom", RPM: new(1234.0), State: drivers.FanRunning}},
		Rails:     []drivers.Rail{{Name: "12v", Good: new(true)}, {Name: "5v", Good: new(false)}, {Name: "3v3"}},
		Meters:    []drivers.Meter{{Name: "outlets", Watts: new(drivers.Watt(47.4)), Method: "measured AC"}, {Name: "old"}},
		Witnesses: []drivers.Witness{{Name: "opto", Mains: new(true)}, {Name: "relay"}},
	}
	var out strings.Builder
	printStatus(&out, s)
	for _, want := range []string{
		"node01  up     gone   -      -             ups   -     6 W (PMIC estimate)\n",
		"node02  up     gone   -      -             ups   -     -\n",
		"rack: fan top 0 rpm stalled, fan bottom 1234 rpm running, rail 12v good, rail 5v BAD, rail 3v3, meter outlets 47 W (measured AC), meter old, mains by opto there, mains by relay unknown\n",
		"node01: rail EXT5V 4.66 V BAD\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, out.String())
		}
	}
}

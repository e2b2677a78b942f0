package config

import (
	"strings"
	"testing"
	"time"

	"lastwatt/drivers/all"
)

// sound is the least that is right; the rows of the test below spoil it.
const sound = `site: rack
ups:
  - {name: main, driver: sim, address: "unix:/tmp/x", feeds: [node01, node02], cut: true}
nodes:
  node01: {model: pi5, wake: ups, ups_host: true}
  node02: {model: pi5, wake: ups}
policy:
  stages:
    - {name: early, charge: 70, shed: [node02], by: idle}
    - {name: all}
`

func TestEachMistakeIsSaidWithItsPlaceAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown key", "site: rack", "sight: rack", `c.yaml:1: sight: unknown key "sight"`},
		{"spaces in the site", "site: rack", "site: my rack", `c.yaml:1: site: want a short name without spaces, /, + and #, since it is part of MQTT topics (got "my rack")`},
		{"unknown node in feeds", "[node01, node02]", "[node01, node09]", `c.yaml:3: ups[0].feeds[1]: "node09" is no node of nodes: (a switch is called "switch")`},
		{"unknown driver", "driver: sim", "driver: simm", `c.yaml:3: ups[0].driver:`},
		{"unknown key of the driver", "address:", "adress:", `c.yaml:3: ups[0].adress: unknown key "adress"`},
		{"unknown wake", "node02: {model: pi5, wake: ups}", "node02: {wake: alarm}", `c.yaml:6: nodes.node02.wake: want one of ups, rtc, gpio, relay, manual (got "alarm")`},
		{"two hosts", "node02: {model: pi5, wake: ups}", "node02: {ups_host: true}", `c.yaml:6: nodes.node02.ups_host: only one node can have the UPS's cable: remove ups_host from the others`},
		{"unknown node in a stage", "shed: [node02]", "shed: [node05]", `node05`},
		{"cutting others", "cut: true", "cut: true, other_loads: [fans]", `c.yaml:3: ups[0].cut: cutting switches off fans too: set cut_others: true if that is meant, or cut: false`},
		{"no unit", "  stages:", "  ride_through: 30\n  stages:", `c.yaml:8: policy.ride_through: want a time such as 90s, 5m or 1h30m (got "30")`},
		{"broker over websockets", "policy:", "mqtt: {broker: \"ws://h:1\"}\npolicy:", `mqtt.broker`},
		{"two documents of one key", "site: rack", "site: rack\nsite: rack", `c.yaml:2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(sound, c.from, c.to, 1)
			if text == sound {
				t.Fatal("the row spoils nothing")
			}
			_, err := Parse("c.yaml", []byte(text), all.Kinds())
			if err == nil {
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q lacks %q", err, c.want)
			}
		})
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	c, err := Parse("c.yaml", []byte(sound), all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy.RideThrough != 30*time.Second || c.Policy.StableFor != 90*time.Second || c.Policy.Reserve != 2*time.Minute || c.Controller.Listen != ":7480" {
		t.Errorf("ride_through %s, stable_for %s, reserve %s, listen %q", c.Policy.RideThrough, c.Policy.StableFor, c.Policy.Reserve, c.Controller.Listen)
	}
	r := c.Rules()
	if len(r.Nodes) != 2 || r.Nodes[0].Name != "node01" || !r.Nodes[0].UPSHost || !r.UPS.Cut || r.UPS.CutsOnMains || len(r.Stages) != 2 {
		t.Errorf("rules = %+v", r)
	}
}

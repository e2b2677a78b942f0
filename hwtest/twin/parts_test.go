//go:build twin

package twin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers/board/boardtest"
	"lastwatt/rack"
	"lastwatt/sim"
)

// TestPartsOfTheRackFromTheirFilesToThePhone runs a fan, a rail and a meter
// through everything that is between them and those who are told.
func TestPartsOfTheRackFromTheirFilesToThePhone(t *testing.T) {
	p := sim.UPSParams{Battery: sim.ReferenceBattery(), CutsOnMains: true, NominalWatts: 120}
	b := &bench{Ground: NewGround(t, p)}
	b.board = b.Nodes[1].dir
	boardtest.Grow(t, b.board, boardFiles)
	b.draws(41.5)
	b.serveMeter()
	urlFile := b.serveHouse()
	b.Start(moreParts(urlFile))
	n := len(b.Events(0))

	b.allWell()
	b.fanStands(n)
	b.railSags(n)
	b.drawChanges()
	b.wellAgain(n)

	var told []string
	for _, e := range b.Story(n) {
		told = append(told, fmt.Sprintf("%s %s %s: %s", e.Severity, e.Kind, e.Node, e.Text))
	}
	t.Logf("told:\n%s", strings.Join(told, "\n"))
	kinds := b.Events(n)
	slices.Sort(kinds)
	if want := []string{"fan_stalled", "node_hot", "part_back", "part_back", "part_back", "rail_low"}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v: each once", kinds, want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Logf("alerts:\n%s", strings.Join(b.told, "\n"))
	for _, e := range b.Story(n) {
		if c := count(b.told, e.Text); c != 1 {
			t.Errorf("%d alerts of %q, want 1", c, e.Text)
		}
	}
}

const byMeter = "meter outlets, measured AC"

// allWell: everything is known everywhere, and nobody is told anything.
func (b *bench) allWell() {
	b.t.Helper()
	b.within(30*time.Second, "all of node02 on MQTT", b.told02("temperature 49, draw 7.6, rpm 1470, stalled false, volts 5.08, watts 7.6, bad false"))
	b.within(slack, "the meter on MQTT", func() bool { return b.words("cluster") == "meter 41.5" })
	b.within(slack, "the load by the meter", b.load(41.5, byMeter))
	host := b.Nodes[0]
	out, err := host.Run(b.ctx, "../lastwatt", "status", "--socket", host.file("control.sock"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, want := range []string{"8 W (measured DC)", "rack: meter outlets 42 W (measured AC)\n", "node02: fan cooling_fan 1468 rpm running, rail 5V 5.08 V\n", " at 42 W (" + byMeter + ")"} {
		if !strings.Contains(out, want) {
			b.t.Errorf("status lacks %q:\n%s", want, out)
		}
	}
	if s, ok := b.Status(); !ok || len(s.Health) > 0 {
		b.t.Errorf("health with all well: %v", s.Health)
	}
}

// fanStands: its tachometer reads 0 at full duty, and the board is hot.
func (b *bench) fanStands(n int) {
	b.t.Helper()
	began := time.Now()
	b.fan("0", "255", "84500")
	b.within(pollsBoard+slack, "fan_stalled", func() bool { return slices.Contains(b.Events(n), rack.FanStalled) })
	b.within(pollsBoard+slack, "node_hot", func() bool { return slices.Contains(b.Events(n), rack.NodeHot) })
	b.within(slack, "alerts of both", func() bool {
		return b.alerted("Fan stands still: node02: Fan cooling_fan of node02 stands still.") && b.alerted("Too hot: node02: Node02 is at 84.5 °C, and fan cooling_fan stands still.")
	})
	b.within(slack, "health names fan and node", func() bool {
		return b.sick("critical", "fan cooling_fan of node02 stands still") && b.sick("critical", "node02 is at 84.5 °C")
	})
	b.within(slack, "the stalled fan on MQTT", b.told02("temperature 85, draw 7.6, rpm 0, stalled true, volts 5.08, watts 7.6, bad false"))
	b.t.Logf("the fan took %s in all", time.Since(began).Round(100*time.Millisecond))
}

// railSags: below its critical limit.
func (b *bench) railSags(n int) {
	b.t.Helper()
	b.set("sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in1_input", "4660")
	b.within(pollsBoard+slack, "rail_low", func() bool { return slices.Contains(b.Events(n), rack.RailLow) })
	b.within(slack, "its alert", func() bool { return b.alerted("Bad supply voltage: node02: Rail 5V of node02 is at 4.66 V.") })
	b.within(slack, "health names the rail", func() bool { return b.sick("critical", "rail 5V of node02 is at 4.66 V") })
	b.within(slack, "the bad rail on MQTT", b.told02("temperature 85, draw 7, rpm 0, stalled true, volts 4.66, watts 7, bad true"))
	for _, e := range b.Story(n) {
		if e.Severity != "critical" || e.Node != "node02" {
			b.t.Errorf("event %+v, want one of node02 that is critical", e)
		}
	}
}

// drawChanges: the policy counts with it at the meter's next poll.
func (b *bench) drawChanges() {
	b.t.Helper()
	b.draws(77.25)
	b.within(pollsMeter+slack, "the new load in the plan", b.load(77.25, byMeter))
	s, _ := b.Status()
	if s.Plan.Load != 77.25 || len(s.Plan.Steps) == 0 || s.Plan.Steps[0].Watts != 77.25 {
		b.t.Errorf("status plans with %v by %q and first %+v", s.Plan.Load, s.Plan.LoadMethod, s.Plan.Steps)
	}
	b.within(slack, "the new draw on MQTT", func() bool { return b.words("cluster") == "meter 77.3" })
}

// wellAgain: node02 is well again, while the meter says nothing for more than a
// minute; then that is well again, too.
func (b *bench) wellAgain(n int) {
	b.t.Helper()
	b.silent.Store(true)
	silence := time.Now()
	b.fan("2930", "128", "51200")
	b.set("sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in1_input", "5080")
	backs := func() int { return count(b.Events(n), rack.PartBack) }
	b.within(40*time.Second, "health names the meter", func() bool { return b.sick("warning", "sensor outlets does not answer") })
	b.within(60*time.Second, "all parts back", func() bool { return backs() == 3 })
	if took := time.Since(silence); took < 30*time.Second {
		b.t.Errorf("they were back after %s: a part has to be well for 30 s", took)
	}
	for time.Since(silence) < 50*time.Second {
		time.Sleep(time.Second)
		if p := b.plan(); p.LoadMethod != byMeter {
			b.t.Fatalf("%s after the meter fell silent the load is by %q: its last word is good for a minute", time.Since(silence), p.LoadMethod)
		}
	}
	// Four nodes and what there is beside them, as the ground feeds them.
	b.until(30*time.Second, "the load by the UPS", func() bool {
		p := b.plan()
		return p.LoadMethod == "the UPS's load" && math.Abs(float64(p.Load)-33) < 1
	})
	took := time.Since(silence)
	b.t.Logf("the load is the UPS's %s after the meter fell silent", took.Round(100*time.Millisecond))
	if took > time.Minute+pollsMeter+slack {
		b.t.Error("that was long after a minute")
	}
	b.silent.Store(false)
	b.within(20*time.Second, "the load by the meter again", b.load(77.25, byMeter))
	b.within(slack, "nothing in health", func() bool { s, ok := b.Status(); return ok && len(s.Health) == 0 })
	b.within(slack, "all of node02 on MQTT", b.told02("temperature 51, draw 7.6, rpm 2930, stalled false, volts 5.08, watts 7.6, bad false"))
	if !b.whole() {
		b.t.Error("something stopped")
	}
	b.within(slack, "alerts that all is back", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return count(b.told, "Well again: node02") == 3
	})
}

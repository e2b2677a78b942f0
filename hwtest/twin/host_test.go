//go:build twin

package twin

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lastwatt/sim"
)

// The controller runs on a machine of its own, in the lab's kernel, and reads
// the virtual CyberPower on that machine's USB with gousb. Its battery lasts for
// four minutes, and nothing but that says when to stop.
func TestAnOutageWithTheUPSOnUSB(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := sim.UPSParams{Battery: sim.ReferenceBattery(), NominalWatts: 960, CutsOnMains: true}
	p.Battery.CapacityWh, p.Battery.Wh, p.Battery.ChargerW = 5, 5, 200 // so that it need not wait long for energy to restore
	g := NewGround(t, p)
	h, device := g.AddHost(root)
	h.Join()
	before := g.Swarm()
	n, marks := len(g.Events(0)), g.marks()
	began := time.Now()
	at := func() time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
	charge := g.UPS.Battery().Percent()

	g.UPS.SetMains(false)
	g.saw(n, "stopping", 120*time.Second)
	s, _ := h.Status()
	t.Logf("stopping after %s, with %.0f %% in the battery: %s", at(), g.UPS.Battery().Percent(), s.Summary)
	if time.Since(began) < 15*time.Second {
		t.Error("the battery would have carried them for longer")
	}
	g.saw(n, "committed", 120*time.Second)
	t.Logf("committed after %s", at())
	g.until(240*time.Second, "dark outlets", func() bool { return !g.UPS.Outlets() })
	t.Logf("dark after %s, with the battery at %.0f %% of %.0f %%", at(), g.UPS.Battery().Percent(), charge)
	time.Sleep(3 * time.Second)
	if s := g.stops(marks); len(s) != 5 {
		t.Errorf("these nodes ended: %v; want all five", s)
	}
	if g.UPS.Outlets() {
		t.Error("the outlets came back without mains")
	}
	g.UPS.SetMains(true)
	g.saw(n, "restored", 300*time.Second)
	t.Logf("restored after %s", at())

	var bytes []string
	for _, w := range device.Writes() {
		bytes = append(bytes, w.String())
	}
	t.Logf("the UPS received %v", bytes)
	start, stop := slices.Index(bytes, "870000"), slices.IndexFunc(bytes, func(s string) bool { return len(s) == 6 && s[:2] == "86" && s != "86ffff" })
	if start < 0 || stop < start {
		t.Errorf("the UPS received %v; want the start delay 0 (870000), then the shutdown delay in whole minutes (86....)", bytes)
	}
	order(t, g.Events(n), "on_battery", "stopping", "committed", "cut_armed", "dark", "recovering", "restored")
	clean(t, g.stops(marks))
	g.until(150*time.Second, "Swarm as before", func() bool { return g.whole() && g.Swarm() == before })
	t.Logf("the Swarm is as before after %s", at())
}

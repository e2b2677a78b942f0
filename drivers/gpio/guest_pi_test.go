//go:build guest && linux

package gpio

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// These tests run as all there is on a board of QEMU's. Whoever started it looks
// at the pins from outside, and drives them, as the lines that begin with "pi: "
// ask it to.

func TestPiHasItsChipAndNames(t *testing.T) {
	f := &finder{kernel: newKernel("/")}
	defer f.close()
	c, err := f.choose("")
	if err != nil {
		t.Fatal(err)
	}
	if want := os.Getenv("LASTWATT_CHIP"); c.Label() != want {
		t.Errorf("the board's own chip is %q, want %q", c.Label(), want)
	}
	var names []string
	for _, l := range c.info {
		names = append(names, l.Name)
	}
	t.Logf("gpio | %s | %d lines | %q |", c.Label(), len(c.info), names)
	for gpio, line := range map[string]int{"GPIO17": 17, "GPIO22": 22, "GPIO3": 3, c.Label() + ":5": 5} {
		if p, err := f.line(gpio, gpio); err != nil || p.offset != line {
			t.Errorf("%s is line %d, %v", gpio, p.offset, err)
		}
	}
	if !slices.Contains(names, "GPIO17") {
		t.Error("no line is called GPIO17")
	}
}

func TestPiReadsAndDrivesItsPins(t *testing.T) {
	d := guestDriver(t, `
poll: 200ms
fans: [{name: top, line: GPIO17, power: relay}]
rails: [{name: 5v, line: GPIO22, bias: pull-down}]
mains: {line: GPIO27, active_low: true, bias: pull-up}
outputs: [{name: relay, line: GPIO5, safe: "on"}, {name: wake, line: GPIO6, open_drain: true, active_low: true, safe: "off"}]`)
	h, stop := running(t, d)
	defer stop()
	const long = 30 * time.Second // the board is emulated, and slow
	until(t, "the relay can be switched", long, func() bool { return d.Switch(t.Context(), "relay", true) == nil })
	shows := func(pin, level int) {
		fmt.Printf("pi: shows %d %d\n", pin, level)
		time.Sleep(time.Second)
	}
	drive := func(pin, level int) { fmt.Printf("pi: drive %d %d\n", pin, level) }
	shows(5, 1)
	for _, on := range []bool{false, true, false} {
		if err := d.Switch(t.Context(), "relay", on); err != nil {
			t.Error(err)
		}
		shows(5, bit(on))
	}
	if err := d.Switch(t.Context(), "wake", true); err != nil {
		t.Error(err)
	}
	shows(6, 0)
	if err := d.Switch(t.Context(), "wake", false); err != nil {
		t.Error(err)
	}
	for _, level := range []int{1, 0, 1} {
		drive(22, level)
		until(t, fmt.Sprintf("the rail follows its pin to %d", level), long, func() bool {
			r := h.rail("5v")
			return r.Good != nil && *r.Good == (level == 1)
		})
		drive(27, level)
		until(t, fmt.Sprintf("mains follows its pin to %d", level), long, func() bool {
			w := h.witness("mains")
			return w.Mains != nil && *w.Mains == (level == 0)
		})
	}
	fmt.Printf("pi: stopped\n")
}

//go:build guest && linux

package gpio

import (
	"bufio"
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiosim"
	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
)

func yamlOf(section string) func(any) error {
	return func(into any) error { return yaml.Load([]byte(section), into, yaml.WithKnownFields()) }
}

const twoFans = `
fans:
  - {name: top, line: GPIO17, min_rpm: 30, max_rpm: 12000}
  - {name: side, line: "pinctrl-rp1:18", min_rpm: 30, max_rpm: 12000}
`

// spinning turns two fans while do runs.
func spinning(top, side *generator, topRPM, sideRPM float64, do func()) {
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for g, speed := range map[*generator]float64{top: topRPM, side: sideRPM} {
		if speed > 0 {
			work.Go(func() { g.turn(ctx, time.Duration(float64(time.Minute)/(2*speed))) })
		}
	}
	do()
	stop()
	work.Wait()
}

func TestSimFansAreReadAsTheyTurn(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lost, error float64
	}{{"every event", 0, 0.01}, {"5 % of the events lost", 0.05, 0.02}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t)
			top, side := &generator{wire: s.wire(t, 17)}, &generator{wire: s.wire(t, 18)}
			d := guestDriver(t, twoFans)
			d.kernel = lossy{d.kernel, tt.lost}
			h, stop := running(t, d)
			top.wire.pull(true)
			side.wire.pull(true)
			for _, speeds := range [][2]float64{{0, 60}, {300, 10000}, {1000, 6000}, {3000, 0}, {10000, 3000}} {
				spinning(top, side, speeds[0], speeds[1], func() {
					time.Sleep(5500 * time.Millisecond)
					for name, g := range map[string]*generator{"top": top, "side": side} {
						f, at := h.fan(name), h.at(name)
						made, edges := g.rpm(at, 3*time.Second)
						off := math.Abs(rpm(f)/made - 1)
						if made == 0 {
							off = rpm(f)
						}
						t.Logf("gpio | %s | %s | made %.1f rpm, %d edges | read %.1f rpm, %s | off %.3f %% | lost %d, rejected %d |",
							tt.name, name, made, edges, rpm(f), f.State, 100*off, f.Lost, f.Rejected)
						if !(off <= tt.error) {
							t.Errorf("%s: %.1f rpm, and %.1f were made", name, rpm(f), made)
						}
						if turns := f.State == drivers.FanRunning; turns != (made > 0) {
							t.Errorf("%s is %s at %.1f rpm", name, f.State, made)
						}
					}
				})
			}
			if f := h.fan("side"); (f.Lost > 0) != (tt.lost > 0) {
				t.Errorf("side: lost %d", f.Lost)
			}
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func TestSimAFanStallsStartsAndBearsNoise(t *testing.T) {
	s := newSim(t)
	top := &generator{wire: s.wire(t, 17)}
	d := guestDriver(t, `{poll: 500ms, fans: [{name: top, line: GPIO17, max_rpm: 3000}]}`)
	h, stop := running(t, d)
	defer stop()
	top.wire.pull(true)
	turns := func(long time.Duration) {
		ctx, end := context.WithTimeout(t.Context(), long)
		defer end()
		top.turn(ctx, 20*time.Millisecond)
	}
	turns(3 * time.Second)
	until(t, "the fan runs", time.Second, func() bool { return h.fan("top").State == drivers.FanRunning })
	start := time.Now()
	until(t, "the fan is stalled", 5*time.Second, func() bool { return h.fan("top").State == drivers.FanStalled })
	t.Logf("gpio | stalled %.1f s after the last edge |", time.Since(start).Seconds())
	turns(3 * time.Second)
	if f := h.fan("top"); f.State != drivers.FanRunning {
		t.Errorf("started again: %s", f.State)
	}
	before := h.fan("top").Rejected
	for range 4 {
		turns(500 * time.Millisecond)
		top.burst(6)
	}
	turns(600 * time.Millisecond)
	f := h.fan("top")
	t.Logf("gpio | noise in 4 bursts of 6 edges | read %.1f rpm of 1500 at most, rejected %d |", rpm(f), f.Rejected-before)
	// The bursts stop the fan of this generator for 16 ms each.
	if f.State != drivers.FanRunning || rpm(f) < 1300 || rpm(f) > 1560 || f.Rejected-before < 12 {
		t.Errorf("with noise: %s at %.1f rpm, rejected %d", f.State, rpm(f), f.Rejected-before)
	}
}

func TestSimInputsBounceAndAreToldOnce(t *testing.T) {
	s := newSim(t)
	five, mains := s.wire(t, 22), s.wire(t, 27)
	d := guestDriver(t, `{poll: 10s, rails: [{name: 5v, line: GPIO22, active_low: true, debounce: 20ms}], mains: {line: GPIO27, active_low: true}}`)
	h, stop := running(t, d)
	defer stop()
	until(t, "5v is good", time.Second, func() bool { r := h.rail("5v"); return r.Good != nil && *r.Good })
	until(t, "mains is there", time.Second, func() bool { w := h.witness("mains"); return w.Mains != nil && *w.Mains })
	told := h.count()
	for range 8 {
		five.pull(true)
		time.Sleep(3 * time.Millisecond)
		five.pull(false)
		time.Sleep(3 * time.Millisecond)
	}
	five.pull(true)
	start := time.Now()
	until(t, "5v is told", time.Second, func() bool { return h.count() > told })
	t.Logf("gpio | told %.0f ms after the last bounce, debounce 20 ms |", float64(time.Since(start).Milliseconds()))
	if r := h.rail("5v"); r.Good == nil || *r.Good || r.Level != drivers.Critical {
		t.Errorf("5v: %+v, want not good", r)
	}
	mains.pull(true)
	until(t, "mains is gone", time.Second, func() bool { w := h.witness("mains"); return w.Mains != nil && !*w.Mains })
	if n := h.count(); n != told+2 {
		t.Errorf("told %d facts, want one for each input", n-told)
	}
}

func level(t *testing.T, s *sim, offset int) int {
	t.Helper()
	v, err := s.chip.Level(offset)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const relay = `outputs: [{name: relay, line: GPIO5, safe: "on"}, {name: wake, line: GPIO3, open_drain: true, active_low: true, safe: "off"}]`

func TestSimOutputsAreSafeAtTheBeginning(t *testing.T) {
	s := newSim(t)
	s.wire(t, 3).pull(true) // the pull-up of the other node
	d := guestDriver(t, relay)
	_, stop := running(t, d)
	defer stop()
	until(t, "the relay is on", time.Second, func() bool { return level(t, s, 5) == 1 })
	if err := d.Switch(t.Context(), "relay", false); err != nil || level(t, s, 5) != 0 {
		t.Errorf("switched off: level %d, %v", level(t, s, 5), err)
	}
	pulsed := make(chan error)
	go func() { pulsed <- d.Pulse(t.Context(), "wake", 300*time.Millisecond) }()
	until(t, "GPIO3 is pulled low", 200*time.Millisecond, func() bool { return level(t, s, 3) == 0 })
	// That it lets go cannot be seen: the simulator keeps the last level.
	if err := <-pulsed; err != nil {
		t.Error(err)
	}
}

func TestSimAnOutputIsAsTheHardwareHasItAfterAKill(t *testing.T) {
	s := newSim(t)
	s.wire(t, 5).pull(true) // safe is on
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LASTWATT_GPIO_CHILD="+relay)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "open\n" || level(t, s, 5) != 0 {
		t.Errorf("the other process said %q, %v; level %d, want open and 0", said, err, level(t, s, 5))
	}
	d := guestDriver(t, relay)
	err = d.Run(t.Context(), func(drivers.Reading) {})
	if err == nil || !strings.Contains(err.Error(), `line GPIO5 of pinctrl-rp1 is used by "lastwatt:rack"`) {
		t.Errorf("a second process: Run = %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if v := level(t, s, 5); v != 1 {
		t.Errorf("level %d after kill -9, want the safe 1", v)
	}
	_, stop := running(t, d)
	until(t, "the driver opens the line again", time.Second, func() bool { return d.Switch(t.Context(), "relay", false) == nil })
	stop()
}

func TestSimDriverKeepsADriversPromises(t *testing.T) {
	drivertest.RunReal(t, func(t *testing.T) drivertest.Rig {
		s := newSim(t)
		d := guestDriver(t, twoFans+`
rails: [{name: 5v, line: GPIO22}]
outputs: [{name: relay, line: GPIO5, safe: "on"}]`)
		return drivertest.Rig{Driver: d, Unplug: s.Close, Plug: func() { newSim(t) }}
	})
}

func TestSimAChipThatVanishesIsNoticed(t *testing.T) {
	s := newSim(t)
	d := guestDriver(t, twoFans)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(t.Context(), func(drivers.Reading) {}) }()
	time.Sleep(1500 * time.Millisecond)
	start := time.Now()
	s.Close()
	err := <-ended
	t.Logf("gpio | noticed %.0f ms after the chip vanished, poll 1 s | %v |", float64(time.Since(start).Milliseconds()), err)
	if !errors.Is(err, drivers.ErrNoDevice) || time.Since(start) > 1500*time.Millisecond {
		t.Errorf("Run = %v after %v", err, time.Since(start))
	}
	if err := d.Run(t.Context(), func(drivers.Reading) {}); !errors.Is(err, drivers.ErrNoDevice) {
		t.Errorf("Run = %v without a chip", err)
	}
	s = newSim(t)
	top := &generator{wire: s.wire(t, 17)}
	h, stop := running(t, d)
	ctx, end := context.WithTimeout(t.Context(), 3*time.Second)
	defer end()
	top.turn(ctx, 20*time.Millisecond)
	if f := h.fan("top"); f.State != drivers.FanRunning {
		t.Errorf("top is %s after the chip came back", f.State)
	}
	stop()
}

func TestSimMistakesAreTold(t *testing.T) {
	s := newSim(t, gpiosim.WithHoggedLine(9, "dht11@9", gpiosim.HogDirectionInput))
	if err := os.Symlink(s.chip.DevPath(), "/dev/gpiochip9"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove("/dev/gpiochip9") })
	ends := func(section, want string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := guestDriver(t, section).Run(ctx, func(drivers.Reading) { cancel() })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v\nwant %s", err, want)
		}
	}
	ends(`mains: {line: GPIO9}`, `mains: line GPIO9 of pinctrl-rp1 is used by "dht11@9": stop what uses it`)
	ends(`mains: {line: GPIO77}`, `mains: no line "GPIO77" on pinctrl-rp1 (`+s.chip.DevPath()+`): did you mean GPIO7, GPIO17, GPIO27`)
	ends(`{chip: /dev/gpiochip9, mains: {line: GPIO4}}`, context.Canceled.Error()) // it opens, through the symlink
	ends(`mains: {line: GPIO4}`, context.Canceled.Error())                         // and the chip is there once
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LASTWATT_GPIO_CHILD=mains: {line: GPIO4}")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if !strings.HasPrefix(string(out), "mains: no permission for "+s.chip.DevPath()+": add the user") {
		t.Errorf("as nobody: %s %v", out, err)
	}
}

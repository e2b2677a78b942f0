package gpio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
)

const rackSection = `
fans:
  - {name: top, line: GPIO17, power: fan-relay}
  - {name: side, line: GPIO18, min_rpm: 200, max_rpm: 5000}
rails:
  - {name: 5v, line: GPIO22, active_low: true, bias: pull-up}
  - {name: 12v, line: GPIO23}
mains: {line: GPIO27, active_low: true}
outputs:
  - {name: fan-relay, line: GPIO5, safe: "on"}
  - {name: wake, line: GPIO6, open_drain: true, active_low: true, safe: "off"}
`

// rack is a driver of everything, on a Pi 5's chip.
func rack(t testing.TB) (*driver, *fakeChip) {
	pi := newPi("pinctrl-rp1")
	return newDriver(newFake(newPi("raspberrypi-exp-gpio"), pi), configured(t, rackSection), testOptions()), pi
}

// turn makes a fan's pulses for so long.
func turn(c *fakeChip, offset int, apart, long time.Duration, told func(n int) bool) {
	for n := range int(long / apart) {
		time.Sleep(apart)
		c.pulse(offset, told(n))
	}
}

func all(int) bool { return true }

func TestDriverKeepsADriversPromises(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Rig {
		d, pi := rack(t)
		return drivertest.Rig{Driver: d, Unplug: func() { pi.vanish(true) }, Plug: func() { pi.vanish(false) }}
	})
}

func TestFansAreReadAlsoWhereEventsGetLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		pi.drive(17, true, false)
		pi.drive(18, true, false)
		h, stop := running(t, d)
		synctest.Wait()
		done := make(chan struct{})
		go func() {
			defer close(done)
			turn(pi, 17, 20*time.Millisecond, 10*time.Second, all)
		}()
		turn(pi, 18, 10*time.Millisecond, 10*time.Second, func(n int) bool { return n%20 != 7 })
		<-done
		top, side := h.fan("top"), h.fan("side")
		if top.State != drivers.FanRunning || math.Abs(rpm(top)-1500) > 3 || top.Lost != 0 {
			t.Errorf("top: %s at %.1f rpm, lost %d, want running at 1500, 0", top.State, rpm(top), top.Lost)
		}
		if side.State != drivers.FanRunning || math.Abs(rpm(side)-3000) > 6 || side.Lost < 40 {
			t.Errorf("side: %s at %.1f rpm, lost %d, want running at 3000, 40 or more", side.State, rpm(side), side.Lost)
		}
		time.Sleep(4 * time.Second)
		if f := h.fan("side"); f.State != drivers.FanStalled || rpm(f) != 0 {
			t.Errorf("side: %s at %.1f rpm after it stopped, want stalled at 0", f.State, rpm(f))
		}
		stop()
	})
}

func TestFastFansLoseNoEdgesHoweverSeldomTheyAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pi := newPi("pinctrl-rp1")
		d := newDriver(newFake(pi), configured(t, `
poll: 10s
fans: [{name: top, line: GPIO17, max_rpm: 12000}, {name: side, line: GPIO18, max_rpm: 12000}]
`), testOptions())
		pi.drive(17, true, false)
		pi.drive(18, true, false)
		h, stop := running(t, d)
		synctest.Wait()
		for range 21 * 1000 / 3 {
			time.Sleep(3 * time.Millisecond)
			pi.pulse(17, true)
			pi.pulse(18, true)
		}
		for _, name := range []string{"top", "side"} {
			if f := h.fan(name); f.State != drivers.FanRunning || math.Abs(rpm(f)-10000) > 20 || f.Lost != 0 {
				t.Errorf("%s: %s at %.1f rpm, lost %d, want running at 10000, 0", name, f.State, rpm(f), f.Lost)
			}
		}
		stop()
	})
}

func TestAFanWhoseRelayIsOffIsOffAndNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := rack(t)
		h, stop := running(t, d)
		time.Sleep(8 * time.Second)
		if f := h.fan("top"); f.State != drivers.FanStalled {
			t.Errorf("powered and still it is %s, want stalled", f.State)
		}
		if err := d.Switch(t.Context(), "fan-relay", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if f := h.fan("top"); f.State != drivers.FanOff {
			t.Errorf("without power it is %s, want off", f.State)
		}
		if err := d.Switch(t.Context(), "fan-relay", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if f := h.fan("top"); f.State != drivers.FanUnknown {
			t.Errorf("just switched on it is %s, want unknown", f.State)
		}
		stop()
	})
}

func TestInputsAreToldAtOnceAndOnlyWhenTheyRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		h, stop := running(t, d)
		time.Sleep(100 * time.Millisecond)
		if r := h.rail("5v"); r.Good == nil || !*r.Good || r.Level != drivers.OK {
			t.Errorf("5v: %+v, want good: its line is low", r)
		}
		if r := h.rail("12v"); r.Good == nil || *r.Good || r.Level != drivers.Critical {
			t.Errorf("12v: %+v, want not good: its line is low", r)
		}
		told := h.count()
		for range 5 {
			pi.pull(22, true)
			time.Sleep(3 * time.Millisecond)
			pi.pull(22, false)
			time.Sleep(3 * time.Millisecond)
		}
		pi.pull(22, true)
		if n := h.count(); n != told {
			t.Errorf("told %d facts while it bounced", n-told)
		}
		time.Sleep(45 * time.Millisecond)
		if r := h.rail("5v"); r.Good == nil || *r.Good {
			t.Errorf("5v: %+v, want not good within 45 ms of the last bounce", r)
		}
		pi.pull(23, true)
		time.Sleep(45 * time.Millisecond)
		if r := h.rail("12v"); r.Good == nil || !*r.Good {
			t.Errorf("12v: %+v, want good within 45 ms of its rise", r)
		}
		pi.drive(27, true, false) // an edge that gets lost
		time.Sleep(1100 * time.Millisecond)
		if w := h.witness("mains"); w.Mains == nil || *w.Mains {
			t.Errorf("mains: %+v, want gone: it is read again without an edge", w)
		}
		stop()
	})
}

func TestALineThatNeverRestsSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		var log bytes.Buffer
		d.options.Log = slog.New(slog.NewTextHandler(&log, nil))
		h, stop := running(t, d)
		time.Sleep(100 * time.Millisecond)
		for n := range 400 {
			pi.pull(23, n%2 == 0)
			time.Sleep(7 * time.Millisecond)
		}
		if r := h.rail("12v"); r.Good != nil || r.Level != "" {
			t.Errorf("12v: %+v, want nothing said", r)
		}
		stop()
		if n := strings.Count(log.String(), "does not come to rest"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, log.String())
		}
	})
}

func TestOutputsAreSafeFromTheRequestAndAgainAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		_, stop := running(t, d)
		synctest.Wait()
		if err := d.Switch(t.Context(), "fan-relay", false); err != nil {
			t.Fatal(err)
		}
		if err := d.Pulse(t.Context(), "wake", 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		stop()
		want := "request 5 on; request 6 off; set 5 off; set 6 on; set 6 off; set 5 on; close 5; set 6 off; close 6"
		if got := pi.log(); got != want {
			t.Errorf("done: %s\nwant: %s", got, want)
		}
		if n := pi.left(); n != 0 {
			t.Errorf("%d of the chip are open after Run", n)
		}
	})
}

func TestOutputsAreMadeSafeAlsoWhereReportingPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		fell := make(chan any)
		go func() {
			defer func() { fell <- recover() }()
			d.Run(t.Context(), func(drivers.Reading) {
				if strings.Contains(pi.log(), "set 5 off") {
					panic("a bug")
				}
			})
		}()
		synctest.Wait()
		if err := d.Switch(t.Context(), "fan-relay", false); err != nil {
			t.Fatal(err)
		}
		if got := <-fell; got != "a bug" || !strings.HasSuffix(pi.log(), "set 5 off; set 5 on; close 5; set 6 off; close 6") || pi.left() != 0 {
			t.Errorf("it fell over %v; done: %s; open: %d", got, pi.log(), pi.left())
		}
	})
}

func TestOutputsThatOutliveAKillAreWarnedOf(t *testing.T) {
	for value, want := range map[string]int{"Y\n": 1, "N\n": 0, "": 0} {
		synctest.Test(t, func(t *testing.T) {
			d, _ := rack(t)
			var log bytes.Buffer
			d.options.Log, d.options.Root = slog.New(slog.NewTextHandler(&log, nil)), t.TempDir()
			if dir := filepath.Join(d.options.Root, "sys/module/pinctrl_rp1/parameters"); value != "" {
				if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "persist_gpio_outputs"), []byte(value), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			_, stop := running(t, d)
			synctest.Wait()
			stop()
			if n := strings.Count(log.String(), "add dtparam=strict_gpiod"); n != want {
				t.Errorf("%q: warned %d times, want %d", value, n, want)
			}
		})
	}
}

func TestAPulseEndsAlsoWhereItsContextDoes(t *testing.T) {
	for range 20 { // what a select chooses is chance
		synctest.Test(t, func(t *testing.T) {
			d, pi := rack(t)
			_, stop := running(t, d)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := d.Pulse(ctx, "wake", 2*time.Second)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 300*time.Millisecond || !strings.HasSuffix(pi.log(), "set 6 on; set 6 off") {
				t.Errorf("Pulse = %v after %v; done: %s", err, time.Since(start), pi.log())
			}
			stop()
		})
	}
}

func TestASwitchWaitsForThePulseBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		_, stop := running(t, d)
		synctest.Wait()
		pulse := make(chan error)
		go func() { pulse <- d.Pulse(t.Context(), "wake", time.Second) }()
		synctest.Wait()
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := d.Switch(soon, "wake", true); err == nil || !strings.Contains(err.Error(), `switch "wake": another order for it is not done`) {
			t.Errorf("Switch = %v during a pulse", err)
		}
		if err := d.Switch(t.Context(), "wake", true); err != nil {
			t.Error(err)
		}
		if err := <-pulse; err != nil {
			t.Error(err)
		}
		if got := pi.log(); !strings.HasSuffix(got, "set 6 on; set 6 off; set 6 on") {
			t.Errorf("done: %s", got)
		}
		stop()
	})
}

func TestAnOutputThatReadsOtherwiseIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		var log bytes.Buffer
		d.options.Log = slog.New(slog.NewTextHandler(&log, nil))
		h, stop := running(t, d)
		time.Sleep(1500 * time.Millisecond)
		if o := h.output("fan-relay"); o.On == nil || !*o.On || o.Fault != "" {
			t.Errorf("before the fault it is told as %+v", o)
		}
		pi.jam(5)
		err := d.Switch(t.Context(), "fan-relay", false)
		want := `switch "fan-relay": output fan-relay on line GPIO5 was set off and reads otherwise: a short, an overload, or something else that drives it`
		if err == nil || err.Error() != want {
			t.Errorf("Switch = %v\nwant %s", err, want)
		}
		pi.jam(6)
		if err := d.Switch(t.Context(), "wake", true); !errors.Is(err, errReadBack) {
			t.Errorf("Switch = %v for an open drain that does not pull its line low", err)
		}
		if err := d.Switch(t.Context(), "wake", false); err != nil {
			t.Errorf("Switch = %v for an open drain that lets go", err)
		}
		time.Sleep(5 * time.Second)
		if o, want := h.output("fan-relay"), "line GPIO5 was set off and reads on"; o.On == nil || !*o.On || o.Fault != want {
			t.Errorf("it is told as %+v, want on, and %q", o, want)
		}
		if o := h.output("wake"); o.On == nil || *o.On || o.Fault != "" {
			t.Errorf("a line that was let go is told as %+v", o)
		}
		stop()
		if n := strings.Count(log.String(), "GPIO output reads otherwise"); n != 1 {
			t.Errorf("logged %d times in 5 polls, want once:\n%s", n, log.String())
		}
	})
}

func TestOrdersThatCannotBeCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		if err := d.Switch(t.Context(), "fan-relay", true); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Switch = %v before Run, want %v", err, drivers.ErrNotRunning)
		}
		_, stop := running(t, d)
		synctest.Wait()
		err := d.Switch(t.Context(), "fan", true)
		if !errors.Is(err, drivers.ErrNoOutput) || err.Error() != `switch "fan": no such output: have ["fan-relay" "wake"]` {
			t.Errorf("Switch = %v", err)
		}
		for _, long := range []time.Duration{0, -time.Second, 2 * time.Minute} {
			if err := d.Pulse(t.Context(), "wake", long); err == nil {
				t.Errorf("a pulse of %v was taken", long)
			}
		}
		pi.vanish(true)
		if err := d.Switch(t.Context(), "fan-relay", false); !errors.Is(err, drivers.ErrNoDevice) {
			t.Errorf("Switch = %v without a chip, want %v", err, drivers.ErrNoDevice)
		}
		time.Sleep(2 * time.Second)
		if err := d.Pulse(t.Context(), "wake", time.Second); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Pulse = %v after the chip vanished, want %v", err, drivers.ErrNotRunning)
		}
		stop()
	})
}

func TestAChipThatVanishesIsNoticedWithinAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, pi := rack(t)
		start, out := time.Now(), time.Time{}
		err := d.Run(t.Context(), func(drivers.Reading) {
			if out.IsZero() && time.Since(start) > 3*time.Second {
				out = time.Now()
				pi.vanish(true)
			}
		})
		if !errors.Is(err, drivers.ErrNoDevice) || time.Since(out) > d.config.Poll {
			t.Errorf("Run = %v, %v after the chip vanished", err, time.Since(out))
		}
		if n := pi.left(); n != 0 {
			t.Errorf("%d of the chip are open after Run", n)
		}
	})
}

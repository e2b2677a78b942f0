package modbus

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
	"lastwatt/drivers/modbus/modbustest"
)

func TestADeviceKeepsADriversPromises(t *testing.T) {
	t.Run("rtu", func(t *testing.T) {
		drivertest.Run(t, func(t *testing.T) drivertest.Rig {
			r := newRig(t, false)
			t.Cleanup(r.close)
			pzem(r.device, 1)
			return drivertest.Rig{Driver: r.driver(r.config("pzem-004t")), Unplug: r.serial.Unplug, Plug: r.serial.Plug}
		})
	})
	t.Run("tcp", func(t *testing.T) {
		drivertest.Run(t, func(t *testing.T) drivertest.Rig {
			r := newRig(t, true)
			t.Cleanup(r.close)
			apc(r.device)
			return drivertest.Rig{Driver: r.driver(r.config("apc-smart-ups")), Unplug: r.net.Unplug, Plug: r.net.Plug}
		})
	})
	t.Run("relays", func(t *testing.T) {
		drivertest.Run(t, func(t *testing.T) drivertest.Rig {
			r := newRig(t, false)
			t.Cleanup(r.close)
			relays(r.device, 1)
			c := r.config("waveshare-relay-8")
			c.Outputs = map[string]Output{"node04": {Relay: 1}}
			return drivertest.Rig{Driver: r.driver(c), Unplug: r.serial.Unplug, Plug: r.serial.Plug}
		})
	})
}

func near[T ~float64](t *testing.T, what string, got *T, want float64) {
	t.Helper()
	if got == nil || math.Abs(float64(*got)-want) > 0.005 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestTheCaptureOfAnAPC holds the map against what an APC said on the wire, and
// NUT's log of the same moment (nut issue 139).
func TestTheCaptureOfAnAPC(t *testing.T) {
	inTCP(t, func(t *testing.T, r *rig) {
		apc(r.device)
		u := fact[drivers.UPS](r, "apc-smart-ups")
		if u.Runtime == nil || *u.Runtime != 5391*time.Second {
			t.Errorf("runtime is %v, want 5391 s", u.Runtime)
		}
		near(t, "charge", u.Charge, 100)
		near(t, "battery voltage", u.BatteryVoltage, 54.09)
		near(t, "battery temperature", u.BatteryTemperature, 30.93)
		near(t, "load", u.Load, 29.40)
		near(t, "power", u.Power, 294.02)
		near(t, "apparent power", u.Apparent, 444.90)
		near(t, "output current", u.OutputCurrent, 0.875)
		near(t, "output voltage", u.OutputVoltage, 241.38)
		near(t, "output frequency", u.OutputFrequency, 50.01)
		if u.OnBattery == nil || *u.OnBattery {
			t.Errorf("on battery is %v, want false", u.OnBattery)
		}
		if u.InputVoltage != nil || u.Boost != nil && *u.Boost {
			t.Errorf("input voltage is %v, want absent: 0xFFFF is not available, and never 0", u.InputVoltage)
		}
		if u.Model != "Smart-UPS 1500" || u.Serial != "AS1234567890" || u.Firmware != "UPS 09.3" || len(u.Warnings) > 0 {
			t.Errorf("%q %q %q %q", u.Model, u.Serial, u.Firmware, u.Warnings)
		}
	})
}

func TestAnAPCIsOnBatteryOnlyWithEvidence(t *testing.T) {
	const onMains, onBattery, inputBad, test = 1 << 1, 1 << 2, 1 << 6, 1 << 7
	for _, c := range []struct {
		name         string
		status       uint16
		calibrating  uint16
		inputVoltage uint16
		want         string
	}{
		{"mains", onMains, 0, 0xFFFF, "false"},
		{"battery", onBattery, 0, 0xFFFF, "true"},
		{"battery, and the input is bad", onBattery | inputBad, 0, 0xFFFF, "true"},
		{"a self-test with mains", onBattery | test, 0, 230 * 64, "false"},
		{"mains is lost in a self-test", onBattery | test | inputBad, 0, 0, "true"},
		{"a calibration with mains", onBattery, 1 << 1, 230 * 64, "false"},
		{"both at once", onMains | onBattery, 0, 0xFFFF, "unknown"},
		{"neither", 0, 0, 0xFFFF, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTCP(t, func(t *testing.T, r *rig) {
				apc(r.device)
				r.device.Set(1, modbustest.Holding, 1, c.status)
				r.device.Set(1, modbustest.Holding, 24, c.calibrating)
				r.device.Set(1, modbustest.Holding, 151, c.inputVoltage)
				if got := said(fact[drivers.UPS](r, "apc-smart-ups").OnBattery); got != c.want {
					t.Errorf("on battery is %s, want %s", got, c.want)
				}
			})
		})
	}
}

func said(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "true"
	}
	return "false"
}

func TestACyberPowerIsOnBatteryWhenItDischargesAndMainsIsGone(t *testing.T) {
	for _, c := range []struct {
		name           string
		discharging    uint16
		volts          uint16
		want, warnings string
	}{
		{"mains", 0, 2305, "false", ""},
		{"mains is gone", 1, 0, "true", ""},
		{"a self-test", 1, 2305, "false", ""},
		{"it does not say the voltage", 1, 0xFFFF, "unknown", "it discharges and does not say whether there is mains"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTCP(t, func(t *testing.T, r *rig) {
				cyberpower(r.device)
				r.device.Set(1, modbustest.Holding, 0x2011, c.discharging)
				r.device.Set(1, modbustest.Holding, 0x3000, c.volts)
				u := fact[drivers.UPS](r, "cyberpower-rmcard")
				if said(u.OnBattery) != c.want || strings.Join(u.Warnings, " ") != c.warnings {
					t.Errorf("on battery is %s, warnings %q; want %s, %q", said(u.OnBattery), u.Warnings, c.want, c.warnings)
				}
				if *u.Runtime != 3630*time.Second || *u.ChargeLow != 35 || *u.RuntimeLow != 300*time.Second {
					t.Errorf("runtime %v, low %v at %v; want 60.5 min, 35 %%, 5 min", *u.Runtime, *u.ChargeLow, *u.RuntimeLow)
				}
			})
		})
	}
}

func TestNothingIsReportedOfADeviceThatIsAnother(t *testing.T) {
	inTCP(t, func(t *testing.T, r *rig) {
		apc(r.device)
		r.device.Set(1, modbustest.Holding, 2048, words("87654321", 4)...)
		r.device.Set(1, modbustest.Holding, 1, 1<<2) // on battery, it would say
		got, err := r.one(r.driver(r.config("apc-smart-ups")))
		want := `3 attempts: tcp://device:502: unit 1: it is no apc-smart-ups: holding 2048: want "12345678" (got "87654321")`
		if got != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	})
}

func TestAMetersWords(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		pzem(r.device, 1)
		m := fact[drivers.Meter](r, "pzem-004t")
		near(t, "volts", m.Volts, 230.1)
		near(t, "amps", m.Amps, 1.234)
		near(t, "watts", m.Watts, 283.4)
		near(t, "power factor", m.PowerFactor, 0.99)
		near(t, "frequency", m.Frequency, 50)
		near(t, "energy", m.Energy, 66536) // the lower word first: 1000 + 65536
		if m.Name != "it" || m.Method != "measured AC" {
			t.Errorf("%+v", m)
		}
	})
	inSerial(t, func(t *testing.T, r *rig) {
		for a := range 0x58 {
			r.device.Set(1, modbustest.Input, a, 0)
		}
		r.device.Set(1, modbustest.Input, 0, floats(229.5, 0, 0, 0.25)...)
		r.device.Set(1, modbustest.Input, 0x0C, floats(41.5)...)
		r.device.Set(1, modbustest.Input, 0x12, floats(57.4)...)
		r.device.Set(1, modbustest.Input, 0x1E, floats(float32(math.NaN()))...)
		r.device.Set(1, modbustest.Input, 0x46, floats(49.98, 12.5, 0)...)
		m := fact[drivers.Meter](r, "sdm120")
		near(t, "volts", m.Volts, 229.5)
		near(t, "amps", m.Amps, 0.25)
		near(t, "watts", m.Watts, 41.5)
		near(t, "apparent", m.Apparent, 57.4)
		near(t, "frequency", m.Frequency, 49.98)
		if m.PowerFactor != nil || m.Energy != nil {
			t.Errorf("power factor %v (NaN on the wire), energy %v (refused): want both absent", m.PowerFactor, m.Energy)
		}
	})
}

func TestARailIsJudgedByItsLimits(t *testing.T) {
	for volts, want := range map[uint16]drivers.Level{512: drivers.OK, 478: drivers.Warning, 465: drivers.Critical, 560: drivers.Critical} {
		inSerial(t, func(t *testing.T, r *rig) {
			r.device.Set(1, modbustest.Input, 0, volts, 310, 158, 0, 0, 0, 0, 0)
			c := r.config("pzem-003")
			c.Limits.WarningBelow, c.Limits.CriticalBelow, c.Limits.CriticalAbove = 4.8, 4.7, 5.5
			got, err := r.one(r.driver(c))
			rail, ok := got.(drivers.Rail)
			if !ok || rail.Level != want || *rail.Watts != 15.8 {
				t.Errorf("%d: %+v, %v; want level %s and 15.8 W", volts, got, err, want)
			}
		})
	}
}

func TestDevicesOfOneLineTakeTurns(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		pzem(r.device, 1)
		pzem(r.device, 2)
		r.device.Set(2, modbustest.Input, 0, 1201)
		relays(r.device, 3)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		var all sync.WaitGroup
		var mu sync.Mutex
		counts := map[int]int{}
		for unit := 1; unit <= 4; unit++ { // 4 is not there
			c := r.config("pzem-004t")
			if unit == 3 {
				c.Map, c.Outputs = "waveshare-relay-8", map[string]Output{"fan": {Relay: 8}}
			}
			c.Unit = &unit
			d := r.driver(c)
			all.Go(func() {
				for ctx.Err() == nil {
					err := d.Run(ctx, func(reading drivers.Reading) {
						mu.Lock()
						defer mu.Unlock()
						counts[unit]++
						if m, ok := reading.Fact.(drivers.Meter); ok && *m.Volts != map[int]drivers.Volt{1: 230.1, 2: 120.1}[unit] {
							t.Errorf("unit %d says %v", unit, *m.Volts)
						}
					})
					if unit != 4 && ctx.Err() == nil {
						t.Errorf("unit %d: %v: what unit 4 does not answer is not its fault", unit, err)
					}
					select {
					case <-time.After(10 * time.Second):
					case <-ctx.Done():
					}
				}
			})
		}
		all.Wait()
		for unit := 1; unit <= 3; unit++ {
			if counts[unit] < 60 {
				t.Errorf("unit %d reported %d times in 5 minutes", unit, counts[unit])
			}
		}
		if counts[4] != 0 {
			t.Errorf("unit 4 is not there and reported %d times", counts[4])
		}
	})
}

func TestAPollThatFailsIsTriedAgainBeforeTheDeviceIsGivenUp(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		pzem(r.device, 1)
		d := r.driver(r.config("pzem-004t"))
		bad := 0
		r.peer.Next = func() modbustest.Fault {
			if bad > 0 {
				bad--
				return modbustest.Lost
			}
			return modbustest.None
		}
		n := 0
		start := time.Now()
		err := d.Run(t.Context(), func(drivers.Reading) {
			switch n++; n {
			case 1:
				bad = 2
			case 2:
				bad = 1000
			}
		})
		if n != 2 || err == nil || !strings.Contains(err.Error(), "3 attempts: /nowhere/ttyS9: unit 1: read input registers 0: no answer in") {
			t.Errorf("%d readings, then %v", n, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestWhatAUPSCannotBeToldIsRefused(t *testing.T) {
	inTCP(t, func(t *testing.T, r *rig) {
		apc(r.device)
		d := r.driver(r.config("apc-smart-ups")).(drivers.Commander)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		ready := make(chan struct{}, 1)
		go func() {
			ended <- d.Run(ctx, func(drivers.Reading) {
				select {
				case ready <- struct{}{}:
				default:
				}
			})
		}()
		<-ready
		_, err := d.Do(ctx, drivers.Command{Name: drivers.ShutdownReturn, Delay: time.Minute})
		if !errors.Is(err, drivers.ErrUnsupported) || err.Error() != `order "shutdown.return" to it: the device does not know this command` {
			t.Error(err)
		}
		if _, err := d.Do(ctx, drivers.Command{Name: "explode"}); !errors.Is(err, drivers.ErrUnsupported) {
			t.Error(err)
		}
		stop()
		<-ended
		synctest.Wait()
		if w := r.device.Writes(); len(w) > 0 {
			t.Errorf("it was written to: % x", w)
		}
	})
}

func TestAScanFindsWhatIsThere(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		pzem(r.device, 3)
		relays(r.device, 5)
		c := r.config("")
		found := map[byte]string{}
		err := c.scan(t.Context(), r.lines, 2, 6, func(f Found) { found[f.Unit] = f.Said + " " + strings.Join(f.Maps, ",") })
		if err != nil || len(found) != 2 {
			t.Errorf("%v, %v", found, err)
		}
		if want := "read holding registers 0: exception 2, illegal data address pzem-004t"; found[3] != want {
			t.Errorf("unit 3: %q, want %q", found[3], want)
		}
		if want := "read holding registers 0: exception 2, illegal data address waveshare-relay-16,waveshare-relay-32,waveshare-relay-8"; found[5] != want {
			t.Errorf("unit 5: %q, want %q", found[5], want)
		}
		if w := r.device.Writes(); len(w) > 0 {
			t.Errorf("the scan wrote: % x", w)
		}
		for _, wrong := range []struct {
			from, to int
			timeout  time.Duration
			want     string
		}{
			{0, 5, c.Timeout, "want units from 1 to 247 (got 0 to 5)"}, {5, 4, c.Timeout, "want units from 1 to 247 (got 5 to 4)"},
			{1, 256, c.Timeout, "want units from 1 to 247 (got 1 to 256)"}, {1, 5, 0, "timeout: want 20ms to 10s (got 0s)"},
		} {
			c := c
			c.Timeout = wrong.timeout
			if err := c.scan(t.Context(), r.lines, wrong.from, wrong.to, func(Found) {}); err == nil || err.Error() != wrong.want {
				t.Errorf("%v, want %s", err, wrong.want)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := c.scan(ctx, r.lines, 1, 9, func(Found) {}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAScanBearsAnAnswerThatIsLost(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		answers := 0
		r.peer.Next = func() modbustest.Fault {
			if answers++; answers == 10 { // while it is held against pzem-004t
				return modbustest.Lost
			}
			return modbustest.None
		}
		pzem(r.device, 3)
		var found []Found
		err := r.config("").scan(t.Context(), r.lines, 3, 3, func(f Found) { found = append(found, f) })
		if err != nil || answers < 11 || len(found) != 1 || !slices.Equal(found[0].Maps, []string{"pzem-004t"}) {
			t.Errorf("%+v, %v, %d answers", found, err, answers)
		}
	})
}

// TestNothingIsReportedBeforeTheGuard has an answer come so late that the line was
// drained and asked anew: from then on each answer is the one before's.
func TestNothingIsReportedBeforeTheGuard(t *testing.T) {
	for late := 500 * time.Millisecond; late < 8*time.Second; late += 50 * time.Millisecond {
		inSerial(t, func(t *testing.T, r *rig) {
			soaked(r.device, 1)
			r.peer.Late = late
			n, strike := 0, -1
			r.peer.Next = func() modbustest.Fault {
				if strike--; strike == 0 {
					return modbustest.Late
				}
				return modbustest.None
			}
			ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			d := r.driver(r.config(writeMap(t, soakMap)))
			for ctx.Err() == nil {
				d.Run(ctx, func(reading drivers.Reading) {
					check(t, 1, reading.Fact)
					if n++; n == 2 {
						strike = 1 // the next poll's first answer
					}
				})
			}
			if n < 4 {
				t.Errorf("late by %v: %d readings", late, n)
			}
		})
	}
}

func TestABlockThatIsRefusedTakesNoOtherTablesWithIt(t *testing.T) {
	inTCP(t, func(t *testing.T, r *rig) {
		path := writeMap(t, `device: ups
identity: [{function: holding, address: 9, type: u16, equals: "7"}]
fields:
  on_battery: {function: coil, address: 1}
  battery.charge: {function: input, address: 1, type: u16}
  ups.firmware: {function: holding, address: 1, type: text, count: 2, once: true, optional: true}
guard: [{function: holding, address: 9, count: 1}, {function: input, address: 1, count: 2}]
`)
		r.device.Set(1, modbustest.Holding, 9, 7)
		r.device.Set(1, modbustest.Coils, 1, 1)
		r.device.Set(1, modbustest.Input, 1, 88, 0)
		u := fact[drivers.UPS](r, path)
		if u.OnBattery == nil || !*u.OnBattery || u.Charge == nil || *u.Charge != 88 || u.Firmware != "" {
			t.Errorf("%+v", u)
		}
	})
}

func TestWhatIsReadOnceAndCannotBeTrueIsToldToo(t *testing.T) {
	inTCP(t, func(t *testing.T, r *rig) {
		apc(r.device)
		path := writeMap(t, `device: ups
identity: [{function: holding, address: 2048, type: text, count: 4, equals: "12345678"}]
fields:
  on_battery: {function: holding, address: 1, type: bool, bit: 2}
  ups.realpower.nominal: {function: holding, address: 589, type: u16, greatest: 900, once: true}
guard: [{function: holding, address: 2048, count: 4}, {function: holding, address: 128, count: 2}]
`)
		u := fact[drivers.UPS](r, path)
		if want := "ups.realpower.nominal: 1000 cannot be true: it is above 900"; u.PowerNominal != nil || len(u.Warnings) != 1 || u.Warnings[0] != want {
			t.Errorf("%v, warnings %q, want %q", u.PowerNominal, u.Warnings, want)
		}
	})
}

//go:build guest

package guest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid"
	"lastwatt/hwtest/vups"
	"lastwatt/sim"

	"go.yaml.in/yaml/v4"
)

// bench is a virtual UPS, plugged in, and the driver that reads it.
type bench struct {
	t      *testing.T
	model  *sim.UPS
	device *vups.Device
	unplug func() error
	driver drivers.Driver
	stop   context.CancelFunc
	facts  chan drivers.UPS
	ended  chan error
}

func setUp(t *testing.T, transport string, p sim.UPSParams) *bench {
	t.Helper()
	p.NominalWatts = 960
	b := &bench{t: t, model: sim.NewUPS(p), facts: make(chan drivers.UPS, 64), ended: make(chan error, 1)}
	var err error
	if b.device, err = vups.New(b.model, ""); err != nil {
		t.Fatal(err)
	}
	if b.unplug, err = vups.Plug(t.Context(), b.device, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.unplug != nil {
			b.unplug()
		}
		time.Sleep(time.Second) // the kernel takes its time to forget a device
	})
	text := "transport: " + transport + "\nvendor: \"0764\"\npoll: 500ms\n"
	b.driver, err = usbhid.Kind().New(func(into any) error { return yaml.Load([]byte(text), into, yaml.WithKnownFields()) },
		drivers.Options{Name: "main", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		t.Fatal(err)
	}
	b.run()
	return b
}

// run starts the driver, again and again until it finds its device: the kernel
// needs a moment after the plug.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.stop = cancel
	go func() {
		limit := time.Now().Add(15 * time.Second)
		for {
			got := false
			err := b.driver.Run(ctx, func(r drivers.Reading) {
				if u, ok := r.Fact.(drivers.UPS); ok {
					got = true
					select {
					case b.facts <- u:
					default:
					}
				}
			})
			if got || ctx.Err() != nil || time.Now().After(limit) {
				b.ended <- err
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
	b.t.Cleanup(func() { cancel(); time.Sleep(100 * time.Millisecond) })
}

// until waits for a reading that is as it should be.
func (b *bench) until(what string, is func(drivers.UPS) bool) drivers.UPS {
	b.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case u := <-b.facts:
			if is(u) {
				return u
			}
		case err := <-b.ended:
			b.t.Fatalf("the driver ended before %s: %v", what, err)
		case <-limit:
			b.t.Fatalf("no reading in 20 s with %s", what)
		}
	}
}

func onMains(u drivers.UPS) bool   { return u.OnBattery != nil && !*u.OnBattery }
func onBattery(u drivers.UPS) bool { return u.OnBattery != nil && *u.OnBattery }

func TestUSBHID(t *testing.T) {
	for _, transport := range []string{"hidraw", "gousb"} {
		t.Run(transport, func(t *testing.T) {
			t.Run("reads what the device says", func(t *testing.T) { reads(t, transport) })
			t.Run("tells that mains is lost and back", func(t *testing.T) { edges(t, transport) })
			t.Run("cuts with a start delay of 0 and whole minutes", func(t *testing.T) { cuts(t, transport) })
			t.Run("ends when the device is unplugged and reads again when it is back", func(t *testing.T) { replug(t, transport) })
			t.Run("goes on without a report that stalls", func(t *testing.T) { stalls(t, transport) })
		})
	}
}

func reads(t *testing.T, transport string) {
	b := setUp(t, transport, sim.Reference().UPS)
	u := b.until("everything", func(u drivers.UPS) bool {
		return onMains(u) && u.Charge != nil && u.Runtime != nil && u.Load != nil && u.BatteryVoltage != nil
	})
	if u.Charge == nil || *u.Charge != 100 || u.Runtime == nil || *u.Runtime != 28110*time.Second {
		t.Errorf("charge %v, runtime %v; want 100, 7h48m30s", u.Charge, u.Runtime)
	}
	if u.InputVoltage == nil || *u.InputVoltage != 234 || u.OutputVoltage == nil || *u.OutputVoltage != 234 || u.BatteryVoltage == nil || *u.BatteryVoltage < 26.5 || *u.BatteryVoltage > 26.7 {
		t.Errorf("input %v, output %v, battery %v V; want 234, 234, 26.6", u.InputVoltage, u.OutputVoltage, u.BatteryVoltage)
	}
	if u.Load == nil || *u.Load != 0 {
		t.Errorf("load %v %%, want 0", u.Load)
	}
	if !strings.Contains(u.Model, "BR1200ELCD") || !strings.Contains(u.Maker, "CPS") {
		t.Errorf("maker %q, model %q; want CPS, BR1200ELCD", u.Maker, u.Model)
	}
}

func edges(t *testing.T, transport string) {
	b := setUp(t, transport, sim.Reference().UPS)
	b.until("mains", onMains)
	began := time.Now()
	b.model.SetMains(false)
	b.until("battery", onBattery)
	lost := time.Since(began)
	began = time.Now()
	b.model.SetMains(true)
	b.until("mains again", onMains)
	t.Logf("lost was told after %s, back after %s", lost.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

func cuts(t *testing.T, transport string) {
	b := setUp(t, transport, sim.Reference().UPS)
	b.until("mains", onMains)
	b.model.SetMains(false)
	b.until("battery", onBattery)
	c, ok := b.driver.(drivers.Commander)
	if !ok {
		t.Fatal("the driver takes no commands")
	}
	answer, err := c.Do(t.Context(), drivers.Command{Name: drivers.ShutdownReturn, Delay: 90 * time.Second})
	if err != nil || answer.Delay != 2*time.Minute {
		t.Fatalf("shutdown.return in 90 s: %v, %v; want 2m0s", answer.Delay, err)
	}
	var got []string
	for _, w := range b.device.Writes() {
		got = append(got, w.String())
	}
	if text := strings.Join(got, " "); text != "870000 860200" {
		t.Errorf("the ups received %q, want the start delay 0, then the shutdown delay of 2 minutes: \"870000 860200\"", text)
	}
	if b.model.StartDelay() != 0 || b.model.ShutdownDelay() != 2*time.Minute {
		t.Errorf("the ups counts: start %s, shutdown %s", b.model.StartDelay(), b.model.ShutdownDelay())
	}
	b.model.Advance(2*time.Minute + time.Second)
	if b.model.Outlets() {
		t.Error("the outlets are on after the shutdown delay")
	}
	b.model.Advance(time.Hour)
	if b.model.Outlets() {
		t.Error("the outlets came back without mains")
	}
	b.model.SetMains(true)
	b.model.Advance(time.Minute)
	if !b.model.Outlets() {
		t.Error("the outlets did not come back with mains")
	}
}

func replug(t *testing.T, transport string) {
	b := setUp(t, transport, sim.Reference().UPS)
	b.until("mains", onMains)
	if err := b.unplug(); err != nil {
		t.Logf("unplug: %v", err)
	}
	b.unplug = nil
	select {
	case err := <-b.ended:
		if err == nil || errors.Is(err, context.Canceled) {
			t.Fatalf("Run = %v, want why the device is gone", err)
		}
		t.Logf("unplugged: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("the driver did not notice within 20 s that its device is gone")
	}
	time.Sleep(time.Second)
	var err error
	if b.unplug, err = vups.Plug(t.Context(), b.device, 0); err != nil {
		t.Fatal(err)
	}
	for len(b.facts) > 0 {
		<-b.facts
	}
	b.run()
	b.until("mains after the replug", onMains)
}

func stalls(t *testing.T, transport string) {
	b := setUp(t, transport, sim.Reference().UPS)
	b.until("a runtime", func(u drivers.UPS) bool { return u.Runtime != nil })
	b.device.SetFault(vups.Fault{Stall: 0x21})
	u := b.until("no runtime", func(u drivers.UPS) bool { return u.Runtime == nil })
	if u.Charge == nil || u.OnBattery == nil {
		t.Errorf("charge %v, on battery %v: the rest is lost too", u.Charge, u.OnBattery)
	}
}

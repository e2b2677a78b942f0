//go:build guest

package guest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid"
	"lastwatt/hwtest/vups"
	"lastwatt/sim"

	"go.yaml.in/yaml/v4"
)

// A rig is a virtual UPS and a driver that is kept running on it, as the
// controller does: looked for again every 100 ms when it is lost.
type rig struct {
	t      *testing.T
	model  *sim.UPS
	device *vups.Device
	unplug func() error
	work   sync.WaitGroup

	mu      sync.Mutex
	driver  drivers.Driver
	newest  drivers.UPS
	at      time.Time
	edges   []edge
	lastErr string
}

// An edge is a change of what the driver says of mains.
type edge struct {
	at        time.Time
	onBattery bool
}

func newRig(t *testing.T, transport string) *rig {
	t.Helper()
	p := sim.Reference().UPS
	p.NominalWatts = 960
	r := &rig{t: t, model: sim.NewUPS(p)}
	var err error
	if r.device, err = vups.New(r.model, ""); err != nil {
		t.Fatal(err)
	}
	text := "transport: " + transport + "\nvendor: \"0764\"\npoll: 1s\n"
	r.driver, err = usbhid.Kind().New(func(into any) error { return yaml.Load([]byte(text), into, yaml.WithKnownFields()) },
		drivers.Options{Name: "main", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		r.pull()
		cancel()
		r.work.Wait()
		time.Sleep(500 * time.Millisecond) // the kernel takes its time to forget a device
	})
	r.work.Go(func() {
		for ctx.Err() == nil {
			err := r.driver.Run(ctx, r.take)
			r.mu.Lock()
			r.lastErr = fmt.Sprint(err)
			r.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}
	})
	return r
}

func (r *rig) take(reading drivers.Reading) {
	u, ok := reading.Fact.(drivers.UPS)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest, r.at = u, time.Now()
	if u.OnBattery != nil && (len(r.edges) == 0 || r.edges[len(r.edges)-1].onBattery != *u.OnBattery) {
		r.edges = append(r.edges, edge{r.at, *u.OnBattery})
	}
}

func (r *rig) plug() {
	r.t.Helper()
	var err error
	if r.unplug, err = vups.Plug(r.t.Context(), r.device, 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) pull() {
	if r.unplug != nil {
		r.unplug()
	}
	r.unplug = nil
}

// look is how often fresh looks.
const look = 10 * time.Millisecond

// fresh waits for a reading that came after from, and says how long it took. It
// counts its own looks: however long another program has the machine between
// two of them, that is no time of ours.
func (r *rig) fresh(from time.Time, limit time.Duration, is func(drivers.UPS) bool) time.Duration {
	r.t.Helper()
	for waited := time.Duration(0); waited < limit; waited += look {
		r.mu.Lock()
		ok, at := r.at.After(from) && is(r.newest), r.at
		r.mu.Unlock()
		if ok {
			return min(at.Sub(from), waited)
		}
		time.Sleep(look)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.Fatalf("no such reading in %s; the newest, %s old, is %s; the driver last ended with: %s", limit, time.Since(r.at), r.newest.Status(), r.lastErr)
	return 0
}

func (r *rig) saw() []edge {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]edge(nil), r.edges...)
}

func TestFaults(t *testing.T) {
	for _, transport := range []string{"hidraw", "gousb"} {
		t.Run(transport, func(t *testing.T) {
			for _, c := range []struct {
				name string
				run  func(*testing.T, *rig)
			}{
				{"unplugged on every edge of mains", unpluggedOnEdges},
				{"ten re-enumerations in a row", tenTimes},
				{"single reports stall, come short or with another's bytes", singleReports},
				{"the status report comes short or with another's bytes", wrongStatus},
				{"interrupts without polls", interruptsOnly},
				{"polls without interrupts", pollsOnly},
				{"hangs for 30 s while mains goes and comes", hangs},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, newRig(t, transport)) })
			}
			for _, c := range corruptions()[transport] {
				t.Run(c.name, func(t *testing.T) { corrupted(t, newRig(t, transport), c.reads, c.absent) })
			}
		})
	}
}

// soon is the time within which a device that is back has to be read, and an
// edge told.
const soon = 2 * time.Second

// told checks that the driver said just these edges, the first being mains.
func told(t *testing.T, r *rig, want ...bool) {
	t.Helper()
	var got []bool
	for _, e := range r.saw() {
		got = append(got, e.onBattery)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the driver said of being on battery %v, want %v", got, want)
	}
}

func unpluggedOnEdges(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	var took []time.Duration
	want := []bool{false}
	for i := range 6 {
		lost := i%2 == 0
		r.model.SetMains(!lost)
		r.pull()
		time.Sleep(700 * time.Millisecond)
		r.plug()
		is := onMains
		if lost {
			is = onBattery
		}
		took = append(took, r.fresh(time.Now(), 20*time.Second, is))
		want = append(want, lost)
	}
	told(t, r, want...)
	within(t, took, "read again")
}

// within holds the median of what the rounds took to soon.
func within(t *testing.T, took []time.Duration, what string) {
	t.Helper()
	slices.Sort(took)
	median, worst := took[(len(took)-1)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond)
	t.Logf("%s after %s, at the latest after %s", what, median, worst)
	if median > soon {
		t.Errorf("%s after %s, want %s", what, median, soon)
	}
}

func tenTimes(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	var took []time.Duration
	for range 10 {
		r.pull()
		time.Sleep(500 * time.Millisecond)
		r.plug()
		took = append(took, r.fresh(time.Now(), 20*time.Second, onMains))
	}
	told(t, r, false)
	within(t, took, "read again")
}

func singleReports(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, func(u drivers.UPS) bool { return u.Runtime != nil })
	for _, c := range []struct {
		name  string
		fault vups.Fault
		is    func(drivers.UPS) bool
	}{
		{"stalls", vups.Fault{Stall: 0x21}, func(u drivers.UPS) bool { return u.Runtime == nil && u.Charge != nil && onMains(u) }},
		{"comes short", vups.Fault{Short: 0x21}, func(u drivers.UPS) bool { return u.Runtime == nil && u.Charge != nil && onMains(u) }},
		{"comes with another's bytes", vups.Fault{Other: 0x21}, func(u drivers.UPS) bool { return u.Runtime == nil && u.Charge != nil && onMains(u) }},
		{"is well again", vups.Fault{}, func(u drivers.UPS) bool { return u.Runtime != nil }},
	} {
		r.device.SetFault(c.fault)
		t.Logf("%s: seen after %s", c.name, r.fresh(time.Now(), 20*time.Second, c.is).Round(time.Millisecond))
	}
	told(t, r, false)
}

func wrongStatus(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	for _, f := range []vups.Fault{{Short: 0x22}, {Other: 0x22}, {Stall: 0x22}} {
		r.device.SetFault(f)
		r.fresh(time.Now(), 20*time.Second, func(u drivers.UPS) bool { return u.OnBattery == nil })
		r.device.SetFault(vups.Fault{})
		r.fresh(time.Now(), 20*time.Second, onMains)
	}
	told(t, r, false)
}

// In interruptsOnly the status cannot be asked for: what the device says by
// itself is not contradicted, and is told.
func interruptsOnly(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	var took []time.Duration
	for _, mains := range []bool{false, true} {
		r.device.SetFault(vups.Fault{Stall: 0x22})
		from := time.Now()
		r.model.SetMains(mains)
		is := onBattery
		if mains {
			is = onMains
		}
		took = append(took, r.fresh(from, 20*time.Second, is))
		r.device.SetFault(vups.Fault{})
		r.fresh(time.Now(), 20*time.Second, is)
	}
	told(t, r, false, true, false)
	within(t, took, "the edge was told")
}

func pollsOnly(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	r.device.SetFault(vups.Fault{NoInterrupts: true})
	var took []time.Duration
	for _, mains := range []bool{false, true} {
		from := time.Now()
		r.model.SetMains(mains)
		is := onBattery
		if mains {
			is = onMains
		}
		took = append(took, r.fresh(from, 20*time.Second, is))
	}
	told(t, r, false, true, false)
	within(t, took, "the edge was told")
}

func hangs(t *testing.T, r *rig) {
	r.plug()
	r.fresh(time.Now(), 20*time.Second, onMains)
	r.device.SetFault(vups.Fault{Hang: true, NoInterrupts: true})
	time.Sleep(5 * time.Second)
	r.model.SetMains(false)
	time.Sleep(25 * time.Second)
	from := time.Now()
	r.device.SetFault(vups.Fault{})
	// A request that hung when the device came back is given up by the
	// kernel after 5 s, by libusb after 2 s.
	took := r.fresh(from, 20*time.Second, onBattery)
	t.Logf("the loss was told %s after the device was well", took.Round(time.Millisecond))
	told(t, r, false, true)
}

// A corruption is which reads of the report descriptor come damaged. The first
// is the kernel's own.
type corruption struct {
	name   string
	reads  []bool
	absent bool // until it is plugged in again
}

func corruptions() map[string][]corruption {
	return map[string][]corruption{
		"hidraw": {
			{"a corrupted descriptor at the first read: one reset mends it", []bool{true}, false},
			{"a corrupted descriptor at the second read, too: it is absent", []bool{true, true}, true},
		},
		"gousb": {
			{"a corrupted descriptor at the first read", []bool{false, true}, false},
			{"a corrupted descriptor at the second read", []bool{false, false, true}, false},
			{"a corrupted descriptor at both reads", []bool{false, true, true}, false},
		},
	}
}

func corrupted(t *testing.T, r *rig, reads []bool, absent bool) {
	r.device.SetFault(vups.Fault{Corrupt: reads})
	from := time.Now()
	r.plug()
	if absent {
		time.Sleep(6 * time.Second)
		told(t, r)
		r.mu.Lock()
		err := r.lastErr
		r.mu.Unlock()
		if !strings.Contains(err, "unplug its USB cable, wait 5 s and plug it in again") {
			t.Errorf("the driver says %q, and not what to do", err)
		}
		r.pull()
		time.Sleep(500 * time.Millisecond)
		r.plug()
		from = time.Now()
	}
	t.Logf("read after %s", r.fresh(from, 15*time.Second, onMains).Round(time.Millisecond))
	told(t, r, false)
}

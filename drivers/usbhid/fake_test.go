package usbhid

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
)

// lines returns the lines of a captured file without its notes.
func lines(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if l := strings.TrimSpace(s.Text()); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// captured loads a device as it was captured; reports that were not are refused.
func captured(t testing.TB, name string) *replay {
	t.Helper()
	c := &replay{features: map[uint8][]byte{}, texts: map[uint8]string{}}
	c.descriptor = unhex(t, strings.Join(lines(t, "../../hwtest/vups/testdata/"+name+".hex"), ""))
	if !strings.HasSuffix(name, "CORRUPTED") {
		for _, l := range lines(t, "../../hwtest/vups/testdata/"+name+".reports") {
			wire := unhex(t, l)
			c.features[wire[0]] = wire
		}
	}
	ids := strings.SplitN(name, "-", 3)
	vendor, _ := strconv.ParseUint(ids[0], 16, 16)
	product, _ := strconv.ParseUint(ids[1], 16, 16)
	c.info = Info{Transport: "fake", Path: "1-1", Vendor: uint16(vendor), Product: uint16(product), Maker: "CPS", Model: ids[2]}
	return c
}

// The states of a VP1600ELCD in report 0x22: the first was captured, the others
// are made from it, because no bytes of one on battery are public.
const (
	statusMains       = 0x09 // ACPresent, FullyCharged
	statusBattery     = 0x04 // Discharging
	statusStuck       = 0x05 // ACPresent, Discharging: a UT model on battery, or a self-test
	statusBatteryLast = 0x24 // Discharging, BelowRemainingCapacityLimit
)

// fakeUPS is a bus with one captured device whose bytes a test may change.
type fakeUPS struct {
	mu      sync.Mutex
	device  *replay
	out     chan struct{} // closed while the device is unplugged
	fails   map[uint8]error
	scripts map[uint8][][]byte // answers to give before the stored one
	stuck   map[uint8]bool     // reports that ignore writes
	frames  chan []byte
	writes  []string
	opens   int
	asked   int           // feature reports that were read, or tried
	slow    time.Duration // of every answer
	last    bool          // it is unplugged by the next write, which it takes
}

func newFake(t testing.TB, name string) *fakeUPS {
	return &fakeUPS{
		device: captured(t, name), out: make(chan struct{}), frames: make(chan []byte),
		fails: map[uint8]error{}, scripts: map[uint8][][]byte{}, stuck: map[uint8]bool{},
	}
}

func (f *fakeUPS) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// status sets the status report and the input voltage.
func (f *fakeUPS) status(bits, volts byte) {
	f.with(func() {
		f.device.features[0x22] = []byte{0x22, bits}
		f.device.features[0x23] = []byte{0x23, volts, 0, volts, 0}
	})
}

func (f *fakeUPS) unplug() { f.with(func() { close(f.out) }) }
func (f *fakeUPS) plug()   { f.with(func() { f.out = make(chan struct{}) }) }

func (f *fakeUPS) gone() bool {
	select {
	case <-f.out:
		return true
	default:
		return false
	}
}

func (f *fakeUPS) Scan() ([]Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone() {
		return nil, nil
	}
	return []Info{f.device.info}, nil
}

func (f *fakeUPS) Open(Info) (device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens++
	return &fakeHandle{ups: f, out: f.out}, nil
}

type fakeHandle struct {
	ups *fakeUPS
	out chan struct{}
}

func (h *fakeHandle) lost() bool {
	select {
	case <-h.out:
		return true
	default:
		return false
	}
}

func (h *fakeHandle) Feature(id uint8, buf []byte) (int, error) {
	h.ups.mu.Lock()
	slow := h.ups.slow
	h.ups.mu.Unlock()
	time.Sleep(slow)
	h.ups.mu.Lock()
	defer h.ups.mu.Unlock()
	h.ups.asked++
	if h.lost() {
		return 0, errGone
	}
	if err := h.ups.fails[id]; err != nil {
		return 0, err
	}
	if s := h.ups.scripts[id]; len(s) > 0 {
		h.ups.scripts[id] = s[1:]
		return copy(buf, s[0]), nil
	}
	return h.ups.device.Feature(id, buf)
}

func (h *fakeHandle) SetFeature(id uint8, wire []byte) error {
	h.ups.mu.Lock()
	defer h.ups.mu.Unlock()
	if h.lost() {
		return errGone
	}
	h.ups.writes = append(h.ups.writes, hex.EncodeToString(wire))
	if !h.ups.stuck[id] {
		h.ups.device.features[id] = append([]byte{}, wire...)
	}
	if h.ups.last {
		close(h.out)
	}
	return nil
}

func (h *fakeHandle) Input(ctx context.Context, buf []byte) (int, error) {
	select {
	case f := <-h.ups.frames:
		return copy(buf, f), nil
	case <-h.out:
		return 0, errGone
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (h *fakeHandle) Descriptor() ([]byte, error)      { return h.ups.device.Descriptor() }
func (h *fakeHandle) Text(index uint8) (string, error) { return h.ups.device.Text(index) }
func (h *fakeHandle) Close() error                     { return nil }

// running starts a driver of f in the test's bubble; stop ends it and returns
// its error and all that it reported.
func running(t *testing.T, f *fakeUPS) (d *driver, last func() drivers.UPS, stop func() ([]drivers.Reading, error)) {
	t.Helper()
	d = newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions())
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var got []drivers.Reading
	ended := make(chan error, 1)
	go func() {
		ended <- d.Run(ctx, func(r drivers.Reading) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, r)
		})
	}()
	last = func() drivers.UPS {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if len(got) == 0 {
			t.Fatal("no reading yet")
		}
		return got[len(got)-1].Fact.(drivers.UPS)
	}
	return d, last, func() ([]drivers.Reading, error) {
		cancel()
		err := <-ended
		return got, err
	}
}

func says(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "battery"
	}
	return "mains"
}

// errStall is what a refused control transfer returns.
var errStall = errors.New("broken pipe")

const tick = defaultPoll + time.Millisecond

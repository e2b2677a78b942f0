//go:build guest && linux

package gpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/warthog618/go-gpiosim"
	"golang.org/x/sys/unix"

	"lastwatt/drivers"
)

// The tests of this build run on a kernel of their own, as root: hwtest/lab and
// hwtest/pi boot it.

// TestMain is also the programs that the tests start and end, and all of a machine
// that has nothing else.
func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		alone(m)
	}
	if what := os.Getenv("LASTWATT_GPIO_CHILD"); what != "" {
		child(what)
		return
	}
	os.Exit(m.Run())
}

// alone is the first process of a kernel: it prepares what the tests need and
// does not return, because that would be the kernel's end.
func alone(m *testing.M) {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), unix.Mount(kind, dir, kind, 0, "")); err != nil {
			fmt.Println(dir, err)
		}
	}
	fmt.Printf("pi: status %d\n", m.Run())
	select {}
}

// child prints the error with which the driver ends, or "open" once it switched
// its output, and then waits to be killed.
func child(section string) {
	err := func() error {
		d, err := newGuest(section)
		if err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- d.Run(context.Background(), func(drivers.Reading) {}) }()
		for {
			select {
			case err := <-ended:
				return err
			case <-time.After(20 * time.Millisecond):
			}
			if d.Switch(context.Background(), "relay", false) == nil {
				fmt.Println("open")
				return <-ended
			}
		}
	}()
	fmt.Println(err)
}

// newGuest makes a driver of this kernel's GPIO.
func newGuest(section string) (*driver, error) {
	d, err := Kind().New(yamlOf(section), drivers.Options{Name: "rack", Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return nil, err
	}
	return d.(*driver), nil
}

func guestDriver(t *testing.T, section string) *driver {
	t.Helper()
	d, err := newGuest(section)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sim is the header of a Pi 5, simulated by the kernel.
type sim struct {
	*gpiosim.Sim
	chip *gpiosim.Chip
}

func newSim(t *testing.T, more ...gpiosim.NewBankOption) *sim {
	t.Helper()
	for i := range 28 {
		more = append(more, gpiosim.WithNamedLine(i, fmt.Sprintf("GPIO%d", i)))
	}
	s, err := gpiosim.NewSim(gpiosim.WithBank(gpiosim.NewBank("pinctrl-rp1", 54, more...)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &sim{s, &s.Chips[0]}
}

// A wire is what pulls a line of the simulated chip.
type wire struct{ *os.File }

func (s *sim) wire(t *testing.T, offset int) wire {
	t.Helper()
	found, _ := filepath.Glob(fmt.Sprintf("/sys/devices/platform/gpio-sim.*/%s/sim_gpio%d/pull", s.chip.ChipName(), offset))
	if len(found) != 1 {
		t.Fatalf("line %d of the simulated chip: %q", offset, found)
	}
	f, err := os.OpenFile(found[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return wire{f}
}

func (w wire) pull(high bool) {
	level := "pull-down"
	if high {
		level = "pull-up"
	}
	if _, err := w.WriteAt([]byte(level), 0); err != nil {
		panic(err)
	}
}

// A generator makes the falling edges of a fan, and notes when it made them.
type generator struct {
	wire wire
	mu   sync.Mutex
	made []time.Duration // of the monotonic clock
}

// tick is how often the kernel's simulator tells edges and, in the lab, timers go
// off: a sleep is some of it shorter, so that it ends with the tick that is meant.
const tick = time.Millisecond

// turn makes edges until ctx is done. It never makes up for one that was late: two
// at once would be one.
func (g *generator) turn(ctx context.Context, period time.Duration) {
	for ctx.Err() == nil {
		start := time.Now()
		g.fall()
		time.Sleep(max(tick, period/2) - 3*tick/10)
		g.wire.pull(true)
		time.Sleep(max(tick, period-time.Since(start)) - 3*tick/10)
	}
}

func (g *generator) fall() {
	g.wire.pull(false)
	at := newKernel("").Monotonic()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = append(g.made, at)
}

// burst is noise.
func (g *generator) burst(edges int) {
	for range edges {
		g.wire.pull(false)
		time.Sleep(tick)
		g.wire.pull(true)
		time.Sleep(tick)
	}
}

// rpm is the speed that was made in so long before a time, at 2 pulses.
func (g *generator) rpm(at time.Time, before time.Duration) (speed float64, edges int) {
	until := newKernel("").Monotonic() - time.Since(at)
	from := until - before
	g.mu.Lock()
	defer g.mu.Unlock()
	var first, last time.Duration
	for _, at := range g.made {
		if at < from || at > until {
			continue
		}
		if edges++; edges == 1 {
			first = at
		}
		last = at
	}
	if edges < 2 {
		return 0, edges
	}
	return float64(edges-1) * float64(time.Minute) / (2 * float64(last-first)), edges
}

// lossy loses a part of the events between the kernel and the reader.
type lossy struct {
	kernel
	part float64
}

// Open implements kernel.
func (k lossy) Open(path string) (chip, error) {
	c, err := k.kernel.Open(path)
	return lossyChip{c, k.part}, err
}

type lossyChip struct {
	chip
	part float64
}

// Request implements chip.
func (c lossyChip) Request(r request) (lines, error) {
	l, err := c.chip.Request(r)
	return lossyLines{l, c.part}, err
}

type lossyLines struct {
	lines
	part float64
}

// Queued implements lines. It stops short of into only where there are no more.
func (l lossyLines) Queued(into []event) (int, error) {
	kept := 0
	for kept < len(into) {
		n, err := l.lines.Queued(into[kept:])
		if n == 0 || err != nil {
			return kept, err
		}
		for _, e := range into[kept : kept+n] {
			if rand.Float64() >= l.part {
				into[kept] = e
				kept++
			}
		}
	}
	return kept, nil
}

// at is when a thing was told last.
func (h *heard) at(name string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[name]
}

// until waits for something to become so.
func until(t *testing.T, what string, within time.Duration, so func() bool) {
	t.Helper()
	for start := time.Now(); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > within {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

package gpio

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// fakeKernel is a double of the kernel, with chips whose lines a test pulls.
type fakeKernel struct {
	mu      sync.Mutex
	start   time.Time
	chips   []*fakeChip
	missing error // what Paths fails with
}

func newFake(chips ...*fakeChip) *fakeKernel {
	k := &fakeKernel{start: time.Now(), chips: chips}
	for i, c := range chips {
		c.kernel = k
		if c.path == "" {
			c.path = fmt.Sprintf("/dev/gpiochip%d", i)
		}
	}
	return k
}

// Paths implements kernel.
func (k *fakeKernel) Paths() ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, c := range k.chips {
		if !c.gone {
			all = append(all, c.path)
		}
	}
	return all, k.missing
}

// Open implements kernel.
func (k *fakeKernel) Open(path string) (chip, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.chips {
		if c.path == path && !c.gone {
			if c.refuse != nil {
				return nil, c.refuse
			}
			c.opened++
			return fakeOpen{c}, nil
		}
	}
	return nil, fmt.Errorf("%s: %w: %w", path, drivers.ErrNoDevice, os.ErrNotExist)
}

// Monotonic implements kernel.
func (k *fakeKernel) Monotonic() time.Duration { return time.Hour + time.Since(k.start) }

// fakeChip is a chip with as many lines as names, all pulled low.
type fakeChip struct {
	kernel      *fakeKernel
	path, label string
	names       []string
	refuse      error // what Open fails with
	gone        bool
	opened      int // and not closed
	high        map[int]bool
	users       map[int]string
	stuck       map[int]bool // outputs that do not follow
	held        []*fakeLines
	done        []string // requests, settings and closings
}

// newPi is a chip of 54 lines, GPIO0 to GPIO53.
func newPi(label string) *fakeChip {
	c := &fakeChip{label: label, high: map[int]bool{}, users: map[int]string{}, stuck: map[int]bool{}}
	for i := range 54 {
		c.names = append(c.names, fmt.Sprintf("GPIO%d", i))
	}
	return c
}

// pull sets a line's level from outside, with the edge that this makes.
func (c *fakeChip) pull(offset int, high bool) { c.drive(offset, high, true) }

// drive is pull; told is whether the edge can be read, or only its number.
func (c *fakeChip) drive(offset int, high, told bool) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.high[offset] == high {
		return
	}
	c.high[offset] = high
	for _, l := range c.held {
		for _, u := range l.request.uses {
			if u.offset != offset || u.edges == noEdges || u.edges == falling && high != u.activeLow {
				continue
			}
			l.seq[offset]++
			if told {
				l.queue = append(l.queue, event{offset: offset, at: c.kernel.Monotonic(), seq: l.seq[offset]})
			}
			if keeps := cmp.Or(l.request.buffer, 16*len(l.request.uses)); len(l.queue) > keeps {
				l.queue = l.queue[1:] // the kernel forgets the oldest
			}
		}
		select {
		case l.ready <- struct{}{}:
		default:
		}
	}
}

// pulse is a falling edge and the rise after it.
func (c *fakeChip) pulse(offset int, told bool) {
	c.drive(offset, false, told)
	c.drive(offset, true, told)
}

func (c *fakeChip) vanish(gone bool) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	c.gone = gone
}

// log is what was done with the chip.
func (c *fakeChip) log() string {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return strings.Join(c.done, "; ")
}

// left is what of the chip is open still.
func (c *fakeChip) left() int {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return c.opened + len(c.held)
}

// fakeOpen implements chip.
type fakeOpen struct{ *fakeChip }

// Label implements chip.
func (c fakeOpen) Label() string { return c.label }

// Lines implements chip.
func (c fakeOpen) Lines() ([]lineInfo, error) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	all := make([]lineInfo, len(c.names))
	for i, n := range c.names {
		user, used := c.users[i]
		all[i] = lineInfo{Name: n, Consumer: user, Used: used}
	}
	return all, nil
}

// Request implements chip.
func (c fakeOpen) Request(r request) (lines, error) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.gone {
		return nil, drivers.ErrNoDevice
	}
	l := &fakeLines{chip: c.fakeChip, request: r, seq: map[int]uint32{}, ready: make(chan struct{}, 1)}
	for _, u := range r.uses {
		if user, used := c.users[u.offset]; used {
			return nil, errTaken(c.names[u.offset], c.label, lineInfo{Consumer: user})
		}
		c.users[u.offset] = r.consumer
		if u.output {
			c.done = append(c.done, fmt.Sprintf("request %d %s", u.offset, word(u.on)))
			l.put(u, u.on)
		}
	}
	c.held = append(c.held, l)
	return l, nil
}

// Close implements chip.
func (c fakeOpen) Close() error {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	c.opened--
	return nil
}

// fakeLines implements lines.
type fakeLines struct {
	chip    *fakeChip
	request request
	seq     map[int]uint32
	queue   []event
	ready   chan struct{}
}

func (l *fakeLines) put(u use, on bool) {
	if !l.chip.stuck[u.offset] {
		l.chip.high[u.offset] = on != u.activeLow
	}
}

// Next implements lines.
func (l *fakeLines) Next(ctx context.Context, into []event) (int, error) {
	for {
		if n, err := l.Queued(into); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Queued implements lines.
func (l *fakeLines) Queued(into []event) (int, error) {
	l.chip.kernel.mu.Lock()
	defer l.chip.kernel.mu.Unlock()
	n := copy(into, l.queue)
	l.queue = l.queue[n:]
	return n, nil
}

// Values implements lines.
func (l *fakeLines) Values() (uint64, error) {
	l.chip.kernel.mu.Lock()
	defer l.chip.kernel.mu.Unlock()
	if l.chip.gone {
		return 0, drivers.ErrNoDevice
	}
	var v uint64
	for i, u := range l.request.uses {
		v |= uint64(bit(l.chip.high[u.offset] != u.activeLow)) << i
	}
	return v, nil
}

// Set implements lines.
func (l *fakeLines) Set(mask, values uint64) error {
	l.chip.kernel.mu.Lock()
	defer l.chip.kernel.mu.Unlock()
	if l.chip.gone {
		return drivers.ErrNoDevice
	}
	for i, u := range l.request.uses {
		if mask>>i&1 == 1 {
			on := values>>i&1 == 1
			l.chip.done = append(l.chip.done, fmt.Sprintf("set %d %s", u.offset, word(on)))
			l.put(u, on)
		}
	}
	return nil
}

// Close implements lines.
func (l *fakeLines) Close() error {
	l.chip.kernel.mu.Lock()
	defer l.chip.kernel.mu.Unlock()
	for _, u := range l.request.uses {
		if u.output {
			l.chip.done = append(l.chip.done, fmt.Sprintf("close %d", u.offset))
		}
		delete(l.chip.users, u.offset)
	}
	l.chip.held = slices.DeleteFunc(l.chip.held, func(o *fakeLines) bool { return o == l })
	return nil
}

// configured reads a driver's section.
func configured(t testing.TB, text string) config {
	t.Helper()
	var c config
	if err := yaml.Load([]byte(text), &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

func testOptions() drivers.Options {
	return drivers.Options{Name: "rack", Log: slog.New(slog.DiscardHandler)}
}

// A heard is what a running driver told, by the names of things.
type heard struct {
	mu    sync.Mutex
	facts map[string]drivers.Fact
	times map[string]time.Time // of the facts
	told  int
}

func (h *heard) take(r drivers.Reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := ""
	switch f := r.Fact.(type) {
	case drivers.Fan:
		name = f.Name
	case drivers.Rail:
		name = f.Name
	case drivers.Witness:
		name = f.Name
	case drivers.Output:
		name = f.Name
	}
	h.facts[name], h.times[name] = r.Fact, r.At
	h.told++
}

func (h *heard) fan(name string) drivers.Fan {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, _ := h.facts[name].(drivers.Fan)
	return f
}

func (h *heard) rail(name string) drivers.Rail {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, _ := h.facts[name].(drivers.Rail)
	return r
}

func (h *heard) witness(name string) drivers.Witness {
	h.mu.Lock()
	defer h.mu.Unlock()
	w, _ := h.facts[name].(drivers.Witness)
	return w
}

func (h *heard) output(name string) drivers.Output {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, _ := h.facts[name].(drivers.Output)
	return o
}

// count is how many facts were told.
func (h *heard) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

// running runs the driver until stop, which returns what Run did.
func running(t testing.TB, d *driver) (h *heard, stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	h = &heard{facts: map[string]drivers.Fact{}, times: map[string]time.Time{}}
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx, h.take) }()
	return h, func() error {
		cancel()
		return <-done
	}
}

// rpm is a fan's speed, or -1 where it has none.
func rpm(f drivers.Fan) float64 {
	if f.RPM == nil {
		return -1
	}
	return *f.RPM
}

// jam keeps an output at its level.
func (c *fakeChip) jam(offset int) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	c.stuck[offset] = true
}

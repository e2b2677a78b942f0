package modbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lastwatt/drivers"
	modmaps "lastwatt/drivers/modbus/maps"
	"lastwatt/drivers/modbus/wire"
)

// attempts is how often a poll is tried before the device is given up.
const attempts = 3

// A device implements [drivers.Driver].
type device struct {
	m        modmaps.Map
	blocks   []modmaps.Block
	settings wire.Settings
	lines    *wire.Lines
	options  drivers.Options
	poll     time.Duration
	limits   modmaps.Limits
	outputs  map[string]Output
	base     wire.Request // unit and times

	mu      sync.Mutex
	session *session // nil while it does not run
}

// Run implements [drivers.Driver]. It takes up to the timeout of a request to
// return after ctx is done.
func (d *device) Run(ctx context.Context, report func(drivers.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	line, err := d.lines.Join(d.settings)
	if err != nil {
		return err
	}
	defer line.Leave()
	s := &session{device: d, line: line, report: report, orders: make(chan order), ended: make(chan struct{}), ordered: map[string]bool{}}
	d.set(s)
	defer d.set(nil)
	defer close(s.ended)
	return s.run(ctx)
}

// Line is the line that the device is on, and how that is opened: others on it need
// the same.
func (d *device) Line() (line, how string) { return d.settings.Shared() }

func (d *device) set(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = s
}

func (d *device) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session != nil
}

// order has the goroutine of Run do something.
func (d *device) order(ctx context.Context, do func(context.Context, *session) error) error {
	d.mu.Lock()
	s := d.session
	d.mu.Unlock()
	if s == nil {
		return drivers.ErrNotRunning
	}
	o := order{ctx: ctx, do: do, result: make(chan error, 1)}
	select {
	case s.orders <- o:
	case <-s.ended:
		return drivers.ErrNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer yet, it may still be carried out: %w", ctx.Err())
	}
}

type order struct {
	ctx    context.Context
	do     func(context.Context, *session) error
	result chan error // of capacity 1
}

// A session is one Run: it belongs to its goroutine.
type session struct {
	*device
	line   *wire.Line
	report func(drivers.Reading)
	orders chan order
	ended  chan struct{} // closed when Run returns

	// generation is that of the line in which question and answer were proven
	// to match, and the device to be the map's; 0 is not yet.
	generation uint64
	// once are the values that are read after each proof, and never why some
	// are absent.
	once    modmaps.Values
	never   map[string]string
	refused map[modmaps.Read]bool // optional blocks that the device does not have
	spoke   bool                  // a poll went well before
	ordered map[string]bool       // what each output was set to last
}

func (s *session) run(ctx context.Context) error {
	if err := s.makeSafe(ctx); err != nil {
		return err
	}
	defer s.leave(ctx)
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		if err := s.read(ctx); err != nil {
			return err
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
				waiting = false
			case o := <-s.orders:
				o.result <- s.obey(o)
			}
		}
	}
}

func (s *session) obey(o order) error {
	if err := o.ctx.Err(); err != nil {
		return err
	}
	return s.try(o.ctx, func() error { return o.do(o.ctx, s) })
}

// read polls the device once and reports what it said.
func (s *session) read(ctx context.Context) error {
	var r readout
	err := s.try(ctx, func() (err error) {
		r, err = s.fields(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if !s.spoke {
		s.spoke = true
		s.log("Modbus device answers")
	}
	for _, f := range s.facts(r) {
		s.report(drivers.Reading{At: r.at, Fact: f})
	}
	if s.m.Hangup {
		return s.line.Hangup(ctx)
	}
	return nil
}

func (s *session) log(text string) {
	if s.options.Log != nil {
		s.options.Log.Info(text, "device", s.options.Name, "line", s.settings.String(), "unit", s.base.Unit, "map", s.m.Name)
	}
}

// try does something up to attempts times, with question and answer proven to
// match. A line that cannot be opened and a clear no are not tried again here:
// that is for whoever calls Run.
func (s *session) try(ctx context.Context, do func() error) error {
	var err error
	for range attempts {
		err = s.turn(ctx, do)
		var no wire.Exception
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, wire.ErrDown), errors.As(err, &no) && no.Code < 4:
			return err
		}
	}
	return fmt.Errorf("%d attempts: %w", attempts, err)
}

// turn does something while no other device of the line is asked anything.
func (s *session) turn(ctx context.Context, do func() error) error {
	end, err := s.line.Turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	for {
		stale := s.generation != 0
		if err := s.proven(ctx); err != nil {
			return err
		}
		err := s.lost(do())
		if !stale || !errors.Is(err, wire.ErrReopened) {
			return err
		}
		// Another device's fault had the line opened anew, before this turn.
	}
}

// ask sends one request of the device. Within a proof, generation is 0 at first.
func (s *session) ask(ctx context.Context, f wire.Function, address, count, value uint16, generation uint64) (wire.Answer, error) {
	r := s.base
	r.Function, r.Address, r.Count, r.Value, r.Generation = f, address, count, value, generation
	return s.line.Ask(ctx, r)
}

// proven makes sure that question and answer match, by two reads whose answers
// differ in length, and that the device is the map's. It holds until the line is
// opened anew.
func (s *session) proven(ctx context.Context) error {
	if s.generation != 0 {
		return nil
	}
	var generation uint64
	for _, g := range s.m.Guard {
		a, err := s.ask(ctx, reads(g.Function), g.Address, g.Count, 0, generation)
		if err != nil {
			return s.lost(err)
		}
		generation = a.Generation
	}
	for _, f := range s.m.Identity {
		block := modmaps.Block{Read: modmaps.Read{Function: f.Function, Address: f.Address, Count: uint16(f.Registers)}}
		a, err := s.ask(ctx, reads(f.Function), f.Address, uint16(f.Registers), 0, generation)
		if err != nil {
			return s.lost(err)
		}
		part, bit, _ := block.Part(f, a.Data)
		if err := f.Check(part, bit); err != nil {
			s.line.Distrust(ctx, generation, s.base.Timeout)
			return fmt.Errorf("%s: unit %d: it is no %s: %w", s.settings, s.base.Unit, s.m.Name, err)
		}
	}
	values, absent, err := s.blocksOf(ctx, generation, true)
	if err != nil {
		return s.lost(err)
	}
	s.once, s.never, s.generation = values, absent, generation
	return nil
}

// lost forgets the proof after an error that ends it.
func (s *session) lost(err error) error {
	var no wire.Exception
	if err != nil && !errors.As(err, &no) || errors.Is(err, wire.ErrReopened) {
		s.generation = 0
	}
	return err
}

// A readout is what the fields of a device said in one poll.
type readout struct {
	at     time.Time
	values modmaps.Values
	// absent says of fields that have no value, why.
	absent map[string]string
	coils  []bool // of a relay board, from its first one on
}

// fields reads all fields once. All of it is of one generation of the line.
func (s *session) fields(ctx context.Context) (readout, error) {
	r := readout{at: time.Now()}
	var err error
	r.values, r.absent, err = s.blocksOf(ctx, s.generation, false)
	if err != nil {
		return r, err
	}
	if s.m.Outputs != nil {
		if r.coils, err = s.coils(ctx); err != nil {
			return r, err
		}
	}
	maps.Copy(r.values, s.once)
	maps.Copy(r.absent, s.never)
	s.m.Percentages(r.values)
	return r, nil
}

// blocksOf reads the blocks that are read once, or the others.
func (s *session) blocksOf(ctx context.Context, generation uint64, once bool) (modmaps.Values, map[string]string, error) {
	values, absent := modmaps.Values{}, map[string]string{}
	for _, b := range s.blocks {
		if b.Once != once || s.refused[b.Read] {
			continue
		}
		a, err := s.ask(ctx, reads(b.Function), b.Address, b.Count, 0, generation)
		var no wire.Exception
		if errors.As(err, &no) && b.Optional && no.Code < 4 {
			if s.refused == nil {
				s.refused = map[modmaps.Read]bool{}
			}
			s.refused[b.Read] = true
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, i := range b.Fields {
			f := s.m.Fields[i]
			part, bit, ok := b.Part(f, a.Data)
			if !ok {
				return nil, nil, fmt.Errorf("%s %d: the answer lacks %s", b.Function, b.Address, f.Name)
			}
			v, why := f.Decode(part, bit)
			if why != "" {
				absent[f.Name] = why
				continue
			}
			values[f.Name] = v
		}
	}
	return values, absent, nil
}

func reads(f modmaps.Function) wire.Function {
	switch f {
	case modmaps.Coil:
		return wire.ReadCoils
	case modmaps.Discrete:
		return wire.ReadDiscretes
	case modmaps.Holding:
		return wire.ReadHolding
	}
	return wire.ReadInput
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

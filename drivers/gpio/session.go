package gpio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lastwatt/drivers"
)

// A session is the open lines, from their request to their loss. All of it
// belongs to the goroutine of run.
type session struct {
	kernel kernel
	log    *slog.Logger
	report func(drivers.Reading)
	poll   time.Duration

	groups  []*group // of lines with edges
	fans    []*fan
	inputs  []*watched
	outputs []*output

	batches chan batch
	orders  chan order
	ended   chan struct{} // closed when run returns

	// parts is how often in a poll the tachometers' edges are read.
	parts int
	edges []event // what they are read into
}

// A group is lines of one chip that were requested together: inputs, whose edges
// are waited for, or tachometers, whose edges carry the kernel's own time stamps
// and wait in its queue until it is time to look.
type group struct {
	lines lines
	fans  map[int]*fan     // by offset
	in    map[int]*watched // by offset
}

// atOnce is how many edges are read at once.
const atOnce = 256

// A fan is a tachometer's line.
type fan struct {
	name  string
	tach  *tach
	power *output // nil: it always has power
}

// A watched line is an input.
type watched struct {
	name  string
	mains bool // a witness; else a rail
	input input
	group *group
	bit   int  // of the group's values
	edges bool // had some since the last look
}

// A batch is events of one group, or why there are no more.
type batch struct {
	group  *group
	events []event
	err    error
}

// An order is for one output.
type order struct {
	output int // its place in session.outputs
	on     bool
	done   chan error // holds one
}

// run tells what the lines say until ctx is done or a chip is lost.
func (s *session) run(ctx context.Context) (err error) {
	listening, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, g := range s.groups {
		if len(g.in) > 0 {
			work.Go(func() { s.listen(listening, g) })
		}
	}
	defer func() {
		close(s.ended)
		stop()
		work.Wait()
		err = errors.Join(err, s.close())
	}()
	tick, settle := time.NewTicker(s.poll/time.Duration(s.parts)), time.NewTimer(0)
	defer tick.Stop()
	defer settle.Stop()
	for part := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-s.batches:
			err = s.take(b)
		case <-settle.C:
			err = s.look(false)
		case <-tick.C:
			if part = (part + 1) % s.parts; part == 0 {
				err = s.look(true)
			} else {
				err = s.readFans()
			}
		case o := <-s.orders:
			o.done <- s.obey(o)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		if due := s.due(); !due.IsZero() {
			settle.Reset(max(0, time.Until(due)))
		}
	}
}

// listen passes a group's events on until the first error.
func (s *session) listen(ctx context.Context, g *group) {
	buf := make([]event, 64)
	for {
		n, err := g.lines.Next(ctx, buf)
		if ctx.Err() != nil {
			return
		}
		b := batch{group: g, events: slices.Clone(buf[:n]), err: err}
		select {
		case s.batches <- b:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// readFans takes what the kernel keeps of the tachometers' edges.
func (s *session) readFans() error {
	for _, g := range s.groups {
		if len(g.fans) == 0 {
			continue
		}
		for n := len(s.edges); n == len(s.edges); {
			var err error
			if n, err = g.lines.Queued(s.edges); err != nil {
				return err
			}
			for _, e := range s.edges[:n] {
				if f := g.fans[e.offset]; f != nil {
					f.tach.edge(e.at, e.seq)
				}
			}
		}
	}
	return nil
}

// take takes edges of inputs. What level an input has now is read, not concluded from its
// edges, since some may be missing; while it bounces it is read when it is due.
func (s *session) take(b batch) error {
	if b.err != nil {
		return b.err
	}
	inputs := false
	for _, e := range b.events {
		if w := b.group.in[e.offset]; w != nil {
			w.edges = true
			inputs = inputs || w.input.due().IsZero()
		}
	}
	if !inputs {
		return nil
	}
	return s.lookAtInputs(time.Now(), false)
}

// look reads what changes without an edge; all is whether everything is told, and
// the chips are asked whether they are still there.
func (s *session) look(all bool) error {
	now := time.Now()
	if err := s.lookAtInputs(now, all); err != nil || !all {
		return err
	}
	for _, g := range s.groups {
		if len(g.fans) > 0 { // the inputs have just been read
			if _, err := g.lines.Values(); err != nil {
				return err
			}
		}
	}
	for _, o := range s.outputs {
		if err := o.check(s.log); err != nil {
			return err
		}
		s.report(drivers.Reading{At: now, Fact: o.fact()})
	}
	if err := s.readFans(); err != nil {
		return err
	}
	stamp := s.kernel.Monotonic()
	for _, f := range s.fans {
		if f.power != nil {
			f.tach.power(f.power.on, stamp)
		}
		fact := f.tach.fan(stamp)
		fact.Name = f.name
		s.report(drivers.Reading{At: now, Fact: fact})
	}
	return nil
}

// lookAtInputs reads the inputs and tells those that changed, or all.
func (s *session) lookAtInputs(now time.Time, all bool) error {
	levels := map[*group]uint64{}
	for _, w := range s.inputs {
		level, read := levels[w.group]
		if !read {
			var err error
			if level, err = w.group.lines.Values(); err != nil {
				return err
			}
			levels[w.group] = level
		}
		changed := w.input.look(now, level>>w.bit&1 == 1, w.edges)
		w.edges = false
		if changed || all {
			s.report(drivers.Reading{At: now, Fact: w.fact()})
		}
		if changed && w.input.settled == nil {
			s.log.Warn("GPIO input does not come to rest: nothing is believed of it", "input", w.name)
		}
	}
	return nil
}

// fact is what the input says; nothing while it has not come to rest.
func (w *watched) fact() drivers.Fact {
	on := w.input.settled
	if on != nil {
		v := *on
		on = &v
	}
	if w.mains {
		return drivers.Witness{Name: w.name, Mains: on}
	}
	r := drivers.Rail{Name: w.name, Good: on}
	if on != nil {
		r.Level = drivers.Critical
		if *on {
			r.Level = drivers.OK
		}
	}
	return r
}

// due is when the first input is due; zero is never.
func (s *session) due() time.Time {
	var first time.Time
	for _, w := range s.inputs {
		if at := w.input.due(); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (s *session) obey(o order) error {
	out := s.outputs[o.output]
	if err := out.set(o.on); err != nil {
		return err
	}
	s.log.Info("GPIO output switched", "output", out.name, "on", o.on)
	now := s.kernel.Monotonic()
	for _, f := range s.fans {
		if f.power == out {
			f.tach.power(o.on, now)
		}
	}
	return nil
}

// close makes the outputs safe and gives all lines back.
func (s *session) close() error {
	var err error
	for _, o := range s.outputs {
		// A chip that vanished cannot be made safe; why it did is the error
		// that counts, and the hardware's default is safe.
		if unsafe := o.set(o.safe); unsafe != nil && !errors.Is(unsafe, drivers.ErrNoDevice) {
			s.log.Error("GPIO output cannot be made safe", "output", o.name, "err", unsafe)
		}
		err = errors.Join(err, o.lines.Close())
	}
	for _, g := range s.groups {
		err = errors.Join(err, g.lines.Close())
	}
	return err
}

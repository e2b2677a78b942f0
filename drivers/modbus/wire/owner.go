package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/goburrow/modbus"
)

const (
	// openTimeout is how long opening a TCP connection may take.
	openTimeout = 5 * time.Second
	// quiet is the silence after which nothing more is taken to come.
	quiet = 50 * time.Millisecond
	// neverQuiet is how long a line may go on talking after it should be
	// quiet.
	neverQuiet = 2 * time.Second

	firstBackOff = 250 * time.Millisecond
	lastBackOff  = 10 * time.Second
)

// An owner is the state of a line that belongs to one goroutine: that of run,
// while there are users. It is kept from one to the next.
type owner struct {
	settings Settings
	open     Opener
	packager packager

	conn       Conn // nil: closed
	generation uint64
	hungUp     bool      // closed by Hangup: the next connection is as good
	drainUntil time.Time // what may still come until then is of older questions
	dirty      bool      // to be drained

	failures  int // to open it, in a row
	openAfter time.Time

	lastUnit byte // 0: none yet
	lastEnd  time.Time
}

func (o *owner) run(ctx context.Context, jobs <-chan job) {
	defer o.close()
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			j.result <- o.serve(ctx, j)
		}
	}
}

func (o *owner) serve(ctx context.Context, j job) result {
	switch {
	case j.act == hangup:
		if o.settings.Framing == TCP && o.conn != nil {
			o.close()
			o.hungUp = true
		}
		return result{}
	case j.act == distrust:
		if j.Generation == o.generation && o.conn != nil {
			o.fault(j.Timeout)
		}
		return result{}
	}
	if err := o.ready(ctx, j); err != nil {
		return result{err: err}
	}
	if j.Generation != 0 && j.Generation != o.generation {
		return result{err: ErrReopened}
	}
	data, err := o.exchange(j.Request)
	o.lastEnd, o.lastUnit = time.Now(), j.Unit
	var no Exception
	if err != nil && (!errors.As(err, &no) || no.gateway()) {
		o.fault(j.Timeout)
	}
	return result{Answer{data, o.generation}, err}
}

// fault closes the line. The device may still answer for a time.
func (o *owner) fault(timeout time.Duration) {
	o.close()
	o.dirty, o.drainUntil = true, time.Now().Add(timeout)
}

func (o *owner) close() {
	if o.conn != nil {
		o.conn.Close()
	}
	o.conn = nil
}

// ready brings the line to where a request may be sent: open, drained, and
// silent for as long as has to be.
func (o *owner) ready(ctx context.Context, j job) error {
	waiting, stop := context.WithCancel(j.ctx)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	for range 3 {
		if o.conn == nil {
			if err := o.reopen(waiting, j.Timeout); err != nil {
				return err
			}
		}
		silent, err := o.pause(waiting, j.Request)
		if err != nil {
			return err
		}
		if silent {
			return nil
		}
		// Somebody talks unasked: what came may be the end of an older
		// answer.
		o.fault(j.Timeout)
	}
	return errors.New("bytes come that nobody asked for: is there another master, or noise?")
}

// reopen opens the line and drains it.
func (o *owner) reopen(ctx context.Context, timeout time.Duration) error {
	if err := wait(ctx, time.Until(o.openAfter)); err != nil {
		return err
	}
	opening, stop := context.WithTimeout(ctx, openTimeout)
	conn, err := o.open(opening, o.settings)
	stop()
	if err != nil {
		if ctx.Err() == nil {
			pause := min(lastBackOff, firstBackOff<<min(o.failures, 10))
			o.failures++
			o.openAfter = time.Now().Add(pause + rand.N(pause/4))
		}
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	o.conn, o.failures, o.lastUnit = conn, 0, 0
	if !o.hungUp {
		o.generation++
	}
	o.hungUp = false
	if o.settings.Framing == TCP {
		o.dirty = false
		return nil
	}
	return o.drain(ctx)
}

// drain reads until nothing comes any more.
func (o *owner) drain(ctx context.Context) error {
	until := time.Now().Add(quiet)
	if o.dirty && until.Before(o.drainUntil) {
		until = o.drainUntil
	}
	end := until.Add(neverQuiet)
	buf := make([]byte, 512)
	for ctx.Err() == nil {
		now := time.Now()
		if now.After(end) {
			o.fault(quiet)
			return errors.New("it never falls silent: is there another master, or noise?")
		}
		if err := o.conn.SetDeadline(now.Add(min(quiet, max(until.Sub(now), time.Millisecond)))); err != nil {
			o.fault(quiet)
			return err
		}
		n, err := o.conn.Read(buf)
		switch {
		case n > 0:
			if q := time.Now().Add(quiet); q.After(until) {
				until = q
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !time.Now().Before(until) {
				o.dirty = false
				return nil
			}
		case err != nil:
			o.fault(quiet)
			return err
		}
	}
	o.close()
	return ctx.Err()
}

// pause waits before a request. On a serial line it listens meanwhile, and
// silent is whether nothing came.
func (o *owner) pause(ctx context.Context, r Request) (silent bool, err error) {
	pause := max(r.Pause, o.settings.silence())
	if o.lastUnit != 0 && o.lastUnit != r.Unit {
		pause = max(pause, r.UnitPause)
	}
	left := time.Until(o.lastEnd.Add(pause))
	if o.settings.Framing == TCP {
		return true, wait(ctx, left)
	}
	if err := o.conn.SetDeadline(time.Now().Add(max(left, time.Millisecond))); err != nil {
		o.fault(quiet)
		return false, err
	}
	n, err := o.conn.Read(make([]byte, 256))
	switch {
	case n > 0:
		return false, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true, ctx.Err()
	}
	o.fault(quiet)
	return false, err
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exchange sends one request and reads its answer.
func (o *owner) exchange(r Request) ([]byte, error) {
	o.packager.setUnit(r.Unit)
	onWire := o.settings.byTime(8 + 5 + 2*int(r.Count))
	client := modbus.NewClient2(o.packager, transport{conn: o.conn, rtu: o.settings.Framing != TCP, timeout: r.Timeout + onWire})
	var data []byte
	var err error
	switch r.Function {
	case ReadCoils:
		data, err = client.ReadCoils(r.Address, r.Count)
	case ReadDiscretes:
		data, err = client.ReadDiscreteInputs(r.Address, r.Count)
	case ReadHolding:
		data, err = client.ReadHoldingRegisters(r.Address, r.Count)
	case ReadInput:
		data, err = client.ReadInputRegisters(r.Address, r.Count)
	case WriteCoil:
		data, err = client.WriteSingleCoil(r.Address, coil(r.Value))
	case WriteRegister:
		data, err = client.WriteSingleRegister(r.Address, r.Value)
	default:
		err = fmt.Errorf("%s is not known here", r.Function)
	}
	return data, asException(err)
}

func coil(value uint16) uint16 {
	if value != 0 {
		return 0xFF00
	}
	return 0
}

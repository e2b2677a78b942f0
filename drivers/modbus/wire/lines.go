package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lines are the lines of a process. Whoever asks over one first joins it, and
// shares it with all others that did: one goroutine has the port or the
// connection, and requests wait their turn.
type Lines struct {
	open Opener

	mu    sync.Mutex
	lines map[string]*Line
}

// NewLines makes lines that open opens.
func NewLines(open Opener) *Lines { return &Lines{open: open, lines: map[string]*Line{}} }

// Join makes the caller a user of a line, until it calls [Line.Leave]. It opens
// nothing. Its error is that others use the line with other settings.
func (ls *Lines) Join(s Settings) (*Line, error) {
	ls.mu.Lock()
	l := ls.lines[s.key()]
	if l == nil {
		l = &Line{open: ls.open, turn: make(chan struct{}, 1)}
		ls.lines[s.key()] = l
	}
	ls.mu.Unlock()
	return l, l.join(s)
}

// A Line is one serial port or TCP endpoint. Its methods may be called from any
// goroutine between Join and Leave.
type Line struct {
	open Opener
	turn chan struct{} // of capacity 1: full while somebody has the turn

	mu    sync.Mutex
	users int
	stop  context.CancelFunc
	ended chan struct{}
	jobs  chan job

	settings Settings // of the users there are
	owner             // of the goroutine of run
}

func (l *Line) join(s Settings) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users > 0 && l.settings != s {
		return fmt.Errorf("%s is in use as %s: every entry of one line needs the same (got %s)", s, l.settings.mode(), s.mode())
	}
	if l.users++; l.users > 1 {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	l.settings, l.stop, l.ended, l.jobs = s, stop, make(chan struct{}), make(chan job)
	if l.packager.Packager == nil || l.owner.settings.Framing != s.Framing {
		l.packager = newPackager(s.Framing)
	}
	l.owner.settings, l.owner.open = s, l.open
	go func() {
		defer close(l.ended)
		l.run(ctx, l.jobs)
	}()
	return nil
}

// Leave ends what Join began. The last user's waits until the line is closed,
// which takes a request's timeout at most.
func (l *Line) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 {
		l.stop()
		<-l.ended
	}
}

// A Function is what is asked of a unit.
type Function byte

// The functions.
const (
	ReadCoils     Function = readCoils
	ReadDiscretes Function = readDiscretes
	ReadHolding   Function = readHolding
	ReadInput     Function = readInput
	WriteCoil     Function = writeCoil
	WriteRegister Function = writeRegister
)

func (f Function) String() string {
	switch f {
	case ReadCoils:
		return "read coils"
	case ReadDiscretes:
		return "read discrete inputs"
	case ReadHolding:
		return "read holding registers"
	case ReadInput:
		return "read input registers"
	case WriteCoil:
		return "write coil"
	case WriteRegister:
		return "write register"
	}
	return fmt.Sprintf("function %d", byte(f))
}

// A Request is one question to one unit.
type Request struct {
	Unit     byte
	Function Function
	Address  uint16 // on the wire: from 0
	// Count is how many coils or registers are read; Value what is written,
	// 1 and 0 to a coil.
	Count, Value uint16
	// Generation, unless it is 0, is the generation of the line that the
	// answer must be of. In another nothing is sent, and the error is
	// [ErrReopened].
	Generation uint64
	// Timeout is how long the device may take.
	Timeout time.Duration
	// Pause is what passes on the line before the request at least, and
	// UnitPause what passes before it if the last one was to another unit.
	Pause, UnitPause time.Duration
}

// ErrReopened is that the line was closed since its generation was proven: what
// it says now may be the answer to an older question.
var ErrReopened = errors.New("the line was opened anew")

// ErrDown is that the line cannot be opened.
var ErrDown = errors.New("the line cannot be opened")

// An Answer is what a unit said.
type Answer struct {
	// Data are the values of a read, as they came: registers of two bytes,
	// the higher one first; coils from the lowest bit up.
	Data []byte
	// Generation grows each time the line is opened anew, after whatever was
	// not a sound answer. Question and answer are proven to match only within
	// one.
	Generation uint64
}

// Turn waits until nobody else has the turn, and returns how to end it. Who has it
// asks several things in a row without the others' faults between them; all
// users of a line that do so keep to it.
func (l *Line) Turn(ctx context.Context) (end func(), err error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type job struct {
	Request
	ctx    context.Context
	act    action
	result chan result // of capacity 1
}

type action int

const (
	ask action = iota
	distrust
	hangup
)

type result struct {
	Answer
	err error
}

// Ask sends a request when its turn has come and waits for the answer. An
// [Exception] is the device's no; after every other error the line is closed,
// drained and opened anew before the next request. If ctx ends while the request
// is under way, the error is ctx's, and a write may still be carried out.
func (l *Line) Ask(ctx context.Context, r Request) (Answer, error) {
	a, err := l.do(job{Request: r, ctx: ctx})
	if err != nil {
		return Answer{}, fmt.Errorf("%s: unit %d: %s %d: %w", l.settings, r.Unit, r.Function, r.Address, err)
	}
	return a, nil
}

// Distrust makes the line be opened anew, unless it was since generation.
func (l *Line) Distrust(ctx context.Context, generation uint64, quiet time.Duration) error {
	_, err := l.do(job{Request: Request{Generation: generation, Timeout: quiet}, ctx: ctx, act: distrust})
	return err
}

// Hangup closes a TCP connection until the next request, for devices that have
// few. It is no reason for a new generation.
func (l *Line) Hangup(ctx context.Context) error {
	_, err := l.do(job{ctx: ctx, act: hangup})
	return err
}

func (l *Line) do(j job) (Answer, error) {
	if err := j.ctx.Err(); err != nil {
		return Answer{}, err
	}
	j.result = make(chan result, 1)
	select {
	case l.jobs <- j:
	case <-j.ctx.Done():
		return Answer{}, j.ctx.Err()
	}
	select {
	case r := <-j.result:
		return r.Answer, r.err
	case <-j.ctx.Done():
		return Answer{}, j.ctx.Err()
	}
}

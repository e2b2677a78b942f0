// Package agent is what runs on each node: its sensors, its orders, and what it
// does by itself when it hears no more.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/swarm"
)

// A Machine is the computer that the agent runs on. Each method returns once the
// system took the order, or says why it did not; it may be called again.
type Machine interface {
	// Halt powers the machine off.
	Halt(ctx context.Context) error
	// Park brings it to where power may go at any moment: containers and
	// engine stopped, everything on disk, file systems read-only. Before
	// that it arms a timer that starts the machine again after longest, in
	// place of one that is armed already; [ErrTimer] is that none is then.
	Park(ctx context.Context, longest time.Duration) error
	// Reboot starts a machine again, also a parked one.
	Reboot(ctx context.Context) error
}

// An Alarm is the clock of the machine that the agent runs on.
type Alarm interface {
	// SetAlarm makes the clock start a machine that is off after so long,
	// and reads back that it will.
	SetAlarm(after time.Duration) error
}

// Config is what an agent is made of.
type Config struct {
	Node    string
	BootID  string
	Model   string
	Machine Machine
	Engine  swarm.Engine // nil: there is none
	// Sensors are read; those that are Outputs, by their configured names,
	// are also switched. Alarm is nil where no clock can start the machine.
	Sensors []Sensor
	Outputs map[string]drivers.Switcher
	Alarm   Alarm
	Clock   clock.Clock
	Log     *slog.Logger
}

// An Agent is one node's. It is the [link.Listener] of the connection; Run and
// the connection run at the same time.
type Agent struct {
	c    Config
	kick chan struct{}

	mu     sync.Mutex
	lease  link.Lease
	heard  time.Time // when the lease came
	parked bool
	orders map[string]*order
	recent []string // ids of orders, oldest first
	work   sync.WaitGroup
	ended  bool
	// restart is when a parked machine was last told to start again.
	restart time.Time
	// untimed is for how long the timer of a parked machine that has none is to
	// be armed, and tried when that was tried last; 0 is that it has one.
	untimed time.Duration
	tried   time.Time
	parking chan struct{} // has a token while nobody parks
}

// restartEvery is how often a parked machine that was released is told to start
// again, as long as it runs: the service manager needs its time.
const restartEvery = 30 * time.Second

// An order runs or has run. The same order said again joins it.
type order struct {
	result *link.Result
	wait   []func(link.Result)
}

// keepOrders is how many results are kept for orders that are said again.
const keepOrders = 100

// New makes an agent.
func New(c Config) *Agent {
	a := &Agent{c: c, kick: make(chan struct{}, 1), orders: map[string]*order{}, parking: make(chan struct{}, 1)}
	a.parking <- struct{}{}
	return a
}

// Self implements [link.Listener].
func (a *Agent) Self() link.Peer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return link.Peer{Node: a.c.Node, BootID: a.c.BootID, Parked: a.parked, Model: a.c.Model, Engine: a.c.Engine != nil, Clock: a.c.Alarm != nil}
}

// Leased implements [link.Listener].
func (a *Agent) Leased(l link.Lease) {
	a.mu.Lock()
	changed := a.lease.Power != l.Power || a.lease.Phase != l.Phase
	a.lease, a.heard = l, a.c.Clock.Now()
	a.mu.Unlock()
	if changed {
		a.c.Log.Info("lease", "power", l.Power, "phase", l.Phase, "outage", l.Outage, "park_after", l.ParkAfter)
	}
	a.wake()
}

// wake has Run look again at what is to be done, and when.
func (a *Agent) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// Run keeps the lease and runs the sensors until ctx ends, and waits for the
// orders that were begun. report takes their readings.
func (a *Agent) Run(ctx context.Context, report func(drivers.Reading)) error {
	ctx, cancel := context.WithCancel(ctx)
	var sensors sync.WaitGroup
	for _, s := range a.c.Sensors {
		sensors.Go(func() { a.sense(ctx, s, report) })
	}
	defer func() {
		cancel()
		sensors.Wait()
		a.mu.Lock()
		a.ended = true
		a.mu.Unlock()
		a.work.Wait()
	}()
	for {
		a.keep(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.kick:
		case <-a.c.Clock.After(a.untilSilent()):
		}
	}
}

// untilSilent is how long until the lease runs out, or a timer is to be armed.
func (a *Agent) untilSilent() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.untimed > 0 {
		return armEvery
	}
	if a.lease.ParkAfter <= 0 || a.parked {
		return time.Minute
	}
	return max(0, a.lease.ParkAfter-a.c.Clock.Now().Sub(a.heard))
}

// keep does what the lease says: a parked node starts again when it is released,
// and a node that heard nothing for too long on battery parks by itself. On
// mains silence means nothing: a dead controller stops no node.
func (a *Agent) keep(ctx context.Context) {
	a.mu.Lock()
	l, parked, untimed := a.lease, a.parked, a.untimed
	arm := untimed > 0 && a.c.Clock.Now().Sub(a.tried) >= armEvery
	silent := l.ParkAfter > 0 && a.c.Clock.Now().Sub(a.heard) >= l.ParkAfter
	a.mu.Unlock()
	switch {
	case parked && l.Release:
		a.mu.Lock()
		again := a.restart.IsZero() || a.c.Clock.Now().Sub(a.restart) >= restartEvery
		if again {
			a.restart = a.c.Clock.Now()
		}
		a.mu.Unlock()
		if !again {
			return
		}
		a.c.Log.Info("released: starting again")
		if err := a.c.Machine.Reboot(ctx); err != nil {
			a.c.Log.Error("parked, but cannot start again", "err", err)
		}
	case arm:
		ctx, cancel := context.WithTimeout(ctx, parkTime)
		defer cancel()
		if err := a.park(ctx, untimed, true); err != nil {
			a.c.Log.Error("parked, but nothing starts it again", "err", err)
		}
	case silent && !parked:
		a.c.Log.Warn("nothing heard from the controller on battery: parking", "for", l.ParkAfter)
		ctx, cancel := context.WithTimeout(ctx, parkTime)
		defer cancel()
		if err := a.park(ctx, l.ParkLongest, false); err != nil {
			a.c.Log.Error("not parked", "err", err)
			a.mu.Lock()
			a.heard = a.c.Clock.Now() // try again after another silence
			a.mu.Unlock()
		}
	}
}

// Ordered implements [link.Listener].
func (a *Agent) Ordered(ctx context.Context, o link.Order, done func(link.Result)) {
	a.mu.Lock()
	if have := a.orders[o.ID]; have != nil {
		if have.result == nil {
			have.wait = append(have.wait, done)
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		done(*have.result)
		return
	}
	if a.ended {
		a.mu.Unlock()
		done(link.Result{Err: "the agent is stopping"})
		return
	}
	run := &order{wait: []func(link.Result){done}}
	a.orders[o.ID] = run
	a.recent = append(a.recent, o.ID)
	if len(a.recent) > keepOrders {
		delete(a.orders, a.recent[0])
		a.recent = a.recent[1:]
	}
	a.work.Go(func() { a.carryOut(ctx, o, run) })
	a.mu.Unlock()
}

func (a *Agent) carryOut(ctx context.Context, o link.Order, run *order) {
	quiet := o.Verb == link.SwarmSnapshot
	if !quiet {
		a.c.Log.Info("order", "verb", o.Verb, "order", o.ID, "outage", o.Outage, "reason", o.Reason)
	}
	data, err := a.do(ctx, o)
	r := link.Result{ID: o.ID, Data: data}
	if err != nil {
		r.Err = err.Error()
		level := slog.LevelWarn
		if quiet {
			level = slog.LevelDebug // it is asked again and again; the controller says when the Swarm is lost from view
		}
		a.c.Log.Log(ctx, level, "order not done", "verb", o.Verb, "order", o.ID, "err", err)
	}
	a.mu.Lock()
	run.result = &r
	if err != nil || quiet {
		delete(a.orders, o.ID) // said again, it is tried again
	}
	wait := run.wait
	a.mu.Unlock()
	for _, done := range wait {
		done(r)
	}
}

func (a *Agent) do(ctx context.Context, o link.Order) (json.RawMessage, error) {
	switch o.Verb {
	case link.HaltNode:
		return nil, a.halt(ctx, o.Args)
	case link.ParkNode:
		var args link.ParkArgs
		if err := json.Unmarshal(o.Args, &args); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Verb, err)
		}
		return nil, a.park(ctx, time.Duration(args.LongestMS)*time.Millisecond, true)
	case link.RebootNode:
		return nil, a.c.Machine.Reboot(ctx)
	case link.PulseOutput, link.CycleOutput:
		return nil, a.output(ctx, o)
	}
	if a.c.Engine == nil {
		if o.Verb == link.SwarmSnapshot {
			return json.Marshal(swarm.Snapshot{Role: "none"})
		}
		return nil, errors.New("this node has no container engine")
	}
	return a.engine(ctx, o)
}

// halt sets the alarm before anything is stopped: a node that nothing would start
// again stays on.
func (a *Agent) halt(ctx context.Context, data json.RawMessage) error {
	var args link.HaltArgs
	if len(data) > 0 {
		if err := json.Unmarshal(data, &args); err != nil {
			return fmt.Errorf("%s: %w", link.HaltNode, err)
		}
	}
	if after := time.Duration(args.WakeAfterMS) * time.Millisecond; after > 0 {
		if a.c.Alarm == nil {
			return errors.New("not halted: no clock of this node could start it again")
		}
		if err := a.c.Alarm.SetAlarm(after); err != nil {
			return fmt.Errorf("not halted: setting the alarm that starts it again: %w", err)
		}
		a.c.Log.Info("alarm set", "after", after)
	}
	a.clear(ctx)
	return a.c.Machine.Halt(ctx)
}

// output switches an output of this node.
func (a *Agent) output(ctx context.Context, o link.Order) error {
	var args link.OutputArgs
	if err := json.Unmarshal(o.Args, &args); err != nil {
		return fmt.Errorf("%s: %w", o.Verb, err)
	}
	s := a.c.Outputs[args.Sensor]
	if s == nil {
		return fmt.Errorf("%s: %w: no sensor %q with outputs in the agent's configuration", o.Verb, drivers.ErrNoOutput, args.Sensor)
	}
	d := time.Duration(args.ForMS) * time.Millisecond
	if o.Verb == link.CycleOutput {
		return drivers.Cycle(ctx, s, args.Output, d, a.c.Clock.After)
	}
	return s.Pulse(ctx, args.Output, d)
}

func (a *Agent) engine(ctx context.Context, o link.Order) (json.RawMessage, error) {
	switch o.Verb {
	case link.StopContainers:
		n, err := a.c.Engine.StopContainers(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(n)
	case link.SwarmSnapshot:
		s, err := a.c.Engine.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(s)
	case link.SwarmChange:
		var changes []swarm.Change
		if err := json.Unmarshal(o.Args, &changes); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Verb, err)
		}
		return nil, a.c.Engine.Change(ctx, changes)
	case link.SwarmDrained:
		var ids []string
		if err := json.Unmarshal(o.Args, &ids); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Verb, err)
		}
		left, err := a.c.Engine.AwaitDrained(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("%d tasks still run: %w", len(left), err)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("unknown verb %q: this agent is older than its controller", o.Verb)
}

// Package controller owns the state of the rack: it feeds the policy what
// drivers and agents say, carries out its effects, and hands out snapshots.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// Agents is how the controller reaches its agents.
type Agents interface {
	// Order sends an order and waits for its result; it wraps
	// [link.ErrNotConnected] if the node has no connection and
	// [link.ErrLost] if the connection ended before the result came.
	Order(ctx context.Context, node string, o link.Order) (link.Result, error)
	// Kick sends every agent its lease now.
	Kick()
}

// Journal is where the state survives.
type Journal interface {
	Save(name string, v any) error
	Load(name string, v any) (bool, error)
	Append(events ...rack.Event) error
}

// UPS is one configured UPS.
type UPS struct {
	Name   string
	Kind   string
	Feeds  []string
	Driver drivers.Driver
}

// A Sensor is one configured driver of something that is no UPS, on the
// controller's own machine.
type Sensor struct {
	Name   string
	Driver drivers.Driver
}

// A Waker is what starts a node that is off: an output of one of the controller's
// own sensors or, where Node is set, of that node's.
type Waker struct {
	Node, Sensor, Output string
}

// Config is what a controller is made of.
type Config struct {
	Site  string
	Rules policy.Rules
	// UPS lists them; the one that Rules.UPS names feeds the nodes.
	UPS []UPS
	// Sensors are the rack's. Wakers are by the node that they start, and Meter
	// names the meter of all that the feeding UPS's outlets feed; NodeMeters
	// are by the meter's name the node that it measures.
	Sensors    []Sensor
	Wakers     map[string]Waker
	Meter      string
	NodeMeters map[string]string
	Models     map[string]string // of the nodes, by name
	Agents     Agents
	Journal    Journal
	Clock      clock.Clock
	BootID     string
	Log        *slog.Logger
	// Wall is the wall clock, for people; nil where it is not set.
	Wall func() time.Time
	// Tell is called with every line of the story, from the loop: it must
	// not block.
	Tell func(rack.Event)
	// Notify tells the service manager; see sd_notify(3). May be nil.
	Notify func(state string)
	// Watchdog is how often Notify is to hear WATCHDOG=1; 0 is never.
	Watchdog time.Duration
	// Poll is how often the Swarm is looked at; during an outage thrice as
	// often. 0 is 10 s.
	Poll time.Duration
}

// A Controller runs the decision loop. Make it with [New].
type Controller struct {
	c     Config
	in    chan any
	begun chan struct{} // closed when there is a first snapshot
	ended chan struct{} // closed when Run has ended: nobody takes from in any more

	// What follows belongs to the loop.
	base     time.Duration // what turns the clock's line into the controller's
	state    policy.State
	saved    policy.State
	unsaved  bool      // the journal did not take the last state
	made     time.Time // when the newest snapshot was made
	stale    bool      // something came after it
	ups      map[string]*rack.UPS
	upsAt    map[string]time.Time
	nodes    map[string]*rack.Node
	unwoken  []string          // nodes whose wake method nothing here drives
	parts    map[string]*parts // by node; of the rack under ""
	troubles map[string]trouble
	disputed map[string]time.Duration // since when a witness and the UPS disagree
	measured map[string]time.Duration // when a meter of the configuration told watts last; at first, when this run began
	swarm    swarm.Snapshot
	swarmAt  time.Duration
	problems map[string]rack.Problem
	began    time.Time // wall clock of the outage's beginning
	last     *rack.Outage
	cancels  map[string]context.CancelFunc
	work     sync.WaitGroup

	mu       sync.Mutex
	snapshot rack.Snapshot
	lease    link.Lease
	subs     map[chan struct{}]bool
	events   []rack.Event // the newest, for the control socket
	eventN   int
}

// record is what the journal holds.
type record struct {
	State policy.State  `json:"state"`
	Base  time.Duration `json:"base"`
	Began time.Time     `json:"began"`
	Last  *rack.Outage  `json:"last,omitempty"`
}

// New makes a controller; Run starts it.
func New(c Config) *Controller {
	if c.Poll == 0 {
		c.Poll = 10 * time.Second
	}
	if c.Wall == nil {
		c.Wall = wall
	}
	ctl := &Controller{
		c: c, in: make(chan any, 64), begun: make(chan struct{}), ended: make(chan struct{}),
		ups: map[string]*rack.UPS{}, upsAt: map[string]time.Time{}, nodes: map[string]*rack.Node{},
		problems: map[string]rack.Problem{}, troubles: map[string]trouble{}, parts: map[string]*parts{"": {}}, disputed: map[string]time.Duration{}, cancels: map[string]context.CancelFunc{}, subs: map[chan struct{}]bool{},
	}
	for _, u := range c.UPS {
		ctl.ups[u.Name] = &rack.UPS{Name: u.Name, Driver: u.Kind, Feeds: u.Feeds}
	}
	ctl.c.Rules.Nodes = slices.Clone(c.Rules.Nodes)
	for i, n := range c.Rules.Nodes {
		_, has := c.Wakers[n.Name]
		if n.Wake == "rtc" || !has && (n.Wake == "gpio" || n.Wake == "relay") {
			// Whatever is switched off has to be switched on again. That a
			// node has a clock is known when its agent says so.
			ctl.c.Rules.Nodes[i].Wake = "ups"
		}
		if !has && (n.Wake == "gpio" || n.Wake == "relay") {
			ctl.unwoken = append(ctl.unwoken, n.Name)
		}
		ctl.parts[n.Name] = &parts{}
		ctl.nodes[n.Name] = &rack.Node{Name: n.Name, Model: c.Models[n.Name], Tier: n.Tier, Wake: n.Wake, UPSHost: n.UPSHost, State: "unknown"}
	}
	return ctl
}

// wall is the wall clock, or zero on a machine whose clock was never set: a Pi
// without a battery starts in the past.
func wall() time.Time {
	if now := time.Now(); now.Year() >= 2026 {
		return now
	}
	return time.Time{}
}

// What reaches the loop, beside policy's own events.
type (
	reading struct {
		ups string
		r   drivers.Reading
	}
	contact struct {
		ups string
		err error
	}
	sensed struct {
		sensor string
		r      drivers.Reading
	}
	senseless struct {
		sensor string
		err    error
	}
	peerIn struct {
		peer link.Peer
		lost bool
		err  error
	}
	reportIn struct {
		node string
		r    drivers.Reading
	}
	swarmIn struct {
		s   swarm.Snapshot
		err error
	}
	resultIn struct {
		r policy.Result
	}
	operate struct {
		order, by string
		answer    chan error
	}
)

// Run runs the controller until ctx ends, and waits for all that it started. It
// is called once.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.ended)
	if err := c.resume(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer func() {
		cancel()
		parts.Wait()
		c.work.Wait()
	}()
	c.step(ctx, policy.Started{BootID: c.c.BootID})
	c.publish()
	close(c.begun)
	for _, u := range c.c.UPS {
		parts.Go(func() { c.driveUPS(ctx, u) })
	}
	for _, s := range c.c.Sensors {
		parts.Go(func() { c.driveSensor(ctx, s) })
	}
	parts.Go(func() { c.watchSwarm(ctx) })
	c.notify("READY=1")
	return c.loop(ctx)
}

func (c *Controller) loop(ctx context.Context) error {
	for {
		c.publish()
		c.notify("WATCHDOG=1")
		select {
		case <-ctx.Done():
			c.notify("STOPPING=1")
			return ctx.Err()
		case in := <-c.in:
			c.take(ctx, in)
		case <-c.c.Clock.After(c.untilWake()):
			c.step(ctx, policy.Tick{})
		}
	}
}

// untilWake is how long the loop may sleep: until the policy wants a tick, but
// no longer than the snapshot may grow old and the watchdog be kept waiting.
func (c *Controller) untilWake() time.Duration {
	d := 5 * time.Second
	if c.c.Watchdog > 0 {
		d = min(d, c.c.Watchdog/3)
	}
	if c.stale {
		d = min(d, time.Second-c.c.Clock.Now().Sub(c.made))
	}
	if at, ok := policy.Wake(c.c.Rules, c.state); ok {
		d = min(d, at-c.now())
	}
	return max(d, 0)
}

// now is the time on the controller's line.
func (c *Controller) now() time.Duration { return c.base + c.c.Clock.Line() }

// resume reads the journal. Within one boot the line of time goes on as it was;
// after a reboot it goes on from the last entry, since nobody measured the gap.
func (c *Controller) resume() error {
	c.state = policy.Initial()
	var r record
	ok, err := c.c.Journal.Load("controller", &r)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if ok && r.State.Version != policy.Version {
		return fmt.Errorf("resume: the journal has version %d, this program knows %d: use the program that wrote it, or move the state directory away", r.State.Version, policy.Version)
	}
	if ok {
		c.state, c.base, c.began, c.last = r.State.Clone(), r.Base, r.Began, r.Last
		c.saved = c.state.Durable()
		if c.state.BootID != c.c.BootID {
			c.base = c.state.Now + time.Second - c.c.Clock.Line()
		}
		c.c.Log.Info("resumed", "phase", c.state.Phase, "armed", c.state.Armed)
	}
	c.meters()
	return nil
}

// step gives the policy an event, makes its state durable, and starts what it
// wants.
func (c *Controller) step(ctx context.Context, what policy.What) {
	before := c.state.Phase
	had := c.state.Outage != nil
	state, effects := policy.Step(c.c.Rules, c.state, policy.Event{At: c.now(), What: what})
	c.state = state
	if state.Outage != nil && !had {
		c.began = c.c.Wall()
	}
	if state.Outage == nil && had {
		c.closed()
	}
	if state.Phase != before {
		c.c.Log.Info("phase", "from", before, "to", state.Phase)
	}
	c.save(effects)
	c.setLease()
	for _, e := range effects {
		c.carryOut(ctx, e)
	}
}

// save writes the state if it differs from what is written by more than the
// readings. A disk that is full or read-only does not stop the shutdown: it is
// a problem that people are told.
func (c *Controller) save(effects []policy.Effect) {
	durable := c.state.Durable()
	durable.Effects = c.saved.Effects
	same := reflect.DeepEqual(durable, c.saved)
	if same && !c.unsaved && !acts(effects) {
		return
	}
	err := c.c.Journal.Save("controller", record{State: c.state, Base: c.base, Began: c.began, Last: c.last})
	if err != nil {
		if !c.unsaved {
			c.c.Log.Error("the journal cannot be written; going on without it", "err", err)
		}
		c.unsaved = true
		c.problems["journal"] = rack.Problem{Code: "journal", Severity: "critical", Text: "the state cannot be saved: " + err.Error(),
			Remedy: "free space on the disk of the state directory, or make it writable"}
		return
	}
	if c.unsaved {
		c.c.Log.Info("the journal can be written again")
	}
	c.unsaved = false
	delete(c.problems, "journal")
	c.saved = c.state.Durable()
}

func acts(effects []policy.Effect) bool {
	for _, e := range effects {
		if e.Kind != policy.Tell && e.Kind != policy.Cancel {
			return true
		}
	}
	return false
}

func (c *Controller) setLease() {
	l := policy.LeaseFor(c.c.Rules, c.state)
	lease := link.Lease{Outage: l.Outage, Power: string(l.Power), Phase: string(l.Phase), ParkAfter: l.ParkAfter, ParkLongest: l.ParkLongest, Release: l.Release}
	if lease.Power == "" {
		lease.Power = "unknown"
	}
	c.mu.Lock()
	old := c.lease
	c.lease = lease
	c.mu.Unlock()
	if old.Power != lease.Power || old.Phase != lease.Phase || old.Release != lease.Release || old.Outage != lease.Outage {
		c.c.Agents.Kick()
	}
}

// LeaseFor is the lease of a node now; [link.Server] asks for it at each beat.
// It may be called from any goroutine.
func (c *Controller) LeaseFor(string) link.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lease
}

func (c *Controller) notify(state string) {
	if c.c.Notify != nil {
		c.c.Notify(state)
	}
}

// send gives the loop something, unless ctx ends first.
func (c *Controller) send(ctx context.Context, in any) {
	select {
	case c.in <- in:
	case <-ctx.Done():
	case <-c.ended:
	}
}

// Operate gives an operator's order: arm, observe, abort. by is who gave it. It
// returns why the order changes nothing, or nil once it was taken.
func (c *Controller) Operate(ctx context.Context, order, by string) error {
	answer := make(chan error, 1)
	c.send(ctx, operate{order, by, answer})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return errEnded
	}
}

// errEnded is the answer of a controller that is being stopped.
var errEnded = errors.New("the controller is stopping")

// errNoManager is what becomes of an effect on the Swarm where no manager's
// agent is connected.
var errNoManager = errors.New("no manager of the Swarm is connected")

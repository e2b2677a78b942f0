//go:build !node

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"lastwatt/agent"
	"lastwatt/config"
	"lastwatt/controller"
	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/link"
	"lastwatt/policy"
	"lastwatt/sim"
)

// machines starts and stops what runs on the demo's nodes: an agent on each, and
// the controller on the first.
type machines struct {
	d    *demoRun
	cfg  config.Config
	work sync.WaitGroup

	stops map[string]func() // owned by the goroutine that runs the rack

	mu     sync.Mutex
	ctl    *controller.Controller
	server *link.Server
	joined map[string]bool
}

// demoConfig is the configuration that the demo's controller reads.
const demoConfig = `
site: demo
ups:
  - name: main
    driver: sim
    address: %q
    feeds: [node01, node02, node03, node04, switch]
    cut: true
    cuts_on_mains: true
nodes:
  node01: {model: pi5, wake: ups, ups_host: true, tier: 2}
  node02: {model: pi5, wake: ups, tier: 2}
  node03: {model: pi5, wake: ups}
  node04: {model: pi5, wake: ups}
policy:
  stages:
    - {name: early, charge: 70, shed: [node04], by: idle}
    - {name: all}
swarm: {need: 2}
mqtt: {broker: "tcp://%s"}
controller: {listen: %q, state_dir: %q, control_socket: %q}
`

func newMachines(d *demoRun) (*machines, error) {
	text := fmt.Sprintf(demoConfig, "unix:"+filepath.Join(d.dir, "ups.sock"), d.broker, d.agents, filepath.Join(d.dir, "state"), d.socket())
	cfg, err := config.Parse("demo.yaml", []byte(text), all.Kinds())
	if err != nil {
		return nil, err
	}
	return &machines{d: d, cfg: cfg, stops: map[string]func(){}, joined: map[string]bool{}}, nil
}

// power starts what runs on a node whose system began to run, and kills what ran
// on one that ceased to. Only the goroutine that runs the rack calls it and stop.
func (m *machines) power(ctx context.Context, p sim.Power) {
	name := p.Node.Name()
	if !p.Up {
		if stop := m.stops[name]; stop != nil {
			stop()
			delete(m.stops, name)
		}
		return
	}
	ctx, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	if name == m.cfg.Nodes[0].Name {
		ended.Go(func() { m.runController(ctx, p.Node.BootID()) })
	}
	ended.Go(func() { m.runAgent(ctx, p.Node) })
	m.work.Go(ended.Wait)
	m.stops[name] = func() {
		stop()
		ended.Wait()
	}
}

func (m *machines) stop() {
	for _, stop := range m.stops {
		stop()
	}
	m.work.Wait()
}

func (m *machines) controller() *controller.Controller {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ctl
}

func (m *machines) runController(ctx context.Context, boot string) {
	h := hostOf{Clock: m.d.clock, BootID: boot, Log: m.d.log.With("node", "node01", "part", "controller"), Tell: m.d.tell}
	h.Ready = func(c *controller.Controller, s *link.Server) {
		m.set(c, s)
		if err := c.Operate(ctx, "arm", "the demo"); err == nil {
			m.d.log.Info("armed")
		}
	}
	err := runController(ctx, m.cfg, h)
	m.set(nil, nil)
	if ctx.Err() == nil {
		m.d.mark("The controller ended: " + err.Error())
	}
}

func (m *machines) set(c *controller.Controller, s *link.Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctl, m.server = c, s
}

// runAgent joins the node the first time, then runs its agent.
func (m *machines) runAgent(ctx context.Context, n *sim.Node) {
	log := m.d.log.With("node", n.Name(), "part", "agent")
	dir := filepath.Join(m.d.dir, n.Name())
	for !m.isJoined(n.Name()) {
		if err := m.join(ctx, n.Name(), dir); err != nil {
			log.Debug("not joined yet", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(leastBeat):
			}
		}
	}
	c := agent.Config{Node: n.Name(), BootID: n.BootID(), Model: "simulated", Machine: n, Engine: m.d.rack.Swarm.Engine(n.Name()),
		Sensors: []agent.Sensor{{Name: "board", Driver: simSensor{m.d, n}}}, Clock: m.d.clock, Log: log}
	if err := runAgent(ctx, c, m.d.agents, dir); ctx.Err() == nil {
		log.Error("agent ended", "err", err)
	}
}

func (m *machines) isJoined(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.joined[node]
}

func (m *machines) join(ctx context.Context, node, dir string) error {
	m.mu.Lock()
	server := m.server
	m.mu.Unlock()
	if server == nil {
		return fmt.Errorf("the controller does not run yet")
	}
	token, err := server.NewToken(node, time.Hour)
	if err != nil {
		return err
	}
	if _, err := link.Join(ctx, token, node, dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joined[node] = true
	return nil
}

// simSensor is what a simulated node says of itself.
type simSensor struct {
	d *demoRun
	n *sim.Node
}

// Run implements [drivers.Driver].
func (s simSensor) Run(ctx context.Context, report func(drivers.Reading)) error {
	for {
		report(drivers.Reading{At: s.d.clock.Now(), Fact: drivers.Node{Model: "simulated Pi 5", Temperature: new(drivers.Celsius(48))}})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.d.clock.After(30 * time.Second):
		}
	}
}

// report says how the outage went, for people or for programs.
func (d *demoRun) report() error {
	s, ok := d.snapshot()
	counts := d.rack.Counts()
	r := demoReport{Kind: "report", Outage: s.Last}
	for _, c := range counts {
		r.Nodes = append(r.Nodes, demoNode{c.Node, c.Clean, c.Dirty, c.Off.Seconds(), c.State})
		if c.Dirty > 0 {
			r.Broken = append(r.Broken, fmt.Sprintf("invariant 4: %s lost power while it ran", c.Node))
		}
		if c.State != "up" {
			r.Broken = append(r.Broken, fmt.Sprintf("invariant 6: %s is %s", c.Node, c.State))
		}
	}
	if ok && s.Phase != string(policy.Mains) {
		r.Broken = append(r.Broken, "the outage did not end: phase "+s.Phase)
	}
	r.Restored = ok && d.restored(s)
	if !r.Restored {
		r.Broken = append(r.Broken, "invariant 7: not everything runs as before")
	}
	if r.OK = len(r.Broken) == 0; r.OK {
		r.Broken = []string{}
	}
	if d.json {
		d.printLine(r)
	} else {
		d.printReport(r)
	}
	if !r.OK {
		return errNotRestored
	}
	return nil
}

type demoReport struct {
	Kind     string     `json:"kind"`
	OK       bool       `json:"ok"`
	Restored bool       `json:"restored"`
	Broken   []string   `json:"invariants_broken"`
	Nodes    []demoNode `json:"nodes"`
	Outage   any        `json:"outage"`
}

type demoNode struct {
	Name  string  `json:"name"`
	Clean int     `json:"clean_stops"`
	Dirty int     `json:"dirty_stops"`
	OffS  float64 `json:"off_s"`
	State string  `json:"state"`
}

func (d *demoRun) printReport(r demoReport) {
	d.say("\nReport")
	if s, ok := d.snapshot(); ok && s.Last != nil {
		d.say(fmt.Sprintf("  outage %s: %s in all, %s on battery, committed %v, outlets cut %v", s.Last.ID, policy.Short(s.Last.Elapsed), policy.Short(s.Last.OnBattery), s.Last.Committed, s.Last.Cut))
	}
	for _, n := range r.Nodes {
		d.say(fmt.Sprintf("  %s: stopped clean %d times, dirty %d times, off for %s, now %s", n.Name, n.Clean, n.Dirty, policy.Short(time.Duration(n.OffS*float64(time.Second))), n.State))
	}
	for _, b := range r.Broken {
		d.say("  BROKEN: " + b)
	}
	if r.OK {
		d.say("  Every service is back, every node was stopped clean, and nothing else was touched.")
	}
}

package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
)

// RackParams are what a rack is.
type RackParams struct {
	UPS      UPSParams
	Nodes    []NodeParams
	Services []Service
	// Base is what the outlets feed beside the nodes: switch and fans.
	Base drivers.Watt
}

// Reference is the rack that Lastwatt is built for: four Raspberry Pis, three
// managers and a worker, a web service, a switch and two fans behind a small
// UPS.
func Reference() RackParams {
	p := RackParams{
		UPS:  UPSParams{Battery: ReferenceBattery(), NominalWatts: 720, CutsOnMains: true},
		Base: 8,
		Services: []Service{
			{Name: "web", Replicas: 4, Stop: 4700 * time.Millisecond},
			{Name: "db", Replicas: 1, Stop: 8 * time.Second},
			{Name: "logs", Global: true, Stop: 2 * time.Second},
		},
	}
	for i := range 4 {
		p.Nodes = append(p.Nodes, NodeParams{Name: fmt.Sprintf("node%02d", i+1), Manager: i < 3, Idle: 4.5, Busy: 9.9, Off: 1.4,
			Boot: 35 * time.Second, Halt: 14 * time.Second})
	}
	return p
}

// A Rack is a UPS, its nodes and their Swarm.
type Rack struct {
	UPS   *UPS
	Nodes []*Node
	Swarm *Swarm
	p     RackParams
	clock clock.Clock

	mu   sync.Mutex
	load drivers.Watt
	rpm  float64
}

// NewRack makes a rack on mains with everything running.
func NewRack(p RackParams, clk clock.Clock) *Rack {
	r := &Rack{UPS: NewUPS(p.UPS), p: p, clock: clk}
	for _, n := range p.Nodes {
		r.Nodes = append(r.Nodes, newNode(n))
	}
	r.Swarm = newSwarm(clk, r.Nodes, p.Services)
	return r
}

// A Power change is a node whose system began or ceased to run.
type Power struct {
	Node *Node
	Up   bool
}

// Run moves the rack's time on until ctx ends. changed is called, from Run's
// goroutine, with each node whose system began or ceased to run, and first with
// all that run at the start.
func (r *Rack) Run(ctx context.Context, changed func(Power)) error {
	was := map[*Node]string{}
	last := r.clock.Now()
	for {
		now := r.clock.Now()
		d := now.Sub(last)
		last = now
		r.advance(d)
		for _, n := range r.Nodes {
			is := ""
			if n.Up() {
				is = n.BootID()
			}
			if is != was[n] {
				if was[n] != "" {
					changed(Power{n, false})
				}
				if is != "" {
					changed(Power{n, true})
				}
				was[n] = is
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.clock.After(200 * time.Millisecond):
		}
	}
}

func (r *Rack) advance(d time.Duration) {
	on := r.UPS.Outlets()
	load := drivers.Watt(0)
	for _, n := range r.Nodes {
		n.setPower(on)
		load += n.advance(d, r.Swarm.busy(n.Name()))
	}
	r.Swarm.advance(d)
	if on {
		load += r.p.Base
	}
	r.UPS.SetLoad(load)
	r.UPS.Advance(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load, r.rpm = load, 0
	if on {
		r.rpm = 1450
	}
}

// Load is what the outlets feed now.
func (r *Rack) Load() drivers.Watt { r.mu.Lock(); defer r.mu.Unlock(); return r.load }

// Facts are the rack's fans and rails.
func (r *Rack) Facts() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	good := r.rpm > 0
	volts := func(v drivers.Volt) *drivers.Volt {
		if !good {
			v = 0
		}
		return &v
	}
	state := drivers.FanRunning
	if !good {
		state = drivers.FanOff
	}
	return []Line{
		{Fan: &drivers.Fan{Name: "top", RPM: new(r.rpm), State: state}},
		{Fan: &drivers.Fan{Name: "bottom", RPM: new(r.rpm), State: state}},
		{Rail: &drivers.Rail{Name: "5v", Volts: volts(5.07), Good: new(good)}},
		{Rail: &drivers.Rail{Name: "12v", Volts: volts(12.1), Good: new(good)}},
	}
}

// A Count is what became of a node.
type Count struct {
	Node               string
	Clean, Dirty, Boot int
	Off                time.Duration
	State              string
}

// Counts says how each node was stopped so far.
func (r *Rack) Counts() []Count {
	var counts []Count
	for _, n := range r.Nodes {
		n.mu.Lock()
		counts = append(counts, Count{n.p.Name, n.clean, n.dirty, n.boots, n.offFor, string(n.phase)})
		n.mu.Unlock()
	}
	return counts
}

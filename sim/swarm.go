package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/swarm"
)

// Service is one service of a simulated Swarm.
type Service struct {
	Name     string
	Global   bool
	Replicas int
	Stop     time.Duration // from the signal to gone
}

// A Swarm is a simulated Docker Swarm: it drains, reschedules, and needs a
// quorum for it. Its rack moves its time.
type Swarm struct {
	clock    clock.Clock
	nodes    []*Node
	services []Service

	mu     sync.Mutex
	avail  map[string]string // by node
	labels map[string]string
	leader string
	elect  time.Duration // until there is a leader
	tasks  []task
	ids    int
}

type task struct {
	id, service, node string // an empty node is pending
	state             string // starting, running, stopping
	left              time.Duration
	stop              time.Duration
}

// electionTime is what a Swarm took to find a new leader: 10 to 14 s, measured
// on dockerd 20.10.
const electionTime = 12 * time.Second

func newSwarm(clk clock.Clock, nodes []*Node, services []Service) *Swarm {
	s := &Swarm{clock: clk, nodes: nodes, services: services, avail: map[string]string{}, labels: map[string]string{}}
	for _, n := range nodes {
		s.avail[n.Name()] = "active"
	}
	s.leader = nodes[0].Name()
	s.advance(0)
	for i := range s.tasks {
		s.tasks[i].state = "running"
	}
	return s
}

func (s *Swarm) quorum() bool {
	all, there := 0, 0
	for _, n := range s.nodes {
		if n.p.Manager {
			all++
			if n.Serves() {
				there++
			}
		}
	}
	return there > all/2
}

func (s *Swarm) node(name string) *Node {
	for _, n := range s.nodes {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// advance moves its time on.
func (s *Swarm) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lead(d)
	for i := range s.tasks {
		t := &s.tasks[i]
		n := s.node(t.node)
		if n == nil {
			continue
		}
		if !n.Serves() {
			t.state = "lost"
			if s.leader != "" {
				t.node = ""
			}
			continue
		}
		t.left -= d
		switch {
		case t.state == "lost":
			t.state, t.left = "starting", 3*time.Second
		case t.state == "stopping" && t.left <= 0:
			t.node, t.state = "", ""
		case t.state == "starting" && t.left <= 0:
			t.state = "running"
		case t.state != "stopping" && s.leader != "" && s.avail[t.node] == "drain":
			t.state, t.left = "stopping", t.stop
		}
	}
	if s.leader != "" {
		s.schedule()
	}
}

func (s *Swarm) lead(d time.Duration) {
	if n := s.node(s.leader); n != nil && n.Serves() && s.quorum() {
		return
	}
	if s.leader != "" {
		s.leader, s.elect = "", electionTime
	}
	if !s.quorum() {
		s.elect = electionTime
		return
	}
	if s.elect -= d; s.elect <= 0 {
		for _, n := range s.nodes {
			if n.p.Manager && n.Serves() {
				s.leader = n.Name()
				return
			}
		}
	}
}

// schedule gives every task that waits a node, the one with the fewest.
func (s *Swarm) schedule() {
	count := map[string]int{}
	for _, t := range s.tasks {
		count[t.node]++
	}
	var open []string
	for _, n := range s.nodes {
		if n.Serves() && s.avail[n.Name()] == "active" {
			open = append(open, n.Name())
		}
	}
	for _, v := range s.services {
		if v.Global {
			s.spread(v, open)
			continue
		}
		have := 0
		for i := range s.tasks {
			t := &s.tasks[i]
			if t.service != v.Name {
				continue
			}
			have++
			if t.node == "" && len(open) > 0 {
				to := slices.MinFunc(open, func(a, b string) int { return count[a] - count[b] })
				count[to]++
				t.node, t.state, t.left = to, "starting", 3*time.Second
			}
		}
		for ; have < v.Replicas; have++ {
			s.add(v, "")
		}
	}
	s.tasks = slices.DeleteFunc(s.tasks, func(t task) bool { return t.node == "" && s.global(t.service) })
	if slices.ContainsFunc(s.tasks, func(t task) bool { return t.node == "" }) && len(open) > 0 {
		s.schedule()
	}
}

func (s *Swarm) spread(v Service, open []string) {
	for _, name := range open {
		if !slices.ContainsFunc(s.tasks, func(t task) bool { return t.service == v.Name && t.node == name }) {
			s.add(v, name)
		}
	}
}

func (s *Swarm) add(v Service, node string) {
	s.ids++
	s.tasks = append(s.tasks, task{id: fmt.Sprintf("task%d", s.ids), service: v.Name, node: node, state: "starting", left: 3 * time.Second, stop: v.Stop})
}

func (s *Swarm) global(name string) bool {
	return slices.ContainsFunc(s.services, func(v Service) bool { return v.Name == name && v.Global })
}

// busy is whether anything runs on the node.
func (s *Swarm) busy(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.tasks, func(t task) bool { return t.node == node })
}

// Running is how many tasks of the service run.
func (s *Swarm) Running(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running(service)
}

func (s *Swarm) running(service string) int {
	n := 0
	for _, t := range s.tasks {
		if t.service == service && (t.state == "running" || t.state == "stopping") {
			n++
		}
	}
	return n
}

// Engine is the Swarm as the engine of one node shows it.
func (s *Swarm) Engine(node string) swarm.Engine { return engine{s, node} }

type engine struct {
	s    *Swarm
	node string
}

var errNoLeader = errors.New("the swarm does not have a leader")

// Snapshot implements [swarm.Engine].
func (e engine) Snapshot(context.Context) (swarm.Snapshot, error) {
	s := e.s
	n := s.node(e.node)
	if !n.Serves() {
		return swarm.Snapshot{}, errors.New("the engine does not run")
	}
	v := swarm.Snapshot{Role: "worker", Self: "id-" + e.node}
	if !n.p.Manager {
		return v, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Role, v.Quorum = "manager", s.leader != ""
	if !v.Quorum {
		return v, nil
	}
	for _, n := range s.nodes {
		state := "down"
		if n.Serves() {
			state = "ready"
		}
		v.Nodes = append(v.Nodes, swarm.Node{ID: "id-" + n.Name(), Hostname: n.Name(), Manager: n.p.Manager, Leader: n.Name() == s.leader,
			Availability: s.avail[n.Name()], State: state, Outage: s.labels[n.Name()]})
	}
	for _, w := range s.services {
		x := swarm.Service{ID: "svc-" + w.Name, Name: w.Name, Mode: "replicated", Running: s.running(w.Name), Desired: w.Replicas}
		if w.Global {
			x.Mode, x.Desired = "global", 0
			for _, n := range s.nodes {
				if s.avail[n.Name()] == "active" && n.Serves() {
					x.Desired++
				}
			}
		}
		v.Services = append(v.Services, x)
	}
	return v, nil
}

// Change implements [swarm.Engine].
func (e engine) Change(_ context.Context, changes []swarm.Change) error {
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	if e.s.leader == "" {
		return errNoLeader
	}
	for _, c := range changes {
		name := c.NodeID[len("id-"):]
		e.s.avail[name], e.s.labels[name] = c.Availability, c.Outage
	}
	return nil
}

// AwaitDrained implements [swarm.Engine].
func (e engine) AwaitDrained(ctx context.Context, nodeIDs []string) ([]swarm.Task, error) {
	for {
		var left []swarm.Task
		e.s.mu.Lock()
		for _, t := range e.s.tasks {
			if t.node != "" && slices.Contains(nodeIDs, "id-"+t.node) && t.state != "lost" {
				left = append(left, swarm.Task{ID: t.id, Service: t.service, NodeID: "id-" + t.node, State: t.state})
			}
		}
		e.s.mu.Unlock()
		if len(left) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-e.s.clock.After(200 * time.Millisecond):
		}
	}
}

// StopContainers implements [swarm.Engine].
func (e engine) StopContainers(context.Context) (int, error) {
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	n := 0
	for i := range e.s.tasks {
		if e.s.tasks[i].node == e.node {
			e.s.tasks[i].node, e.s.tasks[i].state = "", ""
			n++
		}
	}
	return n, nil
}

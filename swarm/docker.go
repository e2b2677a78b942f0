package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	api "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"lastwatt/clock"
)

// callTime bounds one call of the engine: during an election NodeList was seen
// to hang for 14 s, and after a boot the first call for 39 s (dockerd 20.10).
const callTime = 40 * time.Second

// settle is how often what is awaited is looked at.
const settle = 250 * time.Millisecond

// updateTries is how often a change that lost a race for the node's version is
// made again.
const updateTries = 5

// Docker is the engine of this node, by its API. It implements [Engine].
type Docker struct {
	client *client.Client
	clock  clock.Clock
}

// NewDocker reaches the engine at host; empty is the local socket. Nothing is
// connected yet.
func NewDocker(host string, clk clock.Clock) (*Docker, error) {
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	c, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, fmt.Errorf("engine at %q: %w", host, err)
	}
	return &Docker{client: c, clock: clk}, nil
}

// Snapshot implements [Engine].
func (d *Docker) Snapshot(ctx context.Context) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	info, err := d.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Snapshot{}, fmt.Errorf("ask the engine: %w", err)
	}
	self := info.Info.Swarm
	s := Snapshot{Self: self.NodeID, Role: "worker"}
	switch self.LocalNodeState {
	case api.LocalNodeStateInactive, "":
		s.Role = "none"
		return s, nil
	case api.LocalNodeStateLocked:
		s.Role, s.Locked = "manager", true
		return s, nil
	}
	if !self.ControlAvailable {
		if self.Error != "" && len(self.RemoteManagers) > 0 && hasManager(self.RemoteManagers, self.NodeID) {
			s.Role = "manager"
		}
		return s, nil
	}
	s.Role = "manager"
	nodes, err := d.client.NodeList(ctx, client.NodeListOptions{})
	if noLeader(err) {
		return s, nil
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the Swarm's nodes: %w", err)
	}
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if noLeader(err) {
		return s, nil
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("list the Swarm's services: %w", err)
	}
	s.Quorum = true
	for _, n := range nodes.Items {
		s.Nodes = append(s.Nodes, toNode(n))
	}
	for _, v := range services.Items {
		s.Services = append(s.Services, toService(v))
	}
	return s, nil
}

func hasManager(managers []api.Peer, self string) bool {
	for _, m := range managers {
		if m.NodeID == self {
			return true
		}
	}
	return false
}

// noLeader is whether the engine said that the managers have no quorum: it does
// so with status 500 and this text, and no better sign (dockerd 20.10 to 29).
func noLeader(err error) bool {
	return err != nil && strings.Contains(err.Error(), "does not have a leader")
}

func toNode(n api.Node) Node {
	v := Node{ID: n.ID, Hostname: n.Description.Hostname, Availability: string(n.Spec.Availability), State: string(n.Status.State), Outage: n.Spec.Labels[OutageLabel]}
	if m := n.ManagerStatus; m != nil {
		v.Manager, v.Leader = true, m.Leader
	}
	return v
}

func toService(s api.Service) Service {
	v := Service{ID: s.ID, Name: s.Spec.Name, Mode: "replicated"}
	switch {
	case s.Spec.Mode.Global != nil:
		v.Mode = "global"
	case s.Spec.Mode.GlobalJob != nil:
		v.Mode = "global-job"
	case s.Spec.Mode.ReplicatedJob != nil:
		v.Mode = "replicated-job"
	}
	if st := s.ServiceStatus; st != nil {
		v.Running, v.Desired = int(st.RunningTasks), int(st.DesiredTasks)
	}
	return v
}

// Change implements [Engine].
func (d *Docker) Change(ctx context.Context, changes []Change) error {
	errs := make([]error, len(changes))
	var all sync.WaitGroup
	for i, c := range changes {
		// In parallel: activated one by one, everything lands on the first.
		all.Go(func() { errs[i] = d.change(ctx, c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *Docker) change(ctx context.Context, c Change) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for try := 1; ; try++ {
		r, err := d.client.NodeInspect(ctx, c.NodeID, client.NodeInspectOptions{})
		if err != nil {
			return fmt.Errorf("inspect node %s: %w", c.NodeID, err)
		}
		spec := r.Node.Spec
		if string(spec.Availability) == c.Availability && spec.Labels[OutageLabel] == c.Outage {
			return nil
		}
		// An update replaces the whole spec: what was inspected goes back
		// with just our two fields changed.
		labels := map[string]string{}
		for k, v := range spec.Labels {
			labels[k] = v
		}
		delete(labels, OutageLabel)
		if c.Outage != "" {
			labels[OutageLabel] = c.Outage
		}
		spec.Labels, spec.Availability = labels, api.NodeAvailability(c.Availability)
		_, err = d.client.NodeUpdate(ctx, c.NodeID, client.NodeUpdateOptions{Version: r.Node.Version, Spec: spec})
		if err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "update out of sequence") || try == updateTries {
			return fmt.Errorf("set node %s to %s: %w", c.NodeID, c.Availability, err)
		}
	}
}

// AwaitDrained implements [Engine]. Tasks are the only truth: replicas move,
// there are no events, and jobs are not drained at all.
func (d *Docker) AwaitDrained(ctx context.Context, nodeIDs []string) ([]Task, error) {
	var left []Task // as last seen: a look that ctx cuts short tells nothing
	for {
		now, err := d.running(ctx, nodeIDs)
		if err == nil {
			left = now
		}
		if err == nil && len(left) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return left, errors.Join(err, context.Cause(ctx))
		case <-d.clock.After(settle):
		}
	}
}

// running lists what a drain still waits for.
func (d *Docker) running(ctx context.Context, nodeIDs []string) ([]Task, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	nodes, err := d.client.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Swarm's nodes: %w", err)
	}
	down := map[string]bool{}
	for _, n := range nodes.Items {
		// The states of a lost node's tasks never change any more.
		down[n.ID] = n.Status.State == api.NodeStateDown
	}
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Swarm's services: %w", err)
	}
	job, names := map[string]bool{}, map[string]string{}
	for _, v := range services.Items {
		job[v.ID] = v.Spec.Mode.GlobalJob != nil || v.Spec.Mode.ReplicatedJob != nil
		names[v.ID] = v.Spec.Name
	}
	tasks, err := d.client.TaskList(ctx, client.TaskListOptions{Filters: make(client.Filters).Add("node", nodeIDs...)})
	if err != nil {
		return nil, fmt.Errorf("list the Swarm's tasks: %w", err)
	}
	var left []Task
	for _, t := range tasks.Items {
		if ended(t.Status.State) || down[t.NodeID] || job[t.ServiceID] {
			continue
		}
		left = append(left, Task{ID: t.ID, Service: names[t.ServiceID], NodeID: t.NodeID, State: string(t.Status.State)})
	}
	return left, nil
}

// ended is whether a task in this state is over.
func ended(s api.TaskState) bool {
	switch s {
	case api.TaskStateComplete, api.TaskStateShutdown, api.TaskStateFailed, api.TaskStateRejected, api.TaskStateRemove, api.TaskStateOrphaned:
		return true
	}
	return false
}

// StopContainers implements [Engine].
func (d *Docker) StopContainers(ctx context.Context) (int, error) {
	list, err := d.client.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return 0, fmt.Errorf("list the containers: %w", err)
	}
	errs := make([]error, len(list.Items))
	var all sync.WaitGroup
	for i, c := range list.Items {
		all.Go(func() {
			// Without a timeout of ours each has its own.
			if _, err := d.client.ContainerStop(ctx, c.ID, client.ContainerStopOptions{}); err != nil {
				errs[i] = fmt.Errorf("stop container %s: %w", c.ID[:min(12, len(c.ID))], err)
			}
		})
	}
	all.Wait()
	return len(list.Items), errors.Join(errs...)
}

package swarm

import (
	"context"
	"fmt"
	"time"

	api "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// Habits are what of a Swarm decides how an outage goes, as a manager tells it.
type Habits struct {
	// Role of the node that told it: manager, worker, or none. The rest is
	// known of a manager only.
	Role string `json:"role"`
	// Autolock is whether managers wait for a key after every start.
	Autolock bool    `json:"autolock"`
	Habits   []Habit `json:"services"`
}

// A Habit is one service's.
type Habit struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// Grace is how long its containers may take to stop; 0 is the engine's
	// default of 10 s.
	Grace time.Duration `json:"grace_ns"`
	// Ports are those that it publishes.
	Ports []uint32 `json:"ports,omitempty"`
}

// Habits asks the engine. On a worker, and without a Swarm, it returns the role
// alone.
func (d *Docker) Habits(ctx context.Context) (Habits, error) {
	s, err := d.Snapshot(ctx)
	if err != nil {
		return Habits{}, err
	}
	h := Habits{Role: s.Role, Autolock: s.Locked}
	if s.Role != "manager" || !s.Quorum {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	swarm, err := d.client.SwarmInspect(ctx, client.SwarmInspectOptions{})
	if err != nil {
		return h, fmt.Errorf("ask the Swarm: %w", err)
	}
	h.Autolock = swarm.Swarm.Spec.EncryptionConfig.AutoLockManagers
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return h, fmt.Errorf("list the Swarm's services: %w", err)
	}
	for _, v := range services.Items {
		h.Habits = append(h.Habits, toHabit(v))
	}
	return h, nil
}

func toHabit(s api.Service) Habit {
	h := Habit{Name: s.Spec.Name}
	if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
		h.Image = c.Image
		if c.StopGracePeriod != nil {
			h.Grace = *c.StopGracePeriod
		}
	}
	for _, p := range s.Endpoint.Ports {
		h.Ports = append(h.Ports, p.PublishedPort)
	}
	return h
}

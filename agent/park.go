package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// parkTime bounds the parking of a machine, from its timer on.
const parkTime = 2 * time.Minute

// armEvery is how often the timer of a parked machine that has none is armed.
const armEvery = 10 * time.Second

// clear stops what the drain left: jobs and containers that Swarm knows nothing
// of. It takes half of the time at most, and never holds the halt up.
func (a *Agent) clear(ctx context.Context) {
	if a.c.Engine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if n, err := a.c.Engine.StopContainers(ctx); err != nil {
		a.c.Log.Warn("containers not stopped; going on", "err", err)
	} else if n > 0 {
		a.c.Log.Info("containers stopped", "count", n)
	}
}

// park makes the machine safe to lose power. One that is parked already, by its
// lease perhaps, counts its longest time anew if that is wanted: the controller
// reckons with that of its own order. Where that fails it has no timer, and arms
// one by itself.
func (a *Agent) park(ctx context.Context, longest time.Duration, anew bool) error {
	if longest <= 0 {
		return errors.New("park: it needs a longest time")
	}
	select {
	case <-a.parking:
		defer func() { a.parking <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("park: it is being parked already: %w", ctx.Err())
	}
	a.mu.Lock()
	parked := a.parked
	a.mu.Unlock()
	switch {
	case !parked:
		a.clear(ctx)
	case !anew:
		return nil // an order was faster
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	// From here on it is finished, whatever becomes of the order: half a park
	// would leave a machine without its engine, or a timer that starts it while
	// it works.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parkTime)
	defer cancel()
	err := a.c.Machine.Park(ctx, longest)
	a.mu.Lock()
	a.parked, a.untimed, a.tried = a.parked || err == nil, 0, a.c.Clock.Now()
	if a.parked && errors.Is(err, ErrTimer) {
		a.untimed = longest
		defer a.wake()
	}
	a.mu.Unlock()
	if err != nil {
		return err
	}
	a.c.Log.Info("parked", "longest", longest)
	return nil
}

package alert

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"lastwatt/clock"
	"lastwatt/rack"
)

// An item is an event that waits to be told.
type item struct {
	event rack.Event
	since time.Time // on the clock of the target
}

// A target is told its events one after the other. All but queue and dropped
// belongs to the goroutine that runs it.
type target struct {
	name    string
	from    int
	deliver func(ctx context.Context, title, body string) error
	clock   clock.Clock
	log     *slog.Logger

	queue   chan item
	dropped atomic.Int64

	failing bool
}

func (t *target) offer(e rack.Event) {
	it := item{e, t.clock.Now()}
	for {
		select {
		case t.queue <- it:
			return
		default:
		}
		select {
		case <-t.queue:
			t.dropped.Add(1)
		default:
		}
	}
}

// giveUp is the age at which a message helps nobody any more.
const giveUp = 24 * time.Hour

// pauses are those before the second, third and fourth attempt and all later
// ones: a router that was without power is back within minutes.
func pauses() []time.Duration {
	return []time.Duration{30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
}

// run tells events until ctx ends; work ends a little later.
func (t *target) run(ctx, work context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case it := <-t.queue:
			t.tell(ctx, work, it)
		}
	}
	t.lastWords(work)
}

// tell tries until the event is told, too old, or ctx ends.
func (t *target) tell(ctx, work context.Context, it item) {
	all := pauses()
	for try := 0; !t.attempt(work, it); try++ {
		pause := all[min(try, len(all)-1)]
		if t.clock.Now().Add(pause).Sub(it.since) > giveUp {
			t.log.Warn("alert: given up after a day", "event", it.event.Kind)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.clock.After(pause):
		}
	}
}

// lastWords tries what still waits, until the first failure.
func (t *target) lastWords(work context.Context) {
	for !t.failing {
		select {
		case it := <-t.queue:
			t.attempt(work, it)
		default:
			return
		}
	}
}

// attempt tries once to tell an event and logs if the target is reachable now
// and was not before, or the other way round.
func (t *target) attempt(work context.Context, it item) bool {
	title, body := compose(it.event, t.clock.Now().Sub(it.since))
	err := t.deliver(work, title, body)
	switch {
	case err != nil && !t.failing:
		t.log.Warn("alert: not delivered; it is tried again for a day", "err", err)
	case err == nil && t.failing:
		t.log.Info("alert: delivered again")
	}
	if t.failing = err != nil; t.failing {
		return false
	}
	if n := t.dropped.Swap(0); n > 0 {
		t.log.Warn("alert: too many waited, the oldest were dropped", "count", n)
	}
	return true
}

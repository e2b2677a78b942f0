package drivers

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Orders carry commands from any goroutine to the one that has the device, and its
// answers back: the half of a [Commander] that is the same for all. The zero value
// is a device that is not open.
type Orders struct {
	mu  sync.Mutex
	now *taking // nil while the device is not open
}

// taking is one opening of the device.
type taking struct {
	orders chan Order
	ended  chan struct{} // closed when nobody takes orders any more
}

// An Order is a command on its way. Whoever receives it answers it, once.
type Order struct {
	Command
	// Ctx bounds it.
	Ctx    context.Context
	answer chan answered // of capacity 1
}

type answered struct {
	Answer
	err error
}

// Reply answers the order. It does not wait.
func (o Order) Reply(a Answer, err error) { o.answer <- answered{a, err} }

// Open lets orders in, until shut is called. The caller of Open receives them.
func (o *Orders) Open() (orders <-chan Order, shut func()) {
	t := &taking{make(chan Order), make(chan struct{})}
	o.set(t)
	return t.orders, func() {
		o.set(nil)
		close(t.ended)
	}
}

func (o *Orders) set(t *taking) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = t
}

// Do is [Commander]'s.
func (o *Orders) Do(ctx context.Context, c Command) (Answer, error) {
	if !slices.Contains(CommandNames(), c.Name) {
		return Answer{}, fmt.Errorf("order %q: %w; want one of %s", c.Name, ErrUnsupported, CommandNames())
	}
	o.mu.Lock()
	t := o.now
	o.mu.Unlock()
	if t == nil {
		return Answer{}, fmt.Errorf("order %q: %w", c.Name, ErrNotRunning)
	}
	order := Order{Command: c, Ctx: ctx, answer: make(chan answered, 1)}
	select {
	case t.orders <- order:
	case <-t.ended:
		return Answer{}, fmt.Errorf("order %q: %w", c.Name, ErrNotRunning)
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("order %q: %w", c.Name, ctx.Err())
	}
	// It was received, so that it is answered, also where the device is lost.
	select {
	case a := <-order.answer:
		return a.Answer, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-order.answer: // both at once
		return a.Answer, a.err
	default:
		return Answer{}, fmt.Errorf("order %q: no answer yet, it may still be carried out: %w", c.Name, ctx.Err())
	}
}

package drivers

import (
	"context"
	"fmt"
	"time"
)

// Cycle turns an output off for so long and on again, so that what it feeds starts
// anew. It is turned on again also where ctx ends before.
func Cycle(ctx context.Context, s Switcher, output string, off time.Duration, after func(time.Duration) <-chan time.Time) error {
	if err := s.Switch(ctx, output, false); err != nil {
		return fmt.Errorf("switching %q off: %w", output, err)
	}
	select {
	case <-after(off):
	case <-ctx.Done():
	}
	on, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchTime)
	defer cancel()
	if err := s.Switch(on, output, true); err != nil {
		return fmt.Errorf("switching %q on again: %w", output, err)
	}
	return ctx.Err()
}

// switchTime bounds the switching on that ends a cycle.
const switchTime = 10 * time.Second

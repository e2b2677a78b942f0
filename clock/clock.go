// Package clock is the daemon's own line of time: functions that are handed to
// whatever decides or waits, so that only the demo scales them.
package clock

import "time"

// A Clock tells and waits for time. Its zero value is not usable.
type Clock struct {
	// Now has Go's monotonic reading; only the difference of two of them has
	// a meaning for decisions.
	Now func() time.Time
	// Line is the time since the machine booted. Unlike Now it can be
	// compared across a restart of the process within one boot.
	Line func() time.Duration
	// After delivers once d has passed.
	After func(d time.Duration) <-chan time.Time
}

// Real is the time of the machine.
func Real() Clock { return Clock{Now: time.Now, Line: sinceBoot, After: time.After} }

// Scaled runs speed times as fast as the machine's time, from now on. Its waits
// are never below least of the machine's time.
func Scaled(speed float64, least time.Duration) Clock {
	start, line := time.Now(), sinceBoot()
	passed := func() time.Duration { return time.Duration(float64(time.Since(start)) * speed) }
	return Clock{
		Now:  func() time.Time { return start.Add(passed()) },
		Line: func() time.Duration { return line + passed() },
		After: func(d time.Duration) <-chan time.Time {
			return time.After(max(time.Duration(float64(d)/speed), least))
		},
	}
}

// Process is a clock whose line begins now: for tests inside a synctest bubble,
// where the machine's boot clock would be another one.
func Process() Clock {
	start := time.Now()
	return Clock{Now: time.Now, Line: func() time.Duration { return time.Since(start) }, After: time.After}
}

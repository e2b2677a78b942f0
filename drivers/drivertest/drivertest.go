// Package drivertest holds the tests that every driver passes.
package drivertest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
)

// A Rig is a driver with a device that is up.
type Rig struct {
	Driver drivers.Driver
	// Unplug takes the device away, and Plug brings it back; both nil if
	// this device cannot be unplugged.
	Unplug, Plug func()
}

// Run checks the promises of [drivers.Driver] in fake time, for drivers that
// wait on nothing but Go's timers and channels. build makes a rig; it is called
// once for each promise.
func Run(t *testing.T, build func(t *testing.T) Rig) {
	each(t, build, func(t *testing.T, test func(*testing.T)) { synctest.Test(t, test) })
}

// RunReal checks the same in real time, for drivers of real devices. It takes
// about a minute at most.
func RunReal(t *testing.T, build func(t *testing.T) Rig) {
	each(t, build, func(t *testing.T, test func(*testing.T)) { test(t) })
	t.Run("leaves no goroutine behind", func(t *testing.T) {
		r := build(t)
		first(t, r) // what a driver keeps for the life of the process starts here
		before := runtime.NumGoroutine()
		first(t, r)
		for range 3000 { // on a busy machine they take their time to end
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines after Run, %d before", runtime.NumGoroutine(), before)
	})
}

func each(t *testing.T, build func(t *testing.T) Rig, in func(*testing.T, func(*testing.T))) {
	for _, p := range []struct {
		name  string
		check func(*testing.T, Rig)
	}{
		{"reports within a minute, in its own goroutine", reports},
		{"runs again", runsAgain},
		{"cancelled before it starts", cancelledFirst},
		{"unplugged while it runs", unplugged},
		{"takes no orders while it does not run", orders},
	} {
		t.Run(p.name, func(t *testing.T) { in(t, func(t *testing.T) { p.check(t, build(t)) }) })
	}
}

// first runs the driver until its first reading and checks how it ends.
func first(t *testing.T, r Rig) drivers.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []drivers.Reading
	err := r.Driver.Run(ctx, func(reading drivers.Reading) {
		got = append(got, reading)
		cancel()
	})
	if len(got) == 0 {
		t.Fatalf("no reading in a minute: Run = %v", err)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want the error of its context", err)
	}
	return got[0]
}

func reports(t *testing.T, r Rig) {
	start := time.Now()
	got := first(t, r)
	if got.At.Before(start) || got.At.After(time.Now()) {
		t.Errorf("the reading is of %v, want a time between the start %v and now", got.At, start)
	}
	if got.Fact == nil {
		t.Error("the reading has no fact")
	}
}

func runsAgain(t *testing.T, r Rig) {
	for range 3 {
		first(t, r)
	}
}

func cancelledFirst(t *testing.T, r Rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.Driver.Run(ctx, func(drivers.Reading) { t.Error("it reported") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
}

func unplugged(t *testing.T, r Rig) {
	if r.Unplug == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := false
	err := r.Driver.Run(ctx, func(drivers.Reading) {
		if !out {
			out = true
			r.Unplug()
		}
	})
	if err == nil || ctx.Err() != nil {
		t.Errorf("Run = %v after the device was unplugged, want an error of its own within a minute", err)
	}
	if err := r.Driver.Run(ctx, func(drivers.Reading) {}); err == nil || ctx.Err() != nil {
		t.Errorf("Run = %v without a device, want an error at once", err)
	}
	if r.Plug != nil {
		r.Plug()
		first(t, r)
	}
}

func orders(t *testing.T, r Rig) {
	c, ok := r.Driver.(drivers.Commander)
	if !ok {
		return
	}
	first(t, r)
	if _, err := c.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, drivers.ErrNotRunning) {
		t.Errorf("Do = %v while the driver does not run, want %v", err, drivers.ErrNotRunning)
	}
}

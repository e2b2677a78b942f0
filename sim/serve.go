package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"time"

	"lastwatt/drivers"
)

// A Line is one line between a served UPS and package drivers/sim: a reading or
// an answer one way, a command the other.
type Line struct {
	UPS  *drivers.UPS  `json:"ups,omitempty"`
	Fan  *drivers.Fan  `json:"fan,omitempty"`
	Rail *drivers.Rail `json:"rail,omitempty"`

	ID    int                 `json:"id,omitempty"`
	Do    drivers.CommandName `json:"do,omitempty"`
	Delay time.Duration       `json:"delay_ns,omitempty"`
	Err   string              `json:"error,omitempty"`
}

// Facts are what is told beside the UPS at each poll.
type Facts func() []Line

// Serve lets drivers/sim read and command u over ln until ctx ends: a reading at
// each change and every poll.
func Serve(ctx context.Context, ln net.Listener, u *UPS, poll func() <-chan time.Time, facts Facts) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return ctx.Err()
			}
			return err
		}
		conns.Go(func() { serveOne(ctx, conn, u, poll, facts) })
	}
}

func serveOne(ctx context.Context, conn net.Conn, u *UPS, poll func() <-chan time.Time, facts Facts) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	changed := make(chan struct{}, 1)
	u.OnChange(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	var mu sync.Mutex
	out := json.NewEncoder(conn)
	send := func(l Line) bool {
		mu.Lock()
		defer mu.Unlock()
		return out.Encode(l) == nil
	}
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		defer cancel()
		for in := bufio.NewScanner(conn); in.Scan(); {
			var l Line
			if json.Unmarshal(in.Bytes(), &l) != nil {
				return
			}
			a, err := u.Do(drivers.Command{Name: l.Do, Delay: l.Delay})
			r := Line{ID: l.ID, Delay: a.Delay}
			if err != nil {
				r.Err = err.Error()
			}
			if !send(r) {
				return
			}
		}
	})
	for {
		f := u.Fact()
		lines := []Line{{UPS: &f}}
		if facts != nil {
			lines = append(lines, facts()...)
		}
		for _, l := range lines {
			if !send(l) {
				cancel()
			}
		}
		select {
		case <-ctx.Done():
			conn.Close()
			return
		case <-changed:
		case <-poll():
		}
	}
}

// Package sim is the driver of a UPS that exists only in memory: the device of
// the demo and of tests.
package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"lastwatt/drivers"
	rack "lastwatt/sim"
)

// Kind describes the driver.
func Kind() drivers.Kind {
	return drivers.Kind{Name: "sim", UPS: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		d := &Driver{options: o}
		if err := decode(&d.config); err != nil {
			return nil, err
		}
		if a := d.config.Address; a != "" && !strings.HasPrefix(a, "unix:") && !strings.HasPrefix(a, "tcp:") {
			return nil, fmt.Errorf("address: want unix:/path or tcp:host:port (got %q)", a)
		}
		if d.config.Poll == 0 {
			d.config.Poll = time.Second
		}
		return d, nil
	}}
}

// config is the driver's part of the configuration.
type config struct {
	// Address is where a simulated UPS is served; empty is one of its own,
	// for ever on mains.
	Address string        `yaml:"address"`
	Poll    time.Duration `yaml:"poll"`
}

// Driver implements [drivers.Commander].
type Driver struct {
	config  config
	options drivers.Options

	mu      sync.Mutex
	conn    net.Conn // nil while not open
	own     *rack.UPS
	ids     int
	waiting map[int]chan rack.Line
}

// Run implements [drivers.Driver].
func (d *Driver) Run(ctx context.Context, report func(drivers.Reading)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if d.config.Address == "" {
		return d.runOwn(ctx, report)
	}
	network, address, _ := strings.Cut(d.config.Address, ":")
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrNoDevice, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	d.open(conn)
	defer d.close()
	in := bufio.NewScanner(conn)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l rack.Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return fmt.Errorf("read the simulated UPS: %w", err)
		}
		d.take(l, report)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read the simulated UPS: %w", err)
	}
	return errors.New("the simulated UPS went away")
}

func (d *Driver) take(l rack.Line, report func(drivers.Reading)) {
	at := d.options.Now()
	switch {
	case l.ID > 0:
		d.mu.Lock()
		ch := d.waiting[l.ID]
		delete(d.waiting, l.ID)
		d.mu.Unlock()
		if ch != nil {
			ch <- l
		}
	case l.UPS != nil:
		report(drivers.Reading{At: at, Fact: *l.UPS})
	case l.Fan != nil:
		report(drivers.Reading{At: at, Fact: *l.Fan})
	case l.Rail != nil:
		report(drivers.Reading{At: at, Fact: *l.Rail})
	}
}

func (d *Driver) runOwn(ctx context.Context, report func(drivers.Reading)) error {
	u := rack.NewUPS(rack.UPSParams{Battery: rack.ReferenceBattery()})
	d.mu.Lock()
	d.own = u
	d.mu.Unlock()
	defer d.close()
	for {
		report(drivers.Reading{At: d.options.Now(), Fact: u.Fact()})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.options.After(d.config.Poll):
			u.Advance(d.config.Poll)
		}
	}
}

func (d *Driver) open(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.waiting = conn, map[int]chan rack.Line{}
}

func (d *Driver) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
	}
	for _, ch := range d.waiting {
		close(ch)
	}
	d.conn, d.own, d.waiting = nil, nil, nil
}

// Do implements [drivers.Commander].
func (d *Driver) Do(ctx context.Context, c drivers.Command) (drivers.Answer, error) {
	d.mu.Lock()
	if d.own != nil {
		defer d.mu.Unlock()
		return d.own.Do(c)
	}
	if d.conn == nil {
		d.mu.Unlock()
		return drivers.Answer{}, drivers.ErrNotRunning
	}
	d.ids++
	id, ch := d.ids, make(chan rack.Line, 1)
	d.waiting[id] = ch
	data, err := json.Marshal(rack.Line{ID: id, Do: c.Name, Delay: c.Delay})
	if err == nil {
		_, err = d.conn.Write(append(data, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, err)
	}
	select {
	case l, ok := <-ch:
		switch {
		case !ok:
			return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, drivers.ErrNotRunning)
		case l.Err == drivers.ErrUnsupported.Error():
			return drivers.Answer{}, fmt.Errorf("order %q: %w", c.Name, drivers.ErrUnsupported)
		case l.Err != "":
			return drivers.Answer{}, fmt.Errorf("order %q: %s", c.Name, l.Err)
		}
		return drivers.Answer{Delay: l.Delay}, nil
	case <-ctx.Done():
		return drivers.Answer{}, ctx.Err()
	}
}

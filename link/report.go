package link

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"lastwatt/drivers"
)

// Report sends a reading, if there is a connection. It goes out at once, together
// with what else is reported at the same moment.
func (c *Client) Report(r drivers.Reading) error {
	c.mu.Lock()
	w, reported := c.wire, c.reported
	c.mu.Unlock()
	if w == nil {
		return ErrNotConnected
	}
	p, err := toReport(r, c.Clock.Now())
	if err != nil {
		return err
	}
	if err := w.queue(frame{Report: &p}); err != nil {
		return err
	}
	select {
	case reported <- struct{}{}:
	default:
	}
	return nil
}

// carry has reports go out over w until the function that it returns is called.
func (c *Client) carry(w *wire) (end func()) {
	reported, over := make(chan struct{}, 1), make(chan struct{})
	c.mu.Lock()
	c.wire, c.reported = w, reported
	c.mu.Unlock()
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-reported:
			case <-over:
				return
			}
			if err := w.flush(); err != nil {
				w.conn.Close() // half a line may be out: the rest would be read as another
			}
		}
	})
	return func() {
		c.mu.Lock()
		c.wire = nil
		c.mu.Unlock()
		w.conn.Close()
		close(over)
		writing.Wait()
	}
}

// A report is a reading on its way: its age instead of its time, since clocks
// differ.
type report struct {
	Kind  string          `json:"kind"`
	AgeMS int64           `json:"age_ms"`
	Fact  json.RawMessage `json:"fact"`
}

func toReport(r drivers.Reading, now time.Time) (report, error) {
	data, err := json.Marshal(r.Fact)
	if err != nil {
		return report{}, err
	}
	kind := ""
	switch r.Fact.(type) {
	case drivers.UPS:
		kind = "ups"
	case drivers.Fan:
		kind = "fan"
	case drivers.Rail:
		kind = "rail"
	case drivers.Meter:
		kind = "meter"
	case drivers.Witness:
		kind = "witness"
	case drivers.Output:
		kind = "output"
	case drivers.Node:
		kind = "node"
	case drivers.Silent:
		kind = "silent"
	default:
		return report{}, fmt.Errorf("report: unknown fact %T", r.Fact)
	}
	return report{kind, max(0, now.Sub(r.At)).Milliseconds(), data}, nil
}

func (p report) reading(source string, now time.Time) (drivers.Reading, error) {
	r := drivers.Reading{Source: source, At: now.Add(-time.Duration(p.AgeMS) * time.Millisecond)}
	var err error
	switch p.Kind {
	case "ups":
		r.Fact, err = decode[drivers.UPS](p.Fact)
	case "fan":
		r.Fact, err = decode[drivers.Fan](p.Fact)
	case "rail":
		r.Fact, err = decode[drivers.Rail](p.Fact)
	case "meter":
		r.Fact, err = decode[drivers.Meter](p.Fact)
	case "witness":
		r.Fact, err = decode[drivers.Witness](p.Fact)
	case "output":
		r.Fact, err = decode[drivers.Output](p.Fact)
	case "node":
		r.Fact, err = decode[drivers.Node](p.Fact)
	case "silent":
		r.Fact, err = decode[drivers.Silent](p.Fact)
	default:
		err = fmt.Errorf("unknown kind %q", p.Kind)
	}
	if err != nil {
		return r, fmt.Errorf("report: %w", err)
	}
	return r, nil
}

func decode[T drivers.Fact](data []byte) (drivers.Fact, error) {
	var v T
	err := json.Unmarshal(data, &v)
	return v, err
}

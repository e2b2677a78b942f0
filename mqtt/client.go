package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"lastwatt/rack"
)

// A Client keeps a broker's topics equal to the newest snapshot. Make it with
// [NewClient]. Publish and Event may be called from any goroutine, before, while
// and after Run runs; Run only by one at a time.
type Client struct {
	cfg Config
	log *slog.Logger

	newest  chan rack.Snapshot // depth 1: a newer one replaces the older
	events  chan rack.Event
	dropped atomic.Int64 // events that found no room

	heartbeat  time.Duration // how often the whole state is sent again
	birthDelay time.Duration // see [Client.session]
	pause      time.Duration // before the second attempt to connect; then doubled
	leave      time.Duration // how long messages may still take once Run's ctx ended
}

// eventRoom is how many events wait for a broker that is away: some outages.
const eventRoom = 128

// NewClient makes a client. It connects to nothing, but an error says what is
// wrong with c or with the files it names.
func NewClient(c Config, log *slog.Logger) (*Client, error) {
	if _, err := c.clientOptions(); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return &Client{
		cfg: c, log: log,
		newest: make(chan rack.Snapshot, 1), events: make(chan rack.Event, eventRoom),
		heartbeat:  60 * time.Second,
		birthDelay: 10 * time.Second,
		pause:      time.Second,
		leave:      2 * time.Second,
	}, nil
}

// Publish makes s what the broker shall show. It never blocks.
func (c *Client) Publish(s rack.Snapshot) { push(c.newest, s) }

// Event publishes e once, in the order of the calls, later if the broker is
// away. It never blocks; of too many waiting events the oldest are dropped.
func (c *Client) Event(e rack.Event) { c.dropped.Add(push(c.events, e)) }

// push puts v into a channel with room, dropping the oldest if it has none, and
// says how many it dropped.
func push[T any](c chan T, v T) (dropped int64) {
	for {
		select {
		case c <- v:
			return dropped
		default:
		}
		select {
		case <-c:
			dropped++
		default:
		}
	}
}

// The pauses between attempts to connect grow to the longest. A connection that
// lasted steady long begins them anew.
const (
	longestPause = 60 * time.Second
	steady       = 30 * time.Second
)

// Run connects, publishes, and connects again whenever it must, until ctx ends;
// it then says "offline", disconnects, and returns ctx's error, within seconds
// whatever the broker does.
func (c *Client) Run(ctx context.Context) error {
	st := newState(c.cfg.options())
	pause, said := c.pause, ""
	for {
		began := time.Now()
		err := c.session(ctx, st, func() { said = "" })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if why := err.Error(); why != said {
			said = why
			c.log.Warn("mqtt: no connection; it is tried again until it works", "broker", c.cfg.Broker, "err", err)
		}
		if time.Since(began) > steady {
			pause = c.pause
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// jitter keeps clients apart that lost the same broker at the same moment.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4))
}

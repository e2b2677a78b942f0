package mqtt

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lastwatt/rack"
)

// A state is what the broker shall hold, across connections. It belongs to the
// goroutine that runs the client.
type state struct {
	options Options
	newest  *rack.Snapshot    // nil before the first
	sent    map[string][]byte // retained topics; nil for one that may be stale
	untold  []Message         // events that the broker has not confirmed
}

func newState(o Options) *state { return &state{options: o, sent: map[string][]byte{}} }

// forget makes everything due again: nobody knows what a broker that was away
// still holds.
func (st *state) forget() {
	for topic := range st.sent {
		st.sent[topic] = nil
	}
}

// due lists the messages that the broker does not hold yet. Topics that the
// newest snapshot no longer has are emptied. The status comes last of the state:
// nobody shall take old documents for fresh ones.
func (st *state) due() []Message {
	if st.newest == nil {
		return st.untold
	}
	all := append(Discovery(*st.newest, st.options), st.states()...)
	var due []Message
	wanted := make(map[string]bool, len(all))
	for _, m := range all {
		wanted[m.Topic] = true
		if !bytes.Equal(st.sent[m.Topic], m.Payload) {
			due = append(due, m)
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(st.sent)) {
		if !wanted[topic] {
			due = append(due, Message{Topic: topic, Retain: true, QoS: 1})
		}
	}
	return append(due, st.untold...)
}

// confirmed notes that the broker has all of what was due.
func (st *state) confirmed(ms []Message) {
	for _, m := range ms {
		switch {
		case !m.Retain:
		case len(m.Payload) == 0:
			delete(st.sent, m.Topic)
		default:
			st.sent[m.Topic] = m.Payload
		}
	}
	st.untold = nil
}

// states is all that the heartbeat sends again. That we are there is part of it:
// a broker that has two connections of ours for a moment, after a cut that it did
// not notice, may tell the older one's last will after the newer one's status.
func (st *state) states() []Message {
	if st.newest == nil {
		return nil
	}
	return append(Messages(*st.newest, st.options), st.status(online))
}

func (st *state) status(word string) Message {
	return Message{Topic: st.options.topic("status"), Payload: []byte(word), Retain: true, QoS: 1}
}

// session is one connection, from connecting until it is lost or ctx ends.
// connected is called once the broker has the whole state.
//
// When Home Assistant starts it says so on its birth topic. It has the retained
// documents anyway, unless its broker lost them, so the answer may wait: a
// discovery document that comes while Home Assistant still works on the same one
// is not read to its end.
func (c *Client) session(ctx context.Context, st *state, connected func()) error {
	lost, born := make(chan error, 1), make(chan struct{}, 1)
	client, err := connect(ctx, c.cfg, lost)
	if err != nil {
		return err
	}
	defer client.Disconnect(250)
	work, cancel := outlive(ctx, c.leave)
	defer cancel()
	b := broker{client, lost}
	if err := b.subscribe(work, c.birthTopic(), born); err != nil {
		return err
	}
	st.forget()
	c.takeNewest(st)
	if err := b.bring(work, st); err != nil {
		return err
	}
	c.log.Info("mqtt: connected", "broker", c.cfg.Broker)
	connected()
	if err := c.serve(ctx, work, b, st, born); err != nil {
		return err
	}
	if err := c.farewell(work, b, st); err != nil {
		c.log.Warn("mqtt: the broker did not hear that we leave", "broker", c.cfg.Broker, "err", err)
	}
	return ctx.Err()
}

// outlive is a context that ends d after ctx, so that a message on its way when
// ctx ends is neither lost nor sent twice.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() { stop(); cancel() }
}

// serve keeps the broker's state equal to the newest snapshot until ctx ends,
// which is no error, or the connection does.
func (c *Client) serve(ctx, work context.Context, b broker, st *state, born <-chan struct{}) (err error) {
	heartbeat := time.NewTicker(c.heartbeat)
	defer heartbeat.Stop()
	var answer <-chan time.Time
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case why := <-b.lost:
			return fmt.Errorf("connection lost: %w", why)
		case s := <-c.newest:
			st.newest = &s
			err = b.bring(work, st)
		case e := <-c.events:
			c.take(st, e)
			err = b.bring(work, st)
		case <-born:
			if answer == nil {
				answer = time.After(c.birthDelay)
			}
		case <-answer:
			answer = nil
			st.forget()
			err = b.bring(work, st)
		case <-heartbeat.C:
			err = b.publish(work, st.states())
		}
	}
	return err
}

// take notes an event together with the snapshot that it belongs to, so that who
// hears of the event can look.
func (c *Client) take(st *state, e rack.Event) {
	c.takeNewest(st)
	if n := c.dropped.Swap(0); n > 0 {
		c.log.Warn("mqtt: events were dropped while the broker was away", "count", n)
	}
	st.untold = append(st.untold, EventMessages(e, st.options)...)
}

func (c *Client) takeNewest(st *state) {
	select {
	case s := <-c.newest:
		st.newest = &s
	default:
	}
}

// farewell publishes what is still waiting and then that we are gone, which the
// last will does not do for a client that leaves by itself.
func (c *Client) farewell(work context.Context, b broker, st *state) error {
	c.takeNewest(st)
	for len(c.events) > 0 {
		c.take(st, <-c.events)
	}
	if err := b.bring(work, st); err != nil {
		return err
	}
	return b.publish(work, []Message{st.status(offline)})
}

func (c *Client) birthTopic() string {
	if c.cfg.BirthTopic != "" {
		return c.cfg.BirthTopic
	}
	return c.cfg.options().DiscoveryPrefix + "/status"
}

// A broker is one open connection; lost gets the reason when it ends.
type broker struct {
	client paho.Client
	lost   <-chan error
}

// subscribe has every birth message put a token into born. One that the broker
// retained is old: the whole state is published on connecting anyway.
func (b broker) subscribe(ctx context.Context, topic string, born chan<- struct{}) error {
	token := b.client.Subscribe(topic, 0, func(_ paho.Client, m paho.Message) {
		if m.Retained() || string(m.Payload()) != online {
			return
		}
		select {
		case born <- struct{}{}:
		default:
		}
	})
	limited, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if err := b.wait(limited, token); err != nil {
		return fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	return nil
}

// bring publishes all that is due.
func (b broker) bring(ctx context.Context, st *state) error {
	due := st.due()
	if err := b.publish(ctx, due); err != nil {
		return err
	}
	st.confirmed(due)
	return nil
}

// publish sends all messages and then waits until the broker has them. A broker
// that does not answer in time counts as lost.
func (b broker) publish(ctx context.Context, ms []Message) error {
	limited, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	var tokens []paho.Token
	for _, m := range ms {
		if limited.Err() != nil {
			break // each call may have blocked for writeTimeout
		}
		tokens = append(tokens, b.client.Publish(m.Topic, m.QoS, m.Retain, m.Payload))
	}
	for i, t := range tokens {
		if err := b.wait(limited, t); err != nil {
			return fmt.Errorf("publishing %s: %w", ms[i].Topic, err)
		}
	}
	return limited.Err()
}

func (b broker) wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case why := <-b.lost:
		return fmt.Errorf("connection lost: %w", why)
	case <-ctx.Done():
		return fmt.Errorf("waiting for the broker's answer: %w", ctx.Err())
	}
}

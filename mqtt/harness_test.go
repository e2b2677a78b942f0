package mqtt

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"

	"lastwatt/rack"
)

// A journal is a log that a test can read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// patience is how long a test waits for what takes milliseconds on a machine that
// has nothing else to do.
const patience = time.Minute

// eventually waits for what must come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

// startBroker runs an embedded broker until the returned function is called.
func startBroker(t *testing.T, c BrokerConfig) (addr string, stop func()) {
	t.Helper()
	b, err := NewBroker(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b.Addr().String(), running(t, b.Run)
}

// running calls run until the returned function is called, at the latest when
// the test ends.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != context.Canceled {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	t.Cleanup(stop)
	return stop
}

// newTestClient is a client that loses no time, and has enough of it to leave.
func newTestClient(t *testing.T, c Config) (*Client, *journal) {
	t.Helper()
	c.Site, c.Version = testOptions().Site, testOptions().Version
	log := &journal{}
	client, err := NewClient(c, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	client.pause, client.birthDelay, client.leave = 20*time.Millisecond, 20*time.Millisecond, patience/2
	return client, log
}

// A subscriber notes all that a broker says of our topics.
type subscriber struct {
	client paho.Client

	mu       sync.Mutex
	said     []Message
	retained map[string]string // what the broker holds
}

func subscribe(t *testing.T, broker string) *subscriber {
	t.Helper()
	return subscribeAs(t, broker, "", "")
}

func subscribeAs(t *testing.T, broker, user, password string) *subscriber {
	t.Helper()
	s := &subscriber{retained: map[string]string{}}
	o := paho.NewClientOptions().AddBroker("tcp://" + broker).SetProtocolVersion(4).SetAutoReconnect(false)
	s.client = paho.NewClient(o.SetUsername(user).SetPassword(password).SetConnectTimeout(patience))
	token := s.client.Connect()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("the subscriber cannot connect: %v", token.Error())
	}
	t.Cleanup(s.close)
	token = s.client.SubscribeMultiple(map[string]byte{"lastwatt/#": 1, "homeassistant/device/#": 1}, s.note)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("the subscriber cannot subscribe: %v", token.Error())
	}
	return s
}

func (s *subscriber) close() { s.client.Disconnect(50) }

func (s *subscriber) note(_ paho.Client, m paho.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, Message{Topic: m.Topic(), Payload: m.Payload(), Retain: m.Retained(), QoS: m.Qos()})
	switch {
	case m.Topic() == testOptions().topic("event"):
	case len(m.Payload()) == 0:
		delete(s.retained, m.Topic())
	default:
		s.retained[m.Topic()] = string(m.Payload())
	}
}

// payloads lists what was published on one topic, in order, without the copies
// of retained messages that a new subscriber gets.
func (s *subscriber) payloads(topic string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.said {
		if m.Topic == topic && !m.Retain {
			all = append(all, string(m.Payload))
		}
	}
	return all
}

func (s *subscriber) holds() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.retained)
}

// shown is what a broker shall retain of a snapshot.
func shown(s rack.Snapshot, status string) map[string]string {
	want := map[string]string{testOptions().topic("status"): status}
	for _, m := range append(Discovery(s, testOptions()), Messages(s, testOptions())...) {
		want[m.Topic] = string(m.Payload)
	}
	return want
}

// awaitShown waits until a broker retains exactly what it shall, and says what
// differs if it never does.
func awaitShown(t *testing.T, s *subscriber, want map[string]string) {
	t.Helper()
	for end := time.Now().Add(patience); !maps.Equal(s.holds(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the broker retains something else (-want +got):\n%s", cmp.Diff(want, s.holds()))
		}
	}
}

// A relay passes connections on until they are cut, as a pulled cable is for
// both sides.
type relay struct {
	listener net.Listener

	mu    sync.Mutex
	to    string
	conns []net.Conn
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.pass(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); r.cut(); all.Wait() })
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

func (r *relay) pass(from net.Conn) {
	r.mu.Lock()
	addr := r.to
	r.mu.Unlock()
	to, err := net.Dial("tcp", addr)
	if err != nil {
		from.Close()
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, from, to)
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(to, from); to.Close() })
	both.Go(func() { io.Copy(from, to); from.Close() })
	both.Wait()
}

// redirect sends later connections elsewhere.
func (r *relay) redirect(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

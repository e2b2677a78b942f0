package link

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
)

// memory keeps tokens in memory.
type memory struct {
	mu   sync.Mutex
	data map[string][]byte
}

func (m *memory) Save(name string, v any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := json.Marshal(v)
	m.data[name] = b
	return err
}

func (m *memory) Load(name string, v any) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.data[name]
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(b, v)
}

// heard notes what the controller hears.
type heard struct {
	connected, lost chan string
	reports         chan drivers.Reading
}

func (h *heard) Connected(p Peer)                   { h.connected <- p.Node + " " + p.BootID }
func (h *heard) Lost(node string, _ error)          { h.lost <- node }
func (h *heard) Report(_ string, r drivers.Reading) { h.reports <- r }
func (h *heard) next(t *testing.T, c chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing heard in a minute")
		return ""
	}
}

// worker is an agent that answers what it is told to.
type worker struct {
	boot   string
	leases chan Lease
	do     func(ctx context.Context, o Order) Result
	work   sync.WaitGroup
}

func (w *worker) Self() Peer { return Peer{BootID: w.boot} }
func (w *worker) Leased(l Lease) {
	select {
	case w.leases <- l:
	default:
	}
}
func (w *worker) Ordered(ctx context.Context, o Order, done func(Result)) {
	w.work.Go(func() { done(w.do(ctx, o)) })
}

// site is a controller's side that runs.
type site struct {
	t      *testing.T
	server *Server
	heard  *heard
	addr   string
}

func start(t *testing.T) *site {
	t.Helper()
	ca, err := OpenCA(filepath.Join(t.TempDir(), "ca"), "test")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, addr: ln.Addr().String(), heard: &heard{make(chan string, 64), make(chan string, 64), make(chan drivers.Reading, 64)}}
	s.server = NewServer(ServerConfig{CA: ca, Handler: s.heard, Lease: func(string) Lease { return Lease{Power: "mains", Phase: "mains"} },
		Tokens: &memory{data: map[string][]byte{}}, Advertise: s.addr, Clock: clock.Real(), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { s.server.Serve(ctx, ln) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return s
}

func (s *site) join(node string) string {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), node)
	token, err := s.server.NewToken(node, time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := Join(s.t.Context(), token, node, dir); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// run runs a client until the test ends or stop is called.
func (s *site) run(node, dir string, w *worker) (c *Client, stop func()) {
	c = &Client{Addr: s.addr, Node: node, Dir: dir, Agent: w, Clock: clock.Real(), Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); running.Wait(); w.work.Wait() }) }
	s.t.Cleanup(stop)
	return c, stop
}

func newWorker(boot string) *worker {
	return &worker{boot: boot, leases: make(chan Lease, 8), do: func(_ context.Context, o Order) Result {
		return Result{Data: json.RawMessage(`"` + string(o.Verb) + `"`)}
	}}
}

func TestATokenIsGoodOnceForItsNode(t *testing.T) {
	s := start(t)
	token := func(node string, d time.Duration) string {
		line, err := s.server.NewToken(node, d)
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	used := token("node02", time.Hour)
	if _, err := Join(t.Context(), used, "node02", t.TempDir()); err != nil {
		t.Fatal(err)
	}
	other := start(t)
	foreign, err := parseToken(token("node02", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	foreign.Addr = other.addr
	for _, c := range []struct{ name, token, node, want string }{
		{"used", used, "node02", "the token is used, expired or unknown"},
		{"expired", token("node02", -time.Second), "node02", "the token is used, expired or unknown"},
		{"of another node", token("node03", time.Hour), "node02", `the token is for node "node03", not for "node02"`},
		{"of another site", foreign.String(), "node02", "certificate"},
		{"cut off", used[:40], "node02", "token: it is damaged: copy the whole line"},
		{"no token", "hello", "node02", `token: it does not begin with "lwt1-"`},
		{"a name that is none", token("", time.Hour), "../etc", `node name "../etc": want letters, digits and hyphens`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Join(t.Context(), c.token, c.node, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Join = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAnOrderReachesItsNodeAndItsResultComesBack(t *testing.T) {
	s := start(t)
	w := newWorker("boot-1")
	c, stop := s.run("node02", s.join("node02"), w)
	if got := s.heard.next(t, s.heard.connected); got != "node02 boot-1" {
		t.Fatalf("connected: %q", got)
	}
	r, err := s.server.Order(t.Context(), "node02", Order{ID: "e1", Verb: HaltNode, Lifetime: time.Minute})
	if err != nil || string(r.Data) != `"node.halt"` || r.ID != "e1" {
		t.Errorf("Order = %+v, %v", r, err)
	}
	if l := <-w.leases; l.Power != "mains" {
		t.Errorf("lease = %+v", l)
	}
	if err := c.Report(drivers.Reading{At: time.Now(), Fact: drivers.Node{Model: "pi5"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-s.heard.reports; got.Fact.(drivers.Node).Model != "pi5" {
		t.Errorf("report = %+v", got)
	}
	if _, err := s.server.Order(t.Context(), "node03", Order{ID: "e2", Verb: HaltNode, Lifetime: time.Minute}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("Order to a node that is not there = %v", err)
	}
	stop()
	if got := s.heard.next(t, s.heard.lost); got != "node02" {
		t.Errorf("lost: %q", got)
	}
}

func TestAnOrderIsGivenUpWithItsLifetimeAndItsCaller(t *testing.T) {
	s := start(t)
	w := newWorker("b")
	ended := make(chan error, 4)
	w.do = func(ctx context.Context, o Order) Result {
		<-ctx.Done()
		ended <- ctx.Err()
		return Result{Err: "given up"}
	}
	s.run("node02", s.join("node02"), w)
	s.heard.next(t, s.heard.connected)
	r, err := s.server.Order(t.Context(), "node02", Order{ID: "e1", Verb: ParkNode, Lifetime: 50 * time.Millisecond})
	if err != nil || r.Err != "given up" {
		t.Errorf("Order = %+v, %v", r, err)
	}
	<-ended
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.server.Order(ctx, "node02", Order{ID: "e2", Verb: ParkNode, Lifetime: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Order = %v, want the caller's deadline", err)
	}
	<-ended
	if r, err := s.server.Order(t.Context(), "node02", Order{ID: "e3", Verb: ParkNode}); err != nil || !r.Refused || r.Err != "refused: its lifetime is over" {
		t.Errorf("an order without a lifetime: %+v, %v", r, err)
	}
}

func TestAnOrderIsLostWithItsConnection(t *testing.T) {
	s := start(t)
	w := newWorker("b")
	began := make(chan struct{})
	w.do = func(ctx context.Context, o Order) Result { close(began); <-ctx.Done(); return Result{} }
	_, stop := s.run("node02", s.join("node02"), w)
	s.heard.next(t, s.heard.connected)
	go func() { <-began; stop() }()
	if _, err := s.server.Order(t.Context(), "node02", Order{ID: "e1", Verb: HaltNode, Lifetime: time.Hour}); !errors.Is(err, ErrLost) {
		t.Errorf("Order = %v, want %v", err, ErrLost)
	}
}

func TestANodeThatConnectsAgainReplacesItself(t *testing.T) {
	s := start(t)
	dir := s.join("node02")
	_, stop := s.run("node02", dir, newWorker("b1"))
	s.heard.next(t, s.heard.connected)
	stop()
	s.run("node02", dir, newWorker("b2"))
	for got := ""; got != "node02 b2"; {
		got = s.heard.next(t, s.heard.connected)
	}
	if r, err := s.server.Order(t.Context(), "node02", Order{ID: "e1", Verb: RebootNode, Lifetime: time.Minute}); err != nil || r.Err != "" {
		t.Errorf("Order = %+v, %v", r, err)
	}
}

func TestWhoHasNoCertificateOfThisSiteIsNobody(t *testing.T) {
	s, other := start(t), start(t)
	dir := other.join("node02")
	_, stop := s.run("node02", dir, newWorker("b"))
	defer stop()
	select {
	case got := <-s.heard.connected:
		t.Errorf("connected with a certificate of another site: %q", got)
	case <-time.After(700 * time.Millisecond):
	}
	if _, err := s.server.Order(t.Context(), "node02", Order{ID: "e1", Verb: HaltNode, Lifetime: time.Minute}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("Order = %v", err)
	}
}

func TestAGuardLetsNothingOldThrough(t *testing.T) {
	g := guard{node: "node02", session: "s"}
	for _, c := range []struct {
		name, session string
		seq           uint64
		node, want    string
	}{
		{"the first", "s", 1, "node02", ""},
		{"said again", "s", 1, "node02", "it is number 1 and number 1 was already here"},
		{"older", "s", 0, "node02", "it is number 0 and number 1 was already here"},
		{"of another session", "old", 9, "node02", "it is of another session"},
		{"for another node", "s", 9, "node03", `it is for node "node03", this is "node02"`},
		{"the next", "s", 2, "node02", ""},
	} {
		got := ""
		if err := g.check(c.session, c.seq, c.node); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// paper notes what is written to it.
type paper struct {
	net.Conn
	writes []string
	err    error
}

func (p *paper) SetWriteDeadline(time.Time) error { return nil }
func (p *paper) Write(b []byte) (int, error) {
	p.writes = append(p.writes, string(b))
	return len(b), p.err
}

func TestWhatIsReportedAtOneMomentIsOneWriteAndBeforeWhatIsSentLater(t *testing.T) {
	p := &paper{}
	w := &wire{conn: p}
	for _, id := range []string{"a", "b", "c"} {
		if err := w.queue(frame{Cancel: id}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`{"cancel":"a"}` + "\n" + `{"cancel":"b"}` + "\n" + `{"cancel":"c"}` + "\n"}
	if err := w.flush(); err != nil || !slices.Equal(p.writes, want) {
		t.Errorf("written: %q, %v, want %q", p.writes, err, want)
	}
	if err := errors.Join(w.queue(frame{Cancel: "d"}), w.send(frame{Cancel: "e"}), w.flush()); err != nil {
		t.Fatal(err)
	}
	if want = append(want, `{"cancel":"d"}`+"\n"+`{"cancel":"e"}`+"\n"); !slices.Equal(p.writes, want) {
		t.Errorf("written: %q, want %q", p.writes, want)
	}
}

func TestReadingsReachTheControllerInTheirOrder(t *testing.T) {
	s := start(t)
	w := newWorker("b1")
	c, stop := s.run("node02", s.join("node02"), w)
	defer stop()
	s.heard.next(t, s.heard.connected)
	<-w.leases // both sides are connected
	const many = 50
	for i := range many {
		if err := c.Report(drivers.Reading{At: time.Now(), Fact: drivers.Fan{Name: "top", Lost: uint64(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range many {
		select {
		case r := <-s.heard.reports:
			if f, ok := r.Fact.(drivers.Fan); !ok || f.Lost != uint64(i) || r.Source != "node02" {
				t.Fatalf("reading %d is %+v", i, r)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("only %d of %d readings came", i, many)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"hello":{"protocol":1}}` + "\n"))
	f.Add([]byte("\n\n{"))
	f.Add([]byte(strings.Repeat("x", 1000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() { theirs.Write(data); theirs.Close() }()
		w := &wire{conn: ours, r: bufio.NewReader(ours)}
		for range 100 {
			if _, err := w.receive(); err != nil {
				return
			}
		}
	})
}

func TestEveryFactCrossesTheLinkWithItsAge(t *testing.T) {
	now := time.Now()
	for _, f := range []drivers.Fact{
		drivers.UPS{Model: "x"}, drivers.Fan{Name: "top", State: drivers.FanStalled}, drivers.Rail{Name: "5v", Good: new(false)},
		drivers.Meter{Name: "m", Method: "measured AC"}, drivers.Witness{Name: "w", Mains: new(true)},
		drivers.Output{Name: "o", On: new(true), Fault: "it was set off and reads on"}, drivers.Node{Model: "Raspberry Pi 5"},
		drivers.Silent{Name: "pins", Why: "no such chip"},
	} {
		sent, err := toReport(drivers.Reading{At: now.Add(-3 * time.Second), Fact: f}, now)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := sent.reading("node02", now)
		if err != nil || !reflect.DeepEqual(got, drivers.Reading{Source: "node02", At: now.Add(-3 * time.Second), Fact: f}) {
			t.Errorf("%T: %+v, %v", f, got, err)
		}
	}
}

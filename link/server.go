package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
)

// A Handler hears of the agents. Its methods are called from the connections'
// goroutines and must not block for long.
type Handler interface {
	Connected(Peer) // also when something about a connected peer changed
	Lost(node string, err error)
	Report(node string, r drivers.Reading)
}

// ServerConfig is what a [Server] is made of.
type ServerConfig struct {
	CA      *CA
	Handler Handler
	// Lease is asked at each beat for the lease of a node.
	Lease func(node string) Lease
	// Tokens keeps the tokens; Advertise is the address they name.
	Tokens    Tokens
	Advertise string
	Clock     clock.Clock
	Log       *slog.Logger
}

// A Server is the controller's side. Make it with [NewServer].
type Server struct {
	c        ServerConfig
	tokensMu sync.Mutex

	mu    sync.Mutex
	peers map[string]*peer
	conns sync.WaitGroup
}

// NewServer makes a server; Serve starts it.
func NewServer(c ServerConfig) *Server { return &Server{c: c, peers: map[string]*peer{}} }

// A peer is one connected agent.
type peer struct {
	*wire
	Peer
	session string
	kick    chan struct{}
	gone    chan struct{} // closed when the connection ended

	mu      sync.Mutex // over what follows, and over the order of sends
	seq     uint64
	waiting map[string]chan Result
}

// Serve takes connections until ctx ends, and waits for all of them.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	pool := x509.NewCertPool()
	pool.AddCert(s.c.CA.cert)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/join", s.join)
	mux.HandleFunc("GET /v1/agent", func(w http.ResponseWriter, r *http.Request) { s.agent(ctx, w, r) })
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       silence,
		MaxHeaderBytes:    1 << 14,
		ErrorLog:          slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{s.c.CA.server},
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"http/1.1"},
		},
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.ServeTLS(ln, "", "")
	s.conns.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("serve the agents: %w", err)
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var req joinRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
		http.Error(w, "read the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := nodeName(req.Node); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.redeem(req.Secret, req.Node); err != nil {
		s.c.Log.Warn("join refused", "node", req.Node, "from", r.RemoteAddr, "err", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	cert, err := s.c.CA.sign(req.Node, req.Request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.c.Log.Info("node joined", "node", req.Node, "from", r.RemoteAddr)
	json.NewEncoder(w).Encode(joinAnswer{Cert: cert, CA: s.c.CA.cert.Raw, Site: s.c.CA.site})
}

// agent turns a request into the connection of one agent.
func (s *Server) agent(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if len(r.TLS.VerifiedChains) == 0 {
		http.Error(w, "an agent needs the certificate that \"lastwatt join\" gave it", http.StatusUnauthorized)
		return
	}
	name := r.TLS.VerifiedChains[0][0].Subject
	if !slices.Equal(name.Organization, []string{s.c.CA.site}) {
		http.Error(w, "the certificate is of another site", http.StatusForbidden)
		return
	}
	if r.Header.Get("Upgrade") != upgrade {
		http.Error(w, "want Upgrade: "+upgrade, http.StatusUpgradeRequired)
		return
	}
	s.conns.Add(1)
	defer s.conns.Done()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", upgrade); err != nil {
		return
	}
	if err := s.talk(ctx, name.CommonName, conn, buf.Reader); ctx.Err() == nil {
		s.c.Log.Debug("agent connection ended", "node", name.CommonName, "err", err)
	}
}

// talk is one connection, from the greeting to its end, and why it ended.
func (s *Server) talk(ctx context.Context, node string, conn net.Conn, r *bufio.Reader) error {
	p := &peer{wire: &wire{conn: conn, r: r}, kick: make(chan struct{}, 1), gone: make(chan struct{}), waiting: map[string]chan Result{}}
	nonce := newNonce()
	if err := p.send(frame{Hello: &hello{Protocol: Protocol, Nonce: nonce}}); err != nil {
		return err
	}
	f, err := p.receive()
	if err != nil {
		return err
	}
	if f.Hello == nil || f.Hello.Peer == nil || len(f.Hello.Nonce) < 16 {
		return errors.New("the agent did not greet")
	}
	p.session, p.Peer = session(nonce, f.Hello.Nonce), *f.Hello.Peer
	p.Node, p.Protocol, p.Addr = node, f.Hello.Protocol, conn.RemoteAddr().String()
	s.mu.Lock()
	old := s.peers[node]
	s.peers[node] = p
	s.mu.Unlock()
	if old != nil {
		old.conn.Close()
		<-old.gone
	}
	s.c.Handler.Connected(p.Peer)
	var beats sync.WaitGroup
	beats.Go(func() { s.beat(ctx, p) })
	err = s.listen(p)
	conn.Close()
	s.mu.Lock()
	replaced := s.peers[node] != p
	if !replaced {
		delete(s.peers, node)
	}
	s.mu.Unlock()
	if !replaced {
		s.c.Handler.Lost(node, err)
	}
	close(p.gone)
	beats.Wait()
	return err
}

// beat sends the lease every two seconds, and at once when it changed.
func (s *Server) beat(ctx context.Context, p *peer) {
	for {
		p.mu.Lock()
		p.seq++
		err := p.send(frame{Lease: &leaseFrame{p.session, p.seq, s.c.Lease(p.Node)}})
		p.mu.Unlock()
		if err != nil {
			p.conn.Close()
			return
		}
		select {
		case <-s.c.Clock.After(Beat):
		case <-p.kick:
		case <-p.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// listen handles what the agent says until the connection ends.
func (s *Server) listen(p *peer) error {
	for {
		f, err := p.receive()
		if err != nil {
			return err
		}
		switch {
		case f.Result != nil:
			p.mu.Lock()
			ch := p.waiting[f.Result.ID]
			delete(p.waiting, f.Result.ID)
			p.mu.Unlock()
			if ch != nil {
				ch <- *f.Result
			}
		case f.Report != nil:
			r, err := f.Report.reading(p.Node, s.c.Clock.Now())
			if err != nil {
				s.c.Log.Warn("report not understood", "node", p.Node, "err", err)
				continue
			}
			s.c.Handler.Report(p.Node, r)
		case f.State != nil && (f.State.Parked != p.Parked || f.State.BootID != p.BootID):
			p.Parked, p.BootID = f.State.Parked, f.State.BootID
			s.c.Handler.Connected(p.Peer)
		}
	}
}

// Kick sends every agent its lease now.
func (s *Server) Kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
}

// Order sends an order and waits for its result. When ctx ends first, the agent
// is told to give it up.
func (s *Server) Order(ctx context.Context, node string, o Order) (Result, error) {
	s.mu.Lock()
	p := s.peers[node]
	s.mu.Unlock()
	if p == nil {
		return Result{}, ErrNotConnected
	}
	ch := make(chan Result, 1)
	p.mu.Lock()
	p.seq++
	p.waiting[o.ID] = ch
	err := p.send(frame{Order: &orderFrame{p.session, p.seq, node, o}})
	p.mu.Unlock()
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrLost, err)
	}
	select {
	case r := <-ch:
		return r, nil
	case <-p.gone:
		return Result{}, ErrLost
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.waiting, o.ID)
		p.mu.Unlock()
		p.send(frame{Cancel: o.ID})
		return Result{}, context.Cause(ctx)
	}
}

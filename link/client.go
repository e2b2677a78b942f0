package link

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lastwatt/clock"
)

const upgrade = "lastwatt/1"

type joinRequest struct {
	Secret  string `json:"secret"`
	Node    string `json:"node"`
	Request []byte `json:"request"`
}

type joinAnswer struct {
	Cert []byte `json:"cert"`
	CA   []byte `json:"ca"`
	Site string `json:"site"`
}

// Join redeems a token: it pins the controller by the token's fingerprint, makes
// a key that never leaves dir, and stores there what [Client] needs. It returns
// the controller's address.
func Join(ctx context.Context, line, node, dir string) (addr string, err error) {
	t, err := parseToken(line)
	if err != nil {
		return "", err
	}
	if err := nodeName(node); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("join: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("join: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: node}}, key)
	if err != nil {
		return "", fmt.Errorf("join: %w", err)
	}
	answer, err := askToJoin(ctx, t, joinRequest{t.Secret, node, csr})
	if err != nil {
		return "", fmt.Errorf("join the controller at %s: %w", t.Addr, err)
	}
	if fingerprint(answer.CA) != t.Fingerprint {
		return "", errors.New("join: the controller's authority is not the one that the token names")
	}
	if err := writeKey(filepath.Join(dir, "node.key"), key); err != nil {
		return "", fmt.Errorf("join: %w", err)
	}
	for name, der := range map[string][]byte{"node.pem": answer.Cert, "ca.pem": answer.CA} {
		if err := writeFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
			return "", fmt.Errorf("join: %w", err)
		}
	}
	return t.Addr, nil
}

func askToJoin(ctx context.Context, t ticket, req joinRequest) (joinAnswer, error) {
	var answer joinAnswer
	body, err := json.Marshal(req)
	if err != nil {
		return answer, err
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the token pins the authority instead; see pinned
		VerifyConnection:   pinned(t.Fingerprint),
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+t.Addr+"/v1/join", bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return answer, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer, errors.New(strings.TrimSpace(string(data)))
	}
	return answer, json.Unmarshal(data, &answer)
}

// pinned accepts a server whose certificate was made by the authority with the
// fingerprint.
func pinned(want string) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		roots := x509.NewCertPool()
		for _, c := range cs.PeerCertificates {
			if fingerprint(c.Raw) == want {
				roots.AddCert(c)
			}
		}
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName})
		if err != nil {
			return fmt.Errorf("this is not the controller that the token is from: %w", err)
		}
		return nil
	}
}

// A Listener is the agent behind a [Client]. Its methods are called one at a
// time, from the connection's goroutine, and must not block.
type Listener interface {
	// Self is what the controller is told at the greeting and at each beat.
	Self() Peer
	// Leased hears each lease.
	Leased(Lease)
	// Ordered begins an order; done takes its result, once, from any
	// goroutine. ctx ends with the order's lifetime, with its cancellation,
	// but not with the connection: an order that was taken is carried out.
	Ordered(ctx context.Context, o Order, done func(Result))
}

// Client is the agent's side. Its fields are set before Run.
type Client struct {
	Addr  string
	Node  string
	Dir   string // where Join put the certificates
	Agent Listener
	Clock clock.Clock
	Log   *slog.Logger

	mu   sync.Mutex
	wire *wire // nil while there is no connection
	// reported has a token while the wire has reports to write.
	reported chan struct{}

	ended  chan struct{} // closed when Run ends
	bounds sync.WaitGroup
}

// Run keeps one connection to the controller until ctx ends: it reconnects at
// once, and then with pauses that grow to 10 s. It is called once; orders that
// still run when it ends are cancelled.
func (c *Client) Run(ctx context.Context) error {
	c.ended = make(chan struct{})
	defer c.bounds.Wait()
	defer close(c.ended)
	config, err := c.tlsConfig()
	if err != nil {
		return err
	}
	pause, said := time.Duration(0), ""
	for ctx.Err() == nil {
		began := time.Now()
		err := c.connect(ctx, config)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > time.Minute {
			pause = 0
		}
		if text := fmt.Sprint(err); text != said {
			c.Log.Warn("no connection to the controller", "addr", c.Addr, "err", err)
			said = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + mathrand.N(pause/2+time.Millisecond)):
		}
		pause = min(max(2*pause, 200*time.Millisecond), 10*time.Second)
	}
	return ctx.Err()
}

func (c *Client) tlsConfig() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.Dir, "node.pem"), filepath.Join(c.Dir, "node.key"))
	if err != nil {
		return nil, fmt.Errorf("read this node's certificate: %w: join first, with the line that \"lastwatt token\" prints on the controller", err)
	}
	ca, err := os.ReadFile(filepath.Join(c.Dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("read the controller's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("read the controller's authority: %s has no certificate", filepath.Join(c.Dir, "ca.pem"))
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: serverName, RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

func (c *Client) connect(ctx context.Context, config *tls.Config) error {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: silence}, Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(silence))
	if _, err := fmt.Fprintf(conn, "GET /v1/agent HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", serverName, upgrade); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("the controller answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	conn.SetDeadline(time.Time{})
	return c.talk(&wire{conn: conn, r: r})
}

// talk is one connection, from the greeting to its end.
func (c *Client) talk(w *wire) error {
	f, err := w.receive()
	if err != nil {
		return err
	}
	if f.Hello == nil || len(f.Hello.Nonce) < 16 {
		return errors.New("the controller did not greet")
	}
	nonce := newNonce()
	self := c.Agent.Self()
	if err := w.send(frame{Hello: &hello{Protocol: Protocol, Nonce: nonce, Peer: &self}}); err != nil {
		return err
	}
	c.Log.Info("connected to the controller", "addr", c.Addr)
	defer c.carry(w)()
	g := guard{node: c.Node, session: session(f.Hello.Nonce, nonce)}
	cancels := map[string]context.CancelFunc{}
	for {
		f, err := w.receive()
		if err != nil {
			return err
		}
		switch {
		case f.Lease != nil:
			if err := g.check(f.Lease.Session, f.Lease.Seq, c.Node); err != nil {
				c.Log.Warn("lease refused", "err", err)
				continue
			}
			c.Agent.Leased(f.Lease.Lease)
			self := c.Agent.Self()
			if err := w.send(frame{State: &self}); err != nil {
				return err
			}
		case f.Order != nil:
			if err := g.order(f.Order); err != nil {
				c.Log.Warn("order refused", "verb", f.Order.Verb, "order", f.Order.ID, "err", err)
				w.send(frame{Result: &Result{ID: f.Order.ID, Err: "refused: " + err.Error(), Refused: true}})
				continue
			}
			cancels[f.Order.ID] = c.begin(w, f.Order.Order)
		case f.Cancel != "":
			if cancel := cancels[f.Cancel]; cancel != nil {
				cancel()
				delete(cancels, f.Cancel)
			}
		}
	}
}

// begin hands an order to the agent, bounded by its lifetime from now on.
func (c *Client) begin(w *wire, o Order) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	c.bounds.Go(func() { // ends with the order or its lifetime
		select {
		case <-c.Clock.After(o.Lifetime):
			cancel()
		case <-c.ended:
			cancel()
		case <-ended:
		}
	})
	c.Agent.Ordered(ctx, o, func(r Result) {
		cancel()
		close(ended)
		r.ID = o.ID
		if err := w.send(frame{Result: &r}); err != nil {
			c.Log.Warn("result not sent", "order", o.ID, "err", err)
		}
	})
	return cancel
}

// Tell sends what [Listener.Self] says now, if there is a connection.
func (c *Client) Tell() {
	c.mu.Lock()
	w := c.wire
	c.mu.Unlock()
	if w != nil {
		self := c.Agent.Self()
		w.send(frame{State: &self})
	}
}

// A guard holds invariant 10: what is old, replayed or meant for another node
// does nothing.
type guard struct {
	node, session string
	seq           uint64
}

func (g *guard) check(session string, seq uint64, node string) error {
	switch {
	case session != g.session:
		return errors.New("it is of another session")
	case node != g.node:
		return fmt.Errorf("it is for node %q, this is %q", node, g.node)
	case seq <= g.seq:
		return fmt.Errorf("it is number %d and number %d was already here", seq, g.seq)
	}
	g.seq = seq
	return nil
}

func (g *guard) order(o *orderFrame) error {
	if err := g.check(o.Session, o.Seq, o.Node); err != nil {
		return err
	}
	if o.Lifetime <= 0 {
		return errors.New("its lifetime is over")
	}
	if o.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

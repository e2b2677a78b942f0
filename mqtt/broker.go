package mqtt

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// BrokerConfig says where the embedded broker listens and whom it lets in.
type BrokerConfig struct {
	// Addr is host:port; port 0 is any free one. Off loopback, users and a
	// certificate are required.
	Addr     string
	Users    map[string]string // password by user; none: everybody may do all
	CertFile string            // PEM, with KeyFile: TLS; empty: plain
	KeyFile  string
}

// A Broker is an MQTT broker inside this process. Nothing it retains outlives
// it. Make it with [NewBroker].
type Broker struct {
	server *mochi.Server
	addr   net.Addr
	log    *slog.Logger
}

// NewBroker opens the broker's listener. Whoever gets a Broker must call Run,
// which also closes it.
func NewBroker(c BrokerConfig, log *slog.Logger) (*Broker, error) {
	fail := func(err error) (*Broker, error) {
		return nil, fmt.Errorf("starting the embedded mqtt broker on %q: %w", c.Addr, err)
	}
	addr, err := net.ResolveTCPAddr("tcp", c.Addr)
	if err != nil {
		return fail(err)
	}
	secure := c.CertFile != "" || c.KeyFile != ""
	if !addr.IP.IsLoopback() && (len(c.Users) == 0 || !secure) {
		return fail(errors.New("off loopback it needs users and a certificate: add them, or listen on 127.0.0.1"))
	}
	lc := listeners.Config{ID: "tcp", Address: addr.String()}
	if secure {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return fail(err)
		}
		lc.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	capabilities := mochi.NewDefaultServerCapabilities()
	// The default would drop whatever was retained a day ago, from clients
	// that never asked for it too (mochi server.go, clearExpiredRetainedMessages).
	capabilities.MaximumMessageExpiryInterval = 0
	// Its own log has a line per client that comes and goes.
	server := mochi.New(&mochi.Options{Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 60})
	if err := server.AddHook(&gate{users: c.Users}, nil); err != nil {
		return fail(err)
	}
	listener := listeners.NewTCP(lc)
	if err := server.AddListener(listener); err != nil {
		return fail(err)
	}
	bound, err := net.ResolveTCPAddr("tcp", listener.Address())
	if err != nil {
		return fail(err)
	}
	return &Broker{server, bound, log}, nil
}

// Addr is where the broker listens.
func (b *Broker) Addr() net.Addr { return b.addr }

// Run serves clients until ctx ends, and then closes their connections and the
// listener and returns ctx's error. It may be called once.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.Serve(); err != nil {
		return errors.Join(fmt.Errorf("running the embedded mqtt broker: %w", err), b.server.Close())
	}
	b.log.Info("mqtt: the embedded broker listens", "addr", b.addr)
	<-ctx.Done()
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("closing the embedded mqtt broker: %w", err)
	}
	return ctx.Err()
}

// A gate lets in the users it knows, or everybody if it knows none; who is in
// may do all. The ledger that comes with the broker takes "*" in a password for
// a wildcard.
type gate struct {
	mochi.HookBase
	users map[string]string
}

// ID names the hook.
func (g *gate) ID() string { return "gate" }

// Provides says which hooks this one is.
func (g *gate) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

// OnConnectAuthenticate compares user and password.
func (g *gate) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	if len(g.users) == 0 {
		return true
	}
	want, known := g.users[string(pk.Connect.Username)]
	same := subtle.ConstantTimeCompare([]byte(want), pk.Connect.Password) == 1
	return known && same
}

// OnACLCheck allows every topic.
func (g *gate) OnACLCheck(*mochi.Client, string, bool) bool { return true }

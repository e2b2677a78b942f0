package mqtt

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Config says how to reach the broker and where messages go.
type Config struct {
	// Broker is a URL: tcp://host:1883 (or mqtt://), tls://host:8883 (or
	// mqtts://, ssl://). The port may be left out. User and password do not
	// belong into it.
	Broker       string
	User         string // empty: none
	PasswordFile string // its first line; read again for every connection
	CAFile       string // PEM; empty: the system's
	CertFile     string // PEM, with KeyFile: our own certificate; empty: none
	KeyFile      string
	// ClientID must be unique at the broker, or two clients throw each other
	// out for ever; empty is "lastwatt-" and the site.
	ClientID string

	Prefix          string // see [Options]
	DiscoveryPrefix string
	Site            string
	Version         string
	// BirthTopic is where Home Assistant says that it is there; empty is
	// "status" below DiscoveryPrefix.
	BirthTopic string
}

func (c Config) options() Options {
	return Options{c.Prefix, c.DiscoveryPrefix, c.Site, c.Version}.withDefaults()
}

// The limits of one connection, as good citizens set them: see the README of
// paho.mqtt.golang, "Common Problems".
const (
	handshakeTimeout = 10 * time.Second
	writeTimeout     = 5 * time.Second
	ackTimeout       = 10 * time.Second
	keepAlive        = 30 * time.Second
	pingTimeout      = 10 * time.Second
)

// clientOptions reads the files that c names and checks all of c.
func (c Config) clientOptions() (*paho.ClientOptions, error) {
	broker, secure, err := brokerURL(c.Broker)
	if err != nil {
		return nil, err
	}
	o := paho.NewClientOptions()
	o.AddBroker(broker)
	o.SetClientID(c.clientID())
	// Reconnecting is ours, with a new client each time: paho would queue
	// what it cannot send and replay it in any order.
	o.SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).SetOrderMatters(false)
	o.SetProtocolVersion(4) // 3.1.1; without it every refusal is tried again with 3.1
	o.SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).SetConnectTimeout(handshakeTimeout).SetWriteTimeout(writeTimeout)
	o.SetBinaryWill(c.options().topic("status"), []byte(offline), 1, true)
	if c.User != "" {
		o.SetUsername(c.User)
	}
	if c.PasswordFile != "" {
		password, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		line, _, _ := bytes.Cut(password, []byte("\n"))
		o.SetPassword(string(bytes.TrimSuffix(line, []byte("\r"))))
	}
	if !secure {
		return o, nil
	}
	t, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	o.SetTLSConfig(t)
	return o, nil
}

func (c Config) clientID() string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return "lastwatt-" + slug(c.options().Site)
}

// brokerURL checks a URL and brings it to one of paho's schemes, with a port.
func brokerURL(raw string) (broker string, secure bool, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error repeats the URL, which may hold a password.
		return "", false, errors.New("the broker's address is no URL: write tcp://HOST:1883 or tls://HOST:8883")
	}
	if u.User != nil {
		return "", false, errors.New("the broker's address holds a user: give user and password_file instead")
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "tls", "mqtts", "ssl":
		secure, port = true, "8883"
	default:
		return "", false, fmt.Errorf("broker %q: write tcp://HOST:1883 or tls://HOST:8883", raw)
	}
	if u.Hostname() == "" {
		return "", false, fmt.Errorf("broker %q: the host is missing: write tcp://HOST:1883 or tls://HOST:8883", raw)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	scheme := "tcp"
	if secure {
		scheme = "tls"
	}
	return scheme + "://" + net.JoinHostPort(u.Hostname(), port), secure, nil
}

func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the broker's CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the broker's CA: %q holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate %q and key %q: %w", c.CertFile, c.KeyFile, err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

// connect makes one connection. lost gets the reason when it ends by itself. It
// returns at once when ctx ends.
func connect(ctx context.Context, c Config, lost chan<- error) (paho.Client, error) {
	o, err := c.clientOptions()
	if err != nil {
		return nil, err
	}
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	dialed := func() bool { return true }
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		conn, err := dial(handshake, u, o.TLSConfig)
		if err == nil {
			// paho waits for the broker's answer without a context.
			dialed = context.AfterFunc(handshake, func() { conn.Close() })
		}
		return conn, err
	})
	o.SetConnectionLostHandler(func(_ paho.Client, why error) { lost <- why })
	client := paho.NewClient(o)
	token := client.Connect()
	<-token.Done()
	if err := token.Error(); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.Broker, explain(err))
	}
	if !dialed() {
		client.Disconnect(0)
		return nil, handshake.Err()
	}
	return client, nil
}

func dial(ctx context.Context, u *url.URL, t *tls.Config) (net.Conn, error) {
	if u.Scheme == "tls" {
		return (&tls.Dialer{Config: t}).DialContext(ctx, "tcp", u.Host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", u.Host)
}

// explain says what to do about a broker that refuses us.
func explain(err error) error {
	if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) {
		return fmt.Errorf("the broker refuses user or password: check user and password_file: %w", err)
	}
	return err
}

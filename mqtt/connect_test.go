package mqtt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		return writeFile(t, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

func TestAnEncryptedBrokerIsTrustedByItsCA(t *testing.T) {
	cert, key := selfSigned(t)
	// Off loopback nothing listens in a test; the rules are the same there.
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0", Users: map[string]string{"lastwatt": "secret"}, CertFile: cert, KeyFile: key})
	cfg := Config{Broker: "tls://" + addr, User: "lastwatt", PasswordFile: writeFile(t, "password", "secret\n")}

	t.Run("and not without it", func(t *testing.T) {
		c, log := newTestClient(t, cfg)
		running(t, c.Run)
		eventually(t, "the distrust is in the log", func() bool { return strings.Contains(log.String(), "unknown authority") })
	})
	t.Run("with our own certificate", func(t *testing.T) {
		cfg.CAFile, cfg.CertFile, cfg.KeyFile = cert, cert, key
		c, log := newTestClient(t, cfg)
		running(t, c.Run)
		eventually(t, "it is connected", func() bool { return strings.Contains(log.String(), "mqtt: connected") })
	})
}

func TestAClientThatCannotWorkIsNotMade(t *testing.T) {
	noPEM := writeFile(t, "ca.pem", "hello")
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no broker", Config{}, `mqtt: broker "": write tcp://HOST:1883 or tls://HOST:8883`},
		{"another scheme", Config{Broker: "http://ha.lan"}, `mqtt: broker "http://ha.lan": write tcp://HOST:1883 or tls://HOST:8883`},
		{"no host", Config{Broker: "tcp://:1883"}, `mqtt: broker "tcp://:1883": the host is missing: write tcp://HOST:1883 or tls://HOST:8883`},
		{"no URL", Config{Broker: "tcp://u:p@ %"}, "mqtt: the broker's address is no URL: write tcp://HOST:1883 or tls://HOST:8883"},
		{"a password in the URL", Config{Broker: "tcp://u:p@ha.lan"}, "mqtt: the broker's address holds a user: give user and password_file instead"},
		{"no password file", Config{Broker: "tcp://ha.lan", PasswordFile: "/nowhere"}, "mqtt: reading the password: open /nowhere: no such file or directory"},
		{"no CA file", Config{Broker: "tls://ha.lan", CAFile: "/nowhere"}, "mqtt: reading the broker's CA: open /nowhere: no such file or directory"},
		{"a CA that is none", Config{Broker: "tls://ha.lan", CAFile: noPEM}, `mqtt: reading the broker's CA: "` + noPEM + `" holds no certificate in PEM`},
		{"a certificate without key", Config{Broker: "tls://ha.lan", CertFile: "/nowhere"}, `mqtt: reading our certificate "/nowhere" and key "": open /nowhere: no such file or directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewClient(c.cfg, slog.New(slog.DiscardHandler)); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestTheBrokersPortMayBeLeftOut(t *testing.T) {
	for _, c := range []struct{ name, url, want string }{
		{"plain", "mqtt://ha.lan", "tcp://ha.lan:1883"},
		{"encrypted", "mqtts://ha.lan", "tls://ha.lan:8883"},
		{"IPv6", "ssl://[fd00::1]", "tls://[fd00::1]:8883"},
		{"given", "tcp://ha.lan:1", "tcp://ha.lan:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _, err := brokerURL(c.url); err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestTheEmbeddedBrokerIsNotOpenToTheWorld(t *testing.T) {
	off := `: off loopback it needs users and a certificate: add them, or listen on 127.0.0.1`
	users := map[string]string{"lastwatt": "secret"}
	for _, c := range []struct {
		name string
		cfg  BrokerConfig
		want string
	}{
		{"every address", BrokerConfig{Addr: ":1883"}, `starting the embedded mqtt broker on ":1883"` + off},
		{"a certificate and no users", BrokerConfig{Addr: "0.0.0.0:0", CertFile: "c", KeyFile: "k"}, `starting the embedded mqtt broker on "0.0.0.0:0"` + off},
		{"users and no certificate", BrokerConfig{Addr: "192.0.2.1:0", Users: users}, `starting the embedded mqtt broker on "192.0.2.1:0"` + off},
		{"a certificate that is none", BrokerConfig{Addr: "127.0.0.1:0", CertFile: "/c", KeyFile: "/k"}, `starting the embedded mqtt broker on "127.0.0.1:0": open /c: no such file or directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewBroker(c.cfg, slog.New(slog.DiscardHandler)); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestTheEmbeddedBrokerTakesPasswordsAsTheyAre(t *testing.T) {
	addr, _ := startBroker(t, BrokerConfig{Addr: "127.0.0.1:0", Users: map[string]string{"lastwatt": "sec*", "nobody": ""}})
	subscribeAs(t, addr, "lastwatt", "sec*")
	for _, c := range []struct{ name, user, password string }{
		{"a star is no wildcard", "lastwatt", "secret"},
		{"another user", "admin", ""},
		{"nobody", "", ""},
		{"an empty password is no wildcard", "nobody", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, log := newTestClient(t, Config{Broker: "tcp://" + addr, User: c.user, PasswordFile: writeFile(t, "password", c.password)})
			running(t, client.Run)
			eventually(t, "it is refused", func() bool { return strings.Contains(log.String(), "refuses user or password") })
		})
	}
}

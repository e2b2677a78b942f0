package nut

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
)

// certificate makes a self-signed one for a host, as a key, PEM and SHA-256.
func certificate(t *testing.T, host string) (tls.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), sum(der)
}

func TestServerIsTrustedAsTheConfigurationSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, ourPEM, ourSum := certificate(t, "nas")
		_, otherPEM, otherSum := certificate(t, "nas")
		elsewhere, elsewherePEM, _ := certificate(t, "desk")
		const ok = "context canceled"
		for _, tt := range []struct {
			name, mode, pin, ca string
			server              *tls.Certificate // nil: none
			refusal, want       string
			secure              bool
		}{
			{"off", tlsOff, "", "", &ours, "", ok, false},
			{"starttls takes any", tlsStart, "", "", &ours, "", ok, true},
			{"starttls without it", tlsStart, "", "", nil, "", ok, false},
			{"starttls of a server without it", tlsStart, "", "", nil, "FEATURE-NOT-SUPPORTED", ok, false},
			{"starttls of a server that never heard of it", tlsStart, ourSum, "", nil, "UNKNOWN-COMMAND", ok, false},
			{"required and not there", tlsRequire, ourSum, "", nil, "", "NUT server nas:3493: start TLS: the server is not set up for it (FEATURE-NOT-CONFIGURED)", false},
			{"required, not built in", tlsRequire, ourSum, "", nil, "FEATURE-NOT-SUPPORTED", "NUT server nas:3493: start TLS: the server was built without it (FEATURE-NOT-SUPPORTED)", false},
			{"required, pinned", tlsRequire, ourSum, "", &ours, "", ok, true},
			{"pinned with another name", tlsRequire, sum(elsewhere.Certificate[0]), "", &elsewhere, "", ok, true},
			{"required, another pin", tlsRequire, otherSum, "", &ours, "", "NUT server nas:3493: start TLS: the server's certificate is another one than pin says: its SHA-256 is " + ourSum, false},
			{"starttls, another pin", tlsStart, otherSum, "", &ours, "", "NUT server nas:3493: start TLS: the server's certificate is another one than pin says: its SHA-256 is " + ourSum, false},
			{"required, signed", tlsRequire, "", ourPEM, &ours, "", ok, true},
			{"required, signed by another", tlsRequire, "", otherPEM, &ours, "", "; give ca_file, or, if this is the server's certificate, pin: " + ourSum, false},
			{"starttls, signed by another", tlsStart, "", otherPEM, &ours, "", "; give ca_file, or, if this is the server's certificate, pin: " + ourSum, false},
			{"signed, of another host", tlsRequire, "", elsewherePEM, &elsewhere, "", "certificate is valid for desk, not nas", false},
			{"required, and nothing says whom to trust", tlsRequire, "", "", &ours, "", "; give ca_file, or, if this is the server's certificate, pin: " + ourSum, false},
			{"a ca_file that is none", tlsRequire, "", "hello", &ours, "", "NUT server nas:3493: read ca_file: no certificate in ", false},
		} {
			f := newFake(t)
			f.refusTLS = tt.refusal
			if tt.server != nil {
				f.secure = &tls.Config{Certificates: []tls.Certificate{*tt.server}}
			}
			c := testConfig(t)
			c.TLS, c.Pin = tt.mode, tt.pin
			if tt.ca != "" {
				c.CAFile = file(t, "ca.pem", tt.ca)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var read bool
			err := newDriver(f, c, testOptions()).Run(ctx, func(drivers.Reading) { read = true; time.AfterFunc(3*time.Second, cancel) })
			cancel()
			if !strings.Contains(fmt.Sprint(err), tt.want) || read != (tt.want == ok) {
				t.Errorf("%s: Run = %v, want %s", tt.name, err, tt.want)
			}
			if got := f.requests("STARTTLS"); (len(got) > 0) != (tt.mode != tlsOff) {
				t.Errorf("%s: asked for TLS %d times", tt.name, len(got))
			}
			if !read && len(f.requests("PASSWORD")) > 0 {
				t.Errorf("%s: the password was sent to a server that is not trusted", tt.name)
			}
			if l, err := connect(t.Context(), f, c); err == nil {
				if (l.secure == "TLS 1.3") != tt.secure {
					t.Errorf("%s: the connection has TLS %q", tt.name, l.secure)
				}
				l.close()
			}
		}
	})
}

func sum(der []byte) string {
	s := sha256.Sum256(der)
	return hex.EncodeToString(s[:])
}

func TestWhatIsSaidBeforeTLSIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if request == "STARTTLS" {
				io.WriteString(c, "OK STARTTLS\nBEGIN LIST VAR main\n")
			}
			return request == "STARTTLS"
		}
		c := testConfig(t)
		c.TLS = tlsStart
		err := newDriver(f, c, testOptions()).Run(t.Context(), func(drivers.Reading) {})
		if fmt.Sprint(err) != "NUT server nas:3493: start TLS: not what a NUT server says: it spoke before TLS began" {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestHandshakeThatHangsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if request == "STARTTLS" {
				io.WriteString(c, "OK STARTTLS\n")
				io.Copy(io.Discard, c)
			}
			return request == "STARTTLS"
		}
		c := testConfig(t)
		c.TLS = tlsStart
		began := time.Now()
		err := newDriver(f, c, testOptions()).Run(t.Context(), func(drivers.Reading) {})
		if fmt.Sprint(err) != "NUT server nas:3493: start TLS: no answer in 5s" || time.Since(began) > answerTimeout {
			t.Errorf("Run = %v after %v", err, time.Since(began))
		}
	})
}

package nut

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"lastwatt/drivers"
)

// The longest waits for a server. One that takes longer is lost: in an outage it
// is worth less than to know that nothing is known.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 5 * time.Second
)

// A dialer opens connections; [net.Dialer] is one.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A connection is one to a server. It belongs to one goroutine.
type connection struct {
	conn   net.Conn
	in     *bufio.Reader
	secure string // "none" or the version of TLS
	unhook func() bool
	// broken is why nothing can be asked any more: after a fault, answers
	// would be taken for those to other requests.
	broken error
}

// connect opens a connection, which breaks when ctx ends.
func connect(ctx context.Context, d dialer, c config) (*connection, error) {
	opening, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := d.DialContext(opening, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrNoDevice, plain(err))
	}
	l := &connection{conn: conn, in: bufio.NewReaderSize(conn, maxLine), secure: "none"}
	l.unhook = context.AfterFunc(ctx, func() { conn.Close() })
	if err := l.secured(ctx, c); err != nil {
		l.close()
		return nil, err
	}
	if err := l.introduce(c); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *connection) close() {
	l.unhook()
	l.conn.Close()
}

// introduce gives user and password. A server takes any: it looks at them when
// they are needed.
func (l *connection) introduce(c config) error {
	if c.User == "" {
		return nil
	}
	password, err := c.password()
	if err != nil {
		return err
	}
	if _, err := l.order("USERNAME", c.User); err != nil {
		return fmt.Errorf("give the user %q: %w", c.User, err)
	}
	if _, err := l.order("PASSWORD", password); err != nil {
		return fmt.Errorf("give the password of %q: %w", c.User, err)
	}
	return nil
}

// send writes a request, and sets the time until its whole answer has to be here.
func (l *connection) send(request ...string) error {
	var b strings.Builder
	for i, w := range request {
		if strings.ContainsAny(w, "\r\n\x00") {
			return fmt.Errorf("ask the server: %q cannot be sent: want one line", request[0])
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(w))
	}
	b.WriteByte('\n')
	if l.broken != nil {
		return l.broken
	}
	l.conn.SetDeadline(time.Now().Add(answerTimeout))
	_, err := io.WriteString(l.conn, b.String())
	return l.fault(err)
}

// fault makes a fault of the connection last; a refusal is none.
func (l *connection) fault(err error) error {
	err = plain(err)
	if err != nil && !isRefusal(err) {
		l.broken = err
	}
	return err
}

// ask sends a request whose answer is one line.
func (l *connection) ask(request ...string) (string, error) {
	if err := l.send(request...); err != nil {
		return "", err
	}
	answer, err := line(l.in)
	if err != nil {
		return "", l.fault(err)
	}
	return answer, refused(answer)
}

// order sends a request that is answered with OK, and returns what stands behind
// it.
func (l *connection) order(request ...string) (string, error) {
	answer, err := l.ask(request...)
	if err != nil {
		return "", err
	}
	if answer != "OK" && !strings.HasPrefix(answer, "OK ") {
		return "", l.fault(fmt.Errorf("%w: %q instead of OK", errLine, clip(answer)))
	}
	return strings.TrimPrefix(strings.TrimPrefix(answer, "OK"), " "), nil
}

// list asks for a list.
func (l *connection) list(query ...string) ([]row, error) {
	if err := l.send(append([]string{"LIST"}, query...)...); err != nil {
		return nil, err
	}
	rows, err := list(l.in, query...)
	return rows, l.fault(err)
}

// secured turns TLS on, if that is wanted and can be had.
func (l *connection) secured(ctx context.Context, c config) error {
	if c.TLS == tlsOff {
		return nil
	}
	_, err := l.order("STARTTLS")
	if isRefusal(err, noFeature, notConfigured, notUnderstood) && c.TLS == tlsStart {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start TLS: %w", err)
	}
	if l.in.Buffered() > 0 {
		return fmt.Errorf("start TLS: %w: it spoke before TLS began", errLine)
	}
	rules, err := tlsRules(c)
	if err != nil {
		return err
	}
	secure := tls.Client(l.conn, rules)
	l.conn.SetDeadline(time.Now().Add(answerTimeout))
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("start TLS: %w", explained(err))
	}
	l.conn, l.in = secure, bufio.NewReaderSize(secure, maxLine)
	l.secure = tls.VersionName(secure.ConnectionState().Version)
	return nil
}

// tlsRules says which certificate is taken. Only tls: starttls without a pin or a
// ca_file takes any.
func tlsRules(c config) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	rules := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	pin, err := pinned(c.Pin)
	switch {
	case err != nil:
		return nil, err
	case pin != nil:
		rules.InsecureSkipVerify = true // the pin says more
		rules.VerifyConnection = func(s tls.ConnectionState) error {
			if sum := sha256.Sum256(s.PeerCertificates[0].Raw); !bytes.Equal(sum[:], pin) {
				return fmt.Errorf("the server's certificate is another one than pin says: its SHA-256 is %s", hex.EncodeToString(sum[:]))
			}
			return nil
		}
	case c.CAFile != "":
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		rules.RootCAs = x509.NewCertPool()
		if !rules.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ca_file: no certificate in %s: want PEM", c.CAFile)
		}
	case c.TLS == tlsStart:
		rules.InsecureSkipVerify = true
	}
	return rules, nil
}

// explained adds to an error of TLS what to do.
func explained(err error) error {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) && len(bad.UnverifiedCertificates) > 0 {
		sum := sha256.Sum256(bad.UnverifiedCertificates[0].Raw)
		return fmt.Errorf("%w; give ca_file, or, if this is the server's certificate, pin: %s", err, hex.EncodeToString(sum[:]))
	}
	return plain(err)
}

// plain drops from an error of the network what differs from one connection to the
// next: a fault that lasts has one text.
func plain(err error) error {
	var op *net.OpError
	var ne net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return errClosed
	case errors.As(err, &ne) && ne.Timeout():
		return errSilent
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

var (
	errClosed = errors.New("the server closed the connection")
	errSilent = fmt.Errorf("no answer in %v", answerTimeout)
)

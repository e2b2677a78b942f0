package nut

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const (
	// port is NUT's, given by IANA.
	port        = "3493"
	defaultPoll = time.Second
	minPoll     = 500 * time.Millisecond
	maxPoll     = 10 * time.Second
)

// config is the driver's part of the configuration.
type config struct {
	// Address is the server's host, with a port if it is not 3493.
	Address string `yaml:"address"`
	// UPS is NUT's name of the UPS. Empty is the only one that the server has.
	UPS string `yaml:"ups"`
	// User and PasswordFile are of the server's upsd.users. Reading needs
	// none. The file's first line is read again for every connection.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// TLS is off, starttls (where the server can) or require.
	TLS string `yaml:"tls"`
	// CAFile has the certificates (PEM) that may have signed the server's;
	// Pin is the SHA-256 of the server's own certificate, as hexadecimal
	// digits.
	CAFile string        `yaml:"ca_file"`
	Pin    string        `yaml:"pin"`
	Poll   time.Duration `yaml:"poll"`
	// Login makes the server count this machine among those that its UPS
	// feeds, so that a NUT primary waits for it before it ends.
	Login bool `yaml:"login"`
}

// complete fills in what was left out and checks the rest.
func (c *config) complete() error {
	var err error
	if c.Address, err = serverAddress(c.Address); err != nil {
		return err
	}
	switch {
	case strings.ContainsAny(c.UPS, "\" \t\r\n\\#@"):
		return fmt.Errorf("ups: want NUT's name of the UPS, such as main, with the server in address (got %q)", c.UPS)
	case (c.User == "") != (c.PasswordFile == ""):
		return errors.New("user and password_file go together: give both or neither")
	case strings.ContainsAny(c.User, "\r\n"):
		return fmt.Errorf("user: want one line (got %q)", c.User)
	case c.Login && c.User == "":
		return errors.New("login: needs user and password_file")
	case c.Poll < minPoll || c.Poll > maxPoll:
		return fmt.Errorf("poll: want %v to %v (got %v)", minPoll, maxPoll, c.Poll)
	}
	return c.checkTLS()
}

func (c *config) checkTLS() error {
	switch c.TLS {
	case tlsOff, tlsStart, tlsRequire:
	default:
		return fmt.Errorf("tls: want off, starttls or require (got %q)", c.TLS)
	}
	if c.TLS == tlsOff && (c.CAFile != "" || c.Pin != "") {
		return errors.New("ca_file and pin need tls: starttls or tls: require")
	}
	if c.CAFile != "" && c.Pin != "" {
		return errors.New("pin: a pinned certificate needs no ca_file; give one of them")
	}
	_, err := pinned(c.Pin)
	return err
}

// What the key tls may say.
const (
	tlsOff     = "off"
	tlsStart   = "starttls"
	tlsRequire = "require"
)

// serverAddress adds NUT's port to a host.
func serverAddress(s string) (string, error) {
	wrong := fmt.Errorf("address: want the host of the NUT server, as nas.lan or nas.lan:%s (got %q)", port, s)
	if strings.ContainsAny(s, "/@ \t\r\n") {
		return "", wrong
	}
	if host := strings.Trim(s, "[]"); net.ParseIP(host) != nil {
		return net.JoinHostPort(host, port), nil
	}
	if !strings.Contains(s, ":") {
		s += ":" + port
	}
	host, number, err := net.SplitHostPort(s)
	if err != nil || host == "" || number == "" {
		return "", wrong
	}
	return net.JoinHostPort(host, number), nil
}

// pinned reads a SHA-256, as openssl and others write it. Nil is none.
func pinned(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	digits := strings.NewReplacer(":", "", " ", "").Replace(s)
	for _, prefix := range []string{"sha256", "SHA256"} {
		digits = strings.TrimPrefix(digits, prefix)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("pin: want the SHA-256 of the server's certificate, as 64 hexadecimal digits (got %q);"+
			" \"openssl x509 -noout -fingerprint -sha256 -in FILE\" prints it", s)
	}
	return sum, nil
}

// password reads the first line of its file.
func (c config) password() (string, error) {
	data, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	first = bytes.TrimRight(first, "\r")
	if len(first) == 0 {
		return "", fmt.Errorf("read the password: the first line of %s is empty", c.PasswordFile)
	}
	return string(first), nil
}

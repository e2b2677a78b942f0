// Package wire carries Modbus requests over a serial line or to a TCP endpoint.
// It hands out an answer only where that is, by all that the protocol offers, the
// answer to the request.
package wire

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// A Framing is how requests are wrapped.
type Framing string

// The framings.
const (
	TCP        Framing = "tcp"     // Modbus TCP: transaction ids, no checksum
	RTUOverTCP Framing = "rtu+tcp" // the serial frames, to a converter's socket
	RTU        Framing = "rtu"     // the serial frames, on a port of this machine
)

// Settings are what a line is opened with. Two users of one line want the same.
type Settings struct {
	Framing Framing
	// Host is host:port, or the path of a serial port.
	Host string
	// What follows is for a serial port alone.
	Baud     int
	DataBits int    // 7 or 8
	Parity   string // none, even or odd
	StopBits int    // 1 or 2
	// RS485 makes the port's driver switch the direction of an RS-485
	// transceiver with RTS, so long Before and After each request. Adapters
	// that switch by themselves do not need it.
	RS485         bool
	Before, After time.Duration
}

// ParseAddress reads an address as people write it: tcp://host:502,
// rtu+tcp://host:4196, or the path of a serial port such as /dev/ttyUSB0. A TCP
// port that is left out is 502.
func ParseAddress(s string) (Settings, error) {
	wrong := fmt.Errorf("want tcp://HOST:502, rtu+tcp://HOST:PORT or a serial port such as /dev/serial/by-id/... (got %q)", s)
	if strings.HasPrefix(s, "/") && !strings.HasSuffix(s, "/") {
		return Settings{Framing: RTU, Host: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Settings{}, wrong
	}
	port := u.Port()
	switch {
	case u.Scheme == string(TCP) && port == "":
		port = "502"
	case u.Scheme != string(TCP) && (u.Scheme != string(RTUOverTCP) || port == ""):
		return Settings{}, wrong
	}
	return Settings{Framing: Framing(u.Scheme), Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// Check says what is wrong in the settings of a serial port.
func (s Settings) Check() error {
	switch {
	case s.Framing != RTU && s.RS485:
		return fmt.Errorf("rs485: %s is no serial port of this machine: remove it", s)
	case s.Framing != RTU:
		return nil
	case s.Baud < 300 || s.Baud > 4_000_000:
		return fmt.Errorf("baud: want 300 to 4000000, such as 9600 (got %d)", s.Baud)
	case s.DataBits != 7 && s.DataBits != 8:
		return fmt.Errorf("data_bits: want 8, or 7 (got %d)", s.DataBits)
	case s.StopBits != 1 && s.StopBits != 2:
		return fmt.Errorf("stop_bits: want 1 or 2 (got %d)", s.StopBits)
	case s.Parity != "none" && s.Parity != "even" && s.Parity != "odd":
		return fmt.Errorf("parity: want none, even or odd (got %q)", s.Parity)
	case s.Before < 0 || s.After < 0 || s.Before > time.Second || s.After > time.Second:
		return fmt.Errorf("rs485_before, rs485_after: want 0s to 1s (got %v and %v)", s.Before, s.After)
	}
	return nil
}

// String is the address as people write it.
func (s Settings) String() string {
	if s.Framing == RTU {
		return s.Host
	}
	return string(s.Framing) + "://" + s.Host
}

// mode is what else the line is opened with, in words.
func (s Settings) mode() string {
	if s.Framing != RTU {
		return string(s.Framing)
	}
	text := fmt.Sprintf("%d baud %d%s%d", s.Baud, s.DataBits, strings.ToUpper(s.Parity[:1]), s.StopBits)
	if s.RS485 {
		text += fmt.Sprintf(" RS-485 %v %v", s.Before, s.After)
	}
	return text
}

// Shared is the line, the same for two names of it, and how it is opened, which all
// who share it have to want.
func (s Settings) Shared() (line, how string) { return s.key(), s.mode() }

// key is the same for two names of one line.
func (s Settings) key() string {
	if s.Framing != RTU {
		return s.Host
	}
	if path, err := filepath.EvalSymlinks(s.Host); err == nil {
		return path
	}
	return s.Host
}

// byTime is how long n bytes take on the line; 0 where that is not known.
func (s Settings) byTime(n int) time.Duration {
	if s.Framing != RTU || s.Baud <= 0 {
		return 0
	}
	return time.Duration(n*11) * time.Second / time.Duration(s.Baud)
}

// silence is what has to pass between two frames: 3.5 characters, and 1.75 ms
// above 19200 baud (Modbus over Serial Line 1.02, section 2.5.1.1). Behind a
// converter the speed is not known: 4 ms is right for 9600 baud.
func (s Settings) silence() time.Duration {
	switch {
	case s.Framing == TCP:
		return 0
	case s.Framing == RTUOverTCP:
		return 4 * time.Millisecond
	}
	return max(s.byTime(7)/2, 1750*time.Microsecond)
}

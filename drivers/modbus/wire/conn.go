package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"go.bug.st/serial"

	"lastwatt/drivers"
)

// A Conn is an open line. Reads and writes beyond the deadline fail with
// [os.ErrDeadlineExceeded].
type Conn interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// An Opener opens a line, in the time that ctx leaves.
type Opener func(ctx context.Context, s Settings) (Conn, error)

// Open opens a line of this machine. Its errors wrap [drivers.ErrNoDevice] and
// [drivers.ErrPermission].
func Open(ctx context.Context, s Settings) (Conn, error) {
	if s.Framing == RTU {
		return openSerial(s)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrNoDevice, err)
	}
	return &tcpConn{conn, bufio.NewReaderSize(conn, maxFrame)}, nil
}

// A tcpConn takes what has come of an answer in one call of the kernel, however
// little of it is asked for at once.
type tcpConn struct {
	net.Conn
	in *bufio.Reader
}

func (c *tcpConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func openSerial(s Settings) (Conn, error) {
	if s.RS485 {
		release, err := setRS485(s)
		if err != nil {
			return nil, err
		}
		// The driver keeps the setting while somebody has the port open.
		defer release()
	}
	mode := &serial.Mode{BaudRate: s.Baud, DataBits: s.DataBits, Parity: serial.NoParity, StopBits: serial.OneStopBit}
	switch s.Parity {
	case "even":
		mode.Parity = serial.EvenParity
	case "odd":
		mode.Parity = serial.OddParity
	}
	if s.StopBits == 2 {
		mode.StopBits = serial.TwoStopBits
	}
	port, err := serial.Open(s.Host, mode)
	if err != nil {
		return nil, openError(s, err)
	}
	return &serialConn{port: port}, nil
}

func openError(s Settings, err error) error {
	var p *serial.PortError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w; is it plugged in? /dev/serial/by-id lists the ports by lasting names", drivers.ErrNoDevice, err)
	case errors.As(err, &p) && p.Code() == serial.PermissionDenied, errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w; the user has to be in the port's group, mostly dialout", drivers.ErrPermission, err)
	case errors.As(err, &p) && p.Code() == serial.PortBusy:
		return fmt.Errorf("another program has the port: %w", err)
	}
	return err
}

// A serialConn gives a serial port deadlines for its reads. A write of a request
// fits into the port's buffer and does not wait.
type serialConn struct {
	port  serial.Port
	until time.Time
}

func (c *serialConn) SetDeadline(t time.Time) error {
	c.until = t
	return nil
}

func (c *serialConn) Read(p []byte) (int, error) {
	left := time.Until(c.until)
	if left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	if err := c.port.SetReadTimeout(left); err != nil {
		return 0, err
	}
	n, err := c.port.Read(p)
	if n == 0 && err == nil {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

func (c *serialConn) Write(p []byte) (int, error) { return c.port.Write(p) }
func (c *serialConn) Close() error                { return c.port.Close() }

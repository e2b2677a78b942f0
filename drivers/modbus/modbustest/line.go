// Package modbustest is a Modbus device that answers late, short, split, garbled
// or not at all, as a test tells it, with lines in memory to reach it. It shares no
// code with the driver.
package modbustest

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"lastwatt/drivers"
)

// A Conn is the driver's end of a line.
type Conn interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// A buffer is one direction of a line: writes never wait.
type buffer struct {
	mu     sync.Mutex
	change sync.Cond
	data   []byte
	closed bool
}

func newBuffer() *buffer {
	b := &buffer{}
	b.change.L = &b.mu
	return b
}

func (b *buffer) write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	b.data = append(b.data, p...)
	b.change.Broadcast()
	return len(p), nil
}

// read waits until the deadline; none is for ever.
func (b *buffer) read(p []byte, until time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !until.IsZero() {
		wake := time.AfterFunc(time.Until(until), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.change.Broadcast()
		})
		defer wake.Stop()
	}
	for len(b.data) == 0 {
		if b.closed {
			return 0, io.EOF
		}
		if !until.IsZero() && !time.Now().Before(until) {
			return 0, os.ErrDeadlineExceeded
		}
		b.change.Wait()
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.change.Broadcast()
}

// end is one end of a line.
type end struct {
	in, out *buffer
	until   time.Time
	onClose func()
}

func (e *end) Read(p []byte) (int, error)        { return e.in.read(p, e.until) }
func (e *end) Write(p []byte) (int, error)       { return e.out.write(p) }
func (e *end) SetDeadline(until time.Time) error { e.until = until; return nil }
func (e *end) Close() error {
	e.in.close()
	if e.onClose != nil {
		e.onClose()
	}
	return nil
}

// A Serial is a serial line with a device at its other end. The device goes on
// where the port is closed and opened again: what it says meanwhile is lost.
type Serial struct {
	mu       sync.Mutex
	toDevice *buffer
	port     *buffer // what has come to the open port; nil while it is closed
	out      bool
	opened   int
}

// NewSerial makes a line that is plugged in.
func NewSerial() *Serial { return &Serial{toDevice: newBuffer()} }

// Open opens the driver's end. One at a time has the port.
func (s *Serial) Open() (Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out {
		return nil, drivers.ErrNoDevice
	}
	if s.port != nil {
		return nil, errors.New("the port is open already")
	}
	s.opened++
	port := newBuffer()
	s.port = port
	return &end{in: port, out: s.toDevice, onClose: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.port == port {
			s.port = nil
		}
	}}, nil
}

// Opened is how often the port was opened.
func (s *Serial) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Unplug takes the adapter away, and Plug puts it back.
func (s *Serial) Unplug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = true
	if s.port != nil {
		s.port.close()
	}
}

// Plug puts the adapter back.
func (s *Serial) Plug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = false
}

// Read and Write are the device's.
func (s *Serial) Read(p []byte) (int, error) { return s.toDevice.read(p, time.Time{}) }

// Write sends what the device says.
func (s *Serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != nil {
		s.port.write(p)
	}
	return len(p), nil
}

// Close ends the device.
func (s *Serial) Close() { s.toDevice.close() }

// A Network is a host with a Modbus TCP server, which serve answers for on each
// connection.
type Network struct {
	serve func(io.ReadWriteCloser)

	mu      sync.Mutex
	out     bool
	servers []*end
	opened  int
	done    sync.WaitGroup
}

// NewNetwork makes a host that is up.
func NewNetwork(serve func(io.ReadWriteCloser)) *Network { return &Network{serve: serve} }

// Open makes a connection.
func (n *Network) Open() (Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.out {
		return nil, drivers.ErrNoDevice
	}
	n.opened++
	up, down := newBuffer(), newBuffer()
	server := &end{in: up, out: down, onClose: down.close}
	n.servers = append(n.servers, server)
	n.done.Go(func() {
		n.serve(server)
		server.Close()
	})
	return &end{in: down, out: up, onClose: up.close}, nil
}

// Opened is how many connections there were.
func (n *Network) Opened() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened
}

// HangUp closes all connections from the host's side.
func (n *Network) HangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.servers {
		s.Close()
	}
	n.servers = nil
}

// Unplug takes the host away.
func (n *Network) Unplug() {
	n.mu.Lock()
	n.out = true
	n.mu.Unlock()
	n.HangUp()
}

// Plug brings the host back.
func (n *Network) Plug() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out = false
}

// Close ends the host and waits for its connections.
func (n *Network) Close() {
	n.Unplug()
	n.done.Wait()
}

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goburrow/modbus"
)

// A transport sends one request over an open line and reads its answer. It
// stands in for goburrow's own transporters, which after one late answer give the
// value of another register without an error.
type transport struct {
	conn    Conn
	rtu     bool
	timeout time.Duration
}

// Send implements [modbus.Transporter].
func (t transport) Send(request []byte) ([]byte, error) {
	e, err := t.expect(request)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(t.timeout)
	if err := t.conn.SetDeadline(until); err != nil {
		return nil, err
	}
	if _, err := t.conn.Write(request); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	var frame []byte
	for stale := 0; ; {
		lacks, foreign, err := t.lacks(e, frame)
		switch {
		case err != nil:
			return nil, err
		case foreign:
			// The answer to a request that was given up. That many in a
			// row are no answers to ours.
			if stale++; stale > 16 {
				return nil, errors.New("only answers to other requests")
			}
			frame = nil
			continue
		case lacks == 0:
			return frame, nil
		}
		part := make([]byte, lacks)
		n, err := t.conn.Read(part)
		frame = append(frame, part[:n]...)
		switch {
		case n > 0:
		case errors.Is(err, os.ErrDeadlineExceeded) && len(frame) == 0:
			return nil, fmt.Errorf("no answer in %v: %w", t.timeout.Round(time.Millisecond), ErrTimeout)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fmt.Errorf("%d bytes of an answer in %v, and at least %d are missing: %w", len(frame), t.timeout.Round(time.Millisecond), lacks, ErrTimeout)
		case errors.Is(err, io.EOF):
			return nil, errors.New("the other side closed the connection")
		case err != nil:
			return nil, err
		}
	}
}

func (t transport) expect(request []byte) (expectation, error) {
	if t.rtu {
		return expectPDU(request[0], request[1:len(request)-2])
	}
	e, err := expectPDU(request[6], request[tcpHeader:])
	e.transaction = binary.BigEndian.Uint16(request)
	return e, err
}

func (t transport) lacks(e expectation, frame []byte) (lacks int, stale bool, err error) {
	if t.rtu {
		lacks, err = e.rtu(frame)
		return lacks, false, err
	}
	return e.tcp(frame)
}

// A packager wraps requests and unwraps answers, for a unit. goburrow's is of the
// line's life: its transaction ids go on where a connection ends, so that no late
// answer fits a request of the next.
type packager struct {
	modbus.Packager
	setUnit func(byte)
}

func newPackager(f Framing) packager {
	if f == TCP {
		h := modbus.NewTCPClientHandler("")
		return packager{h, func(unit byte) { h.SlaveId = unit }}
	}
	h := modbus.NewRTUClientHandler("")
	return packager{h, func(unit byte) { h.SlaveId = unit }}
}

// ErrTimeout is that a device did not answer in time.
var ErrTimeout = errors.New("timeout")

// An Exception is a device's no, in an answer that is sound.
type Exception struct{ Code byte }

func (e Exception) Error() string {
	text := "a code that is not known"
	switch e.Code {
	case 1:
		text = "illegal function"
	case 2:
		text = "illegal data address"
	case 3:
		text = "illegal data value"
	case 4:
		text = "the device failed"
	case 5:
		text = "acknowledged, not done yet"
	case 6:
		text = "the device is busy"
	case 8:
		text = "memory parity error"
	case 10:
		text = "the gateway has no path"
	case 11:
		text = "the gateway's target does not answer"
	}
	return fmt.Sprintf("exception %d, %s", e.Code, text)
}

// gateway says that a gateway speaks, of a device that did not: its answer may
// still come.
func (e Exception) gateway() bool { return e.Code == 10 || e.Code == 11 }

// asException turns goburrow's error into ours.
func asException(err error) error {
	var m *modbus.ModbusError
	if errors.As(err, &m) && m.FunctionCode&exceptionBit != 0 {
		return Exception{m.ExceptionCode}
	}
	return err
}

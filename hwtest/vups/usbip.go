package vups

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// USB/IP's commands (Documentation/usb/usbip_protocol in the Linux kernel).
const (
	cmdSubmit  = 1
	cmdUnlink  = 2
	retSubmit  = 3
	retUnlink  = 4
	headerSize = 48
	// A transfer of a HID device of low speed is never longer.
	longest = 1 << 16
)

// Errnos of Linux, as USB/IP has them.
const (
	errStall int32 = -32  // EPIPE
	errReset int32 = -104 // ECONNRESET
)

// wire is one plugged-in time of the device.
type wire struct {
	d    *Device
	conn net.Conn

	mu      sync.Mutex
	pending []uint32 // interrupt transfers that wait for something to say
}

// Serve speaks USB/IP with the kernel on conn, as a device that is plugged in,
// until ctx ends or the kernel lets go. Closing conn is to pull the plug.
func (d *Device) Serve(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &wire{d: d, conn: conn}
	var tell sync.WaitGroup
	defer tell.Wait()
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	tell.Go(func() { w.interrupts(ctx) })
	for {
		if err := w.next(); err != nil {
			if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return ctx.Err()
			}
			return fmt.Errorf("virtual ups: %w", err)
		}
	}
}

func (w *wire) next() error {
	var h [headerSize]byte
	if _, err := io.ReadFull(w.conn, h[:]); err != nil {
		return err
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }
	seq := u32(4)
	switch u32(0) {
	case cmdUnlink:
		return w.unlink(seq, u32(20))
	case cmdSubmit:
	default:
		return fmt.Errorf("command %d is none of USB/IP's", u32(0))
	}
	in, endpoint, length := u32(12) == 1, u32(16), u32(24)
	if length > longest {
		return fmt.Errorf("a transfer of %d bytes", length)
	}
	var data []byte
	if !in {
		data = make([]byte, length)
		if _, err := io.ReadFull(w.conn, data); err != nil {
			return err
		}
	}
	if endpoint != 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending = append(w.pending, seq)
		return nil
	}
	if w.hangs(h[40], h[41]) {
		return nil
	}
	if !in {
		if h[40] == 0x21 && h[41] == 0x09 {
			w.d.write(data)
		}
		return w.answer(retSubmit, seq, 0, length, nil)
	}
	b, ok := w.d.control([8]byte(h[40:48]))
	if !ok {
		return w.answer(retSubmit, seq, errStall, 0, nil)
	}
	return w.answer(retSubmit, seq, 0, uint32(len(b)), b)
}

// hangs is whether a request of the HID class is left without an answer.
func (w *wire) hangs(requestType, _ byte) bool {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	return w.d.fault.Hang && requestType&0x60 == 0x20
}

func (w *wire) unlink(seq, victim uint32) error {
	w.mu.Lock()
	status := int32(0)
	for i, p := range w.pending {
		if p == victim {
			w.pending = append(w.pending[:i], w.pending[i+1:]...)
			status = errReset
			break
		}
	}
	w.mu.Unlock()
	return w.answer(retUnlink, seq, status, 0, nil)
}

// interrupts sends the status at each of its changes.
func (w *wire) interrupts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.d.changed:
		}
		w.d.mu.Lock()
		quiet := w.d.fault.NoInterrupts
		w.d.mu.Unlock()
		w.mu.Lock()
		if quiet || len(w.pending) == 0 {
			w.mu.Unlock()
			continue
		}
		seq := w.pending[0]
		w.pending = w.pending[1:]
		w.mu.Unlock()
		b := w.d.event()
		if w.answer(retSubmit, seq, 0, uint32(len(b)), b) != nil {
			return
		}
	}
}

func (w *wire) answer(command, seq uint32, status int32, length uint32, data []byte) error {
	b := make([]byte, headerSize, headerSize+len(data))
	put := func(at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	put(0, command)
	put(4, seq)
	put(20, uint32(status))
	put(24, length)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.conn.Write(append(b, data...))
	return err
}

package vups

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
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
	errBus   int32 = -71  // EPROTO: what a host controller says of a device that is not there any more
	errReset int32 = -104 // ECONNRESET
)

// wire is one plugged-in time of the device.
type wire struct {
	d    *Device
	conn net.Conn

	mu      sync.Mutex
	pending []uint32 // interrupt transfers that wait for something to say
	hanging []uint32 // control transfers that get no answer
	pulled  bool
}

// Serve speaks USB/IP with the kernel on conn, as a device that is plugged in,
// until ctx ends or the kernel lets go. Closing conn is to pull the plug.
func (d *Device) Serve(ctx context.Context, conn net.Conn) error {
	return (&wire{d: d, conn: conn}).serve(ctx)
}

func (w *wire) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	conn := w.conn
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
	switch gone, hangs := w.mute(seq, h[40]); {
	case gone:
		return w.answer(retSubmit, seq, errBus, 0, nil)
	case hangs:
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

// mute says why a control transfer gets nothing from the device.
func (w *wire) mute(seq uint32, requestType byte) (gone, hangs bool) {
	w.d.mu.Lock()
	hangs = w.d.fault.Hang && requestType&0x60 == 0x20 // the requests of the HID class
	w.d.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if hangs && !w.pulled {
		w.hanging = append(w.hanging, seq)
	}
	return w.pulled, hangs
}

// pull ends what is under way on the control pipe, and all that follows, as a
// host controller does: the kernel's USB/IP alone would leave a request that is
// under way when the plug is pulled until its time is over, after 5 s.
func (w *wire) pull() {
	w.mu.Lock()
	w.pulled = true
	under := w.hanging
	w.hanging = nil
	w.mu.Unlock()
	for _, seq := range under {
		_ = w.answer(retSubmit, seq, errBus, 0, nil) // the kernel may have given it up
	}
}

func (w *wire) unlink(seq, victim uint32) error {
	w.mu.Lock()
	status := int32(0)
	for _, list := range []*[]uint32{&w.pending, &w.hanging} {
		if i := slices.Index(*list, victim); i >= 0 {
			*list, status = slices.Delete(*list, i, i+1), errReset
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

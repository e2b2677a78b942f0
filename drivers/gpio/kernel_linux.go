package gpio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"lastwatt/drivers"
)

// device is the kernel of this machine, through the calls of go-gpiocdev's
// package uapi. The library's own requests are not used: they ignore the size of
// the event buffer, refuse symlinks, spin where a chip that vanished ends the
// wait, and panic in a goroutine of theirs (v0.9.1: options.go, gpiocdev.go
// IsChip, watcher.go).
type device struct{ dev string }

func newKernel(root string) kernel { return device{dev: filepath.Join("/", root, "dev")} }

// Paths implements kernel.
func (d device) Paths() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(d.dev, "gpiochip*"))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range found {
		if real, err := filepath.EvalSymlinks(p); err == nil && !slices.Contains(all, real) {
			all = append(all, real)
		}
	}
	return all, nil
}

// Open implements kernel.
func (d device) Open(path string) (chip, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return nil, errPermission(path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%s: %w: %w", path, drivers.ErrNoDevice, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	c := &openChip{fd: fd, path: path}
	info, err := uapi.GetChipInfo(uintptr(fd))
	if err == nil {
		c.label, c.count = uapi.BytesToString(info.Label[:]), int(info.Lines)
		err = c.version()
	} else {
		err = fmt.Errorf("%s is no GPIO chip: %w", path, err)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Monotonic implements kernel.
func (device) Monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // it has no error that could happen here (clock_gettime(2))
	}
	return time.Duration(now.Nano())
}

// openChip implements chip.
type openChip struct {
	fd          int
	path, label string
	count       int
}

// version asks for what only version 2 has.
func (c *openChip) version() error {
	if c.count == 0 {
		return nil
	}
	_, err := uapi.GetLineInfoV2(uintptr(c.fd), 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return fmt.Errorf("%s: %w", c.path, errOldKernel)
	}
	return chipError(c.path, err)
}

// chipError adds what an errno means of the chip.
func chipError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%s is gone: %w: %w", path, drivers.ErrNoDevice, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Label implements chip.
func (c *openChip) Label() string { return c.label }

// Lines implements chip.
func (c *openChip) Lines() ([]lineInfo, error) {
	all := make([]lineInfo, c.count)
	for i := range all {
		info, err := uapi.GetLineInfoV2(uintptr(c.fd), i)
		if err != nil {
			return nil, chipError(c.path, err)
		}
		all[i] = lineInfo{
			Name:     uapi.BytesToString(info.Name[:]),
			Consumer: uapi.BytesToString(info.Consumer[:]),
			Used:     info.Flags.IsUsed(),
		}
	}
	return all, nil
}

// flags are u's, of linux/gpio.h.
func (u use) flags() uapi.LineFlagV2 {
	var f uapi.LineFlagV2
	for flag, has := range map[uapi.LineFlagV2]bool{
		uapi.LineFlagV2Input:        !u.output,
		uapi.LineFlagV2Output:       u.output,
		uapi.LineFlagV2ActiveLow:    u.activeLow,
		uapi.LineFlagV2OpenDrain:    u.openDrain,
		uapi.LineFlagV2EdgeFalling:  u.edges == falling,
		uapi.LineFlagV2EdgeBoth:     u.edges == bothEdges,
		uapi.LineFlagV2BiasPullUp:   u.bias == pullUp,
		uapi.LineFlagV2BiasPullDown: u.bias == pullDown,
		uapi.LineFlagV2BiasDisabled: u.bias == noBias,
	} {
		if has {
			f |= flag
		}
	}
	return f
}

// config is r's, of linux/gpio.h: the flags of the first line are everybody's
// but those that an attribute names.
func (r request) config() uapi.LineConfig {
	c := uapi.LineConfig{Flags: r.uses[0].flags()}
	masks := map[uapi.LineFlagV2]uapi.LineBitmap{}
	var outputs, on uapi.LineBitmap
	for i, u := range r.uses {
		if f := u.flags(); f != c.Flags {
			masks[f] = masks[f].Set(i, 1)
		}
		if u.output {
			outputs = outputs.Set(i, 1)
			on = on.Set(i, bit(u.on))
		}
	}
	for f, mask := range masks {
		c.AddAttribute(uapi.LineConfigAttribute{Attr: f.Encode(), Mask: mask})
	}
	if outputs != 0 {
		c.AddAttribute(uapi.LineConfigAttribute{Attr: uapi.OutputValues(on).Encode(), Mask: outputs})
	}
	return c
}

// Request implements chip.
func (c *openChip) Request(r request) (lines, error) {
	if len(r.uses) > uapi.LinesMax {
		return nil, fmt.Errorf("%s: %d lines at once, and %d are the most", c.path, len(r.uses), uapi.LinesMax)
	}
	q := uapi.LineRequest{Config: r.config(), Lines: uint32(len(r.uses)), EventBufferSize: uint32(r.buffer)}
	copy(q.Consumer[:len(q.Consumer)-1], r.consumer)
	for i, u := range r.uses {
		q.Offsets[i] = uint32(u.offset)
	}
	if err := uapi.GetLine(uintptr(c.fd), &q); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return nil, c.taken(r)
		}
		return nil, chipError(c.path, err)
	}
	fd := int(q.Fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(chipError(c.path, err), unix.Close(fd))
	}
	return &openLines{fd: fd, path: c.path}, nil
}

// taken names the line that somebody else has.
func (c *openChip) taken(r request) error {
	all, err := c.Lines()
	if err != nil {
		return err
	}
	for _, u := range r.uses {
		if i := all[u.offset]; i.Used {
			return errTaken(lineName(i, u.offset), c.label, i)
		}
	}
	return chipError(c.path, unix.EBUSY)
}

// Close implements chip.
func (c *openChip) Close() error { return unix.Close(c.fd) }

// openLines implements lines.
type openLines struct {
	fd   int
	path string
	// file is fd's, from the first Next on: a file that does not block is one
	// that Go can wait for with a deadline, and then every event wakes it,
	// whether it waits or not.
	file *os.File
	wire []byte // what events are read into
}

// eventBytes is the size of struct gpio_v2_line_event.
const eventBytes = 48

// Next implements lines.
func (l *openLines) Next(ctx context.Context, into []event) (int, error) {
	if l.file == nil {
		l.file = os.NewFile(uintptr(l.fd), l.path)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := l.file.Read(l.room(len(into)))
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, chipError(l.path, err)
	}
	return decodeEvents(l.wire[:n], into), nil
}

// Queued implements lines.
func (l *openLines) Queued(into []event) (int, error) {
	for {
		n, err := unix.Read(l.fd, l.room(len(into)))
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, chipError(l.path, err)
		default:
			return decodeEvents(l.wire[:n], into), nil
		}
	}
}

// room is where so many events are read into.
func (l *openLines) room(events int) []byte {
	if len(l.wire) < eventBytes*events {
		l.wire = make([]byte, eventBytes*events)
	}
	return l.wire[:eventBytes*events]
}

// decodeEvents reads whole events, of linux/gpio.h; what follows the last is left.
func decodeEvents(wire []byte, into []event) int {
	n := min(len(wire)/eventBytes, len(into))
	for i := range n {
		e := wire[eventBytes*i:]
		into[i] = event{
			at:     time.Duration(binary.NativeEndian.Uint64(e)),
			offset: int(binary.NativeEndian.Uint32(e[12:])),
			seq:    binary.NativeEndian.Uint32(e[20:]),
		}
	}
	return n
}

// Values implements lines.
func (l *openLines) Values() (uint64, error) {
	v := uapi.LineValues{Mask: ^uapi.LineBitmap(0)}
	if err := uapi.GetLineValuesV2(uintptr(l.fd), &v); err != nil {
		return 0, chipError(l.path, err)
	}
	return uint64(v.Bits), nil
}

// Set implements lines.
func (l *openLines) Set(mask, values uint64) error {
	v := uapi.LineValues{Mask: uapi.LineBitmap(mask), Bits: uapi.LineBitmap(values)}
	return chipError(l.path, uapi.SetLineValuesV2(uintptr(l.fd), v))
}

// Close implements lines.
func (l *openLines) Close() error {
	if l.file == nil {
		return unix.Close(l.fd)
	}
	return l.file.Close()
}

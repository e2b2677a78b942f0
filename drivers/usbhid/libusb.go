//go:build linux && cgo && gousb

package usbhid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/gousb"

	"lastwatt/drivers"
)

// controlTimeout bounds every control transfer; libusb's own is for ever. A
// low-speed UPS takes up to 200 ms.
const controlTimeout = 2 * time.Second

// libusbBus owns the one libusb context of its drivers. It is made at the first
// use and lives as long as the process: libusb's contexts are not cheap.
type libusbBus struct {
	mu      sync.Mutex
	context *gousb.Context // nil before the first use
}

func newLibusb() bus { return &libusbBus{} }

// start makes the context. gousb panics where libusb finds no USB at all.
func (b *libusbBus) start() (err error) {
	if b.context != nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("start libusb: %v", r)
		}
	}()
	b.context = gousb.NewContext()
	return nil
}

// find opens the device at a bus path. A context hears of new devices from
// udev's daemon: where that does not run (a container, an early boot), only a
// new context sees them, and the old one can go if nothing is open in it.
func (b *libusbBus) find(path string) (*gousb.Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for try := 0; ; try++ {
		if err := b.start(); err != nil {
			return nil, err
		}
		devices, err := b.context.OpenDevices(func(d *gousb.DeviceDesc) bool { return busPath(d) == path })
		if len(devices) > 0 {
			return devices[0], nil
		}
		if err != nil {
			return nil, err
		}
		if try > 0 || b.context.Close() != nil {
			return nil, drivers.ErrNoDevice
		}
		b.context = nil
	}
}

// Scan implements bus.
func (b *libusbBus) Scan() ([]Info, error) {
	found, err := scan("/sys", "/dev")
	for n := range found {
		i := &found[n]
		i.Transport, i.Node = "gousb", usbNode("/sys", "/dev", i.Path)
		i.HeldBy, i.Err = holder(i.Node), obstacle(i.Node)
		if i.Err == nil && i.driver == "usbfs" {
			i.Err = errHeld(*i)
		}
	}
	return found, err
}

// Open implements bus. It takes the device from the kernel's driver until it is
// closed.
func (b *libusbBus) Open(i Info) (device, error) {
	d, err := b.find(i.Path)
	if err != nil {
		return nil, usbError(err, i)
	}
	l := &libusbDevice{info: i, device: d}
	l.device.ControlTimeout = controlTimeout
	if err := l.claim(); err != nil {
		return nil, errors.Join(usbError(err, i), l.Close())
	}
	return l, nil
}

// busPath writes a device's place as sysfs does: 1-1.2.
func busPath(d *gousb.DeviceDesc) string {
	ports := make([]string, len(d.Path))
	for n, p := range d.Path {
		ports[n] = strconv.Itoa(p)
	}
	return fmt.Sprintf("%d-%s", d.Bus, strings.Join(ports, "."))
}

// usbError adds what an error of libusb means of the device.
func usbError(err error, i Info) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gousb.ErrorNoDevice), errors.Is(err, gousb.TransferNoDevice):
		return fmt.Errorf("%w: %w", errGone, err)
	case errors.Is(err, gousb.ErrorTimeout), errors.Is(err, gousb.TransferTimedOut):
		return fmt.Errorf("%w: %w", errTimeout, err)
	case errors.Is(err, gousb.ErrorAccess):
		return errPermission(i.Node)
	case errors.Is(err, gousb.ErrorBusy):
		return fmt.Errorf("another program has it (nut-driver?); stop that program: %w", err)
	}
	return err
}

// libusbDevice is a claimed HID interface.
type libusbDevice struct {
	info     Info
	device   *gousb.Device
	config   *gousb.Config
	hid      *gousb.Interface
	endpoint *gousb.InEndpoint // nil if the device has none
}

// claim takes the device's first HID interface and its interrupt endpoint.
func (l *libusbDevice) claim() error {
	if err := l.device.SetAutoDetach(true); err != nil {
		return err
	}
	number, err := l.device.ActiveConfigNum()
	if err != nil {
		return err
	}
	if l.config, err = l.device.Config(number); err != nil {
		return err
	}
	for _, i := range l.config.Desc.Interfaces {
		if len(i.AltSettings) == 0 || i.AltSettings[0].Class != gousb.ClassHID {
			continue
		}
		if l.hid, err = l.config.Interface(i.Number, i.AltSettings[0].Alternate); err != nil {
			return err
		}
		for _, e := range l.hid.Setting.Endpoints {
			if e.Direction == gousb.EndpointDirectionIn && e.TransferType == gousb.TransferTypeInterrupt {
				l.endpoint, err = l.hid.InEndpoint(e.Number)
				return err
			}
		}
		return nil
	}
	return errors.New("it has no HID interface")
}

// The requests of HID 1.11, section 7.
const (
	fromInterface = 0x81 // standard, device to host
	classIn       = 0xa1
	classOut      = 0x21
	getDescriptor = 0x06
	getReport     = 0x01
	setReport     = 0x09
	featureReport = 3 << 8
	reportType    = 0x22 << 8
)

func (l *libusbDevice) control(kind, request uint8, value uint16, buf []byte) (int, error) {
	n, err := l.device.Control(kind, request, value, uint16(l.hid.Setting.Number), buf)
	return n, usbError(err, l.info)
}

// Feature implements device.
func (l *libusbDevice) Feature(id uint8, buf []byte) (int, error) {
	wire := make([]byte, packets(len(buf), l.device.Desc.MaxControlPacketSize))
	n, err := l.control(classIn, getReport, featureReport|uint16(id), wire)
	return copy(buf, wire[:max(n, 0)]), err
}

// SetFeature implements device.
func (l *libusbDevice) SetFeature(id uint8, wire []byte) error {
	_, err := l.control(classOut, setReport, featureReport|uint16(id), append([]byte{}, wire...))
	return err
}

// Input implements device.
func (l *libusbDevice) Input(ctx context.Context, buf []byte) (int, error) {
	if l.endpoint == nil {
		return 0, errors.New("it has no interrupt endpoint")
	}
	wire := make([]byte, packets(len(buf), l.endpoint.Desc.MaxPacketSize))
	n, err := l.endpoint.ReadContext(ctx, wire)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return copy(buf, wire[:max(n, 0)]), usbError(err, l.info)
}

// Descriptor implements device. It reads the descriptor twice, because a read
// was seen that came damaged, at full length and without an error.
func (l *libusbDevice) Descriptor() ([]byte, error) {
	var reads [2][]byte
	for i := range reads {
		buf := make([]byte, 4096)
		n, err := l.control(fromInterface, getDescriptor, reportType, buf)
		if err != nil {
			return nil, err
		}
		reads[i] = buf[:n]
	}
	if !bytes.Equal(reads[0], reads[1]) {
		return nil, fmt.Errorf("%w: two reads differ (%d and %d bytes)", ErrDescriptor, len(reads[0]), len(reads[1]))
	}
	return reads[0], nil
}

// Text implements device.
func (l *libusbDevice) Text(index uint8) (string, error) {
	s, err := l.device.GetStringDescriptor(int(index))
	return s, usbError(err, l.info)
}

// Close implements device. It gives the device back to the kernel's driver.
func (l *libusbDevice) Close() error {
	var errs []error
	if l.hid != nil {
		l.hid.Close()
	}
	if l.config != nil {
		errs = append(errs, l.config.Close())
	}
	return errors.Join(append(errs, l.device.Close())...)
}

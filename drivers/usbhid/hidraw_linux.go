package usbhid

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hidraw is an open /dev/hidraw file, twice: an ioctl may hold its file for the
// 5 s of the kernel's control timeout, and events must not wait for that.
type hidraw struct {
	fd     int
	events *os.File
	usb    string // the same device's file for libusb
}

func openHidraw(node, usb string) (device, error) {
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(node, err)
	}
	in, err := unix.Open(node, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(openError(node, err), unix.Close(fd))
	}
	return &hidraw{fd: fd, events: os.NewFile(uintptr(in), node), usb: usb}, nil
}

func openError(node string, err error) error {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return errPermission(node)
	}
	return fmt.Errorf("%s: %w", node, kernelError(err))
}

// kernelError adds what an errno means of the device.
func kernelError(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ESHUTDOWN):
		return fmt.Errorf("%w: %w", errGone, err)
	case errors.Is(err, unix.ETIMEDOUT):
		return fmt.Errorf("%w: %w", errTimeout, err)
	case errors.Is(err, unix.EPROTO), errors.Is(err, unix.EILSEQ), errors.Is(err, unix.ETIME):
		// Documentation/driver-api/usb/error-codes.rst: what a transfer says
		// whose device was unplugged, before the hub has said so.
		return fmt.Errorf("%w: %w", errWire, err)
	}
	return err
}

// The ioctls of linux/hidraw.h that x/sys/unix lacks: _IOC(READ|WRITE, 'H', n,
// length).
const (
	sendFeature = 0x06
	getFeature  = 0x07
)

func (h *hidraw) ioctl(number uintptr, buf []byte) (int, error) {
	request := 3<<30 | uintptr(len(buf))<<16 | 'H'<<8 | number
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(h.fd), request, uintptr(unsafe.Pointer(&buf[0])))
	if errno != 0 {
		return 0, kernelError(errno)
	}
	return int(n), nil
}

// Feature implements device. The kernel puts an id before every report, also
// where the device sends none.
func (h *hidraw) Feature(id uint8, buf []byte) (int, error) {
	wire := make([]byte, packets(len(buf)+1, 0))
	wire[0] = id
	n, err := h.ioctl(getFeature, wire)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		return copy(buf, wire[min(1, n):n]), nil
	}
	return copy(buf, wire[:n]), nil
}

// SetFeature implements device.
func (h *hidraw) SetFeature(id uint8, wire []byte) error {
	buf := append([]byte{}, wire...)
	if id == 0 {
		buf = append([]byte{0}, wire...)
	}
	_, err := h.ioctl(sendFeature, buf)
	return err
}

// Input implements device.
func (h *hidraw) Input(ctx context.Context, buf []byte) (int, error) {
	stop := context.AfterFunc(ctx, func() { _ = h.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := h.events.Read(buf)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.Is(err, unix.EIO):
		// What read says of an unplugged device.
		return 0, fmt.Errorf("%w: %w", errGone, err)
	case err != nil:
		return 0, kernelError(err)
	}
	return n, nil
}

// Descriptor implements device. The kernel read it when the device came, and
// reads it no more.
func (h *hidraw) Descriptor() ([]byte, error) {
	size, err := unix.IoctlGetUint32(h.fd, unix.HIDIOCGRDESCSIZE)
	if err != nil {
		return nil, kernelError(err)
	}
	d := unix.HIDRawReportDescriptor{Size: size}
	if err := unix.IoctlHIDGetDesc(h.fd, &d); err != nil {
		return nil, kernelError(err)
	}
	return append([]byte{}, d.Value[:min(int(size), len(d.Value))]...), nil
}

// Of linux/usbdevice_fs.h.
const (
	usbReset   = 'U'<<8 | 20 // USBDEVFS_RESET: _IO('U', 20)
	usbConnect = 'U'<<8 | 23 // USBDEVFS_CONNECT: _IO('U', 23)
)

// interfaceCall is struct usbdevfs_ioctl.
type interfaceCall struct {
	number, code int32
	data         unsafe.Pointer
}

// resetUSB resets the device, whereupon the kernel reads its descriptors anew,
// and gives its interface to the kernel's HID driver if that does not have it.
func resetUSB(node string, number uint8) error {
	usb, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reset: %w", openError(node, err))
	}
	defer unix.Close(usb)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(usb), usbReset, 0); errno != 0 {
		return fmt.Errorf("reset: %w", kernelError(errno))
	}
	c := interfaceCall{number: int32(number), code: usbConnect}
	request := 3<<30 | unsafe.Sizeof(c)<<16 | 'U'<<8 | 18 // USBDEVFS_IOCTL
	// Refused where the driver has it already, which is as well.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(usb), request, uintptr(unsafe.Pointer(&c)))
	return nil
}

// controlTransfer is struct usbdevfs_ctrltransfer of linux/usbdevice_fs.h.
type controlTransfer struct {
	requestType, request uint8
	value, index, length uint16
	timeoutMS            uint32
	data                 unsafe.Pointer
}

// Text implements device: hidraw reads no strings, but any process that may open
// the device's file for libusb may ask the device for them beside the driver.
func (h *hidraw) Text(index uint8) (string, error) {
	usb, err := unix.Open(h.usb, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoText, err)
	}
	defer unix.Close(usb)
	languages, err := h.descriptor(usb, 0, 0)
	if err != nil || len(languages) < 4 {
		return "", fmt.Errorf("%w: %w", errNoText, err)
	}
	text, err := h.descriptor(usb, index, binary.LittleEndian.Uint16(languages[2:]))
	if err != nil {
		return "", err
	}
	var units []uint16
	for pair := range slices.Chunk(text[2:], 2) {
		if len(pair) == 2 {
			units = append(units, binary.LittleEndian.Uint16(pair))
		}
	}
	return string(utf16.Decode(units)), nil
}

// descriptor reads a string descriptor (USB 2.0, section 9.6.7).
func (h *hidraw) descriptor(usb int, index uint8, language uint16) ([]byte, error) {
	buf := make([]byte, 255)
	t := controlTransfer{0x80, 0x06, 3<<8 | uint16(index), language, uint16(len(buf)), 1000, unsafe.Pointer(&buf[0])}
	request := 3<<30 | unsafe.Sizeof(t)<<16 | 'U'<<8
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(usb), request, uintptr(unsafe.Pointer(&t)))
	switch {
	case errno != 0:
		return nil, kernelError(errno)
	case n < 2 || int(buf[0]) > int(n) || buf[0] < 2 || buf[1] != 3:
		return nil, errNoText
	}
	return buf[:buf[0]], nil
}

// Close implements device.
func (h *hidraw) Close() error { return errors.Join(h.events.Close(), unix.Close(h.fd)) }

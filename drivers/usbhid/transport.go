package usbhid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lastwatt/drivers"
)

// A bus finds devices and opens them: one per transport.
type bus interface {
	Scan() ([]Info, error)
	Open(i Info) (device, error)
}

// A device is an open device. Its I/O belongs to one goroutine, but for Input,
// which belongs to one other. Every call but Input is bounded by the transport.
type device interface {
	reports
	// Input waits for an input report; its error is ctx's when ctx is done.
	Input(ctx context.Context, buf []byte) (int, error)
	descriptions
	io.Closer
}

type reports interface {
	// Feature reads a feature report into buf as it is on the wire, with its
	// id first if the device numbers its reports, and returns its length.
	Feature(id uint8, buf []byte) (int, error)
	// SetFeature writes a feature report, wire as in Feature.
	SetFeature(id uint8, wire []byte) error
}

type descriptions interface {
	Descriptor() ([]byte, error)
	// Text returns the USB string of an index; errNoText if the transport
	// cannot read it.
	Text(index uint8) (string, error)
}

// What a transport's errors wrap, where it knows.
var (
	errGone    = errors.New("the device is gone")
	errTimeout = errors.New("the device does not answer")
	errWire    = errors.New("the transfer broke off on the wire")
	errNoText  = errors.New("this transport reads no USB strings")
)

// ErrDescriptor is what errors of a damaged report descriptor wrap. Nothing that
// the device says is believed then.
var ErrDescriptor = errors.New("the report descriptor is damaged; unplug the UPS's USB cable, wait 5 s and plug it in again")

// Info is a power device on the bus.
type Info struct {
	Transport string // hidraw or gousb
	Path      string // on the bus, such as 1-1.2
	Node      string // the file that is opened, such as /dev/hidraw0
	Interface uint8  // of the device, that speaks HID
	Vendor    uint16
	Product   uint16
	Maker     string
	Model     string
	Serial    string // empty if the device has none
	// Descriptors are the device's and its configurations', as USB has them
	// (USB 2.0, section 9.6); nil where the system does not show them.
	Descriptors []byte
	// driver is the kernel's driver that has the interface: usbhid, usbfs
	// for a program with libusb; empty if none has.
	driver string
	// HeldBy names the program that has the device, where it can be known.
	HeldBy string
	// Err is why the device cannot be opened, with the remedy; nil if
	// nothing is known to be in the way.
	Err error
}

func (i Info) String() string {
	name := strings.Join(strings.Fields(i.Maker+" "+i.Model), " ")
	return fmt.Sprintf("%s at %s", strings.TrimSpace(fmt.Sprintf("%04x:%04x %s", i.Vendor, i.Product, name)), i.Path)
}

// errPermission says what to do about a device file that may not be opened.
func errPermission(node string) error {
	return fmt.Errorf("%w to open %s; install 60-lastwatt.rules in /etc/udev/rules.d, run as a member of group lastwatt, and plug the UPS in again",
		drivers.ErrPermission, node)
}

// Transports lists what this binary can open devices with, the one that auto
// means first.
func Transports() []string {
	if newLibusb() != nil {
		return []string{"gousb", "hidraw"}
	}
	return []string{"hidraw"}
}

// busOf returns the bus of a transport's name.
func busOf(transport string, libusb bus) (bus, error) {
	switch {
	case transport == "hidraw", (transport == "auto" || transport == "") && libusb == nil:
		return hidrawBus{sys: "/sys", dev: "/dev"}, nil
	case transport == "gousb" && libusb == nil:
		return nil, errors.New("transport: this build has no usb transport; build with -tags gousb, or use hidraw")
	case transport == "gousb", transport == "auto", transport == "":
		return libusb, nil
	}
	return nil, fmt.Errorf("transport: want auto, hidraw or gousb (got %q)", transport)
}

// packets rounds a length up to whole packets, 8 bytes at least: a device that
// has more to send than it was asked for overflows.
func packets(n, packet int) int {
	packet = max(packet, 8)
	return (n + packet - 1) / packet * packet
}

// choose returns the one device that m means, also with an error that is about
// just that device.
func choose(b bus, m Match) (Info, error) {
	all, err := b.Scan()
	if err != nil {
		return Info{}, fmt.Errorf("look for power devices: %w", err)
	}
	var fit []Info
	for _, i := range all {
		if m.fits(i) {
			fit = append(fit, i)
		}
	}
	switch {
	case len(fit) == 0:
		return Info{}, fmt.Errorf("%w: no power device on USB (looked for %v); check the cable and run: lastwatt ups list", drivers.ErrNoDevice, m)
	case len(fit) > 1:
		names := make([]string, len(fit))
		for n, i := range fit {
			names[n] = i.String()
		}
		return Info{}, fmt.Errorf("%d power devices fit (%s); name one by serial or path", len(fit), strings.Join(names, "; "))
	case fit[0].Err != nil:
		return fit[0], fit[0].Err
	}
	return fit[0], nil
}

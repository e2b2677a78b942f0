package usbhid

import (
	"errors"
	"fmt"
)

// hidrawBus is the kernel's own HID driver. sys and dev are where its files are.
type hidrawBus struct{ sys, dev string }

// Scan implements bus.
func (b hidrawBus) Scan() ([]Info, error) {
	found, err := scan(b.sys, b.dev)
	for n := range found {
		i := &found[n]
		i.Transport = "hidraw"
		if i.Node == "" {
			i.HeldBy = holder(usbNode(b.sys, b.dev, i.Path))
			i.Err = errHeld(*i)
			continue
		}
		i.HeldBy = holder(i.Node)
		i.Err = obstacle(i.Node)
	}
	return found, err
}

// errHeld says that a device has no hidraw file, which is so while a program
// has it through libusb.
func errHeld(i Info) error {
	if i.HeldBy == "" {
		return fmt.Errorf("%v has no hidraw file; stop the program that has it (nut-driver?), or plug the UPS in again", i)
	}
	return fmt.Errorf("%v is in use by %s; stop that program", i, i.HeldBy)
}

// Open implements bus.
func (b hidrawBus) Open(i Info) (device, error) {
	if i.Node == "" {
		return nil, errors.New("it has no hidraw file")
	}
	return openHidraw(i.Node, usbNode(b.sys, b.dev, i.Path))
}

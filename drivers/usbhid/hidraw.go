package usbhid

import (
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

// errHeld says why a device has no hidraw file.
func errHeld(i Info) error {
	switch {
	case i.HeldBy != "":
		return fmt.Errorf("%v is in use by %s; stop that program", i, i.HeldBy)
	case i.driver == "usbfs":
		return fmt.Errorf("%v is in use by a program through libusb (nut-driver?); stop that program", i)
	}
	return fmt.Errorf("%v: %w, because its report descriptor came damaged; unplug its USB cable, wait 5 s and plug it in again", i, errUnbound)
}

// Open implements bus.
func (b hidrawBus) Open(i Info) (device, error) {
	if i.Node == "" {
		return nil, errUnbound
	}
	return openHidraw(i.Node, usbNode(b.sys, b.dev, i.Path))
}

// Revive implements reviver.
func (b hidrawBus) Revive(i Info) error { return resetUSB(usbNode(b.sys, b.dev, i.Path), i.Interface) }

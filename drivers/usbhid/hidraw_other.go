//go:build !linux

package usbhid

import "errors"

func openHidraw(_, _ string) (device, error) { return nil, errors.New("hidraw is only on Linux") }

func resetUSB(string, uint8) error { return errors.New("hidraw is only on Linux") }

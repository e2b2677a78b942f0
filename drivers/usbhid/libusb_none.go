//go:build !(linux && cgo && gousb)

package usbhid

// newLibusb returns nil: this build has hidraw only.
func newLibusb() bus { return nil }

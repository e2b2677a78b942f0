package wire

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags         uint32
	before, after uint32 // ms
	_             [5]uint32
}

// The flags of linux/serial.h.
const (
	rs485Enabled   = 1 << 0
	rs485RTSOnSend = 1 << 1
)

// setRS485 tells the port's driver to switch the transceiver, and keeps the port
// open until release is called.
func setRS485(s Settings) (release func(), err error) {
	f, err := os.OpenFile(s.Host, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(s, err)
	}
	want := rs485{flags: rs485Enabled | rs485RTSOnSend, before: milliseconds(s.Before), after: milliseconds(s.After)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.TIOCSRS485, uintptr(unsafe.Pointer(&want))); errno != 0 {
		f.Close()
		if errors.Is(errno, unix.ENOTTY) || errors.Is(errno, unix.EINVAL) {
			return nil, fmt.Errorf("rs485: the driver of %s cannot switch the direction (%w): remove rs485; adapters for USB switch by themselves", s.Host, errno)
		}
		return nil, fmt.Errorf("rs485: %s: %w", s.Host, errno)
	}
	return func() { f.Close() }, nil
}

func milliseconds(d time.Duration) uint32 {
	return uint32((d + time.Millisecond - 1) / time.Millisecond)
}

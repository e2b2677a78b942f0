package mailbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastwatt/drivers"
)

// Ask implements [Asker].
func (d Device) Ask(command string) (string, error) {
	msg, err := encode(command)
	if err != nil {
		return "", err
	}
	fd, file, err := d.open()
	if err != nil {
		return "", fmt.Errorf("ask the firmware %q: %w", command, err)
	}
	defer unix.Close(fd)
	request := requestNumber(int(unsafe.Sizeof(uintptr(0))))
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&msg[0]))); errno != 0 {
		if errno == unix.EACCES || errno == unix.EPERM {
			return "", fmt.Errorf("ask the firmware %q: %w", command, errPermission(file))
		}
		return "", fmt.Errorf("ask the firmware %q: %s: %w", command, file, errno)
	}
	return decode(command, msg)
}

// open opens the first of the device's files that can be; where none can, the
// error tells of one that is there rather than of one that is not.
func (d Device) open() (fd int, file string, err error) {
	for _, file := range d.Files() {
		fd, failed := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		switch {
		case failed == nil:
			return fd, file, nil
		case errors.Is(failed, unix.EACCES), errors.Is(failed, unix.EPERM):
			if !errors.Is(err, drivers.ErrPermission) {
				err = errPermission(file)
			}
		case errors.Is(failed, unix.ENOENT), errors.Is(failed, unix.ENXIO), errors.Is(failed, unix.ENODEV):
			if err == nil {
				err = fmt.Errorf("%s: %w", file, drivers.ErrNoDevice)
			}
		default:
			err = fmt.Errorf("%s: %w", file, failed)
		}
	}
	return -1, "", err
}

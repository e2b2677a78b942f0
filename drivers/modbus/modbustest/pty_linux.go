package modbustest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A PTY is a serial line of the kernel without hardware: Path is opened like a
// serial port, and reads and writes are the device's end.
type PTY struct {
	*os.File
	Path string
	hold *os.File // so that the line stays up while nobody has the port open
}

// NewPTY makes a line.
func NewPTY() (*PTY, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	p := &PTY{File: master}
	if err := p.unlock(); err != nil {
		master.Close()
		return nil, fmt.Errorf("make a pseudo-terminal: %w", err)
	}
	return p, nil
}

func (p *PTY) unlock() error {
	raw, err := p.SyscallConn()
	if err != nil {
		return err
	}
	var number int
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	p.Path = fmt.Sprintf("/dev/pts/%d", number)
	p.hold, err = os.OpenFile(p.Path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	fd := int(p.hold.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0 // no echo before somebody opens it
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// Close ends the line: who has the port open reads an error.
func (p *PTY) Close() error {
	p.hold.Close()
	return p.File.Close()
}

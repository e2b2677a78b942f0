package vups

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const vhci = "/sys/devices/platform/vhci_hcd.0/"

// Give hands the kernel of this machine a connection to a device, which is then
// plugged in at port; speed is USB/IP's number (1 is low). Detach unplugs it.
func Give(port int, conn *os.File) error {
	line := fmt.Sprintf("%d %d %d %d", port, conn.Fd(), 1<<16|2, 1)
	if err := os.WriteFile(vhci+"attach", []byte(line), 0); err != nil {
		return fmt.Errorf("plug in the virtual ups: %w", err)
	}
	return nil
}

// Detach unplugs what is at port.
func Detach(port int) error {
	return os.WriteFile(vhci+"detach", []byte(strconv.Itoa(port)), 0)
}

// errorsPass is how long the hub takes to tell that a plug is out, while what is
// asked of the device fails.
const errorsPass = 20 * time.Millisecond

// Plug plugs d into this machine at port, and returns what unplugs it and waits
// for its end.
func Plug(ctx context.Context, d *Device, port int) (unplug func() error, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("plug in the virtual ups: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "vups"), os.NewFile(uintptr(fds[1]), "vhci")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	if err := Give(port, theirs); err != nil {
		conn.Close()
		return nil, err
	}
	var serving sync.WaitGroup
	var served error
	w := &wire{d: d, conn: conn}
	serving.Go(func() { served = w.serve(ctx) })
	return func() error {
		w.pull()
		time.Sleep(errorsPass)
		detached := Detach(port)
		conn.Close()
		serving.Wait()
		return errors.Join(detached, served)
	}, nil
}

package board

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastwatt/drivers"
)

// adminCommand is struct nvme_passthru_cmd of linux/nvme_ioctl.h.
type adminCommand struct {
	opcode, flags     uint8
	reserved          uint16
	namespace         uint32
	cdw2, cdw3        uint32
	metadata, address uint64
	metadataLength    uint32
	dataLength        uint32
	cdw10, cdw11      uint32
	cdw12, cdw13      uint32
	cdw14, cdw15      uint32
	timeoutMS, result uint32
}

// adminRequest is NVME_IOCTL_ADMIN_CMD, _IOWR('N', 0x41, struct nvme_passthru_cmd).
func adminRequest() uintptr { return 3<<30 | unsafe.Sizeof(adminCommand{})<<16 | 'N'<<8 | 0x41 }

// smartCommand is Get Log Page (opcode 02h) of the log 02h of the whole drive
// (NVM Express base specification 1.4, section 5.14): cdw10 has the log's number
// and, from bit 16 on, its length in double words less one.
func smartCommand(buf []byte) adminCommand {
	return adminCommand{
		opcode: 0x02, namespace: 0xffffffff, dataLength: uint32(len(buf)), cdw10: 0x02 | uint32(len(buf)/4-1)<<16,
		address: uint64(uintptr(unsafe.Pointer(&buf[0]))), timeoutMS: 5000,
	}
}

// SmartLog implements [Drives].
func (d nvmeDevice) SmartLog(drive string) ([]byte, error) {
	file := filepath.Join(d.root, "dev", drive)
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, smartError(file, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 512)
	var pin runtime.Pinner // the kernel writes where the command says
	pin.Pin(&buf[0])
	defer pin.Unpin()
	c := smartCommand(buf)
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), adminRequest(), uintptr(unsafe.Pointer(&c)))
	if errno != 0 {
		return nil, smartError(file, errno)
	}
	if status != 0 {
		return nil, fmt.Errorf("SMART log of %s: the drive refused with status %#x", file, status)
	}
	return buf, nil
}

func smartError(file string, err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("SMART log of %s: %w; it needs root (the agent's service has it)", file, drivers.ErrPermission)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("SMART log of %s: %w", file, drivers.ErrNoDevice)
	}
	return fmt.Errorf("SMART log of %s: %w", file, err)
}

package board

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastwatt/drivers"
)

// The numbers are those of linux/nvme_ioctl.h, the same on 32 and on 64 bits.
func TestTheAdminCommandIsTheKernels(t *testing.T) {
	var c adminCommand
	if unsafe.Sizeof(c) != 72 || unsafe.Offsetof(c.address) != 24 || unsafe.Offsetof(c.dataLength) != 36 || unsafe.Offsetof(c.cdw10) != 40 || unsafe.Offsetof(c.result) != 68 {
		t.Errorf("%d bytes; address at %d, length at %d, cdw10 at %d, result at %d", unsafe.Sizeof(c), unsafe.Offsetof(c.address), unsafe.Offsetof(c.dataLength), unsafe.Offsetof(c.cdw10), unsafe.Offsetof(c.result))
	}
	if got := adminRequest(); got != 0xC0484E41 {
		t.Errorf("request %#x", got)
	}
	// Log 02h, 128 double words less one, of the whole drive.
	if got := smartCommand(make([]byte, 512)); got.opcode != 2 || got.cdw10 != 0x007f0002 || got.namespace != 0xffffffff || got.dataLength != 512 {
		t.Errorf("%+v", got)
	}
}

func TestADriveThatCannotBeAskedSaysWhy(t *testing.T) {
	root := t.TempDir()
	if _, err := (nvmeDevice{root}).SmartLog("nvme0"); !errors.Is(err, drivers.ErrNoDevice) {
		t.Error(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dev/nvme0"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (nvmeDevice{root}).SmartLog("nvme0"); !errors.Is(err, unix.ENOTTY) { // a plain file
		t.Error(err)
	}
	if err := smartError("/dev/nvme0", unix.EACCES); !errors.Is(err, drivers.ErrPermission) || !strings.Contains(err.Error(), "it needs root") {
		t.Error(err)
	}
}

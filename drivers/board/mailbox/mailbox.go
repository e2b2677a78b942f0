// Package mailbox asks a Raspberry Pi's firmware, the VideoCore, what it knows:
// commands and answers are the text that vcgencmd shows.
package mailbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"lastwatt/drivers"
)

// An Asker asks the firmware one thing at a time. It may be called from one
// goroutine at a time.
type Asker interface {
	// Ask gives the answer to a command such as "get_throttled". Errors wrap
	// [drivers.ErrNoDevice] on a machine without such a firmware,
	// [drivers.ErrPermission] where this process may not ask it, and
	// [ErrUnknown] for a command that this board's firmware does not have.
	Ask(command string) (string, error)
}

// ErrUnknown is that the firmware does not know a command: a Pi 4 has no
// pmic_read_adc, a Pi 3 no bootloader_config.
var ErrUnknown = errors.New("the firmware does not know this command")

// The numbers of the property interface that vcgencmd speaks (raspberrypi/utils,
// vcgencmd.c).
const (
	getGencmdResult = 0x00030080 // the tag: run a command, give its text
	textLength      = 4096       // room for the command, and for the answer
	headWords       = 6          // size, code, tag, length, request, error
)

// requestNumber is _IOWR(100, 0, char *): the size of a pointer is in it, so that
// it differs between 32-bit and 64-bit programs.
func requestNumber(pointerBytes int) uintptr { return 3<<30 | uintptr(pointerBytes)<<16 | 100<<8 }

// encode lays out the message that asks command; the answer comes back in it.
func encode(command string) ([]byte, error) {
	if command == "" || len(command)+1 >= textLength || strings.ContainsRune(command, 0) {
		return nil, fmt.Errorf("ask the firmware: %.40q is no command", command)
	}
	msg := make([]byte, 4*(headWords+1)+textLength)
	for i, word := range []uint32{uint32(len(msg)), 0, getGencmdResult, textLength, 0, 0} {
		binary.NativeEndian.PutUint32(msg[4*i:], word)
	}
	copy(msg[4*headWords:], command)
	return msg, nil
}

// decode reads the answer to command out of the message.
func decode(command string, msg []byte) (string, error) {
	if len(msg) < 4*headWords {
		return "", fmt.Errorf("ask the firmware %q: the answer has %d bytes, its head alone has %d", command, len(msg), 4*headWords)
	}
	text, _, _ := bytes.Cut(msg[4*headWords:], []byte{0})
	answer := strings.TrimSpace(string(text))
	// The firmware gives a code and words, or only one of them.
	code := binary.NativeEndian.Uint32(msg[4*(headWords-1):])
	if code == 0 && !strings.HasPrefix(answer, "error=") {
		return answer, nil
	}
	if strings.Contains(answer, "not registered") {
		return "", fmt.Errorf("ask the firmware %q: %w", command, ErrUnknown)
	}
	return "", fmt.Errorf("ask the firmware %q: it says %q (code %d)", command, answer, code)
}

// Device is the mailbox as the kernel gives it to programs, below Root: vcio_gencmd
// where there is one (it takes nothing but such commands), else vcio. The file is
// open only while it is asked.
type Device struct{ Root string }

// Files are where the device may be, the better first.
func (d Device) Files() []string {
	return []string{filepath.Join(d.Root, "dev/vcio_gencmd"), filepath.Join(d.Root, "dev/vcio")}
}

// errPermission says what to do about a file that may not be opened.
func errPermission(file string) error {
	return fmt.Errorf("%s: %w; put the user into the group video (sudo usermod -aG video USER) where that group owns the file, as on Raspberry Pi OS, or let a udev rule give it: KERNEL==\"%s\", GROUP=\"video\", MODE=\"0660\"",
		file, drivers.ErrPermission, filepath.Base(file))
}

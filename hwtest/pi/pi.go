// Package pi starts a Raspberry Pi of QEMU's with Debian's kernel for it and one
// program, and drives its pins from outside.
package pi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Board is one of QEMU's.
type Board struct {
	Name   string // raspi4b
	Arch   string // of Debian, which is where Setup puts its kernel
	Go     []string
	QEMU   string // the emulator
	GPIO   uint32 // address of the GPIO block (BCM2835 and BCM2711 ARM Peripherals, section 5)
	Early  string // the early console
	Chip   string // the label of its GPIO chip
	dtb    string
	serial string
}

// Boards lists them.
func Boards() []Board {
	return []Board{
		{Name: "raspi4b", Arch: "arm64", Go: []string{"GOARCH=arm64"}, QEMU: "qemu-system-aarch64", GPIO: 0xfe200000,
			Early: "pl011,mmio32,0xfe201000", Chip: "pinctrl-bcm2711", dtb: "raspi4b.dtb", serial: "ttyAMA0"},
		{Name: "raspi0", Arch: "armel", Go: []string{"GOARCH=arm", "GOARM=6"}, QEMU: "qemu-system-arm", GPIO: 0x20200000,
			Early: "pl011,mmio32,0x20201000", Chip: "pinctrl-bcm2835", dtb: "raspi0.dtb", serial: "ttyAMA0"},
	}
}

// Setup fetches what the boards need, unless that is there, and returns where it
// is. root is the project's directory.
func Setup(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hwtest/pi/setup"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("set the boards up: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Run boots the board with program as its first process, which gets args, and
// calls line with each line of its console until line returns false, which pulls
// the plug, or until ctx ends. pins are the board's, from outside.
func (b Board) Run(ctx context.Context, setup, program string, args []string, line func(text string, pins *Pins) bool) error {
	dir, err := os.MkdirTemp("", "lastwatt-pi-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	initrd := filepath.Join(dir, "initrd")
	if err := packInit(initrd, program); err != nil {
		return err
	}
	socket := filepath.Join(dir, "qtest")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(setup, "root/usr/bin", b.QEMU), "-M", b.Name, "-nodefaults", "-display", "none", "-monitor", "none",
		"-L", filepath.Join(setup, "root/usr/share/qemu"), "-no-reboot", "-serial", "stdio", "-qtest", "unix:"+socket+",server=on,wait=off", "-qtest-log", "/dev/null",
		"-kernel", filepath.Join(setup, b.Arch, "vmlinuz"), "-dtb", filepath.Join(setup, b.dtb), "-initrd", initrd,
		"-append", "console="+b.serial+",115200 earlycon="+b.Early+" loglevel=4 rdinit=/init panic=-1 LASTWATT_CHIP="+b.Chip+" -- "+strings.Join(args, " "))
	lib := filepath.Join(setup, "root/usr/lib/x86_64-linux-gnu")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+lib+":"+filepath.Join(setup, "root/lib/x86_64-linux-gnu"), "QEMU_MODULE_DIR="+filepath.Join(lib, "qemu"), "QEMU_AUDIO_DRV=none")
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	console, out := io.Pipe()
	cmd.Stdout, cmd.Stderr = out, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed, or its console says why it ended
		out.Close()
		cancel()
	}()
	pins, err := dial(ctx, socket, b.GPIO)
	if err == nil {
		defer pins.Close()
		for s := bufio.NewScanner(console); s.Scan() && line(strings.TrimRight(s.Text(), "\r"), pins); {
		}
	}
	console.Close()
	cancel()
	<-ended
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", b.Name, err, said.String())
	}
	return nil
}

// Pins are a board's, driven and read from outside over QEMU's qtest protocol.
type Pins struct {
	net.Conn
	in   *bufio.Reader
	base uint32
}

func dial(ctx context.Context, socket string, base uint32) (*Pins, error) {
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return &Pins{c, bufio.NewReader(c), base}, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *Pins) ask(format string, args ...any) (string, error) {
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(p, format+"\n", args...); err != nil {
		return "", err
	}
	for {
		s, err := p.in.ReadString('\n')
		switch {
		case err != nil:
			return "", err
		case strings.HasPrefix(s, "OK"):
			return strings.TrimSpace(strings.TrimPrefix(s, "OK")), nil
		case !strings.HasPrefix(s, "IRQ"):
			return "", fmt.Errorf("qtest said %q", s)
		}
	}
}

// The registers of pins 0 to 31 (BCM2835 ARM Peripherals, section 6.1): GPSET0,
// GPCLR0 and GPLEV0.
const (
	setRegister   = 0x1c
	clearRegister = 0x28
	levelRegister = 0x34
)

// Drive sets the level of a pin that the board reads.
func (p *Pins) Drive(pin, level int) error {
	register := uint32(clearRegister)
	if level == 1 {
		register = setRegister
	}
	_, err := p.ask("writel 0x%x 0x%x", p.base+register, uint32(1)<<pin)
	return err
}

// Level is the level of a pin.
func (p *Pins) Level(pin int) (int, error) {
	text, err := p.ask("readl 0x%x", p.base+levelRegister)
	if err != nil {
		return 0, err
	}
	var all uint32
	if _, err := fmt.Sscanf(text, "0x%x", &all); err != nil {
		return 0, fmt.Errorf("qtest said %q: %w", text, err)
	}
	return int(all >> pin & 1), nil
}

// packInit writes an archive (cpio, the format newc of the kernel's
// early-userspace/buffer-format.rst) with program as /init and the console.
func packInit(path, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	const directory, device, executable = 0o040755, 0o020600, 0o100755
	writeEntry(out, "dev", directory, 0, 0, nil)
	writeEntry(out, "dev/console", device, 5, 1, nil)
	writeEntry(out, "init", executable, 0, 0, data)
	writeEntry(out, "TRAILER!!!", 0, 0, 0, nil)
	return out.Flush()
}

func writeEntry(out io.Writer, name string, mode, major, minor int, data []byte) {
	pad := func(n int) []byte { return make([]byte, (4-n%4)%4) }
	// The header is 110 bytes, and name ends with a zero.
	fmt.Fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 0, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	fmt.Fprintf(out, "%s\x00%s%s%s", name, pad(110+len(name)+1), data, pad(len(data)))
}

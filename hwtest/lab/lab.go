// Package lab boots a Linux kernel of its own, as a process, on the files of
// this machine, so that tests can have USB devices and be without power.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Guest is a machine in the lab.
type Guest struct {
	Kernel string // see Kernel
	Dir    string // its own directory, which exists
	// Script is what it runs as a shell script, as root, in Dir; then it
	// powers off.
	Script string
	// Memory is in MiB; 0 is 256.
	Memory int
	// Tap is the network device of this machine that its eth0 is; "" is none.
	Tap string
	// Options are more of the kernel's own.
	Options []string
	Out     io.Writer // its console
}

// Kernel builds the lab's kernel if that has not been done, and returns its
// path. root is the project's directory.
func Kernel(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hwtest/lab/build-kernel"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build the lab's kernel: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

const initScript = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
ip link set lo up 2>/dev/null
cd %q && sh ./script
echo "lab: status $?"
sync
poweroff -f
`

// Run boots the guest and returns when it has powered off, or, as if its plug
// were pulled, when ctx ends.
func (g Guest) Run(ctx context.Context) error {
	script := filepath.Join(g.Dir, "init")
	if err := os.WriteFile(script, fmt.Appendf(nil, initScript, g.Dir), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(g.Dir, "script"), []byte(g.Script), 0o755); err != nil {
		return err
	}
	if g.Memory == 0 {
		g.Memory = 256
	}
	args := []string{fmt.Sprintf("mem=%dM", g.Memory), "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "init=" + script,
		"con=null", "con0=fd:0,fd:1", "quiet", "panic=-1", "uml_dir=" + g.Dir}
	args = append(args, g.Options...)
	if g.Tap != "" {
		args = append(args, "eth0=tuntap,"+g.Tap)
	}
	cmd := exec.CommandContext(ctx, g.Kernel, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+memoryDir(g.Dir))
	cmd.Stdout, cmd.Stderr = g.Out, g.Out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil || errors.As(err, &exit) {
		return ctx.Err() // a guest's own status says nothing: its output does
	}
	return err
}

// memoryDir is where the guest's memory is a file: in memory, if that can be.
func memoryDir(other string) string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return other
}

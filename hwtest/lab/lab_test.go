//go:build lab

package lab

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tests of package guest, inside the lab's kernel: the driver for HID power
// devices over both of its transports, on a real USB stack.
func TestTheDriverOnARealUSBStack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := Kernel(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "lastwatt-lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	build := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "guest gousb", "-o", filepath.Join(dir, "guest.test"), "./hwtest/lab/guest")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the guest's tests: %v\n%s", err, out)
	}
	var console bytes.Buffer
	run, stop := context.WithTimeout(ctx, 4*time.Minute)
	defer stop()
	began := time.Now()
	g := Guest{Kernel: kernel, Dir: dir, Script: "exec ./guest.test -test.v -test.timeout 3m 2>&1\n", Out: io.MultiWriter(&console, os.Stdout)}
	if err := g.Run(run); err != nil {
		t.Fatal(err)
	}
	t.Logf("the guest ran for %s", time.Since(began).Round(100*time.Millisecond))
	text := strings.ReplaceAll(console.String(), "\r", "")
	if !strings.Contains(text, "\nPASS\n") || strings.Contains(text, "--- FAIL") || strings.Contains(text, "--- SKIP") {
		t.Errorf("the tests in the guest did not pass")
	}
	for _, name := range []string{"hidraw", "gousb"} {
		if !strings.Contains(text, "--- PASS: TestUSBHID/"+name) {
			t.Errorf("transport %s did not run", name)
		}
	}
}

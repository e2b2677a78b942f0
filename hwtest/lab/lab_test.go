//go:build lab

package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inGuest builds the tests of package guest and runs those that match inside the
// lab's kernel. It returns what they printed.
func inGuest(t *testing.T, tags, match string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 28*time.Minute)
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
	for _, b := range []struct {
		name, cgo string
		args      []string
	}{
		{"guest.test", "1", []string{"test", "-c", "-tags", "guest gousb " + tags, "./hwtest/lab/guest"}},
		{"lastwatt", "1", []string{"build", "-tags", "gousb", "./cmd/lastwatt"}},
		{"lastwatt-whole", "0", []string{"build", "./cmd/lastwatt"}},                 // what a node without a UPS has
		{"lastwatt-node", "0", []string{"build", "-tags", "node", "./cmd/lastwatt"}}, // what a node without a UPS may have
		{"labguest", "1", []string{"build", "./hwtest/lab/cmd/labguest"}},
	} {
		build := exec.CommandContext(ctx, "go", slices.Insert(b.args, len(b.args)-1, "-o", filepath.Join(dir, b.name))...)
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED="+b.cgo)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s for the guest: %v\n%s", b.name, err, out)
		}
	}
	seed := make([]byte, 64)
	rand.Read(seed)
	if err := os.WriteFile(filepath.Join(dir, "seed"), seed, 0o600); err != nil {
		t.Fatal(err)
	}
	// More than one processor of Go's, so that a wait in the kernel of the one
	// side does not hold up the other, which is a machine of its own in truth.
	script := fmt.Sprintf("mount -t configfs none /sys/kernel/config\n./labguest seed seed\nexport GOMAXPROCS=4\nexec ./guest.test -test.run '%s' -test.v -test.timeout 20m 2>&1\n", match)
	var console bytes.Buffer
	run, stop := context.WithTimeout(ctx, 21*time.Minute)
	defer stop()
	began := time.Now()
	g := Guest{Kernel: kernel, Dir: dir, Script: script, Out: io.MultiWriter(&console, os.Stdout)}
	if err := g.Run(run); err != nil {
		t.Fatal(err)
	}
	t.Logf("the guest ran for %s", time.Since(began).Round(100*time.Millisecond))
	text := strings.ReplaceAll(console.String(), "\r", "")
	if !strings.Contains(text, "\nPASS\n") || strings.Contains(text, "--- FAIL") || strings.Contains(text, "--- SKIP") {
		t.Errorf("the tests in the guest did not pass")
	}
	return text
}

// The tests of package guest, inside the lab's kernel: the driver for HID power
// devices over both of its transports, on a real USB stack.
func TestTheDriverOnARealUSBStack(t *testing.T) {
	text := inGuest(t, "", "")
	for _, name := range []string{"TestUSBHID/hidraw", "TestUSBHID/gousb", "TestCaptures/hidraw", "TestCaptures/gousb", "TestFaults/hidraw", "TestFaults/gousb", "TestBesideNUT", "TestThroughNUT"} {
		if !strings.Contains(text, "--- PASS: "+name) {
			t.Errorf("%s did not run", name)
		}
	}
}

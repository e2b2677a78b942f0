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

// The tests of the driver for GPIO on the lab's kernel, whose gpio-sim plays the
// header of a Pi 5. Time in it passes only while all of it waits: however busy
// this machine is, a fan that it turns keeps its speed.
func TestGpioOnARealKernel(t *testing.T) {
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
	// The test that gives up root's rights has to find its own file.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "guest", "-o", filepath.Join(dir, "gpio.test"), "./drivers/gpio")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the tests for the guest: %v\n%s", err, out)
	}
	var console bytes.Buffer
	run, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	began := time.Now()
	g := Guest{Kernel: kernel, Dir: dir, Options: []string{"time-travel=inf-cpu"}, Out: io.MultiWriter(&console, os.Stdout), Script: "mount -t configfs none /sys/kernel/config\n" +
		"export GOMAXPROCS=4\nexec ./gpio.test -test.run Sim -test.v -test.timeout 4m 2>&1\n"}
	if err := g.Run(run); err != nil {
		t.Fatal(err)
	}
	t.Logf("the guest ran for %s", time.Since(began).Round(100*time.Millisecond))
	text := strings.ReplaceAll(console.String(), "\r", "")
	if !strings.Contains(text, "\nPASS\n") || strings.Contains(text, "--- FAIL") || strings.Contains(text, "--- SKIP") {
		t.Errorf("the tests in the guest did not pass")
	}
	for _, name := range []string{"FansAreReadAsTheyTurn", "AFanStallsStartsAndBearsNoise", "InputsBounceAndAreToldOnce", "AnOutputIsAsTheHardwareHasItAfterAKill", "AChipThatVanishesIsNoticed"} {
		if !strings.Contains(text, "--- PASS: TestSim"+name) {
			t.Errorf("TestSim%s did not run", name)
		}
	}
}

//go:build pi

package pi

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The driver for GPIO on the kernel's own driver of a Pi's pins, as it is for arm64
// and for armv6. It proves that driver and the names of the lines, and no silicon:
// QEMU's pins make no edges and have no pulls.
func TestGpioOnAPisKernel(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	setup, err := Setup(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range Boards() {
		t.Run(b.Name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "gpio.test")
			build := exec.Command("go", "test", "-c", "-tags", "guest", "-ldflags", "-s -w", "-o", program, "./drivers/gpio")
			build.Dir, build.Env = root, append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), b.Go...)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build the tests for the board: %v\n%s", err, out)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
			defer cancel()
			began, status, shown := time.Now(), "none", 0
			err := b.Run(ctx, setup, program, []string{"-test.v", "-test.run", "TestPi", "-test.timeout", "10m"}, func(text string, pins *Pins) bool {
				fmt.Println(b.Name+":", text)
				_, asked, ok := strings.Cut(text, "pi: ")
				if !ok {
					return true
				}
				var pin, level int
				switch {
				case scan(asked, "shows %d %d", &pin, &level):
					shown++
					if got, err := pins.Level(pin); err != nil || got != level {
						t.Errorf("from outside pin %d is %d, want %d (%v)", pin, got, level, err)
					}
				case scan(asked, "drive %d %d", &pin, &level):
					if err := pins.Drive(pin, level); err != nil {
						t.Error(err)
					}
				case strings.HasPrefix(asked, "status "):
					status = asked
					return false
				}
				return true
			})
			t.Logf("%s ran for %s", b.Name, time.Since(began).Round(100*time.Millisecond))
			if err != nil || status != "status 0" || shown != 5 {
				t.Errorf("%v, %s, %d levels looked at, want status 0 and 5", err, status, shown)
			}
		})
	}
}

func scan(text, format string, into ...any) bool {
	n, err := fmt.Sscanf(text, format, into...)
	return err == nil && n == len(into)
}

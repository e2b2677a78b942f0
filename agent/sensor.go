package agent

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
)

// Board is a sensor of what every Linux board tells about itself. Root is where
// its files are, "/" on a real machine.
type Board struct {
	Root  string
	Clock clock.Clock
}

// Run implements [drivers.Driver]: a reading at once and every 30 s.
func (b Board) Run(ctx context.Context, report func(drivers.Reading)) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(drivers.Reading{At: b.Clock.Now(), Fact: b.read()})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.Clock.After(30 * time.Second):
		}
	}
}

func (b Board) read() drivers.Node {
	n := drivers.Node{Model: b.Model()}
	// Thousandths of a degree; zone 0 is the SoC on every Raspberry Pi.
	if milli, err := strconv.Atoi(b.file("sys/class/thermal/thermal_zone0/temp")); err == nil {
		n.Temperature = new(drivers.Celsius(float64(milli) / 1000))
	}
	return n
}

// Model is what the device tree calls the board; empty where there is none.
func (b Board) Model() string { return b.file("proc/device-tree/model") }

func (b Board) file(name string) string {
	data, err := os.ReadFile(filepath.Join(b.Root, name))
	if err != nil {
		return ""
	}
	return strings.Trim(string(data), "\x00\n ")
}

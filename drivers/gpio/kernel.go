package gpio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lastwatt/drivers"
)

// A kernel is where GPIO chips are: this machine's, or a double.
type kernel interface {
	// Paths are the device files of the chips there are, each once, with
	// symlinks resolved.
	Paths() ([]string, error)
	// Open opens the chip at a path, which may be a symlink. Errors wrap
	// [drivers.ErrNoDevice], [drivers.ErrPermission] and errOldKernel.
	Open(path string) (chip, error)
	// Monotonic is the clock that stamps events, CLOCK_MONOTONIC.
	Monotonic() time.Duration
}

// A chip is an open GPIO chip. Lines that were requested outlive its Close.
type chip interface {
	Label() string
	// Lines are all of its lines, each at the place of its offset.
	Lines() ([]lineInfo, error)
	Request(r request) (lines, error)
	Close() error
}

// A lineInfo is what the kernel says of a line, whoever uses it.
type lineInfo struct {
	Name     string // empty: it has none
	Consumer string // who uses it
	Used     bool
}

// lines are requested lines of one chip; they stay until Close. Next may run
// beside Values and Set, and has to have returned before Close is called. Of the
// same lines either Next or Queued is called, never both.
type lines interface {
	// Next waits until there are events, and returns how many it wrote.
	Next(ctx context.Context, into []event) (int, error)
	// Queued takes the oldest events that the kernel keeps, and returns how
	// many it wrote; it waits for none. Edges of lines that only it reads wake
	// nobody.
	Queued(into []event) (int, error)
	// Values reads the lines, as a bit each in the order of the request: 1
	// is active. Errors of a chip that vanished wrap [drivers.ErrNoDevice].
	Values() (uint64, error)
	// Set drives those lines that mask has.
	Set(mask, values uint64) error
	Close() error
}

// An event is an edge, stamped by the kernel in its interrupt.
type event struct {
	offset int
	at     time.Duration // of kernel.Monotonic
	seq    uint32        // counts the line's edges from 1, also those that nobody could read
}

// A request is for lines of one chip.
type request struct {
	consumer string // shown to others who want the lines
	uses     []use
	// buffer is how many events the kernel is to keep; 0 leaves it at 16 a
	// line. It takes 1024 at most, and forgets the oldest.
	buffer int
}

// A use is how one line is requested.
type use struct {
	offset    int
	activeLow bool
	bias      bias
	edges     edges // of an input
	output    bool
	openDrain bool
	on        bool // what an output begins with
}

type edges int

const (
	noEdges edges = iota
	falling
	bothEdges
)

// A bias is the pull of a line; the zero value leaves it as it is.
type bias string

const (
	pullUp   bias = "pull-up"
	pullDown bias = "pull-down"
	noBias   bias = "none"
)

func biases() []bias { return []bias{pullUp, pullDown, noBias} }

// errOldKernel is that the chip knows only the first version of the kernel's
// interface, whose events carry no numbers.
var errOldKernel = errors.New("the kernel lacks version 2 of the GPIO interface: Linux 5.10 or newer is needed, built with CONFIG_GPIO_CDEV")

func errPermission(path string) error {
	return fmt.Errorf("%w for %s: add the user that lastwatt runs as to the file's group (on Raspberry Pi OS: usermod -aG gpio lastwatt) and start it again; docs/gpio.md has a udev rule for other systems", drivers.ErrPermission, path)
}

// errTaken says who has a line that was asked for.
func errTaken(line, label string, i lineInfo) error {
	who := "another program or by the kernel"
	if i.Consumer != "" {
		who = fmt.Sprintf("%q", i.Consumer)
	}
	return fmt.Errorf("line %s of %s is used by %s: stop what uses it (a dtoverlay in config.txt too), or take another line", line, label, who)
}

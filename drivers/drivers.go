// Package drivers defines what a driver of a power device is and the facts it
// reports. Each driver lives in a folder of its own below this one; package all
// lists them.
package drivers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A Reading is what one device said at one moment.
type Reading struct {
	// Source is the configured name of the device. A driver may leave it
	// empty; whoever runs the driver fills it in.
	Source string
	// At is when the device said it, with Go's monotonic reading. Readings
	// cross the network as an age, never as a wall-clock time.
	At time.Time
	// Fact is one of [UPS], [Fan], [Rail], [Meter], [Witness], [Output], [Node], [Silent].
	Fact Fact
}

// A Driver talks to one device. Whoever made it calls Run from one goroutine at
// a time.
type Driver interface {
	// Run opens the device and calls report, from Run's own goroutine, with
	// each reading until ctx is done, and then returns ctx's error, or until
	// the device fails, and then returns why. report must not block for
	// long. The device is closed when Run returns. Run may be called again:
	// that is how a lost device comes back.
	Run(ctx context.Context, report func(Reading)) error
}

// A Commander is a Driver whose device also takes orders.
type Commander interface {
	Driver
	// Do asks the open device to do c and waits for the answer, bounded by
	// ctx. It may be called from any goroutine while Run runs. Errors wrap
	// [ErrNotRunning] if the device is not open and [ErrUnsupported] if the
	// device does not know the command.
	Do(ctx context.Context, c Command) (Answer, error)
}

// A Switcher is a Driver with outputs: relays and pins that it drives, by their
// configured names. It may be called from any goroutine while Run runs; errors
// wrap [ErrNotRunning] and [ErrNoOutput]. What was written is read back, and an
// output that reads otherwise is an error.
type Switcher interface {
	Driver
	// Switch sets an output until it is set again or the driver stops, which
	// sets it to its safe value.
	Switch(ctx context.Context, output string, on bool) error
	// Pulse turns an output on for so long and off again; it returns when
	// it is off, also where ctx ends before.
	Pulse(ctx context.Context, output string, on time.Duration) error
}

// A Command is an order to a device, by NUT's name for it.
type Command struct {
	Name CommandName
	// Delay is for the commands that have one. A device rounds it up to its
	// own step; see [Answer].
	Delay time.Duration
}

// A CommandName is NUT's name of an instant command.
type CommandName string

// The commands that drivers share.
const (
	BeeperEnable    CommandName = "beeper.enable"
	BeeperDisable   CommandName = "beeper.disable"
	BeeperMute      CommandName = "beeper.mute"
	TestQuick       CommandName = "test.battery.start.quick"
	TestDeep        CommandName = "test.battery.start.deep"
	TestStop        CommandName = "test.battery.stop"
	LoadOff         CommandName = "load.off"         // outlets off now
	LoadOffDelay    CommandName = "load.off.delay"   // outlets off after Delay
	LoadOn          CommandName = "load.on"          // outlets on now
	LoadOnDelay     CommandName = "load.on.delay"    // outlets on after Delay, with or without mains
	ShutdownReturn  CommandName = "shutdown.return"  // outlets off after Delay, on again with mains
	ShutdownStayoff CommandName = "shutdown.stayoff" // outlets off after Delay, for good
	ShutdownStop    CommandName = "shutdown.stop"    // forget a shutdown that is counting down
)

// CommandNames lists them.
func CommandNames() []CommandName {
	return []CommandName{
		BeeperEnable, BeeperDisable, BeeperMute, TestQuick, TestDeep, TestStop,
		LoadOff, LoadOffDelay, LoadOn, LoadOnDelay, ShutdownReturn, ShutdownStayoff, ShutdownStop,
	}
}

// Delays is whether the command takes a delay. One of 0 would be "now", which
// has commands of its own: it is refused.
func (n CommandName) Delays() bool {
	return n == LoadOffDelay || n == LoadOnDelay || n == ShutdownReturn || n == ShutdownStayoff
}

// CanCutPower is whether the outlets may lose power by the command. A battery
// test counts: it is how a spent battery shows.
func (n CommandName) CanCutPower() bool {
	return n == LoadOff || n == LoadOffDelay || n == ShutdownReturn || n == ShutdownStayoff || n == TestQuick || n == TestDeep
}

// An Answer is what the device made of a command, read back from it.
type Answer struct {
	// Delay is the delay that the device now counts down; 0 for commands
	// without one. It is never less than the Delay that was asked for.
	Delay time.Duration
}

// Errors that drivers wrap.
var (
	ErrNotRunning  = errors.New("the device is not open")
	ErrUnsupported = errors.New("the device does not know this command")
	ErrPermission  = errors.New("no permission")
	ErrNoDevice    = errors.New("no such device")
	ErrNoOutput    = errors.New("no such output")
)

// Options is what a driver is made with.
type Options struct {
	// Name is the configured name of the device, for logs and errors.
	Name string
	Log  *slog.Logger
	// Now and After are the daemon's time. A driver of real hardware may
	// ignore them; package sim's must not.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Root is where the system's files are: "/" on a real machine, a tree
	// of fixtures in a test. Empty is "/".
	Root string
}

// A Kind is a sort of driver, by the name that the configuration uses.
type Kind struct {
	Name string
	// UPS is whether it may read a UPS, and so stand in the list ups of the
	// configuration; Sensor whether it reads anything else, and so may stand
	// in the list sensors.
	UPS, Sensor bool
	// New makes a driver from its part of the configuration: decode fills
	// a struct (with yaml tags) from it and refuses keys that the struct
	// lacks. New opens nothing and touches no hardware.
	New func(decode func(into any) error, o Options) (Driver, error)
}

// Find returns the kind named name. The error lists the kinds there are.
func Find(kinds []Kind, name string) (Kind, error) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return Kind{}, fmt.Errorf("no driver %q: have %q", name, names)
	}
	return kinds[i], nil
}

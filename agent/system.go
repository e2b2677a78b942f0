package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// System is the machine that the process runs on. Its commands are lists of
// arguments, run without a shell, in order, until one fails; an empty list
// leaves what [DefaultSystem] does.
type System struct {
	HaltCommands, ParkCommands, RebootCommands [][]string
	// TimerCommands arm the timer that starts a parked machine again. The
	// first may fail, since there may be no earlier timer to stop; the last
	// one has to if the timer does not run: it is the reading back.
	// LASTWATT_LONGEST_S is the time in whole seconds.
	TimerCommands [][]string
}

// DefaultSystem is systemd's way, on Debian 12 and 13.
//
// "start poweroff.target" as root goes past every inhibitor on systemd 252 and
// 257, where "systemctl poweroff" is denied by a block inhibitor from 257 on.
// The timer's service runs nothing from the disk that is not already loaded but
// systemctl itself, which a read-only file system still serves.
func DefaultSystem() System {
	return System{
		HaltCommands: [][]string{{"systemctl", "--no-block", "start", "poweroff.target"}},
		TimerCommands: [][]string{
			{"systemctl", "stop", "lastwatt-park.timer"},
			// --collect: a reboot that failed would leave a unit that keeps its name.
			{"systemd-run", "--collect", "--unit=lastwatt-park", "--on-active=${LASTWATT_LONGEST_S}", "--timer-property=AccuracySec=1s", "systemctl", "--force", "reboot"},
			{"systemctl", "is-active", "--quiet", "lastwatt-park.timer"},
		},
		ParkCommands: [][]string{
			// An engine whose Swarm has no quorum any more was seen to need
			// more than 30 s; what comes after it must not wait for ever. To systemctl
			// a pattern that fits no unit is no failure: there may be no engine.
			{"timeout", "-k", "5", "40", "systemctl", "stop", "docker.socke[t]", "docker.servic[e]"},
			{"sync"},
			{"sh", "-c", "echo s > /proc/sysrq-trigger && echo u > /proc/sysrq-trigger"},
		},
		RebootCommands: [][]string{{"systemctl", "--force", "reboot"}},
	}
}

// ErrTimer is that nothing would start a parked machine again.
var ErrTimer = errors.New("the timer that starts it again is not armed")

// Or fills what s leaves empty from d.
func (s System) Or(d System) System {
	pick := func(a, b [][]string) [][]string {
		if len(a) > 0 {
			return a
		}
		return b
	}
	return System{
		HaltCommands: pick(s.HaltCommands, d.HaltCommands), ParkCommands: pick(s.ParkCommands, d.ParkCommands),
		RebootCommands: pick(s.RebootCommands, d.RebootCommands), TimerCommands: pick(s.TimerCommands, d.TimerCommands),
	}
}

// Halt implements [Machine].
func (s System) Halt(ctx context.Context) error { return run(ctx, "halt", s.HaltCommands, 0) }

// Reboot implements [Machine].
func (s System) Reboot(ctx context.Context) error { return run(ctx, "reboot", s.RebootCommands, 0) }

// Park implements [Machine]: the timer first, since what comes after it may not
// come back.
func (s System) Park(ctx context.Context, longest time.Duration) error {
	if err := run(ctx, "arm the timer", s.TimerCommands, longest); err != nil {
		return fmt.Errorf("%w: %w", ErrTimer, err)
	}
	// Each for itself: a file system is made safe also where the engine did
	// not stop.
	var errs []error
	for _, c := range s.ParkCommands {
		errs = append(errs, run(ctx, "park", [][]string{c}, longest))
	}
	return errors.Join(errs...)
}

func run(ctx context.Context, what string, commands [][]string, longest time.Duration) error {
	seconds := strconv.Itoa(int((longest + time.Second - 1) / time.Second))
	for i, argv := range commands {
		args := make([]string, len(argv))
		for k, a := range argv {
			args[k] = strings.ReplaceAll(a, "${LASTWATT_LONGEST_S}", seconds)
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "LASTWATT_LONGEST_S="+seconds)
		cmd.WaitDelay = 2 * time.Second
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			if what == "arm the timer" && i == 0 && len(commands) > 1 {
				continue // there was no earlier timer to stop
			}
			return fmt.Errorf("%s: %q: %w: %s", what, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
		}
	}
	return nil
}

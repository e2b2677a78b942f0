package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"lastwatt/agent"
	"lastwatt/clock"
	"lastwatt/config"
	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/drivers/board"
	"lastwatt/link"
	"lastwatt/swarm"
)

func agentCommand(ctx context.Context, e env, args []string) int {
	f := flags(e, "agent")
	path := f.String("config", config.DefaultAgentPath, "the agent's configuration")
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	cfg, err := config.LoadAgent(*path, all.Kinds())
	if err != nil {
		return fail(e, exitConfig, err)
	}
	keepSmall()
	log := slog.New(slog.NewTextHandler(e.err, nil))
	clk := clock.Real()
	own := board.New(board.Options{Clock: clk, Log: log})
	c := agent.Config{Node: cfg.Node, BootID: clock.BootID(), Model: own.Model(), Clock: clk, Log: log, Outputs: map[string]drivers.Switcher{},
		Machine: agent.System{HaltCommands: cfg.Commands.Halt, ParkCommands: cfg.Commands.Park, RebootCommands: cfg.Commands.Reboot, TimerCommands: cfg.Commands.Timer}.Or(agent.DefaultSystem())}
	if rtc, err := board.FindRTC("/"); err == nil {
		c.Alarm = rtc
	}
	if !slices.ContainsFunc(cfg.Sensors, func(s config.Sensor) bool { return s.Driver == "board" }) {
		c.Sensors = append(c.Sensors, agent.Sensor{Name: "board", Driver: own}) // it is read also where nothing is configured
	}
	kinds := all.Kinds() // once: a line that several devices hang on is shared
	for _, s := range cfg.Sensors {
		d, err := openSensor(s, kinds, clk, log)
		if err != nil {
			return fail(e, exitConfig, err)
		}
		c.Sensors = append(c.Sensors, agent.Sensor{Name: s.Name, Driver: d})
		if out, ok := d.(drivers.Switcher); ok {
			c.Outputs[s.Name] = out
		}
	}
	if cfg.Docker != "none" {
		if c.Engine, err = swarm.NewDocker(cfg.Docker, clk); err != nil {
			return fail(e, exitConfig, err)
		}
	}
	daemon.SdNotify(false, daemon.SdNotifyReady)
	if err := runAgent(ctx, c, cfg.Controller, cfg.Dir); err != nil && !errors.Is(err, context.Canceled) {
		return fail(e, exitFailed, err)
	}
	return exitOK
}

// keepSmall makes the process one that does little and seldom. With one of Go's
// processors no idle one is woken to look for work; what waits in the kernel waits
// beside it all the same. Garbage is collected when it is half of what is in use.
// Who sets the environment's variables knows better.
func keepSmall() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// runAgent runs an agent and its connection until ctx ends.
func runAgent(ctx context.Context, c agent.Config, addr, dir string) error {
	a := agent.New(c)
	client := &link.Client{Addr: addr, Node: c.Node, Dir: dir, Agent: a, Clock: c.Clock, Log: c.Log}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return client.Run(ctx) })
	g.Go(func() error {
		return a.Run(ctx, func(r drivers.Reading) {
			if err := client.Report(r); err != nil && !errors.Is(err, link.ErrNotConnected) {
				c.Log.Debug("reading not sent", "err", err)
			}
		})
	})
	return g.Wait()
}

// openSensor makes the driver of a sensor; it opens nothing.
func openSensor(s config.Sensor, kinds []drivers.Kind, clk clock.Clock, log *slog.Logger) (drivers.Driver, error) {
	kind, err := drivers.Find(kinds, s.Driver)
	if err != nil {
		return nil, err
	}
	d, err := kind.New(s.Decode, drivers.Options{Name: s.Name, Log: log.With("device", s.Name), Now: clk.Now, After: clk.After})
	if err != nil {
		return nil, fmt.Errorf("sensor %q: %w", s.Name, err)
	}
	return d, nil
}

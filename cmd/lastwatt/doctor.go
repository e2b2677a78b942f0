package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"lastwatt/clock"
	"lastwatt/config"
	"lastwatt/doctor"
	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/drivers/board"
	"lastwatt/rack"
	"lastwatt/swarm"
)

func doctorCommand(ctx context.Context, e env, args []string) int {
	f := flags(e, "doctor")
	asJSON := f.Bool("json", false, "print what was found as JSON")
	root := f.String("root", "/", "where the system's files are")
	agentPath := f.String("agent", config.DefaultAgentPath, "the agent's configuration")
	path := f.String("config", config.DefaultPath, "the controller's configuration")
	docker := f.String("docker", "", "the engine's address; empty is the local socket")
	socket := socketFlag(f)
	if operands, status := parse(f, args); status >= 0 {
		return status
	} else if len(operands) > 0 {
		return fail(e, exitUsage, errors.New("doctor: it takes no operands"))
	}
	engine, err := swarm.NewDocker(*docker, clock.Real())
	if err != nil {
		return fail(e, exitUsage, err)
	}
	report := doctor.Examine(doctor.Gather(ctx, doctor.Sources{
		Root: *root, System: system{}, Engine: engine, AgentPath: *agentPath, ControllerPath: *path, Kinds: all.Kinds(),
		Board:    func(ctx context.Context) (drivers.Node, []drivers.Rail, error) { return readBoard(ctx, *root) },
		Snapshot: func(ctx context.Context) (rack.Snapshot, error) { return snapshotOf(ctx, *socket) },
	}))
	if *asJSON {
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fail(e, exitFailed, err)
		}
		fmt.Fprintln(e.out, string(data))
	} else {
		printReport(e.out, report)
	}
	switch report.Worst() {
	case drivers.Critical:
		return exitCritical
	case drivers.Warning:
		return exitWarning
	}
	return exitOK
}

// readBoard reads the board's sensors once.
func readBoard(ctx context.Context, root string) (drivers.Node, []drivers.Rail, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var node *drivers.Node
	var rails []drivers.Rail
	err := board.New(board.Options{Root: root, Clock: clock.Real()}).Run(ctx, func(r drivers.Reading) {
		switch f := r.Fact.(type) {
		case drivers.Node:
			node = &f
			cancel() // once what it tells beside is told
		case drivers.Rail:
			rails = append(rails, f)
		}
	})
	if node == nil {
		return drivers.Node{}, nil, fmt.Errorf("reading the board: %w", err)
	}
	return *node, rails, nil
}

// system is the machine that the program runs on.
type system struct{}

func (system) Unit(ctx context.Context, unit, property string) (string, error) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property="+property, "--value", unit).Output()
	if err != nil {
		return "", fmt.Errorf("systemctl show %s: %w", unit, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (system) Open(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func printReport(w io.Writer, r doctor.Report) {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%-8s %s\n", p.Severity, p.Text)
		if p.Remedy != "" {
			fmt.Fprintf(w, "         do: %s\n", p.Remedy)
		}
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(w, "unknown  %s: %s\n", u.What, u.Why)
	}
	if len(r.Problems) == 0 {
		fmt.Fprintf(w, "%d questions asked, and nothing found that would make an outage go wrong\n", r.Checks)
	}
}

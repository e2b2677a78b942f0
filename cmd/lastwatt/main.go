// Command lastwatt watches the power of a small cluster, spends its battery
// well, and brings back what was there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// Exit statuses, as docs/cli.md documents them.
const (
	exitOK      = 0
	exitFailed  = 1 // what was asked for was not done
	exitUsage   = 2 // the command line is wrong
	exitAbsent  = 3 // there is nothing: no daemon, no device
	exitConfig  = 4 // a configuration is wrong
	exitRefused = 5 // the daemon refused, or the answer was not yes

	exitWarning  = 6 // doctor: the worst that was found is a warning
	exitCritical = 7 // doctor: something critical was found
)

// An env is what a command has of the world.
type env struct {
	in       io.Reader
	out, err io.Writer
	asks     bool // a person answers at in
	live     bool // a person watches out
}

// A command is one subcommand.
type command struct {
	name, args, about string
	run               func(ctx context.Context, e env, args []string) int
}

// commands lists them in the order of the help.
func commands() []command {
	return []command{
		{"demo", "[--outage 20m] [--speed 60]", "a simulated rack goes through an outage, for real otherwise", demo},
		{"status", "[--json]", "what is happening, and what comes next", status},
		{"plan", "[--json]", "what would happen if mains went away now", plan},
		{"nodes", "[--json]", "the nodes and what is known of them", nodes},
		{"arm", "[--yes]", "let an outage stop nodes", arm},
		{"observe", "", "let an outage stop nothing", observe},
		{"abort", "", "undo what an outage has begun, before the commit", abort},
		{"token", "[--node NAME] [--expires 1h]", "print the line that a node joins with", token},
		{"join", "TOKEN [--node NAME]", "make this machine a node of the controller that made the token", join},
		{"ups", "list|read|watch|dump|do|learn", "power devices on the USB bus", ups},
		{"modbus", "scan|read|watch|switch|maps", "Modbus devices: meters, UPSes, relays", modbusCommand},
		{"simulate", "FILE... [--json] [--seed 1] [--runs 1]", "bring a simulated rack through a scenario's outages, in no time", simulateCommand},
		{"compare", "FILE... [--json] [--seed 1] [--runs 1]", "the same outages under the ways people do it today", compareCommand},
		{"doctor", "[--json]", "what would make an outage go wrong on this machine", doctorCommand},
		{"config", "check FILE", "say what is wrong in a configuration", configCommand},
		{"controller", "[--config FILE]", "run the controller (a service)", controllerCommand},
		{"agent", "[--config FILE]", "run a node's agent (a service)", agentCommand},
		{"version", "", "print the version", version},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// A second signal ends the process at once.
		<-ctx.Done()
		stop()
	}()
	e := env{in: os.Stdin, out: os.Stdout, err: os.Stderr, asks: term.IsTerminal(int(os.Stdin.Fd())), live: term.IsTerminal(int(os.Stdout.Fd()))}
	os.Exit(run(ctx, e, os.Args[1:]))
}

func run(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(e.out)
		if len(args) == 0 {
			return exitUsage
		}
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	fmt.Fprintf(e.err, "lastwatt: there is no command %q; \"lastwatt help\" lists them\n", args[0])
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Lastwatt watches the power of a small cluster and brings back what was there.\n\n")
	for _, c := range commands() {
		if forNodes && (c.name == "controller" || c.name == "demo") {
			continue
		}
		fmt.Fprintf(w, "  lastwatt %-42s %s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	}
	fmt.Fprint(w, "\n\"lastwatt COMMAND --help\" tells its flags. Exit status: 0 done, 1 failed, 2 wrong usage,\n3 nothing there, 4 wrong configuration, 5 refused; doctor: 6 warnings, 7 critical.\n")
}

// flags makes the flags of a command.
func flags(e env, name string) *flag.FlagSet {
	f := flag.NewFlagSet("lastwatt "+name, flag.ContinueOnError)
	f.SetOutput(e.err)
	return f
}

// parse reads flags that may stand before and after the operands, and returns
// the operands.
func parse(f *flag.FlagSet, args []string) (operands []string, status int) {
	for {
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, exitOK
		}
		if err != nil {
			return nil, exitUsage
		}
		if f.NArg() == 0 {
			return operands, -1
		}
		operands = append(operands, f.Arg(0))
		args = f.Args()[1:]
	}
}

// fail says what went wrong.
func fail(e env, status int, err error) int {
	fmt.Fprintf(e.err, "lastwatt: %v\n", err)
	return status
}

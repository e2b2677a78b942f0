package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"lastwatt/config"
	"lastwatt/drivers/all"
	"lastwatt/policy"
	"lastwatt/rack"
)

// plan tells what will happen if mains goes, by the daemon or, with --config, by
// a configuration alone.
func plan(ctx context.Context, e env, args []string) int {
	f := flags(e, "plan")
	asJSON := f.Bool("json", false, "print JSON")
	socket := socketFlag(f)
	file := f.String("config", "", "what the plan would be by this configuration, without a daemon")
	charge := f.Float64("charge", 100, "with --config: the battery's charge in percent")
	load := f.Float64("load", 0, "with --config: the load in watts; else by the table of models")
	health := f.Float64("health", 0, "with --config: what is left of a new battery's energy in percent, its end being known; else the battery is one that no outage has proven")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := askedWell(operands, given, *charge, *load, *health); err != nil {
		return fail(e, exitUsage, err)
	}
	if *file == "" {
		s, err := snapshotOf(ctx, *socket)
		if err != nil {
			return explain(e, err)
		}
		return printed(e, *asJSON, s)
	}
	cfg, err := config.Load(*file, all.Kinds())
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(e.err, problems)
		return exitConfig
	} else if err != nil {
		return fail(e, exitConfig, err)
	}
	rules := cfg.Rules()
	what := policy.Supposed{Charge: *charge}
	if given["load"] {
		what.Load = load
	}
	if given["health"] {
		if what.Health = health; rules.UPS.BatteryWh == 0 {
			return fail(e, exitConfig, fmt.Errorf("plan: --health has to know what the battery gives when new: set battery_wh of the UPS in %q", *file))
		}
	}
	rules, s := policy.Suppose(rules, what)
	return printed(e, *asJSON, rack.Snapshot{Site: cfg.Site, Mode: "armed", Plan: rack.PlanOf(policy.Plan(rules, s), s.Now)})
}

// askedWell says what is wrong with the flags of plan.
func askedWell(operands []string, given map[string]bool, charge, load, health float64) error {
	for _, name := range []string{"charge", "load", "health"} {
		if given[name] && !given["config"] {
			return fmt.Errorf("plan: --%s asks what if: it needs --config FILE", name)
		}
	}
	switch {
	case len(operands) > 0:
		return fmt.Errorf("plan: what is %q? want \"lastwatt plan [--json]\", or \"lastwatt plan --config FILE [--charge 80] [--load 31] [--health 60]\"", operands[0])
	case !(charge >= 0 && charge <= 100):
		return fmt.Errorf("plan: --charge: want percent, 0 to 100 (got %g)", charge)
	case given["load"] && !(load > 0 && load < 1e6):
		return fmt.Errorf("plan: --load: want watts above 0 (got %g)", load)
	case given["health"] && !(health > 0 && health <= 100):
		return fmt.Errorf("plan: --health: want percent above 0, to 100 (got %g)", health)
	}
	return nil
}

func printed(e env, asJSON bool, s rack.Snapshot) int {
	if asJSON {
		return printJSON(e, s.Plan)
	}
	printPlan(e.out, s, -1)
	return exitOK
}

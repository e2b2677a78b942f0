package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lastwatt/config"
	"lastwatt/drivers/all"
	"lastwatt/policy"
	"lastwatt/simulate"
)

// simulateCommand runs scenarios, and says what became of the rack.
func simulateCommand(ctx context.Context, e env, args []string) int {
	broken := false
	status := eachRun(ctx, e, "simulate", args, func(s config.Scenario, seed uint64, as form) error {
		r := simulate.Run(s, seed)
		broken = broken || len(r.InvariantsBroken) > 0
		if as.story {
			for _, line := range simulate.Story(s, seed) {
				fmt.Fprintln(e.out, line)
			}
		}
		if as.json {
			return json.NewEncoder(e.out).Encode(r)
		}
		printResult(e, r)
		return nil
	})
	if status == exitOK && broken {
		return exitFailed
	}
	return status
}

// compareCommand sums up the same runs for each way of doing it.
func compareCommand(ctx context.Context, e env, args []string) int {
	var rows []*sum
	status := eachRun(ctx, e, "compare", args, func(s config.Scenario, seed uint64, as form) error {
		for i, r := range simulate.Compare(s, seed) {
			if as.json {
				if err := json.NewEncoder(e.out).Encode(r); err != nil {
					return err
				}
				continue
			}
			if i == len(rows) {
				rows = append(rows, &sum{name: r.Policy})
			}
			rows[i].add(r)
		}
		return nil
	})
	if status == exitOK && len(rows) > 0 {
		fmt.Fprintf(e.out, "%-12s %8s %12s %12s %14s %14s\n", "", "outages", "service", "of possible", "clean stops", "dirty stops")
		for _, row := range rows {
			fmt.Fprintf(e.out, "%-12s %8d %12s %12s %14d %14d\n", row.name, row.outages, span(row.service), share(row.service, row.possible), row.clean, row.dirty)
		}
	}
	return status
}

// A sum is of the results of one way.
type sum struct {
	name                  string
	outages, clean, dirty int
	service, possible     float64
}

func (s *sum) add(r simulate.Result) {
	s.outages += len(r.Outages)
	s.service += r.Service
	s.possible += r.ServicePossible
	s.dirty += r.DirtyStops
	for _, o := range r.Outages {
		for _, n := range o.Nodes {
			s.clean += n.CleanStops
		}
	}
}

// A form is how results are printed.
type form struct{ json, story bool }

// eachRun reads the command line of simulate and compare, and does each run.
func eachRun(ctx context.Context, e env, name string, args []string, do func(s config.Scenario, seed uint64, as form) error) int {
	f := flags(e, name)
	var as form
	f.BoolVar(&as.json, "json", false, "print an object for each scenario and run, a line each")
	if name == "simulate" {
		f.BoolVar(&as.story, "story", false, "tell what was done, and why, line by line")
	}
	seed := f.Uint64("seed", 1, "of the random outages; the same seed gives the same result")
	runs := f.Int("runs", 1, "how often each scenario is run, with seeds that follow")
	files, status := parse(f, args)
	if status >= 0 {
		return status
	}
	if len(files) == 0 || *runs < 1 || *runs > 1_000_000 {
		return fail(e, exitUsage, fmt.Errorf("%s: want \"lastwatt %s FILE...\", and 1 to 1000000 runs; docs/simulate.md has the format", name, name))
	}
	for _, file := range files {
		s, err := config.LoadScenario(file, all.Kinds())
		var problems config.Problems
		if errors.As(err, &problems) {
			fmt.Fprintln(e.err, err)
			return exitConfig
		} else if err != nil {
			return fail(e, exitFailed, err)
		}
		for run := range uint64(*runs) {
			if ctx.Err() != nil {
				return fail(e, exitFailed, ctx.Err())
			}
			if err := do(s, *seed+run, as); err != nil {
				return fail(e, exitFailed, err)
			}
		}
	}
	return exitOK
}

// mostOutages are those that are printed one by one.
const mostOutages = 20

func printResult(e env, r simulate.Result) {
	fmt.Fprintf(e.out, "%s, seed %d: %d outages, %s of %s service that was possible on battery (%s), %d dirty stops\n",
		r.Scenario, r.Seed, len(r.Outages), span(r.Service), span(r.ServicePossible), share(r.Service, r.ServicePossible), r.DirtyStops)
	for i, o := range r.Outages {
		if i == mostOutages {
			fmt.Fprintf(e.out, "  and %d more; --json has them\n", len(r.Outages)-i)
			break
		}
		fmt.Fprintf(e.out, "  %-5s at %-8s for %-8s %s\n", o.ID, span(o.At), span(o.Duration), strings.Join(told(o), ", "))
	}
	for _, b := range r.InvariantsBroken {
		fmt.Fprintf(e.out, "  BROKEN: %s\n", b)
	}
}

// told is how an outage went, in words.
func told(o simulate.Outage) []string {
	clean, dirty := 0, 0
	for _, n := range o.Nodes {
		clean, dirty = clean+n.CleanStops, dirty+n.DirtyStops
	}
	words := []string{fmt.Sprintf("services up for %s on battery", span(o.Service))}
	if !o.Committed {
		return append(words, "nothing stopped for good")
	}
	words = append(words, fmt.Sprintf("%d stopped clean", clean))
	if dirty > 0 {
		words = append(words, fmt.Sprintf("%d DIRTY", dirty))
	}
	if o.Margin != nil {
		words = append(words, span(*o.Margin)+" left in the battery")
	}
	if o.Restored >= 0 {
		return append(words, "all as before "+span(o.Restored)+" after mains")
	}
	return append(words, "not as before in the end")
}

func span(seconds float64) string { return policy.Short(time.Duration(seconds * float64(time.Second))) }

func share(part, whole float64) string {
	if whole <= 0 {
		return "all"
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}

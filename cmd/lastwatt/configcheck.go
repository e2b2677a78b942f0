package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"lastwatt/config"
	"lastwatt/drivers/all"
	"lastwatt/drivers/usbhid"
)

func configCommand(_ context.Context, e env, args []string) int {
	f := flags(e, "config")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	if len(operands) != 2 || operands[0] != "check" {
		return fail(e, exitUsage, errors.New("config: want \"lastwatt config check FILE\""))
	}
	c, err := config.Load(operands[1], all.Kinds())
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(e.out, problems)
		return exitConfig
	}
	if err != nil {
		return fail(e, exitConfig, err)
	}
	for _, u := range c.UPS {
		if len(u.Feeds) == 0 {
			fmt.Fprintf(e.out, "%s: UPS %q feeds no node: it is only monitored\n", operands[1], u.Name)
		}
	}
	fmt.Fprintf(e.out, "%s: good: %d nodes, %d UPS, %d stages\n", operands[1], len(c.Nodes), len(c.UPS), len(c.Policy.Stages))
	return exitOK
}

func version(_ context.Context, e env, args []string) int {
	v := "development"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && v == "development" {
				v += " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	kind := ""
	if forNodes {
		kind = ", built for nodes"
	}
	fmt.Fprintf(e.out, "lastwatt %s (USB over %s%s)\n", v, strings.Join(usbhid.Transports(), ", "), kind)
	return exitOK
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"lastwatt/config"
	"lastwatt/link"
)

func arm(ctx context.Context, e env, args []string) int {
	f := flags(e, "arm")
	yes := f.Bool("yes", false, "do not ask")
	socket := socketFlag(f)
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	s, err := snapshotOf(ctx, *socket)
	if err != nil {
		return explain(e, err)
	}
	if !*yes {
		printPlan(e.out, s, -1)
		if !ask(e, "From now on an outage stops these nodes like that. Arm?") {
			return exitRefused
		}
	}
	return order(ctx, e, *socket, "arm", "armed")
}

func observe(ctx context.Context, e env, args []string) int {
	return plainOrder(ctx, e, "observe", "on observe: an outage stops nothing", args)
}

func abort(ctx context.Context, e env, args []string) int {
	return plainOrder(ctx, e, "abort", "aborted: what was begun is undone", args)
}

func plainOrder(ctx context.Context, e env, name, done string, args []string) int {
	f := flags(e, name)
	socket := socketFlag(f)
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	return order(ctx, e, *socket, name, done)
}

func order(ctx context.Context, e env, socket, name, done string) int {
	if err := call(ctx, socket, http.MethodPost, "/v1/"+name, nil, nil); err != nil {
		return explain(e, err)
	}
	fmt.Fprintln(e.out, done)
	return exitOK
}

// ask asks a person; without one the answer is no.
func ask(e env, question string) bool {
	if !e.asks {
		fmt.Fprintln(e.err, "lastwatt: nobody to ask: say --yes if it is meant")
		return false
	}
	fmt.Fprintf(e.out, "%s [y/N] ", question)
	line, _ := bufio.NewReader(e.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

func token(ctx context.Context, e env, args []string) int {
	f := flags(e, "token")
	node := f.String("node", "", "the only node that may use it")
	expires := f.Duration("expires", time.Hour, "how long it is good")
	socket := socketFlag(f)
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	var answer struct{ Token string }
	body := map[string]any{"node": *node, "expires_s": int(expires.Seconds())}
	if err := call(ctx, *socket, http.MethodPost, "/v1/token", body, &answer); err != nil {
		return explain(e, err)
	}
	fmt.Fprintf(e.out, "lastwatt join %s\n", answer.Token)
	return exitOK
}

func join(ctx context.Context, e env, args []string) int {
	f := flags(e, "join")
	host, _ := os.Hostname()
	node := f.String("node", host, "the name of this node in the controller's configuration")
	dir := f.String("dir", "/var/lib/lastwatt-agent", "where the certificates go")
	path := f.String("config", config.DefaultAgentPath, "the agent's configuration, which is written")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	if len(operands) != 1 {
		return fail(e, exitUsage, fmt.Errorf("join: want one token: the line that \"lastwatt token\" prints on the controller"))
	}
	addr, err := link.Join(ctx, operands[0], *node, *dir)
	if err != nil {
		return fail(e, exitFailed, err)
	}
	if _, err := os.Stat(*path); err == nil {
		fmt.Fprintf(e.out, "%s joined the controller at %s; %s is kept as it is\n", *node, addr, *path)
		return exitOK
	}
	text := fmt.Sprintf("# Written by \"lastwatt join\".\nnode: %s\ncontroller: %q\ndir: %s\n", *node, addr, *dir)
	if err := os.WriteFile(*path, []byte(text), 0o644); err != nil {
		return fail(e, exitFailed, fmt.Errorf("write the agent's configuration: %w", err))
	}
	fmt.Fprintf(e.out, "%s joined the controller at %s\nnow: systemctl enable --now lastwatt-agent\n", *node, addr)
	return exitOK
}

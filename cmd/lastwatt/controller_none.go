//go:build node

package main

import (
	"context"
	"fmt"
)

// What only the controller needs, a broker and the services that alerts go to among
// it, is two fifths of the program. A node's agent never runs it, and the kernel
// keeps most of it in the agent's memory all the same.

const forNodes = true

func controllerCommand(_ context.Context, e env, _ []string) int { return leftOut(e, "controller") }

func demo(_ context.Context, e env, _ []string) int { return leftOut(e, "demo") }

func leftOut(e env, name string) int {
	return fail(e, exitAbsent, fmt.Errorf("%s: this program was built for nodes, without it: build it without BUILD=node", name))
}

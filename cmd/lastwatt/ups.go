package main

import (
	"context"
	"errors"
)

func ups(_ context.Context, e env, _ []string) int {
	return fail(e, exitUsage, errors.New("ups: want list, read or dump"))
}

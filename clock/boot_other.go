//go:build !linux

package clock

import "time"

func sinceBoot() time.Duration { return time.Since(processStart) }

// BootID names this boot of the machine; empty where the system does not say.
func BootID() string { return "" }

var processStart = time.Now()

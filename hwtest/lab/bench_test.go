//go:build lab && bench

package lab

import "testing"

// The time from the edge of mains to our event, and to NUT's, in one run.
func TestLatencyBesideNUT(t *testing.T) { inGuest(t, "bench", "TestLatency") }

// What an agent takes whose sensors are all on, over ten minutes.
func TestFootprintOfAnAgent(t *testing.T) {
	for _, build := range []string{"node", "whole"} {
		t.Run(build, func(t *testing.T) { inGuest(t, "bench", "TestFootprint/"+build) })
	}
}

package main

import (
	"reflect"
	"testing"

	"lastwatt/agent"
	"lastwatt/config"
	"lastwatt/drivers/all"
)

// Who copies the commands of the reference into a file gets what is done without them.
func TestTheAgentsReferenceHasTheCommandsThatAreTheDefault(t *testing.T) {
	c, err := config.LoadAgent("../../configs/reference-agent.yaml", all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	got := agent.System{HaltCommands: c.Commands.Halt, ParkCommands: c.Commands.Park, RebootCommands: c.Commands.Reboot, TimerCommands: c.Commands.Timer}
	if want := agent.DefaultSystem(); !reflect.DeepEqual(got, want) {
		t.Errorf("the reference has\n%q\nthe default is\n%q", got, want)
	}
}

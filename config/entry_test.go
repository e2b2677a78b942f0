package config

import (
	"strings"
	"testing"

	"lastwatt/drivers/all"
)

// rackWith is a configuration with real drivers: a UPS, what wakes node02, and
// sensors.
func rackWith(ups, node02, sensors string) string {
	return "ups: [" + ups + "]\nnodes:\n  node01: {wake: ups, ups_host: true}\n  node02: {" + node02 + "}\nsensors: [" + sensors + "]\n"
}

func TestWhatStartsANodeHasToLeaveItAlone(t *testing.T) {
	const ups = "{name: main, driver: sim, feeds: [node01, node02]}"
	relays := func(output string) string {
		return "{name: pins, driver: modbus, address: /dev/ttyUSB0, map: waveshare-relay-8, outputs: {a: {" + output + "}}}"
	}
	pins := func(safe string) string {
		return `{name: pins, driver: gpio, outputs: [{name: a, line: GPIO6, safe: "` + safe + `"}]}`
	}
	const offByItself = `nodes.node02.waker: output "a" of pins has safe: off: node02 would lose its power, or stay without, when that driver stops; write safe: on (with inverted: true, or active_low, if the node hangs on a contact that is closed without current)`
	const onByItself = `nodes.node02.waker: output "a" of pins has safe: on: the pin of node02 would be held when that driver stops; write safe: off`
	for _, c := range []struct{ name, node, sensor, want string }{
		{"a relay that is off", "wake: relay, waker: {sensor: pins, output: a}", relays("relay: 1"), offByItself},
		{"a relay that is said to be off", "wake: relay, waker: {sensor: pins, output: a}", relays("relay: 1, safe: off"), offByItself},
		{"a relay that is on", "wake: relay, waker: {sensor: pins, output: a}", relays("relay: 1, safe: on, inverted: true"), ""},
		{"a relay that is kept", "wake: relay, waker: {sensor: pins, output: a}", relays("relay: 1, safe: keep"), strings.Replace(offByItself, "safe: off:", "safe: keep:", 1)},
		{"a pulse by a relay that is kept", "wake: gpio, waker: {sensor: pins, output: a}", relays("relay: 1, safe: keep"), strings.Replace(onByItself, "safe: on:", "safe: keep:", 1)},
		{"a pulse by a relay that is off", "wake: gpio, waker: {sensor: pins, output: a}", relays("relay: 1"), ""},
		{"a pulse by a relay that is on", "wake: gpio, waker: {sensor: pins, output: a}", relays("relay: 1, safe: on"), onByItself},
		{"a pin that is off", "wake: relay, waker: {sensor: pins, output: a}", pins("off"), offByItself},
		{"a pin that is on", "wake: relay, waker: {sensor: pins, output: a}", pins("on"), ""},
		{"another node's", "wake: relay, waker: {node: node01, sensor: other, output: a}", pins("off"), ""},
		{"an output that is none", "wake: gpio, waker: {sensor: pins, output: b}", pins("off"), `nodes.node02.waker.output: "b" is no output of pins: want one of a`},
		{"a sensor without outputs", "wake: gpio, waker: {sensor: pins, output: a}", "{name: pins, driver: board}", `nodes.node02.waker.sensor: pins has no outputs: name a sensor that has`},
		{"a sensor whose outputs are left out", "wake: gpio, waker: {sensor: pins, output: a}", "{name: pins, driver: gpio, fans: [{name: top, line: GPIO17}]}", `nodes.node02.waker.sensor: pins has no outputs: name a sensor that has`},
		{"a UPS among the sensors", "wake: ups", "{name: m, driver: modbus, address: tcp://it, map: apc-smart-ups}", "sensors[0]: it reads a UPS: list it under ups:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("rack.yaml", []byte(rackWith(ups, c.node, c.sensor)), all.Kinds())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), c.want)) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	_, err := Parse("rack.yaml", []byte(rackWith("{name: main, driver: modbus, address: tcp://it, map: sdm120, feeds: [node01, node02]}", "wake: ups", "")), all.Kinds())
	if want := "rack.yaml:1: ups[0]: it reads no UPS: list it under sensors:"; err == nil || err.Error() != want {
		t.Errorf("a meter among the UPSes: %v\nwant %s", err, want)
	}
}

func TestDevicesOfOneModbusLineNeedTheSameSpeed(t *testing.T) {
	const ups = "{name: main, driver: sim, feeds: [node01, node02]}"
	meter := func(name, more string) string {
		return "{name: " + name + ", driver: modbus, address: /dev/ttyUSB0, map: pzem-004t" + more + "}"
	}
	if _, err := Parse("rack.yaml", []byte(rackWith(ups, "wake: ups", meter("a", "")+", "+meter("b", ", unit: 2"))), all.Kinds()); err != nil {
		t.Error(err)
	}
	_, err := Parse("rack.yaml", []byte(rackWith(ups, "wake: ups", meter("a", "")+", "+meter("b", ", unit: 2, stop_bits: 2"))), all.Kinds())
	if want := "rack.yaml:5: sensors[1]: sensors[0] has /dev/ttyUSB0 as 9600 baud 8N1: entries of one line need the same (got 9600 baud 8N2)"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

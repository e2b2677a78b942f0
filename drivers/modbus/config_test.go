package modbus

import (
	"math"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/maps"
)

func TestWhatIsWrongInAConfigurationIsSaid(t *testing.T) {
	good := func() Config {
		c := Defaults()
		c.Address, c.Map = "/dev/ttyUSB0", "pzem-004t"
		return c
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"nothing", func(*Config) {}, ""},
		{"no address", func(c *Config) { c.Address = "" }, "no address: name the line, such as address: tcp://192.168.1.20:502"},
		{"no map", func(c *Config) { c.Map = "" }, "no map: say what device it is, such as map: pzem-004t; there are ["},
		{"a map that is none", func(c *Config) { c.Map = "pzem" }, `map: no map "pzem": have apc-smart-ups, `},
		{"a file that is none", func(c *Config) { c.Map = "./none.yaml" }, "map: read the map: open ./none.yaml"},
		{"an address that is none", func(c *Config) { c.Address = "http://ups" }, `address: want tcp://HOST:502, rtu+tcp://HOST:PORT or a serial port such as /dev/serial/by-id/... (got "http://ups")`},
		{"a converter without a port", func(c *Config) { c.Address = "rtu+tcp://ups" }, "address: want tcp://HOST:502"},
		{"TCP without a port", func(c *Config) { c.Address = "tcp://ups" }, ""},
		{"a baud", func(c *Config) { c.Baud = 96 }, "baud: want 300 to 4000000, such as 9600 (got 96)"},
		{"a parity", func(c *Config) { c.Parity = "N" }, `parity: want none, even or odd (got "N")`},
		{"stop bits", func(c *Config) { c.StopBits = 3 }, "stop_bits: want 1 or 2 (got 3)"},
		{"data bits", func(c *Config) { c.DataBits = 9 }, "data_bits: want 8, or 7 (got 9)"},
		{"RS-485 on TCP", func(c *Config) { c.Address, c.RS485 = "tcp://ups", true }, "rs485: tcp://ups:502 is no serial port of this machine: remove it"},
		{"RS-485", func(c *Config) { c.RS485, c.RS485Before = true, time.Minute }, "rs485_before, rs485_after: want 0s to 1s (got 1m0s and 0s)"},
		{"a unit", func(c *Config) { c.Unit = new(300) }, "unit: want 1 to 247, or 0 or 255 where a TCP device wants that (got 300)"},
		{"all units at once", func(c *Config) { c.Unit = new(0) }, "unit: on a serial line 0 is all devices at once, and none answers: want 1 to 247"},
		{"all units at once behind a converter", func(c *Config) { c.Address, c.Unit = "rtu+tcp://it:4196", new(0) }, "unit: on a serial line 0 is all devices at once"},
		{"a device that is its own gateway", func(c *Config) { c.Address, c.Unit = "tcp://it", new(0) }, ""},
		{"a poll", func(c *Config) { c.Poll = time.Millisecond }, "poll: want 200ms to 1m (got 1ms)"},
		{"a timeout", func(c *Config) { c.Timeout = time.Minute }, "timeout: want 20ms to 10s (got 1m0s)"},
		{"a pause", func(c *Config) { c.Pause = new(time.Minute) }, "pause: want 0s to 5s (got 1m0s)"},
		{"limits of a meter", func(c *Config) { c.Limits.WarningBelow = 200 }, "limits: they judge rails, and pzem-004t is a meter: remove them"},
		{"limits the wrong way round", func(c *Config) {
			c.Map, c.Limits = "pzem-003", maps.Limits{WarningBelow: 4.7, CriticalBelow: 4.8}
		}, "limits: want critical_below <= warning_below <= warning_above <= critical_above, in volts (got {WarningBelow:4.7 CriticalBelow:4.8 "},
		{"a limit that is no number", func(c *Config) { c.Map, c.Limits.WarningBelow = "pzem-003", math.NaN() }, "limits: want critical_below"},
		{"limits", func(c *Config) {
			c.Map, c.Limits = "pzem-003", maps.Limits{WarningBelow: 4.8, CriticalBelow: 4.7, WarningAbove: 5.3}
		}, ""},
		{"outputs of a meter", func(c *Config) { c.Outputs = map[string]Output{"a": {Relay: 1}} }, "outputs: pzem-004t is a meter and has none: remove them"},
		{"a board without outputs", func(c *Config) { c.Map = "waveshare-relay-8" }, "outputs: name the relays that are used, such as outputs: {wake-node04: {relay: 1}}"},
		{"a relay too many", func(c *Config) { c.Map, c.Outputs = "waveshare-relay-8", map[string]Output{"a": {Relay: 9}} }, "outputs: a: relay: want 1 to 8 (got 9)"},
		{"a relay twice", func(c *Config) {
			c.Map, c.Outputs = "waveshare-relay-8", map[string]Output{"a": {Relay: 1}, "b": {Relay: 1}}
		}, "outputs: b: relay 1 is a already"},
		{"a safe state", func(c *Config) {
			c.Map, c.Outputs = "waveshare-relay-8", map[string]Output{"a": {Relay: 1, Safe: "open"}}
		}, `outputs: a: safe: want off, on or keep (got "open")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good()
			c.change(&config)
			_, err := New(config, drivers.Options{Name: "it"})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestWhatADriverIsDependsOnItsMap(t *testing.T) {
	for which, want := range map[string][2]bool{"pzem-004t": {false, false}, "apc-smart-ups": {true, false}, "waveshare-relay-8": {false, true}} {
		c := Defaults()
		c.Address, c.Map = "tcp://it", which
		if which == "waveshare-relay-8" {
			c.Outputs = map[string]Output{"a": {Relay: 1}}
		}
		d, err := New(c, drivers.Options{Name: "it"})
		if err != nil {
			t.Fatal(err)
		}
		_, commander := d.(drivers.Commander)
		_, switcher := d.(drivers.Switcher)
		if commander != want[0] || switcher != want[1] {
			t.Errorf("%s: takes commands: %v, switches: %v", which, commander, switcher)
		}
	}
}

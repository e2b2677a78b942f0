// Package modbus is the driver of devices that speak Modbus: UPSes, meters, rails
// and relay boards, over serial lines and TCP. What a device keeps where is told
// by a map; see package maps.
package modbus

import (
	"errors"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/maps"
	"lastwatt/drivers/modbus/wire"
)

const (
	defaultPoll    = 2 * time.Second
	defaultTimeout = time.Second
	// unitPause passes before a request to another unit of a serial line:
	// mbmd's figure, which some meters of Eastron need.
	unitPause = 200 * time.Millisecond
)

// Kind describes the driver. The drivers of one Kind share lines: one goroutine
// has a serial port or a connection, and asks for all of them.
func Kind() drivers.Kind {
	lines := wire.NewLines(wire.Open)
	return drivers.Kind{Name: "modbus", UPS: true, Sensor: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		c := Config{Poll: defaultPoll, Timeout: defaultTimeout}
		if err := decode(&c); err != nil {
			return nil, err
		}
		return c.driver(lines, o)
	}}
}

// Config is the driver's part of the configuration.
type Config struct {
	// Address is tcp://host:502, rtu+tcp://host:port, or a serial port.
	Address string `yaml:"address"`
	// Baud, Parity, DataBits and StopBits are of a serial port; left out,
	// they are the map's.
	Baud     int    `yaml:"baud"`
	Parity   string `yaml:"parity"`
	DataBits int    `yaml:"data_bits"`
	StopBits int    `yaml:"stop_bits"`
	// RS485 makes the port's driver switch an RS-485 transceiver, with these
	// delays around each request.
	RS485       bool          `yaml:"rs485"`
	RS485Before time.Duration `yaml:"rs485_before"`
	RS485After  time.Duration `yaml:"rs485_after"`
	// Unit is the device's address; nil is the map's.
	Unit *int `yaml:"unit"`
	// Map is the name of a map that is part of the program, or the path of a
	// file.
	Map     string        `yaml:"map"`
	Poll    time.Duration `yaml:"poll"`
	Timeout time.Duration `yaml:"timeout"`
	// Pause passes between two requests; nil is the map's.
	Pause *time.Duration `yaml:"pause"`
	// Limits judge the volts of a rail.
	Limits maps.Limits `yaml:"limits"`
	// Outputs are the relays that are used, by the names that the rest of the
	// configuration has for them.
	Outputs map[string]Output `yaml:"outputs"`
}

// An Output is one relay of a board.
type Output struct {
	// Relay is its number on the board, from 1 on.
	Relay int `yaml:"relay"`
	// Safe is what it is set to when the driver starts and stops: off, on, or
	// keep, which leaves it as it is. Empty is off.
	Safe string `yaml:"safe"`
	// Inverted is for what hangs on a contact that is closed while the relay's
	// coil has no current: on is a coil without.
	Inverted bool `yaml:"inverted"`
}

// coil is what the relay's coil is when the output is on or off.
func (o Output) coil(on bool) bool { return on != o.Inverted }

// driver makes the driver of a configuration. It reads the map and opens nothing.
func (c Config) driver(lines *wire.Lines, o drivers.Options) (drivers.Driver, error) {
	d, err := c.device(lines, o)
	if err != nil {
		return nil, err
	}
	switch d.m.Device {
	case maps.UPS:
		return &upsDriver{d}, nil
	case maps.Relay:
		if len(c.Outputs) == 0 {
			return nil, errors.New("outputs: name the relays that are used, such as outputs: {wake-node04: {relay: 1}}")
		}
		return &relayDriver{d}, nil
	}
	return d, nil
}

func (c Config) device(lines *wire.Lines, o drivers.Options) (*device, error) {
	if c.Address == "" {
		return nil, errors.New("no address: name the line, such as address: tcp://192.168.1.20:502 or address: /dev/serial/by-id/usb-ADAPTER")
	}
	if c.Map == "" {
		return nil, fmt.Errorf("no map: say what device it is, such as map: pzem-004t; there are %q, and the path of a file is a map too", maps.BuiltIn())
	}
	m, err := maps.Load(c.Map)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	settings, err := c.settings(m)
	if err != nil {
		return nil, err
	}
	if err := c.check(m); err != nil {
		return nil, err
	}
	d := &device{
		m: m, blocks: m.Blocks(), settings: settings, lines: lines, options: o, poll: c.Poll, limits: c.Limits, outputs: c.Outputs,
		base: wire.Request{Unit: m.Unit, Timeout: c.Timeout, Pause: m.Pause},
	}
	if c.Unit != nil {
		d.base.Unit = byte(*c.Unit)
	}
	if settings.Framing != wire.TCP && d.base.Unit == 0 {
		return nil, errors.New("unit: on a serial line 0 is all devices at once, and none answers: want 1 to 247")
	}
	if c.Pause != nil {
		d.base.Pause = *c.Pause
	}
	if settings.Framing != wire.TCP {
		d.base.UnitPause = unitPause
	}
	return d, nil
}

func (c Config) settings(m maps.Map) (wire.Settings, error) {
	s, err := wire.ParseAddress(c.Address)
	if err != nil {
		return s, fmt.Errorf("address: %w", err)
	}
	if s.Framing == wire.RTU {
		s.Baud, s.Parity, s.DataBits, s.StopBits = m.Serial.Baud, m.Serial.Parity, m.Serial.DataBits, m.Serial.StopBits
		override(&s.Baud, c.Baud)
		override(&s.Parity, c.Parity)
		override(&s.DataBits, c.DataBits)
		override(&s.StopBits, c.StopBits)
	}
	s.RS485, s.Before, s.After = c.RS485, c.RS485Before, c.RS485After
	return s, s.Check()
}

// override takes a value that is configured.
func override[T comparable](to *T, value T) {
	var none T
	if value != none {
		*to = value
	}
}

func (c Config) checkTimeout() error {
	if c.Timeout < 20*time.Millisecond || c.Timeout > 10*time.Second {
		return fmt.Errorf("timeout: want 20ms to 10s (got %v)", c.Timeout)
	}
	return nil
}

func (c Config) check(m maps.Map) error {
	switch {
	case c.Unit != nil && (*c.Unit < 0 || *c.Unit > 255):
		return fmt.Errorf("unit: want 1 to 247, or 0 or 255 where a TCP device wants that (got %d)", *c.Unit)
	case c.Poll < 200*time.Millisecond || c.Poll > time.Minute:
		return fmt.Errorf("poll: want 200ms to 1m (got %v)", c.Poll)
	case c.checkTimeout() != nil:
		return c.checkTimeout()
	case c.Pause != nil && (*c.Pause < 0 || *c.Pause > 5*time.Second):
		return fmt.Errorf("pause: want 0s to 5s (got %v)", *c.Pause)
	case len(c.Outputs) > 0 && m.Outputs == nil:
		return fmt.Errorf("outputs: %s is a %s and has none: remove them", m.Name, m.Device)
	case c.Limits != maps.Limits{} && m.Device != maps.Rail:
		return fmt.Errorf("limits: they judge rails, and %s is a %s: remove them", m.Name, m.Device)
	case !c.Limits.Sound():
		return fmt.Errorf("limits: want critical_below <= warning_below <= warning_above <= critical_above, in volts (got %+v)", c.Limits)
	}
	used := map[int]string{}
	for _, name := range sortedKeys(c.Outputs) {
		o := c.Outputs[name]
		switch {
		case o.Relay < 1 || o.Relay > m.Outputs.Count:
			return fmt.Errorf("outputs: %s: relay: want 1 to %d (got %d)", name, m.Outputs.Count, o.Relay)
		case o.Safe != "" && o.Safe != "off" && o.Safe != "on" && o.Safe != "keep":
			return fmt.Errorf("outputs: %s: safe: want off, on or keep (got %q)", name, o.Safe)
		case used[o.Relay] != "":
			return fmt.Errorf("outputs: %s: relay %d is %s already", name, o.Relay, used[o.Relay])
		}
		used[o.Relay] = name
	}
	return nil
}

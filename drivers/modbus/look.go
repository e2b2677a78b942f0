package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/maps"
	"lastwatt/drivers/modbus/wire"
)

// New makes a driver without a configuration file, for someone at a terminal.
func New(c Config, o drivers.Options) (drivers.Driver, error) {
	return c.driver(wire.NewLines(wire.Open), o)
}

// Defaults is a configuration with the times that one has which leaves them out.
func Defaults() Config { return Config{Poll: defaultPoll, Timeout: defaultTimeout} }

// A Row is one field of a device, for people.
type Row struct {
	Name  string
	Value any // a float64, a string or a bool; nil if there is none
	Unit  string
	// Absent says why there is no value.
	Absent string
}

// ReadOnce reads all fields of a device once. The fact is what a driver would
// report; nil for a relay board, whose rows are its relays.
func ReadOnce(ctx context.Context, c Config) ([]Row, drivers.Fact, error) {
	d, err := c.device(wire.NewLines(wire.Open), drivers.Options{Name: c.Map})
	if err != nil {
		return nil, nil, err
	}
	line, err := d.lines.Join(d.settings)
	if err != nil {
		return nil, nil, err
	}
	defer line.Leave()
	s := &session{device: d, line: line}
	var r readout
	err = s.try(ctx, func() (err error) {
		r, err = s.fields(ctx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if d.m.Device == maps.Relay {
		return relayRows(r), nil, nil
	}
	return s.rows(r), d.m.Fact(c.Map, r.values, r.warnings(), c.Limits), nil
}

func relayRows(r readout) []Row {
	var rows []Row
	for i, on := range r.coils {
		rows = append(rows, Row{Name: fmt.Sprintf("relay %d", i+1), Value: on})
	}
	return rows
}

// rows lists the fields in the order of the map.
func (s *session) rows(r readout) []Row {
	var rows []Row
	for _, f := range s.m.Fields {
		row := Row{Name: f.Name, Unit: s.m.UnitOf(f.Name), Absent: r.absent[f.Name]}
		v, ok := r.values[f.Name]
		switch {
		case !ok && row.Absent == "":
			row.Absent = "the device does not say"
		case !ok:
		case v.IsText:
			row.Value = v.Text
		case f.Type == "bool":
			row.Value = v.Number != 0
		default:
			row.Value = v.Number
		}
		rows = append(rows, row)
	}
	return rows
}

// A Found is a unit that answered.
type Found struct {
	Unit byte
	// Said is what it answered with.
	Said string
	// Maps are those that are part of the program and whose checks it passes.
	Maps []string
}

// Scan asks the units from to to of a line whether they are there, and calls
// found for each that answers. It only reads. c names the line and the timeout.
func Scan(ctx context.Context, c Config, from, to int, found func(Found)) error {
	return c.scan(ctx, wire.NewLines(wire.Open), from, to, found)
}

func (c Config) scan(ctx context.Context, lines *wire.Lines, from, to int, found func(Found)) error {
	settings, err := c.settings(maps.Map{Serial: maps.Serial{Baud: 9600, Parity: "none", DataBits: 8, StopBits: 1}})
	if err != nil {
		return err
	}
	first := 1
	if settings.Framing == wire.TCP {
		first = 0 // some gateways are their own unit 0; on a serial line that is all devices at once
	}
	if from < first || to > 255 || from > to {
		return fmt.Errorf("want units from 1 to 247 (got %d to %d)", from, to)
	}
	if err := c.checkTimeout(); err != nil {
		return err
	}
	line, err := lines.Join(settings)
	if err != nil {
		return err
	}
	defer line.Leave()
	for unit := from; unit <= to; unit++ {
		said, err := probe(ctx, line, byte(unit), c.Timeout)
		if err != nil {
			return err
		}
		if said == "" {
			continue
		}
		fits, err := c.identify(ctx, lines, settings, unit)
		if err != nil {
			return err
		}
		found(Found{byte(unit), said, fits})
	}
	return nil
}

// probe asks one unit for two registers that many devices have; a no is an answer
// too. Its error is that the line is of no use.
func probe(ctx context.Context, line *wire.Line, unit byte, timeout time.Duration) (said string, err error) {
	for _, f := range []wire.Function{wire.ReadHolding, wire.ReadInput} {
		a, err := line.Ask(ctx, wire.Request{Unit: unit, Function: f, Count: 1, Timeout: timeout})
		var no wire.Exception
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, wire.ErrDown):
			return "", err
		case err == nil:
			return fmt.Sprintf("%s 0: 0x%x", f, a.Data), nil
		case errors.As(err, &no) && no.Code != 10 && no.Code != 11:
			return fmt.Sprintf("%s 0: %v", f, no), nil
		}
	}
	return "", nil
}

// identify lists the maps whose identity a unit passes.
func (c Config) identify(ctx context.Context, lines *wire.Lines, settings wire.Settings, unit int) ([]string, error) {
	var fits []string
	for _, name := range maps.BuiltIn() {
		m, err := maps.Load(name)
		if err != nil {
			return nil, err
		}
		line, err := lines.Join(settings)
		if err != nil {
			return nil, err
		}
		d := &device{m: m, settings: settings, base: wire.Request{Unit: byte(unit), Timeout: c.Timeout, Pause: m.Pause}}
		s := &session{device: d, line: line}
		if err = s.proven(ctx); errors.Is(err, wire.ErrTimeout) {
			err = s.proven(ctx) // it is there: an answer was lost
		}
		line.Leave()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			fits = append(fits, name)
		}
	}
	return fits, nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers/modbus"
	"lastwatt/drivers/modbus/maps"
)

// A modbusCall is what was asked for on the command line of lastwatt modbus.
type modbusCall struct {
	env
	config    modbus.Config
	from, to  int
	json, yes bool
	dir       string
	operands  []string
}

type modbusVerb struct {
	name, operands string
	least, most    int
	run            func(context.Context, modbusCall) error
}

func modbusVerbs() []modbusVerb {
	return []modbusVerb{
		{"scan", "ADDRESS", 1, 1, scanModbus},
		{"read", "ADDRESS --map MAP", 1, 1, readModbus},
		{"watch", "ADDRESS --map MAP", 1, 1, watchModbus},
		{"switch", "ADDRESS RELAY on|off --map MAP", 3, 3, switchModbus},
		{"maps", "[MAP]", 0, 1, listMaps},
	}
}

// modbusCommand looks at Modbus devices without a controller.
func modbusCommand(ctx context.Context, e env, args []string) int {
	c := modbusCall{env: e, config: modbus.Defaults()}
	f := flags(e, "modbus")
	unit := f.Int("unit", 1, "the device's unit; left out, the map's")
	c.flags(f)
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	if given(f, "unit") {
		c.config.Unit = unit
	}
	// A scan waits for many that are not there.
	if len(operands) > 0 && operands[0] == "scan" && !given(f, "timeout") {
		c.config.Timeout = 200 * time.Millisecond
	}
	for _, verb := range modbusVerbs() {
		if len(operands) == 0 || operands[0] != verb.name {
			continue
		}
		c.operands = operands[1:]
		if n := len(c.operands); n < verb.least || n > verb.most {
			return fail(e, exitUsage, fmt.Errorf("modbus: want \"lastwatt modbus %s %s\" (got %q)", verb.name, verb.operands, c.operands))
		}
		if verb.least > 0 {
			c.config.Address = c.operands[0]
		}
		return upsStatus(e, verb.run(ctx, c))
	}
	return fail(e, exitUsage, fmt.Errorf("modbus: want scan, read, watch, switch or maps (got %q)", strings.Join(operands, " ")))
}

func (c *modbusCall) flags(f *flag.FlagSet) {
	f.StringVar(&c.config.Map, "map", "", "read, watch, switch: what device it is; \"lastwatt modbus maps\" lists them, and a file is one too")
	f.IntVar(&c.config.Baud, "baud", 0, "of a serial port; left out, the map's, or 9600")
	f.StringVar(&c.config.Parity, "parity", "", "none, even or odd")
	f.IntVar(&c.config.DataBits, "data-bits", 0, "7 or 8")
	f.IntVar(&c.config.StopBits, "stop-bits", 0, "1 or 2")
	f.BoolVar(&c.config.RS485, "rs485", false, "let the port's driver switch the direction")
	f.DurationVar(&c.config.Timeout, "timeout", c.config.Timeout, "how long a device may take to answer; scan: 200ms")
	f.DurationVar(&c.config.Poll, "poll", c.config.Poll, "watch: how often it is asked")
	f.IntVar(&c.from, "from", 1, "scan: the first unit")
	f.IntVar(&c.to, "to", 247, "scan: the last unit")
	f.BoolVar(&c.json, "json", false, "scan, read: print JSON")
	f.BoolVar(&c.yes, "yes", false, "switch: do not ask")
	f.StringVar(&c.dir, "out", "", "maps: write the files into this directory")
}

// given is whether a flag was given.
func given(f *flag.FlagSet, name string) bool {
	found := false
	f.Visit(func(one *flag.Flag) { found = found || one.Name == name })
	return found
}

func scanModbus(ctx context.Context, c modbusCall) error {
	n := 0
	err := modbus.Scan(ctx, c.config, c.from, c.to, func(f modbus.Found) {
		n++
		if c.json {
			json.NewEncoder(c.out).Encode(map[string]any{"unit": f.Unit, "said": f.Said, "maps": f.Maps})
			return
		}
		fits := "no map that is part of the program fits"
		if len(f.Maps) > 0 {
			fits = "fits " + strings.Join(f.Maps, ", ")
		}
		fmt.Fprintf(c.out, "unit %-3d  %s  (%s)\n", f.Unit, fits, f.Said)
	})
	if err == nil && n == 0 {
		ask := "are the wires A and B swapped, is the speed right (--baud)?"
		if strings.HasPrefix(c.config.Address, "tcp://") {
			ask = "is Modbus switched on there, and is it its port?"
		}
		return fmt.Errorf("%w: no unit from %d to %d answers on %s: %s", errNothing, c.from, c.to, c.config.Address, ask)
	}
	return modbusError(err)
}

// errNothing is that nothing is there.
var errNothing = errors.New("nothing there")

func modbusError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("modbus: %w", err)
}

func readModbus(ctx context.Context, c modbusCall) error {
	rows, _, err := modbus.ReadOnce(ctx, c.config)
	if err != nil {
		return modbusError(err)
	}
	if c.json {
		return printRows(c, rows)
	}
	for _, r := range rows {
		fmt.Fprintf(c.out, "%-26s %s\n", r.Name, rowText(r))
	}
	return nil
}

func printRows(c modbusCall, rows []modbus.Row) error {
	type value struct {
		Value  any    `json:"value"`
		Unit   string `json:"unit,omitempty"`
		Absent string `json:"absent,omitempty"`
	}
	all := map[string]value{}
	for _, r := range rows {
		all[r.Name] = value{r.Value, r.Unit, r.Absent}
	}
	out := json.NewEncoder(c.out)
	out.SetIndent("", "  ")
	return out.Encode(all)
}

func rowText(r modbus.Row) string {
	switch v := r.Value.(type) {
	case nil:
		return "absent: " + r.Absent
	case float64:
		return strings.TrimSpace(strconv.FormatFloat(v, 'f', -1, 64) + " " + r.Unit)
	}
	return fmt.Sprint(r.Value)
}

// watchModbus prints a line for each change, until it is interrupted.
func watchModbus(ctx context.Context, c modbusCall) error {
	last, said := map[string]string{}, ""
	for ctx.Err() == nil {
		rows, _, err := modbus.ReadOnce(ctx, c.config)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && len(last) == 0:
			return modbusError(err) // it never answered: that is not a change
		case err != nil && err.Error() != said:
			said = err.Error()
			fmt.Fprintf(c.out, "%s  lost: %v\n", stamp(time.Now()), err)
		case err == nil && said != "":
			said = ""
			fmt.Fprintf(c.out, "%s  answers again\n", stamp(time.Now()))
		}
		for _, r := range rows {
			if now := rowText(r); last[r.Name] != now {
				fmt.Fprintf(c.out, "%s  %-26s %s\n", stamp(time.Now()), r.Name, arrow(last[r.Name], now))
				last[r.Name] = now
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.config.Poll):
		}
	}
	return nil
}

// listMaps lists the maps, prints one, or writes them into files.
func listMaps(_ context.Context, c modbusCall) error {
	names := maps.BuiltIn()
	if len(c.operands) == 1 {
		names = c.operands
	}
	for _, name := range names {
		text, err := maps.Text(name)
		if err != nil {
			return fmt.Errorf("modbus: %w: %w", errUsage, err)
		}
		switch {
		case c.dir != "":
			if err := writeNew(filepath.Join(c.dir, name+".yaml"), text); err != nil {
				return fmt.Errorf("write the map: %w", err)
			}
			fmt.Fprintf(c.out, "wrote %s\n", filepath.Join(c.dir, name+".yaml"))
		case len(c.operands) == 1:
			fmt.Fprint(c.out, string(text))
		default:
			m, err := maps.Load(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%-20s %-6s %s\n", name, m.Device, m.About)
		}
	}
	return nil
}

// writeNew writes a file that is not there yet: what somebody changed in one
// stays.
func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: remove it, or name another directory", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

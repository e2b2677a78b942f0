package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/nut"
	"lastwatt/drivers/usbhid"
)

// A upsCall is what was asked for on the command line of lastwatt ups.
type upsCall struct {
	env
	transport string
	match     usbhid.Match
	from      string // read: a dump instead of a device
	nut       string // read: a NUT server instead of USB
	json      bool
	yes       bool
	delay     time.Duration
	profile   string
	operands  []string
}

// upsVerbs are the commands of lastwatt ups, with how many operands they take.
func upsVerbs() []struct {
	name, operands string
	most           int
	run            func(context.Context, upsCall) error
} {
	return []struct {
		name, operands string
		most           int
		run            func(context.Context, upsCall) error
	}{
		{"list", "", 0, listUPS},
		{"read", "[DEVICE]", 1, readUPS},
		{"watch", "[DEVICE]", 1, watchUPS},
		{"dump", "FILE [DEVICE]", 2, dumpUPS},
		{"do", "COMMAND [DEVICE]", 2, doUPS},
		{"learn", "[DEVICE]", 1, learnUPS},
	}
}

// ups looks at power devices without a controller.
func ups(ctx context.Context, e env, args []string) int {
	c := upsCall{env: e}
	f := flags(e, "ups")
	f.StringVar(&c.transport, "transport", "auto", "auto, hidraw or gousb")
	f.StringVar(&c.from, "from", "", "read: read a dump instead of a device")
	f.StringVar(&c.nut, "nut", "", "read: read a UPS of the NUT server at HOST[:PORT]; DEVICE is NUT's name of it")
	f.BoolVar(&c.json, "json", false, "list, read: print JSON")
	f.BoolVar(&c.yes, "yes", false, "do: do not ask")
	f.DurationVar(&c.delay, "delay", time.Minute, "do: the delay of a command that has one")
	f.StringVar(&c.profile, "profile", "ups.profile.json", "learn: the file to write")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	for _, verb := range upsVerbs() {
		if len(operands) == 0 || operands[0] != verb.name {
			continue
		}
		c.operands = operands[1:]
		if c.nut != "" && verb.name != "read" {
			return fail(e, exitUsage, fmt.Errorf("ups: --nut goes with read alone (got %q)", verb.name))
		}
		if len(c.operands) > verb.most {
			return fail(e, exitUsage, fmt.Errorf("ups: want \"lastwatt ups %s %s\" (got %q)", verb.name, verb.operands, c.operands))
		}
		return upsStatus(e, verb.run(ctx, c))
	}
	return fail(e, exitUsage, fmt.Errorf("ups: want list, read, watch, dump, do or learn (got %q)", strings.Join(operands, " ")))
}

// errUsage is a command line that is wrong, errRefused a no.
var (
	errUsage   = errors.New("wrong usage")
	errRefused = errors.New("refused")
)

func upsStatus(e env, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, drivers.ErrNoDevice), errors.Is(err, errNothing):
		return fail(e, exitAbsent, err)
	case errors.Is(err, errUsage):
		return fail(e, exitUsage, err)
	case errors.Is(err, errRefused):
		return fail(e, exitRefused, err)
	}
	return fail(e, exitFailed, err)
}

// device takes the operand at i for the device that is meant.
func (c *upsCall) device(i int) error {
	if i >= len(c.operands) {
		return nil
	}
	m, err := usbhid.ParseMatch(c.operands[i])
	if err != nil {
		return fmt.Errorf("ups: %w: %w", errUsage, err)
	}
	c.match = m
	return nil
}

func listUPS(ctx context.Context, c upsCall) error {
	found, err := usbhid.List(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return json.NewEncoder(c.out).Encode(listed(found))
	}
	for _, i := range found {
		fmt.Fprintf(c.out, "%-8s %-8s %04x:%04x  %s %s", i.Path, i.Transport, i.Vendor, i.Product, i.Maker, i.Model)
		if i.Serial != "" {
			fmt.Fprintf(c.out, "  serial %s", i.Serial)
		}
		if i.HeldBy != "" {
			fmt.Fprintf(c.out, "  (held by %s)", i.HeldBy)
		}
		if i.Err != nil {
			fmt.Fprintf(c.out, "\n         %v", i.Err)
		}
		fmt.Fprintln(c.out)
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: none on this machine's USB, over %s", drivers.ErrNoDevice, strings.Join(usbhid.Transports(), " and "))
	}
	return nil
}

type listedUPS struct {
	Path      string `json:"path"`
	Transport string `json:"transport"`
	ID        string `json:"id"`
	Maker     string `json:"maker,omitempty"`
	Model     string `json:"model,omitempty"`
	Serial    string `json:"serial,omitempty"`
	HeldBy    string `json:"held_by,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

func listed(found []usbhid.Info) []listedUPS {
	all := []listedUPS{}
	for _, i := range found {
		l := listedUPS{i.Path, i.Transport, fmt.Sprintf("%04x:%04x", i.Vendor, i.Product), i.Maker, i.Model, i.Serial, i.HeldBy, ""}
		if i.Err != nil {
			l.Problem = i.Err.Error()
		}
		all = append(all, l)
	}
	return all
}

func readUPS(ctx context.Context, c upsCall) error {
	u, err := c.read(ctx)
	if err != nil {
		return err
	}
	for _, w := range u.Warnings {
		fmt.Fprintf(c.err, "lastwatt: warning: %s\n", w)
	}
	if c.json {
		return printVariables(c.out, u)
	}
	for _, v := range u.Variables() {
		note := ""
		if v.OutOfRange {
			note = "  (beyond the limits that the device declares)"
		}
		fmt.Fprintf(c.out, "%-26s %s%s\n", v.Name, written(v), note)
	}
	return nil
}

func (c upsCall) read(ctx context.Context) (drivers.UPS, error) {
	if c.nut != "" {
		name := ""
		if len(c.operands) > 0 {
			name = c.operands[0]
		}
		return nut.ReadOnce(ctx, c.nut, name)
	}
	if err := c.device(0); err != nil {
		return drivers.UPS{}, err
	}
	if c.from == "" {
		return usbhid.ReadOnce(ctx, c.match, c.transport)
	}
	in, err := os.Open(c.from)
	if err != nil {
		return drivers.UPS{}, fmt.Errorf("read the dump: %w", err)
	}
	defer in.Close()
	return usbhid.ReadDump(in)
}

// written is a variable's value with its unit.
func written(v drivers.Variable) string {
	value := fmt.Sprint(v.Value)
	if f, ok := v.Value.(float64); ok {
		value = strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strings.TrimSpace(value + " " + v.Unit)
}

// printVariables writes one JSON object, by NUT's names.
func printVariables(w io.Writer, u drivers.UPS) error {
	type value struct {
		Value      any    `json:"value"`
		Unit       string `json:"unit,omitempty"`
		AgeMS      int64  `json:"age_ms"`
		OutOfRange bool   `json:"out_of_range,omitempty"`
	}
	all := map[string]value{}
	for _, v := range u.Variables() {
		all[v.Name] = value{v.Value, v.Unit, v.Age.Milliseconds(), v.OutOfRange}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(all)
}

func dumpUPS(ctx context.Context, c upsCall) error {
	if len(c.operands) == 0 {
		return fmt.Errorf("ups: %w: want \"lastwatt ups dump FILE\"; - is the terminal", errUsage)
	}
	if err := c.device(1); err != nil {
		return err
	}
	if c.operands[0] == "-" {
		return usbhid.Dump(ctx, c.match, c.transport, c.out)
	}
	var text strings.Builder
	if err := usbhid.Dump(ctx, c.match, c.transport, &text); err != nil {
		return err
	}
	if err := os.WriteFile(c.operands[0], []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	fmt.Fprintf(c.out, "wrote %s; the serial number is masked, so it can go into a bug report\n", c.operands[0])
	return nil
}

// driver makes a driver of the device that is meant.
func (c upsCall) driver() (drivers.Commander, error) {
	d, err := usbhid.New(c.transport, c.match, drivers.Options{Name: "ups", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		return nil, fmt.Errorf("ups: %w: %w", errUsage, err)
	}
	return d, nil
}

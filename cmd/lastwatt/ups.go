package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid"
)

// ups looks at power devices without a controller.
func ups(ctx context.Context, e env, args []string) int {
	f := flags(e, "ups")
	transport := f.String("transport", "auto", "auto, hidraw or gousb")
	serial := f.String("serial", "", "only the device with this serial number")
	path := f.String("path", "", "only the device at this place on the bus, such as 1-1.2")
	file := f.String("file", "", "with read: read a dump instead of a device")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	what := strings.Join(operands, " ")
	match := usbhid.Match{Serial: *serial, Path: *path}
	var err error
	switch what {
	case "list":
		err = listUPS(ctx, e)
	case "read":
		err = readUPS(ctx, e, match, *transport, *file)
	case "dump":
		err = usbhid.Dump(ctx, match, *transport, e.out)
	default:
		return fail(e, exitUsage, fmt.Errorf("ups: want list, read or dump (got %q)", what))
	}
	switch {
	case errors.Is(err, drivers.ErrNoDevice):
		return fail(e, exitAbsent, err)
	case err != nil:
		return fail(e, exitFailed, err)
	}
	return exitOK
}

func listUPS(ctx context.Context, e env) error {
	found, err := usbhid.List(ctx)
	if err != nil {
		return err
	}
	for _, i := range found {
		fmt.Fprintf(e.out, "%-8s %-8s %04x:%04x  %s %s", i.Path, i.Transport, i.Vendor, i.Product, i.Maker, i.Model)
		if i.HeldBy != "" {
			fmt.Fprintf(e.out, "  (held by %s)", i.HeldBy)
		}
		if i.Err != nil {
			fmt.Fprintf(e.out, "\n         %v", i.Err)
		}
		fmt.Fprintln(e.out)
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: none on this machine's USB, over %s", drivers.ErrNoDevice, strings.Join(usbhid.Transports(), " and "))
	}
	return nil
}

func readUPS(ctx context.Context, e env, m usbhid.Match, transport, file string) error {
	var u drivers.UPS
	var err error
	if file != "" {
		in, openErr := os.Open(file)
		if openErr != nil {
			return openErr
		}
		defer in.Close()
		u, err = usbhid.ReadDump(in)
	} else {
		u, err = usbhid.ReadOnce(ctx, m, transport)
	}
	if err != nil {
		return err
	}
	for _, v := range u.Variables() {
		value := fmt.Sprint(v.Value)
		if f, ok := v.Value.(float64); ok {
			value = strconv.FormatFloat(f, 'f', -1, 64)
		}
		fmt.Fprintf(e.out, "%-26s %s\n", v.Name, strings.TrimSpace(value+" "+v.Unit))
	}
	return nil
}

package modbus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lastwatt/drivers"
)

// A upsDriver implements [drivers.Commander]. It knows no command: of no device
// that it reads is it proven that the outlets come back after they were switched
// off over Modbus.
type upsDriver struct{ *device }

// Do implements [drivers.Commander].
func (d *upsDriver) Do(_ context.Context, c drivers.Command) (drivers.Answer, error) {
	if !slices.Contains(drivers.CommandNames(), c.Name) {
		return drivers.Answer{}, fmt.Errorf("order %q: %w; want one of %s", c.Name, drivers.ErrUnsupported, drivers.CommandNames())
	}
	err := drivers.ErrUnsupported
	if !d.running() {
		err = drivers.ErrNotRunning
	}
	return drivers.Answer{}, fmt.Errorf("order %q to %s: %w", c.Name, d.options.Name, err)
}

// warnings are what people should hear of: values that cannot be true.
func (r readout) warnings() []string {
	var all []string
	for _, name := range sortedKeys(r.absent) {
		if why := r.absent[name]; strings.Contains(why, "cannot be true") {
			all = append(all, name+": "+why)
		}
	}
	return all
}

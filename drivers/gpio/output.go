package gpio

import (
	"errors"
	"fmt"
	"log/slog"
)

// An output is a line that is driven.
type output struct {
	name string
	line string // as configured
	// released is whether off leaves the line to others (open drain): then
	// what it reads says nothing of us.
	released bool
	safe     bool
	on       bool // as ordered
	wrong    bool // read otherwise at the last check
	lines    lines
}

// errReadBack is that an output does not read what it was set to.
var errReadBack = errors.New("reads otherwise: a short, an overload, or something else that drives it")

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// set drives the output and reads it back.
func (o *output) set(on bool) error {
	if err := o.lines.Set(1, uint64(bit(on))); err != nil {
		return err
	}
	o.on = on
	return o.readBack()
}

func (o *output) readBack() error {
	v, err := o.lines.Values()
	if err != nil {
		return err
	}
	if o.released && !o.on {
		return nil
	}
	if on := v&1 == 1; on != o.on {
		return fmt.Errorf("output %s on line %s was set %s and %w", o.name, o.line, word(o.on), errReadBack)
	}
	return nil
}

// check reads the output again, and logs when it began or ceased to read
// otherwise. Its error is that the chip is lost.
func (o *output) check(log *slog.Logger) error {
	err := o.readBack()
	if err != nil && !errors.Is(err, errReadBack) {
		return err
	}
	if wrong := err != nil; wrong != o.wrong {
		o.wrong = wrong
		if wrong {
			log.Error("GPIO output reads otherwise", "output", o.name, "err", err)
		} else {
			log.Info("GPIO output reads right again", "output", o.name)
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"

	"lastwatt/drivers/usbhid"
)

// learnUPS tries a UPS that has a lamp as its only load, and writes down what it
// does.
func learnUPS(ctx context.Context, c upsCall) error {
	if err := c.device(0); err != nil {
		return err
	}
	d, err := c.driver()
	if err != nil {
		return err
	}
	p, err := usbhid.Learn(ctx, d, terminal{c.env})
	if err != nil {
		return fmt.Errorf("ups: %w: %w", errRefused, err)
	}
	if err := p.Save(c.profile); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Wrote %s. Name it in the configuration, under the UPS:\n    profile: %s\n    cuts_on_mains: %t\n", c.profile, c.profile, p.CutsOnMains)
	if !p.ReturnsAlone || p.ReturnsWithoutMains {
		fmt.Fprintln(c.out, "    cut: false    # its outlets do not come back with mains, and only then")
	}
	return nil
}

// terminal is the person at it.
type terminal struct{ env }

func (t terminal) Tell(text string) { fmt.Fprintln(t.out, "\n"+text) }

func (t terminal) Yes(question string) (bool, error) {
	if !t.asks {
		return false, errors.New("this needs a person at a terminal")
	}
	return ask(t.env, question), nil
}

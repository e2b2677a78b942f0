package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastwatt/drivers"
)

// watchUPS prints a line for each change, until it is interrupted.
func watchUPS(ctx context.Context, c upsCall) error {
	if err := c.device(0); err != nil {
		return err
	}
	d, err := c.driver()
	if err != nil {
		return err
	}
	last, said := map[string]string{}, ""
	for ctx.Err() == nil {
		err := d.Run(ctx, func(r drivers.Reading) {
			if u, ok := r.Fact.(drivers.UPS); ok {
				said = ""
				c.changes(r.At, u, last)
			}
		})
		if ctx.Err() != nil {
			break
		}
		if len(last) == 0 {
			return err // it never answered: that is not a change
		}
		if text := err.Error(); text != said {
			fmt.Fprintf(c.out, "%s  lost: %v\n", stamp(time.Now()), err)
			said = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.Format("15:04:05.000") }

// changes prints what is not as it was in last, and keeps it there.
func (c upsCall) changes(at time.Time, u drivers.UPS, last map[string]string) {
	now := map[string]string{}
	for _, v := range u.Variables() {
		now[v.Name] = written(v)
	}
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	for name := range last {
		if _, there := now[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if value, there := now[name]; !there {
			fmt.Fprintf(c.out, "%s  %-26s %s -> absent\n", stamp(at), name, last[name])
			delete(last, name)
		} else if was, there := last[name]; !there || was != value {
			fmt.Fprintf(c.out, "%s  %-26s %s\n", stamp(at), name, arrow(was, value))
			last[name] = value
		}
	}
}

func arrow(was, now string) string {
	if was == "" {
		return now
	}
	return was + " -> " + now
}

// doUPS gives one command, and asks before one that can cut power.
func doUPS(ctx context.Context, c upsCall) error {
	names := drivers.CommandNames()
	if len(c.operands) == 0 || !slices.Contains(names, drivers.CommandName(c.operands[0])) {
		var list []string
		for _, n := range names {
			list = append(list, string(n))
		}
		return fmt.Errorf("ups: %w: want \"lastwatt ups do COMMAND\", with one of %s (got %q)", errUsage, strings.Join(list, ", "), strings.Join(c.operands, " "))
	}
	if err := c.device(1); err != nil {
		return err
	}
	command := drivers.Command{Name: drivers.CommandName(c.operands[0])}
	if command.Name.Delays() {
		command.Delay = c.delay
	}
	if command.Name.CanCutPower() && !c.yes && !ask(c.env, fmt.Sprintf("%s can cut the power of all that this UPS feeds. Do it?", command.Name)) {
		return fmt.Errorf("ups: %s: %w", command.Name, errRefused)
	}
	d, err := c.driver()
	if err != nil {
		return err
	}
	answer, err := once(ctx, d, command)
	if err != nil {
		return err
	}
	if answer.Delay > 0 {
		fmt.Fprintf(c.out, "%s: the device counts down %s\n", command.Name, answer.Delay)
	} else {
		fmt.Fprintf(c.out, "%s: done\n", command.Name)
	}
	return nil
}

// once runs d until it has read the device and done the command.
func once(ctx context.Context, d drivers.Commander, command drivers.Command) (answer drivers.Answer, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- d.Run(ctx, func(drivers.Reading) {
			select {
			case ready <- struct{}{}:
			default:
			}
		})
	}()
	select {
	case err := <-ended:
		return drivers.Answer{}, err
	case <-ready:
	}
	bounded, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	answer, err = d.Do(bounded, command)
	cancel()
	<-ended
	return answer, err
}

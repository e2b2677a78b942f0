package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus"
)

// switchModbus switches one relay, and asks before it does.
func switchModbus(ctx context.Context, c modbusCall) error {
	relay, err := strconv.Atoi(c.operands[1])
	to := c.operands[2]
	if err != nil || to != "on" && to != "off" {
		return fmt.Errorf("modbus: %w: want \"lastwatt modbus switch ADDRESS RELAY on|off\" (got %q)", errUsage, c.operands)
	}
	c.config.Outputs = map[string]modbus.Output{"relay": {Relay: relay, Safe: "keep"}}
	d, err := modbus.New(c.config, drivers.Options{Name: c.config.Map, Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		return fmt.Errorf("modbus: %w: %w", errUsage, err)
	}
	s, ok := d.(drivers.Switcher)
	if !ok {
		return fmt.Errorf("modbus: %w: %s has no relays", errUsage, c.config.Map)
	}
	if !c.yes && !ask(c.env, fmt.Sprintf("Relay %d of %s goes %s, and with it whatever hangs on it. Do it?", relay, c.config.Address, to)) {
		return fmt.Errorf("modbus: relay %d: %w", relay, errRefused)
	}
	if err := whileRunning(ctx, s, func(ctx context.Context) error { return s.Switch(ctx, "relay", to == "on") }); err != nil {
		return modbusError(err)
	}
	fmt.Fprintf(c.out, "relay %d is %s, read back\n", relay, to)
	return nil
}

// whileRunning runs d and does something once it has read the device.
func whileRunning(ctx context.Context, d drivers.Driver, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
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
		return err
	case <-ready:
	}
	err := do(ctx)
	cancel()
	<-ended
	return err
}

package board

import (
	"fmt"
	"strings"

	"lastwatt/drivers"
	"lastwatt/drivers/board/mailbox"
)

// startOf is what a board's EEPROM settings mean for starting again. What is nil
// is not known, or has no meaning on that board. The defaults are those of the
// Raspberry Pi documentation, bootloader configuration.
func startOf(model, config string) drivers.Start {
	settings, uncertain := mailbox.ParseSettings(config)
	of := familyOf(model)
	flag := func(key string, standard *bool) *bool {
		for _, u := range uncertain {
			if u == key {
				return nil // it depends on a condition that is not known here
			}
		}
		value, ok := settings[key]
		if !ok {
			return standard
		}
		// WAKE_ON_GPIO=2 is a Pi 400's, with a button of its own.
		return new(value != "0")
	}
	var s drivers.Start
	switch of {
	case family4:
		off := new(false)
		if strings.HasPrefix(model, "Raspberry Pi 400") {
			off = nil // sources differ
		}
		s.PowerOffOnHalt = flag("POWER_OFF_ON_HALT", off)
		s.WakeOnGPIO = flag("WAKE_ON_GPIO", new(true))
	case family5:
		// Compute Modules since the 5, and keyboards.
		standard := strings.HasPrefix(model, "Raspberry Pi Compute") || strings.HasPrefix(model, "Raspberry Pi 500")
		s.PowerOffOnHalt = flag("POWER_OFF_ON_HALT", new(standard))
		s.WakeOnGPIO = flag("WAKE_ON_GPIO", nil) // its button always wakes it
		s.WaitForPowerButton = flag("WAIT_FOR_POWER_BUTTON", new(false))
	}
	return s
}

// Bits of the reset cause of a Pi 5's power chip (Raspberry Pi documentation,
// device tree, /chosen/power/power_reset).
func powerResets() []string {
	return []string{"over-voltage", "under-voltage", "over-temperature", "enable signal", "watchdog"}
}

// Bits of the SoC's register PM_RSTS, which the bootloader keeps (Linux,
// drivers/watchdog/bcm2835_wdt.c; raspberrypi/linux issue 932). Linux restarts by
// the watchdog, so that a restart by software and one by a hang look alike.
const (
	rstsWatchdog = 0x020
	rstsPowerOn  = 0x1000
)

// resetCause is why the board started last, in words; empty where nothing tells.
func resetCause(f files) string {
	var causes []string
	if bits, ok := f.cell("proc/device-tree/chosen/power/power_reset"); ok {
		names := powerResets()
		for bit := range 32 {
			switch {
			case bits>>bit&1 == 0:
			case bit < len(names):
				causes = append(causes, "power chip: "+names[bit])
			default:
				causes = append(causes, fmt.Sprintf("power chip: bit %d", bit))
			}
		}
	}
	if rsts, ok := f.cell("proc/device-tree/chosen/bootloader/rsts"); ok {
		switch {
		case rsts&rstsWatchdog != 0:
			causes = append(causes, "restarted by software or the watchdog")
		case rsts&rstsPowerOn != 0:
			causes = append(causes, "power came on")
		default:
			causes = append(causes, fmt.Sprintf("PM_RSTS %#x", rsts))
		}
	}
	return strings.Join(causes, "; ")
}

// Package all lists the drivers there are.
package all

import (
	"lastwatt/drivers"
	"lastwatt/drivers/board"
	"lastwatt/drivers/gpio"
	"lastwatt/drivers/modbus"
	"lastwatt/drivers/nut"
	"lastwatt/drivers/sim"
	"lastwatt/drivers/usbhid"
)

// Kinds returns every driver, by the name that the configuration uses. Call it
// once: drivers of one kind share what there should be one of in a process.
func Kinds() []drivers.Kind {
	return []drivers.Kind{usbhid.Kind(), nut.Kind(), modbus.Kind(), gpio.Kind(), board.Kind(), sim.Kind()}
}

// Package all lists the drivers there are.
package all

import (
	"lastwatt/drivers"
	"lastwatt/drivers/sim"
)

// Kinds returns every driver, by the name that the configuration uses.
func Kinds() []drivers.Kind {
	return []drivers.Kind{sim.Kind()}
}

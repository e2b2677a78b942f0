//go:build !linux

package board

import (
	"fmt"

	"lastwatt/drivers"
)

// SmartLog implements [Drives]: only Linux is asked.
func (d nvmeDevice) SmartLog(drive string) ([]byte, error) {
	return nil, fmt.Errorf("SMART log of %s: %w", drive, drivers.ErrNoDevice)
}

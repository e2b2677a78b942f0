//go:build !linux

package mailbox

import (
	"fmt"

	"lastwatt/drivers"
)

// Ask implements [Asker]: only Linux has the device.
func (d Device) Ask(command string) (string, error) {
	return "", fmt.Errorf("ask the firmware %q: %w", command, drivers.ErrNoDevice)
}

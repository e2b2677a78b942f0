package board

import (
	"encoding/binary"
	"fmt"

	"lastwatt/drivers"
)

// A Drives reads what NVMe drives keep of their own health.
type Drives interface {
	// SmartLog is the 512 bytes of the SMART / Health Information log (log page
	// 02h) of the drive with a kernel name such as nvme0. It is called from one
	// goroutine at a time; it may wake the drive. Errors wrap
	// [drivers.ErrPermission] and [drivers.ErrNoDevice].
	SmartLog(drive string) ([]byte, error)
}

// Smart is what Lastwatt reads of a drive's log.
type Smart struct {
	Temperature drivers.Celsius
	// Used is the part of the rated life that is used; over 100 it is past it,
	// and it ends at 255 (NVM Express base specification 1.4, figure 194).
	Used drivers.Percent
	// Failing are the drive's own critical warnings, in words; nil is none.
	Failing []string
}

// failings are what the bits of the critical warning say. Bit 1, the temperature,
// is told as such.
func failings() map[int]string {
	return map[int]string{0: "its spare is low", 2: "its reliability is degraded", 3: "it is read only", 4: "the backup of its memory failed", 5: "its persistent memory is unreliable"}
}

// kelvin is 0 degrees Celsius, as drives round it.
const kelvin = 273

// ParseSmart reads the log, in the layout of NVM Express base specification 1.4,
// figure 194.
func ParseSmart(log []byte) (Smart, error) {
	if len(log) < 512 {
		return Smart{}, fmt.Errorf("SMART log: %d bytes, want 512", len(log))
	}
	s := Smart{
		Temperature: drivers.Celsius(float64(binary.LittleEndian.Uint16(log[1:])) - kelvin),
		Used:        drivers.Percent(log[5]),
	}
	for bit := range 8 {
		if text := failings()[bit]; text != "" && log[0]>>bit&1 == 1 {
			s.Failing = append(s.Failing, text)
		}
	}
	if s.Temperature < -60 || s.Temperature > 150 {
		return Smart{}, fmt.Errorf("SMART log: a temperature of %v: these bytes are no such log", s.Temperature)
	}
	return s, nil
}

// nvmeDevice reads the drives' logs through the kernel, below root.
type nvmeDevice struct{ root string }

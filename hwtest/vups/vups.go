// Package vups is a UPS on USB that exists only on the wire: the descriptor and
// the report values of a real one, a simulated battery behind them, and the
// faults that real ones have.
package vups

import (
	"bytes"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lastwatt/drivers"
	"lastwatt/sim"
)

//go:embed testdata
var captured embed.FS

// Fault is what is wrong with the device; the zero value is nothing.
type Fault struct {
	Stall        byte // the report that is answered with a stall
	Short        byte // the report that loses its last byte
	Other        byte // the report that is answered with the bytes of report 0x20
	Hang         bool // no control transfer of the HID class is answered
	NoInterrupts bool // no input report is sent
	// Corrupt is which of the reads of the report descriptor come damaged,
	// from the next one on: with the 8 bytes of the request in front and
	// others lost, as it was captured.
	Corrupt []bool
	Stale   bool // reports keep the bytes they had when this was set
}

// A Write is a feature report that the host has written.
type Write struct {
	At     time.Time
	Report byte
	Data   []byte // with the report's number as the first byte
}

// String is the bytes, as they are on the wire.
func (w Write) String() string { return hex.EncodeToString(w.Data) }

// A Device is a captured UPS. With a battery behind it, it is a CyberPower
// VP1600ELCD whose moving values come from a [sim.UPS]; without, its values stand
// still as they were captured. It is safe for concurrent use.
//
// Captured: the descriptors, and every value on mains. Made: the values on
// battery, since nobody has captured them from a CyberPower, and the strings.
type Device struct {
	model           *sim.UPS // nil if the values stand still
	vendor, product uint16
	texts           map[byte]string
	descriptor      []byte
	corrupt         []byte
	fixed           map[byte][]byte
	changed         chan struct{}

	mu     sync.Mutex
	fault  Fault
	stale  map[byte][]byte
	writes []Write
}

// nearest is the capture that is nearest to the BR1200ELCD.
const nearest = "0764-0501-VP1600ELCD"

// New is a device with m behind it. serial may be empty: many CyberPower units
// have none.
func New(m *sim.UPS, serial string) (*Device, error) {
	d, err := Still(nearest)
	if err != nil {
		return nil, err
	}
	d.model = m
	d.texts = map[byte]string{1: "BR1200ELCD", 2: serial, 3: "CPS", 4: "PbAcid", 7: "CPS"}
	m.OnChange(func() {
		select {
		case d.changed <- struct{}{}:
		default:
		}
	})
	return d, nil
}

// Still is a captured device, by the name of its files, whose values stand still.
// Its strings are those with which NUT read it; see [NUT].
func Still(name string) (*Device, error) {
	ids := strings.SplitN(name, "-", 3)
	d := &Device{fixed: map[byte][]byte{}, changed: make(chan struct{}, 1)}
	if len(ids) == 3 {
		vendor, _ := strconv.ParseUint(ids[0], 16, 16)
		product, _ := strconv.ParseUint(ids[1], 16, 16)
		d.vendor, d.product = uint16(vendor), uint16(product)
		d.texts = map[byte]string{1: ids[2], 2: "CXEJQ2000123", 3: "CPS", 4: "PbAcid"}
	}
	d.descriptor = slices.Concat(lines(name + ".hex")...)
	d.corrupt = slices.Concat(lines(nearest + "-CORRUPTED.hex")...)
	for _, line := range lines(name + ".reports") {
		d.fixed[line[0]] = line
	}
	if d.vendor == 0 || len(d.descriptor) < 100 || len(d.fixed) < 2 {
		return nil, fmt.Errorf("no captured device %q: %d bytes of descriptor, %d reports", name, len(d.descriptor), len(d.fixed))
	}
	if name == nearest {
		d.fixed[0x1d] = []byte{0x1d, 1} // the one report that was not captured: its product's name
	}
	return d, nil
}

// lines are the bytes of each line of a captured file; a line that is not hex is
// none of them.
func lines(name string) [][]byte {
	data, err := captured.ReadFile("testdata/" + name)
	if err != nil {
		return nil
	}
	var all [][]byte
	for line := range strings.Lines(string(data)) {
		if line, err := hex.DecodeString(strings.Join(strings.Fields(line), "")); err == nil && len(line) > 0 {
			all = append(all, line)
		}
	}
	return all
}

// SetFault breaks the device, or heals it.
func (d *Device) SetFault(f Fault) {
	stale := map[byte][]byte{}
	if f.Stale {
		for id := range d.fixed {
			stale[id] = d.value(id)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.stale = f, stale
}

// Writes are the reports that were written, in their order.
func (d *Device) Writes() []Write {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Write(nil), d.writes...)
}

// report is the answer to GET_REPORT; nil is a stall.
func (d *Device) report(id byte) []byte {
	d.mu.Lock()
	f, stale := d.fault, d.stale[id]
	d.mu.Unlock()
	if f.Stall == id && id != 0 {
		return nil
	}
	b := d.value(id)
	if f.Stale && stale != nil {
		b = stale
	}
	if f.Other == id && id != 0 {
		return d.value(0x20)
	}
	if f.Short == id && len(b) > 1 {
		b = b[:len(b)-1]
	}
	return b
}

// event is the input report of a change. What is wrong with reports that are
// asked for is not wrong with it, but for stale bytes.
func (d *Device) event() []byte {
	d.mu.Lock()
	f, stale := d.fault, d.stale[0x22]
	d.mu.Unlock()
	if f.Stale && stale != nil {
		return stale
	}
	return d.value(0x22)
}

// value is a report's bytes as the battery is now.
func (d *Device) value(id byte) []byte {
	if d.model == nil {
		return bytes.Clone(d.fixed[id])
	}
	fact := d.model.Fact()
	u16 := binary.LittleEndian.AppendUint16
	switch id {
	case 0x20:
		return u16([]byte{id, byte(*fact.Charge)}, uint16(float64(*fact.BatteryVoltage)*10+0.5))
	case 0x21:
		return u16([]byte{id}, uint16(min(*fact.Runtime/time.Second, 28110)))
	case 0x22:
		return []byte{id, status(fact)}
	case 0x23:
		return u16(u16([]byte{id}, uint16(*fact.InputVoltage)), uint16(*fact.OutputVoltage))
	case 0x25:
		return []byte{id, byte(*fact.Load)}
	case 0x80:
		return []byte{id, map[string]byte{"disabled": 1, "enabled": 2, "muted": 3}[fact.Beeper]}
	case 0x86:
		return u16([]byte{id}, uint16(inMinutes(d.model.ShutdownDelay())))
	case 0x87:
		return u16([]byte{id}, uint16(inMinutes(d.model.StartDelay())))
	}
	return bytes.Clone(d.fixed[id])
}

// status is report 0x22: one bit a flag, in the order of the descriptor.
func status(f drivers.UPS) byte {
	b := byte(0)
	for i, flag := range []*bool{new(!*f.OnBattery), f.Charging, f.Discharging, f.FullyCharged, nil, f.LowBattery} {
		if flag != nil && *flag {
			b |= 1 << i
		}
	}
	return b
}

func inMinutes(d time.Duration) int16 {
	if d < 0 {
		return -1
	}
	return int16((d + time.Minute - 1) / time.Minute)
}

// write takes a SET_REPORT; the delays are whole minutes, and -1 is none.
func (d *Device) write(data []byte) {
	if len(data) == 0 {
		return
	}
	d.mu.Lock()
	d.writes = append(d.writes, Write{time.Now(), data[0], bytes.Clone(data)})
	d.mu.Unlock()
	if d.model == nil {
		return
	}
	switch {
	case len(data) == 3 && data[0] == 0x86:
		d.model.SetShutdownDelay(fromMinutes(data[1:]))
	case len(data) == 3 && data[0] == 0x87:
		d.model.SetStartDelay(fromMinutes(data[1:]))
	case len(data) == 2 && data[0] == 0x80 && data[1] >= 1 && data[1] <= 3:
		d.model.SetBeeper([]string{"disabled", "enabled", "muted"}[data[1]-1])
	}
}

func fromMinutes(b []byte) time.Duration {
	return time.Duration(int16(binary.LittleEndian.Uint16(b))) * time.Minute
}

package modbustest

import (
	"encoding/binary"
	"sync"
)

// Functions of the tables.
const (
	Coils     = 1
	Discretes = 2
	Holding   = 3
	Input     = 4
)

// A Device keeps registers of some units. The zero value has none.
type Device struct {
	mu     sync.Mutex
	values map[[3]int]uint16
	asked  int
	writes [][]byte
	stuck  bool
}

// Set gives registers from an address on their values; of coils, 0 and 1.
func (d *Device) Set(unit, table, address int, values ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.values == nil {
		d.values = map[[3]int]uint16{}
	}
	for i, v := range values {
		d.values[[3]int{unit, table, address + i}] = v
	}
}

// Get is what a register holds.
func (d *Device) Get(unit, table, address int) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.values[[3]int{unit, table, address}]
}

// Stick makes coils acknowledge writes and stay as they are.
func (d *Device) Stick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = true
}

// Asked is how many requests came.
func (d *Device) Asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// Writes are the requests that wrote, without unit and checksum.
func (d *Device) Writes() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte{}, d.writes...)
}

// answer makes the answer to a request: nil for a unit that is not there.
func (d *Device) answer(unit int, pdu []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	function, address, count := int(pdu[0]), int(binary.BigEndian.Uint16(pdu[1:])), int(binary.BigEndian.Uint16(pdu[3:]))
	switch {
	case !d.has(unit):
		return nil
	case function == 5 || function == 6:
		return d.write(unit, function, address, count, pdu)
	case function < Coils || function > Input:
		return []byte{pdu[0] | 0x80, 1}
	}
	var words []uint16
	for i := range count {
		v, ok := d.values[[3]int{unit, function, address + i}]
		if !ok {
			return []byte{pdu[0] | 0x80, 2}
		}
		words = append(words, v)
	}
	if function <= Discretes {
		bits := make([]byte, (count+7)/8)
		for i, v := range words {
			bits[i/8] |= byte(v) << (i % 8)
		}
		return append([]byte{pdu[0], byte(len(bits))}, bits...)
	}
	out := []byte{pdu[0], byte(2 * count)}
	for _, v := range words {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return out
}

func (d *Device) write(unit, function, address, value int, pdu []byte) []byte {
	key := [3]int{unit, Coils, address}
	if function == 6 {
		key[1] = Holding
	} else {
		value = min(value, 1)
	}
	if _, ok := d.values[key]; !ok {
		return []byte{pdu[0] | 0x80, 2}
	}
	if !d.stuck {
		d.values[key] = uint16(value)
	}
	d.writes = append(d.writes, append([]byte{}, pdu...))
	return append([]byte{}, pdu...)
}

func (d *Device) has(unit int) bool {
	for key := range d.values {
		if key[0] == unit {
			return true
		}
	}
	return false
}

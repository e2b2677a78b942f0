package vups

import (
	"encoding/binary"
	"unicode/utf16"
)

// control answers a transfer on endpoint 0 that reads; false is a stall.
func (d *Device) control(setup [8]byte) ([]byte, bool) {
	value, length := binary.LittleEndian.Uint16(setup[2:]), int(binary.LittleEndian.Uint16(setup[6:]))
	var b []byte
	switch {
	case setup[0] == 0x80 && setup[1] == 0x00: // GET_STATUS: powered by itself
		b = []byte{1, 0}
	case setup[0] == 0x80 && setup[1] == 0x06:
		b = d.standard(byte(value>>8), byte(value))
	case setup[0] == 0x81 && setup[1] == 0x06 && value>>8 == 0x22:
		b = d.reportDescriptor()
	case setup[0] == 0xa1 && setup[1] == 0x01:
		b = d.report(byte(value))
	}
	return b[:min(len(b), length)], b != nil
}

func (d *Device) reportDescriptor() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.fault.Corrupt) == 0 {
		return d.descriptor
	}
	damaged := d.fault.Corrupt[0]
	d.fault.Corrupt = d.fault.Corrupt[1:]
	if damaged {
		return d.corrupt
	}
	return d.descriptor
}

// standard are the descriptors of chapter 9 of the USB specification: a device
// of low speed, one HID interface, one interrupt endpoint of 8 bytes.
func (d *Device) standard(kind, index byte) []byte {
	text := func(index byte) byte {
		if d.texts[index] == "" {
			return 0
		}
		return index
	}
	switch kind {
	case 1:
		return []byte{18, 1, 0x10, 0x01, 0, 0, 0, 8, byte(d.vendor), byte(d.vendor >> 8), byte(d.product), byte(d.product >> 8),
			0x01, 0x00, text(3), text(1), text(2), 1}
	case 2:
		n := len(d.descriptor)
		return []byte{
			9, 2, 34, 0, 1, 1, 0, 0xa0, 50, // configuration
			9, 4, 0, 0, 1, 3, 0, 0, 0, // interface: HID
			9, 0x21, 0x10, 0x01, 33, 1, 0x22, byte(n), byte(n >> 8), // HID
			7, 5, 0x81, 3, 8, 0, 10, // interrupt IN, every 10 ms
		}
	case 3:
		return d.text(index)
	}
	return nil
}

func (d *Device) text(index byte) []byte {
	if index == 0 {
		return []byte{4, 3, 0x09, 0x04}
	}
	if d.texts[index] == "" {
		return nil
	}
	b := []byte{0, 3}
	for _, u := range utf16.Encode([]rune(d.texts[index])) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	b[0] = byte(len(b))
	return b
}

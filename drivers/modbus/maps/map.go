// Package maps tells what Modbus devices keep in which registers, and makes facts
// of it. A map is a YAML file; those of known devices are part of the program.
package maps

import (
	"time"
)

// A Device is what sort of device a map is of.
type Device string

// The devices.
const (
	UPS   Device = "ups"
	Meter Device = "meter"
	Rail  Device = "rail"
	Relay Device = "relay"
)

// A Function is a table of a device.
type Function string

// The tables.
const (
	Coil     Function = "coil"     // read by function 1, written by 5
	Discrete Function = "discrete" // 2
	Holding  Function = "holding"  // 3
	Input    Function = "input"    // 4
)

func (f Function) bits() bool { return f == Coil || f == Discrete }

// A Map is one sort of device.
type Map struct {
	// Name is that of the file, without its end.
	Name   string
	About  string
	Source string
	Device Device
	// Method says how a meter measures, as in [lastwatt/drivers.Meter].
	Method string
	Serial Serial
	Unit   byte
	// Pause is what the device needs between two requests.
	Pause time.Duration
	// Gap is how many registers that no field is in may be read along, so
	// that fewer requests are needed; Most is how many one request may read.
	Gap, Most int
	// Hangup is whether a TCP connection is closed after each poll.
	Hangup   bool
	Guard    []Read
	Identity []Field
	Fields   []Field
	Outputs  *Outputs
}

// Serial is how the device's line is set when it leaves the factory.
type Serial struct {
	Baud     int    `yaml:"baud"`
	Parity   string `yaml:"parity"`
	DataBits int    `yaml:"data_bits"`
	StopBits int    `yaml:"stop_bits"`
}

// A Read is a request that reads.
type Read struct {
	Function Function `yaml:"function"`
	Address  uint16   `yaml:"address"`
	Count    uint16   `yaml:"count"`
}

// bytes is how many bytes of values the answer has.
func (r Read) bytes() int {
	if r.Function.bits() {
		return (int(r.Count) + 7) / 8
	}
	return 2 * int(r.Count)
}

// Outputs are the coils of a relay board, numbered from 1 on as they are printed
// on it.
type Outputs struct {
	Address uint16 `yaml:"address"` // of the first
	Count   int    `yaml:"count"`
}

// A Field is one value of a device, and what becomes of it.
type Field struct {
	// Name is what it is, by the names of [Names]; of a check of the identity
	// it is empty.
	Name     string
	Function Function
	Address  uint16
	Type     Type
	// Registers is how many it takes: 1 to 4, more for a text; coils and
	// discrete inputs take 1.
	Registers     int
	LittleWords   bool // the lower word comes first
	LittleBytes   bool // the lower byte of each word comes first
	Scale, Offset float64
	// Mask leaves these bits, shifted down; 0 is all.
	Mask uint64
	// Texts are the words for numbers.
	Texts map[int64]string
	// Invalid are raw values that say that there is none.
	Invalid []int64
	// Least and Greatest bound what can be true, after scaling; nil is no
	// bound.
	Least, Greatest *float64
	// PercentOf names the field that this one is a percentage of.
	PercentOf string
	// Once is whether it is read only after the line was opened; Optional
	// whether the device may refuse to be asked for it.
	Once, Optional bool
	// Equals is what a check of the identity wants; empty is any value within
	// the bounds.
	Equals string
}

// A Block is a request that reads the fields numbered in Fields.
type Block struct {
	Read
	Once, Optional bool
	Fields         []int
}

// Part is the bytes of a field in the answer to its block, and how many bits into
// the first of them it begins.
func (b Block) Part(f Field, data []byte) (part []byte, bit int, ok bool) {
	at := int(f.Address) - int(b.Address)
	if f.Function.bits() {
		if at < 0 || at/8 >= len(data) {
			return nil, 0, false
		}
		return data[at/8 : at/8+1], at % 8, true
	}
	if at < 0 || 2*(at+f.Registers) > len(data) {
		return nil, 0, false
	}
	return data[2*at : 2*(at+f.Registers)], 0, true
}

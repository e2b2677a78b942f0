package modbustest

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"
)

// A Fault is what a peer does to one answer.
type Fault int

// The faults.
const (
	None    Fault = iota
	Late          // after Peer.Late
	Lost          // never
	Short         // its first half
	Split         // in single bytes, with pauses
	Garbled       // with a byte changed
	Foreign       // from another unit
	Busy          // an exception instead
	Doubled       // twice
	Noise         // with bytes before it
	Other         // the answer to the request before
	HangUp        // TCP: the connection ends instead
	faults
)

// Faults lists all but none.
func Faults() []Fault {
	var all []Fault
	for f := Late; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

func (f Fault) String() string {
	return []string{"none", "late", "lost", "short", "split", "garbled", "foreign", "busy", "doubled", "noise", "other", "hang-up"}[f]
}

// A Peer answers for a device on one line.
type Peer struct {
	Device *Device
	// Relay, where it is set, answers instead of Device: nil is no answer.
	Relay func(unit byte, pdu []byte) []byte
	TCP   bool // the framing
	// Latency is how long an answer takes, and Late how long one that is late.
	Latency, Late time.Duration
	// LateBy, where it is set, stands for Late.
	LateBy func() time.Duration
	// Next says what befalls each answer; nil is nothing.
	Next func() Fault
}

// Serve answers until the line ends. It may serve several lines at once, if Next
// and LateBy may be called so.
func (p *Peer) Serve(line io.ReadWriter) error {
	var before []byte // the last answer, as it was framed
	for {
		header, unit, pdu, err := p.request(line)
		if err != nil {
			return err
		}
		answer := p.answer(unit, pdu)
		time.Sleep(p.Latency)
		if answer == nil {
			continue
		}
		fault := None
		if p.Next != nil {
			fault = p.Next()
		}
		if fault == HangUp && p.TCP {
			return io.EOF
		}
		if err := p.send(line, fault, before, header, unit, answer); err != nil {
			return err
		}
		before = p.frame(header, unit, answer)
	}
}

func (p *Peer) answer(unit byte, pdu []byte) []byte {
	if p.Relay != nil {
		return p.Relay(unit, pdu)
	}
	return p.Device.answer(int(unit), pdu)
}

// request reads one. Every request that the driver sends has 5 bytes beside the
// framing.
func (p *Peer) request(line io.Reader) (header []byte, unit byte, pdu []byte, err error) {
	if p.TCP {
		frame := make([]byte, 12)
		if _, err := io.ReadFull(line, frame); err != nil {
			return nil, 0, nil, err
		}
		return frame[:6], frame[6], frame[7:], nil
	}
	frame := make([]byte, 8)
	if _, err := io.ReadFull(line, frame); err != nil {
		return nil, 0, nil, err
	}
	return nil, frame[0], frame[1:6], nil
}

// frame wraps an answer.
func (p *Peer) frame(header []byte, unit byte, pdu []byte) []byte {
	if p.TCP {
		f := append([]byte{}, header[:4]...)
		f = binary.BigEndian.AppendUint16(f, uint16(1+len(pdu)))
		return append(append(f, unit), pdu...)
	}
	f := append([]byte{unit}, pdu...)
	return binary.LittleEndian.AppendUint16(f, CRC(f))
}

func (p *Peer) send(line io.Writer, fault Fault, before, header []byte, unit byte, pdu []byte) error {
	f := p.frame(header, unit, pdu)
	switch fault {
	case Late:
		late := p.Late
		if p.LateBy != nil {
			late = p.LateBy()
		}
		time.Sleep(late)
	case Lost, HangUp:
		return nil
	case Short:
		f = f[:len(f)/2]
	case Split:
		for _, b := range f {
			if _, err := line.Write([]byte{b}); err != nil {
				return err
			}
			time.Sleep(200 * time.Microsecond)
		}
		return nil
	case Garbled:
		f = append([]byte{}, f...)
		// On TCP nothing but the header is checked: a byte that TCP itself
		// let through wrong cannot be told.
		at := rand.IntN(len(f))
		if p.TCP {
			at = rand.IntN(7)
		}
		f[at] ^= byte(1 + rand.IntN(255))
	case Foreign:
		f = p.frame(header, unit+1, pdu)
	case Busy:
		f = p.frame(header, unit, []byte{pdu[0] | 0x80, 6})
	case Doubled:
		f = append(append([]byte{}, f...), f...)
	case Noise:
		noise := []byte{0}
		if p.TCP {
			noise = p.frame([]byte{0xFF, 0xFF, 0, 0}, unit, pdu)
		}
		f = append(noise, f...)
	case Other:
		if before != nil {
			f = before
		}
	}
	_, err := line.Write(f)
	return err
}

// CRC is that of Modbus over Serial Line 1.02, section 6.2.2, bit by bit.
func CRC(data []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range data {
		crc ^= uint16(b)
		for range 8 {
			odd := crc&1 != 0
			crc >>= 1
			if odd {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

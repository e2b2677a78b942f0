package wire

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"
)

// A script is a line on which these bytes come, whatever is sent.
type script struct{ comes []byte }

func (s *script) Read(p []byte) (int, error) {
	if len(s.comes) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, s.comes[:min(len(s.comes), 3)])
	s.comes = s.comes[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)   { return len(p), nil }
func (s *script) Close() error                  { return nil }
func (s *script) SetDeadline(_ time.Time) error { return nil }

// checksum is that of Modbus over Serial Line 1.02, section 6.2.2.
func checksum(frame []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range frame {
		crc ^= uint16(b)
		for range 8 {
			crc = crc>>1 ^ 0xA001*(crc&1)
		}
	}
	return crc
}

// FuzzRTU asks for 3 registers of unit 17 and hears anything. What is taken for
// the answer has to be it.
func FuzzRTU(f *testing.F) {
	good := []byte{17, 3, 6, 0, 1, 0, 2, 0, 3}
	f.Add(binary.LittleEndian.AppendUint16(good, checksum(good)))
	no := []byte{17, 0x83, 2}
	f.Add(binary.LittleEndian.AppendUint16(no, checksum(no)))
	f.Add([]byte{17, 3, 6})
	f.Add([]byte{18, 3, 6, 0, 0})
	f.Fuzz(func(t *testing.T, comes []byte) {
		o := owner{settings: Settings{Framing: RTU, Baud: 9600}, packager: newPackager(RTU), conn: &script{comes}}
		data, err := o.exchange(Request{Unit: 17, Function: ReadHolding, Count: 3, Timeout: time.Second})
		if err != nil {
			return
		}
		frame := append([]byte{17, 3, 6}, data...)
		frame = binary.LittleEndian.AppendUint16(frame, checksum(frame))
		if !bytes.HasPrefix(comes, frame) {
			t.Errorf("% x was taken for the answer in % x", data, comes)
		}
	})
}

// FuzzTCP asks for 3 registers of unit 17, as transaction 1, and hears anything.
func FuzzTCP(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 9, 17, 3, 6, 0, 1, 0, 2, 0, 3})
	f.Add([]byte{0, 9, 0, 0, 0, 9, 17, 3, 6, 0, 1, 0, 2, 0, 3, 0, 1, 0, 0, 0, 9, 17, 3, 6, 0, 1, 0, 2, 0, 3})
	f.Add([]byte{0, 1, 0, 0, 0, 3, 17, 0x83, 2})
	f.Add([]byte{0, 1, 0, 0, 1, 0, 17})
	f.Fuzz(func(t *testing.T, comes []byte) {
		o := owner{settings: Settings{Framing: TCP}, packager: newPackager(TCP), conn: &script{comes}}
		data, err := o.exchange(Request{Unit: 17, Function: ReadHolding, Count: 3, Timeout: time.Second})
		if err != nil {
			return
		}
		if want := append([]byte{0, 1, 0, 0, 0, 9, 17, 3, 6}, data...); len(data) != 6 || !bytes.Contains(comes, want) {
			t.Errorf("% x was taken for the answer in % x", data, comes)
		}
	})
}

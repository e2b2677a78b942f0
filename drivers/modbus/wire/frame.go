package wire

import (
	"encoding/binary"
	"fmt"
)

// Function codes (Modbus Application Protocol 1.1b3, section 6).
const (
	readCoils     = 1
	readDiscretes = 2
	readHolding   = 3
	readInput     = 4
	writeCoil     = 5
	writeRegister = 6
	exceptionBit  = 0x80
)

// An expectation is what the answer to a request looks like.
type expectation struct {
	transaction uint16 // TCP
	unit        byte
	function    byte
	// bytes is how many bytes of values a read brings; 0 where the answer
	// repeats the request.
	bytes int
}

// expectPDU reads the part of a request that is the same in every framing.
func expectPDU(unit byte, pdu []byte) (expectation, error) {
	if len(pdu) < 5 {
		return expectation{}, fmt.Errorf("a request of %d bytes is too short", len(pdu))
	}
	e, count := expectation{unit: unit, function: pdu[0]}, int(binary.BigEndian.Uint16(pdu[3:]))
	switch pdu[0] {
	case readCoils, readDiscretes:
		e.bytes = (count + 7) / 8
	case readHolding, readInput:
		e.bytes = 2 * count
	case writeCoil, writeRegister:
	default:
		return e, fmt.Errorf("function %d is not known here", pdu[0])
	}
	return e, nil
}

// answer holds the first bytes of an answer, from its function code on, against
// the expectation, and returns how long it will be. 0 is not known yet.
func (e expectation) answer(pdu []byte) (length int, err error) {
	switch {
	case len(pdu) == 0:
		return 0, nil
	case pdu[0] == e.function|exceptionBit:
		return 2, nil
	case pdu[0] != e.function:
		return 0, fmt.Errorf("an answer to function %d, where %d was asked", pdu[0]&^exceptionBit, e.function)
	case e.bytes == 0:
		return 5, nil
	case len(pdu) < 2:
		return 0, nil
	case int(pdu[1]) != e.bytes:
		return 0, fmt.Errorf("an answer of %d bytes, where %d were asked", pdu[1], e.bytes)
	}
	return 2 + e.bytes, nil
}

// rtu returns how many bytes a serial frame that begins with b lacks at least; 0
// is a whole one, whose checksum is still to be held against it.
func (e expectation) rtu(b []byte) (lacks int, err error) {
	const shortest = 5 // unit, function, exception code, checksum
	if len(b) == 0 {
		return shortest, nil
	}
	if b[0] != e.unit {
		return 0, fmt.Errorf("an answer of unit %d, where %d was asked", b[0], e.unit)
	}
	length, err := e.answer(b[1:])
	if err != nil {
		return 0, err
	}
	whole := max(shortest, 1+length+2)
	if len(b) > whole {
		return 0, fmt.Errorf("%d bytes more than the answer has", len(b)-whole)
	}
	return whole - len(b), nil
}

// tcpHeader is transaction, protocol, length and unit.
const tcpHeader = 7

// maxLength is the greatest length that a frame over TCP may say: of its unit and of
// what follows it.
const maxLength = 254

// maxFrame is the length of the longest frame over TCP.
const maxFrame = tcpHeader - 1 + maxLength

// tcp does the same for a frame of Modbus TCP. stale says that it is whole, and
// belongs to another request.
func (e expectation) tcp(b []byte) (lacks int, stale bool, err error) {
	if len(b) < tcpHeader {
		return tcpHeader - len(b), false, nil
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if protocol := binary.BigEndian.Uint16(b[2:]); protocol != 0 || length < 3 || length > maxLength {
		return 0, false, fmt.Errorf("no frame of Modbus TCP: protocol %d, length %d", protocol, length)
	}
	whole := tcpHeader - 1 + length
	if len(b) < whole {
		return whole - len(b), false, nil
	}
	if len(b) > whole {
		return 0, false, fmt.Errorf("%d bytes more than the answer has", len(b)-whole)
	}
	if binary.BigEndian.Uint16(b) != e.transaction {
		return 0, true, nil
	}
	if b[6] != e.unit {
		return 0, false, fmt.Errorf("an answer of unit %d, where %d was asked", b[6], e.unit)
	}
	want, err := e.answer(b[tcpHeader:])
	if err == nil && want != len(b)-tcpHeader {
		err = fmt.Errorf("an answer of %d bytes, where it should have %d", len(b)-tcpHeader, want)
	}
	return 0, false, err
}

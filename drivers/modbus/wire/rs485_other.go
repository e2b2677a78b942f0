//go:build !linux

package wire

import "errors"

func setRS485(Settings) (release func(), err error) {
	return nil, errors.New("rs485: only Linux can switch the direction: remove rs485; adapters for USB switch by themselves")
}

//go:build !linux

package gpio

import (
	"errors"
	"time"
)

// newKernel returns a machine without GPIO.
func newKernel(string) kernel { return nowhere{} }

type nowhere struct{}

var errNowhere = errors.New("GPIO is only on Linux")

func (nowhere) Paths() ([]string, error)  { return nil, errNowhere }
func (nowhere) Open(string) (chip, error) { return nil, errNowhere }
func (nowhere) Monotonic() time.Duration  { return 0 }

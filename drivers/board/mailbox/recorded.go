package mailbox

import (
	"fmt"
	"strings"

	"lastwatt/drivers"
)

// Recorded is the double of [Device]: it gives the answers that a board once gave,
// by command. A command that is not among them is unknown to the firmware; a nil
// Recorded is a machine that has none.
type Recorded map[string]string

// ParseRecording reads a recording: lines that begin with "$" are commands, what
// follows them their answer, and lines that begin with "#" notes.
func ParseRecording(text string) Recorded {
	r, command := Recorded{}, ""
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "$"):
			command = strings.TrimSpace(line[1:])
			r[command] = ""
		case command != "":
			r[command] += line
		}
	}
	return r
}

// Ask implements [Asker].
func (r Recorded) Ask(command string) (string, error) {
	if r == nil {
		return "", fmt.Errorf("ask the firmware %q: %w", command, drivers.ErrNoDevice)
	}
	answer, ok := r[command]
	if !ok {
		answer = `error=1 error_msg="Command not registered"`
	}
	// The way of a real answer, from where the ioctl left it.
	msg, err := encode(command)
	if err != nil {
		return "", err
	}
	clear(msg[4*headWords:])
	copy(msg[4*headWords:len(msg)-4], answer)
	return decode(command, msg)
}

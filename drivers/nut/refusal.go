package nut

import (
	"errors"
	"fmt"
	"strings"

	"lastwatt/drivers"
)

// A refusal is an error by NUT's name for it (neterr.h).
type refusal string

// Refusals that something is made of.
const (
	accessDenied  refusal = "ACCESS-DENIED"
	badPassword   refusal = "INVALID-PASSWORD"
	badUsername   refusal = "INVALID-USERNAME"
	unknownUPS    refusal = "UNKNOWN-UPS"
	dataStale     refusal = "DATA-STALE"
	notConnected  refusal = "DRIVER-NOT-CONNECTED"
	noCommand     refusal = "CMD-NOT-SUPPORTED"
	noVariable    refusal = "VAR-NOT-SUPPORTED"
	readOnly      refusal = "READONLY"
	badValue      refusal = "INVALID-VALUE"
	noFeature     refusal = "FEATURE-NOT-SUPPORTED"
	notConfigured refusal = "FEATURE-NOT-CONFIGURED"
	notUnderstood refusal = "UNKNOWN-COMMAND"
)

func (r refusal) Error() string {
	if text := r.remedy(); text != "" {
		return fmt.Sprintf("%s (%s)", text, string(r))
	}
	return "the server refuses it (" + string(r) + ")"
}

// remedy says in words what is wrong, and what to do.
func (r refusal) remedy() string {
	switch r {
	case accessDenied, badPassword, badUsername:
		return "the server does not let this user do it: check user and password_file, and the user's entry in the server's upsd.users" +
			" (\"instcmds = ALL\" for commands, \"actions = SET\" for delays, \"upsmon secondary\" for login)"
	case unknownUPS:
		return "the server has no UPS of this name: \"upsc -l HOST\" lists its names"
	case dataStale:
		return "the server has no fresh data: its driver does not hear from the UPS; look at nut-driver on the server"
	case notConnected:
		return "the server's driver does not run: look at nut-driver on the server"
	case noFeature:
		return "the server was built without it"
	case notConfigured:
		return "the server is not set up for it"
	}
	return ""
}

// Unwrap gives the error of drivers that a refusal amounts to.
func (r refusal) Unwrap() error {
	switch r {
	case accessDenied, badPassword, badUsername:
		return drivers.ErrPermission
	case unknownUPS:
		return drivers.ErrNoDevice
	case noCommand:
		return drivers.ErrUnsupported
	}
	return nil
}

// refused is the error that an answer is, or nil. An answer that has no name is a
// refusal all the same.
func refused(answer string) error {
	ws := strings.Fields(answer)
	if len(ws) == 0 || ws[0] != "ERR" {
		return nil
	}
	if len(ws) == 1 {
		return refusal("no reason given")
	}
	return refusal(clip(clean(ws[1])))
}

// isRefusal is whether err is one of these refusals, which leave the connection
// as it was.
func isRefusal(err error, any ...refusal) bool {
	var r refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, one := range any {
		if r == one {
			return true
		}
	}
	return len(any) == 0
}

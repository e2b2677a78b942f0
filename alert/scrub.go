package alert

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A scrubber takes what may be secret out of errors. Which part of a URL is
// secret differs from service to service, and some services build other URLs of
// the parts, so all are hidden but the scheme and a host with a dot in it.
type scrubber struct{ secrets *strings.Replacer }

// shortest is the length from which on a part can be a secret; hiding shorter
// ones would make errors unreadable.
const shortest = 4

func newScrubber(raw string) scrubber {
	parts := []string{raw}
	u, err := url.Parse(raw)
	if err == nil {
		password, _ := u.User.Password()
		parts = append(parts, u.User.Username(), password, u.Path, u.EscapedPath(), u.RawQuery)
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		if host := u.Hostname(); !strings.ContainsAny(host, ".:") {
			parts = append(parts, host)
		}
	}
	for _, p := range slices.Clone(parts[1:]) {
		parts = append(parts, regexp.MustCompile(`[^A-Za-z0-9]+`).Split(p, -1)...)
	}
	for _, p := range slices.Clone(parts) {
		parts = append(parts, url.QueryEscape(p), url.PathEscape(p))
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return len(p) < shortest })
	// The replacer takes the first that fits: longest first.
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, p := range slices.Compact(parts) {
		pairs = append(pairs, p, "***")
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// error is err without secrets; it wraps nothing, because what it would wrap
// has them. nil stays nil.
func (s scrubber) error(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(s.secrets.Replace(err.Error()))
}

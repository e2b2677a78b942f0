package nut

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of what is taken from a server. NUT's own lines have 512 bytes at
// most (NUT_NET_ANSWER_MAX in its common.h); its longest lists, of units with
// many outlets, some hundred rows.
const (
	maxLine = 8192
	maxRows = 4096
	maxList = 1 << 20 // bytes of the rows of one list
)

// errLine is a line that no NUT server sends.
var errLine = errors.New("not what a NUT server says")

// line reads one line, without its end.
func line(in *bufio.Reader) (string, error) {
	text, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("%w: a line of more than %d bytes", errLine, maxLine)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// words splits a line as NUT does (parseconf.c): at white space, but not in
// double quotes; a backslash takes the next character as it is.
func words(s string) ([]string, error) {
	var all []string
	var word strings.Builder
	in, quoted := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if i++; i == len(s) {
				return nil, fmt.Errorf("%w: %q ends in a backslash", errLine, clip(s))
			}
			in = true
			word.WriteByte(s[i])
		case c == '"':
			in, quoted = true, !quoted
		case !quoted && (c == ' ' || c == '\t'):
			if in {
				all = append(all, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteByte(c)
		}
	}
	if quoted {
		return nil, fmt.Errorf("%w: %q has a quote that does not end", errLine, clip(s))
	}
	if in {
		all = append(all, word.String())
	}
	return all, nil
}

// quote writes a word so that NUT reads it as one. Plain words stay bare: there
// are servers beside NUT's own that know no quotes.
func quote(s string) string {
	plain := s != ""
	for _, c := range []byte(s) {
		plain = plain && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("._-:@+/", c) >= 0)
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `#`, `\#`).Replace(s) + `"`
}

// clip shortens what a server said, for an error.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// clean makes a value fit for people: no control characters, not endless.
func clean(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s))
	if len(s) > 256 {
		s = strings.ToValidUTF8(s[:256], "")
	}
	return s
}

// A row is a line of a list behind what all its lines begin with.
type row struct {
	words []string
	// err is why the row's value could not be read; words has its name then.
	err error
}

// list reads the answer to LIST query, such as "VAR ups", whose rows begin with
// query's words.
func list(in *bufio.Reader, query ...string) ([]row, error) {
	first, err := line(in)
	if err != nil {
		return nil, err
	}
	if err := refused(first); err != nil {
		return nil, err
	}
	if !begins(first, append([]string{"BEGIN", "LIST"}, query...)) {
		return nil, fmt.Errorf("%w: %q to LIST %s", errLine, clip(first), strings.Join(query, " "))
	}
	var rows []row
	size := 0
	for len(rows) < maxRows {
		l, err := line(in)
		if err != nil {
			return nil, err
		}
		if begins(l, append([]string{"END", "LIST"}, query...)) {
			return rows, nil
		}
		if size += len(l); size > maxList {
			return nil, fmt.Errorf("%w: a list of more than %d bytes", errLine, maxList)
		}
		switch ws, err := words(l); {
		case err == nil && begin(ws, query):
			rows = append(rows, row{words: ws[len(query):]})
		case err != nil && begins(l, query):
			name, _, _ := strings.Cut(strings.Join(strings.Fields(l)[len(query):], " "), " ")
			rows = append(rows, row{[]string{name}, err})
		default:
			return nil, fmt.Errorf("%w: %q in LIST %s", errLine, clip(l), strings.Join(query, " "))
		}
	}
	return nil, fmt.Errorf("%w: a list of more than %d rows", errLine, maxRows)
}

// begins is whether a line begins with these words, also one that cannot be split.
func begins(l string, want []string) bool {
	have := strings.Fields(l)
	for i := range have {
		have[i] = strings.Trim(have[i], `"`)
	}
	return begin(have, want)
}

// begin is whether words begin with these. Names of NUT's have no capitals that
// matter.
func begin(have, want []string) bool {
	return len(have) >= len(want) && slices.EqualFunc(have[:len(want)], want, strings.EqualFold)
}

package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Problem is one thing that is wrong in a file: what, where, and what to write
// instead.
type Problem struct {
	Path string
	Line int // 0 where the file as a whole is meant
	Key  string
	Text string
}

func (p Problem) Error() string {
	where := p.Path
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	if p.Key != "" {
		where += ": " + p.Key
	}
	return where + ": " + p.Text
}

// Problems is all that is wrong in a file, a line each.
type Problems []Problem

func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

func (c *checker) sorted() error {
	slices.SortStableFunc(c.problems, func(a, b Problem) int { return a.Line - b.Line })
	return c.problems
}

// decode fills into from data, and turns the library's messages, which name Go
// types, into ours.
func (c *checker) decode(data []byte, into any) {
	c.take(yaml.Load(data, into, yaml.WithKnownFields()), into)
}

func (c *checker) take(err error, into any) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, e := range all.Errors {
			c.problems = append(c.problems, c.told(*e, into))
		}
	case errors.As(err, &one):
		c.problems = append(c.problems, c.told(*one, into))
	default:
		text := reword(err.Error(), into)
		if strings.Contains(text, "no documents") {
			text = "the file is empty: configs/reference.yaml shows what it may hold"
		}
		c.problems = append(c.problems, Problem{Path: c.path, Text: text})
	}
}

// told is what the library found wrong, with the key that stands there.
func (c *checker) told(e yaml.LoadError, into any) Problem {
	return Problem{Path: c.path, Line: e.Mark.Line, Key: strings.Trim(c.within+keyAt(c.root, e.Mark.Line, e.Mark.Column), "."), Text: reword(e.Message, into)}
}

// keyAt is the full key of what stands at a place of the file, or of its key;
// nothing if no key or value begins there.
func keyAt(n *yaml.Node, line, column int) string {
	if n == nil {
		return ""
	}
	is := func(n *yaml.Node) bool { return n.Line == line && n.Column == column }
	for i, child := range n.Content {
		name := fmt.Sprintf("[%d]", i)
		if n.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue // it is the key of the next
			}
			name = n.Content[i-1].Value
		}
		rest := keyAt(child, line, column)
		switch {
		case rest != "" && rest[0] != '[':
			return name + "." + rest
		case rest != "" || is(child) || n.Kind == yaml.MappingNode && is(n.Content[i-1]):
			return name + rest
		}
	}
	return ""
}

// reword rewrites one message of the library.
func reword(text string, into any) string {
	if m := regexp.MustCompile(`field (\S+) not found in type`).FindStringSubmatch(text); m != nil {
		hint := ""
		if near := nearest(m[1], keysOf(into)); near != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", near)
		}
		return fmt.Sprintf("unknown key %q%s", m[1], hint)
	}
	if m := regexp.MustCompile("(?s)cannot (?:construct|unmarshal) !!(\\w+)(?: `(.*?)`)? into (\\S+)").FindStringSubmatch(text); m != nil {
		got := ""
		if m[2] != "" {
			got = fmt.Sprintf(" (got %q)", m[2])
		}
		return "want " + wanted(m[3]) + got
	}
	if m := regexp.MustCompile(`time: (?:invalid duration|missing unit in duration|unknown unit .* in duration) "?([^"]*)"?`).FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("want a time such as 90s, 5m or 1h30m (got %q)", m[1])
	}
	return strings.TrimPrefix(text, "yaml: ")
}

func wanted(goType string) string {
	switch goType {
	case "time.Duration":
		return "a time such as 90s, 5m or 1h30m"
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "string":
		return "a text"
	}
	if strings.HasPrefix(goType, "[]") {
		return "a list"
	}
	return "a section of keys"
}

// nearest is the word that key may have been meant to be, or nothing.
func nearest(key string, words []string) string {
	best, at := "", 3
	for _, w := range words {
		if d := distance(key, w); d < at && d < len(key) {
			best, at = w, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}

package config

import (
	"cmp"
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

// maxProblems is how many are told at once: more are one mistake, made often.
const maxProblems = 50

// Problems is all that is wrong in a file, a line each.
type Problems []Problem

func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps[:min(len(ps), maxProblems)] {
		lines = append(lines, p.Error())
	}
	if more := len(ps) - maxProblems; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", ps[0].Path, more))
	}
	return strings.Join(lines, "\n")
}

func (c *checker) sorted() error {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return c.problems
}

// take turns the library's messages, which name Go types, into ours.
func (c *checker) take(err error, into any) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, e := range all.Errors[:min(len(all.Errors), 2*maxProblems)] {
			c.problems = append(c.problems, c.told(*e, into))
		}
	case errors.As(err, &one):
		c.problems = append(c.problems, c.told(*one, into))
	default:
		c.problems = append(c.problems, Problem{Path: c.path, Text: reword(err.Error(), into)})
	}
}

// told is what the library found wrong, with the key that stands there.
func (c *checker) told(e yaml.LoadError, into any) Problem {
	text := reword(e.Message, into)
	if strings.HasPrefix(text, "unknown key") && !strings.Contains(text, "did you mean") {
		text += c.everyKey()
	}
	return Problem{Path: c.path, Line: e.Mark.Line, Key: strings.Trim(c.within+keyAt(c.root, e.Mark.Line, e.Mark.Column), "."), Text: text}
}

func (c *checker) everyKey() string { return "; " + c.page + " has every key" }

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
	if means := syntax(text); means != "" {
		return means
	}
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
	text = regexp.MustCompile(`^go-yaml load error in .* at L\d+\.C\d+: `).ReplaceAllString(text, "")
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
		return "a list, such as [a, b], or entries that begin with - in lines of their own"
	}
	return "a section of keys, such as {key: value}, or keys in lines of their own"
}

// nearest is the word that key may have been meant to be, or nothing.
func nearest(key string, words []string) string {
	if len(key) > 64 {
		return ""
	}
	best, at := "", 3
	if len(key) > 4 {
		at = 4
	}
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

package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// maxSize is far above the size of any configuration, in bytes. The library
// compares each key with each, so that of a longer file would take it too long.
const maxSize = 64 << 10

// readFile reads a file that is to be a configuration. It reads no more than is
// needed to see that it is none.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name the file in it", path)
	}
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// newChecker is a checker of data, with what is wrong in its text noted. Then
// there is nothing to decode.
func newChecker(path, page string, data []byte, kinds []drivers.Kind) checker {
	c := checker{path: path, page: page, kinds: kinds, root: &yaml.Node{}}
	if line, text := unreadable(data); text != "" {
		c.problems = Problems{{Path: path, Line: line, Text: text}}
		return c
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		c.take(err, &struct{}{})
		if p := &c.problems[0]; p.Text == empty {
			p.Text += c.everyKey()
		}
		if p := &c.problems[0]; p.Line == 0 {
			p.Line = secondDocument(data)
		}
		return c
	}
	c.root = doc.Content[0]
	if n, what := unplain(c.root); what != "" {
		c.problems = Problems{{Path: path, Line: n.Line, Key: keyAt(c.root, n.Line, n.Column), Text: what}}
	}
	c.twice(c.root, "")
	return c
}

// secondDocument is the line where a second document begins; 0 is none.
func secondDocument(data []byte) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if i > 0 && bytes.HasPrefix(line, []byte("---")) {
			return i + 1
		}
	}
	return 0
}

// unreadable says where data is no text of a configuration, and why, or nothing.
func unreadable(data []byte) (line int, text string) {
	if len(data) > maxSize {
		return 0, fmt.Sprintf("the file has more than %d kB, which no configuration has: name the right one", maxSize>>10)
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size < 2:
			return lineAt(data, i), "this is not UTF-8: save the file as UTF-8 text"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			return lineAt(data, i), fmt.Sprintf("there is a control character (0x%02x): remove it", r)
		}
		i += size
		for i < len(data) && data[i] >= ' ' && data[i] < 0x7f { // most of it
			i++
		}
	}
	return 0, ""
}

const empty = "the file is empty"

// twice notes the keys that are there more than once. The library would say so of
// each pair of them, which of a long file is more than a machine can hold.
func (c *checker) twice(n *yaml.Node, above string) {
	lines := map[string]int{}
	for i, child := range n.Content {
		if len(c.problems) > maxProblems {
			return
		}
		name := fmt.Sprintf("%s[%d]", above, i)
		if n.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue // it is the key of the next
			}
			key := n.Content[i-1]
			name = strings.TrimPrefix(above+"."+key.Value, ".")
			if first, ok := lines[key.Value]; ok {
				c.problems = append(c.problems, Problem{Path: c.path, Line: key.Line, Key: name,
					Text: fmt.Sprintf("%q is there already, in line %d: remove one of them", key.Value, first)})
			}
			lines[key.Value] = key.Line
		}
		c.twice(child, name)
	}
}

func lineAt(data []byte, i int) int { return 1 + bytes.Count(data[:i], []byte("\n")) }

// unplain finds what a configuration does without: what stands for something that
// is written elsewhere, and what changes the type of a value.
func unplain(n *yaml.Node) (*yaml.Node, string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return n, "anchors (&) and aliases (*) are not taken: write the value itself, or put a text in quotes"
	case n.Tag == "!!merge":
		return n, "merged keys (<<) are not taken: write the keys themselves"
	case n.Style&yaml.TaggedStyle != 0:
		return n, "tags (!) are not taken: write the value alone, or put a text in quotes"
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind != yaml.ScalarNode && child.Kind != yaml.AliasNode {
			return child, "a list or a section cannot be a key: write a name"
		}
		if at, what := unplain(child); what != "" {
			return at, what
		}
	}
	return nil, ""
}

// syntax says what a message of the library about the text as such means, and
// what to do.
func syntax(text string) string {
	for _, m := range []struct{ has, means string }{
		{"no documents in stream", empty},
		{"found multiple", "want one document: remove the line --- and what follows it"},
		{"tab character", "a tab is no indentation: use spaces"},
		{"mixed spaces and tabs", "a tab is no indentation: use spaces"},
		{"mapping values are not allowed", "a key cannot stand here: line it up with the keys above, or put a text with a colon in quotes"},
		{"did not find expected key", "want a key here: line it up with the keys above, or close what was opened there"},
		{"did not find expected node content", "something is missing before this: close what was opened with [ or {, or write a value"},
		{"did not find expected '-' indicator", "want an entry of a list here: begin it with -, in line with those above"},
		{"did not find expected ',' or", "a list or section in brackets is not closed before this: close it with ] or }, or put a comma between its parts"},
		{"unexpected end of stream", "the file ends in the middle of a text: close its quotes"},
		{"could not find expected ':'", "want a colon after the key"},
		{"cannot start any token", "no text begins so: put it in quotes, and indent with spaces, not with a tab"},
		{"block sequence entries are not allowed", "no entry of a list can stand here: put it in a line of its own, below its key"},
		{"unknown anchor", "anchors (&) and aliases (*) are not taken: write the value itself, or put a text in quotes"},
		{"exceeded max depth", "there are too many brackets in brackets: close them"},
	} {
		if strings.Contains(text, m.has) {
			return m.means
		}
	}
	return ""
}

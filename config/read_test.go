package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loaders are the files that there are, and how each is read from its path.
func loaders() map[string]func(path string) error {
	return map[string]func(string) error{
		"the configuration": func(path string) error {
			_, err := Load(path, kinds())
			return err
		},
		"the agent's configuration": func(path string) error {
			_, err := LoadAgent(path, kinds())
			return err
		},
		"the scenario": func(path string) error {
			_, err := LoadScenario(path, kinds())
			return err
		},
	}
}

func TestAFileThatCannotBeReadIsSaidSo(t *testing.T) {
	dir := t.TempDir()
	missing, big := filepath.Join(dir, "missing.yaml"), filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, bytes.Repeat([]byte("# 10 MB of this\n"), 10<<20/16), 0o600); err != nil {
		t.Fatal(err)
	}
	next := map[string]string{
		"the configuration":         " (configs/reference.yaml shows what it may hold)",
		"the agent's configuration": ": join first, with the line that \"lastwatt token\" prints on the controller",
		"the scenario":              " (docs/simulate.md says how to write one)",
	}
	for what, load := range loaders() {
		for _, c := range []struct{ name, path, want string }{
			{"missing", missing, "read " + what + ": open " + missing + ": no such file or directory" + next[what]},
			{"a directory", dir, "read " + what + ": " + dir + " is a directory: name the file in it" + next[what]},
			{"10 MB", big, big + ": the file has more than 64 kB, which no configuration has: name the right one"},
		} {
			err := load(c.path)
			if err == nil || err.Error() != c.want {
				t.Errorf("%s, %s: error %v, want %s", what, c.name, err, c.want)
			}
		}
	}
}

// TestAliasesOfAliasesAreRefusedAtOnce holds that a short file that stands for
// 9^12 words is not written out.
func TestAliasesOfAliasesAreRefusedAtOnce(t *testing.T) {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 8), i)
	}
	for name, read := range formats() {
		want := name + ".yaml:1: a0: anchors (&) and aliases (*) are not taken: write the value itself, or put a text in quotes"
		if err := read(text); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// FuzzParse holds that whatever stands in a file is taken or told as problems with
// the file's name and a line that it has.
func FuzzParse(f *testing.F) {
	for name := range formats() {
		r := rowsOf(f, "testdata/"+name+".txt")
		f.Add(r.sound)
		for _, row := range r.rows {
			if text := strings.Join(row.all, "\n"); len(text) > 0 && len(text) < 1000 {
				f.Add(text)
			} else if text := strings.Join(row.from, "\n"); text != "" {
				f.Add(strings.Replace(r.sound, text, strings.Join(row.to, "\n"), 1))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, read := range formats() {
			err := read(text)
			var problems Problems
			if err == nil {
				continue
			}
			if !errors.As(err, &problems) {
				if strings.HasPrefix(err.Error(), "read the configuration: ") {
					continue // of a scenario that names another file
				}
				t.Fatalf("%s: no problem of the file: %v", name, err)
			}
			for _, p := range problems {
				// What is not closed is missed in the line after the last one.
				if p.Path != name+".yaml" && name != "scenario" || p.Text == "" || p.Line < 0 || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2 {
					t.Errorf("%s: problem %+v of a file of %d lines", name, p, strings.Count(text, "\n")+1)
				}
				if strings.Contains(p.Text, "go-yaml") && !strings.Contains(text, "go-yaml") {
					t.Errorf("%s: the message is the library's: %s", name, p.Text)
				}
			}
		}
	})
}

// TestAFileFullOfOneMistakeIsToldInAFewLines holds that a mistake that is made
// thousands of times is not told so often, nor compared with each of the others.
func TestAFileFullOfOneMistakeIsToldInAFewLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"site: x\n", `lastwatt.yaml:2: site: "site" is there already, in line 1: remove one of them`},
		{"? [a]\n: x\n", "lastwatt.yaml:1: a list or a section cannot be a key: write a name"},
		{"- &a x\n", "lastwatt.yaml:1: [0]: anchors (&) and aliases (*) are not taken: write the value itself, or put a text in quotes"},
	} {
		_, err := Parse("lastwatt.yaml", []byte(strings.Repeat(c.line, maxSize/len(c.line))), kinds())
		said := strings.Split(fmt.Sprint(err), "\n")
		if said[0] != c.want || len(said) > maxProblems+1 {
			t.Errorf("%q: %d lines are said, the first %s, want %s", c.line, len(said), said[0], c.want)
		}
	}
}

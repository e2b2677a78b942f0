// Package boardtest builds the file trees of boards for tests.
package boardtest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastwatt/drivers/board/mailbox"
)

// Tree makes a folder with what text describes and returns it; the form of text
// is in testdata/README.md. Where the kernel numbers devices as it finds them
// ("hwmon*"), the numbers are others each time, and the links of the class
// point there.
func Tree(t testing.TB, text string) string {
	t.Helper()
	root := t.TempDir()
	Grow(t, root, text)
	return root
}

// Grow adds what text describes to a tree.
func Grow(t testing.TB, root, text string) {
	t.Helper()
	g := grower{root: root, numbers: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := g.line(line); err != nil {
			t.Fatalf("tree: %q: %v", line, err)
		}
	}
}

// Board is the tree and the firmware of one of the boards of testdata, dir being
// where that is from the test's package: pizerow, pi4, pi5, pi5-nvme.
func Board(t testing.TB, dir, name string) (root string, firmware mailbox.Recorded) {
	t.Helper()
	tree, err := os.ReadFile(filepath.Join(dir, name+".tree"))
	if err != nil {
		t.Fatal(err)
	}
	model, _, _ := strings.Cut(name, "-")
	answers, err := os.ReadFile(filepath.Join(dir, model+".mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	return Tree(t, string(tree)), mailbox.ParseRecording(string(answers))
}

// Find returns the path below root of the first file that fits a pattern with
// the numbers as stars, and fails the test where there is none.
func Find(t testing.TB, root, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing fits %s: %v", pattern, err)
	}
	return found[0]
}

// Write changes the file that fits a pattern.
func Write(t testing.TB, root, pattern, text string) {
	t.Helper()
	if err := os.WriteFile(Find(t, root, pattern), []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

type grower struct {
	root    string
	numbers map[string]string // by the path up to the star: its number
}

func (g grower) line(line string) error {
	switch {
	case strings.Contains(line, " -> "):
		path, target, _ := strings.Cut(line, " -> ")
		full, err := g.place(path)
		if err != nil {
			return err
		}
		return os.Symlink(target, full)
	case strings.HasSuffix(line, "/"):
		full, err := g.place(strings.TrimSuffix(line, "/"))
		if err != nil {
			return err
		}
		return os.MkdirAll(full, 0o755)
	case strings.Contains(line, " = "):
		path, digits, _ := strings.Cut(line, " = ")
		data, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return err
		}
		return g.file(path, data)
	}
	path, text, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("want a file, a link, bytes or a folder")
	}
	if strings.HasPrefix(path, "proc/device-tree/") {
		return g.file(path, []byte(text+"\x00"))
	}
	return g.file(path, []byte(text+"\n"))
}

func (g grower) file(path string, data []byte) error {
	full, err := g.place(path)
	if err != nil {
		return err
	}
	return os.WriteFile(full, data, 0o644)
}

// place numbers a path, makes the folder it is in and the link of its class.
func (g grower) place(path string) (string, error) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		kind, numbered := strings.CutSuffix(part, "*")
		class, known := map[string]string{"hwmon": "sys/class/hwmon", "iio:device": "sys/bus/iio/devices", "pwmchip": "sys/class/pwm"}[kind]
		if !numbered || !known {
			continue
		}
		key := strings.Join(parts[:i+1], "/")
		number, seen := g.numbers[key]
		if !seen {
			number = g.free(class, kind)
			g.numbers[key] = number
		}
		parts[i] = kind + number
		if !seen {
			link := filepath.Join(g.root, class, parts[i])
			if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
				return "", err
			}
			target, err := filepath.Rel(filepath.Dir(link), filepath.Join(g.root, strings.Join(parts[:i+1], "/")))
			if err != nil {
				return "", err
			}
			if err := os.Symlink(target, link); err != nil {
				return "", err
			}
		}
	}
	full := filepath.Join(g.root, strings.Join(parts, "/"))
	return full, os.MkdirAll(filepath.Dir(full), 0o755)
}

// free is a number that no device of the class has yet.
func (g grower) free(class, kind string) string {
	for {
		number := fmt.Sprint(rand.IntN(40))
		if _, err := os.Lstat(filepath.Join(g.root, class, kind+number)); err != nil {
			return number
		}
	}
}

package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
)

var update = flag.Bool("update", false, "rewrite what testdata expects to be said")

// A row is one way to be wrong: what is written in place of what, or the whole
// file, and all that is said of it.
type row struct {
	name          string
	input         []string // the lines as they stand in testdata
	from, to, all []string
	want          []string
}

// rows are those of a file of testdata, and the sound file that they spoil. A line
// that begins with - is replaced by those that begin with +; > is a line of a whole
// file, >q one that is written as Go quotes it, >x one that is a text so many times; =
// is a line that is said.
type rows struct {
	head, sound string
	rows        []row
}

func rowsOf(t testing.TB, file string) rows {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), "== sound\n")
	parts := strings.Split("\n"+rest, "\n== ")
	if !ok || len(parts) < 2 {
		t.Fatalf("%s has no rows", file)
	}
	r := rows{head: head, sound: strings.TrimPrefix(parts[0], "\n") + "\n"}
	for _, part := range parts[1:] {
		lines := strings.Split(strings.TrimRight(part, "\n"), "\n")
		one := row{name: lines[0]}
		for _, line := range lines[1:] {
			mark, text, _ := strings.Cut(line, " ")
			if mark != "=" {
				one.input = append(one.input, line)
			}
			switch mark {
			case "-":
				one.from = append(one.from, text)
			case "+":
				one.to = append(one.to, text)
			case ">":
				one.all = append(one.all, text)
			case ">q":
				plain, err := strconv.Unquote(text)
				if err != nil {
					t.Fatalf("%s: %s: %v", file, one.name, err)
				}
				one.all = append(one.all, plain)
			case ">x": // so many times this
				n, of, _ := strings.Cut(text, " ")
				count, err := strconv.Atoi(n)
				if err != nil {
					t.Fatalf("%s: %s: %v", file, one.name, err)
				}
				one.all = append(one.all, strings.Repeat(of, count))
			case "=":
				one.want = append(one.want, text)
			default:
				t.Fatalf("%s: %s: line %q begins with none of - + > >q >x =", file, one.name, line)
			}
		}
		r.rows = append(r.rows, one)
	}
	return r
}

// text is the file that the row is about.
func (r row) text(t *testing.T, sound string) string {
	if len(r.all) > 0 {
		return strings.Join(r.all, "\n") + "\n"
	}
	from := strings.Join(r.from, "\n")
	if from == "" || !strings.Contains(sound, from) {
		t.Fatalf("the sound file has no %q", from)
	}
	return strings.Replace(sound, from, strings.Join(r.to, "\n"), 1)
}

// formats are the files that there are, and how each is read.
func formats() map[string]func(data string) error {
	return map[string]func(string) error{
		"lastwatt": func(data string) error {
			_, err := Parse("lastwatt.yaml", []byte(data), kinds())
			return err
		},
		"agent": func(data string) error {
			_, err := ParseAgent("agent.yaml", []byte(data), kinds())
			return err
		},
		"scenario": func(data string) error {
			_, err := ParseScenario("scenario.yaml", []byte(data), kinds())
			return err
		},
	}
}

// TestEveryMistakeIsToldInFull spoils a sound file in each way, and holds all that
// is said of it: file, line, key, what is wrong and what to write instead.
func TestEveryMistakeIsToldInFull(t *testing.T) {
	for name, read := range formats() {
		file := "testdata/" + name + ".txt"
		r := rowsOf(t, file)
		if err := read(r.sound); err != nil {
			t.Fatalf("the sound file of %s is wrong: %v", file, err)
		}
		text := r.head + "== sound\n" + r.sound
		for _, row := range r.rows {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				err := read(row.text(t, r.sound))
				if err == nil {
					t.Fatal("it is taken")
				}
				said := strings.Split(err.Error(), "\n")
				if text += fmt.Sprintf("== %s\n%s\n= %s\n", row.name, strings.Join(row.input, "\n"), strings.Join(said, "\n= ")); !*update && !slices.Equal(said, row.want) {
					t.Errorf("said:\n%s\nwant:\n%s", strings.Join(said, "\n"), strings.Join(row.want, "\n"))
				}
			})
		}
		if *update && !t.Failed() {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEveryMessageHasARow holds that there is no message in the package's source
// that no row of testdata is told.
func TestEveryMessageHasARow(t *testing.T) {
	var said []string
	for name := range formats() {
		for _, row := range rowsOf(t, "testdata/"+name+".txt").rows {
			said = append(said, row.want...)
		}
	}
	found := 0
	for _, m := range messages(t) {
		found++
		pattern := regexp.MustCompile(`%(\\\.)?\d*[a-z]`).ReplaceAllString(regexp.QuoteMeta(m.text), ".*")
		if !slices.ContainsFunc(said, regexp.MustCompile(pattern).MatchString) {
			t.Errorf("%s: no row of testdata is told %q", m.at, m.text)
		}
	}
	if found < 60 {
		t.Errorf("only %d messages were found in the source: the test looks in the wrong places", found)
	}
}

// A message is a text of the source that a mistake is told with.
type message struct {
	at   token.Position
	text string
}

// messages are the texts of four words or more, but for those of errors that are no
// problem of a file's text and those that only match the library's.
func messages(t *testing.T) []message {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []message
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				if len(strings.Fields(text)) >= 4 && !elsewhere(text) {
					all = append(all, message{set.Position(lit.Pos()), text})
				}
			}
			return true
		})
	}
	return all
}

// elsewhere is whether a text is held by TestAFileThatCannotBeReadIsSaidSo, or is a
// part of the library's own messages that is looked for.
func elsewhere(text string) bool {
	return strings.HasPrefix(text, "read the ") || strings.HasSuffix(text, "is a directory: name the file in it") || strings.Contains(text, "(?:") || strings.HasPrefix(text, "^go-yaml") ||
		slices.Contains([]string{"no documents in stream", "mixed spaces and tabs", "mapping values are not allowed", "did not find expected key", "did not find expected node content",
			"did not find expected '-' indicator", "did not find expected ',' or", "unexpected end of stream", "could not find expected ':'", "cannot start any token",
			"block sequence entries are not allowed", "exceeded max depth", `field (\S+) not found in type`}, text)
}

// kinds are two drivers that do nothing: a ups that wants an address, and a sensor.
func kinds() []drivers.Kind {
	return []drivers.Kind{
		{Name: "box", UPS: true, New: func(decode func(any) error, _ drivers.Options) (drivers.Driver, error) {
			var c struct {
				Address string        `yaml:"address"`
				Poll    time.Duration `yaml:"poll"`
				NoUPS   bool          `yaml:"no_ups"`
			}
			if err := decode(&c); err != nil {
				return nil, err
			}
			if c.Address == "" {
				return nil, errors.New("no address: name the box, such as address: 10.0.0.9")
			}
			if c.NoUPS {
				return meter{}, nil
			}
			return nil, nil
		}},
		{Name: "fan", Sensor: true, New: func(decode func(any) error, _ drivers.Options) (drivers.Driver, error) {
			var c struct {
				Pin     int               `yaml:"pin"`
				Outputs map[string]string `yaml:"outputs"`
				UPS     bool              `yaml:"ups"`
				Baud    int               `yaml:"baud"`
			}
			err := decode(&c)
			switch {
			case c.UPS:
				return commander{}, err
			case c.Baud != 0:
				return wired{baud: c.Baud}, err
			case c.Outputs != nil:
				return outputs{safe: c.Outputs}, err
			}
			return meter{}, err
		}},
	}
}

// A meter is a driver that neither takes commands nor has outputs.
type meter struct{}

func (meter) Run(ctx context.Context, _ func(drivers.Reading)) error { return ctx.Err() }

// A commander takes commands, as drivers of UPSes do.
type commander struct{ meter }

func (commander) Do(context.Context, drivers.Command) (drivers.Answer, error) {
	return drivers.Answer{}, nil
}

// wired hangs on a line that others may share.
type wired struct {
	meter
	baud int
}

func (w wired) Line() (line, how string) { return "/dev/ttyUSB0", fmt.Sprintf("%d baud", w.baud) }

// outputs are a driver that has some.
type outputs struct {
	meter
	safe map[string]string
}

func (o outputs) Safe() map[string]string { return o.safe }

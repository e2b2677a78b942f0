package policy

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite what the scenarios expect")

// TestScenarios plays each file of testdata: what happens to the rack above the
// line, what the core then did below it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, _ := strings.Cut(string(data), "---\n")
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, []byte(script+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("what the core did differs (-want +got); -update rewrites:\n%s", d)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	w := newWorld(t, rackRules())
	w.log.Reset()
	for _, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if strings.HasPrefix(f[0], "+") {
			d, err := time.ParseDuration(f[0][1:])
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			w.run(d)
			if f = f[1:]; len(f) == 0 {
				continue
			}
		}
		do, ok := commands()[f[0]]
		if !ok {
			t.Fatalf("unknown command %q", line)
		}
		do(w, words{t, line, f[1:]})
	}
	for _, b := range w.broken {
		t.Error(b)
	}
	return w.log.String()
}

// TestEveryScenarioSaysWhatItIsAbout holds that a file begins with a comment.
func TestEveryScenarioSaysWhatItIsAbout(t *testing.T) {
	for file, script := range scripts(t) {
		if text, ok := strings.CutPrefix(script, "# "); !ok || len(strings.Fields(text)) < 4 {
			t.Errorf("%s does not begin with a comment that says what happens and what must come of it", file)
		}
	}
}

// TestEveryCommandIsUsed holds that the language of the scenarios has no word
// that none of them needs.
func TestEveryCommandIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, script := range scripts(t) {
		for line := range strings.Lines(script) {
			line, _, _ = strings.Cut(line, "#")
			f := strings.Fields(line)
			if len(f) > 1 && strings.HasPrefix(f[0], "+") {
				f = f[1:]
			}
			if len(f) > 0 {
				used[f[0]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(commands())) {
		if !used[name] {
			t.Errorf("no scenario uses %q", name)
		}
	}
}

// scripts are what happens in each scenario, by file.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	all := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file], _, _ = strings.Cut(string(data), "---\n")
	}
	return all
}

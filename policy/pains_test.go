package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageOfComplaintsNamesWhatThereIs holds docs/pains.md to the scenarios and
// tests that it names, and the scenarios to the rows of their complaints.
func TestThePageOfComplaintsNamesWhatThereIs(t *testing.T) {
	data, err := os.ReadFile("../docs/pains.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|.*$`).FindAllStringSubmatch(string(data), -1) {
		rows[row[1]] = row[0]
	}
	if len(rows) != 38 {
		t.Errorf("%d complaints, want 38", len(rows))
	}
	all := scripts(t)
	for _, m := range regexp.MustCompile("`([a-z0-9-]+\\.txt)`").FindAllStringSubmatch(string(data), -1) {
		if all[filepath.Join("testdata", m[1])] == "" {
			t.Errorf("docs/pains.md names the scenario %s, which is not there", m[1])
		}
	}
	for file, script := range all {
		m := regexp.MustCompile(`^# Pains? (\d+)(?: and (\d+))?`).FindStringSubmatch(script)
		for i := 1; i < len(m); i++ {
			if m[i] != "" && !strings.Contains(rows[m[i]], filepath.Base(file)) {
				t.Errorf("the row of complaint %s does not name %s", m[i], file)
			}
		}
	}
	tests := testNames(t)
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(data), -1) {
		if !tests[name] {
			t.Errorf("docs/pains.md names %s, which is not there", name)
		}
	}
}

// testNames are the tests of the whole tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var files []string
	for _, pattern := range []string{"../*/*_test.go", "../*/*/*_test.go"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T`).FindAllStringSubmatch(string(data), -1) {
			all[m[1]] = true
		}
	}
	return all
}

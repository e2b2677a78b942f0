package maps

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// BuiltIn lists the maps that are part of the program, by name.
func BuiltIn() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("the maps are not part of the program: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Text is the file of a map that is part of the program.
func Text(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no map %q: have %s, or the path of a file, such as ./%s.yaml", name, strings.Join(BuiltIn(), ", "), name)
	}
	return text, nil
}

// Load reads a map by its name, or, if which has a slash or ends with .yaml, from
// a file.
func Load(which string) (Map, error) {
	if !strings.Contains(which, "/") && !strings.HasSuffix(which, ".yaml") {
		text, err := Text(which)
		if err != nil {
			return Map{}, err
		}
		return Parse(which+".yaml", text)
	}
	text, err := os.ReadFile(which)
	if err != nil {
		return Map{}, fmt.Errorf("read the map: %w", err)
	}
	return Parse(which, text)
}

// nameOf is the name of a map by that of its file.
func nameOf(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }

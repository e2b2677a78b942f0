// Package lastwatt holds the tests of the rules that the whole tree follows.
package lastwatt

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goFiles parses every Go file of the project, by its directory.
func goFiles(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	set, dirs := token.NewFileSet(), map[string][]*ast.File{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dirs[filepath.Dir(path)] = append(dirs[filepath.Dir(path)], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return set, dirs
}

func isTest(set *token.FileSet, f *ast.File) bool {
	return strings.HasSuffix(set.Position(f.Package).Filename, "_test.go")
}

// layer is how far a package is from the world's end of the tree: a package
// imports only those of a lower layer, or those that mayImport names.
func layer(dir string) int {
	switch top, _, _ := strings.Cut(dir, "/"); {
	case top == "clock", top == "policy":
		return 0
	case dir == "drivers", dir == "swarm":
		return 1
	case top == "drivers" && dir != "drivers/all", top == "rack":
		return 2
	case dir == "drivers/all", top == "sim", top == "mqtt", top == "alert", top == "store", top == "config", top == "link":
		return 3
	case top == "controller", top == "agent", top == "simulate", top == "doctor":
		return 4
	case top == "cmd":
		return 5
	}
	return 6 // hwtest, configs, docs: tests and their ground
}

// mayImport are the imports within a layer and upwards that are meant.
func mayImport() map[string][]string {
	return map[string][]string{
		"drivers/sim": {"sim"},
		"drivers/all": {"drivers/all"},

		"drivers/board/boardtest": {"drivers/board/mailbox"},
	}
}

func TestImportsGoOneWay(t *testing.T) {
	set, dirs := goFiles(t)
	for dir, files := range dirs {
		for _, f := range files {
			if isTest(set, f) {
				continue
			}
			for _, imp := range f.Imports {
				path, _ := strconv.Unquote(imp.Path.Value)
				to, ours := strings.CutPrefix(path, "lastwatt/")
				if !ours || slices.Contains(mayImport()[dir], to) || strings.HasPrefix(to, dir+"/") {
					continue
				}
				if layer(to) >= layer(dir) && layer(dir) < 6 {
					t.Errorf("%s: %s (layer %d) imports %s (layer %d)", set.Position(imp.Pos()), dir, layer(dir), to, layer(to))
				}
			}
		}
	}
}

func TestPolicyIsPure(t *testing.T) {
	allowed := []string{"bytes", "cmp", "encoding/json", "errors", "fmt", "maps", "math", "reflect", "slices", "sort", "strconv", "strings", "time"}
	forbidden := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	set, dirs := goFiles(t)
	for _, f := range dirs["policy"] {
		if isTest(set, f) {
			continue
		}
		for _, imp := range f.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s: policy imports %q: it takes data and returns data", set.Position(imp.Pos()), path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(forbidden, s.Sel.Name) {
					t.Errorf("%s: policy uses time.%s: the time comes with the event", set.Position(s.Pos()), s.Sel.Name)
				}
			}
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: policy starts a goroutine", set.Position(g.Pos()))
			}
			return true
		})
	}
}

func TestEveryPackageSaysItsPurpose(t *testing.T) {
	_, dirs := goFiles(t)
	for dir, files := range dirs {
		said := false
		for _, f := range files {
			want := "Package " + f.Name.Name + " "
			if f.Name.Name == "main" {
				want = "Command "
			}
			said = said || f.Doc != nil && strings.HasPrefix(f.Doc.Text(), want)
		}
		if !said {
			t.Errorf("%s: no package comment that begins with \"Package name \" (or \"Command \")", dir)
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	set, dirs := goFiles(t)
	for _, files := range dirs {
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
					t.Errorf("%s: init()", set.Position(fn.Pos()))
				}
			}
		}
	}
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	set, dirs := goFiles(t)
	for _, files := range dirs {
		for _, f := range files {
			if n := set.Position(f.End()).Line; n > 500 {
				t.Errorf("%s has %d lines: 400 is the aim, 500 the end", set.Position(f.Package).Filename, n)
			}
		}
	}
}

func TestNoTestIsSkipped(t *testing.T) {
	set, dirs := goFiles(t)
	for _, files := range dirs {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Skip" || s.Sel.Name == "Skipf" || s.Sel.Name == "SkipNow") {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "t" {
						t.Errorf("%s: t.%s", set.Position(s.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
)

// A mutant is one small edit of a source.
type mutant struct {
	source
	kind         string
	from, to     int // what is replaced, as offsets
	line, column int
	becomes      string
}

func (m mutant) was() string { return string(m.source.text[m.from:m.to]) }

// text is that of the whole file, edited.
func (m mutant) text() []byte {
	return slices.Concat(m.source.text[:m.from], []byte(m.becomes), m.source.text[m.to:])
}

func (m mutant) String() string {
	line := string(bytes.TrimSpace(bytes.Split(m.source.text, []byte("\n"))[m.line-1]))
	s := fmt.Sprintf("%s:%d: %q became %q: %s", m.path, m.line, m.was(), m.becomes, line)
	if strings.Count(line, m.was()) > 1 {
		s += fmt.Sprintf(" (column %d)", m.column)
	}
	return s
}

func list(out io.Writer, all []mutant) error {
	slices.SortFunc(all, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.from, b.from), cmp.Compare(a.kind, b.kind))
	})
	for _, m := range all {
		if _, err := fmt.Fprintln(out, m); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d mutants\n", len(all))
	return err
}

// spread orders mutants so that as many of each kind are at the front, and of a
// kind as many of each file.
func spread(all []mutant, seed uint64) []mutant {
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = deal(all, func(m mutant) string { return m.kind + " " + m.path })
	return deal(all, func(m mutant) string { return m.kind })
}

// deal takes one of each pile in turn.
func deal(all []mutant, pile func(mutant) string) []mutant {
	var rounds [][]mutant
	taken := map[string]int{}
	for _, m := range all {
		p := pile(m)
		if taken[p] == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[taken[p]] = append(rounds[taken[p]], m)
		taken[p]++
	}
	return slices.Concat(rounds...)
}

// mutants lists every mutant of the sources.
func mutants(sources []source) ([]mutant, error) {
	set := token.NewFileSet()
	var files []*ast.File
	for _, s := range sources {
		f, err := parser.ParseFile(set, s.path, s.text, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parsing what to mutate: %w", err)
		}
		files = append(files, f)
	}
	var all []mutant
	states, worded := states(files), worded(files)
	for i, f := range files {
		l := lookout{set: set, source: sources[i], states: states, worded: worded}
		ast.Inspect(f, l.visit)
		all = append(all, l.found...)
	}
	return all, nil
}

// A lookout finds the mutants of one file.
type lookout struct {
	set    *token.FileSet
	source source
	states map[string]string
	worded map[string]bool
	found  []mutant
}

// visit notes the mutants of a node, and goes on below it unless only words for
// people are made there.
func (l *lookout) visit(n ast.Node) bool {
	if isText(n) {
		return false
	}
	switch n := n.(type) {
	case *ast.FuncDecl:
		return !l.worded[n.Name.Name]
	case *ast.IfStmt:
		if onlyWords(n) {
			return false
		}
		if guards(n) {
			l.add("guard", n.Cond.Pos(), n.Cond.End(), "false")
		}
	case *ast.BinaryExpr:
		l.operator(n.OpPos, n.Op)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			l.add("negation", n.OpPos, n.X.Pos(), "")
		}
	case *ast.AssignStmt:
		l.operator(n.TokPos, n.Tok)
		l.constants(n.Rhs)
	case *ast.ReturnStmt:
		l.constants(n.Results)
	case *ast.KeyValueExpr:
		l.constants([]ast.Expr{n.Value})
	case *ast.ExprStmt:
		if onCore(n.X) {
			l.add("call", n.Pos(), n.End(), "")
		}
	}
	return true
}

func (l *lookout) operator(at token.Pos, op token.Token) {
	opposite := map[token.Token]token.Token{
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR, token.EQL: token.NEQ, token.NEQ: token.EQL,
		token.LAND: token.LOR, token.LOR: token.LAND,
		token.ADD: token.SUB, token.SUB: token.ADD, token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
	}
	kind := "arithmetic"
	switch op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		kind = "comparison"
	case token.LAND, token.LOR:
		kind = "logic"
	}
	if other, ok := opposite[op]; ok {
		l.add(kind, at, at+token.Pos(len(op.String())), other.String())
	}
}

// constants notes states among the values that something is set to.
func (l *lookout) constants(values []ast.Expr) {
	for _, v := range values {
		if id, ok := v.(*ast.Ident); ok && l.states[id.Name] != "" {
			l.add("state", id.Pos(), id.End(), l.states[id.Name])
		}
	}
}

func (l *lookout) add(kind string, from, to token.Pos, becomes string) {
	at := l.set.Position(from)
	m := mutant{source: l.source, kind: kind, from: at.Offset, to: l.set.Position(to).Offset, line: at.Line, column: at.Column, becomes: becomes}
	if kind == "guard" { // what the condition uses stays used
		m.becomes = "false && (" + m.was() + ")"
	}
	l.found = append(l.found, m)
}

// states gives for each constant that names a state another one of its type.
// The kind of an effect is none.
func states(files []*ast.File) map[string]string {
	other := map[string]string{}
	for _, f := range files {
		for _, d := range f.Decls {
			block, ok := d.(*ast.GenDecl)
			if !ok || block.Tok != token.CONST {
				continue
			}
			kinds := map[string][]string{}
			for _, s := range block.Specs {
				c := s.(*ast.ValueSpec)
				kind, _ := c.Type.(*ast.Ident)
				if len(c.Values) != 1 || !isString(c.Values[0]) || kind != nil && kind.Name == "EffectKind" {
					continue
				}
				name := ""
				if kind != nil {
					name = kind.Name
				}
				kinds[name] = append(kinds[name], c.Names[0].Name)
			}
			for _, names := range kinds {
				for i, n := range names {
					other[n] = names[(i+1)%len(names)]
				}
			}
		}
	}
	return other
}

// worded are the functions whose result is a text that nothing is decided by: it
// only ever becomes a part of another.
func worded(files []*ast.File) map[string]bool {
	called, decides := map[string]bool{}, map[string]bool{}
	note := func(names map[string]bool, prune bool) func(ast.Node) bool {
		return func(n ast.Node) bool {
			if prune && isText(n) {
				return false
			}
			if call, ok := n.(*ast.CallExpr); ok {
				_, name := callee(call)
				names[name] = true
			}
			return true
		}
	}
	words := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f, note(called, false))
		ast.Inspect(f, note(decides, true))
	}
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
				continue
			}
			result, _ := fn.Type.Results.List[0].Type.(*ast.Ident)
			name := fn.Name.Name
			words[name] = result != nil && result.Name == "string" && called[name] && !decides[name]
		}
	}
	return words
}

// isText is whether the node makes words for people: nothing is decided in it.
func isText(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BasicLit:
		return isString(n)
	case *ast.BinaryExpr:
		return n.Op == token.ADD && (isText(n.X) || isText(n.Y))
	case *ast.CallExpr:
		of, name := callee(n)
		return of == "fmt" || of == "c" && name == "tell"
	case *ast.KeyValueExpr:
		key, ok := n.Key.(*ast.Ident)
		return ok && key.Name == "Reason"
	}
	return false
}

func isString(n ast.Node) bool {
	lit, ok := n.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// onlyWords is whether the statement chooses a sentence and nothing else. A word
// alone may be something's name.
func onlyWords(n *ast.IfStmt) bool {
	for _, s := range n.Body.List {
		a, ok := s.(*ast.AssignStmt)
		if !ok || slices.ContainsFunc(a.Rhs, func(e ast.Expr) bool {
			lit, ok := e.(*ast.BasicLit)
			return !isText(e) || ok && !strings.Contains(lit.Value, " ")
		}) {
			return false
		}
	}
	return n.Else == nil
}

// guards is whether the statement does no more than leave, or ends with it.
func guards(n *ast.IfStmt) bool {
	if n.Else != nil || len(n.Body.List) == 0 {
		return false
	}
	switch n.Body.List[len(n.Body.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	}
	return false
}

func onCore(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	of, _ := callee(call)
	return of == "c"
}

// callee is the name of what is called, and that of what it belongs to.
func callee(call *ast.CallExpr) (of, name string) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return "", f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
		return of, f.Sel.Name
	}
	return "", ""
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// source is a file of a package.
type source struct {
	name, path string // from the root of the module; absolute
	text       []byte
	tree       *ast.File
	parents    map[ast.Node]ast.Node
	sites      []*site // where its text changes, in the order of their beginnings, outer ones first
}

// unit is a package with its types.
type unit struct {
	name, dir string // as the report calls it; its folder
	version   string // of the language
	hasTests  bool
	set       *token.FileSet
	files     []*source
	pkg       *types.Package
	info      *types.Info
	imports   types.Importer
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export            string
	GoFiles, TestGoFiles, XTestGoFiles []string
	DepOnly                            bool
	Module                             *struct{ Dir, GoVersion string }
}

// load reads the packages that patterns name, in the order of go list.
func load(ctx context.Context, patterns []string) ([]*unit, error) {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,TestGoFiles,XTestGoFiles,DepOnly,Module"}, switchImports...)
	raw, err := output(ctx, "go", append(args, patterns...)...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	var wanted []listed
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[l.ImportPath] = l.Export
		if !l.DepOnly && l.Module != nil {
			wanted = append(wanted, l)
		}
	}
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var list []*unit
	for _, l := range wanted {
		u, err := l.read(set, imports)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.ImportPath, err)
		}
		list = append(list, u)
	}
	return list, nil
}

func (l *listed) read(set *token.FileSet, imports types.Importer) (*unit, error) {
	dir, err := filepath.Rel(l.Module.Dir, l.Dir)
	if err != nil {
		return nil, err
	}
	u := &unit{dir: l.Dir, version: "go" + l.Module.GoVersion, hasTests: len(l.TestGoFiles)+len(l.XTestGoFiles) > 0, set: set, imports: imports}
	if u.name = "."; dir != "." {
		u.name = "./" + filepath.ToSlash(dir)
	}
	var trees []*ast.File
	for _, name := range l.GoFiles {
		s := &source{name: filepath.ToSlash(filepath.Join(dir, name)), path: filepath.Join(l.Dir, name)}
		if s.text, err = os.ReadFile(s.path); err != nil {
			return nil, err
		}
		if s.tree, err = parser.ParseFile(set, s.path, s.text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		s.parents = parents(s.tree)
		u.files, trees = append(u.files, s), append(trees, s.tree)
	}
	u.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	u.pkg, err = u.config(nil).Check(l.ImportPath, set, trees, u.info)
	return u, err
}

// config is for the type checker; it stops at the first fault without a function for them.
func (u *unit) config(report func(error)) *types.Config {
	return &types.Config{Importer: u.imports, GoVersion: u.version, Sizes: types.SizesFor("gc", runtime.GOARCH), Error: report}
}

// compiles reports whether the package with one file replaced has right types.
func (u *unit) compiles(m *mutant) bool {
	tree, err := parser.ParseFile(u.set, m.source.path, m.apply(), parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	isInside := false // a function: no other sees the change
	for n := m.node; n != nil && !isInside; n = m.source.parents[n] {
		_, isInside = n.(*ast.FuncDecl)
	}
	trees := []*ast.File{tree}
	for _, s := range u.files {
		switch {
		case s == m.source:
		case isInside:
			trees = append(trees, declarations(s.tree))
		default:
			trees = append(trees, s.tree)
		}
	}
	isRight := true
	u.config(func(err error) {
		at := err.(types.Error).Pos
		if !isInside || tree.FileStart <= at && at <= tree.FileEnd {
			isRight = false
		}
	}).Check(u.pkg.Path(), u.set, trees, nil)
	return isRight
}

// declarations is a file without the bodies of its functions, of which imports may be
// left without use.
func declarations(tree *ast.File) *ast.File {
	c := *tree
	c.Decls = nil
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			g := *f
			g.Body = nil
			d = &g
		}
		c.Decls = append(c.Decls, d)
	}
	return &c
}

// parents are those of all nodes of a tree.
func parents(tree *ast.File) map[ast.Node]ast.Node {
	m := map[ast.Node]ast.Node{}
	var above []ast.Node
	ast.Inspect(tree, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		if len(above) > 0 {
			m[n] = above[len(above)-1]
		}
		above = append(above, n)
		return true
	})
	return m
}

// output runs a program whose failure is told with what it said.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		var said string
		if e, ok := err.(*exec.ExitError); ok {
			said = string(e.Stderr)
		}
		return nil, fmt.Errorf("%s %s: %w\n%s", name, args[0], err, strings.TrimSpace(said))
	}
	return out, nil
}

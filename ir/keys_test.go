package ir_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestWrongAttributesDoNotCompile type-checks statements about a node n.
func TestWrongAttributesDoNotCompile(t *testing.T) {
	files := token.NewFileSet()
	packages := importer.ForCompiler(files, "gc", exports(t, "github.com/dnnc/dnnc/ir"))
	for _, c := range []struct{ statement, fault string }{
		{`_ = n.Int(ir.AttrGroups)`, ""},
		{`n.Put(ir.AttrPad.Is([]int{0, 0, 0, 0}))`, ""},
		{`n.Drop(ir.AttrTile, ir.AttrImpl)`, ""},
		{`_ = n.Int("groups")`, `cannot use "groups"`},
		{`_ = n.Has("groups")`, `cannot use "groups"`},
		{`n.Drop("groups")`, `cannot use "groups"`},
		{`_ = n.Int(ir.AttrGroup)`, "undefined: ir.AttrGroup"},
		{`_ = n.Int(ir.AttrPad)`, "cannot use ir.AttrPad"},
		{`n.Put(ir.AttrGroups.Is("2"))`, `cannot use "2"`},
		{`n.Put(ir.Attr{Key: "groups", Value: 2})`, `cannot use "groups"`},
		{`_ = n.Int(ir.Key[int]{"groups", ir.KindInt})`, "unexported"},
	} {
		f, err := parser.ParseFile(files, "p.go", "package p\nimport \"github.com/dnnc/dnnc/ir\"\nfunc f(n *ir.Node) { "+c.statement+" }", 0)
		require.NoError(t, err)
		config := types.Config{Importer: packages}
		_, err = config.Check("p", files, []*ast.File{f}, nil)
		if c.fault == "" {
			assert.NoError(t, err, c.statement)
			continue
		}
		assert.ErrorContains(t, err, c.fault, c.statement)
	}
}

// exports opens what go build exports of a package and of those that it imports.
func exports(t *testing.T, path string) importer.Lookup {
	t.Helper()
	list, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", path).Output()
	require.NoError(t, err)
	at := map[string]string{}
	for line := range strings.Lines(string(list)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		at[name] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(at[path]) }
}

// TestDefaultsAreOfTheirKeys: a default of another type would be read as 0. No operation
// has two attributes that a text cannot tell apart.
func TestDefaultsAreOfTheirKeys(t *testing.T) {
	for op := range ir.NumOps {
		names := map[string]bool{}
		for _, a := range op.Info().Attrs {
			assert.False(t, names[a.Key.String()], "%s has two attributes %s", op, a.Key)
			names[a.Key.String()] = true
			if a.Default != nil {
				assert.Empty(t, a.Check(a.Default), "the default of %s of %s", a.Key, op)
			}
			assert.Equal(t, a.Words != nil, a.Key.Kind() == ir.KindWord, "%s of %s: words", a.Key, op)
		}
	}
}

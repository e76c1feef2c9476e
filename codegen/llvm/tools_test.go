package llvm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

// minimum needs a selection, an inlined function, a loop of vectors and a helper of 64 bits.
const minimum = `
define void @net_run(ptr %a, ptr %b, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i32, ptr %a, i64 %i
  %q = getelementptr i32, ptr %b, i64 %i
  %x = load i32, ptr %p
  %y = load i32, ptr %q
  %less = icmp slt i32 %x, %y
  %m = select i1 %less, i32 %x, i32 %y
  %wide = sext i32 %m to i64
  %square = mul i64 %wide, %n
  %narrow = trunc i64 %square to i32
  store i32 %narrow, ptr %p
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
`

// TestClangInsteadOfLLVM: a clang compiles for every target what opt and llc do; the result
// misses no symbol, and is as large within a tenth.
func TestClangInsteadOfLLVM(t *testing.T) {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip(err)
	}
	plain, err := Find("19")
	require.NoError(t, err)
	t.Setenv(ClangVariable, clang)
	tools, err := Find("")
	require.NoError(t, err)
	assert.Equal(t, "clang-19", tools.Version)
	again, err := Find("clang-19")
	require.NoError(t, err)
	assert.Equal(t, tools, again)
	for _, p := range processor.All() {
		text := "target triple = \"" + p.Triple + "\"\n" + minimum
		got, err := Compile(context.Background(), tools, text, p, "obj")
		require.NoError(t, err, p.Name)
		want, err := Compile(context.Background(), plain, text, p, "obj")
		require.NoError(t, err, p.Name)
		names, err := Undefined(got)
		require.NoError(t, err)
		assert.Empty(t, names, p.Name)
		assert.InDelta(t, len(want), len(got), .1*float64(len(want)), p.Name)
		asm, err := Compile(context.Background(), tools, text, p, "asm")
		require.NoError(t, err)
		assert.Contains(t, string(asm), "net_run:", p.Name)
	}
}

// TestNoSuchClang: what the variable names wrongly is said, and never another LLVM instead.
func TestNoSuchClang(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
		return path
	}
	for _, test := range []struct{ path, wanted, message string }{
		{filepath.Join(dir, "absent"), "", "does not run"},
		{program("other", "echo hello"), "", "no clang"},
		{program("fails", "exit 1"), "", "does not run"},
		{program("clang", "echo clang version 22.1.8"), "clang-21", "clang-21 is wanted"},
		{"", "clang-21", "names no clang"},
	} {
		t.Setenv(ClangVariable, test.path)
		_, err := Find(test.wanted)
		assert.ErrorContains(t, err, test.message, test)
	}
	zig := program("zig", `test "$1" = clang && echo clang version 22.1.8`)
	t.Setenv(ClangVariable, zig)
	tools, err := Find("clang-22")
	require.NoError(t, err)
	assert.Equal(t, []string{zig, "clang"}, tools.clang)
	linker, err := Linker()
	require.NoError(t, err)
	assert.Equal(t, zig+" ld.lld", strings.Join(linker, " "))
	t.Setenv(ClangVariable, program("clang", "echo clang version 22.1.8"))
	if linker, err = Linker(); err == nil {
		assert.Contains(t, filepath.Base(linker[0]), "ld.lld", "a clang alone has no linker in it")
	}
}

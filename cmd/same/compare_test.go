package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var content = strings.Repeat("0123456789abcdef", 4)

func TestMasks(t *testing.T) {
	other := strings.Repeat("f", 64)
	for _, c := range []struct{ name, ending, base, now string }{
		{"content hash", ".h", "x " + content + " y", "x " + other + " y"},
		{"content hash in an object", ".o", "x\x00" + content + "\x00y", "x\x00" + other + "\x00y"},
		{"version in an object", ".o", "\x00dnnc 0.9.0, C interface 1.1.0\x00", "\x00dnnc 0.9.1, C interface 1.2.0\x00"},
		{"version", ".h", `/* "dnnc 0.9.0, C interface 1.1.0". */ net_version[30];`, `/* "dnnc 0.10.0-rc.1, C interface 1.1.0". */ net_version[36];`},
		{"version in LLVM IR", ".ll", `@n_version = constant [30 x i8] c"dnnc 0.9.0, C interface 1.1.0\00"`, `@n_version = constant [31 x i8] c"dnnc 0.10.0, C interface 1.1.0\00"`},
		{"arrays in C", ".c", "n_version[30] = {\n  1,2,\n  0,\n};\nn_content[65] = {\n  3,\n};", "n_version[31] = {\n  1,2,9,\n  0,\n};\nn_content[65] = {\n  4,\n};"},
		{"constant_bytes", ".json", `"constant_bytes": 6960,`, `"constant_bytes": 5220,`},
	} {
		assert.Equal(t, mask(c.ending, []byte(c.base), content), mask(c.ending, []byte(c.now), other), c.name)
	}
}

func TestMasksLeaveTheRest(t *testing.T) {
	long := strings.Repeat("a", 2000)
	for _, c := range []struct{ name, ending, base, now string }{
		{"another hash", ".json", content, strings.Repeat("e", 64)},
		{"other bytes", ".json", `"weight_bytes": 1`, `"weight_bytes": 2`},
		{"a byte of an object", ".o", strings.Repeat("x", 600), strings.Repeat("x", 599) + "y"},
		{"a longer version in an object", ".o", "dnnc 0.9.0, C interface 1.1.0", "dnnc 0.10.0, C interface 1.1.0"},
		{"a long line", ".ll", long + "b", long + "c"},
		{"data", ".c", "x[4] = {\n  1,2,\n  3,4,\n};", "x[4] = {\n  1,2,\n  3,5,\n};"},
		{"data that move to the next line", ".c", "  1,2,\n  3,4,\n", "  1,2,3,\n  4,\n"},
		{"the schema of a certificate", ".json", `"version": 1`, `"version": 2`},
		{"the interface in numbers", ".h", "#define N_INTERFACE_MINOR 1", "#define N_INTERFACE_MINOR 2"},
		{"a dump's long line", ".dnn", long + "b", long + "c"},
	} {
		assert.NotEqual(t, mask(c.ending, []byte(c.base)), mask(c.ending, []byte(c.now)), c.name)
	}
}

func TestFoldedTextsKeepTheirLines(t *testing.T) {
	text := "a\n  1,2,\n  3,\n  4,\nb\n" + strings.Repeat("c", 5000) + "\nd"
	lines := strings.Split(fold(text), "\n")
	require.Len(t, lines, 7)
	assert.Equal(t, []string{"a", "b", "d"}, []string{lines[0], lines[4], lines[6]})
}

func TestRenamings(t *testing.T) {
	table, err := renamings("# why\n\nmultiply -> products\nimpl: conv_micro -> impl: micro\nafter memory -> after plan\n")
	require.NoError(t, err)
	for _, c := range []struct{ ending, base, want string }{
		{".dnn", "x = conv2d(y, multiply: mlal, impl: conv_micro, impl: conv_micro2)", "x = conv2d(y, products: mlal, impl: micro, impl: conv_micro2)"},
		{".dnn", "dnn 1 after memory target", "dnn 1 after plan target"},
		{".dnn", "const my.multiply: i8[1]\n  multiply = add(a)", "const my.multiply: i8[1]\n  multiply = add(a)"},
		{".json", `  "multiply": 3, "name": "multiply"`, `  "products": 3, "name": "multiply"`},
		{".c", "multiply: ", "multiply: "},
	} {
		assert.Equal(t, c.want, rename(table, c.ending, c.base))
	}
	_, err = renamings("a -> b\nc => d")
	assert.ErrorContains(t, err, "renamed.txt:2:")
	_, err = renamings(renamedTable)
	assert.NoError(t, err, "the committed table")
}

func TestDifference(t *testing.T) {
	assert.Empty(t, difference("a\nb", "a\nb"))
	assert.Equal(t, `line 2, byte 3: base "b 1", now "b 2"`, difference("a\nb 1\nc", "a\nb 2\nd"))
	assert.Equal(t, `line 2: base "b", now ends`, difference("a\nb", "a"))
	assert.Equal(t, `line 2: the base ends, now "b"`, difference("a", "a\nb"))
	assert.Equal(t, `line 1, byte 2: base "a", now "ab"`, difference("a\n", "ab\n"))
	assert.Contains(t, difference(strings.Repeat("é", 40)+"1", strings.Repeat("é", 40)+"2"), "byte 81")
}

func TestReports(t *testing.T) {
	base := result{Files: map[string]string{"out.c": "a", "out.json": `"old": 1`, "gone.h": ""}}
	table, err := renamings("old -> new")
	require.NoError(t, err)
	assert.Empty(t, base.differences(result{Files: map[string]string{"out.c": "a", "out.json": `"new": 1`, "gone.h": ""}}, table))
	assert.Equal(t, []string{"gone.h: now missing", `out.c: line 1, byte 1: base "a", now "b"`, `out.json: line 1, byte 2: base "\"new\": 1", now "\"old\": 1"`, "more.h: the base has none"},
		base.differences(result{Files: map[string]string{"out.c": "b", "out.json": `"old": 1`, "more.h": ""}}, table))
	assert.Equal(t, []string{"exit 1, the base's 0: no"}, base.differences(result{Exit: 1, Message: "no"}, nil))
	assert.Empty(t, result{Exit: 1, Message: "no"}.differences(result{Exit: 1, Message: "never"}, nil), "messages may be better")
}

func TestSampleIsEven(t *testing.T) {
	var all []combination
	for i := range 100 {
		all = append(all, combination{name: fmt.Sprint(i)})
	}
	one := sample(all, 10, 1)
	require.Len(t, one, 10)
	for i, c := range one {
		assert.Equal(t, all[i*10].name[:len(all[i*10].name)-1], c.name[:len(c.name)-1], "one of each ten")
	}
	assert.Equal(t, one, sample(all, 10, 1))
	assert.NotEqual(t, one, sample(all, 10, 2))
	assert.Len(t, sample(all, 0, 1), 100)
	assert.Len(t, sample(all, 1000, 1), 100)
}

func TestTargets(t *testing.T) {
	assert.Equal(t, []string{"armv6m", "armv7em:cortex-m7", "riscv64", "riscv64+v", "x86_64", "x86_64+avx2", "x86_64+avx512vnni"}, targets(`target  processors  verified by
armv6m  Cortex-M0, M0+, M1  qemu
armv7em:cortex-m7          qemu
riscv64 gc; +v for vectors  qemu
riscv64+v                  qemu -cpu rv64,v=true
x86_64  PCs; +avx2, +avx512vnni  this machine
x86_64+avx2   this machine

-mcpu and -mattr refine a family; dnnc verify compares.
`))
}

// fake is a program that does what the comparer sees of dnnc.
func fake(t *testing.T, kernel string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dnnc")
	script := `#!/bin/sh
echo '{"content": "` + content + `"}' > out.json
case "$1" in -O) echo 'tensors "w.safetensors" sha256 "1"' > 11-quantize.dnn; echo w > w.safetensors;; -exact) ;; *) cat "$1" >> out.ll;; esac
echo '` + kernel + `' >> out.ll
test "$2" != bad || { echo first; echo last; exit 2; } >&2
`
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

func TestBothSides(t *testing.T) {
	s := &sides{ctx: context.Background(), old: fake(t, "a"), new: fake(t, "a"), kept: t.TempDir(), temp: t.TempDir(), emit: "llvm"}
	f := format{name: "int8", first: []string{"-O", "int8"}}
	direct := combination{"net/int8/direct-t", "net.dnn", "t", f, true}
	g := group{direct, []combination{direct, {"net/int8/t", "net.dnn", "t", f, false}}}
	assert.Equal(t, outcome{}, s.compare(g))
	s.old = "/nowhere" // all is in the cache
	assert.Equal(t, outcome{cached: 2}, s.compare(g))
	s.new = fake(t, "b")
	assert.Equal(t, outcome{cached: 2, differences: []string{
		`net/int8/direct-t: out.ll: line 1, byte 1: base "a", now "b"`,
		`net/int8/t: out.ll: line 2, byte 1: base "a", now "b"`,
	}}, s.compare(g))

	s.old = fake(t, "a")
	g.direct.format.first, g.list[1].format.first = []string{"-exact"}, []string{"-exact"}
	g.list = g.list[1:]
	assert.Equal(t, outcome{differences: []string{
		`net/int8/t: out.ll: line 1, byte 1: base "a", now "b"`,
	}}, s.compare(g), "integers that the file has: no pass quantizes, each target is built from the file")

	g.direct.format.first = []string{"-O", "bad"}
	assert.Equal(t, outcome{refused: []string{"net/int8: left out: the base ends with 2, last"}}, s.compare(g))
	direct.format.first = g.direct.format.first
	_, cached, err := s.base(direct, t.TempDir())
	require.NoError(t, err)
	assert.False(t, cached, "a failure may be of this machine: it is tried again")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.ctx = ctx
	assert.ErrorIs(t, s.compare(g).err, context.Canceled, "no build that was stopped counts")
}

func TestRenamedDumpIsWhatTheNewSideReads(t *testing.T) {
	s, dir := &sides{temp: t.TempDir()}, t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, dumpName), []byte("tensors \"w.safetensors\" (tensors: 1)"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), nil, 0o644))
	var err error
	s.table, err = renamings("tensors -> weights")
	require.NoError(t, err)
	to, err := s.renamed(dir)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(to, dumpName))
	require.NoError(t, err)
	assert.Equal(t, "tensors \"w.safetensors\" (weights: 1)", string(text))
	assert.FileExists(t, filepath.Join(to, "w.safetensors"))
}

package driver_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// TestDumpGivesTheSameObject compiles once in one go, once by way of a dump.
func TestDumpGivesTheSameObject(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole search")
	}
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	common := []string{"-O", "robust", "-bits", "1.5", "-formats", "odd2,odd4,vec4x8", "-images", "32", "-n", "40", dnnctest.Small(t), "-target", "armv7"}
	code, _, stderr := dnnctest.Run(t, append(common, "-o", file("direct.o"))...)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnctest.Run(t, append(common, "-emit", "ir", "-o", file("out.dnn"))...)
	require.Zero(t, code, stderr)
	dump, err := os.ReadFile(file("out.dnn"))
	require.NoError(t, err)
	assert.Contains(t, string(dump), ": vec4x8", "the search chose vector codes")
	assert.Contains(t, string(dump), ": odd", "and others")
	code, _, stderr = dnnctest.Run(t, file("out.dnn"), "-target", "armv7", "-o", file("again.o"))
	require.Zero(t, code, stderr)
	direct, err := os.ReadFile(file("direct.o"))
	require.NoError(t, err)
	again, err := os.ReadFile(file("again.o"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(direct, again))

	code, _, stderr = dnnctest.Run(t, "-O", "robust", file("out.dnn"), "-target", "armv7")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "already-quantized")
}

// TestEveryDumpReadsBack stops after each pass and prints what is read again.
func TestEveryDumpReadsBack(t *testing.T) {
	_, list, _ := dnnctest.Run(t, "-d=help")
	dir := t.TempDir()
	// One of plain layers, one of layers that share their weights, of two inputs.
	for k, network := range []string{dnnctest.Small(t), dnnctest.Root + "/frontend/onnx/testdata/gru_1/model.onnx"} {
		for _, line := range bytes.Split(bytes.TrimSpace([]byte(list)), []byte("\n")) {
			name := string(bytes.Fields(line)[0])
			first, second := filepath.Join(dir, fmt.Sprint(name, k, ".dnn")), filepath.Join(dir, fmt.Sprint(name, k, ".again.dnn"))
			code, _, stderr := dnnctest.Run(t, "-images", "32", "-stop-after", name, "-emit", "ir", network, "-target", "armv7", "-o", first)
			require.Zero(t, code, stderr)
			code, _, stderr = dnnctest.Run(t, "-stop-after", name, "-emit", "ir", first, "-target", "armv7", "-o", second)
			require.Zero(t, code, stderr)
			a, err := os.ReadFile(first)
			require.NoError(t, err)
			b, err := os.ReadFile(second)
			require.NoError(t, err)
			assert.Equal(t, string(a), string(b), name)
		}
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.dnn")
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	brackets := filepath.Join(dir, "brackets.dnn")
	require.NoError(t, os.WriteFile(brackets, bytes.Repeat([]byte("["), 10<<20), 0o644))
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		return filepath.Join(dir, name)
	}
	several := write("two.dnn", "network two(a: f32[2,4,4] in [0,1], b: f32[2,4,4] in [0,1]) -> f32[2,4,4] {\n s = add(a, b)\n return s\n}\n")
	result := write("result.dnn", "network n(a: f32[2,4,4] in [0,1]) -> f32[2,4,5] {\n s = relu(a)\n return s\n}\n")
	noise := write("noise.dnn", "\x00\xff\x80 network \x8b\x01")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{several, "-target", "armv7", "-calib", dnnctest.TestImages}, command.AtFault, "an array named like each: a b"},
		{[]string{result, "-target", "armv7"}, command.AtFault, "the network declares f32[2,4,5]"},
		{[]string{noise, "-target", "armv7"}, command.AtFault, "noise.dnn:1:"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-size", "big"}, command.BadUsage, "is no size"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-llvm", "7"}, command.AtFault, "missing-tool"},
		{[]string{empty, "-target", "armv7"}, command.AtFault, "no network in this file"},
		{[]string{brackets, "-target", "armv7"}, command.AtFault, "limit"},
		{[]string{dnnctest.Lenet, "-target", "armv8"}, command.AtFault, `did you mean "armv8m"`},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-O", "robustt"}, command.AtFault, `did you mean "robust"`},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-fix", "conv1=9"}, command.AtFault, "width"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-fix", "conv9=4"}, command.AtFault, `did you mean "conv1"`},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-O", "universal", "-bits", "2.5"}, command.AtFault, "whole number"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-O", "universal", "-size", "100"}, command.AtFault, "the least possible is -size"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-stop-after", "qantize"}, command.AtFault, `did you mean "quantize"`},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-calib", empty}, command.AtFault, "data:"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-errors", "gausian"}, command.AtFault, `did you mean "gaussian"`},
		{[]string{dnnctest.Lenet}, command.BadUsage, "no -target"},
		{[]string{dnnctest.Lenet, "-frobnicate"}, command.BadUsage, "no flag -frobnicate; dnnc help build"},
		{[]string{dnnctest.Lenet, "-tarjet", "armv7"}, command.BadUsage, "did you mean -target?"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-O", "robust", "-bits", "-1"}, command.BadUsage, "no number above 0"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-ram", "0"}, command.BadUsage, "is no size"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-bits", "4"}, command.AtFault, "-O int8 makes none"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-O", "robust", "-keep", "1.1"}, command.BadUsage, "at most 1"},
		{[]string{dnnctest.Lenet, "-target", "armv7", "-ram", "1KiB"}, command.AtFault, "-ram allows 1024"},
	} {
		code, _, stderr := dnnctest.Run(t, append(c.args, "-o", filepath.Join(dir, "out.o"))...)
		assert.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		assert.Contains(t, stderr, c.want)
		assert.NoFileExists(t, filepath.Join(dir, "out.o"))
	}
}

// TestVerifyPasses: -check-passes, and its former name, changes nothing that comes out.
func TestVerifyPasses(t *testing.T) {
	dnnctest.Need(t)
	dir, small := t.TempDir(), dnnctest.Small(t)
	var got [3][]byte
	for i, flags := range [][]string{nil, {"-check-passes"}, {"-verify"}} {
		out := filepath.Join(dir, "out.c")
		code, _, stderr := dnnctest.Run(t, append(flags, "-images", "16", small, "-target", "armv7", "-emit", "c", "-o", out)...)
		require.Zero(t, code, stderr)
		var err error
		got[i], err = os.ReadFile(out)
		require.NoError(t, err)
	}
	assert.Equal(t, string(got[0]), string(got[1]))
	assert.Equal(t, string(got[0]), string(got[2]))
}

func TestStandardOutput(t *testing.T) {
	dir, small := t.TempDir(), dnnctest.Small(t)
	direct := filepath.Join(dir, "x.c")
	code, _, stderr := dnnctest.Run(t, "-images", "16", small, "-target", "armv7", "-emit", "c", "-o", direct)
	require.Zero(t, code, stderr)
	want, err := os.ReadFile(direct)
	require.NoError(t, err)
	code, stdout, stderr := dnnctest.Run(t, "-images", "16", small, "-target", "armv7", "-emit", "c", "-o", "-")
	require.Zero(t, code, stderr)
	assert.True(t, bytes.Equal(want, []byte(stdout)))
	code, _, stderr = dnnctest.Run(t, "-images", "16", small, "-target", "armv7", "-emit", "c,ir", "-o", "-")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "one output")
}

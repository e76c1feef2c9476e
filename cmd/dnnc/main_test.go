package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
)

const lenet = "../../testdata/lenet5/lenet5.dnn"

func dnnc(t *testing.T, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

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
	common := []string{"-O", "robust", "-bits", "1.5", "-formats", "odd2,odd4,vec4x8", "-images", "32", lenet, "-target", "armv7"}
	code, _, stderr := dnnc(t, append(common, "-o", file("direct.o"))...)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnc(t, append(common, "-emit", "ir", "-o", file("out.dnn"))...)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnc(t, file("out.dnn"), "-target", "armv7", "-o", file("again.o"))
	require.Zero(t, code, stderr)
	direct, err := os.ReadFile(file("direct.o"))
	require.NoError(t, err)
	again, err := os.ReadFile(file("again.o"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(direct, again))

	code, _, stderr = dnnc(t, "-O", "robust", file("out.dnn"), "-target", "armv7")
	assert.Equal(t, atFault, code)
	assert.Contains(t, stderr, "already-quantized")
}

// TestEveryDumpReadsBack stops after each pass and prints what is read again.
func TestEveryDumpReadsBack(t *testing.T) {
	_, list, _ := dnnc(t, "-d=help")
	dir := t.TempDir()
	// One of plain layers, one of layers that share their weights, of two inputs.
	for k, network := range []string{lenet, "../../frontend/onnx/testdata/gru_1/model.onnx"} {
		for _, line := range bytes.Split(bytes.TrimSpace([]byte(list)), []byte("\n")) {
			name := string(bytes.Fields(line)[0])
			first, second := filepath.Join(dir, fmt.Sprint(name, k, ".dnn")), filepath.Join(dir, fmt.Sprint(name, k, ".again.dnn"))
			code, _, stderr := dnnc(t, "-images", "32", "-stop-after", name, "-emit", "ir", network, "-target", "armv7", "-o", first)
			require.Zero(t, code, stderr)
			code, _, stderr = dnnc(t, "-stop-after", name, "-emit", "ir", first, "-target", "armv7", "-o", second)
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
		{[]string{several, "-target", "armv7", "-calib", "../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz"}, atFault, "an array named like each: a b"},
		{[]string{result, "-target", "armv7"}, atFault, "the network declares f32[2,4,5]"},
		{[]string{noise, "-target", "armv7"}, atFault, "noise.dnn:1:"},
		{[]string{lenet, "-target", "armv7", "-size", "big"}, badUsage, "is no size"},
		{[]string{lenet, "-target", "armv7", "-llvm", "7"}, atFault, "missing-tool"},
		{[]string{empty, "-target", "armv7"}, atFault, "no network in this file"},
		{[]string{brackets, "-target", "armv7"}, atFault, "limit"},
		{[]string{lenet, "-target", "armv8"}, atFault, `did you mean "armv8m"`},
		{[]string{lenet, "-target", "armv7", "-O", "robustt"}, atFault, `did you mean "robust"`},
		{[]string{lenet, "-target", "armv7", "-fix", "conv1=9"}, atFault, "width"},
		{[]string{lenet, "-target", "armv7", "-fix", "conv9=4"}, atFault, `did you mean "conv1"`},
		{[]string{lenet, "-target", "armv7", "-O", "universal", "-bits", "2.5"}, atFault, "whole number"},
		{[]string{lenet, "-target", "armv7", "-O", "universal", "-size", "100"}, atFault, "the least possible is -size"},
		{[]string{lenet, "-target", "armv7", "-stop-after", "qantize"}, atFault, `did you mean "quantize"`},
		{[]string{lenet, "-target", "armv7", "-calib", empty}, atFault, "data:"},
		{[]string{lenet, "-target", "armv7", "-errors", "gausian"}, atFault, `did you mean "gaussian"`},
		{[]string{lenet}, badUsage, "no -target"},
		{[]string{lenet, "-frobnicate"}, badUsage, "no flag -frobnicate; dnnc help build"},
		{[]string{lenet, "-tarjet", "armv7"}, badUsage, "did you mean -target?"},
		{[]string{lenet, "-target", "armv7", "-O", "robust", "-bits", "-1"}, badUsage, "no number above 0"},
		{[]string{lenet, "-target", "armv7", "-ram", "0"}, badUsage, "is no size"},
		{[]string{lenet, "-target", "armv7", "-bits", "4"}, atFault, "-O int8 makes none"},
		{[]string{lenet, "-target", "armv7", "-O", "robust", "-keep", "1.1"}, atFault, "at most 1"},
		{[]string{lenet, "-target", "armv7", "-ram", "1KiB"}, atFault, "-ram allows 1024"},
	} {
		code, _, stderr := dnnc(t, append(c.args, "-o", filepath.Join(dir, "out.o"))...)
		assert.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		assert.Contains(t, stderr, c.want)
		assert.NoFileExists(t, filepath.Join(dir, "out.o"))
	}
}

// TestVerifyPasses: -verify changes nothing that comes out.
func TestVerifyPasses(t *testing.T) {
	need(t)
	dir := t.TempDir()
	var got [2][]byte
	for i, flags := range [][]string{nil, {"-verify"}} {
		out := filepath.Join(dir, "out.c")
		code, _, stderr := dnnc(t, append(flags, "-images", "16", lenet, "-target", "armv7", "-emit", "c", "-o", out)...)
		require.Zero(t, code, stderr)
		var err error
		got[i], err = os.ReadFile(out)
		require.NoError(t, err)
	}
	assert.Equal(t, string(got[0]), string(got[1]))
}

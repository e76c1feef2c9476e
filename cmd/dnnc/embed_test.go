package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
)

// TestMain lets the test binary stand in for dnnc, where a build system or a shell
// starts it.
func TestMain(m *testing.M) {
	if os.Getenv("DNNC_STANDS_IN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// dnncPath is an executable that is dnnc.
func dnncPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "dnnc")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nDNNC_STANDS_IN=1 exec '"+self+"' \"$@\"\n"), 0o755))
	return path
}

// workspace is a folder with LeNet-5 in it.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list, err := filepath.Glob(filepath.Join(filepath.Dir(lenet), "*"))
	require.NoError(t, err)
	for _, path := range list {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o644))
	}
	return dir
}

// runIn runs a program in a folder.
func runIn(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && !strings.Contains(name, "/") {
		t.Skip(err)
	}
	c := exec.Command(name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// TestDependenciesDriveMakeAndNinja: nothing is built anew when nothing changed, and
// the object is when the network, its weights or its images did.
func TestDependenciesDriveMakeAndNinja(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dnnc, flags := dnncPath(t), " -images 16 lenet5.dnn -target x86_64 -o net.o -MD"
	for tool, rules := range map[string][2]string{
		"make":  {"Makefile", "net.o: lenet5.dnn\n\t" + dnnc + flags + "\n-include net.d\n"},
		"ninja": {"build.ninja", "rule dnnc\n  command = " + dnnc + flags + "\n  depfile = net.d\n  deps = gcc\nbuild net.o: dnnc lenet5.dnn\n"},
	} {
		t.Run(tool, func(t *testing.T) {
			dir := workspace(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, rules[0]), []byte(rules[1]), 0o644))
			runs := func() bool { return strings.Contains(runIn(t, dir, tool), "-images 16") }
			assert.True(t, runs())
			assert.False(t, runs(), "nothing changed")
			for _, name := range []string{"lenet5.dnn", "lenet5.safetensors", "fashion-train-images-idx3-ubyte.gz", "fashion-train-labels-idx1-ubyte.gz"} {
				path := filepath.Join(dir, name)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				require.NoError(t, os.Remove(path))
				require.NoError(t, os.WriteFile(path, content, 0o644))
				assert.True(t, runs(), name)
				assert.False(t, runs(), name)
			}
		})
	}
}

func TestDependencyFile(t *testing.T) {
	dir := workspace(t)
	odd := filepath.Join(dir, "a b#$.dnn")
	require.NoError(t, os.Rename(filepath.Join(dir, "lenet5.dnn"), odd))
	code, _, stderr := dnnc(t, "-images", "16", odd, "-target", "armv7", "-emit", "ir", "-o", filepath.Join(dir, "out.dnn"), "-MF", filepath.Join(dir, "x.dep"))
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(filepath.Join(dir, "x.dep"))
	require.NoError(t, err)
	assert.Contains(t, string(got), dir+`/a\ b\#$$.dnn \`)
	assert.True(t, strings.HasPrefix(string(got), dir+"/out.dnn:"))
}

// TestDependenciesOfFoldersAndElsewhere: each picture of a folder, and tensors that a
// text names by their absolute path.
func TestDependenciesOfFoldersAndElsewhere(t *testing.T) {
	dir, elsewhere := workspace(t), t.TempDir()
	pictures := filepath.Join(dir, "pictures")
	code, _, stderr := dnnc(t, "disturb", "-errors", "gaussian=0", "-n", "6", filepath.Join(dir, "fashion-train-images-idx3-ubyte.gz"), "-o", pictures+"/")
	require.Zero(t, code, stderr)
	require.NoError(t, os.Rename(filepath.Join(dir, "lenet5.safetensors"), filepath.Join(elsewhere, "w.safetensors")))
	text, err := os.ReadFile(filepath.Join(dir, "lenet5.dnn"))
	require.NoError(t, err)
	text = bytes.Replace(text, []byte("lenet5.safetensors"), []byte(filepath.Join(elsewhere, "w.safetensors")), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lenet5.dnn"), text, 0o644))
	args := []string{filepath.Join(dir, "lenet5.dnn"), "-target", "armv7", "-images", "4", "-calib", pictures, "-emit", "c", "-o", filepath.Join(dir, "net.c"), "-MD"}
	code, _, stderr = dnnc(t, args...)
	require.Equal(t, atFault, code, "it lies outside")
	assert.Contains(t, stderr, "outside")
	code, _, stderr = dnnc(t, append(args, "-allow-outside")...)
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(filepath.Join(dir, "net.d"))
	require.NoError(t, err)
	assert.Contains(t, string(got), " "+elsewhere+"/w.safetensors\n")
	list, err := filepath.Glob(filepath.Join(pictures, "*", "*.png"))
	require.NoError(t, err)
	require.Len(t, list, 6)
	for _, path := range append(list, pictures, filepath.Dir(list[0])) {
		assert.Contains(t, string(got), "\n"+path+":\n")
	}
}

// TestLibrary links a static library by its name.
func TestLibrary(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	code, _, stderr := dnnc(t, "-images", "16", lenet, "-target", "x86_64", "-emit", "obj,lib", "-o", filepath.Join(dir, "lenet5.o"))
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(firmware), 0o644))
	runIn(t, dir, "gcc", "main.c", "lenet5.o", "-o", "direct")
	runIn(t, dir, "gcc", "main.c", "-L.", "-llenet5", "-o", "byname")
	assert.Equal(t, runIn(t, dir, "./direct"), runIn(t, dir, "./byname"))
	listed := runIn(t, dir, "ar", "t", "liblenet5.a")
	assert.Equal(t, "lenet5.o\n", listed)
	runIn(t, dir, "ar", "x", "liblenet5.a", "--output", dir)
	index := runIn(t, dir, "nm", "-s", "liblenet5.a")
	assert.Contains(t, index, "lenet5_run in lenet5.o")
}

func TestStandardOutput(t *testing.T) {
	dir := t.TempDir()
	direct := filepath.Join(dir, "x.c")
	code, _, stderr := dnnc(t, "-images", "16", lenet, "-target", "armv7", "-emit", "c", "-o", direct)
	require.Zero(t, code, stderr)
	want, err := os.ReadFile(direct)
	require.NoError(t, err)
	code, stdout, stderr := dnnc(t, "-images", "16", lenet, "-target", "armv7", "-emit", "c", "-o", "-")
	require.Zero(t, code, stderr)
	assert.True(t, bytes.Equal(want, []byte(stdout)))
	code, _, stderr = dnnc(t, "-images", "16", lenet, "-target", "armv7", "-emit", "c,ir", "-o", "-")
	assert.Equal(t, atFault, code)
	assert.Contains(t, stderr, "one output")
}

func TestResponseFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	inner := write("inner", "-O int8")
	got, _, err := expanded([]string{"a", "@" + write("outer", "b\n 'c d' \"e\\\"f\" g\\ h ''\t@"+inner), "i"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c d", `e"f`, "g h", "", "-O", "int8", "i"}, got)
	for want, arg := range map[string]string{
		"not closed": write("open", "'a"), "no such file": filepath.Join(dir, "none"), "deep": write("loop", "@"+filepath.Join(dir, "loop")),
	} {
		code, _, stderr := dnnc(t, "@"+arg)
		assert.Equal(t, badUsage, code)
		assert.Contains(t, stderr, want)
	}
}

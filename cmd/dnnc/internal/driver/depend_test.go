package driver_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// TestDependenciesDriveMakeAndNinja: nothing is built anew when nothing changed, and
// the object is when the network, its weights or its images did.
func TestDependenciesDriveMakeAndNinja(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dnnc, flags := dnnctest.Path(t), " -images 16 lenet5.dnn -target x86_64 -o net.o -MD"
	for tool, rules := range map[string][2]string{
		"make":  {"Makefile", "net.o: lenet5.dnn\n\t" + dnnc + flags + "\n-include net.d\n"},
		"ninja": {"build.ninja", "rule dnnc\n  command = " + dnnc + flags + "\n  depfile = net.d\n  deps = gcc\nbuild net.o: dnnc lenet5.dnn\n"},
	} {
		t.Run(tool, func(t *testing.T) {
			dir := dnnctest.Workspace(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, rules[0]), []byte(rules[1]), 0o644))
			runs := func() bool { return strings.Contains(dnnctest.Tool(t, dir, tool), "-images 16") }
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
	dir := dnnctest.Workspace(t)
	odd := filepath.Join(dir, "a b#$.dnn")
	require.NoError(t, os.Rename(filepath.Join(dir, "lenet5.dnn"), odd))
	code, _, stderr := dnnctest.Run(t, "-images", "16", odd, "-target", "armv7", "-emit", "ir", "-o", filepath.Join(dir, "out.dnn"), "-MF", filepath.Join(dir, "x.dep"))
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(filepath.Join(dir, "x.dep"))
	require.NoError(t, err)
	assert.Contains(t, string(got), dir+`/a\ b\#$$.dnn \`)
	assert.True(t, strings.HasPrefix(string(got), dir+"/out.dnn:"))
}

// TestDependenciesOfFoldersAndElsewhere: each picture of a folder, and tensors that a
// text names by their absolute path.
func TestDependenciesOfFoldersAndElsewhere(t *testing.T) {
	dir, elsewhere := dnnctest.Workspace(t), t.TempDir()
	pictures := filepath.Join(dir, "pictures")
	code, _, stderr := dnnctest.Run(t, "disturb", "-errors", "gaussian=0", "-n", "6", filepath.Join(dir, "fashion-train-images-idx3-ubyte.gz"), "-o", pictures+"/")
	require.Zero(t, code, stderr)
	require.NoError(t, os.Rename(filepath.Join(dir, "lenet5.safetensors"), filepath.Join(elsewhere, "w.safetensors")))
	text, err := os.ReadFile(filepath.Join(dir, "lenet5.dnn"))
	require.NoError(t, err)
	text = bytes.Replace(text, []byte("lenet5.safetensors"), []byte(filepath.Join(elsewhere, "w.safetensors")), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lenet5.dnn"), text, 0o644))
	args := []string{filepath.Join(dir, "lenet5.dnn"), "-target", "armv7", "-images", "4", "-calib", pictures, "-emit", "c", "-o", filepath.Join(dir, "net.c"), "-MD"}
	code, _, stderr = dnnctest.Run(t, args...)
	require.Equal(t, command.AtFault, code, "it lies outside")
	assert.Contains(t, stderr, "outside")
	code, _, stderr = dnnctest.Run(t, append(args, "-allow-outside")...)
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

package inspect_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestInspect builds one network twice and looks at what came out.
func TestInspect(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	build := func(args ...string) {
		code, _, stderr := dnnctest.Run(t, append([]string{dnnctest.Lenet, "-target", "armv7", "-images", "48", "-n", "20", "-errors", "gaussian=0.1"}, args...)...)
		require.Zero(t, code, stderr)
	}
	build("-o", file("a.o"))
	build("-O", "robust", "-bits", "2.5", "-formats", "odd2,odd3,odd4", "-rounding", "nearest", "-o", file("b.o"))
	see := func(args ...string) string {
		code, stdout, stderr := dnnctest.Run(t, args...)
		require.Zero(t, code, stderr)
		return stdout
	}
	explained := see("explain", file("b.json"))
	raw, err := os.ReadFile(file("b.json"))
	require.NoError(t, err)
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal(raw, &c))
	for _, l := range c.Layers {
		assert.Contains(t, explained, l.Name)
		assert.Len(t, l.Choices, 3, l.Name)
	}
	assert.Contains(t, explained, "* ", "the chosen candidate is marked")
	assert.Contains(t, explained, "cost (KL)")
	assert.Contains(t, explained, "cost is the mean KL divergence of the answers")
	c.Search.Divergence = certificate.RelativeDivergence
	raw, err = c.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file("relative.json"), raw, 0o644))
	explained = see("explain", file("relative.json"))
	assert.Contains(t, explained, "cost (divergence)")
	assert.NotContains(t, explained, "bytes, KL")
	assert.Contains(t, explained, "cost is the mean divergence, relative to the best constant answer, of the answers")
	assert.Contains(t, see("explain", file("a.json")), "Nothing was searched")

	differ := see("diff", file("a.json"), file("b.json"))
	assert.Regexp(t, `bytes of weights +430500 +\d+ +-\d+`, differ)
	assert.Regexp(t, `conv1 +i8 +odd`, differ)
	assert.Contains(t, see("diff", file("a.json"), file("a.json")), "the same object")

	raw, err = os.ReadFile(file("a.json"))
	require.NoError(t, err)
	c = certificate.Certificate{}
	require.NoError(t, json.Unmarshal(raw, &c))
	sized := see("size", file("a.o"))
	f, err := elf.Open(file("a.o"))
	require.NoError(t, err)
	defer f.Close()
	flash := uint64(0)
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && !strings.Contains(s.Name, "exidx") {
			flash += s.Size
		}
	}
	var line string
	for _, l := range strings.Split(sized, "\n") {
		if strings.Contains(l, " all ") {
			line = l
		}
	}
	fields := strings.Fields(line)
	require.Len(t, fields, 6, sized)
	assert.Equal(t, fmt.Sprint(flash), fields[4], "the sum of the object's sections")
	assert.NotEqual(t, "0", fields[5], "the stack is known")
	assert.Contains(t, sized, fmt.Sprintf("an arena of %d bytes", c.ArenaBytes))
	assert.Contains(t, sized, "conv2")
	require.NoError(t, os.WriteFile(file("a.json"), bytes.Replace(raw, []byte("conv2"), []byte("conv9"), 1), 0o644))
	assert.Contains(t, see("size", file("a.o")), "No certificate of this object lies beside it: its bytes are not those that were summed")
	require.NoError(t, os.Rename(file("a.o"), file("alone.o")))
	alone := see("size", file("alone.o"))
	assert.Contains(t, alone, "LENET5_ARENA_BYTES")
	assert.Regexp(t, "lies beside it: .*alone.json: no such file", alone)

	require.NoError(t, os.WriteFile(file("other.json"), []byte(`{"version": 1}`), 0o644))
	require.NoError(t, os.WriteFile(file("old.json"), []byte(`{"version": 0}`), 0o644))
	for want, args := range map[string][]string{
		"names no network": {"explain", file("other.json")},
		"of version 0":     {"explain", file("old.json")},
		"no certificate":   {"explain", dnnctest.Lenet},
		"no such file":     {"explain", file("none")},
		"no object":        {"size", file("b.json")},
	} {
		code, _, stderr := dnnctest.Run(t, args...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestBitsOfActivations: explain says the choice as the build did, and diff what differs of it.
func TestBitsOfActivations(t *testing.T) {
	dnnctest.Need(t, "opt-19")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	said := map[string]string{}
	for _, bits := range []string{"8", "16", "auto"} {
		code, _, stderr := dnnctest.Run(t, dnnctest.Root+"/testdata/tasks/machine/machine.dnn", "-target", "armv7em", "-images", "16", "-activations", bits, "-o", file(bits+".o"))
		require.Zero(t, code, stderr)
		for line := range strings.Lines(stderr) {
			if strings.HasPrefix(line, "activations: ") {
				said[bits] = strings.TrimSpace(line)
			}
		}
	}
	require.Contains(t, said["auto"], "activations: 16 bits for ")
	explained := dnnctest.Succeed(t, "explain", file("auto.json"))
	choice, _, _ := strings.Cut(said["auto"], ", estimated cycles")
	assert.Contains(t, explained, choice)
	assert.Contains(t, dnnctest.Succeed(t, "explain", file("16.json")), "-activations 16\n")
	differ := dnnctest.Succeed(t, "diff", file("8.json"), file("auto.json"))
	assert.Regexp(t, `(?m)^ *-activations +8 +auto`, differ)
	assert.Regexp(t, `(?m)^ *chosen values of 16 bits +- +\S+`, differ)
	assert.NotContains(t, dnnctest.Succeed(t, "diff", file("8.json"), file("8.json")), "-activations")
}

package driver_test

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// objects are the files of the first build of each target, by ending, which later tests
// take over.
var objects sync.Map

// object is a small LeNet-5 at 3 bits in a folder of the test's own: the path without the ending.
func object(t *testing.T, target string) string {
	t.Helper()
	files, ok := objects.Load(target)
	if !ok {
		base := rebuilt(t, dnnctest.Small(t), target)
		read := map[string][]byte{}
		for _, ending := range []string{".o", ".h", ".json", ".c", ".ll", ".s"} {
			raw, err := os.ReadFile(base + ending)
			require.NoError(t, err)
			read[ending] = raw
		}
		objects.Store(target, read)
		return base
	}
	base := filepath.Join(t.TempDir(), "lenet5")
	for ending, raw := range files.(map[string][]byte) {
		require.NoError(t, os.WriteFile(base+ending, raw, 0o644))
	}
	return base
}

// rebuilt is what object gives, built for this test.
func rebuilt(t *testing.T, network, target string) string {
	t.Helper()
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	base := filepath.Join(t.TempDir(), "lenet5")
	code, _, stderr := dnnctest.Run(t, "-O", "universal", "-bits", "3", "-rounding", "nearest", "-images", "32", network, "-target", target, "-emit", "obj,c,llvm,asm,ir", "-o", base+".o")
	require.Zero(t, code, stderr)
	return base
}

func TestObjectHasNoUndefinedSymbolAndNoWritableData(t *testing.T) {
	for _, target := range []string{"armv7", "x86_64"} {
		f, err := elf.Open(object(t, target) + ".o")
		require.NoError(t, err)
		defer f.Close()
		for _, s := range f.Sections {
			assert.False(t, s.Flags&elf.SHF_WRITE != 0 && s.Size > 0, "%s: %s is writable", target, s.Name)
		}
		symbols, err := f.Symbols()
		require.NoError(t, err)
		var global []string
		for _, s := range symbols {
			assert.False(t, s.Section == elf.SHN_UNDEF && s.Name != "", "%s: %s is undefined", target, s.Name)
			if elf.ST_BIND(s.Info) == elf.STB_GLOBAL {
				global = append(global, s.Name)
			}
		}
		assert.ElementsMatch(t, []string{"lenet5_run", "lenet5_run_begin", "lenet5_run_step", "lenet5_step", "lenet5_content", "lenet5_version"}, global)
	}
}

// TestWeightsTakeTheirIdealBits adds up what the object holds of them.
func TestWeightsTakeTheirIdealBits(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	out := filepath.Join(t.TempDir(), "lenet5.o")
	dnnctest.Succeed(t, "-O", "universal", "-bits", "3", "-rounding", "nearest", "-images", "16", dnnctest.Lenet, "-target", "armv7", "-o", out)
	f, err := elf.Open(out)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	plane, total := regexp.MustCompile(`_weight\d+$`), 0
	for _, s := range symbols {
		if plane.MatchString(s.Name) {
			total += int(s.Size)
		}
	}
	const weights = 500 + 25000 + 400000 + 5000
	ideal := 3 * float64(weights) / 8
	assert.GreaterOrEqual(t, float64(total), ideal)
	assert.LessOrEqual(t, float64(total), 1.01*ideal)
}

// TestSizeIsSmaller: -O size, alone and after a level, is written down and takes less
// code for the same weights and answers.
func TestSizeIsSmaller(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	network := dnnctest.Root + "/testdata/tasks/machine/machine.dnn" // whose kernels are unrolled on each of the targets
	build := func(target string, level ...string) (c certificate.Certificate) {
		base := filepath.Join(t.TempDir(), "lenet5")
		args := []string{"-images", "32", network, "-target", target, "-o", base + ".o"}
		for _, l := range level {
			args = append(args, "-O", l)
		}
		code, _, stderr := dnnctest.Run(t, args...)
		require.Zero(t, code, stderr)
		text, err := os.ReadFile(base + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &c))
		return c
	}
	for _, target := range []string{"armv7em", "armv8.1m", "armv7", "aarch64", "riscv32", "x86_64"} {
		fast, small := build(target, "int8"), build(target, "size")
		assert.Equal(t, []string{"int8", "int8,size"}, []string{fast.Optimize, small.Optimize})
		assert.Less(t, small.CodeBytes, fast.CodeBytes, target)
		assert.Equal(t, fast.WeightBytes, small.WeightBytes)
	}
	assert.Equal(t, build("armv7em", "size"), build("armv7em", "int8", "int8,size"))
	assert.Equal(t, build("armv7em", "int8"), build("armv7em", "size", "int8"), "the last one counts")

	for list, message := range map[string]string{
		"size,fast":   "-O fast: the values are int8 universal compress robust, and size with each",
		"int8,robust": "int8 and robust are two levels",
	} {
		code, _, stderr := dnnctest.Run(t, "-O", list, dnnctest.Small(t), "-target", "armv7em", "-o", filepath.Join(t.TempDir(), "x.o"))
		assert.NotZero(t, code)
		assert.Contains(t, stderr, message)
	}
}

// TestOneHashInAllOutputs holds header, certificate and object together.
func TestOneHashInAllOutputs(t *testing.T) {
	base := object(t, "x86_64")
	text, err := os.ReadFile(base + ".json")
	require.NoError(t, err)
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal(text, &c))
	require.Len(t, c.Content, 64)
	for _, ending := range []string{".h", ".o", ".c", ".ll", ".s"} {
		content, err := os.ReadFile(base + ending)
		require.NoError(t, err)
		assert.Contains(t, string(content), c.Content, ending)
	}
	assert.Equal(t, 57+563+2400+150, c.WeightBytes, "three bits of each layer, whole bytes")
	assert.Equal(t, []string{"lenet5.dnn", "lenet5.safetensors"}, []string{c.Inputs[0].Name, c.Inputs[1].Name})
	assert.NotContains(t, string(text), filepath.Dir(base), "no path")
	var schema struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
	}
	require.NoError(t, json.Unmarshal(certificate.Schema, &schema))
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	for name := range fields {
		assert.Contains(t, schema.Properties, name)
	}
	for _, name := range schema.Required {
		assert.Contains(t, fields, name)
	}
}

// firmware prints the answers to one image.
const firmware = `#include "lenet5.h"
#include <stdio.h>
static int8_t in[LENET5_INPUT_BYTES], out[LENET5_OUTPUT_BYTES];
static uint64_t arena[LENET5_ARENA_BYTES / 8];
int main(void) {
  for (int i = 0; i < LENET5_INPUT_BYTES; i++) in[i] = (int8_t)(i * 7);
  if (lenet5_run(in, out, arena)) return 1;
  for (int i = 0; i < LENET5_OUTPUT_BYTES; i++) printf("%d ", out[i]);
  return 0;
}
`

// TestObjectLinksIntoEveryKindOfProgram links one object into position
// independent, soft- and hard-float programs, C and C++, and the C file beside
// it; all must answer the same.
func TestObjectLinksIntoEveryKindOfProgram(t *testing.T) {
	qemu := []string{"qemu-arm", "-cpu", "cortex-a7"}
	qemuHard, qemuSoft := append(qemu[:3:3], "-L", "/usr/arm-linux-gnueabihf"), append(qemu[:3:3], "-L", "/usr/arm-linux-gnueabi")
	for _, c := range []struct {
		target, file string
		cc, run      []string
	}{
		{"x86_64", ".o", []string{"gcc", "-fPIE", "-pie"}, nil},
		{"x86_64", ".o", []string{"gcc", "-fno-pie", "-no-pie"}, nil},
		{"x86_64", ".o", []string{"g++", "-Wl,--gc-sections"}, nil},
		{"x86_64", ".c", []string{"gcc"}, nil},
		{"armv7", ".o", []string{"arm-linux-gnueabihf-gcc", "-static"}, qemu},
		{"armv7", ".o", []string{"arm-linux-gnueabihf-gcc", "-fPIE", "-pie"}, qemuHard},
		{"armv7", ".o", []string{"arm-linux-gnueabi-gcc", "-march=armv7-a", "-mfloat-abi=soft", "-static"}, qemu},
		{"armv7", ".o", []string{"arm-linux-gnueabi-gcc", "-march=armv7-a", "-mfpu=neon", "-mfloat-abi=softfp", "-fPIE", "-pie"}, qemuSoft},
	} {
		want := answers(t)
		t.Run(c.target+c.file+" "+strings.Join(c.cc, " "), func(t *testing.T) {
			t.Parallel()
			for _, tool := range append(c.cc[:1:1], c.run[:min(1, len(c.run))]...) {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skip(err)
				}
			}
			base := object(t, c.target)
			dir := filepath.Dir(base)
			main := filepath.Join(dir, "main.c")
			require.NoError(t, os.WriteFile(main, []byte(firmware), 0o644))
			link := append(c.cc[1:], "-Wall", "-Wextra", "-Werror", "-o", base, main, base+c.file)
			out, err := exec.Command(c.cc[0], link...).CombinedOutput()
			require.NoError(t, err, string(out))
			run := append(append([]string{}, c.run...), base)
			got, err := exec.Command(run[0], run[1:]...).Output()
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		})
	}
}

var known string

// answers are the native program's, made once.
func answers(t *testing.T) string {
	if known == "" {
		base := object(t, "x86_64")
		main := filepath.Join(filepath.Dir(base), "main.c")
		require.NoError(t, os.WriteFile(main, []byte(firmware), 0o644))
		out, err := exec.Command("gcc", "-o", base, main, base+".c").CombinedOutput()
		require.NoError(t, err, string(out))
		got, err := exec.Command(base).Output()
		require.NoError(t, err)
		known = string(got)
		require.Len(t, strings.Fields(known), 10)
	}
	return known
}

func TestTwoBuildsGiveEqualBytes(t *testing.T) {
	network := dnnctest.Small(t)
	a, b := rebuilt(t, network, "armv7"), rebuilt(t, network, "armv7")
	for _, ending := range []string{".o", ".h", ".json", ".c", ".ll", ".s", ".out.dnn"} {
		x, err := os.ReadFile(a + ending)
		require.NoError(t, err)
		y, err := os.ReadFile(b + ending)
		require.NoError(t, err)
		assert.Equal(t, string(x), string(y), ending)
	}
}

func TestPrefixNamesEverySymbol(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	out := filepath.Join(t.TempDir(), "x.o")
	code, _, stderr := dnnctest.Run(t, "-images", "16", "-prefix", "eye", dnnctest.Small(t), "-target", "x86_64", "-o", out)
	require.Zero(t, code, stderr)
	f, err := elf.Open(out)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		if elf.ST_BIND(s.Info) == elf.STB_GLOBAL {
			assert.Regexp(t, "^eye_", s.Name)
		}
	}
	code, _, stderr = dnnctest.Run(t, "-prefix", "9eyes", dnnctest.Small(t), "-target", "x86_64", "-o", out)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "no C identifier")
}

func TestReportsAndDumps(t *testing.T) {
	dir, network := t.TempDir(), dnnctest.Small(t)
	code, stdout, stderr := dnnctest.Run(t, "-images", "16", "-report", "layers,accuracy,search,memory", "-n", "50", "-errors", "gaussian=0.1;fog-blend=0.2,0.4",
		"-dump-dir", dir, "-d=legalize/dump", "-stats", filepath.Join(dir, "stats.json"), network, "-target", "x86_64", "-emit", "c", "-o", filepath.Join(dir, "x.c"))
	require.Zero(t, code, stderr)
	for _, want := range []string{"conv1", "fog-blend", "the quantized network has", "; without overlaps at least", "dnn 1 after legalize"} {
		assert.Contains(t, stdout, want)
	}
	_, list, _ := dnnctest.Run(t, "-d=help")
	for i, line := range strings.Split(strings.TrimSpace(list), "\n") {
		assert.FileExists(t, filepath.Join(dir, fmt.Sprintf("%02d-%s.dnn", i+1, strings.Fields(line)[0])))
	}
	assert.FileExists(t, filepath.Join(dir, "stats.json"))

	for _, bad := range [][]string{{"-d=quantise/dump"}, {"-d=quantize"}, {"-report", "layer"}, {"-emit", "object"}, {"-start-after", "quantise"}} {
		code, _, stderr := dnnctest.Run(t, append(bad, network, "-target", "x86_64", "-o", filepath.Join(dir, "y.o"))...)
		assert.Equal(t, command.AtFault, code, bad)
		assert.NotEmpty(t, stderr)
		assert.NoFileExists(t, filepath.Join(dir, "y.o"))
	}
}

package main

import (
	"context"
	"debug/elf"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	library "github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestEveryInterfaceComputesTheSame runs objects as a whole and step by step: plain,
// with hooks, with weights in a section of their own, and with lent ones.
func TestEveryInterfaceComputesTheSame(t *testing.T) {
	need(t, "opt-19", "ld.lld-19")
	ctx := context.Background()
	for _, name := range []string{"x86_64", "armv7", "armv7em", "armv6m"} {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			if err := emu.Check(tgt); err != nil {
				t.Skip(err)
			}
			o := driver.Defaults()
			o.Input, o.Target, o.Images, o.Level, o.Budget.Bits, o.Rounding = lenet, name, 16, "universal", 3, "nearest"
			r, err := driver.Compile(ctx, o, &strings.Builder{}, &strings.Builder{})
			require.NoError(t, err)
			image := make([]byte, 28*28)
			for i := range image {
				image[i] = byte(i * 7)
			}
			var want []byte
			for _, set := range []func(c *library.Config){
				func(*library.Config) {}, func(c *library.Config) { c.Section = ".extflash" }, func(c *library.Config) { c.Hooks, c.Lend = true, true },
			} {
				b, err := program.New(ctx, r.With(set))
				require.NoError(t, err)
				defer b.Close()
				for _, mode := range []program.Mode{program.Whole, program.Stepped} {
					p, err := b.Link(ctx, mode)
					require.NoError(t, err)
					got, err := p.Run(ctx, [][]byte{image, image})
					require.NoError(t, err)
					require.Equal(t, []byte{0, 0}, got.Status, "mode %d, hooks %v, lend %v", mode, b.Result.Config.Hooks, b.Result.Config.Lend)
					if want == nil {
						want = got.Outputs[0]
					}
					assert.Equal(t, [][]byte{want, want}, got.Outputs)
				}
			}
		})
	}
}

// caller uses all that the header declares.
const caller = `#include "lenet5.h"
#include <stdio.h>
#include <string.h>
#define LENET5_CALLS 3
static int8_t in[LENET5_INPUT_BYTES], out[LENET5_OUTPUT_BYTES], other[LENET5_OUTPUT_BYTES];
#ifdef LENET5_ALIGNED
static lenet5_arena arena;
static lenet5_step_arena first, second;
#else
static union { uint64_t align; uint8_t bytes[LENET5_STEP_ARENA_BYTES]; } arena, first, second;
#endif
static const char *const names[] = LENET5_STEP_NAMES;
#ifdef HOOKS
static int before, behind, refuse = -1;
extern "C++LINK" int lenet5_hook(int32_t step, int32_t done);
int lenet5_hook(int32_t step, int32_t done) {
  if (done) behind++; else before++;
  return step == refuse ? 7 : 0;
}
#endif
#ifdef LENET5_WEIGHTS_BYTES
static union { uint64_t align; uint8_t bytes[LENET5_WEIGHTS_BYTES]; } weights;
#define WEIGHTS weights.bytes,
#else
#define WEIGHTS
#endif
int main(void) {
  int i, a = 1, b = 1;
#ifdef LENET5_WEIGHTS_BYTES
  FILE *f = fopen("lenet5.weights", "rb");
  if (lenet5_owns(&weights)) return 11;
  if (!f || fread(&weights, LENET5_WEIGHTS_BYTES, 1, f) != 1 || fgetc(f) != EOF) return 12;
  if (!lenet5_owns(&weights)) return 13;
#endif
  for (i = 0; i < LENET5_INPUT_BYTES; i++) in[i] = (int8_t)(i * 7);
  if (!lenet5_matches() || strlen((const char *)lenet5_content) != 64) return 1;
  if (strncmp((const char *)lenet5_version, "dnnc ", 5)) return 2;
  if (lenet5_run(in, out, WEIGHTS &arena)) return 3;
  /* Two runs at once, one step of each in turn. */
  if (lenet5_run_begin(&first) || lenet5_run_begin(&second)) return 4;
  while (a > 0 || b > 0) {
    if (a > 0) a = lenet5_run_step(in, other, WEIGHTS &first);
    if (b > 0) b = lenet5_run_step(in, other, WEIGHTS &second);
    if (a < 0 || a != b) return 5;
  }
  if (memcmp(out, other, sizeof out) || lenet5_run_step(in, other, WEIGHTS &first) != -1) return 6;
#ifdef HOOKS
  if (before != LENET5_CALLS * LENET5_STEPS || behind != before) return 7;
  refuse = 1;
  if (lenet5_run(in, out, WEIGHTS &arena) != 7) return 8;
  if (lenet5_run_begin(&first) || lenet5_run_step(in, out, WEIGHTS &first) <= 0 || lenet5_run_step(in, out, WEIGHTS &first) != -1) return 9;
  if (lenet5_run_step(in, out, WEIGHTS &first) != -1) return 10;
  refuse = -1;
  if (lenet5_run(in, out, WEIGHTS &arena)) return 3;
#endif
  for (i = 0; i < LENET5_OUTPUT_BYTES; i++) printf("%d ", out[i]);
  fprintf(stderr, "%d %s %.4f %d %d %d %d", lenet5_argmax(out), names[0], (double)lenet5_dequantize(out[0]),
          lenet5_quantize(-1.f), lenet5_quantize(.25f), lenet5_quantize(9.f), lenet5_quantize(.2f));
  return 0;
}
`

// TestHeaderInEveryLanguage compiles the caller against the object and against the C
// file, with all warnings, and runs it.
func TestHeaderInEveryLanguage(t *testing.T) {
	need(t, "gcc", "g++")
	want := answers(t)
	for _, c := range []struct {
		compiler, file string
		flags          []string
	}{
		{"gcc -std=c99 -pedantic", ".o", nil},
		{"gcc -std=c11 -pedantic", ".o", []string{"-hooks"}},
		{"g++ -std=c++11 -pedantic", ".o", []string{"-lend"}},
		{"g++ -std=c++98", ".o", []string{"-section", ".extflash", "-hooks"}},
		{"gcc -std=c17 -pedantic", ".c", []string{"-section", ".extflash"}},
		{"clang-19 -std=c11 -pedantic", ".c", []string{"-hooks", "-lend"}},
	} {
		t.Run(c.compiler+c.file, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(c.compiler)
			if _, err := exec.LookPath(words[0]); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			code, _, stderr := dnnc(t, append(c.flags, "-O", "universal", "-bits", "3", "-rounding", "nearest", "-images", "32", lenet, "-target", "x86_64", "-emit", "obj,c", "-o", filepath.Join(dir, "lenet5.o"))...)
			require.Zero(t, code, stderr)
			link := ""
			if words[0] == "g++" {
				link = `extern "C"`
			}
			text := strings.ReplaceAll(caller, `extern "C++LINK"`, link)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(text), 0o644))
			args := append(words[1:], "-Wall", "-Wextra", "-Wconversion", "-Werror", "main.c")
			if words[0] == "g++" {
				args = append(args, "-x", "none")
			}
			if strings.Contains(strings.Join(c.flags, " "), "-hooks") {
				args = append(args, "-DHOOKS")
			}
			tool(t, dir, words[0], append(args, "lenet5"+c.file, "-o", "run")...)
			cmd := exec.Command("./run")
			cmd.Dir = dir
			var told strings.Builder
			cmd.Stderr = &told
			got, err := cmd.Output()
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			assert.Regexp(t, `^\d conv1 -?\d+\.\d+ -128 -64 127 -77$`, told.String())
		})
	}
}

// TestWhatInterfacesAsk holds objects to what they ask of a linker.
func TestWhatInterfacesAsk(t *testing.T) {
	need(t, "opt-19")
	dir := t.TempDir()
	sizes := map[string]int64{}
	build := func(flags ...string) (*elf.File, []string) {
		out := filepath.Join(dir, "lenet5.o")
		code, _, stderr := dnnc(t, append(flags, "-images", "16", lenet, "-target", "armv7em", "-o", out)...)
		require.Zero(t, code, stderr)
		f, err := elf.Open(out)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		content, err := os.ReadFile(out)
		require.NoError(t, err)
		undefined, err := llvm.Undefined(content)
		require.NoError(t, err)
		sizes[strings.Join(flags, " ")] = int64(len(content))
		return f, undefined
	}
	_, undefined := build()
	assert.Empty(t, undefined)
	_, undefined = build("-hooks")
	assert.Equal(t, []string{"lenet5_hook"}, undefined)
	f, undefined := build("-section", ".extflash")
	assert.Empty(t, undefined)
	const weights = 500 + 25000 + 400000 + 5000
	s := f.Section(".extflash")
	require.NotNil(t, s)
	assert.EqualValues(t, elf.SHF_ALLOC, s.Flags&(elf.SHF_ALLOC|elf.SHF_WRITE|elf.SHF_EXECINSTR))
	assert.InDelta(t, weights, s.Size, 64)
	build("-lend")
	assert.Greater(t, sizes[""], sizes["-lend"]+weights)
	lent, err := os.ReadFile(filepath.Join(dir, "lenet5.weights"))
	require.NoError(t, err)
	assert.InDelta(t, weights+72, len(lent), 64)
	header, err := os.ReadFile(filepath.Join(dir, "lenet5.h"))
	require.NoError(t, err)
	assert.Contains(t, string(header), string(lent[:64]), "the content hash")

	for want, flags := range map[string][]string{
		"a name as .extflash": {"-section", "a b"},
		"one of the two":      {"-section", ".x", "-lend"},
		"beside the output":   {"-lend", "-emit", "c", "-o", "-"},
	} {
		code, _, stderr := dnnc(t, append(flags, lenet, "-target", "armv7em")...)
		assert.Equal(t, atFault, code)
		assert.Contains(t, stderr, want)
	}
}

// TestSeveralInputs takes a network of an image and a vector through data, search,
// header and target.
func TestSeveralInputs(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, encode func(io.Writer, []weights.Tensor) error, tensors ...weights.Tensor) {
		f, err := os.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, encode(f, tensors))
		require.NoError(t, f.Close())
	}
	rng := rand.New(rand.NewPCG(1, 1))
	tensor := func(name string, low, high float32, shape ...int) weights.Tensor {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = low + (high-low)*rng.Float32()
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
	}
	write("two.safetensors", weights.WriteSafetensors, tensor("conv.weight", -1, 1, 4, 1, 3, 3), tensor("sense.weight", -1, 1, 6, 3), tensor("fc.weight", -1, 1, 3, 10))
	images, sensors := tensor("image", 0, 1, 60, 1, 8, 8), tensor("int", -2, 2, 60, 3)
	write("two.npz", weights.WriteNPZ, images, sensors)
	write("one.npz", weights.WriteNPZ, images)
	require.NoError(t, os.WriteFile(path("two.dnn"), []byte(`tensors "two.safetensors"
network two(image: f32[1,8,8] in [0,1], int: f32[3] in [-2,2]) -> f32[3], f32[6] {
  conv = conv2d(image, filters: 4, kernel: 3)
  pooled = flatten(globalavgpool(relu(conv)))
  sense = linear(int, units: 6)
  both = concat(pooled, relu(sense))
  fc = linear(both, units: 3)
  return fc, sense
}
`), 0o644))
	given := []string{"-calib", path("two.npz"), "-data", path("two.npz"), "-images", "40"}
	for _, target := range []string{"x86_64", "armv7em"} {
		for _, level := range [][]string{{"-O", "int8"}, {"-O", "universal", "-bits", "3"}} {
			code, stdout, stderr := dnnc(t, append(append([]string{"verify", path("two.dnn"), "-target", target, "-n", "20"}, given...), level...)...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "20 of 20 test images and 8 of 8 adversarial inputs bit-exact")
		}
	}
	text, err := os.ReadFile(path("two.dnn"))
	require.NoError(t, err)
	oneResult := strings.NewReplacer("network two", "network single", ", f32[6] {", " {", "return fc, sense", "return fc").Replace(string(text))
	require.NoError(t, os.WriteFile(path("single.dnn"), []byte(oneResult), 0o644))
	code, stdout, stderr := dnnc(t, append([]string{"verify", path("single.dnn"), "-target", "armv7em", "-n", "20", "-O", "robust", "-task", "classes", "-bits", "3", "-formats", "odd"}, given...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "20 of 20 test images and 8 of 8 adversarial inputs bit-exact")
	code, stdout, stderr = dnnc(t, append([]string{"eval", path("single.dnn"), "-task", "classes", "-errors", "gaussian=0.1;light=0.2"}, given...)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "NO LABELS")
	code, _, stderr = dnnc(t, append([]string{path("two.dnn"), "-target", "armv7em", "-emit", "c,obj", "-o", path("two.o")}, given...)...)
	require.Zero(t, code, stderr)
	header, err := os.ReadFile(path("two.h"))
	require.NoError(t, err)
	assert.Contains(t, string(header), "int two_run(const int8_t *image, const int8_t *int_, int8_t *fc, int8_t *sense, void *arena);")
	assert.Contains(t, string(header), "#define TWO_INPUT1_BYTES 3 /* int: i8[3] */")
	for _, bad := range []struct{ args, want string }{
		{"-calib " + path("one.npz"), "no array int; there are image, the network's inputs are image int"},
		{"-calib ../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz", "an npz with an array named like each"},
	} {
		code, _, stderr := dnnc(t, append([]string{path("two.dnn"), "-target", "armv7em", "-o", path("bad.o")}, strings.Fields(bad.args)...)...)
		assert.Equal(t, atFault, code)
		assert.Contains(t, stderr, bad.want)
	}
	code, _, stderr = dnnc(t, "eval", path("single.dnn"), "-task", "classes", "-plane", path("p.png"))
	assert.Equal(t, atFault, code)
	assert.Contains(t, stderr, "this network has 2 inputs")
}

package driver_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

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
  /* No run has begun in memory of zeros, in what another run left, and in a copy. */
  memset(&first, 0, sizeof first);
  if (lenet5_run_step(in, other, WEIGHTS &first) != -1) return 11;
  if (lenet5_run_begin(&first)) return 12;
  memcpy(&second, &first, sizeof first);
  if (lenet5_run_step(in, other, WEIGHTS &second) != -1) return 13;
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
	dnnctest.Need(t, "gcc", "g++")
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
			dir, emit := t.TempDir(), map[string]string{".o": "obj", ".c": "c"}[c.file]
			code, _, stderr := dnnctest.Run(t, append(c.flags, "-O", "universal", "-bits", "3", "-rounding", "nearest", "-images", "32", dnnctest.Small(t), "-target", "x86_64", "-emit", emit, "-o", filepath.Join(dir, "lenet5"+c.file))...)
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
			dnnctest.Tool(t, dir, words[0], append(args, "lenet5"+c.file, "-o", "run")...)
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
	dnnctest.Need(t, "opt-19")
	dir, small := t.TempDir(), dnnctest.Small(t)
	sizes := map[string]int64{}
	build := func(flags ...string) (*elf.File, []string) {
		out := filepath.Join(dir, "lenet5.o")
		code, _, stderr := dnnctest.Run(t, append(flags, "-images", "16", small, "-target", "armv7em", "-o", out)...)
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
	const weights = dnnctest.SmallWeights
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
		code, _, stderr := dnnctest.Run(t, append(flags, small, "-target", "armv7em")...)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, want)
	}
}

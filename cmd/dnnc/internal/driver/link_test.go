package driver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestObjectLinksIntoFirmware links one object into firmware of every calling
// convention of a Cortex-M4, and runs it.
func TestObjectLinksIntoFirmware(t *testing.T) {
	dnnctest.Need(t, "arm-none-eabi-gcc", "qemu-system-arm")
	want := answers(t)
	base := object(t, "armv7em")
	dir := filepath.Dir(base)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(firmware), 0o644))
	for _, name := range []string{"start.c", "board.ld"} {
		text, err := os.ReadFile("../project/templates/firmware/" + name + ".tmpl")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	for _, abi := range [][]string{
		{"-mfloat-abi=soft"}, {"-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16"}, {"-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"},
	} {
		for _, sections := range []string{"-Wl,--gc-sections", "-Wl,--no-gc-sections"} {
			t.Run(abi[0]+sections, func(t *testing.T) {
				args := append([]string{"-O1", "-mcpu=cortex-m4", "-mthumb", "--specs=rdimon.specs", "-nostartfiles", "-T", "board.ld", sections,
					"-Wl,--defsym=flash_at=0,--defsym=flash_len=0x400000,--defsym=ram_at=0x20000000,--defsym=ram_len=0x400000",
					"-I", dir, "start.c", "main.c", base + ".o", "-o", "firmware.elf"}, abi...)
				dnnctest.Tool(t, dir, "arm-none-eabi-gcc", args...)
				got := dnnctest.Tool(t, dir, "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
					"-semihosting-config", "enable=on,target=native", "-kernel", "firmware.elf")
				assert.Equal(t, want, got)
			})
		}
	}
}

// TestObjectLinksWithOtherTools links with clang and lld, and as a shared library.
func TestObjectLinksWithOtherTools(t *testing.T) {
	dnnctest.Need(t, "gcc", "clang-19", "ld.lld-19")
	want := answers(t)
	base := object(t, "x86_64")
	dir := filepath.Dir(base)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(firmware), 0o644))
	for _, cc := range [][]string{
		{"clang-19", "-fPIE", "-pie"}, {"clang-19", "-fuse-ld=lld", "-Wl,--gc-sections"}, {"clang-19", "-fuse-ld=lld", "-fPIE", "-pie", "-Wl,-z,text"}, {"clang-19", "-flto", "-fuse-ld=lld"},
	} {
		t.Run(strings.Join(cc, " "), func(t *testing.T) {
			dnnctest.Tool(t, dir, cc[0], append(cc[1:], "-O1", "main.c", base+".o", "-o", "run")...)
			assert.Equal(t, want, dnnctest.Tool(t, dir, "./run"))
		})
	}
	t.Run("shared", func(t *testing.T) {
		dnnctest.Tool(t, dir, "gcc", "-shared", "-Wl,-z,text,-z,defs", "-o", "libnet.so", base+".o")
		dnnctest.Tool(t, dir, "gcc", "-O1", "main.c", "-L.", "-lnet", "-Wl,-rpath,.", "-o", "run")
		assert.Equal(t, want, dnnctest.Tool(t, dir, "./run"))
	})
	t.Run("arm", func(t *testing.T) {
		dnnctest.Need(t, "arm-linux-gnueabihf-gcc", "qemu-arm")
		base := object(t, "armv7")
		dir := filepath.Dir(base)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(firmware), 0o644))
		dnnctest.Tool(t, dir, "clang-19", "--target=arm-linux-gnueabihf", "-mcpu=cortex-a7", "-fuse-ld=lld", "-static", "-O1", "main.c", base+".o", "-o", "run")
		assert.Equal(t, want, dnnctest.Tool(t, dir, "qemu-arm", "-cpu", "cortex-a7", "./run"))
	})
}

// threads runs two networks in two threads each, with arenas of their own and at
// unaligned pointers, and compares every answer with the first.
const threads = `#include "lenet5.h"
#include "eye.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
static void run(int eye, int8_t *out) {
  int8_t *in = (int8_t *)malloc(LENET5_INPUT_BYTES + 1) + 1, *to = (int8_t *)malloc(LENET5_OUTPUT_BYTES + 1) + 1;
  void *arena = malloc(LENET5_ARENA_BYTES + EYE_ARENA_BYTES);
  for (int i = 0; i < LENET5_INPUT_BYTES; i++) in[i] = (int8_t)(i * 7);
  if (eye ? eye_run(in, to, arena) : lenet5_run(in, to, arena)) abort();
  memcpy(out, to, LENET5_OUTPUT_BYTES);
  free(in - 1), free(to - 1), free(arena);
}
static int8_t first[2][LENET5_OUTPUT_BYTES];
static void *thread(void *which) {
  for (int i = 0; i < 50; i++) {
    int8_t out[LENET5_OUTPUT_BYTES];
    run(which != 0, out);
    if (memcmp(out, first[which != 0], sizeof out)) abort();
  }
  return 0;
}
int main(void) {
  pthread_t t[4];
  run(0, first[0]), run(1, first[1]);
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, thread, i & 1 ? first : 0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  for (int i = 0; i < LENET5_OUTPUT_BYTES; i++) printf("%d ", first[0][i]);
  return memcmp(first[0], first[1], sizeof first[0]) == 0;
}
`

func TestTwoNetworksAndTwoThreads(t *testing.T) {
	want := answers(t)
	for _, c := range []struct {
		target string
		cc     []string
		run    []string
	}{
		{"x86_64", []string{"gcc"}, []string{"./run"}},
		{"armv7", []string{"arm-linux-gnueabihf-gcc", "-static"}, []string{"qemu-arm", "-cpu", "cortex-a7", "./run"}},
	} {
		t.Run(c.target, func(t *testing.T) {
			dnnctest.Need(t, c.cc[0], c.run[0])
			base := object(t, c.target)
			dir := filepath.Dir(base)
			code, _, stderr := dnnctest.Run(t, "-images", "16", "-prefix", "eye", dnnctest.Small(t), "-target", c.target, "-o", filepath.Join(dir, "eye.o"))
			require.Zero(t, code, stderr)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(threads), 0o644))
			dnnctest.Tool(t, dir, c.cc[0], append(c.cc[1:], "-O1", "-Wall", "-Werror", "-pthread", "main.c", base+".o", "eye.o", "-o", "run")...)
			assert.Equal(t, want, dnnctest.Tool(t, dir, c.run[0], c.run[1:]...))
		})
	}
}

// parallel runs a network by a function with threads: without a function of the caller, by threads
// of which each takes the next part, and with the parts in the opposite order. The answers are those of run.
const parallel = `#include "lenet5.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
struct team { pthread_mutex_t lock; int32_t next, parts; void (*part)(void *, int32_t); void *work; };
static int calls;
static void *member(void *p) {
  struct team *t = (struct team *)p;
  for (;;) {
    pthread_mutex_lock(&t->lock);
    int32_t i = t->next++;
    pthread_mutex_unlock(&t->lock);
    if (i >= t->parts) return 0;
    t->part(t->work, i);
  }
}
static void together(void *context, int32_t parts, void (*part)(void *work, int32_t i), void *work) {
  struct team t = {PTHREAD_MUTEX_INITIALIZER, 0, parts, part, work};
  pthread_t other[LENET5_THREADS - 1];
  if (context != &calls || parts > LENET5_THREADS) abort();
  calls++;
  for (int i = 0; i < LENET5_THREADS - 1; i++) pthread_create(&other[i], 0, member, &t);
  member(&t);
  for (int i = 0; i < LENET5_THREADS - 1; i++) pthread_join(other[i], 0);
}
static void backwards(void *context, int32_t parts, void (*part)(void *work, int32_t i), void *work) {
  (void)context;
  while (parts-- > 0) part(work, parts);
}
int main(void) {
  static lenet5_arena arena;
  static int8_t in[LENET5_INPUT_BYTES], want[LENET5_OUTPUT_BYTES], out[LENET5_OUTPUT_BYTES];
  const lenet5_parallel by[] = {0, together, backwards};
  for (int i = 0; i < LENET5_INPUT_BYTES; i++) in[i] = (int8_t)(i * 7);
  if (lenet5_run(in, want, &arena)) abort();
  for (int i = 0; i < 60; i++) {
    memset(&arena, i, sizeof arena), memset(out, i, sizeof out);
    if (lenet5_run_threads(in, out, &arena, by[i % 3], &calls) || memcmp(out, want, sizeof out)) abort();
  }
  for (int i = 0; i < LENET5_OUTPUT_BYTES; i++) printf("%d ", want[i]);
  return calls == 0;
}
`

// TestParallelRun: an object of -threads runs by threads of a C program, has the answers of an object without,
// and asks for nothing but what it is given.
func TestParallelRun(t *testing.T) {
	want := answers(t)
	for _, c := range []struct {
		target string
		cc     []string
		run    []string
	}{
		{"x86_64", []string{"gcc"}, []string{"./run"}},
		{"armv7", []string{"arm-linux-gnueabihf-gcc", "-static"}, []string{"qemu-arm", "-cpu", "cortex-a7", "./run"}},
	} {
		t.Run(c.target, func(t *testing.T) {
			dnnctest.Need(t, c.cc[0], c.run[0])
			dir := t.TempDir()
			base := filepath.Join(dir, "lenet5")
			code, _, stderr := dnnctest.Run(t, "-O", "universal", "-bits", "3", "-rounding", "nearest", "-images", "32", "-threads", "3", dnnctest.Small(t), "-target", c.target, "-o", base+".o")
			require.Zero(t, code, stderr)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(parallel), 0o644))
			dnnctest.Tool(t, dir, c.cc[0], append(c.cc[1:], "-O1", "-Wall", "-Werror", "-pthread", "main.c", base+".o", "-o", "run")...)
			assert.Equal(t, want, dnnctest.Tool(t, dir, c.run[0], c.run[1:]...))
		})
	}
}

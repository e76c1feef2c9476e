package driver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestDefaultLimits: a build that is searched is compared with int8; where a budget leaves no
// formats as fast, it warns once, with both figures; what the user says of cycles and RAM
// counts; and what a build aimed at is found again from its certificate and from its dumps.
func TestDefaultLimits(t *testing.T) {
	network := dnnctest.Small(t)
	build := func(args ...string) (code int, stderr, object string) {
		object = filepath.Join(t.TempDir(), "net.c")
		code, _, stderr = dnnctest.Run(t, append([]string{network, "-target", "armv7em", "-O", "robust", "-images", "16", "-emit", "c", "-o", object}, args...)...)
		return code, stderr, object
	}
	slow := []string{"-formats", "odd7", "-bits", "7"} // of two planes and more, none of which a product reads whole

	code, stderr, _ := build(slow...)
	require.Zero(t, code, stderr)
	unit := "estimated cycles"
	if _, err := llvm.Find(""); err == nil {
		unit = "instructions"
	}
	assert.Regexp(t, `warning: \[above-int8\] on armv7em the network takes \d+ `+unit+` and an arena of \d+ bytes, int8 \d+ and \d+ bytes\n`, stderr)
	assert.Regexp(t, `armv7em +flash +arena and stack +`+unit, stderr)
	assert.Regexp(t, `int8 +- +- +\d+`, stderr, "without LLVM, code and stack are not known")

	code, stderr, _ = build(append(slow, "-cycles", "free", "-ram", "free")...)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stderr, "above-int8")
	code, stderr, _ = build(append(slow, "-cycles", "1x")...)
	assert.Equal(t, command.AtFault, code)
	assert.Regexp(t, `the least possible is -cycles [0-9.]+x`, stderr)
	code, stderr, _ = build(append(slow, "-ram", "1")...)
	assert.Equal(t, command.AtFault, code)
	assert.Regexp(t, `the least possible in the chosen formats is -ram \d+`, stderr)

	// Flash is known with LLVM, and compared as well.
	if _, err := llvm.Find(""); err == nil {
		object := filepath.Join(t.TempDir(), "net.o")
		code, _, stderr := dnnctest.Run(t, append([]string{network, "-target", "armv7em", "-O", "robust", "-images", "16", "-o", object, "-cycles", "free", "-ram", "free"}, slow...)...)
		require.Zero(t, code, stderr)
		row := regexp.MustCompile(`(?m)^ +(\S+) +(\d+) +\d+ +\d+$`).FindAllStringSubmatch(stderr, -1)
		require.Len(t, row, 2, stderr)
		int8Flash, err := strconv.Atoi(row[0][2])
		require.NoError(t, err)
		own, err := strconv.Atoi(row[1][2])
		require.NoError(t, err)
		assert.Equal(t, own > int8Flash, strings.Contains(stderr, fmt.Sprintf("[above-int8] on armv7em the network takes %d bytes of flash, int8 %d bytes", own, int8Flash)), stderr)
		t.Logf("flash of int8 %d, of 7 bits %d", int8Flash, own)
	}

	code, stderr, object := build("-bits", "8", "-cycles", "1x", "-ram", "1MiB")
	require.Zero(t, code, stderr)
	assert.NotContains(t, stderr, "above-int8", "int8 is a choice, too")
	dnnctest.Succeed(t, "verify", object, "-n", "2")

	// A dump after the search compiles to the same plan within the same memory.
	dump, again := filepath.Join(t.TempDir(), "net.dnn"), filepath.Join(t.TempDir(), "net.c")
	code, _, stderr = dnnctest.Run(t, network, "-target", "armv7em", "-O", "robust", "-images", "16", "-bits", "8", "-cycles", "1x", "-ram", "1MiB", "-stop-after", "robust", "-emit", "ir", "-o", dump)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnctest.Run(t, dump, "-target", "armv7em", "-ram", "1MiB", "-emit", "c", "-o", again)
	require.Zero(t, code, stderr)
	arena := func(path string) int {
		raw, err := os.ReadFile(path[:len(path)-1] + "json")
		require.NoError(t, err)
		c, err := certificate.Parse(raw)
		require.NoError(t, err)
		return c.ArenaBytes
	}
	assert.Equal(t, arena(object), arena(again))
}

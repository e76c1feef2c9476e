package driver_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// chosen is the line of a report of the search that is marked, and what it says.
var chosen = regexp.MustCompile(`(?m)^  \* .*retention ([0-9.]+)\s+([0-9]+) `)

// TestKeep: the network that is shipped was measured to keep what it should, and to keep
// less takes no more bytes.
func TestKeep(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	build := func(args ...string) (retention, bytes float64) {
		args = append([]string{path("classes.dnn"), "-calib", path("data.npz"), "-data", path("data.npz"), "-target", "armv7em", "-O", "robust", "-formats", "odd", "-images", "40", "-errors", "gaussian=0.1", "-n", "20", "-seed", "2",
			"-report", "search", "-emit", "ir", "-o", filepath.Join(t.TempDir(), "out.dnn")}, args...)
		code, stdout, stderr := dnnctest.Run(t, args...)
		require.Zero(t, code, stderr)
		found := chosen.FindStringSubmatch(stdout)
		require.NotNil(t, found, stdout)
		retention, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		bytes, err = strconv.ParseFloat(found[2], 64)
		require.NoError(t, err)
		return retention, bytes
	}
	retention, much := build("-keep", "0.99")
	assert.GreaterOrEqual(t, retention, .99)
	retention, little := build("-keep", "0.9")
	assert.GreaterOrEqual(t, retention, .9)
	assert.LessOrEqual(t, little, much)
	retention, _ = build("-keep", "0.95", "-search", "universal")
	assert.GreaterOrEqual(t, retention, .95)
	retention, pinned := build("-keep", "0.5", "-fix", "conv=4,fc=3")
	assert.GreaterOrEqual(t, retention, .5)
	assert.Equal(t, 54./2+648*3./8, pinned)
}

// TestImpossibleBudgets are refused before anything is measured, which a checkpoint would
// show, with the nearest possible one.
func TestImpossibleBudgets(t *testing.T) {
	network := dnnctest.Small(t)
	for _, search := range []string{"qed", "qstar", "greedy", "fisher"} {
		for want, budget := range map[string][]string{
			"the least possible is -bits":   {"-bits", "0.01"},
			"the least possible is -size":   {"-size", "500"},
			"the least possible is -cycles": {"-cycles", "0.01x"},
			"the greatest possible":         {"-ratio", "1000"},
		} {
			dir := t.TempDir()
			args := append([]string{network, "-target", "armv7em", "-O", "robust", "-images", "16", "-search", search,
				"-checkpoint", filepath.Join(dir, "table"), "-o", filepath.Join(dir, "out.o")}, budget...)
			code, _, stderr := dnnctest.Run(t, args...)
			assert.Equal(t, command.AtFault, code, "%s %v", search, budget)
			assert.Contains(t, stderr, want)
			assert.NoFileExists(t, filepath.Join(dir, "table"))
		}
	}
}

// TestMemoryIsNoSearch: a bound on the arena asks for no other widths.
func TestMemoryIsNoSearch(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.dnn")
	code, _, stderr := dnnctest.Run(t, dnnctest.Small(t), "-target", "armv7em", "-images", "16", "-emit", "ir", "-o", out)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnctest.Run(t, out, "-target", "armv7em", "-ram", "64KiB", "-emit", "ir", "-o", filepath.Join(t.TempDir(), "again.dnn"))
	require.Zero(t, code, stderr)
}

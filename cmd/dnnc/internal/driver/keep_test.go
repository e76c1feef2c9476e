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
)

// chosen is the line of a report of the search that is marked, and what it says.
var chosen = regexp.MustCompile(`(?m)^  \* .*?(?:retention ([0-9.]+))?(?:, keeps [0-9.]+)?\s+([0-9]+) `)

// kept is what is said of a promise, and of an aim.
var (
	kept  = regexp.MustCompile(`(?m)^keeps ([0-9.]+): estimate ([0-9.]+), at least ([0-9.]+) \(95 %, ([0-9]+) held-out images of -calib\); fitted on ([0-9]+), chosen by ([0-9]+), judged by ([0-9]+) images`)
	aimed = regexp.MustCompile(`(?m)^estimate ([0-9.]+), at least ([0-9.]+) \(95 %, ([0-9]+) held-out images of -calib\); aimed at 0.99, fitted on ([0-9]+), chosen by ([0-9]+), judged by ([0-9]+) images`)
)

func numbers(t *testing.T, list []string) (out []float64) {
	for _, s := range list {
		x, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		out = append(out, x)
	}
	return out
}

// TestKeep: a network that is promised to keep a share is shown to; one that a share is
// aimed at for has it by its estimate; to keep less takes no more bytes. "keeps" is said of
// a promise alone.
func TestKeep(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	build := func(args ...string) (stdout, stderr string, bytes float64) {
		args = append([]string{path("classes.dnn"), "-calib", path("data.npz"), "-data", path("data.npz"), "-target", "armv7em", "-O", "robust", "-formats", "odd", "-errors", "gaussian=0.1", "-n", "20", "-seed", "10",
			"-report", "search", "-emit", "ir", "-o", filepath.Join(t.TempDir(), "out.dnn")}, args...)
		code, stdout, stderr := dnnctest.Run(t, args...)
		require.Zero(t, code, stderr)
		found := chosen.FindStringSubmatch(stdout)
		require.NotNil(t, found, stdout)
		return stdout, stderr, numbers(t, found[2:])[0]
	}
	stdout, stderr, most := build()
	found := chosen.FindStringSubmatch(stdout)
	assert.GreaterOrEqual(t, numbers(t, found[1:2])[0], .99, "by the images that chose it")
	said := aimed.FindStringSubmatch(stderr)
	require.NotNil(t, said, stderr)
	assert.Equal(t, []float64{16, 48, 16, 16}, numbers(t, said[3:]), "of 80 images")
	assert.NotContains(t, stdout+stderr, "keeps")

	for _, c := range []struct{ keep, bytes float64 }{{.45, most * 1.27}, {.3, most}} {
		stdout, stderr, little := build("-keep", fmt.Sprint(c.keep))
		said = kept.FindStringSubmatch(stderr)
		require.NotNil(t, said, stderr)
		figures := numbers(t, said[1:])
		assert.Equal(t, []float64{48, 20, 12, 48}, figures[3:])
		assert.Equal(t, c.keep, figures[0])
		assert.GreaterOrEqual(t, figures[1], figures[2])
		assert.GreaterOrEqual(t, figures[2], c.keep)
		assert.LessOrEqual(t, little, c.bytes)
		assert.Regexp(t, `(?m)^ +tested +bytes +estimate +at least \(95 %\) *$`, stdout)
		assert.Contains(t, stdout, "passed")
	}
	_, _, pinned := build("-keep", "0.4", "-fix", "conv=4,fc=3")
	assert.Equal(t, 54./2+648*3./8, pinned)
}

// TestKeepIsRefused where it cannot be shown: exit 1 with the figures and what would
// decide, and nothing is written.
func TestKeepIsRefused(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"few images": {[]string{"-O", "robust", "-keep", "0.99", "-calib", path("data.npz")},
			[]string{"-keep 0.99: no network was shown to keep this share: estimate ", "fitted on 20, chosen by 12, judged by 48 images", "images that judge would decide"}},
		"noise":      {[]string{"-O", "robust", "-keep", "0.5"}, []string{"-keep 0.5: no images to show it on", "give -calib"}},
		"int8":       {[]string{"-keep", "0.9", "-calib", path("data.npz")}, []string{"-keep is what a search must keep, and -O int8 is none", "-O robust -keep 0.9"}},
		"a size too": {[]string{"-O", "robust", "-keep", "0.9", "-bits", "3", "-calib", path("data.npz")}, []string{"-keep chooses the size of the network, which -bits, -size or -ratio give"}},
	} {
		dir := t.TempDir()
		args := append([]string{path("classes.dnn"), "-target", "armv7em", "-formats", "odd", "-errors", "gaussian=0.1", "-seed", "10", "-o", filepath.Join(dir, "out.o")}, c.args...)
		code, _, stderr := dnnctest.Run(t, args...)
		assert.Equal(t, command.AtFault, code, name)
		for _, w := range c.want {
			assert.Contains(t, stderr, w, name)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left, name)
	}
	// What calibrated a dump may be what would judge it.
	dump := path("calibrated.dnn")
	code, _, stderr := dnnctest.Run(t, path("classes.dnn"), "-target", "armv7em", "-calib", path("data.npz"), "-stop-after", "calibrate", "-emit", "ir", "-o", dump)
	require.Zero(t, code, stderr)
	code, _, stderr = dnnctest.Run(t, dump, "-target", "armv7em", "-O", "robust", "-keep", "0.4", "-calib", path("data.npz"), "-o", path("out.o"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "-keep 0.4: the network was calibrated already")
}

// TestDumpOfOtherImages: a dump knows by which images it was calibrated, and others are
// warned of; its object does not depend on it.
func TestDumpOfOtherImages(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dump, again := path("first.dnn"), path("second.dnn")
	compile := func(args ...string) (stderr string) {
		code, _, stderr := dnnctest.Run(t, append(args, "-target", "armv7em", "-emit", "ir")...)
		require.Zero(t, code, stderr)
		return stderr
	}
	compile(path("classes.dnn"), "-calib", path("data.npz"), "-o", dump)
	text, err := os.ReadFile(dump)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^data calibrated "[0-9a-f]{64}"$`, string(text))
	for calib, want := range map[string]bool{"data.npz": false, "labelled.npz": true, "": false} {
		args := []string{dump, "-o", again}
		if calib != "" {
			args = append(args, "-calib", path(calib))
		}
		stderr := compile(args...)
		assert.Equal(t, want, strings.Contains(stderr, "warning: [other-images] the dump was calibrated on other images than -calib labelled.npz"), "%q: %s", calib, stderr)
		copied, err := os.ReadFile(again)
		require.NoError(t, err)
		assert.Equal(t, string(text), string(copied), "it still says by which")
	}
	compile(path("classes.dnn"), "-o", again)
	text, err = os.ReadFile(again)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "calibrated", "on noise")
	require.NoError(t, os.WriteFile(again, []byte("data calibrated \"12\"\n"+string(text)), 0o644))
	code, _, stderr := dnnctest.Run(t, again, "-target", "armv7em", "-emit", "ir", "-o", path("third.dnn"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "64 hex digits")
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

package command_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

func TestDisturbWritesWhatItReads(t *testing.T) {
	dir := t.TempDir()
	images := dnnctest.TestImages
	step := func(args ...string) {
		code, _, stderr := dnnctest.Run(t, append([]string{"disturb"}, args...)...)
		require.Zero(t, code, stderr)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	step("-errors", "gaussian=0", images, "-n", "5", "-o", file("t10k-images-idx3-ubyte.gz"))
	step("-errors", "gaussian=0", file("t10k-images-idx3-ubyte.gz"), "-o", file("a.npz"))
	step("-errors", "gaussian=0", file("a.npz"), "-o", file("pictures")+"/")
	step("-errors", "gaussian=0", file("pictures"), "-o", file("b.npz"))
	// The folder deals the classes out in turn; the pictures are the same.
	step("-errors", "gaussian=0", file("b.npz"), "-o", file("again")+"/")
	for _, name := range []string{file("pictures"), file("again")} {
		list, err := filepath.Glob(filepath.Join(name, "*", "*.png"))
		require.NoError(t, err)
		assert.Len(t, list, 5)
	}
	code, stdout, stderr := dnnctest.Run(t, "eval", dnnctest.Lenet, "-images", "16", "-errors", "none", "-csv", "-data", file("pictures"))
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"network", "kind", "size", "accuracy", "stderr", "retention", "retention_stderr"}, rows[0])
	require.Len(t, rows, 1+2*2)
	for _, row := range rows[1:3] {
		assert.Equal(t, []string{"float", "", ""}, []string{row[0], row[5], row[6]})
	}
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return x
	}
	assert.Equal(t, "clean", rows[3][1])
	assert.InDelta(t, number(rows[3][3])/number(rows[1][3]), number(rows[3][5]), 1e-9, "what the quantized network keeps of the float one's")
	assert.Equal(t, "mean", rows[4][1])
	assert.NotEmpty(t, rows[4][6])
}

// TestDisturbSparesItsInput: what is disturbed, and the labels beside it, stay.
func TestDisturbSparesItsInput(t *testing.T) {
	dir := t.TempDir()
	images, labels := filepath.Join(dir, "t10k-images-idx3-ubyte"), filepath.Join(dir, "t10k-labels-idx1-ubyte")
	code, _, stderr := dnnctest.Run(t, "disturb", "-errors", "fog=0.5", dnnctest.TestImages, "-n", "5", "-o", images)
	require.Zero(t, code, stderr)
	before, err := os.ReadFile(images)
	require.NoError(t, err)
	require.NoError(t, os.Link(images, filepath.Join(dir, "other-images-idx3-ubyte")))
	for _, to := range []string{images, filepath.Join(dir, ".", "t10k-images-idx3-ubyte"), filepath.Join(dir, "other-images-idx3-ubyte")} {
		code, _, stderr = dnnctest.Run(t, "disturb", "-errors", "fog=0.5", images, "-n", "2", "-o", to)
		assert.Equal(t, command.BadUsage, code, to)
		assert.Contains(t, stderr, "would be written over")
	}
	after, err := os.ReadFile(images)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.FileExists(t, labels)
}

// TestUseIsCheckedFirst: what a user forgot or mistyped is said before long work.
func TestUseIsCheckedFirst(t *testing.T) {
	road := dnnctest.Root + "/testdata/pictures/road.png"
	for want, args := range map[string][]string{
		"no -o":                         {"disturb", "-errors", "snow=0.5", road},
		"no -errors":                    {"disturb", road, "-o", "x.png"},
		"without -network items are in": {"disturb", "-errors", "snow=0.5", "-range", "x=0,255", road, "-o", "x.png"},
		"its ending is none of .png":    {"disturb", "-sheet", "x.jpg", road},
		"its ending is none of .png .s": {"eval", dnnctest.Lenet, "-plane", "x.pdf"},
		"-plane missing/x.png: no such": {"eval", dnnctest.Lenet, "-plane", "missing/x.png"},
		"under no errors":               {"eval", dnnctest.Lenet, "-boundary", "-errors", "none", "-images", "16"},
	} {
		code, _, stderr := dnnctest.Run(t, args...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
	}
	code, _, stderr := dnnctest.Run(t, "disturb", "-errors", " ", road, "-o", "x.png")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "it names no error: none says")
	code, _, stderr = dnnctest.Run(t, "disturb")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "takes one file")
}

// TestReadmeListsErrors holds the README of this folder to dnnc help errors, which
// -errors help prints, too.
func TestReadmeListsErrors(t *testing.T) {
	code, want, stderr := dnnctest.Run(t, "help", "errors")
	require.Zero(t, code, stderr)
	rowsAreWhole(t, want)
	generated(t, dnnctest.Root+"/cmd/dnnc/README.md", "errors", "ReadmeListsErrors", want)
	code, stdout, _ := dnnctest.Run(t, "eval", "-errors", "help")
	assert.Zero(t, code)
	assert.Equal(t, want, stdout)
	for _, want := range []string{"blackout-random", "fog-blend", "0.25 0.45 0.65", "DeepXplore", "Automold"} {
		assert.Contains(t, stdout, want)
	}
}

func TestDisturb(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	images := dnnctest.TestImages
	for _, args := range [][]string{
		{"-errors", "snow=0.5", images, "-n", "1", "-o", file("snow.png")},
		{"-errors", "light=0.5", "-network", dnnctest.Lenet, images, "-n", "3", "-o", file("t-images-idx3-ubyte")},
		{"-sheet", file("sheet.png"), images},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"disturb"}, args...)...)
		require.Zero(t, code, stderr)
	}
	code, _, stderr := dnnctest.Run(t, "disturb", "-errors", "fog=0.5", file("snow.png"), "-o", file("fog.png"))
	require.Zero(t, code, stderr)
	for _, name := range []string{"snow.png", "fog.png", "sheet.png", "t-images-idx3-ubyte", "t-labels-idx1-ubyte"} {
		assert.FileExists(t, file(name))
	}
	for want, args := range map[string][]string{
		"did you mean":              {"-errors", "sno=0.5", images, "-o", file("x.png")},
		"no number":                 {"-errors", "snow=1.5", images, "-o", file("x.png")},
		"one file":                  {"-errors", "snow=0.1,0.2", images, "-o", file("x.png")},
		"unguided form":             {"-errors", "light=0.5", images, "-n", "1", "-o", file("x.png")},
		"are no picture":            {"-errors", "snow=0.5", images, "-n", "2", "-o", file("x.png")},
		"no format that dnnc reads": {"-errors", "snow=0.5", dnnctest.Lenet, "-o", file("x.png")},
		"no such file":              {"-errors", "snow=0.5", file("none.png"), "-o", file("x.png")},
		"network takes":             {"-errors", "light=0.5", "-network", dnnctest.Lenet, file("wide.png"), "-o", file("x.png")},
		"have no container":         {"-errors", "snow=0.5", file("wide.png"), "-o", file("x.bin")},
	} {
		if _, err := os.Stat(file("wide.png")); err != nil {
			content, err := os.ReadFile(file("sheet.png"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file("wide.png"), content, 0o644))
		}
		code, _, stderr := dnnctest.Run(t, append([]string{"disturb"}, args...)...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
		assert.NoFileExists(t, file("x.png"))
	}
}

package command_test

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend/weights"
)

// TestFaultsNameTheItem: whatever is drawn of a data set, a diagnostic about an item has its
// number there, and its file or line.
func TestFaultsNameTheItem(t *testing.T) {
	const n, bad = 12, 7
	path := dnnctest.KindsFolder(t)
	at := func(usual, fault float32, size int) func(i int) float32 {
		return func(i int) float32 {
			if i/size == bad {
				return fault
			}
			return usual
		}
	}
	x, y := filled("x", weights.F32, at(.5, .5, 64), n, 1, 8, 8), filled("y", weights.U8, at(1, 5, 1), n)
	set := func(x, y weights.Tensor) map[string]string { return map[string]string{"a.npz": npzOf(t, x, y)} }
	table := func(label string) map[string]string {
		var b strings.Builder
		b.WriteString(strings.Repeat("p,", 64) + "label\n")
		for i := range n {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat("0.5,", 64), map[bool]string{true: label, false: "1"}[i == bad])
		}
		return map[string]string{"a.csv": b.String()}
	}
	gray := pngOf(t, image.NewGray(image.Rect(0, 0, 8, 8)))
	folder, masked := map[string]string{"a/5/7.png": gray}, map[string]string{}
	for i := range n {
		folder[fmt.Sprintf("a/0/%02d.png", i)] = gray
		mask := image.NewGray(image.Rect(0, 0, 6, 6))
		mask.Pix[0] = uint8(at(1, 9, 1)(i))
		masked[fmt.Sprintf("b/images/%02d.png", i)], masked[fmt.Sprintf("b/masks/%02d.png", i)] = gray, pngOf(t, mask)
	}
	for _, c := range []struct {
		name, network, flags, data string
		files                      map[string]string
		want                       string
	}{
		{"a label beyond", "classes", "", "a.npz", set(x, y), "a.npz: data: image 7 has the label 5, the network has 3 classes"},
		{"a value out of range", "classes", "", "a.npz", set(filled("x", weights.F32, at(.5, 2, 64), n, 1, 8, 8), y), "a.npz: data: item 7 of x holds 2 at element 0"},
		{"a label that is no class", "classes", "", "a.npz", set(x, filled("y", weights.F32, at(1, .5, 1), n)), "image 7 has the label 0.5: labels of classes are whole numbers"},
		{"a label of no number", "value", "-task values", "a.npz", set(x, filled("y", weights.F32, at(1, float32(math.Inf(1)), 1), n)), "item 7 has the label +Inf in y"},
		{"a line", "classes", "", "a.csv", table("5"), "a.csv: data: image 7 (line 9) has the label 5, the network has 3 classes"},
		{"a field", "classes", "", "a.csv", table("one"), `a.csv:9:257: data: the column label has "one", which is no number`},
		{"a file", "classes", "", "a", folder, "a: data: image 1 (5/7.png) has the label 5, the network has 3 classes"},
		{"a mask", "seg", "-task classes@axis:@0", "b", masked, "b: data: image 7 (images/07.png, masks/07.png) has the label 9 at [0,0]: labels of classes are whole numbers from 0 to 5"},
	} {
		dir := t.TempDir()
		for name, content := range c.files {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		}
		for _, seed := range []string{"1", "2"} { // -n of all of them draws their order
			args := []string{"eval", path(c.network + ".dnn"), "-calib", path("data.npz"), "-images", "8", "-errors", "none", "-data", filepath.Join(dir, c.data), "-n", "13", "-seed", seed}
			for _, word := range strings.Fields(c.flags) {
				args = append(args, strings.ReplaceAll(word, "@", " "))
			}
			code, _, stderr := dnnctest.Run(t, args...)
			assert.Equal(t, command.AtFault, code, c.name)
			assert.Contains(t, stderr, c.want, c.name)
		}
	}
}

// TestNamesOfArraysAreQuoted: what a terminal would obey in the name of an array is shown as an
// escape, in messages and in what is said of the data.
func TestNamesOfArraysAreQuoted(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	x := filled("\x1b[2Jx\ny", weights.F32, func(int) float32 { return .5 }, 4, 1, 8, 8)
	var b bytes.Buffer
	require.NoError(t, weights.WriteNPZ(&b, []weights.Tensor{x, filled("u\nv", weights.U8, func(int) float32 { return 1 }, 4)}))
	file := filepath.Join(t.TempDir(), "a.npz")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	code, stdout, stderr := dnnctest.Run(t, "eval", path("classes.dnn"), "-calib", path("data.npz"), "-images", "8", "-errors", "none", "-data", file)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, `\x1b[2Jx\x0ay float32 [4,1,8,8]`)
	assert.Contains(t, stdout, `labels = u\x0av uint8 [4]`)
	assert.NotContains(t, stdout+stderr, "\x1b[2J")
	code, _, stderr = dnnctest.Run(t, "eval", path("classes.dnn"), "-calib", file, "-images", "8", "-errors", "none", "-data", file, "-inputs", "no")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, `there are \x1b[2Jx\x0ay float32 [4,1,8,8], u\x0av uint8 [4]; -inputs: no`)
	assert.NotContains(t, stderr, "\x1b[2J")
}

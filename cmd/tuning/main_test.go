package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/measure"
)

func sample(seed uint64, gain, fall float64) cell {
	return cell{
		network: "net", bits: .5, seed: seed, effort: "default", images: 5000,
		before: measure.Estimate{Value: .9, StdErr: .01}, after: measure.Estimate{Value: .9 + gain, StdErr: .01}, gain: measure.Estimate{Value: gain, StdErr: .004},
		klBefore: .1, klAfter: .1 - fall, klFall: measure.Estimate{Value: fall, StdErr: .001}, steps: 300, fit: 2048, macs: 2e12, date: "2026-12-01",
	}
}

// TestRecord: what is added is read again, field by field.
func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.csv")
	none, err := read(path)
	require.NoError(t, err)
	assert.Empty(t, none)
	want := []cell{sample(1, .02, .01), sample(2, -.001, .02)}
	want[1].declined = `the divergence fell, by little: "0"`
	for _, c := range want {
		require.NoError(t, add(path, c))
	}
	got, err := read(path)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(header(), ",")+"\n1,2\n"), 0o644))
	_, err = read(path)
	assert.ErrorContains(t, err, "wrong number of fields")
}

// TestTable: means over seeds, whose spread counts where it is wider than the images' error; sizes
// that are not measured stay open.
func TestTable(t *testing.T) {
	known := []cell{sample(1, .01, .01), sample(2, .03, .03)}
	text := table([]subject{{name: "net", effort: "default", sizes: []float64{.7, .5}}}, known)
	assert.Contains(t, text, "| net | 0.5 | default | 1 2 | 0.9000 ± 0.0100 | 0.9200 ± 0.0100 | +0.0200 ± 0.0100 | x 0.80 | 2 of 2 |")
	assert.Contains(t, text, "| net | 0.7 | default | - | - | - | - | - | - |")
	assert.Contains(t, text, "Measured on 2026-12-01.")
	known[1].effort, known[1].date = "long", "2026-12-02"
	text = table([]subject{{name: "net", effort: "long", sizes: []float64{.5}}}, known)
	assert.Contains(t, text, "| net | 0.5 | long | 2 |")
	assert.Contains(t, text, "| net | 0.5 | default | 1 |")
	assert.Contains(t, text, "Measured from 2026-12-01 to 2026-12-02.")
}

// TestSizesAreInOrder, whatever order they are measured in.
func TestSizesAreInOrder(t *testing.T) {
	text := table([]subject{{name: "net", effort: "default", sizes: []float64{.7, .5}}}, nil)
	assert.Less(t, strings.Index(text, "| net | 0.5"), strings.Index(text, "| net | 0.7"))
}

// TestVerdict: a network that was left as it was is neither better nor worse.
func TestVerdict(t *testing.T) {
	known := []cell{sample(1, .01, .01), sample(2, -.001, -.001), sample(3, -.1, .01), sample(4, -.1, -.01)}
	known[3].declined = "no gain"
	assert.Equal(t, "Of 4 networks the divergence on the test images fell in 2 and rose in 1; 1 were left as they were; 1 surely keep less (one-sided, in pairs, Holm over all at 0.05).\n", verdict(known))
	assert.Equal(t, 2, holm([]float64{.02, .9, .001}), "the second least is held to half of the level")
	assert.Equal(t, 0, holm([]float64{.02, .9, .03}))
}

// TestFall: the error is that of images, each under all conditions in turn.
func TestFall(t *testing.T) {
	e := fall([]float64{3, 5, 4, 6}, []float64{1, 1, 2, 2}, 2)
	assert.InDelta(t, 3, e.Value, 1e-12)
	assert.InDelta(t, 1, e.StdErr, 1e-12, "the images' own are 2 and 4")
}

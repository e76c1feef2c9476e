package frontend

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
)

// network reads one of a statement.
func network(dir, statement string) (*ir.Module, error) {
	path, text, err := examples.Sample(statement, dir)
	if err != nil {
		return nil, err
	}
	m, err := Parse(path, text, Options{})
	if err == nil {
		m.Results = []ir.Type{m.Outputs[0].Type}
	}
	return m, err
}

// TestEveryOperationReadsBack prints each operation of the table as a dump and as a
// source; both read as the same network, and print the same again.
func TestEveryOperationReadsBack(t *testing.T) {
	dir := t.TempDir()
	for op := range ir.NumOps {
		sample := op.Info().Sample
		m, err := network(dir, sample)
		require.NoError(t, err, sample)
		require.Empty(t, ir.Verify(m), sample)
		last := m.Ops[len(m.Ops)-1]
		require.Equal(t, op, last.Op)
		for _, a := range last.Attrs {
			d := op.Attr(a.Key).Default
			assert.NotEqual(t, d, a.Value, "%s of %s is its default, and prints nowhere", a.Key, op)
		}
		for name, text := range map[string]string{"dump": m.String(), "source": m.Source()} {
			back, err := Parse(filepath.Join(dir, "net.dnn"), []byte(text), Options{})
			require.NoError(t, err, "%s:\n%s", name, text)
			equal, err := ir.Equal(m, back)
			require.NoError(t, err)
			assert.True(t, equal, "%s of %s reads as another network:\n%s\n%s", name, op, text, back)
			assert.Equal(t, m.Source(), back.Source())
		}
	}
}

// TestShapesThatDoNotFit is what inference refuses.
func TestShapesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	for statement, want := range map[string]string{
		"pad(m, before: [5,0], after: [0,0], mode: reflect)":                                                 "pad in mode reflect of [5,7]",
		"pad(m, before: [0,0], after: [0,8], mode: wrap)":                                                    "pad in mode wrap",
		"pad(m, before: [6,0], after: [0,0], mode: symmetric)":                                               "pad in mode symmetric",
		"pad(m, before: [1,0], after: [0,0], between: [1,0], mode: edge)":                                    "pad in mode edge",
		"pad(m, before: [1,0], after: [0,0], mode: mirror)":                                                  "mirror",
		"maxpool2d(a, kernel: 3, dilation: 4)":                                                               "a window of 9 does not fit 6 pixels",
		"avgpool2d(slice(a, start: [0,0,0], size: [4,1,6]), kernel: [2,1], pad: [1,0,1,0], dilation: [2,1])": "without a pixel",
		"maxpool2d(a, kernel: 2, dilation: 0)":                                                               "dilation",
	} {
		_, err := network(dir, "y = "+statement)
		assert.ErrorContains(t, err, want, statement)
	}
}

// TestEmptyLists: a reduction along no axis, which an importer may leave and the
// differential fuzzer found, reads back; a list that must hold numbers does not.
func TestEmptyLists(t *testing.T) {
	dir := t.TempDir()
	for _, statement := range []string{"reduce(a, axes: [])", "transpose(reshape(slice(m, start: [0,0], size: [1,1]), shape: []), perm: [])"} {
		m, err := network(dir, "y = "+statement)
		require.NoError(t, err, statement)
		for _, text := range []string{m.String(), m.Source()} {
			back, err := Parse(filepath.Join(dir, "net.dnn"), []byte(text), Options{})
			require.NoError(t, err, text)
			assert.Equal(t, m.Source(), back.Source())
		}
	}
	for statement, want := range map[string]string{
		"maxpool2d(a, kernel: [])":                             "attribute kernel takes an integer or a list of integers",
		"linear(a, units: 3, tile: [])":                        "attribute tile takes",
		"linear(a, units: 3, sparsity: [])":                    "attribute sparsity takes",
		"reduce(a, axes: x)":                                   "attribute axes takes",
		"slice(a, start: [], size: [])":                        "one number an axis",
		"copy(a, shape: [], dims: [], strides: [1])":           "a view of",
		"pad(a, before: [1,1,1], after: [1,1,1], between: [])": "attribute between takes",
		"normalize(a, mean: [], std: 1)":                       "attribute mean takes",
		"conv2d(a, filters: 2, kernel: [])":                    "attribute kernel takes",
		"reshape(a, shape: [])":                                "reshape of",
		"expand(a, shape: [])":                                 "does not expand",
		"transpose(a, perm: [])":                               "no permutation",
	} {
		_, err := network(dir, "y = "+statement)
		assert.ErrorContains(t, err, want, statement)
	}
}

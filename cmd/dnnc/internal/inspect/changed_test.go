package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/seal"
)

// scored is a certificate with all that explain and diff read.
func scored(t *testing.T) *certificate.Certificate {
	c := measured(t, 10, func(i int) bool { return i == 3 })
	c.Float, c.Quantized = &certificate.Score{Clean: .9, Mean: .8}, &certificate.Score{Clean: .9, Mean: .7}
	c.Retention, c.RetentionSE = c.Results[0].Retention, c.Results[0].Retention
	c.Layers = []certificate.Layer{{Name: "conv1", Format: "odd2", WeightBytes: 8000, Cost: .1, Choices: []certificate.Choice{
		{Format: "odd1", WeightBytes: 4000, Cost: .2}, {Format: "odd2", WeightBytes: 8000, Cost: .1}, {Format: "odd3", WeightBytes: 12000, Measured: true}}}}
	c.Search.Candidates = []certificate.Candidate{{Origin: "qed", Formats: []string{"odd2"}, Chosen: true}}
	return c
}

// read is what explain and diff make of a certificate.
func read(t *testing.T, raw []byte, other string, out io.Writer) (explained, differs error) {
	t.Helper()
	path := filepath.Join(filepath.Dir(other), "changed.json")
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	var g Guard
	require.NoError(t, g.Max.Set("flash=+0,loss=+1"))
	explained = Explain(context.Background(), []string{path}, nil, out, nil)
	return explained, Diff([]string{other, path}, g, out)
}

// TestChanged: what was edited by hand since the build is read by nobody, nor what has no sum.
func TestChanged(t *testing.T) {
	path := saved(t, "net.json", scored(t))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	explained, differs := read(t, raw, path, io.Discard)
	require.NoError(t, explained)
	require.NoError(t, differs)
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal(raw, &c))
	bare, err := json.MarshalIndent(c, "", " ")
	require.NoError(t, err)
	for name, changed := range map[string][]byte{
		"fewer bytes":   bytes.Replace(raw, []byte("8000"), []byte("7000"), 1),
		"a higher mean": bytes.Replace(raw, []byte("0.7"), []byte("0.9"), 1),
		"a space more":  append(bytes.Clone(raw), ' '),
		"no sum":        append(bytes.Clone(raw[:bytes.LastIndex(raw, []byte(","))]), "\n}\n"...),
		"other indent":  bare,
	} {
		require.NotEqual(t, raw, changed, name)
		var out strings.Builder
		explained, differs := read(t, changed, path, &out)
		assert.ErrorContains(t, explained, "it was changed since it was written", name)
		assert.ErrorContains(t, explained, "build again")
		assert.Equal(t, explained, differs)
		assert.Empty(t, out.String(), name)
	}
}

// TestForged: a certificate that lacks any of its members and is sealed again is read without a
// panic.
func TestForged(t *testing.T) {
	path := saved(t, "net.json", scored(t))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var tree map[string]any
	require.NoError(t, json.Unmarshal(raw, &tree))
	delete(tree, "sum")
	forged := 0
	try := func() {
		text, err := json.Marshal(tree)
		require.NoError(t, err)
		forged++
		assert.NotPanics(t, func() { _, _ = read(t, seal.Add(text), path, io.Discard) }, "%s", text)
	}
	var walk func(x any)
	walk = func(x any) {
		switch x := x.(type) {
		case map[string]any:
			for key, was := range x {
				walk(was)
				for _, other := range []any{nil, 0, "", []any{}, map[string]any{}} {
					x[key] = other
					try()
				}
				delete(x, key)
				try()
				x[key] = was
			}
		case []any:
			for i, was := range x {
				walk(was)
				x[i] = nil
				try()
				x[i] = was
			}
		}
	}
	walk(tree)
	assert.Greater(t, forged, 300)
}

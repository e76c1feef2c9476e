package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

// TestClangTable: each layer is a network that compiles, and each target is one.
func TestClangTable(t *testing.T) {
	for _, layer := range clangLayers {
		path, err := generate(t.TempDir(), layer)
		require.NoError(t, err)
		r, err := compile(t.Context(), path, "riscv32")
		require.NoError(t, err, layer)
		assert.NotEmpty(t, r.Module.Ops, layer)
	}
	for _, target := range clangTargets {
		for _, name := range []string{target.name, target.c} {
			_, err := processor.Find(name)
			assert.NoError(t, err)
		}
	}
	assert.ErrorContains(t, compareClang(t.Output(), t.TempDir(), "nothing"), "-only names no target")
	assert.Equal(t, .5, versus{"a", 2, 4}.ratio())
}

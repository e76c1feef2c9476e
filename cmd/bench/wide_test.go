package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWide: the inputs of the layers hold features, which -activations 16 gives 16 bits, and ratios are to 8 bits.
func TestWide(t *testing.T) {
	n, err := layerOf(peerLayers["pw8_16"])
	require.NoError(t, err)
	assert.Contains(t, featured(n.text("net")), "(image: f32[8,48,48] in [0,1] features) ->")
	assert.Equal(t, 1.25, widened{eight: 4, wide: 5}.ratio())
	assert.ErrorContains(t, compareWide(t.Output(), "dnnc", t.TempDir(), "nothing"), "-only names no layer and target that -wide measures")
}

package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLower: drawn layers are networks, equal for equal seeds; a ratio is to the width above and to 8 bits.
func TestLower(t *testing.T) {
	first, second := rand.New(rand.NewPCG(3, 0)), rand.New(rand.NewPCG(3, 0))
	for range 200 {
		text := drawLayer(first)
		assert.Equal(t, text, drawLayer(second))
		n, err := layerOf(text)
		require.NoError(t, err, text)
		assert.Positive(t, n.macs(), text)
		for _, d := range ints(n.output, ",") {
			assert.Positive(t, d, text)
		}
	}
	assert.Equal(t, 1.5, narrowed{counts: []float64{4, 2, 3, 1}}.worst(), "of the width above")
	assert.Equal(t, 1.25, narrowed{counts: []float64{4, 5, 5, 5}}.worst(), "of 8 bits")
	assert.Equal(t, 1.15, narrowed{macs: 49_999}.most())
	assert.Equal(t, 1.02, narrowed{macs: 50_000}.most())
	assert.ErrorContains(t, lower(t.Output(), "dnnc", t.TempDir(), "nothing", 1, 1), "-only names no target")
}

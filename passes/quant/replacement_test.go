package quant

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReplacementAsJSON: packed and unpacked it has the same bits; what is none is an error.
func TestReplacementAsJSON(t *testing.T) {
	r := Replacement{Weights: []float32{.25, -.25, float32(math.Copysign(0, -1)), 1e-30}, Bias: []float32{3}}
	for range 12 {
		r.Weights = append(r.Weights, r.Weights...)
	}
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Less(t, len(text), len(r.Weights), "they repeat")
	var got Replacement
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, r, got)
	assert.True(t, math.Signbit(float64(got.Weights[2])))
	for _, damage := range [][2]string{{`"Bias":1`, `"Bias":2`}, {`"Bias":1`, `"Bias":0`}, {`"Bias":1`, `"Bias":-1`}, {`"Weights":16384`, `"Weights":4611686018427387904`}, {`"Packed":"`, `"Packed":"AAAA`}, {`"Packed"`, `"Other"`}} {
		changed := strings.Replace(string(text), damage[0], damage[1], 1)
		require.NotEqual(t, string(text), changed)
		assert.Error(t, json.Unmarshal([]byte(changed), &got), damage)
	}
}

// TestRoundedAsJSON: the same for a layer as codes, with a codebook and without.
func TestRoundedAsJSON(t *testing.T) {
	r := Rounded{Codes: []byte{3, 255}, Scale: []float64{.5, 1e-300}, Bias: []float64{0, math.Copysign(0, -1)}, Weights: []float32{-.5, 1}}
	for _, r.Book = range [][]int8{nil, {-128, 127}} {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		var got Rounded
		require.NoError(t, json.Unmarshal(text, &got))
		assert.Equal(t, r, got)
		assert.True(t, math.Signbit(got.Bias[1]))
		for _, damage := range [][2]string{{`"Codes":2`, `"Codes":-2`}, {`"Scale":2`, `"Scale":3`}, {`"Bias":2`, `"Bias":1`}, {`"Book":`, `"Book":4611686018427387904`}, {`"Weights":2`, `"Weights":1`}, {`"Packed"`, `"Other"`}} {
			changed := strings.Replace(string(text), damage[0], damage[1], 1)
			require.NotEqual(t, string(text), changed)
			assert.Error(t, json.Unmarshal([]byte(changed), &got), damage)
		}
	}
}

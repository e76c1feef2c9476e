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

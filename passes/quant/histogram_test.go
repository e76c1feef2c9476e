package quant

import (
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// TestRangesCutOutliers: of a million values of which few lie far out, each
// method cuts off some, none of the crowd.
func TestRangesCutOutliers(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	x := make([]float32, 1e6)
	for i := range x {
		x[i] = float32(max(min(rng.NormFloat64(), 4), -4))
	}
	h := newHistogram(ir.Range{Lo: -40, Hi: 40})
	x[0], x[1] = -40, 40
	h.add(x)
	r := h.clip(pass.Percentile)
	assert.InDelta(t, 4, r.Hi, 1)
	assert.InDelta(t, -4, r.Lo, 1)

	// The least error is below that of the whole range and of the crowd's alone.
	mse := func(r ir.Range) (sum float64) {
		q := quantFor(r)
		for _, v := range x {
			code := min(max(math.Round(float64(v)/q.Scale)+float64(q.Zero), -128), 127)
			e := q.Scale*(code-float64(q.Zero)) - float64(v)
			sum += e * e / float64(len(x))
		}
		return sum
	}
	least := mse(h.clip(pass.LeastError))
	assert.Less(t, least, mse(ir.Range{Lo: -40, Hi: 40}))
	assert.Less(t, least, mse(ir.Range{Lo: -4, Hi: 4}))
	// A value that never changes has no width.
	h = newHistogram(ir.Range{})
	h.add(make([]float32, 10))
	assert.Equal(t, ir.Range{}, h.clip(pass.Percentile))
	assert.Equal(t, ir.Range{}, h.clip(pass.LeastError))
	// Ranges contain 0 (R3).
	h = newHistogram(ir.Range{Lo: 0, Hi: 2})
	h.add([]float32{1.9, 2, 1.95})
	assert.Zero(t, h.clip(pass.Percentile).Lo)
}

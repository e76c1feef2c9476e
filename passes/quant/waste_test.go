package quant

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
)

func counted(q ir.Quant, x ...float32) *levels {
	l := &levels{quant: q}
	l.add(x)
	return l
}

// TestLevels counts those that hold 99.9 % of the elements, the fullest first.
func TestLevels(t *testing.T) {
	q := ir.Quant{Scale: 1, Zero: 0}
	var x []float32
	for i := range 1000 {
		x = append(x, float32(i%40))
	}
	assert.Equal(t, 40, counted(q, x...).used())
	assert.Equal(t, 1, counted(ir.Quant{Scale: 100}, x...).used())
	x = make([]float32, 2000)
	x[0], x[1] = 5, 6
	assert.Equal(t, 1, counted(q, x...).used())
	x[2] = 7
	assert.Equal(t, 2, counted(q, x...).used())
	lo, hi := counted(q, x...).common()
	assert.Equal(t, [2]float64{0, 6}, [2]float64{lo, hi})
	assert.Equal(t, 2, counted(q, -1e9, 1e9).used()) // beyond both ends
}

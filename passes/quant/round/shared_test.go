package round

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSharedPrunesAndShares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	w := Matrix{Rows: 8, Cols: 50, Data: make([]float32, 400)}
	for i := range w.Data {
		w.Data[i] = float32(rng.NormFloat64())
	}
	last := math.Inf(1)
	for bits := 1; bits <= 8; bits++ {
		plain, err := Shared(w, bits, 0)
		require.NoError(t, err)
		e := 0.0
		for i, x := range w.Data {
			// Every weight has the nearest entry there is.
			d := math.Abs(float64(x - plain.Weights[i]))
			for _, c := range plain.Book {
				require.LessOrEqual(t, d, math.Abs(float64(x)-float64(c)*plain.Scale[0])+1e-6)
			}
			e += d * d
		}
		assert.Less(t, e, last, "%d bits", bits)
		last = e

		pruned, err := Shared(w, bits, .4)
		require.NoError(t, err)
		zeros := 0
		for i, x := range pruned.Weights {
			if pruned.Codes[i] == 0 {
				require.Zero(t, x)
				zeros++
			}
		}
		assert.Equal(t, 160, zeros)
		assert.Less(t, HuffmanBits(pruned.Codes), 8*len(w.Data))
	}
	_, err := Shared(Matrix{1, 1, []float32{float32(math.NaN())}}, 2, 0)
	assert.ErrorIs(t, err, ErrNotFinite)
}

func TestHuffman(t *testing.T) {
	assert.Equal(t, 0, HuffmanBits(nil))
	assert.Equal(t, 3, HuffmanBits([]uint8{7, 7, 7}))
	// 1/2, 1/4, 1/8, 1/8: 4*1 + 2*2 + 1*3 + 1*3.
	assert.Equal(t, 14, HuffmanBits([]uint8{0, 0, 0, 0, 1, 1, 2, 3}))
}

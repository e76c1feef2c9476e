package gemm

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCopiesRows: every step-th element of rows of any length, and nothing beside them, at each level.
func TestEveryCopiesRows(t *testing.T) {
	testEvery[int8](t)
	testEvery[float32](t)
}

func testEvery[T float32 | int8](t *testing.T) {
	rng := rand.New(rand.NewSource(9))
	for n := 1; n < 140; n++ {
		step, rows := 1+n%3, 1+rng.Intn(4)
		stride, width := (n-1)*step+1+rng.Intn(3), n+rng.Intn(3)
		from, want := make([]T, (rows-1)*stride+(n-1)*step+1), make([]T, rows*width)
		for i := range from {
			from[i] = T(rng.Intn(256) - 128)
		}
		for r := range rows {
			for i := range n {
				want[r*width+i] = from[r*stride+i*step]
			}
		}
		eachLevel(func(l level) {
			got := make([]T, len(want))
			every(step, rows, n, from, stride, got, width)
			require.Equal(t, want, got, "%v: %d rows of %d, step %d", l, rows, n, step)
		})
	}
}

package round

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rowsOfWeights are rows as trained networks have them, and such as they do not.
var rowsOfWeights = map[string]func(rng *rand.Rand, i int) float64{
	"normal":   func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() },
	"uniform":  func(rng *rand.Rand, _ int) float64 { return rng.Float64() - .3 },
	"tails":    func(rng *rand.Rand, _ int) float64 { return math.Pow(rng.NormFloat64(), 5) },
	"outlier":  func(rng *rand.Rand, i int) float64 { return rng.NormFloat64() * math.Pow(300, max(0, float64(1-i))) },
	"pruned":   func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() * float64(rng.Intn(10)/9) },
	"integers": func(rng *rand.Rand, _ int) float64 { return float64(rng.Intn(31) - 15) }, // in the middle of levels
	"signs":    func(rng *rand.Rand, _ int) float64 { return float64(2*rng.Intn(2) - 1) },
	"tiny":     func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() * 1e-28 },
	"denormal": func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() * 1e-40 },
	"huge":     func(rng *rand.Rand, _ int) float64 { return rng.NormFloat64() * 1e30 },
}

// TestScaleIsTheBestOfTheGrid compares with trying every scale, and holds the bounds
// to the errors that they are of.
func TestScaleIsTheBestOfTheGrid(t *testing.T) {
	if testing.Short() { // as under the race detector: nothing runs side by side
		t.Skip("takes long")
	}
	for name, weight := range rowsOfWeights {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewSource(1))
			for _, n := range []int{1, longRow - 1, longRow, 1000, 25088} {
				row, top := make([]float32, n), float32(0)
				for i := range row {
					row[i] = float32(weight(rng, i))
					top = max(top, row[i], -row[i])
				}
				for bits := 2; bits <= 8; bits++ {
					what := fmt.Sprintf("%d weights, %d bits", n, bits)
					base := top / float32(int(1)<<bits-1)
					best, bestErr := base, math.Inf(1)
					var grid []float32
					for i := range steps {
						s := base * (.15 + (1.1-.15)*float32(i)/(steps-1))
						grid = append(grid, s)
						if e := squaredError(row, s, bits, math.Inf(1)); e < bestErr {
							best, bestErr = s, e
						}
					}
					if top == 0 {
						best = 1
					}
					require.Equal(t, best, leastSquaresScale(row, bits), what)
					if n < longRow || !(top > normalTop) || top > 1/float32(normalTop) {
						continue
					}
					h := newMagnitudes(row, top)
					for _, s := range grid {
						e := squaredError(row, s, bits, math.Inf(1))
						least, greatest := h.squaredError(float64(s), bits)
						require.LessOrEqual(t, least, e, what)
						require.GreaterOrEqual(t, greatest, e, what)
					}
				}
			}
		})
	}
}

// TestFewScalesArePromising has the bounds tell most scales from the best one.
func TestFewScalesArePromising(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	row, top := make([]float32, 4096), float32(0)
	for i := range row {
		row[i] = float32(rng.NormFloat64())
		top = max(top, row[i], -row[i])
	}
	for bits := 2; bits <= 8; bits++ {
		var grid []float32
		for i := range steps {
			grid = append(grid, top/float32(int(1)<<bits-1)*(.15+(1.1-.15)*float32(i)/(steps-1)))
		}
		list := promising(row, top, grid, bits)
		t.Log(bits, len(list))
		assert.LessOrEqual(t, len(list), 4, "%d bits", bits)
	}
}

// TestScaleIsNeverZero: the least weights that float32 has are a row like others, its
// zeros between the middle levels.
func TestScaleIsNeverZero(t *testing.T) {
	for bits := 1; bits <= 8; bits++ {
		res := Nearest(Matrix{1, 3, []float32{math.SmallestNonzeroFloat32, 0, -math.SmallestNonzeroFloat32}}, bits)
		assert.Positive(t, res.Scale[0], "%d bits", bits)
		middle := uint8(1 << (bits - 1))
		assert.Equal(t, middle, res.Codes[1], "%d bits", bits)
		assert.GreaterOrEqual(t, res.Codes[0], middle, "%d bits", bits)
		assert.Less(t, res.Codes[2], middle, "%d bits", bits)
	}
}

// TestGreatestWeights: the greatest weights that float32 has keep their signs and
// magnitudes, too: to a step of the grid, as a greater scale than theirs overflows.
func TestGreatestWeights(t *testing.T) {
	const step = (1.1 - .15) / (steps - 1) * 1.01
	for bits := 1; bits <= 8; bits++ {
		res := Nearest(Matrix{1, 2, []float32{math.MaxFloat32, -math.MaxFloat32}}, bits)
		assert.Equal(t, uint8(1<<bits-1), res.Codes[0]+res.Codes[1], "%d bits", bits)
		assert.InEpsilon(t, math.MaxFloat32, float64(res.Weights[0]), step, "%d bits", bits)
		assert.InEpsilon(t, -math.MaxFloat32, float64(res.Weights[1]), step, "%d bits", bits)
	}
}

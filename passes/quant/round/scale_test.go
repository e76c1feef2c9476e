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

package robust

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestParetoIsExact compares the dynamic program with all plans enumerated.
func TestParetoIsExact(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 200 {
		layers := make([][]Choice, 1+rng.Intn(4))
		for l := range layers {
			layers[l] = make([]Choice, 1+rng.Intn(5))
			for i := range layers[l] {
				layers[l][i] = Choice{Bytes: rng.Intn(30), Cost: float64(rng.Intn(20))}
			}
		}
		plans := Pareto(layers)
		for i, p := range plans {
			bytes, cost := sums(layers, p.Picks)
			require.Equal(t, p.Bytes, bytes)
			require.Equal(t, p.Cost, cost)
			if i > 0 {
				require.Greater(t, p.Bytes, plans[i-1].Bytes)
				require.Less(t, p.Cost, plans[i-1].Cost)
			}
		}
		best := map[int]float64{}
		enumerate(layers, nil, func(picks []int) {
			bytes, cost := sums(layers, picks)
			if old, ok := best[bytes]; !ok || cost < old {
				best[bytes] = cost
			}
		})
		for bytes := range 130 {
			least, found := 0.0, false
			for b, c := range best {
				if b <= bytes && (!found || c < least) {
					least, found = c, true
				}
			}
			p := Within(plans, bytes)
			require.Equal(t, found, p != nil)
			if found {
				require.Equal(t, least, p.Cost, "at %d bytes", bytes)
			}
		}
	}
}

func sums(layers [][]Choice, picks []int) (bytes int, cost float64) {
	for l, i := range picks {
		bytes += layers[l][i].Bytes
		cost += layers[l][i].Cost
	}
	return bytes, cost
}

func enumerate(layers [][]Choice, picks []int, visit func([]int)) {
	if len(picks) == len(layers) {
		visit(picks)
		return
	}
	for i := range layers[len(picks)] {
		enumerate(layers, append(picks, i), visit)
	}
}

func TestWithinTooSmall(t *testing.T) {
	plans := Pareto([][]Choice{{{Bytes: 10, Cost: 1}}, {{Bytes: 5, Cost: 1}, {Bytes: 7}}})
	assert.Nil(t, Within(plans, 14))
	assert.Equal(t, []int{0, 0}, Within(plans, 16).Picks)
	assert.Equal(t, []int{0, 1}, Within(plans, 17).Picks)
}

// TestTwoBounds compares the program of two bounds with all plans enumerated: sums
// this small have cells of their own.
func TestTwoBounds(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	none := 0
	for range 60 {
		layers := make([][]Choice, 1+rng.Intn(4))
		for l := range layers {
			layers[l] = make([]Choice, 1+rng.Intn(5))
			for i := range layers[l] {
				layers[l][i] = Choice{Bytes: rng.Intn(30), Cost: float64(rng.Intn(20)), Cycles: float64(rng.Intn(40))}
			}
		}
		bytes, cycles := 1+rng.Intn(100), 1+rng.Intn(120)
		least, found := 0.0, false
		enumerate(layers, nil, func(picks []int) {
			b, cost := sums(layers, picks)
			c := 0.0
			for l, i := range picks {
				c += layers[l][i].Cycles
			}
			if b <= bytes && c <= float64(cycles) && (!found || cost < least) {
				least, found = cost, true
			}
		})
		p := Under(layers, bytes, float64(cycles))
		require.Equal(t, found, p != nil)
		if !found {
			none++
			continue
		}
		b, cost := sums(layers, p.Picks)
		require.Equal(t, least, cost)
		require.Equal(t, p.Bytes, b)
		require.LessOrEqual(t, b, bytes)
		require.LessOrEqual(t, p.Cycles, float64(cycles))
	}
	assert.Greater(t, none, 4)
	assert.Less(t, none, 56)
}

// TestCellsKeepTheCheapest: of partial plans whose sums lie in one cell of the grid, the
// cheapest goes on, in whatever order they come.
func TestCellsKeepTheCheapest(t *testing.T) {
	const bytes, cycles = 1 << 20, 1 << 20 // a cell is 2048 bytes by 4096 cycles
	for _, costs := range [][]float64{{3, 1, 2}, {1, 2, 3}, {3, 2, 1}} {
		var choices []Choice
		for i, c := range costs {
			choices = append(choices, Choice{Bytes: 100 + i, Cost: c, Cycles: float64(50 + i)})
		}
		p := Under([][]Choice{choices, {{Bytes: 7, Cost: 5, Cycles: 9}}}, bytes, cycles)
		require.NotNil(t, p)
		assert.Equal(t, 6., p.Cost, "%v", costs)
		assert.Equal(t, []int{slices.Index(costs, 1), 0}, p.Picks, "%v", costs)
	}
	// Of the neighbours at 2047 and 2048 bytes each has a cell of its own.
	p := Under([][]Choice{{{Bytes: 2048, Cost: 1}, {Bytes: 2047, Cost: 2}}, {{Bytes: bytes - 2047, Cost: 0}}}, bytes, cycles)
	require.NotNil(t, p)
	assert.Equal(t, []int{1, 0}, p.Picks, "the cheaper one leaves too few bytes")
}

// TestTheCheapestOfACell: of partial plans with the same sums of bytes and cycles the
// cheapest goes on, in whatever order they come.
func TestTheCheapestOfACell(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 30 {
		layers := make([][]Choice, 5)
		for l := range layers {
			for range 4 {
				layers[l] = append(layers[l], Choice{Bytes: 1 + rng.Intn(2), Cost: float64(rng.Intn(100)), Cycles: float64(1 + rng.Intn(2))})
			}
		}
		least := math.Inf(1)
		enumerate(layers, nil, func(picks []int) {
			bytes, cost := sums(layers, picks)
			cycles := 0.
			for l, i := range picks {
				cycles += layers[l][i].Cycles
			}
			if bytes <= 8 && cycles <= 8 {
				least = min(least, cost)
			}
		})
		if p := Under(layers, 8, 8); assert.Equal(t, p == nil, math.IsInf(least, 1)) && p != nil {
			assert.Equal(t, least, p.Cost)
		}
	}
}

// TestWhatComesBehindCounts: a partial plan whose layers to come cannot fit any more must
// not take the cell of one whose can, however cheap it is.
func TestWhatComesBehindCounts(t *testing.T) {
	for _, layers := range [][][]Choice{
		{{{Cycles: 501.5}, {Cost: 1, Cycles: 500}}, {{Cycles: 500}}},
		{{{Bytes: 5012}, {Cost: 1, Bytes: 5002}}, {{Bytes: 4998}}},
		{{{Bytes: 5012}, {Cost: 1, Bytes: 5002}}, {{Bytes: 2000}, {Bytes: 2500}}, {{Bytes: 2998}}},
		{{{Cycles: 501.5}, {Cost: 1, Cycles: 500}}, {{Cycles: 200}, {Cycles: 300}}, {{Cycles: 300}}},
	} {
		p := Under(layers, 10_000, 1000)
		if assert.NotNil(t, p, "%v", layers) {
			assert.Equal(t, 1, p.Picks[0])
		}
	}
}

// TestBoundsMayBeReached: sums that are the bounds have cells, too.
func TestBoundsMayBeReached(t *testing.T) {
	p := Under([][]Choice{{{Bytes: 30, Cost: 2, Cycles: 70}}, {{Bytes: 12, Cost: 1, Cycles: 20}}}, 42, 90)
	require.NotNil(t, p)
	assert.Equal(t, Plan{Bytes: 42, Cost: 3, Cycles: 90, Picks: []int{0, 0}}, *p)
	assert.Nil(t, Under([][]Choice{{{Bytes: 30, Cost: 2, Cycles: 70}}}, 29, 90))
	assert.Nil(t, Under([][]Choice{{{Bytes: 30, Cost: 2, Cycles: 70}}}, 30, 69))
}

// TestCoarseCells: where several sums lie in one cell, both bounds are kept nonetheless,
// and the plan costs little more than the best.
func TestCoarseCells(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for range 20 {
		layers := make([][]Choice, 5)
		for l := range layers {
			for range 5 {
				layers[l] = append(layers[l], Choice{Bytes: rng.Intn(1e6), Cost: 1 + rng.Float64(), Cycles: 1e6 * rng.Float64()})
			}
		}
		const bytes, cycles = 2_500_000, 2.5e6
		least := math.Inf(1)
		enumerate(layers, nil, func(picks []int) {
			b, cost := sums(layers, picks)
			c := 0.
			for l, i := range picks {
				c += layers[l][i].Cycles
			}
			if b <= bytes && c <= cycles {
				least = min(least, cost)
			}
		})
		p := Under(layers, bytes, cycles)
		if math.IsInf(least, 1) {
			assert.Nil(t, p)
			continue
		}
		require.NotNil(t, p)
		assert.LessOrEqual(t, p.Bytes, bytes)
		assert.LessOrEqual(t, p.Cycles, cycles)
		assert.InDelta(t, least, p.Cost, .05)
	}
}

// BenchmarkTwoBounds solves as many layers and formats as VGG-16 has.
func BenchmarkTwoBounds(b *testing.B) {
	rng := rand.New(rand.NewSource(1))
	layers := make([][]Choice, 16)
	bytes, cycles := 0, 0.0
	for l := range layers {
		size := 1000 * (1 + rng.Intn(60))
		for w := range 14 {
			c := Choice{Bytes: size * (w + 1) / 14, Cost: rng.Float64() / float64(1+w*w), Cycles: float64(size) * (1 + rng.Float64()*float64(w))}
			layers[l] = append(layers[l], c)
		}
		bytes, cycles = bytes+size/5, cycles+float64(size)*3
	}
	for b.Loop() {
		if Under(layers, bytes, cycles) == nil {
			b.Fatal("no plan")
		}
	}
}

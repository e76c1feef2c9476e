package interp

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestBuffers: of random steps, no result is written where one lies that is read later, and a chain
// takes two places.
func TestBuffers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		n := 2 + rng.IntN(20)
		sizes, kept := make([]int, n+1), rng.IntN(n)+1
		var steps []step[int8]
		for i := range sizes {
			sizes[i] = 1 + rng.IntN(9)
		}
		for i := range n {
			s := step[int8]{out: i + 1}
			for range 1 + rng.IntN(2) {
				s.args = append(s.args, max(0, i-rng.IntN(4)))
			}
			steps = append(steps, s)
		}
		b := newBuffers(steps, sizes, func(slot int) bool { return slot == kept })
		in := make([]int, len(b.sizes)) // the slot in each
		for _, s := range steps {
			for _, a := range s.args {
				if a > 0 && a != kept {
					require.Equal(t, a, in[b.of[a]])
				}
			}
			if s.out == kept {
				require.Equal(t, -1, b.of[s.out])
				continue
			}
			require.GreaterOrEqual(t, b.sizes[b.of[s.out]], sizes[s.out])
			for _, a := range s.args {
				require.NotEqual(t, b.of[s.out], b.of[a], "an argument is overwritten")
			}
			in[b.of[s.out]] = s.out
		}
	}
	steps := []step[int8]{{out: 1, args: []int{0}}, {out: 2, args: []int{1}}, {out: 3, args: []int{2}}, {out: 4, args: []int{3}}}
	b := newBuffers(steps, []int{4, 9, 5, 8, 2}, func(slot int) bool { return slot == 4 })
	assert.Equal(t, []int{9, 5}, b.sizes)
	assert.Equal(t, []int{-1, 0, 1, 0, -1}, b.of)
}

// TestRunsTakeWhatLives: a run over large images takes the memory of the values that live at a time,
// of a few images.
func TestRunsTakeWhatLives(t *testing.T) {
	const size, ops, images = 1 << 18, 8, 32
	x := real("x", size)
	m := &ir.Module{Name: "chain", Inputs: []*ir.Value{x}}
	for range ops {
		n := &ir.Node{Op: ir.Relu, Args: []*ir.Value{x}, Out: &ir.Value{Type: x.Type}}
		n.Out.Def = n
		m.Ops, x = append(m.Ops, n), n.Out
	}
	m.Outputs = []*ir.Value{x}
	p, err := CompileFloat(m)
	require.NoError(t, err)
	values := p.Tensors(images, m.Inputs[0], x)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, p.Run(t.Context(), values, images, 0, ops))
	runtime.ReadMemStats(&after)
	taken := int(after.TotalAlloc - before.TotalAlloc)
	assert.Less(t, taken, runtime.GOMAXPROCS(0)*(chunkBytes+2*4*size)+1<<20)
}

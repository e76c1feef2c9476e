package machine

import (
	"math/rand"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
)

// randomBlocks are values of a chain with scratch, some of which may overlap the
// value before them.
func randomBlocks(rng *rand.Rand, steps int) []*block {
	var blocks []*block
	var last *block
	for i := range steps {
		b := &block{bytes: 1 + rng.Intn(300), live: ir.Interval{From: i, To: i + 1 + rng.Intn(2)*rng.Intn(3)}}
		if last != nil && last.live.To == i && rng.Intn(2) == 0 {
			b.over, b.lag = last, rng.Intn(last.bytes)
		}
		blocks, last = append(blocks, b), b
		if rng.Intn(2) == 0 {
			blocks = append(blocks, &block{bytes: 1 + rng.Intn(200), live: ir.Interval{From: i, To: i}})
		}
	}
	return blocks
}

// simpleFit is what a fitter does, by comparing each block with all that are placed.
func simpleFit(blocks []*block, index []int) (offsets []int, bytes int) {
	offsets = make([]int, len(blocks))
	var placed []int
	for k, i := range index {
		b := blocks[i]
		// Where it may not begin: from a little before to the end of each other.
		placed = placed[:0]
		for _, j := range index[:k] {
			if meet(b, blocks[j]) {
				placed = append(placed, j)
			}
		}
		sort.SliceStable(placed, func(x, y int) bool {
			return offsets[placed[x]]-reach(b, blocks[placed[x]]) < offsets[placed[y]]-reach(b, blocks[placed[y]])
		})
		at := 0
		for _, j := range placed {
			p := blocks[j]
			if at > offsets[j]-reach(b, p) && at < offsets[j]+reach(p, b) {
				at = align(offsets[j] + reach(p, b))
			}
		}
		offsets[i] = at
		bytes = max(bytes, at+b.bytes)
	}
	return offsets, bytes
}

// TestFitsAsSimply: the tree gives every block the offset that comparing it with all gives it,
// in any order of blocks, also where an order is tried after others.
func TestFitsAsSimply(t *testing.T) {
	rng := rand.New(rand.NewSource(4))
	for range 2000 {
		blocks := randomBlocks(rng, 1+rng.Intn(40))
		long := rng.Intn(3) // some blocks live to the end, as the arguments of a concat do
		for _, b := range blocks {
			if rng.Intn(4) < long && !slices.ContainsFunc(blocks, func(x *block) bool { return x.over == b }) {
				b.live.To = 40
			}
			if long == 2 {
				b.bytes = 1 + b.bytes/100*8
			}
		}
		fit := newFitter(blocks)
		for range 3 {
			index := rng.Perm(len(blocks))
			want, bytes := simpleFit(blocks, index)
			got, most := fit.first(index)
			require.Equal(t, want, got)
			require.Equal(t, bytes, most)
		}
	}
}

// TestFittingIsNoSquare: what a fitter keeps of n blocks is n log n runs, and a block that is
// alive with all others still meets few runs.
func TestFittingIsNoSquare(t *testing.T) {
	const n = 4096
	chain, fan := []*block{}, []*block{}
	for i := range n {
		chain = append(chain, &block{bytes: 4 + i%32, live: ir.Interval{From: i, To: i + 1}})
		if i%3 > 0 {
			chain[i].over, chain[i].lag = chain[i-1], 2
		}
		fan = append(fan, &block{bytes: 4, live: ir.Interval{From: i, To: n}})
	}
	for name, blocks := range map[string][]*block{"chain": chain, "fan": fan} {
		fit := newFitter(blocks)
		index := rand.New(rand.NewSource(6)).Perm(n)
		fit.first(index)
		runs := 0
		for i := range fit.some {
			runs += len(fit.some[i]) + len(fit.whole[i])
		}
		assert.Less(t, runs, 40*n, name)
		fit.found = nil
		fit.find(1, 0, fit.leaves-1, 0, n)
		runs = 0
		for _, set := range fit.found {
			runs += len(set)
		}
		assert.Less(t, runs, 100, name)
	}
}

func TestPlansAreLegal(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 300 {
		blocks := randomBlocks(rng, 1+rng.Intn(12))
		at, bytes := plan(blocks)
		bound := 0
		for i, a := range blocks {
			require.Zero(t, at[i]%arenaAlign)
			require.LessOrEqual(t, at[i]+a.bytes, bytes)
			bound = max(bound, a.bytes)
			for j, b := range blocks[:i] {
				if !meet(a, b) || at[i]+a.bytes <= at[j] || at[j]+b.bytes <= at[i] {
					continue
				}
				require.True(t, a.over == b && at[j]-at[i] >= a.lag, "blocks %d and %d", i, j)
			}
		}
		assert.GreaterOrEqual(t, bytes, bound)
	}
}

// TestExactPlans holds plans of few blocks to what the best order gives.
func TestExactPlans(t *testing.T) {
	// Greatest first gives 24+16, the best order 24+8: the small blocks share.
	a := &block{bytes: 24, live: ir.Interval{From: 0, To: 1}}
	b := &block{bytes: 8, live: ir.Interval{From: 0, To: 0}}
	c := &block{bytes: 8, live: ir.Interval{From: 1, To: 2}}
	d := &block{bytes: 24, live: ir.Interval{From: 2, To: 3}}
	_, bytes := plan([]*block{a, b, c, d})
	assert.Equal(t, 32, bytes)
}

// TestLag runs the rows of convolutions and poolings, each reading all that its
// window covers, and finds what no result may overwrite: the lag is enough, and no
// byte less is.
func TestLag(t *testing.T) {
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	rng := rand.New(rand.NewSource(2))
	for range 300 {
		h, w, c, o := 4+rng.Intn(9), 4+rng.Intn(9), 1+rng.Intn(5), 1+rng.Intn(5)
		kh, kw, stride, pad := 1+rng.Intn(3), 1+rng.Intn(3), 1+rng.Intn(2), rng.Intn(2)
		in := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{c, h, w}}}
		weight := &ir.Const{Name: "w", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{o, c, kh, kw}}}
		n := &ir.Node{Op: ir.Conv2D, Args: []*ir.Value{in}, Out: &ir.Value{Name: "y"}}
		n.Put(ir.AttrWeight.Is(weight))
		n.Put(ir.AttrStride.Is([]int{stride, stride}))
		n.Put(ir.AttrPad.Is([]int{pad, pad, pad, pad}))
		n.Put(ir.AttrImpl.Is("conv_tile"))
		ph := 1 + rng.Intn(2)
		if ph > 1 {
			n.Put(ir.AttrPool.Is([]int{ph, ph}))
		}
		oh, ow := (h+2*pad-kh)/stride+1, (w+2*pad-kw)/stride+1
		if oh < ph || ow < ph {
			continue
		}
		n.Out.Type.Shape = ir.Shape{o, oh / ph, ow / ph}
		got, ok := lag(n, tgt)
		require.True(t, ok)
		legal := func(lag int) bool {
			row := o * (ow / ph)
			for y := range oh / ph {
				// All writes up to this row against all reads from this row on.
				for iy := y*ph*stride - pad; iy < h; iy++ {
					if iy >= 0 && (y+1)*row > lag+iy*w*c {
						return false
					}
				}
			}
			return true
		}
		assert.True(t, legal(got), "%v lag %d", n.Out.Type.Shape, got)
		if got > 0 && (oh/ph*ph-1)*stride-pad < h { // a last row that reads nothing asks for no less
			first := max(0, (oh/ph-1)*ph*stride-pad)
			if first < h {
				assert.False(t, legal(got-1), "%v lag %d", n.Out.Type.Shape, got)
			}
		}
	}
}

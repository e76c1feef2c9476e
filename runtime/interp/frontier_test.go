package interp

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// deep is a network of 1x1 convolutions, each of whose results the sum after the next one reads
// too; the first layers have four times the channels of the last.
func deep(t *testing.T, layers int) (*ir.Module, []int) {
	rng := rand.New(rand.NewSource(1))
	m := &ir.Module{Name: "deep"}
	add := func(op ir.Op, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
		n := &ir.Node{Op: op, Args: args, Out: &ir.Value{Name: fmt.Sprint("v", len(m.Ops))}}
		n.Out.Def = n
		n.Put(attrs...)
		typ, d := ir.InferNode(n)
		require.Nil(t, d)
		n.Out.Type = typ
		m.Ops = append(m.Ops, n)
		return n.Out
	}
	x := real("x", 3, 4, 4)
	m.Inputs = []*ir.Value{x}
	var places []int
	for i := range layers {
		in, out := x.Type.Shape[0], 2
		if 4*i < layers {
			out = 8
		}
		w := make([]float32, in*out)
		for j := range w {
			w[j] = float32(rng.NormFloat64()) / 2
		}
		places = append(places, len(m.Ops))
		y := add(ir.Conv2D, args(x), ir.AttrWeight.Is(ir.FloatConst(fmt.Sprint("w", i), ir.Shape{out, in, 1, 1}, w)))
		if in == out && i%2 == 1 {
			y = add(ir.Add, args(x, y))
		}
		x = y
	}
	m.Outputs = args(x)
	return m, places
}

// TestFrontierIsTheNetwork: the values of every place are those of the whole network, within any
// bound, of all images and of some; also of an earlier place.
func TestFrontierIsTheNetwork(t *testing.T) {
	m, places := deep(t, 12)
	p, err := CompileFloat(m)
	require.NoError(t, err)
	const n = 70
	x := make([]float32, n*48)
	for i := range x {
		x[i] = float32(i%13) - 6
	}
	var all []*ir.Value
	for _, o := range m.Ops {
		all = append(all, o.Out)
	}
	whole := p.Tensors(n, all...)
	p.Feed(whole, x, n)
	require.NoError(t, p.Run(t.Context(), whole, n, 0, len(m.Ops)))
	live := ir.Liveness(m)
	for _, bound := range []int{0, 1, 2 * n * 4 * 32, 3 * n * 4 * 64, 1 << 30} {
		f := NewFrontier(p, x, n, bound, places...)
		assert.Equal(t, bound == 1<<30, f.KeepsAll(), bound)
		for _, at := range append(places, places[3], len(m.Ops), 0) {
			for first := 0; first < n; first += f.Images(at) {
				count := min(f.Images(at), n-first)
				got, err := f.Values(t.Context(), p, at, first, count)
				require.NoError(t, err)
				for v, l := range live {
					id := p.ID(v)
					if l.From < at && at <= l.To {
						size := p.sizes[id]
						assert.Equal(t, whole[id][first*size:(first+count)*size], got[id], "%d bytes, place %d, %s", bound, at, v.Name)
					} else if l.From >= at {
						assert.Nil(t, got[id], "%d bytes, place %d, %s", bound, at, v.Name)
					}
				}
			}
		}
	}
}

// TestFrontierKeepsItsBound: exactly at it all is kept; below, the values of two places at
// most.
func TestFrontierKeepsItsBound(t *testing.T) {
	m, places := deep(t, 12)
	p, err := CompileFloat(m)
	require.NoError(t, err)
	const n = 64
	held := func(f *Frontier) (bytes int) {
		for _, o := range m.Ops {
			bytes += 4 * len(f.values[p.ID(o.Out)])
		}
		return bytes
	}
	f := NewFrontier(p, make([]float32, n*48), n, 1<<30, places...)
	_, err = f.Values(t.Context(), p, places[len(places)-1], 0, n)
	require.NoError(t, err)
	all := held(f)
	assert.True(t, NewFrontier(p, make([]float32, n*48), n, all, places...).KeepsAll())
	for _, bound := range []int{all - 1, all / 2, all / 4, all / 16} {
		f := NewFrontier(p, make([]float32, n*48), n, bound, places...)
		assert.False(t, f.KeepsAll())
		for _, at := range places {
			_, err := f.Values(t.Context(), p, at, 0, 1)
			require.NoError(t, err)
			assert.LessOrEqual(t, held(f), bound/2, "place %d of %d bytes", at, bound)
		}
	}
}

// TestFrontierWorkIsLinear: within a quarter of the layers' inputs, a walk over all layers runs
// each operation about once, and of a deeper network no more often; not as often as there are layers after it.
func TestFrontierWorkIsLinear(t *testing.T) {
	const n = 64
	work := func(layers int) float64 {
		m, places := deep(t, layers)
		p, err := CompileFloat(m)
		require.NoError(t, err)
		all := 0
		for _, at := range places {
			all += 4 * n * p.Size(m.Ops[at].Args[0])
		}
		f := NewFrontier(p, make([]float32, n*48), n, all/4, places...)
		require.False(t, f.KeepsAll())
		for _, at := range places {
			for first := 0; first < n; first += 8 {
				_, err := f.Values(t.Context(), p, at, first, 8)
				require.NoError(t, err)
			}
		}
		return float64(f.Ran()) / n / float64(len(m.Ops))
	}
	for _, layers := range []int{16, 32, 64} {
		assert.LessOrEqual(t, work(layers), 1.5, "%d layers", layers)
	}
}

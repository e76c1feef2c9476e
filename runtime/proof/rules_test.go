package proof

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// TestBoundsAreThoseOfTheRounding: the least sums of each integer, for every rounding, tell of
// random sums what the requantization says.
func TestBoundsAreThoseOfTheRounding(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		lo := int32(rng.IntN(100) - 128)
		q := geometry.Requant{Mul: []int32{1<<30 + rng.Int32N(1<<30)}, Shift: []int32{31 + rng.Int32N(12)}, Zero: int32(rng.IntN(256) - 128), Lo: lo, Hi: lo + rng.Int32N(156) + 1,
			Rounding: []geometry.Rounding{geometry.RoundHalfUp, geometry.RoundEven, geometry.RoundTFLite, geometry.RoundTwice}[rng.IntN(4)]}
		reach := rng.Int64N(1 << 20)
		apply := func(acc int64) int8 { return q.Apply(acc, 0) }
		if rng.IntN(4) == 0 {
			q.Shift[0] += 16
			reach = rng.Int64N(1 << 40)
			apply = func(acc int64) int8 { return q.ApplyWide(acc, 0) }
		}
		b := boundsOf(reach, apply)
		for range 200 {
			acc := rng.Int64N(2*reach+1) - reach
			v := int(apply(acc)) + 128
			require.True(t, b[v] <= acc && acc < b[v+1], "%+v: sum %d gives %d, between %d and %d", q, acc, v-128, b[v], b[v+1])
		}
	}
}

// TestWideSums: a convolution whose sums take 64 bits, with padding of a value.
func TestWideSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{2, 4, 4}, Quant: ir.Quant{Scale: 1, Zero: 3}}}
	n := &ir.Node{Op: ir.Conv2D, Args: []*ir.Value{x}, Out: &ir.Value{Name: "y", Type: ir.Type{Quant: ir.Quant{Scale: 1, Zero: -7}}}}
	n.Out.Def = n
	var weight, bias, mul, shift []int64
	for range 3 * 2 * 9 {
		weight = append(weight, rng.Int64N(256)-128)
	}
	for range 3 {
		bias, mul, shift = append(bias, rng.Int64N(1<<34)-1<<33), append(mul, 1<<30+rng.Int64N(1<<30)), append(shift, 42)
	}
	bias[0] = 100
	n.Put(ir.AttrWeight.Is(ir.IntConst("w", ir.Of(ir.I8), ir.Shape{3, 2, 3, 3}, weight)), ir.AttrBias.Is(ir.IntConst("b", ir.Of(ir.I64), ir.Shape{3}, bias)),
		ir.AttrMul.Is(ir.IntConst("m", ir.Of(ir.I32), ir.Shape{3}, mul)), ir.AttrShift.Is(ir.IntConst("s", ir.Of(ir.I32), ir.Shape{3}, shift)),
		ir.AttrPad.Is([]int{1, 1, 1, 0}), ir.AttrPadValue.Is([]float64{-5, 90}))
	typ, d := ir.InferNode(n)
	require.Nil(t, d)
	n.Out.Type = typ
	m := &ir.Module{Name: "m", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}, Results: []ir.Type{typ}}
	net, err := NewNet(m)
	require.NoError(t, err)
	w, err := net.NewWalker()
	require.NoError(t, err)
	for range 100 {
		w.Move(0, []Change{{int32(rng.IntN(32)), int8(rng.Uint32())}})
		require.NoError(t, w.Check(t.Context()))
	}
}

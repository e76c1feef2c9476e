package graph

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// FuseNorm makes one operation of a value times the inverse root of the sum of its squares along an axis, however the
// root is written: the sum has 32 bits, and the quotient is rounded once. Where activations may have 16 bits it
// stays, as an L2 norm has 8.
func FuseNorm(_ context.Context, m *ir.Module, env *pass.Env) error {
	if env.Bits != "" && env.Bits != pass.EightBits {
		return nil
	}
	for _, n := range m.Ops {
		if n.Op != ir.Mul || n.Word(ir.AttrAct) != ir.ActNone {
			continue
		}
		for k, x := range n.Args {
			if axis, ok := normAxis(x, n.Args[1-k]); ok {
				n.Op, n.Args, n.Attrs = ir.L2Norm, []*ir.Value{x}, nil
				n.Put(ir.AttrAxis.Is(axis))
				break
			}
		}
	}
	return nil
}

// normAxis is the axis along which factor is the inverse length of x.
func normAxis(x, factor *ir.Value) (axis int, ok bool) {
	size := x.Type.Shape.Size()
	if size > mostTraced {
		return 0, false
	}
	sum, places, isInverse := inverseRootOf(factor)
	if !isInverse {
		return 0, false
	}
	groups, ok := squaresOf(sum, x)
	if !ok {
		return 0, false
	}
	for i, g := range groups {
		at := int32(i)
		if places != nil {
			at = places[i]
		}
		if at != g {
			return 0, false
		}
	}
	for axis, d := range x.Type.Shape {
		if d > 1 && d <= ir.LongestSquare && isAlong(groups, x.Type.Shape, axis) {
			return axis, true
		}
	}
	return 0, false
}

// mostTraced bounds the elements whose places are followed.
const mostTraced = 1 << 22

// inverseRootOf follows a factor to the value of which it is 1/sqrt, element by element: places has the element of that for
// each of the factor's, nil for the same ones.
func inverseRootOf(factor *ir.Value) (sum *ir.Value, places []int32, ok bool) {
	var functions []func(float64) float64 // the last one first
	v := factor
	for v.Def != nil {
		n := v.Def
		switch {
		case n.Op.Moves() && n.Moved().Size() <= mostTraced:
			places = through(places, n.Moved().Index())
		case n.Op.IsFunction():
			op, numbers := n.Function()
			f := kernels.Function(op, numbers)
			if f == nil {
				return nil, nil, false
			}
			functions = append(functions, f)
		case n.Op == ir.BatchNorm:
			a, err := asAffine(n)
			if err != nil || !isUniform(a.scale) || !isUniform(a.shift) {
				return nil, nil, false
			}
			functions = append(functions, func(x float64) float64 { return float64(a.scale[0]*x) + a.shift[0] })
		default:
			return v, places, isInverseRoot(functions)
		}
		v = n.Args[0]
	}
	return nil, nil, false
}

// through are the places of elements that lie at index of what has places; nil are the elements themselves.
func through(places, index []int32) []int32 {
	if places == nil {
		return index
	}
	out := make([]int32, len(places))
	for i, p := range places {
		out[i] = index[p]
	}
	return out
}

func isUniform(x []float64) bool {
	return !slices.ContainsFunc(x, func(v float64) bool { return v != x[0] })
}

// isInverseRoot reports functions one after the other, the last one first, that are 1/sqrt of what lengths are apart
// from those that are almost 0, where a term or a bound keeps divisions from 0.
func isInverseRoot(functions []func(float64) float64) bool {
	for e := -4; e <= 6; e++ {
		s := math.Pow(10, float64(e))
		y := s
		for _, f := range slices.Backward(functions) {
			y = f(y)
		}
		if !(math.Abs(y*math.Sqrt(s)-1) < 1e-3) {
			return false
		}
	}
	return true
}

// squaresOf are, of each element of x, the element of sum in which its square is; ok is false where sum is not made of the
// squares of x, each once.
func squaresOf(sum, x *ir.Value) (groups []int32, ok bool) {
	n := sum.Def
	groups = slices.Repeat([]int32{-1}, x.Type.Shape.Size())
	put := func(at, group int32) { groups[at] = group }
	switch {
	case n.Op == ir.Reduce && n.Word(ir.AttrFn) == ir.ReduceSum:
		square := n.Args[0].Def
		if square == nil || square.Op != ir.Mul || square.Word(ir.AttrAct) != ir.ActNone || square.Args[0] != square.Args[1] {
			return nil, false
		}
		at, found := movedFrom(square.Args[0], x)
		if !found {
			return nil, false
		}
		for i, group := range reducedTo(square.Out.Type.Shape, n.Ints(ir.AttrAxes)) {
			put(at[i], group)
		}
	case n.Op == ir.MatMul && n.Word(ir.AttrAct) == ir.ActNone:
		_, rows, inner, cols := geometry.MatMulSizes(n)
		a, foundA := movedFrom(n.Args[0], x)
		b, foundB := movedFrom(n.Args[1], x)
		if !foundA || !foundB || rows*cols != 1 || !slices.Equal(a, b) {
			return nil, false
		}
		for i, at := range a {
			put(at, int32(i/inner))
		}
	default:
		return nil, false
	}
	return groups, !slices.Contains(groups, -1)
}

// movedFrom are the places in x of the elements of v, which holds those of x in some order.
func movedFrom(v, x *ir.Value) (places []int32, ok bool) {
	if v.Type.Shape.Size() != x.Type.Shape.Size() {
		return nil, false
	}
	for ; v != x; v = v.Def.Args[0] {
		if v.Def == nil || !v.Def.Op.Moves() || v.Def.Args[0].Type.Shape.Size() != x.Type.Shape.Size() {
			return nil, false
		}
		places = through(places, v.Def.Moved().Index())
	}
	if places == nil {
		places = make([]int32, x.Type.Shape.Size())
		for i := range places {
			places[i] = int32(i)
		}
	}
	return places, true
}

// reducedTo are, of each element of a shape, its element in the shape without some axes.
func reducedTo(shape ir.Shape, axes []int) []int32 {
	out := make([]int32, 0, shape.Size())
	at := make([]int, len(shape))
	for range shape.Size() {
		group := 0
		for k, i := range at {
			if !slices.Contains(axes, k) {
				group = group*shape[k] + i
			}
		}
		out = append(out, int32(group))
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < shape[k] {
				break
			}
			at[k] = 0
		}
	}
	return out
}

// isAlong reports groups of the elements that differ in one axis alone.
func isAlong(groups []int32, shape ir.Shape, axis int) bool {
	own := reducedTo(shape, []int{axis})
	of, members := map[int32]int32{}, map[int32]int32{}
	for i, g := range groups {
		if first, seen := of[g]; seen && first != own[i] {
			return false
		}
		if first, seen := members[own[i]]; seen && first != g {
			return false
		}
		of[g], members[own[i]] = own[i], g
	}
	return true
}

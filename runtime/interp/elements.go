package interp

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func floatFunction(_ *Float, n *ir.Node) (floatRun, error) {
	f := kernels.Function(n.Function())
	if f == nil {
		return nil, fmt.Errorf("%s is no function", n.Op)
	}
	return func(_ *workspace, _ int, dst []float32, src [][]float32) {
		for i, v := range src[0] {
			dst[i] = float32(f(float64(v)))
		}
	}, nil
}

func functionGradient(n *ir.Node) (backward, error) {
	f := kernels.FunctionSlope(n.Function())
	if f == nil {
		return nil, fmt.Errorf("%s has no slope", n.Op)
	}
	return byImage(func(_ *back, x, dx [][]float32, _, dy []float32) {
		for i, d := range dy {
			dx[0][i] += float32(float64(d) * f(float64(x[0][i])))
		}
	}), nil
}

func intTable(_ *Int, n *ir.Node) (intRun, error) {
	if n.IsWide() {
		return wideTable(n)
	}
	raw, err := n.Const(ir.AttrTable).Load()
	if err != nil {
		return nil, err
	}
	if len(raw) != 256 {
		return nil, fmt.Errorf("a table of %d entries", len(raw))
	}
	table := make([]int8, 256)
	for i, v := range raw {
		table[i] = int8(v)
	}
	return func(_ *workspace, _ int, dst []int8, src [][]int8) { gemm.TableInt(table, src[0], dst) }, nil
}

func floatBinary(f func(a, b, y []float32)) func(*Float, *ir.Node) (floatRun, error) {
	return func(_ *Float, n *ir.Node) (floatRun, error) {
		act := n.Word(ir.AttrAct)
		return func(_ *workspace, _ int, dst []float32, src [][]float32) {
			f(src[0], src[1], dst)
			activate(act, dst)
		}, nil
	}
}

func subGradient(n *ir.Node) (backward, error) {
	act := n.Word(ir.AttrAct)
	return byImage(func(_ *back, _, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i, d := range dy {
			dx[0][i] += d
			dx[1][i] -= d
		}
	}), nil
}

func squaredDiffGradient(n *ir.Node) (backward, error) {
	act := n.Word(ir.AttrAct)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i, d := range dy {
			slope := float32(2 * (x[0][i] - x[1][i]) * d)
			dx[0][i] += slope
			dx[1][i] -= slope
		}
	}), nil
}

func floatScaledDiff(_ *Float, n *ir.Node) (floatRun, error) {
	act := n.Word(ir.AttrAct)
	return func(_ *workspace, _ int, dst []float32, src [][]float32) {
		kernels.SubFloat(src[0], src[1], dst)
		kernels.MulFloat(dst, src[2], dst)
		activate(act, dst)
	}, nil
}

func scaledDiffGradient(n *ir.Node) (backward, error) {
	act := n.Word(ir.AttrAct)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i, d := range dy {
			slope := float32(d * x[2][i])
			dx[0][i] += slope
			dx[1][i] -= slope
			dx[2][i] += float32(d * (x[0][i] - x[1][i]))
		}
	}), nil
}

func intScaledDiff(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.AddParamsOf(n)
	zero := int32(n.Args[2].Type.Quant.Zero)
	return func(_ *workspace, _ int, dst []int8, src [][]int8) {
		kernels.ScaledDiffInt(p, zero, src[0], src[1], src[2], dst)
	}, err
}

func mulGradient(n *ir.Node) (backward, error) {
	act := n.Word(ir.AttrAct)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i, d := range dy {
			dx[0][i] += float32(d * x[1][i])
			dx[1][i] += float32(d * x[0][i])
		}
	}), nil
}

func intSub(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.AddParamsOf(n)
	return sized(n, ofTwo(func(a, b, y []int8) { kernels.SubInt(p, a, b, y) }), ofTwo(func(a, b, y []int16) { kernels.SubInt(p, a, b, y) })), err
}

func intSquaredDiff(_ *Int, n *ir.Node) (intRun, error) {
	p, err := geometry.AddParamsOf(n)
	return func(_ *workspace, _ int, dst []int8, src [][]int8) { kernels.SquaredDiffInt(p, src[0], src[1], dst) }, err
}

func intMul(_ *Int, n *ir.Node) (intRun, error) {
	q, err := geometry.RequantOf(n)
	a, b := int32(n.Args[0].Type.Quant.Zero), int32(n.Args[1].Type.Quant.Zero)
	return sized(n, ofTwo(func(x, z, y []int8) { kernels.MulInt(a, b, q, x, z, y) }), ofTwo(func(x, z, y []int16) { kernels.MulInt(a, b, q, x, z, y) })), err
}

func extreme[T kernels.Number](n *ir.Node) stepOf[T] {
	greater := n.Op == ir.Maximum
	return ofTwo(func(a, b, y []T) { kernels.Extreme(greater, a, b, y) })
}

func extremeGradient(n *ir.Node) (backward, error) {
	greater := n.Op == ir.Maximum
	return byImage(func(_ *back, x, dx [][]float32, _, dy []float32) {
		for i, d := range dy {
			if (x[0][i] >= x[1][i]) == greater {
				dx[0][i] += d
			} else {
				dx[1][i] += d
			}
		}
	}), nil
}

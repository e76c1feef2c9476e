package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func moved[T kernels.Number](n *ir.Node) func(*workspace, int, []T, [][]T) {
	at := n.Moved().Index()
	return perImage(func(x, y []T) { kernels.Gather(x, at, y) })
}

func floatMoved(_ *Float, n *ir.Node) (floatRun, error) { return moved[float32](n), nil }

func intMoved(_ *Int, n *ir.Node) (intRun, error) {
	return sized(n, moved[int8](n), moved[int16](n)), nil
}

func movedGradient(n *ir.Node) (backward, error) {
	at := n.Moved().Index()
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for i, k := range at {
			dx[0][k] += dy[i]
		}
	}), nil
}

func padStep[T kernels.Number](n *ir.Node) stepOf[T] {
	if n.Word(ir.AttrMode) != ir.PadConstant {
		at := n.Repeated()
		return perImage(func(x, y []T) { kernels.Gather(x, at, y) })
	}
	at, value := n.Padded().Index(), T(n.Float(ir.AttrValue))
	return perImage(func(x, y []T) { kernels.Scatter(x, at, value, y) })
}

func padGradient(n *ir.Node) (backward, error) {
	if n.Word(ir.AttrMode) != ir.PadConstant {
		at := n.Repeated()
		return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
			for i, k := range at {
				dx[0][k] += dy[i]
			}
		}), nil
	}
	at := n.Padded().Index()
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for i, k := range at {
			dx[0][i] += dy[k]
		}
	}), nil
}

func floatEmbedding(_ *Float, n *ir.Node) (floatRun, error) {
	rows, err := n.Const(ir.AttrRows).Float32()
	if err != nil {
		return nil, err
	}
	d := n.Const(ir.AttrRows).Type.Shape[1]
	return perImage(func(x, y []float32) { kernels.EmbeddingFloat(rows, d, x, y) }), nil
}

func intEmbedding(_ *Int, n *ir.Node) (intRun, error) {
	table, raw, err := geometry.EmbeddingData(n)
	if err != nil {
		return nil, err
	}
	rows := make([]int8, len(raw))
	for i, v := range raw {
		rows[i] = int8(v)
	}
	d := n.Const(ir.AttrRows).Type.Shape[1]
	if table == nil {
		return perImage(func(x, y []int8) { kernels.EmbeddingWide(rows, d, x, y) }), nil
	}
	return perImage(func(x, y []int8) { kernels.EmbeddingInt(table, rows, d, x, y) }), nil
}

// noGradient: small changes of the argument change nothing.
func noGradient(*ir.Node) (backward, error) {
	return byImage(func(_ *back, _, _ [][]float32, _, _ []float32) {}), nil
}

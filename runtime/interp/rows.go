package interp

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// inRows gathers the rows of a value; x itself where they lie in order.
func inRows[T any](at []int32, x []T) []T {
	if at == nil {
		return x
	}
	y := make([]T, len(x))
	for i, k := range at {
		y[i] = x[k]
	}
	return y
}

// outRows writes rows back to where they came from.
func outRows[T any](at []int32, rows, y []T) {
	if at == nil {
		copy(y, rows)
		return
	}
	for i, k := range at {
		y[k] = rows[i]
	}
}

func floatReduce(_ *Float, n *ir.Node) (floatRun, error) {
	at, length := geometry.Rows(n)
	r := geometry.ReductionOf(n)
	return perImage(func(x, y []float32) { kernels.ReduceFloat(r, length, inRows(at, x), y) }), nil
}

func reduceGradient(n *ir.Node) (backward, error) {
	at, length := geometry.Rows(n)
	r := geometry.ReductionOf(n)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		rows := inRows(at, x[0])
		place := func(i int) int {
			if at == nil {
				return i
			}
			return int(at[i])
		}
		for i, d := range dy {
			for j := i * length; j < (i+1)*length; j++ {
				switch {
				case r == geometry.Mean:
					dx[0][place(j)] += d / float32(length)
				case r == geometry.Sum:
					dx[0][place(j)] += d
				case rows[j] == y[i]:
					dx[0][place(j)] += d
					j = (i + 1) * length // the first alone
				}
			}
		}
	}), nil
}

func intReduce(_ *Int, n *ir.Node) (intRun, error) {
	at, length := geometry.Rows(n)
	r := geometry.ReductionOf(n)
	var q *geometry.Requant
	if r == geometry.Mean || r == geometry.Sum {
		var err error
		if q, err = geometry.RequantOf(n); err != nil {
			return nil, err
		}
	}
	zero := int32(n.Args[0].Type.Quant.Zero)
	return sized(n, perImage(func(x, y []int8) { kernels.ReduceInt(r, length, zero, q, inRows(at, x), y) }),
		perImage(func(x, y []int16) { kernels.ReduceInt(r, length, zero, q, inRows(at, x), y) })), nil
}

// products runs a product for each image and each of its matrices.
func products[T kernels.Number](n *ir.Node, product func(a, b, y []T)) func(*workspace, int, []T, [][]T) {
	batch, m, k, cols := geometry.MatMulSizes(n)
	return func(_ *workspace, count int, dst []T, src [][]T) {
		for i := range count * batch {
			product(src[0][i*m*k:(i+1)*m*k], src[1][i*k*cols:(i+1)*k*cols], dst[i*m*cols:(i+1)*m*cols])
		}
	}
}

func floatMatMul(_ *Float, n *ir.Node) (floatRun, error) {
	_, m, k, cols := geometry.MatMulSizes(n)
	act := n.Word(ir.AttrAct)
	return products(n, func(a, b, y []float32) {
		kernels.MatMulFloat(m, k, cols, a, b, y)
		activate(act, y)
	}), nil
}

func intMatMul(_ *Int, n *ir.Node) (intRun, error) {
	_, m, k, cols := geometry.MatMulSizes(n)
	q, err := geometry.RequantOf(n)
	za, zb := int32(n.Args[0].Type.Quant.Zero), int32(n.Args[1].Type.Quant.Zero)
	isWide := n.HasWideSums()
	return sized(n, products(n, func(a, b, y []int8) { kernels.MatMulInt(m, k, cols, za, zb, q, isWide, a, b, y) }),
		products(n, func(a, b, y []int16) { kernels.MatMulInt(m, k, cols, za, zb, q, isWide, a, b, y) })), err
}

func matMulGradient(n *ir.Node) (backward, error) {
	batch, m, k, cols := geometry.MatMulSizes(n)
	act := n.Word(ir.AttrAct)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i := range batch * m * cols {
			b, r, c := i/(m*cols), i/cols%m, i%cols
			for l := range k {
				pa, pb := (b*m+r)*k+l, (b*k+l)*cols+c
				dx[0][pa] += float32(dy[i] * x[1][pb])
				dx[1][pb] += float32(dy[i] * x[0][pa])
			}
		}
	}), nil
}

func floatArgMax(_ *Float, n *ir.Node) (floatRun, error) {
	at, length := geometry.Rows(n)
	return perImage(func(x, y []float32) {
		kernels.ArgMax(length, inRows(at, x), func(row, best int) { y[row] = float32(best) })
	}), nil
}

func intArgMax(_ *Int, n *ir.Node) (intRun, error) {
	at, length := geometry.Rows(n)
	return sized(n, perImage(func(x, y []int8) {
		kernels.ArgMax(length, inRows(at, x), func(row, best int) { y[row] = int8(best - 128) })
	}), perImage(func(x, y []int16) {
		kernels.ArgMax(length, inRows(at, x), func(row, best int) { y[row] = int16(best - 128) })
	})), nil
}

// softmaxRows runs a softmax over the rows along its axis, each with its part of the mask.
func softmaxRows[T kernels.Number](n *ir.Node, kernel func(x []T, mask []byte, y []T)) (func(*workspace, int, []T, [][]T), error) {
	if n.Const(ir.AttrMask) == nil {
		return byRows(n, func(_ int, x, y []T) { kernel(x, nil, y) }), nil
	}
	raw, err := n.Const(ir.AttrMask).Load()
	if err != nil {
		return nil, err
	}
	at, _ := geometry.Rows(n)
	mask := inRows(at, slices.Repeat(raw, n.Args[0].Type.Shape.Size()/len(raw)))
	return byRows(n, func(first int, x, y []T) { kernel(x, mask[first:][:len(x)], y) }), nil
}

// byRows runs a kernel of one row over the rows along an operation's axis. The kernel is
// told the place of the row's first element among the rows.
func byRows[T kernels.Number](n *ir.Node, kernel func(first int, x, y []T)) func(*workspace, int, []T, [][]T) {
	at, length := geometry.Rows(n)
	return perImage(func(x, y []T) {
		rows := inRows(at, x)
		out := y
		if at != nil {
			out = make([]T, len(y))
		}
		for i := 0; i < len(rows); i += length {
			kernel(i, rows[i:i+length], out[i:i+length])
		}
		if at != nil {
			outRows(at, out, y)
		}
	})
}

func logSoftmax(x, y []float32) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.
	for _, v := range x {
		sum += math.Exp(float64(v - top))
	}
	for i, v := range x {
		y[i] = float32(float64(v-top) - math.Log(sum))
	}
}

func floatLogSoftmax(_ *Float, n *ir.Node) (floatRun, error) {
	return byRows(n, func(_ int, x, y []float32) { logSoftmax(x, y) }), nil
}

func floatL2Norm(_ *Float, n *ir.Node) (floatRun, error) {
	return byRows(n, func(_ int, x, y []float32) { kernels.L2Norm(x, y) }), nil
}

func l2NormGradient(n *ir.Node) (backward, error) {
	at, length := geometry.Rows(n)
	return byImage(func(_ *back, x, dx [][]float32, y, dy []float32) {
		xs, ys, ds, out := inRows(at, x[0]), inRows(at, y), inRows(at, dy), make([]float32, len(y))
		for i := 0; i < len(y); i += length {
			kernels.L2NormGradient(xs[i:i+length], ys[i:i+length], ds[i:i+length], out[i:i+length])
		}
		addRows(at, out, dx[0])
	}), nil
}

// addRows adds the elements of rows to those at their places.
func addRows(at []int32, rows, x []float32) {
	for i, d := range rows {
		k := i
		if at != nil {
			k = int(at[i])
		}
		x[k] += d
	}
}

// rowGradient runs the gradient of one row over all rows.
func rowGradient(n *ir.Node, row func(y, dy, dx []float32)) (backward, error) {
	at, length := geometry.Rows(n)
	return byImage(func(_ *back, _, dx [][]float32, y, dy []float32) {
		ys, ds, out := inRows(at, y), inRows(at, dy), make([]float32, len(y))
		for i := 0; i < len(y); i += length {
			row(ys[i:i+length], ds[i:i+length], out[i:i+length])
		}
		addRows(at, out, dx[0])
	}), nil
}

func logSoftmaxGradient(n *ir.Node) (backward, error) {
	return rowGradient(n, func(y, dy, dx []float32) {
		var sum float32
		for _, d := range dy {
			sum += d
		}
		for i, d := range dy {
			dx[i] += d - float32(math.Exp(float64(y[i])))*sum
		}
	})
}

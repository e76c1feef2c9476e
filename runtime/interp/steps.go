package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// The operations whose steps lie in elements.go, moved.go and rows.go.
func init() {
	for op := ir.Op(0); op < ir.NumOps; op++ {
		switch {
		case op.IsFunction() || op == ir.Table:
			floatSteps[op], gradientSteps[op] = floatFunction, functionGradient
		case op.Moves() && op != ir.Reshape && op != ir.Flatten:
			floatSteps[op], gradientSteps[op] = floatMoved, movedGradient
		}
	}
	for op, s := range map[ir.Op]struct {
		float func(*Float, *ir.Node) (floatRun, error)
		slope func(*ir.Node) (backward, error)
		int   func(*Int, *ir.Node) (intRun, error)
	}{
		ir.Sub:        {floatBinary(kernels.SubFloat), subGradient, intSub},
		ir.Mul:        {floatBinary(kernels.MulFloat), mulGradient, intMul},
		ir.Minimum:    {extreme[float32], extremeGradient, extreme[int8]},
		ir.Maximum:    {extreme[float32], extremeGradient, extreme[int8]},
		ir.Pad:        {padStep[float32], padGradient, padStep[int8]},
		ir.Reduce:     {floatReduce, reduceGradient, intReduce},
		ir.MatMul:     {floatMatMul, matMulGradient, intMatMul},
		ir.ArgMax:     {floatArgMax, noGradient, intArgMax},
		ir.Embedding:  {floatEmbedding, noGradient, intEmbedding},
		ir.LogSoftmax: {floatLogSoftmax, logSoftmaxGradient, nil},
	} {
		floatSteps[op], gradientSteps[op], intSteps[op] = s.float, s.slope, s.int
	}
	intSteps[ir.Table] = intTable
	intSteps[ir.Copy] = intMoved
}

// Steps says what there is of an operation: a float step, its gradient, an integer
// step.
func Steps(op ir.Op) (float, gradient, integer bool) {
	return floatSteps[op] != nil, gradientSteps[op] != nil, intSteps[op] != nil
}

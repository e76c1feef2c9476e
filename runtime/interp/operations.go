package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// operation is what the interpreter knows of one: how it is compiled to a step of
// reals, to the step of its gradient, and, of a core operation, to a step of integers.
type operation struct {
	float    func(p *Float, n *ir.Node) (floatRun, error)
	gradient func(n *ir.Node) (backward, error)
	integer  func(p *Int, n *ir.Node) (intRun, error)
}

// Functions and moves are alike, but for those with a row of their own.
var (
	aFunction = operation{floatFunction, functionGradient, nil}
	aMove     = operation{floatMoved, movedGradient, nil}
)

var operations [ir.NumOps]operation

// floats and integers are columns of operations that do the same with elements of every type.
func floats(build func(n *ir.Node) stepOf[float32]) func(*Float, *ir.Node) (floatRun, error) {
	return func(_ *Float, n *ir.Node) (floatRun, error) { return build(n), nil }
}

func integers(bytes func(n *ir.Node) stepOf[int8], words func(n *ir.Node) stepOf[int16]) func(*Int, *ir.Node) (intRun, error) {
	return func(_ *Int, n *ir.Node) (intRun, error) { return sized(n, bytes(n), words(n)), nil }
}

func init() {
	operations = [ir.NumOps]operation{
		ir.Conv2D:        {floatConv, convGradient, intConv},
		ir.Linear:        {floatLinear, linearGradient, intLinear},
		ir.MaxPool2D:     {floatPool(kernels.MaxPoolFloat), poolGradient, intPool(gemm.MaxPoolInt, kernels.MaxPoolInt[int16])},
		ir.AvgPool2D:     {floatPool(kernels.AvgPoolFloat), poolGradient, intAvgPool},
		ir.GlobalAvgPool: {floatGlobalPool, globalPoolGradient, nil},
		ir.Relu:          {floatUnary(ir.ActRelu), unaryGradient(ir.ActRelu), nil},
		ir.Relu6:         {floatUnary(ir.ActRelu6), unaryGradient(ir.ActRelu6), nil},
		ir.Add:           {floatBinary(kernels.AddFloat), addGradient, intAdd},
		ir.Sub:           {floatBinary(kernels.SubFloat), subGradient, intSub},
		ir.SquaredDiff:   {floatBinary(kernels.SquaredDiffFloat), squaredDiffGradient, intSquaredDiff},
		ir.ScaledDiff:    {floatScaledDiff, scaledDiffGradient, intScaledDiff},
		ir.Mul:           {floatBinary(kernels.MulFloat), mulGradient, intMul},
		ir.Minimum:       {floats(extreme[float32]), extremeGradient, integers(extreme[int8], extreme[int16])},
		ir.Maximum:       {floats(extreme[float32]), extremeGradient, integers(extreme[int8], extreme[int16])},
		ir.Concat:        {floats(concat[float32]), concatGradient, integers(concat[int8], concat[int16])},
		ir.Flatten:       {floatUnary(ir.ActNone), unaryGradient(ir.ActNone), nil},
		ir.Reshape:       {floatUnary(ir.ActNone), unaryGradient(ir.ActNone), intReshape},
		ir.Copy:          {floatMoved, movedGradient, intMoved},
		ir.Bilinear:      {floatBilinear, bilinearGradient, intBilinear},
		ir.Pad:           {floats(padStep[float32]), padGradient, integers(padStep[int8], padStep[int16])},
		ir.BatchNorm:     {floatBatchNorm, batchNormGradient, nil},
		ir.Normalize:     {floatNormalize, normalizeGradient, nil},
		ir.Requantize:    {floatRequantize, requantizeGradient, intRequantize},
		ir.Softmax:       {floatSoftmax, softmaxGradient, intSoftmax},
		ir.LogSoftmax:    {floatLogSoftmax, logSoftmaxGradient, intLogSoftmax},
		ir.L2Norm:        {floatL2Norm, l2NormGradient, intL2Norm},
		ir.Table:         {floatFunction, functionGradient, intTable},
		ir.Reduce:        {floatReduce, reduceGradient, intReduce},
		ir.MatMul:        {floatMatMul, matMulGradient, intMatMul},
		ir.ArgMax:        {floatArgMax, noGradient, intArgMax},
		ir.Embedding:     {floatEmbedding, noGradient, intEmbedding},
		ir.Spectrogram:   {floatSpectrogram, spectrogramGradient, intSpectrogram},
		ir.Mel:           {floatSpectrogram, spectrogramGradient, nil},
		ir.LogMel:        {floatSpectrogram, spectrogramGradient, nil},
		ir.MFCC:          {floatSpectrogram, spectrogramGradient, nil},
		ir.Recurrent:     {floatRecurrent, recurrentGradient, intRecurrent},
		ir.History:       {floatHistory, historyGradient, intHistory},
	}
	for op := range ir.NumOps {
		switch own := operations[op].float != nil; {
		case op.IsFunction():
			operations[op] = aFunction
		case op.Is(ir.Move) && !own:
			operations[op] = aMove
		}
	}
	const place = "runtime/interp/operations.go"
	ir.AddColumn(ir.Column{Name: "float step", Place: place, Has: func(op ir.Op) bool { return operations[op].float != nil }})
	ir.AddColumn(ir.Column{Name: "gradient", Place: place, Has: func(op ir.Op) bool { return operations[op].gradient != nil }})
	ir.AddColumn(ir.Column{Name: "integer step", Place: place,
		Needs: func(op ir.Op) bool { return op.Is(ir.Core) }, Has: func(op ir.Op) bool { return operations[op].integer != nil }})
}

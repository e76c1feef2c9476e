package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// runner imports an operation of values that the network computes.
type runner = func(im *importer, n *pb.Node, in []*operand) ([]*operand, error)

// opEntry is what the importer knows of an ONNX operation.
type opEntry struct {
	args int // that must be there
	run  runner
	fold folder1 // of constants; nil where they are not folded
	ops  []ir.Op // what it becomes
}

var table map[string]opEntry

func init() {
	less := func(f func(a, b float64) bool) folder1 {
		return elementwise(func(x []float64) float64 {
			if f(x[0], x[1]) {
				return 1
			}
			return 0
		}, boolType)
	}
	table = map[string]opEntry{
		// Layers and windows.
		"Conv":               {2, conv, nil, []ir.Op{ir.Conv2D}},
		"Gemm":               {2, gemm, nil, []ir.Op{ir.Linear}},
		"MatMul":             {2, matmul, foldMatMul, []ir.Op{ir.Linear, ir.Conv2D, ir.MatMul}},
		"ConvTranspose":      {2, convTranspose, nil, []ir.Op{ir.Pad, ir.Conv2D}},
		"MaxPool":            {1, pool(ir.MaxPool2D), nil, []ir.Op{ir.MaxPool2D}},
		"AveragePool":        {1, pool(ir.AvgPool2D), nil, []ir.Op{ir.AvgPool2D}},
		"GlobalAveragePool":  {1, globalPool(ir.GlobalAvgPool), nil, []ir.Op{ir.GlobalAvgPool}},
		"GlobalMaxPool":      {1, globalPool(ir.MaxPool2D), nil, []ir.Op{ir.MaxPool2D}},
		"BatchNormalization": {5, batchNorm, nil, []ir.Op{ir.BatchNorm}},
		// Element by element.
		"Relu":            {1, unary(ir.Relu), elementwise(func(x []float64) float64 { return max(x[0], 0) }, 0), []ir.Op{ir.Relu}},
		"Clip":            {1, clip, foldClip, []ir.Op{ir.Clip, ir.Relu, ir.Relu6}},
		"Add":             {2, twoArguments("Add"), elementwise(func(x []float64) float64 { return x[0] + x[1] }, 0), []ir.Op{ir.Add, ir.BatchNorm}},
		"Sub":             {2, twoArguments("Sub"), elementwise(func(x []float64) float64 { return x[0] - x[1] }, 0), []ir.Op{ir.Sub, ir.BatchNorm, ir.Normalize}},
		"Mul":             {2, twoArguments("Mul"), elementwise(func(x []float64) float64 { return x[0] * x[1] }, 0), []ir.Op{ir.Mul, ir.BatchNorm, ir.Normalize}},
		"Div":             {2, twoArguments("Div"), elementwise(func(x []float64) float64 { return x[0] / x[1] }, 0), []ir.Op{ir.Mul, ir.Reciprocal, ir.BatchNorm, ir.Normalize}},
		"Softmax":         {1, softmaxOf(ir.Softmax), nil, []ir.Op{ir.Softmax}},
		"LogSoftmax":      {1, softmaxOf(ir.LogSoftmax), nil, []ir.Op{ir.LogSoftmax}},
		"Sigmoid":         functionEntry(ir.Sigmoid),
		"Tanh":            functionEntry(ir.Tanh),
		"HardSigmoid":     functionEntry(ir.HardSigmoid, [2]any{"alpha", .2}, [2]any{"beta", .5}),
		"HardSwish":       functionEntry(ir.HardSwish),
		"LeakyRelu":       functionEntry(ir.LeakyRelu, [2]any{"alpha", .01}),
		"PRelu":           {2, prelu, nil, []ir.Op{ir.LeakyRelu, ir.Relu, ir.Sub, ir.BatchNorm}},
		"Elu":             functionEntry(ir.Elu, [2]any{"alpha", 1.}),
		"Gelu":            {1, gelu, nil, []ir.Op{ir.Gelu}},
		"Swish":           functionEntry(ir.Silu, [2]any{"alpha", 1.}),
		"QuickGelu":       functionEntry(ir.Silu, [2]any{"alpha", 1.702}),
		"FastGelu":        {1, fastGelu, nil, []ir.Op{ir.Gelu}},
		"BiasGelu":        {2, biasGelu, nil, []ir.Op{ir.Gelu}},
		"Mish":            functionEntry(ir.Mish),
		"Selu":            functionEntry(ir.Selu, [2]any{"alpha", 1.67326319217681884765625}, [2]any{"gamma", 1.05070102214813232421875}),
		"Celu":            {1, celu, nil, []ir.Op{ir.Celu}},
		"ThresholdedRelu": functionEntry(ir.ThresholdedRelu, [2]any{"alpha", 1.}),
		"Shrink":          functionEntry(ir.Shrink, [2]any{"lambd", .5}, [2]any{"bias", 0.}),
		"Sign":            functionEntry(ir.Sign),
		"Round":           functionEntry(ir.Round),
		"Sin":             functionEntry(ir.Sin),
		"Cos":             functionEntry(ir.Cos),
		"Tan":             functionEntry(ir.Tan),
		"Asin":            functionEntry(ir.Asin),
		"Acos":            functionEntry(ir.Acos),
		"Atan":            functionEntry(ir.Atan),
		"Sinh":            functionEntry(ir.Sinh),
		"Cosh":            functionEntry(ir.Cosh),
		"Asinh":           functionEntry(ir.Asinh),
		"Acosh":           functionEntry(ir.Acosh),
		"Atanh":           functionEntry(ir.Atanh),
		"Softplus":        functionEntry(ir.Softplus),
		"Softsign":        functionEntry(ir.Softsign),
		"Exp":             functionEntry(ir.Exp),
		"Log":             functionEntry(ir.Log),
		"Erf":             functionEntry(ir.Erf),
		"ReduceMean":      {1, reduction(ir.ReduceMean), summed(plus, 0, func(sum float64, n int) float64 { return sum / float64(n) }), []ir.Op{ir.Reduce, ir.GlobalAvgPool}},
		"ArgMax":          {1, argmax, nil, []ir.Op{ir.ArgMax}},
		"ArgMin":          {1, argmin, nil, []ir.Op{ir.Neg, ir.ArgMax}},
		"Pad":             {1, padding, nil, []ir.Op{ir.Pad}},
		"Split":           {1, split, nil, []ir.Op{ir.Copy}},
		"DepthToSpace":    {1, blocks(ir.DepthToSpace), nil, []ir.Op{ir.DepthToSpace}},
		"SpaceToDepth":    {1, blocks(ir.SpaceToDepth), nil, []ir.Op{ir.SpaceToDepth}},
		"Resize":          {1, resize, nil, []ir.Op{ir.Resize, ir.Bilinear}},
		"Upsample":        {1, resize, nil, []ir.Op{ir.Resize, ir.Bilinear}},
		// Elements in other places.
		"Flatten":          {1, reshape(flattenShape), reshaped(flattenShape), []ir.Op{ir.Flatten, ir.Reshape}},
		"Reshape":          {2, reshape(reshapeShape), reshaped(reshapeShape), []ir.Op{ir.Reshape}},
		"Squeeze":          {1, reshape(squeezeShape), reshaped(squeezeShape), []ir.Op{ir.Reshape}},
		"Unsqueeze":        {1, reshape(unsqueezeShape), reshaped(unsqueezeShape), []ir.Op{ir.Reshape}},
		"Concat":           {1, concat, foldConcat, []ir.Op{ir.Concat, ir.Embedding}},
		"Identity":         {1, same, func(_ *importer, _ *pb.Node, in []*operand) (*tensor, error) { return in[0].c, nil }, nil},
		"Dropout":          {1, dropout, nil, nil},
		"Cast":             {1, cast, foldCast, []ir.Op{ir.Abs, ir.Step}},
		"QuantizeLinear":   {2, quantize, foldQuantize, nil},
		"DequantizeLinear": {2, dequantize, foldDequantize, []ir.Op{ir.Normalize}},
		"QLinearConv":      {8, qlinearConv, nil, []ir.Op{ir.Conv2D}},
		"QLinearMatMul":    {8, qlinearMatMul, nil, []ir.Op{ir.Linear}},
		// onnxruntime's own, of the domain com.microsoft.
		"QGemm":                            {6, qgemm, nil, []ir.Op{ir.Linear}},
		"QLinearAdd":                       {7, requantized(twoArguments("Add"), 6, 0, 3), nil, []ir.Op{ir.Add}},
		"QLinearMul":                       {7, requantized(twoArguments("Mul"), 6, 0, 3), nil, []ir.Op{ir.Mul}},
		"QLinearAveragePool":               {4, requantized(pool(ir.AvgPool2D), 3, 0), nil, []ir.Op{ir.AvgPool2D}},
		"QLinearGlobalAveragePool":         {4, requantized(globalPool(ir.GlobalAvgPool), 3, 0), nil, []ir.Op{ir.GlobalAvgPool}},
		"QLinearLeakyRelu":                 {4, requantized(function(ir.LeakyRelu, [2]any{"alpha", .01}), 3, 0), nil, []ir.Op{ir.LeakyRelu}},
		"QLinearSigmoid":                   {4, requantized(function(ir.Sigmoid), 3, 0), nil, []ir.Op{ir.Sigmoid}},
		"QLinearSoftmax":                   {5, requantized(qlinearSoftmax, 3, 0), nil, []ir.Op{ir.Softmax}},
		"QLinearWhere":                     {9, qlinearWhere, nil, []ir.Op{ir.BatchNorm, ir.Add}},
		"QLinearConcat":                    {5, qlinearConcat, nil, []ir.Op{ir.Concat}},
		"LayerNormalization":               {1, layerNorm, nil, []ir.Op{ir.Reduce, ir.Sub, ir.MatMul, ir.Mul, ir.Pow}},
		"RMSNormalization":                 {1, rmsNorm, nil, []ir.Op{ir.Reduce, ir.MatMul, ir.Mul, ir.Pow}},
		"SimplifiedLayerNormalization":     {1, rmsNorm, nil, []ir.Op{ir.Reduce, ir.MatMul, ir.Mul, ir.Pow}},
		"SkipLayerNormalization":           {2, skipped(layerNorm, 4), nil, []ir.Op{ir.Add, ir.Reduce, ir.Sub, ir.MatMul, ir.Mul, ir.Pow}},
		"SkipSimplifiedLayerNormalization": {2, skipped(rmsNorm, 3), nil, []ir.Op{ir.Add, ir.Reduce, ir.MatMul, ir.Mul, ir.Pow}},
		"InstanceNormalization":            {3, instanceNorm, nil, []ir.Op{ir.Reduce, ir.Sub, ir.MatMul, ir.Mul, ir.Pow}},
		"GroupNormalization":               {3, groupNorm, nil, []ir.Op{ir.Reduce, ir.Sub, ir.MatMul, ir.Mul, ir.Pow}},
		"MeanVarianceNormalization":        {1, meanVariance, nil, []ir.Op{ir.Reduce, ir.Sub, ir.MatMul, ir.Mul, ir.Pow}},
		"LpNormalization":                  {1, lpNorm, nil, []ir.Op{ir.L2Norm, ir.Abs, ir.Reduce, ir.MatMul, ir.Mul, ir.Pow}},
		"Attention":                        {3, attention, nil, []ir.Op{ir.Mul, ir.MatMul, ir.Softmax, ir.Concat}},
		"LRN":                              {1, lrn, nil, []ir.Op{ir.Mul, ir.Pad, ir.AvgPool2D, ir.Pow}},
		"ConvInteger":                      {2, integerLayer(conv, 0), nil, []ir.Op{ir.Conv2D}},
		"MatMulInteger":                    {2, integerLayer(matmul, -1), nil, []ir.Op{ir.Linear, ir.Conv2D}},
		"DynamicQuantizeLinear":            {1, dynamicQuantize, nil, nil},
		"LSTM":                             {3, recurrent(4), nil, []ir.Op{ir.Recurrent, ir.Linear, ir.Slice, ir.Sigmoid, ir.Tanh, ir.Add, ir.Mul, ir.Concat}},
		"GRU":                              {3, recurrent(3), nil, []ir.Op{ir.Recurrent, ir.Linear, ir.Slice, ir.Sigmoid, ir.Tanh, ir.Add, ir.Sub, ir.Mul, ir.Concat}},
		"RNN":                              {3, recurrent(1), nil, []ir.Op{ir.Recurrent, ir.Linear, ir.Slice, ir.Tanh, ir.Add, ir.Concat}},
		"Einsum":                           {1, einsum, nil, []ir.Op{ir.Transpose, ir.Mul, ir.MatMul, ir.Reduce}},
		"If":                               {1, conditional, nil, nil},
		"GatherElements":                   {2, gatherElements, nil, []ir.Op{ir.Copy, ir.Concat}},
		"GatherND":                         {2, gatherND, nil, []ir.Op{ir.Copy, ir.Concat}},
		"ScatterND":                        {3, scatterND, nil, []ir.Op{ir.Copy, ir.Concat}},
		"Hardmax":                          {1, hardmax, nil, []ir.Op{ir.ArgMax, ir.Embedding}},
		"OneHot":                           {3, oneHot, nil, []ir.Op{ir.Embedding}},
		"CausalConvWithState":              {2, causalConv, nil, []ir.Op{ir.Pad, ir.Conv2D, ir.Concat, ir.Silu}},
		"DynamicQuantizeLSTM":              {3, dynamicLSTM, nil, []ir.Op{ir.Recurrent, ir.Linear, ir.Slice, ir.Sigmoid, ir.Tanh, ir.Add, ir.Mul, ir.Concat}},
		"DynamicQuantizeMatMul":            {3, dynamicMatMul, nil, []ir.Op{ir.Linear, ir.Conv2D}},
		"FusedConv":                        {2, fusedConv, nil, []ir.Op{ir.Conv2D}},
		"FusedMatMul":                      {2, fusedMatMul, nil, []ir.Op{ir.Linear, ir.Conv2D, ir.MatMul}},
		"FusedGemm":                        {2, fusedGemm, nil, []ir.Op{ir.Linear}},
		"com.microsoft.Attention":          {2, microsoftAttention, nil, []ir.Op{ir.Linear, ir.Conv2D, ir.Mul, ir.MatMul, ir.Softmax}},
		"MultiHeadAttention":               {1, multiHeadAttention, nil, []ir.Op{ir.Mul, ir.MatMul, ir.Softmax}},
		"ai.onnx.ml.Scaler":                {1, mlScaler, nil, []ir.Op{ir.BatchNorm}},
		"ai.onnx.ml.Normalizer":            {1, mlNormalizer, nil, []ir.Op{ir.L2Norm, ir.Reduce, ir.Pow, ir.Mul}},
		"ai.onnx.ml.Imputer":               {1, mlImputer, nil, nil},
		"ai.onnx.ml.Binarizer":             {1, mlBinarizer, nil, []ir.Op{ir.Step}},
		"ai.onnx.ml.LinearClassifier":      {1, mlClassifier, nil, []ir.Op{ir.Linear, ir.Softmax, ir.Sigmoid, ir.ArgMax}},
		"ai.onnx.ml.LinearRegressor":       {1, mlRegressor, nil, []ir.Op{ir.Linear}},
		"ai.onnx.ml.ArrayFeatureExtractor": {2, mlFeatures, nil, []ir.Op{ir.Copy, ir.Embedding}},
		"ai.onnx.ml.ZipMap":                {1, mlZipMap, nil, nil},
		"TopK":                             {2, topK, nil, []ir.Op{ir.ArgMax, ir.Reduce, ir.Embedding, ir.Concat}},
		"RotaryEmbedding":                  {3, rotary, nil, []ir.Op{ir.Copy, ir.Mul, ir.Sub, ir.Add, ir.Concat}},
		"SwiGLU":                           {2, swiGLU, nil, []ir.Op{ir.Silu, ir.Mul}},
		"LpPool":                           {1, lpPool, nil, []ir.Op{ir.Pow, ir.Pad, ir.AvgPool2D}},
		"GlobalLpPool":                     {1, globalLpPool, nil, []ir.Op{ir.Pow, ir.Reduce}},
		"Sum":                              {1, sumOf, nil, []ir.Op{ir.Add}},
		"Tile":                             {2, tile, nil, []ir.Op{ir.Copy}},
		"CastLike":                         {2, castLike, nil, nil},
		// Spectra of signals: onSpectra has what makes one operation of them.
		"STFT":            {2, stft, foldSTFT, []ir.Op{ir.Spectrogram}},
		"DFT":             {1, dft, foldDFT, []ir.Op{ir.Spectrogram}},
		"MelWeightMatrix": {5, nil, foldMelWeights, nil},
		"HannWindow":      {1, nil, foldWindow(.5, .5), nil},
		"HammingWindow":   {1, nil, foldWindow(25./46, 21./46), nil},
		"BlackmanWindow":  {1, nil, foldWindow(.42, .5, .08), nil},
		// Shape arithmetic: of constants alone.
		"Constant":        {0, nil, foldConstant, nil},
		"ConstantOfShape": {1, nil, foldFill, nil},
		"Shape":           {1, nil, foldShape, nil},
		"Size":            {1, nil, foldSize, nil},
		"Range":           {3, nil, foldRange, nil},
		"Gather":          {2, gather, foldGather, []ir.Op{ir.Copy, ir.Embedding}},
		"Transpose":       {1, transpose, moved(transposeView), []ir.Op{ir.Transpose, ir.Copy}},
		"Slice":           {1, viewing(sliceView), moved(sliceView), []ir.Op{ir.Copy}},
		"Expand":          {2, viewing(expandView), moved(expandView), []ir.Op{ir.Copy}},
		"Neg":             functionEntry(ir.Neg),
		"Abs":             functionEntry(ir.Abs),
		"Floor":           functionEntry(ir.Floor),
		"Ceil":            functionEntry(ir.Ceil),
		"Sqrt":            functionEntry(ir.Sqrt),
		"Reciprocal":      functionEntry(ir.Reciprocal),
		"Pow":             {2, power, elementwise(func(x []float64) float64 { return math.Pow(x[0], x[1]) }, 0), []ir.Op{ir.Mul, ir.Sqrt, ir.Pow}},
		"Mod":             {2, remainder, elementwise(func(x []float64) float64 { return x[0] - x[1]*math.Floor(x[0]/x[1]) }, 0), []ir.Op{ir.Reciprocal, ir.Floor, ir.Mul, ir.Sub}},
		"Min":             {1, extremes(ir.Minimum), elementwise(func(x []float64) float64 { return slices.Min(x) }, 0), []ir.Op{ir.Minimum, ir.Clip}},
		"Max":             {1, extremes(ir.Maximum), elementwise(func(x []float64) float64 { return slices.Max(x) }, 0), []ir.Op{ir.Maximum, ir.Clip}},
		"IsNaN":           {1, isNaN, nil, nil},
		"Trilu":           {1, triangle, foldTrilu, []ir.Op{ir.BatchNorm}},
		"CumSum":          {2, accumulated, nil, []ir.Op{ir.Conv2D, ir.Linear, ir.Transpose}},
		"Where": {3, where, elementwise(func(x []float64) float64 {
			if x[0] != 0 {
				return x[1]
			}
			return x[2]
		}, 0), []ir.Op{ir.BatchNorm, ir.Add}},
		"Not":             {1, noReals, elementwise(func(x []float64) float64 { return 1 - x[0] }, 0), nil},
		"And":             {2, noReals, less(func(a, b float64) bool { return a != 0 && b != 0 }), nil},
		"Or":              {2, noReals, less(func(a, b float64) bool { return a != 0 || b != 0 }), nil},
		"Xor":             {2, noReals, less(func(a, b float64) bool { return (a != 0) != (b != 0) }), nil},
		"Equal":           {2, compared, less(func(a, b float64) bool { return a == b }), []ir.Op{ir.Abs, ir.Neg, ir.Step}},
		"Less":            {2, compared, less(func(a, b float64) bool { return a < b }), []ir.Op{ir.Neg, ir.Step}},
		"Greater":         {2, compared, less(func(a, b float64) bool { return a > b }), []ir.Op{ir.Step}},
		"LessOrEqual":     {2, compared, less(func(a, b float64) bool { return a <= b }), []ir.Op{ir.Neg, ir.Step}},
		"GreaterOrEqual":  {2, compared, less(func(a, b float64) bool { return a >= b }), []ir.Op{ir.Step}},
		"ReduceL1":        {1, reduceL1, reduced(func(a, b float64) float64 { return a + math.Abs(b) }, 0), []ir.Op{ir.Abs, ir.Reduce}},
		"ReduceL2":        {1, reduceL2, summed(plusSquare, 0, func(sum float64, _ int) float64 { return math.Sqrt(sum) }), []ir.Op{ir.MatMul, ir.Mul, ir.Reduce, ir.Sqrt}},
		"ReduceSumSquare": {1, reduceSquares, reduced(plusSquare, 0), []ir.Op{ir.MatMul, ir.Mul, ir.Reduce}},
		"ReduceLogSum":    {1, reduceLogSum, nil, []ir.Op{ir.Reduce, ir.Log}},
		"ReduceLogSumExp": {1, reduceLogSumExp, nil, []ir.Op{ir.Reduce, ir.Sub, ir.Exp, ir.Log, ir.Add}},
		"Mean":            {1, meanOf, nil, []ir.Op{ir.Add, ir.BatchNorm}},
		"ReduceProd":      {1, reduceProduct, reduced(func(a, b float64) float64 { return a * b }, 1), []ir.Op{ir.Mul}},
		"ReduceSum":       {1, reduction(ir.ReduceSum), reduced(plus, 0), []ir.Op{ir.Reduce}},
		"ReduceMax":       {1, reduction(ir.ReduceMax), reduced(math.Max, math.Inf(-1)), []ir.Op{ir.Reduce}},
		"ReduceMin":       {1, reduction(ir.ReduceMin), reduced(math.Min, math.Inf(1)), []ir.Op{ir.Reduce}},
	}
	onIntegers = integerOperations()
	ir.AddColumn(ir.Column{Name: "importer of ONNX", Place: "frontend/onnx/ops.go",
		Needs: func(op ir.Op) bool { return op.Info().Known&ir.InONNX != 0 }, Has: func(op ir.Op) bool { return len(Names(op)) > 0 }})
}

// unary imports an operation of one argument, of any shape.
func unary(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		v, err := im.Add(op, moduleName(n), []*ir.Value{in[0].v})
		if err != nil {
			return nil, err
		}
		return result(v, in[0].shape), nil
	}
}

func same(_ *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(n.Output) > 1 && n.Output[1] != "" {
		return nil, errors.New("gives more than its argument")
	}
	return []*operand{in[0]}, nil
}

// dropout changes nothing, but in training.
func dropout(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 2, "a training mode")
	if err != nil {
		return nil, err
	}
	if t != nil {
		if x, err := t.numbers(); err != nil || len(x) != 1 || x[0] != 0 {
			return nil, errors.New("in training mode")
		}
	}
	return same(im, n, in)
}

// cast changes nothing among floats; a float that is not 0 is true.
func cast(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	switch to := dtype(intAttr(n, "to", 0)); {
	case to == boolType:
		c := im.compose(n)
		return c.condition(c.function(ir.Step, "", c.do("Abs", "size", in[:1])))
	case !to.isFloat():
		return nil, errCut(to)
	}
	return []*operand{in[0]}, nil
}

// errCut is the fault of a cast that cuts reals off, as 8 bits of 1.98 would give another integer.
func errCut(to dtype) error {
	return fmt.Errorf("of floats to %s, which cuts them off: a QuantizeLinear rounds; where it makes labels, -outputs names the other results (probabilities); or run this part outside of the network", to)
}

// isNaN imports IsNaN: no integer stands for it.
func isNaN(im *importer, _ *pb.Node, in []*operand) ([]*operand, error) {
	size := build.Product(in[0].shape)
	if err := im.room(size); err != nil {
		return nil, err
	}
	return []*operand{{c: newTensor(boolType, in[0].shape, make([]float64, size)), shape: in[0].shape}}, nil
}

// bound is a bound of Clip, an attribute or an argument.
func bound(n *pb.Node, in []*operand, name string, i int, absent float64) (float64, error) {
	if a := attr(n, name); a != nil {
		return float64(a.GetF()), nil
	}
	t, err := constant(in, i, "bounds")
	if err != nil || t == nil {
		return absent, err
	}
	x, err := t.numbers()
	if err != nil || len(x) != 1 {
		return 0, errors.New("has bounds that are not numbers")
	}
	return x[0], nil
}

func clip(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	lo, err := bound(n, in, "min", 1, math.Inf(-1))
	if err != nil {
		return nil, err
	}
	hi, err := bound(n, in, "max", 2, math.Inf(1))
	if err != nil {
		return nil, err
	}
	return im.clipped(n, in[0], lo, hi)
}

// castLike changes nothing among floats.
func castLike(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if c := in[1].c; c != nil && !c.typ.isFloat() {
		return nil, errCut(c.typ)
	}
	return []*operand{in[0]}, nil
}

// foldClip bounds a constant.
func foldClip(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	lo, err := bound(n, in, "min", 1, math.Inf(-1))
	if err != nil {
		return nil, err
	}
	hi, err := bound(n, in, "max", 2, math.Inf(1))
	if err != nil {
		return nil, err
	}
	return elementwise(func(x []float64) float64 { return min(max(x[0], lo), hi) }, 0)(im, n, in[:1])
}

// twoArguments imports an operation of two arguments, one of which may be a constant.
func twoArguments(op string) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		a, b := in[0], in[1]
		switch {
		case b.c != nil:
			return im.affine(n, op, a, b.c, false)
		case a.c != nil && op != "Div":
			return im.affine(n, op, b, a.c, true)
		}
		kind, ok := map[string]ir.Op{"Add": ir.Add, "Sub": ir.Sub, "Mul": ir.Mul}[op]
		if !ok { // a quotient is a product with the reciprocal
			y, err := im.Add(ir.Reciprocal, moduleName(n)+".reciprocal", []*ir.Value{b.v})
			if err != nil {
				return nil, err
			}
			kind, b = ir.Mul, &operand{v: y, shape: b.shape}
		}
		if a.c != nil {
			return im.affine(n, "Mul", b, a.c, true)
		}
		return im.pair(kind, n, a, b)
	}
}

// perChannel reads a constant that broadcasts to shape and differs along its
// channels (axis 1 of three and more dimensions, else the last) at most: one
// number a channel, or one.
func perChannel(c *tensor, shape []int) ([]float64, bool) {
	x, err := c.numbers()
	if err != nil || len(c.shape) > len(shape) {
		return nil, false
	}
	if len(x) == 1 {
		return x, true
	}
	axis := 1
	if len(shape) < 3 {
		axis = len(shape) - 1
	}
	if len(shape) > 1 && shape[0] != 1 {
		return nil, false
	}
	for i, d := range c.shape {
		if k := len(shape) - len(c.shape) + i; d != 1 && (k != axis || d != shape[k]) {
			return nil, false
		}
	}
	return x, true
}

// affine is an operation of a value and a constant: the normalisation of an
// input, or a scale and an offset of every channel.
func (im *importer) affine(n *pb.Node, op string, a *operand, c *tensor, constFirst bool) ([]*operand, error) {
	if !c.typ.isFloat() {
		return nil, errors.New("of a constant that is no float")
	}
	x, ok := perChannel(c, a.shape)
	if !ok {
		return im.elementAffine(n, op, a, c, constFirst)
	}
	if v := im.normalized(n, op, a, x, constFirst); v != nil {
		return result(v, a.shape), nil
	}
	scale, shift := make([]float32, len(x)), make([]float32, len(x))
	for i, k := range x {
		s, t := 1., 0.
		switch {
		case op == "Add":
			t = k
		case op == "Sub" && constFirst:
			s, t = -1, k
		case op == "Sub":
			t = -k
		case op == "Mul":
			s = k
		default: // Div
			s = 1 / k
		}
		scale[i], shift[i] = float32(s), float32(bounded32(t))
	}
	var v *ir.Value
	var err error
	switch {
	case len(a.shape) == 3 && a.shape[0] == 1:
		v, _, err = im.image(a)
	case len(x) == 1:
		v = a.v
	default:
		v, err = im.as(a, build.Canonical(a.shape))
	}
	if err != nil {
		return nil, err
	}
	y, err := im.scaleShift(moduleName(n), v, scale, shift)
	if err != nil {
		return nil, err
	}
	return result(y, a.shape), nil
}

// onlyAxis is the only axis of shape along which a constant of some dimensions differs.
func onlyAxis(dims, shape []int) (axis int, ok bool) {
	axis = -1
	for i, d := range dims {
		switch {
		case d == 1:
		case axis >= 0:
			return 0, false
		default:
			axis = len(shape) - len(dims) + i
		}
	}
	return axis, axis >= 0
}

// turned is a value whose channels came first before they were moved to the axis of an operation.
type turned struct {
	channels *ir.Value
	shape    []int // the elements before the axis, along it and after it
}

// alongAxis is an operation of a value of a shape and a constant that differs along one axis of it: that axis
// is made the channels.
func (im *importer) alongAxis(n *pb.Node, op string, v *ir.Value, shape []int, axis int, c *tensor, constFirst bool) ([]*operand, error) {
	parts := []int{build.Product(shape[:axis]), shape[axis], build.Product(shape[axis+1:])}
	x := &operand{v: v, shape: parts}
	if t, ok := im.turned[v]; ok && slices.Equal(t.shape, parts) { // what the operation before it moved back
		x.v = t.channels
	} else {
		in, err := im.viewedAs(moduleName(n)+".in", x, ir.ViewOf(parts).Permute([]int{1, 0, 2}))
		if err != nil {
			return nil, err
		}
		x = in[0]
	}
	channels := []int{1, parts[1], parts[0], parts[2]}
	out, err := im.affine(n, op, &operand{v: x.v, shape: channels}, c.reshaped([]int{1, parts[1], 1, 1}), constFirst)
	if err != nil {
		return nil, err
	}
	y := &operand{v: out[0].v, shape: []int{parts[1], parts[0], parts[2]}}
	back, err := im.viewedAs(moduleName(n)+".out", y, ir.ViewOf(y.shape).Permute([]int{1, 0, 2}))
	if err != nil {
		return nil, err
	}
	im.turned[back[0].v] = turned{y.v, parts}
	return result(back[0].v, shape), nil
}

// termOf is the operation of a sum or a difference.
func termOf(op string) (kind ir.Op, ok bool) {
	switch op {
	case "Add":
		return ir.Add, true
	case "Sub":
		return ir.Sub, true
	}
	return 0, false
}

// elementAffine is an operation with a constant that has a number of its own for
// elements: each element is a channel, where they do not differ along one axis alone.
func (im *importer) elementAffine(n *pb.Node, op string, a *operand, c *tensor, constFirst bool) ([]*operand, error) {
	shape, err := build.Broadcast(a.shape, c.shape)
	if err != nil {
		return nil, err
	}
	if err := im.room(sizeOf(shape)); err != nil {
		return nil, err
	}
	view, ok := ir.ViewOf(c.shape).Expand(shape)
	if !ok {
		return nil, fmt.Errorf("of shapes %v and %v", a.shape, c.shape)
	}
	v, err := im.expanded(n, a, shape)
	if err != nil {
		return nil, err
	}
	if axis, ok := onlyAxis(c.shape, shape); ok {
		return im.alongAxis(n, op, v, shape, axis, c, constFirst)
	}
	if kind, ok := termOf(op); ok && build.Product(shape) >= build.ManyTerms {
		term, err := im.computed(&operand{c: c.view(view), shape: shape})
		if err != nil {
			return nil, err
		}
		args := []*operand{{v: v, shape: shape}, term}
		if constFirst {
			slices.Reverse(args)
		}
		return im.pair(kind, n, args[0], args[1])
	}
	flat, err := im.Reshape(v, ir.Shape{build.Product(shape)})
	if err != nil {
		return nil, err
	}
	size := []int{1, build.Product(shape)}
	out, err := im.affine(n, op, &operand{v: flat, shape: size}, c.view(view).reshaped(size), constFirst)
	if err != nil {
		return nil, err
	}
	return result(out[0].v, shape), nil
}

// scaleShift is scale*x+shift of numbers as many as channels, or one for all.
func (im *importer) scaleShift(hint string, v *ir.Value, scale, shift []float32) (*ir.Value, error) {
	channels := v.Type.Shape[0]
	if len(scale) == 1 { // one number for all, which a file need not have data for
		if err := im.room(channels); err != nil {
			return nil, err
		}
	}
	spread := func(x []float32) []float32 {
		if len(x) == 1 {
			return slices.Repeat(x, channels)
		}
		return x
	}
	if len(scale) != 1 && len(scale) != channels {
		return nil, fmt.Errorf("of %d numbers and a tensor of %v", len(scale), v.Type.Shape)
	}
	return im.ScaleShift(hint, v, spread(scale), spread(shift))
}

// normalized makes a subtraction, and a division after it, at an input its
// normalisation; nil where the operation is none.
func (im *importer) normalized(n *pb.Node, op string, a *operand, x []float64, constFirst bool) *ir.Value {
	if constFirst && (op == "Sub" || op == "Div") {
		return nil
	}
	mean, std := []float64{0}, []float64{1}
	for i := range x {
		x[i] = build.ShortFloat(x[i])
	}
	switch op {
	case "Sub":
		mean = x
	case "Add":
		mean = negated(x)
	case "Div":
		std = x
	case "Mul":
		std = inverted(x)
	}
	if slices.Min(std) <= 0 || math.IsInf(slices.Max(std), 0) {
		return nil
	}
	v := a.v
	if d := v.Def; d != nil {
		// A scale after the shift that was made a normalisation.
		if d.Op != ir.Normalize || !im.isOnlyUse(n, a) || len(mean) != 1 || mean[0] != 0 || d.Out != v {
			return nil
		}
		if s := d.Nums(ir.AttrStd); len(s) == 1 && s[0] == 1 {
			d.Put(ir.AttrStd.Is(std))
			return v
		}
		return nil
	}
	y, err := im.Add(ir.Normalize, "norm", []*ir.Value{v}, ir.AttrMean.Is(mean), ir.AttrStd.Is(std))
	if err != nil {
		return nil
	}
	return y
}

// isOnlyUse reports whether nothing but a node of the model reads an operand, under any
// name of it: operations that change nothing but dimensions give further ones.
func (im *importer) isOnlyUse(n *pb.Node, a *operand) bool {
	if !slices.ContainsFunc(n.Input, func(name string) bool { return im.values[name] == a }) {
		return false
	}
	names, uses := im.named[a.v], 0
	for _, name := range names {
		if uses += len(im.users[name]); im.results[name] || uses > len(names) {
			return false
		}
	}
	return uses == len(names) // each name after the first is one use of another
}

func negated(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = 0 - v
	}
	return out
}

func inverted(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = 1 / v
	}
	return out
}

// reshape imports an operation that only changes dimensions.
func reshape(shape func(n *pb.Node, in []*operand) ([]int, error)) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		to, err := shape(n, in)
		if err != nil {
			return nil, err
		}
		if sizeOf(to) != build.Product(in[0].shape) {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
		return []*operand{{v: in[0].v, c: in[0].c, shape: to}}, nil
	}
}

func flattenShape(n *pb.Node, in []*operand) ([]int, error) {
	s := in[0].shape
	axis := intAttr(n, "axis", 1)
	if axis < 0 {
		axis += len(s)
	}
	if axis < 0 || axis > len(s) {
		return nil, fmt.Errorf("has the axis %d of %d", axis, len(s))
	}
	return []int{build.Product(s[:axis]), build.Product(s[axis:])}, nil
}

func reshapeShape(n *pb.Node, in []*operand) ([]int, error) {
	to, err := intsOf(n, in, "shape", 1)
	if err != nil {
		return nil, err
	}
	to = slices.Clone(to)
	from, rest, open := build.Product(in[0].shape), 1, -1
	for i, d := range to {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && intAttr(n, "allowzero", 0) == 0 && i < len(in[0].shape):
			to[i] = in[0].shape[i]
		case d < 0:
			return nil, fmt.Errorf("to %v", to)
		}
		if rest *= to[i]; rest > ir.MaxElements {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
	}
	if open >= 0 {
		if rest == 0 || from%rest != 0 {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
		to[open] = from / rest
	}
	if sizeOf(to) != from {
		return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
	}
	return to, nil
}

func squeezeShape(n *pb.Node, in []*operand) ([]int, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape))
	if err != nil {
		return nil, err
	}
	var to []int
	for k, d := range in[0].shape {
		switch {
		case set[k] && d != 1:
			return nil, fmt.Errorf("axis %d of %v", k, in[0].shape)
		case !set[k] && (axes != nil || d != 1):
			to = append(to, d)
		}
	}
	return to, nil
}

func unsqueezeShape(n *pb.Node, in []*operand) ([]int, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape)+len(axes))
	if err != nil {
		return nil, err
	}
	rest := in[0].shape
	var to []int
	for _, one := range set {
		switch {
		case one:
			to = append(to, 1)
		case len(rest) == 0:
			return nil, fmt.Errorf("has the axes %v", axes)
		default:
			to, rest = append(to, rest[0]), rest[1:]
		}
	}
	return to, nil
}

func transposeView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	rank := len(in[0].shape)
	perm := intsAttr(n, "perm")
	if perm == nil {
		for k := rank - 1; k >= 0; k-- {
			perm = append(perm, k)
		}
	}
	sorted := slices.Sorted(slices.Values(perm))
	for k, p := range sorted {
		if k != p || len(perm) != rank {
			return ir.View{}, fmt.Errorf("has the permutation %v of %d dimensions", perm, rank)
		}
	}
	return ir.ViewOf(in[0].shape).Permute(perm), nil
}

func sliceView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	var p [4][]int
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if p[i], err = intsOf(n, in, name, i+1); err != nil {
			return ir.View{}, err
		}
	}
	starts, ends, axes, steps := p[0], p[1], p[2], p[3]
	if axes == nil {
		for k := range starts {
			axes = append(axes, k)
		}
	}
	if steps == nil {
		steps = slices.Repeat([]int{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		return ir.View{}, errors.New("has lists of different lengths")
	}
	v := ir.ViewOf(in[0].shape)
	for i := range starts {
		k, err := build.Axis(axes[i], len(v.Dims))
		if err != nil {
			return ir.View{}, err
		}
		size, step := v.Dims[k], steps[i]
		from, to := starts[i], ends[i]
		if from < 0 {
			from = max(from, -size-1) + size
		}
		if to < 0 {
			to = max(to, -size-1) + size
		}
		var count int
		switch {
		case step > 0:
			from, to = min(max(from, 0), size), min(max(to, 0), size)
			count = (to - from + step - 1) / step
		case step < 0 && step > -1<<31:
			from, to = min(max(from, -1), size-1), min(max(to, -1), size-1)
			count = (from - to - step - 1) / -step
		default:
			return ir.View{}, fmt.Errorf("has the step %d", step)
		}
		v = v.Slice(k, from, min(step, size), max(count, 0))
	}
	return v, nil
}

func expandView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	to, err := intsOf(n, in, "shape", 1)
	if err != nil {
		return ir.View{}, err
	}
	shape, err := build.Broadcast(in[0].shape, to)
	if err != nil {
		return ir.View{}, err
	}
	v, ok := ir.ViewOf(in[0].shape).Expand(shape)
	if !ok {
		return ir.View{}, fmt.Errorf("of %v to %v", in[0].shape, to)
	}
	return v, nil
}

func concatShape(n *pb.Node, in []*operand) (shape []int, axis int, err error) {
	first := in[0].shape
	if axis, err = build.Axis(intAttr(n, "axis", 1), len(first)); err != nil {
		return nil, 0, err
	}
	shape = slices.Clone(first)
	for _, o := range in[1:] {
		if o == nil || len(o.shape) != len(first) {
			return nil, 0, errors.New("of tensors of different ranks")
		}
		for k, d := range o.shape {
			if k != axis && d != first[k] {
				return nil, 0, fmt.Errorf("of shapes %v and %v along axis %d", first, o.shape, axis)
			}
		}
		shape[axis] += o.shape[axis]
	}
	return shape, axis, nil
}

func concat(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape, axis, err := concatShape(n, in)
	if err != nil {
		return nil, err
	}
	// Concatenation goes along the first axis: others are brought there and back.
	rank := len(shape)
	outer := build.Product(shape[:axis])
	var args []*ir.Value
	for _, o := range in {
		if o, err = im.computed(o); err != nil {
			return nil, err
		}
		if outer == 1 {
			v, err := im.as(o, ir.Shape(o.shape[axis:]))
			if err != nil {
				return nil, err
			}
			args = append(args, v)
			continue
		}
		first, err := im.viewed(n, o, ir.ViewOf(o.shape).Permute(build.MoveAxis(rank, axis, 0)))
		if err != nil {
			return nil, err
		}
		v, err := im.as(first[0], ir.Shape{o.shape[axis], build.Product(o.shape) / o.shape[axis]})
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	v, err := im.Add(ir.Concat, moduleName(n), args)
	if err != nil {
		return nil, err
	}
	if outer == 1 {
		return result(v, shape), nil
	}
	perm := build.MoveAxis(rank, axis, 0)
	first := make([]int, rank)
	for i, k := range perm {
		first[i] = shape[k]
	}
	return im.viewed(n, &operand{v: v, shape: first}, ir.ViewOf(first).Permute(build.MoveAxis(rank, 0, axis)))
}

func reduceAxes(n *pb.Node, in []*operand) ([]bool, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape))
	if err != nil || len(axes) > 0 {
		return set, err
	}
	for k := range set {
		set[k] = intAttr(n, "noop_with_empty_axes", 0) == 0
	}
	return set, nil
}

// Names lists the ONNX operations that become, or take part in, one of the module,
// in alphabetical order.
func Names(op ir.Op) []string {
	var names []string
	for name, e := range table {
		if e.run != nil && slices.Contains(e.ops, op) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Folded lists the ONNX operations that are computed where their arguments are
// constants.
func Folded() []string {
	var names []string
	for name, e := range table {
		if e.fold != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

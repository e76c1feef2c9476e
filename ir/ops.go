package ir

import (
	"math"
	"slices"
)

// The operations, in any order: each has a row in the table below.
const (
	Conv2D Op = iota
	Linear
	MaxPool2D
	AvgPool2D
	GlobalAvgPool
	Relu
	Relu6
	Add
	Concat
	Flatten
	Reshape
	BatchNorm
	Softmax
	Normalize
	Requantize
	Sub
	Mul
	Minimum
	Maximum
	Sigmoid
	Tanh
	HardSigmoid
	HardSwish
	LeakyRelu
	Elu
	Gelu
	Silu
	Softplus
	Softsign
	Exp
	Log
	Sqrt
	Abs
	Neg
	Erf
	Reciprocal
	Clip
	Table
	LogSoftmax
	L2Norm
	Transpose
	Slice
	Expand
	DepthToSpace
	SpaceToDepth
	Resize
	Bilinear
	Copy
	Pad
	Reduce
	MatMul
	ArgMax
	Embedding
	Pow
	Mish
	Selu
	Celu
	ThresholdedRelu
	Shrink
	Sign
	Round
	Floor
	Ceil
	Step
	Sin
	Cos
	Tan
	Asin
	Acos
	Atan
	Sinh
	Cosh
	Asinh
	Acosh
	Atanh
	SquaredDiff
	ScaledDiff
	Spectrogram
	Mel
	LogMel
	MFCC
	Recurrent
	History
	NumOps
)

const maxDim = 1 << 20

// Attributes that several operations share.
var (
	strideAttr = AttrInfo{Key: AttrStride, Len: 2, Min: 1, Max: maxDim, Default: []int{1, 1}, Doc: "step of the window, [height, width]"}
	padAttr    = AttrInfo{Key: AttrPad, Len: 4, Min: 0, Max: maxDim, Default: []int{0, 0, 0, 0}, Doc: "rows and columns added: [top, left, bottom, right]"}
	windowAttr = AttrInfo{Key: AttrKernel, Len: 2, Min: 1, Max: maxDim, Required: true, Doc: "size of the window, [height, width]"}
	dilAttr    = AttrInfo{Key: AttrDilation, Len: 2, Min: 1, Max: maxDim, Default: []int{1, 1}, Doc: "distance between taps, [height, width]"}
	poolStride = AttrInfo{Key: AttrStride, Len: 2, Min: 1, Max: maxDim, Doc: "step of the window; the window's size when absent"}
	axisAttr   = AttrInfo{Key: AttrAxis, Min: 0, Max: 16, Default: 0, Doc: "the axis"}
	blockAttr  = AttrInfo{Key: AttrBlock, Min: 2, Max: maxDim, Required: true, Doc: "side of a block of pixels"}
	actAttr    = AttrInfo{Key: AttrAct, Words: []string{ActNone, ActRelu, ActRelu6}, Default: ActNone, Doc: "activation applied to the result"}

	// What quantize writes: rules R6 to R9 of runtime/kernels.
	requantAttrs = []AttrInfo{
		{Key: AttrMul, Doc: "multipliers of the requantization, i32, one a channel or one (R6)"},
		{Key: AttrShift, Doc: "shifts of the requantization, i32, like mul (R6)"},
		{Key: AttrRound, Words: []string{RoundHalfUp, RoundEven, RoundTFLite, RoundTwice}, Default: RoundHalfUp, Doc: "rounding of the requantization (R6, R8)"},
	}
	clampAttrs = []AttrInfo{
		{Key: AttrLo, Min: math.MinInt16, Max: math.MaxInt16, Default: -128, Doc: "least integer of the result (R9)"},
		{Key: AttrHi, Min: math.MinInt16, Max: math.MaxInt16, Default: 127, Doc: "greatest integer of the result (R9)"},
	}
	// What the machine passes write.
	machineAttrs = []AttrInfo{
		{Key: AttrImpl, Doc: "kernel that code generation uses"},
		{Key: AttrMultiply, Doc: "product of the target that the kernel is built on"},
		{Key: AttrTile, Min: 1, Max: maxDim, Doc: "tile of the kernel: [pixels, channels]; of conv_pixels: [rows, groups of inputs, inputs of a group]; of conv_pairs: [rows, columns, groups of inputs, inputs of a group, words]"},
		{Key: AttrUnroll, Min: 1, Max: maxDim, Doc: "bounds what a round of the kernel's innermost loop does, for small code: products of an input, codes of a channel; the target's own when absent"},
		{Key: AttrScratch, Len: 2, Min: 0, Max: MaxElements, Doc: "working memory in the arena: [offset, bytes]"},
		{Key: AttrLag, Min: 0, Max: MaxElements, Doc: "the result may overlap a first argument that dies here and begins at least so many bytes after it"},
		{Key: AttrChain, Len: 2, Min: 1, Max: maxDim, Doc: "[operations, rows]: this operation and the next ones, in all so many, are a chain: they run in stripes, each of so many rows of the last one's result, and a kernel computes one row a call"},
		{Key: AttrBuffer, Min: 1, Max: maxDim, Doc: "in a chain: the result is never whole; the arena has so many rows of it at a time"},
		{Key: AttrKept, Len: 2, Min: 0, Max: MaxElements, Doc: "of a buffer: [offset, rows] of the rows that the next stripe needs again; the buffer itself is free after its last reader. The buffer stays between stripes when absent"},
		{Key: AttrLoad, Len: 2, Min: 0, Max: MaxElements, Doc: "in a chain: [offset, rows] of a buffer into which rows of the first argument, which is whole or given by rows, are copied, with padding around them"},
		{Key: AttrParts, Len: 2, Min: 1, Max: maxDim, Doc: "[parts, size]: the operation is computed in so many parts, which threads may run side by side: each of so many rows of the result (columns of a result of one row, elements of a vector), the last of what is left. The scratch is that of all parts, each at a multiple of 64 bytes"},
	}
	// Of operations with weights.
	weightAttrs = []AttrInfo{
		{Key: AttrWeight, Required: true, Doc: "weights"},
		{Key: AttrBias, Doc: "bias, one an output channel"},
		{Key: AttrCodebook, Doc: "codebook of code and vec weights, i8[2^b, d] (R1)"},
		{Key: AttrBits, Doc: "format that quantize gives the weights"},
		{Key: AttrRounding, Words: []string{RoundingNearest, RoundingCompensated, RoundingShared}, Doc: "how the weights are rounded to codes: the nearest, with compensated errors (R17), or the nearest centre of k-means (Deep Compression)"},
		{Key: AttrSparsity, Len: 1, Doc: "share of the weights that shared rounding prunes to 0"},
	}
)

// What says which spectra operations of signals have, which filters, and which logarithms.
var (
	frameAttrs = []AttrInfo{
		{Key: AttrFrame, Min: 2, Max: MostFFT, Required: true, Doc: "samples of a frame"},
		{Key: AttrHop, Min: 1, Max: maxDim, Required: true, Doc: "samples from the beginning of a frame to that of the next one"},
		{Key: AttrFFT, Min: LeastFFT, Max: MostFFT, Doc: "size of the Fourier transform, a power of two: zeros follow a frame; the least that holds a frame when absent"},
		{Key: AttrWindow, Words: []string{WindowHann, WindowHamming, WindowBlackman, WindowNone}, Default: WindowHann, Doc: "periodic window by which a frame is multiplied"},
		{Key: AttrPower, Min: 1, Max: 2, Default: 2, Doc: "of the magnitudes: 2, or 1 for these themselves"},
	}
	melAttrs = []AttrInfo{
		{Key: AttrRate, Min: 1, Max: MaxElements, Required: true, Doc: "samples a second"},
		{Key: AttrBands, Min: 1, Max: MostFFT, Default: 40, Doc: "filters"},
		number(AttrLow, 0, "lowest frequency in Hz, where the first filter begins"),
		number(AttrHigh, 0, "highest frequency in Hz, where the last filter ends; 0: half of the rate"),
		{Key: AttrMels, Words: []string{MelsHTK, MelsSlaney}, Default: MelsHTK, Doc: "scale of mel frequencies: logarithmic, or linear below 1000 Hz"},
		{Key: AttrNorm, Words: []string{NormPeak, NormArea}, Default: NormPeak, Doc: "what all filters have alike: a peak of 1, or the area"},
	}
	logAttrs = []AttrInfo{
		number(AttrEps, 0, "added before a logarithm"),
		number(AttrFloor, 1e-10, "least number of which a logarithm is computed"),
		number(AttrGain, 1, "factor of a logarithm: 4.342944819 gives decibels of powers"),
	}
)

// anyInts declares a list of integers of any length.
func anyInts(key Key[[]int], least int, required bool, doc string) AttrInfo {
	return AttrInfo{Key: key, Min: least, Max: MaxElements, Required: required, Doc: doc}
}

// function declares an operation of the class Function.
func function(name string, known Known, sample, doc string, numbers ...AttrInfo) OpInfo {
	return OpInfo{Name: name, Class: Function, MinArgs: 1, MaxArgs: 1, Known: known, infer: inferSame, Sample: sample, Doc: doc, Attrs: numbers}
}

func number(key Key[float64], absent float64, doc string) AttrInfo {
	return AttrInfo{Key: key, Default: absent, Doc: doc}
}

func attrs(lists ...[]AttrInfo) []AttrInfo { return slices.Concat(lists...) }

func init() {
	opTable = [NumOps]OpInfo{
		Conv2D: {Name: "conv2d", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferConv2D,
			Sample: "const y.weight: f32[2,2,3,3]\nconst y.bias: f32[2]\ny = conv2d(a, filters: 2, kernel: 3, stride: [2,1], pad: [1,0,1,2], dilation: [1,2], groups: 2, pad_value: [0.5,1,0,-1], act: relu6, bits: odd3, rounding: compensated)",
			Doc:    "2-D convolution (cross-correlation) of [C,H,W] with weights [O,C/groups,KH,KW]; ONNX Conv.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrFilters, Min: 1, Max: maxDim, Source: true, Doc: "output channels"},
				{Key: AttrKernel, Len: 2, Min: 1, Max: maxDim, Source: true, Doc: "size of the window, [height, width]"},
				strideAttr, padAttr,
				{Key: AttrPadValue, Doc: "value of padded pixels, one an input channel; 0 (integers: the zero point) when absent"},
				dilAttr,
				{Key: AttrGroups, Min: 1, Max: maxDim, Default: 1, Doc: "groups of channels convolved apart; the channels for a depthwise convolution"},
				{Key: AttrPool, Len: 2, Min: 1, Max: maxDim, Doc: "of each [height, width] outputs that lie side by side the greatest is kept; what is left over at the edges is not computed"},
				actAttr}, weightAttrs, requantAttrs, clampAttrs, machineAttrs)},
		Linear: {Name: "linear", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferLinear,
			Sample: "const y.weight: f32[3,144]\nconst y.bias: f32[3]\ny = linear(a, units: 3, act: relu, bits: vec4x8, sparsity: 0.5)",
			Doc:    "fully connected layer: weights [O,I] times the elements of its input in C,H,W order; ONNX Gemm.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrUnits, Min: 1, Max: maxDim, Source: true, Doc: "outputs"},
				actAttr}, weightAttrs, requantAttrs, clampAttrs, machineAttrs)},
		MaxPool2D: {Name: "maxpool2d", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferPool,
			Sample: "y = maxpool2d(a, kernel: [2,3], stride: 1, pad: [0,1,0,1], dilation: 2)",
			Doc:    "greatest value in each window; padding never wins; ONNX MaxPool.",
			Attrs:  attrs([]AttrInfo{windowAttr, poolStride, padAttr, dilAttr}, clampAttrs, machineAttrs)},
		AvgPool2D: {Name: "avgpool2d", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferPool,
			Sample: "y = avgpool2d(a, kernel: 2, pad: 1, dilation: [3,1])",
			Doc:    "mean of each window's pixels, padding not counted; ONNX AveragePool.",
			Attrs:  attrs([]AttrInfo{windowAttr, poolStride, padAttr, dilAttr}, requantAttrs, clampAttrs, machineAttrs)},
		GlobalAvgPool: {Name: "globalavgpool", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferGlobalPool,
			Sample: "y = globalavgpool(a)",
			Doc:    "mean over height and width, [C,H,W] to [C,1,1]; ONNX GlobalAveragePool."},
		Relu: {Name: "relu", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferSame,
			Sample: "y = relu(m)", Doc: "max(x, 0)."},
		Relu6: {Name: "relu6", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferSame,
			Sample: "y = relu6(m)", Doc: "min(max(x, 0), 6)."},
		Add: {Name: "add", Class: Core, Widths: AnyWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferAdd,
			Sample: "y = add(a, b, act: relu)",
			Doc:    "sum of two tensors of one shape.",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		Concat: {Name: "concat", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: -1, Known: InONNX | InTFLite, infer: inferConcat,
			Sample: "y = concat(a, b, a)",
			Doc:    "tensors one after the other along the channels (axis 0).", Attrs: attrs(machineAttrs)},
		Flatten: {Name: "flatten", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX, infer: inferMoved, view: flattened,
			Sample: "y = flatten(a)", Doc: "all elements in C,H,W order as one axis."},
		Reshape: {Name: "reshape", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferReshape, view: reshaped,
			Sample: "y = reshape(a, shape: [8,18])",
			Doc:    "the same elements in C,H,W order with other dimensions.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrShape, Min: 1, Max: MaxElements, Required: true, Doc: "dimensions of the result"}}, machineAttrs)},
		BatchNorm: {Name: "batchnorm", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferBatchNorm,
			Sample: "const y.weight: f32[4]\nconst y.bias: f32[4]\nconst y.running_mean: f32[4]\nconst y.running_var: f32[4]\ny = batchnorm(a, eps: 0.001)",
			Doc:    "per channel gamma*(x-mean)/sqrt(variance+eps)+beta; ONNX BatchNormalization.",
			Attrs: []AttrInfo{
				{Key: AttrEps, Default: 1e-5, Doc: "added to the variance"},
				{Key: AttrGamma, Required: true, Doc: "scale, f32[C]; key .weight"},
				{Key: AttrBeta, Required: true, Doc: "offset, f32[C]; key .bias"},
				{Key: AttrRunningMean, Required: true, Doc: "running mean, f32[C]; key .running_mean"},
				{Key: AttrVariance, Required: true, Doc: "running variance, f32[C]; key .running_var"}}},
		Softmax: {Name: "softmax", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferSoftmax,
			Sample: "y = softmax(a, axis: 2)",
			Doc:    "exp(x)/sum(exp(x)) along an axis; int8 results have the zero point -128, and scale 1/256 where there is no mul (R15).",
			Attrs: attrs([]AttrInfo{
				axisAttr, {Key: AttrMask, Doc: "u8, repeated over the elements in logical order: those of 0 take no part and have the result 0, all of them where none takes part"}, {Key: AttrTable, Doc: "exponentials by distance from the maximum, i32[256]; of i16 those of -10 to 0 and reciprocals of 1 to 2, i16[2,513] (R15)"},
				{Key: AttrMul, Doc: "multiplier of the sum, i32[1], of a result of another scale: with the shift 256 times it; of i16, of the distance from the maximum (R15)"}, {Key: AttrShift, Doc: "shift of the sum or the distance, i32[1]"}}, machineAttrs)},
		Normalize: {Name: "normalize", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: InONNX, infer: inferNormalize,
			Sample: "y = normalize(a, mean: 0.5, std: [1,2,3,4])",
			Doc:    "per channel (x-mean)/std, the usual first step on images.",
			Attrs: []AttrInfo{
				{Key: AttrMean, Required: true, Doc: "one number a channel, or one for all"},
				{Key: AttrStd, Required: true, Doc: "one positive number a channel, or one for all"}}},
		Requantize: {Name: "requantize", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 1, Known: InTFLite, infer: inferSame,
			Sample: "y = requantize(a, act: relu6)",
			Doc:    "the same reals on another scale, within the bounds of an activation (R6, R9).",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		Sub: {Name: "sub", Class: Core, Widths: AnyWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferAdd,
			Sample: "y = sub(a, b, act: relu6)",
			Doc:    "difference of two tensors of one shape (R13).",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		SquaredDiff: {Name: "squareddiff", Class: Core, MinArgs: 2, MaxArgs: 2, Known: InTFLite, infer: inferAdd,
			Sample: "y = squareddiff(a, b, act: relu6)",
			Doc:    "square of the difference of two tensors of one shape, element by element (R13).",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		ScaledDiff: {Name: "scaleddiff", Class: Core, MinArgs: 3, MaxArgs: 3, Known: OwnOp, infer: inferScaledDiff,
			Sample: "y = scaleddiff(a, b, tanh(a), act: relu6)",
			Doc:    "difference of two tensors times a third one, all of one shape, element by element (R13): a deviation from a mean, scaled.",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		Mul: {Name: "mul", Class: Core, Widths: AnyWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferAdd,
			Sample: "y = mul(a, b, act: relu)",
			Doc:    "product of two tensors of one shape, element by element.",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		Minimum: {Name: "minimum", Class: Core, Widths: SameWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferAdd,
			Sample: "y = minimum(a, b)", Doc: "the lesser of two tensors' elements (R12).", Attrs: machineAttrs},
		Maximum: {Name: "maximum", Class: Core, Widths: SameWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferAdd,
			Sample: "y = maximum(a, b)", Doc: "the greater of two tensors' elements (R12).", Attrs: machineAttrs},
		Sigmoid: function("sigmoid", InONNX|InTFLite, "y = sigmoid(a)", "1/(1+exp(-x))."),
		Tanh:    function("tanh", InONNX|InTFLite, "y = tanh(m)", "hyperbolic tangent."),
		HardSigmoid: function("hardsigmoid", InONNX, "y = hardsigmoid(a, alpha: 0.3, beta: 0.4)", "min(max(alpha*x+beta, 0), 1).",
			number(AttrAlpha, .2, "slope"), number(AttrOffset, .5, "value at 0")),
		HardSwish:  function("hardswish", InONNX|InTFLite, "y = hardswish(a)", "x*min(max(x+3, 0), 6)/6."),
		LeakyRelu:  function("leakyrelu", InONNX|InTFLite, "y = leakyrelu(a, alpha: 0.2)", "x where positive, else alpha*x.", number(AttrAlpha, .01, "slope of the negative side")),
		Elu:        function("elu", InONNX|InTFLite, "y = elu(a, alpha: 0.7)", "x where positive, else alpha*(exp(x)-1).", number(AttrAlpha, 1, "depth of the negative side")),
		Gelu:       function("gelu", InONNX|InTFLite, "y = gelu(a, tanh: 1)", "x times the normal distribution function of x.", number(AttrTanh, 0, "1: the approximation by tanh")),
		Silu:       function("silu", InONNX, "y = silu(a, alpha: 1.702)", "x/(1+exp(-alpha*x)) (swish).", number(AttrAlpha, 1, "factor in the exponential")),
		Softplus:   function("softplus", InONNX, "y = softplus(a)", "log(1+exp(x))."),
		Softsign:   function("softsign", InONNX, "y = softsign(a)", "x/(1+|x|)."),
		Exp:        function("exp", InONNX|InTFLite, "y = exp(a)", "exponential."),
		Log:        function("log", InONNX|InTFLite, "y = log(softplus(a))", "natural logarithm."),
		Sqrt:       function("sqrt", InONNX|InTFLite, "y = sqrt(softplus(a))", "square root."),
		Abs:        function("abs", InONNX|InTFLite, "y = abs(a)", "absolute value."),
		Neg:        function("neg", InONNX|InTFLite, "y = neg(a)", "-x."),
		Erf:        function("erf", InONNX, "y = erf(a)", "error function."),
		Reciprocal: function("reciprocal", InONNX|InTFLite, "y = reciprocal(softplus(a))", "1/x."),
		Clip:       function("clip", InONNX|InTFLite, "y = clip(a, low: -1, high: 2.5)", "min(max(x, lo), hi).", number(AttrLow, 0, "least value"), number(AttrHigh, 1, "greatest value")),
		Pow: function("pow", InONNX|InTFLite, "y = pow(a, exponent: -0.5, gamma: 1.5, beta: 4)", "gamma*x+beta to the power of a number.",
			number(AttrExponent, 2, "the power"), number(AttrGain, 1, "factor of x"), number(AttrOffset, 0, "what is added")),
		Mish: function("mish", InONNX, "y = mish(a)", "x*tanh(log(1+exp(x)))."),
		Selu: function("selu", InONNX, "y = selu(a, alpha: 1.5, gamma: 1.1)", "gamma*x where positive, else gamma*alpha*(exp(x)-1).",
			number(AttrAlpha, 1.67326319217681884765625, "depth of the negative side"), number(AttrGain, 1.05070102214813232421875, "slope of the positive side")),
		Celu:            function("celu", InONNX, "y = celu(a, alpha: 0.7)", "x where positive, else alpha*(exp(x/alpha)-1).", number(AttrAlpha, 1, "depth of the negative side")),
		ThresholdedRelu: function("thresholdedrelu", InONNX, "y = thresholdedrelu(a, alpha: 0.7)", "x where greater than alpha, else 0.", number(AttrAlpha, 1, "the threshold")),
		Shrink: function("shrink", InONNX, "y = shrink(a, low: 0.6, beta: 0.3)", "x-beta above low, x+beta below -low, else 0.",
			number(AttrLow, .5, "magnitude below which x becomes 0"), number(AttrOffset, 0, "what the others lose of theirs")),
		Sign:  function("sign", InONNX|InTFLite, "y = sign(a)", "1, 0 or -1."),
		Round: function("round", InONNX|InTFLite, "y = round(a)", "the nearest integer, the even one of two."),
		Floor: function("floor", InONNX|InTFLite, "y = floor(a)", "the greatest integer that is not above x."),
		Ceil:  function("ceil", InONNX|InTFLite, "y = ceil(a)", "the least integer that is not below x."),
		Step:  function("step", InONNX|InTFLite, "y = step(a, alpha: 0.5, value: 1)", "1 where x is greater than alpha, else 0.", number(AttrAlpha, 0, "the threshold"), number(AttrValue, 0, "value at the threshold")),
		Sin:   function("sin", InONNX|InTFLite, "y = sin(a)", "sine."),
		Cos:   function("cos", InONNX|InTFLite, "y = cos(a)", "cosine."),
		Tan:   function("tan", InONNX, "y = tan(m)", "tangent."),
		Asin:  function("asin", InONNX, "y = asin(tanh(m))", "inverse sine."),
		Acos:  function("acos", InONNX, "y = acos(tanh(m))", "inverse cosine."),
		Atan:  function("atan", InONNX, "y = atan(a)", "inverse tangent."),
		Sinh:  function("sinh", InONNX, "y = sinh(a)", "hyperbolic sine."),
		Cosh:  function("cosh", InONNX, "y = cosh(a)", "hyperbolic cosine."),
		Asinh: function("asinh", InONNX, "y = asinh(a)", "inverse hyperbolic sine."),
		Acosh: function("acosh", InONNX, "y = acosh(exp(softplus(a)))", "inverse hyperbolic cosine."),
		Atanh: function("atanh", InONNX, "y = atanh(tanh(m))", "inverse hyperbolic tangent."),
		Table: {Name: "table", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InTFLite, infer: inferSame,
			Sample: "y = table(a, fn: leakyrelu, params: [0.3])",
			Doc:    "a function of each element; of i8 a table of its 256 values, of i16 an interpolated one (R14).",
			Attrs: attrs([]AttrInfo{
				{Key: AttrFn, Default: "abs", Doc: "the function, an operation of one argument"},
				{Key: AttrParams, Doc: "its numbers, in the order of its attributes"},
				{Key: AttrTable, Doc: "results by integer from -128 to 127, i8[256]; of i16 by every 128th integer, i16[513], or of sigmoid and tanh the upper half of a sigmoid, i16[256] (R14)"},
				{Key: AttrMul, Doc: "multiplier of the argument, i32[1], of sigmoid and tanh of i16 (R14)"}, {Key: AttrShift, Doc: "shift of the argument, i32[1]"}}, machineAttrs)},
		LogSoftmax: {Name: "logsoftmax", Class: Core, Widths: OnlyBytes, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferSoftmax,
			Sample: "y = logsoftmax(m, axis: 1)", Doc: "logarithm of softmax; of models that have integers of it (R23), else of other operations, some of 16 bits.",
			Attrs: attrs([]AttrInfo{
				axisAttr, {Key: AttrTable, Doc: "exponentials by distance from the maximum, i32[256]"},
				{Key: AttrMul, Doc: "multipliers of the distance and of the logarithm of the sum, i32[2]"}, {Key: AttrShift, Doc: "their shifts, i32[2]"}}, machineAttrs)},
		L2Norm: {Name: "l2norm", Class: Core, Widths: OnlyBytes, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferSoftmax,
			Sample: "y = l2norm(m, axis: 1)", Doc: "x/sqrt(sum(x*x)) along an axis, 0 of zeros (R24).",
			Attrs: attrs([]AttrInfo{axisAttr,
				{Key: AttrRound, Words: []string{RoundHalfUp, RoundTFLite}, Default: RoundHalfUp, Doc: "rounding of the quotients: once, or as R8 does, for a result of scale 1/128 and zero point 0"},
				{Key: AttrMul, Doc: "multiplier of the quotients, i32[1]; none with round: tflite"}, {Key: AttrShift, Doc: "their shift, i32[1]"}}, machineAttrs)},
		Transpose: {Name: "transpose", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX, infer: inferMoved, view: transposed,
			Sample: "y = transpose(a, perm: [2,0,1])", Doc: "axes in another order; ONNX Transpose.",
			Attrs: []AttrInfo{anyInts(AttrPerm, 0, true, "the axis of the argument that each axis is")}},
		Slice: {Name: "slice", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX, infer: inferMoved, view: sliced,
			Sample: "y = slice(a, start: [1,5,0], size: [3,3,6], step: [1,-2,1])", Doc: "a part along every axis; ONNX Slice.",
			Attrs: []AttrInfo{anyInts(AttrStarts, 0, true, "first element, one number an axis"), anyInts(AttrSize, 1, true, "elements, one number an axis"),
				anyInts(AttrStep, -MaxElements, false, "distance between elements, may be negative; 1 when absent")}},
		Expand: {Name: "expand", Class: Move, MinArgs: 1, MaxArgs: 1, Known: OwnOp, infer: inferMoved, view: expanded,
			Sample: "y = expand(reshape(m, shape: [5,1,7]), shape: [5,3,7])", Doc: "axes of one element repeated; ONNX Expand.",
			Attrs: []AttrInfo{anyInts(AttrShape, 1, true, "dimensions of the result")}},
		DepthToSpace: {Name: "depthtospace", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferMoved, view: depthToSpace,
			Sample: "y = depthtospace(a, block: 2, mode: crd)", Doc: "[C*b*b,H,W] to [C,H*b,W*b]; ONNX DepthToSpace.",
			Attrs: []AttrInfo{blockAttr, {Key: AttrMode, Words: []string{BlocksFirst, ChannelsFirst}, Default: BlocksFirst, Doc: "order of the channels: block first, or channel first"}}},
		SpaceToDepth: {Name: "spacetodepth", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferMoved, view: spaceToDepth,
			Sample: "y = spacetodepth(a, block: 3)", Doc: "[C,H*b,W*b] to [b*b*C,H,W]; ONNX SpaceToDepth.",
			Attrs: []AttrInfo{blockAttr}},
		Resize: {Name: "resize", Class: Move, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferMoved, view: resized,
			Sample: "y = resize(a, scale: [2,3])", Doc: "[C,H,W] with every pixel repeated; ONNX Resize, nearest.",
			Attrs: []AttrInfo{{Key: AttrScale, Len: 2, Min: 1, Max: maxDim, Required: true, Doc: "repetitions, [height, width]"}}},
		Bilinear: {Name: "bilinear", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferBilinear,
			Sample: "y = bilinear(a, down: [0,0.25,2.125], across: [1.5,0,5,3.75,2])",
			Doc:    "[C,H,W] with pixels at other places: each lies between four of the argument, and is their mean weighted by how near they are, along both axes (R22); ONNX Resize, linear.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrDown, Required: true, Doc: "the place of each row of the result among those of the argument, 0 to H-1; multiples of 1/1024 after quantization"},
				{Key: AttrAcross, Required: true, Doc: "the place of each column, 0 to W-1"},
				{Key: AttrRound, Words: []string{RoundHalfUp, RoundTFLite}, Default: RoundHalfUp, Doc: "what becomes of ties: up, or away from zero (R22)"}}, machineAttrs)},
		Copy: {Name: "copy", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferMoved, view: copied,
			Sample: "y = copy(a, shape: [4,6], dims: [4,6], strides: [36,-1], start: 5)",
			Doc:    "the elements of a view: element i, of dims in logical order, is element start + sum(i*strides) of the argument (R12).",
			Attrs: attrs([]AttrInfo{anyInts(AttrShape, 1, true, "dimensions of the result"), anyInts(AttrDims, 1, true, "dimensions of the view"),
				anyInts(AttrStrides, -MaxElements, true, "elements of the argument, one step along each dimension of the view"),
				{Key: AttrStart, Min: 0, Max: MaxElements, Default: 0, Doc: "first element"}}, machineAttrs)},
		Pad: {Name: "pad", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferPad,
			Sample: "y = pad(m, before: [1,2], after: [0,3], between: [1,0], value: 0.3)",
			Doc:    "elements before, after and between the elements of every axis (R12), of one value or of the argument; ONNX Pad.",
			Attrs: attrs([]AttrInfo{anyInts(AttrBefore, 0, true, "elements before, one number an axis"), anyInts(AttrAfter, 0, true, "elements after"),
				anyInts(AttrBetween, 0, false, "elements between neighbours; 0 when absent"),
				{Key: AttrMode, Words: []string{PadConstant, PadEdge, PadReflect, PadSymmetric, PadWrap}, Default: PadConstant, Doc: "what is added: a value, the element at the edge, those next to it mirrored without or with it, those of the other end"},
				{Key: AttrValue, Default: 0., Doc: "their value; an integer after quantization"}}, machineAttrs)},
		Reduce: {Name: "reduce", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferReduce,
			Sample: "y = reduce(a, fn: max, axes: [0,2], keep: 1)",
			Doc:    "mean, sum, least or greatest element along axes; ONNX ReduceMean and others.",
			Attrs: attrs([]AttrInfo{{Key: AttrFn, Words: []string{ReduceMean, ReduceSum, ReduceMax, ReduceMin}, Default: ReduceMean, Doc: "what is computed"},
				anyInts(AttrAxes, 0, true, "axes that are reduced, rising"),
				{Key: AttrKeep, Min: 0, Max: 1, Default: 0, Doc: "1: they stay as axes of one element"}}, requantAttrs, clampAttrs, machineAttrs)},
		MatMul: {Name: "matmul", Class: Core, Widths: AnyWidth, MinArgs: 2, MaxArgs: 2, Known: InONNX | InTFLite, infer: inferMatMul,
			Sample: "y = matmul(a, b, act: relu)",
			Doc:    "product of two computed matrices [M,K] and [K,N], or of as many as a first axis has; ONNX MatMul.",
			Attrs:  attrs([]AttrInfo{actAttr}, requantAttrs, clampAttrs, machineAttrs)},
		ArgMax: {Name: "argmax", Class: Core, Widths: ByteResults, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferArgMax,
			Sample: "y = argmax(a, axis: 1)",
			Doc:    "place of the first greatest element along an axis; int8 results have scale 1 and zero point -128.",
			Attrs:  attrs([]AttrInfo{axisAttr}, machineAttrs)},
		Embedding: {Name: "embedding", Class: Core, MinArgs: 1, MaxArgs: 1, Known: InONNX | InTFLite, infer: inferEmbedding,
			Sample: "const y.rows: f32[9,4]\ny = embedding(flatten(m), rows: y.rows)",
			Doc:    "for each of [N] computed indices, rounded and kept in bounds, a row of a constant [V,D], V at most 256, or 32768 by an input, which is then i16; ONNX Gather.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrRows, Required: true, Doc: "the rows, f32[V,D]; i8 after quantization"},
				{Key: AttrTable, Doc: "the row of each integer from -128 to 127, u8[256]; none of i16, which are the rows"}}, machineAttrs)},
		Spectrogram: {Name: "spectrogram", Class: Core, Widths: WideArgument, MinArgs: 1, MaxArgs: 1, Known: InONNX, infer: inferSpectrogram,
			Sample: "const y.taps: f32[30]\ny = spectrogram(flatten(a), frame: 30, hop: 19, fft: 32, taps: y.taps, fn: log, eps: 0.01, gamma: 4.3)",
			Doc:    "power spectra of the frames of a signal [N] or [1,N], to [frames,bins] or [1,frames,bins], or their sums by a bank of filters [bands,bins], or the logarithms of these (R19).",
			Attrs: attrs(frameAttrs, []AttrInfo{
				{Key: AttrTaps, Doc: "a window of its own, f32[frame]; i16 after quantization, which writes it of each window"},
				{Key: AttrBank, Doc: "filters, f32[bands,fft/2+1]; after quantization their weights within spans, i16"},
				{Key: AttrFn, Words: []string{SpectrumPlain, SpectrumLog}, Default: SpectrumPlain, Doc: "log: the result is gamma*log(max(x+eps, floor))"}},
				logAttrs, []AttrInfo{
					{Key: AttrSpans, Doc: "first bin and number of bins of each filter, i32[bands,2] (R19)"},
					{Key: AttrTwiddles, Doc: "roots of unity, i32[n,2] (R19)"},
					{Key: AttrLevels, Doc: "for each number of bits that the samples of a frame take: shift, what is added, least number, what is added to a logarithm, i64[16,4] (R19)"},
					{Key: AttrTable, Doc: "logarithms to the base 2 of 1 to 2, i32[65] (R19)"}}, requantAttrs, clampAttrs, machineAttrs)},
		Mel: {Name: "mel", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: OwnOp, infer: inferMel,
			Sample: "y = mel(flatten(a), rate: 8000, frame: 60, hop: 19, bands: 5, low: 100, mels: slaney, norm: area)",
			Doc:    "sums of the power spectra of frames by triangular filters of mel frequencies, to [frames,bands] or [1,frames,bands].",
			Attrs:  attrs(frameAttrs, melAttrs)},
		LogMel: {Name: "logmel", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: OwnOp, infer: inferMel,
			Sample: "y = logmel(flatten(a), rate: 8000, frame: 60, hop: 19, power: 1, window: hamming, bands: 5, high: 3000, eps: 0.01)",
			Doc:    "logarithms of mel, gamma*log(max(x+eps, floor)).",
			Attrs:  attrs(frameAttrs, melAttrs, logAttrs)},
		MFCC: {Name: "mfcc", Class: Surface, MinArgs: 1, MaxArgs: 1, Known: OwnOp, infer: inferMel,
			Sample: "y = mfcc(flatten(a), rate: 8000, frame: 60, hop: 19, bands: 9, coefficients: 4, eps: 0.01)",
			Doc:    "orthonormal cosine transform of the bands of logmel, to [frames,coefficients] or [1,frames,coefficients].",
			Attrs: attrs(frameAttrs, melAttrs, logAttrs, []AttrInfo{
				{Key: AttrNumber, Min: 1, Max: MostFFT, Default: 13, Doc: "coefficients, from that of the mean on; at most the bands"}})},
		Recurrent: {Name: "recurrent", Class: Core, Widths: AnyWidth, MinArgs: 1, MaxArgs: 4, Known: InONNX | InTFLite, infer: inferRecurrent, states: recurrentStates,
			Sample: "const y.hidden: f32[12,4]\nconst y.bias: f32[4]\ny = recurrent(reshape(a, shape: [12,12,1]), cell: gru, reset: after, back: 1, hidden: y.hidden, bias: y.bias)",
			Doc:    "an LSTM, a GRU or a plain recurrence over T steps: of what the inputs give its gates, [gates*H,T,1], as a convolution of 1x1 computes it, the hidden state after each step, [H,T,1]. It begins with zeros, or with the states that stand after its argument: the hidden state, the cell of an LSTM, and perhaps the place of the next step, which counts up to 0 the steps that leave the others 0. Gates are in the order of ONNX: input, output, forget, candidate; update, reset, candidate.",
			Attrs: attrs([]AttrInfo{
				{Key: AttrCell, Words: []string{CellLSTM, CellGRU, CellRNN, CellLSTM8, CellCIFG8}, Default: CellLSTM, Doc: "what a step computes; rnn is tanh of the sum; lstm8, of integers alone, is TensorFlow Lite's LSTM, whose hidden state has 8 bits and whose cell has 16 (R25), cifg8 the same with an input gate that is one less its forget gate"},
				{Key: AttrReset, Words: []string{ResetBefore, ResetAfter}, Default: ResetBefore, Doc: "of gru: the reset gate multiplies the hidden state, or what the weights make of it (PyTorch, Keras)"},
				{Key: AttrBack, Min: 0, Max: 1, Default: 0, Doc: "1: from the last step to the first"},
				{Key: AttrHidden, Required: true, Doc: "weights of the hidden state, f32[gates*H,H]; i8 after quantization (R20)"},
				{Key: AttrBias, Doc: "of gru with reset: after, what is added to the candidate's part of the hidden state, f32[H]; i32 after quantization; of lstm8 and cifg8 what is added to the sums of hidden, and of project after them"},
				{Key: AttrTable, Doc: "half of a sigmoid, i16[256] (R14)"},
				{Key: AttrMul, Doc: "multipliers of the argument, of the result, and of the sums of each row of hidden, i32[2+gates*H] (R20); of lstm8 and cifg8 of the sums of each gate, of an output gate times a tanh, and of the sums of project (R25)"},
				{Key: AttrShift, Doc: "shifts of the argument, of the result and of all sums, i32[3] (R20); of lstm8 and cifg8 like mul"},
				{Key: AttrCellBits, Min: 0, Max: MostCellBits, Default: 0, Doc: "of lstm8 and cifg8, bits before the point of the cell, which has 15 with those after it"},
				{Key: AttrCellClip, Min: 0, Max: math.MaxInt16, Default: 0, Doc: "of lstm8 and cifg8, bound of the cell on both sides, 0: none"},
				{Key: AttrProject, Doc: "of lstm8 and cifg8, weights that make the result of an output gate times the tanh of the cell, i8[O,H]; then hidden is [gates*H,O] and the result [O,T,1]"},
				{Key: AttrHiddenZero, Min: math.MinInt8, Max: math.MaxInt8, Default: 0, Doc: "with project, the zero point of what it multiplies"}}, clampAttrs, machineAttrs)},
		History: {Name: "history", Class: Core, Widths: SameWidth, MinArgs: 1, MaxArgs: 3, Known: OwnOp, infer: inferHistory, states: historyStates,
			Sample: "y = history(a, axis: 1, frames: 4, back: 3, apart: 2)",
			Doc:    "frames of its argument along an axis, apart from each other, the first one back frames before the argument's first. Frames before those of the argument are the zero point, or with states what runs before had (R21): the past frames, and the place of the next one among them; a place below 0 counts frames that are left out.",
			Attrs: attrs([]AttrInfo{axisAttr,
				{Key: AttrFrames, Min: 1, Max: maxDim, Required: true, Doc: "frames of the result"},
				{Key: AttrBack, Min: -maxDim, Max: maxDim, Default: 0, Doc: "frames from the first of the result to the first of the argument"},
				{Key: AttrApart, Min: 1, Max: maxDim, Default: 1, Doc: "frames from one of the result to the next one"}}, machineAttrs)},
	}
	fn := Table.Attr(AttrFn)
	for op := range NumOps {
		if op.IsFunction() {
			fn.Words = append(fn.Words, opTable[op].Name)
		}
	}
}

package ir

// Key is the name of an attribute whose values are of type T: int, []int, float64,
// []float64, string, Elem or *Const. Attributes are read and written by the keys below
// and no others: a name that no operation knows, and a value of another type, do not
// compile.
type Key[T any] struct {
	name string
	kind AttrKind
}

// AttrKey is a Key of any type.
type AttrKey interface {
	String() string
	Kind() AttrKind
}

func (k Key[T]) String() string { return k.name }

// Kind is the kind of the values: a string is a word or a name.
func (k Key[T]) Kind() AttrKind { return k.kind }

// Is is the attribute with a value; nil in place of a constant is none.
func (k Key[T]) Is(v T) Attr {
	if c, ok := any(v).(*Const); ok && c == nil {
		return Attr{Key: k}
	}
	return Attr{k, v}
}

// The keys of all attributes; what they mean stands in the table of operations.
var (
	AttrFilters    = Key[int]{"filters", KindInt}
	AttrUnits      = Key[int]{"units", KindInt}
	AttrGroups     = Key[int]{"groups", KindInt}
	AttrAxis       = Key[int]{"axis", KindInt}
	AttrBlock      = Key[int]{"block", KindInt}
	AttrUnroll     = Key[int]{"unroll", KindInt}
	AttrLag        = Key[int]{"lag", KindInt}
	AttrLo         = Key[int]{"lo", KindInt}
	AttrHi         = Key[int]{"hi", KindInt}
	AttrKeep       = Key[int]{"keep", KindInt}
	AttrStart      = Key[int]{"start", KindInt}
	AttrBuffer     = Key[int]{"buffer", KindInt}
	AttrFrame      = Key[int]{"frame", KindInt}
	AttrHop        = Key[int]{"hop", KindInt}
	AttrFFT        = Key[int]{"fft", KindInt}
	AttrPower      = Key[int]{"power", KindInt}
	AttrRate       = Key[int]{"rate", KindInt}
	AttrBands      = Key[int]{"bands", KindInt}
	AttrNumber     = Key[int]{"coefficients", KindInt}
	AttrBack       = Key[int]{"back", KindInt}
	AttrFrames     = Key[int]{"frames", KindInt}
	AttrApart      = Key[int]{"apart", KindInt}
	AttrCellBits   = Key[int]{"cell_bits", KindInt}
	AttrCellClip   = Key[int]{"cell_clip", KindInt}
	AttrHiddenZero = Key[int]{"hidden_zero", KindInt}

	AttrKernel   = Key[[]int]{"kernel", KindInts}
	AttrStride   = Key[[]int]{"stride", KindInts}
	AttrPad      = Key[[]int]{"pad", KindInts}
	AttrDilation = Key[[]int]{"dilation", KindInts}
	AttrPool     = Key[[]int]{"pool", KindInts}
	AttrTile     = Key[[]int]{"tile", KindInts}
	AttrScratch  = Key[[]int]{"scratch", KindInts}
	AttrChain    = Key[[]int]{"chain", KindInts}
	AttrKept     = Key[[]int]{"kept", KindInts}
	AttrParts    = Key[[]int]{"parts", KindInts}
	AttrLoad     = Key[[]int]{"load", KindInts}
	AttrShape    = Key[[]int]{"shape", KindInts}
	AttrPerm     = Key[[]int]{"perm", KindInts}
	AttrSize     = Key[[]int]{"size", KindInts}
	AttrStep     = Key[[]int]{"step", KindInts}
	AttrScale    = Key[[]int]{"scale", KindInts}
	AttrDims     = Key[[]int]{"dims", KindInts}
	AttrStrides  = Key[[]int]{"strides", KindInts}
	AttrBefore   = Key[[]int]{"before", KindInts}
	AttrAfter    = Key[[]int]{"after", KindInts}
	AttrBetween  = Key[[]int]{"between", KindInts}
	AttrAxes     = Key[[]int]{"axes", KindInts}
	AttrStarts   = Key[[]int]{"start", KindInts}

	AttrEps      = Key[float64]{"eps", KindFloat}
	AttrAlpha    = Key[float64]{"alpha", KindFloat}
	AttrTanh     = Key[float64]{"tanh", KindFloat}
	AttrLow      = Key[float64]{"low", KindFloat}
	AttrHigh     = Key[float64]{"high", KindFloat}
	AttrValue    = Key[float64]{"value", KindFloat}
	AttrOffset   = Key[float64]{"beta", KindFloat}
	AttrGain     = Key[float64]{"gamma", KindFloat}
	AttrExponent = Key[float64]{"exponent", KindFloat}
	AttrFloor    = Key[float64]{"floor", KindFloat}

	AttrPadValue = Key[[]float64]{"pad_value", KindNums}
	AttrSparsity = Key[[]float64]{"sparsity", KindNums}
	AttrParams   = Key[[]float64]{"params", KindNums}
	AttrMean     = Key[[]float64]{"mean", KindNums}
	AttrDown     = Key[[]float64]{"down", KindNums}
	AttrAcross   = Key[[]float64]{"across", KindNums}
	AttrStd      = Key[[]float64]{"std", KindNums}

	AttrAct      = Key[string]{"act", KindWord}
	AttrRound    = Key[string]{"round", KindWord}
	AttrRounding = Key[string]{"rounding", KindWord}
	AttrFn       = Key[string]{"fn", KindWord}
	AttrMode     = Key[string]{"mode", KindWord}
	AttrWindow   = Key[string]{"window", KindWord}
	AttrMels     = Key[string]{"mels", KindWord}
	AttrNorm     = Key[string]{"norm", KindWord}
	AttrCell     = Key[string]{"cell", KindWord}
	AttrReset    = Key[string]{"reset", KindWord}

	AttrImpl     = Key[string]{"impl", KindName}
	AttrMultiply = Key[string]{"multiply", KindName}

	AttrBits = Key[Elem]{"bits", KindElem}

	AttrWeight      = Key[*Const]{"weight", KindConst}
	AttrBias        = Key[*Const]{"bias", KindConst}
	AttrCodebook    = Key[*Const]{"codebook", KindConst}
	AttrGamma       = Key[*Const]{"gamma", KindConst}
	AttrBeta        = Key[*Const]{"beta", KindConst}
	AttrVariance    = Key[*Const]{"variance", KindConst}
	AttrMul         = Key[*Const]{"mul", KindConst}
	AttrShift       = Key[*Const]{"shift", KindConst}
	AttrTable       = Key[*Const]{"table", KindConst}
	AttrRows        = Key[*Const]{"rows", KindConst}
	AttrMask        = Key[*Const]{"mask", KindConst}
	AttrTaps        = Key[*Const]{"taps", KindConst}
	AttrBank        = Key[*Const]{"bank", KindConst}
	AttrSpans       = Key[*Const]{"spans", KindConst}
	AttrTwiddles    = Key[*Const]{"twiddles", KindConst}
	AttrLevels      = Key[*Const]{"levels", KindConst}
	AttrHidden      = Key[*Const]{"hidden", KindConst}
	AttrProject     = Key[*Const]{"project", KindConst}
	AttrRunningMean = Key[*Const]{"mean", KindConst}
)

// BatchNormConsts are the constants of a batchnorm.
var BatchNormConsts = [4]Key[*Const]{AttrGamma, AttrBeta, AttrRunningMean, AttrVariance}

// The words of activations, of roundings of a requantization and of weights, of pads,
// of blocks, of reductions, of windows, results and filters of spectrograms, of cells and of reset gates.
const (
	ActNone  = "none"
	ActRelu  = "relu"
	ActRelu6 = "relu6"

	RoundHalfUp = "half_up"
	// RoundEven is RoundHalfUp with ties to even.
	RoundEven   = "even"
	RoundTFLite = "tflite"
	// RoundTwice is RoundTFLite with ties up.
	RoundTwice = "twice"

	RoundingNearest     = "nearest"
	RoundingCompensated = "compensated"
	RoundingShared      = "shared"

	PadConstant   = "constant"
	PadEdge       = "edge"
	PadReflect    = "reflect"
	PadSymmetric  = "symmetric"
	PadWrap       = "wrap"
	BlocksFirst   = "dcr"
	ChannelsFirst = "crd"

	ReduceMean = "mean"
	ReduceSum  = "sum"
	ReduceMax  = "max"
	ReduceMin  = "min"

	WindowHann     = "hann"
	WindowHamming  = "hamming"
	WindowBlackman = "blackman"
	WindowNone     = "none"

	SpectrumPlain = "none"
	SpectrumLog   = "log"

	MelsHTK    = "htk"
	MelsSlaney = "slaney"
	NormPeak   = "peak"
	NormArea   = "area"

	CellLSTM = "lstm"
	CellGRU  = "gru"
	CellRNN  = "rnn"
	// CellLSTM8 is an LSTM of TensorFlow Lite's integers (R25), CellCIFG8 one whose input gate is one less its
	// forget gate.
	CellLSTM8 = "lstm8"
	CellCIFG8 = "cifg8"

	ResetBefore = "before"
	ResetAfter  = "after"
)

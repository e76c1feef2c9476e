package ir

// An attribute is read and written by a key, whose type says what kind of value it has:
// a name that no operation knows, and a value of another kind, do not compile.
type (
	IntAttr   struct{ name string } // int
	IntsAttr  struct{ name string } // []int; one number stands for all of them
	FloatAttr struct{ name string } // float64
	NumsAttr  struct{ name string } // []float64
	WordAttr  struct{ name string } // string, one of the words that the operation declares
	NameAttr  struct{ name string } // string, any name
	ElemAttr  struct{ name string } // Elem: a format of weights
	ConstAttr struct{ name string } // *Const
)

// AttrKey is one of the types of keys.
type AttrKey interface {
	String() string
	kind() AttrKind
}

func (k IntAttr) String() string { return k.name }
func (k IntAttr) kind() AttrKind { return KindInt }

func (k IntsAttr) String() string { return k.name }
func (k IntsAttr) kind() AttrKind { return KindInts }

func (k FloatAttr) String() string { return k.name }
func (k FloatAttr) kind() AttrKind { return KindFloat }

func (k NumsAttr) String() string { return k.name }
func (k NumsAttr) kind() AttrKind { return KindNums }

func (k WordAttr) String() string { return k.name }
func (k WordAttr) kind() AttrKind { return KindWord }

func (k NameAttr) String() string { return k.name }
func (k NameAttr) kind() AttrKind { return KindName }

func (k ElemAttr) String() string { return k.name }
func (k ElemAttr) kind() AttrKind { return KindElem }

func (k ConstAttr) String() string { return k.name }
func (k ConstAttr) kind() AttrKind { return KindConst }

// Is is the attribute with a value.
func (k IntAttr) Is(v int) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k IntsAttr) Is(v []int) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k FloatAttr) Is(v float64) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k NumsAttr) Is(v []float64) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k WordAttr) Is(v string) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k NameAttr) Is(v string) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value.
func (k ElemAttr) Is(v Elem) Attr { return Attr{k.String(), v} }

// Is is the attribute with a value; nil is none.
func (k ConstAttr) Is(v *Const) Attr {
	if v == nil {
		return Attr{Name: k.String()}
	}
	return Attr{k.String(), v}
}

// The keys of all attributes; what they mean stands in the table of operations.
var (
	AttrFilters = IntAttr{"filters"}
	AttrUnits   = IntAttr{"units"}
	AttrGroups  = IntAttr{"groups"}
	AttrAxis    = IntAttr{"axis"}
	AttrBlock   = IntAttr{"block"}
	AttrUnroll  = IntAttr{"unroll"}
	AttrLag     = IntAttr{"lag"}
	AttrLo      = IntAttr{"lo"}
	AttrHi      = IntAttr{"hi"}
	AttrKeep    = IntAttr{"keep"}
	AttrStart   = IntAttr{"start"}

	AttrKernel   = IntsAttr{"kernel"}
	AttrStride   = IntsAttr{"stride"}
	AttrPad      = IntsAttr{"pad"}
	AttrDilation = IntsAttr{"dilation"}
	AttrPool     = IntsAttr{"pool"}
	AttrTile     = IntsAttr{"tile"}
	AttrScratch  = IntsAttr{"scratch"}
	AttrShape    = IntsAttr{"shape"}
	AttrPerm     = IntsAttr{"perm"}
	AttrSize     = IntsAttr{"size"}
	AttrStep     = IntsAttr{"step"}
	AttrScale    = IntsAttr{"scale"}
	AttrDims     = IntsAttr{"dims"}
	AttrStrides  = IntsAttr{"strides"}
	AttrBefore   = IntsAttr{"before"}
	AttrAfter    = IntsAttr{"after"}
	AttrBetween  = IntsAttr{"between"}
	AttrAxes     = IntsAttr{"axes"}
	AttrStarts   = IntsAttr{"start"}

	AttrEps    = FloatAttr{"eps"}
	AttrAlpha  = FloatAttr{"alpha"}
	AttrTanh   = FloatAttr{"tanh"}
	AttrLow    = FloatAttr{"low"}
	AttrHigh   = FloatAttr{"high"}
	AttrValue  = FloatAttr{"value"}
	AttrOffset = FloatAttr{"beta"}

	AttrPadValue = NumsAttr{"pad_value"}
	AttrSparsity = NumsAttr{"sparsity"}
	AttrParams   = NumsAttr{"params"}
	AttrMean     = NumsAttr{"mean"}
	AttrStd      = NumsAttr{"std"}

	AttrAct      = WordAttr{"act"}
	AttrRound    = WordAttr{"round"}
	AttrRounding = WordAttr{"rounding"}
	AttrFn       = WordAttr{"fn"}
	AttrMode     = WordAttr{"mode"}

	AttrImpl     = NameAttr{"impl"}
	AttrMultiply = NameAttr{"multiply"}

	AttrBits = ElemAttr{"bits"}

	AttrWeight      = ConstAttr{"weight"}
	AttrBias        = ConstAttr{"bias"}
	AttrCodebook    = ConstAttr{"codebook"}
	AttrGamma       = ConstAttr{"gamma"}
	AttrBeta        = ConstAttr{"beta"}
	AttrVariance    = ConstAttr{"variance"}
	AttrMul         = ConstAttr{"mul"}
	AttrShift       = ConstAttr{"shift"}
	AttrTable       = ConstAttr{"table"}
	AttrRows        = ConstAttr{"rows"}
	AttrRunningMean = ConstAttr{"mean"}
)

// BatchNormConsts are the constants of a batchnorm.
var BatchNormConsts = [4]ConstAttr{AttrGamma, AttrBeta, AttrRunningMean, AttrVariance}

// The words of activations, of roundings of a requantization and of weights, of pads,
// of blocks and of reductions.
const (
	ActNone  = "none"
	ActRelu  = "relu"
	ActRelu6 = "relu6"

	RoundHalfUp = "half_up"
	RoundTFLite = "tflite"

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
)

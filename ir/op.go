package ir

import (
	"math/bits"
	"slices"
)

// Op is an operation. Each layer of the compiler has one dense table indexed
// by it, and tells the columns of it in which no cell may be empty (Column). The
// numbers of operations mean nothing: what an operation is stands in its row.
type Op uint8

// Class says how an operation comes to its integers.
type Class uint8

// The classes.
const (
	Surface  Class = iota + 1 // a rule of its own in passes/graph makes it of others
	Core                      // has integer kernels and code generation
	Function                  // computes each element of one argument by itself: becomes a table (R14)
	Move                      // gives elements of its argument in other places: becomes a copy or a reshape
)

// Known says which formats of models have an operation, and so which importers give it.
type Known uint8

// The formats. OwnOp is of dnnc's language alone.
const (
	InONNX Known = 1 << iota
	InTFLite
	OwnOp
)

// Widths says how many bits the integers have that an operation takes and gives: 8, or 16. All
// arguments have the same.
type Widths uint8

// The widths of integers.
const (
	OnlyBytes    Widths = iota // 8 bits; an index of an embedding, which may have 16, is no integer of a scale
	SameWidth                  // the result has those of the arguments
	AnyWidth                   // the result has 8 or 16 bits, whatever the arguments have: its type says it
	ByteResults                // the result has 8 bits, whatever the arguments have
	WideArgument               // the argument has 16 bits, the result 8 or 16
)

// OpInfo declares an operation: its row in the table.
type OpInfo struct {
	Name    string
	Doc     string
	Class   Class
	MinArgs int
	MaxArgs int // -1: any number
	Attrs   []AttrInfo
	Known   Known
	Widths  Widths
	// Sample is the operation as a statement that gives y, of the values a and b,
	// f32[4,6,6] in [-2,3] and in [0,1], and m, f32[5,7] in [0,1], with attributes that
	// are not their defaults; the constants that it needs are declared before it. Tests
	// run it through the whole compiler.
	Sample string

	infer  func(n *Node) (Shape, *fault)       // the shape of the result
	states func(n *Node) []stateKind           // of what can have states after its argument: these
	view   func(n *Node) (View, Shape, *fault) // of what moves elements: which, and the shape of the result
}

var opTable [NumOps]OpInfo // filled in by ops.go

// Info is the declaration of op.
func (op Op) Info() *OpInfo { return &opTable[op] }

// String is op's name in the language.
func (op Op) String() string {
	if op < NumOps {
		return opTable[op].Name
	}
	return "invalid"
}

// ParseOp finds an operation by name.
func ParseOp(name string) (Op, bool) {
	for op := range NumOps {
		if opTable[op].Name == name && name != "" {
			return op, true
		}
	}
	return 0, false
}

// OpNames lists the operations in the order of the table.
func OpNames() []string {
	names := make([]string, NumOps)
	for op := range names {
		names[op] = opTable[op].Name
	}
	return names
}

// AttrNamed finds the declaration of an attribute by the text of a network, or nil.
func (o *OpInfo) AttrNamed(name string) *AttrInfo {
	for i := range o.Attrs {
		if o.Attrs[i].Key.String() == name {
			return &o.Attrs[i]
		}
	}
	return nil
}

// AttrNames lists the attributes of an operation.
func (o *OpInfo) AttrNames() []string {
	names := make([]string, len(o.Attrs))
	for i := range o.Attrs {
		names[i] = o.Attrs[i].Key.String()
	}
	return names
}

// HasStates reports whether op can have states after its argument.
func (op Op) HasStates() bool { return opTable[op].states != nil }

// HasWeights reports whether op has a weight constant: whether it is a layer
// whose format the search chooses.
func (op Op) HasWeights() bool { return op.Takes(AttrWeight) }

// IsFunction reports whether op computes each element of one argument by itself
// and legalize makes it a table.
func (op Op) IsFunction() bool { return opTable[op].Class == Function }

// Moves reports whether op gives elements of its argument, unchanged, in other
// places: whether Moved says which.
func (op Op) Moves() bool { return opTable[op].view != nil }

// Is reports whether op is of a class.
func (op Op) Is(c Class) bool { return opTable[op].Class == c }

// Function is the function that an operation of that class, or a table, computes, and
// its numbers: those that a table lacks are the function's defaults.
func (n *Node) Function() (op Op, numbers []float64) {
	if n.Op == Table {
		op, _ = ParseOp(n.Word(AttrFn))
		numbers = slices.Clone(n.Nums(AttrParams))
		for _, a := range op.Info().Attrs[min(len(numbers), len(op.Info().Attrs)):] {
			absent, _ := a.Default.(float64)
			numbers = append(numbers, absent)
		}
		return op, numbers
	}
	for i := range n.Op.Info().Attrs {
		numbers = append(numbers, n.Float(n.Op.Info().Attrs[i].Key.(Key[float64])))
	}
	return n.Op, numbers
}

// functionName is what n computes, as people call it: of a table its function.
func (n *Node) functionName() string {
	op := n.Op
	if op == Table {
		op, _ = n.Function()
	}
	return op.String()
}

// Jumps reports whether n is a function with jumps, which straight lines between the entries of a table of
// 16 bits (R14) would make slopes of.
func (n *Node) Jumps() bool {
	if n.Op != Table {
		return false
	}
	fn, _ := n.Function()
	return fn.Jumps()
}

// Jumps reports a function that has jumps.
func (op Op) Jumps() bool {
	return slices.Contains([]Op{Sign, Round, Floor, Ceil, Step, ThresholdedRelu, Shrink, Tan}, op)
}

// Widths is that of n's operation, as n is one: what has no factors, or chooses among elements, gives
// what it takes.
func (n *Node) Widths() Widths {
	w := n.Op.Info().Widths
	if w != AnyWidth || n.Op.HasWeights() {
		return w
	}
	if isExtreme := n.Op == Reduce && (n.Word(AttrFn) == ReduceMax || n.Word(AttrFn) == ReduceMin); isExtreme {
		return SameWidth
	}
	if isKept := n.Op == AvgPool2D && n.Args[0].Type.Elem.Kind != F32 && n.Const(AttrMul) == nil; isKept {
		return SameWidth
	}
	return w
}

// IsWide reports whether n takes or gives integers of 16 bits.
func (n *Node) IsWide() bool {
	args := n.Args
	if n.Op.HasStates() {
		args = args[:1] // without states, which no result is as wide as
	}
	return n.Out.Type.IsWide() || slices.ContainsFunc(args, func(a *Value) bool { return a.Type.IsWide() })
}

// HasWideSums reports whether the integers of n are sums of 64 bits (R7): of a layer where its bias
// says so, of a product of computed matrices where these have 16 bits.
func (n *Node) HasWideSums() bool {
	switch {
	case n.Op == MatMul:
		return n.Args[0].Type.IsWide()
	case !n.Op.HasWeights():
		return false
	}
	b := n.Const(AttrBias)
	return b != nil && b.Type.Elem.Kind == I64
}

// The entries of tables of i16 (R14, R15): of a function by every 128th integer, and of the upper half of
// a sigmoid.
const (
	WideTable    = 513
	SigmoidTable = 256
)

// Stride is the step of a pooling or convolution window, [height, width].
func (n *Node) Stride() []int {
	if s := n.Ints(AttrStride); s != nil {
		return s
	}
	return n.Ints(AttrKernel)
}

// Layers lists the operations with weights, in order: of those that share their
// weights, as the steps of an unrolled recurrence do, the first one. A format is
// chosen, and weights are rounded, once for all of them.
func (m *Module) Layers() []*Node {
	var layers []*Node
	for _, tied := range m.AllTied() {
		layers = append(layers, tied[0])
	}
	return layers
}

// AllTied lists, for each of Layers, what Tied does.
func (m *Module) AllTied() [][]*Node {
	var list [][]*Node
	places := map[shared]int{}
	for _, n := range m.Ops {
		if !n.Op.HasWeights() {
			continue
		}
		s := n.shared()
		at, ok := places[s]
		if !ok {
			at = len(list)
			places[s], list = at, append(list, nil)
		}
		list[at] = append(list[at], n)
	}
	return list
}

// Tied lists the operations that share the weights of layer n, n among them,
// in order.
func (m *Module) Tied(n *Node) []*Node {
	var tied []*Node
	for _, o := range m.Ops {
		if o.IsTied(n) {
			tied = append(tied, o)
		}
	}
	return tied
}

// IsTied reports whether n shares the weights of layer o.
func (n *Node) IsTied(o *Node) bool {
	return n.Op == o.Op && n.Const(AttrWeight) == o.Const(AttrWeight) && n.shared() == o.shared()
}

// shared is what operations with weights have in common that share them. Reals share their
// bias, too, which rounding corrects. Integers of a bias depend on the scale of the
// argument.
type shared struct {
	op           Op
	weight, bias *Const
	groups       int
}

func (n *Node) shared() shared {
	s := shared{op: n.Op, weight: n.Const(AttrWeight)}
	if s.weight.Type.Elem.Kind == F32 {
		s.bias = n.Const(AttrBias)
	}
	if n.Op == Conv2D {
		s.groups = n.Int(AttrGroups)
	}
	return s
}

// Pool is the outputs of a convolution that one element of its result is the
// greatest of, [height, width]: [1, 1] without pooling.
func (n *Node) Pool() (height, width int) {
	if n.Op == Conv2D {
		if p := n.Ints(AttrPool); p != nil {
			return p[0], p[1]
		}
	}
	return 1, 1
}

// MACs is the number of multiply-adds of one run of m.
func (m *Module) MACs() int { return MACs(m.Ops) }

// MACs is the number of multiply-adds of one run of some operations.
func MACs(ops []*Node) (sum int) {
	for _, n := range ops {
		sum += n.MACs()
	}
	return sum
}

// MACs is the number of multiply-adds of one run of n: of its weights, or 0 without weights.
func (n *Node) MACs() int {
	if n.Op == Recurrent {
		sum := n.Const(AttrHidden).Type.Shape[0] * n.Out.Type.Shape.Size()
		if p := n.Const(AttrProject); p != nil {
			sum += p.Type.Shape.Size() * n.Out.Type.Shape[1]
		}
		return sum
	}
	if !n.Op.HasWeights() {
		return 0
	}
	w := n.Const(AttrWeight).Type.Shape
	h, v := n.Pool()
	return w.Size() / w[0] * n.Out.Type.Shape.Size() * h * v
}

// MaxWork bounds the work of one operation. A convolution of 128 channels to 64 by 3x3 at
// 1024x1024 pixels, as a U-Net has it, has 7.7e10 multiply-adds. Small files can ask for any
// number, by large windows or by few weights at many places.
const MaxWork = 1 << 37

// Work is what the time of one run of n grows with: multiply-adds, and elements that windows
// and reductions read.
func (n *Node) Work() float64 { return n.work(n.Out.Type.Shape) }

// work is Work of a result of shape out.
func (n *Node) work(out Shape) float64 {
	size := float64(out.Size())
	switch n.Op {
	case Conv2D, Linear:
		w := n.Const(AttrWeight).Type.Shape
		h, v := n.Pool()
		return size * float64(w.Size()/w[0]) * float64(h*v)
	case MaxPool2D, AvgPool2D:
		k := n.Ints(AttrKernel)
		return size * float64(k[0]) * float64(k[1])
	case MatMul:
		a := n.Args[0].Type.Shape
		return size * float64(a[len(a)-1])
	case Spectrogram, Mel, LogMel, MFCC:
		bands := out[len(out)-1]
		if n.Op.Takes(AttrBands) {
			bands = n.Int(AttrBands)
		}
		return float64(out[len(out)-2]) * float64(n.FFT()*bits.Len(uint(n.FFT()))+bands*n.Bins())
	case Recurrent:
		rows := n.Const(AttrHidden).Type.Shape[0]
		if p := n.Const(AttrProject); p != nil {
			rows += p.Type.Shape[1]
		}
		return size * float64(rows)
	}
	for _, a := range n.Args {
		size = max(size, float64(a.Type.Shape.Size()))
	}
	return size
}

// Work is that of one run of all operations.
func (m *Module) Work() (sum float64) {
	for _, n := range m.Ops {
		sum += n.Work()
	}
	return sum
}

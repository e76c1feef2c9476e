package ir

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
)

func TestTableOfOperations(t *testing.T) {
	require.NoError(t, Whole())
	names := OpNames()
	require.Len(t, names, int(NumOps))
	for i, name := range names {
		op, ok := ParseOp(name)
		assert.True(t, ok)
		assert.Equal(t, Op(i), op)
		assert.Equal(t, name, op.String())
	}
	for _, name := range []string{"", "conv", "invalid"} {
		_, ok := ParseOp(name)
		assert.False(t, ok, name)
	}
	assert.Equal(t, "invalid", NumOps.String())
	assert.True(t, Conv2D.HasWeights() && Linear.HasWeights() && !MaxPool2D.HasWeights())
	assert.True(t, Tanh.IsFunction() && !Table.IsFunction() && Tanh.Is(Function) && !Tanh.Is(Core))
	assert.True(t, Transpose.Moves() && Reshape.Moves() && Copy.Moves() && !Pad.Moves())
	assert.Equal(t, []string{"alpha", "beta"}, HardSigmoid.Info().AttrNames())
	assert.Equal(t, AttrOffset, HardSigmoid.Info().AttrNamed("beta").Key)
	assert.Equal(t, AttrBeta, BatchNorm.Info().AttrNamed("beta").Key)
	assert.Nil(t, HardSigmoid.Info().AttrNamed("gamma"))
	assert.Contains(t, Table.Attr(AttrFn).Words, "sigmoid")
	assert.NotContains(t, Table.Attr(AttrFn).Words, "relu")
}

// TestWholeNamesEmptyCells: of a column that needs and has other operations.
func TestWholeNamesEmptyCells(t *testing.T) {
	old := columns
	defer func() { columns = old }()
	columns = nil
	AddColumn(Column{"taste", "ir/taste.go", func(op Op) bool { return op == Relu }, func(op Op) bool { return op == Add }})
	AddColumn(Column{"name", "ir/ops.go", nil, func(Op) bool { return true }})
	assert.EqualError(t, Whole(), "relu: no taste (ir/taste.go)\nadd: taste, which its row does not ask for (ir/taste.go)")
	name := opTable[Relu].Name
	opTable[Relu].Name = ""
	defer func() { opTable[Relu].Name = name }()
	assert.ErrorContains(t, Whole(), "operation 5: no taste")
}

// TestWholeAsksForEachCell of the table in this package.
func TestWholeAsksForEachCell(t *testing.T) {
	row := opTable[Relu]
	defer func() { opTable[Relu] = row }()
	for want, change := range map[string]func(*OpInfo){
		"no name":                         func(o *OpInfo) { o.Name = "" },
		"relu: no description":            func(o *OpInfo) { o.Doc = "" },
		"relu: no class":                  func(o *OpInfo) { o.Class = 0 },
		"relu: no arguments":              func(o *OpInfo) { o.MinArgs = 0 },
		"relu: no arguments (":            func(o *OpInfo) { o.MaxArgs = 0 },
		"relu: no formats of models that": func(o *OpInfo) { o.Known = 0 },
		"relu: no sample":                 func(o *OpInfo) { o.Sample = "y = abs(a)" },
		"relu: no inference":              func(o *OpInfo) { o.infer = nil },
		"relu: no view":                   func(o *OpInfo) { o.Class = Move },
	} {
		opTable[Relu] = row
		change(&opTable[Relu])
		assert.ErrorContains(t, Whole(), want)
	}
}

// TestAttributeChecks: a value of each kind that is taken, and what is said of others.
func TestAttributeChecks(t *testing.T) {
	for _, c := range []struct {
		op    Op
		key   AttrKey
		value any
		want  string
	}{
		{Conv2D, AttrGroups, 1, ""}, {Conv2D, AttrGroups, 0, "is 0, not in 1..1048576"}, {Conv2D, AttrGroups, maxDim, ""}, {Conv2D, AttrGroups, maxDim + 1, "not in 1.."}, {Conv2D, AttrGroups, "1", "takes an integer"},
		{Conv2D, AttrStride, []int{1, 2}, ""}, {Conv2D, AttrStride, []int{1, 0}, "is 0, not in"}, {Conv2D, AttrStride, []int{1}, "takes 2 integers, not 1"}, {Conv2D, AttrStride, 1, "takes a list of integers"},
		{Reshape, AttrShape, []int{1, 2, 3, 4, 5}, ""},
		{BatchNorm, AttrEps, 1e-3, ""}, {BatchNorm, AttrEps, math.NaN(), "takes a finite number"}, {BatchNorm, AttrEps, math.Inf(1), "takes a finite number"}, {BatchNorm, AttrEps, 1, "takes a finite number"},
		{Normalize, AttrMean, []float64{1, 2}, ""}, {Normalize, AttrMean, []float64{1, math.NaN()}, "takes finite numbers"}, {Normalize, AttrMean, []float64{math.Inf(-1)}, "takes finite numbers"}, {Normalize, AttrMean, 1., "takes a list of numbers"},
		{Conv2D, AttrAct, "relu", ""}, {Conv2D, AttrAct, "tanh", `is "tanh", not one of [none relu relu6]`}, {Conv2D, AttrAct, 1, "takes a word"},
		{Conv2D, AttrBits, OddOf(3), ""}, {Conv2D, AttrBits, Of(I8), ""}, {Conv2D, AttrBits, Of(I16), "takes a format of weights"}, {Conv2D, AttrBits, 3, "takes a format of weights"},
		{Conv2D, AttrWeight, &Const{}, ""}, {Conv2D, AttrWeight, (*Const)(nil), "takes the name of a constant"}, {Conv2D, AttrWeight, "w", "takes the name of a constant"},
		{Conv2D, AttrImpl, "x", ""}, {Conv2D, AttrImpl, "", "takes a name"}, {Conv2D, AttrImpl, 1, "takes a name"},
	} {
		got := c.op.Attr(c.key).Check(c.value)
		if c.want == "" {
			assert.Empty(t, got, "%v", c)
		} else {
			assert.Contains(t, got, c.want, "%v", c)
		}
	}
}

// TestPutAndDrop: attributes stand in the order of the table, at their default not at all.
func TestPutAndDrop(t *testing.T) {
	n := op(Conv2D, on(f32("x", 1, 4, 4)), AttrAct.Is("relu"), AttrGroups.Is(2), AttrStride.Is([]int{2, 2}))
	assert.Equal(t, "y = conv2d(x, stride: [2,2], groups: 2, act: relu)", n.String())
	n.Put(AttrGroups.Is(1), AttrStride.Is([]int{3, 1}), AttrWeight.Is(nil))
	assert.Equal(t, "y = conv2d(x, stride: [3,1], act: relu)", n.String())
	assert.True(t, n.Has(AttrAct) && !n.Has(AttrGroups))
	n.Drop(AttrAct, AttrPool)
	assert.Equal(t, []Attr{AttrStride.Is([]int{3, 1})}, n.Attrs)
	assert.Equal(t, 1, n.Int(AttrGroups))
	assert.Equal(t, []int{0, 0, 0, 0}, n.Ints(AttrPad))
	assert.Nil(t, n.Ints(AttrTile))
	assert.Nil(t, n.Const(AttrWeight))
	assert.Equal(t, "none", n.Word(AttrAct))
	_, ok := n.Elem(AttrBits)
	assert.False(t, ok)
	n.Put(AttrBits.Is(OddOf(3)))
	e, ok := n.Elem(AttrBits)
	assert.True(t, ok)
	assert.Equal(t, OddOf(3), e)
	assert.Equal(t, 1e-5, op(BatchNorm, nil).Float(AttrEps))
	assert.Equal(t, []float64{2}, op(Normalize, nil, AttrStd.Is([]float64{2})).Nums(AttrStd))
}

// TestNoAttr: a read of what the operation does not have says so, with the place.
func TestNoAttr(t *testing.T) {
	n := op(LeakyRelu, nil)
	n.Pos = diag.Pos{File: "a.dnn", Line: 2, Col: 7}
	for _, read := range []func(){
		func() { n.Int(AttrAxis) }, func() { n.Ints(AttrPad) }, func() { n.Word(AttrAct) }, func() { n.Const(AttrWeight) },
		func() { n.Elem(AttrBits) }, func() { n.Nums(AttrStd) }, func() { n.Float(AttrEps) }, func() { n.Put(AttrAxis.Is(2)) },
	} {
		func() {
			defer func() {
				fault, ok := recover().(*NoAttr)
				require.True(t, ok)
				assert.Equal(t, n, fault.Node)
				assert.Equal(t, "a.dnn:2:7: invariant: y: leakyrelu has no attribute "+fault.Key.String()+" of this kind\n    help: ask n.Op.Takes first; it has: alpha", fault.Error())
			}()
			read()
		}()
	}
	assert.False(t, n.Op.Takes(AttrAxis))
	assert.True(t, n.Op.Takes(AttrAlpha))
}

func TestNumbersOfFunctions(t *testing.T) {
	o, numbers := op(HardSigmoid, nil, AttrAlpha.Is(.3)).Function()
	assert.Equal(t, HardSigmoid, o)
	assert.Equal(t, []float64{.3, .5}, numbers)
	o, numbers = op(Table, nil, AttrFn.Is("elu"), AttrParams.Is([]float64{2})).Function()
	assert.Equal(t, Elu, o)
	assert.Equal(t, []float64{2}, numbers)
	_, numbers = op(Table, nil, AttrFn.Is("pow"), AttrParams.Is([]float64{3})).Function()
	assert.Equal(t, []float64{3, 1, 0}, numbers, "those that a text does not give")
	_, numbers = op(Table, nil, AttrFn.Is("hardsigmoid")).Function()
	assert.Equal(t, []float64{.2, .5}, numbers)
}

// TestLayersAreTied: operations share a layer if they share weights, and, of reals, the
// bias; a convolution also its groups.
func TestLayersAreTied(t *testing.T) {
	x := f32("x", 2, 1, 1)
	w, v, b := consts("w", 2, 2, 1, 1), consts("v", 2, 2, 1, 1), consts("b", 2)
	conv := func(name string, attrs ...Attr) *Node {
		n := op(Conv2D, on(x), attrs...)
		n.Out.Name = name
		n.Out.Type = Type{Elem: Of(F32), Shape: Shape{2, 1, 1}}
		return n
	}
	m := &Module{Ops: []*Node{
		conv("a", AttrWeight.Is(w), AttrBias.Is(b)), conv("b", AttrWeight.Is(w), AttrBias.Is(b)), conv("c", AttrWeight.Is(w)),
		conv("d", AttrWeight.Is(v), AttrBias.Is(b)), conv("e", AttrWeight.Is(w), AttrBias.Is(b), AttrGroups.Is(2)), op(Relu, on(x)),
		op(Linear, on(x), AttrWeight.Is(w), AttrBias.Is(b)),
	}}
	assert.Equal(t, []*Node{m.Ops[0], m.Ops[2], m.Ops[3], m.Ops[4], m.Ops[6]}, m.Layers())
	assert.Equal(t, m.Ops[:2], m.Tied(m.Ops[1]))
	assert.Equal(t, m.Ops[2:3], m.Tied(m.Ops[2]))
	w.Type.Elem = Of(I8)
	assert.Equal(t, m.Ops[:3], m.Tied(m.Ops[1]), "integers of a bias depend on the argument's scale")
	assert.Equal(t, 0, m.Ops[5].MACs())
	assert.Equal(t, 4, m.Ops[0].MACs())
	m.Ops[0].Put(AttrPool.Is([]int{2, 3}))
	assert.Equal(t, 24, m.Ops[0].MACs())
	h, width := m.Ops[0].Pool()
	assert.Equal(t, [2]int{2, 3}, [2]int{h, width})
	h, width = m.Ops[5].Pool()
	assert.Equal(t, [2]int{1, 1}, [2]int{h, width})
	pool := op(MaxPool2D, on(x), AttrKernel.Is([]int{2, 3}))
	assert.Equal(t, []int{2, 3}, pool.Stride())
	pool.Put(AttrStride.Is([]int{1, 2}))
	assert.Equal(t, []int{1, 2}, pool.Stride())
}

func TestNames(t *testing.T) {
	for name, want := range map[string][2]bool{ // is an identifier of C; is a name of a value
		"a": {true, true}, "_": {true, true}, "Z9_z": {true, true}, "az": {true, true}, "AZ": {true, true}, "a0": {true, true}, "a9": {true, true},
		"": {false, false}, "9a": {false, false}, "0": {false, false}, "a.b": {false, true}, "a.9": {false, true}, "a..b": {false, false}, ".a": {false, false}, "a.": {false, false},
		"a-b": {false, false}, "ä": {false, false}, "a b": {false, false}, "@": {false, false}, "[": {false, false}, "`": {false, false}, "{": {false, false}, "a/": {false, false}, "a:": {false, false},
	} {
		assert.Equal(t, want, [2]bool{IsIdentifier(name), validName(name)}, "%q", name)
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		s    Shape
		size int
		text string
	}{
		{nil, 1, "[]"}, {Shape{3, 4}, 12, "[3,4]"}, {Shape{3, 0}, -1, "[3,0]"}, {Shape{-1}, -1, "[-1]"}, {Shape{1 << 16, 1 << 15}, 1 << 31, "[65536,32768]"}, {Shape{1 << 16, 1<<15 + 1}, -1, "[65536,32769]"},
		{Shape{1 << 31}, 1 << 31, "[2147483648]"}, {Shape{1<<31 + 1}, -1, "[2147483649]"},
	} {
		assert.Equal(t, c.size, c.s.Size(), c.text)
		assert.Equal(t, c.text, c.s.String())
	}
	a := Type{Of(I8), Shape{2, 3}, Quant{.5, 1}}
	for want, b := range map[string]Type{"same": {Of(I8), Shape{2, 3}, Quant{.5, 1}}, "elem": {Of(U8), Shape{2, 3}, Quant{.5, 1}}, "shape": {Of(I8), Shape{3, 2}, Quant{.5, 1}}, "quant": {Of(I8), Shape{2, 3}, Quant{.5, 2}}} {
		assert.Equal(t, want == "same", a.Equal(b), want)
	}
	assert.Equal(t, 6, a.Slots())
	assert.Equal(t, 12, Type{Elem: Of(I16), Shape: Shape{2, 3}}.Slots())
	for _, c := range []struct {
		r    Range
		want bool
	}{{Range{0, 1}, true}, {Range{1, 1}, false}, {Range{2, 1}, false}, {Range{math.NaN(), 1}, false}, {Range{0, math.NaN()}, false}, {Range{math.Inf(-1), 0}, false}, {Range{0, math.Inf(1)}, false}} {
		assert.Equal(t, c.want, c.r.IsValid(), "%v", c.r)
	}
	assert.Equal(t, "0.1", FormatFloat(.1))
	assert.Equal(t, "1e+30", FormatFloat(1e30))

	assert.Equal(t, []int{0, 32, 128, 0}, []int{BookBytes(OddOf(3)), BookBytes(CodeOf(5)), BookBytes(VecOf(4, 8)), BookBytes(Of(I8))})
	assert.Equal(t, []int{3, 2, 6, 12}, []int{VecCodes(Shape{9}, 4), VecCodes(Shape{8}, 4), VecCodes(Shape{2, 9}, 4), VecCodes(Shape{2, 8, 3, 1}, 4)})
}

func TestElems(t *testing.T) {
	for _, c := range []struct {
		e      Elem
		text   string
		packed bool
		size   int
		bits   int
		most   int64
	}{
		{Of(F32), "f32", false, 4, 32, 128}, {Of(I8), "i8", false, 1, 8, 128}, {Of(U8), "u8", false, 1, 8, 128}, {Of(I16), "i16", false, 2, 16, 128}, {Of(I32), "i32", false, 4, 32, 128}, {Of(I64), "i64", false, 8, 64, 128},
		{OddOf(1), "odd1", true, 1, 1, 1}, {OddOf(5), "odd5", true, 1, 5, 31}, {TwoOf(2), "i2", true, 1, 2, 4}, {TwoOf(7), "i7", true, 1, 7, 128}, {CodeOf(3), "code3", true, 1, 3, 128}, {VecOf(4, 16), "vec4x16", true, 1, 4, 128}, {Elem{}, "invalid", false, 1, 8, 128},
	} {
		assert.Equal(t, []any{c.text, c.packed, c.size, c.bits, c.most}, []any{c.e.String(), c.e.IsPacked(), c.e.StoredSize(), c.e.CodeBits(), c.e.MaxWeight()})
	}
	names := ElemNames()
	assert.Len(t, names, 28)
	assert.Equal(t, []string{"f32", "i64", "odd1", "code8", "i2", "i7"}, []string{names[0], names[5], names[6], names[21], names[22], names[27]})
	for text, want := range map[string]Elem{"vec1x1": VecOf(1, 1), "vec8x64": VecOf(8, 64), "code1": CodeOf(1), "odd8": OddOf(8), "i2": TwoOf(2), "i7": TwoOf(7)} {
		e, ok := ParseElem(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, e)
	}
	for _, text := range []string{"invalid", "odd1000", "vec8x100", "odd+1", "vec08x8", "odd1x", "i1", "i9", "i04", "i4x2"} {
		_, ok := ParseElem(text)
		assert.False(t, ok, text)
	}
	for text, want := range map[string]int{"1": 1, "999": 999, "1000": -1, "": -1, "01": -1, "x": -1} {
		assert.Equal(t, want, smallNumber(text), text)
	}
}

// lost are data that cannot be read; stream can only be written.
type lost struct{}

func (lost) Load() ([]byte, error) { return nil, assert.AnError }

type stream struct{ lost }

func (stream) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "abc")
	return int64(n), err
}

// TestConstants read their elements, and tell what is not theirs.
func TestConstants(t *testing.T) {
	for _, c := range []struct {
		elem Elem
		x    []int64
		raw  []byte
	}{
		{Of(I8), []int64{-2, 127}, []byte{0xfe, 0x7f}}, {Of(U8), []int64{254, 1}, []byte{0xfe, 1}}, {OddOf(3), []int64{7, 1}, []byte{7, 1}},
		{Of(I16), []int64{-2, 258}, []byte{0xfe, 0xff, 2, 1}}, {Of(I32), []int64{-2, 1 << 24}, []byte{0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 1}},
		{Of(I64), []int64{-2, 1 << 56}, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}},
	} {
		k := IntConst("k", c.elem, Shape{2}, c.x)
		raw, err := k.Load()
		require.NoError(t, err)
		assert.Equal(t, c.raw, raw)
		x, err := k.Ints()
		require.NoError(t, err)
		assert.Equal(t, c.x, x, c.elem)
		narrow, err := k.Int32()
		if c.elem.Kind == I64 {
			assert.EqualError(t, err, "constant k: element 1 is 72057594037927936, more than 32 bits")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []int32{int32(c.x[0]), int32(c.x[1])}, narrow)
	}
	f := FloatConst("f", Shape{4}, []float32{1, -2, 3, .5})
	part, err := f.Floats(1, 2)
	require.NoError(t, err)
	assert.Equal(t, []float32{-2, 3}, part)
	_, err = f.Ints()
	assert.EqualError(t, err, "constant f is f32, not integers")
	_, err = f.Int32()
	assert.Error(t, err)
	_, err = IntConst("k", Of(I8), Shape{1}, []int64{1}).Float32()
	assert.EqualError(t, err, "constant k is i8, not f32")
	assert.Equal(t, 2*3, (&Const{Type: Type{Elem: VecOf(4, 4), Shape: Shape{2, 9}}}).StoredBytes())
	assert.Equal(t, 72, (&Const{Type: Type{Elem: Of(I32), Shape: Shape{2, 9}}}).StoredBytes())

	at := diag.Pos{File: "a.dnn", Line: 1, Col: 2}
	for want, c := range map[string]*Const{
		"a.dnn:1:2: missing-tensor: constant c has no data":                    {Name: "c", Pos: at},
		"a.dnn:1:2: tensor: constant c: f32[2] takes 8 bytes, its data have 3": {Name: "c", Pos: at, Type: Type{Elem: Of(F32), Shape: Shape{2}}, Data: Bytes{1, 2, 3}},
		assert.AnError.Error(): {Name: "c", Type: Type{Elem: Of(F32), Shape: Shape{2}}, Data: lost{}},
	} {
		_, err := c.Load()
		assert.EqualError(t, err, want)
		_, err = c.Ints()
		assert.EqualError(t, err, want)
		c.Type.Elem = Of(F32)
		if c.Data != nil {
			_, err = c.Float32()
			assert.Error(t, err)
			var b bytes.Buffer
			_, err = c.WriteTo(&b)
			assert.Error(t, err)
		}
	}
	var b bytes.Buffer
	n, err := f.WriteTo(&b)
	require.NoError(t, err)
	assert.Equal(t, int64(16), n)
	assert.Equal(t, []byte{0, 0, 0x80, 0x3f}, b.Bytes()[:4])
	b.Reset()
	n, err = (&Const{Data: stream{}}).WriteTo(&b)
	require.NoError(t, err)
	assert.Equal(t, []any{int64(3), "abc"}, []any{n, b.String()})
	m := &Module{Name: "m", Consts: []*Const{{Name: "c", Type: f.Type, Data: lost{}}}}
	assert.ErrorIs(t, m.WriteReals(io.Discard, true), assert.AnError)
	_, err = m.Fingerprint()
	assert.ErrorIs(t, err, assert.AnError)
	reader, writer := io.Pipe()
	reader.Close()
	assert.ErrorIs(t, (&Module{Consts: []*Const{f}}).WriteReals(writer, false), io.ErrClosedPipe)
}

// TestModuleFinds: constants, values, users, outputs.
func TestModuleFinds(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	assert.Equal(t, m.Consts[1], m.Const("fc.weight"))
	assert.Nil(t, m.Const("fc"))
	assert.Equal(t, m.Inputs[0], m.Value("image"))
	assert.Equal(t, m.Ops[1].Out, m.Value("pool"))
	assert.Nil(t, m.Value("fc.weight"))
	conv, pool, fc := m.Ops[0], m.Ops[1], m.Ops[2]
	assert.Equal(t, []*Node{pool}, m.Users(conv.Out))
	twice := addNode(m, Add, "twice", conv.Out, conv.Out)
	assert.Equal(t, []*Node{pool, twice}, m.Users(conv.Out), "each once")
	assert.Equal(t, map[*Value]bool{fc.Out: true}, m.Returned())
	assert.False(t, m.IsQuantized())
	assert.False(t, (&Module{}).IsQuantized())
	m.Inputs[0].Type.Elem = Of(I8)
	assert.True(t, m.IsQuantized())

	m = tiny()
	scale := FloatConst("scale", Shape{2}, []float32{1, 1})
	m.Consts[0].Scale = scale
	m.Consts = append(m.Consts, scale, FloatConst("unused", Shape{1}, []float32{1}))
	c := m.Clone()
	assert.Same(t, c.Consts[2], c.Consts[0].Scale, "a clone's scale is of the clone")
	m.PruneConsts()
	assert.Equal(t, "scale", m.Consts[2].Name)
	assert.Len(t, m.Consts, 3)
	assert.Len(t, c.Consts, 4)
	c.Consts[0].Data = lost{}
	m.Consts = append(m.Consts, c.Consts[3])
	_, err := Equal(m, c)
	assert.ErrorIs(t, err, assert.AnError)
	_, err = Equal(c, m)
	assert.ErrorIs(t, err, assert.AnError)
}

// TestWhyNarrow: a result has 16 bits where that has a form, and nothing else reads what it is made of.
func TestWhyNarrow(t *testing.T) {
	m := quantized()
	y := m.Outputs[0]
	assert.Empty(t, m.WhyNarrow(y))
	assert.True(t, m.CanBeWide(y))
	in := m.Inputs[0]
	assert.Equal(t, "it is an input", m.WhyNarrow(in))
	assert.True(t, m.CanBeWide(in))
	in.Content = Content{Kind: Image}
	assert.Equal(t, "it is a picture", m.WhyNarrow(in))
	assert.False(t, m.CanBeWide(in))
	in.Content = Content{Kind: Features}

	z := addNode(m, Table, "z", y)
	z.Put(AttrFn.Is("tanh"))
	assert.Equal(t, "tanh reads it, too", m.WhyNarrow(y))
	assert.Empty(t, m.WhyNarrow(z.Out), "of a linear layer")
	moved := addNode(m, Reshape, "moved", z.Out)
	assert.Empty(t, m.WhyNarrow(moved.Out))
	assert.Equal(t, []*Value{moved.Out, z.Out, y}, WidthFrom(moved.Out))
	other := addNode(m, Requantize, "other", y)
	assert.Equal(t, "requantize reads y, too", m.WhyNarrow(moved.Out))
	assert.Empty(t, m.WhyNarrow(other.Out), "which has a scale of its own")
	assert.Equal(t, []*Value{other.Out}, WidthFrom(other.Out))

	z.Put(AttrFn.Is("sign"))
	assert.Equal(t, "sign computes z, which jumps", m.WhyNarrow(moved.Out))
	assert.Equal(t, "sign computes it, which jumps", m.WhyNarrow(z.Out))
	assert.False(t, m.CanBeWide(z.Out))
	assert.Equal(t, "x is an input", m.WhyNarrow(addNode(m, Reshape, "r", in).Out))
	assert.Equal(t, "argmax computes it, which is places", m.WhyNarrow(addNode(m, ArgMax, "a", y).Out))
	assert.Equal(t, "squareddiff computes it, which has no form of 16 bits", m.WhyNarrow(addNode(m, SquaredDiff, "d", y, y).Out))
}

// TestRowsOf counts the rows of an input that only chooses.
func TestRowsOf(t *testing.T) {
	in, other := f32("i", 3), f32("o", 3)
	m := &Module{Inputs: on(in, other)}
	embed := func(name string, rows int, x *Value) *Node {
		n := addNode(m, Embedding, name, x)
		n.Put(AttrRows.Is(consts(name+".rows", rows, 2)))
		return n
	}
	assert.Zero(t, m.RowsOf(in))
	a := embed("a", 300, in)
	embed("b", 200, in)
	addNode(m, Relu, "r", other)
	assert.Equal(t, 300, m.RowsOf(in))
	assert.Equal(t, 0, m.RowsOf(other))
	assert.Equal(t, []bool{true, false}, []bool{m.IsIndex(in), m.IsIndex(other)})
	a.Put(AttrRows.Is(consts("a.rows", 256, 2)))
	assert.False(t, m.IsIndex(in))
	computed := addNode(m, Relu, "s", other)
	embed("c", 300, computed.Out)
	assert.Equal(t, 0, m.RowsOf(computed.Out), "computed values have 8 bits")
}

// TestLiveness and the blocks of the arena.
func TestLiveness(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	conv, pool, fc := m.Ops[0], m.Ops[1], m.Ops[2]
	extra := addNode(m, Relu, "extra", conv.Out)
	extra.Out.Type = conv.Out.Type
	live := Liveness(m)
	assert.Equal(t, map[*Value]Interval{m.Inputs[0]: {-1, 0}, conv.Out: {0, 3}, pool.Out: {1, 2}, fc.Out: {2, 4}, extra.Out: {3, 3}}, live)
	m.Inputs = append(m.Inputs, f32("unused", 1))
	assert.Equal(t, Interval{-1, -1}, Liveness(m)[m.Inputs[1]])

	conv.Out.At, pool.Out.At = Place{InArena, 16}, Place{InArena, 64}
	conv.Put(AttrScratch.Is([]int{100, 7}))
	pool.Put(AttrLag.Is(3)) // its argument does not die here
	fc.Put(AttrLag.Is(5))
	fc.Out.At = Place{InArena, 60}
	assert.Equal(t, []Block{
		{Name: "conv", Offset: 16, Bytes: 32, Interval: Interval{0, 3}, Value: conv.Out},
		{Name: "conv scratch", Offset: 100, Bytes: 7, Interval: Interval{0, 0}},
		{Name: "pool", Offset: 64, Bytes: 8, Interval: Interval{1, 2}, Value: pool.Out},
		{Name: "fc", Offset: 60, Bytes: 12, Interval: Interval{2, 4}, Value: fc.Out, Over: pool.Out, Lag: 5},
	}, Blocks(m))
}

// TestViews: places of elements by hand.
func TestViews(t *testing.T) {
	v := ViewOf(Shape{2, 3})
	assert.Equal(t, View{[]int{2, 3}, []int{3, 1}, 0}, v)
	for _, c := range []struct {
		v     View
		want  []int32
		whole bool
	}{
		{v, []int32{0, 1, 2, 3, 4, 5}, true},
		{v.Permute([]int{1, 0}), []int32{0, 3, 1, 4, 2, 5}, false},
		{v.Slice(1, 2, -1, 3), []int32{2, 1, 0, 5, 4, 3}, false},
		{v.Slice(0, 1, 1, 1), []int32{3, 4, 5}, false},
		{v.Slice(1, 0, 2, 2), []int32{0, 2, 3, 5}, false},
		{v.Slice(0, 1, 1, 1).Slice(1, 1, 1, 2), []int32{4, 5}, false},
		{ViewOf(Shape{6}).Split(0, 2), []int32{0, 1, 2, 3, 4, 5}, true},
		{ViewOf(Shape{6}).Split(0, 2).Permute([]int{1, 0}), []int32{0, 2, 4, 1, 3, 5}, false},
		{ViewOf(Shape{2, 4}).Split(1, 2).Permute([]int{1, 0, 2}), []int32{0, 1, 4, 5, 2, 3, 6, 7}, false},
		{ViewOf(Shape{1, 3, 1}).Permute([]int{2, 1, 0}), []int32{0, 1, 2}, true},
		{View{Dims: []int{0}, Strides: []int{1}}, []int32{}, true},
	} {
		assert.Equal(t, c.want, c.v.Index(), "%v", c.v)
		assert.Equal(t, c.whole, c.v.IsWhole(), "%v", c.v)
	}
	assert.Equal(t, View{[]int{2, 3}, []int{3, 1}, 0}, v, "a view of a view is another one")
	e, ok := ViewOf(Shape{2, 1}).Expand([]int{2, 2, 3})
	require.True(t, ok)
	assert.Equal(t, []int32{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1}, e.Index())
	e, ok = v.Slice(0, 1, 1, 1).Expand([]int{2, 3})
	require.True(t, ok)
	assert.Equal(t, []int32{3, 4, 5, 3, 4, 5}, e.Index())
	for _, to := range [][]int{{3}, {2, 4}, {1, 3}, {3, 2, 1}} {
		_, ok = v.Expand(to)
		assert.False(t, ok, to)
	}
	var list []int
	ViewOf(Shape{2, 2}).Permute([]int{1, 0}).Each(func(i, at int) { list = append(list, i, at) })
	assert.Equal(t, []int{0, 0, 1, 2, 2, 1, 3, 3}, list)
}

// TestMoves: the elements that each moving operation gives.
func TestMoves(t *testing.T) {
	x := f32("x", 4, 2, 2)
	for _, c := range []struct {
		n    *Node
		want []int32
	}{
		// Channels 0..3 are the pixels of one block: block first and channel first are alike.
		{op(DepthToSpace, on(x), AttrBlock.Is(2)), []int32{0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}},
		{op(DepthToSpace, on(x), AttrBlock.Is(2), AttrMode.Is(ChannelsFirst)), []int32{0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}},
		{op(DepthToSpace, on(f32("x", 8, 1, 1)), AttrBlock.Is(2)), []int32{0, 2, 4, 6, 1, 3, 5, 7}},
		{op(DepthToSpace, on(f32("x", 8, 1, 1)), AttrBlock.Is(2), AttrMode.Is(ChannelsFirst)), []int32{0, 1, 2, 3, 4, 5, 6, 7}},
		{op(SpaceToDepth, on(f32("x", 2, 2, 2)), AttrBlock.Is(2)), []int32{0, 4, 1, 5, 2, 6, 3, 7}},
		{op(Resize, on(f32("x", 1, 2, 2)), AttrScale.Is([]int{2, 3})), []int32{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 2, 2, 2, 3, 3, 3}},
		{op(Copy, on(x), AttrShape.Is([]int{4}), AttrDims.Is([]int{2, 2}), AttrStrides.Is([]int{-4, 2}), AttrStart.Is(5)), []int32{5, 7, 1, 3}},
		{op(Flatten, on(f32("x", 2, 2))), []int32{0, 1, 2, 3}},
		{op(Slice, on(f32("x", 3, 3)), AttrStarts.Is([]int{2, 0}), AttrSize.Is([]int{2, 2}), AttrStep.Is([]int{-2, 1})), []int32{6, 7, 0, 1}},
	} {
		_, d := InferNode(c.n)
		require.Nil(t, d, "%s", c.n)
		assert.Equal(t, c.want, c.n.Moved().Index(), "%s", c.n)
	}
	assert.Panics(t, func() { op(Transpose, on(x), AttrPerm.Is([]int{0})).Moved() })
}

// TestPads: what is added in each mode to 1 2 3.
func TestPads(t *testing.T) {
	pad := func(mode string, before, after int) *Node {
		n := op(Pad, on(f32("x", 3)), AttrBefore.Is([]int{before}), AttrAfter.Is([]int{after}), AttrMode.Is(mode))
		typ, d := InferNode(n)
		require.Nil(t, d)
		n.Out.Type = typ
		return n
	}
	for _, c := range []struct {
		n    *Node
		want []int32
	}{
		{pad(PadEdge, 2, 1), []int32{0, 0, 0, 1, 2, 2}},
		{pad(PadReflect, 2, 2), []int32{2, 1, 0, 1, 2, 1, 0}},
		{pad(PadSymmetric, 3, 3), []int32{2, 1, 0, 0, 1, 2, 2, 1, 0}},
		{pad(PadWrap, 3, 2), []int32{0, 1, 2, 0, 1, 2, 0, 1}},
	} {
		assert.Equal(t, c.want, c.n.Repeated(), "%s", c.n)
	}
	n := op(Pad, on(f32("x", 2, 2)), AttrBefore.Is([]int{1, 0}), AttrAfter.Is([]int{0, 1}), AttrMode.Is(PadEdge))
	n.Out.Type, _ = InferNode(n)
	assert.Equal(t, []int32{0, 1, 1, 0, 1, 1, 2, 3, 3}, n.Repeated())
	n = op(Pad, on(f32("x", 2, 2)), AttrBefore.Is([]int{1, 0}), AttrAfter.Is([]int{0, 1}), AttrBetween.Is([]int{0, 2}))
	n.Out.Type, _ = InferNode(n)
	assert.Equal(t, Shape{3, 5}, n.Out.Type.Shape)
	assert.Equal(t, []int32{5, 8, 10, 13}, n.Padded().Index(), "rows 1 and 2, columns 0 and 3")
	n.Drop(AttrBetween)
	n.Out.Type, _ = InferNode(n)
	assert.Equal(t, []int32{3, 4, 6, 7}, n.Padded().Index())
}

// TestPrint: each part of a text, and what is left out.
func TestPrint(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	m.After, m.Target = "select", "armv7em:cortex-m7"
	m.Tensors = append(m.Tensors, TensorsFile{Path: "b.onnx", SHA256: "ab"})
	m.Calib, m.Test = "c.idx", "t.idx"
	m.Arena = Arena{64, 8}
	m.Consts[0].Scale = &Const{Name: "s"}
	m.Inputs[0].At, m.Ops[0].Out.At, m.Outputs[0].At = Place{Kind: InInput}, Place{InArena, 8}, Place{Kind: InOutput}
	m.Ops[0].Out.Type.Quant = Quant{.5, -3}
	m.Inputs, m.Outputs = append(m.Inputs, f32("z", 2)), append(m.Outputs, m.Ops[1].Out)
	m.Results = append(m.Results, Type{Elem: Of(F32), Shape: Shape{2, 1, 1}})
	m.Ops[0].Put(AttrBits.Is(OddOf(3)), AttrPadValue.Is([]float64{.25}), AttrGroups.Is(2))
	addNode(m, Elu, "e", m.Inputs[1]).Put(AttrAlpha.Is(.5))
	assert.Equal(t, `dnn 1 after select target "armv7em:cortex-m7"
tensors "tiny.safetensors"
tensors "b.onnx" sha256 "ab"
data calibration "c.idx" test "t.idx"
network tiny(image: f32[1,4,4] in [0,1] at input, z: f32[2]) -> f32[3], f32[2,1,1] {
  arena 64 align 8
  const conv.weight: f32[2,1,3,3] scale s
  const fc.weight: f32[3,2]
  conv = conv2d(image, pad_value: [0.25], groups: 2, act: relu, weight: conv.weight, bits: odd3) : f32[2,2,2] scale 0.5 zero -3 at 8
  pool = maxpool2d(conv, kernel: [2,2]) : f32[2,1,1]
  fc = linear(pool, weight: fc.weight) : f32[3] at output
  e = elu(z, alpha: 0.5)
  return fc, pool
}
`, m.String())
	for _, c := range []struct{ after, target, want string }{
		{"", "", "tensors"}, {"infer", "", "dnn 1 after infer\n"}, {"", "x86_64", "dnn 1 target x86_64\n"}, {"", "x86_64+avx2", "dnn 1 target \"x86_64+avx2\"\n"},
	} {
		m.After, m.Target = c.after, c.target
		assert.True(t, strings.HasPrefix(m.String(), c.want), "%q", c.want)
	}
	for _, c := range [][3]string{{"", "", ""}, {"c", "", "data calibration \"c\"\n"}, {"", "t", "data test \"t\"\n"}} {
		m.Calib, m.Test = c[0], c[1]
		if c[2] == "" {
			assert.NotContains(t, m.String(), "data")
		} else {
			assert.Contains(t, m.String(), c[2])
		}
	}
	m.After, m.Target, m.Calib, m.Test = "", "", "", ""
	m.Ops[2].Put(AttrBias.Is(FloatConst("shared", Shape{3}, []float32{1, 2, 3})))
	m.Consts = append(m.Consts, m.Ops[2].Const(AttrBias))
	m.Ops[0].Put(AttrStride.Is([]int{2, 2}), AttrPad.Is([]int{0, 1, 0, 1}))
	assert.Equal(t, `tensors "tiny.safetensors"
tensors "b.onnx" sha256 "ab"
network tiny(image: f32[1,4,4] in [0,1] at input, z: f32[2]) -> f32[3], f32[2,1,1] {
  arena 64 align 8
  const shared: f32[3]
  conv = conv2d(image, filters: 2, kernel: 3, stride: 2, pad: [0,1,0,1], pad_value: [0.25], groups: 2, act: relu, bits: odd3)
  pool = maxpool2d(conv, kernel: 2)
  fc = linear(pool, units: 3, bias: shared)
  e = elu(z, alpha: 0.5)
  return fc, pool
}
`, m.Source())
	assert.Equal(t, []string{".weight", ".bias", ".running_mean", ".running_var", ""}, []string{Suffix(AttrGamma), Suffix(AttrBeta), Suffix(AttrRunningMean), Suffix(AttrVariance), Suffix(AttrTable)})
	m.Consts[1].Type.Elem = Of(I8)
	assert.Contains(t, m.Source(), "fc = linear(pool, weight: fc.weight, bias: shared)", "integers are no weights of a source")
}

// quantized is a module of one linear layer of integers.
func quantized() *Module {
	in := &Value{Name: "x", Type: Type{Elem: Of(I8), Shape: Shape{2}, Quant: Quant{.5, 0}}}
	m := &Module{Name: "q", Inputs: on(in)}
	n := addNode(m, Linear, "y", in)
	w := IntConst("w", OddOf(2), Shape{3, 2}, make([]int64, 6))
	bias := IntConst("bias", Of(I32), Shape{3}, make([]int64, 3))
	mul := IntConst("mul", Of(I32), Shape{3}, []int64{1 << 30, 0, 1<<31 - 1})
	shift := IntConst("shift", Of(I32), Shape{3}, []int64{1, 33, 62})
	w.Scale = FloatConst("scale", Shape{3}, []float32{1, 1, 1})
	m.Consts = []*Const{w, bias, mul, shift, w.Scale}
	n.Put(AttrWeight.Is(w), AttrBias.Is(bias), AttrMul.Is(mul), AttrShift.Is(shift))
	n.Out.Type = Type{Elem: Of(I8), Shape: Shape{3}, Quant: Quant{.25, -128}}
	m.Outputs, m.Results = on(n.Out), []Type{{Elem: Of(I8), Shape: Shape{3}}}
	return m
}

// wide gives the module of quantized a result of 16 bits.
func wide(m *Module) {
	m.Outputs[0].Type.Elem, m.Results[0].Elem = Of(I16), Of(I16)
	m.Outputs[0].Type.Quant.Zero = 0
	m.Ops[0].Put(AttrLo.Is(math.MinInt16), AttrHi.Is(math.MaxInt16))
}

// table makes of the module of quantized one of a sigmoid of 16 bits by a table.
func table(m *Module, kind Kind, entries int) {
	m.Inputs[0].Type.Elem = Of(I16)
	n := m.Ops[0]
	n.Op, n.Attrs = Table, nil
	n.Out.Type = m.Inputs[0].Type
	m.Results[0] = Type{Elem: Of(I16), Shape: Shape{2}}
	c := IntConst("t", Of(kind), Shape{entries}, make([]int64, entries))
	m.Consts = append(m.Consts, c)
	n.Put(AttrFn.Is("sigmoid"), AttrTable.Is(c))
}

// factor gives it a multiplier and a shift.
func factor(m *Module, mul, shift int64) {
	a, b := IntConst("a", Of(I32), Shape{1}, []int64{mul}), IntConst("b", Of(I32), Shape{1}, []int64{shift})
	m.Consts = append(m.Consts, a, b)
	m.Ops[0].Put(AttrMul.Is(a), AttrShift.Is(b))
}

// TestVerifyIntegers breaks what V6 and V7 ask of a quantized module, one by one.
func TestVerifyIntegers(t *testing.T) {
	require.Empty(t, Verify(quantized()))
	set := func(at int, values ...int64) func(*Module) {
		return func(m *Module) {
			c := m.Consts[at]
			c.Type.Shape, c.Data = Shape{len(values)}, Bytes(LittleEndian(c.Type.Elem.StoredSize(), values))
		}
	}
	for _, c := range []struct {
		want    string
		breakIt func(m *Module)
	}{
		{"V6: y has scale 0 and zero point -128", func(m *Module) { m.Outputs[0].Type.Quant.Scale = 0 }},
		{"V7: y has weights without a scale of each row", func(m *Module) { m.Consts[0].Scale = nil }},
		{"V7: y has weights without a scale of each row", func(m *Module) { m.Consts[4].Type.Shape = Shape{2} }},
		{"V7: y has weights without a scale of each row", func(m *Module) { m.Consts[4].Type.Elem = Of(I32) }},
		{"V6: y has scale NaN and", func(m *Module) { m.Outputs[0].Type.Quant.Scale = math.NaN() }},
		{"V6: y has scale +Inf and", func(m *Module) { m.Outputs[0].Type.Quant.Scale = math.Inf(1) }},
		{"V6: y has scale 0.25 and zero point -129", func(m *Module) { m.Outputs[0].Type.Quant.Zero = -129 }},
		{"V6: x has scale 0.5 and zero point 128", func(m *Module) { m.Inputs[0].Type.Quant.Zero = 128 }},
		{"", func(m *Module) { m.Inputs[0].Type.Quant.Zero = 127 }},
		{"", wide},
		{"", func(m *Module) { m.Inputs[0].Type.Elem = Of(I16) }},
		{"V6: x has scale 0.5 and zero point 1", func(m *Module) { m.Inputs[0].Type.Elem, m.Inputs[0].Type.Quant.Zero = Of(I16), 1 }},
		{"V6: x is i32 in a module of i8 and i16", func(m *Module) { m.Inputs[0].Type.Elem = Of(I32) }},
		{"V4: y: squareddiff takes integers of 8 bits, x is i16: a requantize before it", func(m *Module) {
			m.Inputs[0].Type.Elem = Of(I16)
			m.Ops[0].Op, m.Ops[0].Attrs, m.Ops[0].Args = SquaredDiff, nil, on(m.Inputs[0], m.Inputs[0])
		}},
		{"V4: y: x is i16, z is i8", func(m *Module) {
			m.Inputs[0].Type.Elem = Of(I16)
			m.Inputs = append(m.Inputs, &Value{Name: "z", Type: Type{Elem: Of(I8), Shape: Shape{2}, Quant: Quant{.5, 0}}})
			m.Ops[0].Op, m.Ops[0].Attrs, m.Ops[0].Args = Minimum, nil, slices.Clone(m.Inputs)
		}},
		{"V7: y of i16 has no table i16[513]", func(m *Module) { table(m, I16, 512) }},
		{"V7: y of i16 has no table i16[513]", func(m *Module) { table(m, I8, 513) }},
		{"", func(m *Module) { table(m, I16, 513) }},
		{"V7: y of i16 has no table i16[256]", func(m *Module) {
			table(m, I16, 513)
			factor(m, 1, 0)
		}},
		{"V7: y has a multiplier, which is of sigmoid and tanh, and computes exp", func(m *Module) {
			table(m, I16, 256)
			factor(m, 1, 0)
			m.Ops[0].Put(AttrFn.Is("exp"))
		}},
		{"V7: y of i16 has no multiplier and shift", func(m *Module) {
			table(m, I16, 256)
			factor(m, 1, 0)
			m.Ops[0].Drop(AttrShift)
		}},
		{"", func(m *Module) {
			table(m, I16, 256)
			factor(m, math.MaxInt16, 31)
		}},
		{"V7: y: channel 0 has the multiplier 1 and the shift 32, which is not in 0..31", func(m *Module) {
			table(m, I16, 256)
			factor(m, 1, 32)
		}},
		{"V7: y has the multiplier 32768, which is above 32767", func(m *Module) {
			table(m, I16, 256)
			factor(m, 32768, 1)
		}},
		{"V7: y has the bounds -129 and 127 of a result of 8 bits", func(m *Module) { m.Ops[0].Put(AttrLo.Is(-129)) }},
		{"V7: y has the bounds -128 and 128 of a result of 8 bits", func(m *Module) { m.Ops[0].Put(AttrHi.Is(128)) }},
		{"V7: y has the place 0.3, which is no multiple of 1/1024 of a pixel", func(m *Module) {
			m.Inputs[0].Type.Shape = Shape{2, 2, 2}
			m.Ops[0].Op, m.Ops[0].Attrs = Bilinear, nil
			m.Ops[0].Put(AttrDown.Is([]float64{0, .5}), AttrAcross.Is([]float64{1. / 1024, .3}))
			m.Outputs[0].Type.Shape, m.Results[0].Shape = Shape{2, 2, 2}, Shape{2, 2, 2}
			m.Outputs[0].Type.Quant = m.Inputs[0].Type.Quant
		}},
		{"V7: y: relu has no integer form", func(m *Module) {
			m.Ops[0].Op, m.Ops[0].Attrs = Relu, nil
			m.Outputs[0].Type.Shape, m.Results[0].Shape = Shape{2}, Shape{2}
		}},
		{"V7: y has weights of i32", func(m *Module) { m.Consts[0].Type.Elem = Of(I32) }},
		{"V7: y has no integer bias", func(m *Module) { m.Consts[1].Type.Elem = Of(F32) }},
		{"V7: y has no integer bias", func(m *Module) { m.Ops[0].Drop(AttrBias) }},
		{"V7: y has no multipliers", func(m *Module) { m.Ops[0].Drop(AttrMul) }},
		{"V7: y has no multipliers", func(m *Module) { m.Ops[0].Drop(AttrShift) }},
		{"V7: y: a codebook goes with code and vec weights, and with no others", func(m *Module) { m.Consts[0].Type.Elem = CodeOf(2) }},
		{"V7: y: a codebook goes with code and vec", func(m *Module) { m.Consts[0].Type.Elem = VecOf(2, 2) }},
		{"V7: y: a codebook goes with code and vec", func(m *Module) { m.Ops[0].Put(AttrCodebook.Is(m.Consts[3])) }},
		{"", func(m *Module) {
			m.Consts[0].Type.Elem = CodeOf(2)
			m.Ops[0].Put(AttrCodebook.Is(m.Consts[3]))
		}},
		{"", func(m *Module) { m.Consts[0].Type.Elem = Of(I8) }},
		{"", set(2, 1<<30)}, // and three shifts: below
		{"V7: y: channel 1 has the multiplier -1 and the shift 33, which is not in 1..62", set(2, 1, -1, 1)},
		{"V7: y: channel 0 has the multiplier 1073741824 and the shift 0", set(3, 0, 33, 62)},
		{"V7: y: channel 2 has the multiplier 2147483647 and the shift 63", set(3, 1, 33, 63)},
		{"V7: y: channel 0 has the multiplier 1073741824 and the shift 1, which is not in 17..62", func(m *Module) {
			m.Consts[1].Type.Elem, m.Consts[1].Data = Of(I64), Bytes(make([]byte, 24))
		}},
		{"", func(m *Module) {
			m.Consts[1].Type.Elem, m.Consts[1].Data = Of(I64), Bytes(make([]byte, 24))
			set(3, 17, 33, 62)(m)
		}},
		{"V7: y has round: even and sums of 64 bits, which are rounded half up (R7)", func(m *Module) {
			m.Consts[1].Type.Elem, m.Consts[1].Data = Of(I64), Bytes(make([]byte, 24))
			set(3, 17, 33, 62)(m)
			m.Ops[0].Put(AttrRound.Is(RoundEven))
		}},
		{"", func(m *Module) { m.Ops[0].Put(AttrRound.Is(RoundEven)) }},
		{"V7: y: constant mul is f32, not integers", func(m *Module) { m.Consts[2].Type.Elem = Of(F32) }},
		{"V5: w has the impossible shape [3,0]", func(m *Module) { m.Consts[0].Type.Shape = Shape{3, 0} }},
		{"V2: y does not know its operation", func(m *Module) { m.Outputs[0].Def = nil }},
		{"V8: y is returned and not defined", func(m *Module) { c := *m.Outputs[0]; m.Outputs[0] = &c }},
		{"V8: the network declares 2 results and returns 1", func(m *Module) { m.Results = append(m.Results, m.Results[0]) }},
		{"V1: x is defined twice", func(m *Module) { m.Consts[0].Name = "x" }},
		{"V3: y has 0 arguments", func(m *Module) { m.Ops[0].Args = nil }},
	} {
		m := quantized()
		c.breakIt(m)
		switch list := Verify(m); {
		case c.want != "":
			assert.ErrorContains(t, list.Err(), c.want)
		case len(m.Consts[2].Type.Shape) == 1 && m.Consts[2].Type.Shape[0] == 1:
			assert.ErrorContains(t, list.Err(), "V4: y: mul is i32[1], the layer has 3 channels")
		default:
			assert.NoError(t, list.Err())
		}
	}
	m := quantized() // no bounds of a layer's channels: one multiplier for three shifts
	add := addNode(m, Add, "sum", m.Outputs[0], m.Outputs[0])
	add.Put(AttrMul.Is(m.Consts[2]), AttrShift.Is(IntConst("two", Of(I32), Shape{2}, []int64{33, 33})))
	m.Consts = append(m.Consts, add.Const(AttrShift))
	add.Out.Type = m.Outputs[0].Type
	assert.ErrorContains(t, Verify(m).Err(), "V7: sum has 3 multipliers and 2 shifts")
	add.Drop(AttrMul)
	assert.NoError(t, Verify(m).Err(), "an add without multipliers is refused where it is compiled")
	m = quantized() // the sum of a softmax has one factor for all rows
	soft := addNode(m, Softmax, "soft", m.Outputs[0])
	soft.Out.Type = m.Outputs[0].Type
	soft.Put(AttrMul.Is(m.Consts[2]), AttrShift.Is(m.Consts[3]))
	assert.ErrorContains(t, Verify(m).Err(), "V7: soft has 3 multipliers and not one")
	m = quantized() // a log softmax has two, and a table of all distances
	log := addNode(m, LogSoftmax, "log", m.Outputs[0])
	log.Out.Type = m.Outputs[0].Type
	two, table := IntConst("two", Of(I32), Shape{2}, []int64{33, 33}), IntConst("t", Of(I32), Shape{256}, make([]int64, 256))
	m.Consts = append(m.Consts, two, table)
	log.Put(AttrTable.Is(table), AttrMul.Is(two), AttrShift.Is(two))
	assert.NoError(t, Verify(m).Err())
	log.Put(AttrTable.Is(two))
	assert.ErrorContains(t, Verify(m).Err(), "V7: log has no table i32[256]")
	log.Put(AttrTable.Is(table), AttrMul.Is(m.Consts[2]), AttrShift.Is(m.Consts[3]))
	assert.ErrorContains(t, Verify(m).Err(), "V7: log has no multipliers and shifts i32[2]")
	log.Drop(AttrShift)
	assert.ErrorContains(t, Verify(m).Err(), "V7: log has no multipliers and shifts i32[2]")
	m = quantized() // an L2 norm has a factor, or results in 128ths
	norm := addNode(m, L2Norm, "norm", m.Outputs[0])
	norm.Out.Type = m.Outputs[0].Type
	assert.ErrorContains(t, Verify(m).Err(), "V7: norm has no multiplier and shift")
	norm.Out.Type.Quant = Quant{Scale: 1. / 128}
	norm.Put(AttrRound.Is(RoundTFLite))
	assert.NoError(t, Verify(m).Err())
	norm.Out.Type.Quant.Zero = 1
	assert.ErrorContains(t, Verify(m).Err(), "V7: norm has round: tflite")
}

// TestVerifyReportsAll: what is wrong with one operation hides nothing of the next.
func TestVerifyReportsAll(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	m.Ops[0].Attrs = append(m.Ops[0].Attrs, AttrAxis.Is(1))
	m.Ops[2].Out.Type.Shape, m.Results[0].Shape = Shape{4}, Shape{4}
	list := Verify(m)
	require.Len(t, list, 2)
	assert.Contains(t, list[0].Message, "V3: conv: conv2d has no attribute axis")
	assert.Contains(t, list[1].Message, "V4: fc is f32[4], inference gives f32[3]")
}

// TestVerifyMemory: blocks that live at one time lie apart, but for a result that may
// follow an argument that dies.
func TestVerifyMemory(t *testing.T) {
	// conv is alive in steps 0 and 1, pool in 1 and 2, fc from 2 on. They have 32, 8 and 12
	// bytes.
	for _, c := range []struct {
		conv, pool, fc int
		scratch, lag   []int
		want           string
	}{
		{0, 32, 0, nil, nil, ""}, // fc lies where conv was
		{0, 32, 40, nil, nil, ""},
		{0, 32, 39, nil, nil, "V10: pool and fc overlap"},
		{0, 32, 21, nil, nil, "V10: pool and fc overlap"},
		{0, 32, 20, nil, nil, ""},
		{0, 31, 0, nil, nil, "V10: conv and pool overlap"},
		{32, 24, 0, nil, nil, ""},
		{32, 25, 0, nil, nil, "V10: conv and pool overlap"},
		{-1, 32, 0, nil, nil, "V10: conv ends at byte 31 of an arena of 64"},
		{32, 0, 52, nil, nil, ""},
		{0, 32, 53, nil, nil, "V10: fc ends at byte 65 of an arena of 64"},
		{0, 32, 40, []int{52, 12}, nil, ""},
		{0, 32, 52, []int{39, 13}, nil, "V10: pool and pool scratch overlap"},
		{0, 32, 40, []int{40, 12}, nil, ""}, // scratch of step 1; fc comes later
		{0, 32, 40, []int{60, 5}, nil, "V10: pool scratch ends at byte 65"},
		{0, 32, 27, nil, []int{5}, ""},
		{0, 32, 28, nil, []int{5}, "V10: pool and fc overlap"},
		{0, 32, 26, nil, []int{5}, ""},
	} {
		m := tiny()
		require.Empty(t, Infer(m))
		m.Arena = Arena{64, 8}
		for i, at := range []int{c.conv, c.pool, c.fc} {
			m.Ops[i].Out.At = Place{InArena, at}
		}
		if c.scratch != nil {
			m.Ops[1].Attrs = append(m.Ops[1].Attrs, AttrScratch.Is(c.scratch))
		}
		if c.lag != nil {
			m.Ops[2].Attrs = append(m.Ops[2].Attrs, AttrLag.Is(c.lag[0]))
		}
		list := Verify(m)
		if c.want == "" {
			assert.NoError(t, list.Err(), "%+v", c)
		} else {
			assert.ErrorContains(t, list.Err(), c.want, "%+v", c)
			assert.Len(t, list, 1)
		}
	}
}

// TestVerifyMemoryAsPairs: what Verify says of the memory of random modules is what comparing
// all blocks with all finds: each block that overlaps one is named, and no other.
func TestVerifyMemoryAsPairs(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	faults := 0
	for range 2000 {
		m := &Module{Name: "m", Arena: Arena{1 << 20, 8}}
		x := &Value{Name: "x", Type: Type{Elem: Of(F32), Shape: Shape{1}}}
		m.Inputs = []*Value{x}
		for i := range 1 + rng.Intn(9) {
			args := []*Value{m.Inputs[0]}
			if i > 0 {
				args = []*Value{m.Ops[rng.Intn(i)].Out, m.Ops[rng.Intn(i)].Out}
			}
			n := addNode(m, Add, fmt.Sprintf("v%d", i), args...)
			n.Out.Type.Shape = Shape{1 + rng.Intn(6)}
			n.Out.At = Place{InArena, rng.Intn(80)}
			if rng.Intn(3) == 0 {
				n.Put(AttrScratch.Is([]int{rng.Intn(80), rng.Intn(20)}))
			}
			if rng.Intn(2) == 0 {
				n.Put(AttrLag.Is(rng.Intn(12)))
			}
		}
		want, blocks := map[string]bool{}, Blocks(m)
		for i, a := range blocks {
			for _, b := range blocks[:i] {
				if a.Over == b.Value && a.Over != nil && b.Offset-a.Offset >= a.Lag {
					continue
				}
				if a.From <= b.To && b.From <= a.To && a.Offset < b.Offset+b.Bytes && b.Offset < a.Offset+a.Bytes {
					want["V10: "+b.Name+" and "+a.Name+" overlap in the arena"] = true
				}
			}
		}
		v := verifier{m: m}
		v.memory()
		for _, d := range v.list {
			require.Contains(t, want, d.Message)
		}
		require.Equal(t, len(want) > 0, len(v.list) > 0, "%v", want)
		require.LessOrEqual(t, len(v.list), 2*len(blocks))
		faults += len(v.list)
	}
	assert.NotZero(t, faults)
}

// TestVerifyMemoryNamesNoSquare: a dump in which all values overlap gets a diagnostic for each
// value, not for each pair.
func TestVerifyMemoryNamesNoSquare(t *testing.T) {
	const n = 1000
	m := &Module{Name: "m", Arena: Arena{1 << 20, 8}, Inputs: []*Value{{Name: "x"}}}
	for i := range n {
		addNode(m, Relu, fmt.Sprintf("v%d", i), m.Inputs[0]).Out.Type.Shape = Shape{4}
		m.Ops[i].Out.At = Place{InArena, 0}
	}
	for _, node := range m.Ops {
		m.Outputs = append(m.Outputs, node.Out)
	}
	v := verifier{m: m}
	v.memory()
	assert.Len(t, v.list, n-1)
}

// TestAllUsers: the users of all values at once are those of each.
func TestAllUsers(t *testing.T) {
	m := tiny()
	double := addNode(m, Add, "double", m.Ops[0].Out, m.Ops[0].Out)
	addNode(m, Relu, "unused", double.Out)
	all := m.AllUsers()
	for _, v := range append([]*Value{m.Inputs[0]}, m.Ops[0].Out, m.Ops[1].Out, m.Ops[2].Out, double.Out, m.Ops[4].Out) {
		assert.Equal(t, m.Users(v), all[v], v.Name)
	}
	assert.Len(t, all[m.Ops[0].Out], 2, "one of them uses it twice")
}

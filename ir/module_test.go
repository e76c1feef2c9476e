package ir

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tiny is conv2d -> maxpool2d -> linear on a 4x4 image.
func tiny() *Module {
	m := &Module{Name: "tiny", Tensors: []TensorsFile{{Path: "tiny.safetensors"}}}
	image := &Value{Name: "image", Type: Type{Elem: Of(F32), Shape: Shape{1, 4, 4}}, Range: &Range{0, 1}}
	m.Inputs = []*Value{image}
	w := FloatConst("conv.weight", Shape{2, 1, 3, 3}, make([]float32, 18))
	f := FloatConst("fc.weight", Shape{3, 2}, make([]float32, 6))
	m.Consts = []*Const{w, f}
	conv := addNode(m, Conv2D, "conv", image)
	conv.Put(AttrWeight.Is(w))
	conv.Put(AttrAct.Is(ActRelu))
	pool := addNode(m, MaxPool2D, "pool", conv.Out)
	pool.Put(AttrKernel.Is([]int{2, 2}))
	fc := addNode(m, Linear, "fc", pool.Out)
	fc.Put(AttrWeight.Is(f))
	m.Outputs = []*Value{fc.Out}
	m.Results = []Type{{Elem: Of(F32), Shape: Shape{3}}}
	return m
}

func addNode(m *Module, op Op, name string, args ...*Value) *Node {
	n := &Node{Op: op, Args: args, Out: &Value{Name: name}}
	n.Out.Def = n
	m.Ops = append(m.Ops, n)
	return n
}

func TestInferAndPrint(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	require.Empty(t, Verify(m))
	assert.Equal(t, `tensors "tiny.safetensors"
network tiny(image: f32[1,4,4] in [0,1]) -> f32[3] {
  const conv.weight: f32[2,1,3,3]
  const fc.weight: f32[3,2]
  conv = conv2d(image, act: relu, weight: conv.weight) : f32[2,2,2]
  pool = maxpool2d(conv, kernel: [2,2]) : f32[2,1,1]
  fc = linear(pool, weight: fc.weight) : f32[3]
  return fc
}
`, m.String())
	assert.Equal(t, 2*2*2*9, m.Ops[0].MACs())
	assert.Len(t, m.Layers(), 2)
}

func TestCloneIsEqualAndApart(t *testing.T) {
	m := tiny()
	require.Empty(t, Infer(m))
	c := m.Clone()
	same, err := Equal(m, c)
	require.NoError(t, err)
	assert.True(t, same)
	require.Empty(t, Verify(c))
	c.Ops[0].Put(AttrAct.Is(ActNone))
	c.Outputs[0].Type.Shape[0] = 7
	c.Inputs[0].Range.Hi = 9
	assert.Equal(t, "relu", m.Ops[0].Word(AttrAct))
	assert.Equal(t, Shape{3}, m.Outputs[0].Type.Shape)
	assert.Equal(t, 1.0, m.Inputs[0].Range.Hi)
	same, err = Equal(m, c)
	require.NoError(t, err)
	assert.False(t, same)
	d := m.Clone()
	d.Consts[0].Data = Bytes(append([]byte{1}, make([]byte, 71)...))
	same, err = Equal(m, d)
	require.NoError(t, err)
	assert.False(t, same, "other bytes")
}

// TestVerifyFinds breaks each invariant of a good module in turn.
func TestVerifyFinds(t *testing.T) {
	for _, c := range []struct {
		invariant string
		breakIt   func(m *Module)
	}{
		{"V1", func(m *Module) { m.Ops[1].Out.Name = "conv" }},
		{"V1", func(m *Module) { m.Ops[1].Out.Name = "2pool" }},
		{"V1", func(m *Module) { m.Ops[1].Out.Name = "a..b" }},
		{"V2", func(m *Module) { m.Ops[0], m.Ops[1] = m.Ops[1], m.Ops[0] }},
		{"V2", func(m *Module) { m.Ops[0].Args[0] = &Value{Name: "stray", Type: m.Inputs[0].Type} }},
		{"V3", func(m *Module) { m.Ops[1].Args = append(m.Ops[1].Args, m.Inputs[0]) }},
		{"V3", func(m *Module) { m.Ops[0].Attrs = append(m.Ops[0].Attrs, AttrAxis.Is(1)) }},
		{"V3", func(m *Module) { m.Ops[0].Attrs = append(m.Ops[0].Attrs, AttrFilters.Is(2)) }},
		{"V3", func(m *Module) { m.Ops[0].Attrs = append(m.Ops[0].Attrs, AttrStride.Is([]int{0, 1})) }},
		{"V3", func(m *Module) { m.Ops[0].Attrs = append(m.Ops[0].Attrs, AttrBits.Is(Of(F32))) }},
		{"V4", func(m *Module) { m.Ops[0].Out.Type.Shape = Shape{2, 2, 3} }},
		{"V4", func(m *Module) { m.Ops[1].Attrs = nil }},
		{"V5", func(m *Module) { m.Consts = m.Consts[:1] }},
		{"V5", func(m *Module) { m.Consts[0].Scale = FloatConst("s", Shape{2}, []float32{1, 1}) }},
		{"V6", func(m *Module) { m.Inputs[0].Type.Elem = Of(I8) }},
		{"V8", func(m *Module) { m.Results[0].Shape = Shape{4} }},
		{"V8", func(m *Module) { m.Outputs = nil }},
		{"V9", func(m *Module) { m.Inputs[0].Range.Lo = math.NaN() }},
		{"V9", func(m *Module) { m.Inputs[0].Content = Content{Kind: Signal, Axis: 9} }},
		{"V10", func(m *Module) {
			m.Arena = Arena{16, 8}
			m.Ops[0].Out.At, m.Ops[1].Out.At = Place{InArena, 0}, Place{InArena, 4}
		}},
		{"V10", func(m *Module) {
			m.Arena = Arena{16, 8}
			m.Ops[0].Out.At = Place{InArena, 12}
		}},
	} {
		m := tiny()
		require.Empty(t, Infer(m))
		c.breakIt(m)
		assert.Contains(t, Verify(m).Error(), c.invariant+": ")
	}
}

func TestInferReportsEveryFault(t *testing.T) {
	m := tiny()
	m.Ops[0].Put(AttrPadValue.Is([]float64{1, 2}))
	m.Ops[2].Drop(AttrWeight)
	extra := addNode(m, Add, "sum", m.Inputs[0], m.Inputs[0])
	addNode(m, Reshape, "r", extra.Out).Put(AttrShape.Is([]int{5}))
	list := Infer(m)
	require.Len(t, list, 2, "what hangs on a faulty operation is not reported again")
	assert.Contains(t, list[0].Message, "pad_value has 2 numbers")
	assert.Contains(t, list[1].Message, "with 16 elements to [5] with 5")
}

// TestIndices: an input that only chooses among more rows than 8 bits tell is i16 of
// integers; no other value is, and no value that is computed chooses so.
func TestIndices(t *testing.T) {
	words := func(elem Kind, rows int) *Module {
		m := &Module{Name: "words"}
		in := &Value{Name: "words", Type: Type{Elem: Of(elem), Shape: Shape{3}, Quant: Quant{Scale: 1}}}
		m.Inputs = []*Value{in}
		table := FloatConst("emb.rows", Shape{rows, 2}, make([]float32, 2*rows))
		m.Consts = []*Const{table}
		n := addNode(m, Embedding, "emb", in)
		n.Put(AttrRows.Is(table))
		n.Out.Type = Type{Elem: Of(I8), Shape: Shape{3, 2}, Quant: Quant{Scale: .5}}
		m.Outputs, m.Results = []*Value{n.Out}, []Type{{Elem: Of(I8), Shape: Shape{3, 2}}}
		return m
	}
	m := words(I16, 257)
	require.Empty(t, Verify(m))
	assert.True(t, m.IsIndex(m.Inputs[0]))
	assert.Equal(t, 6, m.Inputs[0].Type.Slots())
	assert.Equal(t, 6, m.Outputs[0].Type.Slots())
	for want, bad := range map[string]func() *Module{
		"emb has the index words of i16": func() *Module { return words(I16, 256) },
		"indices of 8 bits tell 256":     func() *Module { return words(I8, 257) },
		"indices of 16 bits tell 32768":  func() *Module { return words(I16, 32769) },
		"needs the attribute rows": func() *Module {
			m := words(I16, 300)
			m.Ops[0].Drop(AttrRows)
			return m
		},
		"emb has the index words of i16, which is no input that only chooses": func() *Module { // and is added, too
			m := words(I16, 300)
			n := addNode(m, Add, "sum", m.Inputs[0], m.Inputs[0])
			n.Out.Type = Type{Elem: Of(I16), Shape: Shape{3}, Quant: Quant{Scale: 1}}
			return m
		},
		"embedding of 300 rows by twice": func() *Module {
			m := words(I8, 300)
			n := &Node{Op: Add, Args: []*Value{m.Inputs[0], m.Inputs[0]}, Out: &Value{Name: "twice", Type: m.Inputs[0].Type}}
			n.Out.Def = n
			m.Ops = append([]*Node{n}, m.Ops...)
			m.Ops[1].Args[0] = n.Out
			return m
		},
	} {
		assert.ErrorContains(t, Verify(bad()).Err(), want)
	}
}

// TestUsesAndBypass: what an operation that is taken out gave is used no more, also where
// several in a row go, and by results.
func TestUsesAndBypass(t *testing.T) {
	m := &Module{Name: "chain", Inputs: []*Value{{Name: "x"}}}
	a := addNode(m, Relu, "a", m.Inputs[0])
	b := addNode(m, Relu, "b", a.Out)
	c := addNode(m, Add, "c", b.Out, b.Out)
	d := addNode(m, Relu, "d", c.Out)
	m.Outputs = []*Value{d.Out, b.Out}
	assert.Equal(t, map[*Value]int{m.Inputs[0]: 1, a.Out: 1, b.Out: 3, c.Out: 1, d.Out: 1}, m.Uses())
	var seen []*Value
	m.Bypass(func(n *Node) *Value {
		seen = append(seen, n.Args[0])
		if n.Op == Relu {
			return n.Args[0]
		}
		return nil
	})
	x := m.Inputs[0]
	assert.Equal(t, []*Value{x, x, x, c.Out}, seen)
	assert.Equal(t, []*Node{c}, m.Ops)
	assert.Equal(t, []*Value{x, x}, c.Args)
	assert.Equal(t, []*Value{c.Out, x}, m.Outputs)
}

// TestAllTied: layers that share weights are one, those of other groups or another bias not.
func TestAllTied(t *testing.T) {
	m := &Module{Name: "steps", Inputs: []*Value{{Name: "x"}}}
	w, bias := FloatConst("w", Shape{4, 4}, make([]float32, 16)), FloatConst("b", Shape{4}, make([]float32, 4))
	fc := func(name string, attrs ...Attr) *Node {
		n := addNode(m, Linear, name, m.Inputs[0])
		n.Put(append(attrs, AttrWeight.Is(w))...)
		return n
	}
	a, b, c := fc("a"), fc("b", AttrBias.Is(bias)), fc("c")
	assert.Equal(t, [][]*Node{{a, c}, {b}}, m.AllTied())
	assert.Equal(t, []*Node{a, b}, m.Layers())
	assert.Equal(t, []*Node{a, c}, m.Tied(c))
	w.Type.Elem = Of(I8) // integers of a bias depend on the argument
	assert.Equal(t, [][]*Node{{a, b, c}}, m.AllTied())
}

// Package kerneltest runs a family of kernels on random layers: the loop program that the
// family's plan writes, by the evaluator, against the interpreter. It needs neither LLVM
// nor an emulator, so that each family's own tests take a second.
package kerneltest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Draw makes a network of one quantized node.
type Draw func(rng *rand.Rand) *ir.Module

// Family draws layers until the family has served n of them on each target, and runs each
// on random inputs and on the extremes. With -short it takes a sixth of them: the table of
// Plans has the layers that tell most.
func Family(t *testing.T, f *kernel.Family, n int, draw Draw, targets ...string) {
	if testing.Short() {
		n = (n + 5) / 6
	}
	for _, name := range targets {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(len(name))))
			served, drawn := 0, 0
			for ; served < n && drawn < 60*n; drawn++ {
				m := draw(rng)
				p, ok := f.Serves(kernel.Of(m.Ops[0], tgt))
				if !ok {
					continue
				}
				served++
				Plan(t, f, p, m, tgt)
				if t.Failed() {
					t.Logf("draw %d: %s", drawn, Describe(m))
					return
				}
			}
			require.Equal(t, n, served, "of %d drawn layers", drawn)
		})
	}
}

// Plan checks one plan of a layer: what Read restores, the packed size, and the integers
// of the loop program. It returns what a run counts: the same for all inputs.
func Plan(t *testing.T, f *kernel.Family, p kernel.Plan, m *ir.Module, tgt *processor.Target) (r Run) {
	t.Helper()
	n := m.Ops[0]
	f.Assign(n, p)
	again, err := f.Restore(n, tgt)
	require.NoError(t, err)
	require.True(t, p == again, "%+v\n%+v", p, again)
	if packer, ok := p.(kernel.Packer); ok {
		planes, err := packer.Pack(kernel.Of(n, tgt))
		require.NoError(t, err)
		bytes, w := 0, n.Const(ir.AttrWeight).Type
		for _, plane := range planes {
			bytes += len(plane)
		}
		require.InDelta(t, ir.PackedBytes(w.Elem, w.Shape), bytes, kernel.Slack, "packed bytes")
	}
	return run(t, p, m, tgt)
}

// run holds the loop program of a plan to the interpreter.
func run(t *testing.T, p kernel.Plan, m *ir.Module, tgt *processor.Target) (r Run) {
	t.Helper()
	n := m.Ops[0]
	net := emit.NewNetwork(tgt)
	fn, err := net.Layer("layer", n, p.Emit)
	require.NoError(t, err)
	for _, g := range net.Program.Globals {
		r.Constants += len(g.Data)
	}
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 4 {
		if i == 1 && testing.Short() { // a second random input
			continue
		}
		values := prog.Tensors(1, m.Outputs...)
		var memory []loop.Memory
		regions := map[*ir.Value]loop.Memory{}
		for _, v := range m.Inputs {
			x := make([]int8, v.Type.Slots())
			for j := range x {
				x[j] = int8(rng.Uint32())
				if i > 1 { // after two random ones the least and the greatest
					x[j] = []int8{-128, 127}[i-2]
				}
				if isLow := v.Type.IsWide() && j%2 == 0; isLow && i > 1 {
					x[j] = []int8{0, -1}[i-2]
				}
			}
			values[prog.ID(v)] = x
			regions[v] = physical(v.Type, x)
		}
		for _, a := range n.Args { // add(x, x) has two
			memory = append(memory, regions[a])
		}
		require.NoError(t, prog.Run(context.Background(), values, 1, 0, len(m.Ops)))
		want := physical(n.Out.Type, values[prog.ID(n.Out)])
		got := make(loop.Memory, len(want))
		memory = append(memory, got)
		if s := p.Scratch(); s > 0 {
			scratch := make(loop.Memory, s)
			for j := range scratch {
				scratch[j] = byte(rng.Uint32()) // as other layers leave it
			}
			memory = append(memory, scratch)
		}
		counts, err := loop.Count(fn, nil, memory, register(tgt))
		require.NoError(t, err)
		if i == 0 {
			r.Counts = counts
		}
		if n.Op.HasWeights() {
			assert.Equal(t, r.Counts, counts, "input %d: the run depends on data", i)
		}
		if !assert.Equal(t, want, got, "input %d", i) {
			return r
		}
	}
	return r
}

// Run is what a plan's code costs: operations that it executes, and bytes of constants.
type Run struct {
	loop.Counts
	Constants int
}

// register is the bytes of a processor's vector register.
func register(t *processor.Target) int {
	if t.Vectors() {
		return 16
	}
	return 0
}

// physical puts elements into the order of memory.
func physical(t ir.Type, x []int8) loop.Memory {
	b, slots := make(loop.Memory, 0, len(x)), len(x)/t.Shape.Size() // of an element
	for _, logical := range geometry.Order(t.Shape) {
		for _, e := range x[logical*slots : (logical+1)*slots] {
			b = append(b, byte(e))
		}
	}
	return b
}

// Describe is a drawn node as text.
func Describe(m *ir.Module) string {
	n := m.Ops[0]
	s := fmt.Sprintf("%s of %v to %v", n.Op, n.Args[0].Type.Shape, n.Out.Type.Shape)
	for _, a := range n.Attrs {
		if c, ok := a.Value.(*ir.Const); ok {
			s += fmt.Sprintf(", %s: %s", a.Key, c.Type)
			continue
		}
		s += fmt.Sprintf(", %s: %v", a.Key, a.Value)
	}
	return s
}

// Layer says which convolutions or linear layers are drawn.
type Layer struct {
	Linear    bool
	Depthwise bool // else some are grouped
	Pools     bool
	Results   bool // some have a result of 16 bits, an argument of 16 bits, or both
	Formats   []string
}

// Draw makes such layers: shapes that divide by nothing and by everything, all kinds of
// padding, strides, dilations, biases of 32 bits and, one in eight, of 64.
func (l Layer) Draw(rng *rand.Rand) *ir.Module {
	e, ok := ir.ParseElem(l.Formats[rng.IntN(len(l.Formats))])
	if !ok {
		panic("kerneltest: no format " + l.Formats[0])
	}
	pick := func(list ...int) int { return list[rng.IntN(len(list))] }
	s := spec{elem: e, in: ir.Shape{pick(1, 3, 4, 5, 8, 12, 13, 16, 20, 32), 1 + rng.IntN(9), 1 + rng.IntN(9)}, groups: 1}
	s.out = pick(1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 24, 32, 33)
	s.zero = pick(-128, -1, 0, 5, 127)
	s.wide, s.relu = rng.IntN(8) == 0, rng.IntN(3) == 0
	if rng.IntN(5) == 0 && !s.wide {
		s.round = roundings[s.in.Size()%len(roundings)]
	}
	s.low = rng.IntN(2) == 0
	if l.Results && rng.IntN(3) == 0 {
		kind := rng.IntN(4)
		s.result, s.words = kind != 1, kind > 0
		if s.words {
			s.zero = 0
			s.wide = s.wide || s.round == "" && rng.IntN(2) == 0
		}
	}
	if l.Linear {
		if rng.IntN(2) == 0 {
			s.in = ir.Shape{s.in.Size()}
		}
		return s.module(rng)
	}
	switch {
	case l.Depthwise:
		s.groups, s.out = s.in[0], s.in[0]
	case rng.IntN(4) == 0:
		for _, g := range []int{2, 4, 3} {
			if s.in[0]%g == 0 && s.out%g == 0 {
				s.groups = g
			}
		}
	}
	s.kernel = []int{pick(1, 1, 2, 3, 3, 5), pick(1, 1, 2, 3, 3, 4)}
	s.stride, s.dilation, s.pad = []int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}
	if rng.IntN(3) == 0 {
		s.stride = []int{1 + rng.IntN(3), 1 + rng.IntN(3)}
	}
	if rng.IntN(4) == 0 {
		s.dilation = []int{1 + rng.IntN(2), 1 + rng.IntN(3)}
	}
	if rng.IntN(3) > 0 {
		s.pad = []int{rng.IntN(3), rng.IntN(3), rng.IntN(3), rng.IntN(4)}
	}
	for i := range 2 {
		if s.in[1+i]+s.pad[i]+s.pad[2+i] < (s.kernel[i]-1)*s.dilation[i]+1 {
			s.kernel[i] = 1
		}
	}
	s.padValue = rng.IntN(5) == 0
	if pool := []int{1 + rng.IntN(2), 2}; l.Pools && rng.IntN(3) == 0 && s.size(0) > 1 && s.size(1) > 1 {
		s.pool = pool
	}
	return s.module(rng)
}

// constants gives a node random weights of a format, a codebook where the format has one,
// biases, multipliers and shifts that spread the outputs.
func (s spec) constants(rng *rand.Rand, n *ir.Node, shape ir.Shape) {
	e := s.elem
	constant := func(key ir.Key[*ir.Const], t ir.Type, data []byte) {
		n.Put(key.Is(&ir.Const{Name: "y." + key.String(), Type: t, Data: ir.Bytes(data)}))
	}
	w := ir.Type{Elem: e, Shape: shape}
	codes := make([]byte, (&ir.Const{Type: w}).StoredBytes())
	least := byte(0x80)
	if e.Kind == ir.Odd {
		least = 0 // a product has codes less 128
	}
	for i := range codes {
		codes[i] = byte(rng.IntN(1 << e.CodeBits()))
		if e.CodeBits() == 8 && codes[i] == least {
			codes[i]++
		}
	}
	if s.low && e.CodeBits() == 8 {
		codes[rng.IntN(len(codes))] = least
	}
	constant(ir.AttrWeight, w, codes)
	most := float64(e.MaxWeight())
	if e.Kind == ir.Vec || e.Kind == ir.Code {
		d := max(1, int(e.Group))
		book := make([]byte, d<<e.Bits)
		for i := range book { // the sum of |T| over a row is at most 128 (R18)
			book[i] = byte(int8(rng.IntN(2*(128/d)+1) - 128/d))
		}
		constant(ir.AttrCodebook, ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{1 << e.Bits, d}}, book)
		most = 128 / float64(d)
	}
	out, k := shape[0], shape.Size()/shape[0]
	bias, kind := make([]int64, out), ir.I32
	if s.wide {
		kind = ir.I64
	}
	for i := range bias {
		bias[i] = int64(rng.NormFloat64() * most * 100 * math.Sqrt(float64(k)))
		if s.words {
			bias[i] <<= 7
		}
	}
	constant(ir.AttrBias, ir.Type{Elem: ir.Of(kind), Shape: ir.Shape{out}}, ir.LittleEndian(ir.Of(kind).StoredSize(), bias))
	muls, shifts := make([]int64, out), make([]int64, out)
	for i := range muls {
		spread := 40.
		if s.result {
			spread *= 1 << 8
		}
		if s.words {
			spread /= 1 << 8
		}
		if s.large {
			spread *= 8
		}
		m, r, err := geometry.MultiplierFor(spread / (most * 80 * math.Sqrt(float64(k))) * math.Exp(rng.NormFloat64()/2))
		if err != nil {
			panic(err)
		}
		muls[i], shifts[i] = int64(m), int64(r)
	}
	constant(ir.AttrMul, ir.Type{Elem: ir.Of(ir.I32), Shape: ir.Shape{out}}, ir.LittleEndian(4, muls))
	constant(ir.AttrShift, ir.Type{Elem: ir.Of(ir.I32), Shape: ir.Shape{out}}, ir.LittleEndian(4, shifts))
	if s.result {
		n.Out.Type.Elem, n.Out.Type.Quant.Zero = ir.Of(ir.I16), 0
		n.Put(ir.AttrLo.Is(math.MinInt16), ir.AttrHi.Is(math.MaxInt16))
	}
	if s.relu {
		n.Put(ir.AttrLo.Is(n.Out.Type.Quant.Zero))
	}
	if s.round != "" {
		n.Put(ir.AttrRound.Is(s.round))
	}
}

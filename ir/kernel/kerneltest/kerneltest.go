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
// on random inputs and on the extremes.
func Family(t *testing.T, f *kernel.Family, n int, draw Draw, targets ...string) {
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
// of the loop program.
func Plan(t *testing.T, f *kernel.Family, p kernel.Plan, m *ir.Module, tgt *processor.Target) {
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
	net := emit.NewNetwork(tgt)
	fn, err := net.Layer("layer", n, p.Emit)
	require.NoError(t, err)
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 4 {
		values := prog.Tensors(1, m.Outputs...)
		var memory []loop.Memory
		regions := map[*ir.Value]loop.Memory{}
		for _, v := range m.Inputs {
			x := make([]int8, v.Type.Shape.Size())
			for j := range x {
				x[j] = int8(rng.Uint32())
				if i > 1 { // after two random ones the least and the greatest
					x[j] = []int8{-128, 127}[i-2]
				}
			}
			values[prog.ID(v)] = x
			regions[v] = physical(v.Type.Shape, x)
		}
		for _, a := range n.Args { // add(x, x) has two
			memory = append(memory, regions[a])
		}
		require.NoError(t, prog.Run(context.Background(), values, 1, 0, len(m.Ops)))
		want := physical(n.Out.Type.Shape, values[prog.ID(n.Out)])
		got := make(loop.Memory, len(want))
		memory = append(memory, got)
		if s := p.Scratch(); s > 0 {
			scratch := make(loop.Memory, s)
			for j := range scratch {
				scratch[j] = byte(rng.Uint32()) // as other layers leave it
			}
			memory = append(memory, scratch)
		}
		_, err := loop.Run(fn, nil, memory)
		require.NoError(t, err)
		if !assert.Equal(t, want, got, "input %d", i) {
			return
		}
	}
}

// physical puts elements into the order of memory.
func physical(s ir.Shape, x []int8) loop.Memory {
	b := make(loop.Memory, len(x))
	for i, logical := range geometry.Order(s) {
		b[i] = byte(x[logical])
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
	in := ir.Shape{pick(1, 3, 4, 5, 8, 12, 13, 16, 20, 32), 1 + rng.IntN(9), 1 + rng.IntN(9)}
	out := pick(1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 24, 32, 33)
	n := &ir.Node{Op: ir.Conv2D}
	if l.Linear {
		n.Op = ir.Linear
		if rng.IntN(2) == 0 {
			in = ir.Shape{in.Size()}
		}
	}
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: in, Quant: ir.Quant{Scale: 1. / 64, Zero: pick(-128, -1, 0, 5, 127)}}}
	n.Args = []*ir.Value{x}
	n.Out = &ir.Value{Name: "y", Def: n}
	weight := ir.Shape{out, in.Size()}
	result := ir.Shape{out}
	if !l.Linear {
		groups := 1
		switch {
		case l.Depthwise:
			groups, out = in[0], in[0]
		case rng.IntN(4) == 0:
			for _, g := range []int{2, 4, 3} {
				if in[0]%g == 0 && out%g == 0 {
					groups = g
				}
			}
		}
		kh, kw := pick(1, 1, 2, 3, 3, 5), pick(1, 1, 2, 3, 3, 4)
		stride, dilation, pad := []int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}
		if rng.IntN(3) == 0 {
			stride = []int{1 + rng.IntN(3), 1 + rng.IntN(3)}
		}
		if rng.IntN(4) == 0 {
			dilation = []int{1 + rng.IntN(2), 1 + rng.IntN(3)}
		}
		if rng.IntN(3) > 0 {
			pad = []int{rng.IntN(3), rng.IntN(3), rng.IntN(3), rng.IntN(4)}
		}
		fits := func(size, before, after, k, d int) bool { return size+before+after >= (k-1)*d+1 }
		if !fits(in[1], pad[0], pad[2], kh, dilation[0]) {
			kh = 1
		}
		if !fits(in[2], pad[1], pad[3], kw, dilation[1]) {
			kw = 1
		}
		weight = ir.Shape{out, in[0] / groups, kh, kw}
		result = ir.Shape{out, (in[1]+pad[0]+pad[2]-(kh-1)*dilation[0]-1)/stride[0] + 1, (in[2]+pad[1]+pad[3]-(kw-1)*dilation[1]-1)/stride[1] + 1}
		n.Put(ir.AttrKernel.Is([]int{kh, kw}))
		n.Put(ir.AttrStride.Is(stride))
		n.Put(ir.AttrDilation.Is(dilation))
		n.Put(ir.AttrPad.Is(pad))
		n.Put(ir.AttrGroups.Is(groups))
		if rng.IntN(5) == 0 {
			values := make([]float64, in[0])
			for i := range values {
				values[i] = float64(rng.IntN(256) - 128)
			}
			n.Put(ir.AttrPadValue.Is(values))
		}
		if l.Pools && rng.IntN(3) == 0 && result[1] > 1 && result[2] > 1 {
			pool := []int{1 + rng.IntN(2), 2}
			n.Put(ir.AttrPool.Is(pool))
			result = ir.Shape{out, result[1] / pool[0], result[2] / pool[1]}
		}
	}
	n.Out.Type = ir.Type{Elem: ir.Of(ir.I8), Shape: result, Quant: ir.Quant{Scale: 1. / 32, Zero: rng.IntN(64) - 32}}
	m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Outputs: []*ir.Value{n.Out}, Ops: []*ir.Node{n}}
	Weights(rng, n, e, weight)
	return m
}

// Weights gives a node random weights of a format, a codebook where the format has one,
// biases, multipliers and shifts that spread the outputs.
func Weights(rng *rand.Rand, n *ir.Node, e ir.Elem, shape ir.Shape) {
	constant := func(key ir.Key[*ir.Const], t ir.Type, data []byte) {
		n.Put(key.Is(&ir.Const{Name: "y." + key.String(), Type: t, Data: ir.Bytes(data)}))
	}
	w := ir.Type{Elem: e, Shape: shape}
	codes := make([]byte, (&ir.Const{Type: w}).StoredBytes())
	for i := range codes {
		codes[i] = byte(rng.IntN(1 << e.CodeBits()))
		if e.Kind == ir.I8 && codes[i] == 0x80 && rng.IntN(2) == 0 {
			codes[i] = 0x81
		}
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
	if rng.IntN(8) == 0 {
		kind = ir.I64
	}
	for i := range bias {
		bias[i] = int64(rng.NormFloat64() * most * 100 * math.Sqrt(float64(k)))
	}
	constant(ir.AttrBias, ir.Type{Elem: ir.Of(kind), Shape: ir.Shape{out}}, ir.LittleEndian(ir.Of(kind).StoredSize(), bias))
	muls, shifts := make([]int64, out), make([]int64, out)
	for i := range muls {
		m, r, err := geometry.MultiplierFor(40 / (most * 80 * math.Sqrt(float64(k))) * math.Exp(rng.NormFloat64()/2))
		if err != nil {
			panic(err)
		}
		muls[i], shifts[i] = int64(m), int64(r)
	}
	constant(ir.AttrMul, ir.Type{Elem: ir.Of(ir.I32), Shape: ir.Shape{out}}, ir.LittleEndian(4, muls))
	constant(ir.AttrShift, ir.Type{Elem: ir.Of(ir.I32), Shape: ir.Shape{out}}, ir.LittleEndian(4, shifts))
	if rng.IntN(3) == 0 {
		n.Put(ir.AttrLo.Is(n.Out.Type.Quant.Zero)) // relu
	}
	if rng.IntN(6) == 0 {
		n.Put(ir.AttrRound.Is(ir.RoundTFLite))
	}
}

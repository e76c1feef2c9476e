// Package streamtest makes networks over time with random weights, and takes them through the
// passes: as a whole, and frame by frame.
package streamtest

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// Net is a float network that grows by layers with random weights.
type Net struct {
	M   *ir.Module
	Rng *rand.Rand
	At  *ir.Value // the last result
}

// New begins a network over an input of a shape, with time along an axis.
func New(seed uint64, shape ir.Shape, axis int) *Net {
	in := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Range: &ir.Range{Lo: -1, Hi: 1}, Content: ir.Content{Kind: ir.Signal, Axis: axis}}
	return &Net{M: &ir.Module{Name: "net", Inputs: []*ir.Value{in}}, Rng: rand.New(rand.NewPCG(seed, 7)), At: in}
}

// Const makes random weights of a deviation.
func (b *Net) Const(name string, deviation float64, shape ...int) *ir.Const {
	x := make([]float32, ir.Shape(shape).Size())
	for i := range x {
		x[i] = float32(b.Rng.NormFloat64() * deviation)
	}
	c := ir.FloatConst(name, shape, x)
	b.M.Consts = append(b.M.Consts, c)
	return c
}

// Add appends an operation.
func (b *Net) Add(op ir.Op, name string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	return b.AddOf(ir.Type{}, op, name, args, attrs...)
}

// AddOf is Add of a result of integers of a type, whose shape is inferred.
func (b *Net) AddOf(t ir.Type, op ir.Op, name string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	n := &ir.Node{Op: op, Args: args, Out: &ir.Value{Name: name, Type: t, Content: ir.Content{Axis: ir.NoAxis}}}
	n.Out.Def = n
	n.Put(attrs...)
	var d *diag.Diagnostic
	if n.Out.Type, d = ir.InferNode(n); d != nil {
		panic(d)
	}
	b.M.Ops, b.At = append(b.M.Ops, n), n.Out
	return n.Out
}

// Conv appends a convolution of [height, width] and a relu.
func (b *Net) Conv(name string, filters int, kernel, stride, dilation [2]int, pad [4]int, depthwise bool) {
	in, groups := b.At.Type.Shape[0], 1
	if depthwise {
		filters, groups = in, in
	}
	shape := []int{filters, in / groups, kernel[0], kernel[1]}
	w := b.Const(name+".weight", math.Sqrt(2/float64(ir.Shape(shape[1:]).Size())), shape...)
	bias := b.Const(name+".bias", .1, filters)
	b.Add(ir.Conv2D, name, []*ir.Value{b.At}, ir.AttrWeight.Is(w), ir.AttrBias.Is(bias), ir.AttrStride.Is(stride[:]), ir.AttrDilation.Is(dilation[:]), ir.AttrPad.Is(pad[:]),
		ir.AttrGroups.Is(groups), ir.AttrAct.Is(ir.ActRelu))
}

// Causal appends a convolution along time, padded before the first frame alone.
func (b *Net) Causal(name string, filters, kernel, stride, dilation int, depthwise bool) {
	b.Conv(name, filters, [2]int{kernel, 1}, [2]int{stride, 1}, [2]int{dilation, 1}, [4]int{(kernel - 1) * dilation, 0, 0, 0}, depthwise)
}

// Linear appends a layer of units of all elements.
func (b *Net) Linear(name string, units int) {
	in := b.At.Type.Shape.Size()
	w := b.Const(name+".weight", math.Sqrt(1/float64(in)), units, in)
	b.Add(ir.Linear, name, []*ir.Value{b.At}, ir.AttrWeight.Is(w), ir.AttrBias.Is(b.Const(name+".bias", .1, units)))
}

// Recurrent appends a recurrence of a cell, with the convolution of its gates.
func (b *Net) Recurrent(name, cell, reset string, hidden int) {
	in, rows := b.At.Type.Shape[0], ir.Gates(cell)*hidden
	w := b.Const(name+".z.weight", math.Sqrt(1/float64(in)), rows, in, 1, 1)
	z := b.Add(ir.Conv2D, name+".z", []*ir.Value{b.At}, ir.AttrWeight.Is(w), ir.AttrBias.Is(b.Const(name+".z.bias", .1, rows)))
	attrs := []ir.Attr{ir.AttrCell.Is(cell), ir.AttrHidden.Is(b.Const(name+".hidden", math.Sqrt(1/float64(hidden)), rows, hidden))}
	if cell == ir.CellGRU {
		attrs = append(attrs, ir.AttrReset.Is(reset))
		if reset == ir.ResetAfter {
			attrs = append(attrs, ir.AttrBias.Is(b.Const(name+".bias", .1, hidden)))
		}
	}
	b.Add(ir.Recurrent, name, []*ir.Value{z}, attrs...)
}

// Done returns the last value, and the others that are given before it.
func (b *Net) Done(results ...*ir.Value) *ir.Module {
	for _, v := range append(results, b.At) {
		b.M.Outputs = append(b.M.Outputs, v)
		b.M.Results = append(b.M.Results, v.Type)
	}
	return b.M
}

// DSCNN is a causal network of depthwise and pointwise convolutions over frames of features, with
// classes for each frame.
func DSCNN(frames int) *ir.Module {
	b := New(1, ir.Shape{1, frames, 10}, 1)
	b.Conv("conv", 64, [2]int{10, 4}, [2]int{1, 2}, [2]int{1, 1}, [4]int{9, 1, 0, 1}, false)
	for _, name := range []string{"ds1", "ds2", "ds3", "ds4"} {
		b.Conv(name+".dw", 0, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, [4]int{2, 1, 0, 1}, true)
		b.Conv(name+".pw", 64, [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
	}
	b.Conv("classes", 12, [2]int{1, b.At.Type.Shape[2]}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
	return b.Done()
}

// TCN is a temporal convolutional network with dilated convolutions and residual sums.
func TCN(frames int) *ir.Module {
	b := New(2, ir.Shape{8, frames, 1}, 1)
	b.Causal("first", 32, 1, 1, 1, false)
	for i, name := range []string{"b1", "b2", "b3", "b4", "b5"} {
		before := b.At
		b.Causal(name, 32, 3, 1, 1<<i, false)
		b.Add(ir.Add, name+".sum", []*ir.Value{before, b.At})
	}
	b.Causal("last", 4, 1, 1, 1, false)
	return b.Done()
}

// WakeWord has the form of MLPerf Tiny's streaming wake word, over fewer channels: convolutions along time
// without padding, and a layer of all frames.
func WakeWord() *ir.Module {
	b := New(4, ir.Shape{8, 30, 1}, 1)
	for i, frames := range []int{3, 5, 10, 15} {
		name := "abcd"[i : i+1]
		b.Conv(name+".dw", 0, [2]int{frames, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, true)
		b.Conv(name+".pw", 16, [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
	}
	b.Linear("classes", 3)
	b.Add(ir.Softmax, "out", []*ir.Value{b.At})
	return b.Done()
}

// Cell is a recurrence over frames with a layer after it.
func Cell(cell, reset string, frames int) *ir.Module {
	b := New(3, ir.Shape{10, frames, 1}, 1)
	b.Recurrent("rnn", cell, reset, 32)
	b.Causal("last", 5, 1, 1, 1, false)
	return b.Done()
}

// Late has recurrences after a convolution that is not padded, so that they begin after some frames.
func Late(frames int) *ir.Module {
	b := New(5, ir.Shape{3, frames, 1}, 1)
	b.Conv("conv", 4, [2]int{7, 1}, [2]int{2, 1}, [2]int{1, 1}, [4]int{}, false)
	b.Recurrent("first", ir.CellLSTM, "", 6)
	b.Recurrent("second", ir.CellGRU, ir.ResetAfter, 5)
	return b.Done()
}

// Random is a random small causal network: its results are of each frame, or of all.
func Random(seed uint64, frames int) *ir.Module {
	rng := rand.New(rand.NewPCG(seed, 1))
	axis, shape := 1, ir.Shape{1 + rng.IntN(5), frames, 1 + rng.IntN(3)*rng.IntN(2)}
	b := New(seed, shape, axis)
	name := func(i int) string { return string(rune('a' + i)) }
	looksAhead := false
	for i := range 2 + rng.IntN(4) {
		in := b.At.Type.Shape
		switch rng.IntN(9) {
		case 0, 1:
			b.Causal(name(i), 1+rng.IntN(6), 1+rng.IntN(3), 1, 1+rng.IntN(3), rng.IntN(3) == 0)
		case 2: // looks ahead, or is not padded
			k := 1 + rng.IntN(3)
			b.Conv(name(i), 1+rng.IntN(4), [2]int{k, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{rng.IntN(k), 0, 0, 0}, false)
		case 3:
			b.Causal(name(i), 1+rng.IntN(6), 1+rng.IntN(4), 2, 1, rng.IntN(3) == 0)
		case 4:
			op := []ir.Op{ir.MaxPool2D, ir.AvgPool2D}[rng.IntN(2)]
			pad := []int{0, 0, 0, 0}
			if op == ir.MaxPool2D {
				pad[0] = rng.IntN(2)
			}
			b.Add(op, name(i), []*ir.Value{b.At}, ir.AttrKernel.Is([]int{2 + rng.IntN(2), 1}), ir.AttrStride.Is([]int{1 + rng.IntN(2), 1}), ir.AttrPad.Is(pad))
		case 5: // a residual sum, whose sides come late by different times
			before, k := b.At, 1+rng.IntN(4)
			looksAhead = looksAhead || k > 1
			b.Conv(name(i), in[0], [2]int{k, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{k - 1 - k/2, 0, k / 2, 0}, false)
			b.Add(ir.Add, name(i)+".sum", []*ir.Value{before, b.At})
		case 6: // a padding of its own
			b.Add(ir.Pad, name(i), []*ir.Value{b.At}, ir.AttrBefore.Is([]int{0, 1 + rng.IntN(3), 0}), ir.AttrAfter.Is([]int{0, 0, 0}), ir.AttrValue.Is(float64(rng.IntN(2))*.3))
		case 7:
			b.Add(ir.Tanh, name(i), []*ir.Value{b.At})
		case 8: // of one column, early or late
			if in[2] == 1 {
				b.Recurrent(name(i), []string{ir.CellLSTM, ir.CellGRU, ir.CellRNN}[rng.IntN(3)], []string{ir.ResetBefore, ir.ResetAfter}[rng.IntN(2)], 1+rng.IntN(5))
			}
		}
	}
	final := rng.IntN(4)
	if looksAhead { // and is padded after the last frame, so that no result can be of all frames
		final = 3
	}
	switch perFrame := b.At; final {
	case 0:
		b.Add(ir.Reduce, "mean", []*ir.Value{b.At}, ir.AttrAxes.Is([]int{1, 2}))
		b.Linear("out", 3)
	case 1:
		b.Linear("out", 2)
		return b.Done(perFrame)
	case 2:
		b.Add(ir.Softmax, "out", []*ir.Value{b.At})
	}
	return b.Done()
}

// Quantized takes a network through the passes: the whole one of integers, and the steps of so
// many frames, planned for a target.
func Quantized(t testing.TB, m *ir.Module, target string, hop int) (whole, step *ir.Module, err error) {
	t.Helper()
	require.Empty(t, ir.Verify(m))
	tgt, err := processor.Find(target)
	require.NoError(t, err)
	in := m.Inputs[0]
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1, Stream: hop,
		Calibration: func() (data.Batch, error) { return data.Synthesize(in.Type.Shape, -1, 1, 4, 1), nil }}
	step = m.Clone()
	err = passes.Table.Run(context.Background(), step, env, pass.Options{Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
		if p.Name == passes.Tuned {
			whole = m.Clone()
		}
		return nil
	}})
	return whole, step, err
}

// Records are random inputs of a whole network.
func Records(m *ir.Module, n int, seed uint64) (list [][]int8) {
	rng := rand.New(rand.NewPCG(seed, 9))
	for range n {
		x := make([]int8, m.Inputs[0].Type.Slots())
		for i := range x {
			x[i] = int8(rng.Uint32())
		}
		list = append(list, x)
	}
	return list
}

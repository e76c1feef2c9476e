package streamtest

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// Integers is a network of integers, as an importer makes it, with both LSTMs of TensorFlow Lite's integers (R25)
// after a convolution that is not padded, so that they begin after some frames.
func Integers(frames int) *ir.Module {
	b := New(6, ir.Shape{3, frames, 1}, 1)
	in := b.At
	in.Type.Elem, in.Type.Quant, in.Range = ir.Of(ir.I8), ir.Quant{Scale: .02, Zero: -5}, nil
	b.byteConv("conv", 4, 3, ir.Type{Elem: ir.Of(ir.I8), Quant: ir.Quant{Scale: .03, Zero: 7}})
	b.lstm8("first", ir.CellLSTM8, 7, 0)
	b.lstm8("second", ir.CellCIFG8, 6, 5)
	b.M.After = "quantize"
	return b.Done()
}

// ints makes a constant of integers.
func (b *Net) ints(name string, kind ir.Kind, next func(i int) int64, shape ...int) *ir.Const {
	x := make([]int64, ir.Shape(shape).Size())
	for i := range x {
		x[i] = next(i)
	}
	c := ir.IntConst(name, ir.Of(kind), shape, x)
	b.M.Consts = append(b.M.Consts, c)
	return c
}

func (b *Net) code(int) int64 { return int64(b.Rng.IntN(255) - 127) }

// factors are the multipliers and shifts of some real factors.
func (b *Net) factors(name string, list ...float64) []ir.Attr {
	mul, shift := make([]int64, len(list)), make([]int64, len(list))
	for i, f := range list {
		m, r, err := geometry.MultiplierFor(f)
		if err != nil {
			panic(err)
		}
		mul[i], shift[i] = int64(m), int64(r)
	}
	return []ir.Attr{ir.AttrMul.Is(b.ints(name+".mul", ir.I32, func(i int) int64 { return mul[i] }, len(list))),
		ir.AttrShift.Is(b.ints(name+".shift", ir.I32, func(i int) int64 { return shift[i] }, len(list)))}
}

// byteConv appends a convolution along time that rounds as TensorFlow Lite does.
func (b *Net) byteConv(name string, filters, kernel int, t ir.Type) {
	in := b.At.Type.Shape[0]
	w := b.ints(name+".weight", ir.I8, b.code, filters, in, kernel, 1)
	w.Scale = b.Const(name+".scale", .01, filters)
	bias := b.ints(name+".bias", ir.I32, func(int) int64 { return int64(b.Rng.IntN(4000) - 2000) }, filters)
	factor := .3 * float64(math.MaxInt16) / (127 * 127 * math.Sqrt(float64(in*kernel)))
	if !t.IsWide() {
		factor /= 256
	}
	least, greatest := t.Ends()
	attrs := append(b.factors(name, slices.Repeat([]float64{factor}, filters)...), ir.AttrWeight.Is(w), ir.AttrBias.Is(bias), ir.AttrRound.Is(ir.RoundTFLite), ir.AttrLo.Is(least), ir.AttrHi.Is(greatest))
	b.AddOf(t, ir.Conv2D, name, []*ir.Value{b.At}, attrs...)
}

// lstm8 appends an LSTM of TensorFlow Lite's integers with the convolution of its gates; outputs of 0 are those of its
// cells without a projection.
func (b *Net) lstm8(name, cell string, cells, outputs int) {
	gates := ir.Gates(cell)
	b.byteConv(name+".z", gates*cells, 1, ir.Type{Elem: ir.Of(ir.I16), Quant: ir.Quant{Scale: 1. / (1 << 12)}})
	attrs := []ir.Attr{ir.AttrCell.Is(cell), ir.AttrCellBits.Is(3), ir.AttrCellClip.Is(20000)}
	factors := []float64{.5, .4, .3, .7}[4-gates:]
	factors = append(factors, 1./(1<<23))
	biases := gates * cells
	if outputs > 0 {
		attrs = append(attrs, ir.AttrHiddenZero.Is(9), ir.AttrProject.Is(b.ints(name+".project", ir.I8, b.code, outputs, cells)))
		factors, biases = append(factors, .006), biases+outputs
	} else {
		outputs = cells
	}
	attrs = append(attrs, ir.AttrHidden.Is(b.ints(name+".hidden", ir.I8, b.code, gates*cells, outputs)),
		ir.AttrBias.Is(b.ints(name+".bias", ir.I32, func(int) int64 { return int64(b.Rng.IntN(4000) - 2000) }, biases)))
	b.AddOf(ir.Type{Elem: ir.Of(ir.I8), Quant: ir.Quant{Scale: .01, Zero: -11}}, ir.Recurrent, name, []*ir.Value{b.At}, append(attrs, b.factors(name, factors...)...)...)
}

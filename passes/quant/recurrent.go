package quant

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// widenGates marks what the inputs give the gates of recurrences.
func widenGates(m *ir.Module) {
	for _, n := range m.Ops {
		if n.Op == ir.Recurrent && feedsGates(m, n.Args[0]) {
			n.Args[0].Wide = true
		}
	}
}

// feedsGates reports whether recurrent nodes alone read a value, and can have it with any scale.
func feedsGates(m *ir.Module, v *ir.Value) bool {
	if v.Def == nil || v.Def.Widths() != ir.AnyWidth || v.Def.Op == ir.Recurrent || slices.Contains(m.Outputs, v) {
		return false
	}
	users := m.Users(v)
	return len(users) > 0 && !slices.ContainsFunc(users, func(u *ir.Node) bool { return u.Op != ir.Recurrent })
}

// gateQuant is the i16 type of what the inputs give the gates: a power of two of the units of
// their sums (R20), so that a shift rescales it.
func gateQuant(r ir.Range) ir.Quant {
	q := ir.Quant{Scale: 1. / geometry.GateUnits}
	for least := wideQuant(r).Scale; q.Scale < least; {
		q.Scale *= 2
	}
	return q
}

// lowerRecurrent writes the integers of R20.
func lowerRecurrent(l *lowering, n *ir.Node) error {
	w := n.Const(ir.AttrHidden)
	reals, err := w.Float32()
	if err != nil {
		return err
	}
	rows, h := w.Type.Shape[0], w.Type.Shape[1]
	bias := make([]float64, rows)
	if b := n.Const(ir.AttrBias); b != nil {
		x, err := b.Float32()
		if err != nil {
			return err
		}
		for i, v := range x {
			bias[rows-h+i] = float64(v)
		}
	}
	codes, sums, factors := make([]int8, len(reals)), make([]int64, rows), make([]float64, rows)
	for i := range rows {
		scale := roundRow(reals[i*h:(i+1)*h], bias[i], codes[i*h:(i+1)*h], &sums[i])
		factors[i] = float64(scale*geometry.HiddenScale) * geometry.GateUnits
	}
	mul, shift := make([]int64, 2+rows), make([]int64, 3)
	for k, f := range []float64{n.Args[0].Type.Quant.Scale * geometry.GateUnits, geometry.HiddenScale / n.Out.Type.Quant.Scale, slices.Max(factors)} {
		a, r, err := geometry.MultiplierFor(f)
		if err != nil {
			return tooLarge(n, err)
		}
		mul[k], shift[k] = int64(a), int64(r)
	}
	for i, f := range factors {
		mul[2+i] = int64(min(math.Round(math.Ldexp(f, int(shift[2]))), math.MaxInt32))
	}
	setInts(l.m, n, ir.AttrHidden, ir.I8, w.Type.Shape, codes)
	if n.ResetsAfter() {
		setInts(l.m, n, ir.AttrBias, ir.I32, ir.Shape{h}, sums[rows-h:])
	}
	setInts(l.m, n, ir.AttrTable, ir.I16, ir.Shape{ir.SigmoidTable}, kernels.HalfSigmoid())
	setInts(l.m, n, ir.AttrMul, ir.I32, ir.Shape{len(mul)}, mul)
	setInts(l.m, n, ir.AttrShift, ir.I32, ir.Shape{len(shift)}, shift)
	setBounds(n)
	if _, err := geometry.RecurrentIntsOf(n); err != nil {
		return tooLarge(n, err)
	}
	return nil
}

func tooLarge(n *ir.Node, err error) error {
	return diag.New(n.Pos, diag.Unsupported, "%s: the sums of its gates cannot be computed in 32 bits", n.Name()).
		WithNote("%v", err).WithHelp("weights or what the inputs give are this large where a gate saturates at 11: check them, or scale them down")
}

// roundRow rounds a row of weights, and its bias, to integers whose sums fit 32 bits (R5), and
// returns the scale of the weights.
func roundRow(w []float32, bias float64, codes []int8, sum *int64) float64 {
	most := 0.
	for _, x := range w {
		most = max(most, math.Abs(float64(x)))
	}
	scale := max(most/math.MaxInt8, math.Abs(bias)/(1<<14), math.SmallestNonzeroFloat32)
	for ; ; scale *= 2 {
		for k, x := range w {
			codes[k] = int8(math.Round(float64(x) / scale))
		}
		*sum = int64(math.Round(bias / (scale * geometry.HiddenScale)))
		if geometry.HiddenReach(codes, *sum) < geometry.NarrowReach {
			return scale
		}
	}
}

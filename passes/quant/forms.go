package quant

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// lowering is a module on its way to integers, its layers' weights rounded.
type lowering struct {
	m     *ir.Module
	codes map[*ir.Node]*codesOf
}

// form is how a core operation becomes one of integers.
type form struct {
	// lower writes the integers of a node, whose types are known.
	lower func(l *lowering, n *ir.Node) error
	// keepsType says whether the result has the scale and zero point of the arguments.
	keepsType func(n *ir.Node) bool
	// fixed is the range that the result has whatever the argument; nil of most.
	fixed *ir.Range
}

// bare is of operations that have no integers of their own.
func bare(*lowering, *ir.Node) error { return nil }

func always(*ir.Node) bool { return true }

var forms [ir.NumOps]form

func init() {
	keeps := form{lower: bare, keepsType: always} // R12
	forms = [ir.NumOps]form{
		ir.Conv2D:      {lower: lowerLayer},
		ir.Linear:      {lower: lowerLayer},
		ir.MaxPool2D:   keeps,
		ir.AvgPool2D:   {lower: lowerAvgPool},
		ir.Reshape:     keeps,
		ir.Concat:      keeps,
		ir.Copy:        keeps,
		ir.Minimum:     keeps,
		ir.Maximum:     keeps,
		ir.Pad:         {lower: lowerPad, keepsType: always},
		ir.Bilinear:    {lower: lowerBilinear, keepsType: always},
		ir.Reduce:      {lower: lowerReduce, keepsType: isExtreme},
		ir.Add:         {lower: lowerAdd},
		ir.Sub:         {lower: lowerAdd},
		ir.SquaredDiff: {lower: lowerAdd},
		ir.ScaledDiff:  {lower: lowerAdd},
		ir.Mul:         {lower: lowerProduct},
		ir.MatMul:      {lower: lowerProduct},
		ir.Requantize:  {lower: lowerRequantize},
		ir.Table:       {lower: lowerTable},
		ir.Embedding:   {lower: lowerEmbedding},
		ir.Spectrogram: {lower: lowerSpectrogram},
		ir.Recurrent:   {lower: lowerRecurrent},
		ir.History:     keeps,
		ir.Softmax:     {lower: lowerSoftmax, fixed: &ir.Range{Lo: 0, Hi: 255. / 256}},
		ir.LogSoftmax:  {lower: lowerLogSoftmax},
		ir.L2Norm:      {lower: lowerL2Norm},
		ir.ArgMax:      {lower: bare, fixed: &ir.Range{Lo: 0, Hi: 255}},
	}
	ir.AddColumn(ir.Column{Name: "form of integers", Place: "passes/quant/forms.go",
		Needs: func(op ir.Op) bool { return op.Is(ir.Core) }, Has: func(op ir.Op) bool { return forms[op].lower != nil }})
}

// KeepsType reports whether the integer form of n gives its result the scale
// and zero point of its arguments (R12).
func KeepsType(n *ir.Node) bool {
	keeps := forms[n.Op].keepsType
	return keeps != nil && keeps(n)
}

// fixedRange is the range that the integer form of an operation gives its result
// whatever its argument; nil for most.
func fixedRange(n *ir.Node) *ir.Range {
	if r := forms[n.Op].fixed; r != nil {
		own := *r // calibration widens ranges in place
		return &own
	}
	return nil
}

func isExtreme(n *ir.Node) bool {
	return n.Word(ir.AttrFn) == ir.ReduceMax || n.Word(ir.AttrFn) == ir.ReduceMin
}

func lowerLayer(l *lowering, n *ir.Node) error { return quantizeLayer(l.m, n, l.codes[n]) }

// lowerPad rounds the value that a pad adds.
func lowerPad(_ *lowering, n *ir.Node) error {
	if n.Word(ir.AttrMode) == ir.PadConstant {
		n.Put(ir.AttrValue.Is(nearest(n.Out.Type, n.Float(ir.AttrValue))))
	}
	return nil
}

// lowerBilinear rounds the places of pixels to the parts that integers have (R22).
func lowerBilinear(_ *lowering, n *ir.Node) error {
	for _, key := range []ir.Key[[]float64]{ir.AttrDown, ir.AttrAcross} {
		n.Put(key.Is(geometry.InParts(n.Nums(key))))
	}
	return nil
}

// lowerProduct writes the factor of products.
func lowerProduct(l *lowering, n *ir.Node) error {
	a, b, terms := n.Args[0].Type, n.Args[1].Type, 1
	if n.Op == ir.MatMul {
		_, _, terms, _ = geometry.MatMulSizes(n)
	}
	factors, most := []float64{float64(a.Quant.Scale*b.Quant.Scale) / n.Out.Type.Quant.Scale}, reachOf(a)*reachOf(b)
	if n.HasWideSums() { // however few terms they have
		return setRequant(l.m, n, factors, []int64{max(int64(terms)*most, geometry.NarrowReach)})
	}
	return setNarrow(l.m, n, factors, int64(terms), most)
}

// lowerSoftmax writes the table of exponentials, and the factor of their sum where the result has not the
// scale 1/256 (R15).
func lowerSoftmax(l *lowering, n *ir.Node) error {
	if n.IsWide() {
		mul, shift, err := kernels.SoftmaxWideFactor(n.Args[0].Type.Quant.Scale)
		if err != nil {
			return diag.New(n.Pos, diag.Unsupported, "%s: an argument of %g and more is beyond a softmax of 16 bits", n.Name(), n.Args[0].Type.Quant.Scale*math.MaxInt16).
				WithNote("%v", err).WithHelp("bound it first, as by clip: differences of more than 10 change nothing")
		}
		setInts(l.m, n, ir.AttrTable, ir.I16, ir.Shape{2, ir.WideTable}, kernels.SoftmaxWideTables())
		setFactor(l.m, n, mul, shift)
		return nil
	}
	table := kernels.SoftmaxTable(n.Args[0].Type.Quant.Scale, kernels.SoftmaxBits)
	setInts(l.m, n, ir.AttrTable, ir.I32, ir.Shape{len(table)}, widen(table))
	if f := 256 * n.Out.Type.Quant.Scale; f != 1 {
		mul, shift, err := geometry.MultiplierFor(f)
		if err != nil {
			return diag.New(n.Pos, diag.Unsupported, "%s: the result cannot be computed in %s", n.Name(), n.Out.Type.Elem).WithNote("%v", err)
		}
		setFactor(l.m, n, mul, shift)
	}
	return nil
}

// lowerLogSoftmax writes the table of exponentials and the factors (R23).
func lowerLogSoftmax(l *lowering, n *ir.Node) error {
	x, y := n.Args[0].Type.Quant, n.Out.Type.Quant
	p, err := geometry.NewLogSoftmax(x.Scale, y.Scale, int32(y.Zero))
	if err != nil {
		return diag.New(n.Pos, diag.Unsupported, "%s: the result cannot be computed in %s", n.Name(), n.Out.Type.Elem).
			WithNote("%v", err).WithHelp("scale the network's values: the argument has steps of %g, the result of %g", x.Scale, y.Scale)
	}
	table := kernels.LogSoftmaxTable(x.Scale)
	setInts(l.m, n, ir.AttrTable, ir.I32, ir.Shape{len(table)}, widen(table))
	mul, shift := p.Factors()
	setInts(l.m, n, ir.AttrMul, ir.I32, ir.Shape{2}, mul)
	setInts(l.m, n, ir.AttrShift, ir.I32, ir.Shape{2}, shift)
	return nil
}

// lowerL2Norm writes the factor of the quotients (R24).
func lowerL2Norm(l *lowering, n *ir.Node) error {
	if _, length := geometry.Rows(n); length > ir.LongestSquare {
		return diag.New(n.Pos, diag.Unsupported, "%s: the squares of %d integers leave 32 bits", n.Name(), length).
			WithHelp("at most %d elements have one length", ir.LongestSquare)
	}
	mul, shift, err := geometry.MultiplierFor(1 / n.Out.Type.Quant.Scale)
	if err != nil {
		return diag.New(n.Pos, diag.Unsupported, "%s: the result cannot be computed in %s", n.Name(), n.Out.Type.Elem).WithNote("%v", err)
	}
	setFactor(l.m, n, mul, shift)
	return nil
}

// lowerAdd writes the three multipliers of R13: of each argument to twice
// the greater scale, and of their sum, the square of their difference, or its product with
// a third argument, to the result's.
func lowerAdd(l *lowering, n *ir.Node) error {
	params := geometry.NewAddParams
	switch n.Op {
	case ir.SquaredDiff:
		params = geometry.NewSquareParams
	case ir.ScaledDiff:
		params = func(round geometry.Rounding, scaleA float64, zeroA int32, scaleB float64, zeroB int32, scaleY float64, zeroY, lo, hi int32) (geometry.AddParams, error) {
			return geometry.NewScaledParams(round, scaleA, zeroA, scaleB, zeroB, n.Args[2].Type.Quant.Scale, scaleY, zeroY, lo, hi)
		}
	}
	if n.Args[0].Type.IsWide() {
		params = func(round geometry.Rounding, scaleA float64, _ int32, scaleB float64, _ int32, scaleY float64, zeroY, lo, hi int32) (geometry.AddParams, error) {
			return geometry.NewWideAddParams(round, scaleA, scaleB, scaleY, zeroY, lo, hi)
		}
	}
	p, err := params(geometry.RoundHalfUp,
		n.Args[0].Type.Quant.Scale, int32(n.Args[0].Type.Quant.Zero),
		n.Args[1].Type.Quant.Scale, int32(n.Args[1].Type.Quant.Zero),
		n.Out.Type.Quant.Scale, int32(n.Out.Type.Quant.Zero), -128, 127)
	if err != nil {
		return diag.New(n.Pos, diag.Unsupported, "%s: the result cannot be computed in %s", n.Name(), n.Out.Type.Elem).
			WithNote("%v", err).WithHelp("an argument has a range this much wider than the result: bound it first, as by clip, or scale the network's values")
	}
	setInts(l.m, n, ir.AttrMul, ir.I32, ir.Shape{3}, widen([]int32{p.MulA, p.MulB, p.MulY}))
	setInts(l.m, n, ir.AttrShift, ir.I32, ir.Shape{3}, widen([]int32{p.ShiftA, p.ShiftB, p.ShiftY}))
	return nil
}

// lowerReduce writes the factor of a sum, or of a mean, which has the division
// by the elements in it (R16); least and greatest elements keep their type.
func lowerReduce(l *lowering, n *ir.Node) error {
	if KeepsType(n) {
		return nil
	}
	factor := n.Args[0].Type.Quant.Scale / n.Out.Type.Quant.Scale
	terms := n.Args[0].Type.Shape.Size() / n.Out.Type.Shape.Size()
	if n.Word(ir.AttrFn) == ir.ReduceMean {
		factor /= float64(terms)
	}
	return setNarrow(l.m, n, []float64{factor}, int64(terms), reachOf(n.Args[0].Type))
}

// lowerAvgPool writes the factors of a mean of windows, by the pixels that they have
// inside the image (R11).
func lowerAvgPool(l *lowering, n *ir.Node) error {
	g := geometry.WindowOf(n)
	in := n.Args[0].Type.Quant
	mean := func(pixels int) float64 { return in.Scale / n.Out.Type.Quant.Scale / float64(pixels) }
	factors := []float64{mean(g.KH * g.KW)}
	if g.PadT+g.PadL+g.PadB+g.PadR > 0 {
		factors = []float64{0}
		for pixels := range g.KH * g.KW {
			factors = append(factors, mean(pixels+1))
		}
	}
	return setNarrow(l.m, n, factors, int64(g.KH*g.KW), reachOf(n.Args[0].Type))
}

// lowerTable writes the table of a function (R14), which then says all that
// there is to say of it. Equal ones, as the steps of a recurrence have, are one.
func lowerTable(l *lowering, n *ir.Node) error {
	x, y := n.Args[0].Type.Quant, n.Out.Type.Quant
	if err := repeats(n); err != nil {
		return err
	}
	for _, o := range l.m.Ops {
		if o == n {
			break
		}
		if o.Op == ir.Table && o.Word(ir.AttrFn) == n.Word(ir.AttrFn) && slices.Equal(o.Nums(ir.AttrParams), n.Nums(ir.AttrParams)) && o.Args[0].Type.Quant == x && o.Out.Type.Quant == y && o.Out.Type.Elem == n.Out.Type.Elem {
			for _, key := range []ir.Key[*ir.Const]{ir.AttrTable, ir.AttrMul, ir.AttrShift} {
				if c := o.Const(key); c != nil {
					n.Put(key.Is(c))
				}
			}
			return nil
		}
	}
	switch {
	case n.Out.Type.IsWide() && isHalfSigmoid(l.m, n):
		setInts(l.m, n, ir.AttrTable, ir.I16, ir.Shape{ir.SigmoidTable}, kernels.HalfSigmoid())
		mul, shift := kernels.SigmoidFactor(x.Scale)
		setFactor(l.m, n, mul, shift)
		return nil
	case n.Out.Type.IsWide():
		setInts(l.m, n, ir.AttrTable, ir.I16, ir.Shape{ir.WideTable}, kernels.WideFunctionTable(kernels.Function(n.Function()), x.Scale, y.Scale))
		return nil
	}
	t := kernels.FunctionTable(kernels.Function(n.Function()), x.Scale, x.Zero, y.Scale, y.Zero)
	setInts(l.m, n, ir.AttrTable, ir.I8, ir.Shape{len(t)}, t)
	return nil
}

// setFactor writes a multiplier and a shift.
func setFactor(m *ir.Module, n *ir.Node, mul, shift int32) {
	setInts(m, n, ir.AttrMul, ir.I32, ir.Shape{1}, []int64{int64(mul)})
	setInts(m, n, ir.AttrShift, ir.I32, ir.Shape{1}, []int64{int64(shift)})
}

// mostStep is the greatest step of the argument of a function that repeats: about six integers
// have to fall on one period of it.
const mostStep = 1.

// repeats refuses a function that repeats while its argument has too few integers to tell where
// in a period it is, and a tangent of an argument that reaches a pole.
func repeats(n *ir.Node) error {
	fn, _ := n.Function()
	x := n.Args[0].Type
	least, greatest := geometry.Differences(x)
	low, high, step, steps := x.Quant.Scale*float64(least), x.Quant.Scale*float64(greatest), x.Quant.Scale, 256
	if x.IsWide() { // between two entries of the table
		step, steps = step*128, ir.WideTable-1
	}
	switch {
	case (fn == ir.Sin || fn == ir.Cos) && step > mostStep:
		return diag.New(n.Pos, diag.Unsupported, "%s: %s of an argument from %.3g to %.3g: one of its %d steps is %.3g, and the function repeats each 6.28", n.Name(), fn, low, high, steps, step).
			WithHelp("bring the argument into a few periods first, as reals still have them")
	case fn == ir.Tan && max(-low, high) >= math.Pi/2:
		return diag.New(n.Pos, diag.Unsupported, "%s: tan of an argument from %.3g to %.3g, which reaches a pole", n.Name(), low, high).
			WithHelp("keep the argument between -1.57 and 1.57, for instance by clip")
	}
	return nil
}

// lowerEmbedding writes the rows as integers of the result, and the row that each
// integer of the index names.
func lowerEmbedding(l *lowering, n *ir.Node) error {
	reals, err := n.Const(ir.AttrRows).Float32()
	if err != nil {
		return err
	}
	shape, x := n.Const(ir.AttrRows).Type.Shape, n.Args[0].Type.Quant
	rows := make([]int8, len(reals))
	interp.Quantize(n.Out.Type.Quant, reals, rows)
	if n.Args[0].Type.Elem.Kind == ir.I8 {
		setInts(l.m, n, ir.AttrTable, ir.U8, ir.Shape{ir.ByteRows}, kernels.EmbeddingTable(x.Scale, x.Zero, shape[0]))
	}
	setInts(l.m, n, ir.AttrRows, ir.I8, shape, rows)
	return nil
}

// lowerSpectrogram writes the tables of R19.
func lowerSpectrogram(l *lowering, n *ir.Node) error {
	reals, err := geometry.SpectrumRealsOf(n)
	if err != nil {
		return diag.New(n.Pos, diag.BadValue, "%s: %v", n.Name(), err)
	}
	s, err := reals.Ints(n.Args[0].Type.Quant.Scale, n.Out.Type)
	if err != nil {
		return diag.New(n.Pos, diag.Unsupported, "%s: the spectrogram cannot be computed in integers", n.Name()).
			WithNote("%v", err).WithHelp("check the window, the filters, eps and floor beside the range of the samples")
	}
	n.Drop(ir.AttrWindow, ir.AttrEps, ir.AttrFloor, ir.AttrGain)
	setInts(l.m, n, ir.AttrTaps, ir.I16, ir.Shape{len(s.Taps)}, s.Taps)
	setInts(l.m, n, ir.AttrTwiddles, ir.I32, ir.Shape{len(s.Twiddles) / 2, 2}, widen(s.Twiddles))
	var levels []int64
	for _, e := range s.Levels {
		levels = append(levels, e.Shift, e.Add, e.Least, e.Base)
	}
	setInts(l.m, n, ir.AttrLevels, ir.I64, ir.Shape{len(s.Levels), 4}, levels)
	if s.Table != nil {
		setInts(l.m, n, ir.AttrTable, ir.I32, ir.Shape{len(s.Table)}, widen(s.Table))
	}
	if s.Bank != nil {
		var spans []int64
		for _, b := range s.Spans {
			spans = append(spans, int64(b.First), int64(b.Bins))
		}
		setInts(l.m, n, ir.AttrBank, ir.I16, ir.Shape{len(s.Bank)}, s.Bank)
		setInts(l.m, n, ir.AttrSpans, ir.I32, ir.Shape{len(s.Spans), 2}, spans)
	}
	setFactor(l.m, n, s.Mul[0], s.Shift[0])
	return nil
}

func lowerRequantize(l *lowering, n *ir.Node) error {
	return setNarrow(l.m, n, []float64{n.Args[0].Type.Quant.Scale / n.Out.Type.Quant.Scale}, 1, reachOf(n.Args[0].Type))
}

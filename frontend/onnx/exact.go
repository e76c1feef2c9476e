package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// An exact module has the model's own integers. It is made of the float module: there
// each value that the model quantizes is marked with its integers, and each weight
// remembers its codes. An operation computes the integers of the mark after it; what has
// none cannot be exact.

// mark is a quantization of activations of at most 8 bits: integers are those of the
// module, i8, in [lo,hi].
type mark struct {
	ir.Quant
	lo, hi int
}

// marked is the mark of integers; false where they do not fit 8 bits.
func (q *integers) marked() (mark, bool) {
	bits := q.typ.bits()
	if bits == 0 || bits > 8 || q.zero != math.Trunc(q.zero) || math.Abs(q.zero) > 1<<10 {
		return mark{}, false
	}
	shift := 0
	if !q.typ.isSigned() {
		shift = 1 << (bits - 1)
	}
	lo, hi := q.typ.limits()
	m := mark{ir.Quant{Scale: q.scale, Zero: int(q.zero) - shift}, int(lo) - shift, int(hi) - shift}
	return m, m.Zero >= -128 && m.Zero <= 127
}

// quantized is a real as an integer, without bounds: a quotient of float32 rounded to even, as
// runtimes of ONNX quantize.
func quantized(x float64, q ir.Quant) float64 {
	return math.RoundToEven(float64(float32(x)/float32(q.Scale))) + float64(q.Zero)
}

// Integers turns the reals of an input into the integers that the model's QuantizeLinear gives them.
func Integers(q ir.Quant, x []float32, y []int8) {
	for i, v := range x {
		y[i] = int8(min(max(quantized(float64(v), q), -128), 127))
	}
}

// errInexact is the fault of an operation whose integers are not those of the model.
func errInexact(format string, args ...any) error {
	return fmt.Errorf(format+": -exact=false quantizes the model anew", args...)
}

// exactly makes the integers of a float module.
type exactly struct {
	*build.Builder
	im     *importer
	users  map[*ir.Value][]*ir.Node
	values map[*ir.Value]*ir.Value // nil: an operation that failed gives it
	spans  map[*ir.Value][2]int    // least and greatest integer of a value, where it has not all
}

// exactModule is the exact module of a float one.
func (im *importer) exactModule(pos diag.Pos, m *ir.Module) (*ir.Module, error) {
	e := &exactly{build.New(m.Name), im, map[*ir.Value][]*ir.Node{}, map[*ir.Value]*ir.Value{}, map[*ir.Value][2]int{}}
	for _, n := range m.Ops {
		for _, a := range n.Args {
			e.users[a] = append(e.users[a], n)
		}
	}
	for _, o := range m.Outputs {
		e.users[o] = append(e.users[o], nil)
	}
	var list diag.List
	for _, in := range m.Inputs {
		if err := e.input(in); err != nil {
			list.Add(pos, diag.Unsupported, "%v", err)
		}
	}
	var faults build.Faults
	for _, n := range m.Ops {
		if e.values[n.Out] != nil {
			continue // taken into an operation before it
		}
		y, err := e.node(n)
		if err != nil {
			faults.Add(n.Op.String(), n.Out.Name, err)
		}
		e.values[n.Out] = y
	}
	if err := append(list, faults.List(pos, len(m.Ops))...).Err(); err != nil {
		return nil, err
	}
	var outs []*ir.Value
	for _, o := range m.Outputs {
		v := e.values[o]
		if v.Def == nil || slices.Contains(outs, v) {
			var err error
			if v, err = e.AddQuantized(ir.Reshape, e.Name(o.Name), []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(v.Type.Shape))); err != nil {
				return nil, diag.New(pos, diag.Unsupported, "%v", err)
			}
		}
		outs = append(outs, v)
	}
	out := e.Finish(outs)
	out.Tensors, out.Tasks, out.After = m.Tensors, m.Tasks, "quantize"
	return out, nil
}

// input declares an input as the integers that the model quantizes it to first.
func (e *exactly) input(in *ir.Value) error {
	m, err := e.first(in, in, mark{})
	switch {
	case err != nil:
		return err
	case m.Scale == 0:
		return errInexact("input %q has no quantization", in.Name)
	case m.lo != -128 || m.hi != 127:
		return errInexact("input %q has integers of less than 8 bits", in.Name)
	}
	v := e.Input(in.Name, in.Type.Shape, *in.Range)
	v.Type.Elem, v.Type.Quant, v.Range = ir.Of(ir.I8), m.Quant, nil
	e.values[in] = v
	return nil
}

// first is the mark of the integers that all users of v quantize it to first, where found is
// that of others; v is an input, or its elements in other places.
func (e *exactly) first(in, v *ir.Value, found mark) (mark, error) {
	if m, ok := e.im.marks[v]; ok {
		return m, nil
	}
	for _, u := range e.users[v] {
		if u != nil && (u.Op == ir.Reshape || u.Op == ir.Copy || u.Op == ir.Pad || u.Op.Is(ir.Move)) {
			var err error
			if found, err = e.first(in, u.Out, found); err != nil {
				return found, err
			}
			continue
		}
		own, ok := mark{}, false
		if u != nil {
			own, ok = e.im.marks[u.Out]
		}
		if !ok || u.Op != ir.Clip {
			return found, errInexact("input %q is used without a quantization", in.Name)
		}
		if found.Scale != 0 && own != found {
			return found, errInexact("input %q is quantized in several ways", in.Name)
		}
		found = own
	}
	return found, nil
}

// target is the mark of the integers that a value becomes, within the bounds of
// activations on the way, which are taken into what computes the value: fused are the
// values that then have these integers, too.
func (e *exactly) target(v *ir.Value) (m mark, fused []*ir.Value, ok bool) {
	lo, hi := math.Inf(-1), math.Inf(1)
	isOwn, first := true, v
	for {
		if m, ok = e.im.marks[v]; ok {
			at := func(x float64) int { return int(min(max(quantized(x, m.Quant), -128), 127)) }
			m.lo, m.hi = min(max(m.lo, at(lo)), m.hi), max(min(m.hi, at(hi)), m.lo)
			return m, fused, true
		}
		if len(e.users[v]) != 1 || e.users[v][0] == nil {
			return m, nil, false
		}
		u := e.users[v][0]
		switch {
		case u.Op == ir.Relu:
			lo, hi = max(lo, 0), max(hi, 0)
		case u.Op == ir.Relu6:
			lo, hi = min(max(lo, 0), 6), min(max(hi, 0), 6)
		case u.Op == ir.Clip && e.isMark(u):
		case u.Op == ir.Clip:
			l, h := u.Float(ir.AttrLow), u.Float(ir.AttrHigh)
			lo, hi = min(max(lo, l), h), min(max(hi, l), h)
		case u.Op.Is(ir.Move) || u.Op == ir.Reshape || u.Op == ir.Copy || u.Op == ir.Concat:
			isOwn = false
		default:
			return m, nil, false
		}
		if !isOwn && v == first {
			lo, hi = math.Inf(-1), math.Inf(1)
		}
		v = u.Out
		if isOwn {
			fused = append(fused, v)
		} else {
			lo, hi = math.Inf(-1), math.Inf(1) // bounds after a move are operations of their own
		}
	}
}

func (e *exactly) isMark(n *ir.Node) bool {
	_, ok := e.im.marks[n.Out]
	return ok
}

// node makes the integers of an operation.
func (e *exactly) node(n *ir.Node) (*ir.Value, error) {
	args := make([]*ir.Value, len(n.Args))
	for i, a := range n.Args {
		if args[i] = e.values[a]; args[i] == nil {
			return nil, build.ErrSkipped
		}
	}
	x := args[0]
	q := x.Type.Quant
	switch {
	case n.Op == ir.Clip && e.isMark(n):
		return e.spanned(e.im.marks[n.Out])(e.requantized(n.Out.Name, x, e.im.marks[n.Out]))
	case n.Op == ir.Reshape || n.Op == ir.Flatten:
		return e.moved(x)(e.AddQuantized(ir.Reshape, e.Name(n.Out.Name), args, q, ir.AttrShape.Is([]int(n.Out.Type.Shape))))
	case n.Op == ir.Copy || n.Op.Is(ir.Move):
		v := n.Moved()
		return e.moved(x)(e.AddQuantized(ir.Copy, e.Name(n.Out.Name), args, q, ir.AttrShape.Is([]int(n.Out.Type.Shape)),
			ir.AttrDims.Is(v.Dims), ir.AttrStrides.Is(v.Strides), ir.AttrStart.Is(v.Start)))
	case n.Op == ir.MaxPool2D:
		return e.moved(x)(e.AddQuantized(n.Op, e.Name(n.Out.Name), args, q, n.Attrs...))
	case n.Op == ir.Reduce && (n.Word(ir.AttrFn) == ir.ReduceMax || n.Word(ir.AttrFn) == ir.ReduceMin):
		return e.reduced(n, x, n.Ints(ir.AttrAxes), func(name string, rows *ir.Value) (*ir.Value, error) {
			return e.AddQuantized(ir.Reduce, name, []*ir.Value{rows}, q, ir.AttrFn.Is(n.Word(ir.AttrFn)), ir.AttrAxes.Is([]int{1}))
		})
	case n.Op == ir.ArgMax:
		if isRows(x, n.Int(ir.AttrAxis)) {
			return e.AddQuantized(n.Op, e.Name(n.Out.Name), args, ir.Quant{Scale: 1, Zero: -128}, n.Attrs...)
		}
		return e.reduced(n, x, []int{n.Int(ir.AttrAxis)}, func(name string, rows *ir.Value) (*ir.Value, error) {
			return e.AddQuantized(n.Op, name, []*ir.Value{rows}, ir.Quant{Scale: 1, Zero: -128}, ir.AttrAxis.Is(1))
		})
	case n.Op == ir.Pad:
		value := n.Float(ir.AttrValue)
		attrs := slices.DeleteFunc(slices.Clone(n.Attrs), func(a ir.Attr) bool { return a.Key == ir.AttrKey(ir.AttrValue) })
		if n.Word(ir.AttrMode) == ir.PadConstant {
			attrs = append(attrs, ir.AttrValue.Is(min(max(math.RoundToEven(value/q.Scale)+float64(q.Zero), -128), 127)))
		}
		return e.AddQuantized(n.Op, e.Name(n.Out.Name), args, q, attrs...)
	}
	m, fused, ok := e.target(n.Out)
	switch {
	case ok:
	case n.Op.HasWeights() && e.isResult(n.Out):
		if !e.im.strict {
			return nil, fmt.Errorf("gives a result of reals that the model does not quantize: -exact=true keeps the integers before it and divides all reals that the result can have into 256 steps; -exact=false quantizes the model anew")
		}
		m = mark{lo: -128, hi: 127}
	default:
		keeps := slices.Contains([]ir.Op{ir.Relu, ir.Relu6, ir.Clip, ir.Concat, ir.Minimum, ir.Maximum}, n.Op)
		if !keeps || slices.ContainsFunc(args, func(a *ir.Value) bool { return a.Type.Quant != q }) {
			return nil, errInexact("gives reals that the model does not quantize")
		}
		m, fused = mark{q, -128, 127}, nil // of integers of one scale
	}
	y, err := e.spanned(m)(e.computed(n, args, m))
	if err != nil {
		return nil, err
	}
	for _, v := range fused {
		e.values[v] = y
	}
	return y, nil
}

// isResult reports whether the network returns a value, or what moves its elements, and uses it
// for nothing else.
func (e *exactly) isResult(v *ir.Value) bool {
	for {
		if len(e.users[v]) != 1 {
			return false
		}
		u := e.users[v][0]
		if u == nil {
			return true
		}
		if !u.Op.Is(ir.Move) && u.Op != ir.Reshape && u.Op != ir.Flatten && u.Op != ir.Copy && u.Op != ir.Relu {
			return false
		}
		v = u.Out
	}
}

// span is the least and the greatest integer of a value.
func (e *exactly) span(v *ir.Value) [2]int {
	if span, ok := e.spans[v]; ok {
		return span
	}
	return [2]int{-128, 127}
}

// spanned keeps the integers that a value may have by its mark.
func (e *exactly) spanned(m mark) func(*ir.Value, error) (*ir.Value, error) {
	return func(y *ir.Value, err error) (*ir.Value, error) {
		if _, isKnown := e.spans[y]; !isKnown && err == nil {
			e.spans[y] = [2]int{m.lo, m.hi}
		}
		return y, err
	}
}

// moved gives a value the integers of another one, which are moved or chosen among.
func (e *exactly) moved(x *ir.Value) func(*ir.Value, error) (*ir.Value, error) {
	return func(y *ir.Value, err error) (*ir.Value, error) {
		if span, ok := e.spans[x]; ok && err == nil {
			e.spans[y] = span
		}
		return y, err
	}
}

// requantized are integers by another scale.
func (e *exactly) requantized(hint string, x *ir.Value, m mark) (*ir.Value, error) {
	if x.Type.Quant == m.Quant && m.lo == -128 && m.hi == 127 {
		return x, nil
	}
	return e.table(hint, x, m, func(x float64) float64 { return x })
}

// table is a function of each element, in float32 and rounded to even as runtimes of
// ONNX do.
func (e *exactly) table(hint string, x *ir.Value, m mark, f func(float64) float64) (*ir.Value, error) {
	t := make([]int64, 256)
	for i := range t {
		real := float32(x.Type.Quant.Scale) * float32(i-128-x.Type.Quant.Zero)
		y := quantized(f(float64(real)), m.Quant)
		if y != y {
			y = float64(m.Zero)
		}
		t[i] = int64(min(max(y, float64(m.lo)), float64(m.hi)))
	}
	name := e.Name(hint)
	y, err := e.AddQuantized(ir.Table, name, []*ir.Value{x}, m.Quant, ir.AttrTable.Is(e.Ints(name+".table", ir.I8, ir.Shape{256}, t)))
	if err != nil {
		return nil, err
	}
	span := e.span(x)
	taken := t[span[0]+128 : span[1]+129]
	e.spans[y] = [2]int{int(slices.Min(taken)), int(slices.Max(taken))}
	return y, nil
}

// computed is an operation that rounds: to the integers of m.
func (e *exactly) computed(n *ir.Node, args []*ir.Value, m mark) (*ir.Value, error) {
	hint, x := n.Out.Name, args[0]
	bounds := []ir.Attr{ir.AttrLo.Is(m.lo), ir.AttrHi.Is(m.hi)}
	if n.Op.IsFunction() || n.Op == ir.Relu || n.Op == ir.Relu6 {
		f := map[ir.Op]func(float64) float64{ir.Relu: func(x float64) float64 { return max(x, 0) }, ir.Relu6: func(x float64) float64 { return min(max(x, 0), 6) }}[n.Op]
		if f == nil {
			f = kernels.Function(n.Function())
		}
		return e.table(hint, x, m, f)
	}
	switch n.Op {
	case ir.Conv2D, ir.Linear:
		return e.layer(n, args, m, bounds)
	case ir.Add, ir.Sub:
		p, err := exactSum(n.Op == ir.Sub, x.Type.Quant, args[1].Type.Quant, m.Quant)
		if err != nil {
			return nil, errInexact("%v", err)
		}
		return e.requant(n.Op, e.Name(hint), args, m, []int64{int64(p.MulA), int64(p.MulB), int64(p.MulY)}, []int64{int64(p.ShiftA), int64(p.ShiftB), int64(p.ShiftY)}, bounds)
	case ir.Mul, ir.MatMul:
		terms := 1
		if n.Op == ir.MatMul {
			terms = x.Type.Shape[len(x.Type.Shape)-1]
		}
		const most = 255 * 255
		return e.factored(n.Op, e.Name(hint), args, m, []float64{factor(x.Type.Quant.Scale, args[1].Type.Quant.Scale, m.Scale)}, int64(terms)*most, bounds)
	case ir.Minimum, ir.Maximum:
		for i := range args {
			var err error
			if args[i], err = e.requantized(hint+".arg", args[i], m); err != nil {
				return nil, err
			}
		}
		return e.AddQuantized(n.Op, e.Name(hint), args, m.Quant)
	case ir.Concat:
		for i := range args {
			var err error
			if args[i], err = e.requantized(hint+".arg", args[i], m); err != nil {
				return nil, err
			}
		}
		return e.AddQuantized(n.Op, e.Name(hint), args, m.Quant)
	case ir.GlobalAvgPool, ir.Reduce:
		axes, fn := []int{1, 2}, ir.ReduceMean
		if n.Op == ir.Reduce {
			axes, fn = n.Ints(ir.AttrAxes), n.Word(ir.AttrFn)
		}
		return e.reduced(n, x, axes, func(name string, rows *ir.Value) (*ir.Value, error) {
			terms, count := rows.Type.Shape[1], 1
			if fn == ir.ReduceMean {
				count = terms
			}
			return e.factored(ir.Reduce, name, []*ir.Value{rows}, m, []float64{meanFactor(x.Type.Quant.Scale, m.Scale, count)}, int64(terms)*255, append(bounds, ir.AttrFn.Is(fn), ir.AttrAxes.Is([]int{1})))
		})
	case ir.AvgPool2D:
		kernel := n.Ints(ir.AttrKernel)
		terms := kernel[0] * kernel[1]
		factors := []float64{meanFactor(x.Type.Quant.Scale, m.Scale, terms)}
		if slices.Max(n.Ints(ir.AttrPad)) > 0 { // one a number of pixels inside the image (R11)
			if err := e.im.room(terms); err != nil {
				return nil, err
			}
			factors = []float64{0}
			for count := range terms {
				factors = append(factors, meanFactor(x.Type.Quant.Scale, m.Scale, count+1))
			}
		}
		return e.factored(n.Op, e.Name(hint), args, m, factors, int64(terms)*255, append(bounds, n.Attrs...))
	case ir.Softmax:
		return e.softmax(n, x, m, hint)
	case ir.BatchNorm, ir.Normalize:
		a, b, err := oneLine(n)
		if err != nil {
			return nil, err
		}
		return e.table(hint, x, m, func(v float64) float64 { return a*v + b })
	}
	return nil, errInexact("has no exact form of integers")
}

// isRows reports whether an axis is the last one of at most two, as kernels want it.
func isRows(x *ir.Value, axis int) bool { return len(x.Type.Shape) <= 2 && axis == len(x.Type.Shape)-1 }

// rows brings axes of a value to the end, as the kernels of operations along an axis want them:
// a value [rows, elements of each], and the order of the axes in it.
func (e *exactly) rows(hint string, x *ir.Value, axes []int) (rows *ir.Value, perm []int, err error) {
	s := x.Type.Shape
	size := 1
	for k, d := range s {
		if slices.Contains(axes, k) {
			size *= d
		} else {
			perm = append(perm, k)
		}
	}
	perm = append(perm, axes...)
	shape := ir.Shape{s.Size() / size, size}
	view := ir.ViewOf(s).Permute(perm)
	if view.IsWhole() {
		rows, err = e.Reshape(x, shape)
		return rows, perm, err
	}
	rows, err = e.AddQuantized(ir.Copy, e.Name(hint+".rows"), []*ir.Value{x}, x.Type.Quant,
		ir.AttrShape.Is([]int(shape)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
	return rows, perm, err
}

// reduced is a reduction along axes: of rows, each of which holds the elements that
// become one.
func (e *exactly) reduced(n *ir.Node, x *ir.Value, axes []int, reduce func(name string, rows *ir.Value) (*ir.Value, error)) (*ir.Value, error) {
	rows, _, err := e.rows(n.Out.Name, x, axes)
	if err != nil {
		return nil, err
	}
	y, err := reduce(e.Name(n.Out.Name), rows)
	if err != nil {
		return nil, err
	}
	return e.Reshape(y, n.Out.Type.Shape)
}

// softmax is that of the rows along an axis, which have a factor of their sum where the result's
// scale is not 1/256.
func (e *exactly) softmax(n *ir.Node, x *ir.Value, m mark, hint string) (*ir.Value, error) {
	s, axis := x.Type.Shape, n.Int(ir.AttrAxis)
	length, f := s[axis], 256*m.Scale
	t := kernels.SoftmaxTable(x.Type.Quant.Scale, kernels.FineSoftmaxBits(length, f))
	wide := make([]int64, len(t))
	for i, v := range t {
		wide[i] = int64(v)
	}
	rows, perm := x, []int(nil)
	if !isRows(x, axis) {
		var err error
		if rows, perm, err = e.rows(hint, x, []int{axis}); err != nil {
			return nil, err
		}
		axis = 1
	}
	name := e.Name(hint)
	own := ir.Quant{Scale: 1. / 256, Zero: -128}
	attrs := []ir.Attr{ir.AttrAxis.Is(axis), ir.AttrTable.Is(e.Ints(name+".table", ir.I32, ir.Shape{len(t)}, wide))}
	if mask := n.Const(ir.AttrMask); mask != nil {
		if !slices.IsSorted(perm) {
			return nil, errInexact("has a mask along another axis than the last one")
		}
		attrs = append(attrs, ir.AttrMask.Is(mask))
	}
	if f != 1 && f*float64(length) < 1<<15 && m.Zero == -128 && m.lo == -128 { // the sum of a row still fits 32 bits
		mul, shift, err := geometry.MultiplierFor(f)
		if err != nil {
			return nil, errInexact("%v", err)
		}
		one := ir.Shape{1}
		own, attrs = m.Quant, append(attrs, ir.AttrMul.Is(e.Ints(name+".mul", ir.I32, one, []int64{int64(mul)})), ir.AttrShift.Is(e.Ints(name+".shift", ir.I32, one, []int64{int64(shift)})))
	}
	y, err := e.AddQuantized(ir.Softmax, name, []*ir.Value{rows}, own, attrs...)
	if err != nil {
		return nil, err
	}
	if !slices.IsSorted(perm) {
		permuted, back := make(ir.Shape, len(perm)), make([]int, len(perm))
		for i, k := range perm {
			permuted[i], back[k] = s[k], i
		}
		v := ir.ViewOf(permuted).Permute(back)
		y, err = e.AddQuantized(ir.Copy, e.Name(hint+".back"), []*ir.Value{y}, own, ir.AttrShape.Is([]int(s)), ir.AttrDims.Is(v.Dims), ir.AttrStrides.Is(v.Strides))
	} else {
		y, err = e.Reshape(y, s)
	}
	if err != nil {
		return nil, err
	}
	return e.requantized(hint+".scale", y, m)
}

// oneLine is the scale and the offset of a normalisation that has one of each for all
// channels.
func oneLine(n *ir.Node) (a, b float64, err error) {
	errMany := errInexact("has a scale for each channel")
	if n.Op == ir.Normalize {
		mean, std := n.Nums(ir.AttrMean), n.Nums(ir.AttrStd)
		if len(mean) != 1 || len(std) != 1 {
			return 0, 0, errMany
		}
		return 1 / std[0], -mean[0] / std[0], nil
	}
	for i, key := range []ir.Key[*ir.Const]{ir.AttrGamma, ir.AttrBeta, ir.AttrRunningMean, ir.AttrVariance} {
		x, err := n.Const(key).Float32()
		if err != nil {
			return 0, 0, err
		}
		if len(x) == 0 || slices.ContainsFunc(x, func(v float32) bool { return v != x[0] }) {
			return 0, 0, errMany
		}
		switch v := float64(x[0]); i {
		case 0:
			a = v
		case 1:
			b = v
		case 2:
			b -= a * v
		default:
			if v != 1 || n.Float(ir.AttrEps) != 0 {
				return 0, 0, errMany
			}
		}
	}
	return a, b, nil
}

// factor is a product of scales divided by that of the result, in float32, as runtimes of
// ONNX compute it.
func factor(a, b, y float64) float64 { return float64(float32(a) * float32(b) / float32(y)) }

// meanFactor is that of a sum of count elements.
func meanFactor(x, y float64, count int) float64 {
	return float64(float32(x) / (float32(y) * float32(count)))
}

// factored is an operation whose sums, at most reach, come to integers by factors of 24 bits.
func (e *exactly) factored(op ir.Op, name string, args []*ir.Value, m mark, factors []float64, reach int64, attrs []ir.Attr) (*ir.Value, error) {
	if reach >= geometry.NarrowReach {
		return nil, errInexact("sums up to %d, which do not fit 32 bits", reach)
	}
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		a, r, err := geometry.MultiplierFor(f)
		if err != nil {
			return nil, errInexact("%v", err)
		}
		mul[i], shift[i] = int64(a), int64(r)
	}
	return e.requant(op, name, args, m, mul, shift, attrs)
}

// requant is an operation with multipliers and shifts.
func (e *exactly) requant(op ir.Op, name string, args []*ir.Value, m mark, mul, shift []int64, attrs []ir.Attr) (*ir.Value, error) {
	shape := ir.Shape{len(mul)}
	attrs = append(slices.Clone(attrs), ir.AttrMul.Is(e.Ints(name+".mul", ir.I32, shape, mul)), ir.AttrShift.Is(e.Ints(name+".shift", ir.I32, shape, shift)),
		ir.AttrRound.Is(ir.RoundEven))
	return e.AddQuantized(op, name, args, m.Quant, attrs...)
}

// layer is a convolution or linear layer of the model's codes.
func (e *exactly) layer(n *ir.Node, args []*ir.Value, m mark, attrs []ir.Attr) (*ir.Value, error) {
	w := n.Const(ir.AttrWeight)
	shape := w.Type.Shape
	t := e.im.layers[w]
	if t == nil || t.codes == nil {
		return nil, errInexact("has weights that are no integers")
	}
	codes, err := t.codes.ints()
	if err != nil {
		return nil, err
	}
	steps, err := t.steps.numbers()
	if err != nil {
		return nil, err
	}
	outs, x := shape[0], args[0].Type.Quant
	each := len(codes) / outs
	scales, bias := make([]float32, outs), make([]int64, outs)
	span := e.span(args[0])
	// The integers of codes, of sums, and the reals of these.
	var least, greatest, most int64
	var lo, hi float64
	var biases *tensor
	if c := n.Const(ir.AttrBias); c != nil {
		biases = e.im.layers[c]
	}
	for c := range outs {
		s := steps[c*each]
		row := make([]int32, each)
		for i := range row {
			k := codes[c*each+i]
			if k < -128 || k > 127 || steps[c*each+i] != s {
				return nil, errInexact("has weights that are not 8 bits around 0 with one scale for each channel")
			}
			row[i] = int32(k)
		}
		scales[c] = float32(s)
		if biases != nil {
			if bias[c], err = biasCode(biases, c, x.Scale*s); err != nil {
				return nil, err
			}
		}
		from, to := bias[c], bias[c]
		for _, k := range row {
			a, b := int64(k)*int64(span[0]-x.Zero), int64(k)*int64(span[1]-x.Zero)
			from, to = from+min(a, b, 0), to+max(a, b, 0)
			least, greatest = min(least, int64(k)), max(greatest, int64(k))
		}
		lo, hi = min(lo, float64(from)*x.Scale*s), max(hi, float64(to)*x.Scale*s)
		most = max(most, geometry.Reach(bias[c], row, int32(-128-x.Zero), int32(127-x.Zero)))
	}
	if m.Scale == 0 { // a result that the model does not quantize
		if hi == lo {
			hi++
		}
		m.Scale = float64(float32((hi - lo) / 255))
		m.Zero = int(min(max(math.Round(-128-lo/m.Scale), -128), 127))
	}
	elem, unit := ir.Of(ir.I8), 1.
	if bits := bitsOf(least, greatest); bits < 8 && 2*most < geometry.NarrowReach {
		// Two's complement counts in halves of the scale (R1).
		elem, unit = ir.TwoOf(bits), .5
		for i := range codes {
			codes[i] += 1 << (bits - 1)
		}
		for c := range bias {
			bias[c] *= 2
		}
	}
	factors := make([]float64, outs)
	for c, s := range scales {
		factors[c] = unit * factor(x.Scale, float64(s), m.Scale)
		scales[c] *= float32(unit)
	}
	name := e.Name(n.Out.Name)
	weight := e.Ints(name+".weight", ir.I8, shape, codes)
	weight.Type.Elem = elem
	weight.Scale = e.Floats(name+".scale", ir.Shape{outs}, scales)
	for _, a := range n.Attrs {
		if a.Key != ir.AttrKey(ir.AttrWeight) && a.Key != ir.AttrKey(ir.AttrBias) {
			attrs = append(attrs, a)
		}
	}
	attrs = append(attrs, ir.AttrWeight.Is(weight), ir.AttrBias.Is(e.Ints(name+".bias", ir.I32, ir.Shape{outs}, bias)))
	return e.factored(n.Op, name, args, m, factors, most, attrs)
}

// bitsOf is the least width, from 2 on, of two's complement that has both numbers.
func bitsOf(least, greatest int64) int {
	b := 2
	for least < -1<<(b-1) || greatest >= 1<<(b-1) {
		b++
	}
	return b
}

// biasCode is the bias of a channel as an integer of a scale: the model's own where it
// has that scale, else the nearest.
func biasCode(t *tensor, c int, scale float64) (int64, error) {
	if t.codes != nil {
		steps, err := t.steps.numbers()
		if err != nil {
			return 0, err
		}
		if math.Abs(steps[c]-scale) <= scale*1e-5 {
			x, err := t.codes.ints()
			if err != nil {
				return 0, err
			}
			return x[c], nil
		}
	}
	x, err := t.numbers()
	if err != nil {
		return 0, err
	}
	if v := math.RoundToEven(x[c] / scale); math.Abs(v) < geometry.NarrowReach {
		return int64(v), nil
	}
	return 0, errors.New("has a bias that does not fit 32 bits")
}

package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func softmax(im *importer, o *operator, x *operand) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if b := o.options.float(0, 0); b != 1 {
		return fmt.Errorf("has beta %v", b)
	}
	v, axis, err := im.last(x)
	if err != nil {
		return err
	}
	attrs := []ir.Attr{ir.AttrAxis.Is(axis)}
	name := im.Name(im.hint(o))
	switch {
	case im.exact && v.Type.IsWide():
		wide, err := im.wideSoftmax(name, v.Type.Quant.Scale, q)
		if err != nil {
			return err
		}
		attrs = append(attrs, wide...)
	case im.exact:
		if q.Scale != 1./256 || q.Zero != -128 {
			return errors.New("has a result whose scale is not 1/256")
		}
		t := kernels.SoftmaxTable(v.Type.Quant.Scale, kernels.FineSoftmaxBits(v.Type.Shape[axis], 1))
		wide := make([]int64, len(t))
		for i, e := range t {
			wide[i] = int64(e)
		}
		attrs = append(attrs, ir.AttrTable.Is(im.Ints(name+".table", ir.I32, ir.Shape{len(t)}, wide)))
	default:
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.Softmax, name, []*ir.Value{v}, q, attrs...)
	if err != nil {
		return err
	}
	return im.giveRows(o, x, y)
}

// last is an operand as a value of which one axis has the elements along the operand's last
// one: an image of reals stays as it is, so that the axis of a softmax over its channels can
// be read off the network. Of integers it becomes rows, as passes/graph makes it of reals.
func (im *importer) last(x *operand) (v *ir.Value, axis int, err error) {
	n := x.shape[len(x.shape)-1]
	rows := build.Product(x.shape) / max(n, 1)
	switch {
	case x.image && rows > 1 && !im.exact:
		return x.v, 0, nil
	case rows == 1:
		v, err = im.flat(x, ir.Shape{n})
		return v, 0, err
	}
	v, err = im.flat(x, ir.Shape{rows, n})
	return v, 1, err
}

// giveRows gives what an operation made of last.
func (im *importer) giveRows(o *operator, x *operand, y *ir.Value) error {
	if x.image && len(y.Type.Shape) == 3 {
		return im.give(o, &operand{v: y, shape: x.shape, image: true})
	}
	y, err := im.reshape(y, build.Canonical(x.shape))
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: x.shape})
}

// logSoftmax has the integers of R23, which are the nearest ones to the reals.
func logSoftmax(im *importer, o *operator, x *operand) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	v, axis, err := im.last(x)
	if err != nil {
		return err
	}
	name, attrs := im.Name(im.hint(o)), []ir.Attr{ir.AttrAxis.Is(axis)}
	switch {
	case !im.exact:
		q = ir.Quant{}
	case q.Scale != 1./16 || q.Zero != 127:
		return errors.New("has a result whose scale is not 1/16")
	default:
		own, err := im.LogSoftmax(name, v.Type.Quant.Scale, q)
		if err != nil {
			return err
		}
		attrs = append(attrs, own...)
	}
	y, err := im.AddQuantized(ir.LogSoftmax, name, []*ir.Value{v}, q, attrs...)
	if err != nil {
		return err
	}
	return im.giveRows(o, x, y)
}

// axes are constant argument 1, rising, those from the end counted from the beginning.
func (im *importer) axes(o *operator, rank int) ([]int, error) {
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return nil, cmp.Or(err, errors.New("has no axes"))
	}
	list, err := t.shortInts()
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i], err = build.Axis(list[i], rank); err != nil {
			return nil, err
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// rows brings axes of an operand to the end: a value [rows, elements of each].
func (im *importer) rows(o *operator, x *operand, axes []int) (*ir.Value, error) {
	v, view, err := im.view(x)
	if err != nil {
		return nil, err
	}
	var perm []int
	n := 1
	for k, d := range x.shape {
		if slices.Contains(axes, k) {
			n *= d
		} else {
			perm = append(perm, k)
		}
	}
	rows := ir.Shape{build.Product(x.shape) / max(n, 1), n}
	if view = view.Permute(append(perm, axes...)); view.IsWhole() {
		return im.reshape(v, rows)
	}
	return im.add(ir.Copy, im.hint(o)+".rows", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(rows)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
}

// mean over the pixels of an image is a global pooling of a float network.
func mean(im *importer, o *operator, x *operand) error {
	axes, err := im.axes(o, len(x.shape))
	if err != nil {
		return err
	}
	if im.exact || len(x.shape) != 4 || !slices.Equal(axes, []int{1, 2}) {
		return reduction(ir.ReduceMean)(im, o, x)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	y, err := im.add(ir.GlobalAvgPool, im.hint(o), []*ir.Value{v}, ir.Quant{})
	if err != nil {
		return err
	}
	return im.give(o, &operand{v: y, image: true, shape: reduced(o, x.shape, axes)})
}

// reduced is a shape without some axes, or with one element along them.
func reduced(o *operator, shape, axes []int) []int {
	to := []int{}
	for k, d := range shape {
		switch isReduced := slices.Contains(axes, k); {
		case !isReduced:
			to = append(to, d)
		case o.options.byte(0, 0) != 0:
			to = append(to, 1)
		}
	}
	return to
}

// reduction imports a mean, a sum or an extreme over axes.
func reduction(fn string) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		axes, err := im.axes(o, len(x.shape))
		if err != nil {
			return err
		}
		v, err := im.rows(o, x, axes)
		if err != nil {
			return err
		}
		name, attrs := im.Name(im.hint(o)), []ir.Attr{ir.AttrFn.Is(fn), ir.AttrAxes.Is([]int{1})}
		switch {
		case !im.exact:
			q = ir.Quant{}
		case fn == ir.ReduceSum:
			rq, err := im.sumRequant(name, v, q)
			if err != nil {
				return err
			}
			attrs = append(attrs, rq...)
		case fn == ir.ReduceMean:
			rq, err := im.meanRequant(name, v, q)
			if err != nil {
				return err
			}
			attrs = append(attrs, rq...)
		case q != v.Type.Quant:
			return errors.New("changes the scale")
		}
		if im.exact {
			least, greatest := v.Type.Ends()
			attrs = append(attrs, ir.AttrLo.Is(least), ir.AttrHi.Is(greatest))
		}
		y, err := im.AddQuantized(ir.Reduce, name, []*ir.Value{v}, q, attrs...)
		if err != nil {
			return err
		}
		to := reduced(o, x.shape, axes)
		if y, err = im.reshape(y, build.Canonical(to)); err != nil {
			return err
		}
		return im.give(o, &operand{v: y, shape: to})
	}
}

// sumRequant is the requantization of an exact sum of rows: rounded once, ties away from
// zero. Our own rounding (R6) takes ties up; a multiplier that is greater by its last bit
// takes them away from zero. Only factors of few bits have ties.
func (im *importer) sumRequant(name string, rows *ir.Value, q ir.Quant) ([]ir.Attr, error) {
	least, greatest := geometry.Differences(rows.Type)
	if reach := int64(rows.Type.Shape[1]) * int64(greatest-least); reach >= geometry.NarrowReach {
		return nil, fmt.Errorf("sums up to %d, which do not fit 32 bits", reach)
	}
	m, r, err := geometry.MultiplierFor(rows.Type.Quant.Scale / q.Scale)
	if err != nil {
		return nil, err
	}
	if bits.TrailingZeros32(uint32(m)) > 8 {
		m++
	}
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, ir.Shape{1}, []int64{int64(m)})), ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, ir.Shape{1}, []int64{int64(r)}))}, nil
}

// meanRequant is the requantization of an exact mean of rows: the division by their
// length goes into the multiplier, cut off as TensorFlow Lite does.
func (im *importer) meanRequant(name string, rows *ir.Value, q ir.Quant) ([]ir.Attr, error) {
	n := rows.Type.Shape[1]
	least, greatest := geometry.Differences(rows.Type)
	m, r, err := geometry.TFLiteMultiplierFor(rows.Type.Quant.Scale/q.Scale, int64(n)*int64(greatest-least))
	if err != nil {
		return nil, err
	}
	more := min(bits.Len(uint(n))-1, 62-int(r))
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, ir.Shape{1}, []int64{int64(m) << more / int64(n)})),
		ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, ir.Shape{1}, []int64{int64(r) + int64(more)})), ir.AttrRound.Is(ir.RoundTFLite)}, nil
}

// argmax gives places as integers of scale 1, the least of which is 0.
func argmax(im *importer, o *operator, x *operand) error {
	axis, err := im.axis(o, 1, len(x.shape))
	if err != nil {
		return err
	}
	v, err := im.rows(o, x, []int{axis})
	if err != nil {
		return err
	}
	y, err := im.add(ir.ArgMax, im.hint(o), []*ir.Value{v}, ir.Quant{Scale: 1, Zero: -128}, ir.AttrAxis.Is(1))
	if err != nil {
		return err
	}
	to := slices.Delete(slices.Clone(x.shape), axis, axis+1)
	if y, err = im.reshape(y, build.Canonical(to)); err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: to})
}

// batchMatMul imports the product of two computed matrices, or of as many as their
// first axes have.
func batchMatMul(im *importer, o *operator) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	var args [2]*ir.Value
	var shape []int // of the result
	batch := 0
	for k := range args {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		r := len(x.shape)
		if r < 2 || k == 1 && build.Product(x.shape[:r-2]) != batch {
			return fmt.Errorf("of a shape %v", x.shape)
		}
		batch = build.Product(x.shape[:r-2])
		s := ir.Shape{batch, x.shape[r-2], x.shape[r-1]}
		isTurned := o.options.byte(k, 0) != 0
		if k == 0 {
			shape = slices.Concat(x.shape[:r-2], []int{s[1+b2i(isTurned)], 0})
		} else {
			shape[len(shape)-1] = s[2-b2i(isTurned)]
		}
		if isTurned {
			v, err := im.flat(x, ir.Shape{s.Size()})
			if err != nil {
				return err
			}
			s[1], s[2] = s[2], s[1]
			view := ir.ViewOf(ir.Shape{batch, s[2], s[1]}).Permute([]int{0, 2, 1})
			args[k], err = im.add(ir.Copy, im.hint(o)+".turned", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(matrix(s))), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
			if err != nil {
				return err
			}
			continue
		}
		if args[k], err = im.flat(x, matrix(s)); err != nil {
			return err
		}
	}
	name := im.Name(im.hint(o))
	var attrs []ir.Attr
	if im.exact {
		factor := float64(float32(args[0].Type.Quant.Scale)*float32(args[1].Type.Quant.Scale)) / q.Scale
		inner := args[0].Type.Shape[len(args[0].Type.Shape)-1]
		if args[0].Type.IsWide() {
			if attrs, err = im.wideRequant(name, []float64{factor}, []int64{int64(inner) * wordReach * wordReach}); err == nil {
				attrs = append(attrs, ir.AttrLo.Is(math.MinInt16), ir.AttrHi.Is(math.MaxInt16))
			}
		} else {
			attrs, err = im.layerRequant(name, false, false, []float64{factor}, int64(inner)*productReach)
		}
		if err != nil {
			return err
		}
	} else {
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.MatMul, name, args[:], q, attrs...)
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, build.Canonical(shape)); err != nil {
		return err
	}
	return im.give(o, &operand{v: y, shape: shape})
}

// matrix is a shape without a batch of one.
func matrix(s ir.Shape) ir.Shape {
	if s[0] == 1 {
		return s[1:]
	}
	return s
}

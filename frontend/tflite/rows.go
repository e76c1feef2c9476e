package tflite

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
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
	n := x.shape[len(x.shape)-1]
	shape, axis := ir.Shape{product(x.shape) / max(n, 1), n}, 1
	if shape[0] == 1 {
		shape, axis = ir.Shape{n}, 0
	}
	v, err := im.flat(x, shape)
	if err != nil {
		return err
	}
	attrs := []ir.Attr{build.Attr("axis", axis)}
	name := im.Name(im.hint(o))
	if im.exact {
		if q.Scale != 1./256 || q.Zero != -128 {
			return errors.New("has a result whose scale is not 1/256")
		}
		t := kernels.SoftmaxTable(v.Type.Quant.Scale)
		wide := make([]int64, len(t))
		for i, e := range t {
			wide[i] = int64(e)
		}
		attrs = append(attrs, build.Attr("table", im.Ints(name+".table", ir.I32, ir.Shape{len(t)}, wide)))
	} else {
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.Softmax, name, []*ir.Value{v}, q, attrs...)
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(x.shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

// logSoftmax is of float networks: TensorFlow Lite's integers of it are its own.
func logSoftmax(im *importer, o *operator, x *operand) error {
	if im.exact {
		return errors.New("of int8 values, whose integers have no equal here: -exact=false quantizes the model anew")
	}
	v, err := im.flat(x, canonical(x.shape))
	if err != nil {
		return err
	}
	y, err := im.add(ir.LogSoftmax, im.hint(o), []*ir.Value{v}, ir.Quant{}, build.Attr("axis", len(v.Type.Shape)-1))
	if err != nil {
		return err
	}
	return im.set(o, y, false)
}

// mean over the pixels of an image is a global pooling of a float network; of
// integers a reduction.
func mean(im *importer, o *operator, x *operand) error {
	out, q, err := im.result(o)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no axes"))
	}
	axes, err := t.shortInts()
	if err != nil {
		return err
	}
	for i, a := range axes {
		if a < 0 {
			axes[i] += len(x.shape)
		}
	}
	slices.Sort(axes)
	if !slices.Equal(axes, []int{1, 2}) || len(x.shape) != 4 {
		return fmt.Errorf("over axes %v of %v", axes, x.shape)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	s := v.Type.Shape
	if !im.exact {
		y, err := im.add(ir.GlobalAvgPool, im.hint(o), []*ir.Value{v}, q)
		if err != nil {
			return err
		}
		return im.set(o, y, len(out.shape) == 4)
	}
	// [C,H,W] to rows [C,H*W].
	rows, err := im.add(ir.Copy, im.hint(o)+".rows", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int{s[0], s[1] * s[2]}), build.Attr("dims", []int(s)), build.Attr("strides", ir.ViewOf(s).Strides))
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	m, r, err := kernels.MultiplierFor(v.Type.Quant.Scale / q.Scale)
	if err != nil {
		return err
	}
	// The division by n goes into the multiplier, cut off as TensorFlow Lite does.
	n := s[1] * s[2]
	more := min(bits.Len(uint(n))-1, 62-int(r))
	rq := []ir.Attr{build.Attr("mul", im.Ints(name+".mul", ir.I32, ir.Shape{1}, []int64{int64(m) << more / int64(n)})),
		build.Attr("shift", im.Ints(name+".shift", ir.I32, ir.Shape{1}, []int64{int64(r) + int64(more)})), build.Attr("round", "tflite")}
	y, err := im.AddQuantized(ir.Reduce, name, []*ir.Value{rows}, q, append(rq, build.Attr("axes", []int{1}))...)
	if err != nil {
		return err
	}
	if len(out.shape) == 4 {
		if y, err = im.reshape(y, ir.Shape{s[0], 1, 1}); err != nil {
			return err
		}
	}
	return im.set(o, y, len(out.shape) == 4)
}

// argmax gives places as integers of scale 1, the least of which is 0.
func argmax(im *importer, o *operator, x *operand) error {
	axis, err := im.axis(o, 1, len(x.shape))
	if err != nil {
		return err
	}
	var perm []int
	for k := range x.shape {
		if k != axis {
			perm = append(perm, k)
		}
	}
	n := x.shape[axis]
	rows := ir.Shape{product(x.shape) / max(n, 1), n}
	v, err := im.flat(x, ir.Shape{product(x.shape)})
	if err != nil {
		return err
	}
	if view := ir.ViewOf(x.shape).Permute(append(perm, axis)); view.IsWhole() {
		v, err = im.reshape(v, rows)
	} else {
		v, err = im.add(ir.Copy, im.hint(o)+".rows", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int(rows)), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
	}
	if err != nil {
		return err
	}
	y, err := im.add(ir.ArgMax, im.hint(o), []*ir.Value{v}, ir.Quant{Scale: 1, Zero: -128}, build.Attr("axis", 1))
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(im.tensors[o.out[0]].shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

// batchMatMul imports the product of two computed matrices, or of as many as their
// first axes have.
func batchMatMul(im *importer, o *operator) error {
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	var args [2]*ir.Value
	batch := 0
	for k := range args {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		r := len(x.shape)
		if r < 2 || k == 1 && product(x.shape[:r-2]) != batch {
			return fmt.Errorf("of a shape %v", x.shape)
		}
		batch = product(x.shape[:r-2])
		s := ir.Shape{batch, x.shape[r-2], x.shape[r-1]}
		if isTurned := o.options.byte(k, 0) != 0; isTurned {
			v, err := im.flat(x, ir.Shape{s.Size()})
			if err != nil {
				return err
			}
			s[1], s[2] = s[2], s[1]
			view := ir.ViewOf(ir.Shape{batch, s[2], s[1]}).Permute([]int{0, 2, 1})
			args[k], err = im.add(ir.Copy, im.hint(o)+".turned", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int(matrix(s))), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
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
		if attrs, err = im.requant(name, []float64{factor}); err != nil {
			return err
		}
	} else {
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.MatMul, name, args[:], q, attrs...)
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(im.tensors[o.out[0]].shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

// matrix is a shape without a batch of one.
func matrix(s ir.Shape) ir.Shape {
	if s[0] == 1 {
		return s[1:]
	}
	return s
}

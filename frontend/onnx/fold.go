package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// maxFolded bounds the elements of constants that folding makes: shape
// arithmetic is small, and a hostile file must not fill the memory.
const maxFolded = 1 << 22

// fold computes an operation of constants, or of shapes, which are constants.
func (im *importer) fold(op opEntry, n *pb.Node, in []*operand) (*tensor, error) {
	if len(in) < op.args || slices.Contains(in[:op.args], nil) {
		return nil, fmt.Errorf("has %d arguments, it needs %d", len(in), op.args)
	}
	t, err := op.fold(im, n, in)
	if err != nil {
		return nil, err
	}
	if t.size() < 0 && slices.Min(append([]int{0}, t.shape...)) < 0 {
		return nil, fmt.Errorf("gives a constant of the impossible shape %v", t.shape)
	}
	return t, nil
}

// room accounts for elements that are about to be made.
func (im *importer) room(elements int) error {
	if elements < 0 {
		return errors.New("makes a constant of more elements than any may have")
	}
	if elements > maxFolded-im.folded {
		return fmt.Errorf("makes a constant of %d elements; all that are made may have %d", elements, maxFolded)
	}
	im.folded += elements
	return nil
}

type folder1 = func(im *importer, n *pb.Node, in []*operand) (*tensor, error)

func foldConstant(im *importer, n *pb.Node, _ []*operand) (*tensor, error) {
	for _, a := range n.Attribute {
		switch a.GetName() {
		case "value":
			if a.T == nil {
				return nil, errors.New("has no tensor for a value")
			}
			c, err := im.f.tensor(a.T, im.folder)
			if err != nil {
				return nil, err
			}
			return c, c.checkNumbers()
		case "value_int":
			return newInts(nil, []int64{a.GetI()}), nil
		case "value_ints":
			return newInts([]int{len(a.Ints)}, a.Ints), nil
		case "value_float":
			return newTensor(float32Type, nil, []float64{float64(a.GetF())}), nil
		case "value_floats":
			x := make([]float64, len(a.Floats))
			for i, v := range a.Floats {
				x[i] = float64(v)
			}
			return newTensor(float32Type, []int{len(x)}, x), nil
		}
	}
	return nil, errors.New("has a value that is no tensor of numbers")
}

func foldShape(_ *importer, n *pb.Node, in []*operand) (*tensor, error) {
	rank := len(in[0].shape)
	clip := func(i int) int {
		if i < 0 {
			i += rank
		}
		return min(max(i, 0), rank)
	}
	from, to := clip(intAttr(n, "start", 0)), clip(intAttr(n, "end", rank))
	var x []int64
	for i := from; i < to; i++ {
		x = append(x, int64(in[0].shape[i]))
	}
	return newInts([]int{len(x)}, x), nil
}

func foldSize(_ *importer, _ *pb.Node, in []*operand) (*tensor, error) {
	return newInts(nil, []int64{int64(build.Product(in[0].shape))}), nil
}

func foldFill(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	shape, err := in[0].c.smallInts()
	if err != nil {
		return nil, err
	}
	typ, v := float32Type, 0.
	if a := attr(n, "value"); a != nil && a.T != nil {
		t, err := im.f.tensor(a.T, im.folder)
		if err != nil {
			return nil, err
		}
		x, err := t.numbers()
		if err != nil || len(x) != 1 {
			return nil, errors.New("has a value that is not one number")
		}
		typ, v = t.typ, x[0]
	}
	size := sizeOf(shape)
	if err := im.room(size); err != nil {
		return nil, err
	}
	return newTensor(typ, shape, slices.Repeat([]float64{v}, size)), nil
}

// sizeOf is the elements of a shape that may have none, -1 where it is impossible.
func sizeOf(shape []int) int {
	if slices.Contains(shape, 0) {
		return 0
	}
	return ir.Shape(shape).Size()
}

func foldCast(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	to := dtype(intAttr(n, "to", 0))
	t := in[0].c
	if to.size() == 0 {
		return nil, fmt.Errorf("to ONNX type %d", to)
	}
	if to == t.typ || to.isFloat() && t.typ.isFloat() {
		return t, nil // what reads floats reads any
	}
	if err := im.room(build.Product(t.shape)); err != nil {
		return nil, err
	}
	if !to.isFloat() && !t.typ.isFloat() {
		x, err := t.ints()
		if err != nil {
			return nil, err
		}
		out := newInts(t.shape, x)
		if to == int64Type {
			return out, nil
		}
	}
	x, err := t.numbers()
	if err != nil {
		return nil, err
	}
	for i, v := range x {
		switch {
		case to == boolType && v != 0:
			x[i] = 1
		case !to.isFloat():
			x[i] = math.Trunc(v)
		}
	}
	if to.isFloat() {
		to = float32Type
	}
	return newTensor(to, t.shape, x), nil
}

// moved makes the fold of an operation that moves elements: the view is the one
// that computed values are seen through.
func moved(view func(im *importer, n *pb.Node, in []*operand) (ir.View, error)) folder1 {
	return func(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
		v, err := view(im, n, in)
		if err != nil {
			return nil, err
		}
		if size := sizeOf(v.Dims); size > build.Product(in[0].shape) {
			if err := im.room(size); err != nil {
				return nil, err
			}
		}
		return in[0].c.view(v), nil
	}
}

func reshaped(shape func(n *pb.Node, in []*operand) ([]int, error)) folder1 {
	return func(_ *importer, n *pb.Node, in []*operand) (*tensor, error) {
		s, err := shape(n, in)
		if err != nil {
			return nil, err
		}
		return in[0].c.reshaped(s), nil
	}
}

func foldConcat(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	shape, axis, err := concatShape(n, in)
	if err != nil {
		return nil, err
	}
	if err := im.room(build.Product(shape)); err != nil {
		return nil, err
	}
	outer := build.Product(shape[:axis])
	size := in[0].c.typ.size()
	out := make([]byte, 0, build.Product(shape)*size)
	parts := make([][]byte, len(in))
	isEndless := false
	for i, o := range in {
		isEndless = isEndless || o.c.isEndless
		if o.c.typ != in[0].c.typ {
			return nil, errors.New("of tensors of several types")
		}
		if parts[i], err = o.c.data.Load(); err != nil {
			return nil, err
		}
	}
	for k := range outer {
		for _, p := range parts {
			step := len(p) / max(outer, 1)
			out = append(out, p[k*step:(k+1)*step]...)
		}
	}
	return &tensor{typ: in[0].c.typ, shape: shape, data: ir.Bytes(out), isEndless: isEndless}, nil
}

func foldGather(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), len(shape))
	if err != nil {
		return nil, err
	}
	at, err := in[1].c.ints()
	if err != nil {
		return nil, err
	}
	to := slices.Concat(shape[:axis], in[1].shape, shape[axis+1:])
	if err := im.room(sizeOf(to)); err != nil {
		return nil, err
	}
	raw, err := in[0].c.data.Load()
	if err != nil {
		return nil, err
	}
	inner := build.Product(shape[axis+1:]) * in[0].c.typ.size()
	out := make([]byte, 0, max(sizeOf(to), 0)*in[0].c.typ.size())
	for o := range build.Product(shape[:axis]) {
		for _, i := range at {
			if i < 0 {
				i += int64(shape[axis])
			}
			if i < 0 || i >= int64(shape[axis]) {
				return nil, fmt.Errorf("takes element %d of %d", i, shape[axis])
			}
			first := (o*shape[axis] + int(i)) * inner
			out = append(out, raw[first:first+inner]...)
		}
	}
	return &tensor{typ: in[0].c.typ, shape: to, data: ir.Bytes(out), isEndless: in[0].c.isEndless}, nil
}

// elementwise folds a function of numbers over broadcast constants.
func elementwise(f func(x []float64) float64, typ dtype) folder1 {
	return func(im *importer, _ *pb.Node, in []*operand) (*tensor, error) {
		var shape []int
		var err error
		for i, o := range in {
			if o == nil {
				return nil, errors.New("lacks an argument")
			}
			if i == 0 {
				shape = o.shape
			} else if shape, err = build.Broadcast(shape, o.shape); err != nil {
				return nil, err
			}
		}
		size := sizeOf(shape)
		if err := im.room(size); err != nil {
			return nil, err
		}
		args := make([][]float64, len(in))
		for i, o := range in {
			x, err := o.c.numbers()
			if err != nil {
				return nil, err
			}
			args[i] = make([]float64, size)
			v, ok := ir.ViewOf(o.shape).Expand(shape)
			if !ok {
				return nil, fmt.Errorf("of shapes %v and %v, which do not fit", o.shape, shape)
			}
			v.Each(func(k, at int) { args[i][k] = x[at] })
		}
		out, x := make([]float64, size), make([]float64, len(in))
		for k := range out {
			for i := range in {
				x[i] = args[i][k]
			}
			out[k] = f(x)
		}
		to := typ
		if to == 0 {
			if to = in[len(in)-1].c.typ; to.isFloat() {
				to = float32Type
			}
		}
		if !to.isFloat() {
			for k := range out {
				out[k] = math.Trunc(out[k])
			}
		}
		return newTensor(to, shape, out), nil
	}
}

// mostProducts bounds the multiplications of all matrix products of constants.
const mostProducts = 1 << 28

// foldMatMul multiplies matrices, and vectors as matrices of one row or column.
func foldMatMul(im *importer, _ *pb.Node, in []*operand) (*tensor, error) {
	a, b := in[0].shape, in[1].shape
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("of shapes %v and %v", a, b)
	}
	left, right := a, b // as matrices
	if len(a) == 1 {
		left = []int{1, a[0]}
	}
	if len(b) == 1 {
		right = []int{b[0], 1}
	}
	ra, rb := len(left)-2, len(right)-2
	m, terms, n := left[ra], left[ra+1], right[rb+1]
	outer, err := build.Broadcast(left[:ra], right[:rb])
	if err != nil || right[rb] != terms {
		return nil, fmt.Errorf("of shapes %v and %v, which do not fit", a, b)
	}
	to := slices.Concat(outer, []int{m, n})
	size := sizeOf(to)
	if err := im.room(size); err != nil {
		return nil, err
	}
	if terms > 0 && size > (mostProducts-im.products)/terms {
		return nil, fmt.Errorf("makes a constant of %d sums of %d products; all that are made may take %d products", size, terms, mostProducts)
	}
	im.products += size * terms
	x, err := in[0].c.numbers()
	if err != nil {
		return nil, err
	}
	y, err := in[1].c.numbers()
	if err != nil {
		return nil, err
	}
	// matrices are the first elements of the matrices that a result's are products of.
	matrices := func(of []int, size int) (first []int) {
		v, _ := ir.ViewOf(append(slices.Clone(of), 1)).Expand(append(slices.Clone(outer), 1))
		v.Each(func(_, at int) { first = append(first, at*size) })
		return first
	}
	as, bs := matrices(left[:ra], m*terms), matrices(right[:rb], terms*n)
	out := make([]float64, size)
	for i := range out {
		matrix, row, col := i/(m*n), i/n%m, i%n
		for k := range terms {
			out[i] += float64(x[as[matrix]+row*terms+k] * y[bs[matrix]+k*n+col])
		}
	}
	shape := slices.Clone(outer)
	if len(a) > 1 {
		shape = append(shape, m)
	}
	if len(b) > 1 {
		shape = append(shape, n)
	}
	typ := in[0].c.typ
	if typ.isFloat() {
		typ = float32Type
	}
	return newTensor(typ, shape, out), nil
}

func foldRange(im *importer, _ *pb.Node, in []*operand) (*tensor, error) {
	var p [3]float64
	for i := range p {
		x, err := in[i].c.numbers()
		if err != nil || len(x) != 1 {
			return nil, errors.New("has bounds that are not numbers")
		}
		p[i] = x[0]
	}
	count := math.Ceil((p[1] - p[0]) / p[2])
	if !(count >= 0 && count < maxFolded) {
		return nil, fmt.Errorf("from %v to %v by %v", p[0], p[1], p[2])
	}
	if err := im.room(int(count)); err != nil {
		return nil, err
	}
	x := make([]float64, int(count))
	for i := range x {
		x[i] = p[0] + float64(i)*p[2]
	}
	return newTensor(in[0].c.typ, []int{len(x)}, x), nil
}

// reduced folds a reduction.
func reduced(f func(a, b float64) float64, start float64) folder1 {
	return summed(f, start, func(x float64, _ int) float64 { return x })
}

func plus(a, b float64) float64 { return a + b }

func plusSquare(a, b float64) float64 { return a + float64(b*b) }

// summed is a reduction whose result is end of what f gives, and of the number of elements
// that it was made of.
func summed(f func(a, b float64) float64, start float64, end func(sum float64, n int) float64) folder1 {
	return func(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
		set, err := reduceAxes(n, in)
		if err != nil {
			return nil, err
		}
		x, err := in[0].c.numbers()
		if err != nil {
			return nil, err
		}
		if err := im.room(len(x)); err != nil {
			return nil, err
		}
		var kept, strides []int
		step := make([]int, len(set))
		size := 1
		for k := len(set) - 1; k >= 0; k-- {
			if !set[k] {
				step[k] = size
				size *= in[0].shape[k]
			}
		}
		for k, d := range in[0].shape {
			switch {
			case !set[k]:
				kept = append(kept, d)
			case intAttr(n, "keepdims", 1) == 1:
				kept = append(kept, 1)
			}
			strides = append(strides, step[k])
		}
		out := slices.Repeat([]float64{start}, size)
		ir.View{Dims: in[0].shape, Strides: strides}.Each(func(i, at int) { out[at] = f(out[at], x[i]) })
		for i, sum := range out {
			out[i] = end(sum, len(x)/size)
		}
		typ := in[0].c.typ
		if typ.isFloat() {
			typ = float32Type
		}
		return newTensor(typ, kept, out), nil
	}
}

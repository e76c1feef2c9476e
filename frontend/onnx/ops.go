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

// runner imports an operation of values that the network computes.
type runner = func(im *importer, n *pb.Node, in []*operand) ([]*operand, error)

// opEntry is what the importer knows of an ONNX operation.
type opEntry struct {
	args int // that must be there
	run  runner
	fold folder1 // of constants; nil where they are not folded
	ops  []ir.Op // what it becomes
}

var table map[string]opEntry

func init() {
	less := func(f func(a, b float64) bool) folder1 {
		return elementwise(func(x []float64) float64 {
			if f(x[0], x[1]) {
				return 1
			}
			return 0
		}, boolType)
	}
	table = map[string]opEntry{
		// Layers and windows.
		"Conv":               {2, conv, nil, []ir.Op{ir.Conv2D}},
		"Gemm":               {2, gemm, nil, []ir.Op{ir.Linear}},
		"MatMul":             {2, matmul, nil, []ir.Op{ir.Linear}},
		"MaxPool":            {1, pool(ir.MaxPool2D), nil, []ir.Op{ir.MaxPool2D}},
		"AveragePool":        {1, pool(ir.AvgPool2D), nil, []ir.Op{ir.AvgPool2D}},
		"GlobalAveragePool":  {1, globalPool(ir.GlobalAvgPool), nil, []ir.Op{ir.GlobalAvgPool}},
		"GlobalMaxPool":      {1, globalPool(ir.MaxPool2D), nil, []ir.Op{ir.MaxPool2D}},
		"BatchNormalization": {5, batchNorm, nil, []ir.Op{ir.BatchNorm}},
		// Element by element.
		"Relu":    {1, unary(ir.Relu), nil, []ir.Op{ir.Relu}},
		"Clip":    {1, clip, nil, []ir.Op{ir.Relu, ir.Relu6}},
		"Add":     {2, twoArguments("Add"), elementwise(func(x []float64) float64 { return x[0] + x[1] }, 0), []ir.Op{ir.Add}},
		"Sub":     {2, twoArguments("Sub"), elementwise(func(x []float64) float64 { return x[0] - x[1] }, 0), nil},
		"Mul":     {2, twoArguments("Mul"), elementwise(func(x []float64) float64 { return x[0] * x[1] }, 0), nil},
		"Div":     {2, twoArguments("Div"), elementwise(func(x []float64) float64 { return x[0] / x[1] }, 0), nil},
		"Softmax": {1, softmax, nil, []ir.Op{ir.Softmax}},
		// Elements in other places.
		"Flatten":   {1, reshape(flattenShape), reshaped(flattenShape), []ir.Op{ir.Flatten, ir.Reshape}},
		"Reshape":   {2, reshape(reshapeShape), reshaped(reshapeShape), []ir.Op{ir.Reshape}},
		"Squeeze":   {1, reshape(squeezeShape), reshaped(squeezeShape), []ir.Op{ir.Reshape}},
		"Unsqueeze": {1, reshape(unsqueezeShape), reshaped(unsqueezeShape), []ir.Op{ir.Reshape}},
		"Concat":    {1, concat, foldConcat, []ir.Op{ir.Concat}},
		"Identity":  {1, same, func(_ *importer, _ *pb.Node, in []*operand) (*tensor, error) { return in[0].c, nil }, nil},
		"Dropout":   {1, same, nil, nil},
		"Cast":      {1, cast, foldCast, nil},
		// Shape arithmetic: of constants alone.
		"Constant":        {0, nil, foldConstant, nil},
		"ConstantOfShape": {1, nil, foldFill, nil},
		"Shape":           {1, nil, foldShape, nil},
		"Size":            {1, nil, foldSize, nil},
		"Range":           {3, nil, foldRange, nil},
		"Gather":          {2, nil, foldGather, nil},
		"Transpose":       {1, nil, moved(transposeView), nil},
		"Slice":           {1, nil, moved(sliceView), nil},
		"Expand":          {2, nil, moved(expandView), nil},
		"Neg":             {1, nil, elementwise(func(x []float64) float64 { return -x[0] }, 0), nil},
		"Abs":             {1, nil, elementwise(func(x []float64) float64 { return math.Abs(x[0]) }, 0), nil},
		"Floor":           {1, nil, elementwise(func(x []float64) float64 { return math.Floor(x[0]) }, 0), nil},
		"Ceil":            {1, nil, elementwise(func(x []float64) float64 { return math.Ceil(x[0]) }, 0), nil},
		"Sqrt":            {1, nil, elementwise(func(x []float64) float64 { return math.Sqrt(x[0]) }, 0), nil},
		"Reciprocal":      {1, nil, elementwise(func(x []float64) float64 { return 1 / x[0] }, 0), nil},
		"Pow":             {2, nil, elementwise(func(x []float64) float64 { return math.Pow(x[0], x[1]) }, 0), nil},
		"Mod":             {2, nil, elementwise(func(x []float64) float64 { return x[0] - x[1]*math.Floor(x[0]/x[1]) }, 0), nil},
		"Min":             {1, nil, elementwise(func(x []float64) float64 { return slices.Min(x) }, 0), nil},
		"Max":             {1, nil, elementwise(func(x []float64) float64 { return slices.Max(x) }, 0), nil},
		"Where": {3, nil, elementwise(func(x []float64) float64 {
			if x[0] != 0 {
				return x[1]
			}
			return x[2]
		}, 0), nil},
		"Not":            {1, nil, elementwise(func(x []float64) float64 { return 1 - x[0] }, 0), nil},
		"And":            {2, nil, less(func(a, b float64) bool { return a != 0 && b != 0 }), nil},
		"Or":             {2, nil, less(func(a, b float64) bool { return a != 0 || b != 0 }), nil},
		"Equal":          {2, nil, less(func(a, b float64) bool { return a == b }), nil},
		"Less":           {2, nil, less(func(a, b float64) bool { return a < b }), nil},
		"Greater":        {2, nil, less(func(a, b float64) bool { return a > b }), nil},
		"LessOrEqual":    {2, nil, less(func(a, b float64) bool { return a <= b }), nil},
		"GreaterOrEqual": {2, nil, less(func(a, b float64) bool { return a >= b }), nil},
		"ReduceProd":     {1, nil, reduced(func(a, b float64) float64 { return a * b }, 1), nil},
		"ReduceSum":      {1, nil, reduced(func(a, b float64) float64 { return a + b }, 0), nil},
		"ReduceMax":      {1, nil, reduced(math.Max, math.Inf(-1)), nil},
		"ReduceMin":      {1, nil, reduced(math.Min, math.Inf(1)), nil},
	}
}

// unary imports an operation of one argument, of any shape.
func unary(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		v, err := im.Add(op, moduleName(n), []*ir.Value{in[0].v})
		if err != nil {
			return nil, err
		}
		return result(v, in[0].shape), nil
	}
}

func same(_ *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(n.Output) > 1 && n.Output[1] != "" {
		return nil, errors.New("gives more than its argument")
	}
	return []*operand{in[0]}, nil
}

func cast(_ *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if to := dtype(intAttr(n, "to", 0)); !to.isFloat() {
		return nil, fmt.Errorf("to ONNX type %d", to)
	}
	return []*operand{in[0]}, nil
}

// bound is a bound of Clip, an attribute or an argument.
func bound(n *pb.Node, in []*operand, name string, i int, absent float64) (float64, error) {
	if a := attr(n, name); a != nil {
		return float64(a.GetF()), nil
	}
	t, err := constant(in, i, "bounds")
	if err != nil || t == nil {
		return absent, err
	}
	x, err := t.numbers()
	if err != nil || len(x) != 1 {
		return 0, errors.New("has bounds that are not numbers")
	}
	return x[0], nil
}

func clip(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	lo, err := bound(n, in, "min", 1, math.Inf(-1))
	if err != nil {
		return nil, err
	}
	hi, err := bound(n, in, "max", 2, math.Inf(1))
	if err != nil {
		return nil, err
	}
	switch {
	case lo == 0 && hi == 6:
		return unary(ir.Relu6)(im, n, in)
	case lo == 0 && hi > math.MaxFloat32/2:
		return unary(ir.Relu)(im, n, in)
	}
	return nil, fmt.Errorf("to [%v,%v]", lo, hi)
}

func softmax(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	rank := len(in[0].shape)
	absent := -1
	if im.opset < 13 {
		absent = 1
	}
	axis, err := axisOf(intAttr(n, "axis", absent), max(rank, 1))
	if err != nil {
		return nil, err
	}
	if product(in[0].shape) != in[0].shape[axis] {
		return nil, fmt.Errorf("over axis %d of %v", axis, in[0].shape)
	}
	v, err := im.as(in[0], ir.Shape{in[0].shape[axis]})
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.Softmax, moduleName(n), []*ir.Value{v})
	if err != nil {
		return nil, err
	}
	return result(y, in[0].shape), nil
}

// twoArguments imports an operation of two arguments, one of which may be a constant.
func twoArguments(op string) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		a, b := in[0], in[1]
		switch {
		case b.c != nil:
			return im.affine(n, op, a, b.c, false)
		case a.c != nil:
			return im.affine(n, op, b, a.c, true)
		}
		if op != "Add" {
			return nil, errors.New("of two computed values")
		}
		if !slices.Equal(a.shape, b.shape) {
			return nil, fmt.Errorf("of shapes %v and %v", a.shape, b.shape)
		}
		x, y := a.v, b.v
		if !x.Type.Shape.Equal(y.Type.Shape) {
			var err error
			if y, err = im.as(b, x.Type.Shape); err != nil {
				return nil, err
			}
		}
		v, err := im.Add(ir.Add, moduleName(n), []*ir.Value{x, y})
		if err != nil {
			return nil, err
		}
		return result(v, a.shape), nil
	}
}

// perChannel reads a constant that broadcasts to shape and differs along its
// channels (axis 1 of three and more dimensions, else the last) at most: one
// number a channel, or one.
func perChannel(c *tensor, shape []int) ([]float64, bool) {
	x, err := c.numbers()
	if err != nil || len(c.shape) > len(shape) {
		return nil, false
	}
	if len(x) == 1 {
		return x, true
	}
	axis := 1
	if len(shape) < 3 {
		axis = len(shape) - 1
	}
	if len(shape) > 1 && shape[0] != 1 {
		return nil, false
	}
	for i, d := range c.shape {
		if k := len(shape) - len(c.shape) + i; d != 1 && (k != axis || d != shape[k]) {
			return nil, false
		}
	}
	return x, true
}

// affine is an operation of a value and a constant: the normalisation of an
// input, or a scale and an offset of every channel.
func (im *importer) affine(n *pb.Node, op string, a *operand, c *tensor, constFirst bool) ([]*operand, error) {
	if !c.typ.isFloat() {
		return nil, errors.New("of a constant that is no float")
	}
	x, ok := perChannel(c, a.shape)
	if !ok {
		return nil, fmt.Errorf("of shapes %v and %v", a.shape, c.shape)
	}
	if v := im.normalized(n, op, a, x, constFirst); v != nil {
		return result(v, a.shape), nil
	}
	scale, shift := make([]float32, len(x)), make([]float32, len(x))
	for i, k := range x {
		s, t := 1., 0.
		switch {
		case op == "Add":
			t = k
		case op == "Sub" && constFirst:
			s, t = -1, k
		case op == "Sub":
			t = -k
		case op == "Mul":
			s = k
		case op == "Div" && !constFirst:
			s = 1 / k
		default:
			return nil, errors.New("by a computed value")
		}
		scale[i], shift[i] = float32(s), float32(t)
	}
	v := a.v
	if len(a.shape) == 3 {
		var err error
		if v, _, err = im.image(a); err != nil {
			return nil, err
		}
	}
	y, err := im.scaleShift(moduleName(n), v, scale, shift)
	if err != nil {
		return nil, err
	}
	return result(y, a.shape), nil
}

// scaleShift is scale*x+shift, one pair a channel: a batch normalisation.
func (im *importer) scaleShift(hint string, v *ir.Value, scale, shift []float32) (*ir.Value, error) {
	channels := v.Type.Shape[0]
	spread := func(x []float32) []float32 {
		if len(x) == 1 {
			return slices.Repeat(x, channels)
		}
		return x
	}
	if len(scale) != 1 && len(scale) != channels {
		return nil, fmt.Errorf("of %d numbers and a tensor of %v", len(scale), v.Type.Shape)
	}
	name, shape := im.Name(hint), ir.Shape{channels}
	return im.AddNamed(ir.BatchNorm, name, []*ir.Value{v}, build.Attr("eps", 0.),
		build.Attr("gamma", im.Floats(name+".weight", shape, spread(scale))),
		build.Attr("beta", im.Floats(name+".bias", shape, spread(shift))),
		build.Attr("mean", im.Floats(name+".running_mean", shape, make([]float32, channels))),
		build.Attr("variance", im.Floats(name+".running_var", shape, slices.Repeat([]float32{1}, channels))))
}

// normalized makes a subtraction, and a division behind it, at an input its
// normalisation; nil where the operation is none.
func (im *importer) normalized(n *pb.Node, op string, a *operand, x []float64, constFirst bool) *ir.Value {
	if constFirst && (op == "Sub" || op == "Div") {
		return nil
	}
	mean, std := []float64{0}, []float64{1}
	for i := range x {
		x[i] = shortFloat(x[i])
	}
	switch op {
	case "Sub":
		mean = x
	case "Add":
		mean = negated(x)
	case "Div":
		std = x
	case "Mul":
		std = inverted(x)
	}
	if slices.Min(std) <= 0 || math.IsInf(slices.Max(std), 0) {
		return nil
	}
	v := a.v
	if d := v.Def; d != nil {
		// A scale behind the shift that was made a normalisation.
		if d.Op != ir.Normalize || len(im.users[n.Input[0]]) != 1 || len(mean) != 1 || mean[0] != 0 || d.Out != v {
			return nil
		}
		if s := d.Nums("std"); len(s) == 1 && s[0] == 1 {
			d.Set("std", std)
			return v
		}
		return nil
	}
	y, err := im.Add(ir.Normalize, "norm", []*ir.Value{v}, build.Attr("mean", mean), build.Attr("std", std))
	if err != nil {
		return nil
	}
	return y
}

func negated(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = 0 - v
	}
	return out
}

func inverted(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = 1 / v
	}
	return out
}

// reshape imports an operation that only changes dimensions.
func reshape(shape func(n *pb.Node, in []*operand) ([]int, error)) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		to, err := shape(n, in)
		if err != nil {
			return nil, err
		}
		if sizeOf(to) != product(in[0].shape) {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
		return []*operand{{v: in[0].v, c: in[0].c, shape: to}}, nil
	}
}

func flattenShape(n *pb.Node, in []*operand) ([]int, error) {
	s := in[0].shape
	axis := intAttr(n, "axis", 1)
	if axis < 0 {
		axis += len(s)
	}
	if axis < 0 || axis > len(s) {
		return nil, fmt.Errorf("has the axis %d of %d", axis, len(s))
	}
	return []int{product(s[:axis]), product(s[axis:])}, nil
}

func reshapeShape(n *pb.Node, in []*operand) ([]int, error) {
	to, err := intsOf(n, in, "shape", 1)
	if err != nil {
		return nil, err
	}
	to = slices.Clone(to)
	from, rest, open := product(in[0].shape), 1, -1
	for i, d := range to {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && intAttr(n, "allowzero", 0) == 0 && i < len(in[0].shape):
			to[i] = in[0].shape[i]
		case d < 0:
			return nil, fmt.Errorf("to %v", to)
		}
		if rest *= to[i]; rest > ir.MaxElements {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
	}
	if open >= 0 {
		if rest == 0 || from%rest != 0 {
			return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
		}
		to[open] = from / rest
	}
	if sizeOf(to) != from {
		return nil, fmt.Errorf("of %v to %v", in[0].shape, to)
	}
	return to, nil
}

func squeezeShape(n *pb.Node, in []*operand) ([]int, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape))
	if err != nil {
		return nil, err
	}
	var to []int
	for k, d := range in[0].shape {
		switch {
		case set[k] && d != 1:
			return nil, fmt.Errorf("axis %d of %v", k, in[0].shape)
		case !set[k] && (axes != nil || d != 1):
			to = append(to, d)
		}
	}
	return to, nil
}

func unsqueezeShape(n *pb.Node, in []*operand) ([]int, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape)+len(axes))
	if err != nil {
		return nil, err
	}
	rest := in[0].shape
	var to []int
	for _, one := range set {
		switch {
		case one:
			to = append(to, 1)
		case len(rest) == 0:
			return nil, fmt.Errorf("has the axes %v", axes)
		default:
			to, rest = append(to, rest[0]), rest[1:]
		}
	}
	return to, nil
}

func transposeView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	rank := len(in[0].shape)
	perm := intsAttr(n, "perm")
	if perm == nil {
		for k := rank - 1; k >= 0; k-- {
			perm = append(perm, k)
		}
	}
	sorted := slices.Sorted(slices.Values(perm))
	for k, p := range sorted {
		if k != p || len(perm) != rank {
			return ir.View{}, fmt.Errorf("has the permutation %v of %d dimensions", perm, rank)
		}
	}
	return ir.ViewOf(in[0].shape).Permute(perm), nil
}

func sliceView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	var p [4][]int
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if p[i], err = intsOf(n, in, name, i+1); err != nil {
			return ir.View{}, err
		}
	}
	starts, ends, axes, steps := p[0], p[1], p[2], p[3]
	if axes == nil {
		for k := range starts {
			axes = append(axes, k)
		}
	}
	if steps == nil {
		steps = slices.Repeat([]int{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		return ir.View{}, errors.New("has lists of different lengths")
	}
	v := ir.ViewOf(in[0].shape)
	for i := range starts {
		k, err := axisOf(axes[i], len(v.Dims))
		if err != nil {
			return ir.View{}, err
		}
		size, step := v.Dims[k], steps[i]
		from, to := starts[i], ends[i]
		if from < 0 {
			from = max(from, -size-1) + size
		}
		if to < 0 {
			to = max(to, -size-1) + size
		}
		var count int
		switch {
		case step > 0:
			from, to = min(max(from, 0), size), min(max(to, 0), size)
			count = (to - from + step - 1) / step
		case step < 0 && step > -1<<31:
			from, to = min(max(from, -1), size-1), min(max(to, -1), size-1)
			count = (from - to - step - 1) / -step
		default:
			return ir.View{}, fmt.Errorf("has the step %d", step)
		}
		v = v.Slice(k, from, min(step, size), max(count, 0))
	}
	return v, nil
}

func expandView(_ *importer, n *pb.Node, in []*operand) (ir.View, error) {
	to, err := intsOf(n, in, "shape", 1)
	if err != nil {
		return ir.View{}, err
	}
	shape, err := broadcast(in[0].shape, to)
	if err != nil {
		return ir.View{}, err
	}
	v, ok := ir.ViewOf(in[0].shape).Expand(shape)
	if !ok {
		return ir.View{}, fmt.Errorf("of %v to %v", in[0].shape, to)
	}
	return v, nil
}

func concatShape(n *pb.Node, in []*operand) (shape []int, axis int, err error) {
	first := in[0].shape
	if axis, err = axisOf(intAttr(n, "axis", 1), len(first)); err != nil {
		return nil, 0, err
	}
	shape = slices.Clone(first)
	for _, o := range in[1:] {
		if o == nil || len(o.shape) != len(first) {
			return nil, 0, errors.New("of tensors of different ranks")
		}
		for k, d := range o.shape {
			if k != axis && d != first[k] {
				return nil, 0, fmt.Errorf("of shapes %v and %v along axis %d", first, o.shape, axis)
			}
		}
		shape[axis] += o.shape[axis]
	}
	return shape, axis, nil
}

func concat(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape, axis, err := concatShape(n, in)
	if err != nil {
		return nil, err
	}
	if product(shape[:axis]) != 1 {
		return nil, fmt.Errorf("along axis %d of %v", axis, shape)
	}
	var args []*ir.Value
	for _, o := range in {
		v, err := im.as(o, ir.Shape(o.shape[axis:]))
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if len(shape)-axis == 2 && len(args) > 0 { // channels of a sequence: an image of one row
		for i, a := range args {
			s := a.Type.Shape
			if args[i], err = im.Reshape(a, ir.Shape{s[0], 1, s[1]}); err != nil {
				return nil, err
			}
		}
	}
	v, err := im.Add(ir.Concat, moduleName(n), args)
	if err != nil {
		return nil, err
	}
	return result(v, shape), nil
}

func reduceAxes(n *pb.Node, in []*operand) ([]bool, error) {
	axes, err := intsOf(n, in, "axes", 1)
	if err != nil {
		return nil, err
	}
	set, err := axesOf(axes, len(in[0].shape))
	if err != nil || len(axes) > 0 {
		return set, err
	}
	for k := range set {
		set[k] = intAttr(n, "noop_with_empty_axes", 0) == 0
	}
	return set, nil
}

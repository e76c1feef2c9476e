package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// image is an operand [1,C,H,W] or [1,C,W] as a value [C,H,W], and the number of
// its spatial dimensions.
func (im *importer) image(o *operand) (*ir.Value, int, error) {
	s := o.shape
	if len(s) != 3 && len(s) != 4 {
		return nil, 0, fmt.Errorf("of a tensor of shape %v; images have one or two dimensions besides batch and channels; of volumes, convolutions and poolings are imported: move a dimension into the channels by a reshape before exporting", s)
	}
	if s[0] != 1 {
		return nil, 0, fmt.Errorf("of a batch of %d; networks are compiled for one, which -shape can say", s[0])
	}
	shape := ir.Shape{s[1], 1, s[2]}
	if len(s) == 4 {
		shape = ir.Shape(s[1:])
	}
	v, err := im.as(o, shape)
	return v, len(s) - 2, err
}

// imageShape is the ONNX shape of an image of 1 or 2 spatial dimensions.
func imageShape(v *ir.Value, spatial int) []int {
	s := v.Type.Shape
	if spatial == 1 {
		return []int{1, s[0], s[2]}
	}
	return []int{1, s[0], s[1], s[2]}
}

// both makes an attribute of one or two spatial dimensions one of two.
func both(x []int, spatial, absent int) ([]int, error) {
	switch {
	case x == nil:
		return []int{absent, absent}, nil
	case len(x) != spatial:
		return nil, fmt.Errorf("has %d numbers for %d dimensions", len(x), spatial)
	case spatial == 1:
		return []int{absent, x[0]}, nil
	}
	return x, nil
}

// window is the attributes of a convolution or pooling, in the order [height,
// width] and [top, left, bottom, right].
type window struct {
	kernel, stride, dilation, pad []int
	given                         []int // the pads without what ceil_mode adds
}

// window reads them; sizes of the image resolve SAME padding and ceil_mode.
func (im *importer) window(n *pb.Node, v *ir.Value, spatial int, kernel []int) (w window, err error) {
	if w.kernel, err = both(kernel, spatial, 1); err != nil {
		return w, err
	}
	if w.stride, err = both(intsAttr(n, "strides"), spatial, 1); err != nil {
		return w, err
	}
	if w.dilation, err = both(intsAttr(n, "dilations"), spatial, 1); err != nil {
		return w, err
	}
	for i := range 2 {
		if w.kernel[i] < 1 || w.stride[i] < 1 || w.dilation[i] < 1 || w.kernel[i] > 1<<20 || w.dilation[i] > 1<<20 || w.stride[i] > 1<<20 {
			return w, fmt.Errorf("has the window %v, stride %v, dilation %v", w.kernel, w.stride, w.dilation)
		}
	}
	w.pad = []int{0, 0, 0, 0}
	size := []int{v.Type.Shape[1], v.Type.Shape[2]}
	switch mode := textAttr(n, "auto_pad", "NOTSET"); mode {
	case "NOTSET", "":
		p := intsAttr(n, "pads")
		switch {
		case p == nil:
		case len(p) != 2*spatial:
			return w, fmt.Errorf("has %d pads for %d dimensions", len(p), spatial)
		case spatial == 1:
			w.pad = []int{0, p[0], 0, p[1]}
		default:
			w.pad = p
		}
		if slices.Min(w.pad) < 0 || slices.Max(w.pad) > 1<<20 {
			return w, fmt.Errorf("has the pads %v", p)
		}
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		w.pad = build.Same(size, w.kernel, w.stride, w.dilation)
		if mode == "SAME_LOWER" {
			w.pad = []int{w.pad[2], w.pad[3], w.pad[0], w.pad[1]}
		}
	default:
		return w, fmt.Errorf("has the auto_pad %q", mode)
	}
	w.given = slices.Clone(w.pad)
	if intAttr(n, "ceil_mode", 0) == 1 {
		// More rows at the end, as many as complete a window that begins inside.
		for i := range 2 {
			extent := (w.kernel[i]-1)*w.dilation[i] + 1
			rest := size[i] + w.pad[i] + w.pad[2+i] - extent
			if rest < 0 {
				continue
			}
			out := (rest+w.stride[i]-1)/w.stride[i] + 1
			if (out-1)*w.stride[i] >= size[i]+w.pad[i] {
				out--
			}
			w.pad[2+i] = max((out-1)*w.stride[i]+extent-size[i]-w.pad[i], w.pad[2+i])
		}
	}
	return w, nil
}

// weights declares the constants of a layer: [name].weight and [name].bias.
func (im *importer) weights(name string, weight *tensor, shape ir.Shape, bias *tensor) (w, b *ir.Const, err error) {
	if shape.Size() != weight.size() || shape.Size() < 1 {
		return nil, nil, fmt.Errorf("has weights of shape %v", weight.shape)
	}
	if !weight.typ.isFloat() {
		return nil, nil, errors.New("has weights that are no floats")
	}
	w = im.Const(name+".weight", shape, weight.float32s())
	im.layers[w] = weight
	if bias != nil {
		if !bias.typ.isFloat() {
			return nil, nil, errors.New("has a bias that is no floats")
		}
		if bias.size() != shape[0] {
			return nil, nil, fmt.Errorf("has a bias of shape %v for %d channels", bias.shape, shape[0])
		}
		b = im.Const(name+".bias", ir.Shape{shape[0]}, bias.float32s())
		im.layers[b] = bias
	}
	return w, b, nil
}

// constant is argument i, which must be one; nil where it is absent.
func constant(in []*operand, i int, what string) (*tensor, error) {
	if i >= len(in) || in[i] == nil {
		return nil, nil
	}
	if in[i].c == nil {
		return nil, fmt.Errorf("has %s that are computed in the network", what)
	}
	return in[i].c, nil
}

// weighted are the weights and the biases of a convolution over so many dimensions.
func weighted(in []*operand, dims int) (weight, bias *tensor, err error) {
	if weight, err = constant(in, 1, "weights"); err != nil {
		return nil, nil, err
	}
	if bias, err = constant(in, 2, "biases"); err != nil {
		return nil, nil, err
	}
	if len(weight.shape) != dims+2 {
		return nil, nil, fmt.Errorf("has weights of shape %v for %d dimensions", weight.shape, dims)
	}
	return weight, bias, nil
}

func conv(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in[0].shape) == 5 {
		return im.volumeConv(n, in)
	}
	v, spatial, err := im.image(in[0])
	if err != nil {
		return nil, err
	}
	weight, bias, err := weighted(in, spatial)
	if err != nil {
		return nil, err
	}
	w, err := im.window(n, v, spatial, weight.shape[2:])
	if err != nil {
		return nil, err
	}
	name := im.Name(layerName(n, weight))
	wc, bc, err := im.weights(name, weight, ir.Shape{weight.shape[0], weight.shape[1], w.kernel[0], w.kernel[1]}, bias)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{v}, ir.AttrStride.Is(w.stride), ir.AttrPad.Is(w.pad),
		ir.AttrDilation.Is(w.dilation), ir.AttrGroups.Is(intAttr(n, "group", 1)), ir.AttrWeight.Is(wc), ir.AttrBias.Is(bc))
	if err != nil {
		return nil, err
	}
	return result(y, imageShape(y, spatial)), nil
}

func pool(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		if len(in[0].shape) == 5 {
			return im.volumePool(op, n, in[0])
		}
		v, spatial, err := im.image(in[0])
		if err != nil {
			return nil, err
		}
		kernel := intsAttr(n, "kernel_shape")
		if kernel == nil {
			return nil, errors.New("has no kernel_shape")
		}
		w, err := im.window(n, v, spatial, kernel)
		if err != nil {
			return nil, err
		}
		if len(n.Output) > 1 && n.Output[1] != "" {
			return nil, errors.New("gives the places of maxima")
		}
		if p := w.given; op == ir.AvgPool2D && intAttr(n, "count_include_pad", 0) == 1 && slices.Max(p) > 0 {
			// Pads are pixels, then; what ceil_mode adds after them is none.
			if v, err = im.Add(ir.Pad, moduleName(n)+".pad", []*ir.Value{v}, ir.AttrBefore.Is([]int{0, p[0], p[1]}), ir.AttrAfter.Is([]int{0, p[2], p[3]})); err != nil {
				return nil, err
			}
			w.pad = []int{0, 0, w.pad[2] - p[2], w.pad[3] - p[3]}
		}
		attrs := []ir.Attr{ir.AttrKernel.Is(w.kernel), ir.AttrPad.Is(w.pad), ir.AttrDilation.Is(w.dilation)}
		if !slices.Equal(w.stride, w.kernel) {
			attrs = append(attrs, ir.AttrStride.Is(w.stride))
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, imageShape(y, spatial)), nil
	}
}

func globalPool(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		x, s := in[0], in[0].shape
		if len(s) == 5 { // the order of pixels tells nothing
			x = &operand{v: x.v, c: x.c, shape: []int{s[0], s[1], s[2] * s[3], s[4]}}
		}
		v, spatial, err := im.image(x)
		if err != nil {
			return nil, err
		}
		var attrs []ir.Attr
		if op == ir.MaxPool2D {
			attrs = append(attrs, ir.AttrKernel.Is([]int(v.Type.Shape[1:])))
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, attrs...)
		if err != nil {
			return nil, err
		}
		shape := imageShape(y, spatial)
		for len(shape) < len(s) {
			shape = append(shape, 1)
		}
		return result(y, shape), nil
	}
}

// scaled is a constant times a number.
func scaled(t *tensor, factor float64) *tensor {
	if factor == 1 || t == nil {
		return t
	}
	return &tensor{name: t.name, typ: float32Type, shape: t.shape, data: t.each(func(v float64) float64 { return v * factor })}
}

// flatBias is a bias [O], of any shape that broadcasts to it; one number stands
// for all.
func flatBias(t *tensor, channels int) (*tensor, error) {
	switch {
	case t == nil:
		return nil, nil
	case len(t.shape) > 0 && t.size() == channels && t.shape[len(t.shape)-1] == channels:
		return t.reshaped([]int{channels}), nil
	case t.size() == 1:
		v, _ := ir.ViewOf(t.reshaped([]int{1}).shape).Expand(ir.Shape{channels})
		return t.view(v), nil
	}
	return nil, fmt.Errorf("has a bias of shape %v for %d outputs", t.shape, channels)
}

// gemm is a linear layer where the second argument is a constant and the third one or
// absent; else it is composed.
func gemm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in[0].shape) != 2 || len(in[1].shape) != 2 {
		return nil, fmt.Errorf("of shapes %v and %v", in[0].shape, in[1].shape)
	}
	c := im.compose(n)
	x, alpha, beta := in[0], floatAttr(n, "alpha", 1), floatAttr(n, "beta", 1)
	if intAttr(n, "transA", 0) != 0 {
		x = c.transpose("turned", x, 1, 0)
	}
	if c.err != nil {
		return nil, c.err
	}
	w, b, isTurned := in[1], argument(in, 2), intAttr(n, "transB", 0) != 0
	if x.c == nil && w.c != nil && (b == nil || b.c != nil) {
		weight := scaled(w.c, alpha)
		if !isTurned {
			weight = weight.view(ir.ViewOf(weight.shape).Permute([]int{1, 0}))
		}
		if bias, err := flatBias(constantOf(b), weight.shape[0]); err == nil {
			return im.dense(n, im.Name(layerName(n, w.c)), x, weight, scaled(bias, beta))
		}
	}
	if isTurned {
		w = c.transpose("weights", w, 1, 0)
	}
	y := c.binary("MatMul", "", x, w)
	if alpha != 1 {
		y = c.do("Mul", "alpha", []*operand{y, number1(alpha)})
	}
	if b != nil {
		if beta != 1 {
			b = c.do("Mul", "beta", []*operand{b, number1(beta)})
		}
		y = c.binary("Add", "sum", y, b)
	}
	return c.result(y)
}

// constantOf is the constant of an operand, nil where it is absent or computed.
func constantOf(o *operand) *tensor {
	if o == nil {
		return nil
	}
	return o.c
}

// dense is x[...,I] times weights [O,I]: a linear layer of one row, of more a
// convolution of pixels.
func (im *importer) dense(_ *pb.Node, name string, x *operand, weight, bias *tensor) ([]*operand, error) {
	inputs := weight.shape[1]
	if len(x.shape) == 0 || x.shape[len(x.shape)-1] != inputs {
		return nil, fmt.Errorf("of shapes %v and %v", x.shape, weight.shape)
	}
	rows := x.shape[:len(x.shape)-1]
	outShape := append(slices.Clone(rows), weight.shape[0])
	if build.Product(rows) != 1 {
		return im.denseRows(name, x, weight, bias, outShape)
	}
	wc, bc, err := im.weights(name, weight, ir.Shape(weight.shape), bias)
	if err != nil {
		return nil, err
	}
	if x.v == nil {
		return nil, errors.New("has a constant for an argument that must be computed")
	}
	y, err := im.AddNamed(ir.Linear, name, []*ir.Value{x.v}, slices.Concat(weight.kept(), []ir.Attr{ir.AttrWeight.Is(wc), ir.AttrBias.Is(bc)})...)
	if err != nil {
		return nil, err
	}
	return result(y, outShape), nil
}

// matmul is a linear layer where the second argument is a constant; an addition
// of a constant after it is its bias.
func matmul(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	a, b := in[0], in[1]
	switch {
	case len(a.shape) == 0 || len(b.shape) == 0:
		return nil, fmt.Errorf("of shapes %v and %v", a.shape, b.shape)
	case len(a.shape) == 1 || len(b.shape) == 1:
		return im.matmulOfVectors(n, a, b)
	case a.shape[len(a.shape)-1] != b.shape[len(b.shape)-2]:
		return nil, fmt.Errorf("of shapes %v and %v, which do not fit", a.shape, b.shape)
	case b.c == nil && a.c == nil:
		return im.product2(n, a, b)
	case a.c != nil && b.c != nil:
		return nil, errors.New("of two constants")
	case a.c != nil:
		return im.weightsFirst(n, layerName(n, a.c), a, b)
	case build.Product(b.shape[:len(b.shape)-2]) != 1:
		// The product is that of both turned around, in the other order.
		c := im.compose(n)
		outs, err := im.weightsFirst(n, layerName(n, b.c), c.turned("weights", b), c.turned("in", a))
		if err != nil || c.err != nil {
			return nil, errors.Join(err, c.err)
		}
		return c.result(c.turned("out", outs[0]))
	}
	name := im.Name(layerName(n, b.c))
	weight := b.c.reshaped(b.shape[len(b.shape)-2:])
	weight = weight.view(ir.ViewOf(weight.shape).Permute([]int{1, 0}))
	bias, add := im.biasBehind(n, weight.shape[0])
	outs, err := im.dense(n, name, a, weight, bias)
	if err != nil {
		return nil, err
	}
	if extra := len(b.shape) - len(a.shape); extra > 0 { // axes of one that the weights have
		outs[0].shape = slices.Concat(slices.Repeat([]int{1}, extra), outs[0].shape)
	}
	if add != nil {
		im.done[add] = true
		im.set(add.Output[0], outs[0])
	}
	return outs, nil
}

// turned is an operand with its last two axes exchanged.
func (c *composer) turned(role string, x *operand) *operand {
	if c.err != nil {
		return x
	}
	perm := make([]int, len(x.shape))
	for k := range perm {
		perm[k] = k
	}
	last := len(perm) - 1
	perm[last], perm[last-1] = last-1, last
	return c.transpose(role, x, perm...)
}

// matmulOfVectors is a product with one vector or two, as matrices of one row or column.
func (im *importer) matmulOfVectors(n *pb.Node, a, b *operand) ([]*operand, error) {
	c := im.compose(n)
	shape, err := build.Broadcast(a.shape[:max(len(a.shape)-2, 0)], b.shape[:max(len(b.shape)-2, 0)])
	if err != nil {
		return nil, err
	}
	shape = slices.Clone(shape)
	if len(a.shape) == 1 {
		a = c.reshape("row", a, []int{1, a.shape[0]})
	} else {
		shape = append(shape, a.shape[len(a.shape)-2])
	}
	if len(b.shape) == 1 {
		b = c.reshape("column", b, []int{b.shape[0], 1})
	} else {
		shape = append(shape, b.shape[len(b.shape)-1])
	}
	return c.result(c.reshape("vector", c.binary("MatMul", "", a, b), shape))
}

// weightsFirst is constant matrices [...,M,K] times computed ones [...,K,N]: the inputs of
// a convolution of N pixels, grouped where there are several matrices of weights.
func (im *importer) weightsFirst(n *pb.Node, hint string, w, x *operand) ([]*operand, error) {
	c := im.compose(n)
	rw, rx := len(w.shape), len(x.shape)
	m, k, cols := w.shape[rw-2], w.shape[rw-1], x.shape[rx-1]
	outer, err := build.Broadcast(w.shape[:rw-2], x.shape[:rx-2])
	if err != nil {
		return nil, err
	}
	batch, groups := build.Product(outer), build.Product(w.shape[:rw-2])
	image := ir.Shape{k, cols, 1}
	switch {
	case groups > 1: // as many products as matrices
		if groups != batch {
			w = c.do("Expand", "weights", []*operand{w, list1(slices.Concat(outer, []int{m, k})...)})
		}
		if groups = batch; build.Product(x.shape[:rx-2]) != batch {
			x = c.do("Expand", "wide", []*operand{x, list1(slices.Concat(outer, []int{k, cols})...)})
		}
		image[0] = groups * k
	case batch > 1: // one matrix for all: their columns lie side by side
		x = c.transpose("in", c.reshape("matrices", x, []int{batch, k, cols}), 1, 0, 2)
		image[1] = batch * cols
	}
	if c.err != nil {
		return nil, c.err
	}
	v, err := im.as(x, image)
	if err != nil {
		return nil, err
	}
	name := im.Name(hint)
	wc, _, err := im.weights(name, w.c, ir.Shape{groups * m, k, 1, 1}, nil)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{v}, slices.Concat(w.c.kept(), []ir.Attr{ir.AttrWeight.Is(wc), ir.AttrGroups.Is(groups)})...)
	if err != nil {
		return nil, err
	}
	if y, err = im.Reshape(y, ir.Shape{groups * m, image[1]}); err != nil {
		return nil, err
	}
	out := &operand{v: y, shape: []int{groups * m, image[1]}}
	if groups == 1 && batch > 1 {
		out = c.transpose("out", c.reshape("columns", out, []int{m, batch, cols}), 1, 0, 2)
	}
	return c.result(c.reshape("own", out, slices.Concat(outer, []int{m, cols})))
}

// biasBehind finds the only use of a node's result, where it is the addition of
// one number a channel.
func (im *importer) biasBehind(n *pb.Node, channels int) (*tensor, *pb.Node) {
	if n.Output[0] == "" || im.results[n.Output[0]] { // of a composition, or also a result
		return nil, nil
	}
	users := im.users[n.Output[0]]
	if len(users) != 1 || users[0].GetOpType() != "Add" || len(users[0].Input) != 2 || len(users[0].Output) != 1 {
		return nil, nil
	}
	add := users[0]
	other := add.Input[0]
	if other == n.Output[0] {
		other = add.Input[1]
	}
	o := im.values[other]
	if o == nil || o.c == nil || !o.c.typ.isFloat() || o.c.size() != channels || len(o.shape) == 0 || o.shape[len(o.shape)-1] != channels {
		return nil, nil
	}
	return o.c.reshaped([]int{channels}), add
}

func batchNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in[0].shape) > 1 && in[0].shape[0] != 1 && intAttr(n, "training_mode", 0) == 0 {
		return im.batchNormOfSeveral(n, in)
	}
	v, spatial := in[0].v, 0
	var err error
	switch {
	case v != nil && len(in[0].shape) == 2: // of features, which may be those of a flattened image
		v, err = im.as(in[0], ir.Shape{in[0].shape[1]})
	case len(in[0].shape) == 5: // of a volume, whose images lie one below the other
		s := in[0].shape
		v, err = im.as(in[0], ir.Shape{s[1], s[2] * s[3], s[4]})
	case len(in[0].shape) > 2:
		v, spatial, err = im.image(in[0])
	}
	if err != nil {
		return nil, err
	}
	if v == nil || intAttr(n, "training_mode", 0) != 0 {
		return nil, errors.New("in training mode, or of a constant")
	}
	var c [4]*ir.Const
	var name string
	for i, key := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		t, err := constant(in, 1+i, "parameters")
		if err != nil {
			return nil, err
		}
		if i == 0 {
			name = im.Name(layerName(n, t))
		}
		if !t.typ.isFloat() || len(t.shape) != 1 {
			return nil, fmt.Errorf("has parameters of shape %v", t.shape)
		}
		c[i] = im.Const(name+key, ir.Shape(t.shape), t.float32s())
	}
	y, err := im.AddNamed(ir.BatchNorm, name, []*ir.Value{v}, ir.AttrEps.Is(build.ShortFloat(floatAttr(n, "epsilon", 1e-5))),
		ir.AttrGamma.Is(c[0]), ir.AttrBeta.Is(c[1]), ir.AttrRunningMean.Is(c[2]), ir.AttrVariance.Is(c[3]))
	if err != nil {
		return nil, err
	}
	if spatial == 0 {
		y, err = im.Reshape(y, build.Canonical(in[0].shape))
		return result(y, in[0].shape), err
	}
	return result(y, imageShape(y, spatial)), nil
}

// denseRows is a linear layer of several rows x[...,I]: a convolution of pixels,
// of an image [I,rows,1].
func (im *importer) denseRows(name string, x *operand, weight, bias *tensor, outShape []int) ([]*operand, error) {
	inputs := weight.shape[1]
	rows := build.Product(x.shape) / inputs
	flat, err := im.as(x, ir.Shape{rows, inputs})
	if err != nil {
		return nil, err
	}
	turned, err := im.Add(ir.Transpose, name+".in", []*ir.Value{flat}, ir.AttrPerm.Is([]int{1, 0}))
	if err != nil {
		return nil, err
	}
	image, err := im.Reshape(turned, ir.Shape{inputs, rows, 1})
	if err != nil {
		return nil, err
	}
	wc, bc, err := im.weights(name, weight, ir.Shape{weight.shape[0], inputs, 1, 1}, bias)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{image}, slices.Concat(weight.kept(), []ir.Attr{ir.AttrWeight.Is(wc), ir.AttrBias.Is(bc)})...)
	if err != nil {
		return nil, err
	}
	if y, err = im.Reshape(y, ir.Shape{weight.shape[0], rows}); err != nil {
		return nil, err
	}
	if y, err = im.Add(ir.Transpose, name+".out", []*ir.Value{y}, ir.AttrPerm.Is([]int{1, 0})); err != nil {
		return nil, err
	}
	return result(y, outShape), nil
}

// convTranspose is a convolution of the image with zeros between its pixels, by
// the weights turned around.
func convTranspose(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	weight, err := constant(in, 1, "weights")
	if err != nil {
		return nil, err
	}
	bias, err := constant(in, 2, "biases")
	if err != nil {
		return nil, err
	}
	v, spatial, err := im.image(in[0])
	if err != nil {
		return nil, err
	}
	if len(weight.shape) != spatial+2 || weight.shape[0] != in[0].shape[1] {
		return nil, fmt.Errorf("has weights of shape %v", weight.shape)
	}
	w, err := im.window(n, v, spatial, weight.shape[2:])
	if err != nil {
		return nil, err
	}
	extra, err := both(intsAttr(n, "output_padding"), spatial, 0)
	if err != nil {
		return nil, err
	}
	if err := w.enlarge(n, v.Type.Shape[1:], extra, spatial); err != nil {
		return nil, err
	}
	cut := [4]int{} // what pads beyond the window take away from the result
	before, after, between := []int{0, 0, 0}, []int{0, 0, 0}, []int{0, w.stride[0] - 1, w.stride[1] - 1}
	for i := range 2 {
		extent := (w.kernel[i] - 1) * w.dilation[i]
		before[1+i], after[1+i] = extent-w.pad[i], extent-w.pad[2+i]+extra[i]
		if extra[i] < 0 || extra[i] > 1<<20 {
			return nil, fmt.Errorf("has the output_padding %v", extra)
		}
		cut[i], cut[2+i] = max(-before[1+i], 0), max(-after[1+i], 0)
		before[1+i], after[1+i] = max(before[1+i], 0), max(after[1+i], 0)
	}
	x := v
	if slices.Max(before)+slices.Max(after)+slices.Max(between) > 0 {
		if x, err = im.Add(ir.Pad, moduleName(n)+".pad", []*ir.Value{v}, ir.AttrBefore.Is(before), ir.AttrAfter.Is(after), ir.AttrBetween.Is(between)); err != nil {
			return nil, err
		}
	}
	// [I, O/g, KH, KW] becomes [O, I/g, KH, KW], taps in reverse order.
	groups := intAttr(n, "group", 1)
	s := weight.shape
	if groups < 1 || s[0]%groups != 0 {
		return nil, fmt.Errorf("has %d groups of %d channels", groups, s[0])
	}
	full := []int{s[0], s[1], w.kernel[0], w.kernel[1]}
	wv := ir.ViewOf(full).Slice(2, full[2]-1, -1, full[2]).Slice(3, full[3]-1, -1, full[3]).Split(0, s[0]/groups).Permute([]int{0, 2, 1, 3, 4})
	turned := weight.reshaped(full).view(wv).reshaped([]int{groups * s[1], s[0] / groups, full[2], full[3]})
	name := im.Name(layerName(n, weight))
	wc, bc, err := im.weights(name, turned, ir.Shape(turned.shape), bias)
	if err != nil {
		return nil, err
	}
	y, err := im.AddNamed(ir.Conv2D, name, []*ir.Value{x}, ir.AttrDilation.Is(w.dilation), ir.AttrGroups.Is(groups), ir.AttrWeight.Is(wc), ir.AttrBias.Is(bc))
	if err != nil {
		return nil, err
	}
	out := &operand{v: y, shape: imageShape(y, spatial)}
	c := im.compose(n)
	for i := 2 - spatial; i < 2; i++ {
		axis := i + spatial
		if size := out.shape[axis]; cut[i]+cut[2+i] >= size {
			return nil, fmt.Errorf("has pads %v beyond its window, which leave nothing of %d pixels", w.pad, size)
		}
		if out = c.slice("cut", out, axis, cut[i], out.shape[axis]-cut[2+i]); c.err != nil {
			return nil, c.err
		}
	}
	return c.result(out)
}

// enlarge gives the window of a transposed convolution the pads that auto_pad or
// output_shape ask for, of an image of a size [height, width].
func (w *window) enlarge(n *pb.Node, size ir.Shape, extra []int, spatial int) error {
	mode := textAttr(n, "auto_pad", "NOTSET")
	shape := intsAttr(n, "output_shape")
	if shape == nil && mode != "SAME_UPPER" && mode != "SAME_LOWER" {
		return nil
	}
	if len(shape) == spatial+2 {
		shape = shape[2:]
	}
	to, err := both(shape, spatial, 1)
	if err != nil {
		return err
	}
	for i := 2 - spatial; i < 2; i++ {
		if shape == nil {
			to[i] = size[i] * w.stride[i]
		}
		all := w.stride[i]*(size[i]-1) + extra[i] + (w.kernel[i]-1)*w.dilation[i] + 1 - to[i]
		if shape == nil && all < 0 {
			return fmt.Errorf("with auto_pad %s and strides %v above its window %v, of which implementations give different sizes: export it with pads", mode, w.stride, w.kernel)
		}
		if to[i] < 1 || -all > 1<<20 {
			return fmt.Errorf("has the output_shape %v of an image of %v", shape, []int(size))
		}
		w.pad[i], w.pad[2+i] = all-all/2, all/2
		if mode == "SAME_UPPER" {
			w.pad[i], w.pad[2+i] = all/2, all-all/2
		}
		if all < 0 { // zeros that no pixel reaches lie after
			w.pad[i], w.pad[2+i] = 0, all
		}
	}
	return nil
}

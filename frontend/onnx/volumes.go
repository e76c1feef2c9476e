package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// volumePool imports a pooling of [1,C,D,H,W] as one of each image [H,W], and one along D of
// their results: the greatest of the greatest, and a mean of means, as all windows of a row
// of results have as many pixels.
func (im *importer) volumePool(op ir.Op, n *pb.Node, x *operand) ([]*operand, error) {
	const dims = 3
	s := x.shape
	if s[0] != 1 {
		return nil, fmt.Errorf("of a batch of %d; networks are compiled for one, which -shape can say", s[0])
	}
	lengths := map[string]int{"kernel_shape": dims, "strides": dims, "dilations": dims, "pads": 2 * dims}
	for _, a := range n.Attribute {
		if list, want := a.GetInts(), lengths[a.GetName()]; list != nil && want > 0 && len(list) != want {
			return nil, fmt.Errorf("has %d numbers in %s for %d dimensions", len(list), a.GetName(), dims)
		}
	}
	c := im.compose(n)
	step := func(role string, x *operand, axes ...int) *operand {
		if c.err != nil {
			return nil
		}
		own := c.node(n.GetOpType(), role, len(n.Output), nil)
		for _, a := range n.Attribute {
			if list := a.GetInts(); list != nil && lengths[a.GetName()] > 0 {
				a = &pb.Attribute{Name: a.Name, Ints: pick(list, axes, dims)}
			}
			own.Attribute = append(own.Attribute, a)
		}
		outs, err := pool(op)(im, own, []*operand{x})
		if err != nil {
			c.err = err
			return nil
		}
		out := *outs[0]
		out.q = x.q
		return &out
	}
	y := step("images", c.reshape("images.in", x, []int{1, s[1] * s[2], s[3], s[4]}), 1, 2)
	if c.err != nil {
		return nil, c.err
	}
	height, width := y.shape[2], y.shape[3]
	depth := step("depth", c.reshape("depth.in", y, []int{1, s[1], s[2], height * width}), 0)
	if c.err != nil {
		return nil, c.err
	}
	return c.result(c.reshape("", depth, []int{1, s[1], depth.shape[2], height, width}))
}

// volumeConv imports a convolution of [1,C,D,H,W] as one of images for each place along the depth: the
// pixels of the kernel's depth are channels of an image. All share their weights.
func (im *importer) volumeConv(n *pb.Node, in []*operand) ([]*operand, error) {
	const dims = 3
	x, s := in[0], in[0].shape
	if s[0] != 1 {
		return nil, fmt.Errorf("of a batch of %d; networks are compiled for one, which -shape can say", s[0])
	}
	weight, bias, err := weighted(in, dims)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	images, depth := c.node(n.GetOpType(), "", 1, nil), c.node(n.GetOpType(), "", 1, nil)
	for _, a := range n.Attribute {
		want := map[string]int{"strides": dims, "dilations": dims, "pads": 2 * dims}[a.GetName()]
		switch list := a.GetInts(); {
		case list != nil && want > 0 && len(list) != want:
			return nil, fmt.Errorf("has %d numbers in %s for %d dimensions", len(list), a.GetName(), dims)
		case list != nil && want > 0:
			images.Attribute = append(images.Attribute, &pb.Attribute{Name: a.Name, Ints: pick(list, []int{1, 2}, dims)})
			depth.Attribute = append(depth.Attribute, &pb.Attribute{Name: a.Name, Ints: pick(list, []int{0}, dims)})
		case a.GetName() != "kernel_shape":
			images.Attribute, depth.Attribute = append(images.Attribute, a), append(depth.Attribute, a)
		}
	}
	image := func(of ...int) *ir.Value { return &ir.Value{Type: ir.Type{Shape: of}} }
	across, err := im.window(images, image(1, s[3], s[4]), 2, weight.shape[3:])
	if err != nil {
		return nil, err
	}
	along, err := im.window(depth, image(1, s[2], 1), 2, []int{weight.shape[2], 1})
	if err != nil {
		return nil, err
	}
	kernel, stride, dilation, before, after := along.kernel[0], along.stride[0], along.dilation[0], along.pad[0], along.pad[2]
	steps := (s[2]+before+after-(kernel-1)*dilation-1)/stride + 1
	switch {
	case s[2]+before+after <= (kernel-1)*dilation || steps < 1:
		return nil, fmt.Errorf("has a kernel of %d images, %d apart, of a depth of %d", kernel, dilation, s[2]+before+after)
	case steps > build.MaxSteps:
		return nil, fmt.Errorf("has %d places along the depth; at most %d are unrolled", steps, build.MaxSteps)
	}
	x = c.reshape("images", x, []int{1, s[1], s[2], s[3] * s[4]})
	if before+after > 0 {
		x = c.do("Pad", "depth", []*operand{x, list1(0, 0, before, 0, 0, 0, after, 0)})
	}
	name := im.Name(layerName(n, weight))
	w, b, err := im.weights(name, weight, ir.Shape{weight.shape[0], weight.shape[1] * kernel, across.kernel[0], across.kernel[1]}, bias)
	if err != nil {
		return nil, err
	}
	var parts []*operand
	for d := range steps {
		at := make([]int, kernel)
		for k := range at {
			at[k] = d*stride + k*dilation
		}
		part := c.reshape(fmt.Sprint("in", d), c.pick(fmt.Sprint("at", d), x, 2, at), []int{1, s[1] * kernel, s[3], s[4]})
		if c.err != nil {
			return nil, c.err
		}
		v, _, err := im.image(part)
		if err != nil {
			return nil, err
		}
		own := name
		if d > 0 {
			own = im.Name(fmt.Sprint(name, ".", d))
		}
		y, err := im.AddNamed(ir.Conv2D, own, []*ir.Value{v}, ir.AttrStride.Is(across.stride), ir.AttrPad.Is(across.pad),
			ir.AttrDilation.Is(across.dilation), ir.AttrGroups.Is(intAttr(n, "group", 1)), ir.AttrWeight.Is(w), ir.AttrBias.Is(b))
		if err != nil {
			return nil, err
		}
		of := imageShape(y, 2)
		parts = append(parts, c.reshape(fmt.Sprint("out", d), result(y, of)[0], []int{1, of[1], 1, of[2], of[3]}))
	}
	return c.result(c.do("Concat", "", parts, setting{"axis", 2}))
}

// pick takes the numbers of some axes of a list that has one or two numbers an axis. One axis
// becomes the first of two, the other of which is left as it is.
func pick(list []int64, axes []int, dims int) (out []int64) {
	for k := 0; k < len(list); k += dims {
		for _, a := range axes {
			out = append(out, list[k+a])
		}
		if len(axes) == 1 {
			out = append(out, 1-int64(min(len(list)/dims-1, 1)))
		}
	}
	return out
}

// accumulated imports CumSum: a product with a matrix of ones and zeros.
func accumulated(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 1, "an axis")
	if err != nil {
		return nil, err
	}
	x, err := t.numbers()
	if err != nil || len(x) != 1 {
		return nil, errors.New("has an axis that is not one number")
	}
	rank := len(in[0].shape)
	axis, err := build.Axis(int(x[0]), rank)
	if err != nil {
		return nil, err
	}
	size := in[0].shape[axis]
	if err := im.room(size * size); err != nil {
		return nil, err
	}
	ones, isBack := make([]float64, size*size), intAttr(n, "reverse", 0) != 0
	least := intAttr(n, "exclusive", 0) // of the distance from what is summed to the sum
	for from := range size {
		for to := range size {
			distance := to - from
			if isBack {
				distance = -distance
			}
			if distance >= least {
				ones[from*size+to] = 1
			}
		}
	}
	perm := make([]int, rank)
	for k := range perm {
		perm[k] = k
	}
	perm[axis], perm[rank-1] = rank-1, axis
	c := im.compose(n)
	rows := c.transpose("rows", in[0], perm...)
	sums := c.binary("MatMul", "sums", rows, &operand{c: newTensor(float32Type, []int{size, size}, ones), shape: []int{size, size}})
	return c.result(c.transpose("", sums, slices.Clone(perm)...))
}

// triangle imports Trilu of computed values: a choice between them and 0.
func triangle(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	if len(shape) < 2 {
		return nil, fmt.Errorf("of the shape %v, which has no matrices", shape)
	}
	matrix := shape[len(shape)-2:]
	if err := im.room(build.Product(matrix)); err != nil {
		return nil, err
	}
	if _, err := constant(in, 1, "a diagonal"); err != nil {
		return nil, err
	}
	whole := &operand{c: newTensor(float32Type, matrix, slices.Repeat([]float64{1}, build.Product(matrix))), shape: matrix}
	kept, err := foldTrilu(im, n, append([]*operand{whole}, in[1:]...))
	if err != nil {
		return nil, err
	}
	return where(im, n, []*operand{{c: kept, shape: matrix}, in[0], number1(0)})
}

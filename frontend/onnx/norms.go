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

// standardized are rows [R,S] divided by the root of their mean square plus eps, less
// their mean first where they are centred; with the means and the factors [R,1].
func (c *composer) standardized(x *operand, eps float64, isCentred bool) (y, mean, factor *operand) {
	if isCentred {
		mean = c.reduce("ReduceMean", "mean", x, []int{1})
		x = c.binary("Sub", "deviation", x, mean)
	}
	sum := c.sumOfSquares("variance", x)
	if c.err != nil {
		return nil, nil, nil
	}
	factor = c.function(ir.Pow, "factor", sum, ir.AttrExponent.Is(-.5), ir.AttrGain.Is(1/float64(x.shape[1])), ir.AttrOffset.Is(build.ShortFloat(eps)))
	return c.binary("Mul", "", x, factor), mean, factor
}

// sumOfSquares is one number [R,1] for each of rows [R,S]: the product of the row with
// itself, which integers sum exactly before they are rounded once.
func (c *composer) sumOfSquares(role string, x *operand) *operand {
	if c.err != nil {
		return nil
	}
	rows, size := x.shape[0], x.shape[1]
	if size > ir.LongestSquare {
		return c.reduce("ReduceSum", role, c.binary("Mul", role+".square", x, x), []int{1})
	}
	return c.reshape(role+".rows", c.binary("MatMul", role, c.reshape(role+".row", x, []int{rows, 1, size}), c.reshape(role+".column", x, []int{rows, size, 1})), []int{rows, 1})
}

// scaled is x times a scale plus an offset, each of which may be absent.
func (c *composer) scaled(x, scale, offset *operand) *operand {
	if scale != nil {
		x = c.binary("Mul", "scaled", x, scale)
	}
	if offset != nil {
		x = c.binary("Add", "shifted", x, offset)
	}
	return x
}

// argument is argument i, nil where it is absent.
func argument(in []*operand, i int) *operand {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// lastAxes divides a shape before an axis: the rows that are standardized, and the shape
// of what is one number a row.
func lastAxes(n *pb.Node, shape []int) (rows, kept []int, err error) {
	axis, err := build.Axis(intAttr(n, "axis", -1), len(shape))
	if err != nil {
		return nil, nil, err
	}
	kept = slices.Clone(shape)
	for k := axis; k < len(shape); k++ {
		kept[k] = 1
	}
	return []int{build.Product(shape[:axis]), build.Product(shape[axis:])}, kept, nil
}

func layerNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	return im.normalizedRows(n, in, true)
}

// rmsNorm is a layer normalization that takes no mean away.
func rmsNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	return im.normalizedRows(n, in, false)
}

func (im *importer) normalizedRows(n *pb.Node, in []*operand, isCentred bool) ([]*operand, error) {
	shape := in[0].shape
	rows, kept, err := lastAxes(n, shape)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	y, mean, factor := c.standardized(c.reshape("rows", in[0], rows), floatAttr(n, "epsilon", 1e-5), isCentred)
	outs := []*operand{c.scaled(c.reshape("own", y, shape), argument(in, 1), argument(in, 2))}
	for i, o := range []*operand{mean, factor} {
		switch {
		case i+1 >= len(n.Output) || n.Output[i+1] == "":
			outs = append(outs, nil)
		case !isCentred:
			return nil, errors.New("gives more than what is normalized")
		default:
			outs = append(outs, c.reshape([]string{"means", "factors"}[i], o, kept))
		}
	}
	return outs, c.err
}

// skipped imports onnxruntime's normalization of a sum: of the first two arguments and
// argument bias; the sum itself is result 3.
func skipped(norm runner, bias int) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		c := im.compose(n)
		sum := c.binary("Add", "sum", in[0], in[1])
		if b := argument(in, bias); b != nil {
			sum = c.binary("Add", "bias", sum, b)
		}
		if c.err != nil {
			return nil, c.err
		}
		args := []*operand{sum, argument(in, 2)}
		if bias == 4 {
			args = append(args, argument(in, 3))
		}
		for i := 1; i < min(len(n.Output), 3); i++ {
			if n.Output[i] != "" {
				return nil, errors.New("gives its mean or deviation")
			}
		}
		outs, err := norm(im, c.node("LayerNormalization", "norm", 1, []setting{{"epsilon", floatAttr(n, "epsilon", 1e-5)}}), args)
		if err != nil {
			return nil, err
		}
		return []*operand{outs[0], nil, nil, sum}, nil
	}
}

// channels is a vector of one number a channel as a tensor that broadcasts to rank
// dimensions, the channels being axis 1.
func (c *composer) channels(role string, x *operand, count, rank int) *operand {
	if c.err == nil && build.Product(x.shape) != count {
		c.err = fmt.Errorf("has parameters of shape %v for %d channels", x.shape, count)
	}
	return c.reshape(role, x, append([]int{count}, slices.Repeat([]int{1}, rank-2)...))
}

func instanceNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	s := in[0].shape
	if len(s) < 3 {
		return nil, fmt.Errorf("of a tensor of shape %v, which has nothing besides batch and channels", s)
	}
	return im.normalizedGroups(n, in, s[1])
}

func groupNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	s, groups := in[0].shape, intAttr(n, "num_groups", 0)
	if len(s) < 2 || groups < 1 || s[1]%groups != 0 {
		return nil, fmt.Errorf("has %d groups of a tensor of shape %v", groups, s)
	}
	if im.opset < 21 { // one scale and offset a group
		in = slices.Clone(in)
		c := im.compose(n)
		for i := 1; i < 3; i++ {
			if c.err == nil && in[i] != nil {
				wide := c.do("Expand", "wide", []*operand{c.reshape("group", in[i], []int{groups, 1}), list1(groups, s[1]/groups)})
				in[i] = c.reshape("channels", wide, []int{s[1]})
			}
		}
		if c.err != nil {
			return nil, c.err
		}
	}
	return im.normalizedGroups(n, in, groups)
}

// normalizedGroups standardizes groups of channels, and gives each channel its scale and
// offset.
func (im *importer) normalizedGroups(n *pb.Node, in []*operand, groups int) ([]*operand, error) {
	s := in[0].shape
	c := im.compose(n)
	rows := []int{s[0] * groups, build.Product(s) / s[0] / groups}
	y, _, _ := c.standardized(c.reshape("rows", in[0], rows), floatAttr(n, "epsilon", 1e-5), true)
	return c.result(c.scaled(c.reshape("own", y, s), c.channels("scale", in[1], s[1], len(s)), c.channels("offset", in[2], s[1], len(s))))
}

// meanVariance standardizes along any axes.
func meanVariance(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	axes := intsAttr(n, "axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	set, err := axesOf(axes, len(in[0].shape))
	if err != nil {
		return nil, err
	}
	return im.normalizedAlong(n, in[0], set, func(c *composer, rows *operand) *operand {
		y, _, _ := c.standardized(rows, 1e-9, true)
		return y
	})
}

// normalizedAlong brings axes after all others, normalizes rows, and brings them back.
func (im *importer) normalizedAlong(n *pb.Node, x *operand, set []bool, norm func(c *composer, rows *operand) *operand) ([]*operand, error) {
	var perm, moved []int
	for k, one := range set {
		if !one {
			perm = append(perm, k)
		}
	}
	rows := 1
	for _, k := range perm {
		rows *= x.shape[k]
	}
	for k, one := range set {
		if one {
			perm = append(perm, k)
		}
	}
	back := make([]int, len(perm))
	for i, k := range perm {
		back[k] = i
		moved = append(moved, x.shape[k])
	}
	c := im.compose(n)
	y := norm(c, c.reshape("rows", c.transpose("turned", x, perm...), []int{rows, build.Product(x.shape) / rows}))
	return c.result(c.transpose("back", c.reshape("own", y, moved), back...))
}

// least is added to norms, which makes 0 of vectors of zeros.
const least = 1e-30

func lpNorm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	axis, err := build.Axis(intAttr(n, "axis", -1), len(in[0].shape))
	if err != nil {
		return nil, err
	}
	p := intAttr(n, "p", 2)
	if p != 1 && p != 2 {
		return nil, fmt.Errorf("has the norm %d; norms 1 and 2 can be imported", p)
	}
	set := make([]bool, len(in[0].shape))
	set[axis] = true
	return im.normalizedAlong(n, in[0], set, func(c *composer, rows *operand) *operand { return c.unit(rows, p) })
}

// unit is rows divided by their norm p.
func (c *composer) unit(rows *operand, p int) *operand {
	if c.err != nil {
		return nil
	}
	if p == 1 {
		sum := c.reduce("ReduceSum", "sum", c.do("Abs", "abs", []*operand{rows}), []int{1})
		return c.binary("Mul", "", rows, c.function(ir.Pow, "factor", sum, ir.AttrExponent.Is(-1.), ir.AttrOffset.Is(least)))
	}
	if rows.shape[1] > ir.LongestSquare {
		sum := c.sumOfSquares("sum", rows)
		return c.binary("Mul", "", rows, c.function(ir.Pow, "factor", sum, ir.AttrExponent.Is(-.5), ir.AttrOffset.Is(least)))
	}
	own := build.Canonical(rows.shape)
	v, err := c.im.as(rows, own)
	if err == nil {
		v, err = c.im.Add(ir.L2Norm, moduleName(c.n), []*ir.Value{v}, ir.AttrAxis.Is(len(own)-1))
	}
	if c.err = err; err != nil {
		return nil
	}
	return &operand{v: v, shape: rows.shape}
}

// lrn divides each element by a power of the mean square of its neighbours in other
// channels; those outside of the image are 0.
func lrn(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	s, size := in[0].shape, intAttr(n, "size", 0)
	if len(s) < 2 || size < 1 || size > 1<<20 {
		return nil, fmt.Errorf("of %d channels of a tensor of shape %v", size, s)
	}
	c := im.compose(n)
	rest := build.Product(s[2:])
	square := c.reshape("rows", c.binary("Mul", "square", in[0], in[0]), []int{s[0], s[1], rest})
	wide := c.do("Pad", "edge", []*operand{square, list1(0, (size-1)/2, 0, 0, size/2, 0)})
	if c.err != nil {
		return nil, c.err
	}
	v, err := im.as(wide, ir.Shape{s[0], s[1] + size - 1, rest})
	if err != nil {
		return nil, err
	}
	mean, err := im.Add(ir.AvgPool2D, moduleName(n)+".mean", []*ir.Value{v}, ir.AttrKernel.Is([]int{size, 1}), ir.AttrStride.Is([]int{1, 1}))
	if err != nil {
		return nil, err
	}
	factor := c.function(ir.Pow, "factor", &operand{v: mean, shape: []int{s[0], s[1], rest}}, ir.AttrExponent.Is(-build.ShortFloat(floatAttr(n, "beta", .75))),
		ir.AttrGain.Is(build.ShortFloat(floatAttr(n, "alpha", .0001))), ir.AttrOffset.Is(build.ShortFloat(floatAttr(n, "bias", 1))))
	return c.result(c.binary("Mul", "", in[0], c.reshape("own", factor, s)))
}

// batchNormOfSeveral is a batch normalization of a batch of several: a scale and an offset
// of each channel.
func (im *importer) batchNormOfSeveral(n *pb.Node, in []*operand) ([]*operand, error) {
	var p [4][]float64
	for i := range p {
		t, err := constant(in, 1+i, "parameters")
		if err != nil {
			return nil, err
		}
		if p[i], err = t.numbers(); err != nil || len(p[i]) != in[0].shape[1] {
			return nil, fmt.Errorf("has parameters of shape %v for %d channels", t.shape, in[0].shape[1])
		}
	}
	scale, offset := make([]float64, len(p[0])), make([]float64, len(p[0]))
	for i := range scale {
		scale[i] = p[0][i] / math.Sqrt(p[3][i]+floatAttr(n, "epsilon", 1e-5))
		offset[i] = p[1][i] - p[2][i]*scale[i]
	}
	c, rank := im.compose(n), len(in[0].shape)
	vector := func(x []float64) *operand {
		return c.channels("parameters", &operand{c: newTensor(float32Type, []int{len(x)}, x), shape: []int{len(x)}}, len(x), rank)
	}
	return c.result(c.scaled(in[0], vector(scale), vector(offset)))
}

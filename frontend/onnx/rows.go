package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// softmaxOf imports softmax and its logarithm. Before opset 13 the axes from the
// given one on count as one.
func softmaxOf(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		shape := in[0].shape
		absent := -1
		if im.opset < 13 {
			absent = 1
		}
		axis, err := build.Axis(intAttr(n, "axis", absent), max(len(shape), 1))
		if err != nil {
			return nil, err
		}
		dims := slices.Clone(shape)
		if im.opset < 13 {
			dims = []int{build.Product(shape[:axis]), build.Product(shape[axis:])}
			axis = 1
		}
		own := build.Canonical(dims)
		v, err := im.as(in[0], own)
		if err != nil {
			return nil, err
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{v}, ir.AttrAxis.Is(max(axis-(max(len(dims), 1)-len(own)), 0)))
		if err != nil {
			return nil, err
		}
		return result(y, shape), nil
	}
}

// reduction imports ReduceMean and its like; a mean over the pixels of an image is
// a global pooling.
func reduction(fn string) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		set, err := reduceAxes(n, in)
		if err != nil {
			return nil, err
		}
		shape := in[0].shape
		var kept, axes []int
		keep := intAttr(n, "keepdims", 1) == 1
		for k, d := range shape {
			switch {
			case set[k] && d > 1:
				axes = append(axes, k)
				fallthrough
			case set[k]:
				if keep {
					kept = append(kept, 1)
				}
			default:
				kept = append(kept, d)
			}
		}
		if len(axes) == 0 {
			return []*operand{{v: in[0].v, shape: kept}}, nil
		}
		if len(shape) == 4 && shape[0] == 1 && fn == ir.ReduceMean && slices.Equal(axes, []int{2, 3}) {
			v, _, err := im.image(in[0])
			if err != nil {
				return nil, err
			}
			y, err := im.Add(ir.GlobalAvgPool, moduleName(n), []*ir.Value{v})
			if err != nil {
				return nil, err
			}
			return result(y, kept), nil
		}
		own := build.Canonical(shape)
		v, err := im.as(in[0], own)
		if err != nil {
			return nil, err
		}
		for i := range axes {
			axes[i] -= len(shape) - len(own)
		}
		y, err := im.Add(ir.Reduce, moduleName(n), []*ir.Value{v}, ir.AttrFn.Is(fn), ir.AttrAxes.Is(axes))
		if err != nil {
			return nil, err
		}
		return result(y, kept), nil
	}
}

// along is a reduction of the axes, and with the keepdims, of the node that is composed.
func (c *composer) along(op, role string, x *operand, axes []int, keep bool) *operand {
	kept := 0
	if keep {
		kept = 1
	}
	return c.do(op, role, []*operand{x, list1(axes...)}, setting{"keepdims", kept}, setting{"noop_with_empty_axes", 1})
}

// reducedAxes reads which axes a reduction has, as a list, and whether they stay.
func reducedAxes(n *pb.Node, in []*operand) (axes []int, keep bool, err error) {
	set, err := reduceAxes(n, in)
	for k, one := range set {
		if one {
			axes = append(axes, k)
		}
	}
	return axes, intAttr(n, "keepdims", 1) == 1, err
}

// reducing composes a reduction that is another one of a function of the elements.
func reducing(compose func(c *composer, x *operand, axes []int, keep bool) *operand) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		axes, keep, err := reducedAxes(n, in)
		if err != nil {
			return nil, err
		}
		c := im.compose(n)
		return c.result(compose(c, in[0], axes, keep))
	}
}

// The reductions that are composed.
var (
	reduceL1 = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		return c.along("ReduceSum", "", c.do("Abs", "abs", []*operand{x}), axes, keep)
	})
	reduceL2 = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		return c.do("Sqrt", "", []*operand{c.squares("sum", x, axes, keep)})
	})
	reduceSquares = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		return c.squares("", x, axes, keep)
	})
	reduceLogSum = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		return c.do("Log", "", []*operand{c.along("ReduceSum", "sum", x, axes, keep)})
	})
	reduceLogSumExp = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		// The greatest element is taken out, so that no exponential is above 1.
		most := c.along("ReduceMax", "max", x, axes, true)
		sum := c.along("ReduceSum", "sum", c.do("Exp", "exp", []*operand{c.binary("Sub", "below", x, most)}), axes, true)
		y := c.binary("Add", "", c.do("Log", "log", []*operand{sum}), most)
		if !keep && len(axes) > 0 {
			y = c.do("Squeeze", "squeezed", []*operand{y, list1(axes...)})
		}
		return y
	})
	reduceProduct = reducing(func(c *composer, x *operand, axes []int, keep bool) *operand {
		y := x
		for _, k := range axes {
			y = c.product(y, k)
		}
		if !keep && len(axes) > 0 {
			y = c.do("Squeeze", "squeezed", []*operand{y, list1(axes...)})
		}
		return y
	})
)

// squares is the sum of the squares along axes: of rows, where the axes are the last ones.
func (c *composer) squares(role string, x *operand, axes []int, keep bool) *operand {
	first := len(x.shape) - len(axes)
	if len(axes) == 0 || axes[0] != first {
		return c.along("ReduceSum", role, c.binary("Mul", "square", x, x), axes, keep)
	}
	sum := c.sumOfSquares("rows", c.reshape("matrix", x, []int{build.Product(x.shape[:first]), build.Product(x.shape[first:])}))
	shape := slices.Clone(x.shape[:first])
	if keep {
		shape = append(shape, slices.Repeat([]int{1}, len(axes))...)
	}
	return c.reshape(role, sum, shape)
}

// product is the product of the elements along an axis, which stays: of the first half
// with the second, again and again.
func (c *composer) product(x *operand, axis int) *operand {
	var rest *operand
	for c.err == nil && x.shape[axis] > 1 {
		size := x.shape[axis]
		half := size / 2
		if size%2 == 1 {
			last := c.slice("rest", x, axis, size-1, size)
			if rest == nil {
				rest = last
			} else {
				rest = c.binary("Mul", "product", rest, last)
			}
		}
		x = c.binary("Mul", "product", c.slice("first", x, axis, 0, half), c.slice("second", x, axis, half, 2*half))
	}
	if rest != nil {
		x = c.binary("Mul", "product", x, rest)
	}
	return x
}

func argmax(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", 0), max(len(shape), 1))
	if err != nil {
		return nil, err
	}
	if intAttr(n, "select_last_index", 0) != 0 {
		return nil, errors.New("takes the last of equal elements")
	}
	v, err := im.full(in[0])
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.ArgMax, moduleName(n), []*ir.Value{v}, ir.AttrAxis.Is(axis))
	if err != nil {
		return nil, err
	}
	kept := slices.Concat(shape[:axis], shape[axis+1:])
	if intAttr(n, "keepdims", 1) == 1 {
		kept = slices.Concat(shape[:axis], []int{1}, shape[axis+1:])
	}
	last := float64(shape[axis] - 1)
	return []*operand{{v: y, shape: kept, q: &integers{int64Type, 1, 0, 0, last}}}, nil
}

func argmin(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c := im.compose(n)
	minus := c.do("Neg", "minus", in[:1])
	if c.err != nil {
		return nil, c.err
	}
	return argmax(im, n, []*operand{minus})
}

// product2 imports MatMul of two computed values.
func (im *importer) product2(n *pb.Node, a, b *operand) ([]*operand, error) {
	ra, rb := len(a.shape), len(b.shape)
	if ra < 2 || rb < 2 {
		return nil, fmt.Errorf("of shapes %v and %v", a.shape, b.shape)
	}
	m, k, cols := a.shape[ra-2], a.shape[ra-1], b.shape[rb-1]
	outer, err := build.Broadcast(a.shape[:ra-2], b.shape[:rb-2])
	if err != nil {
		return nil, err
	}
	batch := build.Product(outer)
	flat := func(o *operand, rows, cols int) (*ir.Value, error) {
		full := slices.Concat(outer, []int{rows, cols})
		v, err := im.expanded(n, o, full)
		if err != nil {
			return nil, err
		}
		if batch == 1 {
			return im.Reshape(v, ir.Shape{rows, cols})
		}
		return im.Reshape(v, ir.Shape{batch, rows, cols})
	}
	x, err := flat(a, m, k)
	if err != nil {
		return nil, err
	}
	z, err := flat(b, b.shape[rb-2], cols)
	if err != nil {
		return nil, err
	}
	y, err := im.Add(ir.MatMul, moduleName(n), []*ir.Value{x, z})
	if err != nil {
		return nil, err
	}
	return result(y, slices.Concat(outer, []int{m, cols})), nil
}

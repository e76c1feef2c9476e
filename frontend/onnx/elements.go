package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// pair imports an operation of two values, element by element.
func (im *importer) pair(op ir.Op, n *pb.Node, a, b *operand) ([]*operand, error) {
	shape, err := build.Broadcast(a.shape, b.shape)
	if err != nil {
		return nil, err
	}
	if slices.Equal(a.shape, b.shape) && a.v.Type.Shape.Equal(b.v.Type.Shape) {
		y, err := im.Add(op, moduleName(n), []*ir.Value{a.v, b.v})
		if err != nil {
			return nil, err
		}
		return result(y, shape), nil
	}
	x, err := im.expanded(n, a, shape)
	if err != nil {
		return nil, err
	}
	z, err := im.expanded(n, b, shape)
	if err != nil {
		return nil, err
	}
	y, err := im.Add(op, moduleName(n), []*ir.Value{x, z})
	if err != nil {
		return nil, err
	}
	return result(y, shape), nil
}

// extremes imports Min and Max of any number of values; one of a constant is a
// clip.
func extremes(op ir.Op) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var out *operand
		lo, hi := math.Inf(-1), math.Inf(1)
		for _, o := range in {
			if o == nil {
				return nil, errors.New("lacks an argument")
			}
			if x, ok := oneNumber(o.c); ok && len(o.shape) <= 1 {
				if op == ir.Maximum {
					lo = max(lo, x)
				} else {
					hi = min(hi, x)
				}
				continue
			}
			o, err := im.computed(o)
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = o
				continue
			}
			r, err := im.pair(op, n, out, o)
			if err != nil {
				return nil, err
			}
			out = r[0]
		}
		return im.clipped(n, out, lo, hi)
	}
}

// clipped bounds a value, by relu where that is it.
func (im *importer) clipped(n *pb.Node, o *operand, lo, hi float64) ([]*operand, error) {
	return im.clippedAs(moduleName(n), o, lo, hi)
}

// clippedAs is clipped under a name of one's own.
func (im *importer) clippedAs(hint string, o *operand, lo, hi float64) ([]*operand, error) {
	op := ir.Clip
	var attrs []ir.Attr
	switch {
	case lo == 0 && hi == 6:
		op = ir.Relu6
	case lo == 0 && hi > math.MaxFloat32/2:
		op = ir.Relu
	case lo < -math.MaxFloat32/2 && hi > math.MaxFloat32/2:
		return []*operand{o}, nil
	default:
		const far = 1e30
		attrs = []ir.Attr{ir.AttrLow.Is(build.ShortFloat(max(lo, -far))), ir.AttrHigh.Is(build.ShortFloat(min(hi, far)))}
	}
	y, err := im.Add(op, hint, []*ir.Value{o.v}, attrs...)
	if err != nil {
		return nil, err
	}
	return result(y, o.shape), nil
}

// functionEntry is an operation that is a function of the module, with the names and
// defaults of the attributes that are its numbers.
func functionEntry(op ir.Op, numbers ...[2]any) opEntry {
	return opEntry{1, function(op, numbers...), foldFunction(op, numbers...), []ir.Op{op}}
}

// functionNumbers reads the numbers of a function from the attributes of a node.
func functionNumbers(n *pb.Node, numbers [][2]any) []float64 {
	var out []float64
	for _, k := range numbers {
		out = append(out, build.ShortFloat(floatAttr(n, k[0].(string), k[1].(float64))))
	}
	return out
}

// function imports an operation that is a function of the module.
func function(op ir.Op, numbers ...[2]any) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var attrs []ir.Attr
		for i, x := range functionNumbers(n, numbers) {
			attrs = append(attrs, op.Info().Attrs[i].Key.(ir.Key[float64]).Is(x))
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{in[0].v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, in[0].shape), nil
	}
}

// foldFunction computes a function of constants.
func foldFunction(op ir.Op, numbers ...[2]any) folder1 {
	return func(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
		f := kernels.Function(op, functionNumbers(n, numbers))
		return elementwise(func(x []float64) float64 { return f(x[0]) }, 0)(im, n, in)
	}
}

func gelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	tanh := 0.
	if textAttr(n, "approximate", "none") == "tanh" {
		tanh = 1
	}
	y, err := im.Add(ir.Gelu, moduleName(n), []*ir.Value{in[0].v}, ir.AttrTanh.Is(tanh))
	if err != nil {
		return nil, err
	}
	return result(y, in[0].shape), nil
}

// celu is a function with one number, which must not be 0.
func celu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if a := floatAttr(n, "alpha", 1); a == 0 {
		return nil, errors.New("with alpha 0")
	}
	return function(ir.Celu, [2]any{"alpha", 1.})(im, n, in)
}

// biased is an operand plus argument 1, where there is one.
func (im *importer) biased(n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in) < 2 || in[1] == nil {
		return in[:1], nil
	}
	c := im.compose(n)
	return c.result(c.do("Add", "biased", in[:2]))
}

// fastGelu is onnxruntime's: the approximation of gelu, of a sum.
func fastGelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, err := im.biased(n, in)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	return c.result(c.function(ir.Gelu, "", x[0], ir.AttrTanh.Is(1.)))
}

// biasGelu is onnxruntime's: gelu of a sum.
func biasGelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, err := im.biased(n, in)
	if err != nil {
		return nil, err
	}
	return gelu(im, n, x)
}

// maxPowers is the number of different exponents that one operation may have.
const maxPowers = 8

// power imports x to the power of constants, and positive constants to the power of x.
func power(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[1].c == nil {
		base, ok := oneNumber(in[0].c)
		if !ok || !(base > 0) {
			return nil, errors.New("has exponents that are computed, of a base that is not one positive constant: its sign would decide whether there is a result")
		}
		c := im.compose(n)
		return c.result(c.do("Exp", "", []*operand{c.do("Mul", "exponent", []*operand{in[1], number1(math.Log(base))})}))
	}
	x, err := in[1].c.numbers()
	if err != nil {
		return nil, err
	}
	exponents := slices.Compact(slices.Sorted(slices.Values(x)))
	if len(exponents) == 0 || len(exponents) > maxPowers {
		return nil, fmt.Errorf("has %d different exponents; at most %d are imported", len(exponents), maxPowers)
	}
	c := im.compose(n)
	if len(exponents) == 1 {
		y := c.power("", in[0], x[0])
		shape, err := build.Broadcast(in[0].shape, in[1].shape)
		if err == nil && c.err == nil && !slices.Equal(shape, in[0].shape) {
			y = c.do("Expand", "wide", []*operand{y, list1(shape...)})
		}
		if err != nil {
			return nil, err
		}
		return c.result(y)
	}
	// The sum of each power where it is asked for.
	var sum *operand
	for k, e := range exponents {
		mask := make([]float64, len(x))
		for i, v := range x {
			if v == e {
				mask[i] = 1
			}
		}
		role := fmt.Sprint("power", k)
		part := c.do("Mul", role+".there", []*operand{c.power(role, in[0], e), {c: newTensor(float32Type, in[1].shape, mask), shape: in[1].shape}})
		if sum == nil {
			sum = part
		} else {
			sum = c.binary("Add", "sum", sum, part)
		}
	}
	return c.result(sum)
}

// power is an operand to the power of a number.
func (c *composer) power(role string, x *operand, e float64) *operand {
	switch e {
	case 1:
		return x
	case 2:
		return c.binary("Mul", role, x, x)
	case .5:
		return c.function(ir.Sqrt, role, x)
	}
	return c.function(ir.Pow, role, x, ir.AttrExponent.Is(build.ShortFloat(e)))
}

// prelu is max(x,0) + slope*min(x,0): a leaky relu where there is one slope.
func prelu(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 1, "slopes")
	if err != nil {
		return nil, err
	}
	x, err := t.numbers()
	if err != nil {
		return nil, err
	}
	if len(x) == 1 {
		y, err := im.Add(ir.LeakyRelu, moduleName(n), []*ir.Value{in[0].v}, ir.AttrAlpha.Is(build.ShortFloat(x[0])))
		if err != nil {
			return nil, err
		}
		return result(y, in[0].shape), nil
	}
	minus, err := im.Add(ir.Neg, moduleName(n)+".neg", []*ir.Value{in[0].v})
	if err != nil {
		return nil, err
	}
	low, err := im.Add(ir.Relu, moduleName(n)+".low", []*ir.Value{minus})
	if err != nil {
		return nil, err
	}
	scaled, err := im.affine(n, "Mul", &operand{v: low, shape: in[0].shape}, t, false)
	if err != nil {
		return nil, err
	}
	high, err := im.Add(ir.Relu, moduleName(n)+".high", []*ir.Value{in[0].v})
	if err != nil {
		return nil, err
	}
	return im.pair(ir.Sub, n, &operand{v: high, shape: in[0].shape}, scaled[0])
}

// meanOf is the mean of any number of values.
func meanOf(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c := im.compose(n)
	return c.result(c.do("Mul", "", []*operand{c.do("Sum", "sum", in), number1(1 / float64(len(in)))}))
}

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
			switch {
			case o == nil:
				return nil, errors.New("lacks an argument")
			case o.c != nil:
				x, err := o.c.numbers()
				if err != nil || len(x) != 1 {
					return nil, fmt.Errorf("of a constant of shape %v", o.shape)
				}
				if op == ir.Maximum {
					lo = max(lo, x[0])
				} else {
					hi = min(hi, x[0])
				}
			case out == nil:
				out = o
			default:
				r, err := im.pair(op, n, out, o)
				if err != nil {
					return nil, err
				}
				out = r[0]
			}
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
		attrs = []ir.Attr{ir.AttrLow.Is(shortFloat(max(lo, -far))), ir.AttrHigh.Is(shortFloat(min(hi, far)))}
	}
	y, err := im.Add(op, hint, []*ir.Value{o.v}, attrs...)
	if err != nil {
		return nil, err
	}
	return result(y, o.shape), nil
}

// function imports an operation that is a function of the module, its numbers
// attributes.
func function(op ir.Op, numbers ...[2]any) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		var attrs []ir.Attr
		for i := range op.Info().Attrs {
			if i < len(numbers) {
				attrs = append(attrs, op.Info().Attrs[i].Key.(ir.Key[float64]).Is(shortFloat(floatAttr(n, numbers[i][0].(string), numbers[i][1].(float64)))))
			}
		}
		y, err := im.Add(op, moduleName(n), []*ir.Value{in[0].v}, attrs...)
		if err != nil {
			return nil, err
		}
		return result(y, in[0].shape), nil
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

// power imports x to the power of 1, 2 or 1/2.
func power(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := constant(in, 1, "exponents")
	if err != nil {
		return nil, err
	}
	x, err := t.numbers()
	switch {
	case err != nil || len(x) != 1:
		return nil, errors.New("has exponents that are not one number")
	case x[0] == 1:
		return []*operand{in[0]}, nil
	case x[0] == 2:
		return im.pair(ir.Mul, n, in[0], in[0])
	case x[0] == .5:
		return function(ir.Sqrt)(im, n, in)
	}
	return nil, fmt.Errorf("to the power of %v", x[0])
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
		y, err := im.Add(ir.LeakyRelu, moduleName(n), []*ir.Value{in[0].v}, ir.AttrAlpha.Is(shortFloat(x[0])))
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

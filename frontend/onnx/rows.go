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

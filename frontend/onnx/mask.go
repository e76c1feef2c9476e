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

// endless are the operations that may have infinite constants: as masks of softmax, and as
// bounds that bind nothing.
var endless = []string{"Add", "Sub", "Where", "Min", "Max", "Clip", "Attention"}

// checkConstants reports the first constant of an operation that it cannot have.
func checkConstants(n *pb.Node, in []*operand) error {
	for _, o := range in {
		if o != nil && o.c != nil && o.c.isEndless && !slices.Contains(endless, n.GetOpType()) {
			return fmt.Errorf("has the constant %q, which holds infinite numbers", o.c.name)
		}
	}
	return nil
}

// bounded32 is the number of float32 nearest to one that is not finite: added to scores it
// masks them as an infinite one does.
func bounded32(x float64) float64 {
	return min(max(x, -math.MaxFloat32), math.MaxFloat32)
}

// where imports a choice by a constant condition: a value where it is one, times 1 or 0, plus
// the constant or the other value.
func where(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].c == nil {
		return nil, errors.New("has a condition of reals: a comparison must give it")
	}
	shape := in[0].shape
	for _, o := range in[1:3] {
		var err error
		if shape, err = build.Broadcast(shape, o.shape); err != nil {
			return nil, err
		}
	}
	if err := im.room(3 * sizeOf(shape)); err != nil {
		return nil, err
	}
	condition, err := spreadNumbers(in[0], shape)
	if err != nil {
		return nil, err
	}
	var parts []*operand
	for i, o := range in[1:3] {
		if o.c != nil {
			continue
		}
		scale, shift := make([]float32, len(condition)), make([]float32, len(condition))
		other := make([]float64, len(condition))
		if c := in[2-i]; c.c != nil {
			if other, err = spreadNumbers(c, shape); err != nil {
				return nil, err
			}
		}
		for k, v := range condition {
			if (v != 0) == (i == 0) {
				scale[k] = 1
			} else {
				shift[k] = float32(bounded32(other[k]))
			}
		}
		v, err := im.expanded(n, o, shape)
		if err != nil {
			return nil, err
		}
		flat, err := im.Reshape(v, ir.Shape{len(condition)})
		if err != nil {
			return nil, err
		}
		y, err := im.scaleShift(moduleName(n), flat, scale, shift)
		if err != nil {
			return nil, err
		}
		parts = append(parts, &operand{v: y, shape: shape})
	}
	if len(parts) == 1 {
		return parts, nil
	}
	return im.pair(ir.Add, n, parts[0], parts[1])
}

// spreadNumbers are the numbers of a constant as those of a shape that it is broadcast to.
func spreadNumbers(o *operand, shape []int) ([]float64, error) {
	x, err := o.c.numbers()
	if err != nil {
		return nil, err
	}
	view, ok := ir.ViewOf(o.shape).Expand(shape)
	if !ok {
		return nil, fmt.Errorf("of shapes %v and %v, which do not fit", o.shape, shape)
	}
	out := make([]float64, sizeOf(shape))
	view.Each(func(k, at int) { out[k] = x[at] })
	return out, nil
}

// foldTrilu keeps the elements above or below a diagonal of each matrix.
func foldTrilu(im *importer, n *pb.Node, in []*operand) (*tensor, error) {
	x, err := in[0].c.numbers()
	if err != nil {
		return nil, err
	}
	shape, k := in[0].shape, 0.
	if len(shape) < 2 {
		return nil, fmt.Errorf("of the shape %v, which has no matrices", shape)
	}
	if len(in) > 1 && in[1] != nil {
		diagonal, err := in[1].c.numbers()
		if err != nil || len(diagonal) != 1 {
			return nil, errors.New("has a diagonal that is not one number")
		}
		k = diagonal[0]
	}
	if err := im.room(len(x)); err != nil {
		return nil, err
	}
	isUpper := intAttr(n, "upper", 1) != 0
	rows, cols := shape[len(shape)-2], shape[len(shape)-1]
	out := make([]float64, len(x))
	for i, v := range x {
		distance := float64(i%cols - i/cols%rows)
		if isUpper && distance >= k || !isUpper && distance <= k {
			out[i] = v
		}
	}
	return newTensor(in[0].c.typ, shape, out), nil
}

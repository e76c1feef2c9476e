package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// remainder is x less y times their quotient, rounded down or, with fmod, towards 0.
func remainder(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[1].c == nil {
		return nil, errors.New("has a divisor that the network computes: its quotients have no bound")
	}
	c := im.compose(n)
	q := c.binary("Div", "quotient", in[0], in[1])
	if intAttr(n, "fmod", 0) != 0 {
		q = c.binary("Mul", "whole", c.do("Sign", "sign", []*operand{q}), c.do("Floor", "down", []*operand{c.do("Abs", "abs", []*operand{q})}))
	} else {
		q = c.do("Floor", "whole", []*operand{q})
	}
	return c.result(c.binary("Sub", "", in[0], c.binary("Mul", "part", q, in[1])))
}

func swiGLU(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c := im.compose(n)
	return c.result(c.binary("Mul", "", c.function(ir.Silu, "gate", in[0], ir.AttrAlpha.Is(build.ShortFloat(floatAttr(n, "alpha", 1)))), in[1]))
}

// lpPool is a mean of powers of each window, with padding of zeros, times the elements of
// the window, to the inverse power.
func lpPool(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	p := intAttr(n, "p", 2)
	kernel := intsAttr(n, "kernel_shape")
	if p < 1 || intAttr(n, "ceil_mode", 0) != 0 {
		return nil, fmt.Errorf("of the norm %d, or with ceil_mode", p)
	}
	if len(kernel) == 0 || slices.Min(kernel) < 1 || slices.Max(kernel) > 1<<20 {
		return nil, fmt.Errorf("has the kernel_shape %v", kernel)
	}
	c := im.compose(n)
	powers := c.power("power", c.do("Abs", "abs", in[:1]), float64(p))
	if c.err != nil {
		return nil, c.err
	}
	own := c.node("AveragePool", "mean", 1, []setting{{"count_include_pad", 1}})
	own.Attribute = append(own.Attribute, n.Attribute...)
	mean, err := pool(ir.AvgPool2D)(im, own, []*operand{powers})
	if err != nil {
		return nil, err
	}
	return c.result(c.function(ir.Pow, "root", mean[0], ir.AttrExponent.Is(1/float64(p)), ir.AttrGain.Is(float64(build.Product(kernel)))))
}

// globalLpPool is the norm of all pixels of each channel.
func globalLpPool(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	p := intAttr(n, "p", 2)
	if p < 1 || len(in[0].shape) < 3 {
		return nil, fmt.Errorf("of the norm %d of a tensor of shape %v", p, in[0].shape)
	}
	var axes []int
	for k := 2; k < len(in[0].shape); k++ {
		axes = append(axes, k)
	}
	c := im.compose(n)
	sum := c.reduce("ReduceSum", "sum", c.power("power", c.do("Abs", "abs", in[:1]), float64(p)), axes)
	if c.err != nil {
		return nil, c.err
	}
	return c.result(c.function(ir.Pow, "", sum, ir.AttrExponent.Is(1/float64(p))))
}

// rotary turns pairs of numbers of each head [batch, heads, steps, size] by the angles of
// their step, whose cosines and sines are given.
func rotary(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	c, x := im.compose(n), in[0]
	isFlat := len(x.shape) == 3
	if isFlat {
		x = c.heads("heads", x, intAttr(n, "num_heads", 0))
	}
	if c.err != nil {
		return nil, c.err
	}
	if len(x.shape) != 4 {
		return nil, fmt.Errorf("of a tensor of shape %v", x.shape)
	}
	s := x.shape
	size := intAttr(n, "rotary_embedding_dim", 0)
	if size == 0 {
		size = s[3]
	}
	if size < 2 || size > s[3] || size%2 != 0 {
		return nil, fmt.Errorf("turns %d of %d numbers", size, s[3])
	}
	half := size / 2
	var angles [2]*operand
	for i, name := range []string{"cos", "sin"} {
		a := in[1+i]
		if at := argument(in, 3); at != nil {
			a = c.do("Gather", name+".steps", []*operand{a, at}, setting{"axis", 0})
		}
		if c.err != nil {
			return nil, c.err
		}
		if build.Product(a.shape) != s[0]*s[2]*half {
			return nil, fmt.Errorf("has angles of shape %v for %d steps of %d pairs", a.shape, s[2], half)
		}
		angles[i] = c.reshape(name, a, []int{s[0], 1, s[2], half})
	}
	turned := c.slice("turned", x, 3, 0, size)
	var parts [2]*operand
	isMixed := intAttr(n, "interleaved", 0) != 0
	for i, role := range []string{"first", "second"} {
		if isMixed {
			pairs := c.reshape("pairs", turned, []int{s[0], s[1], s[2], half, 2})
			parts[i] = c.reshape(role, c.slice(role+".one", pairs, 4, i, i+1), []int{s[0], s[1], s[2], half})
		} else {
			parts[i] = c.slice(role, turned, 3, i*half, (i+1)*half)
		}
	}
	cos, sin := angles[0], angles[1]
	re := c.binary("Sub", "real", c.binary("Mul", "cos.first", parts[0], cos), c.binary("Mul", "sin.second", parts[1], sin))
	imag := c.binary("Add", "imaginary", c.binary("Mul", "sin.first", parts[0], sin), c.binary("Mul", "cos.second", parts[1], cos))
	axis := 3
	if isMixed {
		one := []int{s[0], s[1], s[2], half, 1}
		re, imag, axis = c.reshape("real.one", re, one), c.reshape("imaginary.one", imag, one), 4
	}
	y := c.reshape("joined", c.do("Concat", "both", []*operand{re, imag}, setting{"axis", axis}), []int{s[0], s[1], s[2], size})
	if size < s[3] {
		y = c.do("Concat", "", []*operand{y, c.slice("rest", x, 3, size, s[3])}, setting{"axis", 3})
	}
	if isFlat {
		y = c.reshape("own", c.transpose("steps", y, 0, 2, 1, 3), in[0].shape)
	}
	return c.result(y)
}

// maxTop is the number of elements that TopK takes, each by a search of its own.
const maxTop = 16

// topK is the greatest elements along an axis and their places: each the greatest of
// those that are left; those that are taken fall below the least.
func topK(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	shape := in[0].shape
	axis, err := build.Axis(intAttr(n, "axis", -1), len(shape))
	if err != nil {
		return nil, err
	}
	k, ok := oneNumber(in[1].c)
	size := shape[axis]
	if !ok || k < 1 || k > float64(min(maxTop, size)) {
		return nil, fmt.Errorf("of %v elements of %d: a constant number from 1 to %d can be imported", k, size, maxTop)
	}
	if size > ir.ByteRows {
		return nil, fmt.Errorf("of %d elements, whose places are no 8-bit numbers; at most %d can be imported: take the greatest outside of the network, which -outputs can cut before", size, ir.ByteRows)
	}
	c, x := im.compose(n), in[0]
	isLeast := intAttr(n, "largest", 1) == 0
	if isLeast {
		x = c.do("Neg", "minus", []*operand{x})
	}
	rows := build.Product(shape) / size
	perm := build.MoveAxis(len(shape), axis, len(shape)-1)
	x = c.reshape("rows", c.transpose("turned", x, perm...), []int{rows, size})
	if c.err != nil {
		return nil, c.err
	}
	var floor, one *operand
	if k > 1 {
		least, most := c.reduce("ReduceMin", "least", x, []int{1}), c.reduce("ReduceMax", "most", x, []int{1})
		below := c.do("Mul", "step", []*operand{c.binary("Sub", "range", most, least), number1(1. / 16)})
		size1 := c.do("Mul", "size", []*operand{c.do("Abs", "abs", []*operand{least}), number1(1. / 1024)})
		floor = c.binary("Sub", "floor", c.binary("Sub", "below", least, below), c.do("Add", "margin", []*operand{size1, number1(1e-6)}))
		if err := im.room(size * size); err != nil {
			return nil, err
		}
		d := make([]float64, size*size)
		for i := range size {
			d[i*(size+1)] = 1
		}
		one = &operand{c: newTensor(float32Type, []int{size, size}, d), shape: []int{size, size}}
	}
	var values, places []*operand
	for i := range int(k) {
		role := fmt.Sprint("top", i)
		values = append(values, c.reduce("ReduceMax", role, x, []int{1}))
		at := c.do("ArgMax", role+".place", []*operand{x}, setting{"axis", 1}, setting{"keepdims", 0})
		if c.err != nil {
			return nil, c.err
		}
		places = append(places, c.reshape(role+".row", &operand{v: at.v, shape: at.shape}, []int{rows, 1}))
		if i+1 < int(k) {
			is := c.do("Gather", role+".is", []*operand{one, at})
			x = c.binary("Add", role+".rest", c.binary("Mul", role+".kept", x, c.not(role+".not", is)), c.binary("Mul", role+".taken", is, floor))
		}
	}
	back := func(role string, list []*operand) *operand {
		y := list[0]
		if len(list) > 1 {
			y = c.do("Concat", role, list, setting{"axis", 1})
		}
		moved := make([]int, len(shape))
		for i, p := range perm {
			moved[i] = shape[p]
		}
		moved[len(moved)-1] = int(k)
		return c.transpose(role+".back", c.reshape(role+".own", y, moved), build.MoveAxis(len(shape), len(shape)-1, axis)...)
	}
	top, at := back("values", values), back("places", places)
	if isLeast {
		top = c.do("Neg", "", []*operand{top})
	}
	if c.err != nil {
		return nil, c.err
	}
	return []*operand{top, {v: at.v, shape: at.shape, q: &integers{int64Type, 1, 0, 0, float64(size - 1)}}}, nil
}

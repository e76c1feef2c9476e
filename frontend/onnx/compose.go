package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// composer imports an operation as several others of ONNX, as ONNX defines many of its
// own. The first fault ends the composition; what follows it gives nil.
type composer struct {
	im  *importer
	n   *pb.Node // the operation that is composed
	err error
}

func (im *importer) compose(n *pb.Node) *composer { return &composer{im: im, n: n} }

// setting is an attribute of a composed operation: an int, []int, float64 or string.
type setting struct {
	name  string
	value any
}

// node is an operation of a composition, named after the composed one and its role.
func (c *composer) node(op, role string, outs int, settings []setting) *pb.Node {
	name := moduleName(c.n)
	if role != "" {
		name += "." + role
	}
	n := &pb.Node{OpType: &op, Name: &name, Output: make([]string, outs)}
	for _, s := range settings {
		a := &pb.Attribute{Name: proto.String(s.name)}
		switch v := s.value.(type) {
		case int:
			a.I = proto.Int64(int64(v))
		case float64:
			a.F = proto.Float32(float32(v))
		case string:
			a.S = []byte(v)
		case []int:
			a.Ints = make([]int64, len(v))
			for i, k := range v {
				a.Ints[i] = int64(k)
			}
		}
		n.Attribute = append(n.Attribute, a)
	}
	return n
}

// do is the first result of an operation.
func (c *composer) do(op, role string, in []*operand, settings ...setting) *operand {
	outs := c.several(op, role, 1, in, settings...)
	if outs == nil {
		return nil
	}
	return outs[0]
}

// several are the results of an operation that has some.
func (c *composer) several(op, role string, count int, in []*operand, settings ...setting) []*operand {
	if c.err != nil {
		return nil
	}
	n := c.node(op, role, count, settings)
	outs, err := c.im.apply(table[op], n, in)
	if err == nil && len(outs) < count {
		err = fmt.Errorf("%s gives %d results of %d", op, len(outs), count)
	}
	if err != nil {
		c.err = err
		return nil
	}
	return outs
}

// number1 is a constant of one float.
func number1(x float64) *operand {
	return &operand{c: newTensor(float32Type, nil, []float64{x})}
}

// list1 is a constant list of integers.
func list1(x ...int) *operand {
	wide := make([]int64, len(x))
	for i, v := range x {
		wide[i] = int64(v)
	}
	return &operand{c: newInts([]int{len(x)}, wide), shape: []int{len(x)}}
}

// binary is an operation of two operands; nil of what failed.
func (c *composer) binary(op, role string, a, b *operand) *operand {
	return c.do(op, role, []*operand{a, b})
}

// reduce is a reduction along axes that stay as axes of one element.
func (c *composer) reduce(op, role string, x *operand, axes []int) *operand {
	return c.do(op, role, []*operand{x, list1(axes...)}, setting{"keepdims", 1})
}

// reshape gives an operand other dimensions.
func (c *composer) reshape(role string, x *operand, shape []int) *operand {
	return c.do("Reshape", role, []*operand{x, list1(shape...)}, setting{"allowzero", 1})
}

// transpose orders the axes of an operand anew.
func (c *composer) transpose(role string, x *operand, perm ...int) *operand {
	for i, p := range perm {
		if i != p {
			return c.do("Transpose", role, []*operand{x}, setting{"perm", perm})
		}
	}
	return x
}

// slice is a part of an operand along an axis.
func (c *composer) slice(role string, x *operand, axis, from, to int) *operand {
	if c.err != nil || from == 0 && to == x.shape[axis] {
		return x
	}
	return c.do("Slice", role, []*operand{x, list1(from), list1(to), list1(axis)})
}

// function is a function of the module of each element.
func (c *composer) function(op ir.Op, role string, x *operand, attrs ...ir.Attr) *operand {
	if c.err != nil {
		return nil
	}
	if x, c.err = c.im.computed(x); c.err != nil {
		return nil
	}
	name := moduleName(c.n)
	if role != "" {
		name += "." + role
	}
	v, err := c.im.Add(op, name, []*ir.Value{x.v}, attrs...)
	if err != nil {
		c.err = err
		return nil
	}
	return &operand{v: v, shape: x.shape}
}

// result is the end of a composition of one result.
func (c *composer) result(o *operand) ([]*operand, error) {
	if c.err != nil {
		return nil, c.err
	}
	return []*operand{o}, nil
}

// computed is an operand as a value of the module: a constant becomes the only row of an
// embedding, which any number chooses.
func (im *importer) computed(o *operand) (*operand, error) {
	switch {
	case o.v != nil:
		return o, nil
	case !o.c.typ.isFloat():
		return nil, errors.New("has a constant of integers where reals belong")
	case o.c.isEndless:
		return nil, errors.New("has a constant that holds infinite numbers where a value belongs")
	case im.seed == nil && len(im.M.Ops) == 0:
		return nil, errors.New("of constants, before anything is computed")
	case build.Product(o.shape) < 1:
		return nil, fmt.Errorf("of a constant of shape %v, which has no elements", o.shape)
	}
	if v := im.made[o.c]; v != nil {
		return &operand{v: v, shape: o.shape}, nil
	}
	name := o.c.name
	if name == "" {
		name = "constant"
	}
	if im.seed == nil { // an input that chooses rows may have more than int8 integers
		im.seed = im.M.Ops[0].Out
	}
	any, err := im.Add(ir.Copy, name+".at", []*ir.Value{im.seed}, ir.AttrShape.Is([]int{1}), ir.AttrDims.Is([]int{1}), ir.AttrStrides.Is([]int{1}))
	if err != nil {
		return nil, err
	}
	own := im.Name(name)
	rows := im.Const(own+".rows", ir.Shape{1, build.Product(o.shape)}, o.c.float32s())
	v, err := im.AddNamed(ir.Embedding, own, []*ir.Value{any}, ir.AttrRows.Is(rows))
	if err != nil {
		return nil, err
	}
	if v, err = im.Reshape(v, build.Canonical(o.shape)); err != nil {
		return nil, err
	}
	im.made[o.c] = v
	return &operand{v: v, shape: o.shape}, nil
}

// oneNumber is a constant of one number.
func oneNumber(t *tensor) (float64, bool) {
	if t == nil || t.size() != 1 {
		return 0, false
	}
	x, err := t.numbers()
	if err != nil || len(x) != 1 || math.IsNaN(x[0]) {
		return 0, false
	}
	return x[0], true
}

package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// condition marks an operand as one of 1 and 0, which stand for true and false.
func condition(o *operand) *operand {
	return &operand{v: o.v, shape: o.shape, q: &integers{boolType, 1, 0, 0, 1}}
}

// isCondition reports whether an operand is a computed condition.
func (o *operand) isCondition() bool { return o.q != nil && o.q.typ == boolType }

// compared imports a comparison: a step function of an operand at a constant number, or of
// the difference of two.
func compared(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	op, c := n.GetOpType(), im.compose(n)
	a, b := in[0], in[1]
	if op == "Equal" {
		d := c.do("Neg", "minus", []*operand{c.do("Abs", "distance", []*operand{c.binary("Sub", "difference", a, b)})})
		return c.condition(c.function(ir.Step, "", d, ir.AttrValue.Is(1.)))
	}
	at := 0.
	if op == "GreaterOrEqual" || op == "LessOrEqual" {
		at = 1
	}
	if op == "Less" || op == "LessOrEqual" {
		a, b = b, a
	}
	if k, ok := oneNumber(b.c); ok && len(b.shape) <= len(a.shape) {
		return c.condition(c.function(ir.Step, "", a, ir.AttrAlpha.Is(build.ShortFloat(k)), ir.AttrValue.Is(at)))
	}
	if k, ok := oneNumber(a.c); ok && len(a.shape) <= len(b.shape) {
		return c.condition(c.function(ir.Step, "", c.do("Neg", "minus", []*operand{b}), ir.AttrAlpha.Is(build.ShortFloat(-k)), ir.AttrValue.Is(at)))
	}
	return c.condition(c.function(ir.Step, "", c.binary("Sub", "difference", a, b), ir.AttrValue.Is(at)))
}

// condition is the end of a composition of one condition.
func (c *composer) condition(o *operand) ([]*operand, error) {
	if c.err != nil {
		return nil, c.err
	}
	return []*operand{condition(o)}, nil
}

// noReals refuses an operation of conditions where reals are given.
func noReals(_ *importer, _ *pb.Node, _ []*operand) ([]*operand, error) {
	return nil, errors.New("of reals where conditions belong: a comparison must give them")
}

// conditions imports an operation of conditions, computed in reals.
func conditions(compose func(c *composer, in []*operand) *operand) runner {
	return func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
		args := make([]*operand, len(in))
		for i, o := range in {
			switch {
			case o == nil:
				return nil, errors.New("lacks an argument")
			case o.v != nil && !o.isCondition():
				return noReals(im, n, in)
			case o.v != nil:
				args[i] = &operand{v: o.v, shape: o.shape}
			default:
				var err error
				if args[i], err = realConstant(o, func(x float64) float64 { return isTrue(x) }); err != nil {
					return nil, err
				}
			}
		}
		c := im.compose(n)
		return c.condition(compose(c, args))
	}
}

func isTrue(x float64) float64 {
	if x != 0 {
		return 1
	}
	return 0
}

// realConstant is a constant of floats that f makes of another one's elements.
func realConstant(o *operand, f func(x float64) float64) (*operand, error) {
	x, err := o.c.numbers()
	if err != nil {
		return nil, err
	}
	for i, v := range x {
		x[i] = f(v)
	}
	return &operand{c: newTensor(float32Type, o.shape, x), shape: o.shape}, nil
}

// not is 1 - x.
func (c *composer) not(role string, x *operand) *operand {
	return c.do("Sub", role, []*operand{number1(1), x})
}

// chosen imports a choice by a computed condition: one value times the condition plus the
// other times its opposite.
func chosen(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if in[0].c == nil && !in[0].isCondition() {
		return nil, fmt.Errorf("has a condition of %s integers: a comparison must give it", in[0].q.typ)
	}
	if in[0].c != nil || in[1].q != nil || in[2].q != nil {
		return nil, errors.New("chooses between integers that the network computes: put it after the DequantizeLinear")
	}
	shape, err := build.Broadcast(in[1].shape, in[2].shape)
	if err == nil {
		shape, err = build.Broadcast(shape, in[0].shape)
	}
	if err != nil {
		return nil, err
	}
	in = slices.Clone(in)
	for i, o := range in[1:3] {
		switch {
		case o.c == nil:
		case !o.c.typ.isFloat() || o.c.isEndless && (in[2-i].c != nil || !im.leavesOut(n)):
			return nil, errors.New("by a computed condition, between constants that are infinite or no floats: choose between finite ones")
		case o.c.isEndless: // scores that a softmax is to leave out
			if in[1+i], err = realConstant(o, bounded32); err != nil {
				return nil, err
			}
		}
	}
	c, is := im.compose(n), &operand{v: in[0].v, shape: in[0].shape}
	var y *operand
	if in[1].c != nil && in[2].c != nil {
		y = c.do("Add", "", []*operand{c.do("Mul", "chosen", []*operand{is, c.do("Sub", "difference", []*operand{in[1], in[2]})}), in[2]})
	} else {
		y = c.do("Add", "", []*operand{c.part("there", is, in[1]), c.part("elsewhere", c.not("not", is), in[2])})
	}
	if y != nil && build.Product(y.shape) != build.Product(shape) {
		y = c.do("Expand", "wide", []*operand{y, list1(shape...)})
	}
	return c.result(y)
}

// leavesOut reports whether what reads the result of a node takes numbers of any size for infinite ones.
func (im *importer) leavesOut(n *pb.Node) bool {
	name := n.Output[0]
	return !im.results[name] && !slices.ContainsFunc(im.users[name], func(u *pb.Node) bool {
		return !slices.Contains([]string{"Softmax", "Sigmoid", "Relu"}, u.GetOpType())
	})
}

// part is an operand where a condition is true, else 0.
func (c *composer) part(role string, is, x *operand) *operand {
	if k, ok := oneNumber(x.c); ok && k == 0 {
		return x
	}
	return c.do("Mul", role, []*operand{is, x})
}

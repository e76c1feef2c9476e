package graph

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// RaiseActivation takes relu and relu6 before the concatenations, moves and max poolings that
// give their argument, where an operation before these then takes the bounds: its result
// needs no range for numbers that are cut off.
func RaiseActivation(_ context.Context, m *ir.Module, _ *pass.Env) error {
	r := raiser{m.Uses(), map[*ir.Node][]*ir.Node{}}
	m.Bypass(func(n *ir.Node) *ir.Value {
		if _, ok := acts[n.Op]; !ok {
			return nil
		}
		v := n.Args[0]
		if !r.isCarried(v) || !r.isTaken(v) {
			return nil
		}
		r.raise(n, v)
		r.uses[v] = r.uses[n.Out]
		return v
	})
	if len(r.before) == 0 {
		return nil
	}
	var ops []*ir.Node
	for _, n := range m.Ops {
		ops = append(append(ops, r.before[n]...), n)
	}
	m.Ops = ops
	return nil
}

type raiser struct {
	uses   map[*ir.Value]int
	before map[*ir.Node][]*ir.Node // the activations that come before an operation
}

// isCarried reports whether v is elements of other values that nothing else reads in
// its place: an activation of them is an activation of v.
func (r *raiser) isCarried(v *ir.Value) bool {
	return v.Def != nil && r.uses[v] == 1 && (v.Def.Op == ir.Concat || v.Def.Op == ir.MaxPool2D || v.Def.Op.Moves())
}

// isTaken reports whether an operation that v is made of takes an activation.
func (r *raiser) isTaken(v *ir.Value) bool {
	if r.isCarried(v) {
		return slices.ContainsFunc(v.Def.Args, r.isTaken)
	}
	return v.Def != nil && r.uses[v] == 1 && v.Def.Op.Takes(ir.AttrAct) && v.Def.Word(ir.AttrAct) == ir.ActNone
}

// raise puts activation n before what v is made of.
func (r *raiser) raise(n *ir.Node, v *ir.Value) {
	for i, a := range v.Def.Args {
		switch {
		case r.isCarried(a) && (len(v.Def.Args) == 1 || r.isTaken(a)):
			r.raise(n, a)
		case n.Op != ir.Relu || !isPositive(a):
			k := &ir.Node{Op: n.Op, Args: []*ir.Value{a}, Pos: n.Pos}
			k.Out = &ir.Value{Name: fmt.Sprintf("%s.%s.%d", v.Name, n.Op, i), Type: a.Type, Def: k, Pos: n.Pos}
			r.before[v.Def] = append(r.before[v.Def], k)
			v.Def.Args[i], r.uses[k.Out] = k.Out, 1
		}
	}
}

// isPositive reports whether v has no number below 0, as its operation or its range tells.
func isPositive(v *ir.Value) bool {
	if v.Def == nil {
		return v.Range != nil && v.Range.Lo >= 0
	}
	d := v.Def
	switch d.Op {
	case ir.Relu, ir.Relu6:
		return true
	case ir.Pad:
		return d.Float(ir.AttrValue) >= 0 && isPositive(d.Args[0])
	case ir.AvgPool2D, ir.GlobalAvgPool, ir.MaxPool2D:
		return isPositive(d.Args[0])
	}
	return d.Op.Takes(ir.AttrAct) && d.Word(ir.AttrAct) != ir.ActNone
}

package quant

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// Widen decides which activations have 16 bits, as Env.Bits asks, beside those that the text says as i16.
// It puts a requantization before an argument whose bits its operation cannot take.
func Widen(_ context.Context, m *ir.Module, env *pass.Env) error {
	if env.Bits == pass.SixteenBits {
		widenAll(m)
	}
	widenSamples(m)
	fitWidths(m)
	return nil
}

// widenAll marks every value that has a form of 16 bits. Inputs that hold pictures keep their 8, which
// cameras give; and so does what only moves them.
func widenAll(m *ir.Module) {
	for _, v := range m.Inputs {
		v.Wide = v.Wide || canWiden(m, v)
	}
	for _, n := range m.Ops {
		n.Out.Wide = canWiden(m, n.Out) && (!isMoved(n) || n.Args[0].Wide)
	}
}

// widenSamples marks what an operation of samples of 16 bits takes, and the input that it comes from.
func widenSamples(m *ir.Module) {
	for _, n := range m.Ops {
		if n.Widths() != ir.WideArgument {
			continue
		}
		for v := n.Args[0]; canWiden(m, v); v = v.Def.Args[0] {
			v.Wide = true
			if v.Def == nil || !isMoved(v.Def) {
				break
			}
		}
	}
}

// canWiden reports whether a value can have 16 bits in a module of integers.
func canWiden(m *ir.Module, v *ir.Value) bool {
	switch {
	case v.Def == nil:
		return v.Holds().Kind != ir.Image && !m.IsIndex(v)
	case v.Def.Op == ir.Table:
		return !jumps(v.Def)
	}
	w := v.Def.Widths()
	return w == ir.SameWidth || w == ir.AnyWidth || w == ir.WideArgument
}

// isMoved reports whether n keeps the type of its one argument.
func isMoved(n *ir.Node) bool { return KeepsType(n) && len(n.Args) == 1 }

// jumps reports whether a function has jumps, which straight lines between entries of a table (R14) would
// make slopes of.
func jumps(n *ir.Node) bool {
	fn, _ := n.Function()
	return slices.Contains([]ir.Op{ir.Sign, ir.Round, ir.Floor, ir.Ceil, ir.Step, ir.ThresholdedRelu, ir.Shrink, ir.Tan}, fn)
}

// fitWidths makes the values that an operation takes and gives of one width where its form of integers
// asks for that.
func fitWidths(m *ir.Module) {
	type as struct {
		v      *ir.Value
		isWide bool
	}
	made := map[as]*ir.Value{}
	for _, n := range slices.Clone(m.Ops) {
		if !canWiden(m, n.Out) {
			n.Out.Wide = false // what the text says of a value that has no such form
		}
		isWide := slices.ContainsFunc(n.Args, func(a *ir.Value) bool { return a.Wide })
		switch w := n.Widths(); {
		case w == ir.ByteResults, w == ir.AnyWidth && len(n.Args) == 1:
			continue
		case w == ir.OnlyBytes:
			isWide = false
		case w == ir.SameWidth:
			isWide = n.Out.Wide
		case w == ir.WideArgument:
			isWide = true
		}
		for i, a := range n.Args {
			if a.Wide == isWide {
				continue
			}
			to := as{a, isWide}
			if made[to] == nil {
				made[to] = insertAs(m, n, a, isWide)
			}
			n.Args[i] = made[to]
		}
	}
}

// insertAs puts a requantization of a, to 16 bits or to 8, before node n.
func insertAs(m *ir.Module, n *ir.Node, a *ir.Value, isWide bool) *ir.Value {
	kind := ir.I8
	if isWide {
		kind = ir.I16
	}
	r := &ir.Node{Op: ir.Requantize, Args: []*ir.Value{a}, Pos: n.Pos}
	own := *a.Range
	r.Out = &ir.Value{Name: fmt.Sprintf("%s.as_%s", a.Name, ir.Of(kind)), Type: a.Type, Range: &own, Wide: isWide, Def: r, Pos: n.Pos}
	m.Ops = slices.Insert(m.Ops, slices.Index(m.Ops, n), r)
	return r.Out
}

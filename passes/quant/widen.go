package quant

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// Widen decides which activations have 16 bits: results that are numbers, features of samples, what the text
// says as i16, and what Env.Bits asks for. It puts a requantization before an argument whose bits its operation cannot take.
func Widen(ctx context.Context, m *ir.Module, env *pass.Env) error {
	widenResults(m)
	widenSamples(m)
	widenFeatures(m)
	widenColumns(m)
	widenGates(m)
	switch env.Bits {
	case pass.SixteenBits:
		widenAll(m)
	case pass.AutoBits:
		if err := widenSome(ctx, m, env); err != nil {
			return err
		}
	}
	fitWidths(m)
	return nil
}

// widenResults marks results whose task is values, and what those are made of. A label needs the place of
// the greatest element alone. A number of 8 bits has steps of a 255th of the range, and saturates where
// the calibration images ended: it loses more by that than by all layers before it.
func widenResults(m *ir.Module) {
	for i, v := range m.Outputs {
		if m.TaskOf(i).Name != ir.Values || m.WhyNarrow(v) != "" || !fitsFloat32(wideType(m, v)) {
			continue
		}
		for _, x := range ir.WidthFrom(v) {
			x.Wide = true
		}
	}
	widenTails(m)
}

// tailShare is the greatest value of a network over the greatest that widenTails marks.
const tailShare = 8

// widenTails marks what wide results are made of by sums, products and reductions, where nothing narrow
// reads it. A logarithm of a softmax loses more between the last layer and the result than all layers
// before it lose. What is marked is small, so that the arena hardly grows.
func widenTails(m *ir.Module) {
	most, all := 0, 0
	for _, n := range m.Ops {
		all = max(all, n.Out.Type.Shape.Size())
	}
	for _, v := range m.Outputs {
		if v.Wide {
			most = max(most, v.Type.Shape.Size(), all/tailShare)
		}
	}
	if most == 0 {
		return
	}
	users, returned := m.AllUsers(), m.Returned()
	for _, n := range slices.Backward(m.Ops) {
		if !n.Out.Wide || n.Widths() != ir.AnyWidth || n.Op.HasWeights() || n.Op == ir.MatMul || n.Op == ir.Recurrent {
			continue
		}
		for _, a := range n.Args {
			if a.Wide {
				continue
			}
			from, within := ir.WidthFrom(a), map[*ir.Value]bool{}
			for _, x := range from {
				within[x] = true
			}
			isNarrow := func(x *ir.Value) bool {
				return x.Def == nil || returned[x] && !x.Wide || !m.CanBeWide(x) || x.Type.Shape.Size() > most ||
					slices.ContainsFunc(users[x], func(u *ir.Node) bool { return !u.Out.Wide && !within[u.Out] })
			}
			if slices.ContainsFunc(from, isNarrow) {
				continue
			}
			for _, x := range from {
				x.Wide = true
			}
		}
	}
}

// fitsFloat32 reports whether float32, in which callers convert results, has all that the integers of a
// wide type stand for.
func fitsFloat32(q ir.Quant) bool {
	return q.Scale >= leastOutside && q.Scale*-math.MinInt16 <= math.MaxFloat32
}

// widenAll marks every value that has a form of 16 bits. Inputs that hold pictures keep their 8, which
// cameras give; and so does what only moves them.
func widenAll(m *ir.Module) {
	for _, v := range m.Inputs {
		v.Wide = v.Wide || m.CanBeWide(v)
	}
	for _, n := range m.Ops {
		n.Out.Wide = m.CanBeWide(n.Out) && (!isMoved(n) || n.Args[0].Wide)
	}
}

// widenSamples marks what an operation of samples of 16 bits takes, and all that it is made of: the input, and what
// a filter or a scale before the operation gives.
func widenSamples(m *ir.Module) {
	seen := map[*ir.Value]bool{}
	var widen func(v *ir.Value)
	widen = func(v *ir.Value) {
		if seen[v] || !m.CanBeWide(v) {
			return
		}
		seen[v], v.Wide = true, true
		if v.Def != nil {
			for _, a := range v.Def.Args {
				widen(a)
			}
		}
	}
	for _, n := range m.Ops {
		if n.Widths() == ir.WideArgument {
			widen(n.Args[0])
		}
	}
}

// widenFeatures marks what an operation of samples gives, and what only moves that. Features have a range of loud
// and of quiet sounds, of which the quiet ones use few of 256 steps.
func widenFeatures(m *ir.Module) {
	features := map[*ir.Value]bool{}
	for _, n := range m.Ops {
		if n.Widths() == ir.WideArgument || isMoved(n) && features[n.Args[0]] && m.CanBeWide(n.Out) {
			features[n.Out], n.Out.Wide = true, true
		}
	}
}

// unevenColumns is how far the factors of columns differ in an input that widenColumns marks: two of its
// 8 bits would be lost in the columns of small numbers.
const unevenColumns = 4

// widenColumns marks inputs of features whose columns the network brings to one size, as pipelines with a
// scaler do, and what they then are: one scale serves all columns of an input, and rounds off what small
// ones tell.
func widenColumns(m *ir.Module) {
	for _, v := range m.Inputs {
		if v.Holds().Kind != ir.Features || !m.CanBeWide(v) {
			continue
		}
		columns, users := movedFrom(m, v)
		if len(users) != 1 || !scalesUnevenly(users[0]) {
			continue
		}
		scaled, _ := movedFrom(m, users[0].Out)
		for _, x := range slices.Concat(columns, scaled) {
			x.Wide = true
		}
	}
}

// movedFrom lists v and what only moves it, one after the other, and what uses the last of these.
func movedFrom(m *ir.Module, v *ir.Value) (list []*ir.Value, users []*ir.Node) {
	list, users = []*ir.Value{v}, m.Users(v)
	for len(users) == 1 && isMoved(users[0]) {
		list = append(list, users[0].Out)
		users = m.Users(users[0].Out)
	}
	return list, users
}

// scalesUnevenly reports whether n multiplies each channel by a factor of its own, and these differ much.
func scalesUnevenly(n *ir.Node) bool {
	if n.Op != ir.Conv2D {
		return false
	}
	w, channels := n.Const(ir.AttrWeight), n.Out.Type.Shape[0]
	if w == nil || w.Type.Shape.Size() != channels || n.Out.Type.Shape.Size() != channels {
		return false
	}
	factors, err := w.Float32()
	if err != nil {
		return false
	}
	least, most := math.Inf(1), 0.
	for _, f := range factors {
		if a := math.Abs(float64(f)); a > 0 {
			least, most = min(least, a), max(most, a)
		}
	}
	return most >= unevenColumns*least
}

// isMoved reports whether n keeps the type of its one argument.
func isMoved(n *ir.Node) bool { return KeepsType(n) && len(n.Args) == 1 }

// fitWidths makes the values that an operation takes and gives of one width where its form of integers
// asks for that.
func fitWidths(m *ir.Module) {
	type as struct {
		v      *ir.Value
		isWide bool
	}
	made := map[as]*ir.Value{}
	for _, n := range slices.Clone(m.Ops) {
		if !m.CanBeWide(n.Out) {
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

// Package quant turns a float network into integers: it calibrates the ranges
// of activations, rounds weights to codes, and computes every multiplier,
// shift, bias and table once, as constants of the module.
package quant

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/interp"
)

// calibrationStep is the images whose activations are in memory at a time, fewer where
// these would take more than calibrationBytes.
const (
	calibrationStep  = 64
	calibrationBytes = 256 << 20
)

// Calibrate writes the range of every activation on the calibration images, clean
// and disturbed, widened to contain 0 (R3): as Env.Ranges says, the least and
// greatest value, or less. Operations that keep their argument's type (R12) share
// its range.
func Calibrate(ctx context.Context, m *ir.Module, env *pass.Env) error {
	for _, v := range m.Inputs {
		if err := checkRange(v, true); err != nil {
			return err
		}
	}
	prog, err := interp.Stream(m)
	if err != nil {
		return err
	}
	bytes := prog.Peak()
	for _, in := range m.Inputs {
		bytes += 4 * in.Type.Shape.Size()
	}
	if bytes > env.Memory() { // before images are made
		return diag.New(m.Pos, diag.OutOfMemory, "the activations of one image take %d bytes, -mem leaves %d", bytes, env.Memory()).
			WithHelp("-mem %dMiB where the machine has as much", (bytes+1<<20-1)>>20)
	}
	samples, err := env.Samples()
	if err != nil {
		return err
	}
	step := min(max(min(calibrationBytes, env.Memory())/max(prog.Peak(), 1), 1), calibrationStep)
	each := func(visit func(v *ir.Value, x []float32)) error {
		for first := 0; first < samples.N; first += step {
			part := samples.Slice(first, min(first+step, samples.N))
			if err := prog.Run(ctx, part.X, part.N, visit); err != nil {
				return err
			}
		}
		return nil
	}
	ranges := map[*ir.Value]*ir.Range{}
	for _, n := range m.Ops {
		ranges[n.Out] = &ir.Range{}
	}
	seen, err := attentions(m)
	if err != nil {
		return err
	}
	err = each(func(v *ir.Value, x []float32) {
		extend(ranges[v], x)
		if a := seen[v]; a != nil {
			a.add(x, v.Type.Shape.Size())
		}
	})
	if err != nil {
		return err
	}
	for _, n := range m.Ops {
		if r := ranges[n.Out]; math.IsNaN(r.Lo+r.Hi) || math.IsInf(r.Lo, 0) || math.IsInf(r.Hi, 0) {
			return diag.New(n.Pos, diag.Unsupported, "%s takes values that are not finite on the calibration images: from %g to %g", n.Name(), r.Lo, r.Hi).
				WithHelp("bound its arguments, as by clip; or scale the network's inputs or weights down")
		}
	}
	if env.Ranges != "" && env.Ranges != pass.MinMax {
		counts := map[*ir.Value]*histogram{}
		for v, r := range ranges {
			counts[v] = newHistogram(*r)
		}
		if err := each(func(v *ir.Value, x []float32) { counts[v].add(x) }); err != nil {
			return err
		}
		for v, h := range counts {
			*ranges[v] = h.clip(env.Ranges)
		}
	}
	users, returned := m.AllUsers(), m.Returned()
	for _, n := range m.Ops {
		r := fixedRange(n)
		if r == nil {
			continue
		}
		if n.Op == ir.Softmax && hasOwnType(users, returned, n.Out) { // flat rows drown in steps of 1/256
			cut(r, *ranges[n.Out])
		}
		ranges[n.Out] = r
	}
	for _, n := range m.Ops {
		if n.Op != ir.Embedding {
			continue
		}
		rows, err := n.Const(ir.AttrRows).Float32() // also those that no calibration image names
		if err != nil {
			return err
		}
		for _, x := range rows {
			ranges[n.Out].Lo, ranges[n.Out].Hi = min(ranges[n.Out].Lo, float64(x)), max(ranges[n.Out].Hi, float64(x))
		}
	}
	for _, in := range m.Inputs {
		ranges[in] = givenRange(in)
	}
	own := map[*ir.Value]ir.Range{}
	for v, r := range ranges {
		own[v] = *r
	}
	cutRanges(m, ranges, seen)
	shareSteps(m, ranges)
	share(m, ranges)
	rescaleCoarse(m, ranges)
	for _, v := range m.Outputs { // callers convert them in float32, by scales that it has
		if r := ranges[v]; r.Lo < r.Hi && givenRange(typeFrom(v)) == nil {
			r.Hi = max(r.Hi, r.Lo+256*leastOutside)
		}
	}
	widenSums(m, ranges)
	for _, n := range m.Ops {
		n.Out.Range = ranges[n.Out]
		if n.Out.Range.Lo == n.Out.Range.Hi {
			n.Out.Range = &ir.Range{Lo: 0, Hi: 1} // always 0: any scale is right
		}
	}
	if prog, err = interp.Stream(m); err != nil { // which has more operations now
		return err
	}
	some := samples.Slice(0, min(step, samples.N))
	env.Wasted, err = wasted(m, own, func(visit func(v *ir.Value, x []float32)) error {
		return prog.Run(ctx, some.X, some.N, visit)
	})
	dropRescalings(m)
	return err
}

// hasOwnType reports whether the type of v is that of no other value, but of what only moves it or chooses
// among its elements, and no caller sees it.
func hasOwnType(users map[*ir.Value][]*ir.Node, returned map[*ir.Value]bool, v *ir.Value) bool {
	return !returned[v] && !slices.ContainsFunc(users[v], func(u *ir.Node) bool {
		return KeepsType(u) && (unites(u) || u.Op == ir.Pad && u.Float(ir.AttrValue) != 0 || !hasOwnType(users, returned, u.Out))
	})
}

// dropRescalings takes out requantizations between equal types, which change nothing.
func dropRescalings(m *ir.Module) {
	returned := m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		if n.Op == ir.Requantize && n.Word(ir.AttrAct) == ir.ActNone && !returned[n.Out] && n.Args[0].Range != nil && *n.Args[0].Range == *n.Out.Range {
			return n.Args[0]
		}
		return nil
	})
}

// pieceOf is the values of an activation that one core looks at in a piece.
const pieceOf = 1 << 16

// pieces has all cores look at x piece by piece.
func pieces(x []float32, look func(piece int, x []float32)) {
	parallel.For((len(x)+pieceOf-1)/pieceOf, func(i int) { look(i, x[i*pieceOf:min((i+1)*pieceOf, len(x))]) })
}

// extend takes the least and greatest of x into r.
func extend(r *ir.Range, x []float32) {
	ends := make([]ir.Range, (len(x)+pieceOf-1)/pieceOf)
	pieces(x, func(piece int, x []float32) {
		lo, hi := float32(r.Lo), float32(r.Hi)
		for _, x := range x {
			lo, hi = min(lo, x), max(hi, x)
		}
		ends[piece] = ir.Range{Lo: float64(lo), Hi: float64(hi)}
	})
	for _, e := range ends {
		r.Lo, r.Hi = min(r.Lo, e.Lo), max(r.Hi, e.Hi)
	}
}

// typeFrom is the value whose scale and zero point a has: a itself, or what
// type-keeping operations of one argument made it of.
func typeFrom(a *ir.Value) *ir.Value {
	for a.Def != nil && KeepsType(a.Def) && len(a.Def.Args) == 1 {
		a = a.Def.Args[0]
	}
	return a
}

// givenRange is the range that calibration has no say in: an input's, with 0 in it,
// or a fixed one; nil for most values.
func givenRange(v *ir.Value) *ir.Range {
	if v.Def == nil {
		return &ir.Range{Lo: min(v.Range.Lo, 0), Hi: max(v.Range.Hi, 0)}
	}
	return fixedRange(v.Def)
}

// padded is the value that a pad adds to its argument's, 0 where it is none that
// can be kept beside others.
func padded(n *ir.Node) float64 {
	if n.Op != ir.Pad || math.Abs(n.Float(ir.AttrValue)) > 1e6 {
		return 0
	}
	return n.Float(ir.AttrValue)
}

// share gives the arguments and results of type-keeping operations one range: the
// declared one where an input is among them, else the union of theirs; a minimum or
// maximum that of its result, in which arguments saturate. Those of several arguments
// take only what serves nothing else, and pads of a value beyond a given range none:
// IsolateTypes saw to that.
func share(m *ir.Module, ranges map[*ir.Value]*ir.Range) {
	members := membersOf(ranges)
	for _, n := range m.Ops {
		if !KeepsType(n) {
			continue
		}
		if n.Op == ir.Minimum || n.Op == ir.Maximum {
			for _, a := range n.Args {
				members.merge(ranges, ranges[a], ranges[n.Out])
			}
			continue
		}
		shared := ranges[n.Args[0]]
		if v := padded(n); givenRange(typeFrom(n.Args[0])) == nil {
			shared.Lo, shared.Hi = min(shared.Lo, v), max(shared.Hi, v)
		}
		for _, a := range n.Args[1:] {
			other := ranges[a]
			shared.Lo, shared.Hi = min(shared.Lo, other.Lo), max(shared.Hi, other.Hi)
			shared = members.merge(ranges, other, shared)
		}
		ranges[n.Out] = shared
		members[shared] = append(members[shared], n.Out)
	}
}

// members are the values of each range: those that ranges still gives it.
type members map[*ir.Range][]*ir.Value

func membersOf(ranges map[*ir.Value]*ir.Range) members {
	of := make(members, len(ranges))
	for v, r := range ranges {
		of[r] = append(of[r], v)
	}
	return of
}

// merge gives the values of a range, was, and those of r one range, as wide as r, and
// returns it: the one of more values, so that many merges take little more time than values.
func (of members) merge(ranges map[*ir.Value]*ir.Range, was, r *ir.Range) *ir.Range {
	if was == r {
		return r
	}
	if len(of[was]) > len(of[r]) {
		*was = *r
		was, r = r, was
	}
	for _, v := range of[was] {
		if ranges[v] == was {
			ranges[v] = r
			of[r] = append(of[r], v)
		}
	}
	delete(of, was)
	return r
}

// widenSums gives sums and differences that are far smaller than their arguments a range
// that R13 can compute: what is finer than it is nothing but the rounding of the arguments.
func widenSums(m *ir.Module, ranges map[*ir.Value]*ir.Range) {
	for isChanged := true; isChanged; {
		isChanged = false
		for _, n := range m.Ops {
			if n.Op != ir.Add && n.Op != ir.Sub && n.Op != ir.SquaredDiff && n.Op != ir.ScaledDiff {
				continue
			}
			coarse := max(quantFor(*ranges[n.Args[0]]).Scale, quantFor(*ranges[n.Args[1]]).Scale)
			r := ranges[n.Out]
			if n.Op == ir.ScaledDiff {
				const spare = 1 + 1e-6
				if least := 2 * 510 * coarse * quantFor(*ranges[n.Args[2]]).Scale / (1 << geometry.ScaledShift); quantFor(*r).Scale < least*spare {
					r.Hi = max(r.Lo, 0) + 255*least*spare*spare
					isChanged = true
				}
				continue
			}
			if n.Op == ir.SquaredDiff {
				const spare = 1 + 1e-6
				if least := float64(geometry.SquareStep*coarse*coarse) * spare; quantFor(*r).Scale < least {
					r.Hi = max(r.Lo, 0) + 255*least*spare
					isChanged = true
				}
				continue
			}
			if r.Lo == r.Hi {
				r.Hi = 1 // always 0
			}
			if quantFor(*r).Scale < coarse/(1<<18) {
				r.Hi = max(r.Lo, 0) + 255*coarse/(1<<17)
				isChanged = true
			}
		}
	}
}

// unite gives two values, and those that have the range of one already, the union of
// their ranges; none where a range is fixed, which that of shares is unless it was cut.
func unite(ranges map[*ir.Value]*ir.Range, of members, a, b *ir.Value) {
	x, y := ranges[a], ranges[b]
	isFixed := func(v *ir.Value) bool {
		r := fixedRange(v.Def)
		return r != nil && *r == *ranges[v]
	}
	if x == y || x == nil || y == nil || a.Def == nil || b.Def == nil || isFixed(a) || isFixed(b) {
		return
	}
	x.Lo, x.Hi = min(x.Lo, y.Lo), max(x.Hi, y.Hi)
	of.merge(ranges, y, x)
}

// shareSteps gives the steps of an unrolled recurrence, which begin with layers that
// share their weights, the same ranges: they then have the same integers, and code
// generation makes one function of each operation for all steps.
func shareSteps(m *ir.Module, ranges map[*ir.Value]*ir.Range) {
	of, index := membersOf(ranges), map[*ir.Node]int{}
	for i, n := range m.Ops {
		index[n] = i
	}
	for _, tied := range m.AllTied() {
		l := tied[0]
		for _, t := range tied[1:] {
			unite(ranges, of, l.Args[0], t.Args[0])
			first, other := m.Ops[index[l]:index[t]], m.Ops[index[t]:]
			for i, n := range first {
				if i >= len(other) || n.Op != other[i].Op || !n.Out.Type.Equal(other[i].Out.Type) || i > 0 && slices.Contains(tied, n) {
					break
				}
				unite(ranges, of, n.Out, other[i].Out)
			}
		}
	}
}

// IsolateTypes puts a requantization before each argument of an operation of several
// that gives them one type, concat, minimum and maximum, unless the argument serves
// nothing else and can be computed in that type: so no other use of it gets a range that
// is not its own. A pad has one, too, of a value beyond a given range, or that would
// widen the range of another use. Calibrate takes out those between equal types.
func IsolateTypes(_ context.Context, m *ir.Module, _ *pass.Env) error {
	uses := m.Uses() // which stay: what is inserted takes the place of one use
	for _, n := range append([]*ir.Node(nil), m.Ops...) {
		if n.Op == ir.Pad {
			r, v := givenRange(typeFrom(n.Args[0])), padded(n)
			if r != nil && (v < r.Lo || v > r.Hi) || r == nil && v != 0 && !serves(uses, n.Args[0]) {
				n.Args[0] = insertBefore(m, n, n.Args[0], 0)
				uses[n.Args[0]] = 1
			}
		}
		if !unites(n) {
			continue
		}
		for i, a := range n.Args {
			if !serves(uses, a) {
				n.Args[i] = insertBefore(m, n, a, i)
				uses[n.Args[i]] = 1
			}
		}
	}
	return nil
}

// unites reports whether n gives several arguments one type.
func unites(n *ir.Node) bool { return len(n.Args) > 1 && KeepsType(n) }

// serves reports whether a value has one use, as have all that it has its type from, and
// that type can be any.
func serves(uses map[*ir.Value]int, a *ir.Value) bool {
	for {
		if uses[a] != 1 || givenRange(a) != nil {
			return false
		}
		if !KeepsType(a.Def) || unites(a.Def) {
			return true
		}
		a = a.Def.Args[0]
	}
}

// insertBefore puts a requantization of a before node n.
func insertBefore(m *ir.Module, n *ir.Node, a *ir.Value, i int) *ir.Value {
	r := &ir.Node{Op: ir.Requantize, Args: []*ir.Value{a}, Pos: n.Pos}
	r.Out = &ir.Value{Name: fmt.Sprintf("%s.arg%d", n.Name(), i), Type: a.Type, Def: r, Pos: n.Pos}
	at := slices.Index(m.Ops, n)
	m.Ops = slices.Insert(m.Ops, at, r)
	return r.Out
}

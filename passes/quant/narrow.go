package quant

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// vanishing is the distance from a row's greatest element at which softmax makes nothing of
// an element: its table has 15 bits (R15).
const vanishing = 16 * math.Ln2

// worthwhile is the part of a value's range that its uses must leave for it to be cut: what
// is cut off saturates, so that a value of all sizes keeps to what was measured.
const worthwhile = .5

// attention is what a softmax sees of its argument.
type attention struct {
	order  []int32 // of its rows, nil where they lie in order
	length int
	mask   []byte // in the order of rows, nil without one
	seen   ir.Range
	isSeen bool
}

// attentions are those of all softmaxes, by their arguments that nothing else reads.
func attentions(m *ir.Module) (map[*ir.Value]*attention, error) {
	all, uses := map[*ir.Value]*attention{}, m.Uses()
	for _, n := range m.Ops {
		if n.Op != ir.Softmax || uses[n.Args[0]] != 1 {
			continue
		}
		a := &attention{}
		a.order, a.length = geometry.Rows(n)
		if c := n.Const(ir.AttrMask); c != nil {
			raw, err := c.Load()
			if err != nil {
				return nil, err
			}
			for i := range n.Args[0].Type.Shape.Size() {
				a.mask = append(a.mask, raw[a.place(i)%len(raw)])
			}
		}
		all[n.Args[0]] = a
	}
	return all, nil
}

func (a *attention) place(i int) int {
	if a.order == nil {
		return i
	}
	return int(a.order[i])
}

// add takes images of size elements into the range that is seen: elements that vanish
// count as if they just did.
func (a *attention) add(x []float32, size int) {
	takesPart := func(i int) bool { return a.mask == nil || a.mask[i] != 0 }
	for ; len(x) > 0; x = x[size:] {
		for row := 0; row < size; row += a.length {
			top := math.Inf(-1)
			for i := row; i < row+a.length; i++ {
				if takesPart(i) {
					top = max(top, float64(x[a.place(i)]))
				}
			}
			for i := row; i < row+a.length; i++ {
				if takesPart(i) {
					v := max(float64(x[a.place(i)]), top-vanishing)
					if !a.isSeen {
						a.seen, a.isSeen = ir.Range{Lo: v, Hi: v}, true
					}
					a.seen.Lo, a.seen.Hi = min(a.seen.Lo, v), max(a.seen.Hi, v)
				}
			}
		}
	}
}

// fromSum is the range of argument i of a sum or difference in which it changes the result;
// beyond it the result saturates whatever the other argument is.
func fromSum(n *ir.Node, i int, ranges map[*ir.Value]*ir.Range) ir.Range {
	r, other := *ranges[n.Out], *ranges[n.Args[1-i]]
	switch {
	case n.Op == ir.Add:
		return ir.Range{Lo: r.Lo - other.Hi, Hi: r.Hi - other.Lo}
	case i == 0:
		return ir.Range{Lo: r.Lo + other.Lo, Hi: r.Hi + other.Hi}
	}
	return ir.Range{Lo: other.Lo - r.Hi, Hi: other.Hi - r.Lo}
}

// cut narrows r to another range, both of which contain 0, where that is worthwhile.
func cut(r *ir.Range, to ir.Range) bool {
	to.Lo, to.Hi = max(r.Lo, min(to.Lo, 0)), min(r.Hi, max(to.Hi, 0))
	if to.Hi-to.Lo > worthwhile*(r.Hi-r.Lo) || to.Hi == to.Lo {
		return false
	}
	*r = to
	return true
}

// cutRanges cuts the ranges of values to what their one use makes of them, as of a mask of -1e9
// that is added to scores before a softmax: beyond it they saturate.
func cutRanges(m *ir.Module, ranges map[*ir.Value]*ir.Range, seen map[*ir.Value]*attention) {
	uses := m.Uses()
	for _, n := range slices.Backward(m.Ops) {
		if a := seen[n.Out]; a != nil && a.isSeen && serves(uses, n.Out) {
			cut(ranges[n.Out], a.seen)
		}
		switch {
		case n.Op == ir.Add || n.Op == ir.Sub:
			for k, a := range n.Args {
				if serves(uses, a) {
					cut(ranges[a], fromSum(n, k, ranges))
				}
			}
		case KeepsType(n): // what saturates before it does so after it
			for _, a := range n.Args {
				if serves(uses, a) {
					cut(ranges[a], *ranges[n.Out])
				}
			}
		}
	}
}

// rescaleCoarse rescales an argument of a sum, for the sum alone, whose range is too coarse
// for the result and not to be cut.
func rescaleCoarse(m *ir.Module, ranges map[*ir.Value]*ir.Range) {
	for _, n := range slices.Clone(m.Ops) {
		if n.Op != ir.Add && n.Op != ir.Sub {
			continue
		}
		for k, a := range n.Args {
			r := *ranges[a]
			if quantFor(r).Scale > quantFor(*ranges[n.Out]).Scale*(1<<16) && cut(&r, fromSum(n, k, ranges)) {
				v := insertBefore(m, n, a, k)
				n.Args[k], ranges[v] = v, &r
			}
		}
	}
}

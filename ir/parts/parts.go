// Package parts divides an operation into parts that threads may compute side by side: each is a
// smaller operation of the same kind, of some rows of the result. Parts write to disjoint places,
// each has its own scratch, and no part reads what another writes: the integers are the same for
// any number of parts, in any order. Memory, code generation and the interpreter's arena mode read
// the same division.
package parts

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
)

// Part is an operation that computes some rows of another's result.
type Part struct {
	Node *ir.Node
	From []int // of each argument, the byte at which the part's begins
	To   int   // the byte at which its result begins
}

// ofOutputs are the constants of a linear layer of which each output has its own, shared those
// that all outputs share.
var (
	ofOutputs = []ir.AttrKey{ir.AttrWeight, ir.AttrBias, ir.AttrMul, ir.AttrShift}
	shared    = []ir.AttrKey{ir.AttrCodebook}
)

// Length is what an operation is divided by: the rows of an image, the columns of an image of one
// row, the outputs of a linear layer; 0 of an operation that is not divided.
func Length(n *ir.Node) int {
	if n.Op == ir.Linear {
		if !isLinear(n) {
			return 0
		}
		return n.Out.Type.Shape[0]
	}
	a := axisOf(n)
	if a == 0 {
		return 0
	}
	return n.Out.Type.Shape[a]
}

// isLinear reports whether n is a layer of a vector, all of whose constants are known.
func isLinear(n *ir.Node) bool {
	out := n.Out.Type.Shape
	if len(out) != 1 {
		return false
	}
	for _, a := range n.Attrs {
		c, ok := a.Value.(*ir.Const)
		if !ok || slices.Contains(shared, a.Key) {
			continue
		}
		isOne := c.Type.Shape.Size() == 1 // of all outputs
		if !slices.Contains(ofOutputs, a.Key) || !isOne && c.Type.Shape[0] != out[0] {
			return false
		}
	}
	return true
}

// The axes of an image, whose channels lie side by side in memory: parts of it are whole rows, or
// where it has one row, columns.
const (
	rows    = 1
	columns = 2
)

// axisOf is the axis that an operation on images is divided along; 0 for none.
func axisOf(n *ir.Node) int {
	isByElement := geometry.IsByElement(n.Op)
	if !isByElement && !geometry.HasWindows(n.Op) {
		return 0
	}
	isRow := true
	for _, x := range append(slices.Clone(n.Args), n.Out) {
		s := x.Type.Shape
		if len(s) != 3 || isByElement && !s.Equal(n.Out.Type.Shape) {
			return 0
		}
		isRow = isRow && s[rows] == 1
	}
	switch {
	case isRow:
		return columns
	case n.Out.Type.Shape[rows] > 1:
		return rows
	}
	return 0
}

// viewOf is what a row, or column, of a result is computed from.
func viewOf(n *ir.Node, axis int) geometry.View {
	if axis == columns {
		return geometry.ViewOfColumns(n)
	}
	return geometry.ViewOfRows(n)
}

// Divide is an operation in parts of size rows, the last of what is left; ok is false for an
// operation that is not divided so. The parts have no scratch yet.
func Divide(n *ir.Node, size int) (list []Part, ok bool) {
	length := Length(n)
	if size < 1 || size >= length {
		return nil, false
	}
	for from := 0; from < length; from += size {
		to := min(from+size, length)
		var p Part
		if n.Op == ir.Linear {
			p = outputs(n, from, to)
		} else if p, ok = pixels(n, from, to); !ok {
			return nil, false
		}
		list = append(list, p)
	}
	return list, true
}

// bare is n without what is of the whole operation.
func bare(n *ir.Node) *ir.Node {
	p := &ir.Node{Op: n.Op, Attrs: slices.Clone(n.Attrs), Pos: n.Pos}
	p.Drop(ir.AttrParts, ir.AttrScratch, ir.AttrLag)
	return p
}

// resized is a value with another shape.
func resized(v *ir.Value, s ir.Shape) *ir.Value {
	c := *v
	c.Type.Shape, c.Def = s, nil
	return &c
}

// pixels is the part of rows, or columns, from to to-1. It is not ok where all that these see is
// padding.
func pixels(n *ir.Node, from, to int) (part Part, ok bool) {
	axis := axisOf(n)
	v, p := viewOf(n, axis), bare(n)
	along := func(x *ir.Value, first, last int) (*ir.Value, int) {
		s := slices.Clone(x.Type.Shape)
		bytes := x.RowBytes()
		if axis == columns {
			bytes /= s[columns]
		}
		s[axis] = last - first
		return resized(x, s), first * bytes
	}
	first, last, in := from*v.Stride-v.Before, (to-1)*v.Stride-v.Before+v.Extent, n.Args[0].Type.Shape[axis]
	if n.Op.Takes(ir.AttrPad) {
		pad := slices.Clone(n.Ints(ir.AttrPad)) // top, left, bottom, right
		pad[axis-1], pad[axis+1] = max(-first, 0), max(last-in, 0)
		p.Put(ir.AttrPad.Is(pad))
	}
	if first, last = max(first, 0), min(last, in); last <= first {
		return Part{}, false
	}
	same := map[*ir.Value]*ir.Value{} // add(x, x) has two
	for _, x := range n.Args {
		cut, at := along(x, first, last)
		if same[x] == nil {
			same[x] = cut
		}
		p.Args, part.From = append(p.Args, same[x]), append(part.From, at)
	}
	p.Out, part.To = along(n.Out, from, to)
	p.Out.Def, part.Node = p, p
	return part, true
}

// outputs is the part of outputs from to to-1 of a linear layer.
func outputs(n *ir.Node, from, to int) Part {
	p := bare(n)
	for i, a := range p.Attrs {
		if c, ok := a.Value.(*ir.Const); ok && slices.Contains(ofOutputs, a.Key) && c.Type.Shape.Size() > 1 {
			p.Attrs[i].Value = rowsOf(c, from, to)
		}
	}
	p.Args = n.Args
	p.Out = resized(n.Out, ir.Shape{to - from})
	p.Out.Def = p
	return Part{Node: p, From: make([]int, len(n.Args)), To: from * n.Out.Type.Elem.StoredSize()}
}

// rowsOf is a constant's rows from to to-1.
func rowsOf(c *ir.Const, from, to int) *ir.Const {
	r := *c
	r.Type.Shape = slices.Clone(c.Type.Shape)
	r.Type.Shape[0] = to - from
	r.Data = cut{c, from, to}
	if c.Scale != nil && c.Scale.Type.Shape.Size() > 1 {
		r.Scale = rowsOf(c.Scale, from, to)
	}
	return &r
}

// cut is the data of some rows of a constant.
type cut struct {
	of       *ir.Const
	from, to int
}

// Load reads the whole constant.
func (c cut) Load() ([]byte, error) {
	data, err := c.of.Load()
	if err != nil {
		return nil, err
	}
	row := len(data) / c.of.Type.Shape[0]
	return data[c.from*row : c.to*row], nil
}

// line is the alignment of each part's scratch to the first one's, so that threads do not write to
// one line of a cache.
const line = 64

func lines(bytes int) int { return (bytes + line - 1) / line * line }

// Scratch is the bytes of the scratch of count parts, each of which takes so many.
func Scratch(count, bytes int) int {
	if bytes == 0 {
		return 0
	}
	return (count-1)*lines(bytes) + bytes
}

// Of lists the parts of an operation that is divided, with its plan and their places of the
// scratch; none of others. Attributes that are no division, as in a dump that was edited by hand,
// are a diagnostic.
func Of(n *ir.Node) ([]Part, error) {
	if !n.Has(ir.AttrParts) {
		return nil, nil
	}
	fault := func(format string, args ...any) error {
		return diag.New(n.Pos, diag.BadValue, "%s: %s", n.Name(), fmt.Sprintf(format, args...)).
			WithHelp("-start-after fuse-pool selects kernels and plans memory anew")
	}
	count, size := n.Ints(ir.AttrParts)[0], n.Ints(ir.AttrParts)[1]
	list, ok := Divide(n, size)
	if !ok || len(list) != count {
		return nil, fault("no %d parts of %d make it up", count, size)
	}
	if !n.Has(ir.AttrScratch) {
		return list, nil
	}
	at, all := n.Ints(ir.AttrScratch)[0], n.Ints(ir.AttrScratch)[1]
	apart := lines((all + count - 1) / count)
	own := all - (count-1)*apart
	if own <= 0 {
		return nil, fault("scratch of %d bytes is none of %d parts", all, count)
	}
	for i, p := range list {
		p.Node.Put(ir.AttrScratch.Is([]int{at + i*apart, own}))
	}
	return list, nil
}

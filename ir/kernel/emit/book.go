package emit

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// Book is a layer with a codebook: each code represents d weights along the channels of one
// tap (R1). Codes are stored row by row, tap by tap.
type Book struct {
	*Codes
	D, taps, channels int
	groups            int // codes of a tap
	table             *loop.Global
}

// bookOf reads a layer's codebook.
func bookOf(g *Generator) (*Book, error) {
	w := g.Node.Const(ir.AttrWeight)
	s := w.Type.Shape
	b := &Book{D: max(int(w.Type.Elem.Group), 1), channels: s[1], taps: s.Size() / (s[0] * s[1])}
	b.groups = (b.channels + b.D - 1) / b.D
	table, err := g.Node.Const(ir.AttrCodebook).Load()
	if err != nil {
		return nil, err
	}
	b.table = g.Global("codebook", 4, table)
	return b, nil
}

// NewBookCodes packs the codes of a layer with a codebook.
func NewBookCodes(g *Generator) (*Book, error) {
	b, err := bookOf(g)
	if err != nil {
		return nil, err
	}
	w := g.Node.Const(ir.AttrWeight).Type
	b.Codes = &Codes{G: g, Elem: w.Elem, Rows: w.Shape[0], K: b.groups * b.taps, Groups: 1, Acc: 32}
	planes, err := PackBook(g.Node)
	if err != nil {
		return nil, err
	}
	for i, data := range planes {
		b.Planes = append(b.Planes, g.Global(fmt.Sprintf("weight%d", i), 4, data))
	}
	return b, nil
}

// PackBook lays the codes of a layer with a codebook out in bit planes: row by row, tap by
// tap.
func PackBook(n *ir.Node) ([][]byte, error) {
	w := n.Const(ir.AttrWeight)
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	rows, order := w.Type.Shape[0], bookOrder(w.Type)
	return Pack(w.Type.Elem, codes, 1, rows, len(order), rows+1, order), nil
}

// NewBook packs the codes and adds the constants of the layer's requantization; lanes is the
// number of output channels that are computed together.
func NewBook(g *Generator, lanes int) (*Book, error) {
	b, err := bookOf(g)
	if err != nil {
		return nil, err
	}
	planes, err := PackBook(g.Node)
	if err != nil {
		return nil, err
	}
	if b.Codes, err = NewCodes(g, 1, b.groups*b.taps, lanes, planes); err != nil {
		return nil, err
	}
	return b, nil
}

// bookOrder is the order of an output channel's codes, tap by tap.
func bookOrder(w ir.Type) []int {
	d, channels, taps := max(int(w.Elem.Group), 1), w.Shape[1], w.Shape.Size()/(w.Shape[0]*w.Shape[1])
	order := make([]int, (channels+d-1)/d*taps)
	for i := range order {
		order[i] = i
		if w.Elem.Kind == ir.Code { // in logical order
			order[i] = i%channels*taps + i/channels
		}
	}
	return order
}

// Each calls do for each code of an output channel in order, with the position of the group's
// first weight in the window, and the group's number of weights.
func (b *Book) Each(channel loop.Expr, do func(code, at loop.Expr, weights int)) {
	build := b.G.B
	first := loop.Scaled(channel, b.taps*b.groups)
	full := b.channels / b.D
	build.For("tap", loop.Int(0), loop.Int(b.taps), 1, func(tap loop.Expr) {
		at := func(group loop.Expr) (code, place loop.Expr) {
			i := loop.Sum(first, loop.Scaled(tap, b.groups), group)
			q := build.Let("q", loop.Scaled(loop.To(loop.ZExt, b.Packed(i), 32), b.D))
			return q, loop.Sum(loop.Scaled(tap, b.channels), loop.Scaled(group, b.D))
		}
		build.For("group", loop.Int(0), loop.Int(full), 1, func(group loop.Expr) {
			q, place := at(group)
			do(q, place, b.D)
		})
		if full < b.groups {
			q, place := at(loop.Int(full))
			do(q, place, b.channels-full*b.D)
		}
	})
}

// Weight returns the integer of a code's i-th weight, as an i8.
func (b *Book) Weight(code loop.Expr, i int) loop.Expr {
	return loop.At(b.table, loop.Sum(code, loop.Int(i)), loop.I8)
}

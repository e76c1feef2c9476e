package emit

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/loop"
)

// Difference returns x-zero of an input element, as an i16.
func (g *Generator) Difference(arg int, at loop.Expr) loop.Expr {
	x := loop.To(loop.SExt, g.Read(arg, at), 16)
	if g.Node.Args[arg].Type.IsWide() { // whose zero point is 0
		return x
	}
	return loop.Op(loop.Sub, x, loop.Num(loop.I16, int64(g.Node.Args[arg].Type.Quant.Zero)))
}

// Integer is the type of the elements of a value.
func Integer(t ir.Type) loop.Type {
	if t.IsWide() {
		return loop.I16
	}
	return loop.I8
}

// Read returns an element of argument j, of 8 bits or of 16.
func (g *Generator) Read(j int, at loop.Expr) loop.Expr {
	t := Integer(g.Node.Args[j].Type)
	return loop.At(g.From(j), loop.Scaled(at, t.Bytes()), t)
}

// Write writes an element of the result, which has as many bits as the element's type says.
func (g *Generator) Write(at, v loop.Expr) {
	t := Integer(g.Node.Out.Type)
	g.B.Store(g.To(), loop.Scaled(at, t.Bytes()), loop.To(loop.Trunc, v, t.Bits))
}

// PadTable returns the difference of each channel's padding value from the zero point, or nil
// if every channel is padded with the zero point.
func PadTable(g *Generator) *loop.Global {
	v := g.Node.Nums(ir.AttrPadValue)
	if v == nil {
		return nil
	}
	x := make([]int64, len(v))
	for i, p := range v {
		x[i] = int64(p) - int64(g.Node.Args[0].Type.Quant.Zero)
	}
	return g.Ints("pads", 32, x)
}

// WindowOrder lists the inputs of a window in the order of memory: rows, columns, channels of
// the group.
func WindowOrder(w geometry.Window) (order []int) {
	for ky := range w.KH {
		for kx := range w.KW {
			for c := range w.InC / w.Groups {
				order = append(order, (c*w.KH+ky)*w.KW+kx)
			}
		}
	}
	return order
}

// GatherWindow copies the window of one pixel to scratch.
func GatherWindow(g *Generator, kh, kw, in, base int, pads *loop.Global, group, oy, ox loop.Expr) {
	w, b := geometry.WindowOf(g.Node), g.B
	first := loop.Scaled(group, in)
	b.For("ky", loop.Int(0), loop.Int(kh), 1, func(ky loop.Expr) {
		y := b.Let("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Scaled(ky, w.DilH), loop.Int(-w.PadT)))
		b.For("kx", loop.Int(0), loop.Int(kw), 1, func(kx loop.Expr) {
			x := b.Let("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Scaled(kx, w.DilW), loop.Int(-w.PadL)))
			to := func(c loop.Expr) loop.Expr {
				tap := loop.Sum(loop.Scaled(ky, kw), kx)
				return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(tap, in), c), 2), loop.Int(base))
			}
			from := b.Let("from", loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(y, w.InW), x), w.InC), first))
			copyPixel := func() {
				b.For("c", loop.Int(0), loop.Int(in), 1, func(c loop.Expr) {
					b.Store(g.Scratch, to(c), g.Difference(0, loop.Sum(from, c)))
				})
			}
			if w.PadT+w.PadL+w.PadB+w.PadR == 0 {
				copyPixel()
				return
			}
			inside := loop.Op(loop.And,
				loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), y), loop.Op(loop.SLt, y, loop.Int(w.InH))),
				loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), x), loop.Op(loop.SLt, x, loop.Int(w.InW))))
			b.If(inside, copyPixel, func() {
				b.For("c", loop.Int(0), loop.Int(in), 1, func(c loop.Expr) {
					v := loop.Num(loop.I16, 0)
					if pads != nil {
						v = loop.To(loop.Trunc, loop.At(pads, loop.Scaled(loop.Sum(first, c), 4), loop.I32), 16)
					}
					b.Store(g.Scratch, to(c), v)
				})
			})
		})
	})
}

// Element returns an element of argument j as an i32.
func (g *Generator) Element(j int, at loop.Expr) loop.Expr {
	return loop.To(loop.SExt, g.Read(j, at), 32)
}

// Wide returns the difference of an element of argument j from its zero point, as an i32.
func (g *Generator) Wide(j int, at loop.Expr) loop.Expr {
	return loop.Op(loop.Sub, g.Element(j, at), loop.Int(g.Node.Args[j].Type.Quant.Zero))
}

// RowCodes returns the codes of each output channel of a convolution, group after group, tap
// after tap. Odd codes of several inputs are joined in one code, the first input in the
// lowest bits.
func RowCodes(n *ir.Node, inputs, groups, taps int) ([]byte, error) {
	w := n.Const(ir.AttrWeight)
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	e, rows, channels := w.Type.Elem, w.Type.Shape[0], w.Type.Shape[1]
	out := make([]byte, rows*groups*taps)
	for c := range rows {
		for group := range groups {
			for tap := range taps {
				to := &out[(c*groups+group)*taps+tap]
				if e.Kind == ir.Vec {
					*to = codes[(c*taps+tap)*groups+group]
					continue
				}
				for i := range inputs {
					q := codes[(c*channels+group*inputs+i)*taps+tap]
					*to |= q << (i * int(e.Bits))
				}
			}
		}
	}
	return out, nil
}

// OddEntries writes the table entries for all codes of the given bits, in order, stride bytes
// apart. Each entry is an earlier entry plus the step of one more bit; least is the entry of
// code 0. Sixteen entries are unrolled.
func OddEntries(b *loop.Builder, to *loop.Cursor, stride, bits int, least loop.Expr, step func(bit int) loop.Expr) {
	kept := func(bit int) loop.Expr { return b.Let("step", step(bit)) }
	steps := make([]loop.Expr, min(4, bits))
	for i := range steps {
		steps[i] = kept(i)
	}
	at := 0 // the entry that is written next, from the cursor
	var entries func(bit int, sum loop.Expr)
	entries = func(bit int, sum loop.Expr) {
		switch {
		case bit < 0:
			b.StoreAligned(to, loop.Int(at*stride), sum, 4)
			at++
		case bit < len(steps):
			entries(bit-1, sum)
			entries(bit-1, b.Let("sum", loop.Sum(sum, steps[bit])))
		default:
			v := b.Var("sum", sum)
			b.For("half", loop.Int(0), loop.Int(2), 1, func(loop.Expr) {
				entries(bit-1, v.Get())
				if bit == len(steps) {
					b.Advance(to, at*stride)
					at = 0
				}
				b.Set(v, loop.Sum(v.Get(), kept(bit)))
			})
		}
	}
	entries(bits-1, least)
	b.Advance(to, at*stride)
}

// Some returns n lanes of a vector, beginning with lane from.
func Some(v loop.Expr, from, n int) loop.Expr {
	if n == 1 {
		return &loop.Extract{A: v, Lane: from}
	}
	s := &loop.Shuffle{A: v}
	for i := range n {
		s.Mask = append(s.Mask, from+i)
	}
	return s
}

package kernel

import (
	"fmt"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// convDepthwise decodes the weights to 16 bits in scratch, tap by tap, then sums
// W*(x-z) over the taps inside the image, four channels at a time; those outside
// add nothing.
func convDepthwise(g *generator) error {
	w := interp.Window(g.n)
	weight := g.n.Const("weight")
	codes, err := weight.Load()
	if err != nil {
		return err
	}
	taps, channels := w.KH*w.KW, w.InC
	order := make([]int, len(codes)) // taps, then channels
	for i := range order {
		c := i % channels
		if pairs(g) && c < channels/4*4 {
			c = c&^3 | c&1<<1 | c>>1&1 // 0, 2, 1, 3 of each four
		}
		order[i] = c*taps + i/channels
	}
	l := &layer{g: g, elem: weight.Type.Elem, acc: 32}
	for i, data := range Pack(l.elem, codes, 1, 1, len(codes), 2, order) {
		l.planes = append(l.planes, g.global(fmt.Sprintf("weight%d", i), 4, data))
	}
	bias, err := g.n.Const("bias").Ints()
	if err != nil {
		return err
	}
	rq, constants, err := newChannels(g, bias)
	if err != nil {
		return err
	}
	pixel := depthwisePixel(g, w, rq, constants)
	b := g.b
	b.For("i", loop.Int(0), loop.Int(len(codes)), 1, func(i loop.Expr) {
		v := l.widen(l.packed(i))
		if l.elem.Kind == ir.Odd {
			v = loop.Op(loop.Sub, loop.Op(loop.Shl, v, loop.Int(1)), loop.Int(1<<l.elem.Bits-1))
		}
		b.StoreAligned(g.scratch, loop.Scaled(i, 2), loop.To(loop.Trunc, v, 16), 2)
	})
	g.rows(w, false, func(oy, row loop.Expr) {
		iy := read(b.Var("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Int(-w.PadT))))
		b.For("ox", loop.Int(0), loop.Int(g.columns(w)), 1, func(ox loop.Expr) {
			ix := loop.Sum(loop.Scaled(ox, w.StrideW), loop.Int(-w.PadL))
			b.Call(pixel, []loop.Expr{iy, ix, g.pixel(w, row, ox)}, []loop.Arg{{Region: g.args[0]}, {Region: g.scratch}, {Region: g.out}})
		})
	})
	return nil
}

// depthwisePixel writes the function that computes a pixel whose window begins at
// a row and a column of the input.
func depthwisePixel(g *generator, w kernels.Window, rq requant, constants *loop.Global) *loop.Func {
	x, weights := &loop.Param{Name: "x", Constant: true, Shared: g.args[0].Shared}, &loop.Param{Name: "weights", Constant: true}
	return g.function("pixel", []string{"iy", "ix", "at"}, []*loop.Param{x, weights, g.out}, func(v []loop.Expr) {
		b, zero, channels := g.b, g.n.Args[0].Type.Quant.Zero, w.InC
		least := func(at loop.Expr) loop.Expr {
			return loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), at), loop.Int(0))
		}
		top, left := read(b.Var("top", least(v[0]))), read(b.Var("left", least(v[1])))
		bottom := read(b.Var("bottom", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InH), v[0]), loop.Int(w.KH))))
		right := read(b.Var("right", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InW), v[1]), loop.Int(w.KW))))
		y, cs := b.Cursor("y", g.out, v[2]), rq.cursors(constants, loop.Int(0))
		pixel := loop.Scaled(loop.Sum(loop.Scaled(loop.Sum(v[0], top), w.InW), v[1], left), channels)
		first := b.Var("first", pixel)                                                       // byte of the first tap
		tap := b.Var("tap", loop.Scaled(loop.Sum(loop.Scaled(top, w.KW), left), 2*channels)) // of its weights
		block := func(n, lanes int) {
			acc := make([]*loop.Var, n)
			t := loop.I32.Vec(lanes)
			for j := range acc {
				acc[j] = b.Var("acc", loop.Num(t, 0))
			}
			xs, ws := b.Cursor("xs", x, read(first)), b.Cursor("ws", weights, read(tap))
			b.For("ky", top, bottom, 1, func(loop.Expr) {
				px, pw := b.Cursor("px", xs, loop.Int(0)), b.Cursor("pw", ws, loop.Int(0))
				b.For("kx", left, right, 1, func(loop.Expr) {
					singles := acc
					if n == 4 && pairs(g) {
						fourPairs(b, px, pw, zero, acc)
						singles = nil
					}
					for j := range singles {
						in := loop.To(loop.SExt, load(px, loop.Int(j*lanes), loop.I8.Vec(lanes)), 16)
						in = loop.Op(loop.Sub, in, loop.Num(in.Type(), int64(zero)))
						c := &loop.Load{From: pw, Offset: loop.Int(2 * j * lanes), T: loop.I16.Vec(lanes), Align: 2}
						b.Set(acc[j], loop.Sum(read(acc[j]), loop.Op(loop.Mul, loop.To(loop.SExt, in, 32), loop.To(loop.SExt, c, 32))))
					}
					b.Advance(px, channels)
					b.Advance(pw, 2*channels)
				})
				b.Advance(xs, w.InW*channels)
				b.Advance(ws, 2*w.KW*channels)
			})
			for j := range acc {
				q := cs.load(j*lanes, lanes)
				q.storeAt(loop.Sum(q.bias, read(acc[j])), y, loop.Int(j*lanes))
			}
			b.Advance(y, n*lanes)
			cs.advance(n * lanes)
			b.Set(first, loop.Sum(read(first), loop.Int(n*lanes)))
			b.Set(tap, loop.Sum(read(tap), loop.Int(2*n*lanes)))
		}
		n, lanes := 4, 1
		if cs.vectors() {
			n, lanes = 1, 4
		}
		b.For("channels", loop.Int(0), loop.Int(channels/4), 1, func(loop.Expr) { block(n, lanes) })
		b.For("channel", loop.Int(0), loop.Int(channels%4), 1, func(loop.Expr) { block(1, 1) })
		b.Return(loop.Int(0))
	})
}

// pairs reports whether channels are multiplied as halves of words.
func pairs(g *generator) bool {
	return g.target.Has("dsp") && !g.target.Has("mve") && !g.target.Has("neon")
}

// fourPairs adds the products of one tap of four channels; the weights are in the
// order of bytes 0, 2, 1, 3.
func fourPairs(b *loop.Builder, px, pw *loop.Cursor, zero int, acc []*loop.Var) {
	word := read(b.Var("word", load(px, loop.Int(0), loop.I32)))
	zeros := loop.Int(int(int32(uint32(uint16(zero)) * 0x10001)))
	for i, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
		x := read(b.Var("x", loop.Instr("ssub16", loop.Instr("sxtb16", half), zeros)))
		c := read(b.Var("c", &loop.Load{From: pw, Offset: loop.Int(4 * i), T: loop.I32, Align: 2}))
		b.Set(acc[i], loop.Instr("smlabb", x, c, read(acc[i])))
		b.Set(acc[2+i], loop.Instr("smlatt", x, c, read(acc[2+i])))
	}
}

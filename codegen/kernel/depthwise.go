package kernel

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// convDepthwise decodes the weights to 16 bits in scratch, then sums W*x over a
// window, four channels at a time; what the zero point takes off lies in the bias. A
// window that sticks out of the image is gathered in scratch, filled with zero
// points.
func convDepthwise(g *generator) error {
	w := interp.Window(g.n)
	weight := g.n.Const("weight")
	codes, err := weight.Load()
	if err != nil {
		return err
	}
	taps, channels := w.KH*w.KW, w.InC
	l := &layer{g: g, elem: weight.Type.Elem, acc: 32}
	for i, data := range Pack(l.elem, codes, 1, 1, len(codes), 2, depthwiseOrder(g, taps, channels)) {
		l.planes = append(l.planes, g.global(fmt.Sprintf("weight%d", i), 4, data))
	}
	bias, err := g.n.Const("bias").Ints()
	if err != nil {
		return err
	}
	values, err := interp.IntWeights(g.n)
	if err != nil {
		return err
	}
	// Modulo 2^32, as the sums are; the result has the bound of R5.
	folded := slices.Clone(bias)
	for i, v := range values {
		folded[i/taps] -= int64(g.n.Args[0].Type.Quant.Zero) * int64(v)
	}
	rq, constants, err := newChannels(g, folded, true)
	if err != nil {
		return err
	}
	edges := w.PadT+w.PadL+w.PadB+w.PadR > 0
	pixel := depthwisePixel(g, w, rq, constants)
	var gather *loop.Func
	if edges {
		gather = depthwiseWindow(g, w)
	}
	b := g.b
	b.For("i", loop.Int(0), loop.Int(len(codes)), 1, func(i loop.Expr) {
		v := l.widen(l.packed(i))
		if l.elem.Kind == ir.Odd {
			v = loop.Op(loop.Sub, loop.Op(loop.Shl, v, loop.Int(1)), loop.Int(1<<l.elem.Bits-1))
		}
		b.StoreAligned(g.scratch, loop.Scaled(i, 2), loop.To(loop.Trunc, v, 16), 2)
	})
	window := target.DepthwiseWeights(len(codes)) // byte of a gathered window
	weights := loop.Arg{Region: g.scratch}
	g.rows(w, false, func(oy, row loop.Expr) {
		iy := read(b.Var("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Int(-w.PadT))))
		b.For("ox", loop.Int(0), loop.Int(g.columns(w)), 1, func(ox loop.Expr) {
			ix, at := read(b.Var("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Int(-w.PadL)))), g.pixel(w, row, ox)
			whole := func() {
				first := loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), ix), channels)
				b.Call(pixel, []loop.Expr{first, loop.Int(w.InW * channels), at}, []loop.Arg{{Region: g.args[0]}, weights, {Region: g.out}})
			}
			if !edges {
				whole()
				return
			}
			inside := loop.Op(loop.And, loop.Op(loop.ULt, iy, loop.Int(max(0, w.InH-w.KH+1))), loop.Op(loop.ULt, ix, loop.Int(max(0, w.InW-w.KW+1))))
			b.If(inside, whole, func() {
				b.Call(gather, []loop.Expr{iy, ix, loop.Int(window)}, []loop.Arg{{Region: g.args[0]}, {Region: g.scratch}})
				b.Call(pixel, []loop.Expr{loop.Int(window), loop.Int(w.KW * channels), at}, []loop.Arg{{Region: g.scratch}, weights, {Region: g.out}})
			})
		})
	})
	return nil
}

// depthwiseOrder is the order of decoded weights: the taps of four channels, tap by
// tap, then those of each channel left over.
func depthwiseOrder(g *generator, taps, channels int) []int {
	var order []int
	for c := 0; c < channels/4*4; c += 4 {
		four := []int{c, c + 1, c + 2, c + 3}
		if pairs(g) {
			four[1], four[2] = c+2, c+1
		}
		for tap := range taps {
			for _, c := range four {
				order = append(order, c*taps+tap)
			}
		}
	}
	for i := len(order); i < channels*taps; i++ {
		order = append(order, i)
	}
	return order
}

// depthwiseWindow writes the function that gathers the window of a pixel, whose
// integers are its first row and column and the byte where it lies then.
func depthwiseWindow(g *generator, w kernels.Window) *loop.Func {
	x, scratch := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "window"}
	return g.function("gather", []string{"iy", "ix", "at"}, []*loop.Param{x, scratch}, func(v []loop.Expr) {
		b, channels := g.b, w.InC
		lanes := 1
		for channels%(4*lanes) == 0 && lanes < 4 {
			lanes *= 4
		}
		if lanes == 4 && channels%16 == 0 && g.target.Vectors() {
			lanes = 16
		}
		t := loop.I8.Vec(lanes)
		zero := g.n.Args[0].Type.Quant.Zero
		fill := loop.Expr(loop.Num(t, int64(zero)))
		if lanes == 4 {
			t, fill = loop.I32, loop.Int(int(int32(uint32(uint8(zero))*0x01010101)))
		}
		to := b.Cursor("to", scratch, v[2])
		copies := func(value func() loop.Expr) {
			b.For("c", loop.Int(0), loop.Int(channels/lanes), 1, func(loop.Expr) {
				b.Store(to, loop.Int(0), value())
				b.Advance(to, lanes)
			})
		}
		b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
			iy := read(b.Var("y", loop.Sum(v[0], ky)))
			b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(kx loop.Expr) {
				ix := read(b.Var("x", loop.Sum(v[1], kx)))
				inside := loop.Op(loop.And, loop.Op(loop.ULt, iy, loop.Int(w.InH)), loop.Op(loop.ULt, ix, loop.Int(w.InW)))
				b.If(inside, func() {
					from := b.Cursor("from", x, loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), ix), channels))
					copies(func() loop.Expr {
						value := read(b.Var("v", load(from, loop.Int(0), t)))
						b.Advance(from, lanes)
						return value
					})
				}, func() { copies(func() loop.Expr { return fill }) })
			})
		})
		b.Return(loop.Int(0))
	})
}

// unrolled is the taps of a window, or of its row, that are written one by one.
const unrolled = 9

// depthwisePixel writes the function that computes a pixel. Its integers are the
// byte of its window's first input, the bytes between the window's rows, and the
// byte of its first output.
func depthwisePixel(g *generator, w kernels.Window, rq requant, constants *loop.Global) *loop.Func {
	x, weights := &loop.Param{Name: "x", Constant: true, Shared: g.args[0].Shared}, &loop.Param{Name: "weights", Constant: true}
	return g.function("pixel", []string{"first", "row", "at"}, []*loop.Param{x, weights, g.out}, func(v []loop.Expr) {
		b, channels := g.b, w.InC
		first, row := b.Cursor("first", x, v[0]), v[1]
		ws, y, cs := b.Cursor("ws", weights, loop.Int(0)), b.Cursor("y", g.out, v[2]), rq.cursors(constants, loop.Int(0))
		block := func(n, lanes int) {
			acc := make([]*loop.Var, n)
			t := loop.I32.Vec(lanes)
			for j := range acc {
				acc[j] = b.Var("acc", loop.Num(t, 0))
			}
			px := b.Cursor("px", first, loop.Int(0))
			tap := func(from *loop.Cursor, at int) {
				if n == 4 && pairs(g) {
					fourPairs(b, from, at, ws, acc)
				} else {
					for j := range acc {
						in := loop.To(loop.SExt, load(from, loop.Int(at+j*lanes), loop.I8.Vec(lanes)), 32)
						c := &loop.Load{From: ws, Offset: loop.Int(2 * j * lanes), T: loop.I16.Vec(lanes), Align: 2}
						b.Set(acc[j], loop.Sum(read(acc[j]), loop.Op(loop.Mul, in, loop.To(loop.SExt, c, 32))))
					}
				}
				b.Advance(ws, 2*n*lanes)
			}
			taps := func() {
				if w.KW <= unrolled {
					for kx := range w.KW {
						tap(px, kx*channels)
					}
				} else {
					in := b.Cursor("in", px, loop.Int(0))
					b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(loop.Expr) {
						tap(in, 0)
						b.Advance(in, channels)
					})
				}
				b.Move(px, row)
			}
			if w.KH*w.KW <= unrolled {
				for range w.KH {
					taps()
				}
			} else {
				b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(loop.Expr) { taps() })
			}
			for j := range acc {
				q := cs.load(j*lanes, lanes)
				q.storeAt(loop.Sum(q.bias, read(acc[j])), y, loop.Int(j*lanes))
			}
			b.Advance(first, n*lanes)
			b.Advance(y, n*lanes)
			cs.advance(n * lanes)
		}
		n, lanes := 4, 1
		if rq.vectors {
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

// fourPairs adds the products of one tap of four channels, whose inputs lie at a
// byte from a cursor on; the weights are in the order of bytes 0, 2, 1, 3.
func fourPairs(b *loop.Builder, from *loop.Cursor, at int, ws *loop.Cursor, acc []*loop.Var) {
	word := read(b.Var("word", load(from, loop.Int(at), loop.I32)))
	for i, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
		x := read(b.Var("x", loop.Instr("sxtb16", half)))
		c := read(b.Var("c", &loop.Load{From: ws, Offset: loop.Int(4 * i), T: loop.I32, Align: 2}))
		b.Set(acc[i], loop.Instr("smlabb", x, c, read(acc[i])))
		b.Set(acc[2+i], loop.Instr("smlatt", x, c, read(acc[2+i])))
	}
}

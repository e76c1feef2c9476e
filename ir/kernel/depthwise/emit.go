package depthwise

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Emit decodes the weights to 16 bits in scratch, then sums W*x over each window, four
// channels at a time. Inputs and results have 8 bits or 16. The bias contains the correction for the zero point.
// A window that crosses the border of the image is gathered in scratch and filled with zero points. A plan of some
// channels decodes the weights of one block after the other for each row, and gathers all windows, if there are borders.
func (p Plan) Emit(g *emit.Generator) error {
	w := geometry.WindowOf(g.Node)
	weight := g.Node.Const(ir.AttrWeight)
	codes, err := weight.Load()
	if err != nil {
		return err
	}
	taps, channels := w.KH*w.KW, w.InC
	l := layer{&emit.Codes{G: g, Elem: weight.Type.Elem, Acc: 32}}
	bias, err := g.Node.Const(ir.AttrBias).Ints()
	if err != nil {
		return err
	}
	values, err := geometry.IntWeights(g.Node)
	if err != nil {
		return err
	}
	// Modulo 2^32, as the sums are; the result has the bound of R5.
	folded := slices.Clone(bias)
	for i, v := range values {
		folded[i/taps] -= int64(g.Node.Args[0].Type.Quant.Zero) * int64(v)
	}
	rq, constants, err := emit.NewChannels(g, folded, true)
	if err != nil {
		return err
	}
	blocks := depthwiseBlocks(rq, l.Elem, taps)
	for i, data := range emit.Pack(l.Elem, codes, 1, 1, len(codes), 2, depthwiseOrder(g, taps, channels, blocks)) {
		l.Planes = append(l.Planes, g.Global(fmt.Sprintf("weight%d", i), 4, data))
	}
	edges := w.PadT+w.PadL+w.PadB+w.PadR > 0
	k := kernelOf{g: g, w: w, rq: rq, constants: constants, blocks: blocks, channels: p.Block, in: emit.Integer(g.Node.Args[0].Type), out: emit.Integer(g.Node.Out.Type).Bytes()}
	each := k.in.Bytes()
	if k.apart = channels * each; edges && !p.whole {
		k.apart = p.Block * each
	}
	pixel := k.pixel()
	var gather *loop.Func
	if edges {
		gather = k.window()
	}
	b := g.B
	n := p.Block * taps
	window := halves(n) // byte of a gathered window
	weights := loop.Arg{Region: g.Scratch}
	if p.whole {
		l.decodeHalves(loop.Int(0), n, rq.Vectors)
	}
	g.Rows(w, false, func(oy, row loop.Expr) {
		iy := b.Let("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Int(-w.PadT)))
		b.For("block", loop.Int(0), loop.Int(channels/p.Block), 1, func(block loop.Expr) {
			if !p.whole {
				l.decodeHalves(loop.Scaled(block, n), n, false)
			}
			channel := loop.Scaled(block, p.Block)
			b.For("ox", loop.Int(0), loop.Int(g.Columns(w)), 1, func(ox loop.Expr) {
				ix, at := b.Let("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Int(-w.PadL))), g.Pixel(w, row, ox)
				direct := func() {
					first := loop.Scaled(loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), ix), channels), channel), each)
					b.Call(pixel, []loop.Expr{first, loop.Int(w.InW * channels * each), at, channel}, []loop.Arg{{Region: g.Args[0]}, weights, {Region: g.Out}})
				}
				gathered := func() {
					b.Call(gather, []loop.Expr{iy, ix, loop.Int(window), channel}, []loop.Arg{{Region: g.Args[0]}, {Region: g.Scratch}})
					b.Call(pixel, []loop.Expr{loop.Int(window), loop.Int(w.KW * p.Block * each), at, channel}, []loop.Arg{{Region: g.Scratch}, weights, {Region: g.Out}})
				}
				switch {
				case !edges:
					direct()
				case !p.whole:
					gathered()
				default:
					inside := loop.Op(loop.And, loop.Op(loop.ULt, iy, loop.Int(max(0, w.InH-w.KH+1))), loop.Op(loop.ULt, ix, loop.Int(max(0, w.InW-w.KW+1))))
					b.If(inside, direct, gathered)
				}
			})
		})
	})
	return nil
}

// kernelOf is what the functions of a pixel and of its window share.
type kernelOf struct {
	g         *emit.Generator
	w         geometry.Window
	rq        emit.Requant
	constants *loop.Global
	blocks    []int // depthwiseBlocks
	channels  int   // that are computed
	apart     int   // bytes from one tap of a window to the next
	in        loop.Type
	out       int // bytes of an element of the result
}

// layer is codes that are decoded to halves.
type layer struct{ *emit.Codes }

// The codes that are decoded in a round: whole bytes of every plane, a word of the widest;
// and where there are vectors two of these, of 16 bits a code, so that each plane has halves.
const (
	codesAtOnce   = 8
	vectorsAtOnce = 2
)

// decodeHalves writes n weights, from one on that begins a round, to scratch, 16 bits each. Codes are loaded some at a
// time, and are a vector where there are vectors: one by one they would take longer than
// weights of 8 bits, which are as they are.
func (l layer) decodeHalves(first loop.Expr, n int, vectors bool) {
	b := l.G.B
	// store writes codes from the i-th on.
	store := func(i loop.Expr, v loop.Expr) {
		if l.Elem.IsUniform() {
			t := v.Type()
			v = loop.Op(loop.Sub, loop.Op(loop.Shl, v, loop.Num(t, 1)), loop.Num(t, l.Elem.Offset()))
		}
		b.StoreAligned(l.G.Scratch, loop.Scaled(i, 2), loop.To(loop.Trunc, v, 16), 2)
	}
	each, codesOf := codesAtOnce, l.codesOf
	if vectors {
		each, codesOf = vectorsAtOnce*codesAtOnce, l.vectorsOf
	}
	whole := n / each
	if !l.Elem.IsUniform() || l.Elem.Bits == 8 || l.G.Unroll(each) < each {
		whole = 0
	}
	if whole > 0 {
		b.For("round", loop.Int(0), loop.Int(whole), 1, func(round loop.Expr) {
			at := loop.Scaled(round, each)
			for _, q := range codesOf(loop.Sum(loop.Op(loop.LShr, first, loop.Int(bits.TrailingZeros(uint(each)))), round)) {
				store(at, q)
				at = loop.Sum(at, loop.Int(q.Type().Lanes))
			}
		})
	}
	b.For("i", loop.Int(whole*each), loop.Int(n), 1, func(i loop.Expr) { store(i, l.Widen(l.Packed(loop.Sum(first, i)))) })
}

// codesOf are the codes of a round, as i32.
func (l layer) codesOf(round loop.Expr) []loop.Expr {
	codes := make([]loop.Expr, codesAtOnce)
	for i, p := range l.Elem.Planes() {
		word := &loop.Load{From: l.Planes[i], Offset: loop.Scaled(round, p), T: loop.Type{Bits: codesAtOnce * p, Lanes: 1}, Align: p}
		w := l.G.B.Let("word", loop.To(loop.ZExt, word, 32))
		for f, q := range codes {
			codes[f] = l.Join(q, loop.Op(loop.And, loop.Op(loop.LShr, w, loop.Int(f*p)), loop.Int(1<<p-1)), p)
		}
	}
	return codes
}

// vectorsOf are the codes of a round as vectors of 16 bits: each lane has the half of its
// plane that holds its code, and shifts it down.
func (l layer) vectorsOf(round loop.Expr) []loop.Expr {
	const half = 16
	t := loop.I16.Vec(codesAtOnce)
	codes := make([]loop.Expr, vectorsAtOnce)
	for i, p := range l.Elem.Planes() {
		halves := func(first, n int) loop.Expr {
			at := loop.Sum(loop.Scaled(round, vectorsAtOnce*p), loop.Int(first*half/8))
			return l.G.B.Let("halves", &loop.Load{From: l.Planes[i], Offset: at, T: loop.I16.Vec(n), Align: 2})
		}
		for v := range codes {
			first := v * codesAtOnce * p / half
			mask, shift := make([]int, codesAtOnce), &loop.Lanes{T: t}
			for f := range codesAtOnce {
				bit := (v*codesAtOnce + f) * p
				mask[f] = bit / half
				shift.Values = append(shift.Values, int64(bit%half))
			}
			var w loop.Expr
			if mask[0] == mask[codesAtOnce-1] {
				w = &loop.Splat{A: halves(first, 1), Lanes: codesAtOnce}
			} else { // from all halves: few of them are no vector of the processor's
				w = &loop.Shuffle{A: halves(0, p), Mask: mask}
			}
			codes[v] = l.Join(codes[v], loop.Op(loop.And, loop.Op(loop.LShr, w, shift), loop.Num(t, 1<<p-1)), p)
		}
	}
	return codes
}

// depthwiseBlocks are the channels that are computed together, the most first: four, and
// on vectors eight where 16 bits hold a window's sum of products with narrow weights.
func depthwiseBlocks(rq emit.Requant, e ir.Elem, taps int) []int {
	const greatest = 128 // absolute value of an input
	if rq.Vectors && e.MaxWeight()*greatest*int64(taps) < 1<<15 {
		return []int{8, 4, 1}
	}
	return []int{4, 1}
}

// depthwiseOrder is the order of decoded weights: the taps of a block of channels, tap by
// tap, blocks as large as can be.
func depthwiseOrder(g *emit.Generator, taps, channels int, blocks []int) []int {
	var order []int
	first := 0
	for _, size := range blocks {
		for ; first+size <= channels; first += size {
			for tap := range taps {
				for i := range size {
					if size == 4 && pairs(g) && !g.Node.Args[0].Type.IsWide() {
						i = []int{0, 2, 1, 3}[i]
					}
					order = append(order, (first+i)*taps+tap)
				}
			}
		}
	}
	return order
}

// window writes the function that gathers the window of a pixel, whose
// integers are its first row and column, the byte where it lies then, and the first channel.
func (k kernelOf) window() *loop.Func {
	g, w := k.g, k.w
	x, scratch := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "window"}
	return g.Function("gather", []string{"iy", "ix", "at", "channel"}, []*loop.Param{x, scratch}, func(v []loop.Expr) {
		b, bytes := g.B, k.channels*k.in.Bytes()
		t, length := k.in, k.in.Bytes() // of what is copied at a time
		zero := g.Node.Args[0].Type.Quant.Zero
		fill := loop.Expr(loop.Num(t, int64(zero)))
		switch {
		case bytes%16 == 0 && g.Target.Vectors() && k.in == loop.I8:
			t, length = loop.I8.Vec(16), 16
			fill = loop.Num(t, int64(zero))
		case bytes%4 == 0: // of 16 bits the zero point is 0
			t, length, fill = loop.I32, 4, loop.Int(int(int32(uint32(uint8(zero))*0x01010101)))
		}
		to := b.Cursor("to", scratch, v[2])
		copies := func(value func() loop.Expr) {
			b.For("c", loop.Int(0), loop.Int(bytes/length), 1, func(loop.Expr) {
				b.Store(to, loop.Int(0), value())
				b.Advance(to, length)
			})
		}
		b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
			iy := b.Let("y", loop.Sum(v[0], ky))
			b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(kx loop.Expr) {
				ix := b.Let("x", loop.Sum(v[1], kx))
				inside := loop.Op(loop.And, loop.Op(loop.ULt, iy, loop.Int(w.InH)), loop.Op(loop.ULt, ix, loop.Int(w.InW)))
				b.If(inside, func() {
					from := b.Cursor("from", x, loop.Scaled(loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), ix), w.InC), v[3]), k.in.Bytes()))
					copies(func() loop.Expr {
						value := b.Let("v", loop.At(from, loop.Int(0), t))
						b.Advance(from, length)
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

// pixel writes the function that computes a pixel. Its integers are the
// byte of its window's first input, the bytes between the window's rows, its
// output of channel 0, and the first channel.
func (k kernelOf) pixel() *loop.Func {
	g, w, rq := k.g, k.w, k.rq
	x, weights := &loop.Param{Name: "x", Constant: true, Shared: g.Args[0].Shared}, &loop.Param{Name: "weights", Constant: true}
	return g.Function("pixel", []string{"first", "row", "at", "channel"}, []*loop.Param{x, weights, g.Out}, func(v []loop.Expr) {
		b := g.B
		first, row := b.Cursor("first", x, v[0]), v[1]
		ws, y, cs := b.Cursor("ws", weights, loop.Int(0)), b.Cursor("y", g.Out, loop.Scaled(loop.Sum(v[2], v[3]), k.out)), rq.Cursors(k.constants, v[3])
		// block computes n vectors of some lanes, whose sums have so many bits.
		block := func(n, lanes, bits int) {
			acc := make([]*loop.Var, n)
			t := loop.Type{Bits: bits, Lanes: lanes}
			for j := range acc {
				acc[j] = b.Var("acc", loop.Num(t, 0))
			}
			px := b.Cursor("px", first, loop.Int(0))
			tap := func(from *loop.Cursor, at int) {
				switch {
				case n == 4 && pairs(g) && k.in == loop.I16:
					twoPairs(b, from, at, ws, acc)
				case n == 4 && pairs(g):
					fourPairs(b, from, at, ws, acc)
				default:
					for j := range acc {
						in := loop.To(loop.SExt, loop.At(from, loop.Int(at+j*lanes*k.in.Bytes()), k.in.Vec(lanes)), bits)
						c := &loop.Load{From: ws, Offset: loop.Int(2 * j * lanes), T: loop.I16.Vec(lanes), Align: 2}
						b.Set(acc[j], loop.Sum(acc[j].Get(), loop.Op(loop.Mul, in, loop.To(loop.SExt, c, bits))))
					}
				}
				b.Advance(ws, 2*n*lanes)
			}
			taps := func() {
				if w.KW <= unrolled {
					for kx := range w.KW {
						tap(px, kx*k.apart)
					}
				} else {
					in := b.Cursor("in", px, loop.Int(0))
					b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(loop.Expr) {
						tap(in, 0)
						b.Advance(in, k.apart)
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
			for j, sum := range wide(acc) {
				lanes := sum.Type().Lanes
				q := cs.Load(j*lanes, lanes)
				q.StoreAt(loop.Sum(q.Bias, sum), y, loop.Int(j*lanes))
			}
			b.Advance(first, n*lanes*k.in.Bytes())
			b.Advance(y, n*lanes*k.out)
			cs.Advance(n * lanes)
		}
		left := k.channels
		for _, size := range k.blocks {
			b.For("block", loop.Int(0), loop.Int(left/size), 1, func(loop.Expr) {
				switch {
				case size == 8:
					block(1, 8, 16)
				case rq.Vectors:
					block(1, size, 32)
				default:
					block(size, 1, 32)
				}
			})
			left %= size
		}
		b.Return(loop.Int(0))
	})
}

// wide are sums of 32 bits: those of 16 in halves of their vector.
func wide(acc []*loop.Var) (sums []loop.Expr) {
	for _, a := range acc {
		if a.Type.Bits == 32 {
			sums = append(sums, a.Get())
			continue
		}
		for first := 0; first < a.Type.Lanes; first += 4 {
			half := &loop.Shuffle{A: a.Get(), Mask: []int{first, first + 1, first + 2, first + 3}}
			sums = append(sums, loop.To(loop.SExt, half, 32))
		}
	}
	return sums
}

// pairs reports whether channels are multiplied as halves of words.
func pairs(g *emit.Generator) bool {
	return g.Target.Has("dsp") && !g.Target.Has("mve") && !g.Target.Has("neon")
}

// fourPairs adds the products of one tap of four channels, whose inputs lie at a
// byte from a cursor on; the weights are in the order of bytes 0, 2, 1, 3.
func fourPairs(b *loop.Builder, from *loop.Cursor, at int, ws *loop.Cursor, acc []*loop.Var) {
	word := b.Let("word", loop.At(from, loop.Int(at), loop.I32))
	for i, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
		x := b.Let("x", loop.Instr("sxtb16", half))
		c := b.Let("c", &loop.Load{From: ws, Offset: loop.Int(4 * i), T: loop.I32, Align: 2})
		b.Set(acc[i], loop.Instr("smlabb", x, c, acc[i].Get()))
		b.Set(acc[2+i], loop.Instr("smlatt", x, c, acc[2+i].Get()))
	}
}

// twoPairs is fourPairs of inputs of 16 bits, which lie as the weights do.
func twoPairs(b *loop.Builder, from *loop.Cursor, at int, ws *loop.Cursor, acc []*loop.Var) {
	for i := range 2 {
		x := b.Let("x", loop.At(from, loop.Int(at+4*i), loop.I32))
		c := b.Let("c", &loop.Load{From: ws, Offset: loop.Int(4 * i), T: loop.I32, Align: 2})
		b.Set(acc[2*i], loop.Instr("smlabb", x, c, acc[2*i].Get()))
		b.Set(acc[2*i+1], loop.Instr("smlatt", x, c, acc[2*i+1].Get()))
	}
}

package micro

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// decode has the kernel read its weights from scratch as bytes or halves, those of a
// row filled up to whole products; what fills is multiplied with zeros. The stored
// planes are what decodeAll reads. Pairs read codes, all else weights, which need no
// sum of inputs. Codes of biased products stay as they are.
func (k *micro) decode() {
	size := decodedBytes(k.m, k.k)
	whole := size * 8 / k.m.DecodedBits()
	tiled := k.rows / k.channels * k.channels
	k.stored = k.planes
	if !k.m.Across && !k.m.Biased {
		k.offset = 0
	}
	k.planes = []*plane{{
		bits: k.m.DecodedBits(), product: k.m.Multiplied(k.elem.CodeBits()), tiled: k.m.Layout(k.m.DecodedBits(), whole, k.channels), left: k.m.Layout(k.m.DecodedBits(), whole, 1),
		leftAt: k.groups * tiled * size, tiledBytes: -1, leftBytes: -1,
	}}
	k.decodedAt = decodedAt(k.m, k.k, k.pixels)
	if k.m.Carried {
		k.nest()
	}
}

// nest has the kernel read nested halves, and halves of the rows left over, as decodeNested writes them.
func (k *micro) nest() {
	part := func(r run, channels int) *plane {
		l := k.m.Layout(8*r.bytes, k.k, channels)
		rest := r.at + r.codes/k.k*(k.k-l.Rest)*r.bytes
		return &plane{bits: 8 * r.bytes, product: 8 * r.bytes, tiled: l, left: l, leftAt: r.at, restAt: 8 * rest, leftRest: 8 * rest, tiledBytes: -1, leftBytes: -1}
	}
	runs := nestedRuns(k.groups, k.rows, k.k, k.channels)
	k.planes, k.lefts = []*plane{part(runs[0], k.channels)}, []*plane{part(runs[1], 1)}
}

// oneByOne reports whether codes are decoded one after the other.
func (m *Product) oneByOne() bool { return m.Decodes && m.Decode > 0 }

// value is a code of the i-th plane, whose lowest bit is number low, added to what the
// planes before it gave: a code of pairs, else a weight, which is 2q less the offset. The
// first plane begins with what the zero code is.
func (k *micro) value(i, low int, q, dst loop.Expr) loop.Expr {
	zero := -k.elem.Offset()
	if k.m.Across {
		zero = 0
	} else {
		low++
	}
	if i == 0 {
		dst = loop.Num(q.Type(), zero)
	}
	return loop.Sum(loop.Op(loop.Shl, q, loop.Num(q.Type(), int64(low))), dst)
}

// decodeAll decodes all codes to the weights' values, once for all pixels, in the
// order in which words of 8 bits lie, and makes the columns end in zeros.
func (k *micro) decodeAll() {
	if k.m.Together {
		k.decodeTogether()
		return
	}
	size := decodedBytes(k.m, k.k)
	tiled := k.rows / k.channels * k.channels
	low := k.elem.CodeBits()
	for i, p := range k.stored {
		low -= p.bits
		switch {
		case k.m.Carried:
			k.decodeNested(i, low)
			continue
		case k.m.oneByOne():
			k.decodeStream(i, low, loop.Int(0))
			continue
		}
		value := func(q, dst loop.Expr) loop.Expr { return k.value(i, low, q, dst) }
		k.decodePart(p, p.tiled, k.groups*tiled/k.channels, k.channels, k.decodedAt, 0, p.restAt, value)
		k.decodePart(p, p.left, k.groups*(k.rows-tiled), 1, k.decodedAt+k.groups*tiled*size, p.leftAt, p.leftRest, value)
	}
	k.zeroEnds(k.k)
}

// decodeTogether decodes all codes to bytes: to weights, or where products are biased as they are.
func (k *micro) decodeTogether() {
	var planes []emit.BytePlane
	for _, p := range k.stored {
		planes = append(planes, emit.BytePlane{Data: p.data, Bits: p.bits})
	}
	offset := int(k.elem.Offset())
	if k.m.Biased {
		offset = 0
	}
	k.g.DecodeWords(k.groups*k.rows*k.k, planes, k.decodedAt, offset)
}

// decodePart decodes one plane of n tiles of some channels to scratch; their words
// begin at a byte, the codes that no word holds at a bit.
func (k *micro) decodePart(p *plane, l Layout, n, channels, to, from, bit int, value func(q, dst loop.Expr) loop.Expr) {
	b, size := k.g.B, columnBytes(k.m, k.k)
	if n == 0 {
		return
	}
	words := b.Cursor("words", p.data, loop.Int(from))
	b.For("tile", loop.Int(0), loop.Int(n), 1, func(tile loop.Expr) {
		first := loop.Sum(loop.Scaled(tile, channels*size), loop.Int(to))
		dst := b.Cursor("dst", k.g.Scratch, first)
		b.For("word", loop.Int(0), loop.Int(l.Groups*l.Words), 1, func(loop.Expr) {
			t := k.m.Code.word()
			word := b.Let("word", &loop.Load{From: words, Offset: loop.Int(0), T: t, Align: 8})
			b.Advance(words, k.m.Word)
			for f := range l.Fields {
				v := value(k.m.Code.field(p, word, f), &loop.Load{From: dst, Offset: loop.Int(0), T: t, Align: 8})
				b.StoreAligned(dst, loop.Int(0), v, 8)
				b.Advance(dst, k.m.Word)
			}
		})
		b.For("unit", loop.Int(0), loop.Int(channels), 1, func(unit loop.Expr) {
			row := loop.Sum(loop.Scaled(tile, channels), unit)
			b.For("i", loop.Int(k.k-l.Rest), loop.Int(k.k), 1, func(i loop.Expr) {
				at := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, l.Rest), i, loop.Int(l.Rest-k.k)), p.bits), loop.Int(bit))
				q := k.codeAt(p, b.Let("bit", at))
				// Products of a tile's channels lie side by side.
				product := loop.Op(loop.LShr, i, loop.Int(bits.TrailingZeros(uint(k.m.Lanes))))
				field, lane := unit, loop.Op(loop.And, i, loop.Int(k.m.Lanes-1))
				if k.m.pairsIn(l) {
					field, lane = pairedPlace(unit, lane, k.m.Lanes/2)
				}
				dst := loop.Sum(first, loop.Scaled(loop.Sum(loop.Scaled(product, channels), field), k.m.Lanes), lane)
				dst = b.Let("dst", dst)
				v := value(q, loop.To(loop.ZExt, loop.At(k.g.Scratch, dst, loop.I8), 32))
				b.Store(k.g.Scratch, dst, loop.To(loop.Trunc, v, 8))
			})
		})
	})
}

// pairedPlace is the unit and the lane of the code of a channel for an input of a step (pairedLane).
func pairedPlace(channel, input loop.Expr, half int) (unit, lane loop.Expr) {
	odd := loop.Op(loop.And, channel, loop.Int(1))
	lane = loop.Sum(loop.Scaled(odd, half), remainder(input, half))
	return loop.Sum(loop.Op(loop.Sub, channel, odd), divided(input, half)), lane
}

// decodeNested decodes the i-th plane to nested halves in scratch, and those of rows left over to halves
// (packNested); low is the number of its codes' lowest bit. Elements hold twice the codes; the last plane makes
// weights of them, 2q-(2^bit-1), where bytes borrow from the byte above them in their half.
func (k *micro) decodeNested(i, low int) {
	b, p := k.g.B, k.stored[i]
	each, isLast, twice := 32/p.bits, i == len(k.stored)-1, low+1
	for _, r := range placed(nestedRuns(k.groups, k.rows, k.k, k.channels), p.bits) {
		elements := func(v int) loop.Expr { // of a word, all alike
			if r.bytes == 2 {
				return loop.Int(v * 0x00010001)
			}
			return loop.Int(int(int32(uint32(v) * 0x01010101)))
		}
		words, dst := b.Cursor("words", p.data, loop.Int(4*r.word)), b.Cursor("dst", k.g.Scratch, loop.Int(k.decodedAt+r.at))
		b.For("word", loop.Int(0), loop.Int(r.codes/each), 1, func(loop.Expr) {
			word := b.Let("word", &loop.Load{From: words, Offset: loop.Int(0), T: loop.I32, Align: 4})
			b.Advance(words, 4)
			for j := range each * r.bytes / 4 {
				v := loop.Op(loop.Shl, word, loop.Int(max(0, twice-j*p.bits)))
				v = loop.Op(loop.LShr, v, loop.Int(max(0, j*p.bits-twice)))
				v = loop.Op(loop.And, v, elements((1<<p.bits-1)<<twice))
				if i > 0 {
					v = loop.Sum(v, &loop.Load{From: dst, Offset: loop.Int(4 * j), T: loop.I32, Align: 4})
				}
				if isLast {
					v = loop.Instr("ssub16", v, elements(1<<k.elem.Bits-1))
				}
				b.StoreAligned(dst, loop.Int(4*j), b.Let("v", v), 4)
			}
			b.Advance(dst, each*r.bytes)
		})
		// Halves one by one, of two codes or of one.
		for at := r.codes / each * each; at < r.codes; at += 2 / r.bytes {
			code := func(i int) loop.Expr { return k.codeAt(p, loop.Int(r.bit(i))) }
			half, zero := code(at), 1<<k.elem.Bits-1
			if r.bytes == 1 {
				half, zero = loop.Sum(half, loop.Op(loop.Shl, code(at+1), loop.Int(8))), zero*0x101
			}
			half = loop.Op(loop.Shl, half, loop.Int(twice))
			place := loop.Int(at % each * r.bytes)
			if i > 0 {
				half = loop.Sum(half, loop.To(loop.ZExt, &loop.Load{From: dst, Offset: place, T: loop.I16, Align: 2}, 32))
			}
			if isLast {
				half = loop.Op(loop.Sub, half, loop.Int(zero))
			}
			b.StoreAligned(dst, place, loop.To(loop.Trunc, half, 16), 2)
		}
	}
}

// decodeStream decodes the i-th plane to halves in scratch, in the order in which they
// lie there (packStream); low is the number of its codes'
// lowest bit; from is the row to begin with.
func (k *micro) decodeStream(i, low int, from loop.Expr) {
	b, p, lanes := k.g.B, k.stored[i], k.m.Inputs()
	if each := p.codesAtOnce(); k.k%each == 0 && k.g.Unroll(each) == each {
		k.decodeWords(i, low, from, each)
		return
	}
	tiled := k.rows / k.channels * k.channels
	dst, bit := b.Cursor("dst", k.g.Scratch, loop.Int(k.decodedAt)), b.Var("bit", loop.Scaled(from, k.k*p.bits))
	one := func(loop.Expr) {
		old := loop.To(loop.ZExt, &loop.Load{From: dst, Offset: loop.Int(0), T: loop.I16, Align: 2}, 32)
		v := k.value(i, low, k.codeAt(p, bit.Get()), old)
		b.StoreAligned(dst, loop.Int(0), loop.To(loop.Trunc, v, 16), 2)
		b.Advance(dst, 2)
		b.Set(bit, loop.Sum(bit.Get(), loop.Int(p.bits)))
	}
	part := func(n, channels int) {
		if n == 0 {
			return
		}
		b.For("tile", loop.Int(0), loop.Int(n), 1, func(loop.Expr) {
			b.For("code", loop.Int(0), loop.Int(k.k/lanes*lanes*channels), 1, one)
			last := k.k % lanes
			if last == 0 {
				return
			}
			b.For("unit", loop.Int(0), loop.Int(channels), 1, func(loop.Expr) {
				b.For("code", loop.Int(0), loop.Int(last), 1, one)
				for range lanes - last {
					b.StoreAligned(dst, loop.Int(0), loop.Num(loop.I16, 0), 2)
					b.Advance(dst, 2)
				}
			})
		})
	}
	part(k.groups*tiled/k.channels, k.channels)
	part(k.groups*(k.rows-tiled), 1)
}

// codesAtOnce is the codes of a plane that are loaded together: a word of them, or fewer
// where that would be much code.
func (p *plane) codesAtOnce() int { return min(32/p.bits, 16) }

// decodeWords is decodeStream, so many codes at a time: of columns that nothing fills up
// they lie side by side.
func (k *micro) decodeWords(i, low int, from loop.Expr, each int) {
	b, p := k.g.B, k.stored[i]
	bytes := each * p.bits / 8
	words := b.Cursor("words", p.data, loop.Scaled(from, k.k/each*bytes))
	dst := b.Cursor("dst", k.g.Scratch, loop.Int(k.decodedAt))
	b.For("round", loop.Int(0), loop.Int(k.groups*k.rows*k.k/each), 1, func(loop.Expr) {
		word := &loop.Load{From: words, Offset: loop.Int(0), T: loop.Type{Bits: 8 * bytes, Lanes: 1}, Align: bytes}
		w := b.Let("word", loop.To(loop.ZExt, word, 32))
		b.Advance(words, bytes)
		for f := range each {
			old := loop.To(loop.ZExt, &loop.Load{From: dst, Offset: loop.Int(2 * f), T: loop.I16, Align: 2}, 32)
			q := loop.Op(loop.And, loop.Op(loop.LShr, w, loop.Int(f*p.bits)), loop.Int(1<<p.bits-1))
			b.StoreAligned(dst, loop.Int(2*f), loop.To(loop.Trunc, k.value(i, low, q, old), 16), 2)
		}
		b.Advance(dst, 2*each)
	})
}

// codeAt is the code of a plane at a bit of its data, as an i32: codes of fewer
// than 8 bits alone.
func (k *micro) codeAt(p *plane, bit loop.Expr) loop.Expr {
	q := loop.To(loop.ZExt, loop.At(p.data, loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8), 32)
	return loop.Op(loop.And, loop.Op(loop.LShr, q, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<p.bits-1))
}

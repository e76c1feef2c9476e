package pool

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// On RISC-V without vectors a word of memory is four channels, which ordinary instructions compute together.
// The processor may trap at a word whose address is no multiple of four: channels are multiples of four, and
// the kernel asks for the addresses of argument and result as it runs.

const (
	packedBytes = 4           // of a word
	topBits     = -0x7f7f7f80 // the highest bit of each byte
	lowBytes    = 0x00ff00ff  // the lower byte of each half
	mostPacked  = 256         // taps whose inputs, each below 256, and a half of the taps fit 16 bits
	mostWords   = 16          // taps that are written one by one in a round, of all its words
	halves      = 1<<16 + 1   // a factor that puts a number of 16 bits into both halves
)

// packs reports whether words are computed.
func (s scalars) packs() bool {
	return s.g.Scalars() && !s.g.Node.Has(ir.AttrUnroll) && s.w.InC%packedBytes == 0 && (!s.mean || s.w.KH*s.w.KW <= mostPacked)
}

// packedPixel computes the channels of a pixel, some words in a round.
func (s scalars) packedPixel(x, y *loop.Cursor, rows, columns, taps loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	b, words := s.g.B, s.w.InC/packedBytes
	each := 1
	if s.unrolls(rows, columns) {
		each = min(max(1, mostWords/(s.w.KH*s.w.KW)), words)
	}
	round := func(times, each int) {
		b.For("word", loop.Int(0), loop.Int(times), 1, func(loop.Expr) {
			for i := range each {
				if s.mean {
					s.packedMean(packedBytes*i, x, y, rows, columns, taps, finish)
				} else {
					s.packedMost(packedBytes*i, x, y, rows, columns, finish)
				}
			}
			b.Advance(x, packedBytes*each)
			b.Advance(y, packedBytes*each)
		})
	}
	round(words/each, each)
	round(1, words%each)
}

// packedTaps calls do for the word of each tap of the channels from a byte on; isFirst says that it is the first
// one, where that is known.
func (s scalars) packedTaps(channel int, x *loop.Cursor, rows, columns loop.Expr, do func(word loop.Expr, isFirst bool)) {
	isFirst := s.unrolls(rows, columns)
	s.taps(x, rows, columns, func(from *loop.Cursor, at int) {
		do(s.g.B.Let("word", &loop.Load{From: from, Offset: loop.Int(at + channel), T: loop.I32, Align: packedBytes}), isFirst)
		isFirst = false
	})
}

// packedMost is the maximum of four channels.
func (s scalars) packedMost(channel int, x, y *loop.Cursor, rows, columns loop.Expr, finish func(v, at loop.Expr, y *loop.Cursor)) {
	b, n := s.g.B, s.g.Node
	most := b.Var("most", loop.Num(loop.I32, topBits)) // the least number in each byte
	s.packedTaps(channel, x, rows, columns, func(word loop.Expr, isFirst bool) {
		if !isFirst {
			word = greatest(b, most.Get(), word, s.ones)
		}
		b.Set(most, word)
	})
	if n.Int(ir.AttrLo) <= -128 && n.Int(ir.AttrHi) >= 127 {
		b.StoreAligned(y, loop.Int(channel), most.Get(), packedBytes)
		return
	}
	for i := range packedBytes {
		v := loop.Op(loop.AShr, loop.Op(loop.Shl, most.Get(), loop.Int(24-8*i)), loop.Int(24))
		finish(v, loop.Int(channel+i), y)
	}
}

// allOnes is 255. LLVM does not know it: of a product with it, it would make two shifts and a difference.
func allOnes(b *loop.Builder) loop.Expr { return b.Let("ones", loop.Instr("opaque", loop.Int(0xff))) }

// greatest is the maximum of each byte of two words; ones is allOnes.
func greatest(b *loop.Builder, x, y, ones loop.Expr) loop.Expr {
	top := loop.Num(loop.I32, topBits)
	differ := b.Let("differ", loop.Op(loop.Xor, x, y))
	// (y-x)/2 + 128, rounded down, as y-x is differ - 2*(x & differ). Of unsigned bytes the highest bit says that
	// x <= y: no byte borrows from the next one. Where the signs differ, the order of signed bytes is the other one.
	half := loop.Op(loop.Sub, loop.Op(loop.Or, loop.Op(loop.LShr, differ, loop.Int(1)), top), loop.Op(loop.And, x, differ))
	isNotGreater := loop.Op(loop.And, loop.Op(loop.Xor, half, differ), top)
	mask := loop.Times(loop.Op(loop.LShr, isNotGreater, loop.Int(7)), ones)
	return loop.Op(loop.Xor, x, loop.Op(loop.And, differ, mask))
}

// packedMean is the mean of four channels.
func (s scalars) packedMean(channel int, x, y *loop.Cursor, rows, columns, taps loop.Expr, finish func(sum, at loop.Expr, y *loop.Cursor)) {
	b := s.g.B
	// Of bytes plus 128. The words shifted right by a byte are byte 1, 256 times byte 2, and byte 3 in the upper half.
	even, rest := b.Var("even", loop.Int(0)), b.Var("rest", loop.Int(0))
	s.packedTaps(channel, x, rows, columns, func(word loop.Expr, isFirst bool) {
		word = b.Let("positive", loop.Op(loop.Xor, word, loop.Num(loop.I32, topBits)))
		low, high := loop.Op(loop.And, word, loop.Int(lowBytes)), loop.Op(loop.LShr, word, loop.Int(8))
		if !isFirst {
			low, high = loop.Sum(even.Get(), low), loop.Sum(rest.Get(), high)
		}
		b.Set(even, low)
		b.Set(rest, high)
	})
	second := loop.Op(loop.Shl, loop.Op(loop.LShr, even.Get(), loop.Int(16)), loop.Int(8))
	odd := b.Let("odd", loop.Op(loop.Sub, rest.Get(), second))
	if by, ok := s.keeps(taps); ok {
		mean := func(sums loop.Expr) loop.Expr {
			sums = loop.Op(loop.LShr, loop.Sum(sums, loop.Int(halves<<(by-1))), loop.Int(by))
			return loop.Op(loop.And, sums, loop.Int(lowBytes))
		}
		word := loop.Op(loop.Or, mean(even.Get()), loop.Op(loop.Shl, mean(odd), loop.Int(8)))
		b.StoreAligned(y, loop.Int(channel), loop.Op(loop.Xor, word, loop.Num(loop.I32, topBits)), packedBytes)
		return
	}
	positive := loop.Scaled(taps, 128)
	for i, sums := range []loop.Expr{even.Get(), odd} {
		for half := range 2 {
			sum := loop.Op(loop.LShr, sums, loop.Int(16*half))
			if half == 0 {
				sum = loop.Op(loop.And, sum, loop.Int(1<<16-1))
			}
			finish(b.Let("sum", loop.Op(loop.Sub, sum, positive)), loop.Int(channel+2*half+i), y)
		}
	}
}

// keeps is the bits by which the sums of windows of some taps are shifted right to be means of the same type, rounded
// up: bytes stay within their bounds.
func (s scalars) keeps(taps loop.Expr) (by int, ok bool) {
	n := s.g.Node
	known, isKnown := taps.(*loop.Const)
	by, ok = s.power()
	return by, ok && isKnown && known.Value == 1<<by && n.Args[0].Type.Quant.Zero == n.Out.Type.Quant.Zero && n.Int(ir.AttrLo) <= -128 && n.Int(ir.AttrHi) >= 127
}

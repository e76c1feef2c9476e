package lanes

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/loop"
)

// Codes of fewer than 8 bits are decoded to bytes in scratch, once for all pixels: the weights in the
// order of the kernel. Their planes hold whole groups of codes, then the codes left over one by one.

// group is the codes that a vector of each bit of a plane holds: vector v of its codes is field
// v%(8/p) of the word v*p/8 of a plane of p bits.
const group = 8 * chunk

// decodes reports whether a layer's codes are decoded.
func decodes(e ir.Elem) bool { return e.IsUniform() && e.Bits < 8 }

// fits reports whether a layer's decoded weights may lie in scratch: at most its activations, or as many
// as the caches of processors with vectors hold.
func fits(l kernel.Layer) bool {
	most := 256 << 10
	if l.Target.ISA() == "arm" {
		most = 64 << 10
	}
	return !decodes(l.Elem) || l.Weight().Size() <= max(most, l.Activations())
}

// decodedBytes is the bytes of a layer's decoded weights, which lie before all else in scratch; they end aligned.
func decodedBytes(l kernel.Layer) int {
	if !decodes(l.Elem) {
		return 0
	}
	return (l.Weight().Size() + chunk - 1) / chunk * chunk
}

// pack lays codes in the order of the kernel out in planes.
func pack(e ir.Elem, codes []byte) [][]byte {
	if !decodes(e) {
		if e.Kind == ir.Odd { // two's complement of the code less 128
			for i := range codes {
				codes[i] ^= 0x80
			}
		}
		return [][]byte{codes}
	}
	var planes [][]byte
	low, whole := e.CodeBits(), len(codes)/group*group
	for _, p := range e.Planes() {
		low -= p
		data := make([]byte, (len(codes)*p+7)/8)
		for i, q := range codes {
			bit := i * p
			if i < whole {
				v := i % group / chunk
				at := i/group*chunk*p + v*p/8*chunk + i%chunk
				bit = 8*at + v%(8/p)*p
			}
			data[bit/8] |= q >> low & (1<<p - 1) << (bit % 8)
		}
		planes = append(planes, data)
	}
	return planes
}

// Instructions of a code that is decoded with others and alone.
const (
	perDecoded = .2
	perPlane   = .16
	perAlone   = 14.
)

// decodeCycles are those of n codes.
func decodeCycles(e ir.Elem, n int) float64 {
	if !decodes(e) {
		return 0
	}
	planes := float64(len(e.Planes()))
	return float64(n/group*group)*(perDecoded+planes*perPlane) + float64(n%group)*perAlone*planes
}

// decode writes the weights of n codes to scratch: code q is 2q less the offset.
func (l *layer) decode(e ir.Elem, planes []*loop.Global, n int) {
	b, t := l.g.B, loop.I8.Vec(chunk)
	value := func(q loop.Expr) loop.Expr {
		return loop.Op(loop.Sub, loop.Op(loop.Shl, q, loop.Num(q.Type(), 1)), loop.Num(q.Type(), e.Offset()))
	}
	join := func(q, next loop.Expr, p int) loop.Expr {
		if q == nil {
			return next
		}
		return loop.Op(loop.Or, loop.Op(loop.Shl, q, loop.Num(q.Type(), int64(p))), next)
	}
	whole := n / group
	b.For("group", loop.Int(0), loop.Int(whole), 1, func(i loop.Expr) {
		at := b.Let("at", loop.Scaled(i, group))
		words := make([][]loop.Expr, len(planes))
		for j, p := range e.Planes() {
			for w := range p {
				words[j] = append(words[j], b.Let("word", loop.At(planes[j], loop.Sum(loop.Scaled(i, chunk*p), loop.Int(chunk*w)), t)))
			}
		}
		for v := range group / chunk {
			var q loop.Expr
			for j, p := range e.Planes() {
				field := v % (8 / p)
				part := loop.Op(loop.LShr, words[j][v*p/8], loop.Num(t, int64(field*p)))
				if (field+1)*p < 8 {
					part = loop.Op(loop.And, part, loop.Num(t, 1<<p-1))
				}
				q = join(q, part, p)
			}
			b.Store(l.g.Scratch, loop.Sum(at, loop.Int(v*chunk)), value(q))
		}
	})
	b.For("code", loop.Int(whole*group), loop.Int(n), 1, func(i loop.Expr) {
		var q loop.Expr
		for j, p := range e.Planes() {
			bit := b.Let("bit", loop.Scaled(i, p))
			v := loop.To(loop.ZExt, loop.At(planes[j], loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8), 32)
			q = join(q, loop.Op(loop.And, loop.Op(loop.LShr, v, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<p-1)), p)
		}
		b.Store(l.g.Scratch, i, loop.To(loop.Trunc, value(q), 8))
	})
}

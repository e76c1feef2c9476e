package lanes

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/loop"
)

// Codes of fewer than 8 bits are decoded to bytes in scratch, once for all pixels: the weights in the
// order of the kernel. Their planes hold groups of codes, then the codes left over one by one.

// groups are groups of codes, as many as vectors of some bytes for each bit of a plane hold: vector v of a
// group's codes is field v%(8/p) of the word v*p/8 of a plane of p bits. A word of one byte is no vector.
type groups struct {
	lanes    int // bytes of a word
	first, n int // code, groups
}

// groupsOf divides n codes into groups of fewer and fewer codes, and gives the first code left over.
func groupsOf(n int) (list []groups, left int) {
	for _, lanes := range []int{chunk, chunk / 2, chunk / 4, 1} {
		g := groups{lanes, left, (n - left) / (8 * lanes)}
		list, left = append(list, g), left+8*lanes*g.n
	}
	return list, left
}

// decodes reports whether a layer's codes are decoded.
func decodes(e ir.Elem) bool { return e.IsUniform() && e.Bits < 8 }

// fits reports whether a layer's decoded weights may lie in scratch: at most its activations, or as many
// as the caches of processors with vectors hold; on a microcontroller, as many as tables may take.
func fits(l kernel.Layer) bool {
	most := 256 << 10
	switch l.Target.ISA() {
	case "arm":
		most = 64 << 10
	case "thumb":
		most = kernel.MaxTables
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
	low := e.CodeBits()
	list, left := groupsOf(len(codes))
	for _, p := range e.Planes() {
		low -= p
		data := make([]byte, (len(codes)*p+7)/8)
		put := func(i, bit int) { data[bit/8] |= codes[i] >> low & (1<<p - 1) << (bit % 8) }
		for _, g := range list {
			for i := range g.n * 8 * g.lanes {
				v := i % (8 * g.lanes) / g.lanes
				at := g.first*p/8 + i/(8*g.lanes)*g.lanes*p + v*p/8*g.lanes + i%g.lanes
				put(g.first+i, 8*at+v%(8/p)*p)
			}
		}
		for i := left; i < len(codes); i++ {
			put(i, i*p)
		}
		planes = append(planes, data)
	}
	return planes
}

// Instructions of eight words of codes that are decoded together, and of a code alone.
const (
	perDecoded = 26.
	perPlane   = 20.
	perAlone   = 14.
)

// decodeCycles are those of n codes.
func decodeCycles(e ir.Elem, n int) float64 {
	if !decodes(e) {
		return 0
	}
	planes, sum := float64(len(e.Planes())), 0.
	list, left := groupsOf(n)
	for _, g := range list {
		sum += float64(g.n) * (perDecoded + planes*perPlane)
	}
	return sum + float64(n-left)*perAlone*planes
}

// decode writes the weights of n codes to scratch: code q is 2q less the offset.
func (l *layer) decode(e ir.Elem, planes []*loop.Global, n int) {
	b := l.g.B
	value := func(q loop.Expr) loop.Expr {
		return loop.Op(loop.Sub, loop.Op(loop.Shl, q, loop.Num(q.Type(), 1)), loop.Num(q.Type(), e.Offset()))
	}
	join := func(q, next loop.Expr, p int) loop.Expr {
		if q == nil {
			return next
		}
		return loop.Op(loop.Or, loop.Op(loop.Shl, q, loop.Num(q.Type(), int64(p))), next)
	}
	list, left := groupsOf(n)
	for _, g := range list {
		t := loop.I8.Vec(g.lanes)
		b.For("group", loop.Int(0), loop.Int(g.n), 1, func(i loop.Expr) {
			at := b.Let("at", loop.Sum(loop.Scaled(i, 8*g.lanes), loop.Int(g.first)))
			words := make([][]loop.Expr, len(planes))
			for j, p := range e.Planes() {
				for w := range p {
					word := loop.At(planes[j], loop.Sum(loop.Scaled(i, g.lanes*p), loop.Int(g.first*p/8+g.lanes*w)), t)
					if g.lanes == 1 {
						word = loop.To(loop.ZExt, word, 32)
					}
					words[j] = append(words[j], b.Let("word", word))
				}
			}
			for v := range 8 {
				var q loop.Expr
				for j, p := range e.Planes() {
					field, word := v%(8/p), words[j][v*p/8]
					part := loop.Op(loop.LShr, word, loop.Num(word.Type(), int64(field*p)))
					if (field+1)*p < 8 {
						part = loop.Op(loop.And, part, loop.Num(word.Type(), 1<<p-1))
					}
					q = join(q, part, p)
				}
				b.Store(l.g.Scratch, loop.Sum(at, loop.Int(v*g.lanes)), loop.To(loop.Trunc, value(q), 8))
			}
		})
	}
	b.For("code", loop.Int(left), loop.Int(n), 1, func(i loop.Expr) {
		var q loop.Expr
		for j, p := range e.Planes() {
			bit := b.Let("bit", loop.Scaled(i, p))
			v := loop.To(loop.ZExt, loop.At(planes[j], loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8), 32)
			q = join(q, loop.Op(loop.And, loop.Op(loop.LShr, v, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<p-1)), p)
		}
		b.Store(l.g.Scratch, i, loop.To(loop.Trunc, value(q), 8))
	})
}

package lanes

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Codes of fewer than 8 bits are decoded to bytes in scratch, once for all pixels: the weights in the
// order of the kernel (emit.ByteGroups).

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
	for _, p := range e.Planes() {
		low -= p
		data, bit := make([]byte, (len(codes)*p+7)/8), emit.ByteBits(len(codes), p)
		for i, q := range codes {
			data[bit(i)/8] |= q >> low & (1<<p - 1) << (bit(i) % 8)
		}
		planes = append(planes, data)
	}
	return planes
}

// decodeCycles are those of n codes.
func decodeCycles(e ir.Elem, n int) float64 {
	if !decodes(e) {
		return 0
	}
	return emit.ByteCycles(n, len(e.Planes()))
}

// mostRaised is the most bits by which decoded weights may be shifted left: they stay bytes, and what sums of
// their products stay halves.
func (l *layer) mostRaised(e ir.Elem) (bits int) {
	if !decodes(e) {
		return 0
	}
	most := int64(math.MaxInt8)
	if l.m != nil && l.m.runs {
		most = mostOfRuns
	}
	for int64(e.MaxWeight())<<(bits+1) <= most {
		bits++
	}
	return bits
}

// decode writes the weights of n codes to scratch: code q is 2q less the offset, shifted left by some bits.
func (l *layer) decode(e ir.Elem, planes []*loop.Global, n, raised int) {
	var list []emit.BytePlane
	for i, p := range e.Planes() {
		list = append(list, emit.BytePlane{Data: planes[i], Bits: p})
	}
	l.g.DecodeBytes(n, list, 0, func(q loop.Expr) loop.Expr {
		t := q.Type()
		return loop.Op(loop.Sub, loop.Op(loop.Shl, q, loop.Num(t, int64(1+raised))), loop.Num(t, int64(e.Offset())<<raised))
	})
}

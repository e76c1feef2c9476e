package kernel

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// Weight is the shape of a layer's weights.
func (l Layer) Weight() ir.Shape { return l.Node.Const(ir.AttrWeight).Type.Shape }

// K is the number of weights of an output channel.
func (l Layer) K() int { return l.Weight().Size() / l.Weight()[0] }

// Scalar reports whether each weight has a code of its own and is linear in the code.
func (l Layer) Scalar() bool { return l.Elem.Kind == ir.I8 || l.Elem.IsUniform() }

// Book reports whether codes are rows of one codebook, without groups of channels.
func (l Layer) Book() bool {
	return (l.Elem.Kind == ir.Vec || l.Elem.Kind == ir.Code) && l.Groups() == 1
}

// Narrow reports whether sums of 32 bits suffice (R5).
func (l Layer) Narrow() bool {
	return l.Supposed || l.Node.Const(ir.AttrBias).Type.Elem.Kind == ir.I32
}

// Groups is the number of groups of a convolution, 1 for a linear layer.
func (l Layer) Groups() int {
	if l.Node.Op != ir.Conv2D {
		return 1
	}
	return l.Node.Int(ir.AttrGroups)
}

// Pixels is the number of pixels that a layer computes, before its fused pooling; 1 for
// a linear layer.
func (l Layer) Pixels() int {
	if l.Node.Op != ir.Conv2D {
		return 1
	}
	h, w := l.Node.Pool()
	out := l.Node.Out.Type.Shape
	return out[1] * out[2] * h * w
}

// Taps is the number of positions in a convolution's window, 1 for a linear layer.
func (l Layer) Taps() int {
	if l.Node.Op != ir.Conv2D {
		return 1
	}
	return l.Weight()[2] * l.Weight()[3]
}

// Outputs is the number of sums that a layer computes.
func (l Layer) Outputs() float64 { return float64(l.Pixels() * l.Weight()[0]) }

// Activations is the size of a layer's input and output in bytes.
func (l Layer) Activations() int {
	return l.Node.Args[0].Type.Slots() + l.Node.Out.Type.Slots()
}

// Neighbours reports whether each tap of a convolution reads all channels of neighbouring
// pixels (one group, stride 1). Tables for pixels side by side need this.
func (l Layer) Neighbours() bool {
	return l.Node.Op == ir.Conv2D && l.Groups() == 1 && slices.Equal(l.Node.Stride(), []int{1, 1})
}

// InputReach is the greatest |x-z| of a node's input.
func InputReach(n *ir.Node) int {
	least, greatest := geometry.Differences(n.Args[0].Type)
	return int(max(-least, greatest))
}

// BookReach is the greatest sum of |T| over a row of a node's codebook. For a codebook that
// cannot be read it is larger than any such sum.
func BookReach(n *ir.Node) int {
	book, err := n.Const(ir.AttrCodebook).Load()
	if err != nil {
		return 1 << 15
	}
	d, most := int(n.Const(ir.AttrWeight).Type.Elem.Group), 0
	for i := 0; i < len(book); i += d {
		sum := 0
		for _, v := range book[i : i+d] {
			sum += max(int(int8(v)), -int(int8(v)))
		}
		most = max(most, sum)
	}
	return most
}

// EntriesFit reports whether every entry of a table of vector codes fits 16 bits: the sum
// of |T| over a row of the codebook, times the greatest |x-z|. R18 keeps that sum below 128.
func (l Layer) EntriesFit() bool {
	return l.Supposed || BookReach(l.Node)*InputReach(l.Node) <= 1<<15-1
}

// MaxTables is the upper bound on the bytes of a layer's look-up tables.
const MaxTables = 24 << 10

// OddTables is the upper bound for odd codes, which other families compute with less
// memory: the layer's activations, so that memory at most doubles, but at least 8 KiB.
func (l Layer) OddTables() int { return min(max(l.Activations(), 8<<10), MaxTables) }

// CodePlanes returns the widths of the bit planes of codes for several weights, the highest
// bits first.
func CodePlanes(bits int) []int { return ir.Elem{Kind: ir.Code, Bits: uint8(bits)}.Planes() }

// Divisors lists the divisors of n in ascending order.
func Divisors(n int) (list []int) {
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			list = append(list, d)
		}
	}
	return list
}

// Instructions around the products, for several families, fitted to counts
// under the emulator (TestCyclesAreNearCounts in passes/machine).
const (
	PerOutput = 13. // one sum: requantized, stored, and its share of a tile's set-up
	PerTap    = 22. // one tap of a window: its bounds and addresses
	PerPixel  = 60. // one pixel: calls, the loops of a tile
	PerWeight = 6.  // one multiply-add of a kernel without a product of the processor
)

package processor

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Kernel is a family of kernels: the one seam at which it is chosen how an
// operation is computed. Code generation implements each family by its name.
type Kernel struct {
	Name string
	Doc  string
	Op   ir.Op
	// Applies reports whether the family serves a quantized node on a target.
	Applies func(n *ir.Node, t *Target) bool
	// Multiply names the product of the target that the kernel is built on.
	Multiply func(n *ir.Node, t *Target) string
	// Tile is what the generator is parameterised with: [pixels, channels].
	Tile func(n *ir.Node, t *Target) []int
	// Scratch is the bytes of working memory in the arena.
	Scratch func(n *ir.Node, t *Target) int
	// Prefers, where it is not nil, reports whether a node that the family serves is
	// not better left to one behind it.
	Prefers func(n *ir.Node, t *Target) bool
	// Pools: a convolution's kernel can keep the greatest of its outputs.
	Pools bool
	// Rows: a row of the result is written when no earlier row of the first
	// argument is needed any more; element by element where it has no rows. The
	// result may then overlap that argument.
	Rows bool
}

// Serves reports whether the family computes a node on a target.
func (k *Kernel) Serves(n *ir.Node, t *Target) bool {
	h, w := n.Pool()
	return k.Op == n.Op && (k.Pools || h*w == 1) && k.Applies(n, t)
}

func always(*ir.Node, *Target) bool   { return true }
func noScratch(*ir.Node, *Target) int { return 0 }
func noTile(*ir.Node, *Target) []int  { return nil }
func channelTile(_ *ir.Node, t *Target) []int {
	return []int{1, t.VectorLanes}
}

// The families, the preferred one of an operation first.
var kernels = []Kernel{
	{
		Name: "conv_depthwise", Op: ir.Conv2D, Applies: depthwise, Pools: true, Rows: true, Tile: noTile,
		Doc: "one channel a group: weights decoded to 16 bits, tap by tap, times inputs, four channels at a time; windows that stick out of the image are gathered",
		Scratch: func(n *ir.Node, _ *Target) int {
			size := n.Const("weight").Type.Shape.Size()
			if slices.Max(n.Ints("pad")) == 0 {
				return 2 * size
			}
			return DepthwiseWeights(size) + size
		},
	},
	tabulating(Kernel{
		Name: "conv_pixels", Op: ir.Conv2D, Pools: true, Rows: true,
		Doc: "sums of products of a few inputs with all that a code stands for tabulated for pixels side by side; a code looks up eight pixels of an output channel",
	}, pixelsFor, (*Target).otherCycles),
	tabulating(Kernel{
		Name: "conv_pairs", Op: ir.Conv2D, Pools: true,
		Doc: "as conv_pixels, on processors without vectors: a word of a table has two pixels, where their sums fit in halves, and a code looks up a few words",
	}, pairsFor, (*Target).otherCycles),
	{
		Name: "conv_blocks", Op: ir.Conv2D, Pools: true,
		Doc: "the weights of a block of output channels decoded once for all pixels, then windows gathered as columns times them, by the target's own product: codebooks that are no tables, codes that no plane holds whole",
		Applies: func(n *ir.Node, t *Target) bool {
			e := n.Const("weight").Type.Elem
			return (e.Kind == ir.Odd || bookCodes(n, t) && !looksUp(n, t)) && t.blocks(n, e).m != nil
		},
		Multiply: func(n *ir.Node, t *Target) string { return t.blocks(n, n.Const("weight").Type.Elem).m.Name },
		Tile: func(n *ir.Node, t *Target) []int {
			c := t.blocks(n, n.Const("weight").Type.Elem)
			return []int{c.pixels, c.channels, c.block}
		},
		Scratch: func(n *ir.Node, t *Target) int {
			c, w := t.blocks(n, n.Const("weight").Type.Elem), n.Const("weight").Type.Shape
			k := w.Size() / w[0]
			return DecodedAt(c.m, k, c.pixels) + c.block*DecodedBytes(c.m, k)
		},
		Prefers: func(n *ir.Node, t *Target) bool {
			e := n.Const("weight").Type.Elem
			return e.Kind != ir.Odd || t.blocks(n, e).cost < t.microCycles(n, e)
		},
	},
	micro("conv_micro", ir.Conv2D, "windows of a tile of pixels gathered as columns, times words of codes of a few output channels, by the target's own product"),
	tabulating(Kernel{
		Name: "linear_lookup", Op: ir.Linear,
		Doc: "sums of products of a few inputs with all that a code stands for tabulated; codes look them up",
	}, lookupFor, func(t *Target, n *ir.Node, e ir.Elem) float64 {
		if e.Kind == ir.Odd {
			return t.microCycles(n, e)
		}
		return bookCycles(n, e)
	}),
	micro("linear_micro", ir.Linear, "the input made a column, times words of codes of a few outputs, by the target's own product"),
	{
		Name: "conv_tile", Op: ir.Conv2D, Applies: scalarCodes, Pools: true, Rows: true,
		Doc: "windows of a few pixels gathered as 16-bit differences from the zero point, times unpacked weights of a few output channels",
		Tile: func(n *ir.Node, t *Target) []int {
			return []int{min(t.TilePixels, n.Out.Type.Shape[2]), t.VectorLanes}
		},
		Scratch: func(n *ir.Node, t *Target) int {
			w := n.Const("weight").Type.Shape
			return 2 * min(t.TilePixels, n.Out.Type.Shape[2]) * (w.Size() / w[0])
		},
	},
	{
		Name: "linear_tile", Op: ir.Linear, Applies: scalarCodes, Tile: channelTile, Scratch: noScratch,
		Doc: "each input times the unpacked weights of a few outputs",
	},
	{
		Name: "conv_lookup", Op: ir.Conv2D, Applies: looksUp, Tile: noTile, Pools: true, Rows: true,
		Doc: "products of all rows of the codebook with each group of inputs tabulated, for the rows that a window sees; codes look them up",
		Scratch: func(n *ir.Node, _ *Target) int {
			in := n.Args[0].Type.Shape
			return n.Const("weight").Type.Shape[2] * in[2] * tableBytes(n)
		},
	},
	{
		Name: "conv_decode", Op: ir.Conv2D, Applies: bookCodes, Pools: true,
		Doc:  "the weights of a tile of output channels decoded through the codebook once for all pixels, then multiplied with one window after the other",
		Tile: func(n *ir.Node, t *Target) []int { return []int{1, bookLanes(n, t)} },
		Scratch: func(n *ir.Node, t *Target) int {
			w := n.Const("weight").Type.Shape
			return (2 + bookLanes(n, t)) * (w.Size() / w[0])
		},
	},
	{
		Name: "linear_decode", Op: ir.Linear, Applies: bookCodes,
		Doc:     "each group of inputs times the row of the codebook that its code names",
		Tile:    func(*ir.Node, *Target) []int { return []int{1, 1} },
		Scratch: func(n *ir.Node, _ *Target) int { return 2 * n.Args[0].Type.Shape.Size() },
	},
	{Name: "max_window", Op: ir.MaxPool2D, Rows: true, Applies: always, Tile: channelTile, Scratch: noScratch, Doc: "the maximum over the window, a few channels at a time"},
	{Name: "avg_window", Op: ir.AvgPool2D, Rows: true, Applies: always, Tile: channelTile, Scratch: noScratch, Doc: "the rounded mean over the window"},
	{Name: "add_elements", Op: ir.Add, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "two rescaled arguments, element by element"},
	{Name: "rescale_elements", Op: ir.Requantize, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "one rescaled argument, element by element"},
	{Name: "copy_strided", Op: ir.Concat, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "each argument's channels copied into their place of every pixel"},
	{Name: "copy_reordered", Op: ir.Reshape, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "elements in logical order copied to their new physical place"},
	{Name: "copy_mapped", Op: ir.Copy, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "elements of a view copied in the order of memory, by nested loops"},
	{Name: "pad_mapped", Op: ir.Pad, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "the result filled with one value, then the elements copied into it"},
	{Name: "sub_elements", Op: ir.Sub, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "two rescaled arguments, element by element"},
	{Name: "mul_elements", Op: ir.Mul, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "products of differences from the zero points, rescaled"},
	{Name: "min_elements", Op: ir.Minimum, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "the lesser element"},
	{Name: "max_elements", Op: ir.Maximum, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "the greater element"},
	{Name: "table_elements", Op: ir.Table, Rows: true, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "each element looked up in a table of 256"},
	{Name: "reduce_rows", Op: ir.Reduce, Applies: inRows, Tile: noTile, Scratch: noScratch, Doc: "the sum or the extreme of each row"},
	{Name: "argmax_rows", Op: ir.ArgMax, Applies: inRows, Tile: noTile, Scratch: noScratch, Doc: "the place of the greatest element of each row"},
	{Name: "embedding_rows", Op: ir.Embedding, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "the row that a table of 256 names, copied for each index"},
	{Name: "matmul_rows", Op: ir.MatMul, Applies: always, Tile: noTile, Scratch: noScratch, Doc: "one element of the product after the other"},
	{Name: "softmax_table", Op: ir.Softmax, Applies: inRows, Tile: noTile, Scratch: noScratch, Doc: "exponentials from a table, one rounded division an element"},
}

// inRows: the axis is the last of at most two, as legalize leaves it.
func inRows(n *ir.Node, _ *Target) bool {
	axis := len(n.Args[0].Type.Shape) - 1
	if n.Op == ir.Reduce {
		return axis <= 1 && len(n.Ints("axes")) == 1 && n.Ints("axes")[0] == axis
	}
	return axis <= 1 && n.Int("axis") == axis
}

// layout is how a kernel of tables lies: what its generator is parameterised with, and
// the bytes of its scratch.
type layout interface {
	tile() []int
	scratch() int
}

// tabulating is a family of tables that is chosen where its cheapest layout takes fewer
// instructions than others would.
func tabulating[L layout](k Kernel, find func(n *ir.Node, t *Target) (l L, cost float64, ok bool), others func(t *Target, n *ir.Node, e ir.Elem) float64) Kernel {
	k.Applies = func(n *ir.Node, t *Target) bool {
		_, _, ok := find(n, t)
		return ok
	}
	k.Prefers = func(n *ir.Node, t *Target) bool {
		_, cost, _ := find(n, t)
		return cost < others(t, n, n.Const("weight").Type.Elem)
	}
	k.Tile = func(n *ir.Node, t *Target) []int {
		l, _, _ := find(n, t)
		return l.tile()
	}
	k.Scratch = func(n *ir.Node, t *Target) int {
		l, _, _ := find(n, t)
		return l.scratch()
	}
	return k
}

// divisors lists the divisors of n, the least first.
func divisors(n int) (list []int) {
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			list = append(list, d)
		}
	}
	return list
}

// plainConv reports whether every place of a convolution's window sees all channels of
// neighbouring pixels, as tables for pixels side by side need it.
func plainConv(n *ir.Node) bool {
	return n.Op == ir.Conv2D && n.Int("groups") == 1 && slices.Equal(n.Stride(), []int{1, 1})
}

// codePlanes are the bit planes of codes that several weights make, the highest bits
// first.
func codePlanes(bits int) []int { return ir.Elem{Kind: ir.Code, Bits: uint8(bits)}.Planes() }

// micro is a family that is built on the target's products.
func micro(name string, op ir.Op, doc string) Kernel {
	return Kernel{
		Name: name, Op: op, Doc: doc, Pools: op == ir.Conv2D, Rows: op == ir.Conv2D,
		Applies: func(n *ir.Node, t *Target) bool {
			return scalarCodes(n, t) && n.Const("bias").Type.Elem.Kind == ir.I32 && choose(n, t).m != nil
		},
		Multiply: func(n *ir.Node, t *Target) string { return choose(n, t).m.Name },
		Tile: func(n *ir.Node, t *Target) []int {
			c := choose(n, t)
			return []int{c.pixels, c.channels}
		},
		Scratch: func(n *ir.Node, t *Target) int {
			c := choose(n, t)
			return MicroScratch(n, c.m, c.pixels, c.channels)
		},
	}
}

// MicroScratch is the bytes of a tile's columns, and of what is decoded once for all
// pixels behind them.
func MicroScratch(n *ir.Node, m *Multiply, pixels, channels int) int {
	w := n.Const("weight").Type
	k, groups := w.Shape.Size()/w.Shape[0], 1
	bytes := pixels * ColumnBytes(m, k)
	if n.Op == ir.Conv2D {
		groups = n.Int("groups")
		if m.Decodes {
			bytes = DecodedAt(m, k, pixels)
		}
		bytes += m.restScratch(w.Elem, k, w.Shape[0]/groups, groups, channels)
	}
	return bytes
}

// depthwise: each channel by itself, padded with the zero point.
func depthwise(n *ir.Node, t *Target) bool {
	in := n.Args[0].Type.Shape[0]
	return scalarCodes(n, t) && n.Int("groups") == in && n.Const("weight").Type.Shape[0] == in && n.Const("bias").Type.Elem.Kind == ir.I32 &&
		n.Nums("pad_value") == nil && slices.Equal(n.Ints("dilation"), []int{1, 1})
}

// DepthwiseWeights is the bytes of decoded weights; what lies behind them is
// aligned.
func DepthwiseWeights(codes int) int { return (2*codes + 7) / 8 * 8 }

// choose is the product and tile of a layer.
func choose(n *ir.Node, t *Target) choice {
	c := n.Const("weight")
	return t.bestFor(n, c.Type.Elem, func(m *Multiply) bool {
		return serves(n, c.Type.Elem, m) && (!m.Least || c.Type.Elem.CodeBits() < 8 || greater(c))
	})
}

// serves reports whether a product can compute a layer whose weights have a format.
func serves(n *ir.Node, e ir.Elem, m *Multiply) bool {
	w := n.Const("weight").Type.Shape
	switch {
	case m.Decodes:
		return e.CodeBits() < 8 && decodes(n, m)
	case m.Nested: // its sums hold products of bytes
		return w.Size()/w[0] <= math.MaxUint32/(255*255)
	}
	return true
}

// bestFor is best of a layer, if its weights had a format.
func (t *Target) bestFor(n *ir.Node, e ir.Elem, serves func(*Multiply) bool) choice {
	shape := n.Const("weight").Type.Shape
	if n.Op != ir.Conv2D {
		return t.best(e, shape, 1, 1, 0, 1, serves)
	}
	pixels, _, groups := extent(n)
	_, pooled := n.Pool()
	return t.best(e, shape, groups, n.Out.Type.Shape[2]*pooled, pixels, pooled, serves)
}

// decodes reports whether a layer's weights may lie decoded in scratch: as bytes, they
// are no more than the activations, so that memory doubles at the most; as halves, on
// processors with less of it, no more than a quarter; or no more than the product allows.
func decodes(n *ir.Node, m *Multiply) bool {
	w := n.Const("weight").Type.Shape
	bytes, most := w[0]*DecodedBytes(m, w.Size()/w[0]), activations(n)
	if m.DecodedBits() > 8 {
		most /= 4
	}
	return n.Op == ir.Conv2D && bytes <= max(most, m.Decoded)
}

// wholeInputs is the elements of a column of k inputs: those of whole products.
func wholeInputs(m *Multiply, k int) int {
	n := m.Inputs()
	return (k + n - 1) / n * n
}

// DecodedBytes is the bytes of a row of k codes, decoded.
func DecodedBytes(m *Multiply, k int) int { return wholeInputs(m, k) * m.DecodedBits() / 8 }

// DecodedAt is the byte of the decoded codes behind the columns of some pixels.
func DecodedAt(m *Multiply, k, pixels int) int {
	return (pixels*ColumnBytes(m, k) + m.Word - 1) / m.Word * m.Word
}

// ColumnBytes is the bytes of a column of k inputs: whole products.
func ColumnBytes(m *Multiply, k int) int {
	return wholeInputs(m, k) * m.Input / 8
}

// scalarCodes: weights of one code each whose value is linear in the code.
func scalarCodes(n *ir.Node, _ *Target) bool {
	k := n.Const("weight").Type.Elem.Kind
	return k == ir.I8 || k == ir.Odd
}

// bookCodes: codes that are rows of a codebook, one for the layer.
func bookCodes(n *ir.Node, _ *Target) bool {
	return n.Const("codebook") != nil && (n.Op == ir.Linear || n.Int("groups") == 1)
}

// blockBytes bounds the bytes of a block of decoded output channels: those of odd codes
// are no more than the activations, so that memory doubles at the most, or than 2 KiB,
// those of a codebook no more than tables would take. A tile of channels is a block in
// any case.
func blockBytes(n *ir.Node, e ir.Elem) int {
	if e.Kind != ir.Odd {
		return maxTables
	}
	return min(max(activations(n), 2<<10), 12<<10)
}

// activations is the bytes of a layer's input and output.
func activations(n *ir.Node) int { return n.Args[0].Type.Shape.Size() + n.Out.Type.Shape.Size() }

// block is how conv_blocks computes a layer: the pixels and channels of a tile, the
// channels of a block, and the instructions in all.
type block struct {
	m                       *Multiply
	pixels, channels, block int
	cost                    float64
}

// blocks is the cheapest one in format e; without a product where it does not serve:
// where vectors do, or one plane holds the codes.
func (t *Target) blocks(n *ir.Node, e ir.Elem) (best block) {
	w := n.Const("weight").Type.Shape
	if t.Vectors() || n.Int("groups") > 1 || n.Const("bias") != nil && n.Const("bias").Type.Elem.Kind != ir.I32 {
		return block{}
	}
	pixels, _, _ := extent(n)
	_, pooled := n.Pool()
	out, k := n.Out.Type.Shape, w.Size()/w[0]
	for _, m := range t.Multiplies() {
		planes := m.Passes(e)
		switch e.Kind {
		case ir.Odd:
			if !m.Decodes || m.Decode == 0 || len(planes) < 2 || e.CodeBits() == 8 {
				continue
			}
		case ir.Vec, ir.Code:
			if !m.Books {
				continue
			}
		default:
			continue
		}
		for _, tile := range m.Tiles {
			if tile[0] > out[2]*pooled || tile[0] > 1 && tile[0]%pooled != 0 || tile[1] > w[0] || e.Kind == ir.Odd && w[0]%tile[1] > 0 {
				continue
			}
			// Whole tiles, as few as give the fewest blocks.
			most := max(1, blockBytes(n, e)/DecodedBytes(m, k)/tile[1])
			tiles := w[0] / tile[1]
			count := (tiles + most - 1) / most
			b := block{m: m, pixels: tile[0], channels: tile[1], block: (tiles + count - 1) / count * tile[1]}
			coded := e
			if e.Kind != ir.Odd {
				coded = ir.Elem{Kind: ir.I8}
				b.cost = perBookWeight * float64(w.Size())
			}
			count = (w[0] + b.block - 1) / b.block
			b.cost += float64(pixels*count*b.block)*(m.cycles(coded, k, tile[0], tile[1], pixels)+perOutput/2) + float64(count)*t.columnCycles(n, m)
			if best.m == nil || b.cost < best.cost {
				best = b
			}
		}
	}
	return best
}

// LookupTile is the output channels that look up in a table together: their codes
// of one bit fill a byte.
const LookupTile = 8

// LooksUpVectors reports whether vector codes of a format look up by tbl16: the
// target finds bytes in a vector of sixteen, and a codebook has as many rows.
func (t *Target) LooksUpVectors(e ir.Elem) bool {
	return e.Kind == ir.Vec && e.Bits == 4 && t.Has("neon")
}

// tableBytes is the tables of all groups of one pixel.
func tableBytes(n *ir.Node) int {
	w := n.Const("weight").Type
	d := int(w.Elem.Group)
	return (w.Shape[1] + d - 1) / d * 2 << w.Elem.Bits
}

// looksUp: a convolution of vector codes whose tables hold 16-bit sums, are not too
// large, and pad with the zero point.
func looksUp(n *ir.Node, t *Target) bool {
	w := n.Const("weight").Type
	if w.Elem.Kind != ir.Vec || n.Const("bias").Type.Elem.Kind != ir.I32 ||
		n.Int("groups") > 1 || n.Nums("pad_value") != nil || !slices.Equal(n.Ints("dilation"), []int{1, 1}) {
		return false
	}
	bytes := tableBytes(n) * w.Shape[2] * n.Args[0].Type.Shape[2]
	return bytes <= maxTables && w.Shape[0] >= LookupTile && sumsFit(n)
}

// sumsFit proves that no table entry leaves 16 bits: the sum of |T| over a row of
// the codebook times the greatest |x-z|.
func sumsFit(n *ir.Node) bool {
	return bookReach(n)*InputReach(n) <= 1<<15-1
}

// InputReach is the greatest |x-z| of a node's input.
func InputReach(n *ir.Node) int {
	zero := n.Args[0].Type.Quant.Zero
	return max(127-zero, zero+128)
}

// bookReach is the greatest sum of |T| over a row of a node's codebook; of one that
// cannot be read, more than any.
func bookReach(n *ir.Node) int {
	book, err := n.Const("codebook").Load()
	if err != nil {
		return 1 << 15
	}
	d, most := int(n.Const("weight").Type.Elem.Group), 0
	for i := 0; i < len(book); i += d {
		sum := 0
		for _, v := range book[i : i+d] {
			sum += max(int(int8(v)), -int(int8(v)))
		}
		most = max(most, sum)
	}
	return most
}

// bookLanes is the output channels that are decoded together: a power of two.
func bookLanes(n *ir.Node, t *Target) int {
	lanes := t.VectorLanes
	for lanes > n.Const("weight").Type.Shape[0] {
		lanes /= 2
	}
	return lanes
}

// Assign has the family compute a node: it writes its name, product, tile
// and scratch into it.
func (k *Kernel) Assign(n *ir.Node, t *Target) {
	n.Set("impl", k.Name)
	n.Set("tile", nil)
	n.Set("scratch", nil)
	if n.Op.Info().Attr("multiply") != nil {
		n.Set("multiply", nil)
	}
	if k.Multiply != nil {
		n.Set("multiply", k.Multiply(n, t))
	}
	if tile := k.Tile(n, t); tile != nil {
		n.Set("tile", tile)
	}
	if s := k.Scratch(n, t); s > 0 {
		n.Set("scratch", []int{0, s})
	}
}

// Kernels lists the families.
func Kernels() []Kernel { return kernels }

// FindKernel returns the family of a name, or nil.
func FindKernel(name string) *Kernel {
	for i := range kernels {
		if kernels[i].Name == name {
			return &kernels[i]
		}
	}
	return nil
}

// Serving lists the families that serve n on t, those that prefer to first.
func Serving(n *ir.Node, t *Target) []*Kernel {
	var list, others []*Kernel
	for i := range kernels {
		switch k := &kernels[i]; {
		case !k.Serves(n, t):
		case k.Prefers == nil || k.Prefers(n, t):
			list = append(list, k)
		default:
			others = append(others, k)
		}
	}
	return append(list, others...)
}

// Choose returns the first family that serves n on t and prefers to, or nil.
func Choose(n *ir.Node, t *Target) *Kernel {
	for i := range kernels {
		if k := &kernels[i]; k.Serves(n, t) && (k.Prefers == nil || k.Prefers(n, t)) {
			return k
		}
	}
	return nil
}

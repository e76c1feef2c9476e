package micro

import (
	"fmt"
	"iter"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// conv gathers the windows of a tile of pixels as columns, then computes all
// channels of one group after the other. Where a row's pixels do not divide
// evenly the last tile overlaps the one before it: the same pixels come out the
// same.
func (p Plan) conv(g *emit.Generator) error {
	w := geometry.WindowOf(g.Node)
	in := w.InC / w.Groups
	k, err := newMicro(g, p)
	if err != nil {
		return err
	}
	if err := k.poolTiles(); err != nil {
		return err
	}
	if k.stored != nil {
		k.decodeAll()
	} else {
		k.decodeRest(columnsBytes(k.m, k.k, k.pixels))
	}
	var gather *loop.Func
	if !k.m.reads(g.Node) {
		gather = k.window(w)
	}
	tile := k.outputs(w.OutC)
	k.tiles(w, false, gather, tile, func(do func(group, first loop.Expr)) {
		g.B.For("group", loop.Int(0), loop.Int(w.Groups), 1, func(group loop.Expr) { do(group, loop.Scaled(group, in)) })
	})
	return nil
}

// poolTiles prepares padding and pools of a convolution's tiles.
func (k *micro) poolTiles() error {
	k.pads, k.pooled = k.padRow(), 1
	if k.pixels > 1 {
		_, k.pooled = k.g.Node.Pool()
	}
	if k.pixels%k.pooled != 0 {
		return fmt.Errorf("tiles of %d pixels for pools of %d", k.pixels, k.pooled)
	}
	return nil
}

// tiles computes the pixels of all rows, tile after tile, for the groups that each
// calls do for, with their first input channel. gather is nil where inputs are read where they lie.
func (k *micro) tiles(w geometry.Window, cleared bool, gather, tile *loop.Func, each func(do func(group, first loop.Expr))) {
	g, b, count, ow := k.g, k.g.B, k.pixels, k.g.Columns(w)
	g.Rows(w, cleared, func(oy, row loop.Expr) {
		b.For("tx", loop.Int(0), loop.Int(ow), count, func(tx loop.Expr) {
			ox := tx
			if ow%count != 0 {
				ox = b.Let("ox", loop.Op(loop.SMin, tx, loop.Int(ow-count)))
			}
			if gather == nil {
				from := loop.Scaled(loop.Sum(loop.Scaled(oy, w.StrideH*w.InW), ox), w.InC)
				b.Call(tile, []loop.Expr{loop.Int(0), from, g.Pixel(w, row, ox)}, []loop.Arg{{Region: g.Args[0]}, {Region: g.Out}})
				return
			}
			each(func(group, first loop.Expr) {
				ints := []loop.Expr{group, loop.Int(0), g.Pixel(w, row, ox)}
				for i := range count {
					sum := b.Result("sum", gather, []loop.Expr{first, oy, loop.Sum(ox, loop.Int(i)), loop.Int(i * k.granule())},
						[]loop.Arg{{Region: g.Args[0]}, {Region: g.Scratch}})
					if k.offset != 0 {
						ints = append(ints, sum)
					}
				}
				b.Call(tile, ints, []loop.Arg{{Region: g.Scratch}, {Region: g.Out}})
			})
		})
	})
}

// linear makes the input a column, then computes all outputs.
func (p Plan) linear(g *emit.Generator) error {
	k, err := newMicro(g, p)
	if err != nil {
		return err
	}
	k.pooled = 1
	k.decodeRest(columnsBytes(k.m, k.k, k.pixels))
	tile := k.outputs(0)
	if k.m.reads(g.Node) {
		g.B.Call(tile, []loop.Expr{loop.Int(0), loop.Int(0), loop.Int(0)}, []loop.Arg{{Region: g.Args[0]}, {Region: g.Out}})
		return nil
	}
	sum := k.begin()
	for at, piece := range k.pieces(sum) {
		c := &columnWriter{micro: k, at: loop.Int(at), base: loop.Int(0), scratch: g.Scratch, taps: piece, sum: sum}
		c.copy(g.Args[0], loop.Int(at), loop.Int(1))
	}
	ints := []loop.Expr{loop.Int(0), loop.Int(0), loop.Int(0)}
	if sum != nil {
		ints = append(ints, k.total(sum))
	}
	g.B.Call(tile, ints, []loop.Arg{{Region: g.Scratch}, {Region: g.Out}})
	return nil
}

// pieces divides the inputs of a linear layer where vectors hold them: as many as do, then the rest. It gives where
// each piece begins.
func (k *micro) pieces(sum *loop.Var) iter.Seq2[int, int] {
	units := []int{16, 1}
	if c := (columnWriter{micro: k, taps: k.k, sum: sum}); !k.m.Code.walks() || c.strips() || c.scattered() || k.input() != loop.I8 {
		units = []int{1}
	}
	return func(yield func(at, n int) bool) {
		at := 0
		for _, unit := range units {
			if n := (k.k - at) / unit * unit; n > 0 {
				if !yield(at, n) {
					return
				}
				at += n
			}
		}
	}
}

// padRow is the padding of each input channel, or nil where all have the zero
// point.
func (k *micro) padRow() *loop.Global {
	v := k.g.Node.Nums(ir.AttrPadValue)
	if v == nil {
		return nil
	}
	row := make([]int64, len(v))
	for i, p := range v {
		row[i] = int64(p)
	}
	return k.g.Global("pads", 4, ir.LittleEndian(k.input().Bytes(), row))
}

// input is the type of the layer's inputs.
func (k *micro) input() loop.Type { return emit.Integer(k.g.Node.Args[0].Type) }

// begin is the sum of a column's inputs so far, nil where none is needed.
func (k *micro) begin() *loop.Var {
	if k.offset == 0 {
		return nil
	}
	return k.g.B.Var("sum", loop.Int(0))
}

// total is what is taken off the accumulators for a sum of inputs.
func (k *micro) total(sum *loop.Var) loop.Expr {
	switch {
	case sum == nil:
		return loop.Int(0)
	case k.m.Stacked, k.m.Twins: // scaled by those that take it off
		return sum.Get()
	}
	return loop.Scaled(sum.Get(), int(k.offset))
}

// window writes the function that gathers the window of one pixel, and gives what
// its inputs take off. Its integers are the first channel, the pixel's row and
// column, and the byte of its first input in the columns.
func (k *micro) window(w geometry.Window) *loop.Func {
	g, in := k.g, w.InC/w.Groups
	x, scratch := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "columns"}
	return g.Function("gather", []string{"first", "oy", "ox", "base"}, []*loop.Param{x, scratch}, func(v []loop.Expr) {
		b, sum := g.B, k.begin()
		first := v[0]
		if w.Groups == 1 {
			first = loop.Int(0)
		}
		// A run is taps that lie side by side in memory: a row of the window, where
		// it is not dilated.
		run, step := w.KW, w.KW*w.DilW
		if w.DilW > 1 && w.KW > 1 || w.Groups > 1 {
			run, step = 1, w.DilW
		}
		b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
			iy := b.Let("iy", loop.Sum(loop.Scaled(v[1], w.StrideH), loop.Scaled(ky, w.DilH), loop.Int(-w.PadT)))
			b.For("kx", loop.Int(0), loop.Int(w.KW/run), 1, func(kx loop.Expr) {
				ix := b.Let("ix", loop.Sum(loop.Scaled(v[2], w.StrideW), loop.Scaled(kx, step), loop.Int(-w.PadL)))
				c := &columnWriter{micro: k, at: loop.Sum(loop.Scaled(ky, w.KW*in), loop.Scaled(kx, run*in)), base: v[3], scratch: scratch, taps: in, sum: sum}
				from := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), ix), w.InC), first)
				if w.PadT+w.PadL+w.PadB+w.PadR == 0 {
					c.copy(x, from, loop.Int(run))
					return
				}
				if run == 1 { // inside of the image, or outside
					c.cursor()
					b.If(loop.Op(loop.And, loop.Op(loop.ULt, iy, loop.Int(w.InH)), loop.Op(loop.ULt, ix, loop.Int(w.InW))),
						func() { c.copy(x, from, loop.Int(1)) }, func() { c.fill(first, loop.Int(1)) })
					return
				}
				// Taps left and right of the image; of a row outside of it, all.
				left := b.Var("left", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), ix), loop.Int(0)))
				right := b.Var("right", loop.Op(loop.SMax, loop.Sum(ix, loop.Int(run-w.InW)), loop.Int(0)))
				b.If(loop.Op(loop.ULt, iy, loop.Int(w.InH)), nil, func() {
					b.Set(left, loop.Int(run))
					b.Set(right, loop.Int(0))
				})
				b.Set(left, loop.Op(loop.SMin, left.Get(), loop.Int(run)))
				b.Set(right, loop.Op(loop.SMin, right.Get(), loop.Op(loop.Sub, loop.Int(run), left.Get())))
				inside := loop.Op(loop.Sub, loop.Op(loop.Sub, loop.Int(run), left.Get()), right.Get())
				beside := func() {
					c.fill(first, left.Get())
					c.copy(x, loop.Sum(from, loop.Scaled(left.Get(), w.InC)), inside)
					c.fill(first, right.Get())
				}
				if !k.m.joins(run, in) {
					beside()
					return
				}
				c.cursor()
				b.If(loop.Op(loop.ULt, loop.Int(0), loop.Op(loop.Or, left.Get(), right.Get())), beside, func() { c.copy(x, from, loop.Int(run)) })
			})
		})
		b.Return(k.total(sum))
	})
}

// columnWriter writes taps of some inputs each to a column, one after the other.
type columnWriter struct {
	*micro
	at      loop.Expr // element of the first input
	base    loop.Expr // byte of the column's first
	scratch *loop.Param
	taps    int // inputs of a tap
	sum     *loop.Var
	to      *loop.Cursor
	next    *loop.Var // element of the next input, where they are written singly
}

// cursor stands at the next input; or, where inputs are not written by fours, at
// the first.
func (c *columnWriter) cursor() *loop.Cursor {
	if c.to == nil {
		at := c.base
		if c.whole() {
			at = loop.Sum(at, c.micro.at(c.at))
		} else {
			c.next = c.g.B.Var("next", c.at)
		}
		c.to = c.g.B.Cursor("to", c.scratch, at)
	}
	return c.to
}

// whole reports whether a tap is whole products of four inputs or more: then the
// next one lies some bytes on, whatever its number.
func (c *columnWriter) whole() bool {
	return c.scattered() || c.strips() || c.inPieces() || c.taps%4 == 0 && (c.m.Planar || c.pixels == 1 || c.taps*c.m.Input/8%c.granule() == 0)
}

// scattered reports whether inputs are written byte by byte: one of each pixel after the other, or as they lie,
// where a processor loads no words from everywhere.
func (c *columnWriter) scattered() bool {
	return c.pixels > 1 && !c.m.Planar && c.granule() == 1 || c.raw()
}

// strips reports whether inputs are copied by whole vectors, whatever their number.
func (c *columnWriter) strips() bool { return c.m.Strips && c.input() == loop.I8 }

// raw reports whether a column is a copy of the inputs.
func (c *columnWriter) raw() bool { return c.m.Raw && c.sum == nil }

// mostBytes is the bytes that a round copies one by one.
const mostBytes = 24

// scatter writes the inputs of n taps, some at a time; input gives the i-th from a source.
func (c *columnWriter) scatter(n loop.Expr, input func(i int) loop.Expr, next func(round int)) {
	b, round, apart := c.g.B, 4, c.pixels
	if c.raw() {
		round, apart = c.g.Unroll(mostBytes), 1
	}
	for c.taps%round > 0 {
		round--
	}
	b.For("c", loop.Int(0), loop.Scaled(n, c.taps/round), 1, func(loop.Expr) {
		for i := range round {
			b.Store(c.to, loop.Int(i*apart), loop.To(loop.Trunc, input(i), 8))
		}
		next(round)
		b.Advance(c.to, c.stride(round))
	})
}

// copy writes n taps of inputs from a place of a region on.
func (c *columnWriter) copy(from loop.Region, at, n loop.Expr) {
	b, to, source := c.g.B, c.cursor(), c.g.B.Cursor("from", from, loop.Scaled(at, c.input().Bytes()))
	if c.input() == loop.I16 {
		c.halves(source, to, n)
		return
	}
	if c.taps%16 == 0 && c.m.Code.walks() {
		c.sixteens(source, to, n)
		return
	}
	if c.strips() {
		c.strip(source, to, n)
		return
	}
	if c.inPieces() {
		c.copyPieces(source, to, n)
		return
	}
	if c.raw() {
		c.scatter(n, func(i int) loop.Expr { return loop.At(source, loop.Int(i), loop.I8) }, func(round int) { b.Advance(source, round) })
		return
	}
	if c.scattered() {
		c.scatter(n, func(i int) loop.Expr {
			x := b.Let("v", loop.Op(loop.Xor, loop.To(loop.ZExt, loop.At(source, loop.Int(i), loop.I8), 32), loop.Int(128)))
			b.Set(c.sum, loop.Sum(c.sum.Get(), x))
			return x
		}, func(round int) { b.Advance(source, round) })
		return
	}
	if c.whole() {
		c.rounds(n, func(round int) {
			var part *parts
			if c.sum != nil && c.m.Input == 8 {
				part = c.parts()
			}
			for i := 0; i < round; i += 4 {
				c.four(to, i, loop.At(source, loop.Int(i), loop.I32), c.sum, part)
			}
			if part != nil { // two sums of 16 bits
				b.Set(c.sum, loop.Sum(c.sum.Get(), c.folded(part, round)))
			}
			b.Advance(source, round)
			b.Advance(to, c.stride(round))
		})
		return
	}
	if c.taps%4 == 0 {
		c.words(n, func(i, at loop.Expr) {
			part := c.parts()
			v := c.bytes(b.Let("word", loop.At(source, i, loop.I32)), part)
			if c.sum != nil {
				b.Set(c.sum, loop.Sum(c.sum.Get(), c.folded(part, 4)))
			}
			b.StoreAligned(to, at, v, 4)
		})
		return
	}
	if c.m.inPairs() {
		c.pairs(n, func() loop.Expr {
			x := b.Let("v", loop.To(loop.SExt, loop.At(source, loop.Int(0), loop.I8), 32))
			b.Advance(source, 1)
			return x
		})
		return
	}
	c.singles(n, func(i, at loop.Expr) {
		x := loop.To(loop.SExt, loop.At(source, i, loop.I8), 32)
		x = b.Let("v", loop.Sum(x, loop.Int(int(c.m.Code.shift()))))
		if c.sum != nil {
			b.Set(c.sum, loop.Sum(c.sum.Get(), x))
		}
		b.Store(to, at, loop.To(loop.Trunc, x, c.m.Input))
	})
}

// halves copies n taps of inputs of 16 bits, which columns hold as they are.
func (c *columnWriter) halves(source, to *loop.Cursor, n loop.Expr) {
	b := c.g.B
	if c.whole() {
		c.rounds(n, func(round int) {
			for i := 0; i < round; i += 2 {
				v := b.Let("v", loop.At(source, loop.Int(2*i), loop.I32))
				b.StoreAligned(to, loop.Int(c.stride(i)), v, 4)
				if c.sum != nil {
					b.Set(c.sum, loop.Instr("smlad", v, loop.Int(0x10001), c.sum.Get()))
				}
			}
			b.Advance(source, 2*round)
			b.Advance(to, c.stride(round))
		})
		return
	}
	c.singles(n, func(i, at loop.Expr) {
		x := b.Let("v", loop.At(source, loop.Scaled(i, 2), loop.I16))
		if c.sum != nil {
			b.Set(c.sum, loop.Sum(c.sum.Get(), loop.To(loop.SExt, x, 32)))
		}
		b.Store(to, at, x)
	})
}

// sixteens copies n taps of sixteens of inputs, whole products each.
func (c *columnWriter) sixteens(source, to *loop.Cursor, n loop.Expr) {
	b := c.g.B
	t := loop.I8.Vec(16)
	var sums *loop.Var
	if c.sum != nil && c.vectors() {
		sums = b.Var("sums", loop.Num(loop.I32.Vec(4), 0))
	}
	b.For("c", loop.Int(0), loop.Scaled(n, c.taps/16), 1, func(loop.Expr) {
		v := b.Let("v", loop.At(source, loop.Int(0), t))
		if sums != nil { // of the inputs themselves
			b.Set(sums, loop.Instr("padal", loop.Instr("paddl", v, loop.Num(loop.I16.Vec(8), 0)), sums.Get()))
		}
		add := "addv"
		if c.m.Code.shift() != 0 {
			v, add = b.Let("v", loop.Op(loop.Xor, v, loop.Num(t, 0x80))), "addvu"
		}
		if sums == nil && c.sum != nil {
			b.Set(c.sum, loop.Instr(add, v, c.sum.Get()))
		}
		if n := c.granule(); n < 16 {
			b.StoreAligned(to, loop.Int(0), half(v, 0), 8)
			b.StoreAligned(to, loop.Int(c.stride(n)), half(v, 1), 8)
		} else {
			b.StoreAligned(to, loop.Int(0), v, 8)
		}
		b.Advance(source, 16)
		b.Advance(to, c.stride(16))
	})
	if sums != nil {
		shifted := loop.Scaled(n, c.taps*int(c.m.Code.shift()))
		b.Set(c.sum, loop.Sum(c.sum.Get(), c.m.Code.total(sums.Get()), shifted))
	}
}

// mostInPieces is the inputs of a tap that are copied without a loop.
const mostInPieces = 64

// inPieces reports whether a tap is copied by vectors and parts of vectors: where a column lies in one piece.
func (c *columnWriter) inPieces() bool {
	return c.m.copiesPieces(c.taps, c.pixels) && !c.strips() && c.input() == loop.I8
}

// copiesPieces reports whether taps of some inputs are copied so to the columns of tiles of some pixels.
func (m *Product) copiesPieces(inputs, pixels int) bool {
	return m.Code.walks() && !m.Strips && (m.Planar || pixels == 1) && inputs%16 > 0 && inputs <= mostInPieces
}

// piecesOf calls do for the parts of a tap, each a vector or a number of bytes. Without a sum to be taken, the last
// one may overlap the one before it.
func (c *columnWriter) piecesOf(do func(at int, t loop.Type)) {
	if c.sum == nil {
		emit.Pieces(c.taps, do)
		return
	}
	at := 0
	for _, t := range []loop.Type{loop.I8.Vec(16), loop.I8.Vec(8), loop.I8.Vec(4), loop.I8} {
		for ; c.taps-at >= t.Lanes; at += t.Lanes {
			do(at, t)
		}
	}
}

// eachByte is a value in each byte of a type.
func eachByte(t loop.Type, value int) loop.Expr {
	x := int64(0)
	for i := range t.Bits / 8 {
		x |= int64(uint8(value)) << (8 * i)
	}
	return loop.Num(t, x<<(64-t.Bits)>>(64-t.Bits))
}

// copyPieces copies n taps of inputs by vectors and parts of vectors.
func (c *columnWriter) copyPieces(source, to *loop.Cursor, n loop.Expr) {
	b, shift := c.g.B, int(c.m.Code.shift())
	var sums *loop.Var // of the inputs themselves
	if c.sum != nil {
		b.Set(c.sum, loop.Sum(c.sum.Get(), loop.Scaled(n, c.taps*shift)))
		if c.taps >= lanesOfSums {
			sums = b.Var("sums", loop.Num(loop.I32.Vec(lanesOfSums), 0))
		}
	}
	b.For("tap", loop.Int(0), n, 1, func(loop.Expr) {
		c.piecesOf(func(at int, t loop.Type) {
			v := b.Let("v", loop.At(source, loop.Int(at), t))
			switch {
			case c.sum == nil:
			case t.Lanes == 1:
				b.Set(c.sum, loop.Sum(c.sum.Get(), loop.To(loop.SExt, v, 32)))
			case t.Lanes == lanesOfSums:
				b.Set(sums, loop.Sum(sums.Get(), loop.To(loop.SExt, v, 32)))
			default:
				for _, half := range emit.Split(loop.To(loop.SExt, v, 16), lanesOfSums) {
					b.Set(sums, loop.Sum(sums.Get(), loop.To(loop.SExt, half, 32)))
				}
			}
			if shift != 0 {
				v = loop.Op(loop.Xor, v, eachByte(t, 128))
			}
			b.Store(to, loop.Int(at), v)
		})
		b.Advance(source, c.taps)
		b.Advance(to, c.taps)
	})
	if sums != nil {
		b.Set(c.sum, loop.Sum(c.sum.Get(), c.m.Code.total(sums.Get())))
	}
}

// lanesOfSums is the lanes of a vector of sums of inputs.
const lanesOfSums = 4

// stripBytes is the bytes of a strip.
const stripBytes = 16

// stripRounds is the strips of a round of a loop.
const stripRounds = 6

// joins reports whether some taps of so many inputs take fewer strips together than one by one.
func (m *Product) joins(taps, inputs int) bool {
	strips := func(n int) int { return (n + stripBytes - 1) / stripBytes }
	return m.Strips && strips(taps*inputs) < taps*strips(inputs)
}

// strip copies n taps of inputs. Where their number is known, they are one piece.
func (c *columnWriter) strip(source, to *loop.Cursor, n loop.Expr) {
	piece := c.taps
	if known, ok := n.(*loop.Const); ok {
		n, piece = loop.Int(1), int(known.Value)*c.taps
	}
	if shift := int(c.m.Code.shift()); c.sum != nil && shift != 0 { // of the inputs themselves, as they are loaded
		c.g.B.Set(c.sum, loop.Sum(c.sum.Get(), loop.Scaled(n, piece*shift)))
	}
	c.eachStrip(n, piece, source, to, func(at, first, end int) { c.part(source, to, at, first, end) })
}

// eachStrip calls do for the strips of each of n pieces of bytes: with the byte of a strip after the cursors, its
// first lane that is in no strip before it, and the first one that is not of the piece. It moves the cursors on; source
// may be nil.
func (c *columnWriter) eachStrip(n loop.Expr, piece int, source, to *loop.Cursor, do func(at, first, end int)) {
	b := c.g.B
	advance := func(bytes int) {
		if source != nil {
			b.Advance(source, bytes)
		}
		b.Advance(to, bytes)
	}
	whole, left := piece/stripBytes, piece%stripBytes
	round := min(whole, c.g.Unroll(stripRounds))
	for round > 1 && whole%round > 0 {
		round--
	}
	b.For("piece", loop.Int(0), n, 1, func(loop.Expr) {
		b.For("strip", loop.Int(0), loop.Int(whole/max(round, 1)), 1, func(loop.Expr) {
			for i := range round {
				do(i*stripBytes, 0, stripBytes)
			}
			advance(round * stripBytes)
		})
		switch {
		case left == 0:
			return
		case whole > 0: // those before them once more
			do(left-stripBytes, stripBytes-left, stripBytes)
		default: // and zeros beyond them
			do(0, 0, left)
		}
		advance(left)
	})
}

// stripLanes is a strip of a value in the lanes from first to end, and zeros in the others.
func stripLanes(value int64, first, end int) loop.Expr {
	v := &loop.Lanes{T: loop.I8.Vec(stripBytes), Values: make([]int64, stripBytes)}
	for i := first; i < end; i++ {
		v.Values[i] = value
	}
	return v
}

// part copies a strip, from bytes after both cursors on, of which the lanes from first on are added to the sum. Those
// from end on are not loaded: they become zeros.
func (c *columnWriter) part(source, to *loop.Cursor, at, first, end int) {
	b, t := c.g.B, loop.I8.Vec(stripBytes)
	x := loop.At(source, loop.Int(at), t)
	if end < stripBytes {
		x = loop.Gather(source, loop.Int(at), t, placesOf(end))
	}
	x = b.Let("x", x)
	if c.sum != nil {
		own := x
		if first > 0 {
			own = b.Let("own", loop.Op(loop.And, x, stripLanes(-1, first, stripBytes)))
		}
		b.Set(c.sum, loop.Instr("addv", own, c.sum.Get()))
	}
	if c.m.Code.shift() != 0 {
		x = loop.Op(loop.Xor, x, stripLanes(-128, 0, end))
	}
	b.Store(to, loop.Int(at), x)
}

// placesOf are the places of the first n lanes of a vector: the others are not loaded, and 0.
func placesOf(n int) []int {
	places := make([]int, stripBytes)
	for i := range places {
		if places[i] = i; i >= n {
			places[i] = -1
		}
	}
	return places
}

// fill writes n taps of padding, for inputs from channel first on.
func (c *columnWriter) fill(first, n loop.Expr) {
	b, zero := c.g.B, c.g.Node.Args[0].Type.Quant.Zero
	to := c.cursor()
	if c.pads != nil {
		b.For("pad", loop.Int(0), n, 1, func(loop.Expr) { c.copy(c.pads, first, loop.Int(1)) })
		return
	}
	if c.sum != nil {
		b.Set(c.sum, loop.Sum(c.sum.Get(), loop.Scaled(n, c.taps*(zero+int(c.m.Code.shift())))))
	}
	if c.scattered() {
		x := zero
		if !c.raw() {
			x += 128
		}
		c.scatter(n, func(int) loop.Expr { return loop.Num(loop.I32, int64(x)) }, func(int) {})
		return
	}
	if c.strips() {
		x := func(end int) loop.Expr { return stripLanes(int64(int8(zero+int(c.m.Code.shift()))), 0, end) }
		c.eachStrip(n, c.taps, nil, to, func(at, _, end int) { b.Store(to, loop.Int(at), x(end)) })
		return
	}
	if c.inPieces() {
		b.For("tap", loop.Int(0), n, 1, func(loop.Expr) {
			emit.Pieces(c.taps, func(at int, t loop.Type) { b.Store(to, loop.Int(at), eachByte(t, zero+int(c.m.Code.shift()))) })
			b.Advance(to, c.taps)
		})
		return
	}
	if c.whole() {
		c.rounds(n, func(round int) {
			for i := 0; i < round; i += 4 {
				if c.input() == loop.I16 { // whose zero point is 0
					b.StoreAligned(to, loop.Int(c.stride(i)), loop.Int(0), 4)
					b.StoreAligned(to, loop.Int(c.stride(i+2)), loop.Int(0), 4)
					continue
				}
				c.four(to, i, loop.Int(int(int32(uint32(uint8(zero))*0x01010101))), nil, nil)
			}
			b.Advance(to, c.stride(round))
		})
		return
	}
	if c.m.inPairs() && c.input() == loop.I8 {
		sum := c.sum
		c.sum = nil // it has them already
		c.pairs(n, func() loop.Expr { return loop.Int(zero) })
		c.sum = sum
		return
	}
	x := loop.Num(loop.Type{Bits: c.m.Input, Lanes: 1}, int64(zero)+c.m.Code.shift())
	c.singles(n, func(_, at loop.Expr) { b.Store(to, at, x) })
}

// rounds calls do for rounds of the inputs of n taps: fours of them.
func (c *columnWriter) rounds(n loop.Expr, do func(round int)) {
	round := 4
	for _, r := range []int{16, 12, 8} {
		if c.taps%r == 0 {
			round = r
			break
		}
	}
	c.g.B.For("c", loop.Int(0), loop.Scaled(n, c.taps/round), 1, func(loop.Expr) { do(round) })
}

// words calls do for each fourth input of n taps, with its place in the column.
func (c *columnWriter) words(n loop.Expr, do func(i, at loop.Expr)) {
	b := c.g.B
	b.For("c", loop.Int(0), loop.Scaled(n, c.taps), 4, func(i loop.Expr) {
		do(i, c.micro.at(c.next.Get()))
		b.Set(c.next, loop.Sum(c.next.Get(), loop.Int(4)))
	})
}

// parts are sums of words of four bytes: of the words themselves, modulo 2^32, and
// of their bytes 1 and 3 in halves. The former less 2^8 times the latter is the sum of
// bytes 0 and 2 in halves.
type parts struct{ words, odd *loop.Var }

func (c *columnWriter) parts() *parts {
	return &parts{c.g.B.Var("words", loop.Int(0)), c.g.B.Var("odd", loop.Int(0))}
}

// folded is the sum of inputs whose bytes plus 128 are summed in parts.
func (c *columnWriter) folded(p *parts, inputs int) loop.Expr {
	bias := inputs * int(128-c.m.Code.shift())
	halves := loop.Sum(loop.Op(loop.Sub, p.words.Get(), loop.Op(loop.Shl, p.odd.Get(), loop.Int(8))), p.odd.Get())
	halves = c.g.B.Let("halves", loop.Instr("opaque", halves))
	return loop.Sum(loop.Op(loop.And, halves, loop.Int(0xffff)), loop.Op(loop.LShr, halves, loop.Int(16)), loop.Int(-bias))
}

// pairs writes the inputs of n taps to words of two halves. Of taps of an odd number, the first input may be the
// second one of a word, and the last the first one: these are written alone. input gives the next one as an i32.
func (c *columnWriter) pairs(n loop.Expr, input func() loop.Expr) {
	b := c.g.B
	left := b.Var("left", loop.Scaled(n, c.taps))
	alone := func() {
		x := input()
		if c.sum != nil {
			b.Set(c.sum, loop.Sum(c.sum.Get(), x))
		}
		b.StoreAligned(c.to, c.micro.at(c.next.Get()), loop.To(loop.Trunc, x, 16), 2)
		b.Set(c.next, loop.Sum(c.next.Get(), loop.Int(1)))
	}
	isOdd := func(v *loop.Var) loop.Expr {
		return loop.Op(loop.ULt, loop.Int(0), loop.Op(loop.And, v.Get(), loop.Int(1)))
	}
	if c.taps%2 > 0 {
		b.If(loop.Op(loop.And, isOdd(c.next), loop.Op(loop.ULt, loop.Int(0), left.Get())), func() {
			alone()
			b.Set(left, loop.Op(loop.Sub, left.Get(), loop.Int(1)))
		}, nil)
	}
	words := b.Cursor("words", c.to, c.micro.at(c.next.Get()))
	b.For("pair", loop.Int(0), loop.Op(loop.LShr, left.Get(), loop.Int(1)), 1, func(loop.Expr) {
		low := loop.Op(loop.And, input(), loop.Int(0xffff))
		word := b.Let("word", loop.Op(loop.Or, low, loop.Op(loop.Shl, input(), loop.Int(16))))
		if c.sum != nil {
			b.Set(c.sum, loop.Instr("smlad", word, loop.Int(0x10001), c.sum.Get()))
		}
		b.StoreAligned(words, loop.Int(0), word, 4)
		b.Advance(words, c.stride(2))
	})
	b.Set(c.next, loop.Sum(c.next.Get(), loop.Op(loop.And, left.Get(), loop.Int(-2))))
	if c.taps%2 > 0 {
		b.If(isOdd(left), alone, nil)
	}
}

// singles calls do for each input of n taps, with its place in the column.
func (c *columnWriter) singles(n loop.Expr, do func(i, at loop.Expr)) {
	b := c.g.B
	b.For("c", loop.Int(0), loop.Scaled(n, c.taps), 1, func(i loop.Expr) {
		do(i, c.micro.at(c.next.Get()))
		b.Set(c.next, loop.Sum(c.next.Get(), loop.Int(1)))
	})
}

// four writes four inputs, the bytes of a word, as elements c on from a cursor,
// and adds them to their sum: where they stay bytes, to parts.
func (k *micro) four(to *loop.Cursor, c int, word loop.Expr, sum *loop.Var, part *parts) {
	b := k.g.B
	word = b.Let("word", word)
	if k.m.Input == 16 {
		for i, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
			v := b.Let("v", loop.Instr("sxtb16", half))
			b.StoreAligned(to, loop.Int(k.stride(c+2*i)), v, 4)
			if sum != nil {
				b.Set(sum, loop.Instr("smlad", v, loop.Int(0x10001), sum.Get()))
			}
		}
		return
	}
	b.StoreAligned(to, loop.Int(c*k.pixels-c%k.granule()*(k.pixels-1)), k.bytes(word, part), 4)
}

// bytes is four inputs as columns hold them; plus 128 each, they are added to p.
func (k *micro) bytes(word loop.Expr, p *parts) loop.Expr {
	b := k.g.B
	biased := b.Let("biased", loop.Op(loop.Xor, word, loop.Num(loop.I32, -0x7f7f7f80)))
	if p != nil {
		odd := loop.Op(loop.And, loop.Op(loop.LShr, biased, loop.Int(8)), loop.Int(0xff00ff))
		b.Set(p.words, loop.Sum(p.words.Get(), biased))
		b.Set(p.odd, loop.Sum(p.odd.Get(), odd))
	}
	if k.m.Code.shift() != 0 {
		return biased
	}
	return word
}

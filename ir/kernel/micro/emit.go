package micro

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// micro writes a layer's kernel for one of the target's products: columns of
// inputs, words of codes, a tile of sums in registers.
type micro struct {
	g                *emit.Generator
	m                *Product
	elem             ir.Elem
	groups, rows, k  int   // rows of a group, codes of a row
	pixels, channels int   // of a tile
	order            []int // of the inputs in a column: the weight of each
	planes           []*plane
	stored           []*plane     // that are decoded to scratch, where the kernel reads them
	lefts            []*plane     // of the rows left over, where they lie otherwise
	decodedAt        int          // byte of the decoded weights in scratch
	constants        *loop.Global // of the output channels: biases, multipliers, shifts
	rq               emit.Requant
	pads             *loop.Global
	apart            int          // elements between the outputs of a tile's pixels
	pooled           int          // pixels side by side that share an output
	offset           int64        // how often the sum of inputs is taken off
	bias             *loop.Cursor // at the biases of a block's channels, where those are computed; else nil
	blocks           bool         // a group is some output channels, known by the first one, whose weights lie decoded
}

// plane is the words of one width of codes.
type plane struct {
	bits        int
	product     int    // bits of the codes that products multiply: fewer than bits where they are decoded
	tiled, left Layout // of tiles, of the rows left over
	data        *loop.Global
	leftAt      int // byte of the first row left over
	restAt      int // bit of the first code that no word holds
	leftRest    int // bit of the first such code of the rows left over
	mask        *loop.Var
	rest        *loop.Cursor // at a tile's nested codes that no word holds
	// Bytes in scratch of the decoded codes that no word holds, -1 for none.
	tiledBytes, leftBytes int
}

// newMicro packs the weights of a layer.
func newMicro(g *emit.Generator, plan Plan) (*micro, error) {
	n, groups := g.Node, 1
	if n.Op == ir.Conv2D {
		groups = n.Int(ir.AttrGroups)
	}
	w := n.Const(ir.AttrWeight)
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	s := w.Type.Shape
	k := &micro{g: g, m: productNamed(plan.Product), elem: w.Type.Elem, groups: groups, rows: s[0] / groups, k: s.Size() / s[0],
		pixels: plan.Pixels, channels: plan.Channels}
	k.order = inputOrder(k.m, n)
	if k.elem.IsUniform() && !k.m.Code.signs() {
		k.offset = k.elem.Offset()
		if k.m.PlanesOf(k.elem)[0] == 8 && !k.m.Biased {
			k.offset = -1 // codes are kept less 128
		}
	}
	if k.elem.Kind == ir.I8 && k.m.Biased {
		k.offset = 128
	}
	data, err := plan.Pack(kernel.Of(g.Node, g.Target))
	if err != nil {
		return nil, err
	}
	tiled := k.rows / k.channels * k.channels
	for i, p := range k.m.PlanesOf(k.elem) {
		ps := &plane{tiledBytes: -1, leftBytes: -1, bits: p, product: p, tiled: k.m.Layout(p, k.k, k.channels), left: k.m.Layout(p, k.k, 1)}
		ps.data = g.Global(fmt.Sprintf("weight%d", i), 8, data[i])
		ps.leftAt = groups * tiled / k.channels * ps.tiled.Groups * ps.tiled.Words * k.m.Word
		ps.restAt = 8 * (ps.leftAt + groups*(k.rows-tiled)*ps.left.Groups*ps.left.Words*k.m.Word)
		ps.leftRest = ps.restAt + groups*tiled*ps.tiled.Rest*p
		k.planes = append(k.planes, ps)
	}
	if k.m.Decodes {
		k.decode()
	}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	k.rq, k.constants, err = emit.NewChannels(g, k.foldedBias(bias, codes), k.channels%4 == 0)
	return k, err
}

// foldedBias takes what is known of the sums into the bias: columns hold x, or
// x+128, instead of x-z. It counts modulo 2^32, as the sums do; the result has
// the bound of R5.
func (k *micro) foldedBias(bias []int64, codes []byte) []int64 {
	zero := int64(k.g.Node.Args[0].Type.Quant.Zero) + k.m.Code.shift()
	tiled := k.rows / k.channels * k.channels
	out := make([]int64, len(bias))
	for r := range bias {
		l := func(p *plane) Layout {
			if r%k.rows >= tiled {
				return p.left
			}
			return p.tiled
		}
		out[r] = bias[r]
		out[r] -= zero * k.sum(codes[r*k.k:(r+1)*k.k])
		if !k.m.Code.signs() {
			continue
		}
		// A word's bit 1 gives 255-x.
		low := k.elem.CodeBits()
		for _, p := range k.planes {
			low -= p.bits
			n := k.k - l(p).Rest
			if k.m.restVectors(l(p)) > 0 {
				n = k.k // decoded codes are masks, too
			}
			for i := range n {
				out[r] += 255 * int64(codes[r*k.k+k.order[i]]>>low&1) << low
			}
		}
	}
	return out
}

// sum is that of a row's integers (R1).
func (k *micro) sum(codes []byte) int64 {
	sum := int64(0)
	if k.elem.Kind == ir.I8 {
		for _, q := range codes {
			sum += int64(int8(q))
		}
		return sum
	}
	for _, q := range codes {
		sum += int64(q)
	}
	return 2*sum - int64(len(codes))*k.elem.Offset()
}

// inputOrder lists the weights that multiply the inputs of a column, one after the other.
func inputOrder(m *Product, n *ir.Node) []int {
	if n.Op == ir.Linear {
		order := geometry.Order(n.Args[0].Type.Shape)
		if n.Args[0].Type.IsWide() {
			return order
		}
		return columnOrder(m, len(order), order)
	}
	w := geometry.WindowOf(n)
	if n.Args[0].Type.IsWide() { // halves that lie side by side as they are
		return emit.WindowOrder(w)
	}
	return columnOrder(m, w.InC/w.Groups, emit.WindowOrder(w))
}

// columnOrder is the order of inputs in a column: runs of the natural one, each
// four turned to 0, 2, 1, 3 where bytes 0 and 2 of a word are extended together.
func columnOrder(m *Product, run int, natural []int) []int {
	order := append([]int(nil), natural...)
	if m.ofBytes() || m.Input == 16 && m.Lanes == 2 && run%4 == 0 {
		for i := 0; i+3 < len(order); i += 4 {
			order[i+1], order[i+2] = order[i+2], order[i+1]
		}
	}
	return order
}

// column is where the columns of a tile's pixels begin.
type column struct {
	region loop.Region
	base   loop.Expr
}

// granule is the bytes of a pixel's column that lie in one piece.
func (k *micro) granule() int {
	if k.m.Planar {
		return k.columnBytes()
	}
	if k.m.Paired {
		return k.m.Inputs() / 2
	}
	return k.m.Inputs() * k.m.Input / 8
}

// piece is the bytes from the inputs of a product to what is loaded after them.
func (k *micro) piece() int {
	if k.m.Planar {
		return k.m.Inputs() * k.m.Input / 8
	}
	return k.granule()
}

// columnBytes is the bytes of one pixel's column.
func (k *micro) columnBytes() int { return columnBytes(k.m, k.k) }

// at is the byte of element i of a column, relative to the pixel's first.
func (k *micro) at(i loop.Expr) loop.Expr {
	y := loop.Scaled(i, k.m.Input/8)
	if k.m.Planar || k.pixels == 1 {
		return y
	}
	return loop.Sum(y, loop.Scaled(loop.Op(loop.And, y, loop.Int(-k.granule())), k.pixels-1))
}

// stride is the bytes in the columns between elements that are n apart, a
// multiple of a product's lanes.
func (k *micro) stride(n int) int {
	if k.m.Planar {
		return n * k.m.Input / 8
	}
	return n * k.m.Input / 8 * k.pixels
}

// output is a pixel of a tile: what the sum of its inputs takes off, also from the last of stacked channels,
// and the element of its first channel.
type output struct{ sum, last, at loop.Expr }

// outputs writes the function that computes all channels of a group for the
// pixels of a tile: a function of its own, for the registers' sake. Its integers
// are the group, the byte of the first column, the element of the first pixel's output,
// and the sums of inputs; pixels are some elements apart in the output.
func (k *micro) outputs(apart int) *loop.Func {
	g := k.g
	k.apart = apart
	columns := &loop.Param{Name: "columns", Constant: true}
	ints := []string{"group", "base", "at"}
	for i := range k.pixels {
		if k.offset != 0 {
			ints = append(ints, fmt.Sprintf("sum%d", i))
		}
	}
	return g.Function("tile", ints, []*loop.Param{columns, g.Out}, func(v []loop.Expr) {
		outs := make([]output, k.pixels)
		for i := range outs {
			outs[i].at = loop.Sum(v[2], loop.Int(i/k.pooled*apart))
			switch {
			case k.m.Stacked, k.m.Twins: // the sum itself
				outs[i].sum = g.B.Let("sum", loop.Scaled(v[3+i], int(k.offset)))
				if k.m.lessHalf(k.planes[0].tiled, k.planes[0].bits, k.channels-1) {
					outs[i].last = g.B.Let("last", loop.Scaled(v[3+i], int(k.offset)-1<<k.elem.Bits))
				}
			case k.offset != 0:
				outs[i].sum = v[3+i]
			}
		}
		k.channelTiles(column{columns, v[1]}, v[0], outs)
		g.B.Return(loop.Int(0))
	})
}

// channelTiles computes all channels of a group, tile after tile, then the rows
// left over.
func (k *micro) channelTiles(col column, group loop.Expr, outs []output) {
	b, bytes := k.g.B, emit.Integer(k.g.Node.Out.Type).Bytes()
	tiles := k.rows / k.channels
	left := k.rows - tiles*k.channels
	each := func(name string, n, channels, first int, layout func(*plane) Layout, wordsAt func(*plane) int, restAt func(*plane) int) {
		if n == 0 {
			return
		}
		c := loop.Sum(loop.Scaled(group, k.rows), loop.Int(first))
		if k.blocks {
			c, group = loop.Sum(group, loop.Int(first)), loop.Int(0)
		}
		cs := k.rq.Cursors(k.constants, c)
		y := b.Cursor("y", k.g.Out, loop.Scaled(loop.Sum(outs[0].at, c), bytes))
		var ws []*loop.Cursor
		for _, p := range k.planesOf(channels) {
			l := layout(p)
			from, at := loop.Region(p.data), wordsAt(p)
			if p.data == nil {
				from, at = col.region, at+k.decodedAt
			}
			ws = append(ws, b.Cursor("w", from, loop.Sum(loop.Scaled(group, n*l.Groups*l.Words*k.m.Word), loop.Int(at))))
			if k.m.nestsRest(l) {
				p.rest = b.Cursor("rest", p.data, loop.Sum(loop.Scaled(group, n*l.Words*l.RestLanes()), loop.Int(restAt(p)/8)))
			}
		}
		b.For(name, loop.Int(0), loop.Int(n), 1, func(i loop.Expr) {
			row := loop.Sum(loop.Scaled(group, n), i)
			k.block(col, outs, channels, y, cs, ws, func(p *plane) loop.Expr {
				return loop.Sum(loop.Scaled(row, channels*layout(p).Rest*p.bits), loop.Int(restAt(p)))
			})
			b.Advance(y, channels*bytes)
			cs.Advance(channels)
		})
	}
	each("tile", tiles, k.channels, 0, func(p *plane) Layout { return p.tiled }, func(*plane) int { return 0 }, func(p *plane) int { return p.restAt })
	each("row", left, 1, tiles*k.channels, func(p *plane) Layout { return p.left }, func(p *plane) int { return p.leftAt }, func(p *plane) int { return p.leftRest })
}

// planesOf are the planes of a tile of channels, or of a row left over.
func (k *micro) planesOf(channels int) []*plane {
	if channels == 1 && k.lefts != nil {
		return k.lefts
	}
	return k.planes
}

// block computes some channels of all pixels, and stores them at the cursor y.
// rest gives the bit of a plane's codes that no word holds.
func (k *micro) block(col column, outs []output, channels int, y *loop.Cursor, cs *emit.ChannelCursors, ws []*loop.Cursor, rest func(*plane) loop.Expr) {
	b := k.g.B
	together := k.rq.Vectors && channels%4 == 0
	// The sums of each pixel: one a channel, or, where products are, vectors of four.
	acc := make([][]*loop.Var, len(outs))
	for i := range outs {
		if together && k.vectors() {
			for range channels / 4 {
				acc[i] = append(acc[i], b.Var("acc", loop.Num(loop.I32.Vec(4), 0)))
			}
			continue
		}
		acc[i] = k.sums(channels, loop.I32)
	}
	unscaled := false // sums of nested channels, which are scaled as vectors
	for i, p := range k.planesOf(channels) {
		l := p.tiled
		if channels == 1 && k.channels > 1 {
			l = p.left
		}
		if i > 0 {
			each(acc, func(v *loop.Var) {
				b.Set(v, loop.Op(loop.Shl, v.Get(), loop.Num(v.Type, int64(p.bits))))
			})
		}
		decoded := k.decoded(p, l)
		if !k.vectors() {
			sums := acc
			if i > 0 && k.m.NestedIn(l) {
				sums = make([][]*loop.Var, len(outs))
				for px := range sums {
					sums[px] = k.sums(channels, loop.I32)
				}
			}
			x := k.words(p, l, col, ws[i], sums)
			if k.m.nestsRest(l) {
				k.restNested(p, l, x, sums)
			}
			if unscaled = together && len(k.planesOf(channels)) == 1 && k.m.NestedIn(l) && (l.Rest == 0 || k.m.nestsRest(l)); unscaled {
				k.subtract(p, l, sums)
				continue
			}
			if k.m.NestedIn(l) {
				k.takeApart(p, l, sums, acc)
			}
			if k.m.nestsRest(l) {
				continue
			}
			if k.lefts != nil {
				k.restHalves(p, l, col, rest(p), acc)
			}
			if k.m.nestsIn(l) {
				k.separate(acc)
			}
			if k.m.stacksIn(l) {
				k.unstack(l, p.bits, acc)
			}
			if k.lefts != nil {
				continue
			}
			if decoded {
				k.restBytes(p, l, col, rest(p), acc)
			} else {
				k.rest(p, l, col, rest(p), acc)
			}
			continue
		}
		wide, singles := make([][]*loop.Var, len(outs)), acc
		paired := k.m.pairsIn(l)
		if paired {
			k.matrices(p, l, col, ws[i], acc)
		}
		for i := range wide {
			wide[i] = k.sums(channels, k.m.Code.wide())
		}
		if paired && !decoded {
			continue
		}
		if !paired {
			k.words(p, l, col, ws[i], wide)
		}
		if k.m.NestedIn(l) {
			k.takeApart(p, l, wide, wide)
		}
		scalar := l.Rest > 0 && !decoded
		if decoded {
			k.restBytes(p, l, col, rest(p), wide)
		}
		if together {
			singles = make([][]*loop.Var, len(outs))
		}
		for i := range wide {
			if !together {
				for j, v := range acc[i] {
					b.Set(v, loop.Sum(v.Get(), k.m.Code.total(wide[i][j].Get())))
				}
				continue
			}
			for j, v := range acc[i] {
				b.Set(v, loop.Sum(v.Get(), gathered("sums", wide[i][4*j:4*j+4])))
			}
			if scalar {
				singles[i] = k.sums(channels, loop.I32)
			}
		}
		if scalar {
			k.rest(p, l, col, rest(p), singles)
		}
		for i := range singles {
			if together && scalar {
				for j, v := range acc[i] {
					b.Set(v, loop.Sum(v.Get(), gathered("lanes", singles[i][4*j:4*j+4])))
				}
			}
		}
	}
	single := func(i, j int) loop.Expr {
		if k.m.Across && j+1 < channels && j%2 == 0 { // it holds 2^16 times the next one, too
			return loop.Instr("opaque", loop.Op(loop.Sub, acc[i][j].Get(), loop.Op(loop.Shl, acc[i][j+1].Get(), loop.Int(16))))
		}
		return acc[i][j].Get()
	}
	step, sum := 1, single
	if together {
		step = 4
		sum = func(i, j int) loop.Expr {
			if k.vectors() {
				return acc[i][j/4].Get()
			}
			four := loop.Expr(&loop.Named{Name: "lanes", T: loop.I32.Vec(4), Args: []loop.Expr{single(i, j), single(i, j+1), single(i, j+2), single(i, j+3)}})
			if unscaled {
				four = loop.Op(loop.LShr, four, loop.Num(four.Type(), int64(k.m.Field-k.planes[0].bits)))
			}
			return four
		}
	}
	for j := 0; j < channels; j += step {
		q := cs.Load(j, step)
		if k.bias != nil {
			q.Bias = b.Let("bias", &loop.Load{From: k.bias, Offset: loop.Int(4 * j), T: loop.I32.Vec(step), Align: 4})
		}
		for i := 0; i < len(outs); i += k.pooled {
			// Requantization keeps the order: the greatest sum gives the greatest output.
			inputs := func(i int) loop.Expr {
				if p := k.planes[0]; channels > 1 && k.m.lessHalf(p.tiled, p.bits, j) {
					return outs[i].last
				}
				return outs[i].sum
			}
			best := k.finish(sum(i, j), q.Bias, inputs(i))
			for p := i + 1; p < i+k.pooled; p++ {
				best = loop.Op(loop.SMax, best, k.finish(sum(p, j), q.Bias, inputs(p)))
			}
			q.StoreAt(best, y, loop.Int(i/k.pooled*k.apart+j))
		}
	}
}

// matrices adds the products of a row's words of two channels and two pixels each.
func (k *micro) matrices(p *plane, l Layout, col column, w *loop.Cursor, acc [][]*loop.Var) {
	b := k.g.B
	sums := make([][]*loop.Var, len(acc))
	for px := range sums {
		sums[px] = make([]*loop.Var, l.Units)
		for c := range sums[px] {
			if px%2+c%2 == 0 {
				sums[px][c] = b.Var("matrix", loop.Num(k.m.Code.wide(), 0))
			} else { // the four of a matrix are one
				sums[px][c] = sums[px&^1][c&^1]
			}
		}
	}
	k.words(p, l, col, w, sums)
	for px, row := range acc {
		half := []string{"lower", "upper"}[px%2] // a pixel is a row
		for j, v := range row {
			if v.Type.Lanes == 4 {
				four := loop.Instr(half, sums[px][4*j].Get(), sums[px][4*j+2].Get())
				b.Set(v, loop.Sum(v.Get(), four))
				continue
			}
			own := &loop.Lanes{T: k.m.Code.wide(), Values: make([]int64, 4)}
			own.Values[px%2*2+j%2] = -1
			b.Set(v, loop.Sum(v.Get(), k.m.Code.total(loop.Op(loop.And, sums[px][j].Get(), own))))
		}
	}
}

// pairs loads the inputs of one step of all pixels: of each two pixels a vector with the lower half of both, and
// one with the upper half; or, apart, a vector of each pixel.
func (k *micro) pairs(x *loop.Cursor, at int, apart bool) []loop.Expr {
	b, list := k.g.B, make([]loop.Expr, k.pixels)
	for upper := range 2 {
		for px := 0; px < k.pixels; px += 2 {
			list[px+upper] = b.Let("x", k.m.Code.input(x, at+(upper*k.pixels+px)*k.granule()))
		}
	}
	for px := 0; apart && px < k.pixels; px += 2 {
		lower, upper := list[px], list[px+1]
		list[px], list[px+1] = b.Let("x", loop.Instr("lower", lower, upper)), b.Let("x", loop.Instr("upper", lower, upper))
	}
	return list
}

// vectors reports whether sums are vectors.
func (k *micro) vectors() bool { return k.m.Code.wide() != loop.I32 }

// sums makes n sums of 0.
func (k *micro) sums(n int, t loop.Type) []*loop.Var {
	list := make([]*loop.Var, n)
	for i := range list {
		list[i] = k.g.B.Var("acc", loop.Num(t, 0))
	}
	return list
}

// gathered is one vector of four sums, each of a vector's lanes or a scalar.
func gathered(name string, sums []*loop.Var) loop.Expr {
	e := &loop.Named{Name: name, T: loop.I32.Vec(4)}
	for _, v := range sums {
		e.Args = append(e.Args, v.Get())
	}
	return e
}

func each(acc [][]*loop.Var, do func(v *loop.Var)) {
	for _, row := range acc {
		for _, v := range row {
			do(v)
		}
	}
}

// finish turns a sum of products into the accumulator of R4.
func (k *micro) finish(sum, bias, inputs loop.Expr) loop.Expr {
	switch {
	case k.m.Code.signs():
		return loop.Op(loop.Sub, bias, sum)
	case k.offset == 0:
		return loop.Sum(bias, sum)
	}
	if t := sum.Type(); t.Lanes > 1 {
		inputs = &loop.Splat{A: inputs, Lanes: t.Lanes}
	}
	if k.elem.IsUniform() {
		sum = loop.Op(loop.Shl, sum, loop.Num(sum.Type(), 1))
	}
	return loop.Sum(loop.Op(loop.Sub, bias, inputs), sum)
}

// words adds the products of a row's words, and gives the cursors at the columns, after what they have read.
func (k *micro) words(p *plane, l Layout, col column, w *loop.Cursor, acc [][]*loop.Var) []*loop.Cursor {
	b := k.g.B
	x := k.columnCursors(l, col)
	if l.Groups == 0 {
		return x
	}
	if v := k.m.Code.mask(p.bits); v != 0 {
		if l.Twins {
			v = int64(int32(uint32(v | v<<twinShift)))
		}
		p.mask = b.Var("mask", loop.Instr("opaque", loop.Num(loop.I32, v)))
	}
	if l.Twins {
		k.twins(p, l, w, x, acc)
		return x
	}
	room := k.m.Room(p.product) / l.Steps // groups whose sums a lane holds
	if room == 0 {
		k.rounds(p, l, w, x, loop.Int(l.Groups), acc)
		return x
	}
	// Narrow sums, added to the wide ones before they overflow.
	chunk := func(groups int) {
		parts := make([][]*loop.Var, len(acc))
		for i := range parts {
			for range l.Units {
				parts[i] = append(parts[i], b.Var("part", loop.Num(k.m.Code.sums(p.product), 0)))
			}
		}
		k.rounds(p, l, w, x, loop.Int(groups), parts)
		for i := range parts {
			for u, part := range parts[i] {
				k.m.Code.flush(b, part, acc[i][u*len(acc[i])/l.Units:])
			}
		}
	}
	if n := k.round(p, l, room); room > n {
		room = room / n * n
	}
	room = min(room, l.Groups)
	b.For("chunk", loop.Int(0), loop.Int(l.Groups/room), 1, func(loop.Expr) { chunk(room) })
	if left := l.Groups % room; left > 0 {
		chunk(left)
	}
	return x
}

// round is the groups of one round of the loop.
func (k *micro) round(p *plane, l Layout, groups int) int {
	if l.Twins {
		groups = min(groups, l.twinRound())
	}
	return min(max(1, k.g.Unroll(k.m.Rounds(p.bits))/l.Steps), groups)
}

// farthest is the greatest distance of a load from an address on RISC-V.
const farthest = 2047

// isRISC reports whether loads take an address and a distance only, and change no address.
func (k *micro) isRISC() bool { return slices.Contains(riscv, k.g.Target.ISA()) }

// columnCursors are the cursors at the columns: one, or one for each pixel where loads move them, or
// where the columns of the last pixel are too far from those of the first one for a load.
func (k *micro) columnCursors(l Layout, col column) []*loop.Cursor {
	b := k.g.B
	list := []*loop.Cursor{b.Cursor("x", col.region, col.base)}
	if n := k.pixels * k.granule(); k.m.Planar && (k.m.Code.walks() || k.isRISC() && n > farthest) {
		for px := 1; px < k.pixels; px++ {
			list = append(list, b.Cursor("x", list[0], loop.Int(px*k.granule())))
		}
	}
	return list
}

// rounds adds the products of some groups of words.
func (k *micro) rounds(p *plane, l Layout, w *loop.Cursor, x []*loop.Cursor, n loop.Expr, acc [][]*loop.Var) {
	groups := int(n.(*loop.Const).Value)
	round := k.round(p, l, groups)
	loops := func() { k.loops(p, l, w, x, groups, round, acc) }
	if !k.written(l, w, x[0], groups, acc, loops) {
		loops()
	}
}

// loops adds them by so many in a round.
func (k *micro) loops(p *plane, l Layout, w *loop.Cursor, x []*loop.Cursor, groups, round int, acc [][]*loop.Var) {
	b, stride := k.g.B, k.stride(l.Taken)
	some := func(n int) {
		for i := range n {
			k.group(p, l, w, x, i*l.Words*k.m.Word, i*stride, acc)
		}
		if k.stays(l) {
			b.Advance(w, n*l.Words*k.m.Word)
		}
		if !k.m.Code.walks() {
			for _, c := range x {
				b.Advance(c, n*stride)
			}
		}
		if l.Twins {
			k.takeOff(acc)
		}
	}
	b.For("round", loop.Int(0), loop.Int(groups/round), 1, func(loop.Expr) {
		some(round)
	})
	if left := groups % round; left > 0 {
		some(left)
	}
}

// stays reports whether words of codes are loaded from one place in a round: those
// that are operands as they lie, so that two of them are one load, and those of processors
// that move an address by an instruction of its own.
func (k *micro) stays(l Layout) bool {
	return l.Fields == 1 && (k.m.Word == 4 || k.m.Paired) || k.isRISC()
}

// group adds the products of one group of words. Inputs are loaded for two
// products at once, which one instruction may do.
func (k *micro) group(p *plane, l Layout, w *loop.Cursor, x []*loop.Cursor, wordAt, inputAt int, acc [][]*loop.Var) {
	b := k.g.B
	var word, own loop.Expr // own is the step's part of it
	var first loop.Expr     // of two channels, the code of the first one
	paired := k.m.pairsIn(l)
	batch := max(1, 2/len(acc))
	inputs := make([]loop.Expr, batch*len(acc))
	for f := range l.Words * l.Fields {
		step, unit := f/l.Units, f%l.Units
		if unit == 0 && step%batch == 0 {
			b.Fence()
			for i := range min(batch, l.Steps-step) {
				if k.m.Paired {
					copy(inputs[i*len(acc):], k.pairs(x[0], 0, !paired))
					b.Advance(x[0], k.stride(k.m.Lanes))
					continue
				}
				for px := range acc {
					from, at := x[min(px, len(x)-1)], inputAt+k.stride(k.m.Inputs()*(step+i))
					if k.m.Code.walks() {
						inputs[i*len(acc)+px] = b.Let("x", k.m.Code.input(from, 0))
						b.Advance(from, k.piece())
						continue
					}
					if len(x) == 1 {
						at += px * k.granule()
					}
					inputs[i*len(acc)+px] = b.Let("x", k.m.Code.input(from, at))
				}
			}
		}
		if f%l.Fields == 0 {
			at := 0
			if k.stays(l) {
				at = wordAt + f/l.Fields*k.m.Word
			}
			word = b.Let("word", &loop.Load{From: w, Offset: loop.Int(at), T: k.m.Code.word(), Align: min(k.m.Word, 8)})
			if !k.stays(l) {
				b.Advance(w, k.m.Word)
			}
			own = word
		} else if unit == 0 && k.m.NestedIn(l) {
			own = k.step(p, word, f%l.Fields)
		}
		code := b.Let("q", k.field(p, l, own, f%l.Fields))
		if paired {
			if unit%2 == 0 {
				first = code
				continue
			}
			for i := 0; i < len(acc); i += 2 {
				v, x := acc[i][unit], inputs[step%batch*len(acc)+i:]
				b.Set(v, loop.Instr("smmla", x[0], first, v.Get()))
				b.Set(v, loop.Instr("smmla", x[1], code, v.Get()))
			}
			continue
		}
		for i := range acc {
			v := acc[i][unit]
			if l.Twins {
				v = acc[i][2*unit+1]
			}
			b.Set(v, k.m.Code.add(p.product, code, inputs[step%batch*len(acc)+i], v.Get()))
		}
	}
}

// field takes a field's codes out of a word; where channels are nested, out of its
// step's part of the word, with those of the fields below it: all shifted so that its
// own are the highest bits.
func (k *micro) field(p *plane, l Layout, word loop.Expr, f int) loop.Expr {
	switch {
	case k.m.nestsIn(l) && f%2 == 1, k.m.stacksIn(l) && f == l.Fields-1:
		return word
	case k.m.stacksIn(l):
		return loop.Op(loop.And, word, loop.Num(loop.I32, (1<<((f+1)*p.bits)-1)*0x10001))
	case l.Twins:
		turn := twinTurn(p.bits, f)
		turned := loop.Op(loop.Or, loop.Op(loop.LShr, word, loop.Int(turn)), loop.Op(loop.Shl, word, loop.Int(32-turn)))
		return loop.Op(loop.And, turned, p.mask.Get())
	case !k.m.NestedIn(l):
		return k.m.Code.field(p, word, f)
	}
	return loop.Op(loop.Shl, word, loop.Num(word.Type(), int64(k.m.Field-(f+1)*p.bits)))
}

// takeApart adds to acc the sums of each channel, in place where both are the same.
// The sum of field f is 2^(8-bits) times its channel's, and 2^-bits times that of
// field f-1.
func (k *micro) takeApart(p *plane, l Layout, sums, acc [][]*loop.Var) {
	k.subtract(p, l, sums)
	for px, row := range sums {
		for j, v := range row {
			sum := loop.Op(loop.LShr, v.Get(), loop.Num(v.Type, int64(k.m.Field-p.bits)))
			if v != acc[px][j] {
				sum = loop.Sum(acc[px][j].Get(), sum)
			}
			k.g.B.Set(acc[px][j], sum)
		}
	}
}

// subtract takes off the sum of each nested channel those of the fields below it.
func (k *micro) subtract(p *plane, l Layout, sums [][]*loop.Var) {
	for _, row := range sums {
		for j := len(row) - 1; j >= 0; j-- {
			if j%l.Nest() > 0 {
				below := loop.Op(loop.LShr, row[j-1].Get(), loop.Num(row[j].Type, int64(p.bits)))
				k.g.B.Set(row[j], loop.Op(loop.Sub, row[j].Get(), below))
			}
		}
	}
}

// twins adds the products of words of two channels, in parts whose sums 32 bits hold.
func (k *micro) twins(p *plane, l Layout, w *loop.Cursor, x []*loop.Cursor, acc [][]*loop.Var) {
	b, round, part := k.g.B, k.round(p, l, l.Groups), l.twinPart()
	upper := func(do func(px, j int, v *loop.Var)) {
		for px, row := range acc {
			for j := 1; j < len(row); j += 2 {
				do(px, j, row[j])
			}
		}
	}
	own := func(v *loop.Var) loop.Expr { return loop.Op(loop.AShr, v.Get(), loop.Int(twinShift)) }
	if l.Groups <= part {
		k.rounds(p, l, w, x, loop.Int(l.Groups), acc)
		upper(func(_, _ int, v *loop.Var) { b.Set(v, own(v)) })
		return
	}
	sums := make([][]*loop.Var, len(acc))
	for px := range sums {
		sums[px] = k.sums(len(acc[px]), loop.I32)
	}
	some := func(groups int) {
		k.rounds(p, l, w, x, loop.Int(groups), acc)
		upper(func(px, j int, v *loop.Var) {
			b.Set(sums[px][j], loop.Sum(sums[px][j].Get(), own(v)))
			b.Set(v, loop.Int(0))
		})
	}
	part = max(1, part/round) * round
	b.For("part", loop.Int(0), loop.Int(l.Groups/part), 1, func(loop.Expr) { some(part) })
	if left := l.Groups % part; left > 0 {
		some(left)
	}
	upper(func(px, j int, v *loop.Var) { b.Set(v, sums[px][j].Get()) })
}

// takeOff takes the sums of the first of each two channels off those of both, which are 2^twinShift times the second one's
// more.
func (k *micro) takeOff(acc [][]*loop.Var) {
	b := k.g.B
	const above = 32 - twinShift
	for _, row := range acc {
		for j := 1; j < len(row); j += 2 {
			first := b.Let("first", loop.Op(loop.AShr, loop.Op(loop.Shl, row[j].Get(), loop.Int(above)), loop.Int(above)))
			b.Set(row[j-1], loop.Sum(row[j-1].Get(), first))
			b.Set(row[j], loop.Op(loop.Sub, row[j].Get(), first))
		}
	}
}

// separate takes the sum of the first of two channels off the sum of both, which is 256
// times the second one's more.
func (k *micro) separate(acc [][]*loop.Var) {
	for _, row := range acc {
		for j := 1; j < len(row); j += 2 {
			k.g.B.Set(row[j], loop.Op(loop.AShr, loop.Op(loop.Sub, row[j].Get(), row[j-1].Get()), loop.Int(8)))
		}
	}
}

// unstack takes off each sum of stacked channels the sum of those before its own, whose place it leaves.
func (k *micro) unstack(l Layout, bits int, acc [][]*loop.Var) {
	for _, row := range acc {
		for j := l.Fields - 1; j > 0; j-- {
			own := loop.Op(loop.Sub, row[j].Get(), row[j-1].Get())
			k.g.B.Set(row[j], loop.Op(loop.AShr, own, loop.Int(j*bits)))
		}
	}
}

// decoded reports whether the codes of a layout that no word holds lie decoded in
// scratch.
func (k *micro) decoded(p *plane, l Layout) bool {
	return l.Rest > 0 && (l == p.tiled && p.tiledBytes >= 0 || l != p.tiled && p.leftBytes >= 0)
}

// decodeRest decodes the codes that no word holds to bytes in scratch, from a byte
// on, before all else, and makes the columns end in zeros.
func (k *micro) decodeRest(at int) {
	if !k.m.restTogether() {
		return
	}
	for _, p := range k.planes {
		tiled, left := k.m.restCodes(p.bits, k.k, k.rows, k.groups, k.channels)
		if tiled+left == 0 {
			continue
		}
		p.tiledBytes, p.leftBytes = at, at+tiled
		from := p.restAt
		if k.m.nestsRest(p.tiled) {
			p.tiledBytes, from = -1, p.leftRest
		}
		k.g.DecodeBytes(tiled+left, []emit.BytePlane{{Data: p.data, At: from / 8, Bits: p.bits}}, at, func(q loop.Expr) loop.Expr {
			if k.m.Code.signs() {
				return loop.Op(loop.Sub, loop.Num(q.Type(), 0), q)
			}
			return q
		})
		at += k.m.restBytes(tiled + left)
	}
	k.zeroEnds(k.k)
}

// zeroEnds makes the columns of so many inputs end in zeros.
func (k *micro) zeroEnds(inputs int) {
	for px := range k.pixels {
		k.g.B.For("i", loop.Int(inputs), loop.Int(k.columnBytes()*8/k.m.Input), 1, func(i loop.Expr) {
			k.g.B.Store(k.g.Scratch, loop.Sum(k.at(i), loop.Int(px*k.granule())), loop.Num(loop.Type{Bits: k.m.Input, Lanes: 1}, 0))
		})
	}
}

// restBytes adds the products of decoded codes, whose first bit in the packed
// weights is given.
func (k *micro) restBytes(p *plane, l Layout, col column, bit loop.Expr, acc [][]*loop.Var) {
	b, first, from := k.g.B, p.restAt, p.tiledBytes
	if l != p.tiled {
		first, from = p.leftRest, p.leftBytes
	}
	// A code has some bits there, and a byte here.
	code := loop.Op(loop.LShr, loop.Op(loop.Sub, bit, loop.Int(first)), loop.Int(bits.TrailingZeros(uint(p.bits))))
	codes := b.Cursor("codes", col.region, loop.Sum(code, loop.Int(from)))
	x := b.Cursor("x", col.region, loop.Sum(col.base, loop.Int(k.stride(k.k-l.Rest))))
	t := k.m.Code.word()
	for i := range k.m.restVectors(l) {
		at := i * k.m.Lanes
		b.Fence()
		inputs := make([]loop.Expr, len(acc))
		if k.m.Paired {
			inputs = k.pairs(x, k.stride(at), true)
		} else {
			for px := range inputs {
				inputs[px] = b.Let("x", k.m.Code.input(x, k.stride(at)+px*k.granule()))
			}
		}
		for j := range acc[0] {
			code := b.Let("q", &loop.Load{From: codes, Offset: loop.Int(j*l.Rest + at), T: t, Align: 1})
			if left := l.Rest - at; k.m.Code.signs() && left < k.m.Lanes { // those of the next row count, whatever the input
				mask := &loop.Lanes{T: t}
				mask.Values = append(slices.Repeat([]int64{-1}, left), make([]int64, k.m.Lanes-left)...)
				code = b.Let("own", loop.Op(loop.And, code, mask))
			}
			for px := range acc {
				if k.m.Room(p.product) == 0 {
					b.Set(acc[px][j], k.m.Code.add(p.product, code, inputs[px], acc[px][j].Get()))
					continue
				}
				part := b.Var("part", k.m.Code.add(p.product, code, inputs[px], loop.Num(k.m.Code.sums(p.product), 0)))
				k.m.Code.flush(b, part, acc[px][j:])
			}
		}
	}
}

// restNested adds the products of nested codes that fill no group of words: a word has a lane for each of the inputs
// of a step that are left over, at which cursors stand.
func (k *micro) restNested(p *plane, l Layout, x []*loop.Cursor, acc [][]*loop.Var) {
	b, lanes := k.g.B, l.RestLanes()
	var word, own loop.Expr
	inputs := make([]loop.Expr, len(acc))
	for f := range l.Words * l.Fields {
		step, unit := f/l.Units, f%l.Units
		if unit == 0 {
			b.Fence()
			for px := range inputs { // of which columns have enough: they end in zeros
				inputs[px] = b.Let("x", loop.At(x[px], loop.Int(step*lanes), k.m.Code.word()))
			}
		}
		if f%l.Fields == 0 {
			word = b.Let("word", loop.Gather(p.rest, loop.Int(f/l.Fields*lanes), k.m.Code.word(), placesOf(lanes)))
			own = word
		} else if unit == 0 {
			own = k.step(p, word, f%l.Fields)
		}
		code := b.Let("q", k.field(p, l, own, f%l.Fields))
		for px := range acc {
			v := acc[px][unit]
			b.Set(v, k.m.Code.add(p.product, code, inputs[px], v.Get()))
		}
	}
	b.Advance(p.rest, l.Words*lanes)
}

// step is a word's part of a step that begins with a field.
func (k *micro) step(p *plane, word loop.Expr, f int) loop.Expr {
	mask := &loop.Splat{A: loop.Num(loop.I8, int64(-1)<<(f*p.bits)), Lanes: word.Type().Lanes}
	return k.g.B.Let("own", loop.Op(loop.And, word, mask))
}

// restHalves adds the products of the code that ends a row of an odd number, decoded, at a bit of scratch
// after the decoded codes begin: of halves with the codes of two channels, or of one.
func (k *micro) restHalves(p *plane, l Layout, col column, bit loop.Expr, acc [][]*loop.Var) {
	if l.Rest == 0 {
		return
	}
	b := k.g.B
	codes := b.Cursor("codes", col.region, loop.Sum(loop.Op(loop.LShr, bit, loop.Int(3)), loop.Int(k.decodedAt)))
	inputs := make([]loop.Expr, len(acc))
	for px := range inputs {
		x := loop.At(col.region, loop.Sum(col.base, k.at(loop.Int(k.k-1)), loop.Int(px*k.granule())), loop.I16)
		inputs[px] = b.Let("x", k.m.Code.single(x))
	}
	add := func(j int, code loop.Expr) {
		for px, x := range inputs {
			b.Set(acc[px][j], loop.Sum(acc[px][j].Get(), loop.Op(loop.Mul, code, x)))
		}
	}
	for j := range acc[0] {
		if k.m.nestsIn(l) && j%2 == 1 {
			continue
		}
		half := b.Let("q", loop.To(loop.SExt, &loop.Load{From: codes, Offset: loop.Int(j * p.bits / 8), T: loop.I16, Align: 2}, 32))
		if !k.m.nestsIn(l) {
			add(j, half)
			continue
		}
		add(j+1, half)
		add(j, b.Let("q", loop.To(loop.SExt, loop.To(loop.Trunc, half, 8), 32)))
	}
}

// rest adds the products of the codes that no word holds, one by one.
func (k *micro) rest(p *plane, l Layout, col column, bit loop.Expr, acc [][]*loop.Var) {
	b := k.g.B
	if k.m.restWindows(p.bits, l) && (l.Rest*p.bits <= anywhere || p.restIsWhole(l, len(acc[0]))) {
		k.restOfWindows(p, l, col, bit, acc)
		return
	}
	b.For("rest", loop.Int(0), loop.Int(l.Rest), 1, func(r loop.Expr) {
		inputs := make([]loop.Expr, len(acc))
		i := loop.Sum(r, loop.Int(k.k-l.Rest))
		for px := range inputs {
			x := loop.At(col.region, loop.Sum(col.base, k.at(i), loop.Int(px*k.granule())), loop.Type{Bits: k.m.Input, Lanes: 1})
			inputs[px] = b.Let("x", k.m.Code.single(x))
		}
		var next loop.Expr // of pairs, the code of the second channel
		for j := range acc[0] {
			paired := k.m.Across && j^1 < len(acc[0])
			if paired { // the second one first
				j ^= 1
			}
			at := loop.Sum(bit, loop.Scaled(loop.Sum(r, loop.Int(j*l.Rest)), p.bits))
			q := loop.At(p.data, loop.Op(loop.LShr, at, loop.Int(3)), loop.I8)
			code := loop.To(loop.SExt, q, 32)
			if p.bits < 8 {
				code = loop.Op(loop.And, loop.Op(loop.LShr, loop.To(loop.ZExt, q, 32), loop.Op(loop.And, at, loop.Int(7))), loop.Int(1<<p.bits-1))
			}
			if k.m.lessHalf(l, p.bits, j) {
				code = loop.Op(loop.Sub, code, loop.Int(1<<(p.bits-1)))
			}
			if paired && j%2 == 0 {
				code = loop.Sum(code, loop.Op(loop.Shl, next, loop.Int(16)))
			}
			code = b.Let("q", code)
			next = code
			for px, x := range inputs {
				v := acc[px][j]
				t := loop.Op(loop.Mul, code, x)
				if k.m.Code.signs() {
					t = loop.Op(loop.Sub, x, loop.Op(loop.Shl, t, loop.Int(1)))
				}
				b.Set(v, loop.Sum(v.Get(), t))
			}
		}
	})
}

// anywhere is the bits that lie in one of 32 bits which begins with a byte, wherever they begin.
const anywhere = 32 - 7

// restAtOf is the bit at which the codes of a layout that no word holds begin.
func (p *plane) restAtOf(l Layout) int {
	if l != p.tiled {
		return p.leftRest
	}
	return p.restAt
}

// restIsWhole reports whether the codes of a tile of some channels that no word holds are whole bytes.
func (p *plane) restIsWhole(l Layout, channels int) bool {
	return channels*l.Rest*p.bits%8 == 0 && p.restAtOf(l)%8 == 0
}

// mostWritten is the codes of a row that are taken out of their window without a loop.
const mostWritten = 16

// restOfWindows adds the products of the codes that no word holds: of windows of 32 bits that end with them.
func (k *micro) restOfWindows(p *plane, l Layout, col column, bit loop.Expr, acc [][]*loop.Var) {
	b, channels, row := k.g.B, len(acc[0]), l.Rest*p.bits
	// window has the bits that end at a bit as its lowest ones.
	window := func(end loop.Expr, bits int, whole bool) loop.Expr {
		if whole {
			at := loop.Sum(loop.Op(loop.LShr, end, loop.Int(3)), loop.Int(-4))
			return b.Let("window", loop.Op(loop.LShr, loop.At(p.data, at, loop.I32), loop.Int(32-bits)))
		}
		end = b.Let("end", end)
		at := b.Let("at", loop.Sum(loop.Op(loop.LShr, loop.Sum(end, loop.Int(7)), loop.Int(3)), loop.Int(-4)))
		past := loop.Op(loop.Sub, loop.Sum(end, loop.Int(-bits)), loop.Op(loop.Shl, at, loop.Int(3)))
		return b.Let("window", loop.Op(loop.LShr, loop.At(p.data, at, loop.I32), past))
	}
	codes := make([]loop.Expr, channels) // of each channel, the lowest bits
	if all, whole := channels*row, p.restIsWhole(l, channels); whole || all <= anywhere {
		w := window(loop.Sum(bit, loop.Int(all)), all, whole)
		for j := range codes {
			codes[j] = loop.Op(loop.LShr, w, loop.Int(j*row))
		}
	} else {
		for j := range codes {
			codes[j] = window(loop.Sum(bit, loop.Int((j+1)*row)), row, false)
		}
	}
	add := func(i loop.Expr, code func(j int) loop.Expr) {
		inputs := make([]loop.Expr, len(acc))
		for px := range inputs {
			x := loop.At(col.region, loop.Sum(col.base, k.at(i), loop.Int(px*k.granule())), loop.Type{Bits: k.m.Input, Lanes: 1})
			inputs[px] = b.Let("x", k.m.Code.single(x))
		}
		for j := range codes {
			q := loop.Op(loop.And, code(j), loop.Int(1<<p.bits-1))
			if k.m.lessHalf(l, p.bits, j) {
				q = loop.Op(loop.Sub, q, loop.Int(1<<(p.bits-1)))
			}
			q = b.Let("q", q)
			for px, x := range inputs {
				t := loop.Op(loop.Mul, q, x)
				if k.m.Code.signs() {
					t = loop.Op(loop.Sub, x, loop.Op(loop.Shl, t, loop.Int(1)))
				}
				b.Set(acc[px][j], loop.Sum(acc[px][j].Get(), t))
			}
		}
	}
	if l.Rest <= k.g.Unroll(mostWritten) {
		for r := range l.Rest {
			add(loop.Int(k.k-l.Rest+r), func(j int) loop.Expr { return loop.Op(loop.LShr, codes[j], loop.Int(r*p.bits)) })
		}
		return
	}
	left := make([]*loop.Var, channels)
	for j, q := range codes {
		left[j] = b.Var("left", q)
	}
	b.For("rest", loop.Int(k.k-l.Rest), loop.Int(k.k), 1, func(i loop.Expr) {
		add(i, func(j int) loop.Expr { return left[j].Get() })
		for _, v := range left {
			b.Set(v, loop.Op(loop.LShr, v.Get(), loop.Int(p.bits)))
		}
	})
}

package lanes

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// layer writes a layer.
type layer struct {
	*shape
	g         *emit.Generator
	m         *product
	plan      Plan
	rq        emit.Requant
	data      loop.Region  // codes, as bytes
	doubled   bool         // a weight is 2q+1 of its byte q: the sum of the inputs is added
	base      int          // byte of scratch after the decoded codes
	constants *loop.Global // of the output channels
	apart     bool         // two products may not fit 16 bits
	// begin writes the functions that compute a row of pixels, whose inputs are some bytes apart, and
	// those of rows of the window, and gives what calls them.
	begin func(apart, row int) rowWriter
}

// rowWriter computes a group's channels of a row of pixels, whose inputs begin at a byte of a
// region, to a row of the result that begins at a byte.
type rowWriter func(from loop.Region, at, group, out loop.Expr)

// Emit writes the layer.
func (p Plan) Emit(g *emit.Generator) error {
	l := &layer{shape: shapeOf(kernel.Of(g.Node, g.Target)), g: g, m: productNamed(p.Product), plan: p}
	l.begin = l.tiles
	packed, err := p.Pack(kernel.Of(g.Node, g.Target))
	if err != nil {
		return err
	}
	return l.write(packed)
}

// write writes a layer with packed codes.
func (l *layer) write(packed [][]byte) error {
	if l.g.Node.Has(ir.AttrLag) {
		l.unflatten()
	}
	if err := l.prepare(packed); err != nil {
		return err
	}
	if l.buffered {
		l.bands()
	} else {
		l.direct()
	}
	return nil
}

// prepare writes what comes before the pixels: it decodes codes, and has the constants of the channels.
func (l *layer) prepare(packed [][]byte) error {
	g := l.g
	var planes []*loop.Global
	for i, p := range packed {
		planes = append(planes, g.Global(fmt.Sprintf("weight%d", i), 16, p))
	}
	weight := g.Node.Const(ir.AttrWeight).Type
	l.data, l.base = planes[0], decodedBytes(kernel.Of(g.Node, g.Target))
	if l.base > 0 {
		l.data, l.apart = nil, weight.Elem.MaxWeight() > 127
	} else {
		l.doubled = weight.Elem.Kind == ir.Odd
		l.apart = slices.Contains(packed[0], 0x80)
	}
	bias, err := g.Node.Const(ir.AttrBias).Ints()
	if err != nil {
		return err
	}
	values, err := geometry.IntWeights(g.Node)
	if err != nil {
		return err
	}
	// Modulo 2^32, as the sums are; the result has the bound of R5.
	folded := make([]int64, len(bias))
	for c := range bias {
		folded[c] = bias[c]
		for _, v := range values[c*l.k : (c+1)*l.k] {
			folded[c] -= int64(g.Node.Args[0].Type.Quant.Zero) * int64(v)
		}
	}
	raised := 0
	if l.rq, raised, l.constants, err = emit.NewRaised(g, folded, l.mostRaised(weight.Elem)); err != nil {
		return err
	}
	if l.base > 0 {
		l.decode(weight.Elem, planes, weight.Shape.Size(), raised)
	}
	return nil
}

// direct computes pixels from inputs as they lie.
func (l *layer) direct() {
	w, b := l.w, l.g.B
	do := l.begin(w.StrideW*w.InC, w.InW*w.InC)
	if l.flat || l.isLinear {
		do(l.g.Args[0], loop.Int(0), loop.Int(0), loop.Int(0))
		return
	}
	l.g.Rows(w, false, func(oy, row loop.Expr) {
		do(l.g.Args[0], b.Let("x", loop.Scaled(oy, w.StrideH*w.InW*w.InC)), loop.Int(0), row)
	})
}

// tile is the function of a tile of pixels.
type tile struct {
	pixels int
	f      *loop.Func
}

// tiles writes the functions of the tiles of a row: of whole ones, and of what is left. A row
// may be shorter than a tile of the plan, which was made for rows that are one (see unflatten).
func (l *layer) tiles(apart, row int) rowWriter {
	list := []tile{{pixels: min(l.plan.Pixels, l.run)}}
	if left := l.run % list[0].pixels; left > 0 {
		list = append(list, tile{pixels: left})
	}
	for i := range list {
		list[i].f = l.function(list[i].pixels, apart, row)
	}
	return func(from loop.Region, at, group, out loop.Expr) {
		b, first := l.g.B, 0
		for _, t := range list {
			n := (l.run - first) / t.pixels * t.pixels
			b.For("ox", loop.Int(first), loop.Int(first+n), t.pixels, func(ox loop.Expr) {
				ints := []loop.Expr{loop.Sum(at, loop.Scaled(ox, apart)), l.g.Pixel(l.w, out, ox)}
				if l.groups > 1 {
					ints = append(ints, group)
				}
				l.call(t.f, ints, from)
			})
			first += n
		}
	}
}

// function writes the function of a tile of pixels. Its integers are the byte of the first input, the
// byte of the first pixel's output, and the group where there are several.
func (l *layer) function(pixels, apart, row int) *loop.Func {
	g := l.g
	x := &loop.Param{Name: "x", Constant: true, Shared: g.Args[0].Shared}
	ints := []string{"first", "at"}
	if l.groups > 1 {
		ints = append(ints, "group")
	}
	return l.local(fmt.Sprintf("tile%d", pixels), ints, x, func(v []loop.Expr, codes loop.Region) {
		b, group := g.B, loop.Expr(loop.Int(0))
		if l.groups > 1 {
			group = v[2]
		}
		t := &tileWriter{layer: l, pixels: pixels, apart: apart, row: row, x: x, first: v[0]}
		channel := loop.Scaled(group, l.rows)
		switch {
		case l.m.across:
			(&acrossWriter{tileWriter: t}).blocks(codes, group, channel, v[1])
			return
		case l.m.wide:
			(&wideWriter{tileWriter: t}).blocks(codes, group, channel, v[1])
			return
		}
		if l.doubled {
			t.sums()
		}
		t.w = b.Cursor("w", codes, loop.Scaled(group, l.rows*l.k))
		t.cs = l.rq.Cursors(l.constants, channel)
		t.y = b.Cursor("y", g.Out, loop.Sum(v[1], channel))
		for _, bl := range l.blocks(l.plan.Channels) {
			b.For("block", loop.Int(0), loop.Int(bl.n), 1, func(loop.Expr) { t.block(bl.channels) })
		}
	})
}

// local writes a function that reads inputs and codes, and writes the result.
func (l *layer) local(role string, ints []string, x *loop.Param, body func(v []loop.Expr, codes loop.Region)) *loop.Func {
	params, codes := []*loop.Param{x, l.g.Out}, l.data
	if codes == nil { // decoded
		w := &loop.Param{Name: "codes", Constant: true}
		params, codes = append(params, w), w
	}
	return l.g.Function(role, ints, params, func(v []loop.Expr) {
		body(v, codes)
		l.g.B.Return(loop.Int(0))
	})
}

// call calls a local function with the inputs in a region.
func (l *layer) call(f *loop.Func, ints []loop.Expr, from loop.Region) {
	args := []loop.Arg{{Region: from}, {Region: l.g.Out}}
	if l.data == nil {
		args = append(args, loop.Arg{Region: l.g.Scratch})
	}
	l.g.B.Call(f, ints, args)
}

// tileWriter writes the code of a tile.
type tileWriter struct {
	*layer
	pixels, apart, row int
	x                  *loop.Param
	first              loop.Expr
	w, y               *loop.Cursor
	ahead              int // bytes from the cursor of the codes to the next ones
	cs                 *emit.ChannelCursors
	inputs             []*loop.Var             // the sums of the pixels' inputs, in all lanes, where they are added
	ones               bool                    // codes are ones, to sum inputs
	px                 []*loop.Cursor          // at the pixels' inputs: one for all where loads at a distance cost nothing
	runs               map[*loop.Var]*loop.Var // the products of a load of inputs, summed in 16 bits, for each sum
}

// block computes some channels of the pixels: of fewer than four, those that follow are computed
// from what lies there, and written over later.
func (t *tileWriter) block(channels int) {
	b := t.g.B
	vectors := block{channels: channels}.vectors()
	acc := make([][]*loop.Var, t.pixels)
	for v := range vectors {
		first := loop.Expr(loop.Num(loop.I32.Vec(lanesOf), 0))
		if !t.doubled {
			first = t.cs.Bias(lanesOf*v, lanesOf)
		}
		for p := range acc {
			acc[p] = append(acc[p], b.Var("acc", first))
		}
	}
	t.window(channels, acc)
	t.finish(channels, acc)
	b.Advance(t.y, channels)
	t.cs.Advance(channels)
}

// sums sums the inputs of each pixel: as products with ones.
func (t *tileWriter) sums() {
	acc := make([][]*loop.Var, t.pixels)
	for p := range acc {
		v := t.g.B.Var("inputs", loop.Num(loop.I32.Vec(lanesOf), 0))
		acc[p], t.inputs = []*loop.Var{v}, append(t.inputs, v)
	}
	t.ones = true
	t.window(lanesOf, acc)
	t.ones = false
}

// window adds the products of some channels with the windows of the pixels.
func (t *tileWriter) window(channels int, acc [][]*loop.Var) {
	b, w := t.g.B, t.shape.w
	t.px = nil
	for p := range t.pixels {
		if p == 0 || !t.m.adjacent {
			t.px = append(t.px, b.Cursor("px", t.x, loop.Sum(t.first, loop.Int(p*t.apart))))
		}
	}
	chunks, rest := t.loads()
	walked := chunks * chunk
	b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(loop.Expr) {
		b.For("segment", loop.Int(0), loop.Int(t.segments), 1, func(loop.Expr) {
			b.For("chunk", loop.Int(0), loop.Int(chunks), 1, func(loop.Expr) {
				whole := load{at: 0, bytes: chunk}
				for i := range chunk / step {
					whole.steps = append(whole.steps, inputs{lane: i, n: step})
				}
				t.load(whole, channels, acc)
				t.advance(chunk)
			})
			for _, l := range rest {
				l.at -= walked
				t.load(l, channels, acc)
			}
			if t.segments > 1 {
				t.advance(w.DilW*t.in - walked)
			}
		})
		done := walked
		if t.segments > 1 {
			done = t.segments * w.DilW * t.in
		}
		if w.KH > 1 {
			t.advance(w.DilH*t.row - done)
		}
	})
}

// advance moves the cursors of the inputs.
func (t *tileWriter) advance(bytes int) {
	for _, c := range t.px {
		t.g.B.Advance(c, bytes)
	}
}

// load adds the products of the steps of a load of inputs.
func (t *tileWriter) load(l load, channels int, acc [][]*loop.Var) {
	b := t.g.B
	bits := 32
	if t.m.pairs {
		bits = 16
	}
	x := make([]loop.Expr, t.pixels)
	for p := range x {
		c, at := t.px[0], l.at+p*t.apart
		if !t.m.adjacent {
			c, at = t.px[p], l.at
		}
		x[p] = b.Let("x", loop.At(c, loop.Int(at), loop.Type{Bits: bits, Lanes: 8 * l.bytes / bits}))
	}
	t.runs = map[*loop.Var]*loop.Var{}
	for _, st := range l.steps {
		b.Fence()
		if st.n == step {
			t.step(st.lane, channels, x, acc)
		} else {
			t.some(st, channels, x, acc)
		}
	}
	for _, sums := range acc {
		for _, v := range sums {
			if run := t.runs[v]; run != nil {
				b.Set(v, loop.Instr("padal", run.Get(), v.Get()))
			}
		}
	}
	t.move()
}

// word reads the next n codes.
func (t *tileWriter) word(at, n int) loop.Expr {
	if t.ones {
		return loop.Num(loop.I8.Vec(n), 1)
	}
	return t.g.B.Let("w", loop.At(t.w, loop.Int(t.ahead+at), loop.I8.Vec(n)))
}

// read moves on to the next codes.
func (t *tileWriter) read(codes int) {
	if !t.ones {
		t.ahead += codes
	}
	if !t.m.adjacent {
		t.move()
	}
}

// move moves the cursor of the codes to the next ones.
func (t *tileWriter) move() {
	t.g.B.Advance(t.w, t.ahead)
	t.ahead = 0
}

// step adds the products of four inputs.
func (t *tileWriter) step(lane, channels int, x []loop.Expr, acc [][]*loop.Var) {
	const vector = lanesOf * step
	vectors := len(acc[0])
	if !t.m.pairs {
		for v := range vectors {
			t.dot(v, lane, t.word(v*vector, vector), x, acc)
		}
		t.read(step * channels)
		return
	}
	words := make([][]loop.Expr, vectors) // of each four channels, their pairs of inputs
	for v := 0; v < vectors; v += 2 {
		n := min(channels-v*lanesOf, 2*lanesOf)
		for pair := range 2 {
			w := t.word(step*v*lanesOf+2*n*pair, 2*lanesOf*min(2, vectors-v)) // may reach beyond n channels
			for i, half := range emit.Split(w, 2*lanesOf) {
				words[v+i] = append(words[v+i], half)
			}
		}
	}
	t.pairs(lane, words, x, acc)
	t.read(step * channels)
}

// some adds the products of fewer than four inputs: what is missing has zeros for weights.
func (t *tileWriter) some(st inputs, channels int, x []loop.Expr, acc [][]*loop.Var) {
	b, n := t.g.B, max(channels, lanesOf)
	zero := loop.Expr(loop.Num(loop.I8.Vec(n), 0))
	list := []loop.Expr{zero, zero, zero, zero}
	for i := range st.n {
		at := step - st.n + i
		if st.isFirst {
			at = i
		}
		list[at] = t.word(i*channels, n)
	}
	t.read(st.n * channels)
	join := func(i int) loop.Expr {
		if list[i] == zero && list[i+1] == zero {
			return nil
		}
		return b.Let("pair", &loop.Named{Name: "zip", Args: []loop.Expr{list[i], list[i+1]}, T: loop.I8.Vec(2 * n)})
	}
	low, high := join(0), join(2)
	if t.m.pairs {
		words := make([][]loop.Expr, len(acc[0]))
		for _, part := range []loop.Expr{low, high} {
			for v := range words {
				if part == nil {
					words[v] = append(words[v], nil)
					continue
				}
				both := emit.Split(part, 4*lanesOf)[v/2]
				words[v] = append(words[v], emit.Split(both, 2*lanesOf)[v%2])
			}
		}
		t.pairs(st.lane, words, x, acc)
		return
	}
	none := loop.Num(loop.I8.Vec(2*n), 0)
	if low == nil {
		low = none
	}
	if high == nil {
		high = none
	}
	fours := b.Let("fours", &loop.Named{Name: "zip2", Args: []loop.Expr{low, high}, T: loop.I8.Vec(4 * n)})
	for v, word := range emit.Split(fours, lanesOf*step) {
		t.dot(v, st.lane, word, x, acc)
	}
}

// dot adds the products of four channels with four inputs of each pixel.
func (t *tileWriter) dot(v, lane int, word loop.Expr, x []loop.Expr, acc [][]*loop.Var) {
	for p := range acc {
		t.g.B.Set(acc[p][v], loop.Instr("sdotlane", word, x[p], loop.Int(lane), acc[p][v].Get()))
	}
}

// pairs adds the products of each four channels with two pairs of inputs of each pixel; a nil word is
// zeros. Pixels or channels come first, whose inputs or codes take fewer registers.
func (t *tileWriter) pairs(lane int, words [][]loop.Expr, x []loop.Expr, acc [][]*loop.Var) {
	if len(acc) < len(words) {
		for v := range words {
			for p := range acc {
				t.pair(lane, words[v], x[p], acc[p][v])
			}
		}
		return
	}
	for p := range acc {
		for v := range words {
			t.pair(lane, words[v], x[p], acc[p][v])
		}
	}
}

// pair adds the products of four channels with two pairs of inputs of a pixel.
func (t *tileWriter) pair(lane int, words []loop.Expr, x loop.Expr, acc *loop.Var) {
	b := t.g.B
	var sum loop.Expr
	flush := func() { b.Set(acc, loop.Instr("padal", sum, acc.Get())) }
	for i, word := range words {
		if word == nil {
			continue
		}
		product := loop.Instr("mulllane", word, x, loop.Int(2*lane+i), loop.Num(loop.I16.Vec(2*lanesOf), 0))
		if run := t.runs[acc]; t.m.runs && run != nil {
			b.Set(run, loop.Sum(run.Get(), product))
			continue
		} else if t.m.runs {
			t.runs[acc] = b.Var("run", product)
			continue
		}
		if sum != nil && !t.layer.apart {
			product = loop.Sum(sum, product)
		} else if sum != nil {
			flush()
		}
		sum = b.Let("products", product)
	}
	if sum != nil {
		flush()
	}
}

// finish requantizes the sums, and writes them.
func (t *tileWriter) finish(channels int, acc [][]*loop.Var) {
	b := t.g.B
	pooled := 1
	if t.pixels > 1 {
		pooled = t.poolW
	}
	constants := t.cs.Fours(max(channels, lanesOf))
	for p := 0; p < len(acc); p += pooled {
		fours := make([]loop.Expr, len(acc[p]))
		for v := range fours {
			// Requantization keeps the order: the greatest sum gives the greatest output.
			best := t.total(p, v, acc, constants)
			for other := p + 1; other < p+pooled; other++ {
				best = loop.Op(loop.SMax, best, t.total(other, v, acc, constants))
			}
			fours[v] = b.Let("y", constants[v].Rescaled(b.Let("sum", best)))
		}
		t.store(t.y, t.result(fours), p/pooled*t.shape.w.OutC, channels)
	}
}

// total is the accumulator of R4 of four channels of a pixel.
func (t *tileWriter) total(p, v int, acc [][]*loop.Var, constants []emit.Channel) loop.Expr {
	sum := acc[p][v].Get()
	if t.doubled {
		sum = loop.Sum(constants[v].Bias, t.inputs[p].Get(), loop.Op(loop.Shl, sum, loop.Num(sum.Type(), 1)))
	}
	return sum
}

// result is the bytes of vectors of requantized sums.
func (l *layer) result(fours []loop.Expr) loop.Expr {
	n := l.g.Node
	return emit.Narrowed(l.g.B, fours, int32(n.Out.Type.Quant.Zero), int32(n.Int(ir.AttrLo)), int32(n.Int(ir.AttrHi)))
}

// store writes a vector of outputs of some channels at a byte after a cursor, or takes the greater of it and what
// is there.
func (l *layer) store(to *loop.Cursor, y loop.Expr, at, channels int) {
	b := l.g.B
	if l.poolH*l.poolW == 1 {
		b.Store(to, loop.Int(at), y)
		return
	}
	y = b.Let("y", y)
	most := func(y loop.Expr, at loop.Expr) {
		b.Store(to, at, loop.Op(loop.SMax, y, loop.At(to, at, y.Type())))
	}
	if channels >= lanesOf {
		most(y, loop.Int(at))
		return
	}
	for i := range channels { // what follows stays
		most(emit.Some(y, i, 1), loop.Int(at+i))
	}
}

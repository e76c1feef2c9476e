package lookup

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// lookup writes kernels of vector codes: the products of every row of the
// codebook with a group of inputs stand in a table of 16-bit sums, which serves
// all output channels and, the codebook being the layer's, all taps that see the
// inputs. A code then costs one load and one addition. Of a linear layer, a few odd
// weights together are such a code, whose rows are all that they can be.
type lookup struct {
	g            *emit.Generator
	elem         ir.Elem
	d, entries   int // inputs of a group, rows of the codebook
	channels     int // inputs of a tap
	full, groups int // whole groups of a tap, all groups
	taps, rows   int
	block        int // groups whose tables are there at a time
	sums         int // byte in scratch of the sums that wait for further tables, if block is not groups
	raised       int // is added to each entry of odd codes, so that none is negative
	bits         int // of a code
	codes        *loop.Global
	at           []int // byte at which each part of codes begins
	book         *loop.Global
	constants    *loop.Global
	rq           emit.Requant
	smlad        bool
	vectors      bool // the processor has them
	split        bool // tables lie as bytes, for tbl16
	columns      int  // rows of the codebook that are tabulated together, by vectors; 0 for one by one
	zero         int
}

// byVectors reports whether channels look up by tbl16.
func (k *lookup) byVectors(pt emit.Part) bool { return k.split && pt.Channels > tileChannels }

// parts are tiles of eight channels, where their codes fill bytes one of four,
// and the channels left over one by one; where there is tbl16, tiles of 32 and 16
// before them.
func (k *lookup) parts() []emit.Part {
	switch {
	case k.split:
		return emit.Parts(k.rows, 4*tileChannels, 2*tileChannels, tileChannels, tileChannels/2, 1)
	case k.bits == 8 && !k.vectors: // few registers, and each code is loaded to one of its own
		return emit.Parts(k.rows, tileChannels/2, 1)
	case k.bits%2 == 1:
		return emit.Parts(k.rows, tileChannels, 1)
	}
	return emit.Parts(k.rows, tileChannels, tileChannels/2, 1)
}

// dimensions are a layer of d inputs a group, of which the tables of some are there at a
// time.
func dimensions(l kernel.Layer, d, block int) *lookup {
	s, e := l.Weight(), l.Elem
	k := &lookup{elem: e, d: d, block: block, bits: e.CodeBits(), channels: s[1], rows: s[0], taps: s.Size() / (s[0] * s[1]),
		smlad: l.Target.Has("dsp"), vectors: l.Target.Vectors(), zero: l.Node.Args[0].Type.Quant.Zero, split: byVectors(l)}
	if e.Kind == ir.Odd {
		k.bits *= d
		k.raised = d * int(e.MaxWeight()) * kernel.InputReach(l.Node)
	}
	k.entries = 1 << k.bits
	k.full, k.groups = k.channels/k.d, (k.channels+k.d-1)/k.d
	if k.vectors && k.entries%tabulated == 0 {
		k.columns = tabulated
	}
	at := 0
	for _, part := range k.parts() {
		k.at = append(k.at, at/8)
		at += (part.To - part.From) * k.taps * k.groups * k.bits
	}
	return k
}

// newLookup has the data of a layer's kernel.
func newLookup(g *emit.Generator, p kernel.Packer, d, block int) (*lookup, error) {
	l := kernel.Of(g.Node, g.Target)
	k := dimensions(l, d, block)
	k.g = g
	planes, err := p.Pack(l)
	if err != nil {
		return nil, err
	}
	bias, err := g.Node.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	if k.elem.Kind == ir.Odd {
		for c := range bias {
			bias[c] -= int64(k.groups * k.raised)
		}
	} else {
		table, err := g.Node.Const(ir.AttrCodebook).Load()
		if err != nil {
			return nil, err
		}
		if k.columns > 0 {
			table = k.inColumns(table)
		}
		k.book = g.Global("codebook", 4, table)
	}
	data := planes[0]
	if 8%k.bits > 0 && k.rows%tileChannels > 0 {
		data = append(data, 0) // two bytes are read of a single channel's code
	}
	k.codes = g.Global("weight", 4, data)
	k.rq, k.constants, err = emit.NewChannels(g, bias, k.split)
	return k, err
}

// pack lays the codes of a layer out.
func pack(l kernel.Layer, d int) ([][]byte, error) {
	codes, err := l.Node.Const(ir.AttrWeight).Load()
	if err != nil {
		return nil, err
	}
	if l.Elem.Kind == ir.Odd {
		codes = together(codes, d, int(l.Elem.Bits))
	}
	return [][]byte{dimensions(l, d, 1).pack(codes)}, nil
}

// together are the codes of n odd weights each in one, the first lowest.
func together(codes []byte, n, bits int) []byte {
	out := make([]byte, len(codes)/n)
	for i, q := range codes {
		out[i/n] |= q << (i % n * bits)
	}
	return out
}

// pack lays codes out contiguously, part after part: of a tile those of all
// its channels for one step, then for the next. They are whole bytes in all but the
// last part, of single channels.
func (k *lookup) pack(codes []byte) []byte {
	steps := k.taps * k.groups
	data, bit := make([]byte, (len(codes)*k.bits+7)/8), 0
	for _, part := range k.parts() {
		for t := part.From; t < part.To; t += part.Channels {
			for step := range steps {
				for j := range part.Channels {
					if k.byVectors(part) { // the lower halves of bytes are the first channels
						j = j/2 + j%2*part.Channels/2
					}
					q := int(codes[(t+j)*steps+step]) << (bit % 8)
					data[bit/8] |= byte(q)
					if q > 255 {
						data[bit/8+1] |= byte(q >> 8)
					}
					bit += k.bits
				}
			}
		}
	}
	return data
}

// tableBytes is the table of one group.
func (k *lookup) tableBytes() int { return 2 * k.entries }

// tabulate writes the function that tabulates the groups of some pixels, whose
// inputs lie one after the other; its integers are the bytes where inputs and
// tables begin, and the number of pixels.
func (k *lookup) tabulate() *loop.Func {
	g := k.g
	x, tables := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "tables"}
	return g.Function("tabulate", []string{"from", "to", "pixels"}, []*loop.Param{x, tables}, func(v []loop.Expr) {
		b := g.B
		from, to := b.Cursor("from", x, v[0]), b.Cursor("to", tables, v[1])
		b.For("pixel", loop.Int(0), v[2], 1, func(loop.Expr) {
			b.For("group", loop.Int(0), loop.Int(k.full), 1, func(loop.Expr) { k.group(from, to, k.d) })
			if k.full < k.groups {
				k.group(from, to, k.channels-k.full*k.d)
			}
		})
		b.Return(loop.Int(0))
	})
}

// group tabulates the sums of n products with each row of the codebook, and moves
// both cursors on.
func (k *lookup) group(from, to *loop.Cursor, n int) {
	if k.columns > 0 {
		k.vectorGroup(from, to, n)
		return
	}
	if k.book == nil {
		k.oddGroup(from, to)
		return
	}
	b := k.g.B
	row := b.Cursor("row", k.book, loop.Int(0))
	fours := 0
	var pairs []loop.Expr
	if k.smlad && k.d%4 == 0 {
		fours = n / 4
	}
	zero := loop.Int(int(uint16(k.zero)) * 0x10001)
	for i := range fours {
		word := b.Let("word", loop.At(from, loop.Int(4*i), loop.I32))
		for _, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
			pairs = append(pairs, b.Let("x", loop.Instr("ssub16", loop.Instr("sxtb16", half), zero)))
		}
	}
	var singles []loop.Expr
	for i := 4 * fours; i < n; i++ {
		v := loop.To(loop.SExt, loop.At(from, loop.Int(i), loop.I8), 32)
		singles = append(singles, b.Let("x", loop.Op(loop.Sub, v, loop.Int(k.zero))))
	}
	b.For("entry", loop.Int(0), loop.Int(k.entries/2), 1, func(loop.Expr) {
		for entry := range 2 {
			sum, at := b.Var("sum", loop.Int(0)), entry*k.d
			for i, x := range pairs {
				if i%2 == 0 {
					word := b.Let("word", &loop.Load{From: row, Offset: loop.Int(at + 2*i), T: loop.I32, Align: 4})
					b.Set(sum, loop.Instr("smlad", loop.Instr("sxtb16", word), x, sum.Get()))
					b.Set(sum, loop.Instr("smlad", loop.Instr("sxtb16", loop.Instr("ror8", word)), pairs[i+1], sum.Get()))
				}
			}
			for i, x := range singles {
				t := loop.To(loop.SExt, loop.At(row, loop.Int(at+4*fours+i), loop.I8), 32)
				b.Set(sum, loop.Sum(sum.Get(), loop.Op(loop.Mul, t, x)))
			}
			b.StoreAligned(to, loop.Int(2*entry), loop.To(loop.Trunc, sum.Get(), 16), 2)
		}
		b.Advance(row, 2*k.d)
		b.Advance(to, 4)
	})
	b.Advance(from, n)
}

// oddGroup tabulates a group of odd weights, two entries a word: they differ in the
// lowest bit of a code.
func (k *lookup) oddGroup(from, to *loop.Cursor) {
	b, bits := k.g.B, int(k.elem.Bits)
	inputs, all := make([]loop.Expr, k.d), loop.Expr(nil)
	for i := range inputs {
		v := loop.To(loop.SExt, loop.At(from, loop.Int(i), loop.I8), 32)
		inputs[i] = b.Let("x", loop.Op(loop.Sub, v, loop.Int(k.zero)))
		if all == nil {
			all = inputs[i]
		} else {
			all = loop.Sum(all, inputs[i])
		}
	}
	b.Advance(from, k.d)
	both := func(v loop.Expr) loop.Expr { // in both halves
		v = b.Let("half", v)
		return loop.Sum(v, loop.Op(loop.Shl, v, loop.Int(16)))
	}
	step := func(bit int) loop.Expr { return loop.Op(loop.Shl, inputs[bit/bits], loop.Int(1+bit%bits)) }
	least := both(loop.Op(loop.Sub, loop.Int(k.raised), loop.Op(loop.Mul, all, loop.Int(1<<bits-1))))
	first := b.Let("sum", loop.Sum(least, loop.Op(loop.Shl, step(0), loop.Int(16))))
	emit.OddEntries(b, to, 4, k.bits-1, first, func(bit int) loop.Expr { return both(step(bit + 1)) })
}

// run is tables that lie one after the other, for codes that do.
type run struct {
	tables, codes loop.Expr // the first table's byte, the first code's step
	n             int
}

// tile adds to the sums of a tile's channels what the codes of a run look up. codes is
// the byte of the tile's first.
func (k *lookup) tile(tables loop.Region, pt emit.Part, r run, codes loop.Expr, acc []*loop.Var) {
	b, size := k.g.B, k.bits*pt.Channels/8
	table := b.Cursor("table", tables, r.tables)
	w := b.Cursor("w", k.codes, loop.Sum(codes, loop.Scaled(r.codes, size)))
	round := 1
	for _, u := range []int{4, 3, 2} {
		if u <= k.g.Unroll(u) && r.n%u == 0 && (k.bits == 8 || u*((size+3)/4) <= 4) {
			round = u
			break
		}
	}
	b.For("step", loop.Int(0), loop.Int(r.n/round), 1, func(loop.Expr) {
		for i := range round {
			b.Fence()
			field := k.fields(w, pt, i*size)
			for j, v := range acc {
				b.Set(v, loop.Sum(v.Get(), k.entry(table, field(j))))
			}
			b.Advance(table, k.tableBytes())
		}
		b.Advance(w, round*size)
	})
}

// entry is an entry of the table at a cursor.
func (k *lookup) entry(table *loop.Cursor, index loop.Expr) loop.Expr {
	if !k.split {
		extend := loop.SExt
		if k.book == nil {
			extend = loop.ZExt
		}
		return loop.To(extend, &loop.Load{From: table, Offset: loop.Op(loop.Shl, index, loop.Int(1)), T: loop.I16, Align: 2}, 32)
	}
	index = k.g.B.Let("index", index)
	low, high := loop.At(table, index, loop.I8), loop.At(table, loop.Sum(index, loop.Int(k.entries)), loop.I8)
	return loop.Op(loop.Or, loop.To(loop.ZExt, low, 32), loop.Op(loop.Shl, loop.To(loop.SExt, high, 32), loop.Int(8)))
}

// fields loads the codes of a step, which lie at a byte, in words as great as are
// left; it returns what takes a channel's code out. Codes of eight bits are loaded one by
// one.
func (k *lookup) fields(w *loop.Cursor, pt emit.Part, at int) func(j int) loop.Expr {
	if k.bits == 8 {
		return func(j int) loop.Expr { return loop.To(loop.ZExt, loop.At(w, loop.Int(at+j), loop.I8), 32) }
	}
	type word struct {
		v        loop.Expr
		from, to int // bits of the step
	}
	var words []word
	size := k.bits * pt.Channels / 8
	for from := 0; from < size; {
		bytes := 4
		for bytes > size-from {
			bytes /= 2
		}
		align := bytes
		for align > 1 && (size%align > 0 || k.at[pt.Index]%align > 0 || from%align > 0) {
			align /= 2
		}
		t := loop.Type{Bits: 8 * bytes, Lanes: 1}
		v := loop.To(loop.ZExt, &loop.Load{From: w, Offset: loop.Int(at + from), T: t, Align: align}, 32)
		words = append(words, word{k.g.B.Let("word", v), 8 * from, 8 * (from + bytes)})
		from += bytes
	}
	return func(j int) loop.Expr {
		low, high := j*k.bits, (j+1)*k.bits
		var index loop.Expr
		for _, w := range words {
			from, to := max(low, w.from), min(high, w.to)
			if from >= to {
				continue
			}
			q := loop.Instr("ubfx", loop.Int(from-w.from), loop.Int(to-from), w.v)
			if index == nil {
				index = q
			} else {
				index = loop.Op(loop.Or, index, loop.Op(loop.Shl, q, loop.Int(from-low)))
			}
		}
		return index
	}
}

// single adds to the sum of one of the rows left over.
func (k *lookup) single(tables loop.Region, pt emit.Part, r run, row loop.Expr, acc *loop.Var) {
	b := k.g.B
	table := b.Cursor("table", tables, r.tables)
	b.For("step", loop.Int(0), loop.Int(r.n), 1, func(i loop.Expr) {
		step := loop.Sum(loop.Scaled(row, k.taps*k.groups), r.codes, i)
		bit := b.Let("bit", loop.Scaled(step, k.bits))
		at := loop.Sum(loop.Op(loop.LShr, bit, loop.Int(3)), loop.Int(k.at[pt.Index]))
		index := loop.To(loop.ZExt, loop.At(k.codes, at, loop.I8), 32)
		if 8%k.bits > 0 {
			next := loop.To(loop.ZExt, loop.At(k.codes, loop.Sum(at, loop.Int(1)), loop.I8), 32)
			index = loop.Op(loop.Or, index, loop.Op(loop.Shl, next, loop.Int(8)))
		}
		if k.bits < 8 {
			index = loop.Op(loop.And, loop.Op(loop.LShr, index, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<k.bits-1))
		}
		b.Set(acc, loop.Sum(acc.Get(), k.entry(table, b.Let("index", index))))
		b.Advance(table, k.tableBytes())
	})
}

// waiting reports whether sums wait in scratch for further tables.
func (k *lookup) waiting() bool { return k.block < k.groups }

// outputs computes all channels of a pixel whose first lies at a byte of the
// result. runs calls do for each run of tables that the pixel sees. Sums that wait for
// further tables are added to there.
func (k *lookup) outputs(tables loop.Region, at loop.Expr, runs func(do func(r run))) {
	b := k.g.B
	if k.waiting() {
		k.waitingSums(tables, runs)
		return
	}
	y, cs := b.Cursor("y", k.g.Out, at), k.rq.Cursors(k.constants, loop.Int(0))
	vectors := func(pt emit.Part, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, pt.Channels/8)
		for j := range acc {
			acc[j] = b.Var("acc", loop.Num(loop.I32.Vec(8), 0))
		}
		add(acc)
		lanes := 4
		if !k.rq.Vectors {
			lanes = 1
		}
		for j := 0; j < pt.Channels; j += lanes {
			q := cs.Load(j, lanes)
			q.StoreAt(loop.Sum(q.Bias, emit.Some(acc[j/8].Get(), j%8, lanes)), y, loop.Int(j))
		}
		b.Advance(y, pt.Channels)
		cs.Advance(pt.Channels)
	}
	scalars := func(n int, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, n)
		for j := range acc {
			acc[j] = b.Var("acc", loop.Int(0))
		}
		add(acc)
		for j := range acc {
			q := cs.Load(j, 1)
			q.StoreAt(loop.Sum(q.Bias, acc[j].Get()), y, loop.Int(j))
		}
		b.Advance(y, n)
		cs.Advance(n)
	}
	k.eachTile(tables, runs, scalars, vectors)
}

// eachTile calls what makes results of the sums of a tile's channels, scalars or eight a
// vector, for each tile; add adds to them what the runs look up.
func (k *lookup) eachTile(tables loop.Region, runs func(do func(r run)), scalars func(n int, add func(acc []*loop.Var)), vectors func(pt emit.Part, add func(acc []*loop.Var))) {
	for _, pt := range k.parts() {
		k.g.B.For("tile", loop.Int(0), loop.Int((pt.To-pt.From)/pt.Channels), 1, func(tile loop.Expr) {
			codes := loop.Sum(loop.Scaled(tile, k.taps*k.groups*k.bits*pt.Channels/8), loop.Int(k.at[pt.Index]))
			if k.byVectors(pt) {
				vectors(pt, func(acc []*loop.Var) {
					runs(func(r run) { k.tileVectors(tables, pt, r, codes, acc) })
				})
				return
			}
			scalars(pt.Channels, func(acc []*loop.Var) {
				if pt.Channels == 1 {
					runs(func(r run) { k.single(tables, pt, r, tile, acc[0]) })
					return
				}
				runs(func(r run) { k.tile(tables, pt, r, codes, acc) })
			})
		})
	}
}

// waitingSums adds what the runs look up to the sums of all channels in scratch, which
// is also where the tables are.
func (k *lookup) waitingSums(scratch loop.Region, runs func(do func(r run))) {
	b := k.g.B
	sums := b.Cursor("sums", scratch, loop.Int(k.sums))
	tile := func(n int, t loop.Type, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, n)
		for j := range acc {
			acc[j] = b.Var("acc", &loop.Load{From: sums, Offset: loop.Int(j * t.Bytes()), T: t, Align: 4})
		}
		add(acc)
		for j := range acc {
			b.StoreAligned(sums, loop.Int(j*t.Bytes()), acc[j].Get(), 4)
		}
		b.Advance(sums, n*t.Bytes())
	}
	k.eachTile(scratch, runs, func(n int, add func(acc []*loop.Var)) { tile(n, loop.I32, add) },
		func(pt emit.Part, add func(acc []*loop.Var)) { tile(pt.Channels/8, loop.I32.Vec(8), add) })
}

// finish makes results of the sums in scratch.
func (k *lookup) finish() {
	b := k.g.B
	sums, y, cs := b.Cursor("sums", k.g.Scratch, loop.Int(k.sums)), b.Cursor("y", k.g.Out, loop.Int(0)), k.rq.Cursors(k.constants, loop.Int(0))
	lanes := 1
	if k.rq.Vectors && k.rows%4 == 0 {
		lanes = 4
	}
	b.For("channel", loop.Int(0), loop.Int(k.rows/lanes), 1, func(loop.Expr) {
		q := cs.Load(0, lanes)
		sum := &loop.Load{From: sums, Offset: loop.Int(0), T: loop.I32.Vec(lanes), Align: 4}
		q.StoreAt(loop.Sum(q.Bias, sum), y, loop.Int(0))
		b.Advance(sums, 4*lanes)
		b.Advance(y, lanes)
		cs.Advance(lanes)
	})
}

// Emit fills the tables of one block of groups after the other, inputs in logical order, and
// looks up in them.
func (p Plan) Emit(g *emit.Generator) error {
	n := g.Node
	k, err := newLookup(g, p, p.Inputs, p.Block)
	if err != nil {
		return err
	}
	var inputs int
	k.sums, inputs, _ = p.places()
	b := g.B
	x, region := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "scratch"}
	// tabulate makes the tables of as many groups, from one on, of which the layer's
	// last may not be whole.
	tabulate := g.Function("tabulate", []string{"first"}, []*loop.Param{x, region}, func(v []loop.Expr) {
		b := g.B
		from, to := b.Cursor("from", x, loop.Scaled(v[0], k.d)), b.Cursor("to", region, loop.Int(0))
		whole := loop.Expr(loop.Int(k.block))
		if k.full < k.groups {
			whole = b.Let("whole", loop.Op(loop.SMin, whole, loop.Op(loop.Sub, loop.Int(k.full), v[0])))
		}
		b.For("group", loop.Int(0), whole, 1, func(loop.Expr) { k.group(from, to, k.d) })
		if k.full < k.groups {
			b.If(loop.Op(loop.SLt, whole, loop.Int(k.block)), func() { k.group(from, to, k.channels-k.full*k.d) }, nil)
		}
		b.Return(loop.Int(0))
	})
	region = &loop.Param{Name: "scratch", Constant: !k.waiting()}
	look := g.Function("look", []string{"first"}, []*loop.Param{region, g.Out}, func(v []loop.Expr) {
		k.outputs(region, loop.Int(0), func(do func(r run)) { do(run{loop.Int(0), v[0], k.block}) })
		g.B.Return(loop.Int(0))
	})
	s := n.Args[0].Type.Shape
	from := loop.Arg{Region: g.Args[0]}
	if len(s) == 3 && s[1]*s[2] > 1 {
		from = loop.Arg{Region: g.Scratch, Offset: inputs}
		pixels := s[1] * s[2]
		b.For("pixel", loop.Int(0), loop.Int(pixels), 1, func(p loop.Expr) {
			b.For("channel", loop.Int(0), loop.Int(s[0]), 1, func(c loop.Expr) {
				to := loop.Sum(loop.Scaled(c, pixels), p, loop.Int(inputs))
				b.Store(g.Scratch, to, loop.At(g.Args[0], loop.Sum(loop.Scaled(p, s[0]), c), loop.I8))
			})
		})
	}
	if k.waiting() {
		c := b.Cursor("sums", g.Scratch, loop.Int(k.sums))
		b.For("i", loop.Int(0), loop.Int(k.rows), 1, func(loop.Expr) {
			b.StoreAligned(c, loop.Int(0), loop.Int(0), 4)
			b.Advance(c, 4)
		})
	}
	b.For("first", loop.Int(0), loop.Int(k.groups), k.block, func(first loop.Expr) {
		b.Call(tabulate, []loop.Expr{first}, []loop.Arg{from, {Region: g.Scratch}})
		b.Call(look, []loop.Expr{first}, []loop.Arg{{Region: g.Scratch}, {Region: g.Out}})
	})
	if k.waiting() {
		k.finish()
	}
	return nil
}

// Emit keeps the tables of the rows that a window covers in a ring.
func (p ConvPlan) Emit(g *emit.Generator) error {
	w, d := geometry.WindowOf(g.Node), int(g.Node.Const(ir.AttrWeight).Type.Elem.Group)
	k, err := newLookup(g, p, d, (w.InC+d-1)/d)
	if err != nil {
		return err
	}
	row := w.InW * k.groups * k.tableBytes()
	tabulate, look := k.tabulate(), k.pixel(w, row)
	b := g.B
	ring := func(v loop.Expr) loop.Expr { // of a number below 2*KH
		r := b.Var("ring", v)
		b.If(loop.Op(loop.SLt, r.Get(), loop.Int(w.KH)), nil, func() { b.Set(r, loop.Op(loop.Sub, r.Get(), loop.Int(w.KH))) })
		return r.Get()
	}
	next, slot := b.Var("next", loop.Int(0)), b.Var("slot", loop.Int(0)) // row to tabulate, and its place
	first := b.Var("first", loop.Int((w.KH-w.PadT%w.KH)%w.KH))           // place of the window's first row
	g.Rows(w, false, func(oy, at loop.Expr) {
		iy := b.Let("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Int(-w.PadT)))
		end := b.Let("end", loop.Op(loop.SMin, loop.Sum(iy, loop.Int(w.KH)), loop.Int(w.InH)))
		b.For("new", next.Get(), end, 1, func(y loop.Expr) {
			ints := []loop.Expr{loop.Scaled(y, w.InW*w.InC), loop.Scaled(slot.Get(), row), loop.Int(w.InW)}
			b.Call(tabulate, ints, []loop.Arg{{Region: g.Args[0]}, {Region: g.Scratch}})
			b.Set(slot, ring(loop.Sum(slot.Get(), loop.Int(1))))
		})
		if w.PadT < w.KH {
			b.Set(next, end)
		} else { // the first windows see padding alone
			b.Set(next, loop.Op(loop.SMax, next.Get(), end))
		}
		b.For("ox", loop.Int(0), loop.Int(g.Columns(w)), 1, func(ox loop.Expr) {
			ix := loop.Sum(loop.Scaled(ox, w.StrideW), loop.Int(-w.PadL))
			b.Call(look, []loop.Expr{iy, ix, first.Get(), g.Pixel(w, at, ox)}, []loop.Arg{{Region: g.Scratch}, {Region: g.Out}})
		})
		b.Set(first, ring(loop.Sum(first.Get(), loop.Int(w.StrideH%w.KH))))
	})
	return nil
}

// pixel writes the function that computes a pixel from the tables of its window,
// whose first row lies in a place of the ring. Taps outside of the image add
// nothing.
func (k *lookup) pixel(w geometry.Window, row int) *loop.Func {
	g := k.g
	tables := &loop.Param{Name: "tables", Constant: true}
	return g.Function("look", []string{"iy", "ix", "first", "at"}, []*loop.Param{tables, g.Out}, func(v []loop.Expr) {
		b := g.B
		top := b.Let("top", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), v[0]), loop.Int(0)))
		bottom := b.Let("bottom", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InH), v[0]), loop.Int(w.KH)))
		left := b.Let("left", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), v[1]), loop.Int(0)))
		right := b.Let("right", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InW), v[1]), loop.Int(w.KW)))
		k.outputs(tables, v[3], func(do func(r run)) {
			b.For("ky", top, bottom, 1, func(ky loop.Expr) {
				slot := b.Var("slot", loop.Sum(v[2], ky))
				b.If(loop.Op(loop.SLt, slot.Get(), loop.Int(w.KH)), nil, func() { b.Set(slot, loop.Op(loop.Sub, slot.Get(), loop.Int(w.KH))) })
				base := b.Let("base", loop.Scaled(slot.Get(), row))
				b.For("kx", left, right, 1, func(kx loop.Expr) {
					table := loop.Sum(base, loop.Scaled(loop.Sum(v[1], kx), k.groups*k.tableBytes()))
					do(run{table, loop.Scaled(loop.Sum(loop.Scaled(ky, w.KW), kx), k.groups), k.groups})
				})
			})
		})
		b.Return(loop.Int(0))
	})
}

package kernel

import (
	"fmt"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/target"
)

// lookup writes kernels of vector codes: the products of every row of the
// codebook with a group of inputs stand in a table of 16-bit sums, which serves
// all output channels and, the codebook being the layer's, all taps that see the
// inputs. A code then costs one load and one addition. Of a linear layer, a few odd
// weights together are such a code, whose rows are all that they can be.
type lookup struct {
	g            *generator
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
	rq           requant
	smlad        bool
	split        bool // tables lie as bytes, for tbl16
	columns      int  // rows of the codebook that are tabulated together, by vectors; 0 for one by one
	zero         int
}

// part is output channels that are computed some at a time.
type part struct{ index, from, to, channels int }

// byVectors reports whether channels look up by tbl16.
func (k *lookup) byVectors(pt part) bool { return k.split && pt.channels > lookupTile }

// parts are tiles of eight channels, where their codes fill bytes one of four,
// and the channels left over one by one; where there is tbl16, tiles of 32 and 16
// before them.
func (k *lookup) parts() []part {
	sizes := []int{lookupTile, lookupTile / 2, 1}
	switch {
	case k.split:
		sizes = []int{4 * lookupTile, 2 * lookupTile, lookupTile, lookupTile / 2, 1}
	case k.bits == 8 && !k.g.target.Vectors(): // few registers, and each code is loaded to one of its own
		sizes = []int{lookupTile / 2, 1}
	case k.bits%2 == 1:
		sizes = []int{lookupTile, 1}
	}
	var list []part
	at := 0
	for i, n := range sizes {
		to := k.rows - (k.rows-at)%n
		list = append(list, part{i, at, to, n})
		at = to
	}
	return list
}

const lookupTile = target.LookupTile

// newLookup is one of n inputs a group, of which the tables of some are there at a
// time.
func newLookup(g *generator, inputs, block int) (*lookup, error) {
	n := g.n
	w := n.Const("weight")
	s, e := w.Type.Shape, w.Type.Elem
	k := &lookup{g: g, elem: e, d: inputs, block: block, bits: e.CodeBits(), channels: s[1], rows: s[0], taps: s.Size() / (s[0] * s[1]),
		smlad: g.target.Has("dsp"), zero: n.Args[0].Type.Quant.Zero, split: g.target.LooksUpVectors(e)}
	if e.Kind == ir.Odd {
		k.bits *= inputs
		k.raised = inputs * int(e.MaxWeight()) * target.InputReach(n)
	}
	k.entries = 1 << k.bits
	k.full, k.groups = k.channels/k.d, (k.channels+k.d-1)/k.d
	if g.target.Vectors() && k.entries%tabulated == 0 {
		k.columns = tabulated
	}
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	bias, err := n.Const("bias").Ints()
	if err != nil {
		return nil, err
	}
	if e.Kind == ir.Odd {
		codes = together(codes, k.d, int(e.Bits))
		for c := range bias {
			bias[c] -= int64(k.groups * k.raised)
		}
	} else {
		table, err := n.Const("codebook").Load()
		if err != nil {
			return nil, err
		}
		if k.columns > 0 {
			table = k.inColumns(table)
		}
		k.book = g.global("codebook", 4, table)
	}
	k.codes = g.global("weight", 4, k.pack(codes))
	k.rq, k.constants, err = newChannels(g, bias, k.split)
	return k, err
}

// together are the codes of n odd weights each in one, the first lowest.
func together(codes []byte, n, bits int) []byte {
	out := make([]byte, len(codes)/n)
	for i, q := range codes {
		out[i/n] |= q << (i % n * bits)
	}
	return out
}

// pack lays codes out one behind the other, part after part: of a tile those of all
// its channels for one step, then for the next. They are whole bytes in all but the
// last part, of single channels.
func (k *lookup) pack(codes []byte) []byte {
	steps := k.taps * k.groups
	size := (len(codes)*k.bits + 7) / 8
	if 8%k.bits > 0 && k.rows%lookupTile > 0 {
		size++ // two bytes are read of a single channel's code
	}
	data, bit := make([]byte, size), 0
	for _, part := range k.parts() {
		k.at = append(k.at, bit/8)
		for t := part.from; t < part.to; t += part.channels {
			for step := range steps {
				for j := range part.channels {
					if k.byVectors(part) { // the lower halves of bytes are the first channels
						j = j/2 + j%2*part.channels/2
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
	return g.function("tabulate", []string{"from", "to", "pixels"}, []*loop.Param{x, tables}, func(v []loop.Expr) {
		b := g.b
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
	b := k.g.b
	row := b.Cursor("row", k.book, loop.Int(0))
	fours := 0
	var pairs []loop.Expr
	if k.smlad && k.d%4 == 0 {
		fours = n / 4
	}
	zero := loop.Int(int(uint16(k.zero)) * 0x10001)
	for i := range fours {
		word := read(b.Var("word", load(from, loop.Int(4*i), loop.I32)))
		for _, half := range []loop.Expr{word, loop.Instr("ror8", word)} {
			pairs = append(pairs, read(b.Var("x", loop.Instr("ssub16", loop.Instr("sxtb16", half), zero))))
		}
	}
	var singles []loop.Expr
	for i := 4 * fours; i < n; i++ {
		v := loop.To(loop.SExt, load(from, loop.Int(i), loop.I8), 32)
		singles = append(singles, read(b.Var("x", loop.Op(loop.Sub, v, loop.Int(k.zero)))))
	}
	b.For("entry", loop.Int(0), loop.Int(k.entries/2), 1, func(loop.Expr) {
		for entry := range 2 {
			sum, at := b.Var("sum", loop.Int(0)), entry*k.d
			for i, x := range pairs {
				if i%2 == 0 {
					word := read(b.Var("word", &loop.Load{From: row, Offset: loop.Int(at + 2*i), T: loop.I32, Align: 4}))
					b.Set(sum, loop.Instr("smlad", loop.Instr("sxtb16", word), x, read(sum)))
					b.Set(sum, loop.Instr("smlad", loop.Instr("sxtb16", loop.Instr("ror8", word)), pairs[i+1], read(sum)))
				}
			}
			for i, x := range singles {
				t := loop.To(loop.SExt, load(row, loop.Int(at+4*fours+i), loop.I8), 32)
				b.Set(sum, loop.Sum(read(sum), loop.Op(loop.Mul, t, x)))
			}
			b.StoreAligned(to, loop.Int(2*entry), loop.To(loop.Trunc, read(sum), 16), 2)
		}
		b.Advance(row, 2*k.d)
		b.Advance(to, 4)
	})
	b.Advance(from, n)
}

// oddGroup tabulates a group of odd weights, two entries a word: they differ in the
// lowest bit of a code.
func (k *lookup) oddGroup(from, to *loop.Cursor) {
	b, bits := k.g.b, int(k.elem.Bits)
	inputs, all := make([]loop.Expr, k.d), loop.Expr(nil)
	for i := range inputs {
		v := loop.To(loop.SExt, load(from, loop.Int(i), loop.I8), 32)
		inputs[i] = read(b.Var("x", loop.Op(loop.Sub, v, loop.Int(k.zero))))
		if all == nil {
			all = inputs[i]
		} else {
			all = loop.Sum(all, inputs[i])
		}
	}
	b.Advance(from, k.d)
	both := func(v loop.Expr) loop.Expr { // in both halves
		v = read(b.Var("half", v))
		return loop.Sum(v, loop.Op(loop.Shl, v, loop.Int(16)))
	}
	step := func(bit int) loop.Expr { return loop.Op(loop.Shl, inputs[bit/bits], loop.Int(1+bit%bits)) }
	least := both(loop.Op(loop.Sub, loop.Int(k.raised), loop.Op(loop.Mul, all, loop.Int(1<<bits-1))))
	first := read(b.Var("sum", loop.Sum(least, loop.Op(loop.Shl, step(0), loop.Int(16)))))
	oddEntries(b, to, 4, k.bits-1, first, func(bit int) loop.Expr { return both(step(bit + 1)) })
}

// run is tables that lie one after the other, for codes that do.
type run struct {
	tables, codes loop.Expr // the first table's byte, the first code's step
	n             int
}

// tile adds to the sums of a tile's channels what the codes of a run look up. codes is
// the byte of the tile's first.
func (k *lookup) tile(tables loop.Region, pt part, r run, codes loop.Expr, acc []*loop.Var) {
	b, size := k.g.b, k.bits*pt.channels/8
	table := b.Cursor("table", tables, r.tables)
	w := b.Cursor("w", k.codes, loop.Sum(codes, loop.Scaled(r.codes, size)))
	round := 1
	for _, u := range []int{4, 3, 2} {
		if u <= k.g.unroll(u) && r.n%u == 0 && (k.bits == 8 || u*((size+3)/4) <= 4) {
			round = u
			break
		}
	}
	b.For("step", loop.Int(0), loop.Int(r.n/round), 1, func(loop.Expr) {
		for i := range round {
			b.Fence()
			field := k.fields(w, pt, i*size)
			for j, v := range acc {
				b.Set(v, loop.Sum(read(v), k.entry(table, field(j))))
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
	index = read(k.g.b.Var("index", index))
	low, high := load(table, index, loop.I8), load(table, loop.Sum(index, loop.Int(k.entries)), loop.I8)
	return loop.Op(loop.Or, loop.To(loop.ZExt, low, 32), loop.Op(loop.Shl, loop.To(loop.SExt, high, 32), loop.Int(8)))
}

// fields loads the codes of a step, which lie at a byte, in words as great as are
// left; it returns what takes a channel's code out. Codes of eight bits are loaded one by
// one.
func (k *lookup) fields(w *loop.Cursor, pt part, at int) func(j int) loop.Expr {
	if k.bits == 8 {
		return func(j int) loop.Expr { return loop.To(loop.ZExt, load(w, loop.Int(at+j), loop.I8), 32) }
	}
	type word struct {
		v        loop.Expr
		from, to int // bits of the step
	}
	var words []word
	size := k.bits * pt.channels / 8
	for from := 0; from < size; {
		bytes := 4
		for bytes > size-from {
			bytes /= 2
		}
		align := bytes
		for align > 1 && (size%align > 0 || k.at[pt.index]%align > 0 || from%align > 0) {
			align /= 2
		}
		t := loop.Type{Bits: 8 * bytes, Lanes: 1}
		v := loop.To(loop.ZExt, &loop.Load{From: w, Offset: loop.Int(at + from), T: t, Align: align}, 32)
		words = append(words, word{read(k.g.b.Var("word", v)), 8 * from, 8 * (from + bytes)})
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
func (k *lookup) single(tables loop.Region, pt part, r run, row loop.Expr, acc *loop.Var) {
	b := k.g.b
	table := b.Cursor("table", tables, r.tables)
	b.For("step", loop.Int(0), loop.Int(r.n), 1, func(i loop.Expr) {
		step := loop.Sum(loop.Scaled(row, k.taps*k.groups), r.codes, i)
		bit := read(b.Var("bit", loop.Scaled(step, k.bits)))
		at := loop.Sum(loop.Op(loop.LShr, bit, loop.Int(3)), loop.Int(k.at[pt.index]))
		index := loop.To(loop.ZExt, load(k.codes, at, loop.I8), 32)
		if 8%k.bits > 0 {
			next := loop.To(loop.ZExt, load(k.codes, loop.Sum(at, loop.Int(1)), loop.I8), 32)
			index = loop.Op(loop.Or, index, loop.Op(loop.Shl, next, loop.Int(8)))
		}
		if k.bits < 8 {
			index = loop.Op(loop.And, loop.Op(loop.LShr, index, loop.Op(loop.And, bit, loop.Int(7))), loop.Int(1<<k.bits-1))
		}
		b.Set(acc, loop.Sum(read(acc), k.entry(table, read(b.Var("index", index)))))
		b.Advance(table, k.tableBytes())
	})
}

// waiting reports whether sums wait in scratch for further tables.
func (k *lookup) waiting() bool { return k.block < k.groups }

// outputs computes all channels of a pixel whose first lies at a byte of the
// result. runs calls do for each run of tables that the pixel sees. Sums that wait for
// further tables are added to there.
func (k *lookup) outputs(tables loop.Region, at loop.Expr, runs func(do func(r run))) {
	b := k.g.b
	if k.waiting() {
		k.waitingSums(tables, runs)
		return
	}
	y, cs := b.Cursor("y", k.g.out, at), k.rq.cursors(k.constants, loop.Int(0))
	vectors := func(pt part, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, pt.channels/8)
		for j := range acc {
			acc[j] = b.Var("acc", loop.Num(loop.I32.Vec(8), 0))
		}
		add(acc)
		lanes := 4
		if !k.rq.vectors {
			lanes = 1
		}
		for j := 0; j < pt.channels; j += lanes {
			q := cs.load(j, lanes)
			q.storeAt(loop.Sum(q.bias, some(read(acc[j/8]), j%8, lanes)), y, loop.Int(j))
		}
		b.Advance(y, pt.channels)
		cs.advance(pt.channels)
	}
	scalars := func(n int, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, n)
		for j := range acc {
			acc[j] = b.Var("acc", loop.Int(0))
		}
		add(acc)
		for j := range acc {
			q := cs.load(j, 1)
			q.storeAt(loop.Sum(q.bias, read(acc[j])), y, loop.Int(j))
		}
		b.Advance(y, n)
		cs.advance(n)
	}
	k.eachTile(tables, runs, scalars, vectors)
}

// eachTile calls what makes results of the sums of a tile's channels, scalars or eight a
// vector, for each tile; add adds to them what the runs look up.
func (k *lookup) eachTile(tables loop.Region, runs func(do func(r run)), scalars func(n int, add func(acc []*loop.Var)), vectors func(pt part, add func(acc []*loop.Var))) {
	for _, pt := range k.parts() {
		k.g.b.For("tile", loop.Int(0), loop.Int((pt.to-pt.from)/pt.channels), 1, func(tile loop.Expr) {
			codes := loop.Sum(loop.Scaled(tile, k.taps*k.groups*k.bits*pt.channels/8), loop.Int(k.at[pt.index]))
			if k.byVectors(pt) {
				vectors(pt, func(acc []*loop.Var) {
					runs(func(r run) { k.tileVectors(tables, pt, r, codes, acc) })
				})
				return
			}
			scalars(pt.channels, func(acc []*loop.Var) {
				if pt.channels == 1 {
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
	b := k.g.b
	sums := b.Cursor("sums", scratch, loop.Int(k.sums))
	tile := func(n int, t loop.Type, add func(acc []*loop.Var)) {
		acc := make([]*loop.Var, n)
		for j := range acc {
			acc[j] = b.Var("acc", &loop.Load{From: sums, Offset: loop.Int(j * t.Bytes()), T: t, Align: 4})
		}
		add(acc)
		for j := range acc {
			b.StoreAligned(sums, loop.Int(j*t.Bytes()), read(acc[j]), 4)
		}
		b.Advance(sums, n*t.Bytes())
	}
	k.eachTile(scratch, runs, func(n int, add func(acc []*loop.Var)) { tile(n, loop.I32, add) },
		func(pt part, add func(acc []*loop.Var)) { tile(pt.channels/8, loop.I32.Vec(8), add) })
}

// finish makes results of the sums in scratch.
func (k *lookup) finish() {
	b := k.g.b
	sums, y, cs := b.Cursor("sums", k.g.scratch, loop.Int(k.sums)), b.Cursor("y", k.g.out, loop.Int(0)), k.rq.cursors(k.constants, loop.Int(0))
	lanes := 1
	if k.rq.vectors && k.rows%4 == 0 {
		lanes = 4
	}
	b.For("channel", loop.Int(0), loop.Int(k.rows/lanes), 1, func(loop.Expr) {
		q := cs.load(0, lanes)
		sum := &loop.Load{From: sums, Offset: loop.Int(0), T: loop.I32.Vec(lanes), Align: 4}
		q.storeAt(loop.Sum(q.bias, sum), y, loop.Int(0))
		b.Advance(sums, 4*lanes)
		b.Advance(y, lanes)
		cs.advance(lanes)
	})
}

// linearLookup tabulates groups of inputs, in logical order, block after block, and looks
// up in them.
func linearLookup(g *generator) error {
	tile, n := g.n.Ints("tile"), g.n
	if len(tile) != 2 {
		return fmt.Errorf("no tile of groups and inputs")
	}
	l, ok := target.NewLookup(n, n.Const("weight").Type.Elem, tile[0], tile[1])
	if !ok {
		return fmt.Errorf("no layout for a tile of %v", tile)
	}
	k, err := newLookup(g, l.Inputs, l.Block)
	if err != nil {
		return err
	}
	var inputs int
	k.sums, inputs, _ = l.Places()
	b := g.b
	x, region := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "scratch"}
	// tabulate makes the tables of as many groups, from one on, of which the layer's
	// last may not be whole.
	tabulate := g.function("tabulate", []string{"first"}, []*loop.Param{x, region}, func(v []loop.Expr) {
		b := g.b
		from, to := b.Cursor("from", x, loop.Scaled(v[0], k.d)), b.Cursor("to", region, loop.Int(0))
		whole := loop.Expr(loop.Int(k.block))
		if k.full < k.groups {
			whole = read(b.Var("whole", loop.Op(loop.SMin, whole, loop.Op(loop.Sub, loop.Int(k.full), v[0]))))
		}
		b.For("group", loop.Int(0), whole, 1, func(loop.Expr) { k.group(from, to, k.d) })
		if k.full < k.groups {
			b.If(loop.Op(loop.SLt, whole, loop.Int(k.block)), func() { k.group(from, to, k.channels-k.full*k.d) }, nil)
		}
		b.Return(loop.Int(0))
	})
	region = &loop.Param{Name: "scratch", Constant: !k.waiting()}
	look := g.function("look", []string{"first"}, []*loop.Param{region, g.out}, func(v []loop.Expr) {
		k.outputs(region, loop.Int(0), func(do func(r run)) { do(run{loop.Int(0), v[0], k.block}) })
		g.b.Return(loop.Int(0))
	})
	s := n.Args[0].Type.Shape
	from := loop.Arg{Region: g.args[0]}
	if len(s) == 3 && s[1]*s[2] > 1 {
		from = loop.Arg{Region: g.scratch, Offset: inputs}
		pixels := s[1] * s[2]
		b.For("pixel", loop.Int(0), loop.Int(pixels), 1, func(p loop.Expr) {
			b.For("channel", loop.Int(0), loop.Int(s[0]), 1, func(c loop.Expr) {
				to := loop.Sum(loop.Scaled(c, pixels), p, loop.Int(inputs))
				b.Store(g.scratch, to, load(g.args[0], loop.Sum(loop.Scaled(p, s[0]), c), loop.I8))
			})
		})
	}
	if k.waiting() {
		c := b.Cursor("sums", g.scratch, loop.Int(k.sums))
		b.For("i", loop.Int(0), loop.Int(k.rows), 1, func(loop.Expr) {
			b.StoreAligned(c, loop.Int(0), loop.Int(0), 4)
			b.Advance(c, 4)
		})
	}
	b.For("first", loop.Int(0), loop.Int(k.groups), k.block, func(first loop.Expr) {
		b.Call(tabulate, []loop.Expr{first}, []loop.Arg{from, {Region: g.scratch}})
		b.Call(look, []loop.Expr{first}, []loop.Arg{{Region: g.scratch}, {Region: g.out}})
	})
	if k.waiting() {
		k.finish()
	}
	return nil
}

// convLookup keeps the tables of the rows that a window sees, in a ring.
func convLookup(g *generator) error {
	w, d := geometry.WindowOf(g.n), int(g.n.Const("weight").Type.Elem.Group)
	k, err := newLookup(g, d, (w.InC+d-1)/d)
	if err != nil {
		return err
	}
	row := w.InW * k.groups * k.tableBytes()
	tabulate, look := k.tabulate(), k.pixel(w, row)
	b := g.b
	ring := func(v loop.Expr) loop.Expr { // of a number below 2*KH
		r := b.Var("ring", v)
		b.If(loop.Op(loop.SLt, read(r), loop.Int(w.KH)), nil, func() { b.Set(r, loop.Op(loop.Sub, read(r), loop.Int(w.KH))) })
		return read(r)
	}
	next, slot := b.Var("next", loop.Int(0)), b.Var("slot", loop.Int(0)) // row to tabulate, and its place
	first := b.Var("first", loop.Int((w.KH-w.PadT%w.KH)%w.KH))           // place of the window's first row
	g.rows(w, false, func(oy, at loop.Expr) {
		iy := read(b.Var("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Int(-w.PadT))))
		end := read(b.Var("end", loop.Op(loop.SMin, loop.Sum(iy, loop.Int(w.KH)), loop.Int(w.InH))))
		b.For("new", read(next), end, 1, func(y loop.Expr) {
			ints := []loop.Expr{loop.Scaled(y, w.InW*w.InC), loop.Scaled(read(slot), row), loop.Int(w.InW)}
			b.Call(tabulate, ints, []loop.Arg{{Region: g.args[0]}, {Region: g.scratch}})
			b.Set(slot, ring(loop.Sum(read(slot), loop.Int(1))))
		})
		b.Set(next, end)
		b.For("ox", loop.Int(0), loop.Int(g.columns(w)), 1, func(ox loop.Expr) {
			ix := loop.Sum(loop.Scaled(ox, w.StrideW), loop.Int(-w.PadL))
			b.Call(look, []loop.Expr{iy, ix, read(first), g.pixel(w, at, ox)}, []loop.Arg{{Region: g.scratch}, {Region: g.out}})
		})
		b.Set(first, ring(loop.Sum(read(first), loop.Int(w.StrideH%w.KH))))
	})
	return nil
}

// pixel writes the function that computes a pixel from the tables of its window,
// whose first row lies in a place of the ring. Taps outside of the image add
// nothing.
func (k *lookup) pixel(w geometry.Window, row int) *loop.Func {
	g := k.g
	tables := &loop.Param{Name: "tables", Constant: true}
	return g.function("look", []string{"iy", "ix", "first", "at"}, []*loop.Param{tables, g.out}, func(v []loop.Expr) {
		b := g.b
		top := read(b.Var("top", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), v[0]), loop.Int(0))))
		bottom := read(b.Var("bottom", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InH), v[0]), loop.Int(w.KH))))
		left := read(b.Var("left", loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(0), v[1]), loop.Int(0))))
		right := read(b.Var("right", loop.Op(loop.SMin, loop.Op(loop.Sub, loop.Int(w.InW), v[1]), loop.Int(w.KW))))
		k.outputs(tables, v[3], func(do func(r run)) {
			b.For("ky", top, bottom, 1, func(ky loop.Expr) {
				slot := b.Var("slot", loop.Sum(v[2], ky))
				b.If(loop.Op(loop.SLt, read(slot), loop.Int(w.KH)), nil, func() { b.Set(slot, loop.Op(loop.Sub, read(slot), loop.Int(w.KH))) })
				base := read(b.Var("base", loop.Scaled(read(slot), row)))
				b.For("kx", left, right, 1, func(kx loop.Expr) {
					table := loop.Sum(base, loop.Scaled(loop.Sum(v[1], kx), k.groups*k.tableBytes()))
					do(run{table, loop.Scaled(loop.Sum(loop.Scaled(ky, w.KW), kx), k.groups), k.groups})
				})
			})
		})
		b.Return(loop.Int(0))
	})
}

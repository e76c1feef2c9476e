package pairs

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// pairKernel writes convolutions whose codes look up the sums of two pixels in a word, a
// few words at once; Plan describes the tables. The result is computed in blocks, from one
// block of groups after the other; sums stay in scratch until all groups are added.
type pairKernel struct {
	g         *emit.Generator
	w         geometry.Window
	elem      ir.Elem
	p         Plan
	planes    []*pairPlane
	book      *loop.Global // nil for odd codes
	constants *loop.Global
	rq        emit.Requant
	// Bytes at which scratch's parts begin.
	inputs, sums int
}

// pairPlane is one bit plane of the codes: of each output channel, step of groups
// and tap, those of the step's groups, whole bytes.
type pairPlane struct {
	bits int
	data *loop.Global
}

func newPairs(g *emit.Generator, p Plan) (*pairKernel, error) {
	n := g.Node
	k := &pairKernel{g: g, w: geometry.WindowOf(n), elem: n.Const(ir.AttrWeight).Type.Elem, p: p}
	k.inputs, k.sums, _ = k.p.Places()
	codes, err := emit.RowCodes(n, k.p.Inputs, k.p.Groups, k.p.Taps)
	if err != nil {
		return nil, err
	}
	planes, err := p.Pack(kernel.Of(n, g.Target))
	if err != nil {
		return nil, err
	}
	for i, data := range planes {
		k.planes = append(k.planes, &pairPlane{p.Planes()[i], g.Global(fmt.Sprintf("weight%d", i), 4, data)})
	}
	var table []byte
	if k.elem.Kind == ir.Vec {
		if table, err = n.Const(ir.AttrCodebook).Load(); err != nil {
			return nil, err
		}
		k.book = g.Global("codebook", 4, table)
	}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	for c := range bias {
		bias[c] -= int64(n.Args[0].Type.Quant.Zero) * k.weightSum(codes[c*k.p.Groups*k.p.Taps:], table)
	}
	k.rq, k.constants, err = emit.NewChannels(g, bias, false)
	return k, err
}

// weightSum is the sum of the weights that the codes of an output channel, the first
// ones, stand for: all of them, for padding and channels after the last are there as
// the zero point.
func (k *pairKernel) weightSum(codes, table []byte) (sum int64) {
	p, bits := k.p, int(k.elem.Bits)
	for _, q := range codes[:p.Groups*p.Taps] {
		for j := range p.Inputs {
			if table != nil {
				sum += int64(int8(table[int(q)*p.Inputs+j]))
				continue
			}
			sum += int64(2*(int(q)>>(j*bits)&(1<<bits-1)) - (1<<bits - 1))
		}
	}
	return sum
}

// Pack lays the codes out in bit planes.
func (p Plan) Pack(l kernel.Layer) (planes [][]byte, err error) {
	codes, err := emit.RowCodes(l.Node, p.Inputs, p.Groups, p.Taps)
	if err != nil {
		return nil, err
	}
	low := p.Bits
	for _, bits := range p.Planes() {
		low -= bits
		data, bit := make([]byte, len(codes)*bits/8), 0
		for c := range p.OutC {
			for first := 0; first < p.Groups; first += p.Step {
				for tap := range p.Taps {
					for group := first; group < first+p.Step; group++ {
						q := codes[(c*p.Groups+group)*p.Taps+tap] >> low & (1<<bits - 1)
						data[bit/8] |= q << (bit % 8)
						bit += bits
					}
				}
			}
		}
		planes = append(planes, data)
	}
	return planes, nil
}

// Emit fills the tables and looks up, for one block of the result after the other, and
// within it for one block of groups after the other.
func (p Plan) Emit(g *emit.Generator) error {
	k, err := newPairs(g, p)
	if err != nil {
		return err
	}
	b := g.B
	fill, tabulate, look, finish := k.fill(), k.tabulate(), k.look(), k.finish()
	scratch := loop.Arg{Region: g.Scratch}
	// first is where a tile of n results of all begins; the last one may overlap the one
	// before.
	first := func(name string, i loop.Expr, n, all int) loop.Expr {
		at := loop.Scaled(i, n)
		if all%n > 0 {
			at = loop.Op(loop.SMin, at, loop.Int(all-n))
		}
		return b.Let(name, at)
	}
	tiles := func(n, all int) loop.Expr { return loop.Int((all + n - 1) / n) }
	b.For("rows", loop.Int(0), tiles(p.Rows, p.OutH), 1, func(i loop.Expr) {
		row := first("row", i, p.Rows, p.OutH)
		b.For("columns", loop.Int(0), tiles(p.Cols, p.OutW), 1, func(i loop.Expr) {
			column := first("column", i, p.Cols, p.OutW)
			k.begin()
			b.For("block", loop.Int(0), loop.Int(p.Groups/p.Block), 1, func(block loop.Expr) {
				b.For("step", loop.Int(0), loop.Int(p.Block/p.Step), 1, func(step loop.Expr) {
					group := b.Let("group", loop.Sum(loop.Scaled(block, p.Block), loop.Scaled(step, p.Step)))
					table := b.Let("table", loop.Scaled(step, p.Step*p.TableBytes()))
					b.For("i", loop.Int(0), loop.Int(p.Step), 1, func(i loop.Expr) {
						ints := []loop.Expr{loop.Sum(row, loop.Int(-k.w.PadT)), loop.Sum(column, loop.Int(-k.w.PadL)), loop.Scaled(loop.Sum(group, i), p.Inputs)}
						b.Call(fill, ints, []loop.Arg{{Region: g.Args[0]}, scratch})
						b.Call(tabulate, []loop.Expr{loop.Sum(table, loop.Scaled(i, p.EntryBytes()))}, []loop.Arg{scratch})
					})
				})
				b.Call(look, []loop.Expr{block}, []loop.Arg{scratch})
			})
			b.Call(finish, []loop.Expr{row, column}, []loop.Arg{scratch, {Region: g.Out}})
		})
	})
	return nil
}

// begin sets all sums to what takes away what entries are raised by.
func (k *pairKernel) begin() {
	b, p := k.g.B, k.p
	c := b.Cursor("sums", k.g.Scratch, loop.Int(k.sums))
	n := p.OutC * p.SumBytes() / 4
	round := 1
	for _, u := range []int{4, 2} {
		if n%u == 0 {
			round = u
			break
		}
	}
	b.For("i", loop.Int(0), loop.Int(n/round), 1, func(loop.Expr) {
		for i := range round {
			b.StoreAligned(c, loop.Int(4*i), loop.Int(-p.Taps*p.Groups*p.Raised), 4)
		}
		b.Advance(c, 4*round)
	})
}

// outside is the word of two pixels outside of the image: the zero point.
func (k *pairKernel) outside() int { return k.g.Node.Args[0].Type.Quant.Zero * (1 + 1<<16) }

// fill writes the function that puts a group of input channels into scratch, each by
// itself; what is outside of the image is the zero point, and so are channels after
// the last. Its integers are the first row, column and channel.
func (k *pairKernel) fill() *loop.Func {
	g, p, w := k.g, k.p, k.w
	x, scratch := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "scratch"}
	return g.Function("fill", []string{"first", "column", "channel"}, []*loop.Param{x, scratch}, func(v []loop.Expr) {
		b := g.B
		// Columns of a row: some left of the image, some within it.
		// A tile may lie in padding alone.
		within := func(name string, x loop.Expr) loop.Expr {
			return b.Let(name, loop.Op(loop.SMin, loop.Op(loop.SMax, x, loop.Int(0)), loop.Int(p.Row)))
		}
		left := within("left", loop.Op(loop.Sub, loop.Int(0), v[1]))
		right := within("right", loop.Op(loop.Sub, loop.Int(w.InW), v[1]))
		at := b.Let("at", loop.Scaled(loop.Sum(v[1], left), w.InC))
		to := b.Cursor("to", scratch, loop.Int(k.inputs))
		store := func(y loop.Expr) {
			b.StoreAligned(to, loop.Int(0), y, 4)
			b.Advance(to, 4)
		}
		outside := func(from, end loop.Expr) {
			b.For("px", from, end, 1, func(loop.Expr) { store(loop.Int(k.outside())) })
		}
		b.For("input", loop.Int(0), loop.Int(p.Inputs), 1, func(input loop.Expr) {
			channel := b.Let("channel", loop.Sum(v[2], input))
			there := func() {
				b.For("row", loop.Int(0), loop.Int(p.TableRows), 1, func(row loop.Expr) {
					k.row(x, loop.Sum(v[0], row), loop.Sum(at, channel), left, right, store, outside)
				})
			}
			if w.InC%p.Inputs == 0 {
				there()
			} else {
				b.If(loop.Op(loop.SLt, channel, loop.Int(w.InC)), there, func() { outside(loop.Int(0), loop.Int(p.TableRows*p.Row)) })
			}
			outside(loop.Int(0), loop.Int(p.Length-p.TableRows*p.Row))
		})
		b.Return(loop.Int(0))
	})
}

// row stores the words of a row of the image and of the one half a block further down,
// of which columns from left to right are within it, and there from a byte on.
func (k *pairKernel) row(x loop.Region, iy, at, left, right loop.Expr, store func(y loop.Expr), outside func(from, end loop.Expr)) {
	b, w, zero := k.g.B, k.w, k.g.Node.Args[0].Type.Quant.Zero
	low := b.Let("iy", iy) // its pixels are in the lower halves
	high := b.Let("iy", loop.Sum(low, loop.Int(k.p.Half)))
	inside := func(iy loop.Expr) loop.Expr { return loop.Op(loop.ULt, iy, loop.Int(w.InH)) }
	from := func(iy loop.Expr) *loop.Cursor {
		return b.Cursor("from", x, loop.Sum(loop.Scaled(iy, w.InW*w.InC), at))
	}
	value := func(c *loop.Cursor) loop.Expr {
		y := b.Let("x", loop.To(loop.SExt, loop.At(c, loop.Int(0), loop.I8), 32))
		b.Advance(c, w.InC)
		return y
	}
	raise := func(y loop.Expr) loop.Expr { return loop.Op(loop.Shl, y, loop.Int(16)) }
	each := func(word func() loop.Expr) {
		b.For("px", left, right, 1, func(loop.Expr) { store(word()) })
	}
	outside(loop.Int(0), left)
	b.If(inside(low), func() {
		c := from(low)
		b.If(inside(high), func() {
			d := from(high)
			each(func() loop.Expr {
				y := value(c)
				return loop.Sum(y, raise(value(d)))
			})
		}, func() { each(func() loop.Expr { return loop.Sum(value(c), loop.Int(zero<<16)) }) })
	}, func() {
		b.If(inside(high), func() {
			d := from(high)
			each(func() loop.Expr { return loop.Sum(raise(value(d)), loop.Int(zero)) })
		}, func() { outside(left, right) })
	})
	outside(right, loop.Int(k.p.Row))
}

// tabulate writes the function that makes the table of a group, a word of each entry
// after the other. Its integer is the byte in scratch of the table, whose entries lie
// between those of its step's other groups: within reach of one address.
func (k *pairKernel) tabulate() *loop.Func {
	g, p := k.g, k.p
	scratch := &loop.Param{Name: "scratch"}
	return g.Function("tabulate", []string{"to"}, []*loop.Param{scratch}, func(v []loop.Expr) {
		b := g.B
		b.For("at", loop.Int(0), loop.Int(p.EntryBytes()), 4, func(at loop.Expr) {
			from := b.Cursor("from", scratch, loop.Sum(at, loop.Int(k.inputs)))
			to := b.Cursor("to", scratch, loop.Sum(at, v[0]))
			inputs := make([]loop.Expr, p.Inputs)
			for i := range inputs {
				inputs[i] = b.Let("x", &loop.Load{From: from, Offset: loop.Int(0), T: loop.I32, Align: 4})
				b.Advance(from, p.EntryBytes())
			}
			if k.book == nil {
				k.oddEntries(to, inputs)
				return
			}
			row := b.Cursor("row", k.book, loop.Int(0))
			b.For("entry", loop.Int(0), loop.Int(p.Entries), 1, func(loop.Expr) {
				sum := b.Var("sum", loop.Int(k.raised()))
				for i, x := range inputs {
					t := loop.To(loop.SExt, loop.At(row, loop.Int(i), loop.I8), 32)
					b.Set(sum, loop.Sum(sum.Get(), loop.Op(loop.Mul, t, x)))
				}
				b.Advance(row, p.Inputs)
				b.StoreAligned(to, loop.Int(0), sum.Get(), 4)
				b.Advance(to, p.Step*p.EntryBytes())
			})
		})
		b.Return(loop.Int(0))
	})
}

// raised is what is added to an entry's word.
func (k *pairKernel) raised() int { return k.p.Raised * (1 + 1<<16) }

// oddEntries makes the entries of a group of odd codes.
func (k *pairKernel) oddEntries(to *loop.Cursor, inputs []loop.Expr) {
	b, p, bits := k.g.B, k.p, int(k.elem.Bits)
	all := inputs[0]
	for _, x := range inputs[1:] {
		all = loop.Sum(all, x)
	}
	least := b.Let("sum", loop.Op(loop.Sub, loop.Int(k.raised()), loop.Op(loop.Mul, all, loop.Int(1<<bits-1))))
	emit.OddEntries(b, to, p.Step*p.EntryBytes(), p.Bits, least, func(bit int) loop.Expr {
		return loop.Op(loop.Shl, inputs[bit/bits], loop.Int(1+bit%bits))
	})
}

// look writes the function that adds what the codes of a block of groups look up to
// the sums of all channels: its integer.
func (k *pairKernel) look() *loop.Func {
	g, p := k.g, k.p
	scratch := &loop.Param{Name: "scratch"}
	return g.Function("look", []string{"block"}, []*loop.Param{scratch}, func(v []loop.Expr) {
		b := g.B
		sums := b.Cursor("sums", scratch, loop.Int(k.sums))
		// One multiply-add makes an address; of a constant, shifts and additions would.
		entry := b.Let("size", loop.Instr("opaque", loop.Int(p.Step*p.EntryBytes())))
		b.For("channel", loop.Int(0), loop.Int(p.OutC), 1, func(c loop.Expr) {
			first := b.Let("first", loop.Sum(loop.Scaled(c, p.Groups*p.Taps), loop.Scaled(v[0], p.Block*p.Taps))) // code
			b.For("y", loop.Int(0), loop.Int(p.Half), 1, func(y loop.Expr) {
				row := b.Cursor("row", scratch, loop.Scaled(y, 4*p.Row))
				b.For("x", loop.Int(0), loop.Int(p.Pitch), p.Wide, func(loop.Expr) {
					k.tile(row, first, entry, sums)
					b.Advance(row, 4*p.Wide)
					b.Advance(sums, 4*p.Wide)
				})
			})
			b.Advance(sums, p.SumBytes()/2)
		})
		b.Return(loop.Int(0))
	})
}

// tile adds what the codes from one on look up to the sums of a tile, whose tables
// begin at a cursor.
func (k *pairKernel) tile(at *loop.Cursor, first, entry loop.Expr, sums *loop.Cursor) {
	b, p := k.g.B, k.p
	table := b.Cursor("table", at, loop.Int(0))
	var ws []*loop.Cursor
	for _, plane := range k.planes {
		ws = append(ws, b.Cursor("w", plane.data, loop.Op(loop.LShr, loop.Scaled(first, plane.bits), loop.Int(3))))
	}
	acc := make([]*loop.Var, p.Wide)
	for i := range acc {
		acc[i] = b.Var("acc", loop.Int(0))
	}
	steps, chunks := p.Block/p.Step, 1
	if p.Chunk < p.Step*p.Taps {
		chunks = k.w.KH
	}
	chunk := func(flush func()) {
		n := 0
		for tap := range p.Taps / chunks {
			k.tap(table, ws, entry, acc, tap, func() {
				if n++; flush != nil && n%p.Together == 0 && n < p.Chunk {
					flush()
				}
			})
		}
		for i, plane := range k.planes {
			b.Advance(ws[i], p.Chunk*plane.bits/8)
		}
	}
	next := func() { b.Advance(table, p.Step*p.TableBytes()) }
	if chunks > 1 {
		next = func() { b.Advance(table, p.Step*p.TableBytes()-chunks*4*k.w.DilH*p.Row) }
	}
	down := func() {
		if chunks > 1 {
			b.Advance(table, 4*k.w.DilH*p.Row)
		}
	}
	each := func(n int, do func()) {
		if n == 1 {
			do()
			return
		}
		b.For("step", loop.Int(0), loop.Int(n), 1, func(loop.Expr) { do() })
	}
	add := func(i int, x loop.Expr) {
		sum := &loop.Load{From: sums, Offset: loop.Int(4 * i), T: loop.I32, Align: 4}
		b.StoreAligned(sums, loop.Int(4*i), loop.Sum(sum, x), 4)
	}
	low := func(v *loop.Var) loop.Expr { return loop.Op(loop.And, v.Get(), loop.Int(1<<16-1)) }
	high := func(v *loop.Var) loop.Expr { return loop.Op(loop.LShr, v.Get(), loop.Int(16)) }
	together := p.Flush() // codes that are added in halves
	if together == p.Block*p.Taps {
		each(steps, func() {
			each(chunks, func() { chunk(nil); down() })
			next()
		})
		for i, v := range acc {
			add(i, low(v))
			add(i+p.Rows*p.Pitch/2, high(v))
		}
		return
	}
	wide := make([]*loop.Var, 2*p.Wide)
	for i := range wide {
		wide[i] = b.Var("wide", loop.Int(0))
	}
	flush := func() {
		for i, v := range acc {
			b.Set(wide[i], loop.Sum(wide[i].Get(), low(v)))
			b.Set(wide[p.Wide+i], loop.Sum(wide[p.Wide+i].Get(), high(v)))
			b.Set(v, loop.Int(0))
		}
	}
	switch {
	case together < p.Chunk:
		each(steps, func() {
			each(chunks, func() { chunk(flush); flush(); down() })
			next()
		})
	case together < p.Step*p.Taps:
		each(steps, func() {
			each(chunks, func() { chunk(nil); flush(); down() })
			next()
		})
	default: // whole steps
		n := together / (p.Step * p.Taps)
		each(steps/n, func() {
			each(n, func() {
				each(chunks, func() { chunk(nil); down() })
				next()
			})
			flush()
		})
	}
	for i := range acc {
		add(i, wide[i].Get())
		add(i+p.Rows*p.Pitch/2, wide[p.Wide+i].Get())
	}
}

// tap adds the entries of a tap's codes of a step to a tile's sums; added is called
// after each code. The tap is one of its row where rows of taps are chunks.
func (k *pairKernel) tap(table *loop.Cursor, ws []*loop.Cursor, size loop.Expr, acc []*loop.Var, tap int, added func()) {
	b, p := k.g.B, k.p
	at := 4 * (tap/k.w.KW*k.w.DilH*p.Row + tap%k.w.KW*k.w.DilW)
	words := make([]loop.Expr, len(ws))
	for i, plane := range k.planes {
		t := loop.Type{Bits: p.Step * plane.bits, Lanes: 1}
		v := loop.Expr(&loop.Load{From: ws[i], Offset: loop.Int(tap * t.Bytes()), T: t, Align: t.Bytes()})
		if t.Bits < 32 {
			v = loop.To(loop.ZExt, v, 32)
		}
		words[i] = b.Let("word", v)
	}
	for group := range p.Step {
		var code loop.Expr
		for i, plane := range k.planes {
			q := words[i]
			if plane.bits < 8 {
				q = loop.Instr("ubfx", loop.Int(group*plane.bits), loop.Int(plane.bits), q)
			}
			if code != nil {
				q = loop.Op(loop.Or, loop.Op(loop.Shl, code, loop.Int(plane.bits)), q)
			}
			code = q
		}
		b.Fence()
		entry := b.Cursor("entry", table, loop.Times(b.Let("code", code), size))
		entries := make([]loop.Expr, len(acc))
		for i := range acc {
			entries[i] = b.Let("e", &loop.Load{From: entry, Offset: loop.Int(at + group*p.EntryBytes() + 4*i), T: loop.I32, Align: 4})
		}
		for i, v := range acc {
			b.Set(v, loop.Sum(v.Get(), entries[i]))
		}
		added()
	}
}

// finish writes the function that makes results of the sums; its integers are the
// tile's first row and column.
func (k *pairKernel) finish() *loop.Func {
	g, p := k.g, k.p
	scratch := &loop.Param{Name: "scratch"}
	return g.Function("finish", []string{"row", "column"}, []*loop.Param{scratch, g.Out}, func(v []loop.Expr) {
		b := g.B
		cs := k.rq.Cursors(k.constants, loop.Int(0))
		sums := b.Cursor("sums", scratch, loop.Int(k.sums))
		wide := p.OutW / p.PoolW
		at := b.Let("at", loop.Scaled(loop.Sum(loop.Scaled(pooled(v[0], p.PoolH), wide), pooled(v[1], p.PoolW)), p.OutC))
		b.For("channel", loop.Int(0), loop.Int(p.OutC), 1, func(c loop.Expr) {
			q := cs.Load(0, 1)
			b.For("y", loop.Int(0), loop.Int(p.Rows/p.PoolH), 1, func(y loop.Expr) {
				to := b.Cursor("to", g.Out, loop.Sum(at, loop.Scaled(y, wide*p.OutC), c))
				row := b.Cursor("row", sums, loop.Int(0))
				b.For("x", loop.Int(0), loop.Int(p.Cols/p.PoolW), 1, func(loop.Expr) {
					var best loop.Expr
					for i := range p.PoolH * p.PoolW {
						sum := loop.Expr(b.Let("sum", &loop.Load{From: row, Offset: loop.Int(4 * (i/p.PoolW*p.Pitch + i%p.PoolW)), T: loop.I32, Align: 4}))
						if best != nil {
							sum = b.Let("best", loop.Op(loop.SMax, best, sum))
						}
						best = sum
					}
					b.Store(to, loop.Int(0), loop.To(loop.Trunc, q.Result(loop.Sum(best, q.Bias)), 8))
					b.Advance(to, p.OutC)
					b.Advance(row, 4*p.PoolW)
				})
				b.Advance(sums, 4*p.PoolH*p.Pitch)
			})
			cs.Advance(1)
		})
		b.Return(loop.Int(0))
	})
}

// pooled divides what is a multiple of a pool's size by it.
func pooled(e loop.Expr, n int) loop.Expr {
	if n == 1 {
		return e
	}
	return loop.Op(loop.UDiv, e, loop.Int(n))
}

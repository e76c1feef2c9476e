package pixels

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// pixels writes convolutions whose codes look up the sums of eight pixels at once:
// Plan says how its tables lie. Rows of the result come in blocks, and
// where the tables of all groups of inputs are too large, groups do; then the sums
// wait in scratch.
//
// A code is decoded to the byte of its entry, of its tap's first pixel in it, in
// the tables of its group: what is left for the inner loop is to add that.
type pixels struct {
	g         *emit.Generator
	w         geometry.Window
	elem      ir.Elem
	p         Plan
	planes    []*pixelPlane
	book      *loop.Global // rows of whole eights of weights; nil for odd codes
	rowBytes  int          // of the codebook
	pads      *loop.Global // differences of each input channel's padding from the zero point; nil where it is 0
	constants *loop.Global
	rq        emit.Requant
	scratch   loop.Region // of the function that is being written
	// Bytes at which scratch's parts begin.
	inputs, codes, results, sums int
}

// pixelPlane is one bit plane of the codes: part after part, tile of channels after
// tile, step after step.
type pixelPlane struct {
	bits int
	at   []int // byte at which each part begins
	data *loop.Global
}

// parts are output channels whose codes lie together: tiles of 16 and of eight,
// whose codes of one bit are whole bytes, and single ones.
func (p Plan) parts() []emit.Part { return emit.Parts(p.OutC, tileChannels, 8, 1) }

func newPixels(g *emit.Generator, p Plan) (*pixels, error) {
	n := g.Node
	k := &pixels{g: g, w: geometry.WindowOf(n), elem: n.Const(ir.AttrWeight).Type.Elem, p: p}
	k.inputs, k.codes, k.results, k.sums, _ = k.p.Places()
	planes, err := p.Pack(kernel.Of(n, g.Target))
	if err != nil {
		return nil, err
	}
	for i, data := range planes {
		bits := p.Planes()[i]
		k.planes = append(k.planes, &pixelPlane{bits, p.partsAt(bits), g.Global(fmt.Sprintf("weight%d", i), 4, data)})
	}
	if k.elem.Kind == ir.Vec {
		table, err := n.Const(ir.AttrCodebook).Load()
		if err != nil {
			return nil, err
		}
		k.rowBytes = (k.p.Inputs + 7) / 8 * 8
		rows := make([]byte, k.p.Entries*k.rowBytes)
		for i, v := range table {
			rows[i/k.p.Inputs*k.rowBytes+i%k.p.Inputs] = v
		}
		k.book = g.Global("codebook", 8, rows)
	}
	if v := n.Nums(ir.AttrPadValue); v != nil {
		x := make([]int64, k.p.Groups*k.p.Inputs)
		for i, pad := range v {
			x[i] = int64(pad) - int64(n.Args[0].Type.Quant.Zero)
		}
		k.pads = g.Ints("pads", 16, x)
	}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	k.rq, k.constants, err = emit.NewChannels(g, bias, true)
	return k, err
}

// partsAt is the byte of a plane of some bits at which each part begins.
func (p Plan) partsAt(bits int) (at []int) {
	bit := 0
	for _, part := range p.parts() {
		at = append(at, bit/8)
		bit += (part.To - part.From) * p.Groups * p.Taps * bits
	}
	return at
}

// Pack lays the codes of each row out in bit planes. In a tile of channels a plane
// of p bits has, for each step, channel j at byte j%m and bit p*(j/m), m being the
// step's bytes.
func (p Plan) Pack(l kernel.Layer) (planes [][]byte, err error) {
	codes, err := emit.RowCodes(l.Node, p.Inputs, p.Groups, p.Taps)
	if err != nil {
		return nil, err
	}
	steps, low := p.Groups*p.Taps, p.Bits
	for _, bits := range p.Planes() {
		low -= bits
		data, bit := make([]byte, (len(codes)*bits+7)/8), 0
		for _, part := range p.parts() {
			bytes := max(1, part.Channels*bits/8)
			for t := part.From; t < part.To; t += part.Channels {
				for step := range steps {
					for j := range part.Channels {
						q := codes[(t+j)*steps+step] >> low & (1<<bits - 1)
						to := bit + j%bytes*8 + j/bytes*bits
						if part.Channels == 1 {
							to = bit
						}
						data[to/8] |= q << (to % 8)
					}
					bit += part.Channels * bits
				}
			}
		}
		planes = append(planes, data)
	}
	return planes, nil
}

// Emit fills the tables, decodes the codes and looks up, for one block of rows after the
// other, and within it for one block of groups after the other.
func (p Plan) Emit(g *emit.Generator) error {
	k, err := newPixels(g, p)
	if err != nil {
		return err
	}
	b := g.B
	fill, tabulate := k.fill(), k.tabulate()
	var decode []*loop.Func // of each part
	for _, pt := range p.parts() {
		var f *loop.Func
		if pt.From < pt.To {
			f = k.decode(pt)
		}
		decode = append(decode, f)
	}
	look, finish := k.look(), k.finish()
	if k.pads == nil {
		b.For("i", loop.Int(0), loop.Int(p.Chunk*p.Length/lanes), 1, func(i loop.Expr) {
			b.StoreAligned(g.Scratch, loop.Sum(loop.Scaled(i, 16), loop.Int(k.inputs)), loop.Num(loop.I16.Vec(8), 0), 2)
		})
	}
	scratch := loop.Arg{Region: g.Scratch}
	b.For("rows", loop.Int(0), loop.Int(p.OutH/p.Rows), 1, func(i loop.Expr) {
		first := b.Let("first", loop.Sum(loop.Scaled(i, p.Rows), loop.Int(-k.w.PadT)))
		at := b.Let("at", loop.Scaled(i, p.Rows/p.PoolH*p.OutW/p.PoolW*p.OutC))
		if k.waiting() {
			k.begin()
		}
		b.For("block", loop.Int(0), loop.Int(p.Groups/p.Block), 1, func(block loop.Expr) {
			chunk := p.Chunk / p.Inputs // groups
			b.For("chunk", loop.Int(0), loop.Int(p.Block/chunk), 1, func(c loop.Expr) {
				group := b.Let("group", loop.Sum(loop.Scaled(block, p.Block), loop.Scaled(c, chunk)))
				b.Call(fill, []loop.Expr{first, loop.Scaled(group, p.Inputs)}, []loop.Arg{{Region: g.Args[0]}, scratch})
				b.For("j", loop.Int(0), loop.Int(chunk), 1, func(j loop.Expr) {
					from := loop.Sum(loop.Scaled(j, p.Inputs*p.EntryBytes()), loop.Int(k.inputs))
					b.Call(tabulate, []loop.Expr{from, loop.Scaled(loop.Sum(loop.Scaled(c, chunk), j), p.TableBytes())}, []loop.Arg{scratch})
				})
			})
			for _, pt := range p.parts() {
				b.For("tile", loop.Int(0), loop.Int((pt.To-pt.From)/pt.Channels), 1, func(t loop.Expr) {
					b.Call(decode[pt.Index], []loop.Expr{t, block}, []loop.Arg{scratch})
					c := loop.Sum(loop.Scaled(t, pt.Channels), loop.Int(pt.From))
					b.Call(look, []loop.Expr{c, loop.Int(pt.Channels), at}, []loop.Arg{scratch, {Region: g.Out}})
				})
			}
		})
		if finish != nil {
			b.Call(finish, []loop.Expr{at}, []loop.Arg{scratch, {Region: g.Out}})
		}
	})
	return nil
}

// fill writes the function that puts a chunk of input channels into scratch, each
// by itself, as differences from the zero point; what is outside of the image is 0, or
// the channel's padding, and channels after the last are 0. Its integers are the first row and the first
// channel.
func (k *pixels) fill() *loop.Func {
	g, p, w := k.g, k.p, k.w
	x, scratch := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "scratch"}
	size := p.EntryBytes()
	zero := int64(g.Node.Args[0].Type.Quant.Zero)
	return g.Function("fill", []string{"first", "channel"}, []*loop.Param{x, scratch}, func(v []loop.Expr) {
		b := g.B
		if k.pads != nil {
			to := b.Cursor("to", scratch, loop.Int(k.inputs))
			b.For("i", loop.Int(0), loop.Int(p.Chunk), 1, func(i loop.Expr) {
				at := loop.Scaled(loop.Sum(v[1], i), 2)
				pad := b.Let("pad", &loop.Splat{A: &loop.Load{From: k.pads, Offset: at, T: loop.I16, Align: 2}, Lanes: lanes})
				b.For("px", loop.Int(0), loop.Int(p.Length), lanes, func(loop.Expr) {
					b.StoreAligned(to, loop.Int(0), pad, 2)
					b.Advance(to, 2*lanes)
				})
			})
		}
		b.For("row", loop.Int(0), loop.Int(p.TableRows), 1, func(row loop.Expr) {
			iy := b.Let("iy", loop.Sum(v[0], row))
			to := b.Let("to", loop.Sum(loop.Scaled(row, 2*p.Row), loop.Int(k.inputs+2*w.PadL)))
			from := func(px loop.Expr) loop.Expr {
				return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(iy, w.InW), px), w.InC), v[1])
			}
			clear := func(first loop.Expr) {
				if k.pads != nil {
					return // they are there
				}
				b.For("i", first, loop.Int(p.Chunk), 1, func(i loop.Expr) {
					c := b.Cursor("zero", scratch, loop.Sum(to, loop.Scaled(i, size)))
					b.For("px", loop.Int(0), loop.Int(w.InW), 1, func(loop.Expr) {
						b.StoreAligned(c, loop.Int(0), loop.Num(loop.I16, 0), 2)
						b.Advance(c, 2)
					})
				})
			}
			b.If(loop.Op(loop.ULt, iy, loop.Int(w.InH)), func() {
				if p.Chunk%8 == 0 && w.InC%8 == 0 && w.InW >= lanes {
					k.turned(x, scratch, from, to)
					return
				}
				there := loop.Expr(loop.Int(p.Chunk))
				if w.InC%p.Chunk > 0 {
					there = b.Let("there", loop.Op(loop.SMin, there, loop.Op(loop.Sub, loop.Int(w.InC), v[1])))
				}
				c := b.Cursor("from", x, from(loop.Int(0)))
				b.For("px", loop.Int(0), loop.Int(w.InW), 1, func(px loop.Expr) {
					plane := b.Cursor("to", scratch, loop.Sum(to, loop.Scaled(px, 2)))
					b.For("i", loop.Int(0), there, 1, func(i loop.Expr) {
						d := loop.Op(loop.Sub, loop.To(loop.SExt, loop.At(c, i, loop.I8), 16), loop.Num(loop.I16, zero))
						b.StoreAligned(plane, loop.Int(0), d, 2)
						b.Advance(plane, size)
					})
					b.Advance(c, w.InC)
				})
				if w.InC%p.Chunk > 0 {
					clear(there)
				}
			}, func() { clear(loop.Int(0)) })
		})
		b.Return(loop.Int(0))
	})
}

// turned turns eights of channels of a row, eight pixels at a time.
func (k *pixels) turned(x, scratch loop.Region, from func(px loop.Expr) loop.Expr, to loop.Expr) {
	b, w, size := k.g.B, k.w, k.p.EntryBytes()
	zero := loop.Num(loop.I16.Vec(8), int64(k.g.Node.Args[0].Type.Quant.Zero))
	b.For("px", loop.Int(0), loop.Int(w.InW), lanes, func(px loop.Expr) {
		if w.InW%lanes > 0 { // the last eight overlap those before
			px = b.Let("px", loop.Op(loop.SMin, px, loop.Int(w.InW-lanes)))
		}
		plane := b.Cursor("plane", scratch, loop.Sum(to, loop.Scaled(px, 2)))
		for eight := 0; eight < k.p.Chunk; eight += 8 {
			c := b.Cursor("from", x, loop.Sum(from(px), loop.Int(eight)))
			v := make([]loop.Expr, lanes)
			for i := range v {
				v[i] = b.Let("v", loop.At(c, loop.Int(0), loop.I8.Vec(8)))
				b.Advance(c, w.InC)
			}
			for n := len(v) / 2; n > 0; n /= 2 {
				for i := range n {
					t := v[i].Type()
					v[i] = b.Let("v", &loop.Named{Name: "zip", Args: []loop.Expr{v[i], v[i+n]}, T: t.Vec(2 * t.Lanes)})
				}
			}
			for i := range 8 {
				d := loop.Op(loop.Sub, loop.To(loop.SExt, emit.Some(v[0], 8*i, 8), 16), zero)
				b.StoreAligned(plane, loop.Int(0), d, 2)
				b.Advance(plane, size)
			}
		}
	})
}

// tabulate writes the function that makes the table of a group, eight pixels after
// the other. Its integers are the bytes in scratch of the group's inputs and of the
// table.
func (k *pixels) tabulate() *loop.Func {
	g, p := k.g, k.p
	scratch := &loop.Param{Name: "scratch"}
	t := loop.I16.Vec(lanes)
	size := p.EntryBytes()
	return g.Function("tabulate", []string{"from", "to"}, []*loop.Param{scratch}, func(v []loop.Expr) {
		b := g.B
		b.For("px", loop.Int(0), loop.Int(p.Length), lanes, func(px loop.Expr) {
			from := b.Cursor("from", scratch, loop.Sum(v[0], loop.Scaled(px, 2)))
			at := loop.Sum(v[1], loop.Scaled(px, 2))
			for first := 0; first < p.Inputs; first += 8 {
				inputs := make([]loop.Expr, min(8, p.Inputs-first))
				for i := range inputs {
					inputs[i] = b.Let("x", &loop.Load{From: from, Offset: loop.Int(0), T: t, Align: 2})
					b.Advance(from, size)
				}
				to := b.Cursor("to", scratch, at)
				if k.book == nil {
					k.oddEntries(to, inputs)
					continue
				}
				row := b.Cursor("row", k.book, loop.Int(first))
				b.For("entry", loop.Int(0), loop.Int(p.Entries/2), 1, func(loop.Expr) {
					for range 2 {
						weights := b.Let("weights", loop.To(loop.SExt, loop.At(row, loop.Int(0), loop.I8.Vec(8)), 16))
						b.Advance(row, k.rowBytes)
						var sum *loop.Var
						if first > 0 {
							sum = b.Var("sum", &loop.Load{From: to, Offset: loop.Int(0), T: t, Align: 2})
						}
						for i, x := range inputs {
							y := loop.Op(loop.Mul, x, &loop.Splat{A: &loop.Extract{A: weights, Lane: i}, Lanes: t.Lanes})
							if sum == nil {
								sum = b.Var("sum", y)
								continue
							}
							b.Set(sum, loop.Sum(sum.Get(), y))
						}
						b.StoreAligned(to, loop.Int(0), sum.Get(), 2)
						b.Advance(to, size)
					}
				})
			}
		})
		b.Return(loop.Int(0))
	})
}

// oddEntries makes the entries of odd codes, each the sum of another one and twice
// a power of two times an input, in their order.
func (k *pixels) oddEntries(to *loop.Cursor, inputs []loop.Expr) {
	b, t, bits := k.g.B, loop.I16.Vec(lanes), int(k.elem.Bits)
	all := inputs[0]
	for _, x := range inputs[1:] {
		all = loop.Sum(all, x)
	}
	least := b.Let("sum", loop.Op(loop.Sub, loop.Num(t, 0), loop.Op(loop.Mul, all, loop.Num(t, 1<<bits-1))))
	steps := make([]loop.Expr, k.p.Bits)
	for i := range steps {
		steps[i] = b.Let("step", loop.Op(loop.Shl, inputs[i/bits], loop.Num(t, int64(1+i%bits))))
	}
	var entries func(bit int, sum loop.Expr)
	entries = func(bit int, sum loop.Expr) {
		if bit < 0 {
			b.StoreAligned(to, loop.Int(0), sum, 2)
			b.Advance(to, k.p.EntryBytes())
			return
		}
		entries(bit-1, sum)
		entries(bit-1, b.Let("sum", loop.Sum(sum, steps[bit])))
	}
	entries(len(steps)-1, least)
}

// eachStep calls do for each step of a block, with the byte of the tap's first pixel
// in the tables of its group.
func (k *pixels) eachStep(do func(step, at loop.Expr)) {
	b, w := k.g.B, k.w
	step := b.Var("step", loop.Int(0))
	b.For("group", loop.Int(0), loop.Int(k.p.Block), 1, func(group loop.Expr) {
		b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
			row := b.Let("row", loop.Sum(loop.Scaled(group, k.p.TableBytes()), loop.Scaled(ky, 2*w.DilH*k.p.Row)))
			b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(kx loop.Expr) {
				do(step.Get(), loop.Sum(row, loop.Scaled(kx, 2*w.DilW)))
				b.Set(step, loop.Sum(step.Get(), loop.Int(1)))
			})
		})
	})
}

// decode writes the function that decodes the codes of a tile of channels for a
// block of groups, its integers: to the bytes of entries in the tables.
func (k *pixels) decode(pt emit.Part) *loop.Func {
	g, p := k.g, k.p
	scratch := &loop.Param{Name: "scratch"}
	return g.Function(fmt.Sprintf("decode%d", pt.Channels), []string{"tile", "block"}, []*loop.Param{scratch}, func(v []loop.Expr) {
		b := g.B
		steps := loop.Scaled(v[0], p.Groups*p.Taps)
		first := b.Let("first", loop.Sum(steps, loop.Scaled(v[1], p.Steps())))
		to := b.Cursor("to", scratch, loop.Int(k.codes))
		var from []*loop.Cursor
		for _, plane := range k.planes {
			if pt.Channels > 1 {
				from = append(from, b.Cursor("w", plane.data, loop.Sum(loop.Scaled(first, pt.Channels*plane.bits/8), loop.Int(plane.at[pt.Index]))))
			}
		}
		k.eachStep(func(step, at loop.Expr) {
			var code loop.Expr
			for i, plane := range k.planes {
				q := k.single(plane, pt, loop.Sum(first, step))
				if pt.Channels > 1 {
					q = k.several(plane, pt, from[i])
				}
				if code == nil {
					code = q
				} else {
					code = loop.Op(loop.Or, loop.Op(loop.Shl, code, loop.Num(code.Type(), int64(plane.bits))), q)
				}
			}
			t := loop.I16.Vec(pt.Channels)
			code = loop.Op(loop.Mul, loop.To(loop.ZExt, b.Let("code", code), 16), loop.Num(t, int64(p.EntryBytes())))
			code = loop.Sum(code, &loop.Splat{A: loop.To(loop.Trunc, at, 16), Lanes: t.Lanes})
			b.StoreAligned(to, loop.Int(0), code, 2)
			b.Advance(to, 2*tileChannels)
		})
		b.Return(loop.Int(0))
	})
}

// several are a step's codes of one plane, at a cursor.
func (k *pixels) several(plane *pixelPlane, pt emit.Part, from *loop.Cursor) loop.Expr {
	b, bytes := k.g.B, pt.Channels*plane.bits/8
	var v loop.Expr
	if bytes == 1 {
		v = &loop.Splat{A: loop.At(from, loop.Int(0), loop.I8), Lanes: pt.Channels}
	} else {
		v = loop.At(from, loop.Int(0), loop.I8.Vec(bytes))
	}
	v = b.Let("plane", v)
	b.Advance(from, bytes)
	if plane.bits == 8 {
		return v
	}
	mask, shifts := make([]int, pt.Channels), make([]int64, pt.Channels)
	for j := range mask {
		mask[j], shifts[j] = j%bytes, int64(j/bytes*plane.bits)
	}
	if bytes > 1 {
		v = &loop.Shuffle{A: v, Mask: mask}
	}
	t := loop.I8.Vec(pt.Channels)
	return loop.Op(loop.And, loop.Op(loop.LShr, v, &loop.Lanes{T: t, Values: shifts}), loop.Num(t, 1<<plane.bits-1))
}

// single is one of the codes that follow one by one.
func (k *pixels) single(plane *pixelPlane, pt emit.Part, step loop.Expr) loop.Expr {
	if pt.Channels > 1 {
		return nil
	}
	bit := loop.Sum(loop.Scaled(step, plane.bits), loop.Int(8*plane.at[pt.Index]))
	v := loop.At(plane.data, loop.Op(loop.LShr, bit, loop.Int(3)), loop.I8)
	if plane.bits == 8 {
		return v
	}
	shift := loop.To(loop.Trunc, loop.Op(loop.And, bit, loop.Int(7)), 8)
	return loop.Op(loop.And, loop.Op(loop.LShr, v, shift), loop.Num(loop.I8, 1<<plane.bits-1))
}

// waiting reports whether sums wait in scratch for further groups.
func (k *pixels) waiting() bool { return k.p.Block < k.p.Groups }

// channelSums is the bytes of a channel's sums in scratch.
func (k *pixels) channelSums() int { return 4 * lanes * k.p.Vectors() }

// begin sets the sums of all channels to 0.
func (k *pixels) begin() {
	b := k.g.B
	c := b.Cursor("sums", k.g.Scratch, loop.Int(k.sums))
	b.For("i", loop.Int(0), loop.Int(k.p.OutC*k.channelSums()/32), 1, func(loop.Expr) {
		for range 2 {
			b.StoreAligned(c, loop.Int(0), loop.Num(loop.I32.Vec(4), 0), 4)
			b.Advance(c, 16)
		}
	})
}

// look writes the function that adds what the codes of some channels look up to
// their sums, or makes results of the sums where no groups are left. Its integers
// are the first channel, their number, and the byte of the block's first result.
func (k *pixels) look() *loop.Func {
	g := k.g
	scratch := &loop.Param{Name: "scratch"}
	k.scratch = scratch
	return g.Function("look", []string{"first", "channels", "at"}, []*loop.Param{scratch, g.Out}, func(v []loop.Expr) {
		b := g.B
		var cs *emit.ChannelCursors
		y := b.Var("y", loop.Sum(v[2], v[0]))
		sums := b.Cursor("sums", scratch, loop.Sum(loop.Scaled(v[0], k.channelSums()), loop.Int(k.sums)))
		if !k.waiting() {
			cs = k.rq.Cursors(k.constants, v[0])
		}
		b.For("channel", loop.Int(0), v[1], 1, func(c loop.Expr) {
			k.eachTile(y.Get(), func(vectors int, table loop.Expr, results func(acc []*loop.Var)) {
				acc := make([]*loop.Var, vectors)
				for i := range acc {
					start := loop.Expr(loop.Num(loop.I32.Vec(lanes), 0))
					if k.waiting() {
						start = &loop.Load{From: sums, Offset: loop.Int(32 * i), T: loop.I32.Vec(lanes), Align: 4}
					}
					acc[i] = b.Var("acc", start)
				}
				k.sum(b.Cursor("w", scratch, loop.Sum(loop.Scaled(c, 2), loop.Int(k.codes))), b.Cursor("table", scratch, table), acc)
				if !k.waiting() {
					results(acc)
					return
				}
				for _, v := range acc {
					b.StoreAligned(sums, loop.Int(0), emit.Some(v.Get(), 0, 4), 4)
					b.Advance(sums, 16)
					b.StoreAligned(sums, loop.Int(0), emit.Some(v.Get(), 4, 4), 4)
					b.Advance(sums, 16)
				}
			}, cs)
			b.Set(y, loop.Sum(y.Get(), loop.Int(1)))
			if cs != nil {
				cs.Advance(1)
			}
		})
		b.Return(loop.Int(0))
	})
}

// finish writes the function that makes results of the sums in scratch, nil where
// none wait there. Its integer is the byte of the block's first result.
func (k *pixels) finish() *loop.Func {
	if !k.waiting() {
		return nil
	}
	g := k.g
	scratch := &loop.Param{Name: "scratch"}
	k.scratch = scratch
	return g.Function("finish", []string{"at"}, []*loop.Param{scratch, g.Out}, func(v []loop.Expr) {
		b := g.B
		cs := k.rq.Cursors(k.constants, loop.Int(0))
		sums := b.Cursor("sums", scratch, loop.Int(k.sums))
		b.For("channel", loop.Int(0), loop.Int(k.p.OutC), 1, func(c loop.Expr) {
			k.eachTile(loop.Sum(v[0], c), func(vectors int, _ loop.Expr, results func(acc []*loop.Var)) {
				acc := make([]*loop.Var, vectors)
				for i := range acc {
					acc[i] = b.Var("acc", &loop.Load{From: sums, Offset: loop.Int(0), T: loop.I32.Vec(lanes), Align: 4})
					b.Advance(sums, 32)
				}
				results(acc)
			}, cs)
			cs.Advance(1)
		})
		b.Return(loop.Int(0))
	})
}

// eachTile calls do for each tile of an output channel: with its vectors, the byte
// of its first pixel in the tables, and what makes results of its sums, which lie
// from byte y on.
func (k *pixels) eachTile(y loop.Expr, do func(vectors int, table loop.Expr, results func(acc []*loop.Var)), cs *emit.ChannelCursors) {
	b, p := k.g.B, k.p
	var q emit.Channel
	if cs != nil {
		q = cs.Load(0, 1)
		if cs.Vectors {
			q = q.Spread(4)
		}
	}
	if p.Flat {
		at := 0
		for _, n := range p.tiles() {
			do(n, loop.Int(2*lanes*at), func(acc []*loop.Var) { k.flat(q, y, at, acc) })
			at += n
		}
		if cs != nil && p.PoolH*p.PoolW > 1 {
			k.pool(y)
		}
		return
	}
	wide := p.Tile / p.TileRows
	row := p.OutW / p.PoolW * p.OutC // bytes of a row of results
	b.For("ty", loop.Int(0), loop.Int(p.Rows), p.TileRows, func(ty loop.Expr) {
		b.For("tx", loop.Int(0), loop.Int(p.OutW), wide*lanes, func(tx loop.Expr) {
			table := loop.Scaled(loop.Sum(loop.Scaled(ty, p.Row), tx), 2)
			do(p.Tile, table, func(acc []*loop.Var) {
				// Rows and places are multiples of what a pool takes.
				at := loop.Sum(y, half2(loop.Scaled(ty, row), p.PoolH), half2(loop.Scaled(tx, p.OutC), p.PoolW))
				k.tile(q, b.Let("at", at), row, acc)
			})
		})
	})
}

// half2 divides by 1 or 2.
func half2(e loop.Expr, n int) loop.Expr { return loop.Op(loop.LShr, e, loop.Int(n-1)) }

// sum adds the entries that the codes from a cursor on name, in tables at another
// one, to a tile's sums.
func (k *pixels) sum(w, table *loop.Cursor, acc []*loop.Var) {
	b, p := k.g.B, k.p
	t := loop.I16.Vec(lanes)
	wide := len(acc)
	if !p.Flat {
		wide /= p.TileRows
	}
	codes := func(n int) {
		places := make([]*loop.Cursor, n)
		for i := range places {
			at := loop.To(loop.ZExt, &loop.Load{From: w, Offset: loop.Int(0), T: loop.I16, Align: 2}, 32)
			places[i] = b.Cursor("entry", table, b.Let("code", at))
			b.Advance(w, 2*tileChannels)
		}
		for v := range acc {
			b.Fence()
			var sum loop.Expr
			for _, c := range places {
				e := loop.Expr(b.Let("entries", &loop.Load{From: c, Offset: loop.Int(0), T: t, Align: 2}))
				if v+1 < len(acc) {
					move := 2 * lanes
					if v%wide == wide-1 {
						move += 2 * (p.Row - wide*lanes)
					}
					b.Advance(c, move)
				}
				if sum == nil {
					sum = e
				} else {
					sum = b.Let("sum", loop.Sum(sum, e))
				}
			}
			b.Set(acc[v], loop.Sum(acc[v].Get(), loop.To(loop.SExt, sum, 32)))
		}
	}
	round := 1 // of codes that are added together
	if p.Together == 1 {
		round = 3
	}
	n := p.Steps() / p.Together
	b.For("step", loop.Int(0), loop.Int(n/round), 1, func(loop.Expr) {
		for range round {
			codes(p.Together)
		}
	})
	for range n % round {
		codes(p.Together)
	}
	if left := p.Steps() % p.Together; left > 0 {
		codes(left)
	}
}

// fourOf is the first or the second half of a vector of eight sums.
func fourOf(v loop.Expr, i int) loop.Expr { return emit.Some(v, 4*i, 4) }

// store requantizes four sums of a channel and stores each at its place, where it has
// one.
func (k *pixels) store(q emit.Channel, sums loop.Expr, to loop.Region, place func(lane int) loop.Expr) {
	b := k.g.B
	isVector := q.Mul.Type().Lanes > 1
	if isVector {
		sums = q.Result(loop.Sum(sums, q.Bias))
	}
	all := b.Let("y", sums)
	for lane := range 4 {
		at := place(lane)
		if at == nil {
			continue
		}
		y := loop.Expr(&loop.Extract{A: all, Lane: lane})
		if !isVector {
			y = q.Result(loop.Sum(y, q.Bias))
		}
		b.Store(to, at, loop.To(loop.Trunc, y, 8))
	}
}

// tile stores the results of a tile of whole rows, the greatest of each pool.
func (k *pixels) tile(q emit.Channel, at loop.Expr, row int, acc []*loop.Var) {
	b, p := k.g.B, k.p
	wide := len(acc) / p.TileRows
	for y := 0; y < p.TileRows; y += p.PoolH {
		for x := range wide {
			best := acc[y*wide+x].Get()
			for i := 1; i < p.PoolH; i++ {
				best = b.Let("best", loop.Op(loop.SMax, best, acc[(y+i)*wide+x].Get()))
			}
			from := y/p.PoolH*row + x*lanes/p.PoolW*p.OutC
			place := func(lane int) loop.Expr { return loop.Sum(at, loop.Int(from+lane*p.OutC)) }
			if p.PoolW == 2 {
				even := &loop.Shuffle{A: best, Mask: []int{0, 2, 4, 6}}
				odd := &loop.Shuffle{A: best, Mask: []int{1, 3, 5, 7}}
				k.store(q, b.Let("best", loop.Op(loop.SMax, even, odd)), k.g.Out, place)
				continue
			}
			for h := range 2 {
				k.store(q, fourOf(best, h), k.g.Out, func(lane int) loop.Expr { return place(4*h + lane) })
			}
		}
	}
}

// flat stores the results of a tile in which rows follow each other with padding
// between them, from a vector on; those to be pooled, to scratch.
func (k *pixels) flat(q emit.Channel, y loop.Expr, first int, acc []*loop.Var) {
	p := k.p
	for v, sums := range acc {
		for h := range 2 {
			at := (first+v)*lanes + 4*h
			four := fourOf(sums.Get(), h)
			if p.PoolH*p.PoolW > 1 {
				k.keep(q, four, at)
				continue
			}
			k.store(q, four, k.g.Out, func(lane int) loop.Expr {
				// Four pixels may lie in several rows, or between them.
				row, x := (at+lane)/p.Row, (at+lane)%p.Row
				if row >= p.Rows || x >= p.OutW {
					return nil
				}
				return loop.Sum(y, loop.Int((row*p.OutW+x)*p.OutC))
			})
		}
	}
}

// keep stores four results to scratch.
func (k *pixels) keep(q emit.Channel, four loop.Expr, at int) {
	if q.Mul.Type().Lanes > 1 {
		k.g.B.Store(k.scratch, loop.Int(k.results+at), loop.To(loop.Trunc, q.Result(loop.Sum(four, q.Bias)), 8))
		return
	}
	k.store(q, four, k.scratch, func(lane int) loop.Expr { return loop.Int(k.results + at + lane) })
}

// pool stores the greatest of each pool of a channel's results in scratch, from byte
// y on.
func (k *pixels) pool(y loop.Expr) {
	b, p := k.g.B, k.p
	for py := range p.Rows / p.PoolH {
		for px := range p.OutW / p.PoolW {
			var best loop.Expr
			for i := range p.PoolH * p.PoolW {
				at := (py*p.PoolH+i/p.PoolW)*p.Row + px*p.PoolW + i%p.PoolW
				v := loop.To(loop.SExt, loop.At(k.scratch, loop.Int(k.results+at), loop.I8), 32)
				if best == nil {
					best = v
				} else {
					best = loop.Op(loop.SMax, best, v)
				}
				best = b.Let("best", best)
			}
			b.Store(k.g.Out, loop.Sum(y, loop.Int((py*p.OutW/p.PoolW+px)*p.OutC)), loop.To(loop.Trunc, best, 8))
		}
	}
}

// Package moves contains the families of operations that copy elements.
package moves

import (
	"encoding/binary"
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// The families.
var (
	Concat    = family("copy_strided", ir.Concat, "each argument's channels copied into their place of every pixel", copyStrided)
	Reshape   = family("copy_reordered", ir.Reshape, "elements in logical order copied to their new physical place", copyMapped)
	Copy      = family("copy_mapped", ir.Copy, "elements of a view copied in the order of memory, by nested loops", copyMapped)
	Pad       = family("pad_mapped", ir.Pad, "the result filled with one value, then the elements copied into it", padMapped)
	Embedding = family("embedding_rows", ir.Embedding, "the row that a table of 256 names, copied for each index", embeddingRows)
)

func family(name string, op ir.Op, doc string, write func(g *emit.Generator) error) kernel.Family {
	return kernel.Simple(kernel.Family{Name: name, Op: op, Doc: doc, Wide: true}, nil, write)
}

// copyStrided puts each argument's channels into their place of every pixel.
func copyStrided(g *emit.Generator) error {
	out := g.Node.Out.Type.Shape
	pixels, at := out.Size()/out[0], 0
	inside := 1 // elements of a channel that lie together: all but an image's
	if len(out) != 3 {
		pixels, inside = 1, pixels
	}
	for j, a := range g.Node.Args {
		channels, first := a.Type.Shape[0]*inside, at
		g.B.For("i", loop.Int(0), loop.Int(pixels), 1, func(i loop.Expr) {
			if g.Lanes() {
				from, to := g.B.Let("from", loop.Scaled(i, channels)), g.B.Let("to", loop.Sum(loop.Scaled(i, out[0]), loop.Int(first)))
				copyRun(g, to, g.Args[j], from, channels)
				return
			}
			g.B.For("c", loop.Int(0), loop.Int(channels), 1, func(c loop.Expr) {
				g.Write(loop.Sum(loop.Scaled(i, out[0]), c, loop.Int(first)), g.Read(j, loop.Sum(loop.Scaled(i, channels), c)))
			})
		})
		at += channels
	}
	return nil
}

// copyRun copies n bytes that lie together.
func copyRun(g *emit.Generator, to loop.Expr, from loop.Region, at loop.Expr, n int) {
	g.Strips(n, func(i loop.Expr, t loop.Type) { g.B.Store(g.Out, loop.Sum(to, i), loop.At(from, loop.Sum(at, i), t)) })
}

// back is the place in memory of each element, by its logical index.
func back(s ir.Shape) []int {
	places := make([]int, s.Size())
	for i, logical := range geometry.Order(s) {
		places[logical] = i
	}
	return places
}

// level is one of the nested loops that count through a sequence.
type level struct{ count, stride int }

// nest finds loops whose sum of counters times strides, from seq[0] on, is seq;
// ok is false where there are none, as of a permutation that follows no grid.
func nest(seq []int) (levels []level, ok bool) {
	if len(seq) == 1 {
		return nil, true
	}
	step, run := seq[1]-seq[0], 2
	for run < len(seq) && seq[run]-seq[run-1] == step {
		run++
	}
	for n := run; n > 1; n-- {
		if len(seq)%n != 0 || !repeats(seq, n, step) {
			continue
		}
		firsts := make([]int, 0, len(seq)/n)
		for i := 0; i < len(seq); i += n {
			firsts = append(firsts, seq[i])
		}
		if outer, ok := nest(firsts); ok {
			return append(outer, level{n, step}), true
		}
	}
	return nil, false
}

// repeats reports whether every n elements of seq are a step apart.
func repeats(seq []int, n, step int) bool {
	for i := range seq {
		if i%n != 0 && seq[i]-seq[i-1] != step {
			return false
		}
	}
	return true
}

// walk calls body with the index of each element of seq and its value, in order:
// by nested loops where there are some, else by a table of places. On processors with vectors it
// calls run with the first of n elements whose values follow one another.
func walk(g *emit.Generator, seq []int, body func(i, at loop.Expr), run func(i, at loop.Expr, n int)) {
	levels, ok := nest(seq)
	if !ok {
		raw := make([]byte, 4*len(seq))
		for i, v := range seq {
			binary.LittleEndian.PutUint32(raw[4*i:], uint32(v))
		}
		places := g.Global("places", 4, raw)
		g.B.For("i", loop.Int(0), loop.Int(len(seq)), 1, func(i loop.Expr) {
			body(i, loop.At(places, loop.Scaled(i, 4), loop.I32))
		})
		return
	}
	size := len(seq)
	var inside func(levels []level, size int, i, at loop.Expr)
	inside = func(levels []level, size int, i, at loop.Expr) {
		if len(levels) == 0 {
			body(i, at)
			return
		}
		l := levels[0]
		if size /= l.count; size == 1 && l.stride == 1 && g.Lanes() {
			run(i, at, l.count)
			return
		}
		g.B.For("i", loop.Int(0), loop.Int(l.count), 1, func(k loop.Expr) {
			inside(levels[1:], size, loop.Sum(i, loop.Scaled(k, size)), loop.Sum(at, loop.Scaled(k, l.stride)))
		})
	}
	inside(levels, size, loop.Int(0), loop.Int(seq[0]))
}

// copyMapped writes the elements of a view in the order of memory.
func copyMapped(g *emit.Generator) error {
	from := back(g.Node.Args[0].Type.Shape)
	view := g.Node.Moved().Index()
	seq := make([]int, len(view))
	for i, logical := range geometry.Order(g.Node.Out.Type.Shape) {
		seq[i] = from[view[logical]]
	}
	walk(g, seq, func(i, at loop.Expr) { g.Write(i, g.Read(0, at)) },
		func(i, at loop.Expr, n int) { copyRun(g, i, g.Args[0], at, n) })
	return nil
}

// padMapped fills the result with one value, then writes the argument into it.
func padMapped(g *emit.Generator) error {
	if g.Node.Word(ir.AttrMode) != ir.PadConstant {
		repeat(g)
		return nil
	}
	to, size := back(g.Node.Out.Type.Shape), g.Node.Out.Type.Shape.Size()
	value := int64(g.Node.Float(ir.AttrValue))
	if g.Lanes() {
		g.Fill(g.Out, loop.Int(0), size, value)
	} else {
		g.B.For("i", loop.Int(0), loop.Int(size), 1, func(i loop.Expr) { g.Write(i, loop.Num(emit.Integer(g.Node.Out.Type), value)) })
	}
	inside := g.Node.Padded().Index()
	seq := make([]int, len(inside))
	for i, logical := range geometry.Order(g.Node.Args[0].Type.Shape) {
		seq[i] = to[inside[logical]]
	}
	walk(g, seq, func(i, at loop.Expr) { g.Write(at, g.Read(0, i)) },
		func(i, at loop.Expr, n int) { copyRun(g, at, g.Args[0], i, n) })
	return nil
}

// repeat writes a pad of the argument's own elements: axis by axis, in the order of
// memory, by a table of places along each that is padded.
func repeat(g *emit.Generator) {
	in, out := g.Node.Args[0].Type.Shape, g.Node.Out.Type.Shape
	axes := make([]int, len(out))
	for k := range axes {
		axes[k] = k
	}
	if len(out) == 3 {
		axes = []int{1, 2, 0} // H,W,C
	}
	strides, step := make([]int, len(in)), 1
	for i := len(axes) - 1; i >= 0; i-- {
		strides[axes[i]] = step
		step *= in[axes[i]]
	}
	var inside func(axes []int, to, from loop.Expr)
	inside = func(axes []int, to, from loop.Expr) {
		if len(axes) == 0 {
			g.Write(to, g.Read(0, from))
			return
		}
		k, size := axes[0], 1
		for _, a := range axes[1:] {
			size *= out[a]
		}
		var places *loop.Global
		if in[k] != out[k] {
			table := make([]int64, out[k])
			for i := range table {
				table[i] = int64(g.Node.PadSource(k, i) * strides[k])
			}
			places = g.Ints(fmt.Sprintf("places%d", k), 32, table)
		}
		g.B.For("i", loop.Int(0), loop.Int(out[k]), 1, func(i loop.Expr) {
			at := loop.Scaled(i, strides[k])
			if places != nil {
				at = loop.At(places, loop.Scaled(i, 4), loop.I32)
			}
			inside(axes[1:], loop.Sum(to, loop.Scaled(i, size)), g.B.Let("from", loop.Sum(from, at)))
		})
	}
	inside(axes, loop.Int(0), loop.Int(0))
}

// embeddingRows copies a row for each index.
func embeddingRows(g *emit.Generator) error {
	table, raw, err := geometry.EmbeddingData(g.Node)
	if err != nil {
		return err
	}
	rows := g.Global("rows", 1, raw)
	b, s := g.B, g.Node.Const(ir.AttrRows).Type.Shape
	d := s[1]
	row := func(i loop.Expr) loop.Expr { // of indices at any address
		at := b.Var("index", loop.Op(loop.Shl, loop.To(loop.SExt, loop.At(g.Args[0], loop.Sum(loop.Scaled(i, 2), loop.Int(1)), loop.I8), 32), loop.Int(8)))
		b.Set(at, loop.Op(loop.Or, at.Get(), loop.To(loop.ZExt, loop.At(g.Args[0], loop.Scaled(i, 2), loop.I8), 32)))
		return loop.Op(loop.SMin, loop.Op(loop.SMax, at.Get(), loop.Int(0)), loop.Int(s[0]-1))
	}
	if table != nil {
		places := g.Global("table", 1, table)
		row = func(i loop.Expr) loop.Expr {
			entry := loop.Sum(loop.To(loop.SExt, loop.At(g.Args[0], i, loop.I8), 32), loop.Int(128))
			return loop.To(loop.ZExt, loop.At(places, entry, loop.I8), 32)
		}
	}
	b.For("i", loop.Int(0), loop.Int(g.Node.Args[0].Type.Shape.Size()), 1, func(i loop.Expr) {
		from, to := b.Var("from", loop.Scaled(row(i), d)), b.Var("to", loop.Scaled(i, d))
		b.For("c", loop.Int(0), loop.Int(d), 1, func(c loop.Expr) {
			b.Store(g.Out, loop.Sum(to.Get(), c), loop.At(rows, loop.Sum(from.Get(), c), loop.I8))
		})
	})
	return nil
}

package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// back is the place in memory of each element, by its logical index.
func back(s ir.Shape) []int {
	places := make([]int, s.Size())
	for i, logical := range Order(s) {
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
// by nested loops where there are some, else by a table of places.
func (g *generator) walk(seq []int, body func(i, at loop.Expr)) {
	levels, ok := nest(seq)
	if !ok {
		raw := make([]byte, 4*len(seq))
		for i, v := range seq {
			binary.LittleEndian.PutUint32(raw[4*i:], uint32(v))
		}
		places := g.global("places", 4, raw)
		g.b.For("i", loop.Int(0), loop.Int(len(seq)), 1, func(i loop.Expr) {
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
		size /= l.count
		g.b.For("i", loop.Int(0), loop.Int(l.count), 1, func(k loop.Expr) {
			inside(levels[1:], size, loop.Sum(i, loop.Scaled(k, size)), loop.Sum(at, loop.Scaled(k, l.stride)))
		})
	}
	inside(levels, size, loop.Int(0), loop.Int(seq[0]))
}

// copyMapped writes the elements of a view in the order of memory.
func copyMapped(g *generator) error {
	from := back(g.n.Args[0].Type.Shape)
	view := g.n.Moved().Index()
	seq := make([]int, len(view))
	for i, logical := range Order(g.n.Out.Type.Shape) {
		seq[i] = from[view[logical]]
	}
	g.walk(seq, func(i, at loop.Expr) { g.b.Store(g.out, i, loop.At(g.args[0], at, loop.I8)) })
	return nil
}

// padMapped fills the result with one value, then writes the argument into it.
func padMapped(g *generator) error {
	if g.n.Word("mode") != "constant" {
		g.repeat()
		return nil
	}
	to, size := back(g.n.Out.Type.Shape), loop.Int(g.n.Out.Type.Shape.Size())
	g.b.For("i", loop.Int(0), size, 1, func(i loop.Expr) {
		g.b.Store(g.out, i, loop.Num(loop.I8, int64(g.n.Float("value"))))
	})
	inside := g.n.Padded().Index()
	seq := make([]int, len(inside))
	for i, logical := range Order(g.n.Args[0].Type.Shape) {
		seq[i] = to[inside[logical]]
	}
	g.walk(seq, func(i, at loop.Expr) { g.b.Store(g.out, at, loop.At(g.args[0], i, loop.I8)) })
	return nil
}

// repeat writes a pad of the argument's own elements: axis by axis, in the order of
// memory, by a table of places along each that is padded.
func (g *generator) repeat() {
	in, out := g.n.Args[0].Type.Shape, g.n.Out.Type.Shape
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
			g.b.Store(g.out, to, loop.At(g.args[0], from, loop.I8))
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
				table[i] = int64(g.n.PadSource(k, i) * strides[k])
			}
			places = g.ints(fmt.Sprintf("places%d", k), 32, table)
		}
		g.b.For("i", loop.Int(0), loop.Int(out[k]), 1, func(i loop.Expr) {
			at := loop.Scaled(i, strides[k])
			if places != nil {
				at = loop.At(places, loop.Scaled(i, 4), loop.I32)
			}
			inside(axes[1:], loop.Sum(to, loop.Scaled(i, size)), g.b.Let("from", loop.Sum(from, at)))
		})
	}
	inside(axes, loop.Int(0), loop.Int(0))
}

// Writes reports whether there is a generator for a kernel family of ir/target.
func Writes(family string) bool { return families[family] != nil }

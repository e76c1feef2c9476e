package micro

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// MatMul multiplies two computed matrices as a layer multiplies pixels by weights: rows of the first one are
// columns of inputs, columns of the second one lie in words in scratch.
var MatMul = kernel.Family{
	Name: "matmul_micro", Op: ir.MatMul, Plan: kernel.Planner(matMulPlan), Read: readMatMul,
	Doc: "rows of a tile made columns, times the second matrix in words in scratch, by the target's own product",
}

// MatMulPlan is a product of the processor, and the rows and columns of a tile of the result, whose sums stay in
// registers.
type MatMulPlan struct {
	Product         string
	Rows, Columns   int
	scratch, cycles int
}

func (p MatMulPlan) Attrs() kernel.Attrs {
	return kernel.Attrs{Product: p.Product, Tile: []int{p.Rows, p.Columns}}
}
func (p MatMulPlan) Scratch() int    { return p.scratch }
func (p MatMulPlan) Cycles() float64 { return float64(p.cycles) }

// multiplies reports whether a product multiplies any two bytes of two's complement, in words that are written at
// run time.
func (m *Product) multiplies() bool {
	return len(m.Planes) > 0 && m.Planes[0] == 8 && !m.Decodes && !m.Across && !m.Nested && !m.Carried && !m.Stacked && !m.Twins &&
		!m.Halves && !m.InPlace && !m.Biased && !m.Paired && !m.Least && m.Write == nil && !m.Code.signs() && m.Code.shift() == 0
}

// matMulPlan is the cheapest product and tile of a product of two matrices.
func matMulPlan(l kernel.Layer) (best MatMulPlan, ok bool) {
	for _, m := range productsOf(l.Target) {
		for _, tile := range m.Tiles {
			if p, fits := m.matMul(l, tile[0], tile[1]); fits && l.Fits(p.scratch) && (!ok || p.cycles < best.cycles) {
				best, ok = p, true
			}
		}
	}
	return best, ok
}

// readMatMul restores the plan of a node's attributes.
func readMatMul(l kernel.Layer) (kernel.Plan, error) {
	m, tile := productOf(l.Target, l.Node.Word(ir.AttrMultiply)), l.Node.Ints(ir.AttrTile)
	if m == nil || len(tile) != 2 {
		return nil, fmt.Errorf("no product %q with tile %v on %s", l.Node.Word(ir.AttrMultiply), tile, l.Target.Name)
	}
	for _, t := range m.Tiles {
		if p, ok := m.matMul(l, t[0], t[1]); ok && t == [2]int(tile) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s does not multiply these matrices with tile %v", m.Name, tile)
}

// Instructions of an element that is written to a column or to a word, and of a result that is moved to its place
// among those of other matrices.
const (
	perPackedElement = 9.
	perMovedResult   = 6.
)

// matMul lays a product of matrices out for tiles of rows and columns; ok is false where m does not multiply them so.
func (m *Product) matMul(l kernel.Layer, rows, columns int) (p MatMulPlan, ok bool) {
	n := l.Node
	batch, height, k, width := geometry.MatMulSizes(n)
	switch {
	case !m.multiplies() || n.IsWide() || n.HasWideSums() || rows > height || columns > width:
		return p, false
	case columns%(m.Field/8) > 0 || k > math.MaxInt32/(255*255): // words of whole steps; sums of 32 bits
		return p, false
	}
	x := matMulSpace(m, batch, k, width, rows, columns)
	again := float64((height+rows-1)/rows*rows) / float64(height) * float64((width+columns-1)/columns*columns) / float64(width)
	products := m.cycles(ir.Of(ir.I8), x.k, rows, columns, height)
	if m.Output == 0 {
		products += kernel.PerOutput / 2
	}
	packed := float64(batch) * perPackedElement * float64(k*width+k*height)
	cycles := float64(batch*height*width)*products*again + packed
	if batch > 1 {
		cycles += perMovedResult * float64(batch*height*width)
	}
	return MatMulPlan{Product: m.Name, Rows: rows, Columns: columns, scratch: x.end, cycles: int(cycles)}, true
}

// matMulSpaces are the bytes of scratch at which the words of the second matrix begin, after the columns of a tile's
// rows; the biases of its columns; and a tile's results, where those of other matrices lie between them.
type matMulSpaces struct {
	k                            int // elements of a column: whole products
	words, tile, biases, results int
	end                          int
}

func matMulSpace(m *Product, batch, k, width, rows, columns int) (x matMulSpaces) {
	align := func(at int) int { return (at + 15) / 16 * 16 }
	x.k = wholeInputs(m, k)
	x.words = align(rows * columnBytes(m, x.k))
	x.tile = x.k * columns
	x.biases = align(x.words + (width+columns-1)/columns*x.tile)
	x.results = x.biases + 4*width
	if x.end = x.results; batch > 1 {
		x.end += rows * width
	}
	return x
}

// Emit writes the product.
func (p MatMulPlan) Emit(g *emit.Generator) error {
	n, m := g.Node, productNamed(p.Product)
	batch, height, k, width := geometry.MatMulSizes(n)
	x := matMulSpace(m, batch, k, width, p.Rows, p.Columns)
	layout := m.Layout(8, x.k, p.Columns)
	words := &plane{bits: 8, product: 8, tiled: layout, left: layout, tiledBytes: -1, leftBytes: -1}
	t := &micro{g: g, m: m, elem: ir.Of(ir.I8), groups: 1, rows: width, k: x.k, pixels: p.Rows, channels: p.Columns, pooled: 1, apart: width,
		planes: []*plane{words}, offset: int64(n.Args[1].Type.Quant.Zero)}
	var err error
	if t.rq, t.constants, err = emit.NewChannels(g, make([]int64, width), p.Columns%4 == 0); err != nil {
		return err
	}
	tile := t.product(x, batch)
	b := g.B
	place := func(i, row, col loop.Expr, cols int) loop.Expr {
		return loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, cols), col), batch), i)
	}
	t.zeroEnds(k)
	b.For("batch", loop.Int(0), loop.Int(batch), 1, func(i loop.Expr) {
		t.pack(x, k, func(l, col loop.Expr) loop.Expr { return place(i, l, col, width) })
		b.For("rows", loop.Int(0), loop.Int(height), p.Rows, func(at loop.Expr) {
			row := at
			if height%p.Rows != 0 { // the last tile computes some rows again
				row = b.Let("row", loop.Op(loop.SMin, at, loop.Int(height-p.Rows)))
			}
			ints := []loop.Expr{loop.Scaled(row, width)}
			for px := range p.Rows {
				ints = append(ints, t.column(px, k, func(l loop.Expr) loop.Expr { return place(i, loop.Sum(row, loop.Int(px)), l, k) }))
			}
			b.Call(tile, ints, []loop.Arg{{Region: g.Scratch}, {Region: g.Out}})
			if batch == 1 {
				return
			}
			b.For("result", loop.Int(0), loop.Int(p.Rows*width), 1, func(r loop.Expr) {
				v := loop.At(g.Scratch, loop.Sum(r, loop.Int(x.results)), loop.I8)
				b.Store(g.Out, loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(row, width), r), batch), i), v)
			})
		})
	})
	return nil
}

// column makes a row of the first matrix a column, and gives what its elements take off each sum. place is where
// element l of the row lies.
func (t *micro) column(px, k int, place func(l loop.Expr) loop.Expr) loop.Expr {
	b := t.g.B
	sum := b.Var("sum", loop.Int(0))
	b.For("l", loop.Int(0), loop.Int(k), 1, func(l loop.Expr) {
		v := b.Let("v", t.g.Element(0, place(l)))
		b.Set(sum, loop.Sum(sum.Get(), v))
		b.Store(t.g.Scratch, loop.Sum(t.at(l), loop.Int(px*t.granule())), loop.To(loop.Trunc, v, t.m.Input))
	})
	return loop.Scaled(sum.Get(), int(t.offset))
}

// pack writes the second matrix to words, tile after tile, and the biases of its columns: what both zero points
// add to each sum. place is where element l of a column lies. The last tile has columns of the one before it again.
func (t *micro) pack(x matMulSpaces, k int, place func(l, col loop.Expr) loop.Expr) {
	b, m, fields := t.g.B, t.m, t.m.Field/8
	zero, step := t.g.Node.Args[0].Type.Quant.Zero, t.channels/fields*m.Word
	b.For("tile", loop.Int(0), loop.Int((t.rows+t.channels-1)/t.channels), 1, func(i loop.Expr) {
		first := t.firstColumn(i)
		b.For("unit", loop.Int(0), loop.Int(t.channels), 1, func(unit loop.Expr) {
			col := b.Let("col", loop.Sum(first, unit))
			field := loop.Sum(loop.Scaled(divided(unit, fields), m.Word), remainder(unit, fields))
			base := b.Let("base", loop.Sum(loop.Scaled(i, x.tile), field, loop.Int(x.words)))
			sum := b.Var("sum", loop.Int(0))
			at := func(l loop.Expr) loop.Expr {
				return loop.Sum(base, loop.Scaled(divided(l, m.Lanes), step), loop.Scaled(remainder(l, m.Lanes), fields))
			}
			b.For("l", loop.Int(0), loop.Int(k), 1, func(l loop.Expr) {
				v := b.Let("v", t.g.Element(1, place(l, col)))
				b.Set(sum, loop.Sum(sum.Get(), v))
				b.Store(t.g.Scratch, at(l), loop.To(loop.Trunc, v, 8))
			})
			b.For("l", loop.Int(k), loop.Int(t.k), 1, func(l loop.Expr) { b.Store(t.g.Scratch, at(l), loop.Num(loop.I8, 0)) })
			bias := loop.Op(loop.Sub, loop.Int(k*zero*int(t.offset)), loop.Scaled(sum.Get(), zero))
			b.StoreAligned(t.g.Scratch, loop.Sum(loop.Scaled(col, 4), loop.Int(x.biases)), bias, 4)
		})
	})
}

// firstColumn is the first column of a tile.
func (t *micro) firstColumn(tile loop.Expr) loop.Expr {
	first := loop.Scaled(tile, t.channels)
	if t.rows%t.channels == 0 {
		return first
	}
	return t.g.B.Let("first", loop.Op(loop.SMin, first, loop.Int(t.rows-t.channels)))
}

// divided and remainder are of a power of two.
func divided(x loop.Expr, by int) loop.Expr {
	if by == 1 {
		return x
	}
	return loop.Op(loop.LShr, x, loop.Int(bits.TrailingZeros(uint(by))))
}

func remainder(x loop.Expr, by int) loop.Expr {
	if by == 1 {
		return loop.Int(0)
	}
	return loop.Op(loop.And, x, loop.Int(by-1))
}

// product writes the function that computes all columns for the rows of a tile. Its integers are the element of the
// first row's first result, and what the elements of each row take off.
func (t *micro) product(x matMulSpaces, batch int) *loop.Func {
	scratch := &loop.Param{Name: "scratch"}
	ints := []string{"at"}
	for i := range t.pixels {
		ints = append(ints, fmt.Sprintf("sum%d", i))
	}
	return t.g.Function("tile", ints, []*loop.Param{scratch, t.g.Out}, func(v []loop.Expr) {
		b := t.g.B
		outs := make([]output, t.pixels)
		for i := range outs {
			outs[i] = output{sum: v[1+i], at: loop.Sum(v[0], loop.Int(i*t.apart))}
		}
		b.For("tile", loop.Int(0), loop.Int((t.rows+t.channels-1)/t.channels), 1, func(i loop.Expr) {
			first := t.firstColumn(i)
			y := b.Cursor("y", t.g.Out, loop.Sum(v[0], first))
			if batch > 1 {
				y = b.Cursor("y", scratch, loop.Sum(first, loop.Int(x.results)))
			}
			t.bias = b.Cursor("bias", scratch, loop.Sum(loop.Scaled(first, 4), loop.Int(x.biases)))
			w := b.Cursor("w", scratch, loop.Sum(loop.Scaled(i, x.tile), loop.Int(x.words)))
			t.block(column{scratch, loop.Int(0)}, outs, t.channels, y, t.rq.Cursors(t.constants, first), []*loop.Cursor{w}, func(*plane) loop.Expr { return loop.Int(0) })
		})
		b.Return(loop.Int(0))
	})
}

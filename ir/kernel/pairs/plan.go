// Package pairs contains the family conv_pairs, for processors without vectors: a code of a
// convolution looks up the sums of two pixels in one word.
package pairs

import (
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Conv is the family.
var Conv = kernel.Family{
	Name: "conv_pairs", Op: ir.Conv2D, Pools: true, Plan: kernel.Planner(plan), Read: kernel.Reader(5, read),
	Doc: "as conv_pixels, on processors without vectors: a word of a table has two pixels, where their sums fit in halves, and a code looks up a few words",
}

// Plan is the geometry of conv_pairs: conv_pixels for processors without vectors.
// An entry of a table consists of words. Each word holds two pixels, one in the lower and
// one in the upper half, so that one addition serves both. The pixel in the upper half is
// half a block of rows below the other one: a tap moves both by the same number of words.
//
// A word of two pixels is lower + 2^16 upper, for any signs. A sum of words, and a product of
// a word and a weight, are then the sums and products of the pixels. Each entry is raised so
// that its halves are not negative; no half overflows if at most Together entries are added.
// The inputs are x, not x-z: values x-z may be twice as large, and half as many entries would
// fit. The bias contains the correction.
type Plan struct {
	Inputs, Bits int // of a code: adjacent inputs of a tap, and bits
	Entries      int
	Taps, Groups int // an output channel has one code for each tap and group of inputs
	Raised       int // added to each half of an entry
	Together     int // number of entries that may be added in halves
	Step         int // groups whose codes are stored together, in whole bytes of each plane
	Chunk        int // codes whose look-ups are unrolled: all taps of a step, or one row of taps

	// A block: rows and columns of the result, and groups whose tables are in scratch at a
	// time. Wide is the words in a tile of sums.
	Rows, Cols, Block, Wide int

	OutC, OutH, OutW int // result of the convolution, before pooling, without what pools drop
	PoolH, PoolW     int
	Half             int // rows of the result in one half of the words
	Row              int // words between rows of a table
	TableRows        int // rows of a table
	Length           int // words of an entry
	Pitch            int // sums of a row, in whole tiles
	cycles           float64
}

func (p Plan) Attrs() kernel.Attrs {
	return kernel.Attrs{Tile: []int{p.Rows, p.Cols, p.Block, p.Inputs, p.Wide}}
}
func (p Plan) Cycles() float64 { return p.cycles }
func (p Plan) Scratch() int {
	_, _, bytes := p.Places()
	return bytes
}

// EntryBytes is the size of an entry in bytes.
func (p Plan) EntryBytes() int { return 4 * p.Length }

// TableBytes is the size of the table of one group in bytes.
func (p Plan) TableBytes() int { return p.Entries * p.EntryBytes() }

// SumBytes is the size of the sums of one output channel in bytes.
func (p Plan) SumBytes() int { return 4 * p.Rows * p.Pitch }

// Places returns where inputs and sums begin in scratch, after the tables, and the bytes of
// all.
func (p Plan) Places() (inputs, sums, bytes int) {
	inputs = p.Block * p.TableBytes()
	sums = inputs + p.Inputs*p.EntryBytes()
	return inputs, sums, sums + p.OutC*p.SumBytes()
}

// Planes returns the widths of a code's bit planes, the highest bits first.
func (p Plan) Planes() []int { return kernel.CodePlanes(p.Bits) }

// plan is the cheapest layout of a layer.
func plan(l kernel.Layer) (best Plan, ok bool) {
	words := costOf(l.Target).Words
	if words == 0 || !serves(l) {
		return best, false
	}
	room := kernel.MaxTables
	if l.Elem.Kind == ir.Odd {
		room = l.OddTables()
	}
	in, out := l.Node.Args[0].Type.Shape, l.Node.Out.Type.Shape
	ph, pw := l.Node.Pool()
	for _, d := range inputs(l.Elem, in[0]) {
		entries, blocks := reachOf(l, d), kernel.Divisors((in[0]+d-1)/d)
		slices.Reverse(blocks)
		for rows := 2 * ph; rows <= min(out[1]*ph, 8*ph); rows *= 2 {
			for cols := out[2] * pw; cols >= pw; cols = (cols/pw + 1) / 2 * pw {
				for wide := 1; wide <= min(words, cols); wide++ {
					// As many groups at a time as there is room for.
					for _, block := range blocks {
						p, fits := layout(l, [5]int{rows, cols, block, d, wide}, entries)
						if !fits || p.Scratch() > room || !l.Fits(p.Scratch()) {
							continue
						}
						if !ok || p.cycles < best.cycles {
							best, ok = p, true
						}
						break
					}
				}
				if cols == pw {
					break
				}
			}
		}
	}
	return best, ok
}

// serves reports whether tables serve a layer: of neighbouring pixels, padded with the
// zero point.
func serves(l kernel.Layer) bool {
	switch {
	case l.Target.Vectors() || !l.Neighbours() || l.Node.Nums(ir.AttrPadValue) != nil || !l.Narrow():
		return false
	case l.Elem.Kind == ir.Vec: // products of a codebook's rows would be calls
		return !strings.HasPrefix(l.Target.Arch, "riscv") || l.Target.Has("m")
	}
	return l.Elem.Kind == ir.Odd
}

func read(l kernel.Layer, tile []int) (p Plan, ok bool) {
	if !serves(l) || !slices.Contains(inputs(l.Elem, l.Node.Args[0].Type.Shape[0]), tile[3]) {
		return p, false
	}
	return layout(l, [5]int(tile), reachOf(l, tile[3]))
}

// maxChunk is the upper bound on the look-ups that are unrolled.
const maxChunk = 18

// layout lays a layer out for a tile of rows, columns, groups, inputs of a code and
// words; reach is that of entries. ok is false where that does not work.
func layout(l kernel.Layer, tile [5]int, reach reach) (p Plan, ok bool) {
	n, e := l.Node, l.Elem
	in, s, out := n.Args[0].Type.Shape, n.Const(ir.AttrWeight).Type.Shape, n.Out.Type.Shape
	dilation := n.Ints(ir.AttrDilation)
	p = Plan{Rows: tile[0], Cols: tile[1], Block: tile[2], Inputs: tile[3], Wide: tile[4], Bits: int(e.Bits), Taps: s[2] * s[3], OutC: s[0]}
	p.Groups = (in[0] + p.Inputs - 1) / p.Inputs
	if e.Kind == ir.Odd {
		p.Bits *= p.Inputs
	}
	p.Entries = 1 << p.Bits
	p.Raised, p.Together = -reach.least, (1<<16-1)/max(1, reach.most-reach.least)
	if p.Together > 0 {
		// The same for most codebooks, so that layers of a shape share their code.
		most := (1<<16 - 1) / p.Together
		if half := most / 2; half >= -reach.least && half+reach.most <= most {
			p.Raised = half
		}
	}
	p.Step = 8 / slices.Min(p.Planes())
	p.PoolH, p.PoolW = n.Pool()
	p.OutH, p.OutW = out[1]*p.PoolH, out[2]*p.PoolW
	if p.Groups%p.Block > 0 || p.Block%p.Step > 0 || p.Rows > p.OutH || p.Cols > p.OutW || p.Rows%(2*p.PoolH) > 0 || p.Cols%p.PoolW > 0 || p.Together == 0 {
		return p, false
	}
	p.Chunk = p.Step * p.Taps
	if p.Chunk > maxChunk || n.Has(ir.AttrUnroll) {
		p.Chunk = p.Step * s[3]
	}
	p.Half = p.Rows / 2
	p.Row = p.Cols + (s[3]-1)*dilation[1]
	p.TableRows = p.Half + (s[2]-1)*dilation[0]
	p.Pitch = (p.Cols + p.Wide - 1) / p.Wide * p.Wide
	// The last tile of the last row may extend past the row.
	p.Length = p.TableRows*p.Row + p.Pitch - p.Cols
	p.cycles = p.estimate(e, costOf(l.Target))
	return p, true
}

// reach is the least and the greatest value of something.
type reach struct{ least, most int }

// reachOf is the reach of the entries of a layer's tables, for any inputs.
func reachOf(l kernel.Layer, inputs int) (r reach) {
	if l.Elem.Kind == ir.Odd {
		w := inputs * int(l.Elem.MaxWeight())
		return reach{-128 * w, 128 * w}
	}
	if l.Supposed {
		return reach{-1 << 14, 1<<14 - 1} // rows of codebooks sum up to 128
	}
	book, err := l.Node.Const(ir.AttrCodebook).Load()
	if err != nil {
		return reach{-1 << 16, 1 << 16}
	}
	for i := 0; i < len(book); i += inputs {
		least, most := 0, 0
		for _, v := range book[i : i+inputs] {
			w := int(int8(v))
			least, most = least+min(-128*w, 127*w), most+max(-128*w, 127*w)
		}
		r.least, r.most = min(r.least, least), max(r.most, most)
	}
	return r
}

// inputs lists the inputs that a code of a format may stand for.
func inputs(e ir.Elem, channels int) (list []int) {
	switch {
	case e.Kind == ir.Vec:
		return []int{int(e.Group)}
	case e.Kind == ir.Odd:
		for d := 2; d*int(e.Bits) <= 8; d++ {
			if channels%d == 0 && d*int(e.Bits) >= 4 {
				list = append(list, d)
			}
		}
	}
	return list
}

// Flush is the number of entries that are added in halves before the halves are added to the
// sums of 32 bits: all entries of a block, whole steps that divide the block evenly, a
// chunk, or a part of a chunk.
func (p Plan) Flush() int {
	steps, step := p.Block/p.Step, p.Step*p.Taps
	switch whole := p.Together / p.Chunk * p.Chunk / step; {
	case whole >= steps:
		return steps * step
	case whole > 0:
		for steps%whole > 0 {
			whole--
		}
		return whole * step
	}
	return min(p.Together, p.Chunk)
}

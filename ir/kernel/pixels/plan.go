// Package pixels contains the family conv_pixels: a code of a convolution looks up the sums
// of eight pixels at a time, in a vector.
package pixels

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Conv is the family.
var Conv = kernel.Family{
	Name: "conv_pixels", Op: ir.Conv2D, Pools: true, Rows: true, Plan: kernel.Planner(plan), Read: kernel.Reader(3, read),
	Doc: "sums of products of a few inputs with all that a code stands for tabulated for pixels side by side; a code looks up eight pixels of an output channel",
}

// Plan is the geometry of conv_pixels. A table has one entry for each value of a code: the
// products of a few inputs with the weights that the code represents, summed, for many
// adjacent pixels. A code selects an entry; eight pixels of an output channel then take one
// load and one addition.
//
// An entry has the pixels of some rows of the image in the order of memory, with padding
// between the rows. A tap moves the position of a pixel by a constant. If rows of the result
// are whole vectors of eight pixels, they are computed row by row; otherwise all rows are
// computed in one piece, padding included.
type Plan struct {
	Inputs, Bits int // of a code: adjacent inputs of a tap, and bits
	Entries      int
	Taps, Groups int // an output channel has one code for each tap and group of inputs
	Rows, Block  int // a block: rows of the result, and groups whose tables are in scratch at a time

	OutC, OutH, OutW  int // result of the convolution, before pooling, without what pools drop
	PoolH, PoolW      int
	Row               int // pixels between rows of a table
	TableRows         int // rows of the image in a table
	Length            int // pixels of an entry, in whole vectors
	Chunk             int // input channels that are read together
	Flat              bool
	TileRows          int // rows of a tile, if the result is computed row by row
	Tile, Last, Tiles int // vectors of a tile of an output channel, vectors of the last tile, number of tiles
	Together          int // number of entries that may be added in 16 bits
	cycles            float64
}

// lanes is the pixels of a vector.
const lanes = 8

// Bounds of the tables: offsets are of 16 bits, and a cache of 32 KiB is common.
const (
	maxTables  = 1 << 16
	goodTables = 32 << 10
	maxScratch = 128 << 10
	maxVectors = 5 // of a tile: two sums each
)

func (p Plan) Attrs() kernel.Attrs { return kernel.Attrs{Tile: []int{p.Rows, p.Block, p.Inputs}} }
func (p Plan) Cycles() float64     { return p.cycles }
func (p Plan) Scratch() int {
	_, _, _, _, bytes := p.Places()
	return bytes
}

// TableBytes is the size of the table of one group in bytes.
func (p Plan) TableBytes() int { return p.Entries * p.EntryBytes() }

// EntryBytes is the size of an entry in bytes.
func (p Plan) EntryBytes() int { return 2 * p.Length }

// Steps is the number of codes of an output channel in a block.
func (p Plan) Steps() int { return p.Taps * p.Block }

// Places returns where the parts of scratch begin after the tables, and the bytes of all:
// inputs of a chunk of channels, addresses for the codes of a tile of channels, results
// before pooling, sums.
func (p Plan) Places() (inputs, codes, results, sums, bytes int) {
	inputs = p.Block * p.TableBytes()
	codes = inputs + p.Chunk*p.EntryBytes()
	results = codes + 2*tileChannels*p.Steps()
	sums = results
	if p.Flat && p.PoolH*p.PoolW > 1 {
		sums += lanes * p.Vectors()
	}
	bytes = sums
	if p.Block < p.Groups {
		bytes += 4 * lanes * p.Vectors() * p.OutC
	}
	return inputs, codes, results, sums, bytes
}

// tileChannels is the output channels whose codes are decoded together.
const tileChannels = 16

// Planes returns the widths of a code's bit planes, the highest bits first.
func (p Plan) Planes() []int { return kernel.CodePlanes(p.Bits) }

// Vectors is the number of vectors of an output channel.
func (p Plan) Vectors() int { return p.Tile*(p.Tiles-1) + p.Last }

// tiles lists the vectors of each tile of an output channel.
func (p Plan) tiles() []int {
	return append(slices.Repeat([]int{p.Tile}, p.Tiles-1), p.Last)
}

// inputs lists the inputs that a code of a format may stand for.
func inputs(e ir.Elem, channels int) (list []int) {
	switch {
	case e.Kind == ir.Vec:
		return []int{int(e.Group)}
	case e.Kind == ir.Odd && e.Bits < 8: // products of more do not fit 16 bits
		for d := 1; d*int(e.Bits) <= 8; d++ {
			if channels%d == 0 {
				list = append(list, d)
			}
		}
	}
	return list
}

// serves reports whether tables serve a layer: sums of 16 bits are added to sums of 32.
func serves(l kernel.Layer) bool {
	ph, pw := l.Node.Pool()
	return l.Target.Has("neon") && l.Neighbours() && l.Narrow() && pw <= 2 && ph <= 2 && l.Weight()[0] >= 8 &&
		(l.Elem.Kind == ir.Odd || l.Elem.Kind == ir.Vec && l.EntriesFit())
}

// plan is the cheapest layout of a layer.
func plan(l kernel.Layer) (best Plan, ok bool) {
	if !serves(l) {
		return best, false
	}
	in, out := l.Node.Args[0].Type.Shape, l.Node.Out.Type.Shape
	ph, _ := l.Node.Pool()
	for _, d := range inputs(l.Elem, in[0]) {
		groups, entry := (in[0]+d-1)/d, most(l, d)
		for _, rows := range kernel.Divisors(out[1]) { // of the result, whose pools are whole
			for _, block := range kernel.Divisors(groups) {
				p, fits := layout(l, rows*ph, block, d, entry)
				if !fits || p.Scratch() > maxScratch || !l.Fits(p.Scratch()) {
					continue
				}
				if !ok || p.cycles < best.cycles {
					best, ok = p, true
				}
			}
		}
	}
	return best, ok
}

func read(l kernel.Layer, tile []int) (p Plan, ok bool) {
	if !serves(l) || !slices.Contains(inputs(l.Elem, l.Node.Args[0].Type.Shape[0]), tile[2]) {
		return p, false
	}
	return layout(l, tile[0], tile[1], tile[2], most(l, tile[2]))
}

// most is the greatest absolute value of an entry of a layer's tables: the sum of |W|
// over the inputs of a code times the greatest |x-z|.
func most(l kernel.Layer, inputs int) int {
	reach := 255
	if !l.Supposed {
		reach = kernel.InputReach(l.Node)
	}
	switch {
	case l.Elem.Kind == ir.Odd:
		return inputs * int(l.Elem.MaxWeight()) * reach
	case l.Supposed:
		return 1<<15 - 1
	}
	return kernel.BookReach(l.Node) * reach
}

// layout lays a layer out for a tile of rows, groups and inputs of a code. most is the
// greatest absolute value of an entry. ok is false where that does not work.
func layout(l kernel.Layer, rows, block, inputs, most int) (p Plan, ok bool) {
	n, e := l.Node, l.Elem
	in, s, out := n.Args[0].Type.Shape, n.Const(ir.AttrWeight).Type.Shape, n.Out.Type.Shape
	pad, dilation := n.Ints(ir.AttrPad), n.Ints(ir.AttrDilation)
	p = Plan{Inputs: inputs, Bits: int(e.Bits), Taps: s[2] * s[3], Groups: (in[0] + inputs - 1) / inputs, Rows: rows, Block: block, OutC: s[0]}
	if e.Kind == ir.Odd {
		p.Bits *= inputs
	}
	p.Entries = 1 << p.Bits
	p.PoolH, p.PoolW = n.Pool()
	p.OutH, p.OutW = out[1]*p.PoolH, out[2]*p.PoolW
	if p.OutH%rows > 0 || rows%p.PoolH > 0 || p.Groups%block > 0 {
		return p, false
	}
	// What is right of a row is left of the next one. A row of the result may be longer than
	// that: of windows that are smaller than the padding on both sides.
	p.Row = max(in[2]+max(pad[1], pad[3]), p.OutW)
	p.TableRows = rows + (s[2]-1)*dilation[0]
	tap := (s[2]-1)*dilation[0]*p.Row + (s[3]-1)*dilation[1] // the last one's place
	p.Flat = p.OutW%lanes > 0
	p.Chunk = inputs
	if 8%inputs == 0 && in[0]%8 == 0 && block%(8/inputs) == 0 {
		p.Chunk = 8
	}
	p.Together = max(1, min(6, (1<<15-1)/max(1, most)))
	if t := p.Together; p.Steps()%t > 0 {
		for t > 1 && p.Steps()%t > 0 {
			t--
		}
		if t >= 3 || t == p.Together-1 {
			p.Together = t
		}
	}
	if p.Flat {
		n := ((rows-1)*p.Row + p.OutW + lanes - 1) / lanes
		if n > 2*maxVectors {
			return p, false
		}
		p.Tile, p.Last, p.Tiles = n, n, 1
		if n > maxVectors {
			p.Tile, p.Last, p.Tiles = (n+1)/2, n/2, 2
		}
		p.Length = max(p.TableRows*p.Row+pad[3], n*lanes+tap)
	} else {
		wide := 1 // vectors of a tile's row
		all := p.OutW / lanes
		for v := 1; v <= maxVectors/p.PoolH; v++ {
			if all%v == 0 {
				wide = v
			}
		}
		for r := p.PoolH; r*wide <= maxVectors; r += p.PoolH {
			if rows%r == 0 {
				p.TileRows = r
			}
		}
		if p.TileRows == 0 {
			return p, false
		}
		p.Tile, p.Tiles = wide*p.TileRows, rows/p.TileRows*all/wide
		p.Last = p.Tile
		p.Length = p.TableRows*p.Row + pad[3]
	}
	p.Length = (p.Length + lanes - 1) / lanes * lanes
	p.cycles = p.estimate(e, in)
	return p, block*p.TableBytes() <= maxTables
}

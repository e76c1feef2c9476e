package processor

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Pixels is the geometry of conv_pixels: tables of the sums of products of a few
// inputs with all that a code can stand for, each entry for many pixels side by
// side. A code names an entry, and eight pixels of an output channel are one load
// and an addition.
//
// An entry has the pixels of some rows of the image in the order of memory, rows
// one behind the other with padding between them. A tap moves the place of a pixel
// by a constant. Where rows of the result are whole vectors of eight pixels, they
// are computed row by row, else all of them in one piece, padding included.
type Pixels struct {
	Inputs, Bits int // of a code: inputs side by side in a tap, bits
	Entries      int
	Taps, Groups int // codes of an output channel: of each tap, all groups
	Rows, Block  int // rows of the result, and groups, whose tables are there at a time

	OutC, OutH, OutW int // of the convolution, as far as pools need them
	PoolH, PoolW     int
	Row              int // pixels from a row of a table to the next
	TableRows        int // rows of the image in a table
	Length           int // pixels of an entry, whole vectors
	Chunk            int // input channels that are read together
	Flat             bool
	TileRows         int   // rows of a tile, where it is not flat
	Tiles            []int // vectors of each tile of an output channel
	Together         int   // codes whose entries are added in 16 bits
}

// Lanes is the pixels of a vector.
const Lanes = 8

// Bounds of the tables: offsets are of 16 bits, and a cache of 32 KiB is common.
const (
	maxPixelTables  = 1 << 16
	goodPixelTables = 32 << 10
	maxPixelScratch = 128 << 10
	maxPixelVectors = 5 // of a tile: two sums each
)

// LooksUpPixels reports whether convolutions look up the sums of eight pixels at a
// time: sums of 16 bits are added to ones of 32.
func (t *Target) LooksUpPixels() bool { return t.Has("neon") }

// TableBytes is the table of one group.
func (p *Pixels) TableBytes() int { return p.Entries * p.EntryBytes() }

// EntryBytes is the sums of an entry.
func (p *Pixels) EntryBytes() int { return 2 * p.Length }

// Steps is the codes of an output channel whose tables are there at a time.
func (p *Pixels) Steps() int { return p.Taps * p.Block }

// Places in scratch: tables, the inputs of a chunk of channels, where a tile of
// channels' codes point, results that are pooled one by one, sums.
func (p *Pixels) Places() (inputs, codes, results, sums, bytes int) {
	inputs = p.Block * p.TableBytes()
	codes = inputs + p.Chunk*p.EntryBytes()
	results = codes + 2*PixelChannels*p.Steps()
	sums = results
	if p.Flat && p.PoolH*p.PoolW > 1 {
		sums += Lanes * p.Vectors()
	}
	bytes = sums
	if p.Block < p.Groups {
		bytes += 4 * Lanes * p.Vectors() * p.OutC
	}
	return inputs, codes, results, sums, bytes
}

// PixelChannels is the output channels whose codes are decoded together.
const PixelChannels = 16

// Planes are the bit planes of a code, the highest bits first.
func (p Pixels) Planes() []int { return codePlanes(p.Bits) }

func (p Pixels) tile() []int { return []int{p.Rows, p.Block, p.Inputs} }

func (p Pixels) scratch() int {
	_, _, _, _, bytes := p.Places()
	return bytes
}

// Vectors is those of an output channel.
func (p *Pixels) Vectors() int {
	n := 0
	for _, v := range p.Tiles {
		n += v
	}
	return n
}

// pixelInputs lists the inputs that a code of a format may stand for.
func pixelInputs(e ir.Elem, channels int) (list []int) {
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

// NewPixels lays out a convolution whose weights are of a format, for a tile of
// rows, groups and inputs of a code. most is the greatest absolute value of an
// entry. ok is false where that does not work.
func NewPixels(n *ir.Node, e ir.Elem, rows, block, inputs, most int) (p Pixels, ok bool) {
	in, s, out := n.Args[0].Type.Shape, n.Const("weight").Type.Shape, n.Out.Type.Shape
	pad, dilation := n.Ints("pad"), n.Ints("dilation")
	p = Pixels{Inputs: inputs, Bits: int(e.Bits), Taps: s[2] * s[3], Groups: (in[0] + inputs - 1) / inputs, Rows: rows, Block: block, OutC: s[0]}
	if e.Kind == ir.Odd {
		p.Bits *= inputs
	}
	p.Entries = 1 << p.Bits
	p.PoolH, p.PoolW = n.Pool()
	p.OutH, p.OutW = out[1]*p.PoolH, out[2]*p.PoolW
	p.Row = in[2] + max(pad[1], pad[3])
	p.TableRows = rows + (s[2]-1)*dilation[0]
	tap := (s[2]-1)*dilation[0]*p.Row + (s[3]-1)*dilation[1] // the last one's place
	p.Flat = p.OutW%Lanes > 0
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
		n := ((rows-1)*p.Row + p.OutW + Lanes - 1) / Lanes
		if n > 2*maxPixelVectors {
			return p, false
		}
		p.Tiles = []int{n}
		if n > maxPixelVectors {
			p.Tiles = []int{(n + 1) / 2, n / 2}
		}
		p.Length = max(p.TableRows*p.Row+pad[3], n*Lanes+tap)
	} else {
		wide := 1 // vectors of a tile's row
		all := p.OutW / Lanes
		for v := 1; v <= maxPixelVectors/p.PoolH; v++ {
			if all%v == 0 {
				wide = v
			}
		}
		for r := p.PoolH; r*wide <= maxPixelVectors; r += p.PoolH {
			if rows%r == 0 {
				p.TileRows = r
			}
		}
		if p.TileRows == 0 {
			return p, false
		}
		p.Tiles = slices.Repeat([]int{wide * p.TileRows}, rows/p.TileRows*all/wide)
		p.Length = p.TableRows*p.Row + pad[3]
	}
	p.Length = (p.Length + Lanes - 1) / Lanes * Lanes
	return p, block*p.TableBytes() <= maxPixelTables
}

// cycles estimates the instructions of the layer.
func (p *Pixels) cycles(e ir.Elem, in ir.Shape) float64 {
	blocks, parts := float64(p.OutH/p.Rows), p.Groups/p.Block
	perVector := 2 + 1/float64(p.Together)
	look := 0.
	for _, v := range p.Tiles {
		look += float64(p.Groups*p.Taps)*(2.7+float64(v)*perVector) + float64(parts)*pixelTile
		if parts > 1 {
			look += float64(parts*v) * pixelSums
		}
	}
	look *= float64(p.OutC)
	output := pixelOutput
	if n := p.PoolH * p.PoolW; n > 1 && !p.Flat {
		output = pixelOutput/float64(n) + 1
	}
	outputs := float64(p.OutC*p.Rows*p.OutW) * output
	table := float64(p.Entries) * (float64(p.Inputs) + pixelEntry*float64((p.Inputs+7)/8))
	if e.Kind == ir.Odd {
		table = float64(2*p.Entries + 4*p.Inputs)
	}
	tables := float64(p.Groups*p.Length/Lanes) * (table + 12)
	perInput := 4.5
	if p.Chunk == 8 && in[2] >= Lanes {
		perInput = .8
	}
	inputs := float64(p.TableRows*in[2]*in[0]) * perInput
	decode := float64(p.Groups*p.Taps) * (float64(p.OutC/PixelChannels+p.OutC%PixelChannels/8)*25 + float64(p.OutC%8)*12)
	cost := blocks * (look + outputs + tables + inputs + decode)
	if p.Block*p.TableBytes() > goodPixelTables {
		cost *= 1.1
	}
	return cost
}

// Instructions of conv_pixels, fitted to counts (cycles_test.go).
const (
	pixelTile   = 25. // a tile of a channel: its addresses and constants
	pixelSums   = 8.  // a vector's sums, read and written where groups come in parts
	pixelOutput = 4.5
	pixelEntry  = 5. // an entry of eight inputs, beside its products
)

// pixelLayout is the cheapest layout of a convolution whose weights are of a format,
// and its instructions; ok is false where there is none. most is the greatest
// absolute value of an entry for some inputs of a code.
func (t *Target) pixelLayout(n *ir.Node, e ir.Elem, most func(inputs int) int) (best Pixels, cost float64, ok bool) {
	if !t.LooksUpPixels() || !plainConv(n) {
		return best, 0, false
	}
	in, s, out := n.Args[0].Type.Shape, n.Const("weight").Type.Shape, n.Out.Type.Shape
	ph, pw := n.Pool()
	if pw > 2 || ph > 2 || s[0] < 8 {
		return best, 0, false
	}
	for _, d := range pixelInputs(e, in[0]) {
		groups, entry := (in[0]+d-1)/d, most(d)
		for _, rows := range divisors(out[1]) { // of the result, whose pools are whole
			for _, block := range divisors(groups) {
				p, fits := NewPixels(n, e, rows*ph, block, d, entry)
				if !fits || p.scratch() > maxPixelScratch {
					continue
				}
				if c := p.cycles(e, in); !ok || c < cost {
					best, cost, ok = p, c, true
				}
			}
		}
	}
	return best, cost, ok
}

// PixelMost is the greatest absolute value of an entry of a convolution's tables:
// the sum of |W| over the inputs of a code times the greatest |x-z|.
func PixelMost(n *ir.Node, inputs int) int {
	e := n.Const("weight").Type.Elem
	if e.Kind == ir.Odd {
		return inputs * int(e.MaxWeight()) * InputReach(n)
	}
	return bookReach(n) * InputReach(n)
}

// pixelsFor is the layout of a node in its own format.
func pixelsFor(n *ir.Node, t *Target) (p Pixels, cost float64, ok bool) {
	e := n.Const("weight").Type.Elem
	if e.Kind != ir.Vec && e.Kind != ir.Odd || n.Const("bias").Type.Elem.Kind != ir.I32 || e.Kind == ir.Vec && !sumsFit(n) {
		return p, 0, false
	}
	return t.pixelLayout(n, e, func(d int) int { return PixelMost(n, d) })
}

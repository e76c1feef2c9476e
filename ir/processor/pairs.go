package processor

import (
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
)

// Pairs is the geometry of conv_pairs: conv_pixels for processors without vectors.
// An entry of a table is words of two pixels each, one in the lower and one in the
// upper half, so that one addition serves both. The upper half has the pixels of a
// row further down: a tap moves both by the same number of words.
//
// A word of two pixels is lower + 2^16 upper, whatever their signs; sums and
// products of words by weights are those of the pixels. Entries are raised so that
// halves are not negative, and none overflows while no more than Together entries
// are added. Inputs are taken as they are: those that are far from the zero point
// would leave room for half as many entries; the bias takes care of it.
type Pairs struct {
	Inputs, Bits int // of a code: inputs side by side in a tap, bits
	Entries      int
	Taps, Groups int // codes of an output channel: of each tap, all groups
	Raised       int // is added to each half of an entry
	Together     int // codes whose entries are added in halves
	Step         int // groups whose codes lie together, whole bytes of each plane
	Chunk        int // codes whose look-ups are written out: those of a step's taps, or of a row of them

	// Rows and columns of the result and groups whose tables are there at a time, words
	// of a tile of sums.
	Rows, Cols, Block, Wide int

	OutC, OutH, OutW int // of the convolution, as far as pools need them
	PoolH, PoolW     int
	Half             int // rows of the result in a half of words
	Row              int // words from a row of a table to the next
	TableRows        int // rows of a table
	Length           int // words of an entry
	Pitch            int // sums of a row: whole tiles
}

// EntryBytes is the words of an entry.
func (p *Pairs) EntryBytes() int { return 4 * p.Length }

// TableBytes is the table of one group.
func (p *Pairs) TableBytes() int { return p.Entries * p.EntryBytes() }

// SumBytes is the sums of an output channel.
func (p *Pairs) SumBytes() int { return 4 * p.Rows * p.Pitch }

// Places in scratch: tables, the inputs of a group, sums.
func (p *Pairs) Places() (inputs, sums, bytes int) {
	inputs = p.Block * p.TableBytes()
	sums = inputs + p.Inputs*p.EntryBytes()
	return inputs, sums, sums + p.OutC*p.SumBytes()
}

// Planes are the bit planes of a code, the highest bits first.
func (p Pairs) Planes() []int { return codePlanes(p.Bits) }

func (p Pairs) tile() []int { return []int{p.Rows, p.Cols, p.Block, p.Inputs, p.Wide} }

func (p Pairs) scratch() int {
	_, _, bytes := p.Places()
	return bytes
}

// maxPairChunk is the codes that are looked up one behind the other in code.
const maxPairChunk = 18

// NewPairs lays out a convolution whose weights are of a format, for a tile of rows,
// columns, groups, inputs of a code and words; reach is that of entries. ok is false
// where that does not work.
func NewPairs(n *ir.Node, e ir.Elem, tile [5]int, reach Reach) (p Pairs, ok bool) {
	in, s, out := n.Args[0].Type.Shape, n.Const("weight").Type.Shape, n.Out.Type.Shape
	dilation := n.Ints("dilation")
	p = Pairs{Rows: tile[0], Cols: tile[1], Block: tile[2], Inputs: tile[3], Wide: tile[4], Bits: int(e.Bits), Taps: s[2] * s[3], OutC: s[0]}
	p.Groups = (in[0] + p.Inputs - 1) / p.Inputs
	if e.Kind == ir.Odd {
		p.Bits *= p.Inputs
	}
	p.Entries = 1 << p.Bits
	p.Raised, p.Together = -reach.Least, (1<<16-1)/max(1, reach.Most-reach.Least)
	if p.Together > 0 {
		// The same for most codebooks, so that layers of a shape share their code.
		most := (1<<16 - 1) / p.Together
		if half := most / 2; half >= -reach.Least && half+reach.Most <= most {
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
	if p.Chunk > maxPairChunk || n.Has("unroll") {
		p.Chunk = p.Step * s[3]
	}
	p.Half = p.Rows / 2
	p.Row = p.Cols + (s[3]-1)*dilation[1]
	p.TableRows = p.Half + (s[2]-1)*dilation[0]
	p.Pitch = (p.Cols + p.Wide - 1) / p.Wide * p.Wide
	// The last tile of the last row may go on behind it.
	p.Length = p.TableRows*p.Row + p.Pitch - p.Cols
	return p, true
}

// Reach is the least and the greatest value of something.
type Reach struct{ Least, Most int }

// oddReach is that of the entries of odd codes of some inputs, each -128 to 127.
func oddReach(e ir.Elem, inputs int) Reach {
	w := inputs * int(e.MaxWeight())
	return Reach{-128 * w, 128 * w}
}

// PairReach is that of the entries of a convolution's tables, for any inputs.
func PairReach(n *ir.Node, inputs int) (r Reach) {
	e := n.Const("weight").Type.Elem
	if e.Kind == ir.Odd {
		return oddReach(e, inputs)
	}
	book, err := n.Const("codebook").Load()
	if err != nil {
		return Reach{-1 << 16, 1 << 16}
	}
	for i := 0; i < len(book); i += inputs {
		least, most := 0, 0
		for _, v := range book[i : i+inputs] {
			w := int(int8(v))
			least, most = least+min(-128*w, 127*w), most+max(-128*w, 127*w)
		}
		r.Least, r.Most = min(r.Least, least), max(r.Most, most)
	}
	return r
}

// pairInputs lists the inputs that a code of a format may stand for.
func pairInputs(e ir.Elem, channels int) (list []int) {
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

// pairLayout is the cheapest layout of a convolution whose weights are of a format,
// and its instructions; ok is false where there is none.
func (t *Target) pairLayout(n *ir.Node, e ir.Elem, reach func(inputs int) Reach) (best Pairs, cost float64, ok bool) {
	if t.Vectors() || t.Pair.Words == 0 || !plainConv(n) || n.Nums("pad_value") != nil {
		return best, 0, false
	}
	room := maxTables
	switch {
	case e.Kind == ir.Odd:
		room = oddTables(n)
	case strings.HasPrefix(t.Arch, "riscv") && !t.Has("m"):
		return best, 0, false // products of a codebook's rows would be calls
	}
	in, out := n.Args[0].Type.Shape, n.Out.Type.Shape
	ph, pw := n.Pool()
	for _, d := range pairInputs(e, in[0]) {
		entries, blocks := reach(d), divisors((in[0]+d-1)/d)
		slices.Reverse(blocks)
		for rows := 2 * ph; rows <= min(out[1]*ph, 8*ph); rows *= 2 {
			for cols := out[2] * pw; cols >= pw; cols = (cols/pw + 1) / 2 * pw {
				for wide := 1; wide <= min(t.Pair.Words, cols); wide++ {
					// As many groups at a time as there is room for.
					for _, block := range blocks {
						p, fits := NewPairs(n, e, [5]int{rows, cols, block, d, wide}, entries)
						if !fits || p.scratch() > room {
							continue
						}
						if c := p.cycles(e, t.Pair); !ok || c < cost {
							best, cost, ok = p, c, true
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
	return best, cost, ok
}

// Pair is what conv_pairs costs on a target, in instructions fitted to counts
// (cycles_test.go).
type Pair struct {
	Words  int     // the most of a tile
	Load   float64 // a word of an entry
	Halves float64 // of a word, added to sums
	Kept   int     // words of a tile whose sums are kept in registers
	Code   float64 // a code's address; its bits cost further
	Field  float64 // a code's bits of one plane
	Entry  float64 // of a table of odd codes, or a product of another's entry
}

// cycles estimates the instructions of the layer.
func (p *Pairs) cycles(e ir.Elem, c Pair) float64 {
	blocks := float64((p.OutH + p.Rows - 1) / p.Rows * ((p.OutW + p.Cols - 1) / p.Cols))
	wide, codes, parts := float64(p.Wide), float64(p.Taps*p.Groups), float64(p.Groups/p.Block)
	code := c.Code
	for i, bits := range p.Planes() {
		code += 1 / float64(p.Step) // loads
		if bits < 8 {
			code += c.Field
		}
		if i > 0 {
			code += 2
		}
	}
	look := codes * (code + wide*(1+c.Load) + 3/float64(p.Chunk))
	switch n := p.Flush(); {
	case n == p.Block*p.Taps:
	case p.Wide <= c.Kept:
		look += codes / float64(n) * wide * c.Halves
	default:
		look += codes / float64(n) * wide * (c.Halves + 4)
	}
	look += parts * (6*wide + 30)
	look *= float64(p.OutC * p.Half * p.Pitch / p.Wide)
	outputs := float64(p.OutC*p.Rows) * (float64(p.Cols)*(pairOutput/float64(p.PoolH*p.PoolW)+2) + 8)
	table := float64(p.Entries) * (c.Entry*float64(p.Inputs) + 4)
	if e.Kind == ir.Odd {
		table = c.Entry*float64(p.Entries) + 3*float64(p.Inputs) + 12
	}
	tables := float64(p.Groups*p.Length) * (table + 8 + 8*float64(p.Inputs))
	return blocks * (look + outputs + tables)
}

// Flush is the codes whose entries are added in halves before those are added to sums:
// all of a block, whole steps of which there are a whole number of times as many, a
// chunk, or some of a chunk.
func (p *Pairs) Flush() int {
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

const pairOutput = 9. // a sum requantized and stored

// pairsFor is the layout of a node in its own format.
func pairsFor(n *ir.Node, t *Target) (p Pairs, cost float64, ok bool) {
	e := n.Const("weight").Type.Elem
	if e.Kind != ir.Vec && e.Kind != ir.Odd || n.Const("bias").Type.Elem.Kind != ir.I32 {
		return p, 0, false
	}
	return t.pairLayout(n, e, func(d int) Reach { return PairReach(n, d) })
}

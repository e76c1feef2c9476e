package processor

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Lookup is the geometry of linear_lookup: tables of the sums of products of a few
// inputs with all that a code can stand for. A code looks one sum up.
//
// A code is that of a row of the codebook, or those of a few odd weights together.
// Where the tables of all groups of inputs are too large, they come in blocks; then the
// sums wait in scratch.
type Lookup struct {
	Inputs, Bits int // of a code
	Entries      int // of a table
	Groups       int // of inputs: the codes of an output channel
	Block        int // groups whose tables are there at a time
	Rows         int // output channels
	InputBytes   int // of the layer
}

// TableBytes is the table of one group.
func (l *Lookup) TableBytes() int { return 2 * l.Entries }

func (l Lookup) tile() []int { return []int{l.Block, l.Inputs} }

func (l Lookup) scratch() int {
	_, _, bytes := l.Places()
	return bytes
}

// Waiting reports whether sums wait in scratch for further groups.
func (l *Lookup) Waiting() bool { return l.Block < l.Groups }

// Places in scratch: sums, and the inputs in logical order, behind the tables.
func (l *Lookup) Places() (sums, inputs, bytes int) {
	sums = l.Block * l.TableBytes()
	inputs = sums
	if l.Waiting() {
		inputs += 4 * l.Rows
	}
	return sums, inputs, inputs + l.InputBytes
}

// maxTables bounds the tables of look-up kernels.
const maxTables = 24 << 10

// oddTables is that bound for weights that have no codebook, which other kernels compute
// with less memory: the layer's activations, so that memory doubles at the most, or 8 KiB.
func oddTables(n *ir.Node) int { return min(max(activations(n), 8<<10), maxTables) }

// NewLookup lays out a linear layer whose weights are of a format, for blocks of some
// groups of some inputs. ok is false where that does not work.
func NewLookup(n *ir.Node, e ir.Elem, block, inputs int) (l Lookup, ok bool) {
	s := n.Const("weight").Type.Shape
	l = Lookup{Inputs: inputs, Bits: int(e.Bits), Groups: (s[1] + inputs - 1) / inputs, Block: block, Rows: s[0], InputBytes: n.Args[0].Type.Shape.Size()}
	if e.Kind == ir.Odd {
		l.Bits *= inputs
		if s[1]%inputs > 0 {
			return l, false // a code without a weight stands for none
		}
	}
	l.Entries = 1 << l.Bits
	return l, l.Bits <= 8 && block > 0 && l.Groups%block == 0
}

// lookupLayout is the cheapest layout of a linear layer whose weights are of a format,
// and its instructions; ok is false where there is none.
func (t *Target) lookupLayout(n *ir.Node, e ir.Elem) (best Lookup, cost float64, ok bool) {
	var inputs []int
	most := maxTables
	switch {
	case n.Op != ir.Linear || n.Const("weight").Type.Shape[0] < LookupTile:
		return best, 0, false
	case e.Kind == ir.Vec:
		inputs = []int{int(e.Group)}
	case e.Kind == ir.Odd && !t.Vectors():
		most = oddTables(n)
		for d := 2; d*int(e.Bits) <= 8; d++ {
			inputs = append(inputs, d)
		}
	}
	for _, d := range inputs {
		l, _ := NewLookup(n, e, 1, d)
		for _, block := range slices.Backward(divisors(l.Groups)) {
			l, fits := NewLookup(n, e, block, d)
			if !fits || block*l.TableBytes() > most {
				continue
			}
			if c := l.cycles(e, t); !ok || c < cost {
				best, cost, ok = l, c, true
			}
			break
		}
	}
	return best, cost, ok
}

// cycles estimates the instructions of the layer.
func (l *Lookup) cycles(e ir.Elem, t *Target) float64 {
	groups, rows := float64(l.Groups), float64(l.Rows)
	cost := groups*t.tableCycles(e, l.Inputs, l.Entries) + rows*(groups*t.lookCycles(e, l.Bits)+perOutput)
	if l.Waiting() {
		cost += rows * (perWaiting*float64(l.Groups/l.Block) + perOutput)
	}
	return cost + perTap + perPixel
}

// tableCycles are those of a group's table.
func (t *Target) tableCycles(e ir.Elem, inputs, entries int) float64 {
	switch {
	case e.Kind == ir.Odd:
		return perOddEntry*float64(entries) + 4*float64(inputs) + 40
	case t.Vectors() && entries >= 16:
		return float64(entries) / 16 * (perVectorTable + perVectorInput*float64(inputs))
	}
	return float64(entries) * (perEntry + perProd*float64(inputs))
}

// lookCycles are those of a code that looks up by itself.
func (t *Target) lookCycles(e ir.Elem, bits int) float64 {
	if t.LooksUpVectors(e) {
		return perVectorLookup
	}
	switch {
	case 8%bits > 0: // some codes lie in two words
		return 1.5 * perLookup
	case bits == 8: // each is loaded by itself
		return 1.2 * perLookup
	}
	return perLookup
}

// lookupFor is the layout of a node in its own format: one whose tables hold 16-bit
// sums.
func lookupFor(n *ir.Node, t *Target) (l Lookup, cost float64, ok bool) {
	e := n.Const("weight").Type.Elem
	if n.Const("bias").Type.Elem.Kind != ir.I32 || e.Kind == ir.Vec && !sumsFit(n) {
		return l, 0, false
	}
	return t.lookupLayout(n, e)
}

package pairs

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
)

// cost is what conv_pairs costs on a processor, in instructions fitted to counts under
// the emulator.
type cost struct {
	Words  int     // upper bound on the words of a tile
	Load   float64 // load a word of an entry
	Halves float64 // add the halves of a word to sums
	Kept   int     // upper bound on the words of a tile whose sums stay in registers
	Code   float64 // compute a code's address, without Field
	Field  float64 // extract a code's bits of one plane
	Entry  float64 // compute an entry for odd codes, or one product of an entry for a codebook
}

// costs are those of the instruction sets that look pairs up.
var costs = map[string]cost{
	"thumb":   {Words: 4, Load: .6, Halves: 2, Kept: 2, Code: 1, Field: 1, Entry: 2.2},
	"arm":     {Words: 4, Load: .6, Halves: 2, Kept: 2, Code: 1, Field: 1, Entry: 2.2},
	"riscv32": {Words: 4, Load: 1, Halves: 4, Kept: 4, Code: 2, Field: 2, Entry: 3.3},
	"riscv64": {Words: 4, Load: 1, Halves: 4, Kept: 4, Code: 2, Field: 2, Entry: 3.3},
}

// costOf is the cost on a processor; without Words, no pairs are looked up.
func costOf(t *processor.Target) cost { return costs[t.ISA()] }

const perOutput = 9. // a sum requantized and stored

// estimate is the instructions of the layer.
func (p Plan) estimate(e ir.Elem, c cost) float64 {
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
	outputs := float64(p.OutC*p.Rows) * (float64(p.Cols)*(perOutput/float64(p.PoolH*p.PoolW)+2) + 8)
	table := float64(p.Entries) * (c.Entry*float64(p.Inputs) + 4)
	if e.Kind == ir.Odd {
		table = c.Entry*float64(p.Entries) + 3*float64(p.Inputs) + 12
	}
	tables := float64(p.Groups*p.Length) * (table + 8 + 8*float64(p.Inputs))
	return blocks * (look + outputs + tables)
}

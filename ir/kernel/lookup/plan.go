// Package lookup contains the families linear_lookup and conv_lookup. They compute, once for
// all output channels, a table with the sum that each value of a code contributes for a few
// inputs. A code then looks up its sum.
package lookup

import (
	"errors"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Linear and Conv are the families.
var (
	Linear = kernel.Family{
		Name: "linear_lookup", Op: ir.Linear, Plan: kernel.Planner(planLinear), Read: kernel.Reader(2, readLinear),
		Doc: "sums of products of a few inputs with all that a code stands for tabulated; codes look them up",
	}
	Conv = kernel.Family{
		Name: "conv_lookup", Op: ir.Conv2D, Pools: true, Rows: true, Plan: kernel.Planner(planConv), Read: readConv,
		Doc: "products of all rows of the codebook with each group of inputs tabulated, for the rows that a window sees; codes look them up",
	}
)

// Plan is the geometry of linear_lookup. A code is the index of a row of the codebook, or the
// codes of a few odd weights together; it looks up one sum. If the tables of all groups of
// inputs are too large, they are computed in blocks, and the sums stay in scratch between
// blocks.
type Plan struct {
	Inputs, Bits int // inputs and bits of a code
	Entries      int // entries of a table
	Groups       int // groups of inputs: codes of an output channel
	Block        int // groups whose tables are in scratch at a time
	Rows         int // output channels
	InputBytes   int // size of the layer's input
	cycles       float64
}

func (p Plan) Attrs() kernel.Attrs { return kernel.Attrs{Tile: []int{p.Block, p.Inputs}} }
func (p Plan) Cycles() float64     { return p.cycles }
func (p Plan) Scratch() int {
	_, _, bytes := p.places()
	return bytes
}

// Pack lays the codes out, one part of the output channels after the other.
func (p Plan) Pack(l kernel.Layer) ([][]byte, error) { return pack(l, p.Inputs) }

// tableBytes is the table of one group.
func (p Plan) tableBytes() int { return 2 * p.Entries }

// waiting reports whether sums wait in scratch for further groups.
func (p Plan) waiting() bool { return p.Block < p.Groups }

// places in scratch: sums, and the inputs in logical order, after the tables.
func (p Plan) places() (sums, inputs, bytes int) {
	sums = p.Block * p.tableBytes()
	inputs = sums
	if p.waiting() {
		inputs += 4 * p.Rows
	}
	return sums, inputs, inputs + p.InputBytes
}

// tileChannels is the output channels that look up in a table together: their codes
// of one bit fill a byte.
const tileChannels = 8

// layout lays a linear layer out for blocks of some groups of some inputs. ok is false
// where that does not work.
func layout(l kernel.Layer, block, inputs int) (p Plan, ok bool) {
	s := l.Weight()
	p = Plan{Inputs: inputs, Bits: int(l.Elem.Bits), Groups: (s[1] + inputs - 1) / inputs, Block: block, Rows: s[0], InputBytes: l.Node.Args[0].Type.Shape.Size()}
	switch {
	case l.Elem.Kind == ir.Odd && inputs > 1:
		p.Bits *= inputs
		if s[1]%inputs > 0 {
			return p, false // a code without a weight stands for none
		}
	case inputs != int(l.Elem.Group):
		return p, false
	}
	p.Entries = 1 << p.Bits
	if p.Bits > 8 || p.Groups%block > 0 {
		return p, false
	}
	p.cycles = p.estimate(l)
	return p, true
}

// serves reports whether tables hold 16-bit sums, for output channels enough.
func serves(l kernel.Layer) bool {
	return l.Narrow() && l.Weight()[0] >= tileChannels && (l.Elem.Kind == ir.Odd || l.Elem.Kind == ir.Vec && l.EntriesFit())
}

// planLinear is the cheapest layout of a layer.
func planLinear(l kernel.Layer) (best Plan, ok bool) {
	if !serves(l) {
		return best, false
	}
	inputs, most := []int{int(l.Elem.Group)}, kernel.MaxTables
	if l.Elem.Kind == ir.Odd {
		if l.Target.Vectors() {
			return best, false
		}
		inputs, most = nil, l.OddTables()
		for d := 2; d*int(l.Elem.Bits) <= 8; d++ {
			inputs = append(inputs, d)
		}
	}
	for _, d := range inputs {
		groups := (l.Weight()[1] + d - 1) / d
		for _, block := range slices.Backward(kernel.Divisors(groups)) {
			p, fits := layout(l, block, d)
			if !fits || block*p.tableBytes() > most || !l.Fits(p.Scratch()) {
				continue
			}
			if !ok || p.cycles < best.cycles {
				best, ok = p, true
			}
			break
		}
	}
	return best, ok
}

func readLinear(l kernel.Layer, tile []int) (Plan, bool) {
	if !serves(l) {
		return Plan{}, false
	}
	return layout(l, tile[0], tile[1])
}

// ConvPlan is the geometry of conv_lookup: tables for the rows that a window covers.
type ConvPlan struct {
	scratch int
	cycles  float64
}

func (ConvPlan) Attrs() kernel.Attrs { return kernel.Attrs{} }
func (p ConvPlan) Scratch() int      { return p.scratch }
func (p ConvPlan) Cycles() float64   { return p.cycles }

// Pack lays the codes out, one part of the output channels after the other.
func (ConvPlan) Pack(l kernel.Layer) ([][]byte, error) { return pack(l, int(l.Elem.Group)) }

// planConv serves convolutions of vector codes whose tables hold 16-bit sums, are not too
// large, and pad with the zero point.
func planConv(l kernel.Layer) (p ConvPlan, ok bool) {
	if l.Elem.Kind != ir.Vec || l.Groups() > 1 || l.Node.Nums(ir.AttrPadValue) != nil || !slices.Equal(l.Node.Ints(ir.AttrDilation), []int{1, 1}) {
		return p, false
	}
	w, d := l.Weight(), int(l.Elem.Group)
	groups := (w[1] + d - 1) / d
	p.scratch = w[2] * l.Node.Args[0].Type.Shape[2] * groups * 2 << l.Elem.Bits
	p.cycles = estimateConv(l, groups)
	return p, p.scratch <= kernel.MaxTables && l.Fits(p.scratch) && serves(l)
}

func readConv(l kernel.Layer) (kernel.Plan, error) {
	p, ok := planConv(l)
	if !ok {
		return nil, errors.New("the layer is not a convolution of vector codes whose tables fit")
	}
	return p, nil
}

package processor

import "github.com/dnnc/dnnc/ir"

// Instructions of what surrounds the products, fitted to counts under the
// emulator (cycles_test.go).
const (
	perOutput = 13.  // a sum requantized and stored, its share of a tile's set-up
	perTap    = 22.  // of a window: its bounds and addresses
	perInput  = 1.6  // an input written to a column
	perPixel  = 60.  // calls, the loops of a tile
	perLookup = 3.35 // a code: its bits, the table's entry, the addition
	perEntry  = 6.   // a table's entry, beside its products
	perProd   = 0.8  // a product of a table's entry

	perOddEntry = 1.6 // an entry of a table of odd codes
	perWaiting  = 3.  // an output whose sum waits for further tables
	// Where tables are vectors of bytes (LooksUpVectors):
	perVectorLookup = .76 // 27 for a step of 32 channels
	perVectorOutput = 5.  // four sums requantized together
	perVectorTable  = 12. // sixteen entries of a group's table, beside the 9 of each of its inputs
	perVectorInput  = 9.

	perScalarSum = 1.5 // an output of four, whose sums become a vector

	// Of a depthwise layer, an output's tap:
	perDepthwiseTap = 2.7
	perVectorTap    = 1.1

	// Of a linear layer, a code whose row of the codebook is found, and a weight of that:
	perBookCode, perBookProduct = 12., 3.5

	perBookWeight = 4. // a weight looked up in a codebook, for all pixels

	perWeight = 6. // multiply-add of a kernel without products of the target's
)

// Cycles estimates the instructions of a layer on a target, if its weights had a
// format: what a search with a budget of time adds up.
func (t *Target) Cycles(n *ir.Node, e ir.Elem) float64 {
	others := t.otherCycles(n, e)
	// What is not known yet: a codebook, and the input's zero point. Entries are
	// as great as they may become.
	most := func(inputs int) int {
		if e.Kind == ir.Odd {
			return inputs * int(e.MaxWeight()) * 255
		}
		return 1<<15 - 1
	}
	if _, cost, ok := t.pixelLayout(n, e, most); ok {
		return min(cost, others)
	}
	reach := func(inputs int) Reach {
		if e.Kind == ir.Odd {
			return oddReach(e, inputs)
		}
		return Reach{-1 << 14, 1<<14 - 1} // rows of codebooks sum up to 128
	}
	if _, cost, ok := t.pairLayout(n, e, reach); ok {
		return min(cost, others)
	}
	return others
}

// extent is the pixels that a layer computes, those that its pool takes included, its
// taps and its groups: 1 each of a linear layer.
func extent(n *ir.Node) (pixels, taps, groups int) {
	if n.Op != ir.Conv2D {
		return 1, 1, 1
	}
	h, w := n.Pool()
	out, weight := n.Out.Type.Shape, n.Const("weight").Type.Shape
	return out[1] * out[2] * h * w, weight[2] * weight[3], n.Int("groups")
}

// otherCycles are those of a layer that is not left to conv_pixels or conv_pairs.
func (t *Target) otherCycles(n *ir.Node, e ir.Elem) float64 {
	shape := n.Const("weight").Type.Shape
	pixels, taps, groups := extent(n)
	outputs := float64(pixels * shape[0])
	if e.Kind == ir.Vec {
		if n.Op == ir.Linear {
			cost := bookCycles(n, e)
			if _, c, ok := t.lookupLayout(n, e); ok {
				cost = min(cost, c)
			}
			return cost
		}
		d := int(e.Group)
		steps := (shape[1] + d - 1) / d
		tables := float64(pixels*steps) * t.tableCycles(e, d, 1<<e.Bits) // strides are few
		look := float64(steps*taps) * t.lookCycles(e, int(e.Bits))
		if t.LooksUpVectors(e) {
			return tables + outputs*(look+perVectorOutput+perTap*float64(taps)/(4*LookupTile)) + perPixel*float64(pixels)
		}
		if n.Op == ir.Conv2D && steps*2<<e.Bits*shape[2]*n.Args[0].Type.Shape[2] > maxTables {
			if b := t.blocks(n, e); b.m != nil {
				return b.cost
			}
		}
		return tables + outputs*(look+perOutput+perTap*float64(taps)/LookupTile) + perPixel*float64(pixels)
	}
	if groups == shape[0] && groups > 1 {
		if t.Vectors() {
			return outputs * (float64(taps)*perVectorTap + perVectorOutput)
		}
		return outputs * (float64(taps)*perDepthwiseTap + perOutput)
	}
	cost := t.microCycles(n, e)
	if _, c, ok := t.lookupLayout(n, e); ok {
		cost = min(cost, c)
	}
	if e.Kind == ir.Odd && n.Op == ir.Conv2D {
		if b := t.blocks(n, e); b.m != nil {
			cost = min(cost, b.cost)
		}
	}
	return cost
}

// microCycles are those of a layer's words of codes.
func (t *Target) microCycles(n *ir.Node, e ir.Elem) float64 {
	shape := n.Const("weight").Type.Shape
	pixels, _, _ := extent(n)
	outputs := float64(pixels * shape[0])
	c := t.bestFor(n, e, func(m *Multiply) bool { return serves(n, e, m) })
	if c.m == nil {
		return outputs * float64(shape.Size()/shape[0]) * perWeight
	}
	output := perOutput / 2
	if c.m.Word == 16 && c.m.Narrow == nil && c.channels%4 == 0 { // four sums together, and none to be added up before
		output = perScalarSum
	}
	return outputs*(c.cycles+output) + t.columnCycles(n, c.m)
}

// bookCycles are those of a linear layer that finds the codebook's row for each code.
func bookCycles(n *ir.Node, e ir.Elem) float64 {
	shape := n.Const("weight").Type.Shape
	d := int(e.Group)
	steps := (shape[1] + d - 1) / d
	return float64(shape[0]) * (float64(steps)*perBookCode*float64(len(e.Planes())) + float64(shape[1])*perBookProduct)
}

// columnCycles are those of the columns of all pixels, and of what surrounds them.
func (t *Target) columnCycles(n *ir.Node, m *Multiply) float64 {
	shape := n.Const("weight").Type.Shape
	pixels, taps, groups := extent(n)
	input := perInput * float64(m.Input) / 16
	if m.Word == 16 {
		input = 1. / 4
	}
	return float64(pixels*groups)*(float64(shape.Size()/shape[0])*input+float64(taps)*perTap) + perPixel*float64(pixels)
}

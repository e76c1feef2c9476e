package lookup

import (
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
)

// Instructions, fitted to counts under the emulator.
const (
	perLookup = 3.35 // a code: its bits, the table's entry, the addition
	perEntry  = 6.   // a table's entry, beside its products
	perProd   = 0.8  // a product of a table's entry

	perOddEntry = 1.6 // an entry of a table of odd codes
	perWaiting  = 3.  // an output whose sum waits for further tables

	// On RISC-V, whose instructions do one thing each: tables of codebooks, the outputs of a convolution,
	// the taps of a tile of its channels, all of a linear layer.
	riscLookup = 3.75
	riscTable  = 2.04
	riscOutput = 22.
	riscTap    = 43.
	riscLinear = 1.28

	thumb1Linear = 1.61 // all of a linear layer on a Cortex-M0

	// Where tables are vectors of bytes (byVectors):
	perVectorLookup = .76 // 27 for a step of 32 channels
	perVectorOutput = 5.  // four sums requantized together
	perVectorTable  = 12. // sixteen entries of a group's table, beside the 9 of each of its inputs
	perVectorInput  = 9.
)

// byVectors reports whether vector codes look up by tbl16: the processor finds bytes in
// a vector of sixteen, and a codebook has as many rows.
func byVectors(l kernel.Layer) bool {
	return l.Elem.Kind == ir.Vec && l.Elem.Bits == 4 && l.Target.Has("neon")
}

// estimate is the instructions of a linear layer.
func (p Plan) estimate(l kernel.Layer) float64 {
	groups, rows := float64(p.Groups), float64(p.Rows)
	cost := groups*tableCycles(l, p.Inputs, p.Entries) + rows*(groups*lookCycles(l, p.Bits)+kernel.PerOutput)
	if p.waiting() {
		cost += rows * (perWaiting*float64(p.Groups/p.Block) + kernel.PerOutput)
	}
	switch {
	case isRISC(l):
		cost *= riscLinear
	case l.Target.ISA() == "thumb1":
		cost *= thumb1Linear
	}
	return cost + kernel.PerTap + kernel.PerPixel
}

// isRISC reports whether a layer is for a processor of RISC-V.
func isRISC(l kernel.Layer) bool { return strings.HasPrefix(l.Target.ISA(), "riscv") }

// estimateConv is the instructions of a convolution.
func estimateConv(l kernel.Layer, groups int) float64 {
	pixels, taps := float64(l.Pixels()), float64(l.Taps())
	tables := pixels * float64(groups) * tableCycles(l, int(l.Elem.Group), 1<<l.Elem.Bits) // strides are few
	look := float64(groups) * taps * lookCycles(l, int(l.Elem.Bits))
	if byVectors(l) {
		return tables + l.Outputs()*(look+perVectorOutput+kernel.PerTap*taps/(4*tileChannels)) + kernel.PerPixel*pixels
	}
	if isRISC(l) {
		return riscTable*tables + l.Outputs()*(look*riscLookup/perLookup+riscOutput+riscTap*taps/tileChannels) + kernel.PerPixel*pixels
	}
	return tables + l.Outputs()*(look+kernel.PerOutput+kernel.PerTap*taps/tileChannels) + kernel.PerPixel*pixels
}

// tableCycles are those of a group's table.
func tableCycles(l kernel.Layer, inputs, entries int) float64 {
	switch {
	case l.Elem.Kind == ir.Odd:
		return perOddEntry*float64(entries) + 4*float64(inputs) + 40
	case l.Target.Vectors() && entries >= 16:
		return float64(entries) / 16 * (perVectorTable + perVectorInput*float64(inputs))
	}
	return float64(entries) * (perEntry + perProd*float64(inputs))
}

// lookCycles are those of a code that looks up by itself.
func lookCycles(l kernel.Layer, bits int) float64 {
	switch {
	case byVectors(l):
		return perVectorLookup
	case 8%bits > 0: // some codes lie in two words
		return 1.5 * perLookup
	case bits == 8: // each is loaded by itself
		return 1.2 * perLookup
	}
	return perLookup
}

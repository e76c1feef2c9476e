package micro

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Blocks is the family conv_blocks, which decodes the weights of one block of output channels
// after the other.
var Blocks = kernel.Family{
	Name: "conv_blocks", Op: ir.Conv2D, Pools: true, Plan: kernel.Planner(planBlocks), Read: readBlocks,
	Doc: "the weights of a block of output channels decoded once for all pixels, then windows gathered as columns times them, by the target's own product: codebooks that are no tables, codes that no plane holds whole",
}

// BlockPlan is a product, the pixels and channels of a tile, and the channels of a block.
type BlockPlan struct {
	Product                 string
	Pixels, Channels, Block int
	scratch                 int
	cycles                  float64
}

func (p BlockPlan) Attrs() kernel.Attrs {
	return kernel.Attrs{Product: p.Product, Tile: []int{p.Pixels, p.Channels, p.Block}}
}
func (p BlockPlan) Scratch() int    { return p.scratch }
func (p BlockPlan) Cycles() float64 { return p.cycles }

// blockBytes bounds the bytes of a block of decoded output channels: those of odd codes
// are no more than the activations, so that memory doubles at the most, or than 2 KiB,
// those of a codebook no more than tables would take. A tile of channels is a block in
// any case.
func blockBytes(l kernel.Layer) int {
	if !l.Elem.IsUniform() {
		return kernel.MaxTables
	}
	return min(max(l.Activations(), 2<<10), 12<<10)
}

// perBookWeight is the instructions of a weight that is looked up in a codebook.
const perBookWeight = 4.

// planBlocks is the cheapest plan of a layer. There is none where vectors serve, or one
// plane holds the codes.
func planBlocks(l kernel.Layer) (best BlockPlan, ok bool) {
	for _, m := range productsOf(l.Target) {
		for _, tile := range m.Tiles {
			if tile[1] > l.Weight()[0] {
				continue
			}
			// Whole tiles, as few as give the fewest blocks.
			bytes := blockBytes(l)
			if l.Room > 0 {
				bytes = min(bytes, l.Room-decodedAt(m, l.K(), tile[0]))
			}
			most := max(1, bytes/decodedBytes(m, l.K())/tile[1])
			tiles := l.Weight()[0] / tile[1]
			count := (tiles + most - 1) / most
			p, fits := m.planBlock(l, tile[0], tile[1], (tiles+count-1)/count*tile[1])
			if fits && l.Fits(p.scratch) && (!ok || p.cycles < best.cycles) {
				best, ok = p, true
			}
		}
	}
	return best, ok
}

// readBlocks restores the plan of a layer's attributes.
func readBlocks(l kernel.Layer) (kernel.Plan, error) {
	m, tile := productOf(l.Target, l.Node.Word(ir.AttrMultiply)), l.Node.Ints(ir.AttrTile)
	if m == nil || len(tile) != 3 {
		return nil, fmt.Errorf("no product %q with tile %v on %s", l.Node.Word(ir.AttrMultiply), tile, l.Target.Name)
	}
	if !slices.Contains(m.Tiles, [2]int(tile[:2])) {
		return nil, fmt.Errorf("%s has no tile %v", m.Name, tile[:2])
	}
	p, ok := m.planBlock(l, tile[0], tile[1], tile[2])
	if !ok {
		return nil, fmt.Errorf("%s does not compute this layer with tile %v", m.Name, tile)
	}
	return p, nil
}

// planBlock lays a layer out for a tile and a block of channels; ok is false where the
// product does not compute the layer so.
func (m *Product) planBlock(l kernel.Layer, pixels, channels, block int) (p BlockPlan, ok bool) {
	w, k := l.Weight(), l.K()
	if l.Target.Vectors() || l.Groups() > 1 || !l.Narrow() {
		return p, false
	}
	switch l.Elem.Kind {
	case ir.Odd, ir.Two:
		if !m.Decodes || m.Together || m.Carried || m.Decode == 0 || len(m.PlanesOf(l.Elem)) < 2 || l.Elem.CodeBits() == 8 || w[0]%channels > 0 {
			return p, false
		}
	case ir.Vec, ir.Code:
		if !m.Books {
			return p, false
		}
	default:
		return p, false
	}
	_, pooled := l.Node.Pool()
	if block < 1 || pixels > l.Node.Out.Type.Shape[2]*pooled || pixels > 1 && pixels%pooled != 0 || channels > w[0] || block > w[0] || block%channels > 0 {
		return p, false
	}
	p = BlockPlan{Product: m.Name, Pixels: pixels, Channels: channels, Block: block, scratch: decodedAt(m, k, pixels) + block*decodedBytes(m, k)}
	coded := l.Elem
	if !l.Elem.IsUniform() {
		coded = ir.Elem{Kind: ir.I8}
		p.cycles = perBookWeight * float64(w.Size())
	}
	count := (w[0] + block - 1) / block
	p.cycles += float64(l.Pixels()*count*block)*(m.cycles(coded, k, pixels, channels, l.Pixels())+kernel.PerOutput/2) + float64(count)*m.columnCycles(l, pixels)
	return p, true
}

// Pack lays the codes out: odd codes contiguous in the order of decoding, codes of a codebook
// row by row, tap by tap.
func (p BlockPlan) Pack(l kernel.Layer) ([][]byte, error) {
	n := l.Node
	w := n.Const(ir.AttrWeight)
	if !w.Type.Elem.IsUniform() {
		return emit.PackBook(n)
	}
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	m, s := productNamed(p.Product), w.Type.Shape
	return packStream(m, w.Type.Elem, codes, 1, s[0], s.Size()/s[0], p.Channels, inputOrder(m, n)), nil
}

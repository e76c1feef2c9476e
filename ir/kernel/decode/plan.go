// Package decode contains the general families of layers with a codebook. They look up each
// weight.
package decode

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Conv and Linear are the families.
var (
	Conv = kernel.Family{
		Name: "conv_decode", Op: ir.Conv2D, General: true, Wide: true, Pools: true, Plan: kernel.Planner(planConv), Read: kernel.Reader(2, readConv),
		Doc: "the weights of a tile of output channels decoded through the codebook once for all pixels, then multiplied with one window after the other",
	}
	Linear = kernel.Family{
		Name: "linear_decode", Op: ir.Linear, Wide: true, Plan: kernel.Planner(planLinear), Read: kernel.Reader(2, readLinear),
		Doc: "each group of inputs times the row of the codebook that its code names",
	}
)

// Plan is a tile.
type Plan struct{ kernel.Tile }

// Pack lays the codes out row by row, tap by tap.
func (Plan) Pack(l kernel.Layer) ([][]byte, error) { return emit.PackBook(l.Node) }

// mostChannels is the output channels of a tile.
const mostChannels = 8

func planConv(l kernel.Layer) (Plan, bool) {
	channels := mostChannels // a power of two
	for channels > l.Weight()[0] {
		channels /= 2
	}
	return readConv(l, []int{1, channels})
}

func readConv(l kernel.Layer, tile []int) (Plan, bool) {
	p := Plan{kernel.Tile{Pixels: tile[0], Channels: tile[1], Bytes: (2 + tile[1]) * l.K(), Instructions: l.Outputs() * float64(l.K()) * kernel.PerWeight}}
	fits := tile[0] == 1 && tile[1] <= min(mostChannels, l.Weight()[0]) && bits.OnesCount(uint(tile[1])) == 1
	return p, fits && l.Book()
}

// Instructions of a linear layer: a code whose row of the codebook is found, and a weight
// of that.
const perBookCode, perBookProduct = 12., 3.5

func planLinear(l kernel.Layer) (Plan, bool) { return readLinear(l, []int{1, 1}) }

func readLinear(l kernel.Layer, tile []int) (Plan, bool) {
	d := max(1, int(l.Elem.Group))
	codes := (l.Weight()[1] + d - 1) / d
	cycles := l.Outputs() * (float64(codes)*perBookCode*float64(len(l.Elem.Planes())) + float64(l.Weight()[1])*perBookProduct)
	p := Plan{kernel.Tile{Pixels: tile[0], Channels: tile[1], Bytes: 2 * l.Node.Args[0].Type.Shape.Size(), Instructions: cycles}}
	return p, tile[0] == 1 && tile[1] == 1 && l.Book()
}

// Emit writes the layer.
func (p Plan) Emit(g *emit.Generator) error {
	if g.Node.Op == ir.Linear {
		return p.linear(g)
	}
	return p.conv(g)
}

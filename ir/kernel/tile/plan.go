// Package tile contains the general families of layers with scalar codes. They use no
// product of the processor: they unpack the weights of a few output channels and multiply
// them by one input after the other.
package tile

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Conv and Linear are the families.
var (
	Conv = kernel.Family{
		Name: "conv_tile", Op: ir.Conv2D, General: true, Wide: true, Pools: true, Rows: true, Plan: kernel.Planner(plan), Read: kernel.Reader(2, read),
		Doc: "windows of a few pixels gathered as 16-bit differences from the zero point, times unpacked weights of a few output channels",
	}
	Linear = kernel.Family{
		Name: "linear_tile", Op: ir.Linear, General: true, Wide: true, Plan: kernel.Planner(plan), Read: kernel.Reader(2, read),
		Doc: "each input times the unpacked weights of a few outputs",
	}
)

// A tile that fits the registers of any processor.
const (
	tilePixels   = 2
	tileChannels = 8
)

// Plan is a tile.
type Plan struct{ kernel.Tile }

func plan(l kernel.Layer) (Plan, bool) {
	if l.Node.Op == ir.Linear {
		return read(l, []int{1, tileChannels})
	}
	return read(l, []int{min(tilePixels, l.Node.Out.Type.Shape[2]), tileChannels})
}

func read(l kernel.Layer, tile []int) (Plan, bool) {
	rows := l.Weight()[0] / l.Groups()
	whole := (rows + tileChannels - 1) / tileChannels * tileChannels // a tile computes all its channels
	p := Plan{kernel.Tile{Pixels: tile[0], Channels: tile[1], Instructions: l.Outputs() * float64(whole) / float64(rows) * float64(l.K()) * perWeight(l)}}
	columns := 1
	if l.Node.Op == ir.Conv2D {
		p.Bytes = 2 * p.Pixels * l.K()
		_, pooled := l.Node.Pool()
		columns = l.Node.Out.Type.Shape[2] * pooled
	}
	return p, l.Scalar() && p.Pixels <= columns && p.Channels == tileChannels
}

// perWeight is the instructions of a multiply-add.
func perWeight(l kernel.Layer) float64 {
	if l.Target.ISA() == "thumb1" { // whose registers do not hold the sums of a tile
		return 2 * kernel.PerWeight
	}
	return kernel.PerWeight
}

// Pack lays the codes out in bit planes, one tile of channels after the other.
func (p Plan) Pack(l kernel.Layer) ([][]byte, error) {
	n := l.Node
	w := n.Const(ir.AttrWeight)
	codes, err := w.Load()
	if err != nil {
		return nil, err
	}
	groups, order := 1, geometry.Order(n.Args[0].Type.Shape)
	if n.Op == ir.Conv2D {
		groups, order = n.Int(ir.AttrGroups), emit.WindowOrder(geometry.WindowOf(n))
	}
	s := w.Type.Shape
	return emit.Pack(w.Type.Elem, codes, groups, s[0]/groups, s.Size()/s[0], p.Channels, order), nil
}

// Emit writes the layer.
func (p Plan) Emit(g *emit.Generator) error {
	if g.Node.Op == ir.Linear {
		return p.linear(g)
	}
	return p.conv(g)
}

package pixels

import "github.com/dnnc/dnnc/ir"

// Instructions of conv_pixels, fitted to counts (cycles_test.go).
const (
	perTile   = 25. // a tile of a channel: its addresses and constants
	perSums   = 8.  // a vector's sums, read and written where groups come in parts
	perOutput = 4.5
	perEntry  = 5. // an entry of eight inputs, beside its products
)

// estimate is the instructions of the layer.
func (p Plan) estimate(e ir.Elem, in ir.Shape) float64 {
	blocks, parts := float64(p.OutH/p.Rows), p.Groups/p.Block
	perVector := 2 + 1/float64(p.Together)
	look := 0.
	for _, v := range p.tiles() {
		look += float64(p.Groups*p.Taps)*(2.7+float64(v)*perVector) + float64(parts)*perTile
		if parts > 1 {
			look += float64(parts*v) * perSums
		}
	}
	look *= float64(p.OutC)
	output := perOutput
	if n := p.PoolH * p.PoolW; n > 1 && !p.Flat {
		output = perOutput/float64(n) + 1
	}
	outputs := float64(p.OutC*p.Rows*p.OutW) * output
	table := float64(p.Entries) * (float64(p.Inputs) + perEntry*float64((p.Inputs+7)/8))
	if e.Kind == ir.Odd {
		table = float64(2*p.Entries + 4*p.Inputs)
	}
	tables := float64(p.Groups*p.Length/lanes) * (table + 12)
	perInput := 4.5
	if p.Chunk == 8 && in[2] >= lanes {
		perInput = .8
	}
	inputs := float64(p.TableRows*in[2]*in[0]) * perInput
	decode := float64(p.Groups*p.Taps) * (float64(p.OutC/tileChannels+p.OutC%tileChannels/8)*25 + float64(p.OutC%8)*12)
	cost := blocks * (look + outputs + tables + inputs + decode)
	if p.Block*p.TableBytes() > goodTables {
		cost *= 1.1
	}
	return cost
}

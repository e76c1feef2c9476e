package micro

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Emit decodes the weights of a block of output channels to scratch, once for all pixels, in
// the order in which the target's product reads them. Then it multiplies them by the columns
// of one tile of pixels after the other. The last block may overlap the block before it;
// channels in both are computed twice, with equal results.
func (p BlockPlan) Emit(g *emit.Generator) error {
	w := geometry.WindowOf(g.Node)
	weight := g.Node.Const(ir.AttrWeight)
	raw, err := weight.Load()
	if err != nil {
		return err
	}
	bias, err := g.Node.Const(ir.AttrBias).Ints()
	if err != nil {
		return err
	}
	block := p.Block
	k := &micro{g: g, m: productNamed(p.Product), elem: weight.Type.Elem, groups: 1, rows: block,
		k: w.K(), pixels: p.Pixels, channels: p.Channels, blocks: true}
	if k.elem.IsUniform() && k.m.Across {
		k.offset = k.elem.Offset()
	}
	decoded := decodedBytes(k.m, k.k) * 8 / k.m.DecodedBits()
	k.order = inputOrder(k.m, g.Node)
	k.decodedAt = decodedAt(k.m, k.k, k.pixels)
	k.planes = []*plane{{bits: k.m.DecodedBits(), product: k.elem.CodeBits(), tiled: k.m.Layout(k.m.DecodedBits(), decoded, k.channels), tiledBytes: -1, leftBytes: -1}}
	if k.elem.IsUniform() {
		bias = k.foldedBias(bias, raw)
	} else {
		weights, err := geometry.IntWeights(g.Node)
		if err != nil {
			return err
		}
		bias = slices.Clone(bias)
		for i, v := range weights { // columns hold the inputs themselves
			bias[i/k.k] -= int64(g.Node.Args[0].Type.Quant.Zero) * int64(v)
		}
	}
	if k.rq, k.constants, err = emit.NewChannels(g, bias, k.channels%4 == 0); err != nil {
		return err
	}
	if err := k.poolTiles(); err != nil {
		return err
	}
	gather, compute := k.window(w), k.outputs(w.OutC)
	k.zeroEnds(k.k)
	decode, err := k.oddBlock, error(nil)
	if k.elem.IsUniform() {
		planes, err := p.Pack(kernel.Of(g.Node, g.Target))
		if err != nil {
			return err
		}
		for i, data := range planes {
			k.stored = append(k.stored, &plane{bits: k.m.PlanesOf(k.elem)[i], data: g.Global(fmt.Sprintf("weight%d", i), 8, data)})
		}
	} else if decode, err = k.bookBlock(w, decoded); err != nil {
		return err
	}
	b := g.B
	g.Clear(loop.Int(0), g.Node.Out.Type.Shape.Size())
	b.For("block", loop.Int(0), loop.Int(w.OutC), block, func(at loop.Expr) {
		first := b.Let("first", loop.Op(loop.SMin, at, loop.Int(w.OutC-block)))
		decode(first)
		k.tiles(w, true, gather, compute, func(do func(group, input loop.Expr)) { do(first, loop.Int(0)) })
	})
	return nil
}

// oddBlock decodes odd codes of the output channels of a block.
func (k *micro) oddBlock(first loop.Expr) {
	low := k.elem.CodeBits()
	for i, p := range k.stored {
		low -= p.bits
		k.decodeStream(i, low, first)
	}
}

// bookBlock gives what decodes the weights of the output channels of a block through
// the codebook, whose rows fill so many elements each.
func (k *micro) bookBlock(w geometry.Window, row int) (func(first loop.Expr), error) {
	g := k.g
	b, lanes, bytes := g.B, k.m.Lanes, k.m.DecodedBits()/8
	codes, err := emit.NewBookCodes(g)
	if err != nil {
		return nil, err
	}
	// What fills a row up is multiplied with zeros.
	b.For("i", loop.Int(k.decodedAt), loop.Int(k.decodedAt+k.rows*row*bytes), 1, func(i loop.Expr) {
		b.Store(g.Scratch, i, loop.Num(loop.I8, 0))
	})
	swapped := !slices.Equal(k.order, emit.WindowOrder(w))
	// Fours of inputs, turned as columns are, from a place that divides by four.
	fours := w.InC%4 == 0 && codes.D%4 == 0 && 4%lanes == 0
	return func(first loop.Expr) {
		b.For("tile", loop.Int(0), loop.Int(k.rows), k.channels, func(tile loop.Expr) {
			b.For("unit", loop.Int(0), loop.Int(k.channels), 1, func(unit loop.Expr) {
				base := b.Let("base", loop.Sum(loop.Scaled(tile, row), loop.Scaled(unit, lanes)))
				codes.Each(loop.Sum(first, tile, unit), func(code, at loop.Expr, weights int) {
					to := b.Cursor("to", g.Scratch, loop.Sum(loop.Scaled(loop.Sum(base, loop.Scaled(at, k.channels)), bytes), loop.Int(k.decodedAt)))
					for i := range weights {
						v := loop.To(loop.SExt, codes.Weight(code, i), k.m.DecodedBits())
						if fours {
							p := i
							if swapped {
								p = i&^3 | i&1<<1 | i&3>>1
							}
							b.StoreAligned(to, loop.Int((p/lanes*k.channels*lanes+p%lanes)*bytes), v, bytes)
							continue
						}
						p := loop.Sum(at, loop.Int(i))
						if swapped {
							p = loop.Op(loop.Or, loop.Op(loop.And, p, loop.Int(-4)), loop.Op(loop.Or,
								loop.Op(loop.Shl, loop.Op(loop.And, p, loop.Int(1)), loop.Int(1)),
								loop.Op(loop.LShr, loop.Op(loop.And, p, loop.Int(2)), loop.Int(1))))
						}
						product := loop.Op(loop.LShr, p, loop.Int(bits.TrailingZeros(uint(lanes))))
						e := loop.Sum(base, loop.Scaled(product, k.channels*lanes), loop.Op(loop.And, p, loop.Int(lanes-1)))
						b.StoreAligned(g.Scratch, loop.Sum(loop.Scaled(e, bytes), loop.Int(k.decodedAt)), v, bytes)
					}
				})
			})
		})
	}, nil
}

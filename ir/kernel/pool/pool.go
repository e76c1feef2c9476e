// Package pool contains the families of maximum and average pooling.
package pool

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Max and Avg are the families.
var (
	Max = family("max_window", ir.MaxPool2D, "the maximum over the window, a few channels at a time")
	Avg = family("avg_window", ir.AvgPool2D, "the sum over the window, requantized or divided")
)

func family(name string, op ir.Op, doc string) kernel.Family {
	return kernel.Family{
		Name: name, Op: op, Rows: true, Wide: true, Doc: doc,
		Plan: func(kernel.Layer) (kernel.Plan, bool) { return plan, true },
		Read: kernel.Reader(2, func(_ kernel.Layer, tile []int) (Plan, bool) { return plan, slices.Equal(tile, plan.Attrs().Tile) }),
	}
}

// Plan is a tile, the same for all layers: LLVM makes vectors of the channels.
type Plan struct{ kernel.Tile }

var plan = Plan{kernel.Tile{Pixels: 1, Channels: 8}}

// Emit writes the layer.
func (Plan) Emit(g *emit.Generator) error { return poolWindow(g) }

// poolWindow is the maximum or the mean over each window, channel by channel; the taps
// outside of the image are left out.
func poolWindow(g *emit.Generator) error {
	if done, err := poolLanes(g); done || err != nil {
		return err
	}
	if w := geometry.WindowOf(g.Node); w.DilH*w.DilW == 1 && !g.Node.IsWide() {
		return poolScalars(g, lanes{g: g, w: w, mean: g.Node.Op == ir.AvgPool2D})
	}
	w, b := geometry.WindowOf(g.Node), g.B
	mean := g.Node.Op == ir.AvgPool2D
	kept := !mean || g.Node.Const(ir.AttrMul) == nil
	var q emit.Requant
	if !kept {
		var err error
		if q, err = emit.NewRequant(g, "", false); err != nil {
			return err
		}
	}
	isPadded := w.PadT+w.PadL+w.PadB+w.PadR > 0
	b.For("oy", loop.Int(0), loop.Int(w.OutH()), 1, func(oy loop.Expr) {
		b.For("ox", loop.Int(0), loop.Int(w.OutW()), 1, func(ox loop.Expr) {
			b.For("c", loop.Int(0), loop.Int(w.InC), 1, func(c loop.Expr) {
				start, _ := g.Node.Args[0].Type.Ends()
				if mean {
					start = 0
				}
				acc := b.Var("acc", loop.Int(start))
				var count *loop.Var // of pixels inside the image, where windows have several
				pixels := func() loop.Expr { return loop.Int(w.KH * w.KW) }
				if mean && isPadded {
					count = b.Var("count", loop.Int(0))
					pixels = func() loop.Expr { return count.Get() }
				}
				b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
					b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(kx loop.Expr) {
						y := b.Let("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Scaled(ky, w.DilH), loop.Int(-w.PadT)))
						x := b.Let("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Scaled(kx, w.DilW), loop.Int(-w.PadL)))
						tap := func() {
							at := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(y, w.InW), x), w.InC), c)
							v := g.Element(0, at)
							if !mean {
								b.Set(acc, loop.Op(loop.SMax, acc.Get(), v))
								return
							}
							b.Set(acc, loop.Sum(acc.Get(), v))
							if count != nil {
								b.Set(count, loop.Sum(count.Get(), loop.Int(1)))
							}
						}
						if !isPadded {
							tap()
							return
						}
						b.If(loop.Op(loop.And,
							loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), y), loop.Op(loop.SLt, y, loop.Int(w.InH))),
							loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), x), loop.Op(loop.SLt, x, loop.Int(w.InW)))), tap, nil)
					})
				})
				at := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(oy, w.OutW()), ox), w.OutC), c)
				if !kept {
					sum := loop.Op(loop.Sub, acc.Get(), loop.Scaled(pixels(), g.Node.Args[0].Type.Quant.Zero))
					q.Store(sum, pixels(), at)
					return
				}
				v := acc.Get()
				if mean {
					v = roundedMean(b, acc, pixels())
				}
				g.Write(at, loop.Clamp(v, int64(g.Node.Int(ir.AttrLo)), int64(g.Node.Int(ir.AttrHi))))
			})
		})
	})
	return nil
}

// roundedMean is sum/count with ties away from zero (R11, of types that stay).
func roundedMean(b *loop.Builder, sum *loop.Var, count loop.Expr) loop.Expr {
	// Half of the divisor with the sum's sign, without a branch on data.
	sign := b.Let("sign", loop.Op(loop.AShr, sum.Get(), loop.Int(31)))
	half := loop.Op(loop.LShr, count, loop.Int(1))
	half = loop.Op(loop.Sub, half, loop.Op(loop.And, loop.Scaled(half, 2), sign))
	return loop.Op(loop.SDiv, loop.Sum(sum.Get(), half), count)
}

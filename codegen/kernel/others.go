package kernel

import (
	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// poolWindow is the maximum or the rounded mean over each window, channel by
// channel; the taps outside of the image are left out.
func poolWindow(g *generator) error {
	w, b := geometry.WindowOf(g.n), g.b
	mean := g.n.Op == ir.AvgPool2D
	b.For("oy", loop.Int(0), loop.Int(w.OutH()), 1, func(oy loop.Expr) {
		b.For("ox", loop.Int(0), loop.Int(w.OutW()), 1, func(ox loop.Expr) {
			b.For("c", loop.Int(0), loop.Int(w.InC), 1, func(c loop.Expr) {
				start := -128
				if mean {
					start = 0
				}
				acc, count := b.Var("acc", loop.Int(start)), b.Var("count", loop.Int(0))
				b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(ky loop.Expr) {
					b.For("kx", loop.Int(0), loop.Int(w.KW), 1, func(kx loop.Expr) {
						y := read(b.Var("iy", loop.Sum(loop.Scaled(oy, w.StrideH), loop.Scaled(ky, w.DilH), loop.Int(-w.PadT))))
						x := read(b.Var("ix", loop.Sum(loop.Scaled(ox, w.StrideW), loop.Scaled(kx, w.DilW), loop.Int(-w.PadL))))
						tap := func() {
							at := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(y, w.InW), x), w.InC), c)
							v := loop.To(loop.SExt, load(g.args[0], at, loop.I8), 32)
							if mean {
								b.Set(acc, loop.Sum(read(acc), v))
								b.Set(count, loop.Sum(read(count), loop.Int(1)))
							} else {
								b.Set(acc, loop.Op(loop.SMax, read(acc), v))
							}
						}
						if w.PadT+w.PadL+w.PadB+w.PadR == 0 {
							tap()
							return
						}
						b.If(loop.Op(loop.And,
							loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), y), loop.Op(loop.SLt, y, loop.Int(w.InH))),
							loop.Op(loop.And, loop.Op(loop.SLt, loop.Int(-1), x), loop.Op(loop.SLt, x, loop.Int(w.InW)))), tap, nil)
					})
				})
				v := read(acc)
				if mean {
					v = roundedMean(b, acc, read(count))
				}
				at := loop.Sum(loop.Scaled(loop.Sum(loop.Scaled(oy, w.OutW()), ox), w.OutC), c)
				b.Store(g.out, at, loop.To(loop.Trunc, loop.Clamp(v, int64(g.n.Int("lo")), int64(g.n.Int("hi"))), 8))
			})
		})
	})
	return nil
}

// roundedMean is sum/count with ties away from zero (R11).
func roundedMean(b *loop.Builder, sum *loop.Var, count loop.Expr) loop.Expr {
	// Half of the divisor with the sum's sign, without a branch on data.
	sign := read(b.Var("sign", loop.Op(loop.AShr, read(sum), loop.Int(31))))
	half := loop.Op(loop.LShr, count, loop.Int(1))
	half = loop.Op(loop.Sub, half, loop.Op(loop.And, loop.Scaled(half, 2), sign))
	return loop.Op(loop.SDiv, loop.Sum(read(sum), half), count)
}

// halfUp is R6 with constants known here, in 64 bits.
func halfUp(x loop.Expr, m, r int32) loop.Expr {
	product := loop.Op(loop.Mul, loop.To(loop.SExt, x, 64), loop.Num(loop.I64, int64(m)))
	return loop.Op(loop.AShr, loop.Sum(product, loop.Num(loop.I64, 1<<(r-1))), loop.Num(loop.I64, int64(r)))
}

// roundsTFLite reports whether a node's requantization is TensorFlow Lite's (R8).
func (g *generator) roundsTFLite() bool { return g.n.Word("round") == "tflite" }

// rescale is RQ of a number of 32 bits with constants known here.
func (g *generator) rescale(x loop.Expr, m, r int32) loop.Expr {
	if g.roundsTFLite() {
		return loop.To(loop.SExt, g.tflite(loop.To(loop.Trunc, loop.To(loop.SExt, x, 64), 32), loop.Num(loop.I64, int64(m)), loop.Int(int(r))), 64)
	}
	return halfUp(x, m, r)
}

// tflite is R8: the accumulator shifted left where the factor is large, the
// rounding doubling high multiply, the rounding shift right; m is an i64.
func (g *generator) tflite(acc, m, r loop.Expr) loop.Expr {
	b := g.b
	left := loop.Op(loop.SMax, loop.Op(loop.Sub, loop.Int(31), r), loop.Int(0))
	right := b.Var("right", loop.Op(loop.SMax, loop.Op(loop.Sub, r, loop.Int(31)), loop.Int(0)))
	product := b.Var("product", loop.Op(loop.Mul, loop.To(loop.SExt, loop.Op(loop.Shl, acc, left), 64), m))
	// (product + nudge) / 2^31, towards 0; the nudge of a negative one is 1-2^30.
	sign := loop.Op(loop.AShr, read(product), loop.Num(loop.I64, 63)) // 0 or -1
	nudge := loop.Sum(loop.Num(loop.I64, 1<<30), loop.Op(loop.And, sign, loop.Num(loop.I64, 1-1<<31)))
	sum := b.Var("nudged", loop.Sum(read(product), nudge))
	toZero := loop.Op(loop.And, loop.Op(loop.AShr, read(sum), loop.Num(loop.I64, 63)), loop.Num(loop.I64, 1<<31-1))
	high := b.Var("high", loop.To(loop.Trunc, loop.Op(loop.AShr, loop.Sum(read(sum), toZero), loop.Num(loop.I64, 31)), 32))
	mask := b.Var("mask", loop.Op(loop.Sub, loop.Op(loop.Shl, loop.Int(1), read(right)), loop.Int(1)))
	threshold := loop.Sum(loop.Op(loop.AShr, read(mask), loop.Int(1)), loop.Op(loop.SLt, read(high), loop.Int(0)))
	up := loop.Op(loop.SLt, threshold, loop.Op(loop.And, read(high), read(mask)))
	return loop.Sum(loop.Op(loop.AShr, read(high), read(right)), up)
}

func (g *generator) storeClamped(at, v loop.Expr, zero, lo, hi int32) {
	y := loop.Clamp(loop.Sum(v, loop.Num(v.Type(), int64(zero))), int64(lo), int64(hi))
	g.b.Store(g.out, at, loop.To(loop.Trunc, y, 8))
}

// addElements is R13, of sums and of differences.
func addElements(g *generator) error {
	op := loop.Add
	if g.n.Op == ir.Sub {
		op = loop.Sub
	}
	p, err := geometry.AddParamsOf(g.n)
	if err != nil {
		return err
	}
	const shift = 1 << 20
	g.b.For("i", loop.Int(0), loop.Int(g.n.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		arg := func(j int, m, r int32) loop.Expr {
			x := loop.To(loop.SExt, g.difference(j, i), 64)
			return g.rescale(loop.Op(loop.Mul, x, loop.Num(loop.I64, shift)), m, r)
		}
		sum := loop.Op(op, arg(0, p.MulA, p.ShiftA), arg(1, p.MulB, p.ShiftB))
		g.storeClamped(i, g.rescale(sum, p.MulY, p.ShiftY), p.ZeroY, p.Lo, p.Hi)
	})
	return nil
}

// rescaleElements is R6 and R9 for every element.
func rescaleElements(g *generator) error {
	q, err := geometry.RequantOf(g.n)
	if err != nil {
		return err
	}
	g.b.For("i", loop.Int(0), loop.Int(g.n.Out.Type.Shape.Size()), 1, func(i loop.Expr) {
		g.storeClamped(i, g.rescale(g.difference(0, i), q.Mul[0], q.Shift[0]), q.Zero, q.Lo, q.Hi)
	})
	return nil
}

// copyStrided puts each argument's channels into their place of every pixel.
func copyStrided(g *generator) error {
	out := g.n.Out.Type.Shape
	pixels, at := out.Size()/out[0], 0
	inside := 1 // elements of a channel that lie together: all but an image's
	if len(out) != 3 {
		pixels, inside = 1, pixels
	}
	for j, a := range g.n.Args {
		channels, first := a.Type.Shape[0]*inside, at
		g.b.For("i", loop.Int(0), loop.Int(pixels), 1, func(i loop.Expr) {
			g.b.For("c", loop.Int(0), loop.Int(channels), 1, func(c loop.Expr) {
				v := load(g.args[j], loop.Sum(loop.Scaled(i, channels), c), loop.I8)
				g.b.Store(g.out, loop.Sum(loop.Scaled(i, out[0]), c, loop.Int(first)), v)
			})
		})
		at += channels
	}
	return nil
}

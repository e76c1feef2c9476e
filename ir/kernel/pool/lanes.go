package pool

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// unrolled is the taps of a window, or of its row, that are written one by one.
const unrolled = 9

// lanes is a pooling whose channels are the lanes of vectors.
type lanes struct {
	g       *emit.Generator
	w       geometry.Window
	mean    bool
	divider *divider
}

// poolLanes writes a pooling in vectors. It reports false where the processor or the layer has
// none: few channels, or a window that is dilated.
func poolLanes(g *emit.Generator) (bool, error) {
	p := lanes{g: g, w: geometry.WindowOf(g.Node), mean: g.Node.Op == ir.AvgPool2D}
	if w := p.w; !g.Lanes() || w.DilH*w.DilW > 1 || w.InC < emit.LeastLanes {
		return false, nil
	}
	if p.mean {
		d, ok, err := newDivider(g, p.w)
		if !ok || err != nil {
			return false, err
		}
		p.divider = d
	}
	p.pixels(p.together(), func(pixels int, first, rows, columns, at loop.Expr) {
		var mean func(sum loop.Expr) loop.Expr
		taps := loop.Times(rows, columns)
		if p.mean {
			if _, ok := taps.(*loop.Const); !ok {
				taps = g.B.Let("taps", taps)
			}
			if !g.Long() {
				mean = p.divider.mean(taps, four)
			}
		}
		if pixels > 1 && p.across(pixels) {
			p.rows(pixels, first, at)
			return
		}
		g.Blocks(p.w.InC, p.bits(), func(c loop.Expr, n int) {
			if p.mean && g.Long() {
				mean = p.divider.mean(taps, n)
			}
			row := g.B.Cursor("row", g.Args[0], loop.Sum(first, c))
			for i := range pixels {
				p.block(row, i*p.w.StrideW*p.w.InC, rows, columns, loop.Sum(at, c, loop.Int(i*p.w.OutC)), n, mean)
			}
		})
	})
	return true, nil
}

// mostTogether is the pixels whose inputs lie at constants from one cursor.
const mostTogether = 4

// together is the pixels side by side that are computed in a round: several where vectors are long, whose
// settings and whose cursor serve them all.
func (p lanes) together() int {
	w := p.w
	if !p.g.Long() || p.splits() || w.KH*w.KW > unrolled || w.PadT+w.PadL+w.PadB+w.PadR > 0 {
		return 1
	}
	for n := mostTogether; n > 1; n /= 2 {
		if p.across(n) && n <= w.OutW() {
			return n
		}
	}
	return min(p.g.Unroll(mostTogether), w.OutW())
}

// mostAcross is the bytes of a vector whose parts are taken out: those of four registers of RISC-V.
const mostAcross = 64

// across reports whether the inputs of some pixels in a row of their windows are one vector: the maxima of its
// rows are taken first, those of its columns are a few then.
func (p lanes) across(pixels int) bool {
	w := p.w
	bytes := ((pixels-1)*w.StrideW + w.KW) * w.InC
	return !p.mean && w.KH > 1 && w.KW > 1 && bytes <= mostAcross && bytes&(bytes-1) == 0 && w.InC&(w.InC-1) == 0 && !p.g.Node.Has(ir.AttrUnroll)
}

// rows computes some pixels across whose rows vectors reach.
func (p lanes) rows(pixels int, first, at loop.Expr) {
	b, w := p.g.B, p.w
	row := b.Cursor("row", p.g.Args[0], first)
	t := loop.I8.Vec(((pixels-1)*w.StrideW + w.KW) * w.InC)
	most := b.Var("most", loop.At(row, loop.Int(0), t))
	for ky := 1; ky < w.KH; ky++ {
		b.Set(most, loop.Op(loop.SMax, most.Get(), loop.At(row, loop.Int(ky*w.InW*w.InC), t)))
	}
	parts := make([]loop.Expr, t.Lanes/w.InC)
	for i := range parts {
		parts[i] = b.Let("part", emit.Some(most.Get(), i*w.InC, w.InC))
	}
	lo, hi := p.g.Node.Int(ir.AttrLo), p.g.Node.Int(ir.AttrHi)
	for i := range pixels {
		y := parts[i*w.StrideW]
		for kx := 1; kx < w.KW; kx++ {
			y = loop.Op(loop.SMax, y, parts[i*w.StrideW+kx])
		}
		if lo > -128 || hi < 127 {
			y = loop.Clamp(y, int64(lo), int64(hi))
		}
		b.Store(p.g.Out, loop.Sum(at, loop.Int(i*w.OutC)), y)
	}
}

// pixels calls do for each window, or for some side by side: their number, the byte of the first one's first input
// inside the image, its rows and columns inside, the byte of its first output.
func (p lanes) pixels(together int, do func(pixels int, first, rows, columns, at loop.Expr)) {
	b, w := p.g.B, p.w
	b.For("oy", loop.Int(0), loop.Int(w.OutH()), 1, func(oy loop.Expr) {
		top, rows := p.clip(oy, w.StrideH, w.PadT, w.PadB, w.KH, w.InH)
		some := func(from, to, pixels int) {
			b.For("ox", loop.Int(from), loop.Int(to), pixels, func(ox loop.Expr) {
				left, columns := p.clip(ox, w.StrideW, w.PadL, w.PadR, w.KW, w.InW)
				first := b.Let("first", loop.Scaled(loop.Sum(loop.Scaled(top, w.InW), left), w.InC))
				do(pixels, first, rows, columns, b.Let("at", loop.Scaled(loop.Sum(loop.Scaled(oy, w.OutW()), ox), w.OutC)))
			})
		}
		whole := w.OutW() / together * together
		some(0, whole, together)
		some(whole, w.OutW(), 1)
	})
}

// clip is the first row (or column) of a window inside the image and the number of those inside.
func (p lanes) clip(at loop.Expr, stride, before, after, size, all int) (first, n loop.Expr) {
	b := p.g.B
	first = b.Let("first", loop.Sum(loop.Scaled(at, stride), loop.Int(-before)))
	if before+after == 0 {
		return first, loop.Int(size)
	}
	end := b.Let("end", loop.Op(loop.SMin, loop.Sum(first, loop.Int(size)), loop.Int(all)))
	first = b.Let("inside", loop.Op(loop.SMax, first, loop.Int(0)))
	return first, b.Let("n", loop.Op(loop.Sub, end, first))
}

// bits are those in which a tap is taken in. On Helium sums of few taps have 32 bits from the start.
func (p lanes) bits() int {
	switch {
	case !p.mean:
		return 8
	case p.w.KH*p.w.KW < fewTaps || p.g.Long():
		return 32
	}
	return 16
}

// fewTaps is the taps from which on sums of 16 bits of eight channels are cheaper on Helium than two
// of 32 bits, of four channels.
const fewTaps = 9

// block computes n channels of a pixel, whose inputs begin some bytes after a cursor.
func (p lanes) block(row *loop.Cursor, ahead int, rows, columns, at loop.Expr, n int, mean func(sum loop.Expr) loop.Expr) {
	b, w := p.g.B, p.w
	sums := p.begin(n)
	each := func(do func()) { b.For("ky", loop.Int(0), rows, 1, func(loop.Expr) { do() }) }
	next := func() { b.Advance(row, w.InW*w.InC) }
	if r, ok := rows.(*loop.Const); ok && int(r.Value)*w.KW <= unrolled && !p.splits() {
		each = func(do func()) {
			for range r.Value {
				do()
			}
		}
		if p.g.Long() { // each address takes an instruction, whatever its distance
			next = func() { ahead += w.InW * w.InC }
		}
	}
	each(func() {
		part := sums
		if p.splits() {
			part = p.narrow(n)
		}
		taps := func(from *loop.Cursor, i int) { p.add(part, loop.At(from, loop.Int(ahead+i*w.InC), loop.I8.Vec(n))) }
		if k, ok := columns.(*loop.Const); ok && k.Value <= unrolled {
			for i := range int(k.Value) {
				taps(row, i)
			}
		} else {
			x := b.Cursor("x", row, loop.Int(ahead))
			b.For("kx", loop.Int(0), columns, 1, func(loop.Expr) {
				p.add(part, loop.At(x, loop.Int(0), loop.I8.Vec(n)))
				b.Advance(x, w.InC)
			})
		}
		if p.splits() {
			for i, v := range p.wide(part) {
				b.Set(sums[i], loop.Sum(sums[i].Get(), v))
			}
		}
		next()
	})
	lo, hi := p.g.Node.Int(ir.AttrLo), p.g.Node.Int(ir.AttrHi)
	if !p.mean {
		y := sums[0].Get()
		if lo > -128 || hi < 127 {
			y = loop.Clamp(y, int64(lo), int64(hi))
		}
		b.Store(p.g.Out, at, y)
		return
	}
	fours := p.wide(sums)
	for i, v := range fours {
		fours[i] = b.Let("y", mean(b.Let("sum", v)))
	}
	if len(fours) == 2 && p.g.Helium() {
		b.Store(p.g.Out, at, emit.NarrowedInTurn(fours, int32(p.divider.out), int32(lo), int32(hi)))
		return
	}
	b.Store(p.g.Out, at, emit.Narrowed(b, fours, int32(p.divider.out), int32(lo), int32(hi)))
}

// four is the lanes of a vector of i32.
const four = 4

// mostTaps is the taps whose inputs a sum of 16 bits holds.
const mostTaps = 255

// splits reports whether sums are of 32 bits, to which a row's sums of 16 bits are added.
func (p lanes) splits() bool { return p.mean && p.w.KH*p.w.KW > mostTaps }

// begin makes the sums, or maxima, of n channels.
func (p lanes) begin(n int) []*loop.Var {
	switch {
	case !p.mean:
		return []*loop.Var{p.g.B.Var("most", loop.Num(loop.I8.Vec(n), -128))}
	case p.splits() && p.g.Long():
		return p.zeros(loop.I32, n, n)
	case p.splits():
		return p.zeros(loop.I32, four, n)
	}
	return p.narrow(n)
}

// narrow are sums of 16 bits of n channels; on Helium, of four channels, of 32.
func (p lanes) narrow(n int) []*loop.Var {
	if n == 4 && p.g.Helium() {
		return p.zeros(loop.I32, n, n)
	}
	if p.g.Long() {
		return p.zeros(loop.I16, n, n)
	}
	return p.zeros(loop.I16, min(n, 8), n)
}

func (p lanes) zeros(t loop.Type, lanes, n int) (list []*loop.Var) {
	for range n / lanes {
		list = append(list, p.g.B.Var("sum", loop.Num(t.Vec(lanes), 0)))
	}
	return list
}

// add takes one tap's inputs in.
func (p lanes) add(sums []*loop.Var, x loop.Expr) {
	b := p.g.B
	if !p.mean {
		b.Set(sums[0], loop.Op(loop.SMax, sums[0].Get(), x))
		return
	}
	x = b.Let("x", x)
	for i, part := range emit.Split(x, sums[0].Type.Lanes) {
		b.Set(sums[i], loop.Sum(sums[i].Get(), loop.To(loop.SExt, part, sums[i].Type.Bits)))
	}
}

// wide are sums as vectors of four i32: on Helium every second lane.
func (p lanes) wide(sums []*loop.Var) []loop.Expr {
	list := make([]loop.Expr, len(sums))
	for i, s := range sums {
		list[i] = s.Get()
	}
	if p.g.Helium() {
		return emit.InTurn(list)
	}
	return p.g.Fours(list)
}

// divider makes means of sums (R11): by one factor, or by one for each number of taps inside the image.
type divider struct {
	g       *emit.Generator
	taps    int
	kept    bool // the type stays: sums are divided, ties away from zero
	in, out int  // zero points
	known   emit.Factor
	// Tables by the number of taps, nil where windows have one number.
	muls, shifts *loop.Global
	left         int32 // bits by which sums are shifted left before the product
}

// mostDivisor is the upper bound on the taps for which a product with a rounded reciprocal is the exact
// quotient: sums of up to 128.5 inputs a tap, times taps, below 2^30.
const mostDivisor = 2890

// reciprocal is 2^30 divided by a number of taps, rounded up.
func reciprocal(taps int) int64 { return 1<<30/int64(taps) + 1 }

// newDivider is that of a node; ok is false where vectors have none.
func newDivider(g *emit.Generator, w geometry.Window) (d *divider, ok bool, err error) {
	d = &divider{g: g, taps: w.KH * w.KW, kept: g.Node.Const(ir.AttrMul) == nil, in: g.Node.Args[0].Type.Quant.Zero, out: g.Node.Out.Type.Quant.Zero}
	padded := w.PadT+w.PadL+w.PadB+w.PadR > 0
	if d.kept {
		if d.taps > mostDivisor {
			return nil, false, nil
		}
		d.out = 0
		if padded {
			muls := []int64{0}
			for count := range d.taps {
				muls = append(muls, reciprocal(count+1))
			}
			d.muls = g.Ints("reciprocals", 32, muls)
		}
		return d, true, nil
	}
	q, err := geometry.RequantOf(g.Node)
	if err != nil {
		return nil, false, err
	}
	sumBits := 9 + bits.Len(uint(d.taps))
	if !padded {
		k := 0
		if len(q.Mul) > 1 { // by numbers of taps, as a part of an image sees no padding that others see
			k = d.taps
		}
		d.known, ok = g.Factor(q.Mul[k], q.Shift[k], sumBits)
		return d, ok, nil
	}
	const least = 32 // of a shift: one bit after a doubling product
	for _, r := range q.Shift[1:] {
		d.left = max(d.left, least-r)
	}
	muls, shifts := []int64{0}, []int64{0}
	for i, r := range q.Shift[1:] {
		ok = r+d.left <= 62
		if !ok {
			return nil, false, nil
		}
		muls, shifts = append(muls, int64(q.Mul[1+i])), append(shifts, int64(least-1-r-d.left))
	}
	if q.Rounding != geometry.RoundHalfUp || int(d.left)+sumBits > 32 {
		return nil, false, nil
	}
	d.muls, d.shifts = g.Ints("mul", 32, muls), g.Ints("shift", 8, shifts)
	return d, true, nil
}

// mean is how the sums of a window with some taps inside the image become means, in vectors of some lanes.
func (d *divider) mean(taps loop.Expr, lanes int) func(sum loop.Expr) loop.Expr {
	b := d.g.B
	t := loop.I32.Vec(lanes)
	same := func(x loop.Expr) loop.Expr {
		if c, ok := x.(*loop.Const); ok {
			return loop.Num(t, c.Value)
		}
		return b.Let("same", &loop.Splat{A: x, Lanes: t.Lanes})
	}
	mul := func(known int64) loop.Expr {
		if d.muls == nil {
			return loop.Num(t, known)
		}
		return same(&loop.Load{From: d.muls, Offset: loop.Scaled(taps, 4), T: loop.I32, Align: 4})
	}
	if d.kept {
		m, half := mul(reciprocal(d.taps)), same(loop.Op(loop.LShr, taps, loop.Int(1)))
		if d.muls == nil {
			half = loop.Num(t, int64(d.taps/2))
		}
		return func(sum loop.Expr) loop.Expr {
			sign := b.Let("sign", loop.Op(loop.AShr, sum, loop.Num(t, 31)))
			size := loop.Sum(loop.Op(loop.Sub, loop.Op(loop.Xor, sum, sign), sign), half)
			y := b.Let("y", loop.Instr("qdmulh", loop.Op(loop.Shl, size, loop.Num(t, 1)), m))
			return loop.Op(loop.Sub, loop.Op(loop.Xor, y, sign), sign)
		}
	}
	zeros := same(loop.Scaled(taps, d.in))
	if d.muls == nil {
		return func(sum loop.Expr) loop.Expr { return d.known.Of(b, b.Let("sum", loop.Op(loop.Sub, sum, zeros))) }
	}
	m, by := mul(0), same(loop.To(loop.SExt, loop.At(d.shifts, taps, loop.I8), 32))
	return func(sum loop.Expr) loop.Expr {
		sum = loop.Op(loop.Shl, loop.Op(loop.Sub, sum, zeros), loop.Num(t, int64(d.left)))
		return loop.Instr("rshr", loop.Instr("qdmulh", sum, m), by)
	}
}

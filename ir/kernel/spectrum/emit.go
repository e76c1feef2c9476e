package spectrum

import (
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// writer writes the function of one spectrogram.
type writer struct {
	*emit.Generator
	s     *geometry.SpectrumInts
	roots *loop.Global
}

func write(g *emit.Generator) error {
	s, err := geometry.SpectrumIntsOf(g.Node)
	if err != nil {
		return err
	}
	w := &writer{g, s, g.Ints("roots", 32, widened(s.Twiddles))}
	requant, err := emit.NewRequant(g, "", false)
	if err != nil {
		return err
	}
	store := w.bands(requant)
	taps, places := g.Ints("taps", 16, widened(s.Taps)), g.Ints("places", 16, widened(geometry.Places(s.FFT)))
	g.B.For("frame", loop.Int(0), loop.Int(s.Frames), 1, func(f loop.Expr) {
		first := g.B.Let("first", loop.Scaled(f, s.Hop))
		size := w.bits(first)
		w.load(first, size, taps, places)
		w.transform()
		w.split()
		store(g.B.Let("band", loop.Scaled(f, s.Bands)), size)
	})
	return nil
}

func widened[T int | int16 | int32](x []T) []int64 {
	y := make([]int64, len(x))
	for i, v := range x {
		y[i] = int64(v)
	}
	return y
}

// word reads an i32 of the spectrum, and put writes it.
func word(from loop.Region, at int) loop.Expr {
	return &loop.Load{From: from, Offset: loop.Int(4 * at), T: loop.I32, Align: 4}
}

func (w *writer) put(to loop.Region, at int, v loop.Expr) {
	w.B.StoreAligned(to, loop.Int(4*at), v, 4)
}

// bits is the number of bits that the samples of a frame take.
func (w *writer) bits(first loop.Expr) loop.Expr {
	b := w.B
	all := b.Var("all", loop.Int(0))
	b.For("i", loop.Int(0), loop.Int(w.s.Frame), 1, func(i loop.Expr) {
		x := b.Let("x", w.Element(0, loop.Sum(first, i)))
		b.Set(all, loop.Op(loop.Or, all.Get(), loop.Op(loop.Xor, x, loop.Op(loop.AShr, x, loop.Int(31)))))
	})
	size := b.Var("size", loop.Int(0))
	for _, bits := range []int{8, 4, 2, 1} {
		more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, loop.Int(1<<bits-1), all.Get()), bits))
		b.Set(all, loop.Op(loop.LShr, all.Get(), more))
		b.Set(size, loop.Sum(size.Get(), more))
	}
	return b.Let("size", loop.Sum(size.Get(), all.Get()))
}

// load writes the samples of a frame, in its window, to their places, and zeros to the others.
func (w *writer) load(first, size loop.Expr, taps, places *loop.Global) {
	b, half := w.B, w.s.FFT/2
	left := b.Let("left", loop.Op(loop.Sub, loop.Int(15), size))
	place := func(i loop.Expr) loop.Expr {
		at := loop.To(loop.ZExt, &loop.Load{From: places, Offset: loop.Scaled(i, 2), T: loop.I16, Align: 2}, 32)
		return b.Let("place", loop.Scaled(at, 8))
	}
	sample := func(i loop.Expr) loop.Expr {
		tap := loop.To(loop.SExt, &loop.Load{From: taps, Offset: loop.Scaled(i, 2), T: loop.I16, Align: 2}, 32)
		return loop.Times(loop.Op(loop.Shl, w.Element(0, loop.Sum(first, i)), left), tap)
	}
	pair := func(i, re, im loop.Expr) {
		at := place(i)
		b.StoreAligned(w.Scratch, at, re, 4)
		b.StoreAligned(w.Scratch, loop.Sum(at, loop.Int(4)), im, 4)
	}
	whole := w.s.Frame / 2
	b.For("i", loop.Int(0), loop.Int(whole), 1, func(i loop.Expr) {
		at := b.Let("at", loop.Scaled(i, 2))
		pair(i, sample(at), sample(loop.Sum(at, loop.Int(1))))
	})
	if w.s.Frame%2 == 1 {
		pair(loop.Int(whole), sample(loop.Int(2*whole)), loop.Int(0))
		whole++
	}
	b.For("i", loop.Int(whole), loop.Int(half), 1, func(i loop.Expr) { pair(i, loop.Int(0), loop.Int(0)) })
}

// high is the upper half of a product.
func high(x, y loop.Expr) loop.Expr {
	product := loop.Times(loop.To(loop.SExt, x, 64), loop.To(loop.SExt, y, 64))
	return loop.To(loop.Trunc, loop.Op(loop.AShr, product, loop.Num(loop.I64, 32)), 32)
}

// number is a complex number.
type number struct{ re, im loop.Expr }

func (w *writer) let(name string, x number) number {
	return number{w.B.Let(name, x.re), w.B.Let(name, x.im)}
}

func (x number) plus(y number) number {
	return number{loop.Sum(x.re, y.re), loop.Sum(x.im, y.im)}
}

func (x number) minus(y number) number {
	return number{loop.Op(loop.Sub, x.re, y.re), loop.Op(loop.Sub, x.im, y.im)}
}

func (x number) shifted(bits int) number {
	return number{loop.Op(loop.AShr, x.re, loop.Int(bits)), loop.Op(loop.AShr, x.im, loop.Int(bits))}
}

// times is a product with a root of unity, a quarter of it.
func (x number) times(root number) number {
	return number{loop.Op(loop.Sub, high(x.re, root.re), high(x.im, root.im)), loop.Sum(high(x.re, root.im), high(x.im, root.re))}
}

// at is the complex number at a place after a cursor.
func (w *writer) at(from loop.Region, place int) number {
	return w.let("z", number{word(from, 2*place), word(from, 2*place+1)})
}

func (w *writer) set(to loop.Region, place int, x number) {
	w.put(to, 2*place, x.re)
	w.put(to, 2*place+1, x.im)
}

// transform writes all stages.
func (w *writer) transform() {
	b, half := w.B, w.s.FFT/2
	skipped := 0 // bytes of the roots of the stages before
	for i, m := range geometry.Stages(w.s.FFT) {
		z := b.Cursor("z", w.Scratch, loop.Int(0))
		switch {
		case m == 0:
			b.For("pair", loop.Int(0), loop.Int(half/2), 1, func(loop.Expr) {
				x, y := w.let("x", w.at(z, 0).shifted(1)), w.let("y", w.at(z, 1).shifted(1))
				w.set(z, 0, x.plus(y))
				w.set(z, 1, x.minus(y))
				b.Advance(z, 16)
			})
		case i == 0:
			b.For("group", loop.Int(0), loop.Int(half/4), 1, func(loop.Expr) {
				w.butterfly(z, 1, func(_ int, x number) number { return x.shifted(2) })
				b.Advance(z, 32)
			})
		default:
			b.For("group", loop.Int(0), loop.Int(half/4/m), 1, func(loop.Expr) {
				roots := b.Cursor("roots", w.roots, loop.Int(skipped))
				b.For("k", loop.Int(0), loop.Int(m), 1, func(loop.Expr) {
					w.butterfly(z, m, func(power int, x number) number { return x.times(w.at(roots, power-1)) })
					b.Advance(z, 8)
					b.Advance(roots, 24)
				})
				b.Advance(z, 24*m)
			})
			skipped += 24 * m
		}
	}
}

// butterfly joins elements of four transforms of m complex numbers; turned multiplies by a power of a
// root, and divides by 4.
func (w *writer) butterfly(z loop.Region, m int, turned func(power int, x number) number) {
	x := w.let("a", w.at(z, 0).shifted(2))
	y := w.let("c", turned(2, w.at(z, 2*m)))
	s, t := w.let("s", x.plus(y)), w.let("t", x.minus(y))
	x = w.let("b", turned(1, w.at(z, m)))
	y = w.let("d", turned(3, w.at(z, 3*m)))
	u, v := w.let("u", x.plus(y)), w.let("v", x.minus(y))
	i := number{v.im, loop.Op(loop.Sub, loop.Int(0), v.re)} // -i times v
	w.set(z, 0, s.plus(u))
	w.set(z, m, number{loop.Sum(t.re, i.re), loop.Op(loop.Sub, t.im, v.re)})
	w.set(z, 2*m, s.minus(u))
	w.set(z, 3*m, number{loop.Op(loop.Sub, t.re, v.im), loop.Sum(t.im, v.re)})
}

// split makes the powers of the spectrum of real samples, each in the place of a complex number.
func (w *writer) split() {
	b, half := w.B, w.s.FFT/2
	last := b.Cursor("last", w.Scratch, loop.Int(8*half))
	first := w.let("first", w.at(w.Scratch, 0).shifted(2))
	w.power(last, number{loop.Op(loop.Sub, first.re, first.im), loop.Int(0)})
	w.power(w.Scratch, number{loop.Sum(first.re, first.im), loop.Int(0)})
	low, roots := b.Cursor("low", w.Scratch, loop.Int(8)), b.Cursor("roots", w.roots, loop.Int(4*len(w.s.Twiddles)-8*(half/2)))
	b.For("k", loop.Int(0), loop.Int(half/2), 1, func(loop.Expr) {
		b.Advance(last, -8)
		x, y := w.let("x", w.at(low, 0).shifted(1)), w.let("y", w.at(last, 0).shifted(1))
		even := w.let("even", number{loop.Sum(x.re, y.re), loop.Op(loop.Sub, x.im, y.im)}.shifted(2))
		odd := w.let("odd", number{loop.Op(loop.Sub, x.re, y.re), loop.Sum(x.im, y.im)})
		odd = w.let("turned", odd.times(w.at(roots, 0)))
		w.power(low, even.plus(odd))
		w.power(last, even.minus(odd))
		b.Advance(low, 8)
		b.Advance(roots, 8)
	})
}

// power writes that of a magnitude.
func (w *writer) power(to loop.Region, x number) {
	b := w.B
	square := func(x loop.Expr) loop.Expr {
		x = loop.To(loop.SExt, b.Let("part", x), 64)
		return loop.Times(x, x)
	}
	p := square(x.re)
	if _, isReal := x.im.(*loop.Const); !isReal {
		p = loop.Sum(p, square(x.im))
	}
	if w.s.Power == 1 {
		p = loop.To(loop.ZExt, w.root(b.Let("power", p)), 64)
	}
	b.StoreAligned(to, loop.Int(0), p, 8)
}

// root is the square root of a power, of its upper 32 bits.
func (w *writer) root(p loop.Expr) loop.Expr {
	b := w.B
	right := b.Var("right", loop.Int(0))
	rest := b.Var("rest", loop.To(loop.Trunc, loop.Op(loop.LShr, p, loop.Num(loop.I64, 32)), 32))
	for _, bits := range []int{16, 8, 4, 2} {
		more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, loop.Int(1<<bits-1), rest.Get()), bits))
		b.Set(rest, loop.Op(loop.LShr, rest.Get(), more))
		b.Set(right, loop.Sum(right.Get(), more))
	}
	b.Set(right, loop.Sum(right.Get(), loop.Scaled(loop.Op(loop.SLt, loop.Int(0), rest.Get()), 2)))
	b.Set(rest, loop.To(loop.Trunc, loop.Op(loop.LShr, p, loop.To(loop.ZExt, right.Get(), 64)), 32))
	root := b.Var("root", loop.Int(0))
	bit := b.Var("bit", loop.Int(1<<30))
	// Digit by digit: rest is less by the square of what root has of the root, which stands left of its place.
	b.For("digit", loop.Int(0), loop.Int(16), 1, func(loop.Expr) {
		next := b.Let("next", loop.Op(loop.Or, root.Get(), bit.Get()))
		fits := b.Let("fits", loop.Op(loop.Sub, loop.Op(loop.ULt, rest.Get(), next), loop.Int(1))) // -1 or 0
		b.Set(rest, loop.Op(loop.Sub, rest.Get(), loop.Op(loop.And, next, fits)))
		b.Set(root, loop.Op(loop.Or, loop.Op(loop.LShr, root.Get(), loop.Int(1)), loop.Op(loop.And, bit.Get(), fits)))
		b.Set(bit, loop.Op(loop.LShr, bit.Get(), loop.Int(2)))
	})
	return loop.Op(loop.Shl, root.Get(), loop.Op(loop.LShr, right.Get(), loop.Int(1)))
}

// bands prepares what writes the bands of a frame, the first of which is an element of the result,
// where its samples take some bits.
func (w *writer) bands(q emit.Requant) func(first, size loop.Expr) {
	b, s := w.B, w.s
	var levels []int64
	for _, l := range s.Levels {
		levels = append(levels, l.Shift, l.Add, l.Least, l.Base)
	}
	table := w.Ints("levels", 64, levels)
	var bank, spans, logs *loop.Global
	if s.Bank != nil {
		bank = w.Ints("bank", 16, widened(s.Bank))
		var list []int64
		for _, span := range s.Spans {
			list = append(list, int64(span.First), int64(span.Bins))
		}
		spans = w.Ints("spans", 16, list)
	}
	if s.IsLog {
		logs = w.Ints("logs", 32, widened(s.Table))
	}
	return func(first, size loop.Expr) {
		row := b.Cursor("level", table, loop.Scaled(size, 32))
		entry := func(name string, i int) loop.Expr {
			return b.Let(name, &loop.Load{From: row, Offset: loop.Int(8 * i), T: loop.I64, Align: 8})
		}
		shift, add, least := entry("shift", 0), entry("add", 1), entry("least", 2)
		base := b.Let("base", loop.To(loop.Trunc, entry("base", 3), 32))
		constants := q.Load(loop.Int(0))
		var weights, span *loop.Cursor
		if bank != nil {
			weights, span = b.Cursor("weights", bank, loop.Int(0)), b.Cursor("span", spans, loop.Int(0))
		}
		b.For("b", loop.Int(0), loop.Int(s.Bands), 1, func(band loop.Expr) {
			sum := b.Var("sum", loop.Num(loop.I64, 0))
			if bank == nil {
				b.Set(sum, &loop.Load{From: w.Scratch, Offset: loop.Scaled(band, 8), T: loop.I64, Align: 8})
			} else {
				w.filter(sum, weights, span)
			}
			b.Set(sum, loop.Op(loop.SMax, loop.Sum(loop.Op(loop.AShr, sum.Get(), shift), add), least))
			var y loop.Expr
			if s.IsLog {
				y = loop.Sum(w.log2(logs, sum.Get()), base)
			} else {
				y = loop.To(loop.Trunc, loop.Op(loop.SMin, sum.Get(), loop.Num(loop.I64, math.MaxInt32)), 32)
			}
			constants.Store(b.Let("y", y), loop.Sum(first, band))
		})
	}
}

// filter adds the bins of a filter with their weights.
func (w *writer) filter(sum *loop.Var, weights, span *loop.Cursor) {
	b := w.B
	half := func(at int) loop.Expr {
		return loop.To(loop.ZExt, &loop.Load{From: span, Offset: loop.Int(at), T: loop.I16, Align: 2}, 32)
	}
	power := b.Cursor("power", w.Scratch, loop.Scaled(half(0), 8))
	b.For("k", loop.Int(0), b.Let("count", half(2)), 1, func(loop.Expr) {
		p := loop.Expr(&loop.Load{From: power, Offset: loop.Int(0), T: loop.I64, Align: 8})
		if w.s.Power == 2 {
			p = loop.Op(loop.LShr, p, loop.Num(loop.I64, geometry.BankShift))
		}
		weight := loop.To(loop.SExt, &loop.Load{From: weights, Offset: loop.Int(0), T: loop.I16, Align: 2}, 64)
		b.Set(sum, loop.Sum(sum.Get(), loop.Times(p, weight)))
		b.Advance(power, 8)
		b.Advance(weights, 2)
	})
	b.Advance(span, 4)
}

// log2 is the logarithm of a positive number to the base 2.
func (w *writer) log2(table *loop.Global, x loop.Expr) loop.Expr {
	b := w.B
	upper := b.Var("upper", loop.To(loop.Trunc, loop.Op(loop.LShr, x, loop.Num(loop.I64, 32)), 32))
	lower := b.Var("lower", loop.To(loop.Trunc, x, 32))
	n := b.Var("n", loop.Int(62))
	b.If(loop.Op(loop.Eq, upper.Get(), loop.Int(0)), func() { // 31 bits of it
		b.Set(upper, loop.Op(loop.LShr, lower.Get(), loop.Int(1)))
		b.Set(lower, loop.Op(loop.Shl, lower.Get(), loop.Int(31)))
		b.Set(n, loop.Int(31))
	}, nil)
	b.If(loop.Op(loop.Eq, upper.Get(), loop.Int(0)), func() { // of 1
		b.Set(upper, loop.Int(1<<30))
		b.Set(lower, loop.Int(0))
		b.Set(n, loop.Int(0))
	}, nil)
	left := b.Var("left", loop.Int(0))
	top := b.Var("top", upper.Get())
	for _, bits := range []int{16, 8, 4, 2, 1} {
		more := b.Let("more", loop.Scaled(loop.Op(loop.SLt, top.Get(), loop.Int(1<<(31-bits))), bits))
		b.Set(top, loop.Op(loop.Shl, top.Get(), more))
		b.Set(left, loop.Sum(left.Get(), more))
	}
	// The bits that come in from below: of a shift by 0 none.
	below := loop.Op(loop.LShr, loop.Op(loop.LShr, lower.Get(), loop.Int(1)), loop.Op(loop.Sub, loop.Int(31), left.Get()))
	m := b.Let("m", loop.Op(loop.Or, top.Get(), below))
	at := b.Cursor("log", table, loop.Scaled(loop.Op(loop.And, loop.Op(loop.LShr, m, loop.Int(24)), loop.Int(ir.LogTable-2)), 4))
	base := b.Let("base", word(at, 0))
	part := loop.Op(loop.And, loop.Op(loop.LShr, m, loop.Int(8)), loop.Int(geometry.LogOne-1))
	between := loop.Times(loop.Op(loop.Sub, word(at, 1), base), part)
	between = loop.Op(loop.AShr, loop.Sum(between, loop.Int(geometry.LogOne/2)), loop.Int(16))
	return loop.Sum(loop.Scaled(loop.Op(loop.Sub, n.Get(), left.Get()), geometry.LogOne), base, between)
}

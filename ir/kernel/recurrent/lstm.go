package recurrent

import (
	"math"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// lstmLayout is where an LSTM of TensorFlow Lite's integers has its states in scratch, all of 16 bits: the
// hidden state and what the step makes, both with whole chunks, and the cell.
type lstmLayout struct{ hidden, made, cell, bytes int }

func lstmLayoutOf(cells, outputs int) (l lstmLayout) {
	l.made = 2 * padded(outputs)
	l.cell = l.made + 2*padded(cells)
	l.bytes = l.cell + 2*padded(cells)
	return l
}

// lstm writes an LSTM of TensorFlow Lite's integers.
type lstm struct {
	dots
	*geometry.LSTMInts
	lstmLayout
	inverse *loop.Func
}

// newLSTM begins with the function that the others call.
func newLSTM(g *emit.Generator, product string) *lstm {
	w := &lstm{dots: dots{g, product}}
	w.inverse = g.Function("inverse", []string{"e"}, nil, func(v []loop.Expr) { g.B.Return(fixedInverse(g.B, v[0])) })
	return w
}

// emitLSTM writes the recurrence (R25).
func (p Plan) emitLSTM(g *emit.Generator) error {
	r, err := geometry.LSTMIntsOf(g.Node)
	if err != nil {
		return err
	}
	w := newLSTM(g, p.Product)
	w.LSTMInts, w.lstmLayout = r, lstmLayoutOf(r.Hidden, r.Outputs)
	gates := make([]int, r.Gates)
	var biases []int64
	for i := range gates {
		gates[i] = i
	}
	for cell := range r.Hidden {
		for i := range gates {
			biases = append(biases, int64(r.Bias[i*r.Hidden+cell]))
		}
	}
	codes, words := g.Global("hidden", 4, w.codes(r.Weight, gates, r.Hidden, r.Outputs)), g.Ints("biases", 32, biases)
	b := g.B
	b.For("i", loop.Int(0), loop.Int(w.bytes/4), 1, func(i loop.Expr) { b.StoreAligned(g.Scratch, loop.Scaled(i, 4), loop.Int(0), 4) })
	places := []int{w.hidden, w.cell}
	if len(g.Node.States()) > 0 {
		w.loadStates(places)
	} else if r.Zero != 0 {
		b.For("i", loop.Int(0), loop.Int(r.Outputs), 1, func(i loop.Expr) {
			b.StoreAligned(g.Scratch, loop.Scaled(i, 2), loop.Num(loop.I16, int64(r.Zero)), 2)
		})
	}
	var project, projectBias *loop.Global
	if r.Project != nil {
		var list []int64
		for _, v := range r.ProjectBias {
			list = append(list, int64(v))
		}
		project, projectBias = g.Global("project", 4, w.codes(r.Project, []int{0}, r.Outputs, r.Hidden)), g.Ints("project_biases", 32, list)
	}
	b.For("step", loop.Int(0), loop.Int(r.Steps), 1, func(step loop.Expr) {
		if r.IsBack {
			step = b.Let("t", loop.Op(loop.Sub, loop.Int(r.Steps-1), step))
		}
		x := b.Cursor("x", g.Args[0], loop.Scaled(step, 2*r.Gates*r.Hidden))
		y := b.Cursor("y", g.Out, loop.Scaled(step, r.Outputs))
		w.cells(b.Cursor("weight", codes, loop.Int(0)), b.Cursor("bias", words, loop.Int(0)), x)
		if r.Project == nil {
			w.publish(y, func(made *loop.Cursor) loop.Expr { return half(made) })
			return
		}
		weight, bias := b.Cursor("weight", project, loop.Int(0)), b.Cursor("bias", projectBias, loop.Int(0))
		w.publish(y, func(*loop.Cursor) loop.Expr {
			acc := b.Var("sum", &loop.Load{From: bias, Offset: loop.Int(0), T: loop.I32, Align: 4})
			w.products([]*loop.Var{acc}, weight, w.made, r.Hidden)
			b.Advance(bias, 4)
			return loop.Sum(g.TFLite(acc.Get(), r.By.Mul, r.By.Shift), loop.Int(int(r.Zero)))
		})
	})
	w.keepStates(places, r.Steps)
	return nil
}

// cells writes what each cell makes in a step.
func (w *lstm) cells(codes, biases, x *loop.Cursor) {
	b := w.B
	cell, made := b.Cursor("cell", w.Scratch, loop.Int(w.cell)), b.Cursor("made", w.Scratch, loop.Int(w.made))
	in, out, forget, candidate := w.Taken()
	b.For("cell", loop.Int(0), loop.Int(w.Hidden), 1, func(loop.Expr) {
		acc := make([]*loop.Var, w.Gates)
		for i := range acc {
			acc[i] = b.Var("sum", &loop.Load{From: biases, Offset: loop.Int(4 * i), T: loop.I32, Align: 4})
		}
		w.products(acc, codes, w.hidden, w.Outputs)
		gate := func(i int) loop.Expr {
			own := loop.To(loop.SExt, &loop.Load{From: x, Offset: loop.Int(2 * i * w.Hidden), T: loop.I16, Align: 2}, 32)
			sum := loop.Sum(own, w.TFLite(acc[i].Get(), w.Sums[i].Mul, w.Sums[i].Shift))
			return b.Let("gate", word(sum))
		}
		f := w.sigmoid(gate(forget))
		take := loop.Op(loop.Sub, loop.Int(math.MaxInt16), f)
		if in >= 0 {
			take = w.sigmoid(gate(in))
		}
		take = b.Let("take", take)
		g := w.tanh(gate(candidate), 3)
		kept := shiftedAway(b, loop.Times(f, half(cell)), 15)
		c := b.Let("c", word(loop.Sum(kept, shiftedAway(b, loop.Times(take, g), 15+w.CellBits))))
		if w.CellClip > 0 {
			c = b.Let("c", loop.Clamp(c, -int64(w.CellClip), int64(w.CellClip)))
		}
		b.StoreAligned(cell, loop.Int(0), loop.To(loop.Trunc, c, 16), 2)
		o := w.sigmoid(gate(out))
		product := b.Let("product", loop.Times(o, w.tanh(c, w.CellBits)))
		v := loop.Clamp(loop.Sum(w.TFLite(product, w.LSTMInts.Out.Mul, w.LSTMInts.Out.Shift), loop.Int(int(w.ZeroMade))), math.MinInt8, math.MaxInt8)
		b.StoreAligned(made, loop.Int(0), loop.To(loop.Trunc, v, 16), 2)
		b.Advance(biases, 4*w.Gates)
		b.Advance(x, 2)
		b.Advance(cell, 2)
		b.Advance(made, 2)
	})
}

// publish makes what value gives of each output the hidden state, and the result of the step.
func (w *lstm) publish(y *loop.Cursor, value func(made *loop.Cursor) loop.Expr) {
	b := w.B
	own, made := b.Cursor("own", w.Scratch, loop.Int(w.hidden)), b.Cursor("made", w.Scratch, loop.Int(w.made))
	b.For("output", loop.Int(0), loop.Int(w.Outputs), 1, func(loop.Expr) {
		v := b.Let("v", loop.Clamp(value(made), int64(w.Least), int64(w.Greatest)))
		b.StoreAligned(own, loop.Int(0), loop.To(loop.Trunc, v, 16), 2)
		b.Store(y, loop.Int(0), loop.To(loop.Trunc, v, 8))
		b.Advance(own, 2)
		b.Advance(made, 2)
		b.Advance(y, 1)
	})
}

// word is x within 16 bits.
func word(x loop.Expr) loop.Expr { return loop.Clamp(x, math.MinInt16, math.MaxInt16) }

// shiftedAway is x/2^bits, rounded, ties away from zero.
func shiftedAway(b *loop.Builder, x loop.Expr, bits int) loop.Expr {
	x = b.Let("x", x)
	return loop.Op(loop.AShr, loop.Sum(x, loop.Int(1<<(bits-1)), loop.Op(loop.AShr, x, loop.Int(31))), loop.Int(bits))
}

// signs are the sign of x, 0 or -1, what is not 0 of it, likewise, and its size.
func signs(b *loop.Builder, x loop.Expr) (sign, isNot0, size loop.Expr) {
	sign = b.Let("sign", loop.Op(loop.AShr, x, loop.Int(31)))
	size = b.Let("size", loop.Op(loop.Sub, loop.Op(loop.Xor, x, sign), sign))
	return sign, b.Let("some", loop.Op(loop.AShr, loop.Op(loop.Sub, loop.Int(0), size), loop.Int(31))), size
}

// inverseOf is the function of R25 of -size/2^-bits.
func (w *lstm) inverseOf(size loop.Expr, bits int) loop.Expr {
	return w.B.Result("inverse", w.inverse, []loop.Expr{loop.Op(loop.Shl, loop.Op(loop.Sub, loop.Int(0), size), loop.Int(bits))}, nil)
}

func (w *lstm) sigmoid(x loop.Expr) loop.Expr {
	b := w.B
	sign, isNot0, size := signs(b, x)
	y := word(loop.Op(loop.Shl, w.inverseOf(size, 3), loop.Int(1)))
	// 2^15-1-y of a negative one.
	y = loop.Sum(loop.Op(loop.Xor, y, sign), loop.Op(loop.And, sign, loop.Int(1<<15)))
	return b.Let("sigmoid", loop.Sum(loop.Op(loop.And, loop.Op(loop.Sub, y, loop.Int(1<<14)), isNot0), loop.Int(1<<14)))
}

func (w *lstm) tanh(x loop.Expr, bits int) loop.Expr {
	b := w.B
	sign, isNot0, size := signs(b, x)
	y := word(loop.Op(loop.Shl, loop.Op(loop.Sub, w.inverseOf(size, bits+1), loop.Int(geometry.InverseOne)), loop.Int(2)))
	y = loop.Op(loop.Sub, loop.Op(loop.Xor, y, sign), sign)
	return b.Let("tanh", loop.Op(loop.And, y, isNot0))
}

// fixedInverse is the function of R25 that sigmoids and tanhs are made of.
func fixedInverse(b *loop.Builder, e loop.Expr) loop.Expr {
	product := func(x, y loop.Expr) loop.Expr { return shifted(loop.Times(x, y), 15) }
	e = b.Let("e", e)
	part := b.Let("part", loop.Op(loop.Sub, loop.Op(loop.And, e, loop.Int(1<<13-1)), loop.Int(1<<13)))
	rest := b.Let("rest", loop.Op(loop.LShr, loop.Op(loop.Sub, part, e), loop.Int(13)))
	x := b.Let("x", loop.Sum(part, loop.Int(1<<12)))
	x2 := b.Let("x2", product(x, x))
	sum := loop.Sum(shiftedAway(b, product(x2, x2), 2), product(x2, x))
	sum = shiftedAway(b, loop.Sum(product(sum, loop.Int(geometry.ExpThird)), x2), 1)
	exp := b.Let("exp", word(loop.Sum(product(loop.Sum(x, sum), loop.Int(geometry.ExpMiddle)), loop.Int(geometry.ExpMiddle))))
	for k, power := range geometry.ExpPowers {
		// All bits of it where the power counts, else none.
		counts := loop.Op(loop.AShr, loop.Op(loop.Shl, rest, loop.Int(31-k)), loop.Int(31))
		less := loop.Op(loop.Sub, product(exp, loop.Int(int(power))), exp)
		exp = b.Let("exp", loop.Sum(exp, loop.Op(loop.And, less, counts)))
	}
	far := loop.Op(loop.LShr, rest, loop.Int(len(geometry.ExpPowers))) // 0, or less than 2^31
	exp = loop.Op(loop.And, exp, loop.Op(loop.AShr, loop.Op(loop.Sub, far, loop.Int(1)), loop.Int(31)))
	h := b.Let("half", loop.Op(loop.AShr, loop.Sum(exp, loop.Int(1<<15)), loop.Int(1)))
	y := b.Let("y", loop.Sum(product(h, loop.Int(geometry.InverseBy)), loop.Int(geometry.InverseFrom)))
	for range 3 {
		left := loop.Op(loop.Sub, loop.Int(geometry.InverseOne), product(h, y))
		y = b.Let("y", loop.Sum(y, word(loop.Op(loop.Shl, product(y, left), loop.Int(2)))))
	}
	return y
}

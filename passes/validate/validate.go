// Package validate holds each pass to computing what the module computed before it:
// both modules are executed on random inputs and compared. Most passes must be exact;
// one that rounds says in the table by how much it may, and the lowering to integers
// is held to half a step an operation, from the same arguments.
package validate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// images is the random inputs on which modules are executed: the least one, the
// greatest one, and noise.
const images = 4

// Validator watches a module on its way through the passes.
type Validator struct {
	seed   uint64
	before *ir.Module // nil until its types are known
}

// New makes a validator of a module, whose inputs come from a seed.
func New(m *ir.Module, seed uint64) *Validator {
	v := &Validator{seed: seed}
	if m.After != "" {
		v.before = m.Clone()
	}
	return v
}

// Observe compares the module after a pass with the one before it. A difference is
// a *pass.Error that names the first value that differs.
func (v *Validator) Observe(ctx context.Context, p *pass.Pass, m *ir.Module) error {
	before := v.before
	v.before = m.Clone()
	if before == nil || p.Moves {
		return nil
	}
	var err error
	switch {
	case p.Streams && m.Streams() && !before.Streams():
		err = v.streamed(ctx, before, m)
	case !m.IsQuantized():
		err = same(ctx, interp.CompileFloat, before, m, v.reals(m), func(was []float32) float64 { return p.Rounds * greatest(was) })
	case before.IsQuantized():
		err = same(ctx, interp.CompileInt, before, m, v.integers(m), func([]int8) float64 { return 0 })
	default:
		err = v.lowered(ctx, before, m)
	}
	if err != nil && ctx.Err() == nil {
		return &pass.Error{Pass: p.Name, Err: err}
	}
	return err
}

// of fills an input: the least number, the greatest, then whatever next says.
func of[T any](size int, least, most T, next func() T) []T {
	x := make([]T, images*size)
	for i := range x {
		switch i / size {
		case 0:
			x[i] = least
		case 1:
			x[i] = most
		default:
			x[i] = next()
		}
	}
	return x
}

// streamed feeds a network that runs frame by frame the frames of whole records.
func (v *Validator) streamed(ctx context.Context, before, m *ir.Module) error {
	var records [][]int8
	in := v.integers(before)[0]
	for i := range images {
		records = append(records, part(in, i, images))
	}
	_, err := Stream(ctx, before, m, records)
	return err
}

func (v *Validator) reals(m *ir.Module) (in [][]float32) {
	rng := rand.New(rand.NewPCG(v.seed, 21))
	for _, x := range m.Inputs {
		low, high := float32(0), float32(1)
		if x.Range != nil {
			low, high = float32(x.Range.Lo), float32(x.Range.Hi)
		}
		in = append(in, of(x.Type.Shape.Size(), low, high, func() float32 { return low + (high-low)*rng.Float32() }))
	}
	return in
}

func (v *Validator) integers(m *ir.Module) (in [][]int8) {
	rng := rand.New(rand.NewPCG(v.seed, 21))
	for _, x := range m.Inputs {
		in = append(in, of(x.Type.Slots(), -128, 127, func() int8 { return int8(rng.Uint32()) }))
	}
	return in
}

func greatest(x []float32) float64 {
	m := 0.
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// run executes a module and keeps every value.
func run[T float32 | int8](ctx context.Context, compile func(*ir.Module) (*interp.Program[T], error), m *ir.Module, in [][]T) (*interp.Program[T], interp.Tensors[T], error) {
	p, err := compile(m)
	if err != nil {
		return nil, nil, err
	}
	keep := append([]*ir.Value(nil), m.Inputs...)
	for _, n := range m.Ops {
		keep = append(keep, n.Out)
	}
	t := p.Tensors(images, keep...)
	for i, x := range m.Inputs {
		copy(t[p.ID(x)], in[i])
	}
	return p, t, p.Run(ctx, t, images, 0, len(m.Ops))
}

// same compares the outputs of two modules, with a bound that depends on what an
// output was.
func same[T float32 | int8](ctx context.Context, compile func(*ir.Module) (*interp.Program[T], error), a, b *ir.Module, in [][]T, bound func(was []T) float64) error {
	pa, ta, err := run(ctx, compile, a, in)
	if err != nil {
		return fmt.Errorf("before it: %w", err)
	}
	pb, tb, err := run(ctx, compile, b, in)
	if err != nil {
		return err
	}
	differ := func(va, vb *ir.Value) error {
		x, y := ta[pa.ID(va)], tb[pb.ID(vb)]
		if len(x) != len(y) {
			return fmt.Errorf("%s has %d elements, before it %d", vb.Name, len(y)/images, len(x)/images)
		}
		most := bound(x)
		if va.Def != nil && (va.Def.Op == ir.Relu || va.Def.Op == ir.Relu6 || va.Def.Op == ir.Clip) { // what is left of sums is as exact as they were
			for _, arg := range va.Def.Args {
				most = max(most, bound(ta[pa.ID(arg)]))
			}
		}
		for i := range x {
			if x[i] == y[i] {
				continue // infinities among them, whose bound is no number
			}
			if d := math.Abs(float64(x[i]) - float64(y[i])); !(d <= most) && (x[i] == x[i] || y[i] == y[i]) {
				return fmt.Errorf("%s differs first at element %d of input %d: %v, before it %v (may differ by %.3g)", vb.Name, i%(len(x)/images), i/(len(x)/images), y[i], x[i], most)
			}
		}
		return nil
	}
	for i, out := range b.Outputs {
		fault := differ(a.Outputs[i], out)
		if fault == nil {
			continue
		}
		// The first of one name that differs is nearer to the cause: after the last
		// one that is the same, for a name may come to mean another part of a sum.
		var first error
		for _, n := range b.Ops {
			for _, o := range a.Ops {
				if o.Name() == n.Name() && o.Op == n.Op && o.Out.Type.Shape.Equal(n.Out.Type.Shape) {
					if d := differ(o.Out, n.Out); d == nil || first == nil {
						first = d
					}
				}
			}
		}
		return cmp.Or(first, fault)
	}
	return nil
}

// steps is the steps of its result by which an operation of integers may differ from
// the reals: half of one for rounding; for sums whose arguments are rescaled one by
// one, and where a format rounds twice, as much again; a table of exponentials is
// coarser.
func steps(n *ir.Node) float64 {
	isWide := n.Out.Type.IsWide()
	switch n.Op {
	case ir.Softmax:
		if isWide { // whose exponentials of distances beyond 10 are all that of 10 (R15)
			row := n.Out.Type.Shape[n.Int(ir.AttrAxis)]
			return 12 + float64(row-1)*math.Ldexp(math.Exp(-10), 15)
		}
		return 2
	case ir.Table:
		if isWide {
			return between(n)
		}
	case ir.Recurrent: // whose states are rounded in each step
		return 1 + mostOfStates*geometry.HiddenScale/n.Out.Type.Quant.Scale
	case ir.MatMul, ir.Conv2D, ir.Linear:
		if isWide && n.HasWideSums() { // whose multipliers have 15 bits
			return 1.5 + 1e-3
		}
	}
	switch n.Op {
	case ir.Conv2D, ir.Linear, ir.AvgPool2D, ir.Requantize, ir.Table, ir.Bilinear:
		if !n.Op.Takes(ir.AttrRound) || !geometry.RoundingOf(n).IsTwice() {
			return .5 + 1e-3
		}
	}
	return 1 + 1e-3
}

// mostOfStates is how far the rounding of tables and states may take a hidden state of a
// recurrence in a step, in its integers, and an LSTM's cell of 1.
const mostOfStates = 64

// mostOfReset is how far the rounding of its sum and of its table may take a reset gate, in units of
// 2^-15. A GRU that resets after the product takes it as many times as the product is great.
const mostOfReset = 4

// stepwise writes the hidden states y that a recurrent node of reals computes in each step from the
// states that one of integers has before it: over many steps great weights make a difference of any
// size of a rounding. To slack it writes how much more than mostOfStates each may differ, in reals.
// It compares the cells of an LSTM, which are no result.
func stepwise(n, float *ir.Node, x []int, y []float32, slack []float64) error {
	r, err := geometry.RecurrentIntsOf(n)
	if err != nil {
		return err
	}
	weight, err := float.Const(ir.AttrHidden).Float32()
	if err != nil {
		return err
	}
	var bias []float32
	if b := float.Const(ir.AttrBias); b != nil {
		if bias, err = b.Float32(); err != nil {
			return err
		}
	}
	if want := geometry.RecurrenceOf(float); r.Recurrence != want {
		return fmt.Errorf("%s (%s) became %+v, and was %+v", n.Name(), n.Op, r.Recurrence, want)
	}
	own := kernels.NewRecurrent(r.Recurrence, weight, bias)
	args, results := n.Args[0].Type.Shape.Size(), n.Out.Type.Shape.Size()
	words, states := make([]int16, args), make([]int16, results)
	for image := range len(x) / args {
		for i := range words {
			words[i] = int16(x[image*args+i])
		}
		h, c, step := make([]float64, r.Hidden), make([]float64, r.Hidden), 0
		hidden, cell := make([]int32, r.Hidden), make([]int32, r.Hidden)
		kernels.RecurrentSteps(r, words, states, hidden, cell, func() {
			t := r.At(step)
			product := own.Step(func(i int) float64 { return real(n.Args[0], int(words[i*r.Steps+t])) }, h, c)
			for k := range h {
				y[image*results+k*r.Steps+t] = float32(h[k])
				if r.ResetsAfter {
					slack[image*results+k*r.Steps+t] = mostOfReset * geometry.HiddenScale * math.Abs(product[k])
				}
				have := float64(cell[k]) / (geometry.GateUnits << geometry.CellShift)
				if math.Abs(c[k]-have) > mostOfStates*geometry.HiddenScale*(1+math.Abs(c[k])) && err == nil {
					err = fmt.Errorf("%s (%s) has a cell %d in step %d of input %d of %v, the reals give %v", n.Name(), n.Op, k, step, image, have, c[k])
				}
				h[k], c[k] = float64(hidden[k])*geometry.HiddenScale, have
			}
			step++
		})
	}
	return err
}

// hiddenReals gives a recurrent node of reals the weights that one of integers was rounded to.
func hiddenReals(n, float *ir.Node) error {
	r, err := geometry.RecurrentIntsOf(n)
	if err != nil {
		return err
	}
	scale := func(row int) float64 { // of its weights
		return math.Ldexp(float64(r.Mul[row]), -int(r.Shift)) / (geometry.HiddenScale * geometry.GateUnits)
	}
	weight, bias := make([]float32, len(r.Weight)), make([]float32, len(r.Bias))
	for i, w := range r.Weight {
		weight[i] = float32(float64(w) * scale(i/r.Hidden))
	}
	for i, b := range r.Bias {
		bias[i] = float32(float64(b) * geometry.HiddenScale * scale(2*r.Hidden+i))
	}
	float.Put(ir.AttrHidden.Is(ir.FloatConst("", n.Const(ir.AttrHidden).Type.Shape, weight)))
	if r.ResetsAfter {
		float.Put(ir.AttrBias.Is(ir.FloatConst("", ir.Shape{r.Hidden}, bias)))
	}
	return nil
}

// between is the steps by which straight lines between the entries of a table differ from its function, of
// which each argument is looked at, and by which these are rounded. Where a function begins, as acosh at 1, it is far from
// any line.
func between(n *ir.Node) float64 {
	if n.Const(ir.AttrMul) != nil {
		return 4 // sigmoid and tanh (R14)
	}
	raw, err := n.Const(ir.AttrTable).Ints()
	if err != nil {
		return 0
	}
	f, x, y, most := kernels.Function(n.Function()), n.Args[0].Type.Quant.Scale, n.Out.Type.Quant.Scale, 0.
	for i := range len(raw) - 1 {
		for part := range 128 {
			want := min(max(f(x*float64(128*i+math.MinInt16+part))/y, math.MinInt16), math.MaxInt16)
			line := float64(raw[i]) + float64(raw[i+1]-raw[i])*float64(part)/128
			if d := math.Abs(want - line); d > most { // no number where there is no value
				most = d
			}
		}
	}
	return 1.5*most + 2
}

// lowered compares operations of integers with the reals that they stand for, each
// from the integers that its arguments have.
func (v *Validator) lowered(ctx context.Context, a, b *ir.Module) error {
	pb, tb, err := run(ctx, interp.CompileInt, b, v.integers(b))
	if err != nil {
		return err
	}
	if len(a.Ops) != len(b.Ops) {
		return fmt.Errorf("%d operations became %d", len(a.Ops), len(b.Ops))
	}
	a = a.Clone()
	for i, n := range b.Ops {
		if n.Op == ir.Spectrogram {
			if err := roundSpectrogram(a.Ops[i]); err != nil {
				return err
			}
		}
		if n.Op == ir.Recurrent {
			if err := hiddenReals(n, a.Ops[i]); err != nil {
				return err
			}
		}
		if n.Op == ir.Bilinear { // the places that integers have
			a.Ops[i].Put(ir.AttrDown.Is(n.Nums(ir.AttrDown)), ir.AttrAcross.Is(n.Nums(ir.AttrAcross)))
		}
		if !n.Op.Takes(ir.AttrPadValue) {
			continue
		}
		if pads := n.Nums(ir.AttrPadValue); pads != nil { // the reals that padding was rounded to
			x := make([]float64, len(pads))
			for c, p := range pads {
				x[c] = real(n.Args[0], int(p))
			}
			a.Ops[i].Put(ir.AttrPadValue.Is(x))
		}
	}
	pa, err := interp.CompileFloat(a)
	if err != nil {
		return err
	}
	for i, n := range b.Ops {
		p := pa
		if n.Op == ir.Conv2D || n.Op == ir.Linear {
			weight, bias, err := reals(n)
			if err != nil {
				return err
			}
			p = interp.Override(pa, a.Ops[i], weight, bias)
		}
		t := p.Tensors(images, append([]*ir.Value{a.Ops[i].Out}, a.Ops[i].Args...)...)
		for k, arg := range n.Args {
			interp.Reals(arg.Type, tb[pb.ID(arg)], t[p.ID(a.Ops[i].Args[k])])
		}
		slack := make([]float64, len(t[p.ID(a.Ops[i].Out)]))
		if n.Op == ir.Recurrent {
			err = stepwise(n, a.Ops[i], integers(n.Args[0].Type, tb[pb.ID(n.Args[0])]), t[p.ID(a.Ops[i].Out)], slack)
		} else {
			err = p.Run(ctx, t, images, i, i+1)
		}
		if err != nil {
			return err
		}
		noise, err := floatNoise(n)
		if err != nil {
			return err
		}
		all := steps(n) + noise
		most := func(float64) float64 { return all }
		if n.Op == ir.Spectrogram {
			if most, err = spectrogramSteps(a.Ops[i], n); err != nil {
				return err
			}
		}
		q, got := n.Out.Type.Quant, integers(n.Out.Type, tb[pb.ID(n.Out)])
		low, high := n.Out.Type.Ends()
		least, greatest := float64(low), float64(high)
		for k, x := range t[p.ID(a.Ops[i].Out)] {
			want := min(max(float64(x)/q.Scale+float64(q.Zero), least), greatest)
			if most := most(want) + slack[k]/q.Scale; math.Abs(want-float64(got[k])) > most {
				size := len(got) / images
				return fmt.Errorf("%s (%s) differs first at element %d of input %d: %d, the reals give %.3f (may differ by %.3g)", n.Name(), n.Op, k%size, k/size, got[k], want, most)
			}
		}
	}
	return nil
}

// roundSpectrogram gives a spectrogram of reals the window and the filters that integers have.
func roundSpectrogram(n *ir.Node) error {
	s, err := geometry.SpectrumRealsOf(n)
	if err != nil {
		return err
	}
	s = s.Rounded()
	reals := func(x []float64, shape ...int) *ir.Const {
		if x == nil {
			return nil
		}
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		return ir.FloatConst("rounded", shape, y)
	}
	n.Put(ir.AttrTaps.Is(reals(s.Taps, s.Frame)), ir.AttrBank.Is(reals(s.Bank, s.Bands, s.Bins)))
	return nil
}

// spectrogramSteps is the steps of its result, by the number of them that the reals give, by which a
// spectrogram of integers may differ from that of reals.
func spectrogramSteps(reals, n *ir.Node) (func(want float64) float64, error) {
	s, err := geometry.SpectrumRealsOf(reals)
	if err != nil {
		return nil, err
	}
	part, sum := s.Noise(n.Args[0].Type.Quant.Scale)
	q := n.Out.Type.Quant
	return func(want float64) float64 {
		y := q.Scale * (want - float64(q.Zero))
		if s.IsLog {
			return 1 + s.Gain*(part+sum/math.Exp(y/s.Gain))/q.Scale
		}
		return 1 + (part*math.Abs(y)+sum)/q.Scale
	}, nil
}

// integers are the elements of a value in memory.
func integers(t ir.Type, x []int8) []int {
	slots := 1
	if t.Elem.Kind == ir.I16 {
		slots = 2
	}
	out := make([]int, len(x)/slots)
	for i := range out {
		if out[i] = int(x[i*slots]); slots == 2 {
			out[i] = int(x[2*i+1])<<8 | int(uint8(x[2*i]))
		}
	}
	return out
}

// floatNoise is the steps of its result by which the reals of an operation may be wrong
// themselves, as float32 sums terms that are larger than their sum.
func floatNoise(n *ir.Node) (float64, error) {
	const least = 1. / (1 << 22) // of float32's last bit of a sum of a few roundings
	out := n.Out.Type.Quant.Scale
	low, high := geometry.Differences(n.Args[0].Type)
	reach := float64(high - low)
	switch n.Op {
	case ir.Add, ir.Sub:
		return least * reach * max(n.Args[0].Type.Quant.Scale, n.Args[1].Type.Quant.Scale) / out, nil
	case ir.Bilinear:
		return least * reach, nil
	case ir.ScaledDiff:
		coarse := 255 * max(n.Args[0].Type.Quant.Scale, n.Args[1].Type.Quant.Scale)
		return least * coarse * 255 * n.Args[2].Type.Quant.Scale / out, nil
	case ir.SquaredDiff: // twice the difference times what that is wrong by
		coarse := 255 * max(n.Args[0].Type.Quant.Scale, n.Args[1].Type.Quant.Scale)
		return 2 * least * coarse * coarse / out, nil
	case ir.Conv2D, ir.Linear:
		w, err := geometry.IntWeights(n)
		if err != nil {
			return 0, err
		}
		scale, err := channelScales(n)
		if err != nil {
			return 0, err
		}
		in, most := n.Args[0].Type.Quant, 0.
		for c, s := range scale {
			row := w[c*len(w)/len(scale) : (c+1)*len(w)/len(scale)]
			most = max(most, float64(geometry.Reach(0, row, low, high))*s*in.Scale)
		}
		return least * most / out, nil
	}
	return 0, nil
}

// channelScales are the scales of a layer's weights. One beyond float32, as weights of 0 may
// have, is told by the factor of its sums.
func channelScales(n *ir.Node) ([]float64, error) {
	stored, err := n.Const(ir.AttrWeight).Scale.Float32()
	if err != nil {
		return nil, err
	}
	q, err := geometry.RequantOf(n)
	if err != nil {
		return nil, err
	}
	scales := make([]float64, len(stored))
	for c, s := range stored {
		scales[c] = float64(s)
		if (s == math.MaxFloat32 || s == math.SmallestNonzeroFloat32) && q.Mul[c] != 0 {
			scales[c] = math.Ldexp(float64(q.Mul[c]), -int(q.Shift[c])) * n.Out.Type.Quant.Scale / n.Args[0].Type.Quant.Scale
		}
	}
	return scales, nil
}

// real is what an element of a value stands for.
func real(v *ir.Value, x int) float64 {
	return v.Type.Quant.Scale * float64(x-v.Type.Quant.Zero)
}

// reals are the weights and biases that a layer's integers stand for.
func reals(n *ir.Node) (weight, bias []float32, err error) {
	w, err := geometry.IntWeights(n)
	if err != nil {
		return nil, nil, err
	}
	c := n.Const(ir.AttrWeight)
	scale, err := channelScales(n)
	if err != nil {
		return nil, nil, err
	}
	b, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, nil, err
	}
	rows := c.Type.Shape[0]
	weight, bias = make([]float32, len(w)), make([]float32, rows)
	for i, x := range w {
		weight[i] = float32(float64(x) * scale[i/(len(w)/rows)])
	}
	for i, x := range b {
		bias[i] = float32(float64(x) * scale[i] * n.Args[0].Type.Quant.Scale)
	}
	return weight, bias, nil
}

package robust

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Images of the real network: what is beyond pass.Judged is final.
const realFinals = 40

// realNetwork is a calibrated network of a convolution and two linear layers with random
// weights, whose argument of the last two is read twice: what a layer reads must be kept
// until then.
func realNetwork(t *testing.T) (*ir.Module, *pass.Env) {
	rng := rand.New(rand.NewPCG(1, 1))
	b := build.New("net")
	random := func(name string, shape ir.Shape) *ir.Const {
		x := make([]float32, shape.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / math.Sqrt(float64(shape.Size()/shape[0])))
		}
		return b.Floats(name, shape, x)
	}
	var v *ir.Value
	layer := func(op ir.Op, name string, x *ir.Value, shape ir.Shape) *ir.Value {
		y, err := b.AddNamed(op, name, []*ir.Value{x}, ir.AttrWeight.Is(random(name+".weight", shape)), ir.AttrBias.Is(random(name+".bias", ir.Shape{shape[0]})))
		require.NoError(t, err)
		return y
	}
	v = layer(ir.Conv2D, "conv", b.Input("x", ir.Shape{2, 4, 4}, ir.Range{Lo: 0, Hi: 1}), ir.Shape{4, 2, 3, 3})
	h, err := b.Add(ir.Relu, "h", []*ir.Value{v})
	require.NoError(t, err)
	one, two := layer(ir.Linear, "one", h, ir.Shape{5, 16}), layer(ir.Linear, "two", h, ir.Shape{5, 16})
	sum, err := b.Add(ir.Add, "sum", []*ir.Value{one, two})
	require.NoError(t, err)
	m := b.Finish([]*ir.Value{sum})
	env := environment(t)
	env.Formats = odd(2, 4)
	env.Seed = 3
	of := func(n int, seed uint64) func() (data.Batch, error) {
		return func() (data.Batch, error) { return data.Synthesize([]int{2, 4, 4}, 0, 1, n, seed), nil }
	}
	env.Calibration, env.Holdout = of(24, 1), of(pass.Judged+realFinals, 2)
	for _, n := range m.Ops {
		if n.Op == ir.Relu { // as package graph leaves it
			n.Op = ir.Requantize
			n.Put(ir.AttrAct.Is("relu"))
		}
	}
	// Logits of mean 0, or one class would answer all.
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	x := must(env.Calibration())
	logits := must(p.Forward(all, x.X, x.N))
	bias := m.Value("two").Def.Const(ir.AttrBias)
	values := slices.Clone(must(bias.Float32()))
	for i, y := range logits {
		values[i%5] -= y / float32(x.N)
	}
	bias.Data = ir.FloatConst("", bias.Type.Shape, values).Data
	require.NoError(t, quant.Calibrate(all, m, env))
	return m, env
}

func newReal(t *testing.T) *runner {
	m, env := realNetwork(t)
	r, err := newRunner(m, env)
	require.NoError(t, err)
	require.NoError(t, r.prepare(all))
	return r
}

// alone is the cost of a layer that is rounded without data.
func (r *runner) alone(t *testing.T, l int, f quant.Format, images int) cost {
	s, err := newSearch(r.m, r.env, r, r.judge.N, 0)
	require.NoError(t, err)
	c, err := s.compute(all, l, nil, f, images)
	require.NoError(t, err)
	return c
}

// nearestOf is odd codes that need no data.
func nearestOf(bits int) quant.Format {
	return quant.Format{Elem: ir.OddOf(bits), Rounding: quant.Nearest}
}

// replaced is the float network with the weights of some layers rounded, as a module of
// its own.
func replaced(t *testing.T, r *runner, formats map[int]quant.Format) *interp.Float {
	c := r.m.Clone()
	for l, n := range c.Layers() {
		f, ok := formats[l]
		if !ok {
			continue
		}
		rounded, err := r.rounder.Layer(all, r.layers[l], nil, f)
		require.NoError(t, err)
		bias, err := quant.Bias(r.layers[l], rounded)
		require.NoError(t, err)
		w := n.Const(ir.AttrWeight)
		w.Data = ir.FloatConst("", w.Type.Shape, rounded.Weights).Data
		n.Const(ir.AttrBias).Data = ir.FloatConst("", n.Const(ir.AttrBias).Type.Shape, bias).Data
	}
	p, err := interp.CompileFloat(c)
	require.NoError(t, err)
	return p
}

// plainCost compares logits image by image.
func plainCost(want, got []float32) (c cost) {
	c.Divergence = measure.Diverge(want, got, 5)
	c.Kinds = make([]float64, 3)
	counts := make([]float64, 3)
	for i := range len(got) / 5 {
		k := (i + i/3) % 3 // clean, gaussian, fog
		c.Kinds[k] += measure.KL(want[5*i:5*i+5], got[5*i:5*i+5])
		counts[k]++
	}
	for k := range counts {
		if counts[k] > 0 {
			c.Kinds[k] /= counts[k]
		}
	}
	return c
}

func same(t *testing.T, want, got cost, args ...any) {
	t.Helper()
	assert.InDelta(t, want.KL, got.KL, 1e-9, args...)
	assert.InDelta(t, want.MSE, got.MSE, 1e-6, args...)
	assert.InDelta(t, want.Flips, got.Flips, 1e-12, args...)
	assert.InDeltaSlice(t, want.Kinds, got.Kinds, 1e-9, args...)
}

// TestAloneIsTheWholeNetwork: a layer alone costs what the whole network does with its
// weights replaced, whatever is kept of the values before it.
func TestAloneIsTheWholeNetwork(t *testing.T) {
	for _, memory := range []int{0, 1} {
		m, env := realNetwork(t)
		env.MaxMemory = memory
		r, err := newRunner(m, env)
		require.NoError(t, err)
		require.NoError(t, r.prepare(all))
		require.Len(t, r.before, 1)
		assert.Equal(t, memory == 0, r.before[0].KeepsAll())
		assert.Equal(t, pass.Judged, r.judge.N)
		exact, err := r.float.Forward(all, r.judge.X, r.judge.N)
		require.NoError(t, err)
		require.NoError(t, r.judge.answer(all, r.float, 0, r.judge.N))
		assert.Equal(t, exact, r.judge.logits)
		whole := 0
		for _, o := range m.Ops {
			whole += o.MACs()
		}
		for l := range r.layers {
			for _, images := range []int{1, 2, 64, pass.Judged} {
				got := r.alone(t, l, nearestOf(2), images)
				logits, err := replaced(t, r, map[int]quant.Format{l: nearestOf(2)}).Forward(all, r.judge.X[:images*32], images)
				require.NoError(t, err)
				same(t, plainCost(exact[:images*5], logits), got, fmt.Sprint(memory, l, images))
				assert.Positive(t, got.KL)
			}
			want := whole // whatever the memory
			if l > 0 {    // the convolution of 4*2*2 results of 18 is kept
				want -= 16 * 18
				if l == 2 {
					want -= 5 * 16
				}
			}
			assert.Equal(t, want, r.macs(l))
		}
	}
}

// TestPartsOfTheImages: measured on parts of the images, whatever the memory, in any order, and with weights that a store had, a layer
// costs the same, to the last bit; weights of another layer are an error.
func TestPartsOfTheImages(t *testing.T) {
	whole := newReal(t)
	require.Equal(t, whole.judge.N, whole.span(), "a small network")
	for _, memory := range []int{0, 1} {
		m, env := realNetwork(t)
		env.MaxMemory = memory
		r, err := newRunner(m, env)
		require.NoError(t, err)
		r.judge.step = 64
		require.NoError(t, r.prepare(all))
		for l := range r.layers {
			w, err := r.round(all, l, nil, nearestOf(2))
			require.NoError(t, err)
			text, err := json.Marshal(w)
			require.NoError(t, err)
			w = &quant.Replacement{}
			require.NoError(t, json.Unmarshal(text, w))
			for _, images := range []int{100, pass.Judged} {
				parts := map[int]measure.Items{}
				for first := (images - 1) / 64 * 64; first >= 0; first -= 64 {
					parts[first], err = r.items(all, l, w, first, min(64, images-first))
					require.NoError(t, err)
				}
				var joined measure.Items
				for first := 0; first < images; first += 64 {
					joined.Add(parts[first])
				}
				assert.Equal(t, whole.alone(t, l, nearestOf(2), images), r.total(joined))
				assert.Equal(t, whole.alone(t, l, nearestOf(2), images), r.alone(t, l, nearestOf(2), images))
			}
			_, err = r.items(all, l, &quant.Replacement{Weights: w.Weights[1:], Bias: w.Bias}, 0, 1)
			assert.ErrorContains(t, err, r.layers[l].Name()+" has")
		}
	}
}

// TestSpans: small networks are measured on all images at once, large ones on an eighth.
func TestSpans(t *testing.T) {
	assert.Equal(t, 512, spanOf(400_000, 512))
	assert.Equal(t, 64, spanOf(simulatedMACs, 512))
	assert.Equal(t, 128, spanOf(80_000_000, 512))
	assert.Equal(t, 32, spanOf(80_000_000_000, 1))
}

// TestPrepareRunsOnce: what is before the layers is computed once, for all formats.
func TestPrepareRunsOnce(t *testing.T) {
	r := newReal(t)
	first := r.before[0]
	require.NoError(t, r.prepare(all))
	assert.Same(t, first, r.before[0])
	for range 3 {
		for l := range r.layers {
			r.alone(t, l, nearestOf(2), pass.Judged)
		}
	}
	assert.Equal(t, pass.Judged*r.float.Index(r.layers[2]), first.Ran())
}

// TestMemoryBoundsAllThatIsKept: it is computed again where all values together are too
// many, not where one is.
func TestMemoryBoundsAllThatIsKept(t *testing.T) {
	const kept = quant.FrontierShare * 4 * pass.Judged * (16 + 5)
	for memory, keepsAll := range map[int]bool{kept: true, kept - 1: false} {
		m, env := realNetwork(t)
		env.MaxMemory = memory
		r, err := newRunner(m, env)
		require.NoError(t, err)
		require.NoError(t, r.prepare(all))
		assert.Equal(t, keepsAll, r.before[0].KeepsAll(), "%d bytes", memory)
	}
}

// TestProgramIsRoundedOnce: a network that is measured again at once is the same one, and
// formats that differ by their rounding alone are another.
func TestProgramIsRoundedOnce(t *testing.T) {
	r := newReal(t)
	formats := []quant.Format{nearestOf(3), nearestOf(2), nearestOf(2)}
	first, err := r.program(all, formats)
	require.NoError(t, err)
	again, err := r.program(all, slices.Clone(formats))
	require.NoError(t, err)
	assert.Same(t, first, again)
	formats[2].Rounding = quant.Compensated
	other, err := r.program(all, formats)
	require.NoError(t, err)
	assert.NotSame(t, first, other)
	ended, end := context.WithCancel(all)
	end()
	formats[2].Elem = ir.OddOf(1) // compensated: it walks the network
	_, err = r.program(ended, formats)
	require.Error(t, err)
	got, err := r.program(all, formats)
	require.NoError(t, err)
	assert.NotSame(t, other, got, "what failed is not kept")
}

// TestJointIsTheIntegers: a whole network is measured in the integers that ship, on the
// judged images or on those after them.
func TestJointIsTheIntegers(t *testing.T) {
	r := newReal(t)
	formats := []quant.Format{nearestOf(3), nearestOf(2), {Elem: ir.OddOf(2), Rounding: quant.Compensated}}
	m, err := r.quantized(all, formats)
	require.NoError(t, err)
	for l, n := range m.Layers() {
		assert.Equal(t, formats[l].Elem, n.Const(ir.AttrWeight).Type.Elem)
	}
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	assert.Equal(t, realFinals, r.final.N)
	for _, x := range []*exam{r.judge, r.final} {
		got, err := r.joint(all, x == r.final, formats)
		require.NoError(t, err)
		want, err := r.float.Forward(all, x.X, x.N)
		require.NoError(t, err)
		logits, err := interp.Logits(all, prog, x.X, x.N)
		require.NoError(t, err)
		same(t, plainCost(want, logits), got)
	}
	assert.NotEqual(t, r.judge.X[:32], r.final.X[:32])
	env := r.env
	env.Holdout = nil
	few, err := newRunner(r.m, env)
	require.NoError(t, err)
	assert.Same(t, few.judge, few.final)
}

// TestAssignmentsAreEveryNetwork: each choice once, with the cost of the whole network,
// and the multiply-adds that are not shared.
func TestAssignmentsAreEveryNetwork(t *testing.T) {
	r := newReal(t)
	formats := [][]quant.Format{{nearestOf(2), nearestOf(4)}, {nearestOf(1)}, {nearestOf(2), nearestOf(3)}}
	var seen [][]int
	total := int64(0)
	require.NoError(t, r.assignments(all, formats, func(picks []int, c cost, macs int64) {
		seen, total = append(seen, slices.Clone(picks)), total+macs
		logits, err := replaced(t, r, map[int]quant.Format{0: formats[0][picks[0]], 1: formats[1][picks[1]], 2: formats[2][picks[2]]}).Forward(all, r.judge.X, r.judge.N)
		require.NoError(t, err)
		same(t, plainCost(r.judge.logits, logits), c, picks)
	}))
	assert.Equal(t, [][]int{{0, 0, 0}, {0, 0, 1}, {1, 0, 0}, {1, 0, 1}}, seen)
	conv, linear := 16*18, 5*16
	assert.EqualValues(t, pass.Judged*(2*conv+2*linear+4*linear), total)
}

// TestPricesOfWeights: squared errors, and the mean squared gradient.
func TestPricesOfWeights(t *testing.T) {
	r := newReal(t)
	for l, n := range r.layers {
		exact, err := n.Const(ir.AttrWeight).Float32()
		require.NoError(t, err)
		rounded, err := r.rounder.Layer(all, n, nil, nearestOf(2))
		require.NoError(t, err)
		want := 0.
		for i := range exact {
			want += math.Pow(float64(exact[i])-float64(rounded.Weights[i]), 2)
		}
		got, err := r.squaredError(all, l, nil, nearestOf(2))
		require.NoError(t, err)
		assert.InEpsilon(t, want, got, 1e-5)
	}
	got, err := r.information(all)
	require.NoError(t, err)
	want := make([]float64, len(r.layers))
	for i := range fisherImages {
		g, err := interp.Gradient(all, r.float, r.judge.Image(i), 1, true, interp.LogLikelihood)
		require.NoError(t, err)
		for l, n := range r.layers {
			for _, d := range g.Consts[n.Const(ir.AttrWeight)] {
				want[l] += float64(d) * float64(d) / fisherImages
			}
		}
	}
	assert.InEpsilonSlice(t, want, got, 1e-9)
}

// TestBoundaryLossOfLayers: as networks measured together have it; 8 bits lose little.
func TestBoundaryLossOfLayers(t *testing.T) {
	r := newReal(t) // without labels the float network's answers are right
	clean := must(r.env.Holdout()).Slice(0, boundaryImages)
	for l := range r.layers {
		for _, bits := range []int{1, 8} {
			got, err := r.boundaryLoss(all, l, nil, nearestOf(bits))
			require.NoError(t, err)
			both, err := measure.Boundary(all, r.setupOf(clean, pass.JudgeAt), r.env.Errors[0], r.float.Forward, replaced(t, r, map[int]quant.Format{l: nearestOf(bits)}).Forward)
			require.NoError(t, err)
			assert.Equal(t, measure.BoundaryLoss(both[0], both[1]).Value, got)
			assert.Equal(t, bits == 8, math.Abs(got) < .02, "%d bits in layer %d: %v", bits, l, got)
		}
	}
}

// TestRetentionOfNetworks is against the float network on held-out images, whose answers
// are the labels where there are none.
func TestRetentionOfNetworks(t *testing.T) {
	for _, objective := range []string{pass.Mean, pass.Worst} {
		m, env := realNetwork(t)
		env.Objective = objective
		r, err := newRunner(m, env)
		require.NoError(t, err)
		score, images, err := r.reference(all)
		require.NoError(t, err)
		assert.Equal(t, pass.Judged, score.Images)
		assert.Equal(t, pass.Judged*3, images, "clean and two conditions")
		assert.Equal(t, 1., score.Clean(), "its answers are the labels")
		var last float64
		for bits := 1; bits <= 8; bits += 7 {
			kept, _, n, err := r.retention(all, []quant.Format{nearestOf(bits), nearestOf(bits), nearestOf(bits)})
			require.NoError(t, err)
			assert.Equal(t, pass.Judged*3, n)
			assert.Greater(t, kept.Value, last)
			last = kept.Value
		}
		assert.InDelta(t, 1, last, .1)
		prog, err := interp.CompileInt(must(r.quantized(all, slices.Repeat([]quant.Format{nearestOf(1)}, 3))))
		require.NoError(t, err)
		one, err := measure.Robust(all, r.chosen.setup, interp1(prog))
		require.NoError(t, err)
		kept, _, _, err := r.retention(all, slices.Repeat([]quant.Format{nearestOf(1)}, 3))
		require.NoError(t, err)
		if objective == pass.Mean {
			assert.Equal(t, one[0].Retention(score), kept)
		} else {
			for _, k := range one[0].KindRetention(score) {
				assert.LessOrEqual(t, kept.Value, k.Value)
			}
			assert.Contains(t, one[0].KindRetention(score), kept)
		}
	}
}

// TestCyclesOfTiedLayers: layers that share weights count together.
func TestCyclesOfTiedLayers(t *testing.T) {
	r := newReal(t)
	for l, n := range r.layers {
		assert.Equal(t, machine.Cycles(n, r.env.Target, ir.OddOf(2)), r.cycles(l, ir.OddOf(2)))
	}
	r.estimates = nil // of a module that was planned, whose results have their type
	whole := *r.m
	last := len(r.layers) - 1
	before := r.cycles(last, ir.Of(ir.I8))
	r.m.Ops = slices.DeleteFunc(slices.Clone(r.m.Ops), func(n *ir.Node) bool { return n.Op == ir.Add })
	r.m.Outputs = []*ir.Value{r.layers[last].Out}
	r.m.Tasks = []ir.Task{{Name: ir.Values, Axis: ir.NoAxis}}
	require.NoError(t, quant.Widen(all, r.m, r.env)) // as before this pass
	require.True(t, r.layers[last].Out.Wide)
	assert.Greater(t, r.cycles(last, ir.Of(ir.I8)), before, "few kernels write results of 16 bits")
	assert.Equal(t, machine.Cycles(r.layers[0], r.env.Target, ir.Of(ir.I8)), r.cycles(0, ir.Of(ir.I8)))
	*r.m = whole
	r.layers[2].Put(ir.AttrWeight.Is(r.layers[1].Const(ir.AttrWeight)))
	r.layers[2].Put(ir.AttrBias.Is(r.layers[1].Const(ir.AttrBias)))
	assert.Equal(t, 2*machine.Cycles(r.layers[1], r.env.Target, ir.OddOf(2)), r.cycles(1, ir.OddOf(2)))
}

// TestIdentity: a checkpoint is of one network, its images, errors, seed and rounding.
func TestIdentity(t *testing.T) {
	identity := func(change func(m *ir.Module, env *pass.Env)) string {
		m, env := realNetwork(t)
		change(m, env)
		r, err := newRunner(m, env)
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, r.identify(&b, onJudged))
		return b.String()
	}
	list := []string{
		identity(func(*ir.Module, *pass.Env) {}),
		identity(func(_ *ir.Module, env *pass.Env) { env.Seed = 4 }),
		identity(func(_ *ir.Module, env *pass.Env) { env.Rounding = quant.Nearest }),
		identity(func(_ *ir.Module, env *pass.Env) { env.Errors = env.Errors[:1] }),
		identity(func(_ *ir.Module, env *pass.Env) { env.Errors[0].Size = .2 }),
		identity(func(_ *ir.Module, env *pass.Env) {
			env.Holdout = func() (data.Batch, error) { return data.Synthesize([]int{2, 4, 4}, 0, 1, 600, 5), nil }
		}),
		identity(func(m *ir.Module, _ *pass.Env) {
			w := m.Layers()[1].Const(ir.AttrWeight)
			x := slices.Clone(must(w.Float32()))
			x[7] += 1e-3
			w.Data = ir.FloatConst("", w.Type.Shape, x).Data
		}),
		identity(func(m *ir.Module, _ *pass.Env) { m.Ops[1].Out.Range.Hi *= 2 }),
	}
	for what, same := range map[string]func(m *ir.Module, env *pass.Env){
		"itself": func(*ir.Module, *pass.Env) {},
		"moved": func(m *ir.Module, _ *pass.Env) {
			m.Tensors, m.Calib, m.Test = []ir.TensorsFile{{Path: "moved.safetensors"}}, "a.npz", "b.npz"
		},
		"with more memory": func(_ *ir.Module, env *pass.Env) { env.MaxMemory = 1 << 20 },
	} {
		assert.Equal(t, list[0], identity(same), what)
	}
	m, env := realNetwork(t)
	r, err := newRunner(m, env)
	require.NoError(t, err)
	require.NotSame(t, r.judge, r.final)
	for _, on := range []images{onFinal, onHeldOut} {
		var b bytes.Buffer
		require.NoError(t, r.identify(&b, on))
		assert.NotContains(t, list, b.String(), on)
		list = append(list, b.String())
	}
	for i, a := range list {
		for _, b := range list[:i] {
			assert.NotEqual(t, a, b, i)
		}
	}
}

// TestARealSearch is the whole of Qed on a small network: what it reports of its choice is
// what the module of integers computes, and 4 bits for all keep more than 2.
func TestARealSearch(t *testing.T) {
	m, env := realNetwork(t)
	env.Budget.Bits = 3
	require.NoError(t, Widths(all, m, env))
	r := env.Report
	assert.Equal(t, "qed", r.Method)
	chosen := slices.IndexFunc(r.Finalists, func(f pass.Finalist) bool { return f.Chosen })
	require.GreaterOrEqual(t, chosen, 0)
	var formats []quant.Format
	for i, n := range m.Layers() {
		e, _ := n.Elem(ir.AttrBits)
		assert.Equal(t, r.Finalists[chosen].Elems[i], e)
		formats = append(formats, formatOf(n, e, ""))
		assert.Equal(t, pass.Layer{Name: n.Name(), Elem: e, Bytes: layerBytes(n, e), Cost: r.Layers[i].Cost}, r.Layers[i])
		j := slices.Index(r.Table[i].Elems, e)
		if j >= 0 {
			assert.Equal(t, r.Table[i].KL[j], r.Layers[i].Cost)
			assert.Positive(t, r.Layers[i].Cost)
		}
	}
	again, env2 := realNetwork(t)
	oracle, err := newRunner(again, env2)
	require.NoError(t, err)
	c, err := oracle.joint(all, true, formats)
	require.NoError(t, err)
	assert.Equal(t, c.KL, r.KL)
	for _, f := range r.Finalists {
		assert.GreaterOrEqual(t, f.KL, r.KL)
	}
	for _, row := range r.Table {
		assert.Greater(t, row.KL[0], row.KL[1], row.Name)
		assert.Equal(t, []bool{true, true}, row.Measured)
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// interp1 is a program of integers as a network to measure.
func interp1(p *interp.Int) measure.Network {
	return func(ctx context.Context, x []float32, n int) ([]float32, error) { return interp.Logits(ctx, p, x, n) }
}

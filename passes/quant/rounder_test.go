package quant

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// network has a convolution, one of two groups, and a linear layer, and images. Inputs
// are multiplied by one number, weights by another.
func network(t *testing.T, input, weight float32, images int) (*ir.Module, data.Batch) {
	d := draw(1)
	top := float64(3 * input)
	x := d.input("x", &ir.Range{Lo: -top, Hi: top}, 3, 5, 5)
	some := func(name string, by float32, shape ...int) *ir.Const {
		v := make([]float32, ir.Shape(shape).Size())
		for i := range v {
			v[i] = by * float32(d.NormFloat64())
		}
		return d.constant(name, shape, v)
	}
	a := d.append(t, ir.Conv2D, "a", []*ir.Value{x}, ir.AttrWeight.Is(some("a.w", weight, 4, 3, 3, 3)))
	a.Def.Put(ir.AttrBias.Is(some("a.b", weight*input, 4)))
	b := d.append(t, ir.Conv2D, "b", []*ir.Value{a}, ir.AttrWeight.Is(some("b.w", weight, 6, 2, 2, 2)), ir.AttrGroups.Is(2))
	f := d.append(t, ir.Reshape, "f", []*ir.Value{b}, ir.AttrShape.Is([]int{24}))
	d.append(t, ir.Linear, "c", []*ir.Value{f}, ir.AttrWeight.Is(some("c.w", weight, 5, 24)))
	scale := float64(input) // about three deviations
	for i, n := range d.m.Ops {
		if i != 2 {
			scale *= []float64{16, 3, 0, 5}[i] * float64(weight)
		}
		n.Out.Range = &ir.Range{Lo: -scale, Hi: scale}
	}
	s := data.Batch{N: images, Shape: []int{3, 5, 5}, X: make([]float32, images*75)}
	for i := range s.X {
		s.X[i] = input * float32(d.NormFloat64())
	}
	return d.m, s
}

// formatsOf the three layers.
var formatsOf = map[string][]Format{
	"nearest":     {{ir.OddOf(3), Nearest, 0}, {ir.Of(ir.I8), Nearest, 0}, {ir.OddOf(2), Nearest, 0}},
	"compensated": {{ir.OddOf(3), Compensated, 0}, {ir.OddOf(2), Compensated, 0}, {ir.OddOf(4), Compensated, 0}},
	"codebooks":   {{ir.CodeOf(3), Compensated, 0}, {ir.OddOf(2), Compensated, 0}, {ir.VecOf(3, 4), Compensated, 0}},
	"mixed":       {{ir.OddOf(2), Nearest, 0}, {ir.OddOf(1), Compensated, 0}, {ir.CodeOf(2), Shared, .25}},
}

func rounder(t *testing.T, m *ir.Module, s data.Batch, memory int) *Rounder {
	r, err := NewRounder(m, s, memory)
	require.NoError(t, err)
	return r
}

func sequence(t *testing.T, r *Rounder, f []Format) []*Rounded {
	list, err := r.Sequential(context.Background(), f)
	require.NoError(t, err)
	return list
}

// TestMemoryChangesNothing: layers' inputs that are kept, at all layers or at the last, are those that are
// computed piece by piece.
func TestMemoryChangesNothing(t *testing.T) {
	const images = 300 // of 4 windows each: more than one piece
	m, s := network(t, 1, 1, images)
	// The float network's and the rounded one's values before layers: 4*9 and 24 of 4 bytes.
	const bytes = FrontierShare * 4 * images * (36 + 24)
	kept, next, anew := rounder(t, m, s, 1<<40), rounder(t, m, s, bytes-1), rounder(t, m, s, 0)
	assert.True(t, kept.exact.KeepsAll())
	assert.False(t, anew.exact.KeepsAll())
	for name, f := range formatsOf {
		all := sequence(t, kept, f)
		assert.Equal(t, sequence(t, anew, f), all, name)
		assert.Equal(t, sequence(t, next, f), all, name)
	}
	assert.True(t, rounder(t, m, s, bytes).exact.KeepsAll())
	assert.False(t, next.exact.KeepsAll())
}

// TestPowersOfTwoChangeNothing: in other units inputs and weights have the same codes, and
// scales and biases in these units.
func TestPowersOfTwoChangeNothing(t *testing.T) {
	m, s := network(t, 1, 1, 20)
	for _, c := range []struct{ input, weight float32 }{{0x1p-30, 1}, {0x1p25, 1}, {1, 0x1p-28}, {0x1p21, 0x1p22}} {
		m2, s2 := network(t, c.input, c.weight, 20)
		for name, f := range formatsOf {
			plain, unit := sequence(t, rounder(t, m, s, 1<<30), f), float64(c.input)
			for i, got := range sequence(t, rounder(t, m2, s2, 1<<30), f) {
				want := plain[i]
				what := []any{"%s, layer %d, %v", name, i, c}
				unit *= float64(c.weight) // of the result
				if assert.Equal(t, want.Codes, got.Codes, what...) && assert.Equal(t, want.Book, got.Book, what...) {
					for r := range want.Scale {
						assert.InEpsilon(t, want.Scale[r]*float64(c.weight), got.Scale[r], 1e-4, what...)
						assert.InDelta(t, want.Bias[r], got.Bias[r]/unit, 1e-3, what...)
					}
					for j, w := range want.Weights {
						assert.InDelta(t, w*c.weight, got.Weights[j], 1e-4*math.Abs(float64(w*c.weight)), what...)
					}
				}
			}
		}
	}
}

// TestRoundedNetworksShareWork: what begins alike is rounded once; what does not is not.
func TestRoundedNetworksShareWork(t *testing.T) {
	m, s := network(t, 1, 1, 10)
	r := rounder(t, m, s, 1<<30)
	first := sequence(t, r, formatsOf["compensated"])
	again := sequence(t, r, formatsOf["compensated"])
	for i := range first {
		assert.Same(t, first[i], again[i])
	}
	other := slices.Clone(formatsOf["compensated"])
	other[1].Elem = ir.OddOf(5)
	second := sequence(t, r, other)
	assert.Same(t, first[0], second[0])
	assert.NotEqual(t, first[1], second[1])
	assert.NotEqual(t, first[2].Bias, second[2].Bias, "it reads another layer's results")
	assert.Equal(t, second, sequence(t, rounder(t, m, s, 1<<30), other), "whatever was rounded before")
}

// TestRoundedOnce: what a search has rounded is not rounded again when the module becomes one of integers, and what another
// process has rounded comes from the store. A layer that a store has damaged is rounded anew.
func TestRoundedOnce(t *testing.T) {
	for name, formats := range formatsOf {
		store, err := cells.Open(t.TempDir())
		require.NoError(t, err)
		m, s := network(t, 1, 1, 10)
		environment := func() (*pass.Env, *puts) {
			count := &puts{Store: store}
			return &pass.Env{Store: count, Calibration: func() (data.Batch, error) { return s, nil }}, count
		}
		rounderOf := func(m *ir.Module, env *pass.Env) *Rounder {
			r, err := RounderOf(m, env)
			require.NoError(t, err)
			return r
		}
		onData := 0
		for _, f := range formats {
			if f.needsData() {
				onData++
			}
		}
		env, count := environment()
		r := rounderOf(m, env)
		first := sequence(t, r, formats)
		assert.Equal(t, first, sequence(t, rounder(t, m, s, 1<<30), formats), name)
		assert.Equal(t, onData, count.n, name)
		assert.Same(t, r, rounderOf(m, env))
		assert.NotSame(t, r, rounderOf(m.Clone(), env))

		env, count = environment()
		assert.Equal(t, first, sequence(t, rounderOf(m, env), formats), name)
		assert.Zero(t, count.n, "%s: of another process", name)

		other, _ := network(t, 1, 2, 10)
		sequence(t, rounderOf(other, env), formats)
		assert.Equal(t, onData, count.n, "%s: of other weights", name)

		count.damaged, count.n = true, 0
		assert.Equal(t, first, sequence(t, rounderOf(m.Clone(), env), formats), name)
		assert.Equal(t, onData, count.n, "%s: damaged", name)

		alone := &pass.Env{Calibration: env.Calibration}
		r = rounderOf(m, alone)
		sequence(t, r, formats)
		r.exact = nil // without which nothing is rounded
		for i, n := range m.Layers() {
			n.Put(ir.AttrBits.Is(formats[i].Elem), ir.AttrRounding.Is(formats[i].Rounding), ir.AttrSparsity.Is([]float64{formats[i].Sparsity}))
		}
		require.NoError(t, Quantize(context.Background(), m, alone))
		assert.Nil(t, alone.Rounder, "the module is another one")
	}
}

// puts counts the answers that a store is given, and may damage those that it gives.
type puts struct {
	cells.Store
	n       int
	damaged bool
}

func (p *puts) Put(k cells.Key, answer []byte) error {
	p.n++
	return p.Store.Put(k, answer)
}

func (p *puts) Get(k cells.Key) ([]byte, bool, error) {
	answer, ok, err := p.Store.Get(k)
	if ok && p.damaged {
		answer[len(answer)/2] ^= 1
	}
	return answer, ok, err
}

// meansOf the results of the last layer, of a network whose layers are rounded, or of the
// float network.
func meansOf(t *testing.T, r *Rounder, rounded []*Rounded) []float64 {
	t.Helper()
	p := r.Prog
	for i, o := range rounded {
		n := r.Module.Layers()[i]
		bias, err := Bias(n, o)
		require.NoError(t, err)
		p = interp.Override(p, n, o.Weights, bias)
	}
	y, values := r.Module.Outputs[0], p.Tensors(r.Samples.N, r.Module.Outputs[0])
	p.Feed(values, r.Samples.X, r.Samples.N)
	require.NoError(t, p.Run(context.Background(), values, r.Samples.N, 0, len(r.Module.Ops)))
	means := make([]float64, p.Size(y))
	for i, v := range values[p.ID(y)] {
		means[i%len(means)] += float64(v) / float64(r.Samples.N)
	}
	return means
}

// TestMeansAreKept: a layer that is rounded on data has, after the rounded layers before
// it, the mean results of the float network.
func TestMeansAreKept(t *testing.T) {
	for _, c := range []struct{ input, weight float32 }{{1, 1}, {0x1p-30, 1}, {1, 0x1p-28}} {
		m, s := network(t, c.input, c.weight, 40)
		r := rounder(t, m, s, 1<<30)
		unit := float64(c.input * c.weight * c.weight * c.weight)
		want := meansOf(t, r, nil)
		for _, name := range []string{"compensated", "codebooks"} {
			for j, x := range meansOf(t, r, sequence(t, r, formatsOf[name])) {
				assert.InDelta(t, want[j]/unit, x/unit, 1e-3, "%s, output %d", name, j)
			}
		}
	}
}

// TestLayerAlone is, for the first layer, what it is in a sequence: nothing before it is
// rounded.
func TestLayerAlone(t *testing.T) {
	for _, c := range []struct{ input, weight float32 }{{1, 1}, {0x1p-30, 1}, {1, 0x1p-28}} {
		m, s := network(t, c.input, c.weight, 40)
		r := rounder(t, m, s, 1<<30)
		for name, f := range formatsOf {
			if !f[0].needsData() {
				continue
			}
			want := sequence(t, r, f)[0]
			var visited []int
			require.NoError(t, r.Walk(context.Background(), func(i int) bool { return i != 1 }, func(i int, n *ir.Node, p *Prepared) error {
				visited = append(visited, i)
				require.Same(t, m.Layers()[i], n)
				if i > 0 {
					return nil
				}
				got, err := r.Layer(context.Background(), n, p, f[0])
				require.NoError(t, err)
				again, err := r.Layer(context.Background(), n, p, f[0])
				require.NoError(t, err)
				assert.Equal(t, got, again, "one Prepared serves many")
				assert.Equal(t, want.Codes, got.Codes, name)
				assert.Equal(t, want.Scale, got.Scale, name)
				for k, b := range want.Bias {
					assert.InDelta(t, b/float64(c.input*c.weight), got.Bias[k]/float64(c.input*c.weight), 1e-4, name)
				}
				return nil
			}))
			assert.Equal(t, []int{0, 2}, visited)
		}
		stop := errors.New("stop")
		assert.ErrorIs(t, r.Walk(context.Background(), func(int) bool { return true }, func(int, *ir.Node, *Prepared) error { return stop }), stop)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r = rounder(t, m, s, 1<<30)
		assert.ErrorIs(t, r.Walk(ctx, func(int) bool { return true }, func(int, *ir.Node, *Prepared) error { return nil }), context.Canceled)
		_, err := r.Sequential(ctx, formatsOf["mixed"])
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// TestRowsOfAnImage are its windows, the same ones wherever the image stands in a piece.
func TestRowsOfAnImage(t *testing.T) {
	m, s := network(t, 1, 1, 150)
	for i, n := range m.Layers() {
		for group := range layerGroups(n) {
			sample := newSampler(n, 150, 2)
			size := n.Args[0].Type.Shape.Size()
			x := make([]float32, 4*size)
			for j := range x {
				x[j] = float32(j + 1)
			}
			row := sample.take * sample.cols
			all, apart := make([]float32, 4*row), make([]float32, 4*row)
			sample.rows(group, x, 10, 4, all)
			for image := range 4 {
				sample.rows(group, x[image*size:(image+1)*size], 10+image, 1, apart[image*row:(image+1)*row])
			}
			assert.Equal(t, all, apart, "layer %d", i)
			for j, v := range all { // each is of its image, and of its group's channels, in the unit
				at := int(v)/2 - 1
				require.Equal(t, j/row, at/size)
				if groups := layerGroups(n); groups > 1 {
					require.Equal(t, group, at%size/(size/groups))
				}
			}
			if sample.pixels > sample.take {
				sample.rows(group, x[:size], 11, 1, apart[row:])
				assert.NotEqual(t, apart[:row], apart[row:2*row], "of other windows")
			}
		}
	}
	assert.Equal(t, 150, s.N)
}

// TestRoundRows: rows that are rounded apart are those of the whole.
func TestRoundRows(t *testing.T) {
	d := draw(2)
	const cols = blockOfRows/2 - 1
	w := make([]float32, 3*cols) // two rows, and one
	for i := range w {
		w[i] = float32(d.Float64() - .5)
	}
	w[2*cols] = 7
	n := d.op(t, ir.Linear, nil, []*ir.Value{d.input("x", nil, cols)}, ir.AttrWeight.Is(d.constant("w", ir.Shape{3, cols}, w)))
	for _, f := range []Format{{ir.Of(ir.I8), Nearest, 0}, {ir.OddOf(1), Nearest, 0}} {
		want, err := roundGroups(n, w, f, nil)
		require.NoError(t, err)
		got, err := roundRows(n, f)
		require.NoError(t, err)
		assert.True(t, slices.Equal(want.Codes, got.Codes), f)
		assert.Equal(t, want.Scale, got.Scale, f)
		assert.Equal(t, []float64{0, 0, 0}, got.Bias)
	}
}

// TestDeadChannelsHaveNoCorrection: a channel of zeros is one whatever codes it gets, and
// what cannot be rounded has a diagnostic.
func TestDeadChannelsHaveNoCorrection(t *testing.T) {
	d := draw(3)
	w := d.constant("w", ir.Shape{4, 1, 1, 2}, []float32{1, 2, 0, 0, 3, 4, 0, 0})
	n := d.op(t, ir.Conv2D, nil, []*ir.Value{d.input("x", nil, 2, 1, 2)}, ir.AttrWeight.Is(w), ir.AttrGroups.Is(2))
	weights, err := w.Float32()
	require.NoError(t, err)
	var groups []round.Matrix
	got, err := roundGroups(n, weights, Format{ir.OddOf(2), Compensated, 0}, func(group int, w round.Matrix) (round.Result, error) {
		require.Len(t, groups, group)
		groups = append(groups, w)
		return round.Result{Codes: []uint8{1, 2, 3, 0}, Scale: []float64{1, 2}, Bias: []float64{5, 6}, Weights: []float32{7, 8, 9, 10}}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, []round.Matrix{{Rows: 2, Cols: 2, Data: []float32{1, 2, 0, 0}}, {Rows: 2, Cols: 2, Data: []float32{3, 4, 0, 0}}}, groups)
	assert.Equal(t, &Rounded{Elem: ir.OddOf(2), Codes: []byte{1, 2, 3, 0, 1, 2, 3, 0}, Scale: []float64{1, 2, 1, 2}, Bias: []float64{5, 0, 5, 0}, Weights: []float32{7, 8, 0, 0, 7, 8, 0, 0}}, got)

	for _, fault := range []error{round.ErrNotFinite, context.Canceled, context.DeadlineExceeded} {
		_, err := roundGroups(n, weights, Format{ir.OddOf(2), Compensated, 0}, func(int, round.Matrix) (round.Result, error) { return round.Result{}, fault })
		var told *diag.Diagnostic
		if fault == round.ErrNotFinite {
			require.ErrorAs(t, err, &told)
			assert.Contains(t, told.Error(), "weights cannot be rounded to odd2/compensated")
		} else {
			assert.ErrorIs(t, err, fault)
		}
	}
}

// TestBias adds what rounding makes of it to a layer's own.
func TestBias(t *testing.T) {
	d := draw(4)
	n := d.op(t, ir.Linear, nil, []*ir.Value{d.input("x", nil, 1)}, ir.AttrWeight.Is(d.constant("w", ir.Shape{2, 1}, []float32{1, 2})))
	r := &Rounded{Scale: []float64{1, 1}, Bias: []float64{.5, -.25}}
	b, err := Bias(n, r)
	require.NoError(t, err)
	assert.Equal(t, []float32{.5, -.25}, b)
	n.Put(ir.AttrBias.Is(d.constant("b", ir.Shape{2}, []float32{1, 2})))
	b, err = Bias(n, r)
	require.NoError(t, err)
	assert.Equal(t, []float32{1.5, 1.75}, b)
	own, err := biasReals(n, r)
	require.NoError(t, err)
	assert.Equal(t, []float64{1.5, 1.75}, own)
	assert.Equal(t, []float64{.5, -.25}, r.Bias)
}

// TestQuantizeRoundsOnData what was given such a format: the module has the codes that a
// Rounder gives. Layers that share weights share codes and codebook, whatever they read.
func TestQuantizeRoundsOnData(t *testing.T) {
	for name, formats := range formatsOf {
		m, s := network(t, 1, 1, 20)
		for i, n := range m.Layers() {
			n.Put(ir.AttrBits.Is(formats[i].Elem), ir.AttrRounding.Is(formats[i].Rounding))
			if formats[i].Sparsity > 0 {
				n.Put(ir.AttrSparsity.Is([]float64{formats[i].Sparsity}))
			}
		}
		got, err := Formats(m)
		require.NoError(t, err)
		assert.Equal(t, formats, got)
		want := sequence(t, rounder(t, m, s, 1<<30), formats)
		env := &pass.Env{Calibration: func() (data.Batch, error) { return s, nil }}
		require.NoError(t, Quantize(context.Background(), m, env))
		for i, n := range m.Layers() {
			raw, err := n.Const(ir.AttrWeight).Load()
			require.NoError(t, err)
			assert.Equal(t, want[i].Codes, raw, "%s, layer %d", name, i)
			assert.Equal(t, want[i].Book != nil, n.Const(ir.AttrCodebook) != nil)
		}
		m, _ = network(t, 1, 1, 1)
		m.Layers()[0].Put(ir.AttrBits.Is(ir.OddOf(2)), ir.AttrRounding.Is(Compensated))
		env.Calibration = func() (data.Batch, error) { return data.Batch{}, context.Canceled }
		assert.ErrorIs(t, Quantize(context.Background(), m, &pass.Env{Calibration: env.Calibration}), context.Canceled)
	}

	d := draw(5)
	w := ir.AttrWeight.Is(d.constant("w", ir.Shape{2, 2}, []float32{1, 2, 3, -4}))
	x := d.input("x", &ir.Range{Lo: -1, Hi: 1}, 2)
	a := d.append(t, ir.Linear, "a", []*ir.Value{x}, w)
	b := d.append(t, ir.Linear, "b", []*ir.Value{a}, w)
	a.Range, b.Range = &ir.Range{Lo: -7, Hi: 7}, &ir.Range{Lo: -49, Hi: 49}
	for _, v := range []*ir.Value{a, b} {
		v.Def.Put(ir.AttrBits.Is(ir.CodeOf(2)), ir.AttrRounding.Is(Shared))
	}
	require.NoError(t, Quantize(context.Background(), d.m, &pass.Env{}))
	require.Empty(t, ir.Verify(d.m))
	for _, key := range []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrCodebook} {
		require.NotNil(t, a.Def.Const(key))
		assert.Same(t, a.Def.Const(key), b.Def.Const(key))
	}
	assert.NotSame(t, a.Def.Const(ir.AttrMul), b.Def.Const(ir.AttrMul))
}

// TestMemo keeps what was asked for last within its bound.
func TestMemo(t *testing.T) {
	layer := func() *Rounded { return &Rounded{Weights: make([]float32, 10)} }
	a, b, c := layer(), layer(), layer()
	m := &memo{bound: 2 * a.bytes()}
	m.put("a", a)
	m.put("b", b)
	assert.Same(t, a, m.get("a"))
	m.put("c", c)
	assert.Nil(t, m.get("b"))
	assert.Same(t, a, m.get("a"))
	assert.Same(t, c, m.get("c"))
	m.put("large", &Rounded{Codes: make([]byte, m.bound+1)})
	for _, key := range []string{"a", "b", "c", "large"} {
		assert.Nil(t, m.get(key), key)
	}
	assert.Zero(t, m.bytes)
	m.put("a", a)
	assert.Same(t, a, m.get("a"))
}

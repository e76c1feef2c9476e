package tune

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/interp"
)

// sample is a layer of a format with random codes: a convolution of 3 channels of 5 channels and
// 2 taps.
func sample(t *testing.T, e ir.Elem) (layer, *rand.Rand) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 1))
	shape := ir.Shape{3, 5, 1, 2}
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{5, 1, 2}, Quant: ir.Quant{Scale: .02}}}
	n := &ir.Node{Op: ir.Conv2D, Args: []*ir.Value{x}, Out: &ir.Value{Name: "y", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{3, 1, 1}, Quant: ir.Quant{Scale: .1}}}}
	n.Out.Def = n
	n.Put(ir.AttrWeight.Is(&ir.Const{Name: "w", Type: ir.Type{Elem: e, Shape: shape}}))
	r := &quant.Rounded{Elem: e, Scale: []float64{.1, .2, .05}, Bias: []float64{.01, -.02, .03}}
	codes, most := shape.Size(), 1<<min(int(e.Bits), 8)
	switch e.Kind {
	case ir.I8:
		most = 256
	case ir.Vec:
		codes = ir.VecCodes(shape, int(e.Group))
		r.Book = make([]int8, most*int(e.Group))
	case ir.Code:
		r.Book = make([]int8, most)
	}
	for range codes {
		r.Codes = append(r.Codes, byte(rng.IntN(most)))
	}
	for i := range r.Book {
		r.Book[i] = int8(rng.IntN(31) - 15)
	}
	return newLayer(n, r, []float64{1, -2, .5}), rng
}

// smooth is what the parameters stand for in reals, nothing rounded.
func smooth(l *layer, params []float64) interp.RealLayer {
	factor, bias, book, code := l.parts(params)
	var out interp.RealLayer
	for c := range factor {
		e := math.Exp(factor[c])
		out.Bias = append(out.Bias, float32((l.float[c]+l.before.Bias[c]+bias[c]*l.step)*e))
		for i := range l.cols {
			w := 0.
			switch at := c*l.cols + i; {
			case l.entry != nil:
				w = book[l.entry[at]]
			case l.codes:
				w = 2*code[at] - float64(l.before.Elem.Offset())
			default:
				w = float64(int8(l.before.Codes[at]))
			}
			out.Weight = append(out.Weight, float32(w*l.before.Scale[c]*e))
		}
	}
	return out
}

var formats = []ir.Elem{ir.Of(ir.I8), ir.OddOf(1), ir.OddOf(3), ir.CodeOf(2), ir.VecOf(2, 4)}

// TestSlopes holds those of each kind of parameter to central differences of the layer without
// roundings.
func TestSlopes(t *testing.T) {
	for _, e := range formats {
		l, rng := sample(t, e)
		params, rates := make([]float64, l.size()), make([]float64, l.size())
		l.begin(params, rates)
		assert.NotContains(t, rates, 0., e.String())
		factor, bias, _, _ := l.parts(params)
		for c := range factor {
			factor[c], bias[c] = rng.NormFloat64()/10, rng.NormFloat64()
		}
		real := smooth(&l, params)
		u := interp.RealLayer{Weight: make([]float32, len(real.Weight)), Bias: make([]float32, 3)}
		for i := range u.Weight {
			u.Weight[i] = float32(rng.NormFloat64())
		}
		for i := range u.Bias {
			u.Bias[i] = float32(rng.NormFloat64())
		}
		scalar := func() float64 {
			at, sum := smooth(&l, params), 0.
			for i, v := range at.Weight {
				sum += float64(v) * float64(u.Weight[i])
			}
			for i, v := range at.Bias {
				sum += float64(v) * float64(u.Bias[i])
			}
			return sum
		}
		got := make([]float64, l.size())
		l.slopes(u, real, params, got)
		const h = 1. / 64
		for i := range params {
			was := params[i]
			params[i] = was + h
			above := scalar()
			params[i] = was - h
			want := (above - scalar()) / (2 * h)
			params[i] = was
			assert.InDelta(t, want, got[i], 1e-3*(1+math.Abs(want)), "%v, parameter %d", e, i)
		}
	}
}

// TestRounded: the parameters of the beginning are the layer as it was; others are rounded to its
// integers, which stand for the reals that are near.
func TestRounded(t *testing.T) {
	for _, e := range formats {
		l, rng := sample(t, e)
		params, rates := make([]float64, l.size()), make([]float64, l.size())
		l.begin(params, rates)
		was := l.before
		got := l.rounded(params)
		assert.Equal(t, was.Codes, got.Codes)
		assert.Equal(t, was.Book, got.Book)
		assert.Equal(t, was.Scale, got.Scale)
		assert.InDeltaSlice(t, was.Bias, got.Bias, 1e-12)
		for i := range params {
			params[i] += rng.NormFloat64() * rates[i]
		}
		l.bound(params)
		want, r := smooth(&l, params), l.rounded(params)
		w := make([]int32, len(want.Weight))
		switch e.Kind {
		case ir.I8:
			for i, q := range r.Codes {
				w[i] = int32(int8(q))
			}
		case ir.Odd:
			geometry.DecodeUniform(e, r.Codes, w)
		case ir.Code:
			geometry.DecodeCodebook(r.Book, r.Codes, w)
		case ir.Vec:
			geometry.DecodeVector(r.Book, int(e.Group), r.Codes, 5, 2, w)
		}
		for i, v := range w {
			s := r.Scale[i/l.cols]
			assert.InDelta(t, want.Weight[i], s*float64(v), s+1e-6, "%v, weight %d", e, i)
		}
		for c, b := range r.Bias {
			assert.InDelta(t, want.Bias[c], b+l.float[c], 1e-6)
		}
	}
}

// TestBound: rows of vectors stay within what 16 bits take, codes and entries within their types.
func TestBound(t *testing.T) {
	l, rng := sample(t, ir.VecOf(2, 4))
	for range 200 {
		params := make([]float64, l.size())
		for i := range params {
			params[i] = 200 * rng.NormFloat64()
		}
		l.bound(params)
		book := l.rounded(params).Book
		for i := 0; i < len(book); i += 4 {
			sum := 0
			for _, v := range book[i : i+4] {
				sum += max(int(v), -int(v))
			}
			require.LessOrEqual(t, sum, round.RowSum)
		}
	}
	l, _ = sample(t, ir.OddOf(2))
	params := make([]float64, l.size())
	_, _, _, code := l.parts(params)
	code[0], code[1] = 9, -9
	l.bound(params)
	assert.Equal(t, []byte{3, 0}, l.rounded(params).Codes[:2])
	l, _ = sample(t, ir.CodeOf(2))
	params = make([]float64, l.size())
	_, _, book, _ := l.parts(params)
	book[0], book[1] = 1e3, -1e3
	l.bound(params)
	assert.Equal(t, []int8{127, -127}, l.rounded(params).Book[:2])
}

// TestLastFifthIsFixed tells the first step that leaves codes as they are.
func TestLastFifthIsFixed(t *testing.T) {
	assert.False(t, isFixed(0, 100))
	assert.False(t, isFixed(79, 100))
	assert.True(t, isFixed(80, 100))
	assert.True(t, isFixed(99, 100))
}

func TestSchedule(t *testing.T) {
	assert.InDelta(t, .1, schedule(0, 100), 1e-12)
	assert.InDelta(t, .5, schedule(50, 100), 1e-12)
	assert.Zero(t, schedule(100, 100))
	for step := warmUp; step < 100; step++ {
		assert.Less(t, schedule(step, 100), schedule(step-1, 100)+1e-12)
	}
}

// TestAdam finds the least of a bowl, and leaves what has no rate.
func TestAdam(t *testing.T) {
	params, rates, a := []float64{3, -2, 7}, []float64{.1, .1, 0}, newAdam(3)
	for step := range 400 {
		a.move(params, []float64{2 * (params[0] - 1), 20 * params[1], 1}, rates, schedule(step, 400))
	}
	assert.InDeltaSlice(t, []float64{1, 0, 7}, params, 1e-2)
}

// TestCodesThatFlipStay: a code that changes with every step does so six times, and no more.
func TestCodesThatFlipStay(t *testing.T) {
	l, _ := sample(t, ir.OddOf(2))
	n := l.size()
	own := tuning{layers: []layer{l}, params: make([]float64, n), rates: make([]float64, n), flips: make([]uint8, n)}
	l.begin(own.params, own.rates)
	_, _, _, code := l.parts(own.params)
	_, _, _, rates := l.parts(own.rates)
	for i := range code {
		code[i], rates[i] = 1, 1
	}
	slopes, changes := make([]float64, n), 0
	_, _, _, slope := l.parts(slopes)
	for step := range 20 {
		slope[0] = float64(1 - 2*(step%2))
		was := shipped(code)
		own.move(newAdam(n), slopes, 1, false)
		if shipped(code)[0] != was[0] {
			changes++
		}
		assert.Equal(t, was[1:], shipped(code)[1:], "the others have no slope")
	}
	assert.Equal(t, 6, changes)
}

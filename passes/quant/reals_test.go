package quant

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/interp"
)

// draws is the networks that a test of this file draws, each of one operation whose
// scales are log-uniform: few enough for every run.
const draws = 400

// drawn makes networks of one operation.
type drawn struct {
	*rand.Rand
	m *ir.Module
}

func draw(i int) *drawn {
	return &drawn{rand.New(rand.NewPCG(uint64(i), 6)), &ir.Module{Name: "n", Pos: diag.Pos{File: "n.dnn", Line: 1, Col: 1}}}
}

// log is log-uniform in 10^lo..10^hi.
func (d *drawn) log(lo, hi float64) float64 { return math.Pow(10, lo+(hi-lo)*d.Float64()) }

// around is a range of a width that contains 0.
func (d *drawn) around(width float64) *ir.Range {
	lo := -width * []float64{0, .5, 1, d.Float64()}[d.IntN(4)]
	return &ir.Range{Lo: lo, Hi: lo + width}
}

func (d *drawn) input(name string, r *ir.Range, shape ...int) *ir.Value {
	v := &ir.Value{Name: name, Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Range: r, Pos: d.m.Pos}
	d.m.Inputs = append(d.m.Inputs, v)
	return v
}

func (d *drawn) constant(name string, shape ir.Shape, x []float32) *ir.Const {
	c := ir.FloatConst(name, shape, x)
	d.m.Consts = append(d.m.Consts, c)
	return c
}

// op adds the operation, which gives the network's result.
func (d *drawn) op(t *testing.T, op ir.Op, r *ir.Range, args []*ir.Value, attrs ...ir.Attr) *ir.Node {
	t.Helper()
	n := &ir.Node{Op: op, Args: args, Pos: diag.Pos{File: "n.dnn", Line: 2, Col: 3}}
	n.Out = &ir.Value{Name: "y", Range: r, Def: n, Pos: n.Pos}
	n.Put(attrs...)
	typ, fault := ir.InferNode(n)
	require.Nil(t, fault)
	n.Out.Type = typ
	d.m.Ops, d.m.Outputs, d.m.Results = []*ir.Node{n}, []*ir.Value{n.Out}, []ir.Type{typ}
	return n
}

// lowered is the network of integers, or nil where it was refused, with a position and
// a way out.
func (d *drawn) lowered(t *testing.T, rounded ...*Rounded) *interp.Int {
	t.Helper()
	err := Lower(d.m, rounded)
	if err != nil {
		var fault *diag.Diagnostic
		require.True(t, errors.As(err, &fault), "%v", err)
		require.Equal(t, "n.dnn", fault.Pos.File)
		require.NotEmpty(t, fault.Help)
		return nil
	}
	require.Empty(t, ir.Verify(d.m))
	p, err := interp.CompileInt(d.m)
	require.NoError(t, err)
	return p
}

// integers are inputs of images: the least, the greatest, and any.
func (d *drawn) integers(images int) []int8 {
	size := 0
	for _, v := range d.m.Inputs {
		size += v.Type.Shape.Size()
	}
	x := make([]int8, images*size)
	for i := range x {
		x[i] = []int8{-128, 127, int8(d.Uint32())}[min(i/size, 2)]
	}
	return x
}

// near checks a result of integers, of a real number of steps that may be this far.
func near(t *testing.T, q ir.Quant, lo, hi int, steps float64, got int8, most float64, what string, args ...any) {
	t.Helper()
	want := min(max(steps+float64(q.Zero), float64(lo)), float64(hi))
	if !(math.Abs(want-float64(got)) <= most) {
		require.Fail(t, fmt.Sprintf("%d, the reals give %v (may differ by %v): %s", got, want, most, fmt.Sprintf(what, args...)))
	}
}

// someElems are the formats of weights.
var someElems = []ir.Elem{ir.Of(ir.I8), ir.OddOf(1), ir.OddOf(2), ir.OddOf(3), ir.OddOf(5), ir.OddOf(8), ir.CodeOf(3), ir.VecOf(4, 4)}

// roundedLayer draws codes, and for each channel a scale and a bias: some are ordinary,
// some nearly dead, some dead. factor says the output's steps of a code's product.
func (d *drawn) roundedLayer(e ir.Elem, shape ir.Shape, in, out ir.Quant) (r *Rounded, dead []bool) {
	rows := shape[0]
	cols, codes := shape.Size()/rows, shape.Size()/rows
	r = &Rounded{Elem: e, Scale: make([]float64, rows), Bias: make([]float64, rows)}
	most := 256
	switch e.Kind {
	case ir.Odd:
		most = 1 << e.Bits
	case ir.Code, ir.Vec:
		most = 1 << e.Bits
		group := 1
		if e.Kind == ir.Vec {
			group = int(e.Group)
			codes = cols / shape[1] * ((shape[1] + group - 1) / group)
		}
		for range most * group {
			r.Book = append(r.Book, int8(d.IntN(65)-32))
		}
	}
	base := math.Exp2(-22 + 22*d.Float64())
	dead = make([]bool, rows)
	for c := range rows {
		factor, steps := base, 0.
		switch d.IntN(4) {
		case 0:
			factor *= d.log(-30, 0)
		case 1:
			dead[c] = true
		}
		if d.IntN(4) > 0 {
			steps = d.log(-3, 3)
		} else if d.IntN(2) == 0 {
			steps = d.log(3, 14)
		}
		r.Scale[c] = min(max(factor*out.Scale/in.Scale, 1e-40), 1e36) // of weights of float32
		r.Bias[c] = steps * out.Scale * float64(1-2*d.IntN(2))
		if dead[c] && e.Kind == ir.I8 {
			r.Scale[c] = 1
		}
		for range codes {
			q := byte(d.IntN(most))
			switch {
			case dead[c] && e.Kind == ir.I8:
				q = 0
			case e.Kind == ir.I8 && q == 0x80:
				q = 0x81
			}
			r.Codes = append(r.Codes, q)
		}
	}
	return r, dead
}

// TestLayersFollowTheReals: whatever the scales of weights, inputs and results and the
// biases, a layer gives the integers nearest to the reals, or is refused.
func TestLayersFollowTheReals(t *testing.T) {
	refused, wides := 0, 0
	for i := range draws {
		d := draw(i)
		e := someElems[i%len(someElems)]
		in, out := d.around(d.log(-30, 30)), d.around(d.log(-30, 30))
		if d.IntN(2) == 0 {
			out = d.around((in.Hi - in.Lo) * d.log(-2, 2))
		}
		window := geometry.Window{InC: 4, InH: 4, InW: 3, OutC: 6, KH: 3, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
		x, op := []int{4, 4, 3}, ir.Conv2D
		var attrs []ir.Attr
		switch kind := d.IntN(4); {
		case kind == 0 && e.Kind != ir.Vec && e.Kind != ir.Code:
			window.OutC, window.Groups = 4, 4 // depthwise
			attrs = append(attrs, ir.AttrGroups.Is(4))
		case kind <= 2:
			n := []int{5, 300, 3000}[d.IntN(3)]
			if i%97 == 0 {
				n = 70000 // sums beyond 32 bits
			}
			window = geometry.Window{InC: n, InH: 1, InW: 1, OutC: 3, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
			x, op, attrs = []int{n}, ir.Linear, nil
		}
		rows, cols := window.OutC, window.K()
		shape := ir.Shape{rows, window.InC / window.Groups, window.KH, window.KW}
		if op == ir.Linear {
			shape = ir.Shape{rows, cols}
		}
		qi, qo := quantFor(*in), quantFor(*out)
		r, dead := d.roundedLayer(e, shape, qi, qo)
		original := make([]float32, rows*cols)
		weight := d.constant("w", shape, original)
		attrs = append(attrs, ir.AttrWeight.Is(weight))
		n := d.op(t, op, out, []*ir.Value{d.input("x", in, x...)}, attrs...)
		real, wasCodes, wasScale := make([][]float64, rows), append([]byte(nil), r.Codes...), append([]float64(nil), r.Scale...)
		for c := range rows {
			real[c] = make([]float64, cols)
			for k, w := range r.integers(n, c) {
				if !dead[c] {
					real[c][k] = r.Scale[c] * float64(w)
					original[c*cols+k] = float32(real[c][k])
				}
			}
		}
		weight.Data = ir.FloatConst("", shape, original).Data
		p := d.lowered(t, r)
		require.Equal(t, wasCodes, r.Codes, "others may share them")
		require.Equal(t, wasScale, r.Scale)
		if p == nil {
			refused++
			require.Greater(t, slices.Max(wasScale)*qi.Scale/qo.Scale, float64(1<<14), "draw %d", i)
			continue
		}
		if n.Const(ir.AttrBias).Type.Elem.Kind == ir.I64 {
			wides++
		}
		mul, err := n.Const(ir.AttrMul).Int32()
		require.NoError(t, err)
		shift, err := n.Const(ir.AttrShift).Int32()
		require.NoError(t, err)
		const images = 6
		xs := d.integers(images)
		ys, err := p.Forward(context.Background(), xs, images)
		require.NoError(t, err)
		size, pixels := len(ys)/images, len(ys)/images/rows
		got, err := geometry.IntWeights(n)
		require.NoError(t, err)
		for k, y := range ys {
			image, c, pixel := k/size, k%size/pixels, k%pixels
			oy, ox := 0, 0
			if op == ir.Conv2D {
				oy, ox = pixel/window.OutW(), pixel%window.OutW()
			}
			steps := r.Bias[c] / qo.Scale
			for j, w := range real[c] {
				ch, ky, kx := j/(window.KH*window.KW), j/window.KW%window.KH, j%window.KW
				ch += c / (rows / window.Groups) * (window.InC / window.Groups)
				v := xs[image*len(xs)/images+(ch*window.InH+oy+ky)*window.InW+ox+kx]
				steps += w * qi.Scale / qo.Scale * float64(int(v)-qi.Zero)
			}
			// A bias is rounded to a unit of the sum, a wide one's factor to 15 bits; what
			// R2 may take is a quarter of a step.
			most := .51
			if !dead[c] {
				most += math.Ldexp(float64(mul[c]), -int(shift[c])-1)
			}
			again := dead[c]
			for j, w := range got[c*cols : (c+1)*cols] {
				again = again || float64(w)*wasScale[c] != real[c][j]
			}
			if again {
				most += .25
			}
			near(t, qo, -128, 127, steps, y, most, "draw %d: %s %s channel %d (dead: %v) of %d inputs, scale %v, bias %v, in %v, out %v, mul %d shift %d", i, op, e, c, dead[c], cols, wasScale[c], r.Bias[c], qi, qo, mul[c], shift[c])
		}
	}
	assert.Less(t, refused, draws/50)
	assert.Greater(t, wides, 3)
	t.Logf("%d refused, %d with sums of 64 bits", refused, wides)
}

// TestOperationsFollowTheReals: so do the operations without weights.
func TestOperationsFollowTheReals(t *testing.T) {
	type real = func(x [][]float64, y []float64)
	each := func(f func(a, b float64) float64) real {
		return func(x [][]float64, y []float64) {
			for i := range y {
				y[i] = f(x[0][i], x[len(x)-1][i])
			}
		}
	}
	sum := func(scale float64) real {
		return func(x [][]float64, y []float64) {
			for i := range y {
				for j := range 8 {
					y[i] += x[0][i*8+j] * scale
				}
			}
		}
	}
	cases := []struct {
		op     ir.Op
		shapes [][]int
		attrs  []ir.Attr
		real   real
		most   float64
		// result is the width that the result may have, of those of the arguments.
		result func(width []float64) float64
	}{
		{ir.Add, [][]int{{24}, {24}}, nil, each(func(a, b float64) float64 { return a + b }), 1, func(w []float64) float64 { return max(w[0], w[1]) }},
		{ir.Sub, [][]int{{24}, {24}}, nil, each(func(a, b float64) float64 { return a - b }), 1, func(w []float64) float64 { return max(w[0], w[1]) }},
		{ir.SquaredDiff, [][]int{{24}, {24}}, nil, each(func(a, b float64) float64 { return (a - b) * (a - b) }), 1, func(w []float64) float64 { return max(w[0], w[1]) * max(w[0], w[1]) }},
		{ir.ScaledDiff, [][]int{{24}, {24}, {24}}, nil, func(x [][]float64, y []float64) {
			for i := range y {
				y[i] = (x[0][i] - x[1][i]) * x[2][i]
			}
		}, 1, func(w []float64) float64 { return max(w[0], w[1]) * w[2] }},
		{ir.Mul, [][]int{{24}, {24}}, nil, each(func(a, b float64) float64 { return a * b }), .5, func(w []float64) float64 { return w[0] * w[1] }},
		{ir.MatMul, [][]int{{3, 8}, {8, 2}}, nil, func(x [][]float64, y []float64) {
			for i := range y {
				for k := range 8 {
					y[i] += x[0][i/2*8+k] * x[1][k*2+i%2]
				}
			}
		}, .5, func(w []float64) float64 { return w[0] * w[1] }},
		{ir.Reduce, [][]int{{3, 8}}, []ir.Attr{ir.AttrFn.Is(ir.ReduceSum), ir.AttrAxes.Is([]int{1})}, sum(1), .5, func(w []float64) float64 { return w[0] }},
		{ir.Reduce, [][]int{{3, 8}}, []ir.Attr{ir.AttrFn.Is(ir.ReduceMean), ir.AttrAxes.Is([]int{1})}, sum(1. / 8), .5, func(w []float64) float64 { return w[0] }},
		{ir.Requantize, [][]int{{24}}, nil, each(func(a, _ float64) float64 { return a }), .5, func(w []float64) float64 { return w[0] }},
		{ir.Table, [][]int{{24}}, []ir.Attr{ir.AttrFn.Is("tanh")}, each(func(a, _ float64) float64 { return math.Tanh(a) }), .5, func(w []float64) float64 { return min(w[0], 1) }},
		{ir.Table, [][]int{{24}}, []ir.Attr{ir.AttrFn.Is("exp")}, each(func(a, _ float64) float64 { return math.Exp(a) }), .5, func(w []float64) float64 { return max(w[0], 1) }},
	}
	for k, c := range cases {
		refused := 0
		for i := range draws / 4 {
			d := draw(1000*k + i)
			var args []*ir.Value
			width := d.log(-20, 18)
			var widths []float64
			for j, s := range c.shapes {
				if j > 0 && d.IntN(2) == 0 {
					width *= d.log(-12, 12)
				}
				widths = append(widths, width)
				args = append(args, d.input(string(rune('a'+j)), d.around(width), s...))
			}
			out := c.result(widths) * d.log(-2, 2)
			if d.IntN(4) == 0 {
				out = min(max(out*d.log(-30, 30), 1e-30), 1e30)
			}
			n := d.op(t, c.op, d.around(out), args, c.attrs...)
			p := d.lowered(t)
			if p == nil {
				refused++
				continue
			}
			const images = 6
			xs, ins := d.integers(images), d.m.Inputs
			ys, err := p.Forward(context.Background(), xs, images)
			require.NoError(t, err)
			for image := range images {
				x, at := make([][]float64, len(ins)), image*len(xs)/images
				for j, v := range ins {
					for range v.Type.Shape.Size() {
						x[j] = append(x[j], v.Type.Quant.Scale*float64(int(xs[at])-v.Type.Quant.Zero))
						at++
					}
				}
				size := len(ys) / images
				y := make([]float64, size)
				c.real(x, y)
				for j, v := range y {
					q := n.Out.Type.Quant
					near(t, q, -128, 127, v/q.Scale, ys[image*size+j], c.most+1e-3, "draw %d: %s of %v, result %v", i, n.Op, args[0].Type.Quant, q)
				}
			}
		}
		t.Logf("%s: %d refused", c.op, refused)
		assert.Less(t, refused, draws/4/4, "%s", c.op)
	}
}

// TestFarWiderArguments: whatever its factor, a result far narrower than its argument is 0
// or saturates.
func TestFarWiderArguments(t *testing.T) {
	for _, hi := range []float64{1e3, 1e9, 1e30} {
		d := draw(0)
		d.op(t, ir.Requantize, &ir.Range{Lo: -1, Hi: 1}, []*ir.Value{d.input("a", &ir.Range{Lo: -hi, Hi: hi}, 3)})
		y, err := d.lowered(t).Forward(context.Background(), []int8{-2, -1, 0}, 1)
		require.NoError(t, err)
		zero := int8(d.m.Outputs[0].Type.Quant.Zero)
		require.EqualValues(t, -1, d.m.Inputs[0].Type.Quant.Zero)
		assert.Equal(t, []int8{-128, zero, 127}, y, "%g", hi)
	}
}

// TestRefused: what no integers can hold has a diagnostic.
func TestRefused(t *testing.T) {
	unit := &ir.Range{Lo: 0, Hi: 1}
	for name, build := range map[string]func(d *drawn){
		"too coarse": func(d *drawn) {
			a := d.input("a", &ir.Range{Lo: -1e9, Hi: 0}, 4)
			d.op(t, ir.Add, &ir.Range{Lo: 0, Hi: 10}, []*ir.Value{a, d.input("b", unit, 4)}) // a mask, and a relu behind it
		},
		"beyond float32": func(d *drawn) {
			d.op(t, ir.Requantize, unit, []*ir.Value{d.input("a", &ir.Range{Lo: 0, Hi: 1e308}, 4)})
		},
		"float32": func(d *drawn) {
			d.op(t, ir.Requantize, unit, []*ir.Value{d.input("a", &ir.Range{Lo: -1e308, Hi: 1e308}, 4)})
		},
		"too narrow": func(d *drawn) {
			d.op(t, ir.Requantize, unit, []*ir.Value{d.input("a", &ir.Range{Lo: 0, Hi: 1e-38}, 4)})
		},
		"of 9000000 elements": func(d *drawn) {
			d.op(t, ir.Reduce, unit, []*ir.Value{d.input("a", unit, 9000000)}, ir.AttrFn.Is(ir.ReduceSum), ir.AttrAxes.Is([]int{0}))
		},
	} {
		d := draw(0)
		build(d)
		err := Lower(d.m, nil)
		var fault *diag.Diagnostic
		require.True(t, errors.As(err, &fault), "%s: %v", name, err)
		assert.Contains(t, fault.Error(), name)
		assert.Equal(t, "n.dnn", fault.Pos.File)
		assert.NotEmpty(t, fault.Help)
	}
}

// TestFactorsOfDumps: what a damaged dump would have a kernel shift by is found.
func TestFactorsOfDumps(t *testing.T) {
	for _, c := range []struct {
		mul, shift int64
		isFine     bool
	}{{1 << 30, 40, true}, {0, 33, true}, {1 << 30, 0, false}, {1 << 30, 63, false}, {1 << 30, -15, false}, {-5, 40, false}} {
		d := draw(0)
		unit := &ir.Range{Lo: 0, Hi: 1}
		n := d.op(t, ir.Requantize, unit, []*ir.Value{d.input("a", unit, 4)})
		require.NotNil(t, d.lowered(t))
		n.Const(ir.AttrMul).Data = ir.IntConst("", ir.Of(ir.I32), ir.Shape{1}, []int64{c.mul}).Data
		n.Const(ir.AttrShift).Data = ir.IntConst("", ir.Of(ir.I32), ir.Shape{1}, []int64{c.shift}).Data
		if c.isFine {
			assert.Empty(t, ir.Verify(d.m), "%v", c)
		} else {
			assert.ErrorContains(t, ir.Verify(d.m).Err(), "V7: y: channel 0 has the multiplier", "%v", c)
		}
	}
}

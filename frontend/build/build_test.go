package build_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/interp"
)

func TestIdentifier(t *testing.T) {
	for in, want := range map[string]string{
		"azAZ09": "azAZ09", "a/b:c.d": "a_b_c_d", "__a-b__": "a_b", "0net": "n0net", "9net": "n9net", "": "n", "--": "n", "/": "n", ":": "n", "äöü": "n",
		"`a{": "a", "@A[": "A", "x@[`{/:": "x", "a{b": "a_b", "A[B": "A_B", "0:1": "n0_1", "const": "nconst", "constant": "constant", "network": "nnetwork",
	} {
		assert.Equal(t, want, build.Identifier(in), in)
	}
	assert.Equal(t, "nreturn", build.New("return").M.Name)
}

// TestName: words with points between them, of at most 64 letters, each once.
func TestName(t *testing.T) {
	long := strings.Repeat("layer.", 20)
	for _, c := range []struct {
		hints []string
		want  []string
	}{
		{[]string{"azAZ09_", "a.b/c:d", "/a//b/"}, []string{"azAZ09_", "a.b.c.d", "a.b"}},
		{[]string{"a-b c", "x{", "x[", "x@", "x`"}, []string{"a_b_c", "x_", "x__2", "x__3", "x__4"}},
		{[]string{"0a", "9a", "", "", "const", "a.const"}, []string{"n0a", "n9a", "n", "n_2", "nconst", "a.const"}},
		{[]string{"a", "a", "a", "a_2", "b"}, []string{"a", "a_2", "a_3", "a_2_2", "b"}},
		{[]string{strings.Repeat("x", 64), "y" + strings.Repeat("x", 64)}, []string{strings.Repeat("x", 64), strings.Repeat("x", 64) + "_2"}},
		{[]string{strings.Repeat("x", 63) + "1"}, []string{strings.Repeat("x", 63) + "1"}},
		{[]string{long + "a"}, []string{"er." + strings.Repeat("layer.", 10) + "a"}},
		{[]string{long + "0123456789.ab"}, []string{"er." + strings.Repeat("layer.", 8) + "0123456789.ab"}},
		{[]string{strings.Repeat("1234567890", 7) + "b"}, []string{"b"}},
	} {
		b := build.New("net")
		var got []string
		for _, h := range c.hints {
			got = append(got, b.Name(h))
		}
		assert.Equal(t, c.want, got)
		for _, name := range got {
			assert.LessOrEqual(t, len(name), 66)
		}
	}
	b := build.New("net")
	assert.Equal(t, "a_b", b.Input("a.b", ir.Shape{1}, ir.Range{Hi: 2}).Name, "an input's name has no points")
	assert.Equal(t, &ir.Range{Hi: 2}, b.M.Inputs[0].Range)
	assert.Equal(t, ir.Of(ir.F32), b.M.Inputs[0].Type.Elem)
}

// TestAddFaults: what an operation cannot take is said, and leaves nothing in the module.
func TestAddFaults(t *testing.T) {
	for want, add := range map[string]func(b *build.Builder, x *ir.Value) (*ir.Value, error){
		"has a constant for an argument that must be computed": func(b *build.Builder, x *ir.Value) (*ir.Value, error) {
			return b.Add(ir.Add, "y", []*ir.Value{x, nil})
		},
		"maxpool2d: attribute kernel ": func(b *build.Builder, x *ir.Value) (*ir.Value, error) {
			return b.Add(ir.MaxPool2D, "y", []*ir.Value{x}, ir.AttrKernel.Is([]int{0, -1}))
		},
		"is no permutation of the axes of [2,3]": func(b *build.Builder, x *ir.Value) (*ir.Value, error) {
			return b.AddNamed(ir.Transpose, "y", []*ir.Value{x}, ir.AttrPerm.Is([]int{0, 0}))
		},
	} {
		b := build.New("net")
		_, err := add(b, b.Input("x", ir.Shape{2, 3}, ir.Range{Hi: 1}))
		assert.ErrorContains(t, err, want)
		assert.Empty(t, b.M.Ops)
	}
	// An attribute without a value is left out.
	b := build.New("net")
	x := b.Input("x", ir.Shape{2, 3}, ir.Range{Hi: 1})
	y, err := b.Add(ir.Transpose, "y", []*ir.Value{x}, ir.Attr{Key: ir.AttrPerm.Is(nil).Key}, ir.AttrPerm.Is([]int{1, 0}))
	require.NoError(t, err)
	assert.Equal(t, ir.Shape{3, 2}, y.Type.Shape)
	assert.Same(t, y, y.Def.Out)
	q := ir.Quant{Scale: .5, Zero: 3}
	y, err = b.AddQuantized(ir.Tanh, "z", []*ir.Value{y}, q)
	require.NoError(t, err)
	assert.Equal(t, "z", y.Name)
}

func TestAxis(t *testing.T) {
	for _, c := range []struct{ axis, rank, want int }{{0, 1, 0}, {2, 3, 2}, {-1, 3, 2}, {-3, 3, 0}} {
		got, err := build.Axis(c.axis, c.rank)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		axis, rank int
		want       string
	}{{1, 1, "has the axis 1 of 1"}, {-4, 3, "has the axis -1 of 3"}, {0, 0, "has the axis 0 of 0"}, {5, 3, "has the axis 5 of 3"}} {
		_, err := build.Axis(c.axis, c.rank)
		assert.EqualError(t, err, c.want)
	}
}

func TestShapes(t *testing.T) {
	assert.Equal(t, 1, build.Product(nil))
	assert.Equal(t, 30, build.Product([]int{2, 3, 5}))
	for _, c := range []struct {
		in   []int
		want ir.Shape
	}{{nil, ir.Shape{1}}, {[]int{1}, ir.Shape{1}}, {[]int{5}, ir.Shape{5}}, {[]int{1, 5}, ir.Shape{5}}, {[]int{1, 1, 5}, ir.Shape{1, 5}}, {[]int{2, 5}, ir.Shape{2, 5}}} {
		assert.Equal(t, c.want, build.Canonical(c.in), "%v", c.in)
	}
	shape := []int{2, 5}
	build.Canonical(shape)[0] = 7
	assert.Equal(t, 2, shape[0], "a copy")
	for _, c := range []struct {
		rank, from, to int
		want           []int
	}{{4, 1, 3, []int{0, 2, 3, 1}}, {4, 3, 1, []int{0, 3, 1, 2}}, {3, 0, 0, []int{0, 1, 2}}, {1, 0, 0, []int{0}}, {3, 2, 0, []int{2, 0, 1}}} {
		assert.Equal(t, c.want, build.MoveAxis(c.rank, c.from, c.to))
	}
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct {
		a, b, want []int // nil: they do not fit
	}{
		{[]int{2, 3}, []int{2, 3}, []int{2, 3}},
		{[]int{2, 3}, []int{3}, []int{2, 3}},
		{[]int{3}, []int{2, 3}, []int{2, 3}},
		{[]int{2, 1}, []int{1, 3}, []int{2, 3}},
		{[]int{4, 2, 1}, []int{2, 5}, []int{4, 2, 5}},
		{[]int{1}, []int{}, []int{1}},
		{[]int{2, 3}, []int{2}, nil},
		{[]int{2, 3}, []int{2, 4}, nil},
		{[]int{4}, []int{2, 3}, nil},
	} {
		got, err := build.Broadcast(c.a, c.b)
		if c.want == nil {
			assert.ErrorContains(t, err, "which do not fit", "%v %v", c.a, c.b)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%v %v", c.a, c.b)
	}
	_, err := build.Broadcast([]int{2, 3}, []int{2, 4})
	assert.EqualError(t, err, "of shapes [2 3] and [2 4], which do not fit")
	_, err = build.Broadcast([]int{4}, []int{2, 3})
	assert.EqualError(t, err, "of shapes [2 3] and [4], which do not fit")
}

// TestReshape: a reshape of a reshape is one, and none where the shape is had already.
func TestReshape(t *testing.T) {
	for _, c := range []struct {
		shapes []ir.Shape
		want   []string
	}{
		{[]ir.Shape{{2, 3}}, nil},
		{[]ir.Shape{{6}}, []string{"x.flat flatten"}},
		{[]ir.Shape{{3, 2}}, []string{"x.shape reshape"}},
		{[]ir.Shape{{3, 2}, {2, 3}}, nil},
		{[]ir.Shape{{6}, {3, 2}}, []string{"x.shape reshape"}},
		{[]ir.Shape{{3, 2}, {6}}, []string{"x.flat flatten"}},
		{[]ir.Shape{{6}, {3, 2}, {1, 6}}, []string{"x.shape_2 reshape"}},
		{[]ir.Shape{{6}, {3, 2}, {6}}, []string{"x.flat_2 flatten"}},
	} {
		b := build.New("net")
		v := b.Input("x", ir.Shape{2, 3}, ir.Range{Hi: 1})
		for _, s := range c.shapes {
			var err error
			v, err = b.Reshape(v, s)
			require.NoError(t, err)
			require.Equal(t, s, v.Type.Shape)
		}
		assert.Equal(t, c.want, operations(b.Finish([]*ir.Value{v})), "%v", c.shapes)
	}
	b := build.New("net")
	_, err := b.Reshape(b.Input("x", ir.Shape{2, 3}, ir.Range{Hi: 1}), ir.Shape{4, 2})
	assert.Error(t, err)
}

// TestFinish: what no result needs is dropped, constants too; the rest keeps its order.
func TestFinish(t *testing.T) {
	b := build.New("net")
	x := b.Input("x", ir.Shape{2, 3}, ir.Range{Hi: 1})
	add := func(op ir.Op, name string, args ...*ir.Value) *ir.Value {
		v, err := b.Add(op, name, args)
		require.NoError(t, err)
		return v
	}
	a := add(ir.Tanh, "a", x)
	unused := add(ir.Tanh, "unused", a)
	add(ir.Tanh, "later", unused)
	c := add(ir.Sigmoid, "c", a)
	d := add(ir.Add, "d", a, c)
	_, err := b.ScaleShift("scaled", unused, []float32{1, 2}, []float32{3, 4})
	require.NoError(t, err)
	e, err := b.Join("e", []*ir.Value{d})
	require.NoError(t, err)
	assert.Same(t, d, e)
	f, err := b.Join("f", []*ir.Value{d, c})
	require.NoError(t, err)
	assert.Equal(t, ir.Shape{4, 3}, f.Type.Shape)
	require.Len(t, b.M.Consts, 4)
	m := b.Finish([]*ir.Value{d, a})
	assert.Equal(t, []string{"a tanh", "c sigmoid", "d add"}, operations(m))
	assert.Empty(t, m.Consts)
	assert.Equal(t, []*ir.Value{d, a}, m.Outputs)
	assert.Equal(t, []ir.Type{{Elem: ir.Of(ir.F32), Shape: ir.Shape{2, 3}}, {Elem: ir.Of(ir.F32), Shape: ir.Shape{2, 3}}}, m.Results)
	assert.Empty(t, ir.Verify(m))
	k := b.Ints("k", ir.I16, ir.Shape{2}, []int64{-2, 258})
	raw, err := k.Load()
	require.NoError(t, err)
	assert.Equal(t, []byte{0xfe, 0xff, 2, 1}, raw)
	assert.Same(t, k, m.Consts[0])
}

// run computes a network of one input and one result.
func run(t *testing.T, b *build.Builder, y *ir.Value, x []float32) []float32 {
	m := b.Finish([]*ir.Value{y})
	require.Empty(t, ir.Verify(m))
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	out, err := p.Forward(context.Background(), x, 1)
	require.NoError(t, err)
	return out
}

func TestScaleShift(t *testing.T) {
	b := build.New("net")
	y, err := b.ScaleShift("y", b.Input("x", ir.Shape{2, 1, 2}, ir.Range{Hi: 1}), []float32{2, -.5}, []float32{1, 8})
	require.NoError(t, err)
	assert.Equal(t, []float32{3, -1, 6, 10}, run(t, b, y, []float32{1, -1, 4, -4}))
}

// TestBilinear resizes images by whole factors, and computes each pixel from where it
// lies between pixels of the image, the border repeated.
func TestBilinear(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for _, isHalf := range []bool{false, true} {
		for _, c := range []struct{ channels, h, w, sh, sw int }{{1, 2, 3, 2, 2}, {3, 3, 2, 3, 1}, {2, 1, 4, 1, 4}, {2, 2, 2, 5, 3}, {1, 3, 3, 1, 1}} {
			b := build.New("net")
			y, err := b.Bilinear("y", b.Input("x", ir.Shape{c.channels, c.h, c.w}, ir.Range{Hi: 1}), []int{c.sh, c.sw}, isHalf)
			require.NoError(t, err)
			require.Equal(t, ir.Shape{c.channels, c.h * c.sh, c.w * c.sw}, y.Type.Shape)
			x := normal(rng, c.channels*c.h*c.w)
			got := run(t, b, y, x)
			at := 0
			// between is the pixel at or before a place, and how far it lies after it.
			between := func(i, scale int) (int, float64) {
				p := float64(i) / float64(scale)
				if isHalf {
					p = (float64(i)+.5)/float64(scale) - .5
				}
				before := int(p+10) - 10
				return before, p - float64(before)
			}
			for k := range c.channels {
				pixel := func(i, j int) float64 {
					i, j = max(0, min(i, c.h-1)), max(0, min(j, c.w-1))
					return float64(x[(k*c.h+i)*c.w+j])
				}
				for i := range c.h * c.sh {
					y0, dy := between(i, c.sh)
					for j := range c.w * c.sw {
						x0, dx := between(j, c.sw)
						want := (1-dy)*((1-dx)*pixel(y0, x0)+dx*pixel(y0, x0+1)) + dy*((1-dx)*pixel(y0+1, x0)+dx*pixel(y0+1, x0+1))
						require.InDelta(t, want, got[at], 1e-5, "%+v half %v: %d,%d,%d", c, isHalf, k, i, j)
						at++
					}
				}
			}
		}
	}
}

// TestBilinearIsBounded: factors of a few bytes do not ask for gigabytes of weights. The
// greatest are 4 Mi weights: 9 of each of channels*factors.
func TestBilinearIsBounded(t *testing.T) {
	for _, c := range []struct {
		channels int
		scale    []int
		isRight  bool
	}{
		{1, []int{(1 << 22) / 9, 1}, true}, {1, []int{(1<<22)/9 + 1, 1}, false}, {1 << 20, []int{1 << 20, 1 << 20}, false}, {7, []int{1 << 31, 1 << 31}, false},
	} {
		b := build.New("net")
		x := b.Input("x", ir.Shape{c.channels, 1, 1}, ir.Range{Hi: 1})
		if c.isRight {
			_, err := b.Bilinear("y", x, c.scale, false)
			assert.NoError(t, err)
			continue
		}
		_, err := b.Bilinear("y", x, c.scale, false)
		assert.EqualError(t, err, fmt.Sprintf("of %d channels by %v", c.channels, c.scale))
		assert.Empty(t, b.M.Ops)
	}
}

// TestFaults: one diagnostic an operation and reason, in the order of the graph, with the
// first eight names.
func TestFaults(t *testing.T) {
	var f build.Faults
	assert.NoError(t, f.Err(diag.Pos{}, 3))
	f.Add("Add", "skipped", build.ErrSkipped)
	f.Add("Add", "wrapped", fmt.Errorf("its argument: %w", build.ErrSkipped))
	assert.NoError(t, f.Err(diag.Pos{}, 3))
	f.Add("Conv", "c0", errors.New("has groups"))
	f.Add("Loop", "l0", build.ErrUnsupported)
	for i := range 8 {
		f.Add("Conv", fmt.Sprintf("c%d", i+1), errors.New("has groups"))
		f.Add("If", fmt.Sprintf("i%d", i), errors.New("branches"))
	}
	f.Add("Conv", "d", errors.New("has dilation"))
	var list diag.List
	require.ErrorAs(t, f.Err(diag.Pos{File: "net.onnx"}, 40), &list)
	type shown struct{ message, note string }
	var got []shown
	for _, d := range list {
		assert.Equal(t, diag.Unsupported, d.Kind)
		assert.Equal(t, "net.onnx", d.Pos.File)
		got = append(got, shown{d.Message, d.Note})
		assert.Equal(t, strings.HasPrefix(d.Message, "operation Loop"), strings.Contains(d.Help, "dnnc ops"), "only what no table knows is not there: %s", d.Message)
	}
	assert.Equal(t, []shown{
		{"operation Conv has groups: 9 of the model's 40 nodes", "c0, c1, c2, c3, c4, c5, c6, c7 and 1 more"},
		{"operation Loop is not supported: 1 of the model's 40 nodes", "l0"},
		{"operation If branches: 8 of the model's 40 nodes", "i0, i1, i2, i3, i4, i5, i6, i7"},
		{"operation Conv has dilation: 1 of the model's 40 nodes", "d"},
	}, got)
}

// TestMadeConstantsAreBounded: operations that follow too many bytes of constants fail.
func TestMadeConstantsAreBounded(t *testing.T) {
	const elements = 1 << 18
	b := build.New("n")
	b.Most = 4*elements + 8
	x := b.Input("x", ir.Shape{3}, ir.Range{Lo: 0, Hi: 1})
	b.Floats("f", ir.Shape{elements}, make([]float32, elements))
	b.Ints("i", ir.I32, ir.Shape{1}, make([]int64, 1))
	_, err := b.Add(ir.Relu, "y", []*ir.Value{x})
	require.NoError(t, err, "all that may be")
	b.Ints("j", ir.I32, ir.Shape{1}, make([]int64, 1))
	_, err = b.Add(ir.Relu, "z", []*ir.Value{x})
	require.ErrorContains(t, err, "makes constants of more than 1 MiB in all")
}

// TestNamesOfResults: those that are names, once each, and not those of other values.
func TestNamesOfResults(t *testing.T) {
	for want, names := range map[string][]string{
		"a b":     nil,
		"est b":   {"est"},
		"a logit": {"", "logit"},
		"a c":     {"b", "c"},
		"one b":   {"one", "one"},
		"a b ":    {"21", "/fc/Gemm"},
		"x.y b":   {"x.y", "network"},
	} {
		b := build.New("n")
		x := b.Input("x", ir.Shape{3}, ir.Range{Lo: 0, Hi: 1})
		p, err := b.Add(ir.Relu, "a", []*ir.Value{x})
		require.NoError(t, err)
		q, err := b.Add(ir.Tanh, "b", []*ir.Value{x})
		require.NoError(t, err)
		m := b.Finish([]*ir.Value{p, q}, names...)
		assert.Equal(t, strings.TrimSpace(want), m.ResultName(0)+" "+m.ResultName(1))
		assert.Empty(t, ir.Verify(m))
	}
}

// TestPlaces: by corners, by centres and with the last pixel on the last one; never outside.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		from, size        int
		isAligned, isHalf bool
		want              []float64
	}{
		{2, 4, false, false, []float64{0, .5, 1, 1}},
		{2, 4, false, true, []float64{0, .25, .75, 1}},
		{3, 5, true, false, []float64{0, .5, 1, 1.5, 2}},
		{5, 2, false, true, []float64{.75, 3.25}},
		{5, 1, true, false, []float64{0}},
	} {
		assert.Equal(t, c.want, build.Places(c.from, c.size, c.isAligned, c.isHalf), "%+v", c)
	}
}

package quant

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

func TestWindowsOf(t *testing.T) {
	for _, c := range []struct{ cols, images, want int }{
		{25, 10, 60}, {25, 9, 64}, {25, 100, 6}, {25, 1000, 4}, {50, 100, 12}, {1, 1, 24},
	} {
		assert.Equal(t, c.want, windowsOf(c.cols, c.images), "%v", c)
	}
}

func TestUnitFor(t *testing.T) {
	for _, c := range []struct{ top, want float64 }{
		{0, 1}, {1, 1}, {3.5, 1}, {1<<20 - 1, 1}, {0x1.1p-20, 1},
		{1 << 20, 0x1p-20}, {3 << 20, 0x1p-21}, {0x1p-20, 0x1p20}, {0x1.8p-30, 0x1p30}, {0x1.8p-126, 0x1p126}, {0x1p-140, 0x1p126},
	} {
		assert.Equal(t, c.want, float64(unitFor(c.top)), "%g", c.top)
	}
	reads := func(r *ir.Range) *ir.Node { return &ir.Node{Args: []*ir.Value{{Range: r}}} }
	assert.Equal(t, float32(1), unitOf(nil))
	assert.Equal(t, float32(1), unitOf([]*ir.Node{reads(nil)}))
	assert.Equal(t, float32(0x1p-21), unitOf([]*ir.Node{reads(nil), reads(&ir.Range{Lo: -0x1p21, Hi: 1})}))
	assert.Equal(t, float32(0x1p-22), unitOf([]*ir.Node{reads(&ir.Range{Lo: -1, Hi: 0x1p22}), reads(&ir.Range{Lo: -0x1p21, Hi: 1})}))
}

func TestScaled(t *testing.T) {
	x := []float32{1, -3}
	assert.Same(t, &x[0], &scaled(x, 1)[0], "a copy is for nothing")
	assert.Equal(t, []float32{.25, -.75}, scaled(x, .25))
	assert.Equal(t, []float32{1, -3}, x)
}

// TestPiecesOfImages: a sampler sees all images, about 1024 rows at a time.
func TestPiecesOfImages(t *testing.T) {
	for _, c := range []struct {
		take, images int
		want         [][2]int
	}{
		{100, 25, [][2]int{{0, 10}, {10, 10}, {20, 5}}},
		{100, 20, [][2]int{{0, 10}, {10, 10}}},
		{2000, 2, [][2]int{{0, 1}, {1, 1}}},
		{1, 7, [][2]int{{0, 7}}},
	} {
		var got [][2]int
		require.NoError(t, (&sampler{take: c.take}).each(c.images, func(first, count int) error {
			require.LessOrEqual(t, len(got), len(c.want))
			got = append(got, [2]int{first, count})
			return nil
		}))
		assert.Equal(t, c.want, got)
	}
	calls := 0
	assert.ErrorIs(t, (&sampler{take: 1024}).each(3, func(int, int) error { calls++; return context.Canceled }), context.Canceled)
	assert.Equal(t, 1, calls)
}

func TestFormats(t *testing.T) {
	conv := func(groups int) *ir.Node {
		n := &ir.Node{Op: ir.Conv2D}
		n.Put(ir.AttrGroups.Is(groups))
		return n
	}
	for _, c := range []struct {
		f                    Format
		text                 string
		needsData, isGrouped bool
		group                int
	}{
		{Format{ir.Of(ir.I8), Nearest, 0}, "i8/nearest", false, true, 1},
		{Format{ir.OddOf(3), Nearest, 0}, "odd3/nearest", false, true, 1},
		{Format{ir.OddOf(3), Compensated, 0}, "odd3/compensated", true, true, 1},
		{Format{ir.CodeOf(4), Compensated, 0}, "code4/compensated", true, false, 1},
		{Format{ir.CodeOf(4), Shared, .5}, "code4/shared/0.5", false, false, 1},
		{Format{ir.VecOf(4, 8), Compensated, 0}, "vec4x8/compensated", true, false, 8},
	} {
		assert.Equal(t, c.text, c.f.String())
		assert.Equal(t, c.needsData, c.f.needsData(), c.text)
		assert.Equal(t, c.group, c.f.group(), c.text)
		assert.True(t, Serves(conv(1), c.f.Elem), c.text)
		assert.True(t, Serves(&ir.Node{Op: ir.Linear}, c.f.Elem), c.text)
		assert.Equal(t, c.isGrouped, Serves(conv(2), c.f.Elem), c.text)
	}
	assert.False(t, Serves(conv(1), ir.Of(ir.F32)))
}

// TestQuantFor has 255 steps in each range, and 0 at an integer.
func TestQuantFor(t *testing.T) {
	for _, c := range []struct {
		lo, hi, scale float64
		zero          int
	}{
		{0, 255, 1, -128}, {-255, 0, 1, 127}, {-100, 155, 1, -28}, {-28.4, 226.6, 1, -100}, {-28.6, 226.4, 1, -99},
		{5, 510, 2, -128}, {-510, -5, 2, 127}, {-.25, 255.*2 - .25, 2, -128},
	} {
		q := quantFor(ir.Range{Lo: c.lo, Hi: c.hi})
		assert.InEpsilon(t, c.scale, q.Scale, 1e-12, "%v", c)
		assert.Equal(t, c.zero, q.Zero, "%v", c)
	}
	for zero, want := range map[int]int64{-128: 255, -100: 227, -1: 128, 0: 128, 1: 129, 127: 255} {
		assert.Equal(t, want, reachOf(ir.Type{Elem: ir.Of(ir.I8), Quant: ir.Quant{Scale: 1, Zero: zero}}), "%d", zero)
	}
	assert.Equal(t, int64(32768), reachOf(ir.Type{Elem: ir.Of(ir.I16), Quant: ir.Quant{Scale: 1}}))
}

// TestCheckRange: a scale must be a number of float32 where callers see it, else one that
// products of several are made of.
func TestCheckRange(t *testing.T) {
	const top = math.MaxFloat32
	for _, c := range []struct {
		lo, hi         float64
		inside, inputs bool // whether it is fine there
	}{
		{-1, 1, true, true}, {-top, top, true, true}, {-1.01 * top, 0, false, false}, {0, 1.01 * top, false, false}, {math.NaN(), 1, false, false},
		{-math.MaxFloat64, 0, false, false}, {0, 255 * 0x1p-126, true, true}, {0, 255 * 0x1p-127, true, false}, {-255 * 0x1p-127, 0, true, false},
		{0, 255 * 1.01e-60, true, false}, {0, 255 * .99e-60, false, false}, {0, 0, false, false},
		{5, 255 * 0x1p-126, true, true}, // 0 is in each range
	} {
		v := &ir.Value{Range: &ir.Range{Lo: c.lo, Hi: c.hi}}
		assert.Equal(t, c.inside, checkRange(v, false) == nil, "inside: %v", c)
		assert.Equal(t, c.inputs, checkRange(v, true) == nil, "outside: %v", c)
	}
}

func TestUses(t *testing.T) {
	n := &ir.Node{Args: []*ir.Value{{Type: ir.Type{Quant: ir.Quant{Scale: .5, Zero: -28}}}}, Out: &ir.Value{Type: ir.Type{Quant: ir.Quant{Scale: .25, Zero: 3}}}}
	u := newUse(n)
	assert.Equal(t, use{in: .5, out: .25, least: -100, greatest: 155}, u)
	assert.Equal(t, 4., u.factor(2))
	w := []int32{3, -4} // a reach of 7*155 = 1085
	for _, c := range []struct {
		bias     float64
		b, reach int64
	}{
		{10, 10, 1095}, {-10, -10, 1095}, {10.5, 11, 1096}, {10.4, 10, 1095}, {0, 0, 1085},
		{1<<31 - 1086, 1<<31 - 1086, 1<<31 - 1},  // the greatest that 32 bits hold
		{1<<31 - 1085, 1085 + 128, 1085*2 + 128}, // beyond: 512 steps of the result are 128 units
		{-(1<<31 - 1085), -1085 - 128, 1085*2 + 128},
		{1e300, 1085 + 128, 1085*2 + 128},
	} {
		b, factor, reach := u.sums(w, 2, c.bias) // units of 1
		assert.Equal(t, c.b, b, "%v", c)
		assert.Equal(t, c.reach, reach, "%v", c)
		assert.Equal(t, 4., factor)
	}
	// Of a tiny factor the limit would leave 64 bits.
	b, _, _ := u.sums(w, 0x1p-80, 1e300)
	assert.Equal(t, int64(1<<61), b)

	for _, c := range []struct {
		scale, bias float64
		want        sumForm
	}{
		{0, 0, none}, {-1, 0, none}, {math.NaN(), 0, none}, {math.Inf(1), 0, none},
		{2, 0, narrow}, {2, 1<<31 - 1086, narrow},
		{0x1p-30, 8, wide},   // 2^34 units of 2^-31, of factor 2^-29
		{0x1p-31, 8, wide},   // of factor 2^-30
		{0x1p-33, 2, wide},   // of factor 2^-32, the least
		{0x1p-34, 2, none},   // less
		{0x1p-33, 1e6, wide}, // 2^54 units are cut off at 512 steps, which are 2^41 of them
	} {
		assert.Equal(t, c.want, u.form(w, c.scale, c.bias), "%v", c)
	}
	// Of many weights a sum leaves 47 bits whatever the bias.
	assert.Equal(t, none, u.form(slices.Repeat([]int32{1 << 20}, 1<<20), 2, 0))
}

func TestIsSlack(t *testing.T) {
	const edge = .25 / 128 // moves the output by a quarter of a step, with inputs of 128
	u := use{in: 1, out: 1, least: -128, greatest: 127}
	for _, c := range []struct {
		weights float64
		uses    []use
		want    bool
	}{
		{0, []use{u}, true}, {edge, []use{u}, true}, {edge * 1.01, []use{u}, false}, {edge, nil, true},
		{edge, []use{u, {in: 1, out: 1, least: 0, greatest: 255}}, false}, {edge / 2, []use{u, {in: 1, out: 1, least: 0, greatest: 255}}, true},
		{edge * 2, []use{{in: 2, out: 4, least: -128, greatest: 127}}, true}, {edge * 2.1, []use{{in: 2, out: 4, least: -128, greatest: 127}}, false},
		{edge, []use{{in: 1, out: 1, least: -127, greatest: 128}}, true}, {edge, []use{{in: 1, out: 1, least: -255, greatest: 0}}, false},
	} {
		assert.Equal(t, c.want, isSlack(c.weights, c.uses), "%v", c)
	}
}

func TestRecode(t *testing.T) {
	for _, c := range []struct {
		name    string
		elem    ir.Elem
		book    []int8
		weights []float64 // at a scale of a half
		want    []byte
		sum     int
	}{
		{"i8", ir.Of(ir.I8), nil, []float64{1, -.75, .7, 100, -100, 0}, []byte{2, 0xfe, 1, 127, 0x81, 0}, 0},
		{"zeros alternate", ir.OddOf(2), nil, []float64{0, 0, 0, 0}, []byte{2, 1, 2, 1}, 4},
		{"an odd code's error goes into the next one", ir.OddOf(2), nil, []float64{1.5, -1.5, 4.5, -4.5}, []byte{3, 0, 3, 0}, 4},
		{"in the middle", ir.OddOf(3), nil, []float64{.5, 1, 1, 1}, []byte{4, 5, 4, 5}, 4},
		{"one bit", ir.OddOf(1), nil, []float64{0, 0, .5}, []byte{1, 0, 1}, 3},
		{"a codebook with 0", ir.CodeOf(2), []int8{5, -2, 0, 9}, []float64{0, 0, 0}, []byte{2, 2, 2}, 3},
		{"a codebook without", ir.CodeOf(2), []int8{5, -2, 3, 9}, []float64{0, 0, 0}, []byte{1, 1, 1}, 6},
		{"the first of equal rows", ir.CodeOf(1), []int8{-3, 3}, []float64{0}, []byte{0}, 3},
		{"rows of two", ir.VecOf(2, 2), []int8{1, 1, -3, 0, 1, 0, 2, -2}, []float64{0, 0}, []byte{2, 2}, 2},
		{"rows that cancel", ir.VecOf(1, 2), []int8{2, -2, -1, -1}, []float64{0, 0}, []byte{1, 1}, 4},
	} {
		// The second of two channels.
		r := &Rounded{Elem: c.elem, Book: c.book, Scale: []float64{7, .5}, Codes: make([]byte, 2*len(c.want))}
		assert.Equal(t, c.sum, r.recode(1, c.weights), c.name)
		assert.Equal(t, append(make([]byte, len(c.want)), c.want...), r.Codes, c.name)
	}
}

// TestKill: the least codes, and a scale with which no input moves a result by more than a
// quarter of a step.
func TestKill(t *testing.T) {
	r := &Rounded{Elem: ir.OddOf(2), Scale: []float64{7, 7}, Codes: []byte{3, 3, 3, 3, 3, 3, 3, 3}}
	r.kill(1, []use{{in: 1, out: 16, least: -128, greatest: 127}, {in: 2, out: 8, least: 0, greatest: 255}})
	assert.Equal(t, []byte{3, 3, 3, 3, 2, 1, 2, 1}, r.Codes)
	assert.Equal(t, 7., r.Scale[0])
	assert.InEpsilon(t, 8./(4*4*2*255), r.Scale[1], 1e-12)
}

func TestOwn(t *testing.T) {
	shared := &Rounded{Codes: []byte{1, 2}, Scale: []float64{3}}
	c := &codesOf{Rounded: shared}
	c.own()
	c.Codes[0], c.Scale[0] = 9, 9
	again := c.Rounded
	c.own()
	assert.Same(t, again, c.Rounded, "one copy is enough")
	assert.Equal(t, &Rounded{Codes: []byte{1, 2}, Scale: []float64{3}}, shared)

	assert.True(t, allZero(nil))
	assert.True(t, allZero([]float32{0, 0}))
	assert.False(t, allZero([]float32{0, 1e-40}))
}

func TestAlike(t *testing.T) {
	a, b, wide := ir.Type{Quant: ir.Quant{Scale: 1}}, ir.Type{Quant: ir.Quant{Scale: 2}}, ir.Type{Elem: ir.Of(ir.I16), Quant: ir.Quant{Scale: 1}}
	of := func(in, out ir.Type) *ir.Node {
		return &ir.Node{Args: []*ir.Value{{Type: in}}, Out: &ir.Value{Type: out}}
	}
	c := &codesOf{done: []*ir.Node{of(a, a), of(a, b)}}
	assert.Same(t, c.done[0], c.alike(newUse(of(a, a))))
	assert.Same(t, c.done[1], c.alike(newUse(of(a, b))))
	for _, other := range []*ir.Node{of(b, a), of(b, b), of(a, wide), of(wide, a)} {
		assert.Nil(t, c.alike(newUse(other)))
	}
}

// histogramOf counts, by bin, of a range whose bins are one wide.
func histogramOf(lo float64, counts map[int]int) *histogram {
	h := newHistogram(ir.Range{Lo: lo, Hi: lo + bins})
	for i, n := range counts {
		h.counts[i] = n
	}
	return h
}

func TestHistogram(t *testing.T) {
	h := newHistogram(ir.Range{Lo: -1024, Hi: 1024})
	assert.Equal(t, 1., h.width())
	h.add([]float32{-1024, -1023.5, -1023, 0, 1022.9, 1023.5, 1024})
	h.add([]float32{-2000, 2000, 0}) // as rounding may leave them
	assert.Equal(t, histogramOf(-1024, map[int]int{0: 3, 1: 1, 1024: 2, 2046: 1, 2047: 3}).counts, h.counts)
	h = newHistogram(ir.Range{Lo: 0, Hi: 4 * bins})
	h.add(slices.Concat(make([]float32, pieceOf), slices.Repeat([]float32{5}, pieceOf), []float32{8}))
	assert.Equal(t, histogramOf(0, map[int]int{0: pieceOf, 1: pieceOf, 2: 1}).counts, h.counts)
}

func TestPercentile(t *testing.T) {
	for name, c := range map[string]struct {
		lo     float64
		counts map[int]int
		want   ir.Range
	}{
		// Of 200000 values two are cut off at either end.
		"two at either end": {-1024, map[int]int{10: 2, 20: 1, 1000: 199994, 2000: 1, 2040: 2}, ir.Range{Lo: -1004, Hi: 977}},
		"three at an end":   {-1024, map[int]int{10: 3, 1000: 199994, 2040: 3}, ir.Range{Lo: -1014, Hi: 1017}},
		"of fewer, none":    {-1024, map[int]int{10: 1, 1000: 99997, 2040: 1}, ir.Range{Lo: -1014, Hi: 1017}},
		"of 100000, one":    {-1024, map[int]int{10: 1, 1000: 99998, 2040: 1}, ir.Range{Lo: -24, Hi: 0}},
		"0 is in each":      {-3000, map[int]int{5: 7}, ir.Range{Lo: -2995, Hi: 0}},
		"on both sides":     {500, map[int]int{5: 7}, ir.Range{Lo: 0, Hi: 506}},
	} {
		h := histogramOf(c.lo, c.counts)
		assert.Equal(t, c.want, h.percentile(), name)
		assert.Equal(t, c.want, h.clip(pass.Percentile), name)
	}
}

// TestLeastError: n values near 0 and one at the end of a range of R. With a share s of
// it, the one errs by (1-s)R, and each of the others by a step of sR/255, squared and
// divided by 12: the least sum is where s/(1-s) = 12*255²/n.
func TestLeastError(t *testing.T) {
	const n = 12 * 255 * 255
	for name, c := range map[string]struct {
		lo     float64
		counts map[int]int
		want   ir.Range
	}{
		"half":        {0, map[int]int{0: n, 2047: 1}, ir.Range{Lo: 0, Hi: 1024}},
		"a third":     {0, map[int]int{0: 2 * n, 2047: 1}, ir.Range{Lo: 0, Hi: 2048. / 3}},
		"two thirds":  {0, map[int]int{0: n, 2047: 2}, ir.Range{Lo: 0, Hi: 2 * 2048. / 3}},
		"below 0":     {-2048, map[int]int{2047: n, 0: 1}, ir.Range{Lo: -1024, Hi: 0}},
		"at each end": {-1024, map[int]int{0: 1, 1024: n / 2, 2047: 1}, ir.Range{Lo: -512, Hi: 512}},
		"all of it":   {0, map[int]int{0: 1000, 2047: 1000}, ir.Range{Lo: 0, Hi: 2048}},
		"no values":   {0, nil, ir.Range{Lo: 0, Hi: 2048}},
	} {
		h := histogramOf(c.lo, c.counts)
		got := h.leastError()
		assert.Equal(t, got, h.clip(pass.LeastError), name)
		assert.InDelta(t, c.want.Lo, got.Lo, .011*2048, name) // shares are two percent apart
		assert.InDelta(t, c.want.Hi, got.Hi, .011*2048, name)
	}
}

// TestExtend looks at every piece.
func TestExtend(t *testing.T) {
	for _, n := range []int{1, pieceOf - 1, pieceOf, pieceOf + 1, 2*pieceOf + 1} {
		for _, at := range []int{0, n / 2, n - 1} {
			x := make([]float32, n)
			r := &ir.Range{Lo: -1, Hi: 1}
			extend(r, x)
			assert.Equal(t, &ir.Range{Lo: -1, Hi: 1}, r)
			x[at] = -3
			extend(r, x)
			assert.Equal(t, &ir.Range{Lo: -3, Hi: 1}, r, "%d of %d", at, n)
			x[at] = 4
			extend(r, x)
			assert.Equal(t, &ir.Range{Lo: -3, Hi: 4}, r, "%d of %d", at, n)
		}
	}
}

func TestPadded(t *testing.T) {
	for value, want := range map[float64]float64{0: 0, 3: 3, -3: -3, 1e6: 1e6, -1e6: -1e6, 1.1e6: 0, -1.1e6: 0, math.Inf(-1): 0} {
		n := &ir.Node{Op: ir.Pad}
		n.Put(ir.AttrValue.Is(value))
		assert.Equal(t, want, padded(n), "%g", value)
	}
	assert.Zero(t, padded(&ir.Node{Op: ir.Copy}))
}

func TestUnite(t *testing.T) {
	op := func(op ir.Op) *ir.Value { return &ir.Value{Def: &ir.Node{Op: op}} }
	a, b, c, other, input := op(ir.Add), op(ir.Add), op(ir.Copy), op(ir.Add), &ir.Value{}
	soft, flat, even := op(ir.Softmax), op(ir.Softmax), op(ir.Softmax)
	fresh := func() map[*ir.Value]*ir.Range {
		x, y := &ir.Range{Lo: -1, Hi: 2}, &ir.Range{Lo: -3, Hi: 1}
		return map[*ir.Value]*ir.Range{a: x, b: y, c: y, other: {Lo: -9, Hi: 9}, input: {Lo: -5, Hi: 5},
			soft: fixedRange(soft.Def), flat: {Lo: 0, Hi: .1}, even: {Lo: 0, Hi: .2}}
	}
	ranges := fresh()
	unite(ranges, membersOf(ranges), a, b)
	assert.Equal(t, &ir.Range{Lo: -3, Hi: 2}, ranges[a])
	assert.Same(t, ranges[a], ranges[b])
	assert.Same(t, ranges[a], ranges[c], "it had the range of one")
	assert.Equal(t, &ir.Range{Lo: -9, Hi: 9}, ranges[other])
	unite(ranges, membersOf(ranges), flat, even)
	assert.Equal(t, &ir.Range{Lo: 0, Hi: .2}, ranges[flat])
	assert.Same(t, ranges[flat], ranges[even], "shares whose ranges were cut")
	for name, pair := range map[string][2]*ir.Value{
		"a value with itself": {a, a}, "fixed": {soft, flat}, "fixed, the second": {flat, soft}, "an input": {input, a}, "an input, the second": {a, input},
		"of no range": {op(ir.Add), a}, "of no range, the second": {a, op(ir.Add)},
	} {
		ranges = fresh()
		unite(ranges, membersOf(ranges), pair[0], pair[1])
		assert.Equal(t, fresh(), ranges, name)
	}
}

// TestMergeOfMany: the range of more values survives a merge, as wide as the one that was asked for.
func TestMergeOfMany(t *testing.T) {
	few, many := &ir.Range{Lo: -1, Hi: 2}, &ir.Range{Lo: -3, Hi: 1}
	a, b, c, left := &ir.Value{}, &ir.Value{}, &ir.Value{}, &ir.Value{}
	ranges := map[*ir.Value]*ir.Range{a: few, b: many, c: many, left: many}
	of := membersOf(ranges)
	ranges[left] = &ir.Range{Hi: 9} // it has another one now
	assert.Same(t, many, of.merge(ranges, many, few))
	assert.Equal(t, map[*ir.Value]*ir.Range{a: {Lo: -1, Hi: 2}, b: {Lo: -1, Hi: 2}, c: {Lo: -1, Hi: 2}, left: {Hi: 9}}, ranges)
	assert.Same(t, ranges[a], ranges[b])
	assert.Same(t, many, of.merge(ranges, many, many))
	assert.Len(t, of[many], 4, "left is in the list, and in ranges no more")
}

// append adds an operation, whose result is the network's.
func (d *drawn) append(t *testing.T, op ir.Op, name string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	t.Helper()
	before := d.m.Ops
	n := d.op(t, op, nil, args, attrs...)
	n.Out.Name = name
	d.m.Ops = append(slices.Clone(before), n)
	return n.Out
}

// TestShareSteps: steps of a recurrence have the ranges of each other, as far as they
// are alike.
func TestShareSteps(t *testing.T) {
	for name, c := range map[string]struct {
		second string // function of the second step
		want   map[string][2]float64
	}{
		"alike":      {"tanh", map[string][2]float64{"a": {-3, 4}, "b": {-.5, .75}, "c": {-7, 8}, "d": {-3, 4}, "e": {-.5, .75}, "f": {-7, 8}}},
		"no further": {"", map[string][2]float64{"a": {-3, 4}, "b": {-.5, .25}, "c": {-1, 2}, "d": {-3, 4}, "e": {-.25, .75}, "f": {-7, 8}}},
	} {
		d := draw(0)
		w := ir.AttrWeight.Is(d.constant("w", ir.Shape{2, 2}, []float32{1, 2, 3, 4}))
		x := d.input("x", &ir.Range{Lo: -1, Hi: 1}, 2)
		fn := ir.AttrFn.Is("tanh")
		a := d.append(t, ir.Linear, "a", []*ir.Value{x}, w)
		b := d.append(t, ir.Table, "b", []*ir.Value{a}, fn)
		cc := d.append(t, ir.Requantize, "c", []*ir.Value{b})
		dd := d.append(t, ir.Linear, "d", []*ir.Value{x}, w)
		e := d.append(t, ir.Requantize, "e", []*ir.Value{dd})
		if c.second != "" {
			d.m.Ops = d.m.Ops[:4]
			e = d.append(t, ir.Table, "e", []*ir.Value{dd}, fn)
		}
		f := d.append(t, ir.Requantize, "f", []*ir.Value{e})
		ranges := map[*ir.Value]*ir.Range{x: {Lo: -1, Hi: 1}, a: {Lo: -3, Hi: 2}, b: {Lo: -.5, Hi: .25}, cc: {Lo: -1, Hi: 2}, dd: {Lo: -1, Hi: 4}, e: {Lo: -.25, Hi: .75}, f: {Lo: -7, Hi: 8}}
		shareSteps(d.m, ranges)
		got := map[string][2]float64{}
		for v, r := range ranges {
			if v != x {
				got[v.Name] = [2]float64{r.Lo, r.Hi}
			}
		}
		assert.Equal(t, c.want, got, name)
	}
}

// TestCalibrateSeesAllImages: each is the one with the greatest value in its turn, however
// few are in memory at a time; those of one image take 16 bytes.
func TestCalibrateSeesAllImages(t *testing.T) {
	const images = 130
	for _, memory := range []int{0, 16, 40 * 8} {
		for _, at := range []int{0, 1, 63, 64, 127, 128, images - 1} {
			d := draw(0)
			x := d.input("x", &ir.Range{Lo: -8, Hi: 8}, 2)
			y := d.append(t, ir.Add, "y", []*ir.Value{x, x})
			b := data.Batch{N: images, Shape: []int{2}, X: make([]float32, 2*images)}
			b.X[2*at], b.X[2*at+1] = -2, 3
			env := &pass.Env{MaxMemory: memory, Calibration: func() (data.Batch, error) { return b, nil }}
			require.NoError(t, Calibrate(context.Background(), d.m, env))
			assert.Equal(t, &ir.Range{Lo: -4, Hi: 6}, y.Range, "image %d", at)
		}
	}
}

// TestCalibrateCuts: an outlier in a million values is cut off only where it is asked for.
func TestCalibrateCuts(t *testing.T) {
	for ranges, want := range map[string][2]float64{"": {800, 800}, pass.MinMax: {800, 800}, pass.Percentile: {1, 3}, pass.LeastError: {560, 592}} {
		d := draw(0)
		x := d.input("x", &ir.Range{Lo: 0, Hi: 400}, 1000)
		y := d.append(t, ir.Add, "y", []*ir.Value{x, x})
		b := data.Batch{N: 300, Shape: []int{1000}, X: slices.Repeat([]float32{1}, 300*1000)}
		b.X[70*1000+5] = 400
		env := &pass.Env{Ranges: ranges, Calibration: func() (data.Batch, error) { return b, nil }}
		require.NoError(t, Calibrate(context.Background(), d.m, env))
		assert.Zero(t, y.Range.Lo)
		assert.True(t, want[0] <= y.Range.Hi && y.Range.Hi <= want[1], "%s: %v", ranges, y.Range)
	}
}

// TestCalibrateRefuses what is no number in the end.
func TestCalibrateRefuses(t *testing.T) {
	for name, weights := range map[string][]float32{"infinite": {3e38, 3e38}, "below": {-3e38, -3e38}} {
		d := draw(0)
		x := d.input("x", &ir.Range{Lo: 0, Hi: 1}, 2)
		y := d.append(t, ir.Linear, "y", []*ir.Value{x}, ir.AttrWeight.Is(d.constant("w", ir.Shape{1, 2}, weights)))
		env := &pass.Env{Calibration: func() (data.Batch, error) {
			return data.Batch{N: 1, Shape: []int{2}, X: []float32{1, 1}}, nil
		}}
		assert.ErrorContains(t, Calibrate(context.Background(), d.m, env), "y takes values that are not finite", name)
		// The difference of two is no number at all.
		d.append(t, ir.Sub, "z", []*ir.Value{y, y})
		d.m.Ops[0].Op = ir.Linear
		assert.ErrorContains(t, Calibrate(context.Background(), d.m, env), "not finite", name)
	}
}

// TestBounds of an activation are integers of the result.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		act    string
		zero   int
		lo, hi int
	}{{"relu", -28, -28, 127}, {"relu6", -28, -28, -16}, {"relu6", 125, 125, 127}, {"none", -28, -128, 127}} {
		d := draw(0)
		n := d.op(t, ir.Requantize, nil, []*ir.Value{d.input("x", nil, 4)}, ir.AttrAct.Is(c.act))
		n.Out.Type.Quant = ir.Quant{Scale: .5, Zero: c.zero}
		setBounds(n)
		assert.Equal(t, []int{c.lo, c.hi}, []int{n.Int(ir.AttrLo), n.Int(ir.AttrHi)}, "%v", c)
		assert.False(t, n.Has(ir.AttrAct))
	}
}

// TestPadOfIntegers: the value of a constant pad becomes the nearest integer.
func TestPadOfIntegers(t *testing.T) {
	for _, c := range []struct {
		mode  string
		value float64
		want  float64
	}{
		{ir.PadConstant, 0, -28}, {ir.PadConstant, 5, -18}, {ir.PadConstant, 5.2, -18}, {ir.PadConstant, 5.3, -17}, {ir.PadConstant, -1e9, -128}, {ir.PadConstant, 1e9, 127},
		{ir.PadReflect, 5, 5},
	} {
		n := &ir.Node{Op: ir.Pad, Out: &ir.Value{Type: ir.Type{Quant: ir.Quant{Scale: .5, Zero: -28}}}}
		n.Put(ir.AttrMode.Is(c.mode), ir.AttrValue.Is(c.value))
		require.NoError(t, lowerPad(nil, n))
		assert.Equal(t, c.want, n.Float(ir.AttrValue), "%v", c)
	}
}

// TestSetNarrow: at most 2^31-1 in a sum.
func TestSetNarrow(t *testing.T) {
	for _, c := range []struct {
		terms, most int64
		isFine      bool
	}{{1, 1<<31 - 1, true}, {1, 1 << 31, false}, {1 << 16, 1<<15 - 1, true}, {1 << 16, 1 << 15, false}} {
		d := draw(0)
		n := d.op(t, ir.Requantize, nil, []*ir.Value{d.input("x", nil, 4)})
		err := setNarrow(d.m, n, []float64{.5}, c.terms, c.most)
		if !c.isFine {
			assert.ErrorContains(t, err, fmt.Sprintf("sums of %d elements do not fit 32 bits", c.terms))
			assert.ErrorContains(t, err, fmt.Sprintf("at most %d elements", (geometry.NarrowReach-1)/c.most))
			continue
		}
		require.NoError(t, err)
		mul, err := n.Const(ir.AttrMul).Int32()
		require.NoError(t, err)
		shift, err := n.Const(ir.AttrShift).Int32()
		require.NoError(t, err)
		assert.Equal(t, .5, math.Ldexp(float64(mul[0]), -int(shift[0])))
	}
}

// TestIsInflated: weights that move no result, and codes that do.
func TestIsInflated(t *testing.T) {
	d := draw(0)
	n := d.op(t, ir.Linear, nil, []*ir.Value{d.input("x", nil, 2)}, ir.AttrWeight.Is(d.constant("w", ir.Shape{2, 2}, make([]float32, 4))))
	uses := []use{{in: 1, out: 1, least: -128, greatest: 127}}
	for _, c := range []struct {
		scale    float64
		original []float32
		want     bool
	}{
		{1, []float32{1e-6, -1e-6}, true}, {1, []float32{64, -64}, false}, {1e-9, []float32{1e-6, -1e-6}, false},
		{1, []float32{.002, 0}, false}, {1, []float32{-.002, 0}, false}, {1, []float32{0, 0}, true},
	} {
		r := &codesOf{Rounded: &Rounded{Elem: ir.CodeOf(1), Book: []int8{64, -64}, Scale: []float64{0, c.scale}, Codes: []byte{1, 1, 0, 1}}}
		assert.Equal(t, c.want, r.isInflated(n, 1, c.original, uses), "%v", c)
	}
}

// TestTablesAreShared by those of one function between the same types, only.
func TestTablesAreShared(t *testing.T) {
	d := draw(0)
	wide, narrow := &ir.Range{Lo: -2, Hi: 2}, &ir.Range{Lo: -1, Hi: 1}
	x, y := d.input("x", wide, 4), d.input("y", narrow, 4)
	var ops []*ir.Node
	table := func(name string, arg *ir.Value, out *ir.Range, fn string, params ...float64) {
		v := d.append(t, ir.Table, name, []*ir.Value{arg}, ir.AttrFn.Is(fn))
		if params != nil {
			v.Def.Put(ir.AttrParams.Is(params))
		}
		v.Range = out
		v.Type.Quant, arg.Type.Quant = quantFor(*out), quantFor(*arg.Range)
		ops = append(ops, v.Def)
	}
	table("a", x, narrow, "tanh")
	table("c", x, narrow, "sigmoid")
	table("d", y, narrow, "tanh")
	table("e", x, wide, "tanh")
	table("f", x, narrow, "leakyrelu", .25)
	table("g", x, narrow, "leakyrelu", .5)
	table("b", x, narrow, "tanh")
	var others []*ir.Const
	for _, n := range ops {
		require.NoError(t, lowerTable(&lowering{m: d.m}, n))
		others = append(others, n.Const(ir.AttrTable))
		require.NotNil(t, n.Const(ir.AttrTable))
	}
	assert.Same(t, others[0], others[6])
	others = others[:6]
	for i, a := range others {
		for _, b := range others[:i] {
			assert.NotSame(t, a, b)
			assert.NotEqual(t, a.Data, b.Data, "%s and %s", a.Name, b.Name)
		}
	}
}

// TestFunctionsThatRepeat: an argument whose steps pass over periods tells nothing, and one
// within a few of them does; tan has poles.
func TestFunctionsThatRepeat(t *testing.T) {
	d := draw(0)
	for i, c := range []struct {
		fn       string
		reach    float64
		expected string
	}{
		{"sin", 100, ""}, {"cos", 100, ""}, {"tanh", 1e6, ""}, {"tan", 1.5, ""},
		{"sin", 200, "the function repeats each 6.28"}, {"cos", 1e20, "the function repeats each 6.28"}, {"tan", 1.6, "reaches a pole"},
	} {
		x := d.input(fmt.Sprintf("x%d", i), nil, 4)
		x.Type.Quant = quantFor(ir.Range{Lo: -c.reach, Hi: c.reach})
		y := d.append(t, ir.Table, fmt.Sprintf("y%d", i), []*ir.Value{x}, ir.AttrFn.Is(c.fn))
		y.Type.Quant = quantFor(ir.Range{Lo: -1, Hi: 1})
		err := lowerTable(&lowering{m: d.m}, y.Def)
		if c.expected == "" {
			assert.NoError(t, err, "%s of %g", c.fn, c.reach)
			continue
		}
		assert.ErrorContains(t, err, c.expected, "%s of %g", c.fn, c.reach)
	}
}

// TestWidenResults: a result of values has 16 bits where float32 holds all that they stand for, and so
// has what it is made of.
func TestWidenResults(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   bool
	}{{0, 1, true}, {-1e38, 0, true}, {-1, 1.6e38, true}, {-1, 1.8e38, false}, {0, 1e-33, true}, {0, 1e-34, false}} {
		made := func(task string) *ir.Module {
			x, r := &ir.Value{Name: "x"}, &ir.Range{Lo: c.lo, Hi: c.hi}
			n := &ir.Node{Op: ir.Linear, Args: []*ir.Value{x}}
			n.Out = &ir.Value{Name: "y", Def: n, Range: r}
			k := &ir.Node{Op: ir.Reshape, Args: []*ir.Value{n.Out}}
			k.Out = &ir.Value{Name: "z", Def: k, Range: r}
			m := &ir.Module{Inputs: []*ir.Value{x}, Ops: []*ir.Node{n, k}, Outputs: []*ir.Value{k.Out}, Tasks: []ir.Task{{Name: task, Axis: ir.NoAxis}}}
			widenResults(m)
			return m
		}
		m := made(ir.Values)
		assert.Equal(t, c.want, m.Ops[0].Out.Wide, "%v", c)
		assert.Equal(t, c.want, m.Outputs[0].Wide, "%v", c)
		assert.Equal(t, c.want, ResultStep(m, 0) != (c.hi-c.lo)/255, "%v", c)
		assert.False(t, made(ir.Multilabel).Outputs[0].Wide)
	}
}

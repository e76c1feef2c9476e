package geometry

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// value is an i8 argument with a zero point.
func value(name string, zero int, shape ...int) *ir.Value {
	return &ir.Value{Name: name, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: shape, Quant: ir.Quant{Scale: 1, Zero: zero}}}
}

// node is an operation whose result is named y, with a zero point.
func node(op ir.Op, zero int, out ir.Shape, args ...*ir.Value) *ir.Node {
	n := &ir.Node{Op: op, Args: args, Out: value("y", zero, out...)}
	n.Out.Def = n
	return n
}

func ints(name string, kind ir.Kind, x ...int64) *ir.Const {
	return ir.IntConst(name, ir.Of(kind), ir.Shape{len(x)}, x)
}

// absent are data that cannot be read.
type absent struct{}

func (absent) Load() ([]byte, error) { return nil, assert.AnError }

func broken(c *ir.Const) *ir.Const {
	b := *c
	b.Data = absent{}
	return &b
}

// TestWindowOfConvolution: a convolution of an image of 7x9 with all numbers different.
func TestWindowOfConvolution(t *testing.T) {
	n := node(ir.Conv2D, 0, ir.Shape{4, 4, 3}, value("x", 0, 6, 7, 9))
	n.Put(ir.AttrWeight.Is(ir.IntConst("w", ir.Of(ir.I8), ir.Shape{4, 3, 3, 2}, make([]int64, 72))), ir.AttrGroups.Is(2),
		ir.AttrPad.Is([]int{2, 1, 1, 0}), ir.AttrStride.Is([]int{2, 3}), ir.AttrDilation.Is([]int{1, 3}))
	g := WindowOf(n)
	assert.Equal(t, Window{InC: 6, InH: 7, InW: 9, OutC: 4, KH: 3, KW: 2, StrideH: 2, StrideW: 3, PadT: 2, PadL: 1, PadB: 1, PadR: 0, DilH: 1, DilW: 3, Groups: 2}, g)
	assert.Equal(t, 4, g.OutH(), "7+2+1 rows, windows of 3 at 0, 2, 4 and 6")
	assert.Equal(t, 3, g.OutW(), "9+1 columns, windows over 4 at 0, 3 and 6")
	assert.Equal(t, 3*3*2, g.K())
	assert.Nil(t, n.Const(ir.AttrBias))
}

// TestWindowOfPooling: each channel is a group, and the step is the window's size.
func TestWindowOfPooling(t *testing.T) {
	n := node(ir.MaxPool2D, 0, ir.Shape{5, 3, 2}, value("x", 0, 5, 6, 6))
	n.Put(ir.AttrKernel.Is([]int{2, 3}))
	g := WindowOf(n)
	assert.Equal(t, Window{InC: 5, InH: 6, InW: 6, OutC: 5, KH: 2, KW: 3, StrideH: 2, StrideW: 3, DilH: 1, DilW: 1, Groups: 5}, g)
	assert.Equal(t, []int{3, 2, 6}, []int{g.OutH(), g.OutW(), g.K()})
}

// TestWindowAt walks the taps of the corner windows of an image of 4x5.
func TestWindowAt(t *testing.T) {
	g := Window{InC: 1, InH: 4, InW: 5, OutC: 1, KH: 2, KW: 2, StrideH: 3, StrideW: 2, PadT: 1, PadL: 2, PadB: 3, PadR: 1, DilH: 2, DilW: 3, Groups: 1}
	require.Equal(t, []int{2, 3}, []int{g.OutH(), g.OutW()})
	for _, c := range []struct {
		oy, ox, ky, kx, y, x int
		ok                   bool
	}{
		{0, 0, 0, 0, -1, -2, false},
		{0, 0, 0, 1, -1, 1, false}, // above
		{0, 0, 1, 0, 1, -2, false}, // on the left
		{0, 0, 1, 1, 1, 1, true},
		{0, 1, 1, 0, 1, 0, true}, // the first column
		{0, 1, 1, 1, 1, 3, true},
		{0, 2, 1, 1, 1, 5, false}, // the first column that is not
		{1, 0, 0, 1, 2, 1, true},
		{1, 0, 1, 1, 4, 1, false}, // the first row that is not
		{1, 2, 0, 0, 2, 2, true},
	} {
		y, x, ok := g.At(c.oy, c.ox, c.ky, c.kx)
		assert.Equal(t, []any{c.y, c.x, c.ok}, []any{y, x, ok}, "%+v", c)
	}
	edge := Window{InC: 1, InH: 3, InW: 3, OutC: 1, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	y, x, ok := edge.At(0, 0, 0, 0)
	assert.Equal(t, []any{0, 0, true}, []any{y, x, ok}, "the first row and column")
	_, _, ok = edge.At(0, 0, 2, 2)
	assert.True(t, ok, "the last row and column")
	_, _, ok = edge.At(1, 0, 2, 0)
	assert.False(t, ok)
}

// TestPhysical: images lie in height, width, channel order.
func TestPhysical(t *testing.T) {
	image := ir.Shape{2, 3, 4}
	assert.Equal(t, 0, Physical(image, 0, 0, 0))
	assert.Equal(t, 1, Physical(image, 1, 0, 0))
	assert.Equal(t, 2, Physical(image, 0, 0, 1))
	assert.Equal(t, 8, Physical(image, 0, 1, 0))
	assert.Equal(t, (2*4+3)*2+1, Physical(image, 1, 2, 3))
	assert.Equal(t, 5, Physical(ir.Shape{9}, 5, 0, 0))
	assert.Equal(t, []int{0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11}, Order(ir.Shape{2, 2, 3}), "channel 1 begins at logical 6")
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5}, Order(ir.Shape{2, 3}))
}

func TestBounds(t *testing.T) {
	for act, want := range map[string][2]float64{
		ir.ActNone: {math.Inf(-1), math.Inf(1)}, ir.ActRelu: {0, math.Inf(1)}, ir.ActRelu6: {0, 6},
	} {
		lo, hi := Bounds(act)
		assert.Equal(t, want, [2]float64{lo, hi}, act)
	}
}

// TestRows brings the axes of a reduction to the end.
func TestRows(t *testing.T) {
	reduce := func(axes ...int) *ir.Node {
		n := node(ir.Reduce, 0, ir.Shape{1}, value("x", 0, 2, 3, 2))
		n.Put(ir.AttrAxes.Is(axes))
		return n
	}
	at, length := Rows(reduce(2))
	assert.Nil(t, at, "the last axis: in order")
	assert.Equal(t, 2, length)
	at, length = Rows(reduce(1, 2))
	assert.Nil(t, at)
	assert.Equal(t, 6, length)
	at, length = Rows(reduce(1))
	assert.Equal(t, []int32{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}, at)
	assert.Equal(t, 3, length)
	at, length = Rows(reduce(0, 2))
	assert.Equal(t, []int32{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}, at)
	assert.Equal(t, 4, length)
	softmax := node(ir.Softmax, 0, ir.Shape{2, 2}, value("x", 0, 2, 2))
	at, length = Rows(softmax)
	assert.Equal(t, []int32{0, 2, 1, 3}, at, "axis 0")
	assert.Equal(t, 2, length)
}

func TestReductionOf(t *testing.T) {
	for word, want := range map[string]Reduction{ir.ReduceMean: Mean, ir.ReduceSum: Sum, ir.ReduceMax: Greatest, ir.ReduceMin: Least} {
		n := node(ir.Reduce, 0, ir.Shape{1}, value("x", 0, 2))
		n.Put(ir.AttrFn.Is(word))
		assert.Equal(t, want, ReductionOf(n), word)
	}
}

func TestMatMulSizes(t *testing.T) {
	for _, c := range []struct {
		a, b ir.Shape
		want [4]int
	}{
		{ir.Shape{2, 3}, ir.Shape{3, 5}, [4]int{1, 2, 3, 5}},
		{ir.Shape{7, 2, 3}, ir.Shape{7, 3, 5}, [4]int{7, 2, 3, 5}},
	} {
		batch, m, k, cols := MatMulSizes(node(ir.MatMul, 0, nil, value("a", 0, c.a...), value("b", 0, c.b...)))
		assert.Equal(t, c.want, [4]int{batch, m, k, cols})
	}
}

// TestIntWeights decodes each kind of format (R1).
func TestIntWeights(t *testing.T) {
	layer := func(elem ir.Elem, shape ir.Shape, codes []byte, book ...int64) *ir.Node {
		n := node(ir.Conv2D, 0, ir.Shape{1, 1, 1}, value("x", 0, 3, 1, 2))
		n.Put(ir.AttrWeight.Is(&ir.Const{Name: "w", Type: ir.Type{Elem: elem, Shape: shape}, Data: ir.Bytes(codes)}))
		if book != nil {
			n.Put(ir.AttrCodebook.Is(ints("book", ir.I8, book...)))
		}
		return n
	}
	for _, c := range []struct {
		n    *ir.Node
		want []int32
	}{
		{layer(ir.Of(ir.I8), ir.Shape{1, 1, 1, 3}, []byte{0, 127, 128}), []int32{0, 127, -128}},
		{layer(ir.OddOf(1), ir.Shape{1, 1, 1, 2}, []byte{0, 1}), []int32{-1, 1}},
		{layer(ir.OddOf(3), ir.Shape{1, 1, 1, 4}, []byte{0, 3, 4, 7}), []int32{-7, -1, 1, 7}},
		{layer(ir.TwoOf(3), ir.Shape{1, 1, 1, 4}, []byte{0, 3, 4, 7}), []int32{-8, -2, 0, 6}},
		{layer(ir.CodeOf(2), ir.Shape{1, 1, 1, 4}, []byte{3, 0, 1, 2}, 5, -6, 7, -128), []int32{-128, 5, -6, 7}},
		// Two rows of three channels and two taps in groups of two channels: codes of a row
		// are tap 0 of channels 0 and 1, tap 0 of channel 2, then tap 1.
		{layer(ir.VecOf(1, 2), ir.Shape{2, 3, 1, 2}, []byte{0, 1, 1, 0, 1, 1, 0, 0}, 10, 20, 30, 40),
			[]int32{10, 30, 20, 40, 30, 10, 30, 10, 40, 20, 30, 10}},
	} {
		w, err := IntWeights(c.n)
		require.NoError(t, err)
		assert.Equal(t, c.want, w)
	}
	_, err := IntWeights(layer(ir.Of(ir.I32), ir.Shape{1, 1, 1, 1}, make([]byte, 4)))
	assert.ErrorContains(t, err, "weights of i32 have no decoder")
	n := layer(ir.Of(ir.I8), ir.Shape{1, 1, 1, 3}, []byte{0, 127, 128})
	n.Put(ir.AttrWeight.Is(broken(n.Const(ir.AttrWeight))))
	_, err = IntWeights(n)
	assert.ErrorIs(t, err, assert.AnError)
	n = layer(ir.CodeOf(1), ir.Shape{1, 1, 1, 1}, []byte{0}, 1, 2)
	n.Put(ir.AttrCodebook.Is(broken(n.Const(ir.AttrCodebook))))
	_, err = IntWeights(n)
	assert.ErrorIs(t, err, assert.AnError)
}

// TestEmbeddingData: a table names rows that there are, and 16 bits need none.
func TestEmbeddingData(t *testing.T) {
	table := make([]int64, 256)
	table[255] = 2
	make16 := func(kind ir.Kind, table *ir.Const) *ir.Node {
		x := value("x", 0, 4)
		x.Type.Elem = ir.Of(kind)
		n := node(ir.Embedding, 0, ir.Shape{4, 2}, x)
		n.Put(ir.AttrRows.Is(ir.IntConst("rows", ir.Of(ir.I8), ir.Shape{3, 2}, []int64{1, 2, 3, 4, 5, 6})), ir.AttrTable.Is(table))
		return n
	}
	good := ints("table", ir.U8, table...)
	got, rows, err := EmbeddingData(make16(ir.I8, good))
	require.NoError(t, err)
	assert.Equal(t, byte(2), got[255])
	assert.Equal(t, []byte{1, 2, 3, 4, 5, 6}, rows)
	got, rows, err = EmbeddingData(make16(ir.I16, nil))
	require.NoError(t, err)
	assert.Nil(t, got)
	assert.Equal(t, []byte{1, 2, 3, 4, 5, 6}, rows)

	wide := func(kind ir.Kind) *ir.Node { // rows of more bytes than elements
		n := make16(kind, good)
		n.Put(ir.AttrRows.Is(ir.IntConst("rows", ir.Of(ir.I16), ir.Shape{3, 2}, make([]int64, 6))))
		return n
	}
	lost := make16(ir.I8, good)
	lost.Put(ir.AttrRows.Is(broken(lost.Const(ir.AttrRows))))
	table[7] = 3
	for want, n := range map[string]*ir.Node{
		"y has no table": make16(ir.I8, nil),
		"y has a table of 256 entries for i8[3,2]":  make16(ir.I8, ints("table", ir.U8, table...)), // row 3 of 3
		"y has a table of 255 entries for i8[3,2]":  make16(ir.I8, ints("table", ir.U8, make([]int64, 255)...)),
		"y has a table of 256 entries for i16[3,2]": wide(ir.I8),
		"y has 12 bytes for i16[3,2]":               wide(ir.I16),
		assert.AnError.Error():                      lost,
	} {
		_, _, err := EmbeddingData(n)
		assert.ErrorContains(t, err, want)
	}
	_, _, err = EmbeddingData(make16(ir.I8, broken(good)))
	assert.ErrorIs(t, err, assert.AnError)
}

// TestRequantOf reads what quantize wrote.
func TestRequantOf(t *testing.T) {
	n := node(ir.Linear, -3, ir.Shape{2}, value("x", 0, 2))
	n.Put(ir.AttrMul.Is(ints("mul", ir.I32, 1<<30, 5)), ir.AttrShift.Is(ints("shift", ir.I32, 31, 40)), ir.AttrLo.Is(-3), ir.AttrHi.Is(90))
	q, err := RequantOf(n)
	require.NoError(t, err)
	assert.Equal(t, &Requant{Mul: []int32{1 << 30, 5}, Shift: []int32{31, 40}, Rounding: RoundHalfUp, Zero: -3, Lo: -3, Hi: 90}, q)
	for word, want := range map[string]Rounding{ir.RoundTFLite: RoundTFLite, ir.RoundTwice: RoundTwice, ir.RoundEven: RoundEven} {
		n.Put(ir.AttrRound.Is(word))
		q, err = RequantOf(n)
		require.NoError(t, err)
		assert.Equal(t, want, q.Rounding)
	}
	for _, key := range []ir.Key[*ir.Const]{ir.AttrMul, ir.AttrShift} {
		whole := n.Const(key)
		n.Put(key.Is(broken(whole)))
		_, err = RequantOf(n)
		assert.ErrorIs(t, err, assert.AnError, key.String())
		n.Put(key.Is(whole))
	}
}

// TestApply: factors of 1/2 and 1/4 for two channels, or one for all; ties go up in R6,
// away from zero in R8; the zero point is added, then the bounds hold (R9).
func TestApply(t *testing.T) {
	two := &Requant{Mul: []int32{1 << 30, 1 << 30}, Shift: []int32{31, 32}, Zero: 10, Lo: -100, Hi: 100}
	one := &Requant{Mul: []int32{1 << 30}, Shift: []int32{32}, Zero: 10, Lo: -100, Hi: 100}
	tflite := &Requant{Mul: []int32{1 << 30, 1 << 30}, Shift: []int32{31, 32}, Rounding: RoundTFLite, Zero: 10, Lo: -100, Hi: 100}
	for _, c := range []struct {
		q       *Requant
		acc     int64
		channel int
		want    int8
	}{
		{two, 7, 0, 14}, {two, 7, 1, 12}, {two, -7, 0, 7}, {two, -6, 1, 9}, {two, -1000, 0, -100}, {two, 1000, 0, 100},
		{one, 6, 0, 12}, {one, 6, 5, 12},
		{tflite, 6, 1, 12}, {tflite, -6, 1, 8}, {tflite, -6, 0, 7}, {tflite, 1000, 1, 100},
	} {
		assert.Equal(t, c.want, c.q.Apply(c.acc, c.channel), "%+v", c)
		y := make([]int8, 2)
		c.q.Line([]int32{int32(c.acc) - 3, int32(c.acc) - 4}, 3, c.channel, y)
		assert.Equal(t, []int8{c.want, c.q.Apply(c.acc-1, c.channel)}, y, "%+v of a line", c)
	}
	assert.Equal(t, int8(12), two.ApplyWide(7, 1))
	assert.Equal(t, int8(14), two.ApplyWide(7, 0))
	assert.Equal(t, int8(12), one.ApplyWide(6, 5))
}

// TestNarrow: 16 bits of the multiplier are dropped, the half of them rounds up (R7).
func TestNarrow(t *testing.T) {
	for m, want := range map[int32]int32{1 << 30: 1 << 14, 1<<30 + 1<<15 - 1: 1 << 14, 1<<30 + 1<<15: 1<<14 + 1, math.MaxInt32: 1 << 15, 0: 0} {
		got, r := Narrow(m, 40)
		assert.Equal(t, want, got, m)
		assert.Equal(t, int32(24), r)
	}
}

// TestR8ByHand: a factor of 3 is shifted left first; one of 2^-2 rounds twice.
func TestR8ByHand(t *testing.T) {
	for _, c := range []struct{ a, m, r, want, up int32 }{
		{5, 3 << 29, 29, 15, 15}, {-5, 3 << 29, 29, -15, -15}, // 3*2^29 * 2^-29
		{5, 1 << 30, 30, 5, 5},
		{3, 1 << 30, 31, 2, 2}, {-3, 1 << 30, 31, -1, -1}, // 1.5 and -1.5: the high multiply rounds up
		{6, 1 << 30, 32, 2, 2}, {-6, 1 << 30, 32, -2, -1}, // +-1.5: the shift rounds away from zero, or up
		{5, 1 << 30, 32, 2, 2},                                 // 2.5 is 3, and 3/2 is 2: the double rounding
		{-10, 1 << 30, 33, -1, -1}, {-12, 1 << 30, 33, -2, -1}, // -1.25 and -1.5
		{1 << 30, 1 << 30, 33, 1 << 27, 1 << 27},
	} {
		assert.Equal(t, c.want, RequantTFLite(c.a, c.m, c.r), "%+v", c)
		assert.Equal(t, c.up, RequantTwice(c.a, c.m, c.r), "%+v", c)
		assert.Equal(t, int64(c.want), RoundTFLite.Of(int64(c.a), c.m, c.r), "%+v", c)
		assert.Equal(t, int64(c.up), RoundTwice.Of(int64(c.a), c.m, c.r), "%+v", c)
	}
	assert.Equal(t, int32(math.MinInt32+1), doublingHigh(math.MinInt32, math.MaxInt32))
	assert.Equal(t, int32(1<<30), doublingHigh(math.MinInt32, -1<<30), "one of them least does not saturate")
}

// TestEvenByHand: halves go to the even neighbour, all else to the nearest, also where the
// only bit after a half is the last one of the product.
func TestEvenByHand(t *testing.T) {
	for _, c := range []struct {
		a    int64
		m, r int32
		want int64
	}{
		{1, 1 << 30, 31, 0}, {3, 1 << 30, 31, 2}, {5, 1 << 30, 31, 2}, {-1, 1 << 30, 31, 0}, {-3, 1 << 30, 31, -2}, {-5, 1 << 30, 31, -2},
		{1, 1<<30 + 1, 31, 1}, {5, 1<<30 + 1, 31, 3}, {-5, 1<<30 + 1, 31, -3}, {3, 1<<30 - 1, 31, 1},
		{7, 1 << 30, 32, 2}, {6, 1 << 30, 32, 2}, {2, 1 << 30, 32, 0}, {-6, 1 << 30, 32, -2},
		{1, 3 << 29, 1, 3 << 28}, {1<<31 - 1, math.MaxInt32, 62, 1}, {-1 << 31, math.MaxInt32, 62, -1}, {1 << 30, 1 << 30, 61, 0}, {1<<30 + 1, 1 << 30, 61, 1},
		{12345, 0, 33, 0},
	} {
		assert.Equal(t, c.want, RequantEven(c.a, c.m, c.r), "%+v", c)
		assert.Equal(t, c.want, RoundEven.Of(c.a, c.m, c.r), "%+v", c)
	}
	// Against rationals.
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, m, r := rng.Int64N(1<<32)-1<<31, rng.Int32N(1<<30)+1<<30, rng.Int32N(62)+1
		if rng.IntN(2) == 0 { // many ties
			a, m = a>>20<<rng.IntN(20), m>>24<<24
		}
		p := new(big.Int).Mul(big.NewInt(a), big.NewInt(int64(m)))
		whole, rest := new(big.Int).DivMod(p, new(big.Int).Lsh(big.NewInt(1), uint(r)), new(big.Int))
		want := whole.Int64()
		if c := rest.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(r-1))); c > 0 || c == 0 && want&1 != 0 {
			want++
		}
		require.Equal(t, want, RequantEven(a, m, r), "%d * %d >> %d", a, m, r)
	}
}

// TestMultiplierBounds: mantissas that round up to 2^31, and the ends of the shifts.
func TestMultiplierBounds(t *testing.T) {
	for _, c := range []struct {
		real       float64
		mul, shift int32
	}{
		{1, 1 << 30, 30}, {.5, 1 << 30, 31}, {.75, 3 << 29, 31}, {1 - 1e-12, 1 << 30, 30}, {1<<30 - 1, 1<<31 - 2, 1},
		{math.Ldexp(1, -32), 1 << 30, 62}, {math.Ldexp(.99, -32), 0, 33}, {0, 0, 33},
	} {
		mul, shift, err := MultiplierFor(c.real)
		require.NoError(t, err)
		assert.Equal(t, []int32{c.mul, c.shift}, []int32{mul, shift}, "%v", c.real)
	}
	_, _, err := MultiplierFor(1 << 30)
	assert.EqualError(t, err, "the factor 1.073741824e+09 is 2^30 or more")
}

func TestReach(t *testing.T) {
	assert.Equal(t, int64(7+200*6), Reach(-7, []int32{1, -2, 3}, -200, 55))
	assert.Equal(t, int64(7+200*6), Reach(7, []int32{1, -2, 3}, -55, 200))
	assert.Equal(t, int64(5), Reach(5, nil, -128, 127))
}

// TestAddParams are R13's: arguments to twice the greater scale, the result from it.
func TestAddParams(t *testing.T) {
	p, err := NewAddParams(RoundHalfUp, .5, 1, .25, 2, 1, 3, -4, 5)
	require.NoError(t, err)
	// Arguments: .5/1 = 2^30*2^-31 and .25/1 = 2^30*2^-32; result: 1/2^20 = 2^30*2^-50.
	assert.Equal(t, AddParams{ZeroA: 1, ZeroB: 2, ZeroY: 3, MulA: 1 << 30, MulB: 1 << 30, MulY: 1 << 30, ShiftA: 31, ShiftB: 32, ShiftY: 50, Lo: -4, Hi: 5, Left: 20}, p)
	q, err := NewAddParams(RoundHalfUp, .25, 1, .5, 2, 1, 3, -4, 5)
	require.NoError(t, err)
	assert.Equal(t, []int32{32, 31, 50}, []int32{q.ShiftA, q.ShiftB, q.ShiftY})
	tf, err := NewAddParams(RoundTFLite, .5, 1, .25, 2, 1, 3, -4, 5)
	require.NoError(t, err)
	assert.Equal(t, RoundTFLite, tf.Rounding)

	// twice/(scale*2^20) may be 1/2, and no more.
	_, err = NewAddParams(RoundHalfUp, 1<<17, 0, 1<<18, 0, 1, 0, -128, 127)
	assert.NoError(t, err)
	_, err = NewAddParams(RoundHalfUp, 1<<17, 0, 1<<18+1, 0, 1, 0, -128, 127)
	assert.EqualError(t, err, "scales of 131072 and 262145 are too coarse for a result of scale 1")
	_, err = NewAddParams(RoundTFLite, 1<<17, 0, 1<<18+1, 0, 1, 0, -128, 127)
	assert.NoError(t, err, "the check is of R6 alone")
	_, err = NewAddParams(RoundTFLite, 1<<30, 0, 1<<30, 0, 1, 0, -128, 127)
	assert.ErrorContains(t, err, "add: the factor 2048 takes sums of up to 267386880 out of 32 bits")
	_, err = NewAddParams(RoundHalfUp, math.NaN(), 0, 1, 0, 1, 0, -128, 127)
	assert.ErrorContains(t, err, "add: the factor NaN")

	half := AddParams{}
	assert.Equal(t, int64(-1), half.Rescale(-6, 1<<30, 32), "-1.5 rounds up")
	half.Rounding = RoundTFLite
	assert.Equal(t, int64(-2), half.Rescale(-6, 1<<30, 32), "and here away from zero")
}

// TestAddParamsOf reads the three factors of a node.
func TestAddParamsOf(t *testing.T) {
	n := node(ir.Add, 7, ir.Shape{2}, value("a", 5, 2), value("b", 6, 2))
	n.Put(ir.AttrMul.Is(ints("mul", ir.I32, 1, 2, 3)), ir.AttrShift.Is(ints("shift", ir.I32, 4, 5, 6)),
		ir.AttrRound.Is(ir.RoundTFLite), ir.AttrLo.Is(-9), ir.AttrHi.Is(9))
	p, err := AddParamsOf(n)
	require.NoError(t, err)
	assert.Equal(t, AddParams{ZeroA: 5, ZeroB: 6, ZeroY: 7, MulA: 1, MulB: 2, MulY: 3, ShiftA: 4, ShiftB: 5, ShiftY: 6, Lo: -9, Hi: 9, Left: 20, Rounding: RoundTFLite}, p)
	n.Put(ir.AttrMul.Is(broken(n.Const(ir.AttrMul))))
	_, err = AddParamsOf(n)
	assert.ErrorIs(t, err, assert.AnError)
}

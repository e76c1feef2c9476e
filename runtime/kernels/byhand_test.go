package kernels

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// same is a requantization that changes nothing within i8: the factor 1.
func same(zero int32) *geometry.Requant {
	return &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{30}, Zero: zero, Lo: -128, Hi: 127}
}

// halves has the factor 1/2, and bounds.
func halves(zero, lo, hi int32) *geometry.Requant {
	return &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{31}, Zero: zero, Lo: lo, Hi: hi}
}

// window is a window over one plane.
func window(h, w, kh, kw int) geometry.Window {
	return geometry.Window{InC: 1, InH: h, InW: w, OutC: 1, KH: kh, KW: kw, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
}

// TestR1 decodes the ends and the middle of odd codes, and codebooks.
func TestR1(t *testing.T) {
	for bits, want := range map[int][2]int32{1: {-1, 1}, 2: {-3, 3}, 4: {-15, 15}, 8: {-255, 255}} {
		w := make([]int32, 3)
		geometry.DecodeUniform(ir.OddOf(bits), []uint8{0, uint8(1<<bits - 1), uint8(1 << (bits - 1))}, w)
		assert.Equal(t, []int32{want[0], want[1], 1}, w, bits)
	}
	for bits, want := range map[int][2]int32{2: {-2, 1}, 4: {-8, 7}, 7: {-64, 63}} {
		w := make([]int32, 3)
		geometry.DecodeUniform(ir.TwoOf(bits), []uint8{0, uint8(1<<bits - 1), uint8(1 << (bits - 1))}, w)
		assert.Equal(t, []int32{2 * want[0], 2 * want[1], 0}, w, "twice the integers of i%d", bits)
	}
	w := make([]int32, 4)
	geometry.DecodeCodebook([]int8{-128, 0, 7}, []uint8{2, 0, 1, 2}, w)
	assert.Equal(t, []int32{7, -128, 0, 7}, w)
}

// TestR4Corners is a 3x3 window of ones over a padded image of 2x3, all sums by hand;
// padded taps hold the zero point, or the padding value of their channel.
func TestR4Corners(t *testing.T) {
	g := window(2, 3, 3, 3)
	g.PadT, g.PadL, g.PadB, g.PadR = 1, 1, 1, 1
	x := []int8{1, 2, 3, 4, 5, 6}
	ones := []int32{1, 1, 1, 1, 1, 1, 1, 1, 1}
	y := make([]int8, 6)
	// With x-z = -1, 0, 1, 2, 3, 4 the columns' sums are 1, 3, 5.
	Conv2DInt(g, x, 2, nil, ones, []int64{10}, false, same(0), y)
	assert.Equal(t, []int8{14, 19, 18, 14, 19, 18}, y)
	// Padding of 5 adds 3 for each of the 5, 3 and 5 taps beside the image.
	Conv2DInt(g, x, 2, []int32{5}, ones, []int64{10}, false, same(0), y)
	assert.Equal(t, []int8{29, 28, 33, 29, 28, 33}, y)
	// A weight for each tap: the upper left output sees taps 4, 5, 7 and 8 of the image.
	w := []int32{0, 0, 0, 0, 1, 5, 0, 2, 10}
	Conv2DInt(g, x, 0, nil, w, []int64{0}, false, same(0), y)
	assert.Equal(t, int8(1+2*5+4*2+5*10), y[0])
	assert.Equal(t, int8(6), y[5], "the lower right output sees the last pixel with tap 4 alone")

	yf := make([]float32, 6)
	Conv2DFloat(g, []float32{1, 2, 3, 4, 5, 6}, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}, []float32{.5}, []float32{-1}, yf)
	assert.Equal(t, []float32{12.5 - 5, 21.5 - 3, 16.5 - 5, 12.5 - 5, 21.5 - 3, 16.5 - 5}, yf)
	Conv2DFloat(g, []float32{1, 2, 3, 4, 5, 6}, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}, nil, nil, yf)
	assert.Equal(t, []float32{12, 21, 16, 12, 21, 16}, yf)
}

// TestR4Steps: strides, dilation and groups that all differ. Two groups of two channels,
// four outputs; channel c has 100c+10y+x at (y,x), so sums tell which pixels were seen.
func TestR4Steps(t *testing.T) {
	g := geometry.Window{InC: 4, InH: 5, InW: 6, OutC: 4, KH: 2, KW: 2, StrideH: 2, StrideW: 3, DilH: 2, DilW: 1, Groups: 2}
	require.Equal(t, []int{2, 2}, []int{g.OutH(), g.OutW()})
	x := make([]float32, 4*5*6)
	for c := range 4 {
		for y := range 5 {
			for i := range 6 {
				x[(c*5+y)*6+i] = float32(100*c + 10*y + i)
			}
		}
	}
	// Output o takes one tap of one channel of its group.
	w := make([]float32, 4*2*4)
	w[0*8+0*4+0] = 1 // output 0: channel 0, tap (0,0)
	w[1*8+1*4+1] = 1 // output 1: channel 1, tap (0,1)
	w[2*8+0*4+2] = 1 // output 2: channel 2, tap (1,0)
	w[3*8+1*4+3] = 1 // output 3: channel 3, tap (1,1)
	y := make([]float32, 16)
	Conv2DFloat(g, x, w, nil, nil, y)
	assert.Equal(t, []float32{
		0, 3, 20, 23, // windows begin at rows 0 and 2, columns 0 and 3
		101, 104, 121, 124,
		220, 223, 240, 243, // two rows below
		321, 324, 341, 344}, y)

	xi, wi := make([]int8, len(x)), make([]int32, len(w))
	for i := range x {
		xi[i] = int8(int(x[i])%100 + int(x[i])/100 - 50)
	}
	for i := range w {
		wi[i] = int32(w[i])
	}
	yi := make([]int8, 16)
	Conv2DInt(g, xi, -50, nil, wi, []int64{0, 0, 0, 0}, false, same(0), yi)
	assert.Equal(t, []int8{0, 3, 20, 23, 2, 5, 22, 25, 22, 25, 42, 45, 24, 27, 44, 47}, yi)
}

// TestR4Linear is a product of a matrix and a vector.
func TestR4Linear(t *testing.T) {
	y := make([]int8, 2)
	LinearInt([]int8{1, 2, 3}, 1, []int32{1, 10, 5, -1, -2, 7}, []int64{3, -4}, false, same(1), y)
	assert.Equal(t, []int8{0*1 + 1*10 + 2*5 + 3 + 1, -2 + 14 - 4 + 1}, y)
}

// TestR6R7: 2^40 times 2^-34 is 64 in the rounding of R7, whose multiplier has 15 bits.
func TestR6R7(t *testing.T) {
	q := &geometry.Requant{Mul: []int32{1 << 30, 1<<30 + 1<<15}, Shift: []int32{62, 62}, Lo: -128, Hi: 127}
	y := make([]int8, 2)
	LinearInt([]int8{0}, 0, []int32{0, 0}, []int64{100 << 32, 100 << 32}, true, q, y)
	assert.Equal(t, []int8{100, 100}, y, "(2^14+1)/2^14 of 100 is 100.006")
	LinearInt([]int8{0}, 0, []int32{0, 0}, []int64{1<<31 - 1, -1 << 31}, true, q, y)
	assert.Equal(t, []int8{0, -1}, y, "just below 1/2, and just below -1/2 by the greater factor")
	LinearInt([]int8{0}, 0, []int32{0, 0}, []int64{-1 << 31, 0}, true, q, y)
	assert.Equal(t, []int8{0, 0}, y, "-1/2 rounds up")
	LinearInt([]int8{0}, 0, []int32{0, 0}, []int64{1 << 31, -1<<31 - 1<<20}, true, q, y)
	assert.Equal(t, []int8{1, -1}, y)
	// R6 has all bits of the multiplier: (2^30+2^15)/2^31 of 2^17-1 is 65537.5 less a bit.
	assert.Equal(t, int64(65537), geometry.RequantHalfUp(1<<17-1, 1<<30+1<<15, 31))
	assert.Equal(t, int64(65538), geometry.RequantHalfUp(1<<17, 1<<30+1<<15, 31))
}

// TestR9 bounds the result after the zero point has been added.
func TestR9(t *testing.T) {
	y := make([]int8, 5)
	RequantizeInt([]int8{-100, 4, 5, 9, 100}, 4, halves(10, 10, 40), y)
	assert.Equal(t, []int8{10, 10, 11, 13, 40}, y, "relu: the zero point is the least")
}

// TestR11Edges: a window in the corner of a padded image counts the pixels inside.
func TestR11Edges(t *testing.T) {
	g := window(2, 2, 2, 2)
	g.PadT, g.PadL, g.PadB, g.PadR = 1, 1, 1, 1
	x := []int8{1, 2, 3, 5}
	y := make([]int8, 9)
	AvgPoolKept(g, x, -128, 127, y)
	assert.Equal(t, []int8{1, 2, 2, 2, 3, 4, 3, 4, 5}, y, "means 1, 1.5, 2, 2, 2.75, 3.5, 3, 4, 5")
	AvgPoolKept(g, []int8{-1, -2, -3, -5}, -128, 127, y)
	assert.Equal(t, []int8{-1, -2, -2, -2, -3, -4, -3, -4, -5}, y)
	AvgPoolKept(g, x, 2, 4, y)
	assert.Equal(t, []int8{2, 2, 2, 2, 3, 4, 3, 4, 4}, y)
	f := make([]float32, 9)
	AvgPoolFloat(g, []float32{1, 2, 3, 5}, f)
	assert.Equal(t, []float32{1, 1.5, 2, 2, 2.75, 3.5, 3, 4, 5}, f)
	two := window(2, 1, 2, 1)
	two.InC, two.OutC, two.Groups = 3, 3, 3
	AvgPoolKept(two, []int8{1, 3, 20, 40, -5, -5}, -128, 127, y[:3])
	assert.Equal(t, []int8{2, 30, -5}, y[:3], "channels apart")
	three := make([]int8, 1)
	AvgPoolKept(window(1, 3, 1, 3), []int8{1, 1, 2}, -128, 127, three)
	assert.Equal(t, int8(1), three[0], "4/3")
	AvgPoolKept(window(1, 3, 1, 3), []int8{1, 2, 2}, -128, 127, three)
	assert.Equal(t, int8(2), three[0], "5/3")
	AvgPoolKept(window(1, 3, 1, 3), []int8{-1, -1, -2}, -128, 127, three)
	assert.Equal(t, int8(-1), three[0])
}

// TestPoolsOfSteps: channels, strides, dilation and padding that all differ, against the
// greatest and the mean of a window by its definition.
func TestPoolsOfSteps(t *testing.T) {
	for _, g := range []geometry.Window{
		{InC: 2, InH: 5, InW: 6, OutC: 2, KH: 2, KW: 3, StrideH: 2, StrideW: 1, PadT: 1, PadR: 2, DilH: 2, DilW: 1, Groups: 2},
		{InC: 2, InH: 4, InW: 7, OutC: 2, KH: 2, KW: 2, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, Groups: 2},
		{InC: 1, InH: 3, InW: 7, OutC: 1, KH: 1, KW: 3, StrideH: 1, StrideW: 2, DilH: 1, DilW: 1, Groups: 1},
		{InC: 3, InH: 4, InW: 7, OutC: 3, KH: 1, KW: 2, StrideH: 1, StrideW: 2, PadL: 1, DilH: 1, DilW: 1, Groups: 3},
		{InC: 1, InH: 4, InW: 6, OutC: 1, KH: 2, KW: 2, StrideH: 1, StrideW: 2, PadT: 1, PadB: 1, PadL: 1, PadR: 1, DilH: 1, DilW: 2, Groups: 1},
		{InC: 2, InH: 3, InW: 3, OutC: 2, KH: 3, KW: 2, StrideH: 1, StrideW: 1, PadT: 2, PadB: 2, PadL: 1, PadR: 1, DilH: 1, DilW: 1, Groups: 2},
		{InC: 1, InH: 2, InW: 2, OutC: 1, KH: 2, KW: 2, StrideH: 1, StrideW: 1, PadT: 2, PadL: 0, DilH: 1, DilW: 1, Groups: 1}, // windows in padding alone
	} {
		x, xf := make([]int8, g.InC*g.InH*g.InW), make([]float32, g.InC*g.InH*g.InW)
		for i := range x {
			x[i] = int8(i * 89 % 251)
			xf[i] = float32(x[i])
		}
		greatest, greatestFloat := make([]int8, g.OutC*g.OutH()*g.OutW()), make([]float32, g.OutC*g.OutH()*g.OutW())
		MaxPoolInt(g, x, -128, 127, greatest)
		MaxPoolFloat(g, xf, greatestFloat)
		i := 0
		for c := range g.OutC {
			for oy := range g.OutH() {
				for ox := range g.OutW() {
					want, empty := int8(-128), true
					for y := oy*g.StrideH - g.PadT; y < oy*g.StrideH-g.PadT+g.KH*g.DilH; y += g.DilH {
						for x0 := ox*g.StrideW - g.PadL; x0 < ox*g.StrideW-g.PadL+g.KW*g.DilW; x0 += g.DilW {
							if y >= 0 && y < g.InH && x0 >= 0 && x0 < g.InW {
								want, empty = max(want, x[(c*g.InH+y)*g.InW+x0]), false
							}
						}
					}
					require.Equal(t, want, greatest[i], "%+v at %d", g, i)
					if empty {
						require.True(t, math.IsInf(float64(greatestFloat[i]), -1))
					} else {
						require.Equal(t, float32(want), greatestFloat[i], "%+v at %d", g, i)
					}
					i++
				}
			}
		}
	}
}

// TestR12Bounds: a pooling keeps its argument's type; bounds are applied if there are any.
func TestR12Bounds(t *testing.T) {
	g := window(1, 4, 1, 1)
	y := make([]int8, 4)
	MaxPoolInt(g, []int8{-128, -5, 5, 127}, -128, 127, y)
	assert.Equal(t, []int8{-128, -5, 5, 127}, y)
	MaxPoolInt(g, []int8{-128, -5, 5, 127}, -4, 127, y)
	assert.Equal(t, []int8{-4, -4, 5, 127}, y)
	MaxPoolInt(g, []int8{-128, -5, 5, 127}, -128, 4, y)
	assert.Equal(t, []int8{-128, -5, 4, 4}, y)
	Gather([]int8{10, 20, 30}, []int32{2, 0, 0, 1}, y)
	assert.Equal(t, []int8{30, 10, 10, 20}, y)
	Scatter([]int8{10, 20}, []int32{3, 1}, -7, y)
	assert.Equal(t, []int8{-7, 20, -7, 10}, y)
	Extreme(true, []int8{1, -2, 3, 0}, []int8{0, 5, 3, -1}, y)
	assert.Equal(t, []int8{1, 5, 3, 0}, y)
	Extreme(false, []int8{1, -2, 3, 0}, []int8{0, 5, 3, -1}, y)
	assert.Equal(t, []int8{0, -2, 3, -1}, y)
}

// TestR13ByHand: scales of 1/2, 1/4 and 1. The arguments lose nothing when rescaled, and
// the last factor rounds ties up.
func TestR13ByHand(t *testing.T) {
	p, err := geometry.NewAddParams(geometry.RoundHalfUp, .5, 2, .25, -3, 1, 10, -20, 60)
	require.NoError(t, err)
	a, b := []int8{4, 5, 2, 127, -128}, []int8{-3, 1, -5, 127, -128}
	y := make([]int8, 5)
	AddInt(p, a, b, y)
	// Reals: 1+0, 1.5+1, 0-.5, 62.5+32.5, -65-31.25.
	assert.Equal(t, []int8{11, 13, 10, 60, -20}, y)
	SubInt(p, a, b, y)
	// 1-0, 1.5-1, 0+.5, 62.5-32.5, -65+31.25.
	assert.Equal(t, []int8{11, 11, 11, 40, -20}, y)
	MulInt(2, -3, halves(1, -128, 50), []int8{4, 5, 2, 12}, []int8{-3, 2, 100, 7}, y[:4])
	assert.Equal(t, []int8{1, 9, 1, 50}, y[:4], "0, 15/2, 0 and 50, plus 1")
}

// TestR15Ties: equal answers share, the table's distance ends at 255, argmax takes the
// first of two.
func TestR15Ties(t *testing.T) {
	y := make([]int8, 4)
	SoftmaxInt(SoftmaxTable(1, SoftmaxBits), []int8{-7, -7, -7, -7}, nil, y)
	assert.Equal(t, []int8{-64, -64, -64, -64}, y)
	SoftmaxInt(SoftmaxTable(1, SoftmaxBits), []int8{5, 5, -128, 5}, nil, y)
	assert.Equal(t, []int8{-43, -43, -128, -43}, y, "256/3 is 85.3")
	SoftmaxInt(SoftmaxTable(1, SoftmaxBits), []int8{3}, nil, y[:1])
	assert.Equal(t, int8(127), y[0], "one answer is 255/256")
	table := SoftmaxTable(math.Ln2, SoftmaxBits)
	assert.Equal(t, []int32{1 << 15, 1 << 14, 1 << 13, 1, 1, 0}, []int32{table[0], table[1], table[2], table[15], table[16], table[17]}, "2^-1 rounds up")
	require.Len(t, table, 256)
	SoftmaxInt(table, []int8{1, 0, -1, -2}, nil, y)
	// Of 15/8 the shares are 8/15, 4/15, 2/15 and 1/15: 136.5, 68.3, 34.1 and 17.1.
	assert.Equal(t, []int8{137 - 128, 68 - 128, 34 - 128, 17 - 128}, y)
	SoftmaxScaledInt(table, 1<<30, 29, []int8{1, 0, -1, -2}, nil, y)
	assert.Equal(t, []int8{68 - 128, 34 - 128, 17 - 128, 9 - 128}, y, "of scale 1/128")
	SoftmaxScaledInt(table, 1<<30, 60, []int8{1, 1, 1, 1}, []byte{0, 0, 0, 0}, y)
	assert.Equal(t, []int8{-128, -128, -128, -128}, y, "a sum of 0 becomes 1")

	var rows [][2]int
	put := func(row, at int) { rows = append(rows, [2]int{row, at}) }
	ArgMax(3, []int8{1, 7, 7, -5, -9, -6, 3, 2, 4}, put)
	assert.Equal(t, [][2]int{{0, 1}, {1, 0}, {2, 2}}, rows)
	rows = nil
	ArgMax(2, []float32{.5, .25, -1, 0}, put)
	assert.Equal(t, [][2]int{{0, 0}, {1, 1}}, rows)
}

// TestR16 sums rows exactly; the mean's factor has the division in it.
func TestR16(t *testing.T) {
	x := []int8{1, 2, 6, -3, -4, -5}
	y := make([]int8, 2)
	third := &geometry.Requant{Mul: []int32{1431655765}, Shift: []int32{32}, Zero: 5, Lo: -128, Hi: 127} // 1/3
	ReduceInt(geometry.Mean, 3, 1, third, x, y)
	assert.Equal(t, []int8{7, 0}, y, "6/3 and -15/3, above the zero point 5")
	ReduceInt(geometry.Sum, 3, 1, halves(0, -128, 127), x, y)
	assert.Equal(t, []int8{3, -7}, y, "6/2, and -15/2, which rounds up")
	ReduceInt(geometry.Greatest, 3, 1, nil, x, y)
	assert.Equal(t, []int8{6, -3}, y)
	ReduceInt(geometry.Least, 3, 1, nil, x, y)
	assert.Equal(t, []int8{1, -5}, y)
	xf, yf := []float32{1, 2, 6, -3, -4, -5}, make([]float32, 2)
	for r, want := range map[geometry.Reduction][]float32{
		geometry.Mean: {3, -4}, geometry.Sum: {9, -12}, geometry.Greatest: {6, -3}, geometry.Least: {1, -5},
	} {
		ReduceFloat(r, 3, xf, yf)
		assert.Equal(t, want, yf, "%d", r)
	}

	// [[1,2,3],[4,5,6]] times [[1,0],[2,1],[0,3]], whose zero points are 0 and 1.
	a, b := []int8{1, 2, 3, 4, 5, 6}, []int8{2, 1, 3, 2, 1, 4}
	m := make([]int8, 4)
	MatMulInt(2, 3, 2, 0, 1, same(-1), false, a, b, m)
	assert.Equal(t, []int8{5 - 1, 11 - 1, 14 - 1, 23 - 1}, m)
	MatMulInt(2, 3, 2, 1, 1, same(0), false, a, b, m)
	assert.Equal(t, []int8{2, 7, 11, 19}, m)
	f := make([]float32, 4)
	MatMulFloat(2, 3, 2, []float32{1, 2, 3, 4, 5, 6}, []float32{1, 0, 2, 1, 0, 3}, f)
	assert.Equal(t, []float32{5, 11, 14, 23}, f)
}

func TestElementwiseFloat(t *testing.T) {
	a, b, y := []float32{1, -2, 3}, []float32{.5, 4, -1}, make([]float32, 3)
	AddFloat(a, b, y)
	assert.Equal(t, []float32{1.5, 2, 2}, y)
	SubFloat(a, b, y)
	assert.Equal(t, []float32{.5, -6, 4}, y)
	MulFloat(a, b, y)
	assert.Equal(t, []float32{.5, -8, -3}, y)
	ClampFloat(a, -1, 2, y)
	assert.Equal(t, []float32{1, -1, 2}, y)
	// Two channels of two: gamma (x-mean)/sqrt(variance+eps) + beta.
	n := make([]float32, 4)
	BatchNormFloat(2, 2, []float32{1, 3, 10, 20}, []float32{2, 6}, []float32{1, -1}, []float32{1, 10}, []float32{3, 8}, 1, n)
	assert.Equal(t, []float32{1, 3, -1, 19}, n)
	s := make([]float32, 3)
	SoftmaxFloat([]float32{1000, 1000 + float32(math.Ln2), 1000}, nil, s)
	assert.InDeltaSlice(t, []float32{.25, .5, .25}, s, 1e-5)
}

// TestR14Table: x = (i-zero)/2, y in steps of 1/4 from a zero point; ties go away from
// zero, what is beyond the ends stays at them, what is no number is the zero point.
func TestR14Table(t *testing.T) {
	double := FunctionTable(func(x float64) float64 { return x / 4 }, .5, 3, .25, -2)
	require.Len(t, double, 256)
	at := func(i int) int8 { return double[i+128] }
	assert.Equal(t, []int8{-2, -1, -1, 0, 0}, []int8{at(3), at(4), at(5), at(6), at(7)}, "0, .5, 1, 1.5, 2 steps")
	assert.Equal(t, []int8{-3, -3, -4}, []int8{at(2), at(1), at(0)})
	steep := FunctionTable(func(x float64) float64 { return 1000 * x }, 1, 0, 1, 0)
	assert.Equal(t, []int8{-128, -128, 0, 127, 127}, []int8{steep[0], steep[127], steep[128], steep[129], steep[255]})
	root := FunctionTable(math.Sqrt, 1, 0, 1, 7)
	assert.Equal(t, []int8{7, 7, 7, 8, 9}, []int8{root[0], root[127], root[128], root[129], root[132]})
	y := make([]int8, 3)
	TableInt(root, []int8{-128, 4, 127}, y)
	assert.Equal(t, []int8{7, 9, 7 + 11}, y)
}

// TestEmbeddings choose the nearest row of those there are.
func TestEmbeddings(t *testing.T) {
	for index, want := range map[float32]int{-3: 0, -.6: 0, .4: 0, .5: 1, 1.49: 1, 1.5: 2, 2: 2, 9: 2} {
		assert.Equal(t, want, Row(index, 3), "%v", index)
	}
	y := make([]float32, 4)
	EmbeddingFloat([]float32{1, 2, 3, 4, 5, 6}, 2, []float32{7, .7}, y)
	assert.Equal(t, []float32{5, 6, 3, 4}, y)
	table := EmbeddingTable(.5, 2, 3)
	require.Len(t, table, 256)
	assert.Equal(t, []uint8{0, 0, 1, 1, 2, 2, 2}, []uint8{table[0], table[128+2], table[128+3], table[128+4], table[128+5], table[128+6], table[255]})
	yi := make([]int8, 4)
	EmbeddingInt(table, []int8{1, 2, 3, 4, 5, 6}, 2, []int8{127, 3}, yi)
	assert.Equal(t, []int8{5, 6, 3, 4}, yi)
}

// TestFunctions: values at points where they are known.
func TestFunctions(t *testing.T) {
	e := math.E
	known := map[ir.Op][][2]float64{
		ir.Sigmoid:     {{0, .5}, {math.Log(3), .75}, {-math.Log(3), .25}},
		ir.Tanh:        {{0, 0}, {math.Log(3) / 2, .5}, {-math.Log(3) / 2, -.5}},
		ir.HardSigmoid: {{0, .5}, {1, .7}, {5, 1}, {-5, 0}},
		ir.HardSwish:   {{0, 0}, {1, 2. / 3}, {3, 3}, {6, 6}, {-3, 0}, {-1, -1. / 3}, {-9, 0}},
		ir.LeakyRelu:   {{0, 0}, {2, 2}, {-2, -.5}},
		ir.Elu:         {{0, 0}, {2, 2}, {-math.Ln2, -1}},
		ir.Gelu:        {{0, 0}, {1, .8413447460685429}, {-1, -.15865525393145707}},
		ir.Silu:        {{0, 0}, {math.Log(3), .75 * math.Log(3)}, {-math.Log(3), -.25 * math.Log(3)}},
		ir.Softplus:    {{0, math.Ln2}, {math.Log(3), math.Log(4)}, {-math.Log(3), math.Log(4. / 3)}, {800, 800}, {-800, 0}},
		ir.Softsign:    {{0, 0}, {1, .5}, {-3, -.75}},
		ir.Exp:         {{0, 1}, {1, e}, {-1, 1 / e}},
		ir.Log:         {{1, 0}, {e, 1}, {4, 2 * math.Ln2}},
		ir.Sqrt:        {{4, 2}, {.25, .5}},
		ir.Abs:         {{0, 0}, {-2, 2}, {3, 3}},
		ir.Neg:         {{0, 0}, {-2, 2}, {3, -3}},
		ir.Erf:         {{0, 0}, {1, .8427007929497148}, {-1, -.8427007929497148}},
		ir.Reciprocal:  {{4, .25}, {-.5, -2}},
		ir.Clip:        {{0, 0}, {-9, -2}, {9, 3}, {2.5, 2.5}},
		ir.Pow:         {{0, 1}, {1.5, 8}, {-.5, 0}},
		ir.Mish:        {{0, 0}, {math.Log(math.Sqrt2 - 1), math.Log(math.Sqrt2-1) / 3}, {900, 900}},
		ir.Selu:        {{0, 0}, {2, 6}, {-math.Ln2, -3}},
		ir.Celu:        {{0, 0}, {2, 2}, {-2 * math.Ln2, -1}},

		ir.ThresholdedRelu: {{0, 0}, {.25, 0}, {.5, .5}, {-3, 0}},
		ir.Shrink:          {{0, 0}, {.5, 0}, {.75, .5}, {-.75, -.5}, {-.5, 0}},
		ir.Sign:            {{0, 0}, {.1, 1}, {-7, -1}},
		ir.Round:           {{.5, 0}, {1.5, 2}, {2.5, 2}, {-1.5, -2}, {-.6, -1}},
		ir.Floor:           {{.5, 0}, {-.5, -1}, {2, 2}},
		ir.Ceil:            {{.5, 1}, {-1.5, -1}, {2, 2}},
		ir.Step:            {{.25, .5}, {.25 + 1e-9, 1}, {.25 - 1e-9, 0}},
		ir.Sin:             {{0, 0}, {math.Pi / 6, .5}, {-math.Pi / 2, -1}},
		ir.Cos:             {{0, 1}, {math.Pi / 3, .5}, {math.Pi, -1}},
		ir.Tan:             {{0, 0}, {math.Pi / 4, 1}, {-math.Pi / 4, -1}},
		ir.Asin:            {{0, 0}, {.5, math.Pi / 6}, {-1, -math.Pi / 2}},
		ir.Acos:            {{1, 0}, {.5, math.Pi / 3}, {-1, math.Pi}},
		ir.Atan:            {{0, 0}, {1, math.Pi / 4}, {-1, -math.Pi / 4}},
		ir.Sinh:            {{0, 0}, {math.Ln2, .75}, {-math.Ln2, -.75}},
		ir.Cosh:            {{0, 1}, {math.Ln2, 1.25}, {-math.Ln2, 1.25}},
		ir.Asinh:           {{0, 0}, {.75, math.Ln2}, {-.75, -math.Ln2}},
		ir.Acosh:           {{1, 0}, {1.25, math.Ln2}},
		ir.Atanh:           {{0, 0}, {.6, math.Ln2}, {-.6, -math.Ln2}},
	}
	for op := range ir.NumOps {
		points := known[op]
		assert.Equal(t, op.IsFunction(), len(points) > 0, "values of %s that are known", op)
		if len(points) == 0 {
			continue
		}
		f := Function(op, numbers[op])
		for _, p := range points {
			assert.InDelta(t, p[1], f(p[0]), 1e-12, "%s of %v", op, p[0])
		}
	}
	assert.InDelta(t, .8411919906082768, Function(ir.Gelu, []float64{1})(1), 1e-12, "the approximation")
	assert.InDelta(t, 1.954597694087775, Function(ir.Gelu, []float64{1})(2), 1e-12)
	assert.InDelta(t, -.15428599017485606, Function(ir.Gelu, []float64{1})(-.5), 1e-12)
	assert.InDelta(t, .8413447460685429, Function(ir.Gelu, []float64{0})(1), 1e-12)
	assert.InDelta(t, .8413447460685429, Function(ir.Gelu, nil)(1), 1e-12)
	assert.InDelta(t, .9*math.Log(3), Function(ir.Silu, []float64{2})(math.Log(3)), 1e-12)
	assert.InDelta(t, .75*math.Log(3), Function(ir.Silu, nil)(math.Log(3)), 1e-12, "dumps of old have no number")
	assert.NoError(t, ir.Whole(), "the columns of this package")
	assert.Nil(t, Function(ir.Conv2D, nil))
	assert.Nil(t, FunctionSlope(ir.Conv2D, nil))
}

// numbers are those of the functions that have any.
var numbers = map[ir.Op][]float64{ir.HardSigmoid: {.2, .5}, ir.LeakyRelu: {.25}, ir.Elu: {2}, ir.Clip: {-2, 3}, ir.Gelu: {0}, ir.Silu: {1},
	ir.Pow: {1.5, 2, 1}, ir.Selu: {2, 3}, ir.Celu: {2}, ir.ThresholdedRelu: {.25}, ir.Shrink: {.5, .25}, ir.Step: {.25, .5}}

// TestSlopes compares derivatives with central differences, and has those at corners.
func TestSlopes(t *testing.T) {
	const h = 1e-5
	for op := range ir.NumOps {
		if !op.IsFunction() {
			continue
		}
		sets := [][]float64{numbers[op]}
		if op == ir.Gelu {
			sets = append(sets, []float64{1})
		}
		for _, p := range sets {
			f, slope := Function(op, p), FunctionSlope(op, p)
			for _, x := range []float64{.3, .9, 1.7, 2.6, 3.4, 7.2, -.3, -.9, -1.7, -2.4, -3.6, -7.2} {
				if math.IsNaN(f(x)) { // it has no value there
					continue
				}
				assert.InDelta(t, (f(x+h)-f(x-h))/(2*h), slope(x), 1e-6*max(1, math.Abs(slope(x))), "%s at %v", op, x)
			}
		}
	}
	for _, c := range []struct {
		op      ir.Op
		x, want float64
	}{
		{ir.HardSigmoid, 2.5, 0}, {ir.HardSigmoid, -2.5, 0}, {ir.HardSwish, 3, 1}, {ir.HardSwish, -3, 0},
		{ir.LeakyRelu, 0, 1}, {ir.Elu, 0, 1}, {ir.Abs, 0, 0}, {ir.Clip, -2, 0}, {ir.Clip, 3, 0},
		{ir.Selu, 0, 3}, {ir.Celu, 0, 1}, {ir.ThresholdedRelu, .25, 0}, {ir.Shrink, .5, 0}, {ir.Shrink, -.5, 0}, {ir.Step, .25, 0},
	} {
		assert.Equal(t, c.want, FunctionSlope(c.op, numbers[c.op])(c.x), "%s at %v", c.op, c.x)
	}
}

// nearDifferences compares a gradient with central differences of a function of x.
func nearDifferences(t *testing.T, what string, grad, x []float32, f func() float64) {
	t.Helper()
	const h = 1. / 64
	for i := range x {
		old := x[i]
		x[i] = old + h
		above := f()
		x[i] = old - h
		below := f()
		x[i] = old
		require.InDelta(t, (above-below)/(2*h), grad[i], 2e-3, "%s, element %d", what, i)
	}
}

// dot is the scalar whose gradient is taken.
func dot(u, y []float32) (sum float64) {
	for i, v := range y {
		sum += float64(v) * float64(u[i])
	}
	return sum
}

// spread are n numbers between -1 and 1, none near another.
func spread(n, seed int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*37+seed*11)%n)/float32(n)*2 - 1 + float32(seed)/1000
	}
	return x
}

// TestConvolutionGradient: groups, strides, dilation and padding with a value; gradients
// are added to what is there, and those that are not wanted are nil.
func TestConvolutionGradient(t *testing.T) {
	for _, g := range []geometry.Window{
		{InC: 4, InH: 4, InW: 5, OutC: 2, KH: 2, KW: 3, StrideH: 2, StrideW: 1, PadT: 1, PadL: 2, PadB: 1, DilH: 2, DilW: 1, Groups: 2},
		{InC: 2, InH: 3, InW: 4, OutC: 3, KH: 2, KW: 2, StrideH: 1, StrideW: 2, PadR: 1, DilH: 1, DilW: 2, Groups: 1},
	} {
		for _, pad := range [][]float32{nil, spread(g.InC, 5)} {
			x, w, bias := spread(g.InC*g.InH*g.InW, 1), spread(g.OutC*g.K(), 2), spread(g.OutC, 3)
			y := make([]float32, g.OutC*g.OutH()*g.OutW())
			u := spread(len(y), 4)
			u[1] = 0
			f := func() float64 { Conv2DFloat(g, x, w, bias, pad, y); return dot(u, y) }
			dx, dw, db := make([]float32, len(x)), make([]float32, len(w)), make([]float32, len(bias))
			Conv2DGradient(g, x, w, pad, u, dx, dw, db)
			nearDifferences(t, "pixels", dx, x, f)
			nearDifferences(t, "weights", dw, w, f)
			nearDifferences(t, "bias", db, bias, f)
			again := append([]float32{}, dx...)
			Conv2DGradient(g, x, w, pad, u, again, nil, nil)
			for i := range again {
				require.InDelta(t, 2*dx[i], again[i], 1e-5)
			}
			Conv2DGradient(g, x, w, pad, u, nil, dw, nil)
			Conv2DGradient(g, x, w, pad, u, nil, nil, db)
		}
	}
}

// TestLinearGradient: sums of constants' gradients; those that are not wanted are nil.
func TestLinearGradient(t *testing.T) {
	x := []float32{1, 2, 3}
	dw, db := []float32{0, 0, 0, 5, 0, 0, 0, 0, 0}, []float32{0, 0, 50}
	LinearGradient(x, []float32{1, 0, -2}, dw, db)
	assert.Equal(t, []float32{1, 2, 3, 5, 0, 0, -2, -4, -6}, dw)
	assert.Equal(t, []float32{1, 0, 48}, db)
	LinearGradient(x, []float32{1, 1, 1}, nil, nil)
	LinearGradient(x, []float32{1, 0, 0}, dw, nil)
	assert.Equal(t, []float32{2, 4, 6}, dw[:3])
	LinearGradient(x, []float32{0, 0, 1}, nil, db)
	assert.Equal(t, []float32{1, 0, 49}, db)
}

// TestPoolGradients send derivatives to the pixels that windows see.
func TestPoolGradients(t *testing.T) {
	for i, g := range []geometry.Window{
		{InC: 2, InH: 5, InW: 6, OutC: 2, KH: 2, KW: 3, StrideH: 2, StrideW: 1, PadT: 1, PadR: 2, DilH: 2, DilW: 1, Groups: 2},
		{InC: 2, InH: 4, InW: 6, OutC: 2, KH: 2, KW: 2, StrideH: 2, StrideW: 2, DilH: 1, DilW: 1, Groups: 2},
		{InC: 1, InH: 4, InW: 5, OutC: 1, KH: 3, KW: 2, StrideH: 1, StrideW: 2, PadT: 1, PadB: 2, PadL: 1, PadR: 1, DilH: 1, DilW: 2, Groups: 1},
	} {
		x := spread(g.InC*g.InH*g.InW, 1)
		y := make([]float32, g.OutC*g.OutH()*g.OutW())
		u := spread(len(y), 4)
		u[0] = 0
		dx := make([]float32, len(x))
		MaxPoolGradient(g, x, u, dx)
		nearDifferences(t, fmt.Sprint("greatest ", i), dx, x, func() float64 { MaxPoolFloat(g, x, y); return dot(u, y) })
		clear(dx)
		AvgPoolGradient(g, u, dx)
		nearDifferences(t, fmt.Sprint("mean ", i), dx, x, func() float64 { AvgPoolFloat(g, x, y); return dot(u, y) })
	}
	dx := make([]float32, 4)
	MaxPoolGradient(window(1, 4, 1, 2), []float32{5, 5, -1, -1}, []float32{1, 10, 100}, dx)
	assert.Equal(t, []float32{1, 10, 100, 0}, dx, "the first of equals")
}

func TestClampGradient(t *testing.T) {
	dy := []float32{1, 2, 3, 4, 5, -6}
	ClampGradient([]float32{-1, 0, .5, 5.9, 6, 3}, dy, 0, 6)
	assert.Equal(t, []float32{0, 0, 3, 4, 0, -6}, dy)
	dy = []float32{1, 2, 3, 7}
	ClampGradient([]float32{0, 1, 1e30}, dy, 0, float32(math.Inf(1)))
	assert.Equal(t, []float32{0, 2, 3, 7}, dy)
}

func TestSoftmaxGradient(t *testing.T) {
	x, u := []float32{.5, -1, 2}, []float32{1, -2, .5}
	y, dx := make([]float32, 3), make([]float32, 3)
	SoftmaxFloat(x, nil, y)
	SoftmaxGradient(y, u, dx)
	nearDifferences(t, "softmax", dx, x, func() float64 { SoftmaxFloat(x, nil, y); return dot(u, y) })
	SoftmaxFloat(x, nil, y)
	SoftmaxGradient(y, u, dx)
	half := []float32{dx[0] / 2, dx[1] / 2, dx[2] / 2}
	nearDifferences(t, "softmax, added twice", half, x, func() float64 { SoftmaxFloat(x, nil, y); return dot(u, y) })
}

// TestR22 holds ties of both roundings on both sides of zero, and places at the ends.
func TestR22(t *testing.T) {
	at := func(places ...float64) (list []geometry.Place) {
		for _, p := range places {
			list = append(list, geometry.Place{Lower: int(p), Upper: int(math.Ceil(p)), Part: p - math.Floor(p)})
		}
		return list
	}
	x := []int8{1, -2, 4, 3} // rows 1,-2 and 4,3
	for isAway, want := range map[bool][]int8{
		false: {1, 0, -2, 3, 2, 1, 4, 4, 3}, // -0.5 goes up to 0; the middle is 1.5
		true:  {1, -1, -2, 3, 2, 1, 4, 4, 3},
	} {
		g := geometry.Bilinear{C: 1, H: 2, W: 2, Down: at(0, .5, 1), Across: at(0, .5, 1), IsAway: isAway}
		y, wide := make([]int8, 9), make([]int16, 9)
		BilinearInt(&g, x, y)
		assert.Equal(t, want, y, isAway)
		BilinearInt(&g, []int16{1, -2, 4, 3}, wide)
		for i, v := range want {
			assert.Equal(t, int16(v), wide[i])
		}
	}
	// Of the last thousandth: (1*1 - 2*1023)/1024 = -1.997.
	g := geometry.Bilinear{C: 1, H: 1, W: 2, Down: at(0), Across: at(1023. / 1024)}
	y := make([]float32, 1)
	BilinearFloat(&g, []float32{1, -2}, y)
	assert.InDelta(t, -1.99707, y[0], 1e-5)
	// The ends of int16 do not overflow.
	ends := make([]int16, 1)
	BilinearInt(&geometry.Bilinear{C: 1, H: 1, W: 2, Down: at(0), Across: at(1. / 1024), IsAway: true}, []int16{-32768, -32768}, ends)
	assert.Equal(t, int16(-32768), ends[0])
}

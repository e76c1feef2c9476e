package kernels

import (
	"math"
	"math/rand"
	"testing"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestR4Scatter compares the convolution with one that starts from the input
// pixels, and with the form that kernels of odd codes use.
func TestR4Scatter(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for range 300 {
		groups := 1 + rng.Intn(2)
		g := geometry.Window{InC: groups * (1 + rng.Intn(3)), InH: 1 + rng.Intn(6), InW: 1 + rng.Intn(6), OutC: groups * (1 + rng.Intn(3)),
			KH: 1 + rng.Intn(3), KW: 1 + rng.Intn(3), StrideH: 1 + rng.Intn(2), StrideW: 1 + rng.Intn(2), DilH: 1 + rng.Intn(2), DilW: 1 + rng.Intn(2),
			PadT: rng.Intn(2), PadL: rng.Intn(2), PadB: rng.Intn(2), PadR: rng.Intn(2), Groups: groups}
		if (g.KH-1)*g.DilH+1 > g.InH+g.PadT+g.PadB || (g.KW-1)*g.DilW+1 > g.InW+g.PadL+g.PadR {
			continue
		}
		bits := 1 + rng.Intn(8)
		x := make([]int8, g.InC*g.InH*g.InW)
		for i := range x {
			x[i] = int8(rng.Intn(256) - 128)
		}
		zero := int32(rng.Intn(256) - 128)
		codes := make([]uint8, g.OutC*g.K())
		for i := range codes {
			codes[i] = uint8(rng.Intn(1 << bits))
		}
		w := make([]int32, len(codes))
		geometry.DecodeUniform(ir.OddOf(bits), codes, w)
		var pad []int32
		if rng.Intn(2) == 0 {
			for range g.InC {
				pad = append(pad, int32(rng.Intn(256)-128))
			}
		}
		bias := make([]int64, g.OutC)
		for i := range bias {
			bias[i] = int64(rng.Intn(2000) - 1000)
		}
		q := &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{33}, Zero: 3, Lo: -128, Hi: 127}
		y := make([]int8, g.OutC*g.OutH()*g.OutW())
		Conv2DInt(g, x, zero, pad, w, bias, false, q, y)
		wide := make([]int8, len(y))
		Conv2DInt(g, x, zero, pad, w, bias, true, q, wide)

		// Scatter: the padded image, pixel by pixel, to the outputs that see it.
		qx, sx := make([]int64, len(y)), make([]int64, len(y))
		in, out := g.InC/groups, g.OutC/groups
		for c := range g.InC {
			for py := -g.PadT; py < g.InH+g.PadB; py++ {
				for px := -g.PadL; px < g.InW+g.PadR; px++ {
					v := int64(0)
					if py >= 0 && py < g.InH && px >= 0 && px < g.InW {
						v = int64(x[(c*g.InH+py)*g.InW+px]) - int64(zero)
					} else if pad != nil {
						v = int64(pad[c] - zero)
					}
					for ky := range g.KH {
						for kx := range g.KW {
							oy, ox := py+g.PadT-ky*g.DilH, px+g.PadL-kx*g.DilW
							if oy < 0 || ox < 0 || oy%g.StrideH != 0 || ox%g.StrideW != 0 || oy/g.StrideH >= g.OutH() || ox/g.StrideW >= g.OutW() {
								continue
							}
							for o := c / in * out; o < (c/in+1)*out; o++ {
								at := (o*g.OutH()+oy/g.StrideH)*g.OutW() + ox/g.StrideW
								qx[at] += int64(codes[((o*in+c%in)*g.KH+ky)*g.KW+kx]) * v
								sx[at] += v
							}
						}
					}
				}
			}
		}
		for i := range y {
			acc := bias[i/(g.OutH()*g.OutW())] + 2*qx[i] - (1<<bits-1)*sx[i]
			require.Equal(t, q.Apply(acc, 0), y[i])
			require.Equal(t, q.ApplyWide(acc, 0), wide[i])
		}
	}
}

func TestR11TiesAwayFromZero(t *testing.T) {
	g := geometry.Window{InC: 1, InH: 1, InW: 2, OutC: 1, KH: 1, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	for _, c := range [][3]int8{{1, 2, 2}, {-1, -2, -2}, {1, -2, -1}, {0, 1, 1}, {127, 127, 127}} {
		y := make([]int8, 1)
		AvgPoolKept(g, []int8{c[0], c[1]}, -128, 127, y)
		assert.Equal(t, c[2], y[0], "mean of %d and %d", c[0], c[1])
	}
}

// TestR11ByPixels: each window has the factor of its pixels, one of none the zero point.
func TestR11ByPixels(t *testing.T) {
	g := geometry.Window{InC: 1, InH: 1, InW: 2, OutC: 1, KH: 1, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1, PadL: 2, PadR: 1}
	q := &geometry.Requant{Mul: []int32{0, 1 << 30, 1 << 30}, Shift: []int32{33, 28, 29}, Zero: 5, Lo: -128, Hi: 50}
	y := make([]int8, 4)
	AvgPoolInt(g, 3, q, []int8{4, 9}, y) // of 1, and of 6, less the zero point; 4 a pixel
	assert.Equal(t, []int8{5, 9, 19, 29}, y)
	AvgPoolInt(g, 3, q, []int8{4, 19}, y)
	assert.Equal(t, []int8{5, 9, 39, 50}, y)
}

// TestR13 compares the integers with the reals they stand for.
func TestR13(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 200 {
		sa, sb := .001+rng.Float64(), .001+rng.Float64()
		sy := (sa + sb) * (.5 + rng.Float64())
		za, zb, zy := int32(rng.Intn(200)-100), int32(rng.Intn(200)-100), int32(rng.Intn(200)-100)
		p, err := geometry.NewAddParams(geometry.RoundHalfUp, sa, za, sb, zb, sy, zy, -128, 127)
		require.NoError(t, err)
		a, b, y := []int8{int8(rng.Intn(256) - 128)}, []int8{int8(rng.Intn(256) - 128)}, make([]int8, 1)
		AddInt(p, a, b, y)
		real := (sa*float64(int32(a[0])-za)+sb*float64(int32(b[0])-zb))/sy + float64(zy)
		assert.InDelta(t, min(max(real, -128), 127), float64(y[0]), .51)
	}
}

func TestR15(t *testing.T) {
	x := []int8{-128, 10, 10, 127}
	y := make([]int8, 4)
	SoftmaxInt(SoftmaxTable(.05, SoftmaxBits), x, nil, y)
	ref := make([]float32, 4)
	SoftmaxFloat([]float32{-128 * .05, .5, .5, 127 * .05}, nil, ref)
	for i := range y {
		assert.InDelta(t, ref[i], (float32(y[i])+128)/256, 1./256)
	}
	SoftmaxInt(SoftmaxTable(10, SoftmaxBits), []int8{0, 127}, nil, y[:2])
	assert.Equal(t, []int8{-128, 127}, y[:2], "one answer takes all but the last step")
}

// TestR15Fine: with as many bits as a row leaves, the integers are the nearest ones to the reals, but for
// those beside a half; and every number of the kernel fits 32 bits.
func TestR15Fine(t *testing.T) {
	rng := rand.New(rand.NewSource(15))
	for _, n := range []int{1, 2, 4, 10, 256} {
		for range 300 {
			scale, factor := math.Exp(rng.Float64()*5-6), []float64{1, 256. / 255, .25, 2}[rng.Intn(4)]
			mul, shift, err := geometry.MultiplierFor(factor)
			require.NoError(t, err)
			x, y := make([]int8, n), make([]int8, n)
			for i := range x {
				x[i] = int8(rng.Intn(256) - 128)
			}
			SoftmaxScaledInt(SoftmaxTable(scale, FineSoftmaxBits(n, factor)), mul, shift, x, nil, y)
			sum := 0.
			for _, v := range x {
				sum += math.Exp(scale * float64(v))
			}
			for i, v := range x {
				want := math.Exp(scale*float64(v)) / sum * 256 / factor
				assert.InDelta(t, min(want, 255), float64(y[i])+128, .5003, "%d elements, scale %g, factor %g", n, scale, factor)
			}
		}
	}
	for _, n := range []int{1, 255, 256, 257, 1 << 15, 1 << 16} {
		for _, factor := range []float64{1, .1, 1.5} {
			one := 1 << FineSoftmaxBits(n, factor)
			assert.True(t, 256*one+n*one/2 < 1<<32 && (one == 1<<SoftmaxBits || float64(n*one)*factor < 1<<31), "%d elements, factor %g", n, factor)
		}
	}
	assert.Equal(t, SoftmaxBits, FineSoftmaxBits(1<<16, 1))
	assert.Greater(t, FineSoftmaxBits(256, 1), 20)
}

// TestEmbeddingWide looks up rows by indices of two bytes, kept in bounds.
func TestEmbeddingWide(t *testing.T) {
	rows := make([]int8, 2*300)
	for i := range rows {
		rows[i] = int8(i / 2 % 127)
	}
	for index, want := range map[int]int8{0: 0, 1: 1, 255: 1, 256: 2, 299: 299 % 127, 300: 299 % 127, 32767: 299 % 127, -1: 0, -32768: 0} {
		y := make([]int8, 2)
		EmbeddingWide(rows, 2, []int8{int8(index), int8(index >> 8)}, y)
		assert.Equal(t, []int8{want, want}, y, index)
	}
	y := make([]int8, 4)
	EmbeddingWide([]int8{1, 2, 3, 4, 5, 6}, 2, []int8{2, 0, 1, 0}, y)
	assert.Equal(t, []int8{5, 6, 3, 4}, y)
}

// TestR15Mask: what a mask leaves out is 0 and changes nothing else, in both arithmetics.
func TestR15Mask(t *testing.T) {
	table := SoftmaxTable(.05, SoftmaxBits)
	y, few := make([]int8, 5), make([]int8, 3)
	SoftmaxInt(table, []int8{10, 127, -5, 20, -128}, []byte{1, 0, 2, 255, 0}, y)
	SoftmaxInt(table, []int8{10, -5, 20}, nil, few)
	assert.Equal(t, []int8{few[0], -128, few[1], few[2], -128}, y)
	real, part := make([]float32, 5), make([]float32, 3)
	SoftmaxFloat([]float32{1, 1e30, -.5, 2, -1e30}, []byte{1, 0, 2, 255, 0}, real)
	SoftmaxFloat([]float32{1, -.5, 2}, nil, part)
	assert.Equal(t, []float32{part[0], 0, part[1], part[2], 0}, real)
	SoftmaxInt(table, []int8{1, 2}, []byte{0, 0}, y[:2])
	assert.Equal(t, []int8{-128, -128}, y[:2])
	real[0], real[1] = 1, 1
	SoftmaxFloat([]float32{1, 2}, []byte{0, 0}, real[:2])
	assert.Equal(t, []float32{0, 0}, real[:2])
}

package kernels

import (
	"math"
	"math/big"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestR6 compares with exact rationals.
func TestR6(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 20000 {
		a, m, r := int64(int32(rng.Uint32())), int32(1<<30+rng.Intn(1<<30)), int32(1+rng.Intn(62))
		if rng.Intn(50) == 0 {
			a = []int64{math.MinInt32, math.MaxInt32, 0, -1}[rng.Intn(4)]
		}
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(int64(m)))
		want.Add(want, new(big.Int).Lsh(big.NewInt(1), uint(r-1)))
		want.Rsh(want, uint(r)) // floors
		require.Equal(t, want.Int64(), RequantHalfUp(a, m, r), "%d*%d>>%d", a, m, r)
		if r >= 33 {
			require.Equal(t, want.Int64(), int64(RequantSplit(int32(a), m, r)))
		}
	}
}

func TestR8TiesAwayFromZero(t *testing.T) {
	const half = 1 << 30 // times 2^-31: one half
	for a, want := range map[int32]int32{4: 1, -4: -1, 12: 2, -12: -2, 8: 1, -8: -1, 0: 0} {
		assert.Equal(t, want, RequantTFLite(a, half, 33), "%d/8", a)
	}
	assert.Equal(t, int64(0), RequantHalfUp(-4, half, 33), "R6 rounds up instead")
	assert.Equal(t, int32(0), RequantTFLite(-1, half, 31), "the high multiply alone rounds ties up")
	assert.Equal(t, int32(math.MaxInt32), doublingHigh(math.MinInt32, math.MinInt32))
}

func TestMultiplierFor(t *testing.T) {
	for _, real := range []float64{1e-6, .003, .25, .5, 1, 1 - 1e-17, 3, 1000} {
		m, r, err := MultiplierFor(real)
		require.NoError(t, err)
		require.True(t, m >= 1<<30 && r >= 1 && r <= 62)
		assert.InEpsilon(t, real, math.Ldexp(float64(m), -int(r)), 1e-9)
	}
	m, _, err := MultiplierFor(0)
	require.NoError(t, err)
	assert.Zero(t, m)
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1), 1 << 31} {
		_, _, err := MultiplierFor(bad)
		assert.Error(t, err, "%v", bad)
	}
}

// TestFactorsStayInTheirDomain: what a kernel cannot shift by is refused where factors are
// made, and a factor of 0 has a shift that R7 can have.
func TestFactorsStayInTheirDomain(t *testing.T) {
	for _, real := range []float64{0, LeastFactor / 3, LeastFactor, 1e-5, 1, 1<<14 - 1} {
		m, r, err := WideMultiplierFor(real, 1<<31)
		require.NoError(t, err, "%v", real)
		assert.True(t, r >= 17 && r <= 62, "%v", real)
		q := &Requant{Mul: []int32{m}, Shift: []int32{r}, Lo: -128, Hi: 127}
		assert.InDelta(t, min(real*100, 127), q.ApplyWide(100, 0), .51, "%v", real)
	}
	for _, c := range []struct {
		real  float64
		reach int64
		want  string
	}{
		{1 << 14, 1 << 31, "2^14 or more"},
		{LeastFactor / 4, 1 << 31, ""},
		{LeastFactor / 4, 1 << 33, "below 2^-32"},
		{1, 1 << 47, "do not fit 47 bits"},
		{1, math.MinInt64, "do not fit 47 bits"},
		{1, 1<<47 - 1, ""},
		{-1, 5, "no finite positive"},
	} {
		_, _, err := WideMultiplierFor(c.real, c.reach)
		if c.want == "" {
			assert.NoError(t, err, "%v", c)
		} else {
			assert.ErrorContains(t, err, c.want, "%v", c)
		}
	}
	for _, c := range []struct {
		real  float64
		reach int64
		want  string
	}{{.9, 1<<31 - 1, ""}, {.9, 1 << 31, "do not fit 32 bits"}, {1.5, 1<<30 - 1, ""}, {1.5, 1 << 30, "out of 32 bits"}, {0, 1<<31 - 1, ""}, {1 << 30, 1, "2^30 or more"}} {
		m, r, err := TFLiteMultiplierFor(c.real, c.reach)
		if c.want == "" {
			require.NoError(t, err, "%v", c)
			a := int32(c.reach)
			assert.InDelta(t, min(c.real*float64(a), math.MaxInt32), RequantTFLite(a, m, r), 1, "%v", c)
		} else {
			assert.ErrorContains(t, err, c.want, "%v", c)
		}
	}
}

func TestR5IsTight(t *testing.T) {
	assert.True(t, AccumulatorFits(1<<31-1-255*3, []int32{2, -1}, -128, 255))
	assert.False(t, AccumulatorFits(1<<31-255*3, []int32{2, -1}, -128, 255))
	assert.False(t, AccumulatorFits(-(1<<31-255*3), []int32{2, -1}, -128, 255))
}

// TestR4Scatter compares the convolution with one that starts from the input
// pixels, and with the form that kernels of odd codes use.
func TestR4Scatter(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for range 300 {
		groups := 1 + rng.Intn(2)
		g := Window{InC: groups * (1 + rng.Intn(3)), InH: 1 + rng.Intn(6), InW: 1 + rng.Intn(6), OutC: groups * (1 + rng.Intn(3)),
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
		DecodeOdd(bits, codes, w)
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
		q := &Requant{Mul: []int32{1 << 30}, Shift: []int32{33}, Zero: 3, Lo: -128, Hi: 127}
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
	g := Window{InC: 1, InH: 1, InW: 2, OutC: 1, KH: 1, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	for _, c := range [][3]int8{{1, 2, 2}, {-1, -2, -2}, {1, -2, -1}, {0, 1, 1}, {127, 127, 127}} {
		y := make([]int8, 1)
		AvgPoolInt(g, []int8{c[0], c[1]}, -128, 127, y)
		assert.Equal(t, c[2], y[0], "mean of %d and %d", c[0], c[1])
	}
}

// TestR13 compares the integers with the reals they stand for.
func TestR13(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 200 {
		sa, sb := .001+rng.Float64(), .001+rng.Float64()
		sy := (sa + sb) * (.5 + rng.Float64())
		za, zb, zy := int32(rng.Intn(200)-100), int32(rng.Intn(200)-100), int32(rng.Intn(200)-100)
		p, err := NewAddParams(RoundHalfUp, sa, za, sb, zb, sy, zy, -128, 127)
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
	SoftmaxInt(SoftmaxTable(.05), x, y)
	ref := make([]float32, 4)
	SoftmaxFloat([]float32{-128 * .05, .5, .5, 127 * .05}, ref)
	for i := range y {
		assert.InDelta(t, ref[i], (float32(y[i])+128)/256, 1./256)
	}
	SoftmaxInt(SoftmaxTable(10), []int8{0, 127}, y[:2])
	assert.Equal(t, []int8{-128, 127}, y[:2], "one answer takes all but the last step")
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
}

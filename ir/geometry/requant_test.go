package geometry

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
		{1, 0, ""},
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
	assert.Equal(t, int64(NarrowReach-1), Reach(1<<31-1-255*3, []int32{2, -1}, -128, 255))
	assert.Equal(t, int64(NarrowReach), Reach(1<<31-255*3, []int32{2, -1}, -128, 255))
	assert.Equal(t, int64(NarrowReach), Reach(-(1<<31-255*3), []int32{2, -1}, -128, 255))
}

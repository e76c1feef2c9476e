package kernels

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFusedRoundsOnce holds the fused step to exact numbers: random ones, those whose sum in 64
// bits lies in the middle between two numbers of 32 bits or is subnormal, and the greatest.
func TestFusedRoundsOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 28))
	float := func(bits uint32) float32 { return math.Float32frombits(bits) }
	twice := 0 // sums that two roundings change
	check := func(a, b, c float32) {
		product := float64(a) * float64(b)
		exact := new(big.Float).SetPrec(600).SetMode(big.ToNearestEven)
		exact.Add(exact.SetFloat64(product), big.NewFloat(float64(c)))
		want, _ := exact.Float32()
		if want == 0 && exact.Sign() == 0 {
			want = float32(product + float64(c)) // the sign of an exact 0
		}
		got, line := Fused(a, b, c), []float32{c}
		FusedLine(a, []float32{b}, line)
		require.Equal(t, math.Float32bits(want), math.Float32bits(got), "%x * %x + %x", a, b, c)
		require.Equal(t, math.Float32bits(want), math.Float32bits(line[0]), "%x * %x + %x in a line", a, b, c)
		if float32(product+float64(c)) != want {
			twice++
		}
	}
	for range 3000 {
		a, b, c := float(rng.Uint32()), float(rng.Uint32()), float(rng.Uint32())
		if a-a == 0 && b-b == 0 && c-c == 0 {
			check(a, b, c)
		}
		// Numbers of like size, of few bits, and tiny products beside a middle.
		a, b, c = float32(rng.NormFloat64()), float32(rng.NormFloat64()), float32(rng.NormFloat64())
		check(a, b, c)
		check(a, b, -float32(a*b))
		middle := float32(math.Ldexp(float64(1<<23+rng.IntN(1<<23)), 1)) // an even number of 25 bits
		tiny := float32(math.Ldexp(1+rng.Float64(), -rng.IntN(60)-20))
		for _, sign := range []float32{1, -1} {
			check(1+float32(math.Ldexp(1, -rng.IntN(24))), sign*float32(1+math.Ldexp(1, -23)), middle)
			check(tiny, sign*tiny, middle)
			check(float32(rng.IntN(1<<24)), sign*float32(rng.IntN(1<<24)), float32(rng.IntN(1<<24)))
			check(tiny*0x1p-100, sign*tiny, float(rng.Uint32()&0x00ffffff)) // subnormal
		}
		// (1+d)(1-d) = 1-d*d, beside the middle by less than a number of 64 bits shows.
		d := float32(math.Ldexp(float64(1+rng.IntN(100)), -23))
		scale := float32(math.Ldexp(1, rng.IntN(100)-50))
		check((1+d)*scale, 1-d, middle*scale)
		check((1+d)*scale, d-1, middle*scale)
		check((1+d)*0x1p-100, (1-d)*0x1p-50, middle*0x1p-150) // subnormal
	}
	for _, a := range []float32{math.MaxFloat32, -math.MaxFloat32, 1, 0, math.SmallestNonzeroFloat32} {
		for _, b := range []float32{1, 2, 0x1p-24, 0x1p-25, 0} {
			for _, c := range []float32{math.MaxFloat32, -math.MaxFloat32, 0x1p103, 0x1p-149, 0, float32(math.Copysign(0, -1))} {
				check(a, b, c)
			}
		}
	}
	require.Greater(t, twice, 1000, "the cases hold no sum that two roundings change")
}

// TestFusedOfWhatIsNoNumber: as the sum of 64 bits.
func TestFusedOfWhatIsNoNumber(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	all := []float32{inf, -inf, nan, 0, 1, -1}
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				want, got := float32(float64(a)*float64(b)+float64(c)), Fused(a, b, c)
				require.True(t, want == got || want != want && got != got, "%v * %v + %v: %v, not %v", a, b, c, got, want)
			}
		}
	}
}

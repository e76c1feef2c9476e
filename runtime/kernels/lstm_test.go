package kernels

import (
	"math"
	"testing"

	"github.com/dnnc/dnnc/ir"
)

// gemmlowp is fixed-point numbers of 16 bits as the library of that name has them, operation by operation: what TensorFlow
// Lite's LSTM computes its sigmoids and tanhs by. A number of n bits before the point has 15-n after it.
type gemmlowp struct{}

func (gemmlowp) wrap(x int) int { return int(int16(x)) }

// mul is the rounding doubling high product: of numbers of m and n bits before the point, one of m+n.
func (gemmlowp) mul(a, b int) int {
	if a == b && a == math.MinInt16 {
		return math.MaxInt16
	}
	nudge := 1 << 14
	if a*b < 0 {
		nudge = 1 - 1<<14
	}
	return (a*b + nudge) / (1 << 15)
}

// right divides by 2^n, ties away from zero.
func (gemmlowp) right(x, n int) int {
	mask := 1<<n - 1
	threshold := mask >> 1
	if x < 0 {
		threshold++
	}
	if x&mask > threshold {
		return x>>n + 1
	}
	return x >> n
}

// left multiplies by 2^n, within 16 bits.
func (gemmlowp) left(x, n int) int {
	switch most := 1<<(15-n) - 1; {
	case x > most:
		return math.MaxInt16
	case x < -most:
		return math.MinInt16
	}
	return x << n
}

// number is a constant that the library has of 32 bits.
func (g gemmlowp) number(x int) int { return g.right(x, 16) }

// small is exp(a) of a from -1/4 up to 0, no bits before the point.
func (g gemmlowp) small(a int) int {
	x := g.wrap(a + 1<<12)
	x2 := g.mul(x, x)
	x3 := g.mul(x2, x)
	x4 := g.mul(x2, x2)
	sum := g.right(g.mul(g.right(x4, 2)+x3, g.number(715827883))+x2, 1)
	middle := g.number(1895147668)
	return min(middle+g.mul(middle, g.wrap(x+sum)), math.MaxInt16)
}

// exp is that of a number of bits before the point that is not positive.
func (g gemmlowp) exp(a, bits int) int {
	if a == 0 {
		return math.MaxInt16
	}
	after := 15 - bits
	quarter := 1 << (after - 2)
	part := a&(quarter-1) - quarter
	y := g.small(g.left(part, bits))
	rest := g.wrap(part - a)
	for k, power := range []int{1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242} {
		if exponent := k - 2; bits > exponent && rest&(1<<(after+exponent)) != 0 {
			y = g.mul(y, g.number(power))
		}
	}
	if bits > 5 && a < -(1<<(36-bits))>>16 {
		return 0
	}
	return y
}

// half is 1/(1+a) of a from 0 to 1, which has one bit before the point less than the result: 2/(1+a) of 2 bits.
func (g gemmlowp) half(a int) int {
	h := (a + math.MaxInt16 + 1) / 2
	y := g.number(1515870810) + g.mul(h, g.number(-1010580540))
	for range 3 {
		y = g.wrap(y + g.left(g.mul(y, 1<<13-g.mul(h, y)), 2))
	}
	return y
}

func (g gemmlowp) sigmoid(x int) int {
	size := g.wrap(-x)
	if x > 0 {
		size = x
	}
	y := g.left(g.half(g.exp(g.wrap(-size), 3)), 1)
	switch {
	case x == 0:
		return g.number(1 << 30)
	case x > 0:
		return y
	}
	return math.MaxInt16 - y
}

func (g gemmlowp) tanh(x, bits int) int {
	y := g.left(g.half(g.exp(min(x, -x), bits+1))-1<<13, 2)
	switch {
	case x == 0:
		return 0
	case x < 0:
		return -y
	}
	return y
}

// TestFixedFunctions: of all 65,536 arguments the functions are those of the library.
func TestFixedFunctions(t *testing.T) {
	var lib gemmlowp
	for x := math.MinInt16; x <= math.MaxInt16; x++ {
		have := FixedSigmoid(int32(x))
		if want := lib.sigmoid(x); want != int(have) {
			t.Fatalf("sigmoid of %d is %d, not %d", x, have, want)
		}
		if real := sigmoid(float64(x) / (1 << 12)); math.Abs(real-float64(have)/(1<<15)) > 3e-4 {
			t.Fatalf("sigmoid of %d is %d, of reals %v", x, have, real)
		}
		for bits := range ir.MostCellBits + 1 {
			if have, want := FixedTanh(int32(x), bits), lib.tanh(x, bits); want != int(have) {
				t.Fatalf("tanh of %d with %d bits is %d, not %d", x, bits, have, want)
			}
		}
	}
}

package proof

import (
	"cmp"
	"math/big"
	"math/bits"
)

// fraction is a size at which an element takes another integer, exactly. Images of bytes have
// so many sizes of so few digits that machine words are kept for them.
type fraction struct {
	num, den int64    // den > 0; neither has more than wordBits bits
	big      *big.Rat // the fraction where they cannot hold it; else nil
}

// wordBits is what a float64 holds exactly, so that a quotient is rounded once.
const wordBits = 53

// isWord reports an integer that a word of a fraction holds.
func isWord(x *big.Int) bool { return x.BitLen() <= wordBits }

func fractionOf(r *big.Rat) fraction {
	if isWord(r.Num()) && isWord(r.Denom()) {
		return fraction{num: r.Num().Int64(), den: r.Denom().Int64()}
	}
	return fraction{big: r}
}

// levelBits bounds an integer of an input, which has 8 bits, and one more beyond either end.
const levelBits = 9

// multiples are n*step - from, of integers n of at most levelBits bits.
func multiples(step, from *big.Rat) func(n int) fraction {
	// n*step - from = (n*s - f)/den.
	den := new(big.Int).Mul(step.Denom(), from.Denom())
	den.Quo(den, new(big.Int).GCD(nil, nil, step.Denom(), from.Denom()))
	over := func(r *big.Rat) *big.Int {
		x := new(big.Int).Quo(den, r.Denom())
		return x.Mul(x, r.Num())
	}
	s, f := over(step), over(from)
	if !isWord(den) || s.BitLen()+levelBits >= wordBits || f.BitLen() >= wordBits {
		return func(n int) fraction { return fractionOf(difference(product(rat(int64(n), 1), step), from)) }
	}
	words := [3]int64{s.Int64(), f.Int64(), den.Int64()}
	return func(n int) fraction { return fraction{num: int64(n)*words[0] - words[1], den: words[2]} }
}

// rat is the fraction as an exact number.
func (f fraction) rat() *big.Rat {
	if f.big != nil {
		return f.big
	}
	return rat(f.num, f.den)
}

// float is the nearest float64.
func (f fraction) float() float64 {
	if f.big != nil {
		near, _ := f.big.Float64()
		return near
	}
	return float64(f.num) / float64(f.den)
}

func (f fraction) compare(o fraction) int {
	if f.big != nil || o.big != nil {
		return f.rat().Cmp(o.rat())
	}
	if f.num < 0 != (o.num < 0) {
		return cmp.Compare(f.num, o.num)
	}
	// a/b < c/d where ad < cb; of two below zero the magnitudes are the other way round.
	a, b := times(f.num, o.den), times(o.num, f.den)
	c := cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	if f.num < 0 {
		return -c
	}
	return c
}

// times is the magnitude of a product, its high word first.
func times(a, b int64) [2]uint64 {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(b))
	return [2]uint64{hi, lo}
}

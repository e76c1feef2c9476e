package proof

import (
	"fmt"
	"math"
	"math/big"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// grid is how shares of an input's range become integers: nearest, ties up, saturating.
type grid struct {
	in        disturb.Input
	lo, width *big.Rat
	// level(v) = min(max(floor(gain*v+offset), least), most).
	gain, offset *big.Rat
	least, most  int
	shares       map[float32]*big.Rat
}

// Slack is how far, in shares of the input's range, a real may be from a number for which it
// is taken: the rounding of float32, in which images of bytes are read.
const Slack = 1. / (1 << 22)

// levels are the steps of an image of bytes.
const levels = 255

// newGrid is that of an input and how it is quantized. A real that float32's rounding alone
// tells apart from one of the 256 levels of an image of bytes is that level; any other stands
// for itself. A scale that its rounding alone tells apart from a 255th of the range is that.
func newGrid(in disturb.Input, q ir.Quant) (*grid, error) {
	lo, width := new(big.Rat).SetFloat64(float64(in.Low)), new(big.Rat)
	scale := new(big.Rat).SetFloat64(q.Scale)
	if lo == nil || scale == nil || scale.Sign() <= 0 || !(in.High > in.Low) || math.IsInf(float64(in.High), 0) {
		return nil, fmt.Errorf("proof: the input %s in [%v,%v] of scale %v has no levels", in.Name, in.Low, in.High, q.Scale)
	}
	width.Sub(new(big.Rat).SetFloat64(float64(in.High)), lo)
	g := &grid{in: in, lo: lo, width: width, gain: quotient(width, scale), shares: make(map[float32]*big.Rat)}
	if f, _ := g.gain.Float64(); math.Abs(f/levels-1) <= Slack {
		g.gain = rat(levels, 1)
	}
	g.offset = sum(sum(product(quotient(lo, width), g.gain), half), rat(int64(q.Zero), 1))
	g.least, g.most = -128, 127
	g.least, g.most = g.level(zero), g.level(one)
	return g, nil
}

// share is a real as a share of the input's range, exactly.
func (g *grid) share(v float32) (*big.Rat, error) {
	if s := g.shares[v]; s != nil {
		return s, nil
	}
	r := new(big.Rat).SetFloat64(float64(v))
	if r == nil {
		return nil, diag.New(g.in.Pos, diag.BadData, "an element of %s is %v, which is no size of a pixel", g.in.Name, v)
	}
	r.Quo(r.Sub(r, g.lo), g.width)
	f, _ := r.Float64()
	// Of a range far from 0 float32 is coarser than of its width.
	slack := Slack * max(1, max(math.Abs(float64(g.in.Low)), math.Abs(float64(g.in.High)))/float64(g.in.High-g.in.Low))
	if n := math.Round(f * levels); math.Abs(f-n/levels) <= slack {
		r.SetFrac64(int64(n), levels)
	}
	if r.Sign() < 0 {
		r = zero
	}
	if r.Cmp(one) > 0 {
		r = one
	}
	g.shares[v] = r
	return r, nil
}

// level is the integer of an element.
func (g *grid) level(v *big.Rat) int {
	r := sum(product(v, g.gain), g.offset)
	n := new(big.Int).Div(r.Num(), r.Denom()) // the floor, as denominators are positive
	if !n.IsInt64() {
		if n.Sign() < 0 {
			return g.least
		}
		return g.most
	}
	return int(min(max(n.Int64(), int64(g.least)), int64(g.most)))
}

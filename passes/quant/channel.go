package quant

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/quant/round"
)

const (
	// slack is the part of a step that the weights of a channel may move its output by
	// where they are rounded again for its bias's sake (R2).
	slack = .25
	// fine and coarse are factors of a channel of zeros: one that a bias has steps enough
	// with, and one above which half a unit of it is too much of a step.
	fine, coarse = 1. / (1 << 16), 1. / (1 << 12)
)

// beyond is steps of a result that take it out of its type whatever its zero point: twice
// those that do, for factors are rounded.
func beyond(isWide bool) float64 {
	if isWide {
		return 2 << 16
	}
	return 512
}

// use is what the integers of a channel depend on beside its weights and bias: the types
// of an argument and a result.
type use struct {
	in, out         float64 // scales
	least, greatest int32   // x-z
	isWide          bool    // the result is of 16 bits
}

func newUse(n *ir.Node) use {
	in, out := n.Args[0].Type, n.Out.Type
	least, greatest := geometry.Differences(in)
	return use{in.Quant.Scale, out.Quant.Scale, least, greatest, out.IsWide()}
}

// step is a step of the result in 8 bits, of which parts may be lost.
func (u use) step() float64 {
	if u.isWide {
		return u.out * (1 << 8)
	}
	return u.out
}

// usesOf are those of layers that share their weights.
func usesOf(tied []*ir.Node) []use {
	var uses []use
	for _, t := range tied {
		if u := newUse(t); !slices.Contains(uses, u) {
			uses = append(uses, u)
		}
	}
	return uses
}

// factor is that of a channel whose weights have a scale.
func (u use) factor(scale float64) float64 { return float64(u.in*scale) / u.out }

// sums are the bias, the factor, and the reach of the accumulator (R5) of a channel with
// weights scale*w. A bias that alone leaves 32 bits is cut off where every result is
// beyond its type already.
func (u use) sums(w []int32, scale, bias float64) (b int64, factor float64, reach int64) {
	factor = u.factor(scale)
	reach = geometry.Reach(0, w, u.least, u.greatest)
	exact := math.Round(bias / float64(u.in*scale))
	if math.Abs(exact)+float64(reach) >= geometry.NarrowReach {
		limit := min(float64(reach)+math.Ceil(beyond(u.isWide)/factor), 1<<61)
		exact = min(max(exact, -limit), limit)
	}
	b = int64(exact)
	return b, factor, reach + max(b, -b)
}

// sumForm is what accumulators a channel can be computed with.
type sumForm int

const (
	none sumForm = iota
	wide         // 64 bits (R7)
	narrow
)

func (u use) form(w []int32, scale, bias float64) sumForm {
	if !(scale > 0) || math.IsInf(scale, 0) {
		return none // of weights that float32 could not divide
	}
	_, factor, reach := u.sums(w, scale, bias)
	switch {
	case reach < geometry.NarrowReach:
		return narrow
	case reach < geometry.WideReach && factor >= geometry.LeastFactor:
		return wide
	}
	return none
}

// fit gives channel c of layer n codes and a scale with which its sums fit an
// accumulator, and returns the bias that goes with them. A dead channel, one without
// weights, has the scale that suits its bias. A nearly dead one, whose bias is many
// million times its weights, as batch normalisation folded into a filter that learned
// nothing leaves it, is rounded again at a greater scale: at most a quarter of a step is
// lost. So is a channel of which rounding made more than it is, as a codebook without
// small entries does. What others have stays.
func (r *codesOf) fit(n *ir.Node, c int, original []float32, bias float64, uses []use) (float64, error) {
	isDead := allZero(original)
	if !isDead && r.isInflated(n, c, original, uses) {
		isDead, bias = true, bias-r.Bias[c]
	}
	switch {
	case isDead && r.Elem.Kind != ir.I8:
		r.own()
		r.kill(c, uses)
	case isDead && slices.ContainsFunc(uses, func(u use) bool {
		f := u.factor(r.Scale[c])
		return f >= coarse && bias != 0 || f >= beyond(u.isWide)
	}):
		r.own()
		r.Scale[c] = math.Inf(1)
		for _, u := range uses {
			r.Scale[c] = min(r.Scale[c], fine*u.out/u.in)
		}
	}
	form := r.form(n, c, bias, uses)
	if form == narrow {
		return bias, nil
	}
	weights := make([]float64, len(original))
	if !isDead {
		for i, w := range r.integers(n, c) {
			weights[i] = float64(r.Scale[c] * float64(w))
		}
	}
	steps := func(u use) float64 { return min(math.Abs(bias)/u.out, beyond(u.isWide)) }
	if r.again(n, c, weights, bias, uses, narrow, func(u use) float64 { return max(2*geometry.LeastFactor, steps(u)*2/geometry.NarrowReach) }) ||
		form == wide ||
		r.again(n, c, weights, bias, uses, wide, func(use) float64 { return 2 * geometry.LeastFactor }) {
		return bias, nil
	}
	return 0, diag.New(n.Pos, diag.Unsupported, "%s: no integers hold both the weights and the bias of channel %d, which is %g", n.Name(), c, bias).
		WithHelp("give the layer another format, as bits: i8; or fewer inputs; or remove the channel, whose weights hardly change its result")
}

// isSlack reports whether weights of this sum of absolute values move no output by more
// than slack.
func isSlack(weights float64, uses []use) bool {
	return !slices.ContainsFunc(uses, func(u use) bool {
		return weights*u.in/u.step()*float64(max(-u.least, u.greatest)) > slack
	})
}

// isInflated reports whether the weights of channel c move no output, but do so as they
// are rounded.
func (r *codesOf) isInflated(n *ir.Node, c int, original []float32, uses []use) bool {
	sum, lost := 0., 0.
	for _, x := range original {
		sum += math.Abs(float64(x))
	}
	if !isSlack(sum, uses) {
		return false
	}
	for i, w := range r.integers(n, c) {
		lost += math.Abs(float64(original[i]) - float64(r.Scale[c]*float64(w)))
	}
	return !isSlack(lost, uses)
}

// form is the widest one of the uses of channel c.
func (r *codesOf) form(n *ir.Node, c int, bias float64, uses []use) sumForm {
	least, w := narrow, r.integers(n, c)
	for _, u := range uses {
		least = min(least, u.form(w, r.Scale[c], bias))
	}
	return least
}

// again rounds channel c to the scale at which every use has at least the factor that it
// wants, if that is a greater one. It reports whether the sums then have the form that is
// wanted, and the weights are near enough; else nothing changes.
func (r *codesOf) again(n *ir.Node, c int, weights []float64, bias float64, uses []use, want sumForm, wants func(u use) float64) bool {
	scale := 0.
	for _, u := range uses {
		scale = max(scale, wants(u)*u.out/u.in)
	}
	if !(scale > r.Scale[c]) {
		return false
	}
	r.own()
	codes, was := slices.Clone(r.rowCodes(c)), r.Scale[c]
	r.Scale[c] = scale
	r.recode(c, weights)
	if r.form(n, c, bias, uses) >= want {
		lost := 0.
		for i, w := range r.integers(n, c) {
			lost += math.Abs(weights[i] - float64(scale*float64(w)))
		}
		if isSlack(lost, uses) {
			return true
		}
	}
	copy(r.rowCodes(c), codes)
	r.Scale[c] = was
	return false
}

// recode gives channel c the codes of small weights at its scale. What an odd code
// errs by goes into the next one, so that weights of 0 alternate. It returns the sum of
// the absolute integers of weights that are 0.
func (r *Rounded) recode(c int, weights []float64) (sum int) {
	codes := r.rowCodes(c)
	switch r.Elem.Kind {
	case ir.I8:
		for i, w := range weights {
			codes[i] = byte(int8(min(max(math.Round(w/r.Scale[c]), -127), 127)))
		}
		return 0
	case ir.Odd:
		middle, carry := float64(int(1)<<(r.Elem.Bits-1)), 0.
		for i, w := range weights {
			v := w/r.Scale[c] + carry
			q := min(max(math.Floor(v/2)+middle, 0), 2*middle-1)
			codes[i], carry = byte(q), v-(2*(q-middle)+1)
		}
		return len(codes)
	}
	// Of a codebook, the row of the least integers there are.
	d := len(r.Book) >> r.Elem.Bits
	best, least := 0, math.MaxInt
	for q := range 1 << r.Elem.Bits {
		size := 0
		for _, v := range r.Book[q*d : (q+1)*d] {
			size += max(int(v), -int(v))
		}
		if size < least {
			best, least = q, size
		}
	}
	for i := range codes {
		codes[i] = byte(best)
	}
	return len(codes) * max(least, 1)
}

// kill rounds a channel of zeros to a format without zero (R2): the least integers
// there are, with a scale so small that no input moves the output by more than a
// fraction of a step.
func (r *Rounded) kill(c int, uses []use) {
	r.Scale[c] = 1
	sum := r.recode(c, make([]float64, len(r.rowCodes(c))))
	r.Scale[c] = math.Inf(1)
	for _, u := range uses {
		r.Scale[c] = min(r.Scale[c], round.DeadScale(sum, u.in*float64(u.greatest-u.least), u.step()))
	}
}

// rowCodes are the codes of channel c.
func (r *Rounded) rowCodes(c int) []byte {
	size := len(r.Codes) / len(r.Scale)
	return r.Codes[c*size : (c+1)*size]
}

// integers are the W of channel c (R1).
func (r *Rounded) integers(n *ir.Node, c int) []int32 {
	s := n.Const(ir.AttrWeight).Type.Shape
	codes := r.rowCodes(c)
	w := make([]int32, s.Size()/s[0])
	switch r.Elem.Kind {
	case ir.I8:
		for i, q := range codes {
			w[i] = int32(int8(q))
		}
	case ir.Odd:
		geometry.DecodeUniform(r.Elem, codes, w)
	case ir.Code:
		geometry.DecodeCodebook(r.Book, codes, w)
	case ir.Vec:
		geometry.DecodeVector(r.Book, int(r.Elem.Group), codes, s[1], len(w)/s[1], w)
	}
	return w
}

// own makes codes and scales a copy that may change: others may share them.
func (r *codesOf) own() {
	if r.isOwn {
		return
	}
	c := *r.Rounded
	c.Codes, c.Scale = slices.Clone(c.Codes), slices.Clone(c.Scale)
	r.Rounded, r.isOwn = &c, true
}

// allZero reports a dead channel, whose weights odd codes cannot hold (R2).
func allZero(weights []float32) bool {
	for _, x := range weights {
		if x != 0 {
			return false
		}
	}
	return true
}

package measure

import (
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Divergence is how far a network's answers are from the float network's: means
// over items.
type Divergence struct {
	// KL is what a search makes least: of one label an item the KL divergence of the
	// softmax, in nats; of other tasks the weighted mean of the results' divergences, of
	// which the best constant answer has 1.
	KL float64
	// MSE is the squared difference of the answers, apart from the common shift of logits;
	// of other tasks the weighted mean of the results' ones, as shares of the variance.
	MSE   float64
	Flips float64 // share of decisions that differ
	// Nats is the KL divergence of softmaxes and sigmoids of other tasks, the sum over
	// the results that have one.
	Nats float64 `json:",omitempty"`
}

// Scale is the divergence of the best constant answer: what divergences are divided by.
type Scale struct {
	parts [][]float64 // of each result; 0 of a part that is left out
	mse   []float64   // mean squared difference of answers from their mean, of each result
	// Left names the elements that are left out: the float network's answer hardly moves.
	Left []string
}

// ScaleOf takes the scale from answers of the float network to n clean items x, both
// records of items. steps are the output steps of each result: elements of values whose
// variance is below half a step squared are left out. It is nil of one label an item,
// whose divergence is in nats.
func (t *Task) ScaleOf(x, answers []float32, n int, steps []float64) (*Scale, error) {
	if t.IsKL() {
		return nil, nil
	}
	s := &Scale{}
	size, record := t.Size(), len(x)/n
	for k := range t.Results {
		r := &t.Results[k]
		ref := func(i int) []float32 { return answers[i*size+r.from : i*size+r.from+r.size] }
		parts := r.row.constant(r, n, func(i int) []float32 { return x[i*record : (i+1)*record] }, ref)
		least := 0.0
		if r.row.name == ir.Values {
			least = float64(steps[k] / 2 * steps[k] / 2)
		}
		left := 0
		for e, v := range parts {
			switch {
			case math.IsNaN(v):
				return nil, diag.New(diag.Pos{}, diag.BadData, "the divergence of the result %s is not defined: the float network's answers to %d calibration items are not all numbers", r.Name, n).
					WithHelp("look at the images of -calib, and at operations of the network that divide or take logarithms")
			case v > least:
				continue
			}
			parts[e] = 0
			if left++; len(parts) > 1 {
				s.Left = append(s.Left, fmt.Sprintf("%s[%d]", r.Name, e))
			}
		}
		if left == len(parts) {
			return nil, diag.New(diag.Pos{}, diag.BadData, "the float network gives the same answer %s to all of %d calibration items: there is nothing to keep of it", r.Name, n).
				WithHelp("look at the range of the input, and at the images of -calib")
		}
		mean := make([]float64, r.size)
		for i := range n {
			for e, v := range ref(i) {
				mean[e] += float64(v) / float64(n)
			}
		}
		sum := 0.0
		for i := range n {
			for e, v := range ref(i) {
				d := float64(v) - mean[e]
				sum += float64(d * d)
			}
		}
		s.parts, s.mse = append(s.parts, parts), append(s.mse, sum/float64(n*r.size))
	}
	return s, nil
}

// Item is the divergence of one item: x is the network's input, ref the float network's
// answer.
func (t *Task) Item(s *Scale, x, ref, got []float32) float64 {
	if s == nil {
		return KL(ref, got)
	}
	d, _ := t.item(s, x, ref, got)
	return d
}

// item is Item, and the nats in it.
func (t *Task) item(s *Scale, x, ref, got []float32) (sum, nats float64) {
	weights := t.weights()
	for k := range t.Results {
		r := &t.Results[k]
		parts := make([]float64, len(s.parts[k]))
		r.row.parts(r, x, ref[r.from:r.from+r.size], got[r.from:r.from+r.size], parts)
		own, kept := 0.0, 0
		for e, scale := range s.parts[k] {
			if scale > 0 {
				own, kept = own+parts[e]/scale, kept+1
			}
		}
		sum += float64(r.Weight / weights * (own / float64(kept)))
		if r.row.isNats {
			nats += parts[0]
		}
	}
	return sum, nats
}

// weights is the sum of the results' weights.
func (t *Task) weights() float64 {
	sum := 0.0
	for k := range t.Results {
		sum += t.Results[k].Weight
	}
	return sum
}

// Slope writes the derivative of Item with respect to got.
func (t *Task) Slope(s *Scale, x, ref, got, d []float32) {
	clear(d)
	if s == nil {
		r := &t.Results[0]
		r.row.slope(r, x, ref, got, []float64{1}, d)
		return
	}
	weights := t.weights()
	for k := range t.Results {
		r := &t.Results[k]
		kept := 0
		for _, scale := range s.parts[k] {
			if scale > 0 {
				kept++
			}
		}
		scale := make([]float64, len(s.parts[k]))
		for e, v := range s.parts[k] {
			scale[e] = v * float64(kept) / r.Weight * weights
		}
		r.row.slope(r, x, ref[r.from:r.from+r.size], got[r.from:r.from+r.size], scale, d[r.from:r.from+r.size])
	}
}

// Items are the terms of a Divergence, item by item: those of parts of the items, joined in
// order, have the same total as those of all items, to the last bit.
type Items struct {
	KL         []float64
	MSE, Flips []float64 // of each item, result by result
	Nats       []float64 `json:",omitempty"`
}

// Add appends the terms of the items that follow.
func (d *Items) Add(next Items) {
	d.KL, d.MSE = append(d.KL, next.KL...), append(d.MSE, next.MSE...)
	d.Flips, d.Nats = append(d.Flips, next.Flips...), append(d.Nats, next.Nats...)
}

// total is the mean of terms: each divided before it is added, or their sum.
func (d *Items) total(byTerm bool) (mean Divergence) {
	n := float64(len(d.KL))
	sum := func(terms []float64) (s float64) {
		for _, v := range terms {
			if byTerm {
				v /= n
			}
			s += v
		}
		if !byTerm {
			s /= n
		}
		return s
	}
	mean.MSE, mean.Flips = sum(d.MSE), sum(d.Flips)
	byTerm = false
	mean.KL, mean.Nats = sum(d.KL), sum(d.Nats)
	return mean
}

// Total is the divergence of items.
func (t *Task) Total(s *Scale, d Items) Divergence { return d.total(s == nil) }

// Items compares two networks' answers to the same items x.
func (t *Task) Items(s *Scale, x, ref, got []float32) (d Items) {
	size := t.Size()
	if s == nil {
		return itemsOf(ref, got, size)
	}
	n := len(got) / size
	record := len(x) / n
	weights := t.weights()
	for i := range n {
		a, b := ref[i*size:(i+1)*size], got[i*size:(i+1)*size]
		kl, nats := t.item(s, x[i*record:(i+1)*record], a, b)
		d.KL, d.Nats = append(d.KL, kl), append(d.Nats, nats)
		for k := range t.Results {
			r := &t.Results[k]
			a, b := a[r.from:r.from+r.size], b[r.from:r.from+r.size]
			sum, mse, flips := 0.0, 0.0, 0.0
			for e, v := range a {
				e := float64(b[e]) - float64(v)
				sum += float64(e * e)
			}
			if s.mse[k] > 0 {
				mse = float64(r.Weight / weights * (sum / float64(r.size) / s.mse[k]))
			}
			if r.row.differs != nil {
				flips = float64(r.Weight / weights * r.row.differs(r, a, b))
			}
			d.MSE, d.Flips = append(d.MSE, mse), append(d.Flips, flips)
		}
	}
	return d
}

// Diverge compares two networks' answers to the same items x.
func (t *Task) Diverge(s *Scale, x, ref, got []float32) Divergence {
	return t.Total(s, t.Items(s, x, ref, got))
}

// Margin seeds the gradient that guides errors: the derivative of how right each item's
// answer is, by its label, or by the network's own decision where there is none.
func (t *Task) Margin(b data.Batch) (func(image int, out, d []float32), error) {
	labels, err := t.labels(b)
	if err != nil {
		return nil, err
	}
	if t.isPlain() {
		return interp.Margin(whole(labels[0])), nil
	}
	for k := range t.Results {
		r := &t.Results[k]
		zero := make([]float32, max(r.size, r.inputWhole))
		if r.row.margin == nil || !r.row.margin(r, zero, labelOf(labels[k], 0, b.N), zero[:r.size], make([]float32, r.size)) {
			d := diag.New(diag.Pos{}, diag.Unsupported, "errors that are guided follow how right an answer is, and %s has no such thing", r.Task).
				WithHelp("the unguided forms of the kinds end in -random")
			if r.row.margin != nil {
				d.Message += " without labels"
			}
			return nil, d
		}
	}
	return func(i int, out, d []float32) {
		for k := range t.Results {
			r := &t.Results[k]
			own := d[r.from : r.from+r.size]
			r.row.margin(r, b.Image(i), labelOf(labels[k], i, b.N), out[r.from:r.from+r.size], own)
			for e := range own {
				own[e] *= float32(r.Weight)
			}
		}
	}, nil
}

// labelOf is the label of item i of n; nil where there are none.
func labelOf(labels []float32, i, n int) []float32 {
	if labels == nil {
		return nil
	}
	size := len(labels) / n
	return labels[i*size : (i+1)*size]
}

// leastShare is what a probability is taken for at least: half a step of 8 bits.
const leastShare = 1. / 512

// logShares writes the logarithms of the probabilities that an answer gives the classes at
// one position.
func (r *Result) logShares(x []float32, position int, out []float64) {
	at := position/r.inner*r.classes*r.inner + position%r.inner
	if r.isShare {
		for c := range out {
			out[c] = math.Log(max(float64(x[at+c*r.inner]), leastShare))
		}
		return
	}
	top, sum := math.Inf(-1), 0.0
	for c := range out {
		out[c] = float64(x[at+c*r.inner])
		top = max(top, out[c])
	}
	for _, v := range out {
		sum += math.Exp(v - top)
	}
	whole := top + math.Log(sum)
	for c := range out {
		out[c] -= whole
	}
}

func klOf(ref, got []float64) float64 {
	sum := 0.0
	for c, a := range ref {
		sum += term(a, got[c])
	}
	return max(sum, 0)
}

func classesParts(r *Result, _, ref, got []float32, out []float64) {
	a, b := make([]float64, r.classes), make([]float64, r.classes)
	sum := 0.0
	for p := range r.positions {
		r.logShares(ref, p, a)
		r.logShares(got, p, b)
		sum += klOf(a, b)
	}
	out[0] = sum / float64(r.positions)
}

// classesConstant is the mean KL of the mean softmax at each position.
func classesConstant(r *Result, n int, _, ref func(i int) []float32) []float64 {
	a, mean := make([]float64, r.classes), make([]float64, r.classes)
	sum := 0.0
	for p := range r.positions {
		clear(mean)
		for i := range n {
			r.logShares(ref(i), p, a)
			for c, v := range a {
				mean[c] += math.Exp(v) / float64(n)
			}
		}
		for c, v := range mean {
			mean[c] = math.Log(v)
		}
		for i := range n {
			r.logShares(ref(i), p, a)
			sum += klOf(a, mean) / float64(n)
		}
	}
	return []float64{sum / float64(r.positions)}
}

func classesSlope(r *Result, _, ref, got []float32, scale []float64, d []float32) {
	a, b := make([]float64, r.classes), make([]float64, r.classes)
	for p := range r.positions {
		r.logShares(ref, p, a)
		r.logShares(got, p, b)
		at := p/r.inner*r.classes*r.inner + p%r.inner
		for c := range a {
			v := math.Exp(b[c]) - math.Exp(a[c])
			if r.isShare {
				v = 0
				if q := float64(got[at+c*r.inner]); q > leastShare {
					v = -math.Exp(a[c]) / q
				}
			}
			d[at+c*r.inner] += float32(v / float64(r.positions) / scale[0])
		}
	}
}

// best is the first greatest class at a position.
func (r *Result) best(x []float32, position int) int {
	at := position/r.inner*r.classes*r.inner + position%r.inner
	best := 0
	for c := range r.classes {
		if x[at+c*r.inner] > x[at+best*r.inner] {
			best = c
		}
	}
	return best
}

func classesMargin(r *Result, _, label, got, d []float32) bool {
	for p := range r.positions {
		own, other := r.best(got, p), -1
		if label != nil {
			if own = int(label[p]); !r.isClass(label[p]) { // void
				continue
			}
		}
		at := p/r.inner*r.classes*r.inner + p%r.inner
		for c := range r.classes {
			if c != own && (other < 0 || got[at+c*r.inner] > got[at+other*r.inner]) {
				other = c
			}
		}
		d[at+own*r.inner], d[at+other*r.inner] = 1, -1
	}
	return true
}

func classesDiffers(r *Result, ref, got []float32) float64 {
	n := 0
	for p := range r.positions {
		if r.best(ref, p) != r.best(got, p) {
			n++
		}
	}
	return float64(n) / float64(r.positions)
}

// yes is the logarithms of the probabilities of yes and no.
func (r *Result) yes(v float32) (yes, no float64) {
	if r.isShare {
		p := min(max(float64(v), leastShare), 1-leastShare)
		return math.Log(p), math.Log(1 - p)
	}
	x := float64(v)
	// log(1/(1+exp(-x))), without an overflow
	no = -max(x, 0) - math.Log1p(math.Exp(-math.Abs(x)))
	return no + x, no
}

func sigmoidParts(r *Result, _, ref, got []float32, out []float64) {
	sum := 0.0
	for e, v := range ref {
		yes, no := r.yes(v)
		y, n := r.yes(got[e])
		sum += term(yes, y) + term(no, n)
	}
	out[0] = max(sum, 0)
}

// sigmoidConstant is the mean KL of the mean probability of each element.
func sigmoidConstant(r *Result, n int, _, ref func(i int) []float32) []float64 {
	sum := 0.0
	for e := range r.size {
		mean := 0.0
		for i := range n {
			yes, _ := r.yes(ref(i)[e])
			mean += math.Exp(yes) / float64(n)
		}
		mean = min(max(mean, 1e-12), 1-1e-12)
		for i := range n {
			yes, no := r.yes(ref(i)[e])
			sum += (term(yes, math.Log(mean)) + term(no, math.Log1p(-mean))) / float64(n)
		}
	}
	return []float64{max(sum, 0)}
}

func sigmoidSlope(r *Result, _, ref, got []float32, scale []float64, d []float32) {
	for e, v := range ref {
		yes, no := r.yes(v)
		y, _ := r.yes(got[e])
		slope := math.Exp(y) - math.Exp(yes)
		if r.isShare {
			slope = 0
			if q := float64(got[e]); q > leastShare && q < 1-leastShare {
				slope = math.Exp(no)/(1-q) - math.Exp(yes)/q
			}
		}
		d[e] += float32(slope / scale[0])
	}
}

func sigmoidMargin(r *Result, _, label, got, d []float32) bool {
	for e, v := range got {
		isYes := r.isYes(v)
		if label != nil {
			isYes = label[e] == 1
		}
		if d[e] = -1; isYes {
			d[e] = 1
		}
	}
	return true
}

func sigmoidDiffers(r *Result, ref, got []float32) float64 {
	n := 0
	for e, v := range ref {
		if r.isYes(v) != r.isYes(got[e]) {
			n++
		}
	}
	return float64(n) / float64(r.size)
}

func valuesParts(_ *Result, _, ref, got []float32, out []float64) {
	for e, v := range ref {
		d := float64(got[e]) - float64(v)
		out[e] = float64(d * d)
	}
}

// valuesConstant is the variance of each element.
func valuesConstant(r *Result, n int, _, ref func(i int) []float32) []float64 {
	mean, out := make([]float64, r.size), make([]float64, r.size)
	for i := range n {
		for e, v := range ref(i) {
			mean[e] += float64(v) / float64(n)
		}
	}
	for i := range n {
		for e, v := range ref(i) {
			d := float64(v) - mean[e]
			out[e] += float64(d*d) / float64(n)
		}
	}
	return out
}

func valuesSlope(_ *Result, _, ref, got []float32, scale []float64, d []float32) {
	for e, v := range ref {
		if scale[e] > 0 {
			d[e] += float32(2 * (float64(got[e]) - float64(v)) / scale[e])
		}
	}
}

// valuesMargin is minus the squared error.
func valuesMargin(_ *Result, _, label, got, d []float32) bool {
	if label == nil {
		return false
	}
	for e, v := range got {
		d[e] = 2 * (label[e] - v)
	}
	return true
}

// score is |x-f(x)|² of a reconstruction.
func (r *Result) score(x, y []float32) float64 {
	sum := 0.0
	for e, v := range x[r.input : r.input+r.inputSize] {
		d := float64(v) - float64(y[e])
		sum += float64(d * d)
	}
	return sum
}

// distance is |x-f(x)| of a reconstruction. A search keeps it rather than the score: its
// square grows with the noise of x, and would let the strongest error outweigh the others.
func (r *Result) distance(x, y []float32) float64 { return math.Sqrt(r.score(x, y)) }

func scoreParts(r *Result, x, ref, got []float32, out []float64) {
	d := r.distance(x, got) - r.distance(x, ref)
	out[0] = float64(d * d)
}

// scoreConstant is the variance of the distance.
func scoreConstant(r *Result, n int, x, ref func(i int) []float32) []float64 {
	mean, sum := 0.0, 0.0
	for i := range n {
		mean += r.distance(x(i), ref(i)) / float64(n)
	}
	for i := range n {
		d := r.distance(x(i), ref(i)) - mean
		sum += float64(d*d) / float64(n)
	}
	return []float64{sum}
}

func scoreSlope(r *Result, x, ref, got []float32, scale []float64, d []float32) {
	own := r.distance(x, got)
	if own == 0 {
		return
	}
	apart := own - r.distance(x, ref)
	for e, v := range x[r.input : r.input+r.inputSize] {
		d[e] += float32(2 * apart * (float64(got[e]) - float64(v)) / own / scale[0])
	}
}

// scoreMargin is the score of an abnormal item, and minus that of another.
func scoreMargin(r *Result, x, label, got, d []float32) bool {
	sign := float32(-1)
	if label != nil && label[0] == 1 {
		sign = 1
	}
	for e, v := range x[r.input : r.input+r.inputSize] {
		d[e] = sign * 2 * (got[e] - v)
	}
	return true
}

// cosine is the cosine of two directions; 0 where one is 0.
func cosine(a, b []float32) float64 { return angle(a, b, norm(a), norm(b)) }

// angle is the cosine of two directions of known norms.
func angle(a, b []float32, normA, normB float64) float64 {
	if normA == 0 || normB == 0 {
		return 0
	}
	dot := 0.0
	for e, v := range a {
		dot += float64(float64(v) * float64(b[e]))
	}
	return dot / normA / normB
}

// norm is the length of a vector.
func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return math.Sqrt(sum)
}

func cosineParts(_ *Result, _, ref, got []float32, out []float64) {
	out[0] = max(1-cosine(ref, got), 0)
}

// direction is the mean of directions.
func direction(size, n int, of func(i int) []float32) []float32 {
	sum := make([]float64, size)
	for i := range n {
		if length := norm(of(i)); length > 0 {
			for e, v := range of(i) {
				sum[e] += float64(v) / length
			}
		}
	}
	out := make([]float32, size)
	for e, v := range sum {
		out[e] = float32(v / float64(n))
	}
	return out
}

func cosineConstant(r *Result, n int, _, ref func(i int) []float32) []float64 {
	mean, sum := direction(r.size, n, ref), 0.0
	for i := range n {
		sum += (1 - cosine(ref(i), mean)) / float64(n)
	}
	return []float64{sum}
}

func cosineSlope(_ *Result, _, ref, got []float32, scale []float64, d []float32) {
	aa, bb := 0.0, 0.0
	for e, v := range ref {
		aa += float64(v) * float64(v)
		bb += float64(got[e]) * float64(got[e])
	}
	if aa == 0 || bb == 0 {
		return
	}
	c := cosine(ref, got)
	for e, v := range ref {
		d[e] -= float32((float64(v)/math.Sqrt(aa)/math.Sqrt(bb) - c*float64(got[e])/bb) / scale[0])
	}
}

package experiment

import (
	"cmp"
	"encoding/base64"
	"slices"

	"github.com/dnnc/dnnc/runtime/measure"
)

// analysis is a study with what its figures are made of at hand.
type analysis struct {
	*study
	sampler *sampler
	ref     [][]float64 // the float network's part of the robust accuracy, by seed and image
	floats  []*measure.Score
	answers [][][]byte // on the planes, by plane and entrant; nil of none
}

// analyse unpacks what was measured, so that nothing after it can fail on it.
func analyse(s *study) (*analysis, error) {
	a := &analysis{study: s, sampler: newSampler(s.mat.images.N, len(s.x.Seeds))}
	var chosen []*entrant
	for _, e := range s.explored {
		chosen = append(chosen, e.entrant)
	}
	for _, list := range slices.Concat([][]*entrant{s.exact}, s.trials, s.efforts, s.ablation, [][]*entrant{chosen}) {
		for _, e := range list {
			if e.result != nil || e.isNone() || e.scored.None {
				continue
			}
			var err error
			if e.result, err = e.scored.score(); err != nil {
				return nil, err
			}
		}
	}
	for _, e := range s.exact {
		a.floats, a.ref = append(a.floats, e.result), append(a.ref, e.result.Shares())
	}
	for _, c := range s.planes {
		var answers [][]byte
		for _, text := range c.answer.(*planed).Answers {
			var raw []byte
			if text != "" {
				var err error
				if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
					return nil, err
				}
			}
			answers = append(answers, raw)
		}
		a.answers = append(a.answers, answers)
	}
	return a, nil
}

// pick is the entrants that a test holds for, one a seed; nil unless all of them have
// a network.
func pick(bySeed [][]*entrant, test func(e *entrant) bool) []*entrant {
	var list []*entrant
	for _, seed := range bySeed {
		i := slices.IndexFunc(seed, test)
		if i < 0 || seed[i].isNone() {
			return nil
		}
		list = append(list, seed[i])
	}
	return list
}

func (a *analysis) trial(method string, bits float64) []*entrant {
	return pick(a.trials, func(e *entrant) bool { return e.method == method && e.bits == bits })
}

// shares are the images' parts of the robust accuracy, by seed; under one kind of
// error alone where k is not negative.
func shares(list []*entrant, k int) (out [][]float64) {
	for _, e := range list {
		if k < 0 {
			out = append(out, e.result.Shares())
		} else {
			out = append(out, e.result.Kinds[k].Shares())
		}
	}
	return out
}

// right is the answers under kind k at one of its sizes, by seed and image.
func right(list []*entrant, k, size int) (out [][]float64) {
	for _, e := range list {
		if own := e.result.Kinds[k].Own; e.result.Kinds[k].Right == nil {
			out = append(out, own[size])
			continue
		}
		x := make([]float64, e.result.Images)
		for i, v := range e.result.Kinds[k].Right[size] {
			if v {
				x[i] = 1
			}
		}
		out = append(out, x)
	}
	return out
}

// unit is ones, as many as there are images.
func unit(like [][]float64) [][]float64 {
	out := make([][]float64, len(like))
	for i := range out {
		out[i] = slices.Repeat([]float64{1}, len(like[i]))
	}
	return out
}

// judged is what networks keep a share of: the robust accuracy, or of other tasks than one
// label an item what the measure is above the best constant answer.
func judged(list ...*analysis) string {
	for _, a := range list {
		if !a.mat.task.IsKL() {
			return "measure above the best constant answer"
		}
	}
	return "robust accuracy"
}

// measure is what networks are judged by under one condition.
func (a *analysis) measure() string {
	if len(a.mat.task.Results) > 1 {
		return a.mat.task.Results[a.part].Measure()
	}
	return cmp.Or(a.mat.task.Measure, "accuracy")
}

// parts are a study of several results as one of each, whose networks are the same and are
// measured by that result.
func parts(s *study) (out []*study, err error) {
	if len(s.mat.task.Results) < 2 {
		return []*study{s}, nil
	}
	for k, r := range s.mat.task.Results {
		p, x := *s, *s.x
		x.Name += ", " + r.Name
		p.x, p.part = &x, k
		p.exact, err = measuredBy(s.exact, k, err)
		for _, bySeed := range []*[][]*entrant{&p.trials, &p.efforts, &p.ablation} {
			var list [][]*entrant
			for _, seed := range *bySeed {
				var copies []*entrant
				copies, err = measuredBy(seed, k, err)
				list = append(list, copies)
			}
			*bySeed = list
		}
		p.explored = nil
		for _, e := range s.explored {
			var own []*entrant
			if own, err = measuredBy([]*entrant{e.entrant}, k, err); len(own) > 0 {
				p.explored = append(p.explored, explored{own[0], e.cell})
			}
		}
		if k > 0 {
			p.samples = nil // which are of all results
		}
		out = append(out, &p)
	}
	return out, err
}

// measuredBy are entrants as one of several results measures them, unless there was an
// error before.
func measuredBy(list []*entrant, result int, before error) (out []*entrant, err error) {
	for _, e := range list {
		one := *e
		if one.scored, err = e.scored.of(result); err != nil {
			break
		}
		out = append(out, &one)
	}
	return out, cmp.Or(before, err)
}

// kept is the share of the float network's robust accuracy that networks keep.
func (a *analysis) kept(list []*entrant) Estimate { return a.sampler.ratio(shares(list, -1), a.ref) }

// gap is how much more of it the one keeps than the other.
func (a *analysis) gap(one, other []*entrant) Estimate {
	return a.sampler.ratio(minus(shares(one, -1), shares(other, -1)), a.ref)
}

func (a *analysis) budgets() []float64 {
	var list []float64
	for _, e := range a.trials[0] {
		if !slices.Contains(list, e.bits) {
			list = append(list, e.bits)
		}
	}
	return list
}

// overall is what a method keeps in the mean of the budgets that it has networks for,
// and how much more the first method keeps there; nil where it has none.
func (a *analysis) overall(method string) (kept, over *Estimate) {
	own, first, n := a.both(method, a.x.Methods[0])
	if n == 0 {
		return nil, nil
	}
	ref := combine(float64(n), a.ref, 0, a.ref)
	k, o := a.sampler.ratio(own, ref), a.sampler.ratio(minus(first, own), ref)
	return &k, &o
}

// both is the shares of two methods, summed over the n budgets at which both have
// networks.
func (a *analysis) both(one, other string) (x, y [][]float64, n int) {
	for _, bits := range a.budgets() {
		first, second := a.trial(one, bits), a.trial(other, bits)
		if first == nil || second == nil {
			continue
		}
		s, t := shares(first, -1), shares(second, -1)
		if n == 0 {
			x, y = s, t
		} else {
			x, y = combine(1, x, 1, s), combine(1, y, 1, t)
		}
		n++
	}
	return x, y, n
}

// saving is what Q* keeps of what Qed keeps, and with which shares of its effort, in
// the mean of networks and budgets.
type saving struct {
	kept              Estimate
	macs, evaluations float64
}

// savingOf is that of some networks, nil where the two were not compared.
func savingOf(list []*analysis) *saving {
	var out saving
	var ratios []Estimate
	n := 0.
	for _, a := range list {
		x, y, count := a.both("qstar", "qed")
		if count == 0 {
			continue
		}
		ratios = append(ratios, a.sampler.ratio(x, y))
		for _, bits := range a.budgets() {
			qed, qstar := a.trial("qed", bits), a.trial("qstar", bits)
			if qed == nil || qstar == nil {
				continue
			}
			for i := range qed {
				out.macs += float64(qstar[i].chosen.MACs) / float64(qed[i].chosen.MACs)
				out.evaluations += float64(qstar[i].chosen.Evaluations) / float64(qed[i].chosen.Evaluations)
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	out.macs, out.evaluations, out.kept = out.macs/n, out.evaluations/n, mean(ratios)
	return &out
}

// agreements are the shares of the planes on which entrant i answers as the float
// network.
func (a *analysis) agreements(i int) (list []float64) {
	for _, plane := range a.answers {
		if len(plane) == 0 || plane[i] == nil {
			continue
		}
		one, ref := plane[i], plane[0]
		same := 0.
		for k := range one {
			if one[k] == ref[k] {
				same++
			}
		}
		list = append(list, same/float64(len(one)))
	}
	return list
}

// agreement is their mean.
func (a *analysis) agreement(method string) (Estimate, bool) {
	i := slices.IndexFunc(a.planeOf, func(e *entrant) bool { return e.method == method })
	if i < 0 {
		return Estimate{}, false
	}
	list := a.agreements(i)
	if len(list) == 0 {
		return Estimate{}, false
	}
	return ofMean(list), true
}

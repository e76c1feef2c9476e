package measure

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/data"
)

// judge holds the answers of networks to labels, result by result.
type judge struct {
	setup  Setup
	task   Task
	labels [][]float32 // of each result, of all images; nil of none
	scores []*Score    // of each network

	stats [][][][]float64 // under this condition: [network][result][image]
	items [][][]item      // likewise, of results whose items are compared with each other
	plain []float32       // labels of one label an item: the first network's answers, where there are none
}

func newJudge(s Setup, networks int) (*judge, error) {
	j := &judge{setup: s, task: s.Task, scores: make([]*Score, networks)}
	for i := range j.scores {
		j.scores[i] = &Score{Images: s.Images.N}
	}
	if len(j.task.Results) == 0 {
		return j, nil // its size is that of the first answers
	}
	return j, j.bind()
}

// bind takes the labels that the task knows.
func (j *judge) bind() (err error) {
	if j.labels, err = j.task.labels(j.setup.Images); err != nil {
		return err
	}
	results := append([]Result(nil), j.task.Results...)
	for k := range results {
		results[k].agrees = j.labels[k] == nil
		if results[k].agrees && j.setup.Alone && !j.task.isPlain() {
			return diag.New(diag.Pos{}, diag.BadData, "the result %s has no labels, and there is no float network whose answers could stand for them", results[k].Name).
				WithHelp("measure the network that this one was made from, or give labels")
		}
	}
	j.task.Results = results
	if j.task.isPlain() {
		j.plain = j.labels[0]
	}
	for _, s := range j.scores {
		s.Result = results[0]
		for k := range results[1:] {
			s.Rest = append(s.Rest, &Score{Images: s.Images, Result: results[k+1]})
		}
	}
	return nil
}

// begin is before the first images under a condition.
func (j *judge) begin() {
	j.stats, j.items = make([][][][]float64, len(j.scores)), make([][][]item, len(j.scores))
	for i := range j.stats {
		j.stats[i], j.items[i] = make([][][]float64, max(len(j.task.Results), 1)), make([][]item, max(len(j.task.Results), 1))
	}
}

// judge takes in the answers of network i to the images of b, which begin at one of all;
// reference is the first network's. Answers that are no numbers are a diagnostic.
func (j *judge) judge(i, from int, b data.Batch, reference, answers []float32) error {
	if len(j.task.Results) == 0 {
		j.task, j.labels = OneLabel(len(answers)/b.N), [][]float32{nil}
		for _, l := range j.setup.Images.Labels {
			j.plain = append(j.plain, float32(l))
		}
		j.task.Results[0].agrees = j.plain == nil
		for _, s := range j.scores {
			s.Result = j.task.Results[0]
		}
	}
	size := j.task.Size()
	if err := j.refuseNoNumbers(i, from, answers); err != nil {
		return err
	}
	if j.task.isPlain() && len(j.plain) < from+b.N { // the first network on clean images
		for _, a := range Answers(reference, size) {
			j.plain = append(j.plain, float32(a))
		}
	}
	for k := range j.task.Results {
		r := &j.task.Results[k]
		labels := j.labels[k]
		if r.isPlain() && len(j.task.Results) == 1 {
			labels = j.plain
		}
		out := make([][]float64, b.N)
		list := make([]item, b.N)
		parallel.For(b.N, func(n int) {
			at := n*size + r.from
			it := item{x: b.Image(n), got: answers[at : at+r.size]}
			if !j.setup.Alone {
				it.ref = reference[at : at+r.size]
			}
			if labels != nil {
				own := r.row.labels(r)
				it.label = labels[(from+n)*own : (from+n+1)*own]
			}
			out[n], list[n] = r.row.stats(r, it), it
		})
		j.stats[i][k] = append(j.stats[i][k], out...)
		if r.row.finish != nil {
			j.items[i][k] = append(j.items[i][k], list...)
		}
	}
	return nil
}

// refuseNoNumbers reports an answer of network i with an element that cannot be judged.
func (j *judge) refuseNoNumbers(i, from int, answers []float32) error {
	size := j.task.Size()
	for k := range j.task.Results {
		r := &j.task.Results[k]
		for n := range len(answers) / size {
			for e, v := range answers[n*size+r.from : n*size+r.from+r.size] {
				if r.isNumber(v) {
					continue
				}
				return diag.New(diag.Pos{}, diag.BadData, "the answer %s of network %d to item %s has %v as element %d: it cannot be judged", r.Name, i+1, j.setup.Images.Called(from+n), v, e).
					WithHelp("look at the item, at the range of the input, and at operations of the network that divide or take logarithms")
			}
		}
	}
	return nil
}

// isNumber reports an element of an answer that can be judged: of logits also -Inf, which
// stands for the probability 0.
func (r *Result) isNumber(v float32) bool {
	x := float64(v)
	return !math.IsNaN(x) && !math.IsInf(x, 1) && (!math.IsInf(x, -1) || r.row.isNats && !r.isShare)
}

// end files what was judged under a condition with its kind.
func (j *judge) end(name string, size float64) error {
	near := make([][]int, max(len(j.task.Results), 1)) // what finish found of the first network
	for i, s := range j.scores {
		for k, one := range s.All() {
			r, stats := &j.task.Results[k], j.stats[i][k]
			if r.row.finish != nil {
				if own := r.row.finish(r, stats, j.items[i][k], near[k]); i == 0 {
					near[k] = own
				}
			}
			var right []bool
			if j.task.isPlain() {
				one.Labels = whole(j.plain)
				right = make([]bool, len(stats))
				for n, it := range stats {
					right[n] = it[0] == 1
				}
			}
			own, constant := r.row.shares(r, stats)
			if slices.ContainsFunc(own, math.IsNaN) {
				condition := name
				if name != Clean {
					condition = fmt.Sprintf("%s=%g", name, size)
				}
				reason, out := fmt.Sprintf("what is right is the same for all %d items", len(own)), "give other items, or labels that differ"
				if r.row.finish != nil && len(own) < 2 {
					reason, out = "one item has no neighbour", "give two items or more"
				}
				return diag.New(diag.Pos{}, diag.BadData, "%s of the result %s is not defined under %s: %s", r.Measure(), r.Name, condition, reason).
					WithHelp("%s", out)
			}
			one.add(name, size, right, own, constant, stats)
		}
	}
	return nil
}

// add files the answers under a condition with its kind.
func (s *Score) add(name string, size float64, right []bool, own, constant []float64, stats [][]float64) {
	i := 0
	for i < len(s.Kinds) && s.Kinds[i].Name != name {
		i++
	}
	if i == len(s.Kinds) {
		s.Kinds = append(s.Kinds, Kind{Name: name})
	}
	k := &s.Kinds[i]
	k.Sizes, k.Own, k.Constant, k.stats = append(k.Sizes, size), append(k.Own, own), append(k.Constant, constant), append(k.stats, stats)
	if right != nil {
		k.Right = append(k.Right, right)
	}
}

// neighbours is the nearest other item of each by the cosine, the first of several; -1 of
// a single one.
func neighbours(list []item, of func(it item) []float32) []int {
	out, norms := make([]int, len(list)), make([]float64, len(list))
	for i, it := range list {
		norms[i] = norm(of(it))
	}
	parallel.For(len(list), func(i int) {
		best, most := -1, 0.0
		for j := range list {
			if j == i {
				continue
			}
			if c := angle(of(list[i]), of(list[j]), norms[i], norms[j]); best < 0 || c > most {
				best, most = j, c
			}
		}
		out[i] = best
	})
	return out
}

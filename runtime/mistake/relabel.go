package mistake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/measure"
)

// What labels are where they are misread, and what mends them.
const (
	fromOne      = "counted from 1"
	fromOneHelp  = "count labels from 0: take 1 off each"
	fromOneVoid  = "counted from 1, and 0 where there is no class"
	fromOneMasks = "count labels from 0: take 1 off each, and write 255 (void) for 0"
	tooLow       = "one too low"
	tooLowHelp   = "add 1 to each label: the network has another class first, as the background in some networks for ImageNet"
	inverted     = "inverted (0 for 1, and 1 for 0)"
	invertedHelp = "invert the labels: 1 - y in numpy"
)

// relabelling is another way to take the labels of a result.
type relabelling struct {
	what, help string
	// label writes the labels of item i as they are then, given those that it has.
	label func(i int, own, out []float32)
	// isPlain reports labels that need no mending: they explain the answers, and no other reading
	// need do so.
	isPlain bool
}

// relabelled is a result's figures with labels that are taken in another way.
type relabelled struct {
	result int
	own    []float64
	labels []float32
}

// explains reports labels under which the answers are as often right, by half at least, where
// others say that there is no class as elsewhere: then nothing speaks for leaving these out.
func (b *relabelled) explains(r *measure.Result, n int, answer func(i int) []float32, others []float32) bool {
	var right, all [2]float64 // where others have a class, and where they have none
	size := len(others) / n
	for i := range n {
		for p, chosen := range r.Choose(answer(i)) {
			at, none := i*size+p, 0
			if others[at] < 0 {
				none = 1
			}
			if b.labels[at] >= 0 {
				all[none]++
			}
			if b.labels[at] == float32(chosen) {
				right[none]++
			}
		}
	}
	return all[1] > 0 && right[1]/all[1] >= right[0]/max(all[0], 1)/2
}

// relabelledResult tries other labels of each result with the answers to images as given, of a
// task that does not decide: the best one that is significantly better goes into out. Nil of none.
func (l *look) relabelledResult(given *attempt, answers []float32, n int, out *Report) (best *relabelled, err error) {
	b := l.batch(given, 0, n)
	labels, err := l.Task.LabelsOf(b)
	if err != nil {
		return nil, err
	}
	at := 0 // answers that were given again
	again := func(_ context.Context, _ []float32, n int) ([]float32, error) {
		size := n * l.Task.Size()
		at += size
		return answers[at-size : at], nil
	}
	for k := range l.Task.Results {
		if labels[k] == nil {
			continue
		}
		r, size := &l.Task.Results[k], len(labels[k])/n
		answer := func(i int) []float32 { return l.Task.Answer(k, answers, i) }
		label := func(i int) []float32 { return labels[k][i*size : (i+1)*size] }
		before := given.figures[k].own
		for _, try := range relabellings(r, n, answer, label) {
			other := make([]float32, len(labels[k]))
			for i := range n {
				out := other[i*size : (i+1)*size]
				if try.label(i, label(i), out); !r.IsJudged(out) { // nothing of it speaks for one or the other
					copy(out, label(i))
				}
			}
			at = 0
			list, err := l.figures(l.Task.WithLabels(b, k, other), again)
			if judged(err) != nil {
				return nil, err
			}
			if err != nil {
				continue // nothing can be judged by such labels
			}
			f := list[k]
			p := meanTest(f.own, before)
			if p >= significant || meanTest(f.own, f.constant) >= significant || best != nil && (best.result != k || meanTest(f.own, best.own) >= significant) {
				continue
			}
			if best != nil && r.Task == ir.Classes && best.explains(r, n, answer, other) {
				continue
			}
			if best = (&relabelled{k, f.own, other}); try.isPlain {
				continue
			}
			out.Finding = &Finding{What: fmt.Sprintf("has %.4f as the measure of the result %s over %d items where its labels are %s, and %.4f with labels as given (paired test, %s)",
				sum(f.own)/float64(n), f.name, n, try.what, sum(before)/float64(n), probability(p)), Help: try.help, OfLabels: true}
		}
	}
	return best, nil
}

// relabellings are the usual mistakes with the labels of a result, of n items.
func relabellings(r *measure.Result, n int, answer, label func(i int) []float32) (list []relabelling) {
	add := func(what, help string, of func(v float32) float32) {
		list = append(list, relabelling{what: what, help: help, label: func(_ int, own, out []float32) {
			for j, v := range own {
				out[j] = of(v)
			}
		}})
	}
	switch r.Task {
	case ir.Binary, ir.Reconstruction:
		add(inverted, invertedHelp, func(v float32) float32 { return 1 - v })
	case ir.Multilabel:
		add(inverted, invertedHelp, func(v float32) float32 { return 1 - v })
		list = append(list, columns(r, n, answer, label)...)
	case ir.Values:
		list = append(list, columns(r, n, answer, label)...)
	case ir.Classes:
		void, most := float32(-1), float32(r.Choices())
		isMask := r.Axis != ir.NoAxis
		has := func(value float32) bool {
			for i := range n {
				if slices.Contains(label(i), value) {
					return true
				}
			}
			return false
		}
		down := func(v float32) float32 {
			if !(v >= 1 && v < most) {
				return void
			}
			return v - 1
		}
		is0 := has(0)
		if most > 2 && !is0 {
			add(fromOne, fromOneHelp, down)
		}
		if most > 2 && !has(most-1) {
			add(tooLow, tooLowHelp, func(v float32) float32 {
				if !(v >= 0 && v < most) {
					return void
				}
				return v + 1
			})
		}
		if r.Choices() <= mostClasses {
			list = append(list, permuted(r, n, answer, label))
		}
		if most > 2 && isMask && is0 { // last, as it leaves labels out: it must explain more than one that does not
			add(fromOneVoid, fromOneMasks, down)
		}
		if most <= mostClasses {
			list = append(list, merged(r, n, answer, label, has))
		}
	}
	return list
}

// permuted takes each label for the class that stands for it, by the items of the other half.
func permuted(r *measure.Result, n int, answer, label func(i int) []float32) relabelling {
	classes := r.Choices()
	// of counts how often each class and label meet in the items that use takes.
	of := func(use func(i int) bool) (to []int) {
		table := square(classes, n)
		for i := range n {
			if !use(i) {
				continue
			}
			chosen := r.Choose(answer(i))
			for p, v := range label(i) {
				if v >= 0 && int(v) < classes {
					table[chosen[p]][int(v)]++
				}
			}
		}
		return assign(table)
	}
	half := [2][]int{}
	for h := range half {
		half[h] = inverse(of(func(i int) bool { return i%2 != h }))
	}
	what, help := "permuted", permutation(of(func(int) bool { return true }))
	if classes == 2 {
		what, help = inverted, invertedHelp
	}
	return relabelling{what: what, help: help, label: func(i int, own, out []float32) {
		for p, v := range own {
			if out[p] = v; v >= 0 && int(v) < classes {
				out[p] = float32(half[i%2][int(v)])
			}
		}
	}}
}

// merged takes the label that stands for a class which no label has, by the items of the other half,
// for that class where it is the answer: such labels join classes that the network tells apart.
func merged(r *measure.Result, n int, answer, label func(i int) []float32, has func(value float32) bool) relabelling {
	classes := r.Choices()
	isMissing := make([]bool, classes)
	for c := range isMissing {
		isMissing[c] = !has(float32(c))
	}
	half := [2][][]float64{square(classes, n), square(classes, n)}
	for i := range n {
		chosen := r.Choose(answer(i))
		for p, v := range label(i) {
			if v >= 0 && int(v) < classes && isMissing[chosen[p]] {
				half[1-i%2][chosen[p]][int(v)]++
			}
		}
	}
	return relabelling{what: "merged", isPlain: true, label: func(i int, own, out []float32) {
		chosen := r.Choose(answer(i))
		for p, v := range own {
			out[p] = v
			if of := half[i%2][chosen[p]]; isMissing[chosen[p]] && v >= 0 && int(v) < classes && of[int(v)] == slices.Max(of) {
				out[p] = float32(chosen[p])
			}
		}
	}}
}

// columns takes each column of the labels for that of the element that it is nearest to, by the
// items of the other half; none of one column, or of too many.
func columns(r *measure.Result, n int, answer, label func(i int) []float32) []relabelling {
	size := len(label(0))
	if size < 2 || size > mostClasses {
		return nil
	}
	variance := make([]float64, size) // of each column
	for c := range variance {
		mean, squares := 0.0, 0.0
		for i := range n {
			mean += float64(label(i)[c]) / float64(n)
		}
		for i := range n {
			d := float64(label(i)[c]) - mean
			squares += float64(d * d)
		}
		variance[c] = squares / float64(n)
	}
	of := func(use func(i int) bool) []int {
		table := square(size, n)
		for i := range n {
			if !use(i) {
				continue
			}
			got, chosen := answer(i), r.Choose(answer(i))
			for e := range size {
				for c, v := range label(i) {
					switch {
					case chosen != nil && chosen[e] == int(v):
						table[e][c]++
					case chosen == nil && variance[c] > 0:
						d := float64(got[e]) - float64(v)
						table[e][c] -= min(float64(d*d)/variance[c], mostLeft)
					}
				}
			}
		}
		return assign(table)
	}
	half := [2][]int{}
	for h := range half {
		half[h] = of(func(i int) bool { return i%2 != h })
	}
	return []relabelling{{"in another order", "put the columns of the labels in the order of the elements of the result: y[:, [" + listed(of(func(int) bool { return true })) + "]] in numpy",
		func(i int, own, out []float32) {
			for e, c := range half[i%2] {
				out[e] = own[c]
			}
		}, false}}
}

// square is a table of nothing, in which each is its own where nothing speaks against it.
func square(size, n int) [][]float64 {
	table := make([][]float64, size)
	for i := range table {
		table[i] = make([]float64, size)
		table[i][i] = .5 / float64(n+1)
	}
	return table
}

func inverse(to []int) []int {
	out := make([]int, len(to))
	for i, j := range to {
		out[j] = i
	}
	return out
}

func listed(list []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", ")
}

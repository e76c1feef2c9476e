package measure

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"

	"github.com/dnnc/dnnc/ir"
)

// figure is something that people read of the answers to a set of items.
type figure struct {
	name string
	of   func(s sample) float64 // NaN where it is not defined
}

// sample is the statistics of items, or a resample of them, for which an item counts as
// often as weight says.
type sample struct {
	items    [][]float64
	resample *resample // nil of the items as they are
}

func (s sample) weight() func(i int) float64 {
	if s.resample == nil {
		return func(int) float64 { return 1 }
	}
	w := s.resample.of(len(s.items), nil)
	return func(i int) float64 { return w[i] }
}

// byClass is weight of a resample within each of two classes.
func (s sample) byClass(class func(it []float64) bool) func(i int) float64 {
	if s.resample == nil {
		return func(int) float64 { return 1 }
	}
	w := s.resample.of(len(s.items), func(i int) bool { return class(s.items[i]) })
	return func(i int) float64 { return w[i] }
}

// sum is the weighted sum of statistic k.
func (s sample) sum(k int) float64 {
	w, sum := s.weight(), 0.0
	for i, it := range s.items {
		sum += float64(w(i) * it[k])
	}
	return sum
}

// count is the weights of all items.
func (s sample) count() float64 {
	w, sum := s.weight(), 0.0
	for i := range s.items {
		sum += w(i)
	}
	return sum
}

// over is a ratio that is not defined where its base is 0.
func over(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// meanOf is the mean of what is defined.
func meanOf(list []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range list {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return over(sum, float64(n))
}

// ofWorst is the figure of the part whose figure is the worst, the greatest times sign.
// Which part this is the items as they are decide, for resamples too: the worst part of
// each resample is worse than the one of the items.
func ofWorst(sign float64, parts func(s sample) []float64) func(s sample) float64 {
	return func(s sample) float64 {
		worst, whole := -1, parts(sample{items: s.items})
		for i, v := range whole {
			if !math.IsNaN(v) && (worst < 0 || sign*v > sign*whole[worst]) {
				worst = i
			}
		}
		switch {
		case worst < 0:
			return math.NaN()
		case s.resample == nil:
			return whole[worst]
		}
		return parts(s)[worst]
	}
}

func constantly(n int, v float64) []float64 { return slices.Repeat([]float64{v}, n) }

// column is statistic k of all items.
func column(items [][]float64, k int) []float64 {
	out := make([]float64, len(items))
	for i, it := range items {
		out[i] = it[k]
	}
	return out
}

// Of one label an item the statistics are: right, the label among the five greatest, the
// label, and where there is a reference whether the answer is its answer, that one, the log
// odds that it gives its own answer over this one, and over its second one, and whether the
// label is its answer (1), its second one (-1) or neither.
// With an axis: positions, right ones, and for each class those of it that were found,
// that were answered, and that are in the labels.

func classesMeasure(r *Result) string {
	switch {
	case r.isPlain():
		return "accuracy"
	case len(r.Shape) == 3 && r.Axis == 0:
		return "pixel accuracy (mean over items)"
	}
	return "accuracy of positions (mean over items)"
}

func classesStats(r *Result, it item) []float64 {
	if r.isPlain() {
		return plainStats(r, it)
	}
	out := make([]float64, 2+3*r.classes)
	for p := range r.positions {
		own, label := r.best(it.got, p), 0
		if it.label != nil {
			label = int(it.label[p])
		} else {
			label = r.best(it.ref, p)
		}
		if !r.isClass(float32(label)) { // void
			continue
		}
		out[0]++
		if own == label {
			out[1]++
			out[2+3*own]++
		}
		out[2+3*own+1]++
		out[2+3*label+2]++
	}
	return out
}

const topFive = 5

func plainStats(r *Result, it item) []float64 {
	out := make([]float64, 8)
	label, own := 0, Argmax(it.got)
	if it.label != nil {
		label = int(it.label[0])
	} else {
		label = Argmax(it.ref) // of several results
	}
	if own == label {
		out[0] = 1
	}
	if label < len(it.got) {
		before := 0
		for e, v := range it.got {
			if v > it.got[label] || v == it.got[label] && e < label {
				before++
			}
		}
		if before < topFive {
			out[1] = 1
		}
	}
	out[2] = float64(label)
	if it.ref != nil {
		ref := Argmax(it.ref)
		if out[4] = float64(ref); ref == own {
			out[3] = 1
		}
		odds := classesOdds(r, it.ref)
		second := -1
		for e := range odds {
			if e != ref && (second < 0 || odds[e] > odds[second]) {
				second = e
			}
		}
		out[5] = odds[ref] - odds[own]
		if second >= 0 {
			out[6] = odds[ref] - odds[second]
		}
		switch label {
		case ref:
			out[7] = 1
		case second:
			out[7] = -1
		}
	}
	return out
}

// Mode is the most frequent of some values, the least of several.
func Mode[T cmp.Ordered](values []T) (best T) {
	count := make(map[T]int, len(values))
	for _, v := range values {
		count[v]++
	}
	for i, v := range slices.Sorted(maps.Keys(count)) {
		if i == 0 || count[v] > count[best] {
			best = v
		}
	}
	return best
}

// modes is which items have the most frequent value of a statistic, 1 of one that has.
func modes(items [][]float64, k int) []float64 {
	best := Mode(column(items, k))
	out := make([]float64, len(items))
	for i, it := range items {
		if it[k] == best {
			out[i] = 1
		}
	}
	return out
}

func classesShares(r *Result, items [][]float64) (own, constant []float64) {
	if r.isPlain() {
		if r.agrees {
			return column(items, 3), modes(items, 4)
		}
		return column(items, 0), modes(items, 2)
	}
	most, count := 0, make([]float64, r.classes)
	for c := range r.classes {
		for _, it := range items {
			count[c] += it[2+3*c+2]
		}
		if count[c] > count[most] {
			most = c
		}
	}
	for _, it := range items {
		own = append(own, it[1]/it[0])
		constant = append(constant, it[2+3*most+2]/it[0])
	}
	return own, constant
}

func classesFigures(r *Result) []figure {
	if !r.isPlain() {
		return []figure{
			// The mean over the items, as the measure is, of which some may have void positions.
			{classesMeasure(r), func(s sample) float64 {
				w, sum := s.weight(), 0.0
				for i, it := range s.items {
					sum += w(i) * it[1] / it[0]
				}
				return over(sum, s.count())
			}},
			{"mean IoU", func(s sample) float64 {
				list := make([]float64, r.classes)
				for c := range list {
					found := s.sum(2 + 3*c)
					list[c] = over(found, s.sum(2+3*c+1)+s.sum(2+3*c+2)-found)
				}
				return meanOf(list)
			}},
			{"worst class", ofWorst(-1, func(s sample) []float64 {
				list := make([]float64, r.classes)
				for c := range list {
					list[c] = over(s.sum(2+3*c), s.sum(2+3*c+2))
				}
				return list
			})},
		}
	}
	list := []figure{{"accuracy", func(s sample) float64 { return over(s.sum(0), s.count()) }}}
	if r.classes > topFive {
		list = append(list, figure{"top-5", func(s sample) float64 { return over(s.sum(1), s.count()) }})
	}
	return append(list, figure{"worst class", ofWorst(-1, func(s sample) []float64 {
		right, all := make([]float64, r.classes), make([]float64, r.classes)
		w := s.weight()
		for i, it := range s.items {
			c := int(it[2])
			right[c], all[c] = right[c]+w(i)*it[0], all[c]+w(i)
		}
		for c := range right {
			right[c] = over(right[c], all[c])
		}
		return right
	})})
}

// Of yes and no the statistics of each element are: the answer, the label, and 1 where the
// decision is right.
func sigmoidStats(r *Result, it item) []float64 {
	out := make([]float64, 3*r.size)
	for e, v := range it.got {
		isYes := false
		if it.label != nil {
			isYes = it.label[e] == 1
		} else {
			isYes = r.isYes(it.ref[e])
		}
		out[3*e] = float64(v)
		if isYes {
			out[3*e+1] = 1
		}
		if isYes == r.isYes(v) {
			out[3*e+2] = 1
		}
	}
	return out
}

func sigmoidShares(r *Result, items [][]float64) (own, constant []float64) {
	own, constant = make([]float64, len(items)), make([]float64, len(items))
	for e := range r.size {
		often := modes(items, 3*e+1)
		for i, it := range items {
			own[i] += it[3*e+2] / float64(r.size)
			constant[i] += often[i] / float64(r.size)
		}
	}
	return own, constant
}

// auc is the area under the ROC curve: how often a positive item has a greater value than
// a negative one, equal values counting half.
func auc(values []float64, isPositive func(i int) bool, weight func(i int) float64) float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	below, positives, negatives, sum := 0.0, 0.0, 0.0, 0.0
	for at := 0; at < len(order); {
		end, here, ties := at, 0.0, 0.0 // weights of positive and negative items of one value
		for ; end < len(order) && values[order[end]] == values[order[at]]; end++ {
			if i := order[end]; isPositive(i) {
				here += weight(i)
			} else {
				ties += weight(i)
			}
		}
		sum += float64(here * (below + ties/2))
		below, positives, negatives, at = below+ties, positives+here, negatives+ties, end
	}
	return over(sum, positives*negatives)
}

func sigmoidFigures(r *Result) []figure {
	each := func(of func(s sample, e int) float64) func(s sample) float64 {
		return func(s sample) float64 {
			list := make([]float64, r.size)
			for e := range list {
				list[e] = of(s, e)
			}
			return meanOf(list)
		}
	}
	return []figure{
		{"accuracy at .5", each(func(s sample, e int) float64 { return over(s.sum(3*e+2), s.count()) })},
		{"AUC", each(func(s sample, e int) float64 {
			isYes := func(it []float64) bool { return it[3*e+1] == 1 }
			return auc(column(s.items, 3*e), func(i int) bool { return isYes(s.items[i]) }, s.byClass(isYes))
		})},
		{"F1", each(func(s sample, e int) float64 {
			w := s.weight()
			both, all := 0.0, 0.0 // answered and in the labels; each of the two
			for i, it := range s.items {
				isLabel := it[3*e+1] == 1
				isYes := isLabel == (it[3*e+2] == 1)
				if isLabel && isYes {
					both += w(i)
				}
				if isLabel {
					all += w(i)
				}
				if isYes {
					all += w(i)
				}
			}
			return over(2*both, all)
		})},
	}
}

// Of values the statistics of each element are: the squared error and what is right.
func valuesStats(r *Result, it item) []float64 {
	out := make([]float64, 2*r.size)
	right := it.label
	if right == nil {
		right = it.ref
	}
	for e, v := range it.got {
		d := float64(v) - float64(right[e])
		out[2*e], out[2*e+1] = float64(d*d), float64(right[e])
	}
	return out
}

// noise is the relative error of equal answers: float32 has 24 bits.
const noise = 1e-6

// moments is the weighted mean of a statistic, and its variance, which is 0 where the
// statistic varies by no more than its rounding.
func (s sample) moments(k int) (mean, variance float64) {
	w, n := s.weight(), s.count()
	for i, it := range s.items {
		mean += float64(w(i) * it[k])
	}
	mean = over(mean, n)
	for i, it := range s.items {
		d := it[k] - mean
		variance += float64(w(i) * float64(d*d))
	}
	if variance = over(variance, n); variance <= noise*noise*mean*mean {
		variance = 0
	}
	return mean, variance
}

// unexplained is the mean over elements of the mean squared error as a share of the
// variance; elements that do not vary are left out.
func unexplained(s sample, size int) float64 {
	sum, kept := 0.0, 0
	for e := range size {
		if _, variance := s.moments(2*e + 1); variance != 0 {
			sum, kept = sum+over(s.sum(2*e), s.count())/variance, kept+1
		}
	}
	return over(sum, float64(kept))
}

// valuesShares are of 1 - sqrt(unexplained): the measure and each item's influence on it.
// The best constant answer, the mean, has 0.
func valuesShares(r *Result, items [][]float64) (own, constant []float64) {
	n, s := float64(len(items)), sample{items: items}
	constant = constantly(len(items), 0)
	q := unexplained(s, r.size)
	own = constantly(len(items), 1-math.Sqrt(q))
	if !(q > 0) {
		return own, constant
	}
	kept := 0
	slope := make([]float64, len(items)) // of q
	for e := range r.size {
		mean, variance := s.moments(2*e + 1)
		if variance == 0 {
			continue
		}
		kept++
		mse := s.sum(2*e) / n
		for i, it := range items {
			d := it[2*e+1] - mean
			slope[i] += (it[2*e]-mse)/variance - float64(mse/variance*(float64(d*d)/variance-1))
		}
	}
	for i, v := range slope {
		own[i] -= v / float64(kept) / 2 / math.Sqrt(q)
	}
	return own, constant
}

func valuesFigures(r *Result) []figure {
	list := []figure{
		{"1 - rmse/std", func(s sample) float64 { return 1 - math.Sqrt(unexplained(s, r.size)) }},
		{"rmse", func(s sample) float64 {
			sum := 0.0
			for e := range r.size {
				sum += s.sum(2*e) / float64(r.size)
			}
			return math.Sqrt(over(sum, s.count()))
		}},
		{"mean absolute error", func(s sample) float64 {
			w, sum := s.weight(), 0.0
			for i, it := range s.items {
				for e := range r.size {
					sum += float64(w(i) * math.Sqrt(it[2*e]) / float64(r.size))
				}
			}
			return over(sum, s.count())
		}},
		{"R²", func(s sample) float64 { return 1 - unexplained(s, r.size) }},
	}
	if r.size > 1 {
		list = append(list, figure{"rmse of the worst element", ofWorst(1, func(s sample) []float64 {
			list := make([]float64, r.size)
			for e := range list {
				list[e] = math.Sqrt(over(s.sum(2*e), s.count()))
			}
			return list
		})})
	}
	return list
}

// Of a reconstruction the statistics are: the score, 1 where the label says abnormal, the
// squared error of the score, and the reference's score; NaN where there is none.
func scoreStats(r *Result, it item) []float64 {
	out := []float64{r.score(it.x, it.got), 0, math.NaN(), math.NaN()}
	if it.label != nil {
		out[1] = float64(it.label[0])
	}
	if it.ref != nil {
		out[3] = r.score(it.x, it.ref)
		d := out[0] - out[3]
		out[2] = float64(d * d)
	}
	return out
}

// byScore is the statistics of the score as those of a value.
func byScore(items [][]float64) [][]float64 {
	out := make([][]float64, len(items))
	for i, it := range items {
		out[i] = it[2:4]
	}
	return out
}

func scoreShares(r *Result, items [][]float64) (own, constant []float64) {
	if r.agrees {
		return valuesShares(&Result{size: 1}, byScore(items))
	}
	values, isYes := column(items, 0), func(i int) bool { return items[i][1] == 1 }
	weight := func(int) float64 { return 1 }
	whole := auc(values, isYes, weight)
	own, constant = constantly(len(items), whole), constantly(len(items), .5)
	n := float64(len(items))
	scores := map[bool][]float64{} // of each class, in their order
	for i, v := range values {
		scores[isYes(i)] = append(scores[isYes(i)], v)
	}
	slices.Sort(scores[true])
	slices.Sort(scores[false])
	for i, v := range values {
		// How often this item is on the right side of those of the other class.
		others := scores[!isYes(i)]
		below := sort.SearchFloat64s(others, v)
		most := sort.Search(len(others), func(k int) bool { return others[k] > v })
		side, class := float64(below+most)/2, float64(len(others))
		if !isYes(i) {
			side = class - side
		}
		own[i] += float64(n / (n - class) * (over(side, class) - whole))
	}
	return own, constant
}

func scoreFigures(r *Result) []figure {
	list := []figure{
		{"1 - rmse/std of the score", func(s sample) float64 { return 1 - math.Sqrt(unexplained(sample{byScore(s.items), s.resample}, 1)) }},
		{"rmse of the score", func(s sample) float64 { return math.Sqrt(over(s.sum(2), s.count())) }},
		{"mean score", func(s sample) float64 { return over(s.sum(0), s.count()) }},
	}
	if !r.agrees {
		list = slices.Insert(list, 0, figure{"AUC", func(s sample) float64 {
			isYes := func(it []float64) bool { return it[1] == 1 }
			return auc(column(s.items, 0), func(i int) bool { return isYes(s.items[i]) }, s.byClass(isYes))
		}})
	}
	return list
}

// Of an embedding the statistics are: the cosine to the reference, that of the reference
// to the mean direction, 1 where the nearest neighbour is the reference's, 1 where its
// label is right, the label, and 1 where there is a reference.
func cosineStats(_ *Result, it item) []float64 {
	out := make([]float64, 8)
	if it.label != nil {
		out[4] = float64(it.label[0])
	}
	if it.ref != nil {
		out[0], out[5] = cosine(it.ref, it.got), 1
	}
	return out
}

func cosineFinish(r *Result, items [][]float64, list []item, reference []int) []int {
	own := neighbours(list, func(it item) []float32 { return it.got })
	for i, j := range own {
		if j >= 0 && list[i].label != nil && list[i].label[0] == list[j].label[0] {
			items[i][3] = 1
		}
	}
	if list[0].ref == nil {
		return own
	}
	if reference == nil { // the reference itself
		reference = own
	}
	mean := direction(r.size, len(list), func(i int) []float32 { return list[i].ref })
	for i, j := range reference {
		items[i][1] = cosine(list[i].ref, mean)
		if j == own[i] {
			items[i][2] = 1
		}
	}
	return own
}

func cosineShares(r *Result, items [][]float64) (own, constant []float64) {
	if r.agrees {
		return column(items, 0), column(items, 1)
	}
	if len(items) < 2 { // which has no neighbour
		return []float64{math.NaN()}, []float64{math.NaN()}
	}
	return column(items, 3), modes(items, 4)
}

// cosineSpan is of cosines, or of right answers.
func cosineSpan(r *Result) float64 {
	if r.agrees {
		return 2
	}
	return 1
}

func cosineFigures(r *Result) []figure {
	of := func(k int, base func(s sample) float64) func(s sample) float64 {
		return func(s sample) float64 { return over(s.sum(k), base(s)) }
	}
	nearest := func(k int, base func(s sample) float64) func(s sample) float64 {
		return func(s sample) float64 {
			if len(s.items) < 2 { // which has no neighbour
				return math.NaN()
			}
			return of(k, base)(s)
		}
	}
	references := func(s sample) float64 { return s.sum(5) }
	list := []figure{{"cosine", of(0, references)}, {"nearest neighbour as float", nearest(2, references)}}
	if !r.agrees {
		list = slices.Insert(list, 0, figure{"nearest neighbour's label", nearest(3, sample.count)})
	}
	return list
}

// Measure is what a result is judged by: by labels, or by the reference's answers to the same
// items.
func (r *Result) Measure() string {
	switch {
	case r.Task == ir.Reconstruction && r.agrees:
		return "1 - rmse/std of the score"
	case r.Task == ir.EmbeddingTask && !r.agrees:
		return "nearest neighbour's label"
	}
	return fmt.Sprint(r.row.measureOf(r))
}

package measure

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/ir/parallel"
)

// replicates is the resamples of a bootstrap, and confidence what its intervals hold.
const (
	replicates = 200
	confidence = .95
)

// resample is one draw of items with replacement: the same for every network and
// condition, which pairs them by item.
type resample struct {
	number uint64
	whole  map[int][]float64 // what was drawn of a number of items
}

// of is how often each of n items is drawn. With a class, within each of the two.
func (d *resample) of(n int, class func(i int) bool) []float64 {
	if w := d.whole[n]; class == nil && w != nil {
		return w
	}
	w := make([]float64, n)
	var parts [2][]int
	for i := range n {
		c := 0
		if class != nil && class(i) {
			c = 1
		}
		parts[c] = append(parts[c], i)
	}
	rng := rand.New(rand.NewPCG(d.number, uint64(n)))
	for _, part := range parts {
		for range part {
			w[part[rng.IntN(len(part))]]++
		}
	}
	if class == nil {
		d.whole[n] = w
	}
	return w
}

// Figure is something that people read of a network's answers: the mean over the sizes of
// each kind of error, then over the kinds, clean among them.
type Figure struct {
	Name   string
	Values []Interval // of each network
	// Apart is the last network's value less the first's, paired by item; not defined of
	// one network.
	Apart Interval
}

// Interval is a figure with the ends of its interval of 95 % by a bootstrap over the
// items; NaN where they are not defined, as the ends are of a figure that is not defined of
// more than one resample in twenty.
type Interval struct{ Value, Low, High float64 }

// Figures are the measure of scores and what people read beside it. The scores are of the
// same result on the same items.
func Figures(scores ...*Score) []Figure {
	first := scores[0]
	if first.Result.row == nil || first.Kinds[0].stats == nil {
		return nil
	}
	list := first.Result.row.figures(&first.Result)
	values := make([][][]float64, replicates+1) // [replicate][figure][network]
	parallel.For(replicates+1, func(n int) {
		var draw *resample
		if n > 0 {
			draw = &resample{uint64(n), map[int][]float64{}}
		}
		values[n] = make([][]float64, len(list))
		for f := range list {
			for _, s := range scores {
				values[n][f] = append(values[n][f], s.figure(list[f], draw))
			}
		}
	})
	out := make([]Figure, len(list))
	interval := func(of func(v [][]float64) float64) Interval {
		resampled := make([]float64, replicates)
		for i, v := range values[1:] {
			resampled[i] = of(v)
		}
		return newInterval(of(values[0]), resampled)
	}
	last := len(scores) - 1
	for f := range list {
		out[f].Name = list[f].name
		for i := range scores {
			out[f].Values = append(out[f].Values, interval(func(v [][]float64) float64 { return v[f][i] }))
		}
		out[f].Apart = interval(func(v [][]float64) float64 {
			if last == 0 {
				return math.NaN()
			}
			return v[f][last] - v[f][0]
		})
	}
	return out
}

// newInterval is a figure with the interval that resamples of it hold.
func newInterval(value float64, resampled []float64) Interval {
	wanted := confidence * float64(len(resampled))
	all := slices.DeleteFunc(resampled, math.IsNaN)
	if math.IsNaN(value) || len(all) == 0 || float64(len(all)) < wanted {
		return Interval{value, math.NaN(), math.NaN()}
	}
	slices.Sort(all)
	at := func(share float64) float64 { return all[int(math.Round(share*float64(len(all)-1)))] }
	return Interval{value, at((1 - confidence) / 2), at((1 + confidence) / 2)}
}

// bootstrap is one figure of items, and of resamples of them.
func bootstrap(of func(draw *resample) float64) Interval {
	all := make([]float64, replicates)
	for i := range all {
		all[i] = of(&resample{uint64(i + 1), map[int][]float64{}})
	}
	return newInterval(of(nil), all)
}

// figure is the mean of one over the sizes and the kinds.
func (s *Score) figure(f figure, draw *resample) float64 {
	sum := 0.0
	for _, k := range s.Kinds {
		own := 0.0
		for _, items := range k.stats {
			own += f.of(sample{items, draw})
		}
		sum += own / float64(len(k.stats))
	}
	return sum / float64(len(s.Kinds))
}

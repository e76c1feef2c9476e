package measure

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// taskOf is a task of results of an input of three elements, each told.
func taskOf(t *testing.T, input ir.Shape, results ...ir.Task) Task {
	t.Helper()
	m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: input}}}}
	for i, r := range results {
		shape := shapes[r.Name]
		if r.Axis == ir.NoAxis && r.Name == ir.Classes {
			shape = ir.Shape{3}
		}
		n := &ir.Node{Op: ir.Linear, Args: m.Inputs}
		n.Out = &ir.Value{Name: fmt.Sprint("r", i), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Def: n}
		m.Outputs, m.Tasks = append(m.Outputs, n.Out), append(m.Tasks, r)
	}
	task, err := TaskOf(m, "", nil)
	require.NoError(t, err)
	return task
}

// shapes are those of results of the tasks.
var shapes = map[string]ir.Shape{
	ir.Classes: {2, 1, 3}, ir.Binary: {1}, ir.Multilabel: {2}, ir.Values: {2}, ir.Reconstruction: {3}, ir.EmbeddingTask: {2},
}

// told is each task alone, and two with several results.
func told() map[string][]ir.Task {
	none := ir.NoAxis
	return map[string][]ir.Task{
		"label": {{Name: ir.Classes, Axis: none}}, "axis": {{Name: ir.Classes, Axis: 0}}, "binary": {{Name: ir.Binary, Axis: none}}, "multilabel": {{Name: ir.Multilabel, Axis: none}},
		"values": {{Name: ir.Values, Axis: none}}, "reconstruction": {{Name: ir.Reconstruction, Axis: none}}, "embedding": {{Name: ir.EmbeddingTask, Axis: none}},
		"two": {{Name: ir.Values, Axis: none, Weight: 3}, {Name: ir.Classes, Axis: none}},
	}
}

// random is n records of a number of elements.
func random(seed uint64, n, size int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n*size)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// shares turns logits into probabilities along the classes or one by one.
func shares(r *Result, x []float32) {
	r.isShare = true
	for i := range len(x) / r.size {
		own := x[i*r.size : (i+1)*r.size]
		for p := range r.positions {
			sum, at := 0.0, p/r.inner*r.classes*r.inner+p%r.inner
			for c := range r.classes {
				sum += math.Exp(float64(own[at+c*r.inner]))
			}
			for c := range r.classes {
				own[at+c*r.inner] = float32(math.Exp(float64(own[at+c*r.inner])) / sum)
			}
		}
		if r.positions == 0 {
			for e, v := range own {
				own[e] = float32(1 / (1 + math.Exp(-float64(v))))
			}
		}
	}
}

// TestDivergenceOfTheBestConstantIsOne, and of the same answer 0, for every task.
func TestDivergenceOfTheBestConstantIsOne(t *testing.T) {
	const n = 50
	for name, list := range told() {
		task := taskOf(t, ir.Shape{3}, list...)
		if task.IsKL() {
			continue
		}
		size := task.Size()
		x, ref := random(1, n, 3), random(2, n, size)
		for _, share := range []bool{false, true} {
			r := &task.Results[0]
			if share {
				if r.row.isNats {
					shares(r, ref)
				} else {
					continue
				}
			}
			s, err := task.ScaleOf(x, ref, n, make([]float64, len(list)))
			require.NoError(t, err)
			assert.Empty(t, s.Left)
			d := task.Diverge(s, x, ref, ref)
			assert.InDelta(t, 0, d.KL, 1e-9, name)
			assert.Zero(t, d.Flips, name)
			if r.Task == ir.Reconstruction { // whose constant is a score
				continue
			}
			// The best constant answer, to every item.
			constant := make([]float64, size)
			for i := range n {
				for k := range task.Results {
					r := &task.Results[k]
					own, constant := ref[i*size+r.from:i*size+r.from+r.size], constant[r.from:]
					a := make([]float64, max(r.classes, 1))
					norm := math.Sqrt(cosineNorm(own))
					for e := range own {
						switch {
						case r.Task == ir.Classes:
							p := e % r.inner
							r.logShares(own, p, a)
							constant[e] += math.Exp(a[e/r.inner]) / n
						case r.row.isNats:
							yes, _ := r.yes(own[e])
							constant[e] += math.Exp(yes) / n
						case r.Task == ir.EmbeddingTask:
							constant[e] += float64(own[e]) / norm / n
						default:
							constant[e] += float64(own[e]) / n
						}
					}
				}
			}
			got := make([]float32, 0, n*size)
			for range n {
				for k := range task.Results {
					r := &task.Results[k]
					for _, v := range constant[r.from : r.from+r.size] {
						switch {
						case share || !r.row.isNats:
							got = append(got, float32(v))
						case r.Task == ir.Classes:
							got = append(got, float32(math.Log(v)))
						default:
							got = append(got, float32(math.Log(v/(1-v))))
						}
					}
				}
			}
			assert.InDelta(t, 1, task.Diverge(s, x, ref, got).KL, 1e-5, "%s %v", name, share)
		}
	}
}

func cosineNorm(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// TestSlopeIsTheDerivative of the divergence of an item, for every task.
func TestSlopeIsTheDerivative(t *testing.T) {
	for name, list := range told() {
		for _, share := range []bool{false, true} {
			task := taskOf(t, ir.Shape{3}, list...)
			size := task.Size()
			x, ref, got := random(1, 20, 3), random(2, 20, size), random(3, 1, size)
			if r := &task.Results[0]; share {
				if !r.row.isNats || task.IsKL() {
					continue
				}
				shares(r, ref)
				shares(r, got)
			}
			s, err := task.ScaleOf(x, ref, 20, make([]float64, len(list)))
			require.NoError(t, err)
			d := make([]float32, size)
			task.Slope(s, x[:3], ref[:size], got, d)
			for e := range got {
				const step = 1e-3
				at := func(by float32) float64 {
					moved := append([]float32(nil), got...)
					moved[e] += by
					return task.Item(s, x[:3], ref[:size], moved)
				}
				assert.InDelta(t, (at(step)-at(-step))/(2*step), d[e], 2e-3*(1+math.Abs(float64(d[e]))), "%s %v %d", name, share, e)
			}
		}
	}
}

// TestElementsThatHardlyMoveAreLeftOut, and named; a network whose answer is one is refused.
func TestElementsThatHardlyMoveAreLeftOut(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, ir.Task{Name: ir.Values, Axis: ir.NoAxis})
	x := make([]float32, 6)
	ref := []float32{0, 1, 4, 1.25} // variances 4 and 1/64
	s, err := task.ScaleOf(x, ref, 2, []float64{.26})
	require.NoError(t, err)
	assert.Equal(t, []string{"r0[1]"}, s.Left, "1/64 is below the square of .13")
	assert.InDelta(t, 1./4, task.Item(s, x, []float32{0, 0}, []float32{1, 99}), 1e-9)
	s, err = task.ScaleOf(x, ref, 2, []float64{.24})
	require.NoError(t, err)
	assert.Empty(t, s.Left)
	_, err = task.ScaleOf(x, ref, 2, []float64{9})
	assert.ErrorContains(t, err, "gives the same answer r0 to all of 2 calibration items")
}

// answering gives answers that are at hand.
func answering(answers []float32) Network {
	return func(context.Context, []float32, int) ([]float32, error) { return answers, nil }
}

// clean judges answers to items by a task, on clean items alone.
func clean(t *testing.T, task Task, b data.Batch, answers ...[]float32) []*Score {
	t.Helper()
	var nets []Network
	for _, a := range answers {
		nets = append(nets, answering(a))
	}
	scores, err := Robust(context.Background(), Setup{Task: task, Images: b}, nets...)
	require.NoError(t, err)
	return scores
}

func items(n int, labels ...float32) data.Batch {
	b := data.Batch{N: n, Shape: []int{3}, X: make([]float32, 3*n)}
	if labels != nil {
		b.Targets = []data.Target{{Shape: []int{len(labels) / n}, X: labels}}
	}
	return b
}

// TestFigures: each measure against values that were computed by hand.
func TestFigures(t *testing.T) {
	for name, c := range map[string]struct {
		labels  []float32
		n       int
		float   []float32
		got     []float32
		mean    float64 // the measure
		kept    float64
		figures map[string]float64 // of got
	}{
		// Labels 0 1 1 2; answers 0 1 0 2: three of four; the best constant is right on two.
		"label": {[]float32{0, 1, 1, 2}, 4, []float32{1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1}, []float32{1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1}, .75, .5,
			map[string]float64{"accuracy": .75, "worst class": .5}},
		// Positions 0 1 1 and 0 0 0; answers 0 1 0 and 0 0 1. Of class 0: 3 found, 4 answered, 4 there;
		// of class 1: 1, 2, 2. The majority is right on 4 of 6.
		"axis": {[]float32{0, 1, 1, 0, 0, 0}, 2, []float32{1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0}, []float32{1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1}, 4. / 6, 0,
			map[string]float64{"pixel accuracy (mean over items)": 4. / 6, "mean IoU": (3./5 + 1./3) / 2, "worst class": .5}},
		// Labels 1 1 0 0, answers 2 -1 1 -2: two decisions right; of four pairs (1,0) the
		// positive is greater in three; F1 2*1/(2+2).
		"binary": {[]float32{1, 1, 0, 0}, 4, []float32{1, 1, -1, -1}, []float32{2, -1, 1, -2}, .5, 0,
			map[string]float64{"accuracy at .5": .5, "AUC": .75, "F1": .5}},
		// Two labels of two items: first element right on both, second on one.
		"multilabel": {[]float32{1, 0, 0, 1}, 2, []float32{1, -1, -1, 1}, []float32{3, -1, -3, -2}, .75, .5,
			map[string]float64{"accuracy at .5": .75, "AUC": .5, "F1": .5}},
		// Targets (0,0) (2,4) (4,8): variances 8/3 and 32/3. Errors 1 on the first element of
		// each item, 2 on the second of the last: mean squares 1 and 4/3.
		"values": {[]float32{0, 0, 2, 4, 4, 8}, 3, []float32{0, 0, 2, 4, 4, 8}, []float32{1, 0, 3, 4, 3, 6}, 1 - math.Sqrt((3./8+1./8)/2), 1 - math.Sqrt(.25),
			map[string]float64{"1 - rmse/std": .5, "rmse": math.Sqrt((1 + 4./3) / 2), "mean absolute error": 5. / 6, "R²": .75, "rmse of the worst element": math.Sqrt(4. / 3)}},
		// Scores are squares of the answers, the inputs being 0: of normal items 1 4, of
		// abnormal ones 3 9; the float network's 1 2, 8 9.
		"reconstruction": {[]float32{0, 0, 1, 1}, 4, []float32{1, 0, 0, 1, 1, 0, 2, 2, 0, 3, 0, 0}, []float32{0, 0, 1, 0, 2, 0, 1, 1, 1, 0, 3, 0}, .75, .5,
			map[string]float64{"AUC": .75, "rmse of the score": math.Sqrt((4. + 25) / 4), "mean score": 17. / 4}},
		// Nearest neighbours of the float network: 1 0 3 2; of got 1 0 1 2, hence labels
		// right of three.
		"embedding": {[]float32{0, 0, 1, 1}, 4, []float32{1, 0, 1, .1, 0, 1, .1, 1}, []float32{1, 0, 1, .2, 1, .9, 0, 1}, .75, .5,
			map[string]float64{"nearest neighbour's label": .75, "nearest neighbour as float": .75}},
	} {
		task := taskOf(t, ir.Shape{3}, told()[name]...)
		scores := clean(t, task, items(c.n, c.labels...), c.float, c.got)
		exact, own := scores[0], scores[1]
		assert.InDelta(t, 1, exact.Mean(), 1e-9, name)
		assert.InDelta(t, c.mean, own.Mean(), 1e-9, name)
		assert.InDelta(t, c.kept, ratio(c.n, own.above, exact.above).Value, 1e-9, name)
		got := map[string]float64{}
		for _, f := range Figures(scores...) {
			got[f.Name] = f.Values[1].Value
			if f.Values[1].Value == f.Values[1].Value {
				assert.InDelta(t, f.Values[1].Value-f.Values[0].Value, f.Apart.Value, 1e-12)
			}
		}
		for figure, want := range c.figures {
			assert.InDelta(t, want, got[figure], 1e-6, "%s: %s", name, figure)
		}
	}
}

// TestAgreement: without labels answers are held to those of the first network to the same
// items, which agrees with itself.
func TestAgreement(t *testing.T) {
	const n = 40
	for name, list := range told() {
		task := taskOf(t, ir.Shape{3}, list...)
		ref, got := random(5, n, task.Size()), random(5, n, task.Size())
		for i := range got {
			got[i] += .05 * float32(i%3)
		}
		b := items(n)
		b.X = random(6, n, 3)
		scores := clean(t, task, b, ref, got)
		for k, exact := range scores[0].All() {
			own := scores[1].All()[k]
			assert.InDelta(t, 1, exact.Mean(), 1e-9, name)
			_, isTold := exact.AboveConstant()
			assert.True(t, isTold, name)
			kept := own.Kept(exact)
			assert.True(t, kept.IsDefined(), name)
			assert.Less(t, kept.Value, 1.0000001, name)
			assert.Greater(t, kept.Value, .5, name)
			assert.Equal(t, kept, own.All()[0].Kept(exact), name)
			assert.NotNil(t, Figures(exact, own), name)
		}
		if task.IsKL() {
			continue
		}
		_, err := Robust(context.Background(), Setup{Task: task, Images: b, Alone: true}, answering(ref))
		assert.ErrorContains(t, err, "no labels, and there is no float network", name)
	}
}

// TestRetentionOfAConstant: 0 of the mean, and not defined of a float network that is no
// better than it.
func TestRetentionOfAConstant(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, ir.Task{Name: ir.Values, Axis: ir.NoAxis})
	labels := random(9, 30, 2)
	mean, var1 := make([]float32, 60), make([]float32, 60)
	var sums [2]float32
	for i, v := range labels {
		sums[i%2] += v / 30
	}
	for i := range mean {
		mean[i], var1[i] = sums[i%2], -labels[i]
	}
	b := items(30, labels...)
	scores := clean(t, task, b, labels, mean)
	assert.InDelta(t, 0, scores[1].Kept(scores[0]).Value, 1e-6)
	scores = clean(t, task, b, var1, mean)
	assert.False(t, scores[1].Kept(scores[0]).IsDefined(), "worse than the mean")
	_, isTold := scores[0].AboveConstant()
	assert.False(t, isTold)
}

// TestSharesAreInfluences: the mean of items' shares is the measure, and their spread the
// standard error that resampling finds.
func TestSharesAreInfluences(t *testing.T) {
	const n = 300
	for name, labels := range map[string][]float32{"values": random(11, n, 2), "reconstruction": nil} {
		task := taskOf(t, ir.Shape{3}, told()[name]...)
		got := random(12, n, task.Size())
		b := items(n)
		if labels != nil {
			for i := range got {
				got[i] = labels[i] + .5*got[i]
			}
		} else {
			b.X = random(13, n, 3)
			for i := range n {
				labels = append(labels, float32(i%2))
				got[3*i] += float32(i % 2)
			}
		}
		b.Targets = []data.Target{{Shape: []int{len(labels) / n}, X: labels}}
		s := clean(t, task, b, got)[0]
		f := Figures(s)[0]
		assert.InDelta(t, f.Values[0].Value, s.Mean(), 1e-9, name)
		spread := (f.Values[0].High - f.Values[0].Low) / (2 * 1.96)
		assert.InEpsilon(t, spread, s.StdErr(), .2, name)
		assert.Less(t, f.Values[0].Low, f.Values[0].Value, name)
		assert.Greater(t, f.Values[0].High, f.Values[0].Value, name)
	}
}

// TestResamplesArePairedAndWithinClasses: the same items whatever the network, as many of
// each class as there are.
func TestResamplesArePairedAndWithinClasses(t *testing.T) {
	d, e := &resample{3, map[int][]float64{}}, &resample{3, map[int][]float64{}}
	assert.Equal(t, d.of(50, nil), e.of(50, nil))
	assert.NotEqual(t, d.of(50, nil), (&resample{4, map[int][]float64{}}).of(50, nil))
	w := d.of(50, func(i int) bool { return i < 10 })
	sum := 0.0
	for _, v := range w[:10] {
		sum += v
	}
	assert.Equal(t, 10., sum)
}

// TestLabelsOfAnotherTask are refused before they are used.
func TestLabelsOfAnotherTask(t *testing.T) {
	for _, c := range []struct {
		task   string
		labels []float32
		want   string
	}{
		{"label", []float32{0, 3}, "image 1 has the label 3, the network has 3 classes"},
		{"label", []float32{0, .5}, "image 1 has the label 0.5: labels of classes are whole numbers"},
		{"label", []float32{0, 1, 0, 1}, "of which an item has 1; these are 2 numbers an item"},
		{"axis", []float32{0, 1}, "of which an item has 3; these are 1"},
		{"axis", []float32{0, 1, 2, 0, 0, 0}, "image 0 has the label 2"},
		{"binary", []float32{0, 2}, "labels of binary are 0 or 1"},
		{"multilabel", []float32{0, 1}, "of which an item has 2; these are 1"},
		{"values", []float32{0, 1}, "of which an item has 2; these are 1"},
		{"reconstruction", []float32{1, 2}, "labels of reconstruction are 0, normal, or 1, abnormal"},
		{"embedding", []float32{1, -2}, "labels of embedding are whole numbers"},
	} {
		task := taskOf(t, ir.Shape{3}, told()[c.task]...)
		err := task.Check(items(2, c.labels...))
		require.Error(t, err, "%v", c)
		assert.Contains(t, err.Error(), c.want)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d)
		assert.Equal(t, diag.BadData, d.Kind)
	}
	// Labels of several results are arrays of their names.
	task := taskOf(t, ir.Shape{3}, told()["two"]...)
	b := items(2, 0, 1)
	assert.False(t, task.IsLabelled(b), "which of the two they are of is not known")
	b.Targets = []data.Target{{Name: "r0", Shape: []int{2}, X: []float32{1, 2, 3, 4}}, {Name: "r1", Shape: []int{}, X: []float32{0, 2}}}
	assert.True(t, task.IsLabelled(b))
}

// TestVoid: positions whose label stands for no class are in no figure, and said; a label is
// that only where the others are classes, and several of them.
func TestVoid(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, told()["axis"]...)
	for _, void := range []float32{255, -1, -100} {
		// As in TestFigures without a position of each item: of the first both are right, of the
		// second one of two. Of class 0: 2 found, 2 answered, 3 there; of class 1: 1, 2, 1.
		b := items(2, 0, 1, void, 0, void, 0)
		scores := clean(t, task, b, []float32{1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0}, []float32{1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1})
		assert.InDelta(t, 1, scores[0].Mean(), 1e-9)
		assert.InDelta(t, .75, scores[1].Mean(), 1e-9)
		want := map[string]float64{"pixel accuracy (mean over items)": .75, "mean IoU": (2./3 + 1./2) / 2, "worst class": 2. / 3}
		for _, f := range Figures(scores...) {
			assert.InDelta(t, want[f.Name], f.Values[1].Value, 1e-6, f.Name)
		}
		require.NoError(t, task.Check(b))
		assert.Equal(t, []string{fmt.Sprintf("33.3 %% of the labels are %v (void) and left out", void)}, task.Gaps(b))
		seed, err := task.Margin(b)
		require.NoError(t, err)
		d := make([]float32, task.Size())
		seed(0, []float32{1, 2, 3, 4, 5, 6}, d)
		assert.Equal(t, []float32{1, -1, 0, -1, 1, 0}, d)
	}
	for _, c := range []struct {
		want   string
		labels []float32
	}{
		{"image 0 has the label 255: labels of classes are whole numbers", []float32{0, 255, 0, 0, 0, 255}},
		{"image 1 has no label but 255 and -1 (void)", []float32{0, -1, 1, 255, 255, -1}},
		{"image 0 has the label 255: labels of classes are whole numbers", []float32{0, 255, 0, 0, -1, 0}},
		{"all other labels are 0, so that 255 and -1 and -100 can hardly mean void", []float32{0, 255, -1, 0, 0, -100}},
		{"image 0 has the label 2 at [1]: ", []float32{0, 2, 1, 0, 255, 255}},
		{"take 1 off each", []float32{1, 2, 255, 1, 1, 2}},
		{"where 2 stands for no class, write 255 (void) for it; of labels from 1, with 0 for no class, take 1 off each", []float32{0, 2, 1, 1, 1, 2}},
		{"image 0 has the label 254 at [1]: ", []float32{0, 254, 1, 0, 1, 1}},
		{"image 1 has no label but 255 (void)", []float32{0, 1, 1, 255, 255, 255}},
	} {
		assert.ErrorContains(t, task.Check(items(2, c.labels...)), c.want)
	}
	for name, labels := range map[string][]float32{"label": {0, 1, -1}, "binary": {0, 1, -1}, "embedding": {0, 1, -1}, "multilabel": {0, 1, 255, 1}} { // no masks
		n := len(labels)
		if name == "multilabel" {
			n /= 2
		}
		other := taskOf(t, ir.Shape{3}, told()[name]...)
		assert.Error(t, other.Check(items(n, labels...)), name)
	}
}

// TestVoidOfSeveralKinds: what PyTorch's losses ignore beside what a data set has for no class
// counts as little, and all of it is said.
func TestVoidOfSeveralKinds(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, told()["axis"]...)
	b := items(2, 0, 1, 255, 0, -1, -100)
	require.NoError(t, task.Check(b))
	assert.Equal(t, []string{"50 % of the labels are 255 and -1 and -100 (void) and left out"}, task.Gaps(b))
	scores := clean(t, task, b, []float32{1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0})
	assert.InDelta(t, 1, scores[0].Mean(), 1e-9)
}

// TestGapsOfElements: labels that are the same for every item are said, element by element, and those
// of identities that no two items share.
func TestGapsOfElements(t *testing.T) {
	for name, c := range map[string]struct {
		task   string
		size   int
		labels []float32
		want   string
	}{
		"a label of no item":      {"multilabel", 3, []float32{0, 0, 1, 1, 0, 1, 1, 0, 0}, "element 1 of the labels is 0 for every item"},
		"labels of all and no":    {"multilabel", 3, []float32{0, 0, 1, 1, 0, 1}, "element 1 of the labels is 0 for every item, element 2 of the labels is 1 for every item"},
		"several of no item":      {"multilabel", 3, []float32{0, 0, 1, 0, 0, 0}, "each of the elements 0, 1 of the labels is 0 for every item"},
		"nothing lacks":           {"multilabel", 2, []float32{0, 1, 1, 0}, ""},
		"a constant column":       {"values", 3, []float32{.5, 2, 3, .5, 1, 7}, "element 0 of the labels is 0.5 for every item, and left out of the measure"},
		"one value":               {"values", 1, []float32{.5, .5}, "every label is 0.5"},
		"one item":                {"values", 2, []float32{.5, .25}, ""},
		"many constant columns":   {"values", 12, append(make([]float32, 23), 1), "11 of the 12 elements of the labels are the same for every item, and left out of the measure"},
		"identities of their own": {"embedding", 0, []float32{4, 2, 9}, "no two items share a label"},
		"one identity":            {"embedding", 0, []float32{4, 4, 4}, "every label is 4"},
		"identities":              {"embedding", 0, []float32{4, 2, 4}, ""},
	} {
		shape := ir.Shape{max(c.size, 1)}
		each := max(c.size, 1)
		if c.task == "embedding" {
			shape = ir.Shape{3}
		}
		m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Shape: ir.Shape{3}}}}, Outputs: []*ir.Value{{Name: "y", Type: ir.Type{Shape: shape}}}}
		task, err := TaskOf(m, c.task, nil)
		require.NoError(t, err, name)
		b := data.Batch{N: len(c.labels) / each, Shape: []int{3}, Targets: []data.Target{{Shape: []int{each}, X: c.labels}}}
		assert.Equal(t, []string{c.want}, task.Gaps(b), name)
	}
}

// TestOneItemHasNoNeighbour: what needs another item is not defined of one.
func TestOneItemHasNoNeighbour(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, told()["embedding"]...)
	b := data.Batch{N: 1, Shape: []int{3}, X: make([]float32, 3)}
	answers := make([]float32, task.Size())
	answers[0] = 1
	scores := clean(t, task, b, answers, answers)
	found := map[string]float64{}
	for _, f := range Figures(scores...) {
		found[f.Name] = f.Values[1].Value
	}
	assert.InDelta(t, 1, found["cosine"], 1e-9)
	assert.True(t, math.IsNaN(found["nearest neighbour as float"]), "%v", found)
	b.Labels, b.Targets = []int{1}, []data.Target{{Shape: []int{}, X: []float32{1}}}
	_, err := Robust(context.Background(), Setup{Task: task, Images: b}, func(context.Context, []float32, int) ([]float32, error) { return answers, nil })
	assert.ErrorContains(t, err, "nearest neighbour's label of the result")
	assert.ErrorContains(t, err, "is not defined under clean: one item has no neighbour")
	assert.ErrorContains(t, err, "give two items or more")
}

// TestBelowConstant: a kind of error under which answers are worse than a constant is named with both
// figures; where the network is right, or its own answers are, there is none.
func TestBelowConstant(t *testing.T) {
	m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{4}}, Range: &ir.Range{Lo: 0, Hi: 1}}}, Outputs: []*ir.Value{{Name: "y", Type: ir.Type{Shape: ir.Shape{1}}}}}
	task, err := TaskOf(m, "values", nil)
	require.NoError(t, err)
	b := data.Synthesize([]int{4}, 0, 1, 80, 1)
	sums := func(_ context.Context, x []float32, n int) (out []float32, err error) {
		for i := range n {
			out = append(out, x[4*i]+x[4*i+1]+x[4*i+2]+x[4*i+3])
		}
		return out, nil
	}
	y, _ := sums(context.Background(), b.X, b.N)
	conditions, err := disturb.Parse("gaussian=.01;gain=1", []disturb.Input{{Name: "x", Shape: []int{4}, Low: 0, High: 1, Holds: ir.Content{Kind: ir.Features}}})
	require.NoError(t, err)
	assert.Equal(t, "gaussian=0.01;gain=1", disturb.Text(conditions))
	assert.Equal(t, []string{"gain"}, disturb.Moving(conditions))
	unlabelled, err := Robust(context.Background(), Setup{Task: task, Images: b, Conditions: conditions}, sums)
	require.NoError(t, err)
	assert.Empty(t, unlabelled[0].BelowConstant())
	b.Targets = []data.Target{{Shape: []int{1}, X: y}}
	scores, err := Robust(context.Background(), Setup{Task: task, Images: b, Conditions: conditions}, sums)
	require.NoError(t, err)
	below := scores[0].BelowConstant()
	require.Len(t, below, 1)
	assert.Equal(t, []string{"y", "1 - rmse/std", "gain"}, []string{below[0].Result, below[0].Measure, below[0].Kind})
	assert.Less(t, below[0].Own, 0.)
	assert.InDelta(t, 0, below[0].Constant, 1e-9)
	assert.InDelta(t, scores[0].Kinds[2].Mean(), below[0].Own, 1e-9)
}

// TestMargins: guided errors follow labels, or the network's own decision; where there is
// no such thing it is said.
func TestMargins(t *testing.T) {
	for name, c := range map[string]struct {
		labels []float32
		out    []float32
		want   []float32
	}{
		"label":          {nil, []float32{1, 3, 2}, []float32{0, 1, -1}},
		"axis":           {[]float32{0, 1, 1}, []float32{1, 2, 3, 4, 5, 6}, []float32{1, -1, -1, -1, 1, 1}},
		"binary":         {nil, []float32{-1}, []float32{-1}},
		"multilabel":     {[]float32{1, 0}, []float32{-1, -1}, []float32{1, -1}},
		"values":         {[]float32{1, 5}, []float32{2, 2}, []float32{-2, 6}},
		"reconstruction": {nil, []float32{1, 2, 0}, []float32{-2, -4, 0}},
		"two":            {nil, nil, nil},
		"embedding":      {nil, nil, nil},
	} {
		task := taskOf(t, ir.Shape{3}, told()[name]...)
		seed, err := task.Margin(items(1, c.labels...))
		if c.out == nil {
			assert.ErrorContains(t, err, "has no such thing", name)
			continue
		}
		require.NoError(t, err, name)
		d := make([]float32, task.Size())
		seed(0, c.out, d)
		assert.Equal(t, c.want, d, name)
	}
}

// TestWhatATaskHasNot is said: boundaries and planes are of decisions.
func TestWhatATaskHasNot(t *testing.T) {
	for name, list := range told() {
		task := taskOf(t, ir.Shape{3}, list...)
		if err := task.Decides("a boundary distance"); name == "label" || name == "binary" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "a boundary distance needs one answer an item that is right or wrong", name)
		}
	}
	task := taskOf(t, ir.Shape{3}, told()["binary"]...)
	assert.Equal(t, []int{1, 0, 1}, task.Decisions([]float32{1, -1, 0}, 3))
	shareTask := task
	shareTask.Results = append([]Result(nil), task.Results...)
	shareTask.Results[0].isShare = true
	assert.Equal(t, []int{1, 0, 0}, shareTask.Decisions([]float32{1, .4, 0}, 3))
}

// TestDivergenceOfDistances: a reconstruction is judged by its distance from the input. The
// same change of it counts the same where noise makes the distance, and so the score, great.
func TestDivergenceOfDistances(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, ir.Task{Name: ir.Reconstruction, Axis: ir.NoAxis})
	// Clean items of distances 1 and 3, whose variance is 1.
	s, err := task.ScaleOf(make([]float32, 6), []float32{1, 0, 0, 0, 0, 3}, 2, []float64{0})
	require.NoError(t, err)
	for _, c := range []struct {
		ref, got []float32
		want     float64
	}{
		{[]float32{2, 0, 0}, []float32{5, 0, 0}, 9},
		{[]float32{0, 12, 0}, []float32{15, 0, 0}, 9},
		{[]float32{3, 4, 0}, []float32{0, 3, 0}, 4},
		{[]float32{3, 4, 0}, []float32{-4, 3, 0}, 0},
		{[]float32{0, 2, 0}, []float32{0, 0, 0}, 4},
	} {
		d := make([]float32, 3)
		assert.InDelta(t, c.want, task.Item(s, make([]float32, 3), c.ref, c.got), 1e-6, "%v", c)
		task.Slope(s, make([]float32, 3), c.ref, c.got, d)
		for _, v := range d {
			assert.False(t, math.IsNaN(float64(v)), "%v", c)
		}
	}
}

// TestEqualItemsDoNotVary: the variance of equal answers is their rounding, and no measure.
func TestEqualItemsDoNotVary(t *testing.T) {
	items := make([][]float64, 300)
	for i := range items {
		items[i] = []float64{.1, .1199 + float64(i%3)*1e-9}
	}
	mean, variance := sample{items: items}.moments(1)
	assert.InDelta(t, .1199, mean, 1e-6)
	assert.Zero(t, variance)
	items[7][1] += .01
	_, variance = sample{items: items}.moments(1)
	assert.Positive(t, variance)
	for i := range items {
		items[i][1] = 1e-9 * float64(i%2)
	}
	_, variance = sample{items: items}.moments(1)
	assert.Positive(t, variance, "small, but not beside its mean")
}

// TestAnswersThatAreNoNumbers are refused, with the item, before they are judged; a class
// whose logit is -Inf has the probability 0.
func TestAnswersThatAreNoNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name string
		v    float32
		ok   bool
	}{
		{"label", nan, false}, {"axis", nan, false}, {"binary", nan, false}, {"multilabel", nan, false}, {"values", nan, false},
		{"reconstruction", nan, false}, {"embedding", nan, false}, {"values", inf, false}, {"values", -inf, false}, {"label", inf, false},
		{"label", -inf, true}, {"axis", -inf, true}, {"multilabel", -inf, true}, {"two", nan, false},
	} {
		const n = 8
		task := taskOf(t, ir.Shape{3}, told()[c.name]...)
		ref := random(1, n, task.Size())
		got := append([]float32(nil), ref...)
		got[5*task.Size()] = c.v
		b := items(n)
		b.X = random(2, n, 3)
		_, err := Robust(context.Background(), Setup{Task: task, Images: b}, answering(ref), answering(got))
		if c.ok {
			assert.NoError(t, err, c.name)
			continue
		}
		assert.ErrorContains(t, err, fmt.Sprintf("the answer r0 of network 2 to item 5 has %v", c.v), c.name)
	}
}

// TestLabelsThatAreNoNumbers are refused as such, not as labels that are all the same.
func TestLabelsThatAreNoNumbers(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, told()["values"]...)
	b := items(2, 1, 2, float32(math.NaN()), 4)
	assert.ErrorContains(t, task.Check(b), "image 1 has the label NaN")
	// Of one label an item too, whatever the others are.
	task = taskOf(t, ir.Shape{3}, told()["label"]...)
	assert.ErrorContains(t, task.Check(items(2, 7, float32(math.NaN()))), "image 1 has the label NaN")
}

// TestFoldersOfOtherTasks: folders are as many as the classes of a network, but an embedding's are
// identities of any number, and those of an autoencoder may all be normal.
func TestFoldersOfOtherTasks(t *testing.T) {
	for _, c := range []struct {
		task    string
		labels  []float32
		folders []string
		want    string
	}{
		{"label", []float32{0, 1}, []string{"ape", "bee"}, "the data have 2, the network has 3 classes"},
		{"binary", []float32{0, 0}, []string{"no"}, "the data have 1, the network has 2 classes"},
		{"embedding", []float32{0, 1}, []string{"ann", "bob"}, ""},
		{"reconstruction", []float32{0, 0}, []string{"normal"}, ""},
	} {
		task := taskOf(t, ir.Shape{3}, told()[c.task]...)
		b := items(2, c.labels...)
		b.Folders = c.folders
		if err := task.Check(b); c.want == "" {
			assert.NoError(t, err, c.task)
		} else {
			assert.ErrorContains(t, err, c.want, c.task)
		}
	}
}

// TestIntervalOfTheWorst is about its value: the class is the worst one of the items, not of
// each resample.
func TestIntervalOfTheWorst(t *testing.T) {
	const n, classes = 500, 50
	r := &Result{Task: ir.Classes, row: rowOf(ir.Classes), classes: classes, size: classes, positions: 1, inner: 1, Axis: ir.NoAxis}
	require.True(t, r.isPlain())
	stats := make([][]float64, n)
	for i := range stats {
		stats[i] = []float64{0, 1, float64(i % classes), 0, 0}
		if wrong := i/classes < 2 || i%classes == 7 && i/classes < 4; !wrong { // of class 7, four of ten
			stats[i][0] = 1
		}
	}
	s := &Score{Images: n, Result: *r, Kinds: []Kind{{Name: Clean, Sizes: []float64{0}, stats: [][][]float64{stats}}}}
	for _, f := range Figures(s) {
		v := f.Values[0]
		assert.LessOrEqual(t, v.Low, v.Value, f.Name)
		assert.GreaterOrEqual(t, v.High, v.Value, f.Name)
		if f.Name == "worst class" {
			assert.Equal(t, .6, v.Value)
			assert.Less(t, v.Low, .4)
			assert.Greater(t, v.High, .8)
		}
	}
	// Of an axis and of values likewise.
	for name, figure := range map[string]string{"axis": "worst class", "values": "rmse of the worst element"} {
		task := taskOf(t, ir.Shape{3}, told()[name]...)
		ref, got := random(21, 60, task.Size()), random(22, 60, task.Size())
		for _, f := range Figures(clean(t, task, items(60), ref, got)...) {
			if v := f.Values[1]; f.Name == figure {
				assert.Less(t, v.Low, v.Value, name)
				assert.Greater(t, v.High, v.Value, name)
			}
		}
	}
}

// TestUndefinedResamples leave no interval where they are more than one in twenty.
func TestUndefinedResamples(t *testing.T) {
	of := func(undefined int) Interval {
		list := make([]float64, 100)
		for i := range list {
			if list[i] = float64(i); i < undefined {
				list[i] = math.NaN()
			}
		}
		return newInterval(50, list)
	}
	assert.False(t, math.IsNaN(of(5).Low))
	v := of(6)
	assert.Equal(t, 50., v.Value)
	assert.True(t, math.IsNaN(v.Low))
	assert.True(t, math.IsNaN(v.High))
}

// TestNothingIsMeasuredAgainstNoNetwork: without a float network there is no error of the
// score.
func TestNothingIsMeasuredAgainstNoNetwork(t *testing.T) {
	task := taskOf(t, ir.Shape{3}, told()["reconstruction"]...)
	b := items(4, 0, 0, 1, 1)
	scores, err := Robust(context.Background(), Setup{Task: task, Images: b, Alone: true}, answering(random(3, 4, 3)))
	require.NoError(t, err)
	for _, f := range Figures(scores[0]) {
		isError := f.Name == "rmse of the score" || f.Name == "1 - rmse/std of the score"
		assert.Equal(t, isError, math.IsNaN(f.Values[0].Value), f.Name)
	}
}

// TestMaskedClasses: a class of probability 0 has no part of a divergence.
func TestMaskedClasses(t *testing.T) {
	inf := float32(math.Inf(-1))
	masked := []float32{1, inf, 2}
	assert.Zero(t, KL(masked, masked))
	assert.InDelta(t, math.Log(2), KL([]float32{0, inf}, []float32{0, 0}), 1e-12)
	assert.True(t, math.IsInf(KL([]float32{0, 0}, []float32{0, inf}), 1))
	for _, low := range []float32{-1e4, inf} {
		for name, class := range map[string]int{"axis": 1, "multilabel": 1} {
			task := taskOf(t, ir.Shape{3}, told()[name]...)
			const n = 20
			x, ref := random(1, n, 3), random(2, n, task.Size())
			per := task.Size() / 2
			for i := range n {
				for e := range per {
					ref[i*task.Size()+class*per+e] = low
				}
			}
			if name == "axis" { // of two classes, one masked: the answer is the same to all
				_, err := task.ScaleOf(x, ref, n, []float64{0})
				assert.ErrorContains(t, err, "gives the same answer r0", "%s %v", name, low)
				continue
			}
			s, err := task.ScaleOf(x, ref, n, []float64{0})
			require.NoError(t, err, "%s %v", name, low)
			assert.InDelta(t, 0, task.Diverge(s, x, ref, ref).KL, 1e-12)
		}
	}
	// Of three classes, one masked.
	r := &Result{Task: ir.Classes, Name: "r", row: rowOf(ir.Classes), classes: 3, size: 6, positions: 2, inner: 2, Shape: ir.Shape{3, 1, 2}, Weight: 1}
	task := Task{Results: []Result{*r}}
	x, ref := random(1, 20, 3), random(2, 20, 6)
	for i := range 20 {
		ref[6*i+2], ref[6*i+3] = -1e4, inf
	}
	s, err := task.ScaleOf(x, ref, 20, []float64{0})
	require.NoError(t, err)
	assert.Zero(t, task.Diverge(s, x, ref, ref).KL)
	ref[7] = float32(math.NaN())
	_, err = task.ScaleOf(x, ref, 20, []float64{0})
	assert.ErrorContains(t, err, "the divergence of the result r is not defined")
}

// TestOneItemTellsNothing: its error is not known.
func TestOneItemTellsNothing(t *testing.T) {
	own, exact := rights(true), rights(true)
	assert.True(t, math.IsNaN(own.StdErr()))
	kept := own.Retention(exact)
	assert.Equal(t, 1., kept.Value)
	value, stderr := kept.Figures()
	assert.NotNil(t, value)
	assert.Nil(t, stderr, "which JSON has no number for")
	_, isTold := (&Score{Images: 1, Labels: []int{0}, Kinds: []Kind{{Own: [][]float64{{1}}, Constant: [][]float64{{0}}}}}).AboveConstant()
	assert.False(t, isTold)
}

// TestMode: the most frequent value, the least of equally frequent ones.
func TestMode(t *testing.T) {
	for _, c := range []struct {
		of   []int
		want int
	}{{nil, 0}, {[]int{5}, 5}, {[]int{7, 3, 3, 7}, 3}, {[]int{-1, 2, 2}, 2}, {[]int{4, 4, 1}, 4}} {
		assert.Equal(t, c.want, Mode(c.of), "%v", c.of)
	}
}

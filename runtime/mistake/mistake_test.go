package mistake

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

func TestSignTest(t *testing.T) {
	assert.InDelta(t, math.Pow(2, -14), signTest(14, 0), 1e-12)
	assert.InDelta(t, 1, signTest(0, 14), 1e-9)
	assert.InDelta(t, 1, signTest(0, 0), 1e-12)
	assert.InDelta(t, 11./1024, signTest(9, 1), 1e-12)
	assert.InDelta(t, 638./1024, signTest(5, 5), 1e-12)
	assert.InDelta(t, 1./16, mcNemar([]bool{true, true, true, true, true, false}, []bool{false, false, false, false, true, false}), 1e-12)
}

func TestMeanTest(t *testing.T) {
	better, worse := make([]float64, 400), make([]float64, 400)
	for i := range better {
		better[i] = .1 + float64(i%2*2-1) // mean .1, deviation 1: two standard errors
	}
	assert.InDelta(t, .0232, meanTest(better, worse), .0001)
	assert.InDelta(t, 1-.0232, meanTest(worse, better), .0001)
	assert.Equal(t, 1., meanTest(worse, worse))
	assert.Equal(t, 1., meanTest([]float64{1}, []float64{0}), "one item speaks for nothing")
	// Of a few items the tail is Student's: 4 standard errors, 39 degrees of freedom.
	few := make([]float64, 40)
	for i := range few {
		few[i] = 4/math.Sqrt(39) + float64(i%2*2-1)
	}
	assert.InDelta(t, 1.369e-4, meanTest(few, make([]float64, 40)), 1e-6)
	assert.Equal(t, 1., meanTest(few[:fewest/2-1], make([]float64, fewest/2-1)), "of fewer no tail is known")
}

// TestLogScoresForgiveScale: odds that are all a multiple are as good.
func TestLogScoresForgiveScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	odds, labels := make([][]float64, 50), make([]int, 50)
	for i := range odds {
		labels[i] = i % 3
		for c := range 3 {
			odds[i] = append(odds[i], rng.NormFloat64())
			if c == labels[i] {
				odds[i][c]++
			}
		}
	}
	want := logScores(odds, labels)
	many := make([][]float64, 50)
	for i, list := range odds {
		for _, v := range list {
			many[i] = append(many[i], 255*v)
		}
	}
	got := logScores(many, labels)
	for i := range want {
		assert.InDelta(t, want[i], got[i], 1e-3)
	}
	assert.Greater(t, sum(want)/50, -math.Log(3), "better than no odds at all")
}

func TestAssign(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for n := 1; n <= 6; n++ {
		for range 20 {
			table := make([][]float64, n)
			for i := range table {
				for range n {
					table[i] = append(table[i], float64(rng.IntN(10)))
				}
			}
			best := 0.
			var try func(row int, used map[int]bool, sum float64)
			try = func(row int, used map[int]bool, sum float64) {
				if row == n {
					best = max(best, sum)
					return
				}
				for c := range n {
					if !used[c] {
						used[c] = true
						try(row+1, used, sum+table[row][c])
						used[c] = false
					}
				}
			}
			try(0, map[int]bool{}, 0)
			got, seen := 0., map[int]bool{}
			for i, c := range assign(table) {
				got, seen[c] = got+table[i][c], true
			}
			assert.Equal(t, best, got, "%v", table)
			assert.Len(t, seen, n)
		}
	}
}

// TestMatchingIsHonest: of answers that know nothing a matching is no better than they are,
// although it always fits the items that it comes from.
func TestMatchingIsHonest(t *testing.T) {
	fitted, judged, plain := 0, 0, 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		answers, labels := make([]int, 256), make([]int, 256)
		for i := range answers {
			answers[i], labels[i] = rng.IntN(10), rng.IntN(10)
		}
		to := matching(answers, labels, 10, func(int) bool { return true })
		for i, a := range answers {
			if to[a] == labels[i] {
				fitted++
			}
		}
		is := matched(answers, labels, 10)
		judged, plain = judged+count(is), plain+count(right(answers, labels, 0))
		assert.GreaterOrEqual(t, mcNemar(is, right(answers, labels, 0)), significant)
	}
	assert.InDelta(t, .1, float64(judged)/256/200, .01)
	assert.InDelta(t, .1, float64(plain)/256/200, .01)
	assert.Greater(t, float64(fitted)/256/200, .15, "the items that it comes from")
}

func TestReadings(t *testing.T) {
	names := func(list []reading) (out []string) {
		for _, r := range list {
			out = append(out, r.name)
		}
		return out
	}
	gray := readings("x", span{0, 1}, span{0, 1}, false, false, 1)
	assert.Equal(t, []string{"reals in [-1,1]", "reals in [0,255]", "reals normalised as for MNIST", "reals normalised as for Fashion-MNIST"}, names(gray))
	colour := names(readings("x", span{-3, 3}, span{-3, 3}, true, false, 3))
	assert.Contains(t, colour, "reals before the normalisation for ImageNet")
	assert.Contains(t, colour, "channels in the opposite order (BGR for RGB)")
	assert.Contains(t, names(readings("x", span{0, 255}, span{0, 1}, false, false, 0)), "reals in [0,255], made of those in [0,1]")

	apply := func(list []reading, name string, planes int, x ...float32) []float32 {
		for _, r := range list {
			if r.name == name {
				dst := make([]float32, len(x))
				r.at(dst, x, planes, len(x)/planes)
				return dst
			}
		}
		require.Fail(t, "no reading", name)
		return nil
	}
	assert.Equal(t, []float32{-1, 0, 1}, apply(gray, "reals in [-1,1]", 1, 0, .5, 1))
	assert.InDeltaSlice(t, []float32{-.1307 / .3081, .8693 / .3081}, apply(gray, "reals normalised as for MNIST", 1, 0, 1), 1e-6)
	all := readings("x", span{0, 255}, span{0, 255}, false, false, 3)
	assert.Equal(t, []float32{5, 6, 3, 4, 1, 2}, apply(all, "channels in the opposite order (BGR for RGB)", 3, 1, 2, 3, 4, 5, 6))
	assert.Equal(t, []float32{1, 4, 2, 5, 3, 6}, apply(all, "bytes in the order height, width, channel", 3, 1, 2, 3, 4, 5, 6))
	assert.InDelta(t, (.5-.456)/.224, apply(all, "reals normalised as for ImageNet", 3, 0, 127.5, 0)[1], 1e-5)

	assert.Equal(t, span{0, 1}, hold(span{0, 255}, .1, .9))
	assert.Equal(t, span{-1, 1}, hold(span{-3, 3}, -.1, .9))
	assert.Equal(t, span{0, 255}, hold(span{0, 255}, 0, 254))
	assert.Equal(t, span{-3, 3}, hold(span{-3, 3}, -2, 2))
}

// threshold answers by the mean of two pixels in [0,1]: class 0 below .5, else class 1; and
// class 2 beyond 1.
func threshold(_ context.Context, x []float32, n int) ([]float32, error) {
	out := make([]float32, 0, 3*n)
	for i := range n {
		v := (x[2*i] + x[2*i+1]) / 2
		out = append(out, 8*(.5-v), 8*(v-.5), 100*(v-1.2))
	}
	return out, nil
}

// set is n items for threshold, whose reals are given from low to high.
func set(n int, low, high float32) data.Batch {
	rng := rand.New(rand.NewPCG(4, 4))
	b := data.Batch{N: n, Shape: []int{2}}
	for range n {
		u := rng.Float32()
		b.X = append(b.X, low+u*(high-low), low+u*(high-low))
		label := 0
		if u > .5 {
			label = 1
		}
		b.Labels = append(b.Labels, label)
	}
	return b
}

func setup(b data.Batch, low, high float32) Setup {
	return Setup{Task: measure.OneLabel(3), Network: threshold, Images: b, Input: "x", Low: low, High: high, Seed: 1, MACs: 1}
}

func TestLook(t *testing.T) {
	ctx := context.Background()
	relabelled := func(b data.Batch, to ...int) data.Batch {
		for i, l := range b.Labels {
			b.Labels[i] = to[l]
		}
		return b
	}
	random := set(400, 0, 1)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range random.Labels {
		random.Labels[i] = rng.IntN(2)
	}
	unlabelled := set(400, 0, .1)
	unlabelled.Labels = nil
	for name, c := range map[string]struct {
		s                    Setup
		chance, what, doubts string
	}{
		"right":           {s: setup(set(600, 0, 1), 0, 1)},
		"few":             {s: setup(set(10, 0, 1), 0, 1)},
		"range":           {setup(set(600, 0, 255), 0, 255), "as they are labelled, and the best constant answer", "answers 512 of 512 items as they are labelled where the input has reals in [0,1], and", ""},
		"reals of others": {setup(set(600, 0, 1), -1000, 1000), "", "", ""},
		"labels from 1":   {setup(relabelled(set(600, 0, 1), 1, 2), 0, 1), "best constant", "where labels are counted from 1, and", ""},
		"labels permuted": {setup(relabelled(set(600, 0, 1), 1, 0), 0, 1), "best constant", "where labels are permuted, and", ""},
		"other labels":    {setup(random, 0, 1), "best constant", "", ""},
		"no labels":       {setup(unlabelled, 0, 1), "", "", "all 128 answers are 0"},
	} {
		r, err := Look(ctx, c.s)
		require.NoError(t, err, name)
		assert.Equal(t, c.chance != "", r.Chance != "", "%s: %s", name, r.Chance)
		assert.Contains(t, r.Chance, c.chance, name)
		if assert.Equal(t, c.what != "", r.Finding != nil, "%s: %v", name, r.Finding) && r.Finding != nil {
			assert.Contains(t, r.Finding.What, c.what, name)
			assert.NotEmpty(t, r.Finding.Help, name)
		}
		assert.Equal(t, c.doubts != "", r.Doubt != "", "%s: %s", name, r.Doubt)
		assert.Contains(t, r.Doubt, c.doubts, name)
	}
	s := setup(set(600, 0, 1), 0, 1)
	s.Network = func(context.Context, []float32, int) ([]float32, error) { return nil, errors.New("broken") }
	_, err := Look(ctx, s)
	assert.EqualError(t, err, "broken")
}

// TestLookByMeasure: a task that does not decide is looked at by its own measure, a
// reconstruction without labels by what it leaves of its input.
func TestLookByMeasure(t *testing.T) {
	ctx := context.Background()
	m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Shape: ir.Shape{2}}}}}
	task := func(name string, size int) measure.Task {
		m.Outputs = []*ir.Value{{Name: "y", Type: ir.Type{Shape: ir.Shape{size}}}}
		task, err := measure.TaskOf(m, name, nil)
		require.NoError(t, err)
		return task
	}
	mean := func(_ context.Context, x []float32, n int) (out []float32, err error) {
		for i := range n {
			v := x[2*i] + x[2*i+1]
			out = append(out, v/2+v*v/8)
		}
		return out, nil
	}
	values := set(400, 0, 1)
	values.Labels = nil
	y, err := mean(ctx, values.X, values.N)
	require.NoError(t, err)
	values.Targets = []data.Target{{Shape: []int{1}, X: y}}
	s := Setup{Task: task("values", 1), Network: mean, Images: values, Input: "x", Low: 0, High: 1, Seed: 1}
	r, err := Look(ctx, s)
	require.NoError(t, err)
	assert.Equal(t, Report{}, r)
	wide := set(400, -1, 1)
	wide.Labels, wide.Targets = nil, values.Targets
	s.Images, s.Low = wide.Slice(0, fewest/2-1), -1
	s.Images.Targets = []data.Target{{Shape: []int{1}, X: y[:fewest/2-1]}}
	r, err = Look(ctx, s)
	require.NoError(t, err)
	assert.Nil(t, r.Finding, "so few items speak for no reading")
	s.Images, s.Low = wide, -1
	r, err = Look(ctx, s)
	require.NoError(t, err)
	require.NotNil(t, r.Finding)
	assert.Contains(t, r.Finding.What, "where the input has reals in [0,1]")

	again := func(_ context.Context, x []float32, _ int) ([]float32, error) { // of reals in [0,1]
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = min(max(v, 0), 1)
		}
		return out, nil
	}
	spread := data.Synthesize([]int{2}, 0, 255, 400, 1)
	s = Setup{Task: task("reconstruction", 2), Network: again, Images: spread, Input: "x", Low: 0, High: 255, Seed: 1}
	r, err = Look(ctx, s)
	require.NoError(t, err)
	assert.Contains(t, r.Doubt, "where the input has reals in [0,1]")
	s.Network = func(_ context.Context, x []float32, _ int) ([]float32, error) { return make([]float32, len(x)), nil }
	r, err = Look(ctx, s)
	require.NoError(t, err)
	assert.Contains(t, r.Doubt, "the answers to all 128 items are the same")
}

// TestQuickLook: where nothing is to be said a quarter of the items is enough; else all are
// looked at, and what is said is the same.
func TestQuickLook(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	b := data.Batch{N: 700, Shape: []int{1, 1, 1}}
	for range b.N {
		x := rng.Float32()
		b.X = append(b.X, x)
		b.Labels = append(b.Labels, int(math.Round(float64(x))))
	}
	look := func(middle float32, isQuick bool) (out Report, ran int) {
		out, err := Look(context.Background(), Setup{Task: measure.OneLabel(2), Images: b, Input: "x", High: 1, Seed: 1, Quick: isQuick,
			Network: func(_ context.Context, x []float32, n int) ([]float32, error) {
				ran += n
				var y []float32
				for _, v := range x {
					y = append(y, middle-v, v-middle)
				}
				return y, nil
			}})
		require.NoError(t, err)
		return out, ran
	}
	right, all := look(.5, false)
	quick, few := look(.5, true)
	assert.Equal(t, Report{}, right)
	assert.Equal(t, Report{}, quick)
	assert.Equal(t, []int{items, items / more}, []int{all, few})
	right, _ = look(0, false) // the network was trained on -1 to 1
	quick, _ = look(0, true)
	require.NotNil(t, right.Finding)
	assert.Contains(t, right.Finding.What, "[-1,1]")
	assert.Equal(t, right, quick)
}

// pixelwise has three classes for each of some pixels, by the first two channels and the third one.
func pixelwise(_ context.Context, x []float32, n int) ([]float32, error) {
	return slices.Clone(x), nil // the class of the greatest channel
}

// scene is n images of three channels of 2x2 pixels with the class of each pixel, which is the
// greatest channel in nine of ten.
func scene(n int) (b data.Batch, mask []float32) {
	rng := rand.New(rand.NewPCG(6, 6))
	b = data.Batch{N: n, Shape: []int{3, 2, 2}}
	for range n {
		x := make([]float32, 12)
		for p := range 4 {
			class := rng.IntN(3)
			if p == 0 {
				class = rng.IntN(2) // so that class 2 may be void
			} else if p == 1 {
				class = 1 + rng.IntN(2) // and class 0
			}
			mask = append(mask, float32(class))
			if rng.IntN(10) == 0 {
				class = rng.IntN(3)
			}
			for c := range 3 {
				x[c*4+p] = rng.Float32() / 2
			}
			x[class*4+p] += .5
		}
		b.X = append(b.X, x...)
	}
	return b, mask
}

// TestLookAtLabelsOfResults: labels of a task that does not decide are tried as they are often
// misread, and named rather than a reading of the images that explains no more.
func TestLookAtLabelsOfResults(t *testing.T) {
	taskOf := func(asked string, shapes ...ir.Shape) measure.Task {
		m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Shape: ir.Shape{3, 2, 2}}}}}
		for i, s := range shapes {
			m.Outputs = append(m.Outputs, &ir.Value{Name: string(rune('y' + i)), Type: ir.Type{Shape: s}})
		}
		task, err := measure.TaskOf(m, asked, nil)
		require.NoError(t, err)
		return task
	}
	to := func(list []float32, of func(v float32) float32) []float32 {
		out := make([]float32, len(list))
		for i, v := range list {
			out[i] = of(v)
		}
		return out
	}
	images, mask := scene(200)
	rng := rand.New(rand.NewPCG(7, 7))
	truths := to(mask, func(v float32) float32 { return float32(int(v) % 2) })
	// What the channels sum up to, a column each, and its truth.
	sums := func(_ context.Context, x []float32, n int) (out []float32, err error) {
		for i := range n {
			for c := range 3 {
				v := float32(0)
				for _, x := range x[i*12+c*4:][:4] {
					v += x
				}
				out = append(out, v-1.45)
			}
		}
		return out, nil
	}
	answers, err := sums(context.Background(), images.X, images.N)
	require.NoError(t, err)
	many := to(answers, func(v float32) float32 { return max(min(float32(math.Ceil(float64(v))), 1), 0) })
	order := func(list []float32, at ...int) []float32 {
		out := make([]float32, len(list))
		for i := range out {
			out[i] = list[i/len(at)*len(at)+at[i%len(at)]]
		}
		return out
	}
	odd := func(_ context.Context, x []float32, n int) (out []float32, err error) { // whether a pixel is of class 1
		for i := range n {
			for p := range 4 {
				x := x[i*12+p:]
				out = append(out, x[4]-max(x[0], x[8]))
			}
		}
		return out, nil
	}
	hard := func(ctx context.Context, x []float32, n int) ([]float32, error) { // one in eight pixels of class 2 is answered by 0
		y, err := pixelwise(ctx, x, n)
		for i := range n * 4 {
			at := i/4*12 + i%4
			if i%8 == 3 && y[at+8] > max(y[at], y[at+4]) {
				y[at], y[at+8] = y[at+8], y[at]
			}
		}
		return y, err
	}
	both := func(ctx context.Context, x []float32, n int) (out []float32, err error) {
		a, _ := pixelwise(ctx, x, n)
		b, _ := sums(ctx, x, n)
		for i := range n {
			out = append(append(out, a[i*12:][:12]...), b[i*3:][:3]...)
		}
		return out, nil
	}
	seg, several := ir.Shape{3, 2, 2}, ir.Shape{3}
	for name, c := range map[string]struct {
		task       measure.Task
		network    measure.Network
		labels     [][]float32 // of each result
		what, help string
	}{
		"masks":           {taskOf("classes axis: 0", seg), pixelwise, [][]float32{mask}, "", ""},
		"masks, permuted": {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 { return float32((int(v) + 1) % 3) })}, "where its labels are permuted, and", "number the labels as the network does: 1 is 0, 2 is 1, 0 is 2"},
		"masks, swapped":  {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 { return 2 - v })}, "where its labels are permuted, and", "2 is 0, 0 is 2"},
		"masks with void": {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 { return []float32{0, 2, 255}[int(v)] })}, "where its labels are permuted, and", "2 is 1"},
		"masks from 1":    {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 { return []float32{1, 2, 255}[int(v)] })}, "where its labels are counted from 1, and", "take 1 off each"},
		"masks from 1, 0 void": {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 {
			if v < 2 && rng.IntN(4) == 0 {
				return 0
			}
			return []float32{1, 2, 255}[int(v)]
		})}, "where its labels are counted from 1, and 0 where there is no class, and", "write 255 (void) for 0"},
		"masks, permuted, one class hard": {taskOf("classes axis: 0", seg), hard, [][]float32{to(mask, func(v float32) float32 { return float32((int(v) + 1) % 3) })}, "where its labels are permuted, and", "number the labels as the network does: 1 is 0, 2 is 1, 0 is 2"},
		"masks, one too low":              {taskOf("classes axis: 0", seg), pixelwise, [][]float32{to(mask, func(v float32) float32 { return []float32{255, 0, 1}[int(v)] })}, "where its labels are one too low, and", "add 1 to each label"},
		"truths":                          {taskOf("multilabel", ir.Shape{4}), odd, [][]float32{truths}, "", ""},
		"truths, inverted":                {taskOf("multilabel", ir.Shape{4}), odd, [][]float32{to(truths, func(v float32) float32 { return 1 - v })}, "where its labels are inverted (0 for 1, and 1 for 0), and", "1 - y in numpy"},
		"truths, permuted":                {taskOf("multilabel", several), sums, [][]float32{order(many, 1, 2, 0)}, "where its labels are in another order, and", "y[:, [2, 0, 1]] in numpy"},
		"values":                          {taskOf("values", several), sums, [][]float32{order(answers, 0, 1, 2)}, "", ""},
		"values, permuted":                {taskOf("values", several), sums, [][]float32{order(answers, 1, 2, 0)}, "where its labels are in another order, and", "y[:, [2, 0, 1]] in numpy"},
		"two, right":                      {taskOf("y=classes axis: 0, z=values", seg, several), both, [][]float32{mask, answers}, "", ""},
		"two, the second":                 {taskOf("y=classes axis: 0, z=values", seg, several), both, [][]float32{mask, order(answers, 1, 0, 2)}, "of the result z over 200 items where its labels are in another order", "y[:, [1, 0, 2]]"},
		"two, of one labels":              {taskOf("y=classes axis: 0, z=values", seg, several), both, [][]float32{to(mask, func(v float32) float32 { return 2 - v })}, "of the result y over 200 items where its labels are permuted", "2 is 0, 0 is 2"},
	} {
		b := images
		for k, x := range c.labels {
			b.Targets = append(b.Targets[:k:k], data.Target{Name: c.task.Results[k].Name, Shape: []int{len(x) / b.N}, X: x})
		}
		r, err := Look(context.Background(), Setup{Task: c.task, Network: c.network, Images: b, Input: "x", Low: 0, High: 1, Seed: 1})
		require.NoError(t, err, name)
		if c.what == "" {
			assert.Equal(t, Report{}, r, name)
			continue
		}
		if assert.NotNil(t, r.Finding, name) {
			assert.Contains(t, r.Finding.What, c.what, name)
			assert.Contains(t, r.Finding.Help, c.help, name)
			assert.True(t, r.Finding.OfLabels, name)
		}
	}
}

// TestLookAtMergedLabels: where labels join two classes, of which one is found by a channel that no
// other class has, no order of the channels is proposed.
func TestLookAtMergedLabels(t *testing.T) {
	b, mask := scene(200)
	for i := range b.X {
		if i%12 < 4 {
			b.X[i] *= .4 // class 0 is what is dark
		}
	}
	for i, v := range mask {
		if v == 2 {
			mask[i] = 0
		}
	}
	b.Targets = []data.Target{{Name: "y", Shape: []int{2, 2}, X: mask}}
	m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Shape: ir.Shape{3, 2, 2}}}}, Outputs: []*ir.Value{{Name: "y", Type: ir.Type{Shape: ir.Shape{3, 2, 2}}}}}
	task, err := measure.TaskOf(m, "classes axis: 0", nil)
	require.NoError(t, err)
	bright := func(_ context.Context, x []float32, n int) ([]float32, error) {
		y := slices.Clone(x)
		for i := range y {
			if i%12 < 4 {
				y[i] = .5
			}
		}
		return y, nil
	}
	r, err := Look(context.Background(), Setup{Task: task, Network: bright, Images: b, Input: "x", Low: 0, High: 1, Seed: 1})
	require.NoError(t, err)
	assert.Nil(t, r.Finding)
}

// TestLookAtInvertedLabels: of yes or no, and of what is normal.
func TestLookAtInvertedLabels(t *testing.T) {
	b := set(400, 0, 1)
	for i, l := range b.Labels {
		b.Labels[i] = 1 - l
	}
	m := &ir.Module{Inputs: []*ir.Value{{Name: "x", Type: ir.Type{Shape: ir.Shape{2}}}}, Outputs: []*ir.Value{{Name: "y", Type: ir.Type{Shape: ir.Shape{1}}}}}
	task, err := measure.TaskOf(m, "binary", nil)
	require.NoError(t, err)
	yes := func(_ context.Context, x []float32, n int) (out []float32, err error) {
		for i := range n {
			out = append(out, 8*(x[2*i]-.5))
		}
		return out, nil
	}
	r, err := Look(context.Background(), Setup{Task: task, Network: yes, Images: b, Input: "x", Low: 0, High: 1, Seed: 1})
	require.NoError(t, err)
	require.NotNil(t, r.Finding)
	assert.Contains(t, r.Finding.What, "where labels are inverted (0 for 1, and 1 for 0), and 0 with labels as given")
	assert.Equal(t, "invert the labels: 1 - y in numpy", r.Finding.Help)

	m.Outputs[0].Type.Shape = ir.Shape{2}
	task, err = measure.TaskOf(m, "reconstruction", nil)
	require.NoError(t, err)
	half := func(_ context.Context, x []float32, _ int) ([]float32, error) { // what is great is not reconstructed
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = min(v, .5)
		}
		return out, nil
	}
	r, err = Look(context.Background(), Setup{Task: task, Network: half, Images: b, Input: "x", Low: 0, High: 1, Seed: 1})
	require.NoError(t, err)
	require.NotNil(t, r.Finding)
	assert.Contains(t, r.Finding.What, "where its labels are inverted (0 for 1, and 1 for 0), and")
	assert.True(t, r.Finding.OfLabels)
}

package disturb

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

// waves is n signals of an input: sums of two tones and a little noise, of each channel its
// own, in four fifths of the range.
func waves(n int, in Input) data.Batch {
	b := data.Batch{N: n, Shape: in.Shape}
	b.X = make([]float32, n*b.Size())
	l := layoutOf(&in)
	mid, half := (in.Low+in.High)/2, (in.High-in.Low)/2
	for item := range n {
		rng := newSource(5, "waves", uint64(item))
		for ch := range l.channels {
			fast, slow, level := rng.uniform(.2, 1.2), rng.uniform(.02, .2), rng.uniform(.3, .8)
			for i := range l.n {
				v := level*(.6*math.Sin(fast*float64(i+3))+.3*math.Sin(slow*float64(i+1))) + rng.uniform(-.1, .1)*level
				if l.n == 1 {
					v = rng.uniform(-.8, .8)
				}
				b.Image(item)[l.at(ch, i)] = mid + half*float32(v)
			}
		}
	}
	return b
}

// plain are inputs of every form that is no image: one axis, time last, first and in the
// middle, features, and ranges on both sides of 0, from 0 on and away from it.
var plain = []Input{
	{Name: "mono", Holds: ir.Content{Kind: ir.Signal}, Shape: []int{64}, Low: -1, High: 1},
	{Name: "last", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{3, 50}, Low: 0, High: 1},
	{Name: "first", Holds: ir.Content{Kind: ir.Signal}, Shape: []int{50, 3}, Low: -2, High: 6},
	{Name: "middle", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{2, 40, 2}, Low: 20, High: 80},
	{Name: "features", Holds: ir.Content{Kind: ir.Features, Axis: ir.NoAxis}, Shape: []int{30}, Low: -3, High: 3},
	{Name: "below", Holds: ir.Content{Kind: ir.Features, Axis: ir.NoAxis}, Shape: []int{4, 5, 2, 1}, Low: -9, High: -1},
}

func under(t testing.TB, b data.Batch, in Input, k *Kind, size float64, seed uint64) data.Batch {
	t.Helper()
	list, err := Parse(fmt.Sprintf("%s=%v", k.Name, size), []Input{in})
	require.NoError(t, err)
	out, err := Images(b, 0, list[0], seed, nil)
	require.NoError(t, err)
	return out
}

// ramps is n signals that rise from their rest, each to a height of its own.
func ramps(n int, in Input) data.Batch {
	b := waves(n, in)
	l, rest := layoutOf(&in), Rest(in)
	rng := newSource(5, "ramps", 0)
	for item := range n {
		for ch := range l.channels {
			top := float32(rng.uniform(.2, .9))
			for i := range l.n {
				b.Image(item)[l.at(ch, i)] = rest + (in.High-rest)*top*float32(i+1)/float32(l.n)
			}
		}
	}
	return b
}

// TestSeverityOfSignalsGrows: the mean distance over many items rises with the size. That
// of a shift does so on signals that are slow beside it: an oscillation comes back, and
// noise is as far from itself a sample later as many later.
func TestSeverityOfSignalsGrows(t *testing.T) {
	for _, in := range plain {
		for _, k := range Fitting(in) {
			b := waves(300, in)
			if k.Name == "shift" {
				b = ramps(300, in)
			}
			last := 0.0
			for _, size := range []float64{.02, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, 1} {
				d := distance(b.X, under(t, b, in, k, size, 1).X)
				assert.GreaterOrEqual(t, d, last, "%s at %v on %s", k.Name, size, in.Name)
				last = d
			}
			assert.Greater(t, last, .02*float64(in.High-in.Low), "%s on %s", k.Name, in.Name)
		}
	}
}

// TestSignalsStayInTheRange: also at extremes, of constants at its ends and of one sample.
func TestSignalsStayInTheRange(t *testing.T) {
	one := Input{Name: "one", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{2, 1}, Low: -1, High: 1}
	wide := Input{Name: "wide", Holds: ir.Content{Kind: ir.Signal}, Shape: []int{7}, Low: -1.5e38, High: 1.5e38}
	small := Input{Name: "small", Holds: ir.Content{Kind: ir.Signal}, Shape: []int{7}, Low: 0, High: 1e-44}
	for _, in := range append([]Input{one, wide, small}, plain...) {
		for name, fill := range map[string]func(b data.Batch){
			"waves": func(data.Batch) {}, "low": func(b data.Batch) { set(b.X, in.Low) }, "high": func(b data.Batch) { set(b.X, in.High) },
		} {
			b := waves(20, in)
			fill(b)
			for _, k := range Fitting(in) {
				for _, size := range []float64{1e-9, .01, .5, 1} {
					before := append([]float32(nil), b.X...)
					for i, v := range under(t, b, in, k, size, 1).X {
						require.True(t, v >= in.Low && v <= in.High, "%s at %v on %s of %s: element %d is %v", k.Name, size, name, in.Name, i, v)
					}
					require.Equal(t, before, b.X, "%s writes on what it reads", k.Name)
				}
			}
		}
	}
}

func set(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// TestSignalsDependOnTheirIndexAlone: not on how many workers there are, nor on the items
// beside them; and on the seed.
func TestSignalsDependOnTheirIndexAlone(t *testing.T) {
	for _, in := range plain {
		b := waves(40, in)
		for _, k := range Fitting(in) {
			whole := under(t, b, in, k, .5, 3)
			workers := runtime.GOMAXPROCS(1)
			assert.Equal(t, whole.X, under(t, b, in, k, .5, 3).X, "%s on one processor", k.Name)
			runtime.GOMAXPROCS(workers)
			list, err := Parse(k.Name+"=.5", []Input{in})
			require.NoError(t, err)
			part, err := Images(b.Slice(4, 6), 4, list[0], 3, nil)
			require.NoError(t, err)
			assert.Equal(t, whole.Slice(4, 6).X, part.X, k.Name)
			if k.Name != "saturation" {
				assert.NotEqual(t, whole.X, under(t, b, in, k, .5, 4).X, "%s ignores the seed", k.Name)
			}
			assert.Equal(t, b.X, under(t, b, in, k, 0, 3).X, k.Name)
		}
	}
}

// TestAxesAreAlike: a signal whose axes are in another order is disturbed in the same way.
func TestAxesAreAlike(t *testing.T) {
	last, first := plain[1], plain[2]
	first.Low, first.High = last.Low, last.High
	b := waves(5, last)
	turned := data.Batch{N: b.N, Shape: first.Shape, X: make([]float32, len(b.X))}
	turn := func(from data.Batch, to data.Batch) {
		for item := range from.N {
			for ch := range 3 {
				for i := range 50 {
					to.Image(item)[i*3+ch] = from.Image(item)[ch*50+i]
				}
			}
		}
	}
	turn(b, turned)
	for _, k := range Fitting(last) {
		if k.Name == "gaussian" || k.Name == "spikes" { // which draw element by element
			continue
		}
		want := data.Batch{N: b.N, Shape: first.Shape, X: make([]float32, len(b.X))}
		turn(under(t, b, last, k, .3, 1), want)
		assert.Equal(t, want.X, under(t, turned, first, k, .3, 1).X, k.Name)
	}
}

// TestWhatKindsDo holds each kind to what its description says.
func TestWhatKindsDo(t *testing.T) {
	in := plain[1]
	b := waves(400, in)
	l := layoutOf(&in)
	at := func(x data.Batch, item, ch, i int) float64 { return float64(x.Image(item)[l.at(ch, i)]) }
	kind := func(name string) *Kind {
		for _, k := range Kinds() {
			if k.Name == name {
				return k
			}
		}
		require.Fail(t, name)
		return nil
	}
	wide := in // nothing is clamped
	wide.Low, wide.High = -100, 100

	out := under(t, b, wide, kind("drift"), .01, 1) // 2 of the width of 200
	for item := range b.N {
		for ch := range l.channels {
			most, step := 0.0, 0.0
			for i := range l.n {
				d := at(out, item, ch, i) - at(b, item, ch, i)
				most = max(most, math.Abs(d))
				if i > 0 {
					step = max(step, math.Abs(d-at(out, item, ch, i-1)+at(b, item, ch, i-1)))
				}
			}
			assert.InDelta(t, 2, most, 1e-5)
			assert.Less(t, step, 1., "it is slow")
		}
	}

	out = under(t, b, wide, kind("gain"), 1, 1)
	ups := 0
	for item := range b.N {
		for ch := range l.channels {
			ratio := at(out, item, ch, 0) / at(b, item, ch, 0)
			if ratio > 1 {
				ups++
				ratio = 1 / ratio
			}
			assert.InDelta(t, .25, ratio, 1e-5)
		}
	}
	assert.InDelta(t, .5, float64(ups)/float64(b.N*l.channels), .06)

	rest := float64(Rest(in))
	out = under(t, b, in, kind("dropout"), .3, 1)
	lost := 0
	for item := range b.N {
		for i := range l.n {
			if at(out, item, 0, i) == rest {
				lost++
				assert.Equal(t, rest, at(out, item, 1, i), "channels are lost together")
			}
		}
	}
	assert.InDelta(t, .3, float64(lost)/float64(b.N*l.n), .01)

	out = under(t, b, in, kind("channel-dropout"), .3, 1)
	lost = 0
	for item := range b.N {
		for ch := range l.channels {
			n := 0
			for i := range l.n {
				if at(out, item, ch, i) == rest {
					n++
				}
			}
			require.Contains(t, []int{0, l.n}, n)
			lost += n / l.n
		}
	}
	assert.InDelta(t, .3, float64(lost)/float64(b.N*l.channels), .04)

	out = under(t, b, in, kind("spikes"), .1, 1)
	low, high := 0, 0
	for i, v := range out.X {
		switch {
		case v == in.Low:
			low++
		case v == in.High:
			high++
		default:
			assert.Equal(t, b.X[i], v)
		}
	}
	assert.InDelta(t, .05, float64(low)/float64(len(b.X)), .003)
	assert.InDelta(t, .05, float64(high)/float64(len(b.X)), .003)

	out = under(t, b, in, kind("saturation"), .4, 1)
	for item := range b.N {
		for ch := range l.channels {
			peak, clipped := 0.0, 0.0
			for i := range l.n {
				peak, clipped = max(peak, at(b, item, ch, i)), max(clipped, at(out, item, ch, i))
			}
			assert.InDelta(t, .6*peak, clipped, 1e-6)
		}
	}

	out = under(t, b, in, kind("shift"), .4, 1)
	for item := range b.N {
		by := 10 // of 50
		if at(out, item, 0, 0) != rest {
			by = -by
		}
		for ch := range l.channels {
			for i := range l.n {
				want := rest
				if i-by >= 0 && i-by < l.n {
					want = at(b, item, ch, i-by)
				}
				assert.Equal(t, want, at(out, item, ch, i))
			}
		}
	}

	out = under(t, b, wide, kind("burst"), .2, 1)
	for item := range b.N {
		first, last, n := l.n, -1, 0
		for i := range l.n {
			if at(out, item, 0, i) != at(b, item, 0, i) {
				first, last, n = min(first, i), i, n+1
			}
		}
		assert.Equal(t, []int{10, 10}, []int{n, last - first + 1}, "one place, a fifth long")
	}
}

// TestGoldenSignals holds every kind to the values of a short signal and of features.
func TestGoldenSignals(t *testing.T) {
	const golden = "testdata/signals.golden"
	var out strings.Builder
	for _, in := range []Input{
		{Name: "signal", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{2, 8}, Low: -1, High: 1},
		{Name: "features", Holds: ir.Content{Kind: ir.Features, Axis: ir.NoAxis}, Shape: []int{6}, Low: 0, High: 4},
	} {
		b := waves(1, in)
		fmt.Fprintf(&out, "%s\n  clean      %v\n", in.Name, b.X)
		for _, k := range Fitting(in) {
			for _, size := range []float64{.1, .3, 1} {
				fmt.Fprintf(&out, "  %s=%v %v\n", k.Name, size, under(t, b, in, k, size, 1).X)
			}
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

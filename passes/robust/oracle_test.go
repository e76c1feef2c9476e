package robust

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// madeUp is an oracle that answers from a table: a search over it takes no image and no
// weight, and what it should choose can be enumerated.
type madeUp struct {
	t      *testing.T
	m      *ir.Module
	layers []*ir.Node

	// What may be asked; a test changes what it is about.
	of       func(l int, f quant.Format, images int) cost
	together func(formats []quant.Format) cost
	keeps    func(formats []quant.Format) measure.Estimate
	expects  func(formats []quant.Format) float64       // the loss; nil of unknown ones
	bounds   func(formats []quant.Format) measure.Bound // on unseen images; nil of none
	speed    func(l int, e ir.Elem) float64
	room     func(l int, e ir.Elem) bool // nil: there is room for all
	loses    func(l int, f quant.Format) float64
	fisher   []float64
	exact    *measure.Score
	name     string

	prepared     bool
	at           int      // the layer that a walk visits, or -1
	visited      []int    // layers, by walks
	asked        []string // what was measured alone, with the images
	rounded      []string // alone
	step         int      // images that are measured together; 0 is all
	networks     int      // measured jointly
	float        bool     // the float network was measured
	judged, last int      // joint measurements on judged and on final images
}

// The layers of the network that tests search: a convolution of 288 weights, linear
// layers of 3600 and 500.
const layerCount = 3

var layerWeights = [layerCount]int{288, 3600, 500}

func madeUpModule(t *testing.T) *ir.Module {
	b := build.New("net")
	v := b.Input("x", ir.Shape{4, 5, 5}, ir.Range{Lo: 0, Hi: 1})
	layer := func(op ir.Op, name string, shape ir.Shape) {
		var err error
		v, err = b.AddNamed(op, name, []*ir.Value{v}, ir.AttrWeight.Is(b.Floats(name+".weight", shape, make([]float32, shape.Size()))))
		require.NoError(t, err)
	}
	layer(ir.Conv2D, "conv", ir.Shape{8, 4, 3, 3})
	layer(ir.Linear, "wide", ir.Shape{50, 72})
	layer(ir.Linear, "last", ir.Shape{10, 50})
	return b.Finish([]*ir.Value{v})
}

// bitsOf is the bits a code of a format.
func bitsOf(e ir.Elem) float64 {
	if e.Kind == ir.I8 {
		return 8
	}
	return float64(e.Bits) / float64(max(e.Group, 1))
}

// newMadeUp is a table in which a bit less costs four times as much, and rounding to
// the nearest twice; the small convolution is the most sensitive.
func newMadeUp(t *testing.T) *madeUp {
	o := &madeUp{t: t, m: madeUpModule(t), at: -1, name: "made up", fisher: []float64{9, 1, 4}}
	o.layers = o.m.Layers()
	harm := [layerCount]float64{2, .5, 1}
	o.of = func(l int, f quant.Format, _ int) cost {
		kl := harm[l] * math.Pow(4, -bitsOf(f.Elem))
		if f.Rounding == quant.Nearest {
			kl *= 2
		}
		return costs(kl, kl*float64(l+1), kl*float64(3-l))
	}
	o.together = func(formats []quant.Format) cost { return o.sum(formats) }
	o.keeps = func(formats []quant.Format) measure.Estimate { return measure.Estimate{Value: 1 - o.sum(formats).KL} }
	o.speed = func(l int, e ir.Elem) float64 { return float64(layerWeights[l]) * (1 + bitsOf(e)/8) }
	o.loses = func(l int, f quant.Format) float64 { return float64(layerCount-l)*math.Pow(4, -bitsOf(f.Elem)) - .01 }
	o.exact = scored([]int{0, 1, 2, 3, 0, 1, 2, 3}, [][]bool{{true, true, true, true, true, true, true, true}, {true, true, true, true, true, true, true, false}})
	return o
}

// scored is answers to labels, by kind of error.
func scored(labels []int, right [][]bool) *measure.Score {
	s := &measure.Score{Images: len(labels), Labels: labels}
	for k, r := range right {
		s.Kinds = append(s.Kinds, measure.Kind{Name: []string{measure.Clean, "gaussian", "fog-blend"}[k], Sizes: []float64{1}, Right: [][]bool{r}})
	}
	return s
}

// costs is a cost of a divergence by kind of error, of which the KL is the mean.
func costs(kl float64, kinds ...float64) cost {
	return cost{measure.Divergence{KL: kl, MSE: 10 * kl, Flips: math.Floor(kl*50) / 50}, append([]float64{kl}, kinds...)}
}

func add(a, b cost) cost {
	a.KL, a.MSE, a.Flips = a.KL+b.KL, a.MSE+b.MSE, a.Flips+b.Flips
	a.Kinds = slices.Clone(a.Kinds)
	for k := range b.Kinds {
		a.Kinds[k] += b.Kinds[k]
	}
	return a
}

// sum is a network whose layers do not act together.
func (o *madeUp) sum(formats []quant.Format) cost {
	c := o.of(0, formats[0], 0)
	for l, f := range formats[1:] {
		c = add(c, o.of(l+1, f, 0))
	}
	return c
}

func (o *madeUp) prepare(ctx context.Context) error {
	o.prepared = true
	return ctx.Err()
}

func (o *madeUp) walk(_ context.Context, needed func(l int) bool, visit func(l int, p *quant.Prepared) error) error {
	defer func() { o.at = -1 }()
	for l := range o.layers {
		if needed(l) {
			o.at, o.visited = l, append(o.visited, l)
			if err := visit(l, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// within holds the search to its side of the contract.
func (o *madeUp) within(l int, f quant.Format) {
	require.True(o.t, o.at == l || f.Rounding == quant.Nearest, "layer %d in %v: the walk is at %d", l, f, o.at)
}

// A made-up layer has its format in place of weights, and its items the words of the question in place of
// divergences.

func (o *madeUp) round(ctx context.Context, l int, _ *quant.Prepared, f quant.Format) (*quant.Replacement, error) {
	o.within(l, f)
	o.rounded = append(o.rounded, fmt.Sprintf("%s %v", o.layers[l].Name(), f))
	shape := o.layers[l].Const(ir.AttrWeight).Type.Shape
	w := make([]float32, shape.Size())
	copy(w, []float32{float32(f.Elem.Kind), float32(f.Elem.Bits), float32(f.Elem.Group), float32(slices.Index(madeUpRoundings, f.Rounding)), float32(f.Sparsity)})
	return &quant.Replacement{Weights: w, Bias: make([]float32, shape[0])}, ctx.Err()
}

var madeUpRoundings = []string{quant.Nearest, quant.Compensated, quant.Shared}

// formatIn is the format that stands in place of weights.
func formatIn(w []float32) quant.Format {
	e := ir.Elem{Kind: ir.Kind(w[0]), Bits: uint8(w[1]), Group: uint16(w[2])}
	return quant.Format{Elem: e, Rounding: madeUpRoundings[int(w[3])], Sparsity: float64(w[4])}
}

func (o *madeUp) items(ctx context.Context, l int, w *quant.Replacement, first, count int) (d measure.Items, err error) {
	require.True(o.t, o.prepared, "asked before it was prepared")
	o.asked = append(o.asked, fmt.Sprintf("%s %v %d", o.layers[l].Name(), formatIn(w.Weights), count))
	for i := range count {
		d.KL = append(d.KL, float64(first+i))
	}
	d.MSE, d.Flips = make([]float64, 6*count), make([]float64, 6*count)
	d.MSE[0] = float64(l)
	for i, v := range w.Weights[:5] {
		d.MSE[1+i] = float64(v)
	}
	return d, ctx.Err()
}

func (o *madeUp) total(d measure.Items) cost {
	for i, v := range d.KL {
		require.Equal(o.t, float64(i), v, "parts in order")
	}
	var w []float32
	for _, v := range d.MSE[1:6] {
		w = append(w, float32(v))
	}
	return o.of(int(d.MSE[0]), formatIn(w), len(d.KL))
}

func (o *madeUp) span() int { return cmp.Or(o.step, judgedImages) }

func (o *madeUp) joint(ctx context.Context, final bool, formats []quant.Format) (cost, error) {
	if o.networks++; final {
		o.last++
	} else {
		o.judged++
	}
	return o.together(formats), ctx.Err()
}

func (o *madeUp) reference(ctx context.Context) (*measure.Score, int, error) {
	require.False(o.t, o.float, "measured twice")
	o.float = true
	return o.exact, 11, ctx.Err()
}

func (o *madeUp) retention(ctx context.Context, formats []quant.Format) (measure.Estimate, float64, int, error) {
	require.True(o.t, o.float, "asked before the float network")
	expected := math.NaN()
	if o.expects != nil {
		expected = o.expects(formats)
	}
	return o.keeps(formats), expected, 7, ctx.Err()
}

func (o *madeUp) bound(ctx context.Context, formats []quant.Format) (measure.Bound, *measure.Score, error) {
	if o.bounds == nil {
		return measure.NoBound(), nil, ctx.Err()
	}
	b := o.bounds(formats)
	return b, o.exact, ctx.Err()
}

// keeping is a search for a share.
func (o *madeUp) keeping(env *pass.Env, m method, keep float64) (*Network, error) {
	env.Budget.Keep = keep
	return o.search(env).keeping(all, m)
}

func (o *madeUp) assignments(ctx context.Context, formats [][]quant.Format, visit func(picks []int, c cost, macs int64)) error {
	require.True(o.t, o.prepared)
	var layers [][]Choice
	for _, list := range formats {
		layers = append(layers, make([]Choice, len(list)))
	}
	enumerate(layers, nil, func(picks []int) {
		var list []quant.Format
		for l, i := range picks {
			list = append(list, formats[l][i])
		}
		visit(slices.Clone(picks), o.together(list), 5)
	})
	return ctx.Err()
}

func (o *madeUp) squaredError(ctx context.Context, l int, _ *quant.Prepared, f quant.Format) (float64, error) {
	o.within(l, f)
	return float64(layerWeights[l]) * math.Pow(4, -bitsOf(f.Elem)), ctx.Err()
}

func (o *madeUp) information(ctx context.Context) ([]float64, error) { return o.fisher, ctx.Err() }

func (o *madeUp) boundaryLoss(ctx context.Context, l int, _ *quant.Prepared, f quant.Format) (float64, error) {
	o.within(l, f)
	return o.loses(l, f), ctx.Err()
}

func (o *madeUp) cycles(l int, e ir.Elem) float64 { return o.speed(l, e) }

func (o *madeUp) hasRoom(l int, e ir.Elem) bool { return o.room == nil || o.room(l, e) }

func (o *madeUp) macs(l int) int { return 100 * (layerCount - l) }

func (o *madeUp) quantized(_ context.Context, formats []quant.Format) (*ir.Module, error) {
	m := o.m.Clone()
	apply(m.Layers(), formats)
	return m, nil
}

func (o *madeUp) identify(w io.Writer, on images) error {
	_, err := fmt.Fprintln(w, o.name, on)
	return err
}

// The images that made-up searches judge by.
const judgedImages, finalImages = 512, 1000

// environment is a run over odd codes of 1 to 4 bits, under two kinds of error.
func environment(t *testing.T) *pass.Env {
	errors, err := disturb.Parse("gaussian=0.1;fog-blend=0.3", []disturb.Input{{Holds: ir.Content{Kind: ir.Image}, Shape: []int{2, 4, 4}, High: 1}})
	require.NoError(t, err)
	armv7, err := processor.Find("armv7")
	require.NoError(t, err)
	calibration := func() (data.Batch, error) { return data.Batch{N: 900}, nil }
	return &pass.Env{Calibration: calibration, Level: pass.Robust, Target: armv7, Errors: errors,
		Formats: []ir.Elem{ir.OddOf(1), ir.OddOf(2), ir.OddOf(3), ir.OddOf(4)}}
}

// search begins a search over a made-up table.
func (o *madeUp) search(env *pass.Env) *Search {
	s, err := newSearch(o.m, env, o, judgedImages, finalImages)
	require.NoError(o.t, err)
	return s
}

// choose is a method's network within bytes, which it must keep.
func (o *madeUp) choose(env *pass.Env, method string, bytes int) *Network {
	n, err := o.search(env).Choose(context.Background(), method, bytes)
	require.NoError(o.t, err, method)
	assert.LessOrEqual(o.t, n.Bytes, bytes, method)
	total, _, _ := sizes(o.layers, elems(n.Formats))
	assert.Equal(o.t, total, n.Bytes, method)
	return n
}

// each visits every network of the menu.
func (o *madeUp) each(s *Search, visit func(formats []quant.Format, bytes int)) {
	layers := make([][]Choice, len(s.menu))
	for l, list := range s.menu {
		layers[l] = make([]Choice, len(list))
	}
	enumerate(layers, nil, func(picks []int) {
		formats := s.formats(&Plan{Picks: picks})
		bytes, _, _ := sizes(o.layers, elems(formats))
		visit(formats, bytes)
	})
}

// least is the least loss of all networks within bytes.
func (o *madeUp) least(env *pass.Env, bytes int, fits func(formats []quant.Format) bool) float64 {
	s := o.search(env)
	least := math.Inf(1)
	o.each(s, func(formats []quant.Format, size int) {
		if size <= bytes && (fits == nil || fits(formats)) {
			least = min(least, s.loss(o.together(formats)))
		}
	})
	return least
}

// random makes the table random, by a seed; more bits may be worse.
func (o *madeUp) random(seed int64) {
	known := map[string]cost{}
	o.of = func(l int, f quant.Format, _ int) cost {
		name := fmt.Sprint(seed, l, f)
		c, ok := known[name]
		if !ok {
			h := fnv.New64a()
			io.WriteString(h, name)
			rng := rand.New(rand.NewPCG(h.Sum64(), 1))
			c = costs(rng.Float64(), rng.Float64(), rng.Float64())
			known[name] = c
		}
		return c
	}
}

// widthsOf are the bits of a network of odd codes.
func widthsOf(n *Network) (list []int) {
	for _, f := range n.Formats {
		list = append(list, int(f.Elem.Bits))
	}
	return list
}

package quant

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Rounding as the rounding attribute names it.
const (
	Nearest     = ir.RoundingNearest
	Compensated = ir.RoundingCompensated
	Shared      = ir.RoundingShared // k-means, of code formats
)

// What enters the second moments of a convolution's inputs: about so many windows
// a column in all, from 4 to 64 of each image. Many images with few windows tell
// more than few with many.
const (
	windowsAColumn = 24
	fewestWindows  = 4
	mostWindows    = 64
	rowsAtOnce     = 1024 // laid out at a time
)

func windowsOf(cols, images int) int {
	return min(max(windowsAColumn*cols/images, fewestWindows), mostWindows)
}

// Rounded is a layer's weights as codes: in the order of the constant's data,
// one scale an output channel, and what rounding adds to the bias.
type Rounded struct {
	Elem  ir.Elem
	Codes []byte // as a constant keeps them: i8 in two's complement
	Scale []float64
	Bias  []float64
	Book  []int8 // of code and vec formats
	// Weights are the reals that the codes stand for, in the logical shape.
	Weights []float32
}

// Rounder rounds the layers of one float network on the activations that its
// calibration images cause.
type Rounder struct {
	Module  *ir.Module
	bare    bool // no layer is rounded on data: nothing but codes is asked for
	Prog    *interp.Float
	Samples data.Batch

	// exact has the inputs of layers in the float network: of all of them within a share of the memory,
	// else of one after the other.
	exact  *interp.Frontier
	memory int // bytes that rounding a layer may take; 0 is no bound

	// memo has layers rounded before, by their format and those of all layers
	// before them: networks that begin alike share the work.
	memo *memo

	store cells.Store // of whole networks' rounded layers, too, for other processes; may be nil
	id    string      // of all that they depend on
}

// RounderOf is the rounder of a module: the one of the run, if it has come to one on these images.
func RounderOf(m *ir.Module, env *pass.Env) (*Rounder, error) {
	samples, err := env.Samples()
	if err != nil {
		return nil, err
	}
	old, ok := env.Rounder.(*Rounder)
	if ok && old.Module == m && old.memory == env.Memory() && old.store == env.Store && slices.Equal(old.Samples.X, samples.X) {
		return old, nil
	}
	r, err := NewRounder(m, samples, env.Memory())
	if err != nil {
		return nil, err
	}
	if r.store = env.Store; r.store != nil {
		h := sha256.New()
		if err := errors.Join(Identify(h, m), binary.Write(h, binary.LittleEndian, samples.X)); err != nil {
			return nil, err
		}
		r.id = hex.EncodeToString(h.Sum(nil))
	}
	env.Rounder = r
	return r, nil
}

// Identify writes what a float network computes, whatever it is for.
func Identify(w io.Writer, m *ir.Module) error {
	bare := *m
	bare.Within = 0                                                    // which is of the target
	bare.Tensors, bare.Calib, bare.Test, bare.Tasks = nil, "", "", nil // where things lie, and how they are judged
	fmt.Fprintln(w, &bare)
	return m.WriteReals(w, true)
}

// FrontierShare is how often the values of one frontier go into -mem. A search has three at a time: of the
// float network on the images that fit, of the rounded one on the same, and of the float one on those that choose.
const FrontierShare = 5

// memoShare is how often the layers of memo go into -mem.
const memoShare = 8

// NewRounder compiles m for rounding within so many bytes; 0 is no bound.
func NewRounder(m *ir.Module, samples data.Batch, memory int) (*Rounder, error) {
	p, err := interp.CompileFloat(m)
	if err != nil {
		return nil, err
	}
	var places []int
	for i, n := range m.Ops {
		if n.Op.HasWeights() {
			places = append(places, i)
		}
	}
	exact := interp.NewFrontier(p, samples.X, samples.N, memory/FrontierShare, places...)
	return &Rounder{Module: m, Prog: p, Samples: samples, exact: exact, memory: memory, memo: &memo{bound: memory / memoShare}}, nil
}

// layerGroups are the groups of a convolution, or one.
func layerGroups(n *ir.Node) int {
	if n.Op == ir.Conv2D {
		return n.Int(ir.AttrGroups)
	}
	return 1
}

// sampler lays out what the weights of a layer are multiplied with, as rows: the
// images' elements, or a sample of a convolution's windows.
type sampler struct {
	n      *ir.Node
	window geometry.Window // of a convolution
	pixels int             // of its result; 0 of a linear layer
	cols   int
	pad    []float32
	take   int     // windows of an image
	unit   float32 // what rows are multiplied with
}

func newSampler(n *ir.Node, images int, unit float32) *sampler {
	s := &sampler{n: n, take: 1, unit: unit}
	if n.Op == ir.Linear {
		s.cols = n.Const(ir.AttrWeight).Type.Shape[1]
		return s
	}
	g := geometry.WindowOf(n)
	s.window, s.pixels, s.cols = g, g.OutH()*g.OutW(), g.K()
	s.take = min(windowsOf(s.cols, images), s.pixels)
	for _, v := range padValues(n) {
		s.pad = append(s.pad, float32(v))
	}
	return s
}

// usual bounds the magnitudes whose products and moments float32 holds with room to
// spare.
const usual = 1 << 20

// unitFor is the power of two that takes a magnitude to 1..2 where it is not usual.
func unitFor(top float64) float32 {
	if top == 0 || top > 1./usual && top < usual {
		return 1
	}
	_, exp := math.Frexp(top)
	return float32(math.Ldexp(1, min(1-exp, 126)))
}

// unitOf is the unit of the inputs of layers.
func unitOf(layers []*ir.Node) float32 {
	top := 0.
	for _, n := range layers {
		if r := n.Args[0].Range; r != nil {
			top = max(top, -r.Lo, r.Hi)
		}
	}
	return unitFor(top)
}

// scaled is x in another unit.
func scaled(x []float32, unit float32) []float32 {
	if unit == 1 {
		return x
	}
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = v * unit
	}
	return y
}

// rows lays out those of some images of a group, first being the number of the first one: the
// same windows of an image whatever its pixels.
func (s *sampler) rows(group int, x []float32, first, images int, out []float32) {
	if s.pixels == 0 {
		copy(out, scaled(x, s.unit))
		return
	}
	size := len(x) / images
	parallel.For(images, func(i int) {
		rng := rand.New(rand.NewPCG(uint64(first+i), 17))
		for j, p := range rng.Perm(s.pixels)[:s.take] {
			gemm.Taps(s.window, group, p, x[i*size:(i+1)*size], s.pad, out[(i*s.take+j)*s.cols:(i*s.take+j+1)*s.cols])
		}
	})
	if s.unit != 1 {
		copy(out, scaled(out, s.unit))
	}
}

// laid has the rows of some images by group, a few images at a time where their values are large.
func (s *sampler) laid(ctx context.Context, w *walker, first, count int) (groups [][]float32, err error) {
	if s.pixels == 0 && w.images(s.n) >= count { // they lie as rows
		x, err := w.inputs(ctx, s.n, first, count)
		return [][]float32{scaled(x, s.unit)}, err
	}
	row := s.take * s.cols
	groups = make([][]float32, layerGroups(s.n))
	for group := range groups {
		groups[group] = make([]float32, count*row)
	}
	for from := 0; from < count; {
		n := min(w.images(s.n), count-from)
		x, err := w.inputs(ctx, s.n, first+from, n)
		if err != nil {
			return nil, err
		}
		for group, out := range groups {
			s.rows(group, x, first+from, n, out[from*row:(from+n)*row])
		}
		from += n
	}
	return groups, nil
}

// each visits images piece by piece.
func (s *sampler) each(images int, visit func(first, count int) error) error {
	step := max(rowsAtOnce/s.take, 1)
	for first := 0; first < images; first += step {
		if err := visit(first, min(step, images-first)); err != nil {
			return err
		}
	}
	return nil
}

// Prepared are the second moments of a layer's inputs, by group, factorized as
// formats need it.
type Prepared struct {
	taps    int
	unit    float32 // of the inputs
	stats   []*round.Stats
	factors map[factorKey]*round.Factor
}

type factorKey struct{ group, d int }

// factor is the moments of a group of a convolution, for rounding d columns
// together; one by one they go by falling energy.
func (p *Prepared) factor(group, d int) (*round.Factor, error) {
	key := factorKey{group, d}
	if f := p.factors[key]; f != nil {
		return f, nil
	}
	s := p.stats[group]
	order := s.ByEnergy()
	if d > 1 {
		order = round.ByTap(len(order)/p.taps, p.taps, d)
	}
	f, err := round.Prepare(s, order, d)
	if err == nil {
		p.factors[key] = f
	}
	return f, err
}

// inReals brings what a rounding adds to biases back from the unit of the inputs.
func (p *Prepared) inReals(res *round.Result) {
	for i := range res.Bias {
		res.Bias[i] /= float64(p.unit)
	}
}

func prepared(n *ir.Node, unit float32, stats []*round.Stats) *Prepared {
	s := n.Const(ir.AttrWeight).Type.Shape
	return &Prepared{s.Size() / (s[0] * s[1]), unit, stats, map[factorKey]*round.Factor{}}
}

// fits reports a layer with so many inputs that rounding it on data takes more than the
// memory that there is.
func (r *Rounder) fits(n *ir.Node) error {
	cols, groups := newSampler(n, r.Samples.N, 1).cols, layerGroups(n)
	need := round.MomentBytes(cols, groups)
	if r.memory <= 0 || need <= r.memory {
		return nil
	}
	d := diag.New(n.Pos, diag.OutOfMemory, "%s has %d inputs an output: to round its weights on data takes %d bytes, -mem leaves %d", n.Name(), cols, need, r.memory)
	return d.WithHelp("-mem %dMiB where the machine has as much; or rounding: nearest, or bits: i8, for this layer", (need+1<<20-1)>>20)
}

// prepare measures the second moments of the inputs of layer n that a walk leads
// to, and of the layers that share its weights.
func (r *Rounder) prepare(ctx context.Context, n *ir.Node, walk *walker) (*Prepared, error) {
	if err := r.fits(n); err != nil {
		return nil, err
	}
	tied := r.Module.Tied(n)
	unit, stats := unitOf(tied), make([]*round.Stats, layerGroups(n))
	for group := range stats {
		stats[group] = round.NewStats(newSampler(n, r.Samples.N, unit).cols)
	}
	var err error
	for _, t := range tied {
		sample := newSampler(t, r.Samples.N, unit)
		err = errors.Join(err, sample.each(r.Samples.N, func(first, count int) error {
			rows, err := sample.laid(ctx, walk, first, count)
			if err != nil {
				return err
			}
			for group, s := range stats {
				s.Add(rows[group], count*sample.take)
			}
			return nil
		}))
	}
	for _, s := range stats {
		s.Finish()
	}
	return prepared(n, unit, stats), err
}

// Layer rounds layer n alone, on inputs that the float network gave it: the form
// that cost tables use. What one Prepare has factorized serves all widths.
func (r *Rounder) Layer(ctx context.Context, n *ir.Node, p *Prepared, f Format) (*Rounded, error) {
	weight, err := n.Const(ir.AttrWeight).Float32()
	if err != nil {
		return nil, err
	}
	return roundGroups(n, weight, f, func(group int, w round.Matrix) (round.Result, error) {
		res, err := f.compensated(ctx, p, group, w)
		p.inReals(&res)
		return res, err
	})
}

// group is the columns that are rounded together.
func (f Format) group() int {
	if f.Elem.Kind == ir.Vec {
		return int(f.Elem.Group)
	}
	return 1
}

// compensated rounds w on moments (R17, R18).
func (f Format) compensated(ctx context.Context, p *Prepared, group int, w round.Matrix) (res round.Result, err error) {
	factor, err := p.factor(group, f.group())
	if err != nil {
		return res, err
	}
	var top float32
	for _, x := range w.Data {
		top = max(top, x, -x)
	}
	unit := unitFor(float64(top))
	w.Data = scaled(w.Data, unit)
	if f.Elem.Kind == ir.Odd {
		res, err = factor.Odd(ctx, w, int(f.Elem.Bits))
	} else {
		res, err = factor.Vector(ctx, w, int(f.Elem.Bits))
	}
	if unit != 1 {
		for i := range res.Scale {
			res.Scale[i] /= float64(unit)
			res.Bias[i] /= float64(unit)
		}
		for i := range res.Weights {
			res.Weights[i] /= unit
		}
	}
	return res, err
}

// roundGroups rounds the rows of each group and joins the results; do is asked
// for what nearest rounding does not serve.
func roundGroups(n *ir.Node, weight []float32, f Format, do func(group int, w round.Matrix) (round.Result, error)) (*Rounded, error) {
	shape := n.Const(ir.AttrWeight).Type.Shape
	groups := layerGroups(n)
	rows, cols := shape[0]/groups, shape.Size()/shape[0]
	out := &Rounded{Elem: f.Elem}
	for group := range groups {
		w := round.Matrix{Rows: rows, Cols: cols, Data: weight[group*rows*cols : (group+1)*rows*cols]}
		var res round.Result
		var err error
		switch {
		case f.Elem.Kind == ir.I8:
			res = round.Int8(w)
		case f.Elem.Kind == ir.Odd && f.Rounding == Nearest:
			res = round.Nearest(w, int(f.Elem.Bits))
		case f.Elem.Kind == ir.Code && f.Rounding == Shared:
			res, err = round.Shared(w, int(f.Elem.Bits), f.Sparsity)
		default:
			res, err = do(group, w)
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if err != nil {
			return nil, diag.New(n.Pos, diag.Unsupported, "%s: weights cannot be rounded to %s", n.Name(), f).
				WithNote("%v", err).WithHelp("give the layer bits: i8, or rounding: nearest; or scale its weights and inputs")
		}
		for r := range rows {
			// A channel of zeros is one (R2); Lower gives it the codes that come nearest.
			if f.Elem.Kind != ir.I8 && allZero(weight[(group*rows+r)*cols:(group*rows+r+1)*cols]) {
				res.Bias[r] = 0
				clear(res.Weights[r*cols : (r+1)*cols])
			}
		}
		out.Codes = append(out.Codes, res.Codes...)
		out.Scale = append(out.Scale, res.Scale...)
		out.Bias = append(out.Bias, res.Bias...)
		out.Weights = append(out.Weights, res.Weights...)
		out.Book = res.Book
	}
	return out, nil
}

// blockOfRows is the weights that are in memory as reals at a time where rows are
// rounded apart.
const blockOfRows = 1 << 20

// roundRows rounds a layer to nearest, a few rows after the other, and keeps codes
// and scales alone: networks of a hundred million weights take a byte for each.
func roundRows(n *ir.Node, f Format) (*Rounded, error) {
	whole, err := n.Const(ir.AttrWeight).Loaded()
	if err != nil {
		return nil, err
	}
	s := whole.Type.Shape
	cols := s.Size() / s[0]
	out := &Rounded{Elem: f.Elem, Codes: make([]byte, 0, s.Size()), Bias: make([]float64, s[0])}
	step := max(blockOfRows/cols, 1)
	for first := 0; first < s[0]; first += step {
		rows := min(step, s[0]-first)
		weight, err := whole.Floats(first*cols, rows*cols)
		if err != nil {
			return nil, err
		}
		w := round.Matrix{Rows: rows, Cols: cols, Data: weight}
		res := round.Result{}
		if f.Elem.Kind == ir.I8 {
			res = round.Int8(w)
		} else {
			res = round.Nearest(w, int(f.Elem.Bits))
		}
		out.Codes, out.Scale = append(out.Codes, res.Codes...), append(out.Scale, res.Scale...)
	}
	return out, nil
}

// Format is how one layer is to be rounded.
type Format struct {
	Elem     ir.Elem
	Rounding string
	Sparsity float64 // of Shared rounding: the share of the weights that is pruned
}

func (f Format) String() string {
	if f.Sparsity > 0 {
		return fmt.Sprintf("%s/%s/%g", f.Elem, f.Rounding, f.Sparsity)
	}
	return f.Elem.String() + "/" + f.Rounding
}

// needsData reports whether f rounds on the layer's inputs: every format but i8
// does that has no rounding of its own.
func (f Format) needsData() bool {
	switch f.Elem.Kind {
	case ir.I8:
		return false
	case ir.Odd:
		return f.Rounding == Compensated
	case ir.Code:
		return f.Rounding != Shared
	}
	return true
}

// Serves reports whether a layer's weights can be rounded to a format: vector
// codes and codebooks are one for a layer, so they serve no grouped convolution.
func Serves(n *ir.Node, e ir.Elem) bool {
	switch e.Kind {
	case ir.I8, ir.Odd:
		return true
	case ir.Code, ir.Vec:
		return layerGroups(n) == 1
	}
	return false
}

// Sequential rounds every layer, in order, each on the inputs that the rounded
// layers before it cause and toward the outputs of the float network (R17,
// sequential asymmetric form). Layers that need no moments cost none.
func (r *Rounder) Sequential(ctx context.Context, formats []Format) ([]*Rounded, error) {
	layers := r.Module.Layers()
	keys, last, key := make([]string, len(layers)), -1, ""
	out := make([]*Rounded, len(layers))
	for i, f := range formats {
		key += f.String() + " "
		keys[i] = key
		if out[i] = r.memo.get(key); f.needsData() && out[i] == nil {
			last = i
		}
	}
	exact, rounded := newWalker(r), newWalker(r)
	for i, n := range layers {
		var err error
		if out[i] == nil {
			out[i], err = r.shared(ctx, n, formats[i], keys[i], func() (*Rounded, error) { return r.next(ctx, n, formats[i], exact, rounded) })
			if err != nil {
				return nil, err
			}
			r.memo.put(keys[i], out[i])
		}
		if i < last {
			bias, err := Bias(n, out[i])
			if err != nil {
				return nil, err
			}
			rounded.round(n, out[i].Weights, bias)
		}
	}
	return out, nil
}

// packing is how often the weights of a layer are in memory while it goes to a store or comes from one.
const packing = 4

// shared is a layer as the store has it, after layers of the formats in key, or else as compute makes it. Layers without
// data are made faster than stored, and of one that memory has for rounding alone every process makes its own.
func (r *Rounder) shared(ctx context.Context, n *ir.Node, f Format, key string, compute func() (*Rounded, error)) (*Rounded, error) {
	shape := n.Const(ir.AttrWeight).Type.Shape
	if r.store == nil || !f.needsData() || r.memory > 0 && packing*4*shape.Size() > r.memory/4 {
		return compute()
	}
	cols := shape.Size() / shape[0]
	fits := func(x Rounded) bool {
		return len(x.Weights) == shape.Size() && len(x.Codes) == shape[0]*((cols+f.group()-1)/f.group()) && len(x.Scale) == shape[0] && len(x.Bias) == shape[0] && len(x.Book) == ir.BookBytes(f.Elem)
	}
	x, err := cells.Answer(ctx, r.store, cells.KeyOf(version.Compiler, runtime.GOARCH, r.id, "rounded", key), fits, func() (Rounded, error) {
		x, err := compute()
		if err != nil {
			return Rounded{}, err
		}
		plain := *x
		plain.Elem = ir.Elem{} // which the question has
		return plain, nil
	})
	x.Elem = f.Elem
	return &x, err
}

// next rounds layer n after the rounded layers of a walk.
func (r *Rounder) next(ctx context.Context, n *ir.Node, f Format, exact, rounded *walker) (*Rounded, error) {
	if r.bare && !f.needsData() && f.Elem.Kind != ir.Code {
		return roundRows(n, f)
	}
	weight, err := n.Const(ir.AttrWeight).Float32()
	if err != nil {
		return nil, err
	}
	if !f.needsData() {
		return roundGroups(n, weight, f, nil)
	}
	if err := r.fits(n); err != nil {
		return nil, err
	}
	tied := r.Module.Tied(n)
	unit := unitOf(tied)
	sample := newSampler(n, r.Samples.N, unit)
	pairs := make([]*round.Pair, layerGroups(n))
	stats := make([]*round.Stats, len(pairs))
	for group := range pairs {
		size := len(weight) / len(pairs)
		pairs[group] = round.NewPair(round.Matrix{Rows: size / sample.cols, Cols: sample.cols, Data: weight[group*size : (group+1)*size]})
		stats[group] = pairs[group].Stats
	}
	for i, t := range tied {
		sample, behind := newSampler(t, r.Samples.N, unit), rounded
		if i > 0 {
			behind = exact // what these read depends on the layer itself, which is not rounded yet
		}
		err = sample.each(r.Samples.N, func(first, count int) error {
			x, err := sample.laid(ctx, exact, first, count)
			if err != nil {
				return err
			}
			y, err := sample.laid(ctx, behind, first, count)
			if err != nil {
				return err
			}
			for group, p := range pairs {
				p.Add(x[group], y[group], count*sample.take)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, p := range pairs {
		p.Finish()
	}
	moments := prepared(n, unit, stats)
	return roundGroups(n, weight, f, func(group int, _ round.Matrix) (round.Result, error) {
		// Two factorizations of the same moments, each of which leaves cores idle.
		var target round.Matrix
		var errs [2]error
		parallel.For(2, func(i int) {
			if i == 0 {
				target, errs[i] = pairs[group].Target()
			} else {
				_, errs[i] = moments.factor(group, f.group())
			}
		})
		if err := errors.Join(errs[:]...); err != nil {
			return round.Result{}, err
		}
		res, err := f.compensated(ctx, moments, group, target)
		if err == nil {
			pairs[group].Correct(&res)
			moments.inReals(&res)
		}
		return res, err
	})
}

// Bias is layer n's bias with the correction of rounding.
func Bias(n *ir.Node, r *Rounded) ([]float32, error) {
	bias := make([]float32, len(r.Scale))
	if c := n.Const(ir.AttrBias); c != nil {
		b, err := c.Float32()
		if err != nil {
			return nil, err
		}
		copy(bias, b)
	}
	for i := range bias {
		bias[i] = float32(float64(bias[i]) + r.Bias[i])
	}
	return bias, nil
}

// walker runs a network, the float one or one whose layers are rounded one after
// the other, over the calibration images, layer by layer.
type walker struct {
	r        *Rounder
	prog     *interp.Float
	frontier *interp.Frontier
}

func newWalker(r *Rounder) *walker { return &walker{r, r.Prog, r.exact} }

// round goes on with a layer rounded, which it has come to.
func (w *walker) round(n *ir.Node, weight, bias []float32) {
	w.prog = interp.Override(w.prog, n, weight, bias)
	if w.frontier == w.r.exact {
		w.frontier = interp.NewFrontier(w.r.Prog, w.r.Samples.X, w.r.Samples.N, w.r.memory/FrontierShare)
	}
}

// images is how many of them inputs gives at a time at most.
func (w *walker) images(n *ir.Node) int { return w.frontier.Images(w.r.Prog.Index(n)) }

// inputs is layer n's argument for some images. Layers come in order, and for
// each its images.
func (w *walker) inputs(ctx context.Context, n *ir.Node, first, count int) ([]float32, error) {
	p := w.r.Prog
	t, err := w.frontier.Values(ctx, w.prog, p.Index(n), first, count)
	if err != nil {
		return nil, err
	}
	return t[p.ID(n.Args[0])], nil
}

// Walk visits the layers that are needed, in order, each with the second moments
// of its inputs in the float network.
func (r *Rounder) Walk(ctx context.Context, needed func(i int) bool, visit func(i int, n *ir.Node, p *Prepared) error) error {
	walk := newWalker(r)
	for i, n := range r.Module.Layers() {
		if !needed(i) {
			continue
		}
		p, err := r.prepare(ctx, n, walk)
		if err != nil {
			return err
		}
		if err := visit(i, n, p); err != nil {
			return err
		}
	}
	return nil
}

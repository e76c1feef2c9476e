package quant

import (
	"context"
	"math/rand/v2"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Rounding as the rounding attribute names it.
const (
	Nearest     = "nearest"
	Compensated = "compensated"
)

// positions is the pixels of an image that enter the second moments of a
// convolution's inputs.
const positions = 64

// Rounded is a layer's weights as codes: in the order of the constant's data,
// one scale an output channel, and what rounding adds to the bias.
type Rounded struct {
	Elem  ir.Elem
	Codes []int64
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
	Prog    *interp.Float
	Samples data.Batch
}

// NewRounder compiles m for rounding.
func NewRounder(m *ir.Module, samples data.Batch) (*Rounder, error) {
	p, err := interp.CompileFloat(m)
	return &Rounder{m, p, samples}, err
}

// layerGroups are the groups of a convolution, or one.
func layerGroups(n *ir.Node) int {
	if n.Op == ir.Conv2D {
		return n.Int("groups")
	}
	return 1
}

// rows returns what the weights of a group of layer n are multiplied with, as
// rows: the images' elements, or a sample of a convolution's windows, the same
// one for any x of the same images.
func rows(n *ir.Node, group int, x []float32, images int) (out []float32, count int) {
	if n.Op == ir.Linear {
		return x, images
	}
	g := interp.Window(n)
	k, pixels := g.K(), g.OutH()*g.OutW()
	var pad []float32
	for _, v := range padValues(n) {
		pad = append(pad, float32(v))
	}
	take := min(positions, pixels)
	out = make([]float32, images*take*k)
	windows, size := gemm.NewWindows(g), len(x)/images
	for i := range images {
		rng := rand.New(rand.NewPCG(uint64(i), 17))
		for j, p := range rng.Perm(pixels)[:take] {
			windows.Taps(group, p, x[i*size:(i+1)*size], pad, out[(i*take+j)*k:(i*take+j+1)*k])
		}
	}
	return out, images * take
}

// Prepared are the second moments of a layer's inputs, by group, factorized as
// formats need it.
type Prepared struct {
	taps    int
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

func prepared(n *ir.Node, stats []*round.Stats) *Prepared {
	s := n.Const("weight").Type.Shape
	return &Prepared{s.Size() / (s[0] * s[1]), stats, map[factorKey]*round.Factor{}}
}

// Prepare measures the second moments of layer n's inputs.
func (r *Rounder) Prepare(n *ir.Node, x []float32) *Prepared {
	var stats []*round.Stats
	for group := range layerGroups(n) {
		sample, count := rows(n, group, x, r.Samples.N)
		s := round.NewStats(len(sample) / count)
		s.Add(sample, count)
		s.Finish()
		stats = append(stats, s)
	}
	return prepared(n, stats)
}

// Layer rounds layer n alone, on inputs that the float network gave it: the form
// that cost tables use. What one Prepare has factorized serves all widths.
func (r *Rounder) Layer(ctx context.Context, n *ir.Node, p *Prepared, f Format) (*Rounded, error) {
	weight, err := n.Const("weight").Float32()
	if err != nil {
		return nil, err
	}
	return roundGroups(n, weight, f, func(group int, w round.Matrix) (round.Result, error) {
		return f.compensated(ctx, p, group, w)
	})
}

// compensated rounds w on moments (R17, R18).
func (f Format) compensated(ctx context.Context, p *Prepared, group int, w round.Matrix) (round.Result, error) {
	d := 1
	if f.Elem.Kind == ir.Vec {
		d = int(f.Elem.Group)
	}
	factor, err := p.factor(group, d)
	if err != nil {
		return round.Result{}, err
	}
	if f.Elem.Kind == ir.Odd {
		return factor.Odd(ctx, w, int(f.Elem.Bits))
	}
	return factor.Vector(ctx, w, int(f.Elem.Bits))
}

// roundGroups rounds the rows of each group and joins the results; do is asked
// for what nearest rounding does not serve.
func roundGroups(n *ir.Node, weight []float32, f Format, do func(group int, w round.Matrix) (round.Result, error)) (*Rounded, error) {
	shape := n.Const("weight").Type.Shape
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
		default:
			res, err = do(group, w)
		}
		if err != nil {
			return nil, err
		}
		for _, q := range res.Codes {
			out.Codes = append(out.Codes, int64(q))
		}
		if f.Elem.Kind == ir.I8 {
			for i, q := range out.Codes[group*rows*cols:] {
				out.Codes[group*rows*cols+i] = int64(int8(q))
			}
		}
		out.Scale = append(out.Scale, res.Scale...)
		out.Bias = append(out.Bias, res.Bias...)
		out.Weights = append(out.Weights, res.Weights...)
		out.Book = res.Book
	}
	return out, nil
}

// Format is how one layer is to be rounded.
type Format struct {
	Elem     ir.Elem
	Rounding string
}

// needsData reports whether f rounds on the layer's inputs.
func (f Format) needsData() bool {
	return f.Elem.Kind != ir.I8 && (f.Rounding == Compensated || f.Elem.Kind != ir.Odd)
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
	lastCompensated := -1
	for i, f := range formats {
		if f.needsData() {
			lastCompensated = i
		}
	}
	out := make([]*Rounded, len(layers))
	var walk *walker
	if lastCompensated >= 0 {
		walk = newWalker(r)
	}
	for i, n := range layers {
		weight, err := n.Const("weight").Float32()
		if err != nil {
			return nil, err
		}
		f := formats[i]
		var exact, quantized []float32
		if i <= lastCompensated {
			if exact, quantized, err = walk.inputs(ctx, n); err != nil {
				return nil, err
			}
		}
		var pairs []*round.Pair
		var moments *Prepared
		if f.needsData() {
			var stats []*round.Stats
			for group := range layerGroups(n) {
				xf, count := rows(n, group, exact, r.Samples.N)
				xq, _ := rows(n, group, quantized, r.Samples.N)
				p := round.NewPair(xf, xq, count, len(xf)/count)
				pairs, stats = append(pairs, p), append(stats, p.Stats)
			}
			moments = prepared(n, stats)
		}
		out[i], err = roundGroups(n, weight, f, func(group int, w round.Matrix) (round.Result, error) {
			target, err := pairs[group].Target(w)
			if err != nil {
				return round.Result{}, err
			}
			res, err := f.compensated(ctx, moments, group, target)
			if err == nil {
				pairs[group].Correct(w, &res)
			}
			return res, err
		})
		if err != nil {
			return nil, err
		}
		if i < lastCompensated {
			bias, err := Bias(n, out[i])
			if err != nil {
				return nil, err
			}
			walk.override(n, out[i].Weights, bias)
		}
	}
	return out, nil
}

// Bias is layer n's bias with the correction of rounding.
func Bias(n *ir.Node, r *Rounded) ([]float32, error) {
	bias := make([]float32, len(r.Scale))
	if c := n.Const("bias"); c != nil {
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

// walker runs the float network and its rounded twin side by side, layer by
// layer, keeping of each only the values that later operations read.
type walker struct {
	r      *Rounder
	progs  [2]*interp.Float // exact, rounded
	values [2]interp.Tensors[float32]
	live   map[*ir.Value]ir.Interval
	done   int // operations that have run
}

func newWalker(r *Rounder) *walker {
	w := &walker{r: r, progs: [2]*interp.Float{r.Prog, r.Prog}, live: ir.Liveness(r.Module)}
	for i := range w.values {
		w.values[i] = r.Prog.Tensors(0)
		w.values[i][r.Prog.ID(r.Module.Inputs[0])] = r.Samples.X
	}
	return w
}

// inputs advances both networks to layer n and returns its argument in each.
func (w *walker) inputs(ctx context.Context, n *ir.Node) (exact, rounded []float32, err error) {
	p, m := w.r.Prog, w.r.Module
	to := p.Index(n)
	for i, prog := range w.progs {
		t := w.values[i]
		for _, o := range m.Ops[w.done:to] {
			if w.live[o.Out].To >= to {
				t[p.ID(o.Out)] = make([]float32, w.r.Samples.N*p.Size(o.Out))
			}
		}
		if err := prog.Run(ctx, t, w.r.Samples.N, w.done, to); err != nil {
			return nil, nil, err
		}
		for v, l := range w.live {
			if l.To < to {
				t[p.ID(v)] = nil
			}
		}
	}
	w.done = to
	id := p.ID(n.Args[0])
	return w.values[0][id], w.values[1][id], nil
}

func (w *walker) override(n *ir.Node, weight, bias []float32) {
	w.progs[1] = interp.Override(w.progs[1], n, weight, bias)
}

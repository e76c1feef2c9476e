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

// Rounded is a layer's weights as codes: row-major in the logical shape, one
// scale an output channel, and what rounding adds to the bias.
type Rounded struct {
	Elem  ir.Elem
	Codes []int64
	Scale []float64
	Bias  []float64
}

// Weights are the reals that the codes stand for.
func (r *Rounded) Weights() []float32 {
	w := make([]float32, len(r.Codes))
	cols := len(w) / len(r.Scale)
	for i, q := range r.Codes {
		w[i] = float32(float64(r.Scale[i/cols] * float64(integer(r.Elem, q))))
	}
	return w
}

// integer is the W of a code (R1).
func integer(e ir.Elem, code int64) int64 {
	if e.Kind == ir.Odd {
		return 2*code - (1<<e.Bits - 1)
	}
	return code
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
	out = make([]float32, 0, images*take*k)
	cols := make([]float32, k*pixels)
	size := len(x) / images
	for i := range images {
		gemm.Im2Col(g, group, x[i*size:(i+1)*size], pad, cols)
		rng := rand.New(rand.NewPCG(uint64(i), 17))
		for _, p := range rng.Perm(pixels)[:take] {
			for j := range k {
				out = append(out, cols[j*pixels+p])
			}
		}
	}
	return out, images * take
}

// Layer rounds layer n alone, on inputs x of the float network: the form that
// cost tables use. Factors of one layer's inputs serve all widths, so they are
// made once, by Prepare.
func (r *Rounder) Layer(ctx context.Context, n *ir.Node, p *Prepared, elem ir.Elem, rounding string) (*Rounded, error) {
	weight, err := n.Const("weight").Float32()
	if err != nil {
		return nil, err
	}
	return roundGroups(n, wide(weight), elem, func(group int, w round.Matrix) (round.Result, error) {
		if rounding == Nearest {
			return round.Nearest(w, int(elem.Bits)), nil
		}
		return p.factors[group].Compensated(ctx, w, int(elem.Bits), round.Options{})
	})
}

// Prepared are the factorized second moments of a layer's inputs, by group.
type Prepared struct{ factors []*round.Factor }

// Prepare measures and factorizes the second moments of layer n's inputs.
func (r *Rounder) Prepare(n *ir.Node, x []float32) (*Prepared, error) {
	p := &Prepared{}
	for group := range layerGroups(n) {
		sample, count := rows(n, group, x, r.Samples.N)
		s := round.NewStats(len(sample) / count)
		s.Add(sample, count)
		s.Finish()
		f, err := round.Prepare(s)
		if err != nil {
			return nil, err
		}
		p.factors = append(p.factors, f)
	}
	return p, nil
}

// roundGroups rounds the rows of each group and joins the results.
func roundGroups(n *ir.Node, weight []float64, elem ir.Elem, do func(group int, w round.Matrix) (round.Result, error)) (*Rounded, error) {
	shape := n.Const("weight").Type.Shape
	groups := layerGroups(n)
	rows, cols := shape[0]/groups, shape.Size()/shape[0]
	out := &Rounded{Elem: elem}
	for group := range groups {
		w := round.Matrix{Rows: rows, Cols: cols, Data: weight[group*rows*cols : (group+1)*rows*cols]}
		if elem.Kind == ir.I8 {
			codes, scales := round.Int8(w)
			for _, q := range codes {
				out.Codes = append(out.Codes, int64(q))
			}
			out.Scale = append(out.Scale, scales...)
			out.Bias = append(out.Bias, make([]float64, rows)...)
			continue
		}
		res, err := do(group, w)
		if err != nil {
			return nil, err
		}
		for _, q := range res.Codes {
			out.Codes = append(out.Codes, int64(q))
		}
		out.Scale = append(out.Scale, res.Scale...)
		out.Bias = append(out.Bias, res.Bias...)
	}
	return out, nil
}

// Format is how one layer is to be rounded.
type Format struct {
	Elem     ir.Elem
	Rounding string
}

// Sequential rounds every layer, in order, each on the inputs that the rounded
// layers before it cause and toward the outputs of the float network (R17,
// sequential asymmetric form). Layers that need no moments cost none.
func (r *Rounder) Sequential(ctx context.Context, formats []Format) ([]*Rounded, error) {
	layers := r.Module.Layers()
	lastCompensated := -1
	for i, f := range formats {
		if f.Rounding == Compensated && f.Elem.Kind == ir.Odd {
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
		out[i], err = roundGroups(n, wide(weight), f.Elem, func(group int, w round.Matrix) (round.Result, error) {
			if f.Rounding == Nearest {
				return round.Nearest(w, int(f.Elem.Bits)), nil
			}
			xf, count := rows(n, group, exact, r.Samples.N)
			xq, _ := rows(n, group, quantized, r.Samples.N)
			return round.Sequential(ctx, w, xf, xq, count, int(f.Elem.Bits), round.Options{})
		})
		if err != nil {
			return nil, err
		}
		if i < lastCompensated {
			bias, err := Bias(n, out[i])
			if err != nil {
				return nil, err
			}
			walk.override(n, out[i].Weights(), bias)
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

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
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

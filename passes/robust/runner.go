package robust

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// runner is the oracle that measures: it rounds the layers of a calibrated network and
// runs what becomes of it.
type runner struct {
	m       *ir.Module
	env     *pass.Env
	layers  []*ir.Node
	float   *interp.Float
	rounder *quant.Rounder
	task    measure.Task
	scale   *measure.Scale // of divergences; nil of one label an item, and until it is known
	kinds   kinds

	judge, final *exam              // the same where there are few images
	before       []*interp.Frontier // what lies before each layer in the float network, on the judged images that are measured together; nil until prepare

	last    *interp.Int // of program, and the formats that it has
	lastKey string

	chosen, unseen panel              // of retention, and of bound
	estimates      *machine.Estimates // within what the arena may take; nil where int8 is not planned
	distances      []float64          // of the float network from its boundaries, once they are asked for
}

// exam is disturbed held-out images with the float network's answers.
type exam struct {
	data.Batch
	step   int       // images that are answered together
	logits []float32 // answers, of those images that they were needed of
	knows  []bool    // these, by steps
}

// answer runs the float network on some images, those of whole steps, once.
func (x *exam) answer(ctx context.Context, float *interp.Float, first, count int) error {
	if x.logits == nil {
		x.logits, x.knows = make([]float32, x.N*float.Answer()), make([]bool, (x.N+x.step-1)/x.step)
	}
	for i := first / x.step; i*x.step < first+count; i++ {
		if x.knows[i] {
			continue
		}
		some := x.Slice(i*x.step, min((i+1)*x.step, x.N))
		answers, err := float.Results(ctx, some.X, some.N)
		if err != nil {
			return err
		}
		copy(x.logits[i*x.step*float.Answer():], answers)
		x.knows[i] = true
	}
	return nil
}

// Networks are measured on so many multiply-adds of judged images at a time at least, and in so many parts at most. Parts
// are what processes share: small networks have one.
const (
	leastPart = 1e10
	mostParts = 8
)

// spanOf is how many of n judged images are measured together, by the multiply-adds of a network for one.
func spanOf(macs, n int) int {
	const step = 32 // whole ones of an interpreter's
	parts := min(max(int(float64(macs)*float64(n)/leastPart), 1), mostParts)
	return ((n+parts-1)/parts + step - 1) / step * step
}

// panel is images that networks are compared with the float network on, under every
// condition.
type panel struct {
	setup  measure.Setup
	exact  *measure.Score  // the float network's
	replay *measure.Replay // its answers
}

// newRunner prepares to measure a calibrated module.
func newRunner(m *ir.Module, env *pass.Env) (*runner, error) {
	judge, err := env.Judge()
	if err != nil {
		return nil, err
	}
	final, err := env.Final()
	if err != nil {
		return nil, err
	}
	rounder, err := quant.RounderOf(m, env)
	if err != nil {
		return nil, err
	}
	r := &runner{
		m: m, env: env, layers: m.Layers(), float: rounder.Prog, rounder: rounder, judge: &exam{Batch: judge, step: spanOf(ir.MACs(m.Ops), judge.N)},
		task: env.Judging(rounder.Prog.Answer()), kinds: kindsOf(env),
	}
	if r.final = r.judge; final.N > 0 {
		r.final = &exam{Batch: final, step: final.N}
	}
	if env.Reference != nil {
		// Which products serve codes of 8 bits depends on the codes.
		odd8, err := env.Uniform(context.Background(), m, ir.OddOf(8))
		if err != nil {
			return nil, err
		}
		r.estimates = machine.NewEstimates(env.Reference, env.Target, cmp.Or(env.Budget.RAM, m.Within), odd8)
	}
	return r, nil
}

// prepare: the values that live where a layer begins will be kept, at all layers within a share of the
// memory, else at one after the other: what lies before a layer need not be computed again for each format.
func (r *runner) prepare(ctx context.Context) (err error) {
	if r.before != nil {
		return nil
	}
	var places []int
	for _, n := range r.layers {
		places = append(places, r.float.Index(n))
	}
	x := r.judge
	steps := (x.N + x.step - 1) / x.step
	for first := 0; first < x.N; first += x.step {
		some := x.Slice(first, min(first+x.step, x.N))
		r.before = append(r.before, interp.NewFrontier(r.float, some.X, some.N, r.env.Memory()/quant.FrontierShare/steps, places...))
	}
	return r.measureScale(ctx)
}

func (r *runner) span() int { return r.judge.step }

// scaleImages is the clean calibration images that the best constant answer is taken from.
const scaleImages = 512

// measureScale measures the divergence of the best constant answer, once.
func (r *runner) measureScale(ctx context.Context) error {
	if r.task.IsKL() || r.scale != nil {
		return nil
	}
	clean, err := r.env.Calibration()
	if err != nil {
		return err
	}
	clean = clean.Slice(0, min(scaleImages, clean.N))
	answers, err := r.float.Results(ctx, clean.X, clean.N)
	if err != nil {
		return err
	}
	var steps []float64
	for i := range r.m.Outputs {
		steps = append(steps, quant.ResultStep(r.m, i))
	}
	if r.scale, err = r.task.ScaleOf(clean.X, answers, clean.N, steps); err == nil && r.scale != nil {
		r.env.Report.Left = r.scale.Left
	}
	return err
}

func (r *runner) walk(ctx context.Context, needed func(l int) bool, visit func(l int, p *quant.Prepared) error) error {
	return r.rounder.Walk(ctx, needed, func(l int, _ *ir.Node, p *quant.Prepared) error { return visit(l, p) })
}

// costOf compares logits with the float network's on all images of an exam.
func (r *runner) costOf(x *exam, logits []float32) cost {
	return r.total(r.task.Items(r.scale, x.X, x.logits, logits))
}

func (r *runner) total(d measure.Items) cost {
	c := cost{Divergence: r.task.Total(r.scale, d), Kinds: make([]float64, len(r.kinds.names))}
	counts := make([]float64, len(c.Kinds))
	for i, kl := range d.KL {
		k := r.kinds.of[pass.ConditionOf(i, len(r.kinds.of))]
		c.Kinds[k] += kl
		counts[k]++
	}
	for k := range c.Kinds {
		c.Kinds[k] /= max(counts[k], 1)
	}
	return c
}

func (r *runner) round(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (*quant.Replacement, error) {
	return r.rounder.Replacement(ctx, r.layers[l], p, f)
}

func (r *runner) items(ctx context.Context, l int, w *quant.Replacement, first, count int) (d measure.Items, err error) {
	x := r.judge
	if shape := r.layers[l].Const(ir.AttrWeight).Type.Shape; len(w.Weights) != shape.Size() || len(w.Bias) != shape[0] {
		return d, fmt.Errorf("%s has %d weights and %d channels, and is to be measured with %d and %d", r.layers[l].Name(), shape.Size(), shape[0], len(w.Weights), len(w.Bias))
	}
	if err := x.answer(ctx, r.float, first, count); err != nil {
		return d, err
	}
	prog, place, before := interp.Override(r.float, r.layers[l], w.Weights, w.Bias), r.float.Index(r.layers[l]), r.before[first/x.step]
	for from := 0; from < count; {
		n := min(before.Images(place), count-from)
		t, err := before.Values(ctx, r.float, place, from, n)
		if err != nil {
			return d, err
		}
		for _, o := range r.m.Outputs {
			if id := prog.ID(o); t[id] == nil {
				t[id] = make([]float32, n*prog.Size(o))
			}
		}
		if err := prog.Run(ctx, t, n, place, len(r.m.Ops)); err != nil {
			return d, err
		}
		at, size := first+from, r.float.Answer()
		d.Add(r.task.Items(r.scale, x.Slice(at, at+n).X, x.logits[at*size:(at+n)*size], prog.Gather(t, n)))
		from += n
	}
	return d, nil
}

// macs is the multiply-adds of one measurement of a layer's format: from the layer on. With little memory what lies
// before it may be computed again, which is no part of the question.
func (r *runner) macs(l int) int { return ir.MACs(r.m.Ops[r.float.Index(r.layers[l]):]) }

func (r *runner) quantized(ctx context.Context, formats []quant.Format) (*ir.Module, error) {
	rounded, err := r.rounder.Sequential(ctx, formats)
	if err != nil {
		return nil, err
	}
	c := r.m.Clone()
	apply(c.Layers(), formats)
	return c, quant.Lower(c, rounded)
}

// program is the network of integers, to be run. The last one is kept: a network is measured
// on several sets of images in a row, and to round it takes longer than to run it.
func (r *runner) program(ctx context.Context, formats []quant.Format) (*interp.Int, error) {
	if k := key(formats); r.last == nil || r.lastKey != k {
		r.last = nil // not two at a time
		c, err := r.quantized(ctx, formats)
		if err != nil {
			return nil, err
		}
		p, err := interp.CompileInt(c)
		if err != nil {
			return nil, err
		}
		r.last, r.lastKey = p, k
	}
	return r.last, nil
}

func (r *runner) joint(ctx context.Context, final bool, formats []quant.Format) (cost, error) {
	x := r.judge
	if final {
		x = r.final
	}
	prog, err := r.program(ctx, formats)
	if err != nil {
		return cost{}, err
	}
	if err := r.prepare(ctx); err != nil {
		return cost{}, err
	}
	if err := x.answer(ctx, r.float, 0, x.N); err != nil {
		return cost{}, err
	}
	logits, err := interp.Logits(ctx, prog, x.X, x.N)
	if err != nil {
		return cost{}, err
	}
	return r.costOf(x, logits), nil
}

// setupOf measures on held-out images, disturbed with their own noise.
func (r *runner) setupOf(clean data.Batch, first int) measure.Setup {
	return measure.Setup{Task: r.task, Images: clean, Seed: r.env.Seed, First: first, Gradient: r.env.Gradient}
}

// labelled is images with labels: the float network's own decisions where there are none.
// Tasks without decisions compare with the float network's answers instead.
func (r *runner) labelled(ctx context.Context, clean data.Batch) (data.Batch, error) {
	if r.task.IsLabelled(clean) || r.task.Decides("") != nil {
		return clean, nil
	}
	answers, err := r.float.Results(ctx, clean.X, clean.N)
	clean.Labels = r.task.Decisions(answers, clean.N)
	return clean, err
}

// open measures the float network, whose own answers are the labels where there are none.
func (r *runner) open(ctx context.Context, p *panel, clean data.Batch, first int) (err error) {
	if r.task.IsKL() {
		if clean, err = r.labelled(ctx, clean); err != nil {
			return err
		}
	}
	p.setup = r.setupOf(clean, first)
	p.setup.Conditions = r.env.Errors
	p.replay = &measure.Replay{Network: r.float.Results}
	scores, err := measure.Robust(ctx, p.setup, p.replay.Run)
	if err == nil {
		p.exact = scores[0]
	}
	return err
}

// score measures a network on the images of a panel.
func (r *runner) score(ctx context.Context, p *panel, formats []quant.Format) (*measure.Score, error) {
	prog, err := r.program(ctx, formats)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, prog)
}

// score measures a quantized network on the images of the panel.
func (p *panel) score(ctx context.Context, c *ir.Module) (*measure.Score, error) {
	prog, err := interp.CompileInt(c)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, prog)
}

func (p *panel) run(ctx context.Context, prog *interp.Int) (*measure.Score, error) {
	p.replay.Rewind()
	scores, err := measure.Robust(ctx, p.setup, p.replay.Run, func(ctx context.Context, x []float32, n int) ([]float32, error) {
		return interp.Logits(ctx, prog, x, n)
	})
	if err != nil {
		return nil, err
	}
	return scores[1], nil
}

func (r *runner) reference(ctx context.Context) (*measure.Score, int, error) {
	clean, err := r.env.HeldOut()
	if err != nil {
		return nil, 0, err
	}
	if !r.env.Budget.Promised { // the network that is tested is worth more images
		clean = clean.Slice(0, min(pass.Judged, clean.N))
	}
	if err := r.open(ctx, &r.chosen, clean, pass.JudgeAt); err != nil {
		return nil, 0, err
	}
	return r.chosen.exact, clean.N * r.env.Conditions(), nil
}

func (r *runner) retention(ctx context.Context, formats []quant.Format) (kept measure.Estimate, expected float64, images int, err error) {
	p := &r.chosen
	s, err := r.score(ctx, p, formats)
	if err != nil {
		return kept, expected, 0, err
	}
	images = p.setup.Images.N * r.env.Conditions()
	if r.env.Objective != pass.Worst {
		_, kept = measure.Least(s, p.exact) // of several results the least counts
		return kept, s.Expected(p.exact), images, nil
	}
	var all []measure.Estimate
	for k, one := range s.All() {
		all = append(all, one.KindRetention(p.exact.All()[k])...)
	}
	kept = slices.MinFunc(all, func(a, b measure.Estimate) int { return cmp.Compare(a.Value, b.Value) })
	return kept, math.NaN(), images, nil
}

func (r *runner) bound(ctx context.Context, formats []quant.Format) (b measure.Bound, exact *measure.Score, err error) {
	p := &r.unseen
	if p.exact == nil {
		clean, err := r.env.Tests()
		if err != nil || clean.N == 0 {
			return measure.NoBound(), nil, err
		}
		if err := r.open(ctx, p, clean, pass.UnseenAt); err != nil {
			return b, nil, err
		}
	}
	s, err := r.score(ctx, p, formats)
	if err != nil {
		return b, nil, err
	}
	return measure.Keeps(s, p.exact, r.env.Objective == pass.Worst), p.exact, nil
}

func (r *runner) assignments(ctx context.Context, formats [][]quant.Format, visit func(picks []int, c cost, macs int64)) error {
	rounded := make([][]*quant.Rounded, len(r.layers))
	err := r.walk(ctx, func(int) bool { return true }, func(l int, p *quant.Prepared) error {
		for _, f := range formats[l] {
			w, err := r.rounder.Layer(ctx, r.layers[l], p, f)
			if err != nil {
				return err
			}
			rounded[l] = append(rounded[l], w)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.judge.answer(ctx, r.float, 0, r.judge.N); err != nil {
		return err
	}
	input := r.float.Tensors(r.judge.N)
	r.float.Feed(input, r.judge.X, r.judge.N)
	d := descent{r, rounded, visit, 0}
	return d.descend(ctx, r.float, input, nil)
}

// descent fixes the format of one layer after the other: networks that begin alike
// share the work.
type descent struct {
	*runner
	rounded [][]*quant.Rounded
	visit   func(picks []int, c cost, macs int64)
	spent   int64 // multiply-adds since the last visit
}

func (d *descent) descend(ctx context.Context, prog *interp.Float, values interp.Tensors[float32], picks []int) error {
	l := len(picks)
	from, to := 0, len(d.m.Ops)
	if l > 0 {
		from = prog.Index(d.layers[l-1])
	}
	if l < len(d.layers) {
		to = prog.Index(d.layers[l])
	}
	t := make(interp.Tensors[float32], len(values))
	copy(t, values)
	for _, o := range d.m.Ops[from:to] {
		t[prog.ID(o.Out)] = make([]float32, d.judge.N*prog.Size(o.Out))
	}
	if err := prog.Run(ctx, t, d.judge.N, from, to); err != nil {
		return err
	}
	for _, o := range d.m.Ops[from:to] {
		d.spent += int64(o.MACs()) * int64(d.judge.N)
	}
	if l == len(d.layers) {
		d.visit(picks, d.costOf(d.judge, prog.Gather(t, d.judge.N)), d.spent)
		d.spent = 0
		return nil
	}
	for f, w := range d.rounded[l] {
		bias, err := quant.Bias(d.layers[l], w)
		if err != nil {
			return err
		}
		if err := d.descend(ctx, interp.Override(prog, d.layers[l], w.Weights, bias), t, append(picks[:l:l], f)); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) squaredError(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (float64, error) {
	exact, err := r.layers[l].Const(ir.AttrWeight).Float32()
	if err != nil {
		return 0, err
	}
	rounded, err := r.rounder.Layer(ctx, r.layers[l], p, f)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for i, x := range exact {
		d := float64(x - rounded.Weights[i])
		sum += float64(d * d)
	}
	return sum, nil
}

// fisherImages is the images that the Fisher information is taken from.
const fisherImages = 64

// information is the mean square of the gradient of the log likelihood of the float
// network's own answers.
func (r *runner) information(ctx context.Context) ([]float64, error) {
	if !r.task.IsKL() {
		return nil, diag.New(r.m.Outputs[0].Pos, diag.Unsupported, "the Fisher information is of the likelihood of one label an item, and this is %s", r.task.Name).WithHelp("-search qed")
	}
	n := min(fisherImages, r.judge.N)
	size := len(r.judge.X) / r.judge.N
	parts, errs := make([][]float64, n), make([]error, n)
	parallel.For(n, func(i int) {
		var g *interp.Gradients
		if g, errs[i] = interp.Gradient(ctx, r.float, r.judge.X[i*size:(i+1)*size], 1, true, interp.LogLikelihood); errs[i] != nil {
			return
		}
		for _, layer := range r.layers {
			sum := 0.0
			for _, d := range g.Consts[layer.Const(ir.AttrWeight)] {
				sum += float64(d) * float64(d)
			}
			parts[i] = append(parts[i], sum/float64(n))
		}
	})
	sums := make([]float64, len(r.layers))
	for _, p := range parts {
		for l, v := range p {
			sums[l] += v
		}
	}
	return sums, errors.Join(errs...)
}

// boundaryImages is the judged images whose boundary distance is measured for each
// entry of the table: a distance takes a dozen evaluations.
const boundaryImages = 64

// boundaryLoss is under the first kind of error.
func (r *runner) boundaryLoss(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (float64, error) {
	if err := r.task.Decides("a boundary distance"); err != nil {
		return 0, err
	}
	clean, err := r.env.HeldOut()
	if err != nil {
		return 0, err
	}
	first := r.env.Errors[0]
	if clean, err = r.labelled(ctx, clean.Slice(0, min(boundaryImages, clean.N))); err != nil {
		return 0, err
	}
	setup := r.setupOf(clean, pass.JudgeAt)
	if r.distances == nil {
		exact, err := measure.Boundary(ctx, setup, first, r.float.Results)
		if err != nil {
			return 0, err
		}
		r.distances = exact[0]
	}
	w, err := r.round(ctx, l, p, f)
	if err != nil {
		return 0, err
	}
	got, err := measure.Boundary(ctx, setup, first, interp.Override(r.float, r.layers[l], w.Weights, w.Bias).Results)
	if err != nil {
		return 0, err
	}
	return measure.BoundaryLoss(r.distances, got[0]).Value, nil
}

func (r *runner) cycles(l int, e ir.Elem) (sum float64) {
	n := r.layers[l]
	tied := r.m.Tied(n)
	if r.estimates == nil {
		if n.Out.Wide { // which few kernels write
			own, out := *n, *n.Out
			out.Type.Elem, own.Out = ir.Of(ir.I16), &out
			n = &own
		}
		return float64(len(tied)) * machine.Cycles(n, r.env.Target, e)
	}
	for _, t := range tied {
		cycles, _ := r.estimates.Of(t.Name(), e)
		sum += cycles
	}
	return sum
}

func (r *runner) hasRoom(l int, e ir.Elem) bool {
	if r.estimates == nil {
		return true
	}
	return !slices.ContainsFunc(r.m.Tied(r.layers[l]), func(n *ir.Node) bool {
		_, fits := r.estimates.Of(n.Name(), e)
		return !fits
	})
}

func (r *runner) identify(w io.Writer, on images) error {
	fmt.Fprintln(w, Version, r.env.Seed, r.env.Rounding, r.rounder.Samples.N, r.judge.N)
	for _, e := range r.env.Errors {
		fmt.Fprintln(w, e)
	}
	if !r.task.IsKL() {
		for i := range r.m.Outputs {
			fmt.Fprintln(w, quant.ResultStep(r.m, i))
		}
	}
	list := [][]float32{r.judge.X, r.rounder.Samples.X}
	switch on {
	case onFinal:
		list = append(list, r.final.X)
	case onHeldOut:
		x, err := r.env.HeldOut()
		if err != nil {
			return err
		}
		list = append(list, x.X)
		fmt.Fprintln(w, r.env.Objective, r.env.Budget.Promised, r.task.Asked(), x.Labels, x.Targets)
	}
	for _, x := range list {
		if err := binary.Write(w, binary.LittleEndian, x); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, r.task.Asked())
	return quant.Identify(w, r.m)
}

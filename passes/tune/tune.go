// Package tune moves the numbers of a quantized network by gradients until it answers as its
// float network does on disturbed images: factors and biases of channels, codebooks, odd
// codes. No label is needed; formats, kernels and memory stay.
//
// A step runs a batch forward in the integers that ship and back in the reals that they stand
// for (interp.Straight). Every step lowers the network anew, so that what is measured has
// been proven to fit its accumulators (R5).
package tune

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

const (
	batchSize  = 64
	leastSteps = 20 // fewer move nothing
	mostSteps  = 1 << 30
	// mostLooks is how often other images are looked at, evenly over the steps; after fewer than
	// aLook steps there is little to see, but leastLooks of them tell the better half of a run.
	mostLooks, leastLooks, aLook = 10, 3, 10
	// coarse is the bits below which a weight has lost much: leading layers of more stay as
	// they are where others have less, and their results are computed once.
	coarse = 3
	// misses is the looks in a row that find nothing better than the one before, until the steps begin
	// anew at the best parameters, shorter by calmer: where little is lost, slopes are mostly noise.
	misses = 2
	calmer = 4.
	// fixedShare is the part of the steps at the end in which codes stay.
	fixedShare = 5
	// sure is the standard errors by which the divergence of images must fall that chose nothing:
	// one in twenty falls by chance. Of images that chose the best of several looks it is sureOfChosen.
	sure, sureOfChosen = 1.645, 2.
	// mostFlips is how often a code may change before it stays.
	mostFlips = 6
	// bytesFor is the workers whose memory counts: a number that is the same on every machine,
	// as what is decided by it must be.
	bytesFor = 8
	// lessonsShare is the part of the memory that the images to tune on may take.
	lessonsShare = 2
)

// exam is disturbed images with the float network's answers.
type exam struct {
	data.Batch
	answers []float32
	values  interp.Tensors[int8] // that the operations which change read; nil until something asks
}

// tuning is one run.
type tuning struct {
	env    *pass.Env
	task   measure.Task
	scale  *measure.Scale
	f      *ir.Module // calibrated
	float  *interp.Float
	layers []layer
	from   int // the first operation that runs for each step
	params []float64
	rates  []float64
	flips  []uint8 // of codes, by parameter
	types  string  // of the constants before
	report *pass.Tuned
	spent  float64 // multiply-adds
}

// Network tunes a quantized network, which quantization made of the calibrated network f and
// which is not changed, within a number of multiply-adds. It returns the tuned one, or q itself
// where tuning made nothing better, which the report then says.
func Network(ctx context.Context, f, q *ir.Module, env *pass.Env, effort float64) (*ir.Module, *pass.Tuned, error) {
	report := &pass.Tuned{Effort: env.Tune.Effort, Budget: effort}
	t, judge, final, err := begin(ctx, f, q, env, report)
	if err != nil || report.Declined != "" {
		return q, report, err
	}
	tuned, err := t.run(ctx, q, judge, final, effort)
	report.MACs = t.spent
	return tuned, report, err
}

// begin prepares a run, and the images that judge it.
func begin(ctx context.Context, f, q *ir.Module, env *pass.Env, report *pass.Tuned) (t *tuning, judge, final *exam, err error) {
	t = &tuning{env: env, f: f.Clone(), report: report, types: types(q)}
	for _, c := range t.f.Consts { // which every step reads
		if own, err := c.Loaded(); err == nil {
			*c = *own
		}
	}
	if t.float, err = interp.CompileFloat(t.f); err != nil {
		return nil, nil, nil, err
	}
	if t.layers, err = layersOf(t.f, q); err != nil {
		return nil, nil, nil, err
	}
	if len(t.layers) == 0 {
		report.Declined = "the network has no layer with weights"
		return t, nil, nil, nil
	}
	t.from = t.firstCoarse(q)
	if _, err := interp.NewStraight(t.f, q, t.from); err != nil {
		report.Declined = err.Error()
		return t, nil, nil, nil
	}
	t.task = env.Judging(t.float.Answer())
	if err := t.measureScale(ctx); err != nil {
		return nil, nil, nil, err
	}
	judge, final = &exam{}, &exam{}
	if judge.Batch, err = env.Judge(); err != nil {
		return nil, nil, nil, err
	}
	if final.Batch, err = env.Final(); err != nil {
		return nil, nil, nil, err
	}
	if final.N == 0 {
		final = judge
	}
	size := 0
	for i := range t.layers {
		size += t.layers[i].size()
	}
	t.params, t.rates, t.flips = make([]float64, size), make([]float64, size), make([]uint8, size)
	for i := range t.layers {
		t.layers[i].begin(t.params, t.rates)
	}
	return t, judge, final, nil
}

// firstCoarse is the first operation that runs for each step: the first layer of few bits, or
// the first operation where all layers have as many.
func (t *tuning) firstCoarse(q *ir.Module) int {
	layers := q.Layers()
	isCoarse := func(n *ir.Node) bool {
		e := n.Const(ir.AttrWeight).Type.Elem
		return e.CodeBits() < coarse*max(int(e.Group), 1)
	}
	if !slices.ContainsFunc(layers, isCoarse) {
		return 0
	}
	for i, n := range q.Ops {
		if n.Op.HasWeights() && isCoarse(n) {
			return i
		}
	}
	return 0
}

// scaleImages is the clean images that the best constant answer is taken from.
const scaleImages = 512

func (t *tuning) measureScale(ctx context.Context) error {
	if t.task.IsKL() {
		return nil
	}
	clean, err := t.env.Calibration()
	if err != nil {
		return err
	}
	clean = clean.Slice(0, min(scaleImages, clean.N))
	answers, err := t.float.Results(ctx, clean.X, clean.N)
	if err != nil {
		return err
	}
	var steps []float64
	for i := range t.f.Outputs {
		steps = append(steps, quant.ResultStep(t.f, i))
	}
	t.scale, err = t.task.ScaleOf(clean.X, answers, clean.N, steps)
	return err
}

// run takes the steps, and returns what became of q.
func (t *tuning) run(ctx context.Context, q *ir.Module, judge, final *exam, effort float64) (*ir.Module, error) {
	clean, err := t.env.ToTune()
	if err != nil {
		return q, err
	}
	straight, p, err := t.plan(q, clean, judge, final, effort)
	if p.bytes > t.env.Memory()/lessonsShare && t.from > 0 {
		t.from = 0 // inputs alone are kept
		straight, p, err = t.plan(q, clean, judge, final, effort)
	}
	if err != nil {
		return q, err
	}
	switch {
	case p.steps < leastSteps:
		t.report.Declined = fmt.Sprintf("%.3g multiply-adds are %d steps of %d images after what judging takes, and fewer than %d move nothing", effort, max(p.steps, 0), p.batch, leastSteps)
		return q, nil
	case p.bytes > t.env.Memory():
		t.report.Declined = fmt.Sprintf("values and images take %d bytes, and -mem leaves %d", p.bytes, t.env.Memory())
		return q, nil
	}
	l, err := t.teach(ctx, straight.Program(), clean.Slice(0, p.images), p.draws)
	if err != nil {
		return q, err
	}
	t.report.Images, t.report.Judged = p.images, final.N
	for _, own := range t.layers {
		if t.isTuned(q, own.name) {
			t.report.Layers++
		}
	}
	return t.descend(ctx, q, l, judge, final, p)
}

// plan is how much of what a run does.
type plan struct {
	steps, batch, looks int
	images, draws       int // images to tune on, and how often each is drawn
	bytes               int // of values and images
}

// plan is what an effort is enough for: as many steps as there are after judging and drawing
// images, each of which a float network and one of integers then look at. Where that is less than
// once each, fewer are drawn.
func (t *tuning) plan(q *ir.Module, clean data.Batch, judge, final *exam, effort float64) (*interp.Straight, plan, error) {
	p := plan{batch: min(batchSize, clean.N), looks: mostLooks}
	straight, err := interp.NewStraight(t.f, q, t.from)
	if err != nil {
		return nil, p, err
	}
	whole, rest := float64(q.MACs()), t.rest(q)
	left := effort - (2*whole-rest)*float64(judge.N) // q, and what lies before the layers that change
	if final != judge {
		left -= whole * float64(2*final.N)
	} else {
		left -= rest * float64(judge.N) // the best once more
	}
	for ; ; p.looks-- {
		t.share(&p, q, clean, left-rest*float64(p.looks*judge.N), float64(p.batch)*float64(straight.MACs()))
		if p.looks == leastLooks || p.steps >= p.looks*aLook {
			break
		}
	}
	p.bytes += straight.Bytes(bytesFor, p.batch) + judge.N*t.itemBytes(q, clean)
	return straight, p, nil
}

// share shares an effort out between images and steps that take some multiply-adds each.
func (t *tuning) share(p *plan, q *ir.Module, clean data.Batch, effort, step float64) {
	drawn := 2*float64(q.MACs()) - t.rest(q)
	p.images = clean.N
	for p.draws = mostDraws; ; p.draws-- {
		p.steps = int(min((effort-drawn*float64(p.draws*p.images))/step, mostSteps))
		p.bytes = p.draws * p.images * t.itemBytes(q, clean)
		if p.draws == 1 || p.steps*p.batch > (p.draws-1)*p.images && p.bytes <= t.env.Memory()/lessonsShare {
			break
		}
	}
	if p.draws == 1 && p.steps*p.batch < clean.N {
		p.steps = max(0, int(effort/(step+drawn*float64(p.batch))))
		p.images = p.steps * p.batch
		p.bytes = p.images * t.itemBytes(q, clean)
	}
}

// rest is the multiply-adds from the first operation of a step on.
func (t *tuning) rest(q *ir.Module) (sum float64) {
	for _, o := range q.Ops[t.from:] {
		sum += float64(o.MACs())
	}
	return sum
}

// isTuned reports whether a layer runs for each step.
func (t *tuning) isTuned(q *ir.Module, name string) bool {
	return slices.IndexFunc(q.Ops, func(o *ir.Node) bool { return o.Name() == name }) >= t.from
}

// read are the values that operations from the first one of a step on read, and that are
// computed before; results are read by the caller.
func (t *tuning) read(q *ir.Module) (list []*ir.Value) {
	live := ir.Liveness(q)
	for v, l := range live {
		if l.From < t.from && l.To >= t.from {
			list = append(list, v)
		}
	}
	return list
}

// itemBytes is what is kept of an item.
func (t *tuning) itemBytes(q *ir.Module, clean data.Batch) int {
	bytes := 4 * t.float.Answer()
	if t.looksAtItems() {
		bytes += 4 * clean.Size()
	}
	for _, v := range t.read(q) {
		bytes += v.Type.Slots()
	}
	return bytes
}

// looksAtItems reports a task whose divergence depends on the items, not on answers alone.
func (t *tuning) looksAtItems() bool {
	return slices.ContainsFunc(t.task.Results, func(r measure.Result) bool { return r.Task == ir.Reconstruction })
}

// descend takes the steps.
func (t *tuning) descend(ctx context.Context, q *ir.Module, l *lessons, judge, final *exam, p plan) (*ir.Module, error) {
	steps, batch, looks := p.steps, p.batch, p.looks
	before, err := t.judgedWhole(ctx, q, judge)
	if err != nil {
		return q, err
	}
	best, least, missed, share := slices.Clone(t.params), stat.Mean(before, nil), 0, 1.
	last := least // look
	rng := rand.New(rand.NewPCG(t.env.Seed, pass.TuneAt))
	opt, slopes := newAdam(len(t.params)), make([]float64, len(t.params))
	var mean average // since the last look
	var order []int
	for step := 0; ; step++ {
		isStopped := t.env.Enough != nil && t.env.Enough() || t.env.Tune.Steps > 0 && step == t.env.Tune.Steps
		isLast := step == steps || isStopped
		if step > 0 && (step*looks/steps != (step-1)*looks/steps || isLast) {
			params := mean.take()
			d, err := t.look(ctx, params, judge)
			if err != nil {
				return q, err
			}
			if missed++; d < last {
				missed = 0
			}
			if last = d; d < least {
				best, least = params, d
			} else if missed == misses {
				copy(t.params, best)
				opt, missed, last, share = newAdam(len(t.params)), 0, least, share/calmer
			}
		}
		if t.report.Steps, t.report.IsStopped = step, isStopped && step < steps; isLast {
			break
		}
		if t.env.Progress != nil {
			t.env.Progress("tuning", step, steps)
		}
		if len(order) < batch {
			order = append(order, rng.Perm(l.n)...)
		}
		var at []int
		at, order = order[:batch], order[batch:]
		m, err := t.lower(t.params)
		if err != nil {
			return q, err
		}
		if err := t.slopes(ctx, m, l, at, slopes); err != nil {
			return q, err
		}
		t.move(opt, slopes, share*schedule(step, steps), isFixed(step, steps))
		mean.add(t.params)
	}
	return t.accept(ctx, q, best, before, judge, final)
}

// isFixed reports whether codes stay in a step of some.
func isFixed(step, steps int) bool { return step >= steps-steps/fixedShare }

// look is the divergence of parameters on the images that judge; without end where they change a
// type.
func (t *tuning) look(ctx context.Context, params []float64, judge *exam) (float64, error) {
	m, err := t.lower(params)
	if err != nil {
		return 0, err
	}
	list, err := t.judged(ctx, m, judge)
	if err != nil || types(m) != t.types {
		return math.Inf(1), err
	}
	return stat.Mean(list, nil), nil
}

// average is the mean of parameters over steps: what the slopes of single batches add to their way
// is less in it.
type average struct {
	sum   []float64
	count int
}

func (a *average) add(params []float64) {
	if a.sum == nil {
		a.sum = make([]float64, len(params))
	}
	a.count++
	for i, v := range params {
		a.sum[i] += v
	}
}

// take returns the mean, and begins anew.
func (a *average) take() []float64 {
	mean := a.sum
	for i := range mean {
		mean[i] /= float64(a.count)
	}
	*a = average{}
	return mean
}

// slopes writes those of the mean divergence over some lessons with respect to the parameters.
func (t *tuning) slopes(ctx context.Context, m *ir.Module, l *lessons, at []int, slopes []float64) error {
	straight, err := interp.NewStraight(t.f, m, t.from)
	if err != nil {
		return err
	}
	x, answers, values := l.batch(at)
	n := len(at)
	got, err := straight.Slopes(ctx, values, n, func(i int, out, d []float32) {
		t.task.Slope(t.scale, part(x, i, n), part(answers, i, n), out, d)
	})
	if err != nil {
		return err
	}
	t.spent += float64(n) * float64(straight.MACs())
	for i := range t.layers {
		if own := &t.layers[i]; got[i].Weight != nil {
			own.slopes(got[i], straight.Layers[i], t.params, slopes)
		}
	}
	for i := range slopes {
		slopes[i] /= float64(n)
	}
	return nil
}

// part is item i of n.
func part(x []float32, i, n int) []float32 { return x[i*len(x)/n : (i+1)*len(x)/n] }

// move moves the parameters by a share of their rates, and stops codes that change back and
// forth, or all of them.
func (t *tuning) move(opt *adam, slopes []float64, share float64, isFixed bool) {
	was := slices.Clone(t.params)
	opt.move(t.params, slopes, t.rates, share)
	for i := range t.layers {
		own := &t.layers[i]
		own.bound(t.params)
		if !own.codes {
			continue
		}
		_, _, _, code := own.parts(t.params)
		_, _, _, old := own.parts(was)
		_, _, _, rates := own.parts(t.rates)
		flips := t.flips[own.first+own.size()-len(code):][:len(code)]
		for j := range code {
			if math.Round(code[j]) != math.Round(old[j]) {
				flips[j]++
			}
			if isFixed || flips[j] >= mostFlips {
				rates[j] = 0
			}
		}
	}
}

// lower is the network with some parameters.
func (t *tuning) lower(params []float64) (*ir.Module, error) {
	rounded := make([]*quant.Rounded, len(t.layers))
	for i := range t.layers {
		rounded[i] = t.layers[i].rounded(params)
	}
	m := t.f.Clone()
	return m, quant.Lower(m, rounded)
}

// types are those of the constants of a quantized network, which decide its size, and the
// accumulators of its layers.
func types(m *ir.Module) string {
	var b strings.Builder
	for _, c := range m.Consts {
		fmt.Fprintln(&b, c.Name, c.Type.Elem, c.Type.Shape)
	}
	return b.String()
}

// judged is the divergences on the images of an exam of a network that lower made: what lies before
// the layers that change is computed once, as it is the same in each of them.
func (t *tuning) judged(ctx context.Context, m *ir.Module, x *exam) ([]float64, error) {
	p, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	if x.values == nil {
		if x.values, err = t.given(ctx, p, x.Batch); err != nil {
			return nil, err
		}
	}
	v := p.Tensors(x.N, m.Outputs...)
	for id, own := range x.values {
		if own != nil {
			v[id] = own
		}
	}
	if err := p.Run(ctx, v, x.N, t.from, len(m.Ops)); err != nil {
		return nil, err
	}
	t.spent += t.rest(m) * float64(x.N)
	return t.divergences(ctx, x, interp.ResultReals(m, p.Gather(v, x.N)))
}

// judgedWhole is the divergences of any network on the images of an exam.
func (t *tuning) judgedWhole(ctx context.Context, m *ir.Module, x *exam) ([]float64, error) {
	p, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	got, err := interp.Logits(ctx, p, x.X, x.N)
	if err != nil {
		return nil, err
	}
	t.spent += float64(m.MACs()) * float64(x.N)
	return t.divergences(ctx, x, got)
}

// divergences are those of answers to the images of an exam.
func (t *tuning) divergences(ctx context.Context, x *exam, got []float32) ([]float64, error) {
	if x.answers == nil {
		var err error
		if x.answers, err = t.float.Results(ctx, x.X, x.N); err != nil {
			return nil, err
		}
	}
	list := make([]float64, x.N)
	for i := range list {
		list[i] = t.task.Item(t.scale, part(x.X, i, x.N), part(x.answers, i, x.N), part(got, i, x.N))
	}
	return list, nil
}

// accept is the network of the least divergence, if images that did not choose it surely show less
// than before, too. Where there are none, those that chose it must be surer of it.
func (t *tuning) accept(ctx context.Context, q *ir.Module, best, before []float64, judge, final *exam) (*ir.Module, error) {
	if t.report.Steps == 0 {
		t.report.Declined = "stopped before its first step"
		return q, nil
	}
	tuned, err := t.lower(best)
	if err != nil {
		return q, err
	}
	tuned.After = q.After
	after, errors := []float64(nil), sureOfChosen
	if final == judge {
		after, err = t.judged(ctx, tuned, judge)
	} else {
		errors = sure
		if before, err = t.judgedWhole(ctx, q, final); err != nil {
			return q, err
		}
		after, err = t.judgedWhole(ctx, tuned, final)
	}
	if err != nil {
		return q, err
	}
	t.report.Before, t.report.After = stat.Mean(before, nil), stat.Mean(after, nil)
	if fall, stderr := fell(before, after); !(fall > errors*stderr) {
		t.report.Declined = fmt.Sprintf("the divergence was %.4g on %d other disturbed images and fell by %.2g in %d steps, of a standard error of %.2g", t.report.Before, t.report.Judged, fall, t.report.Steps, stderr)
		return q, nil
	}
	return tuned, nil
}

// fell is the mean by which the divergences of images fell, and its standard error, in pairs.
func fell(before, after []float64) (mean, stderr float64) {
	falls := make([]float64, len(before))
	for i := range falls {
		falls[i] = before[i] - after[i]
	}
	mean, deviation := stat.MeanStdDev(falls, nil)
	return mean, deviation / math.Sqrt(float64(len(falls)))
}

package dnnc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Compile takes a network through the passes: to integers, and to a plan of kernels and
// memory for the target. m itself stays as it is. When ctx ends, Compile returns its error.
func Compile(ctx context.Context, m *ir.Module, c Config) (*Result, error) {
	b, err := Begin(m, c)
	if err != nil {
		return nil, err
	}
	return b.Finish(ctx)
}

// Build is a compilation that has not run its passes yet: its data can be looked at, and
// the task of the network found out, before the long work.
type Build struct {
	Result *Result
	source *ir.Module
}

// Begin checks the configuration, and prepares the compilation of a network.
func Begin(m *ir.Module, c Config) (*Build, error) {
	if m == nil {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "no network: the module is nil").WithHelp("Load or Parse returns one")
	}
	if c.Target == nil {
		return nil, diag.New(diag.Pos{}, diag.UnknownTarget, "no target").WithHelp("dnnc targets lists them")
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	errors, err := disturb.Parse(cmp.Or(c.Errors, disturb.None), Inputs(m))
	if err != nil {
		return nil, err
	}
	b := &Build{Result: &Result{Module: m.Clone(), Target: c.Target, Config: c}, source: m}
	if !m.IsQuantized() { // the integers of a result depend on its task
		if err := measure.Say(b.Result.Module, c.Task); err != nil {
			return nil, err
		}
	}
	b.Result.Env = b.environment(errors)
	return b, nil
}

// environment is what passes may know of the configuration, and of its errors.
func (b *Build) environment(errors []disturb.Condition) *pass.Env {
	c := &b.Result.Config
	ranges, bits, _ := pass.Activations(c.Activations) // which Check has read
	env := &pass.Env{
		Target: c.Target, Level: c.Level, Small: c.SmallCode, Threads: c.Threads, Stream: c.Stream, Rows: c.Rows, Budget: c.Budget, Rounding: c.Rounding, Seed: c.Seed, Errors: errors, Fix: c.Fix, Formats: c.Formats,
		Search: c.Search, Objective: c.Objective, MinBits: c.MinBits, MaxBits: c.MaxBits, Checkpoint: c.Checkpoint, Store: c.Store, Patient: c.Time > 0, MaxMemory: c.Memory, Ranges: ranges, Bits: bits,
		Progress: c.Progress, Tune: c.Tune, Float: func() *ir.Module { return b.Result.Float },
	}
	deadline := time.Now().Add(c.Time)
	env.Enough = func() bool { return c.Enough != nil && c.Enough() }
	env.Stop = func() bool { return c.Time > 0 && time.Now().After(deadline) || env.Enough() }
	calibration(env, c, b.source.Inputs)
	env.Plan = func(ctx context.Context, m *ir.Module) (int, float64, error) {
		p, err := planned(ctx, m, env, ir.Of(ir.I8), pass.Budget{RAM: c.Budget.RAM, FreeRAM: c.Budget.FreeRAM})
		if err != nil {
			return 0, 0, err
		}
		return p.Arena.Bytes, certificate.Cycles(p, c.Target), nil
	}
	if c.Level == pass.Robust {
		env.Uniform = func(ctx context.Context, m *ir.Module, e ir.Elem) (*ir.Module, error) {
			return planned(ctx, m, env, e, pass.Budget{})
		}
	}
	if c.Level == pass.Robust {
		env.Count = b.count
	}
	if !b.source.IsQuantized() {
		env.Gradient = Gradient(b.source.Clone(), func() measure.Task { return b.Result.Task }, c.Task)
	}
	return env
}

// calibration loads images once, when a pass first asks for some, and deals them out.
func calibration(env *pass.Env, c *Config, inputs []*ir.Value) {
	load := sync.OnceValues(func() (d dealt, err error) {
		if c.Calibration == nil {
			return d, diag.New(diag.Pos{}, diag.BadData, "no calibration images: the ranges of activations are not known").
				WithHelp("set Config.Calibration (-calib)")
		}
		size := 0
		for _, in := range inputs {
			size += in.Type.Shape.Size()
		}
		wanted := c.wanted(4 * size)
		b, err := c.Calibration(wanted.fit + wanted.choose + wanted.judge)
		if err == nil {
			err = checkImages(b, inputs)
		}
		if err != nil {
			return d, err
		}
		copies := 0
		if wanted.judge > 0 { // what fits, chooses and judges must not be one image
			b, copies = b.Distinct()
		}
		d = deal(b, wanted, c.Seed)
		d.copies = copies
		return d, nil
	})
	of := func(part func(d dealt) data.Batch) func() (data.Batch, error) {
		return func() (data.Batch, error) {
			d, err := load()
			return part(d), err
		}
	}
	env.Calibration = of(func(d dealt) data.Batch { return d.fit })
	env.Holdout = of(func(d dealt) data.Batch { return d.choose })
	env.Unseen = of(func(d dealt) data.Batch { return d.judge })
	env.Copies = func() (int, error) {
		d, err := load()
		return d.copies, err
	}
	env.Lessons = func() (data.Batch, error) {
		d, err := load()
		if err != nil {
			return data.Batch{}, err
		}
		bytes := 4 * d.fit.Size()
		more, err := c.Calibration(min(mostLessons, max(1, env.Memory()/lessonsShare/bytes)))
		if err == nil {
			err = checkImages(more, inputs)
		}
		if err != nil {
			return data.Batch{}, err
		}
		return d.lessons(more), nil
	}
}

// mostLessons is the images of a set that a network is tuned on at most, and lessonsShare the
// share of the memory that they may take.
const (
	mostLessons  = 8192
	lessonsShare = 8
)

// lessons are the images that fit, and those of more that serve for nothing else: what is tuned on
// images that choose or judge would flatter it there.
func (d *dealt) lessons(more data.Batch) data.Batch {
	seen := map[[sha256.Size]byte]bool{}
	for _, b := range []data.Batch{d.fit, d.choose, d.judge} {
		for i := range b.N {
			seen[b.Digest(i)] = true
		}
	}
	all := d.fit
	all.X = slices.Clip(all.X)
	all.Labels, all.Targets, all.At, all.Places = nil, nil, nil, nil // the float network teaches
	for i := range more.N {
		if sum := more.Digest(i); !seen[sum] {
			seen[sum] = true // of copies, one
			all.X, all.N = append(all.X, more.Image(i)...), all.N+1
		}
	}
	return all
}

// dealt is images by what they serve for: no image serves for two.
type dealt struct {
	fit, choose, judge data.Batch
	copies             int // of others, which serve for nothing
}

// deal takes the images that judge from all over a set: its images may lie class by class.
// Of the others the first ones fit, and those after them choose. Where there are too few to
// hold any out, those that fit choose as well.
func deal(b data.Batch, wanted shares, seed uint64) (d dealt) {
	n := b.N
	wanted = wanted.of(n)
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	judge := order[:wanted.judge]
	slices.Sort(judge)
	d.judge = b.Slice(0, 0)
	if len(judge) > 0 {
		rest := order[wanted.judge:]
		slices.Sort(rest)
		d.judge, b = b.Pick(judge), b.Pick(rest)
	}
	d.fit = b.Slice(0, wanted.fit)
	if d.choose = b.Slice(wanted.fit, wanted.fit+wanted.choose); d.choose.N == 0 {
		d.choose = d.fit
	}
	return d
}

// checkImages reports a batch that is not of images as the inputs take them.
func checkImages(b data.Batch, inputs []*ir.Value) error {
	others := 0
	for _, in := range inputs[1:] {
		others += in.Type.Shape.Size()
	}
	fault := func(format string, args ...any) error { return diag.New(diag.Pos{}, diag.BadData, format, args...) }
	switch {
	case b.N == 0:
		return fault("no images to calibrate with: the set is empty")
	case !inputs[0].Type.Shape.Equal(b.Shape):
		return fault("the images to calibrate with have the shape %s, the network takes %s", ir.Shape(b.Shape), inputs[0].Type.Shape)
	case b.Others != others:
		return fault("%d elements lie after each image to calibrate with, the network's other inputs take %d", b.Others, others)
	case b.N < 0 || len(b.X) != b.N*b.Size():
		return fault("%d images to calibrate with take %d elements, not %d", b.N, b.N*b.Size(), len(b.X))
	case b.Labels != nil && len(b.Labels) != b.N:
		return fault("%d labels of %d images to calibrate with", len(b.Labels), b.N)
	case b.At != nil && len(b.At) != b.N:
		return fault("%d numbers of %d images to calibrate with", len(b.At), b.N)
	case b.Places != nil && len(b.Places) != b.N:
		return fault("%d places of %d images to calibrate with", len(b.Places), b.N)
	}
	for _, t := range b.Targets {
		if len(t.X) != b.N*t.Size() {
			return fault("labels %s of %d images to calibrate with take %d elements, not %d", t.Name, b.N, b.N*t.Size(), len(t.X))
		}
	}
	return nil
}

// Searches reports whether a search judges the network: not of one whose formats are
// chosen already.
func (b *Build) Searches() bool {
	c := &b.Result.Config
	return c.Measures() && c.Chosen == nil && !b.source.IsQuantized() && b.source.After != passes.Robust
}

// Judge sets the task that the network is judged by.
func (b *Build) Judge(t measure.Task) { b.Result.Task, b.Result.Env.Task = t, t }

// Finish runs the passes.
func (b *Build) Finish(ctx context.Context) (*Result, error) {
	r := b.Result
	c, m := &r.Config, r.Module
	if m.IsQuantized() {
		if c.Tune.IsOn() {
			return nil, diag.New(diag.Pos{File: m.Pos.File}, diag.AlreadyLowered, "-tune %s: the module is quantized, and the float network that teaches it is not there", c.Tune.Effort).
				WithHelp("tune from the source, or from a dump of -stop-after robust")
		}
		if c.Chooses() {
			return nil, diag.New(diag.Pos{File: m.Pos.File}, diag.AlreadyLowered, "the module is quantized: its widths are chosen").
				WithHelp("search again from the source, or from a dump of -stop-after calibrate")
		}
		if m.Target != c.Target.Name && m.After != passes.Quantized {
			m.After, m.Target, m.Within, m.Threads = passes.Tuned, "", 0, 0 // kernels and memory are planned anew
		}
	}
	if c.Threads > 0 && c.StartAfter == "" && m.Target == c.Target.Name && max(c.Threads, 1) != max(m.Threads, 1) {
		return nil, diag.New(diag.Pos{File: m.Pos.File}, diag.AlreadyLowered, "-threads %d: the dump has a plan of kernels and memory for %d", c.Threads, max(m.Threads, 1)).
			WithHelp("-start-after fuse-pool selects kernels and plans memory anew")
	}
	if i, err := passes.Table.Find(m.After); err == nil && c.Budget.Promised && i >= slices.Index(passes.Table.Names(), passes.Calibrated) {
		return nil, diag.New(diag.Pos{File: m.Pos.File}, diag.AlreadyLowered, "-keep %v: the network was calibrated already, perhaps on images that would judge it", c.Budget.Keep).
			WithHelp("search from the source; without -keep a search aims at %v", DefaultKeep)
	}
	if (b.Searches() || c.Tune.IsOn()) && r.Task.Name == "" {
		images, err := r.Env.Calibration()
		if err != nil {
			return nil, err
		}
		if err := ir.Infer(b.source).Err(); err != nil {
			return nil, err
		}
		t, err := measure.TaskOf(b.source, c.Task, images.Labels)
		if err != nil {
			return nil, err
		}
		if err := t.Check(images); err != nil {
			return nil, err
		}
		b.Judge(t)
	}
	if c.Chosen != nil {
		r.Env.Level = pass.Int8 // whose widths give way to those of layers
		if m.After == passes.Calibrated || m.After == passes.Widened {
			if err := choose(m, c.Chosen); err != nil {
				return nil, err
			}
		}
	}
	if m.After == passes.Robust {
		r.Float = m.Clone()
	}
	keep := func() {
		if c.Stream != 0 && m.IsQuantized() && !m.Streams() {
			r.whole = m.Clone()
		}
	}
	keep()
	observe := func(p *pass.Pass, took time.Duration, m *ir.Module) error {
		r.Passes = append(r.Passes, Cost{p.Name, took})
		if p.Name == passes.Robust {
			r.Float = m.Clone()
		}
		if (p.Name == passes.Quantized || p.Name == passes.Tuned) && r.Float != nil {
			r.integers = m.Clone()
		}
		if p.Name == passes.Tuned {
			keep()
		}
		if p.Name == passes.Calibrated && c.Chosen != nil {
			if err := choose(m, c.Chosen); err != nil {
				return err
			}
		}
		if c.Observe == nil {
			return nil
		}
		return c.Observe(p, took, m)
	}
	err := passes.Table.Run(ctx, m, r.Env, pass.Options{StartAfter: c.StartAfter, StopAfter: c.StopAfter, Observe: observe})
	if k := r.Env.Report.Kept; k != nil {
		r.WarnOfConstant(k.Below, fmt.Sprintf("%d held-out images of -calib", k.Judged))
	}
	if k := r.Env.Report.Kept; k != nil && k.IsBelow && err == nil {
		r.Warn(diag.Warn(diag.BelowAim, "no network that was measured has %v of the robust accuracy by its estimate; the one that keeps most is taken", k.Share).
			WithHelp("wider -formats keep more%s, -keep refuses what is not shown, -bits and -size choose the bytes", c.lifting()))
	}
	if err == nil && c.Rows && r.Planned() && m.ByRows() == nil {
		err = diag.New(m.Pos, diag.AlreadyLowered, "-rows: the dump is of a network that is given its input whole").
			WithHelp("-start-after fuse-pool selects kernels and plans memory anew; or start from the network")
	}
	if err == nil && c.Chosen == nil {
		r.warnOfExcess()
	}
	return r, err
}

// WarnOfConstant warns of kinds of error under which the float network is worse than the best
// constant answer, on some items: a network that keeps a share of what it has over all kinds keeps
// nothing of use there.
func (r *Result) WarnOfConstant(list []measure.Below, items string) {
	if len(list) == 0 {
		return
	}
	var said, kinds []string
	for _, b := range list {
		under := "under " + b.Kind
		if b.Kind == measure.Clean {
			under = "without errors"
		}
		of := ""
		if len(r.Env.Task.Results) > 1 {
			of = " of " + b.Result
		}
		said = append(said, fmt.Sprintf("%s its %s%s is %.4f, and %.4f of that answer", under, b.Measure, of, b.Own, b.Constant))
		kinds = append(kinds, b.Kind)
	}
	left := slices.DeleteFunc(slices.Clone(r.Env.Errors), func(c disturb.Condition) bool { return slices.Contains(kinds, c.Name()) })
	help := fmt.Sprintf("train the network under such errors, or leave them out: %s", quote.Flag("errors", disturb.Text(left)))
	if slices.Contains(kinds, measure.Clean) {
		help = "look at data, labels and weights"
	}
	if moving := disturb.Moving(r.Env.Errors); slices.ContainsFunc(moving, func(name string) bool { return slices.Contains(kinds, name) }) {
		help += "; labels stay those of the undisturbed items, and do not move with " + strings.Join(moving, ", ")
	}
	r.Warn(diag.Warn(diag.BelowConstant, "on %s the float network is worse than the best constant answer: %s; the mean over the kinds of error, of which a share is kept, counts that all the same", items, strings.Join(said, "; ")).WithHelp("%s", help))
}

// planned takes a calibrated network to one format, whatever formats its layers have, and
// plans it for the target within a budget as a build by -O int8 does.
func planned(ctx context.Context, m *ir.Module, env *pass.Env, e ir.Elem, b pass.Budget) (*ir.Module, error) {
	m = m.Clone()
	m.After = passes.Calibrated
	for _, n := range m.Layers() {
		n.Drop(ir.AttrBits, ir.AttrRounding, ir.AttrSparsity)
		if e.Kind != ir.I8 && quant.Serves(n, e) {
			n.Put(ir.AttrBits.Is(e), ir.AttrRounding.Is(quant.Nearest))
		}
	}
	plain := &pass.Env{Target: env.Target, Level: pass.Int8, Small: env.Small, Threads: env.Threads, Stream: env.Stream, Rows: env.Rows, Budget: b, Seed: env.Seed, Ranges: env.Ranges, MaxMemory: env.MaxMemory, Calibration: env.Calibration, Holdout: env.Holdout}
	return m, passes.Table.Run(ctx, m, plain, pass.Options{})
}

// warnOfExcess warns of a network that takes more than int8, where nobody asked for that in
// so many words.
func (r *Result) warnOfExcess() {
	whole := r.Reference()
	if whole == nil || !r.Planned() {
		return
	}
	b := r.Config.Budget
	own, other, unit := certificate.Cycles(r.Module, r.Target), certificate.Cycles(whole.Module, r.Target), "estimated cycles"
	if n := r.Env.Report.Counted; n != nil {
		own, other, unit = float64(n.Own.Instructions), float64(n.Int8.Instructions), "instructions"
	}
	bytes, least := r.Module.Arena.Bytes, whole.Module.Arena.Bytes
	if !(b.LimitsCycles() && own > other) && !(b.LimitsRAM() && bytes > least) {
		return
	}
	r.Warn(diag.Warn(diag.AboveInt8, "on %s the network takes %.0f %s and an arena of %d bytes, int8 %.0f and %d bytes", r.Target.Name, own, unit, bytes, other, least).
		WithHelp("larger budgets and other -formats take less; -cycles free and -ram free lift the limits, -cycles 1x and -ram %d hold to them", least))
}

// mostCounted bounds the bytes of constants of a network that a search compiles to count it.
const mostCounted = 64 << 20

// count is what int8 takes, or a candidate of integers as it would ship.
func (b *Build) count(ctx context.Context, m *ir.Module) (pass.Taken, error) {
	r := b.Result
	bytes := 0
	for _, c := range m.Consts {
		bytes += c.StoredBytes()
	}
	if bytes > mostCounted {
		return pass.Taken{}, diag.New(diag.Pos{}, diag.Unsupported, "the network is not compiled to be counted")
	}
	if m == r.Env.Reference {
		return r.Reference().taken(ctx)
	}
	m.After = passes.Tuned
	c := r.Config
	c.Warn, c.Observe = nil, nil
	plain := &pass.Env{Target: c.Target, Level: c.Level, Small: c.SmallCode, Threads: c.Threads, Stream: c.Stream, Rows: c.Rows, Budget: c.Budget}
	if err := passes.Table.Run(ctx, m, plain, pass.Options{}); err != nil {
		return pass.Taken{}, err
	}
	r.candidate = &Result{Module: m, Target: c.Target, Config: c, Env: plain}
	return r.candidate.taken(ctx)
}

// choose writes the formats that a certificate records onto layers.
func choose(m *ir.Module, chosen []certificate.Layer) error {
	layers := m.Layers()
	if len(layers) != len(chosen) {
		return diag.New(m.Pos, diag.CheckFailed, "the network has %d layers, the certificate %d", len(layers), len(chosen))
	}
	for i, n := range layers {
		l := chosen[i]
		e, ok := ir.ParseElem(l.Format)
		if n.Name() != l.Name || !ok {
			return diag.New(n.Pos, diag.CheckFailed, "layer %s is %s of format %q in the certificate", n.Name(), l.Name, l.Format)
		}
		n.Put(ir.AttrBits.Is(e))
		if l.Rounding != "" {
			n.Put(ir.AttrRounding.Is(l.Rounding))
		}
		if l.Sparsity > 0 {
			n.Put(ir.AttrSparsity.Is([]float64{l.Sparsity}))
		}
	}
	return nil
}

// Gradient is the gradient of how right a float network's answers are, laid out when it is
// first needed. It is by a task, or while that is empty by what the user asks for.
func Gradient(m *ir.Module, task func() measure.Task, asked string) disturb.Gradient {
	program := sync.OnceValues(func() (*interp.Backward, error) {
		if err := ir.Infer(m).Err(); err != nil {
			return nil, err
		}
		p, err := interp.CompileFloat(m)
		if err != nil {
			return nil, err
		}
		return interp.NewBackward(p)
	})
	return func(b data.Batch) (margin, answers []float32, err error) {
		p, err := program()
		if err != nil {
			return nil, nil, err
		}
		t := task()
		if t.Name == "" {
			if t, err = measure.TaskOf(m, asked, b.Labels); err != nil {
				return nil, nil, err
			}
		}
		seed, err := t.Margin(b)
		if err != nil {
			return nil, nil, err
		}
		g, err := p.Gradient(context.Background(), b.X, b.N, false, seed)
		if err != nil {
			return nil, nil, err
		}
		return g.Input, g.Output, nil
	}
}

// Inputs are those of a network, as errors know them.
func Inputs(m *ir.Module) (list []disturb.Input) {
	for _, v := range m.Inputs {
		in := disturb.Input{Name: v.Name, Holds: v.Holds(), Shape: v.Type.Shape, Pos: v.Pos}
		in.Low, in.High = RangeOf(v)
		list = append(list, in)
	}
	return list
}

// DataInputs are the inputs of a network in declaration order, as data sets are read for them.
func DataInputs(m *ir.Module) (list []dataset.Input) {
	for _, v := range m.Inputs {
		in := dataset.Input{Name: v.Name, Shape: v.Type.Shape}
		in.Low, in.High = RangeOf(v)
		if v.Range == nil {
			in.Slack = float32(.501 * v.Type.Quant.Scale) // a bound of the source may be float32's error beyond
		}
		list = append(list, in)
	}
	return list
}

// RangeOf is the bounds of an input's reals: as declared, as its integers have them, or
// [0,1].
func RangeOf(in *ir.Value) (low, high float32) {
	if in.Range != nil {
		return float32(in.Range.Lo), float32(in.Range.Hi)
	}
	if q := in.Type.Quant; q.Scale > 0 {
		return float32(q.Scale * float64(-128-q.Zero)), float32(q.Scale * float64(127-q.Zero))
	}
	return 0, 1
}

// lifting is what a help says of the default limit of cycles, where it holds.
func (c *Config) lifting() string {
	if c.Budget.LimitsCycles() {
		return ", as -cycles free does, which lifts the limit of what int8 takes"
	}
	return ""
}

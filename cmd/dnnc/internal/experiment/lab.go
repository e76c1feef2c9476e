package experiment

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// material is an experiment's network and data, and their hashes.
type material struct {
	module            *ir.Module
	hash              string // of the module
	calib, test       string // of the data sets
	calibName         string // of their files, without folders; "" of noise
	testName          string
	inputs            []certificate.Input
	images            data.Batch // to report on
	disturbed         []disturb.Input
	macs              int // multiply-adds of one evaluation
	weights, channels int // numbers of weights, and bytes of the channels' constants
	task              measure.Task
	line              string               // that says it
	said              []string             // what was assumed of the data sets
	read              *ir.Module           // as it is judged,
	sources           []driver.LabelSource // on these
	formats           int                  // that a layer may have, of all layers together
}

// options are those of the compiler for an experiment.
func (x *Experiment) options() driver.Options {
	o := driver.Defaults()
	o.Input, o.Calib, o.Data, o.Target, o.AllowOutside, o.Sets = x.Network, x.Calibration, x.Test, x.Target, x.AllowOutside, x.Sets
	o.Model, o.Sharing.Store = x.Model, x.Store
	o.Level, o.StopAfter, o.TestImages, o.Task = string(pass.Robust), passes.Widened, x.TestImages, x.Task
	return o
}

// load reads the network and the data of an experiment, and holds the images that
// are reported on apart from those that searches may see.
func load(x *Experiment) (*material, error) {
	o := x.options()
	m, err := driver.Load(o)
	if err == nil {
		err = driver.HasWidths(m)
	}
	if err != nil {
		return nil, err
	}
	if m.IsQuantized() {
		return nil, diag.New(diag.Pos{File: x.Network}, diag.AlreadyLowered, "the module is quantized: its widths are chosen").WithHelp("experiment with its source")
	}
	mat := &material{module: m, calib: "noise", test: "noise"}
	if mat.hash, err = m.Fingerprint(); err != nil {
		return nil, err
	}
	if err := mat.errors(x); err != nil {
		return nil, err
	}
	mat.macs = m.MACs()
	for _, n := range m.Layers() {
		mat.weights += n.Const(ir.AttrWeight).Type.Shape.Size()
	}
	mat.channels = robust.Constants(m.Layers())
	elems, err := robust.Formats(x.Formats)
	if err != nil {
		return nil, err
	}
	mat.formats = len(elems) * len(m.Layers())
	if path := driver.TestData(o, m); path != "" {
		d, err := driver.Images(o, path, m, dataset.Test, x.TestImages)
		if err != nil {
			return nil, err
		}
		mat.images, mat.testName = d.Batch, filepath.Base(path)
		mat.test = mat.reads(d, x.Sets)
	} else {
		mat.images = driver.Noise(dnnc.DataInputs(m), x.TestImages, testNoise)
	}
	path := driver.CalibrationData(o, m)
	if path == "" {
		return mat, mat.judge(o, m, data.Batch{})
	}
	for i, seed := range x.Seeds { // each draws its own
		o.Seed = seed
		d, err := driver.Images(o, path, m, dataset.Train, x.Images+dnnc.HeldOut)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			mat.calib, mat.calibName = mat.reads(d, x.Sets), filepath.Base(path)
			if err := mat.judge(o, m, d.Batch); err != nil {
				return nil, err
			}
		}
		if err := disjoint(mat, d.Batch); err != nil {
			return nil, err
		}
	}
	return mat, nil
}

// errors checks the errors of an experiment against the network's inputs, and writes the
// defaults out: they are part of the questions, by which outcomes are kept.
func (mat *material) errors(x *Experiment) error {
	mat.disturbed = dnnc.Inputs(mat.module)
	for _, text := range []*string{&x.Errors, &x.Measured} {
		if *text == disturb.Default {
			*text = disturb.Defaults(mat.disturbed[0].Holds.Kind)
		}
	}
	for _, k := range []struct {
		key  string
		list []string
	}{{"errors", []string{x.Errors}}, {"measured", []string{x.Measured}}, {"boundary", x.Boundary}} {
		for _, text := range k.list {
			_, err := disturb.Parse(text, mat.disturbed)
			var d *diag.Diagnostic
			if errors.As(err, &d) && x.Path != "" {
				d.WithNote("the key %s of %s has it", k.key, filepath.Base(x.Path))
			}
			if err != nil {
				return err
			}
		}
	}
	if x.Proved > 0 {
		list, err := disturb.Parse(x.Measured, mat.disturbed)
		if err != nil {
			return err
		}
		if _, err := certify.Provable(list); err != nil {
			return err
		}
	}
	return nil
}

// judge finds out by what the network is judged.
func (mat *material) judge(o driver.Options, m *ir.Module, searched data.Batch) (err error) {
	mat.read = m.Clone()
	mat.sources = []driver.LabelSource{{Use: "search", Data: mat.calibName, Images: searched}, {Use: "report", Data: mat.testName, Images: mat.images}}
	mat.task, mat.line, err = driver.Judged(mat.read, o, mat.sources)
	return err
}

// examine holds the data to what people usually mistake, once.
func (mat *material) examine(ctx context.Context, o driver.Options, messages io.Writer) error {
	sources := mat.sources
	mat.sources = nil
	return driver.Examine(ctx, o, mat.read, mat.task, sources, func(w *diag.Warning) { o.Warnings.Say(messages, w) })
}

// taskOf is the task in the questions of cells: "" of one label an item.
func (mat *material) taskOf() string {
	if mat.task.IsKL() {
		return ""
	}
	return mat.task.Asked()
}

// testNoise is the seed of images of noise that stand in for those to report on.
const testNoise = 1 << 40

// reads notes a data set: its files, and what was assumed of them. It returns what cells
// know it by.
func (mat *material) reads(d dataset.Data, with dataset.Options) (hash string) {
	for _, f := range d.Files {
		mat.inputs = append(mat.inputs, certificate.Input{Name: f.Name, SHA256: f.SHA256})
		hash += f.SHA256[:16]
	}
	if len(with.Inputs)+len(with.Labels) > 0 || with.Resize {
		hash += fmt.Sprint(with)
	}
	mat.said = append(mat.said, d.Said)
	return hash
}

// disjoint reports images that are reported on and that searches may see, too.
func disjoint(mat *material, seen data.Batch) error {
	both := mat.images.Among(seen)
	if both == 0 {
		return nil
	}
	return diag.New(diag.Pos{}, diag.BadData, "%d of the %d images to report on are among those that the searches see", both, mat.images.N).
		WithNote("%s and %s have them in common; a network is right on what it was made on", mat.testName, mat.calibName).WithHelp("report on images of a test set that nothing was calibrated on")
}

// lab answers the questions of one experiment and seed.
type lab struct {
	x        *Experiment
	mat      *material
	seed     uint64
	store    *store
	messages io.Writer
	float    *interp.Float
	images   data.Batch // labelled
	gradient disturb.Gradient
	beds     map[string]*bed
	known    map[string]scored                  // what was measured of networks of the same formats
	tell     func(what string, done, total int) // of a search's progress
}

// bed is the network calibrated on one setting, and what rounds it.
type bed struct {
	r     *driver.Result
	env   pass.Env // with its samples at hand
	round *robust.Search
}

func newLab(ctx context.Context, x *Experiment, mat *material, seed uint64, st *store, messages io.Writer) (*lab, error) {
	l := &lab{x: x, mat: mat, seed: seed, store: st, messages: messages, images: mat.images, beds: map[string]*bed{}, known: map[string]scored{}}
	b, err := l.bed(ctx, x.setting())
	if err != nil {
		return nil, err
	}
	l.gradient = b.env.Gradient
	if l.float, err = interp.CompileFloat(b.r.Module.Clone()); err != nil {
		return nil, err
	}
	if !mat.task.IsLabelled(l.images) && mat.task.Decides("") == nil {
		logits, err := l.float.Results(ctx, l.images.X, l.images.N)
		if err != nil {
			return nil, err
		}
		l.images.Labels = mat.task.Decisions(logits, l.images.N)
	}
	return l, nil
}

// mostBeds is the settings that are kept at a time.
const mostBeds = 3

// bed calibrates the network; what a search may choose from does not matter here.
func (l *lab) bed(ctx context.Context, s setting) (*bed, error) {
	name := fmt.Sprint(s.Errors, "|", s.Images, "|", s.Ranges, "|", s.Activations, "|", s.Rounding)
	if b := l.beds[name]; b != nil {
		return b, nil
	}
	if len(l.beds) >= mostBeds {
		clear(l.beds)
	}
	o := l.x.options()
	o.Errors, o.Images, o.Activations, o.Rounding, o.Seed = s.Errors, s.Images, s.Ranges, s.Rounding, l.seed
	if s.Activations != "" {
		o.Activations += "," + s.Activations
	}
	o.Task, o.Judged = l.mat.task.Asked(), true
	r, err := driver.Compile(ctx, o, io.Discard, l.messages)
	if err != nil {
		return nil, err
	}
	if _, err := r.Env.Samples(); err != nil {
		return nil, err
	}
	b := &bed{r: r, env: *r.Env}
	l.beds[name] = b
	return b, nil
}

// search is a new search on a setting: it knows nothing of what others measured, so
// that a run that goes on finds what an uninterrupted one finds.
func (b *bed) search(s setting, checkpoint string, tell func(what string, done, total int)) (*robust.Search, *pass.Env, error) {
	env := b.env
	env.Progress = tell
	env.Report, env.Checkpoint, env.MinBits, env.MaxBits = pass.SearchReport{}, checkpoint, s.MinBits, s.MaxBits
	var err error
	if env.Formats, err = robust.Formats(s.Formats); err != nil {
		return nil, nil, err
	}
	holdout := env.Holdout
	env.Holdout = func() (data.Batch, error) {
		all, err := holdout()
		if err != nil {
			return all, err
		}
		return all.Slice(0, min(s.Judged, all.N)), nil
	}
	search, err := robust.New(b.r.Module, &env)
	return search, &env, err
}

// choose answers a choice.
func (l *lab) choose(ctx context.Context, q *choice, out *chosen) error {
	b, err := l.bed(ctx, q.Setting)
	if err != nil {
		return err
	}
	checkpoint := ""
	if q.Method != "qstar" && l.store.folder != "" { // which must not find the table of another
		table := *q
		table.Method, table.Objective, table.Bits, table.Effort = "", "", 0, 0
		key, err := keyOf(table)
		if err != nil {
			return err
		}
		checkpoint = l.store.path("tables/table", key)
	}
	s, env, err := b.search(q.Setting, checkpoint, l.tell)
	if err != nil {
		return err
	}
	if q.Effort > 0 {
		env.Patient, env.Effort = true, int64(q.Effort*float64(s.TableMACs()))
	}
	layers := b.r.Module.Layers()
	bytes, _ := robust.Limit(layers, pass.Budget{Bits: q.Bits})
	var net *robust.Network
	if q.Method == planMethod {
		net, err = s.Plan(ctx, q.Objective, bytes)
	} else {
		net, err = s.Choose(ctx, q.Method, bytes)
	}
	var d *diag.Diagnostic
	if errors.As(err, &d) && d.Kind == diag.BadBudget {
		*out = chosen{None: true}
		return nil
	}
	if err != nil {
		return err
	}
	*out = chosen{
		Formats: wordsOf(net.Formats), Bytes: net.Bytes, Size: net.Bytes + robust.Constants(layers), Weights: l.mat.weights, KL: net.KL,
		Evaluations: env.Report.Evaluations, MACs: env.Report.MACs, Table: s.TableMACs(),
	}
	if q.Method == "qed" {
		out.Layers, err = l.layers(layers, s.Costs())
	}
	return err
}

// layers is what a search knows of each layer, formats by rising bytes.
func (l *lab) layers(layers []*ir.Node, table []pass.LayerCosts) ([]layer, error) {
	t, err := processor.Find(l.x.Target)
	if err != nil {
		return nil, err
	}
	var list []layer
	for i, n := range layers {
		shape := n.Const(ir.AttrWeight).Type.Shape
		w := layer{Name: n.Name(), Op: n.Op.Info().Name, Weights: shape.Size(), MACs: n.MACs()}
		for j, e := range table[i].Elems {
			w.Options = append(w.Options, entry{
				Format: e.String(), Bytes: ir.PackedBytes(e, shape) + ir.BookBytes(e), Cycles: machine.Cycles(n, t, e), Cost: table[i].KL[j], Known: table[i].Measured[j],
			})
		}
		slices.SortStableFunc(w.Options, func(a, b entry) int { return cmp.Compare(a.Bytes, b.Bytes) })
		list = append(list, w)
	}
	return list, nil
}

// network is what runs a shipped network; c is nil of the float one.
func (l *lab) network(ctx context.Context, n shipped, c *chosen) (measure.Network, error) {
	if c == nil {
		return l.float.Results, nil
	}
	m, err := l.module(ctx, n, c)
	if err != nil {
		return nil, err
	}
	prog, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, x []float32, n int) ([]float32, error) {
		return interp.Logits(ctx, prog, x, n)
	}, nil
}

// module is the integers of a shipped network.
func (l *lab) module(ctx context.Context, n shipped, c *chosen) (*ir.Module, error) {
	b, err := l.bed(ctx, n.Setting)
	if err != nil {
		return nil, err
	}
	if b.round == nil {
		s := n.Setting
		s.Judged, s.Formats = 1, robust.Default // nothing is judged nor chosen here
		if b.round, _, err = b.search(s, "", nil); err != nil {
			return nil, err
		}
	}
	formats, err := c.parse()
	if err != nil {
		return nil, err
	}
	return b.round.Quantized(ctx, formats)
}

// setup is what networks are measured on.
func (l *lab) setup(images int) measure.Setup {
	return measure.Setup{Task: l.mat.task, Images: l.images.Slice(0, min(images, l.images.N)), Seed: l.seed, First: pass.TestAt, Gradient: l.gradient}
}

// measure answers scores of the same images and errors, on the same disturbed images.
func (l *lab) measure(ctx context.Context, list []*entrant, show func(done, total int)) error {
	q := list[0].score.question.(*score)
	setup := l.setup(q.Images)
	var err error
	if setup.Conditions, err = disturb.Parse(q.Measured, l.mat.disturbed); err != nil {
		return err
	}
	setup.Progress = show
	var nets []measure.Network
	var open []string // methods often choose the same formats
	same := make([]string, len(list))
	for i, e := range list {
		if same[i], err = sameAs(e); err != nil {
			return err
		}
		if _, ok := l.known[same[i]]; ok || slices.Contains(open, same[i]) {
			continue
		}
		net, err := l.network(ctx, e.ship, e.chosen)
		if err != nil {
			return err
		}
		nets, open = append(nets, net), append(open, same[i])
	}
	if len(nets) > 0 {
		isReferred := !l.mat.task.IsKL() // whose answers stand for labels
		if isReferred {
			nets = append([]measure.Network{l.float.Results}, nets...)
		}
		scores, err := measure.Robust(ctx, setup, nets...)
		if err != nil {
			return err
		}
		if isReferred {
			scores = scores[1:]
		}
		for i, key := range open {
			l.known[key] = newScored(scores[i])
		}
	}
	for i, e := range list {
		*e.scored = l.known[same[i]]
	}
	return nil
}

// sameAs is a key of all that a score depends on, with the formats in place of the
// choice.
func sameAs(e *entrant) (string, error) {
	q := *e.score.question.(*score)
	q.Network.Choice = ""
	if e.chosen == nil {
		return keyOf(q)
	}
	return keyOf([]any{q, e.chosen.Formats})
}

// distances answers a boundary.
func (l *lab) distances(ctx context.Context, q *boundary, c *chosen, out *distanced, show func(done, total int)) error {
	conditions, err := disturb.Parse(q.Kind, l.mat.disturbed)
	if err != nil {
		return err
	}
	net, err := l.network(ctx, q.Network, c)
	if err != nil {
		return err
	}
	setup := l.setup(q.Images)
	setup.Progress = show
	d, err := measure.Boundary(ctx, setup, conditions[0], net)
	if err != nil {
		return err
	}
	out.Distances = d[0]
	return nil
}

// prove answers sides.
func (l *lab) prove(ctx context.Context, q *sides, c *chosen, out *besides, show func(done, total int)) error {
	setup := l.setup(q.Images)
	var err error
	if setup.Conditions, err = disturb.Parse(q.Errors, l.mat.disturbed); err != nil {
		return err
	}
	m, err := l.module(ctx, q.Network, c)
	if err != nil {
		return err
	}
	both, err := certify.SidesOf(ctx, setup, l.mat.disturbed, l.float.Results)
	if err != nil {
		return err
	}
	out.List, err = both.Shown(ctx, m, show)
	return err
}

// draw answers a plane.
func (l *lab) draw(ctx context.Context, q *plane, list []*entrant, out *planed, show func(done, total int)) error {
	corners, ok := triple(l.images.Slice(0, min(q.Images, l.images.N)), q.Number)
	if !ok {
		*out = planed{}
		return nil
	}
	var nets []measure.Network
	for _, e := range list {
		if e.isNone() {
			continue
		}
		net, err := l.network(ctx, e.ship, e.chosen)
		if err != nil {
			return err
		}
		nets = append(nets, net)
	}
	low, high := dnnc.RangeOf(l.mat.module.Inputs[0])
	p, err := measure.NewPlane(ctx, l.mat.task, l.images.Image(corners[0]), l.images.Image(corners[1]), l.images.Image(corners[2]), q.Points, low, high, show, nets...)
	if err != nil {
		return err
	}
	*out = planed{Corners: corners, Points: q.Points}
	at := 0
	for _, e := range list {
		if e.isNone() {
			out.Answers = append(out.Answers, "")
			continue
		}
		b := make([]byte, len(p.Answers[at]))
		for i, a := range p.Answers[at] {
			b[i] = byte(min(a, 255))
		}
		out.Answers = append(out.Answers, base64.StdEncoding.EncodeToString(b))
		at++
	}
	return nil
}

// triple is three images of different classes: triples are dealt from the front, each
// image being in one of them. It is not ok where there are not so many.
func triple(b data.Batch, number int) (corners [3]int, ok bool) {
	used := make([]bool, b.N)
	for k := 0; ; k++ {
		var list []int
		for i := range b.N {
			other := !slices.ContainsFunc(list, func(j int) bool { return b.Labels[j] == b.Labels[i] })
			if len(list) < 3 && !used[i] && other {
				list = append(list, i)
			}
		}
		if len(list) < 3 {
			return [3]int{}, false
		}
		for _, i := range list {
			used[i] = true
		}
		if k == number {
			return [3]int(list), true
		}
	}
}

// Package certify proves for which sizes of an error the answers of a quantized network to
// given images stay right, and holds such a proof to the network.
package certify

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/proof"
)

// Run proves, or with -check holds a proof to the network. The first Ctrl-C ends a proof with
// the images that are decided.
func Run(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if o.Stream != 0 {
		return diag.New(diag.Pos{}, diag.Unsupported, "-stream: a proof follows images through the whole network").
			WithHelp("leave -stream out: the steps compute the integers of the whole network, as dnnc verify -stream shows")
	}
	if o.Draws > proof.MostDraws {
		return diag.New(diag.Pos{}, diag.BadValue, "-draws %d: at most %d", o.Draws, proof.MostDraws)
	}
	if o.Points > mostPoints {
		return diag.New(diag.Pos{}, diag.BadValue, "-points %d: at most %d for each range", o.Points, mostPoints)
	}
	if o.Proof != "" {
		if o.Output != "" || o.Resume {
			return diag.New(diag.Pos{}, diag.BadValue, "-check writes no proof: -o and -resume have no place beside it")
		}
		if o.Page != "" {
			return diag.New(diag.Pos{}, diag.BadValue, "-check writes no page: -page stands beside -o")
		}
		return check(ctx, o, stdout, stderr)
	}
	if o.Resume && (o.Output == "" || o.Output == "-") {
		return diag.New(diag.Pos{}, diag.BadValue, "-resume goes on from the file of -o, and there is none")
	}
	o.Only = o.Output
	if err := o.Files().Check(); err != nil {
		return err
	}
	report := stdout
	if o.Output == "-" {
		report = stderr
	} else if o.Output != "" {
		if err := driver.CheckOutput("o", o.Output, ".json"); err != nil {
			return err
		}
	}
	if o.Page != "" {
		if err := driver.CheckOutput("page", o.Page, ".html"); err != nil {
			return err
		}
	}
	s, err := open(ctx, o, report, stderr)
	if err != nil {
		return err
	}
	d, err := s.head(o)
	if err != nil {
		return err
	}
	if o.Resume {
		if err := s.resume(d, o.Output); err != nil {
			return err
		}
	}
	ended := s.decide(ctx, o, d, stderr)
	if ended != nil && !errors.Is(ended, context.Canceled) {
		return ended
	}
	text, err := d.JSON()
	if err != nil {
		return err
	}
	switch o.Output {
	case "":
	case "-":
		_, err = stdout.Write(text)
	default:
		err = driver.Replace(o.Output, text)
	}
	if err != nil {
		return err
	}
	if o.Page != "" && len(d.Decided) > 0 {
		html, err := s.html(context.WithoutCancel(ctx), d)
		if err != nil {
			return err
		}
		if err := driver.Replace(o.Page, html); err != nil {
			return err
		}
	}
	s.print(report, d)
	if ended == nil && driver.IsShipped(o.Input) {
		return s.carry(o.Input, d, text, report)
	}
	if ended != nil {
		help := "-o FILE keeps what is decided, and -resume goes on from it"
		if o.Output != "" && o.Output != "-" {
			help = "-resume goes on from " + o.Output
		}
		return diag.New(diag.Pos{}, diag.CheckFailed, "interrupted after %d of %d images", len(d.Decided), d.Images).WithHelp("%s", help)
	}
	return nil
}

// subject is a network of integers and the images that are given.
type subject struct {
	result   *driver.Result
	module   *ir.Module // has the integers
	prog     *interp.Int
	net      *proof.Net
	images   data.Batch
	files    []proof.File
	task     measure.Task
	errors   string // as -errors writes them
	groups   []group
	draws    int // of each image under each size of a random error
	seed     uint64
	answer   func(y []int8) int // that integers of the result are
	right    []int              // by image
	labelled bool
}

// noImages is a proof about nothing.
func noImages() error {
	return diag.New(diag.Pos{}, diag.BadData, "no images: a proof is about those that are given").WithHelp("give -data")
}

// open brings the network to its integers and loads the images.
func open(ctx context.Context, o driver.Options, out, messages io.Writer) (*subject, error) {
	s := &subject{draws: o.Draws, seed: o.Seed}
	from := o
	from.Errors, from.ErrorsGiven = disturb.Default, false // those of -errors are proved; the network is made as build makes it
	if driver.IsShipped(o.Input) {
		again, err := verify.Shipped(ctx, o, out, messages)
		if err != nil {
			return nil, err
		}
		s.result, from = again.Result, again.Options
		from.Seed, from.TestImages = o.Seed, o.TestImages
		from.Task = cmp.Or(o.Task, from.Task)
	} else {
		m, err := driver.Load(o) // what is wrong with it is told before the long work
		if err != nil {
			return nil, err
		}
		if err := s.ask(o, m); err != nil {
			return nil, err
		}
		if driver.TestData(o, m) == "" {
			return nil, noImages()
		}
		from.Reports, from.Table = true, true
		if o.Target == "" || o.Proof == "" { // the integers are the same on every target
			from.Target = cmp.Or(o.Target, processor.Names()[0])
			from.StopAfter = cmp.Or(o.StopAfter, passes.Tuned)
		}
		if s.result, err = driver.Compile(ctx, from, out, messages); err != nil {
			return nil, err
		}
	}
	m := s.result.Module
	s.module = m
	if !m.IsQuantized() {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-stop-after %s leaves no integers to prove anything of", from.StopAfter)
	}
	if err := s.ask(o, s.result.Network()); err != nil {
		return nil, err
	}
	if err := canMove(s.groups, m); err != nil {
		return nil, err
	}
	if err := s.result.Judge(ctx, from, out); err != nil {
		return nil, err
	}
	s.task = s.result.Task
	if err := s.task.Decides("a proof"); err != nil {
		return nil, err
	}
	setup, source, files, err := driver.Setup(ctx, from, s.result)
	if err != nil {
		return nil, err
	}
	if source == "" {
		return nil, noImages()
	}
	s.images = setup.Images
	for _, f := range files {
		s.files = append(s.files, proof.File{Name: f.Name, SHA256: f.SHA256})
	}
	if s.net, err = proof.NewNet(m); err != nil {
		return nil, err
	}
	if s.prog, err = interp.CompileInt(m); err != nil {
		return nil, err
	}
	s.answer = answers(&s.task, m.Outputs[0])
	if s.right = s.task.Right(s.images); s.right != nil {
		s.labelled = true
		return s, nil
	}
	return s, s.own(ctx)
}

// ask reads what is to be proved of a network.
func (s *subject) ask(o driver.Options, m *ir.Module) (err error) {
	if s.errors, err = errorsOf(o, dnnc.Inputs(m)); err != nil {
		return err
	}
	s.groups, err = groupsOf(s.errors, m)
	if count(s.groups, randomOf) == 0 {
		s.draws = 0
	}
	return err
}

// answers tells the decision of the integers of a result.
func answers(t *measure.Task, v *ir.Value) func(y []int8) int {
	if v.Type.Elem.Kind != ir.I8 {
		reals := v.Type.Shape.Size()
		return func(y []int8) int {
			x := make([]float32, reals)
			interp.Reals(v.Type, y, x)
			return t.Decisions(x, 1)[0]
		}
	}
	if v.Type.Shape.Size() > 1 {
		return func(y []int8) (first int) {
			kernels.ArgMax(len(y), y, func(_, at int) { first = at })
			return first
		}
	}
	var of [256]int
	for i := range of {
		real := make([]float32, 1)
		interp.Dequantize(v.Type.Quant, []int8{int8(i - 128)}, real)
		of[i] = t.Decisions(real, 1)[0]
	}
	return func(y []int8) int { return of[int(y[0])+128] }
}

// own takes the network's answers without an error for right.
func (s *subject) own(ctx context.Context) (err error) {
	s.right, err = s.interpreted(ctx, interp.QuantizeInputs(s.module, s.images.X), s.images.N)
	return err
}

// interpreted are the answers to n records.
func (s *subject) interpreted(ctx context.Context, records []int8, n int) ([]int, error) {
	y, err := s.prog.Forward(ctx, records, n)
	if err != nil {
		return nil, err
	}
	size := s.prog.Size(s.module.Outputs[0])
	out := make([]int, n)
	for i := range out {
		out[i] = s.answer(y[i*size : (i+1)*size])
	}
	return out, nil
}

// head is the document before anything is decided.
func (s *subject) head(o driver.Options) (*proof.Document, error) {
	d := &proof.Document{
		Version: proof.Version, Statement: proof.Statement, Network: s.module.Name, Task: s.task.Asked(), Right: proof.Own,
		Data: s.files, Images: s.images.N, Drawn: o.TestImages, Seed: o.Seed, Errors: s.errors, Draws: s.draws, Decided: []proof.Image{},
	}
	if s.labelled {
		d.Right = proof.Labels
	}
	var err error
	d.Content, err = proof.Content(s.module)
	return d, err
}

// read reads a proof.
func read(path string) (*proof.Document, error) {
	const most = 4 << 30
	raw, err := input.Read(path, most)
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	d, err := proof.Parse(raw)
	if err != nil {
		return nil, diag.New(diag.Pos{File: path}, diag.CheckFailed, "%v", err)
	}
	return d, nil
}

// resume takes what an interrupted proof of the same question has decided.
func (s *subject) resume(d *proof.Document, path string) error {
	before, err := read(path)
	if err != nil {
		return err
	}
	if err := s.same(before, d, path); err != nil {
		return err
	}
	d.Decided, d.MultiplyAdds, d.Whole = before.Decided, before.MultiplyAdds, before.Whole
	return nil
}

// same holds a proof to the question of this run: the network, the images and the errors.
func (s *subject) same(before, now *proof.Document, path string) error {
	other := func(format string, args ...any) error {
		return diag.New(diag.Pos{File: path}, diag.CheckFailed, format, args...)
	}
	if before.Content != now.Content {
		d := diag.New(diag.Pos{File: path}, diag.CheckFailed, "of another network: its integers have the content %.12s, these have %.12s", before.Content, now.Content)
		return d.WithHelp("a network that is quantized anew needs the same flags, images of -calib and -seed; an object and a dump have their integers already")
	}
	for _, f := range []struct {
		name     string
		has, now any
	}{{"task", before.Task, now.Task}, {"right answers", before.Right, now.Right}, {"errors", before.Errors, now.Errors}, {"number of images", before.Images, now.Images}, {"draws", before.Draws, now.Draws}} {
		if f.has != f.now {
			return other("its %s: %v; here: %v", f.name, f.has, f.now)
		}
	}
	if len(before.Decided) > before.Images {
		return other("it has %d decided images of %d", len(before.Decided), before.Images)
	}
	for i, x := range before.Decided {
		switch sum := s.images.Digest(i); {
		case hex.EncodeToString(sum[:]) != x.SHA256:
			return other("its image %d is not that of -data: give the same data, -n and -seed", i)
		case x.Right != s.right[i]:
			return other("its image %d has the right answer %d, here it is %d", i, x.Right, s.right[i])
		}
		for _, f := range []struct {
			what      string
			got, want int
		}{{"ranges", len(x.Ranges), count(s.groups, kindsOf)}, {"errors of places", len(x.Spots), count(s.groups, placeKindsOf)}, {"random errors", len(x.Chances), count(s.groups, randomOf)}} {
			if f.got != f.want {
				return other("its image %d has %d %s, its errors have %d", i, f.got, f.what, f.want)
			}
		}
	}
	return nil
}

// motion is how an image moves.
func (s *subject) motion(i int, g *group, k *proof.Kind) (*proof.Motion, error) {
	v := s.module.Inputs[g.index]
	return proof.NewMotion(k, g.in, v.Type.Quant, s.images.Image(i)[g.at:g.at+v.Type.Shape.Size()])
}

// work is what was decided of an image, and what it took.
type work struct {
	image       proof.Image
	macs, whole int64
}

// decide decides the images that are left, on all cores. When the user wants what there is,
// the images before the first undecided one are kept, and the error is context.Canceled.
func (s *subject) decide(ctx context.Context, o driver.Options, d *proof.Document, messages io.Writer) error {
	if o.Ready != nil {
		o.Ready()
	}
	within, stop := context.WithCancel(ctx)
	defer stop()
	if o.Soon != nil {
		defer context.AfterFunc(o.Soon, stop)()
	}
	first := len(d.Decided)
	n := s.images.N - first
	show, end := driver.Progress(messages, "deciding images")
	defer end()
	walkers, err := walkersOf(s.net, n)
	if err != nil {
		return err
	}
	all, errs := make([]*work, n), make([]error, n)
	var mu sync.Mutex
	done := first
	parallel.For(n, func(j int) {
		if within.Err() != nil {
			return
		}
		w := <-walkers
		defer func() { walkers <- w }()
		x, err := s.one(within, w, first+j)
		if err != nil {
			if within.Err() == nil {
				errs[j] = err
				stop()
			}
			return
		}
		all[j] = x
		mu.Lock()
		defer mu.Unlock()
		done++
		show(done, s.images.N)
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, x := range all {
		if x == nil {
			return context.Canceled
		}
		d.Decided = append(d.Decided, x.image)
		d.MultiplyAdds += x.macs
		d.Whole += x.whole
	}
	return nil
}

// walkersOf are the walkers that decide n images on all cores, each one image at a time.
func walkersOf(net *proof.Net, n int) (chan *proof.Walker, error) {
	walkers := make(chan *proof.Walker, runtime.GOMAXPROCS(0))
	for range min(cap(walkers), max(n, 1)) {
		w, err := net.NewWalker()
		if err != nil {
			return nil, err
		}
		walkers <- w
	}
	return walkers, nil
}

// one decides an image under every error.
func (s *subject) one(ctx context.Context, w *proof.Walker, i int) (*work, error) {
	sum := s.images.Digest(i)
	x := &work{image: proof.Image{SHA256: hex.EncodeToString(sum[:]), Right: s.right[i]}}
	record := interp.QuantizeInputs(s.module, s.images.Image(i))
	isRight := func(y []int8) bool { return s.answer(y) == s.right[i] }
	failed := func(under fmt.Stringer, err error) error { return fmt.Errorf("image %d under %s: %w", i, under, err) }
	err := each(s.groups, kindsOf, func(_ int, g *group, k *proof.Kind) error {
		motion, err := s.motion(i, g, k)
		if err != nil {
			return err
		}
		p := motion.Path()
		v, err := w.Walk(ctx, record, g.index, p, isRight)
		if err != nil {
			return failed(k, err)
		}
		x.image.Ranges = append(x.image.Ranges, proof.NewRange(k, p, v, s.answer(v.Answer)))
		x.macs += v.MACs
		x.whole += v.Whole
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = each(s.groups, placeKindsOf, func(_ int, g *group, k *proof.PlaceKind) error {
		places, err := s.placesOf(i, g, k)
		if err != nil {
			return err
		}
		t, err := w.Visit(ctx, record, g.index, places, isRight)
		if err != nil {
			return failed(k, err)
		}
		x.image.Spots = append(x.image.Spots, proof.NewSpots(places, g.extent, t, s.answer))
		x.macs += t.MACs
		x.whole += t.Whole
		return nil
	})
	if err != nil {
		return nil, err
	}
	doubt := s.doubt(s.images.N)
	return x, each(s.groups, randomOf, func(_ int, g *group, c disturb.Condition) error {
		chance := proof.Chance{Kind: c.Kind.Name, Size: c.Size}
		for d := 0; d < s.draws; d += together {
			n := min(together, s.draws-d)
			records, err := s.drawn(i, d, n, c)
			if err != nil {
				return err
			}
			got, err := s.interpreted(ctx, records, n)
			if err != nil {
				return failed(c, err)
			}
			for j, answer := range got {
				if answer == s.right[i] {
					chance.Right++
					chance.First = chance.First || d+j == 0
				}
			}
		}
		chance.AtLeast = proof.AtLeast(chance.Right, s.draws, doubt)
		x.image.Chances = append(x.image.Chances, chance)
		return nil
	})
}

// doubt is the probability with which the bound of one image under one size of a random error may
// be false: all of them together are right with a probability of at least 1-proof.Doubt.
func (s *subject) doubt(images int) float64 {
	return proof.Doubt / float64(images*max(1, count(s.groups, randomOf)))
}

// placesOf are the places of an error on an image.
func (s *subject) placesOf(i int, g *group, k *proof.PlaceKind) (*proof.Places, error) {
	v := s.module.Inputs[g.index]
	return proof.NewPlaces(k, g.extent, g.in, v.Type.Quant, s.images.Image(i)[g.at:g.at+v.Type.Shape.Size()])
}

// drawn are the records of n draws from one on of a random error of an image, each of a seed of its own.
func (s *subject) drawn(i, first, n int, c disturb.Condition) (records []int8, err error) {
	one := s.images.Slice(i, i+1)
	for d := range n {
		b, err := disturb.Images(one, i, c, proof.DrawSeed(s.seed, first+d), nil)
		if err != nil {
			return nil, err
		}
		records = append(records, interp.QuantizeInputs(s.module, b.X)...)
	}
	return records, nil
}

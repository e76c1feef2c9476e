package certify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// point is an image under an error, and what a proof says of it.
type point struct {
	record []int8
	said   string // where it lies
	answer int    // that it must have
}

// check holds every range of a proof to the network: the images of both ends and of random
// sizes inside are made by themselves, each evaluated as a whole by the interpreter, which did
// not find the proof, and by the object of the target, where one is named and can be run.
func check(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	d, err := read(o.Proof)
	if err != nil {
		return err
	}
	isOdd := func(format string, args ...any) error {
		return diag.New(diag.Pos{File: o.Proof}, diag.CheckFailed, format, args...)
	}
	switch {
	case d.Statement != proof.Statement:
		return isOdd("what it says is not what a proof says: %.80q", d.Statement)
	case len(d.Decided) == 0:
		return isOdd("no image is decided: nothing is proved")
	case d.Draws < 0 || d.Draws > proof.MostDraws:
		return isOdd("its draws of a random error are %d, and at most %d can be", d.Draws, proof.MostDraws)
	}
	o.Errors, o.ErrorsGiven, o.TestImages, o.Seed, o.Draws = d.Errors, true, d.Drawn, d.Seed, d.Draws
	if o.Task == "" {
		o.Task = d.Task
	}
	s, err := open(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	if d.Draws == 0 && count(s.groups, randomOf) > 0 {
		return isOdd("its draws of a random error are 0: nothing is known of it")
	}
	now, err := s.head(o)
	if err != nil {
		return err
	}
	if err := s.same(d, now, o.Proof); err != nil {
		return err
	}
	runs := []func([][]int8) ([]int, error){}
	by := "by the interpreter"
	runs = append(runs, func(x [][]int8) ([]int, error) { return s.interpreted(ctx, slices.Concat(x...), len(x)) })
	if driver.IsShipped(o.Input) || o.Target != "" {
		object, closed, err := s.object(ctx)
		if err != nil {
			return err
		}
		defer closed()
		runs, by = append(runs, object), by+" and by the object on "+s.result.Target.Name
	}
	return s.hold(ctx, d, o, runs, by, stdout, stderr)
}

// object is what runs the object of the target.
func (s *subject) object(ctx context.Context) (run func([][]int8) ([]int, error), closed func(), err error) {
	if err := emu.Check(s.result.Target); err != nil {
		return nil, nil, err
	}
	build, err := program.New(ctx, s.result.Result)
	if err != nil {
		return nil, nil, err
	}
	p, err := build.Link(ctx, program.Whole)
	if err != nil {
		build.Close()
		return nil, nil, err
	}
	m := s.module
	return func(x [][]int8) ([]int, error) {
		got, err := p.Run(ctx, program.Records(m, x))
		if err != nil {
			return nil, err
		}
		out := make([]int, len(x))
		for i := range out {
			if got.Status[i] != 0 {
				return nil, diag.New(diag.Pos{}, diag.CheckFailed, "the object failed with status %d; dnnc verify says more", got.Status[i])
			}
			y := make([]int8, s.prog.Size(m.Outputs[0])) // a vector: as it lies in memory
			for j := range y {
				y[j] = int8(got.Outputs[i][j])
			}
			out[i] = s.answer(y)
		}
		return out, nil
	}, build.Close, nil
}

// together is the images that are evaluated at a time.
const together = 256

// mostPoints is the most sizes inside a range at which it is checked.
const mostPoints = 1_000_000

// hold evaluates the points of all images.
func (s *subject) hold(ctx context.Context, d *proof.Document, o driver.Options, runs []func([][]int8) ([]int, error), by string, stdout, stderr io.Writer) error {
	show, end := driver.Progress(stderr, "checking images")
	defer end()
	h := &holder{subject: s, file: o.Proof, inside: o.Points, runs: runs}
	for range runtime.GOMAXPROCS(0) {
		w, err := s.net.NewWalker()
		if err != nil {
			return err
		}
		h.walkers = append(h.walkers, w)
	}
	for i := range d.Decided {
		rng := rand.New(rand.NewPCG(d.Seed, uint64(i)))
		if err := h.image(ctx, i, &d.Decided[i], d.Images, rng); err != nil {
			return err
		}
		if err := h.full(); err != nil {
			return err
		}
		show(i+1, len(d.Decided))
	}
	if err := h.evaluate(); err != nil {
		return err
	}
	end()
	if len(d.Decided) < d.Images {
		fmt.Fprintf(stdout, "INTERRUPTED after %d of %d images: nothing is proved of the others\n", len(d.Decided), d.Images)
	}
	name, n := filepath.Base(o.Proof), len(d.Decided)
	if count(s.groups, kindsOf) > 0 {
		fmt.Fprintf(stdout, "%s: %d ranges of %d images hold %s: right at both ends and at %d random sizes inside, wrong where %d of them end\n",
			name, h.ranges, n, by, h.random, h.wrong)
	}
	if count(s.groups, placeKindsOf) > 0 {
		fmt.Fprintf(stdout, "%s: %d lists of places of %d images hold %s: wrong at %d places that they name, right at %d random others\n",
			name, h.lists, n, by, h.wrongPlaces, h.rightPlaces)
	}
	if count(s.groups, randomOf) > 0 {
		fmt.Fprintf(stdout, "%s: %d counts of %d draws each hold by a recount with sparse updates, and %d of the draws %s\n", name, h.counts, d.Draws, h.evaluated, by)
	}
	fmt.Fprintln(stdout, proof.Statement)
	return nil
}

// holder holds images of a proof to the network.
type holder struct {
	*subject
	file    string
	inside  int // random sizes inside each range, random places and draws of each error that has these
	walkers []*proof.Walker
	points  []point
	runs    []func([][]int8) ([]int, error)
	// What was held.
	ranges, random, wrong           int
	lists, wrongPlaces, rightPlaces int
	counts, evaluated               int // of draws
}

// full evaluates the points where there are enough of them.
func (h *holder) full() error {
	if len(h.points) < together {
		return nil
	}
	return h.evaluate()
}

// evaluate holds the points that have been collected to the answers of every engine.
func (h *holder) evaluate() error {
	var records [][]int8
	for _, p := range h.points {
		records = append(records, p.record)
	}
	for _, run := range h.runs {
		if len(records) == 0 {
			break
		}
		got, err := run(records)
		if err != nil {
			return err
		}
		for i, p := range h.points {
			if got[i] != p.answer {
				return diag.New(diag.Pos{File: h.file}, diag.CheckFailed, "%s the answer is %d, the proof says %d", p.said, got[i], p.answer)
			}
		}
	}
	h.points = h.points[:0]
	return nil
}

// image collects the points of an image, of a proof about so many.
func (h *holder) image(ctx context.Context, i int, x *proof.Image, images int, rng *rand.Rand) error {
	c := &item{h, i, x, interp.QuantizeInputs(h.module, h.images.Image(i)), rng}
	if err := each(h.groups, kindsOf, c.along); err != nil {
		return err
	}
	if err := each(h.groups, placeKindsOf, c.at); err != nil {
		return err
	}
	return each(h.groups, randomOf, func(n int, _ *group, e disturb.Condition) error { return c.drawn(ctx, n, e, images) })
}

// item is one image of a proof.
type item struct {
	h      *holder
	i      int
	x      *proof.Image
	record []int8 // without an error
	rng    *rand.Rand
}

// add collects a point: the image under an error of one input.
func (c *item) add(g *group, image []int8, answer int, under fmt.Stringer, where string) {
	at := 0
	for _, v := range c.h.module.Inputs[:g.index] {
		at += v.Type.Slots()
	}
	one := slices.Clone(c.record)
	copy(one[at:], image)
	c.h.points = append(c.h.points, point{one, fmt.Sprintf("image %d under %s, %s:", c.i, under, where), answer})
}

func (c *item) fails(under fmt.Stringer, format string, args ...any) error {
	return diag.New(diag.Pos{File: c.h.file}, diag.CheckFailed, "image %d under %s: %s", c.i, under, fmt.Sprintf(format, args...))
}

// along collects the points of a range.
func (c *item) along(n int, g *group, k *proof.Kind) error {
	r := &c.x.Ranges[n]
	motion, err := c.h.motion(c.i, g, k)
	if err != nil {
		return err
	}
	list, why := sizesOf(r, motion, c.x.Right, c.h.inside, c.rng)
	switch {
	case r.Kind != k.Name || r.Way != k.Way:
		return c.fails(k, "its range is of %s %s", r.Kind, r.Way)
	case why != "":
		return c.fails(k, "%s", why)
	}
	for _, p := range list {
		c.add(g, motion.At(p.size), p.answer, k, "at size "+p.size.RatString())
		if p.isWrong {
			c.h.wrong++
		}
		if err := c.h.full(); err != nil {
			return err
		}
	}
	if c.h.ranges++; r.To != nil {
		c.h.random += c.h.inside
	}
	return nil
}

// at collects the points of a list of places.
func (c *item) at(n int, g *group, k *proof.PlaceKind) error {
	spots := &c.x.Spots[n]
	places, err := c.h.placesOf(c.i, g, k)
	if err != nil {
		return err
	}
	list, why := chosen(spots, places, c.x.Right, c.h.inside, c.rng)
	switch {
	case spots.Kind != k.Name || spots.Way != k.Way || spots.Extent != g.extent:
		return c.fails(k, "its places are of %s=%d %s", spots.Kind, spots.Extent, spots.Way)
	case why != "":
		return c.fails(k, "%s", why)
	}
	for _, p := range list {
		image, where := places.Clean(), "without an error"
		if !p.isClean {
			image, where = places.At(p.at), fmt.Sprintf("row %d, column %d", p.at.Row, p.at.Column)
		}
		c.add(g, image, p.answer, k, where)
		if p.answer != c.x.Right {
			c.h.wrongPlaces++
		} else {
			c.h.rightPlaces++
		}
		if err := c.h.full(); err != nil {
			return err
		}
	}
	c.h.lists++
	return nil
}

// drawn counts the draws of a random error again, and collects the first ones.
func (c *item) drawn(ctx context.Context, n int, e disturb.Condition, images int) error {
	chance := &c.x.Chances[n]
	if chance.Kind != e.Kind.Name || chance.Size != e.Size {
		return c.fails(e, "its draws are of %s=%g", chance.Kind, chance.Size)
	}
	right, answers, err := c.h.recount(ctx, c.i, e, c.x.Right)
	if err != nil {
		return err
	}
	for d, a := range answers {
		record, err := c.h.drawn(c.i, d, 1, e)
		if err != nil {
			return err
		}
		c.h.points = append(c.h.points, point{record, fmt.Sprintf("image %d under %s, draw %d:", c.i, e, d), a})
		c.h.evaluated++
	}
	c.h.counts++
	if right != chance.Right || chance.First != (answers[0] == c.x.Right) {
		return c.fails(e, "%d draws are right, the proof says %d", right, chance.Right)
	}
	if bound := proof.AtLeast(right, c.h.draws, c.h.doubt(images)); bound != chance.AtLeast {
		return c.fails(e, "the bound of %d right draws is %g, not %g", right, bound, chance.AtLeast)
	}
	return nil
}

// recount is how many draws are right, and the answers to the first ones, by sparse updates from each to the next.
func (h *holder) recount(ctx context.Context, i int, c disturb.Condition, right int) (n int, first []int, err error) {
	first = make([]int, min(h.inside, h.draws))
	counts, errs := make([]int, len(h.walkers)), make([]error, len(h.walkers))
	parallel.For(len(h.walkers), func(j int) {
		w := h.walkers[j]
		for d := j; d < h.draws && ctx.Err() == nil; d += len(h.walkers) {
			record, err := h.drawn(i, d, 1, c)
			if err != nil {
				errs[j] = err
				return
			}
			w.Set(record)
			answer := h.answer(w.Answer())
			if answer == right {
				counts[j]++
			}
			if d < len(first) {
				first[d] = answer
			}
		}
		if errs[j] = ctx.Err(); errs[j] == nil {
			errs[j] = w.Check(ctx)
		}
	})
	for _, k := range counts {
		n += k
	}
	return n, first, errors.Join(errs...)
}

// spot is a place, or the image without an error, and the answer there.
type spot struct {
	at      proof.Place
	isClean bool
	answer  int
}

// chosen are the places at which a list is held to the network: all that it names as wrong, and
// random others; or why it cannot be.
func chosen(r *proof.Spots, p *proof.Places, right, inside int, rng *rand.Rand) (list []spot, why string) {
	switch {
	case r.Places != len(p.List):
		return nil, fmt.Sprintf("there are %d places, not %d", len(p.List), r.Places)
	case r.Distinct != p.Distinct():
		return nil, fmt.Sprintf("there are %d distinct images, not %d", p.Distinct(), r.Distinct)
	case r.Clean != nil && (*r.Clean == right || len(r.Wrong) > 0):
		return nil, "it is wrong without an error, and that answer is right or places are listed"
	case r.Clean != nil:
		return []spot{{isClean: true, answer: *r.Clean}}, ""
	}
	wrong := map[proof.Place]bool{}
	for _, x := range r.Wrong {
		at := proof.Place{Row: x.Row, Column: x.Column}
		if x.Answer == right || wrong[at] || !slices.Contains(p.List, at) {
			return nil, fmt.Sprintf("row %d, column %d: no place, listed twice, or the wrong answer is the right one", x.Row, x.Column)
		}
		wrong[at] = true
		list = append(list, spot{at: at, answer: x.Answer})
	}
	for range inside {
		at := p.List[rng.IntN(len(p.List))]
		if !wrong[at] {
			list = append(list, spot{at: at, answer: right})
		}
	}
	return append(list, spot{isClean: true, answer: right}), ""
}

// sized is a size of a range, and the answer there.
type sized struct {
	size    *big.Rat
	answer  int
	isWrong bool
}

// sizesOf are the sizes at which a range is held to the network, or why it cannot be.
func sizesOf(r *proof.Range, m *proof.Motion, right, inside int, rng *rand.Rand) (list []sized, why string) {
	p := m.Path()
	none, all := new(big.Rat), big.NewRat(1, 1)
	switch {
	case r.Distinct != 1+len(p.Steps):
		return nil, fmt.Sprintf("there are %d distinct images, not %d", 1+len(p.Steps), r.Distinct)
	case r.Then != nil && *r.Then == right:
		return nil, fmt.Sprintf("the wrong answer is %d, which is right", right)
	case r.To == nil && r.Then == nil:
		return nil, "it is wrong without an error, and the wrong answer is missing"
	case r.To == nil:
		return []sized{{size: none, answer: *r.Then, isWrong: true}}, ""
	}
	to := &r.To.Rat
	list = append(list, sized{size: none, answer: right})
	for range inside {
		share := big.NewRat(rng.Int64N(1<<40), 1<<40)
		list = append(list, sized{size: share.Mul(share, to), answer: right})
	}
	middle := func(a, b *big.Rat) *big.Rat {
		x := new(big.Rat).Add(a, b)
		return x.Mul(x, big.NewRat(1, 2))
	}
	if r.Then == nil {
		if to.Cmp(all) != 0 || !r.Including {
			return nil, "it ends before size 1, and the wrong answer is missing"
		}
		return append(list, sized{size: all, answer: right}), ""
	}
	step := p.Begun(to)
	if !r.Including {
		step--
	}
	if step < 0 || step >= len(p.Steps) || p.Steps[step].At.Cmp(to) != 0 || p.Steps[step].After != r.Including {
		return nil, fmt.Sprintf("no image begins where its range ends, at %s", to.RatString())
	}
	last, next := none, all
	if step > 0 {
		last = p.Steps[step-1].At
	}
	if step+1 < len(p.Steps) {
		next = p.Steps[step+1].At
	}
	if r.Past {
		at := proof.NextSample(p.Steps[step])
		if p.Begun(at) <= step+1 {
			return nil, "no size of a measurement lies beyond its end"
		}
		list = append(list, sized{size: at, answer: right})
	}
	if r.Including {
		return append(list, sized{size: to, answer: right}, sized{size: middle(to, next), answer: *r.Then, isWrong: true}), ""
	}
	if last.Cmp(to) < 0 {
		list = append(list, sized{size: middle(last, to), answer: right})
	}
	return append(list, sized{size: to, answer: *r.Then, isWrong: true}), ""
}

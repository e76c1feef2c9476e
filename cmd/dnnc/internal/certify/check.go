package certify

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// inside is the random sizes inside each range that a check evaluates.
const inside = 4

// point is an image at a size, and what a proof says of it.
type point struct {
	image, way int
	size       *big.Rat
	answer     int  // that it must have
	isWrong    bool // where the answer is the wrong one
}

// check holds every range of a proof to the network: the images of both ends and of random
// sizes inside are made by themselves, each evaluated as a whole by the interpreter, which did
// not find the proof, and by the object of the target, where one is named and can be run.
func check(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	d, err := read(o.Proof)
	if err != nil {
		return err
	}
	o.Errors, o.TestImages, o.Seed = d.Errors, d.Drawn, d.Seed
	if o.Task == "" {
		o.Task = d.Task
	}
	s, err := open(ctx, o, stdout, stderr)
	if err != nil {
		return err
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
	prog, err := interp.CompileInt(s.result.Module)
	if err != nil {
		return err
	}
	runs = append(runs, func(x [][]int8) ([]int, error) { return s.interpreted(ctx, prog, slices.Concat(x...), len(x)) })
	if driver.IsShipped(o.Input) || o.Target != "" {
		object, closed, err := s.object(ctx, prog)
		if err != nil {
			return err
		}
		defer closed()
		runs, by = append(runs, object), by+" and by the object on "+s.result.Target.Name
	}
	return s.hold(d, o, runs, by, stdout, stderr)
}

// object is what runs the object of the target.
func (s *subject) object(ctx context.Context, prog *interp.Int) (run func([][]int8) ([]int, error), closed func(), err error) {
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
	m := s.result.Module
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
			y := make([]int8, prog.Size(m.Outputs[0])) // a vector: as it lies in memory
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

// hold evaluates the points of all ranges.
func (s *subject) hold(d *proof.Document, o driver.Options, runs []func([][]int8) ([]int, error), by string, stdout, stderr io.Writer) error {
	show, end := driver.Progress(stderr, "checking images")
	defer end()
	var points []point
	var records [][]int8
	ranges, wrong, random := 0, 0, 0
	flush := func() error {
		for _, run := range runs {
			if len(records) == 0 {
				break
			}
			got, err := run(records)
			if err != nil {
				return err
			}
			for i, p := range points {
				if got[i] != p.answer {
					return diag.New(diag.Pos{File: o.Proof}, diag.CheckFailed, "image %d, range %d: at size %s the answer is %d, the proof says %d", p.image, p.way, p.size.RatString(), got[i], p.answer)
				}
			}
		}
		points, records = points[:0], records[:0]
		return nil
	}
	for i, x := range d.Decided {
		rng := rand.New(rand.NewPCG(d.Seed, uint64(i)))
		record := interp.QuantizeInputs(s.result.Module, s.images.Image(i))
		err := s.each(func(n int, g *group, k *proof.Kind) error {
			r := &x.Ranges[n]
			fails := func(format string, args ...any) error {
				return diag.New(diag.Pos{File: o.Proof}, diag.CheckFailed, "image %d under %s: %s", i, k, fmt.Sprintf(format, args...))
			}
			motion, err := s.motion(i, g, k)
			if err != nil {
				return err
			}
			list, why := pointsOf(r, motion, x.Right, rng)
			switch {
			case r.Kind != k.Name || r.Way != k.Way:
				return fails("its range is of %s %s", r.Kind, r.Way)
			case why != "":
				return fails("%s", why)
			}
			at := 0
			for _, v := range s.result.Module.Inputs[:g.index] {
				at += v.Type.Slots()
			}
			for _, p := range list {
				p.image, p.way = i, n
				one := append([]int8(nil), record...)
				copy(one[at:], motion.At(p.size))
				points, records = append(points, p), append(records, one)
				if p.isWrong {
					wrong++
				}
			}
			if ranges++; r.To != nil {
				random += inside
			}
			if len(records) >= together {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
		show(i+1, len(d.Decided))
	}
	if err := flush(); err != nil {
		return err
	}
	end()
	if len(d.Decided) < d.Images {
		fmt.Fprintf(stdout, "INTERRUPTED after %d of %d images: nothing is proved of the others\n", len(d.Decided), d.Images)
	}
	fmt.Fprintf(stdout, "%s: %d ranges of %d images hold %s: right at both ends and at %d random sizes inside, wrong where %d of them end\n",
		filepath.Base(o.Proof), ranges, len(d.Decided), by, random, wrong)
	fmt.Fprintln(stdout, proof.Statement)
	return nil
}

// pointsOf are the sizes at which a range is held to the network, or why it cannot be.
func pointsOf(r *proof.Range, m *proof.Motion, right int, rng *rand.Rand) (list []point, why string) {
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
		return []point{{size: none, answer: *r.Then, isWrong: true}}, ""
	}
	to := &r.To.Rat
	list = append(list, point{size: none, answer: right})
	for range inside {
		share := big.NewRat(rng.Int64N(1<<40), 1<<40)
		list = append(list, point{size: share.Mul(share, to), answer: right})
	}
	middle := func(a, b *big.Rat) *big.Rat {
		x := new(big.Rat).Add(a, b)
		return x.Mul(x, big.NewRat(1, 2))
	}
	if r.Then == nil {
		if to.Cmp(all) != 0 || !r.Including {
			return nil, "it ends before size 1, and the wrong answer is missing"
		}
		return append(list, point{size: all, answer: right}), ""
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
	if r.Including {
		return append(list, point{size: to, answer: right}, point{size: middle(to, next), answer: *r.Then, isWrong: true}), ""
	}
	if last.Cmp(to) < 0 {
		list = append(list, point{size: middle(last, to), answer: right})
	}
	return append(list, point{size: to, answer: *r.Then, isWrong: true}), ""
}

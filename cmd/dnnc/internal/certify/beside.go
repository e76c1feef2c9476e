package certify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"sync"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/proof"
)

// Beside is what is proved of a network up to a size of an error, beside what a measurement at this size
// finds on the same images.
type Beside struct {
	Error  string  `json:"error"` // as -errors writes it
	Size   float64 `json:"size"`
	Images int     `json:"images"`
	// Measured images are right at the size in every direction, Proved ones at every size up to it.
	Measured int `json:"measured"`
	Proved   int `json:"proved"`
}

// Sides are images of which networks are proved, beside a measurement.
type Sides struct {
	setup  measure.Setup
	groups []group
	right  []int
}

// NewSides are the first -proved images of those to report on, under the errors of a result: it has a network of reals,
// whose answers are right where there are no labels.
func NewSides(ctx context.Context, o driver.Options, r *driver.Result) (*Sides, error) {
	setup, source, _, err := driver.Setup(ctx, o, r)
	if err != nil {
		return nil, err
	}
	if source == "" {
		return nil, noImages()
	}
	setup.Images = setup.Images.Slice(0, min(o.Proved, setup.Images.N))
	return SidesOf(ctx, setup, dnnc.Inputs(r.Network()), func(ctx context.Context, x []float32, n int) ([]float32, error) {
		exact, err := interp.CompileFloat(r.Module.Clone())
		if err != nil {
			return nil, err
		}
		return exact.Results(ctx, x, n)
	})
}

// SidesOf are the images of a setup under those of its conditions that can be decided at every size. first has the right
// answers where there are no labels.
func SidesOf(ctx context.Context, setup measure.Setup, inputs []disturb.Input, first measure.Network) (*Sides, error) {
	if err := setup.Task.Decides("a proof"); err != nil {
		return nil, err
	}
	conditions, err := Provable(setup.Conditions)
	if err != nil {
		return nil, err
	}
	s := &Sides{setup: setup}
	if s.groups, err = groupsOfConditions(conditions, inputs); err != nil {
		return nil, err
	}
	s.right, err = s.setup.Right(ctx, first)
	return s, err
}

// Provable are the conditions that can be decided at every size; a diagnostic where there is none.
func Provable(list []disturb.Condition) (left []disturb.Condition, err error) {
	for _, c := range list {
		if slices.Contains(proof.Names(), c.Kind.Name) {
			left = append(left, c)
		}
	}
	if len(left) == 0 {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-proved: of none of the errors every size can be decided").
			WithHelp("-errors names some: %s", strings.Join(proof.Names(), " "))
	}
	return left, nil
}

// Of decides the images for the integers of a network, by errors and their sizes.
func (s *Sides) Of(ctx context.Context, m *ir.Module, messages io.Writer) ([]Beside, error) {
	show, end := driver.Progress(messages, "deciding images")
	defer end()
	return s.Shown(ctx, m, show)
}

// Shown is Of, which tells of the images that are done.
func (s *Sides) Shown(ctx context.Context, m *ir.Module, show func(done, total int)) ([]Beside, error) {
	if err := canMove(s.groups, m); err != nil {
		return nil, err
	}
	net, err := proof.NewNet(m)
	if err != nil {
		return nil, err
	}
	n := s.setup.Images.N
	walkers, err := walkersOf(net, n)
	if err != nil {
		return nil, err
	}
	var out []Beside
	for _, g := range s.groups {
		for _, size := range g.sizes {
			out = append(out, Beside{Error: g.name, Size: size, Images: n})
		}
	}
	one := &subject{module: m, images: s.setup.Images, answer: answers(&s.setup.Task, m.Outputs[0])}
	errs := make([]error, n)
	done := 0
	var mu sync.Mutex
	parallel.For(n, func(i int) {
		w := <-walkers
		defer func() { walkers <- w }()
		var got []Beside
		for k := range s.groups {
			list, err := one.beside(ctx, w, i, &s.groups[k], s.right[i])
			if err != nil {
				errs[i] = err
				return
			}
			got = append(got, list...)
		}
		mu.Lock()
		defer mu.Unlock()
		for k, x := range got {
			out[k].Measured += x.Measured
			out[k].Proved += x.Proved
		}
		done++
		show(done, n)
	})
	return out, errors.Join(errs...)
}

// beside decides one image under all directions of an error: by size whether it is right at it, and up to it.
func (s *subject) beside(ctx context.Context, w *proof.Walker, i int, g *group, right int) ([]Beside, error) {
	record := interp.QuantizeInputs(s.module, s.images.Image(i))
	isRight := func(y []int8) bool { return s.answer(y) == right }
	var ranges []proof.Range
	out := make([]Beside, len(g.sizes))
	for k := range out {
		out[k].Measured, out[k].Proved = 1, 1
	}
	for _, kind := range g.kinds {
		motion, err := s.motion(i, g, kind)
		if err != nil {
			return nil, err
		}
		p := motion.Path()
		v, err := w.Walk(ctx, record, g.index, p, isRight)
		if err != nil {
			return nil, fmt.Errorf("image %d under %s: %w", i, kind, err)
		}
		ranges = append(ranges, proof.NewRange(kind, p, v, s.answer(v.Answer)))
		for k, size := range g.sizes {
			if !isRight(w.AnswerTo(g.index, motion.At(new(big.Rat).SetFloat64(size)))) {
				out[k].Measured = 0
			}
		}
	}
	for k, size := range g.sizes {
		if !proof.Hold(ranges, new(big.Rat).SetFloat64(size)) {
			out[k].Proved = 0
		}
	}
	return out, nil
}

// PrintBeside writes a table of networks by their names.
func PrintBeside(out io.Writer, what string, names []string, of [][]Beside) {
	w := table(out, "proved beside measured: images that are right at every size of the error up to this one, and at this one")
	fmt.Fprintf(w, "%s\terror\tsize\timages\tmeasured\tproved\t\n", what)
	for i, list := range of {
		for _, x := range list {
			share := func(n int) float64 { return float64(n) / float64(x.Images) }
			fmt.Fprintf(w, "%s\t%s\t%g\t%d\t%.4f\t%.4f\t\n", names[i], x.Error, x.Size, x.Images, share(x.Measured), share(x.Proved))
		}
	}
	w.Flush()
	fmt.Fprintln(out, proof.Statement)
}

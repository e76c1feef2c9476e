package certify

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/proof"
)

// alike are the kinds whose images a proof follows just as package disturb makes them; of light in
// the way that the gradient tells. Of drift and gain disturb draws others.
var alike = []string{"light", "brighten", "darken", "contrast", "fog-blend", "saturation"}

// Distances are the exact sizes at which the answers of the integers of a network to the images of a
// setup become wrong under a condition's kind of error: 0 where one is wrong without any,
// measure.Never where it never is. They are nil of a kind that has no such sizes, and of an input
// whose sizes cannot be listed.
func Distances(ctx context.Context, r *driver.Result, setup measure.Setup, right []int, c disturb.Condition) ([]float64, error) {
	if !slices.Contains(alike, c.Kind.Name) {
		return nil, nil
	}
	list, err := groupsOfConditions([]disturb.Condition{c}, dnnc.Inputs(r.Network()))
	if err != nil {
		return nil, err
	}
	g, m := &list[0], r.Whole()
	if canMove(list, m) != nil {
		return nil, nil
	}
	var margin []float32
	if c.Kind.Guided {
		if margin, _, err = setup.Gradient(setup.Images); err != nil {
			return nil, err
		}
	}
	net, err := proof.NewNet(m)
	if err != nil {
		return nil, err
	}
	n := setup.Images.N
	walkers, err := walkersOf(net, n)
	if err != nil {
		return nil, err
	}
	s := &subject{module: m, images: setup.Images}
	answer := answers(&setup.Task, m.Outputs[0])
	out, errs := make([]float64, n), make([]error, n)
	done := 0
	var mu sync.Mutex
	parallel.For(n, func(i int) {
		w := <-walkers
		defer func() { walkers <- w }()
		k := g.kinds[0]
		if margin != nil {
			k = g.kinds[wayOf(margin[i*setup.Images.Size():][g.at:g.at+m.Inputs[g.index].Type.Shape.Size()])]
		}
		motion, err := s.motion(i, g, k)
		if err != nil {
			errs[i] = err
			return
		}
		p := motion.Path()
		v, err := w.Walk(ctx, interp.QuantizeInputs(m, setup.Images.Image(i)), g.index, p, func(y []int8) bool { return answer(y) == right[i] })
		if err != nil {
			errs[i] = err
			return
		}
		switch {
		case v.Wrong < 0:
		case v.Wrong == len(p.Steps):
			out[i] = measure.Never
		default:
			out[i], _ = p.Steps[v.Wrong].At.Float64()
		}
		mu.Lock()
		defer mu.Unlock()
		if done++; setup.Progress != nil {
			setup.Progress(done, n)
		}
	})
	return out, errors.Join(errs...)
}

// wayOf is the place of light's direction in which the margin falls: brighter, or darker where
// its gradient is above 0 in the mean.
func wayOf(gradient []float32) int {
	sum := 0.
	for _, g := range gradient {
		sum += float64(g)
	}
	if sum > 0 {
		return 1
	}
	return 0
}

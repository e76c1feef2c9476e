package compare

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// contest is the state of compare for one seed.
type contest struct {
	o        driver.Options
	r        *driver.Result
	messages io.Writer
	search   *robust.Search
	setup    measure.Setup
	float    *measure.Replay
	exact    *measure.Score
	scores   map[string]*measure.Score // of the networks so far, by their formats
	sides    *certify.Sides            // nil where nothing is to be proved
	proved   map[string][]certify.Beside
}

func newContest(ctx context.Context, o driver.Options, stdout, stderr io.Writer) (*contest, error) {
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return nil, err
	}
	driver.Widened(stderr, r.Env.Widened)
	c := &contest{o: o, r: r, messages: stderr, scores: map[string]*measure.Score{}}
	if c.setup, _, _, err = driver.Setup(ctx, o, r); err != nil {
		return nil, err
	}
	c.setup.Alone = false
	exact, err := interp.CompileFloat(r.Module.Clone())
	if err != nil {
		return nil, err
	}
	c.float = &measure.Replay{Network: exact.Results}
	if o.Proved > 0 {
		c.proved = map[string][]certify.Beside{}
		if c.sides, err = certify.NewSides(ctx, o, r); err != nil {
			return nil, err
		}
	}
	c.search, err = robust.New(r.Module, r.Env)
	return c, err
}

// run gives methods one budget. The runs of a method are those of some results, in their
// order.
func (c *contest) run(ctx context.Context, bits float64, runs []outcome, results int) ([]outcome, error) {
	c.r.Env.Budget = pass.Budget{Bits: bits, Cycles: c.o.Budget.Cycles, CyclesOfInt8: c.o.Budget.CyclesOfInt8}
	bytes, _ := robust.Limit(c.r.Module.Layers(), c.r.Env.Budget)
	weights := 0
	for _, n := range c.r.Module.Layers() {
		weights += n.Const(ir.AttrWeight).Type.Shape.Size()
	}
	chosen := make([]*robust.Network, len(runs))
	for i := 0; i < len(runs); i += results {
		r := &runs[i]
		report := &c.r.Env.Report
		*report = pass.SearchReport{}
		search := c.search
		if r.method == "qstar" {
			// It must not find the table that another method filled.
			alone := *c.r.Env
			alone.Checkpoint = ""
			var err error
			if search, err = robust.New(c.r.Module, &alone); err != nil {
				return nil, err
			}
			report = &alone.Report
		}
		net, err := search.Choose(ctx, r.method, bytes)
		if err != nil {
			var d *diag.Diagnostic
			if errors.As(err, &d) && d.Kind == diag.BadBudget {
				continue // nothing that small
			}
			return nil, err
		}
		for j := i; j < i+results; j++ {
			chosen[j] = net
			runs[j].average = 8 * float64(net.Bytes) / float64(weights)
			runs[j].evaluations, runs[j].macs = report.Evaluations, report.MACs
		}
	}
	if err := c.measure(ctx, chosen); err != nil {
		return nil, err
	}
	for i := range runs {
		r := &runs[i]
		if chosen[i] == nil {
			r.average, r.retention, r.worst = math.NaN(), math.NaN(), math.NaN()
			continue
		}
		r.proved = c.proved[chosen[i].Key()]
		result := i % results
		s, exact := c.scores[chosen[i].Key()].All()[result], c.exact.All()[result]
		kept := s.Retention(exact)
		r.retention, r.stderr, r.worst = kept.Value, kept.StdErr, math.Inf(1)
		for _, k := range s.KindRetention(exact) {
			r.worst = min(r.worst, k.Value) // NaN where one is not defined
		}
		if chosen[0] == nil || exact.Base() == 0 { // no other takes the first one's place; 0/0 is no figure
			r.below, r.belowSE = math.NaN(), math.NaN()
			continue
		}
		gap := c.scores[chosen[0].Key()].All()[result].Difference(s)
		r.below, r.belowSE = gap.Value/exact.Base(), gap.StdErr/exact.Base()
	}
	return runs, nil
}

// measure scores the networks that were not measured yet, all on the same
// disturbed images, beside the float network.
func (c *contest) measure(ctx context.Context, list []*robust.Network) error {
	c.float.Rewind()
	nets := []measure.Network{c.float.Run}
	var keys []string
	for _, n := range list {
		if n == nil || c.scores[n.Key()] != nil || slices.Contains(keys, n.Key()) {
			continue
		}
		m, err := c.search.Quantized(ctx, n.Formats)
		if err != nil {
			return err
		}
		prog, err := interp.CompileInt(m)
		if err != nil {
			return err
		}
		if c.sides != nil {
			if c.proved[n.Key()], err = c.sides.Of(ctx, m, c.messages); err != nil {
				return err
			}
		}
		keys = append(keys, n.Key())
		nets = append(nets, func(ctx context.Context, x []float32, n int) ([]float32, error) {
			return interp.Logits(ctx, prog, x, n)
		})
	}
	if len(keys) == 0 {
		return nil
	}
	scores, err := measure.Robust(ctx, c.setup, nets...)
	if err != nil {
		return err
	}
	c.exact = scores[0]
	for i, k := range keys {
		c.scores[k] = scores[i+1]
	}
	return nil
}

package robust

import (
	"context"
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/tune"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Tune tunes the quantized network by gradients. What a search for a share of the robust
// accuracy says of its choice, it then says of the tuned network: that one is tested on the
// same images, and of a promise the network stays as it was unless the test is passed. That
// takes nothing from the confidence: a network that keeps less ships only where itself or, if
// the choice keeps less, the choice passes a test that it should fail.
func Tune(ctx context.Context, m *ir.Module, env *pass.Env) error {
	if !env.Tune.IsOn() {
		return nil
	}
	effort, err := env.Tune.MACs(env.Report.MACs)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadValue, "%v", err)
	}
	var f *ir.Module
	if env.Float != nil {
		f = env.Float()
	}
	if f == nil {
		return diag.New(diag.Pos{File: m.Pos.File}, diag.AlreadyLowered, "-tune %s: the float network that teaches the quantized one is not there", env.Tune.Effort).
			WithHelp("tune from the source, or from a dump of -stop-after robust")
	}
	tuned, report, err := tune.Network(ctx, f, m, env, effort)
	if err != nil {
		return err
	}
	if report.Declined == "" {
		if err := keepsTuned(ctx, f, tuned, env, report); err != nil {
			return err
		}
	}
	if env.Tuned = report; report.Declined == "" {
		*m = *tuned
	}
	return nil
}

// keepsTuned tests a tuned network where the choice was tested.
func keepsTuned(ctx context.Context, f, tuned *ir.Module, env *pass.Env, report *pass.Tuned) error {
	k := env.Report.Kept
	if k == nil || k.Bound.Items == 0 {
		return nil
	}
	b, err := boundOf(ctx, f, tuned, env)
	if err != nil {
		return err
	}
	if k.Promised && !b.Holds(k.Share) {
		report.Declined = fmt.Sprintf("the tuned network was not shown to keep %v: %v", k.Share, b)
		return nil
	}
	k.Bound = b
	return nil
}

// boundOf is what a quantized network keeps by the images that nothing else is judged by.
func boundOf(ctx context.Context, f, q *ir.Module, env *pass.Env) (measure.Bound, error) {
	float, err := interp.CompileFloat(f)
	if err != nil {
		return measure.Bound{}, err
	}
	r := &runner{m: f, env: env, float: float, task: env.Judging(float.Answer())}
	clean, err := env.Tests()
	if err != nil || clean.N == 0 {
		return measure.NoBound(), err
	}
	var p panel
	if err := r.open(ctx, &p, clean, pass.UnseenAt); err != nil {
		return measure.Bound{}, err
	}
	s, err := p.score(ctx, q)
	if err != nil {
		return measure.Bound{}, err
	}
	return measure.Keeps(s, p.exact, env.Objective == pass.Worst), nil
}

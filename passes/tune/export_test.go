package tune

import (
	"context"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// Watched is Network that shows the codes as they ship before and after each step.
func Watched(ctx context.Context, f, q *ir.Module, env *pass.Env, effort float64, before, after func(codes []byte)) (*pass.Tuned, error) {
	report := &pass.Tuned{}
	t, judge, final, err := begin(ctx, f, q, env, report)
	if err != nil {
		return report, err
	}
	codes := func() (all []byte) {
		for i := range t.layers {
			if t.layers[i].codes {
				_, _, _, code := t.layers[i].parts(t.params)
				all = append(all, shipped(code)...)
			}
		}
		return all
	}
	env.Progress = func(string, int, int) { before(codes()) }
	env.Enough = func() bool { after(codes()); return false }
	_, err = t.run(ctx, q, judge, final, effort)
	return report, err
}

// Package machine holds the passes that decide how a quantized network is
// computed on a target: which kernel, which tile, which memory. Code
// generation decides nothing; it reads what these passes wrote into the IR.
package machine

import (
	"context"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes/pass"
)

// Select chooses the kernel of each operation, its tile and its scratch. What
// another target's choice left is dropped first.
func Select(_ context.Context, m *ir.Module, env *pass.Env) error {
	m.Target = env.Target.Name
	m.Arena = ir.Arena{}
	var list diag.List
	for _, n := range m.Ops {
		for _, a := range []string{"impl", "multiply", "tile", "scratch", "lag"} {
			n.Set(a, nil)
		}
		n.Out.At = ir.Place{}
		k := target.Choose(n, env.Target)
		if k == nil {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel for this %s on %s", n.Name(), n.Op, env.Target.Name)
			continue
		}
		k.Assign(n, env.Target)
	}
	return list.Err()
}

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

// Select chooses the kernel of each operation, its tile and its scratch: within the
// memory that a budget leaves, if there is one. What another target's choice left is
// dropped first.
func Select(_ context.Context, m *ir.Module, env *pass.Env) error {
	m.Target = env.Target.Name
	m.Arena = ir.Arena{}
	var list diag.List
	for i, n := range m.Ops {
		for _, a := range []string{"impl", "multiply", "tile", "scratch", "lag"} {
			n.Set(a, nil)
		}
		n.Out.At = ir.Place{}
		k := target.Choose(n, env.Target)
		if ram := env.Budget.RAM; ram > 0 && k != nil {
			k = target.ChooseWithin(n, env.Target, ram-alive(m, i))
		}
		if k == nil {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel for this %s on %s", n.Name(), n.Op, env.Target.Name)
			continue
		}
		k.Assign(n, env.Target)
	}
	return list.Err()
}

// alive is the bytes of the arena that values take at a step, at the most: a result may
// come to lie over its argument.
func alive(m *ir.Module, step int) int {
	sum := 0
	for v, at := range ir.Liveness(m) {
		if at.From >= 0 && at.From <= step && step <= at.To && !m.IsOutput(v) {
			sum += v.Type.Shape.Size()
		}
	}
	return sum
}

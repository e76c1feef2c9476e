package graph

import (
	"context"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// FuseDifference makes one operation of a difference and its product with another value, as
// normalizations and gated recurrent units have it, or with itself: the product is rounded
// once. The difference stays where others use it.
func FuseDifference(_ context.Context, m *ir.Module, _ *pass.Env) error {
	for _, n := range m.Ops {
		if n.Op != ir.Mul {
			continue
		}
		i := slices.IndexFunc(n.Args, isDifference)
		if i < 0 {
			continue
		}
		d, other := n.Args[i], n.Args[1-i]
		n.Op, n.Args = ir.ScaledDiff, []*ir.Value{d.Def.Args[0], d.Def.Args[1], other}
		if d == other {
			n.Op, n.Args = ir.SquaredDiff, n.Args[:2]
		}
	}
	return nil
}

// isDifference reports whether a value is a difference, of no activation.
func isDifference(v *ir.Value) bool {
	return v.Def != nil && v.Def.Op == ir.Sub && v.Def.Word(ir.AttrAct) == ir.ActNone
}

package machine

import (
	"context"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
)

// FusePool has a convolution keep the greatest of its outputs where a max pooling
// of windows that do not overlap is all that reads them. The integers are the same,
// for requantization and bounds never turn two numbers around: the greatest of the
// bounded is the bounded greatest.
func FusePool(_ context.Context, m *ir.Module, env *pass.Env) error {
	uses, returned := m.Uses(), m.Returned()
	m.Bypass(func(pool *ir.Node) *ir.Value {
		if pool.Op != ir.MaxPool2D || returned[pool.Out] {
			return nil
		}
		conv := pool.Args[0].Def
		if conv == nil || conv.Op != ir.Conv2D || uses[conv.Out] != 1 || !fuses(conv, pool, env.Target) {
			return nil
		}
		conv.Put(ir.AttrPool.Is(slices.Clone(pool.Ints(ir.AttrKernel))))
		conv.Put(ir.AttrLo.Is(max(conv.Int(ir.AttrLo), pool.Int(ir.AttrLo))))
		conv.Put(ir.AttrHi.Is(min(conv.Int(ir.AttrHi), pool.Int(ir.AttrHi))))
		conv.Out.Type.Shape = slices.Clone(pool.Out.Type.Shape)
		return conv.Out
	})
	return nil
}

func fuses(conv, pool *ir.Node, t *processor.Target) bool {
	list := Serving(kernel.Of(conv, t))
	return len(list) > 0 && list[0].Family.Pools && !conv.Has(ir.AttrPool) &&
		slices.Equal(pool.Stride(), pool.Ints(ir.AttrKernel)) && slices.Max(pool.Ints(ir.AttrPad)) == 0 && slices.Max(pool.Ints(ir.AttrDilation)) == 1 &&
		conv.Out.Type.Quant == pool.Out.Type.Quant && max(conv.Int(ir.AttrLo), pool.Int(ir.AttrLo)) <= min(conv.Int(ir.AttrHi), pool.Int(ir.AttrHi))
}

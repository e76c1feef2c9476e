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
	for _, pool := range slices.Clone(m.Ops) {
		if pool.Op != ir.MaxPool2D || m.IsOutput(pool.Out) {
			continue
		}
		conv := producer(m, pool.Args[0])
		if conv == nil || !fuses(m, conv, pool, env.Target) {
			continue
		}
		conv.Put(ir.AttrPool.Is(slices.Clone(pool.Ints(ir.AttrKernel))))
		conv.Put(ir.AttrLo.Is(max(conv.Int(ir.AttrLo), pool.Int(ir.AttrLo))))
		conv.Put(ir.AttrHi.Is(min(conv.Int(ir.AttrHi), pool.Int(ir.AttrHi))))
		conv.Out.Type.Shape = slices.Clone(pool.Out.Type.Shape)
		m.Replace(pool.Out, conv.Out)
		m.Remove(pool)
	}
	return nil
}

// producer is the convolution that makes a value, or nil.
func producer(m *ir.Module, v *ir.Value) *ir.Node {
	for _, n := range m.Ops {
		if n.Out == v && n.Op == ir.Conv2D {
			return n
		}
	}
	return nil
}

func fuses(m *ir.Module, conv, pool *ir.Node, t *processor.Target) bool {
	list := Serving(kernel.Of(conv, t))
	return len(list) > 0 && list[0].Family.Pools && !conv.Has(ir.AttrPool) && len(m.Users(conv.Out)) == 1 && !m.IsOutput(conv.Out) &&
		slices.Equal(pool.Stride(), pool.Ints(ir.AttrKernel)) && slices.Max(pool.Ints(ir.AttrPad)) == 0 && slices.Max(pool.Ints(ir.AttrDilation)) == 1 &&
		conv.Out.Type.Quant == pool.Out.Type.Quant && max(conv.Int(ir.AttrLo), pool.Int(ir.AttrLo)) <= min(conv.Int(ir.AttrHi), pool.Int(ir.AttrHi))
}

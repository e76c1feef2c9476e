package interp

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
)

// Streamed runs a float module one operation after the other, for networks whose
// weights are not to be in memory all at once: those of an operation are there while
// it runs, a large matrix a few rows at a time. Every value has the bits that Float
// gives it.
type Streamed struct {
	p    *Float
	live map[*ir.Value]ir.Interval
	free [][]float32 // the memory of values that nothing reads any more
}

// Stream prepares a float module.
func Stream(m *ir.Module) (*Streamed, error) {
	if m.IsQuantized() {
		return nil, fmt.Errorf("interp: %s is quantized", m.Name)
	}
	return &Streamed{p: number[float32](m), live: ir.Liveness(m)}, nil
}

// Peak is the greatest bytes that the values of one image take at once, inputs
// apart.
func (s *Streamed) Peak() int {
	most := 0
	for i := range s.p.Module.Ops {
		sum := 0
		for v, l := range s.live {
			if v.Def != nil && l.From <= i && i <= l.To {
				sum += 4 * s.p.Size(v)
			}
		}
		most = max(most, sum)
	}
	return most
}

// Run runs all operations on the records of n images. visit sees each result, which
// is its own only until it returns.
func (s *Streamed) Run(ctx context.Context, x []float32, n int, visit func(v *ir.Value, y []float32)) error {
	p := s.p
	t := p.Tensors(n)
	p.Feed(t, x, n)
	for i, o := range p.Module.Ops {
		out := p.ID(o.Out)
		t[out] = s.take(n * p.sizes[out])
		if err := s.step(ctx, t, n, i); err != nil {
			return err
		}
		visit(o.Out, t[out])
		for v, l := range s.live {
			if id := p.ID(v); v.Def != nil && l.To <= i && t[id] != nil {
				s.free, t[id] = append(s.free, t[id]), nil
			}
		}
	}
	for v := range s.live {
		if id := p.ID(v); v.Def != nil && t[id] != nil {
			s.free = append(s.free, t[id])
		}
	}
	return nil
}

// step runs operation i.
func (s *Streamed) step(ctx context.Context, t Tensors[float32], n, i int) (err error) {
	p, o := s.p, s.p.Module.Ops[i]
	if o.Op == ir.Linear {
		if err = ctx.Err(); err == nil {
			err = streamLinear(o, n, t[p.steps[i].args[0]], t[p.steps[i].out])
		}
	} else if p.steps[i].run, err = operations[o.Op].float(p, o); err == nil {
		err = p.Run(ctx, t, n, i, i+1)
	}
	p.steps[i].run, p.floats = nil, 0
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name(), err)
	}
	return nil
}

// take is memory for a value: the smallest free one that is large enough.
func (s *Streamed) take(size int) []float32 {
	best := -1
	for i, f := range s.free {
		if cap(f) >= size && (best < 0 || cap(f) < cap(s.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return make([]float32, size)
	}
	f := s.free[best]
	s.free = slices.Delete(s.free, best, best+1)
	return f[:size]
}

// streamedWeights is the weights of a matrix that a worker has in memory at a time,
// unless a panel of columns has more.
const streamedWeights = 1 << 18

// streamLinear is linearStep with a few outputs at a time.
func streamLinear(n *ir.Node, images int, x, y []float32) error {
	weight, shape := n.Const(ir.AttrWeight), n.Const(ir.AttrWeight).Type.Shape
	rows, cols := shape[0], shape[1]
	bias := make([]float32, rows)
	if b := n.Const(ir.AttrBias); b != nil {
		var err error
		if bias, err = b.Float32(); err != nil {
			return err
		}
	}
	step := max(streamedWeights/cols/gemm.Tile, 1) * gemm.Tile
	errs := make([]error, (rows+step-1)/step)
	parallel.For(len(errs), func(block int) {
		first := block * step
		count := min(step, rows-first)
		w, err := weight.Floats(first*cols, count*cols)
		if err != nil {
			errs[block] = err
			return
		}
		part := make([]float32, images*count)
		gemm.NewColumns(cols, count, w, 1, cols).Product(images, x, part)
		for i := range images {
			to := y[i*rows+first:][:count]
			for j, v := range part[i*count : (i+1)*count] {
				to[j] = v + bias[first+j]
			}
			activate(n.Word(ir.AttrAct), to)
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

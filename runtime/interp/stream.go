package interp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
)

// Streamed runs a module one operation after the other, for networks whose weights are not
// to be in memory all at once: those of an operation are there while it runs, a large matrix
// a few rows at a time. Every value has the bits that Float or Int gives it.
type Streamed[T float32 | int8] struct {
	p      *Program[T]
	build  func(p *Program[T], n *ir.Node) (func(*workspace, int, []T, [][]T), error)
	linear func(n *ir.Node, images int, x, y []T) error
	last   [][]*ir.Value // by operation: the values that nothing reads after it
	free   spare[T]      // the memory of values that nothing reads any more
}

// Stream prepares a float module.
func Stream(m *ir.Module) (*Streamed[float32], error) {
	if m.IsQuantized() {
		return nil, fmt.Errorf("interp: %s is quantized", m.Name)
	}
	return newStream(m, func(p *Float, n *ir.Node) (floatRun, error) { return operations[n.Op].float(p, n) }, streamLinear), nil
}

// StreamInt prepares a quantized module.
func StreamInt(m *ir.Module) (*Streamed[int8], error) {
	if !m.IsQuantized() {
		return nil, fmt.Errorf("interp: %s is not quantized", m.Name)
	}
	return newStream(m, integerStep, streamIntLinear), nil
}

func newStream[T float32 | int8](m *ir.Module, build func(p *Program[T], n *ir.Node) (func(*workspace, int, []T, [][]T), error), linear func(*ir.Node, int, []T, []T) error) *Streamed[T] {
	s := &Streamed[T]{p: number[T](m), build: build, linear: linear, last: make([][]*ir.Value, len(m.Ops)+1)}
	live := ir.Liveness(m)
	for _, n := range m.Ops {
		to := live[n.Out].To
		s.last[to] = append(s.last[to], n.Out)
	}
	return s
}

// Peak is the greatest bytes that the values of one image take at once, inputs
// apart.
func (s *Streamed[T]) Peak() int {
	most, sum := 0, 0
	for i, n := range s.p.Module.Ops {
		sum += s.p.Size(n.Out)
		most = max(most, sum)
		for _, v := range s.last[i] {
			sum -= s.p.Size(v)
		}
	}
	var element T
	return int(unsafe.Sizeof(element)) * most
}

// Run runs all operations on the records of n images. visit sees each result, which
// is its own only until it returns.
func (s *Streamed[T]) Run(ctx context.Context, x []T, n int, visit func(v *ir.Value, y []T)) error {
	p := s.p
	t := p.Tensors(n)
	p.Feed(t, x, n)
	release := func(values []*ir.Value) {
		for _, v := range values {
			id := p.ID(v)
			s.free.put(t[id])
			t[id] = nil
		}
	}
	for i, o := range p.Module.Ops {
		out := p.ID(o.Out)
		t[out] = s.free.take(n * p.sizes[out])
		if err := s.step(ctx, t, n, i); err != nil {
			return err
		}
		visit(o.Out, t[out])
		release(s.last[i])
	}
	release(s.last[len(p.Module.Ops)])
	return nil
}

// step runs operation i.
func (s *Streamed[T]) step(ctx context.Context, t Tensors[T], n, i int) (err error) {
	p, o := s.p, s.p.Module.Ops[i]
	if o.Op == ir.Linear {
		if err = ctx.Err(); err == nil {
			err = s.linear(o, n, t[p.steps[i].args[0]], t[p.steps[i].out])
		}
	} else if p.steps[i].run, err = s.build(p, o); err == nil {
		err = p.Run(ctx, t, n, i, i+1)
	}
	p.steps[i].run, p.floats = nil, 0
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name(), err)
	}
	return nil
}

// spare is memory by its capacity.
type spare[T any] struct {
	of   map[int][][]T
	caps []int // those of which there is some, rising
}

func (s *spare[T]) put(x []T) {
	c := cap(x)
	if len(s.of[c]) == 0 {
		if s.of == nil {
			s.of = map[int][][]T{}
		}
		at, _ := slices.BinarySearch(s.caps, c)
		s.caps = slices.Insert(s.caps, at, c)
	}
	s.of[c] = append(s.of[c], x)
}

// take is memory for a value: the smallest that is large enough, or new one.
func (s *spare[T]) take(size int) []T {
	at, _ := slices.BinarySearch(s.caps, size)
	if at == len(s.caps) {
		return make([]T, size)
	}
	c := s.caps[at]
	list := s.of[c]
	x := list[len(list)-1]
	if s.of[c] = list[:len(list)-1]; len(list) == 1 {
		s.caps = slices.Delete(s.caps, at, at+1)
	}
	return x[:size]
}

// streamedWeights is the weights of a matrix that a worker has in memory at a time,
// unless a panel of columns has more.
const streamedWeights = 1 << 18

// streamLinear is linearStep with a few outputs at a time.
func streamLinear(n *ir.Node, images int, x, y []float32) error {
	weight, err := n.Const(ir.AttrWeight).Loaded()
	if err != nil {
		return err
	}
	rows, cols := weight.Type.Shape[0], weight.Type.Shape[1]
	bias := make([]float32, rows)
	if b := n.Const(ir.AttrBias); b != nil {
		if bias, err = b.Float32(); err != nil {
			return err
		}
	}
	return blocksOfRows(rows, cols, func(first, count int) error {
		w, err := weight.Floats(first*cols, count*cols)
		if err != nil {
			return err
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
		return nil
	})
}

// streamIntLinear is intLinear with a few outputs at a time: each block of rows is a layer
// of its own.
func streamIntLinear(n *ir.Node, images int, x, y []int8) error {
	weight := n.Const(ir.AttrWeight)
	rows, cols := weight.Type.Shape[0], weight.Type.Shape[1]
	raw := map[ir.Key[*ir.Const]][]byte{}
	for _, role := range byRow {
		c := n.Const(role)
		if c == nil || c.Type.Shape.Size() == 0 || c.Type.Shape[0] != rows {
			continue // one for all rows
		}
		b, err := c.Load()
		if err != nil {
			return err
		}
		raw[role] = b
	}
	return blocksOfRows(rows, cols, func(first, count int) error {
		part := &ir.Node{Op: n.Op, Args: n.Args, Attrs: slices.Clone(n.Attrs), Pos: n.Pos}
		out := *n.Out
		out.Type.Shape, out.Def, part.Out = ir.Shape{count}, part, &out
		for role, b := range raw {
			c := *n.Const(role)
			c.Type.Shape = append(ir.Shape{count}, c.Type.Shape[1:]...)
			row := len(b) / rows
			c.Data = ir.Bytes(b[first*row : (first+count)*row])
			part.Put(role.Is(&c))
		}
		run, err := intLinear(nil, part)
		if err != nil {
			return err
		}
		slots := n.Out.Type.Slots() / rows // of an element
		sums := make([]int8, images*count*slots)
		run(&workspace{}, images, sums, [][]int8{x})
		for i := range images {
			copy(y[(i*rows+first)*slots:], sums[i*count*slots:(i+1)*count*slots])
		}
		return nil
	})
}

// byRow are the constants of a layer that may have a part for each of its rows.
var byRow = []ir.Key[*ir.Const]{ir.AttrWeight, ir.AttrBias, ir.AttrMul, ir.AttrShift}

// blocksOfRows does the rows of a matrix on all cores, a few at a time.
func blocksOfRows(rows, cols int, do func(first, count int) error) error {
	step := max(streamedWeights/cols/gemm.Tile, 1) * gemm.Tile
	errs := make([]error, (rows+step-1)/step)
	parallel.For(len(errs), func(block int) {
		first := block * step
		errs[block] = do(first, min(step, rows-first))
	})
	return errors.Join(errs...)
}

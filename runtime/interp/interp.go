// Package interp executes modules. A module is compiled once into a program of
// steps, float or integer; a program then runs any range of operations over
// many images at once, on all cores, with the same result on any number of
// them: every image is computed apart, in one order.
package interp

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
)

// chunk is the images that one worker takes at a time at most: enough to share the
// loading of a linear layer's weights, few enough to stay in the cache. Of fewer
// images every worker gets its share.
const chunk = 16

// chunkOf is the images of n that one worker takes at a time, whose values take so many bytes each.
func chunkOf(n, bytes int) int {
	cores := runtime.GOMAXPROCS(0)
	return max(min((n+cores-1)/cores, chunk, chunkBytes/max(bytes, 1)), 1)
}

// Program is a compiled module over elements of type T: float32 for a float
// module, int8 for a quantized one. It is immutable and safe for concurrent
// use.
type Program[T float32 | int8] struct {
	Module *ir.Module
	sizes  []int // elements of each value of one image, by id
	ids    map[*ir.Value]int
	steps  []step[T] // one an operation
	floats int       // scratch of the largest step, for one image
}

// step executes one operation on n images.
type step[T float32 | int8] struct {
	run  func(ws *workspace, n int, dst []T, src [][]T)
	args []int
	out  int
}

// workspace is one worker's scratch memory.
type workspace struct {
	floats []float32
	ints   gemm.IntScratch
}

// Tensors are the values of n images by id; nil for values that are not kept.
type Tensors[T float32 | int8] [][]T

// ID is the number of a value in Tensors.
func (p *Program[T]) ID(v *ir.Value) int { return p.ids[v] }

// Size is the number of slots of a value of one image: its elements, but of i16.
func (p *Program[T]) Size(v *ir.Value) int { return p.sizes[p.ids[v]] }

// Tensors allocates the named values for n images, and the states, which are those after a
// reset: each image is then the first frames of a stream of its own. What runs the program
// again with the same tensors goes on.
func (p *Program[T]) Tensors(n int, keep ...*ir.Value) Tensors[T] {
	t := make(Tensors[T], len(p.sizes))
	for _, v := range keep {
		id := p.ids[v]
		t[id] = make([]T, n*p.sizes[id])
	}
	for _, s := range p.Module.States {
		x := make([]T, n*p.Size(s))
		for i := range x {
			x[i] = T(s.StartByte(i))
		}
		t[p.ids[s]] = x
	}
	return t
}

// Index is the position of an operation in the schedule.
func (p *Program[T]) Index(n *ir.Node) int {
	for i, o := range p.Module.Ops {
		if o == n {
			return i
		}
	}
	return -1
}

// Run executes operations from up to but not including to on n images. Values
// that t keeps are read and written there; others live only as long as their
// images are worked on, so every argument from above the range must be kept.
func (p *Program[T]) Run(ctx context.Context, t Tensors[T], n, from, to int) error {
	if err := p.checkKept(t, from, to); err != nil {
		return err
	}
	used, steps := p.part(from, to)
	sizes := make([]int, len(used))
	for slot, id := range used {
		sizes[slot] = p.sizes[id]
	}
	plan := newBuffers(steps, sizes, func(slot int) bool { return t[used[slot]] != nil })
	var element T
	chunk := chunkOf(n, plan.elements()*int(unsafe.Sizeof(element)))
	workers := min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk)
	next := make(chan int)
	var wg sync.WaitGroup
	var panicked parallel.First
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ws := &workspace{floats: make([]float32, p.floats)}
			temps := make(Tensors[T], len(plan.sizes))
			for i, size := range plan.sizes {
				temps[i] = make([]T, chunk*size)
			}
			vals := make(Tensors[T], len(used))
			for first := range next {
				count := min(chunk, n-first)
				for slot, id := range used {
					if size := sizes[slot]; t[id] != nil {
						vals[slot] = t[id][first*size : (first+count)*size]
					} else if at := plan.of[slot]; at >= 0 {
						vals[slot] = temps[at][:count*size]
					}
				}
				panicked.Try(func() { runChunk(ws, vals, count, steps) })
			}
		}()
	}
	var err error
	for first := 0; first < n && err == nil; first += chunk {
		select {
		case next <- first:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	close(next)
	wg.Wait()
	panicked.Panic()
	return err
}

// Scratch is the working memory of a goroutine that runs single operations.
type Scratch struct{ ws workspace }

// NewScratch is enough for every operation of the program.
func (p *Program[T]) NewScratch() *Scratch {
	return &Scratch{workspace{floats: make([]float32, p.floats)}}
}

// Apply runs operation i on its arguments of one image, on this goroutine. One that computes
// each element from those at its place alone takes any elements of its arguments, as many of
// each as dst has.
func (p *Program[T]) Apply(s *Scratch, i int, dst []T, src [][]T) {
	p.steps[i].run(&s.ws, 1, dst, src)
}

// part is the steps of a range of operations with the values that they use numbered anew: the
// cost of running a few of many operations does not grow with all.
func (p *Program[T]) part(from, to int) (used []int, steps []step[T]) {
	slots := make(map[int]int, 2*(to-from))
	slot := func(id int) int {
		s, is := slots[id]
		if !is {
			s = len(used)
			slots[id], used = s, append(used, id)
		}
		return s
	}
	steps = slices.Clone(p.steps[from:to])
	for i := range steps {
		s := &steps[i]
		s.args = slices.Clone(s.args)
		for j, a := range s.args {
			s.args[j] = slot(a)
		}
		s.out = slot(s.out)
	}
	return used, steps
}

// runChunk runs steps on n images, which all have their places.
func runChunk[T float32 | int8](ws *workspace, vals Tensors[T], n int, steps []step[T]) {
	var src [8][]T
	for i := range steps {
		s := &steps[i]
		args := src[:0]
		for _, a := range s.args {
			args = append(args, vals[a])
		}
		s.run(ws, n, vals[s.out], args)
	}
}

func (p *Program[T]) checkKept(t Tensors[T], from, to int) error {
	have := make(map[int]bool, to-from)
	for i := from; i < to; i++ {
		for _, a := range p.steps[i].args {
			if !have[a] && t[a] == nil {
				return fmt.Errorf("interp: %s is not kept", p.Module.Ops[i].Args[0].Name)
			}
		}
		have[p.steps[i].out] = true
	}
	return nil
}

// Record is the slots of one image: of all inputs, one after the other.
func (p *Program[T]) Record() int {
	n := 0
	for _, v := range p.Module.Inputs {
		n += p.Size(v)
	}
	return n
}

// Feed gives t the inputs of n images, whose records x holds one after the other.
func (p *Program[T]) Feed(t Tensors[T], x []T, n int) {
	in := p.Module.Inputs
	if len(in) == 1 {
		t[p.ids[in[0]]] = x[:n*p.Size(in[0])]
		return
	}
	at, record := 0, p.Record()
	for _, v := range in {
		size, id := p.Size(v), p.ids[v]
		if t[id] == nil {
			t[id] = make([]T, n*size)
		}
		for i := range n {
			copy(t[id][i*size:(i+1)*size], x[i*record+at:])
		}
		at += size
	}
}

// Forward runs the whole network on the records of n images and returns the first
// output.
func (p *Program[T]) Forward(ctx context.Context, x []T, n int) ([]T, error) {
	m := p.Module
	t := p.Tensors(n, m.Outputs[0])
	if len(x) != n*p.Record() {
		return nil, fmt.Errorf("interp: %d elements are not %d images of %s, whose inputs have %d", len(x), n, m.Name, p.Record())
	}
	p.Feed(t, x, n)
	err := p.Run(ctx, t, n, 0, len(p.steps))
	return t[p.ids[m.Outputs[0]]], err
}

// Results runs the whole network on the records of n images and returns all its
// outputs, those of an image side by side.
func (p *Program[T]) Results(ctx context.Context, x []T, n int) ([]T, error) {
	if len(p.Module.Outputs) == 1 {
		return p.Forward(ctx, x, n)
	}
	if len(x) != n*p.Record() {
		return nil, fmt.Errorf("interp: %d elements are not %d images of %s, whose inputs have %d", len(x), n, p.Module.Name, p.Record())
	}
	t := p.Tensors(n, p.Module.Outputs...)
	p.Feed(t, x, n)
	err := p.Run(ctx, t, n, 0, len(p.steps))
	return p.Gather(t, n), err
}

// Gather is the outputs of n images that t keeps, those of an image side by side.
func (p *Program[T]) Gather(t Tensors[T], n int) []T {
	outputs := p.Module.Outputs
	if len(outputs) == 1 {
		return t[p.ids[outputs[0]]]
	}
	all := make([]T, 0, n*p.Answer())
	for i := range n {
		for _, v := range outputs {
			size := p.Size(v)
			all = append(all, t[p.ids[v]][i*size:(i+1)*size]...)
		}
	}
	return all
}

// Answer is the slots of all outputs of one image.
func (p *Program[T]) Answer() int {
	n := 0
	for _, v := range p.Module.Outputs {
		n += p.Size(v)
	}
	return n
}

// number is a program of m whose steps do nothing yet.
func number[T float32 | int8](m *ir.Module) *Program[T] {
	p := &Program[T]{Module: m, ids: map[*ir.Value]int{}}
	number := func(v *ir.Value) int {
		id := len(p.sizes)
		p.ids[v] = id
		p.sizes = append(p.sizes, v.Type.Slots())
		return id
	}
	for _, v := range slices.Concat(m.Inputs, m.States) {
		number(v)
	}
	for _, n := range m.Ops {
		var s step[T]
		for _, a := range n.Args {
			s.args = append(s.args, p.ids[a])
		}
		s.out = number(n.Out)
		p.steps = append(p.steps, s)
	}
	return p
}

// compile numbers the values of m and makes its steps.
func compile[T float32 | int8](m *ir.Module, make func(p *Program[T], n *ir.Node) (func(*workspace, int, []T, [][]T), error)) (*Program[T], error) {
	p := number[T](m)
	for i, n := range m.Ops {
		var err error
		if p.steps[i].run, err = make(p, n); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
	}
	return p, nil
}

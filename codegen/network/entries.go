package network

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
)

// Interface is the way in which programs call a network.
type Interface struct {
	Prefix string // first part of the name of every function
	Hooks  bool   // call prefix_hook(step, done) before and after each step
	Lend   bool   // the caller lends the weights, by a pointer before the arena
}

// StepState is the byte of the arena at which prefix_run_step keeps the number of the next
// step, in StepStateBytes bytes after the memory that the steps use.
func StepState(m *ir.Module) int {
	return (m.Arena.Bytes + StepStateBytes - 1) / StepStateBytes * StepStateBytes
}

// StepStateBytes is the size and the alignment of that number.
const StepStateBytes = 4

// LentHead is the bytes before lent weights: room for the content hash, which identifies
// them.
const LentHead = 72

// lentAlign is the alignment of weights that a caller lends.
const lentAlign = 8

// entries adds the functions that others call.
func (i Interface) entries(m *ir.Module, p *loop.Program, steps []*loop.Func) {
	var hook *loop.Func
	if i.Hooks {
		hook = &loop.Func{Name: i.Prefix + "_hook", Extern: true, Ints: []*loop.Var{{Name: "step", Type: loop.I32}, {Name: "done", Type: loop.I32}}}
		p.Funcs = append([]*loop.Func{hook}, p.Funcs...)
	}
	// one calls a step between its hooks, either of which may end the run.
	one := func(b *loop.Builder, f *loop.Func, k int) {
		hooked := func(done int) {
			if hook != nil {
				answer := b.Result("answer", hook, []loop.Expr{loop.Int(k), loop.Int(done)}, nil)
				b.If(answer, func() { b.Return(answer) }, nil)
			}
		}
		hooked(0)
		b.Call(steps[k], nil, arguments(m, f, m.Ops[k]))
		hooked(1)
	}
	index := &loop.Var{Name: "index", Type: loop.I32}

	// dispatch is the step of an index, which two functions offer.
	dispatch := i.entry(m, "_dispatch")
	dispatch.Ints = []*loop.Var{index}
	b := loop.NewBuilder(dispatch)
	for k := range steps {
		b.If(loop.Op(loop.Eq, index.Get(), loop.Int(k)), func() {
			one(b, dispatch, k)
			b.Return(loop.Int(0))
		}, nil)
	}
	b.Return(loop.Int(1))
	through := func(b *loop.Builder, f *loop.Func, index loop.Expr) loop.Expr {
		var args []loop.Arg
		for _, r := range f.Params {
			args = append(args, loop.Arg{Region: r})
		}
		return b.Result("status", dispatch, []loop.Expr{index}, args)
	}

	step := i.entry(m, "_step")
	step.Ints = []*loop.Var{{Name: "index", Type: loop.I32}}
	b = loop.NewBuilder(step)
	b.Return(through(b, step, step.Ints[0].Get()))

	begin := &loop.Func{Name: i.Prefix + "_run_begin", Params: []*loop.Param{{Name: "arena", Untyped: true}}}
	b = loop.NewBuilder(begin)
	at := loop.Int(StepState(m))
	b.StoreAligned(begin.Params[0], at, loop.Int(0), StepStateBytes)
	b.Return(loop.Int(0))

	next := i.entry(m, "_run_step")
	arena := next.Params[len(next.Params)-1]
	b = loop.NewBuilder(next)
	k := b.Let("step", &loop.Load{From: arena, Offset: at, T: loop.I32, Align: StepStateBytes})
	count := loop.Int(len(steps))
	b.If(loop.Op(loop.ULt, k, count), nil, func() { b.Return(loop.Int(-1)) })
	b.StoreAligned(arena, at, count, StepStateBytes)
	status := through(b, next, k)
	b.If(status, func() { b.Return(loop.Int(-1)) }, nil)
	following := b.Let("next", loop.Sum(k, loop.Int(1)))
	b.StoreAligned(arena, at, following, StepStateBytes)
	b.Return(loop.Op(loop.Sub, count, following))

	run := i.entry(m, "_run")
	b = loop.NewBuilder(run)
	for k := range steps {
		one(b, run, k)
	}
	b.Return(loop.Int(0))
	p.Funcs = append(p.Funcs, dispatch, step, begin, next, run)
	loop.Share(p)
	dispatch.Local = true // from here on: it keeps the data that it names
}

// entry declares a function with the network's inputs, outputs and arena.
func (i Interface) entry(m *ir.Module, name string) *loop.Func {
	f := &loop.Func{Name: i.Prefix + name}
	for _, v := range m.Inputs {
		f.Params = append(f.Params, &loop.Param{Name: "in_" + v.Name, Constant: true, Wide: v.Type.Elem.Kind == ir.I16})
	}
	for _, v := range m.Outputs {
		f.Params = append(f.Params, &loop.Param{Name: "out_" + v.Name})
	}
	if i.Lend {
		f.Params = append(f.Params, &loop.Param{Name: lentName, Constant: true, Untyped: true})
	}
	f.Params = append(f.Params, &loop.Param{Name: "arena", Untyped: true})
	return f
}

const lentName = "weights"

// lend moves the weights of a program into one block, whose address functions get as an
// argument.
func lend(p *loop.Program) {
	p.Lent = make([]byte, LentHead)
	places := map[*loop.Global]int{}
	kept := p.Globals[:0]
	for _, g := range p.Globals {
		if !g.Lent {
			kept = append(kept, g)
			continue
		}
		for len(p.Lent)%lentAlign != 0 {
			p.Lent = append(p.Lent, 0)
		}
		places[g] = len(p.Lent)
		p.Lent = append(p.Lent, g.Data...)
	}
	p.Globals = kept
	for _, f := range p.Funcs {
		var lent *loop.Param
		for _, r := range f.Params {
			if r.Name == lentName && r.Untyped {
				lent = r
			}
		}
		loop.EachCall(f.Body, func(c *loop.Call) {
			for i, a := range c.Args {
				if g, ok := a.Region.(*loop.Global); ok && g.Lent {
					c.Args[i] = loop.Arg{Region: lent, Offset: places[g] + a.Offset}
				}
			}
		})
	}
}

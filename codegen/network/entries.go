package network

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/stripes"
)

// Interface is the way in which programs call a network.
type Interface struct {
	Prefix string // first part of the name of every function
	Hooks  bool   // call prefix_hook(step, done) before and after each step
	Lend   bool   // the caller lends the weights, by a pointer before the arena
	Tag    uint64 // tells the arenas of a run apart from other memory
}

// Giver is the structure of the caller's function that gives the rows of an input.
func (i Interface) Giver() string { return i.Prefix + "_rows" }

// StepState is the byte of the arena at which prefix_run_step keeps its state, in
// StepStateBytes bytes after the memory that the steps use.
func StepState(m *ir.Module) int {
	return (m.Arena.Bytes + stepAlign - 1) / stepAlign * stepAlign
}

// StepStateBytes is the size of that state: the number of the next step, and the tag of a
// run, which is 64 bits.
const StepStateBytes = stepAlign + 8

// resetFailed is what a run returns in an arena that was not reset.
const resetFailed = -1

// stepAlign is the size of the number and its alignment.
const stepAlign = 4

// LentHead is the bytes before lent weights: room for the content hash, which identifies
// them.
const LentHead = 72

// lentAlign is the alignment of weights that a caller lends.
const lentAlign = 8

// mostTold is the units that one function tells apart: LLVM's time for it grows with their square.
const mostTold = 512

// entries are what the functions that others call are made of.
type entries struct {
	Interface
	m       *ir.Module
	units   []stripes.Unit
	layers  [][]*loop.Func
	chains  []*loop.Func // of the units that are chains
	divided []*loop.Func // of the units that are computed in parts: a part by its number
	hook    *loop.Func   // nil for none
	firsts  []int        // the step that each unit begins with, then the number of all
}

// entries adds the functions that others call. A step is an operation, or a stripe of a chain.
func (i Interface) entries(m *ir.Module, p *loop.Program, units []stripes.Unit, layers [][]*loop.Func) {
	e := &entries{Interface: i, m: m, units: units, layers: layers}
	if i.Hooks {
		e.hook = &loop.Func{Name: i.Prefix + "_hook", Extern: true, Ints: []*loop.Var{{Name: "step", Type: loop.I32}, {Name: "done", Type: loop.I32}}}
		p.Funcs = append([]*loop.Func{e.hook}, p.Funcs...)
	}
	e.chains, e.divided, e.firsts = make([]*loop.Func, len(units)), make([]*loop.Func, len(units)), []int{0}
	for k, u := range units {
		switch {
		case u.Chain != nil:
			e.chains[k] = i.chain(m, p, fmt.Sprintf("_chain%d", k), u.Chain, layers[k])
		case u.Parts != nil:
			e.divided[k] = i.divided(m, fmt.Sprintf("_parts%d", k), u, layers[k])
		}
		e.firsts = append(e.firsts, e.firsts[k]+u.Steps)
	}
	var local []*loop.Func
	for _, f := range slices.Concat(e.chains, e.divided) {
		if f != nil {
			local = append(local, f)
		}
	}
	dispatch, parts := e.dispatch()
	local = append(append(local, parts...), dispatch)
	p.Funcs = append(append(p.Funcs, local...), e.step(dispatch), e.begin(), e.next(dispatch))
	if m.Streams() {
		p.Funcs = append(p.Funcs, i.reset(m))
	}
	if m.Threads > 0 {
		threads := e.run("_run_threads", e.sideBySide)
		threads.Threads = true
		p.Funcs = append(p.Funcs, threads)
	}
	p.Funcs = append(p.Funcs, e.run("_run", e.operation))
	loop.Share(p)
	for _, f := range local {
		f.Local = true // from here on: it keeps the data that it names
	}
}

// hooked calls the hook before or after a unit, which may end the run.
func (e *entries) hooked(b *loop.Builder, k, done int) {
	if e.hook != nil {
		answer := b.Result("answer", e.hook, []loop.Expr{loop.Int(k), loop.Int(done)}, nil)
		b.If(answer, func() { b.Return(answer) }, nil)
	}
}

// operation computes a unit of one operation, its parts one after the other.
func (e *entries) operation(b *loop.Builder, f *loop.Func, k int) {
	if e.divided[k] == nil {
		b.Call(e.layers[k][0], nil, arguments(e.m, f, e.units[k].Nodes[0]))
		return
	}
	b.For("part", loop.Int(0), loop.Int(len(e.units[k].Parts)), 1, func(part loop.Expr) { b.Call(e.divided[k], []loop.Expr{part}, regions(f)) })
}

// sideBySide has the caller's function compute the parts of a unit.
func (e *entries) sideBySide(b *loop.Builder, f *loop.Func, k int) {
	if e.divided[k] == nil {
		e.operation(b, f, k)
		return
	}
	b.Parallel(len(e.units[k].Parts), e.divided[k], regions(f))
}

// run writes a function that runs all units, and computes those of one operation by operation.
func (e *entries) run(name string, operation func(b *loop.Builder, f *loop.Func, k int)) *loop.Func {
	f := e.entry(e.m, name)
	b := loop.NewBuilder(f)
	e.claim(e.m, b, f)
	for k, u := range e.units {
		e.hooked(b, k, 0)
		if u.Chain == nil {
			operation(b, f, k)
		} else {
			b.For("stripe", loop.Int(0), loop.Int(u.Steps), 1, func(s loop.Expr) { e.stripe(b, e.chains[k], s, regions(f)) })
		}
		e.hooked(b, k, 1)
	}
	e.release(e.m, b, f)
	b.Return(loop.Int(0))
	return f
}

// dispatch writes the step of an index, which two functions offer: of many units by parts.
func (e *entries) dispatch() (dispatch *loop.Func, parts []*loop.Func) {
	dispatch = e.entry(e.m, "_dispatch")
	if len(e.units) <= mostTold {
		e.tell(dispatch, 0, len(e.units))
		return dispatch, nil
	}
	index, b := indexOf(dispatch), loop.NewBuilder(dispatch)
	for from := 0; from < len(e.units); from += mostTold {
		part, to := e.entry(e.m, fmt.Sprintf("_dispatch%d", len(parts))), min(from+mostTold, len(e.units))
		e.tell(part, from, to)
		parts = append(parts, part)
		b.If(loop.Op(loop.ULt, index, loop.Int(e.firsts[to])), func() {
			b.Return(b.Result("status", part, []loop.Expr{index}, regions(dispatch)))
		}, nil)
	}
	b.Return(loop.Int(1))
	return dispatch, parts
}

// indexOf gives a function the index of a step.
func indexOf(f *loop.Func) loop.Expr {
	f.Ints = []*loop.Var{{Name: "index", Type: loop.I32}}
	return f.Ints[0].Get()
}

// tell writes the step of an index, of some units; 1 where it is of none of these.
func (e *entries) tell(f *loop.Func, from, to int) {
	index, b := indexOf(f), loop.NewBuilder(f)
	for k := from; k < to; k++ {
		u := e.units[k]
		if u.Chain == nil {
			b.If(loop.Op(loop.Eq, index, loop.Int(e.firsts[k])), func() {
				e.hooked(b, k, 0)
				e.operation(b, f, k)
				e.hooked(b, k, 1)
				b.Return(loop.Int(0))
			}, nil)
			continue
		}
		number := loop.Op(loop.Sub, index, loop.Int(e.firsts[k]))
		b.If(loop.Op(loop.ULt, number, loop.Int(u.Steps)), func() {
			at := func(stripe, done int) {
				if e.hook != nil {
					b.If(loop.Op(loop.Eq, number, loop.Int(stripe)), func() { e.hooked(b, k, done) }, nil)
				}
			}
			at(0, 0)
			e.stripe(b, e.chains[k], number, regions(f))
			at(u.Steps-1, 1)
			b.Return(loop.Int(0))
		}, nil)
	}
	b.Return(loop.Int(1))
}

// step writes the function that computes any step.
func (e *entries) step(dispatch *loop.Func) *loop.Func {
	f := e.entry(e.m, "_step")
	index, b := indexOf(f), loop.NewBuilder(f)
	b.Return(b.Result("status", dispatch, []loop.Expr{index}, regions(f)))
	return f
}

// begin writes the function that begins a run step by step.
func (e *entries) begin() *loop.Func {
	f := &loop.Func{Name: e.Prefix + "_run_begin", Params: []*loop.Param{{Name: "arena", Untyped: true}}}
	b := loop.NewBuilder(f)
	e.claim(e.m, b, f)
	state := stepState{b, f.Params[0], StepState(e.m)}
	state.setStep(loop.Int(0))
	low, high := state.tag(e.Tag)
	state.mark(low, high)
	b.Return(loop.Int(0))
	return f
}

// next writes the function that computes the next step of such a run.
func (e *entries) next(dispatch *loop.Func) *loop.Func {
	f := e.entry(e.m, "_run_step")
	b := loop.NewBuilder(f)
	state := stepState{b, f.Params[len(f.Params)-1], StepState(e.m)}
	low, high := state.tag(e.Tag)
	b.If(state.isOther(low, high), func() { b.Return(loop.Int(-1)) }, nil)
	k := b.Let("step", state.load(0))
	count := loop.Int(e.firsts[len(e.units)])
	state.mark(loop.Int(0), loop.Int(0)) // unless there is another step
	b.If(loop.Op(loop.ULt, k, count), nil, func() { b.Return(loop.Int(-1)) })
	status := b.Result("status", dispatch, []loop.Expr{k}, regions(f))
	b.If(status, func() { b.Return(loop.Int(-1)) }, nil)
	following := b.Let("next", loop.Sum(k, loop.Int(1)))
	b.If(loop.Op(loop.ULt, following, count), func() {
		state.setStep(following)
		state.mark(low, high)
	}, func() { e.release(e.m, b, f) })
	b.Return(loop.Op(loop.Sub, count, following))
	return f
}

// stripe calls a chain's function. Where it asks the caller for rows, what the caller's function
// returns may end the run.
func (i Interface) stripe(b *loop.Builder, chain *loop.Func, number loop.Expr, args []loop.Arg) {
	asks := false
	loop.EachStmt(chain.Body, func(s loop.Stmt) {
		if _, ok := s.(*loop.Ask); ok {
			asks = true
		}
	})
	if !asks {
		b.Call(chain, []loop.Expr{number}, args)
		return
	}
	status := b.Result("status", chain, []loop.Expr{number}, args)
	b.If(status, func() { b.Return(status) }, nil)
}

// regions are the pointers of an entry, for another one.
func regions(f *loop.Func) (args []loop.Arg) {
	for _, r := range f.Params {
		args = append(args, loop.Arg{Region: r})
	}
	return args
}

// divided writes the function that computes a part of an operation, by its number.
func (i Interface) divided(m *ir.Module, name string, u stripes.Unit, layers []*loop.Func) *loop.Func {
	f := i.entry(m, name)
	number := &loop.Var{Name: "number", Type: loop.I32}
	f.Ints = []*loop.Var{number}
	b := loop.NewBuilder(f)
	for k, p := range u.Parts {
		compute := func() {
			args := arguments(m, f, p.Node)
			for j := range p.From {
				args[j] = place(m, f, u.Nodes[0].Args[j])
				args[j].Offset += p.From[j]
			}
			args[len(p.From)] = place(m, f, u.Nodes[0].Out)
			args[len(p.From)].Offset += p.To
			b.Call(layers[k], nil, args)
			b.Return(loop.Int(0))
		}
		if k+1 == len(u.Parts) {
			compute()
		} else {
			b.If(loop.Op(loop.Eq, number.Get(), loop.Int(k)), compute, nil)
		}
	}
	return f
}

// reset writes the function that gives an arena the states that a stream begins with, and marks it.
func (i Interface) reset(m *ir.Module) *loop.Func {
	f := &loop.Func{Name: i.Prefix + "_reset", Params: []*loop.Param{{Name: "arena", Untyped: true}}}
	b := loop.NewBuilder(f)
	for _, s := range m.States {
		t := loop.Type{Bits: 8 * s.Type.Elem.StoredSize(), Lanes: 1}
		b.For("i", loop.Int(0), loop.Int(s.Type.Shape.Size()), 1, func(k loop.Expr) {
			b.StoreAligned(f.Params[0], loop.Sum(loop.Scaled(k, t.Bytes()), loop.Int(s.At.Offset)), loop.Num(t, int64(s.Start)), t.Bytes())
		})
	}
	i.release(m, b, f)
	b.Return(loop.Int(0))
	return f
}

// claim begins a run in an arena with states: it ends where the arena was not reset, and takes
// the mark of the reset away. A run that is given up leaves no mark: its states are half way.
func (i Interface) claim(m *ir.Module, b *loop.Builder, f *loop.Func) {
	if !m.Streams() {
		return
	}
	mark := resetMark(b, f)
	low, high := mark.tag(i.Tag)
	b.If(mark.isOther(low, high), func() { b.Return(loop.Int(resetFailed)) }, nil)
	mark.mark(loop.Int(0), loop.Int(0))
}

// release ends a run: the states are those that the next run goes on from.
func (i Interface) release(m *ir.Module, b *loop.Builder, f *loop.Func) {
	if m.Streams() {
		mark := resetMark(b, f)
		mark.mark(mark.tag(i.Tag))
	}
}

// resetMark is the mark of a reset, at the beginning of an arena.
func resetMark(b *loop.Builder, f *loop.Func) *stepState {
	return &stepState{b, f.Params[len(f.Params)-1], -stepAlign}
}

// stepState is the state of a run, at a byte of an arena.
type stepState struct {
	b     *loop.Builder
	arena *loop.Param
	at    int
}

func (s *stepState) load(offset int) loop.Expr {
	return &loop.Load{From: s.arena, Offset: loop.Int(s.at + offset), T: loop.I32, Align: stepAlign}
}

func (s *stepState) setStep(k loop.Expr) {
	s.b.StoreAligned(s.arena, loop.Int(s.at), k, stepAlign)
}

// tag is what marks this arena as one of a run of this network, in two halves: memory that no
// run has begun in, another network's arena and a copy of an arena have other tags.
func (s *stepState) tag(content uint64) (low, high loop.Expr) {
	whole := s.b.Let("tag", loop.Op(loop.Xor, &loop.Address{Of: s.arena}, loop.Num(loop.I64, int64(content))))
	low = s.b.Let("low", loop.To(loop.Trunc, whole, 32))
	high = s.b.Let("high", loop.To(loop.Trunc, loop.Op(loop.LShr, whole, loop.Num(loop.I64, 32)), 32))
	return low, high
}

// isOther is not 0 where the arena does not have the tag.
func (s *stepState) isOther(low, high loop.Expr) loop.Expr {
	return loop.Op(loop.Or, loop.Op(loop.Xor, low, s.load(stepAlign)), loop.Op(loop.Xor, high, s.load(2*stepAlign)))
}

func (s *stepState) mark(low, high loop.Expr) {
	s.b.StoreAligned(s.arena, loop.Int(s.at+stepAlign), low, stepAlign)
	s.b.StoreAligned(s.arena, loop.Int(s.at+2*stepAlign), high, stepAlign)
}

// entry declares a function with the network's inputs, outputs and arena.
func (i Interface) entry(m *ir.Module, name string) *loop.Func {
	f := &loop.Func{Name: i.Prefix + name}
	for _, v := range m.Inputs {
		p := &loop.Param{Name: "in_" + v.Name, Constant: true, Wide: v.Type.Elem.Kind == ir.I16}
		if v.ByRows() {
			p.Giver = i.Giver()
		}
		f.Params = append(f.Params, p)
	}
	for _, v := range m.Outputs {
		f.Params = append(f.Params, &loop.Param{Name: "out_" + v.Name, Wide: v.Type.Elem.Kind == ir.I16})
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

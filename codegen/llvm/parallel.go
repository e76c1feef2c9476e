package llvm

import (
	"github.com/llir/llvm/ir"
	"github.com/llir/llvm/ir/constant"
	"github.com/llir/llvm/ir/enum"
	"github.com/llir/llvm/ir/types"
	"github.com/llir/llvm/ir/value"

	"github.com/dnnc/dnnc/ir/loop"
)

// part is a function that computes a part of some work, parallelFor the caller's that runs all parts.
var (
	part        = types.NewFunc(types.Void, types.I8Ptr, types.I32)
	parallelFor = types.NewFunc(types.Void, types.I8Ptr, types.I32, types.NewPointer(part), types.I8Ptr)
)

// inParallel puts the pointers of a call into a list, and has the caller's function call one that
// takes them from there; or calls it itself where the caller has none.
func (p *printer) inParallel(s *loop.Parallel) {
	number := func(v int) value.Value { return constant.NewInt(types.I32, int64(v)) }
	work := p.work[len(s.Call.Args)]
	if work == nil { // one list serves call after call
		work = p.entry.NewAlloca(types.NewArray(uint64(len(s.Call.Args)), types.I8Ptr))
		p.work[len(s.Call.Args)] = work
	}
	for i, a := range s.Call.Args {
		at := value.Value(p.block.NewGetElementPtr(types.I8, p.region(a.Region), number(a.Offset)))
		p.block.NewStore(at, p.block.NewGetElementPtr(work.ElemType, work, number(0), number(i)))
	}
	list := p.block.NewBitCast(work, types.I8Ptr)
	each := p.trampoline(s.Call)
	isNull := p.block.NewICmp(enum.IPredEQ, p.parallel, constant.NewNull(types.NewPointer(parallelFor)))
	alone, together, end := p.newBlock("alone"), p.newBlock("together"), p.newBlock("joined")
	p.block.NewCondBr(isNull, alone, together)
	for i := range s.Count {
		alone.NewCall(each, list, number(i))
	}
	alone.NewBr(end)
	together.NewCall(p.parallel, p.context, number(s.Count), each, list)
	together.NewBr(end)
	p.block = end
}

// trampoline is the function that the caller's threads run for a call.
func (p *printer) trampoline(c *loop.Call) *ir.Func {
	work, number := ir.NewParam("work", types.I8Ptr), ir.NewParam("number", types.I32)
	f := p.module.NewFunc(c.Func.Name+"_thread", types.Void, work, number)
	f.Linkage = enum.LinkageInternal
	outer := p.f
	p.f = f
	p.attributes()
	p.f = outer
	b := f.NewBlock("entry")
	list := b.NewBitCast(work, types.NewPointer(types.I8Ptr))
	args := []value.Value{number}
	for i := range c.Args {
		args = append(args, b.NewLoad(types.I8Ptr, b.NewGetElementPtr(types.I8Ptr, list, constant.NewInt(types.I32, int64(i)))))
	}
	b.NewCall(p.funcs[c.Func], args...)
	b.NewRet(nil)
	return f
}

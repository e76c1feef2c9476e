// Package llvm prints loop programs as LLVM IR, through llir, and has LLVM's own
// tools make objects of it. No other package knows LLVM.
package llvm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llir/llvm/ir"
	"github.com/llir/llvm/ir/constant"
	"github.com/llir/llvm/ir/enum"
	"github.com/llir/llvm/ir/types"
	"github.com/llir/llvm/ir/value"

	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
)

// Print returns the program as textual IR with typed pointers, which LLVM 14 to
// 19 read.
func Print(p *loop.Program, t *processor.Target) (text string, err error) {
	return printWithout(p, t, nil)
}

// printWithout is Print with room for some data instead of their bytes.
func printWithout(p *loop.Program, t *processor.Target, without []*loop.Global) (text string, err error) {
	// llir panics where instructions do not fit each other: a fault of the
	// kernel's generator, which its user should see as an error.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("llvm: %v", r)
		}
	}()
	m := ir.NewModule()
	m.TargetTriple = t.Triple
	m.ModuleAsms = slices.Clone(t.Asm)
	pr := &printer{module: m, target: t, globals: map[*loop.Global]value.Value{}, funcs: map[*loop.Func]*ir.Func{}, outside: map[string]*ir.Func{}}
	for _, g := range p.Globals {
		pr.globals[g] = pr.global(g, slices.Contains(without, g))
	}
	for _, f := range p.Funcs {
		pr.function(f)
	}
	return m.String(), nil
}

// global declares data, as room in the object where its bytes come later.
func (p *printer) global(g *loop.Global, isRoom bool) value.Value {
	zero := constant.NewInt(types.I32, 0)
	if isRoom {
		p.module.ModuleAsms = append(p.module.ModuleAsms, reserved(g)...)
		d := p.module.NewGlobal(g.Name, types.NewArray(uint64(len(g.Data)), types.I8))
		d.Linkage, d.Preemption, d.Immutable, d.Align = enum.LinkageExternal, enum.PreemptionDSOLocal, true, ir.Align(g.Align)
		return constant.NewGetElementPtr(d.ContentType, d, zero, zero)
	}
	d := p.module.NewGlobalDef(g.Name, constant.NewCharArray(g.Data))
	d.Immutable = true
	if !g.Exported {
		d.Linkage = enum.LinkageInternal
		d.UnnamedAddr = enum.UnnamedAddrUnnamedAddr
	}
	d.Align, d.Section = ir.Align(g.Align), g.Section
	return constant.NewGetElementPtr(d.ContentType, d, zero, zero)
}

type printer struct {
	module  *ir.Module
	target  *processor.Target
	globals map[*loop.Global]value.Value
	funcs   map[*loop.Func]*ir.Func
	outside map[string]*ir.Func // LLVM's intrinsics

	f      *ir.Func
	entry  *ir.Block // of variables
	block  *ir.Block
	vars   map[*loop.Var]value.Value
	params map[*loop.Param]value.Value
	cursor map[*loop.Cursor]value.Value
	blocks int
	// Of a function with Threads: the caller's function and its first argument.
	parallel, context *ir.Param
	work              map[int]*ir.InstAlloca // lists of pointers, by their length
}

func (p *printer) function(f *loop.Func) {
	var params []*ir.Param
	p.vars, p.params, p.cursor = map[*loop.Var]value.Value{}, map[*loop.Param]value.Value{}, map[*loop.Cursor]value.Value{}
	for _, v := range f.Ints {
		params = append(params, ir.NewParam(v.Name, types.I32))
	}
	for _, r := range f.Params {
		x := ir.NewParam(r.Name, types.I8Ptr)
		if !f.Threads { // which hands its pointers to other threads
			x.Attrs = append(x.Attrs, enum.ParamAttrNoCapture)
			if !r.Shared {
				x.Attrs = append(x.Attrs, enum.ParamAttrNoAlias)
			}
			if r.Constant {
				x.Attrs = append(x.Attrs, enum.ParamAttrReadOnly)
			}
		}
		p.params[r] = x
		params = append(params, x)
	}
	if f.Threads {
		p.work = map[int]*ir.InstAlloca{}
		p.parallel, p.context = ir.NewParam("parallel", types.NewPointer(parallelFor)), ir.NewParam("context", types.I8Ptr)
		params = append(params, p.parallel, p.context)
	}
	p.f = p.module.NewFunc(f.Name, types.I32, params...)
	p.funcs[f] = p.f
	p.attributes()
	if f.Extern {
		return
	}
	if f.Local {
		p.f.Linkage = enum.LinkageInternal
		p.f.FuncAttrs = append(p.f.FuncAttrs, enum.FuncAttrNoInline)
	}
	p.blocks = 0
	p.entry = p.f.NewBlock("entry")
	p.block = p.newBlock("body")
	body := p.block
	for i, v := range f.Ints {
		p.entry.NewStore(params[i], p.variable(v))
	}
	p.body(f.Body)
	if p.block.Term == nil {
		p.block.NewUnreachable()
	}
	p.entry.NewBr(body)
	if p.target.Has("zve32x") && computesWide(p.f) {
		// Its vectors have no numbers of 64 bits: of a loop that LLVM vectorizes all the same it takes
		// these apart, and branches on each. No floating point is what its vectorizers know as a limit.
		p.f.FuncAttrs = append(p.f.FuncAttrs, enum.FuncAttrNoImplicitFloat)
	}
}

// computesWide reports whether a function computes with numbers of 64 bits.
func computesWide(f *ir.Func) bool {
	for _, b := range f.Blocks {
		for _, i := range b.Insts {
			if v, ok := i.(value.Value); ok && v.Type().Equal(types.I64) {
				return true
			}
		}
	}
	return false
}

// attributes are those of every function.
func (p *printer) attributes() {
	p.f.FuncAttrs = append(p.f.FuncAttrs, enum.FuncAttrNoUnwind,
		ir.AttrString("no-builtins"),
		ir.AttrPair{Key: "target-cpu", Value: p.target.CPU},
		ir.AttrPair{Key: "target-features", Value: p.target.Attributes()})
}

func (p *printer) newBlock(name string) *ir.Block {
	p.blocks++
	return p.f.NewBlock(fmt.Sprintf("%s%d", name, p.blocks))
}

// variable is a slot in the entry block, which opt turns into registers.
func (p *printer) variable(v *loop.Var) value.Value {
	if slot := p.vars[v]; slot != nil {
		return slot
	}
	slot := p.entry.NewAlloca(typeOf(v.Type))
	p.vars[v] = slot
	return slot
}

func typeOf(t loop.Type) types.Type {
	e := types.NewInt(uint64(t.Bits))
	if t.Lanes == 1 {
		return e
	}
	return types.NewVector(uint64(t.Lanes), e)
}

func (p *printer) body(stmts []loop.Stmt) {
	for _, s := range stmts {
		if p.block.Term != nil {
			return // after a return
		}
		switch s := s.(type) {
		case *loop.Assign:
			x := p.expr(s.Value)
			p.block.NewStore(x, p.variable(s.Var))
		case *loop.Store:
			if s.Places != nil {
				p.scatter(s)
				continue
			}
			x := p.expr(s.Value)
			st := p.block.NewStore(x, p.address(s.To, s.Offset, s.Value.Type()))
			st.Align = ir.Align(max(1, s.Align))
		case *loop.Point:
			p.point(s)
		case *loop.Fence:
			p.block.NewCall(&ir.InlineAsm{Typ: types.NewPointer(types.NewFunc(types.Void)), SideEffect: true})
		case *loop.For:
			p.loop(s)
		case *loop.If:
			p.branch(s)
		case *loop.Call:
			p.call(s)
		case *loop.Ask:
			p.ask(s)
		case *loop.Parallel:
			p.inParallel(s)
		case *loop.Return:
			p.block.NewRet(p.expr(s.Value))
		case *loop.Written:
			p.written(s)
		}
	}
}

func (p *printer) loop(s *loop.For) {
	slot := p.variable(s.Var)
	p.block.NewStore(p.expr(s.From), slot)
	to := p.expr(s.To)
	head, body, end := p.newBlock("head"), p.newBlock("loop"), p.newBlock("end")
	p.block.NewBr(head)
	i := head.NewLoad(types.I32, slot)
	head.NewCondBr(head.NewICmp(enum.IPredSLT, i, to), body, end)
	p.block = body
	p.body(s.Body)
	if p.block.Term == nil {
		next := p.block.NewAdd(p.block.NewLoad(types.I32, slot), constant.NewInt(types.I32, int64(s.Step)))
		next.OverflowFlags = append(next.OverflowFlags, enum.OverflowFlagNSW)
		p.block.NewStore(next, slot)
		p.block.NewBr(head)
	}
	p.block = end
}

func (p *printer) branch(s *loop.If) {
	cond := p.block.NewICmp(enum.IPredNE, p.expr(s.Cond), constant.NewInt(types.I32, 0))
	then, otherwise, end := p.newBlock("then"), p.newBlock("else"), p.newBlock("endif")
	p.block.NewCondBr(cond, then, otherwise)
	for _, arm := range []struct {
		block *ir.Block
		body  []loop.Stmt
	}{{then, s.Then}, {otherwise, s.Else}} {
		p.block = arm.block
		p.body(arm.body)
		if p.block.Term == nil {
			p.block.NewBr(end)
		}
	}
	p.block = end
}

func (p *printer) call(s *loop.Call) {
	var args []value.Value
	for _, x := range s.Ints {
		args = append(args, p.expr(x))
	}
	for _, a := range s.Args {
		base := p.region(a.Region)
		if a.Offset != 0 {
			base = p.block.NewGetElementPtr(types.I8, base, constant.NewInt(types.I32, int64(a.Offset)))
		}
		args = append(args, base)
	}
	result := p.block.NewCall(p.funcs[s.Func], args...)
	if s.Result != nil {
		p.block.NewStore(result, p.variable(s.Result))
	}
}

// ask calls the function of a giver. What it holds is read at offsets in bytes: opt need not know
// the size of pointers.
func (p *printer) ask(s *loop.Ask) {
	word := int64(p.target.PointerBytes())
	function := types.NewPointer(types.NewFunc(types.I32, types.I8Ptr, types.I8Ptr))
	read := func(at int64, t types.Type) value.Value {
		place := p.block.NewGetElementPtr(types.I8, p.region(s.Of), constant.NewInt(types.I32, at))
		x := p.block.NewLoad(t, p.block.NewBitCast(place, types.NewPointer(t)))
		x.Align = ir.Align(word)
		return x
	}
	to := p.region(s.To.Region)
	if s.To.Offset != 0 {
		to = p.block.NewGetElementPtr(types.I8, to, constant.NewInt(types.I32, int64(s.To.Offset)))
	}
	p.block.NewStore(p.block.NewCall(read(0, function), read(word, types.I8Ptr), to), p.variable(s.Result))
}

func (p *printer) region(r loop.Region) value.Value {
	switch r := r.(type) {
	case *loop.Global:
		return p.globals[r]
	case *loop.Cursor:
		return p.block.NewLoad(types.I8Ptr, p.cursor[r])
	}
	return p.params[r.(*loop.Param)]
}

// point keeps a cursor's address from the optimizer, which would compute it anew
// from others.
func (p *printer) point(s *loop.Point) {
	at := p.block.NewGetElementPtr(types.I8, p.region(s.To), p.expr(s.Offset))
	if p.cursor[s.Cursor] == nil {
		p.cursor[s.Cursor] = p.entry.NewAlloca(types.I8Ptr)
	}
	call := p.opaque(at)
	// Helium adds a vector's products to a register of an even number: cursors keep
	// to the odd ones, so that eight sums find room.
	if p.target.Has("mve") {
		call.Callee.(*ir.InlineAsm).Constraint = "=^To,0"
	}
	p.block.NewStore(call, p.cursor[s.Cursor])
}

// written is machine code with its operands in the registers that it names.
func (p *printer) written(s *loop.Written) {
	var args []value.Value
	var params, results []types.Type
	var outs, ins, spoiled []string
	for i, r := range s.Registers {
		x := value.Value(nil)
		if r.Var != nil {
			x = p.block.NewLoad(typeOf(r.Var.Type), p.variable(r.Var))
		} else {
			x = p.region(r.Cursor)
		}
		args, params, results = append(args, x), append(params, x.Type()), append(results, x.Type())
		outs, ins = append(outs, "={"+r.Machine+"}"), append(ins, fmt.Sprint(i))
	}
	for _, r := range s.Spoiled {
		spoiled = append(spoiled, "~{"+r+"}")
	}
	asm := ir.NewInlineAsm(types.NewPointer(types.NewFunc(types.NewStruct(results...), params...)), s.Text,
		strings.Join(slices.Concat(outs, ins, spoiled, []string{"~{cc}", "~{memory}"}), ","))
	asm.SideEffect = true
	call := p.block.NewCall(asm, args...)
	for i, r := range s.Registers {
		to := p.cursor[r.Cursor]
		if r.Var != nil {
			to = p.variable(r.Var)
		}
		p.block.NewStore(p.block.NewExtractValue(call, uint64(i)), to)
	}
}

func (p *printer) address(r loop.Region, offset loop.Expr, t loop.Type) value.Value {
	at := p.block.NewGetElementPtr(types.I8, p.region(r), p.expr(offset))
	if t == loop.I8 {
		return at
	}
	return p.block.NewBitCast(at, types.NewPointer(typeOf(t)))
}

// gather reads the lanes of a load that has places. Where those that it reads lie side by side, they are
// the first lanes of a vector.
func (p *printer) gather(e *loop.Load) value.Value {
	t := typeOf(e.T)
	mask, zeros := taken(e.Places), constant.NewZeroInitializer(t)
	if sideBySide(e.T, e.Places) {
		name := fmt.Sprintf("llvm.masked.load.v%di%d.p0v%[1]di%[2]d", e.T.Lanes, e.T.Bits)
		return p.intrinsic(name, e.T, p.address(e.From, e.Offset, e.T), constant.NewInt(types.I32, 1), mask, zeros)
	}
	if e.T == loop.I8.Vec(16) && p.heliumPlaces(e.T, e.Places) {
		at := p.address(e.From, e.Offset, loop.I8)
		return p.intrinsic("llvm.arm.mve.vldr.gather.offset.predicated.v16i8.p0i8.v16i8.v16i1", e.T, at, p.places(e.T, e.Places), eight, no, yes, mask)
	}
	name := fmt.Sprintf("llvm.masked.gather.v%di%d.v%[1]dp0i%[2]d", e.T.Lanes, e.T.Bits)
	return p.intrinsic(name, e.T, p.addresses(e.From, e.Offset, e.T, e.Places), constant.NewInt(types.I32, 1), mask, zeros)
}

// sideBySide reports whether the lanes that have places lie side by side, as the lanes of a vector do.
func sideBySide(t loop.Type, places []int) bool {
	for lane, at := range places {
		if at >= 0 && at != lane*t.Bits/8 {
			return false
		}
	}
	return true
}

// scatter writes the lanes of a store that has places.
func (p *printer) scatter(s *loop.Store) {
	t := s.Value.Type()
	if p.target.Has("rvv") && sideBySide(t, s.Places) {
		name := fmt.Sprintf("llvm.masked.store.v%di%d.p0v%[1]di%[2]d", t.Lanes, t.Bits)
		p.procedure(name, p.expr(s.Value), p.address(s.To, s.Offset, t), constant.NewInt(types.I32, 1), taken(s.Places))
		return
	}
	if !p.heliumPlaces(t, s.Places) {
		name := fmt.Sprintf("llvm.masked.scatter.v%di%d.v%[1]dp0i%[2]d", t.Lanes, t.Bits)
		p.procedure(name, p.expr(s.Value), p.addresses(s.To, s.Offset, t, s.Places), constant.NewInt(types.I32, 1), taken(s.Places))
		return
	}
	// A lane's byte is the lowest of a lane that fills the register.
	whole := loop.Type{Bits: 128 / t.Lanes, Lanes: t.Lanes}
	var x value.Value
	if c, ok := s.Value.(*loop.Cast); ok && c.A.Type() == whole {
		x = p.expr(c.A)
	} else if x = p.expr(s.Value); t != whole {
		x = p.block.NewZExt(x, typeOf(whole))
	}
	types := fmt.Sprintf("p0i8.v%di%d.v%[1]di%[2]d", whole.Lanes, whole.Bits)
	at, places := p.address(s.To, s.Offset, loop.I8), p.places(whole, s.Places)
	if slices.Min(s.Places) >= 0 {
		p.procedure("llvm.arm.mve.vstr.scatter.offset."+types, at, places, x, eight, no)
		return
	}
	name := fmt.Sprintf("llvm.arm.mve.vstr.scatter.offset.predicated.%s.v%di1", types, t.Lanes)
	p.procedure(name, at, places, x, eight, no, taken(s.Places))
}

// heliumPlaces reports whether an instruction of Helium reads or writes bytes at some places: of a vector that fills
// a register, or whose lanes, widened, do. LLVM does not find it where the address is a loop's.
func (p *printer) heliumPlaces(t loop.Type, places []int) bool {
	return p.target.Has("mve") && t.Bits == 8 && t.Lanes >= 4 && t.Lanes <= 16 && slices.Max(places)>>(128/t.Lanes) == 0
}

// Operands of Helium's instructions.
var eight, no, yes = constant.NewInt(types.I32, 8), constant.NewInt(types.I32, 0), constant.NewInt(types.I32, 1)

// places are the places of lanes as a vector; 0 of those that have none.
func (p *printer) places(t loop.Type, places []int) value.Value {
	return number(t, func(i int) int64 { return max(0, int64(places[i])) << (64 - t.Bits) >> (64 - t.Bits) })
}

// taken is the lanes that have places.
func taken(places []int) constant.Constant {
	lanes := make([]constant.Constant, len(places))
	for i, at := range places {
		lanes[i] = constant.NewBool(at >= 0)
	}
	return constant.NewVector(types.NewVector(uint64(len(places)), types.I1), lanes...)
}

// addresses are those of lanes of i8; of lanes that have none, that of the offset.
func (p *printer) addresses(r loop.Region, offset loop.Expr, t loop.Type, places []int) value.Value {
	at := p.block.NewGetElementPtr(types.I8, p.region(r), p.expr(offset))
	lanes := number(loop.I32.Vec(len(places)), func(i int) int64 { return int64(max(0, places[i])) })
	all := p.block.NewGetElementPtr(types.I8, at, lanes)
	if t.Bits == 8 {
		return all
	}
	return p.block.NewBitCast(all, types.NewVector(uint64(len(places)), types.NewPointer(typeOf(t.Vec(1)))))
}

func number(t loop.Type, lane func(i int) int64) constant.Constant {
	e := types.NewInt(uint64(t.Bits))
	if t.Lanes == 1 {
		return constant.NewInt(e, lane(0))
	}
	lanes := make([]constant.Constant, t.Lanes)
	for i := range lanes {
		lanes[i] = constant.NewInt(e, lane(i))
	}
	return constant.NewVector(types.NewVector(uint64(t.Lanes), e), lanes...)
}

func (p *printer) expr(e loop.Expr) value.Value {
	switch e := e.(type) {
	case *loop.Const:
		return number(e.T, func(int) int64 { return e.Value })
	case *loop.Lanes:
		return number(e.T, func(i int) int64 { return e.Values[i] })
	case *loop.Read:
		return p.block.NewLoad(typeOf(e.Var.Type), p.variable(e.Var))
	case *loop.Load:
		if e.Places != nil {
			return p.gather(e)
		}
		x := p.block.NewLoad(typeOf(e.T), p.address(e.From, e.Offset, e.T))
		x.Align = ir.Align(max(1, e.Align))
		return x
	case *loop.Address:
		return p.block.NewPtrToInt(p.region(e.Of), types.I64)
	case *loop.Aligned:
		all := value.Value(constant.NewInt(types.I32, 0))
		for _, r := range e.Of {
			all = p.block.NewOr(all, p.block.NewPtrToInt(p.region(r), types.I32))
		}
		rest := p.block.NewAnd(all, constant.NewInt(types.I32, int64(e.To-1)))
		return p.block.NewZExt(p.block.NewICmp(enum.IPredEQ, rest, constant.NewInt(types.I32, 0)), types.I32)
	case *loop.Cast:
		a, t := p.expr(e.A), typeOf(e.T)
		switch e.Op {
		case loop.SExt:
			return p.block.NewSExt(a, t)
		case loop.ZExt:
			return p.block.NewZExt(a, t)
		}
		return p.block.NewTrunc(a, t)
	case *loop.Splat:
		if e.Lanes == 1 {
			return p.expr(e.A)
		}
		t := types.NewVector(uint64(e.Lanes), typeOf(e.A.Type()))
		one := p.block.NewInsertElement(constant.NewUndef(t), p.expr(e.A), constant.NewInt(types.I32, 0))
		mask := constant.NewZeroInitializer(types.NewVector(uint64(e.Lanes), types.I32))
		return p.block.NewShuffleVector(one, constant.NewUndef(t), mask)
	case *loop.Extract:
		if e.A.Type().Lanes == 1 {
			return p.expr(e.A)
		}
		return p.block.NewExtractElement(p.expr(e.A), constant.NewInt(types.I32, int64(e.Lane)))
	case *loop.Shuffle:
		a := p.expr(e.A)
		mask := number(loop.I32.Vec(len(e.Mask)), func(i int) int64 { return int64(e.Mask[i]) })
		return p.block.NewShuffleVector(a, constant.NewUndef(a.Type()), mask)
	case *loop.Named:
		args := make([]value.Value, len(e.Args))
		for i, a := range e.Args {
			args[i] = p.expr(a)
		}
		return p.named(e, args)
	case *loop.Bin:
		return p.binary(e.Op, p.expr(e.A), p.expr(e.B))
	}
	panic(fmt.Sprintf("no expression: %T", e))
}

func (p *printer) binary(op loop.BinOp, a, b value.Value) value.Value {
	k := p.block
	pick := func(pred enum.IPred) value.Value { return k.NewSelect(k.NewICmp(pred, a, b), a, b) }
	switch op {
	case loop.Add:
		return k.NewAdd(a, b)
	case loop.Sub:
		return k.NewSub(a, b)
	case loop.Mul:
		return k.NewMul(a, b)
	case loop.And:
		return k.NewAnd(a, b)
	case loop.Or:
		return k.NewOr(a, b)
	case loop.Xor:
		return k.NewXor(a, b)
	case loop.Shl:
		return k.NewShl(a, b)
	case loop.LShr:
		return k.NewLShr(a, b)
	case loop.AShr:
		return k.NewAShr(a, b)
	case loop.SMin:
		return pick(enum.IPredSLT)
	case loop.SMax:
		return pick(enum.IPredSGT)
	case loop.SDiv:
		return k.NewSDiv(a, b)
	case loop.UDiv:
		return k.NewUDiv(a, b)
	case loop.Eq:
		return k.NewZExt(k.NewICmp(enum.IPredEQ, a, b), types.I32)
	case loop.SLt:
		return k.NewZExt(k.NewICmp(enum.IPredSLT, a, b), types.I32)
	case loop.ULt:
		return k.NewZExt(k.NewICmp(enum.IPredULT, a, b), types.I32)
	}
	panic("no operation")
}

package loop

import "fmt"

// Builder writes the body of a function.
type Builder struct {
	fn   *Func
	body *[]Stmt
	vars int
}

// NewBuilder begins the body of f.
func NewBuilder(f *Func) *Builder { return &Builder{fn: f, body: &f.Body} }

func (b *Builder) add(s Stmt) { *b.body = append(*b.body, s) }

// Var makes a variable with an initial value.
func (b *Builder) Var(name string, value Expr) *Var {
	b.vars++
	v := &Var{fmt.Sprintf("%s_%d", name, b.vars), value.Type()}
	b.Set(v, value)
	return v
}

// Let makes a variable and returns its value, so that the value is computed once, here.
func (b *Builder) Let(name string, value Expr) Expr { return b.Var(name, value).Get() }

// Set assigns to a variable. It omits an assignment of a variable to itself, of which C
// compilers warn.
func (b *Builder) Set(v *Var, value Expr) {
	if r, ok := value.(*Read); ok && r.Var == v {
		return
	}
	b.add(&Assign{v, value})
}

// Store writes to memory.
func (b *Builder) Store(to Region, offset, value Expr) {
	b.add(&Store{To: to, Offset: offset, Value: value})
}

// Scatter writes lanes to some bytes after an offset.
func (b *Builder) Scatter(to Region, offset, value Expr, places []int) {
	b.add(&Store{To: to, Offset: offset, Value: value, Places: places})
}

// StoreAligned writes to an address that is a multiple of align.
func (b *Builder) StoreAligned(to Region, offset, value Expr, align int) {
	b.add(&Store{To: to, Offset: offset, Value: value, Align: align})
}

// Cursor makes a cursor at a byte offset of a region.
func (b *Builder) Cursor(name string, to Region, offset Expr) *Cursor {
	b.vars++
	c := &Cursor{fmt.Sprintf("%s_%d", name, b.vars), constant(to)}
	b.add(&Point{c, to, offset})
	return c
}

func constant(r Region) bool {
	switch r := r.(type) {
	case *Param:
		return r.Constant
	case *Cursor:
		return r.Constant
	}
	return true
}

// Advance moves a cursor by a constant number of bytes.
func (b *Builder) Advance(c *Cursor, bytes int) {
	if bytes != 0 {
		b.add(&Point{c, c, Int(bytes)})
	}
}

// Move moves a cursor by a computed number of bytes.
func (b *Builder) Move(c *Cursor, bytes Expr) { b.add(&Point{c, c, bytes}) }

// Fence keeps loads from moving past it.
func (b *Builder) Fence() { b.add(&Fence{}) }

// For writes a counted loop. It omits a loop of no round, and writes a single round without
// a loop.
func (b *Builder) For(name string, from, to Expr, step int, body func(i Expr)) {
	if f, ok := from.(*Const); ok {
		if t, ok := to.(*Const); ok && f.Value >= t.Value {
			return
		}
		if t, ok := to.(*Const); ok && f.Value+int64(step) >= t.Value {
			body(from)
			return
		}
	}
	b.vars++
	s := &For{Var: &Var{fmt.Sprintf("%s_%d", name, b.vars), I32}, From: from, To: to, Step: step}
	b.add(s)
	b.inside(&s.Body, func() { body(&Read{s.Var}) })
}

// If writes a branch; otherwise may be nil.
func (b *Builder) If(cond Expr, then, otherwise func()) {
	s := &If{Cond: cond}
	b.add(s)
	if then != nil {
		b.inside(&s.Then, then)
	}
	if otherwise != nil {
		b.inside(&s.Else, otherwise)
	}
}

func (b *Builder) inside(body *[]Stmt, write func()) {
	outer := b.body
	b.body = body
	write()
	b.body = outer
}

// Written writes statements whose machine code is written out: body writes what the text
// computes, the code of w without its body.
func (b *Builder) Written(w Written, body func()) {
	b.inside(&w.Body, body)
	b.add(&w)
}

// Call calls a function; a result other than 0 ends the caller.
func (b *Builder) Call(f *Func, ints []Expr, args []Arg) { b.add(&Call{f, ints, args, nil}) }

// Result calls a function and returns its result as a variable.
func (b *Builder) Result(name string, f *Func, ints []Expr, args []Arg) Expr {
	b.vars++
	v := &Var{fmt.Sprintf("%s_%d", name, b.vars), I32}
	b.add(&Call{f, ints, args, v})
	return &Read{v}
}

// Ask has the function of a giver write bytes to an address, and returns its result as a variable.
func (b *Builder) Ask(name string, of *Param, to Arg, bytes int) Expr {
	b.vars++
	v := &Var{fmt.Sprintf("%s_%d", name, b.vars), I32}
	b.add(&Ask{of, to, bytes, v})
	return &Read{v}
}

// Parallel calls a function once with each of 0 to count-1, side by side where the caller can.
func (b *Builder) Parallel(count int, f *Func, args []Arg) {
	b.add(&Parallel{count, &Call{Func: f, Args: args}})
}

// Return ends the function.
func (b *Builder) Return(v Expr) { b.add(&Return{v}) }

// Int is an i32 constant.
func Int(v int) Expr { return &Const{I32, int64(v)} }

// Num is a constant of any type.
func Num(t Type, v int64) Expr { return &Const{t, v} }

// Op applies a binary operation. It folds constants in the arithmetic of addresses (i32).
func Op(op BinOp, x, y Expr) Expr {
	a, aok := x.(*Const)
	c, cok := y.(*Const)
	if aok && cok && x.Type() == I32 {
		switch op {
		case Add:
			return Int(int(a.Value + c.Value))
		case Mul:
			return Int(int(a.Value * c.Value))
		}
	}
	switch {
	case op == Add && cok && c.Value == 0, op == Sub && cok && c.Value == 0, op == Mul && cok && c.Value == 1, (op == LShr || op == Shl || op == AShr) && cok && c.Value == 0:
		return x
	case op == Add && aok && a.Value == 0, op == Mul && aok && a.Value == 1:
		return y
	case op == Mul && (aok && a.Value == 0 || cok && c.Value == 0):
		return Num(x.Type(), 0)
	}
	return &Bin{op, x, y}
}

// Sum adds expressions.
func Sum(x Expr, more ...Expr) Expr {
	for _, y := range more {
		x = Op(Add, x, y)
	}
	return x
}

// Times multiplies two expressions.
func Times(x, y Expr) Expr { return Op(Mul, x, y) }

// Scaled returns x times a constant.
func Scaled(x Expr, n int) Expr { return Op(Mul, x, Num(x.Type(), int64(n))) }

// Clamp bounds x to lo..hi.
func Clamp(x Expr, lo, hi int64) Expr {
	return Op(SMin, Op(SMax, x, Num(x.Type(), lo)), Num(x.Type(), hi))
}

// To converts x to integers of another width.
func To(op CastOp, x Expr, bits int) Expr {
	t := x.Type()
	switch {
	case t.Bits == bits:
		return x
	case bits < t.Bits:
		op = Trunc
	}
	return &Cast{op, x, Type{bits, t.Lanes}}
}

package loop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// Memory is the bytes of each region that a function is called with.
type Memory []byte

// Run evaluates a function with its integer parameters and its regions. An access outside a
// region, and a read of a variable before it is set, are errors.
func Run(f *Func, ints []int64, regions []Memory) (result int64, err error) {
	return run(&machine{funcs: map[*Func]*function{}}, f, ints, regions)
}

func run(m *machine, f *Func, ints []int64, regions []Memory) (result int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(evalError)
			if !ok {
				panic(r)
			}
			err = errors.New(string(fault))
		}
	}()
	return m.function(f).call(ints, regions), nil
}

// Counts are the operations that a run executes, by kind. They are those of the loop
// language, before LLVM merges and removes any.
type Counts struct {
	Loads, Stores int
	Multiplies    int // products, and named instructions
	Divisions     int
	Others        int // arithmetic, also of addresses
	Rounds        int // of loops
	Branches      int
	Calls         int
}

// Weighted is one number for all: about the instructions of a processor with one issue.
func (c Counts) Weighted() int {
	return c.Loads + c.Stores + c.Multiplies + 12*c.Divisions + c.Others + 2*c.Rounds + 2*c.Branches + 8*c.Calls
}

// Count is Run, and counts what it executes. An operation on a vector counts once for each
// register of the given bytes; with 0 there are no vectors, and it counts once for each
// lane.
func Count(f *Func, ints []int64, regions []Memory, register int) (c Counts, err error) {
	_, err = run(&machine{funcs: map[*Func]*function{}, counts: &c, register: register}, f, ints, regions)
	return c, err
}

type evalError string

// machine turns functions into closures once, and runs them often. Closures own the memory
// of their values, since no function calls itself.
type machine struct {
	funcs    map[*Func]*function
	counts   *Counts // nil where nothing is counted
	register int     // bytes of a vector register
	given    int     // bytes that givers have written
}

// function is a function as closures.
type function struct {
	f       *Func
	ints    []*cell
	mem     []*place // of the parameters
	cells   []*cell
	cursors []*place
	body    stmts
}

// cell is a variable.
type cell struct {
	v     []int64
	isSet bool
}

// place is where a region or a cursor stands.
type place struct {
	name   string // of the region, for messages
	mem    Memory
	offset int64
}

type (
	// value computes an expression. The result is valid until the next call.
	value func() []int64
	// step executes a statement. returned ends the function.
	step  func() (result int64, returned bool)
	stmts []step
)

func (list stmts) run() (int64, bool) {
	for _, s := range list {
		if r, returned := s(); returned {
			return r, true
		}
	}
	return 0, false
}

// call runs the function.
func (c *function) call(ints []int64, regions []Memory) (result int64) {
	if c.f.Extern {
		return 0
	}
	defer func() {
		if r := recover(); r != nil {
			if fault, ok := r.(evalError); ok {
				r = evalError(c.f.Name + ": " + string(fault))
			}
			panic(r)
		}
	}()
	for _, v := range c.cells {
		v.isSet = false
	}
	for _, p := range c.cursors {
		*p = place{}
	}
	for i, v := range c.ints {
		v.v[0], v.isSet = ints[i], true
	}
	for i, p := range c.mem {
		p.mem, p.offset = regions[i], 0
	}
	result, _ = c.body.run()
	return result
}

// function is the closures of f.
func (m *machine) function(f *Func) *function {
	if c := m.funcs[f]; c != nil {
		return c
	}
	c := &function{f: f}
	m.funcs[f] = c
	w := &writer{machine: m, fn: c, vars: map[*Var]*cell{}, places: map[Region]*place{}}
	for _, v := range f.Ints {
		c.ints = append(c.ints, w.cell(v))
	}
	for _, p := range f.Params {
		c.mem = append(c.mem, w.place(p))
	}
	c.body = w.block(f.Body)
	return c
}

// writer makes the closures of one function.
type writer struct {
	*machine
	fn     *function
	vars   map[*Var]*cell
	places map[Region]*place
}

func (w *writer) cell(v *Var) *cell {
	c := w.vars[v]
	if c == nil {
		c = &cell{v: make([]int64, v.Type.Lanes)}
		w.vars[v] = c
		w.fn.cells = append(w.fn.cells, c)
	}
	return c
}

func (w *writer) place(r Region) *place {
	p := w.places[r]
	if p == nil {
		p = &place{name: r.regionName()}
		switch r := r.(type) {
		case *Global:
			p.mem = r.Data
		case *Cursor:
			w.fn.cursors = append(w.fn.cursors, p)
		}
		w.places[r] = p
	}
	return p
}

func (w *writer) block(body []Stmt) (list stmts) {
	for _, s := range body {
		if run := w.stmt(s); run != nil {
			list = append(list, run)
		}
	}
	return list
}

// add counts n where operations are counted.
func (w *writer) add(n int, to func(c *Counts) *int) func() {
	if w.counts == nil || n == 0 {
		return func() {}
	}
	at := to(w.counts)
	return func() { *at += n }
}

// size is what an operation on values of a type counts.
func (w *writer) size(t Type) int {
	if w.register == 0 {
		return t.Lanes
	}
	return (t.Bytes() + w.register - 1) / w.register
}

func (w *writer) stmt(s Stmt) step {
	switch s := s.(type) {
	case *Assign:
		c, v := w.cell(s.Var), w.expr(s.Value)
		return func() (int64, bool) {
			copy(c.v, v())
			c.isSet = true
			return 0, false
		}
	case *Store:
		t, v := s.Value.Type(), w.expr(s.Value)
		bytes, count := w.lanes(s.To, s.Offset, t, s.Align, s.Places), w.add(w.size(t), func(c *Counts) *int { return &c.Stores })
		return func() (int64, bool) {
			count()
			lane := bytes()
			for i, x := range v() {
				if b := lane(i); b != nil {
					put(b, t.Bits, x)
				}
			}
			return 0, false
		}
	case *Point:
		from, to, offset := w.place(s.To), w.place(s.Cursor), w.expr(s.Offset)
		return func() (int64, bool) {
			*to = place{from.name, from.mem, from.offset + offset()[0]}
			return 0, false
		}
	case *For:
		c, from, to, body := w.cell(s.Var), w.expr(s.From), w.expr(s.To), w.block(s.Body)
		count := w.add(1, func(c *Counts) *int { return &c.Rounds })
		return func() (int64, bool) {
			end := to()[0]
			for i := from()[0]; i < end; i += int64(s.Step) {
				count()
				c.v[0], c.isSet = i, true
				if r, returned := body.run(); returned {
					return r, true
				}
			}
			return 0, false
		}
	case *If:
		cond, then, otherwise := w.expr(s.Cond), w.block(s.Then), w.block(s.Else)
		count := w.add(1, func(c *Counts) *int { return &c.Branches })
		return func() (int64, bool) {
			count()
			if cond()[0] == 0 {
				return otherwise.run()
			}
			return then.run()
		}
	case *Call:
		return w.invoke(s)
	case *Ask:
		return w.ask(s)
	case *Parallel:
		number := &Var{Name: "number", Type: I32}
		c := w.cell(number)
		call := w.invoke(&Call{Func: s.Call.Func, Ints: []Expr{number.Get()}, Args: s.Call.Args})
		return func() (int64, bool) {
			for i := s.Count - 1; i >= 0; i-- { // any order serves
				c.v[0], c.isSet = int64(i), true
				call()
			}
			return 0, false
		}
	case *Written:
		return w.block(s.Body).run
	case *Return:
		v := w.expr(s.Value)
		return func() (int64, bool) { return v()[0], true }
	}
	return nil // a Fence
}

func (w *writer) invoke(s *Call) step {
	callee, ints, regions := w.function(s.Func), make([]int64, len(s.Ints)), make([]Memory, len(s.Args))
	var values []value
	for _, x := range s.Ints {
		values = append(values, w.expr(x))
	}
	var places []*place
	for _, a := range s.Args {
		places = append(places, w.place(a.Region))
	}
	var result *cell
	if s.Result != nil {
		result = w.cell(s.Result)
	}
	count := w.add(1, func(c *Counts) *int { return &c.Calls })
	return func() (int64, bool) {
		count()
		for i, v := range values {
			ints[i] = v()[0]
		}
		for i, a := range s.Args {
			m, at := places[i].mem, a.Offset+int(places[i].offset)
			if at < 0 || at > len(m) {
				panic(evalError(fmt.Sprintf("argument at byte %d of %d", at, len(m))))
			}
			regions[i] = m[at:]
		}
		r := callee.call(ints, regions)
		if result != nil {
			result.v[0], result.isSet = r, true
			return 0, false
		}
		return r, r != 0
	}
}

// ask copies what the caller's function writes: the next bytes of its memory.
func (w *writer) ask(s *Ask) step {
	from, to, result := w.place(s.Of), w.place(s.To.Region), w.cell(s.Result)
	return func() (int64, bool) {
		at := s.To.Offset + int(to.offset)
		if at < 0 || at+s.Bytes > len(to.mem) || w.given+s.Bytes > len(from.mem) {
			panic(evalError(fmt.Sprintf("%s gives bytes %d to %d of %d to byte %d of %s, which has %d", from.name, w.given, w.given+s.Bytes, len(from.mem), at, to.name, len(to.mem))))
		}
		w.given += copy(to.mem[at:at+s.Bytes], from.mem[w.given:])
		result.v[0], result.isSet = 0, true
		return 0, false
	}
}

// lanes are the bytes of each lane of a value of type t in a region; nil of a lane that lies nowhere.
func (w *writer) lanes(r Region, offset Expr, t Type, align int, places []int) func() func(lane int) []byte {
	p, start := w.place(r), w.expr(offset)
	var at int64
	inside := func(t Type, at int64) []byte {
		if at < 0 || at+int64(t.Bytes()) > int64(len(p.mem)) {
			panic(evalError(fmt.Sprintf("%s at byte %d of %s, which has %d", t, at, p.name, len(p.mem))))
		}
		return p.mem[at : at+int64(t.Bytes())]
	}
	var whole []byte
	lane := func(i int) []byte { return whole[i*t.Bits/8:] }
	if places != nil {
		lane = func(i int) []byte {
			if places[i] < 0 {
				return nil
			}
			return inside(t.Vec(1), at+int64(places[i]))
		}
	}
	return func() func(lane int) []byte {
		at = start()[0] + p.offset
		if align > 0 && at%int64(align) != 0 {
			panic(evalError(fmt.Sprintf("%s at byte %d of %s, which is no multiple of %d", t, at, p.name, align)))
		}
		if places == nil {
			whole = inside(t, at)
		}
		return lane
	}
}

func put(b []byte, bits int, v int64) {
	switch bits {
	case 8:
		b[0] = byte(v)
	case 16:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 32:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, uint64(v))
	}
}

func get(b []byte, bits int) int64 {
	switch bits {
	case 8:
		return int64(int8(b[0]))
	case 16:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 32:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// wrap sign-extends the low bits of v: values are kept so.
func wrap(v int64, bits int) int64 { return v << (64 - bits) >> (64 - bits) }

func unsigned(v int64, bits int) uint64 { return uint64(v) << (64 - bits) >> (64 - bits) }

func (w *writer) expr(x Expr) value {
	out := make([]int64, x.Type().Lanes)
	switch x := x.(type) {
	case *Const:
		for i := range out {
			out[i] = wrap(x.Value, x.T.Bits)
		}
		return func() []int64 { return out }
	case *Lanes:
		return func() []int64 { return x.Values }
	case *Read:
		c := w.cell(x.Var)
		return func() []int64 {
			if !c.isSet {
				panic(evalError(x.Var.Name + " is read before it is set"))
			}
			return c.v
		}
	case *Load:
		bytes, bits := w.lanes(x.From, x.Offset, x.T, x.Align, x.Places), x.T.Bits
		count := w.add(w.size(x.T), func(c *Counts) *int { return &c.Loads })
		return func() []int64 {
			count()
			lane := bytes()
			for i := range out {
				out[i] = 0
				if b := lane(i); b != nil {
					out[i] = get(b, bits)
				}
			}
			return out
		}
	case *Address:
		at := w.place(x.Of)
		return func() []int64 {
			out[0] = int64(uintptr(unsafe.Pointer(unsafe.SliceData(at.mem)))) + at.offset
			return out
		}
	case *Aligned:
		var at []*place
		for _, r := range x.Of {
			at = append(at, w.place(r))
		}
		return func() []int64 {
			out[0] = 1
			for _, p := range at {
				if p.offset%int64(x.To) != 0 {
					out[0] = 0
				}
			}
			return out
		}
	case *Bin:
		a, b, bits := w.expr(x.A), w.expr(x.B), x.A.Type().Bits
		count := w.add(w.size(x.A.Type()), func(c *Counts) *int {
			switch x.Op {
			case Mul:
				return &c.Multiplies
			case SDiv, UDiv:
				return &c.Divisions
			}
			return &c.Others
		})
		return func() []int64 {
			count()
			a, b := a(), b()
			for i := range out {
				out[i] = wrap(binary2(x.Op, a[i], b[i], bits), bits)
			}
			return out
		}
	case *Cast:
		a, from := w.expr(x.A), x.A.Type().Bits
		return func() []int64 {
			for i, v := range a() {
				if x.Op == ZExt {
					v = int64(unsigned(v, from))
				}
				out[i] = wrap(v, x.T.Bits)
			}
			return out
		}
	case *Splat:
		a := w.expr(x.A)
		return func() []int64 {
			v := a()[0]
			for i := range out {
				out[i] = v
			}
			return out
		}
	case *Extract:
		a := w.expr(x.A)
		return func() []int64 { return a()[x.Lane : x.Lane+1] }
	case *Named:
		args, values, apply := make([][]int64, len(x.Args)), make([]value, len(x.Args)), Intrinsics[x.Name]
		for i, a := range x.Args {
			values[i] = w.expr(a)
		}
		count := w.add(w.size(x.T), func(c *Counts) *int { return &c.Multiplies })
		return func() []int64 {
			count()
			for i, v := range values {
				args[i] = v()
			}
			return apply(args)
		}
	case *Shuffle:
		a := w.expr(x.A)
		count := w.add(w.size(x.Type()), func(c *Counts) *int { return &c.Others })
		return func() []int64 {
			count()
			all := a()
			for i, m := range x.Mask {
				out[i] = all[m]
			}
			return out
		}
	}
	panic(evalError(fmt.Sprintf("no expression: %T", x)))
}

func binary2(op BinOp, a, b int64, bits int) int64 {
	truth := func(c bool) int64 {
		if c {
			return 1
		}
		return 0
	}
	switch op {
	case Add:
		return a + b
	case Sub:
		return a - b
	case Mul:
		return a * b
	case And:
		return a & b
	case Or:
		return a | b
	case Xor:
		return a ^ b
	case Shl:
		return a << uint64(b)
	case LShr:
		return int64(unsigned(a, bits) >> uint64(b))
	case AShr:
		return a >> uint64(b)
	case SMin:
		return min(a, b)
	case SMax:
		return max(a, b)
	case SDiv:
		if b == 0 {
			panic(evalError("division by zero"))
		}
		return a / b
	case UDiv:
		if b == 0 {
			panic(evalError("division by zero"))
		}
		return int64(unsigned(a, bits) / unsigned(b, bits))
	case Eq:
		return truth(a == b)
	case SLt:
		return truth(a < b)
	case ULt:
		return truth(unsigned(a, bits) < unsigned(b, bits))
	}
	panic(evalError("no operation"))
}

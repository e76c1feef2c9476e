package loop

import (
	"encoding/binary"
	"fmt"
)

// Memory is the bytes of each region that a function is called with.
type Memory []byte

// Run evaluates a function with its integer parameters and its regions. An access outside a
// region, and a read of a variable before it is set, are errors.
func Run(f *Func, ints []int64, regions []Memory) (result int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(evalError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s: %s", f.Name, string(fault))
		}
	}()
	if f.Extern {
		return 0, nil
	}
	e := &frame{vars: map[*Var][]int64{}, mem: map[Region]Memory{}, at: map[*Cursor]place{}}
	for i, v := range f.Ints {
		e.vars[v] = []int64{ints[i]}
	}
	for i, p := range f.Params {
		e.mem[p] = regions[i]
	}
	result, _ = e.block(f.Body)
	return result, nil
}

type evalError string

type frame struct {
	vars map[*Var][]int64
	mem  map[Region]Memory
	at   map[*Cursor]place
}

// place is where a cursor stands.
type place struct {
	region Region
	offset int64
}

func (e *frame) block(body []Stmt) (result int64, returned bool) {
	for _, s := range body {
		switch s := s.(type) {
		case *Assign:
			e.vars[s.Var] = e.eval(s.Value)
		case *Store:
			t := s.Value.Type()
			b := e.bytes(s.To, s.Offset, t, s.Align)
			for i, v := range e.eval(s.Value) {
				put(b[i*t.Bits/8:], t.Bits, v)
			}
		case *Point:
			to := place{s.To, e.eval(s.Offset)[0]}
			if c, ok := s.To.(*Cursor); ok {
				to = place{e.at[c].region, e.at[c].offset + to.offset}
			}
			e.at[s.Cursor] = to
		case *For:
			to := e.eval(s.To)[0]
			for i := e.eval(s.From)[0]; i < to; i += int64(s.Step) {
				e.vars[s.Var] = []int64{i}
				if r, done := e.block(s.Body); done {
					return r, true
				}
			}
		case *If:
			branch := s.Then
			if e.eval(s.Cond)[0] == 0 {
				branch = s.Else
			}
			if r, done := e.block(branch); done {
				return r, true
			}
		case *Call:
			ints := make([]int64, len(s.Ints))
			for i, x := range s.Ints {
				ints[i] = e.eval(x)[0]
			}
			regions := make([]Memory, len(s.Args))
			for i, a := range s.Args {
				m := e.region(a.Region)
				if a.Offset > len(m) {
					panic(evalError(fmt.Sprintf("argument at byte %d of %d", a.Offset, len(m))))
				}
				regions[i] = m[a.Offset:]
			}
			r, err := Run(s.Func, ints, regions)
			if err != nil {
				panic(evalError(err.Error()))
			}
			switch {
			case s.Result != nil:
				e.vars[s.Result] = []int64{r}
			case r != 0:
				return r, true
			}
		case *Return:
			return e.eval(s.Value)[0], true
		}
	}
	return 0, false
}

func (e *frame) region(r Region) Memory {
	if g, ok := r.(*Global); ok {
		return g.Data
	}
	return e.mem[r]
}

func (e *frame) bytes(r Region, offset Expr, t Type, align int) []byte {
	at := e.eval(offset)[0]
	if c, ok := r.(*Cursor); ok {
		r, at = e.at[c].region, at+e.at[c].offset
	}
	m := e.region(r)
	if align > 0 && at%int64(align) != 0 {
		panic(evalError(fmt.Sprintf("%s at byte %d of %s, which is no multiple of %d", t, at, r.regionName(), align)))
	}
	if at < 0 || at+int64(t.Bytes()) > int64(len(m)) {
		panic(evalError(fmt.Sprintf("%s at byte %d of %s, which has %d", t, at, r.regionName(), len(m))))
	}
	return m[at : at+int64(t.Bytes())]
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

// wrap sign-extends the low bits of v: values are kept so.
func wrap(v int64, bits int) int64 { return v << (64 - bits) >> (64 - bits) }

func unsigned(v int64, bits int) uint64 { return uint64(v) << (64 - bits) >> (64 - bits) }

func (e *frame) eval(x Expr) []int64 {
	switch x := x.(type) {
	case *Const:
		out := make([]int64, x.T.Lanes)
		for i := range out {
			out[i] = wrap(x.Value, x.T.Bits)
		}
		return out
	case *Lanes:
		return x.Values
	case *Read:
		v, ok := e.vars[x.Var]
		if !ok {
			panic(evalError(x.Var.Name + " is read before it is set"))
		}
		return v
	case *Load:
		b := e.bytes(x.From, x.Offset, x.T, x.Align)
		out := make([]int64, x.T.Lanes)
		for i := range out {
			switch part := b[i*x.T.Bits/8:]; x.T.Bits {
			case 8:
				out[i] = int64(int8(part[0]))
			case 16:
				out[i] = int64(int16(binary.LittleEndian.Uint16(part)))
			case 32:
				out[i] = int64(int32(binary.LittleEndian.Uint32(part)))
			default:
				out[i] = int64(binary.LittleEndian.Uint64(part))
			}
		}
		return out
	case *Bin:
		a, b, bits := e.eval(x.A), e.eval(x.B), x.A.Type().Bits
		out := make([]int64, len(a))
		for i := range a {
			out[i] = wrap(binary2(x.Op, a[i], b[i], bits), bits)
		}
		return out
	case *Cast:
		a, from := e.eval(x.A), x.A.Type().Bits
		out := make([]int64, len(a))
		for i, v := range a {
			if x.Op == ZExt {
				v = int64(unsigned(v, from))
			}
			out[i] = wrap(v, x.T.Bits)
		}
		return out
	case *Splat:
		v := e.eval(x.A)[0]
		out := make([]int64, x.Lanes)
		for i := range out {
			out[i] = v
		}
		return out
	case *Extract:
		return e.eval(x.A)[x.Lane : x.Lane+1]
	case *Named:
		args := make([][]int64, len(x.Args))
		for i, a := range x.Args {
			args[i] = e.eval(a)
		}
		return Intrinsics[x.Name](args)
	case *Shuffle:
		all := e.eval(x.A)
		out := make([]int64, len(x.Mask))
		for i, m := range x.Mask {
			out[i] = all[m]
		}
		return out
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

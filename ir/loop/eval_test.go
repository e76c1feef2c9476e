package loop

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evaluate is what an expression of no variables evaluates to.
func evaluate(t *testing.T, x Expr) []int64 {
	t.Helper()
	m := &machine{funcs: map[*Func]*function{}}
	w := &writer{machine: m, fn: &function{}, vars: map[*Var]*cell{}, places: map[Region]*place{}}
	return w.expr(x)()
}

func vec(bits int, v ...int64) Expr { return &Lanes{Type{bits, len(v)}, v} }

// TestBinary: two's complement of the width, with the signedness in the operation.
func TestBinary(t *testing.T) {
	for _, c := range []struct {
		op   BinOp
		t    Type
		a, b int64
		want int64
	}{
		{Add, I8, 127, 1, -128}, {Add, I32, math.MaxInt32, 1, math.MinInt32}, {Add, I64, 5, -7, -2},
		{Sub, I8, -128, 1, 127}, {Sub, I16, 3, 5, -2},
		{Mul, I8, 100, 3, 44}, {Mul, I64, 1 << 40, 3, 3 << 40}, {Mul, I32, -4, 3, -12},
		{And, I8, 0b1100, 0b1010, 0b1000}, {Or, I8, 0b1100, 0b1010, 0b1110}, {Xor, I8, 0b1100, 0b1010, 0b0110},
		{Shl, I8, 3, 7, -128}, {Shl, I32, 3, 4, 48},
		{LShr, I8, -1, 1, 127}, {LShr, I32, -16, 4, 0x0fffffff}, {LShr, I16, -2, 15, 1},
		{AShr, I8, -1, 1, -1}, {AShr, I32, -17, 4, -2},
		{SMin, I32, -3, 2, -3}, {SMax, I32, -3, 2, 2},
		{SDiv, I32, -7, 2, -3}, {SDiv, I32, 7, -2, -3}, {UDiv, I8, -2, 2, 127}, {UDiv, I32, -2, -1, 0}, {UDiv, I32, 9, 2, 4},
		{Eq, I8, 5, 5, 1}, {Eq, I8, 5, 6, 0},
		{SLt, I8, -1, 0, 1}, {SLt, I8, 0, 0, 0}, {SLt, I8, 1, 0, 0},
		{ULt, I8, -1, 0, 0}, {ULt, I8, 0, -1, 1}, {ULt, I8, 4, 4, 0},
	} {
		x := &Bin{c.op, Num(c.t, c.a), Num(c.t, c.b)}
		assert.Equal(t, []int64{c.want}, evaluate(t, x), "%d of %d and %d", c.op, c.a, c.b)
		if c.op == Eq || c.op == SLt || c.op == ULt { // of numbers only
			assert.Equal(t, I32, x.Type())
			continue
		}
		assert.Equal(t, c.t, x.Type())
		lanes := evaluate(t, &Bin{c.op, vec(c.t.Bits, c.a, c.a), vec(c.t.Bits, c.b, c.b)})
		assert.Equal(t, []int64{c.want, c.want}, lanes)
	}
}

func TestConversions(t *testing.T) {
	for _, c := range []struct {
		x    Expr
		want []int64
		is   Type
	}{
		{&Const{I8, 200}, []int64{-56}, I8},
		{&Const{I8.Vec(3), 200}, []int64{-56, -56, -56}, I8.Vec(3)},
		{To(SExt, vec(8, -1, 2), 32), []int64{-1, 2}, I32.Vec(2)},
		{To(ZExt, vec(8, -1, 2), 32), []int64{255, 2}, I32.Vec(2)},
		{To(ZExt, Num(I32, -1), 64), []int64{math.MaxUint32}, I64},
		{To(ZExt, vec(16, 0x1ff, -1), 8), []int64{-1, -1}, I8.Vec(2)},
		{To(SExt, Num(I32, 0x180), 8), []int64{-128}, I8},
		{To(SExt, Num(I32, 7), 32), []int64{7}, I32},
		{&Splat{Num(I16, -3), 4}, []int64{-3, -3, -3, -3}, I16.Vec(4)},
		{&Extract{vec(16, 4, 5, 6), 1}, []int64{5}, I16},
		{&Shuffle{vec(8, 4, 5, 6), []int{2, 0, 0, 1}}, []int64{6, 4, 4, 5}, I8.Vec(4)},
		{Clamp(vec(32, -9, 3, 9), -4, 5), []int64{-4, 3, 5}, I32.Vec(3)},
		{Sum(Num(I64, 3), Num(I64, 4), Num(I64, 5)), []int64{12}, I64},
		{Scaled(Num(I16, 5), 3), []int64{15}, I16},
		{Times(Num(I8, 5), Num(I8, 6)), []int64{30}, I8},
	} {
		assert.Equal(t, c.want, evaluate(t, c.x))
		assert.Equal(t, c.is, c.x.Type())
	}
	assert.Equal(t, []int{1, 2, 4, 8, 32}, []int{I8.Bytes(), I16.Bytes(), I32.Bytes(), I64.Bytes(), I16.Vec(16).Bytes()})
	assert.Equal(t, "i8 <16 x i16>", fmt.Sprint(I8, " ", I16.Vec(16)))
	same := Num(I32, 5)
	assert.Same(t, same, To(Trunc, same, 32))
	assert.Equal(t, Trunc, To(SExt, same, 16).(*Cast).Op, "a narrower type truncates")
	assert.Equal(t, SExt, To(SExt, same, 64).(*Cast).Op)
}

// TestIntrinsics: each named instruction on numbers worked out by hand.
func TestIntrinsics(t *testing.T) {
	pair := func(high, low int64) int64 { return int64(int32(uint32(high)<<16 | uint32(uint16(low)))) }
	v := func(x ...int64) []int64 { return x }
	for _, c := range []struct {
		name string
		args [][]int64
		want []int64
	}{
		{"opaque", [][]int64{v(7)}, v(7)},
		{"sxtb16", [][]int64{v(0x7f80ff01)}, v(pair(-128, 1))},
		{"sxtb16", [][]int64{v(0x00017f85)}, v(pair(1, -123))},
		{"ror8", [][]int64{v(0x12345678)}, v(0x78123456)},
		{"ror8", [][]int64{v(0x00000080)}, v(math.MinInt32)},
		{"smlad", [][]int64{v(pair(3, -2)), v(pair(-5, 7)), v(100)}, v(100 - 15 - 14)},
		{"smlad", [][]int64{v(pair(1, 0)), v(pair(1, 9)), v(math.MaxInt32)}, v(math.MinInt32)},
		{"smlabb", [][]int64{v(pair(3, -2)), v(pair(-5, 7)), v(100)}, v(86)},
		{"smlabb", [][]int64{v(pair(3, 1)), v(pair(-5, 1)), v(math.MaxInt32)}, v(math.MinInt32)},
		{"smlatt", [][]int64{v(pair(3, -2)), v(pair(-5, 7)), v(100)}, v(85)},
		{"mladav", [][]int64{v(1, -2, 3), v(4, 5, -6), v(10)}, v(10 + 4 - 10 - 18)},
		{"addv", [][]int64{v(1, -2, 3), v(10)}, v(12)},
		{"mladavu", [][]int64{v(1, -2, 3), v(4, 5, -6), v(10)}, v(10 + 4 + 254*5 + 3*250)},
		{"addvu", [][]int64{v(1, -2, 3), v(10)}, v(10 + 1 + 254 + 3)},
		{"sdot", [][]int64{v(1, 2, 3, 4, -1, -1, -1, -1), v(5, 6, 7, 8, 1, 2, 3, 4), v(100, 1)}, v(100+5+12+21+32, 1-10)},
		{"udot", [][]int64{v(-1, 2, 3, 4, 1, 0, 0, 0), v(2, 6, 7, 8, -2, 2, 3, 4), v(100, 1)}, v(100+510+12+21+32, 1+254)},
		{"ssub16", [][]int64{v(pair(3, -2)), v(pair(-5, 7))}, v(pair(8, -9))},
		{"ssub16", [][]int64{v(pair(-32768, 5)), v(pair(1, 5))}, v(pair(32767, 0))},
		{"ubfx", [][]int64{v(4), v(3), v(0b1011_0101)}, v(0b011)},
		{"ubfx", [][]int64{v(28), v(4), v(-1)}, v(15)},
		{"mull", [][]int64{v(-128, 5), v(-128, -6)}, v(16384, -30)},
		{"paddl", [][]int64{v(1, 2, -3, 4), v(0, 0)}, v(3, 1)},
		{"padal", [][]int64{v(1, -2, 3, 4), v(10, 20)}, v(9, 27)},
		{"padalu", [][]int64{v(1, -2, 3, 4), v(10, 20)}, v(10+1+65534, 27)},
		{"abal", [][]int64{v(-1, 3, 5), v(0, 9, 5), v(10, 20, 30)}, v(265, 26, 30)},
		{"tst", [][]int64{v(0b0110, 0b0110), v(0b0100, 0b1001)}, v(-1, 0)},
		{"tbl16", [][]int64{v(0x34, -2), v(0x12, -1), v(1, 0)}, v(-2, 0x1234)},
		{"zip", [][]int64{v(1, 2, 3), v(4, 5, 6)}, v(1, 4, 2, 5, 3, 6)},
		{"sdotlane", [][]int64{v(1, 2, 3, 4, -1, -1, -1, -1), v(9, 0x0807fe05), v(1), v(100, 1)}, v(100+5-4+21+32, 1-5+2-7-8)},
		{"mulllane", [][]int64{v(1, 2, -3, -128), v(9, -32763), v(1), v(0, 0, 0, 0)}, v(5, -256, -15, 16384)},
		{"zip2", [][]int64{v(1, 2, 3, 4), v(5, 6, 7, 8)}, v(1, 2, 5, 6, 3, 4, 7, 8)},
		{"qdmulh", [][]int64{v(1<<30, math.MinInt32, -1), v(1<<30, math.MinInt32, 1)}, v(1<<29, math.MaxInt32, -1)},
		{"qshl", [][]int64{v(3), v(5, -1, 1<<28, 1<<28-1, -1<<28, -1<<28-1, math.MinInt32)}, v(40, -8, math.MaxInt32, math.MaxInt32-7, math.MinInt32, math.MinInt32, math.MinInt32)},
		{"rshr", [][]int64{v(5, 6, -6, 7), v(-2, -2, -2, -1)}, v(1, 2, -1, 4)},
		{"rshr", [][]int64{v(5, -7), v(0, -32)}, v(5, 0)},
		{"qrdmulh", [][]int64{v(3<<30, -1<<30, 1, -1, math.MinInt32), v(1, 3, 1<<30, 1<<30, math.MinInt32)}, v(2, -1, 1, 0, math.MaxInt32)},
		{"qadd", [][]int64{v(32767, -32768, 5), v(1, -1, 6)}, v(32767, -32768, 11)},
		{"qxtn16", [][]int64{v(40000, -7), v(-40000, 8)}, v(32767, -7, -32768, 8)},
		{"qxtn8", [][]int64{v(128, -128), v(-129, 127)}, v(127, -128, -128, 127)},
		{"tbl64", [][]int64{v(make([]int64, 16)...), v(append([]int64{9}, make([]int64, 15)...)...), v(make([]int64, 16)...), v(append(make([]int64, 15), 7)...), v(16, 63, 47, 64, -1), v(1, 2, 3, 4, 5)}, v(9, 7, 0, 4, 5)},
		{"sums", [][]int64{v(1, -2, 3), v(4, 5, 6)}, v(2, 15)},
		{"lanes", [][]int64{v(7), v(-8)}, v(7, -8)},
		{"sum", [][]int64{v(1, -2, 3)}, v(2)},
		{"usada8", [][]int64{v(0x01ff0305), v(0x02000a05), v(1000)}, v(1000 + 1 + 255 + 7 + 0)},
	} {
		require.Contains(t, Intrinsics, c.name)
		assert.Equal(t, c.want, Intrinsics[c.name](c.args), "%s of %v", c.name, c.args)
	}
	x := Instr("smlad", Num(I32, pair(3, -2)), Num(I32, pair(-5, 7)), Int(100))
	assert.Equal(t, []int64{71}, evaluate(t, x))
	assert.Equal(t, I16.Vec(2), Instr("mull", vec(8, 1, 2), vec(16, 1, 2)).Type(), "the type of the last argument")
}

// TestMemory: little endian of every width, lanes one after the other, nothing beside.
func TestMemory(t *testing.T) {
	for _, c := range []struct {
		x    Expr
		want []byte
	}{
		{vec(8, -2, 3), []byte{0xfe, 3}},
		{vec(16, -2, 0x0102), []byte{0xfe, 0xff, 2, 1}},
		{vec(32, -2, 0x01020304), []byte{0xfe, 0xff, 0xff, 0xff, 4, 3, 2, 1}},
		{vec(64, -2, 0x0102030405060708), []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 7, 6, 5, 4, 3, 2, 1}},
	} {
		x, y := &Param{Name: "x"}, &Param{Name: "y"}
		f := &Func{Name: "f", Params: []*Param{x, y}}
		b := NewBuilder(f)
		b.Store(x, Int(1), c.x)
		b.StoreAligned(y, Int(0), At(x, Int(1), c.x.Type()), 1)
		memory := make([]byte, len(c.want)+2)
		copied := make([]byte, len(c.want))
		_, err := Run(f, nil, []Memory{memory, copied})
		require.NoError(t, err)
		assert.Equal(t, append(append([]byte{0}, c.want...), 0), memory)
		assert.Equal(t, c.want, copied)
	}
}

// TestFaults: what lies outside a region, or where an address may not be, is an error
// that names it.
func TestFaults(t *testing.T) {
	x := &Param{Name: "x"}
	write := func(name string, body func(b *Builder)) *Func {
		f := &Func{Name: name, Params: []*Param{x}}
		body(NewBuilder(f))
		return f
	}
	inner := write("inner", func(b *Builder) { b.Store(x, Int(3), Num(I16, 1)) })
	for want, f := range map[string]*Func{
		"f: i16 at byte 3 of x, which has 4":              write("f", func(b *Builder) { b.Store(x, Int(3), Num(I16, 1)) }),
		"f: i8 at byte -1 of x, which has 4":              write("f", func(b *Builder) { b.Store(x, Int(-1), Num(I8, 1)) }),
		"f: <4 x i16> at byte 0 of x, which has 4":        write("f", func(b *Builder) { b.Let("v", At(x, Int(0), I16.Vec(4))) }),
		"f: i8 at byte 2 of x, which is no multiple of 4": write("f", func(b *Builder) { b.StoreAligned(x, Int(2), Num(I8, 1), 4) }),
		"f: i8 at byte 1 of x, which is no multiple of 2": write("f", func(b *Builder) { b.Let("v", &Load{x, Int(1), I8, 2, nil}) }),
		"f: w is read before it is set":                   write("f", func(b *Builder) { b.Return((&Var{"w", I32}).Get()) }),
		"f: division by zero":                             write("f", func(b *Builder) { b.Return(&Bin{SDiv, Int(1), Int(0)}) }),
		"g: division by zero":                             write("g", func(b *Builder) { b.Return(&Bin{UDiv, Int(1), Int(0)}) }),
		"f: no operation":                                 write("f", func(b *Builder) { b.Return(&Bin{NumBinOps, Int(1), Int(2)}) }),
		"f: argument at byte 5 of 4":                      write("f", func(b *Builder) { b.Call(inner, nil, []Arg{{Region: x, Offset: 5}}) }),
		"f: inner: i16 at byte 3 of x, which has 3":       write("f", func(b *Builder) { b.Call(inner, nil, []Arg{{Region: x, Offset: 1}}) }),
		"f: inner: i16 at byte 3 of x, which has 0":       write("f", func(b *Builder) { b.Call(inner, nil, []Arg{{Region: x, Offset: 4}}) }),
		"f: i8 at byte 4 of x, which has 4":               write("f", func(b *Builder) { b.Store(b.Cursor("c", x, Int(3)), Int(1), Num(I8, 0)) }),
		"f: i8 at byte 3 of x, which is no multiple of 2": write("f", func(b *Builder) { b.StoreAligned(b.Cursor("c", x, Int(3)), Int(0), Num(I8, 0), 2) }),
		"f: i64 at byte 0 of table, which has 2":          write("f", func(b *Builder) { b.Let("v", At(&Global{Name: "table", Data: []byte{1, 2}}, Int(0), I64)) }),
	} {
		_, err := Run(f, nil, []Memory{make([]byte, 4)})
		assert.EqualError(t, err, want)
	}
	for _, f := range []*Func{
		write("f", func(b *Builder) { b.Store(x, Int(2), Num(I16, 1)) }),
		write("f", func(b *Builder) { b.StoreAligned(x, Int(0), Num(I32, 1), 4) }),
		write("f", func(b *Builder) { b.StoreAligned(x, Int(2), Num(I16, 1), 2) }),
		{Name: "extern", Params: []*Param{x}, Extern: true},
	} {
		result, err := Run(f, nil, []Memory{make([]byte, 4)})
		assert.NoError(t, err)
		assert.Zero(t, result)
	}
	assert.Panics(t, func() { _, _ = Run(write("f", func(b *Builder) { b.Return(&Extract{Int(1), 7}) }), nil, []Memory{nil}) }, "a fault of the evaluator's own is no error")
}

// TestCursors stand in a region, or are moved from where they stand.
func TestCursors(t *testing.T) {
	x, y := &Param{Name: "x", Constant: true}, &Param{Name: "y"}
	n := &Var{"n", I32}
	f := &Func{Name: "f", Params: []*Param{x, y}, Ints: []*Var{n}}
	b := NewBuilder(f)
	from, to := b.Cursor("from", x, n.Get()), b.Cursor("to", y, Int(0))
	assert.True(t, from.Constant)
	assert.False(t, to.Constant)
	assert.True(t, b.Cursor("again", from, Int(0)).Constant)
	assert.False(t, b.Cursor("again", to, Int(0)).Constant)
	assert.True(t, b.Cursor("table", &Global{Name: "g", Data: []byte{1}}, Int(0)).Constant)
	b.Store(to, Int(0), At(from, Int(0), I8))
	b.Advance(from, 2)
	b.Advance(to, 0)
	b.Store(to, Int(1), At(from, Int(-1), I8))
	b.Move(to, n.Get())
	b.Store(to, Int(1), At(from, Int(0), I8))
	b.Fence()
	out := make([]byte, 4)
	_, err := Run(f, []int64{1}, []Memory{{10, 11, 12, 13}, out})
	require.NoError(t, err)
	assert.Equal(t, []byte{11, 12, 13, 0}, out)
	points := 0
	for _, s := range f.Body {
		if _, ok := s.(*Point); ok {
			points++
		}
	}
	assert.Equal(t, 5+2, points, "no move by nothing")
}

// TestLoops count what their bodies see; constant bounds are folded by the builder.
func TestLoops(t *testing.T) {
	for _, c := range []struct {
		from, to, step int
		want           int64 // the sum of 100+i of each round
		loops          int
	}{
		{0, 3, 1, 303, 1}, {2, 9, 3, 100*3 + 2 + 5 + 8, 1}, {0, 0, 1, 0, 0}, {4, 3, 1, 0, 0}, {2, 3, 1, 102, 0}, {2, 5, 3, 102, 0}, {2, 6, 3, 207, 1},
	} {
		run := func(from, to func(f *Func) Expr, ints ...int64) (int64, int) {
			f := &Func{Name: "f"}
			b := NewBuilder(f)
			sum := b.Var("sum", Int(0))
			b.For("i", from(f), to(f), c.step, func(i Expr) { b.Set(sum, Sum(sum.Get(), Int(100), i)) })
			b.Return(sum.Get())
			loops := 0
			for _, s := range f.Body {
				if _, ok := s.(*For); ok {
					loops++
				}
			}
			result, err := Run(f, ints, nil)
			require.NoError(t, err)
			return result, loops
		}
		constant := func(v int) func(*Func) Expr { return func(*Func) Expr { return Int(v) } }
		param := func(f *Func) Expr {
			f.Ints = append(f.Ints, &Var{"n", I32})
			return f.Ints[0].Get()
		}
		sum, loops := run(constant(c.from), constant(c.to))
		assert.Equal(t, c.want, sum, "%+v", c)
		assert.Equal(t, c.loops, loops, "%+v", c)
		sum, loops = run(constant(c.from), param, int64(c.to))
		assert.Equal(t, []any{c.want, 1}, []any{sum, loops}, "%+v to a computed bound", c)
		sum, loops = run(param, constant(c.to), int64(c.from))
		assert.Equal(t, []any{c.want, 1}, []any{sum, loops}, "%+v from a computed bound", c)
	}
}

// TestReturns end loops, branches and callers; a result in a variable does not.
func TestReturns(t *testing.T) {
	n := &Var{"n", I32}
	callee := &Func{Name: "callee", Ints: []*Var{n}}
	c := NewBuilder(callee)
	c.For("i", Int(0), Int(10), 1, func(i Expr) {
		c.If(&Bin{Eq, i, n.Get()}, func() { c.Return(Sum(i, Int(50))) }, nil)
	})
	c.If(&Bin{SLt, n.Get(), Int(0)}, nil, func() { c.Return(Int(7)) })
	for in, want := range map[int64]int64{0: 50, 9: 59, 10: 7, -1: 0} {
		got, err := Run(callee, []int64{in}, nil)
		require.NoError(t, err)
		assert.Equal(t, want, got, in)
	}
	m := &Var{"m", I32}
	caller := &Func{Name: "caller", Ints: []*Var{m}}
	b := NewBuilder(caller)
	kept := b.Result("kept", callee, []Expr{Int(3)}, nil)
	b.Call(callee, []Expr{m.Get()}, nil)
	b.Return(Sum(kept, Int(1000)))
	for in, want := range map[int64]int64{2: 52, -1: 1053} {
		got, err := Run(caller, []int64{in}, nil)
		require.NoError(t, err)
		assert.Equal(t, want, got, "the callee's result other than 0 ends the caller")
	}
}

// TestBuilderFolds: the arithmetic of addresses leaves no operation that does nothing.
func TestBuilderFolds(t *testing.T) {
	x := (&Var{"x", I32}).Get()
	for _, c := range []struct{ got, want Expr }{
		{Op(Add, Int(3), Int(4)), Int(7)}, {Op(Mul, Int(3), Int(4)), Int(12)},
		{Op(Add, x, Int(0)), x}, {Op(Sub, x, Int(0)), x}, {Op(Mul, x, Int(1)), x},
		{Op(Shl, x, Int(0)), x}, {Op(LShr, x, Int(0)), x}, {Op(AShr, x, Int(0)), x},
		{Op(Add, Int(0), x), x}, {Op(Mul, Int(1), x), x},
		{Op(Mul, x, Int(0)), Int(0)}, {Op(Mul, Int(0), x), Int(0)},
	} {
		assert.Equal(t, c.want, c.got)
	}
	for _, c := range []struct {
		op   BinOp
		a, b Expr
	}{
		{Sub, Int(3), Int(4)}, {Add, x, Int(1)}, {Sub, Int(0), x}, {Sub, x, Int(1)}, {Mul, x, Int(2)}, {Mul, Int(2), x}, {Add, Int(1), x},
		{Shl, x, Int(1)}, {LShr, x, Int(2)}, {AShr, x, Int(1)}, {Shl, Int(0), x}, {And, x, Int(0)}, {Add, Num(I64, 3), Num(I64, 4)}, {Add, x, x}, {SMin, x, Int(0)},
	} {
		assert.Equal(t, &Bin{c.op, c.a, c.b}, Op(c.op, c.a, c.b))
	}
	f := &Func{Name: "f"}
	b := NewBuilder(f)
	v, w := b.Var("v", Int(1)), b.Var("v", Int(2))
	assert.Equal(t, []string{"v_1", "v_2"}, []string{v.Name, w.Name})
	b.Set(v, v.Get())
	assert.Len(t, f.Body, 2, "an assignment to itself is omitted")
	b.Set(v, w.Get())
	assert.Len(t, f.Body, 3)
	b.Cursor("v", &Param{Name: "p"}, Int(0))
	b.Result("v", f, nil, nil)
	b.For("v", Int(0), Int(5), 1, func(i Expr) { assert.Equal(t, "v_5", i.(*Read).Var.Name) })
}

// TestEachCall finds calls in loops and in both branches.
func TestEachCall(t *testing.T) {
	g := []*Func{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}
	f := &Func{Name: "f"}
	b := NewBuilder(f)
	b.Call(g[0], nil, nil)
	b.For("i", Int(0), Int(2), 1, func(i Expr) {
		b.If(i, func() { b.Call(g[1], nil, nil) }, func() { b.Call(g[2], nil, nil) })
	})
	b.Call(g[3], nil, nil)
	var names []string
	EachCall(f.Body, func(c *Call) { names = append(names, c.Func.Name) })
	assert.Equal(t, []string{"a", "b", "c", "d"}, names)
}

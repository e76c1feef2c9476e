package loop_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/loop"
)

// TestAligned asks a region, and cursors of it, for multiples of four.
func TestAligned(t *testing.T) {
	x, y := &loop.Param{Name: "x", Constant: true}, &loop.Param{Name: "y"}
	f := &loop.Func{Name: "f", Params: []*loop.Param{x, y}}
	b := loop.NewBuilder(f)
	for i := range 5 {
		c := b.Cursor("c", x, loop.Int(i))
		b.If(&loop.Aligned{Of: []loop.Region{y, c}, To: 4}, func() { b.Store(y, loop.Int(i), loop.Num(loop.I8, 1)) }, func() { b.Store(y, loop.Int(i), loop.Num(loop.I8, 2)) })
	}
	b.Return(loop.Int(0))
	out := make(loop.Memory, 5)
	_, err := loop.Run(f, nil, []loop.Memory{make(loop.Memory, 8), out})
	require.NoError(t, err)
	assert.Equal(t, loop.Memory{1, 2, 2, 2, 1}, out)
}

// TestCount counts a function by hand: three rounds that multiply for an address, load,
// multiply and store eight halves, and compare; a division in one of them; and a call that
// does nothing.
func TestCount(t *testing.T) {
	x, y := &loop.Param{Name: "x"}, &loop.Param{Name: "y"}
	f := &loop.Func{Name: "f", Params: []*loop.Param{x, y}}
	nothing := &loop.Func{Name: "nothing"}
	loop.NewBuilder(nothing).Return(loop.Int(0))
	b := loop.NewBuilder(f)
	eight := loop.I16.Vec(8)
	b.For("i", loop.Int(0), loop.Int(3), 1, func(i loop.Expr) {
		at := b.Let("at", loop.Scaled(i, 16))
		v := loop.At(x, at, eight)
		b.Store(y, at, loop.Op(loop.Mul, v, loop.Num(eight, 3)))
		b.If(loop.Op(loop.Eq, i, loop.Int(1)), func() { b.Set(b.Var("q", loop.Int(7)), loop.Op(loop.SDiv, i, loop.Int(2))) }, nil)
	})
	b.Call(nothing, nil, nil)
	b.Return(loop.Int(0))
	run := func(register int) (c loop.Counts, out loop.Memory) {
		in := make(loop.Memory, 48)
		for i := range in {
			in[i] = byte(i)
		}
		out = make(loop.Memory, 48)
		c, err := loop.Count(f, nil, []loop.Memory{in, out}, register)
		require.NoError(t, err)
		return c, out
	}
	want := loop.Counts{Loads: 3, Stores: 3, Multiplies: 6, Divisions: 1, Others: 3, Rounds: 3, Branches: 3, Calls: 1}
	c, out := run(16)
	assert.Equal(t, want, c, "registers of 16 bytes hold eight halves")
	assert.Equal(t, 3+3+6+12+3+2*3+2*3+8, c.Weighted())
	assert.Equal(t, byte(3*2), out[2])
	want.Loads, want.Stores, want.Multiplies = 6, 6, 9
	c, _ = run(8)
	assert.Equal(t, want, c, "two registers a vector")
	want.Loads, want.Stores, want.Multiplies = 24, 24, 27
	c, _ = run(0)
	assert.Equal(t, want, c, "no vectors")
}

// TestRunFaults: each fault names the function and what it did.
func TestRunFaults(t *testing.T) {
	for _, c := range []struct {
		name, want string
		write      func(b *loop.Builder, x *loop.Param)
	}{
		{"after the end", "f: i16 at byte 3 of x, which has 4", func(b *loop.Builder, x *loop.Param) { b.Let("v", loop.At(x, loop.Int(3), loop.I16)) }},
		{"before the beginning", "f: i8 at byte -1 of x, which has 4", func(b *loop.Builder, x *loop.Param) { b.Let("v", loop.At(x, loop.Int(-1), loop.I8)) }},
		{"alignment", "f: i16 at byte 1 of x, which is no multiple of 2", func(b *loop.Builder, x *loop.Param) {
			b.StoreAligned(x, loop.Int(1), loop.Num(loop.I16, 0), 2)
		}},
		{"a cursor", "f: i32 at byte 2 of x, which has 4", func(b *loop.Builder, x *loop.Param) {
			b.Let("v", loop.At(b.Cursor("c", x, loop.Int(1)), loop.Int(1), loop.I32))
		}},
		{"unset", "f: v is read before it is set", func(b *loop.Builder, x *loop.Param) {
			b.Store(x, loop.Int(0), (&loop.Var{Name: "v", Type: loop.I32}).Get())
		}},
		{"division", "f: division by zero", func(b *loop.Builder, x *loop.Param) {
			b.Let("v", loop.Op(loop.UDiv, loop.At(x, loop.Int(0), loop.I32), loop.At(x, loop.Int(0), loop.I32)))
		}},
		{"in a call", "f: g: i8 at byte 4 of y, which has 4", func(b *loop.Builder, x *loop.Param) {
			y := &loop.Param{Name: "y"}
			g := &loop.Func{Name: "g", Params: []*loop.Param{y}}
			loop.NewBuilder(g).Let("v", loop.At(y, loop.Int(4), loop.I8))
			b.Call(g, nil, []loop.Arg{{Region: x}})
		}},
	} {
		x := &loop.Param{Name: "x"}
		f := &loop.Func{Name: "f", Params: []*loop.Param{x}}
		c.write(loop.NewBuilder(f), x)
		_, err := loop.Run(f, nil, []loop.Memory{make(loop.Memory, 4)})
		assert.EqualError(t, err, c.want, c.name)
	}
}

// TestPlaces: lanes of a load and of a store lie where their places say; those at -1 are 0, and
// stay.
func TestPlaces(t *testing.T) {
	x, y := &loop.Param{Name: "x"}, &loop.Param{Name: "y"}
	f := &loop.Func{Name: "f", Params: []*loop.Param{x, y}}
	b := loop.NewBuilder(f)
	v := b.Let("v", loop.Gather(x, loop.Int(1), loop.I8.Vec(4), []int{0, 4, -1, 1}))
	b.Scatter(y, loop.Int(1), v, []int{3, 0, 2, -1})
	b.Scatter(y, loop.Int(0), loop.To(loop.SExt, v, 16), []int{-1, -1, -1, 6})
	b.Return(loop.Int(0))
	out := loop.Memory{9, 9, 9, 9, 9, 9, 9, 9}
	_, err := loop.Run(f, nil, []loop.Memory{{0, 1, 2, 3, 4, 0xfb}, out})
	require.NoError(t, err)
	assert.Equal(t, loop.Memory{9, 0xfb, 9, 0, 1, 9, 2, 0}, out)

	_, err = loop.Run(f, nil, []loop.Memory{{0, 1, 2, 3, 4}, out})
	assert.EqualError(t, err, "f: i8 at byte 5 of x, which has 5")
}

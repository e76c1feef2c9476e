package loop_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/loop"
)

// reader is a function that adds a byte of a table to one of its own table and of
// a function that it calls, times factor.
func reader(name string, table byte, factor int, callee *loop.Func) *loop.Func {
	y := &loop.Param{Name: "y_" + name}
	f := &loop.Func{Name: name, Params: []*loop.Param{y}, Local: true}
	b := loop.NewBuilder(f)
	g := &loop.Global{Name: name + "_table", Data: []byte{table}, Align: 1}
	if callee != nil {
		b.Call(callee, nil, []loop.Arg{{Region: y}})
	}
	x := b.Var("any"+name, loop.Op(loop.Mul, &loop.Load{From: g, Offset: loop.Int(0), T: loop.I8}, loop.Num(loop.I8, int64(factor))))
	b.Store(y, loop.Int(0), loop.Sum(&loop.Load{From: y, Offset: loop.Int(0), T: loop.I8}, &loop.Read{Var: x}))
	b.Return(loop.Int(0))
	return f
}

func TestShare(t *testing.T) {
	a, b, c := reader("a", 1, 3, nil), reader("b", 2, 3, nil), reader("c", 4, 5, nil)
	ofA, ofB, ofC := reader("ofA", 10, 1, a), reader("ofB", 20, 1, b), reader("ofC", 40, 1, c)
	y := &loop.Param{Name: "y"}
	run := &loop.Func{Name: "run", Params: []*loop.Param{y}}
	build := loop.NewBuilder(run)
	for i, f := range []*loop.Func{ofA, ofB, ofC} {
		build.Call(f, nil, []loop.Arg{{Region: y, Offset: i}})
	}
	build.Return(loop.Int(0))
	p := &loop.Program{Funcs: []*loop.Func{a, b, c, ofA, ofB, ofC, run}}
	loop.Share(p)
	var names []string
	for _, f := range p.Funcs {
		names = append(names, f.Name)
	}
	assert.Equal(t, []string{"a", "c", "ofA", "ofC", "run"}, names, "b is a, c has another factor")
	out := make([]byte, 3)
	_, err := loop.Run(run, nil, []loop.Memory{out})
	require.NoError(t, err)
	assert.Equal(t, []byte{3 + 10, 6 + 20, 20 + 40}, out)
	assert.Len(t, a.Params, 2)
	assert.Len(t, ofA.Params, 3, "its own table and that of a")
	assert.Len(t, c.Params, 1)
}

// TestShareOfCursorsAndLentData: names of cursors are no difference, exported functions
// stay where they are, and data that are lent become a parameter of a function alone, too.
func TestShareOfCursorsAndLentData(t *testing.T) {
	walker := func(name, cursor string, table *loop.Global, step int) *loop.Func {
		y := &loop.Param{Name: "y"}
		f := &loop.Func{Name: name, Params: []*loop.Param{y}, Local: true}
		b := loop.NewBuilder(f)
		c := b.Cursor(cursor, table, loop.Int(0))
		b.Advance(c, step)
		b.Store(y, loop.Int(0), loop.At(c, loop.Int(0), loop.I8))
		b.Return(loop.Int(0))
		return f
	}
	table := func(lent bool, data ...byte) *loop.Global {
		return &loop.Global{Name: "t", Data: data, Align: 1, Lent: lent}
	}
	first := &loop.Func{Name: "first"}
	loop.NewBuilder(first).Return(loop.Int(0))
	a, b, c := walker("a", "x", table(false, 1, 2), 1), walker("b", "z", table(false, 3, 4), 1), walker("c", "x", table(false, 5, 6, 7), 2)
	lent, alone := walker("lent", "x", table(true, 8, 9), 1), walker("alone", "x", &loop.Global{Name: "t", Data: []byte{1}, Align: 4}, 0)
	y := &loop.Param{Name: "y"}
	run := &loop.Func{Name: "run", Params: []*loop.Param{y}}
	build := loop.NewBuilder(run)
	for i, f := range []*loop.Func{a, b, c, lent} {
		build.Call(f, nil, []loop.Arg{{Region: y, Offset: i}})
	}
	build.If(loop.Int(1), func() { build.Call(alone, nil, []loop.Arg{{Region: y, Offset: 4}}) }, func() { build.Call(b, nil, []loop.Arg{{Region: y}}) })
	build.Call(first, nil, nil)
	build.Return(loop.Int(0))
	p := &loop.Program{Funcs: []*loop.Func{first, a, b, c, lent, alone, run}}
	loop.Share(p)
	var names []string
	for _, f := range p.Funcs {
		names = append(names, f.Name)
	}
	assert.Equal(t, []string{"first", "a", "c", "lent", "alone", "run"}, names)
	assert.Equal(t, []int{2, 1, 2, 1}, []int{len(a.Params), len(c.Params), len(lent.Params), len(alone.Params)})
	assert.True(t, a.Params[1].Constant)
	out := make([]byte, 5)
	_, err := loop.Run(run, nil, []loop.Memory{out})
	require.NoError(t, err)
	assert.Equal(t, []byte{2, 4, 7, 9, 1}, out)
}

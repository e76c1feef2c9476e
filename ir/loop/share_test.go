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

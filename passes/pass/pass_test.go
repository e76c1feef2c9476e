package pass

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/parallel"
)

// table is passes a to d that write their names down, and what they wrote.
func table() (Table, *[]string) {
	var ran []string
	t := Table{}
	for _, name := range []string{"a", "b", "c", "d"} {
		t = append(t, Pass{Name: name, Why: "it is a test", Run: func(context.Context, *ir.Module, *Env) error {
			ran = append(ran, name)
			return nil
		}})
	}
	return t, &ran
}

// valid is a module that breaks no invariant: its output is its input, negated.
func valid() *ir.Module {
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{3}}, Range: &ir.Range{Lo: 0, Hi: 1}}
	n := &ir.Node{Op: ir.Neg, Args: []*ir.Value{x}}
	n.Out = &ir.Value{Name: "y", Type: x.Type, Def: n}
	return &ir.Module{Name: "n", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}, Results: []ir.Type{x.Type}}
}

func TestCheck(t *testing.T) {
	run := func(context.Context, *ir.Module, *Env) error { return nil }
	good := Pass{Name: "a", Why: "because", Run: run}
	require.NoError(t, Table{good, {Name: "b", Why: "because", After: []string{"a"}, Run: run}}.Check())
	for _, c := range []struct {
		table Table
		fault string
	}{
		{Table{{Why: "because", Run: run}}, "lacks a name, a reason or a function"},
		{Table{{Name: "a", Run: run}}, `pass "a" lacks`},
		{Table{{Name: "a", Why: "because"}}, `pass "a" lacks`},
		{Table{good, good}, "pass a stands twice"},
		{Table{{Name: "b", Why: "because", After: []string{"a"}, Run: run}, good}, "pass b must run after a"},
		{Table{{Name: "b", Why: "because", After: []string{"b"}, Run: run}}, "pass b must run after b"},
	} {
		assert.ErrorContains(t, c.table.Check(), c.fault)
	}
}

func TestFind(t *testing.T) {
	list, _ := table()
	list[2].Name = "legalize"
	for i, name := range []string{"a", "b", "legalize"} {
		at, err := list.Find(name)
		require.NoError(t, err)
		assert.Equal(t, i, at)
	}
	_, err := list.Find("legalise")
	assert.ErrorContains(t, err, `did you mean "legalize"?`)
	assert.NotContains(t, err.Error(), "lists the passes")
	_, err = list.Find("frobnicate")
	assert.ErrorContains(t, err, "dnnc -d=help lists the passes")
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	assert.Equal(t, diag.UnknownPass, d.Kind)
}

// TestRun: the passes after the one that a module has been through, or StartAfter, up to
// StopAfter, each observed.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		after string
		opt   Options
		want  []string
		fault string
	}{
		{"", Options{}, []string{"a", "b", "c", "d"}, ""},
		{"a", Options{}, []string{"b", "c", "d"}, ""},
		{"", Options{StopAfter: "a"}, []string{"a"}, ""},
		{"a", Options{StopAfter: "c"}, []string{"b", "c"}, ""},
		{"a", Options{StartAfter: "c"}, []string{"d"}, ""},
		{"", Options{StartAfter: "b", StopAfter: "c"}, []string{"c"}, ""},
		{"d", Options{}, nil, ""},
		{"z", Options{}, nil, `no pass "z"`},
		{"", Options{StopAfter: "z"}, nil, `no pass "z"`},
	} {
		list, ran := table()
		m := valid()
		m.After = c.after
		var seen []string
		c.opt.Observe = func(p *Pass, took time.Duration, got *ir.Module) error {
			assert.Same(t, m, got)
			assert.Equal(t, p.Name, m.After)
			assert.GreaterOrEqual(t, took, time.Duration(0))
			seen = append(seen, p.Name)
			return nil
		}
		err := list.Run(context.Background(), m, nil, c.opt)
		if c.fault != "" {
			assert.ErrorContains(t, err, c.fault)
			assert.Empty(t, *ran)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, *ran, "%+v", c)
		assert.Equal(t, c.want, seen, "%+v", c)
	}
}

// TestRunStops at a fault of a pass, at a broken module, at what an observer says, and
// when it is cancelled.
func TestRunStops(t *testing.T) {
	fault := errors.New("fault")
	list, ran := table()
	list[1].Run = func(context.Context, *ir.Module, *Env) error { return fault }
	m := valid()
	assert.Equal(t, fault, list.Run(context.Background(), m, nil, Options{}))
	assert.Equal(t, []string{"a"}, *ran)
	assert.Equal(t, "a", m.After)

	list, ran = table()
	list[1].Run = func(_ context.Context, m *ir.Module, _ *Env) error {
		m.Outputs = nil
		return nil
	}
	err := list.Run(context.Background(), valid(), nil, Options{})
	var broken *Error
	require.ErrorAs(t, err, &broken)
	assert.Equal(t, "b", broken.Pass)
	assert.ErrorContains(t, err, "pass b: ")
	var invariants diag.List
	assert.ErrorAs(t, err, &invariants)
	assert.Equal(t, []string{"a"}, *ran)

	// Where the caller left passes out, that is the reason.
	list, ran = table()
	list[3].Run = func(_ context.Context, m *ir.Module, _ *Env) error {
		m.Outputs = nil
		return nil
	}
	for after, isCallers := range map[string]bool{"": true, "b": true, "c": false, "d": false} {
		m := valid()
		m.After = after
		err = list.Run(context.Background(), m, nil, Options{StartAfter: "c"})
		assert.Equal(t, !isCallers, errors.As(err, &broken), after)
		if isCallers {
			assert.ErrorContains(t, err, "-start-after c leaves out passes that the network needs: pass d: ")
		}
	}
	assert.Empty(t, *ran)

	list, ran = table()
	assert.Equal(t, fault, list.Run(context.Background(), valid(), nil, Options{Observe: func(*Pass, time.Duration, *ir.Module) error { return fault }}))
	assert.Equal(t, []string{"a"}, *ran)

	list, ran = table()
	ctx, cancel := context.WithCancel(context.Background())
	list[0].Run = func(context.Context, *ir.Module, *Env) error { cancel(); return nil }
	assert.ErrorIs(t, list.Run(ctx, valid(), nil, Options{}), context.Canceled)
	assert.Empty(t, *ran)

	// A dump that breaks an invariant is its editor's fault, not a pass's.
	list, ran = table()
	m = valid()
	m.After, m.Outputs = "a", nil
	err = list.Run(context.Background(), m, nil, Options{})
	require.ErrorAs(t, err, &invariants)
	assert.False(t, errors.As(err, &broken))
	assert.Empty(t, *ran)
}

// TestAttributeThatAnOperationLacks is the error of the pass that asks for it, also in
// parallel work; another panic goes on.
func TestAttributeThatAnOperationLacks(t *testing.T) {
	m := valid()
	m.Ops[0].Pos = diag.Pos{File: "n.dnn", Line: 2, Col: 3}
	for name, run := range map[string]func(){
		"here":        func() { m.Ops[0].Int(ir.AttrAxis) },
		"in parallel": func() { parallel.For(2, func(int) { m.Ops[0].Put(ir.AttrAxis.Is(1)) }) },
	} {
		list := Table{{Name: "a", Why: "it is a test", Run: func(context.Context, *ir.Module, *Env) error { run(); return nil }}}
		err := list.Run(t.Context(), m.Clone(), &Env{}, Options{})
		require.Error(t, err, name)
		assert.Equal(t, "pass a: n.dnn:2:3: invariant: y: neg has no attribute axis of this kind\n    help: ask n.Op.Takes first; it has: none", err.Error(), name)
		var fault *ir.NoAttr
		require.ErrorAs(t, err, &fault, name)
		assert.Equal(t, "axis", fault.Key.String(), name)
	}
	for _, value := range []any{"else", &parallel.Panic{Value: "else"}} {
		list := Table{{Name: "a", Why: "it is a test", Run: func(context.Context, *ir.Module, *Env) error { panic(value) }}}
		assert.PanicsWithValue(t, value, func() { _ = list.Run(t.Context(), valid(), &Env{}, Options{}) })
	}
}

// TestEfforts: names and numbers; a part of a small search is too little to move anything.
func TestEfforts(t *testing.T) {
	for _, c := range []struct {
		effort string
		search int64
		want   float64
	}{
		{"", 1e12, 0}, {TuneOff, 1e12, 0}, {TuneQuick, 0, 2e11}, {TuneQuick, 3e9, 1e10}, {TuneQuick, 9e11, 3e11},
		{TuneDefault, 1e9, 2e12}, {TuneLong, 0, 1e13}, {"4e10", 1e12, 4e10},
	} {
		got, err := Tune{Effort: c.effort}.MACs(c.search)
		require.NoError(t, err)
		assert.InEpsilon(t, c.want+1, got+1, 1e-12, "%q after %d", c.effort, c.search)
	}
}

package graph_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/passtest"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/graph"
	"github.com/dnnc/dnnc/passes/pass"
)

// TestCases runs each pass alone, after the inference of types, on the networks of its
// folder: one or more that it changes, and one or more that it keeps.
func TestCases(t *testing.T) {
	for _, name := range []string{"infer", "mask-softmax", "simplify", "fold-batchnorm", "fold-normalize", "raise-activation", "fuse-activation", "fuse-norm", "fuse-difference", "dead-code", "legalize"} {
		first, err := passes.Table.Find("infer")
		require.NoError(t, err)
		own, err := passes.Table.Find(name)
		require.NoError(t, err)
		table := pass.Table{passes.Table[first]}
		if own != first {
			table = append(table, passes.Table[own])
			kinds := map[string]bool{}
			for _, c := range frontendtest.Cases(t, filepath.Join("testdata", name)) {
				kind, _, _ := strings.Cut(c.Title, ": ")
				kinds[kind] = true
			}
			assert.Equal(t, map[string]bool{"changes": true, "keeps": true}, kinds, name)
		}
		passtest.Cases(t, table, name, func(*ir.Module) *pass.Env { return &pass.Env{} })
	}
}

// chain builds a network of operations one after the other.
func chain(t *testing.T, shape ir.Shape, ops ...func(b *build.Builder, v *ir.Value) (*ir.Value, error)) *ir.Module {
	b := build.New("net")
	v := b.Input("x", shape, ir.Range{Lo: 0, Hi: 1})
	for _, op := range ops {
		var err error
		v, err = op(b, v)
		require.NoError(t, err)
	}
	return b.Finish([]*ir.Value{v})
}

func op(op ir.Op, attrs ...ir.Attr) func(b *build.Builder, v *ir.Value) (*ir.Value, error) {
	return func(b *build.Builder, v *ir.Value) (*ir.Value, error) {
		return b.Add(op, op.String(), []*ir.Value{v}, attrs...)
	}
}

// names lists the operations of a module.
func names(m *ir.Module) (list []string) {
	for _, n := range m.Ops {
		list = append(list, n.Op.String())
	}
	return list
}

func TestRoundTripsVanish(t *testing.T) {
	turn, back := op(ir.Transpose, ir.AttrPerm.Is([]int{1, 0})), op(ir.Transpose, ir.AttrPerm.Is([]int{1, 0}))
	flat := op(ir.Reshape, ir.AttrShape.Is([]int{12}))
	again := op(ir.Reshape, ir.AttrShape.Is([]int{4, 3}))
	relu := op(ir.Tanh)
	for _, c := range []struct {
		ops  []func(b *build.Builder, v *ir.Value) (*ir.Value, error)
		want []string
	}{
		{[]func(b *build.Builder, v *ir.Value) (*ir.Value, error){turn, back, relu}, []string{"tanh"}},
		{[]func(b *build.Builder, v *ir.Value) (*ir.Value, error){turn, flat, again, back, relu}, []string{"tanh"}},
		{[]func(b *build.Builder, v *ir.Value) (*ir.Value, error){turn, relu, back}, []string{"transpose", "tanh", "transpose"}},
		{[]func(b *build.Builder, v *ir.Value) (*ir.Value, error){turn, flat, relu}, []string{"transpose", "reshape", "tanh"}},
		{[]func(b *build.Builder, v *ir.Value) (*ir.Value, error){relu, turn, back}, []string{"tanh", "reshape"}},
	} {
		m := chain(t, ir.Shape{3, 4}, c.ops...)
		require.NoError(t, graph.Simplify(context.Background(), m, nil))
		require.NoError(t, graph.DeadCode(context.Background(), m, nil))
		require.Empty(t, ir.Verify(m))
		assert.Equal(t, c.want, names(m))
	}
}

func TestPadsFoldIntoConvolutions(t *testing.T) {
	pad := func(before, after []int, value float64) func(b *build.Builder, v *ir.Value) (*ir.Value, error) {
		return op(ir.Pad, ir.AttrBefore.Is(before), ir.AttrAfter.Is(after), ir.AttrValue.Is(value))
	}
	conv := func(b *build.Builder, v *ir.Value) (*ir.Value, error) {
		shape := ir.Shape{2, v.Type.Shape[0], 3, 3}
		return b.Add(ir.Conv2D, "conv", []*ir.Value{v}, ir.AttrWeight.Is(b.Floats("w", shape, make([]float32, shape.Size()))))
	}
	m := chain(t, ir.Shape{3, 6, 6}, pad([]int{0, 1, 2}, []int{0, 3, 0}, 0), conv)
	require.NoError(t, graph.Simplify(context.Background(), m, nil))
	require.Empty(t, ir.Verify(m))
	assert.Equal(t, []string{"conv2d"}, names(m))
	assert.Equal(t, []int{1, 2, 3, 0}, m.Ops[0].Ints(ir.AttrPad))
	for _, keep := range []*ir.Module{
		chain(t, ir.Shape{3, 6, 6}, pad([]int{0, 1, 2}, []int{0, 3, 0}, 1), conv),
		chain(t, ir.Shape{3, 6, 6}, pad([]int{1, 1, 2}, []int{0, 3, 0}, 0), conv),
		chain(t, ir.Shape{3, 6, 6}, pad([]int{0, 1, 2}, []int{0, 3, 0}, 0), op(ir.MaxPool2D, ir.AttrKernel.Is([]int{2, 2}))),
	} {
		require.NoError(t, graph.Simplify(context.Background(), keep, nil))
		assert.Equal(t, "pad", names(keep)[0])
	}
}

// TestFaults: what is wrong with a network is said at its line.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.dnn")
	require.NoError(t, err)
	for _, f := range files {
		frontendtest.Faults(t, f, func(m *ir.Module) error {
			return passes.Table.Run(context.Background(), m, nil, pass.Options{StopAfter: "legalize"})
		})
	}
	require.NotEmpty(t, files)
}

// allocated is the bytes that a pass allocates.
func allocated(t *testing.T, m *ir.Module, run func(context.Context, *ir.Module, *pass.Env) error) uint64 {
	t.Helper()
	require.NoError(t, graph.Infer(t.Context(), m, nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, run(t.Context(), m, nil))
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLongMoves: what looks for round trips allocates as many moves have elements, no matter
// how many stand before each.
func TestLongMoves(t *testing.T) {
	of := func(n int) uint64 {
		var text strings.Builder
		fmt.Fprintf(&text, "network n(v0: f32[%d] in [0,1]) -> f32[4] {\n", n+4)
		for i := range n {
			fmt.Fprintf(&text, "  v%d = slice(v%d, start: [1], size: [%d])\n", i+1, i, n+3-i)
		}
		fmt.Fprintf(&text, "  return v%d\n}\n", n)
		m, err := frontend.Parse("net.dnn", []byte(text.String()), frontend.Options{})
		require.NoError(t, err)
		return allocated(t, m, graph.Simplify)
	}
	short, whole := of(100), of(400)
	assert.Less(t, whole, 25*short, "400 moves take %d bytes, 100 %d", whole, short)
}

// TestManyMasks: what masks scores is read once, no matter how many operations add to them.
func TestManyMasks(t *testing.T) {
	of := func(n int) uint64 {
		b := build.Chain{Builder: build.New("net")}
		x := b.Input("x", ir.Shape{64}, ir.Range{Lo: 0, Hi: 1})
		for i := range n {
			shift := make([]float32, 64)
			shift[i%8], shift[63] = -1e4, 1
			y, err := b.ScaleShift("sum", x, slices.Repeat([]float32{1}, 64), shift)
			require.NoError(t, err)
			x = y
		}
		x = b.Add(ir.Softmax, "y", []*ir.Value{x}, ir.AttrAxis.Is(0))
		require.NoError(t, b.Err)
		m := b.Finish([]*ir.Value{x})
		bytes := allocated(t, m, graph.MaskSoftmax)
		require.NotNil(t, m.Outputs[0].Def.Const(ir.AttrMask))
		return bytes
	}
	short, whole := of(100), of(400)
	assert.Less(t, whole, 8*short, "400 sums take %d bytes, 100 %d", whole, short)
}

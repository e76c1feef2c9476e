package dnnc_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
)

// compiled turns a network into C, measured against its float network.
func compiled(t testing.TB, m *ir.Module) {
	t.Helper()
	c, err := dnnc.NewConfig("armv7em")
	require.NoError(t, err)
	c.Calibration = dnnc.Images(data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 16, 1))
	r, err := dnnc.Compile(context.Background(), m, c)
	require.NoError(t, err)
	_, err = r.Fidelity(context.Background())
	require.NoError(t, err)
	_, _, err = r.C()
	require.NoError(t, err)
}

// parts are networks of n equal parts.
var parts = map[string]func(b *build.Chain, x *ir.Value, n int) []*ir.Value{
	"functions": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		for i := range n {
			x = b.Add([]ir.Op{ir.Relu, ir.Abs, ir.Tanh, ir.Sigmoid}[i%4], "f", []*ir.Value{x})
		}
		return []*ir.Value{x}
	},
	"layers": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		for range n {
			x = b.Add(ir.Linear, "fc", []*ir.Value{x}, ir.AttrWeight.Is(b.Floats("fc.weight", ir.Shape{4, 4}, identity)))
		}
		return []*ir.Value{x}
	},
	"normalizations": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		for range n {
			y, err := b.ScaleShift("norm", x, []float32{1, 1, 1, 1}, make([]float32, 4))
			if err != nil {
				b.Err = err
			}
			x = y
		}
		return []*ir.Value{x}
	},
	"a wide sum": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		var list []*ir.Value
		for range n / 2 {
			list = append(list, b.Add(ir.Tanh, "part", []*ir.Value{x}))
		}
		sum := x
		for _, v := range list {
			sum = b.Add(ir.Add, "sum", []*ir.Value{sum, v})
		}
		return []*ir.Value{sum}
	},
	"moves": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		x = b.Add(ir.Reshape, "square", []*ir.Value{x}, ir.AttrShape.Is([]int{2, 2}))
		for i := range n {
			if x = b.Add(ir.Transpose, "turned", []*ir.Value{x}, ir.AttrPerm.Is([]int{1, 0})); i%3 == 0 {
				x = b.Add(ir.Tanh, "f", []*ir.Value{x})
			}
		}
		return []*ir.Value{x}
	},
	"a fan of activations": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		var list []*ir.Value
		for range n {
			list = append(list, b.Add(ir.Relu6, "part", []*ir.Value{b.Add(ir.Sub, "difference", []*ir.Value{x, x})}))
		}
		return []*ir.Value{b.Add(ir.Concat, "all", list)}
	},
	"residual sums": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		for range n / 2 {
			x = b.Add(ir.Add, "sum", []*ir.Value{x, b.Add(ir.Tanh, "f", []*ir.Value{x})})
		}
		return []*ir.Value{x}
	},
	"one value used to the end": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		first := b.Add(ir.Tanh, "first", []*ir.Value{x})
		for range n {
			x = b.Add(ir.Maximum, "greater", []*ir.Value{x, first})
		}
		return []*ir.Value{x}
	},
	"many results": func(b *build.Chain, x *ir.Value, n int) []*ir.Value {
		var list []*ir.Value
		for i := range n / 2 {
			list = append(list, b.Add([]ir.Op{ir.Tanh, ir.Sigmoid}[i%2], "part", []*ir.Value{b.Add(ir.Abs, "size", []*ir.Value{x})}))
		}
		return list
	},
}

var identity = []float32{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}

// inParts is a network of n parts.
func inParts(t testing.TB, make func(b *build.Chain, x *ir.Value, n int) []*ir.Value, n int) *ir.Module {
	b := build.Chain{Builder: build.New("parts")}
	outs := make(&b, b.Input("x", ir.Shape{4}, ir.Range{Lo: 0, Hi: 1}), n)
	require.NoError(t, b.Err)
	return b.Finish(outs)
}

// TestManyParts: what a compilation allocates grows no faster than the parts of a network of
// any kind. Unlike time, that does not depend on what else the machine does; a list or a
// table that is made for each part shows as a square.
func TestManyParts(t *testing.T) {
	if testing.Short() { // as under the race detector: what it allocates is its own
		t.Skip("takes long")
	}
	for name, make := range parts {
		t.Run(name, func(t *testing.T) {
			of := func(n int) uint64 {
				m := inParts(t, make, n)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				compiled(t, m)
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			short, whole := of(200), of(2000)
			assert.Less(t, whole, 13*short, "2,000 parts take %d bytes, 200 %d", whole, short)
		})
	}
}

// BenchmarkManyParts shows how time grows with the parts of a network: the bar is 10 s for
// 20,000 functions in a chain.
func BenchmarkManyParts(b *testing.B) {
	for name, make := range parts {
		for _, n := range []int{200, 2000, 20000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					compiled(b, inParts(b, make, n))
				}
			})
		}
	}
}

// counted are data that count how often they are made.
type counted struct {
	ir.Data
	loads *atomic.Int64
}

func (c counted) Load() ([]byte, error) {
	c.loads.Add(1)
	return c.Data.Load()
}

// TestDerivedWeights: weights that are made when they are asked for, as those of a MatMul
// are turned, are not made once a row.
func TestDerivedWeights(t *testing.T) {
	const rows, cols = 2048, 256
	var loads atomic.Int64
	b := build.Chain{Builder: build.New("wide")}
	x := b.Input("x", ir.Shape{cols}, ir.Range{Lo: 0, Hi: 1})
	weight := ir.FloatConst("", ir.Shape{rows, cols}, make([]float32, rows*cols)).Data
	y := b.Add(ir.Linear, "fc", []*ir.Value{x}, ir.AttrWeight.Is(b.Const("fc.weight", ir.Shape{rows, cols}, counted{weight, &loads})))
	require.NoError(t, b.Err)
	compiled(t, b.Finish([]*ir.Value{y}))
	assert.Less(t, loads.Load(), int64(16))
}

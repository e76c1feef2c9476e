package validate_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
)

// validated takes a network of testdata through a table, each pass validated.
func validated(t *testing.T, table pass.Table, network string, bits string) error {
	t.Helper()
	m, err := frontend.Load("../../testdata/"+network+"/"+network+".dnn", frontend.Options{})
	require.NoError(t, err)
	return compiled(t, table, m, bits)
}

// compiled takes a module through a table, each pass validated.
func compiled(t *testing.T, table pass.Table, m *ir.Module, bits string) error {
	t.Helper()
	armv7, err := processor.Find("armv7")
	require.NoError(t, err)
	env := &pass.Env{Target: armv7, Level: pass.Int8, Rounding: "nearest", Seed: 1, Fix: map[string]ir.Elem{}}
	if e, ok := ir.ParseElem(bits); ok {
		env.Fix["conv1"] = e
	}
	env.Calibration = func() (data.Batch, error) { return data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 8, 1), nil }
	v, ctx := validate.New(m, 1), context.Background()
	return table.Run(ctx, m, env, pass.Options{Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error { return v.Observe(ctx, p, m) }})
}

func TestEveryPassIsValid(t *testing.T) {
	if testing.Short() {
		t.Skip("not short")
	}
	for _, c := range [][2]string{{"lenet5", "i8"}, {"lenet5", "odd3"}, {"lenet5", "code2"}, {"lenet5", "vec8x8"}, {"alexnet", "odd1"}} {
		require.NoError(t, validated(t, passes.Table, c[0], c[1]), "%s %s", c[0], c[1])
	}
}

// TestPadsOfGivenTypes: a value that a pad adds, and that the given type of what it
// pads has not, is in the pad's own type, and leaves the given one alone.
func TestPadsOfGivenTypes(t *testing.T) {
	for _, c := range []struct {
		padded string
		value  float64
	}{
		{"x", -2},
		{"x", .5},
		{"reduce(x, fn: max, axes: [])", 3},
		{"avgpool2d(x, kernel: [1,1], stride: [1,1])", -2},
		{"softmax(x)", -2},
		{"maxpool2d(softmax(x), kernel: [1,1])", 2},
	} {
		for more, shape := range map[string]ir.Shape{"before: [0,0,0], after: [0,0,0], between: [0,0,0]": {2, 3, 4}, "before: [0,1,0], after: [0,0,2], between: [0,1,0]": {2, 6, 6}} {
			file := filepath.Join(t.TempDir(), "n.dnn")
			text := fmt.Sprintf("network n(x: f32[2,3,4] in [-1,1]) -> f32[%d,%d,%d] {\n  y = pad(%s, %s, value: %g)\n  return y\n}\n", shape[0], shape[1], shape[2], c.padded, more, c.value)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
			m, err := frontend.Load(file, frontend.Options{})
			require.NoError(t, err, text)
			require.NoError(t, compiled(t, passes.Table, m, ""), text)
			pads := 0
			for _, n := range m.Ops {
				if n.Op != ir.Pad {
					continue
				}
				pads++
				q := n.Out.Type.Quant
				assert.LessOrEqual(t, q.Scale*float64(-128-q.Zero), c.value+q.Scale/2, text)
				assert.GreaterOrEqual(t, q.Scale*float64(127-q.Zero), c.value-q.Scale/2, text)
			}
			assert.NotZero(t, pads, text)
		}
	}
}

// TestInfinitiesAreEqual: passes are not blamed for results beyond float32 that were
// there before them; the lowering refuses the operation.
func TestInfinitiesAreEqual(t *testing.T) {
	file := filepath.Join(t.TempDir(), "n.dnn")
	require.NoError(t, os.WriteFile(file, []byte("network n(x: f32[4] in [0,1e30]) -> f32[4] {\n  y = mul(x, x)\n  return y\n}\n"), 0o666))
	m, err := frontend.Load(file, frontend.Options{})
	require.NoError(t, err)
	require.NoError(t, compiled(t, passes.Table, m, "")) // what the calibration images do not reach saturates
}

// TestBrokenPassesAreFound damages what each pass makes.
func TestBrokenPassesAreFound(t *testing.T) {
	find := func(m *ir.Module, name string) *ir.Node {
		i := slices.IndexFunc(m.Ops, func(n *ir.Node) bool { return n.Name() == name })
		require.GreaterOrEqual(t, i, 0, "%s in\n%s", name, m)
		return m.Ops[i]
	}
	floats := func(c *ir.Const, change func(x []float32)) {
		x, err := c.Float32()
		require.NoError(t, err)
		x = slices.Clone(x)
		change(x)
		c.Data = ir.FloatConst("", c.Type.Shape, x).Data
	}
	for _, c := range []struct {
		network, pass string
		damage        func(m *ir.Module)
		want          string
	}{
		{"alexnet", "fold-batchnorm", func(m *ir.Module) { floats(find(m, "conv2").Const(ir.AttrBias), func(x []float32) { x[3] += .1 }) }, "pass fold-batchnorm: conv2 differs first at element"},
		{"alexnet", "fold-normalize", func(m *ir.Module) { find(m, "conv1").Put(ir.AttrPadValue.Is([]float64{0, 0, 0})) }, "pass fold-normalize: .* differs"},
		{"lenet5", "fuse-activation", func(m *ir.Module) { find(m, "fc1").Drop(ir.AttrAct) }, "pass fuse-activation: fc2 differs"},
		{"lenet5", "legalize", func(m *ir.Module) { floats(find(m, "fc2").Const(ir.AttrWeight), func(x []float32) { x[7] *= 1.5 }) }, "pass legalize: fc2 differs"},
		{"lenet5", "calibrate", func(m *ir.Module) { floats(find(m, "fc2").Const(ir.AttrBias), func(x []float32) { x[7] += 1e-3 }) }, "pass calibrate: fc2 differs first at element 7 of input 0"},
		{"lenet5", "quantize", func(m *ir.Module) {
			mul := find(m, "conv2").Const(ir.AttrMul)
			raw, err := mul.Load()
			require.NoError(t, err)
			raw = slices.Clone(raw)
			binary.LittleEndian.PutUint32(raw[4*5:], binary.LittleEndian.Uint32(raw[4*5:])/100*101)
			mul.Data = ir.Bytes(raw)
		}, `pass quantize: conv2 \(conv2d\) differs first at element (3[2-9]\d|[4-9]\d\d) `},
		{"lenet5", "select", func(m *ir.Module) { find(m, "fc2").Put(ir.AttrHi.Is(0)) }, "pass select: fc2 differs"},
	} {
		t.Run(c.pass, func(t *testing.T) {
			table := slices.Clone(passes.Table)
			i, err := table.Find(c.pass)
			require.NoError(t, err)
			whole := table[i].Run
			table[i].Run = func(ctx context.Context, m *ir.Module, env *pass.Env) error {
				err := whole(ctx, m, env)
				c.damage(m)
				return err
			}
			err = validated(t, table, c.network, "i8")
			var broken *pass.Error
			require.ErrorAs(t, err, &broken)
			assert.Regexp(t, c.want, err.Error())
			t.Log(err)
		})
	}
}

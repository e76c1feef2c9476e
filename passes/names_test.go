package passes_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// TestValuesNamedAsConstants: passes name constants after layers; values may have those names
// already, as an exporter's names of scaled or masked values have.
func TestValuesNamedAsConstants(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, format := range []string{"i8", "odd2", "code3", "vec4x4"} {
		for _, bits := range []string{pass.EightBits, pass.SixteenBits} {
			b := build.New("net")
			v := b.Input("x", ir.Shape{4, 6, 6}, ir.Range{Lo: 0, Hi: 1})
			layer := func(name string) {
				w := make([]float32, 4*4*9)
				for i := range w {
					w[i] = float32(i%7-3) / 8
				}
				v, err = b.AddNamed(ir.Conv2D, name, []*ir.Value{v}, ir.AttrWeight.Is(b.Floats(name+".w", ir.Shape{4, 4, 3, 3}, w)), ir.AttrPad.Is([]int{1, 1, 1, 1}), ir.AttrBias.Is(b.Floats(name+".b", ir.Shape{4}, []float32{0, 1, 2, 3})))
				require.NoError(t, err)
			}
			layer("a")
			for _, key := range []string{"scale", "weight", "bias", "mul", "shift", "codebook", "table", "bound", "zero"} {
				layer("a." + key)
			}
			v, err = b.AddNamed(ir.Tanh, "a.scale_2", []*ir.Value{v})
			require.NoError(t, err)
			m := b.Finish([]*ir.Value{v})
			e, ok := ir.ParseElem(format)
			require.True(t, ok)
			env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Bits: bits, Seed: 1, Fix: map[string]ir.Elem{"a": e},
				Calibration: func() (data.Batch, error) { return data.Synthesize([]int{4, 6, 6}, 0, 1, 16, 1), nil }}
			require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}), "%s %s", format, bits)
			assert.Equal(t, ir.Of(ir.I8), m.Value("a.scale").Def.Const(ir.AttrWeight).Type.Elem)
			assert.Equal(t, e, m.Value("a").Def.Const(ir.AttrWeight).Type.Elem)
		}
	}
}

package machine_test

import (
	"bytes"
	"context"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// TestSelectWithinMemory: a bound on memory takes kernels of less scratch before it
// fails.
func TestSelectWithinMemory(t *testing.T) {
	const source = `tensors "net.safetensors"
network net(image: f32[32,8,8] in [0,1]) -> f32[32,8,8] {
  a = conv2d(image, filters: 32, kernel: 3, pad: 1, act: relu)
  b = conv2d(a, filters: 32, kernel: 3, pad: 1, act: relu)
  c = conv2d(b, filters: 32, kernel: 3, pad: 1, act: relu)
  return c
}
`
	dir := t.TempDir()
	rng := rand.New(rand.NewSource(1))
	weights := &ir.Module{}
	for _, name := range []string{"a.weight", "b.weight", "c.weight", "a.bias", "b.bias", "c.bias"} {
		shape := ir.Shape{32, 32, 3, 3}
		if strings.HasSuffix(name, "bias") {
			shape = shape[:1]
		}
		x := make([]float32, shape.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 8)
		}
		weights.Consts = append(weights.Consts, ir.FloatConst(name, shape, x))
	}
	var file bytes.Buffer
	require.NoError(t, frontend.WriteTensors(&file, weights))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.safetensors"), file.Bytes(), 0o644))
	compile := func(name, format string, ram int) (*ir.Module, error) {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		e, ok := ir.ParseElem(format)
		require.True(t, ok)
		m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte(source), frontend.Options{})
		require.NoError(t, err)
		env := &pass.Env{Target: tgt, Level: pass.Universal, Rounding: "nearest", Seed: 1, Fix: map[string]ir.Elem{"a": e, "b": e, "c": e}, Budget: pass.Budget{Bits: 8, RAM: ram},
			Calibration: func() (data.Batch, error) { return data.Synthesize([]int{32, 8, 8}, 0, 1, 4, 1), nil }}
		return m, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "memory"})
	}
	kernels := func(m *ir.Module) (list []string) {
		for _, n := range m.Ops {
			list = append(list, n.Word(ir.AttrImpl)+" "+n.Word(ir.AttrMultiply))
		}
		return list
	}
	for _, c := range []struct{ target, format, kernel string }{
		{"armv7em", "odd1", "conv_pairs"}, {"armv7em", "odd2", "conv_micro"}, {"armv7em", "vec4x8", "conv_pairs"},
		{"armv6m", "vec4x8", "conv_lookup"}, {"armv7", "odd4", "conv_lanes"}, {"armv7", "odd1", "conv_pixels"},
	} {
		t.Run(c.target+"/"+c.format, func(t *testing.T) {
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			free, err := compile(c.target, c.format, 0)
			require.NoError(t, err)
			assert.Equal(t, c.kernel, free.Ops[1].Word(ir.AttrImpl))

			same, err := compile(c.target, c.format, free.Arena.Bytes)
			require.NoError(t, err)
			assert.Equal(t, kernels(free), kernels(same), "what fits is not given up")

			if c.kernel != "conv_lookup" { // which has the least
				bound, err := compile(c.target, c.format, free.Arena.Bytes-1)
				require.NoError(t, err)
				assert.Less(t, bound.Arena.Bytes, free.Arena.Bytes)
			}

			// Every bound between the least and the default is kept; more memory is never slower.
			_, err = compile(c.target, c.format, 1)
			told := regexp.MustCompile(`-ram (\d+);`).FindStringSubmatch(err.Error())
			require.NotNil(t, told, "%v", err)
			least, err := strconv.Atoi(told[1])
			require.NoError(t, err)
			last := math.Inf(1)
			for i := range 11 {
				ram := least + (free.Arena.Bytes-least)*i/10
				m, err := compile(c.target, c.format, ram)
				require.NoError(t, err, "%d bytes", ram)
				assert.LessOrEqual(t, m.Arena.Bytes, ram)
				cycles := 0.
				units, err := stripes.Units(m)
				require.NoError(t, err)
				for _, u := range units {
					for k := range u.Nodes {
						c, err := families.Cycles(u, k, tgt)
						require.NoError(t, err)
						cycles += c
					}
				}
				assert.LessOrEqual(t, cycles, last*(1+1e-12), "%d bytes", ram) // sums of parts in another order
				last = cycles
			}

			_, err = compile(c.target, c.format, 100)
			require.ErrorContains(t, err, "-ram allows 100")
		})
	}
}

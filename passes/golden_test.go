package passes_test

import (
	"bytes"
	"context"
	"flag"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

var update = flag.Bool("update", false, "write the golden files")

// awkward has what passes find hard: a normalisation before padding, batch
// norms, branches, a concatenation of different ranges, an unused layer.
const awkward = `tensors "net.safetensors"
network net(image: f32[3,9,7] in [0,1]) -> f32[4], f32[5,5,3] {
  norm = normalize(image, mean: [0.4,0.5,0.6], std: [0.2,0.25,0.3])
  c1 = conv2d(norm, filters: 5, kernel: 3, pad: 1, bits: odd3)
  b1 = batchnorm(c1)
  r1 = relu(b1)
  same = reshape(r1, shape: [5,9,7])
  dw = conv2d(same, filters: 5, kernel: 3, pad: 1, groups: 5)
  sum = relu6(add(r1, dw))
  p1 = avgpool2d(sum, kernel: 3, stride: 2, pad: [1,0,1,1])
  c2 = conv2d(p1, filters: 5, kernel: 1)
  b2 = batchnorm(c2)
  unused = conv2d(p1, filters: 2, kernel: 1)
  cat = concat(p1, b2)
  gap = globalavgpool(cat)
  fc = linear(flatten(gap), units: 4)
  soft = softmax(fc)
  return soft, p1
}
`

// awkwardNetwork is the source with random weights, which the seed decides.
func awkwardNetwork(t *testing.T) *ir.Module {
	rng := rand.New(rand.NewSource(1))
	var tensors []weights.Tensor
	add := func(name string, positive bool, shape ...int) {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 4)
			if positive {
				x[i] = float32(.5 + rng.Float64())
			}
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw})
	}
	for _, l := range []struct {
		name  string
		shape []int
	}{{"c1", []int{5, 3, 3, 3}}, {"dw", []int{5, 1, 3, 3}}, {"c2", []int{5, 5, 1, 1}}, {"unused", []int{2, 5, 1, 1}}, {"fc", []int{4, 10}}} {
		add(l.name+".weight", false, l.shape...)
		if l.name != "c1" {
			add(l.name+".bias", false, l.shape[0])
		}
	}
	for _, b := range []string{"b1", "b2"} {
		for _, role := range []string{"weight", "bias", "running_mean", "running_var"} {
			add(b+"."+role, role == "weight" || role == "running_var", 5)
		}
	}
	dir := t.TempDir()
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.safetensors"), file.Bytes(), 0o644))
	m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte(awkward), frontend.Options{})
	require.NoError(t, err)
	return m
}

func awkwardEnv(t *testing.T) *pass.Env {
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	return &pass.Env{Target: tgt, Level: pass.Int8, Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{3, 9, 7}, 0, 1, 16, 1), nil }}
}

// TestGoldens holds the module after every pass to its golden dump.
func TestGoldens(t *testing.T) {
	exactTo := passes.Table.Names()
	if runtime.GOARCH != "amd64" {
		// Ranges come from float32 sums, whose last bits are the processor's.
		exactTo = exactTo[:9]
	}
	m := awkwardNetwork(t)
	err := passes.Table.Run(context.Background(), m, awkwardEnv(t), pass.Options{StopAfter: exactTo[len(exactTo)-1],
		Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
			d, err := frontend.NewDump(m)
			require.NoError(t, err)
			golden := filepath.Join("testdata", p.Name+".golden")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, d.Text, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(d.Text), p.Name)
			return nil
		}})
	require.NoError(t, err)
}

// TestFoldingIsExact holds what the float passes leave to the answers of the
// source, at every pixel: the border is where folded padding would show.
func TestFoldingIsExact(t *testing.T) {
	ctx := context.Background()
	x := data.Synthesize([]int{3, 9, 7}, 0, 1, 8, 3)
	outputs := func(m *ir.Module) [][]float32 {
		p, err := interp.CompileFloat(m)
		require.NoError(t, err)
		values := p.Tensors(x.N, m.Outputs...)
		values[p.ID(m.Inputs[0])] = x.X
		require.NoError(t, p.Run(ctx, values, x.N, 0, len(m.Ops)))
		var out [][]float32
		for _, o := range m.Outputs {
			out = append(out, values[p.ID(o)])
		}
		return out
	}
	m := awkwardNetwork(t)
	var want [][]float32
	err := passes.Table.Run(ctx, m, awkwardEnv(t), pass.Options{StopAfter: passes.Robust,
		Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
			got := outputs(m)
			if want == nil {
				want = got
			}
			for i := range want {
				require.Len(t, got[i], len(want[i]))
				for j := range want[i] {
					require.InDelta(t, want[i][j], got[i][j], 2e-5, "%s, output %d, element %d", p.Name, i, j)
				}
			}
			return nil
		}})
	require.NoError(t, err)
	for _, n := range m.Ops {
		assert.NotContains(t, []ir.Op{ir.BatchNorm, ir.Normalize, ir.Relu, ir.Relu6, ir.Flatten, ir.GlobalAvgPool}, n.Op, n.Name())
	}
	assert.Nil(t, m.Value("unused"))
}

// TestIntegersFollowTheReals bounds what 8 bits change.
func TestIntegersFollowTheReals(t *testing.T) {
	ctx := context.Background()
	m := awkwardNetwork(t)
	exact, err := interp.CompileFloat(m.Clone())
	require.NoError(t, err)
	x := data.Synthesize([]int{3, 9, 7}, 0, 1, 32, 4)
	want, err := exact.Forward(ctx, x.X, x.N)
	require.NoError(t, err)
	m.Value("c1").Def.Put(ir.AttrBits.Is(ir.Of(ir.I8)))
	require.NoError(t, passes.Table.Run(ctx, m, awkwardEnv(t), pass.Options{}))
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	got, err := interp.Logits(ctx, p, x.X, x.N)
	require.NoError(t, err)
	first, record := len(want)/x.N, len(got)/x.N // the other result saturates beyond what calibrated
	for i := range want {
		assert.InDelta(t, want[i], got[i/first*record+i%first], .03)
	}
}

package proof_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// small are networks of an image of 2x2 pixels that have the operations of what proofs are asked for: the
// five networks of MLPerf Tiny, a U-Net, a vision transformer, and all that are left.
var small = []struct {
	name, body, constants string
	out                   int
	ops                   []ir.Op
}{
	{"resnet", "a = conv2d(x, filters: 2, kernel: 2, pad: [1,0,0,1])\n  b = conv2d(relu(a), filters: 2, kernel: 3, pad: 1)\n  c = conv2d(x, filters: 2, kernel: 1)\n  r = relu(add(b, c))\n  f = linear(flatten(globalavgpool(r)), units: 3)\n  y = softmax(f)",
		"a.weight:[2,1,2,2] a.bias:[2] b.weight:[2,2,3,3] b.bias:[2] c.weight:[2,1,1,1] c.bias:[2] f.weight:[3,2] f.bias:[3]", 3, []ir.Op{ir.Conv2D, ir.Add, ir.Linear, ir.Softmax}},
	{"mobilenet", "a = conv2d(x, filters: 2, kernel: 1)\n  d = conv2d(relu6(a), filters: 2, kernel: 3, pad: 1, groups: 2)\n  p = avgpool2d(relu6(d), kernel: 2)\n  y = linear(flatten(p), units: 3)",
		"a.weight:[2,1,1,1] a.bias:[2] d.weight:[2,1,3,3] d.bias:[2] y.weight:[3,2] y.bias:[3]", 3, []ir.Op{ir.AvgPool2D}},
	{"autoencoder", "a = linear(flatten(x), units: 3)\n  b = linear(relu(a), units: 2)\n  y = linear(relu(b), units: 4)",
		"a.weight:[3,4] a.bias:[3] b.weight:[2,3] b.bias:[2] y.weight:[4,2] y.bias:[4]", 4, []ir.Op{ir.Linear}},
	{"unet", "a = conv2d(x, filters: 2, kernel: 3, pad: 1)\n  r = relu(a)\n  p = maxpool2d(r, kernel: 2)\n  b = conv2d(p, filters: 2, kernel: 1)\n  u = resize(relu(b), scale: [2,2])\n  c = conv2d(concat(r, u), filters: 1, kernel: 1)\n  y = reshape(c, shape: [4])",
		"a.weight:[2,1,3,3] a.bias:[2] b.weight:[2,2,1,1] b.bias:[2] c.weight:[1,4,1,1] c.bias:[1]", 4, []ir.Op{ir.MaxPool2D, ir.Copy, ir.Concat, ir.Reshape}},
	{"transformer", "t = reshape(x, shape: [2,2])\n  m = expand(reduce(t, axes: [1], keep: 1), shape: [2,2])\n  d = sub(t, m)\n  s = softmax(matmul(d, transpose(d, perm: [1,0])), axis: 1)\n  v = add(t, matmul(s, d))\n  h = linear(gelu(reshape(v, shape: [4])), units: 3)\n  y = linear(gelu(h), units: 3)",
		"h.weight:[3,4] h.bias:[3] y.weight:[3,3] y.bias:[3]", 3, []ir.Op{ir.MatMul, ir.Sub, ir.Reduce, ir.Table}},
	{"elements", "a = mul(x, tanh(x))\n  b = maximum(minimum(a, x), sub(x, a))\n  c = hardswish(squareddiff(a, b))\n  y = linear(flatten(c), units: 3)",
		"y.weight:[3,4] y.bias:[3]", 3, []ir.Op{ir.Mul, ir.Maximum, ir.Minimum, ir.SquaredDiff}},
	{"moves", "p = pad(x, before: [0,1,0], after: [0,0,1], value: 0.4)\n  s = transpose(slice(p, start: [0,1,0], size: [1,2,3]), perm: [0,2,1])\n  q = pad(s, before: [0,1,1], after: [0,0,0], mode: reflect)\n  y = linear(flatten(q), units: 3)",
		"y.weight:[3,12] y.bias:[3]", 3, []ir.Op{ir.Pad}},
	{"resized", "a = bilinear(x, down: [0,0.5,1], across: [0.25,1])\n  r = requantize(a, act: relu6)\n  s = scaleddiff(r, tanh(a), a)\n  y = linear(flatten(s), units: 3)",
		"y.weight:[3,6] y.bias:[3]", 3, []ir.Op{ir.Bilinear, ir.ScaledDiff, ir.Requantize}},
	{"lstm", "g = linear(flatten(x), units: 8)\n  h = recurrent(reshape(g, shape: [4,2,1]), cell: lstm, hidden: h.hidden)\n  y = linear(flatten(h), units: 3)",
		"g.weight:[8,4] g.bias:[8] h.hidden:[4,1] y.weight:[3,2] y.bias:[3]", 3, []ir.Op{ir.Recurrent}},
	{"rows", "e = embedding(flatten(x), rows: e.rows)\n  h = history(e, axis: 0, frames: 3, back: 1, apart: 2)\n  y = linear(flatten(h), units: 3)",
		"e.rows:[2,3] y.weight:[3,9] y.bias:[3]", 3, []ir.Op{ir.Embedding, ir.History}},
	{"spectra", "s = spectrogram(flatten(x), frame: 3, hop: 1, fft: 8, fn: log, eps: 0.01)\n  y = linear(flatten(s), units: 3)",
		"y.weight:[3,10] y.bias:[3]", 3, []ir.Op{ir.Spectrogram}},
	{"logarithms", "a = linear(flatten(x), units: 3)\n  y = logsoftmax(a)", "a.weight:[3,4] a.bias:[3]", 3, nil},
	{"lengths", "a = linear(flatten(x), units: 3)\n  y = l2norm(a)", "a.weight:[3,4] a.bias:[3]", 3, []ir.Op{ir.L2Norm}},
	{logSoftmax, "y = linear(flatten(x), units: 3)", "y.weight:[3,4] y.bias:[3]", 3, []ir.Op{ir.LogSoftmax}},
	{"greatest", "a = conv2d(x, filters: 3, kernel: 1)\n  y = argmax(reshape(a, shape: [3,4]), axis: 0)", "a.weight:[3,1,1,1] a.bias:[3]", 4, []ir.Op{ir.ArgMax}},
}

// logSoftmax is the network that ends with the integers of a model's LOG_SOFTMAX (R23), which no text gives.
const logSoftmax = "log softmax of a model"

// endWithLogSoftmax appends them.
func endWithLogSoftmax(t *testing.T, m *ir.Module) {
	t.Helper()
	b := build.New("net")
	b.M = m
	q := ir.Quant{Scale: 1. / 16, Zero: 127}
	attrs, err := b.LogSoftmax("log", m.Outputs[0].Type.Quant.Scale, q)
	require.NoError(t, err)
	y, err := b.AddQuantized(ir.LogSoftmax, "log", m.Outputs, q, append(attrs, ir.AttrAxis.Is(0))...)
	require.NoError(t, err)
	m.Outputs = []*ir.Value{y}
}

// TestEveryInputOfSmallNetworks walks through every input of random small networks of each kind of network
// and rounding, and holds each result to the interpreter's: every operation that has integers is in one of them. DNNC_FULL
// walks through 65,536 inputs of each of at least 1,000 networks.
func TestEveryInputOfSmallNetworks(t *testing.T) {
	levels, seeds := 4, 1
	if os.Getenv("DNNC_FULL") != "" {
		levels, seeds = 16, 1+1000/(len(small)*len(roundings))
	}
	seen := map[ir.Op]bool{}
	ties := 0
	for i, b := range small {
		for k, round := range roundings {
			for seed := range seeds {
				text := fmt.Sprintf("network net(x: f32[1,2,2] in [0,1]) -> f32[%d] {\n  %s\n  return y\n}\n", b.out, b.body)
				m := network(t, uint64(1000*i+100*k+seed), text, b.constants, round, passes.Quantized)
				if b.name == logSoftmax {
					endWithLogSoftmax(t, m)
				}
				for _, n := range m.Ops {
					seen[n.Op] = true
				}
				prog, err := interp.CompileInt(m)
				require.NoError(t, err)
				net, err := proof.NewNet(m)
				require.NoError(t, err)
				w, err := net.NewWalker()
				require.NoError(t, err)
				all := enumerated(4, levels)
				n := len(all) / 4
				want, err := prog.Forward(t.Context(), all, n)
				require.NoError(t, err)
				size := len(want) / n
				w.Set(all[:4])
				for j := range n {
					var changes []proof.Change
					for e, v := range all[4*j : 4*j+4] {
						if j > 0 && v != all[4*(j-1)+e] {
							changes = append(changes, proof.Change{Element: int32(e), Value: v})
						}
					}
					w.Move(0, changes)
					y := want[j*size : (j+1)*size]
					if !slices.Equal(y, w.Answer()) {
						require.Equal(t, y, w.Answer(), "%s %s, seed %d, input %v", b.name, round, seed, all[4*j:4*j+4])
					}
					if best := first(y); slices.Contains(y[best+1:], y[best]) {
						ties++
					}
				}
				require.NoError(t, w.Check(t.Context()))
			}
		}
		for _, op := range b.ops {
			assert.True(t, seen[op], "%s has %s", b.name, op)
		}
	}
	for op := range ir.NumOps {
		if op.Is(ir.Core) {
			assert.True(t, seen[op], "no network has %s", op)
		}
	}
	assert.Greater(t, ties, 20)
}

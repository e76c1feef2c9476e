package proof_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// network compiles a text. Its constants are random: "name: [shape]" a line. round is of all
// requantizations, "" the one that quantize chooses.
func network(t testing.TB, seed uint64, text, constants, round, stop string) *ir.Module {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	src, declared := "", ""
	for _, line := range strings.Fields(constants) {
		name, shape, ok := strings.Cut(line, ":")
		require.True(t, ok)
		n := 1
		for _, d := range strings.Split(strings.Trim(shape, "[]"), ",") {
			var k int
			_, err := fmt.Sscan(d, &k)
			require.NoError(t, err)
			n *= k
		}
		src += fmt.Sprintf("# %s: f32%s =", name, shape)
		for range n {
			src += fmt.Sprintf(" %.3f", rng.NormFloat64()*.5)
		}
		src += "\n"
		if word := name[strings.LastIndex(name, ".")+1:]; word != "weight" && word != "bias" {
			declared += fmt.Sprintf("const %s: f32%s\n", name, shape)
		}
	}
	if constants != "" {
		src += "tensors \"w.safetensors\"\n" + declared
	}
	path := filepath.Join(t.TempDir(), "net.dnn")
	require.NoError(t, os.WriteFile(path, []byte(src+text), 0o644))
	m := frontendtest.Load(t.(*testing.T), path)
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	in := m.Inputs[0]
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) {
			return data.Synthesize(in.Type.Shape, float32(in.Range.Lo), float32(in.Range.Hi), 32, seed), nil
		}}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: stop}))
	for _, n := range m.Ops {
		if n.Op.Takes(ir.AttrRound) && n.Op.Takes(ir.AttrMul) && n.Const(ir.AttrMul) != nil && round != "" {
			n.Put(ir.AttrRound.Is(round))
		}
	}
	return m
}

// roundings are those of the integers.
var roundings = []string{ir.RoundHalfUp, ir.RoundEven, ir.RoundTFLite, ir.RoundTwice}

// bodies are networks that have every operation with a rule of its own, and some without.
var bodies = []struct{ in, out, body, constants string }{
	{"[2,6,5]", "[3,4,4]", "y = conv2d(x, filters: 3, kernel: [3,2])", "y.weight:[3,2,3,2] y.bias:[3]"},
	{"[2,6,5]", "[4,3,3]", "y = conv2d(x, filters: 4, kernel: 3, stride: 2, pad: [1,1,0,1], groups: 2)", "y.weight:[4,1,3,3] y.bias:[4]"},
	{"[2,6,5]", "[2,2,2]", "c = conv2d(x, filters: 2, kernel: 2, dilation: [1,1])\n  y = maxpool2d(relu(c), kernel: 2)", "c.weight:[2,2,2,2] c.bias:[2]"},
	{"[4,5,5]", "[4,5,5]", "n = normalize(x, mean: 0.3, std: 0.7)\n  y = conv2d(n, filters: 4, kernel: 3, pad: 1, groups: 4)", "y.weight:[4,1,3,3] y.bias:[4]"},
	{"[2,6,5]", "[3,4,4] values", "y = conv2d(x, filters: 3, kernel: [3,2])", "y.weight:[3,2,3,2] y.bias:[3]"},
	{"[7]", "[3] values", "a = linear(x, units: 6)\n  y = linear(relu(a), units: 3)", "a.weight:[6,7] a.bias:[6] y.weight:[3,6] y.bias:[3]"},
	{"[7]", "[3]", "a = linear(x, units: 6)\n  y = linear(relu(a), units: 3)", "a.weight:[6,7] a.bias:[6] y.weight:[3,6] y.bias:[3]"},
	{"[2,4,6]", "[2,2,3]", "y = maxpool2d(x, kernel: 3, stride: [1,2], pad: 1, dilation: [2,1])", ""},
	{"[2,4,6]", "[2,2,3]", "y = avgpool2d(x, kernel: 2)", ""},
	{"[2,3,3]", "[2,3,3]", "t = tanh(x)\n  s = sub(x, t)\n  m = mul(s, x)\n  a = add(m, x)\n  b = add(x, x)\n  y = minimum(maximum(a, t), b)", ""},
	{"[2,3,4]", "[4,5,6]", "t = transpose(x, perm: [2,0,1])\n  p = pad(t, before: [0,1,1], after: [0,2,1], value: 0.7)\n  y = pad(slice(p, start: [0,0,0], size: [4,3,4]), before: [0,1,1], after: [0,1,1], mode: reflect)", ""},
	{"[2,3,4]", "[4,3,4]", "y = concat(x, sigmoid(x))", ""},
	{"[3,4]", "[3]", "m = matmul(x, transpose(x, perm: [1,0]))\n  s = softmax(m, axis: 1)\n  y = reduce(s, axes: [0])", ""},
	{"[2,4,4]", "[2]", "r = reduce(x, axes: [1,2])\n  y = softmax(r)", ""},
	{"[2,4,4]", "[4]", "y = argmax(reshape(x, shape: [8,4]), axis: 0)", ""},
}

// TestWalkerEqualsTheInterpreter moves networks of every operation to random inputs, by few
// elements and by many, and holds every integer to the interpreter's.
func TestWalkerEqualsTheInterpreter(t *testing.T) {
	for i, b := range bodies {
		for k, round := range roundings {
			for _, stop := range []string{passes.Quantized, ""} {
				text := fmt.Sprintf("network net(x: f32%s in [-1,1.5]) -> f32%s {\n  %s\n  return y\n}\n", b.in, b.out, b.body)
				m := network(t, uint64(10*i+k), text, b.constants, round, stop)
				net, err := proof.NewNet(m)
				require.NoError(t, err)
				w, err := net.NewWalker()
				require.NoError(t, err, "%s %s", b.body, round)
				rng := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				size := m.Inputs[0].Type.Shape.Size()
				x := make([]int8, size)
				for range 40 {
					var changes []proof.Change
					for _, at := range rng.Perm(size)[:1+rng.IntN(1+rng.IntN(size))] {
						v := int8(rng.Uint32())
						if rng.IntN(2) == 0 {
							v = x[at] + int8(rng.IntN(3)) - 1 // also where it overflows: a large step
						}
						x[at] = v
						changes = append(changes, proof.Change{Element: int32(at), Value: v})
					}
					before := slices.Clone(w.Answer())
					isOther := w.Move(0, changes)
					require.NoError(t, w.Check(t.Context()), "%s %s", b.body, round)
					require.Equal(t, isOther, !slices.Equal(before, w.Answer()))
				}
				w.Set(make([]int8, size))
				require.NoError(t, w.Check(t.Context()))
			}
		}
	}
}

// TestConvolutionsKeepTheirGreatest: the passes of a target make one step of a convolution and
// a pooling, and a walker follows both.
func TestConvolutionsKeepTheirGreatest(t *testing.T) {
	m := network(t, 5, "network net(x: f32[1,9,9] in [0,1]) -> f32[4,3,3] {\n  c = conv2d(x, filters: 4, kernel: 4)\n  y = maxpool2d(c, kernel: 2)\n  z = tanh(y)\n  return z\n}\n", "c.weight:[4,1,4,4] c.bias:[4]", "", "")
	fused := false
	for _, n := range m.Ops {
		fused = fused || n.Has(ir.AttrPool)
	}
	require.True(t, fused)
	net, err := proof.NewNet(m)
	require.NoError(t, err)
	w, err := net.NewWalker()
	require.NoError(t, err)
	for i := range 81 {
		w.Move(0, []proof.Change{{Element: int32(i * 7 % 81), Value: int8(3 * i)}})
		require.NoError(t, w.Check(t.Context()))
	}
	assert.Less(t, w.MACs, int64(82*net.MACs()), "of one element a few windows see it")
}

// TestWideResults: numbers of 16 bits are evaluated as a whole, and every integer is right.
func TestWideResults(t *testing.T) {
	m := network(t, 8, "network net(x: f32[5] in [-1,1]) -> f32[3] values {\n  a = linear(x, units: 4)\n  y = linear(relu(a), units: 3)\n  return y\n}\n", "a.weight:[4,5] a.bias:[4] y.weight:[3,4] y.bias:[3]", "", passes.Quantized)
	require.Equal(t, ir.I16, m.Outputs[0].Type.Elem.Kind)
	net, err := proof.NewNet(m)
	require.NoError(t, err)
	assert.Equal(t, []string{"y"}, net.Whole())
	w, err := net.NewWalker()
	require.NoError(t, err)
	for i := range 50 {
		w.Move(0, []proof.Change{{Element: int32(i % 5), Value: int8(37 * i)}})
		require.NoError(t, w.Check(t.Context()))
	}
}

// first is the place of the first greatest element.
func first(x []int8) (best int) {
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// tiny are networks of few inputs, all of which are enumerated.
var tiny = []struct {
	shape, body, constants string
	levels                 int
}{
	{"[2]", "a = linear(x, units: 5)\n  y = linear(relu(a), units: 3)", "a.weight:[5,2] a.bias:[5] y.weight:[3,5] y.bias:[3]", 256},
	{"[2]", "a = linear(tanh(x), units: 3)\n  y = softmax(a)", "a.weight:[3,2] a.bias:[3]", 256},
	{"[1,2,2]", "c = conv2d(x, filters: 3, kernel: 2, pad: [1,0,0,1])\n  p = maxpool2d(relu(c), kernel: 2)\n  y = linear(flatten(p), units: 3)", "c.weight:[3,1,2,2] c.bias:[3] y.weight:[3,3] y.bias:[3]", 16},
	{"[1,2,2]", "c = conv2d(x, filters: 3, kernel: 1)\n  a = add(c, sigmoid(c))\n  r = reduce(a, axes: [1,2])\n  y = reshape(concat(r, mul(r, r)), shape: [6])", "c.weight:[3,1,1,1] c.bias:[3]", 16},
}

// enumerated are all inputs of so many levels, evenly from -128 to 127, in an order in which one
// element changes at a time: digit d of input k goes up and down in turn.
func enumerated(size, levels int) (all []int8) {
	n := 1
	for range size {
		n *= levels
	}
	for k := range n {
		rest := k
		for range size {
			digit := rest % levels
			if rest /= levels; rest%2 == 1 {
				digit = levels - 1 - digit
			}
			all = append(all, int8(digit*(255/(levels-1))-128))
		}
	}
	return all
}

// counts is what a test saw, from several goroutines.
type counts struct{ ties, paths, wrong atomic.Int64 }

// TestAllInputsOfTinyNetworks walks through every input of small networks, in an order in
// which one element changes at a time, and holds each answer to the interpreter's; then decides
// images on paths, and holds each verdict to the answers to all images of the path. Ties of
// answers are among them. DNNC_FULL decides more images.
func TestAllInputsOfTinyNetworks(t *testing.T) {
	var seen counts
	t.Cleanup(func() {
		assert.Greater(t, seen.ties.Load(), int64(100))
		assert.Greater(t, seen.wrong.Load(), seen.paths.Load()/20, "of %d paths", seen.paths.Load())
	})
	images := 12
	if os.Getenv("DNNC_FULL") != "" {
		images = 60
	}
	for i, b := range tiny {
		for _, round := range []string{ir.RoundHalfUp, ir.RoundTFLite} {
			t.Run(fmt.Sprint(i, round), func(t *testing.T) {
				t.Parallel()
				classes := map[bool]int{true: 6, false: 3}[strings.Contains(b.body, "concat")]
				text := fmt.Sprintf("network net(x: f32%s in [0,1]) -> f32[%d] {\n  %s\n  return y\n}\n", b.shape, classes, b.body)
				m := network(t, uint64(40+i), text, b.constants, round, passes.Quantized)
				prog, err := interp.CompileInt(m)
				require.NoError(t, err)
				net, err := proof.NewNet(m)
				require.NoError(t, err)
				w, err := net.NewWalker()
				require.NoError(t, err)
				walkAll(t, w, prog, b.levels, &seen)
				for k := range images {
					walkPaths(t, w, prog, k, &seen)
				}
			})
		}
	}
}

// walkAll brings a network to every input of so many levels.
func walkAll(t *testing.T, w *proof.Walker, prog *interp.Int, levels int, seen *counts) {
	size, classes := prog.Size(prog.Module.Inputs[0]), prog.Size(prog.Module.Outputs[0])
	all := enumerated(size, levels)
	n := len(all) / size
	require.Equal(t, 1<<16, n)
	want, err := prog.Forward(t.Context(), all, n)
	require.NoError(t, err)
	w.Set(all[:size])
	for k := range n {
		x := all[k*size : (k+1)*size]
		var changes []proof.Change
		for j, v := range x {
			if k > 0 && v != all[(k-1)*size+j] {
				changes = append(changes, proof.Change{Element: int32(j), Value: v})
			}
		}
		require.LessOrEqual(t, len(changes), 1)
		w.Move(0, changes)
		y := want[k*classes : (k+1)*classes]
		if !slices.Equal(y, w.Answer()) {
			require.Equal(t, y, w.Answer(), "input %v", x)
		}
		best := first(y)
		for j, v := range y {
			if j != best && v == y[best] {
				seen.ties.Add(1)
				break
			}
		}
	}
}

// walkPaths decides image k of a network under every kind of error.
func walkPaths(t *testing.T, w *proof.Walker, prog *interp.Int, k int, seen *counts) {
	rng := rand.New(rand.NewPCG(uint64(k), 5))
	v := prog.Module.Inputs[0]
	size, classes := prog.Size(v), prog.Size(prog.Module.Outputs[0])
	in := disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Image, Axis: ir.NoAxis}, Shape: v.Type.Shape, High: 1}
	pixels := make([]float32, size)
	for j := range pixels {
		pixels[j] = float32(rng.IntN(256)) / 255
	}
	for _, name := range proof.Names() {
		list, err := proof.KindsOf(name)
		require.NoError(t, err)
		for _, kind := range list {
			motion, err := proof.NewMotion(kind, in, v.Type.Quant, pixels)
			require.NoError(t, err)
			path := motion.Path()
			var images []int8
			for s := range len(path.Steps) + 1 {
				images = append(images, path.Before(s)...)
			}
			out, err := prog.Forward(t.Context(), images, len(images)/size)
			require.NoError(t, err)
			label := first(out[:classes])
			if k%10 == 0 {
				label = (label + 1) % classes
			}
			expected := -1
			for ; expected < len(path.Steps) && first(out[(expected+1)*classes:(expected+2)*classes]) == label; expected++ {
				if expected+1 == len(path.Steps) {
					expected++
					break
				}
			}
			v, err := w.Walk(t.Context(), make([]int8, size), 0, path, func(y []int8) bool { return first(y) == label })
			require.NoError(t, err)
			require.Equal(t, expected, v.Wrong, "%s %v", kind, pixels)
			if seen.paths.Add(1); v.Wrong >= 0 && v.Wrong < len(path.Steps) {
				seen.wrong.Add(1)
			}
			at := min(max(v.Wrong+1, 0), len(path.Steps))
			require.Equal(t, out[at*classes:(at+1)*classes], v.Answer)
		}
	}
}

// TestWalkRefusesOtherPaths: one of another input.
func TestWalkRefusesOtherPaths(t *testing.T) {
	m := network(t, 1, "network net(x: f32[4] in [0,1]) -> f32[2] {\n  y = linear(x, units: 2)\n  return y\n}\n", "y.weight:[2,4] y.bias:[2]", "", passes.Quantized)
	net, err := proof.NewNet(m)
	require.NoError(t, err)
	w, err := net.NewWalker()
	require.NoError(t, err)
	_, err = w.Walk(t.Context(), make([]int8, 4), 0, &proof.Path{Start: make([]int8, 3)}, func([]int8) bool { return true })
	assert.ErrorContains(t, err, "a path of 3 elements is not one of an input of 4")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Walk(ctx, make([]int8, 4), 0, &proof.Path{Start: make([]int8, 4), Steps: make([]proof.Step, 200)}, func([]int8) bool { return true })
	assert.ErrorIs(t, err, context.Canceled)
}

package network_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/kernel/lookup"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/kernel/pairs"
	"github.com/dnnc/dnnc/ir/kernel/pixels"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
)

// The conformance suite: one network whose outputs are one case each, run by the
// interpreter, which calls the reference kernels, by the evaluator of the loop
// language, and as an object of every target. A new family of kernels is tested as
// soon as it stands in ir/kernel/families, also where another one is preferred:
//
//	DNNC_FULL=1 go test ./codegen/network -run Conformance/armv7em/odd4
//	DNNC_FULL=1 go test ./codegen/network -run Conformance

// conformance is its cases: shapes that divide by nothing and by everything, every
// kind of padding, strides, groups, dilations, kernels that are not square, and
// what follows a convolution. A case without a result only serves others.
var conformance = []struct {
	name, text     string
	weight, result ir.Shape
}{
	{"norm", "normalize(image, mean: [0.4,0.5,0.6], std: 0.2)", nil, nil},
	{"stem", "conv2d(norm, filters: 13, kernel: 3, pad: 1)", ir.Shape{13, 3, 3, 3}, ir.Shape{13, 11, 9}}, // padded with values
	{"r", "relu(stem)", nil, ir.Shape{13, 11, 9}},
	{"strided", "conv2d(r, filters: 8, kernel: 3, stride: 2, pad: [0,0,1,1])", ir.Shape{8, 13, 3, 3}, ir.Shape{8, 5, 4}},
	{"steep", "conv2d(r, filters: 5, kernel: 3, stride: [1,3], pad: [2,1,0,1], act: relu6)", ir.Shape{5, 13, 3, 3}, ir.Shape{5, 11, 3}},
	{"one", "conv2d(r, filters: 16, kernel: 1, act: relu)", ir.Shape{16, 13, 1, 1}, ir.Shape{16, 11, 9}},
	{"onestrided", "conv2d(r, filters: 4, kernel: 1, stride: 2)", ir.Shape{4, 13, 1, 1}, ir.Shape{4, 6, 5}},
	{"wide", "conv2d(one, filters: 32, kernel: 3, pad: 1, act: relu)", ir.Shape{32, 16, 3, 3}, ir.Shape{32, 11, 9}}, // 144 inputs
	{"deep", "conv2d(wide, filters: 17, kernel: 3)", ir.Shape{17, 32, 3, 3}, ir.Shape{17, 9, 7}},                    // 288
	{"single", "conv2d(wide, filters: 1, kernel: 3, pad: 1)", ir.Shape{1, 32, 3, 3}, ir.Shape{1, 11, 9}},
	{"five", "conv2d(r, filters: 20, kernel: 5, pad: [2,1,2,1])", ir.Shape{20, 13, 5, 5}, ir.Shape{20, 11, 7}},
	{"twenty", "conv2d(five, filters: 9, kernel: 3)", ir.Shape{9, 20, 3, 3}, ir.Shape{9, 9, 5}}, // fours that are no sixteens
	{"whole", "conv2d(r, filters: 3, kernel: [9,7])", ir.Shape{3, 13, 9, 7}, ir.Shape{3, 3, 3}},
	{"dilated", "conv2d(r, filters: 13, kernel: [2,3], dilation: [3,2], pad: [1,0,1,2])", ir.Shape{13, 13, 2, 3}, ir.Shape{13, 10, 7}},
	{"tall", "conv2d(one, filters: 6, kernel: [5,1], pad: [2,0,2,0])", ir.Shape{6, 16, 5, 1}, ir.Shape{6, 11, 9}},
	{"flat", "conv2d(one, filters: 7, kernel: [1,4], pad: [0,3,0,0])", ir.Shape{7, 16, 1, 4}, ir.Shape{7, 11, 9}},
	{"depthwise", "conv2d(r, filters: 13, kernel: 3, pad: 1, groups: 13)", ir.Shape{13, 1, 3, 3}, ir.Shape{13, 11, 9}},
	{"depthwise5", "conv2d(one, filters: 16, kernel: 5, stride: 2, pad: 2, groups: 16)", ir.Shape{16, 1, 5, 5}, ir.Shape{16, 6, 5}},
	{"multiplied", "conv2d(r, filters: 26, kernel: 3, pad: 1, groups: 13)", ir.Shape{26, 1, 3, 3}, ir.Shape{26, 11, 9}},
	{"grouped", "conv2d(one, filters: 24, kernel: 3, pad: 1, groups: 4)", ir.Shape{24, 4, 3, 3}, ir.Shape{24, 11, 9}},
	{"before", "conv2d(one, filters: 10, kernel: 3, pad: 1)", ir.Shape{10, 16, 3, 3}, nil},
	{"pooled", "maxpool2d(relu(before), kernel: 2)", nil, nil}, // kept by the convolution, as it is no result itself
	{"twice", "add(pooled, pooled)", nil, ir.Shape{10, 5, 4}},
	{"before2", "conv2d(r, filters: 5, kernel: 2)", ir.Shape{5, 13, 2, 2}, nil},
	{"pooled2", "maxpool2d(before2, kernel: [3,2])", nil, nil},
	{"twice2", "add(pooled2, pooled2)", nil, ir.Shape{5, 3, 4}},
	{"before3", "conv2d(r, filters: 13, kernel: 3, pad: 1, groups: 13)", ir.Shape{13, 1, 3, 3}, nil},
	{"pooled3", "maxpool2d(before3, kernel: [2,3])", nil, nil},
	{"twice3", "add(pooled3, pooled3)", nil, ir.Shape{13, 5, 3}},
	{"eight", "conv2d(one, filters: 25, kernel: 2, act: relu)", ir.Shape{25, 16, 2, 2}, ir.Shape{25, 10, 8}}, // rows of eight
	{"before4", "conv2d(one, filters: 10, kernel: [3,2], pad: [1,0,1,0])", ir.Shape{10, 16, 3, 2}, nil},
	{"pooled4", "maxpool2d(before4, kernel: 2)", nil, nil},
	{"twice4", "add(pooled4, pooled4)", nil, ir.Shape{10, 5, 4}},
	{"beside", "conv2d(one, filters: 9, kernel: 1, pad: [0,12,0,0])", ir.Shape{9, 16, 1, 1}, ir.Shape{9, 11, 21}}, // tiles of padding alone
	{"behind", "conv2d(one, filters: 10, kernel: 3, pad: [1,0,14,13])", ir.Shape{10, 16, 3, 3}, ir.Shape{10, 24, 20}},
	{"overlapped", "maxpool2d(r, kernel: 3, stride: 2, pad: [1,0,0,1])", nil, ir.Shape{13, 5, 4}},
	{"mean", "avgpool2d(r, kernel: 3, stride: 2, pad: [1,0,1,1])", nil, ir.Shape{13, 6, 4}},
	{"sum", "relu6(add(r, depthwise))", nil, ir.Shape{13, 11, 9}},
	{"joined", "concat(r, one)", nil, ir.Shape{29, 11, 9}},
	{"linear", "linear(flatten(pooled), units: 11)", ir.Shape{11, 200}, ir.Shape{11}},
	{"narrow", "linear(flatten(globalavgpool(wide)), units: 33, act: relu)", ir.Shape{33, 32}, ir.Shape{33}},
	{"few", "linear(narrow, units: 10)", ir.Shape{10, 33}, ir.Shape{10}},
	{"soft", "softmax(few)", nil, ir.Shape{10}},
}

var words = regexp.MustCompile(`\w+`)

// asWords ends the format of a case whose activations have 16 bits.
const asWords = " as i16"

// conform compiles the cases with random weights, every layer in a format that it
// can be in; edit may change what the pass select chose, which then makes no chains: the kernel
// of an operation in a chain computes one row, and a layout of the whole layer does not fit it.
// With names, it compiles those cases alone, and what they are made of.
func conform(t *testing.T, tgt *processor.Target, format string, edit func(m *ir.Module), names ...string) *ir.Module {
	t.Helper()
	needed := map[string]bool{}
	for _, c := range slices.Backward(conformance) {
		if needed[c.name] || len(names) == 0 || slices.Contains(names, c.name) {
			needed[c.name] = true
			for _, word := range words.FindAllString(c.text, -1) {
				needed[word] = true
			}
		}
	}
	format, isWide := strings.CutSuffix(format, asWords)
	e, ok := ir.ParseElem(format)
	require.True(t, ok)
	isTwo := e.Kind == ir.Two
	if isTwo { // which importers make: the codes of odd ones
		e.Kind = ir.Odd
	}
	rng := rand.New(rand.NewSource(int64(len(format))))
	env := &pass.Env{Target: tgt, Level: pass.Universal, Rounding: "nearest", Seed: 1, Fix: map[string]ir.Elem{}, Budget: pass.Budget{Bits: 8, FreeRAM: edit != nil},
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{3, 11, 9}, 0, 1, 16, 1), nil }}
	input := "f32[3,11,9] in [0,1]"
	if isWide {
		env.Bits, input = pass.SixteenBits, input+asWords
	}
	var tensors []weights.Tensor
	tensor := func(name string, s ir.Shape) {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 4)
		}
		raw, err := ir.FloatConst(name, s, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name, DType: weights.F32, Shape: s, Data: raw})
	}
	var body, results, returns []string
	for i, c := range conformance {
		if !needed[c.name] {
			continue
		}
		body = append(body, fmt.Sprintf("  %s = %s\n", c.name, c.text))
		if c.weight != nil {
			tensor(c.name+".weight", c.weight)
			if i%2 == 0 {
				tensor(c.name+".bias", c.weight[:1])
			}
			if e.Kind == ir.I8 || e.Kind == ir.Odd || !strings.Contains(c.text, "groups") {
				env.Fix[c.name] = e
			}
		}
		if c.result != nil && (len(names) == 0 || slices.Contains(names, c.name)) {
			results, returns = append(results, "f32"+c.result.String()), append(returns, c.name)
		}
	}
	source := fmt.Sprintf("tensors \"net.safetensors\"\nnetwork net(image: %s) -> %s {\n%s  return %s\n}\n",
		input, strings.Join(results, ", "), strings.Join(body, ""), strings.Join(returns, ", "))
	dir := t.TempDir()
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.safetensors"), file.Bytes(), 0o644))
	m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte(source), frontend.Options{})
	require.NoError(t, err)
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Quantized}))
	for _, n := range m.Ops {
		if isTwo && n.Op.HasWeights() {
			n.Const(ir.AttrWeight).Type.Elem.Kind = ir.Two
		}
	}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: "select"}))
	if edit != nil {
		edit(m)
	}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	assert.LessOrEqual(t, float64(m.Arena.Bytes), 1.05*float64(machine.LowerBound(m)), "the arena of a network with branches")
	return m
}

// prefer makes a family compute what it applies to, whatever is preferred; it
// reports whether that changes anything.
func prefer(m *ir.Module, tgt *processor.Target, f *kernel.Family) (changed bool) {
	for _, n := range m.Ops {
		p, ok := f.Serves(kernel.Of(n, tgt))
		if !ok || n.Word(ir.AttrImpl) == f.Name {
			continue
		}
		changed = true
		f.Assign(n, p)
	}
	return changed
}

// lay has a family compute a node with a product and a tile of the caller's; ok is false,
// and nothing changes, where the family does not serve the node so.
func lay(n *ir.Node, tgt *processor.Target, f *kernel.Family, product string, tile ...int) (p kernel.Plan, ok bool) {
	chosen := slices.Clone(n.Attrs)
	n.Put(ir.AttrTile.Is(tile))
	n.Drop(ir.AttrMultiply)
	if product != "" {
		n.Put(ir.AttrMultiply.Is(product))
	}
	p, err := f.Read(kernel.Of(n, tgt))
	if err != nil {
		n.Attrs = chosen
		return nil, false
	}
	f.Assign(n, p)
	return p, true
}

// plan lists what a run of the suite covers: every target in every format with DNNC_FULL,
// else one target of each kind of code in one format; two targets when it must be short.
func plan() (names []string, formatsOf func(i int) []string) {
	if os.Getenv("DNNC_FULL") != "" {
		return processor.Names(), func(int) []string { return formats() }
	}
	names = []string{"armv7em", "x86_64+avx2", "armv6m", "armv7m", "armv8.1m", "armv7", "aarch64+dotprod", "riscv32"}
	if testing.Short() {
		names = names[:2]
	}
	formats := []string{"i8", "i8", "odd4", "odd1", "vec4x8", "odd2", "odd3", "i8"}
	return names, func(i int) []string { return formats[i : i+1] }
}

func TestConformance(t *testing.T) {
	t.Parallel()
	names, formatsOf := plan()
	for i, name := range names {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel() // which waits for LLVM and emulators
			for _, format := range formatsOf(i) {
				t.Run(format, func(t *testing.T) {
					m := conform(t, tgt, format, nil)
					in, out := cases(t, m, 3)
					conformEvaluator(t, m, in, out)
					conformObject(t, m, tgt, in, out)
				})
				// Families that are not preferred: on two targets, with DNNC_FULL on all.
				if os.Getenv("DNNC_FULL") == "" && i > 1 {
					continue
				}
				for _, k := range families.Table {
					var changed bool
					t.Run(format+"/"+k.Name, func(t *testing.T) {
						m := conform(t, tgt, format, func(m *ir.Module) { changed = prefer(m, tgt, k) })
						if !changed {
							t.Skip("the preferred family of all it applies to")
						}
						in, out := cases(t, m, 3)
						conformObject(t, m, tgt, in, out)
					})
				}
			}
		})
	}
}

// TestWideConformance is the suite with activations of 16 bits.
func TestWideConformance(t *testing.T) {
	t.Parallel()
	names, formatsOf := plan()
	for i, name := range names {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range formatsOf(i) {
				t.Run(format, func(t *testing.T) {
					m := conform(t, tgt, format+asWords, nil)
					in, out := cases(t, m, 3)
					conformEvaluator(t, m, in, out)
					conformObject(t, m, tgt, in, out)
				})
			}
		})
	}
}

// wideOperations are operations of one argument x, f32[4,6,6], and of y, its transposed, beside those of the
// suite: with the shapes of their results.
var wideOperations = []struct {
	text  string
	shape ir.Shape
}{
	{"maxpool2d(x, kernel: [2,3], stride: 1, pad: [0,1,0,1], dilation: 2)", ir.Shape{4, 4, 4}},
	{"avgpool2d(x, kernel: 2, pad: 1, dilation: [3,1])", ir.Shape{4, 3, 4}},
	{"globalavgpool(x)", ir.Shape{4, 1, 1}},
	{"add(x, y, act: relu)", ir.Shape{4, 6, 6}},
	{"sub(x, y, act: relu6)", ir.Shape{4, 6, 6}},
	{"mul(x, y)", ir.Shape{4, 6, 6}},
	{"minimum(x, y)", ir.Shape{4, 6, 6}},
	{"maximum(x, y)", ir.Shape{4, 6, 6}},
	{"squareddiff(x, y)", ir.Shape{4, 6, 6}},
	{"scaleddiff(x, y, tanh(y))", ir.Shape{4, 6, 6}},
	{"concat(x, y, x)", ir.Shape{12, 6, 6}},
	{"bilinear(x, down: [0,0.25,2.125,5], across: [1.5,0,5,3.75,2,0.3,4.9])", ir.Shape{4, 4, 7}},
	{"reshape(x, shape: [8,18])", ir.Shape{8, 18}},
	{"softmax(x, axis: 2)", ir.Shape{4, 6, 6}},
	{"softmax(reshape(x, shape: [8,18]), axis: 1)", ir.Shape{8, 18}},
	{"requantize(x, act: relu6)", ir.Shape{4, 6, 6}},
	{"sigmoid(x)", ir.Shape{4, 6, 6}},
	{"tanh(y)", ir.Shape{4, 6, 6}},
	{"exp(x)", ir.Shape{4, 6, 6}},
	{"sign(y)", ir.Shape{4, 6, 6}},
	{"slice(x, start: [1,5,0], size: [3,3,6], step: [1,-2,1])", ir.Shape{3, 3, 6}},
	{"copy(x, shape: [4,6], dims: [4,6], strides: [36,-1], start: 5)", ir.Shape{4, 6}},
	{"pad(reshape(x, shape: [8,18]), before: [1,2], after: [0,3], between: [1,0], value: 0.3)", ir.Shape{16, 23}},
	{"reduce(x, fn: max, axes: [0,2], keep: 1)", ir.Shape{1, 6, 1}},
	{"reduce(x, fn: min, axes: [1])", ir.Shape{4, 6}},
	{"reduce(x, fn: mean, axes: [2])", ir.Shape{4, 6}},
	{"reduce(x, fn: sum, axes: [0,1])", ir.Shape{6}},
	{"matmul(x, y, act: relu)", ir.Shape{4, 6, 6}},
	{"argmax(x, axis: 1)", ir.Shape{4, 6}},
	{"history(x, axis: 1, frames: 4, back: 3, apart: 2)", ir.Shape{4, 4, 6}},
	{"spectrogram(reshape(x, shape: [144]), frame: 30, hop: 19, fn: log, eps: 0.01)", ir.Shape{7, 17}},
}

// TestWideOperations: every operation that has a form of 16 bits computes the same in the interpreter, in the
// evaluator and in the object, on every target with DNNC_FULL. Those that have none get a requantization.
func TestWideOperations(t *testing.T) {
	t.Parallel()
	names, _ := plan()
	if os.Getenv("DNNC_FULL") == "" {
		names = names[:2]
	}
	var body, results, returns []string
	for i, c := range wideOperations {
		name := fmt.Sprintf("r%d", i)
		body = append(body, fmt.Sprintf("  %s = %s\n", name, c.text))
		results, returns = append(results, "f32"+c.shape.String()), append(returns, name)
	}
	source := fmt.Sprintf("network net(x: f32[4,6,6] in [-2,3]%s) -> %s {\n  y = transpose(x, perm: [0,2,1])\n%s  return %s\n}\n",
		asWords, strings.Join(results, ", "), strings.Join(body, ""), strings.Join(returns, ", "))
	for _, name := range names {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := frontend.Parse("net.dnn", []byte(source), frontend.Options{})
			require.NoError(t, err)
			env := &pass.Env{Target: tgt, Level: pass.Int8, Bits: pass.SixteenBits, Seed: 1,
				Calibration: func() (data.Batch, error) { return data.Synthesize([]int{4, 6, 6}, -2, 3, 16, 1), nil }}
			require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
			wide := map[ir.Op]bool{ir.Conv2D: true, ir.Linear: true, ir.Recurrent: true} // which TestWideConformance and TestRecurrencesEqualInterpreter have
			for _, n := range m.Ops {
				wide[n.Op] = wide[n.Op] || n.IsWide()
			}
			for op := range ir.NumOps {
				if op.Is(ir.Core) && op.Info().Widths != ir.OnlyBytes {
					assert.True(t, wide[op], "%s of 16 bits is not tested", op)
				}
			}
			in, out := cases(t, m, 3)
			conformEvaluator(t, m, in, out)
			conformObject(t, m, tgt, in, out)
		})
	}
}

// fewer is two of three cases, and all of them with DNNC_FULL; the first one where the run
// must be short, as under the race detector, which makes the evaluator twenty times slower.
func fewer[T any](cases []T) (list []T) {
	if testing.Short() {
		return cases[:1]
	}
	for i, c := range cases {
		if i%3 < 2 || os.Getenv("DNNC_FULL") != "" {
			list = append(list, c)
		}
	}
	return list
}

// TestPixelLayouts: tables of some rows and some groups at a time, which only large
// layers choose, compute the same. Each layer that conv_pixels serves has the
// smallest blocks, or all rows of a part of the groups, and both with DNNC_FULL.
func TestPixelLayouts(t *testing.T) {
	t.Parallel()
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	for i, c := range fewer([]struct {
		format string
		inputs int
	}{{"odd1", 8}, {"odd1", 1}, {"odd2", 2}, {"odd2", 1}, {"odd3", 2}, {"odd4", 1}, {"odd5", 1}, {"odd7", 1}, {"vec5x8", 8}, {"vec4x16", 16}}) {
		format, inputs := c.format, c.inputs
		for k, all := range []bool{false, true} {
			if os.Getenv("DNNC_FULL") == "" && i%2 != k {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d/%v", format, inputs, all), func(t *testing.T) {
				t.Parallel()
				laid := 0
				m := conform(t, tgt, format, func(m *ir.Module) {
					prefer(m, tgt, families.Find("conv_pixels"))
					for _, n := range m.Ops {
						if n.Word(ir.AttrImpl) != "conv_pixels" {
							continue
						}
						rows, _ := n.Pool()
						if all {
							rows *= n.Out.Type.Shape[1]
						}
						if _, ok := lay(n, tgt, &pixels.Conv, "", rows, 1, inputs); ok {
							laid++
						}
					}
				})
				require.NotZero(t, laid)
				in, out := cases(t, m, 1)
				conformEvaluator(t, m, in, out)
			})
		}
	}
}

// TestPairLayouts: blocks of some rows and some groups, codes of several planes, tiles
// of some words: what no layer or only a large one chooses computes the same.
func TestPairLayouts(t *testing.T) {
	t.Parallel()
	var flushed sync.Map // when halves are added to sums
	if !testing.Short() {
		t.Cleanup(func() { // after the cases, which run side by side
			for _, when := range []string{"at the end", "behind steps", "behind a chunk", "within a chunk"} {
				_, is := flushed.Load(when)
				assert.True(t, is, when)
			}
		})
	}
	for _, c := range fewer([]struct {
		target, format      string
		inputs, words, rows int // rows of the result, in pools
	}{
		{"armv7em", "odd1", 4, 3, 2}, {"armv7em", "odd1", 8, 4, 4}, {"armv7em", "odd2", 2, 2, 6}, {"armv7em", "odd2", 4, 1, 2},
		{"armv7m", "odd3", 2, 4, 2}, {"armv7m", "odd4", 2, 3, 4}, {"armv6m", "odd1", 4, 2, 2}, {"riscv32", "odd2", 2, 4, 2},
		{"armv7em", "vec4x16", 16, 4, 2}, {"armv7em", "vec6x8", 8, 3, 2}, {"armv7m", "vec8x4", 4, 6, 4}, {"armv7m", "vec5x2", 2, 2, 4}, {"armv6m", "vec4x8", 8, 2, 2},
	}) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			laid := 0
			m := conform(t, tgt, c.format, func(m *ir.Module) {
				for _, n := range m.Ops {
					if n.Op != ir.Conv2D || n.Const(ir.AttrWeight).Type.Elem.Kind == ir.Odd && n.Args[0].Type.Shape[0]%c.inputs > 0 {
						continue
					}
					height, width := n.Pool()
					cols := n.Out.Type.Shape[2] * width
					if laid%2 == 1 {
						cols = (cols/width + 1) / 2 * width
					}
					for block := range 8 {
						if block++; laid%3 > 0 { // the most groups first
							block = 9 - block
						}
						laidOut, ok := lay(n, tgt, &pairs.Conv, "", c.rows*height, cols, block, c.inputs, c.words)
						if !ok {
							continue
						}
						laid++
						p := laidOut.(pairs.Plan)
						switch codes := p.Flush(); {
						case codes == p.Block*p.Taps:
							flushed.Store("at the end", true)
						case codes >= p.Step*p.Taps:
							flushed.Store("behind steps", true)
						case codes == p.Chunk:
							flushed.Store("behind a chunk", true)
						default:
							flushed.Store("within a chunk", true)
						}
						break
					}
				}
			})
			require.Greater(t, laid, 1)
			in, out := cases(t, m, 1)
			conformEvaluator(t, m, in, out)
		})
	}
}

// TestSmallCode: what -O size leaves rolled up computes the same.
func TestSmallCode(t *testing.T) {
	t.Parallel()
	for _, c := range fewer([]struct {
		target, format string
		round          int
	}{
		{"armv7em", "i8", 2}, {"armv7em", "odd1", 2}, {"armv7em", "odd3", 2}, {"armv7em", "vec6x8", 2}, {"armv7m", "vec8x8", 2}, {"armv6m", "odd4", 2}, {"armv7", "odd2", 2}, {"aarch64+dotprod", "odd4", 2},
		{"armv7", "i8", 1}, {"armv8.1m", "i8", 1}, {"aarch64+dotprod", "odd1", 1}, {"x86_64", "odd4", 1},
	}) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			m := conform(t, tgt, c.format, func(m *ir.Module) {
				for _, n := range m.Ops {
					if n.Op.HasWeights() {
						n.Put(ir.AttrUnroll.Is(c.round))
					}
				}
			})
			in, out := cases(t, m, 1)
			conformEvaluator(t, m, in, out)
		})
	}
}

// TestLookupLayouts: linear layers whose tables come in blocks, of codes of several
// weights, and of a last group that is not whole, compute the same.
func TestLookupLayouts(t *testing.T) {
	t.Parallel()
	for _, c := range fewer([]struct {
		target, format string
		inputs         int
	}{
		{"armv7em", "odd1", 8}, {"armv7em", "odd1", 4}, {"armv7m", "odd2", 4}, {"armv6m", "odd4", 2}, {"riscv32", "odd1", 5}, {"armv7em", "odd3", 2},
		{"armv7em", "vec8x8", 8}, {"armv7em", "vec6x7", 7}, {"armv7", "vec4x8", 8}, {"armv7", "vec6x16", 16}, {"armv7", "vec3x5", 5}, {"armv6m", "vec7x8", 8}, {"armv7m", "vec5x8", 8}, {"armv8.1m", "vec7x9", 9}, {"x86_64", "vec8x4", 4},
	}) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			laid, waiting := 0, 0
			m := conform(t, tgt, c.format, func(m *ir.Module) {
				for _, n := range m.Ops {
					if n.Op != ir.Linear {
						continue
					}
					groups := (n.Const(ir.AttrWeight).Type.Shape[1] + c.inputs - 1) / c.inputs
					block := groups // in one piece, unless it falls into blocks
					for b := 1; b < groups; b++ {
						if groups%b == 0 {
							block = b
						}
					}
					if _, ok := lay(n, tgt, &lookup.Linear, "", block, c.inputs); !ok {
						continue
					}
					laid++
					if block < groups {
						waiting++
					}
				}
			}, "linear", "narrow", "few")
			require.NotZero(t, laid)
			require.NotZero(t, waiting)
			in, out := cases(t, m, 3)
			conformEvaluator(t, m, in, out)
		})
	}
}

// TestOtherProducts has layers computed by products and in tiles that others are
// preferred to. Codes of 8 bits in two passes, for one, are not kept less 128 as those
// in one pass are (a network of dnnc fuzz 1 1053 armv7m had some).
func TestOtherProducts(t *testing.T) {
	t.Parallel()
	for _, c := range fewer([]struct {
		target, format, product string
		tile                    [2]int
	}{
		{"armv7m", "odd8", "pair", [2]int{3, 4}},
		{"armv7m", "odd8", "pair", [2]int{1, 2}},
		{"armv7m", "odd7", "pair_decoded", [2]int{2, 2}}, // two products to a half
		{"armv6m", "odd2", "pair_written_decoded", [2]int{2, 2}},
		{"armv6m", "odd4", "pair_written", [2]int{6, 2}},
		{"armv6m", "odd7", "pair_written_decoded", [2]int{4, 2}},
		{"armv6m", "odd1", "pair_written", [2]int{1, 12}},
		{"armv6m", "odd3", "pair_written", [2]int{3, 2}},
		{"armv7em", "odd3", "smlad_decoded", [2]int{2, 2}},
		{"armv7em", "odd1", "smlad_decoded", [2]int{1, 2}},
		{"armv7em", "odd2", "smlad_twins", [2]int{2, 2}},
		{"armv7em", "odd1", "smlad_twins", [2]int{1, 4}},
		{"armv7em", "odd1", "smlad_twins", [2]int{2, 2}},
		{"armv7em", "odd2", "smlad_twins", [2]int{1, 2}},
		{"armv7", "odd7", "mlal_decoded", [2]int{2, 4}}, // one product to a lane
		{"armv7", "odd3", "mlal_decoded", [2]int{1, 2}},
		{"aarch64+dotprod", "odd1", "udot_nested", [2]int{1, 8}},
		{"aarch64+dotprod", "odd1", "udot_nested", [2]int{4, 4}}, // two steps in a word
		{"aarch64+dotprod", "odd1", "udot_nested", [2]int{2, 2}}, // four
		{"aarch64+dotprod", "odd3", "udot_nested", [2]int{1, 2}},
		{"armv8.1m", "odd1", "mladav_nested", [2]int{2, 4}},
		{"aarch64+dotprod", "odd2", "udot_nested", [2]int{4, 4}},
		{"aarch64+dotprod", "odd6", "udot_nested", [2]int{2, 4}},
		{"aarch64+dotprod", "odd5", "sdot", [2]int{4, 4}},
		{"aarch64+dotprod", "odd7", "sdot_decoded", [2]int{4, 4}},
	}) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			other := 0
			m := conform(t, tgt, c.format, func(m *ir.Module) {
				for _, n := range m.Ops {
					f := &micro.Conv
					if n.Op == ir.Linear {
						f = &micro.Linear
					}
					if !n.Op.Takes(ir.AttrMultiply) || !n.Has(ir.AttrMultiply) {
						continue
					}
					pixels := 1
					if n.Op == ir.Conv2D {
						_, pool := n.Pool()
						if tile := c.tile[0]; tile%pool == 0 && tile <= n.Out.Type.Shape[2]*pool {
							pixels = tile
						}
					}
					if _, ok := lay(n, tgt, f, c.product, pixels, c.tile[1]); ok {
						other++
					}
				}
			})
			require.Greater(t, other, 4)
			in, out := cases(t, m, 1)
			conformEvaluator(t, m, in, out)
			if strings.Contains(c.product, "written") || strings.Contains(c.product, "twins") { // instructions that the evaluator does not run
				conformObject(t, m, tgt, in, out)
			}
		})
	}
}

// TestBlocks: blocks of output channels decoded through a codebook, or from several
// planes; every other layer has the smallest blocks, the last of which overlaps.
func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range fewer([]struct{ target, format string }{
		{"armv7em", "vec8x4"}, {"armv7em", "vec3x5"}, {"armv7em", "code3"}, {"armv7em", "odd3"}, {"armv7em", "odd7"},
		{"armv7m", "vec6x8"}, {"armv7m", "odd6"}, {"armv6m", "odd3"},
	}) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			tgt, err := processor.Find(c.target)
			require.NoError(t, err)
			blocks := 0
			m := conform(t, tgt, c.format, func(m *ir.Module) {
				prefer(m, tgt, families.Find("conv_blocks"))
				for _, n := range m.Ops {
					if n.Word(ir.AttrImpl) != "conv_blocks" {
						continue
					}
					if blocks++; blocks%2 == 0 {
						tile := n.Ints(ir.AttrTile)
						_, ok := lay(n, tgt, &micro.Blocks, n.Word(ir.AttrMultiply), tile[0], tile[1], tile[1])
						require.True(t, ok)
					}
				}
			})
			require.Greater(t, blocks, 5)
			in, out := cases(t, m, 1)
			conformEvaluator(t, m, in, out)
		})
	}
}

// conformEvaluator runs the loop program.
func conformEvaluator(t *testing.T, m *ir.Module, in, out [][]byte) {
	for i, got := range evaluated(t, m, in) {
		sameCases(t, m, fmt.Sprintf("evaluator, input %d", i), out[i], got)
	}
}

// evaluated runs a module's program in the evaluator: the results of each input, one after
// the other.
func evaluated(t *testing.T, m *ir.Module, in [][]byte) (out [][]byte) {
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	for i := range in {
		memory := []loop.Memory{slices.Clone(in[i])}
		for _, o := range m.Outputs {
			memory = append(memory, make([]byte, o.Type.Slots()))
		}
		_, err := loop.Run(p.Funcs[len(p.Funcs)-1], nil, append(memory, make([]byte, m.Arena.Bytes)))
		require.NoError(t, err)
		out = append(out, slices.Concat(memory[1:]...))
	}
	return out
}

// conformObject runs the object on its target.
func conformObject(t *testing.T, m *ir.Module, tgt *processor.Target, in, out [][]byte) {
	tools, err := llvm.Find("")
	if err == nil {
		err = emu.Check(tgt)
	}
	if err != nil {
		t.Skip(err)
	}
	ctx := context.Background()
	compile := func(text string, err error) []byte {
		require.NoError(t, err)
		object, err := llvm.Compile(ctx, tools, text, tgt, "obj")
		require.NoError(t, err)
		return object
	}
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	job := emu.Job{Prefix: "net", Inputs: []int{m.Inputs[0].Type.Slots()}, Arena: m.Arena.Bytes, Align: m.Arena.Align, Steps: len(m.Ops)}
	if in := m.ByRows(); in != nil {
		job.Row = in.RowBytes()
	}
	for _, o := range m.Outputs {
		job.Outputs = append(job.Outputs, o.Type.Slots())
	}
	object := compile(llvm.Print(p, tgt))
	undefined, err := llvm.Undefined(object)
	require.NoError(t, err)
	assert.Empty(t, undefined)
	for _, job.Threads = range []bool{false, true}[:1+min(m.Threads, 1)] {
		program, err := emu.Link(ctx, t.TempDir(), job, tgt, compile(emu.Driver(job, tgt)), object)
		require.NoError(t, err)
		got, err := program.Run(ctx, in)
		require.NoError(t, err)
		for i := range in {
			require.Zero(t, got.Status[i], "input %d: memory around the arena, an input or an output was written", i)
			sameCases(t, m, fmt.Sprintf("object, threads %v, input %d", job.Threads, i), out[i], got.Outputs[i])
		}
	}
}

// sameCases compares outputs one after the other, so that a failure names its case.
func sameCases(t *testing.T, m *ir.Module, where string, want, got []byte) {
	t.Helper()
	require.Len(t, got, len(want))
	for _, o := range m.Outputs {
		n := o.Type.Slots()
		impl := ""
		for _, op := range m.Ops {
			if op.Out == o {
				impl = op.Word(ir.AttrImpl)
			}
		}
		assert.Equal(t, want[:n], got[:n], "%s: %s by %s", where, o.Name, impl)
		want, got = want[n:], got[n:]
	}
	if t.Failed() {
		t.FailNow()
	}
}

package network_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// operations are expressions of a: f32[4,6,6] in [-2,3], b of the same shape and m
// of [5,7], each a result of one network; steps is the greatest distance from the
// float result in steps of the quantized one.
var operations = []struct {
	expr  string
	steps float64
}{
	{"sub(a, b)", 2}, {"sub(a, b, act: relu)", 2}, {"squareddiff(a, b)", 3}, {"scaleddiff(a, b, tanh(a))", 3}, {"mul(a, b)", 3}, {"minimum(a, b)", 2}, {"maximum(a, b)", 2},
	{"sigmoid(a)", 1.6}, {"tanh(a)", 2}, {"hardsigmoid(a)", 2}, {"hardsigmoid(a, alpha: 0.3, beta: 0.4)", 2}, {"hardswish(a)", 2},
	{"leakyrelu(a, alpha: 0.2)", 2}, {"elu(a)", 2}, {"gelu(a)", 2}, {"gelu(a, tanh: 1)", 2}, {"silu(a)", 2}, {"softplus(a)", 2},
	{"exp(a)", 4}, {"sqrt(abs(a))", 12}, {"neg(a)", 2}, {"erf(a)", 3}, {"reciprocal(exp(a))", 80}, {"clip(a, low: -1, high: 2)", 2}, {"log(exp(a))", 200},
	{"transpose(a, perm: [2,0,1])", 1}, {"transpose(m, perm: [1,0])", 1.6},
	{"slice(a, start: [1,5,0], size: [3,3,6], step: [1,-2,1])", 1}, {"expand(slice(a, start: [0,0,0], size: [4,1,6]), shape: [4,3,6])", 1},
	{"depthtospace(a, block: 2)", 1}, {"depthtospace(a, block: 2, mode: crd)", 1}, {"spacetodepth(a, block: 3)", 1}, {"resize(a, scale: [2,3])", 1}, {"bilinear(a, down: [0,0.25,2.125,5], across: [1.5,0,5,3.75,2,0.3,4.9])", 1.6},
	{"pad(a, before: [1,0,2], after: [0,1,1], value: 0.7)", 2}, {"pad(a, before: [0,1,0], after: [0,0,1], between: [0,1,2])", 1},
	{"reduce(a, axes: [1,2])", 2}, {"reduce(a, axes: [0], keep: 1)", 2}, {"reduce(a, fn: sum, axes: [1])", 3}, {"reduce(a, fn: max, axes: [0,2])", 1},
	{"reduce(a, fn: min, axes: [0,1,2])", 1}, {"reduce(m, fn: max, axes: [1])", 2},
	{"matmul(m, transpose(m, perm: [1,0]))", 3}, {"matmul(a, b)", 3},
	{"softmax(a)", 1.6}, {"softmax(m, axis: 1)", 1.6}, {"softmax(a, axis: 2)", 1.6}, {"softmax(neg(a), axis: 2)", 1.6}, {"softmax(neg(m), axis: 1)", 1.6}, {"mul(reshape(softmax(flatten(a)), shape: [4,6,6]), b)", 3}, {"logsoftmax(m, axis: 1)", 2}, {"l2norm(m, axis: 1)", 1}, {"l2norm(a)", 1}, {"l2norm(sigmoid(a), axis: 2)", 2},
	{"argmax(a)", 3}, {"argmax(m, axis: 1)", 6}, {"argmax(a, axis: 1)", 5},
	{"reshape(a, shape: [8,18])", 1}, {"reshape(a, shape: [2,3,4,6])", 1}, {"copy(a, shape: [4,6], dims: [4,6], strides: [36,-1], start: 5)", 1},
	{"normalize(m, mean: 0.5, std: 2)", 2}, {"relu(concat(a, b))", 2}, {"concat(m, tanh(m))", 2}, {"logsoftmax(reshape(m, shape: [35,1]))", 2},
	{"logsoftmax(a, axis: 1)", 2}, {"pad(a, before: [0,2,1], after: [1,0,3], mode: edge)", 1}, {"pad(a, before: [3,1,0], after: [2,5,1], mode: reflect)", 1},
	{"pad(m, before: [2,3], after: [5,0], mode: symmetric)", 1.6}, {"pad(a, before: [0,4,1], after: [2,6,0], mode: wrap)", 1}, {"pad(reshape(a, shape: [2,2,6,6]), before: [1,0,3,1], after: [0,1,2,0], mode: reflect)", 1},
	{"maxpool2d(a, kernel: [2,3], stride: 1, dilation: 2)", 1}, {"maxpool2d(a, kernel: 2, stride: [2,1], pad: 1, dilation: [1,3])", 1}, {"avgpool2d(a, kernel: 2, stride: 1, pad: [1,0,1,1], dilation: [3,2])", 1},
	{"spectrogram(flatten(a), frame: 30, hop: 19, fn: log, eps: 0.01)", 2}, {"spectrogram(reshape(a, shape: [1,144]), frame: 33, hop: 40, window: hamming)", 2}, {"spectrogram(flatten(a), frame: 16, hop: 64, power: 1, window: none)", 2},
	{"mel(flatten(a), rate: 8000, frame: 60, hop: 40, bands: 7)", 2}, {"logmel(flatten(a), rate: 8000, frame: 60, hop: 40, bands: 7, eps: 0.01)", 2}, {"mfcc(reshape(a, shape: [1,144]), rate: 8000, frame: 60, hop: 40, bands: 7, coefficients: 5, eps: 0.01)", 3},
}

// operationNet is one network with all of them for results.
func operationNet(t *testing.T, tgt *processor.Target) (float, planned *ir.Module) {
	t.Helper()
	var body, names []string
	for i, o := range operations {
		names = append(names, fmt.Sprintf("y%d", i))
		body = append(body, fmt.Sprintf("  y%d = %s", i, o.expr))
	}
	text := func(results string) []byte {
		return []byte("network net(a: f32[4,6,6] in [-2,3]) -> " + results + ` {
  b = tanh(transpose(a, perm: [0,2,1]))
  m = reshape(slice(a, start: [0,0,0], size: [1,6,6], step: [1,1,1]), shape: [36])
  mm = slice(m, start: [0], size: [35])
  m2 = reshape(mm, shape: [5,7])
` + strings.NewReplacer("(m,", "(m2,", "(m)", "(m2)").Replace(strings.Join(body, "\n")) + "\n  return " + strings.Join(names, ", ") + "\n}\n")
	}
	// Their types are what inference says: the first reading complains of each.
	m, err := frontend.Parse("net.dnn", text(strings.Repeat("f32[1], ", len(names)-1)+"f32[1]"), frontend.Options{})
	require.NoError(t, err)
	var types []string
	for _, o := range m.Outputs {
		types = append(types, o.Type.String())
	}
	m, err = frontend.Parse("net.dnn", text(strings.Join(types, ", ")), frontend.Options{})
	require.NoError(t, err)
	for _, n := range m.Ops { // those of neg have masks, which a text needs a file for
		if n.Op == ir.Softmax && n.Args[0].Def != nil && n.Args[0].Def.Op == ir.Neg {
			size := n.Out.Type.Shape[len(n.Out.Type.Shape)-1]
			mask := make([]int64, 2*size)
			for i := range mask[:size] {
				mask[i] = int64(i % 3) // of every other row; nothing takes part in those between
			}
			c := ir.IntConst(n.Name()+".mask", ir.Of(ir.U8), ir.Shape{len(mask)}, mask)
			if n.Out.Type.Shape.Size()%len(mask) != 0 {
				c = ir.IntConst(n.Name()+".mask", ir.Of(ir.U8), ir.Shape{size}, mask[:size])
			}
			m.Consts = append(m.Consts, c)
			n.Put(ir.AttrMask.Is(c))
		}
	}
	float = m.Clone()
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{4, 6, 6}, -2, 3, 64, 1), nil }}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	return float, m
}

// TestOperationsFollowTheFloatNetwork holds integers near the reals.
func TestOperationsFollowTheFloatNetwork(t *testing.T) {
	t.Parallel()
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	float, m := operationNet(t, tgt)
	fp, err := interp.CompileFloat(float)
	require.NoError(t, err)
	ip, err := interp.CompileInt(m)
	require.NoError(t, err)
	images := data.Synthesize([]int{4, 6, 6}, -2, 3, 64, 1) // those that calibrated: nothing saturates
	x := make([]int8, len(images.X))
	interp.Quantize(m.Inputs[0].Type.Quant, images.X, x)
	reals := make([]float32, len(x))
	interp.Dequantize(m.Inputs[0].Type.Quant, x, reals)
	fv, iv := fp.Tensors(images.N, float.Outputs...), ip.Tensors(images.N, m.Outputs...)
	fv[fp.ID(float.Inputs[0])], iv[ip.ID(m.Inputs[0])] = reals, x
	require.NoError(t, fp.Run(context.Background(), fv, images.N, 0, len(float.Ops)))
	require.NoError(t, ip.Run(context.Background(), iv, images.N, 0, len(m.Ops)))
	for i, o := range operations {
		typ := m.Outputs[i].Type
		want, got := fv[fp.ID(float.Outputs[i])], iv[ip.ID(m.Outputs[i])]
		y, step, worst := make([]float32, len(want)), typ.Quant.Scale, 0.
		if typ.IsWide() { // features, held to what steps of 8 bits would be
			step *= 256
		}
		interp.Reals(typ, got, y)
		for k := range y {
			worst = max(worst, math.Abs(float64(y[k]-want[k]))/step)
		}
		assert.LessOrEqual(t, worst, o.steps, o.expr)
	}
}

// TestOperationsEqualInterpreter runs them in the evaluator and as objects.
func TestOperationsEqualInterpreter(t *testing.T) {
	t.Parallel()
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	_, m := operationNet(t, tgt)
	in, out := cases(t, m, 4)
	for i, got := range evaluated(t, m, in) {
		rest := out[i]
		require.Len(t, got, len(rest))
		for k, o := range operations {
			size := m.Outputs[k].Type.Slots()
			require.Equal(t, rest[:size], got[:size], "%s, input %d", o.expr, i)
			rest, got = rest[size:], got[size:]
		}
	}
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	targets := []string{"x86_64", "armv7em"}
	if !testing.Short() {
		targets = append(targets, "armv7", "armv6m", "riscv32")
	}
	for _, name := range targets {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			if err := emu.Check(tgt); err != nil {
				t.Skip(err)
			}
			_, m := operationNet(t, tgt)
			runAll(t, m, tgt, tools)
		})
	}
}

// runAll compiles a network of any number of results and compares what its object answers.
func runAll(t *testing.T, m *ir.Module, tgt *processor.Target, tools llvm.Tools) {
	t.Helper()
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	text, err := llvm.Print(p, tgt)
	require.NoError(t, err)
	object, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
	require.NoError(t, err)
	runAt(t, m, tgt, tools, object, false)
}

// runAt links an object and compares what it answers, with inputs and results at odd addresses, or at multiples of 8.
func runAt(t *testing.T, m *ir.Module, tgt *processor.Target, tools llvm.Tools, object []byte, aligned bool) {
	t.Helper()
	j := emu.Job{Aligned: aligned, Prefix: "net", Inputs: []int{m.Inputs[0].Type.Slots()}, Arena: m.Arena.Bytes, Align: m.Arena.Align, Steps: len(m.Ops)}
	for _, o := range m.Outputs {
		j.Outputs = append(j.Outputs, o.Type.Slots())
	}
	text, err := emu.Driver(j, tgt)
	require.NoError(t, err)
	driver, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
	require.NoError(t, err)
	prog, err := emu.Link(context.Background(), t.TempDir(), j, tgt, driver, object)
	require.NoError(t, err)
	in, want := cases(t, m, 6)
	got, err := prog.Run(context.Background(), in)
	require.NoError(t, err)
	for i := range in {
		require.Zero(t, got.Status[i])
		require.Equal(t, want[i], got.Outputs[i])
	}
}

// TestAlignedPools: pools of words of four channels, and what serves arguments at other addresses.
func TestAlignedPools(t *testing.T) {
	t.Parallel()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	var body, names, types []string
	for i, pool := range []struct{ expr, shape string }{
		{"maxpool2d(a, kernel: 2)", "12,4,3"}, {"maxpool2d(a, kernel: 3, stride: 2, pad: 1)", "12,5,4"}, {"relu(maxpool2d(b, kernel: [3,2], stride: 1))", "12,7,6"},
		{"avgpool2d(a, kernel: 2)", "12,4,3"}, {"avgpool2d(a, kernel: 3, stride: 2, pad: [1,0,1,1])", "12,5,3"}, {"globalavgpool(b)", "12,1,1"}, {"avgpool2d(a, kernel: [4,1], stride: 1)", "12,6,7"},
	} {
		names = append(names, fmt.Sprintf("y%d", i))
		body = append(body, fmt.Sprintf("  y%d = %s", i, pool.expr))
		types = append(types, "f32["+pool.shape+"]")
	}
	text := "network net(a: f32[12,9,7] in [-2,3]) -> " + strings.Join(types, ", ") + " {\n  b = tanh(a)\n" + strings.Join(body, "\n") + "\n  return " + strings.Join(names, ", ") + "\n}\n"
	for _, name := range []string{"riscv32", "riscv64"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if err := emu.Check(tgt); err != nil {
			t.Skip(err)
		}
		m, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err)
		env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
			Calibration: func() (data.Batch, error) { return data.Synthesize([]int{12, 9, 7}, -2, 3, 64, 1), nil }}
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		text, err := llvm.Print(p, tgt)
		require.NoError(t, err)
		topBits := uint32(0x80808080) // which words need
		require.True(t, strings.Contains(text, fmt.Sprint(int32(topBits))))
		require.False(t, strings.Contains(c.Print(p), fmt.Sprint(topBits)), "C has what serves any address alone")
		object, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
		require.NoError(t, err)
		for _, aligned := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", aligned), func(t *testing.T) { runAt(t, m, tgt, tools, object, aligned) })
		}
	}
}

// TestRoundings has every requantization, that of layers included, round in other ways than
// half up.
func TestRoundings(t *testing.T) {
	t.Parallel()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	words := []string{ir.RoundTFLite, ir.RoundEven, ir.RoundTwice}
	for i, name := range []string{"x86_64", "armv7em", "armv7", "aarch64+dotprod", "armv8.1m", "armv6m", "riscv32"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if err := emu.Check(tgt); err != nil {
			t.Skip(err)
		}
		_, ops := operationNet(t, tgt)
		for _, m := range []*ir.Module{ops, compiled(t, tgt, "i8")} {
			for k, n := range m.Ops {
				if n.Op.Takes(ir.AttrRound) && n.Has(ir.AttrMul) {
					n.Put(ir.AttrRound.Is(words[(i+k)%len(words)]))
				}
			}
			in, out := cases(t, m, 3)
			require.Equal(t, out, evaluated(t, m, in))
			runAll(t, m, tgt, tools)
		}
	}
}

// TestRowsOfIntegersEqualInterpreter: log softmaxes of integers and L2 norms that round twice, which only models that have
// them keep, on every architecture; rows of one element, of few and of many.
func TestRowsOfIntegersEqualInterpreter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x86_64", "armv7em", "armv7", "armv6m", "aarch64+dotprod", "armv8.1m", "riscv32", "riscv64+v"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			m := rowsOfIntegers(t)
			env := &pass.Env{Target: tgt, Level: pass.Int8, Seed: 1}
			require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StartAfter: passes.Quantized}))
			in, out := cases(t, m, 4)
			conformEvaluator(t, m, in, out)
			conformObject(t, m, tgt, in, out)
			if name == "armv6m" || name == "riscv32" {
				equalCounts(t, m, tgt)
			}
		})
	}
}

// rowsOfIntegers is a network of integers with log softmaxes and L2 norms of several rows.
func rowsOfIntegers(t *testing.T) *ir.Module {
	t.Helper()
	typ := func(scale float64, zero int, shape ...int) ir.Type {
		return ir.Type{Elem: ir.Of(ir.I8), Shape: shape, Quant: ir.Quant{Scale: scale, Zero: zero}}
	}
	x := &ir.Value{Name: "x", Type: typ(.11, 5, 130)}
	m := &ir.Module{Name: "net", Inputs: []*ir.Value{x}}
	ints := func(name string, x []int64) *ir.Const {
		c := ir.IntConst(name, ir.Of(ir.I32), ir.Shape{len(x)}, x)
		m.Consts = append(m.Consts, c)
		return c
	}
	for i, shape := range []ir.Shape{{130}, {10, 13}, {65, 2}, {130, 1}} {
		r := &ir.Node{Op: ir.Reshape, Args: []*ir.Value{x}}
		r.Put(ir.AttrShape.Is([]int(shape)))
		r.Out = &ir.Value{Name: fmt.Sprint("x", i), Def: r, Type: typ(.11, 5, shape...)}
		n := &ir.Node{Op: ir.LogSoftmax, Args: []*ir.Value{r.Out}}
		n.Out = &ir.Value{Name: fmt.Sprint("y", i), Def: n, Type: typ(1./16, 127, shape...)}
		p, err := geometry.NewLogSoftmax(.11, 1./16, 127)
		require.NoError(t, err)
		var table []int64
		for _, e := range kernels.LogSoftmaxTable(.11) {
			table = append(table, int64(e))
		}
		mul, shift := p.Factors()
		n.Put(ir.AttrAxis.Is(len(shape)-1), ir.AttrTable.Is(ints(fmt.Sprint("table", i), table)),
			ir.AttrMul.Is(ints(fmt.Sprint("mul", i), mul)), ir.AttrShift.Is(ints(fmt.Sprint("shift", i), shift)))
		l := &ir.Node{Op: ir.L2Norm, Args: []*ir.Value{r.Out}}
		l.Out = &ir.Value{Name: fmt.Sprint("z", i), Def: l, Type: typ(1./128, 0, shape...)}
		l.Put(ir.AttrAxis.Is(len(shape)-1), ir.AttrRound.Is(ir.RoundTFLite))
		m.Ops = append(m.Ops, r, n, l)
		m.Outputs = append(m.Outputs, n.Out, l.Out)
		m.Results = append(m.Results, n.Out.Type, l.Out.Type)
	}
	return m
}

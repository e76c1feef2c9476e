package network_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
)

// source has what kernels find hard: padding with a value, strides, groups,
// dilation, branches, channels that divide by nothing.
const source = `tensors "net.safetensors"
network net(image: f32[3,9,7] in [0,1]) -> f32[11], f32[26,5,3] {
  norm = normalize(image, mean: [0.4,0.5,0.6], std: 0.2)
  c1 = conv2d(norm, filters: 13, kernel: 3, pad: 1)
  r1 = relu(c1)
  dw = conv2d(r1, filters: 13, kernel: 3, pad: 1, groups: 13)
  sum = relu6(add(r1, dw))
  p1 = avgpool2d(sum, kernel: 3, stride: 2, pad: [1,0,1,1])
  c2 = conv2d(p1, filters: 13, kernel: [2,1], dilation: [2,1], pad: [1,0,1,0], act: relu)
  cat = concat(p1, c2)
  mp = maxpool2d(cat, kernel: 2, stride: 1, pad: [1,0,0,1])
  flat = flatten(mp)
  fc = linear(flat, weight: fc.weight)
  soft = softmax(fc)
  return soft, mp
}
`

// compiled compiles the source, with random weights, to a planned module.
func compiled(t *testing.T, tgt *processor.Target, format string) *ir.Module {
	rng := rand.New(rand.NewSource(int64(len(format))))
	dir := t.TempDir()
	var tensors []weights.Tensor
	for _, w := range []struct {
		name  string
		shape ir.Shape
	}{
		{"c1.weight", ir.Shape{13, 3, 3, 3}}, {"c1.bias", ir.Shape{13}}, {"dw.weight", ir.Shape{13, 1, 3, 3}},
		{"c2.weight", ir.Shape{13, 13, 2, 1}}, {"fc.weight", ir.Shape{11, 26 * 5 * 3}},
	} {
		x := make([]float32, w.shape.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 4)
		}
		raw, err := ir.FloatConst(w.name, w.shape, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: w.name, DType: weights.F32, Shape: w.shape, Data: raw})
	}
	var file bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.safetensors"), file.Bytes(), 0o644))
	text := bytes.Replace([]byte(source), []byte("  norm ="), []byte("  const fc.weight: f32[11,390]\n  norm ="), 1)
	m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), text, frontend.Options{})
	require.NoError(t, err)
	env := &pass.Env{Target: tgt, Level: pass.Universal, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{3, 9, 7}, 0, 1, 32, 1), nil }}
	e, ok := ir.ParseElem(format)
	require.True(t, ok)
	switch e.Kind {
	case ir.I8:
		env.Level = pass.Int8
	case ir.Odd:
		env.Budget.Bits = float64(e.Bits)
	case ir.Two: // which importers make: the codes of odd ones
		env.Budget.Bits = float64(e.Bits)
	default:
		env.Budget.Bits = 3
		env.Fix = map[string]ir.Elem{"c1": e, "c2": e, "fc": e}
	}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Quantized}))
	for _, n := range m.Ops {
		if e.Kind == ir.Two && n.Op.HasWeights() && n.Const(ir.AttrWeight).Type.Elem == ir.OddOf(int(e.Bits)) {
			n.Const(ir.AttrWeight).Type.Elem.Kind = ir.Two
		}
	}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	return m
}

// formats are i8, the odd codes, codebooks and vector codes: with groups that
// fill up, of a whole plane and of several.
func formats() []string {
	all := []string{"i8"}
	for b := 1; b <= 8; b++ {
		all = append(all, ir.OddOf(b).String())
	}
	for b := 2; b < 8; b++ {
		all = append(all, ir.TwoOf(b).String())
	}
	return append(all, "code3", "code8", "vec4x16", "vec4x8", "vec6x8", "vec8x4", "vec3x5")
}

// cases are inputs in logical order with what the interpreter answers, both
// then put into the order of memory.
func cases(t *testing.T, m *ir.Module, n int) (in, out [][]byte) {
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	rng := rand.New(rand.NewSource(5))
	for i := range n {
		x := make([]int8, m.Inputs[0].Type.Slots())
		for j := range x {
			x[j] = int8(rng.Intn(256) - 128)
			if i == 1 || i == 2 { // after a random one, the least and the greatest
				x[j] = []int8{-128, 127}[i-1]
				if m.Inputs[0].Type.IsWide() && j%2 == 0 { // the low bytes
					x[j] = []int8{0, -1}[i-1]
				}
			}
		}
		values := prog.Tensors(1, m.Outputs...)
		values[prog.ID(m.Inputs[0])] = x
		require.NoError(t, prog.Run(context.Background(), values, 1, 0, len(m.Ops)))
		in = append(in, physical(m.Inputs[0].Type, x))
		var all []byte
		for _, o := range m.Outputs {
			all = append(all, physical(o.Type, values[prog.ID(o)])...)
		}
		out = append(out, all)
	}
	return in, out
}

func physical(t ir.Type, x []int8) (b []byte) {
	slots := len(x) / t.Shape.Size() // of an element
	for _, logical := range geometry.Order(t.Shape) {
		for _, e := range x[logical*slots : (logical+1)*slots] {
			b = append(b, byte(e))
		}
	}
	return b
}

// TestEvaluatorEqualsInterpreter runs every width through the loop language, on
// targets of each kind of product.
func TestEvaluatorEqualsInterpreter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"armv7", "armv7em"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evaluate(t, tgt)
		})
	}
}

func evaluate(t *testing.T, tgt *processor.Target) {
	for _, format := range formats() {
		m := compiled(t, tgt, format)
		in, out := cases(t, m, 3)
		require.Equal(t, out, evaluated(t, m, in), format)
	}
}

// driver is a program that feeds records of standard input to a network of one input, and looks at what
// lies before and after the arena.
func driver(m *ir.Module) string {
	var params, buffers, arguments, writes strings.Builder
	for i, o := range m.Outputs {
		fmt.Fprintf(&params, ", void *")
		fmt.Fprintf(&buffers, "static int16_t y%d[%d];\n", i, (o.Type.Slots()+1)/2)
		fmt.Fprintf(&arguments, ", y%d", i)
		fmt.Fprintf(&writes, "    fwrite(y%d, %d, 1, stdout);\n", i, o.Type.Slots())
	}
	return fmt.Sprintf(`#include <stdint.h>
#include <stdio.h>
#include <string.h>
int net_run(const int8_t *%s, void *);
static int8_t in[%d + 1];
%sstatic uint64_t space[%d / 8 + 3];
int main(void) {
  uint8_t *arena = (uint8_t *)(space + 1);
  while (fread(in + 1, sizeof in - 1, 1, stdin) == 1) {
    memset(space, 0x5a, sizeof space);
    if (net_run(in + 1%s, arena)) return 1;
    for (unsigned i = 0; i < 8; i++) if (((uint8_t *)space)[i] != 0x5a || arena[%d + i] != 0x5a) return 2;
%s  }
  return 0;
}
`, params.String(), m.Inputs[0].Type.Slots(), buffers.String(), m.Arena.Bytes, arguments.String(), m.Arena.Bytes, writes.String())
}

// execute links the network with the driver and compares what it answers.
func execute(t *testing.T, m *ir.Module, emulator []string, dir string, cc ...string) {
	t.Helper()
	file := func(n string) string { return filepath.Join(dir, n) }
	require.NoError(t, os.WriteFile(file("main.c"), []byte(driver(m)), 0o644))
	out, err := exec.Command(cc[0], append(cc[1:], "-O1", "-o", file("run"), file("main.c"))...).CombinedOutput()
	require.NoError(t, err, string(out))
	in, want := cases(t, m, 6)
	cmd := exec.Command(file("run"))
	if len(emulator) > 0 {
		cmd = exec.Command(emulator[0], append(emulator[1:], file("run"))...)
	}
	cmd.Stdin = bytes.NewReader(bytes.Join(in, nil))
	got, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, bytes.Join(want, nil), got)
}

// strict is the warnings under which the C text must compile, with none.
var strict = []string{"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"}

// TestCEqualsInterpreter compiles the C text of formats for 64 and 32 bits, with every
// warning and with checks for undefined behaviour, and runs it: some formats with a compiler
// each, and all of them with all compilers with DNNC_FULL.
func TestCEqualsInterpreter(t *testing.T) {
	t.Parallel()
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	compilers := []struct {
		name     string
		cc       []string
		emulator []string
	}{
		{"gcc", []string{"gcc", "-fsanitize=undefined", "-fno-sanitize-recover=all"}, nil},
		{"arm", []string{"arm-linux-gnueabihf-gcc", "-static"}, emu.Command(tgt)},
		{"clang", []string{"clang-19"}, nil},
		{"clang-arm", []string{"clang-19", "--target=arm-linux-gnueabihf", "-static"}, emu.Command(tgt)},
	}
	dsp, err := processor.Find("armv7em")
	require.NoError(t, err)
	list := []string{"i8", "odd1", "odd3", "odd4", "odd6", "code3", "vec4x8", "vec3x5"}
	if os.Getenv("DNNC_FULL") != "" {
		list = formats()
	}
	for i, format := range list {
		m := compiled(t, []*processor.Target{tgt, dsp}[i%2], format)
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		text := c.Print(p)
		for k, cc := range compilers {
			if os.Getenv("DNNC_FULL") == "" && k != i/2%len(compilers) {
				continue // each compiler has formats of both targets
			}
			t.Run(cc.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				for _, tool := range append([]string{cc.cc[0]}, cc.emulator...) {
					if _, err := exec.LookPath(tool); err != nil && tool[0] != '-' && !strings.HasPrefix(tool, "cortex-") {
						t.Skip(err)
					}
				}
				inC(t, m, text, cc.cc, cc.emulator)
			})
		}
	}
}

// inC compiles a network's C text with every warning, and runs it.
func inC(t *testing.T, m *ir.Module, text string, cc, emulator []string) {
	t.Helper()
	dir := t.TempDir()
	source, object := filepath.Join(dir, "net.c"), filepath.Join(dir, "net.o")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o644))
	args := append(append(append([]string{}, cc[1:]...), strict...), "-O1", "-c", "-o", object, source)
	out, err := exec.Command(cc[0], args...).CombinedOutput()
	require.NoError(t, err, string(out))
	execute(t, m, emulator, dir, append(append([]string{}, cc...), object)...)
}

// TestGathersEnd: LLVM 19 made an endless loop of gathers of the mean of two channels of
// 3x4 pixels on Helium.
func TestGathersEnd(t *testing.T) {
	tgt, err := processor.Find("armv8.1m")
	require.NoError(t, err)
	for _, s := range []ir.Shape{{2, 3, 4}, {2, 4, 4}, {2, 3, 8}, {4, 3, 4}, {3, 3, 4}} {
		text := fmt.Sprintf("network net(x: f32[%d,%d,%d] in [-1,1]) -> f32[%d,1,1] {\n  y = globalavgpool(x)\n  return y\n}\n", s[0], s[1], s[2], s[0])
		m, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
		require.NoError(t, err)
		env := &pass.Env{Target: tgt, Level: pass.Int8, Seed: 1,
			Calibration: func() (data.Batch, error) { return data.Synthesize(s, -1, 1, 8, 1), nil }}
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
		in, out := cases(t, m, 3)
		conformObject(t, m, tgt, in, out)
	}
}

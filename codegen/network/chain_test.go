package network_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// picture is a random network of what chains serve: windows of any kind and adds, first of
// large images.
func picture(t *testing.T, rng *rand.Rand) (text string, shape ir.Shape, tensors []weights.Tensor) {
	shape = ir.Shape{1 + rng.IntN(4), 12 + rng.IntN(14), 5 + rng.IntN(9)}
	c, h, w := shape[0], shape[1], shape[2]
	var b strings.Builder
	name, last := "image", 0
	pick := func(list ...int) int { return list[rng.IntN(len(list))] }
	layer := func(format string, args ...any) {
		last++
		next := fmt.Sprintf("v%d", last)
		fmt.Fprintf(&b, "  %s = %s\n", next, fmt.Sprintf(strings.ReplaceAll(format, "$", name), args...))
		name = next
	}
	weight := func(s ir.Shape) {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 2)
		}
		raw, err := ir.FloatConst("", s, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: fmt.Sprintf("v%d.weight", last), DType: weights.F32, Shape: s, Data: raw})
	}
	if rng.IntN(2) == 0 { // padding becomes the mean, one a channel
		layer("normalize($, mean: 0.4, std: 0.3)")
	}
	for range 3 + rng.IntN(5) {
		kh, kw, sh, sw := pick(1, 2, 3, 3, 5), pick(1, 3), pick(1, 1, 2, 3), pick(1, 1, 2)
		dil := 1
		if kh == 3 && rng.IntN(4) == 0 {
			dil = 2
		}
		pt, pl, pb, pr := rng.IntN(kh), rng.IntN(kw), rng.IntN(kh), rng.IntN(kw)
		oh, ow := (h+pt+pb-(kh-1)*dil-1)/sh+1, (w+pl+pr-kw)/sw+1
		if h+pt+pb < (kh-1)*dil+1 || oh < 2 || ow < 1 {
			continue
		}
		window := fmt.Sprintf("kernel: [%d,%d], stride: [%d,%d], pad: [%d,%d,%d,%d], dilation: [%d,1]", kh, kw, sh, sw, pt, pl, pb, pr, dil)
		before, isSame := name, oh == h && ow == w
		switch rng.IntN(7) {
		case 0, 1, 2:
			out := pick(c, 2, 4, 7, 8)
			layer("conv2d($, filters: %d, %s, act: relu)", out, window)
			weight(ir.Shape{out, c, kh, kw})
			isSame = isSame && out == c
			c = out
		case 3, 4:
			layer("conv2d($, filters: %d, %s, groups: %d)", c, window, c)
			weight(ir.Shape{c, 1, kh, kw})
		case 5:
			layer("maxpool2d($, %s)", window)
		case 6:
			layer("avgpool2d($, %s)", window)
		}
		h, w = oh, ow
		if isSame && rng.IntN(2) == 0 {
			layer("add(%s, $)", before)
		}
	}
	fmt.Fprintf(&b, "  return %s\n}\n", name)
	head := fmt.Sprintf("tensors \"net.safetensors\"\nnetwork net(image: f32%s in [0,1]) -> f32%s {\n", shape, ir.Shape{c, h, w})
	return head + b.String(), shape, tensors
}

// planned compiles a network in a bound on its arena; 0 is none.
func planned(t *testing.T, text string, shape ir.Shape, tensors []weights.Tensor, tgt *processor.Target, format ir.Elem, ram int) (*ir.Module, error) {
	return through(t, text, shape, tensors, format, &pass.Env{Target: tgt, Budget: pass.Budget{RAM: ram}})
}

// plannedFor is planned for a number of threads.
func plannedFor(t *testing.T, text string, shape ir.Shape, tensors []weights.Tensor, tgt *processor.Target, format ir.Elem, ram, threads int) (*ir.Module, error) {
	return through(t, text, shape, tensors, format, &pass.Env{Target: tgt, Budget: pass.Budget{RAM: ram}, Threads: threads})
}

// plannedByRows is planned where the caller gives the input by rows.
func plannedByRows(t *testing.T, text string, shape ir.Shape, tensors []weights.Tensor, tgt *processor.Target, format ir.Elem, ram int) (*ir.Module, error) {
	return through(t, text, shape, tensors, format, &pass.Env{Target: tgt, Budget: pass.Budget{RAM: ram}, Rows: true})
}

// through is a network in a format, through the passes, for the target and the budget of an environment.
func through(t *testing.T, text string, shape ir.Shape, tensors []weights.Tensor, format ir.Elem, env *pass.Env) (*ir.Module, error) {
	var file bytes.Buffer
	dir := t.TempDir()
	require.NoError(t, weights.WriteSafetensors(&file, tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.safetensors"), file.Bytes(), 0o644))
	m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte(text), frontend.Options{})
	require.NoError(t, err, text)
	env.Level, env.Rounding, env.Seed = pass.Int8, "nearest", 1
	env.Calibration = func() (data.Batch, error) { return data.Synthesize(shape, 0, 1, 8, 1), nil }
	if format.Kind == ir.Odd {
		env.Level, env.Budget.Bits = pass.Universal, float64(format.Bits)
	}
	return m, passes.Table.Run(context.Background(), m, env, pass.Options{})
}

// least is the fewest bytes of an arena that planned finds.
func least(t *testing.T, text string, shape ir.Shape, tensors []weights.Tensor, tgt *processor.Target, format ir.Elem) int {
	m, _ := planned(t, text, shape, tensors, tgt, format, 1) // the pass plans before it refuses
	return m.Arena.Bytes
}

// TestChains: random networks in little memory run in stripes, and their integers are those of
// the interpreter, in its arena mode and in the loop program.
func TestChains(t *testing.T) {
	t.Parallel()
	n := 12
	if os.Getenv("DNNC_FULL") != "" {
		n = 40
	}
	chains := 0
	for _, name := range []string{"armv7em", "armv7", "armv8.1m", "riscv32"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		rng, isBuilt := rand.New(rand.NewPCG(3, uint64(len(name)))), false
		for i := range n {
			text, shape, tensors := picture(t, rng)
			if len(tensors) == 0 {
				continue
			}
			format := []ir.Elem{ir.Of(ir.I8), ir.OddOf(4), ir.OddOf(1)}[i%3]
			free, err := planned(t, text, shape, tensors, tgt, format, 0)
			require.NoError(t, err)
			bound := least(t, text, shape, tensors, tgt, format)
			require.LessOrEqual(t, bound, free.Arena.Bytes)
			for k := range 3 {
				ram := bound + (free.Arena.Bytes-bound)*k/3
				if ram == 0 {
					continue
				}
				m, err := planned(t, text, shape, tensors, tgt, format, ram)
				require.NoError(t, err, "%s in %d bytes, of %d to %d\n%s", name, ram, bound, free.Arena.Bytes, text)
				chains += len(m.Chains())
				in, out := cases(t, m, 3)
				if len(m.Chains()) > 0 && !isBuilt {
					isBuilt = true
					conformObject(t, m, tgt, in, out)
				}
				require.Equal(t, out, inArena(t, m, in), "%s\n%s", name, m)
				if !assert.Equal(t, out, evaluated(t, m, in), "%s\n%s", name, m) {
					return
				}
			}
		}
	}
	assert.Greater(t, chains, n)
	t.Log(chains, "chains")
}

// inArena runs a module in the interpreter's arena mode.
func inArena(t *testing.T, m *ir.Module, in [][]byte) (out [][]byte) {
	a, err := interp.NewArena(m)
	require.NoError(t, err)
	for _, x := range in {
		arena := make([]int8, m.Arena.Bytes)
		for i := range arena {
			arena[i] = int8(i * 37)
		}
		s := m.Inputs[0].Type.Shape
		logical := make([]int8, len(x))
		for i, at := range geometry.Order(s) {
			logical[at] = int8(x[i])
		}
		y, err := a.Run([][]int8{logical}, arena, nil)
		require.NoError(t, err)
		out = append(out, physical(m.Outputs[0].Type, y))
	}
	return out
}

// striped is a network with a chain in which every attribute of chains occurs.
func striped(t *testing.T) *ir.Module {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	text, shape, tensors := stripedNetwork(t)
	bound := least(t, text, shape, tensors, tgt, ir.Of(ir.I8))
	m, err := planned(t, text, shape, tensors, tgt, ir.Of(ir.I8), bound)
	require.NoError(t, err)
	require.Equal(t, []ir.Chain{{From: 0, To: 3, Rows: 1}}, m.Chains())
	return m
}

func stripedNetwork(t *testing.T) (text string, shape ir.Shape, tensors []weights.Tensor) {
	text = `tensors "net.safetensors"
network net(image: f32[3,16,16] in [0,1]) -> f32[4,8,8] {
  v1 = conv2d(image, filters: 8, kernel: 3, pad: 1, act: relu)
  v2 = conv2d(v1, filters: 8, kernel: 3, pad: 1, groups: 8)
  v3 = add(v1, v2)
  v4 = conv2d(v3, filters: 4, kernel: 3, stride: 2, pad: [0,0,1,1])
  return v4
}
`
	rng := rand.New(rand.NewPCG(1, 1))
	for name, s := range map[string]ir.Shape{"v1": {8, 3, 3, 3}, "v2": {8, 1, 3, 3}, "v4": {4, 8, 3, 3}} {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		raw, err := ir.FloatConst("", s, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name + ".weight", DType: weights.F32, Shape: s, Data: raw})
	}
	return text, ir.Shape{3, 16, 16}, tensors
}

// misread is a change of a dump's text, and what is said of it.
type misread struct{ old, new, want string }

// assertRead asserts that a dump of m gives m again, and that each change of its text is refused, by the
// verifier or where the schedule is restored.
func assertRead(t *testing.T, m *ir.Module, changes []misread) {
	t.Helper()
	d, err := frontend.NewDump(m)
	require.NoError(t, err)
	dir := t.TempDir()
	var tensors bytes.Buffer
	require.NoError(t, d.WriteTensors(&tensors))
	require.NoError(t, os.WriteFile(filepath.Join(dir, d.TensorsName), tensors.Bytes(), 0o644))
	parse := func(text string) (*ir.Module, error) {
		m, err := frontend.Parse(filepath.Join(dir, "net.dnn"), []byte(text), frontend.Options{})
		if err != nil {
			return nil, err
		}
		if err := ir.Verify(m).Err(); err != nil {
			return nil, err
		}
		_, err = network.Write(m, network.Interface{Prefix: "net"})
		return m, err
	}
	text := string(d.Text)
	again, err := parse(text)
	require.NoError(t, err)
	anew, err := frontend.NewDump(again)
	require.NoError(t, err)
	require.Equal(t, text, string(anew.Text))
	for _, c := range changes {
		require.Contains(t, text, c.old)
		_, err := parse(strings.Replace(text, c.old, c.new, 1))
		assert.ErrorContains(t, err, c.want, "%s becomes %s in\n%s", c.old, c.new, text)
	}
}

// TestChainsAreRead: the attributes of a chain are what restores its schedule; other ones are
// refused, by the verifier or where the schedule is restored, with the node's position.
func TestChainsAreRead(t *testing.T) {
	m := striped(t)
	assertRead(t, m, []misread{
		{"chain: [4,1]", "chain: [5,1]", "V11"},
		{"chain: [4,1]", "chain: [3,1]", "V11"},
		{"chain: [4,1]", "chain: [1,1]", "V11"},
		{"chain: [4,1]", "chain: [4,2]", "buffer"},
		{"chain: [4,1]", "chain: [4,8]", "no chain with stripes of 8 rows"},
		{"chain: [4,1]", "chain: [4,0]", "chain"},
		{", chain: [4,1]", "", "V11"},
		{"buffer: ", "buffer: 1", "V10"},
		{", buffer: 3", "", "V10"},
		{"groups: 8,", "groups: 8, chain: [2,1],", "within another"},
	})
	for _, n := range m.Ops { // as a pass with a mistake would leave them
		for _, key := range []ir.Key[[]int]{ir.AttrKept, ir.AttrLoad} {
			if !n.Has(key) {
				continue
			}
			old := n.Ints(key)
			n.Put(key.Is([]int{old[0], old[1] + 1}))
			_, err := stripes.Units(m)
			assert.ErrorContains(t, err, "where the chain takes", n.Name())
			n.Put(key.Is(old))
		}
	}
}

// stepper runs a network of one input and one result, stripe by stripe, on records of standard
// input.
const stepper = `#include <stdint.h>
#include <stdio.h>
int net_run_begin(void *);
int net_run_step(const int8_t *, int8_t *, void *);
static int8_t in[%d], out[%d];
static uint64_t arena[%d / 8 + 8];
int main(void) {
  while (fread(in, sizeof in, 1, stdin) == 1) {
    int left, calls = 0;
    net_run_begin(arena);
    do { left = net_run_step(in, out, arena); calls++; } while (left > 0);
    if (left || calls != %d) return 1;
    fwrite(out, sizeof out, 1, stdout);
  }
  return 0;
}
`

// TestChainsInC: the C text of a chain compiles with every warning, run_step counts its
// stripes, and the integers are the interpreter's.
func TestChainsInC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	m := striped(t)
	units, err := stripes.Units(m)
	require.NoError(t, err)
	require.Len(t, units, 1)
	assert.Equal(t, "v1..v4", units[0].Name())
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	assert.Len(t, network.Steps(p), 1, "a chain is one row")
	in, want := cases(t, m, 6)
	got := runInC(t, p, fmt.Sprintf(stepper, m.Inputs[0].Type.Shape.Size(), m.Outputs[0].Type.Shape.Size(), network.StepState(m)+network.StepStateBytes, units[0].Steps), in)
	require.Equal(t, bytes.Join(want, nil), got)
}

// TestManySteps: where a network has more steps than one function tells apart, LLVM's time for which grows
// with their square, run_step still goes through all of them.
func TestManySteps(t *testing.T) {
	t.Parallel()
	const steps, most = 1100, 512
	b := build.Chain{Builder: build.New("net")}
	x := b.Input("x", ir.Shape{4}, ir.Range{Lo: -1, Hi: 1})
	for range steps {
		x = b.Add(ir.Tanh, "y", []*ir.Value{x})
	}
	require.NoError(t, b.Err)
	m := b.Finish([]*ir.Value{x})
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize(ir.Shape{4}, -1, 1, 8, 1), nil }}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	require.Len(t, m.Ops, steps)
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	for _, f := range p.Funcs[:len(p.Funcs)-1] { // run is the last one
		calls := 0
		loop.EachCall(f.Body, func(*loop.Call) { calls++ })
		assert.LessOrEqual(t, calls, most, f.Name)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	in, want := cases(t, m, 3)
	require.Equal(t, bytes.Join(want, nil), runInC(t, p, fmt.Sprintf(stepper, 4, 4, network.StepState(m)+network.StepStateBytes, steps), in))
}

// runInC compiles the C of a program, with every warning, and a main function under sanitizers, and
// runs them on inputs: what it writes.
func runInC(t *testing.T, p *loop.Program, main string, in [][]byte) []byte {
	return runInCUnder(t, "undefined,address", p, main, in)
}

// runInCUnder is runInC under some sanitizers.
func runInCUnder(t *testing.T, sanitizers string, p *loop.Program, main string, in [][]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	file := func(n string) string { return filepath.Join(dir, n) }
	require.NoError(t, os.WriteFile(file("net.c"), []byte(c.Print(p)), 0o644))
	require.NoError(t, os.WriteFile(file("main.c"), []byte(main), 0o644))
	compile := func(args ...string) {
		out, err := exec.Command("gcc", append([]string{"-pthread", "-fsanitize=" + sanitizers, "-fno-sanitize-recover=all", "-O1"}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	compile(append(strict, "-c", "-o", file("net.o"), file("net.c"))...)
	compile("-o", file("run"), file("main.c"), file("net.o"))
	cmd := exec.Command(file("run"))
	cmd.Stdin = bytes.NewReader(bytes.Join(in, nil))
	got, err := cmd.Output()
	require.NoError(t, err)
	return got
}

package network_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/examples"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
)

// samples are the networks of the samples of all operations.
func samples(t *testing.T) (list []*ir.Module) {
	t.Helper()
	for op := range ir.NumOps {
		path, text, err := examples.Sample(op.Info().Sample, t.TempDir())
		require.NoError(t, err)
		m, err := frontend.Parse(path, text, frontend.Options{})
		require.NoError(t, err)
		m.Results = []ir.Type{m.Outputs[0].Type}
		list = append(list, m)
	}
	return list
}

// redrawn is a sample with other scales: ranges of inputs and constants of layers by factors
// of 1e-30 to 1e30, or of 1e-3 to 1e3; some channels of weights nearly or wholly dead, some
// biases up to 1e12 times their weights.
func redrawn(t *testing.T, sample *ir.Module, rng *rand.Rand) *ir.Module {
	t.Helper()
	log := func(decades float64) float64 { return math.Pow(10, decades*(2*rng.Float64()-1)) }
	decades := []float64{3, 12, 30}[rng.IntN(3)]
	m := sample.Clone()
	for _, v := range m.Inputs {
		width := log(decades)
		lo := -width * []float64{0, .4, 1, rng.Float64()}[rng.IntN(4)]
		v.Range = &ir.Range{Lo: float64(float32(lo)), Hi: float64(float32(lo + width))}
	}
	for _, n := range m.Ops {
		for i, a := range n.Attrs {
			k, ok := a.Value.(*ir.Const)
			if !ok || k.Type.Elem.Kind != ir.F32 || a.Key == ir.AttrKey(ir.AttrVariance) {
				continue
			}
			x, err := k.Float32()
			require.NoError(t, err)
			x = slices.Clone(x)
			scale := log(decades / 2)
			rows := k.Type.Shape[0]
			if a.Key == ir.AttrKey(ir.AttrBias) && rng.IntN(3) == 0 {
				scale *= log(12)
			}
			for r := range rows {
				own := scale
				switch rng.IntN(5) {
				case 0:
					own *= log(9)
				case 1:
					own = 0
				}
				for j := r * len(x) / rows; j < (r+1)*len(x)/rows; j++ {
					x[j] = float32(min(max(float64(x[j])*own, -1e38), 1e38))
				}
			}
			c := ir.FloatConst(k.Name, k.Type.Shape, x)
			c.Pos = k.Pos
			m.Consts[slices.Index(m.Consts, k)] = c
			n.Attrs[i].Value = c
		}
	}
	return m
}

// lowered takes a network through all passes, each of which is held to what it was given
// and the integers to the reals. It is nil where no integers hold the network, which a
// diagnostic must say.
func lowered(t *testing.T, m *ir.Module, tgt *processor.Target, rng *rand.Rand, what string) *ir.Module {
	t.Helper()
	var parts []data.Batch
	for i, v := range m.Inputs {
		parts = append(parts, data.Synthesize(v.Type.Shape, float32(v.Range.Lo), float32(v.Range.Hi), 8, rng.Uint64()+uint64(i)))
	}
	x := data.Join(parts...)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1,
		Calibration: func() (data.Batch, error) { return x, nil }}
	var v *validate.Validator // from the last reals on: how float32 rounds at these scales is no subject
	err := passes.Table.Run(context.Background(), m, env, pass.Options{Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
		if p.Name == passes.Robust {
			v = validate.New(m, 1)
		}
		if v == nil {
			return nil
		}
		return v.Observe(context.Background(), p, m)
	}})
	if err == nil {
		return m
	}
	var fault *diag.Diagnostic
	if !errors.As(err, &fault) || fault.Help == "" || !fault.Pos.IsValid() {
		assert.Fail(t, "neither integers nor a diagnostic with a position and a way out", "%s: %v", what, err)
	}
	return nil
}

// inputsOf are the integers of four records, each input's in the order of memory, and what
// the interpreter answers: any two, the least and the greatest.
func inputsOf(t *testing.T, m *ir.Module, rng *rand.Rand) (in [][][]byte, out [][]byte) {
	t.Helper()
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	for i := range 4 {
		values := p.Tensors(1, m.Outputs...)
		var record [][]byte
		for _, v := range m.Inputs {
			x := make([]int8, v.Type.Slots())
			for j := range x {
				x[j] = int8(rng.Uint32())
				if i > 1 {
					x[j] = []int8{-128, 127}[i-2]
				}
			}
			values[p.ID(v)] = x
			if v.Type.Elem.Kind == ir.I16 {
				raw := make([]byte, len(x))
				for j, b := range x {
					raw[j] = byte(b)
				}
				record = append(record, raw)
				continue
			}
			record = append(record, physical(v.Type, x))
		}
		require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
		in = append(in, record)
		out = append(out, physical(m.Outputs[0].Type, values[p.ID(m.Outputs[0])]))
	}
	return in, out
}

// drawnCase is a network of integers with inputs and what it answers.
type drawnCase struct {
	what, prefix string
	tgt          *processor.Target
	m            *ir.Module
	p            *loop.Program
	in           [][][]byte
	out          [][]byte
}

// TestEveryOperationFollowsTheReals draws scales for the sample of every operation over what
// float32 has. The integers are within half a step of the reals and what is proven beside
// it, or the network is refused with a position and a way out; interpreter, evaluator, C
// under sanitizers and the objects of three targets have the same integers. With DNNC_FULL
// there are 100,000 draws in pieces of 2,000, named after their first draw: an interrupted
// run goes on with -run 'FollowsTheReals/^(4000|6000)$'.
func TestEveryOperationFollowsTheReals(t *testing.T) {
	pieces, draws, compiled := 1, 4*int(ir.NumOps), 12
	if os.Getenv("DNNC_FULL") != "" {
		pieces, draws, compiled = 50, 2000, 30
	}
	list := samples(t)
	refused, drawn := make([]int, len(list)), 0
	for first := 0; first < pieces*draws; first += draws {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			drawn += draws
			drawAndCompare(t, list, refused, first, draws, float64(compiled)/float64(draws))
		})
	}
	each, all := float64(drawn/len(list)), 0
	for op, n := range refused {
		// Functions that grow without bounds are refused over half of float32's scales.
		assert.LessOrEqual(t, float64(n), 2*each/3+2*math.Sqrt(each), "%s is refused too often", ir.Op(op))
		all += n
	}
	assert.LessOrEqual(t, all, drawn/4, "refused of all")
	t.Logf("refused: %v of %d each", refused, drawn/len(list))
}

// drawAndCompare compares some draws, and compiles a share of them. It counts those of each
// operation that are refused.
func drawAndCompare(t *testing.T, list []*ir.Module, refused []int, first, draws int, share float64) {
	t.Helper()
	var targets []*processor.Target
	for _, name := range []string{"armv7em", "armv7", "riscv32"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		targets = append(targets, tgt)
	}
	var some []drawnCase
	for i := first; i < first+draws; i++ {
		op, rng := ir.Op(i%len(list)), rand.New(rand.NewPCG(uint64(i), 22))
		what := fmt.Sprintf("draw %d, %s", i, op)
		tgt := targets[rng.IntN(len(targets))]
		m := lowered(t, redrawn(t, list[op], rng), tgt, rng, what)
		if m == nil {
			refused[op]++
			continue
		}
		prefix := fmt.Sprintf("net%d", i)
		p, err := network.Write(m, network.Interface{Prefix: prefix})
		require.NoError(t, err, what)
		requireCalls(t, p, what)
		in, out := inputsOf(t, m, rng)
		for k := range in {
			var memory []loop.Memory
			for _, x := range in[k] {
				memory = append(memory, slices.Clone(x))
			}
			got := make(loop.Memory, len(out[k]))
			_, err := loop.Run(p.Funcs[len(p.Funcs)-1], nil, append(memory, got, make([]byte, m.Arena.Bytes)))
			require.NoError(t, err, what)
			require.Equal(t, out[k], []byte(got), "%s: the evaluator differs from the interpreter", what)
		}
		if rng.Float64() < share {
			some = append(some, drawnCase{what, prefix, tgt, m, p, in, out})
		}
	}
	t.Logf("%d compiled", len(some))
	require.NotEmpty(t, some)
	t.Run("C", func(t *testing.T) {
		for first := 0; first < len(some); first += 50 {
			compareC(t, some[first:min(first+50, len(some))])
		}
	})
	t.Run("objects", func(t *testing.T) {
		tools, err := llvm.Find("")
		if err != nil {
			t.Skip(err)
		}
		for _, tgt := range targets {
			t.Run(tgt.Name, func(t *testing.T) {
				if err := emu.Check(tgt); err != nil {
					t.Skip(err)
				}
				for i := range some {
					if some[i].tgt == tgt {
						some[i].compareObject(t, tgt, tools)
					}
				}
			})
		}
	})
}

// requireCalls finds functions of layers that are written and never called, of which C warns.
func requireCalls(t *testing.T, p *loop.Program, what string) {
	t.Helper()
	called := map[*loop.Func]bool{}
	for _, f := range p.Funcs {
		loop.EachCall(f.Body, func(c *loop.Call) { called[c.Func] = true })
	}
	for _, f := range p.Funcs {
		require.True(t, called[f] || !f.Local, "%s: nothing calls %s", what, f.Name)
	}
}

// compareC compiles the C of some networks with sanitizers into one program, which compares
// their integers.
func compareC(t *testing.T, some []drawnCase) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	var main strings.Builder
	main.WriteString("#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n")
	var body strings.Builder
	args := []string{"-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all", "-o", filepath.Join(dir, "run")}
	array := func(x []byte) string {
		words := make([]string, len(x))
		for i, b := range x {
			words[i] = fmt.Sprint(b)
		}
		return "{" + strings.Join(words, ",") + "}"
	}
	for i, d := range some {
		file := filepath.Join(dir, fmt.Sprintf("net%d.c", i))
		require.NoError(t, os.WriteFile(file, []byte(c.Print(d.p)), 0o644))
		args = append(args, file)
		parameters := strings.Repeat("const int8_t *, ", len(d.m.Inputs))
		fmt.Fprintf(&main, "int %s_run(%sint8_t *, void *);\n", d.prefix, parameters)
		for k := range d.in {
			var call strings.Builder
			fmt.Fprintf(&body, "  {\n")
			for j, x := range d.in[k] {
				fmt.Fprintf(&body, "    static const uint8_t x%d[] = %s;\n", j, array(x))
				fmt.Fprintf(&call, "(const int8_t *)x%d, ", j)
			}
			fmt.Fprintf(&body, "    static const uint8_t want[] = %s;\n    static uint64_t arena[%d];\n    int8_t got[sizeof want];\n", array(d.out[k]), d.m.Arena.Bytes/8+1)
			fmt.Fprintf(&body, "    if (%s_run(%sgot, arena) || memcmp(got, want, sizeof want)) { puts(%q); wrong = 1; }\n  }\n", d.prefix, call.String(), fmt.Sprintf("%s, input %d", d.what, k))
		}
	}
	fmt.Fprintf(&main, "int main(void) {\n  int wrong = 0;\n%s  return wrong;\n}\n", body.String())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(main.String()), 0o644))
	out, err := exec.Command("gcc", append(args, filepath.Join(dir, "main.c"))...).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command(filepath.Join(dir, "run")).CombinedOutput()
	require.NoError(t, err, string(out))
}

// compareObject runs the object of a network on its target.
func (d *drawnCase) compareObject(t *testing.T, tgt *processor.Target, tools llvm.Tools) {
	t.Helper()
	ctx := context.Background()
	j := emu.Job{Prefix: d.prefix, Outputs: []int{len(d.out[0])}, Arena: d.m.Arena.Bytes, Align: d.m.Arena.Align, Steps: len(d.m.Ops)}
	for _, v := range d.m.Inputs {
		j.Inputs = append(j.Inputs, v.Type.Slots())
	}
	compile := func(text string, err error) []byte {
		require.NoError(t, err, d.what)
		object, err := llvm.Compile(ctx, tools, text, tgt, "obj")
		require.NoError(t, err, d.what)
		return object
	}
	program, err := emu.Link(ctx, t.TempDir(), j, tgt, compile(emu.Driver(j, tgt)), compile(llvm.Print(d.p, tgt)))
	require.NoError(t, err, d.what)
	var in [][]byte
	for _, record := range d.in {
		in = append(in, bytes.Join(record, nil))
	}
	got, err := program.Run(ctx, in)
	require.NoError(t, err, d.what)
	for i := range in {
		require.Zero(t, got.Status[i], d.what)
		require.Equal(t, d.out[i], got.Outputs[i], "%s, input %d", d.what, i)
	}
}

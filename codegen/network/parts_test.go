package network_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/parts"
	"github.com/dnnc/dnnc/ir/processor"
)

// wider is a network of picture with more channels at its beginning, and a linear layer at its end:
// large enough that parts of it are worth a thread.
func wider(t *testing.T, rng *rand.Rand) (text string, shape ir.Shape, tensors []weights.Tensor) {
	for len(tensors) == 0 {
		text, shape, tensors = picture(t, rng)
	}
	random := func(name string, s ir.Shape) {
		x := make([]float32, s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 2)
		}
		raw, err := ir.FloatConst("", s, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: name + ".weight", DType: weights.F32, Shape: s, Data: raw})
	}
	// The result of the picture becomes the input of a linear layer.
	head, body, _ := strings.Cut(text, "{\n")
	at := strings.LastIndex(body, "  return ")
	last := strings.TrimSuffix(strings.TrimPrefix(body[at:], "  return "), "\n}\n")
	var s ir.Shape
	_, result, _ := strings.Cut(head, "-> f32")
	for _, d := range strings.Split(strings.Trim(strings.TrimSpace(result), "[]"), ",") {
		n := 0
		_, err := fmt.Sscan(d, &n)
		require.NoError(t, err)
		s = append(s, n)
	}
	const outputs = 150
	random("last", ir.Shape{outputs, s.Size()})
	head = strings.Replace(head, "-> f32"+s.String(), fmt.Sprintf("-> f32[%d]", outputs), 1)
	return head + "{\n" + body[:at] + fmt.Sprintf("  last = linear(%s, units: %d)\n  return last\n}\n", last, outputs), shape, tensors
}

// threaded evaluates the function with threads, whose parts the evaluator runs from the last to the first.
func threaded(t *testing.T, m *ir.Module, in [][]byte) (out [][]byte) {
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	at := slices.IndexFunc(p.Funcs, func(f *loop.Func) bool { return f.Name == "net_run_threads" })
	for i := range in {
		y := make([]byte, m.Outputs[0].Type.Slots())
		_, err := loop.Run(p.Funcs[at], nil, []loop.Memory{slices.Clone(in[i]), y, make([]byte, m.Arena.Bytes)})
		require.NoError(t, err)
		out = append(out, y)
	}
	return out
}

// isDisjoint reports whether the parts of an operation make up its result, and have scratch apart
// from each other's.
func isDisjoint(t *testing.T, n *ir.Node, list []parts.Part) bool {
	next := 0
	var scratch [][2]int
	for _, p := range list {
		if p.To != next {
			return false
		}
		next += p.Node.Out.Type.Slots()
		if p.Node.Has(ir.AttrScratch) {
			s := p.Node.Ints(ir.AttrScratch)
			scratch = append(scratch, [2]int{s[0], s[0] + s[1]})
		}
	}
	for i, s := range scratch {
		if i > 0 && s[0] < scratch[i-1][1] {
			return false
		}
	}
	if len(scratch) > 0 {
		all := n.Ints(ir.AttrScratch)
		require.Equal(t, all[0], scratch[0][0])
		require.Equal(t, all[0]+all[1], scratch[len(scratch)-1][1])
	}
	return next == n.Out.Type.Slots()
}

// TestParts: random networks in parts have the integers of the interpreter, in its arena mode, in the
// loop program one part after the other and in the opposite order, and on the target.
func TestParts(t *testing.T) {
	t.Parallel()
	n, divided, ops := 6, 0, map[ir.Op]int{}
	if testing.Short() {
		n = 3
	}
	if os.Getenv("DNNC_FULL") != "" {
		n = 60
	}
	for k, name := range []string{"x86_64", "aarch64", "armv7", "armv7-nofpu", "riscv64", "riscv64+v"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(7, uint64(k)))
		for i := range n {
			text, shape, tensors := wider(t, rng)
			format := []ir.Elem{ir.Of(ir.I8), ir.OddOf(4), ir.OddOf(1)}[i%3]
			threads := []int{2, 3, 4, 7}[i%4]
			m, err := plannedFor(t, text, shape, tensors, tgt, format, 0, threads)
			require.NoError(t, err, text)
			require.Equal(t, threads, m.Threads)
			for _, n := range m.Ops {
				list, err := parts.Of(n)
				require.NoError(t, err)
				if list == nil {
					continue
				}
				divided++
				ops[n.Op]++
				assert.LessOrEqual(t, len(list), threads)
				assert.True(t, isDisjoint(t, n, list), "%s", n)
			}
			in, out := cases(t, m, 3)
			require.Equal(t, out, inArena(t, m, in), "%s\n%s", name, m)
			require.Equal(t, out, evaluated(t, m, in), "%s\n%s", name, m)
			if !assert.Equal(t, out, threaded(t, m, in), "%s\n%s", name, m) {
				return
			}
			if i == k%3 && !testing.Short() {
				t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { conformObject(t, m, tgt, in, out) })
			}
			// A bound on the arena leaves operations whole, or less of them in parts.
			bound := m.Arena.Bytes * 9 / 10
			if bounded, err := plannedFor(t, text, shape, tensors, tgt, format, bound, threads); err == nil {
				assert.LessOrEqual(t, bounded.Arena.Bytes, bound)
				require.Equal(t, out, inArena(t, bounded, in), "%s\n%s", name, bounded)
			}
		}
	}
	t.Log(divided, "operations in parts:", ops)
	assert.Greater(t, divided, 3*n)
	assert.NotZero(t, ops[ir.Conv2D])
	assert.NotZero(t, ops[ir.Linear])
}

// TestPartsOfPaddedMeans: a part of a pooling that sees no padding, which other parts see, takes the factor
// of a whole window.
func TestPartsOfPaddedMeans(t *testing.T) {
	text := `tensors "net.safetensors"
network net(image: f32[8,40,40] in [0,1]) -> f32[46,19,39] {
  v1 = conv2d(image, filters: 46, kernel: 3, pad: 1)
  v2 = avgpool2d(v1, kernel: [5,2], stride: [2,1], pad: [1,0,1,0])
  return v2
}
`
	raw, err := ir.FloatConst("", ir.Shape{46, 8, 3, 3}, slices.Repeat([]float32{.5, -1, .25}, 46*8*3)).Load()
	require.NoError(t, err)
	tensors := []weights.Tensor{{Name: "v1.weight", DType: weights.F32, Shape: ir.Shape{46, 8, 3, 3}, Data: raw}}
	for _, name := range []string{"aarch64", "armv7", "x86_64", "riscv64+v"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		m, err := plannedFor(t, text, ir.Shape{8, 40, 40}, tensors, tgt, ir.Of(ir.I8), 0, 4)
		require.NoError(t, err)
		assert.True(t, m.Outputs[0].Def.Has(ir.AttrParts), name)
		in, out := cases(t, m, 2)
		assert.Equal(t, out, evaluated(t, m, in), name)
	}
}

// shared is a network whose convolutions, poolings, add and linear layer run in parts.
func shared(t *testing.T, threads int) *ir.Module {
	tgt, err := processor.Find("x86_64")
	require.NoError(t, err)
	text := `tensors "net.safetensors"
network net(image: f32[3,24,24] in [0,1]) -> f32[64] {
  v1 = conv2d(image, filters: 16, kernel: 3, pad: 1, act: relu)
  v2 = conv2d(v1, filters: 16, kernel: 3, pad: 1, groups: 16)
  v3 = add(v1, v2)
  v4 = conv2d(v3, filters: 8, kernel: 3, stride: 2, pad: [0,0,1,1])
  v5 = linear(v4, units: 64)
  return v5
}
`
	rng := rand.New(rand.NewPCG(1, 1))
	var tensors []weights.Tensor
	for _, l := range []struct {
		name string
		s    ir.Shape
	}{{"v1", ir.Shape{16, 3, 3, 3}}, {"v2", ir.Shape{16, 1, 3, 3}}, {"v4", ir.Shape{8, 16, 3, 3}}, {"v5", ir.Shape{64, 8 * 12 * 12}}} {
		x := make([]float32, l.s.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		raw, err := ir.FloatConst("", l.s, x).Load()
		require.NoError(t, err)
		tensors = append(tensors, weights.Tensor{Name: l.name + ".weight", DType: weights.F32, Shape: l.s, Data: raw})
	}
	m, err := plannedFor(t, text, ir.Shape{3, 24, 24}, tensors, tgt, ir.Of(ir.I8), 0, threads)
	require.NoError(t, err)
	return m
}

// TestPartsAreRead: the division of a dump is what restores its parts; other ones are refused, by the
// verifier or where the parts are restored, with the node's position.
func TestPartsAreRead(t *testing.T) {
	m := shared(t, 3)
	assertRead(t, m, []misread{
		{"parts: [3,8]", "parts: [4,8]", "V13"},
		{"parts: [3,8]", "parts: [1,8]", "V13"},
		{"parts: [3,8]", "parts: [2,8]", "no 2 parts of 8"},
		{"parts: [3,8]", "parts: [3,7]", "no 3 parts of 7"},
		{"parts: [3,8]", "parts: [3,24]", "no 3 parts of 24"},
		{"parts: [3,8]", "parts: [3]", "parts"},
		{" threads 3", "", "V13"},
		{" threads 3", " threads 2", "V13"},
		{" threads 3", " threads 1", "from 2 to 64"},
		{" threads 3", " threads 65", "from 2 to 64"},
		{"parts: [3,8]", "parts: [3,8], lag: 0", "V13"},
		{"parts: [3,8]", "parts: [3,8], chain: [2,1]", "V13"},
	})
}

// team runs a network with each part of a step in a thread of its own, or with no function of the caller
// where the number of the record is even.
const team = `#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
int net_run_threads(const int8_t *, int8_t *, void *, void (*)(void *, int32_t, void (*)(void *, int32_t), void *), void *);
static int8_t in[%d], out[%d];
static uint64_t arena[%d / 8 + 8];
static int together;
struct call { void (*part)(void *, int32_t); void *work; int32_t i; };
static void *start(void *p) { struct call *c = p; c->part(c->work, c->i); return 0; }
static void all(void *context, int32_t parts, void (*part)(void *, int32_t), void *work) {
  pthread_t t[64];
  struct call c[64];
  if (context != &together || parts < 2 || parts > %d) return;
  together++;
  for (int32_t i = 0; i < parts; i++) c[i] = (struct call){part, work, i}, pthread_create(&t[i], 0, start, &c[i]);
  for (int32_t i = 0; i < parts; i++) pthread_join(t[i], 0);
}
int main(void) {
  for (int i = 0; fread(in, sizeof in, 1, stdin) == 1; i++) {
    memset(out, 77, sizeof out);
    if (net_run_threads(in, out, arena, i %% 2 ? all : 0, i %% 2 ? &together : 0)) return 1;
    fwrite(out, sizeof out, 1, stdout);
  }
  return together == %d ? 0 : 2;
}
`

// TestPartsInThreads: the C of a network runs in threads, whose accesses the thread sanitizer watches; and
// under the other sanitizers.
func TestPartsInThreads(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	for _, threads := range []int{2, 4} {
		m := shared(t, threads)
		divided := 0
		for _, n := range m.Ops {
			if n.Has(ir.AttrParts) {
				divided++
			}
		}
		require.Greater(t, divided, 3)
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		const records = 6
		in, want := cases(t, m, records)
		main := fmt.Sprintf(team, m.Inputs[0].Type.Slots(), m.Outputs[0].Type.Slots(), m.Arena.Bytes, threads, divided*records/2)
		for _, sanitizers := range []string{"thread", "undefined,address"} {
			require.Equal(t, bytes.Join(want, nil), runInCUnder(t, sanitizers, p, main, in), sanitizers)
		}
	}
}

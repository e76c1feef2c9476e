package network_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/stream/streamtest"
	"github.com/dnnc/dnnc/runtime/interp"
)

// streamRuns are inputs of runs in the order of memory, and what the interpreter makes of them, run
// after run.
func streamRuns(t *testing.T, m *ir.Module, n int) (in, want [][]byte) {
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	values := p.Tensors(1, m.Outputs...)
	for _, x := range streamtest.Records(m, n, 4) {
		p.Feed(values, x, 1)
		require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
		in = append(in, physical(m.Inputs[0].Type, x))
		var out []byte
		for _, o := range m.Outputs {
			out = append(out, physical(o.Type, values[p.ID(o)])...)
		}
		want = append(want, out)
	}
	return in, want
}

// TestStreamsEvaluated: the functions of random networks, run after run in one arena whose other
// bytes change between runs, compute what the interpreter computes, on processors with and without
// vectors. An arena that was not reset, a copy of one and one whose run was given up are refused.
func TestStreamsEvaluated(t *testing.T) {
	for seed := range uint64(40) {
		target := []string{"armv7em", "armv7", "x86_64", "armv6m"}[seed%4]
		net := streamtest.Random(seed, 24)
		if seed >= 36 { // once on each
			net = streamtest.Integers(24)
		}
		_, m, err := streamtest.Quantized(t, net, target, pass.LeastHop)
		require.NoError(t, err)
		p, err := network.Write(m, network.Interface{Prefix: "net", Tag: 0x1234567890abcdef})
		require.NoError(t, err)
		find := func(name string) *loop.Func {
			return p.Funcs[slices.IndexFunc(p.Funcs, func(f *loop.Func) bool { return f.Name == name })]
		}
		arena := make(loop.Memory, m.Arena.Bytes)
		call := func(name string, arena loop.Memory, x []byte) (status int64, out []byte) {
			f := find(name)
			if x == nil {
				status, err := loop.Run(f, nil, []loop.Memory{arena})
				require.NoError(t, err)
				return status, nil
			}
			regions := []loop.Memory{slices.Clone(x)}
			for _, o := range m.Outputs {
				regions = append(regions, make(loop.Memory, o.Type.Slots()))
			}
			status, err := loop.Run(f, nil, append(regions, arena))
			require.NoError(t, err)
			return status, bytes.Join(toBytes(regions[1:]), nil)
		}
		in, want := streamRuns(t, m, 9)
		status, _ := call("net_run", arena, in[0])
		require.Equal(t, int64(-1), status, "an arena that was not reset")
		call("net_reset", arena, nil)
		for i, x := range in {
			for k := m.StateBytes(); k < len(arena); k++ {
				arena[k] = byte(i + 31*k)
			}
			status, got := call("net_run", arena, x)
			require.Zero(t, status)
			require.Equal(t, want[i], got, "network %d on %s, run %d\n%s", seed, target, i, m)
		}
		status, _ = call("net_run", slices.Clone(arena), in[0])
		assert.Equal(t, int64(-1), status, "a copy of an arena")
		larger := append(make(loop.Memory, 0, network.StepState(m)+network.StepStateBytes), arena...)[:network.StepState(m)+network.StepStateBytes]
		call("net_reset", larger, nil)
		status, _ = call("net_run_begin", larger, nil)
		require.Zero(t, status)
		status, _ = call("net_run", larger, in[0])
		assert.Equal(t, int64(-1), status, "a run that was given up leaves its states half way")
	}
}

func toBytes(list []loop.Memory) (b [][]byte) {
	for _, m := range list {
		b = append(b, m)
	}
	return b
}

// streamer runs a network of one input and one result on records of standard input: by whole runs and
// by steps in turn.
const streamer = `#include <stdint.h>
#include <stdio.h>
int net_reset(void *);
int net_run(const int8_t *, int8_t *, void *);
int net_run_begin(void *);
int net_run_step(const int8_t *, int8_t *, void *);
static int8_t in[%d], out[%d];
static uint64_t arena[%d / 8 + 8];
int main(void) {
  int i;
  if (net_run(in, out, arena) != -1 || net_run_begin(arena) != -1) return 1;
  if (net_reset(arena)) return 2;
  for (i = 0; fread(in, sizeof in, 1, stdin) == 1; i++) {
    if (i %% 2) {
      if (net_run(in, out, arena)) return 3;
    } else {
      int left;
      if (net_run_begin(arena)) return 4;
      do left = net_run_step(in, out, arena); while (left > 0);
      if (left) return 5;
    }
    fwrite(out, sizeof out, 1, stdout);
  }
  return 0;
}
`

// TestStreamsInC: the C text of networks over time, with every warning and under sanitizers.
func TestStreamsInC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	for name, net := range map[string]*ir.Module{"tcn": streamtest.TCN(40), "lstm": streamtest.Cell(ir.CellLSTM, "", 40), "late": streamtest.Late(40), "integers": streamtest.Integers(40)} {
		_, m, err := streamtest.Quantized(t, net, "armv6m", pass.LeastHop)
		require.NoError(t, err)
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		in, want := streamRuns(t, m, 80)
		got := runInC(t, p, fmt.Sprintf(streamer, m.Inputs[0].Type.Slots(), m.Outputs[0].Type.Slots(), network.StepState(m)+network.StepStateBytes), in)
		require.Equal(t, bytes.Join(want, nil), got, name)
	}
}

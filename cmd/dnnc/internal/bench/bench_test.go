package bench_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestBench counts on a board, and as a Linux program: twice the same, the layers
// making up the whole.
func TestBench(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"armv7em", "x86_64"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if err := emu.Check(tgt); err != nil {
			t.Skip(err)
		}
		count := func() (r bench.Report) {
			code, stdout, stderr := dnnctest.Run(t, "bench", dnnctest.Small(t), "-target", name, "-images", "16", "-layers", "-json")
			require.Zero(t, code, stderr)
			require.NoError(t, json.Unmarshal([]byte(stdout), &r))
			return r
		}
		r := count()
		assert.Equal(t, r, count())
		assert.Equal(t, dnnctest.SmallMACs, r.MACs)
		assert.Greater(t, r.Instructions, r.MACs/10)
		sum := 0
		for _, l := range r.Layers {
			assert.Positive(t, l.Instructions)
			sum += l.Instructions
		}
		// Steps are found by a chain of comparisons, which the run function lacks.
		assert.InDelta(t, r.Instructions, sum, 20*float64(len(r.Layers)))
	}
}

package tasks

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/measure"
)

const folder = "../../../testdata/tasks"

// TestItems: every item lies in the ranges of the inputs and has labels as its task takes
// them; it is the same whenever it is made, and no other one is the same, in any set.
func TestItems(t *testing.T) {
	for _, e := range All {
		m, err := e.Module()
		require.NoError(t, err)
		task, err := measure.TaskOf(m, "", nil)
		require.NoError(t, err, e.Name)
		seen := map[string]Set{}
		for _, s := range []Set{Train, Calibration, Validation, Test} {
			b, right := e.Batch(m, s, 0, 60)
			require.Len(t, right, 60*task.Size(), e.Name)
			require.NoError(t, task.Check(b), e.Name)
			again, _ := e.Batch(m, s, 30, 60)
			assert.Equal(t, again.X, b.X[30*b.Size():], e.Name)
			assert.Equal(t, again.Targets[0].X, b.Slice(30, 60).Targets[0].X, e.Name)
			for i := range b.N {
				x, at := b.Image(i), 0
				for _, in := range m.Inputs {
					for _, v := range x[at : at+in.Type.Shape.Size()] {
						require.True(t, float64(v) >= in.Range.Lo && float64(v) <= in.Range.Hi, "%s: %v", e.Name, v)
					}
					at += in.Type.Shape.Size()
				}
				raw, err := ir.FloatConst("x", ir.Shape{len(x)}, x).Load()
				require.NoError(t, err)
				require.Empty(t, seen[string(raw)], e.Name)
				seen[string(raw)] = s
			}
		}
	}
}

// TestSetsOfExamples: no faults are trained on, and other signs are tested than trained.
func TestSetsOfExamples(t *testing.T) {
	for s, want := range map[Set]struct{ faults, odd int }{Train: {0, 0}, Calibration: {50, 0}, Validation: {50, 100}, Test: {50, 100}} {
		faults, odd := 0, 0
		for i := range 100 {
			faults += int(pump.made(s, i).labels[0][0])
			odd += strokes(int(glyph.made(s, i).labels[0][0])) % 2
		}
		assert.InDelta(t, want.faults, faults, float64(want.faults)/2.5, s)
		assert.Equal(t, want.odd, odd, s)
	}
}

// TestTextsAreOfTheNetworks: what is in testdata was written by the command.
func TestTextsAreOfTheNetworks(t *testing.T) {
	for _, e := range All {
		m, err := e.Module()
		require.NoError(t, err)
		m.Tensors = []ir.TensorsFile{{Path: e.Name + ".safetensors"}}
		text, err := os.ReadFile(filepath.Join(folder, e.Name, e.Name+".dnn"))
		require.NoError(t, err)
		head, rest, _ := strings.Cut(string(text), "\n")
		assert.Contains(t, head, "# "+e.Name+": "+e.Doc)
		assert.Equal(t, m.Source(), rest)
		info, err := os.Stat(filepath.Join(folder, e.Name, e.Name+".safetensors"))
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(40<<10), e.Name)
	}
}

// TestFit: training lowers the divergence from the best answers, and gives the same weights
// on any number of cores.
func TestFit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, e := range []*Example{&machine, &pump} {
		var list [2][]byte
		for i := range list {
			runtime.GOMAXPROCS(1 + 2*i)
			m, err := e.Module()
			require.NoError(t, err)
			before := distance(t, e, m)
			require.NoError(t, e.Fit(context.Background(), m, 20, nil))
			assert.Less(t, distance(t, e, m), .8*before, e.Name)
			for _, c := range m.Consts {
				raw, err := c.Load()
				require.NoError(t, err)
				list[i] = append(list[i], raw...)
			}
		}
		assert.Equal(t, list[0], list[1], e.Name)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	m, err := wear.Module()
	require.NoError(t, err)
	assert.ErrorIs(t, wear.Fit(stopped, m, 5, nil), context.Canceled)
}

// distance is the mean divergence of a network from the best answers to validation items.
func distance(t *testing.T, e *Example, m *ir.Module) float64 {
	t.Helper()
	d, err := e.Distance(context.Background(), m, Validation, 64)
	require.NoError(t, err)
	return d
}

func TestFind(t *testing.T) {
	e, err := Find("glyph")
	require.NoError(t, err)
	assert.Equal(t, &glyph, e)
	_, err = Find("glyphs")
	assert.ErrorContains(t, err, `no example "glyphs": the examples are [wear mask`)
}

package verify_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/stream/streamtest"
	"github.com/dnnc/dnnc/runtime/data"
)

// written writes a network over time, and data to calibrate it with.
func written(t *testing.T, m *ir.Module) (network, calib string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, write func(w io.Writer) error) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
		return path
	}
	file("net.safetensors", func(w io.Writer) error { return frontend.WriteTensors(w, m) })
	m.Tensors = []ir.TensorsFile{{Path: "net.safetensors"}}
	network = file("net.dnn", func(w io.Writer) error { _, err := io.WriteString(w, m.Source()); return err })
	shape := m.Inputs[0].Type.Shape
	x := data.Synthesize(shape, -1, 1, 2, 1).X
	return network, file("calib.npz", func(w io.Writer) error {
		raw, err := ir.FloatConst("x", append(ir.Shape{2}, shape...), x).Load()
		if err != nil {
			return err
		}
		return weights.WriteNPZ(w, []weights.Tensor{{Name: "x", DType: weights.F32, Shape: append([]int{2}, shape...), Data: raw}})
	})
}

var streamed = map[string]func(frames int) *ir.Module{
	"dscnn": streamtest.DSCNN, "tcn": streamtest.TCN,
	"lstm": func(frames int) *ir.Module { return streamtest.Cell(ir.CellLSTM, "", frames) },
	"gru":  func(frames int) *ir.Module { return streamtest.Cell(ir.CellGRU, ir.ResetAfter, frames) },
}

// TestStreams: objects of networks over time, frame by frame, compute the integers of the whole
// networks over 250 frames. With DNNC_FULL over 1,000 and on more targets.
func TestStreams(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	targets, frames := []string{"armv7em"}, 250
	if dnnctest.IsFull() {
		targets, frames = append(targets, "armv7", "x86_64", "armv6m", "riscv32"), 1000
	}
	equal := regexp.MustCompile(`net, 1 frames a run: (\d+) integers of results equal`)
	for name, network := range streamed {
		path, calib := written(t, network(frames))
		for _, target := range targets {
			t.Run(name+"/"+target, func(t *testing.T) {
				out := dnnctest.Succeed(t, "verify", "-stream", "-n", "1", path, "-calib", calib, "-target", target)
				found := equal.FindStringSubmatch(out)
				require.NotNil(t, found, out)
				n, err := strconv.Atoi(found[1])
				require.NoError(t, err)
				assert.GreaterOrEqual(t, n, 9*frames*4)
			})
		}
	}
}

// TestStreamsOfWindows: the object of the form of MLPerf's streaming wake word gives, run after run of one stream, what the
// whole network gives of each window of 30 frames.
func TestStreamsOfWindows(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path, _ := written(t, streamtest.WakeWord())
	out := dnnctest.Succeed(t, "verify", "-stream", "-n", "26", path, "-target", "armv7em") // with 8 adversarial ones, 1,020 frames
	assert.Contains(t, out, "net, 1 frames a run: 102 integers of results equal those of the whole network, and 2973 those of 991 windows of one stream")
}

// TestStreamsCost: a run of one frame takes little more than the share of its multiply-adds in the
// instructions of the whole network, and at most half of its RAM: arena and input, of which the whole
// network takes all frames at once.
func TestStreamsCost(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	const frames = 300
	for name, network := range streamed {
		if name == "dscnn" && os.Getenv("DNNC_FULL") == "" {
			continue // the longest by far
		}
		t.Run(name, func(t *testing.T) {
			m := network(frames)
			input := m.Inputs[0].Type.Shape.Size()
			path, calib := written(t, m)
			var reports [2]bench.Report
			for i, stream := range []string{"-stream=false", "-stream"} {
				require.NoError(t, json.Unmarshal([]byte(dnnctest.Succeed(t, "bench", "-json", stream, path, "-calib", calib, "-target", "armv7em")), &reports[i]))
			}
			whole, step := reports[0], reports[1]
			share := float64(step.Instructions) / float64(whole.Instructions) * float64(whole.MACs) / float64(step.MACs)
			t.Logf("%d instructions of %d multiply-adds, a frame %d of %d: %.3f of its share, arena %d and %d bytes", whole.Instructions, whole.MACs, step.Instructions, step.MACs, share, whole.Arena, step.Arena)
			assert.LessOrEqual(t, share, 1.15)
			assert.LessOrEqual(t, 2*(step.Arena+input/frames), whole.Arena+input)
		})
	}
}

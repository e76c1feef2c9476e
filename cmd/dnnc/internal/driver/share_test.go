package driver_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
)

// cpu is the processor time of this process in seconds: unlike the clock it does
// not count what others do on the machine.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkGeneration is what each kind of error costs, in images a second of
// processor time and as a share of the float network's evaluation of the disturbed
// image; of guided kinds, without their gradient. The gradient's own lines say what
// it costs beyond the way forward that a measurement shares with it.
func BenchmarkGeneration(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	folder := os.Getenv("DNNC_DATA")
	for _, c := range []struct{ network, images string }{
		{"lenet5", dnnctest.TestImages},
		{"alexnet", filepath.Join(folder, "cifar10/test_batch.bin.gz")},
		{"vgg16", filepath.Join(folder, "cifar10/test_batch.bin.gz")},
	} {
		if c.network != "lenet5" && folder == "" {
			continue
		}
		ctx := context.Background()
		o := driver.Options{Input: dnnctest.Root + "/testdata/" + c.network + "/" + c.network + ".dnn", Data: c.images, Calib: c.images, Level: "int8", Target: "armv7",
			Errors: "all", Images: 16, TestImages: 128, StopAfter: "robust", Formats: []string{"odd"}}
		r, err := driver.Compile(ctx, o, io.Discard, io.Discard)
		require.NoError(b, err)
		setup, _, _, err := driver.Setup(ctx, o, r)
		require.NoError(b, err)
		p, err := interp.CompileFloat(r.Module)
		require.NoError(b, err)
		back, err := interp.NewBackward(p)
		require.NoError(b, err)
		x := setup.Images
		per := func(b *testing.B, do func()) float64 {
			from := cpu()
			for b.Loop() {
				do()
			}
			each := (cpu() - from) / float64(b.N*x.N)
			b.ReportMetric(1/each, "images/cpu-s")
			return each
		}
		var forward float64
		b.Run(c.network+"/forward", func(b *testing.B) {
			forward = per(b, func() {
				_, err := p.Forward(ctx, x.X, x.N)
				require.NoError(b, err)
			})
		})
		var margin []float32
		b.Run(c.network+"/gradient", func(b *testing.B) {
			each := per(b, func() {
				g, err := back.Gradient(ctx, x.X, x.N, false, interp.Margin(x.Labels))
				require.NoError(b, err)
				margin = g.Input
			})
			b.ReportMetric(100*(each-forward)/forward, "%-beyond-forward")
		})
		every, err := disturb.Parse(disturb.All, dnnc.Inputs(r.Network()))
		require.NoError(b, err)
		for _, e := range every {
			k := e.Kind
			if e.Size != k.Sizes[1] {
				continue
			}
			b.Run(c.network+"/"+k.Name, func(b *testing.B) {
				known := func(data.Batch) ([]float32, []float32, error) { return margin, nil, nil }
				each := per(b, func() {
					_, err := disturb.Images(data.Batch{N: x.N, Shape: x.Shape, X: x.X, Labels: x.Labels}, 0, e, 1, known)
					require.NoError(b, err)
				})
				b.ReportMetric(100*each/forward, "%-of-forward")
			})
		}
	}
}

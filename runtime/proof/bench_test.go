package proof_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// BenchmarkWalk follows images of Fashion-MNIST through LeNet-5 to the ends of all paths,
// whatever the answers.
func BenchmarkWalk(b *testing.B) {
	const folder = "../../testdata/lenet5/"
	m, err := frontend.Load(folder+"lenet5.dnn", frontend.Options{})
	require.NoError(b, err)
	set, err := dataset.Load(folder+"fashion-train-images-idx3-ubyte.gz", dataset.Want{
		Inputs: []dataset.Input{{Name: "image", Shape: []int{1, 28, 28}, High: 1}}, Results: []dataset.Result{{Name: "fc2", Shape: ir.Shape{10}}}, N: 64, Seed: 1, Memory: 1 << 30, Part: dataset.Train})
	require.NoError(b, err)
	tgt, err := processor.Find("armv7em")
	require.NoError(b, err)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Seed: 1, Calibration: func() (data.Batch, error) { return set.Batch, nil }}
	require.NoError(b, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Quantized}))
	net, err := proof.NewNet(m)
	require.NoError(b, err)
	w, err := net.NewWalker()
	require.NoError(b, err)
	in := disturb.Input{Name: "image", Holds: ir.Content{Kind: ir.Image, Axis: ir.NoAxis}, Shape: []int{1, 28, 28}, High: 1}
	for _, name := range proof.Names() {
		list, err := proof.KindsOf(name)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			images, macs := 0, int64(0)
			for b.Loop() {
				x := set.Image(images % set.N)
				for _, k := range list {
					motion, err := proof.NewMotion(k, in, m.Inputs[0].Type.Quant, x)
					require.NoError(b, err)
					v, err := w.Walk(context.Background(), interp.QuantizeInputs(m, x), 0, motion.Path(), func([]int8) bool { return true })
					require.NoError(b, err)
					images += v.Distinct
					macs += v.MACs
				}
			}
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(images)*float64(net.MACs())/float64(macs), "times-fewer-MACs")
		})
	}
}

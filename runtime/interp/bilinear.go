package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func floatBilinear(_ *Float, n *ir.Node) (floatRun, error) {
	g := geometry.BilinearOf(n)
	return perImage(func(x, y []float32) { kernels.BilinearFloat(&g, x, y) }), nil
}

func intBilinear(_ *Int, n *ir.Node) (intRun, error) {
	g := geometry.BilinearOf(n)
	return sized(n, perImage(func(x, y []int8) { kernels.BilinearInt(&g, x, y) }), perImage(func(x, y []int16) { kernels.BilinearInt(&g, x, y) })), nil
}

func bilinearGradient(n *ir.Node) (backward, error) {
	g := geometry.BilinearOf(n)
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		i := 0
		for c := range g.C {
			image := dx[0][c*g.H*g.W:]
			for _, d := range g.Down {
				for _, a := range g.Across {
					for _, t := range []struct {
						row, column int
						weight      float64
					}{
						{d.Lower, a.Lower, (1 - d.Part) * (1 - a.Part)}, {d.Lower, a.Upper, (1 - d.Part) * a.Part},
						{d.Upper, a.Lower, d.Part * (1 - a.Part)}, {d.Upper, a.Upper, d.Part * a.Part},
					} {
						image[t.row*g.W+t.column] += float32(t.weight) * dy[i]
					}
					i++
				}
			}
		}
	}), nil
}

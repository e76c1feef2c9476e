package interp

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

func spectrogram(n *ir.Node) (*kernels.Spectrogram, error) {
	s, err := geometry.SpectrumRealsOf(n)
	if err != nil {
		return nil, err
	}
	return kernels.NewSpectrogram(s), nil
}

func floatSpectrogram(_ *Float, n *ir.Node) (floatRun, error) {
	s, err := spectrogram(n)
	if err != nil {
		return nil, err
	}
	return perImage(s.Float), nil
}

func spectrogramGradient(n *ir.Node) (backward, error) {
	s, err := spectrogram(n)
	if err != nil {
		return nil, err
	}
	return byImage(func(_ *back, x, dx [][]float32, _, dy []float32) { s.Gradient(x[0], dy, dx[0]) }), nil
}

func intSpectrogram(_ *Int, n *ir.Node) (intRun, error) {
	s, err := geometry.SpectrumIntsOf(n)
	if err != nil {
		return nil, err
	}
	return inWords(n, perImage(func(x, y []int16) { kernels.SpectrogramInt(s, x, y) })), nil
}

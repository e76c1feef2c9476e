package graph

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// spectrogramAttrs are the attributes of the spectrogram that mel filters are, but for their bank.
func spectrogramAttrs(n *ir.Node, s *geometry.SpectrumReals) []ir.Attr {
	attrs := []ir.Attr{ir.AttrFrame.Is(s.Frame), ir.AttrHop.Is(s.Hop), ir.AttrFFT.Is(s.FFT), ir.AttrWindow.Is(n.Word(ir.AttrWindow)), ir.AttrPower.Is(s.Power)}
	if s.IsLog {
		attrs = append(attrs, ir.AttrFn.Is(ir.SpectrumLog), ir.AttrEps.Is(s.Eps), ir.AttrFloor.Is(s.Floor), ir.AttrGain.Is(s.Gain))
	}
	return attrs
}

// putBank gives a spectrogram its filters.
func (l *legalizer) putBank(n *ir.Node, s *geometry.SpectrumReals) {
	l.put(n, ir.AttrBank, ir.FloatConst(n.Name()+"."+ir.AttrBank.String(), ir.Shape{s.Bands, s.Bins}, narrow(s.Bank)))
}

// legalizeMel makes mel filters a spectrogram.
func legalizeMel(l *legalizer, n *ir.Node) error {
	s, err := geometry.SpectrumRealsOf(n)
	if err != nil {
		return err
	}
	become(n, ir.Spectrogram, n.Args, spectrogramAttrs(n, s)...)
	l.putBank(n, s)
	return nil
}

// legalizeMFCC makes cosines of mel filters a convolution of 1x1 over the frames, whose channels are the bands. It
// takes and gives 16 bits: most of its results are small differences of large logarithms, beside a large sum of them.
func legalizeMFCC(l *legalizer, n *ir.Node) error {
	s, err := geometry.SpectrumRealsOf(n)
	if err != nil {
		return err
	}
	number := len(s.Cosines) / s.Bands
	rows, image := ir.Shape{s.Frames, s.Bands}, ir.Shape{s.Bands, s.Frames, 1}
	signal := l.insert(n, "signal", ir.Reshape, ir.Shape{n.Args[0].Type.Shape.Size()}, n.Args, ir.AttrShape.Is([]int{n.Args[0].Type.Shape.Size()}))
	logs := l.insert(n, "logs", ir.Spectrogram, rows, []*ir.Value{signal}, spectrogramAttrs(n, s)...)
	l.putBank(logs.Def, s)
	x := l.insert(n, "columns", ir.Copy, image, []*ir.Value{logs}, viewAttrs(ir.ViewOf(rows).Permute([]int{1, 0}), image)...)
	y := l.insert(n, "cosines", ir.Conv2D, ir.Shape{number, s.Frames, 1}, []*ir.Value{x})
	l.putLayer(y.Def, layerParams{s.Cosines, make([]float64, number), ir.Shape{number, s.Bands, 1, 1}})
	logs.Wide, x.Wide, y.Wide, n.Out.Wide = true, true, true, true
	become(n, ir.Copy, []*ir.Value{y}, viewAttrs(ir.ViewOf(y.Type.Shape).Permute([]int{1, 0, 2}), n.Out.Type.Shape)...)
	return nil
}

// Package spectrum contains the family of spectrograms: a real Fourier transform of 32 bits of
// each frame, filters of its powers, and their logarithms (R19).
package spectrum

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
)

// Fourier is the family.
var Fourier = kernel.Family{Name: "fourier_radix4", Op: ir.Spectrogram, Wide: true, Fitted: kernel.OnThumb2,
	Doc: "each frame by a Fourier transform of radix 4 in place, then its filters",
	Plan: kernel.Planner(func(l kernel.Layer) (plan, bool) {
		p, err := of(l)
		return p, err == nil
	}),
	Read: func(l kernel.Layer) (kernel.Plan, error) {
		if tile := l.Node.Ints(ir.AttrTile); tile != nil {
			return nil, fmt.Errorf("a tile %v, which a spectrogram has not", tile)
		}
		return of(l)
	}}

// plan is the numbers that the estimate needs.
type plan struct {
	frames, samples, fft int
	bands, weights       int // weights of the bank
	logs, roots          int // of a frame
}

func of(l kernel.Layer) (plan, error) {
	if l.Node.Args[0].Type.Elem.Kind != ir.I16 {
		return plan{}, fmt.Errorf("samples of %s", l.Node.Args[0].Type.Elem)
	}
	s, err := geometry.SpectrumIntsOf(l.Node)
	if err != nil {
		return plan{}, err
	}
	p := plan{frames: s.Frames, samples: s.Frame, fft: s.FFT, bands: s.Bands, weights: len(s.Bank)}
	if s.IsLog {
		p.logs = s.Bands
	}
	if s.Power == 1 {
		p.roots = s.Bins
	}
	return p, nil
}

func (plan) Attrs() kernel.Attrs { return kernel.Attrs{} }

// Scratch is the spectrum of a frame, which its powers replace.
func (p plan) Scratch() int { return 8 * (p.fft/2 + 1) }

// Instructions of Cortex-M4, fitted to counts.
const (
	perSample    = 9.
	perButterfly = 43.5
	perBin       = 35.
	perBand      = 24. // that is a bin
	perFilter    = 55.
	perWeight    = 7.5
	perLog       = 64.
	perRoot      = 226.
)

// Cycles takes a stage of radix 2 for one of radix 4.
func (p plan) Cycles() float64 {
	half := p.fft / 2
	butterflies := float64(half/4) * float64(len(geometry.Stages(p.fft)))
	frame := perSample*float64(p.samples) + perButterfly*butterflies + perBin*float64(half) + perLog*float64(p.logs) + perRoot*float64(p.roots)
	if p.weights > 0 {
		frame += perFilter*float64(p.bands) + perWeight*float64(p.weights)
	} else {
		frame += perBand * float64(p.bands)
	}
	return float64(p.frames) * frame
}

func (p plan) Emit(g *emit.Generator) error { return write(g) }

package onnx

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
)

// heard is a model of 64 frequencies of a signal, up to the STFT z.
func heard(opset int64) *model {
	return newModel(opset).input("x", 1, 400, 1).output("y").constant("hop", integer(24)).constant("length", integer(64)).
		node("STFT", "stft", list("x", "hop", "", "length"), list("z"))
}

// TestTextsOfSpectra holds what the models of spectra.tar.gz become, whose results TestAnswersOfONNXRuntime compares: each
// has one spectrogram, what comes before it is the signal, and what comes after it is what the operation does not have.
func TestTextsOfSpectra(t *testing.T) {
	var text strings.Builder
	for _, c := range frontendtest.Packed(t, "testdata/spectra.tar.gz") {
		m, err := Parse(c.Name, c.Files["model.onnx"], Options{})
		require.NoError(t, err, c.Name)
		text.WriteString(m.Source() + "\n")
		isSpectrum := func(n *ir.Node) bool { return n.Op == ir.Spectrogram }
		assert.Equal(t, c.Name != "constants" && c.Name != "windows", slices.ContainsFunc(m.Ops, isSpectrum), c.Name)
	}
	frontendtest.Golden(t, "testdata/spectra.txt", text.String())
}

// TestInputsOfSpectra: an input that spectra are made of holds a signal, of samples from -1 to 1 where nothing is said.
func TestInputsOfSpectra(t *testing.T) {
	for _, shape := range [][]int64{{1, 400}, {1, 400, 1}} {
		m := heard(17).node("ReduceL2", "abs", list("z"), list("y"), "axes", []int64{-1})
		m.Graph.Input = nil
		m.input("x", shape...)
		n, err := Parse("net", m.bytes(), Options{})
		require.NoError(t, err)
		assert.Equal(t, ir.Signal, n.Inputs[0].Holds().Kind)
		assert.Equal(t, ir.Range{Lo: -1, Hi: 1}, *n.Inputs[0].Range)
		n, err = Parse("net", m.bytes(), Options{Ranges: map[string]ir.Range{"x": {Lo: -3, Hi: 2}}})
		require.NoError(t, err)
		assert.Equal(t, ir.Range{Lo: -3, Hi: 2}, *n.Inputs[0].Range)
	}
}

// TestSpectraThatAreRefused, each with what can be done about it.
func TestSpectraThatAreRefused(t *testing.T) {
	const way = "add the squares of both parts first"
	dft := func(opset int64, shape []int64, in []string, attrs ...any) *model {
		return newModel(opset).input("x", shape...).output("y").constant("axis", integer(-2)).constant("first", integer(1)).constant("short", integer(4)).
			node("DFT", "dft", in, list("z"), attrs...).node("ReduceSumSquare", "p", list("z"), list("y"), "axes", []int64{-1})
	}
	stft := func(shape []int64, hop, length arg, window arg, attrs ...any) *model {
		m := newModel(17).input("x", shape...).output("y").constant("hop", hop).constant("length", length)
		in := list("x", "hop", "", "length")
		if window.x != nil {
			m.constant("w", window)
			in[2] = "w"
		}
		return m.node("STFT", "stft", in, list("z"), attrs...).node("ReduceSumSquare", "p", list("z"), list("y"), "axes", []int64{-1})
	}
	signal := []int64{1, 400, 1}
	for what, m := range map[string]*model{
		"the output \"y\" takes real and imaginary parts":                     heard(17).node("Identity", "i", list("z"), list("y")),
		"operation Relu takes real and imaginary parts of a":                  heard(17).node("Relu", "r", list("z"), list("y")),
		"operation ReduceSum takes real and imaginary parts":                  heard(17).constant("axes", ints(-1)).node("ReduceSum", "r", list("z", "axes"), list("y")),
		"operation Add takes real and imaginary parts of a Fourier":           heard(17).node("Add", "a", list("z", "z"), list("y")),
		"operation Mul takes real and imaginary parts of a":                   heard(17).constant("k", number(-2)).node("Mul", "m", list("z", "k"), list("y")),
		"is a Fourier transform of 60 samples, and dnnc has those of powers":  stft(signal, integer(24), integer(60), arg{}),
		"transform 64, of which the last are zeros (n_fft=64 and a window of": stft(signal, integer(24), integer(60), arg{}),
		"and dnnc has those of 8 to 16384":                                    stft(signal, integer(24), integer(4), arg{}),
		"ask for half of them (onesided, rfft), or take the first 33":         stft(signal, integer(24), integer(64), arg{}, "onesided", 0),
		"has the frame_step 0; it is at least 1":                              stft(signal, integer(0), integer(64), arg{}),
		"has a frame_step that is not one integer":                            stft(signal, number(1.5), integer(64), arg{}),
		"has a frame_length of 64 and a window of 2 samples":                  stft(signal, integer(24), integer(64), floats(1, 2)),
		"of frames of 512 samples does not fit a signal of 400":               stft(signal, integer(24), integer(512), arg{}),
		"of complex numbers; dnnc transforms reals":                           stft([]int64{1, 400, 2}, integer(24), integer(64), arg{}),
		"a signal has the shape [1,N] or [1,N,1]":                             stft([]int64{3, 400, 1}, integer(24), integer(64), arg{}),
		"is inverse, of values that the network computes":                     dft(20, []int64{1, 64, 1}, list("x"), "inverse", 1),
		"is of complex numbers that the network computes":                     dft(20, []int64{1, 64, 2}, list("x")),
		"along axis 1 of [1 64 3 1]; dnnc transforms rows":                    dft(17, []int64{1, 64, 3, 1}, list("x")),
		"its last axis is 1, of reals, or 2, of real and imaginary parts":     dft(20, []int64{1, 64, 5}, list("x")),
		"along the axis of real and imaginary parts":                          dft(17, []int64{1, 64, 1}, list("x"), "axis", 2),
		"of frames along several axes of [1 2 3 64 1]":                        dft(20, []int64{1, 2, 3, 64, 1}, list("x")),
		"has 1 arguments, it needs 2":                                         newModel(17).input("x", 1, 9).output("y").node("STFT", "s", list("x"), list("y")),
		"operation HannWindow is supported only where":                        newModel(17).input("x", 1).output("y").node("HannWindow", "w", list("x"), list("y")),
	} {
		_, err := Parse("net", m.bytes(), Options{})
		if assert.ErrorContains(t, err, what) && strings.Contains(what, "real and imaginary parts") && !strings.Contains(what, "axis") {
			assert.ErrorContains(t, err, way)
		}
	}
}

// TestFaultyWindows are constants that cannot be made.
func TestFaultyWindows(t *testing.T) {
	for _, c := range []struct {
		op    string
		args  []arg
		attrs []any
		want  string
	}{
		{"HannWindow", []arg{integer(0)}, nil, "has the size 0; it is at least 1"},
		{"HannWindow", []arg{number(2.5)}, nil, "has a size that is not one integer"},
		{"HammingWindow", []arg{integer(1)}, []any{"periodic", 0}, "of which a symmetric window is not defined"},
		{"BlackmanWindow", []arg{integer(1 << 40)}, nil, "has a size that is not one integer"},
		{"BlackmanWindow", []arg{integer(1 << 30)}, nil, "makes a constant of 1073741824 elements"},
		{"HannWindow", []arg{integer(4)}, []any{"output_datatype", 99}, "of ONNX type 99"},
		{"MelWeightMatrix", []arg{integer(4), integer(16), integer(8000), number(5000), number(4000)}, nil, "has edges of 5000 and 4000 Hz"},
		{"MelWeightMatrix", []arg{integer(4), integer(16), integer(8000), number(0), number(5000)}, nil, "half of the sample rate 8000"},
		{"MelWeightMatrix", []arg{integer(1 << 30), integer(16), integer(8000), number(0), number(4000)}, nil, "of 1073741824 filters"},
		{"MelWeightMatrix", []arg{integer(1 << 20), integer(1 << 30), integer(8000), number(0), number(4000)}, nil, "makes a constant of"},
		{"MelWeightMatrix", []arg{integer(0), integer(16), integer(8000), number(0), number(4000)}, nil, "has the number of mel bins 0"},
		{"DFT", []arg{floats(1, 2, 3).of(1, 3, 1)}, []any{"inverse", 1, "onesided", 1}, "is the onesided inverse of reals"},
		{"DFT", []arg{floats(1, 2, 3).of(1, 3, 1), integer(1 << 30)}, nil, "makes a constant of"},
		{"DFT", []arg{floats(1, 2).of(1, 1, 2)}, []any{"inverse", 1, "onesided", 1}, "gives the shape [1 0 1]"},
		{"DFT", []arg{floats().of(1, 0, 1)}, []any{"onesided", 1}, "has no elements"},
		{"DFT", []arg{floats(make([]float64, 1<<15)...).of(1, 1<<15, 1)}, nil, "all that are made may take 268435456 products"},
	} {
		m := newModel(17).input("x", 1, 3).output("y").with(c.op, c.args, list("k"), c.attrs...).node("Add", "a", list("x", "k"), list("y"))
		_, err := Parse("net", m.bytes(), Options{})
		assert.ErrorContains(t, err, c.want, c.op)
	}
}

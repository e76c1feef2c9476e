package spectrum_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/spectrum"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/kernels"
)

var expressions = []string{
	"spectrogram(flat, frame: 8, hop: 5, fn: log)",
	"spectrogram(flat, frame: 31, hop: 50, fft: 64, window: hamming)",
	"spectrogram(flat, frame: 64, hop: 80, fft: 64, power: 1, window: none)",
	"spectrogram(reshape(flat, shape: [1,144]), frame: 100, hop: 22, fn: log, power: 1, eps: 1, window: blackman)",
	"spectrogram(flat, frame: 16, hop: 16, fn: log, floor: 1e6)",
	"spectrogram(flat, frame: 16, hop: 60, fft: 256)",
}

// TestFamily: both radices of the first stage, both powers, odd frames, all results.
func TestFamily(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&spectrum.Fourier}, expressions, "armv7em", "x86_64", "riscv32")
}

func TestWide(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&spectrum.Fourier}, expressions, "armv7em", "armv6m")
}

// banked is a spectrogram of 40 frames with a bank of filters, among them an empty one and one with negative weights.
func banked(isLog bool, power int) *geometry.SpectrumReals {
	const frame, hop, fft, bands = 21, 21, 32, 5
	s := &geometry.SpectrumReals{
		Spectrum: geometry.Spectrum{Frame: frame, Hop: hop, FFT: fft, Frames: 40, Bins: fft/2 + 1, Bands: bands, Power: power, IsLog: isLog},
		Taps:     geometry.WindowTaps(ir.WindowHann, frame), Eps: 1e-6, Floor: 1e-10, Gain: 1, Bank: make([]float64, bands*(fft/2+1)),
	}
	for i := range s.Bank {
		if b := i / s.Bins; b != 2 && i%s.Bins >= 3*b {
			s.Bank[i] = 1 - 1.5*float64(b/4)*float64(i%2)
		}
	}
	return s
}

// quantized is a node of integers.
func quantized(t *testing.T, reals *geometry.SpectrumReals) *ir.Node {
	t.Helper()
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{(reals.Frames-1)*reals.Hop + reals.Frame}, Quant: ir.Quant{Scale: 1. / 32768}}}
	out := ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{reals.Frames, reals.Bands}, Quant: ir.Quant{Scale: 1. / 1024}}
	s, err := reals.Ints(x.Type.Quant.Scale, out)
	require.NoError(t, err)
	n := &ir.Node{Op: ir.Spectrogram, Args: []*ir.Value{x}}
	n.Out = &ir.Value{Name: "y", Type: out, Def: n}
	put := func(key ir.Key[*ir.Const], kind ir.Kind, x []int64, shape ...int) {
		n.Put(key.Is(ir.IntConst(key.String(), ir.Of(kind), shape, x)))
	}
	n.Put(ir.AttrFrame.Is(s.Frame), ir.AttrHop.Is(s.Hop), ir.AttrFFT.Is(s.FFT), ir.AttrPower.Is(s.Power), ir.AttrLo.Is(-32768), ir.AttrHi.Is(32767))
	if s.IsLog {
		n.Put(ir.AttrFn.Is(ir.SpectrumLog))
		put(ir.AttrTable, ir.I32, ints(s.Table), len(s.Table))
	}
	var levels, spans []int64
	for _, l := range s.Levels {
		levels = append(levels, l.Shift, l.Add, l.Least, l.Base)
	}
	for _, b := range s.Spans {
		spans = append(spans, int64(b.First), int64(b.Bins))
	}
	put(ir.AttrTaps, ir.I16, ints(s.Taps), s.Frame)
	put(ir.AttrTwiddles, ir.I32, ints(s.Twiddles), len(s.Twiddles)/2, 2)
	put(ir.AttrLevels, ir.I64, levels, 16, 4)
	if s.Bank != nil {
		put(ir.AttrBank, ir.I16, ints(s.Bank), len(s.Bank))
		put(ir.AttrSpans, ir.I32, spans, s.Bands, 2)
	}
	put(ir.AttrMul, ir.I32, ints(s.Mul), 1)
	put(ir.AttrShift, ir.I32, ints(s.Requant.Shift), 1)
	typ, fault := ir.InferNode(n)
	require.Nil(t, fault)
	require.True(t, typ.Equal(out))
	return n
}

func ints[T int16 | int32](x []T) (y []int64) {
	for _, v := range x {
		y = append(y, int64(v))
	}
	return y
}

// TestLevels runs frames of every number of bits: silence, -1, single steps, up to all least integers.
func TestLevels(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, isLog := range []bool{true, false} {
		for power := 1; power <= 2; power++ {
			t.Run(fmt.Sprint(isLog, power), func(t *testing.T) {
				n := quantized(t, banked(isLog, power))
				s, err := geometry.SpectrumIntsOf(n)
				require.NoError(t, err)
				rng := rand.New(rand.NewPCG(1, 2))
				x := make([]int16, n.Args[0].Type.Shape.Size())
				for i := range x {
					switch f := i / 21; {
					case f == 1:
						x[i] = -1
					case f == 2:
						x[i] = -32768
					case f == 3:
						x[i] = 32767 - int16(i%2*3)
					case f > 4:
						x[i] = int16(rng.Uint32()) >> (f - 5)
					}
				}
				want := make([]int16, n.Out.Type.Shape.Size())
				kernels.SpectrogramInt(s, x, want)
				p, ok := spectrum.Fourier.Serves(kernel.Of(n, tgt))
				require.True(t, ok)
				spectrum.Fourier.Assign(n, p)
				net := emit.NewNetwork(tgt)
				fn, err := net.Layer("layer", n, p.Emit)
				require.NoError(t, err)
				in, out := ir.LittleEndian(2, ints(x)), make(loop.Memory, 2*len(want))
				_, err = loop.Run(fn, nil, []loop.Memory{in, out, make(loop.Memory, p.Scratch())})
				require.NoError(t, err)
				assert.Equal(t, loop.Memory(ir.LittleEndian(2, ints(want))), out)
			})
		}
	}
}

// TestCyclesAreNearCounts: instructions of Cortex-M4 and of Cortex-M3, by dnnc bench. No other processors have an estimate.
func TestCyclesAreNearCounts(t *testing.T) {
	for name, isFitted := range map[string]bool{"armv7m": true, "armv7em": true, "armv8m": true, "armv8.1m": false, "armv6m": false, "armv7": false, "x86_64": false} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		assert.Equal(t, isFitted, spectrum.Fourier.Fitted(tgt), name)
	}
	for _, c := range []struct {
		op     ir.Op
		frame  int
		frames int
		attrs  []ir.Attr
		m4, m3 float64
	}{
		{ir.Spectrogram, 480, 11, nil, 336065, 346592},
		{ir.Spectrogram, 240, 11, nil, 167060, 0},
		{ir.Spectrogram, 1024, 7, nil, 470655, 0},
		{ir.Spectrogram, 480, 11, []ir.Attr{ir.AttrFn.Is(ir.SpectrumLog)}, 522645, 536010},
		{ir.Spectrogram, 480, 11, []ir.Attr{ir.AttrPower.Is(1)}, 974395, 983536},
		{ir.Mel, 480, 11, []ir.Attr{ir.AttrRate.Is(16000), ir.AttrLow.Is(20)}, 334095, 344633},
		{ir.Mel, 480, 11, []ir.Attr{ir.AttrRate.Is(16000), ir.AttrLow.Is(20), ir.AttrBands.Is(80)}, 359136, 369674},
		{ir.LogMel, 480, 11, []ir.Attr{ir.AttrRate.Is(16000), ir.AttrLow.Is(20)}, 361388, 371486},
	} {
		n := &ir.Node{Op: c.op, Args: []*ir.Value{{Name: "x", Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{c.frame + 160*(c.frames-1)}}}}, Out: &ir.Value{Name: "y"}}
		n.Put(append(c.attrs, ir.AttrFrame.Is(c.frame), ir.AttrHop.Is(160))...)
		typ, fault := ir.InferNode(n)
		require.Nil(t, fault)
		n.Out.Type = typ
		reals, err := geometry.SpectrumRealsOf(n)
		require.NoError(t, err)
		for name, count := range map[string]float64{"armv7em": c.m4, "armv7m": c.m3} {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			p, ok := spectrum.Fourier.Serves(kernel.Of(quantized(t, reals), tgt))
			require.True(t, ok)
			if count > 0 {
				assert.InDelta(t, 1, p.Cycles()/count, .1, "%s of frames of %d on %s: %v", c.op, c.frame, name, n.Attrs)
			}
		}
	}
}

// TestTablesThatDoNotFit: an edited dump has no plan.
func TestTablesThatDoNotFit(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for name, edit := range map[string]func(n *ir.Node){
		"no multiplier": func(n *ir.Node) { n.Drop(ir.AttrMul) },
		"few roots": func(n *ir.Node) {
			n.Put(ir.AttrTwiddles.Is(ir.IntConst("r", ir.Of(ir.I32), ir.Shape{1, 2}, []int64{1, 0})))
		},
		"a shift of 64":    func(n *ir.Node) { level(n, 0, 64) },
		"a least sum of 0": func(n *ir.Node) { level(n, 2, 0) },
		"bins beyond":      func(n *ir.Node) { span(n, 0, 17) },
		"more bins":        func(n *ir.Node) { span(n, 1, 16) },
		"no table":         func(n *ir.Node) { n.Drop(ir.AttrTable) },
		"too great a table": func(n *ir.Node) {
			n.Put(ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.I32), ir.Shape{65}, append(make([]int64, 64), 1<<17))))
		},
	} {
		n := quantized(t, banked(true, 2))
		_, ok := spectrum.Fourier.Serves(kernel.Of(n, tgt))
		require.True(t, ok)
		edit(n)
		_, ok = spectrum.Fourier.Serves(kernel.Of(n, tgt))
		assert.False(t, ok, name)
	}
}

// level and span write a number of the first level, and of the first span.
func level(n *ir.Node, at int, v int64) { rewrite(n, ir.AttrLevels, at, v) }
func span(n *ir.Node, at int, v int64)  { rewrite(n, ir.AttrSpans, at, v) }

func rewrite(n *ir.Node, key ir.Key[*ir.Const], at int, v int64) {
	c := n.Const(key)
	x, _ := c.Ints()
	x[at] = v
	n.Put(key.Is(ir.IntConst(c.Name, c.Type.Elem, c.Type.Shape, x)))
}

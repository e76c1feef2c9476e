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

// node is a quantized spectrogram of samples with 40 frames and a bank of filters, among them an empty one and one
// with negative weights.
func node(t *testing.T, isLog bool, power int) *ir.Node {
	t.Helper()
	const frame, hop, fft, bands = 21, 21, 32, 5
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{40 * hop}, Quant: ir.Quant{Scale: 1. / 32768}}}
	reals := &geometry.SpectrumReals{
		Spectrum: geometry.Spectrum{Frame: frame, Hop: hop, FFT: fft, Frames: 40, Bins: fft/2 + 1, Bands: bands, Power: power, IsLog: isLog},
		Taps:     geometry.WindowTaps(ir.WindowHann, frame), Eps: 1e-6, Floor: 1e-10, Gain: 1, Bank: make([]float64, bands*(fft/2+1)),
	}
	for i := range reals.Bank {
		if b := i / reals.Bins; b != 2 && i%reals.Bins >= 3*b {
			reals.Bank[i] = 1 - 1.5*float64(b/4)*float64(i%2)
		}
	}
	out := ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{40, bands}, Quant: ir.Quant{Scale: 1. / 1024}}
	s, err := reals.Ints(x.Type.Quant.Scale, out)
	require.NoError(t, err)
	n := &ir.Node{Op: ir.Spectrogram, Args: []*ir.Value{x}}
	n.Out = &ir.Value{Name: "y", Type: out, Def: n}
	put := func(key ir.Key[*ir.Const], kind ir.Kind, x []int64, shape ...int) {
		n.Put(key.Is(ir.IntConst(key.String(), ir.Of(kind), shape, x)))
	}
	n.Put(ir.AttrFrame.Is(frame), ir.AttrHop.Is(hop), ir.AttrFFT.Is(fft), ir.AttrPower.Is(power), ir.AttrLo.Is(-32768), ir.AttrHi.Is(32767))
	if isLog {
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
	put(ir.AttrTaps, ir.I16, ints(s.Taps), frame)
	put(ir.AttrTwiddles, ir.I32, ints(s.Twiddles), len(s.Twiddles)/2, 2)
	put(ir.AttrLevels, ir.I64, levels, 16, 4)
	put(ir.AttrBank, ir.I16, ints(s.Bank), len(s.Bank))
	put(ir.AttrSpans, ir.I32, spans, bands, 2)
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
				n := node(t, isLog, power)
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

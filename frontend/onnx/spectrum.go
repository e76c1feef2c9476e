package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// stage says what the elements of a spectrum are.
type stage int

const (
	complexes stage = iota // real and imaginary parts, along an axis of two
	squares                // these, squared
	part                   // one of them
	square                 // one of them, squared
	powers                 // magnitudes, or their squares
	bands                  // sums of powers by filters
	biased                 // powers or bands, plus a number or with a least one
	logs                   // logarithms of all these
)

// axisOf says what an axis of a spectrum counts.
type axisOf int

const (
	one axisOf = iota // nothing: it has one element
	framesAxis
	binsAxis // frequencies, or filters
	partsAxis
)

// spectrum is what operations of ONNX have made of the Fourier transforms of a signal's frames. The language
// has all of it as one operation, which is written when an operation follows that the language does not have in it.
type spectrum struct {
	name          string
	signal        *ir.Value
	frame, hop    int
	fft, frames   int
	taps          []float64
	stage         stage
	which         int // of square and part: 0 is the real one
	power         int // of magnitudes
	rows          int // bins or bands that are kept, the first ones
	bank          []float64
	eps           float64
	floor         float64 // 0: none
	gain          float64
	before        *operand // of a biased one: without the number
	after         []replay // what made it biased
	v             *ir.Value
	isWholeCircle bool // the bins above half of the rate are there, too
}

// replay is a node of the model, applied again to a value in its first argument that is no constant.
type replay struct {
	n  *pb.Node
	in []*operand
}

// errComplex refuses operations on parts of spectra.
var errComplex = errors.New("takes real and imaginary parts of a Fourier transform, of which dnnc computes magnitudes and their squares alone: add the squares of both parts first (re*re+im*im, ReduceSumSquare or ReduceL2), or leave the transform to the program, and make the spectrum an input of the network")

// onSpectrum imports an operation one of whose arguments is a spectrum. Where it is none that the language's
// operation has, isDone is false, and the arguments are values from there on.
func (im *importer) onSpectrum(n *pb.Node, in []*operand) (outs []*operand, isDone bool, err error) {
	i := slices.IndexFunc(in, func(o *operand) bool { return o != nil && o.s != nil })
	if take := onSpectra[n.GetOpType()]; take != nil && (n.GetDomain() == "" || n.GetDomain() == "ai.onnx") {
		outs, err = take(im, n, in, i)
		if err != nil || outs != nil {
			return outs, true, err
		}
	}
	for k, o := range in {
		if in[k], err = im.settled(o); err != nil {
			return nil, false, err
		}
	}
	return nil, false, nil
}

// settled is an operand that is a value of the module, if it was a spectrum.
func (im *importer) settled(o *operand) (*operand, error) {
	if o == nil || o.s == nil {
		return o, nil
	}
	s := o.s
	if s.stage < powers {
		return nil, errComplex
	}
	if s.stage == biased {
		x, err := im.settled(s.before)
		if err != nil {
			return nil, err
		}
		for _, r := range s.after {
			in := slices.Clone(r.in)
			in[slices.IndexFunc(in, func(o *operand) bool { return o != nil && o.c == nil })] = x
			outs, err := im.apply(table[r.n.GetOpType()], r.n, in)
			if err != nil {
				return nil, err
			}
			x = outs[0]
		}
		return &operand{v: x.v, shape: o.shape}, nil
	}
	if s.v == nil {
		if err := im.write(s); err != nil {
			return nil, err
		}
	}
	// From [frames,bands] to the bins that are left, and to the axes of the operand.
	all := s.v.Type.Shape[len(s.v.Type.Shape)-1]
	x := &operand{v: s.v, shape: []int{1, s.frames, all}}
	if s.rows != all {
		part, err := im.viewedAs(s.name+".first", x, ir.ViewOf(x.shape).Slice(2, 0, 1, s.rows))
		if err != nil {
			return nil, err
		}
		x = part[0]
	}
	if o.at(binsAxis) >= 0 && o.at(binsAxis) < o.at(framesAxis) {
		own := x.v.Type.Shape
		v, err := im.Add(ir.Transpose, s.name+".columns", []*ir.Value{x.v}, ir.AttrPerm.Is(build.MoveAxis(len(own), len(own)-1, len(own)-2)))
		if err != nil {
			return nil, err
		}
		x = &operand{v: v}
	}
	return &operand{v: x.v, shape: o.shape}, nil
}

// at is the place of an axis, -1 where the operand has none.
func (o *operand) at(what axisOf) int { return slices.Index(o.axes, what) }

// write makes the operation of a spectrum.
func (im *importer) write(s *spectrum) error {
	bins := s.fft/2 + 1
	if s.rows > bins && s.bank == nil {
		return fmt.Errorf("has all %d frequencies of a Fourier transform, of which those above half of the sample rate mirror the others: ask for half of them (onesided, rfft), or take the first %d", s.fft, bins)
	}
	name := im.Name(s.name)
	attrs := []ir.Attr{ir.AttrFrame.Is(s.frame), ir.AttrHop.Is(s.hop), ir.AttrFFT.Is(s.fft), ir.AttrPower.Is(s.power)}
	if w := windowNamed(s.taps); w != "" {
		attrs = append(attrs, ir.AttrWindow.Is(w))
	} else {
		attrs = append(attrs, ir.AttrWindow.Is(ir.WindowNone), ir.AttrTaps.Is(im.Floats(name+".taps", ir.Shape{s.frame}, float32s(s.taps))))
	}
	if s.bank != nil {
		attrs = append(attrs, ir.AttrBank.Is(im.Floats(name+".bank", ir.Shape{len(s.bank) / bins, bins}, float32s(s.bank))))
	}
	if s.stage == logs {
		attrs = append(attrs, ir.AttrFn.Is(ir.SpectrumLog), ir.AttrEps.Is(build.ShortFloat(s.eps)), ir.AttrGain.Is(build.ShortFloat(s.gain)))
		if s.floor > 0 {
			attrs = append(attrs, ir.AttrFloor.Is(build.ShortFloat(s.floor)))
		}
	}
	signal := s.signal
	if shape := signal.Type.Shape; len(shape) != 1 && (len(shape) != 2 || shape[0] != 1) {
		var err error
		if signal, err = im.Reshape(signal, ir.Shape{1, shape.Size()}); err != nil {
			return err
		}
	}
	v, err := im.AddNamed(ir.Spectrogram, name, []*ir.Value{signal}, attrs...)
	if err != nil {
		return err
	}
	s.v = v
	im.hear(v)
	return nil
}

// hear says of an input that a spectrum is made of that it holds a signal, from -1 to 1 where nothing else is said.
func (im *importer) hear(v *ir.Value) {
	for v.Def != nil {
		v = v.Def.Args[0]
	}
	v.Content = ir.Content{Kind: ir.Signal, Axis: ir.NoAxis}
	if im.unsaid[v] {
		v.Range = &ir.Range{Lo: -1, Hi: 1}
	}
}

// windowNamed is the name of a periodic window of the language, within float32; "" where it is none.
func windowNamed(taps []float64) string {
	for _, name := range []string{ir.WindowNone, ir.WindowHann, ir.WindowHamming, ir.WindowBlackman} {
		if slices.EqualFunc(taps, geometry.WindowTaps(name, len(taps)), func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			return name
		}
	}
	return ""
}

func float32s(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// spectrumOf begins a spectrum; the shape of the result has its axes.
func (im *importer) spectrumOf(n *pb.Node, s *spectrum, shape []int, axes []axisOf) ([]*operand, error) {
	switch {
	case s.fft&(s.fft-1) != 0:
		up := 1
		for up < s.fft {
			up *= 2
		}
		return nil, fmt.Errorf("is a Fourier transform of %d samples, and dnnc has those of powers of two: transform %d, of which the last are zeros (n_fft=%d and a window of %d samples in PyTorch), and fit what follows to %d frequencies", s.fft, up, up, s.frame, up/2+1)
	case s.fft < ir.LeastFFT || s.fft > ir.MostFFT:
		return nil, fmt.Errorf("is a Fourier transform of %d samples, and dnnc has those of %d to %d", s.fft, ir.LeastFFT, ir.MostFFT)
	}
	s.name, s.power, s.gain = moduleName(n), 2, 1
	s.rows = shape[slices.Index(axes, binsAxis)]
	s.scaled()
	return []*operand{{s: s, shape: shape, axes: axes}}, nil
}

// scaled moves factors of the whole signal into the window.
func (s *spectrum) scaled() {
	for s.signal.Def != nil {
		d := s.signal.Def
		scale, ok := factors(d)
		switch {
		case d.Op == ir.Reshape || d.Op == ir.Flatten:
		case ok && len(scale) == 1:
			for i := range s.taps {
				s.taps[i] *= scale[0]
			}
		default:
			return
		}
		s.signal = d.Args[0]
	}
}

// factors are the factors of an operation that multiplies each element of the first axis by a number of its own,
// one where they are equal.
func factors(n *ir.Node) (scale []float64, ok bool) {
	switch n.Op {
	case ir.Normalize:
		for _, v := range n.Nums(ir.AttrMean) {
			if v != 0 {
				return nil, false
			}
		}
		scale = inverted(n.Nums(ir.AttrStd))
	case ir.BatchNorm:
		var x [4][]float32
		for i, key := range []ir.Key[*ir.Const]{ir.AttrGamma, ir.AttrVariance, ir.AttrBeta, ir.AttrRunningMean} {
			var err error
			if x[i], err = n.Const(key).Float32(); err != nil {
				return nil, false
			}
		}
		for i := range x[0] {
			if x[2][i] != 0 || x[3][i] != 0 {
				return nil, false
			}
			scale = append(scale, float64(x[0][i])/math.Sqrt(float64(x[1][i])+n.Float(ir.AttrEps)))
		}
	default:
		return nil, false
	}
	if slices.Min(scale) == slices.Max(scale) {
		scale = scale[:1]
	}
	return scale, true
}

// stft begins a spectrum by STFT.
func stft(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	f, err := framesOf(n, in)
	if err != nil {
		return nil, err
	}
	s := &spectrum{signal: in[0].v, frame: f.frame, hop: f.hop, fft: f.frame, frames: f.number(), taps: slices.Clone(f.taps), isWholeCircle: !f.onesided}
	bins := f.frame
	if f.onesided {
		bins = f.frame/2 + 1
	}
	return im.spectrumOf(n, s, []int{1, s.frames, bins, 2}, []axisOf{one, framesAxis, binsAxis, partsAxis})
}

// dft begins a spectrum by DFT, of rows of samples: frames that operations before it took from a signal, if they did.
func dft(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	t, err := im.transformOf(n, in)
	if err != nil {
		return nil, err
	}
	switch {
	case t.inverse:
		return nil, errors.New("is inverse, of values that the network computes; dnnc has transforms of signals alone: run this part outside of the network")
	case t.parts == 2:
		return nil, errors.New("is of complex numbers that the network computes; dnnc transforms reals")
	case build.Product(t.shape[t.axis+1:]) != 1:
		return nil, fmt.Errorf("along axis %d of %v; dnnc transforms rows: bring this axis to the end, before the one of reals", t.axis, t.shape)
	}
	s := &spectrum{signal: in[0].v, frame: t.shape[t.axis], fft: t.length, frames: build.Product(t.shape[:t.axis]), isWholeCircle: !t.onesided}
	axes := make([]axisOf, len(t.shape))
	for k, d := range t.shape[:t.axis] {
		if d > 1 && slices.Contains(axes, framesAxis) {
			return nil, fmt.Errorf("of frames along several axes of %v; dnnc has frames along one: bring them into one axis", t.shape)
		}
		if d > 1 {
			axes[k] = framesAxis
		}
	}
	axes[t.axis], axes[len(axes)-1] = binsAxis, partsAxis
	if err := im.framed(n, s); err != nil {
		return nil, err
	}
	if s.frame > s.fft { // the transform takes the first samples
		s.frame, s.taps = s.fft, s.taps[:s.fft]
	}
	return im.spectrumOf(n, s, t.result(), axes)
}

// windowed multiplies the window by factors, each of so many elements of the rows, one factor after the other and
// from the first one on again; ok is false where they differ from frame to frame.
func (s *spectrum) windowed(scale []float64, inner int) (ok bool) {
	at := func(i int) float64 { return scale[i/inner%len(scale)] }
	for i := range s.frames * s.frame {
		if at(i) != at(i%s.frame) {
			return false
		}
	}
	for i := range s.taps {
		s.taps[i] *= at(i)
	}
	return true
}

// turned goes before an operation along an axis, whose factors become the window's.
func (s *spectrum) turned(t turned) (ok bool) {
	d := t.channels.Def
	scale, ok := factors(d)
	if !ok || d.Args[0].Def == nil || d.Args[0].Def.Op != ir.Copy || !s.windowed(scale, t.shape[2]) {
		return false
	}
	s.signal = d.Args[0].Def.Args[0]
	return true
}

// framed finds the window, the hop and the signal of rows that operations before a DFT have made of it. Where it finds
// no more, what is there is the signal, row after row.
func (im *importer) framed(n *pb.Node, s *spectrum) error {
	s.taps, s.hop = slices.Repeat([]float64{1}, s.frame), s.frame
	for s.signal.Def != nil {
		d := s.signal.Def
		switch d.Op {
		case ir.Reshape, ir.Flatten:
		case ir.Normalize, ir.BatchNorm:
			scale, ok := factors(d)
			if !ok || !s.windowed(scale, d.Out.Type.Shape.Size()/len(scale)) {
				return nil
			}
		case ir.Pad:
			before, ok := s.zeros(d)
			if !ok {
				return nil
			}
			s.frame = d.Args[0].Type.Shape.Size() / s.frames
			s.taps, s.hop = s.taps[before:before+s.frame], s.frame
		case ir.Copy:
			if t, ok := im.turned[s.signal]; ok && s.turned(t) {
				continue
			}
			return im.unfolded(n, s, d)
		default:
			return nil
		}
		s.signal = d.Args[0]
	}
	return nil
}

// zeros is the number of zeros that a pad adds before each frame, if it adds zeros to frames alone.
func (s *spectrum) zeros(n *ir.Node) (before int, ok bool) {
	if n.Word(ir.AttrMode) != ir.PadConstant || n.Float(ir.AttrValue) != 0 || slices.ContainsFunc(n.Ints(ir.AttrBetween), func(k int) bool { return k != 0 }) {
		return 0, false
	}
	shape, inner := n.Out.Type.Shape, 1
	for k := len(shape) - 1; k >= 0; k-- {
		b, a := n.Ints(ir.AttrBefore)[k], n.Ints(ir.AttrAfter)[k]
		if a+b > 0 && (inner != 1 || shape[k] != s.frame || ok) {
			return 0, false
		}
		if a+b > 0 {
			before, ok = b, true
		}
		inner *= shape[k]
	}
	return before, ok
}

// unfolded takes a signal whose frames a view shows, and the samples between the first one and the last one.
func (im *importer) unfolded(n *pb.Node, s *spectrum, d *ir.Node) error {
	hop, start, isFrames := s.frame, d.Int(ir.AttrStart), true
	view := ir.View{Dims: d.Ints(ir.AttrDims), Strides: d.Ints(ir.AttrStrides), Start: start}
	view.Each(func(i, at int) {
		if i == s.frame {
			hop = at - start
		}
		isFrames = isFrames && at == start+i/s.frame*hop+i%s.frame
	})
	if !isFrames || hop < 1 {
		return nil
	}
	s.hop, s.signal = hop, d.Args[0]
	need, have := (s.frames-1)*hop+s.frame, s.signal.Type.Shape.Size()
	if start == 0 && (have-s.frame)/hop+1 == s.frames {
		return nil
	}
	part, err := im.viewedAs(moduleName(n)+".samples", &operand{v: s.signal, shape: []int{1, have}}, ir.ViewOf([]int{1, have}).Slice(1, start, 1, need))
	if err != nil {
		return err
	}
	s.signal = part[0].v
	return nil
}

// taker imports an operation whose argument i is a spectrum; nil where the language's operation does not have it.
type taker = func(im *importer, n *pb.Node, in []*operand, i int) ([]*operand, error)

var onSpectra map[string]taker

func init() {
	onSpectra = map[string]taker{
		"Identity": sameSpectrum, "Cast": castSpectrum,
		"Reshape": spectrumShaped(reshapeShape), "Squeeze": spectrumShaped(squeezeShape), "Unsqueeze": spectrumShaped(unsqueezeShape), "Flatten": spectrumShaped(flattenShape),
		"Transpose": transposeSpectrum,
		"Gather":    gatherSpectrum, "Slice": sliceSpectrum, "Split": splitSpectrum,
		"Pow": powerSpectrum, "Mul": multiplySpectrum, "Div": divideSpectrum, "Sqrt": rootSpectrum,
		"Add": addSpectrum, "ReduceSum": sumSpectrum(squares, 2), "ReduceSumSquare": sumSpectrum(complexes, 2), "ReduceL2": sumSpectrum(complexes, 1),
		"MatMul": filterSpectrum, "Clip": clipSpectrum, "Max": maximumSpectrum, "Log": logSpectrum,
	}
}

// next is an operand like o of another spectrum, named after the operation that makes it.
func (o *operand) next(n *pb.Node, change func(s *spectrum)) []*operand {
	s := *o.s
	s.v, s.name = nil, moduleName(n)
	change(&s)
	return []*operand{{s: &s, shape: o.shape, axes: o.axes}}
}

func sameSpectrum(_ *importer, _ *pb.Node, in []*operand, _ int) ([]*operand, error) {
	return in[:1], nil
}

func castSpectrum(_ *importer, n *pb.Node, in []*operand, _ int) ([]*operand, error) {
	if !dtype(intAttr(n, "to", 0)).isFloat() {
		return nil, nil
	}
	return in[:1], nil
}

// spectrumShaped adds and removes axes of one element.
func spectrumShaped(shape func(n *pb.Node, in []*operand) ([]int, error)) taker {
	return func(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
		if i != 0 {
			return nil, nil
		}
		to, err := shape(n, in)
		if err != nil {
			return nil, err
		}
		o := in[0]
		var long []axisOf
		var sizes []int
		for k, d := range o.shape {
			if d > 1 {
				long, sizes = append(long, o.axes[k]), append(sizes, d)
			}
		}
		axes := make([]axisOf, len(to))
		for k, d := range to {
			switch {
			case d == 1:
			case len(sizes) == 0 || sizes[0] != d:
				return nil, nil
			default:
				axes[k], long, sizes = long[0], long[1:], sizes[1:]
			}
		}
		return []*operand{{s: o.s, shape: to, axes: axes}}, nil
	}
}

func transposeSpectrum(im *importer, n *pb.Node, in []*operand, _ int) ([]*operand, error) {
	v, err := transposeView(im, n, in)
	if err != nil {
		return nil, err
	}
	perm := intsAttr(n, "perm")
	axes := slices.Clone(in[0].axes)
	for k := range axes {
		from := len(axes) - 1 - k
		if perm != nil {
			from = perm[k]
		}
		axes[k] = in[0].axes[from]
	}
	return []*operand{{s: in[0].s, shape: v.Dims, axes: axes}}, nil
}

// chosen is an operand of which an axis has only some elements: one of two parts, or the first bins.
func (o *operand) chosen(n *pb.Node, axis, first, number int, keep bool) []*operand {
	shape, axes := slices.Clone(o.shape), slices.Clone(o.axes)
	shape[axis] = number
	if axes[axis] = one; number > 1 {
		axes[axis] = o.axes[axis]
	}
	if !keep {
		shape, axes = slices.Delete(shape, axis, axis+1), slices.Delete(axes, axis, axis+1)
	}
	var change func(s *spectrum)
	switch s := o.s; {
	case number == o.shape[axis]:
		change = func(*spectrum) {}
	case o.axes[axis] == partsAxis && s.stage == complexes:
		change = func(s *spectrum) { s.stage, s.which = part, first }
	case o.axes[axis] == partsAxis && s.stage == squares:
		change = func(s *spectrum) { s.stage, s.which = square, first }
	case o.axes[axis] == binsAxis && first == 0 && number > 1 && s.bank == nil && s.stage != biased:
		change = func(s *spectrum) { s.rows = number }
	default:
		return nil
	}
	out := o.next(n, change)[0]
	out.shape, out.axes = shape, axes
	return []*operand{out}
}

func gatherSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	if i != 0 {
		return nil, nil
	}
	axis, err := build.Axis(intAttr(n, "axis", 0), len(in[0].shape))
	if err != nil {
		return nil, err
	}
	at, ok := oneNumber(in[1].c)
	if !ok || len(in[1].shape) > 1 {
		return nil, nil
	}
	if at < 0 {
		at += float64(in[0].shape[axis])
	}
	if at < 0 || int(at) >= in[0].shape[axis] {
		return nil, fmt.Errorf("takes element %d of %d", int(at), in[0].shape[axis])
	}
	return in[0].chosen(n, axis, int(at), 1, len(in[1].shape) == 1), nil
}

func sliceSpectrum(im *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	if i != 0 {
		return nil, nil
	}
	v, err := sliceView(im, n, in)
	if err != nil {
		return nil, err
	}
	whole := ir.ViewOf(in[0].shape)
	out := in[0]
	for k, d := range v.Dims {
		if d == in[0].shape[k] && v.Strides[k] == whole.Strides[k] {
			continue
		}
		if out != in[0] || v.Strides[k] != whole.Strides[k] || d < 1 {
			return nil, nil
		}
		list := in[0].chosen(n, k, v.Start/whole.Strides[k], d, true)
		if list == nil {
			return nil, nil
		}
		out = list[0]
	}
	return []*operand{out}, nil
}

// splitSpectrum takes the two parts apart.
func splitSpectrum(_ *importer, n *pb.Node, in []*operand, _ int) ([]*operand, error) {
	axis, err := build.Axis(intAttr(n, "axis", 0), len(in[0].shape))
	if err != nil || in[0].axes[axis] != partsAxis || len(n.Output) != 2 {
		return nil, err
	}
	return slices.Concat(in[0].chosen(n, axis, 0, 1, true), in[0].chosen(n, axis, 1, 1, true)), nil
}

func powerSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	e, ok := oneNumber(in[1].c)
	if i != 0 || !ok || len(in[1].shape) > len(in[0].shape) {
		return nil, nil
	}
	switch e {
	case 2:
		return in[0].squared(n), nil
	case .5:
		return in[0].root(n), nil
	}
	return nil, nil
}

// squared is nil where a square is none of the language's operation.
func (o *operand) squared(n *pb.Node) []*operand {
	switch s := o.s; {
	case s.stage == complexes:
		return o.next(n, func(s *spectrum) { s.stage = squares })
	case s.stage == part:
		return o.next(n, func(s *spectrum) { s.stage = square })
	case s.stage == powers && s.power == 1:
		return o.next(n, func(s *spectrum) { s.power = 2 })
	}
	return nil
}

func (o *operand) root(n *pb.Node) []*operand {
	if o.s.stage == powers && o.s.power == 2 {
		return o.next(n, func(s *spectrum) { s.power = 1 })
	}
	return nil
}

func rootSpectrum(_ *importer, n *pb.Node, in []*operand, _ int) ([]*operand, error) {
	return in[0].root(n), nil
}

// times is an operand times a positive number.
func (o *operand) times(n *pb.Node, x float64, r replay) []*operand {
	if !(x > 0) || math.IsInf(x, 0) {
		return nil
	}
	return o.next(n, func(s *spectrum) {
		switch {
		case s.stage == logs:
			s.gain *= x
			return
		case s.bank != nil:
			s.bank = scaledBy(s.bank, x)
		case s.stage >= powers && s.power == 2, s.stage == squares, s.stage == square:
			s.taps = scaledBy(s.taps, math.Sqrt(x))
		default:
			s.taps = scaledBy(s.taps, x)
		}
		if s.stage == biased {
			s.eps, s.floor = s.eps*x, s.floor*x
			s.after = append(slices.Clip(s.after), r)
		}
	})
}

func scaledBy(x []float64, by float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * by
	}
	return y
}

func multiplySpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	if a, b := in[0], in[1]; a.s != nil && b.s != nil {
		if a.s == b.s && slices.Equal(a.axes, b.axes) && slices.Equal(a.shape, b.shape) {
			return a.squared(n), nil
		}
		return nil, nil
	}
	x, ok := numberFor(in[i], in[1-i])
	if !ok {
		return nil, nil
	}
	return in[i].times(n, x, replay{n, in}), nil
}

// numberFor is a constant of one number that leaves the shape of an operand.
func numberFor(o, c *operand) (float64, bool) {
	x, ok := oneNumber(c.c)
	return x, ok && len(c.shape) <= len(o.shape)
}

func divideSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	x, ok := numberFor(in[0], in[1])
	if !ok || i != 0 || x == 0 {
		return nil, nil
	}
	return in[0].times(n, 1/x, replay{n, in}), nil
}

// isOf says whether two spectra are of the same frames, and have the same axes.
func (o *operand) isOf(p *operand) bool {
	a, b := o.s, p.s
	return a.signal == b.signal && a.frame == b.frame && a.hop == b.hop && a.fft == b.fft && a.rows == b.rows && a.isWholeCircle == b.isWholeCircle && slices.Equal(a.taps, b.taps) &&
		slices.Equal(o.axes, p.axes) && slices.Equal(o.shape, p.shape)
}

// addSpectrum adds the squares of two parts, or a number.
func addSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	if a, b := in[0], in[1]; a.s != nil && b.s != nil {
		if a.s.stage == square && b.s.stage == square && a.s.which != b.s.which && a.isOf(b) {
			return a.next(n, func(s *spectrum) { s.stage = powers }), nil
		}
		return nil, nil
	}
	x, ok := numberFor(in[i], in[1-i])
	if !ok || !(x >= 0) || math.IsInf(x, 0) {
		return nil, nil
	}
	return in[i].bounded(n, replay{n, in}, func(s *spectrum) {
		s.eps += x
		if s.floor > 0 {
			s.floor += x
		}
	}), nil
}

// bounded is an operand plus a number, or with a least number.
func (o *operand) bounded(n *pb.Node, r replay, change func(s *spectrum)) []*operand {
	if o.s.stage < powers || o.s.stage == logs {
		return nil
	}
	return o.next(n, func(s *spectrum) {
		if s.stage != biased {
			s.stage, s.before = biased, o
		}
		s.after = append(slices.Clip(s.after), r)
		change(s)
	})
}

// sumSpectrum adds what the parts have, where they are at a stage.
func sumSpectrum(from stage, power int) taker {
	return func(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
		set, err := reduceAxes(n, in)
		if err != nil || i != 0 {
			return nil, err
		}
		o := in[0]
		for k, is := range set {
			if is != (o.axes[k] == partsAxis) && (o.shape[k] > 1 || intAttr(n, "keepdims", 1) == 0) {
				return nil, nil
			}
		}
		if o.s.stage != from || o.at(partsAxis) < 0 {
			return nil, nil
		}
		out := o.next(n, func(s *spectrum) { s.stage, s.power = powers, power })[0]
		k := o.at(partsAxis)
		out.shape, out.axes = slices.Clone(o.shape), slices.Clone(o.axes)
		if out.shape[k], out.axes[k] = 1, one; intAttr(n, "keepdims", 1) == 0 {
			out.shape, out.axes = slices.Delete(out.shape, k, k+1), slices.Delete(out.axes, k, k+1)
		}
		return []*operand{out}, nil
	}
}

// filterSpectrum multiplies by a matrix of filters, none of which takes a power away: x[frames,bins] by [bins,bands],
// or [bands,bins] by x[bins,frames].
func filterSpectrum(im *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	o, c := in[i], in[1-i].c
	rank := len(o.shape)
	if c == nil || rank < 2 || o.s.stage != powers || o.at(binsAxis) != rank-1-i {
		return nil, nil
	}
	m := slices.Clone(c.shape)
	for len(m) > 2 && m[0] == 1 && len(m) <= rank {
		m = m[1:]
	}
	if len(m) != 2 || m[i] != o.s.rows {
		return nil, nil
	}
	w, err := c.numbers()
	if err != nil {
		return nil, err
	}
	if slices.Min(w) < 0 || slices.Max(w) <= 0 || math.IsInf(slices.Max(w), 0) {
		return nil, nil
	}
	bins, filters := o.s.fft/2+1, m[1-i]
	if o.s.rows > bins {
		return nil, nil
	}
	if err := im.room(bins * filters); err != nil {
		return nil, err
	}
	bank := make([]float64, bins*filters)
	for b := range filters {
		for k := range o.s.rows {
			at := k*filters + b
			if i == 1 {
				at = b*o.s.rows + k
			}
			bank[b*bins+k] = w[at]
		}
	}
	out := o.next(n, func(s *spectrum) { s.stage, s.bank, s.rows = bands, bank, filters })[0]
	out.shape = slices.Clone(o.shape)
	out.shape[rank-1-i] = filters
	return []*operand{out}, nil
}

func clipSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	lo, err := bound(n, in, "min", 1, math.Inf(-1))
	if err != nil {
		return nil, err
	}
	hi, err := bound(n, in, "max", 2, math.Inf(1))
	if err != nil || i != 0 || hi < math.MaxFloat32/2 {
		return nil, err
	}
	return in[0].atLeast(n, lo, replay{n, in}), nil
}

func maximumSpectrum(_ *importer, n *pb.Node, in []*operand, i int) ([]*operand, error) {
	if len(in) != 2 {
		return nil, nil
	}
	x, ok := numberFor(in[i], in[1-i])
	if !ok {
		return nil, nil
	}
	return in[i].atLeast(n, x, replay{n, in}), nil
}

// atLeast is an operand with a least number.
func (o *operand) atLeast(n *pb.Node, least float64, r replay) []*operand {
	if !(least > 0) || math.IsInf(least, 0) {
		return nil
	}
	return o.bounded(n, r, func(s *spectrum) { s.floor = max(s.floor, least) })
}

func logSpectrum(_ *importer, n *pb.Node, in []*operand, _ int) ([]*operand, error) {
	if s := in[0].s; s.stage < powers || s.stage == logs {
		return nil, nil
	}
	return in[0].next(n, func(s *spectrum) { s.stage, s.before, s.after = logs, nil, nil }), nil
}

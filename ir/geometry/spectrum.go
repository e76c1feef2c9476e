package geometry

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Spectrum is the sizes of a spectrogram, and what it computes of powers.
type Spectrum struct {
	Frame, Hop, FFT     int
	Frames, Bins, Bands int
	Power               int // of magnitudes
	IsLog               bool
}

// SpectrumOf reads the sizes of a spectrogram.
func SpectrumOf(n *ir.Node) Spectrum {
	out := n.Out.Type.Shape
	s := Spectrum{
		Frame: n.Int(ir.AttrFrame), Hop: n.Int(ir.AttrHop), FFT: n.FFT(),
		Frames: out[len(out)-2], Bins: n.Bins(), Bands: out[len(out)-1],
		Power: n.Int(ir.AttrPower), IsLog: n.Op != ir.Mel,
	}
	if n.Op == ir.Spectrogram {
		s.IsLog = n.Word(ir.AttrFn) == ir.SpectrumLog
	} else {
		s.Bands = n.Int(ir.AttrBands)
	}
	return s
}

// SpectrumReals is a spectrogram of reals.
type SpectrumReals struct {
	Spectrum
	Taps             []float64 // of the window, one a sample of a frame
	Bank             []float64 // [Bands][Bins]; nil: each bin is a band
	Eps, Floor, Gain float64
	Cosines          []float64 // of the bands, [coefficients][Bands]; nil: the result is the bands
}

// SpectrumRealsOf reads a spectrogram of reals, also one by filters of mel frequencies.
func SpectrumRealsOf(n *ir.Node) (*SpectrumReals, error) {
	s := &SpectrumReals{Spectrum: SpectrumOf(n)}
	if n.Op.Takes(ir.AttrFloor) {
		s.Eps, s.Floor, s.Gain = n.Float(ir.AttrEps), n.Float(ir.AttrFloor), n.Float(ir.AttrGain)
	}
	s.Taps = WindowTaps(n.Word(ir.AttrWindow), s.Frame)
	if n.Op != ir.Spectrogram {
		s.Bank = melBank(n)
		if n.Op.Takes(ir.AttrNumber) {
			s.Cosines = cosines(n.Int(ir.AttrNumber), s.Bands)
		}
		return s, nil
	}
	var err error
	if c := n.Const(ir.AttrTaps); c != nil {
		if s.Taps, err = finite(c); err != nil {
			return nil, err
		}
	}
	if c := n.Const(ir.AttrBank); c != nil {
		s.Bank, err = finite(c)
	}
	return s, err
}

// finite are the elements of a constant of reals, which are all numbers.
func finite(c *ir.Const) ([]float64, error) {
	x, err := c.Float32()
	if err != nil {
		return nil, err
	}
	y := make([]float64, len(x))
	for i, v := range x {
		if y[i] = float64(v); math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
			return nil, fmt.Errorf("element %d of %s is %v", i, c.Name, v)
		}
	}
	return y, nil
}

// WindowTaps is a periodic window: one of a sample more, without its last sample.
func WindowTaps(name string, frame int) []float64 {
	a := map[string][3]float64{ir.WindowHann: {.5, .5, 0}, ir.WindowHamming: {.54, .46, 0}, ir.WindowBlackman: {.42, .5, .08}, ir.WindowNone: {1, 0, 0}}[name]
	w := make([]float64, frame)
	for i := range w {
		angle := 2 * math.Pi * float64(i) / float64(frame)
		w[i] = a[0] - a[1]*math.Cos(angle) + a[2]*math.Cos(2*angle)
	}
	return w
}

// mels are scales of mel frequencies: of Hz, and back.
var mels = map[string]struct{ of, hz func(x float64) float64 }{
	ir.MelsHTK: {
		func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) },
		func(mel float64) float64 { return 700 * (math.Pow(10, mel/2595) - 1) },
	},
	ir.MelsSlaney: { // 15 at 1000 Hz, from where on 27 are a factor of 6.4
		func(hz float64) float64 {
			if hz < 1000 {
				return hz * 3 / 200
			}
			return 15 + 27*math.Log(hz/1000)/math.Log(6.4)
		},
		func(mel float64) float64 {
			if mel < 15 {
				return mel * 200 / 3
			}
			return 1000 * math.Pow(6.4, (mel-15)/27)
		},
	},
}

// melBank is triangular filters [bands][bins] over Hz, of which each begins and ends at the peaks of its
// neighbours; the peaks lie evenly on the scale of mel frequencies.
func melBank(n *ir.Node) []float64 {
	bands, bins, rate := n.Int(ir.AttrBands), n.Bins(), float64(n.Int(ir.AttrRate))
	scale := mels[n.Word(ir.AttrMels)]
	low, high := scale.of(n.Float(ir.AttrLow)), scale.of(n.HighestHz())
	peak := func(i int) float64 { return scale.hz(low + float64((high-low)*float64(i))/float64(bands+1)) }
	bank := make([]float64, bands*bins)
	for b := range bands {
		from, top, to := peak(b), peak(b+1), peak(b+2)
		gain := 1.
		if n.Word(ir.AttrNorm) == ir.NormArea {
			gain = 2 / (to - from)
		}
		for k := range bins {
			hz := float64(k) * rate / float64(n.FFT())
			bank[b*bins+k] = gain * max(0, min((hz-from)/(top-from), (to-hz)/(to-top)))
		}
	}
	return bank
}

// cosines is the orthonormal cosine transform (DCT-II).
func cosines(number, bands int) []float64 {
	x := make([]float64, number*bands)
	for i := range number {
		gain := math.Sqrt(2 / float64(bands))
		if i == 0 {
			gain = math.Sqrt(1 / float64(bands))
		}
		for b := range bands {
			x[i*bands+b] = gain * math.Cos(math.Pi*float64(i)*(float64(b)+.5)/float64(bands))
		}
	}
	return x
}

// Level is what a spectrogram of integers does with the sums of a frame whose samples take some
// number of bits (R19).
type Level struct{ Shift, Add, Least, Base int64 }

// Span is the bins of a filter: the first one, and how many.
type Span struct{ First, Bins int }

// SpectrumInts is a spectrogram of integers (R19).
type SpectrumInts struct {
	Spectrum
	Taps     []int16
	Twiddles []int32 // pairs: real and imaginary part
	Bank     []int16 // weights of all filters, one filter after the other; nil: each bin is a band
	Spans    []Span
	Levels   [ir.SpectrumLevels]Level
	Table    []int32 // of logarithms
	*Requant         // of results
}

// The binary points of R19.
const (
	SpectrumOne = 1 << 30         // 1 of a root of unity
	BankShift   = 12              // of powers that a bank weighs
	LogOne      = 1 << 16         // 1 of a logarithm to the base 2
	mostSum     = 1 << 61         // of what is added to a sum
	mostBase    = 1 << 30         // of what is added to a logarithm
	mostPower   = math.MaxInt32   // of a sum that is requantized
	unitBits    = 15              // of samples, which the shift of a frame leaves out
	tapOne      = math.MaxInt16   // the greatest tap, and the greatest weight of a bank
	wholeTable  = ir.LogTable - 1 // parts of a table of logarithms
)

// Twiddles are the roots of unity of a real transform of a size: for each stage of radix 4 after the
// first one the powers 1, 2 and 3 of the root of each butterfly of a group, then those that
// separate the even from the odd samples, times -i.
func Twiddles(fft int) []int32 {
	var list []int32
	root := func(k, n int, turn float64) {
		angle := -2*math.Pi*float64(k)/float64(n) + turn
		list = append(list, int32(math.Round(SpectrumOne*math.Cos(angle))), int32(math.Round(SpectrumOne*math.Sin(angle))))
	}
	half := fft / 2
	for _, m := range Stages(fft)[1:] {
		for k := range m {
			for power := 1; power <= 3; power++ {
				root(power*k, 4*m, 0)
			}
		}
	}
	for k := 1; k <= half/2; k++ {
		root(k, fft, -math.Pi/2)
	}
	return list
}

// Stages are the sizes of the transforms that each stage of radix 4 joins four of, 1 first; where the number
// of complex samples is no power of 4, the first stage is of radix 2, which the list has as 0.
func Stages(fft int) []int {
	half, list, m := fft/2, []int{1}, 4
	if bits.TrailingZeros(uint(half))%2 == 1 {
		list, m = []int{0}, 2
	}
	for ; m < half; m *= 4 {
		list = append(list, m)
	}
	return list
}

// Places are where each complex sample stands before the first stage.
func Places(fft int) []int {
	var order func(first, step, n int) []int
	order = func(first, step, n int) []int {
		switch n {
		case 1:
			return []int{first}
		case 2:
			return []int{first, first + step}
		}
		var list []int
		for r := range 4 {
			list = append(list, order(first+r*step, 4*step, n/4)...)
		}
		return list
	}
	places := make([]int, fft/2)
	for place, sample := range order(0, 1, fft/2) {
		places[sample] = place
	}
	return places
}

// LogTable is the table of logarithms to the base 2.
func LogTable() []int32 {
	t := make([]int32, ir.LogTable)
	for i := range t {
		t[i] = int32(math.Round(LogOne * math.Log2(1+float64(i)/wholeTable)))
	}
	return t
}

// Ints makes the integers of a spectrogram: of samples of a scale, for a result of a type.
func (s *SpectrumReals) Ints(scale float64, out ir.Type) (*SpectrumInts, error) {
	y := &SpectrumInts{Spectrum: s.Spectrum, Twiddles: Twiddles(s.FFT), Requant: &Requant{}}
	if y.Taps, _ = rounded(s.Taps); slices.Max(y.Taps) == 0 && slices.Min(y.Taps) == 0 {
		return nil, fmt.Errorf("the window is 0 everywhere")
	}
	if s.Bank != nil {
		bank, _ := rounded(s.Bank)
		for b := range s.Bands {
			row := bank[b*s.Bins : (b+1)*s.Bins]
			span := Span{}
			for k, w := range row {
				if w != 0 && span.Bins == 0 {
					span.First = k
				}
				if w != 0 {
					span.Bins = k + 1 - span.First
				}
			}
			y.Spans = append(y.Spans, span)
			y.Bank = append(y.Bank, row[span.First:span.First+span.Bins]...)
		}
		if len(y.Bank) == 0 {
			return nil, fmt.Errorf("all filters are 0")
		}
	}
	unit := s.unit(scale)
	if !(unit > 0) || math.IsInf(unit, 0) {
		return nil, fmt.Errorf("a step of the sums is %v", unit)
	}
	factor, err := s.levels(y, unit, out)
	if err != nil {
		return nil, err
	}
	m, r, err := MultiplierFor(factor)
	if err != nil {
		return nil, err
	}
	y.Mul, y.Shift = []int32{m}, []int32{r}
	return y, nil
}

// unit is the real that 1 of a sum is, of a frame whose samples of a scale take no bits.
func (s *SpectrumReals) unit(scale float64) float64 {
	_, tap := rounded(s.Taps)
	unit := scale * tap * float64(2*s.FFT) / (1 << unitBits) // of a magnitude
	if s.Power == 2 {
		unit *= unit
	}
	if s.Bank != nil {
		_, weight := rounded(s.Bank)
		unit *= weight
		if s.Power == 2 {
			unit *= 1 << BankShift
		}
	}
	return unit
}

// Rounded is a spectrogram with the reals that the integers of its window and filters are.
func (s *SpectrumReals) Rounded() *SpectrumReals {
	again := func(x []float64) []float64 {
		if x == nil {
			return nil
		}
		ints, step := rounded(x)
		y := make([]float64, len(x))
		for i, v := range ints {
			y[i] = float64(float64(v) * step)
		}
		return y
	}
	own := *s
	own.Taps, own.Bank = again(s.Taps), again(s.Bank)
	return &own
}

// Noise bounds what the roundings of R19 change: a sum by a part of it and by a real, where samples of a scale are
// loud. A magnitude is wrong by at most 4, and so a power by a 64th of it or by less than 2^12.
func (s *SpectrumReals) Noise(scale float64) (part, sum float64) {
	const part64, wrong = 1. / 64, 5
	rows := 1.
	if s.Bank != nil {
		bank, _ := rounded(s.Bank)
		rows = 0
		for b := range s.Bands {
			row := 0.
			for _, w := range bank[b*s.Bins : (b+1)*s.Bins] {
				row += math.Abs(float64(w))
			}
			rows = max(rows, row)
		}
	}
	unit := math.Ldexp(s.unit(scale), s.Power*(ir.SpectrumLevels-1))
	switch {
	case s.Power == 1:
		return part64, unit * rows * wrong
	case s.Bank == nil:
		return part64, unit * (2 << BankShift)
	}
	return part64, unit * rows * 2
}

// levels writes the levels, and returns the factor of the requantization.
func (s *SpectrumReals) levels(y *SpectrumInts, unit float64, out ir.Type) (factor float64, err error) {
	if s.IsLog {
		y.Table = LogTable()
		for e := range y.Levels {
			up := s.Power * e
			own := math.Ldexp(unit, up)
			k := 0
			for math.Ldexp(max(s.Eps, s.Floor)/own, -k) > mostSum {
				if k++; k == 63 {
					return 0, fmt.Errorf("eps %v or floor %v is far above all sums: they have steps of %.3g", s.Eps, s.Floor, own)
				}
			}
			y.Levels[e] = Level{
				Shift: int64(k), Add: int64(math.Round(math.Ldexp(s.Eps/own, -k))), Least: max(1, int64(math.Round(math.Ldexp(s.Floor/own, -k)))),
				Base: int64(math.Round(LogOne * (math.Log2(unit) + float64(up+k)))),
			}
		}
		return s.Gain * math.Ln2 / LogOne / out.Quant.Scale, nil
	}
	least, greatest := Differences(out)
	reach := out.Quant.Scale * float64(max(-least, greatest))
	const spare = 29 // bits of a sum that is the greatest result
	_, exp := math.Frexp(reach / unit)
	down := min(max(exp-spare, s.Power*(ir.SpectrumLevels-1)), 62)
	for e := range y.Levels {
		y.Levels[e] = Level{Shift: int64(down - s.Power*e), Least: -mostPower}
	}
	return math.Ldexp(unit, down) / out.Quant.Scale, nil
}

// rounded are reals as integers of 16 bits and their step; 0 where all are 0.
func rounded(x []float64) (y []int16, step float64) {
	most := 0.
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	y = make([]int16, len(x))
	if step = most / tapOne; step == 0 {
		return y, 0
	}
	for i, v := range x {
		y[i] = int16(math.Round(v / step))
	}
	return y, step
}

// SpectrumIntsOf reads a spectrogram of integers, checked so that kernels stay in their tables.
func SpectrumIntsOf(n *ir.Node) (*SpectrumInts, error) {
	s := &SpectrumInts{Spectrum: SpectrumOf(n)}
	ints := func(key ir.Key[*ir.Const], size int) ([]int64, error) {
		c := n.Const(key)
		if c == nil {
			return nil, fmt.Errorf("%s has no %s", n.Name(), key)
		}
		x, err := c.Ints()
		if err == nil && size >= 0 && len(x) != size {
			err = fmt.Errorf("%s has %s of %d integers, and not of %d", n.Name(), key, len(x), size)
		}
		return x, err
	}
	taps, err := ints(ir.AttrTaps, s.Frame)
	if err != nil {
		return nil, err
	}
	s.Taps = narrowed[int16](taps)
	twiddles, err := ints(ir.AttrTwiddles, len(Twiddles(s.FFT)))
	if err != nil {
		return nil, err
	}
	s.Twiddles = narrowed[int32](twiddles)
	levels, err := ints(ir.AttrLevels, 4*ir.SpectrumLevels)
	if err != nil {
		return nil, err
	}
	for e := range s.Levels {
		l := Level{levels[4*e], levels[4*e+1], levels[4*e+2], levels[4*e+3]}
		if l.Shift < 0 || l.Shift > 62 || l.Add < 0 || l.Add > mostSum || l.Least > mostSum || s.IsLog && l.Least < 1 || l.Least < -mostPower || max(l.Base, -l.Base) > mostBase {
			return nil, fmt.Errorf("%s has the level %v", n.Name(), l)
		}
		s.Levels[e] = l
	}
	if s.IsLog {
		table, err := ints(ir.AttrTable, ir.LogTable)
		if err != nil {
			return nil, err
		}
		if slices.Min(table) < 0 || slices.Max(table) > LogOne {
			return nil, fmt.Errorf("%s has logarithms beyond 0 and %d", n.Name(), LogOne)
		}
		s.Table = narrowed[int32](table)
	}
	if n.Const(ir.AttrBank) != nil {
		bank, err := ints(ir.AttrBank, -1)
		if err != nil {
			return nil, err
		}
		spans, err := ints(ir.AttrSpans, 2*s.Bands)
		if err != nil {
			return nil, err
		}
		s.Bank = narrowed[int16](bank)
		sum := 0
		for b := range s.Bands {
			first, count := spans[2*b], spans[2*b+1]
			if first < 0 || count < 0 || first > int64(s.Bins) || count > int64(s.Bins)-first {
				return nil, fmt.Errorf("%s has a filter of %d bins from %d on, of %d", n.Name(), count, first, s.Bins)
			}
			s.Spans = append(s.Spans, Span{int(first), int(count)})
			sum += int(count)
		}
		if sum != len(s.Bank) {
			return nil, fmt.Errorf("%s has %d weights in its bank, and filters of %d", n.Name(), len(s.Bank), sum)
		}
	}
	for _, key := range []ir.Key[*ir.Const]{ir.AttrMul, ir.AttrShift} {
		if _, err := ints(key, 1); err != nil {
			return nil, err
		}
	}
	s.Requant, err = RequantOf(n)
	return s, err
}

func narrowed[T int16 | int32](x []int64) []T {
	y := make([]T, len(x))
	for i, v := range x {
		y[i] = T(v)
	}
	return y
}

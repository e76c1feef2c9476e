package mistake

import (
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
)

// reading is another way to take the reals of an image.
type reading struct {
	name string // what the image is then, after "as"
	help string // what mends the data or the network
	// at writes image x, of planes of a size, as it is read.
	at func(dst, x []float32, planes, size int)
}

// span is bounds of reals.
type span struct{ low, high float32 }

func (s span) String() string { return fmt.Sprintf("[%g,%g]", s.low, s.high) }

// spans are those that images are usually given in.
var spans = []span{{0, 1}, {-1, 1}, {0, 255}}

// normalisation is the mean and the standard deviation of the planes of images in [0,1],
// which networks are trained on after they were taken off.
type normalisation struct {
	of        string
	mean, std []float32
}

var normalisations = []normalisation{
	{"ImageNet", []float32{.485, .456, .406}, []float32{.229, .224, .225}},
	{"CIFAR-10", []float32{.4914, .4822, .4465}, []float32{.247, .243, .261}},
	{"MNIST", []float32{.1307}, []float32{.3081}},
	{"Fashion-MNIST", []float32{.2860}, []float32{.3530}},
}

// text is the operation that normalises, in the language.
func (n normalisation) text(input string) string {
	list := func(x []float32) string {
		s := "["
		for i, v := range x {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprint(v)
		}
		return s + "]"
	}
	return fmt.Sprintf("normalize(%s, mean: %s, std: %s)", input, list(n.mean), list(n.std))
}

// affine is a reading that takes each plane's reals times a factor, and adds one.
func affine(name, help string, factor, add func(plane int) float32) reading {
	return reading{name, help, func(dst, x []float32, planes, size int) {
		for p := range planes {
			f, a := factor(p), add(p)
			for i := p * size; i < (p+1)*size; i++ {
				dst[i] = float32(x[i]*f) + a
			}
		}
	}}
}

func always(v float32) func(int) float32 { return func(int) float32 { return v } }

// readings are the usual mistakes with images of a network's first input, of some planes,
// whose reals are declared within given: other bounds, and normalisation that is missing,
// both of reals in given and in held, which the images do not leave; normalisation that is
// done twice, of images that have reals below 0; and where there are several planes, their
// order.
//
// What a reading advises is all that it needs, so that the next advice does not undo it: bytes
// follow the range that is declared, and reals stand for themselves whatever is declared.
func readings(input string, given, held span, isBelow0, areBytes bool, planes int) (list []reading) {
	from := []span{given, held}
	if areBytes {
		from = from[:1]
	}
	for _, from := range unique(from) {
		width := from.high - from.low
		convert := func(to span) string { return data.Convert(from.low, from.high, to.low, to.high) }
		for _, to := range unique(append([]span{given}, spans...)) {
			if to == from {
				continue
			}
			declare := fmt.Sprintf("say what the network was trained on: %s for a model, or in %v after the type of the input in a text", quote.Flag("range", fmt.Sprintf("%s=%g,%g", input, to.low, to.high)), to)
			help, name := convert(to)+", and "+declare, fmt.Sprintf("reals in %v", to)
			switch {
			case areBytes:
				help = declare
			case to == given:
				help = convert(to)
			}
			if from != given {
				name += fmt.Sprintf(", made of those in %v", from)
			}
			f := (to.high - to.low) / width
			list = append(list, affine(name, help, always(f), always(to.low-float32(from.low*f))))
		}
		for _, n := range normalisations {
			if len(n.mean) != planes {
				continue
			}
			help := fmt.Sprintf("let the network normalise: its text has the input in [0,1], and %s before its first layer (dnnc import writes the text of a model)", n.text(input))
			if unit := (span{0, 1}); from != unit && !areBytes {
				help += "; and " + convert(unit)
			}
			list = append(list, affine("reals normalised as for "+n.of, help,
				func(p int) float32 { return 1 / width / n.std[p] },
				func(p int) float32 { return (-from.low/width - n.mean[p]) / n.std[p] }))
		}
	}
	for _, n := range normalisations {
		if len(n.mean) == planes && isBelow0 {
			list = append(list, affine("reals before the normalisation for "+n.of, "normalise once: give the data as they were before, or take the normalisation out of the network",
				func(p int) float32 { return n.std[p] }, func(p int) float32 { return n.mean[p] }))
		}
	}
	if planes == 3 {
		list = append(list, reading{"channels in the opposite order (BGR for RGB)", "turn the order of the channels around in the data, as x[:, ::-1] of [N,3,H,W] in numpy", func(dst, x []float32, planes, size int) {
			for p := range planes {
				copy(dst[p*size:(p+1)*size], x[(planes-1-p)*size:])
			}
		}})
	}
	if planes > 1 && planes <= 4 {
		list = append(list, reading{"bytes in the order height, width, channel", "transpose the data, which are to be [N,C,H,W]: x.reshape(N,H,W,C).transpose(0,3,1,2) in numpy", func(dst, x []float32, planes, size int) {
			for i := range dst[:planes*size] {
				dst[i] = x[i%size*planes+i/size]
			}
		}})
	}
	return list
}

func unique(list []span) (out []span) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// hold is the least of the usual spans within given that holds reals from low to high; given
// where none does.
func hold(given span, low, high float32) span {
	for _, s := range spans {
		if low >= s.low && high <= s.high && s.low >= given.low && s.high <= given.high {
			return s
		}
	}
	return given
}

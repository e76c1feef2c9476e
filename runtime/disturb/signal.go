package disturb

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// The kinds of signals and of features. What is lost or added at a size t is a part of
// what is at a greater one, so that severity grows too. Lost values are at rest.

// layout is how the samples of a signal lie in its elements: channels of n samples each.
// Features are as many channels of one sample.
type layout struct {
	channels, n int
	stride      int // elements from a sample to the next of its channel
}

// layoutOf is the layout of an input: all axes but that of time are channels.
func layoutOf(in *Input) layout {
	size := sizeOf(in.Shape)
	if in.Holds.Kind != ir.Signal {
		return layout{channels: size, n: 1, stride: 1}
	}
	n := in.Shape[in.Holds.Axis]
	return layout{size / n, n, sizeOf(in.Shape[in.Holds.Axis+1:])}
}

// at is the element of sample i of a channel.
func (l layout) at(channel, i int) int {
	return (channel/l.stride*l.n+i)*l.stride + channel%l.stride
}

// Series are the channels of one item of a signal, each in the order of time; nil of nil.
func Series(in Input, x []float32) (list [][]float32) {
	if x == nil {
		return nil
	}
	for _, elements := range Channels(in) {
		one := make([]float32, len(elements))
		for i, e := range elements {
			one[i] = x[e]
		}
		list = append(list, one)
	}
	return list
}

// Channels are the elements of each channel of a signal in the order of time. Features are
// channels of one sample.
func Channels(in Input) (list [][]int) {
	l := layoutOf(&in)
	for ch := range l.channels {
		one := make([]int, l.n)
		for i := range one {
			one[i] = l.at(ch, i)
		}
		list = append(list, one)
	}
	return list
}

// Rest is the value of an input that says nothing: 0, or the bound of its range that is
// nearest to it.
func Rest(in Input) float32 { return min(max(0, in.Low), in.High) }

// move sets an element to its value plus by.
func (j *job) move(k int, by float64) { j.dst[k] = float32(float64(j.src[k]) + by) }

// driftSteps is the straight lines of a random walk: tsaug has three points between the
// ends.
const driftSteps = 4

// drift follows a random walk that begins at 0, scaled to its greatest value.
func drift(j *job) {
	l := layoutOf(j.in)
	walk := make([]float64, l.n)
	for ch := range l.channels {
		var point [driftSteps + 1]float64
		for k := range driftSteps {
			point[k+1] = point[k] + j.rng.normal()
		}
		most := 0.0
		for i := range walk {
			// The last sample is at the last point: a signal of one sample drifts, too.
			place := float64((i+1)*driftSteps) / float64(l.n)
			k := min(int(place), driftSteps-1)
			walk[i] = point[k] + float64((place-float64(k))*(point[k+1]-point[k]))
			most = max(most, math.Abs(walk[i]))
		}
		if most == 0 {
			continue
		}
		scale := j.t * j.width() / most
		for i, v := range walk {
			j.move(l.at(ch, i), float64(v*scale))
		}
	}
}

// gainMost is a gain of 12 dB, less 1.
const gainMost = 3

func gain(j *job) {
	l, rest := layoutOf(j.in), float64(Rest(*j.in))
	for ch := range l.channels {
		factor := 1 + float64(gainMost*j.t)
		if j.rng.coin() {
			factor = 1 / factor
		}
		for i := range l.n {
			k := l.at(ch, i)
			j.dst[k] = float32(rest + float64((float64(j.src[k])-rest)*factor))
		}
	}
}

func dropout(j *job) {
	l, rest := layoutOf(j.in), Rest(*j.in)
	for i := range l.n {
		lost := j.rng.chance(j.t)
		for ch := range l.channels {
			if ch > 0 && j.in.Holds.Kind == ir.Features { // which are lost one by one
				lost = j.rng.chance(j.t)
			}
			if lost {
				j.dst[l.at(ch, i)] = rest
			}
		}
	}
}

func channelDropout(j *job) {
	l, rest := layoutOf(j.in), Rest(*j.in)
	for ch := range l.channels {
		if j.rng.chance(j.t) {
			for i := range l.n {
				j.dst[l.at(ch, i)] = rest
			}
		}
	}
}

func spikes(j *job) {
	for k := range j.dst {
		hit, high := j.rng.chance(j.t), j.rng.coin()
		switch {
		case hit && high:
			j.dst[k] = j.in.High
		case hit:
			j.dst[k] = j.in.Low
		}
	}
}

// saturation clips a signal at a share of its own peaks: how loud it is says nothing of
// where an amplifier before the converter ends.
func saturation(j *job) {
	l, rest := layoutOf(j.in), float64(Rest(*j.in))
	for ch := range l.channels {
		low, high := float64(j.in.Low), float64(j.in.High)
		if j.in.Holds.Kind == ir.Signal {
			low, high = rest, rest
			for i := range l.n {
				v := float64(j.src[l.at(ch, i)])
				low, high = min(low, v), max(high, v)
			}
		}
		low, high = rest+float64((low-rest)*(1-j.t)), rest+float64((high-rest)*(1-j.t))
		for i := range l.n {
			k := l.at(ch, i)
			j.dst[k] = float32(min(max(float64(j.src[k]), low), high))
		}
	}
}

// shift moves by a sample at least.
func shift(j *job) {
	l, rest := layoutOf(j.in), Rest(*j.in)
	by := min(count(l.n, j.t/2), l.n)
	if j.rng.coin() {
		by = -by
	}
	for ch := range l.channels {
		for i := range l.n {
			v := rest
			if from := i - by; from >= 0 && from < l.n {
				v = j.src[l.at(ch, from)]
			}
			j.dst[l.at(ch, i)] = v
		}
	}
}

// burst grows around one place, with the same noise at each sample.
func burst(j *job) {
	l := layoutOf(j.in)
	long := count(l.n, j.t)
	first := int(j.rng.uniform(0, 1) * float64(l.n-long+1))
	for i := range l.n {
		for ch := range l.channels {
			noise := float64(j.width() / 2 * j.rng.normal())
			if i >= first && i < first+long {
				j.move(l.at(ch, i), noise)
			}
		}
	}
}

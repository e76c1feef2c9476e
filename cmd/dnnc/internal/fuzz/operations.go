package fuzz

import (
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// maker is how random operations of one kind are made. What distinguishes two of a
// kind are parameters: numbers from 0 on, of which 0 is the simplest, so that all are
// made less in one way.
type maker struct {
	op    ir.Op
	often int // against the others
	args  int // how many; 0 is from one to three
	draw  func(rng *rand.Rand) []int
	// attrs are the attributes that parameters stand for after arguments of some
	// shapes.
	attrs func(p []int, in []ir.Shape) []ir.Attr
	// consts are the constants that it reads, of which the first is its weights.
	consts func(p []int, in []ir.Shape) []constant
	// before is an operation that keeps its argument where it is finite, or none.
	before ir.Op
}

// constant is one that an operation reads as an attribute, under a key that begins
// with its name.
type constant struct {
	attr     ir.Key[*ir.Const]
	key      string
	shape    ir.Shape
	scale    float64 // of its numbers
	positive bool
}

// none says that nothing need stand before an operation.
const none = ir.NumOps

// some is up to most in one of few cases, and 0 in the others.
func some(rng *rand.Rand, few, most int) int {
	if rng.IntN(few) > 0 {
		return 0
	}
	return rng.IntN(most + 1)
}

// activation is one of three.
func activation(p int) ir.Attr {
	return ir.AttrAct.Is([]string{ir.ActNone, ir.ActRelu, ir.ActRelu6}[p%3])
}

// window draws kernel, stride, dilation and padding, two numbers each and four.
func window(rng *rand.Rand) []int {
	p := []int{rng.IntN(3), rng.IntN(3), some(rng, 3, 2), some(rng, 3, 2), some(rng, 4, 1), some(rng, 4, 1)}
	padded := rng.IntN(2)
	for i := range 4 {
		p = append(p, padded*rng.IntN(p[i%2]+1))
	}
	return p
}

func windowAttrs(p []int) []ir.Attr {
	return []ir.Attr{ir.AttrKernel.Is([]int{1 + p[0], 1 + p[1]}), ir.AttrStride.Is([]int{1 + p[2], 1 + p[3]}), ir.AttrDilation.Is([]int{1 + p[4], 1 + p[5]}), ir.AttrPad.Is(slices.Clone(p[6:10]))}
}

// grouped is the groups and output channels of a convolution: one group, one a
// channel with a multiplier, or two.
func grouped(p []int, channels int) (groups, filters int) {
	switch {
	case p[11]%3 == 1 && channels > 1:
		return channels, channels * (1 + p[10]%2)
	case p[11]%3 == 2 && channels%2 == 0:
		return 2, 2 * (1 + p[10]/2)
	}
	return 1, 1 + p[10]
}

// channelsOf is the first of a shape's numbers, 1 of none.
func channelsOf(in []ir.Shape) int {
	if len(in[0]) == 0 {
		return 1
	}
	return in[0][0]
}

// units draws output channels: few, or as many as fill the widest registers.
func units(rng *rand.Rand) int {
	if rng.IntN(6) == 0 {
		return rng.IntN(72)
	}
	return rng.IntN(20)
}

// per draws n numbers below most for each axis that a value may have.
const axes = 4

func per(rng *rand.Rand, most, few int) (p []int) {
	for range axes {
		p = append(p, some(rng, few, most))
	}
	return p
}

func nothing(*rand.Rand) []int { return nil }
func plain(op ir.Op, often, args int) maker {
	return maker{op: op, often: often, args: args, draw: nothing, before: none}
}
func guarded(op, by ir.Op) maker         { m := plain(op, 1, 1); m.before = by; return m }
func axisOf(p []int, s ir.Shape) ir.Attr { return ir.AttrAxis.Is(p[0] % max(len(s), 1)) }
func oneOf(most int) func(*rand.Rand) []int {
	return func(rng *rand.Rand) []int { return []int{rng.IntN(most + 1)} }
}
func numbers(p int, key ir.Key[float64], list ...float64) ir.Attr { return key.Is(list[p%len(list)]) }

// chosen is of operations whose attributes one number decides.
func chosen(op ir.Op, most int, attrs func(p []int, in []ir.Shape) []ir.Attr) maker {
	return maker{op: op, often: 1, args: 1, draw: oneOf(most), attrs: attrs, before: none}
}

// rarely is of operations that few values fit, which are tried the more often.
func rarely(op ir.Op, most int, attrs func(p []int, in []ir.Shape) []ir.Attr) maker {
	m := chosen(op, most, attrs)
	m.often = 12
	return m
}

// alongAxis is of operations along an axis.
func alongAxis(op ir.Op) maker {
	return chosen(op, 2, func(p []int, in []ir.Shape) []ir.Attr { return []ir.Attr{axisOf(p, in[0])} })
}

// activated is of operations of two arguments that end in an activation.
func activated(op ir.Op, often int) maker {
	m := chosen(op, 2, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{activation(p[0])} })
	m.args, m.often = 2, often
	return m
}

// makers make every operation of the language; functions that take any number and have no
// attributes are added to them.
var makers = []maker{
	{op: ir.Conv2D, often: 40, args: 1, before: none,
		draw: func(rng *rand.Rand) []int {
			return append(window(rng), units(rng), some(rng, 3, 2), rng.IntN(3), rng.IntN(2), some(rng, 4, 1))
		},
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			groups, filters := grouped(p, channelsOf(in))
			list := append(windowAttrs(p), ir.AttrFilters.Is(filters), ir.AttrGroups.Is(groups), activation(p[12]))
			if p[14] > 0 {
				values := make([]float64, channelsOf(in))
				for i := range values {
					values[i] = float64(i%3)/2 - .5
				}
				list = append(list, ir.AttrPadValue.Is(values))
			}
			return list
		},
		consts: func(p []int, in []ir.Shape) []constant {
			groups, filters := grouped(p, channelsOf(in))
			return biased(p[13], ir.Shape{filters, channelsOf(in) / groups, 1 + p[0], 1 + p[1]})
		}},
	{op: ir.Linear, often: 6, args: 1, before: none,
		draw:   func(rng *rand.Rand) []int { return []int{units(rng), rng.IntN(3), rng.IntN(2)} },
		attrs:  func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{ir.AttrUnits.Is(1 + p[0]), activation(p[1])} },
		consts: func(p []int, in []ir.Shape) []constant { return biased(p[2], ir.Shape{1 + p[0], in[0].Size()}) }},
	{op: ir.MaxPool2D, often: 5, args: 1, before: none, draw: window, attrs: func(p []int, _ []ir.Shape) []ir.Attr { return windowAttrs(p) }},
	{op: ir.AvgPool2D, often: 3, args: 1, before: none, draw: window, attrs: func(p []int, _ []ir.Shape) []ir.Attr { return windowAttrs(p) }},
	plain(ir.GlobalAvgPool, 1, 1),
	plain(ir.Relu, 2, 1),
	plain(ir.Relu6, 1, 1),
	activated(ir.Add, 5),
	plain(ir.Concat, 3, 0),
	plain(ir.Flatten, 1, 1),
	chosen(ir.Reshape, 4, reshaped),
	{op: ir.BatchNorm, often: 2, args: 1, before: none, draw: oneOf(1),
		attrs: func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrEps, 1e-5, 1e-3)} },
		consts: func(_ []int, in []ir.Shape) []constant {
			s := ir.Shape{channelsOf(in)}
			return []constant{{attr: ir.AttrGamma, key: ".weight", shape: s, scale: 1}, {attr: ir.AttrBeta, key: ".bias", shape: s, scale: .3},
				{attr: ir.AttrRunningMean, key: ".running_mean", shape: s, scale: .3}, {attr: ir.AttrVariance, key: ".running_var", shape: s, scale: 1, positive: true}}
		}},
	alongAxis(ir.Softmax),
	chosen(ir.Normalize, 1, func(p []int, in []ir.Shape) []ir.Attr {
		n := 1
		if p[0] > 0 {
			n = channelsOf(in)
		}
		mean, std := make([]float64, n), make([]float64, n)
		for i := range n {
			mean[i], std[i] = float64(i%3)/4, .5+float64(i%2)/4
		}
		return []ir.Attr{ir.AttrMean.Is(mean), ir.AttrStd.Is(std)}
	}),
	chosen(ir.Requantize, 2, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{activation(p[0])} }),
	activated(ir.Sub, 2),
	activated(ir.SquaredDiff, 1),
	func() maker {
		m := activated(ir.ScaledDiff, 1)
		m.args = 3
		return m
	}(),
	activated(ir.Mul, 2),
	plain(ir.Minimum, 1, 2),
	plain(ir.Maximum, 1, 2),
	chosen(ir.HardSigmoid, 1, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrAlpha, .2, 1./6), numbers(p[0], ir.AttrOffset, .5, .4)}
	}),
	chosen(ir.LeakyRelu, 2, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrAlpha, .01, .3, -.2)} }),
	chosen(ir.Elu, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrAlpha, 1, .5)} }),
	chosen(ir.Gelu, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrTanh, 0, 1)} }),
	chosen(ir.Silu, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrAlpha, 1, 1.702)} }),
	chosen(ir.Celu, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrAlpha, 1, .5)} }),
	chosen(ir.ThresholdedRelu, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{numbers(p[0], ir.AttrAlpha, 1, .25)} }),
	chosen(ir.Selu, 1, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrAlpha, 1.5, 1), numbers(p[0], ir.AttrGain, 1.25, 1)}
	}),
	chosen(ir.Shrink, 1, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrLow, .5, .25), numbers(p[0], ir.AttrOffset, 0, .125)}
	}),
	chosen(ir.Step, 1, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrAlpha, 0, .25), numbers(p[0], ir.AttrValue, 0, 1)}
	}),
	{op: ir.Pow, often: 1, args: 1, before: ir.Softplus, draw: oneOf(2), attrs: func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrExponent, 2, -.5, 1.5), numbers(p[0], ir.AttrGain, 1, .5), numbers(p[0], ir.AttrOffset, 0, .25)}
	}},
	guarded(ir.Tan, ir.Sigmoid),
	guarded(ir.Asin, ir.Sigmoid),
	guarded(ir.Acos, ir.Sigmoid),
	guarded(ir.Atanh, ir.Softsign),
	guarded(ir.Acosh, ir.Cosh),
	guarded(ir.Sinh, ir.Clip),
	guarded(ir.Cosh, ir.Clip),
	guarded(ir.Exp, ir.Clip),
	guarded(ir.Log, ir.Softplus),
	guarded(ir.Sqrt, ir.Softplus),
	guarded(ir.Reciprocal, ir.Softplus),
	chosen(ir.Clip, 1, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{numbers(p[0], ir.AttrLow, 0, -.7), numbers(p[0], ir.AttrHigh, 1, .4)}
	}),
	chosen(ir.Table, 2, func(p []int, _ []ir.Shape) []ir.Attr {
		return []ir.Attr{ir.AttrFn.Is([]string{"abs", "tanh", "silu"}[p[0]%3])}
	}),
	alongAxis(ir.LogSoftmax),
	alongAxis(ir.L2Norm),
	chosen(ir.Transpose, 23, func(p []int, in []ir.Shape) []ir.Attr {
		return []ir.Attr{ir.AttrPerm.Is(permutation(p[0], len(in[0])))}
	}),
	{op: ir.Slice, often: 2, args: 1, before: none,
		draw:  func(rng *rand.Rand) []int { return slices.Concat(per(rng, 4, 2), per(rng, 4, 2), per(rng, 3, 3)) },
		attrs: sliced},
	{op: ir.Expand, often: 1, args: 1, before: none,
		draw: func(rng *rand.Rand) []int { return append(per(rng, 3, 2), some(rng, 2, 2)) },
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			shape := slices.Clone([]int(in[0]))
			for k := range min(axes, len(shape)) {
				if shape[k] == 1 {
					shape[k] += p[k]
				}
			}
			if p[axes] > 0 {
				shape = append([]int{p[axes]}, shape...)
			}
			return []ir.Attr{ir.AttrShape.Is(shape)}
		}},
	{op: ir.DepthToSpace, often: 12, args: 1, before: none, draw: func(rng *rand.Rand) []int { return []int{some(rng, 4, 1), rng.IntN(2)} },
		attrs: func(p []int, _ []ir.Shape) []ir.Attr {
			return []ir.Attr{ir.AttrBlock.Is(2 + p[0]), ir.AttrMode.Is([]string{ir.BlocksFirst, ir.ChannelsFirst}[p[1]%2])}
		}},
	rarely(ir.SpaceToDepth, 1, func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{ir.AttrBlock.Is(2 + p[0])} }),
	{op: ir.Resize, often: 1, args: 1, before: none, draw: func(rng *rand.Rand) []int { return []int{rng.IntN(3), rng.IntN(3)} },
		attrs: func(p []int, _ []ir.Shape) []ir.Attr { return []ir.Attr{ir.AttrScale.Is([]int{1 + p[0], 1 + p[1]})} }},
	{op: ir.Bilinear, often: 4, args: 1, before: none, draw: func(rng *rand.Rand) []int { return slices.Concat(per(rng, 12, 1), per(rng, 12, 1)) },
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			places := func(axis int, p []int) []float64 { // the last parameter is how many places are left out
				size := 1
				if axis < len(in[0]) {
					size = in[0][axis]
				}
				list := make([]float64, max(axes-p[axes-1], 1))
				for i := range list {
					list[i] = float64(p[i%axes]%(4*size-3)) / 4
				}
				return list
			}
			return []ir.Attr{ir.AttrDown.Is(places(1, p[:axes])), ir.AttrAcross.Is(places(2, p[axes:]))}
		}},
	{op: ir.Copy, often: 2, args: 1, before: none,
		draw:  func(rng *rand.Rand) []int { return append(per(rng, 5, 1), rng.IntN(20), rng.IntN(4)) },
		attrs: viewed},
	{op: ir.Pad, often: 4, args: 1, before: none,
		draw: func(rng *rand.Rand) []int {
			return slices.Concat([]int{rng.IntN(len(padModes)), rng.IntN(3)}, per(rng, 3, 2), per(rng, 3, 2), per(rng, 2, 4))
		},
		attrs: padded},
	{op: ir.History, often: 3, args: 1, before: none,
		draw: func(rng *rand.Rand) []int { return []int{rng.IntN(4), rng.IntN(5), rng.IntN(4), rng.IntN(3)} },
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			axis := p[0] % max(len(in[0]), 1)
			for k := 0; k < len(in[0]) && ir.OuterAxis(in[0], axis) >= 0; k++ { // frames must lie one after the other
				axis = ir.OuterAxis(in[0], axis)
			}
			apart := 1 + p[3]
			return []ir.Attr{ir.AttrAxis.Is(axis), ir.AttrFrames.Is(1 + p[1]), ir.AttrBack.Is(p[1]*apart + p[2] - 1), ir.AttrApart.Is(apart)}
		}},
	{op: ir.Reduce, often: 3, args: 1, before: none,
		draw: func(rng *rand.Rand) []int { return []int{rng.IntN(4), 1 + rng.IntN(15), rng.IntN(2)} },
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			list := []int{}
			for k := range in[0] {
				if p[1]>>k&1 == 1 {
					list = append(list, k)
				}
			}
			return []ir.Attr{ir.AttrFn.Is([]string{ir.ReduceMean, ir.ReduceSum, ir.ReduceMax, ir.ReduceMin}[p[0]%4]), ir.AttrAxes.Is(list), ir.AttrKeep.Is(p[2] % 2)}
		}},
	activated(ir.MatMul, 16),
	alongAxis(ir.ArgMax),
	{op: ir.Embedding, often: 6, args: 1, before: none,
		draw: func(rng *rand.Rand) []int { return []int{rng.IntN(40), rng.IntN(9)} },
		consts: func(p []int, _ []ir.Shape) []constant {
			return []constant{{attr: ir.AttrRows, key: ".rows", shape: ir.Shape{1 + p[0], 1 + p[1]}, scale: 1}}
		}},
	ofFrames(ir.Spectrogram), ofFrames(ir.Mel), ofFrames(ir.LogMel), ofFrames(ir.MFCC),
	{op: ir.Recurrent, often: 12, args: 1, before: none,
		draw: func(rng *rand.Rand) []int { return []int{rng.IntN(4), rng.IntN(2)} },
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			cell := cellOf(p[0], in)
			list := []ir.Attr{ir.AttrCell.Is(cells[cell]), ir.AttrBack.Is(p[1] % 2)}
			if cell == resetsAfter {
				list = append(list, ir.AttrReset.Is(ir.ResetAfter))
			}
			return list
		},
		consts: func(p []int, in []ir.Shape) []constant {
			cell := cellOf(p[0], in)
			hidden := max(channelsOf(in)/ir.Gates(cells[cell]), 1)
			list := []constant{{attr: ir.AttrHidden, key: ".hidden", shape: ir.Shape{channelsOf(in), hidden}, scale: .7}}
			if cell == resetsAfter {
				list = append(list, constant{attr: ir.AttrBias, key: ".bias", shape: ir.Shape{hidden}, scale: .3})
			}
			return list
		}},
}

func init() {
	for op := range ir.NumOps {
		if op.IsFunction() && makerOf(op) == nil {
			makers = append(makers, plain(op, 1, 1))
		}
	}
}

// ofFrames are the spectra of frames.
func ofFrames(op ir.Op) maker {
	drawn := []int{40, 20, 3, 4, 2, 2, 5, 5, 5, 6, 4, 4, 2, 2, 3}
	return maker{op: op, often: 6, args: 1, before: ir.Flatten,
		draw: func(rng *rand.Rand) (p []int) {
			for _, most := range drawn {
				p = append(p, rng.IntN(most))
			}
			return p
		},
		attrs: func(p []int, in []ir.Shape) []ir.Attr {
			word := func(key ir.Key[string], i int) ir.Attr {
				words := op.Attr(key).Words
				return key.Is(words[i%len(words)])
			}
			list := []ir.Attr{ir.AttrFrame.Is(2 + p[0]%max(in[0].Size()-1, 1)), ir.AttrHop.Is(1 + p[1]), word(ir.AttrWindow, p[3]), ir.AttrPower.Is(2 - p[4]%2)}
			if p[2] > 0 {
				list = append(list, ir.AttrFFT.Is(64*p[2]))
			}
			if op.Takes(ir.AttrFn) {
				list = append(list, word(ir.AttrFn, p[5]))
			}
			if op.Takes(ir.AttrFloor) {
				list = append(list, ir.AttrEps.Is(float64(p[6])/8), ir.AttrFloor.Is(float64(1+p[7])/8), ir.AttrGain.Is(float64(2+p[8])/2))
			}
			if op.Takes(ir.AttrBands) {
				list = append(list, ir.AttrRate.Is(1000), ir.AttrBands.Is(3+p[9]), ir.AttrLow.Is(float64(50*p[10])), ir.AttrHigh.Is(float64(500-50*p[11])), word(ir.AttrMels, p[12]), word(ir.AttrNorm, p[13]))
			}
			if op.Takes(ir.AttrNumber) {
				list = append(list, ir.AttrNumber.Is(1+p[14]))
			}
			return list
		}}
}

// cells are those of recurrences; that of resetsAfter resets after the product.
var cells = []string{ir.CellRNN, ir.CellLSTM, ir.CellGRU, ir.CellGRU}

const resetsAfter = 3

// cellOf is the first cell from p on whose gates share the channels; an rnn serves any.
func cellOf(p int, in []ir.Shape) int {
	for i := range cells {
		if cell := (p + i) % len(cells); channelsOf(in)%ir.Gates(cells[cell]) == 0 {
			return cell
		}
	}
	return 0
}

var padModes = ir.Pad.Attr(ir.AttrMode).Words

// makerOf finds the maker of an operation, or nil.
func makerOf(op ir.Op) *maker {
	if i := slices.IndexFunc(makers, func(m maker) bool { return m.op == op }); i >= 0 {
		return &makers[i]
	}
	return nil
}

// biased are weights, and a bias where p is not 0.
func biased(p int, weight ir.Shape) []constant {
	list := []constant{{attr: ir.AttrWeight, key: ".weight", shape: weight, scale: .5}}
	if p > 0 {
		list = append(list, constant{attr: ir.AttrBias, key: ".bias", shape: weight[:1], scale: .3})
	}
	return list
}

// reshaped is the same elements with axes turned around, merged, split or added.
func reshaped(p []int, in []ir.Shape) []ir.Attr {
	s := slices.Clone([]int(in[0]))
	switch p[0] {
	case 1: // the last axis first
		s = append(s[len(s)-1:], s[:len(s)-1]...)
	case 2: // the first two as one
		if len(s) > 1 {
			s = append([]int{s[0] * s[1]}, s[2:]...)
		}
	case 3:
		if len(s) < axes {
			s = append([]int{1}, s...)
		}
	case 4: // an image of whatever there is
		s = []int{1, 1, in[0].Size()}
		for d := 2; d*d <= s[2]; d++ {
			if s[2]%d == 0 {
				s[1], s[2] = d, s[2]/d
			}
		}
	}
	return []ir.Attr{ir.AttrShape.Is(s)}
}

// permutation is the one of a number, in some order that begins with no change.
func permutation(number, n int) (perm []int) {
	rest := make([]int, n)
	for i := range rest {
		rest[i] = i
	}
	for len(rest) > 0 {
		i := number % len(rest)
		number /= len(rest)
		perm, rest = append(perm, rest[i]), slices.Delete(rest, i, i+1)
	}
	return perm
}

// sliced cuts elements off in front and after, and takes each, every other one, or
// all of them backwards.
func sliced(p []int, in []ir.Shape) []ir.Attr {
	var start, size, step []int
	for k, d := range in[0] {
		first, cut, way := 0, 0, 0
		if k < axes {
			first, cut, way = min(p[k], d-1), p[axes+k], p[2*axes+k]
		}
		left := max(d-first-cut, 1)
		switch way {
		case 0:
			start, size, step = append(start, first), append(size, left), append(step, 1)
		case 1:
			start, size, step = append(start, first), append(size, (left+1)/2), append(step, 2)
		default:
			start, size, step = append(start, first+left-1), append(size, (left+way-2)/(way-1)), append(step, 1-way)
		}
	}
	return []ir.Attr{ir.AttrStarts.Is(start), ir.AttrSize.Is(size), ir.AttrStep.Is(step)}
}

// viewed is a view of two dimensions, some of them backwards.
func viewed(p []int, _ []ir.Shape) []ir.Attr {
	dims, strides, start := []int{1 + p[0], 1 + p[1]}, []int{p[2], p[3]}, p[4]
	for k := range strides {
		if p[5]>>k&1 == 1 {
			start += (dims[k] - 1) * strides[k]
			strides[k] = -strides[k]
		}
	}
	return []ir.Attr{ir.AttrShape.Is(slices.Clone(dims)), ir.AttrDims.Is(dims), ir.AttrStrides.Is(strides), ir.AttrStart.Is(start)}
}

func padded(p []int, in []ir.Shape) []ir.Attr {
	mode := padModes[p[0]%len(padModes)]
	var before, after, between []int
	for k := range in[0] {
		b, a, m := 0, 0, 0
		if k < axes {
			b, a, m = p[2+k], p[2+axes+k], p[2+2*axes+k]
		}
		if mode != ir.PadConstant {
			m = 0
		}
		before, after, between = append(before, b), append(after, a), append(between, m)
	}
	list := []ir.Attr{ir.AttrBefore.Is(before), ir.AttrAfter.Is(after), ir.AttrBetween.Is(between), ir.AttrMode.Is(mode)}
	if mode == ir.PadConstant {
		list = append(list, numbers(p[1], ir.AttrValue, 0, .5, -2))
	}
	return list
}

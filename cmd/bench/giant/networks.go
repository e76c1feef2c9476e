package giant

import (
	"maps"
	"math"
	"slices"
)

// networks by their names.
var networks = map[string]func(g *graph, image value) value{
	"resnet50": resnet50, "mobilenetv2": mobilenetV2, "vgg16": vgg16, "efficientnet-b0": efficientnetB0, "vit-tiny": vitTiny,
}

// Names lists the networks that can be written.
func Names() []string { return slices.Sorted(maps.Keys(networks)) }

// classes is the answer of all networks.
const classes = 1000

// conv is a convolution with its padding to the middle.
func (g *graph) conv(x value, out, k, stride, groups int, bias bool) value {
	in := x.shape[1]
	fan := in / groups * k * k
	args := []string{x.name, g.floats([]int{out, in / groups, k, k}, g.normal(0, math.Sqrt(2/float64(fan))))}
	if bias {
		args = append(args, g.floats([]int{out}, g.normal(0, .01)))
	}
	pad := k / 2
	side := (x.shape[2]+2*pad-k)/stride + 1
	return g.node("Conv", []int{1, out, side, side}, args, attr{"dilations", []int{1, 1}}, attr{"group", groups},
		attr{"kernel_shape", []int{k, k}}, attr{"pads", []int{pad, pad, pad, pad}}, attr{"strides", []int{stride, stride}})
}

// norm is a batch norm whose scales lie around one, as of a trained network; those of the last one of
// a branch that is added lie around a third, or sums would grow from block to block.
func (g *graph) norm(x value, isLast bool) value {
	n, lo, hi := x.shape[1:2], .5, 1.5
	if isLast {
		lo, hi = .1, .5
	}
	return g.node("BatchNormalization", x.shape, []string{x.name, g.floats(n, g.uniform(lo, hi)), g.floats(n, g.normal(0, .2)), g.floats(n, g.normal(0, .2)), g.floats(n, g.uniform(.5, 2))},
		attr{"epsilon", 1e-5}, attr{"momentum", .9})
}

func (g *graph) relu(x value) value { return g.node("Relu", x.shape, []string{x.name}) }

func (g *graph) relu6(x value) value {
	return g.node("Clip", x.shape, []string{x.name, g.scalar(0), g.scalar(6)})
}

func (g *graph) silu(x value) value {
	s := g.node("Sigmoid", x.shape, []string{x.name})
	return g.node("Mul", x.shape, []string{x.name, s.name})
}

func (g *graph) add(a, b value) value { return g.node("Add", a.shape, []string{a.name, b.name}) }

func (g *graph) maxPool(x value, k, stride, pad int) value {
	side := (x.shape[2]+2*pad-k)/stride + 1
	return g.node("MaxPool", []int{1, x.shape[1], side, side}, []string{x.name}, attr{"kernel_shape", []int{k, k}}, attr{"pads", []int{pad, pad, pad, pad}}, attr{"strides", []int{stride, stride}})
}

// head is the mean over the pixels and a linear layer.
func (g *graph) head(x value) value {
	x = g.node("GlobalAveragePool", []int{1, x.shape[1], 1, 1}, []string{x.name})
	return g.gemm(g.flatten(x), classes)
}

func (g *graph) flatten(x value) value {
	n := 1
	for _, d := range x.shape[1:] {
		n *= d
	}
	return g.node("Flatten", []int{1, n}, []string{x.name}, attr{"axis", 1})
}

func (g *graph) gemm(x value, out int) value {
	in := x.shape[1]
	return g.node("Gemm", []int{1, out}, []string{x.name, g.floats([]int{out, in}, g.normal(0, math.Sqrt(1/float64(in)))), g.floats([]int{out}, g.normal(0, .01))},
		attr{"alpha", 1.}, attr{"beta", 1.}, attr{"transB", 1})
}

// resnet50 is He's, with strides in the windows of 3 x 3: 25.6 M weights.
func resnet50(g *graph, x value) value {
	x = g.maxPool(g.relu(g.norm(g.conv(x, 64, 7, 2, 1, false), false)), 3, 2, 1)
	for stage, blocks := range []int{3, 4, 6, 3} {
		width := 64 << stage
		for b := range blocks {
			stride, short := 1, x
			if b == 0 && stage > 0 {
				stride = 2
			}
			if b == 0 {
				short = g.norm(g.conv(x, 4*width, 1, stride, 1, false), false)
			}
			y := g.relu(g.norm(g.conv(x, width, 1, 1, 1, false), false))
			y = g.relu(g.norm(g.conv(y, width, 3, stride, 1, false), false))
			x = g.relu(g.add(g.norm(g.conv(y, 4*width, 1, 1, 1, false), true), short))
		}
	}
	return g.head(x)
}

// mobilenetV2 is Sandler's of width 1: 3.5 M weights.
func mobilenetV2(g *graph, x value) value {
	x = g.relu6(g.norm(g.conv(x, 32, 3, 2, 1, false), false))
	for _, s := range []struct{ expand, out, blocks, stride int }{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for b := range s.blocks {
			stride, y, wide := 1, x, x.shape[1]*s.expand
			if b == 0 {
				stride = s.stride
			}
			if s.expand > 1 {
				y = g.relu6(g.norm(g.conv(y, wide, 1, 1, 1, false), false))
			}
			y = g.relu6(g.norm(g.conv(y, wide, 3, stride, wide, false), false))
			isAdded := stride == 1 && x.shape[1] == s.out
			y = g.norm(g.conv(y, s.out, 1, 1, 1, false), isAdded)
			if isAdded {
				y = g.add(y, x)
			}
			x = y
		}
	}
	return g.head(g.relu6(g.norm(g.conv(x, 1280, 1, 1, 1, false), false)))
}

// vgg16 is Simonyan and Zisserman's configuration D: 138 M weights.
func vgg16(g *graph, x value) value {
	for stage, convs := range []int{2, 2, 3, 3, 3} {
		for range convs {
			x = g.relu(g.conv(x, min(64<<stage, 512), 3, 1, 1, true))
		}
		x = g.maxPool(x, 2, 2, 0)
	}
	return g.gemm(g.relu(g.gemm(g.relu(g.gemm(g.flatten(x), 4096)), 4096)), classes)
}

// efficientnetB0 is Tan's, with squeeze and excitation: 5.3 M weights.
func efficientnetB0(g *graph, x value) value {
	x = g.silu(g.norm(g.conv(x, 32, 3, 2, 1, false), false))
	for _, s := range []struct{ expand, out, blocks, stride, k int }{{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3}, {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3}} {
		for b := range s.blocks {
			stride, y, in := 1, x, x.shape[1]
			if b == 0 {
				stride = s.stride
			}
			wide := in * s.expand
			if s.expand > 1 {
				y = g.silu(g.norm(g.conv(y, wide, 1, 1, 1, false), false))
			}
			y = g.silu(g.norm(g.conv(y, wide, s.k, stride, wide, false), false))
			e := g.node("GlobalAveragePool", []int{1, wide, 1, 1}, []string{y.name})
			e = g.conv(g.silu(g.conv(e, in/4, 1, 1, 1, true)), wide, 1, 1, 1, true)
			e = g.node("Sigmoid", e.shape, []string{e.name})
			y = g.node("Mul", y.shape, []string{y.name, e.name})
			isAdded := stride == 1 && in == s.out
			y = g.norm(g.conv(y, s.out, 1, 1, 1, false), isAdded)
			if isAdded {
				y = g.add(y, x)
			}
			x = y
		}
	}
	return g.head(g.silu(g.norm(g.conv(x, 1280, 1, 1, 1, false), false)))
}

// vitTiny is Touvron's DeiT-Tiny: patches of 16 x 16, 12 blocks of 3 heads, 5.7 M weights.
func vitTiny(g *graph, x value) value {
	const wide, heads, blocks, patch, tokens = 192, 3, 12, 16, 14*14 + 1
	x = g.node("Conv", []int{1, wide, 14, 14}, []string{x.name, g.floats([]int{wide, 3, patch, patch}, g.normal(0, math.Sqrt(1./(3*patch*patch)))), g.floats([]int{wide}, g.normal(0, .01))},
		attr{"kernel_shape", []int{patch, patch}}, attr{"strides", []int{patch, patch}})
	x = g.node("Reshape", []int{1, wide, tokens - 1}, []string{x.name, g.ints(1, wide, tokens-1)})
	x = g.node("Transpose", []int{1, tokens - 1, wide}, []string{x.name}, attr{"perm", []int{0, 2, 1}})
	all := []int{1, tokens, wide}
	x = g.node("Concat", all, []string{g.floats([]int{1, 1, wide}, g.normal(0, .5)), x.name}, attr{"axis", 1})
	x = g.node("Add", all, []string{x.name, g.floats(all, g.normal(0, .3))})
	layerNorm := func(x value) value {
		return g.node("LayerNormalization", x.shape, []string{x.name, g.floats([]int{wide}, g.uniform(.5, 1.5)), g.floats([]int{wide}, g.normal(0, .1))}, attr{"axis", -1}, attr{"epsilon", 1e-6})
	}
	dense := func(x value, in, out int, gain float64) value {
		y := g.node("MatMul", []int{1, tokens, out}, []string{x.name, g.floats([]int{in, out}, g.normal(0, gain*math.Sqrt(1/float64(in))))})
		return g.node("Add", y.shape, []string{y.name, g.floats([]int{out}, g.normal(0, .01))})
	}
	split := func(x value, perm []int, shape []int) value {
		x = g.node("Reshape", []int{1, tokens, heads, wide / heads}, []string{x.name, g.ints(1, tokens, heads, wide/heads)})
		return g.node("Transpose", shape, []string{x.name}, attr{"perm", perm})
	}
	for range blocks {
		y := layerNorm(x)
		q := split(dense(y, wide, wide, 1), []int{0, 2, 1, 3}, []int{1, heads, tokens, wide / heads})
		k := split(dense(y, wide, wide, 1), []int{0, 2, 3, 1}, []int{1, heads, wide / heads, tokens})
		v := split(dense(y, wide, wide, 1), []int{0, 2, 1, 3}, []int{1, heads, tokens, wide / heads})
		scores := g.node("MatMul", []int{1, heads, tokens, tokens}, []string{q.name, k.name})
		scores = g.node("Mul", scores.shape, []string{scores.name, g.scalar(1 / math.Sqrt(wide/heads))})
		scores = g.node("Softmax", scores.shape, []string{scores.name}, attr{"axis", -1})
		y = g.node("MatMul", v.shape, []string{scores.name, v.name})
		y = g.node("Transpose", []int{1, tokens, heads, wide / heads}, []string{y.name}, attr{"perm", []int{0, 2, 1, 3}})
		y = g.node("Reshape", all, []string{y.name, g.ints(1, tokens, wide)})
		x = g.add(x, dense(y, wide, wide, .5))
		y = dense(layerNorm(x), wide, 4*wide, 1)
		y = g.node("Gelu", y.shape, []string{y.name})
		x = g.add(x, dense(y, 4*wide, wide, .5))
	}
	x = g.node("Gather", []int{1, wide}, []string{layerNorm(x).name, g.constant(typeInt64, nil, make([]byte, 8))}, attr{"axis", 1})
	return g.gemm(x, classes)
}

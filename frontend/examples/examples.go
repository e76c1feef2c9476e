// Package examples builds networks of the shapes that the tasks of MLPerf Tiny
// have, and a recurrent one. Their weights are random: they serve tests of kernels, memory and speed,
// and give no answers.
package examples

import (
	"fmt"
	"math"
	"math/rand"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// Example is a network.
type Example struct {
	Name, Doc string
	shape     ir.Shape
	layers    func(b *builder, x *ir.Value) *ir.Value
}

// All lists the networks.
var All = []Example{
	{"resnet8", "residual network for images of 32x32 (image classification)", ir.Shape{3, 32, 32}, resnet},
	{"mobilenet", "MobileNet v1 at a quarter of its width for images of 96x96 (visual wake words)", ir.Shape{3, 96, 96}, mobilenet},
	{"dscnn", "depthwise separable network for 49 frames of 10 coefficients (keyword spotting)", ir.Shape{1, 49, 10}, dscnn},
	{"autoencoder", "autoencoder for 640 spectral values (anomaly detection)", ir.Shape{640}, autoencoder},
	{"gru", "GRU over 49 frames of 10 coefficients, a loop (keyword spotting)", ir.Shape{10, 49, 1}, gru},
}

// Module builds a network with random weights, the same ones every time.
func (e *Example) Module() (*ir.Module, error) {
	b := &builder{Chain: build.Chain{Builder: build.New(e.Name)}, rng: rand.New(rand.NewSource(int64(len(e.Name))))}
	y := e.layers(b, b.Input("x", e.shape, ir.Range{Lo: 0, Hi: 1}))
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, b.Err)
	}
	return b.Finish([]*ir.Value{y}), nil
}

// builder adds layers with random weights.
type builder struct {
	build.Chain
	rng *rand.Rand
}

// normal declares numbers around a mean.
func (b *builder) normal(name string, shape ir.Shape, mean, deviation float64) *ir.Const {
	x := make([]float32, shape.Size())
	for i := range x {
		x[i] = float32(mean + deviation*b.rng.NormFloat64())
	}
	return b.Floats(name, shape, x)
}

// conv is a convolution, its batch normalisation and a relu; SAME padding as
// TensorFlow has it: more at the end.
func (b *builder) conv(name string, x *ir.Value, filters, kh, kw, stride, groups int, relu bool) *ir.Value {
	s := x.Type.Shape
	pad := build.Same(s[1:], []int{kh, kw}, []int{stride, stride}, []int{1, 1})
	shape := ir.Shape{filters, s[0] / groups, kh, kw}
	w := b.normal(name+".weight", shape, 0, math.Sqrt(2/float64(shape.Size()/filters)))
	y := b.Add(ir.Conv2D, name, []*ir.Value{x}, ir.AttrStride.Is([]int{stride, stride}), ir.AttrPad.Is(pad), ir.AttrGroups.Is(groups), ir.AttrWeight.Is(w))
	norm, c := name+".norm", ir.Shape{filters}
	y = b.Add(ir.BatchNorm, norm, []*ir.Value{y}, ir.AttrGamma.Is(b.normal(norm+".weight", c, 1, .1)), ir.AttrBeta.Is(b.normal(norm+".bias", c, 0, .1)),
		ir.AttrRunningMean.Is(b.normal(norm+".running_mean", c, 0, .1)), ir.AttrVariance.Is(b.normal(norm+".running_var", c, 1, .05)))
	if relu {
		y = b.Add(ir.Relu, name+".relu", []*ir.Value{y})
	}
	return y
}

func (b *builder) linear(name string, x *ir.Value, units int) *ir.Value {
	in := x.Type.Shape.Size()
	w := b.normal(name+".weight", ir.Shape{units, in}, 0, math.Sqrt(2/float64(in)))
	return b.Add(ir.Linear, name, []*ir.Value{x}, ir.AttrWeight.Is(w), ir.AttrBias.Is(b.normal(name+".bias", ir.Shape{units}, 0, .1)))
}

// separable is a depthwise convolution and one of pixels.
func (b *builder) separable(name string, x *ir.Value, filters, stride int) *ir.Value {
	y := b.conv(name+".depthwise", x, x.Type.Shape[0], 3, 3, stride, x.Type.Shape[0], true)
	return b.conv(name+".pointwise", y, filters, 1, 1, 1, 1, true)
}

// classes is a global pooling and a linear layer.
func (b *builder) classes(x *ir.Value, count int) *ir.Value {
	return b.linear("fc", b.Add(ir.GlobalAvgPool, "pool", []*ir.Value{x}), count)
}

func resnet(b *builder, x *ir.Value) *ir.Value {
	y := b.conv("conv1", x, 16, 3, 3, 1, 1, true)
	for i, filters := range []int{16, 32, 64} {
		name, stride, short := fmt.Sprintf("block%d", i+1), min(i+1, 2), y
		z := b.conv(name+".conv1", y, filters, 3, 3, stride, 1, true)
		z = b.conv(name+".conv2", z, filters, 3, 3, 1, 1, false)
		if stride > 1 {
			short = b.conv(name+".short", y, filters, 1, 1, stride, 1, false)
		}
		y = b.Add(ir.Relu, name+".relu", []*ir.Value{b.Add(ir.Add, name+".sum", []*ir.Value{z, short})})
	}
	return b.classes(y, 10)
}

func mobilenet(b *builder, x *ir.Value) *ir.Value {
	y := b.conv("conv1", x, 8, 3, 3, 2, 1, true)
	for i, l := range [][2]int{{16, 1}, {32, 2}, {32, 1}, {64, 2}, {64, 1}, {128, 2}, {128, 1}, {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1}} {
		y = b.separable(fmt.Sprintf("block%d", i+1), y, l[0], l[1])
	}
	return b.classes(y, 2)
}

func dscnn(b *builder, x *ir.Value) *ir.Value {
	y := b.conv("conv1", x, 64, 10, 4, 2, 1, true)
	for i := range 4 {
		y = b.separable(fmt.Sprintf("block%d", i+1), y, 64, 1)
	}
	return b.classes(y, 12)
}

func autoencoder(b *builder, x *ir.Value) *ir.Value {
	y := x
	for i, units := range []int{128, 128, 128, 128, 8, 128, 128, 128, 128} {
		y = b.Add(ir.Relu, fmt.Sprintf("relu%d", i+1), []*ir.Value{b.linear(fmt.Sprintf("fc%d", i+1), y, units)})
	}
	return b.linear("out", y, 640)
}

func gru(b *builder, x *ir.Value) *ir.Value {
	const units, gates = 32, 3
	w := b.normal("gru.input.weight", ir.Shape{gates * units, x.Type.Shape[0], 1, 1}, 0, math.Sqrt(2/float64(x.Type.Shape[0])))
	y := b.Add(ir.Conv2D, "gru.input", []*ir.Value{x}, ir.AttrWeight.Is(w), ir.AttrBias.Is(b.normal("gru.input.bias", ir.Shape{gates * units}, 0, .1)))
	y = b.Add(ir.Recurrent, "gru", []*ir.Value{y}, ir.AttrCell.Is(ir.CellGRU), ir.AttrReset.Is(ir.ResetAfter),
		ir.AttrHidden.Is(b.normal("gru.hidden", ir.Shape{gates * units, units}, 0, math.Sqrt(2./units))), ir.AttrBias.Is(b.normal("gru.bias", ir.Shape{units}, 0, .1)))
	y = b.Add(ir.Slice, "last", []*ir.Value{y}, ir.AttrStarts.Is([]int{0, x.Type.Shape[1] - 1, 0}), ir.AttrSize.Is([]int{units, 1, 1}))
	return b.linear("fc", y, 12)
}

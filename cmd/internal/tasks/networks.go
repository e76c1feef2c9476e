package tasks

import (
	"math"
	"math/rand/v2"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// builder adds layers with random weights.
type builder struct {
	build.Chain
	rng *rand.Rand
}

// layer is weights for the shape, and a bias for each of its rows.
func (b *builder) layer(name string, shape ir.Shape) []ir.Attr {
	w := make([]float32, shape.Size())
	deviation := math.Sqrt(2 / float64(shape[1:].Size()))
	for i := range w {
		w[i] = float32(deviation * b.rng.NormFloat64())
	}
	return []ir.Attr{
		ir.AttrWeight.Is(b.Floats(name+".weight", shape, w)),
		ir.AttrBias.Is(b.Floats(name+".bias", shape[:1], make([]float32, shape[0]))),
	}
}

// conv is a convolution that keeps height and width but for the stride.
func (b *builder) conv(name string, x *ir.Value, filters, kh, kw, strideH, strideW int) *ir.Value {
	s := x.Type.Shape
	pad := build.Same(s[1:], []int{kh, kw}, []int{strideH, strideW}, []int{1, 1})
	attrs := append(b.layer(name, ir.Shape{filters, s[0], kh, kw}), ir.AttrStride.Is([]int{strideH, strideW}), ir.AttrPad.Is(pad))
	return b.Add(ir.Conv2D, name, []*ir.Value{x}, attrs...)
}

// seen is a convolution of a picture and a relu.
func (b *builder) seen(name string, x *ir.Value, filters int) *ir.Value {
	return b.relu(b.conv(name, x, filters, 3, 3, 1, 1))
}

// heard is a convolution of a signal by strides and a relu.
func (b *builder) heard(name string, x *ir.Value, filters, kernel, stride int) *ir.Value {
	return b.relu(b.conv(name, x, filters, 1, kernel, 1, stride))
}

// sinceBefore is a convolution of frames along the last axis, each with those before it alone.
func (b *builder) sinceBefore(name string, x *ir.Value, filters, frames int) *ir.Value {
	attrs := append(b.layer(name, ir.Shape{filters, x.Type.Shape[0], 1, frames}), ir.AttrPad.Is([]int{0, frames - 1, 0, 0}))
	return b.Add(ir.Conv2D, name, []*ir.Value{x}, attrs...)
}

func (b *builder) relu(x *ir.Value) *ir.Value {
	return b.Add(ir.Relu, x.Name+".relu", []*ir.Value{x})
}

func (b *builder) pool(x *ir.Value, h, w int) *ir.Value {
	return b.Add(ir.MaxPool2D, x.Name+".pool", []*ir.Value{x}, ir.AttrKernel.Is([]int{h, w}), ir.AttrStride.Is([]int{h, w}))
}

func (b *builder) larger(x *ir.Value) *ir.Value {
	return b.Add(ir.Resize, x.Name+".larger", []*ir.Value{x}, ir.AttrScale.Is([]int{2, 2}))
}

func (b *builder) concat(name string, x ...*ir.Value) *ir.Value {
	return b.Add(ir.Concat, name, x)
}

func (b *builder) flat(x *ir.Value) *ir.Value {
	return b.Add(ir.Flatten, x.Name+".flat", []*ir.Value{x})
}

func (b *builder) linear(name string, x *ir.Value, units int) *ir.Value {
	return b.Add(ir.Linear, name, []*ir.Value{x}, b.layer(name, ir.Shape{units, x.Type.Shape.Size()})...)
}

func (b *builder) sigmoid(name string, x *ir.Value) *ir.Value {
	return b.Add(ir.Sigmoid, name, []*ir.Value{x})
}

func (b *builder) picture(size int) *ir.Value {
	return b.Input("image", ir.Shape{1, size, size}, ir.Range{Lo: 0, Hi: 1})
}

func (b *builder) signal(name string, channels, samples int) *ir.Value {
	return b.Input(name, ir.Shape{channels, 1, samples}, ir.Range{Lo: -1, Hi: 1})
}

// only is the one result of a network.
func only(v *ir.Value, name string) []output {
	return []output{{v, ir.Task{Name: name, Axis: ir.NoAxis}}}
}

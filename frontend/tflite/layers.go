package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// layer adds a convolution or linear layer. weights are seen through a view of the
// file's order; the product of scales is one of single precision in linear
// layers with one scale.
func (im *importer) layer(op ir.Op, o *operator, v *ir.Value, w *tensor, view ir.View, shape ir.Shape, fused int, attrs ...ir.Attr) (*ir.Value, error) {
	t, q, err := im.result(o)
	if err != nil {
		return nil, err
	}
	bias, err := im.constant(o, 2)
	if err != nil {
		return nil, err
	}
	if view.Size() != w.size() || shape.Size() != w.size() || bias != nil && bias.size() != shape[0] {
		return nil, fmt.Errorf("has weights of shape %v", w.shape)
	}
	act, err := im.activation(fused, t.integer())
	if err != nil {
		return nil, err
	}
	name := im.Name(im.layerName(o, w))
	attrs = append(attrs, act...)
	if !im.exact {
		attrs = append(attrs, ir.AttrWeight.Is(im.sharedConst(w, fmt.Sprint("weight", view, shape), func() *ir.Const {
			x := w.floats()
			y := make([]float32, len(x))
			view.Each(func(i, at int) { y[i] = x[at] })
			return im.Floats(name+".weight", shape, y)
		})))
		if bias != nil {
			if bias.typ == int32Type && len(bias.scale) == 0 {
				return nil, errors.New("has an integer bias without a scale")
			}
			attrs = append(attrs, ir.AttrBias.Is(im.sharedConst(bias, "bias", func() *ir.Const {
				return im.Floats(name+".bias", ir.Shape{shape[0]}, bias.floats())
			})))
		}
		y, err := im.AddQuantized(op, name, []*ir.Value{v}, ir.Quant{}, attrs...)
		if err != nil || fused != actReluN1 {
			return y, err
		}
		return im.activated(y, fused, o)
	}
	isSymmetric := !slices.ContainsFunc(w.zero, func(z int) bool { return z != 0 })
	if w.typ != int8Type || len(w.scale) != 1 && len(w.scale) != shape[0] || !isSymmetric && !w.unsigned || w.unsigned && len(w.scale) != 1 {
		return nil, errors.New("has weights that are not int8 with a scale a channel and zero points of 0, nor uint8 with one scale")
	}
	x := w.ints()
	y := make([]int64, len(x))
	view.Each(func(i, at int) { y[i] = x[at] - int64(w.quant().Zero) })
	kind := fmt.Sprint("weight", view, shape)
	if slices.Max(y) > 127 || slices.Min(y) < -128 {
		if v, y, shape, err = im.inParts(op, name, v, y, shape); err != nil {
			return nil, err
		}
		kind += " in parts"
	}
	scales, factors := make([]float32, shape[0]), make([]float64, shape[0])
	b := make([]int64, shape[0])
	in, isDense := v.Type.Quant.Scale, o.name == "FULLY_CONNECTED"
	isWide := v.Type.IsWide() && (bias == nil && !isDense || bias != nil && bias.typ == int64Type) // sums of 64 bits, but of dense layers
	if bias != nil {
		if bias.typ != int32Type && !isWide {
			return nil, errors.New("has a bias that is not int32, nor int64 with arguments of int16")
		}
		b = bias.ints()
	}
	for c := range scales {
		s := w.scale[c%len(w.scale)]
		scales[c] = float32(s)
		factors[c] = float64(in*s) / q.Scale
		if (isDense || w.unsigned) && len(w.scale) == 1 {
			factors[c] = float64(float32(in)*float32(s)) / q.Scale
		}
	}
	weight := im.sharedConst(w, kind, func() *ir.Const {
		c := im.Ints(name+".weight", ir.I8, shape, y)
		c.Scale = im.Floats(name+".scale", ir.Shape{shape[0]}, scales)
		return c
	})
	reach := make([]int64, shape[0])
	least, greatest := geometry.Differences(v.Type)
	for c := range reach {
		w, cols := make([]int32, len(y)/shape[0]), len(y)/shape[0]
		for i := range w {
			w[i] = int32(y[c*cols+i])
		}
		if reach[c] = geometry.Reach(b[c], w, least, greatest); reach[c] >= geometry.NarrowReach && (isDense || !isWide) {
			return nil, fmt.Errorf("sums up to %d in channel %d, which do not fit 32 bits: -exact=false quantizes the model anew", reach[c], c)
		}
	}
	sums, rq := ir.I32, []ir.Attr(nil)
	if isWide && !isDense {
		sums = ir.I64
		rq, err = im.wideRequant(name, factors, reach)
	} else {
		rq, err = im.layerRequant(name, isDense, isWide, factors, reach...)
	}
	if err != nil {
		return nil, err
	}
	attrs = append(append(attrs, rq...), ir.AttrWeight.Is(weight), ir.AttrBias.Is(im.Ints(name+".bias", sums, ir.Shape{shape[0]}, b)))
	return im.AddQuantized(op, name, []*ir.Value{v}, q, attrs...)
}

// inParts are the argument and the weights of a layer whose weights, less their zero point,
// do not fit 8 bits, as those of uint8 may: they are sums of weights that do, each of which
// has an input of its own.
func (im *importer) inParts(op ir.Op, name string, v *ir.Value, w []int64, shape ir.Shape) (*ir.Value, []int64, ir.Shape, error) {
	parts := 2
	if slices.Max(w) > 254 { // -255 is -128 and -127, 255 is more than twice 127
		parts = 3
	}
	view, to := ir.View{Dims: []int{v.Type.Shape.Size(), parts}, Strides: []int{1, 0}}, ir.Shape{v.Type.Shape.Size() * parts}
	plane := 1 // of the weights of an input
	if op == ir.Conv2D {
		s := v.Type.Shape
		view = ir.View{Dims: []int{s[0], parts, s[1] * s[2]}, Strides: []int{s[1] * s[2], 0, 1}}
		to, plane = ir.Shape{s[0] * parts, s[1], s[2]}, shape[2]*shape[3]
	}
	if len(w)*parts > ir.MaxElements || to.Size() < 0 {
		return nil, nil, nil, fmt.Errorf("has weights of shape %v", shape)
	}
	wide, err := im.add(ir.Copy, name+".parts", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(to)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
	if err != nil {
		return nil, nil, nil, err
	}
	out := make([]int64, 0, len(w)*parts)
	for i := 0; i < len(w); i += plane {
		rest := slices.Clone(w[i : i+plane])
		for range parts {
			for k, r := range rest {
				own := min(max(r, -128), 127)
				out, rest[k] = append(out, own), r-own
			}
		}
	}
	shape = slices.Clone(shape)
	shape[1] *= parts
	return wide, out, shape, nil
}

// sharedConst is a constant that a tensor of the file becomes, made once for each kind of
// layer that reads it: the steps of a loop have the same weights.
func (im *importer) sharedConst(t *tensor, kind string, make func() *ir.Const) *ir.Const {
	if len(t.data) == 0 {
		return make()
	}
	key := sharedConst{&t.data[0], kind}
	if im.shared[key] == nil {
		im.shared[key] = make()
	}
	return im.shared[key]
}

// padding is that of an operator, whose option 0 says SAME or VALID.
func padding(o *operator, size, kernel, stride, dilation []int) []int {
	if o.options.byte(0, 0) == 1 { // VALID
		return []int{0, 0, 0, 0}
	}
	return build.Same(size, kernel, stride, dilation)
}

func checkWindow(lists ...[]int) error {
	for _, l := range lists {
		if slices.Min(l) < 1 || slices.Max(l) > 1<<16 {
			return fmt.Errorf("has the window, stride or dilation %v", l)
		}
	}
	return nil
}

// weights is constant argument 1, whose dimensions a layout names.
func (im *importer) weights(o *operator, layout string) (*tensor, error) {
	w, err := im.constant(o, 1)
	if err != nil || w == nil || len(w.shape) != 1+strings.Count(layout, ",") || strings.HasPrefix(layout, "[1,") && w.shape[0] != 1 {
		return nil, cmp.Or(err, fmt.Errorf("has no weights %s", layout))
	}
	return w, nil
}

// filters are computed argument k, an image, and the weights of a convolution.
func (im *importer) filters(o *operator, k int, layout string) (x *operand, v *ir.Value, w *tensor, err error) {
	if x, err = im.computed(o, k); err != nil {
		return nil, nil, nil, err
	}
	if w, err = im.weights(o, layout); err != nil {
		return nil, nil, nil, err
	}
	v, err = im.asImage(x)
	return x, v, w, err
}

// giveImage declares an operator's result, an image.
func (im *importer) giveImage(o *operator, v *ir.Value, blocks []int) error {
	s := v.Type.Shape
	return im.give(o, &operand{v: v, image: true, shape: []int{1, s[1], s[2], s[0]}, blocks: blocks})
}

// dilated are the dilation and the padding of a convolution of an operand, whose pixels
// may be spread over the batch: its window then reaches over the blocks.
func dilated(o *operator, x *operand, size, kernel, stride, dilation []int) (wide, pad []int, err error) {
	if x.blocks == nil {
		return dilation, padding(o, size, kernel, stride, dilation), nil
	}
	b := x.blocks[1:3]
	if !slices.Equal(stride, []int{1, 1}) {
		return nil, nil, fmt.Errorf("of strides %v between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND", stride)
	}
	pad = padding(o, []int{size[0] / b[0], size[1] / b[1]}, kernel, stride, dilation)
	for i := range pad {
		pad[i] *= b[i%2]
	}
	return []int{dilation[0] * b[0], dilation[1] * b[1]}, pad, nil
}

func conv(im *importer, o *operator) error {
	x, v, w, err := im.filters(o, 0, "[O,KH,KW,I]")
	if err != nil {
		return err
	}
	s, t := w.shape, o.options
	stride, dilation := []int{t.int(2, 0), t.int(1, 0)}, []int{t.int(5, 1), t.int(4, 1)}
	if err := checkWindow(stride, dilation, s); err != nil {
		return err
	}
	channels := v.Type.Shape[0]
	if channels%s[3] != 0 {
		return fmt.Errorf("has weights for %d of %d channels", s[3], channels)
	}
	dilation, pad, err := dilated(o, x, v.Type.Shape[1:], s[1:3], stride, dilation)
	if err != nil {
		return err
	}
	y, err := im.layer(ir.Conv2D, o, v, w, ir.ViewOf(s).Permute([]int{0, 3, 1, 2}), ir.Shape{s[0], s[3], s[1], s[2]}, t.byte(3, 0),
		ir.AttrStride.Is(stride), ir.AttrPad.Is(pad), ir.AttrDilation.Is(dilation), ir.AttrGroups.Is(channels/s[3]))
	if err != nil {
		return err
	}
	return im.giveImage(o, y, x.blocks)
}

func depthwise(im *importer, o *operator) error {
	x, v, w, err := im.filters(o, 0, "[1,KH,KW,O]")
	if err != nil {
		return err
	}
	s, t := w.shape, o.options
	stride, dilation := []int{t.int(2, 0), t.int(1, 0)}, []int{t.int(6, 1), t.int(5, 1)}
	if err := checkWindow(stride, dilation, s); err != nil {
		return err
	}
	dilation, pad, err := dilated(o, x, v.Type.Shape[1:], s[1:3], stride, dilation)
	if err != nil {
		return err
	}
	y, err := im.layer(ir.Conv2D, o, v, w, ir.ViewOf(s).Permute([]int{3, 0, 1, 2}), ir.Shape{s[3], 1, s[1], s[2]}, t.byte(4, 0),
		ir.AttrStride.Is(stride), ir.AttrPad.Is(pad), ir.AttrDilation.Is(dilation), ir.AttrGroups.Is(v.Type.Shape[0]))
	if err != nil {
		return err
	}
	return im.giveImage(o, y, x.blocks)
}

// fullyConnected permutes its weights where the input lies as an image, so that
// the data stay where they are. Of more than one row it is a convolution of pixels.
func fullyConnected(im *importer, o *operator, x *operand) error {
	w, err := im.weights(o, "[O,I]")
	if err != nil {
		return err
	}
	if o.options.byte(1, 0) != 0 {
		return errors.New("has shuffled weights")
	}
	fused, all, inputs := o.options.byte(0, 0), build.Product(x.shape), w.shape[1]
	if inputs < 1 || all%inputs != 0 {
		return fmt.Errorf("of shapes %v and %v", x.shape, w.shape)
	}
	if all != inputs {
		rows := &operand{v: x.v, image: x.image, shape: []int{1, all / inputs, 1, inputs}}
		if s := x.shape; len(s) == 4 && s[0] == 1 && s[3] == inputs {
			rows.shape = s
		}
		v, err := im.asImage(rows)
		if err != nil {
			return err
		}
		y, err := im.layer(ir.Conv2D, o, v, w, ir.ViewOf(w.shape), ir.Shape{w.shape[0], inputs, 1, 1}, fused)
		if err != nil {
			return err
		}
		// The rows are pixels of an image; the file's axes are those of the argument, or
		// they are one.
		to := []int{all / inputs, w.shape[0]}
		if o.options.byte(2, 0) != 0 {
			to = append(slices.Clone(x.shape[:len(x.shape)-1]), w.shape[0])
		}
		return im.give(o, &operand{v: y, image: true, shape: to})
	}
	view := ir.ViewOf(w.shape)
	if x.image {
		s := x.v.Type.Shape
		view = ir.ViewOf(ir.Shape{w.shape[0], s[1], s[2], s[0]}).Permute([]int{0, 3, 1, 2})
	}
	y, err := im.layer(ir.Linear, o, x.v, w, view, ir.Shape(w.shape), fused)
	if err != nil {
		return err
	}
	to := []int{1, w.shape[0]}
	if o.options.byte(2, 0) != 0 {
		to = append(slices.Clone(x.shape[:len(x.shape)-1]), w.shape[0])
	}
	return im.give(o, &operand{v: y, shape: to})
}

// transposeConv is a convolution of the image with zeros between its pixels, by the
// weights turned around.
func transposeConv(im *importer, o *operator) error {
	_, v, w, err := im.filters(o, 2, "[O,KH,KW,I]")
	if err != nil {
		return err
	}
	s, t := w.shape, o.options
	sizes, err := im.constant(o, 0)
	if err != nil || sizes == nil {
		return cmp.Or(err, errors.New("has no sizes"))
	}
	out, err := sizes.shortInts()
	if err != nil {
		return err
	}
	stride := []int{t.int(2, 0), t.int(1, 0)}
	if err := checkWindow(stride, s); err != nil {
		return err
	}
	if s[3] != v.Type.Shape[0] || len(out) != 4 || slices.Min(out) < 1 || slices.Max(out) > ir.MaxElements {
		return fmt.Errorf("of %v with weights of %v", im.tensors[o.in[2]].shape, s)
	}
	pad := padding(o, out[1:3], s[1:3], stride, []int{1, 1})
	before, after := []int{0, 0, 0}, []int{0, 0, 0}
	for i := range 2 {
		k := s[1+i]
		before[1+i] = k - 1 - pad[i]
		after[1+i] = out[1+i] + pad[i] - (v.Type.Shape[1+i]-1)*stride[i] - 1
		if before[1+i] < 0 || after[1+i] < 0 {
			return fmt.Errorf("gives %v, less than its window reaches", out)
		}
	}
	zero := 0.
	if im.exact {
		zero = float64(v.Type.Quant.Zero)
	}
	wide, err := im.add(ir.Pad, im.hint(o)+".pad", []*ir.Value{v}, v.Type.Quant, ir.AttrBefore.Is(before), ir.AttrAfter.Is(after),
		ir.AttrBetween.Is([]int{0, stride[0] - 1, stride[1] - 1}), ir.AttrValue.Is(zero))
	if err != nil {
		return err
	}
	view := ir.ViewOf(s).Slice(1, s[1]-1, -1, s[1]).Slice(2, s[2]-1, -1, s[2]).Permute([]int{0, 3, 1, 2})
	layer := &operator{name: o.name, options: t, in: []int{o.in[2], o.in[1]}, out: o.out}
	if len(o.in) > 3 {
		layer.in = append(layer.in, o.in[3])
	}
	y, err := im.layer(ir.Conv2D, layer, wide, w, view, ir.Shape{s[0], s[3], s[1], s[2]}, t.byte(3, 0))
	if err != nil {
		return err
	}
	return im.giveImage(o, y, nil)
}

func pool(op ir.Op) func(*importer, *operator, *operand) error {
	return func(im *importer, o *operator, x *operand) error {
		result, q, err := im.result(o)
		if err != nil {
			return err
		}
		v, err := im.asImage(x)
		if err != nil {
			return err
		}
		t := o.options
		stride, kernel := []int{t.int(2, 0), t.int(1, 0)}, []int{t.int(4, 0), t.int(3, 0)}
		if err := checkWindow(stride, kernel); err != nil {
			return err
		}
		if im.exact && q != v.Type.Quant {
			return errors.New("changes the scale")
		}
		attrs := []ir.Attr{ir.AttrKernel.Is(kernel), ir.AttrPad.Is(padding(o, v.Type.Shape[1:], kernel, stride, []int{1, 1}))}
		if !slices.Equal(stride, kernel) {
			attrs = append(attrs, ir.AttrStride.Is(stride))
		}
		fused := t.byte(5, 0)
		if im.exact {
			act, err := im.activation(fused, result.integer())
			if err != nil {
				return err
			}
			attrs = append(attrs, act...)
			fused = actNone
		}
		if im.exact && op == ir.AvgPool2D && result.unsigned {
			y, err := im.unsignedMean(im.hint(o), v, q, kernel, attrs)
			if err != nil {
				return err
			}
			return im.giveImage(o, y, nil)
		}
		y, err := im.add(op, im.hint(o), []*ir.Value{v}, q, attrs...)
		if err != nil {
			return err
		}
		if y, err = im.activated(y, fused, o); err != nil {
			return err
		}
		return im.giveImage(o, y, nil)
	}
}

// unsignedMean is an average pool of uint8, whose ties go up: those of int8 go away from
// zero (R11). Its integers count from the least one, so that no sum is negative and the
// factor of a number of pixels, rounded up, takes ties up, too.
func (im *importer) unsignedMean(name string, v *ir.Value, q ir.Quant, kernel []int, attrs []ir.Attr) (*ir.Value, error) {
	raw := ir.Quant{Scale: q.Scale, Zero: -128}
	v, err := im.relabelled(name+".raw", v, raw)
	if err != nil {
		return nil, err
	}
	if kernel[0]*kernel[1] > 1<<12 {
		return nil, fmt.Errorf("has a window of %v", kernel)
	}
	mul, shift := []int64{0}, []int64{62}
	for n := 1; n <= kernel[0]*kernel[1]; n++ {
		m, r, err := geometry.MultiplierFor(1 / float64(n))
		if err != nil {
			return nil, err
		}
		if int64(m)*int64(n) < 1<<r {
			m++
		}
		mul, shift = append(mul, int64(m)), append(shift, int64(r))
	}
	layer := im.Name(name + ".mean")
	shape := ir.Shape{len(mul)}
	attrs = append(attrs, ir.AttrMul.Is(im.Ints(layer+".mul", ir.I32, shape, mul)), ir.AttrShift.Is(im.Ints(layer+".shift", ir.I32, shape, shift)))
	y, err := im.AddQuantized(ir.AvgPool2D, layer, []*ir.Value{v}, raw, attrs...)
	if err != nil {
		return nil, err
	}
	return im.relabelled(name, y, q)
}

// activated is a float value after an activation that its operation cannot have.
func (im *importer) activated(v *ir.Value, fused int, o *operator) (*ir.Value, error) {
	switch fused {
	case actNone:
		return v, nil
	case actRelu:
		return im.add(ir.Relu, im.hint(o)+".act", []*ir.Value{v}, v.Type.Quant)
	case actRelu6:
		return im.add(ir.Relu6, im.hint(o)+".act", []*ir.Value{v}, v.Type.Quant)
	case actReluN1:
		return im.add(ir.Clip, im.hint(o)+".act", []*ir.Value{v}, v.Type.Quant, ir.AttrLow.Is(-1.), ir.AttrHigh.Is(1.))
	}
	return nil, fmt.Errorf("has the fused activation %d", fused)
}

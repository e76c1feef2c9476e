package tflite

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/kernels"
)

const opQuantize = 114

// opEntry is what the importer knows of an operator.
type opEntry struct {
	name string
	run  func(im *importer, o *operator) error
	ops  []ir.Op // what it becomes
}

// operator is an operator of the file with its operands looked up.
type operator struct {
	name    string
	options table
	in, out []int
}

var opTable map[int]opEntry

func init() {
	opTable = map[int]opEntry{
		0: {"ADD", pairOf(ir.Add), []ir.Op{ir.Add}}, 41: {"SUB", pairOf(ir.Sub), []ir.Op{ir.Sub}}, 18: {"MUL", pairOf(ir.Mul), []ir.Op{ir.Mul}},
		55: {"MAXIMUM", pairOf(ir.Maximum), []ir.Op{ir.Maximum}}, 57: {"MINIMUM", pairOf(ir.Minimum), []ir.Op{ir.Minimum}},
		3: {"CONV_2D", conv, []ir.Op{ir.Conv2D}}, 4: {"DEPTHWISE_CONV_2D", depthwise, []ir.Op{ir.Conv2D}}, 9: {"FULLY_CONNECTED", fullyConnected, []ir.Op{ir.Linear}},
		1: {"AVERAGE_POOL_2D", pool(ir.AvgPool2D), []ir.Op{ir.AvgPool2D}}, 17: {"MAX_POOL_2D", pool(ir.MaxPool2D), []ir.Op{ir.MaxPool2D}},
		2: {"CONCATENATION", concat, []ir.Op{ir.Concat}}, 22: {"RESHAPE", reshape, []ir.Op{ir.Reshape}}, 43: {"SQUEEZE", reshape, []ir.Op{ir.Reshape}},
		70: {"EXPAND_DIMS", reshape, []ir.Op{ir.Reshape}}, 25: {"SOFTMAX", softmax, []ir.Op{ir.Softmax}}, 34: {"PAD", pad, []ir.Op{ir.Pad}}, 60: {"PADV2", pad, []ir.Op{ir.Pad}},
		39: {"TRANSPOSE", transpose, []ir.Op{ir.Copy}}, 45: {"STRIDED_SLICE", stridedSlice, []ir.Op{ir.Copy}}, 65: {"SLICE", slice, []ir.Op{ir.Copy}},
		40: {"MEAN", mean, []ir.Op{ir.GlobalAvgPool, ir.Reduce}}, 97: {"RESIZE_NEAREST_NEIGHBOR", resize, []ir.Op{ir.Resize}},
		opQuantize: {"QUANTIZE", requantize, []ir.Op{ir.Requantize}}, 6: {"DEQUANTIZE", pass, nil},
		19: {"RELU", unary(ir.Relu), []ir.Op{ir.Relu}}, 21: {"RELU6", unary(ir.Relu6), []ir.Op{ir.Relu6}}, 14: {"LOGISTIC", unary(ir.Sigmoid), []ir.Op{ir.Sigmoid}},
		28: {"TANH", unary(ir.Tanh), []ir.Op{ir.Tanh}}, 98: {"LEAKY_RELU", unary(ir.LeakyRelu), []ir.Op{ir.LeakyRelu}}, 117: {"HARD_SWISH", unary(ir.HardSwish), []ir.Op{ir.HardSwish}},
		47: {"EXP", unary(ir.Exp), []ir.Op{ir.Exp}}, 101: {"ABS", unary(ir.Abs), []ir.Op{ir.Abs}}, 111: {"ELU", unary(ir.Elu), []ir.Op{ir.Elu}}, 59: {"NEG", unary(ir.Neg), []ir.Op{ir.Neg}},
		49: {"SPLIT", split, []ir.Op{ir.Copy}}, 102: {"SPLIT_V", splitV, []ir.Op{ir.Copy}}, 83: {"PACK", pack, []ir.Op{ir.Concat}}, 88: {"UNPACK", unpack, []ir.Op{ir.Copy}},
		56: {"ARG_MAX", argmax, []ir.Op{ir.ArgMax}}, 126: {"BATCH_MATMUL", batchMatMul, []ir.Op{ir.MatMul}}, 67: {"TRANSPOSE_CONV", transposeConv, []ir.Op{ir.Pad, ir.Conv2D}},
		54: {"PRELU", prelu, []ir.Op{ir.Table, ir.LeakyRelu, ir.BatchNorm}}, 100: {"MIRROR_PAD", pad, []ir.Op{ir.Pad}}, 50: {"LOG_SOFTMAX", logSoftmax, []ir.Op{ir.LogSoftmax}},
		150: {"GELU", unary(ir.Gelu), []ir.Op{ir.Gelu}}, 75: {"SQRT", unary(ir.Sqrt), []ir.Op{ir.Sqrt}}, 73: {"LOG", unary(ir.Log), []ir.Op{ir.Log}},
	}
}

// severalResults are the operators that may have more than one.
var severalResults = map[string]bool{"SPLIT": true, "SPLIT_V": true, "UNPACK": true}

// Names lists the TensorFlow Lite operators that become an operation.
func Names(op ir.Op) []string {
	var names []string
	for _, e := range opTable {
		if slices.Contains(e.ops, op) {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}

// opCode is the operator's code, -1 where it is none of the file's.
func opCode(op table, codes []table) int {
	i := op.int(0, 0)
	if i < 0 || i >= len(codes) {
		return -1
	}
	// Codes above 127 stand in the field that newer files have.
	return max(codes[i].byte(0, 0), codes[i].int(3, 0))
}

func opName(op table, codes []table) string {
	code := opCode(op, codes)
	if e, ok := opTable[code]; ok {
		return e.name
	}
	return fmt.Sprintf("with code %d", code)
}

// operator imports one operator.
func (im *importer) operator(op table, codes []table) error {
	code := opCode(op, codes)
	options, _ := op.sub(4)
	o := &operator{name: opName(op, codes), options: options, in: op.ints(1), out: op.ints(2)}
	for _, i := range slices.Concat(o.in, o.out) {
		if i < -1 || i >= len(im.tensors) {
			return fmt.Errorf("has the operand %d of %d", i, len(im.tensors))
		}
	}
	fail := func(err error) error {
		for _, i := range o.out {
			im.failed[i] = true
		}
		return err
	}
	for _, i := range o.in {
		if i >= 0 && im.failed[i] {
			return fail(build.ErrSkipped)
		}
	}
	e, ok := opTable[code]
	if !ok {
		return fail(build.ErrUnsupported)
	}
	if len(o.in) < 1 || len(o.out) < 1 || len(o.out) > 1 && !severalResults[e.name] || slices.Min(o.out) < 0 || o.in[0] < 0 {
		return fail(fmt.Errorf("has %d arguments and %d results", len(o.in), len(o.out)))
	}
	for i, k := range o.out {
		if im.values[k] != nil || im.tensors[k].data != nil || slices.Contains(o.out[:i], k) {
			return fail(fmt.Errorf("computes %q, which is there already", im.tensors[k].name))
		}
	}
	if err := e.run(im, o); err != nil {
		return fail(err)
	}
	return nil
}

// computed is argument k, which the network computes.
func (im *importer) computed(o *operator, k int) (*operand, error) {
	if k >= len(o.in) || o.in[k] < 0 {
		return nil, errors.New("lacks an argument")
	}
	v := im.values[o.in[k]]
	if v == nil {
		if im.tensors[o.in[k]].data != nil {
			return nil, errors.New("has a constant where a computed value belongs")
		}
		return nil, fmt.Errorf("uses %q before its definition", im.tensors[o.in[k]].name)
	}
	if len(v.shape) == 0 { // one number, as a list of one
		return &operand{v: v.v, shape: []int{1}}, nil
	}
	return v, nil
}

// constant is argument k, which is a constant of the file; nil where it is absent.
func (im *importer) constant(o *operator, k int) (*tensor, error) {
	if k >= len(o.in) || o.in[k] < 0 {
		return nil, nil
	}
	t := im.tensors[o.in[k]]
	switch {
	case t.data == nil && t.size() != 0:
		return nil, errors.New("has weights or sizes that are computed in the network")
	case t.typ != float32Type && t.ints() == nil && t.size() != 0:
		return nil, fmt.Errorf("has a constant of TensorFlow Lite type %d", t.typ)
	}
	return t, nil
}

// result is the tensor of the operator's result, and its quantization.
func (im *importer) result(o *operator) (*tensor, ir.Quant, error) {
	t := im.tensors[o.out[0]]
	q := t.quant()
	if im.exact && (t.typ != int8Type || q.Scale == 0) {
		return nil, q, fmt.Errorf("gives %q, which is not int8 with one scale", t.name)
	}
	return t, q, nil
}

// set declares an operator's result.
func (im *importer) set(o *operator, v *ir.Value, image bool) error {
	t := im.tensors[o.out[0]]
	if product(t.shape) != v.Type.Shape.Size() {
		return fmt.Errorf("gives %v, the file says %v", v.Type.Shape, t.shape)
	}
	im.values[o.out[0]] = &operand{v: v, image: image, shape: t.shape}
	return nil
}

// hint is the name of an operator's result as readers want it.
func (im *importer) hint(o *operator) string {
	name := im.tensors[o.out[0]].name
	if name == "" {
		return o.name
	}
	return name
}

// The fused activations.
const (
	actNone  = 0
	actRelu  = 1
	actRelu6 = 3
)

// activation is a fused activation as attributes: an activation of a float
// network, bounds of an exact one.
func (im *importer) activation(fused int, q ir.Quant) ([]ir.Attr, error) {
	name := map[int]string{actNone: "none", actRelu: "relu", actRelu6: "relu6"}[fused]
	if name == "" {
		return nil, fmt.Errorf("has the fused activation %d", fused)
	}
	if !im.exact {
		return []ir.Attr{build.Attr("act", name)}, nil
	}
	lo, hi := -128, 127
	if fused != actNone {
		lo = max(lo, q.Zero)
	}
	if fused == actRelu6 {
		hi = min(hi, q.Zero+int(math.Round(float64(float32(6)/float32(q.Scale)))))
	}
	return []ir.Attr{build.Attr("lo", lo), build.Attr("hi", hi)}, nil
}

// requant are the constants of an exact requantization by real factors.
func (im *importer) requant(name string, factors []float64) ([]ir.Attr, error) {
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		m, r, err := kernels.MultiplierFor(f)
		if err != nil {
			return nil, err
		}
		mul[i], shift[i] = int64(m), int64(r)
	}
	shape := ir.Shape{len(factors)}
	return []ir.Attr{build.Attr("mul", im.Ints(name+".mul", ir.I32, shape, mul)), build.Attr("shift", im.Ints(name+".shift", ir.I32, shape, shift)),
		build.Attr("round", "tflite")}, nil
}

// layer adds a convolution or linear layer. weights are seen through a view of the
// file's order; the product of scales is one of single precision in linear
// layers with one scale.
func (im *importer) layer(op ir.Op, o *operator, v *ir.Value, w *tensor, view ir.View, shape ir.Shape, fused int, attrs ...ir.Attr) (*ir.Value, error) {
	_, q, err := im.result(o)
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
	act, err := im.activation(fused, q)
	if err != nil {
		return nil, err
	}
	name := im.Name(im.hint(o))
	attrs = append(attrs, act...)
	if !im.exact {
		x := w.floats()
		y := make([]float32, len(x))
		view.Each(func(i, at int) { y[i] = x[at] })
		attrs = append(attrs, build.Attr("weight", im.Floats(name+".weight", shape, y)))
		if bias != nil {
			b := bias.floats()
			if bias.typ == int32Type && len(bias.scale) == 0 {
				return nil, errors.New("has an integer bias without a scale")
			}
			attrs = append(attrs, build.Attr("bias", im.Floats(name+".bias", ir.Shape{shape[0]}, b)))
		}
		return im.AddQuantized(op, name, []*ir.Value{v}, ir.Quant{}, attrs...)
	}
	if w.typ != int8Type || (len(w.scale) != 1 && len(w.scale) != shape[0]) || slices.ContainsFunc(w.zero, func(z int) bool { return z != 0 }) {
		return nil, errors.New("has weights that are not int8 with a scale a channel and zero points of 0")
	}
	x := w.ints()
	y := make([]int64, len(x))
	view.Each(func(i, at int) { y[i] = x[at] })
	weight := im.Ints(name+".weight", ir.I8, shape, y)
	scales, factors := make([]float32, shape[0]), make([]float64, shape[0])
	b := make([]int64, shape[0])
	if bias != nil {
		if bias.typ != int32Type {
			return nil, errors.New("has a bias that is not int32")
		}
		b = bias.ints()
	}
	in := v.Type.Quant.Scale
	for c := range scales {
		s := w.scale[c%len(w.scale)]
		scales[c] = float32(s)
		factors[c] = float64(in*s) / q.Scale
		if op == ir.Linear && len(w.scale) == 1 {
			factors[c] = float64(float32(in)*float32(s)) / q.Scale
		}
	}
	weight.Scale = im.Floats(name+".scale", ir.Shape{shape[0]}, scales)
	rq, err := im.requant(name, factors)
	if err != nil {
		return nil, err
	}
	if op == ir.Linear {
		// The interpreter's fully connected kernel rounds once, half up, which is our
		// own rounding (R6): measured against ai-edge-litert 2.3.0.
		rq = rq[:2]
	}
	attrs = append(append(attrs, rq...), build.Attr("weight", weight), build.Attr("bias", im.Ints(name+".bias", ir.I32, ir.Shape{shape[0]}, b)))
	return im.AddQuantized(op, name, []*ir.Value{v}, q, attrs...)
}

// same is SAME padding: [top, left, bottom, right].
func same(valid bool, size, kernel, stride, dilation []int) []int {
	pad := []int{0, 0, 0, 0}
	if valid {
		return pad
	}
	for i := range 2 {
		out := (size[i] + stride[i] - 1) / stride[i]
		all := max((out-1)*stride[i]+(kernel[i]-1)*dilation[i]+1-size[i], 0)
		pad[i], pad[2+i] = all/2, all-all/2
	}
	return pad
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
		return nil, errors.Join(err, fmt.Errorf("has no weights %s", layout))
	}
	return w, nil
}

// filters are computed argument k, an image, and the weights of a convolution.
func (im *importer) filters(o *operator, k int, layout string) (v *ir.Value, w *tensor, err error) {
	x, err := im.computed(o, k)
	if err != nil {
		return nil, nil, err
	}
	if w, err = im.weights(o, layout); err != nil {
		return nil, nil, err
	}
	v, err = im.asImage(x)
	return v, w, err
}

func conv(im *importer, o *operator) error {
	v, w, err := im.filters(o, 0, "[O,KH,KW,I]")
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
	pad := same(t.byte(0, 0) == 1, v.Type.Shape[1:], s[1:3], stride, dilation)
	y, err := im.layer(ir.Conv2D, o, v, w, ir.ViewOf(s).Permute([]int{0, 3, 1, 2}), ir.Shape{s[0], s[3], s[1], s[2]}, t.byte(3, 0),
		build.Attr("stride", stride), build.Attr("pad", pad), build.Attr("dilation", dilation), build.Attr("groups", channels/s[3]))
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

func depthwise(im *importer, o *operator) error {
	v, w, err := im.filters(o, 0, "[1,KH,KW,O]")
	if err != nil {
		return err
	}
	s, t := w.shape, o.options
	stride, dilation := []int{t.int(2, 0), t.int(1, 0)}, []int{t.int(6, 1), t.int(5, 1)}
	if err := checkWindow(stride, dilation, s); err != nil {
		return err
	}
	pad := same(t.byte(0, 0) == 1, v.Type.Shape[1:], s[1:3], stride, dilation)
	y, err := im.layer(ir.Conv2D, o, v, w, ir.ViewOf(s).Permute([]int{3, 0, 1, 2}), ir.Shape{s[3], 1, s[1], s[2]}, t.byte(4, 0),
		build.Attr("stride", stride), build.Attr("pad", pad), build.Attr("dilation", dilation), build.Attr("groups", v.Type.Shape[0]))
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

// fullyConnected permutes its weights where the input lies as an image, so that
// the data stay where they are.
func fullyConnected(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	w, err := im.weights(o, "[O,I]")
	if err != nil {
		return err
	}
	if product(x.shape) != w.shape[1] {
		return fmt.Errorf("of shapes %v and %v: more than one row", x.shape, w.shape)
	}
	view := ir.ViewOf(w.shape)
	v := x.v
	if x.image {
		s := v.Type.Shape
		view = ir.ViewOf(ir.Shape{w.shape[0], s[1], s[2], s[0]}).Permute([]int{0, 3, 1, 2})
	}
	if o.options.byte(1, 0) != 0 {
		return errors.New("has shuffled weights")
	}
	y, err := im.layer(ir.Linear, o, v, w, view, ir.Shape(w.shape), o.options.byte(0, 0))
	if err != nil {
		return err
	}
	return im.set(o, y, false)
}

func pool(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.computed(o, 0)
		if err != nil {
			return err
		}
		_, q, err := im.result(o)
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
		attrs := []ir.Attr{build.Attr("kernel", kernel), build.Attr("pad", same(t.byte(0, 0) == 1, v.Type.Shape[1:], kernel, stride, []int{1, 1}))}
		if !slices.Equal(stride, kernel) {
			attrs = append(attrs, build.Attr("stride", stride))
		}
		fused := t.byte(5, 0)
		if im.exact {
			act, err := im.activation(fused, q)
			if err != nil {
				return err
			}
			attrs = append(attrs, act...)
			fused = actNone
		}
		y, err := im.add(op, im.hint(o), []*ir.Value{v}, q, attrs...)
		if err != nil {
			return err
		}
		if y, err = im.activated(y, fused, o); err != nil {
			return err
		}
		return im.set(o, y, true)
	}
}

// activated is a float value behind an activation that its operation cannot have.
func (im *importer) activated(v *ir.Value, fused int, o *operator) (*ir.Value, error) {
	switch fused {
	case actNone:
		return v, nil
	case actRelu:
		return im.add(ir.Relu, im.hint(o)+".act", []*ir.Value{v}, v.Type.Quant)
	case actRelu6:
		return im.add(ir.Relu6, im.hint(o)+".act", []*ir.Value{v}, v.Type.Quant)
	}
	return nil, fmt.Errorf("has the fused activation %d", fused)
}

// pairOf imports an operation of two computed values of one shape, or of shapes
// that broadcast.
func pairOf(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		for k := range min(len(o.in), 2) {
			if i := o.in[k]; i >= 0 && im.tensors[i].data != nil && im.values[i] == nil && len(o.in) == 2 {
				return im.withConstant(op, o, 1-k, k)
			}
		}
		a, err := im.computed(o, 0)
		if err != nil {
			return err
		}
		b, err := im.computed(o, 1)
		if err != nil {
			return err
		}
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		if !slices.Equal(a.shape, b.shape) {
			return fmt.Errorf("of shapes %v and %v", a.shape, b.shape)
		}
		image := (a.image || b.image) && len(a.shape) == 4
		x, err := im.as(a, image)
		if err != nil {
			return err
		}
		y, err := im.as(b, image)
		if err != nil {
			return err
		}
		if op == ir.Minimum || op == ir.Maximum {
			if im.exact && (x.Type.Quant != q || y.Type.Quant != q) {
				return errors.New("of arguments of different scales")
			}
			v, err := im.add(op, im.hint(o), []*ir.Value{x, y}, q)
			if err != nil {
				return err
			}
			return im.set(o, v, image)
		}
		attrs, err := im.activation(o.options.byte(0, 0), q)
		if err != nil {
			return err
		}
		name := im.Name(im.hint(o))
		if im.exact {
			rq, err := im.pairRequant(op, name, x.Type.Quant, y.Type.Quant, q)
			if err != nil {
				return err
			}
			attrs = append(attrs, rq...)
		} else {
			q = ir.Quant{}
		}
		v, err := im.AddQuantized(op, name, []*ir.Value{x, y}, q, attrs...)
		if err != nil {
			return err
		}
		return im.set(o, v, image)
	}
}

// mostChannels bounds the scales that one number is spread to.
const mostChannels = 1 << 20

// withConstant imports an operation of computed argument k and a constant, which is
// argument c: of a float network a scale and an offset a channel, of integers and
// one number a table.
func (im *importer) withConstant(op ir.Op, o *operator, k, c int) error {
	x, err := im.computed(o, k)
	if err != nil {
		return err
	}
	t, err := im.constant(o, c)
	if err != nil {
		return err
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if op != ir.Add && op != ir.Sub && op != ir.Mul {
		return errors.New("of a constant")
	}
	if im.exact {
		if t.size() != 1 || t.typ != int8Type || len(t.scale) != 1 {
			return errors.New("of int8 values and a constant of more than one number")
		}
		table, err := im.pairTable(op, x.v.Type.Quant, t.quant(), q, int8(t.ints()[0]), c == 0, o.options.byte(0, 0))
		if err != nil {
			return err
		}
		return im.table(o, x, q, table)
	}
	channels := x.shape[len(x.shape)-1]
	if t.size() != 1 && (t.size() != channels || t.shape[len(t.shape)-1] != channels || (len(x.shape) != 4 && product(x.shape) != channels)) {
		return fmt.Errorf("of shapes %v and %v", x.shape, t.shape)
	}
	v := x.v
	if len(x.shape) == 4 {
		if v, err = im.asImage(x); err != nil {
			return err
		}
	}
	n := v.Type.Shape[0]
	if n > mostChannels {
		return fmt.Errorf("of %d channels and a constant; at most %d have a scale each", n, mostChannels)
	}
	scale, shift, values := make([]float32, n), make([]float32, n), t.floats()
	for i := range n {
		s, d, y := float32(1), float32(0), values[i%len(values)]
		switch {
		case op == ir.Mul:
			s = y
		case op == ir.Add:
			d = y
		case c == 0:
			s, d = -1, y
		default:
			d = -y
		}
		scale[i], shift[i] = s, d
	}
	y, err := im.ScaleShift(im.hint(o), v, scale, shift)
	if err != nil {
		return err
	}
	if y, err = im.activated(y, o.options.byte(0, 0), o); err != nil {
		return err
	}
	return im.set(o, y, len(x.shape) == 4)
}

// pairTable are the results of an exact operation of every integer and one
// constant, which comes first or second.
func (im *importer) pairTable(op ir.Op, x, k, y ir.Quant, value int8, first bool, fused int) ([]int8, error) {
	act, err := im.activation(fused, y)
	if err != nil {
		return nil, err
	}
	lo, hi := int32(act[0].Value.(int)), int32(act[1].Value.(int))
	all, constant, out := make([]int8, 256), slices.Repeat([]int8{value}, 256), make([]int8, 256)
	for i := range all {
		all[i] = int8(i - 128)
	}
	a, b, qa, qb := all, constant, x, k
	if first {
		a, b, qa, qb = constant, all, k, x
	}
	if op == ir.Mul {
		m, r, err := kernels.MultiplierFor(float64(float32(qa.Scale) * float32(qb.Scale) / float32(y.Scale)))
		if err != nil {
			return nil, err
		}
		rq := &kernels.Requant{Mul: []int32{m}, Shift: []int32{r}, Rounding: kernels.RoundTFLite, Zero: int32(y.Zero), Lo: lo, Hi: hi}
		kernels.MulInt(int32(qa.Zero), int32(qb.Zero), rq, a, b, out)
		return out, nil
	}
	p, err := kernels.NewAddParams(qa.Scale, int32(qa.Zero), qb.Scale, int32(qb.Zero), y.Scale, int32(y.Zero), lo, hi)
	if err != nil {
		return nil, err
	}
	p.Rounding = kernels.RoundTFLite
	if op == ir.Sub {
		kernels.SubInt(p, a, b, out)
	} else {
		kernels.AddInt(p, a, b, out)
	}
	return out, nil
}

// pairRequant are the factors of a sum, difference or product: TensorFlow Lite
// computes a product's in single precision.
func (im *importer) pairRequant(op ir.Op, name string, a, b, y ir.Quant) ([]ir.Attr, error) {
	if op == ir.Mul {
		return im.requant(name, []float64{float64(float32(a.Scale) * float32(b.Scale) / float32(y.Scale))})
	}
	p, err := kernels.NewAddParams(a.Scale, int32(a.Zero), b.Scale, int32(b.Zero), y.Scale, int32(y.Zero), -128, 127)
	if err != nil {
		return nil, err
	}
	three := ir.Shape{3}
	return []ir.Attr{build.Attr("mul", im.Ints(name+".mul", ir.I32, three, []int64{int64(p.MulA), int64(p.MulB), int64(p.MulY)})),
		build.Attr("shift", im.Ints(name+".shift", ir.I32, three, []int64{int64(p.ShiftA), int64(p.ShiftB), int64(p.ShiftY)})), build.Attr("round", "tflite")}, nil
}

// unary imports a function of each element; of integers it is a table of its 256
// values.
func unary(op ir.Op) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.computed(o, 0)
		if err != nil {
			return err
		}
		_, q, err := im.result(o)
		if err != nil {
			return err
		}
		var attrs []ir.Attr
		var params []float64
		switch op {
		case ir.LeakyRelu:
			params = []float64{o.options.float(0, 0)}
			attrs = []ir.Attr{build.Attr("alpha", params[0])}
		case ir.Elu:
			params = []float64{1}
		case ir.Gelu:
			params = []float64{float64(o.options.byte(0, 0))}
			attrs = []ir.Attr{build.Attr("tanh", params[0])}
		}
		if !im.exact {
			y, err := im.add(op, im.hint(o), []*ir.Value{x.v}, q, attrs...)
			if err != nil {
				return err
			}
			return im.set(o, y, x.image)
		}
		t, err := exactTable(op, params, x.v.Type.Quant, q)
		if err != nil {
			return err
		}
		return im.table(o, x, q, t)
	}
}

// table adds a table of 256 results.
func (im *importer) table(o *operator, x *operand, q ir.Quant, t []int8) error {
	y, err := im.lookedUp(im.hint(o), x.v, q, t)
	if err != nil {
		return err
	}
	return im.set(o, y, x.image)
}

// lookedUp is a value whose elements are results of a table.
func (im *importer) lookedUp(hint string, v *ir.Value, q ir.Quant, t []int8) (*ir.Value, error) {
	wide := make([]int64, len(t))
	for i, e := range t {
		wide[i] = int64(e)
	}
	name := im.Name(hint)
	return im.AddQuantized(ir.Table, name, []*ir.Value{v}, q, build.Attr("table", im.Ints(name+".table", ir.I8, ir.Shape{len(t)}, wide)))
}

// exactTable are the results of a function by integer: of relu, leaky relu and hard
// swish those of TensorFlow Lite's integers, of others the nearest to the real
// ones, from which its fixed-point forms may be a step apart.
func exactTable(op ir.Op, params []float64, x, y ir.Quant) ([]int8, error) {
	if op == ir.HardSwish {
		return hardSwish(x, y)
	}
	if op != ir.Relu && op != ir.Relu6 && op != ir.LeakyRelu {
		return kernels.FunctionTable(kernels.Function(op.String(), params), x.Scale, x.Zero, y.Scale, y.Zero), nil
	}
	m, r, err := kernels.MultiplierFor(float64(float32(x.Scale) / float32(y.Scale)))
	if op == ir.LeakyRelu {
		m, r, err = kernels.MultiplierFor(float64(x.Scale / y.Scale))
	}
	if err != nil {
		return nil, err
	}
	ma, ra, err := m, r, error(nil)
	if op == ir.LeakyRelu {
		if params[0] < 0 {
			return nil, errors.New("has a negative slope")
		}
		if ma, ra, err = kernels.MultiplierFor(float64(x.Scale*params[0]) / y.Scale); err != nil {
			return nil, err
		}
	}
	lo, hi := int32(-128), int32(127)
	if op != ir.LeakyRelu {
		lo = max(lo, int32(y.Zero))
	}
	if op == ir.Relu6 {
		hi = min(hi, int32(y.Zero)+int32(math.Round(float64(float32(6)/float32(y.Scale)))))
	}
	t := make([]int8, 256)
	for i := range t {
		d := int32(i - 128 - x.Zero)
		v := kernels.RequantTFLite(d, m, r)
		if op == ir.LeakyRelu && d < 0 {
			v = kernels.RequantTFLite(d, ma, ra)
		}
		t[i] = int8(min(max(v+int32(y.Zero), lo), hi))
	}
	return t, nil
}

// requantize imports QUANTIZE: of the input it has been done, else the scale
// changes.
func requantize(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if !im.exact || x.v.Type.Quant == q {
		im.values[o.out[0]] = x
		return nil
	}
	m, r, err := kernels.MultiplierFor(x.v.Type.Quant.Scale / q.Scale)
	if err != nil {
		return err
	}
	t := make([]int8, 256)
	for i := range t {
		t[i] = int8(min(max(int(kernels.RequantTFLite(int32(i-128-x.v.Type.Quant.Zero), m, r))+q.Zero, -128), 127))
	}
	return im.table(o, x, q, t)
}

// pass imports what changes nothing.
func pass(im *importer, o *operator) error {
	if t := im.tensors[o.in[0]]; t.data != nil { // weights that are kept smaller
		u := im.tensors[o.out[0]]
		if t.typ != int8Type {
			return errors.New("of weights that are not int8")
		}
		*u = tensor{name: u.name, typ: t.typ, shape: t.shape, data: t.data, scale: t.scale, zero: t.zero, axis: t.axis}
		return nil
	}
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	im.values[o.out[0]] = x
	return nil
}

// keeps checks that an operation that only moves elements keeps their scale.
func (im *importer) keeps(o *operator, q ir.Quant) error {
	_, out, err := im.result(o)
	if err == nil && im.exact && out != q {
		return errors.New("changes the scale of elements that it only moves")
	}
	return err
}

// reshape keeps the elements in the file's order: an image stays one where its
// pixels do.
func reshape(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	to := im.tensors[o.out[0]].shape
	if product(to) != product(x.shape) {
		return fmt.Errorf("of %v to %v", x.shape, to)
	}
	if x.image {
		// What reads it may take the image's elements in their order.
		im.values[o.out[0]] = &operand{v: x.v, image: true, shape: to}
		return nil
	}
	v, err := im.flat(x, canonical(to))
	if err != nil {
		return err
	}
	return im.set(o, v, false)
}

func softmax(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	_, q, err := im.result(o)
	if err != nil {
		return err
	}
	if b := o.options.float(0, 0); b != 1 {
		return fmt.Errorf("has beta %v", b)
	}
	n := x.shape[len(x.shape)-1]
	shape, axis := ir.Shape{product(x.shape) / max(n, 1), n}, 1
	if shape[0] == 1 {
		shape, axis = ir.Shape{n}, 0
	}
	v, err := im.flat(x, shape)
	if err != nil {
		return err
	}
	attrs := []ir.Attr{build.Attr("axis", axis)}
	name := im.Name(im.hint(o))
	if im.exact {
		if q.Scale != 1./256 || q.Zero != -128 {
			return errors.New("has a result whose scale is not 1/256")
		}
		t := kernels.SoftmaxTable(v.Type.Quant.Scale)
		wide := make([]int64, len(t))
		for i, e := range t {
			wide[i] = int64(e)
		}
		attrs = append(attrs, build.Attr("table", im.Ints(name+".table", ir.I32, ir.Shape{len(t)}, wide)))
	} else {
		q = ir.Quant{}
	}
	y, err := im.AddQuantized(ir.Softmax, name, []*ir.Value{v}, q, attrs...)
	if err != nil {
		return err
	}
	if y, err = im.reshape(y, canonical(x.shape)); err != nil {
		return err
	}
	return im.set(o, y, false)
}

func concat(im *importer, o *operator) error {
	out, q, err := im.result(o)
	if err != nil {
		return err
	}
	axis := o.options.int(0, 0)
	if axis < 0 {
		axis += len(out.shape)
	}
	if o.options.byte(1, 0) != 0 || axis < 0 || axis >= len(out.shape) {
		return fmt.Errorf("along axis %d, with activation %d", axis, o.options.byte(1, 0))
	}
	image := len(out.shape) == 4 && axis == 3
	var args []*ir.Value
	sum := 0
	for k := range o.in {
		x, err := im.computed(o, k)
		if err != nil {
			return err
		}
		if im.exact && x.v.Type.Quant != q {
			return errors.New("of arguments of different scales")
		}
		if len(x.shape) != len(out.shape) {
			return errors.New("of tensors of different ranks")
		}
		sum += x.shape[axis]
		var v *ir.Value
		if image {
			v, err = im.asImage(x)
		} else {
			// Axes before the first are brought behind it.
			outer := product(x.shape[:axis])
			if v, err = im.flat(x, ir.Shape{outer, product(x.shape) / max(outer, 1)}); err == nil && outer > 1 {
				return fmt.Errorf("along axis %d of %v", axis, x.shape)
			}
			if err == nil {
				v, err = im.reshape(v, ir.Shape{x.shape[axis], product(x.shape) / x.shape[axis]})
			}
		}
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	if sum != out.shape[axis] {
		return fmt.Errorf("of %d elements along an axis of %d", sum, out.shape[axis])
	}
	y, err := im.add(ir.Concat, im.hint(o), args, q)
	if err != nil {
		return err
	}
	if !image {
		if y, err = im.reshape(y, canonical(out.shape)); err != nil {
			return err
		}
	}
	return im.set(o, y, image)
}

func pad(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no sizes"))
	}
	p, err := t.shortInts()
	if err != nil || len(p) != 2*len(x.shape) || slices.Min(p) < 0 {
		return fmt.Errorf("has the sizes %v of %v", p, x.shape)
	}
	value := 0.
	if im.exact {
		value = float64(x.v.Type.Quant.Zero)
	}
	mode := "constant"
	if o.name == "MIRROR_PAD" {
		value, mode = 0, []string{"reflect", "symmetric"}[o.options.byte(0, 0)&1]
	} else if v, err := im.constant(o, 2); err != nil {
		return err
	} else if v != nil {
		switch {
		case v.size() != 1 || im.exact && v.typ != int8Type:
			return errors.New("has a value that is not one number")
		case im.exact:
			value = float64(v.ints()[0])
		default:
			value = float64(v.floats()[0])
		}
	}
	if p[0] != 0 || p[1] != 0 || len(x.shape) < 2 {
		return errors.New("of the batch")
	}
	image := len(x.shape) == 4
	axes := []int{1, 2, 3}[:min(len(x.shape)-1, 3)]
	var v *ir.Value
	if image {
		axes = []int{3, 1, 2}
		v, err = im.asImage(x)
	} else {
		v, err = im.flat(x, canonical(x.shape))
	}
	if err != nil {
		return err
	}
	if len(v.Type.Shape) != len(axes) {
		return fmt.Errorf("of shape %v", x.shape)
	}
	var before, after []int
	for _, k := range axes {
		before, after = append(before, p[2*k]), append(after, p[2*k+1])
	}
	y, err := im.add(ir.Pad, im.hint(o), []*ir.Value{v}, v.Type.Quant, build.Attr("before", before), build.Attr("after", after), build.Attr("value", value), build.Attr("mode", mode))
	if err != nil {
		return err
	}
	return im.set(o, y, image)
}

// viewed adds a view of an operand's elements in the file's order.
func (im *importer) viewed(o *operator, x *operand, view ir.View) error {
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	v, err := im.flat(x, ir.Shape{product(x.shape)})
	if err != nil {
		return err
	}
	to := canonical(im.tensors[o.out[0]].shape)
	if view.Size() != to.Size() || len(view.Dims) == 0 {
		return fmt.Errorf("gives %v, the file says %v", view.Dims, to)
	}
	y, err := im.add(ir.Copy, im.hint(o), []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int(to)),
		build.Attr("dims", view.Dims), build.Attr("strides", view.Strides), build.Attr("start", view.Start))
	if err != nil {
		return err
	}
	return im.set(o, y, false)
}

func transpose(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no permutation"))
	}
	perm, err := t.shortInts()
	if err != nil {
		return err
	}
	for k, p := range slices.Sorted(slices.Values(perm)) {
		if k != p {
			return fmt.Errorf("has the permutation %v", perm)
		}
	}
	if len(perm) != len(x.shape) {
		return fmt.Errorf("has the permutation %v", perm)
	}
	return im.viewed(o, x, ir.ViewOf(x.shape).Permute(perm))
}

func slice(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	var list [2][]int
	for i := range list {
		t, err := im.constant(o, 1+i)
		if err != nil || t == nil {
			return errors.Join(err, errors.New("has no begin or size"))
		}
		if list[i], err = t.shortInts(); err != nil {
			return err
		}
	}
	v := ir.ViewOf(x.shape)
	if len(list[0]) != len(x.shape) || len(list[1]) != len(x.shape) {
		return fmt.Errorf("has %d axes of %v", len(list[0]), x.shape)
	}
	for k, d := range x.shape {
		from, n := list[0][k], list[1][k]
		if n == -1 {
			n = d - from
		}
		if from < 0 || n < 1 || from > d || n > d-from {
			return fmt.Errorf("takes %d elements from %d of %d", n, from, d)
		}
		v = v.Slice(k, from, 1, n)
	}
	return im.viewed(o, x, v)
}

func stridedSlice(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	var list [3][]int
	for i := range list {
		t, err := im.constant(o, 1+i)
		if err != nil || t == nil {
			return errors.Join(err, errors.New("has no begin, end or strides"))
		}
		if list[i], err = t.shortInts(); err != nil {
			return err
		}
	}
	t := o.options
	if t.int(2, 0) != 0 || t.int(3, 0) != 0 {
		return errors.New("has an ellipsis or a new axis")
	}
	v := ir.ViewOf(x.shape)
	for i := range list {
		if len(list[i]) != len(x.shape) {
			return fmt.Errorf("has %d axes of %v", len(list[i]), x.shape)
		}
	}
	for k, d := range x.shape {
		from, to, step := list[0][k], list[1][k], list[2][k]
		if step < 1 || step > 1<<20 {
			return fmt.Errorf("has the stride %d", step)
		}
		if from < 0 {
			from += d
		}
		if to < 0 {
			to += d
		}
		if t.int(0, 0)>>k&1 == 1 {
			from = 0
		}
		if t.int(1, 0)>>k&1 == 1 {
			to = d
		}
		if t.int(4, 0)>>k&1 == 1 {
			to = from + 1
		}
		from, to = min(max(from, 0), d), min(max(to, 0), d)
		if from >= to {
			return fmt.Errorf("takes nothing of axis %d", k)
		}
		v = v.Slice(k, from, min(step, d), (to-from+step-1)/step)
	}
	return im.viewed(o, x, v)
}

// mean over the pixels of an image is a global pooling of a float network; of
// integers a reduction.
func mean(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	out, q, err := im.result(o)
	if err != nil {
		return err
	}
	t, err := im.constant(o, 1)
	if err != nil || t == nil {
		return errors.Join(err, errors.New("has no axes"))
	}
	axes, err := t.shortInts()
	if err != nil {
		return err
	}
	for i, a := range axes {
		if a < 0 {
			axes[i] += len(x.shape)
		}
	}
	slices.Sort(axes)
	if !slices.Equal(axes, []int{1, 2}) || len(x.shape) != 4 {
		return fmt.Errorf("over axes %v of %v", axes, x.shape)
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	s := v.Type.Shape
	if !im.exact {
		y, err := im.add(ir.GlobalAvgPool, im.hint(o), []*ir.Value{v}, q)
		if err != nil {
			return err
		}
		return im.set(o, y, len(out.shape) == 4)
	}
	// [C,H,W] to rows [C,H*W].
	rows, err := im.add(ir.Copy, im.hint(o)+".rows", []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int{s[0], s[1] * s[2]}), build.Attr("dims", []int(s)), build.Attr("strides", ir.ViewOf(s).Strides))
	if err != nil {
		return err
	}
	name := im.Name(im.hint(o))
	m, r, err := kernels.MultiplierFor(v.Type.Quant.Scale / q.Scale)
	if err != nil {
		return err
	}
	// The division by n goes into the multiplier, cut off as TensorFlow Lite does.
	n := s[1] * s[2]
	more := min(bits.Len(uint(n))-1, 62-int(r))
	rq := []ir.Attr{build.Attr("mul", im.Ints(name+".mul", ir.I32, ir.Shape{1}, []int64{int64(m) << more / int64(n)})),
		build.Attr("shift", im.Ints(name+".shift", ir.I32, ir.Shape{1}, []int64{int64(r) + int64(more)})), build.Attr("round", "tflite")}
	y, err := im.AddQuantized(ir.Reduce, name, []*ir.Value{rows}, q, append(rq, build.Attr("axes", []int{1}))...)
	if err != nil {
		return err
	}
	if len(out.shape) == 4 {
		if y, err = im.reshape(y, ir.Shape{s[0], 1, 1}); err != nil {
			return err
		}
	}
	return im.set(o, y, len(out.shape) == 4)
}

func resize(im *importer, o *operator) error {
	x, err := im.computed(o, 0)
	if err != nil {
		return err
	}
	if err := im.keeps(o, x.v.Type.Quant); err != nil {
		return err
	}
	v, err := im.asImage(x)
	if err != nil {
		return err
	}
	to := im.tensors[o.out[0]].shape
	s := v.Type.Shape
	if len(to) != 4 || to[1]%s[1] != 0 || to[2]%s[2] != 0 || o.options.byte(0, 0) != 0 {
		return fmt.Errorf("from %v to %v", x.shape, to)
	}
	k := []int{to[1] / s[1], to[2] / s[2]}
	if k[0] < 1 || k[1] < 1 {
		return fmt.Errorf("from %v to %v", x.shape, to)
	}
	if !im.exact {
		y, err := im.add(ir.Resize, im.hint(o), []*ir.Value{v}, v.Type.Quant, build.Attr("scale", k))
		if err != nil {
			return err
		}
		return im.set(o, y, true)
	}
	view, _ := ir.ViewOf(s).Split(2, 1).Split(1, 1).Expand(ir.Shape{s[0], s[1], k[0], s[2], k[1]})
	y, err := im.add(ir.Copy, im.hint(o), []*ir.Value{v}, v.Type.Quant, build.Attr("shape", []int{s[0], to[1], to[2]}), build.Attr("dims", view.Dims), build.Attr("strides", view.Strides))
	if err != nil {
		return err
	}
	return im.set(o, y, true)
}

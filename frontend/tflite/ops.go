package tflite

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
		3: {"CONV_2D", conv, []ir.Op{ir.Conv2D}}, 4: {"DEPTHWISE_CONV_2D", depthwise, []ir.Op{ir.Conv2D}}, 9: {"FULLY_CONNECTED", of(fullyConnected), []ir.Op{ir.Linear}},
		1: {"AVERAGE_POOL_2D", of(pool(ir.AvgPool2D)), []ir.Op{ir.AvgPool2D}}, 17: {"MAX_POOL_2D", of(pool(ir.MaxPool2D)), []ir.Op{ir.MaxPool2D}},
		2: {"CONCATENATION", concat, []ir.Op{ir.Concat}}, 22: {"RESHAPE", of(reshape), []ir.Op{ir.Reshape}}, 43: {"SQUEEZE", of(reshape), []ir.Op{ir.Reshape}},
		70: {"EXPAND_DIMS", of(reshape), []ir.Op{ir.Reshape}}, 25: {"SOFTMAX", of(softmax), []ir.Op{ir.Softmax}}, 34: {"PAD", of(pad), []ir.Op{ir.Pad}}, 60: {"PADV2", of(pad), []ir.Op{ir.Pad}},
		39: {"TRANSPOSE", of(transpose), []ir.Op{ir.Copy}}, 45: {"STRIDED_SLICE", of(stridedSlice), []ir.Op{ir.Copy}}, 65: {"SLICE", of(slice), []ir.Op{ir.Copy}},
		40: {"MEAN", of(mean), []ir.Op{ir.GlobalAvgPool, ir.Reduce}}, 97: {"RESIZE_NEAREST_NEIGHBOR", of(resize), []ir.Op{ir.Resize}},
		opQuantize: {"QUANTIZE", of(requantize), []ir.Op{ir.Requantize}}, 6: {"DEQUANTIZE", pass, nil},
		19: {"RELU", of(unary(ir.Relu)), []ir.Op{ir.Relu}}, 21: {"RELU6", of(unary(ir.Relu6)), []ir.Op{ir.Relu6}}, 14: {"LOGISTIC", of(unary(ir.Sigmoid)), []ir.Op{ir.Sigmoid}},
		28: {"TANH", of(unary(ir.Tanh)), []ir.Op{ir.Tanh}}, 98: {"LEAKY_RELU", of(unary(ir.LeakyRelu)), []ir.Op{ir.LeakyRelu}}, 117: {"HARD_SWISH", of(unary(ir.HardSwish)), []ir.Op{ir.HardSwish}},
		47: {"EXP", of(unary(ir.Exp)), []ir.Op{ir.Exp}}, 101: {"ABS", of(unary(ir.Abs)), []ir.Op{ir.Abs}}, 111: {"ELU", of(unary(ir.Elu)), []ir.Op{ir.Elu}}, 59: {"NEG", of(unary(ir.Neg)), []ir.Op{ir.Neg}},
		49: {"SPLIT", split, []ir.Op{ir.Copy}}, 102: {"SPLIT_V", of(splitV), []ir.Op{ir.Copy}}, 83: {"PACK", pack, []ir.Op{ir.Concat}}, 88: {"UNPACK", of(unpack), []ir.Op{ir.Copy}},
		56: {"ARG_MAX", of(argmax), []ir.Op{ir.ArgMax}}, 126: {"BATCH_MATMUL", batchMatMul, []ir.Op{ir.MatMul}}, 67: {"TRANSPOSE_CONV", transposeConv, []ir.Op{ir.Pad, ir.Conv2D}},
		54: {"PRELU", of(prelu), []ir.Op{ir.Table, ir.LeakyRelu, ir.BatchNorm}}, 100: {"MIRROR_PAD", of(pad), []ir.Op{ir.Pad}}, 50: {"LOG_SOFTMAX", of(logSoftmax), []ir.Op{ir.LogSoftmax}},
		44:  {"UNIDIRECTIONAL_SEQUENCE_LSTM", of(lstm), []ir.Op{ir.Sigmoid, ir.Tanh, ir.Mul}},
		150: {"GELU", of(unary(ir.Gelu)), []ir.Op{ir.Gelu}}, 75: {"SQRT", of(unary(ir.Sqrt)), []ir.Op{ir.Sqrt}}, 73: {"LOG", of(unary(ir.Log)), []ir.Op{ir.Log}},
	}
}

// of is an operator whose first argument is computed.
func of(run func(im *importer, o *operator, x *operand) error) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.computed(o, 0)
		if err != nil {
			return err
		}
		return run(im, o, x)
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
	actTanh  = 4
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

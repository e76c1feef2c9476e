package tflite

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// opEntry is what the importer knows of an operator.
type opEntry struct {
	run func(im *importer, o *operator) error
	ops []ir.Op // what it becomes
}

// operator is an operator of the file with its operands looked up.
type operator struct {
	name    string
	options table
	in, out []int
}

// opTable are the operators that can be imported, by name.
var opTable map[string]opEntry

func init() {
	opTable = map[string]opEntry{
		// Layers and windows.
		"CONV_2D":                      {conv, []ir.Op{ir.Conv2D}},
		"DEPTHWISE_CONV_2D":            {depthwise, []ir.Op{ir.Conv2D}},
		"FULLY_CONNECTED":              {of(fullyConnected), []ir.Op{ir.Linear, ir.Conv2D}},
		"TRANSPOSE_CONV":               {transposeConv, []ir.Op{ir.Pad, ir.Conv2D}},
		"BATCH_MATMUL":                 {batchMatMul, []ir.Op{ir.MatMul}},
		"UNIDIRECTIONAL_SEQUENCE_LSTM": {of(lstm), []ir.Op{ir.Sigmoid, ir.Tanh, ir.Mul}},
		"AVERAGE_POOL_2D":              {of(pool(ir.AvgPool2D)), []ir.Op{ir.AvgPool2D}},
		"MAX_POOL_2D":                  {of(pool(ir.MaxPool2D)), []ir.Op{ir.MaxPool2D}},
		// Element by element.
		"ADD":                {pairOf(ir.Add), []ir.Op{ir.Add}},
		"SUB":                {pairOf(ir.Sub), []ir.Op{ir.Sub}},
		"MUL":                {pairOf(ir.Mul), []ir.Op{ir.Mul}},
		"DIV":                {quotient, []ir.Op{ir.Mul, ir.Reciprocal, ir.BatchNorm}},
		"SQUARED_DIFFERENCE": {squaredDifference, []ir.Op{ir.Sub, ir.Mul}},
		"MAXIMUM":            {pairOf(ir.Maximum), []ir.Op{ir.Maximum}},
		"MINIMUM":            {pairOf(ir.Minimum), []ir.Op{ir.Minimum}},
		"RELU":               {of(unary(ir.Relu)), []ir.Op{ir.Relu}},
		"RELU6":              {of(unary(ir.Relu6)), []ir.Op{ir.Relu6}},
		"LEAKY_RELU":         {of(unary(ir.LeakyRelu)), []ir.Op{ir.LeakyRelu}},
		"PRELU":              {of(prelu), []ir.Op{ir.Table, ir.LeakyRelu, ir.BatchNorm}},
		"LOGISTIC":           {of(unary(ir.Sigmoid)), []ir.Op{ir.Sigmoid}},
		"TANH":               {of(unary(ir.Tanh)), []ir.Op{ir.Tanh}},
		"HARD_SWISH":         {of(unary(ir.HardSwish)), []ir.Op{ir.HardSwish}},
		"ELU":                {of(unary(ir.Elu)), []ir.Op{ir.Elu}},
		"GELU":               {of(unary(ir.Gelu)), []ir.Op{ir.Gelu}},
		"EXP":                {of(unary(ir.Exp)), []ir.Op{ir.Exp}},
		"LOG":                {of(unary(ir.Log)), []ir.Op{ir.Log}},
		"SQRT":               {of(unary(ir.Sqrt)), []ir.Op{ir.Sqrt}},
		"RSQRT":              {of(rsqrt), []ir.Op{ir.Sqrt, ir.Reciprocal}},
		"SQUARE":             {of(square), []ir.Op{ir.Mul}},
		"ABS":                {of(unary(ir.Abs)), []ir.Op{ir.Abs}},
		"NEG":                {of(unary(ir.Neg)), []ir.Op{ir.Neg}},
		"QUANTIZE":           {of(requantize), []ir.Op{ir.Requantize}},
		"DEQUANTIZE":         {pass, nil},
		// Rows.
		"SOFTMAX":     {of(softmax), []ir.Op{ir.Softmax}},
		"LOG_SOFTMAX": {of(logSoftmax), []ir.Op{ir.LogSoftmax}},
		"MEAN":        {of(mean), []ir.Op{ir.GlobalAvgPool, ir.Reduce}},
		"SUM":         {of(reduction(ir.ReduceSum)), []ir.Op{ir.Reduce}},
		"REDUCE_MAX":  {of(reduction(ir.ReduceMax)), []ir.Op{ir.Reduce}},
		"REDUCE_MIN":  {of(reduction(ir.ReduceMin)), []ir.Op{ir.Reduce}},
		"ARG_MAX":     {of(argmax), []ir.Op{ir.ArgMax}},
		// Elements in other places.
		"CONCATENATION":           {concat, []ir.Op{ir.Concat}},
		"PACK":                    {pack, []ir.Op{ir.Concat}},
		"UNPACK":                  {of(unpack), []ir.Op{ir.Copy}},
		"SPLIT":                   {split, []ir.Op{ir.Copy}},
		"SPLIT_V":                 {of(splitV), []ir.Op{ir.Copy}},
		"RESHAPE":                 {of(reshape), []ir.Op{ir.Reshape}},
		"SQUEEZE":                 {of(reshape), []ir.Op{ir.Reshape}},
		"EXPAND_DIMS":             {of(reshape), []ir.Op{ir.Reshape}},
		"TRANSPOSE":               {of(transpose), []ir.Op{ir.Copy}},
		"SLICE":                   {of(slice), []ir.Op{ir.Copy}},
		"STRIDED_SLICE":           {of(stridedSlice), []ir.Op{ir.Copy}},
		"GATHER":                  {gather, []ir.Op{ir.Copy, ir.Embedding}},
		"TILE":                    {of(tile), []ir.Op{ir.Copy}},
		"BROADCAST_TO":            {of(broadcastTo), []ir.Op{ir.Copy}},
		"PAD":                     {of(pad), []ir.Op{ir.Pad}},
		"PADV2":                   {of(pad), []ir.Op{ir.Pad}},
		"MIRROR_PAD":              {of(pad), []ir.Op{ir.Pad}},
		"RESIZE_NEAREST_NEIGHBOR": {of(nearest), []ir.Op{ir.Resize}},
		"RESIZE_BILINEAR":         {of(bilinear), []ir.Op{ir.Conv2D, ir.Copy}},
		"DEPTH_TO_SPACE":          {of(inBlocks(ir.DepthToSpace, depthToSpace)), []ir.Op{ir.DepthToSpace}},
		"SPACE_TO_DEPTH":          {of(inBlocks(ir.SpaceToDepth, spaceToDepth)), []ir.Op{ir.SpaceToDepth}},
	}
	ir.AddColumn(ir.Column{Name: "importer of TensorFlow Lite", Place: "frontend/tflite/ops.go",
		Needs: func(op ir.Op) bool { return op.Info().Known&ir.InTFLite != 0 }, Has: func(op ir.Op) bool { return len(Names(op)) > 0 }})
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
	for name, e := range opTable {
		if e.run != nil && slices.Contains(e.ops, op) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// opName is the operator's name, as the file's list of operators has it.
func opName(op table, codes []table) string {
	i := op.int(0, 0)
	if i < 0 || i >= len(codes) {
		return fmt.Sprintf("number %d of a list of %d", i, len(codes))
	}
	// Codes above 127 stand in the field that newer files have.
	code := max(codes[i].byte(0, 0), codes[i].int(3, 0))
	if code < 0 || code >= len(builtins) {
		return fmt.Sprintf("with code %d", code)
	}
	if custom := codes[i].text(1); builtins[code] == "CUSTOM" && custom != "" {
		return "CUSTOM " + strconv.Quote(custom)
	}
	return builtins[code]
}

// operator imports one operator.
func (im *importer) operator(op table, codes []table) error {
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
	// Told of every operator, those behind others that cannot be imported, too.
	e, ok := opTable[o.name]
	if !ok {
		return fail(build.ErrUnsupported)
	}
	for _, i := range o.in {
		if i >= 0 && im.failed[i] {
			return fail(build.ErrSkipped)
		}
	}
	if len(o.in) < 1 || len(o.out) < 1 || len(o.out) > 1 && !severalResults[o.name] || slices.Min(o.out) < 0 || o.in[0] < 0 {
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
	if build.Product(t.shape) != v.Type.Shape.Size() {
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
	name := map[int]string{actNone: ir.ActNone, actRelu: ir.ActRelu, actRelu6: ir.ActRelu6}[fused]
	if name == "" {
		return nil, fmt.Errorf("has the fused activation %d", fused)
	}
	if !im.exact {
		return []ir.Attr{ir.AttrAct.Is(name)}, nil
	}
	lo, hi := -128, 127
	if fused != actNone {
		lo = max(lo, q.Zero)
	}
	if fused == actRelu6 {
		hi = min(hi, q.Zero+int(math.Round(float64(float32(6)/float32(q.Scale)))))
	}
	return []ir.Attr{ir.AttrLo.Is(lo), ir.AttrHi.Is(hi)}, nil
}

// requant are the constants of an exact requantization, by real factors, of accumulators
// that have absolute values of at most reach: one, or one a factor.
func (im *importer) requant(name string, factors []float64, reach ...int64) ([]ir.Attr, error) {
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		m, r, err := geometry.TFLiteMultiplierFor(f, reach[i%len(reach)])
		if err != nil {
			return nil, err
		}
		mul[i], shift[i] = int64(m), int64(r)
	}
	shape := ir.Shape{len(factors)}
	return []ir.Attr{ir.AttrMul.Is(im.Ints(name+".mul", ir.I32, shape, mul)), ir.AttrShift.Is(im.Ints(name+".shift", ir.I32, shape, shift)),
		ir.AttrRound.Is(ir.RoundTFLite)}, nil
}

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
	own     []int // tensors that hold scales alone
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
		"UNIDIRECTIONAL_SEQUENCE_LSTM": {of(lstm), []ir.Op{ir.Recurrent, ir.Sigmoid, ir.Tanh, ir.Mul}},
		"AVERAGE_POOL_2D":              {of(pool(ir.AvgPool2D)), []ir.Op{ir.AvgPool2D}},
		"MAX_POOL_2D":                  {of(pool(ir.MaxPool2D)), []ir.Op{ir.MaxPool2D}},
		// Element by element.
		"ADD":                {pairOf(ir.Add), []ir.Op{ir.Add}},
		"SUB":                {pairOf(ir.Sub), []ir.Op{ir.Sub}},
		"MUL":                {pairOf(ir.Mul), []ir.Op{ir.Mul}},
		"DIV":                {quotient, []ir.Op{ir.Mul, ir.Reciprocal, ir.BatchNorm}},
		"SQUARED_DIFFERENCE": {squaredDifference, []ir.Op{ir.SquaredDiff}},
		"MAXIMUM":            {pairOf(ir.Maximum), []ir.Op{ir.Maximum}},
		"MINIMUM":            {pairOf(ir.Minimum), []ir.Op{ir.Minimum}},
		"GREATER":            {compared(false, false), []ir.Op{ir.Step}},
		"GREATER_EQUAL":      {compared(false, true), []ir.Op{ir.Step}},
		"LESS":               {compared(true, false), []ir.Op{ir.Step}},
		"LESS_EQUAL":         {compared(true, true), []ir.Op{ir.Step}},
		"EQUAL":              {equal(true), []ir.Op{ir.Sub, ir.Abs, ir.Neg, ir.Step}},
		"NOT_EQUAL":          {equal(false), []ir.Op{ir.Sub, ir.Abs, ir.Step}},
		"LOGICAL_AND":        {both(ir.Minimum), []ir.Op{ir.Minimum}},
		"LOGICAL_OR":         {both(ir.Maximum), []ir.Op{ir.Maximum}},
		"LOGICAL_NOT":        {not, []ir.Op{ir.BatchNorm}},
		"SELECT":             {chosen, []ir.Op{ir.Mul, ir.Add, ir.BatchNorm}},
		"SELECT_V2":          {chosen, []ir.Op{ir.Mul, ir.Add, ir.BatchNorm}},
		"RELU":               {unary(ir.Relu), []ir.Op{ir.Relu}},
		"RELU6":              {unary(ir.Relu6), []ir.Op{ir.Relu6}},
		"LEAKY_RELU":         {unary(ir.LeakyRelu), []ir.Op{ir.LeakyRelu}},
		"PRELU":              {of(prelu), []ir.Op{ir.Table, ir.LeakyRelu, ir.BatchNorm}},
		"LOGISTIC":           {unary(ir.Sigmoid), []ir.Op{ir.Sigmoid}},
		"TANH":               {unary(ir.Tanh), []ir.Op{ir.Tanh}},
		"HARD_SWISH":         {unary(ir.HardSwish), []ir.Op{ir.HardSwish}},
		"ELU":                {unary(ir.Elu), []ir.Op{ir.Elu}},
		"GELU":               {unary(ir.Gelu), []ir.Op{ir.Gelu}},
		"EXP":                {unary(ir.Exp), []ir.Op{ir.Exp}},
		"LOG":                {unary(ir.Log), []ir.Op{ir.Log}},
		"SQRT":               {unary(ir.Sqrt), []ir.Op{ir.Sqrt}},
		"RSQRT":              {ofAny(rsqrt), []ir.Op{ir.Sqrt, ir.Reciprocal}},
		"SQUARE":             {ofAny(square), []ir.Op{ir.Mul}},
		"ABS":                {unary(ir.Abs), []ir.Op{ir.Abs}},
		"NEG":                {unary(ir.Neg), []ir.Op{ir.Neg}},
		"POW":                {of(power), []ir.Op{ir.Pow}},
		"SIGN":               {unary(ir.Sign), []ir.Op{ir.Sign}},
		"FLOOR":              {unary(ir.Floor), []ir.Op{ir.Floor}},
		"CEIL":               {unary(ir.Ceil), []ir.Op{ir.Ceil}},
		"ROUND":              {unary(ir.Round), []ir.Op{ir.Round}},
		"SIN":                {unary(ir.Sin), []ir.Op{ir.Sin}},
		"COS":                {unary(ir.Cos), []ir.Op{ir.Cos}},
		"RELU_N1_TO_1":       {of(between(-1, 1)), []ir.Op{ir.Clip}},
		"RELU_0_TO_1":        {of(between(0, 1)), []ir.Op{ir.Clip}},
		"QUANTIZE":           {ofAny(requantize), []ir.Op{ir.Requantize}},
		"DEQUANTIZE":         {ofAny(dequantize), nil},
		"CAST":               {ofAny(cast), nil},
		// Rows.
		"SOFTMAX":                      {of(softmax), []ir.Op{ir.Softmax}},
		"LOG_SOFTMAX":                  {of(logSoftmax), []ir.Op{ir.LogSoftmax}},
		"MEAN":                         {of(mean), []ir.Op{ir.GlobalAvgPool, ir.Reduce}},
		"SUM":                          {of(reduction(ir.ReduceSum)), []ir.Op{ir.Reduce}},
		"REDUCE_MAX":                   {of(reduction(ir.ReduceMax)), []ir.Op{ir.Reduce}},
		"REDUCE_MIN":                   {of(reduction(ir.ReduceMin)), []ir.Op{ir.Reduce}},
		"ARG_MAX":                      {of(argmax), []ir.Op{ir.ArgMax}},
		"ARG_MIN":                      {of(argmin), []ir.Op{ir.ArgMax, ir.Neg}},
		"L2_NORMALIZATION":             {of(l2Normalization), []ir.Op{ir.L2Norm}},
		"LOCAL_RESPONSE_NORMALIZATION": {of(responses), []ir.Op{ir.Mul, ir.Pad, ir.AvgPool2D, ir.Pow}},
		// Elements in other places.
		"CONCATENATION":           {concat, []ir.Op{ir.Concat}},
		"PACK":                    {pack, []ir.Op{ir.Concat}},
		"UNPACK":                  {ofAny(unpack), []ir.Op{ir.Copy}},
		"SPLIT":                   {split, []ir.Op{ir.Copy}},
		"SPLIT_V":                 {ofAny(splitV), []ir.Op{ir.Copy}},
		"RESHAPE":                 {ofAny(reshape), []ir.Op{ir.Reshape}},
		"SQUEEZE":                 {ofAny(reshape), []ir.Op{ir.Reshape}},
		"EXPAND_DIMS":             {ofAny(reshape), []ir.Op{ir.Reshape}},
		"REVERSE_V2":              {ofAny(reverse), []ir.Op{ir.Copy}},
		"TRANSPOSE":               {ofAny(transpose), []ir.Op{ir.Copy}},
		"SLICE":                   {ofAny(slice), []ir.Op{ir.Copy}},
		"STRIDED_SLICE":           {ofAny(stridedSlice), []ir.Op{ir.Copy}},
		"GATHER":                  {gather, []ir.Op{ir.Copy, ir.Embedding}},
		"TILE":                    {ofAny(tile), []ir.Op{ir.Copy}},
		"BROADCAST_TO":            {ofAny(broadcastTo), []ir.Op{ir.Copy}},
		"PAD":                     {ofAny(pad), []ir.Op{ir.Pad}},
		"PADV2":                   {ofAny(pad), []ir.Op{ir.Pad}},
		"MIRROR_PAD":              {ofAny(pad), []ir.Op{ir.Pad}},
		"SPACE_TO_BATCH_ND":       {ofAny(spaceToBatch), []ir.Op{ir.Pad}},
		"BATCH_TO_SPACE_ND":       {ofAny(batchToSpace), []ir.Op{ir.Copy}},
		"RESIZE_NEAREST_NEIGHBOR": {ofAny(nearest), []ir.Op{ir.Resize}},
		"RESIZE_BILINEAR":         {of(bilinear), []ir.Op{ir.Bilinear, ir.Conv2D, ir.Copy}},
		"DEPTH_TO_SPACE":          {ofAny(inBlocks(ir.DepthToSpace, depthToSpace)), []ir.Op{ir.DepthToSpace}},
		"SPACE_TO_DEPTH":          {ofAny(inBlocks(ir.SpaceToDepth, spaceToDepth)), []ir.Op{ir.SpaceToDepth}},
		// What is known when the model is read.
		"SHAPE": {foldShape, nil},
		"RANK":  {foldShape, nil},
		"WHILE": {while, nil},
	}
	ir.AddColumn(ir.Column{Name: "importer of TensorFlow Lite", Place: "frontend/tflite/ops.go",
		Needs: func(op ir.Op) bool { return op.Info().Known&ir.InTFLite != 0 }, Has: func(op ir.Op) bool { return len(Names(op)) > 0 }})
}

// ofAny is an operator whose first argument may be anything: of an exact module also
// integers that stand for reals, and a constant.
func ofAny(run func(im *importer, o *operator, x *operand) error) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.operand(o, 0)
		if err != nil {
			return err
		}
		return run(im, o, x)
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
var severalResults = map[string]bool{"SPLIT": true, "SPLIT_V": true, "UNPACK": true, "WHILE": true}

// ofBlocks are the operators that may stand between SPACE_TO_BATCH_ND and
// BATCH_TO_SPACE_ND.
var ofBlocks = map[string]bool{
	"CONV_2D": true, "DEPTHWISE_CONV_2D": true, "BATCH_TO_SPACE_ND": true, "RESHAPE": true, "SQUEEZE": true, "EXPAND_DIMS": true,
	"ADD": true, "SUB": true, "MUL": true, "QUANTIZE": true, "DEQUANTIZE": true, "RELU": true, "RELU6": true, "LEAKY_RELU": true,
	"LOGISTIC": true, "TANH": true, "HARD_SWISH": true, "ELU": true, "GELU": true, "EXP": true, "ABS": true, "NEG": true,
}

// folds are the operators that are computed when the model is read, of arguments that are
// constants.
var folds map[string]func(im *importer, o *operator) error

func init() {
	truth := func(f func(a, b float64) bool) func(a, b float64) float64 {
		return func(a, b float64) float64 { return float64(b2i(f(a, b))) }
	}
	folds = map[string]func(im *importer, o *operator) error{
		"ADD":           foldPair(func(a, b float64) float64 { return a + b }),
		"SUB":           foldPair(func(a, b float64) float64 { return a - b }),
		"MUL":           foldPair(func(a, b float64) float64 { return a * b }),
		"DIV":           foldPair(func(a, b float64) float64 { return a / b }),
		"FLOOR_DIV":     foldPair(func(a, b float64) float64 { return math.Floor(a / b) }),
		"FLOOR_MOD":     foldPair(func(a, b float64) float64 { return a - float64(b*math.Floor(a/b)) }),
		"MINIMUM":       foldPair(math.Min),
		"MAXIMUM":       foldPair(math.Max),
		"POW":           foldPair(math.Pow),
		"LESS":          foldPair(truth(func(a, b float64) bool { return a < b })),
		"LESS_EQUAL":    foldPair(truth(func(a, b float64) bool { return a <= b })),
		"GREATER":       foldPair(truth(func(a, b float64) bool { return a > b })),
		"GREATER_EQUAL": foldPair(truth(func(a, b float64) bool { return a >= b })),
		"EQUAL":         foldPair(truth(func(a, b float64) bool { return a == b })),
		"NOT_EQUAL":     foldPair(truth(func(a, b float64) bool { return a != b })),
		"LOGICAL_AND":   foldPair(truth(func(a, b float64) bool { return a != 0 && b != 0 })),
		"LOGICAL_OR":    foldPair(truth(func(a, b float64) bool { return a != 0 || b != 0 })),
		"LOGICAL_NOT":   foldEach(func(a float64) float64 { return float64(b2i(a == 0)) }),
		"NEG":           foldEach(func(a float64) float64 { return -a }),
		"ABS":           foldEach(math.Abs),
		"SQUARE":        foldEach(func(a float64) float64 { return a * a }),
		"SQRT":          foldEach(math.Sqrt),
		"RSQRT":         foldEach(func(a float64) float64 { return 1 / math.Sqrt(a) }),
		"EXP":           foldEach(math.Exp),
		"LOG":           foldEach(math.Log),
		"TANH":          foldEach(math.Tanh),
		"LOGISTIC":      foldEach(func(a float64) float64 { return 1 / (1 + math.Exp(-a)) }),
		"RELU":          foldEach(func(a float64) float64 { return max(a, 0) }),
		"SUM":           foldAll(0, func(a, b float64) float64 { return a + b }),
		"REDUCE_PROD":   foldAll(1, func(a, b float64) float64 { return a * b }),
		"REDUCE_MAX":    foldAll(math.Inf(-1), math.Max),
		"REDUCE_MIN":    foldAll(math.Inf(1), math.Min),
		"REDUCE_ALL":    foldAll(1, truth(func(a, b float64) bool { return a != 0 && b != 0 })),
		"RANGE":         foldRange, "FILL": foldFill, "SELECT": foldSelect, "SELECT_V2": foldSelect, "FULLY_CONNECTED": foldDense,
	}
}

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
func (m *model) opName(op table) string { return opName(op, m.codes) }

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
func (im *importer) operator(op table) error {
	options, _ := op.sub(4)
	o := &operator{name: im.opName(op), options: options, in: op.ints(1), out: op.ints(2), own: op.ints(8)}
	for _, i := range slices.Concat(o.in, o.out, o.own) {
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
	// Told of every operator, those after others that cannot be imported, too.
	run, fold := opTable[o.name].run, folds[o.name]
	if run == nil && fold == nil {
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
	if fold != nil && im.isKnown(o) {
		run = fold
	}
	if run == nil {
		return fail(build.ErrUnsupported)
	}
	if !ofBlocks[o.name] && slices.ContainsFunc(o.in, func(i int) bool { return im.values[i] != nil && im.values[i].blocks != nil }) {
		return fail(errBlocks)
	}
	if err := run(im, o); err != nil {
		return fail(err)
	}
	return nil
}

// isKnown reports whether all arguments of an operator are constants: of those after the
// second some may be absent.
func (im *importer) isKnown(o *operator) bool {
	for k, i := range o.in {
		if i < 0 && k < 2 || i >= 0 && !im.isConstant(i) {
			return false
		}
	}
	return true
}

// operand is argument k, computed or a constant.
func (im *importer) operand(o *operator, k int) (*operand, error) {
	if k >= len(o.in) || o.in[k] < 0 {
		return nil, errors.New("lacks an argument")
	}
	v, t := im.values[o.in[k]], im.tensors[o.in[k]]
	switch {
	case v == nil && !im.isConstant(o.in[k]):
		return nil, fmt.Errorf("uses %q before its definition", t.name)
	case v == nil:
		return &operand{c: t, shape: t.shape}, nil
	case len(v.shape) == 0: // one number, as a list of one
		return v.like(v.v, []int{1}), nil
	}
	return v, nil
}

// computed is argument k, which the network computes; constants become such values.
func (im *importer) computed(o *operator, k int) (*operand, error) {
	x, err := im.operand(o, k)
	switch {
	case err != nil:
		return nil, err
	case x.c != nil:
		return im.material(x.c)
	case x.reals != nil:
		return nil, errReals
	case x.isTruth:
		return nil, errors.New("of conditions: only SELECT takes them")
	}
	return x, nil
}

// constant is argument k, which is a constant of the file; nil where it is absent.
func (im *importer) constant(o *operator, k int) (*tensor, error) {
	if k >= len(o.in) || o.in[k] < 0 {
		return nil, nil
	}
	t := im.tensors[o.in[k]]
	switch {
	case !im.isConstant(o.in[k]):
		return nil, errors.New("has weights or sizes that are computed in the network")
	case t.typ != float32Type && t.ints() == nil && t.size() != 0:
		return nil, fmt.Errorf("has a constant of %s", typeName(t.typ))
	}
	return t, nil
}

// result is the tensor of the operator's result, and its quantization.
func (im *importer) result(o *operator) (*tensor, ir.Quant, error) {
	t := im.tensors[o.out[0]]
	q := t.quant()
	switch {
	case !im.exact:
	case t.typ == float32Type:
		return nil, q, errReals
	case t.typ != int8Type && t.typ != int16Type:
		return nil, q, fmt.Errorf("gives %q of %s: only int8, uint8 and int16 keep their integers, and -exact=false quantizes the model anew", t.name, typeName(t.typ))
	case t.typ == int16Type && q.Zero != 0:
		return nil, q, fmt.Errorf("gives %q of int16 with the zero point %d: it must be 0", t.name, q.Zero)
	case q.Scale == 0:
		return nil, q, fmt.Errorf("gives %q, which is not int8 with one scale", t.name)
	}
	return t, q, nil
}

// give declares an operator's result. The file may leave its shape open.
func (im *importer) give(o *operator, y *operand) error {
	t := im.tensors[o.out[0]]
	if name := typeName(t.typ); slices.Contains(noNumbers, name) || t.typ >= len(typeNames) {
		return fmt.Errorf("gives %q of %s", t.name, name)
	}
	if y.blocks == nil {
		fits := build.Product(t.shape) == build.Product(y.shape)
		switch {
		case fits && t.signature == nil:
			y.shape = t.shape
		case t.signature != nil && len(t.signature) == len(y.shape):
			for k, d := range t.signature {
				fits = d < 0 || d == y.shape[k]
				if !fits {
					break
				}
			}
		}
		if !fits {
			return fmt.Errorf("gives %v, the file says %v", y.shape, t.shape)
		}
	}
	if is := y.v.Type; im.exact && (t.typ == int8Type || t.typ == int16Type) && y.blocks == nil && is.IsWide() != (t.typ == int16Type) {
		return fmt.Errorf("gives %q of %s of arguments of %s", t.name, typeName(t.typ), is.Elem)
	}
	im.values[o.out[0]] = y
	return nil
}

// The fused activations.
const (
	actNone   = 0
	actRelu   = 1
	actReluN1 = 2 // between -1 and 1
	actRelu6  = 3
	actTanh   = 4
)

// activation is a fused activation as attributes: an activation of a float
// network, bounds of an exact one. For actReluN1 a float network has an operation of its own.
func (im *importer) activation(fused int, t ir.Type) ([]ir.Attr, error) {
	name := map[int]string{actNone: ir.ActNone, actRelu: ir.ActRelu, actReluN1: ir.ActNone, actRelu6: ir.ActRelu6}[fused]
	if name == "" {
		return nil, fmt.Errorf("has the fused activation %d", fused)
	}
	if !im.exact {
		return []ir.Attr{ir.AttrAct.Is(name)}, nil
	}
	q := t.Quant
	lo, hi := t.Ends()
	at := func(x float32) int { return q.Zero + int(math.Round(float64(x/float32(q.Scale)))) }
	switch fused {
	case actRelu:
		lo = max(lo, q.Zero)
	case actReluN1:
		lo, hi = max(lo, at(-1)), min(hi, at(1))
	case actRelu6:
		lo, hi = max(lo, q.Zero), min(hi, at(6))
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

// layerRequant are those of a layer or a matrix product. The optimized kernels round
// their ties up; of the reference kernels, that of dense layers rounds once, half up,
// which is our own rounding (R6): measured against ai-edge-litert 2.3.0. So do both of dense
// layers of biases of int64, as activations of int16 have them: measured against TensorFlow 2.21.
func (im *importer) layerRequant(name string, isDense, isWide bool, factors []float64, reach ...int64) ([]ir.Attr, error) {
	isOnce := isWide || isDense && !im.fast
	if isOnce {
		reach = []int64{0} // R6 shifts no sum left
	}
	rq, err := im.requant(name, factors, reach...)
	switch {
	case err != nil:
		return nil, err
	case isOnce:
		rq = rq[:2]
	case im.fast:
		rq[2] = ir.AttrRound.Is(ir.RoundTwice)
	}
	return rq, nil
}

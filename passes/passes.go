// Package passes is the compiler's plan: one literal table of all passes, in
// the order in which they run.
package passes

import (
	"github.com/dnnc/dnnc/passes/graph"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/passes/stream"
)

// Table is every pass. Dumps, -stop-after, -d=help and the documentation come
// from it.
var Table = pass.Table{
	{Name: "infer", Run: graph.Infer,
		Why: "shapes that do not fit are the user's error, and every later pass needs types"},
	{Name: "mask-softmax", After: []string{"infer"}, Rounds: 1e-3, Run: graph.MaskSoftmax,
		Why: "numbers that mask scores would be all that 8 bits hold of the sum; and must not become biases"},
	{Name: "simplify", After: []string{"mask-softmax"}, Run: graph.Simplify,
		Why: "operations that change nothing would hide layers from the folding"},
	{Name: "fold-batchnorm", After: []string{"simplify"}, Rounds: 1e-4, Run: graph.FoldBatchNorm,
		Why: "a scale and shift after a layer is part of its weights: free, and exact"},
	{Name: "fold-normalize", After: []string{"fold-batchnorm"}, Rounds: 1e-4, Run: graph.FoldNormalize,
		Why: "the network then takes raw pixels, and rounds once less; padding becomes the mean, so that borders stay exact"},
	{Name: "raise-activation", After: []string{"fold-batchnorm"}, Run: graph.RaiseActivation,
		Why: "a relu of what was concatenated or moved is a bound, too, of what computed it"},
	{Name: "fuse-activation", After: []string{"raise-activation"}, Run: graph.FuseActivation,
		Why: "a relu after a layer is only a bound on its integers (R9)"},
	{Name: "fuse-norm", After: []string{"fuse-activation"}, Rounds: 1e-3, Run: graph.FuseNorm,
		Why: "a length that is one operation's sum and root is not one of 256 numbers (R24)"},
	{Name: "fuse-difference", After: []string{"fuse-norm"}, Run: graph.FuseDifference,
		Why: "a difference that is only multiplied need not be rounded to 8 bits first"},
	{Name: "dead-code", After: []string{"fuse-difference"}, Run: graph.DeadCode,
		Why: "what no output needs takes no memory and no calibration"},
	{Name: "legalize", After: []string{"fuse-activation"}, Rounds: 1e-4, Run: graph.Legalize,
		Why: "few core operations have integer kernels and code generation"},
	{Name: "isolate-types", After: []string{"legalize"}, Run: quant.IsolateTypes,
		Why: "concat and pad keep the type of what they take, which a given one must not dictate (R12)"},
	{Name: "calibrate", After: []string{"isolate-types"}, Run: quant.Calibrate,
		Why: "scales of activations come from the ranges that images cause (R3)"},
	{Name: "widen", After: []string{"calibrate"}, Run: quant.Widen,
		Why: "8 bits of a signal lose more than the weights do: what has 16 is decided here, value by value"},
	{Name: "robust", After: []string{"widen"}, Run: robust.Widths,
		Why: "the width of every layer, chosen under disturbed inputs: edit it here"},
	{Name: "quantize", After: []string{"robust"}, Run: quant.Quantize,
		Why: "from here on the module is integers only, the ones that ship"},
	{Name: "tune", After: []string{"quantize"}, Moves: true, Run: robust.Tune,
		Why: "factors, biases, codebooks and codes follow the float network's answers under errors"},
	{Name: "stream", After: []string{"tune"}, Streams: true, Run: stream.Steps,
		Why: "a network over time computes each frame once, and keeps what the next frame needs"},
	{Name: "fuse-pool", After: []string{"stream"}, Run: machine.FusePool,
		Why: "the outputs before a max pooling are the greatest tensors of a network: kept pooled, they need no memory"},
	{Name: "select", After: []string{"fuse-pool"}, Run: machine.Select,
		Why: "which kernel computes each operation on the target, and its tile"},
	{Name: "memory", After: []string{"select"}, Run: machine.Memory,
		Why: "one exact arena, planned from the lifetimes of values and scratch"},
}

// Quantized is the pass after which a module is integers.
const Quantized = "quantize"

// Tuned is the last pass that changes what a network answers; retargeted modules resume after
// it.
const Tuned = "tune"

// Streamed is the pass after which a network over time may be one of some frames: the last one before
// those of a target.
const Streamed = "stream"

// Robust is the pass that writes widths: after it the module is still one of
// floats, the reference of what is measured.
const Robust = "robust"

// Calibrated is the pass after which activations have ranges.
const Calibrated = "calibrate"

// Widened is the pass after which a search can begin: activations have ranges and widths.
const Widened = "widen"

func init() {
	if err := Table.Check(); err != nil {
		panic(err)
	}
}

package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// fusedMatMul is onnxruntime's product of matrices that may be turned, times a number.
func fusedMatMul(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if intAttr(n, "transBatchA", 0) != 0 || intAttr(n, "transBatchB", 0) != 0 {
		return nil, errors.New("exchanges the batch with an axis of the matrices (transBatchA, transBatchB)")
	}
	c, args := im.compose(n), slices.Clone(in[:2])
	for i, name := range []string{"transA", "transB"} {
		if intAttr(n, name, 0) == 0 {
			continue
		}
		if len(args[i].shape) < 2 {
			return nil, fmt.Errorf("turns a tensor of shape %v (%s)", args[i].shape, name)
		}
		args[i] = c.turned(name, args[i])
	}
	y := c.do("MatMul", "", args)
	if alpha := floatAttr(n, "alpha", 1); alpha != 1 {
		y = c.do("Mul", "alpha", []*operand{y, number1(alpha)})
	}
	return c.result(y)
}

// fusedGemm is onnxruntime's Gemm with an activation.
func fusedGemm(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	outs, err := gemm(im, n, in)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	return c.result(c.activated(textAttr(n, "activation", ""), outs[0], func(i int, absent float64) float64 {
		return floatAttr(n, []string{"activation_alpha", "activation_beta"}[i], absent)
	}))
}

// fusedConv is onnxruntime's convolution with an activation, and a sum before it.
func fusedConv(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	outs, err := conv(im, n, in[:min(len(in), 3)])
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	y := outs[0]
	if z := argument(in, 3); z != nil {
		y = c.binary("Add", "sum", y, z)
	}
	params := attr(n, "activation_params")
	p := func(i int, absent float64) float64 {
		if params != nil && i < len(params.Floats) {
			return float64(params.Floats[i])
		}
		return absent
	}
	y = c.activated(textAttr(n, "activation", ""), y, p)
	return c.result(y)
}

// activated is an operand after the activation of a fused operation; number gives the
// activation's numbers by their places, or their defaults.
func (c *composer) activated(name string, y *operand, number func(i int, absent float64) float64) *operand {
	args := []*operand{y}
	var settings []setting
	switch name {
	case "":
		return y
	case "Relu", "Sigmoid", "Tanh":
	case "LeakyRelu":
		settings = []setting{{"alpha", number(0, .01)}}
	case "HardSigmoid":
		settings = []setting{{"alpha", number(0, .2)}, {"beta", number(1, .5)}}
	case "Clip":
		args = append(args, number1(number(0, -math.MaxFloat32)), number1(number(1, math.MaxFloat32)))
	default:
		if c.err == nil {
			c.err = fmt.Errorf("with the activation %q", name)
		}
		return nil
	}
	return c.do(name, "act", args, settings...)
}

// microsoftAttention is onnxruntime's attention: one layer gives queries, keys and values.
func microsoftAttention(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, w := in[0], in[1]
	if len(x.shape) != 3 || w.c == nil || len(w.shape) != 2 {
		return nil, fmt.Errorf("of a tensor of shape %v and weights of shape %v, which must be constant", x.shape, w.shape)
	}
	if intAttr(n, "do_rotary", 0) != 0 || argument(in, 4) != nil || argument(in, 6) != nil {
		return nil, errors.New("turns queries (do_rotary), or has keys and values of earlier runs")
	}
	var bias *tensor
	if b := argument(in, 2); b != nil {
		if b.c == nil || len(b.shape) != 1 || b.shape[0] != w.shape[1] {
			return nil, fmt.Errorf("has a bias of shape %v for weights of shape %v", b.shape, w.shape)
		}
		bias = b.c
	}
	sizes := intsAttr(n, "qkv_hidden_sizes")
	if sizes == nil {
		third := w.shape[1] / 3
		sizes = []int{third, third, third}
	}
	if len(sizes) != 3 || slices.Min(sizes) < 1 || slices.Max(sizes) > w.shape[1] || sizes[0]+sizes[1]+sizes[2] != w.shape[1] {
		return nil, fmt.Errorf("has queries, keys and values of %v numbers (qkv_hidden_sizes) of weights of shape %v", sizes, w.shape)
	}
	all, err := im.dense(n, im.Name(layerName(n, w.c)), x, w.c.view(ir.ViewOf(w.shape).Permute([]int{1, 0})), bias)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	var parts [3]*operand
	at := 0
	for i, role := range []string{"queries", "keys", "values"} {
		parts[i] = c.slice(role+".own", all[0], 2, at, at+sizes[i])
		at += sizes[i]
	}
	return c.attention(parts, argument(in, 3), argument(in, 5))
}

// multiHeadAttention is onnxruntime's attention of queries, keys and values.
func multiHeadAttention(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	parts := [3]*operand{in[0], argument(in, 1), argument(in, 2)}
	for _, p := range parts {
		if p == nil || len(p.shape) != 3 {
			return nil, errors.New("has queries, keys or values that are not of the shape [batch, steps, size]")
		}
	}
	for i := 6; i < len(in); i++ {
		if in[i] != nil {
			return nil, errors.New("has keys and values of earlier runs")
		}
	}
	c := im.compose(n)
	if b := argument(in, 3); b != nil {
		at := 0
		for i, role := range []string{"queries", "keys", "values"} {
			size := parts[i].shape[2]
			if len(b.shape) != 1 || b.shape[0] < at+size {
				return nil, fmt.Errorf("has a bias of shape %v", b.shape)
			}
			parts[i] = c.binary("Add", role+".biased", parts[i], c.slice(role+".bias", b, 0, at, at+size))
			if c.err != nil {
				return nil, c.err
			}
			at += size
		}
	}
	return c.attention(parts, argument(in, 4), argument(in, 5))
}

// attention is ONNX's attention by the attributes of onnxruntime's; shown says which keys take
// part, bias is added to the scores. Either may be nil.
func (c *composer) attention(parts [3]*operand, shown, bias *operand) ([]*operand, error) {
	if c.err != nil {
		return nil, c.err
	}
	heads, keys := intAttr(c.n, "num_heads", 0), parts[1].shape[1]
	args := []*operand{parts[0], parts[1], parts[2], bias}
	if shown != nil {
		mask, err := keyMask(shown, keys)
		if err != nil {
			return nil, err
		}
		if bias != nil {
			mask = c.binary("Add", "mask", bias, c.do("Where", "hidden", []*operand{mask, number1(0), number1(floatAttr(c.n, "mask_filter_value", -10000))}))
		}
		args[3] = mask
	}
	settings := []setting{{"q_num_heads", heads}, {"kv_num_heads", heads}, {"is_causal", intAttr(c.n, "unidirectional", 0)}}
	if scale := floatAttr(c.n, "scale", 0); scale != 0 {
		settings = append(settings, setting{"scale", scale})
	}
	return c.result(c.do("Attention", "", args, settings...))
}

// keyMask is a constant mask of onnxruntime as one of ONNX, of what takes part: the number of
// keys from the first on, or a 1 for each key that does, [batch, keys] or [batch, steps, keys].
func keyMask(o *operand, keys int) (*operand, error) {
	if o.c == nil {
		return nil, errors.New("has a mask that the network computes; masks of zeros and ones must be constants")
	}
	x, err := o.c.numbers()
	if err != nil {
		return nil, err
	}
	shape := []int{1, 1, 1, keys}
	switch {
	case slices.Equal(o.shape, []int{1}):
		length := x[0]
		x = make([]float64, keys)
		for k := range x {
			x[k] = map[bool]float64{true: 1}[float64(k) < length]
		}
	case len(o.shape) == 2 && o.shape[0] == 1 && o.shape[1] == keys:
	case len(o.shape) == 3 && o.shape[0] == 1 && o.shape[2] == keys:
		shape[2] = o.shape[1]
	default:
		return nil, fmt.Errorf("has a mask of shape %v for %d keys", o.shape, keys)
	}
	return &operand{c: newTensor(boolType, shape, x), shape: shape}, nil
}

// oneHot has a number at each index and another one elsewhere: rows that indices choose.
func oneHot(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	depth, ok := oneNumber(in[1].c)
	if !ok || depth < 1 || depth > ir.ByteRows || depth != float64(int(depth)) {
		return nil, fmt.Errorf("has a depth that is no constant number from 1 to %d", ir.ByteRows)
	}
	values, err := constant(in, 2, "values")
	if err != nil {
		return nil, err
	}
	x, err := values.numbers()
	if err != nil || len(x) != 2 {
		return nil, errors.New("has values that are not two numbers")
	}
	if !values.typ.isFloat() {
		return nil, fmt.Errorf("gives %s integers: a Cast of its values to float gives reals", values.typ)
	}
	if q := in[0].q; q == nil || q.real(q.lo) < 0 || q.real(q.hi) >= depth {
		return nil, fmt.Errorf("has indices that may lie outside of the depth %v, or that are reals", depth)
	}
	axis, err := build.Axis(intAttr(n, "axis", -1), len(in[0].shape)+1)
	if err != nil {
		return nil, err
	}
	size := int(depth)
	if err := im.room(size * size); err != nil {
		return nil, err
	}
	rows := slices.Repeat([]float64{x[0]}, size*size)
	for k := range size {
		rows[k*(size+1)] = x[1]
	}
	c := im.compose(n)
	y := c.do("Gather", "", []*operand{{c: newTensor(float32Type, []int{size, size}, rows), shape: []int{size, size}}, in[0]})
	if c.err != nil {
		return nil, c.err
	}
	return c.result(c.transpose("turned", y, build.MoveAxis(len(y.shape), len(y.shape)-1, axis)...))
}

// causalConv is a depthwise convolution over time that sees the past alone, which it may be
// given; it also returns the last inputs, the past of the next run.
func causalConv(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	x, w := in[0], in[1]
	if len(x.shape) != 3 || w.c == nil || len(w.shape) != 3 || w.shape[0] != x.shape[1] || w.shape[1] != 1 || w.shape[2] < 1 {
		return nil, fmt.Errorf("of a tensor of shape %v and weights of shape %v, which must be constant", x.shape, w.shape)
	}
	c := im.compose(n)
	past := w.shape[2] - 1
	before := []int{x.shape[0], x.shape[1], past}
	switch p := argument(in, 3); {
	case past == 0:
	case p == nil:
		x = c.do("Pad", "past", []*operand{x, list1(0, 0, past, 0, 0, 0)})
	case !slices.Equal(p.shape, before):
		return nil, fmt.Errorf("has a past of shape %v, not %v", p.shape, before)
	default:
		x = c.do("Concat", "past", []*operand{p, x}, setting{"axis", 2})
	}
	y := c.do("Conv", "", []*operand{x, w, argument(in, 2)}, setting{"group", w.shape[0]}, setting{"kernel_shape", []int{w.shape[2]}})
	switch act := textAttr(n, "activation", "none"); act {
	case "none":
	case "silu", "swish":
		y = c.function(ir.Silu, "act", y)
	default:
		return nil, fmt.Errorf("with the activation %q", act)
	}
	if c.err != nil {
		return nil, c.err
	}
	outs := []*operand{y}
	if len(n.Output) > 1 && n.Output[1] != "" {
		if past == 0 {
			return nil, errors.New("gives a past of no steps")
		}
		outs = append(outs, c.slice("present", x, 2, x.shape[2]-past, x.shape[2]))
	}
	return outs, c.err
}

// dynamicMatMul is onnxruntime's product with a matrix of integers, of values that it quantizes by
// what it sees: here they stay reals.
func dynamicMatMul(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	list, err := three([]*operand{in[1], in[2], argument(in, 3)}, 0)
	if err != nil {
		return nil, err
	}
	w, err := dequantized(list[0], list[1], list[2], -1, 0)
	if err != nil {
		return nil, err
	}
	c := im.compose(n)
	y := c.do("MatMul", "", []*operand{in[0], {c: w, shape: w.shape}})
	if bias := argument(in, 4); bias != nil {
		y = c.binary("Add", "bias", y, bias)
	}
	return c.result(y)
}

// dynamicLSTM is onnxruntime's LSTM of weights of integers [directions,inputs,gates], with a scale
// for each direction or for each gate; what it quantizes by what it sees stays reals.
func dynamicLSTM(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	if len(in) != 12 {
		return nil, fmt.Errorf("has %d arguments of 12", len(in))
	}
	args := slices.Clone(in[:8])
	for k, at := range []int{8, 10} {
		list, err := three([]*operand{in[1+k], in[at], in[at+1]}, 0)
		if err != nil {
			return nil, err
		}
		codes, scale, zero := list[0], list[1], list[2]
		if zero == nil {
			return nil, errors.New("lacks zero points")
		}
		if len(codes.shape) != 3 {
			return nil, fmt.Errorf("has weights of shape %v", codes.shape)
		}
		rows := codes.view(ir.ViewOf(codes.shape).Permute([]int{0, 2, 1}))
		directions, gates := rows.shape[0], rows.shape[1]
		for _, t := range []*tensor{scale, zero} {
			if t.size() != directions && t.size() != directions*gates {
				return nil, fmt.Errorf("has scales or zero points of shape %v for weights of shape %v", t.shape, codes.shape)
			}
		}
		each := func(t *tensor) *tensor { // one a row
			if t.size() == directions*gates {
				return t.reshaped([]int{directions * gates})
			}
			v, _ := ir.ViewOf([]int{directions, 1}).Expand([]int{directions, gates})
			return t.reshaped([]int{directions, 1}).view(v).reshaped([]int{directions * gates})
		}
		w, err := dequantized(rows.reshaped([]int{directions * gates, rows.shape[2]}), each(scale), each(zero), 0, 0)
		if err != nil {
			return nil, err
		}
		w = w.reshaped(rows.shape)
		args[1+k] = &operand{c: w, shape: w.shape}
	}
	return recurrent(4)(im, n, args)
}

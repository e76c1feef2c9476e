"""Writes generated ONNX models with what onnxruntime answers to them.

    python onnx_cases.py DIR COUNT [SEED [KIND,KIND,...]]

Each case is a folder as ONNX's own backend tests have them: model.onnx and
test_data_set_0 with input_0.pb, output_0.pb and so on. Operations, attributes, shapes
and opsets are random; the same seed gives the same cases.
"""
import os
import random
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


class Case:
    """A model under construction: the input x and those that operations add, a chain of nodes."""

    def __init__(self, rng, opset):
        self.rng, self.opset = rng, opset
        self.nodes, self.inits, self.count = [], [], 0
        self.inputs, self.shapes, self.outputs = {}, {}, []
        self.type, self.most = TensorProto.FLOAT, 256  # of x, and its integers

    def input(self, name, shape):
        self.inputs[name] = self.rng.normal(0, 1, shape).astype(np.float32)
        self.shapes[name] = list(shape)
        return name

    def const(self, x, dtype=np.float32):
        name = f"k{len(self.inits)}"
        self.inits.append(numpy_helper.from_array(np.asarray(x, dtype), name))
        return name

    def weights(self, *shape):
        return self.const(self.rng.normal(0, 0.5, shape))

    def node(self, op, args, outs=1, **attrs):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outs)]
        self.nodes.append(helper.make_node(op, args, names, name=f"/n{self.count}/{op}", **attrs))
        return names[0] if outs == 1 else names


def pick(r, *options):
    return options[r.integers(len(options))]


def image(r, channels=None, least=3, most=10):
    return [1, channels or int(r.integers(1, 7)), int(r.integers(least, most)), int(r.integers(least, most))]


def anyshape(r):
    rank = int(r.integers(1, 5))
    return [1] + [int(r.integers(1, 7)) for _ in range(rank)]


def window(r, shape, pool=False):
    rank = len(shape) - 2
    kernel = [int(r.integers(1, min(4, s) + 1)) for s in shape[2:]]
    attrs = {"kernel_shape": kernel, "strides": [int(r.integers(1, 4)) for _ in kernel]}
    how = r.integers(4)
    if how == 0:
        attrs["auto_pad"] = pick(r, "SAME_UPPER", "SAME_LOWER", "VALID")
    elif how < 3:
        attrs["pads"] = [int(r.integers(0, k)) for k in kernel + kernel]
    if not pool and how != 0 and r.integers(3) == 0:
        attrs["dilations"] = [int(r.integers(1, 3)) if (k - 1) * 2 + 1 <= s else 1 for k, s in zip(kernel, shape[2:])]
    return attrs


def conv(c, r, x, shape):
    groups = pick(r, 1, 1, shape[1], 1 if shape[1] % 2 else 2)
    out = groups * int(r.integers(1, 5))
    attrs = window(r, shape)
    args = [x, c.weights(out, shape[1] // groups, *attrs["kernel_shape"])]
    if r.integers(2):
        args.append(c.weights(out))
    return c.node("Conv", args, group=groups, **attrs)


def conv_transpose(c, r, x, shape):
    groups = pick(r, 1, 1, shape[1])
    kernel = [int(r.integers(1, 4)) for _ in shape[2:]]
    strides = [int(r.integers(1, 4)) for _ in kernel]
    attrs = {"kernel_shape": kernel, "strides": strides, "pads": [int(r.integers(0, k)) for k in kernel + kernel]}
    if r.integers(2):
        attrs["output_padding"] = [int(r.integers(0, s)) for s in strides]
    args = [x, c.weights(shape[1], int(r.integers(1, 4)), *kernel)]
    if r.integers(2):
        args.append(c.weights(args and c.inits[-1].dims[1] * groups))
    return c.node("ConvTranspose", args, group=groups, **attrs)


def gemm(c, r, x, shape):
    n, k = int(r.integers(1, 12)), shape[-1]
    trans = int(r.integers(2))
    args = [x, c.weights(n, k) if trans else c.weights(k, n)]
    if r.integers(3):
        args.append(c.weights(*pick(r, [n], [1, n], [1])))
    return c.node("Gemm", args, transB=trans, alpha=float(pick(r, 1, 0.5)), beta=float(pick(r, 1, 2)))


def matmul(c, r, x, shape):
    y = c.node("MatMul", [x, c.weights(shape[-1], int(r.integers(1, 9)))])
    n = c.inits[-1].dims[1]
    return c.node("Add", [y, c.weights(n)]) if r.integers(2) else y


def matmul_computed(c, r, x, shape):
    perm = list(range(len(shape)))
    perm[-1], perm[-2] = perm[-2], perm[-1]
    y = c.node("Transpose", [c.node("Tanh", [x])], perm=perm)
    return c.node("MatMul", [x, y])


def pool(op):
    def make(c, r, x, shape):
        attrs = window(r, shape, pool=True)
        if "auto_pad" not in attrs and r.integers(3) == 0:
            attrs["ceil_mode"] = 1
        elif "auto_pad" not in attrs and (op == "MaxPool" or c.opset >= 19):
            attrs["dilations"] = [int(r.integers(1, 3)) for _ in attrs["kernel_shape"]]
        if op == "AveragePool" and "ceil_mode" not in attrs:
            attrs["count_include_pad"] = int(r.integers(2))
        return c.node(op, [x], **attrs)
    return make


def simple(op, **choices):
    def make(c, r, x, shape):
        return c.node(op, [x], **{k: float(pick(r, *v)) for k, v in choices.items()})
    return make


def positive(op):
    def make(c, r, x, shape):
        return c.node(op, [c.node("Add", [c.node("Abs", [x]), c.const([0.5])])])
    return make


def clip(c, r, x, shape):
    lo, hi = pick(r, (0, 6), (0, 1), (-1, 1), (-0.5, 2.25))
    if r.integers(4) == 0:
        return c.node("Clip", [x, c.const(lo)])
    return c.node("Clip", [x, c.const(lo), c.const(hi)])


def broadcast(r, shape):
    how = r.integers(5)
    if how == 0:
        return []
    if how == 1:
        return shape[-1:]
    if how == 2 and len(shape) > 2:
        return [1, shape[1]] + [1] * (len(shape) - 2)
    if how == 3:
        return [s if r.integers(2) else 1 for s in shape]
    return shape


def with_const(op):
    def make(c, r, x, shape):
        k = c.rng.normal(0, 1, broadcast(r, shape))
        if op == "Div":
            k = np.abs(k) + 0.5
        args = [x, c.const(k)]
        if op in ("Add", "Mul", "Sub") and r.integers(3) == 0:
            args.reverse()
        y = c.node(op, args)
        return c.node("Relu", [y]) if r.integers(2) else y
    return make


def of_two(op):
    def make(c, r, x, shape):
        other = c.node(pick(r, "Tanh", "Sigmoid"), [x])
        if len(shape) > 2 and r.integers(3) == 0:
            axes = [int(r.integers(1, len(shape)))]
            if c.opset >= 18:
                other = c.node("ReduceMean", [other, c.const(axes, np.int64)], keepdims=1)
            else:
                other = c.node("ReduceMean", [other], axes=axes, keepdims=1)
        return c.node(op, [x, other] if r.integers(2) else [other, x])
    return make


def batchnorm(c, r, x, shape):
    n = shape[1]
    var = c.const(np.abs(c.rng.normal(1, 0.3, n)) + 0.1)
    return c.node("BatchNormalization", [x, c.weights(n), c.weights(n), c.weights(n), var], epsilon=float(pick(r, 1e-5, 1e-3)))


def prelu(c, r, x, shape):
    return c.node("PRelu", [x, c.weights(*pick(r, [1], [shape[1]] + [1] * (len(shape) - 2)))])


def softmax(op):
    def make(c, r, x, shape):
        return c.node(op, [x], axis=int(r.integers(1, len(shape))))
    return make


def reduce(op):
    def make(c, r, x, shape):
        axes = sorted(set(int(r.integers(1, len(shape))) for _ in range(int(r.integers(1, 3)))))
        if r.integers(3) == 0:
            axes = [a - len(shape) for a in axes]
        keep = int(r.integers(2))
        if c.opset >= (13 if op == "ReduceSum" else 18):
            return c.node(op, [x, c.const(axes, np.int64)], keepdims=keep)
        return c.node(op, [x], axes=axes, keepdims=keep)
    return make


def transpose(c, r, x, shape):
    perm = [int(p) for p in r.permutation(len(shape))]
    if r.integers(2):
        perm = [0] + [int(p) + 1 for p in r.permutation(len(shape) - 1)]
    return c.node("Transpose", [x], perm=perm)


def slice_(c, r, x, shape):
    axes = [a for a in range(1, len(shape)) if r.integers(2)] or [1]
    starts, ends, steps = [], [], []
    for a in axes:
        n = shape[a]
        lo = int(r.integers(0, n))
        hi = int(r.integers(lo + 1, n + 1))
        step = int(pick(r, 1, 1, 2, -1))
        if step < 0:
            lo, hi = hi - 1, (lo - 1 if lo > 0 else -(n + 1))
        if r.integers(3) == 0 and hi == n:
            hi = np.iinfo(np.int64).max
        starts.append(lo), ends.append(hi), steps.append(step)
    return c.node("Slice", [x] + [c.const(v, np.int64) for v in (starts, ends, axes, steps)])


def split(c, r, x, shape):
    axis = int(r.integers(1, len(shape)))
    a = int(r.integers(1, shape[axis])) if shape[axis] > 1 else None
    if a is None:
        return c.node("Relu", [x])
    sizes = [a, shape[axis] - a]
    if c.opset >= 13:
        one, two = c.node("Split", [x, c.const(sizes, np.int64)], 2, axis=axis)
    else:
        one, two = c.node("Split", [x], 2, axis=axis, split=sizes)
    return c.node("Concat", [two, c.node("Relu", [one])], axis=axis)


def concat(c, r, x, shape):
    args = [x, c.node("Neg", [x])]
    if r.integers(2):
        args.append(c.node("Sigmoid", [x]))
    return c.node("Concat", args, axis=int(r.integers(1, len(shape))))


def pad(c, r, x, shape):
    mode = pick(r, "constant", "constant", "edge", "reflect", "wrap")
    if mode == "wrap" and c.opset < 19:
        mode = "edge"
    if mode != "constant":
        most = [3 if mode == "edge" else s if mode == "reflect" else s + 1 for s in shape]
        pads = [0 if k % len(shape) == 0 else int(r.integers(0, min(3, most[k % len(shape)]))) for k in range(2 * len(shape))]
        return c.node("Pad", [x, c.const(pads, np.int64)], mode=mode)
    pads = [0] + [int(r.integers(-1 if s > 2 else 0, 3)) for s in shape[1:]]
    pads += [0] + [int(r.integers(0, 3)) for s in shape[1:]]
    args = [x, c.const(pads, np.int64)]
    if r.integers(2):
        args.append(c.const(float(r.normal())))
    return c.node("Pad", args)


def gather(c, r, x, shape):
    axis = int(r.integers(1, len(shape)))
    n = shape[axis]
    index = pick(r, int(r.integers(-n, n)), list(range(n)), list(range(n - 1, -1, -1)), [[0]])
    return c.node("Gather", [x, c.const(index, np.int64)], axis=axis)


def expand(c, r, x, shape):
    to = [int(r.integers(2, 5)) if s == 1 and i else s for i, s in enumerate(shape)]
    return c.node("Expand", [x, c.const(to, np.int64)])


def reshape(c, r, x, shape):
    """A view as exporters write it, with its shape arithmetic."""
    how = r.integers(4)
    if how == 0:
        return c.node("Flatten", [x], axis=int(r.integers(0, len(shape) + 1)))
    if how == 1:
        s = c.node("Shape", [x])
        n = c.node("Gather", [s, c.const(0, np.int64)], axis=0)
        if c.opset >= 13:
            n = c.node("Unsqueeze", [n, c.const([0], np.int64)])
        else:
            n = c.node("Unsqueeze", [n], axes=[0])
        return c.node("Reshape", [x, c.node("Concat", [n, c.const([-1], np.int64)], axis=0)])
    if how == 2:
        axis = int(r.integers(0, len(shape) + 1))
        if c.opset >= 13:
            y = c.node("Unsqueeze", [x, c.const([axis], np.int64)])
            return c.node("Squeeze", [c.node("Relu", [y]), c.const([axis], np.int64)])
        y = c.node("Unsqueeze", [x], axes=[axis])
        return c.node("Squeeze", [c.node("Relu", [y])], axes=[axis])
    return c.node("Reshape", [x, c.const([0, -1, shape[-1]] if len(shape) > 2 else [1, -1], np.int64)])


def resize(c, r, x, shape):
    scales = [1, 1] + [float(r.integers(1, 4)) for _ in shape[2:]]
    mode = pick(r, ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"))
    args = [x, "", c.const(scales)]
    if r.integers(2):
        args = [x, "", "", c.const([int(a * b) for a, b in zip(shape, scales)], np.int64)]
    if r.integers(3) == 0:
        return c.node("Resize", args, mode="linear", coordinate_transformation_mode=mode[0])
    return c.node("Resize", args, mode="nearest", coordinate_transformation_mode=mode[0], nearest_mode=mode[1])


def depth_to_space(c, r, x, shape):
    return c.node("DepthToSpace", [x], blocksize=2, mode=pick(r, "DCR", "CRD"))


def argmax(c, r, x, shape):
    return c.node("ArgMax", [x], axis=int(r.integers(1, len(shape))), keepdims=int(r.integers(2)))


def power(c, r, x, shape):
    return c.node("Pow", [c.node("Abs", [x]), c.const(float(pick(r, 1, 2, 0.5)))])


def block(c, r, x, shape):
    """A residual block with normalisation, as networks have them."""
    n = shape[1]
    y = c.node("Conv", [x, c.weights(n, n, 3, 3)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    y = c.node("Relu", [batchnorm(c, r, y, shape)])
    y = c.node("Conv", [y, c.weights(n, 1, 3, 3)], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=n)
    y = c.node("Relu", [c.node("Add", [batchnorm(c, r, y, shape), x])])
    y = c.node("GlobalAveragePool", [y])
    y = c.node("Flatten", [y])
    return c.node("Softmax", [c.node("Gemm", [y, c.weights(5, n), c.weights(5)], transB=1)])


def normalized(c, r, x, shape):
    n = shape[1]
    y = c.node("Sub", [x, c.const(c.rng.uniform(0.3, 0.6, [1, n, 1, 1]))])
    y = c.node("Div", [y, c.const(c.rng.uniform(0.2, 0.5, [1, n, 1, 1]))])
    return conv(c, r, y, shape)


def layer_norm(c, r, x, shape):
    """A layer normalisation as exporters before opset 17 spell it."""
    axes = [-1]
    mean = c.node("ReduceMean", [x, c.const(axes, np.int64)]) if c.opset >= 18 else c.node("ReduceMean", [x], axes=axes)
    d = c.node("Sub", [x, mean])
    sq = c.node("Pow", [d, c.const(2.0)])
    var = c.node("ReduceMean", [sq, c.const(axes, np.int64)]) if c.opset >= 18 else c.node("ReduceMean", [sq], axes=axes)
    return c.node("Div", [d, c.node("Sqrt", [c.node("Add", [var, c.const(1e-5)])])])


def recurrent(op, gates):
    """An unrolled recurrence: one direction or both, initial states of every kind."""
    def make(c, r, x, shape):
        steps, _, inputs = shape
        direction = pick(r, "forward", "reverse", "bidirectional")
        both, hidden = (2 if direction == "bidirectional" else 1), int(r.integers(1, 9))
        args = [x, c.weights(both, gates * hidden, inputs), c.weights(both, gates * hidden, hidden)]
        args.append(c.weights(both, 2 * gates * hidden) if r.integers(4) else "")
        args.append(c.const([steps], np.int32) if r.integers(4) == 0 else "")
        state = [both, 1, hidden]
        for name in ("h0", "c0")[:gates - 2]:
            how = r.integers(4)
            args.append(("", c.const(np.zeros(state)), None, None)[how] if how < 2 else c.weights(*state) if how == 2 else c.input(name, state))
        attrs = {"hidden_size": hidden, "direction": direction}
        if op == "GRU":
            attrs["linear_before_reset"] = int(r.integers(2))
        else:
            if r.integers(4) == 0:  # peepholes
                args.append(c.weights(both, 3 * hidden))
            attrs["input_forget"] = int(r.integers(4) == 0)
        if r.integers(4) == 0:
            attrs["clip"] = float(np.float32(r.uniform(0.2, 1.5)))
        if r.integers(4) == 0:
            own = [pick(r, "Sigmoid", "HardSigmoid"), pick(r, "Tanh", "Relu"), "Tanh"][:gates - 1]
            attrs["activations"] = own * both
        outs = c.node(op, args, gates - 1, **attrs)
        y = c.node("Reshape", [outs[0], c.const([steps, both * hidden], np.int64)])
        for o in outs[1:]:
            c.outputs.append(o)
        return c.node("MatMul", [y, c.weights(both * hidden, 3)]) if r.integers(2) else y
    return make


def several_inputs(c, r, x, shape):
    """An image beside a vector, as sensors come together; and a second result."""
    n = int(r.integers(1, 9))
    y = c.node("Flatten", [c.node("GlobalAveragePool", [conv(c, r, x, shape)])])
    z = c.node("Gemm", [c.input("sensors", [1, n]), c.weights(n, 4), c.weights(4)])
    y = c.node("Concat", [y, c.node("Relu", [z])], axis=1)
    c.outputs.append(z)
    return c.node("Softmax", [y], axis=1)


def integers(op):
    """A layer of bytes, as dynamic quantization writes it, read from an input."""
    def make(c, r, x, shape):
        c.type = pick(r, TensorProto.UINT8, TensorProto.INT8)
        kind = pick(r, np.int8, np.uint8)
        args = [x]
        if op == "ConvInteger":
            attrs = window(r, shape)
            out = int(r.integers(1, 6))
            w = [out, shape[1], *attrs["kernel_shape"]]
        else:
            attrs, out = {}, int(r.integers(1, 9))
            w = [shape[-1], out]
        # Without VNNI onnxruntime adds two products in 16 bits, which saturate: 7 bits keep it exact.
        args.append(c.const(r.integers(0, 64, w), kind))
        if r.integers(2):
            args.append(c.const(r.integers(0, 100), np.uint8 if c.type == TensorProto.UINT8 else np.int8))
            if r.integers(2):
                args.append(c.const(r.integers(0, 100), kind))
        y = c.node("Cast", [c.node(op, args, **attrs)], to=TensorProto.FLOAT)
        return c.node("Mul", [y, c.const(1 / 64)])
    return make


def embedding(c, r, x, shape):
    """Words of a vocabulary by number, and a layer of them."""
    c.type, c.most = pick(r, TensorProto.INT64, TensorProto.INT32), int(pick(r, r.integers(2, 257), r.integers(257, 700)))
    d = int(r.integers(1, 9))
    y = c.node("Gather", [c.weights(c.most, d), x], axis=0)
    return c.node("MatMul", [y, c.weights(d, 3)]) if r.integers(2) else c.node("Relu", [y])


def norm(op):
    """A normalization of channels, of groups of them, or of the last axes."""
    def make(c, r, x, shape):
        n = shape[1]
        if op == "InstanceNormalization":
            return c.node(op, [x, c.weights(n), c.weights(n)], epsilon=float(pick(r, 1e-5, 1e-2)))
        if op == "GroupNormalization":
            groups = pick(r, 1, n, n if n % 2 else 2)
            return c.node(op, [x, c.weights(n), c.weights(n)], num_groups=groups)
        axis = int(r.integers(1, len(shape)))
        args = [x, c.weights(*shape[axis:])]
        if op == "LayerNormalization" and r.integers(2):
            args.append(c.weights(*shape[axis:]))
        return c.node(op, args, axis=axis, epsilon=float(pick(r, 1e-5, 1e-2)))
    return make


def lrn(c, r, x, shape):
    return c.node("LRN", [x], size=int(r.integers(1, 6)), alpha=float(pick(r, 1e-4, 0.5)), beta=float(pick(r, 0.75, 0.5)), bias=float(pick(r, 1, 2)))


def reduce_all(op):
    """A reduction along any axes, of numbers near 1 so that products stay small."""
    def make(c, r, x, shape):
        axes = sorted({int(r.integers(0, len(shape))) for _ in range(int(r.integers(1, 3)))})
        if op in ("ReduceLogSum", "ReduceProd"):
            x = c.node("Add", [c.node("Sigmoid", [x]), c.const([0.5])])
        keep = int(r.integers(2))
        if c.opset >= 18:
            return c.node(op, [x, c.const(axes, np.int64)], keepdims=keep)
        return c.node(op, [x], axes=axes, keepdims=keep)
    return make


def einsum(c, r, x, shape):
    b, n, d = shape
    other = c.node("Tanh", [x])
    equation, args = pick(
        r, ("bnd,bmd->bnm", [x, other]), ("bnd,bmd->bmn", [x, other]), ("bnd,dk->bnk", [x, c.weights(d, 3)]), ("bnd,bnd->bn", [x, other]),
        ("bnd,n->bd", [x, c.weights(n)]), ("...d,d->...d", [x, c.weights(d)]), ("bnd->dn", [x]), ("bnd->b", [x]), ("bnd,bmd,mk->bnk", [x, other, c.weights(n, 2)]))
    return c.node("Einsum", args, equation=equation)


def attention(c, r, x, shape):
    """Queries, keys and values of an image's rows, with masks."""
    _, h, n, d = shape
    args = [x, c.node("Tanh", [x]), c.node("Sigmoid", [x])]
    attrs = {"is_causal": int(r.integers(2))}
    if r.integers(2):
        args.append(pick(r, c.weights(n, n), c.const(c.rng.integers(0, 2, (n, n)) | np.eye(n, dtype=np.int64), np.bool_)))
    if r.integers(3) == 0:
        attrs["scale"] = 0.5
    if r.integers(3) == 0:
        attrs["softcap"] = 1.5
    return c.node("Attention", args, **attrs)


def power_any(c, r, x, shape):
    how = r.integers(3)
    if how == 0:
        return c.node("Pow", [x, c.const(float(pick(r, 3, 4, -1, 0)))])
    positive = c.node("Add", [c.node("Abs", [x]), c.const([0.5])])
    if how == 1:
        return c.node("Pow", [positive, c.const(float(pick(r, 1.5, -0.5, 0.33)))])
    return c.node("Pow", [c.const(float(pick(r, 2, 0.5))), x])


def resize_any(c, r, x, shape):
    """A resizing by any factors, in every mode and transformation that onnxruntime has right."""
    sizes = [int(r.integers(2, 2 * s + 3)) for s in shape[2:]]
    mode = pick(r, "nearest", "linear", "cubic")
    attrs = {"mode": mode, "coordinate_transformation_mode": pick(r, "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")}
    if mode == "nearest":
        attrs["nearest_mode"] = pick(r, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        attrs["cubic_coeff_a"] = float(pick(r, -0.75, -0.5))
    return c.node("Resize", [x, "", "", c.const(shape[:2] + sizes, np.int64)], **attrs)


def concat_const(c, r, x, shape):
    axis = int(r.integers(1, len(shape)))
    own = list(shape)
    own[axis] = int(r.integers(1, 5))
    args = [x, c.weights(*own)]
    return c.node("Concat", args[:: pick(r, 1, -1)], axis=axis)


def matmul_any(c, r, x, shape):
    """A product with constant matrices: on the left, one for each batch, or a vector."""
    b, n, d = shape[0] * shape[1], shape[2], shape[3]
    k = int(r.integers(1, 6))
    return c.node("MatMul", pick(r, [c.weights(k, n), x], [c.weights(shape[1], k, n), x], [x, c.weights(shape[1], d, k)], [x, c.weights(1, 1, d, k)], [x, c.weights(d)], [c.weights(n), x]))


def gemm_any(c, r, x, shape):
    """Gemm of a transposed or a computed operand, with a sum of any shape."""
    n, d = shape[1], shape[2]
    m = c.node("Reshape", [x, c.const([n, d], np.int64)])
    if r.integers(2):
        k = int(r.integers(1, 6))
        return c.node("Gemm", [m, c.weights(n, k), c.weights(*pick(r, [k], [d, k], [d, 1], [1]))], transA=1, alpha=0.5, beta=2.0)
    return c.node("Gemm", [m, c.node("Tanh", [m]), c.weights(*pick(r, [n], [n, n]))], transB=1, beta=float(pick(r, 1, 0.5)))


def chosen(c, r, x, shape):
    """A choice by a comparison of computed values."""
    other = pick(r, c.node("Tanh", [x]), c.const(float(pick(r, 0, 0.5))))
    is_ = c.node(pick(r, "Greater", "Less", "GreaterOrEqual", "LessOrEqual"), [x, other])
    if r.integers(3) == 0:
        is_ = c.node("Not", [is_])
    return c.node("Where", [is_, pick(r, x, c.const([2.0])), pick(r, c.node("Sigmoid", [x]), c.const([-1.0]))])


def gather_any(c, r, x, shape):
    axis = int(r.integers(1, len(shape)))
    d = shape[axis]
    how = r.integers(3)
    if how == 0:
        return c.node("Gather", [x, c.const(r.integers(-d, d, pick(r, [7], [2, 3])), np.int64)], axis=axis)
    if how == 1:
        return c.node("GatherElements", [x, c.const(r.integers(-d, d, [min(s, 3) if k != axis else 4 for k, s in enumerate(shape)]), np.int64)], axis=axis)
    at = c.const([[0, int(r.integers(shape[1]))] for _ in range(3)], np.int64)
    return c.node("ScatterND", [x, at, c.weights(3, *shape[2:])]) if r.integers(2) else c.node("GatherND", [x, at])


def conv_transpose_any(c, r, x, shape):
    k = [int(r.integers(1, 5)) for _ in shape[2:]]
    attrs = {"kernel_shape": k, "strides": [int(r.integers(1, min(n, 3) + 1)) for n in k]}
    if r.integers(2):
        attrs["auto_pad"] = pick(r, "SAME_UPPER", "SAME_LOWER")
    else:
        attrs["output_shape"] = [s * (n - 1) + 1 + int(r.integers(0, w)) for n, s, w in zip(shape[2:], attrs["strides"], k)]
    return c.node("ConvTranspose", [x, c.weights(shape[1], 3, *k)], **attrs)


def pool_counted(c, r, x, shape):
    k = [int(r.integers(2, 4)) for _ in shape[2:]]
    return c.node("AveragePool", [x], kernel_shape=k, strides=[int(r.integers(1, 4)) for _ in k], pads=[int(r.integers(0, w)) for w in k + k], ceil_mode=1, count_include_pad=1)


def branch(c, r, x, shape):
    """A branch by a shape, in which values of both graphs are used."""
    y = c.node("Relu", [x])
    rank = c.node("Size", [c.node("Shape", [x])])
    is_ = c.node("Equal", [rank, c.const(int(pick(r, len(shape), 7)), np.int64)])
    graphs = []
    for op in ("Add", "Mul"):
        nodes = [helper.make_node("Tanh", [x], ["inner"], name="inner"), helper.make_node(op, ["inner", y], ["out"], name="out")]
        graphs.append(helper.make_graph(nodes, op, [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)]))
    return c.node("If", [is_], then_branch=graphs[0], else_branch=graphs[1])


def recurrent_any(op, gates):
    """A recurrence of any function."""
    def make(c, r, x, shape):
        steps, _, inputs = shape
        direction = pick(r, "forward", "reverse", "bidirectional")
        both, hidden = (2 if direction == "bidirectional" else 1), int(r.integers(1, 6))
        args = [x, c.weights(both, gates * hidden, inputs), c.weights(both, gates * hidden, hidden), c.weights(both, 2 * gates * hidden)]
        own = [pick(r, "Sigmoid", "Tanh", "Relu", "HardSigmoid", "Softsign", "LeakyRelu", "Elu", "Affine") for _ in range({1: 1, 3: 2, 4: 3}[gates])]
        if both == 1 and len(own) == 1 and own[0] in ("LeakyRelu", "Elu"):
            outs = c.node(op, args, 2, hidden_size=hidden, direction=direction, activations=own, activation_alpha=[0.25])
        elif own == ["Affine"]:
            outs = c.node(op, args, 2, hidden_size=hidden, direction=direction, activations=own * both, activation_alpha=[0.5] * both, activation_beta=[0.25] * both)
        else:
            own = [a if a in ("Sigmoid", "Tanh", "Relu", "Softsign") else "Tanh" for a in own]
            outs = c.node(op, args, 2, hidden_size=hidden, direction=direction, activations=own * both)
        c.outputs.append(outs[1])
        return c.node("Reshape", [outs[0], c.const([steps, both * hidden], np.int64)])
    return make


def top(c, r, x, shape):
    """The greatest or least elements; their places are whole numbers."""
    k = int(r.integers(1, min(4, shape[-1]) + 1))
    outs = c.node("TopK", [x, c.const([k], np.int64)], 2, axis=-1, largest=int(r.integers(2)))
    c.outputs.append(c.node("Cast", [outs[1]], to=TensorProto.FLOAT))
    return outs[0]


def rotary(c, r, x, shape):
    _, h, n, d = shape
    half = d // 2
    return c.node("RotaryEmbedding", [x, c.weights(1, n, half), c.weights(1, n, half)], interleaved=int(r.integers(2)))


def microsoft(op):
    def make(c, r, x, shape):
        args = [x, c.weights(shape[-1])] if op == "BiasGelu" else [x]
        return c.node(op, args, domain="com.microsoft")
    return make


def fused_conv(c, r, x, shape):
    w = c.weights(3, shape[1], 3, 3)
    return c.node("FusedConv", [x, w, c.weights(3)], domain="com.microsoft", activation=pick(r, "Relu", "Sigmoid", "Tanh"), pads=[1, 1, 1, 1])


def fused_matmul(c, r, x, shape):
    """Two computed matrices, or one of weights, either of them turned."""
    a, b = int(r.integers(2)), int(r.integers(2))
    inner = shape[1] if a else shape[2]
    if r.integers(2):
        n = int(r.integers(1, 6))
        return c.node("FusedMatMul", [x, c.weights(*((n, inner) if b else (inner, n)))], domain="com.microsoft", transA=a, transB=b, alpha=float(pick(r, 1, 0.25)))
    return c.node("FusedMatMul", [x, c.node("Tanh", [x])], domain="com.microsoft", transA=a, transB=1 - a, alpha=float(pick(r, 1, 0.25)))


def fused_gemm(c, r, x, shape):
    n = int(r.integers(1, 6))
    act = pick(r, "Relu", "Sigmoid", "Tanh", "LeakyRelu")
    return c.node("FusedGemm", [x, c.weights(shape[1], n), c.weights(n)], domain="com.microsoft", activation=act, **({"activation_alpha": 0.25} if act == "LeakyRelu" else {}))


def key_mask(c, r, keys):
    """Which keys take part: none given, their number, a 1 for each."""
    kind = int(r.integers(3))
    if kind == 0:
        return ""
    if kind == 1:
        return c.const([int(r.integers(1, keys + 1))], np.int32)
    own = r.integers(0, 2, (1, keys))
    own[0, 0] = 1
    return c.const(own, np.int32)


def microsoft_attention(c, r, x, shape):
    heads, size = int(r.integers(1, 4)), int(r.integers(2, 5))
    n = heads * size
    x = c.node("Concat", [x, x], axis=2) if r.integers(2) else x
    width = shape[2] * (2 if x != "x" else 1)
    return c.node("Attention", [x, c.weights(width, 3 * n), c.weights(3 * n), key_mask(c, r, shape[1])], domain="com.microsoft", num_heads=heads, unidirectional=int(r.integers(2)))


def multi_head_attention(c, r, x, shape):
    heads, size = int(r.integers(1, 4)), int(r.integers(2, 5))
    n = heads * size
    q, k, v = (c.node("MatMul", [x, c.weights(shape[2], n)]) for _ in "qkv")
    bias = c.weights(3 * n) if r.integers(2) else ""
    added = c.weights(1, heads, shape[1], shape[1]) if r.integers(2) else ""
    more = {"scale": 0.5} if r.integers(2) else {}
    return c.node("MultiHeadAttention", [q, k, v, bias, key_mask(c, r, shape[1]), added], domain="com.microsoft", num_heads=heads, **more)


def one_hot(c, r, x, shape):
    at = c.node("ArgMax", [x], axis=-1, keepdims=0)
    axis = int(r.integers(len(shape)))
    return c.node("OneHot", [at, c.const([shape[-1] + int(r.integers(3))], np.int64), c.const([0.25, 2], np.float32)], axis=int(pick(r, -1, axis)))


def ml(c, r, x, shape):
    """A pipeline of scikit-learn: a scaler, a linear model, a normalizer."""
    n, k = shape[1], int(r.integers(2, 5))
    floats = lambda m: [float(v) for v in c.rng.normal(0, 0.5, m)]
    y = c.node("Scaler", [x], domain="ai.onnx.ml", offset=floats(n), scale=floats(n))
    if r.integers(2):
        return c.node("LinearRegressor", [y], domain="ai.onnx.ml", coefficients=floats(n * k), intercepts=floats(k), targets=k)
    labels = list(range(k)) if r.integers(2) else [int(v) for v in c.rng.permutation(50)[:k]]
    outs = c.node("LinearClassifier", [y], 2, domain="ai.onnx.ml", coefficients=floats(n * k), intercepts=floats(k), classlabels_ints=labels, post_transform=pick(r, "NONE", "SOFTMAX", "LOGISTIC"), multi_class=0)
    c.outputs.append(c.node("Cast", [outs[0]], to=TensorProto.FLOAT))
    return c.node("Normalizer", [c.node("Exp", [outs[1]])], domain="ai.onnx.ml", norm=pick(r, "L1", "L2", "MAX"))


def cumulative(c, r, x, shape):
    axis = int(r.integers(1, len(shape)))
    return c.node("CumSum", [x, c.const(axis - pick(r, 0, len(shape)), np.int64)], exclusive=int(r.integers(2)), reverse=int(r.integers(2)))


def triangle(c, r, x, shape):
    diagonal = [c.const(int(r.integers(-2, 3)), np.int64)] if r.integers(2) else []
    return c.node("Trilu", [x, *diagonal], upper=int(r.integers(2)))


def split_const(c, r, x, shape):
    """A bias of several layers in one, as PyTorch's attention has it."""
    parts = c.node("Split", [c.weights(3 * shape[-1]), c.const([shape[-1]] * 3, np.int64)], 3, axis=0)
    return c.node("Mul", [c.node("Add", [x, parts[0]]), c.node("Sub", [parts[2], x])])


def volume_pool(op):
    def make(c, r, x, shape):
        v = c.node("Unsqueeze", [x, c.const([1], np.int64)])
        shape = [1, *shape]
        if op.startswith("Global"):
            return c.node(op, [v])
        return pool(op)(c, r, v, shape)
    return make


def words(r):
    return [1, int(r.integers(1, 9))]


def steps(r):
    return [int(r.integers(1, 7)), 1, int(r.integers(1, 8))]


def sequence(r):
    return [1, int(r.integers(2, 7)), int(r.integers(2, 9))]


def deep(r):
    return [1, 4 * int(r.integers(1, 3)), int(r.integers(2, 5)), int(r.integers(2, 5))]


def even(r):
    return [1, int(r.integers(1, 4)), 2 * int(r.integers(1, 4)), 2 * int(r.integers(1, 4))]


def matrices(r):
    return [1, int(r.integers(2, 4)), int(r.integers(2, 6)), 2 * int(r.integers(1, 4))]


def flat(r):
    return [1, int(r.integers(2, 20))]


def image_or_line(r):
    s = image(r, least=4)
    return s if r.integers(3) else s[:3]


KINDS = {
    "Conv": (conv, image_or_line), "ConvTranspose": (conv_transpose, image), "Gemm": (gemm, flat), "MatMul": (matmul, sequence),
    "MatMulComputed": (matmul_computed, sequence), "MaxPool": (pool("MaxPool"), image_or_line), "AveragePool": (pool("AveragePool"), image_or_line),
    "GlobalAveragePool": (simple("GlobalAveragePool"), image), "GlobalMaxPool": (simple("GlobalMaxPool"), image),
    "BatchNormalization": (batchnorm, image), "Relu": (simple("Relu"), anyshape), "Sigmoid": (simple("Sigmoid"), anyshape), "Tanh": (simple("Tanh"), anyshape),
    "HardSigmoid": (simple("HardSigmoid", alpha=(0.2, 1 / 6), beta=(0.5, 0.4)), anyshape), "HardSwish": (simple("HardSwish"), anyshape),
    "LeakyRelu": (simple("LeakyRelu", alpha=(0.01, 0.3)), anyshape), "Elu": (simple("Elu", alpha=(1, 0.5)), anyshape), "PRelu": (prelu, image),
    "Softplus": (simple("Softplus"), anyshape), "Softsign": (simple("Softsign"), anyshape), "Exp": (simple("Exp"), anyshape), "Erf": (simple("Erf"), anyshape), "Abs": (simple("Abs"), anyshape),
    "Neg": (simple("Neg"), anyshape), "Sqrt": (positive("Sqrt"), anyshape), "Log": (positive("Log"), anyshape), "Gelu": (simple("Gelu"), anyshape),
    "Pow": (power, anyshape), "Clip": (clip, anyshape), "Identity": (simple("Identity"), anyshape),
    **{f"{op}Const": (with_const(op), anyshape) for op in ("Add", "Sub", "Mul", "Div")},
    **{op: (of_two(op), anyshape) for op in ("Add", "Sub", "Mul", "Min", "Max", "Div")},
    "Softmax": (softmax("Softmax"), anyshape), "LogSoftmax": (softmax("LogSoftmax"), anyshape),
    **{op: (reduce(op), anyshape) for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")},
    "ArgMax": (argmax, anyshape), "Transpose": (transpose, anyshape), "Slice": (slice_, anyshape), "Split": (split, anyshape), "Concat": (concat, anyshape),
    "Pad": (pad, anyshape), "Gather": (gather, anyshape), "Expand": (expand, anyshape), "Reshape": (reshape, anyshape), "Resize": (resize, image),
    "DepthToSpace": (depth_to_space, deep), "SpaceToDepth": (lambda c, r, x, s: c.node("SpaceToDepth", [x], blocksize=2), even),
    "Embedding": (embedding, words), "LSTM": (recurrent("LSTM", 4), steps), "GRU": (recurrent("GRU", 3), steps), "SeveralInputs": (several_inputs, image),
    "ConvInteger": (integers("ConvInteger"), image_or_line), "MatMulInteger": (integers("MatMulInteger"), sequence),
    **{op: (norm(op), image) for op in ("InstanceNormalization", "GroupNormalization", "RMSNormalization", "LayerNormalization")},
    "LRN": (lrn, image), "LpNormalization": (lambda c, r, x, s: c.node("LpNormalization", [x], axis=int(r.integers(1, len(s))), p=int(pick(r, 1, 2))), image),
    "MeanVarianceNormalization": (simple("MeanVarianceNormalization"), image),
    **{op: (reduce_all(op), anyshape) for op in ("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd")},
    **{op: (simple(op), anyshape) for op in ("Mish", "Sign", "Round", "Floor", "Ceil", "Sin", "Cos", "Atan", "Sinh", "Cosh", "Asinh")},
    "Selu": (simple("Selu", alpha=(1.6732632, 1.5), gamma=(1.0507, 1.25)), anyshape), "Celu": (simple("Celu", alpha=(1, 0.5)), anyshape),
    "ThresholdedRelu": (simple("ThresholdedRelu", alpha=(1, 0.25)), anyshape), "Shrink": (simple("Shrink", lambd=(0.5, 1), bias=(0, 0.25)), anyshape),
    "Hardmax": (lambda c, r, x, s: c.node("Hardmax", [x], axis=-1), anyshape), "PowAny": (power_any, anyshape), "Einsum": (einsum, sequence),
    "Attention": (attention, matrices), "ResizeAny": (resize_any, image), "ConcatConst": (concat_const, image), "MatMulAny": (matmul_any, matrices),
    "GemmAny": (gemm_any, sequence), "Chosen": (chosen, anyshape), "GatherAny": (gather_any, image), "ConvTransposeAny": (conv_transpose_any, image),
    "AveragePoolCounted": (pool_counted, image), "If": (branch, anyshape), "RNN": (recurrent_any("RNN", 1), steps), "GRUAny": (recurrent_any("GRU", 3), steps),
    "LSTMAny": (recurrent_any("LSTM", 4), steps), "TopK": (top, anyshape), "RotaryEmbedding": (rotary, matrices), "ML": (ml, flat),
    **{op: (microsoft(op), sequence) for op in ("QuickGelu", "FastGelu", "BiasGelu")}, "FusedConv": (fused_conv, image),
    "FusedMatMul": (fused_matmul, sequence), "FusedGemm": (fused_gemm, flat), "MSAttention": (microsoft_attention, sequence), "MultiHeadAttention": (multi_head_attention, sequence),
    "OneHot": (one_hot, anyshape), "ArgMin": (lambda c, r, x, s: c.node("Cast", [c.node("ArgMin", [x], axis=int(r.integers(1, len(s))), keepdims=int(r.integers(2)))], to=TensorProto.FLOAT), anyshape),
    "CumSum": (cumulative, anyshape), "Trilu": (triangle, matrices), "SplitConst": (split_const, sequence),
    **{f"{op}3D": (volume_pool(op), image) for op in ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")},
    "ResidualBlock": (block, image), "Normalized": (normalized, image), "LayerNorm": (layer_norm, sequence),
}

FITS = {  # whether an operation of inputs of such shapes takes a value of shape s
    anyshape: lambda s: True, flat: lambda s: len(s) == 2, sequence: lambda s: len(s) == 3 and min(s[1:]) > 1,
    image: lambda s: len(s) == 4 and min(s[2:]) > 2, image_or_line: lambda s: len(s) in (3, 4) and min(s[2:]) > 3,
    matrices: lambda s: len(s) == 4 and min(s[1:]) > 1 and s[3] % 2 == 0, deep: lambda s: len(s) == 4 and s[1] % 4 == 0,
    even: lambda s: len(s) == 4 and s[2] % 2 == s[3] % 2 == 0,
}
ENDS = ("SeveralInputs", "ConvInteger", "MatMulInteger", "TopK", "ML")  # of inputs or results of their own


def computed_shape(c, name, shape):
    """The shape of a float value of the model under construction; None for others."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)] + [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in c.shapes.items()]
    graph = helper.make_graph(c.nodes, "g", inputs, [helper.make_empty_tensor_value_info(name)], c.inits)
    opsets = [helper.make_opsetid(d, v) for d, v in (("", c.opset), ("com.microsoft", 1), ("ai.onnx.ml", 1))]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    y = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).get_outputs()[0]
    known = y.type == "tensor(float)" and all(isinstance(d, int) and d > 0 for d in y.shape)
    return list(y.shape) if known else None


def chain(c, r, x, shape):
    """Operations of other kinds after one another; some add a value before them."""
    values = [(x, list(shape))]
    kinds = sorted(k for k in KINDS if k != "Chain" and k not in ENDS and KINDS[k][1] in FITS and NEEDS.get(k, 0) <= c.opset)
    while len(values) < 6:
        nodes, inits, count = list(c.nodes), list(c.inits), c.count
        name, s = values[-1]
        kind = pick(r, *kinds)
        if not FITS[KINDS[kind][1]](s):
            continue
        try:
            y = KINDS[kind][0](c, r, name, s)
            s = computed_shape(c, y, shape)
            other = next((v for v, t in values[1:] if t == s), None)
            if other and r.integers(2):
                op = pick(r, "Add", "Mul", "Concat")
                y = c.node(op, [y, other], **({"axis": int(r.integers(1, len(s)))} if op == "Concat" else {}))
                s = computed_shape(c, y, shape)
        except Exception:  # no valid model
            s = None
        if s is None or s[0] != 1 or len(s) < 2 or np.prod(s) > 4096 or c.outputs:
            c.nodes, c.inits, c.count, c.outputs = nodes, inits, count, []
            continue
        values.append((y, s))
    return values[-1][0]


KINDS["Chain"] = (chain, image_or_line)

OPSETS = (11, 13, 15, 17, 18, 20, 22, 24)
NEEDS = {"HardSwish": 14, "Gelu": 20, "LayerNormalization": 17, "Mish": 18, "GroupNormalization": 21, "RMSNormalization": 23, "Attention": 23, "RotaryEmbedding": 23,
         "AveragePoolCounted": 19, "CumSum": 14, "Trilu": 14, "SplitConst": 13, "MaxPool3D": 13, "AveragePool3D": 13, "GlobalAveragePool3D": 13, "GlobalMaxPool3D": 13}
FIXED = ("Expand", "Resize", "Reshape", "Pad", "LSTM", "GRU", "RNN", "LSTMAny", "GRUAny", "ResizeAny", "GatherAny", "GemmAny", "If", "RotaryEmbedding", "SplitConst", "Chain")  # whose batch is 1


def make(kind, seed):
    rng = np.random.default_rng(seed)
    build, shapes = KINDS[kind]
    opset = max(int(OPSETS[rng.integers(len(OPSETS))]), NEEDS.get(kind, 0))
    shape = shapes(rng)
    c = Case(rng, opset)
    y = build(c, rng, "x", shape)
    batch = list(shape)
    if len(shape) > 1 and rng.integers(2) and kind not in FIXED:
        batch[0] = "N"
    if y == "x":
        y = c.node("Identity", [y])
    c.shapes["x"] = batch
    c.inputs["x"] = rng.normal(0, 1, shape).astype(np.float32)
    names = ["x"] + [k for k in c.inputs if k != "x"]
    if c.type != TensorProto.FLOAT:
        least = -128 if c.type == TensorProto.INT8 else 0
        c.inputs["x"] = rng.integers(least, least + c.most, shape).astype(helper.tensor_dtype_to_np_dtype(c.type))
    inputs = [helper.make_tensor_value_info(k, c.type if k == "x" else TensorProto.FLOAT, c.shapes[k]) for k in names]
    outs = [helper.make_empty_tensor_value_info(k) for k in [y] + c.outputs]
    graph = helper.make_graph(c.nodes, "g", inputs, outs, c.inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in (("", opset), ("com.microsoft", 1), ("ai.onnx.ml", 1))], ir_version=8)
    data = [c.inputs[k] for k in names]
    options = ort.SessionOptions()
    options.log_severity_level = 4
    answer = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, dict(zip(names, data)))
    return model, data, answer


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    names = sys.argv[4].split(",") if len(sys.argv) > 4 else sorted(KINDS)
    written = 0
    for i in range(count):
        kind = names[i % len(names)]
        for again in range(20):  # some random attributes are no valid model
            try:
                model, data, answer = make(kind, [seed, i, again])
                break
            except Exception as e:
                last = e
        else:
            print(f"{kind} {i}: {last}", file=sys.stderr)
            continue
        at = os.path.join(folder, f"{kind}_{i:05d}")
        os.makedirs(os.path.join(at, "test_data_set_0"))
        onnx.save(model, os.path.join(at, "model.onnx"))
        for name, arrays in (("input", data), ("output", answer)):
            for k, a in enumerate(arrays):
                with open(os.path.join(at, "test_data_set_0", f"{name}_{k}.pb"), "wb") as f:
                    f.write(numpy_helper.from_array(np.asarray(a)).SerializeToString())
        written += 1
    print(f"{written} cases in {folder}")


if __name__ == "__main__":
    main()

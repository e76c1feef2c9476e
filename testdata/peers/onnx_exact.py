"""Evaluates quantized models in exact integers, as ONNX defines them, and holds onnxruntime's
kernels against that. Its softmax multiplies by floor(1 / scale), which is 254 of a scale of 1/255
in float32: how many of its integers are those of the scale 1/254 is counted apart.

    python onnx_exact.py FROM TO [INPUTS]

FROM has the folders of onnx_static.py. Each becomes a folder of TO with the same model and
inputs and the exact results: a sum of products is an integer, which a factor of float32 brings
to the result's scale, rounded to even: sum * m / 2^r, m the 24 bits of the factor. A sum of two
values is a quotient of rationals. A function is computed in float64 and rounded to float32.

Each operation with its quantizations (DequantizeLinear, operation, QuantizeLinear, or one of
QOperator) also runs alone in onnxruntime, on the exact arguments. Of the integers that
differ the program prints how many there are, by operation, and how far their exact reals lie
from a half between two integers at most: what float32 rounds to its other side.
"""
import collections
import os
import shutil
import sys
from fractions import Fraction

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_static import session

MOVES = {"Reshape", "Flatten", "Transpose", "Concat", "Slice", "Split", "Squeeze", "Unsqueeze", "Identity", "Gather", "MaxPool", "ReduceMax", "DepthToSpace", "Expand", "Pad", "Resize", "Cast"}
erf = np.vectorize(__import__("math").erf)
FUNCTIONS = {
    "Sigmoid": lambda x, a: 1 / (1 + np.exp(-x)),
    "Tanh": lambda x, a: np.tanh(x),
    "HardSigmoid": lambda x, a: np.clip(x * a.get("alpha", .2) + a.get("beta", .5), 0, 1),
    "HardSwish": lambda x, a: x * np.clip(x / 6 + .5, 0, 1),
    "LeakyRelu": lambda x, a: np.where(x < 0, x * np.float32(a.get("alpha", .01)), x),
    "Gelu": lambda x, a: x / 2 * (1 + erf(x / np.sqrt(2))),
}
f32 = np.float32
OTHER = " of another scale"


class Real:
    """Integers times scales of float32, divided by counts; a sum of two such; or what a
    function gave in float32. The integers are float64, which has them all."""

    def __init__(self, ints, scale, count=1, terms=None, values=None, bounds=(-np.inf, np.inf)):
        self.ints, self.scale, self.count, self.terms, self.values, self.bounds = ints, scale, count, terms, values, bounds

    def floats(self):
        if self.values is not None:
            return self.values
        if self.terms or np.ndim(self.count) or self.count != 1:
            raise NotImplementedError("a function of a value that is not quantized")
        return np.clip(self.ints.astype(f32) * self.scale, *self.bounds).astype(f32)

    def quantized(self, scale, zero):
        """The integers, and the exact quotients as float64."""
        scale, info, start = f32(scale), np.iinfo(zero.dtype), int(zero)
        if self.values is not None:
            exact = self.values.astype(np.float64) / np.float64(scale)
            y = np.rint(self.values / scale)
        elif self.terms:
            (a, sa), (b, sb), sign = self.terms
            a, b = np.broadcast_arrays(a, b)
            pairs, at = np.unique(np.stack([a.ravel(), b.ravel()]).astype(np.int64), axis=1, return_inverse=True)
            sa, sb, sy = (Fraction(float(s)) for s in (sa, sb, scale))
            sums = [(int(p) * sa + sign * int(q) * sb) / sy for p, q in pairs.T]
            y, exact = (np.array([f(s) for s in sums], np.float64)[at.ravel()].reshape(a.shape) for f in (round, float))
        else:
            factors = self.scale / scale if np.ndim(self.count) == 0 and self.count == 1 else self.scale / (scale * f32(self.count))
            y, exact = even(self.ints, factors), self.ints * np.float64(factors)
        low, high = (start + np.rint(np.clip(f32(b) / scale, -1e6, 1e6)) for b in self.bounds)
        return np.clip(np.clip(y + start, low, high), info.min, info.max).astype(zero.dtype), exact


def even(sums, factors):
    """sums * factors, rounded to even; all in integers of 64 bits."""
    mantissa, exponent = np.frexp(np.asarray(factors, np.float64))
    m, r = (mantissa * 2**24).astype(np.int64), (24 - exponent).astype(np.int64)
    p = sums.astype(np.int64) * m
    return ((p + (np.int64(1) << (r - 1)) - 1 + (p >> r & 1)) >> r).astype(np.float64)


def integers(x, scale, zero, axis=1):
    """A DequantizeLinear."""
    if zero is None:
        zero = np.zeros((), x.dtype)
    if np.size(scale) > 1:
        shape = [-1 if k == axis % x.ndim else 1 for k in range(x.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    return Real(x.astype(np.float64) - zero.astype(np.float64), scale.astype(f32))


def windows(x, size, a, value=0.):
    pads, strides, d = a.get("pads", [0] * 4), a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=value)
    win = np.lib.stride_tricks.sliding_window_view(x, ((size[0] - 1) * d[0] + 1, (size[1] - 1) * d[1] + 1), axis=(2, 3))
    return win[:, :, ::strides[0], ::strides[1], ::d[0], ::d[1]]


def conv(x, w, b, a):
    if x.ints.ndim == 3:  # of a signal: an image of one row
        p = a.get("pads", [0, 0])
        wide = {"pads": [0, p[0], 0, p[1]], "strides": [1, *a.get("strides", [1])], "dilations": [1, *a.get("dilations", [1])]}
        up = lambda v: Real(v.ints[:, :, None], v.scale[..., None] if np.ndim(v.scale) else v.scale)
        y = conv(up(x), up(w), b, {**a, **wide})
        return Real(y.ints[:, :, 0], y.scale[:, :, 0])
    if x.ints.ndim != 4 or a.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise NotImplementedError("a convolution that is not of images, or with auto_pad")
    groups, win = a.get("group", 1), windows(x.ints, w.ints.shape[2:], a)
    i, o = x.ints.shape[1] // groups, w.ints.shape[0] // groups
    y = np.concatenate([np.tensordot(win[:, g * i:(g + 1) * i], w.ints[g * o:(g + 1) * o], ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2) for g in range(groups)], 1)
    return Real(y + (0 if b is None else b.ints.reshape(1, -1, 1, 1)), x.scale * w.scale.reshape(1, -1, 1, 1))


def matmul(x, w, b=None):
    return Real(x.ints @ w.ints + (0 if b is None else b.ints), x.scale * (w.scale.reshape(-1) if np.ndim(w.scale) else w.scale))


def pair(x, y, sign):
    if x.terms or y.terms or x.values is not None or y.values is not None or np.size(x.scale) * np.size(y.scale) != 1:
        raise NotImplementedError("a sum of values that are not quantized")
    return Real(None, None, terms=((x.ints, x.scale), (y.ints, y.scale), sign))


def average(x, axes, keep=True):
    count = int(np.prod([x.ints.shape[k] for k in axes]))
    return Real(x.ints.sum(tuple(axes), keepdims=keep), x.scale, count)


def averaged(x, a):
    if a.get("ceil_mode", 0) or a.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise NotImplementedError("an average pooling with ceil_mode or auto_pad")
    size = a["kernel_shape"]
    counts = windows(np.ones_like(x.ints), size, a, float(a.get("count_include_pad", 0)))
    return Real(windows(x.ints, size, a).sum((4, 5)), x.scale, counts.sum((4, 5)))


def moved(n, v, opset):
    """An operation that moves elements, of integers or of the integers and scales of reals."""
    model = helper.make_model(helper.make_graph([n], "g", [onnx.ValueInfoProto(name=i) for i in n.input if i], [onnx.ValueInfoProto(name=o) for o in n.output]), opset_imports=opset)
    run = ReferenceEvaluator(model).run
    a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
    if n.op_type == "Resize" and a.get("mode", b"nearest") != b"nearest" or n.op_type == "Pad" and isinstance(v[0], Real) and len(v) > 2 and v[2] is not None and v[2] != 0:
        raise NotImplementedError(f"{n.op_type} that computes")
    feed = lambda f: run(None, {name: f(x) for name, x in zip(n.input, v) if name})
    reals = [x for x in v if isinstance(x, Real)]
    if not reals:
        return feed(lambda x: x)
    if any(x.terms or x.values is not None or np.ndim(x.count) or x.bounds != reals[0].bounds for x in reals):
        raise NotImplementedError(f"{n.op_type} of values that are not quantized")
    ints = feed(lambda x: x.ints if isinstance(x, Real) else x)
    if all(np.ndim(x.scale) == 0 and x.scale == reals[0].scale and x.count == reals[0].count for x in reals):
        return [Real(y, reals[0].scale, reals[0].count, bounds=reals[0].bounds) for y in ints]
    scales = feed(lambda x: np.broadcast_to(x.scale / f32(x.count), x.ints.shape).astype(f32) if isinstance(x, Real) else x)
    return [Real(y, s, bounds=reals[0].bounds) for y, s in zip(ints, scales)]


def function(op, x, a):
    if op == "Softmax":
        z = x.floats().astype(np.float64)
        e = np.exp(z - z.max(a.get("axis", -1), keepdims=True))
        return Real(None, None, values=(e / e.sum(a.get("axis", -1), keepdims=True)).astype(f32))
    return Real(None, None, values=FUNCTIONS[op](x.floats().astype(np.float64), a).astype(f32))


def evaluate(n, v, opset):
    """The results of a node of arguments v, and the exact quotients where it rounds."""
    a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
    op, arg = n.op_type, lambda k: v[k] if k < len(v) else None
    real = lambda k: integers(v[k], v[k + 1], v[k + 2])
    rounded = lambda y, k: [[r] for r in y.quantized(v[k], v[k + 1])]
    if op == "DequantizeLinear":
        return [integers(v[0], v[1], arg(2), a.get("axis", 1))], None
    if op == "QuantizeLinear":
        x = v[0] if isinstance(v[0], Real) else Real(None, None, values=v[0])
        return rounded(x, 1)
    if op == "QLinearConv":
        return rounded(conv(real(0), integers(v[3], v[4], v[5], 0), Real(v[8].astype(np.float64), None) if arg(8) is not None else None, a), 6)
    if op == "QGemm":
        w = integers(v[3], v[4], v[5], 0 if a.get("transB") else 1)
        if a.get("transB"):
            w.ints = w.ints.T
        return rounded(matmul(real(0), w, Real(v[6].astype(np.float64), None)), 7)
    if op == "QLinearMatMul":
        return rounded(matmul(real(0), integers(v[3], v[4], v[5], -1)), 6)
    if op == "QLinearGlobalAveragePool":
        return rounded(average(real(0), (2, 3)), 3)
    if op == "QLinearAveragePool":
        return rounded(averaged(real(0), a), 3)
    if op == "QLinearAdd":
        return rounded(pair(real(0), real(3), 1), 6)
    if op == "QLinearMul":
        x, y = real(0), real(3)
        return rounded(Real(x.ints * y.ints, x.scale * y.scale), 6)
    if op == "QLinearConcat":
        node = helper.make_node("Concat", [f"x{k}" for k in range(2, len(v), 3)], ["y"], axis=a["axis"])
        return rounded(moved(node, [real(k) for k in range(2, len(v), 3)], opset)[0], 0)
    if op in ("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"):
        return rounded(function(op[7:], real(0), a), 3)
    if op == "Shape":
        x = v[0].ints if isinstance(v[0], Real) else v[0]
        return [np.array(x.shape, np.int64)], None
    if op in MOVES:
        return moved(n, v, opset), None
    if not any(isinstance(x, Real) for x in v):  # of shapes
        return moved(n, v, opset), None
    if not isinstance(v[0], Real) or op in ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul") and not all(isinstance(x, Real) for x in v if x is not None):
        raise NotImplementedError(f"{op} of floats")
    if op == "Conv":
        return [conv(v[0], v[1], arg(2), a)], None
    if op == "ConvTranspose":
        scale, bias = v[1].scale, v[2].ints.reshape(1, -1, 1, 1) if arg(2) is not None else 0
        node = helper.make_node(op, ["x", "w"], ["y"], **a)
        model = helper.make_model(helper.make_graph([node], "g", [onnx.ValueInfoProto(name=i) for i in "xw"], [onnx.ValueInfoProto(name="y")]), opset_imports=opset)
        y = ReferenceEvaluator(model).run(None, {"x": v[0].ints, "w": v[1].ints})[0]
        return [Real(y + bias, v[0].scale * (scale.reshape(1, -1, 1, 1) if np.ndim(scale) else scale))], None
    if op == "Gemm":
        w = Real(v[1].ints.T, v[1].scale) if a.get("transB") else v[1]
        return [matmul(v[0], w, arg(2))], None
    if op == "MatMul":
        return [matmul(v[0], v[1])], None
    if op in ("Relu", "Clip"):
        low, high = (0, np.inf) if op == "Relu" else (float(arg(1)) if arg(1) is not None else -np.inf, float(arg(2)) if arg(2) is not None else np.inf)
        x = v[0]
        return [Real(x.ints, x.scale, x.count, x.terms, x.values, (max(low, x.bounds[0]), min(high, x.bounds[1])))], None
    if op in ("Add", "Sub"):
        return [pair(v[0], v[1], 1 if op == "Add" else -1)], None
    if op == "Mul":
        return [Real(v[0].ints * v[1].ints, v[0].scale * v[1].scale)], None
    if op == "GlobalAveragePool":
        return [average(v[0], (2, 3))], None
    if op == "ReduceMean":
        return [average(v[0], [int(k) for k in (v[1] if len(v) > 1 else a["axes"])], a.get("keepdims", 1))], None
    if op == "AveragePool":
        return [averaged(v[0], a)], None
    if op in FUNCTIONS or op == "Softmax":
        return [function(op, v[0], a)], None
    raise NotImplementedError(op)


class Alone:
    """A node that rounds, with what lies between it and integers, as a model of its own."""

    def __init__(self, model, n, isInteger):
        makers = {o: m for m in model.graph.node for o in m.output}
        nodes, inputs, todo = [], [], [n]
        while todo:
            m = todo.pop()
            nodes.append(m)
            for i in m.input:
                if i in makers and not isInteger(i):
                    if makers[i] not in nodes and makers[i] not in todo:
                        todo.append(makers[i])
                elif i not in inputs and (i in makers or i in {x.name for x in model.graph.input}):
                    inputs.append(i)
        self.model, self.inputs, self.session = model, inputs, None
        self.nodes = [m for m in model.graph.node if m in nodes]
        kinds = [m.op_type for m in self.nodes if m.op_type not in ("QuantizeLinear", "DequantizeLinear")]
        self.kind, self.output = "+".join(kinds) or "QuantizeLinear", n.output[0]

    def run(self, values):
        if self.session is None:
            g = self.model.graph
            args = [helper.make_tensor_value_info(i, helper.np_dtype_to_tensor_dtype(values[i].dtype), values[i].shape) for i in self.inputs]
            used = {i for m in self.nodes for i in m.input}
            graph = helper.make_graph(self.nodes, "g", args, [onnx.ValueInfoProto(name=self.output)], [i for i in g.initializer if i.name in used])
            self.session = session(helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version).SerializeToString())
        return self.session.run(None, {i: values[i] for i in self.inputs})[0]


def tensor(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def case(source, target, count, differences):
    """Writes the exact results of a model, and counts what differs."""
    model = onnx.load(os.path.join(source, "model.onnx"))
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in constants]
    isRounded = lambda n: n.op_type.startswith("Q")
    whole = {o for n in model.graph.node if isRounded(n) for o in n.output}
    for n in model.graph.node:  # what only moves integers gives integers
        if n.op_type in MOVES and n.input[0] in whole:
            whole.update(n.output)
    alone = {n.output[0]: Alone(model, n, whole.__contains__) for n in model.graph.node if isRounded(n)}
    total = 0
    for k in range(count):
        data, to = os.path.join(source, f"test_data_set_{k}"), os.path.join(target, f"test_data_set_{k}")
        if not os.path.exists(data):
            break
        values = dict(constants)
        for i, name in enumerate(names):
            values[name] = tensor(os.path.join(data, f"input_{i}.pb"))
        for n in model.graph.node:
            results, exact = evaluate(n, [values[i] if i else None for i in n.input], model.opset_import)
            values.update(zip(n.output, results))
            if exact is None:
                continue
            own, part = results[0], alone[n.output[0]]
            theirs = part.run(values)
            total += own.size
            off = theirs != own
            if off.any():
                x = exact[0][off]
                if part.kind.endswith("Softmax"):
                    scale, zero = (values[i] for i in n.input[1 if n.op_type == "QuantizeLinear" else 3:][:2])
                    per = np.floor(f32(1) / f32(scale))
                    cut = np.minimum(np.rint(x * np.float64(scale) * per) + int(zero), np.iinfo(own.dtype).max)
                    differences[part.kind + OTHER][0] += int((cut == theirs[off]).sum())
                halves = np.abs(np.abs(x - np.floor(x)) - .5)
                d = differences[part.kind]
                d[0] += int(off.sum())
                d[1] = max(d[1], int(np.abs(theirs.astype(int) - own)[off].max()))
                d[2] = max(d[2], float((halves / np.maximum(np.abs(x), 1)).max()))
        os.makedirs(to)
        for i in range(len(names)):
            shutil.copy(os.path.join(data, f"input_{i}.pb"), to)
        for i, o in enumerate(model.graph.output):
            y = values[o.name]
            with open(os.path.join(to, f"output_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(y.floats() if isinstance(y, Real) else y).SerializeToString())
    shutil.copy(os.path.join(source, "model.onnx"), target)
    return total


def main():
    source, target = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    all, found = 0, collections.defaultdict(lambda: [0, 0, 0.])
    for name in sorted(os.listdir(source)):
        if not os.path.exists(os.path.join(source, name, "model.onnx")):
            continue
        folder = os.path.join(target, name)
        shutil.rmtree(folder, ignore_errors=True)
        differences = collections.defaultdict(lambda: [0, 0, 0.])
        try:
            total = case(os.path.join(source, name), folder, count, differences)
        except NotImplementedError as e:
            print(f"{name}: not evaluated: {e}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            continue
        all += total
        print(f"{name}: of {total} integers, {sum(d[0] for kind, d in differences.items() if not kind.endswith(OTHER))} of onnxruntime differ", flush=True)
        for kind, d in differences.items():
            found[kind] = [found[kind][0] + d[0], *(max(p) for p in zip(found[kind][1:], d[1:]))]
    print(f"all: of {all} integers, {sum(d[0] for kind, d in found.items() if not kind.endswith(OTHER))} of onnxruntime differ")
    for kind, (n, steps, far) in sorted(found.items()):
        print(f"  {kind}: {n} of them" if kind.endswith(OTHER) else f"  {kind}: {n}, by at most {steps}; their reals lie within {far:.1e} of a half, relatively")


if __name__ == "__main__":
    main()

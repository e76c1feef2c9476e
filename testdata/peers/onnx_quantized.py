"""Writes quantized ONNX models with what onnxruntime answers to them.

    python onnx_quantized.py DIR [SEED]

Each case is a folder as ONNX's own backend tests have them. A case is one operation in
one form: on integers after a QLinearConv, of onnxruntime's own domain (ms_), or of reals
between DequantizeLinear and QuantizeLinear (qdq_); its activations are uint8 (_u8) or
int8 (_i8). onnxruntime runs without optimisation, so that it computes what ONNX defines.
"""
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

INPUT = 1 / 255  # the scale of the input
VALUE = 0.02  # the scale of the value that an operation on integers gets
REAL = 0.03  # the scale of the value that an operation on reals gets


class Model:
    """A model under construction: a chain of nodes."""

    def __init__(self, rng, dtype, opset=13):
        self.rng, self.type, self.opset = rng, dtype, opset
        self.low = 0 if dtype == np.uint8 else -128
        self.nodes, self.inits, self.count = [], [], 0

    def const(self, x, dtype=np.float32):
        self.count += 1
        self.inits.append(numpy_helper.from_array(np.asarray(x, dtype), f"k{self.count}"))
        return f"k{self.count}"

    def node(self, op, args, domain="", **attrs):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(op, args, [name], name=f"/n{self.count}/{op}", domain=domain, **attrs))
        return name

    def own(self, op, args, **attrs):
        return self.node(op, args, "com.microsoft", **attrs)

    def ints(self, *x):
        return self.const(list(x), np.int64)

    def params(self, scale, zero):
        """A scale and a zero point, counted from the least integer."""
        return [self.const(scale), self.const(self.low + zero, self.type)]

    def integer(self, x):
        return self.const(self.low + x, self.type)

    def quantize(self, x, scale, zero):
        return self.node("QuantizeLinear", [x, *self.params(scale, zero)])

    def dequantize(self, x, scale, zero):
        return self.node("DequantizeLinear", [x, *self.params(scale, zero)])

    def both(self, x, scale, zero):
        return self.dequantize(self.quantize(x, scale, zero), scale, zero)

    def codes(self, shape, bits=8, axis=0):
        """Weights with a scale for each element of an axis."""
        most = 2 ** (bits - 1) - 1
        scales = (self.rng.uniform(0.5, 1.5, shape[axis]) * 0.5 / most).astype(np.float32)
        w = self.const(self.rng.integers(-most, most + 1, shape), np.int8)
        return [w, self.const(scales), self.const(np.zeros(shape[axis]), np.int8)], scales

    def weights(self, shape, bits=8, axis=0):
        args, scales = self.codes(shape, bits, axis)
        return self.node("DequantizeLinear", args, axis=axis), scales

    def bias(self, scales):
        n = len(scales)
        args = [self.const(self.rng.integers(-2000, 2000, n), np.int32), self.const(scales), self.const(np.zeros(n), np.int32)]
        return self.node("DequantizeLinear", args, axis=0)

    def qconv(self, x, outs, scale, zero):
        w, _ = self.codes((outs, 3, 3, 3))
        bias = self.const(self.rng.integers(-3000, 3000, outs), np.int32)
        return self.node("QLinearConv", [x, *self.params(INPUT, 0), *w, *self.params(scale, zero), bias], pads=[1] * 4)

    def pool(self, x, size=3, stride=1):
        return self.node("MaxPool", [x], kernel_shape=[size] * 2, strides=[stride] * 2, pads=[1 if size == 3 else 0] * 4)

    def save(self, folder, y, output):
        x = self.rng.uniform(0, 1, (1, 3, 8, 8)).astype(np.float32)
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
            [helper.make_tensor_value_info(y, output, None)], self.inits)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 9
        data = os.path.join(folder, "test_data_set_0")
        os.makedirs(data)
        onnx.save(model, os.path.join(folder, "model.onnx"))
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
        for name, a in (("input_0.pb", x), ("output_0.pb", session.run(None, {"x": x})[0])):
            with open(os.path.join(data, name), "wb") as f:
                f.write(numpy_helper.from_array(a).SerializeToString())


# Operations on integers: of a model m and a value v with the scale VALUE and the zero
# point 110; a result, its scale and its zero point (None where it is none, or is real).
V = (VALUE, 110)
SAME = lambda y: (y, *V)
INTEGERS = {
    "relu": lambda m, v: SAME(m.node("Relu", [v])),
    "clip": lambda m, v: SAME(m.node("Clip", [v, m.integer(90), m.integer(140)])),
    "maxpool": lambda m, v: SAME(m.pool(v, 3, 2)),
    "pad": lambda m, v: SAME(m.node("Pad", [v, m.ints(0, 0, 1, 0, 0, 0, 0, 2), m.integer(100)])),
    "padzero": lambda m, v: SAME(m.node("Pad", [v, m.ints(0, 0, 1, 0, 0, 0, 0, 2)])),
    "padedge": lambda m, v: SAME(m.node("Pad", [v, m.ints(0, 0, 1, 0, 0, 0, 0, 2)], mode="edge")),
    "concat": lambda m, v: SAME(m.node("Concat", [v, m.pool(v)], axis=1)),
    "moves": lambda m, v: SAME(m.node("Slice", [m.node("Transpose", [v], perm=[0, 2, 3, 1]), m.ints(1), m.ints(7), m.ints(1), m.ints(2)])),
    "reshape": lambda m, v: SAME(m.node("Reshape", [v, m.ints(1, -1)])),
    "gather": lambda m, v: SAME(m.node("Gather", [v, m.ints(3, 1)], axis=1)),
    "max": lambda m, v: SAME(m.node("Max", [v, m.integer(120)])),
    "cast": lambda m, v: (m.node("Cast", [v], to=TensorProto.FLOAT), None, None),
    "castadd": lambda m, v: (m.node("Cast", [m.node("Add", [m.node("Cast", [v], to=TensorProto.INT32), m.const(5, np.int32)])], to=TensorProto.FLOAT), None, None),
    "argmax": lambda m, v: (m.node("Cast", [m.node("ArgMax", [m.dequantize(v, *V)], axis=1, keepdims=1)], to=TensorProto.FLOAT), None, None),
    "whole": lambda m, v: (v, None, None),
    "matmul": lambda m, v: (m.node("QLinearMatMul", [v, *m.params(*V), m.const(m.rng.integers(-127, 128, (8, 5)), np.int8), m.const(0.004), m.const(0, np.int8), *m.params(0.03, 127)]), 0.03, 127),
    "ms_add": lambda m, v: (m.own("QLinearAdd", [v, *m.params(*V), m.pool(v), *m.params(*V), *m.params(0.031, 100)]), 0.031, 100),
    "ms_mul": lambda m, v: (m.own("QLinearMul", [v, *m.params(*V), m.pool(v), *m.params(*V), *m.params(0.041, 80)]), 0.041, 80),
    "ms_sigmoid": lambda m, v: (m.own("QLinearSigmoid", [v, *m.params(*V), *m.params(1 / 256, 0)]), 1 / 256, 0),
    "ms_leaky": lambda m, v: (m.own("QLinearLeakyRelu", [v, *m.params(*V), *m.params(0.015, 30)], alpha=0.1), 0.015, 30),
    "ms_avg": lambda m, v: (m.own("QLinearAveragePool", [v, *m.params(*V), *m.params(0.013, 100)], kernel_shape=[2, 2], strides=[2, 2]), 0.013, 100),
    "ms_gavg": lambda m, v: (m.own("QLinearGlobalAveragePool", [v, *m.params(*V), *m.params(0.007, 100)]), 0.007, 100),
    "ms_concat": lambda m, v: (m.own("QLinearConcat", [*m.params(0.025, 120), v, *m.params(*V), m.qconv("xq", 2, 0.05, 60), *m.params(0.05, 60)], axis=1), 0.025, 120),
    "ms_softmax": lambda m, v: (m.own("QLinearSoftmax", [m.node("Reshape", [v, m.ints(1, -1)]), *m.params(*V), *m.params(1 / 256, 0)], axis=1, opset=13), 1 / 256, 0),
    "ms_gemm": lambda m, v: (m.own("QGemm", [
        m.node("Reshape", [m.pool(v, 4, 4), m.ints(1, 16)]), *m.params(*V), m.const(m.rng.integers(-127, 128, (5, 16)), np.int8), m.const(0.004),
        m.const(0, np.int8), m.const(m.rng.integers(-500, 500, 5), np.int32), *m.params(0.03, 127)], transB=1), 0.03, 127),
}


def pair(op, relu=False):
    def make(m, v):
        w, _ = m.weights((4, 3, 1, 1))
        y = m.node(op, [v, m.both(m.node("Conv", ["xd", w]), 0.017, 100)])
        return m.both(m.node("Relu", [y]), 0.021, 0) if relu else m.both(y, 0.037, 120)
    return make


def layer(shape, scale, bits=8, bias=False, **attrs):
    def make(m, v):
        w, scales = m.weights(shape, bits)
        return m.both(m.node("Conv", [v, w] + ([m.bias(scales * np.float32(REAL))] if bias else []), **attrs), scale, 127)
    return make


def gemm(m, v):
    f = m.both(m.node("Flatten", [m.both(m.node("GlobalAveragePool", [v]), 0.02, 110)]), 0.02, 110)
    w, scales = m.weights((5, 4))
    return m.both(m.node("Gemm", [f, w, m.bias(scales * np.float32(0.02))], transB=1), 0.02, 127)


# Operations on reals of the scale REAL and the zero point 120; a result.
R = (REAL, 120)
REALS = {
    "leaky": lambda m, v: m.both(m.node("LeakyRelu", [v], alpha=0.2), 0.025, 40),
    "sigmoid": lambda m, v: m.both(m.node("Sigmoid", [v]), 1 / 256, 0),
    "hardswish": lambda m, v: m.both(m.node("HardSwish", [v]), 0.02, 30),
    "add": pair("Add"), "add_relu": pair("Add", True), "sub": pair("Sub"), "mul": pair("Mul"),
    "avg": lambda m, v: m.both(m.node("AveragePool", [v], kernel_shape=[2, 2], strides=[2, 2]), 0.02, 120),
    "gavg": lambda m, v: m.both(m.node("GlobalAveragePool", [v]), 0.01, 110),
    "reducemean": lambda m, v: m.both(m.node("ReduceMean", [v], axes=[2, 3], keepdims=0), 0.01, 110),
    "flatten": lambda m, v: m.both(m.node("Flatten", [v]), *R),
    "gemm": gemm,
    "matmul": lambda m, v: m.both(m.node("MatMul", [v, m.weights((8, 6), axis=1)[0]]), 0.03, 127),
    "matmul2": lambda m, v: m.both(m.node("MatMul", [v, m.both(m.node("Transpose", [v], perm=[0, 1, 3, 2]), *R)]), 0.11, 30),
    "concat": lambda m, v: m.both(m.node("Concat", [v, m.both(m.node("Sigmoid", [v]), 1 / 256, 0)], axis=1), 0.03, 118),
    "softmax": lambda m, v: m.both(m.node("Softmax", [m.both(m.node("Flatten", [v]), *R)], axis=1), 1 / 256, 0),
    "depthwise": layer((4, 1, 3, 3), 0.03, bias=True, group=4),
    "pad": lambda m, v: m.both(m.node("Pad", [v, m.ints(0, 0, 1, 1, 0, 0, 1, 1), m.const(0.6)]), *R),
    "resize": lambda m, v: m.both(m.node("Resize", [v, "", m.const([1, 1, 2, 2])], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"), *R),
    "w4": layer((5, 4, 3, 3), 0.05, 4), "w3": layer((5, 4, 3, 3), 0.05, 3),
}


def brevitas(m, c):
    """Activations of 4 bits and weights of a narrow range, clipped as Brevitas writes it."""
    a = [m.const(0.05), m.const(0, m.type)]
    u = m.node("Clip", [m.node("QuantizeLinear", [m.node("Relu", [c]), *a]), m.const(0, m.type), m.const(15, m.type)])
    s = [m.const(0.05), m.const(0, np.int8)]
    w = m.node("Clip", [m.node("QuantizeLinear", [m.const(m.rng.normal(0, 0.3, (5, 4, 3, 3))), *s]), m.const(-7, np.int8), m.const(7, np.int8)])
    return m.node("Conv", [m.node("DequantizeLinear", [u, *a]), m.node("DequantizeLinear", [w, *s])])


def qcdq(bits, kind, narrow, each, quantized):
    """A layer of weights of a few bits and inputs of at most 4, clipped as Brevitas writes them."""
    def make(m, c):
        most = 2 ** (min(bits, 4) if m.low == 0 else min(bits, 4) - 1) - 1
        a = [m.const(0.07), m.const(0, m.type)]
        u = m.node("Clip", [m.node("QuantizeLinear", [m.node("Relu", [c]), *a]), m.const(0, m.type), m.const(most, m.type)])
        x = m.node("DequantizeLinear", [u, *a])
        shape = {"conv": (6, 4, 3, 3), "depthwise": (4, 1, 3, 3), "linear": (8, 5)}[kind]
        top = 2 ** (bits - 1) - 1
        axis = 1 if kind == "linear" else 0
        scales = (m.rng.uniform(0.5, 1.5, shape[axis] if each else ()) / (top + 1)).astype(np.float32)
        per = np.reshape(scales, [-1 if k == axis else 1 for k in range(len(shape))] if each else ())
        w = np.clip(np.rint(m.rng.normal(0, 0.4, shape) / per), -top if narrow else -top - 1, top)
        zero = np.zeros(scales.shape)
        w = m.node("DequantizeLinear", [m.const(w, np.int8), m.const(scales), m.const(zero, np.int8)], axis=axis)
        if kind == "linear":
            y = m.node("MatMul", [x, w])
        else:
            y = m.node("Conv", [x, w], group=4 if kind == "depthwise" else 1)
        return m.both(y, 0.041, 100) if quantized else y
    return make


# Layers of 2 to 8 bits: each kind with weights of a narrow range or not, one scale or one a channel,
# with results that are quantized or not.
QCDQ = {f"w{bits}_{kind}{'_narrow' if narrow else ''}{'_each' if each else ''}{'' if quantized else '_float'}":
        qcdq(bits, kind, narrow, each, quantized)
        for bits in range(2, 9) for kind, narrow, each, quantized in [
            ("conv", bits % 2 == 0, bits % 3 > 0, True), ("depthwise", bits % 2 > 0, bits % 3 == 0, True),
            ("linear", bits % 4 > 1, bits % 2 > 0, True), ("conv", bits % 2 > 0, bits % 3 == 0, False)]}

# What follows a convolution without a quantization between them.
LAYERS = {
    "conv": lambda m, c: m.both(c, *R),
    "conv_relu": lambda m, c: m.both(m.node("Relu", [c]), 0.02, 0),
    "conv_clip": lambda m, c: m.both(m.node("Clip", [c, m.const(-0.5), m.const(1.1)]), *R),
    "relu6dropped": lambda m, c: layer((3, 4, 3, 3), 0.02)(m, m.both(c, 0.004, 0)),
    "brevitas": lambda m, c: m.both(brevitas(m, c), 0.05, 120),
    "brevitas_float": brevitas,
    **{"qcdq_" + name: make for name, make in QCDQ.items()},
    # Softmaxes of other scales than 1/256.
    "softmax_fine": lambda m, c: m.both(m.node("Softmax", [m.both(m.node("Flatten", [m.both(c, *R)]), *R)], axis=1), 1 / 1900, 0),
    "softmax_rows": lambda m, c: m.both(m.node("Softmax", [m.both(c, *R)], axis=-1), 0.0043, 0),
}


def main():
    folder, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    shutil.rmtree(folder, ignore_errors=True)
    for dtype, ending in ((np.uint8, "_u8"), (np.int8, "_i8")):
        for k, (name, make) in enumerate(INTEGERS.items()):
            if name == "relu" and dtype == np.uint8:
                continue  # ONNX has it of int8 alone
            m = Model(np.random.default_rng([seed, k]), dtype, 14 if name == "relu" else 13)
            xq = m.quantize("x", INPUT, 0)
            m.nodes[-1].output[0] = "xq"
            y, scale, zero = make(m, m.qconv("xq", 4, *V))
            output = TensorProto.FLOAT
            if scale is not None:
                y = m.dequantize(y, scale, zero)
            elif name == "whole":
                output = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            m.save(os.path.join(folder, name + ending), y, output)
        for k, (name, make) in enumerate([*REALS.items(), *LAYERS.items()]):
            m = Model(np.random.default_rng([seed, 100 + k]), dtype, 14 if name == "hardswish" else 13)
            m.both("x", INPUT, 0)
            m.nodes[-1].output[0] = "xd"
            w, scales = m.weights((4, 3, 3, 3))
            c = m.node("Conv", ["xd", w, m.bias(scales * np.float32(INPUT))], pads=[1] * 4)
            y = make(m, c) if name in LAYERS else make(m, m.both(c, *R))
            m.save(os.path.join(folder, "qdq_" + name + ending), y, TensorProto.FLOAT)


if __name__ == "__main__":
    main()

"""Writes generated TensorFlow Lite models with what the interpreter's reference
kernels answer to them.

    python tflite_cases.py DIR COUNT [SEED [KIND,KIND,...]]

Each case is model.tflite with data.npz: input (several, stacked) and output; where
the model has more inputs, input1 and so on.
Operations, attributes, shapes, scales and zero points are random; the same seed
gives the same cases. Two of three are int8 as the converter writes it; a kind that
ends in _UINT8 is uint8 as older converters wrote it, weights with zero points, too; one
that ends in _INT16 has activations of int16.
"""
import os
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter, OpResolverType

OP = s.BuiltinOperator
TYPES = {np.dtype("float32"): s.TensorType.FLOAT32, np.dtype("int8"): s.TensorType.INT8, np.dtype("int16"): s.TensorType.INT16, np.dtype("uint8"): s.TensorType.UINT8, np.dtype("int32"): s.TensorType.INT32, np.dtype("int64"): s.TensorType.INT64, np.dtype("float16"): s.TensorType.FLOAT16}
ACTS = (0, 1, 3)  # none, relu, relu6


def pick(r, *options):
    return options[r.integers(len(options))]


class Model:
    """A model under construction; q says whether it is int8, or "uint8" or "int16"."""

    def __init__(self, r, q):
        self.r, self.q, self.more = r, bool(q), []
        self.type = {"uint8": np.uint8, "int16": np.int16}.get(q, np.int8)
        self.least, self.end = int(np.iinfo(self.type).min), int(np.iinfo(self.type).max) + 1
        self.m = s.ModelT()
        self.m.version, self.m.description = 3, "generated"
        self.m.buffers, self.m.operatorCodes = [s.BufferT()], []
        self.g = s.SubGraphT()
        self.g.tensors, self.g.operators = [], []
        self.m.subgraphs = [self.g]

    def tensor(self, shape, dtype, data=None, scale=None, zero=None, axis=0):
        t = s.TensorT()
        t.shape, t.type, t.buffer = [int(d) for d in shape], TYPES[np.dtype(dtype)], 0
        t.name = f"t{len(self.g.tensors)}"
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.m.buffers.append(b)
            t.buffer = len(self.m.buffers) - 1
        if scale is not None:
            p = s.QuantizationParametersT()
            p.scale = [float(np.float32(x)) for x in np.atleast_1d(scale)]
            p.zeroPoint = [int(x) for x in np.atleast_1d(zero)]
            p.quantizedDimension = axis
            t.quantization = p
        self.g.tensors.append(t)
        return len(self.g.tensors) - 1

    def value(self, shape, like=None):
        if not self.q:
            return self.tensor(shape, np.float32)
        if like is not None:
            p = self.g.tensors[like].quantization
            return self.tensor(shape, self.type, scale=p.scale, zero=p.zeroPoint)
        zero = self.r.integers(self.least, self.end)
        return self.tensor(shape, self.type, scale=np.exp(self.r.uniform(-5, -2)), zero=0 if self.type == np.int16 else int(zero))

    def zero(self):
        return 0 if self.type == np.int16 else int(self.r.integers(self.least, self.least + 256))

    def input(self, shape):
        """A further input of the model."""
        self.more.append(self.value(shape))
        return self.more[-1]

    def fixed(self, shape, scale, zero):
        if self.type == np.int16:
            return self.tensor(shape, np.int16, scale=1 / 32768, zero=0)
        return self.tensor(shape, self.type, scale=scale, zero=zero + self.least + 128) if self.q else self.tensor(shape, np.float32)

    def scale(self, i):
        return self.g.tensors[i].quantization.scale[0]

    def shape(self, i):
        return list(self.g.tensors[i].shape)

    def ints(self, x):
        x = np.asarray(x, np.int32)
        return self.tensor(x.shape, np.int32, x)

    def weights(self, x, shape, channels, axis):
        """Weights and bias of a layer that reads x."""
        r = self.r
        if not self.q:
            return (self.tensor(shape, np.float32, r.normal(0, 0.5, shape).astype(np.float32)),
                    self.tensor([channels], np.float32, r.normal(0, 0.5, channels).astype(np.float32)))
        sums = np.int64 if self.type == np.int16 else np.int32
        if self.type == np.uint8:
            scale = np.exp(r.uniform(-6, -3, 1)).astype(np.float32)
            w = self.tensor(shape, np.uint8, r.integers(0, 256, shape).astype(np.uint8), scale=scale, zero=int(pick(r, 128, r.integers(1, 256))))
            b = self.tensor([channels], sums, r.integers(-3000, 3000, channels).astype(sums), scale=scale * np.float32(self.scale(x)), zero=0)
            return w, b
        scale = np.exp(r.uniform(-6, -3, channels if r.integers(3) else 1)).astype(np.float32)
        w = self.tensor(shape, np.int8, r.integers(-127, 128, shape).astype(np.int8), scale=scale, zero=np.zeros(len(scale)), axis=axis if len(scale) > 1 else 0)
        b = self.tensor([channels], sums, r.integers(-3000, 3000, channels).astype(sums), scale=scale * np.float32(self.scale(x)), zero=np.zeros(len(scale)))
        return w, -1 if self.type == np.int16 and not r.integers(3) else b

    def op(self, code, inputs, output, options=None, kind=0, more=()):
        c = s.OperatorCodeT()
        c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
        self.m.operatorCodes.append(c)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = len(self.m.operatorCodes) - 1, inputs, [output, *more]
        if self.type == np.int16 and hasattr(options, "potScaleInt16"):
            options.potScaleInt16 = False  # as the converter writes it
        if options is not None:
            o.builtinOptions, o.builtinOptionsType = options, kind
        self.g.operators.append(o)
        return output

    def bytes(self, x, y):
        self.g.inputs, self.g.outputs = [x, *self.more], [y]
        b = flatbuffers.Builder(1024)
        b.Finish(self.m.Pack(b), b"TFL3")
        return bytes(b.Output())


B = s.BuiltinOptions


def out_size(same, n, k, stride, dilation=1):
    return -(-n // stride) if same else -(-(n - (k - 1) * dilation) // stride)


def window(m, shape):
    r = m.r
    k = [int(r.integers(1, min(4, n) + 1)) for n in shape[1:3]]
    stride = [int(r.integers(1, 4)) for _ in k]
    return k, stride, bool(r.integers(2))


def conv(m, x):
    r, shape = m.r, m.shape(x)
    k, stride, same = window(m, shape)
    d = [1, 1]
    if stride == [1, 1] and same:
        d = [int(r.integers(1, 3)) for _ in k]
    o = s.Conv2DOptionsT()
    o.padding, o.strideH, o.strideW, o.fusedActivationFunction = 0 if same else 1, stride[0], stride[1], pick(r, *ACTS)
    o.dilationHFactor, o.dilationWFactor = d
    n = int(r.integers(1, 9))
    w, b = m.weights(x, [n, *k, shape[3]], n, 0)
    y = m.value([1, *(out_size(same, a, c, e, f) for a, c, e, f in zip(shape[1:3], k, stride, d)), n])
    return m.op(OP.CONV_2D, [x, w, b], y, o, B.Conv2DOptions)


def depthwise(m, x):
    r, shape = m.r, m.shape(x)
    k, stride, same = window(m, shape)
    stride[1] = stride[0]
    o = s.DepthwiseConv2DOptionsT()
    o.padding, o.strideH, o.strideW, o.fusedActivationFunction = 0 if same else 1, stride[0], stride[1], pick(r, *ACTS)
    o.dilationHFactor = o.dilationWFactor = 1
    o.depthMultiplier = pick(r, 1, 1, 2)
    n = shape[3] * o.depthMultiplier
    w, b = m.weights(x, [1, *k, n], n, 3)
    y = m.value([1, *(out_size(same, a, c, e) for a, c, e in zip(shape[1:3], k, stride)), n])
    return m.op(OP.DEPTHWISE_CONV_2D, [x, w, b], y, o, B.DepthwiseConv2DOptions)


def dense(m, x):
    r, shape = m.r, m.shape(x)
    if len(shape) > 2:
        x = reshape(m, x)
        shape = m.shape(x)
    n = int(r.integers(1, 12))
    w, b = m.weights(x, [n, shape[-1]], n, 0)
    o = s.FullyConnectedOptionsT()
    o.fusedActivationFunction = pick(r, *ACTS)
    return m.op(OP.FULLY_CONNECTED, [x, w, b], m.value([1, n]), o, B.FullyConnectedOptions)


def reshape(m, x, to=None):
    shape = m.shape(x)
    to = to or [1, int(np.prod(shape))]
    o = s.ReshapeOptionsT()
    o.newShape = to
    return m.op(OP.RESHAPE, [x, m.ints(to)], m.value(to, like=x), o, B.ReshapeOptions)


def pool(code):
    def make(m, x):
        shape = m.shape(x)
        k, stride, same = window(m, shape)
        o = s.Pool2DOptionsT()
        o.padding, o.strideH, o.strideW, o.filterHeight, o.filterWidth = 0 if same else 1, *stride, *k
        o.fusedActivationFunction = pick(m.r, *ACTS)
        y = m.value([1, *(out_size(same, a, c, e) for a, c, e in zip(shape[1:3], k, stride)), shape[3]], like=x)
        return m.op(code, [x], y, o, B.Pool2DOptions)
    return make


def unary(code, fixed=None, options=None, kind=0):
    def make(m, x):
        y = m.fixed(m.shape(x), *fixed) if fixed else m.value(m.shape(x))
        return m.op(code, [x], y, options(m) if options else None, kind)
    return make


def leaky(m):
    o = s.LeakyReluOptionsT()
    o.alpha = float(np.float32(m.r.uniform(0.01, 0.5)))
    return o


def pair(code, cls, kind):
    def make(m, x):
        a = pick(m.r, conv1x1, rescaled, lambda m, x: m.input(m.shape(x)))(m, x)
        o = cls()
        o.fusedActivationFunction = pick(m.r, *ACTS)
        args = [x, a] if m.r.integers(2) else [a, x]
        return m.op(code, args, m.value(m.shape(x)), o, kind)
    return make


def with_constant(code, cls, kind):
    """A sum, difference or product with one number; float models also with one a channel."""
    def make(m, x):
        shape = m.shape(x)
        n = [1] if m.q or m.r.integers(2) else [shape[-1]]
        if m.q:
            k = m.tensor(n, m.type, m.r.integers(m.least, m.least + 256, n).astype(m.type), scale=np.exp(m.r.uniform(-5, -2)), zero=m.zero())
        else:
            k = m.tensor(n, np.float32, m.r.normal(0, 1, n).astype(np.float32))
        o = cls()
        o.fusedActivationFunction = pick(m.r, *ACTS)
        return m.op(code, [x, k] if m.r.integers(2) else [k, x], m.value(shape), o, kind)
    return make


def conv1x1(m, x):
    shape = m.shape(x)
    if len(shape) != 4:
        return rescaled(m, x)
    o = s.Conv2DOptionsT()
    o.padding, o.strideH, o.strideW, o.fusedActivationFunction, o.dilationHFactor, o.dilationWFactor = 0, 1, 1, 0, 1, 1
    w, b = m.weights(x, [shape[3], 1, 1, shape[3]], shape[3], 0)
    return m.op(OP.CONV_2D, [x, w, b], m.value(shape), o, B.Conv2DOptions)


def rescaled(m, x):
    if m.q:
        return m.op(OP.QUANTIZE, [x], m.value(m.shape(x)), s.QuantizeOptionsT(), B.QuantizeOptions)
    return m.op(OP.RELU, [x], m.value(m.shape(x)))


def concat(m, x):
    y = m.op(OP.QUANTIZE, [x], m.value(m.shape(x)), s.QuantizeOptionsT(), B.QuantizeOptions) if m.q else m.op(OP.TANH, [x], m.value(m.shape(x)))
    if m.q:  # of one scale
        y = m.op(OP.QUANTIZE, [y], m.value(m.shape(x), like=x), s.QuantizeOptionsT(), B.QuantizeOptions)
    shape = m.shape(x)
    shape[-1] *= 2
    o = s.ConcatenationOptionsT()
    o.axis, o.fusedActivationFunction = len(shape) - 1, 0
    return m.op(OP.CONCATENATION, [x, y], m.value(shape, like=x), o, B.ConcatenationOptions)


def pad(m, x):
    shape = m.shape(x)
    p = [[0, 0]] + [[int(m.r.integers(0, 3)), int(m.r.integers(0, 3))] for _ in shape[1:]]
    return m.op(OP.PAD, [x, m.ints(p)], m.value([n + a + b for n, (a, b) in zip(shape, p)], like=x), s.PadOptionsT(), B.PadOptions)


def transpose(m, x):
    shape = m.shape(x)
    perm = [0] + [int(p) + 1 for p in m.r.permutation(len(shape) - 1)]
    return m.op(OP.TRANSPOSE, [x, m.ints(perm)], m.value([shape[p] for p in perm], like=x), s.TransposeOptionsT(), B.TransposeOptions)


def strided(m, x):
    r, shape = m.r, m.shape(x)
    begin = [0] + [int(r.integers(0, n)) for n in shape[1:]]
    end = [1] + [int(r.integers(b + 1, n + 1)) for b, n in zip(begin[1:], shape[1:])]
    step = [1] + [int(r.integers(1, 3)) for _ in shape[1:]]
    o = s.StridedSliceOptionsT()
    to = [-(-(e - b) // t) for b, e, t in zip(begin, end, step)]
    return m.op(OP.STRIDED_SLICE, [x, m.ints(begin), m.ints(end), m.ints(step)], m.value(to, like=x), o, B.StridedSliceOptions)


def softmax(m, x):
    o = s.SoftmaxOptionsT()
    o.beta = 1.0
    return m.op(OP.SOFTMAX, [x], m.fixed(m.shape(x), 1 / 256, -128), o, B.SoftmaxOptions)


def resize(m, x):
    shape = m.shape(x)
    k = [int(m.r.integers(1, 4)) for _ in range(2)]
    to = [shape[1] * k[0], shape[2] * k[1]]
    o = s.ResizeNearestNeighborOptionsT()
    if m.r.integers(3) == 0:  # one of every few pixels
        to = [int(pick(m.r, *(d for d in range(1, n + 1) if n % d == 0))) for n in shape[1:3]]
        o.halfPixelCenters = bool(m.r.integers(2))
    return m.op(OP.RESIZE_NEAREST_NEIGHBOR, [x, m.ints(to)], m.value([1, *to, shape[3]], like=x), o, B.ResizeNearestNeighborOptions)


def mean(m, x):
    shape, keep = m.shape(x), bool(m.r.integers(2))
    o = s.ReducerOptionsT()
    o.keepDims = keep
    return m.op(OP.MEAN, [x, m.ints([1, 2])], m.value([1, 1, 1, shape[3]] if keep else [1, shape[3]]), o, B.ReducerOptions)


def split(m, x):
    """One axis in equal parts, or in sizes; the parts joined in another order."""
    r, shape = m.r, m.shape(x)
    axis = len(shape) - 1
    n = pick(r, *[k for k in (1, 2, 3, shape[axis]) if shape[axis] % k == 0])
    if r.integers(2) and shape[axis] > 1:
        a = int(r.integers(1, shape[axis]))
        parts = [m.value(shape[:-1] + [k], like=x) for k in (a, shape[axis] - a)]
        o = s.SplitVOptionsT()
        o.numSplits = 2
        m.op(OP.SPLIT_V, [x, m.ints([a, -1 if r.integers(2) else shape[axis] - a]), m.ints(axis)], parts[0], o, B.SplitVOptions, parts[1:])
    else:
        parts = [m.value(shape[:-1] + [shape[axis] // n], like=x) for _ in range(n)]
        o = s.SplitOptionsT()
        o.numSplits = n
        m.op(OP.SPLIT, [m.ints(axis), x], parts[0], o, B.SplitOptions, parts[1:])
    c = s.ConcatenationOptionsT()
    c.axis, c.fusedActivationFunction = axis, 0
    return m.op(OP.CONCATENATION, parts[::-1], m.value(shape, like=x), c, B.ConcatenationOptions)


def unpack(m, x):
    """Slices along an axis, packed again along another."""
    r, shape = m.r, m.shape(x)
    axis = int(r.integers(1, len(shape)))
    rest = shape[:axis] + shape[axis + 1:]
    parts = [m.value(rest, like=x) for _ in range(shape[axis])]
    o = s.UnpackOptionsT()
    o.num, o.axis = shape[axis], axis
    m.op(OP.UNPACK, [x], parts[0], o, B.UnpackOptions, parts[1:])
    p = s.PackOptionsT()
    p.valuesCount, p.axis = len(parts), int(r.integers(1, len(shape)))
    return m.op(OP.PACK, parts[::-1], m.value(rest[:p.axis] + [len(parts)] + rest[p.axis:], like=x), p, B.PackOptions)


def transpose_conv(m, x):
    r, shape = m.r, m.shape(x)
    k, stride = [int(r.integers(1, 5)) for _ in range(2)], [int(r.integers(1, 4)) for _ in range(2)]
    same = bool(r.integers(2))
    n = int(r.integers(1, 6))
    to = [a * c if same else (a - 1) * c + max(e, c if r.integers(2) else 1) for a, c, e in zip(shape[1:3], stride, k)]
    w, b = m.weights(x, [n, *k, shape[3]], n, 0)
    o = s.TransposeConvOptionsT()
    o.padding, o.strideH, o.strideW = 0 if same else 1, *stride
    args = [m.ints([1, *to, n]), w, x] + ([b] if r.integers(2) else [])
    return m.op(OP.TRANSPOSE_CONV, args, m.value([1, *to, n]), o, B.TransposeConvOptions)


def prelu(m, x):
    shape = m.shape(x)
    n = [1, 1, pick(m.r, 1, shape[3])]
    if m.q:
        a = m.tensor(n, m.type, m.r.integers(m.least, m.least + 256, n).astype(m.type), scale=np.exp(m.r.uniform(-7, -4)), zero=m.zero())
    else:
        a = m.tensor(n, np.float32, m.r.uniform(-0.2, 0.7, n).astype(np.float32))
    return m.op(OP.PRELU, [x, a], m.value(shape))


def batch_matmul(m, x):
    """A matrix times itself or its transpose, as attention has it."""
    r, shape = m.r, m.shape(x)
    a = m.input(shape) if r.integers(2) else rescaled(m, x)
    o = s.BatchMatMulOptionsT()
    o.adjX = o.adjY = False
    rows, cols = shape[-2:]
    if rows != cols or r.integers(2):
        o.adjX, o.adjY = pick(r, (True, False), (False, True))
    n = cols if o.adjX else rows
    return m.op(OP.BATCH_MATMUL, [x, a], m.value(shape[:-2] + [n, n]), o, B.BatchMatMulOptions)


def place(code, cls, kind):
    """The place of the greatest, or of the least, along an axis."""
    def make(m, x):
        shape = m.shape(x)
        axis = int(m.r.integers(1, len(shape)))
        o = cls()
        o.outputType = s.TensorType.INT32
        y = m.tensor(shape[:axis] + shape[axis + 1:], np.int32)
        return m.op(code, [x, m.ints(axis)], y, o, kind)
    return make


def mirror_pad(m, x):
    shape, o = m.shape(x), s.MirrorPadOptionsT()
    o.mode = int(m.r.integers(2))
    p = [[0, 0]] + [[int(m.r.integers(0, min(3, n + o.mode))) for _ in range(2)] for n in shape[1:]]
    return m.op(OP.MIRROR_PAD, [x, m.ints(p)], m.value([n + a + b for n, (a, b) in zip(shape, p)], like=x), o, B.MirrorPadOptions)


def log_softmax(m, x):
    return m.op(OP.LOG_SOFTMAX, [x], m.fixed(m.shape(x), 16 / 256, 127), s.LogSoftmaxOptionsT(), B.LogSoftmaxOptions)


def lstm(m, x):
    """A sequence through one LSTM, as Keras' converter writes it, with peepholes, a
    projection, a clipped cell or without an input gate now and then."""
    if m.q:
        return integer_lstm(m, x)
    r, shape = m.r, m.shape(x)
    o = s.UnidirectionalSequenceLSTMOptionsT()
    o.timeMajor, o.fusedActivationFunction = bool(r.integers(2)), 4
    batch, steps, inputs = shape
    if o.timeMajor:
        x = reshape(m, x, [steps, batch, inputs])
    cells = int(r.integers(1, 9))
    outs = int(r.integers(1, 9)) if r.integers(4) == 0 else cells
    half = r.integers(3) == 0

    def weights(*shape):
        v = r.normal(0, 0.5, shape).astype(np.float32)
        if not half:
            return m.tensor(shape, np.float32, v)
        y = m.tensor(shape, np.float32)
        return m.op(OP.DEQUANTIZE, [m.tensor(shape, np.float16, v.astype(np.float16))], y, s.DequantizeOptionsT(), B.DequantizeOptions)
    without = r.integers(4) == 0  # an input gate
    gates = [k for k in range(4) if k or not without]
    args = [-1] * 24
    args[0] = x
    for k in gates:
        args[1 + k], args[5 + k] = weights(cells, inputs), weights(cells, outs)
        args[12 + k] = m.tensor([cells], np.float32, r.normal(0, 0.5, cells).astype(np.float32))
    if r.integers(4) == 0:
        for k in range(int(without), 3):
            args[9 + k] = m.tensor([cells], np.float32, r.normal(0, 0.5, cells).astype(np.float32))
    if outs != cells or r.integers(6) == 0:
        args[16] = weights(outs, cells)
        if r.integers(2):
            args[17] = m.tensor([outs], np.float32, r.normal(0, 0.5, outs).astype(np.float32))
        o.projClip = float(np.float32(r.uniform(0.2, 1))) if r.integers(2) else 0.0
    o.cellClip = float(np.float32(r.uniform(0.2, 2))) if r.integers(3) == 0 else 0.0
    for k, n in ((18, outs), (19, cells)):
        args[k] = m.tensor([batch, n], np.float32)
        m.g.tensors[args[k]].isVariable = True
    to = [steps, batch, outs] if o.timeMajor else [batch, steps, outs]
    return m.op(OP.UNIDIRECTIONAL_SEQUENCE_LSTM, args, m.value(to), o, B.UnidirectionalSequenceLSTMOptions)


def integer_lstm(m, x):
    """The same of int8 with a cell of int16, without peepholes: a scale for each matrix, of the cell a
    power of two, and in the operator's intermediates that of a gate times a cell."""
    r, shape = m.r, m.shape(x)
    o = s.UnidirectionalSequenceLSTMOptionsT()
    o.timeMajor, o.fusedActivationFunction = bool(r.integers(2)), 4
    batch, steps, inputs = shape
    if o.timeMajor:
        x = reshape(m, x, [steps, batch, inputs])
    cells = int(r.integers(1, 12))
    isProjected = r.integers(3) == 0
    outs = int(r.integers(1, 12)) if isProjected else cells

    def weights(reach, *shape):
        return m.tensor(shape, np.int8, r.integers(-127, 128, shape).astype(np.int8), scale=np.exp(r.uniform(-5, -3.5)) / reach, zero=0)

    def zero():
        return int(r.integers(-128, 128)) if r.integers(2) else 0
    out, hidden = ((np.exp(r.uniform(-5.5, -4)), zero()) for _ in range(2))
    args = [-1] * 24
    args[0] = x
    for k in range(int(r.integers(4) == 0), 4):
        args[1 + k], args[5 + k] = weights(100 * m.scale(x), cells, inputs), weights(1, cells, outs)
        args[12 + k] = m.tensor([cells], np.int32, r.integers(-3000, 3000, cells).astype(np.int32), scale=m.scale(args[1 + k]) * m.scale(x), zero=0)
    if isProjected:
        args[16] = weights(1, outs, cells)
        if r.integers(2):
            args[17] = m.tensor([outs], np.int32, r.integers(-3000, 3000, outs).astype(np.int32), scale=m.scale(args[16]) * hidden[0], zero=0)
        o.projClip = float(np.float32(r.uniform(0.2, 1))) if r.integers(2) else 0.0
    o.cellClip = float(np.float32(r.uniform(0.2, 2))) if r.integers(3) == 0 else 0.0
    args[18] = m.tensor([batch, outs], np.int8, scale=out[0], zero=out[1])
    args[19] = m.tensor([batch, cells], np.int16, scale=2.0 ** -int(r.integers(9, 16)), zero=0)
    for k in (18, 19):
        m.g.tensors[args[k]].isVariable = True
    to = [steps, batch, outs] if o.timeMajor else [batch, steps, outs]
    y = m.op(OP.UNIDIRECTIONAL_SEQUENCE_LSTM, args, m.tensor(to, np.int8, scale=out[0], zero=out[1]), o, B.UnidirectionalSequenceLSTMOptions)
    own = [m.tensor([1], np.int16) for _ in range(4)]
    m.g.operators[-1].intermediates = own + [m.tensor([1], np.int8, scale=(hidden if isProjected else out)[0], zero=(hidden if isProjected else out)[1])]
    return y


def sequence(r):
    return [1, int(r.integers(1, 7)), int(r.integers(1, 8))]


def matrices(r):
    shape = [1, int(r.integers(1, 4)), int(r.integers(1, 6)), int(r.integers(1, 6))]
    return shape if r.integers(2) else shape[:1] + shape[2:]


def broadcast(code, cls, kind):
    """A value and one that has axes of one element where it has more, as the gates of
    squeeze and excitation are."""
    def make(m, x):
        r, shape = m.r, m.shape(x)
        small = [n if r.integers(2) else 1 for n in shape]
        if r.integers(4) == 0:
            small = small[1:]
        if code in (OP.MAXIMUM, OP.MINIMUM):
            m.more.append(m.value(small, like=x))
            a = m.more[-1]
        else:
            a = m.input(small)
        o = cls()
        if hasattr(o, "fusedActivationFunction"):
            o.fusedActivationFunction = pick(r, *ACTS)
        y = m.value(shape, like=x if code in (OP.MAXIMUM, OP.MINIMUM) else None)
        return m.op(code, [x, a] if r.integers(2) else [a, x], y, o, kind)
    return make


def dense_rows(m, x):
    """A dense layer of the last axis, with the axes before it kept."""
    r, shape = m.r, m.shape(x)
    n = int(r.integers(1, 12))
    w, b = m.weights(x, [n, shape[-1]], n, 0)
    o = s.FullyConnectedOptionsT()
    o.fusedActivationFunction, o.keepNumDims = pick(r, *ACTS), True
    return m.op(OP.FULLY_CONNECTED, [x, w, b], m.value(shape[:-1] + [n]), o, B.FullyConnectedOptions)


def squeeze_excite(m, x):
    """A mean over the pixels, two layers, and the product of the image with it."""
    shape = m.shape(x)
    o = s.ReducerOptionsT()
    o.keepDims = True
    y = m.op(OP.MEAN, [x, m.ints([1, 2])], m.value([1, 1, 1, shape[3]]), o, B.ReducerOptions)
    y = conv1x1(m, m.op(OP.RELU, [conv1x1(m, y)], m.value([1, 1, 1, shape[3]])))
    y = m.op(OP.LOGISTIC, [y], m.fixed([1, 1, 1, shape[3]], 1 / 256, -128))
    return m.op(OP.MUL, [x, y], m.value(shape), s.MulOptionsT(), B.MulOptions)


def bilinear(m, x):
    shape = m.shape(x)
    k = [int(m.r.integers(1, 4)) for _ in range(2)]
    to = [shape[1] * k[0], shape[2] * k[1]]
    o = s.ResizeBilinearOptionsT()
    o.halfPixelCenters = bool(m.r.integers(2))
    if m.r.integers(2):  # to any size
        to = [int(m.r.integers(1, 2 * n + 1)) for n in shape[1:3]]
        o.alignCorners = not o.halfPixelCenters and bool(m.r.integers(2))
    return m.op(OP.RESIZE_BILINEAR, [x, m.ints(to)], m.value([1, *to, shape[3]], like=x), o, B.ResizeBilinearOptions)


def blocks(m, x):
    """The channels of an image as pixels, or the other way round."""
    r, shape = m.r, m.shape(x)
    b = int(r.integers(1, 4))
    if r.integers(2):
        wide = [1, shape[1], shape[2], shape[3] * b * b]
        o = s.ConcatenationOptionsT()
        o.axis, o.fusedActivationFunction = 3, 0
        y = m.op(OP.CONCATENATION, [x] * (b * b), m.value(wide, like=x), o, B.ConcatenationOptions)
        o = s.DepthToSpaceOptionsT()
        o.blockSize = b
        return m.op(OP.DEPTH_TO_SPACE, [y], m.value([1, shape[1] * b, shape[2] * b, shape[3]], like=x), o, B.DepthToSpaceOptions)
    p = [[0, 0], [0, -shape[1] % b], [0, -shape[2] % b], [0, 0]]
    padded = [n + a[1] for n, a in zip(shape, p)]
    y = m.op(OP.PAD, [x, m.ints(p)], m.value(padded, like=x), s.PadOptionsT(), B.PadOptions)
    o = s.SpaceToDepthOptionsT()
    o.blockSize = b
    return m.op(OP.SPACE_TO_DEPTH, [y], m.value([1, padded[1] // b, padded[2] // b, shape[3] * b * b], like=x), o, B.SpaceToDepthOptions)


def reduction(code, like):
    def make(m, x):
        r, shape = m.r, m.shape(x)
        axes = sorted(int(a) for a in r.permutation(np.arange(1, len(shape)))[:int(r.integers(1, len(shape)))])
        o = s.ReducerOptionsT()
        o.keepDims = bool(r.integers(2))
        to = [1 if k in axes else n for k, n in enumerate(shape) if o.keepDims or k not in axes]
        if r.integers(2):
            axes = [a - len(shape) for a in axes]
        return m.op(code, [x, m.ints(axes)], m.value(to, like=x if like else None), o, B.ReducerOptions)
    return make


def slices(m, x):
    r, shape = m.r, m.shape(x)
    begin = [0] + [int(r.integers(0, n)) for n in shape[1:]]
    size = [1] + [int(r.integers(1, n - b + 1)) for b, n in zip(begin[1:], shape[1:])]
    given = [-1 if b + k == n and r.integers(2) else k for b, k, n in zip(begin, size, shape)]
    return m.op(OP.SLICE, [x, m.ints(begin), m.ints(given)], m.value(size, like=x), s.SliceOptionsT(), B.SliceOptions)


def repeated(m, x):
    """TILE, or BROADCAST_TO of axes of one element."""
    r, shape = m.r, m.shape(x)
    times = [1] + [int(r.integers(1, 4)) for _ in shape[1:]]
    if r.integers(2):
        return m.op(OP.TILE, [x, m.ints(times)], m.value([a * b for a, b in zip(shape, times)], like=x), s.TileOptionsT(), B.TileOptions)
    axis = int(r.integers(1, len(shape)))
    one = [1 if k == axis else n for k, n in enumerate(shape)]
    y = m.op(OP.SLICE, [x, m.ints([0] * len(shape)), m.ints(one)], m.value(one, like=x), s.SliceOptionsT(), B.SliceOptions)
    return m.op(OP.BROADCAST_TO, [y, m.ints(shape)], m.value(shape, like=x), s.BroadcastToOptionsT(), B.BroadcastToOptions)


def gather(m, x):
    r, shape = m.r, m.shape(x)
    axis = int(r.integers(1, len(shape)))
    first, step = int(r.integers(shape[axis])), pick(r, 1, 1, -1, 2)
    at = [first + i * step for i in range(shape[axis]) if 0 <= first + i * step < shape[axis]]
    o = s.GatherOptionsT()
    o.axis = axis
    return m.op(OP.GATHER, [x, m.ints(at)], m.value(shape[:axis] + [len(at)] + shape[axis + 1:], like=x), o, B.GatherOptions)


def layer_norm(m, x):
    """As Keras' converter writes it: means, squared differences, a reciprocal root."""
    shape = m.shape(x)
    one = shape[:-1] + [1]
    o = s.ReducerOptionsT()
    o.keepDims = True
    mean = m.op(OP.MEAN, [x, m.ints([len(shape) - 1])], m.value(one), o, B.ReducerOptions)
    d = m.op(OP.SQUARED_DIFFERENCE, [x, mean], m.value(shape), s.SquaredDifferenceOptionsT(), B.SquaredDifferenceOptions)
    v = m.op(OP.MEAN, [d, m.ints([len(shape) - 1])], m.value(one), o, B.ReducerOptions)
    eps = m.tensor([], np.float32, np.float32(1e-3))
    v = m.op(OP.ADD, [v, eps], m.value(one), s.AddOptionsT(), B.AddOptions)
    f = m.op(OP.RSQRT, [v], m.value(one), None)
    if m.r.integers(2):
        y = m.op(OP.SUB, [x, mean], m.value(shape), s.SubOptionsT(), B.SubOptions)
        return m.op(OP.MUL, [y, f], m.value(shape), s.MulOptionsT(), B.MulOptions)
    a = m.op(OP.MUL, [x, f], m.value(shape), s.MulOptionsT(), B.MulOptions)
    b = m.op(OP.MUL, [mean, f], m.value(one), s.MulOptionsT(), B.MulOptions)
    return m.op(OP.SUB, [a, b], m.value(shape), s.SubOptionsT(), B.SubOptions)


def quotient(m, x):
    """A quotient by a value of one and more, or by a constant; or a square."""
    r, shape = m.r, m.shape(x)
    if r.integers(3) == 0:
        return m.op(OP.SQUARE, [x], m.value(shape), s.SquareOptionsT(), B.SquareOptions)
    if r.integers(2):
        n = pick(r, [1], [shape[-1]], shape)
        k = m.tensor(n, np.float32, r.uniform(0.5, 2, n).astype(np.float32))
    else:
        k = m.op(OP.EXP, [x], m.value(shape), s.ExpOptionsT(), B.ExpOptions)
        k = m.op(OP.ADD, [k, m.tensor([1], np.float32, np.ones(1, np.float32))], m.value(shape), s.AddOptionsT(), B.AddOptions)
    return m.op(OP.DIV, [x, k], m.value(shape), s.DivOptionsT(), B.DivOptions)


def functions(m, x):
    """A function whose integers are tables of the nearest; not NEG of integers, whose
    kernel turns their sign as if there were no scales."""
    code, positive = pick(m.r, (OP.EXP, 0), (OP.ABS, 0), (OP.ELU, 0), (OP.ELU if m.q else OP.NEG, 0), (OP.GELU, 0), (OP.SQRT, 1), (OP.LOG, 1))
    if positive:
        x = m.op(OP.EXP, [x], m.value(m.shape(x)), s.ExpOptionsT(), B.ExpOptions)
    o, kind = (s.GeluOptionsT(), B.GeluOptions) if code == OP.GELU else (None, 0)
    if o is not None:
        o.approximate = bool(m.r.integers(2))
    return m.op(code, [x], m.value(m.shape(x)), o, kind)


def turned(m, x):
    """Axes turned around."""
    axes = [k for k in range(1, len(m.shape(x))) if m.r.integers(2)] or [1]
    return m.op(OP.REVERSE_V2, [x, m.ints(axes)], m.value(m.shape(x), like=x), s.ReverseV2OptionsT(), B.ReverseV2Options)


def real_functions(m, x):
    """A function that TensorFlow Lite has of reals alone."""
    code = pick(m.r, OP.FLOOR, OP.CEIL, OP.ROUND, OP.SIN, OP.COS, OP.RELU_N1_TO_1, OP.RELU_0_TO_1, OP.SIGN, OP.POW)
    if code == OP.POW:
        x = m.op(OP.EXP, [x], m.value(m.shape(x)), s.ExpOptionsT(), B.ExpOptions)
        k = m.tensor([], np.float32, np.float32(pick(m.r, 0.5, 2, -1, 1.75)))
        return m.op(code, [x, k], m.value(m.shape(x)), s.PowOptionsT(), B.PowOptions)
    return m.op(code, [x], m.value(m.shape(x)))


def select(m, x):
    """One of two values by a comparison with a number or another value."""
    r, shape = m.r, m.shape(x)
    a, b = conv1x1(m, x), rescaled(m, x)
    n = pick(r, [], [1], [shape[-1]])
    if m.q:
        b = m.op(OP.QUANTIZE, [x], m.value(shape, like=a), s.QuantizeOptionsT(), B.QuantizeOptions)
        k = m.tensor([1], m.type, r.integers(m.least, m.least + 256, [1]).astype(m.type), scale=np.exp(r.uniform(-5, -2)), zero=m.zero())
    else:
        k = pick(r, b, m.tensor(n, np.float32, r.normal(0, 1, n).astype(np.float32)))
    code, cls, kind = pick(r, (OP.GREATER, s.GreaterOptionsT, B.GreaterOptions), (OP.LESS, s.LessOptionsT, B.LessOptions),
                           (OP.GREATER_EQUAL, s.GreaterEqualOptionsT, B.GreaterEqualOptions), (OP.LESS_EQUAL, s.LessEqualOptionsT, B.LessEqualOptions))
    c = m.tensor(shape, np.float32)
    m.g.tensors[c].type = s.TensorType.BOOL
    m.op(code, [x, k] if r.integers(2) else [k, x], c, cls(), kind)
    if r.integers(2):
        return m.op(OP.SELECT, [c, a, b], m.value(shape, like=a if m.q else None), s.SelectOptionsT(), B.SelectOptions)
    if not m.q and r.integers(2):
        b = m.tensor([1], np.float32, np.ones(1, np.float32))
    return m.op(OP.SELECT_V2, [c, a, b], m.value(shape, like=a if m.q else None), s.SelectV2OptionsT(), B.SelectV2Options)


def truth(m, shape):
    c = m.tensor(shape, np.float32)
    m.g.tensors[c].type = s.TensorType.BOOL
    return c


def logic(m, x):
    """One of two values by conditions of comparisons, of equality among them."""
    r, shape = m.r, m.shape(x)
    conditions = []
    for _ in range(2):
        code, cls, kind = pick(r, (OP.GREATER, s.GreaterOptionsT, B.GreaterOptions), (OP.EQUAL, s.EqualOptionsT, B.EqualOptions),
                               (OP.NOT_EQUAL, s.NotEqualOptionsT, B.NotEqualOptions))
        if m.q:
            a, k = x, m.tensor([1], m.type, r.integers(m.least, m.least + 256, [1]).astype(m.type), scale=np.exp(r.uniform(-5, -2)), zero=m.zero())
        else:
            a = m.op(OP.FLOOR, [x], m.value(shape))
            k = pick(r, m.tensor([1], np.float32, np.zeros(1, np.float32)), m.op(OP.FLOOR, [conv1x1(m, x)], m.value(shape)))
        conditions.append(m.op(code, [a, k] if r.integers(2) else [k, a], truth(m, shape), cls(), kind))
    c, d = conditions
    if r.integers(2):
        c = m.op(OP.LOGICAL_NOT, [c], truth(m, shape), s.LogicalNotOptionsT(), B.LogicalNotOptions)
    code, cls, kind = pick(r, (OP.LOGICAL_AND, s.LogicalAndOptionsT, B.LogicalAndOptions), (OP.LOGICAL_OR, s.LogicalOrOptionsT, B.LogicalOrOptions))
    c = m.op(code, [c, d], truth(m, shape), cls(), kind)
    a = conv1x1(m, x)
    b = m.op(OP.QUANTIZE, [x], m.value(shape, like=a), s.QuantizeOptionsT(), B.QuantizeOptions) if m.q else rescaled(m, x)
    return m.op(OP.SELECT_V2, [c, a, b], m.value(shape, like=a if m.q else None), s.SelectV2OptionsT(), B.SelectV2Options)


def unit(m, x):
    """Vectors of length one."""
    return m.op(OP.L2_NORMALIZATION, [x], m.fixed(m.shape(x), 1 / 128, 0), s.L2NormOptionsT(), B.L2NormOptions)


def responses(m, x):
    o = s.LocalResponseNormalizationOptionsT()
    o.radius, o.bias, o.alpha, o.beta = int(m.r.integers(0, 4)), float(m.r.uniform(0.5, 2)), float(m.r.uniform(0.01, 1)), float(pick(m.r, 0.5, 0.75, 1))
    return m.op(OP.LOCAL_RESPONSE_NORMALIZATION, [x], m.value(m.shape(x)), o, B.LocalResponseNormalizationOptions)


def embedding(m, x):
    """Rows of a constant by the integers of the input."""
    r = m.r
    m.g.tensors[x].type = s.TensorType.INT32
    rows, width = int(r.integers(2, 300)), int(r.integers(1, 9))
    m.below = rows
    w = m.tensor([rows, width], np.float32, r.normal(0, 1, [rows, width]).astype(np.float32))
    return m.op(OP.GATHER, [w, x], m.tensor(m.shape(x) + [width], np.float32), s.GatherOptionsT(), B.GatherOptions)


def network(m, x):
    """Depthwise separable, as MobileNet: layers, a sum, pooling, a classifier."""
    y = depthwise(m, conv1x1(m, x))
    y = conv1x1(m, y)
    z = conv1x1(m, y)
    o = s.AddOptionsT()
    y = m.op(OP.ADD, [y, z], m.value(m.shape(y)), o, B.AddOptions)
    shape = m.shape(y)
    p = s.Pool2DOptionsT()
    p.padding, p.strideH, p.strideW, p.filterHeight, p.filterWidth = 1, shape[1], shape[2], shape[1], shape[2]
    y = m.op(OP.AVERAGE_POOL_2D, [y], m.value([1, 1, 1, shape[3]], like=y), p, B.Pool2DOptions)
    return softmax(m, dense(m, y))


def words(r):
    return [1, int(r.integers(1, 9))]


def image(r):
    return [1, int(r.integers(2, 9)), int(r.integers(2, 9)), int(r.integers(1, 7))]


def any_shape(r):
    return image(r) if r.integers(2) else [1, int(r.integers(2, 20))]


KINDS = {
    "CONV_2D": (conv, image), "DEPTHWISE_CONV_2D": (depthwise, image), "FULLY_CONNECTED": (dense, any_shape),
    "AVERAGE_POOL_2D": (pool(OP.AVERAGE_POOL_2D), image), "MAX_POOL_2D": (pool(OP.MAX_POOL_2D), image),
    "ADD": (pair(OP.ADD, s.AddOptionsT, B.AddOptions), any_shape), "SUB": (pair(OP.SUB, s.SubOptionsT, B.SubOptions), any_shape),
    "ADD_CONSTANT": (with_constant(OP.ADD, s.AddOptionsT, B.AddOptions), any_shape), "SUB_CONSTANT": (with_constant(OP.SUB, s.SubOptionsT, B.SubOptions), any_shape),
    "MUL_CONSTANT": (with_constant(OP.MUL, s.MulOptionsT, B.MulOptions), any_shape),
    "MUL": (pair(OP.MUL, s.MulOptionsT, B.MulOptions), any_shape), "RELU": (unary(OP.RELU), any_shape), "RELU6": (unary(OP.RELU6), any_shape),
    "LEAKY_RELU": (unary(OP.LEAKY_RELU, options=leaky, kind=B.LeakyReluOptions), any_shape), "HARD_SWISH": (unary(OP.HARD_SWISH), any_shape),
    "LOGISTIC": (unary(OP.LOGISTIC, (1 / 256, -128)), any_shape), "TANH": (unary(OP.TANH, (1 / 128, 0)), any_shape),
    "SOFTMAX": (softmax, any_shape), "CONCATENATION": (concat, any_shape), "RESHAPE": (reshape, any_shape), "PAD": (pad, image),
    "TRANSPOSE": (transpose, image), "STRIDED_SLICE": (strided, image), "RESIZE_NEAREST_NEIGHBOR": (resize, image), "MEAN": (mean, image),
    "SPLIT": (split, any_shape), "UNPACK": (unpack, image), "TRANSPOSE_CONV": (transpose_conv, image), "PRELU": (prelu, image), "BATCH_MATMUL": (batch_matmul, matrices),
    "ARG_MAX": (place(OP.ARG_MAX, s.ArgMaxOptionsT, B.ArgMaxOptions), any_shape), "ARG_MIN": (place(OP.ARG_MIN, s.ArgMinOptionsT, B.ArgMinOptions), any_shape),
    "MIRROR_PAD": (mirror_pad, image), "LOG_SOFTMAX": (log_softmax, any_shape), "QUANTIZE": (rescaled, any_shape),
    "BROADCAST_ADD": (broadcast(OP.ADD, s.AddOptionsT, B.AddOptions), any_shape), "BROADCAST_SUB": (broadcast(OP.SUB, s.SubOptionsT, B.SubOptions), any_shape),
    "BROADCAST_MUL": (broadcast(OP.MUL, s.MulOptionsT, B.MulOptions), any_shape), "MAXIMUM": (broadcast(OP.MAXIMUM, s.MaximumMinimumOptionsT, B.MaximumMinimumOptions), any_shape),
    "MINIMUM": (broadcast(OP.MINIMUM, s.MaximumMinimumOptionsT, B.MaximumMinimumOptions), any_shape), "FULLY_CONNECTED_ROWS": (dense_rows, lambda r: pick(r, sequence, image)(r)),
    "SQUEEZE_EXCITE": (squeeze_excite, image), "RESIZE_BILINEAR": (bilinear, image), "DEPTH_TO_SPACE": (blocks, image), "MEAN_AXES": (reduction(OP.MEAN, False), any_shape),
    "SUM": (reduction(OP.SUM, False), any_shape), "REDUCE_MAX": (reduction(OP.REDUCE_MAX, True), any_shape), "REDUCE_MIN": (reduction(OP.REDUCE_MIN, True), any_shape),
    "SLICE": (slices, image), "TILE": (repeated, any_shape), "GATHER": (gather, any_shape), "EMBEDDING": (embedding, words), "LAYER_NORM": (layer_norm, sequence), "DIV": (quotient, any_shape),
    "FUNCTIONS": (functions, any_shape), "REAL_FUNCTIONS": (real_functions, any_shape), "REVERSE_V2": (turned, any_shape), "SELECT": (select, image), "LOGICAL": (logic, image),
    "L2_NORMALIZATION": (unit, any_shape), "LOCAL_RESPONSE_NORMALIZATION": (responses, image),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (lstm, sequence), "NETWORK": (network, image),
}


FITS = {any_shape: lambda n: True, image: lambda n: len(n) == 4 and min(n[1:3]) > 1, sequence: lambda n: len(n) == 3, matrices: lambda n: len(n) in (3, 4)}
ENDS = ("EMBEDDING", "LOG_SOFTMAX", "ARG_MAX", "ARG_MIN", "LOCAL_RESPONSE_NORMALIZATION", "CHAIN")  # that others cannot follow, or whose kernels are others


def chain(m, x):
    """Operations of other kinds after one another, whose shapes and types have met no case of their own."""
    kinds = [k for k in sorted(KINDS) if k not in ENDS and KINDS[k][1] in FITS and not (m.q and k in FLOATS) and (m.type != np.int16 or k in WORDS)
             and not (m.type == np.int16 and k == "BATCH_MATMUL")]  # of a value and itself: the interpreter's sums leave 32 bits and wrap
    done = 0
    while done < 5:
        kind = pick(m.r, *kinds)
        if not FITS[KINDS[kind][1]](m.shape(x)):
            continue
        before = [list(o) for o in (m.g.tensors, m.g.operators, m.m.buffers, m.m.operatorCodes, m.more)]
        try:
            y = KINDS[kind][0](m, x)
        except (IndexError, ValueError):
            y = None
        if y is None or y == x or min(m.shape(y)) < 1 or np.prod(m.shape(y)) > 4096 or m.g.tensors[y].type != m.g.tensors[x].type:
            m.g.tensors, m.g.operators, m.m.buffers, m.m.operatorCodes, m.more = before
            continue
        x, done = y, done + 1
    return x


KINDS["CHAIN"] = (chain, image)

SUFFIXES = {"_UINT8": "uint8", "_INT16": "int16"}
WORDS = ("ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BROADCAST_MUL", "BROADCAST_SUB", "CHAIN", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC",
         "MAX_POOL_2D", "MEAN", "MUL", "NETWORK", "PAD", "RELU6", "SOFTMAX", "SQUEEZE_EXCITE", "SUB", "TANH", "TRANSPOSE_CONV")  # of int16, too
FLOATS = ("SUM", "EMBEDDING", "LAYER_NORM", "DIV", "REAL_FUNCTIONS", "LOCAL_RESPONSE_NORMALIZATION")  # whose integers are TensorFlow Lite's own

OPTIMIZED = ("LOG_SOFTMAX", "LOCAL_RESPONSE_NORMALIZATION")  # whose reference kernel saturates some steps too early, or leaves the last neighbour out


def make(kind, seed, q):
    r = np.random.default_rng(seed)
    for suffix, other in SUFFIXES.items():
        if kind.endswith(suffix):
            kind, q = kind.removesuffix(suffix), other
    build, shapes = KINDS[kind]
    m = Model(r, q)
    x = m.value(shapes(r))
    raw = m.bytes(x, build(m, x))
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if kind in OPTIMIZED else OpResolverType.BUILTIN_REF
    i = Interpreter(model_content=raw, experimental_op_resolver_type=kernels)
    i.allocate_tensors()
    order = {t: k for k, t in enumerate([x, *m.more])}
    details, b = sorted(i.get_input_details(), key=lambda d: order[d["index"]]), i.get_output_details()[0]
    inputs, outputs = [[] for _ in details], []
    for _ in range(3):
        for k, a in enumerate(details):
            v = r.integers(m.least, m.end, a["shape"]).astype(m.type) if m.q else r.normal(0, 1, a["shape"]).astype(np.float32)
            if a["dtype"] == np.int32:
                v = r.integers(0, m.below, a["shape"]).astype(np.int32)
            i.set_tensor(a["index"], v)
            inputs[k].append(v)
        i.reset_all_variables()
        i.invoke()
        outputs.append(i.get_tensor(b["index"]).copy())
    return raw, {f"input{k or ''}": np.stack(v) for k, v in enumerate(inputs)}, np.stack(outputs)


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    names = sys.argv[4].split(",") if len(sys.argv) > 4 else sorted([*KINDS, *(k + "_INT16" for k in WORDS)])
    written = 0
    for n in range(count):
        kind, q = names[n % len(names)], n // len(names) % 3 != 0
        q = q and kind not in FLOATS and not kind.endswith(tuple(SUFFIXES))
        for again in range(20):  # some random attributes are no valid model
            try:
                raw, x, y = make(kind, [seed, n, again], q)
                break
            except (RuntimeError, ValueError) as e:
                last = e
        else:
            print(f"{kind} {n}: {last}", file=sys.stderr)
            continue
        at = os.path.join(folder, f"{kind}{'_INT8' if q else ''}_{n:05d}")
        os.makedirs(at)
        with open(os.path.join(at, "model.tflite"), "wb") as f:
            f.write(raw)
        np.savez(os.path.join(at, "data.npz"), output=y, **x)
        written += 1
    print(f"{written} cases in {folder}")


if __name__ == "__main__":
    main()

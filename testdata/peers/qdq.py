"""Writes networks that join, average and mask values, with the noise that onnxruntime's
static quantization (QDQ, per channel, min-max) adds to each of their results.

    python qdq.py DIR [SEED]

Each network is a folder: model.onnx; calib.f32 and test.f32, images of float32 in the
order of the input; qdq.json, the signal-to-quantization-noise ratio of each result in
decibels on the images of test.f32. The weights are random; the same seed gives the same
networks.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

IMAGES = 32


class Net:
    """A network under construction: each method adds operations and returns a name."""

    def __init__(self, rng, shape):
        self.rng, self.shape, self.nodes, self.inits = rng, shape, [], []

    def const(self, x, dtype=np.float32):
        name = f"k{len(self.inits)}"
        self.inits.append(numpy_helper.from_array(np.asarray(x, dtype), name))
        return name

    def node(self, op, *args, **attrs):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(args), [name], name=f"n{len(self.nodes)}", **attrs))
        return name

    def conv(self, x, cin, cout, k=3, stride=1, groups=1, act="Relu", gain=1.0):
        w = self.rng.normal(0, gain * np.sqrt(2 / (cin // groups * k * k)), (cout, cin // groups, k, k))
        b = self.rng.normal(0, 0.1, cout)
        y = self.node("Conv", x, self.const(w), self.const(b), kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4, group=groups)
        return self.node(act, y) if act else y

    def silu(self, x):
        return self.node("Mul", x, self.node("Sigmoid", x))

    def concat(self, *args, axis=1):
        return self.node("Concat", *args, axis=axis)

    def maxpool(self, x, k=2, stride=2, pad=0):
        return self.node("MaxPool", x, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4)

    def avgpool(self, x, k=2, stride=2, pad=0):
        return self.node("AveragePool", x, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4)

    def up(self, x):
        return self.node("Resize", x, "", self.const([1, 1, 2, 2]), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def model(self, results):
        info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        g = helper.make_graph(self.nodes, "net", [info("x", self.shape)], [info(r, None) for r in results], self.inits)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return onnx.shape_inference.infer_shapes(m)


def unet(n):
    a = n.conv(n.conv("x", 3, 8), 8, 8)
    b = n.conv(n.conv(n.maxpool(a), 8, 16), 16, 16)
    c = n.conv(n.maxpool(b), 16, 32, gain=3)
    d = n.conv(n.concat(n.up(c), b), 48, 16)
    e = n.conv(n.concat(n.up(d), a), 24, 8)
    return [n.conv(e, 8, 2, k=1, act=None)]


def densenet(n):
    x, width = n.conv("x", 3, 8), 8
    for block in range(2):
        for _ in range(4):
            x, width = n.concat(x, n.conv(n.conv(x, width, 16, k=1), 16, 6)), width + 6
        x, width = n.avgpool(n.conv(x, width, width // 2, k=1)), width // 2
    y = n.node("Flatten", n.node("GlobalAveragePool", x))
    w = n.rng.normal(0, 1 / np.sqrt(width), (width, 10))
    return [n.node("MatMul", y, n.const(w))]


def yolo(n):
    """Two scales; boxes in pixels, 64 times as large as scores, are joined with them."""
    def c2f(x, c):
        a, b = n.silu(n.conv(x, c, c // 2, k=1, act=None)), n.silu(n.conv(x, c, c // 2, k=1, act=None))
        d = n.silu(n.conv(b, c // 2, c // 2, act=None))
        e = n.node("Add", b, n.silu(n.conv(d, c // 2, c // 2, act=None)))
        return n.silu(n.conv(n.concat(a, b, e), c // 2 * 3, c, k=1, act=None))
    def spp(x, c):
        a = n.maxpool(x, 5, 1, 2)
        b = n.maxpool(a, 5, 1, 2)
        return n.silu(n.conv(n.concat(x, a, b), 3 * c, c, k=1, act=None))
    a = c2f(n.silu(n.conv("x", 3, 16, stride=2, act=None)), 16)
    b = spp(c2f(n.silu(n.conv(a, 16, 32, stride=2, act=None)), 32), 32)
    c = c2f(n.conv(n.concat(n.up(b), a), 48, 16, k=1), 16)
    results = []
    for f, width in ((c, 16), (b, 32)):
        boxes = n.node("Mul", n.node("Sigmoid", n.conv(f, width, 4, k=1, act=None)), n.const(64.0))
        scores = n.node("Sigmoid", n.conv(f, width, 3, k=1, act=None))
        results += [n.concat(boxes, scores)]
    return results


def inception(n):
    x, width = n.maxpool(n.conv("x", 3, 16)), 16
    for _ in range(3):
        a = n.conv(x, width, 8, k=1)
        b = n.conv(n.conv(x, width, 8, k=1), 8, 12, gain=2)
        c = n.conv(n.conv(x, width, 4, k=1), 4, 6, k=5)
        d = n.conv(n.avgpool(x, 3, 1, 1), width, 6, k=1)
        x, width = n.concat(a, b, c, d), 32
    y = n.node("Flatten", n.node("GlobalAveragePool", x))
    return [n.node("MatMul", y, n.const(n.rng.normal(0, 1 / np.sqrt(width), (width, 10))))]


def means(n):
    """Means of wide values: of images, of rows, of a window of 7. onnxruntime leaves the
    result of ReduceMean in float32 where no operation behind it takes integers."""
    x = n.conv("x", 3, 16, act=None)
    rows = n.node("MatMul", n.node("ReduceMean", x, axes=[2, 3], keepdims=0), n.const(n.rng.normal(0, 0.25, (16, 10))))
    return [n.node("GlobalAveragePool", x), rows, n.avgpool(x, 7, 3)]


def extremes(n):
    x = n.conv("x", 3, 8, act=None)
    y = n.node("Mul", n.conv("x", 3, 8, act=None), n.const(20.0))
    z = n.conv(n.node("Max", n.node("Tanh", x), n.conv(x, 8, 8, act=None)), 8, 8)
    return [n.node("Min", x, y), n.conv(n.node("Max", x, n.node("Sigmoid", x)), 8, 4, act=None), z]


NETWORKS = {"unet": unet, "densenet": densenet, "yolo": yolo, "inception": inception, "means": means, "extremes": extremes}


class Reader(CalibrationDataReader):
    def __init__(self, images):
        self.rest = iter(images)

    def get_next(self):
        x = next(self.rest, None)
        return None if x is None else {"x": x[None]}


def images(rng, count, shape):
    """Smooth images in [0,1] with some noise."""
    c, h, w = shape
    yy, xx = np.mgrid[0:h, 0:w] / h
    x = np.empty((count, c, h, w), np.float32)
    for i in range(count):
        for k in range(c):
            f = rng.normal(0, 4, (4, 3))
            x[i, k] = sum(np.sin(a * xx + b * yy + p) for a, b, p in f) / 8 + 0.5 + rng.normal(0, 0.05, (h, w))
    return np.clip(x, 0, 1)


def main(folder, seed):
    shape = (3, 32, 32)
    for k, (name, build) in enumerate(NETWORKS.items()):
        rng = np.random.default_rng([seed, k])
        net = Net(rng, [1, *shape])
        model = net.model(build(net))
        to = os.path.join(folder, name)
        os.makedirs(to, exist_ok=True)
        path, quantized = os.path.join(to, "model.onnx"), os.path.join(to, "qdq.onnx")
        onnx.save(model, path)
        calib, test = images(rng, IMAGES, shape), images(rng, IMAGES, shape)
        calib.tofile(os.path.join(to, "calib.f32"))
        test.tofile(os.path.join(to, "test.f32"))
        quantize_static(path, quantized, Reader(calib), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        run = lambda p: [np.stack(r) for r in zip(*[s.run(None, {"x": x[None]}) for s in [ort.InferenceSession(p)] for x in test])]
        ratios = [float(10 * np.log10((a.astype(float) ** 2).sum() / ((a.astype(float) - b) ** 2).sum())) for a, b in zip(run(path), run(quantized))]
        json.dump({"shape": shape, "sqnr": ratios}, open(os.path.join(to, "qdq.json"), "w"))
        print(name, " ".join(f"{r:.1f}" for r in ratios), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)

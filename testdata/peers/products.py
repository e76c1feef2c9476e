"""Layers as models of ONNX, and onnxruntime's time on each, for cmd/products.

    python products.py DIR

Writes NAME.onnx for each layer of LAYERS in float, and NAME_int8.onnx with integers from its input
to its output (QLinearConv, activations of u8, weights of i8 per channel), for IMAGES images. Prints a line of JSON for
each: its name, kind, file, images, multiply-adds, and the nodes of the graph that onnxruntime runs; and one with its
version. Then reads names, a line each, and answers with the processor's seconds that one run took, on one core.
"""
import json
import os
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

# name: inputs, height and width, outputs, window, stride, groups
LAYERS = {
    "first7x7s2": (3, 224, 64, 7, 2, 1),
    "conv3x3_56": (64, 56, 64, 3, 1, 1),
    "conv3x3_28": (128, 28, 128, 3, 1, 1),
    "conv3x3_14": (256, 14, 256, 3, 1, 1),
    "conv3x3_7": (512, 7, 512, 3, 1, 1),
    "conv3x3s2_28": (128, 56, 128, 3, 2, 1),
    "conv1x1_56": (64, 56, 256, 1, 1, 1),
    "conv1x1_14": (1024, 14, 256, 1, 1, 1),
    "conv1x1s2_28": (256, 56, 512, 1, 2, 1),
    "conv5x5_16": (32, 16, 64, 5, 1, 1),
    "depthwise_112": (32, 112, 32, 3, 1, 32),
    "depthwise_112s2": (96, 112, 96, 3, 2, 96),
    "depthwise_28": (192, 28, 192, 3, 1, 192),
    "depthwise_14": (576, 14, 576, 3, 1, 576),
    "depthwise5x5_14": (672, 14, 672, 5, 1, 672),
}
IMAGES = 8


def layer(name, is_integer):
    """The model of a layer, and its multiply-adds."""
    inputs, size, outputs, window, stride, groups = LAYERS[name]
    rng = np.random.default_rng(1)
    pad, out = window // 2, (size - 1) // stride + 1
    shape = (outputs, inputs // groups, window, window)
    fan = np.prod(shape[1:])
    if is_integer:
        scale = (1 / (64 * np.sqrt(fan)) * rng.uniform(.5, 1, outputs)).astype(np.float32)
        op, kind, values = "QLinearConv", TensorProto.UINT8, {
            "xs": np.float32(.03), "xz": np.uint8(120), "w": rng.integers(-127, 128, shape, dtype=np.int8), "ws": scale, "wz": np.zeros(outputs, np.int8),
            "ys": np.float32(.04), "yz": np.uint8(128), "b": rng.integers(-1000, 1000, outputs, dtype=np.int32)}
    else:
        op, kind, values = "Conv", TensorProto.FLOAT, {
            "w": (rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32), "b": rng.standard_normal(outputs).astype(np.float32)}
    node = helper.make_node(op, ["x", *values], ["y"], name="layer", pads=[pad] * 4, strides=[stride] * 2, group=groups)
    graph = helper.make_graph([node], "layer", [helper.make_tensor_value_info("x", kind, ("N", inputs, size, size))],
                              [helper.make_tensor_value_info("y", kind, ("N", outputs, out, out))],
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in values.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model, int(np.prod(shape)) * out * out * IMAGES


def session(path, picked):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # it warns that the optimised model is for this processor only
    options.optimized_model_filepath = picked
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(2)
    sessions = {}
    for is_integer in (False, True):
        for name, (inputs, size, _, _, _, groups) in LAYERS.items():
            model, products = layer(name, is_integer)
            kind = "depthwise" if groups > 1 else "convolution"
            if is_integer:
                name, kind = name + "_int8", kind + " int8"
            path, picked = (os.path.join(folder, name + suffix) for suffix in (".onnx", ".picked"))
            onnx.save(model, path)
            shape = IMAGES, inputs, size, size
            x = rng.integers(0, 256, shape, dtype=np.uint8) if is_integer else rng.standard_normal(shape).astype(np.float32)
            sessions[name] = session(path, picked), {"x": x}
            nodes = [".".join(filter(None, (n.domain.removeprefix("ai.onnx"), n.op_type))) for n in onnx.load(picked).graph.node]
            print(json.dumps({"name": name, "kind": kind, "file": path, "images": IMAGES, "products": products, "picked": nodes}), flush=True)
    print(json.dumps({"version": ort.__version__}), flush=True)
    for line in sys.stdin:
        s, feed = sessions[line.strip()]
        begin = time.process_time()
        s.run(None, feed)
        print(time.process_time() - begin, flush=True)


if __name__ == "__main__":
    main()

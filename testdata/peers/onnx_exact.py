"""Evaluates QOperator models in integers, as ONNX defines them with the float32 factors of
onnxruntime: round to even of sum * m / 2^r, m the 24 bits of the factor.

    python onnx_exact.py FROM TO

FROM has the folders *_qop_* of onnx_static.py. Each becomes a folder of TO with the same model
and inputs and the exact results. Prints, for each model, how many integers of onnxruntime
differ where its operations get the exact arguments: what its float32 arithmetic rounds
to the other side of a half.
"""
import os
import shutil
import sys
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper


def even(sums, factors, zero, dtype):
    """sums * factors, rounded to even; all in integers of 64 bits."""
    mantissa, exponent = np.frexp(factors.astype(np.float64))
    m, r = (mantissa * 2**24).astype(np.int64), np.broadcast_to(24 - exponent, sums.shape).astype(np.int64)
    p = sums * m
    return clipped((p + (1 << (r - 1)) - 1 + (p >> r & 1)) >> r, zero, dtype)


def clipped(x, zero, dtype):
    info = np.iinfo(dtype)
    return np.clip(x + int(zero), info.min, info.max).astype(dtype)


def real(table, zero, scale, f):
    """A function of each integer in float32."""
    x = np.float32(scale) * (table.astype(np.int64) - int(zero)).astype(np.float32)
    return f(x.astype(np.float64)).astype(np.float32)


def conv(x, w, a):
    pads, strides, groups = a.get("pads", [0] * 4), a.get("strides", [1, 1]), a.get("group", 1)
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    d = a.get("dilations", [1, 1])
    kh, kw = w.shape[2:]
    win = np.lib.stride_tricks.sliding_window_view(x, ((kh - 1) * d[0] + 1, (kw - 1) * d[1] + 1), axis=(2, 3))
    win = win[:, :, ::strides[0], ::strides[1], ::d[0], ::d[1]]
    i, o = x.shape[1] // groups, w.shape[0] // groups
    return np.concatenate([np.einsum("nchwkl,ockl->nohw", win[:, g * i:(g + 1) * i], w[g * o:(g + 1) * o]) for g in range(groups)], 1)


def evaluate(n, v):
    """The result of a node of arguments v; None where it computes nothing that could be inexact."""
    a = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
    less = lambda i, z: v[i].astype(np.int64) - v[z].astype(np.int64)
    f32 = lambda i: v[i].astype(np.float32)
    if n.op_type == "QLinearConv":
        s = conv(less(0, 2), v[3].astype(np.int64), a)
        if len(v) > 8:
            s = s + v[8].astype(np.int64).reshape(1, -1, 1, 1)
        return even(s, (f32(1) * f32(4) / f32(6)).reshape(1, -1, 1, 1), v[7], v[7].dtype)
    if n.op_type == "QGemm":
        w = v[3].astype(np.int64)
        s = less(0, 2) @ (w.T if a.get("transB") else w) + v[6].astype(np.int64)
        return even(s, f32(1) * f32(4) / f32(7), v[8], v[8].dtype)
    if n.op_type == "QLinearGlobalAveragePool":
        x = less(0, 2)
        return even(x.sum((2, 3), keepdims=True), f32(1) / (f32(3) * np.float32(x.shape[2] * x.shape[3])), v[4], v[4].dtype)
    if n.op_type == "QLinearMul":
        return even(less(0, 2) * less(3, 5), f32(1) * f32(4) / f32(6), v[7], v[7].dtype)
    if n.op_type == "QLinearAdd":
        x, y = np.broadcast_arrays(less(0, 2), less(3, 5))
        sa, sb, sy = (Fraction(float(v[i])) for i in (1, 4, 6))
        pairs, at = np.unique(np.stack([x.ravel(), y.ravel()]), axis=1, return_inverse=True)
        sums = np.array([round((int(p) * sa + int(q) * sb) / sy) for p, q in pairs.T], np.int64)
        return clipped(sums[at.ravel()].reshape(x.shape), v[7], v[7].dtype)
    if n.op_type == "QLinearSigmoid":
        y = real(v[0], v[2], v[1], lambda x: 1 / (1 + np.exp(-x)))
        return clipped(np.rint(y / f32(3)).astype(np.int64), v[4], v[4].dtype)
    return None


def main():
    source, target = sys.argv[1:3]
    for name in sorted(os.listdir(source)):
        if "_qop_" not in name or not os.path.exists(os.path.join(source, name, "model.onnx")):
            continue
        model = onnx.load(os.path.join(source, name, "model.onnx"))
        constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        inner = {}
        for n in model.graph.node:  # each node alone, so that it gets exact arguments
            args = [i for i in n.input if i not in constants]
            g = onnx.helper.make_graph([n], "g", [onnx.ValueInfoProto(name=i) for i in args], [onnx.ValueInfoProto(name=n.output[0])],
                                       [i for i in model.graph.initializer if i.name in n.input])
            inner[n.output[0]] = (args, g)
        total = wrong = 0
        folder = os.path.join(target, name)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(os.path.join(source, name), folder)
        sessions = {}
        try:
            for part in sorted(os.listdir(folder)):
                if not part.startswith("test_data_set_"):
                    continue
                values = dict(constants)
                for k, i in enumerate(i for i in model.graph.input if i.name not in constants):
                    values[i.name] = numpy_helper.to_array(onnx.load_tensor(os.path.join(folder, part, f"input_{k}.pb")))
                for n in model.graph.node:
                    args, g = inner[n.output[0]]
                    if n.output[0] not in sessions:
                        for i in g.input:
                            i.CopyFrom(onnx.helper.make_tensor_value_info(i.name, onnx.helper.np_dtype_to_tensor_dtype(values[i.name].dtype), None))
                        m = onnx.helper.make_model(g, opset_imports=model.opset_import, ir_version=model.ir_version)
                        sessions[n.output[0]] = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
                    theirs = sessions[n.output[0]].run(None, {i: values[i] for i in args})[0]
                    ours = evaluate(n, [values[i] for i in n.input])
                    if ours is None:
                        ours = theirs
                    else:
                        total, wrong = total + ours.size, wrong + int((ours != theirs).sum())
                    values[n.output[0]] = ours
                for k, o in enumerate(model.graph.output):
                    with open(os.path.join(folder, part, f"output_{k}.pb"), "wb") as f:
                        f.write(numpy_helper.from_array(values[o.name]).SerializeToString())
        except Exception as e:
            print(f"{name}: {str(e)[:100]}")
            shutil.rmtree(folder)
            continue
        print(f"{name}: of {total} integers, {wrong} of onnxruntime differ")


if __name__ == "__main__":
    main()

"""Quantizes networks by onnxruntime's static quantizer, with what onnxruntime answers.

    python onnx_static.py FROM DIR [INPUTS] [NAME,NAME,...]

FROM has the folders of networks.py: model.onnx with calib.npz and test.npz. Each network
becomes folders NAME_FORM of DIR, as ONNX's own backend tests have them, with as many inputs
as INPUTS says (100): FORM is qdq or qop (QOperator), u8 or i8 activations, with weights of
i8 per channel. onnxruntime runs at its highest level of optimisation, so that layers have
integers, and without turning int8 into uint8, after which it computes some operations in float32.
Its kernels of 8 bits saturate on processors without VNNI.
"""
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

FORMS = {f"{form}_{kind}": (f, t) for form, f in (("qdq", QuantFormat.QDQ), ("qop", QuantFormat.QOperator))
         for kind, t in (("u8", QuantType.QUInt8), ("i8", QuantType.QInt8))}


class Reader(CalibrationDataReader):
    def __init__(self, arrays):
        self.n = iter([{name: x[i:i + 1] for name, x in arrays.items()} for i in range(32)])

    def get_next(self):
        return next(self.n, None)


def save(path, x):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(x).SerializeToString())


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main():
    source, target = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    names = sys.argv[4].split(",") if len(sys.argv) > 4 else sorted(os.listdir(source))
    for name in names:
        folder = os.path.join(source, name)
        if not os.path.exists(os.path.join(folder, "calib.npz")):
            continue
        calib, test = (dict(np.load(os.path.join(folder, f + ".npz"))) for f in ("calib", "test"))
        samples = {k: np.concatenate([test[k], calib[k]])[:count] for k in test}
        prepared = os.path.join(target, name + ".onnx")
        os.makedirs(target, exist_ok=True)
        for form, (f, t) in FORMS.items():
            out = os.path.join(target, f"{name}_{form}")
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(out)
            model = os.path.join(out, "model.onnx")
            try:
                quant_pre_process(os.path.join(folder, "model.onnx"), prepared, skip_symbolic_shape=True)
                quantize_static(prepared, model, Reader(calib), quant_format=f, activation_type=t, weight_type=QuantType.QInt8, per_channel=True)
                run = session(model)
            except Exception as e:
                print(f"{name} {form}: onnxruntime does not quantize it: {str(e)[:100]}")
                shutil.rmtree(out)
                continue
            inputs = [i.name for i in run.get_inputs()]
            for i in range(len(next(iter(samples.values())))):
                data = os.path.join(out, f"test_data_set_{i}")
                os.makedirs(data)
                feed = {k: samples[k][i:i + 1] for k in inputs}
                for k, n in enumerate(inputs):
                    save(os.path.join(data, f"input_{k}.pb"), feed[n])
                for k, y in enumerate(run.run(None, feed)):
                    save(os.path.join(data, f"output_{k}.pb"), y)
        if os.path.exists(prepared):
            os.remove(prepared)


if __name__ == "__main__":
    main()

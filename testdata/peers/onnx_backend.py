"""Writes ONNX's own backend tests of single nodes, which the wheel of onnx makes but does not hold.

    python onnx_backend.py DIR

DIR/float has the cases whose inputs and results are all tensors of float32, without those that
ONNX writes out in other operations; DIR/other has the rest.
"""
import os
import sys
import warnings

import numpy as np
from onnx import TensorProto, numpy_helper

warnings.simplefilter("ignore")
from onnx.backend.test.case.node import collect_testcases


def message(x, info):
    kind = info.type.WhichOneof("value")
    if isinstance(x, TensorProto):
        return x
    if kind == "map_type":
        return numpy_helper.from_dict(x, info.name)
    if kind == "sequence_type":
        return numpy_helper.from_list(x, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(x, info.name)
    return numpy_helper.from_array(np.asarray(x), info.name)


def main(folder):
    for case in collect_testcases(None):
        graph = case.model.graph
        values = [*graph.input, *graph.output]
        floats = "expanded" not in case.name and all(v.type.HasField("tensor_type") and v.type.tensor_type.elem_type == TensorProto.FLOAT for v in values)
        at = os.path.join(folder, "float" if floats else "other", case.name)
        for i, data in enumerate(case.data_sets):
            to = os.path.join(at, f"test_data_set_{i}")
            os.makedirs(to, exist_ok=True)
            for kind, infos, arrays in zip(("input", "output"), (graph.input, graph.output), data):
                for k, x in enumerate(arrays):
                    with open(os.path.join(to, f"{kind}_{k}.pb"), "wb") as f:
                        f.write(message(x, infos[k]).SerializeToString())
        with open(os.path.join(at, "model.onnx"), "wb") as f:
            f.write(case.model.SerializeToString())


if __name__ == "__main__":
    main(sys.argv[1])

"""Writes an LSTM that TensorFlow's converter fused, calibrated and quantized to int8, with what the
interpreter's reference kernels answer to it.

    python tflite_lstm.py DIR

Keras 3 exports an LSTM as a loop, which the converter does not fuse. A function that says it
implements one, as Keras 2 wrote it, becomes UNIDIRECTIONAL_SEQUENCE_LSTM.
"""
import os
import sys

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

CELLS, INPUTS, STEPS = 8, 6, 12


@tf.function(autograph=False, experimental_attributes={"api_implements": "lstm_1", "api_preferred_device": "CPU", "go_backwards": False, "time_major": False})
def standard_lstm(x, h, c, kernel, recurrent_kernel, bias):
    outs = []
    for t in range(STEPS):
        i, f, g, o = tf.split(x[:, t] @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        outs.append(h)
    return h, tf.stack(outs, 1), h, c, tf.constant(1.0)


def main():
    r = np.random.default_rng(3)

    def weights(deviation, *shape):
        return tf.constant(r.normal(0, deviation, shape).astype(np.float32))
    w, u, b = weights(0.5, INPUTS, 4 * CELLS), weights(0.3, CELLS, 4 * CELLS), weights(0.2, 4 * CELLS)

    @tf.function(autograph=False)
    def net(x):
        z = tf.zeros([1, CELLS])
        return standard_lstm(x, z, z, w, u, b)[1]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function(tf.TensorSpec([1, STEPS, INPUTS], tf.float32))], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([r.normal(0, 1, (1, STEPS, INPUTS)).astype(np.float32)] for _ in range(50))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    raw = converter.convert()
    i = Interpreter(model_content=raw, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    i.allocate_tensors()
    a, y = i.get_input_details()[0], i.get_output_details()[0]
    inputs, outputs = [], []
    for _ in range(20):
        inputs.append(r.integers(-128, 128, a["shape"]).astype(np.int8))
        i.set_tensor(a["index"], inputs[-1])
        i.reset_all_variables()
        i.invoke()
        outputs.append(i.get_tensor(y["index"]).copy())
    at = os.path.join(sys.argv[1], "UNIDIRECTIONAL_SEQUENCE_LSTM_INT8_99999")
    os.makedirs(at)
    with open(os.path.join(at, "model.tflite"), "wb") as f:
        f.write(raw)
    np.savez(os.path.join(at, "data.npz"), input=np.stack(inputs), output=np.stack(outputs))


if __name__ == "__main__":
    main()

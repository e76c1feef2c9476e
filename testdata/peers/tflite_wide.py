"""Keras networks converted with activations of int16 and weights of int8, and what TensorFlow Lite answers.

    python tflite_wide.py wide.tar.gz

writes frontend/tflite/testdata/wide.tar.gz: of each network the model, six inputs, and the outputs of the
reference kernels (output_false) and of the optimized ones (output_true). requirements.txt has the packages.
"""

import io
import sys
import tarfile

import numpy as np
import tensorflow as tf

K = tf.keras.layers
SAMPLES = 6


def conv(v):
    v = K.Conv2D(6, 3, padding="same", activation="relu")(v)
    v = K.Conv2D(5, 3)(K.MaxPool2D(2)(v))
    return K.Dense(7)(K.Flatten()(v))


def dws(v):
    v = K.DepthwiseConv2D(3, padding="same", activation="relu6")(v)
    v = K.AveragePooling2D(2)(K.Conv2D(8, 1)(v))
    return K.Dense(4, activation="softmax")(K.Flatten()(v))


def res(v):
    a = K.Conv2D(4, 3, padding="same", activation="relu")(v)
    v = K.ReLU()(K.Add()([a, K.Conv2D(4, 1)(v)]))
    return K.Dense(3)(K.GlobalAveragePooling2D()(v))


def tcn(v):
    a = K.Conv1D(8, 3, padding="causal", dilation_rate=1, activation="relu")(v)
    a = K.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="tanh")(a)
    return K.Dense(2)(a)


def mlp(v):
    v = K.Dense(16, activation="tanh")(v)
    return K.Dense(3)(K.Dense(16, activation="sigmoid")(v))


def gate(v):
    a = K.Dense(8, activation="sigmoid")(v)
    v = K.Multiply()([a, K.Dense(8, activation="tanh")(v)])
    c = K.Subtract()([v, a])
    return K.Dense(2)(K.Concatenate()([c, c]))


def ae(v):
    for units in (8, 4, 8):
        v = K.Dense(units, activation="relu")(v)
    return K.Dense(12)(v)


def soft(v):
    v = K.Conv2D(6, 3, strides=2, padding="same", activation="relu")(v)
    v = K.Softmax()(K.Reshape((6, 16))(K.Permute((3, 1, 2))(v)))
    return K.Dense(5)(K.Flatten()(v))


# Each network, the shape of its input, and whether its layers have biases.
NETWORKS = [
    (conv, (10, 8, 3), True), (dws, (8, 8, 4), True), (res, (7, 7, 3), True), (tcn, (20, 5), True),
    (mlp, (9,), False), (gate, (6,), True), (ae, (12,), False), (soft, (8, 8, 2), True),
]


def converted(build, shape, biases, rng):
    tf.keras.utils.set_random_seed(3)
    x = K.Input(shape, batch_size=1)
    m = tf.keras.Model(x, build(x))
    data = [rng.normal(size=(1,) + shape).astype(np.float32) * (1 + i % 3) for i in range(40)]
    for layer in m.layers:
        if biases and len(layer.weights) > 1:
            layer.weights[1].assign(rng.normal(size=layer.weights[1].shape) * 0.3)
    c = tf.lite.TFLiteConverter.from_keras_model(m)
    c.optimizations = [tf.lite.Optimize.DEFAULT]
    c.representative_dataset = lambda: ([d] for d in data)
    c.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    c.inference_input_type = c.inference_output_type = tf.int16
    return c.convert()


def answers(model, kernels):
    it = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kernels)
    it.allocate_tensors()
    i, o = it.get_input_details()[0], it.get_output_details()[0]
    rng, xs, ys = np.random.default_rng(1), [], []
    for k in range(SAMPLES):
        if k % 2:
            x = rng.integers(-32768, 32768, size=i["shape"])
        else:
            x = (rng.normal(size=i["shape"]) * 6000).clip(-32768, 32767)
        x = x.astype(np.int16)
        it.set_tensor(i["index"], x)
        it.invoke()
        xs.append(x)
        ys.append(it.get_tensor(o["index"]))
    return np.stack(xs), np.stack(ys)


def main():
    rng, kinds = np.random.default_rng(0), tf.lite.experimental.OpResolverType
    with tarfile.open(sys.argv[1], "w:gz") as out:
        def add(name, raw):
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            out.addfile(info, io.BytesIO(raw))

        for build, shape, biases in NETWORKS:
            model = converted(build, shape, biases, rng)
            x, reference = answers(model, kinds.BUILTIN_REF)
            _, optimized = answers(model, kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
            raw = io.BytesIO()
            np.savez(raw, input=x, output_false=reference, output_true=optimized)
            add(build.__name__ + "/model.tflite", model)
            add(build.__name__ + "/data.npz", raw.getvalue())


if __name__ == "__main__":
    main()

"""Writes small Keras 3 networks as TensorFlow Lite files, each in float, int8, int8 with
uint8 inputs and results, and hybrid (int8 weights, float activations), with what the
interpreter answers.

    python keras_cases.py DIR [NAME,NAME,... [SAMPLES]]

Each case is NAME_FORMAT/NAME_FORMAT.tflite beside NAME_FORMAT.npz: x, the reals of the
inputs; xi, the elements that the interpreter was given; y, the answers of its optimized
kernels, without delegates; reference, those of its reference kernels; iq and oq, scale
and zero point of input and result. The weights are random; the same version of
TensorFlow gives the same cases. frontend/tflite/testdata/keras.tar.gz has fewer samples of
them, and its files are called model.tflite and data.npz.
"""
import contextlib
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from keras import layers as L

CALIBRATION = 32
SAMPLES = 100


def cnn(format):
    x = i = keras.Input((12, 12, 1))
    x = L.MaxPooling2D(2)(L.Conv2D(8, 3, activation="relu")(x))
    x = L.BatchNormalization()(L.Conv2D(12, 3, padding="same")(x))
    x = L.AveragePooling2D(2)(L.LeakyReLU(0.1)(x))
    return keras.Model(i, L.Dense(10, activation="softmax")(L.Flatten()(x)))


def mbse(format):
    x = i = keras.Input((32, 32, 3))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    x = L.Activation("hard_swish")(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(x)))
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.Conv2D(8, 1, activation="hard_sigmoid")(L.Conv2D(4, 1, activation="relu")(s))
    x = L.Multiply()([x, s])
    x = L.Activation("silu")(L.Conv2D(16, 3, strides=2, padding="same")(x))
    return keras.Model(i, L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def tcn(format):
    x = i = keras.Input((32, 6))
    for d in (1, 2, 4):
        y = L.Conv1D(8, 3, dilation_rate=d, padding="causal", activation="relu")(x)
        x = L.Add()([y, L.Conv1D(8, 1)(x)])
    x = L.Conv1D(8, 3, dilation_rate=2, padding="same", activation="tanh")(x)
    return keras.Model(i, L.Dense(4)(L.GlobalMaxPooling1D()(x)))


def lstm(format):
    """A loop; the converter cannot make integers of loops."""
    x = i = keras.Input((12, 6), batch_size=1)
    return keras.Model(i, L.Dense(4)(L.LSTM(8, unroll=format.startswith("int8"))(x)))


def gru(format):
    x = i = keras.Input((10, 6), batch_size=1)
    return keras.Model(i, L.Dense(4)(L.GRU(8, unroll=True)(x)))


def attention(format):
    x = i = keras.Input((8, 16))
    n = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 8)(n, n)])
    n = L.LayerNormalization()(x)
    x = L.Add()([x, L.Dense(16)(L.Dense(32, activation="gelu")(n))])
    return keras.Model(i, L.Dense(4)(L.GlobalAveragePooling1D()(x)))


def unet(format):
    x = i = keras.Input((16, 16, 3))
    a = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    b = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(a)
    c = L.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu")(b)
    u = L.UpSampling2D(interpolation="bilinear")(c)
    v = L.Conv2DTranspose(6, 3, strides=2, padding="same")(c)
    x = L.Concatenate()([a, u, v])
    return keras.Model(i, L.Conv2D(2, 1, activation="sigmoid")(x))


def mlp(format):
    x = i = keras.Input((20,))
    n = L.Normalization(mean=np.linspace(0.2, 0.8, 20).astype(np.float32), variance=np.linspace(0.05, 0.2, 20).astype(np.float32))
    x = L.Dense(24, activation="relu")(n(x))
    x = L.Reshape((6, 4))(L.Dense(24)(x))
    x = L.PReLU(shared_axes=[1])(L.Permute((2, 1))(x))
    x = L.UnitNormalization()(L.Flatten()(x))
    return keras.Model(i, L.Dense(5)(x))


def softsign(format):
    """A quotient of two functions of one value."""
    i = keras.Input((12,))
    return keras.Model(i, L.Dense(5)(L.Dense(8, activation="softsign")(i)))


def hard_tanh(format):
    """Fused bounds of -1 and 1."""
    i = keras.Input((12,))
    return keras.Model(i, L.Dense(5)(L.Dense(8, activation="hard_tanh")(i)))


def rms(format):
    """Squares of an input of integers in reals, which are quantized again."""
    i = keras.Input((8, 16))
    return keras.Model(i, L.Dense(4)(L.RMSNormalization()(i)))


NETWORKS = {f.__name__: f for f in (cnn, mbse, tcn, lstm, gru, attention, unet, mlp)}
MORE = {f.__name__: f for f in (softsign, hard_tanh, rms)}  # of frontend/tflite/testdata: only where they are named
FORMATS = ("float", "int8", "int8uio", "hybrid")


def randomize(model, r):
    """Statistics and biases that are not those of a network at rest."""
    for w in model.weights:
        if w.path.endswith(("bias", "beta", "moving_mean")):
            w.assign(r.normal(0, 0.3, w.shape))
        if w.path.endswith(("gamma", "moving_variance")):
            w.assign(r.uniform(0.5, 1.5, w.shape))
        if w.path.endswith("alpha"):
            w.assign(r.uniform(0.05, 0.5, w.shape))


def convert(model, format, data):
    c = tf.lite.TFLiteConverter.from_keras_model(model)
    if format != "float":
        c.optimizations = [tf.lite.Optimize.DEFAULT]
    if format.startswith("int8"):
        c.representative_dataset = lambda: ([x] for x in data)
        c.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        c.inference_input_type = c.inference_output_type = tf.uint8 if format == "int8uio" else tf.int8
    with contextlib.redirect_stdout(sys.stderr):
        return c.convert()


def answers(raw, data, kernels):
    i = Interpreter(model_content=raw, experimental_op_resolver_type=kernels)
    i.allocate_tensors()
    a, b = i.get_input_details()[0], i.get_output_details()[0]
    xi, y = [], []
    for x in data:
        if a["dtype"] != np.float32:
            scale, zero = a["quantization"]
            n = np.iinfo(a["dtype"])
            x = np.clip(np.round(x / scale) + zero, n.min, n.max).astype(a["dtype"])
        i.reset_all_variables()
        i.set_tensor(a["index"], x)
        i.invoke()
        xi.append(x)
        y.append(i.get_tensor(b["index"]).copy())
    q = {k: np.array(d["quantization"], np.float64) for k, d in (("iq", a), ("oq", b))}
    return np.stack(y), dict(x=np.stack(data), xi=np.stack(xi), **q)


def main():
    folder = sys.argv[1]
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else list(NETWORKS)
    samples = int(sys.argv[3]) if len(sys.argv) > 3 else SAMPLES
    for name in names:
        for format in FORMATS:
            networks = {**NETWORKS, **MORE}
            seed = list(networks).index(name) if name in MORE else sorted(NETWORKS).index(name)
            keras.utils.set_random_seed(seed)
            r = np.random.default_rng(seed)
            model = networks[name](format)
            randomize(model, r)
            shape = [1, *model.inputs[0].shape[1:]]
            data = [r.uniform(0, 1, shape).astype(np.float32) for _ in range(max(CALIBRATION, samples))]
            raw = convert(model, format, data[:CALIBRATION])
            y, arrays = answers(raw, data[:samples], OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
            reference, _ = answers(raw, data[:samples], OpResolverType.BUILTIN_REF)
            case = f"{name}_{format}"
            at = os.path.join(folder, case)
            os.makedirs(at, exist_ok=True)
            with open(os.path.join(at, case + ".tflite"), "wb") as f:
                f.write(raw)
            np.savez(os.path.join(at, case + ".npz"), y=y, reference=reference, **arrays)
            print(case, len(raw))


if __name__ == "__main__":
    main()

"""Writes ONNX models that take spectra of a signal, with what ONNX's reference implementation answers.

    python onnx_spectra.py spectra.tar.gz

writes frontend/onnx/testdata/spectra.tar.gz: of each case the model, an input and the output, as ONNX's own
backend tests have them. The graphs are those that PyTorch's exporters write of torch.stft and torch.fft.rfft,
and what else ONNX has for it. requirements.txt has the packages.
"""
import io
import sys
import tarfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

SAMPLES, FFT, HOP, BINS, BANDS = 400, 64, 24, 33, 6
FRAMES = (SAMPLES - FFT) // HOP + 1


class Graph:
    """A graph under construction; v is the last value."""

    def __init__(self, rng, opset=20):
        self.rng, self.opset, self.v = rng, opset, "x"
        self.nodes, self.inits, self.x = [], [], [1, SAMPLES]

    def const(self, x, dtype=np.float32):
        self.inits.append(numpy_helper.from_array(np.asarray(x, dtype), f"k{len(self.inits)}"))
        return self.inits[-1].name

    def ints(self, *x):
        return self.const(x, np.int64)

    def int(self, x):
        return self.const(x, np.int64)

    def do(self, op, *args, **attrs):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, args, [name], name=f"/n{len(self.nodes)}/{op}", **attrs))
        return name

    def then(self, op, *args, **attrs):
        self.v = self.do(op, self.v, *args, **attrs)
        return self

    def hann(self, size=FFT):
        return .5 - .5 * np.cos(2 * np.pi * np.arange(size) / size)

    def bank(self, rows=BINS, bands=BANDS):
        return self.const(np.abs(self.rng.normal(size=(rows, bands))))

    def stft(self, window=None, onesided=1):
        w = self.const(self.hann()) if window is None else window
        return self.then("Unsqueeze", self.ints(-1)).then("STFT", self.int(HOP), w, self.int(FFT), onesided=onesided)


def power_transposed(g):  # torch.stft(return_complex=False).pow(2).sum(-1), and filters
    g.stft().then("Transpose", perm=[0, 2, 1, 3]).then("Pow", g.const(2)).then("ReduceSum", g.ints(-1), keepdims=0)
    g.then("Transpose", perm=[0, 2, 1]).then("MatMul", g.bank()).then("Transpose", perm=[0, 2, 1])
    g.then("Add", g.const(1e-3)).then("Log")


def magnitude_of_complex(g):  # torch.stft(return_complex=True).abs() by the exporter dynamo
    g.stft().then("Transpose", perm=[0, 2, 1, 3]).then("ReduceL2", g.ints(-1), keepdims=0)


def complex_squared(g):
    g.stft().then("ReduceL2", g.ints(-1), keepdims=0).then("Pow", g.const(2)).then("MatMul", g.bank())
    g.then("Clip", g.const(1e-2)).then("Log").then("Mul", g.const(4.3429448))


def parts(g):  # z[..., 0]**2 + z[..., 1]**2
    g.stft().then("Transpose", perm=[0, 2, 1, 3])
    re = g.do("Pow", g.do("Gather", g.v, g.int(0), axis=3), g.const(2))
    im = g.do("Pow", g.do("Gather", g.v, g.int(1), axis=3), g.const(2))
    g.v = g.do("Add", re, im)


def parts_times(g):  # sqrt(re*re + im*im)
    g.stft()
    re, im = g.do("Slice", g.v, g.ints(0), g.ints(1), g.ints(3)), g.do("Slice", g.v, g.ints(-1), g.ints(9), g.ints(-1))
    g.v = g.do("Add", g.do("Mul", im, im), g.do("Mul", re, re))
    g.then("Sqrt").then("Squeeze", g.ints(3)).then("Unsqueeze", g.ints(1))


def parts_split(g):
    g.stft()
    g.nodes.append(helper.make_node("Split", [g.v], ["re", "im"], axis=-1, num_outputs=2))
    g.v = g.do("Add", g.do("Mul", "re", "re"), g.do("Mul", "im", "im"))


def centred(g):  # torch.stft(center=True)
    g.then("Reshape", g.ints(1, 1, SAMPLES)).then("Pad", g.ints(0, 0, FFT // 2, 0, 0, FFT // 2), mode="reflect")
    g.then("Reshape", g.ints(1, SAMPLES + FFT)).stft().then("ReduceSumSquare", g.ints(3), keepdims=0)


def mel_weights(g):  # all of ONNX's own operations, as constants
    mel = g.do("MelWeightMatrix", g.int(BANDS), g.int(FFT), g.int(16000), g.const(300), g.const(7000))
    g.stft(g.do("HammingWindow", g.int(FFT))).then("ReduceSumSquare", g.ints(-1), keepdims=0).then("MatMul", mel)
    g.then("Max", g.const(1e-5)).then("Log")


def coefficients(g):  # and a cosine transform
    mel = g.do("MelWeightMatrix", g.int(BANDS), g.int(FFT), g.int(16000), g.const(0), g.const(8000))
    g.stft(g.do("BlackmanWindow", g.int(FFT), periodic=0)).then("ReduceSumSquare", g.ints(-1), keepdims=0).then("MatMul", mel)
    g.then("Add", g.const(1e-3)).then("Log").then("MatMul", g.const(g.rng.normal(size=(BANDS, 4))))


def filters_first(g):  # filters[bands,bins] by x[bins,frames]
    g.stft().then("Transpose", perm=[0, 2, 1, 3]).then("ReduceSumSquare", g.ints(-1), keepdims=0)
    g.v = g.do("MatMul", g.const(np.abs(g.rng.normal(size=(BANDS, BINS)))), g.v)
    g.then("Clip", g.const(1e-4)).then("Add", g.const(1e-3)).then("Mul", g.const(2)).then("Log").then("Div", g.const(np.log(10)))


def biased_only(g):  # no logarithm follows: the number stays an operation of its own
    g.stft().then("ReduceSumSquare", g.ints(-1), keepdims=0).then("Mul", g.const(.5)).then("Add", g.const(1e-3)).then("Mul", g.const(3)).then("Pow", g.const(.25))


def negative_filters(g):  # no bank: a layer
    g.stft().then("ReduceSumSquare", g.ints(-1), keepdims=0).then("MatMul", g.const(g.rng.normal(size=(BINS, BANDS))))


def first_bins(g):  # the last frequency left out, and a value used twice
    g.stft().then("ReduceSumSquare", g.ints(-1), keepdims=0).then("Slice", g.ints(0), g.ints(BINS - 1), g.ints(2))
    g.v = g.do("Add", g.do("MatMul", g.v, g.bank(BINS - 1, 5)), g.do("ReduceSum", g.v, g.ints(2), keepdims=1))


def whole_circle(g):  # all frequencies, of which half are taken
    g.stft(onesided=0).then("Slice", g.ints(0), g.ints(BINS), g.ints(2)).then("ReduceL2", g.ints(3), keepdims=0)


def scaled(g):  # samples in steps of a 32768th, by a window that has no name
    g.then("Mul", g.const(1 / 3)).stft(g.const(np.sqrt(g.hann()))).then("ReduceSumSquare", g.ints(-1), keepdims=0)


def legacy(g):  # opset 17, and no length
    g.opset, g.x = 17, [1, SAMPLES, 1]
    g.then("STFT", g.int(HOP), g.const(g.hann()), onesided=1)
    g.then("Pow", g.const(2)).then("ReduceSum", g.ints(-1), keepdims=0)


def rectangle(g):  # no window
    g.then("Unsqueeze", g.ints(-1)).then("STFT", g.int(HOP), "", g.int(FFT)).then("ReduceSumSquare", g.ints(-1), keepdims=0)


def features(g):  # into a network of images
    g.stft().then("ReduceSumSquare", g.ints(-1), keepdims=0).then("MatMul", g.bank()).then("Add", g.const(1e-3)).then("Log")
    g.then("Unsqueeze", g.ints(1)).then("Conv", g.const(g.rng.normal(size=(3, 1, 3, 3)))).then("Relu").then("ReduceMean", g.ints(2, 3), keepdims=0)


def unfolded(g):  # x.unfold(-1, 48, HOP), a window, zeros, torch.fft.rfft(n=64)
    at = np.arange((SAMPLES - 48) // HOP + 1)[:, None] * HOP + np.arange(48)
    g.then("Gather", g.const(at, np.int64), axis=1).then("Mul", g.const(g.hann(48)))
    g.then("Pad", g.ints(0, 0, 0, 0, 0, FFT - 48), g.const(0)).then("Unsqueeze", g.ints(-1))
    g.then("DFT", g.int(FFT), g.int(2), inverse=0, onesided=1).then("ReduceL2", g.ints(-1), keepdims=0).then("Pow", g.const(2))
    g.then("MatMul", g.bank()).then("Add", g.const(1e-3)).then("Log")


def padded_both(g):  # zeros on both sides of a frame, of some samples in the middle
    at = 10 + np.arange(4)[:, None] * 50 + np.arange(40)
    g.then("Gather", g.const(at, np.int64), axis=1).then("Mul", g.const(g.hann(40)))
    g.then("Pad", g.ints(0, 0, 8, 0, 0, 16), g.const(0)).then("Mul", g.const(np.linspace(.5, 1, FFT))).then("Unsqueeze", g.ints(-1))
    g.then("DFT", g.int(FFT), g.int(-2), onesided=1).then("ReduceSumSquare", g.ints(-1), keepdims=0)


def rows(g):  # x.reshape(1, -1, 32), torch.fft.rfft(n=64): no overlap
    g.x = [1, 384]
    g.then("Reshape", g.ints(1, -1, 32)).then("Mul", g.const(g.hann(32))).then("Unsqueeze", g.ints(-1))
    g.then("DFT", g.int(FFT), g.int(2), onesided=1).then("ReduceSumSquare", g.ints(-1), keepdims=0)


def cut_rows(g):  # a transform of the first 32 samples of each row of 40
    g.then("Reshape", g.ints(1, 10, 40, 1)).then("DFT", g.int(32), g.int(2), onesided=1).then("ReduceL2", g.ints(-1), keepdims=1)


def one_frame(g):  # opset 17: the axis is an attribute
    g.opset, g.x = 17, [1, 128, 1]
    g.then("DFT", onesided=1, axis=1).then("Pow", g.const(2)).then("ReduceSum", g.ints(2), keepdims=0)


def normalized_rows(g):  # a mean that is taken away is no window
    g.x = [1, 256]
    g.then("Sub", g.const(.25)).then("Reshape", g.ints(1, 4, 64, 1)).then("DFT", "", g.int(2), onesided=1).then("ReduceSumSquare", g.ints(-1), keepdims=0)


def constants(g):  # transforms of constants, added to the input
    g.x = [1, 3, 10, 2]
    c = g.const(g.rng.normal(size=(1, 3, 10, 2)))
    g.then("Add", g.do("DFT", c, "", g.int(1)))  # along another axis
    g.then("Add", g.do("DFT", c, "", g.int(-2), inverse=1))
    g.then("Add", g.do("DFT", g.do("DFT", c, g.int(18), onesided=1), g.int(10), g.int(-2), inverse=0))
    g.then("Add", g.do("Concat", *[g.do("DFT", c, g.int(10), g.int(-2), inverse=1, onesided=1)] * 2, axis=-1))
    g.then("Add", g.do("Slice", g.do("STFT", g.const(g.rng.normal(size=(1, 30, 1))), g.int(9), g.const(g.hann(12)), onesided=0), g.ints(0), g.ints(10), g.ints(2)))


def windows(g):
    g.x = [1, 9]
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for periodic in (0, 1):
            g.then("Add", g.do(op, g.int(9), periodic=periodic))
    g.then("Add", g.do("Squeeze", g.do("Slice", g.do("MelWeightMatrix", g.int(3), g.int(16), g.int(8192), g.const(0), g.const(4096)), g.ints(1), g.ints(2), g.ints(1))))


CASES = [power_transposed, magnitude_of_complex, complex_squared, parts, parts_times, parts_split, centred, mel_weights, coefficients,
         filters_first, biased_only, negative_filters, first_bins, whole_circle, scaled, legacy, rectangle, features, unfolded, padded_both,
         rows, cut_rows, one_frame, normalized_rows, constants, windows]


def main():
    with tarfile.open(sys.argv[1], "w:gz") as out:
        def add(name, raw):
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            out.addfile(info, io.BytesIO(raw))

        for seed, build in enumerate(CASES):
            g = Graph(np.random.default_rng(seed))
            build(g)
            graph = helper.make_graph(g.nodes, build.__name__, [helper.make_tensor_value_info("x", TensorProto.FLOAT, g.x)],
                                      [helper.make_tensor_value_info(g.v, TensorProto.FLOAT, None)], g.inits)
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", g.opset)], ir_version=9)
            x = g.rng.uniform(-1, 1, g.x).astype(np.float32)
            y, = ReferenceEvaluator(model).run(None, {"x": x})
            print(build.__name__, y.shape)
            add(build.__name__ + "/model.onnx", model.SerializeToString())
            for what, a in (("input", x), ("output", y)):
                add(f"{build.__name__}/test_data_set_0/{what}_0.pb", numpy_helper.from_array(np.asarray(a, np.float32)).SerializeToString())


if __name__ == "__main__":
    main()

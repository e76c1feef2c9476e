"""Writes small networks of every task as people export them, with items of their inputs.

    python task_cases.py DIR torch    # NAME.onnx, by PyTorch's own exporter
    python task_cases.py DIR keras    # NAME.tflite, by TensorFlow's converter

Beside each model NAME.npz has the array x, items drawn evenly from the range in which the
network takes them, and NAME.labelled.npz also labels y as its task has them. The weights are
random; the same versions give the same cases. For each model a line says what dnnc is to be
told of it: its range, and the tasks of its results. A task in brackets can be read off the
network; dnnc must ask for any other. It needs torch, or tensorflow-cpu.
"""
import os
import sys

import numpy as np

ITEMS = 64


class Case:
    """A network, the shape of an item and its range, what its results mean, and labels."""

    def __init__(self, name, net, shape, low, high, tasks, labels=None):
        self.name, self.net, self.shape, self.low, self.high, self.tasks, self.labels = name, net, shape, low, high, tasks, labels

    def write(self, folder, ending):
        rng = np.random.default_rng(7)
        x = rng.uniform(self.low, self.high, (ITEMS, *self.shape)).astype(np.float32)
        path = os.path.join(folder, self.name)
        np.savez(path + ".npz", x=x)
        if self.labels is not None:
            np.savez(path + ".labelled.npz", x=x, y=self.labels(rng, x))
        print(f"{self.name}{ending}: range {self.low},{self.high}; {self.tasks}")


def whole(below, *shape):
    return lambda rng, x: rng.integers(0, below, (ITEMS, *shape))


def reals(*shape):
    return lambda rng, x: rng.normal(0, 1, (ITEMS, *shape)).astype(np.float32)


def truths(*shape):
    return lambda rng, x: (rng.random((ITEMS, *shape)) > 0.5).astype(np.float32)


def torch_cases(folder):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(7)

    def block(i, o, stride=1):
        return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.ReLU())

    class UNet(nn.Module):
        """Logits of four classes for each pixel."""

        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.up, self.out = block(3, 8), block(8, 16, 2), block(24, 8), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(8, 4, 1)

        def forward(self, x):
            a = self.a(x)
            return self.out(self.c(torch.cat([a, self.up(self.b(a))], 1)))

    class Tagger(nn.Module):
        """The probabilities of five tags at each of 24 steps."""

        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(6, 16, 5, padding=2), nn.Linear(16, 5)

        def forward(self, x):
            return F.softmax(self.b(F.relu(self.a(x)).transpose(1, 2)), -1)

    class Detector(nn.Module):
        """Boxes, classes and objectness of three anchors in each cell, three results."""

        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(block(3, 8, 2), block(8, 16, 2), block(16, 24, 2))
            self.box, self.score, self.found = nn.Conv2d(24, 12, 1), nn.Conv2d(24, 6, 1), nn.Conv2d(24, 3, 1)

        def forward(self, x):
            y = self.body(x)
            return self.box(y).permute(0, 2, 3, 1).reshape(1, -1, 4), torch.sigmoid(self.score(y)), torch.sigmoid(self.found(y))

    class Embedder(nn.Module):
        """A direction of 16 numbers."""

        def __init__(self):
            super().__init__()
            self.body, self.out = nn.Sequential(block(3, 8, 2), block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(16, 16)

        def forward(self, x):
            return F.normalize(self.out(self.body(x)), dim=1)

    class Voices(nn.Module):
        """A speaker by 12 numbers of no fixed length, from the mean over time and its spread."""

        def __init__(self):
            super().__init__()
            self.body, self.out = nn.Sequential(nn.Conv1d(8, 16, 5, padding=2), nn.ReLU(), nn.Conv1d(16, 16, 3, padding=1), nn.ReLU()), nn.Linear(32, 12)

        def forward(self, x):
            y = self.body(x)
            mean = y.mean(2)
            return self.out(torch.cat([mean, (y.square().mean(2) - mean.square() + 1e-4).sqrt()], 1))

    def picture(*head):
        return nn.Sequential(block(3, 8, 2), block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)

    cases = [
        Case("unet", UNet(), (3, 32, 32), 0, 1, "classes axis: 0", whole(4, 32, 32)),
        Case("tagger", Tagger(), (6, 24), -1, 1, "[classes axis: 1]", whole(5, 24)),
        Case("defect", picture(nn.Linear(16, 1)), (3, 32, 32), 0, 1, "binary", truths()),
        Case("attributes", picture(nn.Linear(16, 7), nn.Sigmoid()), (3, 32, 32), 0, 1, "multilabel", truths(7)),
        Case("steering", picture(nn.Linear(16, 1), nn.Tanh()), (3, 32, 32), 0, 1, "values", reals()),
        Case("forecast", nn.Sequential(nn.Conv1d(2, 12, 5, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12 * 24, 12)), (2, 48), -1, 1, "values", reals(12)),
        Case("repeat", nn.Sequential(block(1, 8, 2), nn.ConvTranspose2d(8, 1, 2, 2), nn.Sigmoid()), (1, 28, 28), 0, 1, "reconstruction", truths()),
        Case("machine", nn.Sequential(nn.Linear(40, 16), nn.ReLU(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 40)), (40,), -2, 2, "reconstruction", truths()),
        Case("yolo", Detector(), (3, 64, 64), 0, 1, "values, multilabel, multilabel"),
        Case("faces", Embedder(), (3, 32, 32), 0, 1, "embedding", whole(9)),
        Case("voices", Voices(), (8, 40), -1, 1, "embedding", whole(9)),
    ]
    for c in cases:
        names = [f"result{i}" for i in range(c.tasks.count(",") + 1)]
        torch.onnx.export(c.net.eval(), torch.zeros(1, *c.shape), os.path.join(folder, c.name + ".onnx"), input_names=["x"], output_names=names, opset_version=13)
        c.write(folder, ".onnx")


def keras_cases(folder):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    from keras import layers as L

    keras.utils.set_random_seed(7)

    def functional(shape, build):
        i = keras.Input(shape)
        return keras.Model(i, build(i))

    def picture(x):
        x = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
        return L.GlobalAveragePooling2D()(L.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x))

    def fcn(x):
        y = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
        y = L.Conv2DTranspose(8, 2, strides=2, activation="relu")(y)
        return L.Conv2D(3, 1, activation="softmax")(y)

    def sequence(x):
        return L.Dense(4, activation="softmax")(L.Conv1D(12, 5, padding="same", activation="relu")(x))

    def ssd(x):
        x = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
        x = L.Conv2D(16, 3, strides=4, padding="same", activation="relu")(x)
        return [L.Reshape((-1, 4))(L.Conv2D(8, 1)(x)), L.Reshape((-1, 3))(L.Conv2D(6, 1, activation="sigmoid")(x))]

    def gait(x):
        """A walk by the directions of its mean and of its greatest steps, one after the other."""
        x = L.Conv1D(12, 5, strides=2, activation="relu")(x)
        own = [L.UnitNormalization()(L.Dense(8)(pool()(x))) for pool in (L.GlobalAveragePooling1D, L.GlobalMaxPooling1D)]
        return L.Concatenate()(own)

    def repeat(x):
        y = L.Dense(6, activation="relu")(L.Dense(20, activation="relu")(L.Flatten()(x)))
        return L.Reshape((32, 2))(L.Dense(64)(L.Dense(20, activation="relu")(y)))

    cases = [
        Case("fcn", functional((24, 24, 3), fcn), (24, 24, 3), 0, 1, "[classes axis: 0]", whole(3, 24, 24)),
        Case("sequence", functional((20, 5), sequence), (20, 5), -1, 1, "[classes axis: 1]", whole(4, 20)),
        Case("person", functional((24, 24, 3), lambda x: L.Dense(1, activation="sigmoid")(picture(x))), (24, 24, 3), 0, 1, "binary", truths()),
        Case("tags", functional((24, 24, 3), lambda x: L.Dense(6, activation="sigmoid")(picture(x))), (24, 24, 3), 0, 1, "multilabel", truths(6)),
        Case("age", functional((24, 24, 3), lambda x: L.Dense(1, activation="relu")(picture(x))), (24, 24, 3), 0, 1, "values", reals()),
        Case("load", functional((36, 3), lambda x: L.Dense(6)(L.Flatten()(L.Conv1D(8, 5, strides=2, activation="relu")(x)))), (36, 3), -1, 1, "values", reals(6)),
        Case("vibration", functional((32, 2), repeat), (32, 2), -1, 1, "reconstruction", truths()),
        Case("ssd", functional((48, 48, 3), ssd), (48, 48, 3), 0, 1, "values, multilabel"),
        Case("signs", functional((24, 24, 3), lambda x: L.UnitNormalization()(L.Dense(16)(picture(x)))), (24, 24, 3), 0, 1, "embedding", whole(9)),
        Case("gait", functional((50, 6), gait), (50, 6), -1, 1, "embedding", whole(9)),
    ]
    for c in cases:
        with open(os.path.join(folder, c.name + ".tflite"), "wb") as f:
            f.write(tf.lite.TFLiteConverter.from_keras_model(c.net).convert())
        c.write(folder, ".tflite")


if __name__ == "__main__":
    folder, by = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    {"torch": torch_cases, "keras": keras_cases}[by](folder)

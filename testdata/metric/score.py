#!/usr/bin/env python3
"""A measure for dnnc eval -metric: python3 score.py accuracy|values answers.npz labels.npz

accuracy is the share of items whose greatest answer is the label; values is
1 - rmse/std of one number an item. Without labels the float network's answers stand for
them. It needs no package: an npz is a zip of arrays, each a header and little endian
numbers.
"""
import ast
import math
import struct
import sys
import zipfile


def read(path):
    """Returns {name: (shape, numbers)} of an npz of float32."""
    arrays = {}
    with zipfile.ZipFile(path) as z:
        for name in z.namelist():
            raw = z.read(name)
            length = struct.unpack("<H", raw[8:10])[0]
            shape = ast.literal_eval(raw[10 : 10 + length].decode())["shape"]
            data = raw[10 + length :]
            arrays[name.removesuffix(".npy")] = (shape, struct.unpack("<%df" % (len(data) // 4), data))
    return arrays


def items(array):
    """Splits an array into what belongs to each item."""
    shape, x = array
    size = len(x) // shape[0]
    return [x[i * size : (i + 1) * size] for i in range(shape[0])]


def greatest(x):
    return max(range(len(x)), key=lambda i: x[i])  # the first of several


def accuracy(answers, labels):
    return sum(greatest(a) == l for a, l in zip(answers, labels)) / len(answers)


def values(answers, labels):
    n = len(answers)
    mean = 0.0
    squares = 0.0
    variance = 0.0
    for a, l in zip(answers, labels):
        mean += l
        squares += (a[0] - l) * (a[0] - l)
    mean /= n
    for l in labels:
        variance += (l - mean) * (l - mean)
    return 1 - math.sqrt(squares / n / (variance / n))


def main():
    kind, answers, reference = sys.argv[1], read(sys.argv[2]), read(sys.argv[3])
    (name, own), = answers.items()
    if "labels" in reference:
        labels = [l[0] for l in items(reference["labels"])]
    else:
        labels = [greatest(a) if kind == "accuracy" else a[0] for a in items(reference["float." + name])]
    print(repr({"accuracy": accuracy, "values": values}[kind](items(own), labels)))


main()

#!/usr/bin/env python3
"""A measure for dnnc eval -metric: python3 score.py accuracy|values answers.npz labels.npz

accuracy is the share of items whose greatest answer is the label; values is
1 - rmse/std of one number an item. The network has one result. Without labels the float network's answers stand for
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


def numbers(name, array):
    """Returns the one number that an array has of each item."""
    list = items(array)
    if len(list[0]) != 1:
        sys.exit("%d numbers an item in %s, not one" % (len(list[0]), name))
    return [x[0] for x in list]


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
    if len(answers) != 1:
        sys.exit("the network has %d results, not one" % len(answers))
    (name, own), = answers.items()
    if kind == "values":
        numbers(name, own)
    given = [n for n in reference if not n.startswith("float.")]
    if "labels" in given:
        labels = numbers("labels", reference["labels"])
    elif given:
        sys.exit("labels.npz has labels as %s, not as labels" % ", ".join(given))
    else:
        labels = [greatest(a) if kind == "accuracy" else a[0] for a in items(reference["float." + name])]
    print(repr({"accuracy": accuracy, "values": values}[kind](items(own), labels)))


main()

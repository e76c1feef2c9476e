#!/usr/bin/env python3
"""Detections for dnnc eval -metric: python3 detect.py MODE BOXES SCORES FORM [LEAST] answers.npz labels.npz

BOXES and SCORES are the names of two results. FORM is the meaning of the four numbers of a
box: xyxy, yxyx, xywh, cxcywh, or yolo: then boxes are [4,h,w] and scores [classes,h,w], a
cell of a grid has one box, and its numbers are the middle of the box within the cell, and
width and height as shares of the picture. Otherwise boxes are [n,4] or [4,n], and scores
[n,classes] or [classes,n]. LEAST is the score of a detection, .5 where it is not given.

Boxes of one class are suppressed by a box with a greater score and an IoU above .5. Modes:

agreement  the share of detections that the float network makes, too: what dnnc eval -detect
           measures, under one condition
map        the mean over the classes of the average precision at an IoU of .5, against the
           labels, which are arrays named like the results and decoded like them (a score of 1
           is an object). Without labels the float network's detections are the objects.

It needs no package: an npz is a zip of arrays, each a header and little endian numbers.
"""
import ast
import struct
import sys
import zipfile

SAME = 0.5


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


FORMS = {
    "xyxy": lambda v: v,
    "yxyx": lambda v: (v[1], v[0], v[3], v[2]),
    "xywh": lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3]),
    "cxcywh": lambda v: (v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2),
}


def area(b):
    return max(b[2] - b[0], 0) * max(b[3] - b[1], 0)


def iou(a, b):
    both = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - both
    return both / union if union > 0 else 0.0


def detections(boxes, scores, form, least):
    """Returns for each item [(score, class, corners)], the greatest scores first."""
    (shape, b), (_, s) = boxes, scores
    items, size = shape[0], len(b) // shape[0]
    count = size // 4
    classes = len(s) // items // count
    inner = [d for d in shape[1:] if d != 1]
    apart = form == "yolo" or (inner[0] == 4 and len(inner) == 2)  # [4,n], not [n,4]
    out = []
    for i in range(items):
        found = []
        for k in range(count):
            at = lambda x, e, per: x[i * count * per + (e * count + k if apart else k * per + e)]
            score, label = max((at(s, c, classes), -c) for c in range(classes))
            if score < least:
                continue
            v = tuple(at(b, e, 4) for e in range(4))
            if form == "yolo":
                h, w = shape[2], shape[3]
                v = FORMS["cxcywh"](((k % w + v[0]) / w, (k // w + v[1]) / h, v[2], v[3]))
            else:
                v = FORMS[form](v)
            found.append((score, -label, v))
        found.sort(key=lambda d: -d[0])  # stable
        kept = []
        for d in found:
            if not any(d[1] == o[1] and iou(d[2], o[2]) > SAME for o in kept):
                kept.append(d)
        out.append(kept)
    return out


def match(box, label, others, used):
    """Returns the place of the best unused box of a class, None where none is the same."""
    best, most = None, 0.0
    for j, (_, c, o) in enumerate(others):
        v = iou(box, o)
        if j not in used and c == label and v >= SAME and v > most:
            best, most = j, v
    return best


def agreement(found, reference):
    same, total = 0, 0
    for own, ref in zip(found, reference):
        used = set()
        for _, c, box in ref:
            j = match(box, c, own, used)
            if j is not None:
                used.add(j)
                same += 1
        total += len(own) + len(ref)
    return 2 * same / total if total else 1.0


def mean_average_precision(found, truth):
    classes = sorted({c for objects in truth for _, c, _ in objects})
    total = 0.0
    for c in classes:
        objects = sum(o[1] == c for item in truth for o in item)
        ranked = sorted(((-s, i, k) for i, item in enumerate(found) for k, (s, l, _) in enumerate(item) if l == c))
        used = [set() for _ in found]
        hits, points = 0, []  # recall, precision
        for n, (_, i, k) in enumerate(ranked, 1):
            j = match(found[i][k][2], c, truth[i], used[i])
            if j is not None:
                used[i].add(j)
                hits += 1
                points.append(hits / n)
        # The area below the precision, which is taken for the best at any greater recall.
        best, precision = 0.0, 0.0
        for p in reversed(points):
            best = max(best, p)
            precision += best / objects
        total += precision
    return total / len(classes) if classes else 1.0


def main():
    mode, boxes, scores, form = sys.argv[1:5]
    least = float(sys.argv[5]) if len(sys.argv) > 7 else 0.5
    answers, reference = read(sys.argv[-2]), read(sys.argv[-1])
    found = detections(answers[boxes], answers[scores], form, least)
    given = [n for n in reference if not n.startswith("float.")]
    if mode == "map" and given:
        if boxes not in given or scores not in given:
            sys.exit("labels.npz has labels as %s, not as %s and %s" % (", ".join(given), boxes, scores))
        truth = detections(reference[boxes], reference[scores], form, 0.5)
    else:
        truth = detections(reference["float." + boxes], reference["float." + scores], form, least)
    print(repr({"agreement": agreement, "map": mean_average_precision}[mode](found, truth)))


main()

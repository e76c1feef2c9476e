"""dnnc compiles trained neural networks into fixed-point objects for embedded processors.

    import dnnc
    result = dnnc.compile("model.onnx", target="armv7em", calib=images)
    result.save("build")

The compiler is a program inside this package; this module passes files to it and reads
what it writes. NumPy is needed for arrays, PyTorch only for torch modules.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from dnnc import _command

if TYPE_CHECKING:
    import numpy
    import torch

    Model = Union[str, os.PathLike[str], torch.nn.Module]
    Data = Union[str, os.PathLike[str], numpy.ndarray, Mapping[str, numpy.ndarray]]

__all__ = ["compile", "check", "Error", "Result"]


class Error(Exception):
    """The compiler refused the network, its data or its options. The text is the
    compiler's; code is its exit code: 1 the input is at fault, 2 the options, 3 dnnc."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Result:
    """A compiled network.

    object is the object file for the target, or None of a build with emit="c"; c is the
    portable C file of such a build. header is the C header. certificate is the record of
    the build, parsed: sizes, formats, measures, hashes. report is what the compiler
    printed, messages its warnings.
    """

    name: str
    object: bytes | None
    c: str | None
    header: str
    certificate: dict[str, Any]
    report: str
    messages: str
    files: dict[str, bytes] = field(repr=False)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Writes every file of the build into a folder, which is made if it is missing.
        `dnnc verify FOLDER/NAME.o` proves the object there; the dump beside it is all that it needs."""
        where = Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, content in self.files.items():
            (where / name).write_bytes(content)
            paths.append(where / name)
        return paths

    def _repr_html_(self) -> str:
        c = self.certificate
        rows = [
            ("network", c["network"]),
            ("target", c["target"]),
            ("bytes of weights", c["weight_bytes"]),
            ("bits a weight", f"{c['average_bits']:.3f}"),
            ("bytes of other constants", c["constant_bytes"]),
            ("bytes of code", c.get("code_bytes", "-")),
            ("bytes of the arena", c["arena_bytes"]),
            ("bytes of stack", c.get("stack_bytes", "-")),
        ]
        for near in c.get("fidelity", {}).get("results", []):
            level = "equal" if near.get("equal") else f"{near['sqnr_db']:.1f} dB" if "sqnr_db" in near else "-"
            rows.append((f"fidelity of {near['name']}", level))
        for r in c.get("results", []):
            for side in ("float", "quantized"):
                if side in r:
                    rows.append((f"{r['measure']} of {r['name']}, {side}, under errors", f"{r[side]['mean']:.4f}"))
        cells = "".join(f"<tr><th style='text-align:left'>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows)
        layers = "".join(
            f"<tr><td>{html.escape(l['name'])}</td><td>{html.escape(l['format'])}</td><td style='text-align:right'>{l['weight_bytes']}</td></tr>"
            for l in c["layers"]
        )
        return f"<table>{cells}</table><table><tr><th>layer</th><th>format</th><th>bytes</th></tr>{layers}</table>"


def compile(
    model: Model,
    *,
    target: str,
    calib: Data | None = None,
    labels: numpy.ndarray | None = None,
    data: str | os.PathLike[str] | None = None,
    level: str | None = None,
    errors: str | None = None,
    size: int | None = None,
    bits: float | None = None,
    keep: float | None = None,
    task: str | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    example: Any = None,
    emit: str = "obj",
    seed: int | None = None,
    options: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Compiles a network for a target.

    model is the path of an ONNX, TensorFlow Lite or dnnc file, or a torch module, which
    is exported with example inputs (a tensor or a tuple of them; absent, zeros of the shape
    of one item of calib). target is a name of `dnnc targets`.

    calib is a path of a data set, an array of N items, or one array for each input by its
    name; labels belong to such arrays: N whole numbers. Reals must lie in the range of the
    input, which ranges gives by input name (default 0 to 1). data is the path of a data set
    to report on.

    level is int8, universal, compress or robust; it is robust where errors, size, bits or
    keep ask for a choice of widths, else int8. errors, size (bytes), bits (a weight), keep
    and task are those of the command line; emit is obj or c. options are further arguments of
    `dnnc build`, as "-search", "qstar". progress is told what the compiler says while it
    works; absent, that goes to standard error.

    Raises Error with the compiler's diagnostic.
    """
    if emit not in ("obj", "c"):
        raise ValueError(f'emit is "obj" or "c", not {emit!r}')
    if level is None:
        level = "robust" if any(x is not None for x in (errors, size, bits, keep)) else "int8"
    with tempfile.TemporaryDirectory(prefix="dnnc-") as folder:
        source = _source(model, Path(folder), calib, example)
        name = _name(source)
        out = Path(folder) / "out"
        out.mkdir()
        # With the dump, dnnc verify needs neither the network nor the data.
        kinds, ending = ("obj,ir", ".o") if emit == "obj" else ("c", ".c")
        command = ["build", f"-O={level}", _file(source), f"-target={target}", "-emit", kinds, "-o", str(out / name) + ending]
        command += ["-report", "layers,accuracy,fidelity"]
        for low_high in sorted((ranges or {}).items()):
            command += ["-range", f"{low_high[0]}={low_high[1][0]:.9g},{low_high[1][1]:.9g}"]
        for input_name, shape in sorted((shapes or {}).items()):
            command += ["-shape", f"{input_name}=" + ",".join(str(int(n)) for n in shape)]
        if calib is not None:
            command.append("-calib=" + _data(calib, labels, ranges or {}, Path(folder)))
        elif labels is not None:
            raise ValueError("labels belong to arrays in calib, and there is no calib")
        for flag, value in (("data", data), ("errors", errors), ("size", size), ("bits", bits), ("keep", keep), ("task", task), ("seed", seed)):
            if value is not None:
                command.append(f"-{flag}={value}")
        report, messages = _run([*command, *options], progress)
        files = {p.name: p.read_bytes() for p in sorted(out.iterdir())}
        return Result(
            name=name,
            object=files.get(name + ".o"),
            c=files[name + ".c"].decode() if emit == "c" else None,
            header=files[name + ".h"].decode(),
            certificate=json.loads(files[name + ".json"]),
            report=report,
            messages=messages,
            files=files,
        )


def check(model: Model, *, target: str | None = None, example: Any = None, options: Sequence[str] = ()) -> dict[str, Any]:
    """What `dnnc check` finds out about a network, which needs no data: its inputs, results
    and task, and what an int8 build takes of a target, or of every one of them ("all").

    Raises Error where the network does not import."""
    with tempfile.TemporaryDirectory(prefix="dnnc-") as folder:
        command = ["check", "-json", _file(_source(model, Path(folder), None, example))]
        if target is not None:
            command.append(f"-target={target}")
        report, _ = _run([*command, *options], lambda line: None)
        return json.loads(report)


def _source(model: Model, folder: Path, calib: Any, example: Any) -> Path:
    """The model as a file."""
    if isinstance(model, (str, os.PathLike)):
        return Path(model)
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None or not isinstance(model, torch.nn.Module):
        raise TypeError(f"a model is a path or a torch.nn.Module, not {type(model).__name__}")
    if example is None:
        shape = getattr(calib, "shape", None)
        if shape is None:
            raise ValueError("a torch module needs example inputs, or one array as calib, to be exported")
        example = torch.zeros(1, *shape[1:])
    path = folder / (type(model).__name__.lower() + ".onnx")
    was = model.training
    model.eval()
    try:
        torch.onnx.export(model, example if isinstance(example, tuple) else (example,), str(path), dynamo=False, opset_version=17)
    finally:
        model.train(was)
    return path


def _file(path: Path) -> str:
    """The path as an argument that is neither a flag nor a response file."""
    return os.path.join(os.curdir, path) if str(path).startswith(("-", "@")) else str(path)


def _name(source: Path) -> str:
    """A file name for the outputs: the model's, of letters that every tool takes."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in source.stem)
    return name if name[:1].isalpha() else "net_" + name


def _data(calib: Data, labels: Any, ranges: Mapping[str, tuple[float, float]], folder: Path) -> str:
    """The data as a file that the compiler reads."""
    if isinstance(calib, (str, os.PathLike)):
        if labels is not None:
            raise ValueError("labels belong to arrays in calib; a file has its own")
        return str(calib)
    import numpy

    arrays = {k: numpy.asarray(v) for k, v in calib.items()} if isinstance(calib, Mapping) else {"x": numpy.asarray(calib)}
    for name, array in arrays.items():
        if array.ndim < 2:
            raise ValueError(f"{name}: an array of N items has two axes or more, this one has the shape {array.shape}")
        if array.dtype != numpy.uint8:
            array = array.astype(numpy.float32)
            if not numpy.isfinite(array).all():
                raise ValueError(f"{name}: not every element is a finite number")
        low, high = ranges.get(name, next(iter(ranges.values())) if len(ranges) == 1 and name == "x" else (0.0, 1.0))
        if array.dtype != numpy.uint8 and array.size and (array.min() < low - 1e-6 or array.max() > high + 1e-6):
            raise ValueError(
                f"{name}: elements from {array.min():g} to {array.max():g}, and the input's range is [{low:g}, {high:g}]; ranges={{input: (low, high)}} gives it"
            )
        arrays[name] = numpy.ascontiguousarray(array)
    if labels is not None:
        name = "y"
        while name in arrays:
            name += "_"
        arrays[name] = numpy.asarray(labels)
    path = folder / "calibration.npz"
    with zipfile.ZipFile(path, "w") as archive:  # numpy.savez has an argument called file
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as f:
                numpy.lib.format.write_array(f, array, allow_pickle=False)
    return str(path)


def _run(arguments: Sequence[str], progress: Callable[[str], None] | None) -> tuple[str, str]:
    """Runs the compiler; returns what it printed, and its messages."""
    lines: list[str] = []
    with subprocess.Popen(
        [_command.program(), *arguments], env=_command.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace",
    ) as process:

        def listen() -> None:
            for line in process.stderr:
                lines.append(line)
                if progress is not None:
                    progress(line.rstrip("\n"))
                else:
                    print(line, end="", file=sys.stderr)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            report = process.stdout.read()
        except BaseException:
            process.terminate()  # the user interrupts
            raise
        finally:
            listener.join()
    if process.returncode != 0:
        raise Error("".join(lines).strip() or f"dnnc ended with {process.returncode}", process.returncode)
    return report, "".join(lines)

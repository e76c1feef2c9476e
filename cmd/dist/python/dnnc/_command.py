"""Where the compiler is, and what it finds there."""

import importlib.util
import os
from pathlib import Path

# The variable that names a clang, or a zig, to the compiler.
CLANG = "DNNC_CLANG"


def program() -> str:
    """The path of the compiler, a program of this package."""
    return str(Path(__file__).parent / ("dnnc.exe" if os.name == "nt" else "dnnc"))


def environment() -> dict[str, str]:
    """The environment of the compiler: with the clang of the package ziglang, if it is
    installed (pip install dnnc[llvm]) and the user names no other."""
    env = dict(os.environ)
    spec = importlib.util.find_spec("ziglang")
    if CLANG not in env and spec is not None and spec.origin is not None:
        zig = Path(spec.origin).parent / ("zig.exe" if os.name == "nt" else "zig")
        if zig.is_file():
            env[CLANG] = str(zig)
    return env

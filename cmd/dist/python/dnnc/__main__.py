"""python -m dnnc, and the command dnnc that pip installs: the compiler of this package."""

import os
import subprocess
import sys

from dnnc import _command


def main() -> int:
    command, environment = _command.program(), _command.environment()
    arguments = [command, *sys.argv[1:]]
    if os.name == "posix":
        os.execve(command, arguments, environment)
    return subprocess.run(arguments, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())

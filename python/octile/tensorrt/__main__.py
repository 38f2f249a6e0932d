"""python -m octile.tensorrt SCRIPT [ARGUMENTS]: runs a TensorRT program with Octile.

As `python SCRIPT`, `-m MODULE` or `-c COMMAND`, but `tensorrt`, `cuda` (cudart, bindings) and
`pycuda` are Octile's, in that process alone. Arguments, exit code and tracebacks are the program's.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from types import ModuleType, TracebackType

from octile._aliases import install

USAGE = "usage: python -m octile.tensorrt (SCRIPT | -m MODULE | -c COMMAND) [ARGUMENTS …]"


def _run_code(source: str | bytes, filename: str | None) -> None:
    """Runs source as a fresh __main__."""
    module = ModuleType("__main__")
    module.__dict__.update(__builtins__=sys.modules["builtins"], __spec__=None)
    if filename is not None:
        module.__file__ = filename
        module.__dict__["__cached__"] = None
    sys.modules["__main__"] = module
    exec(compile(source, filename or "<string>", "exec", dont_inherit=True), module.__dict__)


def _set_first_path(folder: str) -> None:
    """Where the program's own modules are found; `python -P` looks nowhere."""
    if not getattr(sys.flags, "safe_path", False):  # Python 3.11
        sys.path[0] = folder


def _run_script(path: str, arguments: list[str]) -> None:
    sys.argv[:] = [path, *arguments]
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        if not getattr(sys.flags, "safe_path", False):
            sys.path.pop(0)  # of this module; runpy puts the program's there
        runpy.run_path(path, run_name="__main__")
        return
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        print(f"octile.tensorrt: can't open {path!r}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    _run_code(source, os.path.abspath(path))


def _run(arguments: list[str]) -> None:
    first, rest = arguments[0], arguments[1:]
    if first == "-m" and rest:
        sys.argv[:] = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c" and rest:
        sys.argv[:] = ["-c", *rest[1:]]
        _set_first_path("")
        _run_code(rest[0], None)
    elif first.startswith("-"):
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    else:
        _run_script(first, rest)


def _program_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the program on: without the frames of this file and of runpy."""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name != __file__ and "runpy" not in os.path.basename(name):
            return traceback
        traceback = traceback.tb_next
    return None


def main() -> int:
    """Runs what the command line names; 1 after an exception of the program, else its exit code."""
    if len(sys.argv) < 2:
        print(USAGE, file=sys.stderr)
        return 2
    if sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0
    install()
    try:
        _run(sys.argv[1:])
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        error.__traceback__ = _program_frames(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

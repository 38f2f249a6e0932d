"""Starts the command-line program that lies in the package: `octile`, `python -m octile`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import octile


def program() -> Path:
    """Where the program lies. An editable install has several folders, one of them with it."""
    for folder in octile.__path__:
        path = Path(folder) / "bin" / "octile"
        if path.is_file():
            return path
    raise FileNotFoundError(
        "this installation of octile lacks its command-line program (bin/octile in "
        f"{', '.join(octile.__path__)}): install the package again"
    )


def main() -> None:
    """Becomes the program: its exit code, signals and output are the program's own."""
    try:
        path = program()
    except FileNotFoundError as error:
        sys.exit(f"octile: {error}")
    os.environ.setdefault("OCTILE_PYTHON", sys.executable)  # for `octile serve`
    os.execv(path, ["octile", *sys.argv[1:]])

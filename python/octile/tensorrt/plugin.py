"""tensorrt.plugin, plugins written in Python: Octile has none; using a name of it says so."""

from __future__ import annotations

from typing import Any

from ._plugins import ADVICE
from ._report import UnsupportedName


def __getattr__(name: str) -> Any:
    """Raises the AttributeError form of UnsupportedError."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise UnsupportedName(f"tensorrt.plugin.{name} has no counterpart in Octile: {ADVICE}")

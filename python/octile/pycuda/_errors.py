"""pycuda's exceptions, and octile's errors turned into them."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager


class Error(Exception):
    """The base of pycuda's errors."""


class MemoryError(Error):
    """There is not so much memory."""


class LogicError(Error):
    """A wrong argument or handle."""


class RuntimeError(Error):
    """A failure of the device."""


class LaunchError(Error):
    """A failure of a kernel; never raised here."""


@contextmanager
def raising(what: str) -> Iterator[None]:
    """Turns what octile._native.host_memory raises into pycuda's errors."""
    try:
        yield
    except builtins.MemoryError:
        raise MemoryError(f"{what} failed: out of memory") from None
    except ValueError as error:  # octile.InvalidArgument
        raise LogicError(str(error)) from None

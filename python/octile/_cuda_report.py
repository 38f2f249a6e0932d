"""How a CUDA call of the CPU device fails, and how arguments become addresses and handles.

cuda-python returns error codes, and scripts drop them. So a failure also gives a RuntimeWarning
that says what was wrong, at the line of the script that called.
"""

from __future__ import annotations

import operator
import sys
import threading
import warnings
from collections.abc import Callable
from ctypes import _Pointer, c_void_p, cast
from numbers import Integral
from typing import Any

import numpy as np

from octile._cuda_enums import cudaError_t

_state = threading.local()  # CUDA keeps the last error for each host thread


def fail(code: cudaError_t, text: str) -> cudaError_t:
    """Records an error of this thread, warns at the caller outside this package, returns it."""
    _state.error = code
    _state.message = text
    if sys.is_finalizing():
        return code  # in __del__ at exit: nobody is left to read it
    depth, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("octile."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(f"{text} ({code.name})", RuntimeWarning, stacklevel=depth)
    return code


def last_error(reset: bool) -> cudaError_t:
    """The last error of this thread; cudaSuccess if there was none since the last reset."""
    error = getattr(_state, "error", cudaError_t.cudaSuccess)
    if reset:
        _state.error = cudaError_t.cudaSuccess
    return error


def last_error_message() -> str:
    """The text of this thread's last failing call ("" if none): more than cudaGetErrorString."""
    return getattr(_state, "message", "")


def attempt(what: str, action: Callable[[], Any]) -> tuple[cudaError_t, Any]:
    """(cudaSuccess, result), or the code of what the native call raised and None."""
    try:
        return cudaError_t.cudaSuccess, action()
    except MemoryError:
        return fail(cudaError_t.cudaErrorMemoryAllocation, f"{what}: out of memory"), None
    except ValueError as error:  # octile.InvalidArgument
        return fail(cudaError_t.cudaErrorInvalidValue, str(error)), None


def size_t(value: Any) -> int:
    """A size_t argument. Raises TypeError or OverflowError as a C extension's would."""
    number = operator.index(value)
    if not 0 <= number < 1 << 64:
        raise OverflowError(f"{number} does not fit size_t")
    return number


def address(value: Any) -> int:
    """The address that an argument means.

    None (0), an int or an object that has `__int__` (handles, DeviceAllocation), a ctypes pointer
    (where it points), an object with `data_ptr()` (torch.Tensor), or a contiguous buffer
    (ndarray, memoryview, bytearray: its first byte). Raises TypeError for anything else.
    """
    if value is None:
        return 0
    if isinstance(value, Integral):
        return size_t(value)
    if isinstance(value, _Pointer):
        return cast(value, c_void_p).value or 0
    if isinstance(value, c_void_p):
        return value.value or 0
    if hasattr(value, "data_ptr"):
        return int(value.data_ptr())
    try:
        view = memoryview(value)
    except TypeError:
        if hasattr(value, "__int__") and not isinstance(value, (str, float)):
            return size_t(int(value))
        raise TypeError(
            f"Provided argument is of type {type(value)} but expected Type None, int or object "
            "with Buffer Protocol"
        ) from None
    if not view.c_contiguous:
        raise TypeError("a buffer must be contiguous: use numpy.ascontiguousarray")
    return np.frombuffer(view, np.uint8).ctypes.data if view.nbytes else 0


def handle(value: Any) -> int:
    """The number of a stream or event: an int, None (0), a handle, or pycuda's object."""
    if value is None:
        return 0
    return int(getattr(value, "handle", value))

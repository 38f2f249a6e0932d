"""Weights, values for a layer as a view of the caller's memory, and IHostMemory, bytes handed out.

Both keep alive what they show. An IHostMemory is a `bytes`, so that files, `memoryview`,
`numpy.frombuffer` and `Runtime.deserialize_cuda_engine` read it without copying.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ._enums import DataType, dtype_of, nptype
from ._functions import Managed
from ._report import unsupported


class Weights:
    """Values of a layer: `Weights(array)`, `Weights(dtype)` (none) or `Weights(dtype, ptr, count)`.

    An array is kept alive and read where it is; one that is not contiguous is copied once. With a
    pointer (host memory) the caller keeps the memory alive. TypeError for an array whose type
    TensorRT has not (float64 …), ValueError for a null pointer with a count or a negative count.
    """

    __slots__ = ("_dtype", "_data", "_count")
    __module__ = "octile.tensorrt"

    def __init__(self, *args: Any, **named: Any) -> None:
        names = ("type", "ptr", "count")
        first = args[0] if args else named.get("a", named.get("type", DataType.FLOAT))
        given = {**dict(zip(names, args)), **named}
        if isinstance(first, np.ndarray) and len(given) == 1:
            self._set_array(first)
        elif isinstance(first, DataType) and set(given) in (set(), {"type"}, set(names)):
            self._set_pointer(first, given.get("ptr", 0), given.get("count", 0))
        else:
            kinds = ", ".join(type(x).__name__ for x in given.values())
            raise TypeError(
                "Weights takes a NumPy array, a DataType, or a DataType, an address and a count; "
                f"not ({kinds})"
            )

    def _set_array(self, array: np.ndarray) -> None:
        self._dtype = dtype_of(array.dtype)
        self._data = np.ascontiguousarray(array).reshape(-1)
        self._count = array.size

    def _set_pointer(self, dtype: DataType, pointer: Any, count: Any) -> None:
        pointer, count = pointer.__index__(), count.__index__()
        if count < 0 or (count > 0 and pointer == 0):
            raise ValueError(f"Weights: {count} values at address {pointer:#x} cannot be read")
        self._dtype, self._count = dtype, count
        size = self.nbytes
        raw = np.empty(0, np.uint8)
        if size > 0:
            raw = np.frombuffer((ctypes.c_uint8 * size).from_address(pointer), np.uint8)
        self._data = raw.view(nptype(dtype)) if self._readable() else raw

    def _readable(self) -> bool:
        try:
            nptype(self._dtype)
        except TypeError:
            return False
        return True

    @property
    def dtype(self) -> DataType:
        """The type of the values."""
        return self._dtype

    @property
    def size(self) -> int:
        """The number of values."""
        return self._count

    @property
    def nbytes(self) -> int:
        """The bytes of all values."""
        return int(np.ceil(self._count * self._dtype.itemsize))

    def numpy(self) -> Any:
        """The values as a flat array (a view); these Weights where NumPy has no such type."""
        return self._data if self._readable() else self

    def __len__(self) -> int:
        return self._count


def as_weights(value: Any, what: str = "weights") -> Weights:
    """`value` (Weights, an array, None: no values) as Weights; TypeError naming `what`."""
    if isinstance(value, Weights):
        return value
    if value is None:
        return Weights()
    if isinstance(value, np.ndarray):
        return Weights(value)
    raise TypeError(f"{what} takes Weights or a NumPy array, not {type(value).__name__}")


def native_values(weights: Weights) -> np.ndarray:
    """The values as a flat array, as Octile computes with them: float32 for HALF and BF16.

    Other types stay what they are; UnsupportedError for FP8, INT4, FP4 and E8M0.
    """
    if weights.dtype == DataType.BF16:
        bits = weights._data.view(np.uint16).astype(np.uint32)
        return (bits << 16).view(np.float32)
    if not weights._readable():
        unsupported(f"Weights of {weights.dtype}", "hand them in as FLOAT or INT8")
    return weights._data.astype(np.float32) if weights.dtype == DataType.HALF else weights._data


class IHostMemory(Managed, bytes):
    """Bytes that the builder made (an engine, a timing cache): write them to a file as they are."""

    __module__ = "octile.tensorrt"

    @property
    def dtype(self) -> DataType:
        """The type of the elements: INT8, as in TensorRT."""
        return DataType.INT8

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return len(self)

    size = nbytes

    def __repr__(self) -> str:
        return f"<octile.tensorrt.IHostMemory of {len(self)} bytes>"

    __str__ = __repr__


__all__ = ["Weights", "IHostMemory"]

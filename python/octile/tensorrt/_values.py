"""Arrays at addresses: reading and writing bindings in the type that TensorRT's API declares.

The native engine computes HALF and BF16 tensors in float32; what stands in bindings are real half
values. Every address is checked by the CPU device's memory (`octile._native.host_memory`).
"""

from __future__ import annotations

import ctypes
from typing import Any, Optional, Sequence

import numpy as np

import octile

from ._types import DataType, nptype

__all__: list = []

_memory = octile._native.host_memory


def storage_type(dtype: DataType) -> np.dtype:
    """The NumPy type whose bytes stand in memory; uint16 for BF16, which NumPy has not."""
    return np.dtype(np.uint16 if dtype == DataType.BF16 else nptype(dtype))


def bytes_of(buffer: Any) -> bytes:
    """The bytes of any object with the buffer protocol. TypeError for others."""
    return memoryview(buffer).tobytes()


def byte_count(dtype: DataType, shape: Sequence[int]) -> int:
    """Bytes of a dense tensor."""
    count = 1
    for extent in shape:
        count *= extent
    return count * storage_type(dtype).itemsize


def to_native(array: np.ndarray, dtype: DataType) -> np.ndarray:
    """Stored values of `dtype` as the native engine takes them."""
    if dtype == DataType.HALF:
        return array.astype(np.float32)
    if dtype == DataType.BF16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


def from_native(array: np.ndarray, dtype: DataType) -> np.ndarray:
    """Native values as they are stored for `dtype`; halves are rounded to the nearest."""
    if dtype == DataType.BF16:
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
        rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
        return np.where(np.isnan(array), np.uint16(0x7FC0), rounded)
    with np.errstate(over="ignore"):  # beyond half's range stands infinity, as on a GPU
        return np.ascontiguousarray(array, storage_type(dtype))


def check_address(
    address: int, dtype: DataType, shape: Sequence[int], what: str, write: bool = False
) -> int:
    """The bytes of the tensor, which `address` must have. Raises octile.InvalidArgument."""
    count = byte_count(dtype, shape)
    if count:
        _memory.check(address, count, what, write)
    return count


def stored_at(address: int, dtype: DataType, shape: Sequence[int], what: str) -> np.ndarray:
    """A copy of the tensor at `address` as it is stored."""
    count = check_address(address, dtype, shape, what)
    data = bytearray(ctypes.string_at(address, count)) if count else bytearray()
    return np.frombuffer(data, storage_type(dtype)).reshape(tuple(shape))


def array_at(address: int, dtype: DataType, shape: Sequence[int], what: str) -> np.ndarray:
    """A copy of the tensor at `address` as the native engine takes it."""
    return to_native(stored_at(address, dtype, shape, what), dtype)


def write_at(address: int, array: np.ndarray, what: str) -> None:
    """Writes the bytes of a contiguous array to `address`."""
    if array.nbytes:
        _memory.check(address, array.nbytes, what, True)
        ctypes.memmove(address, array.ctypes.data, array.nbytes)


def as_address(value: Optional[Any], what: str) -> int:
    """An address from an int, an object that converts to one, or None (0). TypeError else."""
    if value is None:
        return 0
    try:
        address = int(value)
    except (TypeError, ValueError):
        address = -1
    if not 0 <= address < 1 << 64:
        raise TypeError(f"{what}: {type(value).__name__} {value!r} is no address")
    return address

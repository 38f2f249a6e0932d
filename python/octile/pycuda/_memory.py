"""Memory by pycuda's names. A wrong address raises LogicError with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from octile._cuda_memory import cudaMemGetInfo
from octile._cuda_report import address, size_t
from octile._native import host_memory
from octile.pycuda._errors import LogicError, raising


class PointerHolderBase:
    """A base for objects that stand for an address: subclasses have `get_pointer()`."""

    def get_pointer(self) -> int:
        """The address."""
        raise NotImplementedError

    def __int__(self) -> int:
        return int(self.get_pointer())

    __index__ = __int__


class DeviceAllocation(PointerHolderBase):
    """An allocation; `int()` is its address. It is freed with the object or by free()."""

    def __init__(self, where: int, kind: str = "device") -> None:
        self._where: int | None = where
        self._pinned = kind == "pinned"
        self._free = host_memory.free  # kept, so that it is there at interpreter exit

    def get_pointer(self) -> int:
        """The address; LogicError after free()."""
        if self._where is None:
            raise LogicError("the DeviceAllocation was freed (use after free)")
        return self._where

    def free(self) -> None:
        """Frees the memory now."""
        where, self._where = self.get_pointer(), None
        with raising("mem_free"):
            self._free(where, self._pinned, "mem_free")

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        """Bytes of it as a buffer, which the CPU device can give; checked when made."""
        import ctypes

        start = self.get_pointer() + offset
        with raising("as_buffer"):
            host_memory.check(start, size, "as_buffer")
        return memoryview((ctypes.c_ubyte * size).from_address(start)).cast("B")

    def __repr__(self) -> str:
        shown = "freed" if self._where is None else f"{self._where:#x}"
        return f"<DeviceAllocation {shown}>"

    def __del__(self) -> None:
        where, self._where = getattr(self, "_where", None), None
        if where is not None:
            self._free(where, self._pinned, "mem_free")


def _allocate(what: str, nbytes: Any, kind: str = "device") -> DeviceAllocation:
    count = size_t(nbytes)
    if count == 0:
        raise LogicError(f"{what} failed: invalid argument: 0 bytes")
    with raising(what):
        return DeviceAllocation(host_memory.alloc(count, kind), kind)


def mem_alloc(bytes: Any) -> DeviceAllocation:
    """An allocation of so many zeroed bytes."""
    return _allocate("mem_alloc", bytes)


def mem_alloc_pitch(width: int, height: int, access_size: int) -> tuple[DeviceAllocation, int]:
    """(allocation, bytes from row to row)."""
    pitch = -(-int(width) // 512) * 512
    return _allocate("mem_alloc_pitch", pitch * int(height)), pitch


def mem_get_info() -> tuple[int, int]:
    """(bytes free, bytes in all) of the machine's memory."""
    return cudaMemGetInfo()[1:]


def _bytes(what: str, buffer: Any) -> tuple[int, int]:
    """Address and bytes of a contiguous host buffer."""
    array = buffer if isinstance(buffer, np.ndarray) else np.asarray(memoryview(buffer))
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError(f"{what}: the host array is not contiguous: use numpy.ascontiguousarray")
    return array.ctypes.data, array.nbytes


def _copy(what: str, dst: int, src: int, nbytes: int) -> None:
    with raising(what):
        host_memory.copy(dst, src, nbytes, what)


def memcpy_htod(dest: Any, src: Any) -> None:
    """Copies a host array to the device."""
    where, nbytes = _bytes("memcpy_htod", src)
    _copy("memcpy_htod", address(dest), where, nbytes)


def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
    """memcpy_htod: work on a stream is done at once."""
    where, nbytes = _bytes("memcpy_htod_async", src)
    _copy("memcpy_htod_async", address(dest), where, nbytes)


def memcpy_dtoh(dest: Any, src: Any) -> None:
    """Fills a host array from the device."""
    where, nbytes = _bytes("memcpy_dtoh", dest)
    _copy("memcpy_dtoh", where, address(src), nbytes)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
    """memcpy_dtoh: work on a stream is done at once."""
    where, nbytes = _bytes("memcpy_dtoh_async", dest)
    _copy("memcpy_dtoh_async", where, address(src), nbytes)


def memcpy_dtod(dest: Any, src: Any, size: Any) -> None:
    """Copies within the device."""
    _copy("memcpy_dtod", address(dest), address(src), size_t(size))


def memcpy_dtod_async(dest: Any, src: Any, size: Any, stream: Any = None) -> None:
    """memcpy_dtod: work on a stream is done at once."""
    _copy("memcpy_dtod_async", address(dest), address(src), size_t(size))


def _set(what: str, dest: Any, value: np.generic, count: Any) -> None:
    pattern = np.full(size_t(count), value)
    _copy(what, address(dest), pattern.ctypes.data, pattern.nbytes)


def memset_d8(dest: Any, data: int, count: Any) -> None:
    """Sets `count` bytes."""
    _set("memset_d8", dest, np.uint8(int(data) & 0xFF), count)


def memset_d16(dest: Any, data: int, count: Any) -> None:
    """Sets `count` words of 2 bytes."""
    _set("memset_d16", dest, np.uint16(int(data) & 0xFFFF), count)


def memset_d32(dest: Any, data: int, count: Any) -> None:
    """Sets `count` words of 4 bytes."""
    _set("memset_d32", dest, np.uint32(int(data) & 0xFFFFFFFF), count)


def pagelocked_empty(
    shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0
) -> np.ndarray[Any, Any]:
    """A host array; every page serves the CPU device alike."""
    return np.empty(shape, dtype, order=order)


def pagelocked_zeros(
    shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0
) -> np.ndarray[Any, Any]:
    """A host array of zeros."""
    return np.zeros(shape, dtype, order=order)


def pagelocked_empty_like(array: Any, mem_flags: int = 0) -> np.ndarray[Any, Any]:
    """A host array of the same shape and type."""
    return np.empty_like(array)


def pagelocked_zeros_like(array: Any, mem_flags: int = 0) -> np.ndarray[Any, Any]:
    """A host array of zeros of the same shape and type."""
    return np.zeros_like(array)


def managed_empty(
    shape: Any, dtype: Any, order: str = "C", mem_flags: int = 1
) -> np.ndarray[Any, Any]:
    """A host array, which the device sees too."""
    return np.empty(shape, dtype, order=order)


def register_host_memory(ary: np.ndarray[Any, Any], flags: int = 0) -> np.ndarray[Any, Any]:
    """The array itself: nothing needs pinning."""
    return ary


def to_device(bf_obj: Any) -> DeviceAllocation:
    """A new allocation that holds a copy of a host array."""
    result = _allocate("to_device", _bytes("to_device", bf_obj)[1])
    memcpy_htod(result, bf_obj)
    return result


def from_device(devptr: Any, shape: Any, dtype: Any, order: str = "C") -> np.ndarray[Any, Any]:
    """A new host array filled from the device."""
    result = pagelocked_empty(shape, dtype, order)
    memcpy_dtoh(result, devptr)
    return result


def from_device_like(devptr: Any, other_ary: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A new host array like another, filled from the device."""
    result = np.empty_like(other_ary)
    memcpy_dtoh(result, devptr)
    return result
